//! Figures: downloads over time, rankings, the indicator.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate};
use minato_catalog::{
    Channel, ClientClass, Dataset, DatasetState, DownloadIndicator, DownloadPoint, DownloadSeries, FieldError, MethodPeriod, MonthFigures,
    Organization, OrganizationKind, PeriodKind, Sums, Text, Viewer, fiscal_year, fiscal_year_label,
};
use minato_counter::METHOD_VERSION;
use minato_store::dataset::{self, DatasetFilter, Scope};
use minato_store::statistics::{self, Grain, PeriodSum, SumFilter};
use minato_store::{download, indicator, previous_portal};
use uuid::Uuid;

use crate::App;
use crate::error::{Error, Result};
use crate::indicator::year_bounds;
use crate::report::month_text;

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
    /// Only this organization at the time of the download: id, slug or code.
    pub organization: Option<String>,
    /// Only this dataset: id or slug.
    pub dataset: Option<String>,
    /// Only this distribution.
    pub distribution: Option<Uuid>,
    /// Only of this class.
    pub class: Option<ClientClass>,
    /// Only by this channel.
    pub channel: Option<Channel>,
}

/// What a breakdown is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The organization at the time.
    Organization,
    /// The themes that datasets have now; a dataset of several themes is in each.
    Theme,
    /// The format that files had.
    Format,
    /// Who asked.
    Class,
    /// How.
    Channel,
}

/// One part of a breakdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Id, code or word; empty for what has none.
    pub key: String,
    /// What is counted of it.
    pub sums: Sums,
}

/// Which datasets are ranked by what.
#[derive(Debug, Clone)]
pub struct RankingRequest {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Only downloads of this organization at the time: id, slug or code.
    pub organization: Option<String>,
    /// Only of this class.
    pub class: Option<ClientClass>,
    /// Only by this channel.
    pub channel: Option<Channel>,
    /// Most datasets.
    pub limit: usize,
}

/// Something with its number of downloads.
#[derive(Debug, Clone)]
pub struct Ranked<T> {
    /// What is ranked.
    pub item: T,
    /// Counted downloads.
    pub downloads: i64,
    /// All that is counted of it.
    pub sums: Sums,
}

/// Downloads of a dataset as a portal that was before reported them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDownloads {
    /// The dataset.
    pub dataset_id: Uuid,
    /// All of them.
    pub total: i64,
    /// By month (`2024-01`), oldest first; months that nobody reported are left out.
    pub months: Vec<(String, i64)>,
    /// By distribution of the dataset; under `None` those of files that are none of its distributions.
    pub files: BTreeMap<Option<Uuid>, i64>,
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
        let (from, to) = self.period_of(request)?;
        let filter = self.sum_filter(viewer, request, from, to)?;
        let (sums, methods) =
            self.store().read_at_once(|conn| Ok((statistics::series(conn, &filter, grain(request.period))?, download::methods(conn)?)))?;
        Ok(series(request.period, from, to, &sums, methods))
    }

    /// What a portal that was before reported of a dataset, and of its copies. Beside what was measured here, never part of it.
    pub fn reported_downloads(&self, viewer: &Viewer, dataset: &str) -> Result<ReportedDownloads> {
        let dataset = self.dataset(viewer, dataset)?.dataset;
        let ids: Vec<Uuid> = self.copies(&dataset)?.iter().map(|copy| copy.id).chain([dataset.id]).collect();
        let mut reported = ReportedDownloads { dataset_id: dataset.id, total: 0, months: Vec::new(), files: BTreeMap::new() };
        for (month, distribution, total) in self.store().read(|conn| previous_portal::reported_of_datasets(conn, &ids))? {
            reported.total += total;
            match reported.months.last_mut() {
                Some((last, sum)) if *last == month => *sum += total,
                _ => reported.months.push((month, total)),
            }
            // Files that left the dataset, and those of copies, are no rows of its list.
            let distribution = distribution.filter(|id| dataset.distribution(*id).is_some());
            *reported.files.entry(distribution).or_default() += total;
        }
        Ok(reported)
    }

    /// The versions of the counting method that counted here, oldest first.
    pub fn methods_used(&self) -> Result<Vec<MethodPeriod>> {
        let methods = self.store().read(download::methods)?;
        Ok(methods.into_iter().map(|(version, first_day)| MethodPeriod { version, first_day }).collect())
    }

    /// Looks at pages and previews over time. They are no downloads.
    pub fn view_series(&self, viewer: &Viewer, request: &SeriesRequest) -> Result<DownloadSeries> {
        let (from, to) = self.period_of(request)?;
        let filter = self.sum_filter(viewer, request, from, to)?;
        let (sums, methods) = self.store().read(|conn| Ok((statistics::investigations(conn, &filter)?, download::methods(conn)?)))?;
        Ok(series(request.period, from, to, &sums, methods))
    }

    /// From the beginning of a period to the last day.
    fn period_of(&self, request: &SeriesRequest) -> Result<(NaiveDate, NaiveDate)> {
        let to = request.to.unwrap_or_else(|| self.today());
        let from = request.from.unwrap_or_else(|| default_from(request.period, to));
        if to < from {
            return Err(ends_before_it_begins());
        }
        let from = start_of(request.period, from);
        if (to - from).num_days() > 366 * 200 || (request.period == PeriodKind::Day && (to - from).num_days() > PERIODS_MAX) {
            return Err(Error::invalid(FieldError::new(
                "/from",
                "out_of_range",
                "期間が長すぎます。from を新しくするか、period=month を使ってください。",
                "the time is too long; send a later from or period=month",
            )));
        }
        Ok((from, to))
    }

    fn sum_filter(&self, viewer: &Viewer, request: &SeriesRequest, from: NaiveDate, to: NaiveDate) -> Result<SumFilter> {
        let mut filter = SumFilter {
            distribution_id: request.distribution,
            class: request.class,
            channel: request.channel,
            from,
            to,
            ..SumFilter::default()
        };
        if let Some(key) = &request.organization {
            filter.organization_id = Some(self.get::<Organization>(viewer, key)?.id);
        }
        if let Some(key) = &request.dataset {
            filter.dataset_id = Some(self.dataset(viewer, key)?.dataset.id);
        }
        if let Some(id) = request.distribution.filter(|_| filter.dataset_id.is_none()) {
            // By the index of its dataset; one that nobody knows has no downloads.
            let dataset = self.store().read(|conn| minato_store::distribution::find_dataset(conn, id))?;
            filter.dataset_id = Some(dataset.map_or(id, |(dataset_id, _)| dataset_id));
        }
        Ok(filter)
    }

    /// The datasets with the most counted downloads since a day, as the viewer may see them.
    pub fn top_datasets(&self, viewer: &Viewer, since: NaiveDate, limit: usize) -> Result<Vec<Ranked<Arc<Dataset>>>> {
        let to = self.today();
        self.dataset_ranking(viewer, &RankingRequest { from: since, to, organization: None, class: None, channel: None, limit })
    }

    /// The datasets with the most counted downloads, as the viewer may see them; withdrawn ones are left out.
    pub fn dataset_ranking(&self, viewer: &Viewer, request: &RankingRequest) -> Result<Vec<Ranked<Arc<Dataset>>>> {
        let mut filter =
            SumFilter { from: request.from, to: request.to, class: request.class, channel: request.channel, ..SumFilter::default() };
        if let Some(key) = &request.organization {
            filter.organization_id = Some(self.get::<Organization>(viewer, key)?.id);
        }
        let sums = self.store().read_at_once(|conn| statistics::by_dataset(conn, &filter))?;
        let mut order: Vec<(Uuid, Sums)> = sums.into_iter().filter(|(_, sums)| sums.total > 0).collect();
        order.sort_unstable_by_key(|(id, sums)| (std::cmp::Reverse(sums.total), *id));
        let mut ranked = Vec::new();
        // Some may be hidden or withdrawn: a few more are looked at each time until there are enough.
        for chunk in order.chunks(request.limit.max(10) + 20) {
            let ids: Vec<Uuid> = chunk.iter().map(|(id, _)| *id).collect();
            let sums: HashMap<Uuid, Sums> = chunk.iter().copied().collect();
            let shown = self.cached_many(&ids)?.into_iter().filter(|dataset| {
                dataset.content.state == DatasetState::Published && viewer.sees(dataset.content.organization_id, dataset.is_open())
            });
            ranked.extend(shown.map(|dataset| {
                let sums = sums.get(&dataset.id).copied().unwrap_or_default();
                Ranked { downloads: sums.total, sums, item: dataset }
            }));
            if ranked.len() >= request.limit {
                break;
            }
        }
        ranked.truncate(request.limit);
        Ok(ranked)
    }

    /// Organizations with their counted downloads since a day, most first; those without any at the end.
    pub fn top_organizations(&self, since: NaiveDate) -> Result<Vec<Ranked<Arc<Organization>>>> {
        let filter = SumFilter { from: since, to: self.today(), ..SumFilter::default() };
        let sums = self.store().read_at_once(|conn| statistics::by_organization(conn, &filter))?;
        let directory = self.directory();
        let mut ranked: Vec<_> = directory
            .organizations()
            .into_iter()
            .map(|organization| {
                let sums = sums.get(&organization.id).copied().unwrap_or_default();
                Ranked { downloads: sums.total, sums, item: organization.clone() }
            })
            .collect();
        ranked.sort_by_key(|ranked| std::cmp::Reverse(ranked.downloads));
        Ok(ranked)
    }

    /// Counted downloads between two days by one dimension, most first.
    pub fn breakdown(&self, dimension: Dimension, from: NaiveDate, to: NaiveDate) -> Result<Vec<Part>> {
        if to < from {
            return Err(ends_before_it_begins());
        }
        let filter = SumFilter { from, to, ..SumFilter::default() };
        let mut parts: HashMap<String, Sums> = HashMap::new();
        match dimension {
            Dimension::Organization => {
                let found = self.store().read_at_once(|conn| statistics::by_organization(conn, &filter))?;
                parts.extend(found.into_iter().map(|(id, sums)| (id.to_string(), sums)));
            }
            Dimension::Format => parts = self.store().read_at_once(|conn| statistics::by_format(conn, from, to))?,
            Dimension::Class | Dimension::Channel => {
                for sum in self.store().read_at_once(|conn| statistics::series(conn, &filter, Grain::Year))? {
                    let key = if dimension == Dimension::Class { sum.class.as_str() } else { sum.channel.as_str() };
                    *parts.entry(key.to_owned()).or_default() += sum.sums;
                }
            }
            Dimension::Theme => {
                let (found, themes) =
                    self.store().read_at_once(|conn| Ok((statistics::by_dataset(conn, &filter)?, dataset::themes_of_all(conn)?)))?;
                for (id, sums) in found {
                    let themes = themes.get(&id).map_or(&[][..], Vec::as_slice);
                    for theme in themes {
                        *parts.entry(theme.clone()).or_default() += sums;
                    }
                    if themes.is_empty() {
                        *parts.entry(String::new()).or_default() += sums;
                    }
                }
            }
        }
        let mut parts: Vec<Part> = parts.into_iter().filter(|(_, sums)| !sums.is_zero()).map(|(key, sums)| Part { key, sums }).collect();
        parts.sort_unstable_by(|a, b| (b.sums.total, &a.key).cmp(&(a.sums.total, &b.key)));
        Ok(parts)
    }

    /// What a part of a breakdown is called.
    pub fn part_title(&self, dimension: Dimension, key: &str) -> Text {
        let same = |text: &str| Text::new(text, text);
        let unknown = || Text::new("不明", "unknown");
        match dimension {
            Dimension::Organization => {
                let directory = self.directory();
                let organization = key.parse().ok().and_then(|id| directory.organization(id));
                organization.map_or_else(unknown, |organization| {
                    let draft = &organization.draft;
                    Text::new(&draft.name, draft.name_en.as_deref().unwrap_or(&draft.name))
                })
            }
            Dimension::Theme => match self.directory().themes.get(key) {
                Some(theme) => Text::new(&theme.draft.title, theme.draft.title_en.as_deref().unwrap_or(&theme.draft.title)),
                None if key.is_empty() => Text::new("テーマなし", "no theme"),
                None => same(key),
            },
            Dimension::Format if key.is_empty() => unknown(),
            Dimension::Format => same(key),
            Dimension::Class => match ClientClass::parse(key) {
                Some(ClientClass::Human) => Text::new("人", "people"),
                Some(ClientClass::Machine) => Text::new("プログラム", "programs"),
                Some(ClientClass::AiAgent) => Text::new("AI エージェント", "AI agents"),
                _ => same(key),
            },
            Dimension::Channel => match Channel::parse(key) {
                Some(Channel::File) => Text::new("ファイル", "file"),
                Some(Channel::Redirect) => Text::new("公開元のファイル", "file of the publisher"),
                Some(Channel::Zip) => Text::new("まとめて（ZIP）", "all files (ZIP)"),
                Some(Channel::Converted) => Text::new("形式を変えて", "converted"),
                Some(Channel::Query) => Text::new("行を選んで", "chosen rows"),
                Some(Channel::Api) => Text::new("API", "API"),
                Some(Channel::Mcp) => Text::new("MCP（AI 連携）", "MCP"),
                _ => same(key),
            },
        }
    }

    /// Domains of the pages that led to downloads between the months of two days, most first.
    pub fn referrers(&self, from: NaiveDate, to: NaiveDate, limit: i64) -> Result<Vec<(String, i64)>> {
        if to < from {
            return Err(ends_before_it_begins());
        }
        Ok(self.store().read(|conn| statistics::by_referrer(conn, from, to, limit))?)
    }

    /// Requests for files that were not counted between two days, by rule ([`minato_counter::RULES`]); `double_click` for clicks that are one
    /// with another.
    pub fn excluded_requests(&self, from: NaiveDate, to: NaiveDate) -> Result<BTreeMap<String, i64>> {
        if to < from {
            return Err(ends_before_it_begins());
        }
        Ok(self.store().read(|conn| download::excluded(conn, "download", from, to))?)
    }

    /// Counted downloads of each distribution of a dataset over all time, removed ones included.
    pub fn downloads_by_distribution(&self, dataset_id: Uuid) -> Result<BTreeMap<Uuid, i64>> {
        let found = self.store().read_at_once(|conn| statistics::by_distribution(conn, dataset_id))?;
        Ok(found.into_iter().map(|(id, sums)| (id, sums.total)).collect())
    }

    /// The downloads/month indicator of a fiscal year; of the current one by default.
    pub fn download_indicator(&self, year: Option<i32>) -> Result<DownloadIndicator> {
        let today = self.today();
        let year = year.unwrap_or_else(|| fiscal_year(today));
        let (start, end) = year_bounds(year)?;
        let figures = self.month_figures(start, end)?;
        let target = self.store().read(|conn| indicator::target(conn, DOWNLOADS_PER_MONTH, year))?;
        let this_month = month_text(today);
        let reported_of = |month: &MonthFigures| month.reported.iter().map(|figure| figure.total).sum::<i64>();
        // The mean is taken from the first month with any figure on: a portal that began in autumn is not measured by its empty summer.
        let first = figures.iter().position(|month| month.total > 0).unwrap_or(0);
        let complete: Vec<&MonthFigures> = figures[first..].iter().filter(|month| month.month < this_month).collect();
        let months = i64::try_from(complete.len()).unwrap_or(12);
        #[allow(clippy::cast_precision_loss)]
        let mean_per_month = (months > 0).then(|| complete.iter().map(|month| month.total).sum::<i64>() as f64 / months as f64);
        Ok(DownloadIndicator {
            fiscal_year: year,
            fiscal_year_label: fiscal_year_label(year),
            measured: figures.iter().map(|month| month.measured).sum(),
            reported: figures.iter().map(reported_of).sum(),
            months,
            mean_per_month,
            current_month: figures.iter().filter(|month| month.month == this_month).map(|month| month.measured).sum(),
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

fn default_from(period: PeriodKind, to: NaiveDate) -> NaiveDate {
    match period {
        PeriodKind::Day => to - chrono::Duration::days(29),
        PeriodKind::Month => to.checked_sub_months(Months::new(11)).unwrap_or(to),
        PeriodKind::FiscalYear => to.checked_sub_months(Months::new(48)).unwrap_or(to),
    }
}

fn ends_before_it_begins() -> Error {
    Error::invalid(FieldError::new("/to", "out_of_range", "to は from 以降の日付にしてください。", "to must not be before from"))
}

fn grain(period: PeriodKind) -> Grain {
    match period {
        PeriodKind::Day => Grain::Day,
        PeriodKind::Month => Grain::Month,
        PeriodKind::FiscalYear => Grain::Year,
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

fn series(period: PeriodKind, from: NaiveDate, to: NaiveDate, sums: &[PeriodSum], methods: Vec<(i64, NaiveDate)>) -> DownloadSeries {
    let mut points: BTreeMap<NaiveDate, DownloadPoint> = BTreeMap::new();
    let mut start = Some(start_of(period, from));
    while let Some(day) = start.filter(|day| *day <= to) {
        let point = DownloadPoint {
            period: label(period, day),
            start: day,
            human: 0,
            machine: 0,
            ai_agent: 0,
            total: 0,
            unique_files: 0,
            unique_datasets: 0,
        };
        points.insert(day, point);
        start = next(period, day);
    }
    for sum in sums {
        let Some(point) = points.get_mut(&start_of(period, sum.start)) else { continue };
        match sum.class {
            ClientClass::Human => point.human += sum.sums.total,
            ClientClass::Machine => point.machine += sum.sums.total,
            ClientClass::AiAgent => point.ai_agent += sum.sums.total,
            ClientClass::Robot => continue,
        }
        point.total += sum.sums.total;
        point.unique_files += sum.sums.unique_files;
        point.unique_datasets += sum.sums.unique_datasets;
    }
    let points: Vec<DownloadPoint> = points.into_values().collect();
    let total = points.iter().map(|point| point.total).sum();
    let methods = methods.into_iter().map(|(version, first_day)| MethodPeriod { version, first_day }).collect();
    DownloadSeries { period, points, total, method_version: METHOD_VERSION, methods }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn sum(start: &str, class: ClientClass, total: i64) -> PeriodSum {
        PeriodSum { start: day(start), class, channel: Channel::File, sums: Sums { total, ..Sums::default() } }
    }

    #[test]
    fn periods_without_downloads_are_there() {
        let sums = [sum("2026-03-31", ClientClass::Human, 2), sum("2026-04-01", ClientClass::Machine, 3)];
        let months = series(PeriodKind::Month, day("2026-02-01"), day("2026-05-10"), &sums, Vec::new());
        let totals: Vec<_> = months.points.iter().map(|point| (point.period.as_str(), point.total)).collect();
        assert_eq!(totals, [("2026-02", 0), ("2026-03", 2), ("2026-04", 3), ("2026-05", 0)]);
        let years = series(PeriodKind::FiscalYear, day("2025-04-01"), day("2026-05-10"), &sums, Vec::new());
        let totals: Vec<_> = years.points.iter().map(|point| (point.period.as_str(), point.total)).collect();
        assert_eq!((totals, years.total), (vec![("2025", 2), ("2026", 3)], 5));
    }
}
