//! DCAT-AP catalogs in JSON-LD and Turtle, written by hand so that they check the catalog's own reader.

use std::fmt::Write as _;

use minato_catalog::{built_in_licences, built_in_themes, frequency};
use serde_json::{Value, json};

use super::plan::{DcatStyle, Quirk};
use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, FixtureFile, Random};

pub(super) fn answer(catalog: &Catalog<'_>, style: &DcatStyle, query: &str) -> Answer {
    let page = Page::new(catalog, style, query);
    match style {
        DcatStyle::Turtle { .. } => {
            Answer { status: 200, media_type: "text/turtle; charset=utf-8", body: turtle(catalog, &page).into_bytes(), attachment: None }
        }
        DcatStyle::JsonLdGraph { .. } => Answer {
            status: 200,
            media_type: "application/ld+json",
            body: json_graph(catalog, &page).to_string().into_bytes(),
            attachment: None,
        },
        DcatStyle::JsonLdTerms => Answer {
            status: 200,
            media_type: "application/ld+json",
            body: json_terms(catalog, &page).to_string().into_bytes(),
            attachment: None,
        },
    }
}

/// The part of the catalog one document holds.
struct Page<'a> {
    datasets: &'a [FixtureDataset],
    number: usize,
    last: usize,
    size: Option<usize>,
    document: String,
}

impl<'a> Page<'a> {
    fn new(catalog: &Catalog<'a>, style: &DcatStyle, query: &str) -> Page<'a> {
        let document = format!("{}{}", catalog.base, style.path());
        let all = catalog.datasets;
        let Some(size) = style.page_size() else { return Page { datasets: all, number: 1, last: 1, size: None, document } };
        let number = query.split('&').find_map(|pair| pair.strip_prefix("page=")?.parse().ok()).unwrap_or(1).max(1);
        let start = ((number - 1) * size).min(all.len());
        let end = (start + size).min(all.len());
        Page { datasets: &all[start..end], number, last: all.len().div_ceil(size).max(1), size: Some(size), document }
    }

    fn url(&self, number: usize) -> String {
        format!("{}?page={number}", self.document)
    }
}

const FREQUENCY: &str = "http://publications.europa.eu/resource/authority/frequency/";
const FILE_TYPE: &str = "http://publications.europa.eu/resource/authority/file-type/";
const JAPANESE: &str = "http://publications.europa.eu/resource/authority/language/JPN";
const PLACE: &str = "http://publications.europa.eu/resource/authority/country/JPN";

fn frequency_iri(dataset: &FixtureDataset) -> String {
    frequency(&dataset.frequency).map_or_else(|| format!("{FREQUENCY}UNKNOWN"), |frequency| frequency.uri())
}

fn licence_iri(dataset: &FixtureDataset) -> String {
    built_in_licences().into_iter().find(|(id, _)| *id == dataset.licence).and_then(|(_, licence)| licence.url).unwrap_or_default()
}

fn theme_iris(dataset: &FixtureDataset) -> Vec<String> {
    built_in_themes().into_iter().find(|(id, _)| *id == dataset.theme).map(|(_, theme)| theme.exact_match).unwrap_or_default()
}

fn file_type_iri(file: &FixtureFile) -> String {
    let code = match file.format.as_str() {
        "GeoJSON" => "GEOJSON",
        "GTFS-JP" => "GTFS",
        other => other,
    };
    format!("{FILE_TYPE}{code}")
}

fn media_type_iri(file: &FixtureFile) -> String {
    format!("http://www.iana.org/assignments/media-types/{}", file.media_type)
}

/// RFC 3966 wants no brackets.
fn telephone_iri(dataset: &FixtureDataset) -> String {
    let digits: String = dataset.contact_telephone.chars().filter(char::is_ascii_digit).collect();
    format!("tel:+81-{}", digits.trim_start_matches('0'))
}

fn bbox_wkt([west, south, east, north]: [f64; 4]) -> String {
    format!("POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))")
}

fn modified(dataset: &FixtureDataset) -> String {
    format!("{}+09:00", dataset.modified.format("%Y-%m-%dT%H:%M:%S"))
}

/// The dataset of the site that has one without a title: everything else is in order.
fn untitled(catalog: &Catalog<'_>) -> Option<FixtureDataset> {
    if catalog.quirk != Quirk::Untitled {
        return None;
    }
    let mut dataset = catalog.datasets.first()?.clone();
    dataset.name = format!("{}-untitled", catalog.municipality.slug);
    dataset.id = Random::new(&dataset.name).uuid();
    dataset.identifier = format!("{}9999", catalog.municipality.code);
    Some(dataset)
}

// Turtle

/// A quoted Turtle string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn turtle(catalog: &Catalog<'_>, page: &Page<'_>) -> String {
    let municipality = catalog.municipality;
    let base = &catalog.base;
    let mut out = String::from(
        "@prefix dcat: <http://www.w3.org/ns/dcat#> .\n\
         @prefix dct: <http://purl.org/dc/terms/> .\n\
         @prefix foaf: <http://xmlns.com/foaf/0.1/> .\n\
         @prefix vcard: <http://www.w3.org/2006/vcard/ns#> .\n\
         @prefix hydra: <http://www.w3.org/ns/hydra/core#> .\n\
         @prefix geo: <http://www.opengis.net/ont/geosparql#> .\n\
         @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n\n",
    );
    let extra = if page.number == 1 { untitled(catalog) } else { None };
    let links: Vec<String> = page.datasets.iter().chain(&extra).map(|dataset| format!("<{}>", catalog.page_url(&dataset.name))).collect();
    let _ =
        write!(out, "<{base}/catalog> a dcat:Catalog ;\n    dct:title {}@ja ;\n", quoted(&format!("{}オープンデータ", municipality.name)));
    let _ = write!(out, "    dct:description {}@ja ;\n    dct:publisher <{base}/publisher> ;\n", quoted("架空のデータのカタログです。"));
    let _ = write!(out, "    dct:language <{JAPANESE}> ;\n    foaf:homepage <{base}/>");
    if !links.is_empty() {
        let _ = write!(out, " ;\n    dcat:dataset {}", links.join(", "));
    }
    out.push_str(" .\n\n");
    let _ = write!(
        out,
        "<{base}/publisher> a foaf:Agent ;\n    foaf:name {}@ja, {}@en ;\n    dct:identifier {} .\n\n",
        quoted(&municipality.full_name()),
        quoted(&municipality.name_en),
        quoted(&municipality.code)
    );
    if page.size.is_some() {
        let _ = write!(
            out,
            "<{base}/catalog> a hydra:Collection ;\n    hydra:totalItems {} ;\n    hydra:view <{}> .\n",
            catalog.datasets.len(),
            page.url(page.number)
        );
        let _ = write!(
            out,
            "<{}> a hydra:PartialCollectionView ;\n    hydra:first <{}> ;\n    hydra:last <{}>",
            page.url(page.number),
            page.url(1),
            page.url(page.last)
        );
        if page.number > 1 {
            let _ = write!(out, " ;\n    hydra:previous <{}>", page.url(page.number - 1));
        }
        if page.number < page.last {
            let _ = write!(out, " ;\n    hydra:next <{}>", page.url(page.number + 1));
        }
        out.push_str(" .\n\n");
    }
    for dataset in page.datasets {
        turtle_dataset(&mut out, catalog, dataset, true);
    }
    if let Some(dataset) = &extra {
        turtle_dataset(&mut out, catalog, dataset, false);
    }
    out
}

fn turtle_dataset(out: &mut String, catalog: &Catalog<'_>, dataset: &FixtureDataset, titled: bool) {
    let subject = catalog.page_url(&dataset.name);
    let _ = writeln!(out, "<{subject}> a dcat:Dataset ;");
    if titled {
        let _ = writeln!(out, "    dct:title {}@ja ;", quoted(&dataset.title));
        if let Some(title) = &dataset.title_en {
            let _ = writeln!(out, "    dct:title {}@en ;", quoted(title));
        }
    }
    let _ = writeln!(out, "    dct:description {}@ja ;", quoted(&dataset.description));
    let _ = writeln!(out, "    dct:identifier {} ;", quoted(&dataset.identifier));
    let keywords: Vec<String> = dataset.keywords.iter().map(|word| format!("{}@ja", quoted(word))).collect();
    if !keywords.is_empty() {
        let _ = writeln!(out, "    dcat:keyword {} ;", keywords.join(", "));
    }
    let themes: Vec<String> = theme_iris(dataset).iter().map(|iri| format!("<{iri}>")).collect();
    if !themes.is_empty() {
        let _ = writeln!(out, "    dcat:theme {} ;", themes.join(", "));
    }
    let _ = writeln!(out, "    dct:issued \"{}\"^^xsd:date ;", dataset.issued);
    let _ = writeln!(out, "    dct:modified \"{}\"^^xsd:dateTime ;", modified(dataset));
    let _ = writeln!(out, "    dct:accrualPeriodicity <{}> ;", frequency_iri(dataset));
    let _ = writeln!(out, "    dct:language <{JAPANESE}> ;");
    let _ = writeln!(out, "    dct:publisher <{}/publisher> ;", catalog.base);
    let _ = writeln!(out, "    dcat:landingPage <{subject}> ;");
    let _ = writeln!(
        out,
        "    dcat:contactPoint [ a vcard:Organization ; vcard:fn {}@ja ; vcard:hasEmail <mailto:{}> ; vcard:hasTelephone <{}> ] ;",
        quoted(&dataset.contact_name),
        dataset.contact_email,
        telephone_iri(dataset)
    );
    let _ = writeln!(
        out,
        "    dct:spatial <{PLACE}>, [ a dct:Location ; dct:title {}@ja ; dcat:bbox {}^^geo:wktLiteral ] ;",
        quoted(&dataset.spatial),
        quoted(&bbox_wkt(dataset.bbox))
    );
    if let Some((start, end)) = dataset.temporal {
        let _ = writeln!(
            out,
            "    dct:temporal [ a dct:PeriodOfTime ; dcat:startDate \"{start}\"^^xsd:date ; dcat:endDate \"{end}\"^^xsd:date ] ;"
        );
    }
    if let Some(standard) = &dataset.conforms_to {
        let _ = writeln!(out, "    dct:conformsTo [ a dct:Standard ; dct:title {}@ja ] ;", quoted(standard));
    }
    let files: Vec<String> = (1..=dataset.files.len()).map(|number| format!("<{subject}#file-{number}>")).collect();
    if files.is_empty() {
        out.push_str("    .\n\n");
        return;
    }
    let _ = write!(out, "    dcat:distribution {} .\n\n", files.join(", "));
    for (number, file) in (1usize..).zip(&dataset.files) {
        let _ = write!(
            out,
            "<{subject}#file-{number}> a dcat:Distribution ;\n    dct:title {}@ja ;\n    dct:description {}@ja ;\n    dct:identifier {} ;\n    \
             dcat:accessURL <{subject}> ;\n    dcat:downloadURL <{}> ;\n    dct:format <{}> ;\n    dcat:mediaType <{}> ;\n    \
             dct:license <{}> ;\n    dcat:byteSize \"{}\"^^xsd:nonNegativeInteger ;\n    dct:modified \"{}\"^^xsd:dateTime .\n\n",
            quoted(&file.title),
            quoted(&file.description),
            quoted(&file.id),
            catalog.file_url(&file.name),
            file_type_iri(file),
            media_type_iri(file),
            licence_iri(dataset),
            file.bytes.len(),
            modified(dataset)
        );
    }
}

// JSON-LD

fn japanese(text: &str) -> Value {
    json!({"@value": text, "@language": "ja"})
}

fn typed(text: &str, datatype: &str) -> Value {
    json!({"@value": text, "@type": format!("xsd:{datatype}")})
}

fn iri(iri: impl AsRef<str>) -> Value {
    json!({"@id": iri.as_ref()})
}

/// Prefixed keys, every node at the top level of a `@graph`.
fn json_graph(catalog: &Catalog<'_>, page: &Page<'_>) -> Value {
    let base = &catalog.base;
    let municipality = catalog.municipality;
    let mut graph = vec![
        json!({
            "@id": format!("{base}/catalog"),
            "@type": "dcat:Catalog",
            "dct:title": japanese(&format!("{}オープンデータ", municipality.name)),
            "dct:description": japanese("架空のデータのカタログです。"),
            "dct:publisher": iri(format!("{base}/publisher")),
            "dct:language": iri(JAPANESE),
            "foaf:homepage": iri(format!("{base}/")),
            "dcat:dataset": page.datasets.iter().map(|dataset| iri(catalog.page_url(&dataset.name))).collect::<Vec<_>>(),
        }),
        json!({
            "@id": format!("{base}/publisher"),
            "@type": "foaf:Agent",
            "foaf:name": [japanese(&municipality.full_name()), {"@value": municipality.name_en, "@language": "en"}],
            "dct:identifier": municipality.code,
        }),
    ];
    if let Some(size) = page.size {
        // As CKAN's DCAT extension writes it: page addresses are strings.
        let mut view = json!({
            "@id": page.url(page.number),
            "@type": "hydra:PagedCollection",
            "hydra:totalItems": catalog.datasets.len(),
            "hydra:itemsPerPage": size,
            "hydra:firstPage": page.url(1),
            "hydra:lastPage": page.url(page.last),
        });
        if page.number > 1 {
            view["hydra:previousPage"] = json!(page.url(page.number - 1));
        }
        if page.number < page.last {
            view["hydra:nextPage"] = json!(page.url(page.number + 1));
        }
        graph.push(view);
    }
    for dataset in page.datasets {
        let subject = catalog.page_url(&dataset.name);
        let mut titles = vec![japanese(&dataset.title)];
        titles.extend(dataset.title_en.iter().map(|title| json!({"@value": title, "@language": "en"})));
        let mut node = json!({
            "@id": subject,
            "@type": "dcat:Dataset",
            "dct:title": titles,
            "dct:description": japanese(&dataset.description),
            "dct:identifier": dataset.identifier,
            "dcat:keyword": dataset.keywords.iter().map(|word| japanese(word)).collect::<Vec<_>>(),
            "dcat:theme": theme_iris(dataset).iter().map(iri).collect::<Vec<_>>(),
            "dct:issued": typed(&dataset.issued.to_string(), "date"),
            "dct:modified": typed(&modified(dataset), "dateTime"),
            "dct:accrualPeriodicity": iri(frequency_iri(dataset)),
            "dct:language": iri(JAPANESE),
            "dct:publisher": iri(format!("{base}/publisher")),
            "dcat:landingPage": iri(&subject),
            "dcat:contactPoint": {
                "@type": "vcard:Organization",
                "vcard:fn": dataset.contact_name,
                "vcard:hasEmail": iri(format!("mailto:{}", dataset.contact_email)),
                "vcard:hasTelephone": iri(telephone_iri(dataset)),
            },
            "dct:spatial": {
                "@type": "dct:Location",
                "dct:title": japanese(&dataset.spatial),
                "dcat:bbox": {"@value": bbox_wkt(dataset.bbox), "@type": "http://www.opengis.net/ont/geosparql#wktLiteral"},
            },
            "dcat:distribution": (1..=dataset.files.len()).map(|number| iri(format!("{subject}#file-{number}"))).collect::<Vec<_>>(),
        });
        if let Some((start, end)) = dataset.temporal {
            node["dct:temporal"] = json!({
                "@type": "dct:PeriodOfTime",
                "dcat:startDate": typed(&start.to_string(), "date"),
                "dcat:endDate": typed(&end.to_string(), "date"),
            });
        }
        if let Some(standard) = &dataset.conforms_to {
            node["dct:conformsTo"] = json!({"@type": "dct:Standard", "dct:title": japanese(standard)});
        }
        graph.push(node);
        for (number, file) in (1usize..).zip(&dataset.files) {
            graph.push(json!({
                "@id": format!("{subject}#file-{number}"),
                "@type": "dcat:Distribution",
                "dct:title": japanese(&file.title),
                "dct:description": japanese(&file.description),
                "dct:identifier": file.id,
                "dcat:accessURL": iri(&subject),
                "dcat:downloadURL": iri(catalog.file_url(&file.name)),
                "dct:format": iri(file_type_iri(file)),
                "dcat:mediaType": iri(media_type_iri(file)),
                "dct:license": iri(licence_iri(dataset)),
                "dcat:byteSize": typed(&file.bytes.len().to_string(), "nonNegativeInteger"),
                "dct:modified": typed(&modified(dataset), "dateTime"),
            }));
        }
    }
    json!({
        "@context": {
            "dcat": "http://www.w3.org/ns/dcat#",
            "dct": "http://purl.org/dc/terms/",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "hydra": "http://www.w3.org/ns/hydra/core#",
            "vcard": "http://www.w3.org/2006/vcard/ns#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@graph": graph,
    })
}

/// Named terms and everything nested, Japanese by default.
fn json_terms(catalog: &Catalog<'_>, page: &Page<'_>) -> Value {
    let base = &catalog.base;
    let municipality = catalog.municipality;
    let datasets = page.datasets.iter().map(|dataset| {
        let subject = catalog.page_url(&dataset.name);
        let distributions = (1usize..).zip(&dataset.files).map(|(number, file)| {
            json!({
                "@id": format!("{subject}#file-{number}"),
                "@type": "Distribution",
                "title": file.title,
                "description": file.description,
                "identifier": file.id,
                "accessURL": subject,
                "downloadURL": catalog.file_url(&file.name),
                "format": file_type_iri(file),
                "mediaType": media_type_iri(file),
                "license": licence_iri(dataset),
                "byteSize": file.bytes.len().to_string(),
            })
        });
        json!({
            "@id": subject,
            "@type": "Dataset",
            "title": dataset.title,
            "description": dataset.description,
            "identifier": dataset.identifier,
            "keyword": dataset.keywords,
            "theme": theme_iris(dataset),
            "issued": dataset.issued.to_string(),
            "modified": modified(dataset),
            "accrualPeriodicity": frequency_iri(dataset),
            "landingPage": subject,
            "contactPoint": {"@type": "vcard:Organization", "fn": dataset.contact_name, "hasEmail": format!("mailto:{}", dataset.contact_email), "hasTelephone": telephone_iri(dataset)},
            "spatial": {"@type": "dct:Location", "title": dataset.spatial, "bbox": bbox_wkt(dataset.bbox)},
            "distribution": distributions.collect::<Vec<_>>(),
        })
    });
    let link = |id: &str| json!({"@id": id, "@type": "@id"});
    let plain = |id: &str| json!({"@id": id, "@language": null});
    let value = |id: &str, datatype: &str| json!({"@id": id, "@type": datatype});
    json!({
        "@context": {
            "dcat": "http://www.w3.org/ns/dcat#",
            "dct": "http://purl.org/dc/terms/",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "vcard": "http://www.w3.org/2006/vcard/ns#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
            "@language": "ja",
            "Catalog": "dcat:Catalog",
            "Dataset": "dcat:Dataset",
            "Distribution": "dcat:Distribution",
            "title": "dct:title",
            "description": "dct:description",
            "identifier": plain("dct:identifier"),
            "keyword": "dcat:keyword",
            "theme": link("dcat:theme"),
            "issued": value("dct:issued", "xsd:date"),
            "modified": value("dct:modified", "xsd:dateTime"),
            "accrualPeriodicity": link("dct:accrualPeriodicity"),
            "landingPage": link("dcat:landingPage"),
            "publisher": "dct:publisher",
            "name": "foaf:name",
            "contactPoint": "dcat:contactPoint",
            "fn": "vcard:fn",
            "hasEmail": link("vcard:hasEmail"),
            "hasTelephone": link("vcard:hasTelephone"),
            "spatial": "dct:spatial",
            "bbox": value("dcat:bbox", "http://www.opengis.net/ont/geosparql#wktLiteral"),
            "dataset": "dcat:dataset",
            "distribution": "dcat:distribution",
            "accessURL": link("dcat:accessURL"),
            "downloadURL": link("dcat:downloadURL"),
            "format": link("dct:format"),
            "mediaType": link("dcat:mediaType"),
            "license": link("dct:license"),
            "byteSize": value("dcat:byteSize", "xsd:nonNegativeInteger"),
        },
        "@id": format!("{base}/catalog"),
        "@type": "Catalog",
        "title": format!("{}オープンデータ", municipality.name),
        "description": "架空のデータのカタログです。",
        "publisher": {"@id": format!("{base}/publisher"), "@type": "foaf:Agent", "name": municipality.full_name(), "identifier": municipality.code},
        "dataset": datasets.collect::<Vec<_>>(),
    })
}
