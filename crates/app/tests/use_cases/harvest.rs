//! Harvests over the stub sites: the catalog becomes what the sites say, and nothing is lost by their faults.

use minato_app::catalog::{HarvestCounts, HarvestKind, HarvestSourceDraft, HarvestStatus, Organization, RecordOutcome, Viewer, from_value};
use minato_app::store::dataset::DatasetFilter;
use minato_app::{App, AppSettings};
use minato_testkit::sites::{Fault, Options, RunningSites, SiteSource, Sites};
use serde_json::json;

use crate::{Fresh, system};

fn start() -> (Fresh, RunningSites) {
    let sites = Sites::start(Options::default()).unwrap();
    let directory = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let app = App::open(settings(directory.path(), &sites)).unwrap();
    (Fresh { app, directory }, sites)
}

fn settings(directory: &std::path::Path, sites: &RunningSites) -> AppSettings {
    let mut settings = AppSettings::new(directory);
    settings.harvest.allow_addresses = sites.addresses().iter().map(|address| address.parse().unwrap()).collect();
    settings.harvest.retry_delay = std::time::Duration::from_millis(1);
    settings
}

fn add(app: &App, site: &SiteSource) {
    let municipality = minato_testkit::fixtures::municipality(&site.slug).unwrap();
    app.create::<Organization>(&system(), None, municipality.organization()).unwrap();
    let draft: HarvestSourceDraft = from_value(json!({
        "slug": site.slug, "title": site.name, "kind": site.kind.as_str(), "url": site.url, "organization": site.slug, "missing_runs_max": 1,
    }))
    .unwrap();
    app.create_source(&system(), draft).unwrap();
}

fn count(app: &App, slug: &str) -> usize {
    let organization: Organization = app.get(&Viewer::public(), slug).unwrap();
    let filter = DatasetFilter { organization_id: Some(organization.id), ..Default::default() };
    usize::try_from(app.count_datasets(&Viewer::public(), filter).unwrap()).unwrap()
}

#[test]
fn every_site_arrives_whole_and_a_second_run_changes_nothing() {
    let (fresh, sites) = start();
    let app = &fresh.app;
    for site in sites.sources() {
        add(app, &site);
        let run = app.harvest(&system(), &site.slug, |_| {}).unwrap();
        assert_eq!(count(app, &site.slug), site.expected_datasets, "{} {run:?}", site.slug);
        assert_eq!(usize::try_from(run.counts.failed).unwrap(), site.expected_failures, "{} {run:?}", site.slug);
        let last = app.store().read(minato_app::store::history::last_seq).unwrap();
        let again = app.harvest(&system(), &site.slug, |_| {}).unwrap();
        let expected =
            HarvestCounts { unchanged: i64::try_from(site.expected_datasets).unwrap(), failed: run.counts.failed, ..Default::default() };
        assert_eq!(again.counts, expected, "{}", site.slug);
        assert_eq!(app.store().read(minato_app::store::history::last_seq).unwrap(), last, "{}", site.slug);
    }
}

#[test]
fn changes_follow_and_faults_delete_nothing() {
    let (fresh, sites) = start();
    let app = &fresh.app;
    let whole: Vec<SiteSource> = sites.sources().into_iter().filter(|site| site.faulty.is_none()).collect();
    let mut kinds = std::collections::HashSet::new();
    for site in whole.into_iter().filter(|site| kinds.insert(site.kind)) {
        add(app, &site);
        app.harvest(&system(), &site.slug, |_| {}).unwrap();
        for fault in [Fault::Status(500), Fault::Status(403), Fault::HtmlInstead, Fault::Truncate, Fault::Empty] {
            let name = format!("{} {fault:?}", site.slug);
            sites.set_fault(&site.slug, fault).unwrap();
            let run = app.harvest(&system(), &site.slug, |_| {}).unwrap();
            assert_eq!((count(app, &site.slug), run.counts.archived), (site.expected_datasets, 0), "{name} {run:?}");
        }
        sites.set_fault(&site.slug, Fault::None).unwrap();
        let mut removed = String::new();
        sites
            .edit(&site.slug, |datasets| {
                removed = datasets.remove(0).title;
                datasets[0].description.push_str("（改訂）");
                // A page of links has no descriptions; it says how large files are.
                datasets[0].files[0].bytes.extend([b'\n'; 2048]);
            })
            .unwrap();
        let run = app.harvest(&system(), &site.slug, |_| {}).unwrap();
        assert_eq!(
            (run.status, run.counts.updated, run.counts.archived),
            (HarvestStatus::Complete, 1, 1),
            "{} {run:?} {removed}",
            site.slug
        );
        assert_eq!(count(app, &site.slug), site.expected_datasets - 1);
        let archived = app.harvest_outcomes(&Viewer::system("test"), &run.id.to_string(), Some(RecordOutcome::Archived), None, 10).unwrap();
        assert_eq!(archived.len(), 1);
        assert!(archived[0].cause.is_some());
        // A renamed dataset is not taken for a new one, even where only the number of its row tells. Of a page of links nothing but the
        // title does.
        if site.kind != HarvestKind::FileList {
            let before = app.dataset_slugs(&Viewer::public(), -1, 0).unwrap();
            sites.edit(&site.slug, |datasets| datasets[1].title = "別の名前のデータ".to_owned()).unwrap();
            let run = app.harvest(&system(), &site.slug, |_| {}).unwrap();
            assert_eq!((run.counts.added, run.counts.updated), (0, 1), "{} {run:?}", site.slug);
            assert_eq!(app.dataset_slugs(&Viewer::public(), -1, 0).unwrap(), before);
        }
        // Half of what is left vanishes at once: staff must look.
        sites.edit(&site.slug, |datasets| datasets.truncate(2)).unwrap();
        let run = app.harvest(&system(), &site.slug, |_| {}).unwrap();
        assert_eq!(run.counts.archived, 0, "{} {run:?}", site.slug);
        assert!(run.message.is_some());
    }
}

#[test]
fn counts_of_a_running_run_follow() {
    let (fresh, sites) = start();
    let app = &fresh.app;
    // Its pages come one by one, at a polite pace: some seconds for all of them.
    let ckan = |site: &SiteSource| site.faulty.is_none() && site.kind == HarvestKind::Ckan;
    let site = sites.sources().into_iter().find(ckan).unwrap();
    add(app, &site);
    sites
        .edit(&site.slug, |datasets| {
            let first = datasets.clone();
            for (number, like) in (0..200).zip(first.iter().cycle()) {
                let mut more = like.clone();
                more.title = format!("{} {number}", more.title);
                (more.id, more.name, more.identifier) =
                    (uuid::Uuid::now_v7().to_string(), format!("more-{number}"), format!("more{number:06}"));
                datasets.push(more);
            }
        })
        .unwrap();
    let mut seen = 0;
    let run = app
        .harvest(&system(), &site.slug, |_| {
            let running = &app.harvest_runs(&Viewer::public(), &site.slug, 1).unwrap()[0];
            assert_eq!(running.status, HarvestStatus::Running);
            seen = seen.max(running.counts.added);
        })
        .unwrap();
    assert!(seen > 0 && seen <= run.counts.added, "{seen} {run:?}");
}

#[test]
fn an_interrupted_run_is_taken_over_without_loss_or_double() {
    let (fresh, sites) = start();
    let site = sites.sources().into_iter().find(|site| site.faulty.is_none()).unwrap();
    add(&fresh.app, &site);
    // A worker that dies after some records: its lease is left behind, as after kill -9.
    let doomed = App::open(AppSettings { index: false, node: "doomed".to_owned(), ..settings(fresh.directory.path(), &sites) }).unwrap();
    let run = doomed.queue_harvest(&system(), &site.slug).unwrap();
    let now = chrono::Utc::now();
    doomed
        .store()
        .write::<_, minato_app::store::Error>(|conn| {
            minato_app::store::job::claim(
                conn,
                "harvest",
                Some(run.id),
                "doomed",
                now - chrono::Duration::seconds(60),
                chrono::Duration::seconds(30),
            )
        })
        .unwrap();
    let ended = fresh.app.harvest(&system(), &site.slug, |_| {}).unwrap();
    assert_eq!((ended.id, ended.status), (run.id, HarvestStatus::Complete));
    assert_eq!(count(&fresh.app, &site.slug), site.expected_datasets);
    assert_eq!(usize::try_from(ended.counts.added).unwrap(), site.expected_datasets);
}

#[test]
fn loopback_is_refused_unless_listed() {
    let (fresh, sites) = start();
    let site = sites.sources().into_iter().find(|site| site.faulty.is_none()).unwrap();
    add(&fresh.app, &site);
    let strict = App::open(AppSettings { index: false, ..AppSettings::new(fresh.directory.path()) }).unwrap();
    let run = strict.harvest(&system(), &site.slug, |_| {}).unwrap();
    assert_eq!(run.status, HarvestStatus::Failed);
    assert!(run.message.unwrap().en.contains("address"));
    assert_eq!(count(&fresh.app, &site.slug), 0);
}
