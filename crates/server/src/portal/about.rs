//! Pages about the site.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::page::{self, KEEP_PAGE, Reply, Shell};
use crate::http::Shared;

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage {
    s: Shell,
}

#[derive(Template)]
#[template(path = "accessibility.html")]
struct AccessibilityPage {
    s: Shell,
}

#[derive(Template)]
#[template(path = "terms.html")]
struct TermsPage {
    s: Shell,
    licences: Vec<(String, Option<String>, bool)>,
}

pub(super) async fn show_about(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, |_, shell| {
        Reply::page(&AboutPage { s: shell.named("このサイトについて", "About this site", "/about").section("about") })
    })
    .await
}

pub(super) async fn show_accessibility(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, |_, shell| {
        Reply::page(&AccessibilityPage { s: shell.named("アクセシビリティ", "Accessibility", "/accessibility") })
    })
    .await
}

pub(super) async fn show_terms(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, |app, shell| {
        let directory = app.directory();
        let licences = directory.vocabulary.licences.values().map(|licence| {
            let title = shell.t(&licence.title, licence.title_en.as_deref().unwrap_or(&licence.title)).to_owned();
            (title, licence.url.as_deref().and_then(super::words::web_address), licence.open == Some(true))
        });
        let licences = licences.collect();
        Reply::page(&TermsPage { licences, s: shell.named("利用について", "Terms of use", "/terms") })
    })
    .await
}
