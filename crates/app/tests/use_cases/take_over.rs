//! Taking over the portal that was before: everything arrives, once, under its old numbers; what does not is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use minato_app::catalog::{HarvestSourceDraft, Organization, Viewer};
use minato_app::harvesting::SavedPortal;
use minato_app::{App, AppSettings, CountsFile, TakeOver, TakenOver};
use minato_testkit::fixtures::municipality;
use minato_testkit::sites::{Options, Sites};
use serde_json::json;

use crate::{Fresh, system};

const NO_CHANGE: fn(minato_app::TakeOverProgress) = |_| {};

fn open(change: impl FnOnce(&mut AppSettings)) -> Fresh {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let mut settings = AppSettings::new(directory.path());
    settings.harvest.retry_delay = std::time::Duration::from_millis(1);
    change(&mut settings);
    let app = App::open(settings).unwrap();
    for slug in ["hiroshima-ken", "kure-shi", "fuchu-cho"] {
        app.create::<Organization>(&system(), None, municipality(slug).unwrap().organization()).unwrap();
    }
    Fresh { app, directory }
}

fn request(url: &str) -> TakeOver {
    TakeOver { source: "previous-portal".to_owned(), organization: "hiroshima-ken".to_owned(), url: url.to_owned() }
}

fn take_over(app: &App, url: &str) -> TakenOver {
    app.take_over(&system(), &request(url), NO_CHANGE).unwrap()
}

fn source(app: &App) -> HarvestSourceDraft {
    app.source(&Viewer::system("test"), "previous-portal").unwrap().draft
}

#[test]
fn a_portal_is_taken_over_once() {
    let sites = Sites::start(Options::default()).unwrap();
    let portal = sites.previous_portal().unwrap();
    let fresh = open(|settings| settings.harvest.allow_addresses = sites.addresses().iter().map(|it| it.parse().unwrap()).collect());
    let app = &fresh.app;
    let datasets = sites.datasets(&portal.slug).unwrap();
    let files: usize = datasets.iter().map(|dataset| dataset.files.len()).sum();

    let plan = app.plan_take_over(&request(&portal.url)).unwrap();
    assert_eq!((plan.datasets, plan.files, plan.left_out.len()), (portal.expected_datasets, files, 0));
    assert!(app.list_sources(&Viewer::system("test")).unwrap().is_empty(), "a plan writes nothing");

    let taken = take_over(app, &portal.url);
    assert_eq!((taken.datasets, taken.files_fetched, taken.left_out.clone()), (portal.expected_datasets, files, Vec::new()));
    // Of 広島市, which is not here, the prefecture keeps them.
    let owners: BTreeMap<&str, usize> = taken.owners.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(owners, BTreeMap::from([("広島県", 13), ("呉市", 5), ("府中町", 3)]));
    assert_eq!(plan.owners, taken.owners);
    assert!(source(app).paused && app.queue_harvest(&system(), "previous-portal").is_err());

    // Every number of the portal leads to what it was.
    let source_id = app.source(&Viewer::system("test"), "previous-portal").unwrap().id;
    let numbers: Vec<(String, String)> = app
        .store()
        .read(|conn| minato_app::store::harvest::list_records(conn, source_id, None, 100))
        .unwrap()
        .into_iter()
        .map(|record| {
            let package: serde_json::Value = serde_json::from_str(&record.raw).unwrap();
            (record.remote_id, package["resources"][0]["id"].to_string())
        })
        .collect();
    assert_eq!(numbers.len(), portal.expected_datasets);
    for (dataset, resource) in &numbers {
        let found = app.dataset(&Viewer::public(), dataset).unwrap();
        assert!(found.moved);
        let file = app.resource_by_number(&Viewer::public(), resource).unwrap();
        assert_eq!(file.dataset.id, found.dataset.id);
        let kept = file.distribution.file.unwrap();
        let served = datasets.iter().flat_map(|dataset| &dataset.files).find(|it| it.name == kept.file_name).unwrap();
        assert_eq!(kept.byte_size, i64::try_from(served.bytes.len()).unwrap());
    }
    assert!(app.resource_by_number(&Viewer::public(), "1").is_err());

    // Again: nothing is fetched. Then one file changes.
    let again = take_over(app, &portal.url);
    assert_eq!((again.run.counts.unchanged, again.files_fetched, again.files_kept), (i64::try_from(datasets.len()).unwrap(), 0, files));
    sites.edit(&portal.slug, |datasets| datasets[0].files[0].bytes.extend(b"more\n")).unwrap();
    let again = take_over(app, &portal.url);
    assert_eq!((again.run.counts.updated, again.files_fetched, again.left_out.len()), (1, 1, 0));
}

fn saved(package: &serde_json::Value, files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let page = json!({"success": true, "result": {"count": 1, "results": [package]}});
    std::fs::write(directory.path().join("package_search_1.json"), page.to_string()).unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn a_saved_portal_needs_no_network_and_what_is_missing_is_named() {
    let package = json!({"id": 12, "title": "避難所一覧", "organization": {"title": "広島県呉市"}, "resources": [
        {"id": 120, "title": "一覧", "format": "csv", "url": "https://portal.example.jp/resource_download/120"},
        {"id": 121, "title": "地図", "format": "pdf", "url": "https://portal.example.jp/resource_download/121"}]});
    let directory = saved(&package, &[("120.csv", "名称\n学校\n")]);
    let portal = Arc::new(SavedPortal::open(directory.path(), None).unwrap());
    let url = portal.address().to_owned();
    let fresh = open(|settings| settings.harvest.saved = Some(portal));
    let taken = take_over(&fresh.app, &url);
    assert_eq!((taken.datasets, taken.files_fetched, taken.left_out.len()), (1, 1, 1));
    let one = &taken.left_out[0];
    assert_eq!((one.dataset.as_str(), one.file.as_deref()), ("避難所一覧", Some("地図")));
    assert_eq!(one.address.as_deref(), Some("https://portal.example.jp/resource_download/121"));
    assert!(one.cause.en.contains("directory"), "{:?}", one.cause);
    assert_eq!(taken.owners, BTreeMap::from([("呉市".to_owned(), 1)]));
    let found = fresh.app.resource_by_number(&Viewer::public(), "120").unwrap();
    assert_eq!(found.distribution.file.unwrap().file_name, "120.csv");
}

/// 年月,順位,ダウンロード数,自治体名,データセット・タイトル,リソース名,データセット名,リソースid in CP932.
const HEADER: &[u8] = b"\x94N\x8c\x8e,\x8f\x87\x88\xca,\x83_\x83E\x83\x93\x83\x8d\x81[\x83h\x90\x94,\x8e\xa9\x8e\xa1\x91\xcc\x96\xbc,\
    \x83f\x81[\x83^\x83Z\x83b\x83g\x81E\x83^\x83C\x83g\x83\x8b,\x83\x8a\x83\\\x81[\x83X\x96\xbc,\
    \x83f\x81[\x83^\x83Z\x83b\x83g\x96\xbc,\x83\x8a\x83\\\x81[\x83Xid\r\n";

fn counts(app: &App, rows: &str, skip_bad_rows: bool) -> minato_app::CountsReport {
    let file = CountsFile {
        name: "counts.csv".to_owned(),
        source: "previous-portal".to_owned(),
        month: None,
        skip_bad_rows,
        reason: None,
        dry_run: false,
    };
    app.import_counts(&system(), &file, &[HEADER, rows.as_bytes()].concat()).unwrap()
}

#[test]
fn past_counts_are_taken_in_whole_or_not_at_all() {
    let package =
        json!({"id": 12, "title": "t", "resources": [{"id": 120, "title": "a", "url": "https://portal.example.jp/resource_download/120"}]});
    let directory = saved(&package, &[("120.csv", "a\n1\n")]);
    let portal = Arc::new(SavedPortal::open(directory.path(), None).unwrap());
    let url = portal.address().to_owned();
    let fresh = open(|settings| settings.harvest.saved = Some(portal));
    let app = &fresh.app;
    take_over(app, &url);
    let day = |text: &str| minato_app::catalog::parse_day(text).unwrap();
    let reported = || -> Vec<(String, i64)> {
        let all = app.reports(day("2023-01-01"), day("2025-12-01")).unwrap();
        all.into_iter().map(|report| (report.month, report.total)).collect()
    };

    let rows = "2024-01,1,81,x,t,a,12,120\r\n2024-01,2,59,x,gone,b,99,990\r\n2024/2,1,-5,x,t,a,12,120\r\n2024-01,3,7,x,t,a,12,120\r\nmay,1,5,x,t,a,12,120\r\n";
    let refused = counts(app, rows, false);
    let bad: Vec<usize> = refused.bad_rows.iter().map(|(row, _)| *row).collect();
    assert_eq!((bad, refused.written, reported().len()), (vec![4, 5, 6], false, 0));
    assert!(refused.bad_rows[0].1.en.contains("-5") && refused.bad_rows[2].1.en.contains("may"));

    let taken = counts(app, rows, true);
    assert_eq!((taken.written, taken.matched, taken.unmatched), (true, 1, 1));
    assert_eq!(reported(), [("2024-01".to_owned(), 140)], "what is not here any more belongs to the sum");
    let of_dataset = || app.reported_downloads(&Viewer::public(), "12").unwrap().months;
    assert_eq!(of_dataset(), [("2024-01".to_owned(), 81)]);
    let file = app.resource_by_number(&Viewer::public(), "120").unwrap().distribution.id;
    assert_eq!(app.reported_downloads(&Viewer::public(), "12").unwrap().files, BTreeMap::from([(Some(file), 81)]));
    // A corrected file replaces its months.
    counts(app, "2024-01,1,90,x,t,a,12,120\r\n", false);
    assert_eq!((reported(), of_dataset()), (vec![("2024-01".to_owned(), 90)], vec![("2024-01".to_owned(), 90)]));

    let file = CountsFile { name: "x.csv".into(), source: "s".into(), month: None, skip_bad_rows: false, reason: None, dry_run: false };
    let error = app.import_counts(&system(), &file, b"a,b\n1,2\n").unwrap_err();
    assert!(error.text().en.contains("column"), "{:?}", error.text());
}
