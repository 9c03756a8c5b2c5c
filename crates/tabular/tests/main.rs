//! Every file of the shared samples, where they lie beside the checkout; they are no part of it.

use std::fs::File;
use std::path::Path;

use minato_tabular::{ConversionLimits, Encoding, Error, Limits, Preview, TargetFormat, convert, preview};
use serde_json::Value;

type Refusal = fn(&Error) -> bool;

/// Files that hold no table, and why.
const NO_TABLE: &[(&str, Refusal)] = &[
    ("html_behind_csv.csv", |error| matches!(error, Error::Html { .. })),
    ("gtfs_hirobus_partial.zip", |error| matches!(error, Error::Unsupported { .. })),
    ("emergency_341011.geojson", |error| matches!(error, Error::NoTable { .. })),
    ("evacuation_343684.geojson", |error| matches!(error, Error::NoTable { .. })),
];

/// Files with columns to the right that have neither name nor value: the index counts them, a preview drops them.
const EMPTY_COLUMNS: &[(&str, u64)] = &[("322075_tourism_20210824.csv", 1), ("452084_tourism_blank_headers.csv", 2)];

#[test]
fn every_sample_is_previewed_as_its_index_says() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let Ok(index) = std::fs::read(samples.join("index.json")) else { return };
    let index: Value = serde_json::from_slice(&index).unwrap();
    let mut wrong = Vec::new();
    for entry in index["files"].as_array().unwrap() {
        let path = entry["file"].as_str().unwrap();
        let name = path.rsplit('/').next().unwrap();
        let result = preview(File::open(samples.join(path)).unwrap(), name, None, Limits::default());
        let known = NO_TABLE.iter().find(|(known, _)| *known == name);
        match (result, known) {
            (Ok(table), None) => wrong.extend(differences(&table, entry).into_iter().map(|what| format!("{path}: {what}"))),
            (Err(error), Some((_, expected))) if expected(&error) => assert!(error.text().ja.contains(name)),
            (result, _) => wrong.push(format!("{path}: {result:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_sample_is_converted_with_all_its_rows() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let Ok(index) = std::fs::read(samples.join("index.json")) else { return };
    let index: Value = serde_json::from_slice(&index).unwrap();
    let mut wrong = Vec::new();
    for entry in index["files"].as_array().unwrap() {
        let path = entry["file"].as_str().unwrap();
        let name = path.rsplit('/').next().unwrap();
        let open = || File::open(samples.join(path)).unwrap();
        let Ok(table) = preview(open(), name, None, Limits { bytes: u64::MAX, document_bytes: u64::MAX, ..Limits::default() }) else {
            continue;
        };
        let mut json = Vec::new();
        match convert(open(), name, None, TargetFormat::Json, false, ConversionLimits::default(), &mut json) {
            Ok(()) => {
                let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&json).unwrap();
                if table.total_rows.is_some_and(|total| total != rows.len() as u64) {
                    wrong.push(format!("{path}: {} rows, not {:?}", rows.len(), table.total_rows));
                }
            }
            Err(error) => wrong.push(format!("{path}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differences(table: &Preview, entry: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: Option<u64>, expected: &Value| {
        if expected.is_u64() && found != expected.as_u64() {
            wrong.push(format!("{what} {found:?}, not {expected}: {:?}", table.columns));
        }
    };
    let name = entry["file"].as_str().unwrap_or_default();
    let empty = EMPTY_COLUMNS.iter().find(|(known, _)| name.ends_with(known)).map_or(0, |(_, count)| *count);
    compare("columns", Some(table.columns.len() as u64 + empty), &entry["columns"]);
    compare("rows", table.total_rows, &entry["data_records"]);
    let encoding = match entry["encoding"].as_str() {
        Some("utf-8") => Some(Encoding::Utf8),
        Some("cp932") => Some(Encoding::Cp932),
        Some("euc-jp") => Some(Encoding::EucJp),
        _ => None,
    };
    if encoding.is_some() && table.encoding != encoding {
        wrong.push(format!("encoding {:?}", table.encoding));
    }
    if table.columns.iter().chain(table.rows.iter().flatten()).any(|cell| cell.contains('\u{FFFD}')) {
        wrong.push("unreadable characters".to_owned());
    }
    if table.columns.iter().all(String::is_empty) || table.rows.iter().any(|row| row.len() != table.columns.len()) {
        wrong.push(format!("columns {:?}", table.columns));
    }
    wrong
}
