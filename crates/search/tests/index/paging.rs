//! Pages fit together, whatever they are sorted by and however they are asked for.

use std::collections::BTreeSet;

use minato_search::{SearchDocument, SearchRequest, Sort, SortKey};
use proptest::prelude::*;
use proptest::sample::select;

use crate::catalog::{Catalog, KURE, day, document, found};

/// Few values, so that many datasets are equal in what they are sorted by.
const TITLES: [&str; 4] = ["避難所", "避難所一覧", "指定避難所の一覧", "公園"];

/// A dataset in short, so that a failure can be read.
#[derive(Debug, Clone)]
struct Row {
    number: u128,
    title: &'static str,
    modified: i64,
    downloads: u64,
}

impl Row {
    fn document(&self) -> SearchDocument {
        SearchDocument {
            modified: day(self.modified),
            created: day(self.modified / 2),
            downloads_90d: self.downloads,
            ..document(self.number, self.title, KURE)
        }
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    (0u128..24, select(&TITLES[..]), 0i64..4, 0u64..3).prop_map(|(number, title, modified, downloads)| Row {
        number,
        title,
        modified,
        downloads,
    })
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(any_row(), 0..30)
}

fn documents(rows: &[Row]) -> Vec<SearchDocument> {
    rows.iter().map(Row::document).collect()
}

#[derive(Debug, Clone)]
enum Change {
    Put(Row),
    Remove(u128),
}

impl Change {
    fn number(&self) -> u128 {
        match self {
            Change::Put(row) => row.number,
            Change::Remove(number) => *number,
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![3 => any_row().prop_map(Change::Put), 1 => (0u128..24).prop_map(Change::Remove)]
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(any_change(), 0..8)
}

fn any_of(keys: &'static [SortKey]) -> impl Strategy<Value = Sort> {
    (select(keys), any::<bool>()).prop_map(|(key, descending)| Sort { key, descending })
}

fn request(query: &str, sort: Sort, limit: usize) -> SearchRequest {
    SearchRequest { query: query.to_owned(), sort, limit, ..SearchRequest::default() }
}

/// All pages by cursor; `between` is called after each.
fn by_cursor(catalog: &Catalog, mut request: SearchRequest, mut between: impl FnMut(&Catalog)) -> Vec<u128> {
    let mut all = Vec::new();
    for _ in 0..200 {
        let page = catalog.ask(&request);
        assert!(page.hits.len() <= request.limit);
        all.extend(found(&page));
        between(catalog);
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return all,
        }
    }
    panic!("no last page for {request:?}");
}

/// Of what is not changed while one pages, nothing is lost and nothing comes twice.
fn check_changes(rows: &[Row], changes: &[Change], request: SearchRequest) -> Result<(), TestCaseError> {
    let catalog = Catalog::of(documents(rows));
    let before = found(&catalog.ask(&SearchRequest { limit: 1_000, ..request.clone() }));
    let changed: BTreeSet<u128> = changes.iter().map(Change::number).collect();
    let mut rest = changes.iter();
    let paged = by_cursor(&catalog, request, |catalog| {
        let (upserts, deletes) = match rest.next() {
            Some(Change::Put(row)) => (vec![row.document()], Vec::new()),
            Some(Change::Remove(number)) => (Vec::new(), vec![uuid::Uuid::from_u128(*number)]),
            None => return,
        };
        catalog.index.apply(upserts, deletes, 2).unwrap();
    });
    let unchanged = |numbers: &[u128]| numbers.iter().copied().filter(|number| !changed.contains(number)).collect::<Vec<u128>>();
    prop_assert_eq!(unchanged(&paged), unchanged(&before), "changed: {:?}", changed);
    Ok(())
}

const ALL: &[SortKey] = &[SortKey::Relevance, SortKey::Modified, SortKey::Created, SortKey::Downloads, SortKey::Title, SortKey::Slug];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn cursors_and_offsets_give_the_whole_list(
        rows in any_rows(), query in select(vec!["", "避難所", "公園 避難所"]), sort in any_of(ALL), limit in 1usize..9,
    ) {
        // In several commits, so that the list comes from several segments.
        let mut commits = rows.chunks(8).map(documents);
        let catalog = Catalog::of(commits.next().unwrap_or_default());
        for more in commits {
            catalog.index.apply(more, Vec::new(), 2).unwrap();
        }
        let request = request(query, sort, limit);
        let whole = catalog.ask(&SearchRequest { limit: 1_000, ..request.clone() });
        prop_assert!(whole.next_cursor.is_none());
        let list = found(&whole);
        prop_assert_eq!(list.len(), whole.total);
        prop_assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
        prop_assert_eq!(&by_cursor(&catalog, request.clone(), |_| ()), &list);
        for offset in 0..=list.len() {
            let page = catalog.ask(&SearchRequest { offset, ..request.clone() });
            let end = (offset + limit).min(list.len());
            prop_assert_eq!(&found(&page), &list[offset..end], "offset {}", offset);
            prop_assert_eq!(page.total, list.len());
            prop_assert_eq!(page.next_cursor.is_some(), end < list.len(), "offset {}", offset);
        }
    }

    #[test]
    fn changes_between_pages_lose_and_double_nothing_by_date_or_downloads(
        rows in any_rows(), changes in any_changes(), query in select(vec!["", "避難所"]),
        sort in any_of(&[SortKey::Modified, SortKey::Created, SortKey::Downloads]), limit in 1usize..6,
    ) {
        check_changes(&rows, &changes, SearchRequest { relaxed_below: 0, ..request(query, sort, limit) })?;
    }

    /// Without a query text, the order by relevance is the newest first.
    #[test]
    fn changes_between_pages_lose_and_double_nothing_when_nothing_is_asked(
        rows in any_rows(), changes in any_changes(), sort in any_of(&[SortKey::Relevance]), limit in 1usize..6,
    ) {
        check_changes(&rows, &changes, request("", sort, limit))?;
    }

    #[test]
    fn changes_between_pages_lose_and_double_nothing_by_name(
        rows in any_rows(), changes in any_changes(),
        sort in any_of(&[SortKey::Title, SortKey::Slug]), limit in 1usize..6,
    ) {
        check_changes(&rows, &changes, request("", sort, limit))?;
    }

    #[test]
    #[ignore = "a list by relevance is ordered by scores that follow the catalog, so it may shift while the catalog changes; kept as the promise that is not made"]
    fn changes_between_pages_lose_and_double_nothing_by_relevance(
        rows in any_rows(), changes in any_changes(), sort in any_of(&[SortKey::Relevance]), limit in 1usize..6,
    ) {
        check_changes(&rows, &changes, SearchRequest { relaxed_below: 0, ..request("避難所", sort, limit) })?;
    }
}
