//! Fields of harvested datasets that were corrected here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use minato_app::catalog::{Correction, Viewer};
use minato_app::{App, correction_path};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::answer::{json as loaded, read};
use super::super::dataset::change;
use super::super::noun::whole;
use super::super::request::{Act, IfMatch, Query, key};
use super::super::route::{Endpoint, delete, get, one_of, query, text};
use super::super::view::DatasetView;
use super::TAG;
use super::record::{FORMATS, wants_table};
use crate::csv;
use crate::http::{Asker, Problem, Shared};

/// A correction as the one who keeps the source needs it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SourceCorrection {
    /// The record's id at the source.
    pub(crate) remote_id: String,
    /// Name of the dataset in URLs here.
    pub(crate) slug: String,
    /// Its title here.
    pub(crate) title: String,
    #[serde(flatten)]
    pub(crate) correction: Correction,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/datasets/{key}/corrections", "list_dataset_corrections", list_dataset_corrections)
            .says(
                TAG,
                "カタログで修正した項目を見る",
                "Fields of a harvested dataset that were corrected here and stay so, whatever the source says. For members of its organization.",
            )
            .signed_in()
            .answers_page::<Correction>("All corrections, by path.")
            .problems(&["410"]),
        delete("/datasets/{key}/corrections", "delete_dataset_correction", drop_correction)
            .says(TAG, "収集元の値に戻す", "Drops a correction: the field says again what the source says. For editors.")
            .with([query("path", text(), "JSON pointer of the field, such as `/title`. Required.")])
            .if_match(IfMatch::Optional)
            .answers::<DatasetView>(&["200"], "The dataset; `ETag` is its revision.")
            .problems(&["410"]),
        get("/harvest-sources/{key}/corrections", "list_source_corrections", list_source_corrections)
            .says(
                TAG,
                "収集元へ伝える修正の一覧",
                "Everything that was corrected here in the datasets of a source, with the records' ids there: what to mend at the source. For members of its organization.",
            )
            .with([query("format", one_of(FORMATS), "`csv` is UTF-8 with a byte order mark, for spreadsheets.")])
            .signed_in()
            .answers_page::<SourceCorrection>("All corrections, by record and path."),
    ]
}

async fn list_dataset_corrections(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.corrections(viewer, &key)?), None)).await
}

async fn drop_correction(state: Shared, act: Act, query: Query) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    let path = correction_path(query.text("path").unwrap_or_default()).map_err(Problem::from)?;
    change(&state, context, move |app, context| app.drop_correction(context, &key, &path)).await
}

async fn list_source_corrections(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    if !wants_table(&query)? {
        return read(&state, &request, None, move |app, viewer, _| loaded(&whole(of_source(app, viewer, &key)?), None)).await;
    }
    let Asker(viewer) = Asker::from_request(&request, &mut Payload::None).await?;
    let table = state.run(move |app| Ok(table(&of_source(app, &viewer, &key)?))).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", minato_app::files::content_disposition("corrections.csv")))
        .insert_header(("cache-control", "no-store"))
        .body(table))
}

/// The corrections of a source's datasets, with their names.
pub(crate) fn of_source(app: &App, viewer: &Viewer, key: &str) -> minato_app::Result<Vec<SourceCorrection>> {
    let mut names: HashMap<Uuid, (String, String)> = HashMap::new();
    let mut corrections = Vec::new();
    for (remote_id, correction) in app.source_corrections(viewer, key)? {
        let id = correction.dataset_id;
        let (slug, title) = match names.entry(id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let dataset = app.dataset(viewer, &id.to_string())?.dataset;
                place.insert((dataset.content.slug.clone(), dataset.content.title.clone())).clone()
            }
        };
        corrections.push(SourceCorrection { remote_id, slug, title, correction });
    }
    Ok(corrections)
}

/// The same as a table for spreadsheets.
pub(crate) fn table(corrections: &[SourceCorrection]) -> String {
    let mut text = String::from(csv::BYTE_ORDER_MARK);
    text.push_str(&csv::row(["remote_id", "dataset_id", "slug", "title", "path", "base", "value", "actor", "at"]));
    for SourceCorrection { remote_id, slug, title, correction } in corrections {
        let (id, at) = (correction.dataset_id.to_string(), correction.at.to_rfc3339());
        let (base, value) = (plain(&correction.base), plain(&correction.value));
        text.push_str(&csv::row([remote_id, &id, slug, title, &correction.path, &base, &value, &correction.actor, &at]));
    }
    text
}

/// A text as it is, nothing as nothing, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
