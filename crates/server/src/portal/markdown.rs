//! Descriptions: Markdown, or the HTML that other portals put there, made harmless.

use std::borrow::Cow;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Longest description that is shown, in bytes; what is longer is cut.
const BYTES_MAX: usize = 50_000;

/// The description as HTML without scripts, styles, pictures or forms, and with its headings below those of the page.
pub(super) fn to_html(text: &str) -> String {
    let text = spaced(clip(text));
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::with_capacity(text.len() * 2);
    html::push_html(&mut html, Parser::new_ext(&text, options).map(adjusted));
    // Pictures are asked for at other sites: neither ours to load nor the reader's to be seen there.
    ammonia::Builder::default()
        .rm_tags(["img", "h1", "h2"])
        .url_schemes(["http", "https", "mailto"].into_iter().collect())
        .link_rel(Some("noopener noreferrer nofollow"))
        .clean(&html)
        .to_string()
}

/// The description as one line of plain text.
pub(super) fn to_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut chars = 0;
    for event in Parser::new(clip(text)) {
        let piece: Cow<'_, str> = match &event {
            Event::Text(text) | Event::Code(text) => Cow::Borrowed(text),
            Event::SoftBreak | Event::HardBreak => Cow::Borrowed(" "),
            Event::End(end) if !is_inline(end) => Cow::Borrowed(" "),
            _ => continue,
        };
        for c in piece.chars() {
            let c = if c.is_whitespace() { ' ' } else { c };
            if c == ' ' && (line.is_empty() || line.ends_with(' ')) {
                continue;
            }
            if chars == chars_max {
                line.push('…');
                return line;
            }
            line.push(c);
            chars += 1;
        }
    }
    line.trim_end().to_owned()
}

fn is_inline(end: &TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

fn clip(text: &str) -> &str {
    if text.len() <= BYTES_MAX {
        return text;
    }
    let end = (0..=BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// Publishers type line breaks and mean them: two spaces make them Markdown's.
fn spaced(text: &str) -> String {
    text.replace('\r', "").replace('\n', "  \n")
}

fn adjusted(event: Event<'_>) -> Event<'_> {
    let below = |level: HeadingLevel| match level {
        HeadingLevel::H1 | HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        _ => HeadingLevel::H5,
    };
    match event {
        Event::Start(Tag::Heading { level, .. }) => {
            Event::Start(Tag::Heading { level: below(level), id: None, classes: Vec::new(), attrs: Vec::new() })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
        Event::Start(Tag::Image { dest_url, title, id, .. }) => {
            Event::Start(Tag::Link { link_type: pulldown_cmark::LinkType::Inline, dest_url, title, id })
        }
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        Event::Text(text) => Event::Text(CowStr::from(text.into_string())),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        let html = to_html("# 概要\n一行目\n二行目\n\n- [県](https://example.jp/)\n");
        assert!(html.contains("<h3>概要</h3>"), "{html}");
        assert!(html.contains("一行目<br>"), "{html}");
        assert!(html.contains("<a href=\"https://example.jp/\" rel=\"noopener noreferrer nofollow\">県</a>"), "{html}");
    }

    #[test]
    fn nothing_that_runs_or_loads_gets_through() {
        for nasty in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![x](https://example.com/pixel.png)",
            "[x](javascript:alert(1))",
            "<a href=\"javascript:alert(1)\" onclick=\"alert(1)\">x</a>",
            "<style>body{display:none}</style>",
            "<iframe src=https://example.com></iframe>",
            "<form action=/login><input></form>",
            "<svg><script>alert(1)</script></svg>",
            "<p style=\"position:fixed\">x</p>",
        ] {
            let html = to_html(nasty).to_lowercase();
            for word in
                ["<script", "<img", "onerror", "onclick", "href=\"javascript", "<style", "style=", "<iframe", "<form", "<input", "<svg"]
            {
                assert!(!html.contains(word), "{nasty} gave {html}");
            }
        }
    }

    #[test]
    fn a_line_is_plain_and_short() {
        assert_eq!(to_line("# 避難所\n\n**一覧**です。\n<b>x</b>", 100), "避難所 一覧です。 x");
        assert_eq!(to_line("あいうえお", 3), "あいう…");
        assert_eq!(to_line("", 3), "");
    }
}
