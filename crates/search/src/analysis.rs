//! Words and character pairs: the two ways each text is indexed.

use std::sync::LazyLock;

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};

use crate::normalize::{fold_kana, fold_kana_char, is_cjk, is_katakana, normalize};

/// Changes whenever the same text would give other tokens; an index of another version is rebuilt.
pub(crate) const ANALYZER_VERSION: u32 = 1;
/// Tokenizer names in the schema.
pub(crate) const WORDS: &str = "minato_words";
pub(crate) const PAIRS: &str = "minato_pairs";
/// Longer runs of letters or digits are cut: no reader types them.
const TOKEN_CHARS_MAX: usize = 64;

/// A token, folded for matching, and where it is in the normalized text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) position: usize,
}

/// Words of a normalized text, function words left out; their positions stay empty.
pub(crate) fn words(normalized: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut position = 0;
    for_each_segment(normalized, |start, segment| {
        if !segment.contains(char::is_alphanumeric) {
            if segment.contains(|c: char| !c.is_whitespace() && !matches!(c, '・' | '-' | '_')) && position > 0 {
                position += 1;
            }
            return;
        }
        if !is_function_word(segment) {
            pieces.push(Piece { text: word_key(segment), start, end: start + segment.len(), position });
        }
        position += 1;
    });
    pieces
}

/// Whether a normalized word only glues others together.
pub(crate) fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
}

/// Calls back with each segment and its offset; `_` counts as a space, since Japanese titles use it as a separator.
pub(crate) fn for_each_segment<'a>(normalized: &'a str, mut call: impl FnMut(usize, &'a str)) {
    static SEGMENTER: LazyLock<WordSegmenterBorrowed<'static>> =
        LazyLock::new(|| WordSegmenter::new_dictionary(WordBreakInvariantOptions::default()));
    let spaced;
    let text = if normalized.contains('_') {
        spaced = normalized.replace('_', " ");
        spaced.as_str()
    } else {
        normalized
    };
    let mut start = 0;
    for end in SEGMENTER.segment_str(text) {
        if end > start {
            call(start, &normalized[start..end]);
            start = end;
        }
    }
}

/// A word as it is compared: kana folded, a final ー of long katakana words dropped.
fn word_key(word: &str) -> String {
    let mut folded = clip(&fold_kana(word));
    if folded.ends_with('ー') && folded.chars().count() >= 4 && folded.chars().all(is_katakana) {
        folded.pop();
    }
    folded
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Cjk,
    Letter,
    Digit,
    Other,
}

fn class(c: char) -> Class {
    if is_cjk(c) {
        Class::Cjk
    } else if c.is_numeric() {
        Class::Digit
    } else if c.is_alphanumeric() {
        Class::Letter
    } else {
        Class::Other
    }
}

/// Overlapping pairs of kana and kanji with positions; other runs whole; a position left empty between runs.
pub(crate) fn pairs(normalized: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(normalized.len() / 3);
    let mut position = 0;
    let mut chars = normalized.char_indices().peekable();
    let mut run: Vec<(usize, char)> = Vec::new();
    while let Some((start, c)) = chars.next() {
        let kind = class(c);
        if kind == Class::Other {
            continue;
        }
        run.clear();
        run.push((start, fold_kana_char(c)));
        let mut end = start + c.len_utf8();
        while let Some(&(at, next)) = chars.peek() {
            if class(next) != kind {
                break;
            }
            run.push((at, fold_kana_char(next)));
            end = at + next.len_utf8();
            chars.next();
        }
        if kind == Class::Cjk && run.len() > 1 {
            for (index, pair) in run.windows(2).enumerate() {
                let pair_end = run.get(index + 2).map_or(end, |(at, _)| *at);
                pieces.push(Piece { text: [pair[0].1, pair[1].1].iter().collect(), start: pair[0].0, end: pair_end, position });
                position += 1;
            }
        } else {
            let text = run.iter().take(TOKEN_CHARS_MAX).map(|(_, c)| *c).collect();
            pieces.push(Piece { text, start, end, position });
            position += 1;
        }
        position += 1;
    }
    pieces
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(TOKEN_CHARS_MAX) {
        Some((at, _)) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

/// The tokenizers, to be registered at every open.
pub(crate) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(WORDS, TextAnalyzer::from(Analyzer(words)));
    manager.register(PAIRS, TextAnalyzer::from(Analyzer(pairs)));
    manager
}

#[derive(Clone)]
struct Analyzer(fn(&str) -> Vec<Piece>);

impl Tokenizer for Analyzer {
    type TokenStream<'a> = Pieces;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Pieces {
        Pieces { pieces: (self.0)(&normalize(text)).into_iter(), token: Token::default() }
    }
}

struct Pieces {
    pieces: std::vec::IntoIter<Piece>,
    token: Token,
}

impl TokenStream for Pieces {
    fn advance(&mut self) -> bool {
        let Some(piece) = self.pieces.next() else { return false };
        self.token.text = piece.text;
        self.token.offset_from = piece.start;
        self.token.offset_to = piece.end;
        self.token.position = piece.position;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Compared before kana folding: afterwards たい and です would equal katakana nouns.
#[rustfmt::skip]
const FUNCTION_WORDS: &[&str] = &[
    "の", "に", "は", "を", "が", "と", "で", "も", "へ", "や", "か", "な", "ね", "よ", "から", "まで", "より", "など", "また", "および", "及び",
    "ください", "です", "ます", "でした", "ました", "ません", "た", "て", "だ", "たい", "する", "した", "して", "され", "さ", "し", "れ", "せ",
    "いる", "いた", "い", "ある", "あり", "あった", "こと", "もの", "ため", "この", "その", "これ", "それ", "れる", "られる", "として", "による", "により",
    "における", "について", "に関する", "ので", "のに", "では", "には", "とは", "への", "での", "からの", "という", "または", "及", "れた", "ない", "なる", "なり",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(analyze: fn(&str) -> Vec<Piece>, text: &str, expected: &str) {
        let pieces = analyze(&normalize(text));
        let shown: Vec<String> = pieces.iter().map(|piece| format!("{}@{}", piece.text, piece.position)).collect();
        assert_eq!(shown.join(" "), expected, "{text}");
    }

    #[test]
    fn pairs_have_positions_and_gaps() {
        check(pairs, "避難所一覧", "避難@0 難所@1 所一@2 一覧@3");
        check(pairs, "ＡＥＤ設置2024年度", "aed@0 設置@2 2024@4 年度@6");
        check(pairs, "橋（きょう）", "橋@0 キョ@2 ョウ@3");
        check(pairs, "", "");
    }

    #[test]
    fn words_leave_out_what_glues() {
        check(words, "小学校の学区", "小学校@0 学区@2");
        check(words, "人口_世帯", "人口@0 世帯@1");
        check(words, "コンピューター", "コンピュータ@0");
        check(words, "シェルター", "シェルタ@0");
        check(words, "★☆", "");
    }

    #[test]
    fn long_runs_are_cut() {
        let pieces = words(&"a".repeat(10_000));
        assert!(pieces.iter().all(|piece| piece.text.len() <= TOKEN_CHARS_MAX));
        assert_eq!(pairs(&"字".repeat(500)).len(), 499);
    }

    proptest::proptest! {
        #[test]
        fn pieces_lie_on_character_borders(text in "\\PC{0,40}") {
            let normalized = normalize(&text);
            for piece in words(&normalized).iter().chain(&pairs(&normalized)) {
                proptest::prop_assert!(normalized.get(piece.start..piece.end).is_some());
            }
        }
    }
}
