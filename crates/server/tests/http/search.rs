use serde_json::json;

use crate::site::Site;

#[actix_web::test]
async fn what_was_written_is_found_with_its_facets() {
    let site = Site::open();
    site.dataset("shelters", "指定緊急避難場所一覧").await;
    site.dataset("aed", "AED設置箇所一覧").await;
    let found = site
        .get("/api/v1/search?q=%E9%81%BF%E9%9B%A3%E5%A0%B4%E6%89%80&facets=organization,theme&facets=licence&highlight=true")
        .await
        .expect(200);
    assert_eq!(found["total"], 1, "{found:#}");
    let hit = &found["items"][0];
    assert_eq!((&hit["slug"], &hit["organization"]["name"]), (&json!("shelters"), &json!("府中町")));
    assert!(hit["title_highlighted"].as_array().unwrap().iter().any(|piece| piece["marked"] == true));
    assert_eq!(found["facets"]["organization"][0], json!({"value": "fuchu-cho", "title": {"ja": "府中町", "en": "府中町"}, "count": 1}));
    assert_eq!(found["facets"]["theme"][0]["title"]["ja"], "司法・安全・環境");
    assert!(found["facets"]["licence"].is_array());

    for (query, total) in [
        ("", 2),
        ("?organization=kure-shi", 0),
        ("?organization=kure-shi,fuchu-cho", 2),
        ("?organization=kure-shi&organization=fuchu-cho", 2),
        ("?standard_dataset=aed", 1),
        ("?theme=gr_1400&licence=CC-BY-4.0&keyword=%E9%98%B2%E7%81%BD", 2),
        ("?modified_to=2001-01-01", 0),
        ("?limit=0", 2),
        ("?sort=-modified&limit=1", 2),
        ("?bbox=132,34,133,35", 0),
    ] {
        assert_eq!(site.get(&format!("/api/v1/search{query}")).await.expect(200)["total"], total, "{query}");
    }
    let page = site.get("/api/v1/search?sort=slug&limit=1").await.expect(200);
    assert_eq!(page["items"][0]["slug"], "aed");
    let next = site.get(&format!("/api/v1/search?sort=slug&limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!(next["items"][0]["slug"], "shelters");
}

#[actix_web::test]
async fn drafts_are_found_by_members_only() {
    let site = Site::open();
    let draft = json!({"organization": "fuchu-cho", "title": "秘密の下書き", "state": "draft"});
    site.ask("POST", "/api/v1/datasets").token(&site.editor).json(&draft).send().await.expect(201);
    assert_eq!(site.get("/api/v1/search").await.expect(200)["total"], 0);
    assert_eq!(site.ask("GET", "/api/v1/search").token(&site.other).send().await.expect(200)["total"], 0);
    assert_eq!(site.ask("GET", "/api/v1/search").token(&site.editor).send().await.expect(200)["total"], 1);
    assert_eq!(site.get("/api/v1/search").await.expect(200)["total"], 0, "a member's answer is not kept for the public");
}

#[actix_web::test]
async fn suggestions_and_lists_are_there() {
    let site = Site::open();
    site.dataset("shelters", "指定緊急避難場所一覧").await;
    let suggestions = site.get("/api/v1/suggest?q=%E6%8C%87%E5%AE%9A").await.expect(200);
    assert!(suggestions["items"].is_array());
    assert_eq!(site.get("/api/v1/suggest").await.status, 200);
    assert!(site.get("/api/v1/frequencies").await.expect(200)["total"].as_i64().unwrap() > 20);
    assert!(site.get("/api/v1/standard-datasets").await.expect(200)["total"].as_i64().unwrap() > 25);
    assert_eq!(site.get("/api/v1/formats").await.expect(200)["total"], 0);
}
