//! XML documents as trees of local names: publishers agree on names and differ in prefixes and namespaces.

use std::ops::Range;

use encoding_rs::{Encoding, UTF_8};
use minato_catalog::Text;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::client::Fetched;
use crate::decode;

/// Deepest nesting read. ISO 19139 goes to about twenty.
const DEPTH_MAX: usize = 200;
/// Most elements of one document; a page of a hundred ISO records has some tens of thousands.
const ELEMENTS_MAX: usize = 3_000_000;

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// Its name without prefix.
    pub(crate) name: String,
    /// Names as written, with prefix: namespaces are declared here too.
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// Text directly within, without that of children.
    text: String,
    /// Where it stands in the document.
    span: Range<usize>,
}

/// A document and its text.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Element,
    source: String,
}

impl Document {
    /// Reads what was fetched. Entities that the document itself declares are never expanded and external ones never fetched.
    pub(crate) fn read(fetched: &Fetched) -> Result<Document, Text> {
        let place = &fetched.url;
        if fetched.is_html() {
            return Err(Text::new(
                format!("{place} は XML ではなく Web ページ（HTML）を返しました。URL が正しいか、メンテナンス中でないか確認してください。"),
                format!("{place} is a web page (HTML), not XML; check the URL and that the site is not under maintenance"),
            ));
        }
        Document::parse(text_of(&fetched.body)).map_err(|detail| {
            Text::new(
                format!("{place} の応答が XML として正しくないか、途中で切れています（{detail}）。時間をおいて再度実行してください。"),
                format!("the answer of {place} is no whole XML document: {detail}; try again later"),
            )
        })
    }

    pub(crate) fn parse(source: String) -> Result<Document, String> {
        let root = tree(&source)?;
        Ok(Document { root, source })
    }

    /// The element as it came.
    pub(crate) fn excerpt(&self, element: &Element) -> &str {
        self.source.get(element.span.clone()).unwrap_or_default()
    }
}

impl Element {
    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children_named(name).next()
    }

    pub(crate) fn children_named<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// All descendants of this name, in document order; those within another of the same name are not looked for.
    pub(crate) fn all<'e>(&'e self, name: &str) -> Vec<&'e Element> {
        let mut found = Vec::new();
        self.collect(name, &mut found);
        found
    }

    fn collect<'e>(&'e self, name: &str, found: &mut Vec<&'e Element>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            } else {
                child.collect(name, found);
            }
        }
    }

    /// The descendant of this name that is nearest to the top, the first of several: profiles leave out levels between.
    pub(crate) fn nearest(&self, name: &str) -> Option<&Element> {
        let mut level: Vec<&Element> = self.children.iter().collect();
        while !level.is_empty() {
            if let Some(found) = level.iter().find(|element| element.name == name) {
                return Some(found);
            }
            level = level.iter().flat_map(|element| &element.children).collect();
        }
        None
    }

    /// [`Element::nearest`], name after name.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Element> {
        names.iter().try_fold(self, |element, name| element.nearest(name))
    }

    /// The attribute of this local name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key.rsplit(':').next() == Some(name) && !is_declaration(key));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Namespace declarations, as written.
    pub(crate) fn declarations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().filter(|(key, _)| is_declaration(key)).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Its own text, without that of children.
    pub(crate) fn own_text(&self) -> &str {
        self.text.trim()
    }

    /// All text within.
    pub(crate) fn full_text(&self) -> String {
        let mut parts = vec![self.own_text().to_owned()];
        parts.extend(self.children.iter().map(Element::full_text));
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }
}

fn is_declaration(key: &str) -> bool {
    key == "xmlns" || key.starts_with("xmlns:")
}

/// The text by byte order mark, by the declared encoding if the bytes agree, else by the bytes alone.
fn text_of(bytes: &[u8]) -> String {
    if let Some(encoding) = declared_encoding(bytes)
        && encoding != UTF_8
        && Encoding::for_bom(bytes).is_none()
        && std::str::from_utf8(bytes).is_err()
        && let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes)
    {
        return text.into_owned();
    }
    decode::text_of(bytes)
}

fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let (declaration, _) = start.split_once("?>")?;
    let (_, value) = declaration.split_once("encoding")?;
    let label = value.trim_start_matches(['=', ' ', '"', '\'']).split(['"', '\'']).next()?;
    Encoding::for_label(label.as_bytes())
}

fn tree(source: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(source);
    reader.config_mut().allow_dangling_amp = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut elements = 0;
    loop {
        let before = position(&reader);
        let event = reader.read_event().map_err(|error| format!("{error}, byte {}", reader.error_position()))?;
        let after = position(&reader);
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(format!("nested deeper than {DEPTH_MAX} or more than {ELEMENTS_MAX} elements, byte {before}"));
                }
                open.push(element(&start, before..after));
            }
            Event::Empty(start) => {
                elements += 1;
                close(element(&start, before..after), &mut open, &mut root);
            }
            Event::End(_) => {
                let mut element = open.pop().ok_or_else(|| format!("an end tag without a start, byte {before}"))?;
                element.span.end = after;
                close(element, &mut open, &mut root);
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content()),
            Event::CData(text) => add_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content().into_owned();
                match reference.resolve_char_ref() {
                    Ok(Some(character)) => add_text(&mut open, character.encode_utf8(&mut [0; 4])),
                    _ => add_text(&mut open, &entity(&name)),
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.last(), root) {
        (Some(unclosed), _) => Err(format!("<{}> is never closed", unclosed.name)),
        (None, Some(root)) => Ok(root),
        (None, None) => Err("there is no element".to_owned()),
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn element(start: &BytesStart<'_>, span: Range<usize>) -> Element {
    let mut attributes = start.attributes();
    let attributes = attributes.with_checks(false).flatten().map(|attribute| {
        let raw: &str = attribute.value.as_ref();
        let value = quick_xml::escape::unescape_with(raw, predefined).map(|value| value.into_owned()).unwrap_or_else(|_| raw.to_owned());
        (attribute.key.as_ref().to_owned(), value)
    });
    Element {
        name: start.local_name().as_ref().to_owned(),
        attributes: attributes.collect(),
        children: Vec::new(),
        text: String::new(),
        span,
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => {
            // `<b>a<i>b</i>c</b>`: what stands apart stays apart.
            if !parent.text.is_empty() && !parent.text.ends_with(char::is_whitespace) {
                parent.text.push(' ');
            }
            parent.children.push(element);
        }
        None => {
            root.get_or_insert(element);
        }
    }
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "nbsp" => " ",
        _ => return None,
    })
}

/// What a reference stands for; an entity of the document's own stays as it is written.
fn entity(name: &str) -> String {
    predefined(name).map_or_else(|| format!("&{name};"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{EUC_JP, SHIFT_JIS};

    fn parse(source: &str) -> Result<Document, String> {
        Document::parse(source.to_owned())
    }

    #[test]
    fn names_are_local_and_excerpts_as_written() {
        let document = parse("<a:r xmlns:a='x'><b:c k='1' x:k2='&lt;'>あ&amp;&#x3044;<![CDATA[<う>]]></b:c><d/></a:r>").unwrap();
        let inner = document.root.child("c").unwrap();
        assert_eq!((inner.own_text(), inner.attribute("k"), inner.attribute("k2")), ("あ&い<う>", Some("1"), Some("<")));
        assert!(document.excerpt(inner).starts_with("<b:c k='1'") && document.excerpt(inner).ends_with("</b:c>"));
        assert_eq!(document.root.declarations().collect::<Vec<_>>(), [("xmlns:a", "x")]);
    }

    #[test]
    fn the_nearest_is_found_over_left_out_levels() {
        let document = parse("<r><x><y><t>far</t></y></x><z><t>near</t></z></r>").unwrap();
        assert_eq!(document.root.nearest("t").unwrap().own_text(), "near");
        assert_eq!(document.root.path(&["x", "t"]).unwrap().own_text(), "far");
    }

    #[test]
    fn entities_of_the_document_are_not_expanded() {
        let bomb =
            "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>&b;&x;</r>";
        assert_eq!(parse(bomb).unwrap().root.own_text(), "&b;&x;");
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_no_document() {
        for source in ["<r><a>", "<r><a></r>", "", "plain", "<r a='"] {
            assert!(parse(source).is_err(), "{source}");
        }
        let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn declared_and_undeclared_encodings_are_read() {
        let text = "<?xml version='1.0' encoding='EUC-JP'?><r>避難所の一覧</r>";
        assert_eq!(text_of(&EUC_JP.encode(text).0), text);
        let lying = "<?xml version='1.0' encoding='UTF-8'?><r>避難所の一覧</r>";
        assert_eq!(text_of(&SHIFT_JIS.encode(lying).0), lying);
        let broken = [lying.as_bytes(), b"<!-- \xff -->"].concat();
        assert!(text_of(&broken).contains("避難所の一覧"));
    }
}
