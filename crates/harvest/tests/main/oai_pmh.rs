use minato_catalog::HarvestKind::OaiPmh;
use minato_catalog::{Vocabulary, Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

fn xml(body: impl Into<Vec<u8>>) -> Answer {
    ok("text/xml;charset=utf-8", body)
}

fn answer(content: &str) -> Answer {
    xml(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\"><responseDate>2024-04-01T00:00:00Z</responseDate>\
         <request verb=\"ListRecords\">http://e.jp/oai</request>{content}</OAI-PMH>"
    ))
}

fn formats(prefixes: &[&str]) -> Answer {
    let formats: String =
        prefixes.iter().map(|prefix| format!("<metadataFormat><metadataPrefix>{prefix}</metadataPrefix></metadataFormat>")).collect();
    answer(&format!("<ListMetadataFormats>{formats}</ListMetadataFormats>"))
}

fn record_with(id: &str, fields: &str) -> String {
    format!(
        "<record><header><identifier>{id}</identifier><datestamp>2024-04-01</datestamp><setSpec>data</setSpec></header><metadata>\
         <oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">{fields}</oai_dc:dc></metadata></record>"
    )
}

fn record(n: usize) -> String {
    record_with(&format!("oai:e.jp:{n}"), &format!("<dc:title>資料{n}</dc:title><dc:identifier>https://e.jp/{n}</dc:identifier>"))
}

fn list(records: &str, token: &str) -> Answer {
    answer(&format!("<ListRecords>{records}{token}</ListRecords>"))
}

/// A repository with two records a page that keeps to the protocol.
async fn repository(count: usize) -> Stub {
    Stub::start(move |asked| well_behaved(asked, count)).await
}

fn well_behaved(asked: &Asked, count: usize) -> Answer {
    if asked.parameter("verb").as_deref() == Some("ListMetadataFormats") {
        return formats(&["oai_dc"]);
    }
    let token = asked.parameter("resumptionToken");
    if token.is_some() && asked.parameter("metadataPrefix").is_some() {
        return answer("<error code=\"badArgument\">resumptionToken is exclusive</error>");
    }
    let start: usize = token.map_or(0, |token| token.strip_prefix("from-").unwrap().parse().unwrap());
    let records: String = (start..count.min(start + 2)).map(record).collect();
    let next = if start + 2 < count { format!("from-{}", start + 2) } else { String::new() };
    list(&records, &format!("<resumptionToken completeListSize=\"{count}\" cursor=\"{start}\">{next}</resumptionToken>"))
}

#[tokio::test]
async fn tokens_are_followed_to_the_end() {
    let stub = repository(5).await;
    let outcome = harvest(OaiPmh, &stub, "/oai?verb=Identify").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 5 });
    assert_eq!(outcome.ids()[4], "oai:e.jp:4");
    assert_eq!(outcome.records[0].remote_url.as_deref(), Some("https://e.jp/0"));
    let asked: Vec<String> = stub.asked().iter().map(Asked::target).collect();
    assert_eq!(asked[1], "/oai?verb=ListRecords&metadataPrefix=oai_dc");
    assert_eq!(asked[2], "/oai?verb=ListRecords&resumptionToken=from-2");
}

#[tokio::test]
async fn only_the_set_is_asked_for() {
    let stub = repository(1).await;
    let mut source = source(OaiPmh, &stub.url("/oai"));
    source.remote_organization = Some("open data".to_owned());
    harvest_with(&source, stub.settings()).await;
    assert_eq!(stub.asked()[1].parameter("set").as_deref(), Some("open data"));
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let fields = "<dc:title xml:lang=\"en\">Shelters</dc:title><dc:title xml:lang=\"ja\">避難所一覧</dc:title>\
        <dc:description>&lt;p&gt;市内の&lt;b&gt;避難所&lt;/b&gt;&lt;/p&gt;</dc:description><dc:subject>防災；避難</dc:subject><dc:subject>司法・安全・環境</dc:subject>\
        <dc:creator>危機管理課</dc:creator><dc:publisher>呉市</dc:publisher><dc:date>2024-04-01</dc:date><dc:date>2022-04-01</dc:date>\
        <dc:type>Dataset</dc:type><dc:format>text/csv</dc:format><dc:identifier>doi:10.1234/abc</dc:identifier><dc:identifier>https://e.jp/files/a.csv</dc:identifier>\
        <dc:identifier>KURE-1</dc:identifier><dc:language>jpn</dc:language><dc:coverage>呉市</dc:coverage><dc:coverage>2020/2021</dc:coverage>\
        <dc:coverage>northlimit=34.3; southlimit=34.1; westlimit=132.4; eastlimit=132.7</dc:coverage>\
        <dc:rights>info:eu-repo/semantics/openAccess</dc:rights><dc:rights>Licensed under https://creativecommons.org/licenses/by/4.0/deed.ja</dc:rights>";
    let body = record_with("oai:e.jp:1", fields);
    let stub = Stub::start(move |asked| match asked.parameter("verb").as_deref() {
        Some("ListMetadataFormats") => status(400),
        _ => list(&body, ""),
    })
    .await;
    let outcome = harvest(OaiPmh, &stub, "/oai").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 1 }, "repositories that do not list formats have Dublin Core");
    let record = &outcome.records[0];
    let draft = &record.draft;
    assert_eq!(
        (draft.title.as_str(), draft.title_en.as_deref(), draft.description.as_str()),
        ("避難所一覧", Some("Shelters"), "市内の避難所")
    );
    assert_eq!(
        (draft.keywords.as_slice(), draft.themes.as_slice()),
        (["防災".to_owned(), "避難".to_owned()].as_slice(), ["gr_1400".to_owned()].as_slice())
    );
    assert_eq!((draft.licence.as_deref(), draft.licence_text.as_deref()), (Some("CC-BY-4.0"), None));
    assert_eq!((draft.creator.as_deref(), draft.identifier.as_deref()), (Some("危機管理課"), Some("KURE-1")));
    assert_eq!(draft.landing_page.as_deref(), Some("https://doi.org/10.1234/abc"));
    assert_eq!(
        (draft.issued.unwrap().to_string(), draft.modified.map(jst_day).unwrap().to_string()),
        ("2022-04-01".to_owned(), "2024-04-01".to_owned())
    );
    let spatial = draft.spatial.as_ref().unwrap();
    assert_eq!((spatial.label.as_deref(), spatial.bbox), (Some("呉市"), Some([132.4, 34.1, 132.7, 34.3])));
    assert_eq!(draft.temporal.as_ref().unwrap().end.unwrap().to_string(), "2021-12-31");
    assert_eq!(draft.language, ["ja"]);
    let [file] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!((file.download_url.as_deref(), file.format.as_deref()), (Some("https://e.jp/files/a.csv"), Some("CSV")));
    assert_eq!(
        (draft.extras["publisher_name"].as_str(), draft.extras["access_rights"].as_str(), draft.extras["set"].as_str()),
        ("呉市", "info:eu-repo/semantics/openAccess", "data")
    );
    assert_eq!(draft.check(&Vocabulary::built_in()), []);
    assert!(record.raw.starts_with("<record>") && record.raw.ends_with("</record>"), "{}", record.raw);
}

#[tokio::test]
async fn richer_formats_are_asked_for_where_there_are_some() {
    let datacite = "<record><header><identifier>oai:e.jp:1</identifier></header><metadata><oai_datacite xmlns=\"http://schema.datacite.org/oai/oai-1.1/\"><payload>\
        <resource xmlns=\"http://datacite.org/schema/kernel-4\"><identifier identifierType=\"DOI\">10.1234/abc</identifier>\
        <creators><creator><creatorName>呉市</creatorName></creator></creators><titles><title xml:lang=\"en\">Rain</title><title xml:lang=\"ja\">雨量</title></titles>\
        <publisher>呉市</publisher><publicationYear>2023</publicationYear><subjects><subject>気象</subject></subjects>\
        <dates><date dateType=\"Issued\">2023-05-01</date><date dateType=\"Updated\">2024-01-02</date><date dateType=\"Collected\">2020-01-01/2022-12-31</date></dates>\
        <rightsList><rights rightsURI=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</rights></rightsList><version>1.2</version>\
        <descriptions><description descriptionType=\"Abstract\">観測値</description></descriptions>\
        <geoLocations><geoLocation><geoLocationBox><westBoundLongitude>132</westBoundLongitude><eastBoundLongitude>133</eastBoundLongitude><southBoundLatitude>34</southBoundLatitude><northBoundLatitude>35</northBoundLatitude></geoLocationBox></geoLocation></geoLocations>\
        </resource></payload></oai_datacite></metadata></record>";
    let stub = Stub::start(move |asked| match (asked.parameter("verb").as_deref(), asked.parameter("metadataPrefix").as_deref()) {
        (Some("ListMetadataFormats"), _) => formats(&["oai_dc", "marcxml", "oai_datacite"]),
        (_, Some("oai_datacite")) => list(datacite, ""),
        _ => status(404),
    })
    .await;
    let outcome = harvest(OaiPmh, &stub, "/oai").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 1 });
    let draft = &outcome.records[0].draft;
    assert_eq!((draft.title.as_str(), draft.title_en.as_deref(), draft.description.as_str()), ("雨量", Some("Rain"), "観測値"));
    assert_eq!(
        (draft.licence.as_deref(), draft.version.as_deref(), draft.issued.unwrap().to_string().as_str()),
        (Some("CC-BY-4.0"), Some("1.2"), "2023-05-01")
    );
    assert_eq!(draft.landing_page.as_deref(), Some("https://doi.org/10.1234/abc"));
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.0, 34.0, 133.0, 35.0]));
    assert_eq!(draft.temporal.as_ref().unwrap().end.unwrap().to_string(), "2022-12-31");

    let dcat = "<record><header><identifier>oai:e.jp:7</identifier></header><metadata><rdf:RDF><dcat:Dataset rdf:about=\"https://e.jp/7\"><dct:title>題</dct:title></dcat:Dataset></rdf:RDF></metadata></record>";
    let stub = Stub::start(move |asked| match (asked.parameter("verb").as_deref(), asked.parameter("metadataPrefix").as_deref()) {
        (Some("ListMetadataFormats"), _) => formats(&["oai_dc", "dcat_ap"]),
        // Namespaces declared at the top only.
        (_, Some("dcat_ap")) => xml(format!(
            "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:dcat=\"http://www.w3.org/ns/dcat#\" xmlns:dct=\"http://purl.org/dc/terms/\"><ListRecords>{dcat}</ListRecords></OAI-PMH>"
        )),
        _ => status(404),
    })
    .await;
    let outcome = harvest(OaiPmh, &stub, "/oai").await;
    assert_eq!(outcome.ids(), ["oai:e.jp:7"], "{:?}", outcome.failures);
    assert_eq!(outcome.records[0].draft.title, "題");
}

#[tokio::test]
async fn a_repository_that_fails_to_say_its_formats_is_not_read_in_another() {
    let repository = |answer: Answer| {
        Stub::start(move |asked| match asked.parameter("verb").as_deref() {
            Some("ListMetadataFormats") => answer.clone(),
            _ => well_behaved(asked, 2),
        })
    };
    for (fault, words) in [(status(503), "503"), (status(403), "403"), (html(), "web page"), (xml("<OAI-PMH><ListMeta"), "no whole XML")] {
        let stub = repository(fault).await;
        assert!(harvest(OaiPmh, &stub, "/oai").await.failed().contains(words), "{words}");
    }
    for unknown in [status(404), status(501), self::answer("<error code=\"badVerb\">x</error>")] {
        let stub = repository(unknown).await;
        assert_eq!(harvest(OaiPmh, &stub, "/oai").await.listing, Listing::Complete { total: 2 });
    }
}

#[tokio::test]
async fn deleted_records_are_withdrawn_and_count() {
    let deleted =
        "<record><header status=\"deleted\"><identifier>oai:e.jp:9</identifier><datestamp>2024-04-01</datestamp></header></record>";
    let stub = Stub::start(move |asked| match asked.parameter("verb").as_deref() {
        Some("ListMetadataFormats") => formats(&["oai_dc"]),
        _ => list(&format!("{}{deleted}", record(1)), "<resumptionToken completeListSize=\"2\" cursor=\"0\"/>"),
    })
    .await;
    let outcome = harvest(OaiPmh, &stub, "/oai").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 2 });
    assert_eq!(outcome.withdrawn, [("oai:e.jp:9".to_owned(), Withdrawal::Deleted)]);
}

#[tokio::test]
async fn bad_records_are_named_and_the_next_follow() {
    let nameless = record_with("", "<dc:title>題</dc:title>");
    let untitled = record_with("oai:e.jp:8", "<dc:description>説明</dc:description>");
    let records = format!("{}{nameless}{untitled}{}", record(1), record(2));
    let stub = Stub::start(move |asked| match asked.parameter("verb").as_deref() {
        Some("ListMetadataFormats") => formats(&["oai_dc"]),
        _ => list(&records, ""),
    })
    .await;
    let outcome = harvest(OaiPmh, &stub, "/oai").await;
    assert_eq!(outcome.ids(), ["oai:e.jp:1", "oai:e.jp:2"]);
    let failed: Vec<_> = outcome.failures.iter().map(|failure| (failure.remote_id.as_deref(), failure.position.as_str())).collect();
    assert_eq!(failed, [(None, "ListRecords page 1 #2"), (Some("oai:e.jp:8"), "ListRecords page 1 #3")]);
    assert!(outcome.failures[1].cause.en.contains("title") && outcome.failures[1].raw.as_ref().unwrap().contains("説明"));
    assert!(outcome.incomplete().contains("no id"));
}

#[tokio::test]
async fn unchanged_records_have_the_same_hash() {
    let stub = repository(3).await;
    let hashes = |outcome: crate::stub::Outcome| outcome.records.iter().map(|record| content_hash(&record.draft)).collect::<Vec<_>>();
    let (first, second) = (hashes(harvest(OaiPmh, &stub, "/oai").await), hashes(harvest(OaiPmh, &stub, "/oai").await));
    assert_eq!(first, second);
    assert_ne!(first[0], first[1]);
}

/// The first page is fine and promises three records; the second is `second`.
async fn broken_second_page(second: impl Fn() -> Answer + Send + Sync + 'static) -> crate::stub::Outcome {
    let stub = Stub::start(move |asked| match (asked.parameter("verb").as_deref(), asked.parameter("resumptionToken")) {
        (Some("ListMetadataFormats"), _) => formats(&["oai_dc"]),
        (_, None) => list(&(record(1) + &record(2)), "<resumptionToken completeListSize=\"3\">t1</resumptionToken>"),
        _ => second(),
    })
    .await;
    harvest(OaiPmh, &stub, "/oai").await
}

#[tokio::test]
async fn faults_on_a_later_page_are_no_end() {
    let token = |token: &str| format!("<resumptionToken completeListSize=\"3\">{token}</resumptionToken>");
    assert!(broken_second_page(|| status(500)).await.incomplete_with(2).contains("500"));
    assert!(broken_second_page(html).await.incomplete().contains("web page"));
    assert!(broken_second_page(|| xml("<OAI-PMH><ListRecords><record><header>")).await.incomplete().contains("no whole XML"));
    assert!(broken_second_page(|| answer("<error code=\"badResumptionToken\">expired</error>")).await.incomplete().contains("expired"));
    assert!(broken_second_page(|| answer("<error code=\"noRecordsMatch\"/>")).await.incomplete().contains("no records"));
    assert!(broken_second_page(|| list("", "")).await.incomplete().contains("3 records, but 2"), "the list's own size was not met");
    assert!(broken_second_page(move || list("", &token("t2"))).await.incomplete().contains("holds no records"));
    assert!(broken_second_page(move || list(&record(3), &token("t1"))).await.incomplete_with(3).contains("never ends"));
    assert!(broken_second_page(move || list(&(record(1) + &record(2)), &token("t2"))).await.incomplete().contains("repeats"));
    assert!(
        broken_second_page(|| list(&record(3), "<resumptionToken completeListSize=\"1\"/>"))
            .await
            .incomplete_with(3)
            .contains("fell from 3 to 1")
    );
}

#[tokio::test]
async fn a_token_too_many_is_an_end_when_all_was_read() {
    for last in [answer("<error code=\"noRecordsMatch\"/>"), list("", "<resumptionToken completeListSize=\"2\">t2</resumptionToken>")] {
        let stub = Stub::start(move |asked| match (asked.parameter("verb").as_deref(), asked.parameter("resumptionToken")) {
            (Some("ListMetadataFormats"), _) => formats(&["oai_dc"]),
            (_, None) => list(&(record(1) + &record(2)), "<resumptionToken completeListSize=\"2\">t1</resumptionToken>"),
            _ => last.clone(),
        })
        .await;
        assert_eq!(harvest(OaiPmh, &stub, "/oai").await.listing, Listing::Complete { total: 2 });
    }
}

#[tokio::test]
async fn endless_lists_stop_at_the_limit() {
    let stub = Stub::start(|asked| match asked.parameter("verb").as_deref() {
        Some("ListMetadataFormats") => formats(&["oai_dc"]),
        _ => {
            let n: usize = asked.parameter("resumptionToken").map_or(0, |token| token.parse().unwrap());
            list(&record(n), &format!("<resumptionToken>{}</resumptionToken>", n + 1))
        }
    })
    .await;
    let outcome = harvest(OaiPmh, &stub, "/oai").await;
    assert!(outcome.incomplete().contains("more than 50 pages"));
    assert_eq!(outcome.records.len(), 50);
}

#[tokio::test]
async fn an_empty_or_refused_list_is_never_complete() {
    for (content, words) in [
        ("<error code=\"noRecordsMatch\">none</error>", "no records"),
        ("<error code=\"badArgument\">set</error>", "refused"),
        ("<error code=\"noSetHierarchy\"/>", "no sets"),
        ("<ListRecords/>", "no datasets"),
        ("<Identify/>", "no ListRecords"),
    ] {
        let stub = Stub::start(move |asked| match asked.parameter("verb").as_deref() {
            Some("ListMetadataFormats") => formats(&["oai_dc"]),
            _ => answer(content),
        })
        .await;
        assert!(harvest(OaiPmh, &stub, "/oai").await.failed().contains(words), "{content}");
    }
    let stub = Stub::start(|_| html()).await;
    assert!(harvest(OaiPmh, &stub, "/oai").await.failed().contains("web page"));
}

/// Answered with 200, and all the same no word on what the repository offers: in another format every record would look changed.
#[tokio::test]
async fn formats_that_could_not_be_read_are_not_guessed() {
    for content in ["<error>java.sql.SQLException: no connection</error>", "<error code=\"badArgument\">verb</error>", ""] {
        let stub = Stub::start(move |asked| match asked.parameter("verb").as_deref() {
            Some("ListMetadataFormats") => answer(content),
            _ => answer(&format!("<ListRecords>{}</ListRecords>", record(1))),
        })
        .await;
        assert!(harvest(OaiPmh, &stub, "/oai").await.failed().contains("ListMetadataFormats"), "{content}");
    }
}

#[tokio::test]
async fn other_encodings_are_read_by_declaration_and_bytes() {
    for (declared, encoding) in [("Shift_JIS", encoding_rs::SHIFT_JIS), ("EUC-JP", encoding_rs::EUC_JP), ("UTF-8", encoding_rs::SHIFT_JIS)]
    {
        let body = format!("<?xml version=\"1.0\" encoding=\"{declared}\"?><OAI-PMH><ListRecords>{}</ListRecords></OAI-PMH>", record(1));
        let body = encoding.encode(&body).0.into_owned();
        let stub = Stub::start(move |asked| match asked.parameter("verb").as_deref() {
            Some("ListMetadataFormats") => formats(&["oai_dc"]),
            _ => ok("text/xml", body.clone()),
        })
        .await;
        assert_eq!(harvest(OaiPmh, &stub, "/oai").await.records[0].draft.title, "資料1", "{declared}");
    }
}
