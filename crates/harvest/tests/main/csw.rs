use minato_catalog::HarvestKind::Csw;
use minato_catalog::{Vocabulary, jst_day};
use minato_harvest::{Listing, content_hash};

use crate::stub::{Answer, Asked, Stub, harvest, html, ok, status};

const NAMESPACES: &str = "xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\" xmlns:gmd=\"http://www.isotc211.org/2005/gmd\" xmlns:gco=\"http://www.isotc211.org/2005/gco\" \
    xmlns:gmx=\"http://www.isotc211.org/2005/gmx\" xmlns:gml=\"http://www.opengis.net/gml\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
    xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dct=\"http://purl.org/dc/terms/\" xmlns:ows=\"http://www.opengis.net/ows\"";

fn results(matched: usize, next: usize, records: &str) -> Answer {
    ok(
        "application/xml",
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><csw:GetRecordsResponse {NAMESPACES}><csw:SearchStatus timestamp=\"2024-04-01T00:00:00\"/>\
             <csw:SearchResults numberOfRecordsMatched=\"{matched}\" numberOfRecordsReturned=\"1\" elementSet=\"full\" nextRecord=\"{next}\">{records}</csw:SearchResults></csw:GetRecordsResponse>"
        ),
    )
}

fn exception(code: &str, locator: &str) -> Answer {
    ok(
        "application/xml",
        format!(
            "<ows:ExceptionReport xmlns:ows=\"http://www.opengis.net/ows\" version=\"1.2.0\"><ows:Exception exceptionCode=\"{code}\" locator=\"{locator}\">\
             <ows:ExceptionText>no such thing</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
        ),
    )
}

fn iso(n: usize) -> String {
    format!(
        "<gmd:MD_Metadata><gmd:fileIdentifier><gco:CharacterString>id-{n:04}</gco:CharacterString></gmd:fileIdentifier><gmd:identificationInfo><gmd:MD_DataIdentification>\
         <gmd:citation><gmd:CI_Citation><gmd:title><gco:CharacterString>地図{n}</gco:CharacterString></gmd:title></gmd:CI_Citation></gmd:citation>\
         </gmd:MD_DataIdentification></gmd:identificationInfo></gmd:MD_Metadata>"
    )
}

fn paged(asked: &Asked, count: usize, rows: usize) -> Answer {
    let start: usize = asked.parameter("startPosition").unwrap().parse().unwrap();
    let records: String = (start..(start + rows).min(count + 1)).map(iso).collect();
    results(count, if start + rows > count { 0 } else { start + rows }, &records)
}

#[tokio::test]
async fn all_pages_are_read_in_a_steady_order() {
    let stub = Stub::start(|asked| paged(asked, 7, 3)).await;
    let outcome = harvest(Csw, &stub, "/csw?map=a.map&SERVICE=CSW&request=GetCapabilities").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 7 });
    assert_eq!(outcome.ids()[6], "id-0007");
    let asked = stub.asked();
    let first = &asked[0];
    let parameter = |name: &str| first.parameter(name).unwrap();
    assert_eq!(asked.len(), 3);
    assert_eq!(
        (parameter("map").as_str(), parameter("request").as_str(), parameter("resultType").as_str()),
        ("a.map", "GetRecords", "results")
    );
    assert_eq!(
        (parameter("typeNames").as_str(), parameter("outputSchema").as_str()),
        ("gmd:MD_Metadata", "http://www.isotc211.org/2005/gmd")
    );
    assert_eq!((parameter("sortBy").as_str(), parameter("maxRecords").as_str()), ("dc:identifier:A", "100"));
    assert!(first.parameter("SERVICE").is_none(), "{}", first.target());
    assert!(outcome.records[0].remote_url.as_ref().unwrap().contains("request=GetRecordById"));
}

const FULL: &str = r##"<gmd:MD_Metadata>
<gmd:fileIdentifier><gco:CharacterString>abc</gco:CharacterString></gmd:fileIdentifier>
<gmd:language><gmd:LanguageCode codeList="x" codeListValue="jpn"/></gmd:language>
<gmd:hierarchyLevel><gmd:MD_ScopeCode codeList="x" codeListValue="series"/></gmd:hierarchyLevel>
<gmd:contact><gmd:CI_ResponsibleParty><gmd:organisationName><gco:CharacterString>メタデータ係</gco:CharacterString></gmd:organisationName></gmd:CI_ResponsibleParty></gmd:contact>
<gmd:dateStamp><gco:DateTime>2030-01-01T00:00:00</gco:DateTime></gmd:dateStamp>
<gmd:identificationInfo><gmd:MD_DataIdentification>
 <gmd:citation><gmd:CI_Citation>
  <gmd:title><gco:CharacterString>土砂災害警戒区域</gco:CharacterString><gmd:PT_FreeText><gmd:textGroup><gmd:LocalisedCharacterString locale="#locale-eng">Landslide areas</gmd:LocalisedCharacterString></gmd:textGroup></gmd:PT_FreeText></gmd:title>
  <gmd:date><gmd:CI_Date><gmd:date><gco:Date>2020-04-01</gco:Date></gmd:date><gmd:dateType><gmd:CI_DateTypeCode codeListValue="publication"/></gmd:dateType></gmd:CI_Date></gmd:date>
  <gmd:date><gmd:CI_Date><gmd:date><gco:Date>2023-05-06</gco:Date></gmd:date><gmd:dateType><gmd:CI_DateTypeCode codeListValue="revision"/></gmd:dateType></gmd:CI_Date></gmd:date>
  <gmd:edition><gco:CharacterString>3</gco:CharacterString></gmd:edition>
  <gmd:identifier><gmd:MD_Identifier><gmd:code><gco:CharacterString>SABO-1</gco:CharacterString></gmd:code></gmd:MD_Identifier></gmd:identifier>
 </gmd:CI_Citation></gmd:citation>
 <gmd:abstract><gco:CharacterString>県内の&lt;b&gt;区域&lt;/b&gt;です。</gco:CharacterString></gmd:abstract>
 <gmd:pointOfContact><gmd:CI_ResponsibleParty><gmd:organisationName><gco:CharacterString>砂防課</gco:CharacterString></gmd:organisationName>
  <gmd:contactInfo><gmd:CI_Contact><gmd:phone><gmd:CI_Telephone><gmd:voice><gco:CharacterString>082-000-0000</gco:CharacterString></gmd:voice></gmd:CI_Telephone></gmd:phone>
  <gmd:address><gmd:CI_Address><gmd:electronicMailAddress><gco:CharacterString>sabo@example.jp</gco:CharacterString></gmd:electronicMailAddress></gmd:CI_Address></gmd:address></gmd:CI_Contact></gmd:contactInfo>
  <gmd:role><gmd:CI_RoleCode codeListValue="pointOfContact"/></gmd:role></gmd:CI_ResponsibleParty></gmd:pointOfContact>
 <gmd:pointOfContact><gmd:CI_ResponsibleParty><gmd:organisationName><gco:CharacterString>広島県</gco:CharacterString></gmd:organisationName><gmd:role><gmd:CI_RoleCode codeListValue="owner"/></gmd:role></gmd:CI_ResponsibleParty></gmd:pointOfContact>
 <gmd:resourceMaintenance><gmd:MD_MaintenanceInformation><gmd:maintenanceAndUpdateFrequency><gmd:MD_MaintenanceFrequencyCode codeListValue="biannually"/></gmd:maintenanceAndUpdateFrequency></gmd:MD_MaintenanceInformation></gmd:resourceMaintenance>
 <gmd:descriptiveKeywords><gmd:MD_Keywords><gmd:keyword><gco:CharacterString>砂防</gco:CharacterString></gmd:keyword><gmd:keyword><gmx:Anchor xlink:href="https://e.jp/k">土砂災害</gmx:Anchor></gmd:keyword></gmd:MD_Keywords></gmd:descriptiveKeywords>
 <gmd:resourceConstraints><gmd:MD_LegalConstraints><gmd:accessConstraints><gmd:MD_RestrictionCode codeListValue="otherRestrictions"/></gmd:accessConstraints><gmd:otherConstraints><gco:CharacterString>制限なし</gco:CharacterString></gmd:otherConstraints></gmd:MD_LegalConstraints></gmd:resourceConstraints>
 <gmd:resourceConstraints><gmd:MD_LegalConstraints><gmd:useConstraints><gmd:MD_RestrictionCode codeListValue="license"/></gmd:useConstraints><gmd:otherConstraints><gmx:Anchor xlink:href="https://creativecommons.org/licenses/by/4.0/">表示</gmx:Anchor></gmd:otherConstraints></gmd:MD_LegalConstraints></gmd:resourceConstraints>
 <gmd:spatialResolution><gmd:MD_Resolution><gmd:equivalentScale><gmd:MD_RepresentativeFraction><gmd:denominator><gco:Integer>2500</gco:Integer></gmd:denominator></gmd:MD_RepresentativeFraction></gmd:equivalentScale></gmd:MD_Resolution></gmd:spatialResolution>
 <gmd:topicCategory><gmd:MD_TopicCategoryCode>environment</gmd:MD_TopicCategoryCode></gmd:topicCategory>
 <gmd:extent><gmd:EX_Extent><gmd:description><gco:CharacterString>広島県</gco:CharacterString></gmd:description>
  <gmd:geographicElement><gmd:EX_GeographicBoundingBox><gmd:westBoundLongitude><gco:Decimal>132.0</gco:Decimal></gmd:westBoundLongitude><gmd:eastBoundLongitude><gco:Decimal>133.5</gco:Decimal></gmd:eastBoundLongitude><gmd:southBoundLatitude><gco:Decimal>34.0</gco:Decimal></gmd:southBoundLatitude><gmd:northBoundLatitude><gco:Decimal>35.1</gco:Decimal></gmd:northBoundLatitude></gmd:EX_GeographicBoundingBox></gmd:geographicElement>
  <gmd:temporalElement><gmd:EX_TemporalExtent><gmd:extent><gml:TimePeriod gml:id="t"><gml:beginPosition>2019</gml:beginPosition><gml:endPosition>2022-03</gml:endPosition></gml:TimePeriod></gmd:extent></gmd:EX_TemporalExtent></gmd:temporalElement></gmd:EX_Extent></gmd:extent>
</gmd:MD_DataIdentification></gmd:identificationInfo>
<gmd:distributionInfo><gmd:MD_Distribution>
 <gmd:distributionFormat><gmd:MD_Format><gmd:name><gco:CharacterString>ESRI Shapefile</gco:CharacterString></gmd:name></gmd:MD_Format></gmd:distributionFormat>
 <gmd:transferOptions><gmd:MD_DigitalTransferOptions>
  <gmd:onLine><gmd:CI_OnlineResource><gmd:linkage><gmd:URL>https://e.jp/sabo</gmd:URL></gmd:linkage><gmd:protocol><gco:CharacterString>WWW:LINK-1.0-http--link</gco:CharacterString></gmd:protocol><gmd:function><gmd:CI_OnLineFunctionCode codeListValue="information"/></gmd:function></gmd:CI_OnlineResource></gmd:onLine>
  <gmd:onLine><gmd:CI_OnlineResource><gmd:linkage><gmd:URL>https://e.jp/wms?x=1&amp;y=2</gmd:URL></gmd:linkage><gmd:protocol><gco:CharacterString>OGC:WMS-1.3.0-http-get-map</gco:CharacterString></gmd:protocol><gmd:name><gco:CharacterString>layer</gco:CharacterString></gmd:name></gmd:CI_OnlineResource></gmd:onLine>
  <gmd:onLine><gmd:CI_OnlineResource><gmd:linkage><gmd:URL>https://e.jp/get/1</gmd:URL></gmd:linkage><gmd:protocol><gco:CharacterString>WWW:DOWNLOAD-1.0-http--download</gco:CharacterString></gmd:protocol><gmd:name><gmx:MimeFileType type="application/zip">区域.zip</gmx:MimeFileType></gmd:name><gmd:description><gco:CharacterString>全域</gco:CharacterString></gmd:description></gmd:CI_OnlineResource></gmd:onLine>
 </gmd:MD_DigitalTransferOptions></gmd:transferOptions>
</gmd:MD_Distribution></gmd:distributionInfo>
<gmd:dataQualityInfo><gmd:DQ_DataQuality><gmd:lineage><gmd:LI_Lineage><gmd:statement><gco:CharacterString>航空写真から作成</gco:CharacterString></gmd:statement></gmd:LI_Lineage></gmd:lineage></gmd:DQ_DataQuality></gmd:dataQualityInfo>
</gmd:MD_Metadata>"##;

#[tokio::test]
async fn every_field_finds_its_place() {
    let stub = Stub::start(|_| results(1, 0, FULL)).await;
    let outcome = harvest(Csw, &stub, "/csw").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 1 }, "{:?}", outcome.failures);
    let record = &outcome.records[0];
    let draft = &record.draft;
    assert_eq!(record.remote_id, "abc");
    assert_eq!(
        (draft.title.as_str(), draft.title_en.as_deref(), draft.description.as_str()),
        ("土砂災害警戒区域", Some("Landslide areas"), "県内の区域です。")
    );
    assert_eq!(
        (draft.identifier.as_deref(), draft.version.as_deref(), draft.landing_page.as_deref()),
        (Some("SABO-1"), Some("3"), Some("https://e.jp/sabo"))
    );
    assert_eq!(
        (draft.issued.unwrap().to_string(), draft.modified.map(jst_day).unwrap().to_string()),
        ("2020-04-01".to_owned(), "2023-05-06".to_owned())
    );
    assert_eq!(
        (draft.keywords.clone(), draft.themes.clone()),
        (vec!["砂防".to_owned(), "土砂災害".to_owned()], vec!["gr_1400".to_owned()])
    );
    assert_eq!((draft.licence.as_deref(), draft.licence_text.as_deref()), (Some("CC-BY-4.0"), None));
    let contact = draft.contact_point.as_ref().unwrap();
    assert_eq!(
        (contact.name.as_deref(), contact.email.as_deref(), contact.telephone.as_deref()),
        (Some("砂防課"), Some("sabo@example.jp"), Some("082-000-0000"))
    );
    assert_eq!((draft.accrual_periodicity.as_deref(), draft.language.as_slice()), (Some("semiannual"), ["ja".to_owned()].as_slice()));
    let spatial = draft.spatial.as_ref().unwrap();
    assert_eq!((spatial.label.as_deref(), spatial.bbox), (Some("広島県"), Some([132.0, 34.0, 133.5, 35.1])));
    let temporal = draft.temporal.as_ref().unwrap();
    assert_eq!(
        (temporal.start.unwrap().to_string(), temporal.end.unwrap().to_string()),
        ("2019-01-01".to_owned(), "2022-03-31".to_owned())
    );
    let extra = |key: &str| draft.extras[key].as_str();
    assert_eq!((extra("publisher_name"), extra("access_rights"), extra("scale")), ("広島県", "制限なし", "2500"));
    assert_eq!((extra("lineage"), extra("hierarchy_level"), extra("format")), ("航空写真から作成", "series", "ESRI Shapefile"));
    let [wms, file] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(
        (wms.access_url.as_deref(), wms.download_url.as_deref(), wms.format.as_deref()),
        (Some("https://e.jp/wms?x=1&y=2"), None, Some("WMS"))
    );
    assert_eq!(
        (file.download_url.as_deref(), file.media_type.as_deref(), file.title.as_str(), file.description.as_str()),
        (Some("https://e.jp/get/1"), Some("application/zip"), "区域.zip", "全域")
    );
    assert_eq!(draft.check(&Vocabulary::built_in()), []);
    assert!(record.raw.starts_with("<gmd:MD_Metadata>"));
    let second = harvest(Csw, &stub, "/csw").await;
    assert_eq!(content_hash(draft), content_hash(&second.records[0].draft));
}

#[tokio::test]
async fn the_japanese_profile_is_read_over_left_out_levels() {
    let record = "<jmp:MD_Metadata xmlns:jmp=\"http://zgate.gsi.go.jp/ch/jmp/\"><jmp:fileIdentifier>jmp-1</jmp:fileIdentifier><jmp:identificationInfo><jmp:MD_DataIdentification>\
        <jmp:citation><jmp:title>数値地図</jmp:title><jmp:date><jmp:date>1999-04-01</jmp:date><jmp:dateType>002</jmp:dateType></jmp:date></jmp:citation><jmp:abstract>標高</jmp:abstract>\
        <jmp:topicCategory>006</jmp:topicCategory><jmp:extent><jmp:geographicElement><jmp:EX_GeographicBoundingBox><jmp:westBoundLongitude>132</jmp:westBoundLongitude>\
        <jmp:eastBoundLongitude>133</jmp:eastBoundLongitude><jmp:southBoundLatitude>34</jmp:southBoundLatitude><jmp:northBoundLatitude>35</jmp:northBoundLatitude></jmp:EX_GeographicBoundingBox></jmp:geographicElement></jmp:extent>\
        </jmp:MD_DataIdentification></jmp:identificationInfo></jmp:MD_Metadata>";
    let stub = Stub::start(move |_| results(1, 0, record)).await;
    let outcome = harvest(Csw, &stub, "/csw").await;
    let draft = &outcome.records[0].draft;
    assert_eq!((outcome.ids(), draft.title.as_str(), draft.description.as_str()), (vec!["jmp-1"], "数値地図", "標高"));
    assert_eq!((draft.issued.unwrap().to_string().as_str(), draft.themes.as_slice()), ("1999-04-01", ["gr_0100".to_owned()].as_slice()));
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.0, 34.0, 133.0, 35.0]));
}

#[tokio::test]
async fn what_is_refused_is_asked_for_in_another_way() {
    let record = "<csw:Record><dc:identifier>r1</dc:identifier><dc:title>題</dc:title><dct:abstract>説明</dct:abstract><dc:subject>防災</dc:subject><dct:modified>2024-01-02</dct:modified>\
        <dct:references scheme=\"WWW:DOWNLOAD-1.0-http--download\">https://e.jp/a.zip</dct:references><dct:references scheme=\"OGC:WMS\">https://e.jp/wms</dct:references>\
        <dct:references scheme=\"image/png\">https://e.jp/thumb.png</dct:references>\
        <ows:BoundingBox crs=\"urn:ogc:def:crs:EPSG:6.11:4326\"><ows:LowerCorner>34 132</ows:LowerCorner><ows:UpperCorner>35 133</ows:UpperCorner></ows:BoundingBox></csw:Record>";
    let stub = Stub::start(move |asked| {
        if asked.parameter("sortBy").is_some() {
            return exception("InvalidParameterValue", "sortby");
        }
        if asked.parameter("outputSchema").unwrap().contains("gmd") {
            return Answer { status: 400, ..exception("InvalidParameterValue", "outputSchema") };
        }
        results(1, 0, record)
    })
    .await;
    let outcome = harvest(Csw, &stub, "/csw").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 1 });
    let draft = &outcome.records[0].draft;
    assert_eq!(
        (draft.title.as_str(), draft.description.as_str(), draft.keywords.as_slice()),
        ("題", "説明", ["防災".to_owned()].as_slice())
    );
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-01-02");
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.0, 34.0, 133.0, 35.0]));
    let [file, wms] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!((file.download_url.as_deref(), file.format.as_deref()), (Some("https://e.jp/a.zip"), Some("ZIP")));
    assert_eq!((wms.access_url.as_deref(), wms.format.as_deref()), (Some("https://e.jp/wms"), Some("WMS")));
}

/// What a service says of itself: the schemas it answers in.
fn capabilities(schemas: &[&str]) -> Answer {
    let values: String = schemas.iter().map(|schema| format!("<ows:Value>{schema}</ows:Value>")).collect();
    ok(
        "application/xml",
        format!(
            "<csw:Capabilities {NAMESPACES} version=\"2.0.2\"><ows:OperationsMetadata><ows:Operation name=\"GetRecords\"><ows:Parameter name=\"outputSchema\">{values}\
             </ows:Parameter></ows:Operation></ows:OperationsMetadata></csw:Capabilities>"
        ),
    )
}

#[tokio::test]
async fn a_fault_with_iso_records_is_no_reason_to_take_poorer_ones() {
    const CSW: &str = "http://www.opengis.net/cat/csw/2.0.2";
    const GMD: &str = "http://www.isotc211.org/2005/gmd";
    let service = |fault: Answer, schemas: &'static [&'static str]| {
        Stub::start(move |asked| match (asked.parameter("request").as_deref(), asked.parameter("outputSchema")) {
            (Some("GetCapabilities"), _) if schemas.is_empty() => status(404),
            (Some("GetCapabilities"), _) => capabilities(schemas),
            (_, Some(schema)) if schema == GMD => fault.clone(),
            _ => results(1, 0, "<csw:Record><dc:identifier>r1</dc:identifier><dc:title>題</dc:title></csw:Record>"),
        })
    };
    for (fault, words) in [(status(500), "500"), (exception("NoApplicableCode", "database"), "NoApplicableCode")] {
        let stub = service(fault.clone(), &[CSW, GMD]).await;
        assert!(harvest(Csw, &stub, "/csw").await.failed().contains(words));
        for has_none in [&[CSW][..], &[]] {
            let stub = service(fault.clone(), has_none).await;
            assert_eq!(harvest(Csw, &stub, "/csw").await.listing, Listing::Complete { total: 1 }, "{has_none:?}");
        }
    }
    // A service that says that it does not give what it offers is believed.
    let stub = service(exception("InvalidParameterValue", "outputSchema"), &[CSW, GMD]).await;
    assert_eq!(harvest(Csw, &stub, "/csw").await.listing, Listing::Complete { total: 1 });
}

#[tokio::test]
async fn bad_records_are_named_and_the_next_follow() {
    let nameless = iso(2).replace("id-0002", "");
    let untitled = iso(3).replace("地図3", " ");
    let records = format!("{}{nameless}{untitled}<gmd:Other/>{}", iso(1), iso(5));
    let stub = Stub::start(move |_| results(5, 0, &records)).await;
    let outcome = harvest(Csw, &stub, "/csw").await;
    assert_eq!(outcome.ids(), ["id-0001", "id-0005"]);
    let failed: Vec<_> = outcome.failures.iter().map(|failure| (failure.remote_id.as_deref(), failure.position.as_str())).collect();
    assert_eq!(failed, [(None, "GetRecords #2"), (Some("id-0003"), "GetRecords #3"), (None, "GetRecords #4")]);
    assert!(outcome.failures[0].cause.en.contains("fileIdentifier") && outcome.failures[1].cause.en.contains("title"));
    assert!(outcome.incomplete().contains("no id"));
}

/// The first page brings two of `matched`; the second is `second`.
async fn broken_second_page(matched: usize, second: impl Fn() -> Answer + Send + Sync + 'static) -> crate::stub::Outcome {
    let stub = Stub::start(move |asked| match asked.parameter("startPosition").as_deref() {
        Some("1") => results(matched, 3, &(iso(1) + &iso(2))),
        _ => second(),
    })
    .await;
    harvest(Csw, &stub, "/csw").await
}

#[tokio::test]
async fn faults_on_a_later_page_are_no_end() {
    assert!(broken_second_page(4, || status(500)).await.incomplete_with(2).contains("500"));
    assert!(broken_second_page(4, html).await.incomplete_with(2).contains("web page"));
    assert!(broken_second_page(4, || exception("NoApplicableCode", "x")).await.incomplete_with(2).contains("no such thing"));
    assert!(
        broken_second_page(4, || ok("application/xml", "<csw:GetRecordsResponse xmlns:csw='x'><csw:SearchResults>"))
            .await
            .incomplete_with(2)
            .contains("no whole XML")
    );
    assert!(broken_second_page(4, || results(4, 3, "")).await.incomplete_with(2).contains("nothing came from number 3 on"));
    assert!(broken_second_page(4, || results(4, 5, &(iso(1) + &iso(2)))).await.incomplete_with(2).contains("4 records, but 2"));
    assert!(broken_second_page(9, || results(9, 5, &(iso(1) + &iso(2)))).await.incomplete_with(2).contains("repeats"));
    assert!(broken_second_page(9, || results(9, 3, &(iso(3) + &iso(4)))).await.incomplete_with(4).contains("never ends"));
    assert!(broken_second_page(9, || results(4, 0, &(iso(3) + &iso(4)))).await.incomplete_with(2).contains("fell from 9 to 4"));
    assert!(
        broken_second_page(9, || results(9, 0, &(iso(3) + &iso(4)))).await.incomplete_with(4).contains("9 records, but 4"),
        "an early end"
    );
}

#[tokio::test]
async fn endless_lists_stop_at_the_limit() {
    let stub = Stub::start(|asked| paged(asked, 1_000, 1)).await;
    assert!(harvest(Csw, &stub, "/csw").await.incomplete_with(50).contains("more than 50 pages"));
}

#[tokio::test]
async fn an_empty_or_refused_list_is_never_complete() {
    let stub = Stub::start(|_| results(0, 0, "")).await;
    assert!(harvest(Csw, &stub, "/csw").await.failed().contains("no records"));
    let stub = Stub::start(|_| exception("OperationNotSupported", "GetRecords")).await;
    assert!(harvest(Csw, &stub, "/csw").await.failed().contains("OperationNotSupported"));
    let stub = Stub::start(|_| ok("application/xml", "<csw:Capabilities xmlns:csw='x'/>")).await;
    assert!(harvest(Csw, &stub, "/csw").await.failed().contains("no SearchResults"));
    let stub =
        Stub::start(|_| ok("application/xml", format!("<r {NAMESPACES}><csw:SearchResults>{}</csw:SearchResults></r>", iso(1)))).await;
    assert!(harvest(Csw, &stub, "/csw").await.failed().contains("numberOfRecordsMatched"));
    let stub = Stub::start(|_| html()).await;
    assert!(harvest(Csw, &stub, "/csw").await.failed().contains("web page"));
}
