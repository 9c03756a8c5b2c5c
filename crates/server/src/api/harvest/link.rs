//! Whether the links of harvested datasets lead to what they say.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use chrono::{DateTime, Utc};
use minato_app::catalog::{LinkCheck, LinkCheckRun, Text, Viewer};
use minato_app::{App, TroubledLink};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::answer::{json as loaded, read};
use super::super::noun::{organization_key, whole};
use super::super::request::{Act, IfMatch, Query, key};
use super::super::route::{Endpoint, get, one_of, post, query, whole as whole_number};
use super::record::{FORMATS, wants_table};
use super::{TAG, accepted};
use crate::csv;
use crate::http::{Asker, Problem, Shared};

/// A link that leads nowhere or not to what was said, as the one who keeps it needs it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TroubledLinkView {
    /// The dataset.
    pub(crate) dataset_id: Uuid,
    /// Its name in URLs.
    pub(crate) slug: String,
    /// Its title.
    pub(crate) title: String,
    /// The source it was harvested from.
    pub(crate) source_id: Option<Uuid>,
    /// The file or link.
    pub(crate) distribution_id: Uuid,
    /// Its title.
    pub(crate) file: String,
    /// Where it leads.
    pub(crate) url: String,
    /// HTTP status; `null` when nothing answered.
    pub(crate) status: Option<u16>,
    /// Whether readers cannot get it at all, rather than something else than was said.
    pub(crate) broken: bool,
    /// What is wrong, and what its publisher can do.
    pub(crate) problems: Vec<Text>,
    /// Since when something is wrong with it.
    pub(crate) since: DateTime<Utc>,
    /// When it was last looked at.
    pub(crate) looked: DateTime<Utc>,
}

impl From<TroubledLink> for TroubledLinkView {
    fn from(found: TroubledLink) -> TroubledLinkView {
        let content = &found.dataset.content;
        TroubledLinkView {
            dataset_id: found.dataset.id,
            slug: content.slug.clone(),
            title: content.title.clone(),
            source_id: content.provenance.as_ref().map(|provenance| provenance.source_id),
            distribution_id: found.distribution.id,
            file: found.distribution.title,
            status: found.check.finding.status,
            broken: found.check.is_broken(),
            url: found.check.url,
            problems: found.check.finding.problems,
            since: found.since,
            looked: found.check.until,
        }
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/distributions/{id}/link-checks", "list_link_checks", list_link_checks)
            .says(
                TAG,
                "リンクの確認の記録を見る",
                "How the link of a harvested file was found, newest first; at most the latest 20 findings that differ. Empty when nobody has looked yet.",
            )
            .answers_page::<LinkCheck>("The findings.")
            .problems(&["410"]),
        get("/organizations/{organization}/troubled-links", "list_troubled_links", list_troubled_links)
            .says(
                TAG,
                "問題のあるリンクの一覧",
                "The links of an organization's harvested datasets that lead nowhere, or not to what was said of them: the latest trouble first, at most 1,000. For members of the organization.",
            )
            .with([query("format", one_of(FORMATS), "`csv` is UTF-8 with a byte order mark, for spreadsheets.")])
            .signed_in()
            .answers_page::<TroubledLinkView>("The links."),
        get("/harvest-sources/{key}/link-checks", "list_link_check_runs", list_link_check_runs)
            .says(TAG, "リンクの確認の実行の一覧", "The latest looks at the links of a source, newest first: after each run, and when somebody asked. Kept for a week.")
            .with([query("limit", whole_number(1, 1000, Some(20)), "Most of them.")])
            .answers_page::<LinkCheckRun>("The latest looks."),
        post("/harvest-sources/{key}/link-checks", "queue_link_check", queue_link_check)
            .says(
                TAG,
                "いまリンクを確認する",
                "Asks for all links of a source to be looked at, however fresh the last findings are. When that waits or goes on already, it is that one. Poll `Location` for how it stands. For editors.",
            )
            .answers::<LinkCheckRun>(&["202"], "The look, queued."),
        get("/link-checks/{id}", "get_link_check_run", get_link_check_run)
            .says(TAG, "リンクの確認の実行を取得する", "One look at the links of a source: how it stands, and how many links it found in trouble.")
            .answers::<LinkCheckRun>(&["200"], "The look."),
    ]
}

async fn list_link_checks(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.link_checks(viewer, &id)?), None)).await
}

async fn list_troubled_links(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let organization = organization_key(&state.app, key(&request, "organization")?);
    if !wants_table(&query)? {
        return read(&state, &request, None, move |app, viewer, _| loaded(&whole(of_organization(app, viewer, &organization)?), None))
            .await;
    }
    let Asker(viewer) = Asker::from_request(&request, &mut Payload::None).await?;
    let table = state.run(move |app| Ok(table(&of_organization(app, &viewer, &organization)?))).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("content-disposition", minato_app::files::content_disposition("troubled-links.csv")))
        .insert_header(("cache-control", "no-store"))
        .body(table))
}

async fn list_link_check_runs(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (key, limit) = (key(&request, "key")?, query.number("limit", 1..=1000)?.unwrap_or(20));
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.link_check_runs(viewer, &key, limit)?), None)).await
}

async fn queue_link_check(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    let dry_run = context.dry_run;
    let run = state.run(move |app| app.queue_link_check(&context, &key)).await?;
    Ok(accepted(dry_run, format!("/api/v1/link-checks/{}", run.id), &run))
}

async fn get_link_check_run(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&app.link_check_run(viewer, &id)?, None)).await
}

/// The troubled links of an organization, with their names.
pub(crate) fn of_organization(app: &App, viewer: &Viewer, organization: &str) -> minato_app::Result<Vec<TroubledLinkView>> {
    Ok(app.troubled_links(viewer, organization)?.into_iter().map(TroubledLinkView::from).collect())
}

/// The same as a table for spreadsheets.
pub(crate) fn table(links: &[TroubledLinkView]) -> String {
    let mut text = String::from(csv::BYTE_ORDER_MARK);
    let heads = ["title", "file", "url", "status", "problems", "problems_en", "since", "looked", "slug", "dataset_id", "distribution_id"];
    text.push_str(&csv::row(heads));
    for link in links {
        let status = link.status.map(|status| status.to_string()).unwrap_or_default();
        let join = |pick: fn(&Text) -> &str| link.problems.iter().map(pick).collect::<Vec<_>>().join(" ");
        let (ja, en) = (join(|problem| &problem.ja), join(|problem| &problem.en));
        let (since, looked) = (link.since.to_rfc3339(), link.looked.to_rfc3339());
        let (dataset, distribution) = (link.dataset_id.to_string(), link.distribution_id.to_string());
        text.push_str(&csv::row([
            &link.title,
            &link.file,
            &link.url,
            &status,
            &ja,
            &en,
            &since,
            &looked,
            &link.slug,
            &dataset,
            &distribution,
        ]));
    }
    text
}
