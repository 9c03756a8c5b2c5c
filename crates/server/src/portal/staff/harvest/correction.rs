//! What was corrected here in datasets of a source.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{Correction, Role};
use minato_app::{App, Context, Error};
use serde_json::{Value, json};

use super::super::{Reply, SMALL_FORM_BYTES_MAX, parameter, private, read_form, serve};
use super::{PATH, below_list, below_source, done_text, may, path_of};
use crate::api::{corrections_of_source, corrections_table};
use crate::http::Shared;
use crate::portal::history::{corrected_name, shown};
use crate::portal::page::{Shell, render_error};
use crate::portal::words::Lang;

#[derive(Template)]
#[template(path = "staff_harvest_corrections.html")]
struct CorrectionsPage {
    s: Shell,
    rows: Vec<Row>,
    /// A table to take away; of a single dataset, none.
    file: Option<String>,
    /// Where the forms go; `None` when nothing may be dropped.
    form: Option<String>,
    /// The page of the dataset.
    dataset: Option<String>,
    done: Option<String>,
}

struct Row {
    /// Title and page of the dataset, where there are several.
    dataset: Option<(String, String)>,
    remote_id: String,
    field: String,
    path: String,
    base: String,
    value: String,
    actor: String,
    at: String,
}

pub(super) async fn show_source(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let key = key.into_inner();
    serve(&request, &state, false, move |app, shell, viewer| {
        let source = app.source(&viewer, &key)?;
        let lang = shell.lang;
        let path = path_of(&source);
        let found = corrections_of_source(app, &viewer, &key)?;
        let rows = found.into_iter().map(|found| {
            let mut row = row(lang, &found.correction, None);
            row.dataset = Some((found.title, format!("{PATH}/datasets/{}", found.correction.dataset_id)));
            row.remote_id = found.remote_id;
            row
        });
        let rows = rows.collect();
        let shell = below_source(shell, &source).named("カタログで修正した項目", "Corrected here", &format!("{path}/corrections"));
        let file = Some(format!("{path}/corrections.csv"));
        Reply::page(&CorrectionsPage { rows, file, form: None, dataset: None, done: None, s: shell })
    })
    .await
}

pub(super) async fn download_source(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let key = key.into_inner();
    serve(&request, &state, false, move |app, _, viewer| {
        let slug = app.source(&viewer, &key)?.draft.slug;
        let table = corrections_table(&corrections_of_source(app, &viewer, &key)?);
        Ok(Reply::Csv(format!("corrections-{slug}.csv"), table.into_bytes()))
    })
    .await
}

pub(super) async fn show_dataset(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let (key, done) = (key.into_inner(), parameter(&request, "done"));
    serve(&request, &state, false, move |app: &App, shell, viewer| {
        let corrections = app.corrections(&viewer, &key)?;
        let dataset = app.dataset(&viewer, &key)?.dataset;
        let lang = shell.lang;
        let content = serde_json::to_value(&dataset.content).map_err(Error::internal)?;
        let path = format!("{PATH}/datasets/{}", dataset.id);
        let mut shell = below_list(shell).named("カタログで修正した項目", "Corrected here", &path);
        shell.title = format!("{}: {}", dataset.content.title, shell.title);
        Reply::page(&CorrectionsPage {
            rows: corrections.iter().map(|correction| row(lang, correction, Some(&content))).collect(),
            file: None,
            form: may(&viewer, dataset.content.organization_id, Role::Editor).then_some(path),
            dataset: Some(format!("/datasets/{}", dataset.content.slug)),
            done: done.as_deref().and_then(|done| done_text(lang, done)),
            s: shell,
        })
    })
    .await
}

pub(super) async fn drop_correction(request: HttpRequest, state: Shared, key: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let (key, path) = (key.into_inner(), form.text("path").to_owned());
    serve(&request, &state, true, move |app, _, viewer| {
        let dataset = app.drop_correction(&Context::new(viewer), &key, &path)?.value;
        Ok(Reply::See(format!("{PATH}/datasets/{}?done=dropped", dataset.id)))
    })
    .await
}

fn row(lang: Lang, correction: &Correction, content: Option<&Value>) -> Row {
    let nothing = || lang.t("なし", "nothing").to_owned();
    Row {
        dataset: None,
        remote_id: String::new(),
        field: corrected_name(lang, &correction.path, content.unwrap_or(&json!({}))),
        path: correction.path.clone(),
        base: shown(lang, &correction.base).unwrap_or_else(nothing),
        value: shown(lang, &correction.value).unwrap_or_else(nothing),
        actor: correction.actor.clone(),
        at: lang.minute(correction.at),
    }
}
