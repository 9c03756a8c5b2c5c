//! Dataset ⇄ package.
//!
//! Fields of ours that a package lacks appear among its `extras`, under the keys of ckanext-dcat and of the open data
//! inventory, and are read from there again. A value that cannot be understood stays an extra as it was sent.

use std::collections::BTreeMap;

use minato_app::Directory;
use minato_app::catalog::{
    ContactPoint, Dataset, DatasetContent, DatasetDraft, DatasetState, Distribution, DistributionDraft, Organization, RecordState, Spatial,
    Temporal, Text, Visibility, find_frequency, is_local_government_code, standard_dataset,
};
use serde_json::{Map, Value, json};

use super::failure::{Failure, messages};
use super::params::{Params, boolean, embedded, is_empty, plain, prose, text};
use super::resource::{self, resource};
use super::time::{day, moment, naive};

/// What the mapping needs besides the dataset.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) base_url: &'a str,
    pub(super) directory: &'a Directory,
}

/// A dataset as CKAN shows it.
pub(super) fn package(dataset: &Dataset, site: Site<'_>) -> Map<String, Value> {
    let content = &dataset.content;
    let licence = ShownLicence::of(content, site.directory);
    let contact = content.contact_point.as_ref();
    let organization = site.directory.organization(content.organization_id);
    let resources: Vec<Value> = (0..content.distributions.len()).map(|index| Value::Object(resource(dataset, index, site))).collect();
    let tags: Vec<Value> = content.keywords.iter().map(|word| tag(word)).collect();
    let groups: Vec<Value> = content.themes.iter().map(|id| group_reference(id, site.directory)).collect();
    let extras: Vec<Value> = extras(content).into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let package = json!({
        "author": content.creator,
        "author_email": content.extras.get(AUTHOR_EMAIL),
        "creator_user_id": null,
        "id": dataset.id,
        "isopen": licence.is_open,
        "license_id": licence.id,
        "license_title": licence.title,
        "license_url": licence.url,
        "maintainer": contact.and_then(|contact| contact.name.as_deref()),
        "maintainer_email": contact.and_then(|contact| contact.email.as_deref()),
        "metadata_created": naive(dataset.created),
        "metadata_modified": naive(content.modified),
        "name": content.slug,
        "notes": content.description,
        "num_resources": resources.len(),
        "num_tags": tags.len(),
        "organization": organization.map(|organization| organization_reference(organization)),
        "owner_org": content.organization_id,
        "private": content.visibility == Visibility::Internal,
        "state": state(content.state),
        "title": content.title,
        "type": "dataset",
        "url": content.landing_page,
        "version": content.version,
        "extras": extras,
        "groups": groups,
        "resources": resources,
        "tags": tags,
        "relationships_as_subject": [],
        "relationships_as_object": [],
    });
    match package {
        Value::Object(package) => package,
        _ => Map::new(),
    }
}

pub(super) fn tag(word: &str) -> Value {
    json!({"display_name": word, "id": word, "name": word, "state": "active", "vocabulary_id": null})
}

fn group_reference(id: &str, directory: &Directory) -> Value {
    let theme = directory.themes.get(id);
    let title = theme.map_or(id, |theme| theme.draft.title.as_str());
    let description = theme.and_then(|theme| theme.draft.description.as_deref()).unwrap_or_default();
    json!({"description": description, "display_name": title, "id": id, "image_display_url": "", "name": id, "title": title})
}

fn organization_reference(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.draft.slug,
        "title": organization.draft.name,
        "type": "organization",
        "description": organization.draft.description,
        "image_url": organization.draft.image_url.as_deref().unwrap_or_default(),
        "created": naive(organization.created),
        "is_organization": true,
        "approval_status": "approved",
        "state": record_state(organization.state),
    })
}

pub(super) fn record_state(state: RecordState) -> &'static str {
    match state {
        RecordState::Active => "active",
        RecordState::Archived => "deleted",
    }
}

fn state(state: DatasetState) -> &'static str {
    match state {
        DatasetState::Draft => "draft",
        DatasetState::Published => "active",
        DatasetState::Archived | DatasetState::Duplicate => "deleted",
    }
}

struct ShownLicence {
    id: Option<String>,
    title: Option<String>,
    url: Option<String>,
    is_open: bool,
}

impl ShownLicence {
    fn of(content: &DatasetContent, directory: &Directory) -> Self {
        let Some(id) = &content.licence else {
            // A licence nobody here knows keeps the publisher's own word, as any CKAN would.
            let words = content.licence_text.clone();
            return ShownLicence { id: words.clone(), title: words, url: None, is_open: false };
        };
        match directory.licences.get(id) {
            Some(licence) => ShownLicence {
                id: Some(licence.draft.ckan_id.clone().unwrap_or_else(|| id.clone())),
                title: Some(licence.draft.title.clone()),
                url: licence.draft.url.clone(),
                is_open: licence.draft.open.unwrap_or(false),
            },
            None => ShownLicence { id: Some(id.clone()), title: Some(id.clone()), url: None, is_open: false },
        }
    }
}

/// Kept among our extras and shown as a field of the package.
const AUTHOR_EMAIL: &str = "author_email";

/// The extras of a package in the order of their keys: what has no field in CKAN, and what has none here.
fn extras(content: &DatasetContent) -> BTreeMap<String, String> {
    let mut shown: BTreeMap<String, String> = content.extras.clone();
    shown.remove(AUTHOR_EMAIL);
    let mut show = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            shown.insert(key.to_owned(), value);
        }
    };
    show("identifier", content.identifier.clone());
    show("title_en", content.title_en.clone());
    show("notes_en", content.description_en.clone());
    show("frequency", content.accrual_periodicity.clone());
    show("issued", content.issued.map(|day| day.to_string()));
    show("language", one_or_list(&content.language));
    show("conforms_to", one_or_list(&content.conforms_to));
    show("standard_dataset", content.standard_dataset.clone());
    if let Some(contact) = &content.contact_point {
        show("contact_phone", contact.telephone.clone());
        show("contact_url", contact.url.clone());
    }
    if content.licence.is_some() {
        show("licence_text", content.licence_text.clone());
    }
    if let Some(temporal) = &content.temporal {
        show("temporal", interval(temporal));
        show("temporal_start", temporal.start.map(|day| day.to_string()));
        show("temporal_end", temporal.end.map(|day| day.to_string()));
    }
    if let Some(spatial) = &content.spatial {
        show("area_code", one_or_list(&spatial.area_codes));
        match (spatial.bbox, &spatial.label) {
            (Some(bbox), label) => {
                // A finer shape than its box was sent: it is kept, and shown while it still has that box.
                let shape = content.extras.get("spatial").filter(|shape| bounding_box(shape) == Some(bbox));
                show("spatial", Some(shape.cloned().unwrap_or_else(|| rectangle(bbox))));
                show("spatial_text", label.clone());
            }
            (None, label) => show("spatial", label.clone()),
        }
    }
    if let Some(provenance) = &content.provenance {
        show("harvest_source_id", Some(provenance.source_id.to_string()));
        show("harvest_source_title", Some(provenance.source_title.clone()));
        show("harvest_source_url", Some(provenance.remote_url.clone().unwrap_or_else(|| provenance.source_url.clone())));
    }
    shown
}

/// Extras that only the harvest writes.
const PROVENANCE_KEYS: [&str; 3] = ["harvest_source_id", "harvest_source_title", "harvest_source_url"];

fn one_or_list(values: &[String]) -> Option<String> {
    match values {
        [] => None,
        // A single value that looks like a list would be read as one.
        [only] if !only.starts_with('[') => Some(only.clone()),
        values => Some(json!(values).to_string()),
    }
}

fn interval(temporal: &Temporal) -> Option<String> {
    let end = |day: Option<chrono::NaiveDate>| day.map_or("..".to_owned(), |day| day.to_string());
    (temporal.start.is_some() || temporal.end.is_some()).then(|| format!("{}/{}", end(temporal.start), end(temporal.end)))
}

fn rectangle([west, south, east, north]: [f64; 4]) -> String {
    let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
    json!({"type": "Polygon", "coordinates": [ring]}).to_string()
}

/// The box around a GeoJSON geometry.
fn bounding_box(text: &str) -> Option<[f64; 4]> {
    let geometry: Value = serde_json::from_str(text).ok()?;
    let mut found: Option<[f64; 4]> = None;
    let mut lists = vec![geometry.get("coordinates")?];
    while let Some(value) = lists.pop() {
        let items = value.as_array()?;
        match (items.first().and_then(Value::as_f64), items.get(1).and_then(Value::as_f64)) {
            (Some(x), Some(y)) => {
                let [west, south, east, north] = found.unwrap_or([x, y, x, y]);
                found = Some([west.min(x), south.min(y), east.max(x), north.max(y)]);
            }
            _ => lists.extend(items),
        }
    }
    found
}

/// Fields of a package that are mapped, made here, or of no meaning to another site. Everything else a client sends is an extra.
const KNOWN_FIELDS: &[&str] = &[
    "author",
    "author_email",
    "creator_user_id",
    "id",
    "isopen",
    "license_id",
    "license_title",
    "license_url",
    "maintainer",
    "maintainer_email",
    "metadata_created",
    "metadata_modified",
    "name",
    "notes",
    "num_resources",
    "num_tags",
    "organization",
    "owner_org",
    "private",
    "state",
    "title",
    "type",
    "url",
    "version",
    "extras",
    "groups",
    "resources",
    "tags",
    "tag_string",
    "relationships_as_subject",
    "relationships_as_object",
    "revision_id",
    "revision_timestamp",
    "use_default_schema",
    "tracking_summary",
    "plugin_data",
    "save",
    "log_message",
    "return_id_only",
    "num_followers",
    "accept_mismatch",
    "upload",
];

/// The draft that a package makes: of a new dataset, or instead of `previous`.
///
/// What is absent is emptied, as in CKAN; only the name, the owner, `private`, `state` and the resources of `previous` stay.
pub(super) fn dataset_draft(params: &Params, previous: Option<&Dataset>, site: Site<'_>) -> Result<DatasetDraft, Failure> {
    let before = previous.map(|dataset| &dataset.content);
    let mut rest = sent_extras(params)?;
    for (key, value) in &params.0 {
        if !KNOWN_FIELDS.contains(&key.as_str())
            && !rest.contains_key(key)
            && let Some(value) = extra_value(value)
        {
            rest.insert(key.clone(), value);
        }
    }
    if before.is_some_and(|content| content.provenance.is_some()) {
        PROVENANCE_KEYS.iter().for_each(|key| {
            rest.remove(*key);
        });
    }
    let name = params.text("name")?;
    let slug = name.or_else(|| before.map(|content| content.slug.clone()));
    let mut draft = DatasetDraft {
        title: params.text("title")?.or_else(|| slug.clone()).unwrap_or_default(),
        slug,
        organization: params.text("owner_org")?.or_else(|| before.map(|content| content.organization_id.to_string())),
        description: prose(&params.0, "notes").map_err(|text| Failure::field("notes", text))?,
        landing_page: params.text("url")?.map(with_scheme),
        creator: params.text("author")?,
        version: params.text("version")?,
        keywords: keywords(params)?,
        themes: themes(params, site.directory)?,
        visibility: match params.0.get("private").and_then(boolean) {
            Some(true) => Visibility::Internal,
            Some(false) => Visibility::Public,
            None => before.map(|content| content.visibility).unwrap_or_default(),
        },
        state: match params.text("state")?.as_deref() {
            Some("draft") => DatasetState::Draft,
            Some("active") => DatasetState::Published,
            // Withdrawing is an act of its own.
            _ => before.map(|content| content.state).filter(|state| state.is_listed()).unwrap_or_default(),
        },
        distributions: distributions(params, previous, site)?,
        ..DatasetDraft::default()
    };
    (draft.licence, draft.licence_text) = licence(params, &mut rest, site.directory)?;

    draft.identifier = rest.remove("identifier");
    draft.title_en = rest.remove("title_en");
    draft.description_en = rest.remove("notes_en");
    draft.accrual_periodicity = understood(&mut rest, "frequency", |text| find_frequency(text).map(|frequency| frequency.id.to_owned()));
    draft.issued = understood(&mut rest, "issued", day);
    draft.modified = understood(&mut rest, "modified", moment);
    draft.language = understood(&mut rest, "language", languages).unwrap_or_default();
    draft.conforms_to = rest.remove("conforms_to").map(|text| list_or_one(&text)).unwrap_or_default();
    draft.standard_dataset = understood(&mut rest, "standard_dataset", |id| standard_dataset(id).map(|_| id.to_owned()));
    draft.temporal = temporal(&mut rest, before.and_then(|content| content.temporal.as_ref()));
    draft.spatial = spatial(&mut rest);
    let contact = ContactPoint {
        name: params.text("maintainer")?,
        email: params.text("maintainer_email")?,
        telephone: rest.remove("contact_phone"),
        url: rest.remove("contact_url"),
    };
    draft.contact_point = Some(contact).filter(|contact| *contact != ContactPoint::default());
    if let Some(email) = params.text(AUTHOR_EMAIL)? {
        rest.insert(AUTHOR_EMAIL.to_owned(), email);
    }
    draft.extras = rest;
    Ok(draft)
}

/// Takes a value out of the extras when it can be understood.
fn understood<T>(rest: &mut BTreeMap<String, String>, key: &str, f: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let value = f(rest.get(key)?)?;
    rest.remove(key);
    Some(value)
}

/// `extras` as CKAN's list of keys and values, or as an object.
fn sent_extras(params: &Params) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    match list_of(params, "extras")? {
        Some(Value::Array(list)) => {
            for extra in &list {
                let Some(extra) = extra.as_object() else { return Err(not_a_list("extras")) };
                let key = text(extra, "key").map_err(|text| Failure::field("extras", text))?;
                let deleted = extra.get("deleted").and_then(boolean).unwrap_or(false);
                let value = extra.get("value").and_then(extra_value);
                let (Some(key), Some(value), false) = (key, value, deleted) else { continue };
                if found.insert(key.clone(), value).is_some() {
                    let text = Text::new(format!("extras に同じ key「{key}」が 2 回あります。"), format!("Duplicate key \"{key}\""));
                    return Err(Failure::field("extras_validation", text));
                }
            }
        }
        Some(Value::Object(map)) => found.extend(map.iter().filter_map(|(key, value)| Some((key.clone(), extra_value(value)?)))),
        _ => {}
    }
    Ok(found)
}

fn extra_value(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

/// A list parameter; form clients send it as JSON in a text.
fn list_of(params: &Params, key: &str) -> Result<Option<Value>, Failure> {
    match params.0.get(key) {
        None => Ok(None),
        Some(value) if is_empty(value) => Ok(None),
        Some(list @ (Value::Array(_) | Value::Object(_))) => Ok(Some(list.clone())),
        Some(Value::String(text)) => embedded(text).map(Some).ok_or_else(|| not_a_list(key)),
        Some(_) => Err(not_a_list(key)),
    }
}

fn not_a_list(key: &str) -> Failure {
    Failure::field(
        key,
        Text::new(format!("{key} は辞書のリストにしてください。"), "Only lists of dicts can be placed against subschema, not this"),
    )
}

fn keywords(params: &Params) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    match list_of(params, "tags")? {
        Some(Value::Array(list)) => {
            for tag in &list {
                let word = match tag {
                    Value::Object(fields) => text(fields, "name").map_err(|text| Failure::field("tags", text))?,
                    other => plain(other),
                };
                words.push(word.ok_or_else(|| Failure::missing("tags"))?);
            }
        }
        Some(_) => return Err(not_a_list("tags")),
        // CKAN reads the text only when there is no list.
        None => {
            let text = params.text("tag_string")?.unwrap_or_default();
            words.extend(text.split([',', '、', '，']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    Ok(words)
}

fn themes(params: &Params, directory: &Directory) -> Result<Vec<String>, Failure> {
    let Some(list) = list_of(params, "groups")? else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| not_a_list("groups"))?.clone();
    list.iter()
        .map(|group| match group {
            Value::Object(fields) => {
                let mut first = None;
                for key in ["id", "name", "title"] {
                    let Some(word) = text(fields, key).map_err(|text| Failure::field("groups", text))? else { continue };
                    if directory.vocabulary.find_theme(&word).is_some() {
                        return Ok(word);
                    }
                    first.get_or_insert(word);
                }
                first.ok_or_else(|| Failure::missing("groups"))
            }
            other => plain(other).ok_or_else(|| Failure::missing("groups")),
        })
        .collect()
}

/// The licence and, where they say more than its id, the publisher's own words.
fn licence(
    params: &Params,
    rest: &mut BTreeMap<String, String>,
    directory: &Directory,
) -> Result<(Option<String>, Option<String>), Failure> {
    let own_words = rest.remove("licence_text");
    let (id, url, title) = (params.text("license_id")?, params.text("license_url")?, params.text("license_title")?);
    let Some(sent) = id.or_else(|| url.clone()).or_else(|| title.clone()) else { return Ok((None, own_words)) };
    // An id that is known nowhere may come with the address of a licence that is.
    let candidates = [Some(sent.clone()), url, title];
    let found = candidates.iter().flatten().find_map(|text| directory.vocabulary.find_licence(text));
    let Some(id) = found else { return Ok((None, Some(own_words.unwrap_or(sent)))) };
    let ckan_id = directory.vocabulary.licences.get(id).and_then(|licence| licence.ckan_id.as_deref());
    let is_plain = sent == id || Some(sent.as_str()) == ckan_id;
    Ok((Some(id.to_owned()), own_words.or_else(|| (!is_plain).then_some(sent))))
}

fn list_or_one(text: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => list,
        Err(_) => vec![text.to_owned()],
    }
}

/// Codes of all languages named, or nothing when one is unknown.
fn languages(text: &str) -> Option<Vec<String>> {
    let words = match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => list,
        Err(_) => text.split([',', ';', '、', ' ']).map(str::to_owned).collect(),
    };
    let words = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
    words.map(language).collect::<Option<Vec<String>>>().filter(|codes| !codes.is_empty())
}

pub(super) fn language(word: &str) -> Option<String> {
    let last = word.rsplit('/').next().unwrap_or_default();
    let code = match last.to_lowercase().as_str() {
        "日本語" | "japanese" | "jpn" | "jp" => "ja".to_owned(),
        "英語" | "english" | "eng" => "en".to_owned(),
        "中国語" | "chinese" | "zho" => "zh".to_owned(),
        "韓国語" | "korean" | "kor" => "ko".to_owned(),
        _ => last.to_owned(),
    };
    let main = code.split(['-', '_']).next().unwrap_or_default();
    let is_code = (2..=3).contains(&main.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_code.then_some(code)
}

/// Of `temporal` and `temporal_start`, `temporal_end`, which say the same: the one that was changed.
fn temporal(rest: &mut BTreeMap<String, String>, before: Option<&Temporal>) -> Option<Temporal> {
    let pair = Temporal { start: understood(rest, "temporal_start", day), end: understood(rest, "temporal_end", day) };
    let pair = Some(pair).filter(|pair| *pair != Temporal::default());
    let interval = understood(rest, "temporal", read_interval);
    match (pair, interval) {
        (Some(pair), Some(interval)) => Some(if Some(&pair) == before { interval } else { pair }),
        (pair, interval) => pair.or(interval),
    }
}

/// `2024-04-01/2025-03-31`, with `..` or nothing for an open end.
fn read_interval(text: &str) -> Option<Temporal> {
    let (start, end) = text.split_once(['/', '～', '〜'])?;
    let read = |text: &str| match text.trim() {
        "" | ".." => Some(None),
        text => day(text).map(Some),
    };
    let temporal = Temporal { start: read(start)?, end: read(end)? };
    Some(temporal).filter(|temporal| *temporal != Temporal::default())
}

fn spatial(rest: &mut BTreeMap<String, String>) -> Option<Spatial> {
    let mut spatial = Spatial { label: rest.remove("spatial_text"), ..Spatial::default() };
    spatial.area_codes = understood(rest, "area_code", |text| {
        let codes = list_or_one(text);
        codes.iter().all(|code| is_local_government_code(code)).then_some(codes)
    })
    .unwrap_or_default();
    if let Some(text) = rest.get("spatial").cloned() {
        spatial.bbox = bounding_box(&text);
        match spatial.bbox {
            // The shape itself stays an extra when it is more than a box.
            Some(bbox) if same_json(&rectangle(bbox), &text) => drop(rest.remove("spatial")),
            Some(_) => {}
            None if spatial.label.is_none() && embedded(&text).is_none() => spatial.label = rest.remove("spatial"),
            None => {}
        }
    }
    Some(spatial).filter(|spatial| *spatial != Spatial::default())
}

fn same_json(a: &str, b: &str) -> bool {
    match (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The resources of a package; `None` leaves those there as they are.
fn distributions(params: &Params, previous: Option<&Dataset>, site: Site<'_>) -> Result<Option<Vec<DistributionDraft>>, Failure> {
    let Some(list) = list_of(params, "resources")? else { return Ok(None) };
    let list = list.as_array().ok_or_else(|| not_a_list("resources"))?.clone();
    let mut sent = Vec::with_capacity(list.len());
    for item in &list {
        let fields = item.as_object().ok_or_else(|| not_a_list("resources"))?;
        if fields.get("state").and_then(Value::as_str) != Some("deleted") {
            sent.push(fields);
        }
    }
    let there: &[Distribution] = previous.map(|dataset| dataset.content.distributions.as_slice()).unwrap_or_default();
    let matches = resource::match_distributions(&sent, there);
    let (mut drafts, mut errors, mut has_errors) = (Vec::new(), Vec::new(), false);
    for (fields, matched) in sent.into_iter().zip(matches) {
        match resource::distribution_draft(fields, matched, false, site) {
            Ok(draft) => {
                drafts.push(draft);
                errors.push(json!({}));
            }
            Err((field, text)) => {
                has_errors = true;
                errors.push(json!({field: messages(text)}));
            }
        }
    }
    match has_errors {
        true => Err(Failure::Validation(Map::from_iter([("resources".to_owned(), Value::Array(errors))]))),
        false => Ok(Some(drafts)),
    }
}

/// CKAN lets `www.example.jp/a.csv` pass for an address and shows it with `http://`.
pub(super) fn with_scheme(url: String) -> String {
    let is_bare = !url.contains("://")
        && url.contains('.')
        && !url.starts_with(['/', '.'])
        && !url.contains(char::is_whitespace)
        && !url.contains(':');
    if is_bare { format!("http://{url}") } else { url }
}
