//! The same dataset twice: found, linked, shown once; and what else staff decide.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, Dataset, DatasetState, DecisionKind, DecisionState, FieldError, HarvestDecision, Organization, RecordOutcome, Role, Text,
    Viewer, Visibility, new_id,
};
use minato_harvest::dataset_keys;
use minato_store::harvest as records;
use minato_store::harvest_decision::{self as store, DecisionFilter};
use minato_store::{AnyConnection, dataset, dataset_key};
use uuid::Uuid;

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::signed_in;

/// Who makes a dataset the copy of another.
const ACTOR: &str = "duplicates";
/// A key that more datasets share tells none of them from the others.
const COPIES_MAX: i64 = 20;
/// Datasets that may be one.
const GROUP_MAX: usize = 50;
/// Rank of what is published here: before any source.
const NATIVE_RANK: i64 = -1;

/// Which decisions are wanted.
#[derive(Debug, Clone, Default)]
pub struct DecisionListing {
    /// Only of this source: id or slug.
    pub source: Option<String>,
    /// Only of this kind.
    pub kind: Option<DecisionKind>,
    /// Only in this state.
    pub state: Option<DecisionState>,
    /// Only what settled itself and stays so unless somebody says otherwise ([`HarvestDecision::is_automatic`]), or only the rest.
    pub automatic: Option<bool>,
    /// Only those that came up before this moment: of the last one of the page before.
    pub before: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: i64,
}

/// A decision with the datasets it is about.
#[derive(Debug, Clone)]
pub struct FoundDecision {
    /// The decision.
    pub decision: HarvestDecision,
    /// The datasets in question, whatever their state.
    pub datasets: Vec<std::sync::Arc<Dataset>>,
}

impl App {
    /// Decisions of the sources that the viewer is a member for, newest first.
    pub fn decisions(&self, viewer: &Viewer, listing: &DecisionListing) -> Result<Vec<FoundDecision>> {
        signed_in(viewer)?;
        let sources = match &listing.source {
            Some(key) => {
                let source = self.source(viewer, key)?;
                require_role(viewer, source.organization_id, Role::Viewer)?;
                Some(vec![source.id])
            }
            None if viewer.admin => None,
            None => {
                let all = self.store().read(records::all)?;
                Some(all.iter().filter(|source| viewer.has_role(source.organization_id, Role::Viewer)).map(|source| source.id).collect())
            }
        };
        let filter = DecisionFilter {
            sources,
            kind: listing.kind,
            state: listing.state,
            automatic: listing.automatic,
            before: listing.before,
            limit: listing.limit.clamp(0, 1000),
        };
        let found = self.store().read(|conn| store::list(conn, &filter))?;
        found.into_iter().map(|decision| self.with_datasets(decision)).collect()
    }

    /// One decision.
    pub fn decision(&self, viewer: &Viewer, id: &str) -> Result<FoundDecision> {
        signed_in(viewer)?;
        let not_found = || Error::not_found("harvest_decision", id);
        let uuid: Uuid = id.parse().map_err(|_| not_found())?;
        let decision = self.store().read(|conn| store::find(conn, uuid))?.ok_or_else(not_found)?;
        let source = self.source(viewer, &decision.source_id.to_string()).map_err(|_| not_found())?;
        require_role(viewer, source.organization_id, Role::Viewer)?;
        self.with_datasets(decision)
    }

    fn with_datasets(&self, decision: HarvestDecision) -> Result<FoundDecision> {
        let ids: Vec<Uuid> = [decision.dataset_id, decision.other_id].into_iter().flatten().collect();
        Ok(FoundDecision { datasets: self.cached_many(&ids)?, decision })
    }

    /// The organizations that have to agree to a decision and that the viewer does not speak for, by id: the source's, and those of all
    /// datasets that it could show or hide.
    pub fn organizations_to_agree(&self, viewer: &Viewer, decision: &HarvestDecision) -> Result<Vec<Uuid>> {
        let source = self.source(viewer, &decision.source_id.to_string())?;
        let owners = self.store().read(|conn| concerned(conn, decision))?;
        let all: BTreeSet<Uuid> = owners.into_iter().chain([source.organization_id]).collect();
        Ok(all.into_iter().filter(|id| !viewer.has_role(*id, Role::Publisher)).collect())
    }

    /// Refuses who does not publish for each organization whose datasets a decision could show or hide.
    fn require_owners(&self, conn: &mut AnyConnection, viewer: &Viewer, decision: &HarvestDecision) -> Result<()> {
        let missing: Vec<Uuid> = concerned(conn, decision)?.into_iter().filter(|id| !viewer.has_role(*id, Role::Publisher)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let directory = self.directory();
        let names = |lang: fn(&Organization) -> &str| {
            let name = |id: &Uuid| directory.organization(*id).map_or_else(|| id.to_string(), |found| lang(found).to_owned());
            missing.iter().map(name).collect::<Vec<String>>()
        };
        let ja: String = names(|found| &found.draft.name).iter().map(|name| format!("「{name}」")).collect();
        let en = names(|found| found.draft.name_en.as_deref().unwrap_or(&found.draft.name)).join(", ");
        Err(Error::Forbidden(Text::new(
            format!(
                "この判断で{ja}のデータセットの見え方が変わります。{ja}の「公開者」以上の権限も持つ人か、システム管理者に依頼してください。"
            ),
            format!("this could show or hide datasets of {en}; ask somebody who is also publisher there, or a system administrator"),
        )))
    }

    /// Says yes or no, for good; it may be said anew later. For publishers of the source's organization and, where datasets may be one, of all
    /// that own them.
    pub fn decide(&self, context: &Context, id: &str, accept: bool) -> Result<Done<HarvestDecision>> {
        let before = self.decision(&context.viewer, id)?.decision;
        let source = self.source(&context.viewer, &before.source_id.to_string())?;
        require_role(&context.viewer, source.organization_id, Role::Publisher)?;
        let wanted = if accept { DecisionState::Accepted } else { DecisionState::Rejected };
        self.change(context, |conn| {
            let before = store::find(conn, before.id)?.ok_or_else(|| Error::not_found("harvest_decision", id))?;
            if before.state == wanted && before.decided_by.as_deref() != Some("system") {
                return Ok(Change::unchanged(before));
            }
            if before.kind == DecisionKind::Sweep && before.state != DecisionState::Open {
                return Err(Error::Conflict(FieldError::new(
                    "",
                    "decided",
                    "この取り下げは既に判断されています。次の収集の結果を確認してください。",
                    "this sweep was decided already; look at the next run",
                )));
            }
            self.require_owners(conn, &context.viewer, &before)?;
            let now = self.now();
            let actor = context.viewer.name.clone();
            let after = HarvestDecision { state: wanted, decided: Some(now), decided_by: Some(actor.clone()), ..before.clone() };
            store::save(conn, &after)?;
            let seq = match before.kind {
                DecisionKind::Duplicate => self.settle_group(conn, &after)?,
                DecisionKind::Moved => self.settle_move(conn, &before, &after, now)?,
                DecisionKind::Sweep => self.settle_sweep(conn, &after, source.draft.missing_runs_max.max(1), &actor, now)?,
            };
            Ok(Change { value: after, status: Status::Updated, seq })
        })
    }

    /// Says that two datasets are the same, or are not, although nothing was found.
    pub fn declare_same(&self, context: &Context, dataset: &str, other: &str, same: bool) -> Result<Done<HarvestDecision>> {
        signed_in(&context.viewer)?;
        let find = |key: &str| -> Result<std::sync::Arc<Dataset>> {
            let found = self.dataset(&context.viewer, key)?.dataset;
            match key.parse::<Uuid>() {
                // Of a copy, its id means the copy itself, also for those who are led to what is shown in its place.
                Ok(id) => self.cached(id)?.ok_or_else(|| Error::not_found("dataset", key)),
                Err(_) => Ok(found),
            }
        };
        let (one, two) = (find(dataset)?, find(other)?);
        for dataset in [&one, &two] {
            require_role(&context.viewer, dataset.content.organization_id, Role::Publisher)?;
        }
        if one.id == two.id {
            return Err(Error::invalid(FieldError::new(
                "/other",
                "same",
                "/other には別のデータセットを指定してください。",
                "/other must be another dataset",
            )));
        }
        let harvested = [&one, &two].into_iter().find_map(|dataset| dataset.content.provenance.as_ref());
        let Some(source_id) = harvested.map(|provenance| provenance.source_id) else {
            return Err(Error::invalid(FieldError::new(
                "/other",
                "not_harvested",
                "どちらも収集したデータセットではありません。重複する方を取り下げてください。",
                "neither dataset was harvested; archive the one that is too many",
            )));
        };
        self.change(context, |conn| {
            let now = self.now();
            let (first, second) = (one.id.min(two.id), one.id.max(two.id));
            let subject = pair(first, second);
            let known = store::find_by_subject(conn, DecisionKind::Duplicate, &subject)?;
            let status = if known.is_some() { Status::Updated } else { Status::Created };
            let said = known.unwrap_or_else(|| HarvestDecision {
                id: new_id(),
                kind: DecisionKind::Duplicate,
                source_id,
                subject,
                dataset_id: Some(first),
                other_id: Some(second),
                state: DecisionState::Open,
                reason: Text::new("担当者が指定しました。", "said by staff"),
                created: now,
                decided: None,
                decided_by: None,
            });
            let wanted = if same { DecisionState::Accepted } else { DecisionState::Rejected };
            if said.state == wanted {
                return Ok(Change::unchanged(said));
            }
            self.require_owners(conn, &context.viewer, &said)?;
            let decision = HarvestDecision { state: wanted, decided: Some(now), decided_by: Some(context.viewer.name.clone()), ..said };
            store::save(conn, &decision)?;
            let seq = self.settle_group(conn, &decision)?;
            Ok(Change { value: decision, status, seq })
        })
    }

    /// Notes what a dataset has in common with others, and settles which of its copies is shown. Call in the transaction that wrote it.
    /// `identifier` is the publisher's key as harvested, which may be missing here because it was taken.
    pub(crate) fn link(&self, conn: &mut AnyConnection, dataset: &Dataset, identifier: Option<&str>) -> Result<Option<i64>> {
        let mut content = dataset.content.clone();
        if content.identifier.is_none() {
            content.identifier = identifier.map(str::to_owned);
        }
        let keys = dataset_keys(&content, &self.publishers(dataset));
        dataset_key::replace(conn, dataset.id, &keys)?;
        if !may_be_linked(dataset) {
            return Ok(None);
        }
        let mut reasons: BTreeMap<Uuid, &'static str> = BTreeMap::new();
        for (kind, value) in &keys {
            let others = dataset_key::find_others(conn, dataset.id, kind, value, COPIES_MAX)?;
            if i64::try_from(others.len()).is_ok_and(|count| count >= COPIES_MAX) {
                continue;
            }
            for other in others {
                if *kind != "file" || self.has_the_same_files(conn, &keys, other)? {
                    reasons.entry(other).or_insert(kind);
                }
            }
        }
        let mut linked = false;
        for (other_id, kind) in &reasons {
            let Some(other) = dataset::find(conn, *other_id)? else { continue };
            if !may_be_linked(&other) || source_of(&other) == source_of(dataset) {
                continue;
            }
            let (first, second) = (dataset.id.min(other.id), dataset.id.max(other.id));
            let subject = pair(first, second);
            if store::find_by_subject(conn, DecisionKind::Duplicate, &subject)?.is_some() {
                linked = true;
                continue;
            }
            let Some(source_id) = source_of(dataset).or_else(|| source_of(&other)) else { continue };
            let decision = HarvestDecision {
                id: new_id(),
                kind: DecisionKind::Duplicate,
                source_id,
                subject,
                dataset_id: Some(first),
                other_id: Some(second),
                state: DecisionState::Open,
                reason: reason(kind),
                created: self.now(),
                decided: None,
                decided_by: None,
            };
            store::save(conn, &decision)?;
            linked = true;
        }
        // What was found earlier and is not so any more.
        for decision in store::of_dataset(conn, dataset.id)? {
            if decision.kind != DecisionKind::Duplicate || decision.state != DecisionState::Open {
                continue;
            }
            let Some(other) = other_of(&decision, dataset.id) else { continue };
            if !reasons.contains_key(&other) {
                store::forget(conn, decision.id)?;
                self.settle(conn, other)?;
                linked = true;
            }
        }
        if linked { self.settle(conn, dataset.id) } else { Ok(None) }
    }

    /// The names that a dataset's publisher goes by: of its organization, and the one its source gives.
    fn publishers(&self, dataset: &Dataset) -> Vec<String> {
        let directory = self.directory();
        let mut names: Vec<String> = directory
            .organization(dataset.content.organization_id)
            .map(|organization| organization.draft.name.clone())
            .into_iter()
            .collect();
        if let Some(name) = dataset.content.extras.get("publisher_name") {
            // A portal of several publishers says whose a dataset is; then its owner here says nothing.
            names = vec![name.clone()];
        }
        names
    }

    /// Whether one of the datasets has no files but those of the other.
    fn has_the_same_files(&self, conn: &mut AnyConnection, keys: &BTreeSet<(&'static str, String)>, other: Uuid) -> Result<bool> {
        let files: BTreeSet<&str> = keys.iter().filter(|(kind, _)| *kind == "file").map(|(_, value)| value.as_str()).collect();
        let others = dataset_key::of_dataset(conn, other)?;
        let others: BTreeSet<&str> = others.iter().filter(|(kind, _)| kind == "file").map(|(_, value)| value.as_str()).collect();
        Ok(files.is_subset(&others) || others.is_subset(&files))
    }

    /// Settles which dataset of a group is shown: the one of the source with the lowest rank, then the older one. Gives the place in
    /// the change log when anything changed.
    pub(crate) fn settle(&self, conn: &mut AnyConnection, start: Uuid) -> Result<Option<i64>> {
        let Group { members, moved } = Group::around(conn, [start])?;
        let mut alive = Vec::new();
        for dataset in members.values().filter(|dataset| may_be_linked(dataset)) {
            let (mut rank, mut absent) = (NATIVE_RANK, false);
            if let Some(provenance) = &dataset.content.provenance {
                let source = records::find(conn, &provenance.source_id.to_string())?;
                rank = source.map_or(i64::MAX, |source| source.draft.rank);
                if moved.contains(&dataset.id) {
                    let record = records::find_record_of_dataset(conn, dataset.id)?;
                    absent = record.is_some_and(|record| record.missing_runs > 0);
                }
            }
            alive.push(((absent, rank, dataset.created, dataset.id), dataset));
        }
        alive.sort_by_key(|(order, _)| *order);
        let mut last = None;
        let shown = alive.first().map(|(_, dataset)| dataset.id);
        for (_, dataset) in alive {
            let (state, duplicate_of) =
                if Some(dataset.id) == shown { (DatasetState::Published, None) } else { (DatasetState::Duplicate, shown) };
            if dataset.content.state == state && dataset.content.duplicate_of == duplicate_of {
                continue;
            }
            let mut after = dataset.clone();
            after.content.state = state;
            after.content.duplicate_of = duplicate_of;
            after.revision += 1;
            after.updated = self.now();
            last = Some(dataset::save(conn, &after, Some(dataset), Action::Update, ACTOR)?.seq);
        }
        Ok(last)
    }

    /// Settles both datasets of a decision, which may not be one group any more.
    fn settle_group(&self, conn: &mut AnyConnection, decision: &HarvestDecision) -> Result<Option<i64>> {
        let mut last = None;
        for id in [decision.dataset_id, decision.other_id].into_iter().flatten() {
            last = self.settle(conn, id)?.or(last);
        }
        Ok(last)
    }

    /// Looks for a record of this run that is new and has the title of an absent one: perhaps the same, with more than its id changed.
    pub(super) fn propose_move(&self, conn: &mut AnyConnection, source_id: Uuid, run_id: Uuid, dataset_id: Uuid) -> Result<Option<i64>> {
        let keys = dataset_key::of_dataset(conn, dataset_id)?;
        let mut found = BTreeSet::new();
        for (_, value) in keys.iter().filter(|(kind, _)| kind == "title") {
            for other in dataset_key::find_others(conn, dataset_id, "title", value, COPIES_MAX)? {
                let Some(record) = records::find_record_of_dataset(conn, other)? else { continue };
                let outcome = records::find_outcome(conn, run_id, &record.remote_id)?;
                if record.source_id == source_id && outcome == Some(RecordOutcome::Added) {
                    found.insert((other, record.remote_id));
                }
            }
        }
        // Two new ones with its title: it cannot be told which.
        let [(other, remote_id)] = Vec::from_iter(found).try_into().unwrap_or_else(|_| [(Uuid::nil(), String::new())]);
        if other.is_nil() {
            return Ok(None);
        }
        let subject = super::moved_subject(dataset_id, &remote_id);
        if store::find_by_subject(conn, DecisionKind::Moved, &subject)?.is_some() {
            return Ok(None);
        }
        let decision = HarvestDecision {
            id: new_id(),
            kind: DecisionKind::Moved,
            source_id,
            subject,
            dataset_id: Some(dataset_id),
            other_id: Some(other),
            state: DecisionState::Open,
            reason: Text::new(
                format!("一覧から消えたデータセットと同じタイトルの記録が、新しい ID「{remote_id}」で現れました。"),
                format!("a record with the title of one that vanished came up under the new id `{remote_id}`"),
            ),
            created: self.now(),
            decided: None,
            decided_by: None,
        };
        store::save(conn, &decision)?;
        self.settle(conn, dataset_id)
    }

    /// Carries out what was decided on a move.
    fn settle_move(
        &self,
        conn: &mut AnyConnection,
        before: &HarvestDecision,
        after: &HarvestDecision,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>> {
        let Some(old_id) = before.dataset_id else { return Ok(None) };
        match (before.other_id, after.state) {
            // The new record takes the place of the old one: its address, history and counts go on.
            (Some(new), DecisionState::Accepted) => {
                let (Some(old_record), Some(new_record)) =
                    (records::find_record_of_dataset(conn, old_id)?, records::find_record_of_dataset(conn, new)?)
                else {
                    return Ok(None);
                };
                records::forget_record(conn, old_record.source_id, &old_record.remote_id)?;
                // An empty hash: the next run writes what the record says into the dataset it now is.
                let merged = records::HarvestRecord { dataset_id: Some(old_id), content_hash: String::new(), updated: now, ..new_record };
                records::save_record(conn, &merged)?;
                let mut last = None;
                if let Some(copy) = dataset::find(conn, new)? {
                    last = self.set_state(conn, &copy, DatasetState::Archived, Action::Archive, ACTOR)?.seq;
                }
                if let Some(old) = dataset::find(conn, old_id)?
                    && old.content.state == DatasetState::Archived
                {
                    last = self.set_state(conn, &old, DatasetState::Published, Action::Restore, ACTOR)?.seq.or(last);
                }
                Ok(self.settle(conn, old_id)?.or(last))
            }
            (Some(_), _) => self.settle_group(conn, after),
            // The id was taken over by the run itself: taken back, the next run adds the record anew and misses the old one.
            (None, DecisionState::Rejected) => {
                if let Some(record) = records::find_record_of_dataset(conn, old_id)? {
                    let former = format!("{}#moved", record.remote_id.chars().take(400).collect::<String>());
                    records::rename_record(conn, record.source_id, &record.remote_id, &former)?;
                }
                Ok(None)
            }
            (None, _) => Ok(None),
        }
    }

    /// Carries out what was decided on a sweep.
    fn settle_sweep(
        &self,
        conn: &mut AnyConnection,
        decision: &HarvestDecision,
        runs: i64,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>> {
        for mut record in records::absent_records(conn, decision.source_id, runs)? {
            if decision.state == DecisionState::Accepted {
                self.archive_record(conn, &mut record, actor)?;
            } else {
                record.missing_runs = 0;
                record.missing_since = None;
            }
            record.updated = now;
            records::save_record(conn, &record)?;
        }
        Ok(Some(minato_store::history::last_seq(conn)?))
    }

    /// Gives the datasets of a catalog that is older than their keys what they have in common with others.
    pub(crate) fn note_missing_keys(&self) -> Result<()> {
        if !self.store().read(dataset_key::is_empty)? {
            return Ok(());
        }
        let mut filter = dataset::DatasetFilter {
            scope: dataset::Scope::Everything,
            order: dataset::Order::UpdatedLast,
            limit: 200,
            ..Default::default()
        };
        loop {
            let page = self.store().read(|conn| dataset::list(conn, &filter))?;
            self.store().write::<_, Error>(|conn| {
                for dataset in &page.items {
                    dataset_key::replace(conn, dataset.id, &dataset_keys(&dataset.content, &self.publishers(dataset)))?;
                }
                Ok(())
            })?;
            match page.next_cursor {
                Some(cursor) => filter.after = Some(cursor),
                None => return Ok(()),
            }
        }
    }
}

/// Datasets that are taken for one, directly or by others between them.
struct Group {
    members: BTreeMap<Uuid, Dataset>,
    /// Those of them that a record moved from or to.
    moved: BTreeSet<Uuid>,
}

impl Group {
    fn around(conn: &mut AnyConnection, start: impl IntoIterator<Item = Uuid>) -> minato_store::Result<Group> {
        let mut group = Group { members: BTreeMap::new(), moved: BTreeSet::new() };
        let mut waiting: VecDeque<Uuid> = start.into_iter().collect();
        while let Some(id) = waiting.pop_front() {
            if group.members.contains_key(&id) || group.members.len() >= GROUP_MAX {
                continue;
            }
            let Some(dataset) = dataset::find(conn, id)? else { continue };
            group.members.insert(id, dataset);
            for decision in store::of_dataset(conn, id)? {
                if decision.state == DecisionState::Rejected || decision.kind == DecisionKind::Sweep {
                    continue;
                }
                if let Some(other) = other_of(&decision, id) {
                    if decision.kind == DecisionKind::Moved {
                        group.moved.extend([id, other]);
                    }
                    waiting.push_back(other);
                }
            }
        }
        Ok(group)
    }
}

/// The organizations whose datasets a decision could show or hide. Withdrawals are the source's own matter.
fn concerned(conn: &mut AnyConnection, decision: &HarvestDecision) -> minato_store::Result<BTreeSet<Uuid>> {
    if decision.kind == DecisionKind::Sweep {
        return Ok(BTreeSet::new());
    }
    let own: Vec<Uuid> = [decision.dataset_id, decision.other_id].into_iter().flatten().collect();
    let group = Group::around(conn, own.iter().copied())?;
    let touched = group.members.values().filter(|dataset| may_be_linked(dataset) || own.contains(&dataset.id));
    Ok(touched.map(|dataset| dataset.content.organization_id).collect())
}

/// Only what everybody may see is compared: a draft must neither hide nor be hidden.
fn may_be_linked(dataset: &Dataset) -> bool {
    dataset.content.visibility == Visibility::Public && matches!(dataset.content.state, DatasetState::Published | DatasetState::Duplicate)
}

fn source_of(dataset: &Dataset) -> Option<Uuid> {
    dataset.content.provenance.as_ref().map(|provenance| provenance.source_id)
}

fn other_of(decision: &HarvestDecision, id: Uuid) -> Option<Uuid> {
    if decision.dataset_id == Some(id) { decision.other_id } else { decision.dataset_id }
}

fn pair(first: Uuid, second: Uuid) -> String {
    format!("{first}:{second}")
}

fn reason(kind: &str) -> Text {
    match kind {
        "identifier" => Text::new("識別子と公開者が同じです。", "the same identifier of the same publisher"),
        "landing_page" => Text::new("紹介ページとタイトルが同じです。", "the same landing page and title"),
        "file" => Text::new("ファイルの URL が同じです。", "the same addresses of files"),
        _ => Text::new("タイトルと公開者が同じです。", "the same title and publisher"),
    }
}
