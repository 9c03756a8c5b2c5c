use serde_json::{Value, json};

use crate::site::Site;

const STATISTICS: &str = "/api/v1/statistics/searches";
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const ROBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

async fn statistics(site: &Site, token: &str, query: &str) -> Value {
    site.state.app.flush_search_log();
    site.ask("GET", &format!("{STATISTICS}{query}")).token(token).send().await.expect(200)
}

/// Query, searches and hits of this month.
async fn counted(site: &Site) -> Vec<(String, i64, Option<i64>)> {
    let found = statistics(site, &site.admin, "").await;
    let items = found["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| (item["query"].as_str().unwrap().to_owned(), item["searches"].as_i64().unwrap(), item["hits"].as_i64()))
        .collect()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[actix_web::test]
async fn what_residents_search_is_counted_on_all_faces() {
    let site = Site::open();
    site.dataset("aed", "AED設置箇所一覧").await;
    let aed = encoded("ＡＥＤ");
    for path in [
        format!("/api/v1/search?q={aed}"),
        format!("/api/v1/search?limit=5&offset=0&q={aed}"),
        format!("/api/3/action/package_search?q={aed}"),
        format!("/datasets?q={aed}"),
        format!("/datasets?q={aed}&lang=en"),
    ] {
        // The second answer is the kept one; it is counted too.
        for _ in 0..2 {
            assert_eq!(site.ask("GET", &path).header("user-agent", BROWSER).send().await.status, 200, "{path}");
        }
    }
    let body = json!({"q": "AED"});
    for _ in 0..2 {
        assert_eq!(site.ask("POST", "/api/3/action/package_search").json(&body).send().await.status, 200);
    }
    assert_eq!(counted(&site).await, [("aed".to_owned(), 12, Some(1))]);

    // With conditions only the count rises: nothing is known of what the words alone would find.
    for path in [
        format!("/api/v1/search?q={aed}&organization=kure-shi"),
        format!("/api/3/action/package_search?q={aed}&fq=organization:kure-shi"),
        format!("/datasets?q={aed}&organization=kure-shi"),
    ] {
        site.get(&path).await;
    }
    assert_eq!(counted(&site).await, [("aed".to_owned(), 15, Some(1))]);
    site.get(&format!("/datasets?q={}&organization=kure-shi", encoded("水位"))).await;
    assert_eq!(counted(&site).await[1], ("水位".to_owned(), 1, None));
    let zero = statistics(&site, &site.admin, "?kind=zero").await;
    assert_eq!((&zero["kind"], &zero["items"]), (&json!("zero"), &json!([])));
    site.get(&format!("/datasets?q={}", encoded("水位"))).await;
    let zero = statistics(&site, &site.admin, "?kind=zero").await;
    assert_eq!(
        (&zero["items"][0]["query"], &zero["items"][0]["hits"], &zero["items"][0]["searches"]),
        (&json!("水位"), &json!(0), &json!(2))
    );
    assert_eq!(zero["months"], json!([zero["month"]]));
}

#[actix_web::test]
async fn what_is_no_search_of_a_resident_is_not_counted() {
    let site = Site::open();
    site.dataset("aed", "AED設置箇所一覧").await;
    let paths = ["/api/v1/search?q=aed", "/api/3/action/package_search?q=aed", "/datasets?q=aed"];
    for path in paths {
        for (name, value) in [("user-agent", ROBOT), ("sec-purpose", "prefetch"), ("authorization", site.admin.as_str())] {
            for _ in 0..2 {
                assert_eq!(site.ask("GET", path).header(name, value).send().await.status, 200, "{path} {name}");
            }
        }
        site.ask("HEAD", path).send().await;
    }
    for path in [
        "/api/v1/search",
        "/api/v1/search?q=",
        "/api/v1/search?q=%20&limit=1",
        "/api/v1/search?q=aed&offset=20",
        "/api/v1/search?q=aed&limit=0&cursor=x",
        "/api/v1/search?q=taro%40example.jp",
        "/api/v1/search?q=082-000-0000",
        "/api/v1/suggest?q=aed",
        "/api/3/action/package_search",
        "/api/3/action/package_search?q=*:*",
        "/api/3/action/package_search?q=title:aed",
        "/api/3/action/package_search?q=aed&start=10",
        "/api/3/action/package_autocomplete?q=aed",
        "/datasets",
        "/datasets?q=aed&page=2",
        "/datasets?q=taro%40example.jp",
        "/search?q=aed",
        "/",
    ] {
        for _ in 0..2 {
            site.get(path).await;
        }
    }
    assert_eq!(counted(&site).await, []);
}

#[actix_web::test]
async fn a_dataset_opened_from_the_results_is_a_click() {
    let site = Site::open();
    site.dataset("aed", "AED設置箇所一覧").await;
    site.dataset("other", "そのほか").await;
    site.get("/datasets?q=aed").await;
    let open = |path: &str, referrer: &str| site.ask("GET", path).header("user-agent", BROWSER).header("referer", referrer);
    let search = "https://catalog.example.jp/datasets?q=%EF%BC%A1%EF%BC%A5%EF%BC%A4&page=2";
    assert_eq!(open("/datasets/aed", search).send().await.status, 200);
    // The kept page is a click too.
    open("/datasets/aed", search).send().await;
    open("/datasets/other", "http://127.0.0.1:8080/datasets?q=aed").header("host", "127.0.0.1:8080").send().await;
    for (path, referrer) in [
        ("/datasets/aed", "https://elsewhere.example.jp/datasets?q=aed"),
        ("/datasets/aed", "https://catalog.example.jp/organizations?q=aed"),
        ("/datasets/aed", "https://catalog.example.jp/datasets"),
        ("/datasets/aed", "https://catalog.example.jp/datasets?q="),
        ("/datasets/aed", "https://catalog.example.jp/datasets?q=never+searched"),
        ("/datasets/aed", "https://catalog.example.jp/datasets?q=taro@example.jp"),
        ("/datasets/aed.ttl", search),
        ("/datasets/nowhere", search),
        ("/datasets/aed/history", search),
        ("/datasets/aed", "nonsense /datasets?q=aed"),
    ] {
        open(path, referrer).send().await;
    }
    site.ask("GET", "/datasets/aed").header("user-agent", ROBOT).header("referer", search).send().await;
    site.ask("HEAD", "/datasets/aed").header("referer", search).send().await;

    let found = statistics(&site, &site.publisher, "?limit=1").await;
    let item = &found["items"][0];
    assert_eq!((&item["query"], &item["clicks"]), (&json!("aed"), &json!(3)));
    let datasets = item["datasets"].as_array().unwrap();
    assert_eq!(
        (&datasets[0]["slug"], &datasets[0]["title"], &datasets[0]["clicks"]),
        (&json!("aed"), &json!("AED設置箇所一覧"), &json!(2))
    );
    assert_eq!((&datasets[1]["slug"], &datasets[1]["clicks"]), (&json!("other"), &json!(1)));

    // Who may not see a dataset is not told that it was opened.
    let hide = json!({"visibility": "internal"});
    site.ask("PATCH", "/api/v1/datasets/aed").token(&site.publisher).any().json(&hide).send().await.expect(200);
    let slugs = |found: &Value| -> Vec<String> {
        let datasets = found["items"][0]["datasets"].as_array().unwrap();
        datasets.iter().map(|dataset| dataset["slug"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(slugs(&statistics(&site, &site.publisher, "").await), ["aed", "other"]);
    assert_eq!(slugs(&statistics(&site, &site.other, "").await), ["other"]);
}

#[actix_web::test]
async fn searches_are_shown_to_staff_only() {
    let site = Site::open();
    site.get("/api/v1/search?q=aed").await;
    site.get(STATISTICS).await.refuses(401, "");
    site.ask("GET", STATISTICS).token("minato_wrong").send().await.refuses(401, "");
    let guest = json!({"name": "guest"});
    site.ask("POST", "/api/v1/users").token(&site.admin).json(&guest).send().await.expect(201);
    let label = json!({"label": "x"});
    let guest = site.ask("POST", "/api/v1/users/guest/tokens").token(&site.admin).json(&label).send().await.expect(201);
    site.ask("GET", STATISTICS).token(guest["secret"].as_str().unwrap()).send().await.refuses(403, "");
    for token in [&site.admin, &site.publisher, &site.editor, &site.other] {
        assert_eq!(statistics(&site, token, "").await["items"][0]["query"], "aed");
    }
    let other = statistics(&site, &site.editor, "?month=2020-01").await;
    assert_eq!((&other["month"], &other["items"]), (&json!("2020-01"), &json!([])));
    for (query, field) in [
        ("month=2026-13", "/month"),
        ("month=2026-11-01", "/month"),
        ("month=now", "/month"),
        ("kind=all", "/kind"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
    ] {
        site.ask("GET", &format!("{STATISTICS}?{query}")).token(&site.admin).send().await.refuses(400, field);
    }
}
