//! Triples in the order in which a document says them.

use std::collections::{HashMap, HashSet};

use minato_catalog::Text;
use oxrdf::{BlankNode, Literal, NamedNode, NamedNodeRef, NamedOrBlankNode, Term, Triple};

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

/// Triples by subject, subjects and triples in document order: a dataset and what belongs to it.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) subjects: Vec<NamedOrBlankNode>,
    by_subject: HashMap<NamedOrBlankNode, Vec<(NamedNode, Term)>>,
}

impl Graph {
    pub(crate) fn insert(&mut self, triple: Triple) {
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
