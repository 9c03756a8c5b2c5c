//! What residents search, in sums by month: no visitor, no moment. The month is the one in Japan, as `2026-11`.

use std::collections::BTreeMap;

use diesel::prelude::*;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::parse_id;
use crate::schema::{search_click, search_month};

/// Searches to add to a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSearches {
    /// The query, normalized.
    pub query: String,
    /// How often it was searched.
    pub searches: i64,
    /// Its number of hits, when it became known.
    pub hits: Option<i64>,
}

/// Clicks to add to a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClicks {
    /// The query, normalized.
    pub query: String,
    /// The dataset that was opened from its results.
    pub dataset_id: Uuid,
    /// How often.
    pub clicks: i64,
}

/// What a month has of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedQuery {
    /// The query, normalized.
    pub query: String,
    /// How often it was searched.
    pub searches: i64,
    /// Its last known number of hits without further conditions; `None` when it never became known.
    pub hits: Option<i64>,
}

/// Which queries of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchKind {
    /// All of them.
    #[default]
    Popular,
    /// Those that found nothing.
    Zero,
}

/// Adds to the sums of a month. Call inside [`crate::Store::tally`].
///
/// Once the month has `queries_max` queries, new ones are left out, and so are always clicks on a query that the month does not have: a
/// client that makes queries up fills no disk.
pub fn add(conn: &mut AnyConnection, month: &str, searches: &[NewSearches], clicks: &[NewClicks], queries_max: i64) -> Result<()> {
    let mut room = None;
    for new in searches {
        let row = search_month::table.filter(search_month::month.eq(month)).filter(search_month::query.eq(&new.query));
        let more = search_month::searches.eq(search_month::searches + new.searches);
        let changed = match new.hits {
            Some(hits) => diesel::update(row).set((more, search_month::hits.eq(hits))).execute(conn)?,
            None => diesel::update(row).set(more).execute(conn)?,
        };
        if changed > 0 {
            continue;
        }
        let left = match room {
            Some(left) => left,
            None => queries_max - count_queries(conn, month)?,
        };
        if left > 0 {
            diesel::insert_into(search_month::table)
                .values((
                    search_month::month.eq(month),
                    search_month::query.eq(&new.query),
                    search_month::searches.eq(new.searches),
                    search_month::hits.eq(new.hits),
                ))
                .execute(conn)?;
        }
        room = Some(left - 1);
    }
    for new in clicks {
        let known: i64 = search_month::table
            .filter(search_month::month.eq(month))
            .filter(search_month::query.eq(&new.query))
            .count()
            .get_result(conn)?;
        if known > 0 {
            add_clicks(conn, month, new)?;
        }
    }
    Ok(())
}

fn add_clicks(conn: &mut AnyConnection, month: &str, new: &NewClicks) -> Result<()> {
    let dataset_id = new.dataset_id.to_string();
    let row = search_click::table
        .filter(search_click::month.eq(month))
        .filter(search_click::query.eq(&new.query))
        .filter(search_click::dataset_id.eq(&dataset_id));
    let changed = diesel::update(row).set(search_click::clicks.eq(search_click::clicks + new.clicks)).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(search_click::table)
            .values((
                search_click::month.eq(month),
                search_click::query.eq(&new.query),
                search_click::dataset_id.eq(&dataset_id),
                search_click::clicks.eq(new.clicks),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Number of queries that a month has.
pub fn count_queries(conn: &mut AnyConnection, month: &str) -> Result<i64> {
    Ok(search_month::table.filter(search_month::month.eq(month)).count().get_result(conn)?)
}

/// Drops the months before this one; returns the number of queries dropped.
pub fn drop_before(conn: &mut AnyConnection, month: &str) -> Result<usize> {
    diesel::delete(search_click::table.filter(search_click::month.lt(month))).execute(conn)?;
    Ok(diesel::delete(search_month::table.filter(search_month::month.lt(month))).execute(conn)?)
}

/// The months that have any searches, newest first.
pub fn months(conn: &mut AnyConnection) -> Result<Vec<String>> {
    Ok(search_month::table.select(search_month::month).distinct().order(search_month::month.desc()).load(conn)?)
}

/// The queries of a month, most searched first, equal ones in the order of their code points.
pub fn top_queries(conn: &mut AnyConnection, month: &str, kind: SearchKind, limit: i64) -> Result<Vec<SearchedQuery>> {
    let mut query = search_month::table
        .filter(search_month::month.eq(month))
        .order((search_month::searches.desc(), search_month::query))
        .limit(limit)
        .select((search_month::query, search_month::searches, search_month::hits))
        .into_boxed();
    if kind == SearchKind::Zero {
        query = query.filter(search_month::hits.eq(0));
    }
    let rows: Vec<(String, i64, Option<i64>)> = query.load(conn)?;
    Ok(rows.into_iter().map(|(query, searches, hits)| SearchedQuery { query, searches, hits }).collect())
}

/// The clicks of these queries in a month, most first; queries without any are absent.
pub fn clicks_of(conn: &mut AnyConnection, month: &str, queries: &[String]) -> Result<BTreeMap<String, Vec<(Uuid, i64)>>> {
    let mut clicks: BTreeMap<String, Vec<(Uuid, i64)>> = BTreeMap::new();
    for chunk in queries.chunks(500) {
        let rows: Vec<(String, String, i64)> = search_click::table
            .filter(search_click::month.eq(month))
            .filter(search_click::query.eq_any(chunk))
            .order((search_click::clicks.desc(), search_click::dataset_id))
            .select((search_click::query, search_click::dataset_id, search_click::clicks))
            .load(conn)?;
        for (query, dataset_id, count) in rows {
            clicks.entry(query).or_default().push((parse_id(&dataset_id)?, count));
        }
    }
    Ok(clicks)
}
