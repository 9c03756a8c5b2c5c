//! What a reader types, and what that finds.

use minato_search::{SearchRequest, Sort, SortKey};
use proptest::prelude::*;

use crate::catalog::{Catalog, KURE, document, found};

/// The first hit of each query.
fn check_first(cases: &[(&str, u128)]) {
    let catalog = Catalog::sample();
    for (query, expected) in cases {
        let results = catalog.search(query);
        assert_eq!(found(&results).first(), Some(expected), "{query}: {results:?}");
    }
}

fn check_absent(cases: &[(&str, &[u128])]) {
    let catalog = Catalog::sample();
    for (query, absent) in cases {
        let results = found(&catalog.search(query));
        assert!(absent.iter().all(|number| !results.contains(number)), "{query}: {results:?}");
    }
}

#[test]
fn plain_words_widths_and_kana() {
    check_first(&[("避難所", 1), ("ＡＥＤ", 2), ("aed", 2), ("ごみ", 3), ("ゴミ", 3), ("トイレ", 4), ("といれ", 4), ("ﾄｲﾚ", 4)]);
}

#[test]
fn a_word_finds_the_longer_ones_that_begin_with_it() {
    let results = found(&Catalog::sample().search("避難"));
    assert!(results.contains(&1) && results.contains(&15), "{results:?}");
}

#[test]
fn variant_kanji_and_long_vowels() {
    check_first(&[("高崎", 21), ("コンピュータ", 22), ("コンピューター", 22), ("コンピュ－ター", 22)]);
}

#[test]
fn readings_find_the_written_word() {
    check_first(&[("ひなんじょ", 1), ("ヒナンジョ", 1), ("hinanjo", 1), ("ほけんじょ", 5)]);
}

#[test]
fn residents_words_find_official_ones() {
    check_first(&[("お手洗い", 4), ("shelter", 1), ("除細動器", 2), ("garbage", 3), ("バス停", 18), ("津波 ハザードマップ", 14)]);
}

#[test]
fn both_calendars() {
    check_first(&[("2024年度 予算", 16), ("令和6年度 予算", 16), ("R6 予算", 16)]);
}

#[test]
fn questions_are_understood() {
    check_first(&[("焼津市の避難場所を知りたい", 15), ("避難所はどこですか？", 1), ("ごみ収集について教えてください", 3)]);
}

#[test]
fn an_organization_may_be_named() {
    check_first(&[("焼津 津波", 14), ("港区 保育園", 12), ("石川県 観光", 11), ("焼津津波", 14)]);
}

#[test]
fn formats_may_be_named() {
    check_first(&[("避難所 json", 1), ("避難所 CSV", 1)]);
}

#[test]
fn words_do_not_match_across_others() {
    check_absent(&[("京都", &[6, 7, 8]), ("石川", &[10]), ("港区", &[13])]);
    check_first(&[("京都", 9), ("石川", 11), ("港区", 12), ("バス", 18)]);
}

#[test]
fn typos_are_corrected_and_told() {
    let results = Catalog::sample().search("保険所");
    assert_eq!(found(&results), [5]);
    assert_eq!(results.corrected.as_deref(), Some("保健所"));
    assert_eq!(results.tier, 1);
    let untouched = Catalog::sample().search("保健所");
    assert_eq!(untouched.corrected, None);
}

#[test]
fn known_words_that_sound_like_another_are_corrected() {
    let catalog =
        Catalog::of(vec![document(1, "待機児童数", KURE), document(2, "自動販売機の待機電力", KURE), document(3, "自動車", KURE)]);
    let results = catalog.search("待機自動");
    assert_eq!((found(&results).first(), results.corrected.as_deref()), (Some(&1), Some("待機児童")));
}

#[test]
fn kana_mean_what_is_read_just_so() {
    let catalog = Catalog::of(vec![document(1, "人口統計", KURE), document(2, "産業振興計画", KURE)]);
    assert_eq!(found(&catalog.search("じんこう")), [1]);
}

#[test]
fn too_many_words_are_relaxed_in_tiers() {
    let catalog = Catalog::sample();
    let results = catalog.search("避難所 収容人数 ペット 車中泊");
    assert_eq!(found(&results).first(), Some(&1));
    assert_eq!(results.tier, 3);
    let nothing = catalog.search("量子重力");
    assert_eq!((nothing.total, nothing.tier), (0, 4));
}

#[test]
fn lower_tiers_stand_below() {
    let mut documents = vec![document(1, "公園の遊具点検", KURE)];
    documents.extend((2..10).map(|number| document(number, "公園 公園 公園", KURE)));
    let catalog = Catalog::of(documents);
    let results = catalog.search("公園 遊具");
    assert_eq!(found(&results)[0], 1);
    assert!(results.total >= 5, "{results:?}");
}

#[test]
fn a_single_kanji_is_found_within_words_at_last() {
    let catalog = Catalog::of(vec![document(1, "一級河川台帳", KURE), document(2, "公園", KURE)]);
    assert_eq!(found(&catalog.search("川")), [1]);
}

#[test]
fn soft_words_are_optional() {
    let catalog = Catalog::sample();
    assert_eq!(found(&catalog.search("保育園 一覧")), [12]);
}

#[test]
fn quoted_words_are_taken_as_they_are() {
    let catalog = Catalog::sample();
    assert_eq!(found(&catalog.search("\"公衆トイレ\"")), [4]);
    assert_eq!(found(&catalog.search("\"公衆トイレ")).first(), Some(&4));
}

#[test]
fn an_empty_query_shows_the_newest_first() {
    let catalog = Catalog::sample();
    for query in ["", "  ", "()", "\"", "\u{0}"] {
        let results = catalog.search(query);
        assert_eq!((results.total, found(&results)[0]), (22, 22), "{query:?}");
    }
}

#[test]
fn fresh_and_used_datasets_come_first_among_equals() {
    let mut documents = vec![document(1, "公園一覧", KURE), document(2, "公園一覧", KURE), document(3, "公園一覧", KURE)];
    documents[0].downloads_90d = 10_000;
    documents[2].modified += chrono::Duration::days(700);
    let catalog = Catalog::of(documents);
    assert_eq!(found(&catalog.search("公園")), [1, 3, 2]);
}

#[test]
fn marks_show_what_matched() {
    let catalog = Catalog::sample();
    let results = catalog.ask(&SearchRequest { query: "ひなんじょ".to_owned(), highlight: true, ..SearchRequest::default() });
    let marked: Vec<&str> =
        results.hits[0].title_highlighted.iter().filter(|piece| piece.marked).map(|piece| piece.text.as_str()).collect();
    assert!(marked.concat().contains("避難所"), "{results:?}");
    assert!(results.hits[0].snippet.iter().any(|piece| piece.marked));
}

#[test]
fn pages_fit_together_in_every_order() {
    let documents: Vec<_> = (1..=57).map(|number| document(number, if number % 2 == 0 { "公園一覧" } else { "公園" }, KURE)).collect();
    let catalog = Catalog::of(documents);
    for key in [SortKey::Relevance, SortKey::Modified, SortKey::Created, SortKey::Downloads, SortKey::Title, SortKey::Slug] {
        for descending in [true, false] {
            let mut request =
                SearchRequest { query: "公園".to_owned(), sort: Sort { key, descending }, limit: 10, ..SearchRequest::default() };
            let mut by_cursor = Vec::new();
            loop {
                let results = catalog.ask(&request);
                assert_eq!(results.total, 57);
                by_cursor.extend(found(&results));
                match results.next_cursor {
                    Some(cursor) => request.cursor = Some(cursor),
                    None => break,
                }
            }
            request.cursor = None;
            request.limit = 1_000;
            let at_once = found(&catalog.ask(&request));
            assert_eq!(by_cursor, at_once, "{key:?} {descending}");
            let different: std::collections::HashSet<_> = at_once.iter().collect();
            assert_eq!(different.len(), 57);
            request.limit = 7;
            request.offset = 50;
            assert_eq!(found(&catalog.ask(&request)), at_once[50..], "{key:?} {descending}");
        }
    }
}

#[test]
fn titles_sort_by_text_and_dates_by_time() {
    let catalog = Catalog::sample();
    let ask = |key, descending| {
        let results = catalog.ask(&SearchRequest { sort: Sort { key, descending }, limit: 3, ..SearchRequest::default() });
        found(&results)
    };
    assert_eq!(ask(SortKey::Modified, true), [22, 21, 20]);
    assert_eq!(ask(SortKey::Created, false), [1, 2, 3]);
    assert_eq!(ask(SortKey::Title, false)[0], 2);
}

#[test]
fn foreign_cursors_are_refused() {
    let catalog = Catalog::sample();
    let request = SearchRequest { limit: 5, ..SearchRequest::default() };
    let cursor = catalog.ask(&request).next_cursor.unwrap();
    for (cursor, sort) in
        [("nonsense".to_owned(), SortKey::Modified), (cursor.clone(), SortKey::Title), (format!("{cursor}-1"), SortKey::Modified)]
    {
        let request = SearchRequest { cursor: Some(cursor.clone()), sort: Sort { key: sort, descending: true }, ..request.clone() };
        assert!(catalog.index.search(&request).is_err(), "{cursor}");
    }
}

#[test]
fn huge_queries_are_bounded() {
    let catalog = Catalog::sample();
    let terms: String = (0..1_000).map(|number| format!("語{number} ")).collect();
    for query in ["避難所".repeat(1_200), "避難所 ".repeat(3_000), terms, "\"".repeat(5_000), "(".repeat(10_000), "a".repeat(10_000)]
    {
        let started = std::time::Instant::now();
        catalog.search(&query);
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
    assert_eq!(found(&catalog.search(&"避難所 ".repeat(3_000))).first(), Some(&1));
}

#[test]
fn suggestions_come_in_every_script() {
    let catalog = Catalog::sample();
    let texts = |prefix: &str| -> Vec<String> {
        let suggestions = catalog.index.suggest(prefix, &minato_search::Scope::Public, 10);
        suggestions.into_iter().map(|suggestion| suggestion.text).collect()
    };
    for prefix in ["防", "ぼう", "ボウサ", "bou", "bosai", "BOUSAI"] {
        assert!(texts(prefix).contains(&"防災".to_owned()), "{prefix}: {:?}", texts(prefix));
    }
    assert!(texts("shitei").contains(&"指定避難所一覧".to_owned()));
    assert_eq!(texts("東京")[0], "東京都");
    assert!(texts("存在しない").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_query_fails(query in "[\\PC避難所ごみ\"() \u{0}-\u{1f}。、ー-]{0,60}") {
        thread_local!(static CATALOG: Catalog = Catalog::sample());
        CATALOG.with(|catalog| {
            let request = SearchRequest { query, highlight: true, explain: true, ..SearchRequest::default() };
            prop_assert!(catalog.index.search(&request).is_ok());
            Ok(())
        })?;
    }
}
