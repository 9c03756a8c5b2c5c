use minato_catalog::HarvestKind::Dataeye;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

/// As these portals write it: numbers as ids, a licence for each file, sizes as texts.
fn package(n: usize) -> Value {
    json!({
        "id": n, "name": n.to_string(), "title": format!("データ{n}"), "notes": "説明", "author": "情報政策課", "private": false, "state": "active",
        "metadata_created": "2022-04-01 00:30:00", "metadata_modified": "2024-04-01 00:30:00", "type": "dataset",
        "organization": {"id": 25, "name": "kure", "title": "呉市"}, "tags": [{"id": 3, "name": "防災"}],
        "extras": [{"key": "landingPage", "value": "https://www.city.example.jp/page"}, {"key": "frequency_of_update", "value": "1年"},
            {"key": "release_date", "value": "2021-04-01"}],
        "resources": [{"id": n * 10, "title": "一覧", "format": "csv", "size": "8,053", "license_id": "cc-by", "license_title": "CC BY 2.1 JP",
            "last_modified": "2024-03-31 23:59:00"}],
        "view_count": 31, "download_count": 9,
    })
}

fn packages(count: usize) -> Vec<Value> {
    (1..=count).map(package).collect()
}

fn page(asked: &Asked, packages: &[Value]) -> Answer {
    let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
    let results: Vec<&Value> = packages.iter().skip(number("start")).take(number("rows")).collect();
    crate::stub::json(&json!({"help": "", "success": true, "result": {"count": packages.len().to_string(), "results": results}}))
}

/// A portal that serves the search at `place`, and web pages elsewhere.
async fn portal(place: &'static str, packages: Vec<Value>) -> Stub {
    Stub::start(move |asked| if asked.path == format!("{place}package_search") { page(asked, &packages) } else { status(404) }).await
}

#[tokio::test]
async fn the_search_is_found_at_either_place() {
    for place in ["/ckan_api/", "/api/", "/api/3/action/"] {
        let stub = portal(place, packages(230)).await;
        let outcome = harvest(Dataeye, &stub, "/").await;
        assert_eq!(outcome.listing, Listing::Complete { total: 230 }, "{place}");
        assert_eq!((outcome.records[0].remote_id.as_str(), outcome.records.len()), ("1", 230));
        assert!(stub.asked().iter().all(|asked| asked.parameter("sort").is_none()), "it knows no sort");
    }
    let stub = Stub::start(|asked| if asked.path == "/api/package_search" { page(asked, &packages(2)) } else { html() }).await;
    assert_eq!(harvest(Dataeye, &stub, "/").await.listing, Listing::Complete { total: 2 }, "a web page is no answer");
    let stub = portal("/joint/api/", packages(1)).await;
    assert_eq!(harvest(Dataeye, &stub, "/joint/api/package_search?rows=1").await.listing, Listing::Complete { total: 1 });
    assert_eq!(stub.asked().len(), 1, "an address within the API is asked first");
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let mut record = package(7);
    record["resources"].as_array_mut().unwrap().push(json!({"id": "71", "name": "画像", "format": "jpg", "size": "8.1 KB",
        "url": "/resource_download/71", "license_title": "CC BY 2.1 JP", "times": 12, "opened": [{"day": "2026-11-25"}]}));
    record["opened"] = json!([{"day": "2026-11-25", "count": 3}]);
    let stub = portal("/ckan_api/", vec![record]).await;
    let outcome = harvest(Dataeye, &stub, "/").await;
    let record = &outcome.records[0];
    assert_eq!((record.remote_id.as_str(), record.remote_url.clone()), ("7", Some(stub.url("/datasets/7"))));
    let draft = &record.draft;
    assert_eq!((draft.slug.as_deref(), draft.title.as_str(), draft.description.as_str()), (None, "データ7", "説明"));
    assert_eq!(draft.landing_page.as_deref(), Some("https://www.city.example.jp/page"));
    assert_eq!((draft.accrual_periodicity.as_deref(), draft.creator.as_deref()), (Some("annual"), Some("情報政策課")));
    assert_eq!(draft.issued.unwrap().to_string(), "2021-04-01");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01", "times are Japan's");
    assert_eq!(draft.licence.as_deref(), Some("CC-BY-2.1-JP"), "what all files have in common is the dataset's");
    assert_eq!(draft.extras.keys().collect::<Vec<_>>(), ["publisher_name"], "counts of views and downloads are no content");
    let [file, picture] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!((file.title.as_str(), file.identifier.as_deref(), file.byte_size), ("一覧", Some("70"), Some(8053)));
    assert_eq!(file.download_url, Some(stub.url("/resource_download/70")));
    assert_eq!((picture.download_url.clone(), picture.byte_size), (Some(stub.url("/resource_download/71")), Some(8294)));
    assert_eq!((file.licence.as_deref(), picture.format.as_deref()), (None, Some("JPEG")));
    assert!(file.extras.is_empty() && picture.extras.is_empty(), "what it has beside may be counts");
}

#[tokio::test]
async fn files_may_have_different_licences() {
    let mut record = package(1);
    record["resources"] = json!([
        {"id": 1, "name": "a", "license_title": "CC BY 4.0"}, {"id": 2, "name": "b", "license_title": "独自の規約", "license_id": "other"}]);
    let stub = portal("/ckan_api/", vec![record]).await;
    let mut with_default = source(Dataeye, &stub.url("/"));
    with_default.default_licence = Some("CC-BY-2.1-JP".into());
    let outcome = harvest_with(&with_default, stub.settings()).await;
    let draft = &outcome.records[0].draft;
    assert_eq!((draft.licence.as_deref(), draft.licence_text.as_deref()), (None, None), "words for a file are no silence");
    let files = draft.distributions.as_deref().unwrap();
    assert_eq!(files[0].licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(files[1].extras["licence_text"], "独自の規約 other");
}

#[tokio::test]
async fn the_default_licence_is_for_silent_records() {
    let mut all = packages(3);
    all[0]["resources"] = json!([{"id": 1, "name": "a"}]);
    all[1]["license_title"] = json!("独自の規約");
    let stub = portal("/api/", all).await;
    let mut with_default = source(Dataeye, &stub.url("/"));
    with_default.default_licence = Some("CC-BY-4.0".into());
    let outcome = harvest_with(&with_default, stub.settings()).await;
    let licences: Vec<_> = outcome.records.iter().map(|it| (it.draft.licence.as_deref(), it.draft.licence_text.as_deref())).collect();
    assert_eq!(licences, [(Some("CC-BY-4.0"), None), (None, Some("独自の規約")), (Some("CC-BY-2.1-JP"), None)]);
}

#[tokio::test]
async fn without_a_search_every_package_is_shown() {
    for by_path in [false, true] {
        let stub = Stub::start(move |asked| match (asked.path.as_str(), asked.parameter("id")) {
            ("/api/package_list", _) => crate::stub::json(&json!({"success": true, "result": [1, "2", 3]})),
            ("/api/package_show", Some(id)) if !by_path => shown(&id),
            (path, None) if by_path && path.starts_with("/api/package_show/") => shown(&path["/api/package_show/".len()..]),
            _ => status(404),
        })
        .await;
        let outcome = harvest(Dataeye, &stub, "/").await;
        assert_eq!(outcome.ids(), ["1", "3"], "{by_path}");
        assert_eq!(outcome.failures[0].remote_id.as_deref(), Some("2"), "the list gives ids, so the record is known");
        assert!(outcome.failures[0].cause.en.contains("500"), "{:?}", outcome.failures);
        assert_eq!(outcome.listing, Listing::Complete { total: 3 });
    }

    fn shown(id: &str) -> Answer {
        if id == "2" { status(500) } else { crate::stub::json(&json!({"success": true, "result": package(id.parse().unwrap())})) }
    }
}

#[tokio::test]
async fn an_organization_is_picked_here() {
    let mut all = packages(150);
    for other in all.iter_mut().skip(2) {
        other["organization"]["id"] = json!(26);
    }
    let stub = portal("/ckan_api/", all).await;
    let mut only = source(Dataeye, &stub.url("/"));
    only.remote_organization = Some("25".into());
    let outcome = harvest_with(&only, stub.settings()).await;
    assert_eq!((outcome.ids(), &outcome.listing), (vec!["1", "2"], &Listing::Complete { total: 2 }));
    assert_eq!(stub.asked().len(), 2);
    only.remote_organization = Some("99".into());
    assert!(harvest_with(&only, stub.settings()).await.failed().contains("organization"), "an organization that is not there is a mistake");
}

#[tokio::test]
async fn a_fault_between_pages_is_no_end() {
    let answer = |result: Value| crate::stub::json(&json!({"success": true, "result": result}));
    for (fault, word) in [
        (status(500), "500"),
        (html(), "HTML"),
        (crate::stub::json(&json!({"success": false, "error": "止まっています"})), "止まっています"),
        (ok("application/json", r#"{"success": true, "result": {"count": 250, "results": [{"id""#), "not whole JSON"),
        (ok("application/json", b"{\"success\": \"\x83f\x81[\x83^\"}".to_vec()), "UTF-8"),
        (answer(json!({"count": 250, "results": []})), "empty"),
        (answer(json!({"count": 249, "results": [package(101)]})), "fell"),
        (answer(json!({"count": 250, "results": packages(100)})), "repeats"),
        (answer(json!({"results": [package(101)]})), "no count"),
    ] {
        let all = packages(250);
        let stub = Stub::start(move |asked| match asked.parameter("start").as_deref() {
            Some("100") => fault.clone(),
            _ => page(asked, &all),
        })
        .await;
        let outcome = harvest(Dataeye, &stub, "/").await;
        assert!(outcome.incomplete().contains(word), "{word}: {:?}", outcome.listing);
        assert_eq!(outcome.records.len(), 100, "{word}");
    }
}

#[tokio::test]
async fn bad_and_private_records_are_told_apart() {
    let mut all = packages(5);
    all[0]["private"] = json!("true");
    all[1]["state"] = json!("deleted");
    all[2]["resources"] = json!("none");
    all[3]["id"] = json!(null);
    let stub = portal("/ckan_api/", all).await;
    let outcome = harvest(Dataeye, &stub, "/").await;
    assert_eq!(outcome.withdrawn, [("1".to_owned(), Withdrawal::Private), ("2".to_owned(), Withdrawal::Deleted)]);
    let failed: Vec<_> = outcome.failures.iter().map(|failure| (failure.remote_id.as_deref(), failure.position.as_str())).collect();
    assert_eq!(failed, [(Some("3"), "package_search #2"), (None, "package_search #3")]);
    assert_eq!(outcome.ids(), ["5"]);
    assert!(outcome.incomplete().contains("no id"));
}

#[tokio::test]
async fn what_only_moves_or_is_counted_changes_nothing() {
    let all = packages(3);
    let mut later = all.clone();
    for record in &mut later {
        record["view_count"] = json!(99);
        record["download_count"] = json!("12");
        record["resources"][0]["download_count"] = json!(5);
    }
    later.reverse();
    let hashes = |outcome: crate::stub::Outcome| {
        let mut hashes: Vec<_> = outcome.records.iter().map(|it| (it.remote_id.clone(), content_hash(&it.draft))).collect();
        hashes.sort();
        hashes
    };
    // On one server, because files without an address get one of this server.
    let asked_before = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(move |asked| {
        let first = asked_before.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        page(asked, if first { &all } else { &later })
    })
    .await;
    let first = hashes(harvest(Dataeye, &stub, "/").await);
    assert_eq!(first, hashes(harvest(Dataeye, &stub, "/").await));
    assert_eq!(first.len(), 3);
}

#[tokio::test]
async fn a_server_that_is_no_portal_has_failed() {
    for (answer, word) in [(html(), "HTML"), (status(404), "404"), (status(500), "500"), (crate::stub::json(&json!([])), "success")] {
        let stub = Stub::start(move |_| answer.clone()).await;
        assert!(harvest(Dataeye, &stub, "/").await.failed().contains(word), "{word}");
    }
}

#[tokio::test]
async fn what_ckan_is_forgiven_is_forgiven_here() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    // Behind the first page a record goes, and one is passed over; of the others, one lost characters and one has a list that lost an item.
    let asked_before = AtomicUsize::new(0);
    let stub = Stub::start(move |asked| {
        let mut all = packages(150);
        all[9]["title"] = json!("題?");
        all[10]["resources"] = json!({"1": {"id": 7, "name": "後"}, "0": {"id": 6, "name": "先"}});
        if asked_before.fetch_add(1, Ordering::SeqCst) > 0 {
            all.remove(3);
        }
        let answer = page(asked, &all);
        let body = String::from_utf8(answer.body).unwrap().replace("題?", "題\u{1}");
        let body: Vec<u8> = body.bytes().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
        ok("application/json", body)
    })
    .await;
    let outcome = harvest(Dataeye, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 150 });
    let lost: Vec<_> = outcome.records.iter().filter(|record| !record.notices.is_empty()).map(|it| it.draft.title.as_str()).collect();
    assert_eq!(lost, ["題\u{fffd}"]);
    let files = outcome.records[10].draft.distributions.as_deref().unwrap();
    assert_eq!(files.iter().map(|file| file.title.as_str()).collect::<Vec<_>>(), ["先", "後"]);
}
