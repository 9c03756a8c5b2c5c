//! Opening a database by URL, pooling connections, and transactions.

use std::time::Duration;

use diesel::{Connection, PgConnection, SqliteConnection};
use r2d2::{ManageConnection, Pool};

use crate::error::{Error, Result};
use crate::{dialect, record};

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// Embedded.
    Sqlite(SqliteConnection),
    /// A server.
    Postgresql(PgConnection),
}

/// Which database a store speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Embedded.
    Sqlite,
    /// A server.
    Postgresql,
}

/// How a store uses its database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Most connections for reading (on PostgreSQL: for everything). Default 8.
    pub connections_max: u32,
    /// How long to wait for a free connection. Default 30 s.
    pub wait_timeout_seconds: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings { connections_max: 8, wait_timeout_seconds: 30 }
    }
}

/// A database: cheap to clone, safe to share.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Manager>,
    /// SQLite has one writer; giving it one connection queues writers fairly instead of letting them poll.
    writer: Pool<Manager>,
    backend: Backend,
}

impl Store {
    /// Opens the database at `url`: `sqlite:///path`, `sqlite://relative` or `postgres://user@host/name`. Creates an SQLite file that is missing.
    pub fn open(url: &str, settings: &StoreSettings) -> Result<Store> {
        let manager = Manager::parse(url)?;
        let backend = manager.backend;
        if backend == Backend::Sqlite {
            create_private_file(&manager.url);
        }
        // The pool would retry a refused connection until its time-out; try once and say why.
        drop(manager.connect()?);
        let pool = |size: u32| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .test_on_check_out(backend == Backend::Postgresql)
                .connection_timeout(Duration::from_secs(settings.wait_timeout_seconds))
                .build(manager.clone())
        };
        let readers = pool(settings.connections_max.max(1))?;
        let writer = if backend == Backend::Sqlite { pool(1)? } else { readers.clone() };
        Ok(Store { readers, writer, backend })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Brings the schema up to date; returns the names of the migrations that ran.
    pub fn migrate(&self) -> Result<Vec<String>> {
        let mut conn = self.writer.get()?;
        dialect::migrate(&mut conn)
    }

    /// Takes back all migrations. For tests.
    pub fn revert_migrations(&self) -> Result<Vec<String>> {
        let mut conn = self.writer.get()?;
        dialect::revert_migrations(&mut conn)
    }

    /// Whether the schema is up to date.
    pub fn has_pending_migrations(&self) -> Result<bool> {
        let mut conn = self.writer.get()?;
        dialect::has_pending_migrations(&mut conn)
    }

    /// Reads with one connection. What is read in several queries may be of several moments.
    pub fn read<T>(&self, f: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        let mut conn = self.readers.get()?;
        f(&mut conn)
    }

    /// Like [`Store::read`], but all that is read is of one moment: for what is put together from several queries.
    pub fn read_at_once<T>(&self, f: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        let mut conn = self.readers.get()?;
        dialect::read_transaction(&mut conn, f)
    }

    /// Runs `f` in one transaction that excludes other writers of the catalog; an error takes everything back.
    pub fn write<T, E: From<Error>>(&self, f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>) -> std::result::Result<T, E> {
        let mut conn = self.writer.get().map_err(Error::from)?;
        dialect::write_transaction(&mut conn, dialect::CATALOG_LOCK, f)
    }

    /// Like [`Store::write`], but on PostgreSQL excludes only other counting of downloads.
    pub fn count<T>(&self, f: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        let mut conn = self.writer.get()?;
        dialect::write_transaction(&mut conn, dialect::COUNT_LOCK, f)
    }

    /// Like [`Store::write`], but also excludes the counting of downloads, so that their sums stand still meanwhile.
    pub fn write_beside_counts<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.write(|conn| {
            dialect::lock(conn, dialect::COUNT_LOCK)?;
            f(conn)
        })
    }

    /// Like [`Store::write`], but on PostgreSQL excludes only other logs of searches.
    pub fn tally<T>(&self, f: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        let mut conn = self.writer.get()?;
        dialect::write_transaction(&mut conn, dialect::TALLY_LOCK, f)
    }
}

/// Makes an SQLite file that is missing, readable by its owner only; its journals take over the same rights. What is wrong with the path,
/// the connection says.
fn create_private_file(path: &str) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if !path.starts_with(':') && !path.starts_with("file:") {
        let _ = options.open(path);
    }
}

/// Makes connections of the kind the URL's scheme says.
///
/// The `establish` that diesel derives tries each kind in turn and would turn an unreachable PostgreSQL into a new SQLite file.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    backend: Backend,
    url: String,
}

impl Manager {
    fn parse(url: &str) -> Result<Manager> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Manager { backend: Backend::Sqlite, url: path.to_owned() });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Manager { backend: Backend::Postgresql, url: url.to_owned() });
        }
        Err(Error::UnknownScheme(record::without_password(url)))
    }
}

impl ManageConnection for Manager {
    type Connection = AnyConnection;
    type Error = Error;

    fn connect(&self) -> Result<AnyConnection> {
        let refused = |error: diesel::ConnectionError| Error::Connect(error.to_string());
        match self.backend {
            Backend::Sqlite => {
                let mut conn = SqliteConnection::establish(&self.url).map_err(refused)?;
                dialect::prepare_sqlite(&mut conn)?;
                Ok(AnyConnection::Sqlite(conn))
            }
            Backend::Postgresql => PgConnection::establish(&self.url).map(AnyConnection::Postgresql).map_err(refused),
        }
    }

    fn is_valid(&self, conn: &mut AnyConnection) -> Result<()> {
        dialect::ping(conn)
    }

    fn has_broken(&self, conn: &mut AnyConnection) -> bool {
        // A panic inside a transaction leaves it open; such a connection is thrown away.
        std::thread::panicking() || dialect::is_in_transaction(conn)
    }
}
