//! The change log of datasets, for those who keep a copy.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use minato_app::catalog::{Action, Change, DatasetContent, DatasetState, FieldError, Noun, Viewer, Visibility};
use minato_app::store::history;
use minato_app::{App, Error};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{KEEP, json as loaded, kept, read};
use super::request::Query;
use super::route::{Endpoint, get, query, whole};
use crate::http::{Problem, Shared};

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
struct Changes {
    /// Oldest first. May be empty although more follows: others' changes are passed over.
    items: Vec<ChangeView>,
    /// Pass as `cursor` to go on from here, now or later.
    next_cursor: String,
    /// Whether more changes were there already.
    more: bool,
}

/// One change of a dataset.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeView {
    /// Position in the log; rises in commit order.
    seq: i64,
    /// The dataset.
    dataset_id: Uuid,
    /// Its name in URLs; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    /// What happened.
    action: Action,
    /// Whether it is no longer to be had: withdrawn, or no longer public.
    deleted: bool,
    /// The revision it led to; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    /// When.
    at: DateTime<Utc>,
}

/// The endpoint of changes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/changes", "list_changes", list_changes)
            .says(
                "datasets",
                "データセットの変更を順に受け取る",
                "The changes of datasets in commit order, deletions included. Keep `next_cursor` and ask again with it: no change is skipped. A deletion carries the id only. A cursor beyond the end of the log, as after a restored backup, is refused with 400: start again without one.",
            )
            .with([
                query("cursor", whole(0, i64::MAX, Some(0)), "`next_cursor` of the last answer; 0 is the beginning."),
                query("limit", whole(1, 500, Some(100)), "Most changes examined."),
            ])
            .answers::<Changes>(&["200"], "The next changes."),
    ]
}

async fn list_changes(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if let Some(answer) = kept(&state, &request) {
        return Ok(answer);
    }
    let query = Query::parse(request.query_string())?;
    let after = query.number("cursor", 0..=i64::MAX)?.unwrap_or(0);
    let limit = query.number("limit", 1..=500)?.unwrap_or(100);
    read(&state, &request, Some(KEEP), move |app, viewer, _| {
        let changes = app.store().read(|conn| history::changes_after(conn, after, limit))?;
        if changes.is_empty() && after > app.store().read(history::last_seq)? {
            return Err(Error::invalid(FieldError::new(
                "/cursor",
                "invalid_cursor",
                "cursor が変更記録の終わりより先です（カタログがバックアップから戻された可能性があります）。cursor を付けずに最初から受け取り直してください。",
                "the cursor is beyond the end of the log (the catalog may have been restored from a backup); start again without a cursor",
            )));
        }
        let more = i64::try_from(changes.len()).is_ok_and(|count| count == limit);
        let next = changes.last().map_or(after, |change| change.seq);
        let mut items = Vec::new();
        for change in changes.into_iter().filter(|change| change.noun == Noun::Dataset) {
            items.extend(shown(app, viewer, change)?);
        }
        loaded(&Changes { items, next_cursor: next.to_string(), more }, None)
    })
    .await
}

/// The change as the viewer may see it: nothing of what was never visible.
fn shown(app: &App, viewer: &Viewer, change: Change) -> minato_app::Result<Option<ChangeView>> {
    let Ok(dataset_id) = change.subject_id.parse::<Uuid>() else { return Ok(None) };
    let deletion = |action| ChangeView { seq: change.seq, dataset_id, slug: None, action, deleted: true, revision: None, at: change.at };
    match app.dataset(viewer, &change.subject_id) {
        Ok(found) => {
            let dataset = &found.dataset;
            if !dataset.content.state.is_listed() || dataset.id != dataset_id {
                return Ok(Some(deletion(change.action)));
            }
            Ok(Some(ChangeView {
                seq: change.seq,
                dataset_id,
                slug: Some(dataset.content.slug.clone()),
                action: change.action,
                deleted: false,
                revision: Some(change.revision),
                at: change.at,
            }))
        }
        Err(Error::Gone { .. }) => Ok(Some(deletion(Action::Archive))),
        // It is hidden now; who saw it before must learn that it is gone.
        Err(Error::NotFound { .. }) if was_open(app, &change.subject_id, change.revision - 1)? => Ok(Some(deletion(Action::Archive))),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn was_open(app: &App, id: &str, revision: i64) -> minato_app::Result<bool> {
    if revision < 1 {
        return Ok(false);
    }
    let Some(found) = app.store().read(|conn| history::find_revision(conn, Noun::Dataset, id, revision))? else { return Ok(false) };
    let content: DatasetContent = serde_json::from_value(found.content).map_err(Error::internal)?;
    Ok(content.state == DatasetState::Published && content.visibility == Visibility::Public)
}
