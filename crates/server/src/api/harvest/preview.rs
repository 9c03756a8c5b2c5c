//! A look at a source before it is harvested.

use actix_web::{HttpRequest, HttpResponse};
use minato_app::PreviewRequest;
use minato_app::catalog::{DatasetDraft, HarvestSourceDraft, Text};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::answer::{json as loaded, read};
use super::super::request::{Act, IfMatch, Write, key};
use super::super::route::{Endpoint, get, post};
use super::{READ_ONLY, TAG, accepted};
use crate::http::{Problem, Shared};

/// How a preview stands, and what it shows. Made by the application.
#[derive(ToSchema)]
#[allow(dead_code)]
struct HarvestPreviewView {
    /// Id.
    id: Uuid,
    /// Whether it has ended.
    done: bool,
    /// The first records as they would stand here; twenty at most.
    records: Vec<PreviewRecordView>,
    /// Records that could not be converted, and causes that concern the whole source.
    problems: Vec<Text>,
    /// Whether the source ended before the preview was full.
    whole: bool,
}

/// One record of a preview. Made by the application.
#[derive(ToSchema)]
#[allow(dead_code)]
struct PreviewRecordView {
    /// Its id at the source.
    remote_id: String,
    /// Its page there.
    remote_url: Option<String>,
    /// As it would stand here.
    draft: DatasetDraft,
    /// Values that had no equal here.
    notices: Vec<Text>,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        post("/harvest-sources/{key}/preview", "preview_harvest_source", preview_source)
            .says(
                TAG,
                "収集元の中身を試しに読む",
                "Reads the first records of a source as they would stand here, and writes nothing. Poll `Location` until `done`. For editors.",
            )
            .answers::<HarvestPreviewView>(&["202"], "The preview, queued."),
        post("/harvest-previews", "create_harvest_preview", create_preview)
            .says(
                TAG,
                "登録する前に収集元を試しに読む",
                "The same for a source that is not registered. For administrators of its organization.",
            )
            .body::<HarvestSourceDraft>(json!({"slug": "fuchu-list", "title": "府中町 オープンデータ一覧", "kind": "open_data_list",
                "url": "https://www.town.fuchu.hiroshima.jp/opendata/list.csv", "organization": "343021"}))
            .answers::<HarvestPreviewView>(&["202"], "The preview, queued."),
        get("/harvest-previews/{id}", "get_harvest_preview", get_preview)
            .says(TAG, "試し読みの結果を取得する", "A preview that was asked for. For editors of its organization.")
            .signed_in()
            .answers::<HarvestPreviewView>(&["200"], "The preview; look again while it is not `done`."),
    ]
}

async fn preview_source(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    let dry_run = context.dry_run;
    let preview = state.run(move |app| app.queue_preview(&context, PreviewRequest::Source(key))).await?;
    Ok(accepted(dry_run, format!("/api/v1/harvest-previews/{}", preview.id), &preview))
}

async fn create_preview(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let context = write.context(IfMatch::Optional)?;
    let draft: HarvestSourceDraft = write.draft(READ_ONLY)?;
    let dry_run = context.dry_run;
    let preview = state.run(move |app| app.queue_preview(&context, PreviewRequest::Draft(Box::new(draft)))).await?;
    Ok(accepted(dry_run, format!("/api/v1/harvest-previews/{}", preview.id), &preview))
}

async fn get_preview(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&app.harvest_preview(viewer, &id)?, None)).await
}
