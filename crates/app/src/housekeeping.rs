//! What must be done regularly, by any server, twice without harm.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use minato_catalog::{FieldError, jst_midnight};
use minato_store::{download, statistics};

use crate::App;
use crate::error::{Error, Result};

/// How often everything is looked after. Salts of a day end with it, give or take this.
const EVERY: Duration = Duration::from_secs(20);
/// Of how many such times one may go into reading the indicators off the catalog.
const INDICATORS_SHARE: u32 = 20;
/// How long single downloads are kept, in hours: a day can be counted again while it and the next one run.
pub(crate) const ROWS_KEPT_HOURS: i64 = 48;
/// Days that are not added up to months and years yet, today included: those whose single rows may be there.
const DAYS_OPEN: u64 = 3;

impl App {
    /// Keeps house until it is told to stop.
    pub fn work_on_housekeeping(&self, stop: &AtomicBool) {
        let (mut next, mut next_indicators) = (Instant::now(), Instant::now());
        while !stop.load(Ordering::Acquire) {
            if Instant::now() >= next {
                next = Instant::now() + EVERY;
                if let Err(error) = self.keep_counts() {
                    tracing::warn!(%error, "housekeeping failed; trying again in a moment");
                }
            }
            if Instant::now() >= next_indicators {
                let started = Instant::now();
                if let Err(error) = self.note_indicators() {
                    tracing::warn!(%error, "indicators not noted; trying again in a moment");
                }
                // They are read off all datasets: in a large catalog less often.
                next_indicators = Instant::now() + EVERY.max(started.elapsed() * INDICATORS_SHARE);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Everything that is done regularly, once.
    pub fn keep_house(&self) -> Result<()> {
        self.keep_counts()?;
        self.note_indicators()
    }

    /// Destroys salts that are over, drops single downloads that are too old, and adds settled days up.
    fn keep_counts(&self) -> Result<()> {
        let now = self.now();
        self.rotate_salts(now)?;
        let before = now - chrono::Duration::hours(ROWS_KEPT_HOURS);
        if self.store().read(download::first_row)?.is_some_and(|first| first < before) {
            let dropped = self.store().count(|conn| download::drop_rows(conn, before))?;
            tracing::debug!(dropped, "single downloads dropped; their sums stay");
        }
        self.roll_up()
    }

    /// Adds up all days that cannot change any more.
    pub fn roll_up(&self) -> Result<()> {
        let Some(last) = self.today().checked_sub_days(Days::new(DAYS_OPEN)) else { return Ok(()) };
        match self.store().read(statistics::through)? {
            // A day more is another server over midnight already. Beyond, some clock was ahead, and what is counted today is in days that are
            // taken for settled: it would be missing from all sums.
            Some(through) if through > last && (through - last).num_days() > 1 => {
                tracing::warn!(%through, %last, "days in the future were added up; adding all up anew. Check the clocks of all servers");
                self.rebuild_rollup()
            }
            Some(through) if through >= last => Ok(()),
            _ => Ok(self.store().count(|conn| statistics::roll_up(conn, last))?),
        }
    }

    /// Counts days again from their single rows, as far as those are all still there.
    pub fn rebuild_statistics(&self, from: NaiveDate, to: NaiveDate) -> Result<()> {
        if to < from || to > self.today() {
            return Err(Error::invalid(FieldError::new(
                "/to",
                "out_of_range",
                "終わりの日は、始まりの日以降で、今日までの日にしてください。",
                "the last day must not be before the first one, nor after today",
            )));
        }
        let oldest = self.now() - chrono::Duration::hours(ROWS_KEPT_HOURS);
        if jst_midnight(from) < oldest {
            return Err(Error::invalid(FieldError::new(
                "/from",
                "out_of_range",
                format!("{from} の 1 回ごとの記録は、もう残っていません（{ROWS_KEPT_HOURS} 時間で消します）。日ごとの数はそのままです。"),
                format!("the single downloads of {from} are gone, they are kept for {ROWS_KEPT_HOURS} hours; the sums of the day stay"),
            )));
        }
        let mut day = from;
        while day <= to {
            self.store().count(|conn| download::rebuild_day(conn, day))?;
            match day.succ_opt() {
                Some(next) => day = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Adds all settled days up anew. What is asked meanwhile waits or is answered from the days.
    pub fn rebuild_rollup(&self) -> Result<()> {
        let Some(last) = self.today().checked_sub_days(Days::new(DAYS_OPEN)) else { return Ok(()) };
        self.store().count(|conn| {
            statistics::forget_rollup(conn)?;
            statistics::roll_up(conn, last)
        })?;
        Ok(())
    }
}
