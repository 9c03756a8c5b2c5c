//! Themes.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::RecordState;
use minato_app::{App, Error};

use super::home::Counted;
use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::search::{choice_address, most_frequent};
use super::words::{Link, Said, segment};
use crate::http::Shared;

#[derive(Template)]
#[template(path = "themes.html")]
struct ThemesPage {
    s: Shell,
    themes: Vec<Counted>,
    keywords: Vec<Counted>,
}

/// Keywords shown beside the themes.
const KEYWORDS_MAX: usize = 60;

pub(super) async fn list_themes(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, list).await
}

fn list(app: &App, shell: Shell) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let counts = app.dataset_counts_by_theme()?;
    let directory = app.directory();
    let themes = directory.themes.values().filter(|theme| theme.state == RecordState::Active).map(|theme| Counted {
        link: Link {
            href: format!("/themes/{}", segment(&theme.id)),
            said: Said::new(lang, &theme.draft.title, theme.draft.title_en.as_deref()),
        },
        count: counts.get(&theme.id).copied().unwrap_or(0),
    });
    let keywords = most_frequent(app.dataset_counts_by_keyword()?).into_iter().take(KEYWORDS_MAX).map(|(word, count)| Counted {
        link: Link { href: super::search::keyword_address(&word), said: Said::new(lang, &word, None) },
        count,
    });
    Reply::page(&ThemesPage {
        themes: themes.collect(),
        keywords: keywords.collect(),
        s: shell.named("分野から探す", "Browse by theme", "/themes").section("themes"),
    })
}

/// A theme's page is the list of its datasets.
pub(super) async fn show_theme(request: HttpRequest, state: Shared, id: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, _| match app.directory().themes.get(id.as_str()) {
        Some(theme) => Ok(Reply::Moved { to: choice_address("theme", &theme.id), permanent: false }),
        None => Err(Error::not_found("theme", id.as_str())),
    })
    .await
}
