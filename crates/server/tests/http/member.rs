use serde_json::json;

use crate::site::Site;

const MEMBERS: &str = "/api/v1/organizations/fuchu-cho/members";

#[actix_web::test]
async fn a_membership_lives_through_its_life() {
    let site = Site::open();
    let path = format!("{MEMBERS}/other");
    let created = site.ask("PUT", &path).token(&site.admin).json(&json!({"role": "viewer"})).send().await.expect(201);
    let one = format!("/api/v1/memberships/{}", created["id"].as_str().unwrap());
    assert_eq!(site.ask("PUT", &path).token(&site.admin).json(&json!({"role": "viewer"})).send().await.expect(200), created);
    let members = site.ask("GET", MEMBERS).token(&site.editor).send().await.expect(200);
    assert_eq!(members["total"], 3);
    assert!(members["items"].as_array().unwrap().iter().any(|member| member["user"]["name"] == "other" && member["role"] == "viewer"));

    assert_eq!(site.ask("GET", &one).token(&site.other).send().await.expect(200), created);
    site.ask("PATCH", &one).token(&site.admin).json(&json!({"role": "editor"})).send().await.refuses(428, "");
    let patched = site.ask("PATCH", &one).token(&site.admin).header("if-match", "\"1\"").json(&json!({"role": "editor"})).send().await;
    assert_eq!(patched.header("etag"), "\"2\"");
    let replaced = site.ask("PUT", &one).token(&site.admin).any().json(&patched.expect(200)).send().await.expect(200);
    assert_eq!(replaced["revision"], 2, "an answer may be sent back");
    site.ask("PUT", &one).token(&site.admin).header("if-match", "\"1\"").json(&json!({"role": "editor"})).send().await.refuses(412, "");

    assert_eq!(site.ask("DELETE", &one).token(&site.admin).send().await.expect(200)["state"], "archived");
    assert_eq!(site.ask("GET", MEMBERS).token(&site.editor).send().await.expect(200)["total"], 2);
    assert_eq!(site.ask("POST", &format!("{one}/restore")).token(&site.admin).send().await.expect(200)["role"], "editor");
    site.ask("DELETE", &path).token(&site.admin).send().await.expect(200);
    site.ask("DELETE", &path).token(&site.admin).send().await.refuses(404, "");
}

#[actix_web::test]
async fn members_are_for_members_and_set_by_administrators() {
    let site = Site::open();
    site.get(MEMBERS).await.refuses(401, "");
    site.ask("GET", MEMBERS).token(&site.other).send().await.refuses(403, "");
    let role = json!({"role": "editor"});
    site.ask("PUT", &format!("{MEMBERS}/other")).token(&site.publisher).json(&role).send().await.refuses(403, "");
    site.ask("PUT", &format!("{MEMBERS}/nobody")).token(&site.admin).json(&role).send().await.refuses(404, "");
    site.ask("PUT", &format!("{MEMBERS}/other")).token(&site.admin).json(&json!({"role": "king"})).send().await.refuses(422, "/role");
    site.ask("PUT", &format!("{MEMBERS}/other")).token(&site.admin).json(&json!({})).send().await.refuses(422, "");
    let trial = site.ask("PUT", &format!("{MEMBERS}/other?dry_run=true")).token(&site.admin).json(&role).send().await;
    assert_eq!(trial.status, 201);
    assert_eq!(site.ask("GET", MEMBERS).token(&site.editor).send().await.expect(200)["total"], 2);
}
