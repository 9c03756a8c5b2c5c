//! Terms already evaluated: their hits and scores, segment by segment.
//!
//! A catalog's readers type the same few hundred terms; each is a union of dozens of phrases. Its hits are kept, so that a query is an
//! intersection of short lists. A segment never changes: after a commit only the hits in new segments are looked for.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tantivy::index::SegmentId;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, Searcher, SegmentReader, TERMINATED, TantivyError};

use crate::plan::{Alternative, Terms};

/// Hits kept over all terms, 8 bytes each: so many, or more in a catalog of more than so many datasets.
const KEPT_MIN: usize = 1_000_000;
const KEPT_FOR_EACH: usize = 8;
const TERMS_MAX: usize = 2_000;
/// From so many datasets on, the segments are looked through by several threads.
const SHARED_FROM: u64 = 100_000;

type List = Arc<[(DocId, Score)]>;

/// A term, ready to be used in queries.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) alternatives: Vec<Alternative>,
    /// What a joined term is made of.
    pub(crate) parts: Terms,
    strict: PostingsQuery,
    related: Option<PostingsQuery>,
}

impl Prepared {
    /// Evaluates the queries of a term: what it and what stands for it find, and what only related words find. `before` is what was
    /// found in an earlier commit.
    pub(crate) fn new(
        alternatives: Vec<Alternative>,
        parts: Terms,
        searcher: &Searcher,
        before: Option<&Prepared>,
        strict: impl FnOnce(&[Alternative], &Terms) -> Box<dyn Query>,
        related: impl FnOnce(&[Alternative]) -> Option<Box<dyn Query>>,
    ) -> tantivy::Result<Prepared> {
        let strict = PostingsQuery::evaluate(&*strict(&alternatives, &parts), searcher, before.map(|before| &before.strict))?;
        let related = related(&alternatives)
            .map(|query| PostingsQuery::evaluate(&*query, searcher, before.and_then(|before| before.related.as_ref())))
            .transpose()?;
        Ok(Prepared { alternatives, parts, strict, related })
    }

    /// The hits of the term and what stands for it.
    pub(crate) fn strict(&self) -> Box<dyn Query> {
        Box::new(self.strict.clone())
    }

    /// The hits of what is related, when anything is.
    pub(crate) fn related(&self) -> Option<Box<dyn Query>> {
        self.related.as_ref().map(|related| Box::new(related.clone()) as Box<dyn Query>)
    }

    fn len(&self) -> usize {
        self.strict.len() + self.related.as_ref().map_or(0, PostingsQuery::len)
    }
}

/// The terms prepared for a commit.
#[derive(Default)]
pub(crate) struct PreparedTerms {
    kept: Mutex<Kept>,
    hits_max: usize,
}

#[derive(Default)]
struct Kept {
    now: HashMap<String, Arc<Prepared>>,
    /// Of commits before, to be brought up to date when they are asked for.
    before: HashMap<String, Arc<Prepared>>,
    /// Over both.
    hits: usize,
}

impl PreparedTerms {
    /// For a commit of so many datasets that follows the one of `before`.
    pub(crate) fn after(before: Option<&PreparedTerms>, documents: u64) -> PreparedTerms {
        let hits_max = usize::try_from(documents).unwrap_or(usize::MAX).saturating_mul(KEPT_FOR_EACH).max(KEPT_MIN);
        let mut kept = Kept::default();
        if let Some(earlier) = before {
            let earlier = earlier.kept.lock();
            kept.before.clone_from(&earlier.before);
            kept.before.extend(earlier.now.iter().map(|(key, prepared)| (key.clone(), prepared.clone())));
            kept.hits = earlier.hits;
        }
        PreparedTerms { kept: Mutex::new(kept), hits_max }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Prepared>> {
        self.kept.lock().now.get(key).cloned()
    }

    /// What an earlier commit had for a term.
    pub(crate) fn before(&self, key: &str) -> Option<Arc<Prepared>> {
        self.kept.lock().before.get(key).cloned()
    }

    pub(crate) fn insert(&self, key: String, prepared: Arc<Prepared>) {
        let mut kept = self.kept.lock();
        let kept = &mut *kept;
        if let Some(before) = kept.before.remove(&key) {
            kept.hits -= before.len();
        }
        kept.hits += prepared.len();
        if let Some(same) = kept.now.insert(key, prepared) {
            kept.hits -= same.len();
        }
        // What nobody asked for since the last commit goes first.
        if kept.hits > self.hits_max || kept.now.len() + kept.before.len() > TERMS_MAX {
            let old: usize = kept.before.drain().map(|(_, prepared)| prepared.len()).sum();
            kept.hits -= old;
        }
        if kept.hits > self.hits_max || kept.now.len() > TERMS_MAX {
            kept.now.clear();
            kept.hits = 0;
        }
    }
}

#[derive(Debug, Clone)]
struct PostingsQuery {
    segments: Arc<HashMap<SegmentId, List>>,
}

impl PostingsQuery {
    fn evaluate(query: &dyn Query, searcher: &Searcher, before: Option<&PostingsQuery>) -> tantivy::Result<PostingsQuery> {
        let known = |reader: &SegmentReader| before.and_then(|before| before.segments.get(&reader.segment_id()).cloned());
        let mut segments = HashMap::new();
        let mut waiting: Vec<&SegmentReader> = Vec::new();
        for reader in searcher.segment_readers() {
            match known(reader) {
                Some(list) => drop(segments.insert(reader.segment_id(), list)),
                None => waiting.push(reader),
            }
        }
        if !waiting.is_empty() {
            let weight = query.weight(EnableScoring::enabled_from_searcher(searcher))?;
            segments.extend(lists(&*weight, waiting)?);
        }
        Ok(PostingsQuery { segments: Arc::new(segments) })
    }

    fn len(&self) -> usize {
        self.segments.values().map(|list| list.len()).sum()
    }
}

/// The hits in each of the segments. Deleted datasets are among them; whoever searches leaves them out.
fn lists(weight: &dyn Weight, mut segments: Vec<&SegmentReader>) -> tantivy::Result<Vec<(SegmentId, List)>> {
    let list = |reader: &SegmentReader| -> tantivy::Result<(SegmentId, List)> {
        let mut list = Vec::new();
        weight.for_each(reader, &mut |doc, score| list.push((doc, score)))?;
        Ok((reader.segment_id(), List::from(list)))
    };
    let documents: u64 = segments.iter().map(|reader| u64::from(reader.max_doc())).sum();
    if documents < SHARED_FROM || segments.len() < 2 {
        return segments.into_iter().map(list).collect();
    }
    // The largest first, each to whoever is free, so that all end at about the same time.
    segments.sort_unstable_by_key(|reader| reader.max_doc());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(segments.len());
    let waiting = Mutex::new(segments);
    let work = || -> tantivy::Result<Vec<(SegmentId, List)>> {
        let mut done = Vec::new();
        loop {
            let Some(reader) = waiting.lock().pop() else { return Ok(done) };
            done.push(list(reader)?);
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work()?;
        for other in others {
            // A panic there is one here.
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
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
