//! OGC CSW 2.0.2: ISO 19139 records, else Dublin Core ones, by GetRecords in URLs.
//!
//! Records of services, series and the like are kept as datasets, with their level among the extras: there is no other noun for them here,
//! and whoever looks for a map service looks among the data.

use minato_catalog::{
    ContactPoint, DistributionDraft, HarvestSourceDraft, HarvestedRecord, RecordFailure, Spatial, Temporal, Text, Vocabulary, jst_day,
};
use minato_dcat::language_code;
use url::Url;

use crate::client::Client;
use crate::convert::{Record, usable_url};
use crate::dublin_core::{self, on_globe, unique};
use crate::listing::{End, Run, Stop};
use crate::period::{first_day, last_day};
use crate::plain_text::plain_text;
use crate::xml::{Document, Element};

const ACCEPT: &str = "application/xml, text/xml;q=0.9, */*;q=0.1";
/// Records asked for at once; servers may give fewer.
const ROWS: u64 = 100;
const GMD: &str = "http://www.isotc211.org/2005/gmd";
const CSW: &str = "http://www.opengis.net/cat/csw/2.0.2";

/// One way to ask; servers differ in what they refuse.
#[derive(Debug, Clone, Copy)]
struct Way {
    type_names: &'static str,
    output_schema: &'static str,
    /// By a field that edits do not change, so that pages do not shift.
    is_sorted: bool,
}

/// The best way first.
const WAYS: &[Way] = &[
    Way { type_names: "gmd:MD_Metadata", output_schema: GMD, is_sorted: true },
    Way { type_names: "gmd:MD_Metadata", output_schema: GMD, is_sorted: false },
    Way { type_names: "csw:Record", output_schema: GMD, is_sorted: false },
    Way { type_names: "csw:Record", output_schema: CSW, is_sorted: true },
    Way { type_names: "csw:Record", output_schema: CSW, is_sorted: false },
];

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let service = Service::new(&source.url, client)?;
    let (way, mut document) = service.first_page().await?;
    let mut start = 1;
    let mut reported: Option<u64> = None;
    for page in 1.. {
        let Some(results) = document.root.nearest("SearchResults") else {
            return Err(Text::new(
                format!("GetRecords（startPosition={start}）の応答に SearchResults がありません。CSW 2.0.2 の URL か確認してください。"),
                format!("the answer of GetRecords at {start} has no SearchResults; check that the address speaks CSW 2.0.2"),
            )
            .into());
        };
        let number = |name: &str| results.attribute(name).and_then(|number| number.parse::<u64>().ok());
        let Some(matched) = number("numberOfRecordsMatched") else {
            return Err(Text::new(
                "GetRecords の応答に件数 numberOfRecordsMatched がないため、全件を読めたか確認できません。",
                "the answer of GetRecords has no numberOfRecordsMatched, so it cannot be told whether all was read",
            )
            .into());
        };
        if let Some(before) = reported
            && matched < before
        {
            return doubtful(Text::new(
                format!("読み取り中に全体の件数が {before} から {matched} に減りました。時間をおいて再度実行してください。"),
                format!("the number of records fell from {before} to {matched} while reading; try again later"),
            ));
        }
        reported = Some(matched);
        let met_before = run.met();
        for (index, element) in results.children.iter().enumerate() {
            let position = format!("GetRecords #{}", start + index as u64);
            run.send(service.convert(&document, element, vocabulary, &position)).await?;
        }
        let returned = results.children.len() as u64;
        let next = number("nextRecord");
        let after = start + returned;
        if matched == 0 {
            return Err(Text::new(
                "この CSW にはレコードが 1 件もありません。URL を確認してください。",
                "the CSW holds no records; check the URL",
            )
            .into());
        }
        if after > matched || (next == Some(0) && returned > 0) {
            return Ok(End { reported, doubt: None });
        }
        let doubt = if returned == 0 {
            Text::new(
                format!("{matched} 件のうち {start} 件目以降が空で返りました。時間をおいて再度実行してください。"),
                format!("of {matched} records nothing came from number {start} on; try again later"),
            )
        } else if run.met() == met_before {
            Text::new(
                format!("startPosition={start} のページが前のページと同じ内容です。取り込み元のページ送りを確認してください。"),
                format!("the page at {start} repeats earlier ones; check the source's paging"),
            )
        } else if next.is_some_and(|next| next <= start) {
            Text::new(
                format!(
                    "startPosition={start} の次が {} とされ、一覧が終わりません。取り込み元のページ送りを確認してください。",
                    next.unwrap_or_default()
                ),
                format!("after the page at {start} comes {}, so the list never ends; check the source's paging", next.unwrap_or_default()),
            )
        } else if page >= client.settings().pages_max {
            Text::new(
                format!("ページ数が上限（{page}）を超えたため、途中で止めました。"),
                format!("there are more than {page} pages; reading stopped there"),
            )
        } else {
            // What came counts, not what the server says is next: records between would be lost.
            start = after;
            document = service.page(way, start).await?;
            if let Some(exception) = exception(&document.root) {
                return Err(exception.into());
            }
            continue;
        };
        return doubtful(doubt);
    }
    Ok(End { reported, doubt: None })
}

fn doubtful(cause: Text) -> Result<End, Stop> {
    Ok(End { reported: None, doubt: Some(cause) })
}

/// What an exception report says.
fn exception(root: &Element) -> Option<Text> {
    if !matches!(root.name.as_str(), "ExceptionReport" | "ServiceExceptionReport") {
        return None;
    }
    let exception = root.nearest("Exception").or_else(|| root.nearest("ServiceException")).unwrap_or(root);
    let code = exception.attribute("exceptionCode").or_else(|| exception.attribute("code")).unwrap_or_default();
    let locator = exception.attribute("locator").unwrap_or_default();
    let message: String = exception.full_text().chars().take(200).collect();
    Some(Text::new(
        format!("CSW がエラーを返しました（{code} {locator}: {message}）。取り込み元の CSW の設定を確認してください。"),
        format!("the CSW answered with an exception ({code} {locator}: {message}); check its settings"),
    ))
}

/// Whether an exception says that what was asked for is not had here, rather than that something went wrong.
fn is_refusal(root: &Element) -> bool {
    let exception = root.nearest("Exception").or_else(|| root.nearest("ServiceException"));
    let code = exception.and_then(|exception| exception.attribute("exceptionCode").or_else(|| exception.attribute("code")));
    code.is_some_and(|code| code != "NoApplicableCode")
}

struct Service<'a> {
    client: &'a Client,
    base: Url,
}

impl<'a> Service<'a> {
    /// The service behind an address that may already hold a request; what is not of the protocol (`map=…`) is kept.
    fn new(url: &str, client: &'a Client) -> Result<Self, Stop> {
        const PARAMETERS: &[&str] = &[
            "service",
            "version",
            "request",
            "resulttype",
            "elementsetname",
            "typenames",
            "outputschema",
            "outputformat",
            "startposition",
            "maxrecords",
            "sortby",
            "constraint",
            "constraintlanguage",
            "constraint_language_version",
            "namespace",
            "id",
            "acceptversions",
        ];
        let mut base = Url::parse(url.trim()).map_err(|_| crate::Error::InvalidUrl { url: url.chars().take(500).collect() })?;
        let kept: Vec<(String, String)> = base
            .query_pairs()
            .filter(|(key, _)| !PARAMETERS.contains(&key.to_ascii_lowercase().as_str()))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        base.set_fragment(None);
        base.set_query(None);
        if !kept.is_empty() {
            base.query_pairs_mut().extend_pairs(kept);
        }
        Ok(Service { client, base })
    }

    /// The first page by the first way that is not refused. A service that offers ISO records and has a fault is not asked for Dublin Core: in
    /// those fewer words every record would look changed.
    async fn first_page(&self) -> Result<(Way, Document), Stop> {
        let mut refused = None;
        let mut has_fault = false;
        for way in WAYS {
            if way.output_schema != GMD && has_fault && self.offers_iso().await? {
                break;
            }
            let cause = match self.page(*way, 1).await {
                Ok(document) => match exception(&document.root) {
                    None => return Ok((*way, document)),
                    Some(cause) => {
                        has_fault |= !is_refusal(&document.root);
                        cause
                    }
                },
                // Some report exceptions with a status of their own.
                Err(PageError::Fetch(error)) if matches!(error.status(), Some(400 | 404 | 422 | 500 | 501)) => {
                    has_fault |= error.status() == Some(500);
                    error.text()
                }
                Err(error) => return Err(error.into()),
            };
            refused.get_or_insert(cause);
        }
        let refused = refused.unwrap_or_else(|| Text::new("CSW が応答しません。", "the CSW does not answer"));
        Err(refused.into())
    }

    /// Whether the service says that it gives ISO records.
    async fn offers_iso(&self) -> Result<bool, Stop> {
        let mut url = self.base.clone();
        url.query_pairs_mut().extend_pairs([("service", "CSW"), ("version", "2.0.2"), ("request", "GetCapabilities")]);
        let fetched = match self.client.get(url.as_str(), ACCEPT).await {
            Ok(fetched) => fetched,
            Err(error) if matches!(error.status(), Some(400 | 404 | 405 | 422 | 501)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let document = Document::read(&fetched)?;
        // A server in trouble says so with 200, too: that is no word on what it offers.
        if let Some(text) = exception(&document.root) {
            return Err(Stop::Broken(text));
        }
        Ok(document.root.all("Value").iter().any(|value| value.own_text() == GMD))
    }

    async fn page(&self, way: Way, start: u64) -> Result<Document, PageError> {
        let mut url = self.base.clone();
        let (start, rows) = (start.to_string(), ROWS.to_string());
        let mut query = vec![
            ("service", "CSW"),
            ("version", "2.0.2"),
            ("request", "GetRecords"),
            ("resultType", "results"),
            ("elementSetName", "full"),
            ("typeNames", way.type_names),
            ("outputSchema", way.output_schema),
            ("startPosition", &start),
            ("maxRecords", &rows),
        ];
        if way.is_sorted {
            query.push(("sortBy", "dc:identifier:A"));
        }
        url.query_pairs_mut().extend_pairs(query);
        let fetched = self.client.get(url.as_str(), ACCEPT).await.map_err(PageError::Fetch)?;
        Document::read(&fetched).map_err(PageError::Answer)
    }

    fn convert(
        &self,
        document: &Document,
        element: &Element,
        vocabulary: &Vocabulary,
        position: &str,
    ) -> Result<HarvestedRecord, RecordFailure> {
        let raw = document.excerpt(element).to_owned();
        let is_iso = matches!(element.name.as_str(), "MD_Metadata" | "MI_Metadata");
        let id = if is_iso { element.child("fileIdentifier") } else { element.child("identifier") };
        let id = id.map(value).filter(|id| !id.is_empty());
        let failure = |ja: String, en: String| {
            let name = id.as_deref().unwrap_or(position);
            Err(RecordFailure {
                remote_id: id.clone(),
                position: position.to_owned(),
                cause: Text::new(format!("{name}: {ja}"), format!("{name}: {en}")),
                raw: Some(raw.clone()),
            })
        };
        if !is_iso && !matches!(element.name.as_str(), "Record" | "SummaryRecord" | "BriefRecord") {
            return failure(
                format!("レコードの形式 {} には対応していません。", element.name),
                format!("records of the kind {} are not understood", element.name),
            );
        }
        let Some(remote_id) = id.clone() else {
            let field = if is_iso { "gmd:fileIdentifier" } else { "dc:identifier" };
            return failure(format!("レコードに {field} がありません。"), format!("the record has no {field}"));
        };
        let mut record = Record::new(vocabulary);
        if is_iso {
            iso(&mut record, element);
        } else {
            dublin_core::fill(&mut record, element, &remote_id);
        }
        if record.draft.title.is_empty() {
            return failure("タイトル title がありません。".to_owned(), "the record has no title".to_owned());
        }
        let mut remote_url = self.base.clone();
        remote_url.query_pairs_mut().extend_pairs([
            ("service", "CSW"),
            ("version", "2.0.2"),
            ("request", "GetRecordById"),
            ("elementSetName", "full"),
            ("id", &remote_id),
        ]);
        record.finish(remote_id, usable_url(remote_url.as_str(), None), position, raw)
    }
}

/// Why a page was of no use.
enum PageError {
    Fetch(crate::Error),
    Answer(Text),
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Fetch(error) => error.into(),
            PageError::Answer(cause) => cause.into(),
        }
    }
}

/// A property's value: `gco:CharacterString`, `gmx:Anchor`, a code, a date; in older profiles the text itself.
fn value(property: &Element) -> String {
    let own = property.own_text();
    if !own.is_empty() {
        return plain_text(own);
    }
    for child in property.children.iter().filter(|child| child.name != "PT_FreeText") {
        if let Some(code) = child.attribute("codeListValue") {
            return code.to_owned();
        }
        let text = child.full_text();
        if !text.is_empty() {
            return plain_text(&text);
        }
    }
    String::new()
}

/// A property's value in another language than the record's.
fn localised(property: &Element, language: &str) -> Option<String> {
    let texts = property.all("LocalisedCharacterString");
    let found = texts.into_iter().find(|text| {
        text.attribute("locale").is_some_and(|locale| {
            locale.trim_start_matches(['#', '-']).to_ascii_lowercase().trim_start_matches("locale-").starts_with(language)
        })
    });
    found.map(|text| text.own_text().to_owned()).filter(|text| !text.is_empty())
}

fn values(within: &Element, name: &str) -> Vec<String> {
    unique(within.all(name).into_iter().map(value).collect())
}

/// ISO 19139 and the Japanese profile (JMP), by local names and over left-out levels.
fn iso(record: &mut Record<'_>, metadata: &Element) {
    let nothing = Element::default();
    let about = metadata.child("identificationInfo").unwrap_or(&nothing);
    let citation = about.nearest("citation").unwrap_or(&nothing);
    let either = |property: Option<&Element>| -> (String, Option<String>) {
        let Some(property) = property else { return (String::new(), None) };
        let (own, japanese, english) = (value(property), localised(property, "ja"), localised(property, "en"));
        match japanese {
            Some(japanese) => (japanese, english.or(Some(own))),
            None => (own, english),
        }
    };
    let (title, title_en) = either(citation.nearest("title"));
    record.draft.title = title;
    record.draft.title_en = title_en.filter(|text| *text != record.draft.title && !text.is_empty());
    let (description, description_en) = either(about.nearest("abstract"));
    record.draft.description = description;
    record.draft.description_en = description_en.filter(|text| *text != record.draft.description && !text.is_empty());
    let code = citation.path(&["identifier", "code"]).map(value).unwrap_or_default();
    record.draft.identifier = Some(code).filter(|code| !code.is_empty() && !code.contains("://") && code.chars().count() <= 500);
    record.draft.version = citation.nearest("edition").map(value).filter(|text| !text.is_empty());
    record.draft.landing_page = metadata.child("dataSetURI").and_then(|address| usable_url(&value(address), None));

    iso_dates(record, citation);
    iso_keywords(record, about);
    iso_contact(record, metadata, about);
    iso_rights(record, about);
    iso_extent(record, about);
    if let Some(frequency) = about.nearest("maintenanceAndUpdateFrequency").map(value) {
        record.frequency(frequency_word(&frequency));
    }
    let language = about.nearest("language").or_else(|| metadata.child("language")).map(value).unwrap_or_default();
    record.draft.language = language_code(&language).into_iter().collect();
    iso_distributions(record, metadata, about);

    for (key, found) in [
        ("hierarchy_level", metadata.child("hierarchyLevel").map(value).filter(|level| level != "dataset")),
        ("parent_identifier", metadata.child("parentIdentifier").map(value)),
        ("purpose", about.nearest("purpose").map(value)),
        ("status", about.nearest("status").map(value)),
        ("supplemental_information", about.nearest("supplementalInformation").map(value)),
        ("scale", about.path(&["equivalentScale", "denominator"]).map(value)),
        ("lineage", metadata.path(&["dataQualityInfo", "lineage", "statement"]).map(value)),
        ("reference_system", metadata.path(&["referenceSystemInfo", "code"]).map(value)),
    ] {
        record.extra(key, &found.unwrap_or_default());
    }
}

/// The dates of the citation. The record's own date stamp is not used: some servers write the day of the request.
fn iso_dates(record: &mut Record<'_>, citation: &Element) {
    let mut by_kind = std::collections::BTreeMap::new();
    // `date` is both the list's and the single date's name.
    let dates: Vec<&Element> = citation
        .all("CI_Date")
        .into_iter()
        .chain(citation.all("date").into_iter().filter(|date| date.child("dateType").is_some()))
        .collect();
    for date in dates {
        let text = date.child("date").map(value).unwrap_or_default();
        let kind = match date.child("dateType").map(value).unwrap_or_default().as_str() {
            "creation" | "001" | "作成日" => "creation",
            "publication" | "002" | "刊行日" => "publication",
            "revision" | "003" | "改訂日" => "revision",
            _ => continue,
        };
        by_kind.entry(kind).or_insert(text);
    }
    for kind in ["publication", "creation"] {
        let day = by_kind.get(kind).and_then(|text| first_day(text));
        record.draft.issued = record.draft.issued.or(day);
    }
    for kind in ["revision", "publication", "creation"] {
        let text = by_kind.get(kind).map(String::as_str).unwrap_or_default();
        let moment = minato_catalog::parse_moment(text).or_else(|| first_day(text).map(minato_catalog::jst_midnight));
        if moment.is_none() && !text.is_empty() {
            record.moment(kind, text);
        }
        record.draft.modified = record.draft.modified.or(moment);
    }
    if record.draft.issued.is_some_and(|issued| record.draft.modified.is_some_and(|modified| jst_day(modified) < issued)) {
        record.draft.modified = None;
    }
}

fn iso_keywords(record: &mut Record<'_>, about: &Element) {
    for group in about.all("descriptiveKeywords") {
        let is_place = group.nearest("type").map(value).is_some_and(|kind| kind == "place" || kind == "002");
        for word in values(group, "keyword") {
            if record.vocabulary.find_theme(&word).is_some() {
                record.theme(&[&word]);
            } else {
                record.keyword(&word);
            }
            if is_place && let Some(code) = record.vocabulary.find_area(&word).map(str::to_owned) {
                record.draft.spatial.get_or_insert_default().area_codes.push(code);
            }
        }
    }
    for topic in values(about, "topicCategory") {
        let ours = TOPICS.iter().find(|(word, code, _)| *word == topic || *code == topic);
        match ours {
            Some((_, _, theme)) if record.vocabulary.find_theme(&topic).is_none() && record.vocabulary.find_theme(theme).is_some() => {
                record.theme(&[theme])
            }
            _ if record.vocabulary.find_theme(&topic).is_some() => record.theme(&[&topic]),
            Some((word, _, _)) => record.keyword(word),
            None => record.theme(&[&topic]),
        }
    }
}

/// ISO 19115's topics, their codes in JMP, and the theme of ours that surely holds them.
const TOPICS: &[(&str, &str, &str)] = &[
    ("farming", "001", "gr_0400"),
    ("biota", "002", ""),
    ("boundaries", "003", "gr_0100"),
    ("climatologyMeteorologyAtmosphere", "004", "gr_0100"),
    ("economy", "005", "gr_0700"),
    ("elevation", "006", "gr_0100"),
    ("environment", "007", "gr_1400"),
    ("geoscientificInformation", "008", "gr_0100"),
    ("health", "009", "gr_1500"),
    ("imageryBaseMapsEarthCover", "010", "gr_0100"),
    ("intelligenceMilitary", "011", ""),
    ("inlandWaters", "012", "gr_0100"),
    ("location", "013", "gr_0100"),
    ("oceans", "014", "gr_0100"),
    ("planningCadastre", "015", "gr_0800"),
    ("society", "016", ""),
    ("structure", "017", "gr_0800"),
    ("transportation", "018", "gr_1000"),
    ("utilitiesCommunication", "019", ""),
];

fn iso_contact(record: &mut Record<'_>, metadata: &Element, about: &Element) {
    let parties: Vec<(&Element, String)> = about
        .all("pointOfContact")
        .into_iter()
        .chain(about.all("citedResponsibleParty"))
        .chain(metadata.children_named("contact"))
        .map(|party| (party, party.nearest("role").map(value).unwrap_or_default()))
        .collect();
    let text = |party: &Element, name: &str| party.nearest(name).map(value).filter(|text| !text.is_empty());
    let by_role = |roles: &[&str]| parties.iter().find(|(_, role)| roles.contains(&role.as_str())).map(|(party, _)| *party);
    if let Some(publisher) =
        by_role(&["publisher", "owner", "custodian", "resourceProvider"]).or_else(|| parties.first().map(|(party, _)| *party))
    {
        record.extra("publisher_name", &text(publisher, "organisationName").unwrap_or_default());
    }
    record.draft.creator = by_role(&["originator", "author", "principalInvestigator"])
        .and_then(|party| text(party, "organisationName").or_else(|| text(party, "individualName")));
    let Some(party) = by_role(&["pointOfContact"]).or_else(|| parties.first().map(|(party, _)| *party)) else { return };
    let name = [text(party, "organisationName"), text(party, "positionName"), text(party, "individualName")];
    let contact = ContactPoint {
        name: Some(unique(name.into_iter().flatten().collect()).join(" ")).filter(|name| !name.is_empty()),
        email: text(party, "electronicMailAddress"),
        telephone: text(party, "voice"),
        url: party
            .path(&["onlineResource", "linkage"])
            .or_else(|| party.path(&["onLineRes", "linkage"]))
            .and_then(|link| usable_url(&value(link), None)),
    };
    record.draft.contact_point = Some(contact).filter(|contact| *contact != ContactPoint::default());
}

/// Constraints on use; those on access alone are no licence.
fn iso_rights(record: &mut Record<'_>, about: &Element) {
    let mut statements = Vec::new();
    let mut access = Vec::new();
    for constraints in about.all("resourceConstraints") {
        let only_access = constraints.nearest("accessConstraints").is_some() && constraints.nearest("useConstraints").is_none();
        let found = if only_access { &mut access } else { &mut statements };
        for property in constraints.all("otherConstraints").into_iter().chain(constraints.all("useLimitation")) {
            // The anchor's address is the surer word.
            found.extend(property.children.iter().filter_map(|anchor| anchor.attribute("href")).map(str::to_owned));
            found.push(value(property));
        }
    }
    dublin_core::rights(record, &unique(statements));
    record.extra("access_rights", &unique(access).join(" "));
}

fn iso_extent(record: &mut Record<'_>, about: &Element) {
    let mut spatial = record.draft.spatial.take().unwrap_or_default();
    for corners in about.all("EX_GeographicBoundingBox").into_iter().chain(about.all("geographicBoundingBox")) {
        let number =
            |names: &[&str]| names.iter().find_map(|name| corners.nearest(name)).and_then(|bound| value(bound).parse::<f64>().ok());
        let found = (|| {
            on_globe([
                number(&["westBoundLongitude"])?,
                number(&["southBoundLatitude"])?,
                number(&["eastBoundLongitude"])?,
                number(&["northBoundLatitude"])?,
            ])
        })();
        match (found, &mut spatial.bbox) {
            (Some([west, south, east, north]), Some(known)) => {
                *known = [known[0].min(west), known[1].min(south), known[2].max(east), known[3].max(north)]
            }
            (Some(found), known @ None) => *known = Some(found),
            (None, _) => record.notice(
                "範囲 EX_GeographicBoundingBox の値が経緯度として読めないため、使いませんでした。",
                "the extent EX_GeographicBoundingBox is not in degrees and was not used",
            ),
        }
    }
    let labels: Vec<String> = about
        .all("geographicIdentifier")
        .into_iter()
        .filter_map(|place| place.nearest("code"))
        .chain(about.all("extent").into_iter().filter_map(|extent| extent.nearest("description")))
        .map(value)
        .collect();
    let labels = unique(labels);
    spatial.area_codes.extend(labels.iter().filter_map(|label| record.vocabulary.find_area(label)).map(str::to_owned));
    spatial.area_codes = unique(std::mem::take(&mut spatial.area_codes));
    spatial.label = Some(labels.join("、")).filter(|label| !label.is_empty());
    record.draft.spatial = Some(spatial).filter(|spatial| *spatial != Spatial::default());

    let Some(time) =
        about.nearest("EX_TemporalExtent").or_else(|| about.nearest("temporalElement")).or_else(|| about.nearest("temporalExtent"))
    else {
        return;
    };
    let position = |names: &[&str]| names.iter().find_map(|name| time.nearest(name)).map(Element::full_text).unwrap_or_default();
    let (mut start, mut end) = (position(&["beginPosition", "begin", "beginEnd"]), position(&["endPosition", "end"]));
    if start.is_empty() && end.is_empty() {
        start = position(&["TimeInstant", "timePosition"]);
        end.clone_from(&start);
    }
    let temporal = Temporal { start: first_day(&start), end: last_day(&end) };
    let is_backwards = matches!((temporal.start, temporal.end), (Some(start), Some(end)) if end < start);
    if temporal == Temporal::default() || is_backwards {
        record.extra("temporal_start", &start);
        record.extra("temporal_end", &end);
    } else {
        record.draft.temporal = Some(temporal);
    }
}

/// ISO's codes (`biannually`) and JMP's numbers as ours.
fn frequency_word(code: &str) -> &str {
    match code {
        "continual" | "001" => "continuous",
        "002" => "daily",
        "003" => "weekly",
        "fortnightly" | "004" => "biweekly",
        "005" => "monthly",
        "006" => "quarterly",
        "biannually" | "007" => "semiannual",
        "annually" | "008" => "annual",
        "asNeeded" | "009" => "as-needed",
        "010" => "irregular",
        "notPlanned" | "011" => "never",
        "012" => "unknown",
        other => other,
    }
}

fn iso_distributions(record: &mut Record<'_>, metadata: &Element, about: &Element) {
    let nothing = Element::default();
    let info = metadata.child("distributionInfo").unwrap_or(&nothing);
    let formats = unique(
        info.all("MD_Format").into_iter().chain(about.all("MD_Format")).filter_map(|format| format.nearest("name")).map(value).collect(),
    );
    let mut distributions: Vec<DistributionDraft> = Vec::new();
    // A service's own addresses stand among its operations.
    for link in info.all("onLine").into_iter().chain(about.all("connectPoint")) {
        let text = |name: &str| link.nearest(name).map(value).unwrap_or_default();
        let address = text("linkage");
        let mut extras = std::collections::BTreeMap::new();
        let Some(address) = record.address("linkage", &address, None, Some(&mut extras)) else {
            for (key, value) in extras {
                record.extra(&key, &value);
            }
            continue;
        };
        let (protocol, function) = (text("protocol"), text("function"));
        if distributions.iter().any(|known| known.download_url.as_ref().or(known.access_url.as_ref()) == Some(&address)) {
            continue;
        }
        let is_page = function == "information" && !dublin_core::is_file(&address);
        if is_page && record.draft.landing_page.is_none() {
            record.draft.landing_page = Some(address);
            continue;
        }
        let mime = link.nearest("MimeFileType").and_then(|kind| kind.attribute("type")).map(str::to_owned);
        let mut distribution = dublin_core::file(record, &address, &protocol, &text("name"));
        if function == "download" && distribution.download_url.is_none() {
            distribution.download_url = distribution.access_url.take();
        }
        distribution.description = text("description");
        distribution.media_type = mime.filter(|kind| kind.contains('/'));
        if !protocol.is_empty() {
            distribution.extras.insert("protocol".to_owned(), protocol);
        }
        distributions.push(distribution);
    }
    match (formats.as_slice(), distributions.as_mut_slice()) {
        ([format], [distribution]) if distribution.format.is_none() => {
            distribution.format = crate::convert::format(record.vocabulary, format)
        }
        (formats, _) => record.extra("format", &formats.join(", ")),
    }
    record.draft.distributions = Some(distributions);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientSettings;

    #[test]
    fn the_address_may_hold_a_request() {
        let client = Client::new(ClientSettings::default()).unwrap();
        for (url, base) in [
            ("https://e.jp/csw", "https://e.jp/csw"),
            ("https://e.jp/csw?SERVICE=CSW&Request=GetCapabilities", "https://e.jp/csw"),
            ("https://e.jp/cgi?map=a.map&service=CSW", "https://e.jp/cgi?map=a.map"),
        ] {
            assert_eq!(Service::new(url, &client).ok().unwrap().base.as_str(), base, "{url}");
        }
    }
}
