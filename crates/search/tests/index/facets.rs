//! Counts beside the hits.

use minato_search::{Facet, Filters, SearchRequest};

use crate::catalog::{Catalog, document, found, sample};

fn counts(catalog: &Catalog, request: &SearchRequest, facet: Facet) -> Vec<(String, usize)> {
    let results = catalog.ask(request);
    results.facets.into_iter().find(|(counted, _)| *counted == facet).unwrap().1
}

fn named(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn values_are_counted_most_first() {
    let catalog = Catalog::sample();
    let request = SearchRequest { facets: vec![Facet::Organization, Facet::Format, Facet::Keyword], ..SearchRequest::default() };
    assert_eq!(
        counts(&catalog, &request, Facet::Organization),
        named(&[("kure", 11), ("tokyo", 7), ("yaizu", 2), ("ishikawa", 1), ("minato", 1)])
    );
    assert_eq!(counts(&catalog, &request, Facet::Format), named(&[("CSV", 22), ("JSON", 1)]));
    assert_eq!(counts(&catalog, &request, Facet::Keyword), named(&[("防災", 3), ("避難", 1)]));
    let two = SearchRequest { facet_limit: 2, ..request };
    assert_eq!(counts(&catalog, &two, Facet::Organization).len(), 2);
}

#[test]
fn a_facet_is_not_narrowed_by_its_own_filter() {
    let catalog = Catalog::sample();
    let request = SearchRequest {
        facets: vec![Facet::Organization, Facet::Keyword],
        filters: Filters { organizations: vec!["yaizu".to_owned()], keywords: vec!["防災".to_owned()], ..Filters::default() },
        ..SearchRequest::default()
    };
    let results = catalog.ask(&request);
    assert_eq!(results.total, 2);
    assert_eq!(counts(&catalog, &request, Facet::Organization), named(&[("yaizu", 2), ("kure", 1)]));
    assert_eq!(counts(&catalog, &request, Facet::Keyword), named(&[("防災", 2)]));
}

#[test]
fn what_a_facet_promises_choosing_it_gives() {
    let catalog = Catalog::sample();
    for query in ["", "避難所", "津波 避難所 ペット", "東京都"] {
        let request = SearchRequest { query: query.to_owned(), facets: Facet::ALL.to_vec(), ..SearchRequest::default() };
        for (value, count) in counts(&catalog, &request, Facet::Organization) {
            let chosen = Filters { organizations: vec![value.clone()], ..Filters::default() };
            assert_eq!(catalog.ask(&SearchRequest { filters: chosen, ..request.clone() }).total, count, "{query} {value}");
        }
    }
}

#[test]
fn counts_follow_changes() {
    let catalog = Catalog::sample();
    let request = SearchRequest { facets: vec![Facet::Organization], ..SearchRequest::default() };
    for _ in 0..2 {
        assert_eq!(counts(&catalog, &request, Facet::Organization)[0], ("kure".to_owned(), 11));
    }
    catalog.index.apply(vec![document(100, "新しい", ("new", "新町"))], vec![sample()[0].id], 2).unwrap();
    let after = counts(&catalog, &request, Facet::Organization);
    assert_eq!(after[0], ("kure".to_owned(), 10));
    assert!(after.contains(&("new".to_owned(), 1)));
    assert_eq!(found(&catalog.ask(&request)).len(), 20);
}
