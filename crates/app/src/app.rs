//! The application: storage, index, files and the threads that keep them together.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use minato_catalog::{
    Action, Dataset, Licence, RecordState, ReportKind, ReportSource, Theme, built_in_indicators, built_in_licences, built_in_scopes,
    built_in_themes,
};
use minato_files::BlobStore;
use minato_store::{Backend, Store, StoreSettings, indicator, job, licence, theme};
use uuid::Uuid;

use crate::clock::Clock;
use crate::counting::{Counter, Salts};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::indexing::Indexer;
use crate::search_log::SearchLog;
use crate::view_log::ViewLog;

/// Baseline and target of downloads a month that a new catalog starts with: the plan for 2024–2025.
const DOWNLOAD_TARGET: (i32, i64, i64) = (2024, 27_000, 33_000);

/// The other targets of the plans: indicator, fiscal year, baseline, target.
const TARGETS: &[(&str, i32, Option<i64>, i64)] = &[
    ("datasets_published", 2024, Some(1_100), 1_300),
    ("municipalities_on_portal", 2021, Some(8), 23),
    ("analysis_training", 2024, None, 100),
    ("staff_digital_training", 2024, Some(2_000), 4_000),
    ("data_use_training", 2021, None, 1_000),
];

/// Beginning of the lease names of processes that keep the index.
const SERVER: &str = "server-";

/// How an application is set up.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// Directory for database, index and files; created when missing.
    pub data_dir: PathBuf,
    /// Database; `None` is an SQLite file in `data_dir`.
    pub database_url: Option<String>,
    /// How the database is used.
    pub store: StoreSettings,
    /// Whether this process keeps the search index. One process for each `data_dir` may.
    pub index: bool,
    /// How long to wait for another process to let go of the index. Default 3 seconds: a server that is restarted waits for the one before.
    pub index_lock_wait: Duration,
    /// Memory for writing the index, in bytes.
    pub index_memory_bytes: usize,
    /// Largest file accepted, in bytes. Default 2 GiB.
    pub upload_bytes_max: u64,
    /// How other portals are fetched.
    pub harvest: minato_harvest::ClientSettings,
    /// Name of this process for leases; made here when empty.
    pub node: String,
    /// Whether mails are sent at all; otherwise none are written.
    pub sends_mail: bool,
    /// Address under which the public reaches this catalog, without a final slash; empty when not known. Tells our own records apart.
    pub public_url: String,
    /// What time it is.
    pub clock: Clock,
}

impl AppSettings {
    /// Defaults with everything in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        AppSettings {
            data_dir: data_dir.into(),
            database_url: None,
            store: StoreSettings::default(),
            index: true,
            index_lock_wait: Duration::from_secs(3),
            index_memory_bytes: 20_000_000,
            upload_bytes_max: 2 * 1024 * 1024 * 1024,
            harvest: minato_harvest::ClientSettings::default(),
            node: String::new(),
            sends_mail: false,
            public_url: String::new(),
            clock: Clock::default(),
        }
    }
}

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

/// A list of datasets that several may hold.
pub(crate) type Datasets = Arc<Vec<Arc<Dataset>>>;

/// The dataset, whether of other organizations only, and how many.
pub(crate) type SimilarKey = (Uuid, bool, usize);

pub(crate) struct Inner {
    pub(crate) settings: AppSettings,
    pub(crate) store: Store,
    pub(crate) blobs: BlobStore,
    pub(crate) directory: RwLock<Arc<Directory>>,
    pub(crate) indexer: Option<Indexer>,
    pub(crate) counter: Counter,
    pub(crate) search_log: SearchLog,
    pub(crate) view_log: ViewLog,
    pub(crate) generation: Arc<AtomicU64>,
    pub(crate) datasets: moka::sync::Cache<Uuid, (u64, Arc<Dataset>)>,
    pub(crate) same_standard: moka::sync::Cache<String, (u64, Datasets)>,
    /// What the public finds like a dataset.
    pub(crate) similar: moka::sync::Cache<SimilarKey, (u64, Arc<[Uuid]>)>,
    /// By the hash of a file.
    pub(crate) column_names: moka::sync::Cache<String, Arc<[String]>>,
    pub(crate) dataset_of_distribution: moka::sync::Cache<Uuid, (u64, Uuid)>,
    pub(crate) salts: Mutex<Salts>,
    /// What the rules of indicators give, by rule and scope.
    pub(crate) indicator_values: moka::sync::Cache<String, (u64, f64)>,
    pub(crate) client: std::sync::OnceLock<minato_harvest::Client>,
}

impl App {
    /// Opens or creates everything that is missing: directory, database, schema, built-in lists, index.
    pub fn open(mut settings: AppSettings) -> Result<App> {
        if settings.node.is_empty() {
            let role = if settings.index { SERVER } else { "beside-" };
            settings.node = format!("{role}{}-{}", std::process::id(), Uuid::new_v4().simple());
        }
        create_private_dir(&settings.data_dir).map_err(|error| cannot_use(&settings.data_dir, &error))?;
        let url = match &settings.database_url {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", settings.data_dir.join("minato.sqlite").display()),
        };
        let store = Store::open(&url, &settings.store)?;
        store.migrate()?;
        seed(&store)?;
        let blobs = BlobStore::open(settings.data_dir.join("files"))?;
        let directory = Arc::new(store.read(|conn| Ok(Directory::load(conn)))??);
        let generation = Arc::new(AtomicU64::new(1));
        let counter = Counter::start(store.clone());
        let search_log = crate::search_log::start(store.clone());
        let view_log = crate::view_log::start(store.clone());
        let indexer = if settings.index { Some(Indexer::open(&settings, store.clone(), generation.clone())?) } else { None };
        if settings.index {
            // Only the process that owns the directory may clear what a killed one left.
            blobs.clear_incoming()?;
            if store.backend() == Backend::Sqlite {
                // The lock on the index says that no other server works on this database: its leases are those of a dead one.
                store.write::<_, Error>(|conn| {
                    for kind in crate::harvest::JOBS {
                        job::release(conn, kind, SERVER, Utc::now())?;
                    }
                    Ok(())
                })?;
            }
        }
        let inner = Inner {
            store,
            blobs,
            directory: RwLock::new(directory),
            indexer,
            counter,
            search_log,
            view_log,
            generation,
            datasets: moka::sync::Cache::new(5_000),
            same_standard: moka::sync::Cache::new(100),
            similar: moka::sync::Cache::new(5_000),
            column_names: moka::sync::Cache::new(5_000),
            dataset_of_distribution: moka::sync::Cache::new(5_000),
            salts: Mutex::new(Salts::new()),
            indicator_values: moka::sync::Cache::new(100),
            client: std::sync::OnceLock::new(),
            settings,
        };
        let app = App(Arc::new(inner));
        app.note_missing_keys()?;
        app.note_method()?;
        if let Some(indexer) = &app.0.indexer {
            indexer.start(&app);
        }
        Ok(app)
    }

    /// How it is set up.
    pub fn settings(&self) -> &AppSettings {
        &self.0.settings
    }

    /// The database; for tools and tests.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Where the bytes live.
    pub fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    /// Organizations, themes and licences as of now.
    pub fn directory(&self) -> Arc<Directory> {
        self.0.directory.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Rises with every change anybody made; what was derived under an older number may be stale.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The client that fetches other portals.
    pub(crate) fn client(&self) -> Result<&minato_harvest::Client> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        let client = minato_harvest::Client::new(self.0.settings.harvest.clone()).map_err(Error::internal)?;
        Ok(self.0.client.get_or_init(|| client))
    }

    /// The current moment at the precision the database keeps.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.0.settings.clock.now()
    }

    /// The day it is in Japan.
    pub fn today(&self) -> chrono::NaiveDate {
        minato_catalog::jst_day(self.now())
    }

    /// Makes a committed change visible: caches forget, lists are reloaded, the index has it.
    pub(crate) fn after_change(&self, seq: i64) -> Result<()> {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        if let Some(indexer) = &self.0.indexer {
            indexer.wait_for(seq);
        }
        Ok(())
    }

    /// Reads the small lists again.
    pub(crate) fn reload_directory(&self) -> Result<()> {
        let directory = self.0.store.read(|conn| Ok(Directory::load(conn)))??;
        *self.0.directory.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(directory);
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Stops the background threads after their current work. Further changes are not indexed.
    pub fn stop(&self) {
        if let Some(indexer) = &self.0.indexer {
            indexer.stop();
        }
        self.0.counter.stop();
        self.0.search_log.stop();
        self.0.view_log.stop();
    }
}

/// Gives an empty database the built-in themes and licences and the plan's target.
fn seed(store: &Store) -> Result<()> {
    let now = Utc::now().trunc_subsecs(6);
    store.write(|conn| -> Result<()> {
        if theme::all(conn)?.is_empty() {
            for (id, draft) in built_in_themes() {
                let record = Theme { id, draft, state: RecordState::Active, revision: 1, created: now, updated: now };
                theme::save(conn, &record, None, Action::Create, "system")?;
            }
        }
        if licence::all(conn)?.is_empty() {
            for (id, draft) in built_in_licences() {
                let record = Licence { id, draft, state: RecordState::Active, revision: 1, created: now, updated: now };
                licence::save(conn, &record, None, Action::Create, "system")?;
            }
        }
        let (year, baseline, target) = DOWNLOAD_TARGET;
        if indicator::target(conn, crate::statistics::DOWNLOADS_PER_MONTH, i32::MAX)?.is_none() {
            indicator::set_target(conn, crate::statistics::DOWNLOADS_PER_MONTH, year, Some(baseline), target)?;
        }
        if indicator::indicators(conn)?.is_empty() {
            for scope in built_in_scopes() {
                indicator::save_scope(conn, &scope)?;
            }
            for value in built_in_indicators() {
                indicator::save_indicator(conn, &value)?;
            }
            for (id, year, baseline, target) in TARGETS {
                indicator::set_target(conn, id, *year, *baseline, *target)?;
            }
            let dobox = ReportSource { id: "dobox".into(), kind: ReportKind::Reported, title: "DoboX".into(), title_en: "DoboX".into() };
            let former = ReportSource {
                id: "former-portal".into(),
                kind: ReportKind::Legacy,
                title: "これまでのサイトの数え方".into(),
                title_en: "As the former site counted".into(),
            };
            let known = indicator::report_sources(conn)?;
            for source in [dobox, former].iter().filter(|source| known.iter().all(|one| one.id != source.id)) {
                indicator::save_report_source(conn, source)?;
            }
        }
        Ok(())
    })
}

/// Makes a directory that only the server's own user may look into: drafts and files that are not public are in it. One that is there stays
/// as it is.
fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn cannot_use(path: &Path, error: &std::io::Error) -> Error {
    Error::internal(format!("cannot use the data directory {}: {error}; choose another with --data", path.display()))
}
