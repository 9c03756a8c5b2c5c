//! Harvesting: sources, queued runs, and taking records over one by one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, Dataset, DatasetDraft, DatasetState, FieldError, HarvestCounts, HarvestItem, HarvestRecordReport, HarvestRun, HarvestSource,
    HarvestSourceDraft, HarvestStatus, HarvestedRecord, Organization, Provenance, RecordFailure, RecordOutcome, RecordState, Role, Text,
    Viewer, new_id, without_credentials,
};
use minato_harvest::{Listing, content_hash};
use minato_store::harvest::{self as store, HarvestRecord};
use minato_store::job::{self, Job, JobState};
use minato_store::{AnyConnection, dataset};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::signed_in;

pub(crate) const KIND: &str = "harvest";
/// A worker that is silent for so long is taken for dead.
const LEASE: chrono::Duration = chrono::Duration::seconds(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How old the counts may be that watchers of a running run see.
const COUNTS_AGE_MAX: Duration = Duration::from_secs(1);
/// Records fetched ahead of those being written.
const BUFFER: usize = 64;
/// A run that was begun so often without ending is given up.
const ATTEMPTS_MAX: i64 = 20;
/// Below so many records, a source may lose half of them in one run.
const SMALL_SOURCE: i64 = 10;

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
    pub fn list_sources(&self, _viewer: &Viewer) -> Result<Vec<HarvestSource>> {
        let all = self.store().read(store::all)?;
        Ok(all.into_iter().filter(|source| source.state == RecordState::Active).map(shown).collect())
    }

    /// The source with this id or slug.
    pub fn source(&self, viewer: &Viewer, key: &str) -> Result<HarvestSource> {
        let found = self.store().read(|conn| find_source(conn, key))?;
        match found {
            Some(source) if source.state == RecordState::Active || viewer.has_role(source.organization_id, Role::Administrator) => {
                Ok(shown(source))
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

    /// Runs a source now, in this thread, and says how it came out. When another worker has it, waits for that one.
    pub fn harvest(&self, context: &Context, key: &str, mut watch: impl FnMut(HarvestProgress)) -> Result<HarvestRun> {
        let run = self.queue_harvest(context, key)?;
        loop {
            if let Some(job) = self.claim(Some(run.id))? {
                return self.work(job, &mut watch);
            }
            let job =
                self.store().read(|conn| job::find(conn, run.id))?.ok_or_else(|| Error::not_found("harvest_run", run.id.to_string()))?;
            let ended = matches!(job.state, JobState::Done | JobState::Failed);
            let current = self.run_of(job)?;
            watch(HarvestProgress { counts: current.counts });
            if ended {
                return Ok(current);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Takes queued runs, and those whose worker died, until told to stop. Blocks; run it in a thread of its own.
    pub fn work_on_harvests(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let worked = self.claim(None).and_then(|job| match job {
                Some(job) => self.work(job, &mut |_| {}).map(|run| Some(run.id)),
                None => Ok(None),
            });
            match worked {
                Ok(Some(id)) => tracing::info!(run.id = %id, "harvest ended"),
                Ok(None) => std::thread::sleep(Duration::from_millis(500)),
                Err(error) => {
                    tracing::error!(%error, "harvest worker failed; going on with the next run");
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }

    fn claim(&self, only: Option<Uuid>) -> Result<Option<Job>> {
        let (owner, now) = (self.settings().node.as_str(), self.now());
        // Looking first without the write lock keeps idle workers out of everybody's way.
        let waiting = self.store().read(|conn| job::is_claimable(conn, KIND, only, now))?;
        if !waiting {
            return Ok(None);
        }
        self.store().write::<_, Error>(|conn| Ok(job::claim(conn, KIND, only, owner, now, LEASE)?))
    }

    fn work(&self, job: Job, watch: &mut dyn FnMut(HarvestProgress)) -> Result<HarvestRun> {
        let id = job.id;
        let outcome = if job.attempts > ATTEMPTS_MAX {
            Err(Error::internal("the run was begun too often without ending"))
        } else {
            self.run_source(&job, watch)
        };
        let (progress, failure) = match outcome {
            Ok(progress) => (progress, None),
            Err(Error::Unavailable(text)) => {
                tracing::warn!(run.id = %id, reason = %text.en, "harvest handed over");
                let job = self.store().read(|conn| job::find(conn, id))?.ok_or_else(|| Error::not_found("harvest_run", id.to_string()))?;
                return self.run_of(job);
            }
            Err(error) => {
                tracing::error!(run.id = %id, %error, "harvest failed");
                let message = Some(error.text());
                (Progress { status: Some(HarvestStatus::Failed), counts: self.counts(id)?, message }, Some(error.to_string()))
            }
        };
        let text = serde_json::to_string(&progress).map_err(Error::internal)?;
        let (node, now) = (self.settings().node.clone(), self.now());
        self.store().write::<_, Error>(|conn| Ok(job::finish(conn, id, &node, &text, failure.as_deref(), now)?))?;
        self.wait_for_index()?;
        let job = self.store().read(|conn| job::find(conn, id))?.ok_or_else(|| Error::not_found("harvest_run", id.to_string()))?;
        self.run_of(job)
    }

    fn run_source(&self, job: &Job, watch: &mut dyn FnMut(HarvestProgress)) -> Result<Progress> {
        let source = self
            .store()
            .read(|conn| find_source(conn, &job.subject_id))?
            .ok_or_else(|| Error::not_found("harvest_source", job.subject_id.clone()))?;
        let client = self.client()?.clone();
        let vocabulary = self.directory().vocabulary.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let run = Run { app: self, source: &source, id: job.id, context: Context::system(&format!("harvest:{}", source.draft.slug)) };
        let draft = source.draft.clone();
        let (listing, protected) = runtime.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(BUFFER);
            let reader = tokio::spawn(async move { minato_harvest::run(&draft, &client, &vocabulary, sender).await });
            let mut tick = tokio::time::interval(COUNTS_AGE_MAX);
            let mut pulse = Pulse { counts: None, at: Instant::now() };
            let mut unnamed_failures = 0;
            let mut counts = self.counts(job.id)?;
            let mut watched = Instant::now();
            let mut held = Vec::new();
            loop {
                tokio::select! {
                    record = receiver.recv() => match record {
                        None => break,
                        Some(record) => {
                            let record = match record {
                                HarvestItem::Record(record) if run.may_be_renamed(&record)? => {
                                    held.push(*record);
                                    continue;
                                }
                                HarvestItem::Record(record) => Ok(*record),
                                HarvestItem::Failure(failure) => {
                                    unnamed_failures += usize::from(failure.remote_id.is_none());
                                    Err(failure)
                                }
                                HarvestItem::Withdrawn { .. } => continue,
                            };
                            if let Some(outcome) = run.take(record)? {
                                counts.add(outcome);
                            }
                            if watched.elapsed() > Duration::from_millis(100) {
                                watched = Instant::now();
                                watch(HarvestProgress { counts });
                                // Records that come without a pause would starve the reader and the heartbeat.
                                tokio::task::yield_now().await;
                            }
                        }
                    },
                    _ = tick.tick() => pulse.beat(&run, counts)?,
                }
            }
            let listing = reader.await.map_err(Error::internal)?;
            for record in held {
                if matches!(listing, Listing::Complete { .. }) {
                    run.adopt(&record)?;
                }
                if let Some(outcome) = run.take(Ok(record))? {
                    counts.add(outcome);
                }
                if watched.elapsed() > COUNTS_AGE_MAX {
                    watched = Instant::now();
                    pulse.beat(&run, counts)?;
                    watch(HarvestProgress { counts });
                }
            }
            Ok::<_, Error>((listing, unnamed_failures > 0))
        })?;
        run.conclude(listing, protected)
    }

    fn counts(&self, run_id: Uuid) -> Result<HarvestCounts> {
        let mut counts = HarvestCounts::default();
        for (outcome, count) in self.store().read(|conn| store::count_outcomes(conn, run_id))? {
            for _ in 0..count {
                counts.add(outcome);
            }
        }
        Ok(counts)
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
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let organization = organization?;
        require_role(viewer, organization.id, Role::Administrator)?;
        Ok(organization.id)
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

fn find_source(conn: &mut AnyConnection, key: &str) -> minato_store::Result<Option<HarvestSource>> {
    match store::find(conn, key)? {
        Some(source) => Ok(Some(source)),
        None => store::find_by_key(conn, key),
    }
}

/// What was last said of a run: counts are said anew when they changed, and the lease is renewed in any case.
struct Pulse {
    counts: Option<HarvestCounts>,
    at: Instant,
}

impl Pulse {
    fn beat(&mut self, run: &Run<'_>, counts: HarvestCounts) -> Result<()> {
        if self.counts == Some(counts) && self.at.elapsed() < HEARTBEAT {
            return Ok(());
        }
        *self = Pulse { counts: Some(counts), at: Instant::now() };
        run.beat(counts)
    }
}

/// One run over one source, under its lease.
struct Run<'a> {
    app: &'a App,
    source: &'a HarvestSource,
    id: Uuid,
    context: Context,
}

impl Run<'_> {
    /// Takes one record over in a transaction of its own. `None` when this run met it before it was interrupted.
    fn take(&self, record: std::result::Result<HarvestedRecord, RecordFailure>) -> Result<Option<RecordOutcome>> {
        match record {
            Err(failure) => self.note_failure(&failure).map(Some),
            Ok(record) => {
                let remote_id = record.remote_id.clone();
                match self.store_record(&record) {
                    Ok(outcome) => Ok(outcome),
                    Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => Err(error),
                    // One bad record never stops a run.
                    Err(error) => {
                        let cause = match &error {
                            Error::Invalid(errors) => joined(errors),
                            other => other.text(),
                        };
                        let failure =
                            RecordFailure { remote_id: Some(remote_id.clone()), position: remote_id, cause, raw: Some(record.raw) };
                        self.note_failure(&failure).map(Some)
                    }
                }
            }
        }
    }

    /// Whether a record is unknown by its id but has another by which it may turn out to be a renamed one, once the listing was read.
    fn may_be_renamed(&self, record: &HarvestedRecord) -> Result<bool> {
        if record.alternate_id.is_none() {
            return Ok(false);
        }
        Ok(self.app.store().read(|conn| store::find_record(conn, self.source.id, &record.remote_id))?.is_none())
    }

    /// Takes a new record for the renamed form of an absent one that has the same other id.
    fn adopt(&self, record: &HarvestedRecord) -> Result<()> {
        let Some(alternate) = &record.alternate_id else { return Ok(()) };
        self.app.store().write(|conn| {
            self.check_lease(conn)?;
            if let Some(absent) = store::find_unseen_by_alternate(conn, self.source.id, alternate, self.id)? {
                store::rename_record(conn, self.source.id, &absent.remote_id, &record.remote_id)?;
            }
            Ok(())
        })
    }

    fn store_record(&self, record: &HarvestedRecord) -> Result<Option<RecordOutcome>> {
        let app = self.app;
        let hash = content_hash(&record.draft);
        let result = app.store().write(|conn| -> Result<Option<(RecordOutcome, Option<i64>)>> {
            self.check_lease(conn)?;
            let earlier = store::find_outcome(conn, self.id, &record.remote_id)?;
            if earlier.is_some_and(|outcome| outcome != RecordOutcome::Failed) {
                return Ok(None);
            }
            let known = store::find_record(conn, self.source.id, &record.remote_id)?;
            let now = app.now();
            let (outcome, dataset_id, seq) = match known.as_ref().and_then(|known| known.dataset_id) {
                Some(dataset_id) if known.as_ref().is_some_and(|known| known.content_hash == hash && !known.archived) => {
                    store::touch_record(conn, self.source.id, &record.remote_id, self.id, now)?;
                    if known.as_ref().is_some_and(|known| known.alternate_id != record.alternate_id) {
                        store::set_alternate(conn, self.source.id, &record.remote_id, record.alternate_id.as_deref())?;
                    }
                    self.note(conn, &record.remote_id, RecordOutcome::Unchanged, notices(record), Some(dataset_id))?;
                    return Ok(Some((RecordOutcome::Unchanged, None)));
                }
                Some(dataset_id) => self.update(conn, record, dataset_id, now)?,
                None => self.add(conn, record, now)?,
            };
            store::save_record(
                conn,
                &HarvestRecord {
                    source_id: self.source.id,
                    remote_id: record.remote_id.clone(),
                    alternate_id: record.alternate_id.clone(),
                    dataset_id: Some(dataset_id),
                    content_hash: hash,
                    raw: record.raw.clone(),
                    last_run_id: self.id,
                    missing_runs: 0,
                    missing_since: None,
                    archived: false,
                    updated: now,
                },
            )?;
            self.note(conn, &record.remote_id, outcome, notices(record), Some(dataset_id))?;
            Ok(Some((outcome, seq)))
        })?;
        if let Some((_, Some(seq))) = result {
            app.0.generation.fetch_add(1, Ordering::AcqRel);
            if let Some(indexer) = &app.0.indexer {
                indexer.notify(seq);
            }
        }
        Ok(result.map(|(outcome, _)| outcome))
    }

    fn add(&self, conn: &mut AnyConnection, record: &HarvestedRecord, now: DateTime<Utc>) -> Result<(RecordOutcome, Uuid, Option<i64>)> {
        let id = new_id();
        let mut draft = DatasetDraft { organization: Some(self.source.organization_id.to_string()), ..record.draft.clone() };
        // Names are unique here, not between portals: a taken one is replaced by one of ours.
        if let Some(slug) = &draft.slug
            && dataset::slug_is_taken(conn, slug, id)?
        {
            draft.slug = None;
        }
        if let Some(identifier) = &draft.identifier
            && dataset::find_by_identifier(conn, self.source.organization_id, identifier)?.is_some()
        {
            draft.identifier = None;
        }
        // Ids of distributions are ours to give; the source's are kept as `identifier`.
        draft.distributions.iter_mut().flatten().for_each(|distribution| distribution.id = None);
        let change = self.app.insert(conn, &self.context, id, self.source.organization_id, draft, Some(self.provenance(record, now)))?;
        Ok((RecordOutcome::Added, id, change.seq))
    }

    fn update(
        &self,
        conn: &mut AnyConnection,
        record: &HarvestedRecord,
        dataset_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<(RecordOutcome, Uuid, Option<i64>)> {
        let Some(mut before) = dataset::find(conn, dataset_id)? else { return Err(Error::not_found("dataset", dataset_id.to_string())) };
        let returned = before.content.state == DatasetState::Archived;
        if returned {
            before = self.app.set_state(conn, &before, DatasetState::Published, Action::Restore, &self.context.viewer.name)?.value;
        }
        let mut draft = DatasetDraft { organization: None, slug: None, ..record.draft.clone() };
        if let Some(identifier) = &draft.identifier
            && dataset::find_by_identifier(conn, before.content.organization_id, identifier)?.is_some_and(|other| other.id != dataset_id)
        {
            draft.identifier = None;
        }
        match_distributions(&mut draft, &before);
        let change = self.app.update(conn, &self.context, &before, draft, Some(self.provenance(record, now)))?;
        let outcome = if change.status == Status::Unchanged && !returned { RecordOutcome::Unchanged } else { RecordOutcome::Updated };
        let seq = match change.seq {
            None if returned => Some(minato_store::history::last_seq(conn)?),
            seq => seq,
        };
        Ok((outcome, dataset_id, seq))
    }

    fn provenance(&self, record: &HarvestedRecord, now: DateTime<Utc>) -> Provenance {
        Provenance {
            source_id: self.source.id,
            source_title: self.source.draft.title.clone(),
            source_url: without_credentials(&self.source.draft.url).into_owned(),
            remote_id: without_credentials(&record.remote_id).into_owned(),
            remote_url: record.remote_url.as_deref().map(|url| without_credentials(url).into_owned()),
            harvested: now,
        }
    }

    /// A failed record is not an absent one: what is known of it stays as it is and counts as seen.
    fn note_failure(&self, failure: &RecordFailure) -> Result<RecordOutcome> {
        self.app.store().write(|conn| -> Result<()> {
            self.check_lease(conn)?;
            let mut dataset_id = None;
            if let Some(remote_id) = &failure.remote_id {
                dataset_id = store::find_record(conn, self.source.id, remote_id)?.and_then(|record| record.dataset_id);
                store::touch_record(conn, self.source.id, remote_id, self.id, self.app.now())?;
            }
            let key = failure.remote_id.as_deref().unwrap_or(&failure.position);
            self.note(conn, key, RecordOutcome::Failed, Some(failure.cause.clone()), dataset_id)
        })?;
        Ok(RecordOutcome::Failed)
    }

    fn note(
        &self,
        conn: &mut AnyConnection,
        remote_id: &str,
        outcome: RecordOutcome,
        cause: Option<Text>,
        dataset_id: Option<Uuid>,
    ) -> Result<()> {
        Ok(store::save_outcome(conn, self.id, &HarvestRecordReport { remote_id: remote_id.to_owned(), outcome, cause, dataset_id })?)
    }

    fn check_lease(&self, conn: &mut AnyConnection) -> Result<()> {
        if job::is_held(conn, self.id, &self.app.settings().node)? {
            return Ok(());
        }
        Err(Error::Unavailable(Text::new("この収集は別のサーバーが引き継ぎました。", "another server has taken this run over")))
    }

    fn beat(&self, counts: HarvestCounts) -> Result<()> {
        let progress = serde_json::to_string(&Progress { status: None, counts, message: None }).map_err(Error::internal)?;
        let now = self.app.now();
        self.app.store().write::<_, Error>(|conn| {
            self.check_lease(conn)?;
            job::heartbeat(conn, self.id, &self.app.settings().node, &progress, now, LEASE)?;
            Ok(())
        })
    }

    /// After the last record: what was absent from a complete listing becomes suspect, and what was so long enough is archived.
    fn conclude(&self, listing: Listing, unnamed_failures: bool) -> Result<Progress> {
        let (status, mut message) = match listing {
            Listing::Complete { .. } => (HarvestStatus::Complete, None),
            Listing::Incomplete { cause } => (HarvestStatus::Incomplete, Some(cause)),
            Listing::Failed { cause } => (HarvestStatus::Failed, Some(cause)),
        };
        if status == HarvestStatus::Complete {
            if unnamed_failures {
                message = Some(Text::new(
                    "ID の分からない記録が失敗したため、今回は取り下げの判定をしていません。",
                    "records without a readable id failed, so nothing was judged absent in this run",
                ));
            } else {
                message = self.judge_absent()?;
            }
        }
        Ok(Progress { status: Some(status), counts: self.app.counts(self.id)?, message })
    }

    fn judge_absent(&self) -> Result<Option<Text>> {
        let app = self.app;
        let (absent, known) = app
            .store()
            .read(|conn| Ok((store::unseen_records(conn, self.source.id, self.id)?, store::count_records(conn, self.source.id)?)))?;
        let policy = &self.source.draft;
        let now = app.now();
        let due = |record: &HarvestRecord| {
            let runs = record.missing_runs + 1 >= policy.missing_runs_max.max(1);
            let days = record.missing_since.is_some_and(|since| (now - since).num_days() >= policy.grace_days) || policy.grace_days == 0;
            runs && days
        };
        let due_count = i64::try_from(absent.iter().filter(|record| due(record)).count()).unwrap_or(i64::MAX);
        let sweep = due_count > sweep_max(known, policy.sweep_percent_max);
        for record in &absent {
            app.store().write(|conn| -> Result<()> {
                self.check_lease(conn)?;
                // A run that was interrupted here has counted this absence already.
                if store::find_outcome(conn, self.id, &record.remote_id)?.is_some() {
                    return Ok(());
                }
                let missing_since = Some(record.missing_since.unwrap_or(now));
                let mut after = HarvestRecord { missing_runs: record.missing_runs + 1, missing_since, updated: now, ..record.clone() };
                let mut outcome = RecordOutcome::Suspect;
                if due(record) && !sweep {
                    if let Some(dataset_id) = record.dataset_id
                        && let Some(before) = dataset::find(conn, dataset_id)?
                    {
                        app.set_state(conn, &before, DatasetState::Archived, Action::Archive, &self.context.viewer.name)?;
                    }
                    after.archived = true;
                    outcome = RecordOutcome::Archived;
                }
                store::save_record(conn, &after)?;
                let cause = Text::new(
                    format!("収集元の一覧にありません（{} 回目）。", after.missing_runs),
                    format!("absent from the source's listing ({} run(s) in a row)", after.missing_runs),
                );
                self.note(conn, &record.remote_id, outcome, Some(cause), record.dataset_id)
            })?;
        }
        app.0.generation.fetch_add(1, Ordering::AcqRel);
        Ok(sweep.then(|| {
            Text::new(
                format!("{known} 件中 {due_count} 件が一覧から消えたため、取り下げを保留しました。収集元を確認してください。"),
                format!("{due_count} of {known} records vanished at once, so none was archived; check the source"),
            )
        }))
    }
}

/// Most records that one run may archive without staff.
fn sweep_max(known: i64, percent: i64) -> i64 {
    if known < SMALL_SOURCE { known / 2 } else { (known * percent / 100).max(1) }
}

/// Gives drafts of distributions the ids they have here: by the source's own id, else by address, else by title.
fn match_distributions(draft: &mut DatasetDraft, before: &Dataset) {
    let old = &before.content.distributions;
    let mut free: BTreeSet<Uuid> = old.iter().map(|distribution| distribution.id).collect();
    let drafts = draft.distributions.get_or_insert_default();
    drafts.iter_mut().for_each(|distribution| distribution.id = None);
    for rule in 0..3 {
        for new in drafts.iter_mut().filter(|new| new.id.is_none()) {
            let same = |other: &&minato_catalog::Distribution| match rule {
                0 => new.identifier.is_some() && new.identifier == other.identifier,
                1 => new.download_url.is_some() && new.download_url == other.download_url,
                _ => !new.title.is_empty() && new.title == other.title,
            };
            let found = old.iter().filter(|other| free.contains(&other.id)).find(same);
            if let Some(found) = found {
                free.remove(&found.id);
                new.id = Some(found.id);
            }
        }
    }
}

fn notices(record: &HarvestedRecord) -> Option<Text> {
    if record.notices.is_empty() {
        return None;
    }
    let join = |pick: fn(&Text) -> &str| record.notices.iter().map(pick).collect::<Vec<_>>().join(" / ");
    Some(Text::new(join(|text| &text.ja), join(|text| &text.en)))
}

fn joined(errors: &[FieldError]) -> Text {
    let join = |pick: fn(&FieldError) -> &str| errors.iter().map(pick).collect::<Vec<_>>().join(" / ");
    Text::new(join(|error| &error.message.ja), join(|error| &error.message.en))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sources_may_lose_half_and_large_ones_a_share() {
        assert_eq!(
            [sweep_max(1, 20), sweep_max(2, 20), sweep_max(9, 20), sweep_max(10, 20), sweep_max(1000, 20), sweep_max(10, 0)],
            [0, 1, 4, 2, 200, 1]
        );
    }
}
