use minato_catalog::HarvestKind::OpenDataList;
use minato_catalog::Vocabulary;
use minato_harvest::Listing;

use crate::stub::{Stub, harvest, html, ok, status};
use crate::workbook::{row, text, xls, xlsx, zip};

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

/// The same rows as cells.
fn cells() -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(OLD.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn sheet(first: usize) -> String {
    (first..).zip(cells()).map(|(number, cells)| row(number, &cells.iter().map(String::as_str).collect::<Vec<_>>())).collect()
}

#[tokio::test]
async fn the_bytes_say_what_a_file_is() {
    let all = cells();
    let rows: Vec<Vec<&str>> = all.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
    let workbook = xlsx(&[("一覧", "visible", &sheet(1), "")]);
    let tabs = OLD.replace(',', "\t");
    let expected: Vec<_> = harvest(OpenDataList, &serve(OLD.into()).await, "/a").await.records.into_iter().map(|it| it.draft).collect();
    for (name, body) in [
        ("xlsx", workbook.clone()),
        ("xls", xls(&rows)),
        ("zip", zip(&[("あ/list.csv", OLD.as_bytes()), ("readme.html", b"x")])),
        ("zip of a workbook", zip(&[("list.xlsx", &workbook)])),
        ("tabs", tabs.into_bytes()),
        ("UTF-16", [vec![0xff, 0xfe], OLD.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()),
    ] {
        // What the address and the server say of it is another matter.
        let (path, content_type) = if name == "xlsx" { ("/list.csv", "text/csv") } else { ("/list.xlsx", "application/vnd.ms-excel") };
        let stub = Stub::start(move |_| ok(content_type, body.clone())).await;
        let outcome = harvest(OpenDataList, &stub, path).await;
        assert_eq!(outcome.listing, Listing::Complete { total: 2 }, "{name}");
        let drafts: Vec<_> = outcome.records.into_iter().map(|record| record.draft).collect();
        assert_eq!(drafts, expected, "{name}");
    }
}

#[tokio::test]
async fn the_first_visible_sheet_with_a_header_is_read() {
    let notes = row(1, &["この一覧について"]);
    let titled = format!("{}{}", row(2, &["呉市オープンデータ一覧（令和６年４月１日現在）"]), sheet(4));
    let stub = serve(xlsx(&[
        ("下書き", "hidden", &sheet(1).replace("避難所", "秘密"), ""),
        ("説明", "visible", &notes, ""),
        ("一覧", "visible", &titled, ""),
        ("旧", "visible", &sheet(1).replace("避難所", "昔の"), ""),
    ]))
    .await;
    let outcome = harvest(OpenDataList, &stub, "/list.xlsx").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 2 });
    assert_eq!(outcome.ids(), ["342025:避難所～一覧", "342025:人口"]);
    let stub = serve(xlsx(&[("下書き", "hidden", &sheet(1), ""), ("説明", "visible", &notes, "")])).await;
    assert!(harvest(OpenDataList, &stub, "/list.xlsx").await.failed().contains("header"));
}

#[tokio::test]
async fn numbers_and_days_of_a_workbook_are_texts() {
    let header = row(1, &["団体コード", "NO", "データ名称", "URL", "登録日", "最終更新日", "データ形式"]);
    let rows = format!(
        "{header}<row r=\"2\"><c r=\"A2\"><v>10006</v></c><c r=\"B2\"><v>7</v></c>{}{}<c r=\"E2\" s=\"1\"><v>45383</v></c><c r=\"F2\" s=\"2\"><v>45384.5</v></c></row>\
         <row r=\"3\"><c r=\"A3\"><v>342025</v></c><c r=\"B3\"><v>8</v></c>{}{}<c r=\"E3\"><v>45383</v></c><c r=\"F3\" t=\"e\"><v>#N/A</v></c></row>",
        text("C2", "避難所"),
        text("D2", "https://e.jp/a.csv"),
        text("C3", "トイレ"),
        text("D3", "https://e.jp/b.csv"),
    );
    let outcome = harvest(OpenDataList, &serve(xlsx(&[("s", "visible", &rows, "")])).await, "/list.xlsx").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 2 }, "{:?}", outcome.failures);
    assert_eq!(outcome.ids(), ["010006:避難所", "342025:トイレ"], "a lost zero is given back");
    assert_eq!(outcome.records[0].alternate_id.as_deref(), Some("010006-7"));
    let days: Vec<_> = outcome.records.iter().map(|record| record.draft.issued.map(|day| day.to_string())).collect();
    assert_eq!(days, [Some("2024-04-01".to_owned()), Some("2024-04-01".to_owned())]);
    assert_eq!(outcome.records[0].draft.modified.unwrap().to_rfc3339(), "2024-04-02T03:00:00+00:00");
    assert_eq!(outcome.records[1].draft.modified, None);
}

#[tokio::test]
async fn merged_cells_are_meant_in_every_row() {
    let header = row(1, &["データセット_ID", "データセット_タイトル", "ファイル_タイトル", "ファイル_ダウンロードURL"]);
    let rows = [
        header,
        row(2, &["A1", "避難所", "一つ目", "https://e.jp/1.csv"]),
        row(3, &["", "", "二つ目", "https://e.jp/2.csv"]),
        row(4, &["A2", "トイレ", "三つ目", "https://e.jp/3.csv"]),
    ]
    .concat();
    let merged = "<mergeCells count=\"2\"><mergeCell ref=\"A2:A3\"/><mergeCell ref=\"B2:B3\"/></mergeCells>";
    let outcome = harvest(OpenDataList, &serve(xlsx(&[("s", "visible", &rows, merged)])).await, "/list.xlsx").await;
    assert_eq!(outcome.ids(), ["A1", "A2"]);
    assert_eq!(outcome.records[0].draft.distributions.as_ref().unwrap().len(), 2);
}

#[tokio::test]
async fn codes_without_check_digit_are_completed() {
    let list = |codes: [&str; 3]| {
        let rows: Vec<String> = codes.iter().zip(1..).map(|(code, n)| format!("{code},題{n},https://e.jp/{n}.csv\n")).collect();
        format!("#code,dataName,url\n{}", rows.concat())
    };
    for (codes, ids) in [
        (["34202", "34100", "34029"], ["342025:題1", "341002:題2", "340294:題3"]),
        (["342025", "34029", "1210"], ["342025:題1", "034029:題2", "1210:題3"]),
        (["\"=\"\"342025\"\"\"", "３４２０２５", "342025.0"], ["342025:題1", "342025:題2", "342025:題3"]),
    ] {
        let outcome = harvest(OpenDataList, &serve(list(codes).into_bytes()).await, "/list.csv").await;
        assert_eq!(outcome.ids(), ids);
    }
}

#[tokio::test]
async fn the_name_tells_whether_a_code_lacks_its_end() {
    let list = "code,prefName,cityName,dataName,url\n34100,広島県,広島市,題,https://e.jp/1.csv\n";
    assert_eq!(harvest(OpenDataList, &serve(list.into()).await, "/list.csv").await.ids(), ["341002:題"]);
}

#[tokio::test]
async fn headers_may_be_in_half_width_kana_or_english() {
    for header in
        ["ﾃﾞｰﾀｾｯﾄ_ﾀｲﾄﾙ,ﾌｧｲﾙ形式,ﾌｧｲﾙ_ﾗｲｾﾝｽ,URL", "＃ＤａｔａＮａｍｅ,format,license,url", "データ名称,ファイルタイプ,ライセンス,ＵＲＬ"]
    {
        let body = format!("{header}\n避難所,csv,CC0,https://e.jp/a\n");
        let outcome = harvest(OpenDataList, &serve(body.into_bytes()).await, "/list.csv").await;
        assert_eq!(outcome.ids(), ["避難所"], "{header}");
        assert_eq!(outcome.records[0].draft.licence.as_deref(), Some("CC0-1.0"), "{header}");
        assert_eq!(outcome.records[0].draft.distributions.as_ref().unwrap()[0].format.as_deref(), Some("CSV"), "{header}");
    }
}

#[tokio::test]
async fn rows_of_one_dataset_need_not_stand_together() {
    let mut body = "データセット_ID,データセット_タイトル,ファイル_ダウンロードURL\n".to_owned();
    for file in 0..3 {
        for dataset in 0..500 {
            body.push_str(&format!("A{dataset},題{dataset},https://e.jp/{dataset}/{file}.csv\n"));
        }
    }
    let outcome = harvest(OpenDataList, &serve(body.into_bytes()).await, "/list.csv").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 500 });
    assert!(outcome.records.iter().zip(0..).all(|(record, n)| record.remote_id == format!("A{n}")
        && record.draft.distributions.as_ref().unwrap().iter().map(|file| file.download_url.clone().unwrap()).collect::<Vec<_>>()
            == (0..3).map(|file| format!("https://e.jp/{n}/{file}.csv")).collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_damaged_workbook_is_a_cause_and_no_crash() {
    let whole = xlsx(&[("s", "visible", &sheet(1), "")]);
    for (body, word) in [
        (whole[..whole.len() / 2].to_vec(), "whole"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1xxxx".to_vec(), "Excel"),
        (zip(&[("xl/workbook.xml", b"<workbook><sheets>")]), "Excel"),
        (b"%PDF-1.4".to_vec(), "PDF"),
    ] {
        let outcome = harvest(OpenDataList, &serve(body).await, "/list.xlsx").await;
        assert!(outcome.failed().contains(word), "{word}: {:?}", outcome.listing);
    }
}

/// Published inventories, where they are at hand; see the project's shared material.
#[tokio::test]
async fn published_inventories_are_read_whole() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let folder = std::env::var_os("MINATO_SAMPLES").map_or(beside, std::path::PathBuf::from);
    for (file, total, files) in [
        ("inventory/170003_open_data_list.csv", 115, 115),
        ("inventory/300004_open_data_list.csv", 92, 92),
        ("inventory/inventory_45_columns_example.csv", 3, 4),
        ("inventory/tottori_catalog_export.csv", 131, 0),
        ("inventory/national_portal_files_docx.csv", 29, 51),
        ("messy/372013_open_data_list.xlsx", 113, 113),
    ] {
        let Ok(body) = std::fs::read(folder.join(file)) else { continue };
        let stub = serve(body).await;
        let outcome = harvest(OpenDataList, &stub, "/list.csv").await;
        let distributions = outcome.records.iter().flat_map(|record| &record.draft.distributions).flatten().count();
        eprintln!("{file}: {:?}, {distributions} distributions, {} failures", outcome.listing, outcome.failures.len());
        for failure in outcome.failures.iter().take(10) {
            eprintln!("{file}: {} {}", failure.position, failure.cause.ja);
        }
        for notice in outcome.records.iter().flat_map(|record| &record.notices).take(10) {
            eprintln!("{file}: {}", notice.ja);
        }
        assert!(outcome.records.iter().all(|record| record.draft.check(&Vocabulary::built_in()).is_empty()));
        assert!(outcome.failures.is_empty(), "{file}");
        assert_eq!((outcome.listing, distributions >= files), (Listing::Complete { total }, true), "{file}");
    }
    for file in [
        "inventory/survey_2024_open_data.csv",
        "inventory/all_local_governments_cp932.csv",
        "inventory/300004_downloads_202401.csv",
        "messy/html_behind_csv.csv",
    ] {
        let Ok(body) = std::fs::read(folder.join(file)) else { continue };
        let stub = serve(body).await;
        harvest(OpenDataList, &stub, "/list.csv").await.failed();
    }
}
