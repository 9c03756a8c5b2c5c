//! Runs that begin by themselves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use minato_catalog::{HarvestSource, RecordState, Schedule};
use minato_store::harvest as store;
use minato_store::job;

use super::KIND;
use crate::App;
use crate::error::{Error, Result};

/// How often it is looked what is due.
const INTERVAL: Duration = Duration::from_secs(20);
/// How often old jobs are dropped.
const SWEEP_INTERVAL: Duration = Duration::from_secs(6 * 3600);

impl App {
    /// Queues runs when they are due, until told to stop. Every server may do so: a run that waits or is running is not queued twice.
    pub fn keep_schedules(&self, stop: &AtomicBool) {
        let mut next = std::time::Instant::now();
        let mut swept: Option<std::time::Instant> = None;
        while !stop.load(Ordering::Acquire) {
            if std::time::Instant::now() >= next {
                next = std::time::Instant::now() + INTERVAL;
                if swept.is_none_or(|at| at.elapsed() > SWEEP_INTERVAL) {
                    swept = Some(std::time::Instant::now());
                    if let Err(error) = self.forget_old_jobs() {
                        tracing::error!(%error, "old jobs could not be dropped; trying again later");
                    }
                }
                match self.queue_due_harvests(self.now()) {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "scheduled harvests queued"),
                    Err(error) => tracing::error!(%error, "schedules could not be looked at; trying again"),
                }
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Drops previews and finished checks of links that nobody will look for any more.
    fn forget_old_jobs(&self) -> Result<()> {
        let before = self.now() - chrono::Duration::days(7);
        self.store().write::<_, Error>(|conn| {
            for kind in [super::preview::KIND, super::link::KIND, super::link::KIND_ASKED, super::report::KIND] {
                job::forget_finished(conn, kind, before)?;
            }
            Ok(())
        })
    }

    /// Queues a run for every source whose schedule has come round since its last run was asked for. Gives their number.
    pub fn queue_due_harvests(&self, now: DateTime<Utc>) -> Result<usize> {
        let sources = self.store().read(store::all)?;
        let mut queued = 0;
        for source in sources.iter().filter(|source| source.state == RecordState::Active && !source.draft.paused) {
            let Some(text) = &source.draft.schedule else { continue };
            let Ok(schedule) = Schedule::parse(text, &source.draft.slug) else { continue };
            let last = |conn: &mut _| job::list(conn, KIND, Some(&source.id.to_string()), 1);
            if !is_due(&schedule, source, self.store().read(last)?.first().map(|job| job.created), now) {
                continue;
            }
            queued += usize::from(self.store().write::<_, Error>(|conn| {
                // Another server may have been first.
                if !is_due(&schedule, source, last(conn)?.first().map(|job| job.created), now) {
                    return Ok(false);
                }
                job::enqueue(conn, KIND, &source.id.to_string(), now)?;
                Ok(true)
            })?);
        }
        Ok(queued)
    }

    /// When a source runs next by its schedule.
    pub fn next_harvest(&self, source: &HarvestSource) -> Option<DateTime<Utc>> {
        if source.draft.paused || source.state != RecordState::Active {
            return None;
        }
        Schedule::parse(source.draft.schedule.as_deref()?, &source.draft.slug).ok()?.next_after(self.now())
    }
}

/// Whether a moment of the schedule lies between the last run (else the last change of the source) and now.
fn is_due(schedule: &Schedule, source: &HarvestSource, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let since = last.map_or(source.updated, |last| last.max(source.updated));
    schedule.next_after(since).is_some_and(|next| next <= now)
}
