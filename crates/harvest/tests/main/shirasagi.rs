use minato_catalog::HarvestKind::Shirasagi;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

fn uuid(n: usize) -> String {
    format!("29b8d70d-1070-4e91-ad38-{n:012}")
}

/// As `Opendata::Api::Converter` writes it.
fn package(n: usize) -> Value {
    json!({
        "type": "dataset", "site": {"id": 4, "name": "サンプル市", "url": "https://www.city.example.jp/", "updated": "2024-05-22T16:51:41.727+09:00"},
        "user": {"id": 1, "name": "担当者", "uid": "staff", "email": "staff@example.jp"}, "author": "企画課",
        "id": 100 + n, "uuid": uuid(n), "name": format!("データ{n}"), "filename": format!("dataset/{n}.html"),
        "url": format!("https://www.city.example.jp/dataset/{n}.html"), "text": "説明", "update_plan": "年１回", "state": "public",
        "released": "2022-04-01T00:00:00.764+09:00", "created": "2022-03-01T10:00:00.703+09:00", "updated": "2024-04-01T00:30:00.987+09:00",
        "categories": [{"id": 360, "name": "健康・福祉", "filename": "bunya/kenko", "state": "public", "updated": "2023-05-22T16:51:05.081+09:00"}],
        "estat_categories": [{"id": 7, "name": "社会保障・衛生"}], "areas": [{"id": 443, "name": "東区"}, {"id": 444, "name": "西区"}],
        "tags": ["タグ"], "point": 3, "downloaded": 41, "groups": [{"id": 9, "name": "サンプル市/企画部/企画課", "trailing_name": "企画課"}],
        "resources": [file(n)], "num_resources": 1,
    })
}

fn file(n: usize) -> Value {
    json!({"id": 167 + n, "uuid": format!("a3f340e2-fd2c-4b4c-b0d0-{n:012}"), "revision_id": "b815875b", "state": "public", "name": "一覧",
        "filename": "a.csv", "text": null, "license": {"id": 1, "name": "CC BY", "uid": "cc-by", "state": "public"}, "rdf_iri": null, "rdf_error": null,
        "created": "2022-03-01T10:00:00.960+09:00", "updated": "2024-03-31T23:59:00.971+09:00",
        "download_url": format!("https://www.city.example.jp/dataset/{n}/resource/1/a.csv"), "url": format!("https://www.city.example.jp/fs/1/6/{n}/_/a.csv"),
        "format": "CSV"})
}

fn packages(count: usize) -> Vec<Value> {
    (1..=count).map(package).collect()
}

/// The real one: without `q` it looks for a colon.
fn answer(asked: &Asked, action: &str, packages: &[Value]) -> Answer {
    let result = match action {
        "package_list" => json!(packages.iter().map(|package| package["uuid"].clone()).collect::<Vec<_>>()),
        "package_show" => match packages.iter().find(|package| package["uuid"] == json!(asked.parameter("id").unwrap())) {
            Some(package) => package.clone(),
            None => return crate::stub::json(&json!({"success": false, "error": {"message": "Not found", "type": "Not Found Error"}})),
        },
        "package_search" if asked.parameter("q").as_deref() != Some("") => json!({"count": 0, "results": []}),
        "package_search" => {
            let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
            let results: Vec<&Value> = packages.iter().skip(number("start")).take(number("rows")).collect();
            json!({"count": packages.len(), "results": results})
        }
        _ => return html(),
    };
    crate::stub::json(&json!({"help": "[api]", "success": true, "result": result}))
}

async fn site(place: &'static str, packages: Vec<Value>) -> Stub {
    Stub::start(move |asked| answer(asked, asked.path.strip_prefix(place).unwrap_or_default(), &packages)).await
}

fn counted(stub: &Stub, action: &str) -> usize {
    stub.asked().iter().filter(|asked| asked.path.ends_with(action)).count()
}

#[tokio::test]
async fn all_pages_are_read_wherever_the_api_is() {
    for (place, url) in [
        ("/api/", "/"),
        ("/api/1/", "/"),
        ("/opendata/api/", "/opendata/"),
        ("/opendata/api/", "/opendata/api/"),
        ("/opendata/api/1/", "/opendata/api/1/package_list"),
        ("/open/", "/open/package_search?q="),
    ] {
        let stub = site(place, packages(230)).await;
        let outcome = harvest(Shirasagi, &stub, url).await;
        assert_eq!(outcome.listing, Listing::Complete { total: 230 }, "{place}");
        assert_eq!((counted(&stub, "package_search"), counted(&stub, "package_show")), (4, 0), "{place}");
        assert_eq!(outcome.records[0].remote_id, uuid(1));
    }
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let mut record = package(1);
    record["resources"] = json!([
        file(1),
        {"id": 2, "uuid": "u2", "state": "closed", "name": "未公開", "url": "https://www.city.example.jp/fs/2.csv", "license": {"id": 1, "name": "CC BY", "uid": "cc-by"}},
        {"id": 3, "uuid": "u3", "state": "public", "name": "外部", "download_url": "https://www.city.example.jp/dataset/1/resource/3/source-url",
            "url": "https://data.example.jp/b.xlsx", "format": "XLSX", "license": {"id": 1, "name": "CC BY", "uid": "cc-by"}},
        {"id": 4, "uuid": "u4", "name": "リンク", "description": "外の頁", "format": "HTML", "license_id": 1, "originai_url": "https://data.example.jp/c.html",
            "last_modified": "2024-01-01T00:00:00+09:00", "crawl_state": "same", "crawl_update": "2024-05-01T00:00:00+09:00"},
    ]);
    let stub = site("/api/", vec![record]).await;
    let outcome = harvest(Shirasagi, &stub, "/").await;
    let record = &outcome.records[0];
    assert_eq!(record.remote_url.as_deref(), Some("https://www.city.example.jp/dataset/1.html"));
    let draft = &record.draft;
    assert_eq!((draft.slug.as_deref(), draft.title.as_str(), draft.description.as_str()), (None, "データ1", "説明"));
    assert_eq!((draft.creator.as_deref(), draft.accrual_periodicity.as_deref()), (Some("企画課"), Some("annual")));
    assert_eq!(
        (draft.keywords.as_slice(), draft.themes.as_slice()),
        (["タグ", "健康・福祉"].map(str::to_owned).as_slice(), ["gr_1500".to_owned()].as_slice())
    );
    assert_eq!(draft.issued.unwrap().to_string(), "2022-04-01");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01");
    assert_eq!(draft.spatial.as_ref().unwrap().label.as_deref(), Some("東区、西区"));
    assert_eq!(draft.licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(draft.extras.keys().collect::<Vec<_>>(), ["publisher_name"], "neither counts nor people");
    assert!(!format!("{draft:?}").contains("staff@example.jp"));
    let [file, outside, link] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(file.identifier.as_deref(), Some("a3f340e2-fd2c-4b4c-b0d0-000000000001"));
    assert_eq!(file.download_url.as_deref(), Some("https://www.city.example.jp/dataset/1/resource/1/a.csv"));
    assert_eq!(outside.download_url.as_deref(), Some("https://data.example.jp/b.xlsx"));
    assert_eq!((link.access_url.as_deref(), link.description.as_str()), (Some("https://data.example.jp/c.html"), "外の頁"));
    assert_eq!(link.licence, None, "its licence is the others', by number");
}

#[tokio::test]
async fn a_page_that_breaks_is_read_one_by_one() {
    for fault in [
        status(500),
        html(),
        ok("application/json", "{\"success\": tr"),
        Answer { claimed_length: Some(9999), ..ok("application/json", "{") },
    ] {
        let all = packages(130);
        let stub = Stub::start(move |asked| match (asked.path.as_str(), asked.parameter("start").as_deref(), asked.parameter("id")) {
            ("/api/package_search", Some("100"), _) => fault.clone(),
            ("/api/package_show", _, Some(id)) if id == uuid(120) => status(500),
            _ => answer(asked, asked.path.strip_prefix("/api/").unwrap_or_default(), &all),
        })
        .await;
        let outcome = harvest(Shirasagi, &stub, "/").await;
        assert_eq!(outcome.listing, Listing::Complete { total: 130 });
        assert_eq!((outcome.records.len(), outcome.failures[0].remote_id.clone()), (129, Some(uuid(120))));
    }
}

#[tokio::test]
async fn a_search_that_does_not_find_all_is_not_believed() {
    let all = packages(5);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/api/package_search" => crate::stub::json(&json!({"success": true, "result": {"count": 1, "results": [package(1)]}})),
        _ => answer(asked, asked.path.strip_prefix("/api/").unwrap_or_default(), &all),
    })
    .await;
    let outcome = harvest(Shirasagi, &stub, "/").await;
    assert_eq!((outcome.records.len(), outcome.listing), (5, Listing::Complete { total: 5 }));
    assert_eq!(counted(&stub, "package_show"), 5);
}

#[tokio::test]
async fn a_server_that_stops_answering_is_left_alone() {
    let all = packages(200);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/api/package_list" => answer(asked, "package_list", &all),
        "/api/package_show" if asked.parameter("id") == Some(uuid(1)) => answer(asked, "package_show", &all),
        _ => status(503),
    })
    .await;
    let outcome = harvest(Shirasagi, &stub, "/").await;
    assert!(outcome.incomplete().contains("503"));
    assert_eq!(outcome.records.len(), 1);
    assert!(counted(&stub, "package_show") < 50, "{}", counted(&stub, "package_show"));
}

#[tokio::test]
async fn a_server_that_asks_for_fewer_requests_gets_none() {
    let all = packages(30);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/api/package_list" => answer(asked, "package_list", &all),
        _ => Answer { headers: vec![("Retry-After", "3600".to_owned())], ..status(429) },
    })
    .await;
    assert!(harvest(Shirasagi, &stub, "/").await.failed().contains("429"));
    assert_eq!(counted(&stub, "package_show"), 1);
}

#[tokio::test]
async fn a_record_that_is_listed_twice_or_missing_is_seen() {
    let all = packages(3);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/api/package_list" => crate::stub::json(&json!({"success": true, "result": [uuid(1), uuid(2), uuid(2), uuid(9)]})),
        _ => answer(asked, asked.path.strip_prefix("/api/").unwrap_or_default(), &all),
    })
    .await;
    let outcome = harvest(Shirasagi, &stub, "/").await;
    // The search has as many records as the list, and another one.
    assert!(outcome.incomplete().contains("3 records, but 4"), "{:?}", outcome.listing);
    assert_eq!(outcome.failures[0].remote_id, Some(uuid(9)));
    assert!(outcome.failures[0].cause.en.contains("Not found"));
}

#[tokio::test]
async fn without_a_list_the_search_alone_is_read() {
    let all = packages(120);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/api/package_search" => answer(asked, "package_search", &all),
        _ => status(404),
    })
    .await;
    assert_eq!(harvest(Shirasagi, &stub, "/").await.listing, Listing::Complete { total: 120 });
    for (fault, word) in [(status(500), "500"), (html(), "HTML"), (status(404), "404")] {
        let stub = Stub::start(move |_| fault.clone()).await;
        assert!(harvest(Shirasagi, &stub, "/").await.failed().contains(word), "{word}");
    }
}

#[tokio::test]
async fn closed_and_bad_records_are_told_apart() {
    let mut all = packages(4);
    all[0]["state"] = json!("closed");
    all[1]["name"] = json!(null);
    all[2]["resources"] = json!({"a": 1});
    let stub = site("/api/", all).await;
    let outcome = harvest(Shirasagi, &stub, "/").await;
    assert_eq!(outcome.withdrawn, [(uuid(1), Withdrawal::Private)]);
    assert_eq!(outcome.failures.iter().map(|it| it.remote_id.clone()).collect::<Vec<_>>(), [Some(uuid(2)), Some(uuid(3))]);
    assert!(outcome.failures[0].cause.en.contains("title") && outcome.failures[1].cause.en.contains("resources"));
    assert_eq!(outcome.listing, Listing::Complete { total: 4 });
}

#[tokio::test]
async fn a_section_can_be_picked() {
    let mut all = packages(3);
    all[0]["groups"] = json!([{"id": 1, "name": "サンプル市/消防局", "trailing_name": "消防局"}, {"id": 9, "name": "サンプル市/企画部/企画課", "trailing_name": "企画課"}]);
    all[1]["groups"] = json!([{"id": 1, "name": "サンプル市/消防局", "trailing_name": "消防局"}]);
    let stub = site("/api/", all).await;
    let mut only = source(Shirasagi, &stub.url("/"));
    only.remote_organization = Some("企画課".into());
    let outcome = harvest_with(&only, stub.settings()).await;
    assert_eq!((outcome.ids(), &outcome.listing), (vec![uuid(1).as_str(), uuid(3).as_str()], &Listing::Complete { total: 2 }));
    assert_eq!(counted(&stub, "package_show"), 0, "those of others are not asked for again");
}

#[tokio::test]
async fn what_is_counted_or_crawled_changes_nothing() {
    let hashes = |packages: Vec<Value>| async {
        let stub = site("/api/", packages).await;
        let mut hashes: Vec<_> =
            harvest(Shirasagi, &stub, "/").await.records.iter().map(|it| (it.remote_id.clone(), content_hash(&it.draft))).collect();
        hashes.sort();
        hashes
    };
    let mut later = packages(3);
    for record in &mut later {
        record["point"] = json!(77);
        record["downloaded"] = json!(1000);
        record["site"]["updated"] = json!("2025-01-01T00:00:00+09:00");
        record["categories"][0]["updated"] = json!("2025-01-01T00:00:00+09:00");
        record["resources"][0]["id"] = json!(9999);
    }
    later.reverse();
    let first = hashes(packages(3)).await;
    assert_eq!(first, hashes(later.clone()).await);
    later[0]["text"] = json!("新しい説明");
    assert_ne!(first, hashes(later).await);
}
