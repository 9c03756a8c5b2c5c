//! Any text as a query, with everything that may be asked for beside it.

#![no_main]

mod catalog;

use libfuzzer_sys::fuzz_target;
use minato_search::{Facet, Fragment, Scope, SearchRequest, Sort, SortKey};

const SORTS: [SortKey; 6] = [SortKey::Relevance, SortKey::Modified, SortKey::Created, SortKey::Downloads, SortKey::Title, SortKey::Slug];

fuzz_target!(|text: &str| {
    // The rest of the request depends on the text, so that a seed and a crash are plain texts.
    let variety = text.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let request = SearchRequest {
        query: text.to_owned(),
        facets: Facet::ALL.to_vec(),
        sort: Sort { key: SORTS[variety % SORTS.len()], descending: variety % 5 != 0 },
        limit: variety % 7,
        highlight: true,
        scope: if variety % 3 == 0 { Scope::Everything } else { Scope::Public },
        explain: true,
        ..SearchRequest::default()
    };
    let results = catalog::index().search(&request).expect("no text is an error");
    assert!(results.total <= catalog::DOCUMENTS);
    assert!(results.total_exact <= results.total);
    assert!(results.hits.len() <= request.limit && results.hits.len() <= results.total);
    assert_eq!(results.facets.len(), request.facets.len());
    assert!(results.facets.iter().flat_map(|(_, values)| values).all(|(_, count)| *count <= results.total));
    assert!(!results.explanation.expect("asked for").to_string().contains('\0'));
    for hit in &results.hits {
        assert_eq!(joined(&hit.title_highlighted), catalog::title(hit.id), "the pieces make the title");
        assert!(joined(&hit.snippet).chars().count() <= 122);
    }
    if let Some(cursor) = results.next_cursor {
        assert!(results.hits.len() == request.limit);
        let next = catalog::index().search(&SearchRequest { cursor: Some(cursor), ..request }).expect("its own cursor");
        assert!(next.hits.iter().all(|hit| results.hits.iter().all(|before| before.id != hit.id)));
    }
    let _ = catalog::index().suggest(text, &Scope::Public, 10);
});

fn joined(pieces: &[Fragment]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}
