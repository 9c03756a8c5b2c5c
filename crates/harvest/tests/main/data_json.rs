use minato_catalog::HarvestKind::DataJson;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Stub, harvest, harvest_with, html, ok, source, status};

fn dataset(n: usize) -> Value {
    json!({
        "@type": "dcat:Dataset", "identifier": format!("ds-{n}"), "title": format!("データ{n}"), "description": "説明", "keyword": ["防災"],
        "modified": "2024-04-01", "publisher": {"@type": "org:Organization", "name": "呉市"}, "accessLevel": "public",
        "contactPoint": {"@type": "vcard:Contact", "fn": "情報課", "hasEmail": "mailto:joho@example.jp"}, "bureauCode": ["010:00"],
        "distribution": [{"@type": "dcat:Distribution", "downloadURL": format!("https://example.jp/{n}.csv"), "mediaType": "text/csv"}],
    })
}

fn catalog(datasets: &[Value]) -> Value {
    json!({"@context": "https://example.jp/context.jsonld", "conformsTo": "https://project-open-data.cio.gov/v1.1/schema", "dataset": datasets})
}

async fn portal(body: impl Into<Vec<u8>>) -> Stub {
    let body = body.into();
    Stub::start(move |asked| if asked.path == "/data.json" { ok("application/json", body.clone()) } else { status(404) }).await
}

#[tokio::test]
async fn a_long_catalog_is_read() {
    let all: Vec<Value> = (0..5_000).map(dataset).collect();
    let stub = portal(catalog(&all).to_string()).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert_eq!((outcome.records.len(), outcome.listing), (5_000, Listing::Complete { total: 5_000 }));
    assert_eq!(outcome.records[4_999].remote_id, "ds-4999");
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let record = json!({
        "identifier": "hinanjo", "title": "避難所一覧", "description": "<p>説明</p><p>二段落目</p>", "keyword": ["防災", "避難"], "theme": ["司法・安全・環境", "謎の分類"],
        "issued": "2022-04-01T00:00:00+09:00", "modified": "R/P1D", "accrualPeriodicity": "R/P1Y", "license": "https://creativecommons.org/licenses/by/4.0/",
        "landingPage": "https://example.jp/page", "spatial": "132.5,34.1,132.7,34.3", "temporal": "2020-04-01/2021-03-31", "language": ["ja-JP", "en"],
        "conformsTo": "https://example.jp/standard", "publisher": {"name": "呉市"}, "accessLevel": "restricted public", "rights": "庁内手続きが必要",
        "contactPoint": {"fn": "情報課", "hasEmail": "mailto:joho@example.jp"}, "bureauCode": ["010:00", "010:01"], "programCode": ["1"], "isPartOf": "series-1",
        "describedBy": "https://example.jp/dict.pdf", "dataQuality": true, "view_count": 99, "downloads": 3,
        "distribution": [
            {"title": "一覧", "downloadURL": "/a.csv", "mediaType": "text/csv", "describedBy": "https://example.jp/schema.json", "byteSize": "1,024"},
            {"title": "窓口", "accessURL": "https://example.jp/api", "format": "API"},
            {"title": "変", "downloadURL": "javascript:alert(1)", "format": "ＰＤＦ"}],
    });
    let stub = portal(catalog(&[record]).to_string()).await;
    let outcome = harvest(DataJson, &stub, "/data.json").await;
    let record = &outcome.records[0];
    assert_eq!((record.remote_id.as_str(), record.remote_url.as_deref()), ("hinanjo", Some("https://example.jp/page")));
    let draft = &record.draft;
    assert_eq!((draft.identifier.as_deref(), draft.description.as_str()), (Some("hinanjo"), "説明\n\n二段落目"));
    assert_eq!(
        (draft.keywords.clone(), draft.themes.clone()),
        (vec!["防災".into(), "避難".into(), "謎の分類".into()], vec!["gr_1400".into()])
    );
    assert_eq!((draft.licence.as_deref(), draft.accrual_periodicity.as_deref()), (Some("CC-BY-4.0"), Some("annual")));
    assert_eq!((draft.issued.unwrap().to_string().as_str(), draft.modified), ("2022-04-01", None), "a period is no date");
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.5, 34.1, 132.7, 34.3]));
    assert_eq!(draft.temporal.as_ref().unwrap().end.unwrap().to_string(), "2021-03-31");
    assert_eq!(
        (draft.language.clone(), draft.conforms_to.clone()),
        (vec!["ja".into(), "en".into()], vec!["https://example.jp/standard".into()])
    );
    let contact = draft.contact_point.as_ref().unwrap();
    assert_eq!((contact.name.as_deref(), contact.email.as_deref()), (Some("情報課"), Some("joho@example.jp")));
    let extras: Vec<_> = draft.extras.keys().map(String::as_str).collect();
    assert_eq!(extras, ["accessLevel", "bureauCode", "dataQuality", "describedBy", "isPartOf", "programCode", "publisher_name", "rights"]);
    assert_eq!(draft.extras["bureauCode"], "010:00, 010:01");
    let [file, window, odd] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!((file.download_url.clone(), file.format.as_deref(), file.byte_size), (Some(stub.url("/a.csv")), Some("CSV"), Some(1024)));
    assert_eq!(file.extras["describedBy"], "https://example.jp/schema.json");
    assert_eq!((window.access_url.as_deref(), window.download_url.as_deref()), (Some("https://example.jp/api"), None));
    assert_eq!((odd.format.as_deref(), odd.extras["downloadURL"].as_str()), (Some("PDF"), "javascript:alert(1)"));
}

#[tokio::test]
async fn other_shapes_are_understood() {
    let record = json!({
        "identifier": 42, "title": "古い形", "keyword": "防災, 避難", "publisher": "呉市", "contactPoint": [{"fn": "課", "hasEmail": "ka@example.jp"}],
        "spatial": ["呉市", "江田島市"], "temporal": {"startDate": "2020", "endDate": "2021"}, "language": "ja", "modified": "2024-03-31T15:30:00Z",
        "distribution": {"accessURL": "https://example.jp/a.xlsx", "format": "xlsx"}, "license": null, "theme": null,
    });
    let old = json!({"identifier": "v1", "title": "版 1.0", "accessURL": "https://example.jp/b.csv", "format": "text/csv"});
    let stub = portal(format!("\u{feff}{}", json!([record, old]))).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert_eq!((outcome.ids(), &outcome.listing), (vec!["42", "v1"], &Listing::Complete { total: 2 }));
    let draft = &outcome.records[0].draft;
    assert_eq!((draft.keywords.len(), draft.extras["publisher_name"].as_str()), (2, "呉市"));
    assert_eq!(draft.spatial.as_ref().unwrap().label.as_deref(), Some("呉市、江田島市"));
    assert_eq!(draft.temporal.as_ref().unwrap().end.unwrap().to_string(), "2021-12-31");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01");
    assert_eq!(draft.contact_point.as_ref().unwrap().email.as_deref(), Some("ka@example.jp"));
    assert_eq!(draft.distributions.as_ref().unwrap().len(), 1);
    let old = &outcome.records[1].draft.distributions.as_ref().unwrap()[0];
    assert_eq!((old.access_url.as_deref(), old.format.as_deref()), (Some("https://example.jp/b.csv"), Some("CSV")));
}

#[tokio::test]
async fn bad_private_and_nameless_records_are_told_apart() {
    let mut all: Vec<Value> = (1..=7).map(dataset).collect();
    all[0]["accessLevel"] = json!("non-public");
    all[1]["title"] = json!("");
    all[2]["identifier"] = json!(null);
    all[2]["landingPage"] = json!("https://example.jp/three");
    all[3]["distribution"] = json!("none");
    all[4]["identifier"] = json!("");
    all[5] = json!("what");
    let stub = portal(catalog(&all).to_string()).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert_eq!(outcome.withdrawn, [("ds-1".to_owned(), Withdrawal::Private)]);
    assert_eq!(outcome.ids(), ["https://example.jp/three", "ds-7"]);
    let failed: Vec<_> = outcome.failures.iter().map(|it| (it.remote_id.as_deref(), it.position.as_str())).collect();
    assert_eq!(failed, [(Some("ds-2"), "dataset #2"), (Some("ds-4"), "dataset #4"), (None, "dataset #5"), (None, "dataset #6")]);
    assert!(outcome.failures[2].cause.en.contains("identifier") && outcome.failures[1].cause.en.contains("distribution"));
    assert!(outcome.incomplete().contains("2 records have no id"));
}

#[tokio::test]
async fn an_identifier_used_twice_is_a_failure() {
    let mut other = dataset(1);
    other["title"] = json!("別のデータ");
    let stub = portal(catalog(&[dataset(1), dataset(1), other, dataset(2)]).to_string()).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert_eq!(outcome.ids(), ["ds-1", "ds-2"], "the same again is the same");
    assert_eq!((outcome.failures.len(), outcome.failures[0].position.as_str()), (1, "dataset #3"));
    assert!(outcome.failures[0].cause.en.contains("another dataset's"));
    assert_eq!(outcome.listing, Listing::Complete { total: 2 });
}

#[tokio::test]
async fn a_document_that_breaks_off_is_incomplete() {
    let whole = catalog(&(0..50).map(dataset).collect::<Vec<_>>()).to_string();
    let stub = portal(&whole.as_bytes()[..whole.len() / 2]).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert!(outcome.incomplete().contains("cut off"), "{:?}", outcome.listing);
    assert!((20..=25).contains(&outcome.records.len()), "{}", outcome.records.len());

    let stub = portal(&whole.as_bytes()[..whole.len() - 1]).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert_eq!(outcome.records.len(), 50);
    assert!(outcome.incomplete().contains("cut off"), "a last brace is missing");
}

#[tokio::test]
async fn what_is_no_catalog_has_failed() {
    for (answer, word) in [
        (html(), "HTML"),
        (status(500), "500"),
        (status(404), "404"),
        (ok("application/json", "{}"), "no list"),
        (ok("application/json", "{\"dataset\": []}"), "no datasets"),
        (ok("application/json", "{\"dataset\": [{\"title\": \"\u{0}"), "not JSON"),
        (ok("application/json", b"{\"dataset\": [{\"title\": \"\x83f\x81[\x83^\"}]}".to_vec()), "UTF-8"),
        (Answer { claimed_length: Some(9999), ..ok("application/json", "{") }, "broke off"),
    ] {
        let stub = Stub::start(move |_| answer.clone()).await;
        assert!(harvest(DataJson, &stub, "/").await.failed().contains(word), "{word}");
    }
}

#[tokio::test]
async fn the_default_licence_is_for_silent_records() {
    let mut all: Vec<Value> = (1..=3).map(dataset).collect();
    all[1]["license"] = json!("https://example.jp/rules");
    all[2]["distribution"][0]["license"] = json!("https://creativecommons.org/licenses/by/4.0/");
    let stub = portal(catalog(&all).to_string()).await;
    let mut with_default = source(DataJson, &stub.url("/"));
    with_default.default_licence = Some("CC-BY-2.1-JP".into());
    let outcome = harvest_with(&with_default, stub.settings()).await;
    let licences: Vec<_> = outcome.records.iter().map(|it| (it.draft.licence.as_deref(), it.draft.licence_text.as_deref())).collect();
    assert_eq!(licences, [(Some("CC-BY-2.1-JP"), None), (None, Some("https://example.jp/rules")), (Some("CC-BY-4.0"), None)]);
}

#[tokio::test]
async fn order_and_counts_change_nothing() {
    let hashes = |all: Vec<Value>| async move {
        let stub = portal(catalog(&all).to_string()).await;
        let outcome = harvest(DataJson, &stub, "/").await;
        let mut hashes: Vec<_> = outcome.records.iter().map(|it| (it.remote_id.clone(), content_hash(&it.draft))).collect();
        hashes.sort();
        hashes
    };
    let first: Vec<Value> = (0..3).map(dataset).collect();
    let mut later = first.clone();
    later.reverse();
    later[0]["viewCount"] = json!(7);
    later[1]["harvest_last_seen"] = json!("2025-01-01");
    assert_eq!(hashes(first.clone()).await, hashes(later.clone()).await);
    later[0]["rights"] = json!("新しい条件");
    assert_ne!(hashes(first).await, hashes(later).await);
}

#[tokio::test]
async fn a_closed_receiver_ends_the_run() {
    let stub = portal(catalog(&(0..500).map(dataset).collect::<Vec<_>>()).to_string()).await;
    let client = minato_harvest::Client::new(stub.settings()).unwrap();
    let (records, mut received) = tokio::sync::mpsc::channel(1);
    let (source, vocabulary) = (source(DataJson, &stub.url("/")), minato_catalog::Vocabulary::built_in());
    let reading = minato_harvest::run(&source, &client, &vocabulary, records);
    let leaving = async move {
        received.recv().await;
        drop(received);
    };
    let (listing, ()) = tokio::join!(reading, leaving);
    assert!(matches!(listing, Listing::Incomplete { .. }));
}

#[tokio::test]
async fn faults_of_the_text_cost_no_record() {
    let text = catalog(&(1..=3).map(dataset).collect::<Vec<_>>()).to_string();
    let at = text.rfind("\"title\":\"").unwrap() + 9;
    let body = [&text.as_bytes()[..at], b"\xe9\x81\\ud800\t", &text.as_bytes()[at..]].concat();
    let stub = portal(body).await;
    let outcome = harvest(DataJson, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 3 }, "{:?}", outcome.failures);
    let noted: Vec<_> = outcome.records.iter().map(|record| record.notices.iter().any(|notice| notice.ja.contains("UTF-8"))).collect();
    assert_eq!(noted, [false, false, true]);
}
