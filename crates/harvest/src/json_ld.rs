//! Datasets in schema.org's words: JSON-LD as pages carry it, joined by `@id`, as drafts.

use std::collections::{HashMap, HashSet};

use minato_catalog::{ContactPoint, DistributionDraft, Spatial, Vocabulary, jst_day};
use minato_dcat::{bounding_box, language_code};
use serde_json::{Map, Value};
use url::Url;

use crate::convert::{Record, usable_url};
use crate::dublin_core::{is_file, on_globe, unique};
use crate::label::byte_size;
use crate::page::squeezed;
use crate::period::interval;
use crate::plain_text::plain_text;

/// The values of a script: several may follow each other, in CDATA or comments, HTML-escaped, with line breaks in strings.
pub(crate) fn values_of(text: &str) -> Result<Vec<Value>, String> {
    let mut text = text.trim().trim_start_matches('\u{feff}').trim();
    for (start, end) in
        [("<!--", "-->"), ("//<![CDATA[", "//]]>"), ("// <![CDATA[", "// ]]>"), ("/*<![CDATA[*/", "/*]]>*/"), ("<![CDATA[", "]]>")]
    {
        text = text.strip_prefix(start).unwrap_or(text).trim();
        text = text.strip_suffix(end).unwrap_or(text).trim();
    }
    let text = text.trim_end_matches(';');
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parse = |text: &str| serde_json::Deserializer::from_str(text).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
    let error = match parse(text) {
        Ok(values) => return Ok(values),
        Err(error) => error,
    };
    let unescaped = text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    parse(&unescaped)
        .or_else(|_| parse(&with_escaped_breaks(text)))
        .or_else(|_| parse(&with_escaped_breaks(&unescaped)))
        .map_err(|_| error.to_string().chars().take(200).collect())
}

/// Line breaks and tabs within strings, as JSON wants them.
fn with_escaped_breaks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string && !escaped && c.is_control() {
            out.push_str(match c {
                '\n' => "\\n",
                '\t' => "\\t",
                _ => " ",
            });
            continue;
        }
        if c == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
    }
    out
}

/// The values of a page, joined by `@id`.
pub(crate) struct Graph<'v> {
    by_id: HashMap<&'v str, &'v Map<String, Value>>,
}

/// Properties that lead to other things than the dataset itself is about.
const OTHERS: &[&str] = &["isBasedOn", "isBasedOnUrl", "isPartOf", "citation", "isRelatedTo", "exampleOfWork", "includedInDataCatalog"];

impl<'v> Graph<'v> {
    pub(crate) fn new(values: &'v [Value]) -> Self {
        let mut by_id: HashMap<&str, &Map<String, Value>> = HashMap::new();
        let mut waiting: Vec<&Value> = values.iter().collect();
        while let Some(value) = waiting.pop() {
            match value {
                Value::Array(list) => waiting.extend(list),
                Value::Object(node) => {
                    if let Some(id) = node.get("@id").and_then(Value::as_str) {
                        let known = by_id.entry(id).or_insert(node);
                        if known.len() < node.len() {
                            *known = node;
                        }
                    }
                    waiting.extend(node.values());
                }
                _ => {}
            }
        }
        Graph { by_id }
    }

    /// The object, or the fuller one it refers to.
    fn resolved<'s>(&'s self, node: &'s Map<String, Value>) -> &'s Map<String, Value> {
        let fuller = node.get("@id").and_then(Value::as_str).and_then(|id| self.by_id.get(id)).copied();
        fuller.filter(|fuller| fuller.len() > node.len()).unwrap_or(node)
    }

    /// All datasets, in document order, each once.
    pub(crate) fn datasets(&self, values: &'v [Value]) -> Vec<Map<String, Value>> {
        let mut found: Vec<Map<String, Value>> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        let mut waiting: Vec<(&Value, bool)> = values.iter().rev().map(|value| (value, false)).collect();
        while let Some((value, is_listed)) = waiting.pop() {
            match value {
                Value::Array(list) => waiting.extend(list.iter().rev().map(|value| (value, is_listed))),
                Value::String(address) if is_listed && address.contains("://") && seen.insert(address.clone()) => {
                    found.push(Map::from_iter([("@id".to_owned(), Value::from(address.as_str()))]));
                }
                Value::Object(node) => {
                    let types = types(node);
                    let is_dataset = types.iter().any(|kind| kind == "Dataset") || (is_listed && types.is_empty());
                    if is_dataset {
                        let node = self.resolved(node);
                        let key =
                            node.get("@id").and_then(Value::as_str).map_or_else(|| Value::Object(node.clone()).to_string(), str::to_owned);
                        if seen.insert(key) {
                            found.push(node.clone());
                        }
                    }
                    for (key, value) in node.iter().rev() {
                        let key = bare(key);
                        if !OTHERS.contains(&key) {
                            waiting.push((value, key == "dataset"));
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// A name without the vocabulary it is from.
fn bare(name: &str) -> &str {
    let name = ["http://schema.org/", "https://schema.org/", "http://www.schema.org/", "schema:"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    name.trim()
}

fn types(node: &Map<String, Value>) -> Vec<String> {
    match node.get("@type").or_else(|| node.get("type")) {
        Some(Value::String(kind)) => vec![bare(kind).to_owned()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(|kind| bare(kind).to_owned()).collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn get<'v>(node: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let found = node.get(key).or_else(|| node.iter().find(|(name, _)| bare(name) == key).map(|(_, value)| value));
    found.filter(|value| {
        !value.is_null()
            && value.as_array().is_none_or(|list| !list.is_empty())
            && value.as_str().is_none_or(|text| !text.trim().is_empty())
    })
}

/// One value or several.
fn items(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().flat_map(|value| items(Some(value))).collect(),
        Some(Value::Object(node)) if node.contains_key("@list") || node.contains_key("@set") => {
            items(node.get("@list").or_else(|| node.get("@set")))
        }
        Some(value) => vec![value],
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain_text(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Object(node) => node.get("@value").map(scalar).unwrap_or_default(),
        _ => String::new(),
    }
}

pub(crate) struct Reader<'a> {
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) page: &'a Url,
    /// The page's canonical address.
    pub(crate) here: &'a str,
    /// The page's language.
    pub(crate) language: &'a str,
}

impl Reader<'_> {
    /// Texts with their languages.
    fn texts(&self, node: &Map<String, Value>, key: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for value in items(get(node, key)) {
            match value {
                Value::Object(map) if map.contains_key("@value") => {
                    let language = map.get("@language").and_then(Value::as_str).map(primary).unwrap_or_default();
                    found.push((language, scalar(value)));
                }
                Value::Object(map) if map.keys().all(|key| key.len() <= 5 && !key.starts_with('@')) => {
                    found.extend(map.iter().map(|(language, value)| (primary(language), scalar(value))));
                }
                other => found.push((String::new(), scalar(other))),
            }
        }
        found.retain(|(_, text)| !text.is_empty());
        found
    }

    /// Japanese (or whatever there is) and English.
    fn bilingual(&self, node: &Map<String, Value>, key: &str) -> (String, Option<String>) {
        let texts = self.texts(node, key);
        let of = |language: &str| texts.iter().find(|(found, _)| found == language).map(|(_, text)| text.clone());
        let main = of("ja").or_else(|| of("")).or_else(|| texts.first().map(|(_, text)| text.clone())).unwrap_or_default();
        let english = of("en").filter(|text| *text != main);
        (main, english)
    }

    pub(crate) fn title(&self, node: &Map<String, Value>) -> (String, Option<String>) {
        let (title, english) = self.bilingual(node, "name");
        if title.is_empty() { self.bilingual(node, "headline") } else { (title, english) }
    }

    fn text(&self, node: &Map<String, Value>, key: &str) -> String {
        items(get(node, key)).into_iter().map(scalar).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// Names of things: texts, or objects with a name.
    fn labels(&self, node: &Map<String, Value>, key: &str) -> Vec<String> {
        let names = items(get(node, key)).into_iter().map(|value| match value {
            Value::Object(inner) if !inner.contains_key("@value") => {
                let inner = self.graph.resolved(inner);
                ["name", "legalName", "alternateName", "termCode", "value"]
                    .iter()
                    .map(|key| self.bilingual(inner, key).0)
                    .find(|text| !text.is_empty())
                    .unwrap_or_default()
            }
            other => scalar(other),
        });
        unique(names.collect())
    }

    /// An address of the thing itself, or behind an object.
    fn addresses(&self, node: &Map<String, Value>, key: &str) -> Vec<String> {
        let texts = items(get(node, key)).into_iter().map(|value| match value {
            Value::Object(inner) if !inner.contains_key("@value") => {
                let address = self.text(self.graph.resolved(inner), "url");
                if address.is_empty() { inner.get("@id").and_then(Value::as_str).unwrap_or_default().to_owned() } else { address }
            }
            other => scalar(other),
        });
        unique(texts.collect())
    }

    fn iri(&self, node: &Map<String, Value>) -> Option<String> {
        let id = node
            .get("@id")
            .or_else(|| node.get("id"))
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|id| !id.is_empty() && !id.starts_with("_:"))?;
        match Url::parse(id) {
            Ok(_) => Some(id.to_owned()),
            Err(_) => self.page.join(id).ok().map(|url| url.to_string()),
        }
    }

    /// `identifier` as text, as `PropertyValue`, or several of them.
    pub(crate) fn identifiers(&self, node: &Map<String, Value>) -> Vec<String> {
        let texts = items(get(node, "identifier")).into_iter().map(|value| match value {
            Value::Object(inner) if !inner.contains_key("@value") => {
                let inner = self.graph.resolved(inner);
                let value = self.text(inner, "value");
                if value.is_empty() { self.text(inner, "url") } else { value }
            }
            other => scalar(other),
        });
        unique(texts.collect())
    }

    pub(crate) fn id(&self, node: &Map<String, Value>, is_alone: bool) -> Option<String> {
        self.iri(node)
            .or_else(|| self.identifiers(node).into_iter().next())
            .or_else(|| self.addresses(node, "url").first().and_then(|url| usable_url(url, Some(self.page))))
            .or_else(|| is_alone.then(|| self.here.to_owned()))
    }

    /// The page that is about the dataset.
    pub(crate) fn own_page(&self, node: &Map<String, Value>) -> Option<Url> {
        let address = self.addresses(node, "url").into_iter().next().or_else(|| self.iri(node))?;
        self.page.join(&address).ok()
    }

    pub(crate) fn language_of(&self, node: &Map<String, Value>) -> String {
        let declared = self.labels(node, "inLanguage");
        match declared.as_slice() {
            [one] => language_code(one).unwrap_or_else(|| self.language.to_owned()),
            _ => self.language.to_owned(),
        }
    }

    pub(crate) fn record<'v>(&self, node: &Map<String, Value>, vocabulary: &'v Vocabulary) -> Record<'v> {
        let mut record = Record::new(vocabulary);
        let (title, title_en) = self.title(node);
        record.draft.title = title;
        let alternate = self.bilingual(node, "alternateName");
        record.draft.title_en =
            title_en.or(alternate.1).or_else(|| Some(alternate.0.clone()).filter(|text| !text.is_empty() && text.is_ascii()));
        if !alternate.0.is_ascii() {
            record.extra("alternate_name", &alternate.0);
        }
        let (description, description_en) = self.bilingual(node, "description");
        let description = if description.is_empty() { self.bilingual(node, "abstract").0 } else { description };
        record.draft.description = if description == record.draft.title { String::new() } else { description };
        record.draft.description_en = description_en;
        let identifiers = self.identifiers(node);
        record.draft.identifier = identifiers.iter().find(|id| !id.contains("://") && id.chars().count() <= 500 && !is_uuid(id)).cloned();
        for word in self.labels(node, "keywords").iter().flat_map(|words| words.split([',', '、', '，', ';', '；'])) {
            record.keyword(word);
        }
        for theme in self.labels(node, "about").iter().chain(&self.labels(node, "genre")) {
            if record.vocabulary.find_theme(theme).is_some() {
                record.theme(&[theme]);
            } else {
                record.keyword(theme);
            }
        }
        let (licence, words) = self.licence(node, &mut record);
        record.draft.licence = licence;
        record.draft.licence_text = words;
        self.people(node, &mut record);

        let landing = self.own_page(node).and_then(|url| usable_url(url.as_str(), None)).filter(|url| !is_file(url));
        record.draft.landing_page = landing.or_else(|| Some(self.here.to_owned()));
        let published = [self.text(node, "datePublished"), self.text(node, "dateCreated")];
        record.draft.issued = published
            .iter()
            .find_map(|text| {
                record.moment("datePublished", text).or_else(|| crate::period::first_day(text).map(minato_catalog::jst_midnight))
            })
            .map(jst_day);
        let modified = self.text(node, "dateModified");
        record.draft.modified = record.moment("dateModified", &modified);
        record.draft.version = Some(self.text(node, "version")).filter(|text| !text.is_empty());
        self.coverage(node, &mut record);
        for word in self.labels(node, "inLanguage") {
            match language_code(&word) {
                Some(code) if !record.draft.language.contains(&code) => record.draft.language.push(code),
                Some(_) => {}
                None => record.extra("language", &word),
            }
        }
        for (key, name) in [
            ("isAccessibleForFree", "is_accessible_for_free"),
            ("measurementTechnique", "measurement_technique"),
            ("citation", "citation"),
            ("usageInfo", "usage_info"),
        ] {
            let value = self.labels(node, key).join("、");
            record.extra(name, &value);
        }
        record.extra("same_as", &self.addresses(node, "sameAs").join(" "));
        record.extra("conditions_of_access", &self.text(node, "conditionsOfAccess"));
        record.extra("variable_measured", &self.labels(node, "variableMeasured").join("、"));
        let distributions =
            items(get(node, "distribution")).into_iter().filter_map(|value| self.distribution(value, &mut record)).collect();
        record.draft.distributions = Some(distributions);
        record
    }

    fn licence(&self, node: &Map<String, Value>, record: &mut Record<'_>) -> (Option<String>, Option<String>) {
        let mut spellings = self.addresses(node, "license");
        spellings.extend(self.labels(node, "license"));
        let spellings = unique(spellings);
        let spellings: Vec<&str> = spellings.iter().map(String::as_str).collect();
        record.licence(&spellings)
    }

    fn people(&self, node: &Map<String, Value>, record: &mut Record<'_>) {
        let publisher = self.labels(node, "publisher").join("、");
        let creator = [self.labels(node, "creator"), self.labels(node, "author")]
            .into_iter()
            .find(|names| !names.is_empty())
            .unwrap_or_default()
            .join("、");
        record.extra("publisher_name", if publisher.is_empty() { &creator } else { &publisher });
        record.draft.creator = Some(creator).filter(|name| !name.is_empty() && *name != publisher);
        let parties = ["contactPoint", "publisher", "creator", "maintainer"].iter().flat_map(|key| items(get(node, key)));
        for party in parties.filter_map(Value::as_object) {
            let party = self.graph.resolved(party);
            let inner = items(get(party, "contactPoint")).into_iter().find_map(Value::as_object);
            let point = inner.map_or(party, |inner| self.graph.resolved(inner));
            let email = self.text(point, "email");
            let contact = ContactPoint {
                name: Some(self.text(point, "name"))
                    .filter(|name| !name.is_empty())
                    .or_else(|| Some(self.text(party, "name")).filter(|name| !name.is_empty())),
                email: Some(email.strip_prefix("mailto:").unwrap_or(&email).to_owned()).filter(|email| !email.is_empty()),
                telephone: Some(self.text(point, "telephone")).filter(|number| !number.is_empty()),
                url: inner.and_then(|_| usable_url(&self.text(point, "url"), Some(self.page))),
            };
            if contact.email.is_some() || contact.telephone.is_some() || contact.url.is_some() {
                record.draft.contact_point = Some(contact);
                return;
            }
        }
    }

    fn coverage(&self, node: &Map<String, Value>, record: &mut Record<'_>) {
        for text in self.labels(node, "temporalCoverage") {
            match interval(&text) {
                Some(temporal) if record.draft.temporal.is_none() => record.draft.temporal = Some(temporal),
                _ => record.extra("temporal_coverage", &text),
            }
        }
        let mut spatial = Spatial::default();
        let mut labels = Vec::new();
        for place in items(get(node, "spatialCoverage")).into_iter().chain(items(get(node, "spatial"))) {
            match place {
                Value::Object(place) if !place.contains_key("@value") => {
                    let place = self.graph.resolved(place);
                    labels.extend(self.labels_of_place(place));
                    for shape in items(get(place, "geo")) {
                        spatial.bbox = spatial.bbox.or_else(|| self.bbox(shape));
                    }
                    spatial.bbox = spatial.bbox.or_else(|| self.bbox(&Value::Object(place.clone())));
                }
                other => {
                    let text = scalar(other);
                    match bounding_box(&text) {
                        Some(bbox) => spatial.bbox = spatial.bbox.or(Some(bbox)),
                        None => labels.push(text),
                    }
                }
            }
        }
        let labels = unique(labels);
        spatial.area_codes = unique(labels.iter().filter_map(|label| record.vocabulary.find_area(label)).map(str::to_owned).collect());
        spatial.label = Some(labels.join("、")).filter(|label| !label.is_empty());
        record.draft.spatial = Some(spatial).filter(|spatial| *spatial != Spatial::default());
    }

    fn labels_of_place(&self, place: &Map<String, Value>) -> Vec<String> {
        let name = self.bilingual(place, "name").0;
        if name.is_empty() { self.labels(place, "address") } else { vec![name] }
    }

    /// Boxes and polygons have latitude before longitude; some write them the other way, which shows in Japan.
    fn bbox(&self, shape: &Value) -> Option<[f64; 4]> {
        let shape = self.graph.resolved(shape.as_object()?);
        let pairs = |text: &str| -> Vec<(f64, f64)> {
            let numbers: Vec<f64> = text
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|part| !part.is_empty())
                .map_while(|part| part.parse().ok())
                .collect();
            numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
        };
        let mut points = Vec::new();
        for key in ["box", "polygon", "line", "circle"] {
            let text = self.text(shape, key);
            if let Some(found) = bounding_box(&text) {
                return Some(found);
            }
            let found = pairs(&text);
            points.extend(if key == "circle" { found.into_iter().take(1).collect() } else { found });
        }
        if let (Ok(latitude), Ok(longitude)) = (self.text(shape, "latitude").parse(), self.text(shape, "longitude").parse()) {
            points.push((latitude, longitude));
        }
        let (first, rest) = points.split_first()?;
        let longitude_first = points.iter().any(|(first, _)| first.abs() > 90.0);
        let mut bounds = [first.0, first.1, first.0, first.1];
        for (a, b) in rest {
            bounds = [bounds[0].min(*a), bounds[1].min(*b), bounds[2].max(*a), bounds[3].max(*b)];
        }
        let [a, b, c, d] = bounds;
        on_globe(if longitude_first { [a, b, c, d] } else { [b, a, d, c] })
    }

    fn distribution(&self, value: &Value, record: &mut Record<'_>) -> Option<DistributionDraft> {
        let mut draft = DistributionDraft::default();
        let node = match value {
            Value::Object(node) => self.graph.resolved(node),
            other => {
                let address = record.address("contentUrl", &scalar(other), Some(self.page), None)?;
                draft.download_url = Some(address);
                return Some(draft);
            }
        };
        let (name, name_en) = self.bilingual(node, "name");
        draft.title = name.chars().take(minato_catalog::TITLE_LENGTH_MAX).collect();
        draft.title_en = name_en;
        draft.description = self.bilingual(node, "description").0;
        let content = self.addresses(node, "contentUrl").into_iter().next().unwrap_or_default();
        draft.download_url = record.address("contentUrl", &content, Some(self.page), Some(&mut draft.extras));
        let page = self.addresses(node, "url").into_iter().next().unwrap_or_default();
        let page = record.address("url", &page, Some(self.page), Some(&mut draft.extras));
        match page {
            Some(page) if draft.download_url.is_none() && is_file(&page) => draft.download_url = Some(page),
            Some(page) if Some(&page) != draft.download_url.as_ref() => draft.access_url = Some(page),
            _ => {}
        }
        for format in items(get(node, "encodingFormat")).into_iter().chain(items(get(node, "fileFormat"))) {
            let word = match format {
                Value::Object(inner) => self.labels(node, "encodingFormat").into_iter().next().unwrap_or_else(|| self.text(inner, "@id")),
                other => scalar(other),
            };
            let word = word.trim().rsplit_once("media-types/").map_or(word.trim(), |(_, kind)| kind).to_owned();
            if word.contains('/') && !word.contains("://") {
                draft.media_type.get_or_insert_with(|| word.clone());
            }
            if draft.format.is_none() && !word.contains("://") {
                draft.format = crate::convert::format(record.vocabulary, &word);
            }
        }
        let size = self.text(node, "contentSize");
        draft.byte_size = byte_size(&size);
        if draft.byte_size.is_none() && !size.is_empty() {
            draft.extras.insert("content_size".to_owned(), size);
        }
        let sha256 = self.text(node, "sha256");
        if !sha256.is_empty() {
            draft.extras.insert("hash".to_owned(), sha256);
        }
        let (licence, words) = self.licence(node, record);
        draft.licence = licence.filter(|id| record.draft.licence.as_ref() != Some(id));
        if let Some(words) = words {
            draft.extras.insert("licence_text".to_owned(), words);
        }
        draft.issued = record.moment("datePublished", &self.text(node, "datePublished")).map(jst_day);
        draft.modified =
            [self.text(node, "dateModified"), self.text(node, "uploadDate")].iter().find_map(|text| record.moment("dateModified", text));
        draft.language = self.labels(node, "inLanguage").iter().filter_map(|word| language_code(word)).collect();
        draft.identifier = self.identifiers(node).into_iter().next().or_else(|| self.iri(node)).map(|id| squeezed(&id));
        (draft.download_url.is_some() || draft.access_url.is_some() || !draft.title.is_empty()).then_some(draft)
    }
}

/// Ids made by programs say nothing to a publisher.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// `ja-JP` → `ja`.
pub(crate) fn primary(language: &str) -> String {
    language.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_in_their_usual_wrappings() {
        for text in [
            r#"{"@type":"Dataset"}"#,
            "\u{feff}<!-- {\"@type\":\"Dataset\"} -->",
            "//<![CDATA[\n{\"@type\":\"Dataset\"}\n//]]>",
            "<![CDATA[{\"@type\":\"Dataset\"}]]>",
            "{&quot;@type&quot;:&quot;Dataset&quot;}",
            "{\"@type\":\"Dataset\",\"description\":\"1行目\n2行目\"};",
            "{\"@type\":\"Dataset\"}\n{\"@type\":\"WebPage\"}",
        ] {
            assert_eq!(values_of(text).unwrap()[0]["@type"], "Dataset", "{text}");
        }
        assert!(values_of("{\"@type\":\"Dataset\"").is_err());
        assert!(values_of(" ").unwrap().is_empty());
    }

    #[test]
    fn datasets_are_found_wherever_they_stand() {
        for (text, count) in [
            (r#"{"@type":["Thing","http://schema.org/Dataset"],"name":"a"}"#, 1),
            (r#"{"@graph":[{"@type":"WebSite"},{"@type":"schema:Dataset","@id":"x","schema:name":"a"}]}"#, 1),
            (r#"[{"@type":"DataCatalog","dataset":[{"@type":"Dataset","@id":"1"},"https://e.jp/2",{"name":"b"}]}]"#, 3),
            (r#"{"@type":"WebPage","mainEntity":{"@type":"Dataset","name":"a","isBasedOn":{"@type":"Dataset","name":"b"}}}"#, 1),
            (
                r##"{"@graph":[{"@type":"WebPage","mainEntity":{"@type":"Dataset","@id":"#d"}},{"@type":"Dataset","@id":"#d","name":"a"}]}"##,
                1,
            ),
            (r#"{"@type":"Datasets"}"#, 0),
        ] {
            let values = values_of(text).unwrap();
            let graph = Graph::new(&values);
            assert_eq!(graph.datasets(&values).len(), count, "{text}");
        }
    }
}
