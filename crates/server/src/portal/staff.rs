//! Pages for staff: harvesting, what residents search, and the synonyms of the search. Signing in is pasting an API token.
//!
//! The token is kept in a cookie that browsers send to `/staff` only, and that is read here only: no other page and no API knows it. A form is
//! taken only from a page of this site. Nothing of these pages is kept, neither here nor by browsers.

mod figures;
mod harvest;
mod links;
mod searches;
mod synonym_list;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{Text, Viewer};
use minato_app::{App, Error};

use super::page::{self, HTML, Shell, finish, render, render_error};
use crate::config::ServerSettings;
use crate::http::{Problem, Shared, is_own_address, read_body};

/// The cookie that holds the token.
const COOKIE: &str = "staff_token";
/// How long one stays signed in: a working day. The token itself may end earlier.
const SIGNED_IN_SECONDS: u32 = 12 * 60 * 60;
/// Longest token looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 200;
/// Most fields of a form that are read.
const FIELDS_MAX: usize = 200;
/// Largest form for signing in and out, in bytes.
const SMALL_FORM_BYTES_MAX: usize = 10_000;

#[derive(Template)]
#[template(path = "staff.html")]
struct StaffPage {
    s: Shell,
    /// Who is signed in; without anybody, the page asks for a token.
    name: Option<String>,
    admin: bool,
    /// Why a token was not taken.
    error: Option<String>,
    /// Why one is asked again.
    note: Option<String>,
}

/// The first value of a parameter of the query.
fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    url::form_urlencoded::parse(request.query_string().as_bytes()).find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
}

/// What a page for staff is answered with.
enum Reply {
    /// A page.
    Page(StatusCode, String),
    /// Go on there.
    See(String),
    /// A table to take away: file name, content.
    Csv(String, Vec<u8>),
}

impl Reply {
    fn page(template: &impl Template) -> minato_app::Result<Reply> {
        Reply::page_as(StatusCode::OK, template)
    }

    fn page_as(status: StatusCode, template: &impl Template) -> minato_app::Result<Reply> {
        Ok(Reply::Page(status, render(template)?))
    }
}

/// Registers the pages for staff.
pub(super) fn configure(service: &mut web::ServiceConfig) {
    service
        .service(super::get("/staff", show_start).route(web::post().to(sign_in)))
        .service(super::get("/staff/sign-out", redirect_to_start).route(web::post().to(sign_out)))
        .service(super::get("/staff/searches", searches::show_searches))
        .service(super::get("/staff/searches.csv", searches::download_searches))
        .service(super::get("/staff/figures", figures::show_figures).route(web::post().to(figures::save_figures)))
        .service(super::get("/staff/synonyms", synonym_list::show_synonyms).route(web::post().to(synonym_list::save_synonyms)))
        .configure(links::configure)
        .configure(harvest::configure);
}

/// What one may do here, or the form for signing in.
async fn show_start(request: HttpRequest, state: Shared) -> HttpResponse {
    let Some(secret) = kept_token(&request) else { return start(&request, &state, StatusCode::OK, None) };
    let shell = shell(&request, &state.settings);
    let found = state.run(move |app| app.authenticate_staff(&secret)).await;
    match found {
        Ok(viewer) => {
            let page = StaffPage { name: Some(viewer.name.clone()), admin: viewer.admin, error: None, note: None, s: shell };
            answer(&request, Reply::page(&page))
        }
        // The token was revoked, or its user has no role any more.
        Err(problem) if problem.status().is_client_error() => {
            let note = shell
                .t("サインインが切れました。もう一度サインインしてください。", "You are no longer signed in; sign in again.")
                .to_owned();
            let page = StaffPage { name: None, admin: false, error: None, note: Some(note), s: shell };
            with_cookie(answer(&request, Reply::page(&page)), &state.settings, "", 0)
        }
        Err(problem) => private(render_error(&problem, &request)),
    }
}

async fn redirect_to_start(request: HttpRequest) -> HttpResponse {
    answer(&request, Ok(Reply::See("/staff".to_owned())))
}

async fn sign_in(request: HttpRequest, state: Shared, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let secret = form.text("token").trim().to_owned();
    if !is_token(&secret) {
        let text = Text::new(
            "API トークンの形ではありません。minato_ で始まる文字列を、そのまま貼り付けてください。",
            "this is no API token; paste the whole text that begins with minato_",
        );
        return start(&request, &state, StatusCode::UNPROCESSABLE_ENTITY, Some(text));
    }
    let given = secret.clone();
    match state.run(move |app| app.authenticate_staff(&given)).await {
        Ok(_) => with_cookie(answer(&request, Ok(Reply::See("/staff".to_owned()))), &state.settings, &secret, SIGNED_IN_SECONDS),
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            let text = Text::new(
                "この API トークンは使えません。期限が切れているか、取り消されています。システム管理者に新しいトークンを依頼してください。",
                "this API token is not valid: it is unknown, expired or revoked; ask a system administrator for a new one",
            );
            start(&request, &state, StatusCode::FORBIDDEN, Some(text))
        }
        Err(problem) if problem.status() == StatusCode::FORBIDDEN => {
            let details = problem.details();
            start(&request, &state, StatusCode::FORBIDDEN, Some(Text::new(&details.detail, &details.detail_en)))
        }
        Err(problem) => private(render_error(&problem, &request)),
    }
}

async fn sign_out(request: HttpRequest, state: Shared, payload: web::Payload) -> HttpResponse {
    match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(_) => with_cookie(answer(&request, Ok(Reply::See("/staff".to_owned()))), &state.settings, "", 0),
        Err(problem) => private(render_error(&problem, &request)),
    }
}

/// The form for signing in, with the reason why a token was not taken.
fn start(request: &HttpRequest, state: &Shared, status: StatusCode, refused: Option<Text>) -> HttpResponse {
    let shell = shell(request, &state.settings);
    let error = refused.map(|text| shell.lang.sentence(&text));
    answer(request, Reply::page_as(status, &StaffPage { name: None, admin: false, error, note: None, s: shell }))
}

/// Answers with what `build` makes for the one who is signed in. Who is not is sent to the form, or with `form` told so: what was typed must
/// not be lost on the way.
async fn serve(
    request: &HttpRequest,
    state: &Shared,
    form: bool,
    build: impl FnOnce(&App, Shell, Viewer) -> minato_app::Result<Reply> + Send + 'static,
) -> HttpResponse {
    let shell = shell(request, &state.settings);
    let secret = kept_token(request);
    let made = state
        .run(move |app| {
            let viewer = match secret.map(|secret| app.authenticate_staff(&secret)) {
                None | Some(Err(Error::Unauthenticated | Error::Forbidden(_))) => return Ok(None),
                Some(viewer) => viewer?,
            };
            build(app, shell, viewer).map(Some)
        })
        .await;
    match made {
        Ok(Some(reply)) => answer(request, Ok(reply)),
        Ok(None) if form => {
            let text = Text::new(
                "サインインしていないため、保存していません。別のタブでサインインしてから、このページを再読み込みすると、同じ内容をもう一度送れます。",
                "you are not signed in, so nothing was saved; sign in in another tab, then reload this page to send the same again",
            );
            private(render_error(&Problem::new(StatusCode::FORBIDDEN, "forbidden", text, Vec::new()), request))
        }
        Ok(None) => answer(request, Ok(Reply::See("/staff".to_owned()))),
        Err(problem) => private(render_error(&problem, request)),
    }
}

fn answer(request: &HttpRequest, reply: minato_app::Result<Reply>) -> HttpResponse {
    let response = match reply {
        Ok(Reply::Page(status, html)) => HttpResponse::build(status).content_type(HTML).body(html),
        // 303: what follows a form is a GET.
        Ok(Reply::See(to)) => HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish(),
        Ok(Reply::Csv(name, content)) => HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((header::CONTENT_DISPOSITION, minato_app::files::content_disposition(&name)))
            .body(content),
        Err(error) => return private(render_error(&error.into(), request)),
    };
    private(finish(request, response))
}

/// An answer that nobody keeps.
fn private(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn shell(request: &HttpRequest, settings: &ServerSettings) -> Shell {
    let mut shell = Shell::new(request, settings).named("職員用ページ", "For staff", "/staff").section("staff");
    shell.noindex = true;
    shell
}

/// The frame of a page below the start page.
fn titled(shell: Shell, ja: &str, en: &str, canonical: &str) -> Shell {
    shell.below("/staff", "職員用ページ", "For staff").named(ja, en, canonical)
}

/// Sets or (with 0 seconds) takes away the cookie.
fn with_cookie(mut response: HttpResponse, settings: &ServerSettings, secret: &str, seconds: u32) -> HttpResponse {
    let secure = if settings.base_url().starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={secret}; Path=/staff; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The token of who is signed in.
fn kept_token(request: &HttpRequest) -> Option<String> {
    page::cookie(request, COOKIE).filter(|secret| is_token(secret)).map(str::to_owned)
}

fn is_token(text: &str) -> bool {
    text.starts_with("minato_")
        && text.len() <= TOKEN_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    /// The first value of a field; empty when absent.
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str())
    }
}

/// Reads a form that a page of this site sent.
async fn read_form(request: &HttpRequest, settings: &ServerSettings, payload: web::Payload, bytes_max: usize) -> Result<Form, Problem> {
    if !is_own_form(request, settings) {
        let text = Text::new(
            "このサイトのページから送られたものではないため、受け付けませんでした。職員用ページを開き直して、もう一度送ってください。",
            "this did not come from a page of this site and was not taken; open the page for staff again and repeat it",
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", text, Vec::new()));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::unsupported_media_type(essence, "application/x-www-form-urlencoded"));
    }
    let body = read_body(payload.into_inner(), bytes_max).await?;
    Ok(Form(url::form_urlencoded::parse(&body).into_owned().take(FIELDS_MAX).collect()))
}

/// Browsers say where a form comes from, and no page can make them lie: `Sec-Fetch-Site` over TLS, `Origin` everywhere. The cookie is
/// `SameSite=Strict` beside this; either would do, and either may have a gap.
fn is_own_form(request: &HttpRequest, settings: &ServerSettings) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            let origin = text("origin").and_then(|origin| url::Url::parse(origin).ok());
            origin.is_some_and(|origin| is_own_address(request, settings, &origin))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_form_is_taken_from_this_site_only() {
        let settings = ServerSettings { base_url: Some("https://catalog.example.jp".to_owned()), ..ServerSettings::default() };
        for (headers, own) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://catalog.example.jp")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("origin", "https://catalog.example.jp")], true),
            (vec![("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true),
            (vec![("origin", "http://127.0.0.1:8081"), ("host", "127.0.0.1:8080")], false),
            (vec![("origin", "https://catalog.example.jp.evil.example")], false),
            (vec![("origin", "http://catalog.example.jp")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "")], false),
            (vec![], false),
        ] {
            let request = headers.iter().fold(TestRequest::post(), |request, header| request.insert_header(*header)).to_http_request();
            assert_eq!(is_own_form(&request, &settings), own, "{headers:?}");
        }
    }

    #[test]
    fn only_what_may_be_a_token_becomes_a_cookie() {
        assert!(is_token("minato_Ab-9_z"));
        for text in
            ["", "minato", "x", "minato_a b", "minato_a;Path=/", "minato_\r\nx", "minato_あ", &format!("minato_{}", "a".repeat(200))]
        {
            assert!(!is_token(text), "{text}");
        }
    }
}
