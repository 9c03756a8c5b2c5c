//! ArcGIS Hub: the search in the shape of OGC API Records, items with 32 hexadecimal digits, times in milliseconds, descriptions in HTML.

use minato_catalog::built_in_themes;
use serde_json::{Map, Value, json};

use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, FixtureFile, escape_xml};

const ITEMS: &str = "/api/search/v1/collections/dataset/items";
/// Most records in one answer.
const LIMIT_MAX: usize = 100;
/// Usual number of records in one answer.
const LIMIT: usize = 10;

/// The answer to the search. Other parts of the API this site has not.
pub(super) fn answer(catalog: &Catalog<'_>, path: &str, parameters: &Map<String, Value>) -> Answer {
    if path != ITEMS {
        let body = json!({"statusCode": 404, "message": format!("Cannot GET {path}"), "error": "Not Found"});
        return Answer {
            status: 404,
            media_type: "application/json; charset=utf-8",
            body: body.to_string().into_bytes(),
            attachment: None,
        };
    }
    let number =
        |name: &str, usual: usize| parameters.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (limit, start) = (number("limit", LIMIT).min(LIMIT_MAX), number("startindex", 1).max(1));
    let mut items: Vec<&FixtureDataset> = catalog.datasets.iter().filter(|dataset| !dataset.private).collect();
    items.sort_by_key(|dataset| (created(dataset), dataset.id.clone()));
    let page: Vec<Value> = items.iter().skip(start - 1).take(limit).map(|dataset| feature(catalog, dataset)).collect();
    let link = |start: usize| format!("{}{ITEMS}?limit={limit}&startindex={start}", catalog.base);
    let mut links = vec![json!({"rel": "self", "type": "application/geo+json", "title": "This document as GeoJSON", "href": link(start)})];
    if start - 1 + page.len() < items.len() {
        links.push(json!({"rel": "next", "type": "application/geo+json", "title": "Items (next)", "href": link(start + limit)}));
    }
    let body = json!({
        "type": "FeatureCollection",
        "features": page,
        "timestamp": "2025-10-01T00:00:00.000Z",
        "numberMatched": items.len(),
        "numberReturned": page.len(),
        "links": links,
    });
    Answer { status: 200, media_type: "application/json; charset=utf-8", body: body.to_string().into_bytes(), attachment: None }
}

/// The file behind `/api/download/v1/items/{item}/{form}`, where the hub makes one.
pub(super) fn download<'a>(datasets: &'a [FixtureDataset], path: &str) -> Option<&'a FixtureFile> {
    let (item, form) = path.strip_prefix("/api/download/v1/items/")?.split_once('/')?;
    let dataset = datasets.iter().find(|dataset| item_id(dataset) == item)?;
    let format = match form {
        "csv" => "CSV",
        "geojson" => "GeoJSON",
        _ => return None,
    };
    dataset.files.iter().find(|file| file.format == format)
}

fn item_id(dataset: &FixtureDataset) -> String {
    dataset.id.replace('-', "")
}

fn created(dataset: &FixtureDataset) -> i64 {
    // Nine o'clock in Japan.
    dataset.issued.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}

fn feature(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> Value {
    let [west, south, east, north] = dataset.bbox;
    let id = item_id(dataset);
    let has = |format: &str| dataset.files.iter().any(|file| file.format == format);
    let service = format!("{}/arcgis/rest/services/{}/FeatureServer", catalog.base, dataset.name.replace('-', "_"));
    // What is no table is kept elsewhere, and the item leads there.
    let (kind, url) = match dataset.files.first() {
        _ if has("GeoJSON") => ("Feature Service", Some(service)),
        _ if has("CSV") => ("Table", Some(format!("{service}/0"))),
        Some(file) => ("Document Link", Some(catalog.file_url(&file.name))),
        None => ("Document Link", None),
    };
    let theme = built_in_themes().into_iter().find(|(theme, _)| *theme == dataset.theme).map(|(_, theme)| theme.title);
    let paragraphs: String = dataset.description.lines().map(|line| format!("<P><SPAN>{}</SPAN></P>", escape_xml(line))).collect();
    json!({
        "id": id,
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]},
        "time": null,
        "links": [{"rel": "self", "type": "application/geo+json", "href": format!("{}{ITEMS}/{id}", catalog.base)}],
        "properties": {
            "id": id,
            "title": dataset.title,
            "name": dataset.name.replace('-', "_"),
            "type": kind,
            "typeKeywords": ["ArcGIS Server", "Data", "Hosted Service"],
            "snippet": dataset.description.lines().next(),
            "description": format!("<DIV STYLE=\"text-align:Left;\"><DIV>{paragraphs}</DIV></DIV>"),
            "tags": dataset.keywords,
            "categories": theme.map(|title| format!("/Categories/{title}")).into_iter().collect::<Vec<_>>(),
            "access": "public",
            "license": "custom",
            "licenseInfo": format!("<P>{}</P>", escape_xml(&dataset.licence_text)),
            "accessInformation": dataset.contact_name,
            "culture": "ja-jp",
            "created": created(dataset),
            "modified": (dataset.modified.and_utc() - chrono::Duration::hours(9)).timestamp_millis(),
            "owner": format!("{}_gis", catalog.municipality.slug.replace('-', "_")),
            "orgName": catalog.municipality.name,
            "source": catalog.municipality.name,
            "url": url,
            "extent": {"type": "envelope", "coordinates": [[west, south], [east, north]]},
            "size": -1,
            "numViews": dataset.title.len() * 7,
            "scoreCompleteness": 83,
        },
    })
}
