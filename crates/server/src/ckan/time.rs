//! CKAN's times: UTC, without saying so.

use chrono::{DateTime, NaiveDate, Utc};
use minato_app::catalog::{jst_day, parse_day, parse_moment};

/// `2026-11-20T03:00:00.000000`.
pub(super) fn naive(at: DateTime<Utc>) -> String {
    at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// A time as CKAN's clients send it: UTC unless it says otherwise; a bare day is one in Japan.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let is_naive = text.len() > 10
        && !text.ends_with(['Z', 'z'])
        && text.get(10..).is_some_and(|time| time.contains(':') && !time.contains(['+', '-']));
    if is_naive { parse_moment(&format!("{}Z", text.replacen(' ', "T", 1))) } else { parse_moment(text) }
}

/// A day, also of a moment.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    parse_day(text).or_else(|| moment(text).map(jst_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_utc() {
        for text in ["2026-11-20T03:00:00.123456", "2026-11-20 03:00:00.123456", "2026-11-20T12:00:00.123456+09:00"] {
            assert_eq!(naive(moment(text).unwrap()), "2026-11-20T03:00:00.123456", "{text}");
        }
        assert_eq!(naive(moment("2026-11-20T03:00:00").unwrap()), "2026-11-20T03:00:00.000000");
        assert_eq!(day("2026-11-20T20:00:00").unwrap().to_string(), "2026-11-21");
        assert_eq!(moment("tomorrow"), None);
    }
}
