//! Triples in the order in which a document says them.

use std::collections::{HashMap, HashSet};

use minato_catalog::Text;
use oxrdf::{BlankNode, Literal, NamedNode, NamedNodeRef, NamedOrBlankNode, Term, Triple};

use crate::context::built_in_context;
use crate::words::PREFIXES;

/// How a document is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// JSON-LD 1.1.
    JsonLd,
    /// Turtle.
    Turtle,
    /// RDF/XML.
    RdfXml,
}

impl Syntax {
    /// The media type of documents in it.
    pub fn media_type(self) -> &'static str {
        match self {
            Syntax::JsonLd => "application/ld+json",
            Syntax::Turtle => "text/turtle",
            Syntax::RdfXml => "application/rdf+xml",
        }
    }

    /// The extension of its files, as in `/catalog.ttl`.
    pub fn extension(self) -> &'static str {
        match self {
            Syntax::JsonLd => "jsonld",
            Syntax::Turtle => "ttl",
            Syntax::RdfXml => "rdf",
        }
    }

    /// The syntax of an extension: `ttl`, `jsonld`, `json`, `rdf` or `xml`.
    pub fn from_extension(extension: &str) -> Option<Syntax> {
        match extension.to_ascii_lowercase().as_str() {
            "ttl" | "turtle" | "nt" | "n3" => Some(Syntax::Turtle),
            "jsonld" | "json" => Some(Syntax::JsonLd),
            "rdf" | "xml" | "owl" => Some(Syntax::RdfXml),
            _ => None,
        }
    }

    /// The syntax of a media type, parameters aside; `None` for those that say nothing, such as `text/plain`.
    pub fn from_media_type(media_type: &str) -> Option<Syntax> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/turtle" | "application/x-turtle" | "application/n-triples" => Some(Syntax::Turtle),
            "application/ld+json" | "application/json" => Some(Syntax::JsonLd),
            "application/rdf+xml" | "application/xml" | "text/xml" => Some(Syntax::RdfXml),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Syntax::JsonLd => "JSON-LD",
            Syntax::Turtle => "Turtle",
            Syntax::RdfXml => "RDF/XML",
        }
    }
}

/// Why a document is not RDF in the syntax it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{syntax:?} line {line} column {column}: {message}")]
pub struct ParseError {
    /// The syntax it was read as.
    pub syntax: Syntax,
    /// Line of the mistake, from 1; 0 when the mistake has no single place.
    pub line: u64,
    /// Column of the mistake in characters, from 1; 0 when the mistake has no single place.
    pub column: u64,
    /// What is wrong, in English.
    pub message: String,
}

impl ParseError {
    /// The same for people, in both languages.
    pub fn text(&self) -> Text {
        let name = self.syntax.name();
        let message: String = self.message.chars().take(300).collect();
        if self.line == 0 {
            return Text::new(
                format!("{name} として読めません（{message}）。文書の書式を確認してください。"),
                format!("the document is not valid {name}: {message}; check its syntax"),
            );
        }
        Text::new(
            format!("{name} として読めません（{} 行 {} 列: {message}）。その箇所の書式を確認してください。", self.line, self.column),
            format!("the document is not valid {name}, line {} column {}: {message}; check the syntax there", self.line, self.column),
        )
    }
}

/// A document's triples by subject, subjects and triples in document order.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) subjects: Vec<NamedOrBlankNode>,
    by_subject: HashMap<NamedOrBlankNode, Vec<(NamedNode, Term)>>,
}

impl Graph {
    /// Reads a whole document. IRIs that strict parsers refuse (spaces, brackets) are let through: portals publish them.
    pub(crate) fn parse(bytes: &[u8], syntax: Syntax, base: &str) -> Result<Graph, ParseError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let base = NamedNode::new(base).ok().map(NamedNode::into_string);
        let mut graph = Graph::default();
        match syntax {
            Syntax::Turtle => {
                let mut parser = oxttl::TurtleParser::new().lenient();
                if let Some(base) = base {
                    parser = parser.with_base_iri(base).map_err(|error| bad_base(syntax, &error.to_string()))?;
                }
                for triple in parser.for_slice(bytes) {
                    let triple = triple.map_err(|error| {
                        let start = error.location().start;
                        ParseError { syntax, line: start.line + 1, column: start.column + 1, message: error.message().to_owned() }
                    })?;
                    graph.insert(triple);
                }
            }
            Syntax::JsonLd => {
                let mut parser = oxjsonld::JsonLdParser::new().lenient();
                if let Some(base) = base {
                    parser = parser.with_base_iri(base).map_err(|error| bad_base(syntax, &error.to_string()))?;
                }
                let parser = parser.for_slice(bytes).with_load_document_callback(|url, _| built_in_context(url));
                for quad in parser {
                    let quad = quad.map_err(|error| {
                        let (line, column) = error.location().map_or((0, 0), |range| (range.start.line + 1, range.start.column + 1));
                        ParseError { syntax, line, column, message: error.to_string() }
                    })?;
                    graph.insert(Triple::new(quad.subject, quad.predicate, quad.object));
                }
            }
            Syntax::RdfXml => {
                let mut parser = oxrdfxml::RdfXmlParser::new().lenient();
                if let Some(base) = base {
                    parser = parser.with_base_iri(base).map_err(|error| bad_base(syntax, &error.to_string()))?;
                }
                if !is_whole_xml(bytes) {
                    // The parser takes the end of the file for the end of every open element.
                    let (line, column) = line_and_column(bytes, bytes.len());
                    return Err(ParseError {
                        syntax,
                        line,
                        column,
                        message: "the document ends before its root element is closed".to_owned(),
                    });
                }
                let mut parser = parser.for_slice(bytes);
                while let Some(triple) = parser.next() {
                    match triple {
                        Ok(triple) => graph.insert(triple),
                        Err(error) => {
                            let offset = usize::try_from(parser.buffer_position()).unwrap_or(bytes.len()).min(bytes.len());
                            let (line, column) = line_and_column(bytes, offset);
                            return Err(ParseError { syntax, line, column, message: error.to_string() });
                        }
                    }
                }
            }
        }
        Ok(graph)
    }

    fn insert(&mut self, triple: Triple) {
        let known = self.by_subject.entry(triple.subject.clone()).or_insert_with(|| {
            self.subjects.push(triple.subject);
            Vec::new()
        });
        known.push((triple.predicate, triple.object));
    }

    /// All that is said of a subject.
    pub(crate) fn about(&self, subject: &NamedOrBlankNode) -> &[(NamedNode, Term)] {
        self.by_subject.get(subject).map(Vec::as_slice).unwrap_or_default()
    }

    /// The values of a property, without repetition.
    pub(crate) fn objects<'a>(&'a self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>) -> Vec<&'a Term> {
        let mut seen = HashSet::new();
        self.about(subject)
            .iter()
            .filter(|(name, object)| name.as_ref() == predicate && seen.insert(object))
            .map(|(_, object)| object)
            .collect()
    }

    /// The first value of the first property that has one.
    pub(crate) fn first<'a>(&'a self, subject: &NamedOrBlankNode, predicates: &[NamedNodeRef<'_>]) -> Option<&'a Term> {
        predicates.iter().find_map(|predicate| self.about(subject).iter().find(|(name, _)| name.as_ref() == *predicate)).map(|(_, o)| o)
    }

    /// Whether a subject is of a class.
    pub(crate) fn is_a(&self, subject: &NamedOrBlankNode, class: NamedNodeRef<'_>) -> bool {
        self.about(subject).iter().any(|(name, object)| {
            name.as_ref() == crate::words::RDF_TYPE && matches!(object, Term::NamedNode(node) if node.as_ref() == class)
        })
    }

    /// What is said of a subject and of the nodes only it leads to, as Turtle with blank nodes numbered in order.
    pub(crate) fn excerpt(&self, subject: &NamedOrBlankNode, also: &[NamedOrBlankNode]) -> String {
        let mut order = vec![subject.clone()];
        order.extend(also.iter().cloned());
        let mut known: HashSet<NamedOrBlankNode> = order.iter().cloned().collect();
        let mut next = 0;
        while next < order.len() && order.len() < EXCERPT_NODES_MAX {
            for (_, object) in self.about(&order[next]) {
                if let Term::BlankNode(node) = object {
                    let node = NamedOrBlankNode::from(node.clone());
                    if known.insert(node.clone()) {
                        order.push(node);
                    }
                }
            }
            next += 1;
        }
        let names: HashMap<&NamedOrBlankNode, BlankNode> = order
            .iter()
            .filter(|node| matches!(node, NamedOrBlankNode::BlankNode(_)))
            .enumerate()
            .map(|(index, node)| (node, BlankNode::new_unchecked(format!("b{index}"))))
            .collect();
        let mut triples = Vec::new();
        for node in &order {
            let subject = names.get(node).map_or_else(|| node.clone(), |name| name.clone().into());
            for (predicate, object) in self.about(node) {
                let object = match object {
                    Term::BlankNode(blank) => {
                        names.get(&NamedOrBlankNode::from(blank.clone())).map_or_else(|| object.clone(), |name| name.clone().into())
                    }
                    other => other.clone(),
                };
                triples.push(Triple::new(subject.clone(), predicate.clone(), object));
            }
        }
        String::from_utf8(serialize(&triples, Syntax::Turtle)).unwrap_or_default()
    }
}

/// Nodes an excerpt may hold; a dataset has at most 2,000 distributions with a few nodes each.
const EXCERPT_NODES_MAX: usize = 5_000;

/// Writes triples down; triples of one subject stand together when they come so.
pub(crate) fn serialize(triples: &[Triple], syntax: Syntax) -> Vec<u8> {
    // Writing to memory cannot fail, and the prefixes are fixed and valid: a failure would mean an empty document, which the tests would see.
    match syntax {
        Syntax::Turtle => {
            let mut serializer = oxttl::TurtleSerializer::new();
            for (name, iri) in PREFIXES {
                serializer = serializer.with_prefix(*name, *iri).unwrap_or_default();
            }
            let mut writer = serializer.for_writer(Vec::new());
            let written: std::io::Result<()> = triples.iter().try_for_each(|triple| writer.serialize_triple(triple));
            written.and_then(|()| writer.finish()).unwrap_or_default()
        }
        Syntax::JsonLd => {
            let mut serializer = oxjsonld::JsonLdSerializer::new();
            for (name, iri) in PREFIXES {
                serializer = serializer.with_prefix(*name, *iri).unwrap_or_default();
            }
            let mut writer = serializer.for_writer(Vec::new());
            let written: std::io::Result<()> =
                triples.iter().try_for_each(|triple| writer.serialize_quad(triple.as_ref().in_graph(oxrdf::GraphNameRef::DefaultGraph)));
            written.and_then(|()| writer.finish()).unwrap_or_default()
        }
        Syntax::RdfXml => {
            let mut serializer = oxrdfxml::RdfXmlSerializer::new();
            for (name, iri) in PREFIXES {
                serializer = serializer.with_prefix(*name, *iri).unwrap_or_default();
            }
            let mut writer = serializer.for_writer(Vec::new());
            let written: std::io::Result<()> = triples.iter().try_for_each(|triple| writer.serialize_triple(triple));
            written.and_then(|()| writer.finish()).unwrap_or_default()
        }
    }
}

/// The language of a literal in lower case; empty when it has none.
pub(crate) fn language_of(literal: &Literal) -> String {
    literal.language().unwrap_or_default().to_ascii_lowercase()
}

fn bad_base(syntax: Syntax, message: &str) -> ParseError {
    ParseError { syntax, line: 0, column: 0, message: message.to_owned() }
}

fn line_and_column(bytes: &[u8], offset: usize) -> (u64, u64) {
    let before = &bytes[..offset];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count();
    (line as u64 + 1, column as u64 + 1)
}

/// Whether an XML document's last tag closes its root element.
fn is_whole_xml(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.trim();
    // Before the root: declaration, comments, document type (which may hold brackets with tags in them).
    while let Some(after) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        let end = if rest.starts_with("<?") {
            after.find("?>").map(|at| at + 2)
        } else if rest.starts_with("<!--") {
            after.find("-->").map(|at| at + 3)
        } else {
            let bracket = after.find('[').filter(|bracket| after.find('>').is_none_or(|close| *bracket < close));
            let from = bracket.and_then(|bracket| after[bracket..].find(']').map(|at| bracket + at)).unwrap_or(0);
            after[from..].find('>').map(|at| from + at + 1)
        };
        let Some(end) = end else { return false };
        rest = after[end..].trim_start();
    }
    while rest.ends_with("-->") {
        let Some(start) = rest.rfind("<!--") else { return false };
        rest = rest[..start].trim_end();
    }
    let Some(root) = rest.strip_prefix('<') else { return false };
    let name: String = root.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/')).collect();
    let Some(last) = rest.rfind('<') else { return false };
    let last_tag = &rest[last..];
    if last == 0 {
        return last_tag.ends_with("/>");
    }
    last_tag.strip_prefix("</").and_then(|tag| tag.strip_suffix('>')).is_some_and(|tag| tag.trim_end() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_whole_when_its_root_is_closed() {
        for text in [
            "<a></a>",
            "<a/>",
            " <?xml version='1.0'?>\n<!-- <x> -->\n<!DOCTYPE r [ <!ENTITY x \"y\"> ]>\n<r:a x='1'><b></b></r:a >\n<!-- end -->\n",
            "<!DOCTYPE a SYSTEM 'b'><a>[</a>",
        ] {
            assert!(is_whole_xml(text.as_bytes()), "{text}");
        }
        for text in ["", "<", "<?xml", "<!--", "<a>", "<a><b></b>", "<a><b/>", "<a></a", "<a", "text", "<a></b>", "<!DOCTYPE"] {
            assert!(!is_whole_xml(text.as_bytes()), "{text}");
        }
    }
}
