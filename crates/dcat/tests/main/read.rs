use std::io::Cursor;

use minato_catalog::{HarvestItem, HarvestedRecord, Vocabulary, jst_day};
use minato_dcat::{Document, ParsedCatalog, Syntax, parse_catalog};

const BASE: &str = "https://data.example.jp/catalog";

fn parse(document: &str, syntax: Syntax) -> ParsedCatalog {
    parse_catalog(document.as_bytes(), syntax, BASE, &Vocabulary::built_in()).unwrap()
}

fn only(catalog: ParsedCatalog) -> HarvestedRecord {
    assert_eq!(catalog.records.len(), 1);
    catalog.records.into_iter().next().unwrap().unwrap()
}

const PREFIXES: &str = "
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> . @prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix vcard: <http://www.w3.org/2006/vcard/ns#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix schema: <http://schema.org/> . @prefix locn: <http://www.w3.org/ns/locn#> . @prefix hydra: <http://www.w3.org/ns/hydra/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix geo: <http://www.opengis.net/ont/geosparql#> . @prefix adms: <http://www.w3.org/ns/adms#> .
";

fn turtle(body: &str) -> ParsedCatalog {
    parse(&format!("{PREFIXES}{body}"), Syntax::Turtle)
}

#[test]
fn every_property_finds_its_field() {
    let record = only(turtle(
        r#"<https://data.example.jp/ds/1> a dcat:Dataset ;
            dct:identifier "342025-1" ; dct:title "Shelters"@en, "避難所"@ja ; dct:description "説明" ; dcat:keyword "防災"@ja, "shelter"@en, "地震" ;
            dcat:theme <http://publications.europa.eu/resource/authority/data-theme/TRAN>, [ skos:prefLabel "謎の分類"@ja ] ;
            dct:license <https://creativecommons.org/licenses/by/4.0/deed.ja> ;
            dcat:landingPage <https://www.example.jp/page> ;
            dcat:contactPoint [ vcard:fn "危機管理課" ; vcard:hasEmail <mailto:kiki@example.jp> ; vcard:hasTelephone [ vcard:hasValue <tel:082-000-0000> ] ] ;
            dct:accrualPeriodicity <http://publications.europa.eu/resource/authority/frequency/ANNUAL> ;
            dct:issued "2022-04-01"^^xsd:date ; dct:modified "2024-04-01T09:00:00+09:00"^^xsd:dateTime ;
            dct:spatial [ a dct:Location ; rdfs:label "呉市" ; dct:identifier "342025" ; locn:geometry "POLYGON((132 35, 133 35, 133 34, 132 34, 132 35))"^^geo:wktLiteral ] ;
            dct:temporal [ schema:startDate "2023"^^xsd:gYear ; schema:endDate "2024-02"^^xsd:gYearMonth ] ;
            dct:language <http://publications.europa.eu/resource/authority/language/JPN>, "en" ; dcat:version "1.2" ;
            dct:conformsTo [ rdfs:label "推奨データセット" ] ; dct:provenance [ rdfs:label "台帳から作成" ] ; dct:creator [ foaf:name "消防局" ] ;
            dct:publisher [ foaf:name "呉市" ] ;
            dcat:distribution <https://data.example.jp/ds/1/csv>, [ dct:title "頁" ; dcat:accessURL <https://www.example.jp/page2> ; dct:license "独自の条件" ] .
           <https://data.example.jp/ds/1/csv> a dcat:Distribution ; dct:title "CSV 版"@ja ; dcat:accessURL <https://www.example.jp/page> ; dcat:downloadURL <a%20b.csv> ;
            dct:format <http://publications.europa.eu/resource/authority/file-type/CSV> ; dcat:mediaType <https://www.iana.org/assignments/media-types/text/csv> ;
            dcat:byteSize "1234.0"^^xsd:decimal ; dct:modified "2024-03-01"^^xsd:date ."#,
    ));
    let draft = &record.draft;
    assert_eq!(record.remote_id, "342025-1");
    assert_eq!(draft.identifier.as_deref(), Some("342025-1"));
    assert_eq!((draft.title.as_str(), draft.title_en.as_deref()), ("避難所", Some("Shelters")));
    assert_eq!(draft.description, "説明");
    assert_eq!(draft.keywords, ["防災", "地震", "shelter", "謎の分類"]);
    assert_eq!(draft.themes, ["gr_1000"]);
    assert_eq!(draft.licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(draft.landing_page.as_deref(), Some("https://www.example.jp/page"));
    let contact = draft.contact_point.as_ref().unwrap();
    assert_eq!(
        (contact.name.as_deref(), contact.email.as_deref(), contact.telephone.as_deref()),
        (Some("危機管理課"), Some("kiki@example.jp"), Some("082-000-0000"))
    );
    assert_eq!(draft.accrual_periodicity.as_deref(), Some("annual"));
    assert_eq!(draft.issued.unwrap().to_string(), "2022-04-01");
    assert_eq!(draft.modified.unwrap().to_rfc3339(), "2024-04-01T00:00:00+00:00");
    let spatial = draft.spatial.as_ref().unwrap();
    assert_eq!((spatial.label.as_deref(), spatial.bbox), (Some("呉市"), Some([132.0, 34.0, 133.0, 35.0])));
    assert_eq!(spatial.area_codes, ["342025"]);
    let temporal = draft.temporal.as_ref().unwrap();
    assert_eq!((temporal.start.unwrap().to_string(), temporal.end.unwrap().to_string()), ("2023-01-01".into(), "2024-02-29".into()));
    assert_eq!(draft.language, ["ja", "en"]);
    assert_eq!(draft.version.as_deref(), Some("1.2"));
    assert_eq!(draft.conforms_to, ["推奨データセット"]);
    assert_eq!(draft.creator.as_deref(), Some("消防局"));
    assert_eq!((draft.extras["provenance"].as_str(), draft.extras["publisher_name"].as_str()), ("台帳から作成", "呉市"));

    let [file, page] = draft.distributions.as_deref().unwrap() else { panic!() };
    assert_eq!(file.identifier.as_deref(), Some("https://data.example.jp/ds/1/csv"));
    assert_eq!(file.download_url.as_deref(), Some("https://data.example.jp/a%20b.csv"));
    assert_eq!(file.access_url.as_deref(), Some("https://www.example.jp/page"));
    assert_eq!((file.format.as_deref(), file.media_type.as_deref(), file.byte_size), (Some("CSV"), Some("text/csv"), Some(1234)));
    assert_eq!(file.modified.map(jst_day).unwrap().to_string(), "2024-03-01");
    assert_eq!((page.identifier.as_deref(), page.licence.as_deref()), (None, None));
    assert_eq!(page.extras["licence_text"], "独自の条件");
    assert_eq!(record.notices.len(), 2, "{:?}", record.notices);
    assert!(record.raw.contains("避難所") && record.raw.contains("CSV 版"), "{}", record.raw);
}

#[test]
fn formats_are_told_in_many_ways() {
    for (format, expected) in [
        ("dct:format \"csv\"", Some("CSV")),
        ("dct:format [ a dct:IMT ; rdf:value \"text/csv\" ]", Some("CSV")),
        ("dct:format [ a dct:IMT ; rdf:value \"application/vnd.ms-excel\" ; rdfs:label \"CSV\" ]", Some("CSV")),
        ("dct:format <https://www.iana.org/assignments/media-types/text/csv>", Some("CSV")),
        ("dct:format [ a dct:IMT ] ; dcat:mediaType \"text/csv\"", Some("CSV")),
        ("dct:format [ a dct:IMT ]", None),
    ] {
        let record = only(turtle(&format!(
            "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> . <https://data.example.jp/1> a dcat:Dataset ; dct:title \"題\" ;
             dcat:distribution [ dcat:accessURL <https://data.example.jp/get> ; {format} ] ."
        )));
        assert_eq!(record.draft.distributions.unwrap()[0].format.as_deref(), expected, "{format}");
    }
}

#[test]
fn the_same_document_gives_the_same_record() {
    let body = r#"<https://data.example.jp/ds/1> a dcat:Dataset ; dct:title "題" ; dcat:contactPoint [ vcard:fn "課" ] ; dct:spatial [ rdfs:label "市" ] ."#;
    assert_eq!(only(turtle(body)), only(turtle(body)));
}

#[test]
fn a_licence_shared_by_all_files_is_the_datasets() {
    let record = only(turtle(
        r#"<https://data.example.jp/1> a dcat:Dataset ; dct:title "題" ; dcat:distribution
            [ dcat:accessURL <https://e.jp/1> ; dct:license <https://creativecommons.org/publicdomain/zero/1.0/> ],
            [ dcat:accessURL <https://e.jp/2> ; dct:rights "CC0" ] ."#,
    ));
    assert_eq!(record.draft.licence.as_deref(), Some("CC0-1.0"));
    assert!(record.draft.distributions.unwrap().iter().all(|distribution| distribution.licence.is_none()));
}

#[test]
fn values_without_an_equal_are_kept_and_noted() {
    let record = only(turtle(
        r#"<https://data.example.jp/1> a dcat:Dataset ; dct:title "題" ; dct:license <https://e.jp/terms> ; dct:accrualPeriodicity "たまに" ;
            dct:modified "近日" ; dcat:landingPage "ここ を見る" ; dct:temporal "昔々" ; dcat:theme <https://e.jp/theme/9> ; dct:spatial <https://sws.geonames.org/1> ."#,
    ));
    let draft = record.draft;
    assert_eq!((draft.licence, draft.licence_text.as_deref()), (None, Some("https://e.jp/terms")));
    assert_eq!(draft.extras["accrual_periodicity"], "たまに");
    assert_eq!(draft.extras["temporal"], "昔々");
    assert_eq!(draft.extras["theme"], "https://e.jp/theme/9");
    assert_eq!(draft.extras["spatial"], "https://sws.geonames.org/1");
    assert_eq!(draft.modified, None);
    assert_eq!(record.notices.len(), 5, "{:?}", record.notices);
}

#[test]
fn one_bad_dataset_does_not_stop_the_others() {
    let catalog = turtle(
        r#"<https://data.example.jp/> a dcat:Catalog ; dct:title "カタログ" ; dcat:dataset <https://data.example.jp/1>, <https://data.example.jp/gone> .
           <https://data.example.jp/1> a dcat:Dataset ; dct:title "一" .
           <https://data.example.jp/2> a dcat:Dataset .
           [] a dcat:Dataset ; dct:title "名無し" .
           [] a dcat:Dataset ; dct:title "番号あり" ; dct:identifier "n3" .
           <https://data.example.jp/4> a dcat:Dataset ; dct:title "四" ; dct:identifier "n3" ."#,
    );
    let outcome: Vec<_> = catalog
        .records
        .iter()
        .map(|record| record.as_ref().map(|it| it.remote_id.as_str()).map_err(|it| it.remote_id.as_deref()))
        .collect();
    assert_eq!(
        outcome,
        [Ok("https://data.example.jp/1"), Err(Some("https://data.example.jp/2")), Err(None), Ok("n3"), Err(Some("n3")), Err(None),]
    );
    assert!(catalog.records[2].as_ref().unwrap_err().cause.ja.contains("名無し"));
    assert!(catalog.records[4].as_ref().unwrap_err().cause.ja.contains("重複"));
}

#[test]
fn hydra_tells_the_next_page_and_the_total() {
    let view = turtle(
        r#"<https://data.example.jp/catalog?page=1> a hydra:PartialCollectionView ; hydra:next <?page=2> . <https://data.example.jp/#c> hydra:totalItems 120 ."#,
    );
    assert_eq!((view.next_page.as_deref(), view.total), (Some("https://data.example.jp/catalog?page=2"), Some(120)));
    let paged = turtle(
        r#"<p1> a hydra:PagedCollection ; hydra:nextPage "https://data.example.jp/catalog.ttl?page=2" ; hydra:totalItems "120"^^xsd:integer ."#,
    );
    assert_eq!((paged.next_page.as_deref(), paged.total), (Some("https://data.example.jp/catalog.ttl?page=2"), Some(120)));
    assert_eq!(turtle("").next_page, None);
}

#[test]
fn pages_may_list_what_other_pages_describe() {
    let catalog = turtle(
        r#"<#c> a dcat:Catalog ; dcat:dataset <https://data.example.jp/1>, <https://data.example.jp/2> ; hydra:totalItems 2 .
           <https://data.example.jp/1> a dcat:Dataset ; dct:title "一" ."#,
    );
    assert_eq!(only(catalog).draft.title, "一");
}

#[test]
fn json_ld_works_without_the_network() {
    let body = r#""@id": "https://data.example.jp/1", "@type": "Dataset", "title": {"@value": "避難所", "@language": "ja"}, "keyword": ["防災", "地震"],
        "distribution": [{"@type": "Distribution", "accessURL": "https://e.jp/1", "byteSize": 12}]"#;
    for context in [
        r#""https://www.w3.org/ns/dcat.jsonld""#,
        r#"["https://semiceu.github.io/DCAT-AP/releases/3.0.0/context/dcat-ap.jsonld", {"ex": "https://e.jp/"}]"#,
        r#"{"Dataset": "http://www.w3.org/ns/dcat#Dataset", "title": "http://purl.org/dc/terms/title", "keyword": "http://www.w3.org/ns/dcat#keyword",
            "distribution": "http://www.w3.org/ns/dcat#distribution", "accessURL": {"@id": "http://www.w3.org/ns/dcat#accessURL", "@type": "@id"},
            "byteSize": "http://www.w3.org/ns/dcat#byteSize"}"#,
    ] {
        let record = only(parse(&format!("{{\"@context\": {context}, {body}}}"), Syntax::JsonLd));
        assert_eq!(record.draft.title, "避難所");
        assert_eq!(record.draft.keywords, ["防災", "地震"]);
        assert_eq!(record.draft.distributions.unwrap()[0].byte_size, Some(12));
    }
}

#[test]
fn an_unknown_context_is_not_fetched_and_named() {
    let document = r#"{"@context": "http://127.0.0.1:9/context.jsonld", "@type": "Dataset"}"#;
    let error = parse_catalog(document.as_bytes(), Syntax::JsonLd, BASE, &Vocabulary::built_in()).unwrap_err();
    assert!(error.message.contains("http://127.0.0.1:9/context.jsonld"), "{error}");
}

#[test]
fn rdf_xml_is_read() {
    let record = only(parse(
        r#"<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#" xmlns:dct="http://purl.org/dc/terms/">
           <dcat:Catalog rdf:about="https://data.example.jp/"><dcat:dataset><dcat:Dataset rdf:about="https://data.example.jp/1"><dct:title xml:lang="ja">避難所</dct:title></dcat:Dataset></dcat:dataset></dcat:Catalog></rdf:RDF>"#,
        Syntax::RdfXml,
    ));
    assert_eq!(record.draft.title, "避難所");
}

#[test]
fn documents_that_grow_without_end_are_refused() {
    let levels: String = (1..10).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let laughs = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY e0 \"lol\">{levels}]><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
         xmlns:dcat=\"http://www.w3.org/ns/dcat#\" xmlns:dct=\"http://purl.org/dc/terms/\"><dcat:Dataset rdf:about=\"https://e.jp/1\"><dct:title>&e9;</dct:title></dcat:Dataset></rdf:RDF>"
    );
    let error = parse_catalog(laughs.as_bytes(), Syntax::RdfXml, BASE, &Vocabulary::built_in()).unwrap_err();
    assert!(error.to_string().contains("entity"), "{error}");
    let long = format!("<a> <b> \"\"\"{}", "x".repeat(20_000_000));
    let error = parse_catalog(long.as_bytes(), Syntax::Turtle, BASE, &Vocabulary::built_in()).unwrap_err();
    assert!(error.to_string().contains("longer than 16 MB"), "{error}");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (syntax, document, line) in [
        (Syntax::Turtle, "@prefix a: <http://a/> .\na:b a:c \"x\" ;;; oops\n", 2),
        (Syntax::Turtle, "<https://a/b> <https://a/c> \"cut off", 1),
        (Syntax::JsonLd, "{\n\"@id\": ]}", 2),
        (Syntax::JsonLd, "{\"@graph\": [{\"@id\": \"a\"}", 1),
        (Syntax::RdfXml, "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n<a></b></rdf:RDF>", 2),
        (Syntax::RdfXml, "<rdf:RDF>\n<a>", 2),
    ] {
        let error = parse_catalog(document.as_bytes(), syntax, BASE, &Vocabulary::built_in()).unwrap_err();
        assert_eq!(error.line, line, "{syntax:?} {error}");
        assert!(error.text().ja.contains(&format!("{line} 行")), "{error}");
    }
}

#[test]
fn truncated_documents_are_errors_in_every_syntax() {
    let document = "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:dcat=\"http://www.w3.org/ns/dcat#\"><dcat:Dataset rdf:about=\"https://e.jp/1\">";
    assert!(parse_catalog(document.as_bytes(), Syntax::RdfXml, BASE, &Vocabulary::built_in()).is_err());
    assert!(
        parse_catalog(b"<https://e.jp/1> a <http://www.w3.org/ns/dcat#Dataset> ; ", Syntax::Turtle, BASE, &Vocabulary::built_in()).is_err()
    );
}

#[test]
fn addresses_with_spaces_do_not_break_the_document() {
    let record = only(turtle(
        r#"<https://data.example.jp/1> a dcat:Dataset ; dct:title "題" ; dcat:distribution [ dcat:downloadURL <https://e.jp/a b.csv> ] ."#,
    ));
    assert_eq!(record.draft.distributions.unwrap()[0].download_url.as_deref(), Some("https://e.jp/a%20b.csv"));
}

#[test]
fn no_bytes_make_it_panic() {
    let deep = "[".repeat(100_000);
    let deep_objects = "{\"a\":".repeat(50_000);
    let deep_xml = "<a>".repeat(50_000);
    for bytes in
        [&b"\xff\xfe\x00"[..], b"", b"{", b"<", b"\0\0", deep.as_bytes(), deep_objects.as_bytes(), deep_xml.as_bytes(), "🦀".as_bytes()]
    {
        for syntax in [Syntax::Turtle, Syntax::JsonLd, Syntax::RdfXml] {
            let _ = parse_catalog(bytes, syntax, BASE, &Vocabulary::built_in());
            let _ = parse_catalog(bytes, syntax, "not a base", &Vocabulary::built_in());
        }
    }
}

#[test]
fn what_belongs_together_need_not_stand_together() {
    let whole = r#"<https://e.jp/1> a dcat:Dataset ; dct:title "一" ; dct:publisher <https://e.jp/kure> ; dcat:distribution _:f1 ; dct:license <https://e.jp/l> .
        <https://e.jp/2> a dcat:Dataset ; dct:title "二" ; dct:publisher <https://e.jp/kure> ; dcat:distribution _:f2 .
        _:f1 dcat:downloadURL <https://e.jp/1.csv> . _:f2 dcat:downloadURL <https://e.jp/2.csv> .
        <https://e.jp/kure> foaf:name "呉市" . <https://e.jp/l> dct:title "CC BY 4.0" ."#;
    let scattered = r#"_:f2 dcat:downloadURL <https://e.jp/2.csv> . <https://e.jp/1> dct:title "一" . <https://e.jp/2> dcat:distribution _:f2 .
        <https://e.jp/l> dct:title "CC BY 4.0" . <https://e.jp/1> dcat:distribution _:f1 . <https://e.jp/2> dct:title "二" . <https://e.jp/1> a dcat:Dataset .
        <https://e.jp/kure> foaf:name "呉市" . _:f1 dcat:downloadURL <https://e.jp/1.csv> . <https://e.jp/2> a dcat:Dataset .
        <https://e.jp/1> dct:publisher <https://e.jp/kure> ; dct:license <https://e.jp/l> . <https://e.jp/2> dct:publisher <https://e.jp/kure> ."#;
    let drafts = |body: &str| turtle(body).records.into_iter().map(|record| record.unwrap().draft).collect::<Vec<_>>();
    let expected = drafts(whole);
    assert_eq!((expected[0].licence.as_deref(), expected[1].extras["publisher_name"].as_str()), (Some("CC-BY-4.0"), "呉市"));
    assert_eq!(drafts(scattered), expected);
}

#[test]
fn a_dataset_does_not_swallow_its_neighbours() {
    let catalog = turtle(
        r#"<https://e.jp/1> a dcat:Dataset ; dct:title "一" ; dct:isPartOf <https://e.jp/c> ; dct:relation <https://e.jp/2>, [ dct:title "関連" ] .
           <https://e.jp/2> a dcat:Dataset ; dct:title "二" ; dct:isPartOf <https://e.jp/c> .
           <https://e.jp/c> a dcat:Catalog ; dcat:dataset <https://e.jp/1>, <https://e.jp/2> ; dct:title "カタログ" ."#,
    );
    let raws: Vec<_> = catalog.records.into_iter().map(|record| record.unwrap().raw).collect();
    assert!(raws.len() == 2 && !raws[0].contains("二") && !raws[0].contains("カタログ"), "{raws:?}");
}

#[test]
fn catalog_records_name_and_withdraw_datasets() {
    let catalog = turtle(
        r#"<https://e.jp/c> a dcat:Catalog ; dcat:record <https://e.jp/r1>, <https://e.jp/r2>, <https://e.jp/r3> .
           <https://e.jp/r1> a dcat:CatalogRecord ; foaf:primaryTopic _:d1 .
           <https://e.jp/r2> foaf:primaryTopic <https://e.jp/2> ; adms:status <http://purl.org/adms/status/Withdrawn> .
           <https://e.jp/r3> foaf:primaryTopic _:d3 ; dct:identifier "n3" .
           _:d1 a dcat:Dataset ; dct:title "一" . <https://e.jp/2> a dcat:Dataset ; dct:title "二" . _:d3 a dcat:Dataset ; dct:title "三" ."#,
    );
    let ids: Vec<_> = catalog.records.iter().map(|record| record.as_ref().unwrap().remote_id.as_str()).collect();
    assert_eq!(ids, ["https://e.jp/r1", "n3"]);
    assert_eq!(catalog.withdrawn, ["https://e.jp/2"]);
}

#[test]
fn withdrawn_datasets_go_and_deprecated_ones_stay() {
    let catalog = turtle(
        r#"<https://e.jp/1> a dcat:Dataset ; dct:title "一" ; adms:status <http://publications.europa.eu/resource/authority/dataset-status/WITHDRAWN> .
           <https://e.jp/2> a dcat:Dataset ; dct:title "二" ; adms:status <http://publications.europa.eu/resource/authority/dataset-status/DEPRECATED> ;
             dct:isReplacedBy <https://e.jp/3> .
           <https://e.jp/3> a dcat:Dataset ; dct:title "三" ; adms:status "withdrawn" ; dct:identifier "n3" .
           <https://e.jp/4> a dcat:Dataset ; adms:status [ skos:prefLabel "Withdrawn"@en ] ."#,
    );
    assert_eq!(catalog.withdrawn, ["https://e.jp/1", "n3", "https://e.jp/4"]);
    let draft = only(catalog).draft;
    assert_eq!((draft.extras["status"].as_str(), draft.extras["is_replaced_by"].as_str()), ("deprecated", "https://e.jp/3"));
}

#[test]
fn the_last_page_has_no_next_one() {
    let page = |at: &str| {
        let body = format!(
            "{PREFIXES}<?page=1> a hydra:PagedCollection ; hydra:nextPage <?page=3> ; hydra:firstPage <?page=1> ; hydra:lastPage <?page=2> ."
        );
        parse_catalog(body.as_bytes(), Syntax::Turtle, &format!("{BASE}{at}"), &Vocabulary::built_in()).unwrap().next_page
    };
    assert_eq!(page("?page=1"), Some(format!("{BASE}?page=3")));
    assert_eq!(page("?page=2"), None);
}

fn document(bytes: &[u8], syntax: Syntax) -> (Document, Vec<HarvestItem>) {
    let mut document = Document::read(Cursor::new(bytes), syntax, BASE).unwrap();
    let items = (0..document.len()).filter_map(|index| document.item(index, &Vocabulary::built_in()).unwrap()).collect();
    (document, items)
}

#[test]
fn what_came_before_a_mistake_is_read() {
    let turtle = format!(
        "{PREFIXES}<https://e.jp/1> a dcat:Dataset ; dct:title \"一\" ; dcat:distribution [ dcat:downloadURL <https://e.jp/1.csv> ] .
         <https://e.jp/2> a dcat:Dataset ; dct:title \"二\" ; dcat:distribution _:later .
         <https://e.jp/3> a dcat:Dataset ; dct:title \"三\" ; dct:description \"cut"
    );
    let xml = "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:dcat=\"http://www.w3.org/ns/dcat#\" xmlns:dct=\"http://purl.org/dc/terms/\">
         <dcat:Dataset rdf:about=\"https://e.jp/1\"><dct:title>一</dct:title></dcat:Dataset>
         <dcat:Dataset rdf:about=\"https://e.jp/2\"><dct:title>二</dct:title><dcat:distribution rdf:nodeID=\"later\"/></dcat:Dataset>
         <dcat:Dataset rdf:about=\"https://e.jp/3\"><dct:title>三</dct:title><dct:description></dcat:Dataset></rdf:RDF>";
    for (bytes, syntax) in [(turtle.as_bytes(), Syntax::Turtle), (xml.as_bytes(), Syntax::RdfXml)] {
        let (document, items) = document(bytes, syntax);
        let error = document.error().unwrap();
        assert_eq!(error.line, bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1, "{error}");
        assert!(error.column > 1, "{error}");
        let [HarvestItem::Record(first), HarvestItem::Failure(second), HarvestItem::Failure(third)] = items.as_slice() else {
            panic!("{items:#?}")
        };
        assert_eq!(first.remote_id, "https://e.jp/1");
        assert_eq!((second.remote_id.as_deref(), third.remote_id.as_deref()), (Some("https://e.jp/2"), Some("https://e.jp/3")));
        assert!(third.cause.ja.contains("途中"), "{}", third.cause.ja);
    }
}

#[test]
fn n_triples_are_read() {
    let lines = "<https://e.jp/1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/dcat#Dataset> .\n<https://e.jp/1> <http://purl.org/dc/terms/title> \"\\u907F\\u96E3\\u6240\" .\n";
    assert_eq!(only(parse(lines, Syntax::from_media_type("application/n-triples").unwrap())).draft.title, "避難所");
}

#[test]
fn sub_catalogs_are_named_when_they_are_elsewhere() {
    let body = format!(
        "{PREFIXES}<https://e.jp/c> a dcat:Catalog ; dcat:catalog <https://data.example.jp/sub.ttl>, <https://e.jp/here>, \"other.ttl\" .
         <https://e.jp/here> a dcat:Catalog ; dcat:dataset <https://e.jp/1> . <https://e.jp/1> a dcat:Dataset ; dct:title \"一\" ."
    );
    let (document, items) = document(body.as_bytes(), Syntax::Turtle);
    assert_eq!(document.sub_catalogs(), ["https://data.example.jp/sub.ttl"]);
    assert_eq!(items.len(), 1);
}

#[test]
fn json_ld_has_a_limit() {
    let large = format!("{{\"@id\": \"{}\"}}", "x".repeat(51_000_000));
    let document = Document::read(Cursor::new(large), Syntax::JsonLd, BASE).unwrap();
    assert!(document.error().unwrap().message.contains("50 MB"));
}
