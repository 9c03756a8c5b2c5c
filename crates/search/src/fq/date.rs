//! Dates of query expressions and their arithmetic.

use chrono::{DateTime, Datelike, Days, Duration, Months, NaiveDate, TimeZone, Timelike, Utc};

/// First moment of a date expression and the moment after its last: a day or a month alone is the whole of it.
pub(crate) fn period(text: &str, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let text = text.trim();
    if text.len() > 100 {
        return None;
    }
    if let Some(rest) = text.strip_prefix("NOW") {
        let moment = apply(now, rest)?;
        return Some((moment, moment.checked_add_signed(Duration::seconds(1))?));
    }
    if let Some(end) = text.find('Z') {
        let moment = apply(minato_catalog::parse_moment(&text[..=end])?, &text[end + 1..])?;
        return Some((moment, moment.checked_add_signed(Duration::seconds(1))?));
    }
    if text.len() == 4 {
        let year: i32 = text.parse().ok()?;
        let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
        let next = NaiveDate::from_ymd_opt(year.checked_add(1)?, 1, 1)?;
        return Some((minato_catalog::jst_midnight(first), minato_catalog::jst_midnight(next)));
    }
    let moment = minato_catalog::parse_moment(text)?;
    let end = match minato_catalog::parse_day(text) {
        Some(_) if text.len() == 7 => moment.checked_add_months(Months::new(1))?,
        Some(_) => moment.checked_add_days(Days::new(1))?,
        None => moment.checked_add_signed(Duration::seconds(1))?,
    };
    Some((moment, end))
}

/// `-1YEAR`, `+2DAYS`, `/MONTH`, one after the other.
fn apply(mut moment: DateTime<Utc>, mut operations: &str) -> Option<DateTime<Utc>> {
    while !operations.is_empty() {
        let operator = operations.chars().next()?;
        let rest = operations.get(operator.len_utf8()..)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let letters = rest[digits..].len() - rest[digits..].trim_start_matches(|c: char| c.is_ascii_uppercase()).len();
        let unit = rest[digits..digits + letters].trim_end_matches('S');
        operations = &rest[digits + letters..];
        moment = match operator {
            '/' if digits == 0 => floor(moment, unit)?,
            '+' | '-' => {
                let amount: i32 = rest[..digits].parse().ok()?;
                shift(moment, if operator == '-' { -amount } else { amount }, unit)?
            }
            _ => return None,
        };
    }
    Some(moment)
}

fn shift(moment: DateTime<Utc>, amount: i32, unit: &str) -> Option<DateTime<Utc>> {
    let months = |count: i32| {
        let months = Months::new(count.unsigned_abs());
        if count < 0 { moment.checked_sub_months(months) } else { moment.checked_add_months(months) }
    };
    let duration = match unit {
        "YEAR" => return months(amount.checked_mul(12)?),
        "MONTH" => return months(amount),
        "WEEK" => Duration::try_weeks(amount.into())?,
        "DAY" | "DATE" => Duration::try_days(amount.into())?,
        "HOUR" => Duration::try_hours(amount.into())?,
        "MINUTE" => Duration::try_minutes(amount.into())?,
        "SECOND" => Duration::try_seconds(amount.into())?,
        "MILLI" | "MILLISECOND" => Duration::milliseconds(amount.into()),
        _ => return None,
    };
    moment.checked_add_signed(duration)
}

fn floor(moment: DateTime<Utc>, unit: &str) -> Option<DateTime<Utc>> {
    let (month, day, hour, minute, second) = (moment.month(), moment.day(), moment.hour(), moment.minute(), moment.second());
    let at = |month, day, hour, minute, second| Utc.with_ymd_and_hms(moment.year(), month, day, hour, minute, second).single();
    match unit {
        "YEAR" => at(1, 1, 0, 0, 0),
        "MONTH" => at(month, 1, 0, 0, 0),
        "DAY" | "DATE" => at(month, day, 0, 0, 0),
        "HOUR" => at(month, day, hour, 0, 0),
        "MINUTE" => at(month, day, hour, minute, 0),
        "SECOND" | "MILLI" | "MILLISECOND" => at(month, day, hour, minute, second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str)>) {
        let now = Utc.with_ymd_and_hms(2025, 3, 31, 12, 34, 56).unwrap();
        let found = period(text, now).map(|(start, end)| (start.to_rfc3339(), end.to_rfc3339()));
        assert_eq!(found, expected.map(|(start, end)| (start.to_owned(), end.to_owned())), "{text}");
    }

    #[test]
    fn arithmetic_as_in_solr() {
        check("NOW", Some(("2025-03-31T12:34:56+00:00", "2025-03-31T12:34:57+00:00")));
        check("NOW-1YEAR/DAY", Some(("2024-03-31T00:00:00+00:00", "2024-03-31T00:00:01+00:00")));
        check("NOW/MONTH-1MONTH", Some(("2025-02-01T00:00:00+00:00", "2025-02-01T00:00:01+00:00")));
        check("2024-01-31T00:00:00Z+1MONTH", Some(("2024-02-29T00:00:00+00:00", "2024-02-29T00:00:01+00:00")));
        check("2024-04-01", Some(("2024-03-31T15:00:00+00:00", "2024-04-01T15:00:00+00:00")));
        check("2024-04", Some(("2024-03-31T15:00:00+00:00", "2024-04-30T15:00:00+00:00")));
        check("2024", Some(("2023-12-31T15:00:00+00:00", "2024-12-31T15:00:00+00:00")));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "NOWhere", "NOW-1EON", "NOW-999999999999YEARS", "NOW-99999999YEARS", "NOW/1DAY", "昨日", "2024-13-01"] {
            check(text, None);
        }
    }
}
