//! How data arrives: the sources that are harvested, and how their latest runs went.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use minato_app::App;
use minato_app::catalog::{HarvestCounts, HarvestKind, HarvestStatus, RecordOutcome, Viewer};

use super::home::organization_link;
use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::words::{Lang, Link, number, web_address};
use crate::http::Shared;

#[derive(Template)]
#[template(path = "harvest.html")]
struct HarvestPage {
    s: Shell,
    sources: Vec<SourceView>,
}

struct SourceView {
    title: String,
    organization: Link,
    kind: &'static str,
    href: Option<String>,
    records: String,
    status: &'static str,
    /// Class of the mark beside the status.
    tone: &'static str,
    at: String,
    message: String,
    counts: Vec<(&'static str, String)>,
}

pub(super) async fn list_harvest_sources(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, build).await
}

fn build(app: &App, shell: Shell) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let directory = app.directory();
    let mut sources = Vec::new();
    for found in app.source_statuses(&Viewer::public())? {
        let run = found.last_run.as_ref();
        let (status, tone) = status_name(lang, run.map(|run| run.status));
        sources.push(SourceView {
            title: found.source.draft.title.clone(),
            organization: organization_link(lang, &directory, found.source.organization_id),
            kind: kind_name(lang, found.source.draft.kind),
            href: web_address(&found.source.draft.url),
            records: number(found.records),
            status,
            tone,
            at: run.map(|run| lang.minute(run.finished.or(run.started).unwrap_or(run.created))).unwrap_or_default(),
            message: run.and_then(|run| run.message.as_ref()).map(|text| lang.sentence(text)).unwrap_or_default(),
            counts: counts(lang, run.map(|run| run.counts).unwrap_or_default()),
        });
    }
    Reply::page(&HarvestPage { sources, s: shell.named("データの集まり方", "How data arrives", "/harvest").section("harvest") })
}

/// How a run stands, and the class of its mark.
pub(super) fn status_name(lang: Lang, status: Option<HarvestStatus>) -> (&'static str, &'static str) {
    match status {
        None => (lang.t("まだ実行していません", "not run yet"), "quiet"),
        Some(HarvestStatus::Queued) => (lang.t("順番待ち", "waiting"), "quiet"),
        Some(HarvestStatus::Running) => (lang.t("実行中", "running"), "quiet"),
        Some(HarvestStatus::Complete) => (lang.t("完了", "complete"), "good"),
        Some(HarvestStatus::Incomplete) => (lang.t("一部のみ完了", "incomplete"), "warn"),
        Some(HarvestStatus::Failed) => (lang.t("失敗", "failed"), "bad"),
        Some(HarvestStatus::Canceled) => (lang.t("中止", "stopped"), "quiet"),
    }
}

/// What became of the records, in the order of interest.
pub(super) fn counts(lang: Lang, counts: HarvestCounts) -> Vec<(&'static str, String)> {
    let outcomes = [
        (RecordOutcome::Added, counts.added),
        (RecordOutcome::Updated, counts.updated),
        (RecordOutcome::Unchanged, counts.unchanged),
        (RecordOutcome::Suspect, counts.suspect),
        (RecordOutcome::Archived, counts.archived),
        (RecordOutcome::Failed, counts.failed),
    ];
    outcomes.into_iter().map(|(outcome, count)| (outcome_name(lang, outcome), number(count))).collect()
}

pub(super) fn outcome_name(lang: Lang, outcome: RecordOutcome) -> &'static str {
    match outcome {
        RecordOutcome::Added => lang.t("新規", "new"),
        RecordOutcome::Updated => lang.t("更新", "changed"),
        RecordOutcome::Unchanged => lang.t("変更なし", "unchanged"),
        RecordOutcome::Suspect => lang.t("確認待ち", "missing, waiting"),
        RecordOutcome::Archived => lang.t("公開終了", "withdrawn"),
        RecordOutcome::Failed => lang.t("失敗", "failed"),
    }
}

pub(super) fn kind_name(lang: Lang, kind: HarvestKind) -> &'static str {
    match kind {
        HarvestKind::Ckan => "CKAN",
        HarvestKind::Dataeye => "DataEye",
        HarvestKind::Shirasagi => "SHIRASAGI",
        HarvestKind::Dcat => "DCAT",
        HarvestKind::DataJson => "data.json (DCAT-US)",
        HarvestKind::OpenDataList => lang.t("オープンデータ一覧（CSV・Excel）", "open data list (CSV, Excel)"),
        HarvestKind::SchemaOrg => lang.t("ページ内の schema.org", "schema.org in pages"),
        HarvestKind::FileList => lang.t("ファイルへのリンク集", "page of links to files"),
        HarvestKind::ArcgisHub => "ArcGIS Hub",
        HarvestKind::Opendatasoft => "Opendatasoft",
        HarvestKind::Socrata => "Socrata",
        HarvestKind::Udata => "udata",
        HarvestKind::Csw => "OGC CSW",
        HarvestKind::OaiPmh => "OAI-PMH",
    }
}
