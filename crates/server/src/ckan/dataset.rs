//! `package_…`: datasets.

use std::time::Duration;

use minato_app::catalog::{Dataset, DatasetDraft, DatasetState, Text, Viewer};
use minato_app::{Context, Error};
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::{Failure, messages, missing_value};
use super::package::{dataset_draft, package};
use super::params::{Params, is_empty};
use super::{Answer, Call};

/// How often a change is tried again when somebody else changed the dataset in between.
const TRIES: u32 = 50;

pub(super) fn show(call: &Call<'_>) -> Answer {
    let found = call.app.dataset(&call.viewer, &call.params.required("id")?)?;
    Ok(Value::Object(package(&found.dataset, call.site())))
}

/// Names of what everybody may see, whoever asks, as in CKAN.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let limit = call.params.natural("limit")?.filter(|limit| *limit > 0);
    let offset = call.params.natural("offset")?.unwrap_or_default();
    let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let names = call.app.dataset_slugs(&Viewer::public(), limit, i64::try_from(offset).unwrap_or(i64::MAX))?;
    Ok(json!(names))
}

pub(super) fn create(call: &Call<'_>) -> Answer {
    call.signed_in("package_create")?;
    let draft = dataset_draft(&call.params, None, call.site());
    // CKAN tells all that is missing at once; so do we, together with what the draft has to say.
    let mut missing = serde_json::Map::new();
    if call.params.text("name")?.is_none() {
        missing.insert("name".to_owned(), messages(missing_value()));
    }
    if call.params.text("owner_org")?.is_none() {
        let text = Text::new("owner_org に組織の id または名前を入れてください。", "An organization must be provided");
        missing.insert("owner_org".to_owned(), messages(text));
    }
    let draft = match draft {
        Err(Failure::Validation(mut fields)) => {
            fields.extend(missing);
            return Err(Failure::Validation(fields));
        }
        Ok(_) if !missing.is_empty() => return Err(Failure::Validation(missing)),
        other => other?,
    };
    let done = match call.params.text("id")? {
        None => call.app.create_dataset(&call.context(), draft)?,
        Some(id) => {
            let invalid =
                || Failure::field("id", Text::new("id は UUID にしてください。省略すると自動で付きます。", "Invalid id provided"));
            let id: Uuid = id.parse().map_err(|_| invalid())?;
            call.app.create_dataset_with_id(&call.context(), id, draft)?
        }
    };
    settle(call, done.value)
}

pub(super) fn update(call: &Call<'_>) -> Answer {
    call.signed_in("package_update")?;
    let key = match call.params.text("id")? {
        Some(id) => id,
        None => call.params.text("name")?.ok_or_else(|| Failure::missing("id"))?,
    };
    let dataset = edit(call, &key, |before| dataset_draft(&call.params, Some(before), call.site()))?;
    settle(call, dataset)
}

pub(super) fn patch(call: &Call<'_>) -> Answer {
    call.signed_in("package_patch")?;
    let key = call.params.required("id")?;
    let dataset = edit(call, &key, |before| {
        // As CKAN does it: what is shown, with the given fields in place of its own.
        let mut whole = package(before, call.site());
        whole.remove("resources");
        if call.params.0.contains_key("tag_string") {
            whole.remove("tags");
        }
        if call.params.0.contains_key("license_id") {
            whole.remove("license_title");
            whole.remove("license_url");
        }
        if let Some(Value::Array(extras)) = whole.get_mut("extras") {
            // A field given beside the extras is meant to replace the extra of that name.
            extras.retain(|extra| extra["key"].as_str().is_none_or(|key| !call.params.0.contains_key(key)));
            if call.params.0.contains_key("license_id") {
                extras.retain(|extra| extra["key"] != "licence_text");
            }
        }
        whole.extend(call.params.0.clone());
        dataset_draft(&Params(whole), Some(before), call.site())
    })?;
    settle(call, dataset)
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    call.signed_in("package_delete")?;
    let key = call.params.required("id")?;
    call.app.archive_dataset(&call.context(), &key)?;
    Ok(Value::Null)
}

pub(super) fn reorder(call: &Call<'_>) -> Answer {
    call.signed_in("package_resource_reorder")?;
    let key = call.params.required("id")?;
    let order = call.params.list("order");
    if order.is_empty() {
        return Err(Failure::missing("order"));
    }
    let dataset = edit(call, &key, |before| {
        let mut draft = DatasetDraft::from(before.content.clone());
        let distributions = draft.distributions.get_or_insert_default();
        if let Some(unknown) = order.iter().find(|id| !distributions.iter().any(|d| d.id.is_some_and(|own| own.to_string() == **id))) {
            let unknown: String = unknown.chars().take(80).collect();
            let text = Text::new(
                format!("order の「{unknown}」はこのデータセットのリソースではありません。"),
                format!("resource {unknown} is not in this package"),
            );
            return Err(Failure::field("order", text));
        }
        // The sort is stable: those not named keep their order at the end.
        distributions.sort_by_key(|distribution| {
            let id = distribution.id.map(|id| id.to_string()).unwrap_or_default();
            order.iter().position(|other| *other == id).unwrap_or(order.len())
        });
        Ok(draft)
    })?;
    let ids: Vec<Uuid> = dataset.content.distributions.iter().map(|distribution| distribution.id).collect();
    Ok(json!({"id": dataset.id, "order": ids}))
}

/// Changes a dataset by a draft made from its current state, again when that state was outdated.
pub(super) fn edit(call: &Call<'_>, key: &str, f: impl Fn(&Dataset) -> Result<DatasetDraft, Failure>) -> Result<Dataset, Failure> {
    for attempt in 1.. {
        let before = call.app.dataset(&call.viewer, key)?.dataset;
        let draft = f(&before)?;
        let context = Context { expected: Some(before.revision), ..call.context() };
        match call.app.replace_dataset(&context, &before.id.to_string(), draft) {
            Err(Error::PreconditionFailed { .. }) if attempt < TRIES => {
                std::thread::sleep(Duration::from_millis(u64::from(attempt.min(20))))
            }
            other => return Ok(other?.value),
        }
    }
    Err(Failure::Internal)
}

/// Withdraws or restores a dataset when its `state` was sent so, and shows it.
fn settle(call: &Call<'_>, dataset: Dataset) -> Answer {
    let archived = dataset.content.state == DatasetState::Archived;
    let wanted = call.params.0.get("state").filter(|state| !is_empty(state)).and_then(Value::as_str);
    let key = dataset.id.to_string();
    let dataset = match wanted {
        Some("deleted") if !archived => call.app.archive_dataset(&call.context(), &key)?.value,
        Some("active") if archived => call.app.restore_dataset(&call.context(), &key)?.value,
        _ => dataset,
    };
    Ok(Value::Object(package(&dataset, call.site())))
}
