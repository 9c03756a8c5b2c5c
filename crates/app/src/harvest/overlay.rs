//! Corrections: fields of harvested datasets that were changed here and stay so, whatever the source says.

use minato_catalog::{Correction, Dataset, DatasetContent, DatasetDraft, FieldError, Role, Viewer};
use minato_store::harvest as records;
use minato_store::{AnyConnection, dataset, harvest_overlay as store};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::run::match_distributions;
use crate::App;
use crate::context::{Change, Context, Done};
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::signed_in;

/// Fields of a draft that are ours in any case or follow from the others.
const NOT_CORRECTED: &[&str] = &["slug", "organization", "state", "visibility", "modified", "distributions"];

impl App {
    /// The corrections of a dataset, by path. For members of its organization.
    pub fn corrections(&self, viewer: &Viewer, key: &str) -> Result<Vec<Correction>> {
        let dataset = self.dataset(viewer, key)?.dataset;
        require_role(viewer, dataset.content.organization_id, Role::Viewer)?;
        Ok(self.store().read(|conn| store::of_dataset(conn, dataset.id))?)
    }

    /// The paths of a dataset that were corrected here; for marking them.
    pub fn corrected_paths(&self, dataset: &Dataset) -> Result<Vec<String>> {
        if dataset.content.provenance.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.store().read(|conn| store::of_dataset(conn, dataset.id))?.into_iter().map(|correction| correction.path).collect())
    }

    /// All corrections of a source's datasets with the records' ids there: a patch for whoever keeps the source.
    pub fn source_corrections(&self, viewer: &Viewer, source: &str) -> Result<Vec<(String, Correction)>> {
        let source = self.source(viewer, source)?;
        require_role(viewer, source.organization_id, Role::Viewer)?;
        Ok(self.store().read(|conn| store::of_source(conn, source.id))?)
    }

    /// Drops a correction: the field says again what the source says.
    pub fn drop_correction(&self, context: &Context, key: &str, path: &str) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let id = self.dataset(&context.viewer, key)?.dataset.id;
        self.change(context, |conn| {
            let before = dataset::find(conn, id)?.ok_or_else(|| Error::not_found("dataset", key))?;
            require_role(&context.viewer, before.content.organization_id, Role::Editor)?;
            if !store::drop_one(conn, id, path)? {
                return Err(Error::not_found("correction", path));
            }
            let Some(source) = records::find_record_of_dataset(conn, id)?.and_then(|record| record.draft) else {
                return Ok(Change::unchanged(before));
            };
            let mut draft: DatasetDraft = serde_json::from_str(&source).map_err(Error::internal)?;
            draft.slug = None;
            match_distributions(&mut draft, &before);
            let draft = self.with_corrections(conn, id, draft)?;
            let provenance = before.content.provenance.clone();
            self.update(conn, context, &before, draft, provenance)
        })
    }

    /// A draft from a source with what was corrected here.
    pub(super) fn with_corrections(&self, conn: &mut AnyConnection, dataset_id: Uuid, draft: DatasetDraft) -> Result<DatasetDraft> {
        let corrections = store::of_dataset(conn, dataset_id)?;
        if corrections.is_empty() {
            return Ok(draft);
        }
        let mut value = serde_json::to_value(&draft).map_err(Error::internal)?;
        for correction in &corrections {
            apply(&mut value, &correction.path, &correction.value);
        }
        // What was valid when it was entered may not be any more; then the source's word is better than none.
        Ok(serde_json::from_value(value).unwrap_or(draft))
    }

    /// Notes what somebody changed in a harvested dataset. Call inside the transaction of the change.
    pub(crate) fn note_corrections(&self, conn: &mut AnyConnection, actor: &str, before: &Dataset, after: &DatasetContent) -> Result<()> {
        let source = records::find_record_of_dataset(conn, before.id)?.and_then(|record| record.draft);
        let source: Option<DatasetDraft> = source.and_then(|draft| serde_json::from_str(&draft).ok());
        let source = source.map(|mut draft| {
            match_distributions(&mut draft, before);
            draft
        });
        let as_value = |draft: &DatasetDraft| serde_json::to_value(draft).map_err(Error::internal);
        let old = as_value(&DatasetDraft::from(before.content.clone()))?;
        let new = as_value(&DatasetDraft::from(after.clone()))?;
        // Compared in the form in which the catalog keeps it: a licence by its id, not by the source's spelling.
        let base = match source {
            Some(draft) => {
                let directory = self.directory();
                let owner = before.content.organization_id;
                let content = draft.apply(before.id, owner, "", Some(&before.content), &directory.vocabulary, self.now());
                as_value(&DatasetDraft::from(content))?
            }
            None => old.clone(),
        };
        for path in changed_paths(&old, &new) {
            let value = look_up(&new, &path).cloned().unwrap_or(Value::Null);
            let base = look_up(&base, &path).cloned().unwrap_or(Value::Null);
            if value == base {
                store::drop_one(conn, before.id, &path)?;
                continue;
            }
            let correction = Correction { dataset_id: before.id, path, value, base, actor: actor.to_owned(), at: self.now() };
            store::save(conn, &correction)?;
        }
        Ok(())
    }
}

/// Where two drafts differ: fields, and fields of distributions by their ids. A distribution that is new or gone differs as a whole.
fn changed_paths(old: &Value, new: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let empty = Map::new();
    let (old_fields, new_fields) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    for key in old_fields.keys().chain(new_fields.keys().filter(|key| !old_fields.contains_key(*key))) {
        if !NOT_CORRECTED.contains(&key.as_str()) && old_fields.get(key) != new_fields.get(key) {
            paths.push(format!("/{key}"));
        }
    }
    let (old_files, new_files) = (files(old), files(new));
    for file in new_files {
        let Some(id) = file.get("id").and_then(Value::as_str) else { continue };
        match old_files.iter().find(|other| other.get("id") == file.get("id")) {
            None => paths.push(format!("/distributions/{id}")),
            Some(other) => {
                let (before, after) = (other.as_object().unwrap_or(&empty), file.as_object().unwrap_or(&empty));
                for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                    if before.get(key) != after.get(key) {
                        paths.push(format!("/distributions/{id}/{key}"));
                    }
                }
            }
        }
    }
    for file in old_files.iter().filter(|file| !new_files.iter().any(|other| other.get("id") == file.get("id"))) {
        if let Some(id) = file.get("id").and_then(Value::as_str) {
            paths.push(format!("/distributions/{id}"));
        }
    }
    paths
}

fn files(draft: &Value) -> &[Value] {
    draft.get("distributions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn look_up<'v>(draft: &'v Value, path: &str) -> Option<&'v Value> {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    match (parts.next()?, parts.next(), parts.next()) {
        ("distributions", Some(id), key) => {
            let file = files(draft).iter().find(|file| file.get("id").and_then(Value::as_str) == Some(id))?;
            key.map_or(Some(file), |key| file.get(key))
        }
        (key, ..) => draft.get(key),
    }
}

fn apply(draft: &mut Value, path: &str, value: &Value) {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("distributions"), Some(id), key) => {
            let Some(list) = draft.get_mut("distributions").and_then(Value::as_array_mut) else { return };
            let at = list.iter().position(|file| file.get("id").and_then(Value::as_str) == Some(id));
            match (at, key) {
                (Some(at), Some(key)) => {
                    if let Some(file) = list[at].as_object_mut() {
                        file.insert(key.to_owned(), value.clone());
                    }
                }
                (Some(at), None) if value.is_null() => {
                    list.remove(at);
                }
                (Some(at), None) => list[at] = value.clone(),
                (None, None) if value.is_object() => list.push(value.clone()),
                // The file it was said of is gone.
                (None, _) => {}
            }
        }
        (Some(key), ..) => {
            if let Some(fields) = draft.as_object_mut() {
                fields.insert(key.to_owned(), value.clone());
            }
        }
        _ => {}
    }
}

/// A path as somebody may write it: with or without the first slash.
pub fn correction_path(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(FieldError::required("/path")));
    }
    Ok(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_correction_is_found_and_applied_again() {
        let old = json!({"title": "a", "keywords": ["x"], "distributions": [{"id": "1", "title": "f"}, {"id": "2", "title": "g"}]});
        let new = json!({"title": "b", "keywords": ["x"], "distributions": [{"id": "1", "title": "F"}, {"id": "3", "title": "h"}]});
        let paths = changed_paths(&old, &new);
        assert_eq!(paths, ["/title", "/distributions/1/title", "/distributions/3", "/distributions/2"]);
        let mut source =
            json!({"title": "a2", "keywords": ["y"], "distributions": [{"id": "1", "title": "f2"}, {"id": "2", "title": "g"}]});
        for path in &paths {
            let value = look_up(&new, path).cloned().unwrap_or(Value::Null);
            apply(&mut source, path, &value);
        }
        assert_eq!(
            source,
            json!({"title": "b", "keywords": ["y"], "distributions": [{"id": "1", "title": "F"}, {"id": "3", "title": "h"}]})
        );
    }

    #[test]
    fn names_in_urls_and_states_are_no_corrections() {
        let paths = changed_paths(&json!({"slug": "a", "state": "draft"}), &json!({"slug": "b", "state": "published"}));
        assert!(paths.is_empty(), "{paths:?}");
    }
}
