//! When a source is harvested: cron in Japan's time, or a word that spreads sources over the night.

use chrono::{DateTime, FixedOffset, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use crate::FieldError;

/// Japan has one time zone and no daylight saving.
const JST_SECONDS: i32 = 9 * 3600;
/// The night: half past midnight to half past five.
const NIGHT_STARTS_MINUTE: u64 = 30;
const NIGHT_MINUTES: u64 = 300;

/// A parsed schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
}

impl Schedule {
    /// Five fields of cron, `@hourly`, `@daily`, `@weekly`, `@monthly`, or `@nightly`, whose minute follows from `key`, so that sources are
    /// spread over the night and each keeps its place.
    pub fn parse(text: &str, key: &str) -> Result<Schedule, FieldError> {
        let text = text.trim();
        let written = if text.eq_ignore_ascii_case("@nightly") {
            let minute = NIGHT_STARTS_MINUTE + spread(key) % NIGHT_MINUTES;
            format!("{} {} * * *", minute % 60, minute / 60)
        } else {
            text.to_owned()
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        parser.parse(&written).map(|cron| Schedule { cron }).map_err(|_| {
            let shown: String = text.chars().take(100).collect();
            FieldError::new(
                "/schedule",
                "invalid_schedule",
                format!("/schedule の「{shown}」は読めません。「分 時 日 月 曜日」（例: 30 3 * * *）か @nightly と書いてください。時刻は日本時間です。"),
                format!("/schedule `{shown}` is not a schedule; write minute, hour, day, month and weekday (`30 3 * * *`, Japan's time) or @nightly"),
            )
        })
    }

    /// The first moment after `after`; `None` when there is none, as for 30 February.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let japan = FixedOffset::east_opt(JST_SECONDS)?;
        let next = self.cron.find_next_occurrence(&after.with_timezone(&japan), false).ok()?;
        Some(next.with_timezone(&Utc))
    }
}

/// FNV-1a: the same on every machine and version.
fn spread(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> Option<String> {
        let after = after.parse::<DateTime<Utc>>().unwrap();
        Schedule::parse(schedule, "kure").unwrap().next_after(after).map(|at| at.format("%Y-%m-%dT%H:%MZ").to_string())
    }

    #[test]
    fn times_are_japans() {
        assert_eq!(next("30 3 * * *", "2026-11-25T00:00:00Z").as_deref(), Some("2026-11-25T18:30Z"));
        assert_eq!(next("0 9 1 4 *", "2026-11-25T00:00:00Z").as_deref(), Some("2027-04-01T00:00Z"));
        assert_eq!(next("0 0 30 2 *", "2026-11-25T00:00:00Z"), None);
    }

    #[test]
    fn the_moment_itself_is_not_next() {
        assert_eq!(next("30 3 * * *", "2026-11-25T18:30:00Z").as_deref(), Some("2026-11-26T18:30Z"));
    }

    #[test]
    fn nights_are_spread_and_stay() {
        let minute = |key: &str| {
            let after = "2026-11-25T00:00:00Z".parse().unwrap();
            Schedule::parse("@nightly", key).unwrap().next_after(after).unwrap()
        };
        let keys = ["kure", "mihara", "onomichi", "fukuyama", "miyoshi", "shobara"];
        let minutes: std::collections::BTreeSet<_> = keys.iter().map(|key| minute(key)).collect();
        assert!(minutes.len() >= 5, "{minutes:?}");
        for at in &minutes {
            let time = at.format("%H:%M").to_string();
            assert!(("15:30".."20:30").contains(&time.as_str()), "{time}");
        }
        assert_eq!(minute("kure"), minute("kure"));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "daily", "61 0 * * *", "* * *", "0 0 3 * * *", "@never", "30 25 * * *"] {
            let error = Schedule::parse(text, "kure").unwrap_err();
            assert!(error.message.en.contains("30 3 * * *"), "{text}: {error:?}");
        }
    }
}
