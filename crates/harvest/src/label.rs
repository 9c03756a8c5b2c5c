//! What publishers write on links to files: `人口統計（令和5年3月末現在）[CSV 12KB]`.

use std::sync::LazyLock;

use minato_catalog::Vocabulary;
use regex::Regex;

use crate::page::squeezed;
use crate::period::narrow;

/// A link's words without what they say of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Label {
    /// The title; empty when the words speak of the file alone.
    pub(crate) title: String,
    pub(crate) format: Option<String>,
    pub(crate) byte_size: Option<i64>,
}

const FORMAT: &str = r"geojson|json|csv|xlsx|xlsm|xls|ms-?excel|excel|エクセル|pdf|docx|doc|ms-?word|word|ワード|pptx|ppt|zip|xml|rdf|kmz|kml|gpkg|shapefile|shape|shp|シェープファイル|シェープ|テキスト|txt|tsv|一太郎|jtd";
const SIZE: &str =
    r"約?\s*[0-9][0-9,]*(?:\.[0-9]+)?\s*(?:キロバイト|メガバイト|ギガバイト|バイト|kbytes?|mbytes?|kib|mib|kb|mb|gb|bytes?|b)";

fn expression(pattern: &str) -> Regex {
    let pattern = pattern.replace("FORMAT", FORMAT).replace("SIZE", SIZE);
    Regex::new(&format!("(?i){pattern}")).expect("the expression is valid")
}

/// Takes format, size and phrases like 「新しいウィンドウで開きます」 out of a link's words.
pub(crate) fn label(text: &str, vocabulary: &Vocabulary) -> Label {
    static BRACKETS: LazyLock<Regex> =
        LazyLock::new(|| expression(r"[（(\[［【〔〈<＜]([^（）()\[\]［］【】〔〕〈〉<>＜＞]*)[)）\]］】〕〉>＞]"));
    static PHRASES: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"[（(]?(?:別|新しい|新規)の?(?:ウ[ィイ]ンドウ|ページ|タブ|画面)(?:で|が|に)(?:開きます|開く|表示します|表示)[)）]?|[（(]?外部(?:サイト|リンク)(?:へ(?:移動|リンク)します)?[)）]",
        )
    });
    static TAIL: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?P<before>^|[\s:：・_\-－.／/]|[^\x00-\x7f])(?:(?P<format>FORMAT)(?:\s*(?:形式|ファイル|データ|版))*[\s:：,、・／/]*(?P<size>SIZE)?|(?P<bare>SIZE))$",
        )
    });
    static HEAD: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?P<format>FORMAT)(?:形式|ファイル|データ|版)*\s*[:：\s]\s*"));
    static ASIDE: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?:[のを]?\s*(?:ダウンロード|download)(?:する|ページ|はこちら|用)?|は?こちら(?:から|へ|をご覧ください)?|\bnew!?|[。．!！]|[:：\-－・、])\s*$",
        )
    });

    let mut label = Label::default();
    let mut text = PHRASES.replace_all(&narrow(text), " ").into_owned();
    let mut start = 0;
    while let Some(found) = BRACKETS.captures_at(&text, start) {
        let (Some(all), Some(inner)) = (found.get(0), found.get(1)) else { break };
        let (range, inner) = (all.range(), inner.as_str().to_owned());
        if speaks_of_the_file(&inner) {
            label.note(&inner, vocabulary);
            text.replace_range(range.clone(), " ");
            start = range.start;
        } else {
            start = range.end;
        }
    }
    text = squeezed(&text);
    loop {
        let before = text.clone();
        if let Some(found) = TAIL.captures(&text) {
            let kept = found.name("before").map_or(0, |before| before.end());
            let said = text[kept..].to_owned();
            label.note(&said, vocabulary);
            text.truncate(kept);
        }
        if let Some(found) = ASIDE.find(&text) {
            let cut = found.start();
            text.truncate(cut);
        }
        text = squeezed(text.trim_end_matches(['_', ':', '：', '・', '.', '／', '/', '-', '－']));
        if text == before {
            break;
        }
    }
    if let Some(found) = HEAD.find(&text) {
        let said = found.as_str().to_owned();
        label.note(&said, vocabulary);
        text.replace_range(..said.len(), "");
    }
    label.title = squeezed(&text);
    if is_generic(&label.title) {
        label.title = String::new();
    }
    label
}

impl Label {
    fn note(&mut self, said: &str, vocabulary: &Vocabulary) {
        static WORD: LazyLock<Regex> = LazyLock::new(|| expression("FORMAT"));
        if self.format.is_none() {
            self.format = WORD.find(said).and_then(|word| crate::convert::format(vocabulary, word.as_str()));
        }
        if self.byte_size.is_none() {
            self.byte_size = byte_size(said);
        }
    }
}

/// Whether words in brackets are about format, size, encoding and the like, and nothing else.
fn speaks_of_the_file(inner: &str) -> bool {
    static NOISE: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"FORMAT|SIZE|[0-9]+\s*(?:ページ|頁|p\b)|ファイル|サイズ|容量|形式|データ|utf-?8|shift[_-]?jis|sjis|bom|付き|なし|文字コード|ダウンロード|download|外部(?:サイト|リンク)|new!?|[\s:：,、，/／・;；+＋|｜\-－.。]",
        )
    });
    NOISE.replace_all(inner, "").is_empty()
}

/// Words that name no file in particular.
fn is_generic(title: &str) -> bool {
    const WORDS: &[&str] = &[
        "こちら",
        "ここ",
        "データ",
        "ファイル",
        "表示",
        "詳細",
        "開く",
        "リンク",
        "添付ファイル",
        "関連ファイル",
        "ダウンロード",
        "download",
        "data",
        "file",
        "-",
        "－",
        "○",
        "◯",
        "●",
        "■",
        "▼",
        "html",
        "api",
        "オープンデータ",
        "印刷用",
        "link",
    ];
    let title = title.to_lowercase();
    title.is_empty() || WORDS.contains(&title.as_str())
}

/// Bytes out of `12KB`, `1.2 MB`, `１，２３４バイト` or a plain number.
pub(crate) fn byte_size(text: &str) -> Option<i64> {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?P<number>[0-9][0-9,]*(?:\.[0-9]+)?)\s*(?P<unit>キロバイト|メガバイト|ギガバイト|バイト|[kmg]i?b|[km]bytes?|bytes?|b\b)",
        )
    });
    let text = narrow(text).replace('，', ",");
    if let Ok(bytes) = text.trim().parse::<i64>() {
        return (bytes >= 0).then_some(bytes);
    }
    let found = NUMBER.captures(&text)?;
    let number: f64 = found["number"].replace(',', "").parse().ok()?;
    let unit = found["unit"].to_lowercase();
    let factor = match unit.chars().next()? {
        'k' | 'キ' => 1e3,
        'm' | 'メ' => 1e6,
        'g' | 'ギ' => 1e9,
        _ => 1.0,
    };
    let factor: f64 = if unit.contains("ib") { f64::powf(1.024, f64::log10(factor) / 3.0) * factor } else { factor };
    Some((number * factor).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_and_size_are_taken_out() {
        let vocabulary = Vocabulary::built_in();
        for (text, title, format, size) in [
            ("人口統計（令和5年3月末現在）[CSV 12KB]", "人口統計（令和5年3月末現在）", Some("CSV"), Some(12_000)),
            ("令和４年度 決算書（PDF：1.2MB）", "令和4年度 決算書", Some("PDF"), Some(1_200_000)),
            ("避難所一覧（エクセル形式：１２３キロバイト）（新しいウィンドウで開きます）", "避難所一覧", Some("XLSX"), Some(123_000)),
            ("避難所一覧.csv", "避難所一覧", Some("CSV"), None),
            ("避難所一覧 CSV形式", "避難所一覧", Some("CSV"), None),
            ("避難所一覧CSVファイル 1,234バイト", "避難所一覧", Some("CSV"), Some(1_234)),
            ("CSV：避難所一覧", "避難所一覧", Some("CSV"), None),
            ("避難所一覧のダウンロード（CSV）", "避難所一覧", Some("CSV"), None),
            ("【Excel】避難所一覧 [XLSXファイル／56KB]", "避難所一覧", Some("XLSX"), Some(56_000)),
            ("避難所（北部）", "避難所（北部）", None, None),
            ("避難所データはこちら(外部リンク)", "避難所データ", None, None),
            ("CSV", "", Some("CSV"), None),
            ("CSVダウンロード", "", Some("CSV"), None),
            ("[PDF：20ページ、3MB]", "", Some("PDF"), Some(3_000_000)),
            ("こちら", "", None, None),
            ("ダウンロード", "", None, None),
            ("Wordの使い方", "Wordの使い方", None, None),
            ("", "", None, None),
        ] {
            let found = label(text, &vocabulary);
            assert_eq!((found.title.as_str(), found.format.as_deref(), found.byte_size), (title, format, size), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        for (text, size) in [
            ("12345", Some(12_345)),
            ("12 KiB", Some(12_288)),
            ("0.5 GB", Some(500_000_000)),
            ("たくさん", None),
            ("-1", None),
            ("120 B", Some(120)),
        ] {
            assert_eq!(byte_size(text), size, "{text}");
        }
    }
}
