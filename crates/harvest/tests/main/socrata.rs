use std::sync::atomic::{AtomicUsize, Ordering};

use minato_catalog::HarvestKind::Socrata;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

const CATALOG: &str = "/api/catalog/v1";

fn id(n: usize) -> String {
    format!("aaaa-{n:04}")
}

fn asset(n: usize) -> Value {
    json!({
        "resource": {"id": id(n), "name": format!("データ{n}"), "description": "<p>説明 &amp; 注</p>", "type": "dataset", "attribution": "呉市", "lens_view_type": "tabular",
            "createdAt": "2022-03-31T16:00:00.000Z", "updatedAt": "2025-01-01T00:00:00.000Z", "data_updated_at": "2024-03-31T16:00:00.000Z",
            "page_views": {"page_views_last_week": 10}, "download_count": 5, "columns_name": ["a"]},
        "classification": {"categories": [], "tags": [], "domain_category": "行財政", "domain_tags": ["予算"], "domain_metadata": []},
        "metadata": {"domain": "127.0.0.1", "license": "CC BY 4.0"}, "permalink": format!("https://data.example.jp/d/{}", id(n)),
        "link": format!("https://data.example.jp/Finance/Budget/{}", id(n)), "owner": {"id": "x", "display_name": "担当者"},
    })
}

fn assets(count: usize) -> Vec<Value> {
    (0..count).map(asset).collect()
}

/// The real rules: offset and limit reach 10,000, a scroll has neither offset nor order.
fn page(asked: &Asked, all: &[Value]) -> Answer {
    assert_eq!(
        (asked.parameter("domains").as_deref(), asked.parameter("search_context").as_deref()),
        (Some("127.0.0.1"), Some("127.0.0.1"))
    );
    let limit: usize = asked.parameter("limit").unwrap().parse().unwrap();
    let start = match (asked.parameter("scroll_id"), asked.parameter("offset"), asked.parameter("order")) {
        (Some(id), None, None) => all.iter().position(|asset| asset["resource"]["id"] == json!(id)).unwrap() + 1,
        (None, Some(offset), Some(_)) => offset.parse().unwrap(),
        _ => return status(400),
    };
    if asked.parameter("offset").is_some() && start + limit > 10_000 {
        return status(400);
    }
    let results: Vec<&Value> = all.iter().skip(start).take(limit).collect();
    crate::stub::json(&json!({"results": results, "resultSetSize": all.len(), "timings": {"serviceMillis": 2}, "warnings": []}))
}

async fn portal(all: Vec<Value>) -> Stub {
    Stub::start(move |asked| if asked.path == CATALOG { page(asked, &all) } else { status(404) }).await
}

#[tokio::test]
async fn all_pages_are_read() {
    let stub = portal(assets(250)).await;
    let outcome = harvest(Socrata, &stub, "/browse?q=a").await;
    assert_eq!((outcome.records.len(), outcome.listing), (250, Listing::Complete { total: 250 }));
    assert_eq!(stub.asked().len(), 3);
}

#[tokio::test]
async fn beyond_the_window_the_catalog_is_scrolled() {
    let small = |n: usize| json!({"resource": {"id": format!("a{n:08}"), "name": n.to_string(), "type": "dataset"}});
    let stub = portal((0..10_150).map(small).collect()).await;
    let mut settings = stub.settings();
    settings.pages_max = 200;
    let outcome = harvest_with(&source(Socrata, &stub.url("/")), settings).await;
    assert_eq!((outcome.records.len(), outcome.listing), (10_150, Listing::Complete { total: 10_150 }));
    assert_eq!(stub.asked().iter().filter(|asked| asked.parameter("scroll_id").is_some()).count(), 2);
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let mut all = assets(4);
    all[0]["classification"]["domain_metadata"] =
        json!([{"key": "Detailed-Descriptive_Update-Frequency", "value": "monthly"}, {"key": "管理_担当", "value": "財政課"}]);
    all[0]["resource"]["contact_email"] = json!("zaisei@example.jp");
    all[1]["resource"]["type"] = json!("map");
    all[2]["resource"]["type"] = json!("file");
    all[2]["resource"]["blob_mime_type"] = json!("application/pdf; charset=binary");
    all[2]["metadata"]["domain"] = json!("other.example.jp");
    all[3]["resource"]["type"] = json!("href");
    let stub = portal(all).await;
    let outcome = harvest(Socrata, &stub, "/").await;
    let record = &outcome.records[0];
    assert_eq!((record.remote_id.as_str(), record.remote_url.as_deref()), ("aaaa-0000", Some("https://data.example.jp/d/aaaa-0000")));
    let draft = &record.draft;
    assert_eq!((draft.title.as_str(), draft.description.as_str()), ("データ0", "説明 & 注"));
    assert_eq!((draft.keywords.as_slice(), draft.themes.as_slice()), (["予算".to_owned()].as_slice(), ["gr_1300".to_owned()].as_slice()));
    assert_eq!((draft.licence.as_deref(), draft.accrual_periodicity.as_deref()), (Some("CC-BY-4.0"), Some("monthly")));
    assert_eq!(draft.landing_page.as_deref(), Some("https://data.example.jp/Finance/Budget/aaaa-0000"));
    assert_eq!(draft.issued.unwrap().to_string(), "2022-04-01");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01", "of the data, not of the index");
    assert_eq!(draft.contact_point.as_ref().unwrap().email.as_deref(), Some("zaisei@example.jp"));
    assert_eq!(draft.extras.keys().collect::<Vec<_>>(), ["publisher_name", "管理_担当"]);
    let forms: Vec<Vec<_>> = outcome
        .records
        .iter()
        .map(|it| {
            it.draft
                .distributions
                .iter()
                .flatten()
                .map(|it| (it.format.as_deref(), it.download_url.clone().or(it.access_url.clone()).unwrap()))
                .collect()
        })
        .collect();
    let rows = |n: usize, format: &str| stub.url(&format!("/api/views/{}/rows.{format}?accessType=DOWNLOAD", id(n)));
    assert_eq!(forms[0], [(Some("CSV"), rows(0, "csv")), (Some("JSON"), rows(0, "json"))]);
    assert_eq!(forms[1][2], (Some("GEOJSON"), stub.url("/api/geospatial/aaaa-0001?method=export&format=GeoJSON")));
    assert_eq!(forms[2], [(Some("PDF"), "https://other.example.jp/download/aaaa-0002/application/pdf".to_owned())]);
    assert_eq!(forms[3], [(None, "https://data.example.jp/d/aaaa-0003".to_owned())]);
    assert_eq!(outcome.records[3].draft.distributions.as_ref().unwrap()[0].download_url, None);
}

#[tokio::test]
async fn charts_and_stories_are_no_datasets() {
    let mut all = assets(150);
    for (n, kind) in [(0, "chart"), (1, "story"), (120, "calendar")] {
        all[n]["resource"]["type"] = json!(kind);
    }
    let outcome = harvest(Socrata, &portal(all).await, "/").await;
    assert_eq!((outcome.records.len(), outcome.listing), (147, Listing::Complete { total: 147 }));
    let mut charts = assets(2);
    charts.iter_mut().for_each(|chart| chart["resource"]["type"] = json!("chart"));
    assert!(harvest(Socrata, &portal(charts).await, "/").await.failed().contains("none of the 2"));
}

#[tokio::test]
async fn pages_that_repeat_a_record_are_read_once_more() {
    let all = assets(150);
    let asked_so_far = AtomicUsize::new(0);
    let stub = Stub::start(move |asked| {
        let mut all = all.clone();
        if asked_so_far.fetch_add(1, Ordering::SeqCst) < 2 {
            all[100] = asset(99);
        }
        page(asked, &all)
    })
    .await;
    let outcome = harvest(Socrata, &stub, "/").await;
    assert_eq!((outcome.records.len(), outcome.listing), (150, Listing::Complete { total: 150 }));
    assert_eq!(stub.asked().len(), 4);

    let mut always = assets(150);
    always[100] = asset(99);
    let outcome = harvest(Socrata, &portal(always).await, "/").await;
    assert!(outcome.incomplete().contains("150 records, but 149"), "{:?}", outcome.listing);
}

#[tokio::test]
async fn without_a_catalog_the_data_json_is_read_and_records_are_the_same() {
    let dcat = json!({"dataset": [{"identifier": "https://data.example.jp/api/views/aaaa-0001", "title": "データ1", "accessLevel": "public",
        "distribution": [{"downloadURL": "https://data.example.jp/api/views/aaaa-0001/rows.csv?accessType=DOWNLOAD", "mediaType": "text/csv"}]}]});
    for refusal in [status(404), html(), crate::stub::json(&json!({"error": "Domain not found: 127.0.0.1"}))] {
        let dcat = dcat.clone();
        let stub = Stub::start(move |asked| if asked.path == "/data.json" { crate::stub::json(&dcat) } else { refusal.clone() }).await;
        let outcome = harvest(Socrata, &stub, "/").await;
        assert_eq!((outcome.ids(), &outcome.listing), (vec!["aaaa-0001"], &Listing::Complete { total: 1 }));
    }
    for (refusal, word) in [(status(500), "500"), (status(403), "403"), (status(404), "404"), (html(), "HTML")] {
        let stub = Stub::start(move |_| refusal.clone()).await;
        assert!(harvest(Socrata, &stub, "/").await.failed().contains(word), "{word}");
        assert_eq!(stub.asked().iter().any(|asked| asked.path == "/data.json"), !matches!(word, "500" | "403"), "{word}");
    }
}

#[tokio::test]
async fn bad_and_private_records_are_told_apart() {
    let mut all = assets(5);
    all[0]["metadata"]["is_public"] = json!(false);
    all[1]["resource"]["name"] = json!(null);
    all[2]["resource"]["id"] = json!(null);
    all[3] = json!("what");
    let outcome = harvest(Socrata, &portal(all).await, "/").await;
    assert_eq!(outcome.withdrawn, [(id(0), Withdrawal::Private)]);
    let failed: Vec<_> = outcome.failures.iter().map(|it| (it.remote_id.clone(), it.position.as_str())).collect();
    assert_eq!(failed, [(Some(id(1)), "catalog #1"), (None, "catalog #2"), (None, "catalog #3")]);
    assert_eq!(outcome.ids(), [id(4)]);
    outcome.incomplete();
}

#[tokio::test]
async fn a_fault_between_pages_is_no_end() {
    let second = |results: Vec<Value>, count: Value| crate::stub::json(&json!({"results": results, "resultSetSize": count}));
    for (fault, word) in [
        (status(500), "500"),
        (html(), "HTML"),
        (ok("application/json", r#"{"results": [{"resource""#), "not whole JSON"),
        (crate::stub::json(&json!({"error": "boom"})), "boom"),
        (second(vec![], json!(250)), "empty"),
        (second(assets(100), json!("250")), "repeats"),
        (second(vec![asset(100)], json!(249)), "fell"),
    ] {
        let all = assets(250);
        let stub =
            Stub::start(move |asked| if asked.parameter("offset").as_deref() == Some("100") { fault.clone() } else { page(asked, &all) })
                .await;
        let outcome = harvest(Socrata, &stub, "/").await;
        assert!(outcome.incomplete().contains(word), "{word}: {:?}", outcome.listing);
        assert_eq!(outcome.records.len(), 100, "{word}");
    }
}

#[tokio::test]
async fn what_is_counted_changes_nothing_and_silence_takes_the_default() {
    // On one server, because downloads are at its address.
    let mut later = assets(3);
    for asset in &mut later {
        asset["resource"]["page_views"] = json!({"page_views_last_week": 999});
        asset["resource"]["download_count"] = json!(12345);
        asset["resource"]["updatedAt"] = json!("2026-01-01T00:00:00.000Z");
    }
    let (mut first, mut changed) = (assets(3), later.clone());
    for all in [&mut first, &mut later, &mut changed] {
        all[0]["metadata"]["license"] = json!(null);
    }
    later.reverse();
    changed[2]["resource"]["name"] = json!("新しい題");
    let states = [first, later, changed];
    let asked_so_far = AtomicUsize::new(0);
    let stub = Stub::start(move |asked| page(asked, &states[asked_so_far.fetch_add(1, Ordering::SeqCst)])).await;
    let mut with_default = source(Socrata, &stub.url("/"));
    with_default.default_licence = Some("CC-BY-2.1-JP".into());
    let mut hashes = Vec::new();
    for _ in 0..3 {
        let outcome = harvest_with(&with_default, stub.settings()).await;
        let mut run: Vec<_> =
            outcome.records.iter().map(|it| (it.remote_id.clone(), it.draft.licence.clone(), content_hash(&it.draft))).collect();
        run.sort();
        hashes.push(run);
    }
    assert_eq!((hashes[0][0].1.as_deref(), hashes[0][1].1.as_deref()), (Some("CC-BY-2.1-JP"), Some("CC-BY-4.0")));
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[1], hashes[2]);
}
