//! A run: from the lease to the verdict over what was absent.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, Dataset, DatasetDraft, DatasetState, DecisionKind, DecisionState, FieldError, HarvestCounts, HarvestDecision, HarvestItem,
    HarvestRecordReport, HarvestRun, HarvestSource, HarvestStatus, HarvestedRecord, PrivateAgain, Provenance, RecordFailure, RecordOutcome,
    Text, Withdrawal, new_id, without_credentials,
};
use minato_harvest::{Listing, Standing, content_hash, fingerprint};
use minato_store::harvest::{self as store, AbsentRecord, HarvestRecord};
use minato_store::job::{self, Job, JobState};
use minato_store::{AnyConnection, dataset, harvest_decision};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{HarvestProgress, KIND, LEASE, Progress, find_source};
use crate::App;
use crate::context::{Context, Status};
use crate::error::{Error, Result};

const HEARTBEAT: Duration = Duration::from_secs(5);
/// How old the counts may be that watchers of a running run see.
const COUNTS_AGE_MAX: Duration = Duration::from_secs(1);
/// Records fetched ahead of those being written.
const BUFFER: usize = 64;
/// Records written in one transaction: those that wait already, so that a slow source's records are seen at once.
const BATCH: usize = 32;
/// A run that was begun so often without ending is given up.
const ATTEMPTS_MAX: i64 = 200;
/// Below so many records, a source may lose half of them in one run.
const SMALL_SOURCE: i64 = 10;
/// Runs of a source whose unchanged records are kept one by one.
const DETAILED_RUNS: i64 = 3;
/// Records asked for by their ids because a listing does not show them any more.
const ASKED_MAX: usize = 50;
/// What `content_hash` says of a record that waits for the end of the listing.
const PENDING: &str = "pending";
/// Longest raw record kept of a failure, in characters.
const RAW_LENGTH_MAX: usize = 100_000;

/// A record that waits for the end of the listing, as its row keeps it.
#[derive(Serialize, Deserialize)]
struct Pending {
    draft: DatasetDraft,
    remote_url: Option<String>,
    notices: Vec<Text>,
}

impl App {
    /// Runs a source now, in this thread, and says how it came out. When another worker has it, waits for that one.
    pub fn harvest(&self, context: &Context, key: &str, mut watch: impl FnMut(HarvestProgress)) -> Result<HarvestRun> {
        let run = self.queue_harvest(context, key)?;
        loop {
            if let Some(job) = self.claim(KIND, Some(run.id))? {
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

    /// Takes queued runs and previews, and those whose worker died, until told to stop. Blocks; run it in threads of its own, as many as
    /// sources may be read at once.
    pub fn work_on_harvests(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            match self.work_once() {
                Ok(true) => {}
                Ok(false) => std::thread::sleep(Duration::from_millis(500)),
                Err(error) => {
                    tracing::error!(%error, "harvest worker failed; going on with the next run");
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }

    /// One piece of waiting work; `false` when there is none.
    fn work_once(&self) -> Result<bool> {
        if let Some(job) = self.claim(super::preview::KIND, None)? {
            self.work_on_preview(&job)?;
            return Ok(true);
        }
        let Some(job) = self.claim(KIND, None)? else { return Ok(false) };
        let run = self.work(job, &mut |_| {})?;
        tracing::info!(run.id = %run.id, run.status = run.status.as_str(), "harvest ended");
        Ok(true)
    }

    pub(super) fn claim(&self, kind: &str, only: Option<Uuid>) -> Result<Option<Job>> {
        let (owner, now) = (self.settings().node.as_str(), self.now());
        // Looking first without the write lock keeps idle workers out of everybody's way.
        let waiting = self.store().read(|conn| job::is_claimable(conn, kind, only, now))?;
        if !waiting {
            return Ok(None);
        }
        self.store().write::<_, Error>(|conn| Ok(job::claim(conn, kind, only, owner, now, LEASE)?))
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
        self.store().write::<_, Error>(|conn| {
            job::finish(conn, id, &node, &text, failure.as_deref(), now)?;
            if let Ok(source_id) = job.subject_id.parse() {
                store::prune_outcomes(conn, source_id, DETAILED_RUNS)?;
            }
            Ok(())
        })?;
        self.wait_for_index()?;
        let job = self.store().read(|conn| job::find(conn, id))?.ok_or_else(|| Error::not_found("harvest_run", id.to_string()))?;
        let run = self.run_of(job)?;
        if matches!(run.status, HarvestStatus::Complete | HarvestStatus::Incomplete) {
            self.enqueue_link_check(run.source_id)?;
        }
        self.report_run(&run);
        Ok(run)
    }

    fn run_source(&self, job: &Job, watch: &mut dyn FnMut(HarvestProgress)) -> Result<Progress> {
        let source = self
            .store()
            .read(|conn| find_source(conn, &job.subject_id))?
            .ok_or_else(|| Error::not_found("harvest_source", job.subject_id.clone()))?;
        let client = self.client()?.clone();
        let vocabulary = self.directory().vocabulary.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let mut run = Run {
            app: self,
            source: &source,
            id: job.id,
            context: Context::system(&format!("harvest:{}", source.draft.slug)),
            unnamed_failures: 0,
            shown: None,
            withdrawn: Vec::new(),
            canceled: false,
        };
        self.store().write::<_, Error>(|conn| Ok(store::forget_pending(conn, source.id, job.id, PENDING)?))?;
        let draft = source.draft.clone();
        let listing = runtime.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(BUFFER);
            let reader = tokio::spawn(async move { minato_harvest::run(&draft, &client, &vocabulary, sender).await });
            let mut tick = tokio::time::interval(COUNTS_AGE_MAX);
            let mut pulse = Pulse { counts: None, at: Instant::now() };
            let mut counts = self.counts(job.id)?;
            let mut watched = Instant::now();
            loop {
                tokio::select! {
                    item = receiver.recv() => {
                        let Some(item) = item else { break };
                        let mut batch = vec![item];
                        while batch.len() < BATCH {
                            let Ok(item) = receiver.try_recv() else { break };
                            batch.push(item);
                        }
                        run.take(batch)?.into_iter().for_each(|outcome| counts.add(outcome));
                        if watched.elapsed() > Duration::from_millis(100) {
                            watched = Instant::now();
                            watch(HarvestProgress { counts });
                        }
                        // Records that come without a pause would starve the reader and the heartbeat.
                        tokio::task::yield_now().await;
                    },
                    _ = tick.tick() => if pulse.beat(&run, counts)? {
                        run.canceled = true;
                        break;
                    },
                }
            }
            drop(receiver);
            if run.canceled {
                reader.abort();
                return Ok(Listing::Incomplete { cause: super::canceled_text() });
            }
            let listing = reader.await.map_err(Error::internal)?;
            let complete = matches!(listing, Listing::Complete { .. });
            while let Some(outcomes) = run.settle_pending(complete)? {
                outcomes.into_iter().for_each(|outcome| counts.add(outcome));
                watch(HarvestProgress { counts });
                pulse.beat(&run, counts)?;
            }
            if complete {
                run.ask_for_absent(&mut pulse, counts).await?;
            }
            Ok::<_, Error>(listing)
        })?;
        run.conclude(listing)
    }

    pub(super) fn counts(&self, run_id: Uuid) -> Result<HarvestCounts> {
        let mut counts = HarvestCounts::default();
        for (outcome, count) in self.store().read(|conn| store::count_outcomes(conn, run_id))? {
            counts.add_many(outcome, count);
        }
        Ok(counts)
    }

    /// What a change in a run's transaction means for those who look: caches forget, the index follows.
    fn announce(&self, seq: Option<i64>) {
        let Some(seq) = seq else { return };
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        if let Some(indexer) = &self.0.indexer {
            indexer.notify(seq);
        }
    }
}

/// What was last said of a run: counts are said anew when they changed, and the lease is renewed in any case.
struct Pulse {
    counts: Option<HarvestCounts>,
    at: Instant,
}

impl Pulse {
    /// Whether somebody wants the run to stop.
    fn beat(&mut self, run: &Run<'_>, counts: HarvestCounts) -> Result<bool> {
        if self.counts != Some(counts) || self.at.elapsed() >= HEARTBEAT {
            *self = Pulse { counts: Some(counts), at: Instant::now() };
            run.beat(counts)?;
        }
        let job = run.app.store().read(|conn| job::find(conn, run.id))?;
        Ok(job.is_some_and(|job| job.cancel_requested))
    }
}

/// One run over one source, under its lease.
struct Run<'a> {
    app: &'a App,
    source: &'a HarvestSource,
    id: Uuid,
    context: Context,
    /// Failures whose record could not be told.
    unnamed_failures: usize,
    /// A record that the source shows to everybody.
    shown: Option<String>,
    /// Known records that the source itself takes back.
    withdrawn: Vec<(String, Withdrawal)>,
    canceled: bool,
}

/// What became of a record in a transaction.
enum Taken {
    /// Its outcome, and the place in the change log.
    Outcome(RecordOutcome, Option<i64>),
    /// This run met it before it was interrupted, or it waits for the end of the listing.
    Nothing,
}

impl Run<'_> {
    /// Takes what came over, in one transaction, each record on its own: a bad one never takes others with it.
    fn take(&mut self, items: Vec<HarvestItem>) -> Result<Vec<RecordOutcome>> {
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            match item {
                HarvestItem::Record(record) => {
                    self.shown.get_or_insert_with(|| record.remote_id.clone());
                    records.push(Ok(*record));
                }
                HarvestItem::Failure(failure) => {
                    self.unnamed_failures += usize::from(failure.remote_id.is_none());
                    records.push(Err(failure));
                }
                HarvestItem::Withdrawn { remote_id, cause } => {
                    let known = self.app.store().read(|conn| store::find_record(conn, self.source.id, &remote_id))?;
                    if known.is_some_and(|record| !record.archived) {
                        self.withdrawn.push((remote_id, cause));
                    }
                }
            }
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let (outcomes, seq) = self.app.store().write(|conn| -> Result<(Vec<RecordOutcome>, Option<i64>)> {
            self.check_lease(conn)?;
            let (mut outcomes, mut last) = (Vec::new(), None);
            for record in &records {
                let taken = match record {
                    Err(failure) => Taken::Outcome(self.note_failure(conn, failure)?, None),
                    Ok(record) => match minato_store::savepoint(conn, |conn| self.store_record(conn, record, true)) {
                        Ok(taken) => taken,
                        Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                        Err(error) => Taken::Outcome(self.note_failure(conn, &refused(record, &error))?, None),
                    },
                };
                if let Taken::Outcome(outcome, seq) = taken {
                    outcomes.push(outcome);
                    last = seq.or(last);
                }
            }
            Ok((outcomes, last))
        })?;
        self.app.announce(seq);
        Ok(outcomes)
    }

    /// Adds, updates or skips a record. `may_wait` puts one aside that may turn out to be a known one under another id, once the
    /// whole listing was read.
    fn store_record(&self, conn: &mut AnyConnection, record: &HarvestedRecord, may_wait: bool) -> Result<Taken> {
        let earlier = store::find_outcome(conn, self.id, &record.remote_id)?;
        if earlier.is_some_and(|outcome| outcome != RecordOutcome::Failed) {
            return Ok(Taken::Nothing);
        }
        self.refuse_own(conn, record)?;
        let hash = content_hash(&record.draft);
        let known = store::find_record(conn, self.source.id, &record.remote_id)?;
        let now = self.app.now();
        let print = fingerprint(&record.draft);
        let (outcome, dataset_id, seq) = match known.as_ref().and_then(|known| known.dataset_id.map(|id| (known, id))) {
            Some((known, dataset_id)) if known.content_hash == hash && !known.archived => {
                store::touch_record(conn, self.source.id, &record.remote_id, self.id, now)?;
                if known.alternate_id != record.alternate_id {
                    store::set_alternate(conn, self.source.id, &record.remote_id, record.alternate_id.as_deref())?;
                }
                self.note(conn, &record.remote_id, RecordOutcome::Unchanged, notices(record), Some(dataset_id))?;
                return Ok(Taken::Outcome(RecordOutcome::Unchanged, None));
            }
            Some((_, dataset_id)) => self.update(conn, record, dataset_id, now)?,
            None if may_wait && self.may_have_moved(conn, record, &print)? => {
                self.put_aside(conn, record, &print, now)?;
                return Ok(Taken::Nothing);
            }
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
                draft: Some(serde_json::to_string(&record.draft).map_err(Error::internal)?),
                fingerprint: Some(print),
            },
        )?;
        self.note(conn, &record.remote_id, outcome, notices(record), Some(dataset_id))?;
        Ok(Taken::Outcome(outcome, seq))
    }

    /// Our own datasets that come back through another portal are not harvested: they would stand here twice and chase each other.
    fn refuse_own(&self, conn: &mut AnyConnection, record: &HarvestedRecord) -> Result<()> {
        let own = |id: Uuid, conn: &mut AnyConnection| -> Result<bool> {
            let found = dataset::find(conn, id)?;
            Ok(found.is_some_and(|dataset| dataset.content.provenance.is_none_or(|provenance| provenance.source_id != self.source.id)))
        };
        let ids = [Some(record.remote_id.as_str()), record.draft.identifier.as_deref()];
        let mut is_own = false;
        for text in ids.into_iter().flatten() {
            // The last part of an address, too: DCAT says `https://…/datasets/{id}`.
            let last = text.trim_end_matches(['/', '#']).rsplit(['/', ':', '#']).next().unwrap_or_default();
            if let Ok(id) = Uuid::parse_str(last) {
                is_own |= own(id, conn)?;
            }
        }
        let base = self.app.settings().public_url.trim_end_matches('/');
        let is_here = |url: &str| !base.is_empty() && url.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_own |= is_here(&record.remote_id) || record.remote_url.as_deref().is_some_and(is_here);
        is_own |=
            record.draft.landing_page.as_deref().is_some_and(is_here) && self.source.draft.kind != minato_catalog::HarvestKind::FileList;
        if !is_own {
            return Ok(());
        }
        Err(Error::invalid(FieldError::new(
            "",
            "own_record",
            "このカタログ自身のデータセットです。循環を避けるため取り込みません。収集元の設定で除いてください。",
            "this is a dataset of this catalog itself; it is not taken over, to avoid a loop. Leave it out at the source",
        )))
    }

    /// Whether a record that is unknown by its id may be one that is known by another.
    fn may_have_moved(&self, conn: &mut AnyConnection, record: &HarvestedRecord, print: &str) -> Result<bool> {
        Ok(self.find_former(conn, record.alternate_id.as_deref(), print, &record.remote_id)?.is_some())
    }

    /// The record that this run has not seen under its own id and that looks like this one.
    fn find_former(
        &self,
        conn: &mut AnyConnection,
        alternate_id: Option<&str>,
        print: &str,
        remote_id: &str,
    ) -> Result<Option<HarvestRecord>> {
        if let Some(alternate) = alternate_id
            && let Some(found) = store::find_unseen_by_alternate(conn, self.source.id, alternate, self.id)?
        {
            return Ok(Some(found));
        }
        for found in store::find_unseen_by_fingerprint(conn, self.source.id, print, self.id)? {
            let Some(dataset_id) = found.dataset_id else { continue };
            let decided = harvest_decision::find_by_subject(conn, DecisionKind::Moved, &super::moved_subject(dataset_id, remote_id))?;
            if decided.is_none_or(|decision| decision.state != DecisionState::Rejected) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn put_aside(&self, conn: &mut AnyConnection, record: &HarvestedRecord, print: &str, now: DateTime<Utc>) -> Result<()> {
        let pending = Pending { draft: record.draft.clone(), remote_url: record.remote_url.clone(), notices: record.notices.clone() };
        store::save_record(
            conn,
            &HarvestRecord {
                source_id: self.source.id,
                remote_id: record.remote_id.clone(),
                alternate_id: record.alternate_id.clone(),
                dataset_id: None,
                content_hash: PENDING.to_owned(),
                raw: record.raw.clone(),
                last_run_id: self.id,
                missing_runs: 0,
                missing_since: None,
                archived: false,
                updated: now,
                draft: Some(serde_json::to_string(&pending).map_err(Error::internal)?),
                fingerprint: Some(print.to_owned()),
            },
        )?;
        Ok(())
    }

    /// Tells what was made private from what is merely gone, where the listing shows neither: asks for the records themselves. What the
    /// source refuses is taken back by it, if it still shows others meanwhile.
    async fn ask_for_absent(&mut self, pulse: &mut Pulse, counts: HarvestCounts) -> Result<()> {
        let source = self.source;
        let Some(shown) = self.shown.clone().filter(|_| source.draft.private_again == PrivateAgain::Archive) else { return Ok(()) };
        let mut absent = self.app.store().read(|conn| store::unseen_records(conn, source.id, self.id))?;
        absent.retain(|record| self.withdrawn.iter().all(|(id, _)| *id != record.remote_id));
        if absent.is_empty() {
            return Ok(());
        }
        absent.sort_by_key(|record| record.missing_runs);
        let client = self.app.client()?.clone();
        let ask = async |remote_id: &str| minato_harvest::standing(&source.draft, &client, remote_id).await;
        let asking = async {
            let mut withheld = Vec::new();
            if ask(&shown).await != Some(Standing::Shown) {
                return withheld;
            }
            for record in absent.into_iter().take(ASKED_MAX) {
                match ask(&record.remote_id).await {
                    Some(Standing::Withheld) => withheld.push(record.remote_id),
                    Some(_) => {}
                    None => break,
                }
            }
            // One that refuses everything by now has refused nothing in particular.
            if !withheld.is_empty() && ask(&shown).await != Some(Standing::Shown) {
                withheld.clear();
            }
            withheld
        };
        tokio::pin!(asking);
        let mut tick = tokio::time::interval(COUNTS_AGE_MAX);
        let withheld = loop {
            tokio::select! {
                withheld = &mut asking => break withheld,
                _ = tick.tick() => if pulse.beat(self, counts)? {
                    self.canceled = true;
                    return Ok(());
                },
            }
        };
        self.withdrawn.extend(withheld.into_iter().map(|remote_id| (remote_id, Withdrawal::Private)));
        Ok(())
    }

    /// Takes some of the records over that waited for the end of the listing; `None` when there are none left.
    fn settle_pending(&self, complete: bool) -> Result<Option<Vec<RecordOutcome>>> {
        let waiting = self.app.store().read(|conn| store::pending_records(conn, self.source.id, self.id, PENDING, BATCH as i64))?;
        if waiting.is_empty() {
            return Ok(None);
        }
        let mut outcomes = Vec::new();
        for row in waiting {
            let (outcome, seq) = self.app.store().write(|conn| -> Result<(RecordOutcome, Option<i64>)> {
                self.check_lease(conn)?;
                let settled = minato_store::savepoint(conn, |conn| self.settle(conn, &row, complete));
                match settled {
                    Ok(settled) => Ok(settled),
                    Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => Err(error),
                    Err(error) => {
                        store::forget_record(conn, self.source.id, &row.remote_id)?;
                        let failure = RecordFailure {
                            remote_id: Some(row.remote_id.clone()),
                            position: row.remote_id.clone(),
                            cause: cause_of(&error),
                            raw: Some(row.raw.clone()),
                        };
                        Ok((self.note_failure(conn, &failure)?, None))
                    }
                }
            })?;
            self.app.announce(seq);
            outcomes.push(outcome);
        }
        Ok(Some(outcomes))
    }

    fn settle(&self, conn: &mut AnyConnection, row: &HarvestRecord, complete: bool) -> Result<(RecordOutcome, Option<i64>)> {
        store::forget_record(conn, self.source.id, &row.remote_id)?;
        let pending: Pending = serde_json::from_str(row.draft.as_deref().unwrap_or_default()).map_err(Error::internal)?;
        let record = HarvestedRecord {
            remote_id: row.remote_id.clone(),
            alternate_id: row.alternate_id.clone(),
            remote_url: pending.remote_url,
            raw: row.raw.clone(),
            draft: pending.draft,
            notices: pending.notices,
        };
        let print = row.fingerprint.clone().unwrap_or_default();
        let former = self.find_former(conn, record.alternate_id.as_deref(), &print, &record.remote_id)?;
        match former {
            Some(former) if complete => {
                let same_content = former.fingerprint.as_ref() == Some(&print);
                self.adopt(conn, &former, &record.remote_id, same_content)?;
            }
            // Whether the other one is gone cannot be told, and both would stand here twice.
            Some(former) => {
                let cause = Text::new(
                    format!("「{}」の ID が変わったものかもしれません。一覧を最後まで読めた次の回に判定します。", former.remote_id),
                    format!(
                        "this may be `{}` under another id; it is decided in the next run that reads the whole listing",
                        former.remote_id
                    ),
                );
                self.note(conn, &record.remote_id, RecordOutcome::Suspect, Some(cause), None)?;
                return Ok((RecordOutcome::Suspect, None));
            }
            None => {}
        }
        match self.store_record(conn, &record, false)? {
            Taken::Outcome(outcome, seq) => Ok((outcome, seq)),
            Taken::Nothing => Ok((RecordOutcome::Unchanged, None)),
        }
    }

    /// Takes a new record for the renamed form of an absent one, by its content or its name, and says so to staff.
    fn adopt(&self, conn: &mut AnyConnection, former: &HarvestRecord, remote_id: &str, same_content: bool) -> Result<()> {
        store::rename_record(conn, self.source.id, &former.remote_id, remote_id)?;
        let Some(dataset_id) = former.dataset_id else { return Ok(()) };
        let now = self.app.now();
        let (ja, en) = match same_content {
            true => ("内容は同じです", "with the same content"),
            false => ("名前は同じです", "under the same name"),
        };
        harvest_decision::save(
            conn,
            &HarvestDecision {
                id: new_id(),
                kind: DecisionKind::Moved,
                source_id: self.source.id,
                subject: super::moved_subject(dataset_id, remote_id),
                dataset_id: Some(dataset_id),
                other_id: None,
                state: DecisionState::Accepted,
                reason: Text::new(
                    format!("収集元での ID が「{}」から「{remote_id}」に変わり、{ja}。", former.remote_id),
                    format!("its id at the source changed from `{}` to `{remote_id}`, {en}", former.remote_id),
                ),
                created: now,
                decided: Some(now),
                decided_by: Some("system".to_owned()),
            },
        )?;
        Ok(())
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
        let linked = self.app.link(conn, &change.value, record.draft.identifier.as_deref())?;
        Ok((RecordOutcome::Added, id, linked.or(change.seq)))
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
        let mut last = None;
        if returned {
            let restored = self.app.set_state(conn, &before, DatasetState::Published, Action::Restore, &self.context.viewer.name)?;
            last = restored.seq;
            before = restored.value;
        }
        let mut draft = DatasetDraft { organization: None, slug: None, ..record.draft.clone() };
        if let Some(identifier) = &draft.identifier
            && dataset::find_by_identifier(conn, before.content.organization_id, identifier)?.is_some_and(|other| other.id != dataset_id)
        {
            draft.identifier = None;
        }
        match_distributions(&mut draft, &before);
        let draft = self.app.with_corrections(conn, dataset_id, draft)?;
        let change = self.app.update(conn, &self.context, &before, draft, Some(self.provenance(record, now)))?;
        let linked = self.app.link(conn, &change.value, record.draft.identifier.as_deref())?;
        let outcome = if change.status == Status::Unchanged && !returned { RecordOutcome::Unchanged } else { RecordOutcome::Updated };
        Ok((outcome, dataset_id, linked.or(change.seq).or(last)))
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
    fn note_failure(&self, conn: &mut AnyConnection, failure: &RecordFailure) -> Result<RecordOutcome> {
        let mut dataset_id = None;
        if let Some(remote_id) = &failure.remote_id {
            dataset_id = store::find_record(conn, self.source.id, remote_id)?.and_then(|record| record.dataset_id);
            store::touch_record(conn, self.source.id, remote_id, self.id, self.app.now())?;
        }
        let key = failure.remote_id.as_deref().unwrap_or(&failure.position);
        let report = HarvestRecordReport {
            remote_id: key.to_owned(),
            outcome: RecordOutcome::Failed,
            cause: Some(failure.cause.clone()),
            dataset_id,
            raw: failure.raw.as_ref().map(|raw| raw.chars().take(RAW_LENGTH_MAX).collect()),
        };
        store::save_outcome(conn, self.id, &report)?;
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
        let report = HarvestRecordReport { remote_id: remote_id.to_owned(), outcome, cause, dataset_id, raw: None };
        Ok(store::save_outcome(conn, self.id, &report)?)
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

    /// After the last record: what the source took back goes; what was absent from a complete listing becomes suspect, and what was so
    /// long enough is archived.
    fn conclude(&self, listing: Listing) -> Result<Progress> {
        let (status, mut message) = match listing {
            _ if self.canceled => (HarvestStatus::Canceled, Some(super::canceled_text())),
            Listing::Complete { .. } => (HarvestStatus::Complete, None),
            Listing::Incomplete { cause } => (HarvestStatus::Incomplete, Some(cause)),
            Listing::Failed { cause } => (HarvestStatus::Failed, Some(cause)),
        };
        if !self.canceled {
            let complete = status == HarvestStatus::Complete && self.unnamed_failures == 0;
            if status == HarvestStatus::Complete && !complete {
                message = Some(Text::new(
                    "ID の分からない記録が失敗したため、今回は取り下げの判定をしていません。",
                    "records without a readable id failed, so nothing was judged absent in this run",
                ));
            }
            message = self.judge(complete)?.or(message);
        }
        Ok(Progress { status: Some(status), counts: self.app.counts(self.id)?, message })
    }

    /// Judges what the source took back and, after a complete listing, what was absent from it.
    fn judge(&self, complete: bool) -> Result<Option<Text>> {
        let app = self.app;
        let policy = &self.source.draft;
        let (absent, known) = app.store().read(|conn| {
            let absent = if complete { store::unseen_records(conn, self.source.id, self.id)? } else { Vec::new() };
            Ok((absent, store::count_records(conn, self.source.id)?))
        })?;
        let withdrawn: BTreeSet<&str> = self.withdrawn.iter().map(|(id, _)| id.as_str()).collect();
        let (gone, absent): (Vec<_>, Vec<_>) = absent.into_iter().partition(|record| withdrawn.contains(record.remote_id.as_str()));
        let now = app.now();
        let runs_needed = policy.missing_runs_max.max(1);
        let due = |missing_runs: i64, missing_since: Option<DateTime<Utc>>| {
            let runs = missing_runs + 1 >= runs_needed;
            let days = missing_since.is_some_and(|since| (now - since).num_days() >= policy.grace_days) || policy.grace_days == 0;
            runs && days
        };
        let at_once = |cause: Withdrawal| cause == Withdrawal::Deleted || policy.private_again == PrivateAgain::Archive;
        let mut taken_back = Vec::new();
        for (remote_id, cause) in &self.withdrawn {
            let Some(record) = app.store().read(|conn| store::find_record(conn, self.source.id, remote_id))? else { continue };
            taken_back.push((remote_id, *cause, at_once(*cause) || due(record.missing_runs, record.missing_since)));
        }
        let due_count = absent.iter().filter(|record| due(record.missing_runs, record.missing_since)).count()
            + taken_back.iter().filter(|(_, _, due)| *due).count();
        let due_count = i64::try_from(due_count).unwrap_or(i64::MAX);
        let sweep = due_count > sweep_max(known, policy.sweep_percent_max);
        for (remote_id, cause, due) in taken_back {
            let runs = at_once(cause).then_some(runs_needed);
            self.judge_one(remote_id, due && !sweep, runs, &withdrawal_text(cause), now)?;
        }
        for record in &absent {
            let runs = record.missing_runs + 1;
            let cause = Text::new(
                format!("収集元の一覧にありません（{runs} 回目）。"),
                format!("absent from the source's listing ({runs} run(s) in a row)"),
            );
            let due = due(record.missing_runs, record.missing_since);
            self.judge_one(&record.remote_id, due && !sweep, None, &cause, now)?;
        }
        if complete {
            self.propose_moves(&gone)?;
            self.propose_moves(&absent)?;
        }
        app.0.generation.fetch_add(1, Ordering::AcqRel);
        if !sweep {
            if complete {
                self.forget_sweep()?;
            }
            return Ok(None);
        }
        let text = Text::new(
            format!(
                "{known} 件中 {due_count} 件が一覧から消えたため、取り下げを保留しました。収集元を確認して、「判断」で決めてください。"
            ),
            format!(
                "{due_count} of {known} records vanished at once, so none was archived; check the source and decide it among the decisions"
            ),
        );
        app.store().write::<_, Error>(|conn| {
            self.check_lease(conn)?;
            let decision = HarvestDecision {
                id: new_id(),
                kind: DecisionKind::Sweep,
                source_id: self.source.id,
                subject: self.source.id.to_string(),
                dataset_id: None,
                other_id: None,
                state: DecisionState::Open,
                reason: text.clone(),
                created: now,
                decided: None,
                decided_by: None,
            };
            harvest_decision::save(conn, &decision)?;
            Ok(())
        })?;
        Ok(Some(text))
    }

    /// What an earlier run left to staff has lost its cause: by now, no more is absent than may be.
    fn forget_sweep(&self) -> Result<()> {
        self.app.store().write::<_, Error>(|conn| {
            self.check_lease(conn)?;
            let known = harvest_decision::find_by_subject(conn, DecisionKind::Sweep, &self.source.id.to_string())?;
            if let Some(open) = known.filter(|decision| decision.state == DecisionState::Open) {
                harvest_decision::forget(conn, open.id)?;
            }
            Ok(())
        })
    }

    /// One record that is not there any more: suspect, or archived. `runs` overrides the number of runs it counts as absent for.
    fn judge_one(&self, remote_id: &str, archive: bool, runs: Option<i64>, cause: &Text, now: DateTime<Utc>) -> Result<()> {
        let app = self.app;
        app.store().write(|conn| -> Result<()> {
            self.check_lease(conn)?;
            // A run that was interrupted here has counted this absence already.
            if store::find_outcome(conn, self.id, remote_id)?.is_some_and(|outcome| outcome != RecordOutcome::Failed) {
                return Ok(());
            }
            let Some(record) = store::find_record(conn, self.source.id, remote_id)? else { return Ok(()) };
            let mut after = HarvestRecord {
                missing_runs: runs.unwrap_or(record.missing_runs + 1),
                missing_since: Some(record.missing_since.unwrap_or(now)),
                updated: now,
                ..record
            };
            let mut outcome = RecordOutcome::Suspect;
            if archive {
                app.archive_record(conn, &mut after, &self.context.viewer.name)?;
                outcome = RecordOutcome::Archived;
            }
            store::save_record(conn, &after)?;
            self.note(conn, remote_id, outcome, Some(cause.clone()), after.dataset_id)
        })
    }

    /// Records that are not there any more and whose title a new one has: perhaps the same, with more than the id changed. Shown once until staff decide.
    fn propose_moves(&self, absent: &[AbsentRecord]) -> Result<()> {
        for record in absent {
            let Some(dataset_id) = record.dataset_id else { continue };
            let seq = self.app.store().write(|conn| -> Result<Option<i64>> {
                self.check_lease(conn)?;
                self.app.propose_move(conn, self.source.id, self.id, dataset_id)
            })?;
            self.app.announce(seq);
        }
        Ok(())
    }
}

impl App {
    /// Withdraws the dataset of a record that is gone at its source.
    pub(super) fn archive_record(&self, conn: &mut AnyConnection, record: &mut HarvestRecord, actor: &str) -> Result<()> {
        if let Some(dataset_id) = record.dataset_id
            && let Some(before) = dataset::find(conn, dataset_id)?
        {
            self.set_state(conn, &before, DatasetState::Archived, Action::Archive, actor)?;
        }
        record.archived = true;
        Ok(())
    }
}

fn withdrawal_text(cause: Withdrawal) -> Text {
    match cause {
        Withdrawal::Private => Text::new("収集元が公開をやめました。", "the source does not publish it any more"),
        Withdrawal::Deleted => Text::new("収集元で削除されました。", "the source deleted it"),
    }
}

/// Most records that one run may archive without staff.
fn sweep_max(known: i64, percent: i64) -> i64 {
    if known < SMALL_SOURCE { known / 2 } else { (known * percent / 100).max(1) }
}

/// Gives drafts of distributions the ids they have here: by the source's own id, else by address (of a page or service, where there is no file),
/// else by title.
pub(super) fn match_distributions(draft: &mut DatasetDraft, before: &Dataset) {
    let old = &before.content.distributions;
    let mut free: BTreeSet<Uuid> = old.iter().map(|distribution| distribution.id).collect();
    let drafts = draft.distributions.get_or_insert_default();
    drafts.iter_mut().for_each(|distribution| distribution.id = None);
    for rule in 0..3 {
        for new in drafts.iter_mut().filter(|new| new.id.is_none()) {
            let same = |other: &&minato_catalog::Distribution| match rule {
                0 => new.identifier.is_some() && new.identifier == other.identifier,
                1 if new.download_url.is_some() => new.download_url == other.download_url,
                1 => new.access_url.is_some() && new.access_url == other.access_url && other.download_url.is_none(),
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

fn refused(record: &HarvestedRecord, error: &Error) -> RecordFailure {
    RecordFailure {
        remote_id: Some(record.remote_id.clone()),
        position: record.remote_id.clone(),
        cause: cause_of(error),
        raw: Some(record.raw.clone()),
    }
}

fn cause_of(error: &Error) -> Text {
    match error {
        Error::Invalid(errors) => joined(errors),
        other => other.text(),
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
    fn distributions_are_known_by_their_address_whatever_leads_there() {
        let at = |title: &str, access: Option<&str>, download: Option<&str>| minato_catalog::DistributionDraft {
            title: title.to_owned(),
            access_url: access.map(str::to_owned),
            download_url: download.map(str::to_owned),
            ..Default::default()
        };
        let (page, file) = (Some("https://e.jp/"), Some("https://e.jp/a.csv"));
        let draft = |distributions| DatasetDraft { title: "題".to_owned(), distributions: Some(distributions), ..DatasetDraft::default() };
        let old = draft(vec![at("地図", page, None), at("表", page, file)]);
        let content = old.apply(new_id(), new_id(), "kure", None, &minato_catalog::Vocabulary::built_in(), Utc::now());
        let before = Dataset { id: new_id(), content, revision: 1, created: Utc::now(), updated: Utc::now() };
        let mut new = draft(vec![at("新しい表", page, file), at("新しい地図", page, None), at("別", Some("https://e.jp/other"), None)]);
        match_distributions(&mut new, &before);
        let known = |index: usize| Some(before.content.distributions[index].id);
        let ids: Vec<Option<Uuid>> = new.distributions.unwrap().iter().map(|distribution| distribution.id).collect();
        assert_eq!(ids, [known(1), known(0), None]);
    }

    #[test]
    fn small_sources_may_lose_half_and_large_ones_a_share() {
        assert_eq!(
            [sweep_max(1, 20), sweep_max(2, 20), sweep_max(9, 20), sweep_max(10, 20), sweep_max(1000, 20), sweep_max(10, 0)],
            [0, 1, 4, 2, 200, 1]
        );
    }
}
