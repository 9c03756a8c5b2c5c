//! Searching and suggestions.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Days, NaiveDate, Utc};
use minato_app::catalog::{Dataset, Text, standard_dataset};
use minato_app::searching::{Explanation, Facet, Filters, Fragment, Hit, Period, SearchRequest, Sort, SortKey, SuggestionKind};
use minato_app::{App, Error, FoundDatasets};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{KEEP, json as loaded, kept, read};
use super::noun::whole;
use super::request::{Query, invalid, key, not_one_of};
use super::route::{Endpoint, flag, get, one_of, query, text, whole as whole_number};
use super::view::{self, OrganizationRef};
use crate::http::{Problem, Shared};
use crate::search_log;

const TAG: &str = "search";
const FACETS: &[(&str, Facet)] = &[
    ("organization", Facet::Organization),
    ("theme", Facet::Theme),
    ("keyword", Facet::Keyword),
    ("format", Facet::Format),
    ("licence", Facet::Licence),
    ("standard_dataset", Facet::StandardDataset),
];
const SORTS: &[&str] =
    &["relevance", "-modified", "modified", "-created", "created", "-downloads", "downloads", "title", "-title", "slug", "-slug"];
/// Longest query, in characters.
const QUERY_LENGTH_MAX: usize = 1_000;
/// Characters of a description in a result.
const SUMMARY_LENGTH: usize = 300;

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
struct SearchAnswer {
    /// Number of hits on all pages.
    total: usize,
    /// Of them, those with every term of the query or what stands for it. By relevance they come first; the rest has only some of the terms,
    /// or words near to them.
    total_exact: usize,
    /// This page, best first or in the order asked for.
    items: Vec<FoundItem>,
    /// Per facet asked for, its values, most hits first. A facet's own filter does not narrow its counts.
    facets: std::collections::BTreeMap<String, Vec<FacetValue>>,
    /// How far the query was relaxed: 1 every term as written or as its like, 2 every word somewhere, 3 most words, 4 within words.
    tier: u8,
    /// Nothing was found for the query; these hits are for this one.
    corrected: Option<String>,
    /// Little was found; this query may find more.
    suggestion: Option<String>,
    /// Why the answer is less than usual: the search index is being built.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Text>,
    /// How the query was understood; with `explain=true`, for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<ExplanationView>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Datasets like another.
#[derive(Debug, Serialize, ToSchema)]
struct SimilarAnswer {
    /// `standard_dataset`: the same standard dataset of other municipalities; `likeness`: by words of titles and keywords.
    by: &'static str,
    /// The likest or newest first.
    items: Vec<DatasetSummary>,
}

/// How a query was understood.
#[derive(Debug, Serialize, ToSchema)]
struct ExplanationView {
    /// The terms that were searched, after questions, separators and corrections.
    terms: Vec<ExplainedTermView>,
    /// The words that a relaxed search counts; empty when it was not relaxed.
    words: Vec<String>,
}

/// A term and what it was searched as.
#[derive(Debug, Serialize, ToSchema)]
struct ExplainedTermView {
    /// Normalized.
    text: String,
    /// Whether datasets without it are hits, too.
    optional: bool,
    /// The term itself, spellings, synonyms, readings, years of the other calendar.
    alternatives: Vec<ExplainedAlternativeView>,
}

/// Another way of saying a term.
#[derive(Debug, Serialize, ToSchema)]
struct ExplainedAlternativeView {
    /// Normalized.
    text: String,
    /// What a match counts; the term itself has 1.
    weight: f32,
    /// Not the same, only near to it.
    related: bool,
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        let terms = explanation.terms.into_iter().map(|term| ExplainedTermView {
            text: term.text,
            optional: term.optional,
            alternatives: term
                .alternatives
                .into_iter()
                .map(|other| ExplainedAlternativeView { text: other.text, weight: other.weight, related: other.related })
                .collect(),
        });
        ExplanationView { terms: terms.collect(), words: explanation.words }
    }
}

/// A dataset in few words, as found.
#[derive(Debug, Serialize, ToSchema)]
struct FoundItem {
    #[serde(flatten)]
    dataset: DatasetSummary,
    /// How well it matches; 0 unless sorted by relevance.
    score: f32,
    /// The title in pieces, marked where the query matched; with `highlight=true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    title_highlighted: Vec<Piece>,
    /// The most telling part of the description in pieces; with `highlight=true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snippet: Vec<Piece>,
}

/// A dataset in few words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DatasetSummary {
    /// Id; the whole dataset is at `/api/v1/datasets/{id}`.
    id: Uuid,
    /// Name in URLs.
    slug: String,
    /// Page about the dataset here.
    url: String,
    /// Title in Japanese.
    title: String,
    /// Title in English.
    title_en: Option<String>,
    /// The beginning of the description.
    description: String,
    /// The owner.
    organization: OrganizationRef,
    /// Keywords.
    keywords: Vec<String>,
    /// Theme ids.
    themes: Vec<String>,
    /// Licence id.
    licence: Option<String>,
    /// Formats of its files and links.
    formats: Vec<String>,
    /// Which standard dataset it is.
    standard_dataset: Option<String>,
    /// Number of files and links.
    distributions: usize,
    /// When its content last changed.
    modified: DateTime<Utc>,
    /// When the record last changed here.
    updated: DateTime<Utc>,
}

/// A piece of text.
#[derive(Debug, Serialize, ToSchema)]
struct Piece {
    /// The text, as published.
    text: String,
    /// Whether it matched.
    marked: bool,
}

/// One value of a facet.
#[derive(Debug, Serialize, ToSchema)]
struct FacetValue {
    /// As it is sent in the filter.
    value: String,
    /// For readers.
    title: Text,
    /// Number of hits with it.
    count: usize,
}

/// Something to type next.
#[derive(Debug, Serialize, ToSchema)]
struct SuggestionView {
    /// The text to search for.
    text: String,
    /// `word`, `title`, `keyword` or `organization`.
    kind: &'static str,
}

/// The endpoints of searching.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let words = |name: &str, description: &str| {
        let mut parameter = query(name, json!({"type": "array", "items": {"type": "string"}}), description);
        parameter["style"] = json!("form");
        parameter["explode"] = json!(true);
        parameter
    };
    let facet_names: Vec<&str> = FACETS.iter().map(|(name, _)| *name).collect();
    let mut facets = words("facets", "Fields to count by value; repeated or separated by commas.");
    facets["schema"]["items"] = one_of(&facet_names);
    vec![
        get("/search", "search_datasets", search_datasets)
            .says(TAG, "データセットを検索する", "Searches datasets by words and conditions. Values of one filter are alternatives (repeat it, or separate them by commas); filters must all hold.")
            .with([
                query("q", json!({"type": "string", "maxLength": QUERY_LENGTH_MAX}), "What the reader typed. No syntax; nothing in it is an error. Empty finds everything."),
                words("organization", "Organization slugs or ids."),
                words("theme", "Theme ids."),
                words("keyword", "Keywords."),
                words("format", "Formats in any spelling, for example `CSV`."),
                words("licence", "Licence ids."),
                words("standard_dataset", "Standard dataset ids."),
                words("area_code", "Local government codes."),
                query("bbox", text(), "West,south,east,north in degrees: datasets whose box touches this one."),
                query("temporal_from", text(), "First day (2024-04-01) of a period: datasets about a time that reaches into it. Those that name no time are left out."),
                query("temporal_to", text(), "Last day of the period."),
                query("modified_from", text(), "Modified at or after: 2026-04-01 or 2026-04-01T09:00:00Z."),
                query("modified_to", text(), "Modified before or at; a day alone is included."),
                query("sort", one_of(SORTS), "The order; `-` is largest, newest or last first. Default `relevance`."),
                query("limit", whole_number(0, 100, Some(20)), "Most hits; 0 counts only."),
                query("offset", whole_number(0, 100_000, Some(0)), "Hits to skip; beyond, page by cursor."),
                query("cursor", text(), "`next_cursor` of the page before."),
                facets,
                query("facet_limit", whole_number(0, 1000, Some(20)), "Most values per facet."),
                query("highlight", flag(), "Whether hits carry marked titles and snippets."),
                query("explain", flag(), "Whether to tell how the query was understood; for staff: users with a role, and administrators."),
            ])
            .answers::<SearchAnswer>(&["200"], "What was found."),
        get("/datasets/{key}/similar", "list_similar_datasets", list_similar_datasets)
            .says(TAG, "似ているデータセット", "Datasets like this one, the likest first. `elsewhere=true` finds the same kind of data in other municipalities: by the standard dataset where there is one, else by likeness.")
            .with([
                query("elsewhere", flag(), "Only of other organizations."),
                query("limit", whole_number(1, 50, Some(10)), "Most datasets."),
            ])
            .answers::<SimilarAnswer>(&["200"], "What is like it.")
            .problems(&["410"]),
        get("/suggest", "suggest", suggest)
            .says(TAG, "検索語の候補", "What one may be about to type, most useful first.")
            .with([query("q", text(), "What was typed so far."), query("limit", whole_number(1, 50, Some(10)), "Most suggestions.")])
            .answers_page::<SuggestionView>("Suggestions."),
    ]
}

async fn search_datasets(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let typed = typed_query(&request);
    if let Some(answer) = kept(&state, &request) {
        state.app.note_search(typed.as_deref().unwrap_or_default(), None);
        return Ok(answer);
    }
    let wanted = search_request(&Query::parse(request.query_string())?)?;
    let plain = search_log::is_plain(&wanted);
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        if wanted.explain && !viewer.is_staff() {
            return Err(Error::Forbidden(Text::new(
                "explain は職員用です。役割を持つ利用者のトークンを付けてください。",
                "explain is for staff; send the token of a user who has a role",
            )));
        }
        let found = app.search(viewer, wanted)?;
        app.note_search(typed.as_deref().unwrap_or_default(), plain.then(|| search_log::hits(&found.results)));
        loaded(&answer(app, base, found), None)
    })
    .await
}

async fn list_similar_datasets(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    let elsewhere = query.flag("elsewhere")?;
    let limit = query.number("limit", 1..=50)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        let (datasets, standard) = app.similar_datasets(viewer, &key, elsewhere, limit)?;
        let items = datasets.iter().map(|dataset| summary(app, base, dataset)).collect();
        loaded(&SimilarAnswer { by: if standard { "standard_dataset" } else { "likeness" }, items }, None)
    })
    .await
}

/// What somebody typed, when this is a search to be counted: the first page, and no question about the search itself.
fn typed_query(request: &HttpRequest) -> Option<String> {
    if !request.query_string().contains("q=") || !search_log::is_wanted(request) {
        return None;
    }
    let mut typed = None;
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        match name.as_ref() {
            "q" if typed.is_none() => typed = Some(value.into_owned()),
            "cursor" | "explain" if !value.is_empty() => return None,
            "offset" if !matches!(value.trim(), "" | "0") => return None,
            _ => {}
        }
    }
    typed
}

fn search_request(query: &Query) -> Result<SearchRequest, Problem> {
    let text = query.text("q").unwrap_or_default();
    if text.chars().count() > QUERY_LENGTH_MAX {
        return Err(invalid(
            "q",
            &format!("{QUERY_LENGTH_MAX} 文字以内にしてください"),
            &format!("must have at most {QUERY_LENGTH_MAX} characters"),
        ));
    }
    let mut facets = Vec::new();
    for name in query.words("facets") {
        match FACETS.iter().find(|(known, _)| *known == name) {
            Some((_, facet)) if facets.contains(facet) => {}
            Some((_, facet)) => facets.push(*facet),
            None => return Err(not_one_of("facets", &FACETS.iter().map(|(name, _)| *name).collect::<Vec<_>>())),
        }
    }
    let filters = Filters {
        organizations: query.words("organization"),
        themes: query.words("theme"),
        keywords: query.words("keyword"),
        formats: query.words("format"),
        licences: query.words("licence"),
        standard_datasets: query.words("standard_dataset"),
        area_codes: query.words("area_code"),
        bbox: bbox(query)?,
        period: period(query)?,
        modified_from: query.moment("modified_from")?,
        modified_to: modified_to(query)?,
        ..Filters::default()
    };
    let number = |name: &str, max: i64, default: usize| -> Result<usize, Problem> {
        Ok(query.number(name, 0..=max)?.and_then(|number| usize::try_from(number).ok()).unwrap_or(default))
    };
    Ok(SearchRequest {
        query: text.to_owned(),
        filters,
        facets,
        facet_limit: number("facet_limit", 1000, 20)?,
        sort: sort(query)?,
        limit: number("limit", 100, 20)?,
        offset: number("offset", 100_000, 0)?,
        cursor: query.string("cursor"),
        highlight: query.flag("highlight")?,
        explain: query.flag("explain")?,
        ..SearchRequest::default()
    })
}

fn sort(query: &Query) -> Result<Sort, Problem> {
    let Some(text) = query.text("sort") else { return Ok(Sort::default()) };
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let key = match name {
        "relevance" => return Ok(Sort::default()),
        "modified" => SortKey::Modified,
        "created" => SortKey::Created,
        "downloads" => SortKey::Downloads,
        "title" => SortKey::Title,
        "slug" => SortKey::Slug,
        _ => return Err(not_one_of("sort", SORTS)),
    };
    Ok(Sort { key, descending })
}

fn bbox(query: &Query) -> Result<Option<[f64; 4]>, Problem> {
    let Some(text) = query.text("bbox") else { return Ok(None) };
    let numbers: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).filter(|number: &f64| number.is_finite()).collect();
    match numbers[..] {
        [west, south, east, north]
            if text.split(',').count() == 4
                && west <= east
                && south <= north
                && [west, east].iter().all(|degree| degree.abs() <= 180.0)
                && [south, north].iter().all(|degree| degree.abs() <= 90.0) =>
        {
            Ok(Some([west, south, east, north]))
        }
        _ => Err(invalid(
            "bbox",
            "「西,南,東,北」の順の経度・緯度（度）にしてください（例: 132.0,34.0,133.5,35.2）",
            "must be west,south,east,north in degrees, for example 132.0,34.0,133.5,35.2",
        )),
    }
}

fn period(query: &Query) -> Result<Option<Period>, Problem> {
    let (from, to) = (query.day("temporal_from")?, query.day("temporal_to")?);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(invalid("temporal_to", "temporal_from 以後の日付にしてください", "must not be before temporal_from"));
    }
    Ok((from.is_some() || to.is_some()).then_some((from, to)))
}

/// A day alone is meant with all its hours.
fn modified_to(query: &Query) -> Result<Option<DateTime<Utc>>, Problem> {
    let at = query.moment("modified_to")?;
    let day_alone = query.text("modified_to").is_some_and(|text| text.parse::<NaiveDate>().is_ok());
    if !day_alone {
        return Ok(at);
    }
    Ok(at.map(|at| at.checked_add_days(Days::new(1)).unwrap_or(at) - chrono::Duration::microseconds(1)))
}

fn answer(app: &App, base: &str, found: FoundDatasets) -> SearchAnswer {
    let FoundDatasets { results, datasets, listing } = found;
    let mut hits: std::collections::HashMap<Uuid, Hit> = results.hits.into_iter().map(|hit| (hit.id, hit)).collect();
    let items = datasets.iter().map(|dataset| {
        let hit = hits.remove(&dataset.id);
        let (score, title, snippet) = hit.map(|hit| (hit.score, hit.title_highlighted, hit.snippet)).unwrap_or_default();
        FoundItem { dataset: summary(app, base, dataset), score, title_highlighted: pieces(title), snippet: pieces(snippet) }
    });
    let items = items.collect();
    let facets = results.facets.into_iter().map(|(facet, values)| {
        let name = FACETS.iter().find(|(_, known)| *known == facet).map_or("", |(name, _)| *name);
        let values = values.into_iter().map(|(value, count)| FacetValue { title: facet_title(app, facet, &value), value, count });
        (name.to_owned(), values.collect())
    });
    SearchAnswer {
        total: results.total,
        total_exact: results.total_exact,
        items,
        facets: facets.collect(),
        tier: results.tier,
        corrected: results.corrected,
        suggestion: results.suggestion,
        notice: listing.then(minato_app::listing_notice),
        explanation: results.explanation.map(ExplanationView::from),
        next_cursor: results.next_cursor,
    }
}

fn pieces(fragments: Vec<Fragment>) -> Vec<Piece> {
    fragments.into_iter().map(|fragment| Piece { text: fragment.text, marked: fragment.marked }).collect()
}

fn facet_title(app: &App, facet: Facet, value: &str) -> Text {
    let directory = app.directory();
    let title = match facet {
        Facet::Organization => directory.find_organization(value).map(|found| {
            let draft = &found.draft;
            Text::new(&draft.name, draft.name_en.as_deref().unwrap_or(&draft.name))
        }),
        Facet::Theme => Some(directory.vocabulary.theme_title(value)),
        Facet::Licence => Some(directory.vocabulary.licence_title(value)),
        Facet::StandardDataset => standard_dataset(value).map(|found| Text::new(found.title, found.title_en)),
        Facet::Keyword | Facet::Format => None,
    };
    title.unwrap_or_else(|| Text::new(value, value))
}

/// A dataset in few words; `base` is the address of the site.
pub(super) fn summary(app: &App, base: &str, dataset: &Dataset) -> DatasetSummary {
    let content = &dataset.content;
    let mut formats: Vec<String> = Vec::new();
    for format in content.distributions.iter().filter_map(|distribution| distribution.format.as_ref()) {
        if !formats.contains(format) {
            formats.push(format.clone());
        }
    }
    DatasetSummary {
        id: dataset.id,
        slug: content.slug.clone(),
        url: format!("{base}/datasets/{}", content.slug),
        title: content.title.clone(),
        title_en: content.title_en.clone(),
        description: content.description.chars().take(SUMMARY_LENGTH).collect(),
        organization: view::organization(app, content.organization_id),
        keywords: content.keywords.clone(),
        themes: content.themes.clone(),
        licence: content.licence.clone(),
        formats,
        standard_dataset: content.standard_dataset.clone(),
        distributions: content.distributions.len(),
        modified: content.modified,
        updated: dataset.updated,
    }
}

async fn suggest(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if let Some(answer) = kept(&state, &request) {
        return Ok(answer);
    }
    let query = Query::parse(request.query_string())?;
    let prefix: String = query.text("q").unwrap_or_default().chars().take(QUERY_LENGTH_MAX).collect();
    let limit = query.number("limit", 1..=50)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
    read(&state, &request, Some(KEEP), move |app, viewer, _| {
        let found = app.suggest(viewer, &prefix, limit)?;
        let shown = found.into_iter().map(|suggestion| SuggestionView { text: suggestion.text, kind: kind(suggestion.kind) });
        loaded(&whole(shown.collect()), None)
    })
    .await
}

fn kind(kind: SuggestionKind) -> &'static str {
    match kind {
        SuggestionKind::Word => "word",
        SuggestionKind::Title => "title",
        SuggestionKind::Keyword => "keyword",
        SuggestionKind::Organization => "organization",
    }
}
