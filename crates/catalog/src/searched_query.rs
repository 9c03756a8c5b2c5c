//! What residents search: queries as they are counted, and what is not kept.

use unicode_normalization::UnicodeNormalization;

/// Longest query kept, in characters; the rest is cut off.
pub const SEARCHED_QUERY_LENGTH_MAX: usize = 100;
/// So many digits in a row are a telephone, card or personal number.
const DIGITS_IN_A_ROW: usize = 9;

/// A query as it is counted: NFKC, lower case, one blank between words, cut off at [`SEARCHED_QUERY_LENGTH_MAX`].
///
/// `None` for an empty one, and for one that looks like personal data: with an `@`, or with nine or more digits in a row. Hyphens, brackets and
/// blanks between digits do not end a row: 082-000-0000, 1234 5678 9012.
pub fn searched_query(text: &str) -> Option<String> {
    let plain: String = text.nfkc().flat_map(char::to_lowercase).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.contains('@') || has_long_number(&plain) {
        return None;
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    let clipped: String = words.join(" ").chars().take(SEARCHED_QUERY_LENGTH_MAX).collect();
    Some(clipped.trim_end().to_owned()).filter(|query| !query.is_empty())
}

fn has_long_number(text: &str) -> bool {
    let mut digits = 0;
    for c in text.chars() {
        match c {
            '0'..='9' => digits += 1,
            '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | 'ー' | '(' | ')' => {}
            c if c.is_whitespace() => {}
            _ => digits = 0,
        }
        if digits >= DIGITS_IN_A_ROW {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_the_search_takes_for_the_same_are_counted_as_one() {
        for text in ["AED 設置", "ＡＥＤ　設置", "  aed \t設置\n", "aed\u{0}設置"] {
            assert_eq!(searched_query(text).as_deref(), Some("aed 設置"), "{text:?}");
        }
        assert_eq!(searched_query("ﾊﾞｽ停").as_deref(), Some("バス停"));
        assert_eq!(searched_query(&"あ".repeat(500)).unwrap().chars().count(), SEARCHED_QUERY_LENGTH_MAX);
        assert_eq!(searched_query(&format!("{} い", "あ".repeat(99))).unwrap(), "あ".repeat(99), "no blank at the end");
        for nothing in ["", " ", "　", "\u{0}"] {
            assert_eq!(searched_query(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn what_looks_like_personal_data_is_not_kept() {
        for text in [
            "taro@example.jp",
            "ｔａｒｏ＠example",
            "0820000000",
            "０８２ー０００ー００００",
            "(082) 000-0000",
            "1234 5678 9012",
            "山田 090‐0000‐0000",
        ] {
            assert_eq!(searched_query(text), None, "{text}");
        }
        for text in ["令和6年度 2024", "2024-04-01", "2024/04/01 2025/03/31", "国道2号 12345678", "2024年 2025年 2026年"] {
            assert!(searched_query(text).is_some(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_stays_long(text in "\\PC{0,150}") {
            if let Some(once) = searched_query(&text) {
                proptest::prop_assert!(once.chars().count() <= SEARCHED_QUERY_LENGTH_MAX);
                proptest::prop_assert!(!once.contains('\0'));
            }
        }
    }
}
