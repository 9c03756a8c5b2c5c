//! Datasets: find, list, create, replace, patch, upsert, archive, restore, history.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, Dataset, DatasetContent, DatasetDraft, DatasetState, Difference, FieldError, Keyword, KeywordDraft, Noun, Page, Provenance,
    RecordState, Revision, RevisionSummary, Role, Text, Viewer, diff, from_value, merge_patch, new_id,
};
use minato_store::dataset::{self, DatasetFilter, Scope};
use minato_store::{AnyConnection, history, keyword};
use uuid::Uuid;

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::error::{Error, Result};
use crate::noun::{not_an_object, signed_in};

/// A dataset, and whether it was asked for by a former name.
#[derive(Debug, Clone)]
pub struct FoundDataset {
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// The key was a former slug: send the reader to the current one.
    pub moved: bool,
}

/// What to list, and how.
pub type DatasetListing = DatasetFilter;

/// The SQL form of what a viewer may see.
pub(crate) fn scope(viewer: &Viewer) -> Scope {
    if viewer.admin {
        Scope::Everything
    } else if viewer.roles.is_empty() {
        Scope::Public
    } else {
        Scope::PublicAnd(viewer.roles.keys().copied().collect())
    }
}

impl App {
    /// The dataset with this id, slug or former slug, as the viewer may see it. A withdrawn one is [`Error::Gone`] to those outside its organization.
    pub fn dataset(&self, viewer: &Viewer, key: &str) -> Result<FoundDataset> {
        let found = match key.parse::<Uuid>() {
            Ok(id) => self.cached(id)?.map(|dataset| FoundDataset { dataset, moved: false }),
            Err(_) => self.store().read(|conn| find_by_name(conn, key))?,
        };
        let Some(mut found) = found else { return Err(Error::not_found("dataset", key)) };
        if let Some(shown) = found.dataset.content.duplicate_of
            && !viewer.sees(found.dataset.content.organization_id, false)
            && let Some(dataset) = self.cached(shown)?
        {
            // A copy is not there for the public; the one that is shown in its place is.
            found = FoundDataset { dataset, moved: true };
        }
        let dataset = &found.dataset;
        if viewer.sees(dataset.content.organization_id, dataset.is_open()) {
            return Ok(found);
        }
        let was_open = dataset.content.state == DatasetState::Archived && dataset.content.visibility == minato_catalog::Visibility::Public;
        if was_open && self.was_published(dataset)? {
            let directory = self.directory();
            let publisher = directory.organization(dataset.content.organization_id);
            return Err(Error::Gone {
                id: dataset.id,
                slug: dataset.content.slug.clone(),
                title: dataset.content.title.clone(),
                publisher: publisher.map(|organization| organization.draft.name.clone()).unwrap_or_default(),
                at: dataset.updated,
            });
        }
        Err(Error::not_found("dataset", key))
    }

    /// The last state of a withdrawn dataset for its tombstone page; only of one that was public.
    pub fn tombstone(&self, key: &str) -> Result<Arc<Dataset>> {
        match self.dataset(&Viewer::public(), key) {
            Err(Error::Gone { id, .. }) => self.cached(id)?.ok_or_else(|| Error::not_found("dataset", key)),
            Ok(found) => Ok(found.dataset),
            Err(error) => Err(error),
        }
    }

    /// Whether an archived dataset was public before, itself or by the one that was shown in its place: drafts leave no tombstone.
    fn was_published(&self, dataset: &Dataset) -> Result<bool> {
        let id = dataset.id.to_string();
        // It may have been corrected since it was withdrawn.
        for number in (1..dataset.revision).rev() {
            let found = self.store().read(|conn| history::find_revision(conn, Noun::Dataset, &id, number))?;
            match found.as_ref().and_then(|revision| revision.content["state"].as_str()) {
                Some("archived") => {}
                state => return Ok(matches!(state, Some("published" | "duplicate"))),
            }
        }
        Ok(false)
    }

    /// The dataset with this publisher's key; of a copy, for the public, the one that is shown in its place.
    pub fn dataset_by_identifier(&self, viewer: &Viewer, organization: &str, identifier: &str) -> Result<FoundDataset> {
        let owner = self.organization_id(organization)?;
        let found = self.store().read(|conn| dataset::find_by_identifier(conn, owner, identifier))?;
        match found {
            Some(dataset) if viewer.sees(owner, dataset.is_open()) => Ok(FoundDataset { dataset: Arc::new(dataset), moved: false }),
            Some(dataset) if dataset.content.duplicate_of.is_some() => self.dataset(viewer, &dataset.id.to_string()),
            _ => Err(Error::not_found("dataset", identifier)),
        }
    }

    /// A page of the datasets that the viewer may see; `scope` of the filter is set here.
    pub fn list_datasets(&self, viewer: &Viewer, mut filter: DatasetListing) -> Result<Page<Dataset>> {
        filter.scope = scope(viewer);
        filter.limit = filter.limit.clamp(0, 1000);
        if let Some(cursor) = &filter.after
            && !dataset::is_cursor(filter.order, cursor)
        {
            return Err(Error::invalid(FieldError::new(
                "/cursor",
                "invalid_cursor",
                "cursor が正しくありません。前のページの next_cursor をそのまま指定してください。",
                "cursor is not one that a list gave; send next_cursor of the page before as it is",
            )));
        }
        Ok(self.store().read(|conn| dataset::list(conn, &filter))?)
    }

    /// The datasets of one standard dataset that everybody may see, the newest of each organization, newest first.
    pub fn same_standard(&self, standard: &str) -> Result<Arc<Vec<Arc<Dataset>>>> {
        let generation = self.generation();
        if let Some((at, datasets)) = self.0.same_standard.get(standard)
            && at == generation
        {
            return Ok(datasets);
        }
        let state = Some(DatasetState::Published);
        let filter = DatasetFilter { standard_dataset: Some(standard.to_owned()), state, limit: 300, ..Default::default() };
        let page = self.list_datasets(&Viewer::public(), filter)?;
        let mut owners = std::collections::HashSet::new();
        let newest: Vec<_> =
            page.items.into_iter().filter(|dataset| owners.insert(dataset.content.organization_id)).map(Arc::new).collect();
        let newest = Arc::new(newest);
        self.0.same_standard.insert(standard.to_owned(), (generation, newest.clone()));
        Ok(newest)
    }

    /// Slugs of the datasets that the viewer may see, in order; `limit` below 0 is all.
    pub fn dataset_slugs(&self, viewer: &Viewer, limit: i64, offset: i64) -> Result<Vec<String>> {
        let filter = DatasetFilter { scope: scope(viewer), state: Some(DatasetState::Published), limit, offset, ..Default::default() };
        Ok(self.store().read(|conn| dataset::slugs(conn, &filter))?)
    }

    /// Number of the datasets that the viewer may see.
    pub fn count_datasets(&self, viewer: &Viewer, mut filter: DatasetListing) -> Result<i64> {
        filter.scope = scope(viewer);
        Ok(self.store().read(|conn| dataset::count(conn, &filter))?)
    }

    /// A new dataset. `organization` of the draft says whose.
    pub fn create_dataset(&self, context: &Context, draft: DatasetDraft) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let owner = self.owner_of_draft(&draft)?;
        self.change(context, |conn| self.insert(conn, context, new_id(), owner, draft, None))
    }

    /// A new dataset with a given id, as CKAN clients may choose one.
    pub fn create_dataset_with_id(&self, context: &Context, id: Uuid, draft: DatasetDraft) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let owner = self.owner_of_draft(&draft)?;
        self.change(context, |conn| {
            if dataset::find(conn, id)?.is_some() {
                return Err(Error::Conflict(FieldError::new(
                    "/id",
                    "taken",
                    "この id のデータセットは既にあります。",
                    "a dataset with this id exists already",
                )));
            }
            self.insert(conn, context, id, owner, draft, None)
        })
    }

    /// Replaces what the draft says; distributions stay when the draft has none of them (see [`DatasetDraft::distributions`]).
    pub fn replace_dataset(&self, context: &Context, key: &str, draft: DatasetDraft) -> Result<Done<Dataset>> {
        self.edit_dataset(context, key, |_| Ok(draft))
    }

    /// Changes parts by a JSON merge patch (RFC 7396) on the draft form. Lists are replaced whole.
    pub fn patch_dataset(&self, context: &Context, key: &str, patch: &serde_json::Value) -> Result<Done<Dataset>> {
        if !patch.is_object() {
            return Err(Error::invalid(not_an_object()));
        }
        self.edit_dataset(context, key, |before| {
            let mut value = serde_json::to_value(DatasetDraft::from(before.content.clone())).map_err(Error::internal)?;
            merge_patch(&mut value, patch);
            from_value(value).map_err(Error::invalid)
        })
    }

    /// Creates or replaces the dataset with the publisher's own key.
    pub fn upsert_dataset(
        &self,
        context: &Context,
        organization: &str,
        identifier: &str,
        mut draft: DatasetDraft,
    ) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let owner = self.organization_id(organization)?;
        if draft.identifier.as_deref().is_some_and(|given| given != identifier) {
            return Err(Error::invalid(FieldError::new(
                "/identifier",
                "mismatch",
                "/identifier が URL のキーと異なります。同じ値にするか省略してください。",
                "/identifier differs from the key in the URL; make them equal or leave it out",
            )));
        }
        let given = draft.organization.as_deref().filter(|given| !given.trim().is_empty());
        if given.is_some_and(|given| self.organization_id(given).ok() != Some(owner)) {
            return Err(Error::invalid(FieldError::new(
                "/organization",
                "mismatch",
                "/organization が URL の組織と異なります。同じ組織にするか省略してください。",
                "/organization differs from the organization in the URL; make them equal or leave it out",
            )));
        }
        draft.identifier = Some(identifier.to_owned());
        draft.organization = Some(owner.to_string());
        self.change(context, |conn| match dataset::find_by_identifier(conn, owner, identifier)? {
            Some(before) => self.update(conn, context, &before, draft, None),
            None => {
                require_role(&context.viewer, owner, Role::Editor)?;
                context.check_absent()?;
                self.insert(conn, context, new_id(), owner, draft, None)
            }
        })
    }

    /// Withdraws a dataset; a tombstone remains.
    pub fn archive_dataset(&self, context: &Context, key: &str) -> Result<Done<Dataset>> {
        self.move_dataset(context, key, DatasetState::Archived, Action::Archive)
    }

    /// Brings a withdrawn dataset back into the catalog.
    pub fn restore_dataset(&self, context: &Context, key: &str) -> Result<Done<Dataset>> {
        self.move_dataset(context, key, DatasetState::Published, Action::Restore)
    }

    /// The revisions of a dataset, newest first. For all who may see the dataset.
    pub fn dataset_history(&self, viewer: &Viewer, key: &str) -> Result<Vec<RevisionSummary>> {
        let dataset = self.dataset(viewer, key)?.dataset;
        let mut revisions = self.store().read(|conn| history::revisions(conn, Noun::Dataset, &dataset.id.to_string()))?;
        if !viewer.has_role(dataset.content.organization_id, Role::Viewer) {
            // The public sees when, not who.
            revisions.iter_mut().for_each(|revision| revision.actor.clear());
        }
        Ok(revisions)
    }

    /// One revision of a dataset. The public sees only revisions that were public.
    pub fn dataset_revision(&self, viewer: &Viewer, key: &str, number: i64) -> Result<Revision> {
        let dataset = self.dataset(viewer, key)?.dataset;
        let found = self.store().read(|conn| history::find_revision(conn, Noun::Dataset, &dataset.id.to_string(), number))?;
        let Some(mut revision) = found else { return Err(Error::not_found("revision", number.to_string())) };
        if !viewer.has_role(dataset.content.organization_id, Role::Viewer) {
            let content: DatasetContent = serde_json::from_value(revision.content.clone()).map_err(Error::internal)?;
            let open = content.state == DatasetState::Published && content.visibility == minato_catalog::Visibility::Public;
            if !open {
                return Err(Error::not_found("revision", number.to_string()));
            }
            revision.actor.clear();
        }
        Ok(revision)
    }

    /// What differs between two revisions of a dataset.
    pub fn dataset_difference(&self, viewer: &Viewer, key: &str, from: i64, to: i64) -> Result<Vec<Difference>> {
        let before = self.dataset_revision(viewer, key, from)?;
        let after = self.dataset_revision(viewer, key, to)?;
        Ok(diff(&before.content, &after.content))
    }

    /// The dataset with this id from memory or the database, whoever looks.
    pub(crate) fn cached(&self, id: Uuid) -> Result<Option<Arc<Dataset>>> {
        let generation = self.generation();
        if let Some((at, dataset)) = self.0.datasets.get(&id)
            && at == generation
        {
            return Ok(Some(dataset));
        }
        let Some(dataset) = self.store().read(|conn| dataset::find(conn, id))? else { return Ok(None) };
        let dataset = Arc::new(dataset);
        // Under the number read before the query: a change in between makes this entry stale at once.
        self.0.datasets.insert(id, (generation, dataset.clone()));
        Ok(Some(dataset))
    }

    /// The datasets with these ids in their order; missing ones are left out. Whoever looks.
    pub(crate) fn cached_many(&self, ids: &[Uuid]) -> Result<Vec<Arc<Dataset>>> {
        let generation = self.generation();
        let mut found: std::collections::HashMap<Uuid, Arc<Dataset>> = ids
            .iter()
            .filter_map(|id| self.0.datasets.get(id).filter(|(at, _)| *at == generation).map(|(_, dataset)| (*id, dataset)))
            .collect();
        let missing: Vec<Uuid> = ids.iter().filter(|id| !found.contains_key(id)).copied().collect();
        if !missing.is_empty() {
            for dataset in self.store().read(|conn| dataset::find_many(conn, &missing))? {
                let dataset = Arc::new(dataset);
                self.0.datasets.insert(dataset.id, (generation, dataset.clone()));
                found.insert(dataset.id, dataset);
            }
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    pub(crate) fn organization_id(&self, key: &str) -> Result<Uuid> {
        let directory = self.directory();
        match directory.find_organization(key) {
            Some(organization) if organization.state == RecordState::Active => Ok(organization.id),
            _ => Err(Error::not_found("organization", key)),
        }
    }

    fn owner_of_draft(&self, draft: &DatasetDraft) -> Result<Uuid> {
        let Some(key) = draft.organization.as_deref().filter(|key| !key.trim().is_empty()) else {
            let mut errors = vec![FieldError::required("/organization")];
            errors.extend(draft.check(&self.directory().vocabulary));
            return Err(Error::Invalid(errors));
        };
        self.organization_id(key).map_err(|_| Error::invalid(FieldError::unknown_value("/organization", key, "GET /api/v1/organizations")))
    }

    fn edit_dataset(&self, context: &Context, key: &str, f: impl FnOnce(&Dataset) -> Result<DatasetDraft>) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let id = self.dataset(&context.viewer, key)?.dataset.id;
        self.change(context, |conn| {
            let before = dataset::find(conn, id)?.ok_or_else(|| Error::not_found("dataset", key))?;
            let draft = f(&before)?;
            self.update(conn, context, &before, draft, None)
        })
    }

    fn move_dataset(&self, context: &Context, key: &str, state: DatasetState, action: Action) -> Result<Done<Dataset>> {
        signed_in(&context.viewer)?;
        let id = self.dataset(&context.viewer, key)?.dataset.id;
        self.change(context, |conn| {
            let before = dataset::find(conn, id)?.ok_or_else(|| Error::not_found("dataset", key))?;
            require_role(&context.viewer, before.content.organization_id, Role::Publisher)?;
            context.check_revision(before.revision)?;
            self.set_state(conn, &before, state, action, &context.viewer.name)
        })
    }

    /// Moves a dataset to another state; restoring leaves one alone that is not archived.
    pub(crate) fn set_state(
        &self,
        conn: &mut AnyConnection,
        before: &Dataset,
        state: DatasetState,
        action: Action,
        actor: &str,
    ) -> Result<Change<Dataset>> {
        let archived = before.content.state == DatasetState::Archived;
        if archived == (action == Action::Archive) {
            return Ok(Change::unchanged(before.clone()));
        }
        let mut after = before.clone();
        after.content.state = state;
        after.content.duplicate_of = None;
        after.revision += 1;
        after.updated = self.now();
        let saved = dataset::save(conn, &after, Some(before), action, actor)?;
        // Its copies: one of them is shown in its place, or it in theirs.
        let settled = self.settle(conn, after.id)?;
        if settled.is_some()
            && let Some(current) = dataset::find(conn, after.id)?
        {
            after = current;
        }
        Ok(Change { value: after, status: Status::Updated, seq: settled.or(Some(saved.seq)) })
    }

    pub(crate) fn insert(
        &self,
        conn: &mut AnyConnection,
        context: &Context,
        id: Uuid,
        owner: Uuid,
        draft: DatasetDraft,
        provenance: Option<Provenance>,
    ) -> Result<Change<Dataset>> {
        let directory = self.directory();
        let vocabulary = &directory.vocabulary;
        let slug = directory.organization(owner).map(|organization| organization.draft.slug.clone()).unwrap_or_default();
        check(&draft, vocabulary)?;
        check_new_distributions(&draft)?;
        require_role(&context.viewer, owner, role_for(&draft, None))?;
        let now = self.now();
        let mut content = draft.apply(id, owner, &slug, None, vocabulary, now);
        content.provenance = provenance;
        let dataset = Dataset { id, content, revision: 1, created: now, updated: now };
        self.record_keywords(conn, &dataset.content, None, now)?;
        let saved = dataset::save(conn, &dataset, None, Action::Create, &context.viewer.name)?;
        let (dataset, linked) = self.link_published_here(conn, dataset)?;
        Ok(Change { value: dataset, status: Status::Created, seq: linked.or(Some(saved.seq)) })
    }

    pub(crate) fn update(
        &self,
        conn: &mut AnyConnection,
        context: &Context,
        before: &Dataset,
        draft: DatasetDraft,
        provenance: Option<Provenance>,
    ) -> Result<Change<Dataset>> {
        let viewer = &context.viewer;
        let directory = self.directory();
        let vocabulary = &directory.vocabulary;
        require_role(viewer, before.content.organization_id, role_for(&draft, Some(before)))?;
        context.check_revision(before.revision)?;
        check(&draft, vocabulary)?;
        check_new_distributions(&draft)?;
        let owner = match draft.organization.as_deref() {
            Some(key) if !key.trim().is_empty() => {
                let owner = self.owner_of_draft(&draft)?;
                if owner != before.content.organization_id {
                    // Whoever gives a dataset away must be able to publish where it goes.
                    require_role(viewer, owner, Role::Publisher)?;
                }
                owner
            }
            _ => before.content.organization_id,
        };
        let archived = before.content.state == DatasetState::Archived;
        let slug = directory.organization(owner).map(|organization| organization.draft.slug.clone()).unwrap_or_default();
        let now = self.now();
        let mut content = draft.apply(before.id, owner, &slug, Some(&before.content), vocabulary, now);
        if before.content.state == DatasetState::Duplicate {
            // Which of two copies is shown is decided elsewhere.
            content.state = DatasetState::Duplicate;
        }
        if archived {
            // Content of a withdrawn dataset may be corrected; only restoring brings it back.
            content.state = DatasetState::Archived;
        }
        let by_hand = provenance.is_none();
        if provenance.is_some() {
            content.provenance = provenance;
        }
        if content == before.content {
            return Ok(Change::unchanged(before.clone()));
        }
        if archived
            && content.modified == now
            && (DatasetContent { modified: before.content.modified, ..content.clone() }) == before.content
        {
            return Ok(Change::unchanged(before.clone()));
        }
        if by_hand && before.content.provenance.is_some() {
            self.note_corrections(conn, &viewer.name, before, &content)?;
        }
        let after = Dataset { id: before.id, content, revision: before.revision + 1, created: before.created, updated: now };
        self.record_keywords(conn, &after.content, Some(&before.content), now)?;
        let saved = dataset::save(conn, &after, Some(before), Action::Update, &viewer.name)?;
        let (after, linked) = self.link_published_here(conn, after)?;
        Ok(Change { value: after, status: Status::Updated, seq: linked.or(Some(saved.seq)) })
    }

    /// Looks for harvested copies of a dataset that is published here.
    fn link_published_here(&self, conn: &mut AnyConnection, dataset: Dataset) -> Result<(Dataset, Option<i64>)> {
        if dataset.content.provenance.is_some() {
            return Ok((dataset, None));
        }
        let linked = self.link(conn, &dataset, None)?;
        match linked {
            Some(_) => Ok((dataset::find(conn, dataset.id)?.unwrap_or(dataset), linked)),
            None => Ok((dataset, None)),
        }
    }

    /// Gives words that are new to the catalog a record of their own.
    fn record_keywords(
        &self,
        conn: &mut AnyConnection,
        content: &DatasetContent,
        before: Option<&DatasetContent>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let known = before.map(|content| content.keywords.as_slice()).unwrap_or_default();
        for word in content.keywords.iter().filter(|word| !known.contains(word)) {
            if keyword::find_by_key(conn, word)?.is_none() {
                let draft = KeywordDraft { name: word.clone(), ..Default::default() };
                let record = Keyword { id: new_id(), draft, state: RecordState::Active, revision: 1, created: now, updated: now };
                keyword::save(conn, &record, None, Action::Create, "system")?;
            }
        }
        Ok(())
    }
}

fn find_by_name(conn: &mut AnyConnection, key: &str) -> minato_store::Result<Option<FoundDataset>> {
    if let Some(dataset) = dataset::find_by_slug(conn, key)? {
        return Ok(Some(FoundDataset { dataset: Arc::new(dataset), moved: false }));
    }
    Ok(dataset::find_by_alias(conn, key)?.map(|dataset| FoundDataset { dataset: Arc::new(dataset), moved: true }))
}

/// Editors edit; making something public takes a publisher.
fn role_for(draft: &DatasetDraft, before: Option<&Dataset>) -> Role {
    let published = before.is_some_and(|dataset| dataset.content.state == DatasetState::Published);
    if draft.state == DatasetState::Published && !published && before.is_none_or(|dataset| dataset.content.state != DatasetState::Archived)
    {
        Role::Publisher
    } else {
        Role::Editor
    }
}

pub(crate) fn require_role(viewer: &Viewer, organization_id: Uuid, role: Role) -> Result<()> {
    signed_in(viewer)?;
    if viewer.has_role(organization_id, role) {
        return Ok(());
    }
    let (ja, en) = match role {
        Role::Viewer => ("閲覧者", "viewer"),
        Role::Editor => ("編集者", "editor"),
        Role::Publisher => ("公開者", "publisher"),
        Role::Administrator => ("組織管理者", "administrator"),
    };
    Err(Error::Forbidden(Text::new(
        format!("この操作には、その組織の「{ja}」以上の権限が必要です。組織の管理者に依頼してください。"),
        format!("this needs the role {en} in the organization; ask its administrator"),
    )))
}

fn check(draft: &DatasetDraft, vocabulary: &minato_catalog::Vocabulary) -> Result<()> {
    match draft.check(vocabulary) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Error::Invalid(errors)),
    }
}

/// New distributions may bring an id, as CKAN clients choose their own; the storage refuses a taken one. The nil UUID is a forgotten one.
fn check_new_distributions(draft: &DatasetDraft) -> Result<()> {
    let nil = draft.distributions.iter().flatten().position(|distribution| distribution.id.is_some_and(|id| id.is_nil()));
    match nil {
        None => Ok(()),
        Some(index) => Err(Error::invalid(FieldError::new(
            format!("/distributions/{index}/id"),
            "invalid_id",
            format!("/distributions/{index}/id に空の UUID は使えません。省略してください。"),
            format!("/distributions/{index}/id is the nil UUID; leave it out"),
        ))),
    }
}
