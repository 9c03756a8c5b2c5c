//! `resource_…`: distributions and their files.

use minato_app::FileUpload;
use minato_app::catalog::{Dataset, DatasetDraft, Distribution, DistributionDraft, Text};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::failure::{Failure, Fields};
use super::params::is_empty;
use super::resource::{distribution_draft, resource};
use super::{Answer, Call, dataset};

pub(super) fn show(call: &Call<'_>) -> Answer {
    shown(call, &call.params.required("id")?)
}

pub(super) fn create(call: &Call<'_>) -> Answer {
    call.signed_in("resource_create")?;
    let package = call.params.required("package_id")?;
    let upload = upload(call)?;
    let draft = draft(call, &call.params.0, None, upload.is_some())?;
    let of = |error| Failure::of(error, Fields::Distribution);
    let done = match upload {
        Some(upload) => call.app.create_distribution_with_file(&call.context(), &package, draft, upload).map_err(of)?,
        None => {
            let position = call.app.dataset(&call.viewer, &package)?.dataset.content.distributions.len();
            call.app.create_distribution(&call.context(), &package, draft).map_err(|error| of(error).of_resource(position))?
        }
    };
    shown(call, &done.value.id.to_string())
}

pub(super) fn update(call: &Call<'_>) -> Answer {
    call.signed_in("resource_update")?;
    let id = call.params.required("id")?;
    replace(call, &id, |_, _| call.params.0.clone())
}

pub(super) fn patch(call: &Call<'_>) -> Answer {
    call.signed_in("resource_patch")?;
    let id = call.params.required("id")?;
    let uploading = call.upload.borrow().is_some();
    replace(call, &id, |dataset, index| {
        let given = &call.params.0;
        let mut whole = resource(dataset, index, call.site());
        let before = dataset.content.distributions.get(index);
        if given.contains_key("url") && !given.contains_key("url_type") {
            // A new address takes the place of the kept file.
            whole.remove("url_type");
        }
        if uploading {
            // What was said of the old file is not said of the new one.
            ["format", "mimetype", "size", "hash", "last_modified"].iter().for_each(|key| drop(whole.remove(*key)));
            let was_named_by_file = before.is_some_and(|before| before.file.as_ref().is_some_and(|file| file.file_name == before.title));
            if was_named_by_file {
                whole.remove("name");
            }
        }
        whole.extend(given.clone());
        whole
    })
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    call.signed_in("resource_delete")?;
    call.app.archive_distribution(&call.context(), &call.params.required("id")?)?;
    Ok(Value::Null)
}

/// Replaces a distribution by what `fields` makes of its current state; a new file first, so that its name can be the title.
fn replace(call: &Call<'_>, id: &str, fields: impl Fn(&Dataset, usize) -> Map<String, Value>) -> Answer {
    let found = call.app.distribution(&call.viewer, id)?;
    let (dataset_id, id) = (found.dataset.id.to_string(), found.distribution.id);
    let upload = upload(call)?;
    let uploading = upload.is_some();
    let index = position(&found.dataset, id);
    // Mistakes in the fields are found before the file is taken.
    let first = fields(&found.dataset, index);
    let checked = draft(call, &first, Some(&found.distribution), uploading)?;
    if let Some(upload) = upload {
        let errors = checked.check(&call.directory.vocabulary, "");
        if !errors.is_empty() {
            return Err(Failure::of(minato_app::Error::Invalid(errors), Fields::Distribution));
        }
        call.app.add_file(&call.context(), &id.to_string(), upload).map_err(|error| Failure::of(error, Fields::Distribution))?;
    }
    let edited = dataset::edit(call, &dataset_id, |before| {
        let index = position(before, id);
        let Some(current) = before.content.distributions.get(index) else {
            return Err(minato_app::Error::not_found("distribution", id.to_string()).into());
        };
        // After an upload the fields are those sent for the state before it.
        let own = if uploading { first.clone() } else { fields(before, index) };
        let mut whole = DatasetDraft::from(before.content.clone());
        if let Some(place) = whole.distributions.get_or_insert_default().get_mut(index) {
            *place = draft(call, &own, Some(current), uploading)?;
        }
        Ok(whole)
    });
    edited.map_err(|failure| failure.of_resource(index))?;
    shown(call, &id.to_string())
}

fn position(dataset: &Dataset, id: Uuid) -> usize {
    let list = &dataset.content.distributions;
    list.iter().position(|distribution| distribution.id == id).unwrap_or(list.len())
}

fn draft(
    call: &Call<'_>,
    fields: &Map<String, Value>,
    before: Option<&Distribution>,
    uploading: bool,
) -> Result<DistributionDraft, Failure> {
    distribution_draft(fields, before, uploading, call.site()).map_err(|(field, text)| Failure::field(&field, text))
}

/// Takes the file out of the call.
fn upload(call: &Call<'_>) -> Result<Option<FileUpload>, Failure> {
    let accept_mismatch = call.params.switch("accept_mismatch", false);
    if let Some(upload) = call.upload.take() {
        return Ok(Some(FileUpload { accept_mismatch, ..upload }));
    }
    let nothing = |value: &Value| match value {
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(fields) => fields.is_empty(),
        other => is_empty(other),
    };
    match call.params.0.get("upload") {
        Some(value) if !nothing(value) => Err(Failure::field(
            "upload",
            Text::new(
                "upload はファイルとして、ファイル名を付けた multipart/form-data の項目で送ってください。",
                "send it as a file part with a file name (multipart/form-data)",
            ),
        )),
        _ => Ok(None),
    }
}

fn shown(call: &Call<'_>, id: &str) -> Answer {
    let found = call.app.distribution(&call.viewer, id)?;
    let index = position(&found.dataset, found.distribution.id);
    Ok(Value::Object(resource(&found.dataset, index, call.site())))
}
