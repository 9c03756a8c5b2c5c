//! SHIRASAGI, a content management system of municipalities: `/api/package_*` in the shape that its open source converter gives records.

use minato_catalog::built_in_themes;
use serde_json::{Map, Value, json};

use super::number;
use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, FixtureFile};

/// The answer to `/api/{action}`.
pub(super) fn answer(catalog: &Catalog<'_>, path: &str, parameters: &Map<String, Value>) -> Answer {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let count = |name: &str, default: usize| text(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    // By age: an edit moves nothing.
    let mut datasets: Vec<&FixtureDataset> = catalog.datasets.iter().filter(|dataset| !dataset.private).collect();
    datasets.sort_by_key(|dataset| (dataset.issued, number(&dataset.id)));
    let result = match path.trim_start_matches("/api/").trim_end_matches('/') {
        "package_list" => {
            let names = datasets.iter().skip(count("offset", 0)).take(count("limit", usize::MAX));
            Some(names.map(|dataset| json!(dataset.id)).collect())
        }
        "package_show" => {
            let wanted = text("id").unwrap_or_default();
            let found = datasets
                .iter()
                .find(|dataset| dataset.id == wanted || number(&dataset.id).to_string() == wanted || dataset.title == wanted);
            found.map(|dataset| package(catalog, dataset))
        }
        "package_search" => {
            // Without `q` the query becomes a colon, which is in few texts.
            let words = text("q").unwrap_or(":");
            let found: Vec<&&FixtureDataset> = datasets
                .iter()
                .filter(|dataset| words.is_empty() || dataset.title.contains(words) || dataset.description.contains(words))
                .collect();
            let page = found.iter().skip(count("start", 0)).take(count("rows", 10));
            Some(json!({"count": found.len(), "results": page.map(|dataset| package(catalog, dataset)).collect::<Vec<_>>()}))
        }
        _ => {
            return Answer::html(
                404,
                "<!DOCTYPE html><html lang=\"ja\"><title>404 Not Found</title><h1>404 Not Found</h1></html>".to_owned(),
            );
        }
    };
    let help = format!("{}{path}", catalog.base);
    let (status, body) = match result {
        Some(result) => (200, json!({"help": help, "success": true, "result": result})),
        None => (404, json!({"help": help, "success": false, "error": {"message": "Not found", "__type": "Not Found Error"}})),
    };
    Answer { status, media_type: "application/json; charset=utf-8", body: body.to_string().into_bytes(), attachment: None }
}

fn package(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> Value {
    let municipality = catalog.municipality;
    let id = number(&dataset.id);
    let (created, updated) = (format!("{}T09:00:00.000+09:00", dataset.issued), moment(dataset));
    let section = dataset.contact_name.rsplit(' ').next().unwrap_or_default();
    let themes = built_in_themes().into_iter().filter(|(theme, _)| *theme == dataset.theme).map(|(_, theme)| {
        json!({"id": number(&theme.title), "name": theme.title, "filename": format!("bunya/{}", dataset.theme), "state": "public",
            "created": "2019-04-01T09:00:00.000+09:00", "updated": "2019-04-01T09:00:00.000+09:00"})
    });
    json!({
        "type": "dataset",
        "site": {"id": 1, "name": municipality.name, "url": format!("{}/", catalog.base), "created": "2019-04-01T09:00:00.000+09:00",
            "updated": "2025-04-01T09:00:00.000+09:00"},
        "user": {"id": 2, "name": "オープンデータ担当", "uid": "opendata", "email": dataset.contact_email,
            "created": "2019-04-01T09:00:00.000+09:00", "updated": "2025-04-01T09:00:00.000+09:00"},
        "author": section,
        "id": id,
        "uuid": dataset.id,
        "name": dataset.title,
        "filename": format!("dataset/{id}.html"),
        "url": format!("{}/dataset/{id}.html", catalog.base),
        "text": dataset.description,
        "update_plan": dataset.frequency_text,
        "state": "public",
        "released": created,
        "created": created,
        "updated": updated,
        "categories": themes.collect::<Vec<_>>(),
        "estat_categories": [],
        "areas": [{"id": number(&dataset.spatial), "name": dataset.spatial, "filename": "chiiki/all", "state": "public",
            "created": "2019-04-01T09:00:00.000+09:00", "updated": "2019-04-01T09:00:00.000+09:00"}],
        "tags": dataset.keywords,
        "point": id % 7,
        "downloaded": id % 131,
        "groups": [{"id": number(section), "name": format!("{}/{section}", municipality.name), "trailing_name": section,
            "created": "2019-04-01T09:00:00.000+09:00", "updated": "2019-04-01T09:00:00.000+09:00"}],
        "resources": dataset.files.iter().map(|file| resource(catalog, dataset, file)).collect::<Vec<_>>(),
        "num_resources": dataset.files.len(),
    })
}

fn resource(catalog: &Catalog<'_>, dataset: &FixtureDataset, file: &FixtureFile) -> Value {
    let (dataset_id, id) = (number(&dataset.id), number(&file.id));
    // Its licences have names of the site's own choice; keys as in CKAN.
    let uid = match dataset.licence.as_str() {
        "CC-BY-4.0" | "CC-BY-2.1-JP" => "cc-by",
        other => other,
    };
    json!({
        "id": id,
        "uuid": file.id,
        "revision_id": format!("{:08x}-{id}", dataset_id * 31),
        "state": "public",
        "name": file.title,
        "filename": file.name,
        "text": file.description,
        "license": {"id": number(&dataset.licence), "name": dataset.licence_text, "uid": uid, "state": "public",
            "created": "2019-04-01T09:00:00.000+09:00", "updated": "2019-04-01T09:00:00.000+09:00"},
        "rdf_iri": null,
        "rdf_error": null,
        "created": format!("{}T09:00:00.000+09:00", dataset.issued),
        "updated": moment(dataset),
        "download_url": format!("{}/dataset/{dataset_id}/resource/{id}/{}", catalog.base, file.name),
        "url": format!("{}/fs/{dataset_id}/_/{}", catalog.base, file.name),
        "format": file.format,
    })
}

fn moment(dataset: &FixtureDataset) -> String {
    dataset.modified.format("%Y-%m-%dT%H:%M:%S.000+09:00").to_string()
}
