//! What residents search: sums by month, gathered by one thread beside the searches. Nothing of who searched, or when, is kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use minato_catalog::{Dataset, Viewer, jst_day, parse_month, searched_query};
use minato_store::search_log::{self, NewClicks, NewSearches, SearchKind};
use minato_store::{Store, dataset};
use uuid::Uuid;

use crate::App;
use crate::error::Result;
use crate::gatherer::Gatherer;
use crate::noun::staff_only;

/// Different searches and clicks that wait for the thread. Further ones are not counted until it has taken these; the same again cost nothing.
const WAITING_MAX: usize = 4_096;
/// A batch is written when it has so many of them…
const BATCH_MAX: usize = 500;
/// …or after this time. A process that is killed loses as much: these are statistics, not the counted downloads.
const BATCH_EVERY: Duration = Duration::from_secs(3);
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

/// What has gathered since the last batch, as it was typed.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Query → how often, and its number of hits when it became known.
    searches: HashMap<String, (i64, Option<i64>)>,
    /// Query and slug → how often.
    clicks: HashMap<(String, String), i64>,
}

impl Gathered {
    fn add_search(&mut self, query: &str, hits: Option<i64>) {
        if let Some((searches, known)) = self.searches.get_mut(query) {
            *searches += 1;
            *known = hits.or(*known);
        } else if self.len() < WAITING_MAX {
            self.searches.insert(query.to_owned(), (1, hits));
        }
    }

    fn add_click(&mut self, query: &str, slug: &str) {
        let key = (query.to_owned(), slug.to_owned());
        if let Some(clicks) = self.clicks.get_mut(&key) {
            *clicks += 1;
        } else if self.len() < WAITING_MAX {
            self.clicks.insert(key, 1);
        }
    }

    fn len(&self) -> usize {
        self.searches.len() + self.clicks.len()
    }

    /// Sums of the queries as they are counted; what looks like personal data ends here.
    fn normalized(self) -> (Vec<NewSearches>, BTreeMap<(String, String), i64>) {
        let (mut searches, mut clicks) = (BTreeMap::<String, (i64, Option<i64>)>::new(), BTreeMap::new());
        for (query, (count, hits)) in self.searches {
            let Some(query) = searched_query(&query) else { continue };
            let (sum, known) = searches.entry(query).or_default();
            *sum += count;
            *known = hits.or(*known);
        }
        for ((query, slug), count) in self.clicks {
            let Some(query) = searched_query(&query) else { continue };
            *clicks.entry((query, slug)).or_default() += count;
        }
        (searches.into_iter().map(|(query, (searches, hits))| NewSearches { query, searches, hits }).collect(), clicks)
    }
}

/// Where searches gather.
pub(crate) type SearchLog = Gatherer<Gathered>;

/// Begins to count searches.
pub(crate) fn start(store: Store) -> SearchLog {
    let mut next_drop = Instant::now() + FIRST_DROP_AFTER;
    let is_full = |gathered: &Gathered| gathered.len() >= BATCH_MAX;
    Gatherer::start("search-log", BATCH_EVERY, is_full, move |gathered| {
        write(&store, gathered);
        if Instant::now() >= next_drop {
            next_drop = Instant::now() + DROP_EVERY;
            drop_old_months(&store, Utc::now());
        }
    })
}

/// Writes a batch in one transaction. One that fails is lost: trying again for ever would keep all that follow waiting.
fn write(store: &Store, gathered: Gathered) {
    let (searches, clicks) = gathered.normalized();
    if searches.is_empty() && clicks.is_empty() {
        return;
    }
    let month = month_text(jst_day(Utc::now()));
    let result =
        opened(store, clicks).and_then(|clicks| store.tally(|conn| search_log::add(conn, &month, &searches, &clicks, QUERIES_MAX)));
    if let Err(error) = result {
        tracing::warn!(%error, queries = searches.len(), "searches could not be counted");
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
        if !query.is_empty() {
            let hits = hits.map(|hits| i64::try_from(hits).unwrap_or(i64::MAX));
            self.0.search_log.add(|gathered| gathered.add_search(clipped(query), hits));
        }
    }

    /// Counts that a dataset's page was opened from the results of a search. Never waits.
    pub fn note_search_click(&self, query: &str, slug: &str) {
        if !query.is_empty() {
            self.0.search_log.add(|gathered| gathered.add_click(clipped(query), slug));
        }
    }

    /// Waits until the searches noted so far are in the database; for tools and tests.
    pub fn flush_search_log(&self) {
        self.0.search_log.flush();
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
            let shown = self
                .cached_many(chunk)?
                .into_iter()
                .filter(|dataset| dataset.content.state.is_listed() && viewer.sees(dataset.content.organization_id, dataset.is_open()));
            visible.extend(shown.map(|dataset| (dataset.id, dataset)));
        }
        Ok(visible)
    }
}

fn clipped(query: &str) -> &str {
    match query.char_indices().nth(RAW_CHARS_MAX) {
        Some((end, _)) => &query[..end],
        None => query,
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
        let mut gathered = Gathered::default();
        for (query, hits) in [("ＡＥＤ", Some(3)), ("aed", None), ("aed", None), ("taro@example.jp", Some(0)), (" ", None)] {
            gathered.add_search(query, hits);
        }
        gathered.add_click("AED ", "aed");
        gathered.add_click("aed", "aed");
        let (searches, clicks) = gathered.normalized();
        assert_eq!(searches, [NewSearches { query: "aed".to_owned(), searches: 3, hits: Some(3) }]);
        assert_eq!(clicks.into_iter().collect::<Vec<_>>(), [(("aed".to_owned(), "aed".to_owned()), 2)]);
    }

    #[test]
    fn what_is_full_counts_only_what_it_has() {
        let mut gathered = Gathered::default();
        for number in 0..WAITING_MAX + 10 {
            gathered.add_search(&number.to_string(), None);
        }
        gathered.add_click("0", "aed");
        gathered.add_search("0", Some(1));
        assert_eq!((gathered.len(), gathered.clicks.len(), gathered.searches["0"]), (WAITING_MAX, 0, (2, Some(1))));
    }
}
