//! Harvesting for staff: sources, runs, what failed, and what waits for a decision.

mod correction;
mod decision;
mod form;
mod preview;
mod run;
mod source;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{DecisionState, HarvestSource, Role, Viewer};
use minato_app::{App, DecisionListing};
use uuid::Uuid;

use super::{Reply, parameter, serve, titled};
use crate::http::Shared;
use crate::portal::get;
use crate::portal::harvest::{kind_name, status_name};
use crate::portal::home::organization_link;
use crate::portal::page::Shell;
use crate::portal::words::{Lang, Link, Said, number};

const PATH: &str = "/staff/harvest";
/// Names below [`PATH`] that are no sources; a source with such a name is reached by its id.
const RESERVED: &[&str] = &["new", "runs", "previews", "decisions", "datasets"];
/// Decisions counted; more are shown as so many.
const OPEN_MAX: i64 = 1000;

#[derive(Template)]
#[template(path = "staff_harvest.html")]
struct SourcesPage {
    s: Shell,
    sources: Vec<SourceRow>,
    /// Decisions that wait, over all sources.
    open: i64,
    may_create: bool,
    done: Option<String>,
}

struct SourceRow {
    href: String,
    title: String,
    organization: Link,
    kind: &'static str,
    paused: bool,
    status: &'static str,
    tone: &'static str,
    at: String,
    failed: i64,
    next: String,
    records: String,
    open: i64,
    open_href: String,
}

/// Registers the pages.
pub(super) fn configure(service: &mut web::ServiceConfig) {
    let post = web::post;
    service
        .service(get(PATH, show_sources).route(post().to(form::create_source)))
        .service(get("/staff/harvest/new", form::show_new))
        .service(get("/staff/harvest/runs/{id}", run::show_run).route(post().to(run::cancel_run)))
        .service(get("/staff/harvest/runs/{id}/records.csv", run::download_records))
        .service(get("/staff/harvest/previews/{id}", preview::show_preview))
        .service(get("/staff/harvest/decisions", decision::show_decisions).route(post().to(decision::decide_many)))
        .service(get("/staff/harvest/decisions/{id}", decision::show_decision).route(post().to(decision::decide)))
        .service(get("/staff/harvest/datasets/{key}", correction::show_dataset).route(post().to(correction::drop_correction)))
        .service(get("/staff/harvest/{source}", source::show_source).route(post().to(source::act)))
        .service(get("/staff/harvest/{source}/edit", form::show_edit).route(post().to(form::save_source)))
        .service(web::resource("/staff/harvest/{source}/mapping").route(post().to(source::add_mapping)))
        .service(get("/staff/harvest/{source}/corrections", correction::show_source))
        .service(get("/staff/harvest/{source}/corrections.csv", correction::download_source));
}

async fn show_sources(request: HttpRequest, state: Shared) -> HttpResponse {
    let done = parameter(&request, "done");
    serve(&request, &state, false, move |app, shell, viewer| {
        let shell = titled(shell, "収集", "Harvesting", PATH);
        let lang = shell.lang;
        let directory = app.directory();
        let mut sources = Vec::new();
        for found in app.source_statuses(&viewer)? {
            let source = &found.source;
            if !viewer.has_role(source.organization_id, Role::Viewer) {
                continue;
            }
            let run = found.last_run.as_ref();
            let (status, tone) = status_name(lang, run.map(|run| run.status));
            sources.push(SourceRow {
                href: path_of(source),
                title: source.draft.title.clone(),
                organization: organization_link(lang, &directory, source.organization_id),
                kind: kind_name(lang, source.draft.kind),
                paused: source.draft.paused,
                status,
                tone,
                at: run.map(|run| lang.minute(run.finished.or(run.started).unwrap_or(run.created))).unwrap_or_default(),
                failed: run.map_or(0, |run| run.counts.failed),
                next: next_run(app, lang, source),
                records: number(found.records),
                open: count_open(app, &viewer, Some(source.id))?,
                open_href: format!("{PATH}/decisions?source={}", source.id),
            });
        }
        Reply::page(&SourcesPage {
            open: sources.iter().map(|source| source.open).sum(),
            sources,
            may_create: may_create(&viewer),
            done: done.as_deref().and_then(|done| done_text(lang, done)),
            s: shell,
        })
    })
    .await
}

/// Where a source's page is.
pub(super) fn path_of(source: &HarvestSource) -> String {
    let slug = source.draft.slug.as_str();
    if RESERVED.contains(&slug) { format!("{PATH}/{}", source.id) } else { format!("{PATH}/{slug}") }
}

/// The frame of a page below a source's page.
fn below_source(shell: Shell, source: &HarvestSource) -> Shell {
    let foreign = shell.lang == Lang::En && !source.draft.title.is_ascii();
    below_list(shell).under(&path_of(source), Said { text: source.draft.title.clone(), foreign })
}

/// The frame of a page below the list of sources.
fn below_list(shell: Shell) -> Shell {
    shell.below("/staff", "職員用ページ", "For staff").below(PATH, "収集", "Harvesting")
}

fn next_run(app: &App, lang: Lang, source: &HarvestSource) -> String {
    match app.next_harvest(source) {
        Some(at) => lang.minute(at),
        None if source.draft.paused => lang.t("一時停止中", "paused").to_owned(),
        None => lang.t("予定なし（手動のみ）", "on demand only").to_owned(),
    }
}

/// Decisions that need somebody.
fn count_open(app: &App, viewer: &Viewer, source: Option<Uuid>) -> minato_app::Result<i64> {
    let listing = DecisionListing {
        source: source.map(|id| id.to_string()),
        state: Some(DecisionState::Open),
        automatic: Some(false),
        limit: OPEN_MAX,
        ..DecisionListing::default()
    };
    // Who may only read is told nothing of decisions.
    if viewer.read_only {
        return Ok(0);
    }
    Ok(i64::try_from(app.decisions(viewer, &listing)?.len()).unwrap_or(i64::MAX))
}

/// Whether the viewer may register a source for anybody.
fn may_create(viewer: &Viewer) -> bool {
    !viewer.read_only && (viewer.admin || viewer.roles.values().any(|role| *role >= Role::Administrator))
}

fn may(viewer: &Viewer, organization_id: Uuid, role: Role) -> bool {
    !viewer.read_only && viewer.has_role(organization_id, role)
}

/// What was done before a page, by the word in its address.
fn done_text(lang: Lang, done: &str) -> Option<String> {
    let text = match done {
        "created" => lang.t(
            "収集元を登録しました。「いま収集する」で最初の収集を始められます。",
            "The source is registered. Start its first run with “Harvest now”.",
        ),
        "saved" => lang.t("保存しました。次の収集から使われます。", "Saved. The next run uses it."),
        "paused" => lang.t("一時停止しました。データセットはそのまま残ります。", "Paused. Its datasets stay as they are."),
        "resumed" => lang.t("再開しました。", "It goes on."),
        "archived" => {
            lang.t("収集元を片付けました。データセットはそのまま残ります。", "The source was put away. Its datasets stay as they are.")
        }
        "restored" => lang.t("収集元を元に戻しました。", "The source is back."),
        "mapping" => lang.t("対応を登録しました。次の収集から使われます。", "The word has its meaning now. The next run uses it."),
        "canceled" => lang.t("中止を依頼しました。取り込んだ分はそのままです。", "Asked to stop. What was taken over stays."),
        "links" => lang.t(
            "リンクの確認を始めます。件数が多いと時間がかかります。",
            "The links will be looked at now. With many of them it takes a while.",
        ),
        "accepted" => lang.t("「はい」と判断しました。", "You said yes."),
        "rejected" => lang.t("「いいえ」と判断しました。", "You said no."),
        "dropped" => lang.t("収集元の値に戻しました。", "The field says again what the source says."),
        _ => return None,
    };
    Some(text.to_owned())
}
