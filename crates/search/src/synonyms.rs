//! What residents say for what cities publish.
//!
//! One concept a line: `equivalent,equivalent|related,related`. Equivalents stand for each other; related words are found by an
//! equivalent, not the other way round. `#` begins a comment.

use std::collections::HashMap;

use crate::normalize::{fold, fold_kana, normalize};
use crate::readings::reading;

const LINE_WORDS_MAX: usize = 60;

/// A parsed synonym list.
#[derive(Debug, Default)]
pub struct Synonyms {
    lines: Vec<Line>,
    /// Folded word → lines where it is an equivalent.
    by_word: HashMap<Box<str>, Vec<u32>>,
    /// Reading → equivalents with kanji that are read so.
    by_reading: HashMap<Box<str>, Vec<Box<str>>>,
}

#[derive(Debug)]
struct Line {
    equivalents: Vec<Box<str>>,
    related: Vec<Box<str>>,
}

/// A line of a synonym list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the synonyms: {problem}")]
pub struct SynonymError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, in English.
    pub problem: &'static str,
}

impl Synonyms {
    /// The text of the list that comes with the catalog.
    pub const BUILT_IN: &str = include_str!("../data/synonyms.txt");

    /// The list that comes with the catalog.
    pub fn built_in() -> Synonyms {
        Synonyms::parse(Synonyms::BUILT_IN).0
    }

    /// Reads a list; lines that cannot be used are left out and returned.
    pub fn parse(text: &str) -> (Synonyms, Vec<SynonymError>) {
        let (mut synonyms, mut errors) = (Synonyms::default(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let mut halves = content.split('|');
            let words = |half: &str| -> Vec<Box<str>> {
                half.split([',', '、', '，']).map(|word| normalize(word.trim()).into_boxed_str()).filter(|word| !word.is_empty()).collect()
            };
            let equivalents = words(halves.next().unwrap_or_default());
            let related = words(halves.next().unwrap_or_default());
            let problem = if halves.next().is_some() {
                Some("more than one `|`")
            } else if equivalents.is_empty() {
                Some("no word before `|`")
            } else if equivalents.len() + related.len() < 2 {
                Some("a single word has nothing to stand for")
            } else if equivalents.len() + related.len() > LINE_WORDS_MAX {
                Some("more than 60 words")
            } else {
                None
            };
            if let Some(problem) = problem {
                errors.push(SynonymError { line: index + 1, problem });
                continue;
            }
            let number = synonyms.lines.len() as u32;
            for word in &equivalents {
                if let Some(reading) = reading(word).filter(|reading| *reading != fold_kana(word)) {
                    synonyms.by_reading.entry(reading.into_boxed_str()).or_default().push(word.clone());
                }
                let lines = synonyms.by_word.entry(fold(word).into_boxed_str()).or_default();
                if lines.last() != Some(&number) {
                    lines.push(number);
                }
            }
            synonyms.lines.push(Line { equivalents, related });
        }
        (synonyms, errors)
    }

    /// Number of concepts.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no concept.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Normalized words that are read so, in katakana.
    pub(crate) fn read_as(&self, kana: &str) -> impl Iterator<Item = &str> {
        self.by_reading.get(kana).into_iter().flatten().map(|word| &**word)
    }

    /// Normalized words for a folded one, and whether each is an equivalent.
    pub(crate) fn of<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        let lines = self.by_word.get(folded).map(Vec::as_slice).unwrap_or_default();
        lines.iter().filter_map(|line| self.lines.get(*line as usize)).flat_map(move |line| {
            let equivalents = line.equivalents.iter().filter(move |word| fold(word) != folded).map(|word| (&**word, true));
            equivalents.chain(line.related.iter().map(|word| (&**word, false)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, word: &str, expected: &str) {
        let (synonyms, errors) = Synonyms::parse(list);
        assert_eq!(errors, []);
        let folded = fold(word);
        let found: Vec<String> = synonyms.of(&folded).map(|(word, equal)| format!("{word}{}", if equal { "=" } else { "~" })).collect();
        assert_eq!(found.join(" "), expected, "{word}");
    }

    #[test]
    fn related_is_one_way() {
        let list = "お手洗い,トイレ,便所|公園\n# comment\nＷＣ,トイレ";
        check(list, "お手洗い", "トイレ= 便所= 公園~");
        check(list, "トイレ", "お手洗い= 便所= 公園~ wc=");
        check(list, "といれ", "お手洗い= 便所= 公園~ wc=");
        check(list, "公園", "");
    }

    #[test]
    fn unusable_lines_are_named() {
        let (synonyms, errors) = Synonyms::parse("a\nb,c\n|d\na,b|c|d");
        assert_eq!(synonyms.len(), 1);
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [1, 3, 4]);
    }

    #[test]
    fn the_list_that_comes_with_the_catalog_is_clean() {
        let (synonyms, errors) = Synonyms::parse(include_str!("../data/synonyms.txt"));
        assert_eq!(errors, []);
        assert!(synonyms.len() >= 200, "{}", synonyms.len());
    }
}
