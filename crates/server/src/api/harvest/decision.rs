//! What harvesting leaves to staff: the same dataset twice, records that moved, many records that vanished at once.

use actix_web::{HttpRequest, HttpResponse};
use chrono::SecondsFormat;
use minato_app::catalog::{Dataset, DatasetState, DecisionKind, DecisionState, HarvestDecision, Viewer, Visibility};
use minato_app::{App, Context, DecisionListing, FoundDecision};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::answer::{json as loaded, read, wrote};
use super::super::noun::whole;
use super::super::request::{Act, IfMatch, Query, Write, key};
use super::super::route::{Endpoint, get, one_of, post, query, text, whole as whole_number};
use super::super::view::{self, OrganizationRef};
use super::TAG;
use crate::http::{Problem, Shared};

const KINDS: &[&str] = &["duplicate", "moved", "sweep"];
const STATES: &[&str] = &["open", "accepted", "rejected"];

/// A decision with the datasets it is about.
#[derive(Serialize, ToSchema)]
struct HarvestDecisionView {
    #[serde(flatten)]
    decision: HarvestDecision,
    /// Whether it settled itself and needs nobody: open copies are linked already, and stay so unless somebody says otherwise.
    automatic: bool,
    /// The datasets in question, as far as the viewer may see them.
    datasets: Vec<DecidedDataset>,
}

/// A dataset that a decision is about, in few words.
#[derive(Serialize, ToSchema)]
struct DecidedDataset {
    /// Id.
    id: Uuid,
    /// Name in URLs.
    slug: String,
    /// Title.
    title: String,
    /// How it stands.
    state: DatasetState,
    /// Its owner.
    organization: OrganizationRef,
    /// The source it was harvested from; `null` when it was published here.
    source_id: Option<Uuid>,
    /// Its id there.
    remote_id: Option<String>,
    /// When it last changed here.
    updated: chrono::DateTime<chrono::Utc>,
}

/// Another dataset, and whether it is the same.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SameAs {
    /// Id or slug of the other dataset.
    other: String,
    /// Whether the two are one. `false` also undoes what was found or said before.
    same: bool,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/harvest-decisions", "list_harvest_decisions", list_decisions)
            .says(
                TAG,
                "判断の一覧",
                "What harvesting leaves to staff, and what they decided, newest first. Of the sources whose organizations the viewer is a member of.",
            )
            .with([
                query("source", text(), "Only of this source: id or slug."),
                query("kind", one_of(KINDS), "Only of this kind: `duplicate` (two datasets may be one), `moved` (a record may have another id than before), `sweep` (many records vanished at once)."),
                query("state", one_of(STATES), "Only in this state; `open` ones wait for somebody, unless they are automatic."),
                query("automatic", json!({"type": "boolean"}), "`true`: only copies that were found and linked by themselves, and that nobody has to decide; `false`: only the others. With `state=open`, what waits for a person."),
                query("before", json!({"type": "string", "format": "date-time"}), "Only those that came up before this moment: `next_cursor` of the page before."),
                query("limit", whole_number(1, 1000, Some(100)), "Most decisions."),
            ])
            .signed_in()
            .answers_page::<HarvestDecisionView>("A page of decisions; `next_cursor` is the `before` of the next one. `total` counts this page."),
        get("/harvest-decisions/{id}", "get_harvest_decision", get_decision)
            .says(TAG, "判断を取得する", "One decision with the datasets it is about.")
            .signed_in()
            .answers::<HarvestDecisionView>(&["200"], "The decision."),
        post("/harvest-decisions/{id}/accept", "accept_harvest_decision", accept_decision)
            .says(
                TAG,
                "「はい」と判断する",
                "Says yes: the two are one, the record has moved, the records may go. For publishers of the source's organization and of all whose datasets this could show or hide.",
            )
            .answers::<HarvestDecision>(&["200"], "The decision."),
        post("/harvest-decisions/{id}/reject", "reject_harvest_decision", reject_decision)
            .says(
                TAG,
                "「いいえ」と判断する",
                "Says no: the two are different datasets, the record is a new one, the records stay. It is not asked again. For publishers of the source's organization and of all whose datasets this could show or hide.",
            )
            .answers::<HarvestDecision>(&["200"], "The decision."),
        post("/datasets/{key}/same-as", "declare_same_dataset", declare_same)
            .says(
                TAG,
                "別のデータセットと同じかどうかを指定する",
                "Says that two datasets, at least one of them harvested, are the same or are not. Of the same ones, one is shown and counted in place of the other. For publishers of all organizations whose datasets this could show or hide. Saying it again changes nothing (200).",
            )
            .body::<SameAs>(json!({"other": "kure-shi-shelters", "same": true}))
            .answers::<HarvestDecision>(&["200", "201"], "The decision; 201 when there was none about the two.")
            .problems(&["410"]),
    ]
}

async fn list_decisions(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let limit = query.number("limit", 1..=1000)?.unwrap_or(100);
    let listing = DecisionListing {
        source: query.string("source"),
        kind: query.choice::<DecisionKind>("kind", KINDS)?,
        state: query.choice::<DecisionState>("state", STATES)?,
        automatic: query.text("automatic").map(|_| query.flag("automatic")).transpose()?,
        before: query.moment("before")?.or(query.moment("cursor")?),
        limit,
    };
    read(&state, &request, None, move |app, viewer, _| {
        let found = app.decisions(viewer, &listing)?;
        let full = i64::try_from(found.len()).is_ok_and(|count| count == limit);
        let next = found.last().filter(|_| full).map(|last| last.decision.created.to_rfc3339_opts(SecondsFormat::Micros, true));
        let mut page = whole(found.into_iter().map(|found| shown(app, viewer, found)).collect());
        page.next_cursor = next;
        loaded(&page, None)
    })
    .await
}

async fn get_decision(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&shown(app, viewer, app.decision(viewer, &id)?), None)).await
}

async fn accept_decision(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    decide(&state, context, id, true).await
}

async fn reject_decision(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    decide(&state, context, id, false).await
}

async fn decide(state: &Shared, context: Context, id: String, accept: bool) -> Result<HttpResponse, Problem> {
    let (done, context) = state.run(move |app| Ok((app.decide(&context, &id, accept)?, context))).await?;
    Ok(wrote(&context, &done, None, address(&done.value)))
}

async fn declare_same(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (key, context) = (write.key("key")?, write.context(IfMatch::Optional)?);
    let body: SameAs = write.draft(&[])?;
    let (done, context) = state.run(move |app| Ok((app.declare_same(&context, &key, body.other.trim(), body.same)?, context))).await?;
    Ok(wrote(&context, &done, None, address(&done.value)))
}

fn address(decision: &HarvestDecision) -> String {
    format!("/api/v1/harvest-decisions/{}", decision.id)
}

fn shown(app: &App, viewer: &Viewer, found: FoundDecision) -> HarvestDecisionView {
    let datasets = found.datasets.iter().filter(|dataset| may_see(viewer, dataset)).map(|dataset| in_few_words(app, dataset)).collect();
    HarvestDecisionView { automatic: found.decision.is_automatic(), decision: found.decision, datasets }
}

/// A copy is as public as what is shown in its place.
fn may_see(viewer: &Viewer, dataset: &Dataset) -> bool {
    let content = &dataset.content;
    let public = content.visibility == Visibility::Public && matches!(content.state, DatasetState::Published | DatasetState::Duplicate);
    viewer.sees(content.organization_id, public)
}

fn in_few_words(app: &App, dataset: &Dataset) -> DecidedDataset {
    let content = &dataset.content;
    DecidedDataset {
        id: dataset.id,
        slug: content.slug.clone(),
        title: content.title.clone(),
        state: content.state,
        organization: view::organization(app, content.organization_id),
        source_id: content.provenance.as_ref().map(|provenance| provenance.source_id),
        remote_id: content.provenance.as_ref().map(|provenance| provenance.remote_id.clone()),
        updated: dataset.updated,
    }
}
