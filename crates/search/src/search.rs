//! One search: tiers, facets, paging, marks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tantivy::query::{AllQuery, Query};
use tantivy::schema::Value;
use tantivy::{DocAddress, TantivyDocument};
use uuid::Uuid;

use crate::collect::{After, AfterKey, Candidate, Gather, Gathered};
use crate::condition::{all_but, facet_value, filter_queries, scope_query, unscored};
use crate::fq::{self, Expr};
use crate::highlight::Needles;
use crate::index::{Inner, View};
use crate::normalize::{fold, fold_kana, is_kana, is_kanji, is_katakana};
use crate::plan::{Alternative, Planner, QueryTerm, Terms, read_query, split_words};
use crate::postings::Prepared;
use crate::{
    Error, ExplainedAlternative, ExplainedTerm, Explanation, Facet, FacetValues, Filters, Fragment, Hit, Index, LIMIT_MAX, OFFSET_MAX,
    Scope, SearchRequest, SearchResults, Sort, SortKey,
};

/// Corrections of one term that are tried.
const CANDIDATES_MAX: usize = 4;
/// With fewer hits a list by date or name is relaxed.
const FEW: usize = 5;
/// Scopes and facet lists remembered per commit.
const MATCH_ALL_MAX: usize = 64;

/// Counts of everything in a scope; the same until the next commit.
pub(crate) struct MatchAll {
    total: usize,
    facets: Vec<(Facet, FacetValues)>,
}

impl Index {
    /// Searches. Only a condition ([`Error::Fq`] comes from parsing it beforehand), a foreign cursor or a failing disk is an error.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResults, Error> {
        let view = self.inner.view();
        let words_version = self.inner.words_version();
        let (synonyms, vocabulary) = (self.inner.synonyms(), self.inner.vocabulary());
        let planner = Planner {
            fields: &self.inner.fields,
            searcher: &view.searcher,
            synonyms: &synonyms,
            vocabulary: &vocabulary,
            scope: &request.scope,
            prepared: &view.prepared,
            words_version,
        };
        Search::new(&self.inner, &view, planner, request)?.run()
    }
}

/// What the levels of scores are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Levels {
    /// Scores have none.
    None,
    /// They tell how many hits have every term.
    Counted,
    /// They rank above the scores.
    Ranked,
}

/// What was gathered, and how much of it has every term or what stands for it.
struct Found {
    gathered: Gathered,
    /// Regardless of facet filters.
    strict: usize,
    /// Under all filters.
    exact: usize,
}

impl Found {
    /// Every term is matched from this level on.
    fn from_level(gathered: Gathered, level: usize) -> Found {
        let from = |levels: &[usize]| levels.iter().skip(level).sum();
        Found { strict: from(&gathered.levels), exact: from(&gathered.passed), gathered }
    }

    fn relaxed(gathered: Gathered) -> Found {
        Found { gathered, strict: 0, exact: 0 }
    }

    fn all(gathered: Gathered) -> Found {
        Found { strict: gathered.base, exact: gathered.total, gathered }
    }
}

impl Index {
    /// Datasets like this one, the likest first: by the words of its title without names of organizations, and by its keywords. `filters`
    /// narrows them; itself is never among them. Empty when there is no such dataset in the index.
    pub fn similar(&self, id: Uuid, filters: &Filters, scope: &Scope, limit: usize) -> Result<Vec<Uuid>, Error> {
        let view = self.inner.view();
        let (synonyms, vocabulary) = (self.inner.synonyms(), self.inner.vocabulary());
        let planner = Planner {
            fields: &self.inner.fields,
            searcher: &view.searcher,
            synonyms: &synonyms,
            vocabulary: &vocabulary,
            scope,
            prepared: &view.prepared,
            words_version: self.inner.words_version(),
        };
        let mut likeness = None;
        self.inner.with_dataset(&view, id, |source| likeness = Some(planner.likeness(source)))?;
        let Some(likeness) = likeness.flatten() else { return Ok(Vec::new()) };
        let request =
            SearchRequest { filters: filters.clone(), scope: scope.clone(), limit: limit.min(LIMIT_MAX) + 1, ..SearchRequest::default() };
        let mut search = Search::new(&self.inner, &view, planner, &request)?;
        search.sort = Sort { key: SortKey::Relevance, descending: true };
        let gathered = search.gather(Some(likeness), Levels::None)?;
        let others = gathered.best.iter().map(|candidate| Uuid::from_u128(candidate.id)).filter(|other| *other != id);
        Ok(others.take(limit).collect())
    }
}

struct Search<'a> {
    inner: &'a Inner,
    view: &'a View,
    planner: Planner<'a>,
    request: &'a SearchRequest,
    sort: Sort,
    page: Page,
    limit: usize,
    now: DateTime<Utc>,
    in_collector: Vec<Facet>,
    allowed: Vec<(Facet, Vec<u32>)>,
}

/// Where the page begins.
#[derive(Debug, Clone, PartialEq)]
enum Page {
    Offset(usize),
    After(After),
}

impl<'a> Search<'a> {
    fn new(inner: &'a Inner, view: &'a View, planner: Planner<'a>, request: &'a SearchRequest) -> Result<Search<'a>, Error> {
        let ranks_by_expr = request.filters.expr.as_ref().is_some_and(Expr::has_text);
        let mut sort = request.sort;
        if sort.key == SortKey::Relevance && !ranks_by_expr && read_query(&request.query).is_empty() {
            sort.key = SortKey::Modified;
        }
        let page = match &request.cursor {
            Some(cursor) => parse_cursor(cursor, sort)?,
            None => Page::Offset(request.offset.min(OFFSET_MAX)),
        };
        // Facet filters run in the collector, where each can be left out for its own counts; an organization by its id cannot.
        let in_collector: Vec<Facet> = Facet::ALL
            .into_iter()
            .filter(|facet| !request.filters.of_facet(*facet).is_empty())
            .filter(|facet| {
                *facet != Facet::Organization || request.filters.organizations.iter().all(|value| Uuid::parse_str(value).is_err())
            })
            .collect();
        let allowed = in_collector
            .iter()
            .map(|facet| {
                let values = inner.values.of(*facet).read();
                let wanted = request.filters.of_facet(*facet);
                (*facet, wanted.iter().filter_map(|value| values.find(&facet_value(*facet, value))).collect())
            })
            .collect();
        // Scores age by the day, so that the pages of a list fit together.
        let now = Utc::now();
        Ok(Search { inner, view, planner, request, sort, page, limit: request.limit.min(LIMIT_MAX), now, in_collector, allowed })
    }

    fn run(&self) -> Result<SearchResults, Error> {
        let terms = self.terms(&self.request.query)?;
        if terms.is_empty() {
            return self.match_all();
        }
        let first = self.every_term(&terms)?;
        if first.strict >= self.enough() {
            return self.results(first, 1, &terms, &[], None, None);
        }
        if first.strict == 0
            && let Some((corrected, other)) = self.corrected(&terms)?
        {
            let found = self.every_term(&other)?;
            if found.strict > 0 {
                let (found, tier, units) = self.relaxed_if_few(found, &other)?;
                return self.results(found, tier, &other, &units, Some(corrected), None);
            }
        }
        let suggestion = if first.strict > 0 { self.better(&terms, first.strict)? } else { None };
        let (found, tier, units) = self.relaxed_if_few(first, &terms)?;
        if found.gathered.base == 0
            && let Some(query) = self.planner.within_words(&terms)
        {
            let found = Found::relaxed(self.gather(Some(query), Levels::None)?);
            return self.results(found, 4, &terms, &units, None, None);
        }
        self.results(found, tier, &terms, &units, None, suggestion)
    }

    /// The terms of a text, ready to be used.
    fn terms(&self, text: &str) -> Result<Terms, Error> {
        let planner = &self.planner;
        Ok(planner.prepare_all(planner.join_known(planner.split_at_glue(planner.join_known(read_query(text)))))?)
    }

    /// With fewer hits the query is relaxed. What is relaxed stands below what is not, so a list by relevance may be filled up; others
    /// would mix it.
    fn enough(&self) -> usize {
        if self.by_relevance() { self.request.relaxed_below } else { self.request.relaxed_below.min(FEW) }
    }

    fn by_relevance(&self) -> bool {
        self.sort.key == SortKey::Relevance
    }

    /// Tier 1. By relevance, what matches only by a related word follows; other orders would mix it with the rest.
    fn every_term(&self, terms: &Terms) -> Result<Found, Error> {
        if !self.by_relevance() {
            let gathered = self.gather(Some(self.planner.every_term_strictly(terms)), Levels::None)?;
            return Ok(Found { strict: gathered.base, exact: gathered.total, gathered });
        }
        let gathered = self.gather(Some(self.planner.every_term(terms)), Levels::Counted)?;
        let wanted = terms.iter().filter(|(term, _)| !term.soft).count();
        Ok(Found::from_level(gathered, wanted))
    }

    fn relaxed_if_few(&self, first: Found, terms: &Terms) -> Result<(Found, u8, Terms), Error> {
        let units = self.planner.prepare_all(self.planner.units(terms))?;
        let differs = units.len() > 1 || units.first().map(|(unit, _)| &unit.folded) != terms.first().map(|(term, _)| &term.folded);
        if first.strict < self.enough() && differs {
            let (gathered, tier) = self.relaxed(terms, &units)?;
            // What only related words found is more than nothing.
            if gathered.base > first.gathered.base.max(first.strict) || (first.strict == 0 && gathered.base > 0) {
                let found = if self.by_relevance() {
                    Found::from_level(gathered, units.len() + 1)
                } else {
                    Found { exact: first.exact, strict: first.strict, gathered }
                };
                return Ok((found, tier, units));
            }
        }
        Ok((first, 1, Vec::new()))
    }

    /// Every word somewhere; if that is not enough, one word less, and so on down to half of them.
    fn relaxed(&self, terms: &Terms, units: &Terms) -> Result<(Gathered, u8), Error> {
        let query = |least: usize| self.planner.some_units(self.planner.every_term_strictly(terms), units, least);
        let every = self.gather(Some(query(units.len())), Levels::Ranked)?;
        let half = units.len().div_ceil(2);
        if every.base >= self.enough() || half == units.len() {
            return Ok((every, 2));
        }
        let levels = self.count_levels(query(half))?;
        let mut least = units.len();
        let mut found: usize = levels.iter().skip(least).sum();
        while found < self.enough() && least > half {
            least -= 1;
            found += levels.get(least).copied().unwrap_or(0);
        }
        if found == every.base {
            return Ok((every, 2));
        }
        Ok((self.gather(Some(query(least)), Levels::Ranked)?, 3))
    }

    /// Everything in sight, under the filters; counts without any filter are remembered.
    fn match_all(&self) -> Result<SearchResults, Error> {
        let plain = self.request.filters.is_empty();
        let key = format!("{:?} {:?} {}", self.request.scope, self.request.facets, self.request.facet_limit);
        let known = if plain { self.view.match_all.lock().get(&key).cloned() } else { None };
        if let Some(known) = known {
            let gathered = self.gather_with(None, Levels::None, &[])?;
            let mut results = self.results(Found::all(gathered), 1, &Vec::new(), &[], None, None)?;
            (results.total, results.total_exact) = (known.total, known.total);
            results.facets = known.facets.clone();
            return Ok(results);
        }
        let gathered = self.gather(None, Levels::None)?;
        let results = self.results(Found::all(gathered), 1, &Vec::new(), &[], None, None)?;
        if plain && !self.request.facets.is_empty() {
            let mut remembered = self.view.match_all.lock();
            if remembered.len() >= MATCH_ALL_MAX {
                remembered.clear();
            }
            remembered.insert(key, Arc::new(MatchAll { total: results.total, facets: results.facets.clone() }));
        }
        Ok(results)
    }

    fn gather(&self, query: Option<Box<dyn Query>>, levels: Levels) -> Result<Gathered, Error> {
        self.gather_with(query, levels, &self.request.facets)
    }

    fn gather_with(&self, query: Option<Box<dyn Query>>, levels: Levels, facets: &[Facet]) -> Result<Gathered, Error> {
        // One more than shown tells whether there is another page.
        let keep = match self.page {
            _ if self.limit == 0 => 0,
            Page::Offset(offset) => offset + self.limit + 1,
            Page::After(_) => self.limit + 1,
        };
        let after = match &self.page {
            Page::Offset(_) => None,
            Page::After(after) => Some(after.clone()),
        };
        let gather = Gather {
            segments: self.view.segments.clone(),
            sort: self.sort.key,
            descending: self.sort.descending,
            keep,
            after,
            counted: facets.iter().map(|facet| (*facet, self.inner.values.of(*facet).read().len())).collect(),
            allowed: self.allowed.clone(),
            now: self.now.timestamp().div_euclid(86_400) * 86_400,
            leveled: levels != Levels::None && self.by_relevance(),
            flat: levels == Levels::Counted,
        };
        Ok(self.view.searcher.search(&*self.scoped(query), &gather)?)
    }

    fn count_levels(&self, query: Box<dyn Query>) -> Result<Vec<usize>, Error> {
        let gather = Gather {
            segments: self.view.segments.clone(),
            sort: SortKey::Relevance,
            descending: true,
            keep: 0,
            after: None,
            counted: Vec::new(),
            allowed: Vec::new(),
            now: 0,
            leveled: true,
            flat: false,
        };
        Ok(self.view.searcher.search(&*self.scoped(Some(query)), &gather)?.levels)
    }

    /// The query within what the viewer may see and the filters allow. Every search goes through here.
    fn scoped(&self, query: Option<Box<dyn Query>>) -> Box<dyn Query> {
        let ranks_by_expr = query.is_none();
        let mut all: Vec<Box<dyn Query>> = Vec::new();
        all.extend(query);
        all.extend(scope_query(&self.planner, &self.request.scope));
        all.extend(filter_queries(&self.planner, &self.request.filters, &self.in_collector, self.now, ranks_by_expr));
        if all.is_empty() {
            all.push(unscored(Box::new(AllQuery)));
        }
        all_but(all, Vec::new())
    }

    fn base(&self, terms: &Terms) -> Result<usize, Error> {
        Ok(self.view.searcher.search(&*self.scoped(Some(self.planner.every_term_strictly(terms))), &tantivy::collector::Count)?)
    }

    /// What the query was probably meant to be, when that differs: terms that find nothing, by words that exist, best together with the
    /// other terms.
    fn corrected(&self, terms: &Terms) -> Result<Option<(String, Terms)>, Error> {
        let mut texts: Vec<String> = terms.iter().map(|(term, _)| term.text.clone()).collect();
        let mut changed = false;
        for (place, (term, prepared)) in terms.iter().enumerate() {
            if term.soft || !self.may_be_wrong(term) || (terms.len() > 1 && self.base(&vec![(term.clone(), prepared.clone())])? > 0) {
                continue;
            }
            let mut first = None;
            let mut fitting = None;
            for candidate in self.candidates(term) {
                let tried: Vec<&str> =
                    texts.iter().enumerate().map(|(at, text)| if at == place { candidate.as_str() } else { text.as_str() }).collect();
                if terms.len() > 1 && fitting.is_none() && self.base(&self.terms(&tried.join(" "))?)? > 0 {
                    fitting = Some(candidate.clone());
                }
                first.get_or_insert(candidate);
            }
            if let Some(better) = fitting.or(first) {
                texts[place] = better;
                changed = true;
            }
        }
        if !changed {
            return Ok(None);
        }
        let corrected = texts.join(" ");
        let terms = self.terms(&corrected)?;
        Ok(Some((corrected, terms)))
    }

    fn may_be_wrong(&self, term: &QueryTerm) -> bool {
        let (vocabulary, scope, synonyms) = (self.planner.vocabulary, self.planner.scope, self.planner.synonyms);
        !term.exact && term.parts.is_empty() && !vocabulary.knows(&term.folded, scope) && synonyms.of(&term.folded).next().is_none()
    }

    /// What a term may have been meant to be, the likeliest first.
    fn candidates(&self, term: &QueryTerm) -> Vec<String> {
        let (vocabulary, scope) = (self.planner.vocabulary, self.planner.scope);
        let words = split_words(&term.text);
        let strange: Vec<&String> = words.iter().filter(|word| !vocabulary.knows(&fold(word), scope)).collect();
        // Known words side by side are no typo, unless together they sound like something that exists. Hiragana is no words.
        let by_sound = strange.is_empty() && !is_in_hiragana(&term.text);
        let whole = vocabulary.correct(&term.text, scope, by_sound, CANDIDATES_MAX);
        if !whole.is_empty() || words.len() < 2 {
            return whole;
        }
        let mut text = term.text.clone();
        for word in strange {
            if let Some(better) = vocabulary.correct(word, scope, false, 1).first() {
                text = text.replacen(word.as_str(), better, 1);
            }
        }
        if text == term.text { Vec::new() } else { vec![text] }
    }

    /// A correction that finds more than the query did.
    fn better(&self, terms: &Terms, found: usize) -> Result<Option<String>, Error> {
        match self.corrected(terms)? {
            Some((corrected, other)) if self.base(&other)? > found => Ok(Some(corrected)),
            _ => Ok(None),
        }
    }

    fn results(
        &self,
        found: Found,
        tier: u8,
        terms: &Terms,
        units: &[(QueryTerm, Arc<Prepared>)],
        corrected: Option<String>,
        suggestion: Option<String>,
    ) -> Result<SearchResults, Error> {
        let Found { mut gathered, exact, .. } = found;
        let skipped = match self.page {
            Page::Offset(offset) => offset,
            Page::After(_) => 0,
        };
        let more = self.limit > 0 && gathered.best.len() > skipped + self.limit;
        gathered.best.truncate(skipped + self.limit);
        let page = gathered.best.get(skipped..).unwrap_or_default();
        let next_cursor = if more { page.last().map(|last| self.cursor_after(last)) } else { None };
        let needles = if self.request.highlight { self.needles(terms, units) } else { Needles::default() };
        let hits = page.iter().map(|candidate| self.hit(candidate, &needles)).collect::<Result<_, _>>()?;
        let facets = self
            .request
            .facets
            .iter()
            .zip(&gathered.counts)
            .map(|(facet, counts)| (*facet, self.inner.values.top(*facet, counts, self.request.facet_limit)))
            .collect();
        let explanation = self.request.explain.then(|| explain(terms, units));
        Ok(SearchResults { total: gathered.total, total_exact: exact, hits, facets, tier, corrected, suggestion, next_cursor, explanation })
    }

    fn hit(&self, candidate: &Candidate, needles: &Needles) -> Result<Hit, Error> {
        let columns = &self.view.segments[candidate.segment as usize];
        let (title_highlighted, snippet) = if self.request.highlight {
            let stored: TantivyDocument = self.view.searcher.doc(DocAddress::new(candidate.segment, candidate.doc))?;
            let text = |field| stored.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
            (needles.mark(text(self.inner.fields.stored_title)), needles.snippet(text(self.inner.fields.stored_description)))
        } else {
            (Vec::<Fragment>::new(), Vec::<Fragment>::new())
        };
        Ok(Hit { id: Uuid::from_u128(candidate.id), slug: columns.slug(candidate.doc), score: candidate.score, title_highlighted, snippet })
    }

    fn needles(&self, terms: &Terms, units: &[(QueryTerm, Arc<Prepared>)]) -> Needles {
        let mut texts: Vec<String> = Vec::new();
        let parts = terms.iter().flat_map(|(_, prepared)| &prepared.parts);
        for (_, prepared) in terms.iter().chain(units).chain(parts) {
            texts.extend(prepared.alternatives.iter().map(|alternative| fold_kana(&alternative.text)));
        }
        if let Some(expr) = &self.request.filters.expr
            && terms.is_empty()
        {
            expr_texts(expr, &mut texts);
        }
        Needles::new(texts)
    }

    fn cursor_after(&self, last: &Candidate) -> String {
        let code = sort_code(self.sort);
        match self.sort.key {
            SortKey::Title | SortKey::Slug => {
                let text: String = last.text.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("t{code}-{text}-{:x}", last.id)
            }
            _ => format!("k{code}-{:x}-{:x}", last.key, last.id),
        }
    }
}

/// Whether a word is typed as it is spoken, to the last kana or nearly so (としょかn).
fn is_in_hiragana(text: &str) -> bool {
    text.chars().any(|c| is_kana(c) && !is_katakana(c)) && !text.chars().any(is_kanji)
}

fn sort_code(sort: Sort) -> String {
    format!("{}{}", sort.key as u8, if sort.descending { 'd' } else { 'a' })
}

fn parse_cursor(cursor: &str, sort: Sort) -> Result<Page, Error> {
    let parse = || {
        let mut parts = cursor.split('-');
        let (kind, code) = parts.next()?.split_at_checked(1)?;
        if code != sort_code(sort) {
            return None;
        }
        let key = match (kind, matches!(sort.key, SortKey::Title | SortKey::Slug)) {
            ("t", true) => AfterKey::Text(text_of_hex(parts.next()?)?),
            ("k", false) => AfterKey::Number(u64::from_str_radix(parts.next()?, 16).ok()?),
            _ => return None,
        };
        let id = u128::from_str_radix(parts.next()?, 16).ok()?;
        parts.next().is_none().then_some(After { key, id })
    };
    parse().map(Page::After).ok_or_else(|| Error::Cursor(cursor.chars().take(80).collect()))
}

fn text_of_hex(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}

/// Texts of positive conditions, to be marked.
fn expr_texts(expr: &Expr, texts: &mut Vec<String>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| expr_texts(part, texts)),
        Expr::Is(field, fq::Value::Exact(text) | fq::Value::Phrase(text)) if field.is_text() => texts.push(fold(text)),
        Expr::All | Expr::Not(_) | Expr::Is(..) => {}
    }
}

fn explain(terms: &Terms, units: &[(QueryTerm, Arc<Prepared>)]) -> Explanation {
    let explained = |(term, prepared): &(QueryTerm, Arc<Prepared>)| ExplainedTerm {
        text: term.text.clone(),
        optional: term.soft,
        alternatives: prepared
            .alternatives
            .iter()
            .map(|Alternative { text, weight, related }| ExplainedAlternative { text: text.clone(), weight: *weight, related: *related })
            .collect(),
    };
    Explanation { terms: terms.iter().map(explained).collect(), words: units.iter().map(|(unit, _)| unit.text.clone()).collect() }
}
