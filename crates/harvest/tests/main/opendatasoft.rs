use minato_catalog::HarvestKind::Opendatasoft;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

const DATASETS: &str = "/api/explore/v2.1/catalog/datasets";
const EXPORT: &str = "/api/explore/v2.1/catalog/exports/json";

fn dataset(n: usize) -> Value {
    json!({
        "visibility": "domain", "dataset_id": format!("data-{n:05}"), "dataset_uid": format!("da_{n}"), "has_records": true, "features": ["analyze"],
        "attachments": [], "alternative_exports": [], "data_visible": true, "fields": [{"name": "a", "label": "A", "type": "text"}],
        "metas": {"default": {"title": format!("データ{n}"), "description": "<p>説明</p>", "theme": ["行財政"], "keyword": ["防災"], "license": null,
            "language": "ja", "modified": "2024-03-31T16:00:00+00:00", "data_processed": "2024-04-01T00:00:00+00:00", "publisher": "呉市", "records_count": 12}},
    })
}

fn datasets(count: usize) -> Vec<Value> {
    (1..=count).map(dataset).collect()
}

fn page(asked: &Asked, all: &[Value]) -> Answer {
    let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
    let (limit, offset) = (number("limit"), number("offset"));
    if limit + offset >= 10_000 {
        return status(500);
    }
    let results: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
    crate::stub::json(&json!({"total_count": all.len(), "results": results}))
}

async fn portal(all: Vec<Value>) -> Stub {
    Stub::start(move |asked| if asked.path == DATASETS { page(asked, &all) } else { status(404) }).await
}

#[tokio::test]
async fn all_pages_are_read() {
    let stub = portal(datasets(250)).await;
    let outcome = harvest(Opendatasoft, &stub, "/explore/?sort=modified").await;
    assert_eq!((outcome.records.len(), outcome.listing), (250, Listing::Complete { total: 250 }));
    assert_eq!(stub.asked().len(), 3);
    assert!(stub.asked().iter().all(|asked| asked.parameter("order_by").as_deref() == Some("dataset_id")));
}

#[tokio::test]
async fn a_portal_may_refuse_the_order() {
    let all = datasets(150);
    let stub = Stub::start(move |asked| if asked.parameter("order_by").is_some() { status(400) } else { page(asked, &all) }).await;
    assert_eq!(harvest(Opendatasoft, &stub, "/").await.listing, Listing::Complete { total: 150 });
    assert_eq!(stub.asked().len(), 3, "it is refused once");
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let mut record = dataset(1);
    record["features"] = json!(["analyze", "geo"]);
    record["attachments"] = json!([{"id": "manual_pdf", "title": "手引.pdf", "mimetype": "application/pdf", "url": "https://data.example.jp/files/manual_pdf"}]);
    record["alternative_exports"] =
        json!([{"id": "shp_zip", "title": "a.zip", "mimetype": "application/zip", "description": "シェープ", "url": "odsfile://a.zip"}]);
    record["metas"]["dcat"] = json!({"created": "2019-05-02T00:00:00+00:00", "issued": null, "creator": "公園課", "accrualperiodicity": "annual", "spatial": "呉市",
        "temporal": "2020/2021", "contact_name": "情報課", "contact_email": "joho@example.jp"});
    record["metas"]["default"]["license"] = json!("CC BY 4.0");
    record["metas"]["default"]["license_url"] = json!("https://creativecommons.org/licenses/by/4.0/");
    record["metas"]["default"]["keyword"] = json!("木, 公園");
    record["metas"]["default"]["references"] = json!("https://example.jp/about");
    let stub = portal(vec![record]).await;
    let outcome = harvest(Opendatasoft, &stub, "/").await;
    let record = &outcome.records[0];
    assert_eq!((record.remote_id.as_str(), record.remote_url.clone()), ("data-00001", Some(stub.url("/explore/dataset/data-00001/"))));
    let draft = &record.draft;
    assert_eq!(
        (draft.description.as_str(), draft.themes.as_slice(), draft.keywords.as_slice()),
        ("説明", ["gr_1300".to_owned()].as_slice(), ["木", "公園"].map(str::to_owned).as_slice())
    );
    assert_eq!((draft.licence.as_deref(), draft.licence_text.as_deref()), (Some("CC-BY-4.0"), None));
    assert_eq!(
        (draft.creator.as_deref(), draft.accrual_periodicity.as_deref(), draft.language.as_slice()),
        (Some("公園課"), Some("annual"), ["ja".to_owned()].as_slice())
    );
    assert_eq!(draft.issued.unwrap().to_string(), "2019-05-02");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01");
    assert_eq!(draft.temporal.as_ref().unwrap().end.unwrap().to_string(), "2021-12-31");
    assert_eq!(draft.spatial.as_ref().unwrap().label.as_deref(), Some("呉市"));
    assert_eq!(draft.contact_point.as_ref().unwrap().email.as_deref(), Some("joho@example.jp"));
    assert_eq!(draft.extras.keys().collect::<Vec<_>>(), ["publisher_name", "references"]);
    let files: Vec<_> =
        draft.distributions.iter().flatten().map(|it| (it.format.as_deref().unwrap(), it.download_url.clone().unwrap())).collect();
    let export = |format: &str| stub.url(&format!("{DATASETS}/data-00001/exports/{format}"));
    assert_eq!(
        files,
        [
            ("CSV", export("csv")),
            ("JSON", export("json")),
            ("XLSX", export("xlsx")),
            ("GEOJSON", export("geojson")),
            ("ZIP", stub.url("/api/datasets/1.0/data-00001/alternative_exports/shp_zip")),
            ("PDF", "https://data.example.jp/files/manual_pdf".into())
        ]
    );
}

#[tokio::test]
async fn a_catalog_beyond_the_window_is_read_from_its_export() {
    let small = |n: usize| json!({"dataset_id": format!("d-{n}"), "has_records": false, "metas": {"default": {"title": format!("{n}")}}});
    for (listed, cut, complete) in [(10_001, 0, true), (10_001, 1, false), (10_000, 0, false)] {
        let all: Vec<Value> = (0..listed).map(small).collect();
        let mut export = json!(all).to_string();
        export.truncate(export.len() - cut);
        let stub = Stub::start(move |asked| match asked.path.as_str() {
            DATASETS => crate::stub::json(&json!({"total_count": 10_001, "results": all[..100]})),
            EXPORT => ok("application/json", export.clone()),
            _ => status(404),
        })
        .await;
        let outcome = harvest(Opendatasoft, &stub, "/").await;
        assert_eq!(outcome.records.len(), listed);
        assert_eq!(outcome.listing == Listing::Complete { total: 10_001 }, complete, "{listed} {cut}: {:?}", outcome.listing);
        assert_eq!(stub.asked().len(), 2);
    }
}

#[tokio::test]
async fn an_old_portal_is_asked_in_its_own_words() {
    for refusal in [status(404), status(410), html()] {
        let stub = Stub::start(move |asked| {
            if asked.path != "/api/datasets/1.0/search/" {
                return refusal.clone();
            }
            let start: usize = asked.parameter("start").unwrap().parse().unwrap();
            let old = |n: usize| json!({"datasetid": format!("old-{n}"), "has_records": true, "features": [], "attachments": [],
                "metas": {"title": format!("古い{n}"), "keyword": "防災", "theme": "行財政", "modified": "2015-04-09T10:29:11+00:00", "license": "CC BY 4.0", "records_count": 7}});
            let datasets: Vec<Value> = (start..(start + 100).min(120)).map(old).collect();
            crate::stub::json(&json!({"nhits": 120, "datasets": datasets}))
        })
        .await;
        let outcome = harvest(Opendatasoft, &stub, "/").await;
        assert_eq!(outcome.listing, Listing::Complete { total: 120 });
        let draft = &outcome.records[0].draft;
        assert_eq!(
            (draft.title.as_str(), draft.licence.as_deref(), draft.themes.as_slice()),
            ("古い0", Some("CC-BY-4.0"), ["gr_1300".to_owned()].as_slice())
        );
        let csv = &draft.distributions.as_ref().unwrap()[0];
        assert_eq!(csv.download_url, Some(stub.url("/explore/dataset/old-0/download/?format=csv")));
    }
}

#[tokio::test]
async fn bad_private_and_untitled_records_are_told_apart() {
    let mut all = datasets(5);
    all[0]["visibility"] = json!("restricted");
    all[1]["metas"] = json!(null);
    all[2]["dataset_id"] = json!(null);
    all[3]["metas"]["default"]["title"] = json!("  ");
    let stub = portal(all).await;
    let outcome = harvest(Opendatasoft, &stub, "/").await;
    assert_eq!(outcome.withdrawn, [("data-00001".to_owned(), Withdrawal::Private)]);
    let failed: Vec<_> = outcome.failures.iter().map(|it| (it.remote_id.as_deref(), it.position.as_str())).collect();
    assert_eq!(failed, [(Some("data-00002"), "datasets #1"), (None, "datasets #2")]);
    assert_eq!(outcome.ids(), ["data-00004", "data-00005"]);
    assert!(outcome.records[0].draft.title == "data-00004" && outcome.records[0].notices[0].en.contains("no title"));
    outcome.incomplete();
}

#[tokio::test]
async fn a_fault_between_pages_is_no_end() {
    let second = |results: Vec<Value>, count: usize| crate::stub::json(&json!({"total_count": count, "results": results}));
    for (fault, word) in [
        (status(500), "500"),
        (html(), "HTML"),
        (ok("application/json", r#"{"total_count": 250, "results": [{"#), "not whole JSON"),
        (crate::stub::json(&json!({"error_code": "ODSQLError", "message": "boom"})), "lacks total_count"),
        (second(vec![], 250), "empty"),
        (second(datasets(100), 250), "repeats"),
        (second(vec![dataset(101)], 249), "fell"),
    ] {
        let all = datasets(250);
        let stub =
            Stub::start(move |asked| if asked.parameter("offset").as_deref() == Some("100") { fault.clone() } else { page(asked, &all) })
                .await;
        let outcome = harvest(Opendatasoft, &stub, "/").await;
        assert!(outcome.incomplete().contains(word), "{word}: {:?}", outcome.listing);
        assert_eq!(outcome.records.len(), 100, "{word}");
    }
    for (fault, word) in [(status(500), "500"), (html(), "HTML"), (status(404), "404"), (status(403), "403")] {
        let stub = Stub::start(move |_| fault.clone()).await;
        assert!(harvest(Opendatasoft, &stub, "/").await.failed().contains(word), "{word}");
    }
}

#[tokio::test]
async fn what_is_counted_changes_nothing_and_silence_takes_the_default() {
    let run = |all: Vec<Value>| async {
        let stub = Stub::start(move |asked| if asked.path == DATASETS { page(asked, &all) } else { status(404) }).await;
        let mut with_default = source(Opendatasoft, &stub.url("/"));
        with_default.default_licence = Some("CC-BY-4.0".into());
        let outcome = harvest_with(&with_default, stub.settings()).await;
        // The portal's own address is in the files'.
        let at = stub.url("");
        let mut drafts: Vec<_> = outcome
            .records
            .into_iter()
            .map(|mut it| {
                it.draft.landing_page = None;
                for file in it.draft.distributions.iter_mut().flatten() {
                    file.download_url = file.download_url.take().map(|url| url.replace(&at, ""));
                }
                (it.remote_id, it.draft.licence.clone(), content_hash(&it.draft))
            })
            .collect();
        drafts.sort();
        drafts
    };
    let mut later = datasets(3);
    for record in &mut later {
        record["metas"]["default"]["records_count"] = json!(99);
        record["metas"]["default"]["data_processed"] = json!("2026-01-01T00:00:00+00:00");
        record["metas"]["default"]["metadata_processed"] = json!("2026-01-01T00:00:00+00:00");
        record["metas"]["explore"] = json!({"download_count": 7, "popularity_score": 2.5, "api_call_count": 3});
    }
    later.reverse();
    let first = run(datasets(3)).await;
    assert_eq!(first[0].1.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(first, run(later.clone()).await);
    later[0]["metas"]["default"]["modified"] = json!("2025-01-01T00:00:00+00:00");
    assert_ne!(first, run(later).await);
}
