//! Marks what matched, on the text as published.

use crate::Fragment;
use crate::analysis::for_each_segment;
use crate::normalize::{Normalized, fold_kana, is_cjk, is_kanji, is_katakana};
use crate::schema::clip;

/// Characters of a description shown around what matched.
const SNIPPET_CHARS: usize = 120;

/// Bytes of a text that are searched for marks.
const SEARCHED_BYTES: usize = 4_000;

/// Folded texts to be marked, longest first, each with its characters.
#[derive(Debug, Default)]
pub(crate) struct Needles(Vec<(String, Characters)>);

/// Which characters a text may have: a quick no to most needles.
#[derive(Debug, Default, Clone, Copy)]
struct Characters([u64; 4]);

impl Characters {
    fn of(text: &str) -> Characters {
        let mut found = [0_u64; 4];
        for c in text.chars() {
            let hash = (c as u32).wrapping_mul(0x9e37_79b1) >> 24;
            found[(hash >> 6) as usize] |= 1 << (hash & 63);
        }
        Characters(found)
    }

    fn may_hold(&self, other: &Characters) -> bool {
        self.0.iter().zip(other.0).all(|(own, wanted)| wanted & !own == 0)
    }
}

impl Needles {
    pub(crate) fn new(mut texts: Vec<String>) -> Needles {
        texts.retain(|text| !text.is_empty());
        texts.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        texts.truncate(64);
        Needles(texts.into_iter().map(|text| (text.clone(), Characters::of(&text))).collect())
    }

    /// Ranges of the source that match, in order, not overlapping.
    fn find(&self, source: &str) -> Vec<(usize, usize)> {
        if self.0.is_empty() || source.is_empty() {
            return Vec::new();
        }
        let normalized = Normalized::of(clip(source, SEARCHED_BYTES));
        let folded = fold_kana(&normalized.text);
        let characters = Characters::of(&folded);
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for (needle, _) in self.0.iter().filter(|(_, wanted)| characters.may_hold(wanted)) {
            for (start, _) in folded.match_indices(needle.as_str()) {
                let end = start + needle.len();
                let inside = ranges.iter().any(|(from, to)| *from <= start && end <= *to);
                if !inside && is_whole(&normalized.text, &folded, start, end) {
                    ranges.push((start, end));
                }
            }
        }
        ranges.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (start, end) in ranges {
            let (start, end) = normalized.source_range(start, end);
            match merged.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        merged
    }

    /// The whole text in pieces.
    pub(crate) fn mark(&self, source: &str) -> Vec<Fragment> {
        fragments(source, 0, source.len(), &self.find(source))
    }

    /// The part of a text with the most matches; its beginning when nothing matches.
    pub(crate) fn snippet(&self, source: &str) -> Vec<Fragment> {
        let ranges = self.find(source);
        let borders: Vec<usize> = source.char_indices().map(|(at, _)| at).chain([source.len()]).collect();
        let last = borders.len() - 1;
        let window = |first: usize| (first, (first + SNIPPET_CHARS).min(last));
        let mut best = window(0);
        let mut most = 0;
        for (start, _) in &ranges {
            let at = borders.partition_point(|border| border < start);
            let (from, to) = window(at.saturating_sub(SNIPPET_CHARS / 5).min(last.saturating_sub(SNIPPET_CHARS)));
            let covered = ranges.iter().filter(|(start, end)| borders[from] <= *start && *end <= borders[to]).count();
            if covered > most {
                (best, most) = ((from, to), covered);
            }
        }
        let (start, end) = (borders[best.0], borders[best.1]);
        let mut pieces = fragments(source, start, end, &ranges);
        let ellipsis = || Fragment { text: "…".to_owned(), marked: false };
        if start > 0 {
            pieces.insert(0, ellipsis());
        }
        if end < source.len() {
            pieces.push(ellipsis());
        }
        pieces
    }
}

fn fragments(source: &str, start: usize, end: usize, ranges: &[(usize, usize)]) -> Vec<Fragment> {
    let mut pieces = Vec::new();
    let mut at = start;
    let mut add = |text: &str, marked| {
        if !text.is_empty() {
            pieces.push(Fragment { text: text.to_owned(), marked });
        }
    };
    for &(from, to) in ranges {
        let (from, to) = (from.max(at), to.min(end));
        if from >= to {
            continue;
        }
        add(&source[at..from], false);
        add(&source[from..to], true);
        at = to;
    }
    add(&source[at.min(end)..end], false);
    pieces
}

/// Whether a match is one for a reader: no part of a longer Latin word, and two kanji not across words (京都 in 東京都).
fn is_whole(text: &str, folded: &str, start: usize, end: usize) -> bool {
    let needle = &folded[start..end];
    let before = folded[..start].chars().next_back();
    let after = folded[end..].chars().next();
    let joins =
        |a: char, b: char| a.is_alphanumeric() && b.is_alphanumeric() && !is_cjk(a) && !is_cjk(b) && a.is_numeric() == b.is_numeric();
    let (Some(first), Some(last)) = (needle.chars().next(), needle.chars().next_back()) else { return false };
    if before.is_some_and(|c| joins(c, first)) || after.is_some_and(|c| joins(last, c)) {
        return false;
    }
    let chars = needle.chars().count();
    if chars <= 3 && needle.chars().all(is_katakana) {
        // Hiragana folds to katakana; only a run written in one script is a longer word.
        let katakana = |c: Option<char>| c.is_some_and(is_katakana);
        let (inside, around) = (&text[start..end], (text[..start].chars().next_back(), text[end..].chars().next()));
        let joined_before = katakana(around.0) && katakana(inside.chars().next());
        let joined_after = katakana(around.1) && katakana(inside.chars().next_back());
        return !joined_before && !joined_after;
    }
    if chars <= 2 && needle.chars().all(is_kanji) && before.is_some_and(is_kanji) {
        return begins_word(text, start);
    }
    true
}

/// Whether a word begins here, judged from the run of kanji around.
fn begins_word(text: &str, at: usize) -> bool {
    let from = text[..at].char_indices().rev().take_while(|(_, c)| is_kanji(*c)).last().map_or(at, |(from, _)| from);
    let to = text[at..].char_indices().find(|(_, c)| !is_kanji(*c)).map_or(text.len(), |(offset, _)| at + offset);
    let mut begins = false;
    for_each_segment(&text[from..to], |start, _| begins |= from + start == at);
    begins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::fold;

    fn check(needles: &[&str], source: &str, expected: &str) {
        let needles = Needles::new(needles.iter().map(|needle| fold(needle)).collect());
        let shown: String =
            needles.mark(source).iter().map(|piece| if piece.marked { format!("[{}]", piece.text) } else { piece.text.clone() }).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn marks_are_on_the_published_text() {
        check(&["aed"], "市内のＡＥＤ設置箇所", "市内の[ＡＥＤ]設置箇所");
        check(&["ガス"], "都市ｶﾞｽ", "都市[ｶﾞｽ]");
        check(&["避難", "避難所"], "指定避難所と避難経路", "指定[避難所]と[避難]経路");
        check(&["ごみ"], "ごみとゴミ", "[ごみ]と[ゴミ]");
    }

    #[test]
    fn parts_of_other_words_are_not_marked() {
        check(&["京都"], "東京都と京都市", "東京都と[京都]市");
        check(&["石川"], "小石川図書館", "小石川図書館");
        check(&["バス"], "バスケットとバス停", "バスケットと[バス]停");
        check(&["car"], "care and car", "care and [car]");
    }

    #[test]
    fn snippets_show_what_matched() {
        let needles = Needles::new(vec![fold("避難所")]);
        let source = format!("{}避難所の一覧{}", "あ".repeat(300), "い".repeat(300));
        let pieces = needles.snippet(&source);
        assert!(pieces.iter().any(|piece| piece.marked && piece.text == "避難所"));
        assert!(pieces.iter().map(|piece| piece.text.chars().count()).sum::<usize>() <= SNIPPET_CHARS + 2);
        assert_eq!(needles.snippet(""), []);
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_the_text(text in "\\PC{0,40}", needle in "\\PC{0,3}") {
            let needles = Needles::new(vec![fold(&needle)]);
            let joined: String = needles.mark(&text).into_iter().map(|piece| piece.text).collect();
            proptest::prop_assert_eq!(joined, text.clone());
            let _ = needles.snippet(&text);
        }
    }
}
