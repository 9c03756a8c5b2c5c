//! ArcGIS Hub: its search in the shape of OGC API Records, else its DCAT feed; and plain directories of ArcGIS Server.
//!
//! The search gives 10,000 records of a query and says 10,000 when there are more; beyond, it is asked for those created at or after the
//! last one. A site without a catalog of its own answers with the whole world's: that is found out by its page and refused.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use minato_catalog::{DistributionDraft, HarvestSourceDraft, Text, Vocabulary, Withdrawal, jst_day};
use serde_json::Value;
use url::Url;

use crate::arcgis_server;
use crate::client::Client;
use crate::convert::{Record, site, usable_url};
use crate::data_json::{self, Profile};
use crate::json::{self, Fields, JsonError, array, or, some, text, texts};
use crate::listing::{Converted, End, Pages, Run, Stop};
use crate::plain_text::plain_text;

const SOFTWARE: &str = "ArcGIS Hub";
const LIMIT: usize = 100;
/// Records of one query that pages reach.
const WINDOW: u64 = 10_000;
/// Where the feed is, by release.
const FEEDS: [&str; 2] = ["api/feed/dcat-us/1.1.json", "data.json"];

const FEED: Profile = Profile { software: SOFTWARE, remote_id: id_of_address, access_is_download: true };

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    if source.url.to_lowercase().contains("/rest/services") {
        return arcgis_server::read(source, client, vocabulary, run).await;
    }
    let hub = Hub { base: site(&source.url, &["api", "search", "datasets", "data.json"])?, client };
    match hub.page(1, None).await {
        Ok(first) => {
            hub.check_scope().await?;
            hub.read(first, vocabulary, run).await
        }
        Err(error) if error.is_elsewhere() && !error.is_denied() => {
            let cause = error.at("api/search/v1");
            for feed in FEEDS {
                match data_json::read_at(&format!("{}{feed}", hub.base), &FEED, client, vocabulary, run).await {
                    Err(Stop::Broken(_)) if run.met() == 0 => {}
                    outcome => return outcome,
                }
            }
            Err(cause.into())
        }
        Err(error) => Err(error.at("api/search/v1").into()),
    }
}

struct Hub<'a> {
    base: Url,
    client: &'a Client,
}

/// A page of the search.
struct Page {
    count: u64,
    records: Vec<Value>,
    has_next: bool,
}

impl Hub<'_> {
    async fn read(&self, first: Page, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
        let mut pages = Pages::new(self.client.settings().pages_max);
        let (mut page, mut start, mut position) = (first, 1, 0);
        let mut since: Option<i64> = None;
        loop {
            // The count of all, where the search says it. Later queries count what is left; records of the last moment come again there.
            let count = Some(page.count).filter(|count| since.is_none() && *count < WINDOW);
            if let Some(doubt) = pages.count(count) {
                return Ok(End::doubtful(doubt));
            }
            for record in &page.records {
                run.take(self.convert(record, vocabulary, &format!("items #{position}"))).await?;
                position += 1;
            }
            let place = format!("startindex={start}");
            start += page.records.len();
            if !page.has_next {
                let read = start as u64 - 1;
                return Ok(if page.count >= WINDOW {
                    End::doubtful(too_many())
                } else if since.is_some() && read != page.count {
                    End::doubtful(Text::new(
                        format!("{read} 件目より後が返りませんでした（検索では {} 件）。時間をおいて再度実行してください。", page.count),
                        format!("nothing came after record {read} of {}; try again later", page.count),
                    ))
                } else {
                    End { reported: pages.reported(), doubt: None }
                });
            }
            if let Some(doubt) = pages.turn(&place, page.records.len(), run.passed()) {
                return Ok(End::doubtful(doubt));
            }
            if (start + LIMIT) as u64 > WINDOW {
                let last = page.records.iter().rev().find_map(created);
                if last.is_none() || last == since {
                    return Ok(End::doubtful(too_many()));
                }
                (since, start) = (last, 1);
            }
            let place = format!("startindex={start}");
            page = self.page(start, since).await.map_err(|error| error.at(&place))?;
        }
    }

    /// One page: the records from `start` on, counted from 1, created at or after `since`.
    async fn page(&self, start: usize, since: Option<i64>) -> Result<Page, JsonError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}api/search/v1/collections/dataset/items", self.base.path()));
        url.query_pairs_mut()
            .append_pair("limit", &LIMIT.to_string())
            .append_pair("startindex", &start.to_string())
            // New records come last.
            .append_pair("sortBy", "properties.created")
            .extend_pairs(since.map(|moment| ("filter", format!("created >= {moment}"))));
        let answer = json::get(self.client, url.as_str(), SOFTWARE).await?;
        let page = answer.as_object().and_then(|fields| {
            let links = array(fields, "links").iter().filter_map(Value::as_object);
            Some(Page {
                count: json::count(fields, "numberMatched")?,
                records: fields.get("features")?.as_array()?.clone(),
                has_next: links.into_iter().any(|link| text(link, "rel") == "next"),
            })
        });
        page.ok_or_else(|| {
            JsonError::Answer(Text::new(
                "応答に numberMatched と features がありません。ArcGIS Hub の URL か確認してください。",
                "the answer lacks numberMatched or features; check that the URL is an ArcGIS Hub site",
            ))
        })
    }

    /// Refuses a site that has no catalog of its own. A page that cannot be read says nothing.
    async fn check_scope(&self) -> Result<(), Stop> {
        let Ok(page) = self.client.get(self.base.as_str(), "text/html").await else { return Ok(()) };
        if !has_empty_scope(&String::from_utf8_lossy(&page.body)) {
            return Ok(());
        }
        Err(Text::new(
            "このサイトには自分のカタログの範囲が設定されておらず、検索すると ArcGIS 全体のデータが返ります。サイトのカタログ設定を確認してください。",
            "the site's catalog has no scope, so its search gives the data of all of ArcGIS; mend the site's catalog",
        )
        .into())
    }

    fn convert(&self, feature: &Value, vocabulary: &Vocabulary, position: &str) -> Converted {
        let Some((fields, properties)) = feature.as_object().and_then(|fields| Some((fields, json::object(fields, "properties")?))) else {
            return Converted::failure(None, position, feature, "レコードに properties がありません。", "the record has no properties");
        };
        let id = or(text(fields, "id"), || text(properties, "id"));
        if id.is_empty() {
            return Converted::failure(None, position, feature, "レコードに id がありません。", "the record has no id");
        }
        if !matches!(text(properties, "access").as_str(), "public" | "") {
            return Converted::Withdrawn(id, Withdrawal::Private);
        }
        let title = or(text(properties, "title"), || text(properties, "name"));
        if title.is_empty() {
            return Converted::failure(Some(&id), position, feature, "タイトル title がありません。", "the record has no title");
        }
        let mut record = Record::new(vocabulary);
        record.draft.title = plain_text(&title);
        record.draft.description = plain_text(&or(text(properties, "description"), || text(properties, "snippet")));
        for tag in texts(properties, "tags") {
            record.keyword(&tag);
        }
        for category in texts(properties, "categories") {
            record.theme(&[category.rsplit('/').next().unwrap_or_default()]);
        }
        let named = Some(text(properties, "license")).filter(|word| !matches!(word.as_str(), "custom" | "none" | "")).unwrap_or_default();
        let terms = plain_text(&text(properties, "licenseInfo"));
        // Nothing but a link: its address or its words may be a licence.
        let known = lone_link(&terms).and_then(|[label, address]| {
            [address, label].into_iter().find_map(|spelling| record.vocabulary.find_licence(spelling)).map(str::to_owned)
        });
        (record.draft.licence, record.draft.licence_text) = match known.filter(|_| named.is_empty()) {
            Some(licence) => (Some(licence), None),
            None => record.licence(&[&named, &terms]),
        };
        record.draft.issued = moment(properties, "created").map(jst_day);
        record.draft.modified = moment(properties, "modified");
        for word in texts(properties, "culture") {
            record.language(&word);
        }
        let place = [fields.get("geometry"), properties.get("extent")].into_iter().flatten().find(|place| !place.is_null());
        record.spatial(&place.map(Value::to_string).unwrap_or_default(), &[]);
        record.extra("publisher_name", &or(text(properties, "source"), || text(properties, "orgName")));
        record.extra("accessInformation", &plain_text(&text(properties, "accessInformation")));
        let page = format!("{}datasets/{}", self.base, or(text(properties, "slug"), || id.clone()));
        record.draft.landing_page = usable_url(&page, None);
        record.draft.distributions = Some(self.distributions(&id, properties));
        let remote_url = usable_url(&format!("{}datasets/{id}", self.base), None);
        Converted::Record(Box::new(record.finish(id.clone(), remote_url, position, feature.to_string())))
    }

    /// A layer in the forms that the hub makes of it, and the service; a file as it is.
    fn distributions(&self, id: &str, properties: &Fields) -> Vec<DistributionDraft> {
        let form = |key: &str, format: Option<String>, download: Option<String>, access: Option<String>| DistributionDraft {
            title: format.clone().unwrap_or_else(|| text(properties, "type")),
            identifier: Some(key.to_owned()),
            format,
            download_url: download,
            access_url: access,
            ..DistributionDraft::default()
        };
        let (item, layer_of_id) = id.split_once('_').map_or((id, None), |(item, layer)| (item, layer.parse::<u32>().ok()));
        let service = text(properties, "url");
        let layer_of_service = service.trim_end_matches('/').rsplit('/').next().and_then(|last| last.parse::<u32>().ok());
        let layer = layer_of_id.or(layer_of_service).unwrap_or(0);
        let kind = text(properties, "type");
        let mut forms = Vec::new();
        if matches!(kind.as_str(), "Feature Service" | "Feature Layer" | "Table" | "Map Service" | "Feature Collection") {
            for (key, format) in [("csv", "CSV"), ("geojson", "GEOJSON"), ("shapefile", "SHP"), ("kml", "KML")] {
                let url = format!("{}api/download/v1/items/{item}/{key}?layers={layer}", self.base);
                forms.push(form(key, Some(format.to_owned()), usable_url(&url, None), None));
            }
        }
        if let Some(address) = usable_url(&service, None) {
            // A link may be to a file elsewhere; services have no ending.
            let path = Url::parse(&address).map(|url| url.path().to_owned()).unwrap_or_default();
            let is_file =
                |format: &String| minato_catalog::media_type_of_format(format).is_some_and(|media_type| media_type != "text/html");
            match minato_catalog::format_of_file_name(path.rsplit('/').next().unwrap_or_default()).filter(is_file) {
                Some(format) => forms.push(form("file", Some(format), Some(address), None)),
                None => forms.push(form("service", Some("API".to_owned()), None, Some(address))),
            }
        } else if forms.is_empty() {
            let format = FILE_TYPES.iter().find(|(name, _)| *name == kind).map(|(_, format)| (*format).to_owned());
            let url = format!("https://www.arcgis.com/sharing/rest/content/items/{item}/data");
            forms.push(form("file", format, usable_url(&url, None), None));
        }
        forms
    }
}

/// ArcGIS's names of what items hold, where that is a file.
const FILE_TYPES: &[(&str, &str)] = &[
    ("CSV", "CSV"),
    ("CSV Collection", "ZIP"),
    ("Shapefile", "SHP"),
    ("GeoJson", "GEOJSON"),
    ("File Geodatabase", "GDB"),
    ("GeoPackage", "GPKG"),
    ("KML", "KML"),
    ("KML Collection", "ZIP"),
    ("Microsoft Excel", "XLSX"),
    ("Microsoft Word", "DOCX"),
    ("PDF", "PDF"),
    ("Image", "PNG"),
];

fn too_many() -> Text {
    Text::new(
        "検索で取得できる 10,000 件を超えており、続きを指定できません。取り込み元を分けてください。",
        "there are more than the 10,000 records that a search gives, and no way on; the source must be split",
    )
}

/// Words and address of a text that is one link in Markdown and nothing else.
fn lone_link(text: &str) -> Option<[&str; 2]> {
    let (label, address) = text.trim().strip_prefix('[')?.strip_suffix(')')?.split_once("](")?;
    (!label.contains(['[', ']']) && !address.contains(['(', ')', ' ', '\n'])).then_some([label, address])
}

/// Milliseconds, as a number or as digits.
fn milliseconds(fields: &Fields, key: &str) -> Option<i64> {
    text(fields, key).parse().ok()
}

fn moment(fields: &Fields, key: &str) -> Option<DateTime<Utc>> {
    milliseconds(fields, key).and_then(DateTime::from_timestamp_millis).or_else(|| minato_catalog::parse_moment(&text(fields, key)))
}

fn created(feature: &Value) -> Option<i64> {
    milliseconds(feature.get("properties")?.as_object()?, "created")
}

/// Whether a site's page carries a catalog whose scope is empty.
fn has_empty_scope(page: &str) -> bool {
    let encoded =
        page.split_once("window.__SITE=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(encoded, _)| encoded.replace('+', "%2B"));
    let Some(encoded) = encoded else { return false };
    let decoded =
        url::form_urlencoded::parse(format!("site={}", encoded.replace('&', "%26")).as_bytes()).next().map(|(_, value)| value.into_owned());
    let site: Option<Value> = decoded.and_then(|text| serde_json::from_str(&text).ok());
    site.as_ref()
        .and_then(|site| site.pointer("/site/data/catalogV2/scopes/item/filters"))
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
}

/// The id of the item, and of its layer, that an identifier in the feed names: `…/item.html?id=…&sublayer=3`, `…/datasets/…_3`.
fn id_of_address(address: &str) -> Option<String> {
    static HUB: LazyLock<Option<Url>> = LazyLock::new(|| Url::parse("https://www.arcgis.com/").ok());
    let url = HUB.as_ref()?.join(address).ok()?;
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let is_item = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(item) = parameter("id").filter(|id| is_item(id)) {
        return Some(match parameter("sublayer").and_then(some) {
            Some(layer) => format!("{item}_{layer}"),
            None => item,
        });
    }
    let last = url.path().trim_end_matches('/').rsplit('/').next()?.to_owned();
    let item = last.split('_').next().unwrap_or_default();
    is_item(item).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_the_feed_name_items() {
        let item = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6";
        for (address, id) in [
            (format!("https://www.arcgis.com/home/item.html?id={item}"), Some(item.to_owned())),
            (format!("https://www.arcgis.com/home/item.html?id={item}&sublayer=3"), Some(format!("{item}_3"))),
            (format!("http://data.example.jp/datasets/{item}_0"), Some(format!("{item}_0"))),
            ("https://data.example.jp/datasets/kure::trees".to_owned(), None),
            ("ds-1".to_owned(), None),
        ] {
            assert_eq!(id_of_address(&address), id, "{address}");
        }
    }

    #[test]
    fn a_catalog_without_a_scope_is_seen() {
        let page = |filters: &str| {
            let site = format!(r#"{{"site":{{"data":{{"catalogV2":{{"scopes":{{"item":{{"filters":{filters}}}}}}}}}}}}}"#);
            let encoded: String = url::form_urlencoded::byte_serialize(site.as_bytes()).collect();
            format!("<html><script>window.__SITE=\"{encoded}\";</script></html>")
        };
        assert!(has_empty_scope(&page("[]")));
        assert!(!has_empty_scope(&page(r#"[{"predicates":[]}]"#)));
        assert!(!has_empty_scope("<html></html>"));
    }
}
