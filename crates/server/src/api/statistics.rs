//! Figures: downloads, the indicator, the size of the catalog.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{Days, NaiveDate};
use minato_app::catalog::{Channel, ClientClass, DownloadIndicator, DownloadSeries, PeriodKind};
use minato_app::store::search_log::SearchKind;
use minato_app::{Dimension, RankingRequest, SearchedQuery, SeriesRequest};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{json as loaded, read};
use super::noun::organization_key;
use super::request::{Query, invalid, not_one_of};
use super::route::{Endpoint, day, get, one_of, query, text, whole};
use super::search::{DatasetSummary, summary};
use super::view::OrganizationRef;
use crate::http::{Problem, Shared};

const TAG: &str = "statistics";
const SEARCHES: &[&str] = &["popular", "zero"];
const PERIODS: &[&str] = &["day", "month", "fiscal_year"];
const CLASSES: &[&str] = &["human", "machine", "ai_agent"];
const CHANNELS: &[&str] = &["file", "redirect", "zip", "converted", "query", "api", "mcp"];
const DIMENSIONS: &[&str] = &["organization", "theme", "format", "class", "channel"];

/// Datasets by downloads.
#[derive(Debug, Serialize, ToSchema)]
struct TopDatasets {
    /// First day counted.
    since: NaiveDate,
    /// Most downloads first.
    items: Vec<TopDataset>,
}

/// A dataset with its downloads.
#[derive(Debug, Serialize, ToSchema)]
struct TopDataset {
    /// The dataset in few words.
    dataset: DatasetSummary,
    /// Counted downloads.
    downloads: i64,
    /// Sessions of an hour for each file.
    unique_files: i64,
    /// Sessions of an hour for the dataset.
    unique_datasets: i64,
}

/// Organizations by downloads.
#[derive(Debug, Serialize, ToSchema)]
struct TopOrganizations {
    /// First day counted.
    since: NaiveDate,
    /// Most downloads first; those without any at the end.
    items: Vec<TopOrganization>,
}

/// An organization with its downloads.
#[derive(Debug, Serialize, ToSchema)]
struct TopOrganization {
    /// The organization in few words.
    organization: OrganizationRef,
    /// Counted downloads.
    downloads: i64,
}

/// Downloads by one dimension.
#[derive(Debug, Serialize, ToSchema)]
struct Breakdown {
    /// First day counted.
    from: NaiveDate,
    /// Last day counted.
    to: NaiveDate,
    /// Most downloads first.
    items: Vec<BreakdownPart>,
}

/// One part of a breakdown.
#[derive(Debug, Serialize, ToSchema)]
struct BreakdownPart {
    /// Id, code or word; empty for what has none.
    key: String,
    /// Its name in Japanese.
    title: String,
    /// Its name in English.
    title_en: String,
    /// Counted downloads.
    total: i64,
    /// Sessions of an hour for each file.
    unique_files: i64,
    /// Sessions of an hour for each dataset.
    unique_datasets: i64,
}

/// Where visitors come from.
#[derive(Debug, Serialize, ToSchema)]
struct Referrers {
    /// First month counted, by its first day.
    from: NaiveDate,
    /// A day of the last month counted.
    to: NaiveDate,
    /// Most downloads first.
    items: Vec<Referrer>,
}

/// A domain whose pages led to downloads.
#[derive(Debug, Serialize, ToSchema)]
struct Referrer {
    /// The domain; `(other)` for all beyond a thousand in a month.
    domain: String,
    /// Downloads.
    total: i64,
}

/// Downloads of a dataset as a portal that was before reported them.
#[derive(Debug, Serialize, ToSchema)]
struct ReportedDownloadsView {
    /// The dataset.
    dataset_id: Uuid,
    /// All of them.
    total: i64,
    /// By month, oldest first; months that nobody reported are left out.
    months: Vec<ReportedMonth>,
    /// By file.
    files: Vec<ReportedFile>,
}

/// Reported downloads of a month.
#[derive(Debug, Serialize, ToSchema)]
struct ReportedMonth {
    /// The month.
    #[schema(example = "2024-01")]
    month: String,
    /// Downloads.
    total: i64,
}

/// Reported downloads of a file.
#[derive(Debug, Serialize, ToSchema)]
struct ReportedFile {
    /// The file or link here; `null` for all that are none of the dataset's any more.
    distribution_id: Option<Uuid>,
    /// Downloads.
    total: i64,
}

/// Requests that are no downloads.
#[derive(Debug, Serialize, ToSchema)]
struct Excluded {
    /// First day.
    from: NaiveDate,
    /// Last day.
    to: NaiveDate,
    /// Most requests first.
    items: Vec<ExcludedRequests>,
}

/// Requests that one rule left out.
#[derive(Debug, Serialize, ToSchema)]
struct ExcludedRequests {
    /// The rule or principle of `/statistics/method`; `double_click` for clicks that are one with another.
    rule: String,
    /// Requests for files.
    total: i64,
}

/// How large the catalog is.
#[derive(Debug, Serialize, ToSchema)]
struct SummaryView {
    /// Datasets everybody may see.
    datasets: i64,
    /// Organizations.
    organizations: i64,
    /// Municipalities with at least one such dataset.
    municipalities_publishing: i64,
}

/// What residents searched in a month.
#[derive(Debug, Serialize, ToSchema)]
struct SearchesView {
    /// The month in Japan.
    #[schema(example = "2026-11")]
    month: String,
    /// `popular` or `zero`.
    kind: &'static str,
    /// The months that have any searches, newest first.
    months: Vec<String>,
    /// Most searched first.
    items: Vec<SearchedQueryView>,
}

/// What a month has of a query.
#[derive(Debug, Serialize, ToSchema)]
struct SearchedQueryView {
    /// The query: NFKC, lower case, one blank between words, cut off at 100 characters.
    query: String,
    /// How often it was searched.
    searches: i64,
    /// Its last known number of hits without further conditions; `null` when it was searched with conditions only.
    hits: Option<i64>,
    /// How often a dataset was opened from its results.
    clicks: i64,
    /// Those datasets, as far as one may see them, most clicks first.
    datasets: Vec<ClickedDataset>,
}

/// A dataset opened from the results of a search.
#[derive(Debug, Serialize, ToSchema)]
struct ClickedDataset {
    /// Id.
    id: Uuid,
    /// Name in URLs.
    slug: String,
    /// Title in Japanese.
    title: String,
    /// How often.
    clicks: i64,
}

/// The endpoints of figures.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/statistics/downloads", "download_series", download_series)
            .says(
                TAG,
                "ダウンロード数の推移",
                "Counted downloads over time; crawlers and double clicks are left out. Periods without downloads are included.",
            )
            .with([
                query(
                    "period",
                    one_of(PERIODS),
                    "Length of the periods; default `month`. Days and months are Japan's, fiscal years April to March.",
                ),
                query("from", day(), "First day; by default 30 days, 12 months or 5 fiscal years ago."),
                query("to", day(), "Last day; by default today in Japan."),
                query("organization", text(), "Only this organization: id, slug or code."),
                query("dataset", text(), "Only this dataset: id or slug."),
                query("distribution", text(), "Only this distribution: its id."),
                query("class", one_of(CLASSES), "Only by people, programs or AI agents."),
                query("channel", one_of(CHANNELS), "Only by this channel."),
            ])
            .answers::<DownloadSeries>(&["200"], "The series, oldest first.")
            .problems(&["410", "422"]),
        get("/statistics/downloads/reported", "reported_downloads", reported_downloads)
            .says(
                TAG,
                "以前のポータルが報告したダウンロード数",
                "Downloads of a dataset by month and by file as a portal that was before reported them. They were counted by other rules, stand beside what is measured here and are never part of it.",
            )
            .with([query("dataset", text(), "The dataset: id or slug. Required.")])
            .answers::<ReportedDownloadsView>(&["200"], "What was reported; empty when nothing was.")
            .problems(&["410"]),
        get("/statistics/downloads/top", "top_datasets", top_datasets)
            .says(TAG, "よくダウンロードされているデータセット", "The datasets with the most counted downloads since a day.")
            .with([
                since_parameter(),
                query("to", day(), "Last day counted; by default today in Japan."),
                query("organization", text(), "Only downloads of this organization at the time: id, slug or code."),
                query("class", one_of(CLASSES), "Only by people, programs or AI agents."),
                query("channel", one_of(CHANNELS), "Only by this channel."),
                query("limit", whole(1, 100, Some(10)), "Most datasets."),
            ])
            .answers::<TopDatasets>(&["200"], "The ranking."),
        get("/statistics/downloads/organizations", "top_organizations", top_organizations)
            .says(TAG, "組織別のダウンロード数", "All organizations with their counted downloads since a day.")
            .with([since_parameter()])
            .answers::<TopOrganizations>(&["200"], "The ranking."),
        get("/statistics/downloads/breakdown", "download_breakdown", breakdown)
            .says(
                TAG,
                "区分ごとのダウンロード数",
                "Counted downloads between two days by organization (at the time), theme (as datasets have them now; a dataset of several themes is in each), format, class or channel.",
            )
            .with([
                query("by", one_of(DIMENSIONS), "The dimension; default `organization`."),
                query("from", day(), "First day; by default 365 days ago."),
                query("to", day(), "Last day; by default today in Japan."),
            ])
            .answers::<Breakdown>(&["200"], "The parts.")
            .problems(&["422"]),
        get("/statistics/downloads/referrers", "download_referrers", referrers)
            .says(
                TAG,
                "どこから来たか",
                "Domains of the pages that led to downloads, by whole months. Nothing but the domain is ever kept; addresses are not.",
            )
            .with([
                query("from", day(), "A day of the first month; by default 365 days ago."),
                query("to", day(), "A day of the last month; by default today in Japan."),
                query("limit", whole(1, 1000, Some(50)), "Most domains."),
            ])
            .answers::<Referrers>(&["200"], "The domains.")
            .problems(&["422"]),
        get("/statistics/downloads/excluded", "excluded_requests", excluded)
            .says(
                TAG,
                "数えなかった要求",
                "Requests for files that are no downloads, by the rule that left them out: other methods, parts, prefetches, monitors, robots, and double clicks. Answers that handed nothing over are in no number.",
            )
            .with([
                query("from", day(), "First day; by default 365 days ago."),
                query("to", day(), "Last day; by default today in Japan."),
            ])
            .answers::<Excluded>(&["200"], "The requests by rule.")
            .problems(&["422"]),
        get("/statistics/views", "view_series", view_series)
            .says(
                TAG,
                "ページの閲覧数の推移",
                "Looks at the pages of datasets over time, by the same rules as downloads. They are no downloads and part of no such figure.",
            )
            .with([
                query("period", one_of(PERIODS), "Length of the periods; default `month`."),
                query("from", day(), "First day; by default 30 days, 12 months or 5 fiscal years ago."),
                query("to", day(), "Last day; by default today in Japan."),
                query("organization", text(), "Only this organization: id, slug or code."),
                query("dataset", text(), "Only this dataset: id or slug."),
            ])
            .answers::<DownloadSeries>(&["200"], "The series, oldest first.")
            .problems(&["410", "422"]),
        get("/statistics/indicator", "download_indicator", download_indicator)
            .says(TAG, "指標: 月平均ダウンロード数", "The downloads/month indicator of a fiscal year against its target.")
            .with([query("fiscal_year", whole(1900, 9000, None), "Named by the year in which it starts; by default the current one.")])
            .answers::<DownloadIndicator>(&["200"], "The indicator."),
        get("/statistics/searches", "search_statistics", search_statistics)
            .says(
                TAG,
                "検索された言葉",
                "What residents searched in a month, in sums; nobody's searches are kept apart. Crawlers, further pages and searches with a token are left out, and so is what looks like personal data. For members of an organization and system administrators; kept for 25 months.",
            )
            .with([
                query("month", json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}), "The month in Japan, `2026-11`; by default the current one."),
                query("kind", one_of(SEARCHES), "`popular` (default): all queries; `zero`: those that found nothing."),
                query("limit", whole(1, 1000, Some(50)), "Most queries."),
            ])
            .signed_in()
            .answers::<SearchesView>(&["200"], "The queries."),
        get("/statistics/summary", "catalog_summary", catalog_summary)
            .says(TAG, "カタログの規模", "How large the catalog is, in what everybody may see.")
            .answers::<SummaryView>(&["200"], "The numbers."),
    ]
}

fn since_parameter() -> serde_json::Value {
    query("since", day(), "First day counted; by default 30 days ago in Japan.")
}

fn since(state: &Shared, query: &Query) -> Result<NaiveDate, Problem> {
    let today = state.app.today();
    Ok(query.day("since")?.unwrap_or_else(|| today.checked_sub_days(Days::new(29)).unwrap_or(today)))
}

/// The class asked for, of those that count.
fn class_of(query: &Query) -> Result<Option<ClientClass>, Problem> {
    match query.text("class").map(|text| ClientClass::parse(text).filter(|class| *class != ClientClass::Robot)) {
        Some(None) => Err(not_one_of("class", CLASSES)),
        found => Ok(found.flatten()),
    }
}

/// The channel asked for, of those of downloads.
fn channel_of(query: &Query) -> Result<Option<Channel>, Problem> {
    match query.text("channel").map(|text| Channel::parse(text).filter(|channel| channel.is_download())) {
        Some(None) => Err(not_one_of("channel", CHANNELS)),
        found => Ok(found.flatten()),
    }
}

async fn download_series(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let distribution = match query.text("distribution") {
        Some(id) => Some(
            id.parse()
                .map_err(|_| invalid("distribution", "ファイルの id（UUID）にしてください", "must be the id (UUID) of a distribution"))?,
        ),
        None => None,
    };
    let wanted = SeriesRequest {
        period: query.choice::<PeriodKind>("period", PERIODS)?.unwrap_or_default(),
        from: query.day("from")?,
        to: query.day("to")?,
        organization: query.string("organization").map(|key| organization_key(&state.app, key)),
        dataset: query.string("dataset"),
        distribution,
        class: class_of(&query)?,
        channel: channel_of(&query)?,
    };
    read(&state, &request, None, move |app, viewer, _| {
        // A distribution says how its hidden dataset is used; who may not see that one learns nothing.
        if let Some(id) = wanted.distribution {
            app.distribution(viewer, &id.to_string())?;
        }
        loaded(&app.download_series(viewer, &wanted)?, None)
    })
    .await
}

async fn reported_downloads(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let dataset = query.string("dataset");
    let dataset =
        dataset.ok_or_else(|| invalid("dataset", "データセットの id か名前を指定してください", "must be the id or slug of a dataset"))?;
    read(&state, &request, None, move |app, viewer, _| {
        let found = app.reported_downloads(viewer, &dataset)?;
        let shown = ReportedDownloadsView {
            dataset_id: found.dataset_id,
            total: found.total,
            months: found.months.into_iter().map(|(month, total)| ReportedMonth { month, total }).collect(),
            files: found.files.into_iter().map(|(distribution_id, total)| ReportedFile { distribution_id, total }).collect(),
        };
        loaded(&shown, None)
    })
    .await
}

async fn top_datasets(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let since = since(&state, &query)?;
    let limit = query.number("limit", 1..=100)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
    let wanted = RankingRequest {
        from: since,
        to: query.day("to")?.unwrap_or_else(|| state.app.today()),
        organization: query.string("organization").map(|key| organization_key(&state.app, key)),
        class: class_of(&query)?,
        channel: channel_of(&query)?,
        limit,
    };
    read(&state, &request, None, move |app, viewer, base| {
        let ranked = app.dataset_ranking(viewer, &wanted)?;
        let items = ranked.iter().map(|ranked| TopDataset {
            dataset: summary(app, base, &ranked.item),
            downloads: ranked.downloads,
            unique_files: ranked.sums.unique_files,
            unique_datasets: ranked.sums.unique_datasets,
        });
        loaded(&TopDatasets { since, items: items.collect() }, None)
    })
    .await
}

async fn top_organizations(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let since = since(&state, &query)?;
    read(&state, &request, None, move |app, _, _| {
        let ranked = app.top_organizations(since)?;
        let items = ranked.iter().map(|ranked| TopOrganization { organization: ranked.item.as_ref().into(), downloads: ranked.downloads });
        loaded(&TopOrganizations { since, items: items.collect() }, None)
    })
    .await
}

/// First and last day of a query; by default a year up to today.
fn year_of(state: &Shared, query: &Query) -> Result<(NaiveDate, NaiveDate), Problem> {
    let to = query.day("to")?.unwrap_or_else(|| state.app.today());
    let from = query.day("from")?.unwrap_or_else(|| to.checked_sub_days(Days::new(364)).unwrap_or(to));
    Ok((from, to))
}

async fn breakdown(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (from, to) = year_of(&state, &query)?;
    let dimension = match query.text("by").unwrap_or("organization") {
        "organization" => Dimension::Organization,
        "theme" => Dimension::Theme,
        "format" => Dimension::Format,
        "class" => Dimension::Class,
        "channel" => Dimension::Channel,
        _ => return Err(not_one_of("by", DIMENSIONS)),
    };
    read(&state, &request, None, move |app, _, _| {
        let items = app.breakdown(dimension, from, to)?.into_iter().map(|part| {
            let title = app.part_title(dimension, &part.key);
            BreakdownPart {
                key: part.key,
                title: title.ja,
                title_en: title.en,
                total: part.sums.total,
                unique_files: part.sums.unique_files,
                unique_datasets: part.sums.unique_datasets,
            }
        });
        loaded(&Breakdown { from, to, items: items.collect() }, None)
    })
    .await
}

async fn referrers(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (from, to) = year_of(&state, &query)?;
    let limit = query.number("limit", 1..=1000)?.unwrap_or(50);
    read(&state, &request, None, move |app, _, _| {
        let items = app.referrers(from, to, limit)?.into_iter().map(|(domain, total)| Referrer { domain, total });
        loaded(&Referrers { from, to, items: items.collect() }, None)
    })
    .await
}

async fn excluded(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (from, to) = year_of(&state, &query)?;
    read(&state, &request, None, move |app, _, _| {
        let found = app.excluded_requests(from, to)?;
        let mut items: Vec<_> = found.into_iter().map(|(rule, total)| ExcludedRequests { rule, total }).collect();
        items.sort_by_key(|one| std::cmp::Reverse(one.total));
        loaded(&Excluded { from, to, items }, None)
    })
    .await
}

async fn view_series(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let wanted = SeriesRequest {
        period: query.choice::<PeriodKind>("period", PERIODS)?.unwrap_or_default(),
        from: query.day("from")?,
        to: query.day("to")?,
        organization: query.string("organization").map(|key| organization_key(&state.app, key)),
        dataset: query.string("dataset"),
        ..SeriesRequest::default()
    };
    read(&state, &request, None, move |app, viewer, _| loaded(&app.view_series(viewer, &wanted)?, None)).await
}

async fn download_indicator(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let year = query.number("fiscal_year", 1900..=9000)?.and_then(|year| i32::try_from(year).ok());
    read(&state, &request, None, move |app, _, _| loaded(&app.download_indicator(year)?, None)).await
}

async fn search_statistics(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let month = query.month("month")?;
    let (kind, name) = match query.text("kind").unwrap_or("popular") {
        "popular" => (SearchKind::Popular, "popular"),
        "zero" => (SearchKind::Zero, "zero"),
        _ => return Err(not_one_of("kind", SEARCHES)),
    };
    let limit = query.number("limit", 1..=1000)?.unwrap_or(50);
    read(&state, &request, None, move |app, viewer, _| {
        let found = app.search_statistics(viewer, month, kind, limit)?;
        let text = |month: &NaiveDate| month.format("%Y-%m").to_string();
        let items = found.queries.into_iter().map(searched_query_view);
        let (month, months) = (text(&found.month), found.months.iter().map(text).collect());
        loaded(&SearchesView { month, kind: name, months, items: items.collect() }, None)
    })
    .await
}

fn searched_query_view(found: SearchedQuery) -> SearchedQueryView {
    let datasets = found.datasets.iter().map(|(dataset, clicks)| ClickedDataset {
        id: dataset.id,
        slug: dataset.content.slug.clone(),
        title: dataset.content.title.clone(),
        clicks: *clicks,
    });
    SearchedQueryView { datasets: datasets.collect(), query: found.query, searches: found.searches, hits: found.hits, clicks: found.clicks }
}

async fn catalog_summary(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, _, _| {
        let summary = app.summary()?;
        let shown = SummaryView {
            datasets: summary.datasets,
            organizations: summary.organizations,
            municipalities_publishing: summary.municipalities_publishing,
        };
        loaded(&shown, None)
    })
    .await
}
