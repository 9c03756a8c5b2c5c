//! Datasets as schema.org JSON-LD, for search engines that read pages.

use chrono::SecondsFormat;
use minato_catalog::{Dataset, Organization, Vocabulary};
use serde_json::{Map, Value, json};

use crate::write::SiteInfo;

/// Google asks for descriptions of 50 to 5,000 characters.
const DESCRIPTION_LENGTH_MAX: usize = 5_000;

/// A dataset as schema.org's `Dataset`, to be put into `<script type="application/ld+json">`.
///
/// `<` is left as it is: whoever puts the text into HTML must write it as `\u003c`.
pub fn schema_org(dataset: &Dataset, organization: &Organization, site: &SiteInfo, vocabulary: &Vocabulary) -> Value {
    let content = &dataset.content;
    let base = site.base_url.trim_end_matches('/');
    let url = format!("{base}/datasets/{}", content.slug);
    let description = if content.description.trim().is_empty() { &content.title } else { &content.description };
    let description: String = description.chars().take(DESCRIPTION_LENGTH_MAX).collect();
    let publisher_url = format!("{base}/organizations/{}", organization.draft.slug);
    let licence = |id: &Option<String>| id.as_deref().and_then(|id| vocabulary.licences.get(id)).and_then(|licence| licence.url.clone());

    let distributions: Vec<Value> = content
        .distributions
        .iter()
        .filter_map(|distribution| {
            let counted = distribution.file.is_some() || distribution.download_url.is_some();
            let address = if counted { format!("{base}/d/{}", distribution.id) } else { distribution.access_url.clone()? };
            Some(object([
                ("@type", Some(json!("DataDownload"))),
                ("name", text(&distribution.title)),
                ("description", text(&distribution.description)),
                (if counted { "contentUrl" } else { "url" }, Some(json!(address))),
                ("encodingFormat", distribution.media_type.clone().or_else(|| distribution.format.clone()).map(Value::from)),
                ("contentSize", distribution.byte_size.map(|size| json!(format!("{size} B")))),
                ("sha256", distribution.file.as_ref().map(|file| json!(file.sha256))),
                ("license", licence(&distribution.licence).map(Value::from)),
                ("dateModified", distribution.modified.map(|moment| json!(moment.to_rfc3339_opts(SecondsFormat::Secs, true)))),
            ]))
        })
        .collect();
    let place = content.spatial.as_ref().map(|spatial| {
        // schema.org boxes are latitude before longitude, lower corner first.
        let geo =
            spatial.bbox.map(|[west, south, east, north]| json!({"@type": "GeoShape", "box": format!("{south} {west} {north} {east}")}));
        object([("@type", Some(json!("Place"))), ("name", spatial.label.as_deref().and_then(text)), ("geo", geo)])
    });
    let period = content.temporal.as_ref().map(|temporal| {
        let day = |day: Option<chrono::NaiveDate>| day.map_or_else(|| "..".to_owned(), |day| day.to_string());
        json!(format!("{}/{}", day(temporal.start), day(temporal.end)))
    });
    let publisher = object([
        ("@type", Some(json!("GovernmentOrganization"))),
        ("name", text(&organization.draft.name)),
        ("url", Some(json!(organization.draft.homepage.as_ref().unwrap_or(&publisher_url)))),
    ]);
    object([
        ("@context", Some(json!("https://schema.org/"))),
        ("@type", Some(json!("Dataset"))),
        ("@id", Some(json!(url))),
        ("url", Some(json!(url))),
        ("name", text(&content.title)),
        ("alternateName", content.title_en.as_deref().and_then(text)),
        ("description", text(&description)),
        ("identifier", Some(json!(content.identifier.clone().unwrap_or_else(|| dataset.id.to_string())))),
        ("keywords", list(content.keywords.iter().map(|word| json!(word)).collect())),
        ("license", licence(&content.licence).or_else(|| content.licence_text.clone()).map(Value::from)),
        ("isAccessibleForFree", Some(json!(true))),
        (
            "creator",
            Some(content.creator.as_deref().map_or_else(|| publisher.clone(), |name| json!({"@type": "Organization", "name": name}))),
        ),
        ("publisher", Some(publisher)),
        ("datePublished", content.issued.map(|day| json!(day.to_string()))),
        ("dateModified", Some(json!(content.modified.to_rfc3339_opts(SecondsFormat::Secs, true)))),
        ("spatialCoverage", place),
        ("temporalCoverage", period),
        ("inLanguage", list(content.language.iter().map(|code| json!(code)).collect())),
        ("version", content.version.as_deref().and_then(text)),
        ("sameAs", content.landing_page.as_deref().and_then(text)),
        ("includedInDataCatalog", Some(json!({"@type": "DataCatalog", "name": site.title, "url": format!("{base}/")}))),
        ("distribution", list(distributions)),
    ])
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    Value::Object(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>())
}

fn text(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!(text))
}

fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}
