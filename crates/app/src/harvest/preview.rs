//! Looking at a source before it is harvested: the first records as they would stand here. Nothing is written.

use minato_catalog::{
    DatasetDraft, FieldError, HarvestItem, HarvestSourceDraft, HarvestedRecord, RecordFailure, Role, Text, Viewer, new_id,
    without_credentials,
};
use minato_harvest::Listing;
use minato_store::job::{self, Job, JobState};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::LEASE;
use crate::App;
use crate::context::Context;
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::signed_in;

pub(super) const KIND: &str = "harvest_preview";
/// Records shown.
const RECORDS_MAX: usize = 20;
/// A preview that was begun so often without ending is given up.
const ATTEMPTS_MAX: i64 = 3;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub enum PreviewRequest {
    /// A source that is here: its id or slug.
    Source(String),
    /// One to be.
    Draft(Box<HarvestSourceDraft>),
}

/// How a preview stands, and what it shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HarvestPreview {
    /// Id.
    pub id: Uuid,
    /// Whether it has ended.
    pub done: bool,
    /// The first records as they would stand here.
    pub records: Vec<PreviewRecord>,
    /// Records that could not be converted, and causes that concern the whole source.
    pub problems: Vec<Text>,
    /// Whether the source ended before the preview was full.
    pub whole: bool,
}

/// One record of a preview.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreviewRecord {
    /// Its id at the source.
    pub remote_id: String,
    /// Its page there.
    pub remote_url: Option<String>,
    /// As it would stand here.
    pub draft: DatasetDraft,
    /// Values that had no equal here.
    pub notices: Vec<Text>,
}

/// What the job row keeps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    source: Option<HarvestSourceDraft>,
    organization_id: Option<Uuid>,
    records: Vec<PreviewRecord>,
    problems: Vec<Text>,
    whole: bool,
}

impl App {
    /// Asks for a preview. For administrators of the organization, as for creating the source.
    pub fn queue_preview(&self, context: &Context, request: PreviewRequest) -> Result<HarvestPreview> {
        signed_in(&context.viewer)?;
        let (source, organization_id) = match request {
            PreviewRequest::Source(key) => {
                let source = self.source(&context.viewer, &key)?;
                require_role(&context.viewer, source.organization_id, Role::Editor)?;
                // With any credentials that older sources keep in their addresses.
                let found = self.store().read(|conn| super::find_source(conn, &source.id.to_string()))?;
                (found.map_or(source.draft, |found| found.draft), source.organization_id)
            }
            PreviewRequest::Draft(draft) => {
                let organization_id = self.check_source(&context.viewer, &draft)?;
                (*draft, organization_id)
            }
        };
        if context.dry_run {
            return Ok(HarvestPreview { id: new_id(), done: false, records: Vec::new(), problems: Vec::new(), whole: false });
        }
        let kept = Kept { source: Some(source), organization_id: Some(organization_id), ..Kept::default() };
        let progress = serde_json::to_string(&kept).map_err(Error::internal)?;
        let job = self.store().write::<_, Error>(|conn| {
            let job = job::enqueue(conn, KIND, &new_id().to_string(), self.now())?;
            job::note(conn, job.id, &progress)?;
            Ok(job)
        })?;
        Ok(HarvestPreview { id: job.id, done: false, records: Vec::new(), problems: Vec::new(), whole: false })
    }

    /// A preview that was asked for.
    pub fn harvest_preview(&self, viewer: &Viewer, id: &str) -> Result<HarvestPreview> {
        let not_found = || Error::not_found("harvest_preview", id);
        let uuid: Uuid = id.parse().map_err(|_| not_found())?;
        let job = self.store().read(|conn| job::find(conn, uuid))?.filter(|job| job.kind == KIND).ok_or_else(not_found)?;
        let kept: Kept = serde_json::from_str(&job.progress).unwrap_or_default();
        require_role(viewer, kept.organization_id.ok_or_else(not_found)?, Role::Editor)?;
        let done = matches!(job.state, JobState::Done | JobState::Failed);
        Ok(HarvestPreview { id: job.id, done, records: kept.records, problems: kept.problems, whole: kept.whole })
    }

    /// Looks at a source now, in this thread; for the command line.
    pub fn preview_now(&self, context: &Context, request: PreviewRequest) -> Result<HarvestPreview> {
        let queued = self.queue_preview(context, request)?;
        loop {
            if let Some(job) = self.claim(KIND, Some(queued.id))? {
                self.work_on_preview(&job)?;
            }
            let preview = self.harvest_preview(&context.viewer, &queued.id.to_string())?;
            if preview.done {
                return Ok(preview);
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }

    pub(super) fn work_on_preview(&self, job: &Job) -> Result<()> {
        let mut kept: Kept = serde_json::from_str(&job.progress).unwrap_or_default();
        let outcome = match kept.source.take() {
            Some(source) if job.attempts <= ATTEMPTS_MAX => self.look_at(job, source, &mut kept),
            _ => Err(Error::invalid(FieldError::new("", "preview", "プレビューを作れませんでした。", "the preview could not be made"))),
        };
        if let Err(error) = &outcome {
            kept.problems.push(error.text());
        }
        let progress = serde_json::to_string(&kept).map_err(Error::internal)?;
        let (node, now) = (self.settings().node.clone(), self.now());
        self.store().write::<_, Error>(|conn| Ok(job::finish(conn, job.id, &node, &progress, None, now)?))?;
        Ok(())
    }

    fn look_at(&self, job: &Job, source: HarvestSourceDraft, kept: &mut Kept) -> Result<()> {
        let client = self.client()?.clone();
        let vocabulary = self.directory().vocabulary.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let waiting = serde_json::to_string(&Kept { source: Some(source.clone()), ..kept.clone() }).map_err(Error::internal)?;
        let mut failures = 0;
        runtime.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
            let reader = tokio::spawn(async move { minato_harvest::run(&source, &client, &vocabulary, sender).await });
            let mut tick = tokio::time::interval(std::time::Duration::from_secs(5));
            let ended = loop {
                tokio::select! {
                    item = receiver.recv() => match item {
                        None => break true,
                        Some(HarvestItem::Record(record)) => kept.records.push(shown(*record)),
                        Some(HarvestItem::Failure(failure)) => {
                            failures += 1;
                            kept.problems.push(cause(failure));
                        }
                        Some(HarvestItem::Withdrawn { .. }) => {}
                    },
                    _ = tick.tick() => {
                        let (node, now) = (&self.settings().node, self.now());
                        self.store().write::<_, Error>(|conn| Ok(job::heartbeat(conn, job.id, node, &waiting, now, LEASE)?))?;
                    }
                }
                if kept.records.len() >= RECORDS_MAX || failures >= RECORDS_MAX {
                    break false;
                }
            };
            drop(receiver);
            if !ended {
                reader.abort();
                return Ok(());
            }
            match reader.await.map_err(Error::internal)? {
                Listing::Complete { .. } => kept.whole = true,
                Listing::Incomplete { cause } | Listing::Failed { cause } => kept.problems.push(cause),
            }
            Ok(())
        })
    }
}

fn shown(record: HarvestedRecord) -> PreviewRecord {
    PreviewRecord {
        remote_id: without_credentials(&record.remote_id).into_owned(),
        remote_url: record.remote_url.as_deref().map(|url| without_credentials(url).into_owned()),
        draft: record.draft,
        notices: record.notices,
    }
}

fn cause(failure: RecordFailure) -> Text {
    failure.cause
}
