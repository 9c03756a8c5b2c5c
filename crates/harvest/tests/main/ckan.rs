use std::collections::BTreeMap;

use minato_catalog::HarvestKind::Ckan;
use minato_catalog::{Vocabulary, jst_day};
use minato_harvest::{Client, Listing, Standing, content_hash, standing};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, redirect, source, status};

fn package(n: usize) -> Value {
    json!({
        "id": format!("id-{n:04}"), "name": format!("dataset-{n:04}"), "title": format!("データ{n}"), "private": false, "state": "active", "type": "dataset",
        "resources": [{"id": format!("r-{n}"), "name": "CSV", "url": format!("https://example.jp/{n}.csv"), "format": "CSV", "size": "120"}],
    })
}

fn page(asked: &Asked, packages: &[Value]) -> Value {
    let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
    let results: Vec<&Value> = packages.iter().skip(number("start")).take(number("rows")).collect();
    json!({"success": true, "result": {"count": packages.len(), "results": results}})
}

fn packages(count: usize) -> Vec<Value> {
    (0..count).map(package).collect()
}

async fn portal(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Stub {
    Stub::start(answer).await
}

#[tokio::test]
async fn all_pages_are_read() {
    let all = packages(250);
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 250 });
    assert_eq!(outcome.records.len(), 250);
    assert_eq!(stub.asked().len(), 3);
    assert!(
        stub.asked()
            .iter()
            .all(|asked| asked.path == "/api/3/action/package_search" && asked.parameter("sort").as_deref() == Some("name asc"))
    );
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let record = json!({
        "id": "abc", "name": "hinanjo", "title": "避難所一覧", "notes": "説明", "title_translated": {"ja": "避難所一覧", "en": "Shelters"},
        "tags": [{"name": "防災", "display_name": "防災"}, {"name": "x".repeat(101)}], "groups": [{"name": "gr_1400", "title": "司法・安全・環境"}, {"name": "etc", "title": "謎の分類"}],
        "license_id": "cc-by", "license_title": "クリエイティブ・コモンズ 表示", "url": "https://www.city.example.jp/page",
        "author": "危機管理課", "author_email": "kiki@example.jp", "maintainer": "情報課", "version": "2", "private": false, "state": "active",
        "metadata_created": "2022-03-31T16:00:00.000000", "metadata_modified": "2024-03-31T16:00:00.000000",
        "organization": {"name": "kure", "title": "呉市"},
        "extras": [{"key": "frequency", "value": "年１回"}, {"key": "spatial", "value": "{\"type\":\"Point\",\"coordinates\":[132.5,34.2]}"},
            {"key": "temporal_start", "value": "2023-04-01"}, {"key": "language", "value": "[\"http://publications.europa.eu/resource/authority/language/JPN\"]"},
            {"key": "独自", "value": "値"}],
        "resources": [
            {"id": "r1", "name": "一覧", "url": "/files/a.csv", "format": "ＣＳＶ", "mimetype": "text/csv", "size": 1234, "created": "2022-04-01T00:00:00", "last_modified": "2024-03-31T15:30:00.5", "description": "d"},
            {"id": "r2", "name": "頁", "url": "https://www.city.example.jp/page2", "format": "HTML"},
            {"id": "r3", "name": "変な URL", "url": "ここ//:", "format": "PDF", "license_id": "独自ルール"},
            {"id": "r4", "name": "消えた", "url": "https://example.jp/x", "state": "deleted"}],
    });
    let stub = portal(move |asked| crate::stub::json(&page(asked, std::slice::from_ref(&record)))).await;
    let outcome = harvest(Ckan, &stub, "/ckan/api/3/action/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 1 });
    assert_eq!(stub.asked()[0].path, "/ckan/api/3/action/package_search");
    let record = &outcome.records[0];
    assert_eq!(record.remote_id, "abc");
    assert_eq!(record.remote_url, Some(stub.url("/ckan/dataset/hinanjo")));
    let draft = &record.draft;
    assert_eq!(draft.slug.as_deref(), Some("hinanjo"));
    assert_eq!((draft.title.as_str(), draft.title_en.as_deref(), draft.description.as_str()), ("避難所一覧", Some("Shelters"), "説明"));
    assert_eq!(draft.keywords, ["防災", "謎の分類"]);
    assert_eq!(draft.themes, ["gr_1400"]);
    assert_eq!(draft.licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!((draft.creator.as_deref(), draft.version.as_deref()), (Some("危機管理課"), Some("2")));
    let contact = draft.contact_point.as_ref().unwrap();
    assert_eq!((contact.name.as_deref(), contact.email.as_deref()), (Some("情報課"), Some("kiki@example.jp")));
    assert_eq!(draft.accrual_periodicity.as_deref(), Some("annual"));
    assert_eq!(draft.issued.unwrap().to_string(), "2022-04-01", "CKAN's times are UTC, days here are Japanese");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01");
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.5, 34.2, 132.5, 34.2]));
    assert_eq!(draft.temporal.as_ref().unwrap().start.unwrap().to_string(), "2023-04-01");
    assert_eq!(draft.language, ["ja"]);
    let extras: BTreeMap<_, _> = draft.extras.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(extras, BTreeMap::from([("publisher_name", "呉市"), ("独自", "値")]));
    let [file, page, odd] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(file.identifier.as_deref(), Some("r1"));
    assert_eq!(file.download_url, Some(stub.url("/ckan/files/a.csv").replace("/ckan", "")));
    assert_eq!((file.format.as_deref(), file.media_type.as_deref(), file.byte_size), (Some("CSV"), Some("text/csv"), Some(1234)));
    assert_eq!(file.modified.unwrap().to_rfc3339(), "2024-03-31T15:30:00.500+00:00");
    assert_eq!((page.download_url.as_deref(), page.access_url.as_deref()), (None, Some("https://www.city.example.jp/page2")));
    assert_eq!(odd.extras["licence_text"], "独自ルール");
    assert_eq!(draft.check(&Vocabulary::built_in()), []);
    assert!(record.notices.iter().any(|notice| notice.ja.contains("独自ルール")), "{:?}", record.notices);
    assert!(record.raw.contains("謎の分類"));
}

#[tokio::test]
async fn unchanged_records_have_the_same_hash() {
    let all = packages(3);
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let hashes = |outcome: crate::stub::Outcome| outcome.records.iter().map(|record| content_hash(&record.draft)).collect::<Vec<_>>();
    let (first, second) = (hashes(harvest(Ckan, &stub, "/").await), hashes(harvest(Ckan, &stub, "/").await));
    assert_eq!(first, second);
    assert_ne!(first[0], first[1]);
}

#[tokio::test]
async fn what_a_portal_notes_of_its_own_harvests_changes_nothing() {
    let runs = std::sync::atomic::AtomicUsize::new(0);
    let stub = portal(move |asked| {
        let run = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut noted = package(0);
        noted["extras"] = json!([{"key": "harvest_object_id", "value": format!("object-{run}")}, {"key": "harvest_source_title", "value": "市"}, {"key": "課", "value": "情報課"}]);
        crate::stub::json(&page(asked, &[noted]))
    })
    .await;
    let (first, second) = (harvest(Ckan, &stub, "/").await, harvest(Ckan, &stub, "/").await);
    assert_eq!(content_hash(&first.records[0].draft), content_hash(&second.records[0].draft));
    assert_eq!(first.records[0].draft.extras, BTreeMap::from([("課".to_owned(), "情報課".to_owned())]));
}

#[tokio::test]
async fn one_malformed_record_does_not_stop_the_others() {
    let mut all = packages(5);
    all[1]["resources"] = json!("none");
    all[2]["title"] = json!({"a": 1});
    all[2]["name"] = json!("");
    all[3] = json!("what");
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.ids(), ["id-0000", "id-0004"]);
    let failed: Vec<_> = outcome.failures.iter().map(|failure| failure.remote_id.as_deref()).collect();
    assert_eq!(failed, [Some("id-0001"), Some("id-0002"), None]);
    assert!(outcome.failures[0].cause.en.contains("resources"));
    assert!(outcome.incomplete().contains("no id"), "a record that cannot be named may be any");
}

#[tokio::test]
async fn a_failed_record_with_an_id_leaves_the_listing_complete() {
    let mut all = packages(3);
    all[1]["resources"] = json!(7);
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 3 });
    assert_eq!(outcome.failures[0].remote_id.as_deref(), Some("id-0001"));
}

#[tokio::test]
async fn records_that_are_not_public_are_absent() {
    let mut all = packages(5);
    all[1]["private"] = json!(true);
    all[2]["state"] = json!("deleted");
    all[3]["state"] = json!("draft");
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.ids(), ["id-0000", "id-0004"]);
    assert_eq!(outcome.listing, Listing::Complete { total: 5 });
    assert_eq!(outcome.withdrawn.len(), 3);
    assert!(outcome.failures.is_empty());
}

#[tokio::test]
async fn a_fault_between_pages_is_no_end() {
    for fault in [
        status(500),
        status(403),
        html(),
        crate::stub::json(&json!({"success": false, "error": {"message": "Search error"}})),
        ok("application/json", r#"{"success": true, "result": {"count": 250, "results": [{"id""#),
        Answer { claimed_length: Some(9999), ..ok("application/json", "{") },
        crate::stub::json(&json!({"success": true, "result": {"count": 250, "results": []}})),
        crate::stub::json(&json!({"success": true, "result": {"count": 249, "results": [package(100)]}})),
        crate::stub::json(&json!({"success": true, "result": {"count": 250}})),
        crate::stub::json(&json!({"success": true, "result": {"results": [package(100)]}})),
    ] {
        let all = packages(250);
        let described = format!("{fault:?}");
        let stub = portal(move |asked| match asked.parameter("start").as_deref() {
            Some("100") => fault.clone(),
            _ => crate::stub::json(&page(asked, &all)),
        })
        .await;
        let outcome = harvest(Ckan, &stub, "/").await;
        assert!(matches!(outcome.listing, Listing::Incomplete { .. }), "{described}: {:?}", outcome.listing);
        assert_eq!(outcome.records.len(), 100, "{described}");
    }
}

#[tokio::test]
async fn a_source_that_answers_nonsense_from_the_start_has_failed() {
    for (fault, word) in [
        (status(500), "500"),
        (html(), "HTML"),
        (crate::stub::json(&json!({"success": false, "error": {"message": "Solr is down"}})), "Solr is down"),
        (ok("application/json", "{\"success\": tr"), "JSON"),
        (crate::stub::json(&json!([])), "success"),
        (status(403), "403"),
        (redirect("http://10.0.0.1/"), "10.0.0.1"),
    ] {
        let stub = portal(move |_| fault.clone()).await;
        let outcome = harvest(Ckan, &stub, "/").await;
        assert!(outcome.failed().contains(word), "{word}: {:?}", outcome.listing);
    }
}

#[tokio::test]
async fn an_explicit_zero_is_a_complete_listing() {
    let stub = portal(|asked| crate::stub::json(&page(asked, &[]))).await;
    assert_eq!(harvest(Ckan, &stub, "/").await.listing, Listing::Complete { total: 0 });
}

#[tokio::test]
async fn fewer_different_records_than_counted_are_not_all() {
    let mut all = packages(150);
    all[120] = package(3);
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.records.len(), 149, "a repeated record is sent once");
    assert!(outcome.incomplete().contains("150"));
}

#[tokio::test]
async fn endless_paging_ends() {
    let stub = portal(|_| crate::stub::json(&json!({"success": true, "result": {"count": 1_000_000, "results": packages(100)}}))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.records.len(), 100);
    assert!(outcome.incomplete().contains("repeats"));
    assert_eq!(stub.asked().len(), 2);

    let stub = portal(|asked| {
        let start: usize = asked.parameter("start").unwrap().parse().unwrap();
        crate::stub::json(&json!({"success": true, "result": {"count": start + 1000, "results": [package(start)]}}))
    })
    .await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert!(outcome.incomplete().contains("50 pages"));
}

#[tokio::test]
async fn a_closed_search_is_gone_round_by_the_list() {
    for code in [400, 403, 404, 409] {
        let stub = portal(move |asked| match asked.path.as_str() {
            "/api/3/action/package_list" => crate::stub::json(&json!({"success": true, "result": ["dataset-0001", "dataset-0002"]})),
            "/api/3/action/package_show" => {
                let name = asked.parameter("id").unwrap();
                crate::stub::json(&json!({"success": true, "result": package(name[8..].parse().unwrap())}))
            }
            _ => status(code),
        })
        .await;
        let outcome = harvest(Ckan, &stub, "/").await;
        assert_eq!(outcome.listing, Listing::Complete { total: 2 }, "{code}");
        assert_eq!(outcome.ids(), ["id-0001", "id-0002"]);
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_shown_leaves_the_listing_in_doubt() {
    let stub = portal(|asked| match (asked.path.as_str(), asked.parameter("id").as_deref()) {
        ("/api/3/action/package_list", _) => crate::stub::json(&json!({"success": true, "result": ["dataset-0001", "dataset-0002"]})),
        (_, Some("dataset-0002")) => crate::stub::json(&json!({"success": true, "result": package(2)})),
        _ => status(403),
    })
    .await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.ids(), ["id-0002"]);
    assert_eq!((outcome.failures[0].remote_id.as_deref(), outcome.failures[0].position.as_str()), (None, "dataset-0001"));
    outcome.incomplete();
}

#[tokio::test]
async fn one_organization_can_be_asked_for() {
    let stub = portal(|asked| {
        assert_eq!(asked.parameter("fq").as_deref(), Some("organization:\"kure-city\""));
        crate::stub::json(&page(asked, &packages(1)))
    })
    .await;
    let mut only = source(Ckan, &stub.url(""));
    only.remote_organization = Some("kure-city".into());
    assert_eq!(harvest_with(&only, stub.settings()).await.listing, Listing::Complete { total: 1 });

    let stub = portal(|asked| match asked.path.as_str() {
        "/api/3/action/package_list" => crate::stub::json(&json!({"success": true, "result": ["a", "b"]})),
        "/api/3/action/package_show" if asked.parameter("id").as_deref() == Some("a") => {
            let mut mine = package(1);
            mine["organization"] = json!({"name": "kure-city"});
            crate::stub::json(&json!({"success": true, "result": mine}))
        }
        "/api/3/action/package_show" => crate::stub::json(&json!({"success": true, "result": package(2)})),
        _ => status(404),
    })
    .await;
    only.url = stub.url("");
    assert_eq!(harvest_with(&only, stub.settings()).await.ids(), ["id-0001"]);
}

#[tokio::test]
async fn a_closed_receiver_ends_the_run() {
    let all = packages(250);
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let client = minato_harvest::Client::new(stub.settings()).unwrap();
    let (records, mut received) = tokio::sync::mpsc::channel(1);
    let (source, vocabulary) = (source(Ckan, &stub.url("/")), Vocabulary::built_in());
    let reading = minato_harvest::run(&source, &client, &vocabulary, records);
    let leaving = async move {
        received.recv().await;
        drop(received);
    };
    let (listing, ()) = tokio::join!(reading, leaving);
    assert!(matches!(listing, Listing::Incomplete { .. }));
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn private_and_deleted_records_are_told_apart() {
    use minato_catalog::Withdrawal;
    let mut all = packages(6);
    all[1]["private"] = json!(true);
    all[2]["state"] = json!("deleted");
    all[3]["state"] = json!("draft");
    all[4]["private"] = json!("True");
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    let expected = [
        ("id-0001", Withdrawal::Private),
        ("id-0002", Withdrawal::Deleted),
        ("id-0003", Withdrawal::Private),
        ("id-0004", Withdrawal::Private),
    ];
    assert_eq!(outcome.withdrawn, expected.map(|(id, cause)| (id.to_owned(), cause)));
    assert_eq!(outcome.listing, Listing::Complete { total: 6 });
}

#[tokio::test]
async fn a_whole_list_stands_in_for_a_closed_search() {
    for (refusal, limits) in [
        (status(403), true),
        (status(404), true),
        (status(409), false),
        (crate::stub::json(&json!({"success": false, "error": {"message": "Search error"}})), true),
        (html(), false),
    ] {
        let described = format!("{refusal:?} {limits}");
        let stub = portal(move |asked| match asked.path.as_str() {
            "/api/3/action/current_package_list_with_resources" => {
                let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
                let all = packages(150);
                let some: Vec<_> = if limits { all.into_iter().skip(number("offset")).take(number("limit")).collect() } else { all };
                crate::stub::json(&json!({"success": true, "result": some}))
            }
            _ => refusal.clone(),
        })
        .await;
        let outcome = harvest(Ckan, &stub, "/").await;
        assert_eq!(outcome.listing, Listing::Complete { total: 150 }, "{described}");
    }
    // A list that repeats itself may hide the rest.
    let stub = portal(|asked| match asked.path.as_str() {
        "/api/3/action/current_package_list_with_resources" => crate::stub::json(&json!({"success": true, "result": packages(100)})),
        _ => status(404),
    })
    .await;
    assert!(harvest(Ckan, &stub, "/").await.incomplete().contains("repeats"));
}

#[tokio::test]
async fn records_that_go_between_pages_cost_one_more_round() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    // Behind the first page a record goes, the others move up, and one is passed over.
    let asked_before = AtomicUsize::new(0);
    let stub = portal(move |asked| {
        let mut all = packages(250);
        if asked_before.fetch_add(1, Ordering::SeqCst) > 0 {
            all.remove(3);
        }
        crate::stub::json(&page(asked, &all))
    })
    .await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.records.len(), 250, "the one that went was met before");
    assert_eq!(outcome.listing, Listing::Complete { total: 250 });

    // One comes: the last of a page is met again on the next.
    let asked_before = AtomicUsize::new(0);
    let stub = portal(move |asked| {
        let mut all = packages(250);
        if asked_before.fetch_add(1, Ordering::SeqCst) == 0 {
            all.remove(3);
        }
        crate::stub::json(&page(asked, &all))
    })
    .await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!((outcome.records.len(), outcome.listing), (250, Listing::Complete { total: 250 }));
}

#[tokio::test]
async fn a_portal_that_does_not_count_is_read_to_its_end() {
    let uncounted = |asked: &Asked, all: &[Value]| {
        let mut answer = page(asked, all);
        answer["result"].as_object_mut().unwrap().remove("count");
        crate::stub::json(&answer)
    };
    let stub = portal(move |asked| uncounted(asked, &packages(150))).await;
    assert_eq!(harvest(Ckan, &stub, "/").await.listing, Listing::Complete { total: 150 });
    let stub = portal(move |asked| uncounted(asked, &[])).await;
    harvest(Ckan, &stub, "/").await.failed();
}

#[tokio::test]
async fn shapes_that_vary_are_understood() {
    let mut first = package(1);
    first["id"] = json!(17);
    first["resources"] =
        json!({"1": {"id": 5, "url": "https://e.jp/b.csv", "size": "1,024", "format": "csv"}, "0": {"url": "https://e.jp/a.csv"}});
    first["tags"] = json!({"0": {"name": "防災"}});
    let mut second = package(2);
    second["resources"] = Value::Null;
    second["extras"] = (0..1_000).map(|n| json!({"key": format!("k{n}"), "value": "x".repeat(100)})).collect();
    second["notes"] = json!("a\u{1}b");
    let stub = portal(move |_| {
        crate::stub::json(&json!({"success": "true", "result": {"count": "2", "results": {"1": second.clone(), "0": first.clone()}}}))
    })
    .await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 2 }, "{:?}", outcome.failures);
    assert_eq!(outcome.ids(), ["17", "id-0002"]);
    let files = outcome.records[0].draft.distributions.as_ref().unwrap();
    assert_eq!(
        files.iter().map(|file| file.download_url.as_deref().unwrap()).collect::<Vec<_>>(),
        ["https://e.jp/a.csv", "https://e.jp/b.csv"]
    );
    assert_eq!((files[1].byte_size, files[1].identifier.as_deref()), (Some(1024), Some("5")));
    assert_eq!(outcome.records[0].draft.keywords, ["防災"]);
    let second = &outcome.records[1];
    assert_eq!((second.draft.description.as_str(), second.draft.extras.len()), ("ab", minato_catalog::EXTRAS_MAX));
    assert!(!second.notices.is_empty());
}

#[tokio::test]
async fn faults_of_the_text_cost_no_record() {
    let record = |n: usize, title: &[u8]| {
        [
            format!("{{\"id\": \"{n}\", \"name\": \"n-{n}\", \"resources\": [], \"x\": NaN, \"title\": \"").into_bytes(),
            title.to_vec(),
            b"\"}".to_vec(),
        ]
        .concat()
    };
    let records = [record(1, "避難所".as_bytes()), record(2, b"\xe9\x81x"), record(3, b"\\ud800x"), record(4, b"a\tb\x02")].join(&b","[..]);
    let body = [b"{\"success\": true, \"result\": {\"count\": 4, \"results\": [".to_vec(), records, b"]}}".to_vec()].concat();
    let stub = portal(move |_| ok("application/json", body.clone())).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 4 }, "{:?}", outcome.failures);
    let titles: Vec<_> = outcome.records.iter().map(|record| record.draft.title.as_str()).collect();
    assert_eq!(titles, ["避難所", "\u{fffd}x", "\u{fffd}x", "a\tb"]);
    let noted: Vec<_> = outcome.records.iter().map(|record| record.notices.iter().any(|notice| notice.ja.contains("UTF-8"))).collect();
    assert_eq!(noted, [false, true, true, false]);
}

#[tokio::test]
async fn an_organization_is_known_by_name_id_or_title() {
    const ID: &str = "11111111-2222-3333-4444-555555555555";
    for (wanted, filter) in [
        ("kure-city", "organization:\"kure-city\""),
        (ID, "owner_org:\"11111111-2222-3333-4444-555555555555\""),
        ("呉市 \"情報\"", "organization:\"kure-city\""),
    ] {
        let stub = portal(move |asked| match asked.path.as_str() {
            "/api/3/action/organization_list" => crate::stub::json(
                &json!({"success": true, "result": [{"name": "other", "title": "他"}, {"name": "kure-city", "title": "呉市 \"情報\""}]}),
            ),
            _ => {
                assert_eq!(asked.parameter("fq").as_deref(), Some(filter));
                crate::stub::json(&page(asked, &packages(1)))
            }
        })
        .await;
        let mut only = source(Ckan, &stub.url(""));
        only.remote_organization = Some(wanted.into());
        assert_eq!(harvest_with(&only, stub.settings()).await.listing, Listing::Complete { total: 1 }, "{wanted}");
    }
}

#[tokio::test]
async fn an_organization_that_is_not_there_withdraws_nothing() {
    for (wanted, total) in [("gone", None), ("empty", Some(0)), ("知らない市", None)] {
        let stub = portal(|asked| match asked.path.as_str() {
            "/api/3/action/organization_show" if asked.parameter("id").as_deref() == Some("gone") => status(404),
            "/api/3/action/organization_show" => crate::stub::json(&json!({"success": true, "result": {}})),
            "/api/3/action/organization_list" => crate::stub::json(&json!({"success": true, "result": [{"name": "other", "title": "他"}]})),
            _ => crate::stub::json(&page(asked, &[])),
        })
        .await;
        let mut only = source(Ckan, &stub.url(""));
        only.remote_organization = Some(wanted.into());
        let outcome = harvest_with(&only, stub.settings()).await;
        match total {
            Some(total) => assert_eq!(outcome.listing, Listing::Complete { total }, "{wanted}"),
            None => assert!(outcome.failed().contains(wanted), "{wanted}: {:?}", outcome.listing),
        }
    }
}

#[tokio::test]
async fn the_name_tells_a_record_with_a_new_id() {
    let stub = portal(|asked| crate::stub::json(&page(asked, &packages(1)))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!(outcome.records[0].alternate_id.as_deref(), Some("dataset-0000"));
}

#[tokio::test]
async fn a_portal_that_asks_for_patience_gets_it() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked_before = AtomicUsize::new(0);
    let stub = portal(move |asked| match asked_before.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Answer { headers: vec![("Retry-After", "0".into())], ..status(429) },
        _ => crate::stub::json(&page(asked, &packages(150))),
    })
    .await;
    assert_eq!(harvest(Ckan, &stub, "/").await.listing, Listing::Complete { total: 150 });
}

#[tokio::test]
async fn an_organization_behind_the_first_page_is_found_by_its_title() {
    // With all fields, CKAN gives 25 organizations whatever limit is asked for.
    let stub = portal(|asked| match asked.path.as_str() {
        "/api/3/action/organization_list" => {
            let offset: usize = asked.parameter("offset").unwrap().parse().unwrap();
            let all: Vec<_> =
                (0..60).map(|n| json!({"name": format!("city-{n}"), "title": format!("第{n}市")})).skip(offset).take(25).collect();
            crate::stub::json(&json!({"success": true, "result": all}))
        }
        "/api/3/action/organization_show" => status(404),
        _ => {
            assert_eq!(asked.parameter("fq").as_deref(), Some("organization:\"city-55\""));
            crate::stub::json(&page(asked, &[]))
        }
    })
    .await;
    let mut only = source(Ckan, &stub.url(""));
    only.remote_organization = Some("第55市".into());
    assert_eq!(harvest_with(&only, stub.settings()).await.listing, Listing::Complete { total: 0 }, "it is there and has nothing");
}

#[tokio::test]
async fn a_failure_is_told_once_in_two_rounds() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked_before = AtomicUsize::new(0);
    let stub = portal(move |asked| {
        let mut all = packages(150);
        all[7]["resources"] = json!("none");
        if asked_before.fetch_add(1, Ordering::SeqCst) > 0 {
            all.remove(3);
        }
        crate::stub::json(&page(asked, &all))
    })
    .await;
    let outcome = harvest(Ckan, &stub, "/").await;
    assert_eq!((outcome.records.len(), outcome.failures.len()), (149, 1));
    assert_eq!((outcome.listing, stub.asked().len()), (Listing::Complete { total: 150 }, 4));
}

#[tokio::test]
async fn periods_in_words_are_dates() {
    let periods = [
        json!([{"key": "temporal", "value": "令和元年度"}]),
        json!([{"key": "temporal_start", "value": "平成30年度"}, {"key": "temporal_end", "value": "令和元年度"}, {"key": "temporal", "value": "昔"}]),
        json!([{"key": "temporal", "value": "昔"}]),
        json!([{"key": "temporal_coverage", "value": "[{\"start\": \"2020-04-01\", \"end\": \"2021-03-31\"}]"}]),
        json!([{"key": "temporal_start", "value": "2019-04-01"}, {"key": "temporal_end", "value": "2020-03-31"}, {"key": "temporal", "value": "令和元年度"}]),
    ];
    let all: Vec<Value> = periods
        .into_iter()
        .enumerate()
        .map(|(n, extras)| {
            let mut package = package(n);
            package["extras"] = extras;
            package
        })
        .collect();
    let stub = portal(move |asked| crate::stub::json(&page(asked, &all))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    let found: Vec<_> = outcome
        .records
        .iter()
        .map(|record| {
            let period = record.draft.temporal.as_ref().map(|it| format!("{}/{}", it.start.unwrap(), it.end.unwrap()));
            (period, record.draft.extras.get("temporal").cloned())
        })
        .collect();
    let period = |period: &str| (Some(period.to_owned()), None);
    let words = (Some("2018-04-01/2020-03-31".to_owned()), Some("昔".to_owned()));
    assert_eq!(
        found,
        [
            period("2019-04-01/2020-03-31"),
            words,
            (None, Some("昔".to_owned())),
            period("2020-04-01/2021-03-31"),
            period("2019-04-01/2020-03-31")
        ]
    );
}

/// The only record of a portal, with these fields beside those it must have.
async fn one(fields: Value) -> minato_catalog::HarvestedRecord {
    let mut record = package(1);
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let stub = portal(move |asked| crate::stub::json(&page(asked, std::slice::from_ref(&record)))).await;
    let outcome = harvest(Ckan, &stub, "/").await;
    outcome.records.into_iter().next().unwrap_or_else(|| panic!("{:?}", outcome.failures))
}

fn texts(extras: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    extras.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn what_publishers_wrote_of_a_file_is_kept() {
    let record = one(json!({"resources": [
        {"id": "r1", "name": "一覧", "url": "https://e.jp/a.csv", "download_url": "https://e.jp/a.csv", "conforms_to": "[\"https://e.jp/standard\"]", "encoding": "Shift_JIS",
            "rights": " 出典を書く ", "rows": 120, "対象": ["a", "b"], "language": "広島弁", "description": "説明", "description_translated": {"ja": "説明", "en": "About"},
            "注記": {"ja": "注", "en": "note"}, "empty": "", "none": null, "license_title": "x",
            "mimetype_inner": "text/csv", "cache_last_updated": "2026-11-25", "position": 0, "package_id": "p", "state": "active", "url_type": "upload", "resource_type": "file",
            "datastore_active": true, "datastore_contains_all_records_of_source_file": "true", "revision_id": "v", "tracking_summary": {"total": 3}, "view_count": 7, "validation_timestamp": "2026-11-25T00:00:00",
            "archiver": {"updated": "2026-11-25"}, "qa": {"openness_score": 3}},
        {"id": "r2", "name": "二", "url": "https://e.jp/b.csv", "conforms_to": ["https://e.jp/1", "", "https://e.jp/2"]},
    ]}))
    .await;
    let [first, second] = record.draft.distributions.as_deref().unwrap() else { panic!("{record:?}") };
    let expected = [
        ("description_en", "About"),
        ("encoding", "Shift_JIS"),
        ("language", "広島弁"),
        ("rights", "出典を書く"),
        ("rows", "120"),
        ("対象", "[\"a\",\"b\"]"),
        ("注記", "{\"en\":\"note\",\"ja\":\"注\"}"),
    ];
    assert_eq!(texts(&first.extras), BTreeMap::from(expected));
    assert_eq!(first.conforms_to, ["https://e.jp/standard"]);
    assert_eq!((second.conforms_to.as_slice(), second.extras.len()), (&["https://e.jp/1".to_owned(), "https://e.jp/2".to_owned()][..], 0));
}

#[tokio::test]
async fn values_without_a_field_are_kept() {
    let record = one(json!({
        "identifier": "https://doi.org/10.1234/5678", "author_email": "a@example.jp", "maintainer": "情報課", "maintainer_email": "m@example.jp",
        "url": "https://e.jp/page", "landingPage": "https://e.jp/other", "keywords_translated": {"ja": ["避難所"], "en": ["shelter"]},
        "contact": [{"name": "危機管理課", "email": "", "uri": null}], "contacts": [{"name": "", "email": null}],
        "条件": {"en": "none", "ja": "なし"}, "statistics": {"rows": 3}, "view_counts": [{"day": "2026-11-25", "count": 3}],
        "extras": [{"key": "contact_name", "value": "広報課"}, {"key": "contact_email", "value": "k@example.jp"}],
    }))
    .await;
    let expected = [
        ("author_email", "a@example.jp"),
        ("contact", "[{\"email\":\"\",\"name\":\"危機管理課\",\"uri\":null}]"),
        ("identifier", "https://doi.org/10.1234/5678"),
        ("landingPage", "https://e.jp/other"),
        ("maintainer", "情報課"),
        ("maintainer_email", "m@example.jp"),
        ("条件", "{\"en\":\"none\",\"ja\":\"なし\"}"),
    ];
    assert_eq!(texts(&record.draft.extras), BTreeMap::from(expected));
    assert_eq!(record.draft.keywords, ["避難所", "shelter"]);
    assert_eq!((record.draft.identifier.as_deref(), record.draft.landing_page.as_deref()), (None, Some("https://e.jp/page")));
}

#[tokio::test]
async fn an_area_that_cannot_be_read_is_kept() {
    for (spatial, kept, noted) in [
        ("{\"type\":\"Polygon\",\"coordinates\":[[[34.2,132.5]]", true, true),
        ("{\"type\":\"Point\",\"coordinates\":[34.2,132.5]}", true, true),
        ("http://data.e-stat.go.jp/lod/sac/C34100", true, false),
        ("{}", false, false),
        ("{\"type\":\"Point\",\"coordinates\":[132.5,34.2]}", false, false),
        ("呉市", false, false),
    ] {
        let record = one(json!({"extras": [{"key": "spatial", "value": spatial}]})).await;
        assert_eq!(record.draft.extras.get("spatial").map(String::as_str), kept.then_some(spatial));
        assert_eq!(record.notices.iter().any(|notice| notice.en.contains("spatial")), noted, "{spatial}: {:?}", record.notices);
    }
}

#[tokio::test]
async fn words_are_no_landing_page() {
    for (fields, address, extras) in [
        (json!({"url": "市役所にて配布"}), None, vec![("landing_page", "市役所にて配布")]),
        (json!({"url": "www.city.example.jp/page"}), None, vec![("landing_page", "www.city.example.jp/page")]),
        (json!({"url": "窓口", "landingPage": "https://e.jp/page"}), Some("https://e.jp/page"), vec![("landing_page", "窓口")]),
        (json!({"url": "https://e.jp/page", "landingPage": "https://e.jp/page"}), Some("https://e.jp/page"), vec![]),
        (json!({"landingPage": "窓口"}), None, vec![("landingPage", "窓口")]),
    ] {
        let record = one(fields.clone()).await;
        assert_eq!(
            (record.draft.landing_page.as_deref(), texts(&record.draft.extras)),
            (address, extras.into_iter().collect()),
            "{fields}"
        );
    }
    let below = one(json!({"url": "/page/1"})).await.draft.landing_page.unwrap();
    assert!(below.starts_with("http://127.0.0.1:") && below.ends_with("/page/1"), "{below}");
}

#[tokio::test]
async fn a_licence_is_the_same_in_whatever_language_it_was_indexed() {
    for id in ["other-nc", "gfdl", "uk-ogl", "cc-by", "other-closed"] {
        let indexed = async |title: &str| content_hash(&one(json!({"license_id": id, "license_title": title})).await.draft);
        assert_eq!(indexed("Some Licence").await, indexed("ある利用規約").await, "{id}");
    }
    let draft = one(json!({"license_id": "other-nc", "license_title": "Other (Non-Commercial)"})).await.draft;
    assert_eq!((draft.licence.as_deref(), draft.licence_text), (Some("OTHER-NC"), None));
    let draft = one(json!({"license_id": "gfdl", "license_title": "GNU フリー文書"})).await.draft;
    assert_eq!((draft.licence, draft.licence_text.as_deref()), (None, Some("GNU Free Documentation License")));
}

#[tokio::test]
async fn a_page_of_a_site_in_place_of_the_site_is_named() {
    let stub = portal(|_| status(404)).await;
    for (path, top, more) in [
        ("/dataset/hinanjo", Some("/"), ""),
        ("/ckan/ja/group/bosai", Some("/ckan/ja/"), ""),
        ("/organization/kure", Some("/"), "; name the organization"),
        ("/nowhere", None, ""),
    ] {
        let outcome = harvest(Ckan, &stub, path).await;
        let cause = outcome.failed();
        assert!(cause.contains("404"), "{cause}");
        match top {
            Some(top) => assert!(cause.contains(&format!("give the top of the site, {}{more}", stub.url(top))), "{cause}"),
            None => assert!(!cause.contains("top of the site"), "{cause}"),
        }
    }
}

#[tokio::test]
async fn a_portal_says_how_a_record_stands() {
    let stub = portal(|asked| match (asked.path.as_str(), asked.parameter("id").as_deref()) {
        ("/api/3/action/package_show", Some("public")) => crate::stub::json(&json!({"success": true, "result": package(1)})),
        (_, Some("private")) => status(403),
        (_, Some("purged")) => status(404),
        (_, Some("nonsense")) => html(),
        _ => status(500),
    })
    .await;
    let client = Client::new(stub.settings()).unwrap();
    for (id, expected) in [
        ("public", Some(Standing::Shown)),
        ("private", Some(Standing::Withheld)),
        ("purged", Some(Standing::Unknown)),
        ("nonsense", None),
        ("broken", None),
    ] {
        assert_eq!(standing(&source(Ckan, &stub.url("/")), &client, id).await, expected, "{id}");
    }
    let asked = stub.asked().len();
    assert_eq!(standing(&source(minato_catalog::HarvestKind::Dcat, &stub.url("/")), &client, "public").await, None);
    assert_eq!(stub.asked().len(), asked);
}
