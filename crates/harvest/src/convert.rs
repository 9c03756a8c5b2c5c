//! What all protocols share on the way from a publisher's words to a draft.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use minato_catalog::{
    DatasetDraft, DistributionDraft, Frequency, HarvestedRecord, KEYWORDS_MAX, RecordFailure, Spatial, Temporal, Text, URL_LENGTH_MAX,
    Vocabulary, frequency, is_local_government_code, jst_day, parse_day, parse_moment, parse_period,
};
use minato_dcat::{bounding_box, language_code};
use unicode_normalization::UnicodeNormalization;
use url::Url;

/// Longest keyword a draft may have, in characters.
const KEYWORD_LENGTH_MAX: usize = 100;

/// A record while it is being converted.
pub(crate) struct Record<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) draft: DatasetDraft,
    pub(crate) notices: Vec<Text>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(vocabulary: &'a Vocabulary) -> Self {
        Record { vocabulary, draft: DatasetDraft::default(), notices: Vec::new() }
    }

    pub(crate) fn notice(&mut self, ja: impl Into<String>, en: impl Into<String>) {
        let notice = Text::new(ja, en);
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Keeps a value that has no field; an empty one is none.
    pub(crate) fn extra(&mut self, key: &str, value: &str) {
        let value = value.trim();
        if !value.is_empty() {
            self.draft.extras.insert(key.to_owned(), value.to_owned());
        }
    }

    pub(crate) fn keyword(&mut self, word: &str) {
        let word = word.trim();
        if word.is_empty() || self.draft.keywords.iter().any(|known| known == word) {
            return;
        }
        if word.chars().count() > KEYWORD_LENGTH_MAX || self.draft.keywords.len() >= KEYWORDS_MAX {
            let start: String = word.chars().take(30).collect();
            self.notice(
                format!("キーワード「{start}…」は長すぎるか多すぎるため、使いませんでした。"),
                format!("the keyword `{start}…` is too long or one too many and was not used"),
            );
            return;
        }
        self.draft.keywords.push(word.to_owned());
    }

    /// A theme by any spelling; an unknown one becomes a keyword.
    pub(crate) fn theme(&mut self, spellings: &[&str]) {
        let known = spellings.iter().find_map(|text| self.vocabulary.find_theme(text));
        if let Some(id) = known {
            if !self.draft.themes.iter().any(|theme| theme == id) {
                self.draft.themes.push(id.to_owned());
            }
            return;
        }
        let Some(word) = spellings.iter().map(|text| text.trim()).find(|text| !text.is_empty()) else { return };
        self.notice(
            format!("分類「{word}」は登録されていないため、キーワードに残しました。"),
            format!("the theme `{word}` is not in the list and was kept as a keyword"),
        );
        self.keyword(word);
    }

    /// An id of the publisher's own. Those made by programs say nothing to a publisher.
    pub(crate) fn identifier(&mut self, id: &str) {
        let is_machine_id = id.contains("://") || id.starts_with("urn:") || is_hexadecimal(id) || id.chars().count() > 500;
        if !is_machine_id && !id.trim().is_empty() {
            self.draft.identifier = Some(id.trim().to_owned());
        }
    }

    /// The licence by any spelling: its id, and the publisher's words where they are not among that licence's.
    pub(crate) fn licence(&mut self, spellings: &[&str]) -> (Option<String>, Option<String>) {
        let spellings: Vec<&str> = spellings.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        let known = spellings.iter().find_map(|text| self.vocabulary.find_licence(text));
        if let Some(id) = known {
            return (Some(id.to_owned()), None);
        }
        let Some(words) = spellings.first() else { return (None, None) };
        self.notice(
            format!("ライセンス「{words}」は登録されていないため、原文のまま残しました。"),
            format!("the licence `{words}` is not in the list and was kept in the publisher's words"),
        );
        (None, Some(spellings.join(" ")))
    }

    /// Takes the licence that all files have in common for the dataset's, where that has none: some software knows licences of files only.
    pub(crate) fn lift_licence(&mut self) {
        let Some(distributions) = self.draft.distributions.as_mut().filter(|distributions| !distributions.is_empty()) else { return };
        if self.draft.licence.is_some() || self.draft.licence_text.is_some() {
            return;
        }
        let of = |distribution: &DistributionDraft| (distribution.licence.clone(), distribution.extras.get("licence_text").cloned());
        let common = of(&distributions[0]);
        if distributions.iter().all(|distribution| of(distribution) == common) {
            for distribution in distributions {
                distribution.licence = None;
                distribution.extras.remove("licence_text");
            }
            (self.draft.licence, self.draft.licence_text) = common;
        }
    }

    /// The update frequency; an unknown one is kept among the extras.
    pub(crate) fn frequency(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let found = self.vocabulary.find_frequency(text).or_else(|| counted_frequency(text)).or_else(|| repeated_frequency(text));
        if let Some(frequency) = found {
            self.draft.accrual_periodicity = Some(frequency.id.to_owned());
            return;
        }
        self.notice(
            format!("更新頻度「{text}」は登録されていないため、その他の項目に残しました。"),
            format!("the update frequency `{text}` is not in the list and was kept among the extras"),
        );
        self.extra("accrual_periodicity", text);
    }

    /// A moment; one that cannot be read is noted by the name of its field.
    pub(crate) fn moment(&mut self, name: &str, text: &str) -> Option<DateTime<Utc>> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let moment = parse_moment(text);
        if moment.is_none() {
            self.notice(
                format!("{name} の「{text}」を日付として読めないため、使いませんでした。2024-04-01 の形で書いてください。"),
                format!("{name} `{text}` is not a date and was not used; write 2024-04-01"),
            );
        }
        moment
    }

    /// The area covered: a geometry or a name in `place`, names in `labels`. Local government codes and words the source's mapping knows
    /// become codes. A geometry that cannot be read is noted and kept among the extras, as is an address.
    pub(crate) fn spatial(&mut self, place: &str, labels: &[String]) {
        let bbox = bounding_box(place).or_else(|| bounding_box(&format!("[{place}]")));
        let mut spatial = Spatial { bbox, ..Spatial::default() };
        let is_geometry = place.trim_start().starts_with(['{', '[']);
        if bbox.is_none() && (place.contains("://") || is_geometry && place.contains(char::is_numeric)) {
            if is_geometry {
                let start: String = place.trim().chars().take(100).collect();
                self.notice(
                    format!(
                        "spatial の「{start}」から範囲を読めないため、その他の項目に残しました。GeoJSON（経度・緯度の順）か確認してください。"
                    ),
                    format!("no area can be read from spatial `{start}`, which was kept among the extras; write GeoJSON, longitude first"),
                );
            }
            self.extra("spatial", place);
        }
        let place = Some(place).filter(|place| bbox.is_none() && !is_geometry && !place.contains("://")).map(str::to_owned);
        let mut names: Vec<String> = Vec::new();
        for name in labels.iter().cloned().chain(place).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
            let code =
                self.vocabulary.find_area(&name).map(str::to_owned).or_else(|| is_local_government_code(&name).then(|| name.clone()));
            let is_code = is_local_government_code(&name);
            if let Some(code) = code
                && !spatial.area_codes.contains(&code)
            {
                spatial.area_codes.push(code);
            }
            if !is_code && !names.contains(&name) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            spatial.label = Some(names.join("、"));
        }
        if spatial != Spatial::default() {
            self.draft.spatial = Some(spatial);
        }
    }

    /// The time covered; what is no pair of days in order is kept among the extras.
    pub(crate) fn temporal(&mut self, start: &str, end: &str) {
        let (start, end) = (start.trim(), end.trim());
        let temporal = Temporal { start: first_day(start), end: last_day(end) };
        let unread = (!start.is_empty() && temporal.start.is_none()) || (!end.is_empty() && !is_open_end(end) && temporal.end.is_none());
        let in_order = !matches!((temporal.start, temporal.end), (Some(start), Some(end)) if end < start);
        if temporal != Temporal::default() && in_order && !unread {
            self.draft.temporal = Some(temporal);
        } else {
            self.extra("temporal_start", start);
            self.extra("temporal_end", end);
        }
    }

    /// A language by any spelling; an unknown one is kept among the extras.
    pub(crate) fn language(&mut self, word: &str) {
        match language_code(word) {
            Some(code) if !self.draft.language.contains(&code) => self.draft.language.push(code),
            Some(_) => {}
            None => self.extra("language", word),
        }
    }

    /// A web address; what is none is noted and kept in `extras`.
    pub(crate) fn address(
        &mut self,
        name: &str,
        text: &str,
        base: Option<&Url>,
        extras: Option<&mut BTreeMap<String, String>>,
    ) -> Option<String> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let address = usable_url(text, base);
        if address.is_none() {
            let start: String = text.chars().take(100).collect();
            self.notice(
                format!("{name} の「{start}」は URL ではないため、その他の項目に残しました。"),
                format!("{name} `{start}` is not a web address and was kept among the extras"),
            );
            extras.unwrap_or(&mut self.draft.extras).insert(name.to_owned(), text.to_owned());
        }
        address
    }

    /// The finished record; a failure that names the fields when the draft breaks the catalog's rules.
    pub(crate) fn finish(
        mut self,
        remote_id: String,
        remote_url: Option<String>,
        position: &str,
        raw: String,
    ) -> Result<HarvestedRecord, RecordFailure> {
        self.notices.extend(self.draft.tidy());
        let errors = self.draft.check(self.vocabulary);
        if errors.is_empty() {
            return Ok(HarvestedRecord { remote_id, alternate_id: None, remote_url, raw, draft: self.draft, notices: self.notices });
        }
        let ja: Vec<&str> = errors.iter().map(|error| error.message.ja.as_str()).collect();
        let en: Vec<&str> = errors.iter().map(|error| error.message.en.as_str()).collect();
        Err(RecordFailure {
            remote_id: Some(remote_id),
            position: position.to_owned(),
            cause: Text::new(format!("{position}: {}", ja.join(" ")), format!("{position}: {}", en.join("; "))),
            raw: Some(raw),
        })
    }
}

/// The text as an absolute http, https or ftp address; one that needs no repair stays letter for letter.
pub(crate) fn usable_url(text: &str, base: Option<&Url>) -> Option<String> {
    let text = text.trim();
    let (url, as_written) = match Url::parse(text) {
        Ok(url) => (url, true),
        Err(_) => (base?.join(text).ok()?, false),
    };
    let kept = if as_written && !text.contains(char::is_whitespace) { text.to_owned() } else { url.to_string() };
    let usable = matches!(url.scheme(), "http" | "https" | "ftp") && url.has_host() && kept.chars().count() <= URL_LENGTH_MAX;
    usable.then_some(kept)
}

/// A time that software keeps in UTC and sends without a zone.
pub(crate) fn utc_moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let has_zone = text.ends_with('Z') || text.get(10..).is_some_and(|time| time.contains(['+', '-']));
    if text.len() > 10 && !has_zone { parse_moment(&format!("{}Z", text.replacen(' ', "T", 1))) } else { parse_moment(text) }
}

/// The site behind an address that may lead into its API or pages: cut off where one of `inner` begins, with a slash at the end.
pub(crate) fn site(address: &str, inner: &[&str]) -> Result<Url, crate::Error> {
    let invalid = || crate::Error::InvalidUrl { url: address.chars().take(500).collect() };
    let mut url = Url::parse(address.trim()).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid());
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    let cut = inner.iter().filter_map(|part| path.find(&format!("/{part}/"))).min().unwrap_or(path.len() - 1);
    url.set_path(&format!("{}/", &path[..cut]));
    Ok(url)
}

/// UUIDs and the like.
fn is_hexadecimal(id: &str) -> bool {
    id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_'))
}

/// A file's or link's place: an address behind which is a page or a service leads to data and is none.
pub(crate) fn place(distribution: &mut DistributionDraft, address: Option<String>) {
    let is_service = matches!(
        distribution.format.as_deref(),
        Some("HTML" | "API" | "WEB" | "LINK" | "URL" | "WMS" | "WFS" | "WMTS" | "REST" | "SPARQL" | "ODATA")
    );
    if is_service {
        distribution.access_url = address;
    } else {
        distribution.download_url = address;
    }
}

/// The format that a publisher's word means. `EXE` is how some write Excel; of a file name it is what it says.
pub(crate) fn format(vocabulary: &Vocabulary, word: &str) -> Option<String> {
    vocabulary.normalize_format(word).map(|format| if format == "EXE" { "XLSX".to_owned() } else { format })
}

/// How column names and words are compared: NFKC, lower case, without white space, `_` and brackets, one kind of long dash.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '\u{feff}' | '\u{200b}' | '#'))
        .map(|c| if matches!(c, '-' | '−' | '―' | '‐' | '—' | '–') { 'ー' } else { c })
        .collect()
}

/// `６ヶ月に１回`, `2週間に1回`: a period with a number, as inventories write it.
fn counted_frequency(text: &str) -> Option<&'static Frequency> {
    let text: String = text
        .nfkc()
        .filter(|c| !c.is_whitespace())
        .map(|c| if matches!(c, 'ヶ' | 'ヵ' | 'ケ' | 'カ' | '箇' | '個') { 'か' } else { c })
        .collect();
    let (period, times) = text.split_once('に')?;
    if !matches!(times, "1回" | "一回" | "1度") {
        return None;
    }
    let unit = period.trim_start_matches(|c: char| c.is_ascii_digit());
    let id = match (&period[..period.len() - unit.len()], unit) {
        ("1", "か月" | "月") | ("", "月") => "monthly",
        ("2", "か月") => "bimonthly",
        ("3", "か月") => "quarterly",
        ("4", "か月") => "triannual",
        ("6", "か月") => "semiannual",
        ("12", "か月") | ("", "年") => "annual",
        ("1", "週" | "週間") | ("", "週") => "weekly",
        ("2", "週" | "週間") => "biweekly",
        ("", "日") => "daily",
        _ => return None,
    };
    frequency(id)
}

/// `R/P1Y`, `P3M`: ISO 8601, as DCAT-US writes it. The fractions are those its guide gives for "so many times a…".
fn repeated_frequency(text: &str) -> Option<&'static Frequency> {
    let text = text.trim().to_ascii_uppercase();
    let period = text.strip_prefix("R/").unwrap_or(&text);
    let id = match period {
        "PT1S" | "PT0.1S" | "PT1M" => "continuous",
        "PT10M" => "ten-minutes",
        "PT1H" => "hourly",
        "PT6H" | "PT8H" | "PT12H" | "P0.5D" => "several-a-day",
        "P1D" | "PT24H" => "daily",
        "P1W" | "P7D" => "weekly",
        "P2W" | "P14D" => "biweekly",
        "P0.5M" | "P15D" => "semimonthly",
        "P1M" => "monthly",
        "P2M" => "bimonthly",
        "P3M" => "quarterly",
        "P4M" => "triannual",
        "P6M" | "P0.5Y" => "semiannual",
        "P1Y" | "P12M" => "annual",
        "P2Y" => "biennial",
        "P3Y" => "triennial",
        "P5Y" => "quinquennial",
        "P10Y" => "decennial",
        _ => return None,
    };
    frequency(id)
}

/// The first day of a moment, day, month, year or fiscal year.
fn first_day(text: &str) -> Option<NaiveDate> {
    day(text).or_else(|| NaiveDate::from_ymd_opt(year(text)?, 1, 1)).or_else(|| parse_period(text)?.start)
}

/// The last day of a year or fiscal year; the day of anything else.
fn last_day(text: &str) -> Option<NaiveDate> {
    day(text).or_else(|| NaiveDate::from_ymd_opt(year(text)?, 12, 31)).or_else(|| parse_period(text)?.end)
}

fn day(text: &str) -> Option<NaiveDate> {
    parse_moment(text).map(jst_day).or_else(|| parse_day(text))
}

fn year(text: &str) -> Option<i32> {
    text.parse().ok().filter(|_| text.len() == 4)
}

/// ISO 8601's "until now".
fn is_open_end(text: &str) -> bool {
    matches!(text, ".." | "-" | "present" | "Present" | "現在")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_periods_are_frequencies() {
        for (text, id) in
            [("R/P1Y", Some("annual")), ("r/p3.5d", None), ("R/PT1S", Some("continuous")), ("P6M", Some("semiannual")), ("", None)]
        {
            assert_eq!(repeated_frequency(text).map(|frequency| frequency.id), id, "{text}");
        }
    }

    #[test]
    fn periods_may_be_years_and_open() {
        let vocabulary = Vocabulary::built_in();
        for (start, end, expected) in [
            ("2020", "2021", Some(("2020-01-01", Some("2021-12-31")))),
            ("2020-04-01T00:00:00Z", "..", Some(("2020-04-01", None))),
            ("2021", "2020", None),
            ("昔", "2020", None),
            ("平成30年度", "令和元年度", Some(("2018-04-01", Some("2020-03-31")))),
        ] {
            let mut record = Record::new(&vocabulary);
            record.temporal(start, end);
            let found = record.draft.temporal.map(|it| (it.start.unwrap().to_string(), it.end.map(|end| end.to_string())));
            assert_eq!(found.as_ref().map(|(start, end)| (start.as_str(), end.as_deref())), expected, "{start} {end}");
            assert_eq!(record.draft.extras.is_empty(), expected.is_some(), "{start} {end}");
        }
    }

    #[test]
    fn counted_periods_are_frequencies() {
        for (text, id) in [
            ("１ヶ月に１回", Some("monthly")),
            ("６ヶ月に１回", Some("semiannual")),
            ("３ヵ月に1回", Some("quarterly")),
            ("3か月に 1回", Some("quarterly")),
            ("週に1回", Some("weekly")),
            ("５ヶ月に１回", None),
            ("1か月に3回", None),
            ("に", None),
            ("", None),
        ] {
            assert_eq!(counted_frequency(text).map(|frequency| frequency.id), id, "{text}");
        }
    }

    #[test]
    fn naive_times_are_utc() {
        assert_eq!(utc_moment("2024-03-31T15:00:00.123456").unwrap().to_rfc3339(), "2024-03-31T15:00:00.123456+00:00");
        assert_eq!(utc_moment("2024-03-31T15:00:00+09:00").unwrap().to_rfc3339(), "2024-03-31T06:00:00+00:00");
        assert_eq!(utc_moment("2024-03-31").map(jst_day), minato_catalog::parse_day("2024-03-31"));
        assert_eq!(utc_moment(""), None);
    }

    #[test]
    fn a_site_is_found_behind_its_api() {
        for (address, expected) in [
            ("https://example.jp", "https://example.jp/"),
            ("https://example.jp/api/1/datasets/?page=2", "https://example.jp/"),
            ("https://example.jp/portal/api/1", "https://example.jp/portal/"),
            ("https://example.jp/portal/", "https://example.jp/portal/"),
        ] {
            assert_eq!(site(address, &["api/1", "datasets"]).unwrap().as_str(), expected, "{address}");
        }
        assert!(site("ftp://example.jp/", &[]).is_err());
    }

    #[test]
    fn exe_is_excel_as_a_word_only() {
        assert_eq!(format(&Vocabulary::built_in(), "EXE").as_deref(), Some("XLSX"));
        assert_eq!(minato_catalog::format_of_file_name("setup.exe").as_deref(), Some("EXE"));
    }

    #[test]
    fn only_web_addresses_are_usable() {
        let base = Url::parse("https://e.jp/a/").ok();
        assert_eq!(usable_url("https://e.jp/あ?b=1", None).as_deref(), Some("https://e.jp/あ?b=1"));
        assert_eq!(usable_url("/x y.csv", base.as_ref()).as_deref(), Some("https://e.jp/x%20y.csv"));
        for text in ["javascript:alert(1)", "data:text/html,x", "mailto:a@e.jp", "file:///etc/passwd", "a.csv", ""] {
            assert_eq!(usable_url(text, None), None, "{text}");
        }
        assert_eq!(usable_url("javascript:alert(1)", base.as_ref()), None);
    }
}
