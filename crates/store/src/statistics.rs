//! Sums of downloads over time and by dimension, fast over ten years: settled days are added up by month and fiscal year once, and what is asked
//! is put together from whole years, whole months and days.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use chrono::{Datelike, Months, NaiveDate};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use minato_catalog::{Channel, ClientClass, Sums, fiscal_year};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::download::{month_of, parse_channel, parse_class, parse_day};
use crate::error::Result;
use crate::record::parse_id;
use crate::schema::{
    download_dataset, download_day, download_file, download_format, download_period, download_referrer, investigation_day,
};
use crate::{dialect, setting};

/// Setting that says which days are added up: those up to this one.
const THROUGH: &str = "rollup.through";

/// What to sum.
#[derive(Debug, Clone, Default)]
pub struct SumFilter {
    /// Only of this organization at the time of the download.
    pub organization_id: Option<Uuid>,
    /// Only of this dataset.
    pub dataset_id: Option<Uuid>,
    /// Only of this distribution, which must be one of `dataset_id`.
    pub distribution_id: Option<Uuid>,
    /// Only of this class.
    pub class: Option<ClientClass>,
    /// Only by this channel.
    pub channel: Option<Channel>,
    /// From this day on.
    pub from: NaiveDate,
    /// Up to and including this day.
    pub to: NaiveDate,
}

/// Length of the periods of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Days, named `2026-11-25`.
    Day,
    /// Months, named `2026-11`.
    Month,
    /// Fiscal years, named `F2026`.
    Year,
}

impl Grain {
    fn period(self, day: NaiveDate) -> String {
        match self {
            Grain::Day => day.to_string(),
            Grain::Month => month_of(day),
            Grain::Year => format!("F{}", fiscal_year(day)),
        }
    }

    fn start(self, day: NaiveDate) -> NaiveDate {
        let start = match self {
            Grain::Day => Some(day),
            Grain::Month => day.with_day(1),
            Grain::Year => NaiveDate::from_ymd_opt(fiscal_year(day), 4, 1),
        };
        start.unwrap_or(day)
    }

    /// The first day after the period of a day.
    fn next(self, day: NaiveDate) -> NaiveDate {
        let months = match self {
            Grain::Day => return day.succ_opt().unwrap_or(day),
            Grain::Month => 1,
            Grain::Year => 12,
        };
        self.start(day).checked_add_months(Months::new(months)).unwrap_or(NaiveDate::MAX)
    }
}

/// Sums of one class by one channel in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodSum {
    /// First day of the period.
    pub start: NaiveDate,
    /// Who asked.
    pub class: ClientClass,
    /// How.
    pub channel: Channel,
    /// How often.
    pub sums: Sums,
}

/// Narrows a query to what the filter asks for, as far as the table has the columns.
macro_rules! narrow {
    ($query:expr, $table:ident, $filter:expr, [$($id:ident),*]) => {{
        let filter: &SumFilter = $filter;
        let mut query = $query;
        $(if let Some(id) = filter.$id {
            query = query.filter($table::$id.eq(id.to_string()));
        })*
        if let Some(class) = filter.class {
            query = query.filter($table::class.eq(class.as_str()));
        }
        if let Some(channel) = filter.channel {
            query = query.filter($table::channel.eq(channel.as_str()));
        }
        query
    }};
}

/// Sums of days by these columns.
macro_rules! of_days {
    ($filter:expr, $first:expr, $last:expr, $($column:ident),+) => {
        narrow!(
            download_day::table
                .group_by(($(download_day::$column,)+))
                .select(($(download_day::$column,)+ total(), files(), datasets()))
                .into_boxed()
                .filter(download_day::day.ge($first.to_string()))
                .filter(download_day::day.le($last.to_string())),
            download_day,
            $filter,
            [organization_id, dataset_id, distribution_id]
        )
    };
}

/// Sums of months and years of datasets by these columns.
macro_rules! of_datasets {
    ($filter:expr, $segment:expr, $($column:ident),+) => {
        narrow!(
            download_dataset::table
                .group_by(($(download_dataset::$column,)+))
                .select(($(download_dataset::$column,)+ total(), files(), datasets()))
                .into_boxed()
                .filter(download_dataset::period.ge($segment.grain.period($segment.first)))
                .filter(download_dataset::period.le($segment.grain.period($segment.last)))
                .filter(sql::<diesel::sql_types::Bool>(length_of($segment.grain))),
            download_dataset,
            $filter,
            [organization_id, dataset_id]
        )
    };
}

/// Sums of periods by these columns.
macro_rules! of_periods {
    ($filter:expr, $segment:expr, $($column:ident),+) => {
        narrow!(
            download_period::table
                .group_by(($(download_period::$column,)+))
                .select(($(download_period::$column,)+ total(), files(), datasets()))
                .into_boxed()
                .filter(download_period::period.ge($segment.grain.period($segment.first)))
                .filter(download_period::period.le($segment.grain.period($segment.last)))
                .filter(sql::<diesel::sql_types::Bool>(length_of($segment.grain))),
            download_period,
            $filter,
            []
        )
    };
}

/// The last day that is added up; `None` before the first time.
pub fn through(conn: &mut AnyConnection) -> Result<Option<NaiveDate>> {
    setting::get(conn, THROUGH)?.map(|text| parse_day(&text)).transpose()
}

/// The first and the last day with downloads.
pub fn days(conn: &mut AnyConnection) -> Result<Option<(NaiveDate, NaiveDate)>> {
    let first: Option<String> = download_day::table.select(diesel::dsl::min(download_day::day)).first(conn)?;
    let last: Option<String> = download_day::table.select(diesel::dsl::max(download_day::day)).first(conn)?;
    match first.zip(last) {
        Some((first, last)) => Ok(Some((parse_day(&first)?, parse_day(&last)?))),
        None => Ok(None),
    }
}

/// Adds the days up to and including this one to the sums of months and years. Their sums by day must not change any more. Call inside
/// [`crate::Store::count`]; several servers may.
pub fn roll_up(conn: &mut AnyConnection, last: NaiveDate) -> Result<()> {
    let done = through(conn)?;
    if done.is_some_and(|done| done >= last) {
        return Ok(());
    }
    let after = done.map(|day| day.to_string()).unwrap_or_default();
    let sums = "CAST(SUM(total) AS BIGINT) AS total, CAST(SUM(unique_files) AS BIGINT) AS unique_files, CAST(SUM(unique_datasets) AS BIGINT) AS unique_datasets";
    let year = "CASE WHEN SUBSTR(period, 6, 2) >= '04' THEN 'F' || SUBSTR(period, 1, 4) \
                ELSE 'F' || CAST(CAST(SUBSTR(period, 1, 4) AS INTEGER) - 1 AS TEXT) END";
    let more = |table: &str, key: &str| {
        format!(
            "ON CONFLICT ({key}) DO UPDATE SET total = {table}.total + excluded.total, unique_files = {table}.unique_files + excluded.unique_files, \
             unique_datasets = {table}.unique_datasets + excluded.unique_datasets"
        )
    };
    let columns = "total, unique_files, unique_datasets";
    let period_key = "period, organization_id, class, channel";
    let dataset_key = "period, dataset_id, organization_id, class, channel";
    // Raw: INSERT … SELECT … ON CONFLICT, so that a million rows need not leave the database. Each pass reads what the one before made smaller;
    // the largest writes in the order of its index.
    let steps = [
        format!(
            "CREATE TEMPORARY TABLE rollup_month AS SELECT SUBSTR(day, 1, 7) AS period, dataset_id, organization_id, class, channel, format, {sums} \
             FROM download_day WHERE day > '{after}' AND day <= '{last}' GROUP BY 1, 2, 3, 4, 5, 6"
        ),
        format!(
            "INSERT INTO download_dataset ({dataset_key}, {columns}) SELECT {dataset_key}, {sums} FROM rollup_month WHERE 1 = 1 GROUP BY {dataset_key} \
             ORDER BY {dataset_key} {}",
            more("download_dataset", dataset_key)
        ),
        format!(
            "INSERT INTO download_dataset ({dataset_key}, {columns}) SELECT {year}, dataset_id, organization_id, class, channel, {sums} \
             FROM rollup_month WHERE 1 = 1 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 {}",
            more("download_dataset", dataset_key)
        ),
        format!(
            "INSERT INTO download_period ({period_key}, {columns}) SELECT {period_key}, {sums} FROM rollup_month WHERE 1 = 1 GROUP BY {period_key} {}",
            more("download_period", period_key)
        ),
        format!(
            "INSERT INTO download_period ({period_key}, {columns}) SELECT {year}, organization_id, class, channel, {sums} \
             FROM rollup_month WHERE 1 = 1 GROUP BY 1, 2, 3, 4 {}",
            more("download_period", period_key)
        ),
        format!(
            "INSERT INTO download_period ({period_key}, {columns}) SELECT period, '', class, channel, {sums} FROM rollup_month WHERE 1 = 1 \
             GROUP BY 1, 3, 4 {}",
            more("download_period", period_key)
        ),
        format!(
            "INSERT INTO download_period ({period_key}, {columns}) SELECT {year}, '', class, channel, {sums} FROM rollup_month WHERE 1 = 1 \
             GROUP BY 1, 3, 4 {}",
            more("download_period", period_key)
        ),
        format!(
            "INSERT INTO download_format (period, format, {columns}) SELECT period, format, {sums} FROM rollup_month WHERE 1 = 1 GROUP BY 1, 2 {}",
            more("download_format", "period, format")
        ),
        format!(
            "INSERT INTO download_format (period, format, {columns}) SELECT {year}, format, {sums} FROM rollup_month WHERE 1 = 1 GROUP BY 1, 2 {}",
            more("download_format", "period, format")
        ),
        "DROP TABLE rollup_month".to_owned(),
        // Days of single organizations are read from the days themselves, by their index.
        format!(
            "INSERT INTO download_period ({period_key}, {columns}) SELECT day, '', class, channel, {sums} FROM download_day \
             WHERE day > '{after}' AND day <= '{last}' GROUP BY day, class, channel {}",
            more("download_period", period_key)
        ),
        format!(
            "INSERT INTO download_file (distribution_id, dataset_id, total, unique_files) \
             SELECT distribution_id, dataset_id, CAST(SUM(total) AS BIGINT), CAST(SUM(unique_files) AS BIGINT) FROM download_day \
             WHERE day > '{after}' AND day <= '{last}' GROUP BY 1, 2 ON CONFLICT (distribution_id, dataset_id) \
             DO UPDATE SET total = download_file.total + excluded.total, unique_files = download_file.unique_files + excluded.unique_files"
        ),
    ];
    dialect::sort_in_memory(conn, true)?;
    let done = steps.into_iter().try_for_each(|step| diesel::sql_query(step).execute(conn).map(drop));
    dialect::sort_in_memory(conn, false)?;
    done?;
    setting::set(conn, THROUGH, &last.to_string())
}

/// Throws away the sums of months and years; the days stay, and [`roll_up`] adds them up anew. Call inside [`crate::Store::count`].
pub fn forget_rollup(conn: &mut AnyConnection) -> Result<()> {
    diesel::delete(download_period::table).execute(conn)?;
    diesel::delete(download_dataset::table).execute(conn)?;
    diesel::delete(download_format::table).execute(conn)?;
    diesel::delete(download_file::table).execute(conn)?;
    setting::remove_others(conn, THROUGH, "")
}

/// Sums by period, class and channel, oldest period first; periods without downloads are absent. A period that the filter's days cut is there
/// with the days that are left of it.
pub fn series(conn: &mut AnyConnection, filter: &SumFilter, grain: Grain) -> Result<Vec<PeriodSum>> {
    let mut found: BTreeMap<(NaiveDate, &'static str, &'static str), Sums> = BTreeMap::new();
    let mut add = |start: NaiveDate, class: &str, channel: &str, sums: Sums| -> Result<()> {
        *found.entry((grain.start(start), parse_class(class)?.as_str(), parse_channel(channel)?.as_str())).or_default() += sums;
        Ok(())
    };
    // The tables of months and years do not know files, and those of datasets no days: such series are read day by day, by the index.
    let by_day = filter.distribution_id.is_some() || (filter.dataset_id.is_some() && grain == Grain::Day);
    let (segments, recent) = split(conn, filter.from, filter.to, if by_day { None } else { Some(grain) })?;
    for segment in segments {
        let rows = if segment.grain == Grain::Day && (filter.dataset_id.is_some() || filter.organization_id.is_some()) {
            day_rows(conn, filter, segment.first, segment.last)?
        } else if filter.dataset_id.is_some() {
            dataset_periods(conn, filter, &segment)?
        } else {
            periods(conn, filter, &segment)?
        };
        for (period, class, channel, sums) in rows {
            add(period_start(&period)?, &class, &channel, sums)?;
        }
    }
    if let Some((first, last)) = recent {
        for (day, class, channel, sums) in day_rows(conn, filter, first, last)? {
            add(parse_day(&day)?, &class, &channel, sums)?;
        }
    }
    found
        .into_iter()
        .filter(|(_, sums)| !sums.is_zero())
        .map(|((start, class, channel), sums)| Ok(PeriodSum { start, class: parse_class(class)?, channel: parse_channel(channel)?, sums }))
        .collect()
}

/// Sums of each dataset that has any.
pub fn by_dataset(conn: &mut AnyConnection, filter: &SumFilter) -> Result<HashMap<Uuid, Sums>> {
    let mut found = HashMap::new();
    let (segments, recent) = split(conn, filter.from, filter.to, Some(Grain::Year))?;
    let days = segments.iter().filter(|segment| segment.grain == Grain::Day).map(|segment| (segment.first, segment.last));
    for (first, last) in days.chain(recent) {
        let query = of_days!(filter, first, last, dataset_id);
        collect(&mut found, query.load::<Counted>(conn)?, parse_id)?;
    }
    for segment in segments.iter().filter(|segment| segment.grain != Grain::Day) {
        let query = of_datasets!(filter, segment, dataset_id);
        collect(&mut found, query.load::<Counted>(conn)?, parse_id)?;
    }
    Ok(found)
}

/// Sums of each organization that has any, as it was at the time.
pub fn by_organization(conn: &mut AnyConnection, filter: &SumFilter) -> Result<HashMap<Uuid, Sums>> {
    let mut found = HashMap::new();
    let (segments, recent) = split(conn, filter.from, filter.to, Some(Grain::Year))?;
    let days = segments.iter().filter(|segment| segment.grain == Grain::Day).map(|segment| (segment.first, segment.last));
    for (first, last) in days.chain(recent) {
        let query = of_days!(filter, first, last, organization_id);
        collect(&mut found, query.load::<Counted>(conn)?, parse_id)?;
    }
    for segment in segments.iter().filter(|segment| segment.grain != Grain::Day) {
        let query = of_periods!(filter, segment, organization_id).filter(download_period::organization_id.ne(""));
        collect(&mut found, query.load::<Counted>(conn)?, parse_id)?;
    }
    Ok(found)
}

/// Sums of each format that files had; empty when it was not known. Only the days of the filter are looked at.
pub fn by_format(conn: &mut AnyConnection, from: NaiveDate, to: NaiveDate) -> Result<HashMap<String, Sums>> {
    let mut found = HashMap::new();
    let filter = SumFilter { from, to, ..SumFilter::default() };
    let (segments, recent) = split(conn, from, to, Some(Grain::Year))?;
    let days = segments.iter().filter(|segment| segment.grain == Grain::Day).map(|segment| (segment.first, segment.last));
    for (first, last) in days.chain(recent) {
        let query = of_days!(&filter, first, last, format);
        collect(&mut found, query.load::<Counted>(conn)?, |format| Ok(format.to_owned()))?;
    }
    for segment in segments.iter().filter(|segment| segment.grain != Grain::Day) {
        let query = download_format::table
            .filter(download_format::period.ge(segment.grain.period(segment.first)))
            .filter(download_format::period.le(segment.grain.period(segment.last)))
            .filter(sql::<diesel::sql_types::Bool>(length_of(segment.grain)))
            .group_by(download_format::format)
            .select((download_format::format, total(), files(), datasets()));
        collect(&mut found, query.load::<Counted>(conn)?, |format| Ok(format.to_owned()))?;
    }
    Ok(found)
}

/// Sums of each file of a dataset, over all time.
pub fn by_distribution(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<HashMap<Uuid, Sums>> {
    let mut found = HashMap::new();
    let id = dataset_id.to_string();
    let settled: Vec<(String, i64, i64)> = download_file::table
        .filter(download_file::dataset_id.eq(&id))
        .select((download_file::distribution_id, download_file::total, download_file::unique_files))
        .load(conn)?;
    for (distribution, total, unique_files) in settled {
        *found.entry(parse_id(&distribution)?).or_insert(Sums::default()) += Sums { total, unique_files, unique_datasets: 0 };
    }
    let after = through(conn)?.map(|day| day.to_string()).unwrap_or_default();
    let recent: Vec<(String, i64, i64)> = download_day::table
        .filter(download_day::dataset_id.eq(&id))
        .filter(download_day::day.gt(after))
        .group_by(download_day::distribution_id)
        .select((download_day::distribution_id, total(), files()))
        .load(conn)?;
    for (distribution, total, unique_files) in recent {
        *found.entry(parse_id(&distribution)?).or_insert(Sums::default()) += Sums { total, unique_files, unique_datasets: 0 };
    }
    Ok(found)
}

/// Counted downloads of these datasets since a day; datasets without any are absent.
pub fn totals_of_datasets(conn: &mut AnyConnection, ids: &[Uuid], from: NaiveDate) -> Result<BTreeMap<Uuid, i64>> {
    let mut totals = BTreeMap::new();
    for chunk in ids.chunks(500) {
        let chunk: Vec<String> = chunk.iter().map(Uuid::to_string).collect();
        let rows: Vec<(String, i64)> = download_day::table
            .filter(download_day::day.ge(from.to_string()))
            .filter(download_day::dataset_id.eq_any(chunk))
            .group_by(download_day::dataset_id)
            .select((download_day::dataset_id, total()))
            .load(conn)?;
        for (id, total) in rows {
            totals.insert(parse_id(&id)?, total);
        }
    }
    Ok(totals)
}

/// Domains of the pages that led to downloads, by whole months, most first.
pub fn by_referrer(conn: &mut AnyConnection, from: NaiveDate, to: NaiveDate, limit: i64) -> Result<Vec<(String, i64)>> {
    Ok(download_referrer::table
        .filter(download_referrer::month.ge(month_of(from)))
        .filter(download_referrer::month.le(month_of(to)))
        .group_by(download_referrer::referrer)
        .select((download_referrer::referrer, total()))
        .order(sql::<BigInt>("SUM(total) DESC, referrer"))
        .limit(limit)
        .load(conn)?)
}

/// Looks at pages by day: day, class, channel, how often, sessions by dataset.
pub fn investigations(conn: &mut AnyConnection, filter: &SumFilter) -> Result<Vec<PeriodSum>> {
    let mut query = investigation_day::table
        .filter(investigation_day::day.ge(filter.from.to_string()))
        .filter(investigation_day::day.le(filter.to.to_string()))
        .group_by((investigation_day::day, investigation_day::class, investigation_day::channel))
        .select((investigation_day::day, investigation_day::class, investigation_day::channel, total(), datasets()))
        .order(investigation_day::day)
        .into_boxed();
    if let Some(id) = filter.organization_id {
        query = query.filter(investigation_day::organization_id.eq(id.to_string()));
    }
    if let Some(id) = filter.dataset_id {
        query = query.filter(investigation_day::dataset_id.eq(id.to_string()));
    }
    if let Some(class) = filter.class {
        query = query.filter(investigation_day::class.eq(class.as_str()));
    }
    if let Some(channel) = filter.channel {
        query = query.filter(investigation_day::channel.eq(channel.as_str()));
    }
    let rows: Vec<(String, String, String, i64, i64)> = query.load(conn)?;
    rows.into_iter()
        .map(|(day, class, channel, total, unique_datasets)| {
            let sums = Sums { total, unique_files: unique_datasets, unique_datasets };
            Ok(PeriodSum { start: parse_day(&day)?, class: parse_class(&class)?, channel: parse_channel(&channel)?, sums })
        })
        .collect()
}

/// A key with its three sums.
type Counted = (String, i64, i64, i64);
/// Period, class, channel and sums.
type PeriodRow = (String, String, String, Sums);

/// Days of one grain, from the beginning of a period to the end of one.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    grain: Grain,
    first: NaiveDate,
    last: NaiveDate,
}

/// The settled days as whole periods of the largest grain that is allowed (none: no settled days, all are recent), and the days to read one by one.
#[allow(clippy::type_complexity, reason = "two parts of one range")]
fn split(
    conn: &mut AnyConnection,
    from: NaiveDate,
    to: NaiveDate,
    largest: Option<Grain>,
) -> Result<(Vec<Segment>, Option<(NaiveDate, NaiveDate)>)> {
    let through = through(conn)?;
    let (Some(through), Some(largest)) = (through, largest) else { return Ok((Vec::new(), (from <= to).then_some((from, to)))) };
    let recent = from.max(through.succ_opt().unwrap_or(through));
    Ok((segments(from, to, through, largest), (recent <= to).then_some((recent, to))))
}

/// Days up to `through` as few whole periods. A period that runs beyond `through` but not beyond `to` is whole: it has nothing of later days.
fn segments(from: NaiveDate, to: NaiveDate, through: NaiveDate, largest: Grain) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut day = from;
    while day <= to && day <= through {
        let fits = |grain: Grain| {
            let end = grain.next(day).pred_opt().unwrap_or(day);
            let within = end <= to || (to >= through && end > through);
            grain.start(day) == day && within
        };
        let grain = match largest {
            Grain::Year if fits(Grain::Year) => Grain::Year,
            Grain::Year | Grain::Month if fits(Grain::Month) => Grain::Month,
            _ => Grain::Day,
        };
        let next = grain.next(day);
        let last = next.pred_opt().unwrap_or(day);
        match segments.last_mut() {
            Some(open) if open.grain == grain => open.last = last,
            _ => segments.push(Segment { grain, first: day, last }),
        }
        if next <= day {
            break;
        }
        day = next;
    }
    // Days are read up to the last settled one only.
    if let Some(open) = segments.last_mut().filter(|open| open.grain == Grain::Day) {
        open.last = open.last.min(through).min(to);
    }
    segments
}

fn period_start(period: &str) -> Result<NaiveDate> {
    match (period.strip_prefix('F'), period.len()) {
        (Some(year), _) => parse_day(&format!("{year}-04-01")),
        (None, 7) => parse_day(&format!("{period}-01")),
        _ => parse_day(period),
    }
}

fn total() -> diesel::expression::SqlLiteral<BigInt> {
    // Raw: the sum of BIGINT is NUMERIC on PostgreSQL.
    sql::<BigInt>("CAST(SUM(total) AS BIGINT)")
}

fn files() -> diesel::expression::SqlLiteral<BigInt> {
    sql::<BigInt>("CAST(SUM(unique_files) AS BIGINT)")
}

fn datasets() -> diesel::expression::SqlLiteral<BigInt> {
    sql::<BigInt>("CAST(SUM(unique_datasets) AS BIGINT)")
}

/// Tells the names of months from those of days: both are in one table.
fn length_of(grain: Grain) -> &'static str {
    match grain {
        Grain::Day => "LENGTH(period) = 10",
        Grain::Month => "LENGTH(period) = 7",
        Grain::Year => "LENGTH(period) = 5",
    }
}

fn day_rows(conn: &mut AnyConnection, filter: &SumFilter, first: NaiveDate, last: NaiveDate) -> Result<Vec<PeriodRow>> {
    rows(of_days!(filter, first, last, day, class, channel).load(conn)?)
}

fn dataset_periods(conn: &mut AnyConnection, filter: &SumFilter, segment: &Segment) -> Result<Vec<PeriodRow>> {
    rows(of_datasets!(filter, segment, period, class, channel).load(conn)?)
}

fn periods(conn: &mut AnyConnection, filter: &SumFilter, segment: &Segment) -> Result<Vec<PeriodRow>> {
    let organization = filter.organization_id.map(|id| id.to_string()).unwrap_or_default();
    rows(of_periods!(filter, segment, period, class, channel).filter(download_period::organization_id.eq(organization)).load(conn)?)
}

fn rows(found: Vec<(String, String, String, i64, i64, i64)>) -> Result<Vec<PeriodRow>> {
    Ok(found
        .into_iter()
        .map(|(period, class, channel, total, unique_files, unique_datasets)| {
            (period, class, channel, Sums { total, unique_files, unique_datasets })
        })
        .collect())
}

fn collect<K: Eq + Hash>(found: &mut HashMap<K, Sums>, rows: Vec<Counted>, key: impl Fn(&str) -> Result<K>) -> Result<()> {
    for (text, total, unique_files, unique_datasets) in rows {
        *found.entry(key(&text)?).or_default() += Sums { total, unique_files, unique_datasets };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn check(from: &str, to: &str, through: &str, expected: &[(Grain, &str, &str)]) {
        let found = segments(day(from), day(to), day(through), Grain::Year);
        let found: Vec<_> = found.iter().map(|segment| (segment.grain, segment.first, segment.last)).collect();
        let expected: Vec<_> = expected.iter().map(|(grain, first, last)| (*grain, day(first), day(last))).collect();
        assert_eq!(found, expected, "{from} to {to}, settled through {through}");
    }

    #[test]
    fn a_range_is_made_of_years_months_and_days() {
        use Grain::{Day, Month, Year};
        check(
            "2020-02-10",
            "2026-11-20",
            "2026-11-22",
            &[
                (Day, "2020-02-10", "2020-02-29"),
                (Month, "2020-03-01", "2020-03-31"),
                (Year, "2020-04-01", "2026-03-31"),
                (Month, "2026-04-01", "2026-10-31"),
                (Day, "2026-11-01", "2026-11-20"),
            ],
        );
        // What runs beyond the settled days holds nothing of them.
        check("2026-04-01", "2026-11-25", "2026-11-22", &[(Year, "2026-04-01", "2027-03-31")]);
        check("2026-11-01", "2026-11-25", "2026-11-22", &[(Month, "2026-11-01", "2026-11-30")]);
        check("2026-11-02", "2026-11-25", "2026-11-22", &[(Day, "2026-11-02", "2026-11-22")]);
        check("2026-11-24", "2026-11-25", "2026-11-22", &[]);
        check("2026-11-25", "2026-11-24", "2026-11-26", &[]);
        check("2026-04-01", "2026-04-01", "2026-04-01", &[(Year, "2026-04-01", "2027-03-31")]);
    }
}
