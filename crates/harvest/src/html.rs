//! Plain text out of marked-up descriptions.

use ego_tree::NodeRef;
use scraper::{Html, Node};

/// Elements that stand on lines of their own.
pub(crate) const BLOCKS: &[&str] = &[
    "p",
    "div",
    "br",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "article",
    "dt",
    "dd",
    "dl",
    "blockquote",
    "pre",
    "hr",
];

/// Elements without content, or that the next of their kind closes.
const UNNESTED: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "p", "li", "dt", "dd",
    "tr", "td", "th", "thead", "tbody", "tfoot", "option", "html", "head", "body",
];
/// Deepest nesting read.
const DEPTH_MAX: usize = 1_000;

/// Whether tags are nested so deep that reading them would take for ever: the parser's work grows with the square of the depth.
pub(crate) fn is_too_deep(page: &str) -> bool {
    let mut depth: usize = 0;
    for rest in page.split('<').skip(1) {
        let is_end = rest.starts_with('/');
        let name: String = rest.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).take(12).collect();
        let name = name.to_ascii_lowercase();
        if name.is_empty() || UNNESTED.contains(&name.as_str()) {
            continue;
        }
        depth = if is_end { depth.saturating_sub(1) } else { depth + 1 };
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// A description without markup: paragraphs become lines. Text that holds no markup stays letter for letter.
pub(crate) fn plain_text(text: &str) -> String {
    let text = text.trim();
    if !has_markup(text) || is_too_deep(text) {
        return text.to_owned();
    }
    let fragment = Html::parse_fragment(text);
    let mut out = String::new();
    write_text(*fragment.root_element(), &mut out);
    let lines: Vec<String> = out.lines().map(squeezed).collect();
    let mut kept: Vec<&str> = Vec::new();
    for line in &lines {
        if !line.is_empty() || kept.last().is_some_and(|last| !last.is_empty()) {
            kept.push(line);
        }
    }
    kept.join("\n").trim().to_owned()
}

fn has_markup(text: &str) -> bool {
    let tag = text
        .split('<')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') && rest.contains('>'));
    let entity = text.split('&').skip(1).any(|rest| {
        rest.split_once(';')
            .is_some_and(|(name, _)| (1..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#'))
    });
    tag || entity
}

fn write_text(node: NodeRef<'_, Node>, out: &mut String) {
    // A stack instead of recursion: nesting is up to whoever wrote the page.
    enum Step<'a> {
        Enter(NodeRef<'a, Node>),
        Break(bool),
    }
    let mut steps = vec![Step::Enter(node)];
    while let Some(step) = steps.pop() {
        let node = match step {
            Step::Break(is_paragraph) => {
                break_line(out, is_paragraph);
                continue;
            }
            Step::Enter(node) => node,
        };
        match node.value() {
            Node::Text(text) => out.push_str(&text.replace(['\n', '\r'], " ")),
            Node::Element(element) if matches!(element.name(), "script" | "style") => {}
            Node::Element(element) if BLOCKS.contains(&element.name()) => {
                break_line(out, false);
                steps.push(Step::Break(element.name() == "p"));
                steps.extend(node.children().rev().map(Step::Enter));
            }
            Node::Element(_) | Node::Document | Node::Fragment => steps.extend(node.children().rev().map(Step::Enter)),
            _ => {}
        }
    }
}

fn break_line(out: &mut String, is_paragraph: bool) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
    if is_paragraph {
        out.push('\n');
    }
}

/// Single spaces, none at the ends.
pub(crate) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_lines() {
        for (text, plain) in [
            ("<p>避難所の<b>一覧</b>です。</p><ul><li>A</li><li>B</li></ul>", "避難所の一覧です。\n\nA\nB"),
            ("A &amp; B", "A & B"),
            ("1行目<br>2行目<script>x()</script>", "1行目\n2行目"),
            ("a < b かつ c > d", "a < b かつ c > d"),
            ("5 & 6; 7", "5 & 6; 7"),
            ("行\n行", "行\n行"),
        ] {
            assert_eq!(plain_text(text), plain, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        assert_eq!(plain_text(&format!("{}x", "<div>".repeat(900))), "x");
        let started = std::time::Instant::now();
        plain_text(&"<b><div>".repeat(100_000));
        plain_text(&"<p>x".repeat(10_000));
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }
}
