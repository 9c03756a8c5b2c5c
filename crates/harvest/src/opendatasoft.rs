//! Opendatasoft's Explore API v2.1, and version 1.0 of old portals.
//!
//! Pages end at 10,000 records: there the server answers 500. A larger catalog is read from its export, which is one list of the same
//! records. Counts of rows and the times of the last processing change without any edit and are left out.

use minato_catalog::{ContactPoint, DistributionDraft, HarvestSourceDraft, Text, Vocabulary, Withdrawal, jst_day};
use serde_json::Value;
use url::Url;

use crate::client::Client;
use crate::convert::{Record, place, site, usable_url, utc_moment};
use crate::data_json::Document;
use crate::json::{self, Fields, JsonError, array, clip, items, object, or, some, text, texts};
use crate::listing::{Converted, End, Pages, Run, Stop};
use crate::plain_text::plain_text;

const SOFTWARE: &str = "Opendatasoft";
const LIMIT: usize = 100;
/// Records that pages reach; offset and limit together stay below it.
const WINDOW: u64 = 10_000;
/// Orders of a page, the best first: by a name that never changes; some portals refuse to sort by it.
const ORDERS: [Option<&str>; 2] = [Some("dataset_id"), None];

#[derive(Clone, Copy, PartialEq)]
enum Version {
    /// Explore API v2.1.
    Explore,
    /// Search API 1.0.
    Old,
}

impl Version {
    fn path(self) -> &'static str {
        match self {
            Version::Explore => "api/explore/v2.1/catalog/datasets",
            Version::Old => "api/datasets/1.0/search/",
        }
    }

    /// Names of limit, offset, order, count and list.
    fn words(self) -> [&'static str; 5] {
        match self {
            Version::Explore => ["limit", "offset", "order_by", "total_count", "results"],
            Version::Old => ["rows", "start", "sort", "nhits", "datasets"],
        }
    }
}

/// A portal, and how it is asked.
struct Portal<'a> {
    base: Url,
    client: &'a Client,
    version: Version,
    order: Option<&'static str>,
}

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let base = site(&source.url, &["api", "explore"])?;
    let (portal, count, first) = open(base, client).await?;
    if count >= WINDOW && portal.version == Version::Explore {
        return read_export(&portal, count, vocabulary, run).await;
    }
    let mut pages = Pages::new(client.settings().pages_max);
    let (mut count, mut records, mut offset) = (count, first, 0);
    loop {
        if let Some(doubt) = pages.count(Some(count)) {
            return Ok(End::doubtful(doubt));
        }
        for (index, record) in records.iter().enumerate() {
            run.take(portal.convert(record, vocabulary, &format!("datasets #{}", offset + index))).await?;
        }
        let place = format!("offset={offset}");
        offset += records.len();
        if offset as u64 >= count {
            return Ok(End { reported: pages.reported(), doubt: None });
        }
        if let Some(doubt) = pages.turn(&place, records.len(), run.passed()) {
            return Ok(End::doubtful(doubt));
        }
        if (offset + LIMIT) as u64 >= WINDOW {
            return Ok(End::doubtful(Text::new(
                format!(
                    "{offset} 件目より後は、この版の API では取得できません（全 {count} 件）。取り込み元を新しい版にするか、組織ごとに分けてください。"
                ),
                format!("this version of the API gives nothing beyond record {offset} of {count}; the source must be updated or split"),
            )));
        }
        (count, records) = portal.page(offset).await.map_err(|error| error.at(&format!("offset={offset}")))?;
    }
}

/// Finds out how the portal is asked, with the first page.
async fn open(base: Url, client: &Client) -> Result<(Portal<'_>, u64, Vec<Value>), Stop> {
    let mut portal = Portal { base, client, version: Version::Explore, order: None };
    let mut refused = None;
    for version in [Version::Explore, Version::Old] {
        for order in ORDERS.into_iter().filter(|order| version == Version::Explore || order.is_none()) {
            (portal.version, portal.order) = (version, order);
            match portal.page(0).await {
                Ok((count, records)) => return Ok((portal, count, records)),
                Err(error) if error.is_elsewhere() && !error.is_denied() => refused = refused.or(Some(error)),
                Err(error) => return Err(error.at("offset=0").into()),
            }
        }
    }
    Err(refused.map_or_else(|| Stop::Broken(json::not_json(SOFTWARE)), |error| error.at("offset=0").into()))
}

/// Reads the export of the whole catalog as a stream.
async fn read_export(portal: &Portal<'_>, count: u64, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let url = portal.base.join("api/explore/v2.1/catalog/exports/json").map_err(|_| json::not_json(SOFTWARE))?;
    let mut export = Document::open(url.as_str(), SOFTWARE, portal.client).await.map_err(|error| error.at("catalog/exports/json"))?;
    let mut position = 0;
    while let Some(record) = export.next().await {
        run.take(portal.convert(&record, vocabulary, &format!("exports #{position}"))).await?;
        position += 1;
    }
    export.end().await?;
    Ok(End { reported: Some(count), doubt: None })
}

impl Portal<'_> {
    /// The portal's count of all records, and those of a page.
    async fn page(&self, offset: usize) -> Result<(u64, Vec<Value>), JsonError> {
        let [limit, start, order, count, list] = self.version.words();
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), self.version.path()));
        url.query_pairs_mut()
            .append_pair(limit, &LIMIT.to_string())
            .append_pair(start, &offset.to_string())
            .extend_pairs(self.order.map(|field| (order, field)));
        let answer = json::get(self.client, url.as_str(), SOFTWARE).await?;
        let page = answer.as_object().and_then(|fields| {
            let records = fields.get(list).or_else(|| fields.get("datasets"))?.as_array()?;
            Some((json::count(fields, count)?, records.clone()))
        });
        page.ok_or_else(|| {
            JsonError::Answer(Text::new(
                format!("応答に {count} と {list} がありません。Opendatasoft の URL か確認してください。"),
                format!("the answer lacks {count} or {list}; check that the URL is an Opendatasoft site"),
            ))
        })
    }

    fn convert(&self, entry: &Value, vocabulary: &Vocabulary, position: &str) -> Converted {
        // Version 2.0 wraps the record.
        let record = entry.get("dataset").filter(|inner| inner.is_object()).unwrap_or(entry);
        let Some(fields) = record.as_object() else {
            let (ja, en) = ("レコードが JSON オブジェクトではありません。", "the record is not a JSON object");
            return Converted::failure(None, position, entry, ja, en);
        };
        let id = or(text(fields, "dataset_id"), || text(fields, "datasetid"));
        if id.is_empty() {
            return Converted::failure(None, position, entry, "レコードに dataset_id がありません。", "the record has no dataset_id");
        }
        if matches!(text(fields, "visibility").as_str(), "restricted" | "private") {
            return Converted::Withdrawn(id, Withdrawal::Private);
        }
        let metas = object(fields, "metas");
        let Some(default) = metas.and_then(|metas| object(metas, "default")).or(metas) else {
            return Converted::failure(Some(&id), position, entry, "metas がありません。", "the record has no metas");
        };
        let page = format!("{}explore/dataset/{id}/", self.base);
        let mut record = self.package(&id, fields, default, vocabulary);
        record.draft.landing_page = usable_url(&page, None);
        Converted::Record(Box::new(record.finish(id.clone(), usable_url(&page, None), position, entry.to_string())))
    }

    fn package<'v>(&self, id: &str, fields: &Fields, metas: &Fields, vocabulary: &'v Vocabulary) -> Record<'v> {
        let mut record = Record::new(vocabulary);
        record.draft.title = text(metas, "title");
        if record.draft.title.is_empty() {
            record.draft.title = id.to_owned();
            record.notice(
                format!("タイトルがないため、ID「{id}」をタイトルにしました。"),
                format!("there is no title, so the id `{id}` stands for it"),
            );
        }
        record.draft.description = plain_text(&text(metas, "description"));
        for keyword in split(metas, "keyword") {
            record.keyword(&keyword);
        }
        for theme in texts(metas, "theme") {
            record.theme(&[&theme]);
        }
        let (address, words) = (text(metas, "license_url"), text(metas, "license"));
        let (licence, _) = record.licence(&[&address, &words]);
        record.draft.licence_text = some(or(words, || address)).filter(|_| licence.is_none());
        record.draft.licence = licence;
        record.draft.modified = utc_moment(&text(metas, "modified"));
        for word in texts(metas, "language") {
            record.language(&word);
        }
        let dcat = object(fields, "metas")
            .and_then(|metas| object(metas, "dcat"))
            .or_else(|| object(fields, "interop_metas").and_then(|metas| object(metas, "dcat")))
            .cloned()
            .unwrap_or_default();
        record.draft.issued = utc_moment(&or(text(&dcat, "issued"), || text(&dcat, "created"))).map(jst_day);
        record.draft.creator = some(text(&dcat, "creator"));
        record.frequency(&text(&dcat, "accrualperiodicity"));
        let contact =
            ContactPoint { name: some(text(&dcat, "contact_name")), email: some(text(&dcat, "contact_email")), telephone: None, url: None };
        record.draft.contact_point = Some(contact).filter(|contact| *contact != ContactPoint::default());
        let period = text(&dcat, "temporal");
        let (start, end) = period.split_once('/').unwrap_or((&period, ""));
        record.temporal(start, end);
        let place = metas.get("bbox").filter(|bbox| bbox.is_object() || bbox.is_array()).map(Value::to_string);
        let labels: Vec<String> = texts(metas, "territory").into_iter().chain(some(text(&dcat, "spatial"))).collect();
        record.spatial(&place.unwrap_or_default(), &labels);
        record.extra("publisher_name", &text(metas, "publisher"));
        record.extra("references", &texts(metas, "references").join(" "));
        record.extra("attributions", &texts(metas, "attributions").join("、"));

        let mut distributions = Vec::new();
        if fields.get("has_records").and_then(Value::as_bool) == Some(true) {
            let is_map = texts(fields, "features").iter().any(|feature| feature == "geo");
            let formats = ["csv", "json", "xlsx"].into_iter().chain(is_map.then_some("geojson"));
            distributions.extend(formats.map(|format| self.export(id, format)));
        }
        for list in ["alternative_exports", "attachments"] {
            for file in array(fields, list).iter().filter_map(Value::as_object) {
                distributions.push(self.file(id, list, file, &mut record));
            }
        }
        record.draft.distributions = Some(distributions);
        record
    }

    /// The records in a format that the portal makes of them.
    fn export(&self, id: &str, format: &str) -> DistributionDraft {
        let url = match self.version {
            Version::Explore => format!("{}api/explore/v2.1/catalog/datasets/{id}/exports/{format}", self.base),
            Version::Old => format!("{}explore/dataset/{id}/download/?format={}", self.base, if format == "xlsx" { "xls" } else { format }),
        };
        let format = if format == "xlsx" && self.version == Version::Old { "XLS".to_owned() } else { format.to_uppercase() };
        DistributionDraft {
            title: format.clone(),
            identifier: Some(format.to_lowercase()),
            format: Some(format),
            download_url: usable_url(&url, None),
            ..DistributionDraft::default()
        }
    }

    /// A file beside the records. Version 1.0 writes `odsfile://…` for its address.
    fn file(&self, id: &str, list: &str, fields: &Fields, record: &mut Record<'_>) -> DistributionDraft {
        let (key, media_type, title) =
            (text(fields, "id"), or(text(fields, "mimetype"), || text(fields, "mime_type")), text(fields, "title"));
        let given = Some(text(fields, "url")).filter(|url| !url.starts_with("odsfile:") && !url.is_empty());
        let url = given.unwrap_or_else(|| format!("{}api/datasets/1.0/{id}/{list}/{key}", self.base));
        let by_type = record.vocabulary.normalize_format(&media_type).filter(|format| !format.contains('/'));
        let mut distribution = DistributionDraft {
            title: clip(&title, minato_catalog::TITLE_LENGTH_MAX),
            description: plain_text(&text(fields, "description")),
            format: by_type.or_else(|| minato_catalog::format_of_file_name(&title)),
            media_type: some(media_type).filter(|text| text.contains('/')),
            identifier: some(key),
            ..DistributionDraft::default()
        };
        let address = record.address("url", &url, Some(&self.base), Some(&mut distribution.extras));
        place(&mut distribution, address);
        distribution
    }
}

/// A list, or one text with separators.
fn split(fields: &Fields, key: &str) -> Vec<String> {
    let words = items(fields, key).iter().map(json::plain);
    words.flat_map(|word| word.split([',', ';']).map(|word| word.trim().to_owned()).collect::<Vec<_>>()).collect()
}
