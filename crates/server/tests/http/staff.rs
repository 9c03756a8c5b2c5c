use minato_app::catalog::TokenScope;
use minato_app::{AppSettings, Context};
use minato_server::config::ServerSettings;
use serde_json::json;

use crate::site::{Answer, Ask, Site};

const ORIGIN: &str = "https://catalog.example.jp";

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}

pub(crate) fn post<'a>(site: &'a Site, path: &str, fields: &[(&str, &str)]) -> Ask<'a> {
    site.ask("POST", path).header("origin", ORIGIN).body("application/x-www-form-urlencoded", form(fields))
}

pub(crate) trait SignedIn {
    fn signed_in(self, secret: &str) -> Self;
}

impl SignedIn for Ask<'_> {
    fn signed_in(self, secret: &str) -> Self {
        self.header("cookie", &format!("lang=ja; staff_token={secret}"))
    }
}

pub(crate) fn leads_to(answer: &Answer, path: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, path), "{}", answer.text);
}

/// The value of the hidden field.
pub(crate) fn revision(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"revision\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[actix_web::test]
async fn one_signs_in_with_a_token_and_out_again() {
    let site = Site::open();
    let start = site.get("/staff").await;
    assert_eq!((start.status.as_u16(), start.header("cache-control")), (200, "no-store"));
    assert!(start.text.contains("<label for=\"token\">") && start.text.contains("noindex"));
    assert!(site.get("/").await.text.contains("<a href=\"/staff\" rel=\"nofollow\">職員用</a>"));
    for path in ["/staff/searches", "/staff/searches.csv", "/staff/synonyms", "/staff/sign-out"] {
        leads_to(&site.get(path).await, "/staff");
    }

    let signed_in = post(&site, "/staff", &[("token", &format!(" {}\n", site.publisher))]).send().await;
    leads_to(&signed_in, "/staff");
    let cookie = signed_in.header("set-cookie");
    assert_eq!(cookie, format!("staff_token={}; Path=/staff; Max-Age=43200; HttpOnly; SameSite=Strict; Secure", site.publisher));
    let start = site.ask("GET", "/staff").signed_in(&site.publisher).send().await;
    assert!(start.text.contains("<strong>publisher</strong>") && start.text.contains("/staff/searches"), "{}", start.text);
    assert!(!start.text.contains(&site.publisher), "the token is in no page");

    // The cookie is nobody's anywhere else.
    let whoami = site.ask("GET", "/api/v1/whoami").signed_in(&site.admin).send().await.expect(200);
    assert_eq!(whoami["authenticated"], false);
    let write = json!({"text": "a,b"});
    site.ask("PUT", "/api/v1/search/synonyms").signed_in(&site.admin).any().json(&write).send().await.refuses(401, "");

    let out = post(&site, "/staff/sign-out", &[]).signed_in(&site.publisher).send().await;
    leads_to(&out, "/staff");
    assert!(out.header("set-cookie").starts_with("staff_token=; Path=/staff; Max-Age=0; "));
}

#[actix_web::test]
async fn what_is_no_token_of_staff_is_refused_in_words() {
    let site = Site::open();
    for (token, status) in [("", 422), ("geheim", 422), ("minato_wrong", 403), ("minato_a b", 422)] {
        let refused = post(&site, "/staff", &[("token", token)]).send().await;
        assert_eq!((refused.status.as_u16(), refused.header("set-cookie")), (status, ""), "{token}");
        assert!(refused.text.contains("role=\"alert\"") && refused.text.contains("aria-invalid"), "{token}: {}", refused.text);
    }
    site.ask("POST", "/api/v1/users").token(&site.admin).json(&json!({"name": "guest"})).send().await.expect(201);
    let guest = site.state.app.create_token(&Context::system("test"), "guest", "x", TokenScope::default(), None).unwrap().secret;
    let refused = post(&site, "/staff?lang=en", &[("token", &guest)]).send().await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("members of an organization"), "{}", refused.text);
    leads_to(&site.ask("GET", "/staff/searches").signed_in(&guest).send().await, "/staff");

    // A token that ends signs its owner out.
    let tokens = site.ask("GET", "/api/v1/users/editor/tokens").token(&site.admin).send().await.expect(200);
    let id = tokens["items"][0]["id"].as_str().unwrap();
    site.ask("DELETE", &format!("/api/v1/tokens/{id}")).token(&site.admin).send().await.expect(200);
    leads_to(&site.ask("GET", "/staff/searches").signed_in(&site.editor).send().await, "/staff");
    let start = site.ask("GET", "/staff").signed_in(&site.editor).send().await;
    assert!(start.text.contains("サインインが切れました") && start.header("set-cookie").contains("Max-Age=0"));
}

#[actix_web::test]
async fn forms_are_taken_from_this_site_only() {
    let site = Site::open();
    let fields = form(&[("token", &site.admin), ("text", "a,b"), ("revision", "0"), ("action", "save")]);
    for path in ["/staff", "/staff/sign-out", "/staff/synonyms"] {
        for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site"), ("x-nothing", "")] {
            let ask = site.ask("POST", path).signed_in(&site.admin).header(name, value);
            let refused = ask.body("application/x-www-form-urlencoded", fields.clone()).send().await;
            assert_eq!((refused.status.as_u16(), refused.header("set-cookie")), (403, ""), "{path} {name}: {value}");
            assert!(refused.text.contains("このサイトのページから"), "{}", refused.text);
        }
        let json = site.ask("POST", path).header("origin", ORIGIN).signed_in(&site.admin).json(&json!({"token": site.admin})).send().await;
        assert_eq!(json.status, 415, "{path}");
    }
    assert_eq!(site.get("/api/v1/search/synonyms").await.expect(200)["revision"], 0, "nothing was saved");
    let large = form(&[("token", &"x".repeat(20_000))]);
    let large = site.ask("POST", "/staff").header("origin", ORIGIN).body("application/x-www-form-urlencoded", large).send().await;
    assert_eq!(large.status, 413);
    assert_eq!(site.ask("PUT", "/staff").send().await.status, 405);
}

#[actix_web::test]
async fn synonyms_are_changed_in_a_form() {
    let site = Site::open();
    site.dataset("aed", "自動体外式除細動器の一覧").await;
    let page = site.ask("GET", "/staff/synonyms").signed_in(&site.admin).send().await;
    assert_eq!((page.status.as_u16(), revision(&page.text).as_str()), (200, "0"));
    assert!(page.text.contains("<label for=\"text\">") && page.text.contains("避難所,避難場所") && page.text.contains("保存する"));
    assert!(!page.text.contains("value=\"reset\""), "there is nothing to go back from");

    let save = |text: &str, revision: &str| {
        post(&site, "/staff/synonyms", &[("text", text), ("revision", revision), ("action", "save")]).signed_in(&site.admin)
    };
    leads_to(&save("びりびり君,除細動器\r\n", "0").send().await, "/staff/synonyms?done=saved");
    let found = site.get("/api/v1/search?q=%E3%81%B3%E3%82%8A%E3%81%B3%E3%82%8A%E5%90%9B").await.expect(200);
    assert_eq!(found["items"][0]["slug"], "aed");
    let page = site.ask("GET", "/staff/synonyms?done=saved").signed_in(&site.admin).send().await;
    assert!(page.text.contains("role=\"status\"") && page.text.contains("保存しました"), "{}", page.text);
    assert!(page.text.contains(">\nびりびり君,除細動器\n</textarea>") && page.text.contains("<td>chief</td>"), "{}", page.text);
    leads_to(&save("びりびり君,除細動器\r\n", "1").send().await, "/staff/synonyms?done=unchanged");

    // Unusable lines are named, and what was typed is still there.
    let refused = save("a,b\r\n</textarea><script>alert(1)</script>\r\nc,d|e|f", "1").send().await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("role=\"alert\"") && refused.text.contains("3 行目「c,d|e|f」"), "{}", refused.text);
    assert!(refused.text.contains("2 行目「&#60;/textarea&#62;") && !refused.text.contains("<script>alert"), "{}", refused.text);
    assert!(refused.text.contains("alert(1)&#60;/script&#62;\r\nc,d|e|f</textarea>"), "{}", refused.text);
    let refused = save("", "1").send().await;
    assert!(refused.text.contains("一覧が空です") && !refused.text.contains("/text "), "{}", refused.text);

    // Somebody else was faster.
    let stale = save("a,b", "0").send().await;
    assert_eq!((stale.status.as_u16(), revision(&stale.text).as_str()), (412, "1"));
    assert!(stale.text.contains(">\na,b</textarea>") && stale.text.contains("id=\"theirs\"") && stale.text.contains("ほかの人が"));
    leads_to(&save("a,b", "1").send().await, "/staff/synonyms?done=saved");
    assert_eq!(save("c,d", "nonsense").send().await.status, 412);

    let reset = |revision: &str| post(&site, "/staff/synonyms", &[("revision", revision), ("action", "reset")]).signed_in(&site.admin);
    assert_eq!(reset("1").send().await.status, 412);
    leads_to(&reset("2").send().await, "/staff/synonyms?done=reset");
    assert_eq!(site.get("/api/v1/search/synonyms").await.expect(200)["built_in"], true);
}

#[actix_web::test]
async fn members_read_the_synonyms_and_only_administrators_change_them() {
    let site = Site::open();
    let page = site.ask("GET", "/staff/synonyms?lang=en").signed_in(&site.publisher).send().await;
    assert!(page.text.contains(" readonly") && !page.text.contains("value=\"save\"") && page.text.contains("Only system administrators"));
    let fields = [("text", "a,b"), ("revision", "0"), ("action", "save")];
    assert_eq!(post(&site, "/staff/synonyms", &fields).signed_in(&site.publisher).send().await.status, 403);
    let scope = TokenScope { read_only: true, ..TokenScope::default() };
    let reading = site.state.app.create_token(&Context::system("test"), "chief", "x", scope, None).unwrap().secret;
    assert!(site.ask("GET", "/staff/synonyms").signed_in(&reading).send().await.text.contains(" readonly"));
    assert_eq!(post(&site, "/staff/synonyms", &fields).signed_in(&reading).send().await.status, 403);
    let signed_out = post(&site, "/staff/synonyms", &fields).send().await;
    assert_eq!(signed_out.status, 403);
    assert!(signed_out.text.contains("別のタブでサインイン"), "{}", signed_out.text);
    assert_eq!(site.get("/api/v1/search/synonyms").await.expect(200)["revision"], 0);
}

#[actix_web::test]
async fn searches_of_a_month_are_shown_and_taken_away() {
    let site = Site::open();
    site.dataset("aed", "AED設置箇所一覧").await;
    site.get("/datasets?q=aed").await;
    site.ask("GET", "/datasets/aed").header("referer", &format!("{ORIGIN}/datasets?q=aed")).send().await;
    site.get("/datasets?q=%3D1%2B1%2C%3Cb%3E").await;
    site.get("/datasets?q=zzzz&organization=kure-shi").await;
    // Trying a query from here is no search of a resident.
    site.ask("GET", "/datasets?q=aed").header("referer", &format!("{ORIGIN}/staff/searches")).send().await;
    site.state.app.flush_search_log();
    let page = site.ask("GET", "/staff/searches").signed_in(&site.editor).send().await;
    assert_eq!(page.header("cache-control"), "no-store");
    let text = &page.text;
    assert!(
        text.contains("<a href=\"/datasets?q=aed\" rel=\"nofollow\">aed</a></th><td class=\"num\">1</td><td class=\"num\">1</td>"),
        "{text}"
    );
    assert!(text.contains("<a href=\"/datasets/aed\">AED設置箇所一覧</a>"), "{text}");
    assert_eq!(text.matches("=1+1,&#60;b&#62;</a>").count(), 2, "popular, and found nothing: {text}");
    assert!(text.contains("<select id=\"month\"") && text.contains(" selected>") && text.contains("不明"), "{text}");

    let file = site.ask("GET", "/staff/searches.csv").signed_in(&site.editor).send().await;
    assert!(file.header("content-disposition").contains("attachment") && file.header("content-type").starts_with("text/csv"));
    let lines: Vec<&str> = file.text.strip_prefix('\u{feff}').unwrap().lines().collect();
    assert!(lines[0].starts_with("月,検索された言葉"));
    let month = &lines[1][..7];
    assert_eq!(
        lines[1..],
        [format!("{month},\"'=1+1,<b>\",1,0,0,"), format!("{month},aed,1,1,1,AED設置箇所一覧 (1)"), format!("{month},zzzz,1,,0,")]
    );
    let other = site.ask("GET", "/staff/searches?month=2020-01&lang=en").signed_in(&site.editor).send().await;
    assert!(other.text.contains("<option value=\"2020-01\" selected>January 2020</option>"), "{}", other.text);
    assert!(other.text.contains("There are no searches in this month yet."));
    for query in ["month=", "month=%FF%00", "month=99999-1", "month=0001-01", "month=9999-12"] {
        assert_eq!(site.ask("GET", &format!("/staff/searches?{query}")).signed_in(&site.editor).send().await.status, 200, "{query}");
    }
}

#[actix_web::test]
async fn pages_for_staff_have_a_language_one_heading_and_a_way_past_the_menu() {
    let site = Site::open();
    for path in ["/staff", "/staff/searches", "/staff/synonyms"] {
        for lang in ["ja", "en"] {
            for secret in [&site.admin, ""] {
                if secret.is_empty() && path != "/staff" {
                    continue;
                }
                let page = site.ask("GET", &format!("{path}?lang={lang}")).signed_in(secret).send().await;
                assert_eq!(page.status, 200, "{path}");
                assert!(page.text.contains(&format!("<html lang=\"{lang}\">")), "{path}");
                assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
                assert!(page.text.contains("href=\"#main\"") && page.text.contains("<meta name=\"robots\" content=\"noindex"), "{path}");
                assert!(!page.text.contains(" style=") && !page.text.contains(" onclick="), "{path}");
                assert!(page.headers.contains_key("content-security-policy"), "{path}");
            }
        }
    }
}

#[actix_web::test]
async fn without_tls_the_cookie_works_too() {
    let dir = tempfile::tempdir().unwrap();
    let app = minato_app::App::open(AppSettings::new(dir.path())).unwrap();
    let settings = ServerSettings::default();
    let state = minato_server::server::state(app.clone(), std::sync::Arc::new(settings));
    let system = Context::system("test");
    let draft = minato_app::catalog::UserDraft { name: "chief".to_owned(), admin: true, ..Default::default() };
    app.create::<minato_app::catalog::User>(&system, None, draft).unwrap();
    let secret = app.create_token(&system, "chief", "x", TokenScope::default(), None).unwrap().secret;
    let service = actix_web::test::init_service(actix_web::App::new().app_data(state).configure(minato_server::server::routes)).await;
    let request = actix_web::test::TestRequest::post()
        .uri("/staff")
        .insert_header(("origin", "http://127.0.0.1:8080"))
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload(form(&[("token", &secret)]));
    let response = actix_web::test::call_service(&service, request.to_request()).await;
    let cookie = response.headers().get("set-cookie").unwrap().to_str().unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    app.stop();
}
