//! Figures: downloads over time, rankings, the indicator.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate};
use minato_catalog::{
    ClientClass, Dataset, DatasetState, DownloadIndicator, DownloadPoint, DownloadSeries, FieldError, Organization, OrganizationKind,
    PeriodKind, Viewer, fiscal_year, fiscal_year_label, jst_day,
};
use minato_counter::METHOD_VERSION;
use minato_store::dataset::{self, DatasetFilter, Scope};
use minato_store::download::{self, DaySum, DownloadFilter};
use uuid::Uuid;

use crate::App;
use crate::error::{Error, Result};

/// Name of the indicator in the table of targets.
pub(crate) const DOWNLOADS_PER_MONTH: &str = "downloads_per_month";
/// Most periods in one series.
const PERIODS_MAX: i64 = 4_000;

/// Which series is wanted.
#[derive(Debug, Clone, Default)]
pub struct SeriesRequest {
    /// Length of the periods.
    pub period: PeriodKind,
    /// First day; by default 30 days, 12 months or 5 fiscal years ago.
    pub from: Option<NaiveDate>,
    /// Last day; by default today in Japan.
    pub to: Option<NaiveDate>,
    /// Only this organization: id, slug or code.
    pub organization: Option<String>,
    /// Only this dataset: id or slug.
    pub dataset: Option<String>,
    /// Only this distribution.
    pub distribution: Option<Uuid>,
}

/// Something with its number of downloads.
#[derive(Debug, Clone)]
pub struct Ranked<T> {
    /// What is ranked.
    pub item: T,
    /// Counted downloads.
    pub downloads: i64,
}

/// How large the catalog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Datasets everybody may see.
    pub datasets: i64,
    /// Organizations.
    pub organizations: i64,
    /// Municipalities with at least one such dataset.
    pub municipalities_publishing: i64,
}

impl App {
    /// Downloads over time.
    pub fn download_series(&self, viewer: &Viewer, request: &SeriesRequest) -> Result<DownloadSeries> {
        let today = jst_day(self.now());
        let to = request.to.unwrap_or(today);
        let from = request.from.unwrap_or_else(|| default_from(request.period, to));
        if to < from {
            return Err(Error::invalid(FieldError::new(
                "/to",
                "out_of_range",
                "to は from 以降の日付にしてください。",
                "to must not be before from",
            )));
        }
        let (from, to) = (start_of(request.period, from), to);
        if (to - from).num_days() > 366 * 200 || (request.period == PeriodKind::Day && (to - from).num_days() > PERIODS_MAX) {
            return Err(Error::invalid(FieldError::new(
                "/from",
                "out_of_range",
                "期間が長すぎます。from を新しくするか、period=month を使ってください。",
                "the time is too long; send a later from or period=month",
            )));
        }
        let mut filter = DownloadFilter { from: Some(from), to: Some(to), distribution_id: request.distribution, ..Default::default() };
        if let Some(key) = &request.organization {
            filter.organization_id = Some(self.get::<Organization>(viewer, key)?.id);
        }
        if let Some(key) = &request.dataset {
            filter.dataset_id = Some(self.dataset(viewer, key)?.dataset.id);
        }
        let sums = self.store().read(|conn| download::sums_by_day(conn, &filter))?;
        Ok(series(request.period, from, to, &sums))
    }

    /// The datasets with the most counted downloads since a day, as the viewer may see them.
    pub fn top_datasets(&self, viewer: &Viewer, since: NaiveDate, limit: usize) -> Result<Vec<Ranked<Arc<Dataset>>>> {
        // Some may be hidden or withdrawn.
        let wanted = i64::try_from(limit * 2 + 20).unwrap_or(i64::MAX);
        let totals = self.store().read(|conn| download::top_datasets(conn, since, wanted))?;
        let ids: Vec<Uuid> = totals.iter().map(|(id, _)| *id).collect();
        let downloads: BTreeMap<Uuid, i64> = totals.into_iter().collect();
        let shown = self.cached_many(&ids)?.into_iter().filter(|dataset| {
            dataset.content.state == DatasetState::Published && viewer.sees(dataset.content.organization_id, dataset.is_open())
        });
        Ok(shown.take(limit).map(|dataset| Ranked { downloads: downloads.get(&dataset.id).copied().unwrap_or(0), item: dataset }).collect())
    }

    /// Organizations with their counted downloads since a day, most first; those without any at the end.
    pub fn top_organizations(&self, since: NaiveDate) -> Result<Vec<Ranked<Arc<Organization>>>> {
        let totals: BTreeMap<Uuid, i64> = self.store().read(|conn| download::top_organizations(conn, since))?.into_iter().collect();
        let directory = self.directory();
        let mut ranked: Vec<_> = directory
            .organizations()
            .into_iter()
            .map(|organization| Ranked { downloads: totals.get(&organization.id).copied().unwrap_or(0), item: organization.clone() })
            .collect();
        ranked.sort_by_key(|ranked| std::cmp::Reverse(ranked.downloads));
        Ok(ranked)
    }

    /// Counted downloads of each distribution of a dataset over all time, removed ones included.
    pub fn downloads_by_distribution(&self, dataset_id: Uuid) -> Result<BTreeMap<Uuid, i64>> {
        Ok(self.store().read(|conn| download::totals_by_distribution(conn, dataset_id))?.into_iter().collect())
    }

    /// The downloads/month indicator of a fiscal year; of the current one by default.
    pub fn download_indicator(&self, year: Option<i32>) -> Result<DownloadIndicator> {
        let today = jst_day(self.now());
        let year = year.unwrap_or_else(|| fiscal_year(today));
        let (Some(start), Some(end)) = (NaiveDate::from_ymd_opt(year, 4, 1), NaiveDate::from_ymd_opt(year + 1, 3, 31)) else {
            return Err(Error::invalid(FieldError::new(
                "/fiscal_year",
                "out_of_range",
                "fiscal_year は西暦 4 桁の年度にしてください（例: 2026）。",
                "fiscal_year must be a year such as 2026",
            )));
        };
        let filter = DownloadFilter { from: Some(start), to: Some(end), ..Default::default() };
        let (sums, reported, target) = self.store().read(|conn| {
            Ok((
                download::sums_by_day(conn, &filter)?,
                download::reported(conn, &month_label(start), &month_label(end))?,
                download::target(conn, DOWNLOADS_PER_MONTH, year)?,
            ))
        })?;
        let this_month = month_label(today);
        let complete = |month: &str| month < this_month.as_str();
        let measured: i64 = sums.iter().map(|sum| sum.total).sum();
        let measured_complete: i64 = sums.iter().filter(|sum| complete(&month_label(sum.day))).map(|sum| sum.total).sum();
        let reported_complete: i64 = reported.iter().filter(|(month, _)| complete(month)).map(|(_, total)| total).sum();
        let first = first_month(&sums, &reported, start);
        let months = if end < today { months_between(first, end) + 1 } else { months_between(first, today.with_day(1).unwrap_or(today)) };
        let months = months.clamp(0, 12);
        #[allow(clippy::cast_precision_loss)]
        let mean_per_month = (months > 0).then(|| (measured_complete + reported_complete) as f64 / months as f64);
        Ok(DownloadIndicator {
            fiscal_year: year,
            fiscal_year_label: fiscal_year_label(year),
            measured,
            reported: reported.iter().map(|(_, total)| total).sum(),
            months,
            mean_per_month,
            current_month: sums.iter().filter(|sum| month_label(sum.day) == this_month).map(|sum| sum.total).sum(),
            target_per_month: target.map(|(_, target)| target),
            baseline_per_month: target.and_then(|(baseline, _)| baseline),
        })
    }

    /// How large the catalog is, in what everybody may see.
    pub fn summary(&self) -> Result<Summary> {
        let directory = self.directory();
        let filter = DatasetFilter { scope: Scope::Public, ..Default::default() };
        let (datasets, by_organization) =
            self.store().read(|conn| Ok((dataset::count(conn, &filter)?, dataset::count_by_organization(conn)?)))?;
        let municipalities = by_organization.iter().filter(|(id, count)| {
            *count > 0 && directory.organization(*id).is_some_and(|organization| organization.draft.kind == OrganizationKind::Municipality)
        });
        Ok(Summary {
            datasets,
            organizations: i64::try_from(directory.organizations().len()).unwrap_or(i64::MAX),
            municipalities_publishing: i64::try_from(municipalities.count()).unwrap_or(i64::MAX),
        })
    }

    /// Datasets that everybody may see, by organization.
    pub fn dataset_counts_by_organization(&self) -> Result<BTreeMap<Uuid, i64>> {
        Ok(self.store().read(dataset::count_by_organization)?.into_iter().collect())
    }

    /// Datasets that everybody may see, by theme id.
    pub fn dataset_counts_by_theme(&self) -> Result<BTreeMap<String, i64>> {
        Ok(self.store().read(dataset::count_by_theme)?.into_iter().collect())
    }

    /// Keywords of datasets that everybody may see, with the number of datasets.
    pub fn dataset_counts_by_keyword(&self) -> Result<Vec<(String, i64)>> {
        Ok(self.store().read(dataset::count_by_keyword)?)
    }
}

/// The mean is taken from the first month with any figure on: a portal that began in autumn is not measured by its empty summer.
fn first_month(sums: &[DaySum], reported: &[(String, i64)], start: NaiveDate) -> NaiveDate {
    let measured = sums.iter().filter(|sum| sum.total > 0).map(|sum| sum.day).min();
    let reported = reported.iter().filter_map(|(month, _)| format!("{month}-01").parse::<NaiveDate>().ok()).min();
    let first = measured.into_iter().chain(reported).min().unwrap_or(start);
    first.with_day(1).unwrap_or(start)
}

fn months_between(from: NaiveDate, to: NaiveDate) -> i64 {
    i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month())
}

fn default_from(period: PeriodKind, to: NaiveDate) -> NaiveDate {
    match period {
        PeriodKind::Day => to - chrono::Duration::days(29),
        PeriodKind::Month => to.checked_sub_months(Months::new(11)).unwrap_or(to),
        PeriodKind::FiscalYear => to.checked_sub_months(Months::new(48)).unwrap_or(to),
    }
}

fn start_of(period: PeriodKind, day: NaiveDate) -> NaiveDate {
    let first = match period {
        PeriodKind::Day => Some(day),
        PeriodKind::Month => day.with_day(1),
        PeriodKind::FiscalYear => NaiveDate::from_ymd_opt(fiscal_year(day), 4, 1),
    };
    first.unwrap_or(day)
}

fn next(period: PeriodKind, start: NaiveDate) -> Option<NaiveDate> {
    match period {
        PeriodKind::Day => start.succ_opt(),
        PeriodKind::Month => start.checked_add_months(Months::new(1)),
        PeriodKind::FiscalYear => start.checked_add_months(Months::new(12)),
    }
}

fn month_label(day: NaiveDate) -> String {
    day.format("%Y-%m").to_string()
}

fn label(period: PeriodKind, start: NaiveDate) -> String {
    match period {
        PeriodKind::Day => start.to_string(),
        PeriodKind::Month => month_label(start),
        PeriodKind::FiscalYear => start.year().to_string(),
    }
}

fn series(period: PeriodKind, from: NaiveDate, to: NaiveDate, sums: &[DaySum]) -> DownloadSeries {
    let mut points: BTreeMap<NaiveDate, DownloadPoint> = BTreeMap::new();
    let mut start = Some(start_of(period, from));
    while let Some(day) = start.filter(|day| *day <= to) {
        points.insert(day, DownloadPoint { period: label(period, day), start: day, human: 0, machine: 0, ai_agent: 0, total: 0 });
        start = next(period, day);
    }
    for sum in sums {
        let Some(point) = points.get_mut(&start_of(period, sum.day)) else { continue };
        match sum.class {
            ClientClass::Human => point.human += sum.total,
            ClientClass::Machine => point.machine += sum.total,
            ClientClass::AiAgent => point.ai_agent += sum.total,
            ClientClass::Robot => continue,
        }
        point.total += sum.total;
    }
    let points: Vec<DownloadPoint> = points.into_values().collect();
    let total = points.iter().map(|point| point.total).sum();
    DownloadSeries { period, points, total, method_version: METHOD_VERSION }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn periods_without_downloads_are_there() {
        let sums = [
            DaySum { day: day("2026-03-31"), class: ClientClass::Human, total: 2 },
            DaySum { day: day("2026-04-01"), class: ClientClass::Machine, total: 3 },
        ];
        let months = series(PeriodKind::Month, day("2026-02-01"), day("2026-05-10"), &sums);
        let totals: Vec<_> = months.points.iter().map(|point| (point.period.as_str(), point.total)).collect();
        assert_eq!(totals, [("2026-02", 0), ("2026-03", 2), ("2026-04", 3), ("2026-05", 0)]);
        let years = series(PeriodKind::FiscalYear, day("2025-04-01"), day("2026-05-10"), &sums);
        let totals: Vec<_> = years.points.iter().map(|point| (point.period.as_str(), point.total)).collect();
        assert_eq!((totals, years.total), (vec![("2025", 2), ("2026", 3)], 5));
    }

    #[test]
    fn the_mean_begins_with_the_first_figure() {
        let sums = [DaySum { day: day("2026-09-12"), class: ClientClass::Human, total: 2 }];
        assert_eq!(first_month(&sums, &[], day("2026-04-01")), day("2026-09-01"));
        assert_eq!(first_month(&sums, &[("2026-08".to_owned(), 1)], day("2026-04-01")), day("2026-08-01"));
        assert_eq!(first_month(&[], &[], day("2026-04-01")), day("2026-04-01"));
        assert_eq!(months_between(day("2026-09-01"), day("2026-11-01")), 2);
    }
}
