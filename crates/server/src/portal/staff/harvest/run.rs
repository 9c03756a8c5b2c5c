//! A run: its counts, and what became of each record.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use minato_app::catalog::{HarvestRecordReport, HarvestStatus, RecordOutcome, Role};
use minato_app::{Context, Error};

use super::super::{Reply, SMALL_FORM_BYTES_MAX, answer, kept_token, parameter, private, read_form, serve};
use super::{PATH, below_source, done_text, may};
use crate::http::Shared;
use crate::portal::harvest::{counts, outcome_name, status_name};
use crate::portal::page::{Shell, finish, render_error};
use crate::portal::words::{Lang, segment};

const RECORDS_SHOWN: i64 = 50;
/// Seconds until a page about something that goes on asks again.
pub(super) const REFRESH_SECONDS: u32 = 4;
/// Longest raw record shown, in characters; the table has all of it.
const RAW_CHARS_MAX: usize = 20_000;

const OUTCOMES: &[RecordOutcome] = &[
    RecordOutcome::Failed,
    RecordOutcome::Added,
    RecordOutcome::Updated,
    RecordOutcome::Suspect,
    RecordOutcome::Archived,
    RecordOutcome::Unchanged,
];

#[derive(Template)]
#[template(path = "staff_harvest_run.html")]
struct RunPage {
    s: Shell,
    path: String,
    status: &'static str,
    tone: &'static str,
    asked: String,
    started: String,
    ended: String,
    message: String,
    going_on: bool,
    may_run: bool,
    /// The outcomes to choose from: address, name, count, whether it is this one.
    filters: Vec<(String, &'static str, String, bool)>,
    shown: &'static str,
    records: Vec<RecordRow>,
    more: Option<String>,
    file: String,
    done: Option<String>,
}

struct RecordRow {
    remote_id: String,
    outcome: &'static str,
    cause: String,
    dataset: Option<String>,
    raw: Option<String>,
    raw_cut: bool,
}

pub(super) async fn show_run(request: HttpRequest, state: Shared, id: web::Path<String>) -> HttpResponse {
    let id = id.into_inner();
    let (wanted, after, done) = (parameter(&request, "outcome"), parameter(&request, "after"), parameter(&request, "done"));
    serve(&request, &state, false, move |app, shell, viewer| {
        let run = app.harvest_run(&viewer, &id)?;
        let source = app.source(&viewer, &run.source_id.to_string())?;
        let lang = shell.lang;
        let path = format!("{PATH}/runs/{}", run.id);
        // What went wrong is what one looks for first.
        let first = if run.counts.failed > 0 { RecordOutcome::Failed } else { RecordOutcome::Added };
        let wanted = wanted.as_deref().and_then(|name| OUTCOMES.iter().copied().find(|outcome| outcome.as_str() == name)).unwrap_or(first);
        let records = app.harvest_outcomes(&viewer, &id, Some(wanted), after.as_deref(), RECORDS_SHOWN)?;
        let full = i64::try_from(records.len()).is_ok_and(|count| count == RECORDS_SHOWN);
        let more =
            records.last().filter(|_| full).map(|last| format!("{path}?outcome={}&after={}", wanted.as_str(), segment(&last.remote_id)));
        let going_on = matches!(run.status, HarvestStatus::Queued | HarvestStatus::Running);
        let (status, tone) = status_name(lang, Some(run.status));
        let numbers = counts(lang, run.counts);
        let filters = OUTCOMES.iter().map(|outcome| {
            let name = outcome_name(lang, *outcome);
            let count = numbers.iter().find(|(known, _)| *known == name).map(|(_, count)| count.clone()).unwrap_or_default();
            (format!("{path}?outcome={}", outcome.as_str()), name, count, *outcome == wanted)
        });
        let mut shell = below_source(shell, &source);
        let at = lang.minute(run.started.unwrap_or(run.created));
        shell.title = match lang {
            Lang::Ja => format!("{at} の収集"),
            Lang::En => format!("Run of {at}"),
        };
        shell.canonical = Some(path.clone());
        shell.refresh = going_on.then_some(REFRESH_SECONDS);
        Reply::page(&RunPage {
            status,
            tone,
            asked: lang.minute(run.created),
            started: run.started.map(|at| lang.minute(at)).unwrap_or_default(),
            ended: run.finished.map(|at| lang.minute(at)).unwrap_or_default(),
            message: run.message.as_ref().map(|text| lang.sentence(text)).unwrap_or_default(),
            going_on,
            may_run: may(&viewer, source.organization_id, Role::Editor),
            filters: filters.collect(),
            shown: outcome_name(lang, wanted),
            records: records.into_iter().map(|record| row(lang, record)).collect(),
            more,
            file: format!("{path}/records.csv"),
            done: done.as_deref().and_then(|done| done_text(lang, done)),
            path,
            s: shell,
        })
    })
    .await
}

pub(super) async fn cancel_run(request: HttpRequest, state: Shared, id: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let (id, action) = (id.into_inner(), form.text("action").to_owned());
    serve(&request, &state, true, move |app, _, viewer| {
        if action != "cancel" {
            return Err(Error::not_found("harvest_run", id));
        }
        let run = app.cancel_harvest(&Context::new(viewer), &id)?;
        Ok(Reply::See(format!("{PATH}/runs/{}?done=canceled", run.id)))
    })
    .await
}

/// All records of a run as a table, as the API gives it.
pub(super) async fn download_records(request: HttpRequest, state: Shared, id: web::Path<String>) -> HttpResponse {
    let Some(secret) = kept_token(&request) else { return answer(&request, Ok(Reply::See("/staff".to_owned()))) };
    let made = match state.run(move |app| app.authenticate_staff(&secret)).await {
        Ok(viewer) => crate::api::export_records(&state, viewer, id.into_inner(), None).await,
        Err(problem) if matches!(problem.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return answer(&request, Ok(Reply::See("/staff".to_owned())));
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok(response) => private(finish(&request, response)),
        Err(problem) if problem.status_code() == StatusCode::INTERNAL_SERVER_ERROR => problem.error_response(),
        Err(problem) => private(render_error(&problem, &request)),
    }
}

fn row(lang: Lang, record: HarvestRecordReport) -> RecordRow {
    let raw_cut = record.raw.as_ref().is_some_and(|raw| raw.chars().count() > RAW_CHARS_MAX);
    RecordRow {
        outcome: outcome_name(lang, record.outcome),
        cause: record.cause.as_ref().map(|text| lang.sentence(text)).unwrap_or_default(),
        dataset: record.dataset_id.map(|id| format!("/datasets/{id}")),
        raw: record.raw.map(|raw| raw.chars().take(RAW_CHARS_MAX).collect()),
        raw_cut,
        remote_id: record.remote_id,
    }
}
