//! How things are said: language, numbers, dates, sizes, addresses.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use minato_app::catalog::{Text, fiscal_year_label, jst_day};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lang {
    /// Japanese.
    #[default]
    Ja,
    /// English.
    En,
}

impl Lang {
    /// As in the `lang` attribute.
    pub(super) fn code(self) -> &'static str {
        match self {
            Lang::Ja => "ja",
            Lang::En => "en",
        }
    }

    /// The language of that code; anything else is nothing.
    pub(super) fn parse(code: &str) -> Option<Lang> {
        match code {
            "ja" => Some(Lang::Ja),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    /// One of two wordings.
    pub(super) fn t<'a>(self, ja: &'a str, en: &'a str) -> &'a str {
        match self {
            Lang::Ja => ja,
            Lang::En => en,
        }
    }

    /// `2024年4月1日` or `1 April 2024`.
    pub(super) fn day(self, day: NaiveDate) -> String {
        match self {
            Lang::Ja => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
            Lang::En => format!("{} {} {}", day.day(), day.format("%B"), day.year()),
        }
    }

    /// The day in Japan of a moment.
    pub(super) fn day_of(self, at: DateTime<Utc>) -> String {
        self.day(jst_day(at))
    }

    /// Day and minute in Japan.
    pub(super) fn minute(self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&minato_app::catalog::jst());
        match self {
            Lang::Ja => format!("{} {}", self.day(local.date_naive()), local.format("%H:%M")),
            Lang::En => format!("{}, {} JST", self.day(local.date_naive()), local.format("%H:%M")),
        }
    }

    /// `2024年4月` or `April 2024`.
    pub(super) fn month(self, day: NaiveDate) -> String {
        match self {
            Lang::Ja => format!("{}年{}月", day.year(), day.month()),
            Lang::En => day.format("%B %Y").to_string(),
        }
    }

    /// `2026年度（令和8年度）` or `Fiscal 2026`.
    pub(super) fn fiscal_year(self, year: i32) -> String {
        match self {
            Lang::Ja => format!("{year}年度（{}）", fiscal_year_label(year)),
            Lang::En => format!("Fiscal {year} (April {year} to March {})", year + 1),
        }
    }

    /// A message of the application as readers see sentences: those in English begin small, quote with backticks and end without a stop.
    pub(super) fn sentence(self, text: &Text) -> String {
        if self == Lang::Ja {
            return text.ja.clone();
        }
        let words = text.en.trim_end_matches('.').replace('`', "");
        let plain = text.en.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
        match words.chars().next() {
            Some(first) if plain => format!("{}{}.", first.to_uppercase(), &words[first.len_utf8()..]),
            Some(_) => format!("{words}."),
            None => words,
        }
    }
}

/// With a comma at the thousands.
pub(super) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `820 B`, `1.5 KB`, `12 MB`: in steps of 1,000, as file managers of today show it.
pub(super) fn size(bytes: i64) -> String {
    if bytes < 1_000 {
        return format!("{} B", bytes.max(0));
    }
    #[allow(clippy::cast_precision_loss)]
    let mut value = bytes as f64 / 1_000.0;
    for unit in ["KB", "MB", "GB"] {
        // From here on it would be shown as 1000 of the unit.
        if value < 999.5 {
            return if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} TB")
}

/// An address that may be linked: http or https only, so that no publisher's text becomes a script.
pub(super) fn web_address(text: &str) -> Option<String> {
    let url = url::Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| url.to_string())
}

/// Host of an address, in readable form.
pub(super) fn host(address: &str) -> String {
    url::Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// A mail address that may be linked.
pub(super) fn mail_address(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
    (plain(local) && plain(domain)).then(|| text.to_owned())
}

/// All but the unreserved characters.
const NOT_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one segment of a path or one value of a query.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_SEGMENT).to_string()
}

/// Text of a publisher with the language it is in, when that is not the language of the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// The text.
    pub(super) text: String,
    /// Whether it is Japanese in an English page.
    pub(super) foreign: bool,
}

impl Said {
    /// The English wording in English pages when there is one, else the Japanese.
    pub(super) fn new(lang: Lang, ja: &str, en: Option<&str>) -> Said {
        match (lang, en.map(str::trim).filter(|en| !en.is_empty())) {
            (Lang::En, Some(en)) => Said { text: en.to_owned(), foreign: false },
            (Lang::En, None) => Said { text: ja.to_owned(), foreign: !ja.is_ascii() },
            (Lang::Ja, _) => Said { text: ja.to_owned(), foreign: false },
        }
    }

    /// The attribute for its element: nothing, or the language with a space before it.
    pub(super) fn attribute(&self) -> &'static str {
        if self.foreign { " lang=\"ja\"" } else { "" }
    }
}

/// A text that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Link {
    /// Where.
    pub(super) href: String,
    /// The text.
    pub(super) said: Said,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_at_the_thousands() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (33_000, "33,000"), (1_234_567, "1,234,567"), (-1_000, "-1,000")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (-5, "0 B"),
            (820, "820 B"),
            (1_000, "1.0 KB"),
            (1_536, "1.5 KB"),
            (9_960, "10 KB"),
            (999_600, "1.0 MB"),
            (12_400_000, "12 MB"),
            (2_000_000_000, "2.0 GB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn days_and_years_are_written_for_readers() {
        let day = NaiveDate::from_ymd_opt(2024, 4, 1).unwrap();
        assert_eq!((Lang::Ja.day(day), Lang::En.day(day)), ("2024年4月1日".to_owned(), "1 April 2024".to_owned()));
        assert_eq!(Lang::Ja.fiscal_year(2026), "2026年度（令和8年度）");
        // 15:30 UTC is the next day in Japan.
        assert_eq!(Lang::Ja.minute("2024-03-31T15:30:00Z".parse().unwrap()), "2024年4月1日 00:30");
    }

    #[test]
    fn messages_are_shown_as_sentences() {
        for (en, shown) in [
            ("there is nothing at `/a`", "There is nothing at /a."),
            ("`https://example.jp/` could not be read", "https://example.jp/ could not be read."),
            ("Ready.", "Ready."),
            ("", ""),
        ] {
            assert_eq!(Lang::En.sentence(&Text::new("日本語です。", en)), shown);
        }
        assert_eq!(Lang::Ja.sentence(&Text::new("日本語です。", "x")), "日本語です。");
    }

    #[test]
    fn only_web_addresses_are_linked() {
        for bad in [
            "javascript:alert(1)",
            " JavaScript:alert(1)",
            "data:text/html,x",
            "ftp://example.jp/a",
            "//example.jp",
            "example.jp",
            "http://",
            "",
        ] {
            assert_eq!(web_address(bad), None, "{bad}");
        }
        assert_eq!(web_address("https://example.jp/あ?a=\"b\"").as_deref(), Some("https://example.jp/%E3%81%82?a=%22b%22"));
        assert_eq!(mail_address("data@pref.example.jp").as_deref(), Some("data@pref.example.jp"));
        assert_eq!(mail_address("a@b?subject=x"), None);
    }

    #[test]
    fn japanese_in_english_pages_is_marked() {
        assert_eq!(Said::new(Lang::En, "避難所", Some(" ")).attribute(), " lang=\"ja\"");
        assert_eq!(Said::new(Lang::En, "避難所", Some("Shelters")), Said { text: "Shelters".to_owned(), foreign: false });
        assert_eq!(Said::new(Lang::Ja, "避難所", Some("Shelters")).text, "避難所");
        assert_eq!(Said::new(Lang::En, "AED", None).attribute(), "");
    }
}
