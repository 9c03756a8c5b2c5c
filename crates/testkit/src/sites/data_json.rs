//! A `data.json` in the manner of DCAT-US 1.1 (Project Open Data), as content management systems and plug-ins write it.

use minato_catalog::{built_in_licences, built_in_themes};
use serde_json::{Value, json};

use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, FixtureFile};

const SCHEMA: &str = "https://project-open-data.cio.gov/v1.1/schema";

pub(super) fn answer(catalog: &Catalog<'_>) -> Answer {
    let document = json!({
        "@context": format!("{SCHEMA}/catalog.jsonld"),
        "@id": format!("{}/data.json", catalog.base),
        "@type": "dcat:Catalog",
        "conformsTo": SCHEMA,
        "describedBy": format!("{SCHEMA}/catalog.json"),
        "dataset": catalog.datasets.iter().map(|dataset| dataset_of(catalog, dataset)).collect::<Vec<_>>(),
    });
    Answer { status: 200, media_type: "application/json; charset=utf-8", body: document.to_string().into_bytes(), attachment: None }
}

fn dataset_of(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> Value {
    let [west, south, east, north] = dataset.bbox;
    let theme = built_in_themes().into_iter().find(|(id, _)| *id == dataset.theme).map(|(_, theme)| theme.title);
    let licence = built_in_licences().into_iter().find(|(id, _)| *id == dataset.licence).and_then(|(_, licence)| licence.url);
    let mut record = json!({
        "@type": "dcat:Dataset",
        "identifier": dataset.id,
        "title": dataset.title,
        "description": dataset.description,
        "keyword": dataset.keywords,
        "theme": theme.into_iter().collect::<Vec<_>>(),
        "issued": dataset.issued.to_string(),
        "modified": dataset.modified.format("%Y-%m-%dT%H:%M:%S+09:00").to_string(),
        "publisher": {"@type": "org:Organization", "name": catalog.municipality.full_name()},
        "contactPoint": {"@type": "vcard:Contact", "fn": dataset.contact_name, "hasEmail": format!("mailto:{}", dataset.contact_email)},
        "accessLevel": if dataset.private { "non-public" } else { "public" },
        "license": licence,
        "spatial": format!("{west},{south},{east},{north}"),
        "language": ["ja"],
        "landingPage": catalog.page_url(&dataset.name),
        "distribution": dataset.files.iter().map(|file| distribution(catalog, file)).collect::<Vec<_>>(),
    });
    if let Some(period) = repeated(&dataset.frequency) {
        record["accrualPeriodicity"] = json!(period);
    }
    if let Some((start, end)) = dataset.temporal {
        record["temporal"] = json!(format!("{start}/{end}"));
    }
    record
}

fn distribution(catalog: &Catalog<'_>, file: &FixtureFile) -> Value {
    json!({
        "@type": "dcat:Distribution",
        "title": file.title,
        "description": file.description,
        "downloadURL": catalog.file_url(&file.name),
        "mediaType": file.media_type,
        "format": file.format,
    })
}

/// The repeating duration of ISO 8601 that DCAT-US wants.
fn repeated(frequency: &str) -> Option<&'static str> {
    Some(match frequency {
        "annual" => "R/P1Y",
        "semiannual" => "R/P6M",
        "quarterly" => "R/P3M",
        "monthly" => "R/P1M",
        "weekly" => "R/P1W",
        "daily" => "R/P1D",
        "irregular" => "irregular",
        _ => return None,
    })
}
