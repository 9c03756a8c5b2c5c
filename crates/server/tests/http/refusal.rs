use serde_json::{Value, json};

use crate::site::Site;

#[actix_web::test]
async fn bad_bodies_are_refused_by_field() {
    let site = Site::open();
    site.dataset("there", "ある").await;
    let ask = |method: &str, path: &str| site.ask(method, path).token(&site.admin).any();
    let dataset = |more: Value| {
        let mut draft = json!({"organization": "fuchu-cho", "title": "題"});
        draft.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        draft
    };
    let long = "あ".repeat(501);
    for (path, body, status, field) in [
        ("datasets", json!([]), 422, ""),
        ("datasets", json!("text"), 422, ""),
        ("datasets", json!(null), 422, ""),
        ("datasets", json!({}), 422, "/organization"),
        ("datasets", json!({"organization": "fuchu-cho"}), 422, "/title"),
        ("datasets", json!({"organization": "nowhere", "title": "題"}), 422, "/organization"),
        ("datasets", json!({"organization": 5, "title": "題"}), 422, "/organization"),
        ("datasets", dataset(json!({"title": 5})), 422, "/title"),
        ("datasets", dataset(json!({"title": "\u{0}"})), 422, "/title"),
        ("datasets", dataset(json!({"title": long})), 422, "/title"),
        ("datasets", dataset(json!({"title_en": long})), 422, "/title_en"),
        ("datasets", dataset(json!({"creator": "\u{7}"})), 422, "/creator"),
        ("datasets", dataset(json!({"landing_page": "https://user:pass@example.jp/"})), 422, "/landing_page"),
        ("datasets", dataset(json!({"distributions": [{"format": "\u{7}"}]})), 422, "/distributions/0/format"),
        ("datasets", dataset(json!({"extras": {"a": "\u{0}"}})), 422, "/extras/a"),
        ("datasets", dataset(json!({"slug": "No Slug!"})), 422, "/slug"),
        ("datasets", dataset(json!({"licence": "無料"})), 422, "/licence"),
        ("datasets", dataset(json!({"themes": ["無"]})), 422, "/themes/0"),
        ("datasets", dataset(json!({"keywords": "防災"})), 422, "/keywords"),
        ("datasets", dataset(json!({"keywords": [""]})), 422, "/keywords/0"),
        ("datasets", dataset(json!({"state": "archived"})), 422, "/state"),
        ("datasets", dataset(json!({"state": "gone"})), 422, "/state"),
        ("datasets", dataset(json!({"landing_page": "javascript:alert(1)"})), 422, "/landing_page"),
        ("datasets", dataset(json!({"issued": "いつか"})), 422, "/issued"),
        ("datasets", dataset(json!({"accrual_periodicity": "たまに"})), 422, "/accrual_periodicity"),
        ("datasets", dataset(json!({"spatial": {"bbox": [1, 2, 3]}})), 422, "/spatial/bbox"),
        ("datasets", dataset(json!({"spatial": {"bbox": [190, 2, 3, 4]}})), 422, "/spatial/bbox"),
        ("datasets", dataset(json!({"contact_point": ["x"]})), 422, "/contact_point"),
        ("datasets", dataset(json!({"distributions": [[]]})), 422, "/distributions/0"),
        ("datasets", dataset(json!({"distributions": [{"download_url": "x"}]})), 422, "/distributions/0/download_url"),
        ("datasets", dataset(json!({"distributions": [{"byte_size": -1}]})), 422, "/distributions/0/byte_size"),
        ("datasets", dataset(json!({"distributions": [{"byte_size": 1e300}]})), 422, "/distributions/0/byte_size"),
        ("datasets", dataset(json!({"distributions": [{"nonsense": 1}]})), 422, "/distributions/0/nonsense"),
        ("datasets", dataset(json!({"slug": "there"})), 409, "/slug"),
        ("datasets/there/distributions", json!({"licence": 1}), 422, "/licence"),
        ("datasets/there/distributions", json!({"id": "x"}), 422, "/id"),
        ("organizations", json!({"slug": "x-y", "name": "名", "code": "123456"}), 422, "/code"),
        ("organizations", json!({"slug": "x-y", "name": ""}), 422, "/name"),
        ("organizations", json!({"slug": "x-y", "name": "名", "kind": "kingdom"}), 422, "/kind"),
        ("organizations", json!({"slug": "x-y", "name": "名", "name_en": long}), 422, "/name_en"),
        ("organizations", json!({"slug": "x-y", "name": "名", "homepage": "https://u:p@example.jp/"}), 422, "/homepage"),
        ("themes", json!({"id": "x", "title": "題", "title_en": long}), 422, "/title_en"),
        ("themes", json!({"id": "x", "title": "題", "description": "\u{7}"}), 422, "/description"),
        ("themes", json!({"id": "x", "title": "題", "exact_match": ["\u{7}"]}), 422, "/exact_match/0"),
        ("licences", json!({"id": "A", "title": "題", "title_en": long}), 422, "/title_en"),
        ("licences", json!({"id": "A", "title": "題", "ckan_id": "  "}), 422, "/ckan_id"),
        ("licences", json!({"id": "A", "title": "題", "aliases": ["a", ""]}), 422, "/aliases/1"),
        ("keywords", json!({"name": "x", "name_en": long}), 422, "/name_en"),
        ("keywords", json!({"name": "x", "description": "\u{7}"}), 422, "/description"),
        ("themes", json!({"title": "題"}), 422, "/id"),
        ("themes", json!({"id": "a b", "title": "題"}), 422, "/id"),
        ("themes", json!({"id": "..", "title": "題"}), 422, "/id"),
        ("licences", json!({"id": ".", "title": "題"}), 422, "/id"),
        ("licences", json!({"id": "A", "title": "題", "url": "x"}), 422, "/url"),
        ("keywords", json!({"name": " "}), 422, "/name"),
        ("users", json!({"name": "user-x", "email": "nobody"}), 422, "/email"),
        ("users", json!({"name": "user-x", "password": "x"}), 422, "/password"),
        ("harvest-sources", json!({"slug": "s-1", "title": "題", "kind": "ckan", "url": "x", "organization": "fuchu-cho"}), 422, "/url"),
    ] {
        let answer = ask("POST", &format!("/api/v1/{path}")).json(&body).send().await;
        println!("{path} {body}");
        answer.refuses(status, field);
    }
    for bytes in [&b""[..], b"{", b"{\"title\": }", b"\xff\xfe{}", b"{\"title\": \"\xff\"}", b"nul", &[b'['; 5000]] {
        ask("POST", "/api/v1/datasets").body("application/json", bytes.to_vec()).send().await.refuses(400, "");
    }
    let twice = r#"{"organization": "fuchu-cho", "title": "題", "extras": {"a": "1", "a": "2"}}"#;
    let twice = ask("POST", "/api/v1/datasets").body("application/json", twice).send().await;
    twice.refuses(422, "");
    assert!(twice.body["detail"].as_str().unwrap().contains("「a」が二度"), "{:#}", twice.body);
    let mut two_values = ask("POST", "/api/v1/datasets").body("application/json", "{} {}").send().await;
    two_values.body["errors"][0]["field"] = Value::Null;
    two_values.refuses(400, "");
}

#[actix_web::test]
async fn bad_parameters_are_refused_by_name() {
    let site = Site::open();
    site.dataset("there", "ある").await;
    for (path, field) in [
        ("datasets?limit=x", "/limit"),
        ("datasets?limit=0", "/limit"),
        ("datasets?limit=-1", "/limit"),
        ("datasets?limit=1001", "/limit"),
        ("datasets?limit=99999999999999999999999", "/limit"),
        ("datasets?order=random", "/order"),
        ("datasets?state=gone", "/state"),
        ("datasets?visibility=x", "/visibility"),
        ("datasets?organization=nowhere", "/organization"),
        ("datasets?updated_from=later", "/updated_from"),
        ("datasets?cursor=%F0%9F%98%80", "/cursor"),
        ("datasets?title=%00", "/title"),
        ("datasets?organization=%00", "/organization"),
        ("datasets/there/diff?from=x", "/from"),
        ("search?limit=101", "/limit"),
        ("search?offset=100001", "/offset"),
        ("search?sort=beauty", "/sort"),
        ("search?bbox=1,2,3", "/bbox"),
        ("search?bbox=NaN,1,2,3", "/bbox"),
        ("search?bbox=10,10,1,1", "/bbox"),
        ("search?facets=colour", "/facets"),
        ("search?highlight=perhaps", "/highlight"),
        ("search?modified_from=9999999-99-99", "/modified_from"),
        ("suggest?limit=1000", "/limit"),
        ("changes?cursor=x", "/cursor"),
        ("changes?cursor=2147483648", "/cursor"),
        ("changes?cursor=9223372036854775807", "/cursor"),
        ("changes?limit=501", "/limit"),
        ("themes?limit=1.5", "/limit"),
        ("themes?archived=never", "/archived"),
        ("statistics/downloads?period=week", "/period"),
        ("statistics/downloads?from=yesterday", "/from"),
        ("statistics/downloads?distribution=x", "/distribution"),
        ("statistics/downloads/top?limit=0", "/limit"),
        ("statistics/downloads/top?since=x", "/since"),
        ("statistics/indicator?fiscal_year=12345678901234567890", "/fiscal_year"),
        ("statistics/indicator?fiscal_year=abc", "/fiscal_year"),
    ] {
        println!("{path}");
        site.get(&format!("/api/v1/{path}")).await.refuses(400, field);
    }
    site.get("/api/v1/statistics/downloads?from=2026-04-02&to=2026-04-01").await.refuses(422, "/to");
    site.get("/api/v1/statistics/downloads?period=day&from=0001-01-01").await.refuses(422, "/from");
    site.ask("POST", "/api/v1/datasets?dry_run=perhaps").token(&site.admin).json(&json!({})).send().await.refuses(400, "/dry_run");
    let long = "%E3%81%82".repeat(4_000);
    site.get(&format!("/api/v1/search?q={long}")).await.refuses(400, "/q");
    for query in ["q=%FF%FE", "q=%22%22%22(((", "q=*:*%20AND%20", "nonsense=1", "&&&=&=", "q=%E3%81%82&cursor="] {
        assert_eq!(site.get(&format!("/api/v1/search?{query}")).await.status, 200, "{query}");
    }
    let cursor = site.get("/api/v1/search?cursor=nonsense").await;
    assert!(cursor.status == 200 || cursor.status == 400, "{:#}", cursor.body);
}

#[actix_web::test]
async fn garbage_in_paths_is_not_found() {
    let site = Site::open();
    for path in [
        "datasets/nowhere",
        "datasets/%00",
        "datasets/%FF%FE",
        "datasets/..%2F..%2Fetc%2Fpasswd",
        "datasets/00000000-0000-0000-0000-000000000000",
        "datasets/nowhere/history/x",
        "datasets/nowhere/history/99999999999999999999",
        "distributions/x",
        "distributions/00000000-0000-0000-0000-000000000000",
        "organizations/%E7%84%A1",
        "organizations/fuchu-cho/datasets/none",
        "themes/none",
        "harvest-runs/x",
        "harvest-sources/x",
        "nothing",
        "nothing/at/all",
        "datasets/",
        "",
    ] {
        println!("{path}");
        site.get(&format!("/api/v1/{path}")).await.refuses(404, "");
    }
    let long = "x".repeat(5_000);
    site.get(&format!("/api/v1/datasets/{long}")).await.refuses(404, "");
    for path in ["tokens/x", "memberships/x", "users/nobody"] {
        site.ask("GET", &format!("/api/v1/{path}")).token(&site.admin).send().await.refuses(404, "");
    }
}

#[actix_web::test]
async fn other_methods_are_told_which_are_allowed() {
    let site = Site::open();
    for (method, path, allow) in [
        ("DELETE", "datasets", "GET, HEAD, POST"),
        ("POST", "datasets/x", "GET, HEAD, PUT, PATCH, DELETE"),
        ("PATCH", "search", "GET, HEAD"),
        ("GET", "datasets/x/archive", "POST"),
        ("POST", "openapi.json", "GET, HEAD"),
    ] {
        let answer = site.ask(method, &format!("/api/v1/{path}")).send().await;
        answer.refuses(405, "");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[actix_web::test]
async fn other_types_and_sizes_are_refused() {
    let site = Site::open();
    for content_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        site.ask("POST", "/api/v1/datasets").token(&site.admin).body(content_type, "{}").send().await.refuses(415, "");
    }
    let form: &[(&str, &str, &[u8])] = &[("file", "a.csv", b"x")];
    site.ask("POST", "/api/v1/datasets").token(&site.admin).form(form).send().await.refuses(415, "");
    let big = vec![b' '; 16 * 1024 * 1024 + 1];
    site.ask("POST", "/api/v1/datasets").token(&site.admin).body("application/json", big).send().await.refuses(413, "");
    let patch = json!({"name_en": "Kure"}).to_string();
    let patched = site
        .ask("PATCH", "/api/v1/organizations/kure-shi")
        .token(&site.admin)
        .any()
        .body("application/merge-patch+json", patch)
        .send()
        .await;
    assert_eq!(patched.expect(200)["name_en"], "Kure");
}

#[actix_web::test]
async fn every_described_operation_has_a_route() {
    let site = Site::open();
    let document = site.get("/api/v1/openapi.json").await.expect(200);
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/api/v1/")) {
        for method in item.as_object().unwrap().keys() {
            let path = path.replace("{number}", "1").replace(['{', '}'], "");
            let answer = site.ask(&method.to_uppercase(), &path).send().await;
            let nothing = answer.body["detail_en"].as_str().unwrap_or_default().starts_with("there is nothing at");
            assert!(
                answer.status != 405 && answer.status.as_u16() < 500 && !nothing,
                "{method} {path}: {} {:#}",
                answer.status,
                answer.body
            );
            checked += 1;
        }
    }
    assert!(checked > 90, "{checked}");
}

#[actix_web::test]
async fn the_interactive_page_comes_from_here() {
    let site = Site::open();
    let moved = site.get("/api/docs").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (301, "/api/docs/"));
    for (path, kind) in [
        ("", "text/html"),
        ("swagger-ui-bundle.js", "javascript"),
        ("swagger-ui.css", "text/css"),
        ("swagger-initializer.js", "javascript"),
    ] {
        let answer = site.get(&format!("/api/docs/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").contains(kind), "{path}: {}", answer.header("content-type"));
    }
    assert_eq!(site.get("/api/docs/nothing.js").await.status, 404);
}

#[actix_web::test]
async fn bodies_in_an_unusual_shape_are_read_or_refused_by_name() {
    let site = Site::open();
    let ask = || site.ask("POST", "/api/v1/datasets?dry_run=true").token(&site.admin);
    let plain = r#"{"organization": "fuchu-cho", "title": "題"}"#;
    ask().body("application/json", format!("\u{feff}{plain}")).send().await.expect(201);
    ask().header("content-encoding", "identity").body("application/json", plain).send().await.expect(201);
    let packed = ask().header("content-encoding", "gzip").body("application/json", plain).send().await;
    packed.refuses(415, "");
    assert!(packed.body["detail_en"].as_str().unwrap().contains("Content-Encoding"));
    let deep = ask().body("application/json", "[".repeat(500)).send().await;
    deep.refuses(400, "");
    assert!(deep.body["detail"].as_str().unwrap().contains("入れ子"), "{:#}", deep.body);
    site.get("/api/v1/search?cursor=nonsense").await.refuses(400, "/cursor");
}
