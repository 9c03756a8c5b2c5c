//! The yearly report: indicators against their targets in the layout of the prefecture's reports, the months they are made of, and all of it to
//! take away as CSV and Excel workbooks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{Datelike, Months, NaiveDate};
use minato_app::catalog::{IndicatorYear, MonthFigures, fiscal_year, fiscal_year_label, parse_month};
use minato_app::{App, Error, RankingRequest};
use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook, XlsxError};

use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::words::{Lang, number};
use crate::http::Shared;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const CSV: &str = "text/csv; charset=utf-8";
/// Fiscal years to choose from.
const YEARS: i32 = 6;
/// Months in the table: two fiscal years.
const MONTHS: u32 = 24;

#[derive(Template)]
#[template(path = "stats_report.html")]
struct ReportPage {
    s: Shell,
    year: String,
    year_value: i32,
    as_of: String,
    years: Vec<(i32, String, bool)>,
    rows: Vec<ReportLine>,
    outlook: Vec<(String, String)>,
    months: Vec<MonthLine>,
    any_legacy: bool,
    /// Whether reports of some months are missing.
    any_awaited: bool,
    restatements: Vec<RestatementLine>,
}

struct ReportLine {
    title: String,
    target_by: String,
    overall: String,
    baseline: String,
    target: String,
    value: String,
    achievement: String,
    note: String,
    rule: i64,
}

struct MonthLine {
    month: String,
    human: String,
    machine: String,
    ai_agent: String,
    measured: String,
    unique: String,
    reported: String,
    /// The sites that report it: name and number.
    reports: Vec<(String, String)>,
    total: String,
    legacy: String,
    robots: String,
    method: i64,
    state: String,
}

struct RestatementLine {
    at: String,
    month: String,
    before: String,
    after: String,
    reason: String,
}

pub(super) async fn show_report(request: HttpRequest, state: Shared) -> HttpResponse {
    let year = asked_year(&state.app, request.query_string());
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| report_page(app, shell, year)).await
}

/// `/stats/report.csv`, `/stats/months.xlsx`, `/stats/datasets.csv` …
pub(super) async fn show_file(request: HttpRequest, state: Shared, path: web::Path<(String, String)>) -> HttpResponse {
    let (name, extension) = path.into_inner();
    let year = asked_year(&state.app, request.query_string());
    page::serve(&request, &state, "file", KEEP_PAGE, move |app, shell| {
        let table = match name.as_str() {
            "report" => report_table(app, year)?,
            "months" => months_table(app, year)?,
            "datasets" => datasets_table(app, year)?,
            "referrers" => referrers_table(app, year)?,
            _ => return Err(Error::not_found("page", format!("/stats/{name}.{extension}"))),
        };
        match extension.as_str() {
            "csv" => Ok(Reply::Document { body: table.csv().into_bytes(), content_type: CSV }),
            "xlsx" => Ok(Reply::Document { body: table.xlsx().map_err(Error::internal)?, content_type: XLSX }),
            _ => Err(Error::not_found("page", format!("/stats/{name}.{extension} ({})", shell.site))),
        }
    })
    .await
}

/// The fiscal year asked for; what is none is the current one.
fn asked_year(app: &App, query: &str) -> i32 {
    let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "fiscal_year");
    let year = given.and_then(|(_, text)| text.parse().ok()).filter(|year| (1990..=2200).contains(year));
    year.unwrap_or_else(|| fiscal_year(app.today()))
}

fn year_start(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 4, 1).unwrap_or_default()
}

fn report_page(app: &App, shell: Shell, year: i32) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let today = app.today();
    let current = fiscal_year(today);
    let rows = app.indicator_years(year)?.iter().map(|indicator| report_line(lang, indicator)).collect();
    let from = year_start(year).checked_sub_months(Months::new(12)).unwrap_or_default();
    let to = from.checked_add_months(Months::new(MONTHS - 1)).unwrap_or(from).min(today);
    let figures = if to < from { Vec::new() } else { app.month_figures(from, to)? };
    let any_legacy = figures.iter().any(|month| !month.legacy.is_empty());
    let names: HashMap<String, String> =
        app.report_sources()?.into_iter().map(|source| (source.id, lang.t(&source.title, &source.title_en).to_owned())).collect();
    let awaited = awaited(&figures, &today.format("%Y-%m").to_string());
    let restatements = app.restatements(20)?.into_iter().map(|one| RestatementLine {
        at: lang.day_of(one.at),
        month: parse_month(&one.month).map_or(one.month.clone(), |month| lang.month(month)),
        before: number(one.before.total),
        after: number(one.after.total),
        reason: one.reason,
    });
    Reply::page(&ReportPage {
        year: lang.fiscal_year(year),
        year_value: year,
        as_of: lang.day(today),
        years: (current - YEARS + 1..=current).rev().map(|one| (one, lang.fiscal_year(one), one == year)).collect(),
        rows,
        outlook: outlook_lines(app, lang, year)?,
        months: figures
            .iter()
            .rev()
            .filter(|month| month.total > 0 || !month.legacy.is_empty())
            .map(|month| month_line(lang, month, &names, awaited.get(&month.month).map_or(&[][..], Vec::as_slice)))
            .collect(),
        any_legacy,
        any_awaited: !awaited.is_empty(),
        restatements: restatements.collect(),
        s: shell
            .below("/stats", "利用の統計", "Statistics")
            .named("成果指標の報告", "Indicators of the plan", "/stats/report")
            .section("stats"),
    })
}

fn report_line(lang: Lang, year: &IndicatorYear) -> ReportLine {
    let indicator = &year.indicator;
    let unit = lang.t(&indicator.unit, &indicator.unit_en);
    let with_unit = |value: String| if value.is_empty() { value } else { format!("{value} {unit}") };
    let target = year.target.map(number).unwrap_or_default();
    ReportLine {
        title: lang.t(&indicator.title, &indicator.title_en).to_owned(),
        target_by: indicator.target_by.clone(),
        overall: if target.is_empty() { indicator.target_text.clone() } else { with_unit(target.clone()) },
        baseline: with_unit(year.baseline.map(number).unwrap_or_default()),
        target: with_unit(target),
        value: with_unit(year.value.map(shown).unwrap_or_default()),
        achievement: match year.percent {
            Some(percent) => format!("{}（{percent:.0}%）", lang.t(&year.achievement, &year.achievement_en)),
            None => lang.t(&year.achievement, &year.achievement_en).to_owned(),
        },
        note: if lang == Lang::Ja { indicator.note.clone() } else { String::new() },
        rule: year.rule_version,
    }
}

fn outlook_lines(app: &App, lang: Lang, year: i32) -> minato_app::Result<Vec<(String, String)>> {
    let outlook = app.outlook(year)?;
    let mut lines = Vec::new();
    let mut line = |ja: &str, en: &str, value: Option<f64>| {
        if let Some(value) = value {
            lines.push((lang.t(ja, en).to_owned(), signed(lang, value)));
        }
    };
    line("これまでの月平均", "Mean a month so far", outlook.mean_so_far);
    for (ja, en, value) in parts_of_mean(app, year)? {
        line(ja, en, Some(value));
    }
    line("最近3か月の平均", "Mean of the last three months", outlook.recent_mean);
    line("このまま続いたときの年度の月平均", "Mean of the year if it goes on so", outlook.forecast);
    line("目標に届くために残りの月に要る数", "Needed in each month left to reach the target", outlook.needed_per_month);
    if let Some(change) = outlook.change {
        line("前の年度との差（月平均）", "Change against the year before (mean a month)", Some(change.after - change.before));
        line("うち、使われるデータセットの増減", "of it: more or fewer datasets in use", Some(change.more_datasets));
        line("うち、1データセットあたりの利用の増減", "of it: more or less use of each", Some(change.more_use));
        line("うち、数え方の変更", "of it: the way of counting", Some(change.method));
        line("うち、ほかのサイトの報告の増減", "of it: reports of other sites", Some(change.reported));
        line(
            "除いたロボットの要求（月平均、差には入らない）",
            "Requests of robots left out (mean a month, no part of it)",
            Some(change.robots_left_out),
        );
    }
    Ok(lines)
}

/// The sites that have not reported, by month that is over: those that did for a month before it, and within the quarter before it. A site that
/// has ended is not waited for.
fn awaited(figures: &[MonthFigures], running: &str) -> BTreeMap<String, Vec<String>> {
    let has = |month: &MonthFigures, source: &str| month.reported.iter().any(|figure| figure.source == source);
    let mut awaited = BTreeMap::new();
    for (index, month) in figures.iter().enumerate().filter(|(_, month)| month.month.as_str() < running) {
        let quarter = &figures[index.saturating_sub(3)..index];
        let later = &figures[index + 1..];
        let earlier: BTreeSet<&String> = figures[..index].iter().flat_map(|month| &month.reported).map(|figure| &figure.source).collect();
        let missing = earlier.into_iter().filter(|source| {
            let goes_on = quarter.iter().chain(later).any(|month| has(month, source));
            goes_on && !has(month, source)
        });
        let missing: Vec<String> = missing.cloned().collect();
        if !missing.is_empty() {
            awaited.insert(month.month.clone(), missing);
        }
    }
    awaited
}

/// What the mean a month so far is made of; the parts add up to it.
#[allow(clippy::cast_precision_loss)]
fn parts_of_mean(app: &App, year: i32) -> minato_app::Result<Vec<(&'static str, &'static str, f64)>> {
    let start = year_start(year);
    let end = start.checked_add_months(Months::new(11)).unwrap_or(start).min(app.today());
    let running = app.today().format("%Y-%m").to_string();
    let mut months = if end < start { Vec::new() } else { app.month_figures(start, end)? };
    months.retain(|month| month.month < running);
    let first = months.iter().position(|month| month.total > 0).unwrap_or(months.len());
    let months = &months[first..];
    if months.is_empty() {
        return Ok(Vec::new());
    }
    let mean = |of: fn(&MonthFigures) -> i64| months.iter().map(of).sum::<i64>() as f64 / months.len() as f64;
    Ok(vec![
        ("うち、ここで計測した人の利用", "of it: people, measured here", mean(|month| month.human)),
        ("うち、ここで計測したプログラムの利用", "of it: programs, measured here", mean(|month| month.machine)),
        ("うち、ここで計測した AI エージェントの利用", "of it: AI agents, measured here", mean(|month| month.ai_agent)),
        ("うち、ほかのサイトの報告", "of it: reported by other sites", mean(reported)),
    ])
}

fn month_line(lang: Lang, month: &MonthFigures, names: &HashMap<String, String>, awaited: &[String]) -> MonthLine {
    let name = |id: &String| names.get(id).unwrap_or(id).clone();
    let missing = awaited.iter().map(name).collect::<Vec<_>>().join(lang.t("、", ", "));
    let legacy: i64 = month.legacy.iter().map(|figure| figure.total).sum();
    MonthLine {
        month: parse_month(&month.month).map_or(month.month.clone(), |month| lang.month(month)),
        human: number(month.human),
        machine: number(month.machine),
        ai_agent: number(month.ai_agent),
        measured: number(month.measured),
        unique: number(month.unique_files),
        reported: number(reported(month)),
        reports: month.reported.iter().map(|figure| (name(&figure.source), number(figure.total))).collect(),
        total: number(month.total),
        legacy: if month.legacy.is_empty() { String::new() } else { number(legacy) },
        robots: number(month.robots),
        method: month.method_version,
        state: match month.closed {
            Some(at) => format!("{} {}", lang.t("確定", "closed"), lang.day_of(at)),
            None => lang.t("速報", "open").to_owned(),
        } + &match (missing.is_empty(), lang) {
            (true, _) => String::new(),
            (false, Lang::Ja) => format!("（{missing} は未報告）"),
            (false, Lang::En) => format!(" ({missing} not reported yet)"),
        },
    }
}

fn reported(month: &MonthFigures) -> i64 {
    month.reported.iter().map(|figure| figure.total).sum()
}

/// A value for people: thousands with a comma, at most one decimal.
#[allow(clippy::cast_possible_truncation)]
fn shown(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 || rounded.abs() >= 1_000.0 { number(rounded.round() as i64) } else { format!("{rounded:.1}") }
}

/// A number as reports write it: ▲ for minus.
fn signed(lang: Lang, value: f64) -> String {
    let text = shown(value.abs());
    match (value < 0.0 && text != "0", lang) {
        (true, Lang::Ja) => format!("▲{text}"),
        (true, Lang::En) => format!("-{text}"),
        (false, _) => text,
    }
}

/// The day as reports state it: 令和8年11月25日.
fn era_day(day: NaiveDate) -> String {
    let era = match (day.year(), day.month()) {
        (2019, 1..=4) => "平成31年".to_owned(),
        (2019, _) => "令和元年".to_owned(),
        (2020.., _) => format!("令和{}年", day.year() - 2018),
        (1990..=2018, _) => format!("平成{}年", day.year() - 1988),
        (year, _) => format!("{year}年"),
    };
    format!("{era}{}月{}日", day.month(), day.day())
}

/// A cell of a table to take away.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Text(String),
    Number(f64),
    Empty,
}

impl Cell {
    fn text(text: impl Into<String>) -> Cell {
        let text = text.into();
        if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
    }

    #[allow(clippy::cast_precision_loss)]
    fn whole(value: i64) -> Cell {
        Cell::Number(value as f64)
    }
}

/// A table to take away.
#[derive(Debug, Default)]
struct Table {
    title: String,
    /// One or two rows of headings.
    headings: Vec<Vec<String>>,
    /// Headings over several columns: row, first and last column.
    merged: Vec<(u32, u16, u16)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// With a byte order mark, so that spreadsheets read it; without commas in numbers, and with ▲ for minus as reports write it.
    fn csv(&self) -> String {
        let mut text = format!("\u{feff}{}\r\n", csv_text(&self.title));
        for row in &self.headings {
            text.push_str(&row.iter().map(|cell| csv_text(cell)).collect::<Vec<_>>().join(","));
            text.push_str("\r\n");
        }
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| match cell {
                    Cell::Empty => String::new(),
                    Cell::Text(text) => csv_text(text),
                    Cell::Number(value) if *value <= -0.05 => format!("▲{}", plain(value.abs())),
                    Cell::Number(value) => plain(*value),
                })
                .collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        text
    }

    fn xlsx(&self) -> Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet();
        let bold = Format::new().set_bold();
        let heading = Format::new().set_bold().set_border(FormatBorder::Thin).set_align(FormatAlign::Center).set_text_wrap();
        let cell = Format::new().set_border(FormatBorder::Thin).set_text_wrap();
        // Excel shows minus as ▲ by this format; the value stays a number.
        let figure = Format::new().set_border(FormatBorder::Thin).set_num_format("#,##0.##;▲#,##0.##;0");
        sheet.write_string_with_format(0, 0, &self.title, &bold)?;
        let mut at = 1;
        for row in &self.headings {
            for (column, text) in (0_u16..).zip(row) {
                sheet.write_string_with_format(at, column, text, &heading)?;
            }
            at += 1;
        }
        for (row, first, last) in &self.merged {
            let text = self.headings.get(*row as usize).and_then(|cells| cells.get(usize::from(*first))).map_or("", String::as_str);
            sheet.merge_range(row + 1, *first, row + 1, *last, text, &heading)?;
        }
        for row in &self.rows {
            for (column, value) in (0_u16..).zip(row) {
                match value {
                    Cell::Empty => sheet.write_blank(at, column, &cell)?,
                    Cell::Text(text) => sheet.write_string_with_format(at, column, text, &cell)?,
                    Cell::Number(value) => sheet.write_number_with_format(at, column, *value, &figure)?,
                };
            }
            at += 1;
        }
        sheet.set_column_width(0, 42)?;
        sheet.set_freeze_panes(1 + u32::try_from(self.headings.len()).unwrap_or(1), 0)?;
        workbook.save_to_buffer()
    }
}

/// A text as a cell of CSV; none is ever taken for a formula.
fn csv_text(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn plain(value: f64) -> String {
    // Plus nothing: there is no minus zero in a report.
    let rounded = (value * 10.0).round() / 10.0 + 0.0;
    format!("{rounded}")
}

/// The yearly table, as the prefecture's reports have it: two rows of headings, the last three columns under the year.
fn report_table(app: &App, year: i32) -> minato_app::Result<Table> {
    let label = fiscal_year_label(year);
    let first = ["成果指標・目標", "達成年度", "全体目標", "策定時の状況", &format!("{label}の状況"), "", ""].map(str::to_owned);
    let second = ["", "", "", "", "目標", "実績", "達成度"].map(str::to_owned);
    let rows = app.indicator_years(year)?.into_iter().map(|one| {
        let indicator = &one.indicator;
        let target = one.target.map_or(Cell::Empty, Cell::whole);
        vec![
            Cell::text(format!("{}（{}）", indicator.title, indicator.unit)),
            Cell::text(&indicator.target_by),
            if one.target.is_some() { target.clone() } else { Cell::text(&indicator.target_text) },
            one.baseline.map_or(Cell::Empty, Cell::whole),
            target,
            one.value.map_or(Cell::Empty, |value| Cell::Number((value * 10.0).round() / 10.0)),
            Cell::text(&one.achievement),
        ]
    });
    Ok(Table {
        title: format!("データ利活用に関する成果指標（{label}、{}時点）", era_day(app.today())),
        headings: vec![first.to_vec(), second.to_vec()],
        merged: vec![(0, 4, 6)],
        rows: rows.collect(),
    })
}

/// The months of a fiscal year, April first.
fn months_table(app: &App, year: i32) -> minato_app::Result<Table> {
    let label = fiscal_year_label(year);
    let start = year_start(year);
    let end = start.checked_add_months(Months::new(11)).unwrap_or(start).min(app.today());
    let headings = [
        "月",
        "人",
        "プログラム",
        "AIエージェント",
        "ここで計測",
        "利用者数（ファイル別）",
        "利用者数（データセット別）",
        "ほかのサイトの報告",
        "合計",
        "従来の数え方（参考）",
        "除いたロボット",
        "数え方の版",
        "確定日",
    ];
    let months = if end < start { Vec::new() } else { app.month_figures(start, end)? };
    let rows = months.iter().map(|month| {
        let legacy: i64 = month.legacy.iter().map(|figure| figure.total).sum();
        vec![
            Cell::text(&month.month),
            Cell::whole(month.human),
            Cell::whole(month.machine),
            Cell::whole(month.ai_agent),
            Cell::whole(month.measured),
            Cell::whole(month.unique_files),
            Cell::whole(month.unique_datasets),
            Cell::whole(reported(month)),
            Cell::whole(month.total),
            if month.legacy.is_empty() { Cell::Empty } else { Cell::whole(legacy) },
            Cell::whole(month.robots),
            Cell::whole(month.method_version),
            month.closed.map_or(Cell::Empty, |at| Cell::text(minato_app::catalog::jst_day(at).to_string())),
        ]
    });
    Ok(Table {
        title: format!("月別ダウンロード数（{label}、{}時点）", era_day(app.today())),
        headings: vec![headings.map(str::to_owned).to_vec()],
        merged: Vec::new(),
        rows: rows.collect(),
    })
}

/// The domains that led to downloads, month by month, April first.
fn referrers_table(app: &App, year: i32) -> minato_app::Result<Table> {
    let label = fiscal_year_label(year);
    let mut rows = Vec::new();
    let months = (0..12).filter_map(|index| year_start(year).checked_add_months(Months::new(index)));
    for month in months.take_while(|month| *month <= app.today()) {
        for (domain, total) in app.referrers(month, month, 1_000)? {
            rows.push(vec![Cell::text(month.format("%Y-%m").to_string()), Cell::text(domain), Cell::whole(total)]);
        }
    }
    Ok(Table {
        title: format!("どのサイトから来たか（{label}、{}時点）", era_day(app.today())),
        headings: vec![["月", "サイト（ドメイン名）", "ダウンロード数"].map(str::to_owned).to_vec()],
        merged: Vec::new(),
        rows,
    })
}

/// The datasets of a fiscal year by downloads.
fn datasets_table(app: &App, year: i32) -> minato_app::Result<Table> {
    let label = fiscal_year_label(year);
    let start = year_start(year);
    let end = start.checked_add_months(Months::new(12)).and_then(|day| day.pred_opt()).unwrap_or(start).min(app.today());
    let wanted = RankingRequest { from: start, to: end, organization: None, class: None, channel: None, limit: 5_000 };
    let ranked = if end < start { Vec::new() } else { app.dataset_ranking(&minato_app::catalog::Viewer::public(), &wanted)? };
    let directory = app.directory();
    let rows = (1_i64..).zip(&ranked).map(|(rank, one)| {
        let content = &one.item.content;
        let organization = directory.organization(content.organization_id).map_or("", |organization| &organization.draft.name);
        vec![
            Cell::whole(rank),
            Cell::whole(one.downloads),
            Cell::text(organization),
            Cell::text(&content.title),
            Cell::text(&content.slug),
            Cell::whole(one.sums.unique_datasets),
        ]
    });
    Ok(Table {
        title: format!("データセット別ダウンロード数（{label}、{}時点）", era_day(app.today())),
        headings: vec![
            ["順位", "ダウンロード数", "自治体名", "データセット・タイトル", "データセット名", "利用者数"].map(str::to_owned).to_vec(),
        ],
        merged: Vec::new(),
        rows: rows.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_in_eras() {
        for (day, expected) in [
            ("2026-11-25", "令和8年11月25日"),
            ("2019-05-01", "令和元年5月1日"),
            ("2019-04-30", "平成31年4月30日"),
            ("2018-01-01", "平成30年1月1日"),
        ] {
            assert_eq!(era_day(day.parse().unwrap()), expected);
        }
    }

    #[test]
    fn sites_that_have_not_reported_are_named_and_those_that_ended_are_not() {
        let month = |month: u32, sources: &[&str]| MonthFigures {
            month: format!("2026-{month:02}"),
            human: 0,
            machine: 0,
            ai_agent: 0,
            measured: 0,
            unique_files: 0,
            unique_datasets: 0,
            reported: sources.iter().map(|source| minato_app::catalog::ReportedFigure { source: (*source).to_owned(), total: 1 }).collect(),
            total: 0,
            legacy: Vec::new(),
            robots: 0,
            method_version: 2,
            closed: None,
        };
        // One began in May and skipped July, one ended in April; the month that runs is never late.
        let figures: Vec<_> = [(4, &["old"][..]), (5, &["dobox"]), (6, &["dobox"]), (7, &[]), (8, &["dobox"]), (9, &[]), (10, &[])]
            .iter()
            .map(|(number, sources)| month(*number, sources))
            .collect();
        let found: Vec<_> = awaited(&figures, "2026-10").into_iter().map(|(month, sources)| (month, sources.join(" "))).collect();
        let expected = [("2026-05", "old"), ("2026-06", "old"), ("2026-07", "dobox old"), ("2026-09", "dobox")];
        assert_eq!(found, expected.map(|(month, sources)| (month.to_owned(), sources.to_owned())));
    }

    #[test]
    fn minus_is_a_triangle_and_numbers_have_no_commas() {
        let table = Table {
            title: "題".to_owned(),
            headings: vec![vec!["a".to_owned(), "b".to_owned()]],
            merged: Vec::new(),
            rows: vec![vec![Cell::text("=1,2"), Cell::Number(-1_234.5)], vec![Cell::Empty, Cell::whole(33_000)]],
        };
        assert_eq!(table.csv(), "\u{feff}題\r\na,b\r\n\"'=1,2\",▲1234.5\r\n,33000\r\n");
        assert!(table.xlsx().unwrap().starts_with(b"PK"));
        assert_eq!(
            (signed(Lang::Ja, -1_234.0), signed(Lang::En, -0.04), shown(99.96)),
            ("▲1,234".to_owned(), "0".to_owned(), "100".to_owned())
        );
    }
}
