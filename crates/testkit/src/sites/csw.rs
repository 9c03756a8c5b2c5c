//! OGC CSW 2.0.2 with ISO 19139 records, as catalogs of spatial data answer it over URLs.

use serde_json::{Map, Value};

use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, FixtureFile, escape_xml};

/// Most records in one answer.
const RECORDS_MAX: usize = 5;
const GMD: &str = "http://www.isotc211.org/2005/gmd";
const CODES: &str = "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml";
const NAMESPACES: &str = "xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\" xmlns:ows=\"http://www.opengis.net/ows\" \
    xmlns:gmd=\"http://www.isotc211.org/2005/gmd\" xmlns:gco=\"http://www.isotc211.org/2005/gco\" xmlns:gmx=\"http://www.isotc211.org/2005/gmx\" \
    xmlns:gml=\"http://www.opengis.net/gml\" xmlns:xlink=\"http://www.w3.org/1999/xlink\"";

/// The answer to `/csw?service=CSW&request=…`. Names of parameters are read without regard to case.
pub(super) fn answer(catalog: &Catalog<'_>, parameters: &Map<String, Value>) -> Answer {
    let text = |name: &str| {
        parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let body = match text("request").to_ascii_lowercase().as_str() {
        "getcapabilities" => capabilities(catalog),
        "getrecords" => match records(catalog, text) {
            Ok(body) => body,
            Err((code, locator)) => return exception(code, locator),
        },
        "getrecordbyid" => {
            let found = catalog.datasets.iter().find(|dataset| dataset.id == text("id")).map(|dataset| metadata(catalog, dataset));
            format!("<csw:GetRecordByIdResponse {NAMESPACES}>{}</csw:GetRecordByIdResponse>", found.unwrap_or_default())
        }
        "" => return exception("MissingParameterValue", "request"),
        _ => return exception("OperationNotSupported", "request"),
    };
    xml(200, &body)
}

fn xml(status: u16, body: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n").into_bytes();
    Answer { status, media_type: "application/xml; charset=utf-8", body, attachment: None }
}

fn exception(code: &str, locator: &str) -> Answer {
    xml(
        400,
        &format!(
            "<ows:ExceptionReport xmlns:ows=\"http://www.opengis.net/ows\" version=\"1.2.0\" language=\"ja\"><ows:Exception exceptionCode=\"{code}\" \
             locator=\"{locator}\"><ows:ExceptionText>{locator}</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
        ),
    )
}

fn capabilities(catalog: &Catalog<'_>) -> String {
    let operations: String = ["GetCapabilities", "GetRecords", "GetRecordById"]
        .iter()
        .map(|name| {
            format!(
                "<ows:Operation name=\"{name}\"><ows:DCP><ows:HTTP><ows:Get xlink:href=\"{}/csw\"/></ows:HTTP></ows:DCP></ows:Operation>",
                catalog.base
            )
        })
        .collect();
    format!(
        "<csw:Capabilities {NAMESPACES} version=\"2.0.2\"><ows:ServiceIdentification><ows:Title>{}地理空間データ</ows:Title><ows:ServiceType>CSW</ows:ServiceType>\
         <ows:ServiceTypeVersion>2.0.2</ows:ServiceTypeVersion></ows:ServiceIdentification><ows:OperationsMetadata>{operations}</ows:OperationsMetadata></csw:Capabilities>",
        catalog.municipality.name
    )
}

fn records<'t>(catalog: &Catalog<'_>, text: impl Fn(&str) -> &'t str) -> Result<String, (&'static str, &'static str)> {
    let number = |name: &'static str, usual: usize| match text(name) {
        "" => Ok(usual),
        text => text.parse().map_err(|_| ("InvalidParameterValue", name)),
    };
    let (start, most) = (number("startPosition", 1)?, number("maxRecords", 10)?.min(RECORDS_MAX));
    if !matches!(text("outputSchema"), "" | GMD) {
        return Err(("InvalidParameterValue", "outputSchema"));
    }
    if start == 0 {
        return Err(("InvalidParameterValue", "startPosition"));
    }
    let mut datasets: Vec<&FixtureDataset> = catalog.datasets.iter().filter(|dataset| !dataset.private).collect();
    if text("sortBy").starts_with("dc:identifier") {
        datasets.sort_by(|left, right| left.id.cmp(&right.id));
    }
    let matched = datasets.len();
    let page: Vec<String> = match text("resultType") {
        "results" => datasets.iter().skip(start - 1).take(most).map(|dataset| metadata(catalog, dataset)).collect(),
        // Only the number is asked for.
        _ => Vec::new(),
    };
    let next = if start - 1 + page.len() < matched { start + page.len() } else { 0 };
    Ok(format!(
        "<csw:GetRecordsResponse {NAMESPACES} version=\"2.0.2\"><csw:SearchStatus timestamp=\"2025-10-01T00:00:00\"/>\
         <csw:SearchResults numberOfRecordsMatched=\"{matched}\" numberOfRecordsReturned=\"{}\" nextRecord=\"{next}\" recordSchema=\"{GMD}\" \
         elementSet=\"full\">{}</csw:SearchResults></csw:GetRecordsResponse>",
        page.len(),
        page.concat()
    ))
}

fn characters(name: &str, value: &str) -> String {
    format!("<gmd:{name}><gco:CharacterString>{}</gco:CharacterString></gmd:{name}>", escape_xml(value))
}

fn code(property: &str, list: &str, value: &str) -> String {
    format!("<gmd:{property}><gmd:{list} codeList=\"{CODES}#{list}\" codeListValue=\"{value}\">{value}</gmd:{list}></gmd:{property}>")
}

fn day(value: &str, kind: &str) -> String {
    format!(
        "<gmd:date><gmd:CI_Date><gmd:date><gco:Date>{value}</gco:Date></gmd:date>{}</gmd:CI_Date></gmd:date>",
        code("dateType", "CI_DateTypeCode", kind)
    )
}

fn party(property: &str, dataset: &FixtureDataset, organisation: &str, role: &str) -> String {
    format!(
        "<gmd:{property}><gmd:CI_ResponsibleParty>{}<gmd:contactInfo><gmd:CI_Contact><gmd:phone><gmd:CI_Telephone>{}</gmd:CI_Telephone></gmd:phone>\
         <gmd:address><gmd:CI_Address>{}</gmd:CI_Address></gmd:address></gmd:CI_Contact></gmd:contactInfo>{}</gmd:CI_ResponsibleParty></gmd:{property}>",
        characters("organisationName", organisation),
        characters("voice", &dataset.contact_telephone),
        characters("electronicMailAddress", &dataset.contact_email),
        code("role", "CI_RoleCode", role)
    )
}

fn online(address: &str, protocol: &str, name: &str, description: &str, function: &str) -> String {
    format!(
        "<gmd:onLine><gmd:CI_OnlineResource><gmd:linkage><gmd:URL>{}</gmd:URL></gmd:linkage>{}{}{}{}</gmd:CI_OnlineResource></gmd:onLine>",
        escape_xml(address),
        characters("protocol", protocol),
        characters("name", name),
        characters("description", description),
        code("function", "CI_OnLineFunctionCode", function)
    )
}

fn metadata(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> String {
    let municipality = catalog.municipality;
    let keywords: String = dataset.keywords.iter().map(|word| characters("keyword", word)).collect();
    let degrees = |name: &str, value: f64| format!("<gmd:{name}><gco:Decimal>{value}</gco:Decimal></gmd:{name}>");
    let [west, south, east, north] = dataset.bbox;
    let bounds = [
        degrees("westBoundLongitude", west),
        degrees("eastBoundLongitude", east),
        degrees("southBoundLatitude", south),
        degrees("northBoundLatitude", north),
    ]
    .concat();
    let period = dataset.temporal.map(|(start, end)| {
        format!(
            "<gmd:temporalElement><gmd:EX_TemporalExtent><gmd:extent><gml:TimePeriod gml:id=\"t-{}\"><gml:beginPosition>{start}</gml:beginPosition>\
             <gml:endPosition>{end}</gml:endPosition></gml:TimePeriod></gmd:extent></gmd:EX_TemporalExtent></gmd:temporalElement>",
            dataset.id
        )
    });
    let files: String = dataset.files.iter().map(|file| file_of(catalog, file)).collect();
    let formats: String = dataset
        .files
        .iter()
        .map(|file| {
            format!("<gmd:distributionFormat><gmd:MD_Format>{}</gmd:MD_Format></gmd:distributionFormat>", characters("name", &file.format))
        })
        .collect();
    [
        format!("<gmd:MD_Metadata {NAMESPACES}>"),
        characters("fileIdentifier", &dataset.id),
        code("language", "LanguageCode", "jpn"),
        code("characterSet", "MD_CharacterSetCode", "utf8"),
        code("hierarchyLevel", "MD_ScopeCode", "dataset"),
        party("contact", dataset, &municipality.full_name(), "pointOfContact"),
        format!("<gmd:dateStamp><gco:DateTime>{}</gco:DateTime></gmd:dateStamp>", dataset.modified.format("%Y-%m-%dT%H:%M:%S")),
        characters("metadataStandardName", "ISO 19115:2003/19139"),
        "<gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation><gmd:CI_Citation>".to_owned(),
        characters("title", &dataset.title),
        day(&dataset.issued.to_string(), "publication"),
        day(&dataset.modified.date().to_string(), "revision"),
        format!("<gmd:identifier><gmd:MD_Identifier>{}</gmd:MD_Identifier></gmd:identifier>", characters("code", &dataset.identifier)),
        "</gmd:CI_Citation></gmd:citation>".to_owned(),
        characters("abstract", &dataset.description),
        party("pointOfContact", dataset, &dataset.contact_name, "pointOfContact"),
        format!(
            "<gmd:resourceMaintenance><gmd:MD_MaintenanceInformation>{}</gmd:MD_MaintenanceInformation></gmd:resourceMaintenance>",
            code("maintenanceAndUpdateFrequency", "MD_MaintenanceFrequencyCode", maintenance(&dataset.frequency))
        ),
        format!("<gmd:descriptiveKeywords><gmd:MD_Keywords>{keywords}</gmd:MD_Keywords></gmd:descriptiveKeywords>"),
        format!(
            "<gmd:resourceConstraints><gmd:MD_LegalConstraints>{}{}</gmd:MD_LegalConstraints></gmd:resourceConstraints>",
            code("useConstraints", "MD_RestrictionCode", "otherRestrictions"),
            characters("otherConstraints", &dataset.licence_text)
        ),
        code("language", "LanguageCode", "jpn"),
        "<gmd:extent><gmd:EX_Extent>".to_owned(),
        characters("description", &dataset.spatial),
        format!("<gmd:geographicElement><gmd:EX_GeographicBoundingBox>{bounds}</gmd:EX_GeographicBoundingBox></gmd:geographicElement>"),
        period.unwrap_or_default(),
        "</gmd:EX_Extent></gmd:extent></gmd:MD_DataIdentification></gmd:identificationInfo><gmd:distributionInfo><gmd:MD_Distribution>"
            .to_owned(),
        formats,
        "<gmd:transferOptions><gmd:MD_DigitalTransferOptions>".to_owned(),
        online(&catalog.page_url(&dataset.name), "WWW:LINK-1.0-http--link", &dataset.title, "", "information"),
        files,
        "</gmd:MD_DigitalTransferOptions></gmd:transferOptions></gmd:MD_Distribution></gmd:distributionInfo></gmd:MD_Metadata>".to_owned(),
    ]
    .concat()
}

fn file_of(catalog: &Catalog<'_>, file: &FixtureFile) -> String {
    online(&catalog.file_url(&file.name), "WWW:DOWNLOAD-1.0-http--download", &file.name, &file.title, "download")
}

fn maintenance(frequency: &str) -> &'static str {
    match frequency {
        "continuous" => "continual",
        "daily" => "daily",
        "weekly" => "weekly",
        "biweekly" => "fortnightly",
        "monthly" => "monthly",
        "quarterly" => "quarterly",
        "semiannual" => "biannually",
        "annual" => "annually",
        "irregular" => "irregular",
        "as-needed" => "asNeeded",
        _ => "unknown",
    }
}
