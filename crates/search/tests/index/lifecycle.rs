//! Opening, changing, rebuilding, and what survives.

use std::fs;

use minato_search::{Error, Index, Opened, RebuildReason, SearchRequest, Settings};

use crate::catalog::{Catalog, KURE, document, found, sample};

fn reopen(catalog: Catalog) -> (Opened, tempfile::TempDir) {
    let Catalog { index, directory } = catalog;
    drop(index);
    let opened = Index::open(directory.path(), Settings::default()).unwrap();
    (opened, directory)
}

fn no_error(documents: Vec<minato_search::SearchDocument>) -> [Result<Vec<minato_search::SearchDocument>, std::io::Error>; 1] {
    [Ok(documents)]
}

#[test]
fn a_change_is_seen_when_it_returns() {
    let catalog = Catalog::sample();
    assert_eq!((catalog.index.count(), catalog.index.position()), (22, 1));
    catalog.index.apply(vec![document(1, "図書館一覧", KURE)], vec![uuid::Uuid::from_u128(2)], 9).unwrap();
    assert_eq!((catalog.index.count(), catalog.index.position()), (21, 9));
    assert_eq!(found(&catalog.search("図書館一覧")).first(), Some(&1));
    assert!(!found(&catalog.search("指定避難所")).contains(&1));
    let mut ids: Vec<u128> = catalog.index.ids().iter().map(uuid::Uuid::as_u128).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1].into_iter().chain(3..=22).collect::<Vec<_>>());
}

/// What was found before a change is kept; the change must be in it all the same.
#[test]
fn what_was_asked_before_is_up_to_date_after_changes() {
    const QUERIES: [&str; 6] = ["避難所", "図書館", "ごみ 収集", "ひなんじょ", "保険所 避難", "AED 公園"];
    let mut documents = sample();
    let catalog = Catalog::of(documents.clone());
    for round in 0..6_u128 {
        for query in QUERIES {
            catalog.search(query);
        }
        let number = 100 + round;
        let added = document(number, ["避難所一覧", "図書館のごみ収集", "AEDのある公園"][round as usize % 3], KURE);
        let gone = documents.remove(round as usize * 2 % documents.len());
        let changed = documents.len() / 2;
        documents[changed].title.push_str(" 避難所 図書館");
        documents.push(added.clone());
        catalog.index.apply(vec![added, documents[changed].clone()], vec![gone.id], round as i64 + 2).unwrap();
        let fresh = Catalog::of(documents.clone());
        for query in QUERIES {
            let sorted = |results| {
                let mut numbers = found(&results);
                numbers.sort_unstable();
                numbers
            };
            assert_eq!(sorted(catalog.search(query)), sorted(fresh.search(query)), "{query} after change {round}");
        }
    }
}

#[test]
fn the_position_survives_a_restart() {
    let catalog = Catalog::sample();
    catalog.index.apply(vec![], vec![], 42).unwrap();
    let (opened, _directory) = reopen(catalog);
    assert_eq!(opened.rebuild, None);
    assert_eq!((opened.index.position(), opened.index.count()), (42, 22));
}

#[test]
fn a_new_directory_asks_to_be_filled() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Index::open(&directory.path().join("deep/er"), Settings::default()).unwrap();
    assert_eq!(opened.rebuild, Some(RebuildReason::New));
    assert_eq!((opened.index.position(), opened.index.count()), (0, 0));
    assert_eq!(opened.index.search(&SearchRequest { query: "避難所".to_owned(), ..SearchRequest::default() }).unwrap().total, 0);
}

#[test]
fn a_damaged_index_is_replaced_by_an_empty_one() {
    for damage in ["truncate", "flip", "meta", "missing"] {
        let Catalog { index, directory } = Catalog::sample();
        drop(index);
        let generation = directory.path().join(fs::read_to_string(directory.path().join("CURRENT")).unwrap().trim());
        let store = fs::read_dir(&generation)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|e| e == "store"));
        let store = store.unwrap();
        match damage {
            "truncate" => fs::write(&store, b"x").unwrap(),
            "flip" => {
                let mut bytes = fs::read(&store).unwrap();
                bytes[10] ^= 0xff;
                fs::write(&store, bytes).unwrap();
            }
            "meta" => fs::write(generation.join("meta.json"), b"{").unwrap(),
            _ => fs::remove_dir_all(&generation).unwrap(),
        }
        let opened = Index::open(directory.path(), Settings::default()).unwrap();
        assert!(matches!(opened.rebuild, Some(RebuildReason::Damaged(_))), "{damage}: {:?}", opened.rebuild);
        assert_eq!((opened.index.count(), opened.index.position()), (0, 0));
        opened.index.rebuild(no_error(sample()), 5).unwrap();
        assert_eq!((opened.index.count(), opened.index.position()), (22, 5));
    }
}

#[test]
fn another_version_is_rebuilt() {
    let Catalog { index, directory } = Catalog::sample();
    drop(index);
    let generation = directory.path().join(fs::read_to_string(directory.path().join("CURRENT")).unwrap().trim());
    let meta = fs::read_to_string(generation.join("meta.json")).unwrap();
    assert!(meta.contains("analyzer=1"));
    fs::write(generation.join("meta.json"), meta.replace("analyzer=1 ", "analyzer=999 ")).unwrap();
    let opened = Index::open(directory.path(), Settings::default()).unwrap();
    assert_eq!(opened.rebuild, Some(RebuildReason::OtherVersion));
}

#[test]
fn a_rebuild_swaps_and_cleans_up() {
    let catalog = Catalog::sample();
    let index = catalog.index.clone();
    let during = catalog.index.clone();
    let batches = (0..3).map(move |batch| {
        // Searches and changes go on while the new index is filled.
        assert_eq!(found(&during.search(&SearchRequest { query: "指定避難所".to_owned(), ..SearchRequest::default() }).unwrap())[0], 1);
        if batch == 1 {
            during.apply(vec![document(77, "途中の追加", KURE)], vec![uuid::Uuid::from_u128(201)], 60).unwrap();
        }
        Ok::<_, std::io::Error>(vec![document(100 + batch, "新しい公園", KURE), document(200 + batch, "新しい橋", KURE)])
    });
    index.rebuild(batches, 50).unwrap();
    let mut ids: Vec<u128> = index.ids().iter().map(uuid::Uuid::as_u128).collect();
    ids.sort_unstable();
    assert_eq!(ids, [77, 100, 101, 102, 200, 202]);
    assert_eq!(index.position(), 60);
    assert!(found(&catalog.search("途中の追加")).contains(&77));
    let generations = fs::read_dir(catalog.directory.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(generations, 1);
    drop(index);
    let (opened, _directory) = reopen(catalog);
    assert_eq!((opened.rebuild, opened.index.count(), opened.index.position()), (None, 6, 60));
}

#[test]
fn a_failed_rebuild_changes_nothing() {
    let catalog = Catalog::sample();
    let batches = [Ok(vec![document(99, "x", KURE)]), Err(std::io::Error::other("database gone"))];
    assert!(matches!(catalog.index.rebuild(batches, 50), Err(Error::Source(_))));
    assert_eq!((catalog.index.count(), catalog.index.position()), (22, 1));
    catalog.index.rebuild(no_error(vec![document(99, "x", KURE)]), 51).unwrap();
    assert_eq!((catalog.index.count(), catalog.index.position()), (1, 51));
}

#[test]
fn a_rebuild_that_panics_does_not_shut_out_the_next() {
    let catalog = Catalog::sample();
    let index = catalog.index.clone();
    let batches = std::iter::once_with(|| -> Result<Vec<minato_search::SearchDocument>, std::io::Error> { panic!("reader broken") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| index.rebuild(batches, 50))).is_err());
    assert_eq!((catalog.index.count(), catalog.index.position()), (22, 1));
    catalog.index.rebuild(no_error(vec![document(99, "x", KURE)]), 51).unwrap();
    assert_eq!(catalog.index.count(), 1);
}

#[test]
fn what_a_crash_leaves_is_cleaned_up() {
    let Catalog { index, directory } = Catalog::sample();
    drop(index);
    fs::create_dir(directory.path().join("gen-000009")).unwrap();
    fs::write(directory.path().join("gen-000009/meta.json"), b"half").unwrap();
    fs::write(directory.path().join("CURRENT.new"), b"gen-0").unwrap();
    let opened = Index::open(directory.path(), Settings::default()).unwrap();
    assert_eq!((opened.rebuild, opened.index.count()), (None, 22));
    assert!(!directory.path().join("gen-000009").exists());
}

#[test]
fn a_second_process_is_told_so() {
    let catalog = Catalog::sample();
    let settings = Settings { lock_wait: std::time::Duration::ZERO, ..Settings::default() };
    assert!(matches!(Index::open(catalog.directory.path(), settings), Err(Error::Locked(_))));
}

#[test]
fn many_threads_search_while_changes_arrive() {
    let catalog = Catalog::sample();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert!(catalog.search("避難所").total >= 1);
                }
            });
        }
        for position in 2..12 {
            catalog.index.apply(vec![document(1, "指定避難所一覧", KURE)], vec![], position).unwrap();
        }
    });
    assert_eq!(catalog.index.count(), 22);
}

#[test]
fn staff_synonyms_hold_at_once() {
    let catalog = Catalog::sample();
    assert!(!found(&catalog.search("ぼうさいずきん")).contains(&4));
    let errors = catalog.index.set_synonyms("ぼうさいずきん,公衆トイレ\nひとり");
    assert_eq!(errors.len(), 1);
    assert_eq!(found(&catalog.search("ぼうさいずきん")), [4]);
}

#[test]
fn larger_catalogs_learn_words_in_the_background() {
    let documents: Vec<_> = (1..=400).map(|number| document(number, "公園一覧", KURE)).collect();
    let catalog = Catalog::of(documents);
    catalog.index.apply(vec![document(500, "動物園", KURE)], vec![], 2).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while catalog.index.suggest("動物", &minato_search::Scope::Public, 5).is_empty() {
        assert!(std::time::Instant::now() < until, "no suggestion");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
