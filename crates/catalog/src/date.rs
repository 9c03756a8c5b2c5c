//! Japanese time: JST days and fiscal years, and the loose dates that publishers write.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Utc};
use serde::{Deserialize, Deserializer};

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
    use unicode_normalization::UnicodeNormalization;
    let text: String = text.trim().nfkc().collect();
    let (era, rest) = [("令和", 2018), ("平成", 1988), ("昭和", 1925), ("R", 2018), ("H", 1988), ("S", 1925)]
        .iter()
        .find_map(|(name, base)| text.strip_prefix(name).map(|rest| (*base, rest.to_owned())))
        .unwrap_or((0, text.clone()));
    let rest = rest.replace("元年", "1年");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    if era == 0 && digits.len() == 8 && rest.len() == 8 {
        return checked_day(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?);
    }
    let parts: Vec<u32> =
        rest.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).take(3).map(str::parse).collect::<Result<_, _>>().ok()?;
    let separators_ok = rest.chars().all(|c| c.is_ascii_digit() || "-/.年月日 ".contains(c));
    if !separators_ok || (era == 0 && digits.len() != 4) {
        return None;
    }
    match parts[..] {
        [year, month, day] => checked_day(era + i32::try_from(year).ok()?, month, day),
        [year, month] => checked_day(era + i32::try_from(year).ok()?, month, 1),
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
        for text in ["2024-04-01", "2024/4/1", "2024年4月1日", "令和6年4月1日", "R6.4.1", "20240401", "２０２４年４月", "令和６年４月１日"]
        {
            assert_eq!(parse_day(text), Some(expected), "{text}");
        }
        for text in ["", "4/1", "2024", "2024-13-01", "令和", "まだ", "2024-04-01; drop"] {
            assert_eq!(parse_day(text), None, "{text}");
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
        }
    }
}
