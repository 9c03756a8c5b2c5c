//! Past monthly counts as portals publish them: a row for each file, CSV or XLSX.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use minato_catalog::{FieldError, ReportKind, ReportSource, Text, Viewer, parse_report_month};
use minato_store::dataset;
use minato_store::previous_portal::{self as store, ReportedDownload};
use minato_tabular::read_rows;
use uuid::Uuid;

use crate::App;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::report::{ReportImport, ReportRow};

/// Rows read of a file of counts.
const COUNT_ROWS_MAX: usize = 1_000_000;
/// Rows above the header at most: titles and the like.
const ROWS_ABOVE_MAX: usize = 10;

/// A file of past counts to take in.
#[derive(Debug, Clone)]
pub struct CountsFile {
    /// Its name, for messages and, where no column says the month, for that.
    pub name: String,
    /// Who reports: the slug of the source.
    pub source: String,
    /// The month of rows that say none.
    pub month: Option<NaiveDate>,
    /// Leave out what cannot be used; else nothing is written then.
    pub skip_bad_rows: bool,
    /// Why closed months are restated; without a reason they are not.
    pub reason: Option<String>,
    /// Write nothing.
    pub dry_run: bool,
}

/// What came of a file of past counts.
#[derive(Debug, Clone, Default)]
pub struct CountsReport {
    /// Downloads by month (`2024-01`).
    pub months: BTreeMap<String, i64>,
    /// Rows whose file is here.
    pub matched: usize,
    /// Rows whose file is not here (any more); they belong to the sum all the same.
    pub unmatched: usize,
    /// Rows that cannot be used: their number in the file, and why.
    pub bad_rows: Vec<(usize, Text)>,
    /// Whether anything was written.
    pub written: bool,
}

impl App {
    /// Takes in what a portal reported of past downloads: sums by month, among what other sites report, and what each file had.
    pub fn import_counts(&self, context: &Context, file: &CountsFile, bytes: &[u8]) -> Result<CountsReport> {
        let (table, _) = read_rows(bytes, &file.name, COUNT_ROWS_MAX).map_err(|error| Error::invalid(unreadable(file, &error.text())))?;
        let headers: Vec<_> = table.iter().take(ROWS_ABOVE_MAX).map(|row| Columns::of(&row.cells)).collect();
        let Some(header) = headers.iter().position(std::result::Result::is_ok) else {
            let (missing, row) =
                headers.iter().zip(&table).find_map(|(found, row)| Some((found.as_ref().err()?, row))).unwrap_or((&TOTAL[0], &table[0]));
            return Err(Error::invalid(missing_column(file, missing, &row.cells)));
        };
        let columns =
            Columns::of(&table[header].cells).map_err(|missing| Error::invalid(missing_column(file, missing, &table[header].cells)))?;
        let month = file.month.or_else(|| month_in(&file.name));
        let mut report = CountsReport::default();
        let mut rows: BTreeMap<String, BTreeMap<String, ReportedDownload>> = BTreeMap::new();
        let mut first_rows: BTreeMap<String, usize> = BTreeMap::new();
        for row in &table[header + 1..] {
            let number = row.number;
            match columns.read(&row.cells, month) {
                Err(cause) => report.bad_rows.push((number, cause)),
                Ok(row) => {
                    let of_month = rows.entry(row.month.clone()).or_default();
                    if of_month.contains_key(&row.resource) {
                        report.bad_rows.push((
                            number,
                            Text::new(
                                format!("{} の「{}」は前の行にもあります。どちらかの行を削除してください。", row.month, row.resource),
                                format!("`{}` of {} stands in an earlier row, too; remove one of them", row.resource, row.month),
                            ),
                        ));
                        continue;
                    }
                    let (dataset_id, distribution_id) = self.counted_file(&row)?;
                    report.matched += usize::from(distribution_id.is_some());
                    report.unmatched += usize::from(distribution_id.is_none());
                    first_rows.entry(row.month.clone()).or_insert(number);
                    *report.months.entry(row.month).or_default() += row.total;
                    of_month.insert(
                        row.resource.clone(),
                        ReportedDownload { resource: row.resource, title: row.title, dataset_id, distribution_id, total: row.total },
                    );
                }
            }
        }
        if file.dry_run || rows.is_empty() || (!report.bad_rows.is_empty() && !file.skip_bad_rows) {
            return Ok(report);
        }
        self.know_reporter(context, &file.source)?;
        let sums = report.months.iter().map(|(month, total)| ReportRow {
            number: first_rows.get(month).copied().unwrap_or_default(),
            month: month.clone(),
            total: total.to_string(),
            note: file.name.chars().take(500).collect(),
            ..ReportRow::default()
        });
        let import = ReportImport {
            rows: sums.collect(),
            source: Some(file.source.clone()),
            replace: true,
            reason: file.reason.clone(),
            way: "cli",
        };
        // It refuses what may not be reported, before the files' own figures are touched.
        self.import_reports(context, &import)?;
        self.store().write::<_, Error>(|conn| {
            for (month, rows) in &rows {
                store::replace_reported(conn, month, &file.source, &rows.values().cloned().collect::<Vec<_>>())?;
            }
            Ok(())
        })?;
        report.written = true;
        Ok(report)
    }

    /// A portal reports under the name of its harvest source.
    fn know_reporter(&self, context: &Context, id: &str) -> Result<()> {
        if self.report_sources()?.iter().any(|known| known.id == id) {
            return Ok(());
        }
        let title = self.source(&Viewer::system("import"), id).map_or_else(|_| id.to_owned(), |source| source.draft.title);
        let source = ReportSource { id: id.to_owned(), kind: ReportKind::Reported, title, title_en: id.to_owned() };
        self.save_report_source(context, source).map(|_| ())
    }

    /// What the file of a row is here: by its number, else by what the dataset is called.
    fn counted_file(&self, row: &CountedRow) -> Result<(Option<Uuid>, Option<Uuid>)> {
        Ok(self.store().read(|conn| {
            if let Some(id) = store::find_resource(conn, &row.resource)? {
                let dataset = minato_store::distribution::find_dataset(conn, id)?;
                return Ok((dataset.map(|(dataset, _)| dataset), Some(id)));
            }
            let Some(name) = &row.dataset else { return Ok((None, None)) };
            let by_slug = dataset::find_by_slug(conn, name)?;
            let found = match by_slug {
                Some(found) => Some(found),
                None => dataset::find_by_alias(conn, name)?,
            };
            Ok((found.map(|dataset| dataset.id), None))
        })?)
    }
}

/// A row of counts that can be used.
struct CountedRow {
    month: String,
    resource: String,
    dataset: Option<String>,
    title: String,
    total: i64,
}

/// Where the columns are, whatever the portal calls them.
struct Columns {
    month: Option<usize>,
    total: usize,
    resource: Option<usize>,
    dataset: Option<usize>,
    dataset_title: Option<usize>,
    resource_title: Option<usize>,
}

const TOTAL: &[&str] = &["ダウンロード数", "ダウンロード件数", "ダウンロード回数", "dl数", "件数", "downloads", "downloadcount", "count"];
const RESOURCE: &[&str] = &["リソースid", "リソース番号", "resourceid", "ファイルid"];

impl Columns {
    /// The name of the column that is missing, when one is.
    fn of(columns: &[String]) -> std::result::Result<Columns, &'static str> {
        let columns: Vec<String> = columns.iter().map(|column| fold(column)).collect();
        let find = |names: &[&str]| columns.iter().position(|column| names.contains(&column.as_str()));
        let resource_title = find(&["リソース名", "リソースタイトル", "ファイル名", "resourcename"]);
        let resource = find(RESOURCE);
        if resource.is_none() && resource_title.is_none() {
            return Err("リソースid");
        }
        Ok(Columns {
            month: find(&["年月", "対象年月", "月", "集計年月", "month"]),
            total: find(TOTAL).ok_or("ダウンロード数")?,
            resource,
            dataset: find(&["データセット名", "データセットid", "データセット番号", "datasetname", "datasetid"]),
            dataset_title: find(&["データセットタイトル", "タイトル", "datasettitle"]),
            resource_title,
        })
    }

    fn read(&self, cells: &[String], month: Option<NaiveDate>) -> std::result::Result<CountedRow, Text> {
        let cell = |column: Option<usize>| column.and_then(|column| cells.get(column)).map(|cell| cell.trim()).unwrap_or_default();
        let written = cell(self.month);
        let month = match written {
            "" => month.ok_or_else(|| {
                Text::new(
                    "年月がありません。年月の列に 2024-01 の形で書くか、--counts-month で指定してください。",
                    "there is no month; write one such as 2024-01 in the column 年月, or give it with --counts-month",
                )
            })?,
            text => month_of(text).ok_or_else(|| {
                Text::new(
                    format!("年月の「{text}」を読めません。2024-01 の形で書いてください。"),
                    format!("the month `{text}` cannot be read; write 2024-01"),
                )
            })?,
        };
        let written = cell(Some(self.total));
        let total = whole_number(written).ok_or_else(|| {
            Text::new(
                format!("ダウンロード数の「{written}」は 0 以上の整数ではありません。"),
                format!("the downloads `{written}` are no whole number of 0 or more"),
            )
        })?;
        let (dataset_title, resource_title) = (cell(self.dataset_title), cell(self.resource_title));
        let title = [dataset_title, resource_title].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" / ");
        let dataset = Some(cell(self.dataset)).filter(|name| !name.is_empty()).map(str::to_owned);
        let resource = match cell(self.resource) {
            "" => format!("{} {title}", dataset.as_deref().unwrap_or_default()).trim().to_owned(),
            id => id.to_owned(),
        };
        if resource.is_empty() {
            return Err(Text::new(
                "リソースid もリソース名もないため、どのファイルの数か分かりません。",
                "neither an id nor a name says which file it is",
            ));
        }
        Ok(CountedRow { month: month.format("%Y-%m").to_string(), resource, dataset, title, total })
    }
}

/// Column names are compared without white space, separators and case.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '・' | '_' | '-' | '\u{feff}'))
        .flat_map(half_width)
        .flat_map(char::to_lowercase)
        .collect()
}

fn half_width(c: char) -> Option<char> {
    match c {
        '！'..='～' => char::from_u32(c as u32 - 0xFEE0),
        other => Some(other),
    }
}

/// `1,234` and `１２３４`, too; never less than nothing.
fn whole_number(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter_map(half_width).filter(|c| !matches!(c, ',' | '回' | '件') && !c.is_whitespace()).collect();
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// A month in the spellings of reports, or `202401`.
fn month_of(text: &str) -> Option<NaiveDate> {
    parse_report_month(text).or_else(|| month_in(text))
}

/// The month that a file's name ends in: `…_202401.csv`.
fn month_in(file_name: &str) -> Option<NaiveDate> {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let digits: Vec<char> = stem.chars().rev().take_while(char::is_ascii_digit).collect();
    let digits: String = digits.into_iter().rev().collect();
    if digits.len() != 6 {
        return None;
    }
    NaiveDate::from_ymd_opt(digits[..4].parse().ok()?, digits[4..].parse().ok()?, 1)
}

fn unreadable(file: &CountsFile, cause: &Text) -> FieldError {
    FieldError::new("", "unreadable", format!("{}: {}", file.name, cause.ja), format!("{}: {}", file.name, cause.en))
}

fn missing_column(file: &CountsFile, missing: &str, columns: &[String]) -> FieldError {
    let there = columns.join(", ");
    FieldError::new(
        "",
        "missing_column",
        format!("{} に「{missing}」の列がありません（あるのは {there}）。見出しを直してください。", file.name),
        format!("{} has no column `{missing}`, only {there}; mend the header", file.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_portals_write_them() {
        for (text, number) in [
            ("1,234", Some(1234)),
            ("１２", Some(12)),
            ("0", Some(0)),
            ("81回", Some(81)),
            ("-3", None),
            ("1.5", None),
            ("", None),
            ("約10", None),
        ] {
            assert_eq!(whole_number(text), number, "{text}");
        }
    }

    #[test]
    fn months_are_read_as_portals_write_them() {
        for text in ["2024-01", "2024/1", "2024/01", "202401", "2024年1月", "令和6年1月", "R6.1", "２０２４年１月", "2024-01-01"]
        {
            assert_eq!(month_of(text).map(|day| day.to_string()).as_deref(), Some("2024-01-01"), "{text}");
        }
        for text in ["may", "2024", "13", "", "2024-13"] {
            assert_eq!(month_of(text), None, "{text}");
        }
    }

    #[test]
    fn the_month_may_be_in_the_name() {
        for (name, month) in
            [("300004_downloads_202401.csv", Some("2024-01-01")), ("202413.csv", None), ("counts.xlsx", None), ("20240101.csv", None)]
        {
            assert_eq!(month_in(name).map(|day| day.to_string()).as_deref(), month, "{name}");
        }
    }

    #[test]
    fn columns_are_found_by_their_usual_names() {
        let columns = |names: &[&str]| Columns::of(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        let found =
            columns(&["順位", "ダウンロード数", "自治体名", "データセット・タイトル", "リソース名", "データセット名", "リソースID"])
                .ok()
                .unwrap();
        assert_eq!((found.total, found.resource, found.dataset, found.dataset_title, found.month), (1, Some(6), Some(5), Some(3), None));
        assert_eq!(columns(&["年月", "リソースid"]).err(), Some("ダウンロード数"));
        assert_eq!(columns(&["年月", "ダウンロード数"]).err(), Some("リソースid"));
    }
}
