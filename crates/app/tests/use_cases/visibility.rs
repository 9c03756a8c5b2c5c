//! The visibility predicate holds in SQL and in search, facets and suggestions alike.

use std::collections::BTreeSet;

use minato_app::catalog::{DatasetState, Role, Viewer};
use minato_app::searching::{Facet, SearchRequest};
use minato_app::store::dataset::DatasetFilter;
use proptest::prelude::*;
use serde_json::json;

use crate::{draft, fresh, organization, system};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn database_and_search_agree_on_what_a_viewer_sees(rows in proptest::collection::vec((0..3usize, 0..2usize, 0..3usize), 1..12)) {
        let fresh = fresh();
        let app = &fresh.app;
        let owners = [organization(app, "aa"), organization(app, "bb"), organization(app, "cc")];
        let mut all = Vec::new();
        for (number, (owner, visibility, state)) in rows.into_iter().enumerate() {
            let (visibility, stored) = (["public", "internal"][visibility], ["published", "draft", "published"][state]);
            let body = json!({
                "title": format!("避難所 {number}"), "organization": owners[owner].draft.slug, "visibility": visibility,
                "state": stored, "keywords": [format!("語{number}")],
            });
            let made = app.create_dataset(&system(), draft(body)).unwrap().value;
            if state == 2 {
                app.archive_dataset(&system(), &made.id.to_string()).unwrap();
            }
            all.push((made.id, format!("語{number}")));
        }
        let member = Viewer { user_id: Some(uuid::Uuid::from_u128(1)), roles: [(owners[0].id, Role::Viewer)].into(), ..Viewer::default() };
        for viewer in [Viewer::public(), member, Viewer::system("test")] {
            let listed: BTreeSet<_> = app
                .list_datasets(&viewer, DatasetFilter { limit: 100, ..Default::default() })
                .unwrap()
                .items
                .into_iter()
                .filter(|dataset| dataset.content.state != DatasetState::Archived)
                .map(|dataset| dataset.id)
                .collect();
            let request = |query: &str| SearchRequest { query: query.to_owned(), limit: 100, facets: vec![Facet::Keyword], facet_limit: 100, ..Default::default() };
            for query in ["", "避難所"] {
                let found = app.search(&viewer, request(query)).unwrap();
                let hits: BTreeSet<_> = found.results.hits.iter().map(|hit| hit.id).collect();
                prop_assert_eq!(&hits, &listed);
                let words: BTreeSet<_> = found.results.facets[0].1.iter().map(|(word, _)| word.clone()).collect();
                let expected: BTreeSet<_> = all.iter().filter(|(id, _)| listed.contains(id)).map(|(_, word)| word.clone()).collect();
                prop_assert_eq!(words, expected);
            }
        }
    }
}
