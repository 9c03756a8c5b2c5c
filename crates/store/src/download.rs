//! Counting downloads: single rows for two days, from which everything can be counted again, and sums by day for ever.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use minato_catalog::{Cell, Channel, ClientClass, Download, Sums, jst_day, jst_midnight};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::dialect;
use crate::error::{Error, Result};
use crate::record::{parse_id, utc};
use crate::schema::{counting_method, download, download_day, download_referrer, excluded_day, investigation_day};

/// Most domains that the visitors of a month came from; further ones are counted together.
const REFERRERS_MAX: i64 = 1_000;
/// Stands for the domains of a month beyond those.
pub const OTHER_REFERRERS: &str = "(other)";
/// Keys in one query.
const KEYS_MAX: usize = 300;
/// Sessions in one query: SQLite looks each up by the index as long as they are few.
const SESSIONS_MAX: usize = 50;

/// From one moment to another.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// What is counted how; the crate `counter` says it.
#[derive(Clone, Copy)]
pub struct CountingRules {
    /// From when to when there may be downloads that clicks between two moments are double clicks of.
    pub window: fn(DateTime<Utc>, DateTime<Utc>) -> Span,
    /// Takes a click into the downloads known so far.
    pub settle: fn(&mut Vec<Download>, Download),
    /// What downloads add up to.
    pub sums: fn(&[Download]) -> BTreeMap<Cell, Sums>,
}

/// Requests that were not counted: kind (`download`, `investigation`) and rule.
pub type Excluded = BTreeMap<(NaiveDate, &'static str, &'static str), i64>;

/// Counts a batch of clicks. Clicks that are one with earlier ones replace them, whoever counted those. Call inside [`crate::Store::count`].
pub fn count(conn: &mut AnyConnection, batch: &[Download], rules: &CountingRules) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let batch = with_known_referrers(conn, batch)?;
    let before = related(conn, &batch, rules)?;
    let mut after = before.clone();
    for click in batch {
        (rules.settle)(&mut after, click);
    }
    write_rows(conn, &before, &after)?;
    let mut change = Change::default();
    change.add(&after, rules, 1);
    change.add(&before, rules, -1);
    change.write(conn, &after)
}

/// The rows that a batch may change: those its clicks may be one with, and the whole sessions of both.
fn related(conn: &mut AnyConnection, batch: &[Download], rules: &CountingRules) -> Result<Vec<Download>> {
    let first = batch.iter().map(|click| click.first_at).min().unwrap_or_default();
    let last = batch.iter().map(|click| click.at).max().unwrap_or_default();
    let (from, to) = (rules.window)(first, last);
    let keys: BTreeSet<&String> = batch.iter().flat_map(|click| [Some(&click.click), click.click_before.as_ref()]).flatten().collect();
    let keys: Vec<&String> = keys.into_iter().collect();
    let mut found: HashMap<Uuid, Download> = HashMap::new();
    for chunk in keys.chunks(KEYS_MAX) {
        let query = download::table
            .filter(download::click.eq_any(chunk.to_vec()).or(download::click_before.eq_any(chunk.to_vec())))
            .filter(download::at.ge(from.naive_utc()))
            .filter(download::first_at.le(to.naive_utc()));
        for row in query.load::<Row>(conn)? {
            let row = row.read()?;
            found.insert(row.id, row);
        }
    }
    let sessions: BTreeSet<(String, String)> =
        batch.iter().chain(found.values()).map(|click| (click.visitor.clone(), click.dataset_id.to_string())).collect();
    let sessions: Vec<(String, String)> = sessions.into_iter().collect();
    for chunk in sessions.chunks(SESSIONS_MAX) {
        let mut query = download::table.into_boxed();
        for (visitor, dataset_id) in chunk {
            query = query.or_filter(download::visitor.eq(visitor).and(download::dataset_id.eq(dataset_id)));
        }
        for row in query.load::<Row>(conn)? {
            let row = row.read()?;
            found.insert(row.id, row);
        }
    }
    let mut found: Vec<Download> = found.into_values().collect();
    found.sort_by_key(|row| row.id);
    Ok(found)
}

/// The clicks, with domains beyond what a month may have taken together: whoever makes domains up fills no disk.
fn with_known_referrers(conn: &mut AnyConnection, batch: &[Download]) -> Result<Vec<Download>> {
    let mut batch = batch.to_vec();
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for click in batch.iter().filter(|click| !click.referrer.is_empty()) {
        wanted.entry(month_of(jst_day(click.at))).or_default().insert(click.referrer.clone());
    }
    for (month, referrers) in wanted {
        let list: Vec<&String> = referrers.iter().collect();
        let mut known: BTreeSet<String> = BTreeSet::new();
        for chunk in list.chunks(KEYS_MAX) {
            let query = download_referrer::table.filter(download_referrer::month.eq(&month));
            known.extend(
                query
                    .filter(download_referrer::referrer.eq_any(chunk.to_vec()))
                    .select(download_referrer::referrer)
                    .load::<String>(conn)?,
            );
        }
        if known.len() == referrers.len() {
            continue;
        }
        let count: i64 = download_referrer::table.filter(download_referrer::month.eq(&month)).count().get_result(conn)?;
        let room = usize::try_from(REFERRERS_MAX - count).unwrap_or(0);
        known.extend(referrers.difference(&known.clone()).take(room).cloned());
        for click in batch.iter_mut().filter(|click| !click.referrer.is_empty() && month_of(jst_day(click.at)) == month) {
            if !known.contains(&click.referrer) {
                click.referrer = OTHER_REFERRERS.to_owned();
            }
        }
    }
    Ok(batch)
}

/// Makes the rows `before` those of `after`.
fn write_rows(conn: &mut AnyConnection, before: &[Download], after: &[Download]) -> Result<()> {
    let mut gone: HashMap<Uuid, &Download> = before.iter().map(|row| (row.id, row)).collect();
    for row in after {
        match gone.remove(&row.id) {
            Some(known) if known == row => {}
            Some(_) => {
                diesel::update(download::table.filter(download::id.eq(row.id.to_string()))).set(Row::of(row)).execute(conn)?;
            }
            None => {
                diesel::insert_into(download::table).values(Row::of(row)).execute(conn)?;
            }
        }
    }
    for id in gone.keys() {
        diesel::delete(download::table.filter(download::id.eq(id.to_string()))).execute(conn)?;
    }
    Ok(())
}

/// What a batch changes of the sums.
#[derive(Default)]
struct Change {
    cells: BTreeMap<Cell, Sums>,
    /// Month and domain.
    referrers: BTreeMap<(String, String), i64>,
    double_clicks: Excluded,
}

impl Change {
    fn add(&mut self, rows: &[Download], rules: &CountingRules, sign: i64) {
        for (cell, sum) in (rules.sums)(rows) {
            let entry = self.cells.entry(cell).or_default();
            if sign > 0 { *entry += sum } else { *entry -= sum }
        }
        for row in rows {
            let day = jst_day(row.at);
            if row.channel.is_download() && !row.referrer.is_empty() {
                *self.referrers.entry((month_of(day), row.referrer.clone())).or_default() += sign;
            }
            if row.clicks > 1 {
                *self.double_clicks.entry((day, kind_of(row.channel), "double_click")).or_default() += sign * (row.clicks - 1);
            }
        }
    }

    fn write(self, conn: &mut AnyConnection, rows: &[Download]) -> Result<()> {
        let formats: HashMap<Uuid, &str> = rows.iter().map(|row| (row.distribution_id, row.format.as_str())).collect();
        for (cell, sum) in self.cells.into_iter().filter(|(_, sum)| !sum.is_zero()) {
            if cell.channel.is_download() {
                add_to_day(conn, &cell, sum, formats.get(&cell.distribution_id).copied().unwrap_or_default())?;
            } else {
                add_investigation(conn, &cell, sum)?;
            }
        }
        for ((month, referrer), total) in self.referrers.into_iter().filter(|(_, total)| *total != 0) {
            let row =
                download_referrer::table.filter(download_referrer::month.eq(&month)).filter(download_referrer::referrer.eq(&referrer));
            let changed = diesel::update(row).set(download_referrer::total.eq(download_referrer::total + total)).execute(conn)?;
            if changed == 0 {
                diesel::insert_into(download_referrer::table)
                    .values((
                        download_referrer::month.eq(month),
                        download_referrer::referrer.eq(referrer),
                        download_referrer::total.eq(total),
                    ))
                    .execute(conn)?;
            }
        }
        add_excluded(conn, &self.double_clicks)
    }
}

fn add_to_day(conn: &mut AnyConnection, cell: &Cell, sum: Sums, format: &str) -> Result<()> {
    let (day, distribution_id, organization_id) =
        (cell.day.to_string(), cell.distribution_id.to_string(), cell.organization_id.to_string());
    let row = download_day::table
        .filter(download_day::day.eq(&day))
        .filter(download_day::distribution_id.eq(&distribution_id))
        .filter(download_day::organization_id.eq(&organization_id))
        .filter(download_day::class.eq(cell.class.as_str()))
        .filter(download_day::channel.eq(cell.channel.as_str()));
    let more = (
        download_day::total.eq(download_day::total + sum.total),
        download_day::unique_files.eq(download_day::unique_files + sum.unique_files),
        download_day::unique_datasets.eq(download_day::unique_datasets + sum.unique_datasets),
    );
    let changed = diesel::update(row).set(more).execute(conn)?;
    if changed == 0 {
        insert_day(conn, cell, sum, format)?;
    }
    Ok(())
}

fn insert_day(conn: &mut AnyConnection, cell: &Cell, sum: Sums, format: &str) -> Result<()> {
    diesel::insert_into(download_day::table)
        .values((
            download_day::day.eq(cell.day.to_string()),
            download_day::distribution_id.eq(cell.distribution_id.to_string()),
            download_day::dataset_id.eq(cell.dataset_id.to_string()),
            download_day::organization_id.eq(cell.organization_id.to_string()),
            download_day::class.eq(cell.class.as_str()),
            download_day::channel.eq(cell.channel.as_str()),
            download_day::total.eq(sum.total),
            download_day::unique_files.eq(sum.unique_files),
            download_day::unique_datasets.eq(sum.unique_datasets),
            download_day::format.eq(format),
        ))
        .execute(conn)?;
    Ok(())
}

fn add_investigation(conn: &mut AnyConnection, cell: &Cell, sum: Sums) -> Result<()> {
    let (day, dataset_id, organization_id) = (cell.day.to_string(), cell.dataset_id.to_string(), cell.organization_id.to_string());
    let row = investigation_day::table
        .filter(investigation_day::day.eq(&day))
        .filter(investigation_day::dataset_id.eq(&dataset_id))
        .filter(investigation_day::organization_id.eq(&organization_id))
        .filter(investigation_day::class.eq(cell.class.as_str()))
        .filter(investigation_day::channel.eq(cell.channel.as_str()));
    let more = (
        investigation_day::total.eq(investigation_day::total + sum.total),
        investigation_day::unique_datasets.eq(investigation_day::unique_datasets + sum.unique_datasets),
    );
    let changed = diesel::update(row).set(more).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(investigation_day::table)
            .values((
                investigation_day::day.eq(&day),
                investigation_day::dataset_id.eq(&dataset_id),
                investigation_day::organization_id.eq(&organization_id),
                investigation_day::class.eq(cell.class.as_str()),
                investigation_day::channel.eq(cell.channel.as_str()),
                investigation_day::total.eq(sum.total),
                investigation_day::unique_datasets.eq(sum.unique_datasets),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Adds requests that were not counted. Call inside [`crate::Store::count`].
pub fn add_excluded(conn: &mut AnyConnection, excluded: &Excluded) -> Result<()> {
    for ((day, kind, reason), total) in excluded.iter().filter(|(_, total)| **total != 0) {
        let day = day.to_string();
        let row = excluded_day::table
            .filter(excluded_day::day.eq(&day))
            .filter(excluded_day::kind.eq(kind))
            .filter(excluded_day::reason.eq(reason));
        let changed = diesel::update(row).set(excluded_day::total.eq(excluded_day::total + total)).execute(conn)?;
        if changed == 0 {
            diesel::insert_into(excluded_day::table)
                .values((
                    excluded_day::day.eq(&day),
                    excluded_day::kind.eq(kind),
                    excluded_day::reason.eq(reason),
                    excluded_day::total.eq(total),
                ))
                .execute(conn)?;
        }
    }
    Ok(())
}

/// The name under which a channel's requests are summed where downloads and looks at pages stand side by side.
pub fn kind_of(channel: Channel) -> &'static str {
    if channel.is_download() { "download" } else { "investigation" }
}

/// Drops single rows older than `before`; the sums stay. Call inside [`crate::Store::count`].
pub fn drop_rows(conn: &mut AnyConnection, before: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::delete(download::table.filter(download::at.lt(before.naive_utc()))).execute(conn)?)
}

/// The single rows of a day in Japan, in the order of their last clicks.
pub fn rows_of_day(conn: &mut AnyConnection, day: NaiveDate) -> Result<Vec<Download>> {
    let (from, to) = day_bounds(day);
    let rows: Vec<Row> =
        download::table.filter(download::at.ge(from)).filter(download::at.lt(to)).order((download::at, download::id)).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// The moment of the oldest single row.
pub fn first_row(conn: &mut AnyConnection) -> Result<Option<DateTime<Utc>>> {
    let at: Option<NaiveDateTime> = download::table.select(diesel::dsl::min(download::at)).first(conn)?;
    Ok(at.map(utc))
}

/// Counts a day again from its single rows, which must all be there still. Call inside [`crate::Store::count`].
pub fn rebuild_day(conn: &mut AnyConnection, day: NaiveDate) -> Result<()> {
    let (from, to) = day_bounds(day);
    let text = day.to_string();
    diesel::delete(download_day::table.filter(download_day::day.eq(&text))).execute(conn)?;
    diesel::delete(investigation_day::table.filter(investigation_day::day.eq(&text))).execute(conn)?;
    // Raw: window functions, which diesel does not have, so that a million rows need not leave the database. The same as `counter::sums`.
    let numbered = "SELECT download.*, \
         ROW_NUMBER() OVER (PARTITION BY visitor, kind, distribution_id ORDER BY at, id) AS of_file, \
         ROW_NUMBER() OVER (PARTITION BY visitor, kind, dataset_id ORDER BY at, id) AS of_dataset \
         FROM (SELECT day, at, id, visitor, distribution_id, dataset_id, organization_id, class, channel, format, \
               CASE WHEN channel IN ('page', 'preview') THEN 1 ELSE 0 END AS kind FROM download WHERE at >= $2 AND at < $3) AS download";
    let uniques =
        "CAST(SUM(CASE WHEN of_file = 1 THEN 1 ELSE 0 END) AS BIGINT), CAST(SUM(CASE WHEN of_dataset = 1 THEN 1 ELSE 0 END) AS BIGINT)";
    let downloads = format!(
        "INSERT INTO download_day (day, distribution_id, dataset_id, organization_id, class, channel, total, unique_files, unique_datasets, format) \
         SELECT $1, distribution_id, MIN(dataset_id), organization_id, class, channel, COUNT(*), {uniques}, MAX(format) \
         FROM ({numbered}) AS numbered WHERE kind = 0 GROUP BY distribution_id, organization_id, class, channel"
    );
    let investigations = format!(
        "INSERT INTO investigation_day (day, dataset_id, organization_id, class, channel, total, unique_datasets) \
         SELECT $1, dataset_id, organization_id, class, channel, COUNT(*), CAST(SUM(CASE WHEN of_dataset = 1 THEN 1 ELSE 0 END) AS BIGINT) \
         FROM ({numbered}) AS numbered WHERE kind = 1 GROUP BY dataset_id, organization_id, class, channel"
    );
    dialect::sort_in_memory(conn, true)?;
    let done = [downloads, investigations].into_iter().try_for_each(|query| {
        diesel::sql_query(query)
            // SQLite numbers parameters as they first appear, so they must appear in their order.
            .bind::<Text, _>(&text)
            .bind::<diesel::sql_types::Timestamp, _>(from)
            .bind::<diesel::sql_types::Timestamp, _>(to)
            .execute(conn)
            .map(drop)
    });
    dialect::sort_in_memory(conn, false)?;
    Ok(done?)
}

fn day_bounds(day: NaiveDate) -> (NaiveDateTime, NaiveDateTime) {
    let next = day.succ_opt().unwrap_or(day);
    (jst_midnight(day).naive_utc(), jst_midnight(next).naive_utc())
}

/// Notes that a version of the method counts from a day on, unless that is known. Call inside [`crate::Store::count`].
pub fn note_method(conn: &mut AnyConnection, version: i64, first_day: NaiveDate, fingerprint: &str) -> Result<()> {
    let known: i64 = counting_method::table.filter(counting_method::version.eq(version)).count().get_result(conn)?;
    if known == 0 {
        diesel::insert_into(counting_method::table)
            .values((
                counting_method::version.eq(version),
                counting_method::first_day.eq(first_day.to_string()),
                counting_method::fingerprint.eq(fingerprint),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The versions of the method that counted here, with their first days, oldest first.
pub fn methods(conn: &mut AnyConnection) -> Result<Vec<(i64, NaiveDate)>> {
    let rows: Vec<(i64, String)> =
        counting_method::table.order(counting_method::version).select((counting_method::version, counting_method::first_day)).load(conn)?;
    rows.into_iter().map(|(version, day)| Ok((version, parse_day(&day)?))).collect()
}

/// Requests that were not counted between two days, both included, by rule.
pub fn excluded(conn: &mut AnyConnection, kind: &str, from: NaiveDate, to: NaiveDate) -> Result<BTreeMap<String, i64>> {
    let rows: Vec<(String, i64)> = excluded_day::table
        .filter(excluded_day::kind.eq(kind))
        .filter(excluded_day::day.ge(from.to_string()))
        .filter(excluded_day::day.le(to.to_string()))
        .group_by(excluded_day::reason)
        .select((excluded_day::reason, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .load(conn)?;
    Ok(rows.into_iter().collect())
}

/// Requests of robots and monitors that were not counted between two days, both included, by month.
pub fn excluded_by_month(conn: &mut AnyConnection, kind: &str, from: NaiveDate, to: NaiveDate) -> Result<BTreeMap<String, i64>> {
    let rows: Vec<(String, i64)> = excluded_day::table
        .filter(excluded_day::kind.eq(kind))
        .filter(excluded_day::reason.eq_any(vec!["robot", "monitor"]))
        .filter(excluded_day::day.ge(from.to_string()))
        .filter(excluded_day::day.le(to.to_string()))
        .select((excluded_day::day, excluded_day::total))
        .load(conn)?;
    let mut months = BTreeMap::new();
    for (day, total) in rows {
        *months.entry(month_of(parse_day(&day)?)).or_default() += total;
    }
    Ok(months)
}

pub(crate) fn month_of(day: NaiveDate) -> String {
    day.format("%Y-%m").to_string()
}

pub(crate) fn parse_day(text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|error| Error::damaged(format!("day `{text}`"), error))
}

pub(crate) fn parse_class(text: &str) -> Result<ClientClass> {
    ClientClass::parse(text).ok_or_else(|| Error::damaged("client class", text))
}

pub(crate) fn parse_channel(text: &str) -> Result<Channel> {
    Channel::parse(text).ok_or_else(|| Error::damaged("channel", text))
}

/// A row of `download`.
#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = download, treat_none_as_null = true)]
struct Row {
    id: String,
    at: NaiveDateTime,
    day: String,
    distribution_id: String,
    dataset_id: String,
    organization_id: String,
    class: String,
    channel: String,
    visitor: String,
    click: String,
    method_version: i64,
    first_at: NaiveDateTime,
    clicks: i64,
    click_before: Option<String>,
    referrer: String,
    format: String,
    agent_rule: String,
}

impl Row {
    fn of(download: &Download) -> Row {
        Row {
            id: download.id.to_string(),
            at: download.at.naive_utc(),
            day: jst_day(download.at).to_string(),
            distribution_id: download.distribution_id.to_string(),
            dataset_id: download.dataset_id.to_string(),
            organization_id: download.organization_id.to_string(),
            class: download.class.as_str().to_owned(),
            channel: download.channel.as_str().to_owned(),
            visitor: download.visitor.clone(),
            click: download.click.clone(),
            method_version: download.method_version,
            first_at: download.first_at.naive_utc(),
            clicks: download.clicks,
            click_before: download.click_before.clone(),
            referrer: download.referrer.clone(),
            format: download.format.clone(),
            agent_rule: download.agent_rule.clone(),
        }
    }

    fn read(self) -> Result<Download> {
        Ok(Download {
            id: parse_id(&self.id)?,
            at: utc(self.at),
            first_at: utc(self.first_at),
            clicks: self.clicks,
            distribution_id: parse_id(&self.distribution_id)?,
            dataset_id: parse_id(&self.dataset_id)?,
            organization_id: parse_id(&self.organization_id)?,
            class: parse_class(&self.class)?,
            channel: parse_channel(&self.channel)?,
            visitor: self.visitor,
            click: self.click,
            click_before: self.click_before,
            referrer: self.referrer,
            format: self.format,
            agent_rule: self.agent_rule,
            method_version: self.method_version,
        })
    }
}
