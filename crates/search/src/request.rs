//! What one may ask, and what comes back.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::fq;

/// What the viewer may see. It is part of every query, facet, suggestion and correction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// Published and public datasets only.
    #[default]
    Public,
    /// Everything in the index.
    Everything,
    /// Public datasets, and everything of these organizations.
    PublicAnd(Vec<Uuid>),
}

/// A field that can be counted by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Facet {
    /// Organization slugs.
    Organization,
    /// Theme ids.
    Theme,
    /// Keywords.
    Keyword,
    /// Formats.
    Format,
    /// Licence ids.
    Licence,
    /// Standard dataset ids.
    StandardDataset,
}

impl Facet {
    /// All facets.
    pub const ALL: [Facet; 6] = [Facet::Organization, Facet::Theme, Facet::Keyword, Facet::Format, Facet::Licence, Facet::StandardDataset];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// First and last day, either of them open.
pub type Period = (Option<NaiveDate>, Option<NaiveDate>);

/// Conditions besides the text: values of one field are alternatives, fields must all hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filters {
    /// Organization slugs or ids.
    pub organizations: Vec<String>,
    /// Theme ids.
    pub themes: Vec<String>,
    /// Keywords, as written.
    pub keywords: Vec<String>,
    /// Formats, in any spelling.
    pub formats: Vec<String>,
    /// Licence ids.
    pub licences: Vec<String>,
    /// Standard dataset ids.
    pub standard_datasets: Vec<String>,
    /// Local government codes.
    pub area_codes: Vec<String>,
    /// A condition in CKAN's query syntax. When there is no query text, its texts rank the hits.
    pub expr: Option<fq::Expr>,
    /// West, south, east, north: datasets whose box touches this one.
    pub bbox: Option<[f64; 4]>,
    /// First and last day: datasets whose period touches this one; one without a beginning or end is open there.
    pub period: Option<Period>,
    /// Modified at or after.
    pub modified_from: Option<DateTime<Utc>>,
    /// Modified before or at.
    pub modified_to: Option<DateTime<Utc>>,
    /// Only these datasets; empty means all.
    pub ids: Vec<Uuid>,
    /// Not these organizations.
    pub other_than: Vec<Uuid>,
}

impl Filters {
    pub(crate) fn of_facet(&self, facet: Facet) -> &[String] {
        match facet {
            Facet::Organization => &self.organizations,
            Facet::Theme => &self.themes,
            Facet::Keyword => &self.keywords,
            Facet::Format => &self.formats,
            Facet::Licence => &self.licences,
            Facet::StandardDataset => &self.standard_datasets,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Filters::default()
    }
}

/// By what hits are ordered; equal ones by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// How well they match, how fresh and how much used they are; without a query text, the newest first.
    #[default]
    Relevance,
    /// When the content last changed.
    Modified,
    /// When they were first recorded.
    Created,
    /// Downloads of the last 90 days.
    Downloads,
    /// Title, in code point order of its normalized form.
    Title,
    /// Slug.
    Slug,
}

/// An order of hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Largest, newest or best first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Sort { key: SortKey::Relevance, descending: true }
    }
}

/// Most hits one search returns.
pub const LIMIT_MAX: usize = 1_000;
/// Hits that can be reached by offset; beyond, page by cursor.
pub const OFFSET_MAX: usize = 100_000;

/// One search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// What the reader typed; no syntax, nothing in it is an error. Empty matches everything.
    pub query: String,
    /// Further conditions.
    pub filters: Filters,
    /// Fields to count by value.
    pub facets: Vec<Facet>,
    /// Most values per facet.
    pub facet_limit: usize,
    /// The order of hits.
    pub sort: Sort,
    /// Most hits, up to [`LIMIT_MAX`]; 0 counts only.
    pub limit: usize,
    /// Hits to skip, up to [`OFFSET_MAX`]; ignored with a cursor.
    pub offset: usize,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Whether hits carry marked titles and snippets.
    pub highlight: bool,
    /// What the viewer may see.
    pub scope: Scope,
    /// Whether to tell how the query was understood.
    pub explain: bool,
    /// With fewer hits that have every term, those with some of them follow. 1 relaxes only what would find nothing, 0 nothing at all.
    pub relaxed_below: usize,
}

/// A page of hits should be full: see [`SearchRequest::relaxed_below`].
pub const RELAXED_BELOW: usize = 20;

impl Default for SearchRequest {
    fn default() -> Self {
        SearchRequest {
            query: String::new(),
            filters: Filters::default(),
            facets: Vec::new(),
            facet_limit: 20,
            sort: Sort::default(),
            limit: 20,
            offset: 0,
            cursor: None,
            highlight: false,
            scope: Scope::Public,
            explain: false,
            relaxed_below: RELAXED_BELOW,
        }
    }
}

/// A piece of text, marked where the query matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The text, as published.
    pub text: String,
    /// Whether it matched.
    pub marked: bool,
}

/// One dataset found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The dataset's id.
    pub id: Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// How well it matches; 0 unless sorted by relevance.
    pub score: f32,
    /// The title in pieces; empty unless highlighting was asked for.
    pub title_highlighted: Vec<Fragment>,
    /// The most telling part of the description in pieces; empty unless highlighting was asked for.
    pub snippet: Vec<Fragment>,
}

/// Values of one facet with the number of hits each, most first.
pub type FacetValues = Vec<(String, usize)>;

/// What a search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchResults {
    /// Number of hits on all pages.
    pub total: usize,
    /// Of them, those that have every term of the query or what stands for it; they come first in a list by relevance.
    pub total_exact: usize,
    /// This page.
    pub hits: Vec<Hit>,
    /// Per facet, in the order asked for. A facet's own filter does not narrow its counts.
    pub facets: Vec<(Facet, FacetValues)>,
    /// How far the query was relaxed: 1 every term as written or as its like, 2 every word somewhere, 3 most words, 4 within words.
    pub tier: u8,
    /// Nothing was found for the query; these hits are for this one.
    pub corrected: Option<String>,
    /// Little was found; this query may find more.
    pub suggestion: Option<String>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    pub next_cursor: Option<String>,
    /// How the query was understood, when asked.
    pub explanation: Option<Explanation>,
}

/// How a query was understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// The terms that were searched, after questions, separators and corrections.
    pub terms: Vec<ExplainedTerm>,
    /// The words that a relaxed search counts; empty when it was not relaxed.
    pub words: Vec<String>,
}

/// A term of a query and what it was searched as.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedTerm {
    /// Normalized.
    pub text: String,
    /// Whether datasets without it are hits, too.
    pub optional: bool,
    /// The term itself, spellings, synonyms, readings, years of the other calendar.
    pub alternatives: Vec<ExplainedAlternative>,
}

/// Another way of saying a term.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedAlternative {
    /// Normalized.
    pub text: String,
    /// What a match counts; the term itself has 1.
    pub weight: f32,
    /// Not the same, only near to it.
    pub related: bool,
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, term) in self.terms.iter().enumerate() {
            let separator = if number > 0 { "; " } else { "" };
            write!(f, "{separator}{}{} =", term.text, if term.optional { " (optional)" } else { "" })?;
            for (number, alternative) in term.alternatives.iter().enumerate() {
                let separator = if number > 0 { " |" } else { "" };
                write!(f, "{separator} {}{}{:.2}", alternative.text, if alternative.related { "~" } else { "×" }, alternative.weight)?;
            }
        }
        if !self.words.is_empty() {
            write!(f, "; words: {}", self.words.join(" "))?;
        }
        Ok(())
    }
}

/// What a suggestion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuggestionKind {
    /// Words of titles and file names.
    Word,
    /// The title of a dataset.
    Title,
    /// A keyword.
    Keyword,
    /// An organization.
    Organization,
}

/// Something to type next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The text to search for.
    pub text: String,
    /// What it is.
    pub kind: SuggestionKind,
    /// How much it matters; larger first.
    pub weight: u64,
}
