//! How words are read: from a table of surfaces, to kana, to what sounds alike, to romaji.

use std::sync::LazyLock;

use crate::normalize::{fold_kana, is_kana};

/// 57 thousand surfaces and readings (from IPADIC, see `data/IPADIC-NOTICE.txt`), sorted by surface, one pair a line.
static COMPRESSED: &[u8] = include_bytes!("../data/readings.tsv.zst");
const SURFACE_CHARS_MAX: usize = 12;

struct Table {
    text: String,
    /// Offset of each line.
    lines: Vec<u32>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let bytes = zstd::stream::decode_all(COMPRESSED).unwrap_or_default();
    Table::new(String::from_utf8(bytes).unwrap_or_default())
});

/// Prefectures, large cities and the municipalities in and around Hiroshima, in the same form: the large table has few names.
static PLACES: LazyLock<Table> = LazyLock::new(|| Table::new(include_str!("../data/places.tsv").to_owned()));

/// The longest surface of either table that `text` begins with: its length in bytes and its reading.
fn longest(text: &str) -> Option<(usize, &'static str)> {
    let word = TABLE.longest(text);
    let place = PLACES.longest(text);
    match (place, word) {
        (Some(place), Some(word)) if word.0 > place.0 => Some(word),
        (place, word) => place.or(word),
    }
}

impl Table {
    fn new(text: String) -> Table {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            lines.push(start as u32);
            start += line.len();
        }
        Table { text, lines }
    }

    fn line(&self, index: usize) -> (&str, &str) {
        let start = self.lines[index] as usize;
        let end = self.lines.get(index + 1).map_or(self.text.len(), |end| *end as usize);
        self.text[start..end].trim_end().split_once('\t').unwrap_or_default()
    }

    /// The longest surface that `text` begins with: its length in bytes and its reading.
    fn longest(&self, text: &str) -> Option<(usize, &str)> {
        let (mut low, mut high) = (0, self.lines.len());
        let mut found = None;
        for (at, c) in text.char_indices().take(SURFACE_CHARS_MAX) {
            let prefix = &text[..at + c.len_utf8()];
            low += partition(low, high, |index| self.line(index).0 < prefix);
            high = low + partition(low, high, |index| self.line(index).0.starts_with(prefix));
            if low == high {
                break;
            }
            let (surface, reading) = self.line(low);
            if surface == prefix {
                found = Some((prefix.len(), reading));
            }
        }
        found
    }
}

/// How many of `low..high` come first, for which `before` holds.
fn partition(low: usize, high: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut left, mut right) = (low, high);
    while left < right {
        let middle = left + (right - left) / 2;
        if before(middle) {
            left = middle + 1;
        } else {
            right = middle;
        }
    }
    left - low
}

/// The reading of a normalized text in katakana, by greedy longest match; letters and digits stay. `None` when a kanji is unknown.
pub(crate) fn reading(normalized: &str) -> Option<String> {
    let (reading, rest) = reading_until_unknown(normalized);
    rest.is_empty().then_some(reading)
}

/// The reading as far as it is known, and the rest.
pub(crate) fn reading_until_unknown(normalized: &str) -> (String, &str) {
    let mut out = String::new();
    let mut rest = normalized;
    while let Some(c) = rest.chars().next() {
        let length = if is_kana(c) || c.is_ascii() {
            // Kana read as they are written, unless a word with kanji begins here (お手洗い).
            match longest(rest).filter(|(length, _)| is_kana(c) && rest[..*length].chars().any(|c| !is_kana(c))) {
                Some((length, reading)) => {
                    out.push_str(reading);
                    length
                }
                None => {
                    out.push_str(&fold_kana(c.encode_utf8(&mut [0; 4])));
                    c.len_utf8()
                }
            }
        } else {
            match longest(rest) {
                Some((length, reading)) => {
                    out.push_str(reading);
                    length
                }
                None if c.is_alphanumeric() => break,
                None => c.len_utf8(),
            }
        };
        rest = &rest[length..];
    }
    (out, rest)
}

/// Readings that sound alike become equal: ガ→カ, ャ→ヤ, without ー. Absorbs rendaku (ひなんしょ, ひなんじょ).
pub(crate) fn fold_reading(reading: &str) -> String {
    fold_kana(reading)
        .chars()
        .filter(|c| *c != 'ー')
        .map(|c| match c {
            'ガ' | 'ギ' | 'グ' | 'ゲ' | 'ゴ' | 'ザ' | 'ジ' | 'ズ' | 'ゼ' | 'ゾ' | 'ダ' | 'デ' | 'ド' | 'バ' | 'ビ' | 'ブ' | 'ベ' | 'ボ' => {
                char::from_u32(c as u32 - 1).unwrap_or(c)
            }
            'パ' | 'ピ' | 'プ' | 'ペ' | 'ポ' => char::from_u32(c as u32 - 2).unwrap_or(c),
            'ァ' | 'ィ' | 'ゥ' | 'ェ' | 'ォ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ヮ' => char::from_u32(c as u32 + 1).unwrap_or(c),
            'ヴ' => 'フ',
            c => c,
        })
        .collect()
}

/// Hepburn romaji without long vowels, of katakana; letters and digits stay.
pub(crate) fn romaji(katakana: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = katakana.chars().collect();
    let mut doubled = false;
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == 'ッ' {
            doubled = true;
            at += 1;
            continue;
        }
        let two = chars.get(at + 1).and_then(|next| digraph(chars[at], *next));
        let (syllable, length) = match two {
            Some(syllable) => (syllable, 2),
            None => (SYLLABLES.iter().find(|(kana, _)| *kana == chars[at]).map_or_else(String::new, |(_, latin)| (*latin).to_owned()), 1),
        };
        let syllable = if syllable.is_empty() && chars[at].is_ascii_alphanumeric() { chars[at].to_string() } else { syllable };
        if doubled && let Some(first) = syllable.chars().next() {
            out.push(first);
            doubled = false;
        }
        out.push_str(&syllable);
        at += length;
    }
    simplify_romaji(&out)
}

/// Other ways of typing romaji made one: shi = si, tsu = tu, ō = ou = o, nn = n, mb = nb.
pub(crate) fn simplify_romaji(typed: &str) -> String {
    let mut text: String = typed.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    for (from, to) in [
        ("tch", "cch"),
        ("sy", "sh"),
        ("si", "shi"),
        ("ty", "ch"),
        ("ti", "chi"),
        ("cy", "ch"),
        ("tu", "tsu"),
        ("zy", "j"),
        ("jy", "j"),
        ("zi", "ji"),
        ("hu", "fu"),
        ("la", "ra"),
        ("li", "ri"),
        ("lu", "ru"),
        ("le", "re"),
        ("lo", "ro"),
        ("mb", "nb"),
        ("mp", "np"),
        ("mm", "nm"),
        ("nn", "n"),
        ("ou", "o"),
        ("oo", "o"),
        ("uu", "u"),
    ] {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    // `shu` and `chu` contain `hu` and were touched above.
    text.replace("sfu", "shu").replace("cfu", "chu")
}

/// Romaji that sounds alike made equal, like [`fold_reading`] for kana: hinanjo = hinansho.
pub(crate) fn fold_romaji(simplified: &str) -> String {
    let mut out = String::with_capacity(simplified.len() + 2);
    for c in simplified.chars() {
        match c {
            'j' => out.push_str("sh"),
            'z' => out.push('s'),
            'g' => out.push('k'),
            'd' => out.push('t'),
            'b' | 'p' | 'f' => out.push('h'),
            c => out.push(c),
        }
    }
    out
}

/// Katakana of romaji typed whole; `None` when it is no Japanese.
pub(crate) fn kana_of_romaji(typed: &str) -> Option<String> {
    let mut rest = typed.to_ascii_lowercase();
    for (from, to) in
        [("sy", "sh"), ("si", "shi"), ("ty", "ch"), ("ti", "chi"), ("cy", "ch"), ("tu", "tsu"), ("zy", "j"), ("jy", "j"), ("zi", "ji")]
    {
        rest = rest.replace(from, to);
    }
    let mut rest = rest.as_str();
    let mut out = String::new();
    'next: while let Some(first) = rest.chars().next() {
        for length in (1..=3.min(rest.len())).rev() {
            let Some(head) = rest.get(..length) else { continue };
            if let Some((kana, _)) = SYLLABLES.iter().find(|(_, latin)| *latin == head) {
                out.push(*kana);
                rest = &rest[length..];
                if *kana == 'ン'
                    && rest.starts_with('n')
                    && !rest.starts_with(['a', 'i', 'u', 'e', 'o'])
                    && !rest[1..].starts_with(['a', 'i', 'u', 'e', 'o', 'y'])
                {
                    rest = &rest[1..];
                }
                continue 'next;
            }
            let found = DIGRAPHS.iter().find(|(_, latin)| *latin == head);
            if let Some((kana, _)) = found {
                out.push_str(kana);
                rest = &rest[length..];
                continue 'next;
            }
        }
        if first.is_ascii_alphabetic() && rest[1..].starts_with(first) {
            out.push('ッ');
            rest = &rest[1..];
            continue;
        }
        return None;
    }
    (!out.is_empty()).then_some(out)
}

fn digraph(first: char, second: char) -> Option<String> {
    DIGRAPHS.iter().find(|(kana, _)| kana.chars().eq([first, second])).map(|(_, latin)| (*latin).to_owned())
}

#[rustfmt::skip]
const DIGRAPHS: &[(&str, &str)] = &[
    ("キャ", "kya"), ("キュ", "kyu"), ("キョ", "kyo"), ("ギャ", "gya"), ("ギュ", "gyu"), ("ギョ", "gyo"), ("シャ", "sha"), ("シュ", "shu"),
    ("シェ", "she"), ("ショ", "sho"), ("ジャ", "ja"), ("ジュ", "ju"), ("ジェ", "je"), ("ジョ", "jo"), ("チャ", "cha"), ("チュ", "chu"),
    ("チェ", "che"), ("チョ", "cho"), ("ニャ", "nya"), ("ニュ", "nyu"), ("ニョ", "nyo"), ("ヒャ", "hya"), ("ヒュ", "hyu"), ("ヒョ", "hyo"),
    ("ビャ", "bya"), ("ビュ", "byu"), ("ビョ", "byo"), ("ピャ", "pya"), ("ピュ", "pyu"), ("ピョ", "pyo"), ("ミャ", "mya"), ("ミュ", "myu"),
    ("ミョ", "myo"), ("リャ", "rya"), ("リュ", "ryu"), ("リョ", "ryo"), ("ファ", "fa"), ("フィ", "fi"), ("フェ", "fe"), ("フォ", "fo"),
    ("ウィ", "wi"), ("ウェ", "we"), ("ウォ", "wo"), ("ヴァ", "va"), ("ヴィ", "vi"), ("ヴェ", "ve"), ("ヴォ", "vo"), ("ティ", "ti"),
    ("ディ", "di"), ("デュ", "dyu"), ("テュ", "tyu"),
];

#[rustfmt::skip]
const SYLLABLES: &[(char, &str)] = &[
    ('ア', "a"), ('イ', "i"), ('ウ', "u"), ('エ', "e"), ('オ', "o"), ('カ', "ka"), ('キ', "ki"), ('ク', "ku"), ('ケ', "ke"), ('コ', "ko"),
    ('ガ', "ga"), ('ギ', "gi"), ('グ', "gu"), ('ゲ', "ge"), ('ゴ', "go"), ('サ', "sa"), ('シ', "shi"), ('ス', "su"), ('セ', "se"), ('ソ', "so"),
    ('ザ', "za"), ('ジ', "ji"), ('ズ', "zu"), ('ゼ', "ze"), ('ゾ', "zo"), ('タ', "ta"), ('チ', "chi"), ('ツ', "tsu"), ('テ', "te"), ('ト', "to"),
    ('ダ', "da"), ('ヂ', "ji"), ('ヅ', "zu"), ('デ', "de"), ('ド', "do"), ('ナ', "na"), ('ニ', "ni"), ('ヌ', "nu"), ('ネ', "ne"), ('ノ', "no"),
    ('ハ', "ha"), ('ヒ', "hi"), ('フ', "fu"), ('ヘ', "he"), ('ホ', "ho"), ('バ', "ba"), ('ビ', "bi"), ('ブ', "bu"), ('ベ', "be"), ('ボ', "bo"),
    ('パ', "pa"), ('ピ', "pi"), ('プ', "pu"), ('ペ', "pe"), ('ポ', "po"), ('マ', "ma"), ('ミ', "mi"), ('ム', "mu"), ('メ', "me"), ('モ', "mo"),
    ('ヤ', "ya"), ('ユ', "yu"), ('ヨ', "yo"), ('ラ', "ra"), ('リ', "ri"), ('ル', "ru"), ('レ', "re"), ('ロ', "ro"), ('ワ', "wa"), ('ヲ', "o"),
    ('ン', "n"), ('ヴ', "vu"), ('ァ', "a"), ('ィ', "i"), ('ゥ', "u"), ('ェ', "e"), ('ォ', "o"), ('ャ', "ya"), ('ュ', "yu"), ('ョ', "yo"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert_eq!(TABLE.lines.len(), 56_788);
        for table in [&TABLE, &PLACES] {
            assert!((1..table.lines.len()).all(|index| table.line(index - 1).0 < table.line(index).0));
        }
    }

    #[test]
    fn words_are_read_greedily() {
        assert_eq!(reading("避難所").as_deref(), Some("ヒナンショ"));
        assert_eq!(reading("保健所").as_deref(), Some("ホケンジョ"));
        assert_eq!(reading("ごみ").as_deref(), Some("ゴミ"));
        assert_eq!(reading("aed").as_deref(), Some("aed"));
        assert_eq!(reading("龘"), None);
    }

    #[test]
    fn what_sounds_alike_is_equal() {
        assert_eq!(fold_reading("ヒナンショ"), fold_reading("ひなんじょ"));
        assert_eq!(fold_reading("ホケンショ"), fold_reading("ホケンジョ"));
        assert_eq!(fold_reading("データ"), "テタ");
    }

    #[test]
    fn romaji_in_any_spelling() {
        assert_eq!(romaji("ヒナンジョ"), "hinanjo");
        assert_eq!(romaji("トウキョウ"), "tokyo");
        assert_eq!(romaji("ガッコウ"), "gakko");
        assert_eq!(romaji("シュウチュウ"), "shuchu");
        for typed in ["hinanjo", "hinanzyo", "HINANJYO", "hinannjo"] {
            assert_eq!(simplify_romaji(typed), "hinanjo", "{typed}");
        }
        assert_eq!(simplify_romaji("toukyou"), "tokyo");
        for typed in ["hinanjo", "hinanzyo", "hinannjo"] {
            assert_eq!(kana_of_romaji(typed).as_deref(), Some("ヒナンジョ"), "{typed}");
        }
        assert_eq!(kana_of_romaji("gakkou").as_deref(), Some("ガッコウ"));
        assert_eq!(kana_of_romaji("shelter"), None);
        assert_eq!(simplify_romaji("syouboushi"), simplify_romaji("shoboshi"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = reading(&text);
            let _ = romaji(&fold_reading(&text));
            let _ = kana_of_romaji(&text);
        }
    }
}
