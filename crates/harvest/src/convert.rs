//! What all protocols share on the way from a publisher's words to a draft.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use minato_catalog::{
    DatasetDraft, Frequency, HarvestedRecord, KEYWORDS_MAX, RecordFailure, Text, URL_LENGTH_MAX, Vocabulary, frequency, parse_moment,
};
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

    /// The update frequency; an unknown one is kept among the extras.
    pub(crate) fn frequency(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(frequency) = self.vocabulary.find_frequency(text).or_else(|| counted_frequency(text)) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
