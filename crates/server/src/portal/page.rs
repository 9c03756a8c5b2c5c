//! What all pages share: language, frame, keeping of whole answers, headers, errors.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use bytes::Bytes;
use minato_app::catalog::Text;
use minato_app::{App, Error};
use sha2::{Digest, Sha256};

use super::asset;
use super::words::{Lang, Link, Said};
use crate::config::ServerSettings;
use crate::http::{Problem, Shared, hex};

/// How long pages with counts on them are kept.
pub(super) const KEEP_PAGE: Duration = Duration::from_secs(10);
/// How long search results are kept.
pub(super) const KEEP_SEARCH: Duration = Duration::from_secs(5);
/// Longest query of a kept page; longer ones are asked for once.
const KEPT_QUERY_BYTES_MAX: usize = 2_000;
/// Media type of pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Nothing from elsewhere, no script or style in the page; `application/ld+json` blocks are data and do not run.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The frame of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Shell {
    /// Language of the page.
    pub(super) lang: Lang,
    /// Name of the site.
    pub(super) site: String,
    /// Public address of the site.
    pub(super) base_url: String,
    /// This page in the other language, from this page.
    pub(super) other_lang: String,
    /// Title of the page; empty on the home page.
    pub(super) title: String,
    /// The title is Japanese in an English page.
    pub(super) title_foreign: bool,
    /// What the page is about, for search engines.
    pub(super) description: String,
    /// The pages above this one, without the home page.
    pub(super) crumbs: Vec<Link>,
    /// Path and query under which the page should be known.
    pub(super) canonical: Option<String>,
    /// Not for search engines.
    pub(super) noindex: bool,
    /// The same content in other forms: media type, address.
    pub(super) alternates: Vec<(&'static str, String)>,
    /// schema.org JSON-LD, ready for a script element.
    pub(super) json_ld: Option<String>,
    /// The main part of the navigation this page belongs to.
    pub(super) section: &'static str,
    /// Asks for itself again after so many seconds.
    pub(super) refresh: Option<u32>,
}

impl Shell {
    pub(super) fn new(request: &HttpRequest, settings: &ServerSettings) -> Shell {
        let lang = language(request);
        let site = lang.t(&settings.title, &settings.title_en).to_owned();
        Shell { lang, site, base_url: settings.base_url(), other_lang: other_language(request.query_string(), lang), ..Shell::default() }
    }

    /// One of two wordings.
    pub(super) fn t<'a>(&self, ja: &'a str, en: &'a str) -> &'a str {
        self.lang.t(ja, en)
    }

    /// Whether the page is in Japanese.
    pub(super) fn ja(&self) -> bool {
        self.lang == Lang::Ja
    }

    /// The style sheet.
    pub(super) fn style_sheet(&self) -> &'static str {
        asset::style_sheet()
    }

    /// The script.
    pub(super) fn script(&self) -> &'static str {
        asset::script()
    }

    /// With a title in both languages and the path it should be known by.
    pub(super) fn named(mut self, ja: &str, en: &str, canonical: &str) -> Shell {
        self.title = self.t(ja, en).to_owned();
        self.canonical = Some(canonical.to_owned());
        self
    }

    /// With a page above this one.
    pub(super) fn under(mut self, href: &str, said: Said) -> Shell {
        self.crumbs.push(Link { href: href.to_owned(), said });
        self
    }

    /// With a page above this one, named in both languages.
    pub(super) fn below(self, href: &str, ja: &str, en: &str) -> Shell {
        let text = self.t(ja, en).to_owned();
        self.under(href, Said { text, foreign: false })
    }

    /// In a part of the navigation.
    pub(super) fn section(mut self, section: &'static str) -> Shell {
        self.section = section;
        self
    }
}

/// What a handler found.
pub(super) enum Reply {
    /// A page.
    Html(String),
    /// A page about something withdrawn.
    Gone(String),
    /// It is elsewhere, for good or for now.
    Moved { to: String, permanent: bool },
    /// Another document.
    Document { body: Vec<u8>, content_type: &'static str },
}

impl Reply {
    /// A page made of its template.
    pub(super) fn page(template: &impl Template) -> minato_app::Result<Reply> {
        Ok(Reply::Html(render(template)?))
    }
}

/// Fills in a template.
pub(super) fn render(template: &impl Template) -> minato_app::Result<String> {
    template.render().map_err(Error::internal)
}

/// Answers a request: from memory, or by `build` on a blocking thread. `accept` tells answers of one address apart.
pub(super) async fn serve(
    request: &HttpRequest,
    state: &Shared,
    accept: &'static str,
    keep: Duration,
    build: impl FnOnce(&App, Shell) -> minato_app::Result<Reply> + Send + 'static,
) -> HttpResponse {
    let lang = language(request);
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let key = format!("portal {} {accept} {}?{query}", lang.code(), uri.path());
    if let Some(answer) = state.answers.get(&state.app, &key) {
        return finish(request, answer.respond(request));
    }
    let generation = state.app.generation();
    let shell = Shell::new(request, &state.settings);
    let reply = match state.run(move |app| build(app, shell)).await {
        Ok(reply) => reply,
        // Who asks for a document, and would not take a page, is a program.
        Err(problem) if accept != "html" && !wants_html(request) => {
            return finish(request, actix_web::ResponseError::error_response(&problem));
        }
        Err(problem) => return render_error(&problem, request),
    };
    let (body, content_type) = match reply {
        Reply::Html(html) => (Bytes::from(html), HTML),
        Reply::Document { body, content_type } => (Bytes::from(body), content_type),
        Reply::Gone(html) => return finish(request, HttpResponse::Gone().content_type(HTML).body(html)),
        Reply::Moved { to, permanent } => {
            let status = if permanent { StatusCode::MOVED_PERMANENTLY } else { StatusCode::FOUND };
            return finish(request, HttpResponse::build(status).insert_header((header::LOCATION, to)).finish());
        }
    };
    let etag = format!("\"{}\"", &hex(&Sha256::digest(&body))[..32]);
    let key = if query.len() <= KEPT_QUERY_BYTES_MAX { key } else { String::new() };
    let keep = if key.is_empty() { Duration::ZERO } else { keep };
    let answer = state.answers.put(key, generation, keep, body, content_type, etag);
    finish(request, answer.respond(request))
}

/// Adds what every answer of the portal carries.
pub(super) fn finish(request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "strict-origin-when-cross-origin");
    // Kept by the browser and asked for again each time: 304 as long as nothing changed.
    set(header::CACHE_CONTROL, "no-cache");
    set(header::VARY, "Accept, Cookie");
    if let Some(lang) = chosen_language(request) {
        let secure =
            if request.app_data::<Shared>().is_some_and(|state| state.settings.base_url().starts_with("https:")) { "; Secure" } else { "" };
        let cookie = format!("lang={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly{secure}", lang.code());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// The language of a request: `lang` in the query, else the cookie, else Japanese.
pub(super) fn language(request: &HttpRequest) -> Lang {
    chosen_language(request).or_else(|| kept_language(request)).unwrap_or_default()
}

fn chosen_language(request: &HttpRequest) -> Option<Lang> {
    let query = request.query_string();
    if !query.contains("lang=") {
        return None;
    }
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "lang").and_then(|(_, value)| Lang::parse(&value))
}

fn kept_language(request: &HttpRequest) -> Option<Lang> {
    cookie(request, "lang").and_then(Lang::parse)
}

/// The value of a cookie; of several with this name the first, which is that of the longest path.
pub(super) fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let cookies = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// The query of the same page in the other language.
fn other_language(query: &str, lang: Lang) -> String {
    let other = match lang {
        Lang::Ja => Lang::En,
        Lang::En => Lang::Ja,
    };
    let pairs = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != "lang").take(100);
    let mut serializer = url::form_urlencoded::Serializer::new(String::new());
    serializer.extend_pairs(pairs.map(|(key, value)| (key, clip(value))));
    serializer.append_pair("lang", other.code());
    format!("?{}", serializer.finish())
}

fn clip(value: Cow<'_, str>) -> Cow<'_, str> {
    match value.char_indices().nth(500) {
        Some((end, _)) => Cow::Owned(value[..end].to_owned()),
        None => value,
    }
}

/// Whether the client would rather have a page than problem details: browsers name HTML in `Accept`.
pub fn wants_html(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html") || accept.contains("application/xhtml+xml")
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    s: Shell,
    status: u16,
    message: String,
}

/// A problem as a page, in the language of the request. For paths that people visit.
pub fn render_error(problem: &Problem, request: &HttpRequest) -> HttpResponse {
    let Some(state) = request.app_data::<Shared>() else { return actix_web::ResponseError::error_response(problem) };
    let mut shell = Shell::new(request, &state.settings);
    let details = problem.details();
    let (ja, en) = match problem.status() {
        StatusCode::NOT_FOUND => ("ページが見つかりません", "Page not found"),
        StatusCode::GONE => ("公開を終了しました", "Withdrawn"),
        StatusCode::SERVICE_UNAVAILABLE => ("混み合っています", "Busy for the moment"),
        status if status.is_client_error() => ("表示できません", "This cannot be shown"),
        _ => ("問題が起きました", "Something went wrong"),
    };
    shell.title = shell.t(ja, en).to_owned();
    shell.noindex = true;
    let message = shell.lang.sentence(&Text::new(&details.detail, &details.detail_en));
    let page = ErrorPage { status: problem.status().as_u16(), message, s: shell };
    match page.render() {
        Ok(html) => {
            let mut response = HttpResponse::build(problem.status());
            if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            finish(request, response.content_type(HTML).body(html))
        }
        Err(_) => actix_web::ResponseError::error_response(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn request(path: &str, cookie: &str) -> HttpRequest {
        TestRequest::with_uri(path).insert_header((header::COOKIE, cookie)).to_http_request()
    }

    #[test]
    fn japanese_unless_asked_otherwise() {
        for (path, cookie, expected) in [
            ("/", "", Lang::Ja),
            ("/?lang=en", "", Lang::En),
            ("/", "a=b; lang=en", Lang::En),
            ("/?lang=ja", "lang=en", Lang::Ja),
            ("/?lang=fr", "lang=en", Lang::En),
            ("/?lang=%FF", "lang=xx", Lang::Ja),
            ("/?slang=en", "", Lang::Ja),
        ] {
            assert_eq!(language(&request(path, cookie)), expected, "{path} {cookie}");
        }
    }

    #[test]
    fn a_choice_is_kept_in_a_cookie() {
        let chosen = finish(&request("/?lang=en", ""), HttpResponse::Ok().finish());
        let cookie = chosen.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap();
        assert!(cookie.starts_with("lang=en; Path=/"), "{cookie}");
        assert!(!finish(&request("/", "lang=en"), HttpResponse::Ok().finish()).headers().contains_key(header::SET_COOKIE));
    }

    #[test]
    fn switching_language_keeps_the_search() {
        assert_eq!(
            other_language("q=%E9%98%B2%E7%81%BD&lang=ja&theme=a&theme=b", Lang::Ja),
            "?q=%E9%98%B2%E7%81%BD&theme=a&theme=b&lang=en"
        );
        assert_eq!(other_language("", Lang::En), "?lang=ja");
        // Only a query: no path can lead the reader off the site.
        assert!(other_language("x=//example.com\"><script>", Lang::Ja).starts_with("?x=%2F%2F"));
    }
}
