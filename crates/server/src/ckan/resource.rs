//! Distribution ⇄ resource.

use std::collections::BTreeMap;

use minato_app::catalog::{Dataset, Distribution, DistributionDraft, Text, normalize_format};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::package::{Site, language, with_scheme};
use super::params::{is_empty, prose, text};
use super::time::{day, moment, naive};

/// What is escaped in a segment of a URL's path.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The distribution at `index` as CKAN shows it; empty when there is none.
pub(super) fn resource(dataset: &Dataset, index: usize, site: Site<'_>) -> Map<String, Value> {
    let Some(distribution) = dataset.content.distributions.get(index) else { return Map::new() };
    let link = distribution.download_url.as_deref();
    let (url, url_type) = match (&distribution.file, link) {
        (Some(_), None) => (Some(format!("{}{}", site.base_url, download_path(&dataset.content.slug, distribution))), Some("upload")),
        (_, link) => (link.or(distribution.access_url.as_deref()).map(str::to_owned), None),
    };
    let hash = distribution.file.as_ref().map(|file| file.sha256.as_str()).or_else(|| distribution.extras.get("hash").map(String::as_str));
    let shown = json!({
        "cache_last_updated": null,
        "cache_url": null,
        "created": naive(created(dataset, distribution)),
        "description": distribution.description,
        "format": distribution.format.as_deref().unwrap_or_default(),
        "hash": hash.unwrap_or_default(),
        "id": distribution.id,
        "last_modified": distribution.modified.map(naive),
        "metadata_modified": naive(distribution.modified.unwrap_or(dataset.content.modified)),
        "mimetype": distribution.media_type,
        "mimetype_inner": null,
        "name": distribution.title,
        "package_id": dataset.id,
        "position": index,
        "resource_type": null,
        "size": distribution.byte_size,
        "state": "active",
        "url": url.unwrap_or_default(),
        "url_type": url_type,
    });
    let Value::Object(mut shown) = shown else { return Map::new() };
    let mut show = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            shown.insert(key.to_owned(), Value::String(value));
        }
    };
    for (key, value) in &distribution.extras {
        show(key, Some(value.clone()).filter(|_| !MADE_HERE.contains(&key.as_str())));
    }
    show("name_en", distribution.title_en.clone());
    show("license", distribution.licence.clone());
    show("access_url", distribution.access_url.clone().filter(|_| distribution.file.is_some() || link.is_some()));
    show("issued", distribution.issued.map(|day| day.to_string()));
    show("language", distribution.language.first().map(|_| distribution.language.join(",")));
    show("conforms_to", distribution.conforms_to.first().map(|_| json!(distribution.conforms_to).to_string()));
    show("identifier", distribution.identifier.clone());
    shown
}

/// Path of a kept file under the site's address.
pub(super) fn download_path(slug: &str, distribution: &Distribution) -> String {
    match &distribution.file {
        Some(file) => format!("/datasets/{slug}/download/{}/{}", distribution.id, utf8_percent_encode(&file.file_name, SEGMENT)),
        None => format!("/d/{}", distribution.id),
    }
}

/// The moment in a UUIDv7; those who bring other ids tell no moment.
fn created(dataset: &Dataset, distribution: &Distribution) -> chrono::DateTime<chrono::Utc> {
    let stamp = distribution.id.get_timestamp().filter(|_| distribution.id.get_version_num() == 7);
    let moment = stamp.and_then(|stamp| {
        let (seconds, nanoseconds) = stamp.to_unix();
        chrono::DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    });
    moment.unwrap_or(dataset.created)
}

/// For each resource sent, the distribution it means: the one with its id; for those without an id, the one with its address and
/// name, else with its address, else the kept file with its name. Nothing is meant twice.
pub(super) fn match_distributions<'d>(sent: &[&Map<String, Value>], there: &'d [Distribution]) -> Vec<Option<&'d Distribution>> {
    let string = |fields: &Map<String, Value>, key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let mut found: Vec<Option<&Distribution>> =
        sent.iter().map(|fields| string(fields, "id").parse::<Uuid>().ok().and_then(|id| there.iter().find(|d| d.id == id))).collect();
    type Rule = fn(&Distribution, &str, &str) -> bool;
    let rules: [Rule; 3] = [
        |distribution, url, name| has_url(distribution, url) && distribution.title == name,
        |distribution, url, _| has_url(distribution, url),
        |distribution, url, name| url.is_empty() && distribution.file.is_some() && !name.is_empty() && distribution.title == name,
    ];
    for rule in rules {
        for (index, fields) in sent.iter().enumerate() {
            let has_id = fields.get("id").is_some_and(|id| !is_empty(id));
            if found[index].is_some() || has_id {
                continue;
            }
            let (url, name) = (string(fields, "url"), string(fields, "name"));
            let matched = there
                .iter()
                .find(|distribution| rule(distribution, &url, &name) && !found.iter().flatten().any(|other| other.id == distribution.id));
            found[index] = matched;
        }
    }
    found
}

/// Whether a resource with this address means the distribution.
fn has_url(distribution: &Distribution, url: &str) -> bool {
    let is_link = [&distribution.download_url, &distribution.access_url].into_iter().flatten().any(|other| other == url);
    !url.is_empty() && (is_link || (distribution.file.is_some() && is_own_address(url, distribution)))
}

/// Whether an address is the one under which the kept file of a distribution is shown. The host may differ: sites move.
fn is_own_address(url: &str, distribution: &Distribution) -> bool {
    let id = distribution.id.to_string();
    url.contains(&format!("/download/{id}/")) || url.ends_with(&format!("/d/{id}")) || url.contains(&format!("/resource/{id}/download"))
}

/// Fields that are shown from elsewhere; an extra of that name never hides them.
const MADE_HERE: &[&str] = &[
    "created",
    "description",
    "format",
    "hash",
    "id",
    "last_modified",
    "metadata_modified",
    "mimetype",
    "name",
    "package_id",
    "position",
    "size",
    "state",
    "url",
    "url_type",
];

/// Fields of a resource that are mapped, made here, or of no meaning to another site. Everything else a client sends is an extra.
const KNOWN_FIELDS: &[&str] = &[
    "created",
    "description",
    "format",
    "hash",
    "id",
    "last_modified",
    "metadata_modified",
    "mimetype",
    "name",
    "package_id",
    "position",
    "size",
    "state",
    "url",
    "url_type",
    "name_en",
    "license",
    "license_id",
    "access_url",
    "issued",
    "language",
    "conforms_to",
    "identifier",
    "upload",
    "clear_upload",
    "revision_id",
    "resource_group_id",
    "tracking_summary",
    "accept_mismatch",
    "revision_timestamp",
];

/// The draft that a resource makes: of a new distribution, or instead of `previous`. The error names the field.
///
/// `uploading` says that a file comes with it: then what describes the file is taken from the file.
pub(super) fn distribution_draft(
    fields: &Map<String, Value>,
    previous: Option<&Distribution>,
    uploading: bool,
    site: Site<'_>,
) -> Result<DistributionDraft, (String, Text)> {
    let get = |key: &str| text(fields, key).map_err(|text| (key.to_owned(), text));
    let mut draft = DistributionDraft {
        title: get("name")?.unwrap_or_default(),
        title_en: get("name_en")?,
        description: prose(fields, "description").map_err(|text| ("description".to_owned(), text))?,
        format: get("format")?,
        media_type: get("mimetype")?.filter(|text| text.contains('/')),
        identifier: get("identifier")?,
        ..DistributionDraft::default()
    };
    draft.id = match (previous, get("id")?) {
        (Some(previous), _) => Some(previous.id),
        (None, None) => None,
        (None, Some(id)) => {
            let invalid = || ("id".to_owned(), Text::new("id は UUID にしてください。省略すると自動で付きます。", "Invalid id provided"));
            Some(id.parse().map_err(|_| invalid())?)
        }
    };
    let kept = previous.filter(|distribution| distribution.file.is_some() && distribution.download_url.is_none());
    let url = get("url")?.map(with_scheme);
    let is_upload = uploading
        || kept.is_some_and(|distribution| {
            get("url_type").ok().flatten().as_deref() == Some("upload")
                || url.as_deref().is_none_or(|url| is_own_address(url, distribution))
        });
    (draft.access_url, draft.download_url) = addresses(url, get("access_url")?, &draft, previous, is_upload);
    if !is_upload {
        draft.byte_size = size(fields)?;
    }
    if let Some(stated) = get("last_modified")?.filter(|_| !uploading) {
        let unreadable =
            || ("last_modified".to_owned(), Text::new("日時（例: 2026-11-20T03:00:00）にしてください。", "Date format incorrect"));
        draft.modified = Some(moment(&stated).ok_or_else(unreadable)?);
    }

    let mut extras: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in fields.iter().filter(|(key, _)| !KNOWN_FIELDS.contains(&key.as_str())) {
        match value {
            value if is_empty(value) => {}
            Value::String(text) => drop(extras.insert(key.clone(), text.clone())),
            other => drop(extras.insert(key.clone(), other.to_string())),
        }
    }
    if let (Some(hash), false) = (get("hash")?, is_upload) {
        extras.insert("hash".to_owned(), hash);
    }
    for key in ["license", "license_id"] {
        let Some(word) = get(key)? else { continue };
        match site.directory.vocabulary.find_licence(&word) {
            Some(id) if draft.licence.is_none() => draft.licence = Some(id.to_owned()),
            Some(_) => {}
            None => drop(extras.insert(key.to_owned(), word)),
        }
    }
    if let Some(issued) = get("issued")? {
        draft.issued = day(&issued);
        if draft.issued.is_none() {
            extras.insert("issued".to_owned(), issued);
        }
    }
    let list = |key: &str| fields.get(key).map(super::params::texts).unwrap_or_default();
    draft.conforms_to = list("conforms_to");
    for word in list("language").iter().flat_map(|text| text.split([',', '、'])).map(str::trim).filter(|word| !word.is_empty()) {
        match language(word) {
            Some(code) if !draft.language.contains(&code) => draft.language.push(code),
            Some(_) => {}
            None => drop(extras.insert("language".to_owned(), word.to_owned())),
        }
    }
    draft.extras = extras;
    Ok(draft)
}

/// Access and download URL. A page or an interface leads to data and is none; a kept file needs no address.
fn addresses(
    url: Option<String>,
    access_url: Option<String>,
    draft: &DistributionDraft,
    previous: Option<&Distribution>,
    is_upload: bool,
) -> (Option<String>, Option<String>) {
    if is_upload {
        return (access_url, None);
    }
    let format = draft.format.as_deref().and_then(normalize_format);
    let is_page = matches!(format.as_deref(), Some("HTML" | "API" | "WEB" | "LINK" | "URL" | "WMS" | "WFS" | "WMTS"));
    let was_page = previous.is_some_and(|distribution| distribution.download_url.is_none() && distribution.access_url == url);
    match access_url {
        None if is_page || was_page => (url, None),
        access_url => (access_url, url),
    }
}

fn size(fields: &Map<String, Value>) -> Result<Option<i64>, (String, Text)> {
    let number = match fields.get("size") {
        None => return Ok(None),
        Some(value) if is_empty(value) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let invalid = || ("size".to_owned(), Text::new("size はバイト数（整数）にしてください。", "Invalid integer"));
    number.map(Some).ok_or_else(invalid)
}
