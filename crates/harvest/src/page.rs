//! Web pages: their text by its bytes, and the words of their parts.

use minato_catalog::Text;
use scraper::{ElementRef, Node};

use crate::client::Fetched;
use crate::decode;

/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
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

/// A page's text; headers and `<meta charset>` may lie, the bytes do not.
pub(crate) fn page_text(fetched: &Fetched) -> Result<String, Text> {
    let text = decode::text_of(&fetched.body);
    let start: String = text.trim_start().chars().take(20_000).collect();
    if is_too_deep(&text) {
        let place = &fetched.url;
        return Err(Text::new(
            format!("{place} は閉じられていないタグが多すぎるため読めません。ページの HTML を直してください。"),
            format!("{place} has too many tags that are never closed and was not read; mend the page's HTML"),
        ));
    }
    let looks_like_a_page =
        fetched.is_html() || ["<html", "<body", "<script", "<head", "<a ", "<div"].iter().any(|tag| start.contains(tag));
    if looks_like_a_page {
        return Ok(text);
    }
    let place = &fetched.url;
    Err(Text::new(
        format!("{place} は Web ページ（HTML）ではありません。ページの URL を指定してください。"),
        format!("{place} is no web page (HTML); give the address of the page"),
    ))
}

/// Whether tags are nested so deep that reading them would take for ever: the parser's work grows with the square of the depth.
fn is_too_deep(page: &str) -> bool {
    let mut depth: usize = 0;
    // Scripts compare with `<`, too.
    let mut script: Option<&str> = None;
    for rest in page.split('<').skip(1) {
        let is_end = rest.starts_with('/');
        let name: String = rest.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).take(12).collect();
        let name = name.to_ascii_lowercase();
        if let Some(open) = script {
            if is_end && name == open {
                script = None;
            }
            continue;
        }
        script = ["script", "style", "textarea"].into_iter().find(|element| *element == name && !is_end);
        if script.is_some() || name.is_empty() || UNNESTED.contains(&name.as_str()) {
            continue;
        }
        depth = if is_end { depth.saturating_sub(1) } else { depth + 1 };
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Whether the page ends before its end: what came after it is unknown.
pub(crate) fn is_cut_off(page: &str) -> bool {
    let page = page.to_ascii_lowercase();
    let opens = |tag: &str| page.contains(&format!("<{tag}>")) || page.contains(&format!("<{tag} "));
    (opens("html") || opens("body")) && !page.contains("</html") && !page.contains("</body")
}

/// An element's words in reading order, pictures by their alternative text.
pub(crate) fn words(element: ElementRef<'_>) -> String {
    words_without(element, |_| false)
}

/// [`words`] without what lies in elements that `skip` names.
pub(crate) fn words_without(element: ElementRef<'_>, skip: impl Fn(ElementRef<'_>) -> bool) -> String {
    let mut out = String::new();
    let mut nodes = vec![*element];
    while let Some(node) = nodes.pop() {
        match node.value() {
            Node::Text(text) => out.push_str(text),
            Node::Element(inner) => {
                let is_skipped = ElementRef::wrap(node).is_some_and(|inner| inner != element && skip(inner));
                if is_skipped || matches!(inner.name(), "script" | "style" | "noscript") {
                    continue;
                }
                if inner.name() == "img" {
                    out.push_str(inner.attr("alt").unwrap_or_default());
                }
                if BLOCKS.contains(&inner.name()) {
                    out.push(' ');
                }
                nodes.extend(node.children().rev());
            }
            _ => {}
        }
    }
    squeezed(&out)
}

/// Single spaces, none at the ends.
pub(crate) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_ends_early_is_seen() {
        assert!(is_cut_off("<!doctype html><html lang=ja><body><a href=x.csv>"));
        assert!(!is_cut_off("<HTML><BODY></BODY></HTML>"));
        assert!(!is_cut_off("<p>a</p>"));
    }

    #[test]
    fn deep_nesting_is_refused_before_it_costs() {
        assert!(is_too_deep(&"<b><div>".repeat(DEPTH_MAX)));
        assert!(!is_too_deep(&"<p>x<li>y<br>".repeat(10 * DEPTH_MAX)));
        assert!(!is_too_deep(&format!("<script>{}</script>", "if(a<b)x;".repeat(2 * DEPTH_MAX))));
        assert!(!is_too_deep(&"<div><b>x</b></div>".repeat(DEPTH_MAX)));
    }
}
