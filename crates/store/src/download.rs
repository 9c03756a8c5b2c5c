//! Counted downloads: single rows while a day is open, sums by day for ever, targets and what other sites report.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use minato_catalog::{ClientClass, Download, jst_day};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::{Error, Result};
use crate::record::parse_id;
use crate::schema::{download, download_day, download_reported, indicator_target};

/// A download to count, with the key that double clicks share.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDownload {
    /// The download.
    pub download: Download,
    /// Equal for requests of the same visitor on the same day.
    pub click: String,
}

/// One sum of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySum {
    /// The day in Japan.
    pub day: NaiveDate,
    /// Who asked.
    pub class: ClientClass,
    /// Counted downloads.
    pub total: i64,
}

/// What to sum.
#[derive(Debug, Clone, Default)]
pub struct DownloadFilter {
    /// Only of this organization at the time of the download.
    pub organization_id: Option<Uuid>,
    /// Only of this dataset.
    pub dataset_id: Option<Uuid>,
    /// Only of this distribution.
    pub distribution_id: Option<Uuid>,
    /// From this day on.
    pub from: Option<NaiveDate>,
    /// Up to and including this day.
    pub to: Option<NaiveDate>,
}

/// Key of a sum: day, distribution, dataset, organization, class, channel.
type SumKey = (String, String, String, String, &'static str, &'static str);

/// Counts a batch in the order given: a double click within `double_click` moves the earlier row, anything else is a new row.
/// Call inside [`crate::Store::count`].
pub fn count(conn: &mut AnyConnection, batch: &[NewDownload], double_click: Duration) -> Result<()> {
    let mut sums: BTreeMap<SumKey, i64> = BTreeMap::new();
    for new in batch {
        let at = new.download.at.naive_utc();
        let day = jst_day(new.download.at).to_string();
        let distribution_id = new.download.distribution_id.to_string();
        let class = new.download.class.as_str();
        let earlier: Option<(String, NaiveDateTime, String, String, String, String, String)> = download::table
            .filter(download::click.eq(&new.click))
            .filter(download::distribution_id.eq(&distribution_id))
            .filter(download::at.ge(at - double_click))
            .filter(download::at.le(at + double_click))
            .order(download::at.desc())
            .select((
                download::id,
                download::at,
                download::day,
                download::dataset_id,
                download::organization_id,
                download::class,
                download::channel,
            ))
            .first(conn)
            .optional()?;
        let dataset_id = new.download.dataset_id.to_string();
        let organization_id = new.download.organization_id.to_string();
        let channel = new.download.channel.as_str();
        match earlier {
            Some((_, earlier_at, ..)) if earlier_at >= at => {}
            Some((id, _, earlier_day, earlier_dataset, earlier_organization, _, _)) => {
                diesel::update(download::table.filter(download::id.eq(id)))
                    .set((download::at.eq(at), download::day.eq(&day)))
                    .execute(conn)?;
                if earlier_day != day {
                    let key = (earlier_day, distribution_id.clone(), earlier_dataset.clone(), earlier_organization.clone(), class, channel);
                    *sums.entry(key).or_default() -= 1;
                    *sums.entry((day, distribution_id, earlier_dataset, earlier_organization, class, channel)).or_default() += 1;
                }
            }
            None => {
                diesel::insert_into(download::table)
                    .values((
                        download::id.eq(new.download.id.to_string()),
                        download::at.eq(at),
                        download::day.eq(&day),
                        download::distribution_id.eq(&distribution_id),
                        download::dataset_id.eq(&dataset_id),
                        download::organization_id.eq(&organization_id),
                        download::class.eq(class),
                        download::channel.eq(channel),
                        download::visitor.eq(&new.download.visitor),
                        download::click.eq(&new.click),
                        download::method_version.eq(new.download.method_version),
                    ))
                    .execute(conn)?;
                *sums.entry((day, distribution_id, dataset_id, organization_id, class, channel)).or_default() += 1;
            }
        }
    }
    for (key, change) in sums.into_iter().filter(|(_, change)| *change != 0) {
        add_to_day(conn, &key, change)?;
    }
    Ok(())
}

fn add_to_day(conn: &mut AnyConnection, key: &SumKey, change: i64) -> Result<()> {
    let (day, distribution_id, dataset_id, organization_id, class, channel) = key;
    let row = download_day::table
        .filter(download_day::day.eq(day))
        .filter(download_day::distribution_id.eq(distribution_id))
        .filter(download_day::organization_id.eq(organization_id))
        .filter(download_day::class.eq(class))
        .filter(download_day::channel.eq(channel));
    let changed = diesel::update(row).set(download_day::total.eq(download_day::total + change)).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(download_day::table)
            .values((
                download_day::day.eq(day),
                download_day::distribution_id.eq(distribution_id),
                download_day::dataset_id.eq(dataset_id),
                download_day::organization_id.eq(organization_id),
                download_day::class.eq(class),
                download_day::channel.eq(channel),
                download_day::total.eq(change),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Drops single rows older than `before`; the sums stay.
pub fn drop_rows(conn: &mut AnyConnection, before: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::delete(download::table.filter(download::at.lt(before.naive_utc()))).execute(conn)?)
}

/// Sums by day and class, oldest day first; days without downloads are absent.
pub fn sums_by_day(conn: &mut AnyConnection, filter: &DownloadFilter) -> Result<Vec<DaySum>> {
    let mut query = download_day::table
        .group_by((download_day::day, download_day::class))
        // Raw: the sum of BIGINT is NUMERIC on PostgreSQL.
        .select((download_day::day, download_day::class, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .order((download_day::day, download_day::class))
        .into_boxed();
    if let Some(id) = filter.organization_id {
        query = query.filter(download_day::organization_id.eq(id.to_string()));
    }
    if let Some(id) = filter.dataset_id {
        query = query.filter(download_day::dataset_id.eq(id.to_string()));
    }
    if let Some(id) = filter.distribution_id {
        query = query.filter(download_day::distribution_id.eq(id.to_string()));
    }
    if let Some(from) = filter.from {
        query = query.filter(download_day::day.ge(from.to_string()));
    }
    if let Some(to) = filter.to {
        query = query.filter(download_day::day.le(to.to_string()));
    }
    let rows: Vec<(String, String, i64)> = query.load(conn)?;
    rows.into_iter()
        .map(|(day, class, total)| {
            let day = day.parse().map_err(|error| Error::damaged(format!("day `{day}`"), error))?;
            let class = ClientClass::parse(&class).ok_or_else(|| Error::damaged("client class", &class))?;
            Ok(DaySum { day, class, total })
        })
        .collect()
}

/// Datasets by counted downloads since a day, most first.
pub fn top_datasets(conn: &mut AnyConnection, from: NaiveDate, limit: i64) -> Result<Vec<(Uuid, i64)>> {
    let rows: Vec<(String, i64)> = download_day::table
        .filter(download_day::day.ge(from.to_string()))
        .group_by(download_day::dataset_id)
        .select((download_day::dataset_id, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .order(sql::<BigInt>("SUM(total) DESC, dataset_id"))
        .limit(limit)
        .load(conn)?;
    rows.into_iter().map(|(id, total)| Ok((parse_id(&id)?, total))).collect()
}

/// Counted downloads of each organization since a day, most first.
pub fn top_organizations(conn: &mut AnyConnection, from: NaiveDate) -> Result<Vec<(Uuid, i64)>> {
    let rows: Vec<(String, i64)> = download_day::table
        .filter(download_day::day.ge(from.to_string()))
        .group_by(download_day::organization_id)
        .select((download_day::organization_id, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .order(sql::<BigInt>("SUM(total) DESC, organization_id"))
        .load(conn)?;
    rows.into_iter().map(|(id, total)| Ok((parse_id(&id)?, total))).collect()
}

/// Counted downloads of each distribution of a dataset, over all time.
pub fn totals_by_distribution(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<Vec<(Uuid, i64)>> {
    let rows: Vec<(String, i64)> = download_day::table
        .filter(download_day::dataset_id.eq(dataset_id.to_string()))
        .group_by(download_day::distribution_id)
        .select((download_day::distribution_id, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .load(conn)?;
    rows.into_iter().map(|(id, total)| Ok((parse_id(&id)?, total))).collect()
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
            .select((download_day::dataset_id, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
            .load(conn)?;
        for (id, total) in rows {
            totals.insert(parse_id(&id)?, total);
        }
    }
    Ok(totals)
}

/// Sets what a site reports for a month (`2026-11`), replacing an earlier report.
pub fn set_reported(conn: &mut AnyConnection, month: &str, source: &str, total: i64, actor: &str, now: DateTime<Utc>) -> Result<()> {
    let values = (download_reported::total.eq(total), download_reported::actor.eq(actor), download_reported::at.eq(now.naive_utc()));
    let row = download_reported::table.filter(download_reported::month.eq(month)).filter(download_reported::source.eq(source));
    let changed = diesel::update(row).set(values).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(download_reported::table)
            .values((download_reported::month.eq(month), download_reported::source.eq(source), values))
            .execute(conn)?;
    }
    Ok(())
}

/// What other sites report from one month to another, by month, oldest first.
pub fn reported(conn: &mut AnyConnection, from: &str, to: &str) -> Result<Vec<(String, i64)>> {
    Ok(download_reported::table
        .filter(download_reported::month.ge(from))
        .filter(download_reported::month.le(to))
        .group_by(download_reported::month)
        .select((download_reported::month, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .order(download_reported::month)
        .load(conn)?)
}

/// Sets the target of an indicator for a fiscal year.
pub fn set_target(conn: &mut AnyConnection, indicator: &str, fiscal_year: i32, baseline: Option<i64>, target: i64) -> Result<()> {
    let values = (indicator_target::baseline.eq(baseline), indicator_target::target.eq(target));
    let year = i64::from(fiscal_year);
    let row = indicator_target::table.filter(indicator_target::indicator.eq(indicator)).filter(indicator_target::fiscal_year.eq(year));
    let changed = diesel::update(row).set(values).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(indicator_target::table)
            .values((indicator_target::indicator.eq(indicator), indicator_target::fiscal_year.eq(year), values))
            .execute(conn)?;
    }
    Ok(())
}

/// Baseline and target of an indicator in a fiscal year; without its own, those of the last year before that has one.
pub fn target(conn: &mut AnyConnection, indicator: &str, fiscal_year: i32) -> Result<Option<(Option<i64>, i64)>> {
    Ok(indicator_target::table
        .filter(indicator_target::indicator.eq(indicator))
        .filter(indicator_target::fiscal_year.le(i64::from(fiscal_year)))
        .order(indicator_target::fiscal_year.desc())
        .select((indicator_target::baseline, indicator_target::target))
        .first(conn)
        .optional()?)
}
