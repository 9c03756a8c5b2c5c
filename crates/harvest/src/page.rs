//! Web pages: their text by its bytes, and the words of their parts.

use std::collections::HashMap;

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
/// Most attributes of a tag read.
const ATTRIBUTES_MAX: usize = 1_000;

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
    if has_too_many_attributes(&text) {
        let place = &fetched.url;
        return Err(Text::new(
            format!("{place} は 1 つのタグの属性が {ATTRIBUTES_MAX} 個を超えるため読めません。ページの HTML を直してください。"),
            format!("{place} has a tag with more than {ATTRIBUTES_MAX} attributes and was not read; mend the page's HTML"),
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

/// Whether a tag has so many attributes that reading it would take for ever: the parser compares each with those before it.
fn has_too_many_attributes(page: &str) -> bool {
    let is_space = |c: char| c.is_ascii_whitespace();
    let ends_name = |c: char| is_space(c) || matches!(c, '/' | '>');
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let name = &rest[..rest.find(ends_name).unwrap_or(rest.len())];
        rest = &rest[name.len()..];
        let mut count = 0;
        loop {
            rest = rest.trim_start_matches(|c| is_space(c) || c == '/');
            if rest.is_empty() {
                return false;
            }
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            count += 1;
            if count > ATTRIBUTES_MAX {
                return true;
            }
            // Whatever its first character is belongs to the attribute's name.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let end = rest[first..].find(|c| ends_name(c) || c == '=').map_or(rest.len(), |end| first + end);
            rest = rest[end..].trim_start_matches(is_space);
            if let Some(value) = rest.strip_prefix('=') {
                let value = value.trim_start_matches(is_space);
                rest = match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).map_or("", |(_, after)| after),
                    _ => &value[value.find(|c| is_space(c) || c == '>').unwrap_or(value.len())..],
                };
            }
        }
        // Scripts compare with `<`, too.
        if ["script", "style", "textarea", "title"].iter().any(|raw| name.eq_ignore_ascii_case(raw)) {
            while let Some(at) = rest.find("</") {
                rest = &rest[at + 2..];
                if rest.get(..name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
                    break;
                }
            }
        }
    }
    false
}

/// Whether tags are nested so deep that reading them would take for ever: the parser's work grows with the square of the depth.
fn is_too_deep(page: &str) -> bool {
    let mut depth: usize = 0;
    // An end tag without its beginning ends nothing.
    let mut open_by_name: HashMap<String, usize> = HashMap::new();
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
        let open = open_by_name.entry(name).or_default();
        if !is_end {
            (*open, depth) = (*open + 1, depth + 1);
        } else if *open > 0 {
            (*open, depth) = (*open - 1, depth - 1);
        }
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

/// Longest text that is read of an element, in bytes: a name, a heading or a remark, not a chapter.
const WORDS_BYTES_MAX: usize = 2_000;

/// An element's words in reading order, pictures by their alternative text; the beginning of a long text.
pub(crate) fn words(element: ElementRef<'_>) -> String {
    words_without(element, |_| false)
}

/// A heading's words. One that is never closed has the rest of the page in it: lists, tables and paragraphs are none of its words.
pub(crate) fn heading_words(element: ElementRef<'_>) -> String {
    words_without(element, |inner| matches!(inner.value().name(), "ul" | "ol" | "dl" | "table" | "p" | "div" | "section" | "article"))
}

/// [`words`] without what lies in elements that `skip` names.
pub(crate) fn words_without(element: ElementRef<'_>, skip: impl Fn(ElementRef<'_>) -> bool) -> String {
    let mut out = String::new();
    let mut say = |text: &str| {
        for c in text.chars() {
            match c.is_whitespace() {
                true if out.is_empty() || out.ends_with(' ') => {}
                true => out.push(' '),
                false => out.push(c),
            }
            if out.len() >= WORDS_BYTES_MAX {
                return false;
            }
        }
        true
    };
    let mut nodes = vec![*element];
    while let Some(node) = nodes.pop() {
        let goes_on = match node.value() {
            Node::Text(text) => say(text),
            Node::Element(inner) => {
                let is_skipped = ElementRef::wrap(node).is_some_and(|inner| inner != element && skip(inner));
                if is_skipped || matches!(inner.name(), "script" | "style" | "noscript") {
                    continue;
                }
                nodes.extend(node.children().rev());
                let picture = if inner.name() == "img" { inner.attr("alt").unwrap_or_default() } else { "" };
                say(picture) && (!BLOCKS.contains(&inner.name()) || say(" "))
            }
            _ => true,
        };
        if !goes_on {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
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
    fn a_tag_of_many_attributes_is_refused_before_it_costs() {
        let tag = |attributes: &str| format!("<p>x</p><body {attributes}>y</body>");
        let numbered = |count: usize| (0..count).map(|n| format!("a{n}=x ")).collect::<String>();
        assert!(has_too_many_attributes(&tag(&numbered(ATTRIBUTES_MAX + 1))));
        assert!(!has_too_many_attributes(&tag(&numbered(ATTRIBUTES_MAX))));
        // However they are written.
        for start in ["title=\"a > b\" ", "title='<' ", "= ", "x=> ", "a / b=\"\"c "] {
            let is_closed = start == "x=> ";
            assert_eq!(has_too_many_attributes(&tag(&format!("{start}{}", numbered(2 * ATTRIBUTES_MAX)))), !is_closed, "{start}");
        }
        let words = "a < b c=d ".repeat(ATTRIBUTES_MAX);
        for harmless in [
            format!("<script>if (a <b) {words}</SCRIPT><p>"),
            format!("<pre>{words}</pre>"),
            tag(&format!("style=\"{}\"", "x ".repeat(ATTRIBUTES_MAX * 2))),
            "<".repeat(100),
            "<a".to_owned(),
            "<a b='".to_owned(),
        ] {
            assert!(!has_too_many_attributes(&harmless), "{}", &harmless[..harmless.len().min(60)]);
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_it_costs() {
        assert!(is_too_deep(&"<b><div>".repeat(DEPTH_MAX)));
        assert!(is_too_deep(&"<div></i>".repeat(2 * DEPTH_MAX)));
        assert!(!is_too_deep(&"<p>x<li>y<br>".repeat(10 * DEPTH_MAX)));
        assert!(!is_too_deep(&format!("<script>{}</script>", "if(a<b)x;".repeat(2 * DEPTH_MAX))));
        assert!(!is_too_deep(&"<div><b>x</b></div>".repeat(DEPTH_MAX)));
    }
}
