use std::collections::HashSet;

use minato_catalog::HarvestKind;
use minato_testkit::sites::{Options, Sites};

use crate::client::get;

/// UTF-8, with or without mark, else CP932; refuses anything else.
fn decode(bytes: &[u8]) -> (String, &'static str) {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return (String::from_utf8(rest.to_vec()).unwrap(), "bom");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), "utf-8"),
        Err(_) => {
            let text = encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(bytes).expect("CP932");
            assert!(!text.contains("&#"));
            (text.into_owned(), "cp932")
        }
    }
}

#[test]
fn inventories_list_what_is_expected_in_every_layout_and_encoding() {
    let sites = Sites::start(Options::default()).unwrap();
    let (mut layouts, mut encodings, mut workbooks) = (HashSet::new(), HashSet::new(), 0);
    let sources: Vec<_> = sites.sources().into_iter().filter(|source| source.kind == HarvestKind::OpenDataList).collect();
    assert_eq!(sources.len(), 7);
    for source in sources {
        let response = get(&source.url);
        assert_eq!(response.status, 200);
        if source.slug == "kumano-cho" {
            assert!(response.text().starts_with("<!DOCTYPE html>"));
            assert_eq!(source.expected_datasets, 0);
            continue;
        }
        if source.url.ends_with(".xlsx") {
            workbooks += 1;
            let mut workbook = zip::ZipArchive::new(std::io::Cursor::new(response.body)).unwrap();
            let sheet = std::io::read_to_string(workbook.by_name("xl/worksheets/sheet1.xml").unwrap()).unwrap();
            let files: usize = sites.datasets(&source.slug).unwrap().iter().map(|dataset| dataset.files.len()).sum();
            assert_eq!(sheet.matches("<row ").count(), files + 3, "title, date and columns above the files");
            assert!(sheet.contains("r=\"AS3\"") && sheet.contains("オープンデータ一覧") && sheet.contains("現在"));
            continue;
        }
        assert_eq!(response.header("content-type"), Some("text/csv"));
        let (text, encoding) = decode(&response.body);
        encodings.insert(encoding);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        layouts.insert(header.len());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let column = |name: &str| header.iter().position(|column| column == name);
        let datasets: Vec<&str> = match column("データセット_ID") {
            Some(id) => rows.iter().map(|row| &row[id]).filter(|id| !id.is_empty()).collect::<HashSet<_>>().into_iter().collect(),
            None => rows.iter().map(|row| &row[column("NO").unwrap()]).collect(),
        };
        assert_eq!(datasets.len(), source.expected_datasets + source.expected_failures, "{}", source.slug);
        let url = column("ファイル_ダウンロードURL").or(column("URL")).unwrap();
        let invalid = rows.iter().filter(|row| !row[url].starts_with("http://127.0.0.1:")).count();
        assert_eq!(invalid, source.expected_failures, "{}", source.slug);
        assert_eq!(get(&rows[0][url]).status, 200);
    }
    assert_eq!((layouts, workbooks), (HashSet::from([15, 42, 45]), 1));
    assert_eq!(encodings, HashSet::from(["bom", "utf-8", "cp932"]));
}

#[test]
fn one_publisher_writes_the_id_once_per_dataset() {
    let sites = Sites::start(Options::default()).unwrap();
    let (text, _) = decode(&get(&sites.source("shobara-shi").unwrap().url).body);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(rows.iter().any(|row| row[0].is_empty() && !row[3].is_empty()));
}
