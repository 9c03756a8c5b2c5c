//! OAI-PMH 2.0 with Dublin Core, as repositories of libraries and archives answer it: lists in parts, deleted records kept for ever.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, Random, escape_xml};
use minato_catalog::{built_in_licences, built_in_themes};

/// Records in one part of a list.
const PART: usize = 4;
const SET: &str = "opendata";
/// What the repository counts from.
const EARLIEST: &str = "2019-04-01T00:00:00Z";

/// The answer to `/oai?verb=…`.
pub(super) fn answer(catalog: &Catalog<'_>, parameters: &Map<String, Value>) -> Answer {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
    let verb = text("verb");
    let content = match verb {
        "Identify" => Ok(identify(catalog)),
        "ListMetadataFormats" => Ok(FORMATS.to_owned()),
        "ListSets" => Ok(format!("<ListSets><set><setSpec>{SET}</setSpec><setName>オープンデータ</setName></set></ListSets>")),
        "ListRecords" | "ListIdentifiers" => list(catalog, verb, parameters),
        "GetRecord" => match entries(catalog).into_iter().find(|entry| entry.identifier == text("identifier")) {
            Some(entry) => Ok(format!("<GetRecord>{}</GetRecord>", entry.record(catalog))),
            None => Err(("idDoesNotExist", "no such record")),
        },
        _ => Err(("badVerb", "illegal OAI verb")),
    };
    let content = content.unwrap_or_else(|(code, words)| format!("<error code=\"{code}\">{words}</error>"));
    let known = if content.starts_with("<error code=\"badVerb\"") { String::new() } else { format!(" verb=\"{}\"", escape_xml(verb)) };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/ http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">\
         <responseDate>2025-10-01T00:00:00Z</responseDate><request{known}>{}/oai</request>{content}</OAI-PMH>\n",
        catalog.base
    );
    Answer { status: 200, media_type: "text/xml; charset=utf-8", body: body.into_bytes(), attachment: None }
}

const FORMATS: &str = "<ListMetadataFormats><metadataFormat><metadataPrefix>oai_dc</metadataPrefix>\
    <schema>http://www.openarchives.org/OAI/2.0/oai_dc.xsd</schema>\
    <metadataNamespace>http://www.openarchives.org/OAI/2.0/oai_dc/</metadataNamespace></metadataFormat></ListMetadataFormats>";

fn identify(catalog: &Catalog<'_>) -> String {
    format!(
        "<Identify><repositoryName>{}データリポジトリ</repositoryName><baseURL>{}/oai</baseURL><protocolVersion>2.0</protocolVersion>\
         <adminEmail>{}</adminEmail><earliestDatestamp>{EARLIEST}</earliestDatestamp><deletedRecord>persistent</deletedRecord>\
         <granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>",
        escape_xml(&catalog.municipality.name),
        catalog.base,
        catalog.municipality.email()
    )
}

/// A record of the repository; without a dataset one that was deleted.
struct Entry<'a> {
    identifier: String,
    dataset: Option<&'a FixtureDataset>,
}

/// All records, the deleted ones in between; an empty repository has none at all.
fn entries<'a>(catalog: &Catalog<'a>) -> Vec<Entry<'a>> {
    if catalog.datasets.is_empty() {
        return Vec::new();
    }
    let identifier = |id: &str| format!("oai:opendata.{}.example.jp:{id}", catalog.municipality.slug);
    let present = catalog.datasets.iter().map(|dataset| Entry { identifier: identifier(&dataset.id), dataset: Some(dataset) });
    // One was deleted before anybody harvested.
    let long_gone = Random::new(&format!("deleted {}", catalog.municipality.code)).uuid();
    let gone = catalog.gone.iter().chain([&long_gone]).map(|id| Entry { identifier: identifier(id), dataset: None });
    let mut entries: Vec<Entry<'a>> = present.chain(gone).collect();
    entries.sort_by(|left, right| left.identifier.cmp(&right.identifier));
    entries
}

fn list(catalog: &Catalog<'_>, verb: &str, parameters: &Map<String, Value>) -> Result<String, (&'static str, &'static str)> {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let start = match (text("resumptionToken"), text("metadataPrefix")) {
        (Some(_), Some(_)) => return Err(("badArgument", "resumptionToken is an exclusive argument")),
        (Some(token), None) => {
            let start = token.strip_prefix("oai_dc-").and_then(|start| start.parse().ok());
            start.ok_or(("badResumptionToken", "the token is invalid or has expired"))?
        }
        (None, Some("oai_dc")) => 0,
        (None, Some(_)) => return Err(("cannotDisseminateFormat", "only oai_dc")),
        (None, None) => return Err(("badArgument", "metadataPrefix is missing")),
    };
    if text("set").is_some_and(|set| set != SET) {
        return Err(("noRecordsMatch", "no such set"));
    }
    let entries = entries(catalog);
    if entries.is_empty() {
        return Err(("noRecordsMatch", "the repository is empty"));
    }
    let mut content = format!("<{verb}>");
    for entry in entries.iter().skip(start).take(PART) {
        content.push_str(&if verb == "ListRecords" { entry.record(catalog) } else { entry.header() });
    }
    let end = start + PART;
    let next = if end < entries.len() { format!("oai_dc-{end}") } else { String::new() };
    if start > 0 || !next.is_empty() {
        // The last part has an empty token.
        let _ = write!(content, "<resumptionToken completeListSize=\"{}\" cursor=\"{start}\">{next}</resumptionToken>", entries.len());
    }
    let _ = write!(content, "</{verb}>");
    Ok(content)
}

impl Entry<'_> {
    fn header(&self) -> String {
        let identifier = escape_xml(&self.identifier);
        match self.dataset {
            Some(dataset) => {
                let at = (dataset.modified - chrono::Duration::hours(9)).format("%Y-%m-%dT%H:%M:%SZ");
                format!("<header><identifier>{identifier}</identifier><datestamp>{at}</datestamp><setSpec>{SET}</setSpec></header>")
            }
            None => format!(
                "<header status=\"deleted\"><identifier>{identifier}</identifier><datestamp>2025-09-30T00:00:00Z</datestamp><setSpec>{SET}</setSpec></header>"
            ),
        }
    }

    fn record(&self, catalog: &Catalog<'_>) -> String {
        let metadata = self.dataset.map(|dataset| dublin_core(catalog, dataset)).unwrap_or_default();
        format!("<record>{}{metadata}</record>", self.header())
    }
}

fn dublin_core(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> String {
    let mut out = String::from(
        "<metadata><oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/oai_dc/ http://www.openarchives.org/OAI/2.0/oai_dc.xsd\">",
    );
    let mut element = |name: &str, value: &str| {
        let _ = write!(out, "<dc:{name}>{}</dc:{name}>", escape_xml(value));
    };
    element("title", &dataset.title);
    element("creator", &dataset.contact_name);
    dataset.keywords.iter().for_each(|word| element("subject", word));
    if let Some((_, theme)) = built_in_themes().into_iter().find(|(id, _)| *id == dataset.theme) {
        element("subject", &theme.title);
    }
    element("description", &dataset.description);
    element("publisher", &catalog.municipality.full_name());
    element("date", &dataset.issued.to_string());
    element("date", &dataset.modified.date().to_string());
    element("type", "Dataset");
    element("identifier", &catalog.page_url(&dataset.name));
    for file in &dataset.files {
        element("format", &file.media_type);
        element("identifier", &catalog.file_url(&file.name));
    }
    element("language", "jpn");
    element("coverage", &dataset.spatial);
    element("rights", &dataset.licence_text);
    if let Some(url) = built_in_licences().into_iter().find(|(id, _)| *id == dataset.licence).and_then(|(_, licence)| licence.url) {
        element("rights", &url);
    }
    out.push_str("</oai_dc:dc></metadata>");
    out
}
