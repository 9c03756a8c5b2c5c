//! The list of datasets: searching, narrowing, paging.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use minato_app::catalog::{Dataset, Viewer, standard_dataset};
use minato_app::searching::{Facet, Filters, Fragment, Hit, SearchRequest, Sort, SortKey};
use minato_app::{App, Directory};

use super::home::Card;
use super::markdown;
use super::page::{self, KEEP_SEARCH, Reply, Shell};
use super::words::{Lang, Said, number};
use crate::config::ServerSettings;
use crate::http::{Shared, is_own_address};
use crate::search_log;

/// Datasets on a page.
pub(super) const PER_PAGE: usize = 20;
/// Last page that can be reached; narrowing finds more than paging.
const PAGE_MAX: usize = 500;
/// Longest query text, in characters.
const QUERY_CHARS_MAX: usize = 300;
/// Most values chosen in one search.
const CHOICES_MAX: usize = 60;
/// Values of a facet that are seen at once; the rest are behind "more".
const VALUES_SHOWN: usize = 8;
/// Length of a snippet, in characters.
const SNIPPET_CHARS: usize = 110;
/// How much of a description snippets are taken from, in characters.
const SNIPPET_SOURCE_CHARS: usize = 5_000;

/// The facets of the form: name in the query, what it counts, legend in both languages.
const FACETS: [(&str, Facet, &str, &str); 6] = [
    ("organization", Facet::Organization, "公開している組織", "Publisher"),
    ("theme", Facet::Theme, "分野", "Theme"),
    ("format", Facet::Format, "ファイル形式", "File format"),
    ("standard_dataset", Facet::StandardDataset, "標準データセット", "Standard dataset"),
    ("licence", Facet::Licence, "ライセンス", "Licence"),
    ("keyword", Facet::Keyword, "キーワード", "Keyword"),
];

/// What was asked for. Made from any query string: what is not understood is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Asked {
    query: String,
    /// Facet name and value, in the order sent, without repetition.
    choices: Vec<(&'static str, String)>,
    sort: &'static str,
    page: usize,
}

impl Asked {
    fn parse(query_string: &str) -> Asked {
        let mut asked = Asked { page: 1, ..Asked::default() };
        for (key, value) in url::form_urlencoded::parse(query_string.as_bytes()).take(200) {
            let value: String = value.chars().filter(|c| !c.is_control()).take(QUERY_CHARS_MAX).collect();
            let value = value.trim();
            match key.as_ref() {
                "q" => asked.query = value.to_owned(),
                "sort" => asked.sort = ["modified", "downloads", "title"].into_iter().find(|sort| *sort == value).unwrap_or_default(),
                "page" => asked.page = value.parse().unwrap_or(1).clamp(1, PAGE_MAX),
                key => {
                    let Some((name, ..)) = FACETS.iter().find(|(name, ..)| *name == key) else { continue };
                    let choice = (*name, value.to_owned());
                    if !value.is_empty() && asked.choices.len() < CHOICES_MAX && !asked.choices.contains(&choice) {
                        asked.choices.push(choice);
                    }
                }
            }
        }
        asked
    }

    fn of(&self, name: &str) -> Vec<String> {
        self.choices.iter().filter(|(of, _)| *of == name).map(|(_, value)| value.clone()).collect()
    }

    fn request(&self) -> SearchRequest {
        let key = match self.sort {
            "modified" => SortKey::Modified,
            "downloads" => SortKey::Downloads,
            "title" => SortKey::Title,
            _ => SortKey::Relevance,
        };
        SearchRequest {
            query: self.query.clone(),
            filters: Filters {
                organizations: self.of("organization"),
                themes: self.of("theme"),
                keywords: self.of("keyword"),
                formats: self.of("format"),
                licences: self.of("licence"),
                standard_datasets: self.of("standard_dataset"),
                ..Filters::default()
            },
            facets: FACETS.iter().map(|(_, facet, ..)| *facet).collect(),
            facet_limit: 60,
            sort: Sort { key, descending: key != SortKey::Title },
            limit: PER_PAGE,
            offset: (self.page - 1) * PER_PAGE,
            highlight: true,
            ..SearchRequest::default()
        }
    }

    fn address(&self) -> String {
        let mut serializer = url::form_urlencoded::Serializer::new(String::new());
        if !self.query.is_empty() {
            serializer.append_pair("q", &self.query);
        }
        for (name, value) in &self.choices {
            serializer.append_pair(name, value);
        }
        if !self.sort.is_empty() {
            serializer.append_pair("sort", self.sort);
        }
        if self.page > 1 {
            serializer.append_pair("page", &self.page.to_string());
        }
        match serializer.finish() {
            query if query.is_empty() => "/datasets".to_owned(),
            query => format!("/datasets?{query}"),
        }
    }

    fn on_page(&self, page: usize) -> String {
        Asked { page, ..self.clone() }.address()
    }

    fn with_query(&self, query: &str) -> String {
        Asked { query: query.to_owned(), page: 1, ..self.clone() }.address()
    }

    fn without(&self, choice: &(&'static str, String)) -> String {
        let choices = self.choices.iter().filter(|other| *other != choice).cloned().collect();
        Asked { choices, page: 1, ..self.clone() }.address()
    }

    fn without_choices(&self) -> String {
        Asked { choices: Vec::new(), page: 1, ..self.clone() }.address()
    }
}

struct FacetView {
    name: &'static str,
    legend: String,
    values: Vec<FacetValue>,
    more: Vec<FacetValue>,
}

struct FacetValue {
    value: String,
    said: Said,
    count: String,
    checked: bool,
}

struct ActiveChoice {
    legend: String,
    said: Said,
    remove: String,
}

pub(super) struct Found {
    pub(super) card: Card,
    pub(super) title: Vec<Fragment>,
    pub(super) snippet: Vec<Fragment>,
    /// The snippet is Japanese in an English page.
    pub(super) snippet_foreign: bool,
}

/// Links to other pages of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Paging {
    previous: Option<String>,
    next: Option<String>,
    /// Page number and address; `None` is a gap, an empty address the current page.
    numbers: Vec<Option<(usize, String)>>,
}

impl Paging {
    /// First, last and the neighbours of the current page.
    fn new(current: usize, last: usize, address: impl Fn(usize) -> String) -> Paging {
        if last <= 1 {
            return Paging::default();
        }
        let mut numbers = Vec::new();
        let mut before = 0;
        for page in (1..=last).filter(|page| *page == 1 || *page == last || page.abs_diff(current) <= 2) {
            if page > before + 1 {
                numbers.push(None);
            }
            numbers.push(Some((page, if page == current { String::new() } else { address(page) })));
            before = page;
        }
        Paging {
            previous: (current > 1).then(|| address((current - 1).min(last))),
            next: (current < last).then(|| address(current + 1)),
            numbers,
        }
    }
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    s: Shell,
    asked: Asked,
    total: String,
    any: bool,
    range: String,
    found: Vec<Found>,
    facets: Vec<FacetView>,
    active: Vec<ActiveChoice>,
    clear: String,
    corrected: Option<(String, String)>,
    suggestion: Option<(String, String)>,
    /// Why the page shows less than usual.
    notice: Option<String>,
    /// Hits that have all words, when others follow.
    exact: Option<usize>,
    paging: Paging,
    /// Address of the last page, when this one is beyond it.
    last_page: Option<String>,
    /// Keywords to go on with, when nothing was found.
    keywords: Vec<(String, String)>,
    beyond_bound: bool,
}

/// The address of the list of datasets with a keyword.
pub(super) fn keyword_address(keyword: &str) -> String {
    choice_address("keyword", keyword)
}

/// The address of the list with one choice.
pub(super) fn choice_address(name: &str, value: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    format!("/datasets?{query}")
}

pub(super) async fn redirect_search(request: HttpRequest, state: Shared) -> HttpResponse {
    let to = Asked::parse(request.query_string()).address();
    page::serve(&request, &state, "html", KEEP_SEARCH, move |_, _| Ok(Reply::Moved { to, permanent: true })).await
}

pub(super) async fn list_datasets(request: HttpRequest, state: Shared) -> HttpResponse {
    let asked = Asked::parse(request.query_string());
    let typed = if asked.page == 1 && search_log::is_wanted(&request) { asked.query.clone() } else { String::new() };
    // Stays empty when the page was kept: then only the count rises.
    let hits = Arc::new(OnceLock::new());
    let told = hits.clone();
    let response = page::serve(&request, &state, "html", KEEP_SEARCH, move |app, shell| build(app, shell, asked, &told)).await;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        state.app.note_search(&typed, hits.get().copied());
    }
    response
}

/// What was typed into the search from whose results a dataset was opened: the search page of this site is the page before. Links stay as they
/// are, and it works without JavaScript.
pub(super) fn query_before(request: &HttpRequest, settings: &ServerSettings) -> Option<String> {
    let referrer = request.headers().get(header::REFERER)?.to_str().ok()?;
    if !referrer.contains("/datasets?") || !search_log::is_wanted(request) {
        return None;
    }
    let address = url::Url::parse(referrer).ok()?;
    let search_page = address.path() == "/datasets" && is_own_address(request, settings, &address);
    search_page.then(|| Asked::parse(address.query().unwrap_or_default()).query).filter(|query| !query.is_empty())
}

fn build(app: &App, shell: Shell, asked: Asked, hits: &OnceLock<usize>) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let directory = app.directory();
    let wanted = asked.request();
    let plain = search_log::is_plain(&wanted);
    let found = app.search(&Viewer::public(), wanted)?;
    if plain {
        // Set once: a page is built once.
        let _ = hits.set(search_log::hits(&found.results));
    }
    let results = found.results;
    let any = results.total > 0;
    let last = results.total.div_ceil(PER_PAGE).clamp(1, PAGE_MAX);
    let first_shown = (asked.page - 1) * PER_PAGE + 1;
    let range = if found.datasets.is_empty() { String::new() } else { range(lang, first_shown, first_shown + results.hits.len() - 1) };
    let by_id: HashMap<_, _> = found.datasets.iter().map(|dataset| (dataset.id, dataset)).collect();
    let hits = results.hits.iter().filter_map(|hit| Some(found_view(lang, &directory, by_id.get(&hit.id)?, hit)));
    let facets = FACETS
        .iter()
        .zip(&results.facets)
        .map(|((name, _, ja, en), (_, values))| facet_view(lang, &directory, &asked, name, lang.t(ja, en), values));
    let active = asked.choices.iter().map(|choice| {
        let legend = FACETS.iter().find(|(name, ..)| *name == choice.0).map_or("", |(_, _, ja, en)| lang.t(ja, en));
        ActiveChoice { legend: legend.to_owned(), said: label(lang, &directory, choice.0, &choice.1), remove: asked.without(choice) }
    });
    let keywords = if any { Vec::new() } else { most_frequent(app.dataset_counts_by_keyword()?) };
    let with_address = |text: &Option<String>| text.as_ref().map(|text| (text.clone(), asked.with_query(text)));
    let title = match (lang, asked.query.as_str()) {
        (Lang::Ja, "") => "データセットを探す".to_owned(),
        (Lang::Ja, query) => format!("「{query}」の検索結果"),
        (Lang::En, "") => "Find datasets".to_owned(),
        (Lang::En, query) => format!("Results for “{query}”"),
    };
    let plain = asked == Asked { page: 1, ..Asked::default() };
    let mut shell = shell.named(&title, &title, "/datasets").section("datasets");
    shell.noindex = !plain;
    let page = SearchPage {
        total: number(i64::try_from(results.total).unwrap_or(i64::MAX)),
        any,
        range,
        found: hits.collect(),
        facets: facets.filter(|facet| !facet.values.is_empty()).collect(),
        active: active.collect(),
        clear: asked.without_choices(),
        corrected: with_address(&results.corrected),
        suggestion: with_address(&results.suggestion),
        notice: found.listing.then(|| {
            let text = minato_app::listing_notice();
            lang.t(&text.ja, &text.en).to_owned()
        }),
        exact: (any && results.tier >= 2 && results.total_exact < results.total).then_some(results.total_exact),
        paging: Paging::new(asked.page, last, |page| asked.on_page(page)),
        last_page: (any && results.hits.is_empty()).then(|| asked.on_page(last)),
        keywords: keywords.into_iter().take(12).map(|(word, _)| (keyword_address(&word), word)).collect(),
        beyond_bound: asked.page == last && results.total > PAGE_MAX * PER_PAGE,
        asked,
        s: shell,
    };
    Reply::page(&page)
}

fn range(lang: Lang, from: usize, to: usize) -> String {
    let [from, to] = [from, to].map(|n| number(i64::try_from(n).unwrap_or(i64::MAX)));
    match lang {
        Lang::Ja => format!("{from}～{to}件目"),
        Lang::En => format!("{from} to {to}"),
    }
}

fn found_view(lang: Lang, directory: &Directory, dataset: &Dataset, hit: &Hit) -> Found {
    let card = Card::new(lang, directory, dataset);
    // Marks are in the Japanese title; an English title is shown unmarked.
    let marked = card.link.said.text == dataset.content.title;
    let title = if marked { hit.title_highlighted.clone() } else { Vec::new() };
    let snippet = snippet(dataset, &hit.snippet);
    let snippet_foreign = lang == Lang::En && snippet.iter().any(|piece| !piece.text.is_ascii());
    Found { card, title, snippet, snippet_foreign }
}

/// The index cuts snippets out of Markdown: the same words marked in the description as readers see it. Empty when there are none.
fn snippet(dataset: &Dataset, found: &[Fragment]) -> Vec<Fragment> {
    let content = &dataset.content;
    let description = format!("{}\n\n{}", content.description, content.description_en.as_deref().unwrap_or_default());
    let words: Vec<&str> = found.iter().filter(|piece| piece.marked).map(|piece| piece.text.as_str()).collect();
    if words.is_empty() {
        return Vec::new();
    }
    marked(&markdown::to_line(&description, SNIPPET_SOURCE_CHARS), &words)
}

/// The part of a text around the first of the words, with the words marked; nothing when it has none of them.
fn marked(text: &str, words: &[&str]) -> Vec<Fragment> {
    let next = |rest: &str| {
        let places = words.iter().filter(|word| !word.is_empty()).filter_map(|word| Some((rest.find(word)?, word.len())));
        places.min_by_key(|(at, length)| (*at, std::cmp::Reverse(*length)))
    };
    let Some((first, _)) = next(text) else { return Vec::new() };
    let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let last = borders.len() - 1;
    let from = borders.partition_point(|border| *border < first).saturating_sub(SNIPPET_CHARS / 5).min(last.saturating_sub(SNIPPET_CHARS));
    let to = (from + SNIPPET_CHARS).min(last);
    let mut rest = &text[borders[from]..borders[to]];
    let mut pieces = Vec::new();
    let mut add = |text: &str, marked| {
        if !text.is_empty() {
            pieces.push(Fragment { text: text.to_owned(), marked });
        }
    };
    add(if from > 0 { "…" } else { "" }, false);
    while let Some((at, length)) = next(rest) {
        add(&rest[..at], false);
        add(&rest[at..at + length], true);
        rest = &rest[at + length..];
    }
    add(rest, false);
    add(if to < last { "…" } else { "" }, false);
    pieces
}

/// Keywords, the most frequent first.
pub(super) fn most_frequent(mut keywords: Vec<(String, i64)>) -> Vec<(String, i64)> {
    keywords.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    keywords
}

fn facet_view(lang: Lang, directory: &Directory, asked: &Asked, name: &'static str, legend: &str, values: &[(String, usize)]) -> FacetView {
    let chosen = asked.of(name);
    let view = |value: &str, count: usize| FacetValue {
        value: value.to_owned(),
        said: label(lang, directory, name, value),
        count: number(i64::try_from(count).unwrap_or(i64::MAX)),
        checked: chosen.iter().any(|other| other == value),
    };
    // What is chosen stays visible, also where nothing is left of it.
    let missing = chosen.iter().filter(|value| !values.iter().any(|(other, _)| other == *value)).map(|value| view(value, 0));
    let (mut shown, mut more): (Vec<_>, Vec<_>) = (missing.collect(), Vec::new());
    for (value, count) in values {
        let value = view(value, *count);
        if value.checked || shown.len() < VALUES_SHOWN { shown.push(value) } else { more.push(value) }
    }
    FacetView { name, legend: legend.to_owned(), values: shown, more }
}

/// What a value is called.
fn label(lang: Lang, directory: &Directory, name: &str, value: &str) -> Said {
    match name {
        "organization" => match directory.find_organization(value) {
            Some(organization) => Said::new(lang, &organization.draft.name, organization.draft.name_en.as_deref()),
            None => Said::new(lang, value, None),
        },
        "theme" => match directory.themes.get(value) {
            Some(theme) => Said::new(lang, &theme.draft.title, theme.draft.title_en.as_deref()),
            None => Said::new(lang, value, None),
        },
        "licence" => match directory.licences.get(value) {
            Some(licence) => Said::new(lang, &licence.draft.title, licence.draft.title_en.as_deref()),
            None => Said::new(lang, value, None),
        },
        "standard_dataset" => match standard_dataset(value) {
            Some(standard) => Said::new(lang, standard.title, Some(standard.title_en)),
            None => Said::new(lang, value, None),
        },
        _ => Said::new(lang, value, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_query_string_is_a_search() {
        assert_eq!(Asked::parse(""), Asked { page: 1, ..Asked::default() });
        let asked = Asked::parse("q=+%E9%98%B2%E7%81%BD%00+&theme=a&theme=b&theme=a&sort=modified&page=3&x=y&organization=");
        assert_eq!((asked.query.as_str(), asked.sort, asked.page), ("防災", "modified", 3));
        assert_eq!(asked.choices, [("theme", "a".to_owned()), ("theme", "b".to_owned())]);
        for nasty in ["page=-1", "page=99999999999999999999", "page=%FF", "sort=%00", "q=%FF%FE", "&&==&", "q=\"'<>", "page=0", "page="] {
            let asked = Asked::parse(nasty);
            assert!((1..=PAGE_MAX).contains(&asked.page), "{nasty}");
            assert!(asked.request().offset <= 100_000, "{nasty}");
        }
        assert_eq!(Asked::parse(&format!("q={}", "あ".repeat(10_000))).query.chars().count(), QUERY_CHARS_MAX);
        let many: String = (0..1_000).map(|n| format!("keyword={n}&")).collect();
        assert_eq!(Asked::parse(&many).choices.len(), CHOICES_MAX);
    }

    #[test]
    fn words_are_marked_in_what_readers_see() {
        let show = |text: &str, words: &[&str]| -> String {
            marked(text, words).iter().map(|piece| if piece.marked { format!("[{}]", piece.text) } else { piece.text.clone() }).collect()
        };
        assert_eq!(show("市の避難所と避難場所です。", &["避難", "避難所"]), "市の[避難所]と[避難]場所です。");
        assert_eq!(show("市の地図です。", &["避難", ""]), "");
        let long = show(&format!("{}避難所{}", "あ".repeat(300), "い".repeat(300)), &["避難所"]);
        assert!(long.starts_with("…あ") && long.contains("あ[避難所]い") && long.ends_with("い…"), "{long}");
    }

    #[test]
    fn addresses_say_the_same_again() {
        let asked = Asked::parse("q=a+%26+b&organization=fuchu&keyword=%E9%98%B2%E7%81%BD&sort=title&page=4");
        let address = asked.address();
        assert_eq!(Asked::parse(address.strip_prefix("/datasets?").unwrap()), asked);
        assert_eq!(asked.without(&asked.choices[0]), "/datasets?q=a+%26+b&keyword=%E9%98%B2%E7%81%BD&sort=title");
        assert_eq!(Asked::parse("").address(), "/datasets");
    }

    #[test]
    fn pages_lead_to_first_last_and_neighbours() {
        let numbers = |current, last| -> Vec<usize> {
            Paging::new(current, last, |page| page.to_string())
                .numbers
                .into_iter()
                .map(|number| number.map_or(0, |(page, _)| page))
                .collect()
        };
        assert_eq!(numbers(1, 1), Vec::<usize>::new());
        assert_eq!(numbers(1, 3), [1, 2, 3]);
        assert_eq!(numbers(10, 20), [1, 0, 8, 9, 10, 11, 12, 0, 20]);
        let last = Paging::new(3, 3, |page| page.to_string());
        assert_eq!((last.previous.as_deref(), last.next), (Some("2"), None));
        // Beyond the end one step leads back to the last page.
        assert_eq!(Paging::new(9, 3, |page| page.to_string()).previous.as_deref(), Some("3"));
    }
}
