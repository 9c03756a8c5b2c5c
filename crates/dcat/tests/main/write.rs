use chrono::{DateTime, NaiveDate, Utc};
use minato_catalog::{
    ContactPoint, Dataset, DatasetDraft, Distribution, DistributionDraft, FileVersion, Organization, OrganizationDraft, RecordState,
    Spatial, Temporal, Vocabulary, new_id, parse_moment,
};
use minato_dcat::{PageInfo, SiteInfo, Syntax, parse_catalog, schema_org, write_datasets};

const SYNTAXES: [Syntax; 3] = [Syntax::Turtle, Syntax::JsonLd, Syntax::RdfXml];

fn at(text: &str) -> DateTime<Utc> {
    parse_moment(text).unwrap()
}

fn site() -> SiteInfo {
    SiteInfo {
        base_url: "https://data.example.jp".into(), title: "広島県オープンデータ".into(), description: "県と市町のデータ".into()
    }
}

fn organization() -> Organization {
    Organization {
        id: new_id(),
        draft: OrganizationDraft {
            slug: "kure".into(), name: "呉市".into(), code: Some("342025".into()), ..OrganizationDraft::default()
        },
        state: RecordState::Active,
        revision: 1,
        created: at("2024-01-01"),
        updated: at("2024-01-01"),
    }
}

/// A draft that uses every field with a DCAT term.
fn full_draft() -> DatasetDraft {
    let day = |text: &str| text.parse::<NaiveDate>().ok();
    DatasetDraft {
        slug: Some("shelters".into()),
        identifier: Some("K-1".into()),
        title: "避難所 \"一覧\" <&>".into(),
        title_en: Some("Shelters".into()),
        description: "説明\n二行目 \\ 'x'".into(),
        description_en: Some("Description".into()),
        keywords: vec!["防災".into(), "地震".into()],
        themes: vec!["gr_1400".into(), "gr_0100".into()],
        licence: Some("CC-BY-4.0".into()),
        licence_text: Some("呉市の規約も参照".into()),
        landing_page: Some("https://www.example.jp/避難所?a=1&b=2".into()),
        contact_point: Some(ContactPoint {
            name: Some("危機管理課".into()),
            email: Some("kiki@example.jp".into()),
            telephone: Some("082-000-0000（内線 12）".into()),
            url: Some("https://www.example.jp/form".into()),
        }),
        creator: Some("消防局".into()),
        accrual_periodicity: Some("annual".into()),
        issued: day("2022-04-01"),
        modified: Some(at("2024-04-01T09:30:00.123+09:00")),
        spatial: Some(Spatial { label: Some("呉市".into()), area_codes: vec!["342025".into()], bbox: Some([132.1, 34.0, 133.25, 35.5]) }),
        temporal: Some(Temporal { start: day("2023-04-01"), end: day("2024-03-31") }),
        language: vec!["ja".into(), "en".into()],
        version: Some("1.0".into()),
        conforms_to: vec!["推奨データセット".into(), "https://example.jp/standard".into()],
        standard_dataset: Some("evacuation_space".into()),
        extras: [("provenance".to_owned(), "台帳から作成".to_owned())].into(),
        distributions: Some(vec![
            DistributionDraft {
                title: "CSV 版".into(),
                title_en: Some("CSV".into()),
                description: "UTF-8".into(),
                format: Some("CSV".into()),
                media_type: Some("text/csv".into()),
                download_url: Some("https://www.example.jp/a.csv".into()),
                access_url: Some("https://www.example.jp/page".into()),
                byte_size: Some(123),
                issued: day("2022-04-01"),
                modified: Some(at("2024-03-01")),
                language: vec!["ja".into()],
                conforms_to: vec!["標準".into()],
                ..DistributionDraft::default()
            },
            DistributionDraft {
                title: "地図".into(),
                format: Some("3DTILES".into()),
                licence: Some("NOT-SPECIFIED".into()),
                access_url: Some("https://www.example.jp/map".into()),
                ..DistributionDraft::default()
            },
        ]),
        ..DatasetDraft::default()
    }
}

fn dataset(draft: DatasetDraft, organization: &Organization) -> Dataset {
    let vocabulary = Vocabulary::built_in();
    let id = new_id();
    let content = draft.apply(id, organization.id, &organization.draft.slug, None, &vocabulary, at("2024-05-01"));
    Dataset { id, content, revision: 1, created: at("2024-05-01"), updated: at("2024-05-01") }
}

#[test]
fn what_is_written_reads_back_the_same() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let draft = full_draft();
    assert_eq!(draft.check(&vocabulary), []);
    let dataset = dataset(draft.clone(), &organization);
    let mut expected = DatasetDraft { slug: None, ..draft };
    expected.extras.insert("publisher_name".into(), "呉市".into());
    for (distribution, written) in expected.distributions.iter_mut().flatten().zip(&dataset.content.distributions) {
        // Downloads lead through this catalog, where they are counted.
        distribution.download_url = distribution.download_url.as_ref().map(|_| format!("https://data.example.jp/d/{}", written.id));
        distribution.identifier = Some(written.id.to_string());
    }
    for syntax in SYNTAXES {
        let document = write_datasets(&[(&dataset, &organization)], &site(), None, &vocabulary, syntax);
        let catalog = parse_catalog(&document, syntax, "https://data.example.jp/catalog", &vocabulary).unwrap();
        assert_eq!(catalog.records.len(), 1);
        let record = catalog.records[0].as_ref().unwrap();
        assert_eq!(record.draft, expected, "{}", String::from_utf8_lossy(&document));
        assert_eq!((record.remote_id.clone(), record.notices.as_slice()), (dataset.id.to_string(), &[][..]));
    }
}

#[test]
fn an_almost_empty_dataset_is_still_a_dataset() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let dataset = dataset(DatasetDraft { title: "題".into(), ..DatasetDraft::default() }, &organization);
    for syntax in SYNTAXES {
        let document = write_datasets(&[(&dataset, &organization)], &site(), None, &vocabulary, syntax);
        let catalog = parse_catalog(&document, syntax, "https://data.example.jp/", &vocabulary).unwrap();
        let record = catalog.records[0].as_ref().unwrap();
        assert_eq!((record.draft.title.as_str(), record.draft.description.as_str(), &record.draft.identifier), ("題", "題", &None));
    }
}

#[test]
fn kept_files_have_checksum_and_counted_address() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let mut dataset =
        dataset(DatasetDraft { title: "題".into(), licence: Some("CC0-1.0".into()), ..DatasetDraft::default() }, &organization);
    let sha256 = "ab".repeat(32);
    let mut distribution: Distribution =
        DistributionDraft { title: "f".into(), ..DistributionDraft::default() }.apply(new_id(), None, &vocabulary);
    distribution.byte_size = Some(9);
    distribution.file = Some(FileVersion {
        version: 1,
        sha256: sha256.clone(),
        byte_size: 9,
        file_name: "f.csv".into(),
        media_type: "text/csv".into(),
        created: at("2024-05-01"),
        source_url: None,
    });
    let address = format!("<https://data.example.jp/d/{}>", distribution.id);
    dataset.content.distributions.push(distribution);
    let document = String::from_utf8(write_datasets(&[(&dataset, &organization)], &site(), None, &vocabulary, Syntax::Turtle)).unwrap();
    for expected in [
        format!("dcat:accessURL {address}"),
        format!("dcat:downloadURL {address}"),
        format!("\"{sha256}\"^^xsd:hexBinary"),
        "spdx:checksumAlgorithm_sha256".into(),
        "\"9\"^^xsd:nonNegativeInteger".into(),
        "dct:license <https://creativecommons.org/publicdomain/zero/1.0/>".into(),
        "a foaf:Agent".into(),
    ] {
        assert!(document.contains(&expected), "{expected} in\n{document}");
    }
}

#[test]
fn pages_tell_the_next_one_and_the_total() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let datasets: Vec<Dataset> = (1..=3)
        .map(|n| {
            dataset(DatasetDraft { title: format!("題{n}"), themes: vec!["gr_0900".into()], ..DatasetDraft::default() }, &organization)
        })
        .collect();
    let pairs: Vec<_> = datasets.iter().map(|dataset| (dataset, &organization)).collect();
    let page = PageInfo {
        url: "https://data.example.jp/catalog?page=1".into(),
        next: Some("https://data.example.jp/catalog?page=2".into()),
        total: 250,
    };
    for syntax in SYNTAXES {
        let document = write_datasets(&pairs, &site(), Some(&page), &vocabulary, syntax);
        let catalog = parse_catalog(&document, syntax, &page.url, &vocabulary).unwrap();
        assert_eq!((catalog.next_page, catalog.total, catalog.records.len()), (page.next.clone(), Some(250), 3));
        assert!(catalog.records.iter().all(|record| record.as_ref().unwrap().draft.themes == ["gr_0900"]));
    }
    let last = PageInfo { next: None, ..page };
    let document = write_datasets(&[], &site(), Some(&last), &vocabulary, Syntax::Turtle);
    assert_eq!(parse_catalog(&document, Syntax::Turtle, &last.url, &vocabulary).unwrap().next_page, None);
}

#[test]
fn texts_that_rdf_or_xml_cannot_hold_do_not_break_documents() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let draft = DatasetDraft {
        title: "制御\u{b}文字 ]]> \u{ffff}".into(),
        landing_page: Some("https://www.example.jp/a b|c{d}^`\"<>".into()),
        contact_point: Some(ContactPoint { email: Some("課 <a@example.jp>".into()), ..ContactPoint::default() }),
        conforms_to: vec!["://".into(), "a://b c".into()],
        language: vec!["ja".into(), "x y".into()],
        ..DatasetDraft::default()
    };
    let dataset = dataset(draft, &organization);
    for syntax in SYNTAXES {
        let document = write_datasets(&[(&dataset, &organization)], &site(), None, &vocabulary, syntax);
        let catalog = parse_catalog(&document, syntax, "https://data.example.jp/", &vocabulary).unwrap();
        let record = catalog.records[0].as_ref().unwrap();
        assert_eq!(record.draft.title, "制御文字 ]]>");
        // What is no address is left out on reading, and said.
        assert_eq!(record.draft.contact_point.as_ref().and_then(|contact| contact.email.as_deref()), None);
        assert!(record.notices.iter().any(|notice| notice.en.contains("contact_point/email")), "{:?}", record.notices);
    }
}

#[test]
fn schema_org_says_what_search_engines_ask_for() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let dataset = dataset(full_draft(), &organization);
    let value = schema_org(&dataset, &organization, &site(), &vocabulary);
    assert_eq!(value["@type"], "Dataset");
    assert_eq!(value["url"], "https://data.example.jp/datasets/shelters");
    assert_eq!(value["license"], "https://creativecommons.org/licenses/by/4.0/");
    assert_eq!(value["temporalCoverage"], "2023-04-01/2024-03-31");
    assert_eq!(value["spatialCoverage"]["geo"]["box"], "34 132.1 35.5 133.25");
    assert_eq!(value["distribution"][0]["contentUrl"], format!("https://data.example.jp/d/{}", dataset.content.distributions[0].id));
    assert_eq!(value["distribution"][1]["url"], "https://www.example.jp/map");
    assert_eq!(value["publisher"]["name"], "呉市");
}

/// What the DCAT-AP 3 shapes demand of ranges: the class of what each property leads to, in the document itself.
const RANGES: &[(&str, &str)] = &[
    ("dct/publisher", "foaf/Agent"),
    ("dct/creator", "foaf/Agent"),
    ("foaf/homepage", "foaf/Document"),
    ("foaf/page", "foaf/Document"),
    ("dcat/landingPage", "foaf/Document"),
    ("dct/language", "dct/LinguisticSystem"),
    ("dcat/themeTaxonomy", "skos/ConceptScheme"),
    ("skos/inScheme", "skos/ConceptScheme"),
    ("dcat/theme", "skos/Concept"),
    ("dct/license", "dct/LicenseDocument"),
    ("dct/rights", "dct/RightsStatement"),
    ("dct/conformsTo", "dct/Standard"),
    ("dct/accrualPeriodicity", "dct/Frequency"),
    ("dct/spatial", "dct/Location"),
    ("dct/temporal", "dct/PeriodOfTime"),
    ("dct/provenance", "dct/ProvenanceStatement"),
    ("adms/identifier", "adms/Identifier"),
    ("dcat/contactPoint", "vcard/Kind"),
    ("dct/format", "dct/MediaTypeOrExtent"),
    ("dcat/mediaType", "dct/MediaType"),
    ("dcat/dataset", "dcat/Dataset"),
    ("dcat/distribution", "dcat/Distribution"),
];

fn expand(name: &str) -> String {
    let (prefix, local) = name.split_once('/').unwrap();
    let namespace = match prefix {
        "dct" => "http://purl.org/dc/terms/",
        "dcat" => "http://www.w3.org/ns/dcat#",
        "foaf" => "http://xmlns.com/foaf/0.1/",
        "skos" => "http://www.w3.org/2004/02/skos/core#",
        "adms" => "http://www.w3.org/ns/adms#",
        "vcard" => "http://www.w3.org/2006/vcard/ns#",
        other => panic!("{other}"),
    };
    format!("{namespace}{local}")
}

#[test]
fn everything_a_property_leads_to_has_the_class_dcat_ap_wants() {
    let (vocabulary, organization) = (Vocabulary::built_in(), organization());
    let mut organization = organization;
    organization.draft.homepage = Some("https://www.city.example.jp/".into());
    let dataset = dataset(full_draft(), &organization);
    let document = write_datasets(&[(&dataset, &organization)], &site(), None, &vocabulary, Syntax::Turtle);
    let triples: Vec<oxrdf::Triple> = oxttl::TurtleParser::new().for_slice(&document).map(|triple| triple.unwrap()).collect();
    let is_a = |node: &oxrdf::Term, class: &str| {
        triples.iter().any(|triple| {
            triple.subject.to_string() == node.to_string()
                && triple.predicate.as_ref() == oxrdf::vocab::rdf::TYPE
                && matches!(&triple.object, oxrdf::Term::NamedNode(object) if object.as_str() == class)
        })
    };
    for (property, class) in RANGES {
        let (property, class) = (expand(property), expand(class));
        let objects: Vec<_> = triples.iter().filter(|triple| triple.predicate.as_str() == property).map(|triple| &triple.object).collect();
        assert!(!objects.is_empty(), "{property} is not used");
        for object in objects {
            assert!(is_a(object, &class), "{property} leads to {object}, which is no {class}");
        }
    }
    // Every concept has a label and every scheme a title.
    for (class, property) in [("skos/Concept", "skos/prefLabel"), ("skos/ConceptScheme", "dct/title"), ("foaf/Agent", "foaf/name")] {
        for node in triples.iter().map(|triple| oxrdf::Term::from(triple.subject.clone())).filter(|node| is_a(node, &expand(class))) {
            let named = triples
                .iter()
                .any(|triple| oxrdf::Term::from(triple.subject.clone()) == node && triple.predicate.as_str() == expand(property));
            assert!(named, "{node} has no {property}");
        }
    }
}
