//! JSON-LD contexts that are known here, so that no document makes this program fetch another.

use std::error::Error;

use oxjsonld::JsonLdRemoteDocument;

/// The context for a well-known address; an error that says what to do for any other.
pub(crate) fn built_in_context(url: &str) -> Result<JsonLdRemoteDocument, Box<dyn Error + Send + Sync>> {
    let address = url.split_once("://").map_or(url, |(_, rest)| rest).to_ascii_lowercase();
    let address = address.strip_prefix("www.").unwrap_or(&address);
    let document = if address.starts_with("schema.org") {
        r#"{"@context": {"@vocab": "http://schema.org/"}}"#
    } else if DCAT_ADDRESSES.iter().any(|known| address.starts_with(known)) {
        DCAT
    } else {
        return Err(format!(
            "the @context `{url}` is not known here and remote contexts are not fetched; write the context into the document, or use https://www.w3.org/ns/dcat.jsonld"
        )
        .into());
    };
    Ok(JsonLdRemoteDocument { document: document.as_bytes().to_vec(), document_url: url.to_owned() })
}

/// Addresses (without scheme and `www.`) whose contexts say DCAT with these short names.
const DCAT_ADDRESSES: &[&str] = &[
    "w3.org/ns/dcat",
    "w3.org/ns/hydra",
    "w3.org/tr/vocab-dcat",
    "data.europa.eu",
    "semiceu.github.io",
    "raw.githubusercontent.com/semiceu/",
    "joinup.ec.europa.eu",
    "project-open-data.cio.gov",
    "resources.data.gov",
    "raw.githubusercontent.com/ckan/ckanext-dcat",
    "docs.ckan.org",
    "purl.org/dc/terms",
];

const DCAT: &str = r#"{"@context": {
"rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "rdfs": "http://www.w3.org/2000/01/rdf-schema#", "xsd": "http://www.w3.org/2001/XMLSchema#",
"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "dcterms": "http://purl.org/dc/terms/", "dc": "http://purl.org/dc/terms/",
"foaf": "http://xmlns.com/foaf/0.1/", "vcard": "http://www.w3.org/2006/vcard/ns#", "skos": "http://www.w3.org/2004/02/skos/core#",
"schema": "http://schema.org/", "adms": "http://www.w3.org/ns/adms#", "spdx": "http://spdx.org/rdf/terms#", "locn": "http://www.w3.org/ns/locn#",
"gsp": "http://www.opengis.net/ont/geosparql#", "geo": "http://www.opengis.net/ont/geosparql#", "geosparql": "http://www.opengis.net/ont/geosparql#",
"owl": "http://www.w3.org/2002/07/owl#", "prov": "http://www.w3.org/ns/prov#", "org": "http://www.w3.org/ns/org#",
"hydra": "http://www.w3.org/ns/hydra/core#", "dcatap": "http://data.europa.eu/r5r/",
"Catalog": "dcat:Catalog", "Dataset": "dcat:Dataset", "Distribution": "dcat:Distribution", "DataService": "dcat:DataService",
"dataset": {"@id": "dcat:dataset", "@type": "@id"}, "distribution": {"@id": "dcat:distribution", "@type": "@id"},
"title": "dct:title", "description": "dct:description", "identifier": "dct:identifier", "keyword": "dcat:keyword",
"theme": {"@id": "dcat:theme", "@type": "@id"}, "landingPage": {"@id": "dcat:landingPage", "@type": "@id"},
"contactPoint": {"@id": "dcat:contactPoint", "@type": "@id"}, "fn": "vcard:fn", "hasEmail": {"@id": "vcard:hasEmail", "@type": "@id"},
"hasTelephone": {"@id": "vcard:hasTelephone", "@type": "@id"}, "hasURL": {"@id": "vcard:hasURL", "@type": "@id"},
"publisher": {"@id": "dct:publisher", "@type": "@id"}, "creator": {"@id": "dct:creator", "@type": "@id"}, "name": "foaf:name",
"license": {"@id": "dct:license", "@type": "@id"}, "licence": {"@id": "dct:license", "@type": "@id"}, "rights": "dct:rights",
"accessRights": {"@id": "dct:accessRights", "@type": "@id"}, "accrualPeriodicity": "dct:accrualPeriodicity", "frequency": "dct:accrualPeriodicity",
"issued": "dct:issued", "modified": "dct:modified", "spatial": "dct:spatial", "temporal": "dct:temporal", "language": "dct:language",
"startDate": "dcat:startDate", "endDate": "dcat:endDate", "bbox": "dcat:bbox", "centroid": "dcat:centroid", "geometry": "locn:geometry",
"version": "dcat:version", "versionInfo": "owl:versionInfo", "conformsTo": {"@id": "dct:conformsTo", "@type": "@id"}, "provenance": "dct:provenance",
"accessURL": {"@id": "dcat:accessURL", "@type": "@id"}, "downloadURL": {"@id": "dcat:downloadURL", "@type": "@id"},
"format": "dct:format", "mediaType": "dcat:mediaType", "byteSize": "dcat:byteSize", "label": "rdfs:label", "prefLabel": "skos:prefLabel",
"notation": "skos:notation", "exactMatch": {"@id": "skos:exactMatch", "@type": "@id"}, "page": {"@id": "foaf:page", "@type": "@id"},
"PartialCollectionView": "hydra:PartialCollectionView", "PagedCollection": "hydra:PagedCollection", "Collection": "hydra:Collection",
"view": {"@id": "hydra:view", "@type": "@id"}, "next": {"@id": "hydra:next", "@type": "@id"}, "nextPage": {"@id": "hydra:nextPage", "@type": "@id"},
"totalItems": "hydra:totalItems", "member": {"@id": "hydra:member", "@type": "@id"}
}}"#;
