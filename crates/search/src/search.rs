//! One search: tiers, facets, paging, marks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tantivy::query::{AllQuery, Query};
use tantivy::schema::Value;
use tantivy::{DocAddress, TantivyDocument};
use uuid::Uuid;

use crate::collect::{After, Candidate, Gather, Gathered};
use crate::condition::{all_but, facet_value, filter_queries, scope_query, unscored};
use crate::fq::{self, Expr};
use crate::highlight::Needles;
use crate::index::{Inner, View};
use crate::normalize::{fold, fold_kana};
use crate::plan::{Planner, QueryTerm, Terms, read_query, split_words};
use crate::postings::Prepared;
use crate::{Error, Facet, FacetValues, Fragment, Hit, Index, LIMIT_MAX, OFFSET_MAX, SearchRequest, SearchResults, Sort, SortKey};

/// With fewer hits the query is relaxed.
const ENOUGH: usize = 5;
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
#[derive(Debug, Clone, Copy, PartialEq)]
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
        let terms = self.planner.prepare_all(read_query(&self.request.query))?;
        if terms.is_empty() {
            return self.match_all();
        }
        let first = self.gather(Some(self.planner.all_terms(&terms)), false)?;
        if first.base >= ENOUGH {
            return self.results(first, 1, &terms, &[], None, None);
        }
        if first.base == 0
            && let Some((corrected, other)) = self.corrected(&terms)?
        {
            let found = self.gather(Some(self.planner.all_terms(&other)), false)?;
            if found.base > 0 {
                return self.results(found, 1, &other, &[], Some(corrected), None);
            }
        }
        let suggestion = if first.base > 0 { self.better(&terms, first.base)? } else { None };
        let units = self.planner.prepare_all(self.planner.units(&terms))?;
        if units.len() > 1 || units.first().map(|(unit, _)| &unit.folded) != terms.first().map(|(term, _)| &term.folded) {
            let (found, tier) = self.relaxed(&terms, &units)?;
            if found.base > 0 {
                return self.results(found, tier, &terms, &units, None, suggestion);
            }
        }
        if first.base == 0
            && let Some(query) = self.planner.within_words(&terms)
        {
            let found = self.gather(Some(query), false)?;
            return self.results(found, 4, &terms, &units, None, None);
        }
        self.results(first, 1, &terms, &[], None, suggestion)
    }

    /// Every word somewhere; if that is not enough, one word less, and so on down to half of them.
    fn relaxed(&self, terms: &Terms, units: &Terms) -> Result<(Gathered, u8), Error> {
        let query = |least: usize| self.planner.some_units(self.planner.all_terms(terms), units, least);
        let every = self.gather(Some(query(units.len())), true)?;
        let half = units.len().div_ceil(2);
        if every.base >= ENOUGH || half == units.len() {
            return Ok((every, 2));
        }
        let levels = self.count_levels(query(half))?;
        let mut least = units.len();
        let mut found: usize = levels.iter().skip(least).sum();
        while found < ENOUGH && least > half {
            least -= 1;
            found += levels.get(least).copied().unwrap_or(0);
        }
        if found == every.base {
            return Ok((every, 2));
        }
        Ok((self.gather(Some(query(least)), true)?, 3))
    }

    /// Everything in sight, under the filters; counts without any filter are remembered.
    fn match_all(&self) -> Result<SearchResults, Error> {
        let plain = self.request.filters.is_empty();
        let key = format!("{:?} {:?} {}", self.request.scope, self.request.facets, self.request.facet_limit);
        let known = if plain { self.view.match_all.lock().get(&key).cloned() } else { None };
        if let Some(known) = known {
            let gathered = self.gather_with(None, false, &[])?;
            let mut results = self.results(gathered, 1, &Vec::new(), &[], None, None)?;
            results.total = known.total;
            results.facets = known.facets.clone();
            return Ok(results);
        }
        let gathered = self.gather(None, false)?;
        let results = self.results(gathered, 1, &Vec::new(), &[], None, None)?;
        if plain && !self.request.facets.is_empty() {
            let mut remembered = self.view.match_all.lock();
            if remembered.len() >= MATCH_ALL_MAX {
                remembered.clear();
            }
            remembered.insert(key, Arc::new(MatchAll { total: results.total, facets: results.facets.clone() }));
        }
        Ok(results)
    }

    fn gather(&self, query: Option<Box<dyn Query>>, leveled: bool) -> Result<Gathered, Error> {
        self.gather_with(query, leveled, &self.request.facets)
    }

    fn gather_with(&self, query: Option<Box<dyn Query>>, leveled: bool, facets: &[Facet]) -> Result<Gathered, Error> {
        // One more than shown tells whether there is another page.
        let keep = match self.page {
            _ if self.limit == 0 => 0,
            Page::Offset(offset) => offset + self.limit + 1,
            Page::After(_) => self.limit + 1,
        };
        let after = match self.page {
            Page::Offset(_) => None,
            Page::After(after) => Some(after),
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
            leveled: leveled && self.sort.key == SortKey::Relevance,
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
        Ok(self.view.searcher.search(&*self.scoped(Some(self.planner.all_terms(terms))), &tantivy::collector::Count)?)
    }

    /// What the query was probably meant to be, when that differs: terms that find nothing, by words that exist.
    fn corrected(&self, terms: &Terms) -> Result<Option<(String, Terms)>, Error> {
        let (vocabulary, scope) = (self.planner.vocabulary, self.planner.scope);
        let mut texts = Vec::with_capacity(terms.len());
        let mut changed = false;
        for (term, prepared) in terms {
            let mut text = term.text.clone();
            let words = split_words(&term.text);
            let strange: Vec<&String> = words.iter().filter(|word| !vocabulary.knows(&fold(word), scope)).collect();
            let may_be_wrong = !term.exact && !vocabulary.knows(&term.folded, scope);
            // Known words side by side are no typo, unless together they sound like something that exists.
            let by_sound = strange.is_empty();
            if may_be_wrong && (terms.len() == 1 || self.base(&vec![(term.clone(), prepared.clone())])? == 0) {
                if let Some(better) = vocabulary.correct(&term.text, scope, by_sound) {
                    text = better;
                    changed = true;
                } else if words.len() > 1 {
                    for word in strange {
                        if let Some(better) = vocabulary.correct(word, scope, false) {
                            text = text.replacen(word.as_str(), &better, 1);
                            changed = true;
                        }
                    }
                }
            }
            texts.push(text);
        }
        if !changed {
            return Ok(None);
        }
        let corrected = texts.join(" ");
        let terms = self.planner.prepare_all(read_query(&corrected))?;
        Ok(Some((corrected, terms)))
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
        mut gathered: Gathered,
        tier: u8,
        terms: &Terms,
        units: &[(QueryTerm, Arc<Prepared>)],
        corrected: Option<String>,
        suggestion: Option<String>,
    ) -> Result<SearchResults, Error> {
        let skipped = match self.page {
            Page::Offset(offset) => offset,
            Page::After(_) => 0,
        };
        let more = self.limit > 0 && gathered.best.len() > skipped + self.limit;
        gathered.best.truncate(skipped + self.limit);
        let page = gathered.best.get(skipped..).unwrap_or_default();
        let next_cursor = if more { page.last().map(|last| self.cursor_after(last, skipped + self.limit)) } else { None };
        let needles = if self.request.highlight { self.needles(terms, units) } else { Needles::default() };
        let hits = page.iter().map(|candidate| self.hit(candidate, &needles)).collect::<Result<_, _>>()?;
        let facets = self
            .request
            .facets
            .iter()
            .zip(&gathered.counts)
            .map(|(facet, counts)| (*facet, self.inner.values.top(*facet, counts, self.request.facet_limit)))
            .collect();
        let explanation = self.request.explain.then(|| explain(tier, terms, units));
        Ok(SearchResults { total: gathered.total, hits, facets, tier, corrected, suggestion, next_cursor, explanation })
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
        for (_, prepared) in terms.iter().chain(units) {
            texts.extend(prepared.alternatives.iter().map(|alternative| fold_kana(&alternative.text)));
        }
        if let Some(expr) = &self.request.filters.expr
            && terms.is_empty()
        {
            expr_texts(expr, &mut texts);
        }
        Needles::new(texts)
    }

    fn cursor_after(&self, last: &Candidate, offset: usize) -> String {
        match self.sort.key {
            SortKey::Title | SortKey::Slug => format!("o{}-{offset}", sort_code(self.sort)),
            _ => format!("k{}-{:x}-{:x}", sort_code(self.sort), last.key, last.id),
        }
    }
}

fn sort_code(sort: Sort) -> String {
    format!("{}{}", sort.key as u8, if sort.descending { 'd' } else { 'a' })
}

fn parse_cursor(cursor: &str, sort: Sort) -> Result<Page, Error> {
    let wrong = || Error::Cursor(cursor.chars().take(80).collect());
    let mut parts = cursor.split('-');
    let head = parts.next().unwrap_or_default();
    let page = if head.strip_prefix('o') == Some(&sort_code(sort)) && matches!(sort.key, SortKey::Title | SortKey::Slug) {
        let offset = parts.next().and_then(|offset| offset.parse::<usize>().ok()).ok_or_else(wrong)?;
        if offset > OFFSET_MAX {
            return Err(wrong());
        }
        Page::Offset(offset)
    } else if head.strip_prefix('k') == Some(&sort_code(sort)) && !matches!(sort.key, SortKey::Title | SortKey::Slug) {
        let key = parts.next().and_then(|key| u64::from_str_radix(key, 16).ok()).ok_or_else(wrong)?;
        let id = parts.next().and_then(|id| u128::from_str_radix(id, 16).ok()).ok_or_else(wrong)?;
        Page::After(After { key, id })
    } else {
        return Err(wrong());
    };
    if parts.next().is_some() { Err(wrong()) } else { Ok(page) }
}

/// Texts of positive conditions, to be marked.
fn expr_texts(expr: &Expr, texts: &mut Vec<String>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| expr_texts(part, texts)),
        Expr::Is(field, fq::Value::Exact(text) | fq::Value::Phrase(text)) if field.is_text() => texts.push(fold(text)),
        Expr::All | Expr::Not(_) | Expr::Is(..) => {}
    }
}

fn explain(tier: u8, terms: &Terms, units: &[(QueryTerm, Arc<Prepared>)]) -> String {
    let mut out = format!("tier {tier}");
    for (term, prepared) in terms {
        let shown: Vec<String> =
            prepared.alternatives.iter().map(|alternative| format!("{}×{:.2}", alternative.text, alternative.weight)).collect();
        out.push_str(&format!("; {}{} = {}", term.text, if term.soft { " (optional)" } else { "" }, shown.join(" | ")));
    }
    if !units.is_empty() {
        let shown: Vec<&str> = units.iter().map(|(unit, _)| unit.text.as_str()).collect();
        out.push_str(&format!("; words: {}", shown.join(" ")));
    }
    out
}
