//! Taking over the portal that was before: its datasets by the DataEye back end, each to its publisher, with files and numbers.
//!
//! It may be done again and again until nothing is left out: what is here and unchanged is not fetched anew. Between two times and after the
//! last the source is paused, so that nothing of a portal that is being given up overwrites what publishers do here.

use std::collections::{BTreeMap, BTreeSet};

use minato_catalog::{
    Action, Dataset, DatasetDraft, DatasetState, Distribution, FieldError, HarvestItem, HarvestKind, HarvestRun, HarvestSource,
    HarvestSourceDraft, HarvestStatus, RecordOutcome, Text, Viewer,
};
use minato_harvest::Listing;
use minato_store::{dataset, harvest as records, link_check, previous_portal as store};
use serde_json::Value;
use uuid::Uuid;

use super::find_source;
use super::link::Keeping;
use crate::App;
use crate::context::Context;
use crate::error::{Error, Result};

/// Living sites are believed before a portal that is given up.
const RANK: i64 = 200;
/// Records looked at at once.
const PAGE: i64 = 100;
/// Failed records that are named.
const FAILURES_MAX: i64 = 1_000;

/// What to take over.
#[derive(Debug, Clone)]
pub struct TakeOver {
    /// Slug of the harvest source; it is created when missing.
    pub source: String,
    /// Owner of the datasets whose publisher is not here: id, slug or local government code.
    pub organization: String,
    /// Where the portal is, or was.
    pub url: String,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakeOverProgress {
    /// Records read.
    pub records: i64,
    /// Datasets gone through for their files.
    pub datasets: usize,
    /// Files fetched.
    pub files: usize,
}

/// Something that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Title of the dataset, or the record's id at the portal.
    pub dataset: String,
    /// Title of the file; `None` when the dataset itself is meant.
    pub file: Option<String>,
    /// Where it was looked for.
    pub address: Option<String>,
    /// Why.
    pub cause: Text,
}

/// What was taken over.
#[derive(Debug, Clone)]
pub struct TakenOver {
    /// The harvest run that brought the datasets.
    pub run: HarvestRun,
    /// Datasets of the portal that are here.
    pub datasets: usize,
    /// How many of them are each organization's, by its name.
    pub owners: BTreeMap<String, usize>,
    /// How many of them are copies of datasets that are shown in their place.
    pub copies: usize,
    /// Files fetched this time.
    pub files_fetched: usize,
    /// Files that were here already.
    pub files_kept: usize,
    /// What did not arrive.
    pub left_out: Vec<LeftOut>,
}

/// What would be taken over.
#[derive(Debug, Clone, Default)]
pub struct TakeOverPlan {
    /// Datasets that can be read.
    pub datasets: usize,
    /// Their files.
    pub files: usize,
    /// Sum of the files' sizes as the portal says them.
    pub bytes: i64,
    /// How many datasets would be each organization's, by its name.
    pub owners: BTreeMap<String, usize>,
    /// Records that cannot be taken over, and why the listing is not whole.
    pub left_out: Vec<LeftOut>,
}

impl App {
    /// Takes a portal over, for the command line. Every part is done on its own: what fails is named, and the rest goes on.
    pub fn take_over(&self, context: &Context, request: &TakeOver, mut watch: impl FnMut(TakeOverProgress)) -> Result<TakenOver> {
        let source = self.source_to_take_over(context, request)?;
        let taken = self.take_over_source(context, &source, &mut watch);
        let paused = self.edit_source(context, &source.draft.slug, Action::Update, |source| source.draft.paused = true);
        let taken = taken?;
        paused?;
        Ok(taken)
    }

    /// What [`take_over`](App::take_over) would do. Nothing is written, and no file is fetched.
    pub fn plan_take_over(&self, request: &TakeOver) -> Result<TakeOverPlan> {
        let draft = self.take_over_draft(request);
        let owner = self.organization_id(&request.organization)?;
        let client = self.client()?.clone();
        let vocabulary = self.directory().vocabulary.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let mut plan = TakeOverPlan::default();
        let listing = runtime.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
            let reader = tokio::spawn(async move { minato_harvest::run(&draft, &client, &vocabulary, sender).await });
            while let Some(item) = receiver.recv().await {
                match item {
                    HarvestItem::Record(record) => {
                        plan.datasets += 1;
                        let files = record.draft.distributions.as_deref().unwrap_or_default();
                        plan.files += files.iter().filter(|file| file.download_url.is_some()).count();
                        plan.bytes += files.iter().filter_map(|file| file.byte_size).sum::<i64>();
                        let owner = self.publisher_of(&record.raw).unwrap_or(owner);
                        *plan.owners.entry(self.name_of(owner)).or_default() += 1;
                    }
                    HarvestItem::Failure(failure) => plan.left_out.push(LeftOut {
                        dataset: failure.remote_id.unwrap_or(failure.position),
                        file: None,
                        address: None,
                        cause: failure.cause,
                    }),
                    HarvestItem::Withdrawn { .. } => {}
                }
            }
            reader.await.map_err(Error::internal)
        })?;
        if let Listing::Incomplete { cause } | Listing::Failed { cause } = listing {
            plan.left_out.push(LeftOut { dataset: request.url.clone(), file: None, address: None, cause });
        }
        Ok(plan)
    }

    fn take_over_draft(&self, request: &TakeOver) -> HarvestSourceDraft {
        let new = HarvestSourceDraft::new(&request.source, HarvestKind::Dataeye, &request.url, &request.organization);
        HarvestSourceDraft { title: "以前のポータル".to_owned(), rank: RANK, ..new }
    }

    /// The source, created when missing, led to the address, and no longer paused.
    fn source_to_take_over(&self, context: &Context, request: &TakeOver) -> Result<HarvestSource> {
        let Some(known) = self.store().read(|conn| find_source(conn, &request.source))? else {
            return Ok(self.create_source(context, self.take_over_draft(request))?.value);
        };
        if known.draft.kind != HarvestKind::Dataeye {
            return Err(Error::Conflict(FieldError::new(
                "/kind",
                "other_kind",
                format!("収集元「{}」は {} です。別の名前を --source で指定してください。", request.source, known.draft.kind.as_str()),
                format!("the source `{}` is of the kind {}; name another with --source", request.source, known.draft.kind.as_str()),
            )));
        }
        let organization_id = self.organization_id(&request.organization)?;
        let edited = self.edit_source(context, &request.source, Action::Update, |source| {
            source.draft.url = request.url.clone();
            source.draft.organization = request.organization.clone();
            source.organization_id = organization_id;
            source.draft.paused = false;
        })?;
        Ok(edited.value)
    }

    fn take_over_source(&self, context: &Context, source: &HarvestSource, watch: &mut dyn FnMut(TakeOverProgress)) -> Result<TakenOver> {
        let mut progress = TakeOverProgress::default();
        let run = self.harvest(context, &source.draft.slug, |harvest| {
            let counts = harvest.counts;
            progress.records = counts.added + counts.updated + counts.unchanged + counts.failed;
            watch(progress);
        })?;
        let mut taken = TakenOver {
            datasets: 0,
            owners: BTreeMap::new(),
            copies: 0,
            files_fetched: 0,
            files_kept: 0,
            left_out: self.records_left_out(source, &run)?,
            run,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let mut after: Option<String> = None;
        loop {
            let page = self.store().read(|conn| records::list_records(conn, source.id, after.as_deref(), PAGE))?;
            let Some(last) = page.last() else { break };
            after = Some(last.remote_id.clone());
            for record in page.into_iter().filter(|record| !record.archived) {
                let Some(dataset_id) = record.dataset_id else { continue };
                let Some(dataset) = self.hand_over(context, source, dataset_id, &record.raw)? else { continue };
                self.keep_numbers(&dataset, &record.remote_id)?;
                for file in &dataset.content.distributions {
                    runtime.block_on(self.take_over_file(&dataset, file, &mut taken))?;
                    progress.files = taken.files_fetched;
                    watch(progress);
                }
                taken.datasets += 1;
                taken.copies += usize::from(dataset.content.state == DatasetState::Duplicate);
                *taken.owners.entry(self.name_of(dataset.content.organization_id)).or_default() += 1;
                progress.datasets = taken.datasets;
                watch(progress);
            }
        }
        self.wait_for_index()?;
        Ok(taken)
    }

    /// Records that failed, and why the listing was not read whole.
    fn records_left_out(&self, source: &HarvestSource, run: &HarvestRun) -> Result<Vec<LeftOut>> {
        let failed = self.store().read(|conn| records::list_outcomes(conn, run.id, Some(RecordOutcome::Failed), None, FAILURES_MAX))?;
        let unknown = || Text::new("原因は記録されていません。", "the cause was not recorded");
        let mut left_out: Vec<LeftOut> = failed
            .into_iter()
            .map(|report| LeftOut { dataset: report.remote_id, file: None, address: None, cause: report.cause.unwrap_or_else(unknown) })
            .collect();
        if run.status != HarvestStatus::Complete {
            let cause = run.message.clone().unwrap_or_else(unknown);
            left_out.push(LeftOut { dataset: source.draft.title.clone(), file: None, address: Some(source.draft.url.clone()), cause });
        }
        Ok(left_out)
    }

    /// Gives a dataset to its publisher, where that is here; once, so that staff may decide otherwise.
    fn hand_over(&self, context: &Context, source: &HarvestSource, dataset_id: Uuid, raw: &str) -> Result<Option<Dataset>> {
        let found = self.store().read(|conn| dataset::find(conn, dataset_id))?;
        let Some(found) = found else { return Ok(None) };
        let owner = self.publisher_of(raw).filter(|_| found.content.organization_id == source.organization_id);
        let Some(owner) = owner.filter(|owner| *owner != source.organization_id) else { return Ok(Some(found)) };
        let done = self.change(context, |conn| {
            let before = dataset::find(conn, dataset_id)?.ok_or_else(|| Error::not_found("dataset", dataset_id.to_string()))?;
            let mut draft = DatasetDraft::from(before.content.clone());
            draft.organization = Some(owner.to_string());
            if let Some(identifier) = &draft.identifier
                && dataset::find_by_identifier(conn, owner, identifier)?.is_some()
            {
                draft.identifier = None;
            }
            let provenance = before.content.provenance.clone();
            self.update(conn, context, &before, draft, provenance)
        })?;
        Ok(Some(done.value))
    }

    /// The organization here that a package of the portal names as its own: by code, slug or name.
    fn publisher_of(&self, raw: &str) -> Option<Uuid> {
        let package: Value = serde_json::from_str(raw).ok()?;
        let organization = package.get("organization")?;
        let text = |key: &str| organization.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let said: BTreeSet<String> = ["code", "name", "title", "display_name"]
            .into_iter()
            .filter_map(text)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        let directory = self.directory();
        let organizations = directory.organizations();
        // 広島県呉市 is 呉市.
        let is_called = |said: &str, name: &str| {
            said == name || said.strip_suffix(name).is_some_and(|before| before.ends_with(['都', '道', '府', '県', '郡']))
        };
        let found = organizations.iter().find(|organization| {
            let draft = &organization.draft;
            said.iter().any(|said| draft.code.as_ref() == Some(said) || draft.slug == *said || is_called(said, &draft.name))
        });
        found.map(|organization| organization.id)
    }

    fn name_of(&self, organization: Uuid) -> String {
        self.directory().organization(organization).map(|organization| organization.draft.name.clone()).unwrap_or_default()
    }

    /// The numbers of the portal's addresses lead here from now on.
    fn keep_numbers(&self, dataset: &Dataset, remote_id: &str) -> Result<()> {
        let is_number = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        self.store().write::<_, Error>(|conn| {
            if is_number(remote_id) {
                store::set_dataset_number(conn, remote_id, dataset.id)?;
            }
            for file in &dataset.content.distributions {
                if let Some(number) = file.identifier.as_deref().filter(|number| is_number(number)) {
                    store::set_resource_number(conn, number, file.id)?;
                }
            }
            Ok(())
        })
    }

    async fn take_over_file(&self, dataset: &Dataset, file: &Distribution, taken: &mut TakenOver) -> Result<()> {
        let Some(url) = file.download_url.as_deref().filter(|url| url.starts_with("http")) else { return Ok(()) };
        let known = self.store().read(|conn| link_check::latest(conn, file.id))?.filter(|check| check.url == url);
        // Where the portal tells nothing by which to ask again, its date of the file must do.
        let has_tag = known.as_ref().is_some_and(|check| check.finding.etag.is_some() || check.finding.last_modified.is_some());
        let is_newer = |kept: &minato_catalog::FileVersion| file.modified.is_none_or(|modified| modified > kept.created);
        if let Some(kept) = &file.file
            && known.as_ref().is_some_and(|check| check.ok)
            && !has_tag
            && !is_newer(kept)
        {
            taken.files_kept += 1;
            return Ok(());
        }
        self.look_at_link(&self.client()?.clone(), dataset, file, url, Keeping::File, self.now()).await?;
        let (check, now) = self.store().read(|conn| Ok((link_check::latest(conn, file.id)?, dataset::find(conn, dataset.id)?)))?;
        let kept = now.and_then(|now| now.distribution(file.id).and_then(|file| file.file.clone()));
        let has_failed = check.as_ref().is_none_or(|check| check.finding.status.is_none_or(|status| status >= 400));
        if kept.is_some() && !has_failed {
            if kept == file.file {
                taken.files_kept += 1;
            } else {
                taken.files_fetched += 1;
            }
            return Ok(());
        }
        let problems = check.map(|check| check.finding.problems).unwrap_or_default();
        let join = |pick: fn(&Text) -> &str| problems.iter().map(pick).collect::<Vec<_>>().join(" ");
        let cause = if problems.is_empty() {
            Text::new(
                "ファイルの代わりにウェブページか、空の応答が返りました。ポータルで公開されているか確認してください。",
                "a web page or nothing came in place of the file; check that the portal shows it",
            )
        } else {
            Text::new(join(|text| &text.ja), join(|text| &text.en))
        };
        taken.left_out.push(LeftOut {
            dataset: dataset.content.title.clone(),
            file: Some(file.title.clone()),
            address: Some(url.to_owned()),
            cause,
        });
        Ok(())
    }

    /// The dataset page's slug and the distribution behind a number that the portal gave a file, as the viewer may see them.
    pub fn resource_by_number(&self, viewer: &Viewer, number: &str) -> Result<crate::FoundDistribution> {
        let id = self.store().read(|conn| store::find_resource(conn, number))?;
        let id = id.ok_or_else(|| Error::not_found("resource", number))?;
        self.distribution(viewer, &id.to_string())
    }
}
