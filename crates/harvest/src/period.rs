//! Periods as publishers write them: ISO 8601 intervals, and the dates in Japanese titles that tell one edition from another.

use std::sync::LazyLock;

use chrono::{Datelike, Months, NaiveDate};
use minato_catalog::{Temporal, jst_day, parse_day, parse_moment};
use regex::{Captures, Regex};

/// A title without its dates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parted {
    /// What stays the same from edition to edition.
    pub(crate) rest: String,
    /// The dates as written; empty when there are none.
    pub(crate) words: String,
    /// The days they mean, where they say what the data covers.
    pub(crate) temporal: Option<Temporal>,
    /// A month without its year.
    pub(crate) month: Option<u32>,
}

impl Parted {
    /// What tells this edition from others; empty for the only one.
    pub(crate) fn edition(&self) -> String {
        match &self.temporal {
            Some(Temporal { start, end }) => {
                let day = |day: &Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
                format!("{}/{}", day(start), day(end))
            }
            None => self.words.split_whitespace().collect(),
        }
    }

    /// The month within the year (or fiscal year) that a heading names.
    pub(crate) fn within(mut self, year: &Temporal) -> Parted {
        let (Some(month), Some(start)) = (self.month, year.start) else { return self };
        let year = if month < start.month() { start.year() + 1 } else { start.year() };
        self.temporal = month_of(year, month);
        self
    }
}

/// Takes the dates out of a title: `人口統計（令和5年3月末現在）` is `人口統計`.
pub(crate) fn part(text: &str) -> Parted {
    // An underscore counts as a letter where words are told apart.
    static JOINT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"_+([0-9])|([0-9])_+").expect("the expression is valid"));
    let text = JOINT.replace_all(&narrow(text), "$2 $1").into_owned();
    let mut parted = Parted::default();
    let mut words: Vec<&str> = Vec::new();
    let mut rest = String::new();
    let mut end = 0;
    for found in POINT.captures_iter(&text) {
        let Some(all) = found.get(0) else { continue };
        let between = &text[end..all.start()];
        let point = days_of(&found);
        let joins = !words.is_empty() && matches!(between.trim(), "～" | "〜" | "~" | "-" | "－" | "–" | "―" | "から");
        match (&mut parted.temporal, point) {
            (Some(known), Some(point)) if joins => known.end = point.end,
            (known @ None, Some(point)) if words.is_empty() => *known = Some(point),
            _ => {}
        }
        if joins {
            words.push(between.trim());
        } else {
            rest.push_str(between);
        }
        words.push(all.as_str().trim());
        end = all.end();
    }
    rest.push_str(&text[end..]);
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    parted.words = words.join(" ");
    if parted.words.is_empty()
        && let Some(found) = MONTH.captures(&rest)
        && let Some(month) = found.name("m").and_then(|month| month.as_str().parse().ok()).filter(|month| (1..=12).contains(month))
    {
        // `4月` alone names an edition; `4月の予定` does where a heading says of which year.
        parted.month = Some(month);
        parted.words = found[0].trim().to_owned();
        rest = rest.replacen(&found[0], "", 1);
    }
    if let Some(found) = ISSUE.find(&rest) {
        parted.words = [parted.words.as_str(), found.as_str()].join(" ").trim().to_owned();
        rest = rest.replacen(found.as_str(), "", 1);
    }
    parted.rest = if parted.words.is_empty() { crate::page::squeezed(&rest) } else { tidied(&rest) };
    parted
}

/// Days of an interval: `2020-01-01/2021-12-31`, `2020/..`, `2011-09`, `2020`, DCMI periods, or words as in a title.
pub(crate) fn interval(text: &str) -> Option<Temporal> {
    let text = text.trim();
    if let Some((_, rest)) = text.split_once("start=") {
        let value = |rest: &str| rest.split(';').next().unwrap_or_default().trim().to_owned();
        let end = text.split_once("end=").map(|(_, rest)| value(rest)).unwrap_or_default();
        return in_order(first_day(&value(rest)), last_day(&end));
    }
    let iso = |part: &str| part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ+".contains(&byte));
    for separator in ["/", "--", " - ", "～", "〜"] {
        if let Some((start, end)) = text.split_once(separator) {
            let (start, end) = (start.trim(), end.trim());
            let open = |part: &str| part.is_empty() || part == "..";
            if (iso(start) || open(start)) && (iso(end) || open(end)) {
                return in_order(first_day(start), last_day(end));
            }
        }
    }
    match (first_day(text), last_day(text)) {
        (None, None) => part(text).temporal,
        (start, end) => in_order(start, end),
    }
}

fn in_order(start: Option<NaiveDate>, end: Option<NaiveDate>) -> Option<Temporal> {
    let backwards = matches!((start, end), (Some(start), Some(end)) if end < start);
    ((start.is_some() || end.is_some()) && !backwards).then_some(Temporal { start, end })
}

/// The first day of what is named: a day, a month or a year.
pub(crate) fn first_day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    if let Some(day) = parse_moment(text).map(jst_day).or_else(|| parse_day(text)) {
        return Some(day);
    }
    // `xsd:date` may carry a zone.
    let bare = text.strip_suffix('Z').or_else(|| text.get(..10).filter(|_| text.len() == 16)).unwrap_or(text);
    parse_day(bare).or_else(|| year(bare).and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)))
}

/// The last day of what is named.
pub(crate) fn last_day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    if let Some(year) = year(text) {
        return NaiveDate::from_ymd_opt(year, 12, 31);
    }
    let day = first_day(text)?;
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count();
    if numbers == 2 && text.chars().count() <= 8 { month_of(day.year(), day.month())?.end } else { Some(day) }
}

fn year(text: &str) -> Option<i32> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten().filter(|year| *year > 0)
}

/// Full-width digits and letters as half-width ones; brackets stay as they are.
pub(crate) fn narrow(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '．' => '.',
            '\u{3000}' | '\u{a0}' => ' ',
            _ => c,
        })
        .collect()
}

/// One date or year, and the words that say that it is one.
static POINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?: (?-u:\b)(?P<compact>(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?-u:\b)
          | (?: (?P<era>令和|平成|昭和|大正|明治)\s*(?P<n>元|\d{1,2})
              | (?-u:\b)(?P<letter>[RHS])\.?(?P<ln>\d{1,2})
              | (?-u:\b)(?P<western>(?:18|19|20)\d{2}) )
            (?: \s*(?P<fiscal>年度)(?:\s*の?\s*(?:(?P<half>[上下]半?期|[前後]期)|第?\s*(?P<quarter>[1-4一二三四])\s*四半期))?
              | \s*年\s*(?P<m>\d{1,2})\s*月(?:\s*(?P<d>\d{1,2})\s*日|\s*(?P<last>末日?))?
              | \s*(?P<year>年)
              | [-/.](?P<m2>\d{1,2})(?:[-/.](?P<d2>\d{1,2}))?(?-u:\b)
              | (?-u:\b) ) )
        (?:\s*(?:末日?)?\s*(?:(?P<covers>現在|時点|分|まで)|(?P<edition>[改新]?訂?版|更新|改訂|改定|公表|公開|作成|掲載)))?",
    )
    .expect("the expression is valid")
});

static MONTH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)(?P<m>\d{1,2})\s*月(?:\s*\d{1,2}\s*日)?(?:末日?)?\s*(?:現在|時点|分|号|度|版|更新)?")
        .expect("the expression is valid")
});

static ISSUE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"第\s*\d{1,4}\s*[回版]").expect("the expression is valid"));

/// The days that a point means; `None` for dates that only say when it was published, and for years that may be fiscal or not.
fn days_of(found: &Captures<'_>) -> Option<Temporal> {
    if found.name("edition").is_some() {
        return None;
    }
    let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse::<u32>().ok());
    if let Some(compact) = found.name("compact") {
        let day = parse_day(compact.as_str())?;
        return Some(Temporal { start: Some(day), end: Some(day) });
    }
    let era_year =
        found.name("n").or_else(|| found.name("ln")).map(|n| if n.as_str() == "元" { 1 } else { n.as_str().parse().unwrap_or(0) });
    let base = match found.name("era").or_else(|| found.name("letter")).map(|era| era.as_str()) {
        Some("令和" | "R") => 2018,
        Some("平成" | "H") => 1988,
        Some("昭和" | "S") => 1925,
        Some("大正") => 1911,
        Some("明治") => 1867,
        _ => 0,
    };
    let year = match (number("western"), era_year) {
        (Some(year), _) => i32::try_from(year).ok()?,
        (None, Some(n)) if n > 0 => base + n,
        _ => return None,
    };
    if found.name("fiscal").is_some() {
        let months = match (found.name("half").map(|half| half.as_str()), found.name("quarter").map(|quarter| quarter.as_str())) {
            (Some(half), _) if half.starts_with(['上', '前']) => (0, 6),
            (Some(_), _) => (6, 6),
            (None, Some("1" | "一")) => (0, 3),
            (None, Some("2" | "二")) => (3, 3),
            (None, Some("3" | "三")) => (6, 3),
            (None, Some(_)) => (9, 3),
            (None, None) => (0, 12),
        };
        let start = NaiveDate::from_ymd_opt(year, 4, 1)?.checked_add_months(Months::new(months.0))?;
        let end = start.checked_add_months(Months::new(months.1))?.pred_opt()?;
        return Some(Temporal { start: Some(start), end: Some(end) });
    }
    if let Some(month) = number("m").or_else(|| number("m2")) {
        let whole = month_of(year, month)?;
        if let Some(day) = number("d").or_else(|| number("d2")) {
            let day = NaiveDate::from_ymd_opt(year, month, day)?;
            return Some(Temporal { start: Some(day), end: Some(day) });
        }
        let is_end = found.name("last").is_some();
        return Some(if is_end { Temporal { start: whole.end, end: whole.end } } else { whole });
    }
    found.name("year")?;
    Some(Temporal { start: NaiveDate::from_ymd_opt(year, 1, 1), end: NaiveDate::from_ymd_opt(year, 12, 31) })
}

fn month_of(year: i32, month: u32) -> Option<Temporal> {
    let start = NaiveDate::from_ymd_opt(year, month, 1)?;
    Some(Temporal { start: Some(start), end: start.checked_add_months(Months::new(1))?.pred_opt() })
}

/// A title after its dates went: without the brackets and joints they leave.
fn tidied(text: &str) -> String {
    static EMPTY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[（(\[［【〔「『<〈《]\s*(?:の|、|,|・)?\s*[)）\]］】〕」』>〉》]").expect("the expression is valid")
    });
    let mut text = text.to_owned();
    while let Some(found) = EMPTY.find(&text) {
        let range = found.range();
        text.replace_range(range, " ");
    }
    let joints: &[char] = &[' ', '、', ',', ':', '：', '-', '－', '–', '_', '／', '/', '・', '～', '〜', '~', '|', '｜', '.'];
    let text = text.trim_matches(joints);
    let text = text.strip_prefix('の').unwrap_or(text);
    let text = text.strip_suffix('の').unwrap_or(text);
    crate::page::squeezed(text.trim_matches(joints))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, rest: &str, edition: &str) {
        let parted = part(text);
        assert_eq!((parted.rest.as_str(), parted.edition().as_str()), (rest, edition), "{text}: {parted:?}");
    }

    #[test]
    fn editions_are_taken_out_of_titles() {
        for (text, rest, edition) in [
            ("人口統計（令和5年3月末現在）", "人口統計", "2023-03-31/2023-03-31"),
            ("令和４年度 決算書", "決算書", "2022-04-01/2023-03-31"),
            ("令和元年度の決算書", "決算書", "2019-04-01/2020-03-31"),
            ("2024年4月", "", "2024-04-01/2024-04-30"),
            ("人口(2024年4月1日現在)", "人口", "2024-04-01/2024-04-01"),
            ("R5.3.31 世帯数", "世帯数", "2023-03-31/2023-03-31"),
            ("H29年度ごみ収集量", "ごみ収集量", "2017-04-01/2018-03-31"),
            ("平成30年～令和2年 観光客数", "観光客数", "2018-01-01/2020-12-31"),
            ("令和5年度（2023年度）予算", "予算", "2023-04-01/2024-03-31"),
            ("令和6年度第2四半期 入札結果", "入札結果", "2024-07-01/2024-09-30"),
            ("令和6年度上半期入札結果", "入札結果", "2024-04-01/2024-09-30"),
            ("AED設置箇所_20240401", "AED設置箇所", "2024-04-01/2024-04-01"),
            ("統計書 2024/04", "統計書", "2024-04-01/2024-04-30"),
            ("統計書 令和5年版", "統計書", "令和5年版"),
            ("統計書 2023", "統計書", "2023"),
            ("第3回会議資料", "会議資料", "第3回"),
            ("4月", "", "4月"),
            ("避難所一覧", "避難所一覧", ""),
            ("様式第1号", "様式第1号", ""),
            ("国道2号の交通量", "国道2号の交通量", ""),
            ("1234567890の一覧", "1234567890の一覧", ""),
            ("令和5年13月", "", "令和5年13月"),
        ] {
            check(text, rest, edition);
        }
    }

    #[test]
    fn a_month_takes_its_year_from_the_heading() {
        let year = part("令和5年度").temporal.unwrap();
        assert_eq!(part("4月分").within(&year).edition(), "2023-04-01/2023-04-30");
        assert_eq!(part("3月").within(&year).edition(), "2024-03-01/2024-03-31");
    }

    #[test]
    fn intervals_are_read() {
        for (text, start, end) in [
            ("2020-01-01/2021-12-31", "2020-01-01", "2021-12-31"),
            ("2020/..", "2020-01-01", ""),
            ("../2020-02", "", "2020-02-29"),
            ("2011-09", "2011-09-01", "2011-09-30"),
            ("2020", "2020-01-01", "2020-12-31"),
            ("start=2020-01-01; end=2020-06; scheme=W3C-DTF", "2020-01-01", "2020-06-30"),
            ("2024/4/1", "2024-04-01", "2024-04-01"),
            ("令和5年度", "2023-04-01", "2024-03-31"),
            ("2020-01-01T00:00:00Z/2020-01-02T00:00:00Z", "2020-01-01", "2020-01-02"),
        ] {
            let found = interval(text).unwrap_or_default();
            let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
            assert_eq!((day(found.start).as_str(), day(found.end).as_str()), (start, end), "{text}");
        }
        for text in ["", "まだ", "2021/2020", "/"] {
            assert_eq!(interval(text), None, "{text}");
        }
    }
}
