//! OAI-PMH 2.0: lists of records with resumption tokens.

use std::collections::HashSet;

use minato_catalog::{HarvestSourceDraft, HarvestedRecord, RecordFailure, Spatial, Text, Vocabulary, Withdrawal};
use minato_dcat::{Syntax, language_code, parse_catalog};
use url::Url;

use crate::client::Client;
use crate::convert::{Record, usable_url};
use crate::dublin_core::{self, on_globe, unique};
use crate::listing::{End, Run, Stop};
use crate::period::{first_day, interval};
use crate::plain_text::plain_text;
use crate::xml::{Document, Element};

const ACCEPT: &str = "text/xml, application/xml;q=0.9, */*;q=0.1";

/// Formats understood, the richest first. Every repository has the last.
const FORMATS: &[&str] = &["dcat_ap", "dcat-ap", "dcat", "datacite4", "datacite", "oai_datacite4", "oai_datacite", "oai_dc"];

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let repository = Repository::new(&source.url, client)?;
    let prefix = repository.prefix().await?;
    let set = source.remote_organization.as_deref().map(str::trim).filter(|set| !set.is_empty());
    let mut query = vec![("verb", "ListRecords"), ("metadataPrefix", prefix)];
    query.extend(set.map(|set| ("set", set)));
    let mut document = repository.ask(&query).await?;
    let mut tokens = HashSet::new();
    let mut reported: Option<u64> = None;
    for page in 1.. {
        match refusal(&document.root) {
            // Some repositories give a token too many; with all records read it was the end.
            Some(error) if page > 1 && error.0 == "noRecordsMatch" && reported.is_some_and(|count| run.met() >= count) => {
                return Ok(End { reported: None, doubt: None });
            }
            Some(error) => return Err(explained(&error, set).into()),
            None => {}
        }
        let Some(list) = document.root.nearest("ListRecords") else {
            return Err(Text::new(
                format!("{} の応答に ListRecords がありません。OAI-PMH の URL か確認してください。", repository.base),
                format!("the answer of {} has no ListRecords; check that it is an OAI-PMH address", repository.base),
            )
            .into());
        };
        let met_before = run.met();
        let mut count = 0;
        for element in list.children_named("record") {
            count += 1;
            let position = format!("ListRecords page {page} #{count}");
            match convert(&document, element, prefix, vocabulary, &position) {
                Converted::Record(record) => run.send(*record).await?,
                Converted::Deleted(id) => run.withdrawn(&id, Withdrawal::Deleted).await?,
            }
        }
        let token = list.child("resumptionToken");
        let size = token.and_then(|token| token.attribute("completeListSize")).and_then(|size| size.parse::<u64>().ok());
        if let (Some(before), Some(now)) = (reported, size)
            && now < before
        {
            return doubtful(Text::new(
                format!("読み取り中に全体の件数が {before} から {now} に減りました。時間をおいて再度実行してください。"),
                format!("the number of records fell from {before} to {now} while reading; try again later"),
            ));
        }
        reported = size.or(reported);
        let Some(token) = token.map(Element::own_text).filter(|token| !token.is_empty()) else {
            // The protocol lets the count be an estimate: too low a one takes nothing away.
            return Ok(End { reported: reported.filter(|count| *count > run.met()), doubt: None });
        };
        let doubt = if !tokens.insert(token.to_owned()) {
            Text::new(
                "同じ resumptionToken が繰り返されており、一覧が終わりません。取り込み元のページ送りを確認してください。",
                "the same resumptionToken comes again, so the list never ends; check the source's paging",
            )
        } else if count == 0 {
            if reported.is_some_and(|count| run.met() >= count) {
                return Ok(End { reported: None, doubt: None });
            }
            Text::new(
                format!("{page} ページ目にレコードがないのに続きがあるとされています。取り込み元のページ送りを確認してください。"),
                format!("page {page} holds no records and yet names a next one; check the source's paging"),
            )
        } else if run.met() == met_before {
            Text::new(
                format!("{page} ページ目が前のページと同じ内容です。取り込み元のページ送りを確認してください。"),
                format!("page {page} repeats records of earlier ones; check the source's paging"),
            )
        } else if page >= client.settings().pages_max {
            Text::new(
                format!("ページ数が上限（{page}）を超えたため、途中で止めました。"),
                format!("there are more than {page} pages; reading stopped there"),
            )
        } else {
            let query = [("verb", "ListRecords"), ("resumptionToken", token)];
            let next = repository.ask(&query).await?;
            document = next;
            continue;
        };
        return doubtful(doubt);
    }
    Ok(End { reported, doubt: None })
}

fn doubtful(cause: Text) -> Result<End, Stop> {
    Ok(End { reported: None, doubt: Some(cause) })
}

/// The error a repository answers with: code and message.
fn refusal(root: &Element) -> Option<(String, String)> {
    let error = root.child("error")?;
    Some((error.attribute("code").unwrap_or_default().to_owned(), error.full_text().chars().take(200).collect()))
}

fn explained((code, message): &(String, String), set: Option<&str>) -> Text {
    let (ja, en) = match code.as_str() {
        "noRecordsMatch" => match set {
            Some(set) => (
                format!("セット「{set}」にレコードが 1 件もありません。収集元の設定にあるセット名を確認してください。"),
                format!("the set `{set}` holds no records; check the set in the source's settings"),
            ),
            None => ("リポジトリにレコードが 1 件もありません。".to_owned(), "the repository holds no records".to_owned()),
        },
        "badResumptionToken" => (
            "続きを読むための resumptionToken が期限切れか無効です。時間をおいて最初から再度実行してください。".to_owned(),
            "the resumptionToken has expired or is not valid; run it again from the beginning later".to_owned(),
        ),
        "noSetHierarchy" => (
            "このリポジトリにはセットがありません。収集元の設定からセット名を外してください。".to_owned(),
            "the repository has no sets; take the set out of the source's settings".to_owned(),
        ),
        "badArgument" | "badVerb" => (
            "要求が受け付けられませんでした。OAI-PMH 2.0 の URL か、セット名が正しいか確認してください。".to_owned(),
            "the request was refused; check that the address speaks OAI-PMH 2.0 and that the set exists".to_owned(),
        ),
        _ => ("取り込み元の OAI-PMH の設定を確認してください。".to_owned(), "check the source's OAI-PMH settings".to_owned()),
    };
    Text::new(format!("OAI-PMH エラー {code}（{message}）: {ja}"), format!("OAI-PMH error {code} ({message}): {en}"))
}

struct Repository<'a> {
    client: &'a Client,
    base: Url,
}

impl<'a> Repository<'a> {
    /// The repository behind an address that may already hold a request.
    fn new(url: &str, client: &'a Client) -> Result<Self, Stop> {
        let mut base = Url::parse(url.trim()).map_err(|_| crate::Error::InvalidUrl { url: url.chars().take(500).collect() })?;
        const ARGUMENTS: &[&str] = &["verb", "metadataprefix", "set", "from", "until", "resumptiontoken", "identifier"];
        let kept: Vec<(String, String)> = base
            .query_pairs()
            .filter(|(key, _)| !ARGUMENTS.contains(&key.to_ascii_lowercase().as_str()))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        base.set_fragment(None);
        base.set_query(None);
        if !kept.is_empty() {
            base.query_pairs_mut().extend_pairs(kept);
        }
        Ok(Repository { client, base })
    }

    async fn ask(&self, query: &[(&str, &str)]) -> Result<Document, Stop> {
        let mut url = self.base.clone();
        url.query_pairs_mut().extend_pairs(query);
        let fetched = self.client.get(url.as_str(), ACCEPT).await?;
        Ok(Document::read(&fetched)?)
    }

    /// The best format that the repository offers; what every repository must have when it does not know the question. One that fails to answer
    /// it is not read: in another format every record would look changed.
    async fn prefix(&self) -> Result<&'static str, Stop> {
        let mut url = self.base.clone();
        url.query_pairs_mut().append_pair("verb", "ListMetadataFormats");
        let offered = match self.client.get(url.as_str(), ACCEPT).await {
            Ok(fetched) => {
                let document = Document::read(&fetched)?;
                let does_not_know = document.root.all("error").iter().any(|error| error.attribute("code") == Some("badVerb"));
                if document.root.all("ListMetadataFormats").is_empty() && !does_not_know {
                    return Err(Stop::Broken(Text::new(
                        "配信できる形式（ListMetadataFormats）の答えを読み取れませんでした。時間をおいてもう一度収集してください。",
                        "the answer to ListMetadataFormats names no formats; harvest again later",
                    )));
                }
                document.root.all("metadataPrefix").iter().map(|prefix| prefix.own_text().to_owned()).collect()
            }
            Err(error) if matches!(error.status(), Some(400 | 404 | 405 | 422 | 501)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(FORMATS.iter().copied().find(|format| offered.iter().any(|prefix| prefix == format)).unwrap_or("oai_dc"))
    }
}

/// What became of a record.
enum Converted {
    Record(Box<Result<HarvestedRecord, RecordFailure>>),
    Deleted(String),
}

fn convert(document: &Document, element: &Element, prefix: &str, vocabulary: &Vocabulary, position: &str) -> Converted {
    let raw = document.excerpt(element).to_owned();
    let id = element.path(&["header", "identifier"]).map(Element::own_text).filter(|id| !id.is_empty()).map(str::to_owned);
    let failure = |ja: &str, en: &str| {
        let name = id.as_deref().unwrap_or(position);
        let failure = RecordFailure {
            remote_id: id.clone(),
            position: position.to_owned(),
            cause: Text::new(format!("{name}: {ja}"), format!("{name}: {en}")),
            raw: Some(raw.clone()),
        };
        Converted::Record(Box::new(Err(failure)))
    };
    let Some(remote_id) = id.clone() else {
        return failure("レコードの header に identifier がありません。", "the record's header has no identifier");
    };
    if element.child("header").and_then(|header| header.attribute("status")) == Some("deleted") {
        return Converted::Deleted(remote_id);
    }
    let Some(metadata) = element.child("metadata").and_then(|metadata| metadata.children.first()) else {
        return failure("レコードに metadata がありません。", "the record has no metadata");
    };
    if prefix.starts_with("dcat") {
        return match dcat(document, element, metadata, &remote_id, vocabulary) {
            Ok(record) => Converted::Record(Box::new(Ok(HarvestedRecord { remote_id, raw, ..record }))),
            Err(cause) => failure(&cause.ja, &cause.en),
        };
    }
    let mut record = Record::new(vocabulary);
    if prefix.contains("datacite") {
        datacite(&mut record, metadata);
    } else {
        dublin_core::fill(&mut record, metadata, &remote_id);
    }
    if record.draft.title.is_empty() {
        return failure("タイトル title がありません。", "the record has no title");
    }
    for set in element.path(&["header"]).into_iter().flat_map(|header| header.children_named("setSpec")) {
        record.extra("set", set.own_text());
    }
    let remote_url = record.draft.landing_page.clone();
    Converted::Record(Box::new(record.finish(remote_id, remote_url, position, raw)))
}

/// RDF within the record, with the namespaces that are declared around it.
fn dcat(document: &Document, element: &Element, rdf: &Element, id: &str, vocabulary: &Vocabulary) -> Result<HarvestedRecord, Text> {
    let mut text = document.excerpt(rdf).to_owned();
    let known: Vec<String> = rdf.declarations().map(|(key, _)| key.to_owned()).collect();
    let around = [Some(&document.root), Some(element), element.child("metadata")];
    let mut added = String::new();
    for (key, value) in around.into_iter().rev().flatten().flat_map(Element::declarations) {
        if !known.iter().any(|name| name == key) && !added.contains(&format!(" {key}=")) {
            added.push_str(&format!(" {key}=\"{}\"", value.replace('&', "&amp;").replace('"', "&quot;")));
        }
    }
    let end_of_name = text.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
    text.insert_str(end_of_name, &added);
    let catalog = parse_catalog(text.as_bytes(), Syntax::RdfXml, &format!("urn:x-oai:{}", id.replace(char::is_whitespace, "")), vocabulary)
        .map_err(|error| error.text())?;
    match catalog.records.into_iter().next() {
        Some(Ok(record)) => Ok(record),
        Some(Err(failure)) => Err(failure.cause),
        None => Err(Text::new("metadata に dcat:Dataset がありません。", "the metadata hold no dcat:Dataset")),
    }
}

/// DataCite, schema 3 and 4; `oai_datacite` has it in a payload.
fn datacite(record: &mut Record<'_>, metadata: &Element) {
    let resource = if metadata.name == "resource" { metadata } else { metadata.nearest("resource").unwrap_or(metadata) };
    let items = |list: &str, item: &str| -> Vec<&Element> { resource.child(list).into_iter().flat_map(|list| list.all(item)).collect() };
    let texts = |list: &str, item: &str| -> Vec<String> { unique(items(list, item).into_iter().map(Element::full_text).collect()) };
    let titles = items("titles", "title");
    let is = |title: &Element, lang: &str| title.attribute("lang").is_some_and(|found| found.to_ascii_lowercase().starts_with(lang));
    let main = titles
        .iter()
        .find(|title| is(title, "ja"))
        .or_else(|| titles.iter().find(|title| title.attribute("titleType").is_none()))
        .or_else(|| titles.first());
    record.draft.title = main.map(|title| plain_text(&title.full_text())).unwrap_or_default();
    record.draft.title_en =
        titles.iter().find(|title| is(title, "en")).map(|title| title.full_text()).filter(|text| *text != record.draft.title);
    let descriptions = items("descriptions", "description");
    let english = |text: &&&Element| is(text, "en");
    let japanese: Vec<String> = descriptions.iter().filter(|text| !english(text)).map(|text| plain_text(&text.full_text())).collect();
    let in_english: Vec<String> = descriptions.iter().filter(english).map(|text| plain_text(&text.full_text())).collect();
    if japanese.is_empty() {
        record.draft.description = in_english.join("\n\n");
    } else {
        record.draft.description = japanese.join("\n\n");
        record.draft.description_en = Some(in_english.join("\n\n")).filter(|text| !text.is_empty());
    }
    for subject in texts("subjects", "subject") {
        dublin_core::subject_of(record, &subject);
    }
    let rights: Vec<String> = items("rightsList", "rights")
        .into_iter()
        .flat_map(|rights| [rights.attribute("rightsURI").unwrap_or_default().to_owned(), rights.full_text()])
        .filter(|text| !text.is_empty())
        .collect();
    dublin_core::rights(record, &rights);
    let creators = items("creators", "creator");
    let names: Vec<String> = creators.iter().filter_map(|creator| creator.child("creatorName")).map(Element::full_text).collect();
    record.draft.creator = Some(unique(names).join("、")).filter(|names| !names.is_empty());
    record.extra("publisher_name", &resource.child("publisher").map(Element::full_text).unwrap_or_default());
    for date in items("dates", "date") {
        let text = date.full_text();
        match date.attribute("dateType").unwrap_or_default() {
            "Issued" | "Available" => record.draft.issued = record.draft.issued.or(first_day(&text)),
            "Updated" => record.draft.modified = record.moment("dates/date", &text).or(record.draft.modified),
            "Collected" | "Coverage" | "Valid" => record.draft.temporal = record.draft.temporal.take().or_else(|| interval(&text)),
            _ => {}
        }
    }
    let year = resource.child("publicationYear").map(Element::full_text).unwrap_or_default();
    if record.draft.issued.is_none() {
        record.extra("publication_year", &year);
    }
    record.draft.version = resource.child("version").map(Element::full_text).filter(|text| !text.is_empty());
    record.draft.language = resource.child("language").and_then(|language| language_code(language.own_text())).into_iter().collect();
    record.extra(
        "type",
        &resource
            .child("resourceType")
            .map(|kind| kind.attribute("resourceTypeGeneral").map_or_else(|| kind.full_text(), str::to_owned))
            .unwrap_or_default(),
    );
    let places = texts("geoLocations", "geoLocationPlace");
    let bbox = items("geoLocations", "geoLocationBox").into_iter().find_map(|found| {
        let number = |name: &str| found.child(name)?.own_text().parse::<f64>().ok();
        on_globe([
            number("westBoundLongitude")?,
            number("southBoundLatitude")?,
            number("eastBoundLongitude")?,
            number("northBoundLatitude")?,
        ])
    });
    let spatial = Spatial { label: Some(places.join("、")).filter(|label| !label.is_empty()), area_codes: Vec::new(), bbox };
    record.draft.spatial = Some(spatial).filter(|spatial| *spatial != Spatial::default());
    if let Some(identifier) = resource.child("identifier") {
        let text = identifier.full_text();
        let address = if identifier.attribute("identifierType") == Some("DOI") && !text.contains("://") {
            format!("https://doi.org/{text}")
        } else {
            text.clone()
        };
        record.draft.landing_page = usable_url(&address, None);
        if record.draft.landing_page.is_none() {
            record.draft.identifier = Some(text).filter(|text| !text.is_empty());
        }
    }
    let mut distributions = Vec::new();
    for address in texts("alternateIdentifiers", "alternateIdentifier").iter().filter_map(|text| usable_url(text, None)) {
        if dublin_core::is_file(&address) {
            distributions.push(dublin_core::file(record, &address, "", ""));
        } else {
            record.draft.landing_page.get_or_insert(address);
        }
    }
    record.draft.distributions = Some(distributions);
    record.extra("format", &texts("formats", "format").join(", "));
}
