//! What became of the records of a run, one by one and summed up.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use bytes::Bytes;
use minato_app::catalog::{HarvestRecordReport, RecordOutcome, Text, Viewer};
use minato_app::{App, HarvestNotice};
use utoipa::ToSchema;

use super::super::answer::{json as loaded, read};
use super::super::noun::whole;
use super::super::request::{Query, key};
use super::super::route::{Endpoint, get, one_of, query, text, whole as whole_number};
use super::TAG;
use crate::csv;
use crate::http::{Asker, Problem, Shared};

const OUTCOMES: &[&str] = &["added", "updated", "unchanged", "suspect", "archived", "failed"];
pub(super) const FORMATS: &[&str] = &["json", "csv"];
/// Records of a table that are read at once: each may carry a raw record.
const CSV_PAGE: i64 = 200;

/// How a list is answered.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Csv,
}

/// Whether a table for spreadsheets is asked for.
pub(super) fn wants_table(query: &Query) -> Result<bool, Problem> {
    Ok(query.choice("format", FORMATS)? == Some(Format::Csv))
}

/// A notice about values of a source, summed over a run. Made by the application.
#[derive(ToSchema)]
#[allow(dead_code)]
struct HarvestNoticeView {
    /// What was noticed.
    text: Text,
    /// How many records it is said of.
    count: i64,
    /// The first of them, by their ids at the source; five at most.
    examples: Vec<String>,
    /// What would settle it, where an entry in the source's mapping would.
    mapping: Option<MappingGapView>,
}

/// A word of a source that its mapping could give a meaning.
#[derive(ToSchema)]
#[allow(dead_code)]
struct MappingGapView {
    /// The list of the mapping: `licences`, `themes`, `formats`, `frequencies` or `areas`.
    list: String,
    /// The word as the source spells it.
    spelling: String,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/harvest-runs/{id}/records", "list_harvest_records", list_records)
            .says(
                TAG,
                "収集結果をレコードごとに見る",
                "What became of the records of a run, by the source's own ids; failed ones with the record as it came (`raw`). With `format=csv` all of them, as a table for spreadsheets. For members of its organization.",
            )
            .with([
                query("outcome", one_of(OUTCOMES), "Only with this outcome."),
                query("after", text(), "Only those after this `remote_id`: the last one of the page before."),
                query("limit", whole_number(1, 1000, Some(100)), "Most records."),
                query("format", one_of(FORMATS), "`csv` is UTF-8 with a byte order mark, and not paged."),
            ])
            .signed_in()
            .answers_page::<HarvestRecordReport>(
                "A page of records; `next_cursor` is the `after` of the next one. `total` counts this page.",
            ),
        get("/harvest-sources/{key}/notices", "list_harvest_notices", list_notices)
            .says(
                TAG,
                "対応するものがなかった値を見る",
                "Values of the latest run that had no equal here, the most frequent first: what to fill the source's `mapping` with. For members of its organization.",
            )
            .signed_in()
            .answers_page::<HarvestNoticeView>("The distinct notices with their counts."),
    ]
}

async fn list_records(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    let outcome = query.choice::<RecordOutcome>("outcome", OUTCOMES)?;
    if wants_table(&query)? {
        let Asker(viewer) = Asker::from_request(&request, &mut Payload::None).await?;
        return export(&state, viewer, id, outcome).await;
    }
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

async fn list_notices(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    read(&state, &request, None, move |app, viewer, _| {
        let notices: Vec<HarvestNotice> = app.harvest_notices(viewer, &key)?;
        loaded(&whole(notices), None)
    })
    .await
}

/// All records of a run as a table, read and sent in parts.
pub(crate) async fn export(state: &Shared, viewer: Viewer, id: String, outcome: Option<RecordOutcome>) -> Result<HttpResponse, Problem> {
    let page = {
        let (viewer, id) = (viewer.clone(), id.clone());
        move |app: &App, after: Option<String>| app.harvest_outcomes(&viewer, &id, outcome, after.as_deref(), CSV_PAGE)
    };
    // The first part says whether there is anything to see before the answer begins.
    let reading = page.clone();
    let first = state.run(move |app| reading(app, None)).await?;
    let head = format!("{}{}", csv::BYTE_ORDER_MARK, csv::row(["remote_id", "outcome", "cause", "cause_en", "dataset_id", "raw"]));
    let state = state.clone();
    let parts = futures_util::stream::try_unfold((head, Some(first)), move |(head, records)| {
        let (state, page) = (state.clone(), page.clone());
        async move {
            let Some(records) = records else { return Ok::<_, std::io::Error>(None) };
            let full = i64::try_from(records.len()).is_ok_and(|count| count == CSV_PAGE);
            let last = records.last().map(|record| record.remote_id.clone()).filter(|_| full);
            let text = records.iter().fold(head, |text, record| text + &row(record));
            let next = match last {
                // The answer has begun: all that can be done is to break it off.
                Some(last) => {
                    Some(state.run(move |app| page(app, Some(last))).await.map_err(|problem| std::io::Error::other(problem.to_string()))?)
                }
                None => None,
            };
            Ok(Some((Bytes::from(text), (String::new(), next))))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", minato_app::files::content_disposition("harvest-records.csv")))
        .insert_header(("cache-control", "no-store"))
        .streaming(parts))
}

fn row(record: &HarvestRecordReport) -> String {
    let dataset = record.dataset_id.map(|id| id.to_string()).unwrap_or_default();
    let (ja, en) = record.cause.as_ref().map_or(("", ""), |cause| (cause.ja.as_str(), cause.en.as_str()));
    csv::row([&record.remote_id, record.outcome.as_str(), ja, en, &dataset, record.raw.as_deref().unwrap_or_default()])
}
