//! Web pages: their text by its bytes, and the words of their parts.

use minato_catalog::Text;
use scraper::{ElementRef, Node};

use crate::client::Fetched;
use crate::html::{BLOCKS, is_too_deep, squeezed};
use crate::xml::lenient_text;

/// A page's text; headers and `<meta charset>` may lie, the bytes do not.
pub(crate) fn page_text(fetched: &Fetched) -> Result<String, Text> {
    let text = lenient_text(&fetched.body);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_ends_early_is_seen() {
        assert!(is_cut_off("<!doctype html><html lang=ja><body><a href=x.csv>"));
        assert!(!is_cut_off("<HTML><BODY></BODY></HTML>"));
        assert!(!is_cut_off("<p>a</p>"));
    }
}
