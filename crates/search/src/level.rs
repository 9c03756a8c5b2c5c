//! A query whose hits stand on a plateau: matched clauses count first, their scores second.

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TantivyError, Term};

/// Height of one level; text scores stay below it.
pub(crate) const LEVEL: Score = 1024.0;

/// Adds `levels` × [`LEVEL`] to each score and keeps the score itself below `cap`.
#[derive(Debug)]
pub(crate) struct LevelQuery {
    pub(crate) inner: Box<dyn Query>,
    pub(crate) levels: Score,
    pub(crate) cap: Score,
}

impl Clone for LevelQuery {
    fn clone(&self) -> Self {
        LevelQuery { inner: self.inner.box_clone(), levels: self.levels, cap: self.cap }
    }
}

impl Query for LevelQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(LevelWeight { inner: self.inner.weight(scoring)?, levels: self.levels, cap: self.cap }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.inner.query_terms(visitor);
    }
}

struct LevelWeight {
    inner: Box<dyn Weight>,
    levels: Score,
    cap: Score,
}

impl Weight for LevelWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(LevelScorer { inner: self.inner.scorer(reader, boost)?, base: self.levels * LEVEL, cap: self.cap }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!("document {doc} does not match")));
        }
        Ok(Explanation::new("level", scorer.score()))
    }
}

struct LevelScorer {
    inner: Box<dyn Scorer>,
    base: Score,
    cap: Score,
}

impl DocSet for LevelScorer {
    fn advance(&mut self) -> DocId {
        self.inner.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.inner.seek(target)
    }

    fn doc(&self) -> DocId {
        self.inner.doc()
    }

    fn size_hint(&self) -> u32 {
        self.inner.size_hint()
    }

    fn cost(&self) -> u64 {
        self.inner.cost()
    }
}

impl Scorer for LevelScorer {
    fn score(&mut self) -> Score {
        self.base + self.inner.score().min(self.cap)
    }
}
