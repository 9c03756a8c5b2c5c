//! File names: what publishers send, made harmless, and how they are sent back.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;

/// Most characters of a file name.
pub const FILE_NAME_LENGTH_MAX: usize = 200;

/// Longest extension that is kept when a name is cut.
const EXTENSION_LENGTH_MAX: usize = 16;

/// A publisher's file name without anything that could lead elsewhere or mislead: paths, drive letters, control and direction characters,
/// leading dots, characters and names that Windows reserves. NFC, at most [`FILE_NAME_LENGTH_MAX`] characters with the extension kept;
/// `file` when nothing is left. Sanitizing twice changes nothing.
pub fn sanitize_file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let without_drive = match last.as_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => &last[2..],
        _ => last,
    };
    let plain: String = without_drive.chars().filter(|c| !is_hidden(*c)).map(|c| if is_reserved(c) { '_' } else { c }).nfc().collect();
    let trimmed = plain.trim_start_matches(is_edge).trim_end_matches(is_edge);
    let stem = trimmed.split('.').next().unwrap_or_default().trim_end();
    if trimmed.is_empty() {
        "file".to_owned()
    } else if is_device(stem) {
        shorten(&format!("_{trimmed}"))
    } else {
        shorten(trimmed)
    }
}

/// The value of a `Content-Disposition` header that offers a download under `file_name`.
///
/// Plain ASCII for old clients, and the real name in RFC 8187's form when it differs (RFC 6266).
pub fn content_disposition(file_name: &str) -> String {
    let name = sanitize_file_name(file_name);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let ascii = |text: &str| -> String { text.chars().map(|c| if is_plain(c) { c } else { '_' }).collect() };
    let mut fallback = ascii(stem);
    if !fallback.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        fallback = "file".to_owned();
    }
    let extension = ascii(extension);
    if extension.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        fallback = format!("{fallback}.{extension}");
    }
    if fallback == name {
        return format!("attachment; filename=\"{fallback}\"");
    }
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{}", utf8_percent_encode(&name, NOT_ATTR_CHAR))
}

/// RFC 8187 attr-char is what stays.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Harmless in a quoted string. Some clients decode `%` there.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' '
}

/// Characters nobody sees, or that turn the direction of what is seen (`photo\u{202E}gpj.exe`).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

fn is_reserved(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

fn is_edge(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

fn is_device(stem: &str) -> bool {
    let upper = stem.to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().filter_map(|start| upper.strip_prefix(start)).any(|rest| {
        let mut chars = rest.chars();
        matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    });
    numbered || ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&upper.as_str())
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= FILE_NAME_LENGTH_MAX {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension_length = extension.chars().count();
    let cut = |length: usize| -> String {
        let text: String = name.chars().take(length).collect();
        text.trim_end_matches(is_edge).to_owned()
    };
    if extension_length == 0 || extension_length > EXTENSION_LENGTH_MAX {
        return cut(FILE_NAME_LENGTH_MAX);
    }
    format!("{}.{extension}", cut(FILE_NAME_LENGTH_MAX - extension_length - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_made_harmless() {
        for (name, expected) in [
            ("避難所一覧.csv", "避難所一覧.csv"),
            ("C:\\Users\\tanaka\\Desktop\\避難所.xlsx", "避難所.xlsx"),
            ("../../etc/passwd", "passwd"),
            ("C:evil.txt", "evil.txt"),
            ("a/b/", "b"),
            ("..", "file"),
            ("a/..", "file"),
            ("", "file"),
            ("   ", "file"),
            (".htaccess", "htaccess"),
            ("...a.csv", "a.csv"),
            ("a.csv. .", "a.csv"),
            ("photo\u{202E}gpj.exe", "photogpj.exe"),
            ("a\r\nSet-Cookie: x.csv", "aSet-Cookie_ x.csv"),
            ("a\0b.csv", "ab.csv"),
            ("who?<what>|\"*\".csv", "who__what_____.csv"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("COM1.csv", "_COM1.csv"),
            ("COM10.csv", "COM10.csv"),
            ("console.csv", "console.csv"),
            ("か\u{3099}っこう.csv", "がっこう.csv"),
            ("\u{FEFF}a.csv", "a.csv"),
        ] {
            assert_eq!(sanitize_file_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = sanitize_file_name(&format!("{}.geojson", "長".repeat(500)));
        assert_eq!(name.chars().count(), FILE_NAME_LENGTH_MAX);
        assert!(name.ends_with("長.geojson"));
        let no_extension = sanitize_file_name(&format!("a.{}", "b".repeat(500)));
        assert_eq!(no_extension.chars().count(), FILE_NAME_LENGTH_MAX);
    }

    #[test]
    fn the_header_carries_both_forms() {
        for (name, expected) in [
            ("data.csv", "attachment; filename=\"data.csv\""),
            ("避難所.csv", "attachment; filename=\"file.csv\"; filename*=UTF-8''%E9%81%BF%E9%9B%A3%E6%89%80.csv"),
            (
                "R8 避難所(案).csv",
                "attachment; filename=\"R8 ___(_).csv\"; filename*=UTF-8''R8%20%E9%81%BF%E9%9B%A3%E6%89%80%28%E6%A1%88%29.csv",
            ),
            ("100%.csv", "attachment; filename=\"100_.csv\"; filename*=UTF-8''100%25.csv"),
            ("a\"b\\c.csv", "attachment; filename=\"c.csv\""),
            ("表", "attachment; filename=\"file\"; filename*=UTF-8''%E8%A1%A8"),
        ] {
            assert_eq!(content_disposition(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_harmless_one(name in any::<String>()) {
            let clean = sanitize_file_name(&name);
            prop_assert!(!clean.is_empty() && clean.chars().count() <= FILE_NAME_LENGTH_MAX);
            let has_forbidden = clean.contains(['/', '\\', '\0', ':', '\u{202E}']);
            prop_assert!(!clean.starts_with('.') && !has_forbidden);
            prop_assert_eq!(sanitize_file_name(&clean), clean);
        }

        #[test]
        fn harmless_names_of_nasty_parts_stay_as_they_are(parts in proptest::collection::vec("\\.|/|\\\\|C:|CON| |\u{202E}|か|\u{3099}|[a-z]{100}|:", 0..8)) {
            let clean = sanitize_file_name(&parts.concat());
            prop_assert_eq!(sanitize_file_name(&clean), clean);
        }

        #[test]
        fn any_header_is_one_line_of_ascii(name in any::<String>()) {
            let header = content_disposition(&name);
            prop_assert!(header.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
            prop_assert_eq!(header.matches('"').count(), 2);
        }
    }
}
