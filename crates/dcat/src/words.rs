//! The IRIs of DCAT and the vocabularies it borrows from.

use oxrdf::NamedNodeRef;

macro_rules! words {
    ($($namespace:ident = $iri:literal: $($name:ident $local:literal),+;)+) => {
        $($(pub(crate) const $name: NamedNodeRef<'static> = NamedNodeRef::new_unchecked(concat!($iri, $local));)+)+
        /// Prefix and namespace of every vocabulary used when writing.
        pub(crate) const PREFIXES: &[(&str, &str)] = &[$((stringify!($namespace), $iri)),+];
    };
}

words! {
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#": RDF_TYPE "type", RDF_VALUE "value";
    rdfs = "http://www.w3.org/2000/01/rdf-schema#": RDFS_LABEL "label";
    dcat = "http://www.w3.org/ns/dcat#": DCAT_CATALOG "Catalog", DCAT_DATASET_CLASS "Dataset", DCAT_DISTRIBUTION_CLASS "Distribution",
        DCAT_DATASET "dataset", DCAT_RECORD "record", DCAT_SUB_CATALOG "catalog", DCAT_DISTRIBUTION "distribution", DCAT_KEYWORD "keyword", DCAT_THEME "theme", DCAT_THEME_TAXONOMY "themeTaxonomy",
        DCAT_LANDING_PAGE "landingPage", DCAT_CONTACT_POINT "contactPoint", DCAT_ACCESS_URL "accessURL", DCAT_DOWNLOAD_URL "downloadURL",
        DCAT_MEDIA_TYPE "mediaType", DCAT_BYTE_SIZE "byteSize", DCAT_VERSION "version", DCAT_START "startDate", DCAT_END "endDate",
        DCAT_BBOX "bbox", DCAT_CENTROID "centroid";
    dct = "http://purl.org/dc/terms/": DCT_TITLE "title", DCT_DESCRIPTION "description", DCT_IDENTIFIER "identifier", DCT_LICENSE "license",
        DCT_LICENSE_DOCUMENT "LicenseDocument", DCT_RIGHTS "rights", DCT_RIGHTS_STATEMENT "RightsStatement", DCT_PUBLISHER "publisher",
        DCT_CREATOR "creator", DCT_FREQUENCY "accrualPeriodicity", DCT_ISSUED "issued", DCT_MODIFIED "modified", DCT_SPATIAL "spatial",
        DCT_LOCATION "Location", DCT_TEMPORAL "temporal", DCT_PERIOD "PeriodOfTime", DCT_LANGUAGE "language", DCT_CONFORMS_TO "conformsTo",
        DCT_STANDARD "Standard", DCT_PROVENANCE "provenance", DCT_PROVENANCE_STATEMENT "ProvenanceStatement", DCT_FORMAT "format",
        DCT_MEDIA_TYPE_OR_EXTENT "MediaTypeOrExtent", DCT_MEDIA_TYPE "MediaType", DCT_FREQUENCY_CLASS "Frequency",
        DCT_LINGUISTIC_SYSTEM "LinguisticSystem", DCT_IS_REPLACED_BY "isReplacedBy";
    foaf = "http://xmlns.com/foaf/0.1/": FOAF_AGENT "Agent", FOAF_NAME "name", FOAF_HOMEPAGE "homepage", FOAF_PAGE "page", FOAF_MBOX "mbox", FOAF_DOCUMENT "Document", FOAF_PRIMARY_TOPIC "primaryTopic";
    vcard = "http://www.w3.org/2006/vcard/ns#": VCARD_KIND "Kind", VCARD_FN "fn", VCARD_HAS_FN "hasFN", VCARD_ORGANIZATION_NAME "organization-name",
        VCARD_HAS_EMAIL "hasEmail", VCARD_EMAIL "email", VCARD_HAS_TELEPHONE "hasTelephone", VCARD_TEL "tel", VCARD_HAS_URL "hasURL",
        VCARD_URL "url", VCARD_HAS_VALUE "hasValue", VCARD_VALUE "value";
    skos = "http://www.w3.org/2004/02/skos/core#": SKOS_CONCEPT "Concept", SKOS_CONCEPT_SCHEME "ConceptScheme", SKOS_PREF_LABEL "prefLabel", SKOS_NOTATION "notation",
        SKOS_EXACT_MATCH "exactMatch", SKOS_IN_SCHEME "inScheme";
    adms = "http://www.w3.org/ns/adms#": ADMS_IDENTIFIER "identifier", ADMS_IDENTIFIER_CLASS "Identifier", ADMS_STATUS "status";
    spdx = "http://spdx.org/rdf/terms#": SPDX_CHECKSUM "checksum", SPDX_CHECKSUM_CLASS "Checksum", SPDX_ALGORITHM "algorithm",
        SPDX_SHA256 "checksumAlgorithm_sha256", SPDX_VALUE "checksumValue";
    locn = "http://www.w3.org/ns/locn#": LOCN_GEOMETRY "geometry", LOCN_GEOGRAPHIC_NAME "geographicName";
    geo = "http://www.opengis.net/ont/geosparql#": GEO_WKT "wktLiteral", GEO_AS_WKT "asWKT", GEO_AS_GEOJSON "asGeoJSON";
    owl = "http://www.w3.org/2002/07/owl#": OWL_VERSION_INFO "versionInfo";
    hydra = "http://www.w3.org/ns/hydra/core#": HYDRA_COLLECTION "Collection", HYDRA_PARTIAL_COLLECTION_VIEW "PartialCollectionView", HYDRA_VIEW "view",
        HYDRA_NEXT "next", HYDRA_NEXT_PAGE "nextPage", HYDRA_LAST "last", HYDRA_LAST_PAGE "lastPage", HYDRA_TOTAL_ITEMS "totalItems";
    xsd = "http://www.w3.org/2001/XMLSchema#": XSD_DATE "date", XSD_DATE_TIME "dateTime", XSD_NON_NEGATIVE_INTEGER "nonNegativeInteger",
        XSD_INTEGER "integer", XSD_HEX_BINARY "hexBinary";
    schema = "http://schema.org/": SCHEMA_NAME "name", SCHEMA_START "startDate", SCHEMA_END "endDate", SCHEMA_VERSION "version";
}

/// EU authority table of file types.
pub(crate) const FILE_TYPE: &str = "http://publications.europa.eu/resource/authority/file-type/";
/// EU authority table of languages.
pub(crate) const LANGUAGE: &str = "http://publications.europa.eu/resource/authority/language/";
/// EU authority table of data themes.
pub(crate) const DATA_THEME: &str = "http://publications.europa.eu/resource/authority/data-theme";
/// IANA's list of media types.
pub(crate) const MEDIA_TYPE: &str = "https://www.iana.org/assignments/media-types/";

/// Language code, code in the EU table.
pub(crate) const LANGUAGES: &[(&str, &str)] = &[
    ("ja", "JPN"),
    ("en", "ENG"),
    ("zh", "ZHO"),
    ("ko", "KOR"),
    ("pt", "POR"),
    ("es", "SPA"),
    ("vi", "VIE"),
    ("tl", "TGL"),
    ("fr", "FRA"),
    ("de", "DEU"),
    ("it", "ITA"),
    ("ru", "RUS"),
    ("th", "THA"),
    ("id", "IND"),
    ("ne", "NEP"),
];

/// Formats named in the EU file-type table by the same word as here.
pub(crate) const FILE_TYPES: &[&str] = &[
    "CSV", "DOC", "DOCX", "GEOJSON", "GPKG", "HTML", "JPEG", "JSON", "KML", "KMZ", "ODS", "PDF", "PNG", "PPTX", "RDF", "SHP", "TSV", "TXT",
    "XLS", "XLSX", "XML", "ZIP",
];

/// Names of the EU data themes, which DCAT-AP wants on every concept.
pub(crate) const DATA_THEMES: &[(&str, &str)] = &[
    ("AGRI", "Agriculture, fisheries, forestry and food"),
    ("ECON", "Economy and finance"),
    ("EDUC", "Education, culture and sport"),
    ("ENER", "Energy"),
    ("ENVI", "Environment"),
    ("GOVE", "Government and public sector"),
    ("HEAL", "Health"),
    ("INTR", "International issues"),
    ("JUST", "Justice, legal system and public safety"),
    ("REGI", "Regions and cities"),
    ("SOCI", "Population and society"),
    ("TECH", "Science and technology"),
    ("TRAN", "Transport"),
];
