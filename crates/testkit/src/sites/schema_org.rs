//! A site without an interface: robots.txt names a sitemap index, its sitemaps name pages, and pages of datasets hold JSON-LD of schema.org.

use serde_json::{Value, json};

use super::page;
use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, escape_xml};
use minato_catalog::built_in_licences;

/// The answer to `/sitemap*.xml` or `/dataset/{name}`.
pub(super) fn answer(catalog: &Catalog<'_>, path: &str) -> Answer {
    let body = match path {
        "/sitemap.xml" => sitemap_index(catalog),
        "/sitemap-pages.xml" => sitemap(catalog, &[("/".to_owned(), None), ("/opendata/".to_owned(), None)]),
        "/sitemap-data.xml" => {
            let pages: Vec<_> = catalog
                .datasets
                .iter()
                .map(|dataset| (format!("/dataset/{}", dataset.name), Some(dataset.modified.date().to_string())))
                .collect();
            sitemap(catalog, &pages)
        }
        _ => {
            let found = catalog.datasets.iter().find(|dataset| path.strip_prefix("/dataset/") == Some(dataset.name.as_str()));
            return match found {
                Some(dataset) => Answer::html(200, dataset_page(catalog, dataset)),
                None => Answer::html(404, page::not_found(catalog.municipality)),
            };
        }
    };
    Answer { status: 200, media_type: "application/xml; charset=utf-8", body: body.into_bytes(), attachment: None }
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

fn sitemap_index(catalog: &Catalog<'_>) -> String {
    let maps: String = ["pages", "data"]
        .iter()
        .map(|part| format!("  <sitemap><loc>{}/sitemap-{part}.xml</loc><lastmod>2025-09-30</lastmod></sitemap>\n", catalog.base))
        .collect();
    format!("{HEAD}<sitemapindex xmlns=\"{NAMESPACE}\">\n{maps}</sitemapindex>\n")
}

fn sitemap(catalog: &Catalog<'_>, pages: &[(String, Option<String>)]) -> String {
    let urls: String = pages
        .iter()
        .map(|(path, day)| {
            let day = day.as_ref().map(|day| format!("<lastmod>{day}</lastmod>")).unwrap_or_default();
            format!("  <url><loc>{}{}</loc>{day}</url>\n", catalog.base, escape_xml(path))
        })
        .collect();
    format!("{HEAD}<urlset xmlns=\"{NAMESPACE}\">\n{urls}</urlset>\n")
}

/// The page for people with the JSON-LD that themes and plug-ins of content management systems put into its head.
fn dataset_page(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> String {
    // What closes a script would close this one.
    let graph = json!({"@context": "https://schema.org", "@graph": graph(catalog, dataset)}).to_string().replace("</", "<\\/");
    let head = format!(
        "<link rel=\"canonical\" href=\"{}\">\n<script type=\"application/ld+json\">{graph}</script>",
        catalog.page_url(&dataset.name)
    );
    page::dataset(catalog.municipality, dataset).replacen("</head>", &format!("\n{head}</head>"), 1)
}

fn graph(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> Vec<Value> {
    let (base, municipality) = (&catalog.base, catalog.municipality);
    let address = catalog.page_url(&dataset.name);
    let [west, south, east, north] = dataset.bbox;
    let licence = built_in_licences().into_iter().find(|(id, _)| *id == dataset.licence).and_then(|(_, licence)| licence.url);
    let mut record = json!({
        "@type": "Dataset",
        "@id": format!("{address}#dataset"),
        "url": address,
        "name": dataset.title,
        "description": dataset.description,
        "identifier": dataset.identifier,
        "keywords": dataset.keywords,
        "license": licence,
        "inLanguage": "ja",
        "isAccessibleForFree": true,
        "datePublished": dataset.issued.to_string(),
        "dateModified": dataset.modified.format("%Y-%m-%dT%H:%M:%S+09:00").to_string(),
        "creator": {"@type": "Organization", "name": dataset.contact_name, "contactPoint": {"@type": "ContactPoint",
            "contactType": "customer service", "email": dataset.contact_email, "telephone": dataset.contact_telephone}},
        "publisher": {"@id": format!("{base}/#organization")},
        "includedInDataCatalog": {"@type": "DataCatalog", "name": format!("{}オープンデータ", municipality.name), "url": format!("{base}/")},
        "spatialCoverage": {"@type": "Place", "name": dataset.spatial,
            "geo": {"@type": "GeoShape", "box": format!("{south} {west} {north} {east}")}},
        "distribution": dataset.files.iter().map(|file| json!({
            "@type": "DataDownload",
            "name": file.title,
            "description": file.description,
            "encodingFormat": file.media_type,
            "contentUrl": catalog.file_url(&file.name),
            "contentSize": format!("{} B", file.bytes.len()),
        })).collect::<Vec<_>>(),
    });
    if let Some((start, end)) = dataset.temporal {
        record["temporalCoverage"] = json!(format!("{start}/{end}"));
    }
    vec![
        json!({"@type": "Organization", "@id": format!("{base}/#organization"), "name": municipality.full_name(), "url": format!("{base}/")}),
        json!({"@type": "WebSite", "@id": format!("{base}/#website"), "url": format!("{base}/"), "name": municipality.name,
            "publisher": {"@id": format!("{base}/#organization")}}),
        json!({"@type": "BreadcrumbList", "@id": format!("{address}#breadcrumb"), "itemListElement": [
            {"@type": "ListItem", "position": 1, "name": "ホーム", "item": format!("{base}/")},
            {"@type": "ListItem", "position": 2, "name": dataset.title}]}),
        record,
    ]
}
