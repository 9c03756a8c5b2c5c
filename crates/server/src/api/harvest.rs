//! Harvest sources, their runs, and what became of the records.

use actix_web::{HttpRequest, HttpResponse};
use chrono::Utc;
use minato_app::catalog::{
    FieldError, HarvestCounts, HarvestRecordReport, HarvestRun, HarvestSource, HarvestSourceDraft, HarvestStatus, RecordOutcome,
    RecordState, Role, Text, from_value, merge_patch, new_id,
};
use minato_app::{App, Context, Done, Error};
use serde_json::{Value, json};

use super::answer::{json as loaded, read, wrote};
use super::noun::whole;
use super::request::{Act, IfMatch, Query, Write, key, strip};
use super::route::{Endpoint, delete, get, one_of, patch, post, put, query, text, whole as whole_number};
use crate::http::{Problem, Shared};

const TAG: &str = "harvest";
const OUTCOMES: &[&str] = &["added", "updated", "unchanged", "suspect", "archived", "failed"];
/// Fields of answers that a source sent back may carry; they are ignored.
const READ_ONLY: &[&str] = &["id", "organization_id", "state", "revision", "created", "updated"];
const READ_ONLY_IN_PATCH: &[&str] = &["id", "organization_id", "revision", "created", "updated"];

/// The endpoints of harvesting.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let example = || {
        json!({"slug": "fuchu-list", "title": "府中町 オープンデータ一覧", "kind": "open_data_list", "url": "https://www.town.fuchu.hiroshima.jp/opendata/list.csv",
            "organization": "343021", "missing_runs_max": 2, "grace_days": 7})
    };
    vec![
        get("/harvest-sources", "list_harvest_sources", list_sources)
            .says(TAG, "収集元の一覧", "The harvest sources in use, by slug.")
            .answers_page::<HarvestSource>("All sources."),
        post("/harvest-sources", "create_harvest_source", create_source)
            .says(TAG, "収集元を登録する", "A new source. For administrators of its organization.")
            .body::<HarvestSourceDraft>(example())
            .answers::<HarvestSource>(&["201"], "The source."),
        get("/harvest-sources/{key}", "get_harvest_source", get_source)
            .says(TAG, "収集元を取得する", "One source by id or slug.")
            .answers::<HarvestSource>(&["200"], "The source; `ETag` is its revision."),
        put("/harvest-sources/{key}", "replace_harvest_source", replace_source)
            .says(TAG, "収集元を置き換える", "Replaces how a source is set up. The answer of a GET may be sent back.")
            .if_match(IfMatch::Required)
            .body::<HarvestSourceDraft>(example())
            .answers::<HarvestSource>(&["200"], "The source."),
        patch("/harvest-sources/{key}", "patch_harvest_source", patch_source)
            .says(TAG, "収集元の一部を変更する", "Changes parts of how a source is set up by a JSON merge patch.")
            .if_match(IfMatch::Required)
            .merge_patch(json!({"grace_days": 14}))
            .answers::<HarvestSource>(&["200"], "The source."),
        delete("/harvest-sources/{key}", "delete_harvest_source", archive_source)
            .says(TAG, "収集を停止する（archive と同じ）", "Puts a source away; its datasets stay.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSource>(&["200"], "The source, archived."),
        post("/harvest-sources/{key}/archive", "archive_harvest_source", archive_source)
            .says(TAG, "収集を停止する", "Puts a source away; its datasets stay.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSource>(&["200"], "The source, archived."),
        post("/harvest-sources/{key}/restore", "restore_harvest_source", restore_source)
            .says(TAG, "収集を再開する", "Brings a source back.")
            .if_match(IfMatch::Optional)
            .answers::<HarvestSource>(&["200"], "The source, in use."),
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
        get("/harvest-runs/{id}/records", "list_harvest_records", list_records)
            .says(
                TAG,
                "収集結果をレコードごとに見る",
                "What became of the records of a run, by the source's own ids. For members of its organization.",
            )
            .with([
                query("outcome", one_of(OUTCOMES), "Only with this outcome."),
                query("after", text(), "Only those after this `remote_id`: the last one of the page before."),
                query("limit", whole_number(1, 1000, Some(100)), "Most records."),
            ])
            .signed_in()
            .answers_page::<HarvestRecordReport>(
                "A page of records; `next_cursor` is the `after` of the next one. `total` counts this page.",
            ),
    ]
}

async fn list_sources(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, viewer, _| loaded(&whole(app.list_sources(viewer)?), None)).await
}

async fn get_source(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    read(&state, &request, None, move |app, viewer, _| {
        let source = app.source(viewer, &key)?;
        loaded(&source, Some(source.revision))
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

async fn list_runs(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (key, limit) = (key(&request, "key")?, query.number("limit", 1..=1000)?.unwrap_or(20));
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.harvest_runs(viewer, &key, limit)?), None)).await
}

async fn queue_run(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    let run =
        state.run(move |app| if context.dry_run { imagined_run(app, &context, &key) } else { app.queue_harvest(&context, &key) }).await?;
    Ok(HttpResponse::Accepted().insert_header(("location", format!("/api/v1/harvest-runs/{}", run.id))).json(&run))
}

/// The run that would be queued, under the same conditions.
fn imagined_run(app: &App, context: &Context, key: &str) -> minato_app::Result<HarvestRun> {
    let source = app.source(&context.viewer, key)?;
    if context.viewer.read_only || !context.viewer.has_role(source.organization_id, Role::Editor) {
        return Err(Error::Forbidden(Text::new(
            "収集の実行には、その組織の「編集者」以上の権限が必要です。",
            "this needs the role editor in the organization",
        )));
    }
    if source.state == RecordState::Archived {
        return Err(Error::Conflict(FieldError::new(
            "",
            "archived",
            "この収集元は停止されています。先に復元してください。",
            "this source is archived; restore it first",
        )));
    }
    Ok(HarvestRun {
        id: new_id(),
        source_id: source.id,
        status: HarvestStatus::Queued,
        counts: HarvestCounts::default(),
        message: None,
        created: Utc::now(),
        started: None,
        finished: None,
    })
}

async fn get_run(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&app.harvest_run(viewer, &id)?, None)).await
}

async fn list_records(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    let outcome = query.choice::<RecordOutcome>("outcome", OUTCOMES)?;
    let after = query.string("after").or_else(|| query.string("cursor"));
    let limit = query.number("limit", 1..=1000)?.unwrap_or(100);
    read(&state, &request, None, move |app, viewer, _| {
        let items = app.harvest_outcomes(viewer, &id, outcome, after.as_deref(), limit)?;
        let full = i64::try_from(items.len()).is_ok_and(|count| count == limit);
        let mut page = whole(items);
        if full {
            page.next_cursor = page.items.last().map(|record| record.remote_id.clone());
        }
        loaded(&page, None)
    })
    .await
}

async fn change(
    state: &Shared,
    context: Context,
    f: impl FnOnce(&App, &Context) -> minato_app::Result<Done<HarvestSource>> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let (done, context) = state.run(move |app| Ok((f(app, &context)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision), format!("/api/v1/harvest-sources/{}", done.value.id)))
}
