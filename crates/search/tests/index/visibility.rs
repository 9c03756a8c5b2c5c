//! What is hidden is in no hit, count, suggestion or correction.

use minato_search::{Facet, Filters, Scope, SearchDocument, SearchRequest, fq};

use crate::catalog::{Catalog, KURE, YAIZU, document, found, organization_id};

fn catalog() -> Catalog {
    let hidden = SearchDocument {
        open: false,
        state: minato_catalog::DatasetState::Draft,
        keywords: vec!["秘匿語".to_owned()],
        ..document(2, "極秘避難計画", KURE)
    };
    Catalog::of(vec![document(1, "避難計画", KURE), hidden, document(3, "避難計画", YAIZU)])
}

fn scopes() -> [(Scope, bool); 4] {
    [
        (Scope::Public, false),
        (Scope::PublicAnd(vec![organization_id("yaizu")]), false),
        (Scope::PublicAnd(vec![organization_id("yaizu"), organization_id("kure")]), true),
        (Scope::Everything, true),
    ]
}

#[test]
fn hits_and_counts() {
    let catalog = catalog();
    for (scope, seen) in scopes() {
        for query in ["", "避難計画", "避難", "極秘 避難計画", "ごくひ"] {
            let request = SearchRequest {
                query: query.to_owned(),
                facets: vec![Facet::Keyword, Facet::Organization],
                scope: scope.clone(),
                ..SearchRequest::default()
            };
            for _ in 0..2 {
                let results = catalog.ask(&request);
                assert_eq!(found(&results).contains(&2), seen, "{scope:?} {query}");
                assert_eq!(results.facets[0].1.is_empty(), !seen, "{scope:?} {query}");
                let counted: usize = results.facets[1].1.iter().map(|(_, count)| count).sum();
                assert_eq!(counted, results.total, "{scope:?} {query}");
            }
        }
    }
}

#[test]
fn conditions_do_not_reach_around_it() {
    let catalog = catalog();
    for expression in
        ["private:true", "state:draft", "-tags:x", "id:00000000-0000-0000-0000-000000000002", "*:* OR private:true", "NOT private:false"]
    {
        for (scope, seen) in scopes() {
            let filters = Filters { expr: Some(fq::parse(expression).unwrap()), ..Filters::default() };
            let results = catalog.ask(&SearchRequest { filters, scope: scope.clone(), ..SearchRequest::default() });
            assert_eq!(found(&results).contains(&2), seen, "{scope:?} {expression}");
        }
    }
}

#[test]
fn suggestions_and_corrections() {
    let catalog = catalog();
    for (scope, seen) in scopes() {
        assert_eq!(!catalog.index.suggest("秘匿", &scope, 10).is_empty(), seen, "{scope:?}");
        assert_eq!(!catalog.index.suggest("gokuhi", &scope, 10).is_empty(), seen, "{scope:?}");
        let results = catalog.ask(&SearchRequest { query: "秘匿誤".to_owned(), scope: scope.clone(), ..SearchRequest::default() });
        assert_eq!(results.corrected.is_some() || results.suggestion.is_some(), seen, "{scope:?}");
    }
}
