use serde_json::{Value, json};

use crate::site::Site;

#[actix_web::test]
async fn a_token_lives_through_its_life() {
    let site = Site::open();
    let list = "/api/v1/users/editor/tokens";
    let draft = json!({"label": "夜間", "expires": "2999-03-31", "scope": {"read_only": true}});
    let new = site.ask("POST", list).token(&site.editor).json(&draft).send().await;
    assert_eq!(new.header("cache-control"), "no-store");
    let new = new.expect(201);
    let secret = new["secret"].as_str().unwrap();
    let one = format!("/api/v1/tokens/{}", new["token"]["id"].as_str().unwrap());
    let whoami = site.ask("GET", "/api/v1/whoami").token(secret).send().await.expect(200);
    assert_eq!((&whoami["name"], &whoami["read_only"]), (&json!("editor"), &json!(true)));
    assert_eq!(whoami["roles"][0]["organization"]["slug"], "fuchu-cho");
    let dataset = json!({"organization": "fuchu-cho", "title": "x", "state": "draft"});
    site.ask("POST", "/api/v1/datasets").token(secret).json(&dataset).send().await.refuses(403, "");

    let listed = site.ask("GET", list).token(&site.editor).send().await.expect(200);
    assert_eq!(listed["total"], 2);
    assert!(!listed.to_string().contains(secret), "a secret is shown once");
    let patched =
        site.ask("PATCH", &one).token(&site.editor).header("if-match", "\"1\"").json(&json!({"expires": null})).send().await.expect(200);
    assert_eq!((&patched["expires"], &patched["label"]), (&Value::Null, &json!("夜間")));
    let replaced = site.ask("PUT", &one).token(&site.editor).any().json(&patched).send().await.expect(200);
    assert_eq!(replaced, patched);
    site.ask("PATCH", &one).token(&site.editor).json(&json!({"label": "x"})).send().await.refuses(428, "");
    site.ask("PATCH", &one).token(&site.editor).any().json(&json!({"label": ""})).send().await.refuses(422, "/label");
    site.ask("PATCH", &one).token(&site.editor).any().json(&json!({"scope": {}})).send().await.refuses(422, "/scope");

    assert_eq!(site.ask("DELETE", &one).token(&site.editor).send().await.expect(200)["state"], "archived");
    site.ask("GET", "/api/v1/whoami").token(secret).send().await.refuses(401, "");
}

#[actix_web::test]
async fn tokens_are_their_users_own() {
    let site = Site::open();
    let list = "/api/v1/users/editor/tokens";
    site.get(list).await.refuses(401, "");
    site.ask("GET", list).token(&site.other).send().await.refuses(403, "");
    site.ask("POST", list).token(&site.other).json(&json!({"label": "x"})).send().await.refuses(403, "");
    let tokens = site.ask("GET", list).token(&site.admin).send().await.expect(200);
    let one = format!("/api/v1/tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
    site.ask("GET", &one).token(&site.other).send().await.refuses(404, "");
    site.ask("DELETE", &one).token(&site.other).send().await.refuses(404, "");
    for (body, field) in [
        (json!({"label": ""}), "/label"),
        (json!({"label": "x".repeat(201)}), "/label"),
        (json!({"label": "x", "expires": "2001-01-01"}), "/expires"),
        (json!({"label": "x", "expires": "soon"}), "/expires"),
        (json!({"label": "x", "scope": []}), "/scope"),
    ] {
        site.ask("POST", list).token(&site.editor).json(&body).send().await.refuses(422, field);
    }
    let trial = site.ask("POST", &format!("{list}?dry_run=true")).token(&site.editor).json(&json!({"label": "x"})).send().await.expect(201);
    assert_eq!(trial["secret"], "");
    assert_eq!(site.ask("GET", list).token(&site.editor).send().await.expect(200)["total"], 1);
}

#[actix_web::test]
async fn the_public_is_nobody() {
    let site = Site::open();
    let whoami = site.get("/api/v1/whoami").await.expect(200);
    assert_eq!((&whoami["authenticated"], &whoami["name"], &whoami["roles"]), (&json!(false), &Value::Null, &json!([])));
    let chief = site.ask("GET", "/api/v1/whoami").token(&site.admin).send().await.expect(200);
    assert_eq!(chief["admin"], true);
}
