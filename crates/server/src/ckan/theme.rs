//! `group_…`: the themes of the catalog.

use std::collections::BTreeMap;

use minato_app::Error;
use minato_app::catalog::{DatasetDraft, RecordState, Theme, ThemeDraft};
use minato_app::searching::{Filters, LIMIT_MAX};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::failure::{Failure, Fields};
use super::package::record_state;
use super::params::text;
use super::time::naive;
use super::{Answer, Call, dataset, organization};

pub(super) fn list(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let names: Vec<String> = params.list("groups").iter().flat_map(|text| text.split(',')).map(|name| name.trim().to_owned()).collect();
    let q = params.text("q")?.unwrap_or_default().to_lowercase();
    let all_fields = params.switch("all_fields", false);
    let sort = params.text("sort")?.unwrap_or_else(|| "name asc".to_owned());
    let counts = if all_fields || sort.starts_with("package") { call.app.dataset_counts_by_theme()? } else { BTreeMap::new() };
    let count = |theme: &Theme| counts.get(&theme.id).copied().unwrap_or_default();
    let mut found: Vec<&Theme> = call
        .directory
        .themes
        .values()
        .filter(|theme| theme.state == RecordState::Active)
        .filter(|theme| names.is_empty() || names.contains(&theme.id))
        .filter(|theme| q.is_empty() || theme.id.to_lowercase().contains(&q) || theme.draft.title.to_lowercase().contains(&q))
        .collect();
    let mut words = sort.split_whitespace();
    let (key, direction) = (words.next().unwrap_or_default(), words.next());
    match key {
        // They come in the order of their ids.
        "name" => {}
        "title" => found.sort_by(|a, b| a.draft.title.cmp(&b.draft.title)),
        "packages" | "package_count" => found.sort_by_key(|theme| count(theme)),
        other => return Err(organization::unsortable(other)),
    }
    if direction == Some("desc") || (direction.is_none() && key.starts_with("package")) {
        found.reverse();
    }
    let limit = params.natural("limit")?.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let page = found.into_iter().skip(params.natural("offset")?.unwrap_or_default()).take(limit);
    Ok(page
        .map(|theme| match all_fields {
            true => Value::Object(shown(theme, Some(count(theme)))),
            false => json!(theme.id),
        })
        .collect())
}

pub(super) fn show(call: &Call<'_>) -> Answer {
    let theme = find(call, &call.params.required("id")?)?;
    whole(call, &theme)
}

fn whole(call: &Call<'_>, theme: &Theme) -> Answer {
    let mut result = shown(theme, None);
    if call.params.switch("include_datasets", false) {
        organization::datasets(call, &mut result, Filters { themes: vec![theme.id.clone()], ..Filters::default() })?;
    } else if call.params.switch("include_dataset_count", true) {
        let count = call.app.dataset_counts_by_theme()?.get(&theme.id).copied().unwrap_or_default();
        result.insert("package_count".to_owned(), json!(count));
    }
    Ok(Value::Object(result))
}

/// The theme with this id or title.
pub(super) fn find(call: &Call<'_>, key: &str) -> Result<Theme, Failure> {
    let themes = &call.directory.themes;
    let id = call.directory.vocabulary.find_theme(key).unwrap_or(key);
    let theme = themes.get(key).or_else(|| themes.get(id)).filter(|theme| theme.state == RecordState::Active || call.viewer.admin);
    theme.cloned().ok_or_else(|| Error::not_found("theme", key).into())
}

fn shown(theme: &Theme, package_count: Option<i64>) -> Map<String, Value> {
    let value = json!({
        "approval_status": "approved",
        "created": naive(theme.created),
        "description": theme.draft.description.as_deref().unwrap_or_default(),
        "display_name": theme.draft.title,
        "id": theme.id,
        "image_display_url": "",
        "image_url": "",
        "is_organization": false,
        "name": theme.id,
        "num_followers": 0,
        "state": record_state(theme.state),
        "title": theme.draft.title,
        "type": "group",
        "groups": [],
        "tags": [],
        "users": [],
        "extras": theme.draft.title_en.iter().map(|title| json!({"key": "title_en", "value": title})).collect::<Vec<_>>(),
    });
    let Value::Object(mut value) = value else { return Map::new() };
    if let Some(count) = package_count {
        value.insert("package_count".to_owned(), json!(count));
    }
    value
}

pub(super) fn create(call: &Call<'_>) -> Answer {
    call.signed_in("group_create")?;
    let id = call.params.required("name")?;
    let draft = draft(&call.params.0, ThemeDraft::default(), &id)?;
    let done = call.app.create::<Theme>(&call.context(), Some(id), draft).map_err(of)?;
    whole(call, &done.value)
}

pub(super) fn update(call: &Call<'_>) -> Answer {
    call.signed_in("group_update")?;
    let key = call.params.required("id")?;
    let before = find(call, &key)?;
    // What CKAN cannot say of a group stays.
    let base = ThemeDraft { title: String::new(), description: None, ..before.draft.clone() };
    let draft = draft(&call.params.0, base, &before.id)?;
    let done = call.app.replace::<Theme>(&call.context(), &before.id, draft).map_err(of)?;
    whole(call, &done.value)
}

pub(super) fn patch(call: &Call<'_>) -> Answer {
    call.signed_in("group_patch")?;
    let before = find(call, &call.params.required("id")?)?;
    let draft = draft(&call.params.0, before.draft.clone(), &before.id)?;
    let done = call.app.replace::<Theme>(&call.context(), &before.id, draft).map_err(of)?;
    whole(call, &done.value)
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    call.signed_in("group_delete")?;
    call.app.archive::<Theme>(&call.context(), &find(call, &call.params.required("id")?)?.id).map_err(of)?;
    Ok(Value::Null)
}

fn of(error: Error) -> Failure {
    Failure::of(error, Fields::Theme)
}

fn draft(fields: &Map<String, Value>, base: ThemeDraft, id: &str) -> Result<ThemeDraft, Failure> {
    let get = |key: &str| text(fields, key).map_err(|text| Failure::field(key, text));
    let mut draft = base;
    if let Some(title) = get("title")? {
        draft.title = title;
    }
    if draft.title.is_empty() {
        id.clone_into(&mut draft.title);
    }
    if fields.contains_key("description") {
        draft.description = get("description")?;
    }
    for extra in fields.get("extras").and_then(Value::as_array).into_iter().flatten() {
        if extra["key"] == "title_en" {
            draft.title_en = extra["value"].as_str().map(str::to_owned);
        }
    }
    Ok(draft)
}

/// Puts a dataset into a theme or takes it out; returns the dataset's id.
pub(super) fn tag_dataset(call: &Call<'_>, theme: &Theme, key: &str, belongs: bool) -> Result<Uuid, Failure> {
    let dataset = dataset::edit(call, key, |before| {
        let mut draft = DatasetDraft::from(before.content.clone());
        draft.distributions = None;
        draft.themes.retain(|id| *id != theme.id);
        if belongs {
            draft.themes.push(theme.id.clone());
        }
        Ok(draft)
    })?;
    Ok(dataset.id)
}
