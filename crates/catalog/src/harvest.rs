//! Harvesting: where records come from, and what became of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::organization::check_slug;
use crate::vocabulary::{TITLE_LENGTH_MAX, check_count, check_email, check_length, check_text, check_title, check_url};
use crate::{DatasetDraft, FieldError, RecordState, Schedule, Text, find_frequency, is_local_government_code, normalize_format};

/// Longest pattern of links, in characters.
const LINK_PATTERN_LENGTH_MAX: usize = 1_000;
/// Most spellings of one kind that a source may map.
const MAPPING_MAX: usize = 2_000;

/// The protocol a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HarvestKind {
    /// A CKAN action API.
    Ckan,
    /// The joint portals of DataEye: a part of CKAN's API below `/ckan_api/` or `/api/`, with numbers as ids.
    Dataeye,
    /// SHIRASAGI, a content management system of municipalities: `/api/package_*`.
    Shirasagi,
    /// A DCAT catalog in JSON-LD, Turtle or RDF/XML.
    Dcat,
    /// A `data.json` (DCAT-US 1.1).
    DataJson,
    /// An inventory file (オープンデータ一覧), CSV or XLSX.
    OpenDataList,
    /// Pages with schema.org JSON-LD, found by the site's sitemap.
    SchemaOrg,
    /// A page that links to files.
    FileList,
    /// ArcGIS Hub, by its search API or its DCAT feed.
    ArcgisHub,
    /// Opendatasoft's Explore API.
    Opendatasoft,
    /// Socrata's catalog API.
    Socrata,
    /// udata, the software of data.gouv.fr.
    Udata,
    /// OGC CSW 2.0.2: ISO 19139 or Dublin Core records.
    Csw,
    /// OAI-PMH 2.0.
    OaiPmh,
}

impl HarvestKind {
    /// Every protocol, in the order they are offered.
    pub const ALL: &[HarvestKind] = &[
        HarvestKind::Ckan,
        HarvestKind::Dataeye,
        HarvestKind::Shirasagi,
        HarvestKind::Dcat,
        HarvestKind::DataJson,
        HarvestKind::OpenDataList,
        HarvestKind::SchemaOrg,
        HarvestKind::FileList,
        HarvestKind::ArcgisHub,
        HarvestKind::Opendatasoft,
        HarvestKind::Socrata,
        HarvestKind::Udata,
        HarvestKind::Csw,
        HarvestKind::OaiPmh,
    ];

    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            HarvestKind::Ckan => "ckan",
            HarvestKind::Dataeye => "dataeye",
            HarvestKind::Shirasagi => "shirasagi",
            HarvestKind::Dcat => "dcat",
            HarvestKind::DataJson => "data_json",
            HarvestKind::OpenDataList => "open_data_list",
            HarvestKind::SchemaOrg => "schema_org",
            HarvestKind::FileList => "file_list",
            HarvestKind::ArcgisHub => "arcgis_hub",
            HarvestKind::Opendatasoft => "opendatasoft",
            HarvestKind::Socrata => "socrata",
            HarvestKind::Udata => "udata",
            HarvestKind::Csw => "csw",
            HarvestKind::OaiPmh => "oai_pmh",
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
    /// Only records of this organization there (CKAN and its kin, udata), or of this set (OAI-PMH).
    #[serde(default)]
    pub remote_organization: Option<String>,
    /// Which links of a page are files (`file_list`): a regular expression over the whole address. All files of known formats when absent.
    #[serde(default)]
    pub link_pattern: Option<String>,
    /// The licence of records that name none: an id of ours.
    #[serde(default)]
    pub default_licence: Option<String>,
    /// When to run: five fields of cron in Japan's time, or `@nightly`, which spreads sources over the night. Only on demand when absent.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Paused sources keep their datasets and are not run, neither by schedule nor on demand.
    #[serde(default)]
    pub paused: bool,
    /// Which source is believed when two have the same dataset: the lowest rank, then the older source.
    #[serde(default = "default_rank")]
    pub rank: i64,
    /// What becomes of a record that the source made private again.
    #[serde(default)]
    pub private_again: PrivateAgain,
    /// Whether files are copied here, so that they outlive the source.
    #[serde(default)]
    pub mirror: bool,
    /// What this source's own words mean here.
    #[serde(default)]
    pub mapping: HarvestMapping,
    /// Who is told when a run needs a person.
    #[serde(default)]
    pub notify: HarvestNotify,
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

/// What becomes of a record that is there but not public any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivateAgain {
    /// Withdrawn in the same run: somebody decided that it should not be seen. CKAN's listings leave such records out without a word, so
    /// up to 50 that are missing from a complete one are asked for by their ids; those that CKAN refuses to show are withdrawn.
    #[default]
    Archive,
    /// Like an absent record: suspect, then grace.
    Absent,
}

/// What a source's own words mean here: its spelling to our id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HarvestMapping {
    /// To ids of licences.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub licences: BTreeMap<String, String>,
    /// To ids of themes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub themes: BTreeMap<String, String>,
    /// To formats such as `CSV`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, String>,
    /// To ids of update frequencies such as `annual`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub frequencies: BTreeMap<String, String>,
    /// To local government codes of six digits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub areas: BTreeMap<String, String>,
}

/// Who is told when a run needs a person. Nobody when both are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HarvestNotify {
    /// A mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An address that takes the report as JSON by POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

fn default_rank() -> i64 {
    100
}

fn default_missing_runs() -> i64 {
    2
}

fn default_sweep_percent() -> i64 {
    20
}

impl HarvestSourceDraft {
    /// A source with the usual policy.
    pub fn new(slug: impl Into<String>, kind: HarvestKind, url: impl Into<String>, organization: impl Into<String>) -> Self {
        let slug = slug.into();
        HarvestSourceDraft {
            title: slug.clone(),
            slug,
            kind,
            url: url.into(),
            organization: organization.into(),
            remote_organization: None,
            link_pattern: None,
            default_licence: None,
            schedule: None,
            paused: false,
            rank: default_rank(),
            private_again: PrivateAgain::default(),
            mirror: false,
            mapping: HarvestMapping::default(),
            notify: HarvestNotify::default(),
            missing_runs_max: default_missing_runs(),
            grace_days: 0,
            sweep_percent_max: default_sweep_percent(),
        }
    }

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
        if let Some(schedule) = &self.schedule {
            errors.extend(Schedule::parse(schedule, &self.slug).err());
        }
        self.check_mapping(&mut errors);
        check_text(&mut errors, "/link_pattern", self.link_pattern.as_deref(), LINK_PATTERN_LENGTH_MAX);
        check_email(&mut errors, "/notify/email", self.notify.email.as_deref());
        if self.notify.webhook.is_some() {
            check_url(&mut errors, "/notify/webhook", self.notify.webhook.as_deref());
        }
        check_text(&mut errors, "/remote_organization", self.remote_organization.as_deref(), TITLE_LENGTH_MAX);
        for (field, value, max) in [
            ("/missing_runs_max", self.missing_runs_max, 1000),
            ("/grace_days", self.grace_days, 3650),
            ("/sweep_percent_max", self.sweep_percent_max, 100),
            ("/rank", self.rank, 10_000),
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

    /// Whether what a source's words are mapped to exists. Licences and themes are the catalog's own and checked there.
    fn check_mapping(&self, errors: &mut Vec<FieldError>) {
        let mapping = &self.mapping;
        for (list, spellings) in [
            ("licences", &mapping.licences),
            ("themes", &mapping.themes),
            ("formats", &mapping.formats),
            ("frequencies", &mapping.frequencies),
            ("areas", &mapping.areas),
        ] {
            check_count(errors, &format!("/mapping/{list}"), spellings.len(), MAPPING_MAX);
            for (spelling, target) in spellings.iter().take(MAPPING_MAX) {
                let field = format!("/mapping/{list}/{}", crate::error::escaped(spelling));
                check_length(errors, &field, spelling, TITLE_LENGTH_MAX);
                let known = match list {
                    "frequencies" => find_frequency(target).is_some(),
                    "formats" => normalize_format(target).is_some(),
                    "areas" => is_local_government_code(target),
                    _ => !target.trim().is_empty(),
                };
                if !known {
                    let see = match list {
                        "frequencies" => "GET /api/v1/frequencies",
                        "areas" => "a local government code of six digits, such as 342025",
                        _ => "a format such as CSV",
                    };
                    errors.push(FieldError::unknown_value(&field, target, see));
                }
            }
        }
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
        self.add_many(outcome, 1);
    }

    /// Counts more records with the same outcome.
    pub fn add_many(&mut self, outcome: RecordOutcome, count: i64) {
        *match outcome {
            RecordOutcome::Added => &mut self.added,
            RecordOutcome::Updated => &mut self.updated,
            RecordOutcome::Unchanged => &mut self.unchanged,
            RecordOutcome::Suspect => &mut self.suspect,
            RecordOutcome::Archived => &mut self.archived,
            RecordOutcome::Failed => &mut self.failed,
        } += count;
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
    /// Stopped by somebody; what was read is here and nothing was deleted.
    Canceled,
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
            HarvestStatus::Canceled => "canceled",
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
    /// The record as it came, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// What is to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// Two datasets of different sources are, or may be, the same.
    Duplicate,
    /// A record is, or may be, one that had another id before.
    Moved,
    /// A run would withdraw so many records that a person should look first.
    Sweep,
}

impl DecisionKind {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionKind::Duplicate => "duplicate",
            DecisionKind::Moved => "moved",
            DecisionKind::Sweep => "sweep",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<DecisionKind> {
        [DecisionKind::Duplicate, DecisionKind::Moved, DecisionKind::Sweep].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// Nobody has decided. Two datasets found to be the same are treated as such meanwhile; a sweep waits.
    Open,
    /// Yes: they are the same, the record has moved, the records may go.
    Accepted,
    /// No. It is not asked again.
    Rejected,
}

impl DecisionState {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionState::Open => "open",
            DecisionState::Accepted => "accepted",
            DecisionState::Rejected => "rejected",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<DecisionState> {
        [DecisionState::Open, DecisionState::Accepted, DecisionState::Rejected].into_iter().find(|state| state.as_str() == text)
    }
}

/// Something that harvesting leaves to staff, or that they decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HarvestDecision {
    /// Id.
    pub id: Uuid,
    /// What is to be decided.
    pub kind: DecisionKind,
    /// The source in whose run it came up.
    pub source_id: Uuid,
    /// What it is about, unique for each kind.
    pub subject: String,
    /// The dataset in question.
    pub dataset_id: Option<Uuid>,
    /// The dataset it is compared with.
    pub other_id: Option<Uuid>,
    /// How it stands.
    pub state: DecisionState,
    /// Why it is asked.
    pub reason: Text,
    /// When it came up.
    pub created: DateTime<Utc>,
    /// When it was decided.
    pub decided: Option<DateTime<Utc>>,
    /// By whom.
    pub decided_by: Option<String>,
}

impl HarvestDecision {
    /// What settles itself: datasets found to be the same are linked at once, and nobody has to agree.
    pub const AUTOMATIC: (DecisionKind, DecisionState) = (DecisionKind::Duplicate, DecisionState::Open);

    /// Whether it settled itself, so that nobody is needed; somebody may still say otherwise.
    pub fn is_automatic(&self) -> bool {
        (self.kind, self.state) == HarvestDecision::AUTOMATIC
    }
}

/// A field of a harvested dataset that was corrected here and stays so, whatever the source says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Correction {
    /// The dataset.
    pub dataset_id: Uuid,
    /// JSON pointer into the draft form, such as `/title` or `/distributions/{id}/title`.
    pub path: String,
    /// The value here.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// The value at the source when it was corrected.
    #[schema(value_type = Object)]
    pub base: serde_json::Value,
    /// Who corrected it.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
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

/// What a run meets, one by one.
#[derive(Debug, Clone, PartialEq)]
pub enum HarvestItem {
    /// A record.
    Record(Box<HarvestedRecord>),
    /// A record that could not be fetched or converted.
    Failure(RecordFailure),
    /// A record that the source itself says is not for the public any more.
    Withdrawn {
        /// Its id at the source.
        remote_id: String,
        /// What the source says.
        cause: Withdrawal,
    },
}

/// Why a source does not show a record it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// It is private, or a draft.
    Private,
    /// It was deleted.
    Deleted,
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
