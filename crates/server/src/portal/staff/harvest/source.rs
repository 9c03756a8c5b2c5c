//! A source: how it stands, what can be done, its runs, and the words that have no meaning here yet.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{FieldError, HarvestMapping, HarvestRun, RecordState, Role, Viewer, frequencies};
use minato_app::{App, Context, Error, PreviewRequest, TroubledLink};

use super::super::links::{self, CheckView};
use super::super::{Reply, SMALL_FORM_BYTES_MAX, parameter, private, read_form, serve};
use super::{PATH, below_list, count_open, done_text, may, next_run, path_of};
use crate::http::Shared;
use crate::portal::harvest::{counts, kind_name, status_name};
use crate::portal::home::organization_link;
use crate::portal::page::{Shell, render_error};
use crate::portal::words::{Lang, Link, number, web_address};

const RUNS_SHOWN: i64 = 20;
const NOTICES_SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "staff_harvest_source.html")]
struct SourcePage {
    s: Shell,
    path: String,
    kind: &'static str,
    organization: Link,
    url: String,
    href: Option<String>,
    schedule: Option<String>,
    next: String,
    paused: bool,
    archived: bool,
    /// A run waits or goes on: its page.
    running: Option<String>,
    open: i64,
    open_href: String,
    corrections: i64,
    /// The latest look at its links, those in trouble now, and where they are listed.
    check: CheckView,
    troubled: usize,
    links: String,
    may_run: bool,
    may_edit: bool,
    runs: Vec<RunRow>,
    notices: Vec<NoticeRow>,
    done: Option<String>,
    errors: Vec<String>,
}

struct RunRow {
    href: String,
    at: String,
    ended: String,
    status: &'static str,
    tone: &'static str,
    counts: Vec<(&'static str, String)>,
    message: String,
}

struct NoticeRow {
    text: String,
    count: String,
    examples: Vec<String>,
    gap: Option<GapForm>,
}

/// What would settle a notice.
struct GapForm {
    list: &'static str,
    spelling: String,
    /// Ids and names to choose from; none when the id is typed.
    ids: Vec<(String, String)>,
}

pub(super) async fn show_source(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let (key, done) = (key.into_inner(), parameter(&request, "done"));
    serve(&request, &state, false, move |app, shell, viewer| {
        let done = done.as_deref().and_then(|done| done_text(shell.lang, done));
        page(app, shell, &viewer, &key, done, Vec::new())
    })
    .await
}

pub(super) async fn act(request: HttpRequest, state: Shared, key: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let (key, action) = (key.into_inner(), form.text("action").to_owned());
    serve(&request, &state, true, move |app, shell, viewer| {
        let context = Context::new(viewer.clone());
        let at = |source: &minato_app::catalog::HarvestSource, done: &str| format!("{}?done={done}", path_of(source));
        let acted = match action.as_str() {
            "run" => app.queue_harvest(&context, &key).map(|run| format!("{PATH}/runs/{}", run.id)),
            "preview" => {
                app.queue_preview(&context, PreviewRequest::Source(key.clone())).map(|preview| format!("{PATH}/previews/{}", preview.id))
            }
            "links" => {
                app.queue_link_check(&context, &key).and_then(|run| Ok(at(&app.source(&viewer, &run.source_id.to_string())?, "links")))
            }
            "pause" => app.pause_source(&context, &key, true).map(|done| at(&done.value, "paused")),
            "resume" => app.pause_source(&context, &key, false).map(|done| at(&done.value, "resumed")),
            "archive" => app.archive_source(&context, &key).map(|done| at(&done.value, "archived")),
            "restore" => app.restore_source(&context, &key).map(|done| at(&done.value, "restored")),
            other => Err(Error::not_found("harvest_run", other)),
        };
        match acted {
            Ok(to) => Ok(Reply::See(to)),
            Err(Error::Conflict(error)) => page(app, shell, &viewer, &key, None, vec![error]),
            Err(Error::Invalid(errors)) => page(app, shell, &viewer, &key, None, errors),
            Err(error) => Err(error),
        }
    })
    .await
}

/// Gives a word of the source a meaning.
pub(super) async fn add_mapping(request: HttpRequest, state: Shared, key: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let (key, list) = (key.into_inner(), form.text("list").to_owned());
    let (spelling, id) = (form.text("spelling").to_owned(), form.text("id").trim().to_owned());
    serve(&request, &state, true, move |app, shell, viewer| {
        let source = app.source(&viewer, &key)?;
        let mut draft = source.draft.clone();
        let Some(words) = list_of(&mut draft.mapping, &list) else { return Err(Error::not_found("harvest_source", list)) };
        words.insert(spelling, id);
        // What somebody else changes meanwhile is not overwritten.
        let context = Context { expected: Some(source.revision), ..Context::new(viewer.clone()) };
        match app.replace_source(&context, &key, draft) {
            Ok(done) => Ok(Reply::See(format!("{}?done=mapping#notices", path_of(&done.value)))),
            Err(Error::Invalid(errors)) => page(app, shell, &viewer, &key, None, errors),
            Err(error) => Err(error),
        }
    })
    .await
}

/// The words of a list of the mapping.
pub(super) fn list_of<'m>(mapping: &'m mut HarvestMapping, list: &str) -> Option<&'m mut std::collections::BTreeMap<String, String>> {
    Some(match list {
        "licences" => &mut mapping.licences,
        "themes" => &mut mapping.themes,
        "formats" => &mut mapping.formats,
        "frequencies" => &mut mapping.frequencies,
        "areas" => &mut mapping.areas,
        _ => return None,
    })
}

fn page(app: &App, shell: Shell, viewer: &Viewer, key: &str, done: Option<String>, errors: Vec<FieldError>) -> minato_app::Result<Reply> {
    let source = app.source(viewer, key)?;
    if !viewer.has_role(source.organization_id, Role::Viewer) {
        return Err(Error::not_found("harvest_source", key));
    }
    let lang = shell.lang;
    let path = path_of(&source);
    let mut shell = below_list(shell);
    shell.title = source.draft.title.clone();
    shell.title_foreign = lang == Lang::En && !shell.title.is_ascii();
    shell.canonical = Some(path.clone());
    let runs = app.harvest_runs(viewer, key, RUNS_SHOWN)?;
    let running = runs.iter().find(|run| run.finished.is_none()).map(|run| format!("{PATH}/runs/{}", run.id));
    let notices = app.harvest_notices(viewer, key)?;
    let may_edit = may(viewer, source.organization_id, Role::Administrator);
    let corrections = if viewer.read_only { 0 } else { app.source_corrections(viewer, key)?.len() };
    let latest = app.link_check_runs(viewer, key, 1)?.into_iter().next();
    let troubled = app.troubled_links(viewer, &source.organization_id.to_string())?;
    let is_own = |link: &TroubledLink| link.dataset.content.provenance.as_ref().is_some_and(|provenance| provenance.source_id == source.id);
    let troubled = troubled.iter().filter(|link| is_own(link)).count();
    let links_path =
        app.directory().organization(source.organization_id).map(|organization| links::path_of(organization)).unwrap_or_default();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let source_id = source.id;
    Reply::page_as(
        status,
        &SourcePage {
            kind: kind_name(lang, source.draft.kind),
            organization: organization_link(lang, &app.directory(), source.organization_id),
            href: web_address(&source.draft.url),
            url: source.draft.url.clone(),
            schedule: source.draft.schedule.clone(),
            next: next_run(app, lang, &source),
            paused: source.draft.paused,
            archived: source.state == RecordState::Archived,
            running,
            open: count_open(app, viewer, Some(source_id))?,
            open_href: format!("{PATH}/decisions?source={source_id}"),
            corrections: i64::try_from(corrections).unwrap_or(i64::MAX),
            check: links::check_view(lang, &source, latest.as_ref()),
            troubled,
            links: links_path,
            may_run: may(viewer, source.organization_id, Role::Editor),
            may_edit,
            runs: runs.iter().map(|run| run_row(lang, run)).collect(),
            notices: notices
                .into_iter()
                .take(NOTICES_SHOWN)
                .map(|notice| NoticeRow {
                    text: lang.sentence(&notice.text),
                    count: number(notice.count),
                    examples: notice.examples,
                    gap: notice.mapping.filter(|_| may_edit).map(|gap| GapForm {
                        ids: choices(app, lang, gap.list),
                        list: gap.list,
                        spelling: gap.spelling,
                    }),
                })
                .collect(),
            done,
            errors: errors.iter().map(|error| lang.sentence(&error.message)).collect(),
            path,
            s: shell,
        },
    )
}

fn run_row(lang: Lang, run: &HarvestRun) -> RunRow {
    let (status, tone) = status_name(lang, Some(run.status));
    RunRow {
        href: format!("{PATH}/runs/{}", run.id),
        at: lang.minute(run.started.unwrap_or(run.created)),
        ended: run.finished.map(|at| lang.minute(at)).unwrap_or_default(),
        status,
        tone,
        counts: counts(lang, run.counts).into_iter().filter(|(_, count)| count != "0").collect(),
        message: run.message.as_ref().map(|text| lang.sentence(text)).unwrap_or_default(),
    }
}

/// The ids that words of a list may mean; none where there are too many to choose from.
pub(super) fn choices(app: &App, lang: Lang, list: &str) -> Vec<(String, String)> {
    let directory = app.directory();
    let active = |state: RecordState| state == RecordState::Active;
    match list {
        "licences" => directory
            .licences
            .values()
            .filter(|licence| active(licence.state))
            .map(|licence| (licence.id.clone(), said(lang, &licence.draft.title, licence.draft.title_en.as_deref())))
            .collect(),
        "themes" => directory
            .themes
            .values()
            .filter(|theme| active(theme.state))
            .map(|theme| (theme.id.clone(), said(lang, &theme.draft.title, theme.draft.title_en.as_deref())))
            .collect(),
        "frequencies" => frequencies()
            .iter()
            .map(|frequency| (frequency.id.to_owned(), lang.t(frequency.title, frequency.id).replace('_', " ")))
            .collect(),
        _ => Vec::new(),
    }
}

fn said(lang: Lang, ja: &str, en: Option<&str>) -> String {
    lang.t(ja, en.unwrap_or(ja)).to_owned()
}
