//! Harvest sources and their runs; what became of the records, previews, decisions and corrections stand beside.

mod correction;
mod decision;
mod link;
mod preview;
mod record;

pub(crate) use correction::{of_source as corrections_of_source, table as corrections_table};
pub(crate) use link::{TroubledLinkView, of_organization as troubled_links, table as troubled_links_table};
pub(crate) use record::export as export_records;

use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use minato_app::catalog::{HarvestRun, HarvestSource, HarvestSourceDraft, from_value, merge_patch};
use minato_app::{App, Context, Done, Error};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{json as loaded, read, wrote};
use super::noun::whole;
use super::request::{Act, IfMatch, Query, Write, key, strip};
use super::route::{Endpoint, delete, get, patch, post, put, query, whole as whole_number};
use crate::http::{Problem, Shared};

const TAG: &str = "harvest";
/// Fields of answers that a source sent back may carry; they are ignored.
const READ_ONLY: &[&str] = &["id", "organization_id", "state", "revision", "created", "updated", "next_run"];
const READ_ONLY_IN_PATCH: &[&str] = &["id", "organization_id", "revision", "created", "updated", "next_run"];

/// A source as the API answers it.
#[derive(Serialize, ToSchema)]
struct HarvestSourceView {
    #[serde(flatten)]
    source: HarvestSource,
    /// When it runs next by its schedule; `null` when it does not. Ignored when sent back.
    #[schema(required = false)]
    next_run: Option<DateTime<Utc>>,
}

impl HarvestSourceView {
    fn new(app: &App, source: HarvestSource) -> HarvestSourceView {
        HarvestSourceView { next_run: app.next_harvest(&source), source }
    }
}

/// The endpoints of harvesting.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let example = || {
        json!({"slug": "fuchu-list", "title": "府中町 オープンデータ一覧", "kind": "open_data_list", "url": "https://www.town.fuchu.hiroshima.jp/opendata/list.csv",
            "organization": "343021", "missing_runs_max": 2, "grace_days": 7})
    };
    let mut endpoints = vec![
        get("/harvest-sources", "list_harvest_sources", list_sources)
            .says(TAG, "収集元の一覧", "The harvest sources in use, by slug.")
            .answers_page::<HarvestSourceView>("All sources."),
        post("/harvest-sources", "create_harvest_source", create_source)
            .says(
                TAG,
                "収集元を登録する",
                "A new source. For administrators of its organization. With `dry_run=true` it is only checked, and every mistake is named.",
            )
            .body::<HarvestSourceDraft>(example())
            .answers::<HarvestSourceView>(&["201"], "The source."),
        get("/harvest-sources/{key}", "get_harvest_source", get_source)
            .says(TAG, "収集元を取得する", "One source by id or slug.")
            .answers::<HarvestSourceView>(&["200"], "The source; `ETag` is its revision."),
        put("/harvest-sources/{key}", "replace_harvest_source", replace_source)
            .says(TAG, "収集元を置き換える", "Replaces how a source is set up. The answer of a GET may be sent back.")
            .if_match(IfMatch::Required)
            .body::<HarvestSourceDraft>(example())
            .answers::<HarvestSourceView>(&["200"], "The source."),
        patch("/harvest-sources/{key}", "patch_harvest_source", patch_source)
            .says(TAG, "収集元の一部を変更する", "Changes parts of how a source is set up by a JSON merge patch.")
            .if_match(IfMatch::Required)
            .merge_patch(json!({"grace_days": 14}))
            .answers::<HarvestSourceView>(&["200"], "The source."),
        delete("/harvest-sources/{key}", "delete_harvest_source", archive_source)
            .says(TAG, "収集を停止する（archive と同じ）", "Puts a source away; its datasets stay.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSourceView>(&["200"], "The source, archived."),
        post("/harvest-sources/{key}/archive", "archive_harvest_source", archive_source)
            .says(TAG, "収集を停止する", "Puts a source away; its datasets stay.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSourceView>(&["200"], "The source, archived."),
        post("/harvest-sources/{key}/restore", "restore_harvest_source", restore_source)
            .says(TAG, "収集を再開する", "Brings a source back.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSourceView>(&["200"], "The source, in use."),
        post("/harvest-sources/{key}/pause", "pause_harvest_source", pause_source)
            .says(TAG, "収集を一時停止する", "Keeps a source and its datasets, and runs it neither by schedule nor on demand.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSourceView>(&["200"], "The source, paused."),
        post("/harvest-sources/{key}/resume", "resume_harvest_source", resume_source)
            .says(TAG, "一時停止した収集を続ける", "Runs a paused source again, by its schedule and on demand.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSourceView>(&["200"], "The source, not paused."),
        get("/harvest-sources/{key}/runs", "list_harvest_runs", list_runs)
            .says(TAG, "収集の実行の一覧", "The latest runs of a source, newest first.")
            .with([query("limit", whole_number(1, 1000, Some(20)), "Most runs.")])
            .answers_page::<HarvestRun>("The latest runs."),
        post("/harvest-sources/{key}/runs", "queue_harvest_run", queue_run)
            .says(
                TAG,
                "いま収集する",
                "Asks for a run. When one is waiting or running already, it is that one. Poll `Location` for how it stands.",
            )
            .answers::<HarvestRun>(&["202"], "The run, queued."),
        get("/harvest-runs/{id}", "get_harvest_run", get_run)
            .says(TAG, "収集の実行を取得する", "One run with its counts.")
            .answers::<HarvestRun>(&["200"], "The run."),
        post("/harvest-runs/{id}/cancel", "cancel_harvest_run", cancel_run)
            .says(
                TAG,
                "収集を途中で中止する",
                "Asks a run to stop. What it has taken over stays, and nothing is judged absent. A run that has ended stays as it is.",
            )
            .answers::<HarvestRun>(&["200"], "The run; a running one ends as `canceled` within seconds."),
    ];
    endpoints.extend(record::endpoints());
    endpoints.extend(preview::endpoints());
    endpoints.extend(decision::endpoints());
    endpoints.extend(correction::endpoints());
    endpoints.extend(link::endpoints());
    endpoints
}

async fn list_sources(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, viewer, _| {
        let views: Vec<_> = app.list_sources(viewer)?.into_iter().map(|source| HarvestSourceView::new(app, source)).collect();
        loaded(&whole(views), None)
    })
    .await
}

async fn get_source(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    read(&state, &request, None, move |app, viewer, _| {
        let source = app.source(viewer, &key)?;
        let revision = source.revision;
        loaded(&HarvestSourceView::new(app, source), Some(revision))
    })
    .await
}

async fn create_source(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let context = write.context(IfMatch::Optional)?;
    let draft: HarvestSourceDraft = write.draft(READ_ONLY)?;
    change(&state, context, move |app, context| app.create_source(context, draft)).await
}

async fn replace_source(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (key, context) = (write.key("key")?, write.context(IfMatch::Required)?);
    let draft: HarvestSourceDraft = write.draft(READ_ONLY)?;
    change(&state, context, move |app, context| app.replace_source(context, &key, draft)).await
}

async fn patch_source(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (key, context) = (write.key("key")?, write.context(IfMatch::Required)?);
    let mut object = write.object()?;
    strip(&mut object, READ_ONLY_IN_PATCH);
    let patch = Value::Object(object);
    change(&state, context, move |app, context| {
        let before = app.source(&context.viewer, &key)?;
        let mut value = serde_json::to_value(&before.draft).map_err(Error::internal)?;
        merge_patch(&mut value, &patch);
        let draft = from_value(value).map_err(Error::invalid)?;
        // The patch holds for the state it was applied to.
        let context = Context { expected: context.expected.or(Some(before.revision)), ..context.clone() };
        app.replace_source(&context, &key, draft)
    })
    .await
}

async fn archive_source(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.archive_source(context, &key)).await
}

async fn restore_source(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.restore_source(context, &key)).await
}

async fn pause_source(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.pause_source(context, &key, true)).await
}

async fn resume_source(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.pause_source(context, &key, false)).await
}

async fn list_runs(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (key, limit) = (key(&request, "key")?, query.number("limit", 1..=1000)?.unwrap_or(20));
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.harvest_runs(viewer, &key, limit)?), None)).await
}

async fn queue_run(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    let dry_run = context.dry_run;
    let run = state.run(move |app| app.queue_harvest(&context, &key)).await?;
    Ok(accepted(dry_run, format!("/api/v1/harvest-runs/{}", run.id), &run))
}

/// What was asked for is done later; `location` says how it stands. A trial leaves nothing to look at.
fn accepted(dry_run: bool, location: String, body: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Accepted();
    match dry_run {
        true => response.insert_header(("dry-run", "true")),
        false => response.insert_header(("location", location)),
    };
    response.json(body)
}

async fn get_run(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&app.harvest_run(viewer, &id)?, None)).await
}

async fn cancel_run(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    let run = state.run(move |app| app.cancel_harvest(&context, &id)).await?;
    Ok(HttpResponse::Ok().json(&run))
}

async fn change(
    state: &Shared,
    context: Context,
    f: impl FnOnce(&App, &Context) -> minato_app::Result<Done<HarvestSource>> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let (done, context) = state
        .run(move |app| {
            let done = f(app, &context)?;
            let view = HarvestSourceView::new(app, done.value);
            Ok((Done { value: view, status: done.status, replayed: done.replayed }, context))
        })
        .await?;
    let source = &done.value.source;
    Ok(wrote(&context, &done, Some(source.revision), format!("/api/v1/harvest-sources/{}", source.id)))
}
