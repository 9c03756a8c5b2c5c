//! A document of any size: its triples in a temporary file, each dataset's found by their places.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use minato_catalog::{HarvestItem, RecordFailure, Text, Vocabulary, Withdrawal};
use oxrdf::{BlankNode, Literal, NamedNode, NamedNodeRef, NamedOrBlankNode, Term, Triple};
use tempfile::SpooledTempFile;
use url::Url;

use crate::graph::{Graph, ParseError, Syntax};
use crate::parse::parse;
use crate::read::{Reader, as_node, name_of, text_of, url_of};
use crate::words::*;

/// A document up to this size stays in memory.
const MEMORY_BYTES_MAX: usize = 4_000_000;
/// Most nodes taken for one dataset; it has at most 2,000 distributions with a few nodes each.
const NODES_MAX: usize = 20_000;
/// Most triples taken for one dataset.
const TRIPLES_MAX: usize = 200_000;

/// One document of a DCAT catalog, read to its end or first mistake.
///
/// Not its triples are in memory, only where they are: 16 bytes for each stretch about one subject, and some 50 for each dataset.
#[derive(Debug)]
pub struct Document {
    triples: Triples,
    base: Option<Url>,
    error: Option<ParseError>,
    /// What the document spoke of last: after a mistake it may not be whole.
    last_subject: Option<u64>,
    datasets: Vec<Entry>,
    /// Those of `datasets`, and catalogs: other things lead to them, but they do not belong to what leads there.
    apart: HashSet<u64>,
    /// Dataset and catalog record, by hash, sorted.
    records: Vec<(u64, u64)>,
    /// Which dataset had an identifier first.
    identifiers: HashMap<u64, usize>,
    next_page: Option<String>,
    last_page: Option<String>,
    total: Option<u64>,
    sub_catalogs: Vec<String>,
}

/// A dataset of the document.
#[derive(Debug)]
struct Entry {
    hash: u64,
    /// Where its description begins, or where it is listed when there is none.
    at: u64,
    is_described: bool,
}

/// What is noted of a document while its triples go by.
#[derive(Default)]
struct Notes {
    typed: Vec<u64>,
    listed: Vec<(u64, u64)>,
    catalogs: HashSet<u64>,
    typed_catalogs: HashSet<u64>,
    records: Vec<(u64, u64)>,
    next: Option<Term>,
    last: Option<Term>,
    total: Option<Term>,
    sub_catalogs: Vec<Term>,
}

impl Notes {
    fn take(&mut self, triple: &Triple, at: u64) {
        let Triple { subject, predicate, object } = triple;
        let predicate = predicate.as_ref();
        if predicate == RDF_TYPE {
            match object {
                Term::NamedNode(class) if class.as_ref() == DCAT_DATASET_CLASS => self.typed.push(hash(subject)),
                Term::NamedNode(class) if class.as_ref() == DCAT_CATALOG => {
                    self.typed_catalogs.insert(hash(subject));
                    self.catalogs.insert(hash(subject));
                }
                _ => {}
            }
        } else if predicate == DCAT_DATASET {
            self.catalogs.insert(hash(subject));
            self.listed.extend(as_node(object).map(|node| (hash(&node), at)));
        } else if predicate == DCAT_RECORD {
            self.catalogs.insert(hash(subject));
        } else if predicate == DCAT_SUB_CATALOG {
            self.catalogs.insert(hash(subject));
            if self.sub_catalogs.len() < 1_000 {
                self.sub_catalogs.push(object.clone());
            }
        } else if predicate == FOAF_PRIMARY_TOPIC {
            self.records.extend(as_node(object).map(|dataset| (hash(&dataset), hash(subject))));
        } else if predicate == HYDRA_NEXT || predicate == HYDRA_NEXT_PAGE {
            self.next.get_or_insert_with(|| object.clone());
        } else if predicate == HYDRA_LAST || predicate == HYDRA_LAST_PAGE {
            self.last.get_or_insert_with(|| object.clone());
        } else if predicate == HYDRA_TOTAL_ITEMS {
            self.total.get_or_insert_with(|| object.clone());
        }
    }
}

impl Document {
    /// Reads a document. `base` is its address, against which relative IRIs resolve. Fails only when the input or the temporary file
    /// does; a mistake in the document is its [`error`](Document::error), and what came before it is there.
    pub fn read(input: impl Read + Seek, syntax: Syntax, base: &str) -> io::Result<Document> {
        let mut writer = Writer::new();
        let mut notes = Notes::default();
        let error = parse(input, syntax, base, |triple| {
            let at = writer.write(&triple)?;
            notes.take(&triple, at);
            Ok(())
        })?;
        let last_subject = writer.subject.as_ref().map(hash);
        let triples = writer.finish()?;
        let base = Url::parse(base).ok();
        let datasets = datasets(&triples, &notes);
        let mut apart = notes.catalogs;
        apart.extend(datasets.iter().map(|entry| entry.hash));
        let mut records = notes.records;
        records.sort_unstable();
        let url = |term: &Option<Term>| term.as_ref().and_then(|term| url_of(base.as_ref(), term));
        let elsewhere = notes.sub_catalogs.iter().filter(|term| as_node(term).is_some_and(|node| triples.first(hash(&node)).is_none()));
        Ok(Document {
            next_page: url(&notes.next),
            last_page: url(&notes.last),
            total: notes.total.as_ref().and_then(text_of).and_then(|text| text.parse().ok()),
            sub_catalogs: elsewhere.filter_map(|term| url_of(base.as_ref(), term)).collect(),
            identifiers: HashMap::new(),
            triples,
            base,
            error,
            last_subject,
            datasets,
            apart,
            records,
        })
    }

    /// The mistake at which reading ended.
    pub fn error(&self) -> Option<&ParseError> {
        self.error.as_ref()
    }

    /// Address of the next page, by Hydra's paging; none on the page that is named as the last one.
    pub fn next_page(&self) -> Option<&str> {
        let is_last = self.last_page.is_some() && self.last_page.as_deref() == self.base.as_ref().map(Url::as_str);
        self.next_page.as_deref().filter(|_| !is_last)
    }

    /// Number of datasets over all pages, where the document says so.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Catalogs that belong to this one and are described elsewhere.
    pub fn sub_catalogs(&self) -> &[String] {
        &self.sub_catalogs
    }

    /// Number of datasets described or listed here.
    pub fn len(&self) -> usize {
        self.datasets.len()
    }

    /// Whether there are no datasets.
    pub fn is_empty(&self) -> bool {
        self.datasets.is_empty()
    }

    /// The dataset at `index`, in document order: those described as datasets, then those that are only listed.
    ///
    /// `None` for one that another page describes: a catalog of known size may list on each page what is described on others.
    /// See [`parse_catalog`](crate::parse_catalog) for identity. Fails only when the temporary file cannot be read.
    pub fn item(&mut self, index: usize, vocabulary: &Vocabulary) -> io::Result<Option<HarvestItem>> {
        let Some(entry) = self.datasets.get(index) else { return Ok(None) };
        if !entry.is_described && self.total.is_some() {
            return Ok(None);
        }
        let dataset = entry.hash;
        let node = self.node(index)?;
        let mut graph = Graph::default();
        let known = self.records.partition_point(|(about, _)| *about < dataset);
        let records: Vec<u64> =
            self.records[known..].iter().take_while(|(about, _)| *about == dataset).map(|(_, record)| *record).take(10).collect();
        let is_whole = self.collect(&node, &mut graph)?;
        let mut record_nodes = Vec::new();
        for record in records {
            if let Some(at) = self.triples.first(record) {
                let record = self.triples.subject_at(at)?;
                self.triples.about(&record, TRIPLES_MAX, |triple| graph.insert(triple))?;
                record_nodes.push(record);
            }
        }
        let reader = Reader { graph: &graph, vocabulary, base: self.base.as_ref(), records: &record_nodes };
        let remote_id = reader.remote_id(&node);
        if let Some(error) = self.error.as_ref().filter(|_| !is_whole) {
            let cause = error.text();
            return Ok(Some(HarvestItem::Failure(RecordFailure {
                remote_id,
                position: name_of(&node),
                cause: Text::new(
                    format!("このデータセットの記述は文書の誤りのため途中までしかありません。{}", cause.ja),
                    format!("the description of this dataset is cut off by a mistake in the document: {}", cause.en),
                ),
                raw: None,
            })));
        }
        if let Some(id) = remote_id.as_ref().filter(|_| reader.is_withdrawn(&node)) {
            return Ok(Some(HarvestItem::Withdrawn { remote_id: id.clone(), cause: Withdrawal::Deleted }));
        }
        let record = match reader.record(&node) {
            Ok(record) => record,
            Err(failure) => return Ok(Some(HarvestItem::Failure(failure))),
        };
        let first = *self.identifiers.entry(hash(&record.remote_id)).or_insert(index);
        if first != index {
            let (id, other) = (&record.remote_id, name_of(&self.node(first)?));
            return Ok(Some(HarvestItem::Failure(RecordFailure {
                remote_id: Some(id.clone()),
                position: name_of(&node),
                cause: Text::new(
                    format!(
                        "識別子 dct:identifier「{id}」が別のデータセット（{other}）と重複しています。データセットごとに異なる識別子を付けてください。"
                    ),
                    format!("the dct:identifier `{id}` is also that of {other}; give each dataset its own"),
                ),
                raw: Some(record.raw),
            })));
        }
        Ok(Some(HarvestItem::Record(Box::new(record))))
    }

    fn node(&mut self, index: usize) -> io::Result<NamedOrBlankNode> {
        let entry = &self.datasets[index];
        if entry.is_described {
            return self.triples.subject_at(entry.at);
        }
        let (_, object) = self.triples.triple_at(entry.at)?;
        as_node(&object).ok_or_else(|| io::Error::other("a listed dataset is no node"))
    }

    /// Everything said of a dataset and of what belongs to it. Tells whether it is whole, in a document that broke off.
    fn collect(&mut self, root: &NamedOrBlankNode, graph: &mut Graph) -> io::Result<bool> {
        let mut known = HashSet::from([hash(root)]);
        let mut nodes = vec![root.clone()];
        let mut is_whole = self.last_subject != Some(hash(root));
        let (mut next, mut left) = (0, TRIPLES_MAX);
        while let Some(node) = nodes.get(next).cloned() {
            next += 1;
            let mut found = Vec::new();
            let count = self.triples.about(&node, left, |triple| {
                if !LEADS_AWAY.contains(&triple.predicate.as_ref()) {
                    found.extend(as_node(&triple.object).map(|object| (object, triple.predicate.as_ref() == DCAT_DISTRIBUTION)));
                }
                graph.insert(triple);
            })?;
            left -= count;
            for (object, is_distribution) in found {
                let hash = hash(&object);
                if self.apart.contains(&hash) || nodes.len() >= NODES_MAX {
                    continue;
                }
                let is_described = self.triples.first(hash).is_some();
                // What comes behind the mistake is missing: nodes that have no other place than this document.
                is_whole &= self.last_subject != Some(hash) && (is_described || !(is_distribution || object.is_blank_node()));
                if is_described && known.insert(hash) {
                    nodes.push(object);
                }
            }
        }
        Ok(is_whole)
    }
}

/// Properties that lead from a dataset to other things in their own right.
const LEADS_AWAY: &[NamedNodeRef<'static>] =
    &[RDF_TYPE, DCAT_DATASET, DCAT_RECORD, DCAT_SUB_CATALOG, DCT_IS_REPLACED_BY, FOAF_PRIMARY_TOPIC, SKOS_IN_SCHEME];

/// Datasets described or listed, in document order; catalogs are none.
fn datasets(triples: &Triples, notes: &Notes) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for &hash in &notes.typed {
        if !notes.typed_catalogs.contains(&hash)
            && seen.insert(hash)
            && let Some(at) = triples.first(hash)
        {
            entries.push(Entry { hash, at, is_described: true });
        }
    }
    entries.sort_by_key(|entry| entry.at);
    for &(hash, listed_at) in &notes.listed {
        if seen.insert(hash) {
            let first = triples.first(hash);
            entries.push(Entry { hash, at: first.unwrap_or(listed_at), is_described: first.is_some() });
        }
    }
    entries
}

/// The same on every machine. Two texts of one hash are met once in some hundred million documents.
fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A stretch of triples about one subject begins.
const SUBJECT: u8 = b'S';
/// A predicate and an object follow.
const TRIPLE: u8 = b'T';

/// Triples on their way to disk. Each stretch begins with its subject.
struct Writer {
    file: BufWriter<SpooledTempFile>,
    at: u64,
    subject: Option<NamedOrBlankNode>,
    stretches: Vec<(u64, u64)>,
}

impl Writer {
    fn new() -> Self {
        Writer { file: BufWriter::new(SpooledTempFile::new(MEMORY_BYTES_MAX)), at: 0, subject: None, stretches: Vec::new() }
    }

    /// Writes a triple and tells where.
    fn write(&mut self, triple: &Triple) -> io::Result<u64> {
        if self.subject.as_ref() != Some(&triple.subject) {
            self.stretches.push((hash(&triple.subject), self.at));
            self.byte(SUBJECT)?;
            match &triple.subject {
                NamedOrBlankNode::NamedNode(node) => self.text(b'N', node.as_str())?,
                NamedOrBlankNode::BlankNode(node) => self.text(b'B', node.as_str())?,
            }
            self.subject = Some(triple.subject.clone());
        }
        let at = self.at;
        self.byte(TRIPLE)?;
        self.text(b'N', triple.predicate.as_str())?;
        match &triple.object {
            Term::NamedNode(node) => self.text(b'N', node.as_str())?,
            Term::BlankNode(node) => self.text(b'B', node.as_str())?,
            Term::Literal(literal) => {
                self.text(b'L', literal.value())?;
                match literal.language() {
                    Some(language) => self.text(b'@', language)?,
                    None => self.text(b'^', literal.datatype().as_str())?,
                }
            }
            // No vocabulary here speaks of triples.
            #[allow(unreachable_patterns)]
            _ => self.text(b'L', "").and_then(|()| self.text(b'^', ""))?,
        }
        Ok(at)
    }

    fn byte(&mut self, byte: u8) -> io::Result<()> {
        self.at += 1;
        self.file.write_all(&[byte])
    }

    fn text(&mut self, kind: u8, text: &str) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.at += 5 + u64::from(length);
        self.file.write_all(&[kind])?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(text.as_bytes())
    }

    fn finish(mut self) -> io::Result<Triples> {
        self.stretches.sort_unstable();
        self.stretches.shrink_to_fit();
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Triples { file: BufReader::new(file), at: u64::MAX, end: self.at, stretches: self.stretches })
    }
}

/// Triples on disk.
#[derive(Debug)]
struct Triples {
    file: BufReader<SpooledTempFile>,
    /// Where the file stands; unknown at first.
    at: u64,
    end: u64,
    /// Hash of the subject and place of every stretch, sorted.
    stretches: Vec<(u64, u64)>,
}

impl Triples {
    /// Where a subject is spoken of first.
    fn first(&self, subject: u64) -> Option<u64> {
        let index = self.stretches.partition_point(|(hash, _)| *hash < subject);
        self.stretches.get(index).filter(|(hash, _)| *hash == subject).map(|(_, at)| *at)
    }

    /// Gives everything said of a subject, in document order, up to `limit` triples; tells how many there were.
    fn about(&mut self, subject: &NamedOrBlankNode, limit: usize, mut take: impl FnMut(Triple)) -> io::Result<usize> {
        let wanted = hash(subject);
        let index = self.stretches.partition_point(|(hash, _)| *hash < wanted);
        let places: Vec<u64> = self.stretches[index..].iter().take_while(|(hash, _)| *hash == wanted).map(|(_, at)| *at).collect();
        let mut count = 0;
        for place in places {
            if self.subject_at(place)? != *subject {
                continue;
            }
            while count < limit && self.at < self.end && self.peek()? == TRIPLE {
                let (predicate, object) = self.triple_at(self.at)?;
                take(Triple::new(subject.clone(), predicate, object));
                count += 1;
            }
        }
        Ok(count)
    }

    fn subject_at(&mut self, place: u64) -> io::Result<NamedOrBlankNode> {
        self.go_to(place + 1)?;
        Ok(match self.text()? {
            (b'N', iri) => NamedNode::new_unchecked(iri).into(),
            (_, name) => BlankNode::new_unchecked(name).into(),
        })
    }

    fn triple_at(&mut self, place: u64) -> io::Result<(NamedNode, Term)> {
        self.go_to(place + 1)?;
        let predicate = NamedNode::new_unchecked(self.text()?.1);
        let object = match self.text()? {
            (b'N', iri) => NamedNode::new_unchecked(iri).into(),
            (b'B', name) => BlankNode::new_unchecked(name).into(),
            (_, value) => match self.text()? {
                (b'@', language) => Literal::new_language_tagged_literal_unchecked(value, language).into(),
                (_, datatype) => Literal::new_typed_literal(value, NamedNode::new_unchecked(datatype)).into(),
            },
        };
        Ok((predicate, object))
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        match i64::try_from(i128::from(place) - i128::from(self.at)) {
            // Near places are in the buffer already.
            Ok(distance) if self.at != u64::MAX => self.file.seek_relative(distance)?,
            _ => {
                self.file.seek(SeekFrom::Start(place))?;
            }
        }
        self.at = place;
        Ok(())
    }

    fn peek(&mut self) -> io::Result<u8> {
        use std::io::BufRead;
        self.file.fill_buf()?.first().copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn text(&mut self) -> io::Result<(u8, String)> {
        let mut head = [0; 5];
        self.file.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.file.read_exact(&mut bytes)?;
        self.at += 5 + bytes.len() as u64;
        Ok((kind, String::from_utf8(bytes).map_err(io::Error::other)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let blank = NamedOrBlankNode::from(BlankNode::new_unchecked("b0"));
        let named = NamedOrBlankNode::from(NamedNode::new_unchecked("https://e.jp/a b"));
        let predicate = NamedNode::new_unchecked("https://e.jp/p");
        let objects: Vec<Term> = vec![
            named.clone().into(),
            blank.clone().into(),
            Literal::new_simple_literal("避難所\n\"").into(),
            Literal::new_language_tagged_literal_unchecked("x", "en").into(),
            Literal::new_typed_literal("1", NamedNode::from(oxrdf::vocab::xsd::INTEGER)).into(),
            Literal::new_simple_literal("").into(),
        ];
        let mut writer = Writer::new();
        let mut all = Vec::new();
        for (index, object) in objects.iter().cycle().take(30).enumerate() {
            let subject = if index % 4 == 0 { &blank } else { &named };
            let triple = Triple::new(subject.clone(), predicate.clone(), object.clone());
            writer.write(&triple).unwrap();
            all.push(triple);
        }
        let mut triples = writer.finish().unwrap();
        for subject in [&named, &blank, &named] {
            let mut found = Vec::new();
            triples.about(subject, 100, |triple| found.push(triple)).unwrap();
            assert_eq!(found, all.iter().filter(|triple| triple.subject == *subject).cloned().collect::<Vec<_>>());
        }
        assert_eq!(triples.about(&named, 3, |_| {}).unwrap(), 3);
        assert_eq!(triples.about(&NamedNode::new_unchecked("https://e.jp/none").into(), 3, |_| {}).unwrap(), 0);
    }
}
