//! Style sheet, script and icon, and what is there for crawlers.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use minato_app::catalog::Viewer;
use sha2::{Digest, Sha256};

use super::page::{self, KEEP_PAGE, Reply, render_error};
use crate::http::{Problem, Shared, hex};

const STYLE_SHEET: &str = include_str!("../../assets/dist/portal.css");
const SCRIPT: &str = include_str!("../../assets/dist/portal.js");
const FAVICON: &str = include_str!("../../assets/src/favicon.svg");

/// Most addresses in one sitemap; the protocol allows 50,000.
const SITEMAP_MAX: i64 = 40_000;

static STYLE_SHEET_PATH: LazyLock<String> = LazyLock::new(|| format!("/assets/portal.{}.css", hash(STYLE_SHEET)));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| format!("/assets/portal.{}.js", hash(SCRIPT)));

fn hash(content: &str) -> String {
    hex(&Sha256::digest(content.as_bytes()))[..16].to_owned()
}

/// Path of the style sheet; another one whenever its content changes.
pub(super) fn style_sheet() -> &'static str {
    &STYLE_SHEET_PATH
}

/// Path of the script; another one whenever its content changes.
pub(super) fn script() -> &'static str {
    &SCRIPT_PATH
}

/// A file of the portal itself. An older name answers with what there is now, for pages that a proxy kept.
pub(super) async fn show_asset(request: HttpRequest, name: web::Path<String>) -> HttpResponse {
    let current = request.path() == style_sheet() || request.path() == script();
    let (content_type, body) = match name.as_str() {
        name if name.starts_with("portal.") && name.ends_with(".css") => ("text/css; charset=utf-8", STYLE_SHEET),
        name if name.starts_with("portal.") && name.ends_with(".js") => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return render_error(&Problem::no_page(request.path()), &request),
    };
    let cache = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body)
}

pub(super) async fn show_favicon() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "image/svg+xml"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(FAVICON)
}

pub(super) async fn redirect_favicon() -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/favicon.svg")).finish()
}

/// Search results are endless combinations of the same datasets; the sitemap leads to each of them once.
pub(super) async fn show_robots(state: Shared) -> HttpResponse {
    let body = format!(
        "User-agent: *\nDisallow: /search\nDisallow: /datasets?\nDisallow: /*/history/\nDisallow: /staff\nDisallow: /api/\nDisallow: /d/\nDisallow: /*/download/\nDisallow: /*/download.zip\n\nSitemap: {}/sitemap.xml\n",
        state.settings.base_url()
    );
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(body)
}

/// All pages, or the list of the parts when one file is too small for them.
pub(super) async fn show_sitemap(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "xml", KEEP_PAGE, |app, shell| {
        let total = app.count_datasets(&Viewer::public(), Default::default())?;
        if total <= SITEMAP_MAX {
            return sitemap(app, &shell.base_url, 0);
        }
        let parts = (total + SITEMAP_MAX - 1) / SITEMAP_MAX;
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
        );
        for number in 1..=parts {
            xml.push_str(&format!("<sitemap><loc>{}/sitemap/{number}.xml</loc></sitemap>\n", xml_text(&shell.base_url)));
        }
        xml.push_str("</sitemapindex>\n");
        Ok(Reply::Document { body: xml.into_bytes(), content_type: "application/xml" })
    })
    .await
}

/// One part of a large sitemap, counted from 1.
pub(super) async fn show_sitemap_part(request: HttpRequest, state: Shared, number: web::Path<String>) -> HttpResponse {
    let Some(number) = number.parse::<i64>().ok().filter(|number| (1..=1_000).contains(number)) else {
        return render_error(&Problem::no_page(request.path()), &request);
    };
    page::serve(&request, &state, "xml", KEEP_PAGE, move |app, shell| sitemap(app, &shell.base_url, (number - 1) * SITEMAP_MAX)).await
}

fn sitemap(app: &minato_app::App, base_url: &str, offset: i64) -> minato_app::Result<Reply> {
    let base_url = xml_text(base_url);
    let mut xml =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
    if offset == 0 {
        for path in ["/", "/organizations", "/themes", "/stats", "/harvest", "/about", "/terms", "/accessibility"] {
            xml.push_str(&format!("<url><loc>{base_url}{path}</loc></url>\n"));
        }
        for organization in app.directory().organizations() {
            xml.push_str(&format!("<url><loc>{base_url}/organizations/{}</loc></url>\n", organization.draft.slug));
        }
    }
    for slug in app.dataset_slugs(&Viewer::public(), SITEMAP_MAX, offset)? {
        xml.push_str(&format!("<url><loc>{base_url}/datasets/{slug}</loc></url>\n"));
    }
    xml.push_str("</urlset>\n");
    Ok(Reply::Document { body: xml.into_bytes(), content_type: "application/xml" })
}

fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
