//! One pass over the hits: total, facets with multi-select, and the best page.
//!
//! tantivy's aggregations would do the same with one filter aggregation per facet; counting global value numbers in flat arrays is
//! some ten times cheaper, because values are resolved to text only for what is shown.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, ColumnValues, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};
use uuid::Uuid;

use crate::level::LEVEL;
use crate::schema::FACET_COLUMNS;
use crate::{Facet, SortKey};

/// Numbers for facet values that stay the same over segments and commits.
#[derive(Default)]
pub(crate) struct Values {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Values {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }
}

/// The values of all facets.
#[derive(Default)]
pub(crate) struct FacetValues([RwLock<Values>; 6]);

impl FacetValues {
    pub(crate) fn of(&self, facet: Facet) -> &RwLock<Values> {
        &self.0[facet.index()]
    }

    /// The `limit` largest counts with their names; equal ones by name.
    pub(crate) fn top(&self, facet: Facet, counts: &[u32], limit: usize) -> Vec<(String, usize)> {
        let values = self.of(facet).read();
        let mut found: Vec<(u32, &Arc<str>)> =
            counts.iter().zip(&values.names).filter(|(count, _)| **count > 0).map(|(count, name)| (*count, name)).collect();
        let order = |a: &(u32, &Arc<str>), b: &(u32, &Arc<str>)| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1));
        if limit == 0 {
            return Vec::new();
        }
        if found.len() > limit {
            found.select_nth_unstable_by(limit - 1, order);
            found.truncate(limit);
        }
        found.sort_unstable_by(order);
        found.into_iter().map(|(count, name)| (name.to_string(), count as usize)).collect()
    }
}

/// The columns of a segment, opened once.
pub(crate) struct SegmentColumns {
    facets: [Option<(Column<u64>, Vec<u32>)>; 6],
    modified: Arc<dyn ColumnValues<i64>>,
    created: Arc<dyn ColumnValues<i64>>,
    downloads: Arc<dyn ColumnValues<i64>>,
    id_high: Arc<dyn ColumnValues<u64>>,
    id_low: Arc<dyn ColumnValues<u64>>,
    slug: Option<StrColumn>,
    title: Option<StrColumn>,
    organization_id: Option<StrColumn>,
    open: Column<bool>,
}

impl SegmentColumns {
    pub(crate) fn open(reader: &SegmentReader, values: &FacetValues) -> tantivy::Result<SegmentColumns> {
        let fast = reader.fast_fields();
        let mut facets: [Option<(Column<u64>, Vec<u32>)>; 6] = Default::default();
        for (index, name) in FACET_COLUMNS.iter().enumerate() {
            let Some(column) = fast.str(name)? else { continue };
            let mut numbers = Vec::with_capacity(column.num_terms());
            let mut interned = values.0[index].write();
            let mut stream = column.dictionary().stream()?;
            while stream.advance() {
                numbers.push(interned.number(&String::from_utf8_lossy(stream.key())));
            }
            facets[index] = Some((column.ords().clone(), numbers));
        }
        Ok(SegmentColumns {
            facets,
            modified: fast.column_first_or_default("modified")?,
            created: fast.column_first_or_default("created")?,
            downloads: fast.column_first_or_default("downloads")?,
            id_high: fast.column_first_or_default("id_high")?,
            id_low: fast.column_first_or_default("id_low")?,
            slug: fast.str("slug")?,
            title: fast.str("title_sort")?,
            organization_id: fast.str("organization_id")?,
            open: fast.bool("open")?,
        })
    }

    pub(crate) fn id(&self, doc: DocId) -> u128 {
        u128::from(self.id_high.get_val(doc)) << 64 | u128::from(self.id_low.get_val(doc))
    }

    /// The values of a facet that a dataset has.
    pub(crate) fn names(&self, facet: Facet, doc: DocId, values: &Values) -> Vec<String> {
        let Some((column, map)) = &self.facets[facet.index()] else { return Vec::new() };
        let numbers = column.values_for_doc(doc).filter_map(|ordinal| map.get(ordinal as usize));
        numbers.filter_map(|number| values.names.get(*number as usize)).map(|name| name.to_string()).collect()
    }

    /// Where a text stands among those of this segment.
    fn after_text(&self, sort: SortKey, descending: bool, text: &str, id: u128) -> tantivy::Result<AfterHere> {
        let column = if sort == SortKey::Title { &self.title } else { &self.slug };
        let Some(column) = column else { return Ok(AfterHere { key: u64::MAX, id: None }) };
        let (mut low, mut high) = (0, column.num_terms() as u64);
        let mut found = String::new();
        while low < high {
            let middle = low + (high - low) / 2;
            found.clear();
            column.ord_to_str(middle, &mut found)?;
            if found.as_str() < text { low = middle + 1 } else { high = middle }
        }
        found.clear();
        let here = low < column.num_terms() as u64 && column.ord_to_str(low, &mut found)? && found == text;
        // Larger keys come first, as in `GatherSegment::key`. Between two texts, everything from one of them on comes after.
        let key = match (descending, here) {
            (_, true) => {
                if descending {
                    low
                } else {
                    !low
                }
            }
            (true, false) => match low.checked_sub(1) {
                Some(before) => before,
                None => return Ok(AfterHere { key: 0, id: Some(u128::MAX) }),
            },
            (false, false) => !low,
        };
        Ok(AfterHere { key, id: here.then_some(id) })
    }

    /// Whether everybody may see a dataset.
    pub(crate) fn is_open(&self, doc: DocId) -> bool {
        self.open.first(doc).unwrap_or(false)
    }

    pub(crate) fn organization_id(&self, doc: DocId) -> Uuid {
        let mut text = String::new();
        if let Some(column) = &self.organization_id
            && let Some(ordinal) = column.ords().first(doc)
        {
            let _ = column.ord_to_str(ordinal, &mut text);
        }
        Uuid::parse_str(&text).unwrap_or_default()
    }

    pub(crate) fn slug(&self, doc: DocId) -> String {
        let mut text = String::new();
        if let Some(column) = &self.slug
            && let Some(ordinal) = column.ords().first(doc)
        {
            // A text that cannot be read stays empty; the index is checked at open.
            let _ = column.ord_to_str(ordinal, &mut text);
        }
        text
    }
}

/// Where the page before ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) key: AfterKey,
    pub(crate) id: u128,
}

/// What the page before was ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AfterKey {
    Number(u64),
    Text(String),
}

/// The same in a segment, where texts are numbers.
#[derive(Debug, Clone, Copy)]
struct AfterHere {
    key: u64,
    /// `None` when no dataset here has the very key.
    id: Option<u128>,
}

/// What to gather.
pub(crate) struct Gather {
    pub(crate) segments: Arc<[Arc<SegmentColumns>]>,
    pub(crate) sort: SortKey,
    pub(crate) descending: bool,
    /// Best hits to keep.
    pub(crate) keep: usize,
    pub(crate) after: Option<After>,
    /// Facets to count, and the number of values of each.
    pub(crate) counted: Vec<(Facet, usize)>,
    /// Facet filters: the value numbers that pass.
    pub(crate) allowed: Vec<(Facet, Vec<u32>)>,
    /// Seconds since 1970, for freshness.
    pub(crate) now: i64,
    /// Whether scores carry levels.
    pub(crate) leveled: bool,
    /// Whether levels are only counted, not ranked by.
    pub(crate) flat: bool,
}

/// One of the best hits.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) key: u64,
    pub(crate) text: String,
    pub(crate) id: u128,
    pub(crate) segment: SegmentOrdinal,
    pub(crate) doc: DocId,
    pub(crate) score: Score,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Hits regardless of facet filters.
    pub(crate) base: usize,
    /// Hits.
    pub(crate) total: usize,
    pub(crate) best: Vec<Candidate>,
    /// Per counted facet, by value number.
    pub(crate) counts: Vec<Vec<u32>>,
    /// Base hits per level, when leveled.
    pub(crate) levels: Vec<usize>,
    /// Hits per level, when leveled.
    pub(crate) passed: Vec<usize>,
}

impl Gather {
    fn is_text_sort(&self) -> bool {
        matches!(self.sort, SortKey::Title | SortKey::Slug)
    }

    fn order(&self, a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
        let by_key = if !self.is_text_sort() {
            b.key.cmp(&a.key)
        } else if self.descending {
            b.text.cmp(&a.text)
        } else {
            a.text.cmp(&b.text)
        };
        by_key.then(a.id.cmp(&b.id))
    }
}

impl Collector for Gather {
    type Fruit = Gathered;
    type Child = GatherSegment;

    fn for_segment(&self, ordinal: SegmentOrdinal, _: &SegmentReader) -> tantivy::Result<GatherSegment> {
        let columns = self.segments[ordinal as usize].clone();
        let after = match &self.after {
            None => None,
            Some(After { key: AfterKey::Number(key), id }) => Some(AfterHere { key: *key, id: Some(*id) }),
            Some(After { key: AfterKey::Text(text), id }) => Some(columns.after_text(self.sort, self.descending, text, *id)?),
        };
        Ok(GatherSegment {
            ordinal,
            sort: self.sort,
            descending: self.descending,
            keep: self.keep,
            after,
            allowed: self.allowed.clone(),
            counted: self.counted.iter().map(|(facet, _)| *facet).collect(),
            counts: self.counted.iter().map(|(_, values)| vec![0; *values]).collect(),
            now: self.now,
            leveled: self.leveled,
            flat: self.flat,
            base: 0,
            total: 0,
            levels: Vec::new(),
            passed: Vec::new(),
            best: Vec::new(),
            threshold: 0,
            columns,
        })
    }

    fn requires_scoring(&self) -> bool {
        self.sort == SortKey::Relevance || self.leveled
    }

    fn merge_fruits(&self, fruits: Vec<Gathered>) -> tantivy::Result<Gathered> {
        let mut merged: Option<Gathered> = None;
        for fruit in fruits {
            let Some(into) = &mut merged else {
                merged = Some(fruit);
                continue;
            };
            into.base += fruit.base;
            into.total += fruit.total;
            into.best.extend(fruit.best);
            for (to, from) in into.counts.iter_mut().zip(fruit.counts) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
            for (into, fruit) in [(&mut into.levels, fruit.levels), (&mut into.passed, fruit.passed)] {
                if into.len() < fruit.len() {
                    into.resize(fruit.len(), 0);
                }
                into.iter_mut().zip(fruit).for_each(|(to, from)| *to += from);
            }
        }
        let mut merged = merged.unwrap_or_else(|| Gathered {
            counts: self.counted.iter().map(|(_, values)| vec![0; *values]).collect(),
            ..Gathered::default()
        });
        merged.best.sort_unstable_by(|a, b| self.order(a, b));
        merged.best.truncate(self.keep);
        Ok(merged)
    }
}

pub(crate) struct GatherSegment {
    columns: Arc<SegmentColumns>,
    ordinal: SegmentOrdinal,
    sort: SortKey,
    descending: bool,
    keep: usize,
    after: Option<AfterHere>,
    allowed: Vec<(Facet, Vec<u32>)>,
    counted: Vec<Facet>,
    counts: Vec<Vec<u32>>,
    now: i64,
    leveled: bool,
    flat: bool,
    base: usize,
    total: usize,
    levels: Vec<usize>,
    passed: Vec<usize>,
    best: Vec<(u64, u128, DocId, Score)>,
    threshold: u64,
}

impl GatherSegment {
    fn passes(&self, facet: Facet, numbers: &[u32], doc: DocId) -> bool {
        let Some((column, map)) = &self.columns.facets[facet.index()] else { return false };
        column.values_for_doc(doc).any(|ordinal| map.get(ordinal as usize).is_some_and(|number| numbers.contains(number)))
    }

    fn count(&mut self, index: usize, doc: DocId) {
        let Some((column, map)) = &self.columns.facets[self.counted[index].index()] else { return };
        let counts = &mut self.counts[index];
        for ordinal in column.values_for_doc(doc) {
            // Values numbered after this search began belong to later commits.
            if let Some(count) = map.get(ordinal as usize).and_then(|number| counts.get_mut(*number as usize)) {
                *count += 1;
            }
        }
    }

    /// Larger is better.
    fn key(&self, doc: DocId, score: Score) -> (u64, Score) {
        let integer = |value: i64| value as u64 ^ 1 << 63;
        let ordinal = |column: &Option<StrColumn>| column.as_ref().and_then(|column| column.ords().first(doc)).unwrap_or(0);
        let key = match self.sort {
            SortKey::Relevance => {
                let score = self.ranked(doc, score);
                let key = key_of(score);
                return (if self.descending { key } else { !key }, score);
            }
            SortKey::Modified => integer(self.columns.modified.get_val(doc)),
            SortKey::Created => integer(self.columns.created.get_val(doc)),
            SortKey::Downloads => integer(self.columns.downloads.get_val(doc)),
            SortKey::Title => ordinal(&self.columns.title),
            SortKey::Slug => ordinal(&self.columns.slug),
        };
        (if self.descending { key } else { !key }, 0.0)
    }

    /// Text score × (1 + 0.15·2^(−age/3y) + 0.10·min(1, log₁₀(1+views)/4)); levels stay apart.
    fn ranked(&self, doc: DocId, score: Score) -> Score {
        const THREE_YEARS: f32 = 3.0 * 365.25 * 86_400.0;
        let age = (self.now - self.columns.modified.get_val(doc)).max(0) as f32;
        let downloads = self.columns.downloads.get_val(doc).max(0) as f32;
        self.with_prior(score, 1.0 + 0.15 * (-age / THREE_YEARS).exp2() + 0.10 * ((1.0 + downloads).log10() / 4.0).min(1.0))
    }

    /// What [`GatherSegment::ranked`] never exceeds, without a look at the dataset.
    fn ranked_at_most(&self, score: Score) -> Score {
        self.with_prior(score, 1.2501)
    }

    fn with_prior(&self, score: Score, prior: f32) -> Score {
        let level = if self.leveled { (score / LEVEL).floor() * LEVEL } else { 0.0 };
        let base = if self.flat { 0.0 } else { level };
        let text = (score - level) * prior;
        base + if self.leveled { text.min(LEVEL - 1.0) } else { text }
    }

    fn rank(&mut self, doc: DocId, score: Score) {
        if self.keep == 0 {
            return;
        }
        if self.sort == SortKey::Relevance && self.descending && key_of(self.ranked_at_most(score)) < self.threshold {
            return;
        }
        let (key, score) = self.key(doc, score);
        if key < self.threshold {
            return;
        }
        let id = self.columns.id(doc);
        if let Some(after) = self.after
            && (key > after.key || (key == after.key && after.id.is_some_and(|last| id <= last)))
        {
            return;
        }
        self.best.push((key, id, doc, score));
        if self.best.len() >= self.keep.saturating_mul(2).max(64) {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.best.len() > self.keep {
            self.best.select_nth_unstable_by(self.keep - 1, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            self.best.truncate(self.keep);
            self.threshold = self.best.iter().map(|(key, ..)| *key).min().unwrap_or(0);
        }
    }
}

impl SegmentCollector for GatherSegment {
    type Fruit = Gathered;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.base += 1;
        if self.leveled {
            count_level(&mut self.levels, score);
        }
        let mut failed = None;
        for (facet, numbers) in &self.allowed {
            if !self.passes(*facet, numbers, doc) {
                if failed.is_some() {
                    return;
                }
                failed = Some(*facet);
            }
        }
        match failed {
            None => {
                self.total += 1;
                if self.leveled {
                    count_level(&mut self.passed, score);
                }
                for index in 0..self.counted.len() {
                    self.count(index, doc);
                }
                self.rank(doc, score);
            }
            // Only its own filter shuts it out: it is what choosing another value of that facet would bring.
            Some(facet) => {
                if let Some(index) = self.counted.iter().position(|counted| *counted == facet) {
                    self.count(index, doc);
                }
            }
        }
    }

    fn harvest(mut self) -> Gathered {
        self.shrink();
        let texts = match self.sort {
            SortKey::Title => self.columns.title.as_ref(),
            SortKey::Slug => self.columns.slug.as_ref(),
            _ => None,
        };
        let best = self
            .best
            .iter()
            .map(|&(key, id, doc, score)| {
                let mut text = String::new();
                if let Some(column) = texts
                    && let Some(ordinal) = column.ords().first(doc)
                {
                    let _ = column.ord_to_str(ordinal, &mut text);
                }
                Candidate { key, text, id, segment: self.ordinal, doc, score }
            })
            .collect();
        Gathered { base: self.base, total: self.total, best, counts: self.counts, levels: self.levels, passed: self.passed }
    }
}

/// Scores in an order of whole numbers.
fn key_of(score: Score) -> u64 {
    u64::from(score.max(0.0).to_bits())
}

fn count_level(levels: &mut Vec<usize>, score: Score) {
    let level = (score / LEVEL) as usize;
    if levels.len() <= level {
        levels.resize(level + 1, 0);
    }
    levels[level] += 1;
}
