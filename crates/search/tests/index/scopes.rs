//! On any catalog, a viewer gets what an index of only the visible datasets would give.

use std::collections::BTreeMap;

use minato_search::{Facet, Filters, Scope, SearchDocument, SearchRequest, SearchResults, Sort, SortKey, SuggestionKind};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::catalog::{Catalog, ISHIKAWA, KURE, YAIZU, document, found, organization_id};

const ORGANIZATIONS: [(&str, &str); 3] = [KURE, YAIZU, ISHIKAWA];
const WORDS: [&str; 12] = [
    "避難所",
    "保健所",
    "図書館",
    "公園",
    "予算",
    "人口推移",
    "ハザードマップ",
    "コミュニティバス",
    "極秘計画",
    "機密調達",
    "budget",
    "ごみ収集",
];
/// Words in several spellings that are the same word.
const SPELLINGS: [&str; 6] = ["ごみ", "ゴミ", "ｺﾞﾐ", "ＡＥＤ", "AED", "aed"];
/// As typed: right, wrong, in kana, in romaji, several.
const QUERIES: [&str; 22] = [
    "",
    "避難所",
    "ひなんじょ",
    "hinanjo",
    "保険所",
    "図書舘",
    "図所館",
    "公園 予算",
    "人口推移",
    "ハザドーマップ",
    "コミュニテイバス",
    "極秘計画",
    "極秘計面",
    "ごくひけいかく",
    "機密",
    "機密調達 公園",
    "budgat",
    "ゴミ収集",
    "呉市",
    "焼津の避難所",
    "極秘の予算",
    "石川県 機密",
];
const PREFIXES: [&str; 12] = ["避", "ひな", "hina", "極", "gok", "きみつ", "kimitu", "b", "呉", "やい", "ごみ", "コミュ"];

/// A dataset in short, so that a failure can be read.
#[derive(Debug, Clone)]
struct Row {
    number: u128,
    title: String,
    keywords: Vec<&'static str>,
    file: Option<&'static str>,
    organization: (&'static str, &'static str),
    open: bool,
    format: &'static str,
}

impl Row {
    fn document(&self) -> SearchDocument {
        SearchDocument {
            open: self.open,
            keywords: self.keywords.iter().map(|word| (*word).to_owned()).collect(),
            distributions: self.file.iter().map(|word| (format!("{word}.csv"), String::new())).collect(),
            formats: vec![self.format.to_owned()],
            ..document(self.number, &self.title, self.organization)
        }
    }
}

fn any_row(words: &'static [&'static str]) -> impl Strategy<Value = Row> {
    let title = proptest::collection::vec(select(words), 0..=3).prop_map(|words| words.join("の"));
    let keywords = subsequence(words, 0..=2);
    let file = proptest::option::of(select(words));
    (0u128..9, title, keywords, file, select(&ORGANIZATIONS[..]), any::<bool>(), select(vec!["CSV", "GEOJSON"])).prop_map(
        |(number, title, keywords, file, organization, open, format)| Row { number, title, keywords, file, organization, open, format },
    )
}

/// What is put in at first, and what replaces or removes some of it later.
#[derive(Debug, Clone)]
struct History {
    first: Vec<Row>,
    then: Vec<Row>,
    removed: Vec<u128>,
}

impl History {
    fn any(words: &'static [&'static str]) -> impl Strategy<Value = History> {
        let rows = |most| proptest::collection::vec(any_row(words), 0..most);
        (rows(10), rows(5), proptest::collection::vec(0u128..9, 0..3)).prop_map(|(first, then, removed)| History { first, then, removed })
    }

    fn catalog(&self) -> Catalog {
        let catalog = Catalog::of(self.first.iter().map(Row::document).collect());
        let removed = self.removed.iter().map(|number| Uuid::from_u128(*number)).collect();
        catalog.index.apply(self.then.iter().map(Row::document).collect(), removed, 2).unwrap();
        catalog
    }

    /// What is in the catalog in the end, by number.
    fn documents(&self) -> BTreeMap<u128, SearchDocument> {
        let mut rows: BTreeMap<u128, &Row> = self.first.iter().map(|row| (row.number, row)).collect();
        rows.retain(|number, _| !self.removed.contains(number));
        rows.extend(self.then.iter().map(|row| (row.number, row)));
        rows.into_iter().map(|(number, row)| (number, row.document())).collect()
    }

    /// An index of what the viewer may see, and of nothing else.
    fn visible_alone(&self, scope: &Scope) -> Catalog {
        Catalog::of(self.documents().into_values().filter(|document| is_visible(document, scope)).collect())
    }
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let ids: Vec<Uuid> = ORGANIZATIONS.iter().map(|(slug, _)| organization_id(slug)).chain([Uuid::from_u128(1)]).collect();
    prop_oneof![Just(Scope::Public), Just(Scope::Everything), subsequence(ids, 0..=4).prop_map(Scope::PublicAnd)]
}

fn any_filters() -> impl Strategy<Value = Filters> {
    let some = |values: Vec<&'static str>| {
        let most = values.len().min(2);
        subsequence(values, 0..=most).prop_map(|chosen| chosen.into_iter().map(str::to_owned).collect::<Vec<String>>())
    };
    let rarely = |values| prop_oneof![3 => Just(Vec::new()), 1 => some(values)];
    (rarely(vec!["kure", "yaizu", "ishikawa"]), rarely(WORDS.to_vec()), rarely(vec!["CSV", "GEOJSON"]))
        .prop_map(|(organizations, keywords, formats)| Filters { organizations, keywords, formats, ..Filters::default() })
}

fn is_visible(document: &SearchDocument, scope: &Scope) -> bool {
    match scope {
        Scope::Public => document.open,
        Scope::Everything => true,
        Scope::PublicAnd(organizations) => document.open || organizations.contains(&document.organization_id),
    }
}

fn passes(document: &SearchDocument, filters: &Filters, without: Option<Facet>) -> bool {
    let holds = |facet, wanted: &[String], own: &[String]| {
        without == Some(facet) || wanted.is_empty() || own.iter().any(|value| wanted.contains(value))
    };
    holds(Facet::Organization, &filters.organizations, std::slice::from_ref(&document.organization_slug))
        && holds(Facet::Keyword, &filters.keywords, &document.keywords)
        && holds(Facet::Format, &filters.formats, &document.formats)
}

fn values_of(document: &SearchDocument, facet: Facet) -> Vec<String> {
    match facet {
        Facet::Organization => vec![document.organization_slug.clone()],
        Facet::Keyword => document.keywords.clone(),
        Facet::Format => document.formats.clone(),
        _ => Vec::new(),
    }
}

const COUNTED: [Facet; 3] = [Facet::Organization, Facet::Keyword, Facet::Format];

/// Counts of each value, a facet's own filter left out; most first, equal ones by name.
fn counts(visible: &[&SearchDocument], filters: &Filters, facet: Facet) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for document in visible.iter().filter(|document| passes(document, filters, Some(facet))) {
        for value in values_of(document, facet) {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

fn request(query: &str, filters: &Filters, scope: &Scope) -> SearchRequest {
    SearchRequest {
        query: query.to_owned(),
        filters: filters.clone(),
        facets: COUNTED.to_vec(),
        facet_limit: 100,
        limit: 100,
        scope: scope.clone(),
        ..SearchRequest::default()
    }
}

/// Compared without widths, cases and kinds of kana.
fn folded(text: &str) -> String {
    let katakana = |c| match c {
        'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
        c => c,
    };
    text.nfkc().flat_map(char::to_lowercase).map(katakana).collect()
}

/// Every text of a dataset from which words are taken.
fn texts(document: &SearchDocument) -> Vec<String> {
    let names = document.distributions.iter().map(|(name, _)| name);
    let published = [&document.title, &document.organization_name];
    published.into_iter().chain(&document.keywords).chain(names).map(|text| folded(text)).collect()
}

fn sorted(results: &SearchResults) -> Vec<u128> {
    let mut ids = found(results);
    ids.sort_unstable();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn without_a_query_hits_and_counts_are_those_of_the_visible_datasets(
        history in History::any(&WORDS), asked in proptest::collection::vec((any_scope(), any_filters()), 4),
    ) {
        let documents = history.documents();
        let catalog = history.catalog();
        for (scope, filters) in &asked {
            let visible: Vec<&SearchDocument> = documents.values().filter(|document| is_visible(document, scope)).collect();
            let expected: Vec<u128> =
                visible.iter().filter(|document| passes(document, filters, None)).map(|document| document.id.as_u128()).collect();
            // Asked twice: counts of everything are remembered.
            for _ in 0..2 {
                let results = catalog.ask(&request("", filters, scope));
                prop_assert_eq!(&sorted(&results), &expected, "{:?} {:?}", scope, filters);
                prop_assert_eq!(results.total, expected.len());
                for (facet, values) in &results.facets {
                    prop_assert_eq!(values, &counts(&visible, filters, *facet), "{:?} {:?} {:?}", scope, filters, facet);
                }
            }
        }
    }

    #[test]
    fn hidden_words_are_in_no_answer(history in History::any(&WORDS), scope in any_scope(), filters in any_filters()) {
        let documents = history.documents();
        let catalog = history.catalog();
        let (visible, hidden): (Vec<&SearchDocument>, Vec<&SearchDocument>) =
            documents.values().partition(|document| is_visible(document, &scope));
        let seen: Vec<String> = visible.iter().flat_map(|document| texts(document)).collect();
        let is_seen = |text: &str| seen.iter().any(|known| known.contains(&folded(text)));
        let names = ORGANIZATIONS.iter().map(|(_, name)| *name);
        let secrets: Vec<&str> = WORDS.into_iter().chain(names).filter(|word| !is_seen(word)).collect();
        for query in QUERIES {
            let results = catalog.ask(&SearchRequest { highlight: true, explain: true, ..request(query, &filters, &scope) });
            for id in found(&results) {
                prop_assert!(hidden.iter().all(|document| document.id.as_u128() != id), "{} is a hit of {:?}", id, query);
            }
            for (facet, values) in &results.facets {
                let possible = counts(&visible, &filters, *facet);
                for (value, count) in values {
                    let most = possible.iter().find(|(known, _)| known == value).map_or(0, |(_, most)| *most);
                    prop_assert!(*count <= most, "{} {} of {:?} for {:?}", count, value, facet, query);
                }
            }
            for offered in results.corrected.iter().chain(&results.suggestion) {
                for secret in secrets.iter().filter(|secret| !folded(query).contains(&folded(secret))) {
                    prop_assert!(!folded(offered).contains(&folded(secret)), "{:?} is offered for {:?}", offered, query);
                }
            }
        }
        for prefix in PREFIXES {
            for suggestion in catalog.index.suggest(prefix, &scope, 100) {
                prop_assert!(is_seen(&suggestion.text), "{:?} is suggested for {:?}", suggestion, prefix);
            }
        }
    }

    #[test]
    fn hits_and_counts_are_those_of_an_index_without_the_hidden_datasets(
        history in History::any(&WORDS), scope in any_scope(), filters in any_filters(), relaxed_below in select(vec![0, 1, 20]),
        key in select(vec![SortKey::Relevance, SortKey::Modified]),
    ) {
        let (whole, part) = (history.catalog(), history.visible_alone(&scope));
        for query in QUERIES {
            let sort = Sort { key, descending: true };
            let asked = SearchRequest { relaxed_below, sort, ..request(query, &filters, &scope) };
            let (scoped, alone) = (whole.ask(&asked), part.ask(&SearchRequest { scope: Scope::Everything, ..asked.clone() }));
            prop_assert_eq!(sorted(&scoped), sorted(&alone), "{:?}", query);
            prop_assert_eq!((scoped.total, scoped.total_exact, scoped.tier), (alone.total, alone.total_exact, alone.tier), "{:?}", query);
            prop_assert_eq!(scoped.facets, alone.facets, "{:?}", query);
        }
    }

    #[test]
    fn corrections_are_those_of_an_index_without_the_hidden_datasets(history in History::any(&WORDS), scope in any_scope()) {
        let (whole, part) = (history.catalog(), history.visible_alone(&scope));
        for query in QUERIES {
            let asked = request(query, &Filters::default(), &scope);
            let (scoped, alone) = (whole.ask(&asked), part.ask(&SearchRequest { scope: Scope::Everything, ..asked.clone() }));
            prop_assert_eq!((scoped.corrected, scoped.suggestion), (alone.corrected, alone.suggestion), "{:?}", query);
        }
    }

    #[test]
    fn suggestions_are_those_of_an_index_without_the_hidden_datasets(history in History::any(&WORDS), scope in any_scope()) {
        let (whole, part) = (history.catalog(), history.visible_alone(&scope));
        for prefix in PREFIXES {
            prop_assert_eq!(whole.index.suggest(prefix, &scope, 100), part.index.suggest(prefix, &Scope::Everything, 100), "{:?}", prefix);
        }
    }

    #[test]
    fn what_is_offered_is_spelled_as_in_a_visible_dataset(history in History::any(&SPELLINGS), scope in any_scope()) {
        let (catalog, documents) = (history.catalog(), history.documents());
        let visible: Vec<&SearchDocument> = documents.values().filter(|document| is_visible(document, &scope)).collect();
        for prefix in ["AED", "ごみ", "gomi"] {
            for suggestion in catalog.index.suggest(prefix, &scope, 100) {
                // Words of titles are offered as they are indexed, whatever they are written like.
                let is_published = suggestion.kind == SuggestionKind::Word
                    || visible.iter().any(|document| {
                        let names = [&document.title, &document.organization_name];
                        names.into_iter().chain(&document.keywords).any(|text| *text == suggestion.text)
                    });
                prop_assert!(is_published, "{:?} is suggested for {:?}", suggestion, prefix);
            }
        }
    }
}
