//! DCAT documents into drafts.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use minato_catalog::{
    ContactPoint, DatasetDraft, DistributionDraft, HarvestItem, HarvestedRecord, RecordFailure, Spatial, Temporal, Text, Vocabulary,
    is_local_government_code, jst_day, parse_day, parse_moment, parse_period, standard_dataset,
};
use oxrdf::{NamedNodeRef, NamedOrBlankNode, Term};
use url::Url;

use crate::document::Document;
use crate::graph::{Graph, ParseError, Syntax, language_of};
use crate::place::bounding_box;
use crate::words::*;

/// One document of a DCAT catalog, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedCatalog {
    /// Every dataset described or listed, in document order.
    pub records: Vec<Result<HarvestedRecord, RecordFailure>>,
    /// Ids of datasets that the document calls withdrawn.
    pub withdrawn: Vec<String>,
    /// Address of the next page, by Hydra's paging.
    pub next_page: Option<String>,
    /// Number of datasets over all pages, where the document says so.
    pub total: Option<u64>,
}

/// Longest keyword a draft may have, in characters.
const KEYWORD_LENGTH_MAX: usize = 100;

/// Reads a DCAT document at once; [`Document`] is for those of any size. `base` is its address, against which relative IRIs resolve.
///
/// A record's identity is its `dct:identifier`, else its IRI, else those of the catalog record about it. A dataset that has none of
/// these is a failure and not a record: an id made from its title would change with every correction of the title, and the dataset
/// would be withdrawn and lose its history each time. A second dataset with the same identifier is a failure too.
///
/// A dataset whose `adms:status`, or that of its catalog record, is `WITHDRAWN` is withdrawn. One that is deprecated or replaced by
/// another can still be had and stays, with that among its extras.
pub fn parse_catalog(bytes: &[u8], syntax: Syntax, base: &str, vocabulary: &Vocabulary) -> Result<ParsedCatalog, ParseError> {
    let unreadable = |error: std::io::Error| ParseError { syntax, line: 0, column: 0, message: error.to_string() };
    let mut document = Document::read(std::io::Cursor::new(bytes), syntax, base).map_err(unreadable)?;
    if let Some(error) = document.error() {
        return Err(error.clone());
    }
    let (mut records, mut withdrawn) = (Vec::new(), Vec::new());
    for index in 0..document.len() {
        match document.item(index, vocabulary).map_err(unreadable)? {
            Some(HarvestItem::Record(record)) => records.push(Ok(*record)),
            Some(HarvestItem::Failure(failure)) => records.push(Err(failure)),
            Some(HarvestItem::Withdrawn { remote_id, .. }) => withdrawn.push(remote_id),
            None => {}
        }
    }
    Ok(ParsedCatalog { records, withdrawn, next_page: document.next_page().map(str::to_owned), total: document.total() })
}

/// The language code (`ja`) behind a code, an EU or Library of Congress URI or a Japanese word; `None` for unknown ones.
pub fn language_code(text: &str) -> Option<String> {
    let word = text.trim().trim_end_matches('/').rsplit(['/', '#']).next().unwrap_or_default().to_lowercase();
    let word = word.split(['-', '_']).next().unwrap_or_default();
    if let Some((code, _)) = LANGUAGES.iter().find(|(code, eu)| *code == word || eu.eq_ignore_ascii_case(word)) {
        return Some((*code).to_owned());
    }
    match word {
        "日本語" | "japanese" => Some("ja".to_owned()),
        "英語" | "english" => Some("en".to_owned()),
        "中国語" | "chi" => Some("zh".to_owned()),
        "韓国語" => Some("ko".to_owned()),
        _ => (word.len() == 2 && word.bytes().all(|b| b.is_ascii_lowercase())).then(|| word.to_owned()),
    }
}

/// A dataset and what belongs to it, on the way to a draft.
pub(crate) struct Reader<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) base: Option<&'a Url>,
    /// The catalog records about it.
    pub(crate) records: &'a [NamedOrBlankNode],
}

impl Reader<'_> {
    /// What the dataset is known by from one harvest to the next.
    pub(crate) fn remote_id(&self, node: &NamedOrBlankNode) -> Option<String> {
        std::iter::once(node).chain(self.records).find_map(|node| {
            let declared = self.graph.first(node, &[DCT_IDENTIFIER]).and_then(text_of);
            declared.or_else(|| match node {
                NamedOrBlankNode::NamedNode(iri) => Some(iri.as_str().to_owned()),
                NamedOrBlankNode::BlankNode(_) => None,
            })
        })
    }

    /// The last word of the dataset's `adms:status`, or of its catalog record's, in lower case.
    fn status(&self, node: &NamedOrBlankNode) -> Option<String> {
        let term = std::iter::once(node).chain(self.records).find_map(|node| self.graph.first(node, &[ADMS_STATUS]))?;
        let text = self.iri_or_label(term)?;
        text.trim_end_matches('/').rsplit(['/', '#', ':']).next().map(str::to_lowercase)
    }

    /// Whether the source itself says that the dataset is not published any more.
    pub(crate) fn is_withdrawn(&self, node: &NamedOrBlankNode) -> bool {
        self.status(node).as_deref() == Some("withdrawn")
    }

    pub(crate) fn record(&self, node: &NamedOrBlankNode) -> Result<HarvestedRecord, RecordFailure> {
        let mut draft = DatasetDraft::default();
        let mut notices = Vec::new();
        let declared = self.graph.first(node, &[DCT_IDENTIFIER]).and_then(|term| self.text(term));
        let (title, title_en) = self.bilingual(node, &[DCT_TITLE, RDFS_LABEL, SCHEMA_NAME]);
        let remote_id = self.remote_id(node);
        let fail = |cause: Text, raw: Option<String>| RecordFailure { remote_id: remote_id.clone(), position: name_of(node), cause, raw };
        if self.graph.about(node).is_empty() {
            // Its identifier may be another than its IRI: which record it is cannot be told.
            return Err(RecordFailure {
                remote_id: None,
                position: name_of(node),
                cause: Text::new(
                    format!("カタログの一覧にある {} の内容が文書内にありません。内容を加えるか、一覧から外してください。", name_of(node)),
                    format!("{} is listed but not described in the document; describe it there, or take it out of the list", name_of(node)),
                ),
                raw: None,
            });
        }
        let Some(title) = title else {
            return Err(fail(
                Text::new(
                    "データセットに dct:title がありません。タイトルを付けるか、カタログの一覧から外してください。",
                    "the dataset has no dct:title; give it one, or take it out of the catalog's list",
                ),
                Some(self.graph.excerpt(node, &[])),
            ));
        };
        let Some(remote_id) = remote_id.clone() else {
            return Err(fail(
                Text::new(
                    format!(
                        "データセット「{title}」に URI も dct:identifier もなく、次回の取り込みで同じものと判断できません。どちらかを付けてください。"
                    ),
                    format!(
                        "the dataset `{title}` has neither an IRI nor a dct:identifier, so it cannot be told again next time; give it one"
                    ),
                ),
                Some(self.graph.excerpt(node, &[])),
            ));
        };
        let distribution_nodes: Vec<NamedOrBlankNode> =
            self.graph.objects(node, DCAT_DISTRIBUTION).into_iter().filter_map(as_node).collect();
        let raw = self.graph.excerpt(node, &distribution_nodes);

        draft.title = title;
        draft.title_en = title_en;
        let (description, description_en) = self.bilingual(node, &[DCT_DESCRIPTION]);
        draft.description = description.unwrap_or_default();
        draft.description_en = description_en;
        draft.identifier = self.publisher_key(node).or_else(|| declared.filter(|id| !is_machine_id(id)));
        self.keywords(node, &mut draft, &mut notices);
        self.themes(node, &mut draft, &mut notices);
        draft.landing_page = self.web_address(node, DCAT_LANDING_PAGE, "landing_page", &mut draft.extras, &mut notices);
        draft.contact_point = self.contact_point(node, &mut notices);
        draft.creator = self.graph.first(node, &[DCT_CREATOR]).and_then(|term| self.label(term));
        if let Some(publisher) = self.graph.first(node, &[DCT_PUBLISHER]).and_then(|term| self.label(term)) {
            draft.extras.insert("publisher_name".to_owned(), publisher);
        }
        self.frequency(node, &mut draft, &mut notices);
        draft.issued = self.moment(node, DCT_ISSUED, "dct:issued", &mut notices).map(jst_day);
        draft.modified = self.moment(node, DCT_MODIFIED, "dct:modified", &mut notices);
        self.spatial(node, &mut draft);
        self.temporal(node, &mut draft, &mut notices);
        draft.language = self.languages(node);
        draft.version = self.graph.first(node, &[DCAT_VERSION, OWL_VERSION_INFO, SCHEMA_VERSION]).and_then(|term| self.text(term));
        for standard in self.graph.objects(node, DCT_CONFORMS_TO).into_iter().filter_map(|term| self.iri_or_label(term)) {
            match standard.rsplit_once("/standard-datasets/") {
                Some((_, id)) if standard_dataset(id).is_some() => draft.standard_dataset = Some(id.to_owned()),
                _ => draft.conforms_to.push(standard),
            }
        }
        if let Some(provenance) = self.graph.first(node, &[DCT_PROVENANCE]).and_then(|term| self.label(term)) {
            draft.extras.insert("provenance".to_owned(), provenance);
        }
        if let Some(status) = self.status(node) {
            draft.extras.insert("status".to_owned(), status);
        }
        for other in self.graph.objects(node, DCT_IS_REPLACED_BY).into_iter().filter_map(text_of) {
            append_extra(&mut draft, "is_replaced_by", &other);
        }
        let mut licence = self.licence(node);
        let mut distributions: Vec<(DistributionDraft, Licence)> = distribution_nodes
            .iter()
            .map(|distribution| (self.distribution(distribution, &mut notices), self.licence(distribution)))
            .collect();
        if licence.is_empty()
            && let Some((_, first)) = distributions.first()
            && distributions.iter().all(|(_, other)| other == first)
        {
            licence = first.clone();
        }
        for (distribution, own) in &mut distributions {
            if own.id != licence.id {
                distribution.licence.clone_from(&own.id);
            }
            if let Some(text) = own.text.as_ref().filter(|text| licence.text.as_ref() != Some(*text)) {
                distribution.extras.insert("licence_text".to_owned(), text.clone());
            }
        }
        let unknown = std::iter::once(&licence).chain(distributions.iter().map(|(_, own)| own)).find_map(Licence::unknown);
        if let Some(text) = unknown {
            notices.push(Text::new(
                format!("ライセンス「{text}」は登録されていないため、原文のまま残しました。"),
                format!("the licence `{text}` is not in the list and was kept in the publisher's words"),
            ));
        }
        draft.licence = licence.id;
        draft.licence_text = licence.text;
        draft.distributions = Some(distributions.into_iter().map(|(distribution, _)| distribution).collect());

        let remote_url = draft.landing_page.clone().or_else(|| match node {
            NamedOrBlankNode::NamedNode(iri) => self.absolute(iri.as_str()),
            NamedOrBlankNode::BlankNode(_) => None,
        });
        notices.extend(draft.tidy());
        let errors = draft.check(self.vocabulary);
        if !errors.is_empty() {
            let ja: Vec<&str> = errors.iter().map(|error| error.message.ja.as_str()).collect();
            let en: Vec<&str> = errors.iter().map(|error| error.message.en.as_str()).collect();
            return Err(fail(
                Text::new(format!("「{}」: {}", draft.title, ja.join(" ")), format!("`{}`: {}", draft.title, en.join("; "))),
                Some(raw),
            ));
        }
        Ok(HarvestedRecord { remote_id, alternate_id: None, remote_url, raw, draft, notices })
    }

    fn distribution(&self, node: &NamedOrBlankNode, notices: &mut Vec<Text>) -> DistributionDraft {
        let mut draft = DistributionDraft::default();
        let (title, title_en) = self.bilingual(node, &[DCT_TITLE, RDFS_LABEL, SCHEMA_NAME]);
        draft.title = title.unwrap_or_default();
        draft.title_en = title_en;
        draft.description = self.bilingual(node, &[DCT_DESCRIPTION]).0.unwrap_or_default();
        draft.identifier = self.graph.first(node, &[DCT_IDENTIFIER]).and_then(|term| self.text(term)).or_else(|| match node {
            NamedOrBlankNode::NamedNode(iri) => Some(iri.as_str().to_owned()),
            NamedOrBlankNode::BlankNode(_) => None,
        });
        draft.access_url = self.web_address(node, DCAT_ACCESS_URL, "access_url", &mut draft.extras, notices);
        draft.download_url = self.web_address(node, DCAT_DOWNLOAD_URL, "download_url", &mut draft.extras, notices);
        if draft.download_url.is_some() && draft.access_url == draft.download_url {
            draft.access_url = self.graph.first(node, &[FOAF_PAGE]).and_then(|term| self.url(term)).and_then(|url| self.absolute(&url));
        }
        draft.media_type = self
            .graph
            .first(node, &[DCAT_MEDIA_TYPE])
            .and_then(|term| self.iri_or_label(term))
            .map(|text| text.split_once("/media-types/").map_or(text.as_str(), |(_, name)| name).to_owned());
        draft.format = self
            .graph
            .first(node, &[DCT_FORMAT])
            .and_then(|term| self.label(term))
            .map(|text| text.split_once("/media-types/").map_or(text.as_str(), |(_, name)| name).to_owned())
            .map(|text| if text.contains("://") { text.rsplit(['/', '#']).next().unwrap_or_default().to_owned() } else { text })
            .or_else(|| draft.media_type.clone())
            .and_then(|text| self.vocabulary.normalize_format(&text));
        draft.byte_size = self.graph.first(node, &[DCAT_BYTE_SIZE]).and_then(|term| self.text(term)).and_then(|text| whole_number(&text));
        draft.issued = self.moment(node, DCT_ISSUED, "dct:issued", notices).map(jst_day);
        draft.modified = self.moment(node, DCT_MODIFIED, "dct:modified", notices);
        draft.language = self.languages(node);
        draft.conforms_to = self.graph.objects(node, DCT_CONFORMS_TO).into_iter().filter_map(|term| self.iri_or_label(term)).collect();
        draft
    }

    /// `adms:identifier`: the publisher's key beside the catalog's own identifier.
    fn publisher_key(&self, node: &NamedOrBlankNode) -> Option<String> {
        let term = self.graph.first(node, &[ADMS_IDENTIFIER])?;
        match as_node(term) {
            Some(inner) => self.graph.first(&inner, &[SKOS_NOTATION, DCT_IDENTIFIER]).and_then(|term| self.text(term)),
            None => self.text(term),
        }
    }

    fn keywords(&self, node: &NamedOrBlankNode, draft: &mut DatasetDraft, notices: &mut Vec<Text>) {
        let (mut japanese, mut other) = (Vec::new(), Vec::new());
        for term in self.graph.objects(node, DCAT_KEYWORD) {
            let Some(text) = self.label(term) else { continue };
            let is_foreign = matches!(term, Term::Literal(literal) if !matches!(language_of(literal).as_str(), "" | "ja" | "ja-jp"));
            if is_foreign { other.push(text) } else { japanese.push(text) }
        }
        for word in japanese.into_iter().chain(other) {
            add_keyword(draft, notices, &word);
        }
    }

    fn themes(&self, node: &NamedOrBlankNode, draft: &mut DatasetDraft, notices: &mut Vec<Text>) {
        let terms = self.graph.objects(node, DCAT_THEME);
        let mut described = Vec::new();
        let mut covered = HashSet::new();
        let mut open = Vec::new();
        // A concept described in the document says best what it is; the EU themes it matches then say nothing more.
        for term in terms {
            let concept = as_node(term);
            let known = concept.as_ref().and_then(|concept| self.known_concept(concept));
            match (known, concept) {
                (Some(id), Some(concept)) => {
                    described.push((term, id));
                    covered.extend(self.graph.objects(&concept, SKOS_EXACT_MATCH));
                }
                _ => open.push(term),
            }
        }
        let mut found: Vec<String> = described.into_iter().filter(|(term, _)| !covered.contains(term)).map(|(_, id)| id).collect();
        for term in open.into_iter().filter(|term| !covered.contains(term)) {
            let iri = self.iri_or_label(term).unwrap_or_default();
            let last = iri.trim_end_matches('/').rsplit(['/', '#']).next().unwrap_or_default();
            let label = self.label(term).unwrap_or_default();
            match [iri.as_str(), label.as_str(), last].iter().find_map(|text| self.vocabulary.find_theme(text)) {
                Some(id) => found.push(id.to_owned()),
                None if label.is_empty() => {}
                None => {
                    notices.push(Text::new(
                        format!("テーマ「{label}」は登録されていないため、キーワードなどに残しました。"),
                        format!("the theme `{label}` is not in the list and was kept as a keyword or extra"),
                    ));
                    if label.contains("://") {
                        append_extra(draft, "theme", &label);
                    } else {
                        add_keyword(draft, notices, &label);
                    }
                }
            }
        }
        for id in found {
            if !draft.themes.contains(&id) {
                draft.themes.push(id);
            }
        }
    }

    /// The theme that a described concept is by its code or name.
    fn known_concept(&self, concept: &NamedOrBlankNode) -> Option<String> {
        let names = [SKOS_NOTATION, DCT_IDENTIFIER, SKOS_PREF_LABEL, RDFS_LABEL, DCT_TITLE];
        names
            .into_iter()
            .flat_map(|predicate| self.graph.objects(concept, predicate))
            .filter_map(|term| self.text(term))
            .find_map(|text| self.vocabulary.find_theme(&text).map(str::to_owned))
    }

    fn licence(&self, node: &NamedOrBlankNode) -> Licence {
        let mut licence = Licence::default();
        for term in self.graph.objects(node, DCT_LICENSE) {
            let iri = self.iri_or_label(term);
            let label = self.label(term);
            let last = iri.as_deref().and_then(|iri| iri.rsplit_once("/licences/")).map(|(_, id)| id.to_owned());
            let spellings = [iri.as_deref(), label.as_deref(), last.as_deref()];
            let known = spellings.into_iter().flatten().find_map(|text| self.vocabulary.find_licence(text));
            match known {
                Some(id) if licence.id.is_none() => licence.id = Some(id.to_owned()),
                Some(_) => {}
                None if licence.text.is_none() => licence.text = label.or(iri),
                None => {}
            }
        }
        for term in self.graph.objects(node, DCT_RIGHTS) {
            let Some(text) = self.label(term) else { continue };
            match self.vocabulary.find_licence(&text) {
                Some(id) if licence.id.is_none() => licence.id = Some(id.to_owned()),
                Some(_) => {}
                None if licence.text.is_none() => licence.text = Some(text),
                None => {}
            }
        }
        licence
    }

    fn contact_point(&self, node: &NamedOrBlankNode, notices: &mut Vec<Text>) -> Option<ContactPoint> {
        let term = self.graph.first(node, &[DCAT_CONTACT_POINT])?;
        let Some(card) = as_node(term) else {
            return self.text(term).map(|name| ContactPoint { name: Some(name), ..ContactPoint::default() });
        };
        let value = |predicates: &[NamedNodeRef<'_>]| {
            let term = self.graph.first(&card, predicates)?;
            let inner = as_node(term).and_then(|inner| self.graph.first(&inner, &[VCARD_HAS_VALUE, VCARD_VALUE]));
            self.text(inner.unwrap_or(term))
        };
        let decoded = |text: String, scheme: &str| {
            let bare = text.strip_prefix(scheme).unwrap_or(&text);
            percent_encoding::percent_decode_str(bare).decode_utf8_lossy().trim().to_owned()
        };
        let contact = ContactPoint {
            name: value(&[VCARD_FN, VCARD_HAS_FN, VCARD_ORGANIZATION_NAME, FOAF_NAME]),
            email: value(&[VCARD_HAS_EMAIL, VCARD_EMAIL, FOAF_MBOX]).map(|text| decoded(text, "mailto:")),
            telephone: value(&[VCARD_HAS_TELEPHONE, VCARD_TEL]).map(|text| decoded(text, "tel:")),
            url: value(&[VCARD_HAS_URL, VCARD_URL, FOAF_HOMEPAGE]).and_then(|text| self.absolute(&text)),
        };
        if contact == ContactPoint::default() {
            if self.graph.about(&card).is_empty() {
                notices.push(Text::new(
                    format!("連絡先 {} の内容が文書内にありません。", name_of(&card)),
                    format!("the contact point {} is not described in the document", name_of(&card)),
                ));
            }
            return None;
        }
        Some(contact)
    }

    fn frequency(&self, node: &NamedOrBlankNode, draft: &mut DatasetDraft, notices: &mut Vec<Text>) {
        let Some(term) = self.graph.first(node, &[DCT_FREQUENCY]) else { return };
        let spellings = [self.iri_or_label(term), self.label(term)];
        let found = spellings.iter().flatten().find_map(|text| self.vocabulary.find_frequency(text));
        match (found, spellings.into_iter().flatten().next()) {
            (Some(frequency), _) => draft.accrual_periodicity = Some(frequency.id.to_owned()),
            (None, Some(text)) => {
                notices.push(Text::new(
                    format!("更新頻度「{text}」は登録されていないため、その他の項目に残しました。"),
                    format!("the update frequency `{text}` is not in the list and was kept among the extras"),
                ));
                draft.extras.insert("accrual_periodicity".to_owned(), text);
            }
            (None, None) => {}
        }
    }

    fn spatial(&self, node: &NamedOrBlankNode, draft: &mut DatasetDraft) {
        let mut spatial = Spatial::default();
        let mut labels = Vec::new();
        for term in self.graph.objects(node, DCT_SPATIAL) {
            let Some(place) = as_node(term) else {
                let Some(text) = self.text(term) else { continue };
                match bounding_box(&text) {
                    Some(bounds) => spatial.bbox = spatial.bbox.or(Some(bounds)),
                    None => labels.push(text),
                }
                continue;
            };
            for predicate in [DCAT_BBOX, LOCN_GEOMETRY, DCAT_CENTROID] {
                for geometry in self.graph.objects(&place, predicate) {
                    let inner = as_node(geometry).and_then(|inner| self.graph.first(&inner, &[GEO_AS_WKT, GEO_AS_GEOJSON]));
                    if spatial.bbox.is_none() {
                        spatial.bbox = self.text(inner.unwrap_or(geometry)).as_deref().and_then(bounding_box);
                    }
                }
            }
            for code in self.graph.objects(&place, DCT_IDENTIFIER).into_iter().filter_map(|term| self.text(term)) {
                if is_local_government_code(&code) && !spatial.area_codes.contains(&code) {
                    spatial.area_codes.push(code);
                }
            }
            let name = self.graph.first(&place, &[SKOS_PREF_LABEL, RDFS_LABEL, DCT_TITLE, SCHEMA_NAME, LOCN_GEOGRAPHIC_NAME]);
            labels.extend(name.and_then(|term| self.text(term)));
            if let NamedOrBlankNode::NamedNode(iri) = &place {
                match area_code_of_iri(iri.as_str()) {
                    Some(code) if !spatial.area_codes.contains(&code) => spatial.area_codes.push(code),
                    Some(_) => {}
                    None if self.graph.about(&place).is_empty() => append_extra(draft, "spatial", iri.as_str()),
                    None => {}
                }
            }
        }
        if !labels.is_empty() {
            spatial.label = Some(labels.join("、"));
        }
        if spatial != Spatial::default() {
            draft.spatial = Some(spatial);
        }
    }

    fn temporal(&self, node: &NamedOrBlankNode, draft: &mut DatasetDraft, notices: &mut Vec<Text>) {
        let Some(term) = self.graph.first(node, &[DCT_TEMPORAL]) else { return };
        let (start, end) = match as_node(term) {
            Some(period) => (
                self.graph.first(&period, &[DCAT_START, SCHEMA_START]).and_then(|term| self.text(term)),
                self.graph.first(&period, &[DCAT_END, SCHEMA_END]).and_then(|term| self.text(term)),
            ),
            None => {
                let text = self.text(term).unwrap_or_default();
                if let Some(period) = parse_period(&text) {
                    draft.temporal = Some(period);
                    return;
                }
                match text.split_once('/') {
                    Some((start, end)) => (Some(start.to_owned()), Some(end.to_owned())),
                    None => (Some(text), None),
                }
            }
        };
        let first = |text: &str| first_day(text).or_else(|| parse_period(text)?.start);
        let last = |text: &str| last_day(text).or_else(|| parse_period(text)?.end);
        let temporal = Temporal { start: start.as_deref().and_then(first), end: end.as_deref().and_then(last) };
        let in_order = !matches!((temporal.start, temporal.end), (Some(start), Some(end)) if end < start);
        if temporal != Temporal::default() && in_order {
            draft.temporal = Some(temporal);
            return;
        }
        let text = [start, end].into_iter().flatten().collect::<Vec<_>>().join("/");
        if !text.is_empty() {
            notices.push(Text::new(
                format!("対象期間「{text}」を日付として読めないため、その他の項目に残しました。"),
                format!("the period `{text}` was not understood and was kept among the extras"),
            ));
            draft.extras.insert("temporal".to_owned(), text);
        }
    }

    fn languages(&self, node: &NamedOrBlankNode) -> Vec<String> {
        let mut languages = Vec::new();
        for code in self
            .graph
            .objects(node, DCT_LANGUAGE)
            .into_iter()
            .filter_map(|term| self.iri_or_label(term))
            .filter_map(|text| language_code(&text))
        {
            if !languages.contains(&code) {
                languages.push(code);
            }
        }
        languages
    }

    fn moment(&self, node: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, name: &str, notices: &mut Vec<Text>) -> Option<DateTime<Utc>> {
        let text = self.graph.first(node, &[predicate]).and_then(|term| self.text(term))?;
        let moment = loose_moment(&text);
        if moment.is_none() {
            notices.push(Text::new(
                format!("{name} の「{text}」を日付として読めないため、使いませんでした。2024-04-01 の形で書いてください。"),
                format!("{name} `{text}` is not a date and was not used; write 2024-04-01"),
            ));
        }
        moment
    }

    /// A property that must be an address; what is none goes to the extras.
    fn web_address(
        &self,
        node: &NamedOrBlankNode,
        predicate: NamedNodeRef<'_>,
        name: &str,
        extras: &mut std::collections::BTreeMap<String, String>,
        notices: &mut Vec<Text>,
    ) -> Option<String> {
        let text = self.url(self.graph.first(node, &[predicate])?)?;
        let address = self.absolute(&text);
        if address.is_none() {
            notices.push(Text::new(
                format!("{name} の「{text}」は URL ではないため、その他の項目に残しました。"),
                format!("{name} `{text}` is not a web address and was kept among the extras"),
            ));
            extras.insert(name.to_owned(), text);
        }
        address
    }

    /// The text as an absolute http, https or ftp address; an address that needs no repair stays letter for letter.
    fn absolute(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let (url, as_written) = match Url::parse(text) {
            Ok(url) => (url, true),
            Err(_) => (self.base?.join(text).ok()?, false),
        };
        let usable = matches!(url.scheme(), "http" | "https" | "ftp") && url.has_host() && text.chars().count() <= 4_000;
        let kept = if as_written && !text.contains(char::is_whitespace) { text.to_owned() } else { url.into() };
        usable.then_some(kept)
    }

    fn url(&self, term: &Term) -> Option<String> {
        url_of(self.base, term)
    }

    fn text(&self, term: &Term) -> Option<String> {
        text_of(term)
    }

    /// The Japanese (or untagged, or any) name of a node, else its IRI; the text of a literal.
    fn label(&self, term: &Term) -> Option<String> {
        let node = as_node(term);
        let name = node.and_then(|node| {
            let names = [SKOS_PREF_LABEL, RDFS_LABEL, DCT_TITLE, FOAF_NAME, VCARD_FN, SCHEMA_NAME, DCT_DESCRIPTION, RDF_VALUE];
            names.into_iter().find_map(|predicate| self.bilingual(&node, &[predicate]).0)
        });
        name.or_else(|| self.text(term))
    }

    /// The IRI of a named node, else its label.
    fn iri_or_label(&self, term: &Term) -> Option<String> {
        match term {
            Term::NamedNode(node) => Some(node.as_str().to_owned()),
            other => self.label(other),
        }
    }

    /// The Japanese text (tagged, else untagged, else any) and the English one of the first property that has values.
    fn bilingual(&self, node: &NamedOrBlankNode, predicates: &[NamedNodeRef<'_>]) -> (Option<String>, Option<String>) {
        for predicate in predicates {
            let (mut japanese, mut untagged, mut english, mut other) = (None, None, None, None);
            for term in self.graph.objects(node, *predicate) {
                let Term::Literal(literal) = term else { continue };
                let language = language_of(literal);
                let slot = match language.split('-').next().unwrap_or_default() {
                    "" => &mut untagged,
                    "ja" => &mut japanese,
                    "en" => &mut english,
                    _ => &mut other,
                };
                if slot.is_none() {
                    *slot = self.text(term);
                }
            }
            let main = japanese.or(untagged).or_else(|| english.clone()).or(other);
            if main.is_some() {
                return (main, english);
            }
        }
        (None, None)
    }
}

/// The licence stated on a node: the one known here, and words that are not.
#[derive(Debug, Clone, PartialEq, Default)]
struct Licence {
    id: Option<String>,
    text: Option<String>,
}

impl Licence {
    fn is_empty(&self) -> bool {
        *self == Licence::default()
    }

    fn unknown(&self) -> Option<&str> {
        if self.id.is_none() { self.text.as_deref() } else { None }
    }
}

/// The address that a term is.
pub(crate) fn url_of(base: Option<&Url>, term: &Term) -> Option<String> {
    let text = match term {
        Term::NamedNode(node) => node.as_str().trim().to_owned(),
        Term::Literal(literal) => literal.value().trim().to_owned(),
        // `foaf:page [ a foaf:Document; schema:url … ]` and the like say no address a catalog could use.
        _ => return None,
    };
    let relative = Url::parse(&text).is_err();
    let joined = if relative { base.and_then(|base| base.join(&text).ok()).map(String::from) } else { None };
    Some(joined.unwrap_or(text)).filter(|text| !text.is_empty())
}

/// Text of a literal, IRI of a node.
pub(crate) fn text_of(term: &Term) -> Option<String> {
    let text = match term {
        Term::Literal(literal) => literal.value(),
        Term::NamedNode(node) => node.as_str(),
        _ => return None,
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(crate) fn as_node(term: &Term) -> Option<NamedOrBlankNode> {
    match term {
        Term::NamedNode(node) => Some(node.clone().into()),
        Term::BlankNode(node) => Some(node.clone().into()),
        _ => None,
    }
}

pub(crate) fn name_of(node: &NamedOrBlankNode) -> String {
    match node {
        NamedOrBlankNode::NamedNode(iri) => iri.as_str().to_owned(),
        NamedOrBlankNode::BlankNode(_) => "blank node".to_owned(),
    }
}

fn add_keyword(draft: &mut DatasetDraft, notices: &mut Vec<Text>, word: &str) {
    let word = word.trim();
    if word.is_empty() || draft.keywords.iter().any(|known| known == word) {
        return;
    }
    if word.chars().count() > KEYWORD_LENGTH_MAX || draft.keywords.len() >= minato_catalog::KEYWORDS_MAX {
        let start: String = word.chars().take(30).collect();
        notices.push(Text::new(
            format!("キーワード「{start}…」は長すぎるか多すぎるため、使いませんでした。"),
            format!("the keyword `{start}…` is too long or one too many and was not used"),
        ));
        return;
    }
    draft.keywords.push(word.to_owned());
}

fn append_extra(draft: &mut DatasetDraft, key: &str, value: &str) {
    let known = draft.extras.entry(key.to_owned()).or_default();
    if !known.is_empty() {
        known.push(' ');
    }
    known.push_str(value);
}

/// Ids made by programs say nothing to a publisher: UUIDs and IRIs.
fn is_machine_id(id: &str) -> bool {
    id.contains("://") || id.starts_with("urn:") || uuid::Uuid::try_parse(id).is_ok() || id.chars().count() > 500
}

/// `.../lod/sac/C34202-20200401` of the statistics portal → `342025`.
fn area_code_of_iri(iri: &str) -> Option<String> {
    let (_, rest) = iri.split_once("/sac/C")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    if digits.len() != 5 {
        return None;
    }
    (0..10).map(|check| format!("{digits}{check}")).find(|code| is_local_government_code(code))
}

fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0')).map_or(text, |(whole, _)| whole);
    whole.parse().ok().filter(|number| *number >= 0)
}

/// A moment as XML Schema or a publisher writes it: `xsd:date` may carry a zone, `xsd:gYear` is its first day.
fn loose_moment(text: &str) -> Option<DateTime<Utc>> {
    parse_moment(text).or_else(|| first_day(text).map(minato_catalog::jst_midnight))
}

fn first_day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    if let Some(day) = parse_moment(text).map(jst_day) {
        return Some(day);
    }
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let bare = bare.get(..bare.len().saturating_sub(6)).filter(|_| bare.len() > 10 && bare.ends_with(":00")).unwrap_or(bare);
    parse_day(bare).or_else(|| year(bare).and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)))
}

/// The last day of what is named: of a year its 31 December, of a month its last.
fn last_day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    if let Some(year) = year(text) {
        return NaiveDate::from_ymd_opt(year, 12, 31);
    }
    let day = first_day(text)?;
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count();
    if numbers == 2 && text.len() <= 7 { day.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt() } else { Some(day) }
}

fn year(text: &str) -> Option<i32> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten().filter(|year| *year > 0)
}
