//! Keeps the search index behind the change log: one thread follows it, commits in groups, and wakes the writers that wait.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use minato_catalog::{Change, Dataset, FieldError, FileVersion, Noun, Text, jst_day};
use minato_search::{Index, SearchDocument};
use minato_store::dataset::{self, DatasetFilter, Order, Scope};
use minato_store::{Store, history, setting, statistics};
use minato_tabular::Limits;
use uuid::Uuid;

use crate::App;
use crate::app::{AppSettings, Inner};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::synonym_list;

/// How long a writer waits for the index before it answers all the same.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the log is looked at for changes by other processes.
const POLL: Duration = Duration::from_millis(500);
/// Most changes taken into one commit.
const GROUP_MAX: i64 = 1000;
/// Names of columns of one dataset that can be searched.
const COLUMNS_MAX: usize = 200;
/// Larger files are not read for them.
const COLUMNS_FILE_BYTES_MAX: u64 = 20_000_000;
/// Datasets read at once for a rebuild.
const BATCH: i64 = 500;
/// Setting that asks all servers to rebuild their index: an id of the request.
const REINDEX_REQUESTED: &str = "reindex.requested";
/// Setting that says which request was done first, and with how many datasets.
const REINDEX_DONE: &str = "reindex.done";

pub(crate) struct Indexer {
    pub(crate) index: Index,
    shared: Arc<Shared>,
    needs_rebuild: AtomicBool,
    /// The last request to rebuild that was seen; those from before the start are done by the start.
    request_seen: Mutex<Option<String>>,
    generation: Arc<AtomicU64>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Everything up to here is in the index.
    position: i64,
    /// A local writer committed up to here.
    wanted: i64,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Indexer {
    pub(crate) fn open(settings: &AppSettings, store: Store, generation: Arc<AtomicU64>) -> Result<Indexer> {
        let synonyms = Some(store.read(synonym_list::text_in_use)?);
        let index_settings = minato_search::Settings {
            writer_memory_bytes: settings.index_memory_bytes,
            synonyms,
            // Requests are answered meanwhile; one processor is left to them.
            rebuild_threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)),
            lock_wait: settings.index_lock_wait,
            ..Default::default()
        };
        let opened = Index::open(&settings.data_dir.join("search"), index_settings).map_err(|error| match error {
            minato_search::Error::Locked(_) => Error::Conflict(FieldError::new(
                "",
                "index_locked",
                format!(
                    "{} は別のプロセスが使用中です。そのサーバーを止めるか、別の --data を指定してください。",
                    settings.data_dir.display()
                ),
                format!("{} is in use by another process; stop that server or name another --data", settings.data_dir.display()),
            )),
            other => Error::internal(other),
        })?;
        let last = store.read(history::last_seq)?;
        let position = opened.index.position();
        // An index ahead of the log belongs to another database.
        let needs_rebuild = opened.rebuild.is_some() || position > last;
        let request_seen = Mutex::new(store.read(|conn| setting::get(conn, REINDEX_REQUESTED))?);
        let shared = Arc::new(Shared::default());
        shared.lock().position = if needs_rebuild { 0 } else { position };
        Ok(Indexer { index: opened.index, shared, needs_rebuild: AtomicBool::new(needs_rebuild), request_seen, generation })
    }

    /// Starts the thread that follows the log.
    pub(crate) fn start(&self, app: &App) {
        let weak = Arc::downgrade(&app.0);
        let spawned = std::thread::Builder::new().name("indexer".to_owned()).spawn(move || follow(&weak));
        if let Err(error) = spawned {
            tracing::error!(%error, "indexer thread not started; search will not follow changes");
        }
    }

    /// Waits until the index has everything up to `seq`, for a bounded time.
    pub(crate) fn wait_for(&self, seq: i64) {
        let deadline = Instant::now() + WAIT_MAX;
        let mut state = self.shared.lock();
        state.wanted = state.wanted.max(seq);
        self.shared.changed.notify_all();
        while state.position < seq && !state.stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(seq, position = state.position, "a writer was answered before the index had its change");
                return;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn stop(&self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }

    /// Tells the thread that there is something new, without waiting.
    pub(crate) fn notify(&self, seq: i64) {
        let mut state = self.shared.lock();
        state.wanted = state.wanted.max(seq);
        self.shared.changed.notify_all();
    }

    /// Whether the index is still to be filled: it is new, of another version, or was damaged.
    pub(crate) fn is_being_built(&self) -> bool {
        self.needs_rebuild.load(Ordering::Acquire)
    }

    /// Position that the index has reached.
    pub(crate) fn position(&self) -> i64 {
        self.shared.lock().position
    }

    fn advance(&self, position: i64) {
        // Before writers are let go: who asks right after his change must get no answer that was kept before it.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.shared.lock().position = position;
        self.shared.changed.notify_all();
    }
}

/// The thread: ends when the application is gone or stopped.
fn follow(weak: &Weak<Inner>) {
    let mut pause = Duration::ZERO;
    loop {
        let Some(inner) = weak.upgrade() else { return };
        let app = App(inner);
        let Some(indexer) = &app.0.indexer else { return };
        let shared = indexer.shared.clone();
        let result = if indexer.needs_rebuild.load(Ordering::Acquire) {
            app.rebuild_index(|_| {}).map(|_| true)
        } else {
            app.catch_up().and_then(|worked| if worked { Ok(true) } else { app.obey_reindex_request() })
        };
        // Let go of the application while waiting, or it could never end.
        drop(app);
        match result {
            Ok(true) => pause = Duration::ZERO,
            Ok(false) => {
                pause = Duration::ZERO;
                let mut state = shared.lock();
                if !state.stopped && state.wanted <= state.position {
                    state = shared.changed.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
                }
                if state.stopped {
                    return;
                }
            }
            Err(error) => {
                pause = (pause * 2).clamp(Duration::from_millis(200), Duration::from_secs(10));
                tracing::error!(%error, "the index could not follow the change log; trying again");
                std::thread::sleep(pause);
            }
        }
    }
}

impl App {
    /// Takes the next group of changes into the index; `false` when there was none.
    fn catch_up(&self) -> Result<bool> {
        let Some(indexer) = &self.0.indexer else { return Ok(false) };
        let position = indexer.position();
        let changes = self.store().read(|conn| history::changes_after(conn, position, GROUP_MAX))?;
        let Some(last) = changes.last().map(|change| change.seq) else { return Ok(false) };
        if changes.iter().any(|change| matches!(change.noun, Noun::Organization | Noun::Theme | Noun::Licence)) {
            self.reload_directory()?;
        }
        if changes.iter().any(|change| change.noun == Noun::SynonymList) {
            self.reload_synonyms()?;
        }
        let ids = self.touched_datasets(&changes)?;
        let (upserts, deletes) = self.documents(&ids)?;
        if upserts.is_empty() && deletes.is_empty() {
            // Nothing searchable changed; the position is committed with the next change that is.
            indexer.advance(last);
            return Ok(true);
        }
        let count = upserts.len();
        indexer.index.apply(upserts, deletes, last).map_err(Error::internal)?;
        indexer.advance(last);
        tracing::debug!(index.position = last, index.documents = count, "index committed");
        Ok(true)
    }

    /// Gives searches the synonyms that are stored now. The answers kept before go when the index advances past the change.
    fn reload_synonyms(&self) -> Result<()> {
        let Some(indexer) = &self.0.indexer else { return Ok(()) };
        let text = self.store().read(synonym_list::text_in_use)?;
        for error in indexer.index.set_synonyms(&text) {
            // They were checked when they were saved; another version may judge a line differently.
            tracing::warn!(%error, "a line of the synonyms is not used");
        }
        Ok(())
    }

    fn touched_datasets(&self, changes: &[Change]) -> Result<Vec<Uuid>> {
        let mut ids = BTreeSet::new();
        for change in changes {
            let Ok(id) = change.subject_id.parse::<Uuid>() else { continue };
            match change.noun {
                Noun::Dataset => {
                    ids.insert(id);
                }
                // A new organization has no datasets yet.
                Noun::Organization if change.revision > 1 => ids.extend(self.datasets_of(id)?),
                _ => {}
            }
        }
        Ok(ids.into_iter().collect())
    }

    fn datasets_of(&self, organization_id: Uuid) -> Result<Vec<Uuid>> {
        let mut ids = Vec::new();
        let mut filter = DatasetFilter {
            scope: Scope::Everything,
            organization_id: Some(organization_id),
            order: Order::Slug,
            limit: BATCH,
            ..Default::default()
        };
        loop {
            let page = self.store().read(|conn| dataset::list(conn, &filter))?;
            ids.extend(page.items.iter().map(|dataset| dataset.id));
            match page.next_cursor {
                Some(cursor) => filter.after = Some(cursor),
                None => return Ok(ids),
            }
        }
    }

    fn documents(&self, ids: &[Uuid]) -> Result<(Vec<SearchDocument>, Vec<Uuid>)> {
        let datasets = self.store().read(|conn| dataset::find_many(conn, ids))?;
        let found: BTreeSet<Uuid> = datasets.iter().map(|dataset| dataset.id).collect();
        let mut deletes: Vec<Uuid> = ids.iter().filter(|id| !found.contains(id)).copied().collect();
        deletes.extend(datasets.iter().filter(|dataset| !dataset.content.state.is_listed()).map(|dataset| dataset.id));
        let shown: Vec<Dataset> = datasets.into_iter().filter(|dataset| dataset.content.state.is_listed()).collect();
        Ok((self.to_documents(&shown)?, deletes))
    }

    fn to_documents(&self, datasets: &[Dataset]) -> Result<Vec<SearchDocument>> {
        let directory = self.directory();
        let since = jst_day(self.now()) - chrono::Duration::days(90);
        let ids: Vec<Uuid> = datasets.iter().map(|dataset| dataset.id).collect();
        let downloads = self.store().read(|conn| statistics::totals_of_datasets(conn, &ids, since))?;
        Ok(datasets
            .iter()
            .map(|dataset| {
                let columns = self.column_names(dataset);
                document(dataset, &directory, downloads.get(&dataset.id).copied().unwrap_or(0), columns)
            })
            .collect())
    }

    /// Names of columns and sheets of the uploaded tables of a dataset: 「緯度」 finds what has coordinates. Derived from the files, which
    /// never change under their hash; a file that is no table, too large or unreadable has none.
    fn column_names(&self, dataset: &Dataset) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for file in dataset.content.distributions.iter().filter_map(|distribution| distribution.file.as_ref()) {
            if names.len() >= COLUMNS_MAX || !u64::try_from(file.byte_size).is_ok_and(|size| size <= COLUMNS_FILE_BYTES_MAX) {
                continue;
            }
            let known = self.0.column_names.get_with(file.sha256.clone(), || self.read_column_names(file));
            names.extend(known.iter().cloned());
        }
        names.sort_unstable();
        names.dedup();
        names.truncate(COLUMNS_MAX);
        names
    }

    fn read_column_names(&self, file: &FileVersion) -> Arc<[String]> {
        let limits = Limits { rows: 1, bytes: 100_000, ..Limits::default() };
        let preview = self.blobs().open_blob(&file.sha256).ok().and_then(|(reader, _)| {
            let reader = std::io::BufReader::new(reader);
            minato_tabular::preview(reader, &file.file_name, Some(&file.media_type), limits).ok()
        });
        let names = preview.map(|preview| preview.columns.into_iter().chain(preview.sheet)).into_iter().flatten();
        names.filter(|name| !name.trim().is_empty()).take(COLUMNS_MAX).collect()
    }

    /// Builds the index anew from the database, beside the one in use, and swaps. `progress` is told the number of datasets done.
    pub fn rebuild_index(&self, mut progress: impl FnMut(usize)) -> Result<usize> {
        let Some(indexer) = &self.0.indexer else {
            return Err(Error::internal("this process does not keep the index"));
        };
        // Read before everything else: what changes meanwhile is taken from the log again afterwards.
        let position = self.store().read(history::last_seq)?;
        self.reload_directory()?;
        self.reload_synonyms()?;
        let mut filter = DatasetFilter { scope: Scope::Everything, order: Order::Slug, limit: BATCH, ..Default::default() };
        let mut done = 0;
        let mut ended = false;
        let batches = std::iter::from_fn(|| {
            if ended {
                return None;
            }
            let batch = self.store().read(|conn| dataset::list(conn, &filter)).map_err(Error::from).and_then(|page| {
                ended = page.next_cursor.is_none();
                filter.after = page.next_cursor;
                self.to_documents(&page.items)
            });
            match &batch {
                Ok(documents) => {
                    done += documents.len();
                    progress(done);
                }
                Err(_) => ended = true,
            }
            Some(batch.map_err(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>))
        });
        indexer.index.rebuild(batches, position).map_err(Error::internal)?;
        indexer.needs_rebuild.store(false, Ordering::Release);
        indexer.advance(position);
        let count = indexer.index.count();
        tracing::info!(index.documents = count, index.position = position, "index rebuilt");
        Ok(count)
    }

    /// Rebuilds when another process asked for it.
    fn obey_reindex_request(&self) -> Result<bool> {
        let Some(indexer) = &self.0.indexer else { return Ok(false) };
        let requested = self.store().read(|conn| setting::get(conn, REINDEX_REQUESTED))?;
        {
            let mut seen = indexer.request_seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == requested {
                return Ok(false);
            }
            seen.clone_from(&requested);
        }
        let count = self.rebuild_index(|_| {})?;
        let done = format!("{} {count}", requested.unwrap_or_default());
        self.store().write::<_, Error>(|conn| Ok(setting::set(conn, REINDEX_DONE, &done)?))?;
        Ok(true)
    }

    /// Asks the servers that keep an index to rebuild it, and waits for the first to be done; returns its number of datasets.
    pub fn request_reindex(&self, patience: Duration, mut tick: impl FnMut()) -> Result<usize> {
        let request = Uuid::new_v4().to_string();
        self.store().write::<_, Error>(|conn| Ok(setting::set(conn, REINDEX_REQUESTED, &request)?))?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let done = self.store().read(|conn| setting::get(conn, REINDEX_DONE))?.unwrap_or_default();
            if let Some((id, count)) = done.split_once(' ')
                && id == request
            {
                return Ok(count.parse().unwrap_or(0));
            }
            tick();
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(Error::Unavailable(Text::new(
            "再構築が時間内に終わりませんでした。サーバーのログを確認してください。",
            "the rebuild did not end in time; see the server's log",
        )))
    }

    /// Waits until the index has all changes made so far; for tools and tests.
    pub fn wait_for_index(&self) -> Result<()> {
        let last = self.store().read(history::last_seq)?;
        if let Some(indexer) = &self.0.indexer {
            indexer.wait_for(last);
        }
        Ok(())
    }
}

fn document(dataset: &Dataset, directory: &Directory, downloads: i64, column_names: Vec<String>) -> SearchDocument {
    let content = &dataset.content;
    let organization = directory.organization(content.organization_id);
    let draft = organization.map(|organization| &organization.draft);
    let mut formats: Vec<String> = content.distributions.iter().filter_map(|distribution| distribution.format.clone()).collect();
    formats.sort();
    formats.dedup();
    let description = match &content.description_en {
        Some(en) if !en.is_empty() => format!("{}\n{en}", content.description),
        _ => content.description.clone(),
    };
    SearchDocument {
        id: dataset.id,
        slug: content.slug.clone(),
        title: content.title.clone(),
        title_en: content.title_en.clone(),
        description,
        keywords: content.keywords.clone(),
        themes: content.themes.clone(),
        theme_titles: content.themes.iter().map(|id| directory.vocabulary.theme_title(id).ja).collect(),
        organization_id: content.organization_id,
        organization_slug: draft.map(|draft| draft.slug.clone()).unwrap_or_default(),
        organization_name: draft.map(|draft| draft.name.clone()).unwrap_or_default(),
        organization_name_en: draft.and_then(|draft| draft.name_en.clone()),
        organization_code: draft.and_then(|draft| draft.code.clone()),
        distributions: content
            .distributions
            .iter()
            .map(|distribution| (distribution.title.clone(), distribution.description.clone()))
            .collect(),
        formats,
        licence: content.licence.clone(),
        standard_dataset: content.standard_dataset.clone(),
        area_codes: content.spatial.as_ref().map(|spatial| spatial.area_codes.clone()).unwrap_or_default(),
        open: dataset.is_open(),
        state: content.state,
        created: dataset.created,
        modified: content.modified,
        downloads_90d: u64::try_from(downloads).unwrap_or(0),
        column_names,
        extras: content.extras.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        bbox: content.spatial.as_ref().and_then(|spatial| spatial.bbox),
        temporal: content.temporal.as_ref().map(|temporal| (temporal.start, temporal.end)),
    }
}
