//! Which clicks are one, and what the downloads of a session add up to.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use minato_catalog::{Cell, Download, Sums, jst_day};
use uuid::Uuid;

use crate::DOUBLE_CLICK_SECONDS;

/// Takes a click into the downloads known so far: as one of its own, or as one with those it is a double click of (COUNTER RD 10.2).
///
/// Clicks of one visitor on one file by one channel are one as long as none is more than [`DOUBLE_CLICK_SECONDS`] after the one before; what
/// the last of them says counts. The result is the same in whatever order clicks arrive: clocks of several servers may differ.
///
/// `known` must hold the downloads with an equal click key that end or begin within that time; others do no harm.
pub fn settle(known: &mut Vec<Download>, click: Download) {
    let mut merged = click;
    let mut index = 0;
    while index < known.len() {
        if is_same_click(&known[index], &merged) {
            merged = merge(known.swap_remove(index), merged);
            // What grew may now reach one that it did not reach before.
            index = 0;
        } else {
            index += 1;
        }
    }
    known.push(merged);
}

/// Looks up the downloads that clicks from `first` to `last` may be double clicks of.
pub fn double_click_window(first: DateTime<Utc>, last: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let reach = TimeDelta::seconds(DOUBLE_CLICK_SECONDS);
    (
        first.checked_sub_signed(reach).unwrap_or(DateTime::<Utc>::MIN_UTC),
        last.checked_add_signed(reach).unwrap_or(DateTime::<Utc>::MAX_UTC),
    )
}

fn is_same_click(a: &Download, b: &Download) -> bool {
    let (first, last) = double_click_window(b.first_at, b.at);
    a.distribution_id == b.distribution_id && a.channel == b.channel && a.at >= first && a.first_at <= last && shares_key(a, b)
}

/// A click in the first minute of a day has a second key, under the salt of the day before, so that midnight makes no second download.
fn shares_key(a: &Download, b: &Download) -> bool {
    a.click == b.click || a.click_before.as_deref() == Some(&*b.click) || b.click_before.as_deref() == Some(&*a.click)
}

/// One download of two; it keeps the id of the known one.
fn merge(known: Download, new: Download) -> Download {
    let (first_at, clicks, id) = (known.first_at.min(new.first_at), known.clicks + new.clicks, known.id);
    let (earlier, last) = if new.at >= known.at { (known, new) } else { (new, known) };
    // Late clicks of before midnight still find what went on after it.
    let other_key = (earlier.click != last.click).then_some(earlier.click);
    let click_before = last.click_before.or(earlier.click_before).or(other_key);
    Download { id, first_at, clicks, click_before, ..last }
}

/// What downloads add up to. Sessions must be complete: all downloads of a visitor from a dataset, or none.
///
/// A session counts where its first download is, so that sums over any cells are right.
pub fn sums<'a>(downloads: impl IntoIterator<Item = &'a Download>) -> BTreeMap<Cell, Sums> {
    let mut sums: BTreeMap<Cell, Sums> = BTreeMap::new();
    // Looks at pages have sessions of their own, beside those of downloads.
    let mut first_of_file: HashMap<(&str, bool, Uuid), &Download> = HashMap::new();
    let mut first_of_dataset: HashMap<(&str, bool, Uuid), &Download> = HashMap::new();
    for download in downloads {
        sums.entry(cell(download)).or_default().total += 1;
        for first in [
            first_of_file.entry((&download.visitor, download.channel.is_download(), download.distribution_id)).or_insert(download),
            first_of_dataset.entry((&download.visitor, download.channel.is_download(), download.dataset_id)).or_insert(download),
        ] {
            if (download.at, download.id) < (first.at, first.id) {
                *first = download;
            }
        }
    }
    for first in first_of_file.values() {
        sums.entry(cell(first)).or_default().unique_files += 1;
    }
    for first in first_of_dataset.values() {
        sums.entry(cell(first)).or_default().unique_datasets += 1;
    }
    sums
}

/// Where a download is counted.
pub fn cell(download: &Download) -> Cell {
    Cell {
        day: jst_day(download.at),
        distribution_id: download.distribution_id,
        dataset_id: download.dataset_id,
        organization_id: download.organization_id,
        class: download.class,
        channel: download.channel,
    }
}

#[cfg(test)]
mod tests {
    use minato_catalog::{Channel, ClientClass};
    use proptest::prelude::*;

    use super::*;

    /// A click of a visitor on a file, so many seconds before or after midnight in Japan at the end of the fiscal year.
    fn click(visitor: &str, file: u128, seconds: i64) -> Download {
        let midnight: DateTime<Utc> = "2026-03-31T15:00:00Z".parse().unwrap();
        let at = midnight + TimeDelta::seconds(seconds);
        let hour = seconds.div_euclid(3_600);
        Download {
            id: Uuid::from_u128(u128::from(seconds.unsigned_abs()) + (file << 64)),
            at,
            first_at: at,
            clicks: 1,
            distribution_id: Uuid::from_u128(file),
            dataset_id: Uuid::from_u128(100 + file / 10),
            organization_id: Uuid::from_u128(200),
            class: ClientClass::Human,
            channel: Channel::File,
            visitor: format!("{visitor} {hour}"),
            click: format!("{visitor} {}", if seconds < 0 { "31" } else { "1" }),
            click_before: (0..60).contains(&seconds).then(|| format!("{visitor} 31")),
            referrer: String::new(),
            format: "CSV".to_owned(),
            agent_rule: "(browser)".to_owned(),
            method_version: 2,
        }
    }

    fn settled(clicks: &[Download]) -> Vec<Download> {
        let mut known = Vec::new();
        for click in clicks {
            settle(&mut known, click.clone());
        }
        known.sort_by_key(|download| (download.at, download.distribution_id));
        known
    }

    /// Day, downloads, sessions by file and by dataset.
    fn by_day(downloads: &[Download]) -> Vec<(String, i64, i64, i64)> {
        let mut days: BTreeMap<String, Sums> = BTreeMap::new();
        for (cell, sum) in sums(downloads) {
            *days.entry(cell.day.to_string()).or_default() += sum;
        }
        days.into_iter().map(|(day, sum)| (day, sum.total, sum.unique_files, sum.unique_datasets)).collect()
    }

    #[test]
    fn the_last_click_within_thirty_seconds_stays() {
        for (seconds, expected) in [
            (&[3_600, 3_630][..], &[(3_630, 2)][..]),
            (&[3_600, 3_631], &[(3_600, 1), (3_631, 1)]),
            (&[3_600, 3_625, 3_650, 3_675], &[(3_675, 4)]),
            (&[3_600, 3_640, 3_620], &[(3_640, 3)]),
            (&[3_600, 3_600], &[(3_600, 2)]),
        ] {
            let clicks: Vec<_> = seconds.iter().map(|at| click("a", 1, *at)).collect();
            let found: Vec<_> = settled(&clicks).iter().map(|download| (download.at, download.clicks)).collect();
            let expected: Vec<_> = expected.iter().map(|(at, clicks)| (click("a", 1, *at).at, *clicks)).collect();
            assert_eq!(found, expected, "{seconds:?}");
        }
    }

    #[test]
    fn only_the_same_visitor_file_and_channel_are_one_click() {
        let first = click("a", 1, 100);
        let zip = Download { channel: Channel::Zip, ..click("a", 1, 101) };
        assert_eq!(settled(&[first, click("b", 1, 101), click("a", 2, 101), zip]).len(), 4);
    }

    #[test]
    fn a_double_click_over_midnight_is_one_of_the_new_fiscal_year() {
        let one = settled(&[click("a", 1, -5), click("a", 1, 5)]);
        assert_eq!(by_day(&one), [("2026-04-01".to_owned(), 1, 1, 1)]);
        assert_eq!(one[0].clicks, 2);
        // The clock of the other server is behind.
        let other = settled(&[click("a", 1, 5), click("a", 1, -5)]);
        assert_eq!((other.len(), by_day(&other)), (1, by_day(&one)));
        assert_eq!(by_day(&settled(&[click("a", 1, -15), click("a", 1, 16)])).len(), 2);
    }

    #[test]
    fn sessions_count_once_an_hour_for_each_file_and_dataset() {
        // Files 1 to 9 are of one dataset. An hour in which file 1 is had three times and file 2 once, then another hour.
        let downloads = settled(&[click("a", 1, 100), click("a", 1, 200), click("a", 2, 300), click("a", 1, 400), click("a", 1, 4_000)]);
        assert_eq!(by_day(&downloads), [("2026-04-01".to_owned(), 5, 3, 2)]);
        let two = settled(&[click("a", 1, 100), click("b", 1, 100), click("b", 11, 100)]);
        assert_eq!(by_day(&two), [("2026-04-01".to_owned(), 3, 3, 3)]);
    }

    #[test]
    fn a_session_counts_where_it_began() {
        let curl = Download { class: ClientClass::Machine, ..click("a", 1, 300) };
        let sums: Vec<_> = sums(&settled(&[curl, click("a", 1, 200)])).into_iter().map(|(cell, sum)| (cell.class, sum)).collect();
        let expected = |unique| Sums { total: 1, unique_files: unique, unique_datasets: unique };
        assert_eq!(sums, [(ClientClass::Human, expected(1)), (ClientClass::Machine, expected(0))]);
    }

    #[test]
    fn looking_at_the_page_is_a_session_of_its_own() {
        let page = Download { channel: Channel::Page, ..click("a", 100, 90) };
        let sums: Vec<_> = sums(&settled(&[page, click("a", 1, 200)])).into_iter().map(|(cell, sum)| (cell.channel, sum)).collect();
        let one = Sums { total: 1, unique_files: 1, unique_datasets: 1 };
        assert_eq!(sums, [(Channel::File, one), (Channel::Page, one)]);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_changes_nothing(clicks in proptest::collection::vec((0..3_u8, 1..3_u128, -100..100_i64), 0..25), turn in 0..25_usize) {
            let clicks: Vec<_> = clicks.into_iter().map(|(visitor, file, at)| click(&visitor.to_string(), file, at)).collect();
            let mut turned = clicks.clone();
            turned.rotate_left(if clicks.is_empty() { 0 } else { turn % clicks.len() });
            turned.reverse();
            let (one, other) = (settled(&clicks), settled(&turned));
            prop_assert_eq!(one.iter().map(|download| download.clicks).sum::<i64>(), i64::try_from(clicks.len()).unwrap());
            prop_assert_eq!(by_day(&one), by_day(&other));
        }
    }
}
