use serde_json::{Value, json};

use crate::site::Site;

/// Path, key, body of a new one, field, its new value.
fn nouns() -> Vec<(&'static str, &'static str, Value, &'static str, Value)> {
    vec![
        ("organizations", "miyoshi-shi", json!({"slug": "miyoshi-shi", "name": "三次市"}), "name_en", json!("Miyoshi City")),
        ("themes", "disaster", json!({"id": "disaster", "title": "防災"}), "title_en", json!("Disaster prevention")),
        ("licences", "KURE-1", json!({"id": "KURE-1", "title": "呉市利用規約"}), "title_en", json!("Kure terms")),
        ("keywords", "水位", json!({"name": "水位"}), "name_en", json!("water level")),
        ("users", "newcomer", json!({"name": "newcomer"}), "display_name", json!("新人")),
    ]
}

fn encoded(key: &str) -> String {
    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[actix_web::test]
async fn a_blank_licence_is_none() {
    let site = Site::open();
    let draft = json!({"organization": "fuchu-cho", "title": "題", "licence": " ", "distributions": [{"title": "表", "licence": ""}, {"title": "図", "licence": "cc-by"}]});
    let dataset = site.ask("POST", "/api/v1/datasets").token(&site.admin).json(&draft).send().await.expect(201);
    let licences: Vec<&Value> = dataset["distributions"].as_array().unwrap().iter().map(|item| &item["licence"]).collect();
    assert_eq!((&dataset["licence"], licences), (&Value::Null, vec![&Value::Null, &json!("CC-BY-4.0")]));
}

#[actix_web::test]
async fn every_simple_noun_lives_through_its_life() {
    let site = Site::open();
    for (path, key, new, field, value) in nouns() {
        let list = format!("/api/v1/{path}");
        let one = format!("{list}/{}", encoded(key));
        let created = site.ask("POST", &list).token(&site.admin).json(&new).send().await;
        assert_eq!(created.header("etag"), "\"1\"", "{path}: {:#}", created.body);
        assert!(created.header("location").starts_with(&list), "{path}");
        let created = created.expect(201);

        let read = site.ask("GET", &one).token(&site.admin).send().await;
        assert_eq!(read.header("etag"), "\"1\"");
        assert_eq!(read.expect(200), created, "{path}");
        let again = site.ask("GET", &one).token(&site.admin).header("if-none-match", "\"1\"").send().await;
        assert_eq!(again.status, 304);

        let patched =
            site.ask("PATCH", &one).token(&site.admin).header("if-match", "\"1\"").json(&json!({field: value})).send().await.expect(200);
        assert_eq!((&patched[field], &patched["revision"]), (&value, &json!(2)), "{path}");

        // The whole answer may be sent back.
        let mut whole = patched.clone();
        whole[field] = Value::Null;
        let replaced = site.ask("PUT", &one).token(&site.admin).header("if-match", "\"2\"").json(&whole).send().await.expect(200);
        assert_eq!((&replaced[field], &replaced["revision"]), (&Value::Null, &json!(3)), "{path}");
        let same = site.ask("PUT", &one).token(&site.admin).any().json(&replaced).send().await.expect(200);
        assert_eq!(same["revision"], 3, "a save that changes nothing changes nothing");

        let archived = site.ask("DELETE", &one).token(&site.admin).send().await.expect(200);
        assert_eq!(archived["state"], "archived");
        let listed = |body: Value| body["items"].as_array().unwrap().iter().any(|item| item["id"] == created["id"]);
        assert!(!listed(site.ask("GET", &format!("{list}?limit=1000")).token(&site.admin).send().await.expect(200)), "{path}");
        assert!(listed(site.ask("GET", &format!("{list}?limit=1000&archived=true")).token(&site.admin).send().await.expect(200)), "{path}");
        assert_eq!(site.ask("GET", &one).token(&site.other).send().await.status, 404, "{path}");
        let restored = site.ask("POST", &format!("{one}/restore")).token(&site.admin).send().await.expect(200);
        assert_eq!(restored["state"], "active");

        let history = site.ask("GET", &format!("{one}/history")).token(&site.admin).send().await.expect(200);
        let actions: Vec<&str> = history["items"].as_array().unwrap().iter().map(|item| item["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["restore", "archive", "update", "update", "create"], "{path}");
        let second = site.ask("GET", &format!("{one}/history/2")).token(&site.admin).send().await.expect(200);
        assert_eq!(second["number"], 2);
        assert_eq!(site.ask("GET", &format!("{one}/history/99")).token(&site.admin).send().await.status, 404);
    }
}

#[actix_web::test]
async fn changes_say_what_they_are_based_on() {
    let site = Site::open();
    for (path, key, new, field, value) in nouns() {
        site.ask("POST", &format!("/api/v1/{path}")).token(&site.admin).json(&new).send().await.expect(201);
        let one = format!("/api/v1/{path}/{}", encoded(key));
        let patch = json!({field: value});
        site.ask("PATCH", &one).token(&site.admin).json(&patch).send().await.refuses(428, "");
        site.ask("PUT", &one).token(&site.admin).json(&new).send().await.refuses(428, "");
        for stale in ["\"7\"", "W/\"0\"", "\"nonsense\"", "\"7\", \"8\"", "\"99999999999999999999\""] {
            site.ask("PATCH", &one).token(&site.admin).header("if-match", stale).json(&patch).send().await.refuses(412, "");
        }
        site.ask("DELETE", &one).token(&site.admin).header("if-match", "\"7\"").send().await.refuses(412, "");
        for malformed in ["nonsense", ""] {
            site.ask("PATCH", &one).token(&site.admin).header("if-match", malformed).json(&patch).send().await.refuses(400, "If-Match");
        }
        site.ask("PATCH", &one).token(&site.admin).header("if-match", "\"7\", \"1\"").json(&patch).send().await.expect(200);
        site.ask("PATCH", &one).token(&site.admin).any().json(&patch).send().await.expect(200);
    }
}

#[actix_web::test]
async fn only_administrators_write_lists() {
    let site = Site::open();
    for (path, _, new, _, _) in nouns() {
        let list = format!("/api/v1/{path}");
        let public = site.ask("POST", &list).json(&new).send().await;
        public.refuses(401, "");
        assert_eq!(public.header("www-authenticate"), "Bearer");
        let expected = if path == "keywords" { 201 } else { 403 };
        assert_eq!(site.ask("POST", &list).token(&site.other).json(&new).send().await.status, expected, "{path}");
        site.ask("POST", &list).token("minato_wrong").json(&new).send().await.refuses(401, "");
    }
}

#[actix_web::test]
async fn users_are_not_shown_to_the_public_nor_their_mail_to_others() {
    let site = Site::open();
    site.get("/api/v1/users").await.refuses(401, "");
    site.get("/api/v1/users/editor").await.refuses(401, "");
    assert_eq!(site.ask("GET", "/api/v1/users/editor").token(&site.other).send().await.expect(200)["email"], Value::Null);
    assert_eq!(site.ask("GET", "/api/v1/users/editor").token(&site.editor).send().await.expect(200)["email"], "editor@example.jp");
}

#[actix_web::test]
async fn lists_are_read_page_by_page() {
    let site = Site::open();
    let mut seen = Vec::new();
    let mut path = "/api/v1/themes?limit=5".to_owned();
    loop {
        let page = site.get(&path).await.expect(200);
        assert_eq!(page["total"], 17);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/themes?limit=5&cursor={}", encoded(cursor));
    }
    assert_eq!(seen.len(), 17);
    assert!(seen.is_sorted());
    let found = site.get("/api/v1/organizations?q=%E5%91%89").await.expect(200);
    assert_eq!(found["total"], 1, "{found:#}");
    assert_eq!(site.get("/api/v1/organizations/342025").await.expect(200), found["items"][0], "by local government code");
}

#[actix_web::test]
async fn a_name_in_use_is_a_conflict() {
    let site = Site::open();
    let twice = json!({"slug": "kure-shi", "name": "呉市"});
    site.ask("POST", "/api/v1/organizations").token(&site.admin).json(&twice).send().await.refuses(409, "/slug");
    site.dataset("in-use", "使用中").await;
    site.ask("DELETE", "/api/v1/organizations/fuchu-cho").token(&site.admin).send().await.refuses(409, "");
}

#[actix_web::test]
async fn a_state_in_a_patch_is_refused_by_name() {
    let site = Site::open();
    let patch = json!({"state": "archived"});
    site.ask("PATCH", "/api/v1/organizations/kure-shi").token(&site.admin).any().json(&patch).send().await.refuses(422, "/state");
}
