use minato_catalog::HarvestKind::Udata;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

const ORGANIZATION: &str = "534fff75a3a7292c64a77de4";

fn dataset(n: usize) -> Value {
    json!({
        "id": format!("{n:024x}"), "title": format!("データ{n}"), "slug": format!("data-{n}"), "description": "# 説明\n\n本文", "private": false,
        "deleted": null, "archived": null, "tags": ["bousai"], "license": "notspecified", "frequency": "unknown",
        "created_at": "2022-03-31T16:00:00.123000", "last_modified": "2024-03-31T16:00:00.000000+00:00", "last_update": "2024-04-01T00:00:00+00:00",
        "page": format!("https://data.example.jp/datasets/data-{n}/"), "organization": {"id": ORGANIZATION, "name": "呉市", "slug": "kure"},
        "metrics": {"views": 100, "followers": 3}, "quality": {"score": 0.7}, "spatial": null, "temporal_coverage": null, "owner": null,
        "resources": [{"id": format!("r-{n}"), "title": "一覧", "type": "main", "format": "csv", "url": format!("https://example.jp/{n}.csv"), "filesize": 120,
            "mime": "text/csv", "checksum": {"type": "sha1", "value": "abc"}, "last_modified": "2024-03-31T16:00:00+00:00", "metrics": {"views": 9}, "extras": {"check:status": 200}}],
        "extras": {"harvest:last_update": "2025-01-01", "独自": "値"}, "internal": {"last_modified_internal": "2025-01-01T00:00:00+00:00"},
    })
}

fn datasets(count: usize) -> Vec<Value> {
    (1..=count).map(dataset).collect()
}

fn page(asked: &Asked, all: &[Value]) -> Answer {
    let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
    let (page, size) = (number("page"), number("page_size"));
    let data: Vec<&Value> = all.iter().skip((page - 1) * size).take(size).collect();
    let next = (page * size < all.len()).then(|| format!("https://data.example.jp/api/1/datasets/?page={}&page_size={size}", page + 1));
    crate::stub::json(&json!({"data": data, "page": page, "page_size": size, "total": all.len(), "next_page": next, "previous_page": null}))
}

async fn portal(all: Vec<Value>) -> Stub {
    Stub::start(move |asked| if asked.path == "/api/1/datasets/" { page(asked, &all) } else { status(404) }).await
}

#[tokio::test]
async fn all_pages_are_read() {
    let stub = portal(datasets(250)).await;
    let outcome = harvest(Udata, &stub, "/api/1/").await;
    assert_eq!((outcome.records.len(), outcome.listing), (250, Listing::Complete { total: 250 }));
    assert_eq!(stub.asked().len(), 3);
    assert!(stub.asked().iter().all(|asked| asked.parameter("sort").as_deref() == Some("created")));
    assert_eq!(harvest(Udata, &portal(vec![]).await, "/").await.listing, Listing::Complete { total: 0 });
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let mut record = dataset(1);
    for (key, value) in [
        ("license", json!("cc-by")),
        ("frequency", json!("threeTimesAYear")),
        ("temporal_coverage", json!({"start": "2020-04-01T00:00:00+00:00", "end": "2021-03-31T00:00:00+00:00"})),
        (
            "spatial",
            json!({"zones": ["country:jp", {"id": "jp:34", "name": "広島県"}], "geom": {"type": "MultiPolygon", "coordinates": [[[[132.0, 34.0], [133.0, 35.0]]]]}}),
        ),
        (
            "contact_points",
            json!([{"name": "作成者", "role": "creator"}, {"name": "情報課", "email": "joho@example.jp", "contact_form": null, "role": "contact"}]),
        ),
        ("access_type", json!("restricted")),
        ("schema", json!({"name": "example/schema", "url": null})),
    ] {
        record[key] = value;
    }
    record["resources"].as_array_mut().unwrap().extend([
        json!({"id": "r2", "title": "API", "type": "api", "format": "json", "url": "https://example.jp/api", "filesize": "2048"}),
        json!({"id": "r3", "title": "解説", "type": "documentation", "format": "pdf", "url": "javascript:alert(1)", "checksum": null}),
        json!("none"),
    ]);
    let stub = portal(vec![record]).await;
    let outcome = harvest(Udata, &stub, "/").await;
    let record = &outcome.records[0];
    assert_eq!(
        (record.remote_id.as_str(), record.remote_url.as_deref()),
        ("000000000000000000000001", Some("https://data.example.jp/datasets/data-1/"))
    );
    let draft = &record.draft;
    assert_eq!((draft.licence.as_deref(), draft.accrual_periodicity.as_deref()), (Some("CC-BY-4.0"), Some("triannual")));
    assert_eq!(draft.description, "# 説明\n\n本文");
    assert_eq!(draft.issued.unwrap().to_string(), "2022-04-01", "times without a zone are UTC");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01");
    assert_eq!(draft.temporal.as_ref().unwrap().start.unwrap().to_string(), "2020-04-01");
    let spatial = draft.spatial.as_ref().unwrap();
    assert_eq!((spatial.label.as_deref(), spatial.bbox), (Some("country:jp、広島県"), Some([132.0, 34.0, 133.0, 35.0])));
    assert_eq!(draft.contact_point.as_ref().unwrap().email.as_deref(), Some("joho@example.jp"));
    assert_eq!(draft.conforms_to, ["example/schema"]);
    let extras: Vec<_> = draft.extras.keys().map(String::as_str).collect();
    assert_eq!(extras, ["access_type", "publisher_name", "独自"]);
    let [file, api, odd] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(
        (file.download_url.as_deref(), file.byte_size, file.extras["hash"].as_str()),
        (Some("https://example.jp/1.csv"), Some(120), "sha1:abc")
    );
    assert_eq!((api.access_url.as_deref(), api.download_url.as_deref(), api.byte_size), (Some("https://example.jp/api"), None, Some(2048)));
    assert_eq!(odd.extras["url"], "javascript:alert(1)");
    assert!(record.notices.iter().any(|notice| notice.en.contains("1 resources")), "{:?}", record.notices);
}

#[tokio::test]
async fn one_organization_can_be_asked_for_by_any_name() {
    for name in [ORGANIZATION, "kure"] {
        let stub = Stub::start(move |asked| match asked.path.as_str() {
            "/api/1/organizations/kure/" => crate::stub::json(&json!({"id": ORGANIZATION, "name": "呉市"})),
            "/api/1/datasets/" if asked.parameter("organization").as_deref() == Some(ORGANIZATION) => page(asked, &datasets(2)),
            _ => status(400),
        })
        .await;
        let mut only = source(Udata, &stub.url("/"));
        only.remote_organization = Some(name.into());
        assert_eq!(harvest_with(&only, stub.settings()).await.listing, Listing::Complete { total: 2 }, "{name}");
    }
    let stub = portal(datasets(2)).await;
    let mut only = source(Udata, &stub.url("/"));
    only.remote_organization = Some("ない市".into());
    assert!(harvest_with(&only, stub.settings()).await.failed().contains("404"));
}

#[tokio::test]
async fn bad_private_and_gone_records_are_told_apart() {
    let mut all = datasets(7);
    all[0]["private"] = json!(true);
    all[1]["deleted"] = json!("2024-01-01T00:00:00");
    all[2]["archived"] = json!("2024-01-01T00:00:00");
    all[3]["title"] = json!(null);
    all[4]["resources"] = json!(7);
    all[5]["id"] = json!(null);
    let id = |n: usize| format!("{n:024x}");
    let stub = portal(all).await;
    let outcome = harvest(Udata, &stub, "/").await;
    assert_eq!(outcome.withdrawn, [(id(1), Withdrawal::Private), (id(2), Withdrawal::Deleted), (id(3), Withdrawal::Deleted)]);
    let failed: Vec<_> = outcome.failures.iter().map(|it| (it.remote_id.clone(), it.position.as_str())).collect();
    assert_eq!(failed, [(Some(id(4)), "datasets #4"), (Some(id(5)), "datasets #5"), (None, "datasets #6")]);
    assert_eq!(outcome.ids(), [id(7)]);
    outcome.incomplete();
}

#[tokio::test]
async fn a_fault_between_pages_is_no_end() {
    let second =
        |data: Vec<Value>, total: usize, next: Option<&str>| crate::stub::json(&json!({"data": data, "total": total, "next_page": next}));
    for (fault, word) in [
        (status(500), "500"),
        (status(404), "404"),
        (html(), "HTML"),
        (ok("application/json", r#"{"data": [{"id""#), "not whole JSON"),
        (crate::stub::json(&json!({"message": "boom"})), "no data"),
        (second(vec![], 250, Some("x")), "empty"),
        (second(datasets(100), 250, Some("x")), "repeats"),
        (second(vec![dataset(101)], 249, Some("x")), "fell"),
        (second(vec![dataset(101)], 250, None), "250 records, but 101"),
    ] {
        let all = datasets(250);
        let stub =
            Stub::start(move |asked| if asked.parameter("page").as_deref() == Some("2") { fault.clone() } else { page(asked, &all) }).await;
        let outcome = harvest(Udata, &stub, "/").await;
        assert!(outcome.incomplete().contains(word), "{word}: {:?}", outcome.listing);
        assert!((100..=101).contains(&outcome.records.len()), "{word}");
    }
}

#[tokio::test]
async fn endless_paging_ends() {
    let stub = Stub::start(|asked| {
        let page: usize = asked.parameter("page").unwrap().parse().unwrap();
        crate::stub::json(&json!({"data": [dataset(page)], "total": page + 1000, "next_page": "https://data.example.jp/next"}))
    })
    .await;
    assert!(harvest(Udata, &stub, "/").await.incomplete().contains("50 pages"));
    let stub = Stub::start(|_| crate::stub::json(&json!({"data": [dataset(1)], "next_page": null}))).await;
    assert!(harvest(Udata, &stub, "/").await.incomplete().contains("no total"));
}

#[tokio::test]
async fn what_is_counted_changes_nothing_and_silence_takes_the_default() {
    let run = |all: Vec<Value>| async {
        let stub = portal(all).await;
        let mut with_default = source(Udata, &stub.url("/"));
        with_default.default_licence = Some("CC-BY-2.1-JP".into());
        let outcome = harvest_with(&with_default, stub.settings()).await;
        let mut hashes: Vec<_> = outcome.records.iter().map(|it| (it.remote_id.clone(), content_hash(&it.draft))).collect();
        hashes.sort();
        (hashes, outcome.records[0].draft.licence.clone())
    };
    let mut later = datasets(3);
    for record in &mut later {
        record["metrics"] = json!({"views": 9999});
        record["quality"]["score"] = json!(0.1);
        record["internal"]["last_modified_internal"] = json!("2026-01-01T00:00:00+00:00");
        record["extras"]["harvest:last_update"] = json!("2026-01-01");
        record["resources"][0]["extras"]["check:status"] = json!(404);
    }
    later.reverse();
    let (first, licence) = run(datasets(3)).await;
    assert_eq!(licence.as_deref(), Some("CC-BY-2.1-JP"), "`notspecified` is silence");
    assert_eq!(first, run(later.clone()).await.0);
    later[1]["title"] = json!("新しい題");
    assert_ne!(first, run(later).await.0);
}
