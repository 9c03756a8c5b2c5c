//! What other sites report, month by month: taken whole or not at all, with a reason for every row that is wrong.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;
use minato_catalog::{FieldError, ReportKind, ReportSource, Role, Text, parse_report_month};
use minato_store::indicator::{self, Report, ReportChange};
use minato_tabular::{NumberedRow, read_rows};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::App;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::indicator::check_reason;
use crate::noun::{admin_only, signed_in, staff_only};

/// Most rows in one import.
const ROWS_MAX: usize = 10_000;
/// Rows in which the headings are looked for: above them may be a title, a day, a name.
const ROWS_ABOVE_MAX: usize = 10;
/// Most mistakes told at once.
const ERRORS_TOLD_MAX: usize = 200;
/// More downloads in a month than any site has.
const TOTAL_MAX: i64 = 1_000_000_000;
/// No site counted before this year.
pub(crate) const YEAR_MIN: i32 = 2000;

/// One row of an import, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// Where it stands: the number of the row in the file, or of the item in a list.
    pub number: usize,
    /// The month.
    pub month: String,
    /// The source; empty takes that of the import.
    pub source: String,
    /// The organization by slug, code, id or name; empty for the whole site.
    pub organization: String,
    /// Downloads.
    pub total: String,
    /// For those who look at it later.
    pub note: String,
}

/// What is imported and how.
#[derive(Debug, Clone, Default)]
pub struct ReportImport {
    /// The rows.
    pub rows: Vec<ReportRow>,
    /// The source of rows that name none.
    pub source: Option<String>,
    /// Replace figures that differ; otherwise they are refused.
    pub replace: bool,
    /// Why closed months are changed; without a reason they are not.
    pub reason: Option<String>,
    /// How it came, for the log: `csv`, `xlsx`, `api`, `form`, `cli`.
    pub way: &'static str,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedRow {
    /// Where it stands.
    pub number: usize,
    /// The month, as `2026-11`.
    pub month: String,
    /// The source.
    pub source: String,
    /// The organization.
    pub organization_id: Option<Uuid>,
    /// Downloads.
    pub total: i64,
    /// What was reported before.
    pub before: Option<i64>,
}

impl ImportedRow {
    /// `added`, `replaced` or `unchanged`.
    pub fn outcome(&self) -> &'static str {
        match self.before {
            None => "added",
            Some(before) if before == self.total => "unchanged",
            Some(_) => "replaced",
        }
    }
}

impl App {
    /// Where reports come from.
    pub fn report_sources(&self) -> Result<Vec<ReportSource>> {
        Ok(self.store().read(indicator::report_sources)?)
    }

    /// Adds or replaces a source of reports. For system administrators.
    pub fn save_report_source(&self, context: &Context, source: ReportSource) -> Result<ReportSource> {
        admin_only(&context.viewer)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if source.id.is_empty() || source.id.len() > 60 || !source.id.bytes().all(plain) {
            return Err(Error::invalid(FieldError::new(
                "/id",
                "invalid_id",
                "/id は半角小文字・数字・-・_ で 60 文字以内にしてください。",
                "/id must be 1 to 60 of a-z, 0-9, - and _",
            )));
        }
        if source.title.trim().is_empty() {
            return Err(Error::invalid(FieldError::required("/title")));
        }
        for (field, text) in [("/title", &source.title), ("/title_en", &source.title_en)] {
            if text.chars().count() > 200 {
                return Err(Error::invalid(FieldError::too_long(field, 200)));
            }
        }
        if !context.dry_run {
            self.store().write::<_, Error>(|conn| Ok(indicator::save_report_source(conn, &source)?))?;
        }
        Ok(source)
    }

    /// The latest changes of what was reported: who, when, how. For staff.
    pub fn report_changes(&self, viewer: &minato_catalog::Viewer, limit: i64) -> Result<Vec<ReportChange>> {
        staff_only(viewer)?;
        Ok(self.store().read(|conn| indicator::report_changes(conn, limit))?)
    }

    /// What is reported from one month to another.
    pub fn reports(&self, from: NaiveDate, to: NaiveDate) -> Result<Vec<Report>> {
        Ok(self.store().read(|conn| indicator::reports(conn, &month_text(from), &month_text(to)))?)
    }

    /// Takes reports in, all or none. Rows of an organization are for its publishers; those of whole sites for system administrators.
    pub fn import_reports(&self, context: &Context, import: &ReportImport) -> Result<Vec<ImportedRow>> {
        signed_in(&context.viewer)?;
        let reason = import.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        if let Some(reason) = reason {
            check_reason(reason)?;
        }
        if import.rows.is_empty() {
            return Err(Error::invalid(FieldError::new("/rows", "required", "取り込む行がありません。", "there are no rows to import")));
        }
        if import.rows.len() > ROWS_MAX {
            return Err(Error::invalid(FieldError::new(
                "/rows",
                "too_many",
                format!("一度に取り込めるのは {ROWS_MAX} 行までです。ファイルを分けてください。"),
                format!("at most {ROWS_MAX} rows can be imported at once; split the file"),
            )));
        }
        let sources: BTreeMap<String, ReportKind> = self.report_sources()?.into_iter().map(|source| (source.id, source.kind)).collect();
        let (mut errors, mut reports, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
        for row in &import.rows {
            match self.read_row(context, import, row, &sources) {
                Ok(report) => {
                    let key = (report.month.clone(), report.source.clone(), report.organization_id);
                    match seen.insert(key, row.number) {
                        Some(first) => errors.push(row_error(
                            row,
                            "month",
                            "duplicate",
                            &format!("{first} 行目と同じ月・報告元・組織です。どちらか一方だけにしてください"),
                            &format!("has the same month, source and organization as row {first}; keep one of them"),
                        )),
                        None => reports.push((row.number, report)),
                    }
                }
                Err(mistakes) => errors.extend(mistakes),
            }
        }
        let result = self.store().write_beside_counts::<_, Abort>(|conn| {
            let (from, to) = bounds(&reports);
            let known: HashMap<_, i64> = indicator::reports(conn, &from, &to)?
                .into_iter()
                .map(|report| ((report.month, report.source, report.organization_id), report.total))
                .collect();
            let extents = Extents::of(&known, &reports);
            let closed: HashSet<String> = indicator::closed_months(conn, &from, &to)?.into_keys().collect();
            let mut rows = Vec::new();
            for (number, report) in &reports {
                let before = known.get(&(report.month.clone(), report.source.clone(), report.organization_id)).copied();
                let place = ReportRow { number: *number, ..ReportRow::default() };
                if let Some(before) = before.filter(|before| *before != report.total && !import.replace) {
                    errors.push(row_error(
                        &place,
                        "total",
                        "differs",
                        &format!(
                            "{} には既に {before} 件が登録されています。置き換えるときは「置き換える」（replace）を指定してください",
                            report.month
                        ),
                        &format!("{} has {before} already; send replace to replace it", report.month),
                    ));
                }
                if before != Some(report.total)
                    && let Some((ja, en)) = extents.clash(report)
                {
                    errors.push(row_error(&place, "organization", "counted_twice", &ja, &en));
                }
                if before != Some(report.total) && closed.contains(&report.month) && reason.is_none() {
                    errors.push(row_error(
                        &place,
                        "month",
                        "closed",
                        &format!("{} は締め切り済みです。訂正するときは理由（reason）を付けてください", report.month),
                        &format!("{} is closed; send a reason to restate it", report.month),
                    ));
                }
                rows.push(ImportedRow {
                    number: *number,
                    month: report.month.clone(),
                    source: report.source.clone(),
                    organization_id: report.organization_id,
                    total: report.total,
                    before,
                });
            }
            if !errors.is_empty() {
                return Err(Abort::Error(Error::Invalid(shortened(std::mem::take(&mut errors)))));
            }
            if context.dry_run {
                return Err(Abort::DryRun(rows));
            }
            let (actor, at) = (context.viewer.name.clone(), self.now());
            for ((_, report), row) in reports.iter().zip(&rows) {
                if row.outcome() != "unchanged" {
                    let change =
                        ReportChange { report: report.clone(), before: row.before, way: import.way.to_owned(), actor: actor.clone(), at };
                    indicator::set_report(conn, &change)?;
                }
            }
            let changed: HashSet<String> = rows.iter().filter(|row| row.outcome() != "unchanged").map(|row| row.month.clone()).collect();
            for month in changed.intersection(&closed) {
                self.restate_in(conn, month, reason.unwrap_or_default(), &actor).map_err(Abort::Error)?;
            }
            Ok(rows)
        });
        match result {
            Ok(rows) => {
                self.after_statistics();
                Ok(rows)
            }
            Err(Abort::DryRun(rows)) => Ok(rows),
            Err(Abort::Error(error)) => Err(error),
        }
    }

    fn read_row(
        &self,
        context: &Context,
        import: &ReportImport,
        row: &ReportRow,
        sources: &BTreeMap<String, ReportKind>,
    ) -> std::result::Result<Report, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, code: &str, ja: String, en: String| errors.push(row_error(row, field, code, &ja, &en));
        let today = self.today();
        let running = month_text(today);
        let month = match parse_report_month(&row.month) {
            // Only where it would be a month: 2026.1 is what spreadsheets make of 2026.10.
            Some(_) if is_cut_month(&row.month) => {
                wrong(
                    "month",
                    "ambiguous_month",
                    format!(
                        "月「{}」は1月か10月かわかりません（表計算ソフトは 2026.10 を 2026.1 に変えます）。2026-01 や 2026年10月 の形にしてください",
                        shown(&row.month)
                    ),
                    format!(
                        "month `{}` may be January or October, as spreadsheets turn 2026.10 into 2026.1; write it as 2026-01",
                        shown(&row.month)
                    ),
                );
                String::new()
            }
            None => {
                wrong(
                    "month",
                    "invalid_month",
                    format!("月「{}」が読めません。2026-11 や 2026年11月 の形にしてください", shown(&row.month)),
                    format!("month `{}` cannot be read; write it as 2026-11", shown(&row.month)),
                );
                String::new()
            }
            Some(month) if month_text(month) >= running => {
                wrong(
                    "month",
                    "not_over",
                    format!("{} はまだ終わっていません。終わった月の数だけを取り込めます", month_text(month)),
                    format!("{} is not over yet; only months that are can be reported", month_text(month)),
                );
                String::new()
            }
            Some(month) if chrono::Datelike::year(&month) < YEAR_MIN => {
                wrong(
                    "month",
                    "out_of_range",
                    format!("{} は古すぎます。年を確かめてください", month_text(month)),
                    format!("{} is too long ago; check the year", month_text(month)),
                );
                String::new()
            }
            Some(month) => month_text(month),
        };
        let named = if row.source.trim().is_empty() { import.source.as_deref().unwrap_or_default() } else { row.source.trim() };
        let known = sources.keys().cloned().collect::<Vec<_>>().join(", ");
        if !sources.contains_key(named) {
            let (ja, en) = if named.is_empty() {
                (
                    format!("報告元がありません。次のいずれかを書いてください: {known}"),
                    format!("the source is missing; write one of {known}"),
                )
            } else {
                (
                    format!("報告元「{}」は登録されていません。使えるもの: {known}", shown(named)),
                    format!("source `{}` is unknown; known: {known}", shown(named)),
                )
            };
            wrong("source", "unknown_source", ja, en);
        }
        let directory = self.directory();
        let text = row.organization.trim();
        let organization = if text.is_empty() {
            None
        } else {
            let by_name = || directory.organizations().into_iter().find(|organization| organization.draft.name == text);
            match directory.find_organization(text).or_else(by_name) {
                Some(organization) => Some(organization.id),
                None => {
                    wrong(
                        "organization",
                        "unknown_organization",
                        format!(
                            "組織「{}」は登録されていません。名前・スラッグ・団体コードのいずれかにしてください。サイト全体の数のときは空にします",
                            shown(text)
                        ),
                        format!(
                            "organization `{}` is unknown; write its name, slug or local government code, or leave it empty for the whole site",
                            shown(text)
                        ),
                    );
                    None
                }
            }
        };
        let may = match organization {
            Some(id) => context.viewer.has_role(id, Role::Publisher),
            None => context.viewer.admin || !text.is_empty(),
        };
        if !may {
            wrong(
                "organization",
                "forbidden",
                "この組織（またはサイト全体）の数を報告する権限がありません。組織の公開担当者かシステム管理者に依頼してください".to_owned(),
                "you may not report for this organization or for a whole site; ask its publisher or a system administrator".to_owned(),
            );
        }
        let total = read_total(&row.total);
        match total {
            Some(total) if total < 0 => wrong(
                "total",
                "negative",
                format!("件数「{}」が負の数です。0 以上の整数にしてください", shown(&row.total)),
                format!("total `{}` is negative; write 0 or more", shown(&row.total)),
            ),
            Some(total) if total > TOTAL_MAX => wrong(
                "total",
                "out_of_range",
                format!("件数「{}」が大きすぎます。桁を確かめてください", shown(&row.total)),
                format!("total `{}` is too large; check its digits", shown(&row.total)),
            ),
            Some(_) => {}
            None => wrong(
                "total",
                "invalid_number",
                format!("件数「{}」が整数ではありません", shown(&row.total)),
                format!("total `{}` is not a whole number", shown(&row.total)),
            ),
        }
        if row.note.chars().count() > 500 {
            wrong("note", "too_long", "備考は 500 文字以内にしてください".to_owned(), "note is longer than 500 characters".to_owned());
        }
        if errors.is_empty() {
            Ok(Report {
                month,
                source: named.to_owned(),
                organization_id: organization,
                total: total.unwrap_or(0),
                note: row.note.trim().to_owned(),
            })
        } else {
            Err(errors)
        }
    }
}

/// Key of a report: month, source and organization (none for the whole site).
type Key = (String, String, Option<Uuid>);

/// Which months of which sources are reported as a whole, and which by organization: both at once would count the same downloads twice.
#[derive(Default)]
struct Extents {
    /// Where it was read, for each month and source; no number for what is here already.
    whole: HashMap<(String, String), Option<usize>>,
    parts: HashMap<(String, String), Option<usize>>,
}

impl Extents {
    /// Of what is here and is not replaced, and of what is read; nothing is counted twice where nothing is counted.
    fn of(known: &HashMap<Key, i64>, reports: &[(usize, Report)]) -> Extents {
        let key = |report: &Report| (report.month.clone(), report.source.clone(), report.organization_id);
        let replaced: HashSet<Key> = reports.iter().map(|(_, report)| key(report)).collect();
        let kept = known.iter().filter(|(key, total)| **total > 0 && !replaced.contains(key)).map(|(key, _)| (key.clone(), None));
        let read = reports.iter().filter(|(_, report)| report.total > 0).map(|(number, report)| (key(report), Some(*number)));
        let mut extents = Extents::default();
        for ((month, source, organization), number) in kept.chain(read) {
            let list = if organization.is_none() { &mut extents.whole } else { &mut extents.parts };
            list.entry((month, source)).or_insert(number);
        }
        extents
    }

    /// Why a report cannot stand beside the others, in Japanese and English.
    fn clash(&self, report: &Report) -> Option<(String, String)> {
        if report.total == 0 {
            return None;
        }
        let key = (report.month.clone(), report.source.clone());
        let (month, source) = (&report.month, &report.source);
        let whole = report.organization_id.is_none();
        let other = if whole { self.parts.get(&key) } else { self.whole.get(&key) }?;
        let (place_ja, place_en) = match other {
            Some(number) => (format!("{number} 行目に"), format!("in row {number}")),
            None => ("登録済みの数として、".to_owned(), "here already".to_owned()),
        };
        Some(if whole {
            (
                format!(
                    "{place_ja}{month} の {source} の組織別の数があります。サイト全体の数も入れると、二重に数えることになります。どちらか一方だけにしてください（やめるほうは 0 に置き換えます）"
                ),
                format!(
                    "{source} has figures by organization for {month} {place_en}; with the whole site they would count twice; keep one of them and replace the other by 0"
                ),
            )
        } else {
            (
                format!(
                    "{place_ja}{month} の {source} のサイト全体の数があります。組織の数はその中に含まれるため、二重に数えることになります。どちらか一方だけにしてください（やめるほうは 0 に置き換えます）"
                ),
                format!(
                    "{source} has a figure of the whole site for {month} {place_en}, which this is part of; it would count twice; keep one of them and replace the other by 0"
                ),
            )
        })
    }
}

enum Abort {
    DryRun(Vec<ImportedRow>),
    Error(Error),
}

impl From<minato_store::Error> for Abort {
    fn from(error: minato_store::Error) -> Self {
        Abort::Error(error.into())
    }
}

/// The rows of a CSV (UTF-8, UTF-16 or Shift_JIS) or XLSX file with a row of headings.
pub fn read_report_file(bytes: &[u8], name: &str) -> Result<Vec<ReportRow>> {
    // One more than may be imported, below the last place for headings: whoever asks then sees that there are too many.
    let (rows, _) = read_rows(bytes, name, ROWS_ABOVE_MAX + ROWS_MAX + 1).map_err(|error| {
        let Text { ja, en } = match &error {
            minato_tabular::Error::Empty { .. } => Text::new("取り込む行がありません。", "there are no rows to import"),
            minato_tabular::Error::Unsupported { file_name, found } => Text::new(
                format!("「{file_name}」（{found}）は取り込めません。CSV か Excel（XLSX）の形式で保存し直してください。"),
                format!("`{file_name}` ({found}) cannot be imported; save it as CSV or XLSX"),
            ),
            error => error.text(),
        };
        Error::invalid(FieldError::new("/file", "unreadable", ja, en))
    })?;
    let Some((headings, at)) = rows.iter().enumerate().take(ROWS_ABOVE_MAX).find_map(|(at, row)| Some((columns(row)?, at))) else {
        return Err(Error::invalid(FieldError::new(
            "/file",
            "no_headings",
            "見出しの行が見つかりません。「月」と「件数」の列が要ります（ほかに「報告元」「組織」「備考」）。",
            "there is no row of headings; the columns `month` and `total` are needed (and `source`, `organization`, `note` if you like)",
        )));
    };
    let cell =
        |row: &NumberedRow, column: Option<usize>| column.and_then(|column| row.cells.get(column)).map(|text| text.trim().to_owned());
    let read = rows.iter().skip(at + 1).map(|row| ReportRow {
        number: row.number,
        month: cell(row, headings[0]).unwrap_or_default(),
        total: cell(row, headings[1]).unwrap_or_default(),
        source: cell(row, headings[2]).unwrap_or_default(),
        organization: cell(row, headings[3]).unwrap_or_default(),
        note: cell(row, headings[4]).unwrap_or_default(),
    });
    Ok(read.collect())
}

/// Where month, total, source, organization and note stand; `None` when the row is none of headings.
fn columns(row: &NumberedRow) -> Option<[Option<usize>; 5]> {
    const NAMES: [&[&str]; 5] = [
        &["月", "年月", "対象月", "対象年月", "month"],
        &["件数", "ダウンロード数", "回数", "利用件数", "total", "downloads"],
        &["報告元", "出典", "サイト", "source"],
        &["組織", "公表者", "提供者", "自治体", "団体", "市町", "organization"],
        &["備考", "note"],
    ];
    let find = |names: &[&str]| {
        row.cells.iter().position(|cell| {
            let cell = cell.trim().trim_start_matches('\u{feff}').to_lowercase();
            names.contains(&cell.as_str())
        })
    };
    let found = NAMES.map(find);
    (found[0].is_some() && found[1].is_some()).then_some(found)
}

/// Whether it is a year and `.1`.
fn is_cut_month(text: &str) -> bool {
    let year = text.trim().strip_suffix(".1").unwrap_or_default();
    year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit())
}

/// A whole number as people write it: `1,234`, `１２３４`, `1234 回`, `▲5`.
fn read_total(text: &str) -> Option<i64> {
    let plain: String = text
        .trim()
        .chars()
        .map(|c| match c {
            '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0')).unwrap_or(c),
            '，' => ',',
            '▲' | '△' | '－' | '−' | '‐' => '-',
            c => c,
        })
        .collect();
    let plain = plain.trim_end_matches(['回', '件']).trim();
    let plain = plain.strip_suffix(".0").unwrap_or(plain);
    let groups: Vec<&str> = plain.trim_start_matches('-').split(',').collect();
    let grouped = (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3);
    let plain = if grouped { plain.replace(',', "") } else { plain.to_owned() };
    plain.parse().ok()
}

fn bounds(reports: &[(usize, Report)]) -> (String, String) {
    let months = || reports.iter().map(|(_, report)| report.month.clone());
    (months().min().unwrap_or_default(), months().max().unwrap_or_default())
}

fn row_error(row: &ReportRow, field: &str, code: &str, ja: &str, en: &str) -> FieldError {
    FieldError::new(
        format!("/rows/{}/{field}", row.number),
        code,
        format!("{} 行目: {ja}。", row.number),
        format!("row {}: {en}", row.number),
    )
}

fn shown(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(60).collect()
}

/// The mistakes in the order of the rows they are in, as far as there is room.
fn shortened(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    let row = |error: &FieldError| error.field.split('/').nth(2).and_then(|number| number.parse::<usize>().ok());
    errors.sort_by_key(row);
    let more = errors.len().saturating_sub(ERRORS_TOLD_MAX);
    if more > 0 {
        errors.truncate(ERRORS_TOLD_MAX);
        errors.push(FieldError::new(
            "/rows",
            "more_errors",
            format!("ほかに {more} 件の誤りがあります。"),
            format!("there are {more} more mistakes"),
        ));
    }
    errors
}

pub(crate) fn month_text(day: NaiveDate) -> String {
    day.format("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1234", Some(1234)),
            ("1,234", Some(1234)),
            ("１，２３４回", Some(1234)),
            ("0", Some(0)),
            ("▲5", Some(-5)),
            ("-5", Some(-5)),
            ("33000.0", Some(33000)),
            ("1,2", None),
            ("12345,678", None),
            (",123", None),
            ("1,234,567", Some(1_234_567)),
            ("1,234.0", Some(1_234)),
            ("1 234", None),
            ("12.5", None),
            ("約100", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(read_total(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_without_headings_is_refused() {
        assert!(read_report_file("2026-10,5\n".as_bytes(), "a.csv").unwrap_err().text().en.contains("headings"));
        let rows =
            read_report_file("DoboX 利用状況\n\n月,ダウンロード数,報告元\n2026年10月,\"1,234\",dobox\n".as_bytes(), "a.csv").unwrap();
        assert_eq!(
            (rows[0].number, rows[0].month.as_str(), rows[0].total.as_str(), rows[0].source.as_str()),
            (4, "2026年10月", "1,234", "dobox")
        );
    }
}
