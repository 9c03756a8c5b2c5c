use minato_catalog::HarvestKind::OpenDataList;
use minato_catalog::Vocabulary;
use minato_harvest::Listing;

use crate::stub::{Stub, harvest, html, ok, status};

const OLD: &str = "都道府県コード又は市区町村コード,NO,都道府県名,市区町村名,データ名称,データ概要,データ形式,分類,更新頻度,URL,API対応有無,ライセンス,登録日,最終更新日,備考\r\n\
    342025,1,広島県,呉市,避難所～一覧,概要,CSV,司法・安全・環境,年１回,https://www.city.example.jp/a.csv,無,CC BY 4.0,2022/5/17,2022/7/14,髙橋①\r\n\
    342025,2,広島県,呉市,人口,概要,XLSX,人口・世帯,毎月,https://www.city.example.jp/b.html,無,CC0,2022/5/17,2022/7/14,\r\n";

async fn serve(body: Vec<u8>) -> Stub {
    Stub::start(move |_| ok("text/csv", body.clone())).await
}

#[tokio::test]
async fn utf8_and_cp932_give_the_same_records() {
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(OLD);
    assert!(!lossy);
    let mut drafts = Vec::new();
    for body in [OLD.as_bytes().to_vec(), format!("\u{feff}{OLD}").into_bytes(), cp932.into_owned()] {
        let stub = serve(body).await;
        let outcome = harvest(OpenDataList, &stub, "/list.csv").await;
        assert_eq!(outcome.listing, Listing::Complete { total: 2 });
        assert_eq!(outcome.ids(), ["342025:避難所～一覧", "342025:人口"]);
        drafts.push(outcome.records.into_iter().map(|record| record.draft).collect::<Vec<_>>());
    }
    assert_eq!(drafts[0][0].title, "避難所～一覧");
    assert_eq!(drafts[0][0].extras["remarks"], "髙橋①");
    assert_eq!(drafts[0], drafts[1]);
    assert_eq!(drafts[0], drafts[2]);
}

#[tokio::test]
async fn one_bad_row_is_named_and_the_rest_is_taken() {
    let body = OLD.replace("342025,2,", "342025,3,短い行\r\n342025,4,広島県,呉市,,,,,,,,,,,\r\n342025,2,");
    let stub = serve(body.into_bytes()).await;
    let outcome = harvest(OpenDataList, &stub, "/list.csv").await;
    assert_eq!(outcome.ids(), ["342025:避難所～一覧", "342025:人口"]);
    // Rows without a title may be any known dataset: nothing may be taken for withdrawn.
    assert!(matches!(outcome.listing, Listing::Incomplete { .. }), "{:?}", outcome.listing);
    let failures: Vec<_> = outcome.failures.iter().map(|failure| (failure.remote_id.as_deref(), failure.position.as_str())).collect();
    assert_eq!(failures, [(None, "row 3"), (None, "row 4")]);
    assert!(outcome.failures[0].cause.ja.starts_with("3 行目"));
}

#[tokio::test]
async fn a_file_cut_off_is_not_the_whole_listing() {
    for cut in [OLD.find("毎月").unwrap(), OLD.find("https://www.city.example.jp/b.html").unwrap(), OLD.find("人口,概要").unwrap() + 1]
    {
        let stub = serve(OLD.as_bytes()[..cut].to_vec()).await;
        let outcome = harvest(OpenDataList, &stub, "/list.csv").await;
        assert!(matches!(outcome.listing, Listing::Incomplete { .. }), "{:?}", outcome.listing);
        assert_eq!(outcome.ids(), ["342025:避難所～一覧"]);
    }
}

#[tokio::test]
async fn what_is_no_inventory_has_failed() {
    for (answer, word) in [
        (html(), "HTML"),
        (ok("text/csv", "<!DOCTYPE html>\n<html lang=\"ja\">"), "HTML"),
        (ok("text/csv", "年,人口\n2024,1\n"), "header"),
        (ok("text/csv", ""), "header"),
        (ok("text/csv", OLD.lines().next().unwrap()), "no datasets"),
        (ok("text/csv", b"PK\x03\x04xxxx".to_vec()), "Excel"),
        (status(404), "404"),
    ] {
        let stub = Stub::start(move |_| answer.clone()).await;
        let outcome = harvest(OpenDataList, &stub, "/list.csv").await;
        assert!(outcome.failed().contains(word), "{word}: {:?}", outcome.listing);
    }
}

/// Published inventories, where they are at hand; see the project's shared material.
#[tokio::test]
async fn published_inventories_are_read_whole() {
    let Some(folder) = std::env::var_os("MINATO_SAMPLES").map(std::path::PathBuf::from) else { return };
    for (file, total) in [("170003_open_data_list.csv", 115), ("300004_open_data_list.csv", 92), ("inventory_45_columns_example.csv", 0)] {
        let Ok(body) = std::fs::read(folder.join("inventory").join(file)) else { continue };
        let stub = serve(body).await;
        let outcome = harvest(OpenDataList, &stub, "/list.csv").await;
        for failure in &outcome.failures {
            eprintln!("{file}: {failure:?}");
        }
        for notice in outcome.records.iter().flat_map(|record| &record.notices).take(20) {
            eprintln!("{file}: {}", notice.ja);
        }
        if total > 0 {
            assert_eq!(outcome.listing, Listing::Complete { total }, "{file}");
            assert!(outcome.failures.is_empty());
        }
        assert!(outcome.records.iter().all(|record| record.draft.check(&Vocabulary::built_in()).is_empty()));
    }
}
