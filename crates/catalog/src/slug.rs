//! Names in URLs.

use unicode_normalization::UnicodeNormalization;

/// Longest slug accepted.
pub const SLUG_LENGTH_MAX: usize = 100;

/// Whether `slug` is 2–100 characters of `a–z`, `0–9`, `-` and `_` (the rule CKAN has for names).
pub fn is_slug(slug: &str) -> bool {
    (2..=SLUG_LENGTH_MAX).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// A slug made from a title: its Latin letters and digits, joined by `-`; empty when there are fewer than two.
pub fn slugify(title: &str) -> String {
    let mut slug = String::new();
    for c in title.nfkc().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_LENGTH_MAX - 20 {
            break;
        }
    }
    let slug = slug.trim_matches(['-', '_']).to_owned();
    if is_slug(&slug) { slug } else { String::new() }
}

/// A slug for a dataset that brings none: organization, Latin part of the title, and the tail of the id to keep it unique.
pub fn dataset_slug(organization_slug: &str, title: &str, id: uuid::Uuid) -> String {
    let id = id.simple().to_string();
    let tail = &id[id.len() - 8..];
    let head: String = organization_slug.chars().take(30).collect();
    let middle = slugify(title);
    let middle: String = middle.chars().take(50).collect();
    let middle = middle.trim_matches(['-', '_']);
    if middle.is_empty() { format!("{head}-{tail}") } else { format!("{head}-{middle}-{tail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_follow_the_rule() {
        assert!(is_slug("aed-2024_hiroshima"));
        for bad in ["", "a", "A-b", "あい", "a/b", "..%2f", &"x".repeat(101)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn latin_parts_of_a_title_make_a_slug() {
        assert_eq!(slugify("ＡＥＤ設置箇所 2024年"), "aed-2024");
        assert_eq!(slugify("避難所一覧"), "");
        let id = uuid::Uuid::from_u128(0x1234_5678);
        assert_eq!(dataset_slug("fuchu-shi", "避難所", id), "fuchu-shi-12345678");
        assert!(is_slug(&dataset_slug(&"o".repeat(100), &"t".repeat(300), id)));
    }
}
