use serde_json::json;

use crate::site::Site;

const SOURCES: &str = "/api/v1/harvest-sources";

fn draft() -> serde_json::Value {
    json!({"slug": "fuchu-list", "title": "府中町一覧", "kind": "open_data_list", "url": "https://example.jp/list.csv", "organization": "fuchu-cho"})
}

#[actix_web::test]
async fn a_source_lives_through_its_life() {
    let site = Site::open();
    let created = site.ask("POST", SOURCES).token(&site.admin).json(&draft()).send().await.expect(201);
    let one = format!("{SOURCES}/fuchu-list");
    assert_eq!(site.get(&one).await.expect(200), created);
    site.ask("PATCH", &one).token(&site.admin).json(&json!({"grace_days": 3})).send().await.refuses(428, "");
    let patched =
        site.ask("PATCH", &one).token(&site.admin).header("if-match", "\"1\"").json(&json!({"grace_days": 3})).send().await.expect(200);
    assert_eq!((&patched["grace_days"], &patched["revision"]), (&json!(3), &json!(2)));
    let same = site.ask("PUT", &one).token(&site.admin).any().json(&patched).send().await.expect(200);
    assert_eq!(same["revision"], 2);
    site.ask("PATCH", &one).token(&site.admin).any().json(&json!({"grace_days": -1})).send().await.refuses(422, "/grace_days");
    site.ask("PATCH", &one).token(&site.admin).any().json(&json!({"kind": "fax"})).send().await.refuses(422, "/kind");
    site.ask("DELETE", &one).token(&site.admin).send().await.expect(200);
    assert_eq!(site.get(SOURCES).await.expect(200)["total"], 0);
    site.ask("POST", &format!("{one}/runs")).token(&site.admin).send().await.refuses(409, "");
    site.ask("POST", &format!("{one}/restore")).token(&site.admin).send().await.expect(200);
    assert_eq!(site.get(SOURCES).await.expect(200)["total"], 1);
}

#[actix_web::test]
async fn credentials_in_an_address_are_refused_and_never_shown() {
    let site = Site::open();
    for url in ["http://user:pass@example.jp/", "https://user@example.jp/list.csv", "https://:pass@example.jp/"] {
        let mut wrong = draft();
        wrong["url"] = json!(url);
        site.ask("POST", SOURCES).token(&site.admin).json(&wrong).send().await.refuses(422, "/url");
    }
    let mut other = draft();
    other["url"] = json!("ftp://example.jp/list.csv");
    site.ask("POST", SOURCES).token(&site.admin).json(&other).send().await.refuses(422, "/url");
    // One from before that.
    let old = serde_json::from_value(draft()).unwrap();
    let app = &site.state.app;
    let mut source = app.create_source(&minato_app::Context::system("test"), old).unwrap().value;
    source.draft.url = "https://user:pass@example.jp/list.csv".into();
    source.revision = 2;
    app.store()
        .write::<_, minato_app::Error>(|conn| {
            Ok(minato_app::store::harvest::save(conn, &source, Some(1), minato_app::catalog::Action::Update, "test")?)
        })
        .unwrap();
    let one = format!("{SOURCES}/fuchu-list");
    let read = site.get(&one).await.expect(200);
    assert_eq!(read["url"], "https://example.jp/list.csv");
    for path in [SOURCES, "/harvest"] {
        assert!(!site.get(path).await.text.contains("pass@"), "{path}");
    }
    let patched = site.ask("PATCH", &one).token(&site.admin).any().json(&json!({"grace_days": 3})).send().await.expect(200);
    assert_eq!((&patched["url"], &patched["grace_days"]), (&read["url"], &json!(3)));
    let kept = app.store().read(|conn| minato_app::store::harvest::find_by_key(conn, "fuchu-list")).unwrap().unwrap();
    assert_eq!(kept.draft.url, source.draft.url, "the source goes on being read");
}

#[actix_web::test]
async fn a_run_is_queued_once_and_can_be_watched() {
    let site = Site::open();
    site.ask("POST", SOURCES).token(&site.admin).json(&draft()).send().await.expect(201);
    let runs = format!("{SOURCES}/fuchu-list/runs");
    site.ask("POST", &runs).send().await.refuses(401, "");
    site.ask("POST", &runs).token(&site.other).send().await.refuses(403, "");
    let trial = site.ask("POST", &format!("{runs}?dry_run=true")).token(&site.editor).send().await.expect(202);
    assert_eq!(trial["status"], "queued");
    assert_eq!(site.get(&runs).await.expect(200)["total"], 0);
    let queued = site.ask("POST", &runs).token(&site.editor).send().await;
    let at = queued.header("location").to_owned();
    let run = queued.expect(202);
    let again = site.ask("POST", &runs).token(&site.editor).send().await.expect(202);
    assert_eq!(again["id"], run["id"]);
    assert_eq!(site.get(&at).await.expect(200)["status"], "queued");
    site.get(&format!("{at}/records")).await.refuses(401, "");
    let records = site.ask("GET", &format!("{at}/records?outcome=failed&after=x&limit=5")).token(&site.editor).send().await.expect(200);
    assert_eq!(records["items"], json!([]));
    site.ask("GET", &format!("{at}/records?outcome=lost")).token(&site.editor).send().await.refuses(400, "/outcome");
    assert_eq!(site.get("/api/v1/harvest-runs/none").await.status, 404);
}
