//! The pages over HTTP, with what a hostile or careless publisher may write.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as Web, web};
use minato_app::catalog::{DatasetDraft, Organization, OrganizationDraft, from_value};
use minato_app::{App, AppSettings, Context, FileUpload};
use serde_json::json;

use crate::config::ServerSettings;
use crate::http::State;

struct Site {
    state: web::Data<State>,
    _dir: tempfile::TempDir,
}

struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

const NASTY: &str = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

impl Site {
    /// A prefecture, two towns, and a dataset full of markup.
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let app = App::open(AppSettings::new(dir.path())).unwrap();
        let context = Context::system("test");
        for (slug, name, code, kind) in [
            ("pref", "広島県", "340006", "prefecture"),
            ("fuchu", "府中町", "343021", "municipality"),
            ("kaita", "海田町", "343048", "municipality"),
        ] {
            let draft: OrganizationDraft = from_value(json!({"slug": slug, "name": name, "code": code, "kind": kind})).unwrap();
            app.create::<Organization>(&context, None, draft).unwrap();
        }
        let draft: DatasetDraft = from_value(json!({
            "organization": "fuchu", "slug": "nasty", "title": NASTY, "description": format!("説明 {NASTY} [x](javascript:alert(3))"),
            "keywords": ["防災\"><b>"], "licence": "CC-BY-4.0", "licence_text": NASTY, "landing_page": "https://example.jp/\"onmouseover=\"alert(4)",
            "contact_point": {"name": NASTY, "email": "a@b.jp?subject=x", "telephone": NASTY},
            "extras": {NASTY: "javascript:alert(5)"}, "standard_dataset": "evacuation_space", "conforms_to": ["javascript:alert(6)"],
            "distributions": [{"title": NASTY, "format": "CSV", "byte_size": 1536, "download_url": "https://example.jp/a.csv"}],
        }))
        .unwrap();
        app.create_dataset(&context, draft).unwrap();
        let settings = ServerSettings { base_url: Some("https://data.example.jp".to_owned()), ..ServerSettings::default() };
        let state = crate::server::state(app, Arc::new(settings));
        Site { state, _dir: dir }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        let service = init_service(Web::new().app_data(self.state.clone()).configure(super::configure)).await;
        let request = headers.iter().fold(TestRequest::with_uri(path), |request, (name, value)| request.insert_header((*name, *value)));
        let response = call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        Got { status, headers, body: String::from_utf8(read_body(response).await.to_vec()).unwrap() }
    }

    async fn page(&self, path: &str) -> String {
        let got = self.get(path, &[]).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.body);
        got.body
    }
}

#[actix_web::test]
async fn text_of_publishers_never_becomes_markup() {
    let site = Site::new();
    for path in [
        "/",
        "/datasets",
        "/datasets?q=alert",
        "/datasets/nasty",
        "/datasets/nasty?lang=en",
        "/datasets/nasty/history",
        "/organizations/fuchu",
        "/stats",
    ] {
        // JSON-LD is checked apart: there a quotation mark is JSON's.
        let page = site.page(path).await;
        let (head, rest) = page.split_once("<script type=\"application/ld+json\">").unwrap_or((&page, ""));
        let body = format!("{head}{}", rest.split_once("</script>").map_or("", |(_, rest)| rest));
        for markup in ["<script>alert", "<img src=x", "<b>", "href=\"javascript:", "\"onmouseover=", "href=\"mailto:a@b.jp?subject"] {
            assert!(!body.contains(markup), "{path} has {markup}");
        }
    }
    assert!(site.page("/datasets/nasty").await.contains("&#60;/script&#62;&#60;script&#62;alert(1)"));
}

#[actix_web::test]
async fn what_the_reader_typed_is_escaped_too() {
    let site = Site::new();
    let body = site.page("/datasets?q=%22%3E%3Cscript%3Ealert(9)%3C/script%3E&organization=%3Cb%3E&keyword=%22x").await;
    assert!(!body.contains("<script>alert"), "{body}");
    assert!(body.contains("&#60;script&#62;alert(9)"), "the query is shown");
}

#[actix_web::test]
async fn a_kept_table_shows_its_size_its_first_rows_and_its_versions() {
    let site = Site::new();
    let context = Context::system("test");
    let upload = |bytes: &str| {
        let mut upload = site.state.app.blobs().begin(10_000).unwrap();
        upload.write(bytes.as_bytes()).unwrap();
        let detected = minato_app::files::detect_media_type("避難所 一覧.csv", upload.head());
        FileUpload { upload, file_name: "避難所 一覧.csv".to_owned(), detected, accept_mismatch: false }
    };
    let first = upload("コード,名称\n034100,<script>alert(7)</script>\n");
    let made = site.state.app.create_distribution_with_file(&context, "nasty", Default::default(), first).unwrap().value;
    let second = upload("コード,名称\n034100,中央公民館\n034101,<b>西公民館</b>\n");
    site.state.app.add_file(&context, &made.id.to_string(), second).unwrap();
    let body = site.page("/datasets/nasty").await;
    let name = "%E9%81%BF%E9%9B%A3%E6%89%80%20%E4%B8%80%E8%A6%A7.csv";
    assert!(body.contains(&format!("href=\"/datasets/nasty/download/{}/{name}\"", made.id)), "{body}");
    assert!(body.contains(&format!("href=\"/d/{}/1\"", made.id)), "the first version is still there");
    assert!(body.contains("<td>034100</td><td>中央公民館</td>") && body.contains("<td>&#60;b&#62;西公民館&#60;/b&#62;</td>"), "{body}");
    assert!(body.contains("CSV, 1.5 KB") && body.contains("（外部サイト）"), "the link elsewhere says format, size and that it leads away");
    assert!(body.contains("の先頭2行（全2行）"));
}

#[actix_web::test]
async fn json_ld_is_json_and_describes_the_dataset() {
    let site = Site::new();
    let body = site.page("/datasets/nasty").await;
    let (_, rest) = body.split_once("<script type=\"application/ld+json\">").unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((value["@type"].as_str(), value["name"].as_str()), (Some("Dataset"), Some(NASTY)));
}

#[actix_web::test]
async fn every_page_has_a_language_one_heading_and_a_way_past_the_menu() {
    let site = Site::new();
    let paths = [
        "/",
        "/datasets",
        "/datasets?q=zzzz",
        "/datasets/nasty",
        "/datasets/nasty/history",
        "/organizations",
        "/organizations/kaita",
        "/themes",
        "/stats",
        "/harvest",
        "/about",
        "/accessibility",
        "/terms",
    ];
    for path in paths {
        for (lang, address) in [("ja", path.to_owned()), ("en", format!("{path}{}lang=en", if path.contains('?') { '&' } else { '?' }))] {
            let got = site.get(&address, &[]).await;
            assert_eq!(got.status, StatusCode::OK, "{address}");
            assert!(got.body.contains(&format!("<html lang=\"{lang}\">")), "{address}");
            assert_eq!(got.body.matches("<h1").count(), 1, "{address}");
            assert!(got.body.contains("href=\"#main\"") && got.body.contains("<main id=\"main\""), "{address}");
            assert!(
                !got.body.contains(" style=") && !got.body.contains(" onclick="),
                "{address} must pass its own content security policy"
            );
            assert!(got.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{address}");
            let elsewhere = ["src=\"http", "href=\"//", "src=\"//", "<link rel=\"stylesheet\" href=\"http"];
            assert!(elsewhere.iter().all(|text| !got.body.contains(text)), "{address} asks another site");
        }
    }
}

#[actix_web::test]
async fn the_chosen_language_lasts() {
    let site = Site::new();
    let chosen = site.get("/about?lang=en", &[]).await;
    assert!(chosen.body.contains("About this site"));
    let cookie = chosen.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
    let pair = cookie.split(';').next().unwrap();
    assert!(site.get("/about", &[("cookie", pair)]).await.body.contains("About this site"));
    // The kept English page is not given to others.
    assert!(site.page("/about").await.contains("このサイトについて</h1>"));
    assert!(site.get("/about", &[("accept-language", "en")]).await.body.contains("<html lang=\"ja\">"));
}

#[actix_web::test]
async fn old_names_lead_on_and_withdrawn_datasets_leave_a_tombstone() {
    let site = Site::new();
    let context = Context::system("test");
    site.state.app.patch_dataset(&context, "nasty", &json!({"slug": "new-name"})).unwrap();
    let moved = site.get("/datasets/nasty", &[]).await;
    assert_eq!(
        (moved.status, moved.headers.get(header::LOCATION).unwrap().to_str().unwrap()),
        (StatusCode::MOVED_PERMANENTLY, "/datasets/new-name")
    );
    let moved = site.get("/datasets/nasty.ttl", &[]).await;
    assert_eq!(
        (moved.status, moved.headers.get(header::LOCATION).unwrap().to_str().unwrap()),
        (StatusCode::MOVED_PERMANENTLY, "/datasets/new-name.ttl")
    );
    let changes = site.page("/datasets/new-name/history/1/2").await;
    assert!(changes.contains("<del>nasty</del>") && changes.contains("<ins>new-name</ins>"), "{changes}");
    site.state.app.archive_dataset(&context, "new-name").unwrap();
    let gone = site.get("/datasets/new-name", &[]).await;
    assert_eq!(gone.status, StatusCode::GONE);
    assert!(gone.body.contains("公開を終了しました") && gone.body.contains("府中町"), "{}", gone.body);
    assert!(!gone.body.contains("<script>alert"));
    assert_eq!(site.get("/datasets/new-name.ttl", &[]).await.status, StatusCode::GONE);
    assert!(!site.page("/sitemap.xml").await.contains("new-name"));
}

#[actix_web::test]
async fn one_address_speaks_html_and_rdf() {
    let site = Site::new();
    for (accept, path, content_type) in [
        ("text/turtle", "/datasets/nasty", "text/turtle; charset=utf-8"),
        ("application/ld+json", "/datasets/nasty", "application/ld+json"),
        ("text/html", "/datasets/nasty", "text/html; charset=utf-8"),
        ("*/*", "/datasets/nasty.rdf", "application/rdf+xml"),
        ("*/*", "/catalog.ttl", "text/turtle; charset=utf-8"),
        ("*/*", "/catalog.jsonld?page=99999999999999999999", "application/ld+json"),
    ] {
        let got = site.get(path, &[("accept", accept)]).await;
        assert_eq!(
            (got.status, got.headers.get(header::CONTENT_TYPE).unwrap().to_str().unwrap()),
            (StatusCode::OK, content_type),
            "{path}"
        );
        assert!(got.body.contains("nasty") || path.contains("page="), "{path}");
    }
}

#[actix_web::test]
async fn a_page_that_did_not_change_is_not_sent_again() {
    let site = Site::new();
    let first = site.get("/datasets/nasty", &[]).await;
    let etag = first.headers.get(header::ETAG).unwrap().to_str().unwrap().to_owned();
    assert_eq!(site.get("/datasets/nasty", &[("if-none-match", &etag)]).await.status, StatusCode::NOT_MODIFIED);
    site.state.app.patch_dataset(&Context::system("test"), "nasty", &json!({"title": "名簿"})).unwrap();
    let second = site.get("/datasets/nasty", &[("if-none-match", &etag)]).await;
    assert_eq!(second.status, StatusCode::OK);
    assert!(second.body.contains("名簿"));
}

#[actix_web::test]
async fn nothing_a_client_sends_is_our_fault() {
    let site = Site::new();
    let long = format!("/datasets?q={}", "%E3%81%82".repeat(1_000));
    for path in [
        "/datasets?q=%00%FF%22%27((",
        "/datasets?page=-1",
        "/datasets?page=500&sort=downloads",
        "/datasets?organization=%00&theme=%FF",
        "/datasets/%00",
        "/datasets/%FF%FE",
        "/datasets/nasty/history/-1/99999999999999999999",
        "/datasets/nasty/history/0/1",
        "/datasets/..%2F..%2Fetc",
        "/organizations/%27%22",
        "/themes/%3Cscript%3E",
        "/catalog.exe",
        "/sitemap/0.xml",
        "/sitemap/x.xml",
        "/assets/../Cargo.toml",
        "/assets/portal",
        "/datasets/a.b.c.ttl",
        &long,
    ] {
        let got = site.get(path, &[]).await;
        assert!(got.status.as_u16() < 500, "{path}: {}", got.status);
        assert!(!got.body.contains("<script>"), "{path}");
    }
}

#[actix_web::test]
async fn what_is_missing_is_said_in_the_language_of_the_reader() {
    let site = Site::new();
    let missing = site.get("/datasets/no-such?lang=en", &[]).await;
    assert_eq!(
        (missing.status, missing.headers.get(header::CONTENT_TYPE).unwrap().to_str().unwrap()),
        (StatusCode::NOT_FOUND, "text/html; charset=utf-8")
    );
    assert!(missing.body.contains("Page not found") && missing.body.contains("no-such"), "{}", missing.body);
}

#[actix_web::test]
async fn filters_start_closed_and_stand_only_where_something_can_be_chosen() {
    let site = Site::new();
    for path in ["/datasets", "/datasets?organization=fuchu"] {
        let page = site.get(path, &[]).await.body;
        // On a phone an open filter would hide the results.
        assert!(page.contains("<details class=\"filters\">"), "{path}");
    }
    assert!(!site.get("/datasets?q=zzzzzz", &[]).await.body.contains("class=\"filters\""));
}

#[actix_web::test]
async fn readers_meet_words_and_not_keys() {
    let site = Site::new();
    let context = Context::system("test");
    let draft = json!({"organization": "kaita", "slug": "aed", "title": "AED設置箇所一覧", "extras": {"publisher_name": "海田町役場", "custom": "x"}});
    site.state.app.create_dataset(&context, from_value(draft).unwrap()).unwrap();
    let page = site.page("/datasets/aed").await;
    assert!(page.contains("公開者（収集元の記載）") && !page.contains("publisher_name") && page.contains("custom"), "{page}");
    let english = site.page("/datasets/aed?lang=en").await;
    assert!(english.contains("AED locations") && english.contains("Publisher as stated"), "{english}");
    let home = site.page("/?lang=en").await;
    assert!(home.contains("population (") && !home.contains("</a>、"), "{home}");
    // No empty picture where there is nothing to draw.
    let body = site.page("/organizations/kaita").await;
    assert!(body.contains("この12か月のダウンロードはまだありません") && !body.contains("class=\"chart\""), "{body}");
    let missing = site.get("/assets/nothing.css", &[("accept", "text/html")]).await;
    assert!(missing.body.contains("下の検索") && !missing.body.contains("一覧は /api/docs"), "{}", missing.body);
}

#[actix_web::test]
async fn a_search_without_hits_offers_ways_on() {
    let site = Site::new();
    let body = site.page("/datasets?q=zzzzzz&organization=kaita").await;
    assert!(body.contains("見つかりませんでした"));
    for way in ["href=\"/datasets?q=zzzzzz\"", "href=\"/themes\"", "href=\"/organizations\"", "href=\"/datasets\""] {
        assert!(body.contains(way), "{way}");
    }
}

#[actix_web::test]
async fn counts_speak_of_the_municipalities_of_the_prefecture() {
    let site = Site::new();
    let body = site.page("/organizations").await;
    assert!(body.contains("<strong>2</strong> のうち <strong>1</strong>"), "{body}");
}

#[actix_web::test]
async fn assets_keep_for_ever_under_their_hash_only() {
    let site = Site::new();
    let home = site.page("/").await;
    for address in [super::asset::style_sheet(), super::asset::script()] {
        assert!(home.contains(address));
        let got = site.get(address, &[]).await;
        assert!(got.headers.get(header::CACHE_CONTROL).unwrap().to_str().unwrap().contains("immutable"), "{address}");
        assert!(got.body.len() > 100, "{address} was built");
    }
    assert_eq!(site.get("/assets/portal.0000.css", &[]).await.headers.get(header::CACHE_CONTROL).unwrap(), "no-cache");
}

/// The picture and the table of a chart show the same figures.
#[test]
fn chart_and_table_agree() {
    use askama::Template;
    #[derive(Template)]
    #[template(source = "{% import \"macros.html\" as m %}{% call m::chart(chart, s) %}{% endcall %}", ext = "html")]
    struct Figure {
        chart: super::chart::Chart,
        s: super::page::Shell,
    }
    let series = super::chart::tests::series(&[0, 1_200, 33_000, 7]);
    let chart = super::chart::Chart::of_months(super::words::Lang::Ja, "c", &series, Some(33_000));
    let html = Figure { chart, s: super::page::Shell::default() }.render().unwrap();
    let between = |start: &str, end: &str| -> Vec<String> {
        html.split(start).skip(1).map(|rest| rest.split(end).next().unwrap().to_owned()).collect()
    };
    let drawn = between("data-value=\"", "\"");
    assert_eq!(drawn, ["0", "1,200", "33,000", "7"]);
    assert_eq!(between("<td class=\"num total\">", "<"), drawn);
    assert!(html.contains("role=\"img\"") && html.contains("<caption>"));
}
