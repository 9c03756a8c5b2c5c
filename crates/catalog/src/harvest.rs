//! Harvesting: where records come from, and what became of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::organization::check_slug;
use crate::vocabulary::{TITLE_LENGTH_MAX, check_text, check_title, check_url};
use crate::{DatasetDraft, FieldError, RecordState, Text};

/// The protocol a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HarvestKind {
    /// A CKAN action API.
    Ckan,
    /// An inventory file (オープンデータ一覧), CSV.
    OpenDataList,
    /// A DCAT catalog in JSON-LD or Turtle.
    Dcat,
}

impl HarvestKind {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            HarvestKind::Ckan => "ckan",
            HarvestKind::OpenDataList => "open_data_list",
            HarvestKind::Dcat => "dcat",
        }
    }
}

/// A place that datasets are fetched from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HarvestSource {
    /// Id.
    pub id: Uuid,
    /// How it is set up.
    #[serde(flatten)]
    pub draft: HarvestSourceDraft,
    /// The organization its datasets belong to.
    pub organization_id: Uuid,
    /// Archived sources are not harvested.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// The editable part of a [`HarvestSource`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HarvestSourceDraft {
    /// Name in URLs and on the command line.
    pub slug: String,
    /// Name for readers.
    pub title: String,
    /// The protocol.
    pub kind: HarvestKind,
    /// Where: the CKAN site, the inventory file, the catalog document.
    pub url: String,
    /// Owner of the datasets: id, slug or local government code.
    pub organization: String,
    /// Only records of this organization there (CKAN).
    #[serde(default)]
    pub remote_organization: Option<String>,
    /// Complete runs a record must be absent from before it is archived.
    #[serde(default = "default_missing_runs")]
    pub missing_runs_max: i64,
    /// Days a record must be absent before it is archived.
    #[serde(default)]
    pub grace_days: i64,
    /// A run that would archive more than this share of the source's records waits for staff; sources of fewer than ten records may lose half.
    #[serde(default = "default_sweep_percent")]
    pub sweep_percent_max: i64,
}

fn default_missing_runs() -> i64 {
    2
}

fn default_sweep_percent() -> i64 {
    20
}

impl HarvestSourceDraft {
    /// What is wrong with it; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_slug(&mut errors, "/slug", &self.slug);
        check_title(&mut errors, "/title", &self.title);
        check_url(&mut errors, "/url", Some(&self.url));
        if errors.iter().all(|error| error.field != "/url") && !self.url.trim_start().to_ascii_lowercase().starts_with("http") {
            errors.push(FieldError::new(
                "/url",
                "invalid_url",
                "/url は http:// または https:// で始まる URL にしてください。ほかの方法では収集できません。",
                "/url must be an http or https URL; nothing else is harvested",
            ));
        }
        check_text(&mut errors, "/remote_organization", self.remote_organization.as_deref(), TITLE_LENGTH_MAX);
        for (field, value, max) in [
            ("/missing_runs_max", self.missing_runs_max, 1000),
            ("/grace_days", self.grace_days, 3650),
            ("/sweep_percent_max", self.sweep_percent_max, 100),
        ] {
            if !(0..=max).contains(&value) {
                errors.push(FieldError::new(
                    field,
                    "out_of_range",
                    format!("{field} は 0～{max} にしてください。"),
                    format!("{field} must be 0 to {max}"),
                ));
            }
        }
        errors
    }
}

/// What became of one record in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordOutcome {
    /// New here.
    Added,
    /// Changed here.
    Updated,
    /// The same as last time.
    Unchanged,
    /// Absent from a complete listing; waiting.
    Suspect,
    /// Withdrawn here.
    Archived,
    /// Not understood or not fetched; what was here stays.
    Failed,
}

impl RecordOutcome {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordOutcome::Added => "added",
            RecordOutcome::Updated => "updated",
            RecordOutcome::Unchanged => "unchanged",
            RecordOutcome::Suspect => "suspect",
            RecordOutcome::Archived => "archived",
            RecordOutcome::Failed => "failed",
        }
    }
}

/// How many records had which outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct HarvestCounts {
    /// New here.
    pub added: i64,
    /// Changed here.
    pub updated: i64,
    /// The same as last time.
    pub unchanged: i64,
    /// Absent, waiting.
    pub suspect: i64,
    /// Withdrawn here.
    pub archived: i64,
    /// Failed.
    pub failed: i64,
}

impl HarvestCounts {
    /// Counts one more record.
    pub fn add(&mut self, outcome: RecordOutcome) {
        *match outcome {
            RecordOutcome::Added => &mut self.added,
            RecordOutcome::Updated => &mut self.updated,
            RecordOutcome::Unchanged => &mut self.unchanged,
            RecordOutcome::Suspect => &mut self.suspect,
            RecordOutcome::Archived => &mut self.archived,
            RecordOutcome::Failed => &mut self.failed,
        } += 1;
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HarvestStatus {
    /// Waiting for a worker.
    Queued,
    /// Being worked on.
    Running,
    /// The whole listing was read.
    Complete,
    /// Part of the listing could not be read; what was read is here and nothing was deleted.
    Incomplete,
    /// Nothing could be read.
    Failed,
}

impl HarvestStatus {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            HarvestStatus::Queued => "queued",
            HarvestStatus::Running => "running",
            HarvestStatus::Complete => "complete",
            HarvestStatus::Incomplete => "incomplete",
            HarvestStatus::Failed => "failed",
        }
    }
}

/// One run over a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HarvestRun {
    /// Id; also the id of its job.
    pub id: Uuid,
    /// The source.
    pub source_id: Uuid,
    /// How it stands.
    pub status: HarvestStatus,
    /// What became of the records so far.
    pub counts: HarvestCounts,
    /// Why it is incomplete or failed, or why deletions wait.
    pub message: Option<Text>,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When a worker began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
}

/// One record that could not be taken over, or was withdrawn, with the cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HarvestRecordReport {
    /// The record's id at the source; a position (`row 12`) when it has none.
    pub remote_id: String,
    /// What became of it.
    pub outcome: RecordOutcome,
    /// Why, in words a publisher can act on; `null` where nothing needs saying.
    pub cause: Option<Text>,
    /// The dataset it is here.
    pub dataset_id: Option<Uuid>,
}

/// A record as fetched and converted.
#[derive(Debug, Clone, PartialEq)]
pub struct HarvestedRecord {
    /// The record's id at the source; identity together with the source.
    pub remote_id: String,
    /// An id that may move between records, such as a row number; tells a renamed record from a new one.
    pub alternate_id: Option<String>,
    /// The record's page there, where known.
    pub remote_url: Option<String>,
    /// What was received, kept as it came.
    pub raw: String,
    /// The same in the catalog's words. `organization` is left open; the source decides.
    pub draft: DatasetDraft,
    /// Values that had no equal here and were kept or dropped.
    pub notices: Vec<Text>,
}

/// A record that could not be fetched or converted.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordFailure {
    /// The record's id at the source, where it could be told: it protects the record from deletion.
    pub remote_id: Option<String>,
    /// Where it stands, for example `row 12` or a page address.
    pub position: String,
    /// What is wrong and what the publisher can do.
    pub cause: Text,
    /// What was received.
    pub raw: Option<String>,
}
