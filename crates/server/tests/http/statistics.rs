use serde_json::json;

use crate::site::Site;

#[actix_web::test]
async fn figures_start_at_nothing_and_have_their_shape() {
    let site = Site::open();
    site.dataset("counted", "数える").await;
    let series = site.get("/api/v1/statistics/downloads").await.expect(200);
    assert_eq!((&series["period"], series["points"].as_array().unwrap().len(), &series["total"]), (&json!("month"), 12, &json!(0)));
    let days = site
        .get("/api/v1/statistics/downloads?period=day&from=2026-04-01&to=2026-04-10&dataset=counted&organization=fuchu-cho")
        .await
        .expect(200);
    assert_eq!(days["points"].as_array().unwrap().len(), 10);
    assert_eq!(site.get("/api/v1/statistics/downloads/top?since=2026-04-01&limit=5").await.expect(200)["since"], "2026-04-01");
    assert_eq!(site.get("/api/v1/statistics/downloads/organizations").await.expect(200)["items"].as_array().unwrap().len(), 2);
    let indicator = site.get("/api/v1/statistics/indicator?fiscal_year=2026").await.expect(200);
    assert_eq!((&indicator["fiscal_year_label"], &indicator["target_per_month"]), (&json!("令和8年度"), &json!(33_000)));
    let summary = site.get("/api/v1/statistics/summary").await.expect(200);
    assert_eq!((&summary["datasets"], &summary["organizations"]), (&json!(1), &json!(2)));
}

#[actix_web::test]
async fn a_download_is_counted_and_shown_at_once() {
    let site = Site::open();
    site.dataset("counted", "数える").await;
    let parts: &[(&str, &str, &[u8])] = &[("file", "a.csv", b"a\n1\n")];
    let created = site.ask("POST", "/api/v1/datasets/counted/distributions").token(&site.editor).form(parts).send().await.expect(201);
    let id = created["id"].as_str().unwrap();
    let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
    let file = site.ask("GET", &format!("/d/{id}")).header("user-agent", browser).send().await;
    assert_eq!(file.status, 200);
    for query in ["", "?dataset=counted", &format!("?distribution={id}"), "?organization=343021"] {
        assert_eq!(site.get(&format!("/api/v1/statistics/downloads{query}")).await.expect(200)["total"], 1, "{query}");
    }
    let top = site.get("/api/v1/statistics/downloads/top").await.expect(200);
    assert_eq!((&top["items"][0]["dataset"]["slug"], &top["items"][0]["downloads"]), (&json!("counted"), &json!(1)));
}

#[actix_web::test]
async fn figures_of_what_is_hidden_are_hidden() {
    let site = Site::open();
    let draft = json!({"organization": "fuchu-cho", "slug": "hidden", "title": "下書き", "state": "draft", "distributions": [{"download_url": "https://example.jp/a.csv"}]});
    let hidden = site.ask("POST", "/api/v1/datasets").token(&site.editor).json(&draft).send().await.expect(201);
    let distribution = hidden["distributions"][0]["id"].as_str().unwrap();
    site.get("/api/v1/statistics/downloads?dataset=hidden").await.refuses(404, "");
    site.get(&format!("/api/v1/statistics/downloads?distribution={distribution}")).await.refuses(404, "");
}
