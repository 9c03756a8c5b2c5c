//! The statistics page: the indicator, the months, what is used most, and how it is counted.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::Duration;
use minato_app::catalog::{Viewer, fiscal_year};
use minato_app::{App, Dimension, SeriesRequest};

use super::chart::Chart;
use super::home::{Counted, IndicatorView, last_year, organization_link};
use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::words::{Lang, Link, Said, number};
use crate::http::Shared;

/// Fiscal years in the table, the current one included.
const YEARS: i32 = 5;
/// Datasets in the ranking.
const TOP_MAX: usize = 20;

#[derive(Template)]
#[template(path = "stats.html")]
struct StatisticsPage {
    s: Shell,
    indicator: IndicatorView,
    chart: Chart,
    years: Vec<IndicatorView>,
    top: Vec<RankedRow>,
    organizations: Vec<Counted>,
    classes: Vec<ClassRow>,
    total: String,
    method: i64,
    counted_as_of: String,
    breakdowns: Vec<Breakdown>,
}

/// Downloads of a year by one dimension.
struct Breakdown {
    id: &'static str,
    title: String,
    rows: Vec<ClassRow>,
}

struct RankedRow {
    link: Link,
    organization: Link,
    downloads: String,
}

struct ClassRow {
    name: String,
    explanation: String,
    downloads: String,
    percent: String,
}

pub(super) async fn show_statistics(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, build).await
}

fn build(app: &App, shell: Shell) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let viewer = Viewer::public();
    let directory = app.directory();
    let today = app.today();
    let since = today - Duration::days(365);
    let indicator = app.download_indicator(None)?;
    let series = app.download_series(&viewer, &SeriesRequest::default())?;
    let figures = last_year(app)?;
    let current = fiscal_year(today);
    let mut years = Vec::new();
    for year in (current - YEARS + 1..=current).rev() {
        let figures = app.download_indicator(Some(year))?;
        if year == current || figures.measured > 0 || figures.reported > 0 {
            years.push(IndicatorView::new(lang, &figures));
        }
    }
    let top = app.top_datasets(&viewer, since, TOP_MAX)?;
    let organizations = app.top_organizations(since)?;
    let [human, machine, ai_agent] = series
        .points
        .iter()
        .fold([0, 0, 0], |[human, machine, ai_agent], point| [human + point.human, machine + point.machine, ai_agent + point.ai_agent]);
    let class = |ja: &str, en: &str, about_ja: &str, about_en: &str, count: i64| ClassRow {
        name: lang.t(ja, en).to_owned(),
        explanation: lang.t(about_ja, about_en).to_owned(),
        downloads: number(count),
        percent: percent(count, series.total),
    };
    let classes = vec![
        class("人", "People", "ブラウザーからの利用", "with a browser", human),
        class("プログラム", "Programs", "curl や Python などによる定期的な取得", "curl, Python and the like", machine),
        class("AI エージェント", "AI agents", "利用者に代わって読みに来る AI", "reading on somebody's behalf", ai_agent),
    ];
    Reply::page(&StatisticsPage {
        indicator: IndicatorView::new(lang, &indicator),
        chart: Chart::of_figures(lang, "stats-chart", &figures, indicator.target_per_month),
        years,
        top: top
            .iter()
            .map(|ranked| RankedRow {
                link: Link {
                    href: format!("/datasets/{}", ranked.item.content.slug),
                    said: Said::new(lang, &ranked.item.content.title, ranked.item.content.title_en.as_deref()),
                },
                organization: organization_link(lang, &directory, ranked.item.content.organization_id),
                downloads: number(ranked.downloads),
            })
            .collect(),
        organizations: organizations
            .iter()
            .map(|ranked| Counted { link: organization_link(lang, &directory, ranked.item.id), count: ranked.downloads })
            .collect(),
        classes,
        total: number(series.total),
        method: series.method_version,
        counted_as_of: lang.day(today),
        breakdowns: breakdowns(app, lang, since)?,
        s: shell.named("利用の統計", "Statistics", "/stats").section("stats"),
    })
}

/// By theme, format and channel, and where visitors come from.
fn breakdowns(app: &App, lang: Lang, since: chrono::NaiveDate) -> minato_app::Result<Vec<Breakdown>> {
    let today = app.today();
    let row = |name: String, count: i64, all: i64| ClassRow {
        name,
        explanation: String::new(),
        downloads: number(count),
        percent: percent(count, all),
    };
    let mut found = Vec::new();
    for (dimension, id, ja, en) in [
        (
            Dimension::Theme,
            "by-theme",
            "分野ごと（1年、複数の分野のデータはそれぞれに入ります）",
            "By theme (year; datasets of several are in each)",
        ),
        (Dimension::Format, "by-format", "形式ごと（1年）", "By format (year)"),
        (Dimension::Channel, "by-channel", "受け取り方ごと（1年）", "By way of taking (year)"),
    ] {
        let parts = app.breakdown(dimension, since, today)?;
        let all = app.breakdown(Dimension::Class, since, today)?.iter().map(|part| part.sums.total).sum();
        let rows = parts.iter().take(TOP_MAX).map(|part| {
            let title = app.part_title(dimension, &part.key);
            row(lang.t(&title.ja, &title.en).to_owned(), part.sums.total, all)
        });
        found.push(Breakdown { id, title: lang.t(ja, en).to_owned(), rows: rows.collect() });
    }
    let referrers = app.referrers(since, today, i64::try_from(TOP_MAX).unwrap_or(20))?;
    let all = referrers.iter().map(|(_, total)| total).sum();
    let rows = referrers.into_iter().map(|(domain, total)| row(domain, total, all));
    let title = lang.t("どのサイトから来たか（1年、わかる分だけ）", "Sites that led here (year, as far as known)").to_owned();
    found.push(Breakdown { id: "by-referrer", title, rows: rows.collect() });
    Ok(found)
}

fn percent(part: i64, whole: i64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let share = if whole > 0 { part as f64 / whole as f64 * 100.0 } else { 0.0 };
    format!("{share:.1}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_nothing_are_zero() {
        assert_eq!((percent(1, 3), percent(0, 0), percent(3, 3)), ("33.3%".to_owned(), "0.0%".to_owned(), "100.0%".to_owned()));
    }
}
