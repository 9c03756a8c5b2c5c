//! Terms already evaluated: their hits and scores in one commit.
//!
//! A catalog's readers type the same few hundred terms; each is a union of dozens of phrases. Its hits are kept until the next commit,
//! so that a query is an intersection of short lists.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, Searcher, SegmentReader, TERMINATED, TantivyError};

use crate::plan::{Alternative, Terms};

/// In larger catalogs lists are too long to keep, and skipping through them is what the engine does best.
const DOCUMENTS_MAX: u64 = 50_000;
/// Hits kept over all terms, 8 bytes each.
const KEPT_MAX: usize = 1_000_000;
const TERMS_MAX: usize = 2_000;

type List = Arc<[(DocId, Score)]>;

/// A term, ready to be used in queries.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) alternatives: Vec<Alternative>,
    /// What a joined term is made of.
    pub(crate) parts: Terms,
    /// Hits of each segment; `None` in a large catalog.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    strict: PostingsQuery,
    related: Option<PostingsQuery>,
}

impl Prepared {
    /// Evaluates the queries of a term, if the catalog is small enough.
    pub(crate) fn new(
        alternatives: Vec<Alternative>,
        parts: Terms,
        searcher: &Searcher,
        strict: impl FnOnce(&[Alternative], &Terms) -> Box<dyn Query>,
        related: impl FnOnce(&[Alternative]) -> Option<Box<dyn Query>>,
    ) -> tantivy::Result<Prepared> {
        if searcher.num_docs() > DOCUMENTS_MAX {
            return Ok(Prepared { alternatives, parts, kept: None });
        }
        let strict = PostingsQuery::evaluate(&*strict(&alternatives, &parts), searcher)?;
        let related = related(&alternatives).map(|query| PostingsQuery::evaluate(&*query, searcher)).transpose()?;
        Ok(Prepared { alternatives, parts, kept: Some(Kept { strict, related }) })
    }

    /// The hits of the term and what stands for it, when they are kept.
    pub(crate) fn strict(&self) -> Option<Box<dyn Query>> {
        self.kept.as_ref().map(|kept| Box::new(kept.strict.clone()) as Box<dyn Query>)
    }

    /// The hits of what is related, when they are kept: `Some(None)` when nothing is.
    pub(crate) fn related(&self) -> Option<Option<Box<dyn Query>>> {
        self.kept.as_ref().map(|kept| kept.related.as_ref().map(|related| Box::new(related.clone()) as Box<dyn Query>))
    }

    fn len(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.strict.len() + kept.related.as_ref().map_or(0, PostingsQuery::len))
    }
}

/// The terms prepared since the last commit.
#[derive(Default)]
pub(crate) struct PreparedTerms(Mutex<(HashMap<String, Arc<Prepared>>, usize)>);

impl PreparedTerms {
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Prepared>> {
        self.0.lock().0.get(key).cloned()
    }

    pub(crate) fn insert(&self, key: String, prepared: Arc<Prepared>) {
        let mut kept = self.0.lock();
        if kept.1 + prepared.len() > KEPT_MAX || kept.0.len() >= TERMS_MAX {
            *kept = (HashMap::new(), 0);
        }
        kept.1 += prepared.len();
        kept.0.insert(key, prepared);
    }
}

#[derive(Debug, Clone)]
struct PostingsQuery {
    segments: Arc<HashMap<tantivy::index::SegmentId, List>>,
}

impl PostingsQuery {
    fn evaluate(query: &dyn Query, searcher: &Searcher) -> tantivy::Result<PostingsQuery> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher))?;
        let mut segments = HashMap::new();
        for reader in searcher.segment_readers() {
            let mut list = Vec::new();
            weight.for_each(reader, &mut |doc, score| list.push((doc, score)))?;
            segments.insert(reader.segment_id(), List::from(list));
        }
        Ok(PostingsQuery { segments: Arc::new(segments) })
    }

    fn len(&self) -> usize {
        self.segments.values().map(|list| list.len()).sum()
    }
}

impl Query for PostingsQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for PostingsQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let list = self.segments.get(&reader.segment_id()).cloned().unwrap_or_else(|| List::from(Vec::new()));
        Ok(Box::new(PostingsScorer { list, at: 0, boost }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!("document {doc} does not match")));
        }
        Ok(Explanation::new("term", scorer.score()))
    }
}

struct PostingsScorer {
    list: List,
    at: usize,
    boost: Score,
}

impl DocSet for PostingsScorer {
    fn advance(&mut self) -> DocId {
        self.at = (self.at + 1).min(self.list.len());
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        // The target is mostly near: double the step, then halve it.
        let mut step = 1;
        while self.list.get(self.at + step).is_some_and(|(doc, _)| *doc < target) {
            step *= 2;
        }
        let end = (self.at + step + 1).min(self.list.len());
        self.at += self.list[self.at.min(end)..end].partition_point(|(doc, _)| *doc < target);
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.list.get(self.at).map_or(TERMINATED, |(doc, _)| *doc)
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }
}

impl Scorer for PostingsScorer {
    fn score(&mut self) -> Score {
        self.list.get(self.at).map_or(0.0, |(_, score)| score * self.boost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn seeking_finds_the_next(mut docs in proptest::collection::vec(0u32..500, 0..60), targets in proptest::collection::vec(0u32..520, 1..20)) {
            docs.sort_unstable();
            docs.dedup();
            let list = List::from(docs.iter().map(|doc| (*doc, 1.0)).collect::<Vec<_>>());
            let mut scorer = PostingsScorer { list, at: 0, boost: 1.0 };
            let mut targets = targets;
            targets.sort_unstable();
            for target in targets {
                let expected = docs.iter().copied().find(|doc| *doc >= target.max(scorer.doc().min(520))).unwrap_or(TERMINATED);
                if target >= scorer.doc() || scorer.doc() == TERMINATED {
                    proptest::prop_assert_eq!(scorer.seek(target), expected);
                }
            }
        }
    }
}
