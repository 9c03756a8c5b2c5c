//! Distributions: single ones of a dataset, their files and versions.

use std::sync::Arc;

use minato_catalog::{
    Action, Dataset, DatasetDraft, Distribution, DistributionDraft, FieldError, FileVersion, Noun, Role, Text, Viewer, format_of_file_name,
    from_value, merge_patch, new_id, normalize_format,
};
use minato_files::{Detected, Upload};
use minato_store::{AnyConnection, dataset, distribution, history};
use uuid::Uuid;

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::{not_an_object, signed_in};

/// A distribution with its dataset.
#[derive(Debug, Clone)]
pub struct FoundDistribution {
    /// The dataset it belongs to.
    pub dataset: Arc<Dataset>,
    /// The distribution.
    pub distribution: Distribution,
}

/// A file that was received whole and becomes a version of a distribution. Dropped or refused, it leaves nothing behind.
#[derive(Debug)]
pub struct FileUpload {
    /// Its bytes, not kept yet.
    pub upload: Upload,
    /// As the publisher named it; sanitized here.
    pub file_name: String,
    /// What name and bytes say it is.
    pub detected: Detected,
    /// Take it although name and bytes disagree.
    pub accept_mismatch: bool,
}

impl App {
    /// The distribution with this id, as the viewer may see its dataset.
    pub fn distribution(&self, viewer: &Viewer, id: &str) -> Result<FoundDistribution> {
        let not_found = || Error::not_found("distribution", id);
        let uuid: Uuid = id.parse().map_err(|_| not_found())?;
        let generation = self.generation();
        let (dataset_id, _) = self.store().read(|conn| distribution::find_dataset(conn, uuid))?.ok_or_else(not_found)?;
        let dataset = self.dataset(viewer, &dataset_id.to_string()).map_err(|error| match error {
            Error::NotFound { .. } => not_found(),
            other => other,
        })?;
        if dataset.dataset.id != dataset_id {
            return self.distribution_of_copy(dataset.dataset, dataset_id, uuid).transpose().unwrap_or_else(|| Err(not_found()));
        }
        let found = dataset.dataset.distribution(uuid).cloned().ok_or_else(not_found)?;
        self.0.dataset_of_distribution.insert(uuid, (generation, dataset_id));
        Ok(FoundDistribution { dataset: dataset.dataset, distribution: found })
    }

    /// A file of a copy as a file of the dataset that is shown in its place, so that it is counted there.
    fn distribution_of_copy(&self, shown: Arc<Dataset>, copy: Uuid, id: Uuid) -> Result<Option<FoundDistribution>> {
        let Some(copy) = self.cached(copy)? else { return Ok(None) };
        let Some(own) = copy.distribution(id) else { return Ok(None) };
        let same_address = |other: &&Distribution| own.download_url.is_some() && own.download_url == other.download_url;
        let same_words = |other: &&Distribution| own.title == other.title && own.format == other.format;
        let files = &shown.content.distributions;
        let same = files.iter().find(same_address).or_else(|| files.iter().find(same_words));
        let distribution = same.unwrap_or(own).clone();
        Ok(Some(FoundDistribution { dataset: shown, distribution }))
    }

    /// The distribution of a dataset in memory, when the dataset is there and fresh; `None` says nothing. Does not block.
    pub fn distribution_in_memory(&self, viewer: &Viewer, id: &str) -> Option<FoundDistribution> {
        let uuid: Uuid = id.parse().ok()?;
        let generation = self.generation();
        let (at, dataset_id) = self.0.dataset_of_distribution.get(&uuid)?;
        let (dataset_at, dataset) = self.0.datasets.get(&dataset_id)?;
        if at != generation || dataset_at != generation || !viewer.sees(dataset.content.organization_id, dataset.is_open()) {
            return None;
        }
        let distribution = dataset.distribution(uuid)?.clone();
        Some(FoundDistribution { dataset, distribution })
    }

    /// A new distribution at the end of a dataset's list.
    pub fn create_distribution(&self, context: &Context, dataset: &str, draft: DistributionDraft) -> Result<Done<Distribution>> {
        let id = draft.id.unwrap_or_else(new_id);
        let draft = DistributionDraft { id: Some(id), ..draft };
        self.edit_distributions(context, dataset, id, Status::Created, |_, drafts| {
            if drafts.iter().any(|other| other.id == Some(id)) {
                return Err(Error::Conflict(FieldError::new(
                    "/id",
                    "taken",
                    "この id のファイルは既にあります。",
                    "a distribution with this id exists already",
                )));
            }
            drafts.push(draft);
            Ok(())
        })
    }

    /// Replaces what the draft says of a distribution; its files stay.
    pub fn replace_distribution(&self, context: &Context, id: &str, draft: DistributionDraft) -> Result<Done<Distribution>> {
        let found = self.distribution(&context.viewer, id)?;
        let id = found.distribution.id;
        self.edit_distributions(context, &found.dataset.id.to_string(), id, Status::Updated, |_, drafts| {
            let place =
                drafts.iter_mut().find(|other| other.id == Some(id)).ok_or_else(|| Error::not_found("distribution", id.to_string()))?;
            *place = DistributionDraft { id: Some(id), ..draft };
            Ok(())
        })
    }

    /// Changes parts of a distribution by a JSON merge patch.
    pub fn patch_distribution(&self, context: &Context, id: &str, patch: &serde_json::Value) -> Result<Done<Distribution>> {
        if !patch.is_object() {
            return Err(Error::invalid(not_an_object()));
        }
        let found = self.distribution(&context.viewer, id)?;
        let id = found.distribution.id;
        self.edit_distributions(context, &found.dataset.id.to_string(), id, Status::Updated, |_, drafts| {
            let place =
                drafts.iter_mut().find(|other| other.id == Some(id)).ok_or_else(|| Error::not_found("distribution", id.to_string()))?;
            let mut value = serde_json::to_value(&*place).map_err(Error::internal)?;
            merge_patch(&mut value, patch);
            let changed: DistributionDraft = from_value(value).map_err(Error::invalid)?;
            *place = DistributionDraft { id: Some(id), ..changed };
            Ok(())
        })
    }

    /// Takes a distribution out of its dataset; its files, address and counts are kept.
    pub fn archive_distribution(&self, context: &Context, id: &str) -> Result<Done<Dataset>> {
        let found = self.distribution(&context.viewer, id)?;
        let id = found.distribution.id;
        self.edit_dataset_distributions(context, &found.dataset.id.to_string(), |_, drafts| {
            drafts.retain(|other| other.id != Some(id));
            Ok(())
        })
    }

    /// Brings a distribution back as it last was, at the end of the list.
    pub fn restore_distribution(&self, context: &Context, id: &str) -> Result<Done<Distribution>> {
        signed_in(&context.viewer)?;
        let not_found = || Error::not_found("distribution", id);
        let uuid: Uuid = id.parse().map_err(|_| not_found())?;
        let (dataset_id, active) = self.store().read(|conn| distribution::find_dataset(conn, uuid))?.ok_or_else(not_found)?;
        if active {
            let found = self.distribution(&context.viewer, id)?;
            return Ok(Done { value: found.distribution, status: Status::Unchanged, replayed: false });
        }
        let key = dataset_id.to_string();
        self.dataset(&context.viewer, &key).map_err(|_| not_found())?;
        let last = self.store().read(|conn| last_state(conn, dataset_id, uuid))?.ok_or_else(not_found)?;
        self.change(context, |conn| {
            let before = dataset::find(conn, dataset_id)?.ok_or_else(not_found)?;
            require_role(&context.viewer, before.content.organization_id, Role::Editor)?;
            context.check_revision(before.revision)?;
            let mut after = before.clone();
            after.content.distributions.push(last.clone());
            let change = self.save_content(conn, context, &before, after)?;
            Ok(Change { value: last, status: change.status, seq: change.seq })
        })
    }

    /// The versions of a distribution's file, newest first.
    pub fn versions(&self, viewer: &Viewer, id: &str) -> Result<Vec<FileVersion>> {
        let found = self.distribution(viewer, id)?;
        Ok(self.store().read(|conn| distribution::versions(conn, found.distribution.id))?)
    }

    /// Makes an uploaded file the next version of a distribution. The same bytes under the same name change nothing.
    pub fn add_file(&self, context: &Context, id: &str, upload: FileUpload) -> Result<Done<Distribution>> {
        let found = self.distribution(&context.viewer, id)?;
        check_upload(&upload)?;
        let (dataset_id, id) = (found.dataset.id, found.distribution.id);
        self.change(context, |conn| {
            let before = dataset::find(conn, dataset_id)?.ok_or_else(|| Error::not_found("distribution", id.to_string()))?;
            require_role(&context.viewer, before.content.organization_id, Role::Editor)?;
            context.check_revision(before.revision)?;
            let mut after = before.clone();
            let Some(place) = after.content.distributions.iter_mut().find(|other| other.id == id) else {
                return Err(Error::not_found("distribution", id.to_string()));
            };
            let version = self.next_version(conn, id, &upload)?;
            if place.file.as_ref().is_some_and(|file| file.sha256 == version.sha256 && file.file_name == version.file_name) {
                return Ok(Change::unchanged(place.clone()));
            }
            attach(place, &version);
            let value = place.clone();
            distribution::add_version(conn, id, &version)?;
            let change = self.save_content(conn, context, &before, after)?;
            keep(context, upload)?;
            Ok(Change { value, status: Status::Created, seq: change.seq })
        })
    }

    /// A new distribution that begins with an uploaded file, in one step.
    pub fn create_distribution_with_file(
        &self,
        context: &Context,
        dataset: &str,
        draft: DistributionDraft,
        upload: FileUpload,
    ) -> Result<Done<Distribution>> {
        check_upload(&upload)?;
        signed_in(&context.viewer)?;
        let vocabulary = self.directory().vocabulary.clone();
        match draft.check(&vocabulary, "") {
            errors if errors.is_empty() => {}
            errors => return Err(Error::Invalid(errors)),
        }
        let dataset_id = self.dataset(&context.viewer, dataset)?.dataset.id;
        let id = draft.id.unwrap_or_else(new_id);
        self.change(context, |conn| {
            let before = dataset::find(conn, dataset_id)?.ok_or_else(|| Error::not_found("dataset", dataset))?;
            require_role(&context.viewer, before.content.organization_id, Role::Editor)?;
            context.check_revision(before.revision)?;
            let version = self.next_version(conn, id, &upload)?;
            let mut new = draft.apply(id, None, &vocabulary);
            attach(&mut new, &version);
            let mut after = before.clone();
            after.content.distributions.push(new.clone());
            let change = self.save_content(conn, context, &before, after)?;
            distribution::add_version(conn, id, &version)?;
            keep(context, upload)?;
            Ok(Change { value: new, status: Status::Created, seq: change.seq })
        })
    }

    fn next_version(&self, conn: &mut AnyConnection, id: Uuid, upload: &FileUpload) -> Result<FileVersion> {
        let last = distribution::versions(conn, id)?.first().map_or(0, |version| version.version);
        Ok(FileVersion {
            version: last + 1,
            sha256: upload.upload.sha256(),
            byte_size: i64::try_from(upload.upload.byte_size()).map_err(Error::internal)?,
            file_name: minato_files::sanitize_file_name(&upload.file_name),
            media_type: upload.detected.media_type.clone(),
            created: self.now(),
            source_url: None,
        })
    }

    /// Saves changed content with a new revision and `modified`.
    fn save_content(&self, conn: &mut AnyConnection, context: &Context, before: &Dataset, mut after: Dataset) -> Result<Change<Dataset>> {
        let now = self.now();
        after.content.modified = now;
        after.revision = before.revision + 1;
        after.updated = now;
        let saved = dataset::save(conn, &after, Some(before), Action::Update, &context.viewer.name)?;
        Ok(Change { value: after, status: Status::Updated, seq: Some(saved.seq) })
    }

    fn edit_distributions(
        &self,
        context: &Context,
        dataset: &str,
        id: Uuid,
        status: Status,
        f: impl FnOnce(&Dataset, &mut Vec<DistributionDraft>) -> Result<()>,
    ) -> Result<Done<Distribution>> {
        signed_in(&context.viewer)?;
        let dataset_id = self.dataset(&context.viewer, dataset)?.dataset.id;
        self.change(context, |conn| {
            let change = self.edited(conn, context, dataset_id, f)?;
            let value = change.value.distribution(id).cloned().ok_or_else(|| Error::not_found("distribution", id.to_string()))?;
            let status = if change.seq.is_some() { status } else { Status::Unchanged };
            Ok(Change { value, status, seq: change.seq })
        })
    }

    fn edit_dataset_distributions(
        &self,
        context: &Context,
        dataset: &str,
        f: impl FnOnce(&Dataset, &mut Vec<DistributionDraft>) -> Result<()>,
    ) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let dataset_id = self.dataset(&context.viewer, dataset)?.dataset.id;
        self.change(context, |conn| self.edited(conn, context, dataset_id, f))
    }

    fn edited(
        &self,
        conn: &mut AnyConnection,
        context: &Context,
        dataset_id: Uuid,
        f: impl FnOnce(&Dataset, &mut Vec<DistributionDraft>) -> Result<()>,
    ) -> Result<Change<Dataset>> {
        let before = dataset::find(conn, dataset_id)?.ok_or_else(|| Error::not_found("dataset", dataset_id.to_string()))?;
        let mut draft = DatasetDraft::from(before.content.clone());
        f(&before, draft.distributions.get_or_insert_default())?;
        self.update(conn, context, &before, draft, None)
    }
}

/// Keeps the bytes, as the last step of a change that nothing refused.
fn keep(context: &Context, upload: FileUpload) -> Result<()> {
    if !context.dry_run {
        upload.upload.finish()?;
    }
    Ok(())
}

fn check_upload(upload: &FileUpload) -> Result<()> {
    if upload.upload.byte_size() == 0 {
        return Err(Error::invalid(FieldError::new(
            "/file",
            "empty",
            "ファイルが空（0 バイト）です。中身のあるファイルを選んでください。",
            "the file is empty (0 bytes); choose one with content",
        )));
    }
    match &upload.detected.mismatch {
        Some(text) if !upload.accept_mismatch => Err(Error::Invalid(vec![FieldError {
            field: "/file".to_owned(),
            code: "media_type_mismatch".to_owned(),
            message: Text::new(
                format!("{} このまま登録する場合は accept_mismatch=true を付けてください。", text.ja),
                format!("{}; to keep it as it is, send accept_mismatch=true", text.en.trim_end_matches('.')),
            ),
        }])),
        _ => Ok(()),
    }
}

fn attach(distribution: &mut Distribution, version: &FileVersion) {
    if distribution.title.trim().is_empty() {
        distribution.title = version.file_name.clone();
    }
    let by_name = format_of_file_name(&version.file_name).or_else(|| normalize_format(&version.media_type));
    distribution.format = by_name.or(distribution.format.take());
    distribution.media_type = Some(version.media_type.clone());
    distribution.byte_size = Some(version.byte_size);
    distribution.modified = Some(version.created);
    distribution.download_url = None;
    distribution.file = Some(version.clone());
}

/// The distribution as the newest revision that has it shows it.
fn last_state(conn: &mut AnyConnection, dataset_id: Uuid, id: Uuid) -> minato_store::Result<Option<Distribution>> {
    let key = dataset_id.to_string();
    for summary in history::revisions(conn, Noun::Dataset, &key)? {
        let Some(revision) = history::find_revision(conn, Noun::Dataset, &key, summary.number)? else { continue };
        let list = revision.content.get("distributions").cloned().unwrap_or_default();
        let list: Vec<Distribution> = serde_json::from_value(list).unwrap_or_default();
        if let Some(found) = list.into_iter().find(|distribution| distribution.id == id) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
