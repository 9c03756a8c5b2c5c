//! Japanese time: JST days and fiscal years, and the loose dates that publishers write.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Utc};
use serde::{Deserialize, Deserializer};

use crate::Temporal;

/// Japan Standard Time, UTC+9 without daylight saving.
pub fn jst() -> FixedOffset {
    FixedOffset::east_opt(9 * 3600).expect("nine hours is a valid offset")
}

/// The day in Japan at `at`.
pub fn jst_day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&jst()).date_naive()
}

/// The Japanese fiscal year (April to March) of a day, named by the year in which it starts.
pub fn fiscal_year(day: NaiveDate) -> i32 {
    if day.month() >= 4 { day.year() } else { day.year() - 1 }
}

/// `2024` → `令和6年度`; before 1989 the Western year alone.
pub fn fiscal_year_label(year: i32) -> String {
    match year {
        2019.. => format!("令和{}年度", era_number(year - 2018)),
        1989..=2018 => format!("平成{}年度", era_number(year - 1988)),
        _ => format!("{year}年度"),
    }
}

fn era_number(n: i32) -> String {
    if n == 1 { "元".to_owned() } else { n.to_string() }
}

/// First moment of a day in Japan, as UTC.
pub fn jst_midnight(day: NaiveDate) -> DateTime<Utc> {
    let naive = day.and_hms_opt(0, 0, 0).expect("midnight exists every day in JST");
    jst().from_local_datetime(&naive).single().expect("a fixed offset is never ambiguous").with_timezone(&Utc)
}

/// Reads a date or date-time: RFC 3339, `2024-04-01`, `2024/4/1`, `2024年4月1日`, `令和6年4月1日`, `20240401`, `2024-04`.
///
/// Naive times are taken as JST: Japanese portals send them so.
pub fn parse_moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return in_range(at.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(naive) = NaiveDateTime::parse_from_str(text, format) {
            return in_range(jst().from_local_datetime(&naive).single()?.with_timezone(&Utc));
        }
    }
    parse_day(text).map(jst_midnight)
}

/// Reads a day in the spellings of [`parse_moment`]; a month alone is its first day.
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    match date_parts(text)? {
        DateParts { month: Some(month), year, day, is_fiscal: false } => checked_day(year, month, day.unwrap_or(1)),
        _ => None,
    }
}

/// Reads a period: a day, month, year or fiscal year (`令和元年度`) alone, or from one to another (`2023/4/1～2024/3/31`, `平成30年度から令和2年度まで`,
/// `2024-04-01/2025-03-31`, `開始日/終了日: 2024/2/1/2024/7/1`). One side may be open. `None` for anything else.
pub fn parse_period(text: &str) -> Option<Temporal> {
    if text.len() > 200 {
        return None;
    }
    let behind_label = text.rsplit([':', '：']).next().unwrap_or_default();
    period(text.trim()).or_else(|| period(behind_label.trim()))
}

fn period(text: &str) -> Option<Temporal> {
    if let Some((start, end)) = span(text).filter(|_| !text.ends_with('/')) {
        return Some(Temporal { start: Some(start), end: Some(end) });
    }
    for (at, separator) in text.char_indices().filter(|(_, c)| "～〜~/／ら-−－–—".contains(*c)) {
        let before = text[..at].trim().trim_end_matches('か').trim_start_matches('自');
        let after = text[at + separator.len_utf8()..].trim().trim_start_matches('至').trim_end_matches("まで");
        let (start, end) = (span(before).map(|(first, _)| first), span(after).map(|(_, last)| last));
        let one_side_open = "～〜~ら/".contains(separator) && (before.is_empty() || after.is_empty());
        let is_whole = (start.is_some() && end.is_some()) || (one_side_open && (start.is_some() || end.is_some()));
        let in_order = !matches!((start, end), (Some(start), Some(end)) if end < start);
        if is_whole && in_order {
            return Some(Temporal { start, end });
        }
    }
    None
}

/// First and last day of what is named.
fn span(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let Some(parts) = date_parts(text) else {
        let day = parse_moment(text).map(jst_day)?;
        return Some((day, day));
    };
    let before = |year: i32, month: u32| checked_day(year, month, 1)?.pred_opt();
    match parts {
        DateParts { year, is_fiscal: true, .. } => Some((checked_day(year, 4, 1)?, checked_day(year + 1, 3, 31)?)),
        DateParts { year, month: None, .. } => Some((checked_day(year, 1, 1)?, checked_day(year, 12, 31)?)),
        DateParts { year, month: Some(12), day: None, .. } => Some((checked_day(year, 12, 1)?, checked_day(year, 12, 31)?)),
        DateParts { year, month: Some(month), day: None, .. } => Some((checked_day(year, month, 1)?, before(year, month + 1)?)),
        DateParts { year, month: Some(month), day: Some(day), .. } => checked_day(year, month, day).map(|day| (day, day)),
    }
}

/// What a date is written with.
struct DateParts {
    year: i32,
    month: Option<u32>,
    day: Option<u32>,
    /// The year is a fiscal one.
    is_fiscal: bool,
}

/// Eras by name and letter, and the year before their first.
const ERAS: &[(&str, char, i32)] =
    &[("令和", 'R', 2018), ("平成", 'H', 1988), ("昭和", 'S', 1925), ("大正", 'T', 1911), ("明治", 'M', 1867)];

fn date_parts(text: &str) -> Option<DateParts> {
    use unicode_normalization::UnicodeNormalization;
    if text.len() > 100 {
        return None;
    }
    let text: String = text.trim().nfkc().collect();
    let text = ["現在", "時点", "分", "付"].iter().find_map(|word| text.strip_suffix(word)).unwrap_or(&text).trim();
    // A day of the week says nothing more: `2024年4月1日（月）`.
    let text = match text.strip_suffix(')').and_then(|text| text.rsplit_once('(')) {
        Some((date, weekday)) if weekday.chars().count() <= 2 && weekday.starts_with(|c| "日月火水木金土".contains(c)) => {
            date.trim()
        }
        _ => text,
    };
    let era = ERAS.iter().find_map(|(name, letter, base)| {
        let by_letter = |text: &'_ str| text.starts_with(|c: char| c.is_ascii_digit() || "元. ".contains(c));
        let rest = text.strip_prefix(name).or_else(|| {
            text.strip_prefix([*letter, letter.to_ascii_lowercase()])
                .map(|rest| rest.trim_start_matches('.'))
                .filter(|rest| by_letter(rest))
        });
        rest.map(|rest| (*base, rest.trim_start()))
    });
    let (base, rest) = era.unwrap_or((0, text));
    let rest = if era.is_some() && rest.starts_with('元') { rest.replacen('元', "1", 1) } else { rest.to_owned() };
    let (rest, is_fiscal) = rest.strip_suffix("年度").map_or((rest.as_str(), false), |rest| (rest, true));
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if era.is_none() && digits == 8 && rest.len() == 8 && !is_fiscal {
        let (month, day) = (rest[4..6].parse().ok()?, rest[6..].parse().ok()?);
        return Some(DateParts { year: rest[..4].parse().ok()?, month: Some(month), day: Some(day), is_fiscal });
    }
    let separators_ok = rest.chars().all(|c| c.is_ascii_digit() || "-/.年月日 ".contains(c));
    if !separators_ok || (era.is_none() && digits != 4) || digits == 0 {
        return None;
    }
    let parts: Vec<u32> =
        rest.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
    let year = base.checked_add(i32::try_from(*parts.first()?).ok()?)?;
    match parts[1..] {
        [] => Some(DateParts { year, month: None, day: None, is_fiscal }),
        [month] if !is_fiscal => Some(DateParts { year, month: Some(month), day: None, is_fiscal }),
        [month, day] if !is_fiscal => Some(DateParts { year, month: Some(month), day: Some(day), is_fiscal }),
        _ => None,
    }
}

/// The first day of a month written `2026-11`.
pub fn parse_month(text: &str) -> Option<NaiveDate> {
    let (year, month) = text.split_once('-')?;
    let plain = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(year, 4) || !plain(month, 2) {
        return None;
    }
    checked_day(year.parse().ok()?, month.parse().ok()?, 1)
}

fn checked_day(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    if !(1..=9999).contains(&year) {
        return None;
    }
    NaiveDate::from_ymd_opt(year, month, day)
}

fn in_range(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1..=9999).contains(&at.year()).then_some(at)
}

/// Serde: an optional date-time in any spelling of [`parse_moment`].
pub(crate) fn moment_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    if text.trim().is_empty() {
        return Ok(None);
    }
    parse_moment(&text)
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom(format!("`{}` is not a date; write 2024-04-01 or 2024-04-01T09:00:00+09:00", clip(&text))))
}

/// Serde: an optional day in any spelling of [`parse_day`]; of a date-time, its day in Japan.
pub(crate) fn day_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    Ok(moment_option(deserializer)?.map(jst_day))
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fiscal_years_start_in_april() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(fiscal_year(day(2025, 3, 31)), 2024);
        assert_eq!(fiscal_year(day(2025, 4, 1)), 2025);
        assert_eq!(fiscal_year_label(2024), "令和6年度");
        assert_eq!(fiscal_year_label(2019), "令和元年度");
    }

    #[test]
    fn days_in_japanese_spellings() {
        let expected = NaiveDate::from_ymd_opt(2024, 4, 1).unwrap();
        for text in [
            "2024-04-01",
            "2024/4/1",
            "2024年4月1日",
            "令和6年4月1日",
            "R6.4.1",
            "20240401",
            "２０２４年４月",
            "令和６年４月１日",
            "r6.4.1",
            "R.6.4.1",
            "R6/4/1",
            "令和 6年 4月 1日",
            "2024年4月1日（月）",
            "令和6年4月1日現在",
            "2024.04.01",
            "2024年 4月1日",
        ] {
            assert_eq!(parse_day(text), Some(expected), "{text}");
        }
        for text in ["", "4/1", "2024", "2024-13-01", "令和", "まだ", "2024-04-01; drop"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn eras_begin_with_their_first_year() {
        for (text, day) in [
            ("令和元年5月1日", "2019-05-01"),
            ("R元.5.1", "2019-05-01"),
            ("平成元年1月8日", "1989-01-08"),
            ("H29.1.6", "2017-01-06"),
            ("昭和64年1月7日", "1989-01-07"),
            ("S20.8.6", "1945-08-06"),
            ("大正12年9月1日", "1923-09-01"),
            ("明治22年4月1日", "1889-04-01"),
        ] {
            assert_eq!(parse_day(text).map(|day| day.to_string()).as_deref(), Some(day), "{text}");
        }
        for text in ["令和元年度", "元年5月1日", "M", "Sat 1", "R5", "2024-04-01-05", "令和5年4月1日2日"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn periods_in_the_usual_spellings() {
        for (text, start, end) in [
            ("令和元年度", "2019-04-01", "2020-03-31"),
            ("2023年度", "2023-04-01", "2024-03-31"),
            ("R5年度", "2023-04-01", "2024-03-31"),
            ("平成30年度～令和2年度", "2018-04-01", "2021-03-31"),
            ("平成30年度から令和2年度まで", "2018-04-01", "2021-03-31"),
            ("令和5年", "2023-01-01", "2023-12-31"),
            ("2024", "2024-01-01", "2024-12-31"),
            ("2023-2024", "2023-01-01", "2024-12-31"),
            ("2024年2月", "2024-02-01", "2024-02-29"),
            ("2023-12", "2023-12-01", "2023-12-31"),
            ("2020/04/2021/03", "2020-04-01", "2021-03-31"),
            ("令和6年4月1日現在", "2024-04-01", "2024-04-01"),
            ("2024-04-01T00:00:00+09:00/2025-03-31T00:00:00+09:00", "2024-04-01", "2025-03-31"),
            ("開始年月日/終了年月日 : 2024年2月1日/2024年7月1日", "2024-02-01", "2024-07-01"),
            ("2024/2/1～", "2024-02-01", ""),
            ("2019年度～", "2019-04-01", ""),
            ("～R6.3.31", "", "2024-03-31"),
            ("2024-04-01/", "2024-04-01", ""),
        ] {
            let found = parse_period(text).unwrap_or_else(|| panic!("{text}"));
            let shown = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
            assert_eq!((shown(found.start).as_str(), shown(found.end).as_str()), (start, end), "{text}");
        }
        for text in ["", "～", "/", "毎年", "2024/7/1～2024/2/1", "昔々", "令和", "12", "2024-13", "9999年度"] {
            assert_eq!(parse_period(text), None, "{text}");
        }
    }

    #[test]
    fn months_are_read_in_one_spelling() {
        assert_eq!(parse_month("2026-11"), NaiveDate::from_ymd_opt(2026, 11, 1));
        for text in ["", "2026-13", "2026-1", "26-11", "2026-11-01", "0000-01", "+026-11", "2026/11"] {
            assert_eq!(parse_month(text), None, "{text}");
        }
    }

    #[test]
    fn naive_times_are_japanese() {
        assert_eq!(parse_moment("2024-04-01T08:00:00").unwrap().to_rfc3339(), "2024-03-31T23:00:00+00:00");
        assert_eq!(jst_day(parse_moment("2024-03-31T15:00:00Z").unwrap()).to_string(), "2024-04-01");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse_moment(&text);
            let _ = parse_period(&text);
        }
    }
}
