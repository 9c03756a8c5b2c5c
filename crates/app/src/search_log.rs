//! What residents search: sums by month, gathered by one thread beside the searches. Nothing of who searched, or when, is kept.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use minato_catalog::{Dataset, Text, Viewer, jst_day, parse_month, searched_query};
use minato_store::search_log::{self, NewClicks, NewSearches, SearchKind};
use minato_store::{Store, dataset};
use uuid::Uuid;

use crate::App;
use crate::error::{Error, Result};

/// Searches and clicks that wait for the thread; more are not counted, so that a search never waits for its count.
const WAITING_MAX: usize = 4_096;
/// A batch is written when it has so many searches and clicks…
const BATCH_MAX: usize = 500;
/// …or when its first is so old. A process that is killed loses as much: these are statistics, not the counted downloads.
const BATCH_AGE_MAX: Duration = Duration::from_secs(3);
/// Months kept, the current one included: two whole years to compare with, and the month that runs.
const MONTHS_KEPT: u32 = 25;
/// How often months that are too old are looked for; the first time so long after the start.
const DROP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
const FIRST_DROP_AFTER: Duration = Duration::from_secs(60);
/// Most different queries of a month.
const QUERIES_MAX: i64 = 100_000;
/// What is kept of a query for the thread, in characters; normalizing can shorten it.
const RAW_CHARS_MAX: usize = 300;

/// What was searched in a month.
#[derive(Debug, Clone)]
pub struct SearchStatistics {
    /// The month in Japan, by its first day.
    pub month: NaiveDate,
    /// All months that have any searches, by their first days, newest first.
    pub months: Vec<NaiveDate>,
    /// The queries, most searched first.
    pub queries: Vec<SearchedQuery>,
}

/// What a month has of a query.
#[derive(Debug, Clone)]
pub struct SearchedQuery {
    /// The query, normalized.
    pub query: String,
    /// How often it was searched.
    pub searches: i64,
    /// Its last known number of hits without further conditions; `None` when it never became known.
    pub hits: Option<i64>,
    /// How often a dataset was opened from its results.
    pub clicks: i64,
    /// Those datasets, as far as the viewer may see them, most clicks first.
    pub datasets: Vec<(Arc<Dataset>, i64)>,
}

enum Event {
    Search {
        query: String,
        hits: Option<i64>,
    },
    Click {
        query: String,
        slug: String,
    },
    /// Write what has gathered, and say so.
    Flush(SyncSender<()>),
    Stop,
}

/// The way to the thread.
pub(crate) struct SearchLog {
    sender: SyncSender<Event>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SearchLog {
    pub(crate) fn start(store: Store) -> SearchLog {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let spawned = std::thread::Builder::new().name("search-log".to_owned()).spawn(move || write_batches(&store, &receiver));
        if let Err(error) = &spawned {
            tracing::error!(%error, "search log thread not started; searches will not be counted");
        }
        SearchLog { sender, thread: Mutex::new(spawned.ok()) }
    }

    /// Ends the thread after it has written what has gathered.
    pub(crate) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // Refused only by a thread that has ended already.
        let _ = self.sender.send(Event::Stop);
        if thread.join().is_err() {
            tracing::error!("the search log thread panicked; the last searches are not counted");
        }
    }
}

/// What has gathered since the last commit.
#[derive(Default)]
struct Batch {
    searches: BTreeMap<String, (i64, Option<i64>)>,
    clicks: BTreeMap<(String, String), i64>,
    size: usize,
    since: Option<Instant>,
}

impl Batch {
    fn add(&mut self, event: Event) {
        self.size += 1;
        self.since.get_or_insert_with(Instant::now);
        match event {
            Event::Search { query, hits } => {
                let Some(query) = searched_query(&query) else { return };
                let (searches, known) = self.searches.entry(query).or_default();
                *searches += 1;
                *known = hits.or(*known);
            }
            Event::Click { query, slug } => {
                let Some(query) = searched_query(&query) else { return };
                *self.clicks.entry((query, slug)).or_default() += 1;
            }
            Event::Flush(_) | Event::Stop => {}
        }
    }

    fn is_due(&self) -> bool {
        self.size >= BATCH_MAX || self.since.is_some_and(|since| since.elapsed() >= BATCH_AGE_MAX)
    }
}

/// The thread: ends when it is told to, or when the application is gone.
fn write_batches(store: &Store, receiver: &Receiver<Event>) {
    let mut batch = Batch::default();
    let mut next_drop = Instant::now() + FIRST_DROP_AFTER;
    loop {
        let until = batch.since.map_or(next_drop, |since| next_drop.min(since + BATCH_AGE_MAX));
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Flush(done)) => {
                write(store, std::mem::take(&mut batch));
                // Who asked may have gone away.
                let _ = done.send(());
            }
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => {
                write(store, batch);
                return;
            }
            Ok(event) => batch.add(event),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if batch.is_due() {
            write(store, std::mem::take(&mut batch));
        }
        if Instant::now() >= next_drop {
            next_drop = Instant::now() + DROP_EVERY;
            drop_old_months(store, Utc::now());
        }
    }
}

/// Writes a batch in one transaction. One that fails is lost: trying again for ever would keep all that follow waiting.
fn write(store: &Store, batch: Batch) {
    if batch.searches.is_empty() && batch.clicks.is_empty() {
        return;
    }
    let month = month_text(jst_day(Utc::now()));
    let searches: Vec<NewSearches> =
        batch.searches.into_iter().map(|(query, (searches, hits))| NewSearches { query, searches, hits }).collect();
    let result =
        opened(store, batch.clicks).and_then(|clicks| store.tally(|conn| search_log::add(conn, &month, &searches, &clicks, QUERIES_MAX)));
    if let Err(error) = result {
        tracing::warn!(%error, searches = searches.len(), "searches could not be counted");
    }
}

/// Clicks on datasets that everybody may see, by their ids.
fn opened(store: &Store, clicks: BTreeMap<(String, String), i64>) -> minato_store::Result<Vec<NewClicks>> {
    store.read(|conn| {
        let mut found = Vec::with_capacity(clicks.len());
        for ((query, slug), clicks) in clicks {
            if let Some(dataset) = dataset::find_by_slug(conn, &slug)?.filter(Dataset::is_open) {
                found.push(NewClicks { query, dataset_id: dataset.id, clicks });
            }
        }
        Ok(found)
    })
}

fn drop_old_months(store: &Store, now: DateTime<Utc>) {
    let first_kept = month_text(first_month_kept(jst_day(now)));
    match store.tally(|conn| search_log::drop_before(conn, &first_kept)) {
        Ok(0) => {}
        Ok(queries) => tracing::info!(queries, before = first_kept, "old searches dropped"),
        Err(error) => tracing::warn!(%error, "old searches could not be dropped; trying again tomorrow"),
    }
}

fn first_month_kept(today: NaiveDate) -> NaiveDate {
    today.checked_sub_months(Months::new(MONTHS_KEPT - 1)).unwrap_or(today)
}

fn month_text(day: NaiveDate) -> String {
    day.format("%Y-%m").to_string()
}

impl App {
    /// Counts a search of the public that somebody wanted (see [`minato_counter::is_wanted`]). Never waits; `hits` is the number of datasets
    /// found without further conditions, when it is known.
    pub fn note_search(&self, query: &str, hits: Option<usize>) {
        if query.is_empty() {
            return;
        }
        let hits = hits.map(|hits| i64::try_from(hits).unwrap_or(i64::MAX));
        // When the queue is full, this search is not counted.
        let _ = self.0.search_log.sender.try_send(Event::Search { query: clipped(query), hits });
    }

    /// Counts that a dataset's page was opened from the results of a search. Never waits.
    pub fn note_search_click(&self, query: &str, slug: &str) {
        if query.is_empty() {
            return;
        }
        // When the queue is full, this click is not counted.
        let _ = self.0.search_log.sender.try_send(Event::Click { query: clipped(query), slug: slug.to_owned() });
    }

    /// Waits until the searches noted so far are in the database; for tools and tests.
    pub fn flush_search_log(&self) {
        let (done, written) = sync_channel(1);
        if self.0.search_log.sender.send(Event::Flush(done)).is_ok() {
            // An error says that the thread has ended, having written everything.
            let _ = written.recv();
        }
    }

    /// What was searched in a month in Japan (by any of its days, by default the current one), most first. For those with a role in any
    /// organization, and for system administrators.
    pub fn search_statistics(&self, viewer: &Viewer, month: Option<NaiveDate>, kind: SearchKind, limit: i64) -> Result<SearchStatistics> {
        staff_only(viewer)?;
        let month = month.unwrap_or_else(|| jst_day(self.now()));
        let month = month.with_day(1).unwrap_or(month);
        let text = month_text(month);
        let (months, queries, mut clicks) = self.store().read(|conn| {
            let queries = search_log::top_queries(conn, &text, kind, limit)?;
            let texts: Vec<String> = queries.iter().map(|query| query.query.clone()).collect();
            Ok((search_log::months(conn)?, queries, search_log::clicks_of(conn, &text, &texts)?))
        })?;
        let mut ids: Vec<Uuid> = clicks.values().flatten().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let visible: BTreeMap<Uuid, Arc<Dataset>> = self.visible_datasets(viewer, &ids)?;
        let queries = queries.into_iter().map(|found| {
            let clicked = clicks.remove(&found.query).unwrap_or_default();
            SearchedQuery {
                clicks: clicked.iter().map(|(_, clicks)| clicks).sum(),
                datasets: clicked.into_iter().filter_map(|(id, clicks)| Some((visible.get(&id)?.clone(), clicks))).collect(),
                query: found.query,
                searches: found.searches,
                hits: found.hits,
            }
        });
        Ok(SearchStatistics { month, months: months.iter().filter_map(|text| parse_month(text)).collect(), queries: queries.collect() })
    }

    fn visible_datasets(&self, viewer: &Viewer, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Arc<Dataset>>> {
        let mut visible = BTreeMap::new();
        for chunk in ids.chunks(500) {
            let shown = self.cached_many(chunk)?.into_iter().filter(|dataset| {
                let archived = dataset.content.state == minato_catalog::DatasetState::Archived;
                !archived && viewer.sees(dataset.content.organization_id, dataset.is_open())
            });
            visible.extend(shown.map(|dataset| (dataset.id, dataset)));
        }
        Ok(visible)
    }
}

/// Refuses everybody who does not work for the catalog.
fn staff_only(viewer: &Viewer) -> Result<()> {
    if viewer.is_public() {
        return Err(Error::Unauthenticated);
    }
    if viewer.is_staff() {
        return Ok(());
    }
    Err(Error::Forbidden(Text::new(
        "検索の統計は、いずれかの組織に所属する職員とシステム管理者だけが見られます。組織の管理者に所属の登録を依頼してください。",
        "what residents search is for members of an organization and system administrators; ask an administrator to make you a member",
    )))
}

fn clipped(query: &str) -> String {
    match query.char_indices().nth(RAW_CHARS_MAX) {
        Some((end, _)) => query[..end].to_owned(),
        None => query.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn two_years_and_the_month_that_runs_are_kept() {
        for (today, first) in [("2026-11-30", "2024-11"), ("2026-03-31", "2024-03"), ("2025-01-01", "2023-01")] {
            assert_eq!(month_text(first_month_kept(day(today))), first);
        }
    }

    #[test]
    fn a_batch_adds_up_what_is_the_same() {
        let mut batch = Batch::default();
        for (query, hits) in [("ＡＥＤ", Some(3)), ("aed", None), ("taro@example.jp", Some(0)), ("", None)] {
            batch.add(Event::Search { query: query.to_owned(), hits });
        }
        batch.add(Event::Click { query: "AED ".to_owned(), slug: "aed".to_owned() });
        assert_eq!(batch.searches.into_iter().collect::<Vec<_>>(), [("aed".to_owned(), (2, Some(3)))]);
        assert_eq!(batch.clicks.into_iter().collect::<Vec<_>>(), [(("aed".to_owned(), "aed".to_owned()), 1)]);
        assert!(Batch { size: BATCH_MAX, ..Batch::default() }.is_due() && !Batch::default().is_due());
    }
}
