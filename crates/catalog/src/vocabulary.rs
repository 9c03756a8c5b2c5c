//! The closed lists that drafts are checked against, and the checks many nouns share.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization;

use crate::address::with_credentials;
use crate::{
    FieldError, Frequency, HarvestMapping, LicenceDraft, Text, ThemeDraft, built_in_licences, built_in_themes, find_frequency,
    find_local_government, normalize_format,
};

/// Longest title accepted, in characters.
pub const TITLE_LENGTH_MAX: usize = 500;
/// Longest description accepted, in characters.
pub const DESCRIPTION_LENGTH_MAX: usize = 100_000;
/// Longest URL accepted, in characters.
pub const URL_LENGTH_MAX: usize = 4_000;
/// Longest licence in a publisher's own words, in characters.
pub const LICENCE_TEXT_LENGTH_MAX: usize = 5_000;
/// Most items of a list that has no limit of its own.
pub const LIST_MAX: usize = 200;
/// Most extras one record may have.
pub const EXTRAS_MAX: usize = 200;
/// Longest name of an extra, in characters.
pub const EXTRA_KEY_LENGTH_MAX: usize = 200;
/// Longest value of an extra, in characters.
pub const EXTRA_VALUE_LENGTH_MAX: usize = 20_000;

/// The licences and themes of a catalog, for checking and for understanding publishers' spellings.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// By id.
    pub licences: BTreeMap<String, LicenceDraft>,
    /// By id.
    pub themes: BTreeMap<String, ThemeDraft>,
    licence_by_spelling: HashMap<String, String>,
    theme_by_spelling: HashMap<String, String>,
    frequency_by_spelling: HashMap<String, &'static Frequency>,
    format_by_spelling: HashMap<String, String>,
    area_by_spelling: HashMap<String, String>,
}

impl Vocabulary {
    /// From a catalog's lists.
    pub fn new(licences: impl IntoIterator<Item = (String, LicenceDraft)>, themes: impl IntoIterator<Item = (String, ThemeDraft)>) -> Self {
        let mut vocabulary = Vocabulary::default();
        for (id, licence) in licences {
            let mut spellings = vec![id.clone(), licence.title.clone()];
            spellings.extend(licence.title_en.clone());
            spellings.extend(licence.ckan_id.clone());
            spellings.extend(licence.url.as_deref().map(bare_url));
            spellings.extend(licence.aliases.iter().cloned());
            for spelling in spellings.into_iter().filter(|spelling| !spelling.trim().is_empty()) {
                vocabulary.licence_by_spelling.entry(fold(&spelling)).or_insert_with(|| id.clone());
            }
            vocabulary.licences.insert(id, licence);
        }
        for (id, theme) in themes {
            for spelling in [Some(id.clone()), Some(theme.title.clone()), theme.title_en.clone()].into_iter().flatten() {
                vocabulary.theme_by_spelling.entry(fold(&spelling)).or_insert_with(|| id.clone());
            }
            for uri in theme.exact_match.iter().filter(|uri| !uri.trim().is_empty()) {
                vocabulary.theme_by_spelling.entry(fold(uri)).or_insert_with(|| id.clone());
            }
            vocabulary.themes.insert(id, theme);
        }
        vocabulary
    }

    /// The lists a new catalog starts with.
    pub fn built_in() -> Self {
        Vocabulary::new(built_in_licences(), built_in_themes())
    }

    /// The same lists with what one source's own words mean. Ids that are not in the lists have no effect.
    pub fn with_mapping(&self, mapping: &HarvestMapping) -> Vocabulary {
        let mut vocabulary = self.clone();
        for (spelling, id) in &mapping.licences {
            if let Some(id) = self.find_licence(id) {
                vocabulary.licence_by_spelling.insert(fold(spelling), id.to_owned());
            }
        }
        for (spelling, id) in &mapping.themes {
            if let Some(id) = self.find_theme(id) {
                vocabulary.theme_by_spelling.insert(fold(spelling), id.to_owned());
            }
        }
        for (spelling, id) in &mapping.frequencies {
            if let Some(frequency) = find_frequency(id) {
                vocabulary.frequency_by_spelling.insert(fold(spelling), frequency);
            }
        }
        for (spelling, format) in &mapping.formats {
            if let Some(format) = normalize_format(format) {
                vocabulary.format_by_spelling.insert(fold(spelling), format);
            }
        }
        for (spelling, code) in &mapping.areas {
            vocabulary.area_by_spelling.insert(fold(spelling), code.clone());
        }
        vocabulary
    }

    /// The update frequency a publisher means by an id, a code or a spelling.
    pub fn find_frequency(&self, text: &str) -> Option<&'static Frequency> {
        self.frequency_by_spelling.get(&fold(text)).copied().or_else(|| find_frequency(text))
    }

    /// The format a publisher's word means; see [`normalize_format`].
    pub fn normalize_format(&self, text: &str) -> Option<String> {
        self.format_by_spelling.get(&fold(text)).cloned().or_else(|| normalize_format(text))
    }

    /// The local government code that a source's word for an area stands for; see [`find_local_government`] for the names known to all.
    pub fn find_area(&self, text: &str) -> Option<&str> {
        self.area_by_spelling.get(&fold(text)).map(String::as_str).or_else(|| find_local_government(text))
    }

    /// The licence a publisher means by an id, title, alias or URL.
    pub fn find_licence(&self, text: &str) -> Option<&str> {
        let spelling = fold(text);
        let found = self
            .licence_by_spelling
            .get(&spelling)
            .or_else(|| (text.contains("://")).then(|| self.licence_by_spelling.get(&fold(&bare_url(text)))).flatten())
            .or_else(|| self.licence_by_spelling.get(&fold(&creative_commons(&spelling)?)))
            .map(String::as_str);
        found.or_else(|| self.find_licence(&listed_licence(text)?))
    }

    /// The theme a publisher means by an id, title or URI.
    pub fn find_theme(&self, text: &str) -> Option<&str> {
        self.theme_by_spelling.get(&fold(text)).map(String::as_str)
    }

    /// Title of a licence in both languages; the id itself when unknown.
    pub fn licence_title(&self, id: &str) -> Text {
        match self.licences.get(id) {
            Some(licence) => Text::new(&licence.title, licence.title_en.as_deref().unwrap_or(&licence.title)),
            None => Text::new(id, id),
        }
    }

    /// Title of a theme in both languages; the id itself when unknown.
    pub fn theme_title(&self, id: &str) -> Text {
        match self.themes.get(id) {
            Some(theme) => Text::new(&theme.title, theme.title_en.as_deref().unwrap_or(&theme.title)),
            None => Text::new(id, id),
        }
    }
}

/// `https://creativecommons.org/licenses/by/4.0/deed.ja` → `creativecommons.org/licenses/by/4.0`.
fn bare_url(url: &str) -> String {
    let rest = url.trim().split_once("://").map_or(url.trim(), |(_, rest)| rest);
    let rest = rest.strip_prefix("www.").unwrap_or(rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let cut = rest.find("/deed").or_else(|| rest.find("/legalcode")).unwrap_or(rest.len());
    let rest = rest[..cut].trim_end_matches('/');
    // Open Data Commons moved its licences; both addresses are in use.
    match rest.strip_prefix("opendatacommons.org/licenses/").and_then(|rest| rest.trim_end_matches("/summary").strip_suffix("/1.0")) {
        Some(licence) => format!("opendatacommons.org/licenses/{licence}/1-0"),
        None => rest.to_owned(),
    }
}

/// The id in an address of one of the lists of licences that software uses: `http://www.opendefinition.org/licenses/cc-by` (CKAN) → `cc-by`,
/// `http://publications.europa.eu/resource/authority/licence/CC_BY_4_0` → `CC BY 4.0`, `https://spdx.org/licenses/CC0-1.0.html` → `CC0-1.0`.
fn listed_licence(url: &str) -> Option<String> {
    let bare = url.contains("://").then(|| bare_url(url))?;
    for list in ["opendefinition.org/licenses/", "spdx.org/licenses/"] {
        if let Some(id) = bare.strip_prefix(list) {
            return Some(id.trim_end_matches(".html").to_owned());
        }
    }
    let code = bare.strip_prefix("publications.europa.eu/resource/authority/licence/")?;
    let mut words: Vec<&str> = code.split('_').collect();
    let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let version = match words.as_slice() {
        [.., major, minor] if is_number(major) && is_number(minor) => Some(format!("{major}.{minor}")),
        _ => None,
    };
    if version.is_some() {
        words.truncate(words.len() - 2);
    }
    Some(words.into_iter().chain(version.as_deref()).collect::<Vec<_>>().join(" "))
}

/// `クリエイティブ・コモンズ・ライセンス 表示-継承 4.0 国際` → `CC-BY-SA-4.0`: a Creative Commons licence named in full, by its parts. `None` when
/// anything else is said.
fn creative_commons(folded: &str) -> Option<String> {
    /// Words and what they stand for, longer ones before those they begin with.
    const WORDS: &[(&str, &str)] = &[
        ("クリエイティブ", "CREATIVE"),
        ("creative", "CREATIVE"),
        ("コモンズ", "COMMONS"),
        ("commons", "COMMONS"),
        ("cc0", "0"),
        ("cc", "CC"),
        ("ライセンス", ""),
        ("licence", ""),
        ("license", ""),
        ("国際", ""),
        ("international", ""),
        ("日本", "JP"),
        ("japan", "JP"),
        ("jp", "JP"),
        ("非営利", "NC"),
        ("noncommercial", "NC"),
        ("nc", "NC"),
        ("継承", "SA"),
        ("sharealike", "SA"),
        ("sa", "SA"),
        ("改変禁止", "ND"),
        ("noderivatives", "ND"),
        ("noderivs", "ND"),
        ("nd", "ND"),
        ("表示", "BY"),
        ("attribution", "BY"),
        ("by", "BY"),
        ("1.0", "1.0"),
        ("2.1", "2.1"),
        ("3.0", "3.0"),
        ("4.0", "4.0"),
    ];
    let mut rest = folded;
    let mut parts: Vec<&str> = Vec::new();
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() || "-_・、,()「」『』[]/".contains(c) {
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, part) = WORDS.iter().find(|(word, _)| rest.starts_with(word))?;
        rest = &rest[word.len()..];
        if !part.is_empty() && !parts.contains(part) {
            parts.push(part);
        }
    }
    let has = |part: &str| parts.contains(&part);
    if has("0") {
        return Some("CC0-1.0".to_owned()).filter(|_| !has("BY"));
    }
    let is_named = has("CC") || (has("CREATIVE") && has("COMMONS"));
    if !is_named || !has("BY") {
        return None;
    }
    let mut name = "CC-BY".to_owned();
    for part in ["NC", "ND", "SA"] {
        if has(part) {
            name = format!("{name}-{part}");
        }
    }
    let mut versions = ["1.0", "2.1", "3.0", "4.0"].into_iter().filter(|version| has(version));
    let name = match (versions.next(), versions.next(), has("JP")) {
        (Some(version), None, false) => format!("{name}-{version}"),
        (Some("2.1"), None, true) => format!("{name}-2.1-JP"),
        // Without a version, whatever the list takes that for.
        (None, _, false) => name.replacen("CC-BY", "CC BY", 1),
        _ => return None,
    };
    Some(if name == "CC-BY-2.1" { "CC-BY-2.1-JP".to_owned() } else { name })
}

/// How spellings are compared: NFKC, lower case, no white space at the ends and single spaces within.
pub(crate) fn fold(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn check_title(errors: &mut Vec<FieldError>, field: &str, title: &str) {
    if title.trim().is_empty() {
        errors.push(FieldError::required(field));
    }
    check_length(errors, field, title, TITLE_LENGTH_MAX);
}

pub(crate) fn check_length(errors: &mut Vec<FieldError>, field: &str, text: &str, limit: usize) {
    if text.len() > limit && text.chars().count() > limit {
        errors.push(FieldError::too_long(field, limit));
    }
    // Tabs and line breaks are text; the other control characters break XML, terminals and spreadsheets.
    if let Some(control) = text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        let code = u32::from(control);
        errors.push(FieldError::new(
            field,
            "invalid_character",
            format!("{field} に使えない制御文字（U+{code:04X}）が含まれています。取り除いてください。"),
            format!("{field} contains the control character U+{code:04X}; remove it"),
        ));
    }
}

/// A text that may be absent.
pub(crate) fn check_text(errors: &mut Vec<FieldError>, field: &str, text: Option<&str>, limit: usize) {
    check_length(errors, field, text.unwrap_or_default(), limit);
}

/// A list of texts: its length, and that of each item.
pub(crate) fn check_texts(errors: &mut Vec<FieldError>, field: &str, texts: &[String], limit: usize) {
    check_count(errors, field, texts.len(), LIST_MAX);
    for (index, text) in texts.iter().enumerate().take(LIST_MAX) {
        check_length(errors, &format!("{field}/{index}"), text, limit);
    }
}

pub(crate) fn check_count(errors: &mut Vec<FieldError>, field: &str, count: usize, limit: usize) {
    if count > limit {
        errors.push(FieldError::new(
            field,
            "too_many",
            format!("{field} は {limit} 件までです（{count} 件ありました）。"),
            format!("{field} has {count} items; at most {limit} are allowed"),
        ));
    }
}

/// Whatever has no field: how many, and the length of names and values.
pub(crate) fn check_extras(errors: &mut Vec<FieldError>, field: &str, extras: &BTreeMap<String, String>) {
    check_count(errors, field, extras.len(), EXTRAS_MAX);
    for (key, value) in extras.iter().take(EXTRAS_MAX) {
        let mut in_key = Vec::new();
        check_length(&mut in_key, field, key, EXTRA_KEY_LENGTH_MAX);
        if let Some(wrong) = in_key.pop() {
            let start: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
            errors.push(FieldError::new(
                field,
                &wrong.code,
                format!("{field} の項目名「{start}…」は、制御文字を含まない {EXTRA_KEY_LENGTH_MAX} 文字以内にしてください。"),
                format!("{field}: the name `{start}…` must be at most {EXTRA_KEY_LENGTH_MAX} characters, without control characters"),
            ));
            continue;
        }
        check_length(errors, &format!("{field}/{}", crate::error::escaped(key)), value, EXTRA_VALUE_LENGTH_MAX);
    }
}

pub(crate) fn check_email(errors: &mut Vec<FieldError>, field: &str, email: Option<&str>) {
    let Some(text) = email.filter(|text| !text.is_empty()) else { return };
    let shape = text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.') && !host.contains('@'));
    if !shape || text.len() > 320 || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        errors.push(FieldError::new(
            field,
            "invalid_email",
            format!("{field} はメールアドレスの形式（name@example.jp）にしてください。"),
            format!("{field} must be a mail address such as name@example.jp"),
        ));
    }
}

pub(crate) fn check_url(errors: &mut Vec<FieldError>, field: &str, url: Option<&str>) {
    let Some(text) = url else { return };
    check_length(errors, field, text, URL_LENGTH_MAX);
    if with_credentials(text).is_some() {
        errors.push(FieldError::new(
            field,
            "invalid_url",
            format!("{field} の URL にユーザー名やパスワードは使えません（だれでも見られる情報です）。取り除いてください。"),
            format!("{field}: a URL must not contain a user name or password, as everybody can see it; take them out"),
        ));
    }
    let ok = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "ftp") && url.host().is_some());
    if !ok {
        errors.push(FieldError::new(
            field,
            "invalid_url",
            format!("{field} は http://、https:// または ftp:// で始まる URL にしてください。"),
            format!("{field} must be an absolute http, https or ftp URL"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_found_by_any_spelling() {
        let vocabulary = Vocabulary::built_in();
        for text in [
            "CC-BY-4.0",
            "ＣＣ　ＢＹ　４．０",
            "cc-by",
            "https://creativecommons.org/licenses/by/4.0/deed.ja",
            "http://creativecommons.org/licenses/by/4.0",
            "http://www.opendefinition.org/licenses/cc-by",
            "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0",
            "https://spdx.org/licenses/CC-BY-4.0.html",
        ] {
            assert_eq!(vocabulary.find_licence(text), Some("CC-BY-4.0"), "{text}");
        }
        for (text, id) in [
            ("http://opendatacommons.org/licenses/odbl/1.0/", Some("ODbL-1.0")),
            ("https://opendatacommons.org/licenses/odbl/1-0/", Some("ODbL-1.0")),
            ("https://opendatacommons.org/licenses/by/1.0/", Some("ODC-BY-1.0")),
            ("http://www.opendefinition.org/licenses/odc-odbl", Some("ODbL-1.0")),
            ("http://publications.europa.eu/resource/authority/licence/CC0", Some("CC0-1.0")),
            ("http://publications.europa.eu/resource/authority/licence/CC_BYSA_4_0", Some("CC-BY-SA-4.0")),
            ("http://publications.europa.eu/resource/authority/licence/OP_DATPRO", None),
            ("http://publications.europa.eu/resource/authority/licence/", None),
            ("https://spdx.org/licenses/", None),
            ("https://www.city.example.jp/licenses/cc-by", None),
        ] {
            assert_eq!(vocabulary.find_licence(text), id, "{text}");
        }
        let blank = LicenceDraft { title: "題".into(), ckan_id: Some(" ".into()), aliases: vec![String::new()], ..Default::default() };
        let fields: Vec<String> = blank.check().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["/ckan_id", "/aliases/0"]);
        assert_eq!(Vocabulary::new([("X".to_owned(), blank)], []).find_licence(""), None);
        assert_eq!(vocabulary.find_licence("cc-by-jp"), Some("CC-BY-2.1-JP"));
        assert_eq!(vocabulary.find_licence("ご自由に"), None);
    }

    #[test]
    fn licences_are_told_by_their_parts() {
        let vocabulary = Vocabulary::built_in();
        for (text, id) in [
            ("クリエイティブ・コモンズ・ライセンス 表示4.0 国際", Some("CC-BY-4.0")),
            ("クリエイティブコモンズ表示４．０国際ライセンス", Some("CC-BY-4.0")),
            ("クリエイティブ・コモンズ・ライセンス「表示 2.1 日本」", Some("CC-BY-2.1-JP")),
            ("CC BY 2.1 日本", Some("CC-BY-2.1-JP")),
            ("CC-BY2.1", Some("CC-BY-2.1-JP")),
            ("CC-BY-4.0（表示）", Some("CC-BY-4.0")),
            ("CC BY（表示）", Some("CC-BY-4.0")),
            ("CC表示4.0国際", Some("CC-BY-4.0")),
            ("CC BY4.0", Some("CC-BY-4.0")),
            ("Creative Commons Attribution 4.0", Some("CC-BY-4.0")),
            ("Creative Commons Attribution-ShareAlike 4.0 International License", Some("CC-BY-SA-4.0")),
            ("クリエイティブ・コモンズ 表示-継承 4.0", Some("CC-BY-SA-4.0")),
            ("CC BY-NC 4.0 International", Some("CC-BY-NC-4.0")),
            ("CC0 1.0", Some("CC0-1.0")),
            ("CC BY-NC-SA 4.0", None),
            ("CC BY 4.0 または CC0", None),
            ("CC BY 2.1 JP, CC BY 4.0", None),
            ("CC BY 4.0 以外", None),
            ("CCライセンス", None),
            ("表示", None),
            ("", None),
            ("公共データ利用規約（第1.0版）（PDL1.0）", Some("PDL-1.0")),
            ("政府標準利用規約（第２．０版）", Some("GJSTU-2.0")),
            ("自団体", Some("OTHER-CLOSED")),
            ("なし", Some("NOT-SPECIFIED")),
        ] {
            assert_eq!(vocabulary.find_licence(text), id, "{text}");
        }
    }

    #[test]
    fn areas_are_found_by_name_and_by_a_sources_own_words() {
        let mapping = HarvestMapping { areas: [("本市".to_owned(), "342025".to_owned())].into(), ..HarvestMapping::default() };
        let vocabulary = Vocabulary::built_in().with_mapping(&mapping);
        assert_eq!((vocabulary.find_area("本市"), vocabulary.find_area("広島県三原市")), (Some("342025"), Some("342041")));
        assert_eq!(Vocabulary::built_in().find_area("本市"), None);
    }

    #[test]
    fn themes_are_found_by_title() {
        assert_eq!(Vocabulary::built_in().find_theme("司法・安全・環境"), Some("gr_1400"));
    }
}
