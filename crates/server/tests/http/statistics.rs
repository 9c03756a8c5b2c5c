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
async fn what_the_previous_portal_reported_stands_apart() {
    use minato_app::store::previous_portal::{ReportedDownload, replace_reported};
    let site = Site::open();
    let dataset = site.dataset("counted", "数える").await;
    let parts: &[(&str, &str, &[u8])] = &[("file", "a.csv", b"a\n1\n")];
    let created = site.ask("POST", "/api/v1/datasets/counted/distributions").token(&site.editor).form(parts).send().await.expect(201);
    let path = "/api/v1/statistics/downloads/reported";
    let empty = site.get(&format!("{path}?dataset=counted")).await.expect(200);
    assert_eq!((&empty["total"], &empty["months"]), (&json!(0), &json!([])));
    assert!(!site.get("/datasets/counted/stats").await.text.contains("以前のポータル"));
    let id = |value: &serde_json::Value| Some(value["id"].as_str().unwrap().parse().unwrap());
    let row = |resource: &str, distribution_id, total| ReportedDownload {
        resource: resource.to_owned(),
        title: "報告".to_owned(),
        dataset_id: id(&dataset),
        distribution_id,
        total,
    };
    let write = |month: &str, rows: &[ReportedDownload]| {
        site.state.app.store().write::<_, minato_app::store::Error>(|conn| replace_reported(conn, month, "portal", rows)).unwrap();
    };
    write("2024-01", &[row("120", id(&created), 1_200), row("121", None, 30)]);
    write("2024-02", &[row("120", id(&created), 4)]);
    let reported = site.get(&format!("{path}?dataset=counted")).await.expect(200);
    assert_eq!(
        reported,
        json!({
            "dataset_id": dataset["id"],
            "total": 1_234,
            "months": [{"month": "2024-01", "total": 1_230}, {"month": "2024-02", "total": 4}],
            "files": [{"distribution_id": null, "total": 30}, {"distribution_id": created["id"], "total": 1_204}],
        })
    );
    assert_eq!(site.get("/api/v1/statistics/downloads?dataset=counted").await.expect(200)["total"], 0, "no part of what is measured");
    let page = site.get("/datasets/counted/stats?lang=ja").await;
    for words in ["以前のポータルの報告", "1,234", "1,204", "2024年1月"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(page.text.contains("<span class=\"big\">0</span>"));
    site.get(path).await.refuses(400, "/dataset");
    site.get(&format!("{path}?dataset=nothing")).await.refuses(404, "");
    site.ask("POST", "/api/v1/datasets/counted/archive").token(&site.publisher).send().await.expect(200);
    site.get(&format!("{path}?dataset=counted")).await.refuses(410, "");
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

/// Ends the clock in the middle of a month.
fn site_in_november() -> Site {
    Site::open_with(|settings| settings.clock = minato_app::Clock::of(|| "2026-11-25T03:00:00Z".parse().unwrap()))
}

#[actix_web::test]
async fn reports_are_imported_whole_or_explained_row_by_row() {
    let site = site_in_november();
    let path = "/api/v1/statistics/reports";
    let bad =
        "月,件数,報告元,組織\n2026-10,10,dobox,\n2026-13,1,dobox,\n2026-10,10,dobox,\n2026-09,-1,dobox,府中町\n2026-09,5,dobox,無い町\n";
    let answer = site.ask("POST", path).token(&site.admin).body("text/csv", bad).send().await;
    let problem = answer.expect(422);
    let fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["/rows/3/month", "/rows/4/month", "/rows/5/total", "/rows/6/organization"]);
    assert!(problem["errors"][0]["message"]["ja"].as_str().unwrap().contains("3 行目"));
    assert_eq!(site.get(path).await.expect(200)["total"], 0, "nothing was changed");
    let good =
        json!({"rows": [{"month": "2026-10", "source": "dobox", "total": 6120}, {"month": "R8.9", "source": "dobox", "total": "1,000"}]});
    let trial = site.ask("POST", &format!("{path}?dry_run=true")).token(&site.admin).json(&good).send().await;
    assert_eq!(trial.expect(200)["rows"][0]["outcome"], "added");
    assert_eq!(site.get(path).await.expect(200)["total"], 0);
    site.ask("POST", path).token(&site.admin).json(&good).send().await.expect(200);
    assert_eq!(site.get(path).await.expect(200)["total"], 2);
    // Whole sites are not a publisher's, their own organization is.
    site.ask("POST", path).token(&site.publisher).json(&good).send().await.expect(422);
    let own = json!({"rows": [{"month": "2026-08", "source": "dobox", "organization": "府中町", "total": 5}]});
    site.ask("POST", path).token(&site.publisher).json(&own).send().await.expect(200);
    site.ask("POST", path).json(&own).send().await.refuses(401, "");
    for (content_type, body) in [
        ("application/json", "{\"rows\": 5}"),
        ("application/json", "{\"rows\": [{\"month\": 5}]}"),
        ("application/json", "{\"rows\": [5]}"),
        ("application/json", "[]"),
        ("text/csv", ""),
        ("text/csv", "a,b\n1,2\n"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "PK\u{3}\u{4}broken"),
    ] {
        let answer = site.ask("POST", path).token(&site.admin).body(content_type, body).send().await;
        assert!((400..500).contains(&answer.status.as_u16()), "{content_type} {body}: {}", answer.status);
    }
    // Every row of a list is judged, and numbered as people count.
    let odd = json!({"rows": [
        {"month": 5, "source": "dobox", "total": 5}, {"month": "2026-10", "source": "dobox", "total": true},
        {"month": "2026-10", "source": "dobox", "total": null}, {"month": "2026-06", "source": "dobox", "total": 7, "organization": 343_021},
    ]});
    let answer = site.ask("POST", path).token(&site.admin).json(&odd).send().await.expect(422);
    let fields: Vec<&str> = answer["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["/rows/1/month", "/rows/2/total", "/rows/3/total"]);
    let unknown = json!({"rows": [{"month": "2026-10", "total": 5, "downloads": 5}, "x"]});
    let answer = site.ask("POST", path).token(&site.admin).json(&unknown).send().await;
    answer.refuses(422, "/rows/1/downloads");
    answer.refuses(422, "/rows/2");
    site.ask("POST", path).token(&site.admin).body("text/html", "<p>").send().await.refuses(415, "");
    site.get("/api/v1/statistics/reports/log").await.refuses(401, "");
    let log = site.ask("GET", "/api/v1/statistics/reports/log").token(&site.editor).send().await.expect(200);
    assert_eq!((&log["items"][0]["actor"], &log["items"][0]["way"]), (&json!("publisher"), &json!("api")));
}

#[actix_web::test]
async fn months_close_and_indicators_have_targets_and_values() {
    let site = site_in_november();
    let report = json!({"rows": [{"month": "2026-10", "source": "dobox", "total": 6120}]});
    site.ask("POST", "/api/v1/statistics/reports").token(&site.admin).json(&report).send().await.expect(200);
    let close = "/api/v1/statistics/months/2026-10/close";
    site.ask("POST", close).token(&site.publisher).send().await.refuses(403, "");
    assert_eq!(site.ask("POST", close).token(&site.admin).send().await.expect(200)["total"], 6120);
    site.ask("POST", close).token(&site.admin).send().await.expect(409);
    site.ask("POST", "/api/v1/statistics/months/2026-11/close").token(&site.admin).send().await.expect(422);
    site.ask("POST", "/api/v1/statistics/months/nonsense/close").token(&site.admin).send().await.expect(422);
    let restate = "/api/v1/statistics/months/2026-10/restate";
    site.ask("POST", restate).token(&site.admin).json(&json!({"reason": ""})).send().await.expect(422);
    site.ask("POST", restate).token(&site.admin).json(&json!({"reason": "集計誤り"})).send().await.expect(200);
    assert_eq!(site.get("/api/v1/statistics/restatements").await.expect(200)["items"][0]["reason"], "集計誤り");
    let months = site.get("/api/v1/statistics/months?from=2026-10&to=2026-11").await.expect(200);
    assert_eq!((&months["items"][0]["total"], months["items"][0]["closed"].is_string()), (&json!(6120), true));
    let value = "/api/v1/statistics/indicators/data_use_training/values/2026-06";
    site.ask("PUT", value).token(&site.admin).json(&json!({"value": 1424})).send().await.expect(200);
    site.ask("PUT", value).token(&site.editor).json(&json!({"value": 1424})).send().await.refuses(403, "");
    site.ask("PUT", "/api/v1/statistics/indicators/datasets_published/values/2026-06")
        .token(&site.admin)
        .json(&json!({"value": 1}))
        .send()
        .await
        .expect(409);
    let target = "/api/v1/statistics/indicators/data_use_training/targets/2026";
    site.ask("PUT", target).token(&site.admin).json(&json!({"target": 1000})).send().await.expect(200);
    site.ask("PUT", "/api/v1/statistics/indicators/none/targets/2026")
        .token(&site.admin)
        .json(&json!({"target": 1}))
        .send()
        .await
        .expect(404);
    let indicators = site.get("/api/v1/statistics/indicators?fiscal_year=2026").await.expect(200);
    let training =
        indicators["items"].as_array().unwrap().iter().find(|one| one["indicator"]["id"] == "data_use_training").unwrap().clone();
    assert_eq!((&training["value"], &training["achievement"]), (&json!(1424.0), &json!("達成")));
    site.get("/api/v1/statistics/indicators?fiscal_year=x").await.refuses(400, "/fiscal_year");
    let scope = json!({"id": "kure", "title": "呉市", "title_en": "Kure", "any": [{"organizations": ["kure-shi"]}]});
    site.ask("PUT", "/api/v1/statistics/scopes/kure").token(&site.admin).json(&scope).send().await.expect(200);
    site.ask("PUT", "/api/v1/statistics/scopes/other").token(&site.admin).json(&scope).send().await.expect(422);
    let outlook = site.get("/api/v1/statistics/outlook?fiscal_year=2026").await.expect(200);
    assert_eq!((&outlook["mean_so_far"], &outlook["target"]), (&json!(6120.0), &json!(33_000)));
    let method = site.get("/api/v1/statistics/method").await.expect(200);
    assert_eq!((&method["version"], method["rules"].as_array().unwrap().len()), (&json!(2), 6));
}

#[actix_web::test]
async fn breakdowns_say_what_is_used_how_and_from_where() {
    let site = Site::open();
    site.dataset("counted", "数える").await;
    let parts: &[(&str, &str, &[u8])] = &[("file", "a.csv", b"a\n1\n")];
    let created = site.ask("POST", "/api/v1/datasets/counted/distributions").token(&site.editor).form(parts).send().await.expect(201);
    let id = created["id"].as_str().unwrap();
    for (agent, referer, range) in [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36", "https://www.example.org/page?q=secret", ""),
        ("curl/8.5.0", "", ""),
        ("curl/8.5.1", "", "bytes=2-"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", "", ""),
    ] {
        let mut ask = site.ask("GET", &format!("/d/{id}")).header("user-agent", agent);
        for (name, value) in [("referer", referer), ("range", range)].iter().filter(|(_, value)| !value.is_empty()) {
            ask = ask.header(name, value);
        }
        let status = ask.send().await.status;
        assert!(status.is_success(), "{status}");
    }
    for (by, key, total) in
        [("organization", "", 2), ("theme", "gr_1400", 2), ("format", "CSV", 2), ("class", "human", 1), ("channel", "file", 2)]
    {
        let found = site.get(&format!("/api/v1/statistics/downloads/breakdown?by={by}")).await.expect(200);
        let part = found["items"].as_array().unwrap().iter().find(|part| key.is_empty() || part["key"] == key).unwrap().clone();
        assert_eq!(part["total"], total, "{by}");
    }
    site.get("/api/v1/statistics/downloads/breakdown?by=nothing").await.refuses(400, "/by");
    site.get("/api/v1/statistics/downloads/breakdown?from=2026-02-01&to=2026-01-01").await.expect(422);
    let app = site.state.app.clone();
    actix_web::web::block(move || app.flush_view_log()).await.unwrap();
    let excluded = site.get("/api/v1/statistics/downloads/excluded").await.expect(200);
    let mut rules: Vec<_> =
        excluded["items"].as_array().unwrap().iter().map(|one| (one["rule"].as_str().unwrap(), &one["total"])).collect();
    rules.sort_unstable_by_key(|(rule, _)| *rule);
    assert_eq!(rules, [("part", &json!(1)), ("robot", &json!(1))]);
    assert!(site.get("/stats/method").await.text.contains("最近12か月に除いた要求: <strong>1</strong>"));
    site.get("/api/v1/statistics/downloads/excluded?from=2026-02-01&to=2026-01-01").await.expect(422);
    let referrers = site.get("/api/v1/statistics/downloads/referrers").await.expect(200);
    assert_eq!(referrers["items"], json!([{"domain": "example.org", "total": 1}]));
    assert_eq!(site.get("/api/v1/statistics/downloads?class=machine").await.expect(200)["total"], 1);
    assert_eq!(site.get("/api/v1/statistics/downloads/top?class=ai_agent").await.expect(200)["items"], json!([]));
    site.get("/api/v1/statistics/downloads?channel=page").await.refuses(400, "/channel");
    // The page is looked at by a person and a robot: one look, and still two downloads.
    for agent in ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36", "bingbot/2.0"] {
        site.ask("GET", "/datasets/counted").header("user-agent", agent).send().await;
    }
    let app = site.state.app.clone();
    actix_web::web::block(move || app.flush_view_log()).await.unwrap();
    assert_eq!(site.get("/api/v1/statistics/views").await.expect(200)["total"], 1);
    assert_eq!(site.get("/api/v1/statistics/downloads").await.expect(200)["total"], 2);
}

#[actix_web::test]
async fn reports_can_be_read_and_taken_away_in_both_languages() {
    let site = site_in_november();
    site.dataset("counted", "数える").await;
    let report = json!({"rows": [{"month": "2026-10", "source": "dobox", "total": 6120}, {"month": "2026-10", "source": "former-portal", "total": 27000}]});
    site.ask("POST", "/api/v1/statistics/reports").token(&site.admin).json(&report).send().await.expect(200);
    for (path, words) in [
        ("/stats", &["成果指標の報告", "数え方とプライバシー", "報告された6,120件を含みます"][..]),
        ("/", &["報告された6,120件を含みます"]),
        (
            "/stats/report",
            &["成果指標・目標", "達成度", "令和8年度", "27,000", "6,120", "従来の数え方", "DoboX 6,120", "うち、ここで計測した人の利用"],
        ),
        ("/stats/referrers.csv", &["月,サイト（ドメイン名）,ダウンロード数"]),
        ("/stats/report?lang=en", &["Indicators and targets", "Outlook"]),
        ("/stats/report?fiscal_year=2020", &["令和2年度"]),
        ("/stats/report?fiscal_year=nonsense", &["令和8年度"]),
        ("/stats/method", &["COUNTER RD 10.2", "48 時間で消し", "IP アドレス"]),
        ("/stats/method?lang=en", &["Privacy", "destroyed a minute after midnight"]),
        ("/datasets/counted/stats", &["数えるの利用", "ダウンロードではありません"]),
        ("/organizations/fuchu-cho/stats?lang=en", &["Use of"]),
        (
            "/stats/report.csv?fiscal_year=2026",
            &["成果指標・目標,達成年度,全体目標,策定時の状況,令和8年度の状況,,", "令和8年11月25日時点", ",33000,27000,33000,6120,継続中"],
        ),
        ("/stats/months.csv", &["2026-10,0,0,0,0,0,0,6120,6120,27000"]),
        ("/stats/datasets.csv", &["順位,ダウンロード数,自治体名"]),
        ("/datasets/counted/stats.csv", &["2026-11,0,0,0,0"]),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text.clone();
        for word in words {
            assert!(text.contains(word), "{word} is not in {path}: {text}");
        }
    }
    for path in ["/stats/report.xlsx", "/stats/months.xlsx", "/stats/datasets.xlsx", "/stats/referrers.xlsx"] {
        assert!(site.get(path).await.text.starts_with("PK"), "{path}");
    }
    for path in ["/stats/report.pdf", "/stats/nothing.csv", "/datasets/none/stats", "/organizations/none/stats", "/datasets/none/stats.csv"]
    {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
}
