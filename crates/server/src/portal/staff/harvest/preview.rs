//! The first records of a source as they would stand here.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::{App, PreviewRecord};

use super::super::{Reply, serve};
use super::run::REFRESH_SECONDS;
use super::{PATH, below_list};
use crate::http::Shared;
use crate::portal::markdown;
use crate::portal::page::Shell;
use crate::portal::words::{Lang, web_address};

#[derive(Template)]
#[template(path = "staff_harvest_preview.html")]
struct PreviewPage {
    s: Shell,
    done: bool,
    whole: bool,
    records: Vec<RecordView>,
    problems: Vec<String>,
}

struct RecordView {
    title: String,
    remote_id: String,
    href: Option<String>,
    description: String,
    licence: String,
    /// The licence has no equal here.
    licence_unknown: bool,
    keywords: Vec<String>,
    themes: Vec<String>,
    files: Vec<(String, String, Option<String>)>,
    notices: Vec<String>,
}

pub(super) async fn show_preview(request: HttpRequest, state: Shared, id: web::Path<String>) -> HttpResponse {
    let id = id.into_inner();
    serve(&request, &state, false, move |app, shell, viewer| {
        let found = app.harvest_preview(&viewer, &id)?;
        let lang = shell.lang;
        let mut shell = below_list(shell).named("プレビュー", "Preview", &format!("{PATH}/previews/{}", found.id));
        shell.refresh = (!found.done).then_some(REFRESH_SECONDS);
        Reply::page(&PreviewPage {
            done: found.done,
            whole: found.whole,
            records: found.records.iter().map(|record| view(app, lang, record)).collect(),
            problems: found.problems.iter().map(|text| lang.sentence(text)).collect(),
            s: shell,
        })
    })
    .await
}

fn view(app: &App, lang: Lang, record: &PreviewRecord) -> RecordView {
    let draft = &record.draft;
    let directory = app.directory();
    let known = draft.licence.as_deref().and_then(|id| directory.licences.get(id));
    let licence = known.map(|licence| licence.draft.title.clone()).or_else(|| draft.licence.clone()).or_else(|| draft.licence_text.clone());
    let themes = draft.themes.iter().map(|id| directory.themes.get(id).map_or_else(|| id.clone(), |theme| theme.draft.title.clone()));
    let files = draft.distributions.iter().flatten().map(|file| {
        let url = file.download_url.as_deref().or(file.access_url.as_deref());
        (file.format.clone().unwrap_or_default(), file.title.clone(), url.and_then(web_address))
    });
    RecordView {
        title: draft.title.clone(),
        remote_id: record.remote_id.clone(),
        href: record.remote_url.as_deref().and_then(web_address),
        description: markdown::to_line(&draft.description, 200),
        licence_unknown: known.is_none(),
        licence: licence.unwrap_or_default(),
        keywords: draft.keywords.clone(),
        themes: themes.collect(),
        files: files.collect(),
        notices: record.notices.iter().map(|text| lang.sentence(text)).collect(),
    }
}
