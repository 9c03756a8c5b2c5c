//! The joint portals of DataEye: a part of CKAN's action API below `/ckan_api/`, numbers as ids, a licence for each file, naive local times.

use minato_catalog::{built_in_licences, built_in_themes};
use serde_json::{Map, Value, json};

use super::number;
use super::serve::{Answer, Catalog};
use crate::fixtures::{FileEncoding, FixtureDataset, FixtureFile, Municipality, encode_csv, municipalities};

/// Most records in one answer.
const ROWS_MAX: usize = 50;

/// The answer to `/ckan_api/{action}`, or to `/api/package_show/{id}`.
pub(super) fn answer(catalog: &Catalog<'_>, path: &str, parameters: &Map<String, Value>) -> Answer {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
    let result = match (path.trim_end_matches('/'), path.rsplit_once('/')) {
        ("/ckan_api/package_search", _) => search(catalog, text("rows"), text("start"), text("q")),
        ("/ckan_api/package_list", _) => Some(catalog.datasets.iter().map(|dataset| json!(number(&dataset.id))).collect()),
        ("/ckan_api/package_show", _) => find(catalog, text("id")),
        (_, Some(("/api/package_show", id))) => find(catalog, id),
        _ => {
            return Answer::html(404, "<!DOCTYPE html><html lang=\"ja\"><title>404</title><p>ページが見つかりません</p></html>".to_owned());
        }
    };
    let help = format!("{}{path}", catalog.base);
    let (status, body) = match result {
        Some(result) => (200, json!({"help": help, "success": true, "result": result})),
        None => (404, json!({"help": help, "success": false, "error": {"message": "Not found", "__type": "Not Found Error"}})),
    };
    Answer { status, media_type: "application/json; charset=UTF-8", body: body.to_string().into_bytes(), attachment: None }
}

/// It knows rows, start and words, and no order but its own: the newest first.
fn search(catalog: &Catalog<'_>, rows: &str, start: &str, words: &str) -> Option<Value> {
    let rows = if rows.is_empty() { 10 } else { rows.parse().ok()? };
    let start: usize = if start.is_empty() { 0 } else { start.parse().ok()? };
    let mut found: Vec<&FixtureDataset> = catalog
        .datasets
        .iter()
        .filter(|dataset| words.is_empty() || words == "*:*" || dataset.title.contains(words) || dataset.description.contains(words))
        .collect();
    found.sort_by_key(|dataset| (std::cmp::Reverse(dataset.modified), number(&dataset.id)));
    let page: Vec<Value> = found.iter().skip(start).take(usize::min(rows, ROWS_MAX)).map(|dataset| package(catalog, dataset)).collect();
    Some(json!({"count": found.len(), "results": page}))
}

fn find(catalog: &Catalog<'_>, id: &str) -> Option<Value> {
    catalog.datasets.iter().find(|dataset| number(&dataset.id).to_string() == id).map(|dataset| package(catalog, dataset))
}

/// Monthly counts in the columns in which portals publish them, invented.
pub(super) fn past_counts(datasets: &[FixtureDataset]) -> Vec<u8> {
    let names = ["年月", "順位", "ダウンロード数", "自治体名", "データセット・タイトル", "リソース名", "データセット名", "リソースid"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    for month in ["2025-08", "2025-09"] {
        let mut counted: Vec<(u64, &FixtureDataset, &FixtureFile)> = Vec::new();
        for dataset in datasets {
            counted.extend(dataset.files.iter().map(|file| (number(&format!("{month} {}", file.id)) % 90, dataset, file)));
        }
        counted.sort_by_key(|(count, _, file)| (std::cmp::Reverse(*count), number(&file.id)));
        for (rank, (count, dataset, file)) in (1..).zip(counted) {
            let publisher = municipalities().into_iter().find(|municipality| municipality.code == dataset.area_code);
            rows.push(vec![
                month.to_owned(),
                rank.to_string(),
                count.to_string(),
                publisher.map(|publisher| publisher.name).unwrap_or_default(),
                dataset.title.clone(),
                file.title.clone(),
                number(&dataset.id).to_string(),
                number(&file.id).to_string(),
            ]);
        }
    }
    encode_csv(&rows, FileEncoding::Cp932)
}

fn package(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> Value {
    let publisher = publisher(catalog, dataset);
    let id = number(&dataset.id);
    let theme = built_in_themes().into_iter().find(|(theme, _)| *theme == dataset.theme).map(|(_, theme)| theme.title);
    json!({
        "id": id,
        "name": id.to_string(),
        "title": dataset.title,
        "notes": dataset.description,
        "author": dataset.contact_name,
        "maintainer_email": dataset.contact_email,
        "private": dataset.private,
        "state": "active",
        "type": "dataset",
        "metadata_created": format!("{} 09:00:00", dataset.issued),
        "metadata_modified": dataset.modified.format("%Y-%m-%d %H:%M:%S").to_string(),
        "organization": {"id": number(&publisher.slug), "name": publisher.slug, "title": publisher.name, "code": publisher.code},
        "groups": theme.map(|title| json!({"id": number(&dataset.theme), "title": title})).into_iter().collect::<Vec<_>>(),
        "tags": dataset.keywords.iter().map(|word| json!({"id": number(word), "name": word})).collect::<Vec<_>>(),
        "extras": [
            {"key": "frequency_of_update", "value": dataset.frequency_text},
            {"key": "release_date", "value": dataset.issued.to_string()},
            {"key": "spatial", "value": dataset.spatial},
            {"key": "contact_phone", "value": dataset.contact_telephone},
        ],
        "resources": dataset.files.iter().map(|file| resource(catalog, dataset, file)).collect::<Vec<_>>(),
        "num_resources": dataset.files.len(),
        "view_count": id % 97,
        "download_count": id % 31,
    })
}

fn resource(catalog: &Catalog<'_>, dataset: &FixtureDataset, file: &FixtureFile) -> Value {
    let id = number(&file.id);
    let licence = built_in_licences().into_iter().find(|(licence, _)| *licence == dataset.licence);
    json!({
        "id": id,
        "title": file.title,
        "description": file.description,
        "filename": file.name,
        "format": file.format.to_lowercase(),
        "size": grouped(file.bytes.len()),
        "url": format!("{}/resource_download/{id}", catalog.base),
        "license_id": licence.and_then(|(_, licence)| licence.ckan_id),
        "license_title": dataset.licence_text,
        "created": format!("{} 09:00:00", dataset.issued),
        "last_modified": dataset.modified.format("%Y-%m-%d %H:%M:%S").to_string(),
        "download_count": id % 31,
    })
}

/// Whose dataset it is: a portal of several has them all.
fn publisher(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> Municipality {
    let known = municipalities().into_iter().find(|municipality| municipality.code == dataset.area_code);
    known.unwrap_or_else(|| catalog.municipality.clone())
}

/// `8,053`: sizes are texts there.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
