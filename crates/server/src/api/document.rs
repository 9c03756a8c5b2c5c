//! The OpenAPI 3.1 document: everything the endpoints say, in one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{OpenApi, PartialSchema, ToSchema};

use super::route;
use crate::http::ProblemDetails;

/// What other modules describe themselves.
#[derive(OpenApi)]
#[openapi(paths(
    crate::download::download_distribution,
    crate::download::download_version,
    crate::download::archive::download_dataset,
    crate::download::conversion::download_converted,
    crate::previous_portal::show_former_resource,
    crate::previous_portal::download_former_resource,
    crate::ckan::get_action,
    crate::ckan::post_action
))]
struct Others;

/// The OpenAPI document of all public programming interfaces.
pub fn openapi() -> utoipa::openapi::OpenApi {
    serde_json::from_value(document()).expect("the document is an OpenAPI document; a test reads it")
}

/// The same as JSON, pretty printed, in a stable order; the content of `openapi/minato.json`.
pub fn openapi_json() -> String {
    format!("{:#}", document())
}

fn document() -> Value {
    let (mut paths, gathered) = route::describe(super::endpoints());
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    schemas.insert(ProblemDetails::name().into_owned(), json!(ProblemDetails::schema()));
    let mut of_problems = Vec::new();
    ProblemDetails::schemas(&mut of_problems);
    for (name, schema) in gathered.into_iter().chain(of_problems) {
        schemas.entry(name).or_insert_with(|| json!(schema));
    }
    let others = json!(Others::openapi());
    if let Some(more) = others["paths"].as_object() {
        paths.extend(more.clone());
    }
    for (name, schema) in others["components"]["schemas"].as_object().into_iter().flatten() {
        schemas.entry(name.clone()).or_insert_with(|| schema.clone());
    }
    // A body that is a draft and its id: together they refuse what neither knows.
    for content in paths.values_mut().filter_map(|item| item.pointer_mut("/post/requestBody/content/application~1json")) {
        if let Some(mut whole) = content.get("schema").and_then(|schema| merged(schema, &schemas)) {
            whole["additionalProperties"] = json!(false);
            content["schema"] = whole;
        }
    }
    let schemas = polished(schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Minato API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "都道府県・市町村共通オープンデータカタログの API",
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "tags": TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": route::problems(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "API トークン。`minato token create` または POST /api/v1/users/{user}/tokens で作成する。 An API token."}
            }
        }
    })
}

const DESCRIPTION: &str = "\
データの登録・更新・検索のための API です。読み取りにトークンは要りません。書き込みには `Authorization: Bearer <トークン>` が必要です。

- Every write takes `dry_run=true` (say what would happen, change nothing) and `Idempotency-Key` (a repetition is answered the same again).
- PUT and PATCH of a record need `If-Match` with the `ETag` of a GET (or `*`); PUT by the publisher's own key does not.
- Mistakes are problem details (RFC 9457) in Japanese (`detail`) and English (`detail_en`); `errors` names each field.
- Lists are read page by page with `cursor`; what changed since the last visit is at `/api/v1/changes`.";

const TAGS: &[(&str, &str)] = &[
    ("datasets", "データセット"),
    ("distributions", "データセットのファイルとリンク"),
    ("search", "検索"),
    ("organizations", "組織"),
    ("members", "組織の構成員"),
    ("themes", "分野"),
    ("licences", "ライセンス"),
    ("keywords", "キーワード"),
    ("vocabulary", "用語の一覧"),
    ("harvest", "ほかのサイトからの収集"),
    ("statistics", "統計"),
    ("users", "利用者"),
    ("tokens", "API トークン"),
    ("downloads", "ファイルのダウンロード"),
    ("CKAN", "CKAN 互換 API"),
];

/// The schemas as they hold for what is really sent.
fn polished(mut schemas: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    // A record is its draft and more: as `allOf`, the draft's refusal of other fields would refuse the record.
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        if let Some(whole) = schemas.get(&name).and_then(|schema| merged(schema, &schemas)) {
            schemas.insert(name, whole);
        }
    }
    // A difference may be of any kind. Spelt out: a schema without a type does not survive being read back.
    for field in ["before", "after"] {
        if let Some(place) = schemas.get_mut("Difference").and_then(|schema| schema["properties"].get_mut(field)) {
            *place = json!({"type": ["object", "array", "string", "number", "boolean", "null"], "description": place["description"]});
        }
    }
    for (name, field, rule) in rules() {
        if let Some(Value::Object(place)) = schemas.get_mut(name).and_then(|schema| schema["properties"].get_mut(field)) {
            place.extend(rule.as_object().cloned().unwrap_or_default());
        }
    }
    schemas
}

/// An `allOf` of objects as one object; `None` when it is none.
fn merged(schema: &Value, schemas: &BTreeMap<String, Value>) -> Option<Value> {
    let parts = schema.get("allOf")?.as_array()?;
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    for part in parts {
        let part = match part.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next()) {
            Some(name) => schemas.get(name)?,
            None => part,
        };
        let inner = merged(part, schemas);
        let part = inner.as_ref().unwrap_or(part);
        for (name, property) in part.get("properties")?.as_object()? {
            properties.insert(name.clone(), property.clone());
        }
        for name in part.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
    }
    let mut whole = json!({"type": "object", "required": required, "properties": properties});
    if let Some(description) = schema.get("description") {
        whole["description"] = description.clone();
    }
    Some(whole)
}

/// What drafts are checked for beyond their types: schema, field, rule.
fn rules() -> Vec<(&'static str, &'static str, Value)> {
    let slug = || json!({"pattern": "^[a-z0-9_-]{2,100}$"});
    let title = || json!({"minLength": 1, "maxLength": 500, "pattern": "\\S"});
    let line = || json!({"maxLength": 500});
    let list = || json!({"maxItems": 200});
    let url = || json!({"format": "uri", "pattern": "^(https?|ftp)://", "maxLength": 4000});
    vec![
        ("DatasetDraft", "slug", slug()),
        ("DatasetDraft", "title", title()),
        ("DatasetDraft", "title_en", line()),
        ("DatasetDraft", "identifier", line()),
        ("DatasetDraft", "creator", line()),
        ("DatasetDraft", "version", line()),
        ("DatasetDraft", "licence_text", json!({"maxLength": 5000})),
        ("DatasetDraft", "keywords", list()),
        ("DatasetDraft", "themes", list()),
        ("DatasetDraft", "language", list()),
        ("DatasetDraft", "conforms_to", list()),
        ("DatasetDraft", "extras", json!({"maxProperties": 200})),
        ("DatasetDraft", "landing_page", url()),
        ("DistributionDraft", "title_en", line()),
        ("DistributionDraft", "format", line()),
        ("DistributionDraft", "identifier", line()),
        ("DistributionDraft", "language", list()),
        ("DistributionDraft", "conforms_to", list()),
        ("DistributionDraft", "extras", json!({"maxProperties": 200})),
        ("DistributionDraft", "access_url", url()),
        ("DistributionDraft", "download_url", url()),
        ("DistributionDraft", "byte_size", json!({"minimum": 0})),
        ("Spatial", "bbox", json!({"minItems": 4, "maxItems": 4})),
        ("OrganizationDraft", "slug", slug()),
        ("OrganizationDraft", "name", title()),
        ("OrganizationDraft", "name_en", line()),
        ("OrganizationDraft", "homepage", url()),
        ("ThemeDraft", "title", title()),
        ("ThemeDraft", "title_en", line()),
        ("ThemeDraft", "exact_match", list()),
        ("LicenceDraft", "title", title()),
        ("LicenceDraft", "title_en", line()),
        ("LicenceDraft", "ckan_id", title()),
        ("LicenceDraft", "aliases", list()),
        ("LicenceDraft", "url", url()),
        ("KeywordDraft", "name", json!({"minLength": 1, "maxLength": 100, "pattern": "\\S"})),
        ("SynonymListDraft", "text", json!({"minLength": 1, "maxLength": 100_000, "pattern": "\\S"})),
        ("KeywordDraft", "name_en", line()),
        ("UserDraft", "name", slug()),
        ("UserDraft", "email", json!({"format": "email", "maxLength": 320})),
        ("HarvestSourceDraft", "slug", slug()),
        ("HarvestSourceDraft", "title", title()),
        ("HarvestSourceDraft", "url", json!({"format": "uri", "pattern": "^https?://", "maxLength": 4000})),
        ("HarvestSourceDraft", "missing_runs_max", json!({"minimum": 0, "maximum": 1000})),
        ("HarvestSourceDraft", "grace_days", json!({"minimum": 0, "maximum": 3650})),
        ("HarvestSourceDraft", "sweep_percent_max", json!({"minimum": 0, "maximum": 100})),
        ("TokenRequest", "label", json!({"minLength": 1, "maxLength": 200, "pattern": "\\S"})),
        ("TokenDraft", "label", json!({"minLength": 1, "maxLength": 200, "pattern": "\\S"})),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/minato.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed.trim_end() == openapi_json().trim_end(), "openapi/minato.json is out of date; run `cargo xtask openapi`");
    }

    #[test]
    fn it_is_an_openapi_document() {
        assert!(openapi().paths.paths.len() > 60);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut stack = vec![&document];
        while let Some(value) = stack.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(at)) = fields.get("$ref") {
                        assert!(document.pointer(at.trim_start_matches('#')).is_some(), "{at}");
                    }
                    stack.extend(fields.values());
                }
                Value::Array(items) => stack.extend(items),
                _ => {}
            }
        }
    }

    #[test]
    fn operations_have_ids_of_their_own_and_words() {
        let document = document();
        let mut seen = HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap_or_default();
                assert!(!id.is_empty() && seen.insert(id.to_owned()), "{method} {path}: {id}");
                if path.starts_with("/api/v1") {
                    assert!(!operation["summary"].as_str().unwrap_or_default().is_ascii(), "{id}: no Japanese summary");
                    assert!(!operation["description"].as_str().unwrap_or_default().is_empty(), "{id}: no description");
                }
            }
        }
    }

    #[test]
    fn answers_do_not_refuse_their_own_fields() {
        let document = document();
        for name in ["User", "Organization", "DatasetView", "DistributionView", "MemberView", "FoundItem", "HarvestSourceView"] {
            let schema = &document["components"]["schemas"][name];
            assert!(
                schema["properties"].is_object() && schema.get("additionalProperties").is_none() && schema.get("allOf").is_none(),
                "{name}: {schema:#}"
            );
        }
        assert!(document["components"]["schemas"]["DatasetView"]["properties"]["organization"].is_object());
        assert_eq!(document["components"]["schemas"]["OrganizationDraft"]["additionalProperties"], false);
        let body = &document["paths"]["/api/v1/themes"]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert!(body["properties"]["id"].is_object() && body["properties"]["title"].is_object(), "{body:#}");
        assert_eq!(body["required"], json!(["title", "id"]));
    }
}
