//! Harvesting: sources, queued runs, and taking records over one by one.

mod decision;
mod link;
mod notice;
mod overlay;
mod past_counts;
mod preview;
mod report;
mod run;
mod schedule;
mod take_over;

use minato_catalog::{
    Action, FieldError, HarvestCounts, HarvestRecordReport, HarvestRun, HarvestSource, HarvestSourceDraft, HarvestStatus, Organization,
    RecordOutcome, RecordState, Role, Text, Viewer, new_id, without_credentials,
};
use minato_store::AnyConnection;
use minato_store::harvest as store;
use minato_store::job::{self, Job, JobState};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use decision::{DecisionListing, FoundDecision};
pub use link::{LinkProgress, TroubledLink};
pub use notice::{AbsentRecord, HarvestNotice, MappingGap};
pub use overlay::correction_path;
pub use past_counts::{CountsFile, CountsReport};
pub use preview::{HarvestPreview, PreviewRecord, PreviewRequest};
pub use report::HarvestMail;
pub use take_over::{LeftOut, TakeOver, TakeOverPlan, TakeOverProgress, TakenOver};

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::signed_in;

pub(crate) const KIND: &str = "harvest";
/// All kinds of jobs here.
pub(crate) const JOBS: &[&str] = &[KIND, preview::KIND, link::KIND, link::KIND_ASKED, report::KIND];
/// A worker that is silent for so long is taken for dead.
const LEASE: chrono::Duration = chrono::Duration::seconds(30);

/// How far a run is, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HarvestProgress {
    /// What became of the records so far.
    pub counts: HarvestCounts,
}

/// A source with its latest run, for pages.
#[derive(Debug, Clone)]
pub struct HarvestSourceStatus {
    /// The source.
    pub source: HarvestSource,
    /// Its latest run.
    pub last_run: Option<HarvestRun>,
    /// Records that are here.
    pub records: i64,
}

/// What a job row keeps of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    #[serde(default)]
    status: Option<HarvestStatus>,
    #[serde(default)]
    counts: HarvestCounts,
    #[serde(default)]
    message: Option<Text>,
}

impl App {
    /// The sources in use, by slug.
    pub fn list_sources(&self, viewer: &Viewer) -> Result<Vec<HarvestSource>> {
        let all = self.store().read(store::all)?;
        Ok(all.into_iter().filter(|source| source.state == RecordState::Active).map(|source| shown_to(viewer, source)).collect())
    }

    /// The source with this id or slug.
    pub fn source(&self, viewer: &Viewer, key: &str) -> Result<HarvestSource> {
        let found = self.store().read(|conn| find_source(conn, key))?;
        match found {
            Some(source) if source.state == RecordState::Active || viewer.has_role(source.organization_id, Role::Administrator) => {
                Ok(shown_to(viewer, source))
            }
            _ => Err(Error::not_found("harvest_source", key)),
        }
    }

    /// A new source. For administrators of its organization.
    pub fn create_source(&self, context: &Context, draft: HarvestSourceDraft) -> Result<Done<HarvestSource>> {
        let organization_id = self.check_source(&context.viewer, &draft)?;
        self.change(context, |conn| {
            let now = self.now();
            let source =
                HarvestSource { id: new_id(), draft, organization_id, state: RecordState::Active, revision: 1, created: now, updated: now };
            let saved = store::save(conn, &source, None, Action::Create, &context.viewer.name)?;
            Ok(Change { value: source, status: Status::Created, seq: Some(saved.seq) })
        })
    }

    /// Replaces how a source is set up.
    pub fn replace_source(&self, context: &Context, key: &str, draft: HarvestSourceDraft) -> Result<Done<HarvestSource>> {
        let organization_id = self.check_source(&context.viewer, &draft)?;
        self.edit_source(context, key, Action::Update, |source| {
            let url = std::mem::take(&mut source.draft.url);
            source.draft = draft;
            // What was shown and is sent back changes nothing.
            if source.draft.url == without_credentials(&url) {
                source.draft.url = url;
            }
            source.organization_id = organization_id;
        })
    }

    /// Puts a source away; its datasets stay.
    pub fn archive_source(&self, context: &Context, key: &str) -> Result<Done<HarvestSource>> {
        self.edit_source(context, key, Action::Archive, |source| source.state = RecordState::Archived)
    }

    /// Brings a source back.
    pub fn restore_source(&self, context: &Context, key: &str) -> Result<Done<HarvestSource>> {
        self.edit_source(context, key, Action::Restore, |source| source.state = RecordState::Active)
    }

    /// Pauses a source, or lets it go on.
    pub fn pause_source(&self, context: &Context, key: &str, paused: bool) -> Result<Done<HarvestSource>> {
        self.edit_source(context, key, Action::Update, |source| source.draft.paused = paused)
    }

    /// The sources with their latest runs, by slug.
    pub fn source_statuses(&self, viewer: &Viewer) -> Result<Vec<HarvestSourceStatus>> {
        self.list_sources(viewer)?
            .into_iter()
            .map(|source| {
                let (jobs, records) = self
                    .store()
                    .read(|conn| Ok((job::list(conn, KIND, Some(&source.id.to_string()), 1)?, store::count_records(conn, source.id)?)))?;
                let last_run = jobs.into_iter().next().map(|job| self.run_of(job)).transpose()?;
                Ok(HarvestSourceStatus { source, last_run, records })
            })
            .collect()
    }

    /// Asks for a run; when one is waiting or running already, that one.
    pub fn queue_harvest(&self, context: &Context, key: &str) -> Result<HarvestRun> {
        signed_in(&context.viewer)?;
        let source = self.source(&context.viewer, key)?;
        require_role(&context.viewer, source.organization_id, Role::Editor)?;
        if source.state == RecordState::Archived {
            return Err(Error::Conflict(FieldError::new(
                "",
                "archived",
                "この収集元は停止されています。先に復元してください。",
                "this source is archived; restore it first",
            )));
        }
        if source.draft.paused {
            return Err(Error::Conflict(FieldError::new(
                "",
                "paused",
                "この収集元は一時停止中です。先に再開してください。",
                "this source is paused; resume it first",
            )));
        }
        if context.dry_run {
            let (created, counts) = (self.now(), HarvestCounts::default());
            let status = HarvestStatus::Queued;
            return Ok(HarvestRun {
                id: new_id(),
                source_id: source.id,
                status,
                counts,
                message: None,
                created,
                started: None,
                finished: None,
            });
        }
        let job = self.store().write::<_, Error>(|conn| Ok(job::enqueue(conn, KIND, &source.id.to_string(), self.now())?))?;
        self.run_of(job)
    }

    /// The latest runs of a source, newest first.
    pub fn harvest_runs(&self, viewer: &Viewer, key: &str, limit: i64) -> Result<Vec<HarvestRun>> {
        let source = self.source(viewer, key)?;
        let jobs = self.store().read(|conn| job::list(conn, KIND, Some(&source.id.to_string()), limit.clamp(0, 1000)))?;
        jobs.into_iter().map(|job| self.run_of(job)).collect()
    }

    /// One run.
    pub fn harvest_run(&self, viewer: &Viewer, id: &str) -> Result<HarvestRun> {
        let not_found = || Error::not_found("harvest_run", id);
        let uuid: Uuid = id.parse().map_err(|_| not_found())?;
        let job = self.store().read(|conn| job::find(conn, uuid))?.filter(|job| job.kind == KIND).ok_or_else(not_found)?;
        self.source(viewer, &job.subject_id).map_err(|_| not_found())?;
        self.run_of(job)
    }

    /// What became of the records of a run, by remote id. For members of the source's organization.
    pub fn harvest_outcomes(
        &self,
        viewer: &Viewer,
        id: &str,
        outcome: Option<RecordOutcome>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<HarvestRecordReport>> {
        let run = self.harvest_run(viewer, id)?;
        let source = self.source(viewer, &run.source_id.to_string())?;
        if viewer.is_public() {
            return Err(Error::Unauthenticated);
        }
        if !viewer.has_role(source.organization_id, Role::Viewer) {
            require_role(viewer, source.organization_id, Role::Viewer)?;
        }
        Ok(self.store().read(|conn| store::list_outcomes(conn, run.id, outcome, after, limit.clamp(0, 1000)))?)
    }

    /// Asks a run to stop. What it has taken over stays; nothing is judged absent.
    pub fn cancel_harvest(&self, context: &Context, id: &str) -> Result<HarvestRun> {
        let run = self.harvest_run(&context.viewer, id)?;
        let source = self.source(&context.viewer, &run.source_id.to_string())?;
        require_role(&context.viewer, source.organization_id, Role::Editor)?;
        if context.dry_run {
            return Ok(run);
        }
        let progress = Progress { status: Some(HarvestStatus::Canceled), counts: run.counts, message: Some(canceled_text()) };
        let progress = serde_json::to_string(&progress).map_err(Error::internal)?;
        self.store().write::<_, Error>(|conn| Ok(job::cancel(conn, run.id, &progress, self.now())?))?;
        self.harvest_run(&context.viewer, id)
    }

    fn run_of(&self, job: Job) -> Result<HarvestRun> {
        let progress: Progress = serde_json::from_str(&job.progress).unwrap_or_default();
        let status = match job.state {
            JobState::Queued => HarvestStatus::Queued,
            JobState::Running => HarvestStatus::Running,
            JobState::Done | JobState::Failed => progress.status.unwrap_or(HarvestStatus::Failed),
        };
        Ok(HarvestRun {
            id: job.id,
            source_id: job.subject_id.parse().map_err(Error::internal)?,
            status,
            counts: progress.counts,
            message: progress.message,
            created: job.created,
            started: job.started,
            finished: job.finished,
        })
    }

    fn check_source(&self, viewer: &Viewer, draft: &HarvestSourceDraft) -> Result<Uuid> {
        signed_in(viewer)?;
        let mut errors = draft.check();
        let organization = self.get::<Organization>(viewer, &draft.organization);
        if organization.is_err() {
            errors.push(FieldError::unknown_value("/organization", &draft.organization, "GET /api/v1/organizations"));
        }
        self.check_source_words(draft, &mut errors);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let organization = organization?;
        require_role(viewer, organization.id, Role::Administrator)?;
        Ok(organization.id)
    }

    /// Whether the licences and themes that a source names are the catalog's.
    fn check_source_words(&self, draft: &HarvestSourceDraft, errors: &mut Vec<FieldError>) {
        let directory = self.directory();
        let vocabulary = &directory.vocabulary;
        let licences = "GET /api/v1/licences";
        if let Some(licence) = draft.default_licence.as_deref().filter(|licence| vocabulary.find_licence(licence).is_none()) {
            errors.push(FieldError::unknown_value("/default_licence", licence, licences));
        }
        for (spelling, id) in draft.mapping.licences.iter().filter(|(_, id)| vocabulary.find_licence(id).is_none()) {
            errors.push(FieldError::unknown_value(format!("/mapping/licences/{}", pointer(spelling)), id, licences));
        }
        for (spelling, id) in draft.mapping.themes.iter().filter(|(_, id)| vocabulary.find_theme(id).is_none()) {
            errors.push(FieldError::unknown_value(format!("/mapping/themes/{}", pointer(spelling)), id, "GET /api/v1/themes"));
        }
        if let Some(pattern) = draft.link_pattern.as_deref()
            && let Err(error) = minato_harvest::check_link_pattern(pattern)
        {
            errors.push(FieldError::new("/link_pattern", "invalid_pattern", error.ja, error.en));
        }
    }

    fn edit_source(&self, context: &Context, key: &str, action: Action, f: impl FnOnce(&mut HarvestSource)) -> Result<Done<HarvestSource>> {
        signed_in(&context.viewer)?;
        self.change(context, |conn| {
            let before = find_source(conn, key)?.ok_or_else(|| Error::not_found("harvest_source", key))?;
            require_role(&context.viewer, before.organization_id, Role::Administrator)?;
            context.check_revision(before.revision)?;
            let mut after = before.clone();
            f(&mut after);
            if after == before {
                return Ok(Change::unchanged(shown(before)));
            }
            after.revision += 1;
            after.updated = self.now();
            let saved = store::save(conn, &after, Some(before.revision), action, &context.viewer.name)?;
            Ok(Change { value: shown(after), status: Status::Updated, seq: Some(saved.seq) })
        })
    }
}

/// A source as it is shown: sources from before credentials in addresses were refused keep theirs, for harvesting only.
fn shown(mut source: HarvestSource) -> HarvestSource {
    source.draft.url = without_credentials(&source.draft.url).into_owned();
    source
}

/// The same for a viewer: who is told of its troubles is for members.
fn shown_to(viewer: &Viewer, source: HarvestSource) -> HarvestSource {
    let mut source = shown(source);
    if !viewer.has_role(source.organization_id, Role::Viewer) {
        source.draft.notify = Default::default();
    }
    source
}

/// A segment of a JSON pointer.
fn pointer(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

fn canceled_text() -> Text {
    Text::new("途中で中止されました。取り込んだ分はそのままです。", "stopped on request; what was taken over stays")
}

/// What a decision about a record's move is about: the dataset, and the id it has now.
fn moved_subject(dataset_id: Uuid, remote_id: &str) -> String {
    let digest: String = Sha256::digest(remote_id.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{dataset_id}:{digest}")
}

fn find_source(conn: &mut AnyConnection, key: &str) -> minato_store::Result<Option<HarvestSource>> {
    match store::find(conn, key)? {
        Some(source) => Ok(Some(source)),
        None => store::find_by_key(conn, key),
    }
}
