//! What becomes of records over several runs: moved, copied, withdrawn, corrected, swept.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use minato_app::catalog::{
    Dataset, DatasetState, DecisionKind, DecisionState, HarvestKind, HarvestSourceDraft, HarvestStatus, LinkCheckRun, Organization,
    PrivateAgain, RecordOutcome, Viewer, from_value,
};
use minato_app::store::dataset::DatasetFilter;
use minato_app::{App, AppSettings, DecisionListing, PreviewRequest};
use minato_testkit::sites::{Options, RunningSites, SiteSource, Sites};
use serde_json::json;

use crate::{Fresh, draft, system};

struct Case {
    fresh: Fresh,
    sites: RunningSites,
    site: SiteSource,
}

impl Case {
    /// A catalog with one CKAN site as its source.
    fn new() -> Case {
        Case::of(HarvestKind::Ckan)
    }

    fn of(kind: HarvestKind) -> Case {
        let sites = Sites::start(Options::default()).unwrap();
        let directory = std::sync::Arc::new(tempfile::tempdir().unwrap());
        let mut settings = AppSettings::new(directory.path());
        settings.harvest.allow_addresses = sites.addresses().iter().map(|address| address.parse().unwrap()).collect();
        settings.harvest.retry_delay = std::time::Duration::from_millis(1);
        let app = App::open(settings).unwrap();
        let site = sites.sources().into_iter().find(|site| site.faulty.is_none() && site.kind == kind).unwrap();
        let municipality = minato_testkit::fixtures::municipality(&site.slug).unwrap();
        app.create::<Organization>(&system(), None, municipality.organization()).unwrap();
        let case = Case { fresh: Fresh { app, directory }, sites, site };
        case.add(&case.site.slug.clone(), json!({}));
        case
    }

    fn app(&self) -> &App {
        &self.fresh.app
    }

    /// One more source for the same site.
    fn add(&self, slug: &str, more: serde_json::Value) {
        let mut source = json!({
            "slug": slug, "title": slug, "kind": self.site.kind.as_str(), "url": self.site.url, "organization": self.site.slug, "missing_runs_max": 1,
        });
        source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app().create_source(&system(), from_value(source).unwrap()).unwrap();
    }

    fn run(&self, slug: &str) -> minato_app::catalog::HarvestRun {
        self.app().harvest(&system(), slug, |_| {}).unwrap()
    }

    fn run_first(&self) -> minato_app::catalog::HarvestRun {
        self.run(&self.site.slug)
    }

    fn public(&self) -> Vec<Dataset> {
        self.app().list_datasets(&Viewer::public(), DatasetFilter { limit: 1000, ..Default::default() }).unwrap().items
    }

    fn titled(&self, title: &str) -> Dataset {
        self.public().into_iter().find(|dataset| dataset.content.title == title).unwrap_or_else(|| panic!("no {title}"))
    }

    fn decisions(&self, kind: DecisionKind, state: DecisionState) -> Vec<minato_app::FoundDecision> {
        let listing = DecisionListing { kind: Some(kind), state: Some(state), limit: 1000, ..Default::default() };
        self.app().decisions(&Viewer::system("test"), &listing).unwrap()
    }

    /// Looks at all links now, as somebody who asks.
    fn check_links(&self) -> LinkCheckRun {
        self.app().check_links(&system(), &self.site.slug, |_| {}).unwrap()
    }

    /// Looks at the links that a run left to be looked at.
    fn links_after_run(&self) -> LinkCheckRun {
        let run =
            || self.app().link_check_runs(&Viewer::public(), &self.site.slug, 100).unwrap().into_iter().find(|run| !run.asked).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.app().work_on_links(&stop));
            while run().finished.is_none() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            stop.store(true, std::sync::atomic::Ordering::Release);
        });
        run()
    }

    fn edit(&self, change: impl FnOnce(&mut Vec<minato_testkit::fixtures::FixtureDataset>)) {
        self.sites.edit(&self.site.slug, change).unwrap();
    }

    fn policy(&self, change: impl FnOnce(&mut HarvestSourceDraft)) {
        let source = self.app().source(&Viewer::system("test"), &self.site.slug).unwrap();
        let mut draft = source.draft;
        change(&mut draft);
        self.app().replace_source(&system(), &self.site.slug, draft).unwrap();
    }
}

#[test]
fn a_record_with_a_new_id_stays_the_same_dataset() {
    let case = Case::new();
    case.run_first();
    let before = case.public();
    let title = case.sites.datasets(&case.site.slug).unwrap()[0].title.clone();
    let dataset = case.titled(&title);
    let new_id = uuid::Uuid::now_v7().to_string();
    case.edit(|datasets| {
        datasets[0].id.clone_from(&new_id);
        datasets[0].name = "another-name".to_owned();
        datasets[0].files.iter_mut().for_each(|file| file.id = uuid::Uuid::now_v7().to_string());
    });
    let run = case.run_first();
    assert_eq!((run.status, run.counts.added, run.counts.archived, run.counts.suspect), (HarvestStatus::Complete, 0, 0, 0), "{run:?}");
    assert_eq!(case.public().len(), before.len());
    assert_eq!(case.titled(&title).id, dataset.id);
    assert_eq!(case.decisions(DecisionKind::Moved, DecisionState::Accepted).len(), 1);
    assert_eq!(case.titled(&title).content.provenance.unwrap().remote_id, new_id);
    let again = case.run_first();
    assert_eq!(again.counts.unchanged, i64::try_from(before.len()).unwrap(), "{again:?}");
}

#[test]
fn an_id_that_changes_alone_is_written_down() {
    let case = Case::new();
    case.run_first();
    let title = case.sites.datasets(&case.site.slug).unwrap()[0].title.clone();
    let before = case.titled(&title);
    let new_id = uuid::Uuid::now_v7().to_string();
    case.edit(|datasets| datasets[0].id.clone_from(&new_id));
    let run = case.run_first();
    assert_eq!((run.status, run.counts.updated, run.counts.added, run.counts.suspect), (HarvestStatus::Complete, 1, 0, 0), "{run:?}");
    let after = case.titled(&title);
    assert_eq!((after.id, after.content.provenance.as_ref().unwrap().remote_id.as_str()), (before.id, new_id.as_str()));
    assert_eq!(case.run_first().counts.updated, 0);
    assert_eq!(case.titled(&title).revision, after.revision);
}

#[test]
fn a_move_that_is_not_certain_is_proposed_and_shown_once() {
    let case = Case::new();
    case.policy(|draft| draft.missing_runs_max = 5);
    case.run_first();
    let total = case.public().len();
    let title = case.sites.datasets(&case.site.slug).unwrap()[0].title.clone();
    let old = case.titled(&title);
    case.edit(|datasets| {
        datasets[0].id = uuid::Uuid::now_v7().to_string();
        datasets[0].name = "another-name".to_owned();
        datasets[0].description = "まったく別の説明".to_owned();
    });
    let run = case.run_first();
    assert_eq!((run.counts.added, run.counts.suspect), (1, 1), "{run:?}");
    assert_eq!(case.public().len(), total, "shown once");
    let open = case.decisions(DecisionKind::Moved, DecisionState::Open);
    assert_eq!(open.len(), 1);
    case.app().decide(&system(), &open[0].decision.id.to_string(), true).unwrap();
    let run = case.run_first();
    assert_eq!((run.counts.added, run.counts.suspect), (0, 0), "{run:?}");
    let now = case.titled(&title);
    assert_eq!((now.id, now.content.description.as_str(), case.public().len()), (old.id, "まったく別の説明", total));
}

#[test]
fn the_same_dataset_in_two_sources_is_shown_once_and_decisions_stick() {
    let case = Case::new();
    case.run_first();
    let total = case.public().len();
    let first = case.public();
    case.add("joint-portal", json!({"rank": 10}));
    let run = case.run("joint-portal");
    assert_eq!(usize::try_from(run.counts.added).unwrap(), total, "{run:?}");
    let shown = case.public();
    assert_eq!(shown.len(), total, "shown once");
    let joint = case.app().source(&Viewer::public(), "joint-portal").unwrap();
    assert!(shown.iter().all(|dataset| dataset.content.provenance.as_ref().unwrap().source_id == joint.id), "the lower rank is shown");
    // The old address goes on leading somewhere.
    let found = case.app().dataset(&Viewer::public(), &first[0].content.slug).unwrap();
    assert!(found.moved && shown.iter().any(|dataset| dataset.id == found.dataset.id));
    assert_eq!(case.app().count_datasets(&Viewer::public(), DatasetFilter::default()).unwrap(), i64::try_from(total).unwrap());

    let open = case.decisions(DecisionKind::Duplicate, DecisionState::Open);
    assert_eq!(open.len(), total);
    case.app().decide(&system(), &open[0].decision.id.to_string(), false).unwrap();
    assert_eq!(case.public().len(), total + 1, "not the same: both are shown");
    case.edit(|datasets| datasets.iter_mut().for_each(|dataset| dataset.description.push_str("（改訂）")));
    case.run_first();
    case.run("joint-portal");
    assert_eq!(case.public().len(), total + 1, "the decision sticks");
    let again = case.run("joint-portal");
    assert_eq!(usize::try_from(again.counts.unchanged).unwrap(), total, "{again:?}");

    // When the one that is shown goes, its copy takes its place.
    let source = case.app().source(&Viewer::system("test"), "joint-portal").unwrap();
    let gone: Vec<Dataset> = case.public().into_iter().filter(|d| d.content.provenance.as_ref().unwrap().source_id == source.id).collect();
    for dataset in &gone {
        case.app().archive_dataset(&system(), &dataset.id.to_string()).unwrap();
    }
    assert_eq!(case.public().len(), total);
}

#[test]
fn what_is_published_here_comes_before_its_harvested_copy() {
    let case = Case::new();
    case.run_first();
    let total = case.public().len();
    let copied = case.public()[0].clone();
    let native =
        case.app().create_dataset(&system(), draft(json!({"title": copied.content.title, "organization": case.site.slug}))).unwrap().value;
    let shown = case.public();
    assert_eq!(shown.len(), total);
    assert!(shown.iter().any(|dataset| dataset.id == native.id) && !shown.iter().any(|dataset| dataset.id == copied.id));
    let copy = case.app().dataset(&Viewer::system("test"), &copied.id.to_string()).unwrap().dataset;
    assert_eq!((copy.content.state, copy.content.duplicate_of), (DatasetState::Duplicate, Some(native.id)));
    // A draft neither hides nor is hidden.
    let other = shown.iter().find(|dataset| dataset.id != native.id).unwrap();
    case.app()
        .create_dataset(&system(), draft(json!({"title": other.content.title, "organization": case.site.slug, "state": "draft"})))
        .unwrap();
    assert_eq!(case.public().len(), total);
    assert!(case.public().iter().any(|dataset| dataset.id == other.id));
}

#[test]
fn a_private_record_goes_at_once_or_waits_by_policy() {
    let case = Case::new();
    case.policy(|draft| draft.missing_runs_max = 2);
    case.run_first();
    let total = case.public().len();
    // The listing shows neither; asked for by their ids, the one is refused and the other unknown.
    case.edit(|datasets| {
        datasets[0].private = true;
        datasets.pop();
    });
    let run = case.run_first();
    assert_eq!((run.counts.archived, run.counts.suspect, case.public().len()), (1, 1, total - 1), "{run:?}");
    case.edit(|datasets| datasets[0].private = false);
    let run = case.run_first();
    assert_eq!((run.counts.updated, run.counts.archived, case.public().len()), (1, 1, total - 1), "{run:?}");
    case.policy(|draft| draft.private_again = PrivateAgain::Absent);
    case.edit(|datasets| datasets[0].private = true);
    let run = case.run_first();
    assert_eq!((run.counts.suspect, run.counts.archived, case.public().len()), (1, 0, total - 1), "{run:?}");
}

#[test]
fn a_record_that_is_listed_as_private_goes_at_once() {
    let case = Case::of(HarvestKind::DataJson);
    case.policy(|draft| draft.missing_runs_max = 2);
    case.run_first();
    let total = case.public().len();
    case.edit(|datasets| datasets[0].private = true);
    let run = case.run_first();
    assert_eq!((run.counts.archived, run.counts.suspect, case.public().len()), (1, 0, total - 1), "{run:?}");
}

#[test]
fn a_private_record_with_a_successor_is_proposed_as_moved() {
    let case = Case::new();
    case.policy(|draft| draft.missing_runs_max = 2);
    case.run_first();
    let total = case.public().len();
    let title = case.sites.datasets(&case.site.slug).unwrap()[0].title.clone();
    let old = case.titled(&title);
    case.edit(|datasets| {
        let mut successor = datasets[0].clone();
        successor.id = uuid::Uuid::now_v7().to_string();
        successor.name = "another-name".to_owned();
        successor.description = "まったく別の説明".to_owned();
        datasets[0].private = true;
        datasets.push(successor);
    });
    let run = case.run_first();
    assert_eq!((run.counts.added, run.counts.archived, case.public().len()), (1, 1, total), "{run:?}");
    let open = case.decisions(DecisionKind::Moved, DecisionState::Open);
    assert_eq!(open.len(), 1);
    case.app().decide(&system(), &open[0].decision.id.to_string(), true).unwrap();
    case.run_first();
    assert_eq!((case.titled(&title).id, case.public().len()), (old.id, total), "its address goes on");
}

#[test]
fn a_record_of_the_same_name_is_said_to_be_that() {
    let case = Case::new();
    case.run_first();
    case.edit(|datasets| {
        datasets[0].id = uuid::Uuid::now_v7().to_string();
        datasets[0].title = "まったく別の題".to_owned();
        datasets[1].id = uuid::Uuid::now_v7().to_string();
    });
    let run = case.run_first();
    assert_eq!(run.counts.added, 0, "{run:?}");
    let mut reasons: Vec<String> =
        case.decisions(DecisionKind::Moved, DecisionState::Accepted).into_iter().map(|found| found.decision.reason.en).collect();
    reasons.sort_by_key(|reason| reason.contains("content"));
    let [name, content] = reasons.try_into().unwrap();
    assert!(name.ends_with("under the same name") && content.ends_with("with the same content"), "{name} {content}");
}

#[test]
fn a_sweep_waits_for_staff() {
    let case = Case::new();
    case.run_first();
    let total = case.public().len();
    case.edit(|datasets| datasets.truncate(2));
    let run = case.run_first();
    assert_eq!((run.counts.archived, case.public().len()), (0, total), "{run:?}");
    let open = case.decisions(DecisionKind::Sweep, DecisionState::Open);
    assert_eq!(open.len(), 1);
    case.app().decide(&system(), &open[0].decision.id.to_string(), true).unwrap();
    assert_eq!(case.public().len(), 2);
    assert!(case.app().decide(&system(), &open[0].decision.id.to_string(), false).is_err(), "it is done");
}

#[test]
fn a_sweep_that_lost_its_cause_waits_for_nobody() {
    let case = Case::new();
    case.run_first();
    let all = case.sites.datasets(&case.site.slug).unwrap();
    case.edit(|datasets| datasets.truncate(2));
    case.run_first();
    assert_eq!(case.decisions(DecisionKind::Sweep, DecisionState::Open).len(), 1);
    case.edit(|datasets| *datasets = all.clone());
    case.sites.set_fault(&case.site.slug, minato_testkit::sites::Fault::Status(500)).unwrap();
    case.run_first();
    assert_eq!(case.decisions(DecisionKind::Sweep, DecisionState::Open).len(), 1, "nothing was read");
    case.sites.set_fault(&case.site.slug, minato_testkit::sites::Fault::None).unwrap();
    let run = case.run_first();
    assert_eq!((run.status, run.counts.archived, run.message), (HarvestStatus::Complete, 0, None));
    assert!(case.decisions(DecisionKind::Sweep, DecisionState::Open).is_empty());
}

#[test]
fn corrections_survive_and_can_be_dropped() {
    let case = Case::new();
    case.run_first();
    let dataset = case.public()[0].clone();
    let key = dataset.id.to_string();
    let title = dataset.content.title.clone();
    let file = dataset.content.distributions[0].id;
    case.app().patch_dataset(&system(), &key, &json!({"title": "直した題"})).unwrap();
    case.app().patch_distribution(&system(), &file.to_string(), &json!({"title": "直したファイル名"})).unwrap();
    let record = dataset.content.provenance.as_ref().unwrap().remote_id.clone();
    case.edit(|datasets| {
        let own = datasets.iter_mut().find(|own| own.id == record).unwrap();
        own.title = "収集元の新しい題".to_owned();
        own.description = "収集元の新しい説明".to_owned();
    });
    let run = case.run_first();
    assert_eq!(run.counts.updated, 1, "{run:?}");
    let now = case.app().dataset(&Viewer::public(), &key).unwrap().dataset;
    assert_eq!((now.content.title.as_str(), now.content.description.as_str()), ("直した題", "収集元の新しい説明"));
    assert_eq!(now.distribution(file).unwrap().title, "直したファイル名");
    let paths = case.app().corrected_paths(&now).unwrap();
    assert_eq!(paths, [format!("/distributions/{file}/title"), "/title".to_owned()]);
    let patch = case.app().source_corrections(&Viewer::system("test"), &case.site.slug).unwrap();
    assert!(patch.iter().any(|(id, correction)| *id == record && correction.path == "/title" && correction.base == json!(title)));
    case.app().drop_correction(&system(), &key, "/title").unwrap();
    let now = case.app().dataset(&Viewer::public(), &key).unwrap().dataset;
    assert_eq!(now.content.title, "収集元の新しい題");
    assert_eq!(now.distribution(file).unwrap().title, "直したファイル名");
    let again = case.run_first();
    assert_eq!((again.counts.updated, again.counts.failed), (0, 0), "{again:?}");
}

#[test]
fn a_paused_source_is_not_run_and_a_schedule_queues_once() {
    let case = Case::new();
    case.policy(|draft| draft.paused = true);
    assert!(case.app().queue_harvest(&system(), &case.site.slug).is_err());
    case.policy(|draft| (draft.paused, draft.schedule) = (false, Some("30 3 * * *".to_owned())));
    let source = case.app().source(&Viewer::public(), &case.site.slug).unwrap();
    let next: DateTime<Utc> = case.app().next_harvest(&source).unwrap();
    assert_eq!(case.app().queue_due_harvests(next - chrono::Duration::minutes(1)).unwrap(), 0);
    assert_eq!(case.app().queue_due_harvests(next).unwrap(), 1);
    assert_eq!(case.app().queue_due_harvests(next).unwrap(), 0, "it waits already");
    let runs = case.app().harvest_runs(&Viewer::public(), &case.site.slug, 10).unwrap();
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [HarvestStatus::Queued]);
    // A run that waits is stopped at once.
    let stopped = case.app().cancel_harvest(&system(), &runs[0].id.to_string()).unwrap();
    assert_eq!(stopped.status, HarvestStatus::Canceled);
}

#[test]
fn a_running_run_is_stopped_and_deletes_nothing() {
    let case = Case::new();
    case.run_first();
    let total = case.public().len();
    case.edit(|datasets| datasets.truncate(1));
    case.sites.set_fault(&case.site.slug, minato_testkit::sites::Fault::Slow(std::time::Duration::from_secs(5))).unwrap();
    let run = case.app().queue_harvest(&system(), &case.site.slug).unwrap();
    let app = case.app().clone();
    let slug = case.site.slug.clone();
    let worker = std::thread::spawn(move || app.harvest(&system(), &slug, |_| {}).unwrap());
    while case.app().harvest_run(&Viewer::public(), &run.id.to_string()).unwrap().status != HarvestStatus::Running {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    case.app().cancel_harvest(&system(), &run.id.to_string()).unwrap();
    let ended = worker.join().unwrap();
    assert_eq!((ended.status, ended.counts.archived, case.public().len()), (HarvestStatus::Canceled, 0, total), "{ended:?}");
}

#[test]
fn a_preview_shows_records_and_writes_nothing() {
    let case = Case::new();
    let last = case.app().store().read(minato_app::store::history::last_seq).unwrap();
    let preview = case.app().preview_now(&system(), PreviewRequest::Source(case.site.slug.clone())).unwrap();
    let expected = case.site.expected_datasets.min(20);
    assert_eq!((preview.done, preview.records.len()), (true, expected), "{:?}", preview.problems);
    assert!(preview.records.iter().all(|record| !record.draft.title.is_empty()));
    assert_eq!(case.app().store().read(minato_app::store::history::last_seq).unwrap(), last);
    assert!(case.public().is_empty());
    let draft = HarvestSourceDraft::new("wrong", HarvestKind::Ckan, format!("{}/nowhere", case.site.url), &case.site.slug);
    let preview = case.app().preview_now(&system(), PreviewRequest::Draft(Box::new(draft))).unwrap();
    assert!(preview.done && preview.records.is_empty() && !preview.problems.is_empty());
}

#[test]
fn our_own_datasets_do_not_come_back() {
    let case = Case::new();
    let own = case.app().create_dataset(&system(), draft(json!({"title": "独自のデータ", "organization": case.site.slug}))).unwrap().value;
    case.edit(|datasets| datasets[0].id = own.id.to_string());
    let run = case.run_first();
    assert_eq!(run.counts.failed, 1, "{run:?}");
    let failed = case.app().harvest_outcomes(&Viewer::system("test"), &run.id.to_string(), Some(RecordOutcome::Failed), None, 10).unwrap();
    assert!(failed[0].cause.as_ref().unwrap().en.contains("this catalog itself") && failed[0].raw.is_some(), "{failed:?}");
}

#[test]
fn links_are_looked_at_and_compared_with_what_was_said() {
    let case = Case::new();
    case.run_first();
    let files = i64::try_from(case.public().iter().map(|dataset| dataset.content.distributions.len()).sum::<usize>()).unwrap();
    let counts = |run: LinkCheckRun| (run.status, run.looked, run.troubled);
    let mut seen = 0;
    let run = case.app().check_links(&system(), &case.site.slug, |progress| seen = progress.looked).unwrap();
    assert_eq!((seen, counts(run)), (files, (HarvestStatus::Complete, files, 0)));
    let viewer = Viewer::system("test");
    assert_eq!(case.app().troubled_links(&viewer, &case.site.slug).unwrap(), []);
    // Who asks has all looked at again; after a run, what was found is good for some days.
    assert_eq!(counts(case.check_links()), (HarvestStatus::Complete, files, 0));
    assert_eq!(counts(case.links_after_run()), (HarvestStatus::Complete, 0, 0));
    // An address that is new.
    case.edit(|datasets| {
        datasets[0].files[0].name = "renamed.csv".to_owned();
        datasets[0].title.push_str("（改訂）");
    });
    case.run_first();
    assert_eq!(counts(case.links_after_run()), (HarvestStatus::Complete, 1, 0));
    let dataset = case.public().into_iter().find(|dataset| dataset.content.title.ends_with("（改訂）")).unwrap();
    let checks = case.app().link_checks(&viewer, &dataset.content.distributions[0].id.to_string()).unwrap();
    assert!(checks[0].ok && checks[0].finding.status == Some(200), "{checks:?}");
    assert_eq!(checks.len(), 2, "the history keeps what was found before");
}

#[test]
fn a_troubled_link_says_what_is_wrong_and_since_when() {
    let case = Case::new();
    case.run_first();
    let viewer = Viewer::system("test");
    let troubled = || case.app().troubled_links(&viewer, &case.site.slug).unwrap();
    case.check_links();
    // The file is gone; what the catalog says of it stays.
    let name = case.sites.datasets(&case.site.slug).unwrap()[0].files[0].name.clone();
    case.edit(|datasets| datasets[0].files[0].name = "elsewhere.csv".to_owned());
    assert_eq!(case.check_links().troubled, 1);
    let [one] = troubled().try_into().unwrap();
    assert!(one.check.is_broken() && one.check.finding.problems[0].en.contains("404"), "{one:?}");
    assert_eq!(one.since, one.check.at);
    assert_eq!(case.app().link_findings(&one.dataset).unwrap()[&one.distribution.id], one.check);
    // Another trouble of the same link is no new trouble: the file is back, and is not what was said.
    case.edit(|datasets| {
        datasets[0].files[0].name = name.clone();
        datasets[0].files[0].bytes.extend(b"more\n");
    });
    case.check_links();
    let [again] = troubled().try_into().unwrap();
    assert!(!again.check.is_broken() && again.check.at > one.check.at && again.since == one.since, "{again:?}");
    // An address that was corrected is as if nobody had looked.
    let file = one.distribution.id.to_string();
    case.app().patch_distribution(&system(), &file, &json!({"download_url": "https://www.example.jp/other.csv"})).unwrap();
    assert_eq!(troubled(), []);
    let now = case.app().dataset(&Viewer::public(), &one.dataset.id.to_string()).unwrap().dataset;
    assert!(!case.app().link_findings(&now).unwrap().contains_key(&one.distribution.id));
    case.app().patch_distribution(&system(), &file, &json!({"download_url": one.check.url})).unwrap();
    assert_eq!(troubled().len(), 1);
    // All is well again.
    case.edit(|datasets| {
        let bytes = &mut datasets[0].files[0].bytes;
        bytes.truncate(bytes.len() - "more\n".len());
    });
    assert_eq!((case.check_links().troubled, troubled()), (0, Vec::new()));
}

#[test]
fn links_of_a_dataset_that_another_organization_got_are_looked_at() {
    let case = Case::new();
    case.run_first();
    let dataset = case.public()[0].clone();
    let other = minato_testkit::fixtures::municipalities().into_iter().find(|place| place.slug != case.site.slug).unwrap();
    case.app().create::<Organization>(&system(), None, other.organization()).unwrap();
    case.app().patch_dataset(&system(), &dataset.id.to_string(), &json!({"organization": other.slug})).unwrap();
    case.edit(|datasets| datasets.iter_mut().flat_map(|dataset| &mut dataset.files).for_each(|file| file.name.push('x')));
    case.check_links();
    let troubled = case.app().troubled_links(&Viewer::system("test"), &other.slug).unwrap();
    assert_eq!(troubled.len(), dataset.content.distributions.len());
    assert!(troubled.iter().all(|link| link.dataset.id == dataset.id));
}

#[test]
fn a_mirrored_file_is_kept_with_its_address_at_the_source() {
    let case = Case::new();
    case.policy(|draft| draft.mirror = true);
    case.run_first();
    case.check_links();
    let datasets = case.public();
    let file = datasets.iter().flat_map(|dataset| &dataset.content.distributions).find(|file| file.download_url.is_some()).unwrap();
    let copy = file.file.as_ref().expect("a copy");
    assert!(case.app().blobs().contains(&copy.sha256).unwrap());
    assert_eq!(copy.source_url, file.download_url, "it says that it is a copy");
    let versions = case.app().versions(&Viewer::public(), &file.id.to_string()).unwrap();
    assert_eq!(versions, std::slice::from_ref(copy));
    // The copy is no correction, and the next run leaves it alone.
    assert!(case.app().source_corrections(&Viewer::system("test"), &case.site.slug).unwrap().is_empty());
    let again = case.run_first();
    assert_eq!((again.counts.updated, again.counts.failed), (0, 0), "{again:?}");
    case.edit(|datasets| datasets.iter_mut().for_each(|dataset| dataset.description.push('。')));
    case.run_first();
    let kept = case.app().distribution(&Viewer::public(), &file.id.to_string()).unwrap().distribution;
    assert_eq!(kept.file.as_ref().map(|file| &file.sha256), Some(&copy.sha256));
}

#[test]
fn a_mirrored_file_that_was_replaced_under_its_address_is_copied_anew() {
    let case = Case::new();
    case.policy(|draft| draft.mirror = true);
    case.run_first();
    case.check_links();
    let title = case.sites.datasets(&case.site.slug).unwrap()[0].title.clone();
    let before = case.titled(&title).content.distributions[0].clone();
    case.edit(|datasets| {
        datasets[0].files[0].bytes.extend(b"more\n");
        datasets[0].modified = Utc::now().naive_utc();
    });
    case.run_first();
    let old = before.file.clone().unwrap();
    // The check that each run asks for, which otherwise leaves fresh findings alone.
    let stop = AtomicBool::new(false);
    let after = std::thread::scope(|scope| {
        scope.spawn(|| case.app().work_on_links(&stop));
        let copied = (0..600).find_map(|_| {
            let file = case.titled(&title).content.distributions[0].clone();
            let is_new = file.file.as_ref().is_some_and(|copy| copy.sha256 != old.sha256);
            if !is_new {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            is_new.then_some(file)
        });
        stop.store(true, Ordering::Release);
        copied.expect("a new copy within half a minute")
    });
    assert_eq!((after.id, &after.download_url), (before.id, &before.download_url));
    assert_eq!((after.file.unwrap().byte_size, after.byte_size), (old.byte_size + 5, Some(old.byte_size + 5)));
}
