//! Socrata's discovery API, and the `data.json` of portals without it.
//!
//! Sorted by id, pages reach 10,000 records; beyond, the last id met (`scroll_id`) says where to go on. Charts, stories and the like are listed too and are no
//! datasets. Pages of a catalog that is being indexed repeat records; then it is read once more.

use minato_catalog::{ContactPoint, DistributionDraft, HarvestSourceDraft, Text, Vocabulary, Withdrawal, jst_day};
use serde_json::Value;
use url::Url;

use crate::client::Client;
use crate::convert::{Record, site, usable_url, utc_moment};
use crate::data_json::{self, Profile};
use crate::json::{self, Fields, JsonError, array, object, or, shown, some, text, texts};
use crate::listing::{Converted, End, Pages, Run, Stop};
use crate::plain_text::plain_text;

const SOFTWARE: &str = "Socrata";
const LIMIT: usize = 100;
/// Records that offsets reach.
const WINDOW: usize = 10_000;

const DATA_JSON: Profile = Profile { software: SOFTWARE, remote_id: id_of_address, access_is_download: false };

/// A catalog, and the portal whose records are asked for.
struct Catalog<'a> {
    base: Url,
    domain: String,
    client: &'a Client,
}

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let base = site(&source.url, &["api", "browse", "data.json"])?;
    // The common catalog of all portals names the one that is meant.
    let named = Url::parse(source.url.trim())
        .ok()
        .and_then(|url| url.query_pairs().find(|(key, _)| key == "domains").map(|(_, value)| value.into_owned()));
    let domain = named.unwrap_or_else(|| base.host_str().unwrap_or_default().to_owned());
    let catalog = Catalog { base, domain, client };
    match catalog.page(At::Offset(0)).await {
        Ok((count, first)) => catalog.read(count, first, vocabulary, run).await,
        Err(error) if error.is_elsewhere() && !error.is_denied() => {
            let cause = error.at("api/catalog/v1");
            let document = format!("{}data.json", catalog.base);
            match data_json::read_at(&document, &DATA_JSON, client, vocabulary, run).await {
                Err(Stop::Broken(_)) if run.met() == 0 => Err(cause.into()),
                outcome => outcome,
            }
        }
        Err(error) => Err(error.at("api/catalog/v1").into()),
    }
}

/// Where a page begins.
#[derive(Clone)]
enum At {
    Offset(usize),
    /// After this id.
    Id(String),
}

impl Catalog<'_> {
    async fn read(&self, count: u64, first: Vec<Value>, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
        let end = self.pass(Some((count, first)), vocabulary, run).await?;
        match end.reported {
            Some(reported) if end.doubt.is_none() && run.passed() < reported => self.pass(None, vocabulary, run).await,
            _ => Ok(end),
        }
    }

    /// Reads the catalog from its beginning.
    async fn pass(&self, first: Option<(u64, Vec<Value>)>, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
        let is_first = first.is_some();
        let mut pages = Pages::new(self.client.settings().pages_max);
        let mut at = At::Offset(0);
        let mut position: usize = 0;
        let mut page = first;
        loop {
            let place = match &at {
                At::Offset(offset) => format!("offset={offset}"),
                At::Id(id) => format!("scroll_id={id}"),
            };
            let (count, records) = match page.take() {
                Some(page) => page,
                None => self.page(at.clone()).await.map_err(|error| error.at(&place))?,
            };
            if let Some(doubt) = pages.count(Some(count)) {
                return Ok(End::doubtful(doubt));
            }
            for (index, record) in records.iter().enumerate() {
                run.take(self.convert(record, vocabulary, &format!("catalog #{}", position + index))).await?;
            }
            position += records.len();
            if position as u64 >= count {
                return Ok(End { reported: pages.reported(), doubt: None });
            }
            // The second time, nothing new on a page is no wonder.
            let passed = if is_first { run.passed() } else { position as u64 };
            if let Some(doubt) = pages.turn(&place, records.len(), passed) {
                return Ok(End::doubtful(doubt));
            }
            at = match records.last().and_then(|record| Some(text(record.get("resource")?.as_object()?, "id"))) {
                Some(id) if position + LIMIT > WINDOW && !id.is_empty() => At::Id(id),
                _ => At::Offset(position),
            };
        }
    }

    /// The catalog's count of all records, and those of a page.
    async fn page(&self, at: At) -> Result<(u64, Vec<Value>), JsonError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}api/catalog/v1", self.base.path()));
        let limit = LIMIT.to_string();
        let mut query = vec![("domains", self.domain.clone()), ("search_context", self.domain.clone()), ("limit", limit)];
        match at {
            // An order and a scroll exclude each other; scrolling is by id.
            At::Offset(offset) => query.extend([("offset", offset.to_string()), ("order", "dataset_id".to_owned())]),
            At::Id(id) => query.push(("scroll_id", id)),
        }
        url.query_pairs_mut().extend_pairs(query);
        let answer = json::get(self.client, url.as_str(), SOFTWARE).await?;
        let page =
            answer.as_object().and_then(|fields| Some((json::count(fields, "resultSetSize")?, fields.get("results")?.as_array()?.clone())));
        page.ok_or_else(|| {
            let message = answer.get("error").map(json::plain).unwrap_or_default();
            JsonError::Answer(Text::new(
                format!("応答に resultSetSize と results がありません。Socrata の URL か確認してください。{message}"),
                format!("the answer lacks resultSetSize or results; check that the URL is a Socrata site. {message}"),
            ))
        })
    }

    fn convert(&self, entry: &Value, vocabulary: &Vocabulary, position: &str) -> Converted {
        let Some((fields, resource)) = entry.as_object().and_then(|fields| Some((fields, object(fields, "resource")?))) else {
            return Converted::failure(None, position, entry, "レコードに resource がありません。", "the record has no resource");
        };
        let id = text(resource, "id");
        if id.is_empty() {
            return Converted::failure(None, position, entry, "resource に id がありません。", "the resource has no id");
        }
        let kind = text(resource, "type");
        if !matches!(kind.as_str(), "" | "dataset" | "map" | "file" | "href" | "link" | "filter" | "federated_href") {
            return Converted::Other(id);
        }
        let metadata = object(fields, "metadata");
        let says_no = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_bool) == Some(false);
        if ["is_public", "is_published", "visible_to_anonymous"].iter().any(|key| says_no(key)) {
            return Converted::Withdrawn(id, Withdrawal::Private);
        }
        if text(resource, "name").is_empty() {
            return Converted::failure(Some(&id), position, entry, "名前 name がありません。", "the resource has no name");
        }
        let origin = self.origin(metadata.map(|metadata| text(metadata, "domain")).unwrap_or_default());
        let permalink = or(text(fields, "permalink"), || format!("{origin}d/{id}"));
        let mut record = package(fields, resource, vocabulary);
        let page = or(text(fields, "link"), || permalink.clone());
        record.draft.landing_page = record.address("link", &page, Some(&self.base), None);
        record.draft.distributions = Some(distributions(&id, &kind, &origin, &permalink, resource));
        Converted::Record(Box::new(record.finish(id.clone(), usable_url(&permalink, None), position, entry.to_string())))
    }

    /// The portal that has the record: this one, or another whose records it shows.
    fn origin(&self, domain: String) -> String {
        if domain.is_empty() || Some(domain.as_str()) == self.base.host_str() {
            self.base.to_string()
        } else {
            format!("https://{domain}/")
        }
    }
}

fn package<'v>(fields: &Fields, resource: &Fields, vocabulary: &'v Vocabulary) -> Record<'v> {
    let mut record = Record::new(vocabulary);
    record.draft.title = text(resource, "name");
    record.draft.description = plain_text(&text(resource, "description"));
    let (metadata, classification) = (object(fields, "metadata"), object(fields, "classification"));
    let name_or_text =
        |fields: &Fields, key: &str| or(text(fields, key), || object(fields, key).map(|it| text(it, "name")).unwrap_or_default());
    let licence = metadata.map(|metadata| name_or_text(metadata, "license")).unwrap_or_default();
    (record.draft.licence, record.draft.licence_text) = record.licence(&[&or(licence, || name_or_text(resource, "license"))]);
    record.draft.issued = utc_moment(&text(resource, "createdAt")).map(jst_day);
    record.draft.modified = ["data_updated_at", "updatedAt", "metadata_updated_at"].iter().find_map(|key| utc_moment(&text(resource, key)));
    if let Some(classification) = classification {
        for word in texts(classification, "domain_tags").into_iter().chain(texts(classification, "tags")) {
            record.keyword(&word);
        }
        let own = text(classification, "domain_category");
        for theme in some(own).into_iter().chain(texts(classification, "categories")) {
            record.theme(&[&theme]);
        }
        for entry in array(classification, "domain_metadata").iter().filter_map(Value::as_object) {
            let (key, value) = (text(entry, "key"), entry.get("value").map(shown).unwrap_or_default());
            let plain = key.to_lowercase().replace(['-', '_'], " ");
            if plain.ends_with("frequency") {
                record.frequency(&value);
            } else if !json::is_volatile(&key) {
                record.extra(&key, &value);
            }
        }
    }
    record.extra("publisher_name", &text(resource, "attribution"));
    record.extra("attribution_link", &text(resource, "attribution_link"));
    record.extra("provenance", &text(resource, "provenance"));
    let contact = ContactPoint { email: some(text(resource, "contact_email")), ..ContactPoint::default() };
    record.draft.contact_point = Some(contact).filter(|contact| *contact != ContactPoint::default());
    record
}

/// The forms in which the portal gives a record: tables as CSV and JSON, maps as GeoJSON too, files as they are, links as links.
fn distributions(id: &str, kind: &str, origin: &str, permalink: &str, resource: &Fields) -> Vec<DistributionDraft> {
    let form = |key: &str, format: Option<String>, download: Option<String>, access: Option<String>| DistributionDraft {
        title: format.clone().unwrap_or_else(|| text(resource, "name")),
        identifier: Some(key.to_owned()),
        format,
        download_url: download,
        access_url: access,
        ..DistributionDraft::default()
    };
    let view = text(resource, "lens_view_type");
    let media_type = text(resource, "blob_mime_type");
    if kind == "file" || view == "blobby" || !media_type.is_empty() {
        let format = minato_catalog::normalize_format(&media_type).filter(|format| !format.contains('/'));
        let bare = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let mut file = form("file", format, usable_url(&format!("{origin}download/{id}/{bare}"), None), None);
        file.media_type = some(bare).filter(|text| text.contains('/'));
        return vec![file];
    }
    if matches!(kind, "href" | "link" | "federated_href") || view == "href" {
        return vec![form("link", None, None, usable_url(permalink, None))];
    }
    let rows = |format: &str| usable_url(&format!("{origin}api/views/{id}/rows.{format}?accessType=DOWNLOAD"), None);
    let mut forms = vec![form("csv", Some("CSV".to_owned()), rows("csv"), None), form("json", Some("JSON".to_owned()), rows("json"), None)];
    if kind == "map" || view == "geo" || text(resource, "lens_display_type") == "map" {
        let url = usable_url(&format!("{origin}api/geospatial/{id}?method=export&format=GeoJSON"), None);
        forms.push(form("geojson", Some("GEOJSON".to_owned()), url, None));
    }
    forms
}

/// `https://data.example.jp/api/views/abcd-1234` → `abcd-1234`.
fn id_of_address(address: &str) -> Option<String> {
    let id = address.trim_end_matches('/').rsplit('/').next()?;
    let is_id = id.len() == 9 && id.bytes().enumerate().all(|(at, byte)| if at == 4 { byte == b'-' } else { byte.is_ascii_alphanumeric() });
    is_id.then(|| id.to_owned())
}
