//! udata, the software of data.gouv.fr.
//!
//! Pages of `api/1/datasets/` sorted by creation, so that new records come last. The organization filter takes ids only; a name or slug is
//! looked up first. `notspecified` is the licence of those that have none.

use minato_catalog::{ContactPoint, DistributionDraft, HarvestSourceDraft, Text, Vocabulary, Withdrawal, jst_day};
use serde_json::Value;
use url::Url;

use crate::client::Client;
use crate::convert::{Record, place, site, usable_url, utc_moment};
use crate::json::{self, Fields, array, clip, is_volatile, items, object, or, shown, some, text, texts, truthy, whole_number};
use crate::listing::{Converted, End, Pages, Run, Stop};
use crate::plain_text::plain_text;

const SOFTWARE: &str = "udata";
const PAGE_SIZE: usize = 100;

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let base = site(&source.url, &["api/1", "api/2", "datasets"])?;
    let organization = match source.remote_organization.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => Some(organization_id(&base, name, client).await?),
        None => None,
    };
    let mut pages = Pages::new(client.settings().pages_max);
    let mut position = 0;
    for page in 1.. {
        let mut url = base.clone();
        url.set_path(&format!("{}api/1/datasets/", base.path()));
        url.query_pairs_mut()
            .append_pair("page", &page.to_string())
            .append_pair("page_size", &PAGE_SIZE.to_string())
            .append_pair("sort", "created")
            .extend_pairs(organization.as_ref().map(|id| ("organization", id)));
        let place = format!("page={page}");
        let answer = json::get(client, url.as_str(), SOFTWARE).await.map_err(|error| error.at(&place))?;
        let Some((fields, records)) = answer.as_object().and_then(|fields| Some((fields, fields.get("data")?.as_array()?))) else {
            return Err(Text::new(
                format!("{place}: 応答に data がありません。udata の URL か確認してください。"),
                format!("{place}: the answer has no data; check that the URL is a udata site"),
            )
            .into());
        };
        if let Some(doubt) = pages.count(json::count(fields, "total")) {
            return Ok(End::doubtful(doubt));
        }
        for record in records {
            position += 1;
            run.take(convert(record, &base, vocabulary, &format!("datasets #{position}"))).await?;
        }
        if fields.get("next_page").is_none_or(Value::is_null) {
            break;
        }
        if let Some(doubt) = pages.turn(&place, records.len(), run.passed()) {
            return Ok(End::doubtful(doubt));
        }
    }
    if pages.reported().is_none() {
        return Ok(End::doubtful(Text::new(
            "応答に件数 total がないため、全件を読めたか確認できません。",
            "the answer has no total, so it cannot be told whether all was read",
        )));
    }
    Ok(End { reported: pages.reported(), doubt: None })
}

/// The id behind an organization's id, slug or name.
async fn organization_id(base: &Url, name: &str, client: &Client) -> Result<String, Stop> {
    if name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(name.to_owned());
    }
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["api", "1", "organizations", name, ""]);
    }
    let found = json::get(client, url.as_str(), SOFTWARE).await.map_err(|error| error.at(&format!("organizations/{name}")))?;
    let id = found.as_object().map(|organization| text(organization, "id")).unwrap_or_default();
    some(id).ok_or_else(|| {
        Text::new(
            format!("組織「{name}」の ID が分かりません。取り込み元の組織の ID（24 桁）を指定してください。"),
            format!("the id of the organization `{name}` is not known; give its id of 24 digits"),
        )
        .into()
    })
}

fn convert(dataset: &Value, base: &Url, vocabulary: &Vocabulary, position: &str) -> Converted {
    let Some(fields) = dataset.as_object() else {
        return Converted::failure(
            None,
            position,
            dataset,
            "レコードが JSON オブジェクトではありません。",
            "the record is not a JSON object",
        );
    };
    let id = text(fields, "id");
    if id.is_empty() {
        return Converted::failure(None, position, dataset, "レコードに id がありません。", "the record has no id");
    }
    let is_set = |key: &str| fields.get(key).is_some_and(|value| !value.is_null() && value.as_bool() != Some(false));
    if is_set("deleted") || is_set("archived") {
        return Converted::Withdrawn(id, Withdrawal::Deleted);
    }
    if fields.get("private").is_some_and(truthy) {
        return Converted::Withdrawn(id, Withdrawal::Private);
    }
    let failure = |ja: &str, en: &str| Converted::failure(Some(&id), position, dataset, ja, en);
    if text(fields, "title").is_empty() {
        return failure("タイトル title がありません。", "the record has no title");
    }
    if fields.get("resources").is_some_and(|value| !value.is_array() && !value.is_null()) {
        return failure("resources の形式が正しくありません。", "resources is not of the expected type");
    }
    let page = or(text(fields, "page"), || format!("{base}datasets/{}/", or(text(fields, "slug"), || id.clone())));
    let mut record = package(fields, base, vocabulary);
    record.draft.landing_page = record.address("page", &page, Some(base), None);
    let remote_url = usable_url(&page, Some(base));
    Converted::Record(Box::new(record.finish(id.clone(), remote_url, position, dataset.to_string())))
}

fn package<'v>(fields: &Fields, base: &Url, vocabulary: &'v Vocabulary) -> Record<'v> {
    let mut record = Record::new(vocabulary);
    record.draft.title = text(fields, "title");
    record.draft.description = plain_text(&text(fields, "description"));
    for tag in texts(fields, "tags") {
        record.keyword(&tag);
    }
    let licence = match fields.get("license") {
        Some(Value::Object(licence)) => [text(licence, "url"), text(licence, "id"), text(licence, "title")],
        _ => [text(fields, "license"), String::new(), String::new()],
    };
    if !licence.iter().any(|word| word == "notspecified") {
        (record.draft.licence, record.draft.licence_text) = record.licence(&[&licence[0], &licence[1], &licence[2]]);
    }
    frequency(&mut record, &text(fields, "frequency"));
    record.draft.issued = utc_moment(&text(fields, "created_at")).map(jst_day);
    record.draft.modified = utc_moment(&text(fields, "last_modified")).or_else(|| utc_moment(&text(fields, "last_update")));
    if let Some(Value::Object(period)) = fields.get("temporal_coverage") {
        record.temporal(&text(period, "start"), &text(period, "end"));
    }
    if let Some(spatial) = object(fields, "spatial") {
        let zones: Vec<String> = items(spatial, "zones").iter().map(zone).filter(|name| !name.is_empty()).collect();
        let geometry = spatial.get("geom").filter(|geometry| !geometry.is_null()).map(Value::to_string).unwrap_or_default();
        record.spatial(&geometry, &zones);
    }
    let owner = object(fields, "organization").map(|organization| text(organization, "name")).or_else(|| {
        let owner = object(fields, "owner")?;
        Some(format!("{} {}", text(owner, "first_name"), text(owner, "last_name")))
    });
    record.extra("publisher_name", &owner.unwrap_or_default());
    record.draft.contact_point = contact_point(fields);
    record.extra("acronym", &text(fields, "acronym"));
    let access = text(fields, "access_type");
    if access != "open" {
        record.extra("access_type", &access);
    }
    for (key, value) in object(fields, "extras").into_iter().flatten() {
        // What harvesters and link checkers wrote there is of no meaning outside the site.
        if !key.contains(':') && !is_volatile(key) {
            record.extra(key, &shown(value));
        }
    }
    if let Some(schema) = object(fields, "schema") {
        record.draft.conforms_to = some(or(text(schema, "url"), || text(schema, "name"))).into_iter().collect();
    }
    let mut distributions = Vec::new();
    let mut nameless = 0;
    for resource in array(fields, "resources") {
        match resource.as_object() {
            Some(resource) => distributions.push(distribution(resource, base, &mut record)),
            None => nameless += 1,
        }
    }
    if nameless > 0 {
        record.notice(
            format!("リソース {nameless} 件は形式が正しくないため、使いませんでした。"),
            format!("{nameless} resources are not JSON objects and were not used"),
        );
    }
    record.draft.distributions = Some(distributions);
    record
}

/// The name of a zone: an object with one, or an id such as `country:jp`.
fn zone(zone: &Value) -> String {
    match zone {
        Value::Object(zone) => or(text(zone, "name"), || text(zone, "id")),
        id => json::plain(id),
    }
}

/// udata's own words for how often, where they are not ours.
fn frequency(record: &mut Record<'_>, word: &str) {
    let word = match word {
        "unknown" | "" => return,
        "punctual" => "as-needed",
        "semidaily" | "threeTimesADay" | "severalTimesADay" | "fourTimesADay" | "twelveHours" => "several-a-day",
        "threeTimesAYear" => "triannual",
        "biannual" => "semiannual",
        "realtime" | "oneMinute" | "fiveMinutes" => "continuous",
        "tenMinutes" => "ten-minutes",
        "fortnighly" => "biweekly",
        "notPlanned" => "never",
        other => other,
    };
    record.frequency(word);
}

fn contact_point(fields: &Fields) -> Option<ContactPoint> {
    let contacts: Vec<&Fields> = items(fields, "contact_points").iter().filter_map(Value::as_object).collect();
    let contact = contacts.iter().find(|contact| matches!(text(contact, "role").as_str(), "contact" | "")).or(contacts.first())?;
    let contact = ContactPoint {
        name: some(text(contact, "name")),
        email: some(text(contact, "email")),
        telephone: None,
        url: usable_url(&text(contact, "contact_form"), None),
    };
    (contact != ContactPoint::default()).then_some(contact)
}

fn distribution(fields: &Fields, base: &Url, record: &mut Record<'_>) -> DistributionDraft {
    let mut distribution = DistributionDraft {
        title: clip(&text(fields, "title"), minato_catalog::TITLE_LENGTH_MAX),
        description: plain_text(&text(fields, "description")),
        format: some(text(fields, "format")).and_then(|word| crate::convert::format(record.vocabulary, &word)),
        media_type: some(text(fields, "mime")).filter(|text| text.contains('/')),
        byte_size: whole_number(fields.get("filesize")),
        issued: utc_moment(&text(fields, "created_at")).map(jst_day),
        modified: utc_moment(&text(fields, "last_modified")),
        identifier: some(text(fields, "id")),
        ..DistributionDraft::default()
    };
    let address = record.address("url", &text(fields, "url"), Some(base), Some(&mut distribution.extras));
    if text(fields, "type") == "api" {
        distribution.access_url = address;
    } else {
        place(&mut distribution, address);
    }
    if let Some(checksum) = object(fields, "checksum") {
        let value = text(checksum, "value");
        if !value.is_empty() {
            distribution.extras.insert("hash".to_owned(), format!("{}:{value}", or(text(checksum, "type"), || "sha1".to_owned())));
        }
    }
    let kind = text(fields, "type");
    if !matches!(kind.as_str(), "main" | "") {
        distribution.extras.insert("type".to_owned(), kind);
    }
    if let Some(schema) = object(fields, "schema") {
        distribution.conforms_to = some(or(text(schema, "url"), || text(schema, "name"))).into_iter().collect();
    }
    distribution
}
