//! A CKAN action API: envelope, paging, sorting, `fq` and errors as CKAN 2.10 answers them.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::plan::{Quirk, SMALL_PAGE};
use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, Random};
use minato_catalog::{built_in_licences, built_in_themes};

/// Parameters from the query, overridden by a JSON or form body.
pub(super) fn parameters(query: &str, body: &[u8]) -> Map<String, Value> {
    let mut parameters = form(query);
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        parameters.extend(object);
    } else if let Ok(text) = std::str::from_utf8(body) {
        parameters.extend(form(text));
    }
    parameters
}

fn form(text: &str) -> Map<String, Value> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), Value::String(decode(value)))).collect()
}

fn text<'a>(parameters: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    parameters.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn number(parameters: &Map<String, Value>, name: &str, default: usize) -> Result<usize, Failure> {
    let number = match parameters.get(name) {
        None => Some(default),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    number.ok_or_else(|| Failure::Validation(name.to_owned()))
}

enum Failure {
    NotFound,
    NotAuthorized,
    UnknownAction(String),
    Validation(String),
    Search(String),
    Internal,
}

/// The answer to `/api/3/action/{action}` or `/api/action/{action}`.
pub(super) fn answer(
    catalog: &Catalog<'_>,
    rows_max: usize,
    two_organizations: bool,
    path: &str,
    parameters: &Map<String, Value>,
) -> Answer {
    let action =
        ["/api/3/action/", "/api/action/"].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path).trim_end_matches('/');
    let help = format!("{}/api/3/action/help_show?name={action}", catalog.base);
    let site = Ckan { catalog, rows_max, two_organizations };
    let (status, body) = match site.call(action, parameters) {
        Ok(result) => (200, json!({"help": help, "success": true, "result": result})),
        Err(Failure::UnknownAction(action)) => (400, json!(format!("Bad request - Action name not known: {action}"))),
        Err(Failure::NotFound) => {
            (404, json!({"help": help, "error": {"__type": "Not Found Error", "message": "Not found"}, "success": false}))
        }
        Err(Failure::NotAuthorized) => {
            (403, json!({"help": help, "error": {"__type": "Authorization Error", "message": "Access denied"}, "success": false}))
        }
        Err(Failure::Validation(field)) => {
            (409, json!({"help": help, "error": {"__type": "Validation Error", field: ["Invalid integer"]}, "success": false}))
        }
        Err(Failure::Search(message)) => {
            (409, json!({"help": help, "error": {"__type": "Search Query Error", "message": message}, "success": false}))
        }
        Err(Failure::Internal) => return Answer::html(500, "<h1>Internal Server Error</h1>".to_owned()),
    };
    Answer { status, media_type: "application/json;charset=utf-8", body: body.to_string().into_bytes(), attachment: None }
}

struct Ckan<'a> {
    catalog: &'a Catalog<'a>,
    rows_max: usize,
    two_organizations: bool,
}

impl Ckan<'_> {
    fn call(&self, action: &str, parameters: &Map<String, Value>) -> Result<Value, Failure> {
        match action {
            "status_show" | "site_read" => Ok(json!({
                "site_title": format!("{}オープンデータカタログ", self.catalog.municipality.name),
                "site_url": self.catalog.base,
                "site_description": "架空のデータ",
                "locale_default": "ja",
                "ckan_version": "2.10.4",
                "extensions": ["activity", "dcat"],
            })),
            "package_list" => {
                let public = self.catalog.datasets.iter().filter(|dataset| !dataset.private);
                let mut names: Vec<&str> = public.map(|dataset| dataset.name.as_str()).collect();
                names.sort_unstable();
                let offset = number(parameters, "offset", 0)?;
                let limit = number(parameters, "limit", usize::MAX)?;
                Ok(json!(names.into_iter().skip(offset).take(limit).collect::<Vec<_>>()))
            }
            "package_show" => self.show(text(parameters, "id").ok_or_else(|| Failure::Validation("id".to_owned()))?),
            "package_search" => self.search(parameters),
            "organization_list" => {
                let organizations = (0..if self.two_organizations { 2 } else { 1 }).map(|which| self.organization(which == 1));
                let full = matches!(parameters.get("all_fields"), Some(Value::Bool(true)))
                    || text(parameters, "all_fields").is_some_and(|text| text.eq_ignore_ascii_case("true"));
                Ok(organizations.map(|organization| if full { organization } else { organization["name"].clone() }).collect())
            }
            "organization_show" => {
                let id = text(parameters, "id").ok_or_else(|| Failure::Validation("id".to_owned()))?;
                [self.organization(false), self.organization(true)]
                    .into_iter()
                    .take(if self.two_organizations { 2 } else { 1 })
                    .find(|organization| organization["name"] == id || organization["id"] == id)
                    .ok_or(Failure::NotFound)
            }
            other => Err(Failure::UnknownAction(other.to_owned())),
        }
    }

    fn show(&self, id: &str) -> Result<Value, Failure> {
        let position = self.catalog.datasets.iter().position(|dataset| dataset.id == id || dataset.name == id).ok_or(Failure::NotFound)?;
        if self.catalog.quirk == Quirk::ThirdPageFails && position >= 2 * SMALL_PAGE {
            return Err(Failure::Internal);
        }
        match &self.catalog.datasets[position] {
            dataset if dataset.private => Err(Failure::NotAuthorized),
            dataset => Ok(self.package(position, dataset)),
        }
    }

    fn search(&self, parameters: &Map<String, Value>) -> Result<Value, Failure> {
        let rows = number(parameters, "rows", 10)?.min(self.rows_max);
        let start = number(parameters, "start", 0)?;
        let public = self.catalog.datasets.iter().enumerate().filter(|(_, dataset)| !dataset.private);
        let mut packages: Vec<Value> = public.map(|(position, dataset)| self.package(position, dataset)).collect();
        if self.catalog.quirk == Quirk::MalformedRecord {
            packages.push(malformed(self.catalog));
        }
        if let Some(query) = text(parameters, "q").filter(|query| *query != "*:*") {
            packages.retain(|package| {
                ["title", "notes", "name"].iter().any(|field| package[field].as_str().is_some_and(|t| t.contains(query)))
            });
        }
        let filters = match parameters.get("fq") {
            Some(Value::String(text)) => terms(text)?,
            Some(Value::Array(texts)) => {
                let mut all = Vec::new();
                for text in texts {
                    all.extend(terms(text.as_str().unwrap_or_default())?);
                }
                all
            }
            _ => Vec::new(),
        };
        packages.retain(|package| filters.iter().all(|term| term.holds(package)));
        let sort = text(parameters, "sort").unwrap_or("score desc, metadata_modified desc");
        packages.sort_by(|left, right| compare(left, right, sort));
        let count = packages.len();
        let page: Vec<Value> = packages.into_iter().skip(start).take(rows).collect();
        if self.catalog.quirk == Quirk::ThirdPageFails && start + page.len() > 2 * SMALL_PAGE {
            return Err(Failure::Internal);
        }
        Ok(json!({"count": count, "facets": {}, "results": page, "sort": sort, "search_facets": {}}))
    }

    /// Every fifth dataset belongs to the second organization, where there is one.
    fn organization(&self, second: bool) -> Value {
        let municipality = self.catalog.municipality;
        let name = if second { format!("{}-suido", municipality.slug) } else { municipality.slug.clone() };
        json!({
            "id": Random::new(&format!("organization {name}")).uuid(),
            "name": name,
            "title": if second { format!("{}上下水道局", municipality.name) } else { municipality.name.clone() },
            "type": "organization",
            "description": "",
            "image_url": "",
            "created": "2019-04-01T00:00:00.000000",
            "is_organization": true,
            "approval_status": "approved",
            "state": "active",
        })
    }

    fn package(&self, position: usize, dataset: &FixtureDataset) -> Value {
        let organization = self.organization(self.two_organizations && position % 5 == 4);
        let licences = built_in_licences();
        let licence = licences.iter().find(|(id, _)| *id == dataset.licence).map(|(_, licence)| licence);
        let theme = built_in_themes().into_iter().find(|(id, _)| *id == dataset.theme).map(|(_, theme)| theme.title);
        let modified = dataset.modified.format("%Y-%m-%dT%H:%M:%S.000000").to_string();
        let created = format!("{}T09:00:00.000000", dataset.issued);
        let tags = dataset.keywords.iter().map(
            |word| json!({"id": Random::new(word).uuid(), "name": word, "display_name": word, "state": "active", "vocabulary_id": null}),
        );
        let resources = dataset.files.iter().enumerate().map(|(position, file)| {
            json!({
                "id": file.id,
                "package_id": dataset.id,
                "name": file.title,
                "description": file.description,
                "format": file.format,
                "mimetype": file.media_type,
                "url": self.catalog.file_url(&file.name),
                "url_type": "upload",
                "size": file.bytes.len(),
                "hash": "",
                "created": created,
                "last_modified": modified,
                "metadata_modified": modified,
                "position": position,
                "state": "active",
                "datastore_active": false,
            })
        });
        let mut extras = vec![
            json!({"key": "frequency", "value": dataset.frequency_text}),
            json!({"key": "spatial", "value": dataset.spatial}),
            json!({"key": "contact_phone", "value": dataset.contact_telephone}),
        ];
        extras.extend(dataset.conforms_to.iter().map(|standard| json!({"key": "conforms_to", "value": standard})));
        json!({
            "id": dataset.id,
            "name": dataset.name,
            "title": dataset.title,
            "notes": dataset.description,
            "author": dataset.contact_name,
            "author_email": null,
            "maintainer": dataset.contact_name,
            "maintainer_email": dataset.contact_email,
            "license_id": licence.and_then(|licence| licence.ckan_id.clone()),
            "license_title": dataset.licence_text,
            "license_url": licence.and_then(|licence| licence.url.clone()),
            "isopen": licence.and_then(|licence| licence.open),
            "metadata_created": created,
            "metadata_modified": modified,
            "owner_org": organization["id"],
            "organization": organization,
            "groups": [{"id": Random::new(&dataset.theme).uuid(), "name": dataset.theme, "title": theme, "display_name": theme, "description": "", "image_display_url": ""}],
            "tags": tags.collect::<Vec<_>>(),
            "extras": extras,
            "resources": resources.collect::<Vec<_>>(),
            "relationships_as_subject": [],
            "relationships_as_object": [],
            "num_resources": dataset.files.len(),
            "num_tags": dataset.keywords.len(),
            "private": dataset.private,
            "state": "active",
            "type": "dataset",
            "url": self.catalog.page_url(&dataset.name),
            "version": null,
            "creator_user_id": Random::new(&dataset.contact_email).uuid(),
        })
    }
}

/// A record no reader can take over: no name, wrong types.
fn malformed(catalog: &Catalog<'_>) -> Value {
    json!({
        "id": Random::new(&format!("malformed {}", catalog.municipality.code)).uuid(),
        "title": 20240401,
        "notes": ["行", "の", "配列"],
        "resources": "なし",
        "tags": "防災,避難所",
        "organization": 34,
        "extras": {"frequency": "毎年"},
        "metadata_created": "2024-04-01T00:00:00.000000",
        "metadata_modified": "2024-04-01T00:00:00.000000",
        "state": "active",
        "type": "dataset",
    })
}

/// One condition of a filter query.
struct Term {
    negated: bool,
    field: String,
    value: Wanted,
}

enum Wanted {
    Anything,
    OneOf(Vec<String>),
    /// Inclusive; `*` leaves a side open.
    Range(String, String),
}

impl Term {
    fn holds(&self, package: &Value) -> bool {
        let values: Vec<String> = match self.field.as_str() {
            "organization" => vec![package["organization"]["name"].as_str().unwrap_or_default().to_owned()],
            "groups" | "tags" => {
                package[&self.field].as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).map(str::to_owned).collect()
            }
            "res_format" => package["resources"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|item| item["format"].as_str())
                .map(str::to_owned)
                .collect(),
            "dataset_type" => vec![package["type"].as_str().unwrap_or_default().to_owned()],
            field => vec![package[field].as_str().unwrap_or_default().to_owned()],
        };
        let held = match &self.value {
            Wanted::Anything => values.iter().any(|value| !value.is_empty()),
            Wanted::OneOf(wanted) => values.iter().any(|value| wanted.contains(value)),
            Wanted::Range(low, high) => values.iter().any(|value| {
                // Nineteen characters: to the second, without fraction and zone.
                let value = value.get(..19).unwrap_or(value);
                (low == "*" || value >= low.get(..19).unwrap_or(low)) && (high == "*" || value <= high.get(..19).unwrap_or(high))
            }),
        };
        held != self.negated
    }
}

const FIELDS: &[&str] = &[
    "organization",
    "owner_org",
    "groups",
    "tags",
    "res_format",
    "dataset_type",
    "type",
    "state",
    "id",
    "name",
    "title",
    "license_id",
    "metadata_modified",
    "metadata_created",
];

/// `+organization:"a" AND metadata_modified:[2024-01-01T00:00:00Z TO *]`, all of which must hold.
fn terms(text: &str) -> Result<Vec<Term>, Failure> {
    let mut terms = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("AND ") {
            rest = after.trim_start();
            continue;
        }
        let negated = rest.starts_with('-');
        rest = rest.trim_start_matches(['+', '-']);
        let Some((field, after)) = rest.split_once(':') else {
            return Err(Failure::Search(format!("Search Query is invalid: {text}")));
        };
        // `*:*` asks for everything.
        if field != "*" && !FIELDS.contains(&field) {
            return Err(Failure::Search(format!("undefined field {field}")));
        }
        let (open, close) = match after.chars().next() {
            Some('"') => (1, '"'),
            Some('[') => (1, ']'),
            Some('(') => (1, ')'),
            _ => (0, ' '),
        };
        let body = &after[open..];
        let end = body.find(close).unwrap_or(body.len());
        let inside = &body[..end];
        rest = body[end..].trim_start_matches(close).trim_start();
        if field == "*" {
            continue;
        }
        let value = match close {
            ']' => {
                let (low, high) = inside.split_once(" TO ").ok_or_else(|| Failure::Search(format!("Search Query is invalid: {text}")))?;
                Wanted::Range(low.trim().to_owned(), high.trim().to_owned())
            }
            ')' => Wanted::OneOf(inside.split(" OR ").map(|item| item.trim().trim_matches('"').to_owned()).collect()),
            _ if inside == "*" => Wanted::Anything,
            _ => Wanted::OneOf(vec![inside.to_owned()]),
        };
        terms.push(Term { negated, field: field.to_owned(), value });
    }
    Ok(terms)
}

/// By the fields of a sort clause in turn, then by id.
fn compare(left: &Value, right: &Value, sort: &str) -> Ordering {
    for clause in sort.split(',') {
        let (field, direction) = clause.trim().split_once(' ').unwrap_or((clause.trim(), "asc"));
        let field = if field == "title_string" { "title" } else { field };
        let order = left[field].as_str().unwrap_or_default().cmp(right[field].as_str().unwrap_or_default());
        let order = if direction.trim().eq_ignore_ascii_case("desc") { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    left["id"].as_str().cmp(&right["id"].as_str())
}
