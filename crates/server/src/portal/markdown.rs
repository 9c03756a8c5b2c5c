//! Descriptions: Markdown, or the HTML that other portals put there, made harmless.

use std::borrow::Cow;
use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Longest description that is shown, in bytes; what is longer is cut.
const BYTES_MAX: usize = 50_000;
/// Deepest nesting of quotations, lists and emphasis that is shown; what is nested deeper is shown at this depth.
const DEPTH_MAX: usize = 50;
/// Most elements that the HTML parser may make of tags that were left open, which it repeats in every paragraph after them.
const ELEMENTS_MAX: usize = 50_000;
/// Most steps that it may take to look for an open tag: each tag looks at those it is nested in.
const STEPS_MAX: usize = 1_000_000;
/// Most bytes that the HTML writer may look through: for each `&`, and each character that begins like a no-break space, it looks for the
/// next bracket.
const BYTES_SEARCHED_MAX: usize = 250_000_000;

/// The description as HTML without scripts, styles, pictures or forms, and with its headings below those of the page.
pub(super) fn to_html(text: &str) -> String {
    let text = spaced(clip(text));
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    html::push_html(&mut html, Parser::new_ext(&text, options).filter(|event| is_within(event, &mut depth)).map(adjusted));
    if is_costly(&html) {
        return plain(&text);
    }
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

/// Whether an event is to be shown: the content always, its frame up to a depth. `depth` is that of the events before.
fn is_within(event: &Event<'_>, depth: &mut usize) -> bool {
    match event {
        Event::Start(_) => {
            *depth += 1;
            *depth <= DEPTH_MAX
        }
        Event::End(_) => {
            *depth -= 1;
            *depth < DEPTH_MAX
        }
        _ => true,
    }
}

/// Whether sanitizing would take longer than a description is worth: the HTML parser repeats formatting that was left open in each block
/// after it, and looks through all open elements at each tag. Nobody writes that but to keep a server busy.
fn is_costly(html: &str) -> bool {
    let (mut tags, mut left_open) = (0, 0);
    // Formatting that is open since the last tag of another kind, and how many elements of each other kind are open.
    let mut formatting: Vec<&str> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    let (mut depth, mut depth_max) = (0_usize, 0);
    for piece in html.split('<').skip(1) {
        let is_end = piece.starts_with('/');
        let name = piece.trim_start_matches('/');
        let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
        if name.is_empty() || VOID.iter().any(|void| name.eq_ignore_ascii_case(void)) {
            continue;
        }
        tags += 1;
        if FORMATTING.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            match is_end {
                true if formatting.last().is_some_and(|last| last.eq_ignore_ascii_case(name)) => drop(formatting.pop()),
                true => {}
                false => formatting.push(name),
            }
            continue;
        }
        left_open += formatting.len();
        formatting.clear();
        if CLOSED_BY_THE_NEXT.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            continue;
        }
        let count = open.entry(name).or_default();
        if is_end && *count > 0 {
            *count -= 1;
            depth -= 1;
        } else if !is_end {
            *count += 1;
            depth += 1;
            depth_max = depth_max.max(depth);
        }
    }
    left_open += formatting.len();
    let searches = html.matches("&amp;").count() + html.bytes().filter(|byte| *byte == 0xC2).count();
    searches * html.len() > BYTES_SEARCHED_MAX || tags * left_open > ELEMENTS_MAX || tags * (depth_max + left_open) > STEPS_MAX
}

/// Elements that have no content.
const VOID: [&str; 8] = ["br", "hr", "img", "input", "wbr", "col", "link", "meta"];
/// Elements whose end may be left out: the next one of their kind ends them.
const CLOSED_BY_THE_NEXT: [&str; 8] = ["p", "li", "dt", "dd", "tr", "td", "th", "option"];
/// Elements that the HTML parser opens again in the next block when they were not closed.
const FORMATTING: [&str; 14] = ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// The text as it was written.
fn plain(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<p>{}</p>", text.replace("  \n", "<br>\n"))
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
    fn deep_nesting_costs_no_time() {
        let numbered: String = (0..2_000).map(|n| format!("<b id={n}>")).collect();
        let barred: String = (0..700).map(|n| format!("<b id={n}><table><td></b></table>")).collect();
        for (name, text) in [
            ("quotations", ">".repeat(50_000)),
            ("quoted lists", "> - ".repeat(12_500)),
            ("numbered lists", "1) ".repeat(16_600)),
            ("lists", "- ".repeat(25_000)),
            ("quoted lines", format!("{}\n{}", ">".repeat(25_000), "a\n".repeat(12_500))),
            ("emphasis", "*a _".repeat(12_500)),
            ("brackets", "[".repeat(50_000)),
            ("links", "[a](".repeat(12_500)),
            ("emphases and brackets", "**x [a*".repeat(7_000)),
            ("backquotes", (0..300).map(|n| "`".repeat(n) + " ").collect()),
            ("divisions", "<div>".repeat(10_000)),
            ("paragraphs", "<p>".repeat(16_600)),
            ("items", "<ul><li>".repeat(6_000)),
            ("fonts", "<font>".repeat(8_300)),
            ("open formatting", format!("{numbered}{}", "<p>".repeat(8_000))),
            ("open formatting in tables", format!("{barred}{}", "<p>".repeat(8_000))),
            ("table", format!("a|b\n-|-\n{}", "x|y\n".repeat(12_000))),
            ("comments", "<!--".repeat(12_500)),
            ("entities", "&lt".repeat(16_000)),
            ("degrees", "°".repeat(25_000)),
        ] {
            let start = std::time::Instant::now();
            let html = to_html(&text);
            let line = to_line(&text, 100);
            let took = start.elapsed();
            println!("{name}: {took:?}, {} bytes", html.len());
            assert!(line.chars().count() <= 101, "{name}");
            // Without optimisation, on a busy machine; a quadratic one takes a minute.
            assert!(took.as_secs() < 5, "{name} took {took:?}");
        }
    }

    #[test]
    fn ordinary_nesting_is_kept() {
        let deep = to_html(&format!("{} x", ">".repeat(60)));
        assert_eq!((deep.matches("<blockquote>").count(), deep.contains('x')), (DEPTH_MAX, true), "{deep}");
        let links: String = (0..500).map(|n| format!("<li><a href=\"https://example.jp/{n}\"><b>{n}</b></a><br>")).collect();
        assert_eq!(to_html(&format!("<ul>{links}</ul>")).matches("<a ").count(), 500);
        let costly = to_html(&format!("{}<i>&amp;\nx", "<b id=1><p>".repeat(4_000)));
        assert!(costly.starts_with("<p>&lt;b id=1&gt;") && costly.ends_with("&amp;amp;<br>\nx</p>"), "{}", &costly[costly.len() - 40..]);
    }

    #[test]
    fn a_line_is_plain_and_short() {
        assert_eq!(to_line("# 避難所\n\n**一覧**です。\n<b>x</b>", 100), "避難所 一覧です。 x");
        assert_eq!(to_line("あいうえお", 3), "あいう…");
        assert_eq!(to_line("", 3), "");
    }
}
