//! What the API shows beside the catalog's own fields: who an organization is, where a file can be had.

use minato_app::catalog::{Dataset, Distribution, Organization};
use minato_app::{App, Error};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Characters of a path segment that stay as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fields of answers that a dataset sent back may carry; they are ignored.
const DATASET_READ_ONLY: &[&str] = &["id", "created", "updated", "revision", "organization_id", "provenance", "url"];
/// Fields of answers that a distribution sent back may carry; they are ignored.
const DISTRIBUTION_READ_ONLY: &[&str] = &["url", "file", "dataset_id"];

/// An organization in few words.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct OrganizationRef {
    /// Id.
    pub(super) id: Uuid,
    /// Name in URLs.
    pub(super) slug: String,
    /// Name in Japanese.
    pub(super) name: String,
    /// Name in English.
    pub(super) name_en: Option<String>,
}

impl From<&Organization> for OrganizationRef {
    fn from(organization: &Organization) -> Self {
        OrganizationRef {
            id: organization.id,
            slug: organization.draft.slug.clone(),
            name: organization.draft.name.clone(),
            name_en: organization.draft.name_en.clone(),
        }
    }
}

/// A dataset as the API answers it: the catalog's dataset, its organization, and where it can be had. Made by [`dataset`].
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct DatasetView {
    #[serde(flatten)]
    dataset: Dataset,
    /// The owner in few words. Ignored when sent back.
    organization: OrganizationRef,
    /// Page about the dataset here. Ignored when sent back.
    url: String,
    /// The files and links, in the publisher's order.
    distributions: Vec<DistributionView>,
}

/// A distribution as the API answers it. Made by [`distribution`].
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct DistributionView {
    #[serde(flatten)]
    distribution: Distribution,
    /// Stable address of its latest file (or of the publisher's, counted on the way); `null` while there is neither file nor link. Ignored when sent back.
    url: Option<String>,
    /// Its dataset; only where it is answered alone. Ignored when sent back.
    #[schema(required = false)]
    dataset_id: Option<Uuid>,
}

/// The organization in few words; of an unknown id, the id alone.
pub(super) fn organization(app: &App, id: Uuid) -> OrganizationRef {
    match app.directory().organization(id) {
        Some(organization) => OrganizationRef::from(organization.as_ref()),
        None => OrganizationRef { id, slug: String::new(), name: String::new(), name_en: None },
    }
}

/// A [`DatasetView`] as JSON; `base` is the address of the site.
pub(super) fn dataset(app: &App, base: &str, dataset: &Dataset) -> minato_app::Result<Value> {
    let mut value = serde_json::to_value(dataset).map_err(Error::internal)?;
    if let Some(list) = value.get_mut("distributions").and_then(Value::as_array_mut) {
        for (shown, distribution) in list.iter_mut().zip(&dataset.content.distributions) {
            shown["url"] = json!(file_url(base, &dataset.content.slug, distribution));
        }
    }
    value["organization"] = json!(organization(app, dataset.content.organization_id));
    value["url"] = json!(format!("{base}/datasets/{}", dataset.content.slug));
    Ok(value)
}

/// A [`DistributionView`] as JSON.
pub(super) fn distribution(base: &str, dataset: &Dataset, distribution: &Distribution) -> minato_app::Result<Value> {
    let mut value = serde_json::to_value(distribution).map_err(Error::internal)?;
    value["url"] = json!(file_url(base, &dataset.content.slug, distribution));
    value["dataset_id"] = json!(dataset.id);
    Ok(value)
}

/// Where a distribution's file can be had, counted.
pub(crate) fn file_url(base: &str, slug: &str, distribution: &Distribution) -> Option<String> {
    let id = distribution.id;
    match &distribution.file {
        Some(file) => Some(format!("{base}/datasets/{slug}/download/{id}/{}", utf8_percent_encode(&file.file_name, SEGMENT))),
        None => distribution.download_url.as_ref().or(distribution.access_url.as_ref()).map(|_| format!("{base}/d/{id}")),
    }
}

/// Takes out of a dataset's body what only answers have. The organization of an answer is an object, and its id a field of its own:
/// both say the owner when `organization` itself does not.
pub(super) fn strip_dataset(object: &mut Map<String, Value>) {
    let owner = match object.get("organization") {
        Some(Value::Object(organization)) => {
            let inner = organization.get("id").cloned();
            Some(object.get("organization_id").cloned().or(inner))
        }
        None => Some(object.get("organization_id").cloned()),
        Some(_) => None,
    };
    match owner {
        Some(Some(owner @ Value::String(_))) => {
            object.insert("organization".to_owned(), owner);
        }
        Some(_) => {
            object.shift_remove("organization");
        }
        None => {}
    }
    super::request::strip(object, DATASET_READ_ONLY);
    if let Some(Value::Array(list)) = object.get_mut("distributions") {
        for item in list {
            if let Value::Object(distribution) = item {
                strip_distribution(distribution);
            }
        }
    }
}

/// Takes out of a distribution's body what only answers have.
pub(super) fn strip_distribution(object: &mut Map<String, Value>) {
    super::request::strip(object, DISTRIBUTION_READ_ONLY);
}
