//! Where the two databases differ.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, HarnessWithOutput, MigrationHarness, embed_migrations};

use crate::connection::AnyConnection;
use crate::error::{Error, Result};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRESQL_MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgresql");

/// Key of the advisory lock that writers of the catalog hold on PostgreSQL ("mina").
pub(crate) const CATALOG_LOCK: i64 = 0x6d69_6e61;
/// Key of the advisory lock that counters of downloads hold on PostgreSQL ("minc").
pub(crate) const COUNT_LOCK: i64 = 0x6d69_6e63;
/// Key of the advisory lock that the logs of searches hold on PostgreSQL ("mins").
pub(crate) const TALLY_LOCK: i64 = 0x6d69_6e73;

/// Settings of an SQLite connection: durable over a crash of the process, patient with other processes, and nothing that was deleted is left
/// in the file.
pub(crate) fn prepare_sqlite(conn: &mut SqliteConnection) -> Result<()> {
    // The time-out first: switching to WAL takes a lock.
    conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA cache_size = -1000;")
        .map_err(|error| Error::Connect(error.to_string()))
}

/// Lets a connection sort much in memory, or as little as usual again. For work on all there is, within a transaction.
pub(crate) fn sort_in_memory(conn: &mut AnyConnection, much: bool) -> Result<()> {
    match (conn, much) {
        (AnyConnection::Sqlite(conn), true) => conn.batch_execute("PRAGMA cache_size = -65536")?,
        (AnyConnection::Sqlite(conn), false) => conn.batch_execute("PRAGMA cache_size = -1000")?,
        (AnyConnection::Postgresql(conn), true) => conn.batch_execute("SET LOCAL work_mem = '192MB'")?,
        // It ends with the transaction.
        (AnyConnection::Postgresql(_), false) => {}
    }
    Ok(())
}

/// Runs `f` in a transaction that holds the write lock from its first statement on, so that what it reads is what it changes.
pub(crate) fn write_transaction<T, E: From<Error>>(
    conn: &mut AnyConnection,
    lock: i64,
    f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    begin(conn, lock)?;
    match f(conn) {
        Ok(value) => {
            finish(conn, true)?;
            Ok(value)
        }
        Err(error) => {
            finish(conn, false)?;
            Err(error)
        }
    }
}

/// Runs `f` in a transaction that only reads and sees the database as it is at its first query.
pub(crate) fn read_transaction<T>(conn: &mut AnyConnection, f: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
    match conn {
        // A transaction of a database with a write-ahead log reads from one place in it.
        AnyConnection::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN")?,
        AnyConnection::Postgresql(conn) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        }
    }
    let found = f(conn);
    finish(conn, found.is_ok())?;
    found
}

/// Takes one more lock within a write transaction on PostgreSQL; on SQLite such a transaction is alone anyway.
pub(crate) fn lock(conn: &mut AnyConnection, lock: i64) -> Result<()> {
    if let AnyConnection::Postgresql(conn) = conn {
        // Raw: diesel has no notion of advisory locks. Held until the transaction ends.
        diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<diesel::sql_types::BigInt, _>(lock).execute(conn)?;
    }
    Ok(())
}

/// Runs `f` within a transaction so that an error takes back what `f` did and nothing else.
pub fn savepoint<T, E: From<Error>>(
    conn: &mut AnyConnection,
    f: impl FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let begun = match conn {
        AnyConnection::Sqlite(conn) => AnsiTransactionManager::begin_transaction(conn),
        AnyConnection::Postgresql(conn) => AnsiTransactionManager::begin_transaction(conn),
    };
    begun.map_err(Error::from)?;
    match f(conn) {
        Ok(value) => {
            finish(conn, true)?;
            Ok(value)
        }
        Err(error) => {
            finish(conn, false)?;
            Err(error)
        }
    }
}

fn begin(conn: &mut AnyConnection, lock: i64) -> Result<()> {
    match conn {
        AnyConnection::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?,
        AnyConnection::Postgresql(conn) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN")?;
            // Raw: diesel has no notion of advisory locks. Held until the transaction ends.
            let locked = diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<diesel::sql_types::BigInt, _>(lock).execute(conn);
            if let Err(error) = locked {
                AnsiTransactionManager::rollback_transaction(conn)?;
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn finish(conn: &mut AnyConnection, commit: bool) -> Result<()> {
    match (conn, commit) {
        (AnyConnection::Sqlite(conn), true) => AnsiTransactionManager::commit_transaction(conn)?,
        (AnyConnection::Sqlite(conn), false) => AnsiTransactionManager::rollback_transaction(conn)?,
        (AnyConnection::Postgresql(conn), true) => AnsiTransactionManager::commit_transaction(conn)?,
        (AnyConnection::Postgresql(conn), false) => AnsiTransactionManager::rollback_transaction(conn)?,
    }
    Ok(())
}

pub(crate) fn is_in_transaction(conn: &mut AnyConnection) -> bool {
    fn open<C: Connection<TransactionManager = AnsiTransactionManager>>(conn: &mut C) -> bool {
        AnsiTransactionManager::transaction_manager_status_mut(conn).transaction_depth().map_or(true, |depth| depth.is_some())
    }
    match conn {
        AnyConnection::Sqlite(conn) => open(conn),
        AnyConnection::Postgresql(conn) => open(conn),
    }
}

pub(crate) fn ping(conn: &mut AnyConnection) -> Result<()> {
    conn.batch_execute("SELECT 1").map_err(Error::from)
}

pub(crate) fn migrate(conn: &mut AnyConnection) -> Result<Vec<String>> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migrate(error.to_string());
    let versions = match conn {
        AnyConnection::Sqlite(conn) => {
            if !conn.has_pending_migration(SQLITE_MIGRATIONS).map_err(failed)? {
                return Ok(Vec::new());
            }
            // Somebody at a terminal may start beside a server that begins. Whoever is first holds the file; the other then finds nothing to do.
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?;
            let ran = HarnessWithOutput::new(&mut *conn, std::io::sink())
                .run_pending_migrations(SQLITE_MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(failed);
            match ran {
                Ok(_) => AnsiTransactionManager::commit_transaction(conn)?,
                Err(_) => AnsiTransactionManager::rollback_transaction(conn)?,
            }
            ran?
        }
        AnyConnection::Postgresql(conn) => {
            // Several servers may start at once.
            let sql = "SELECT pg_advisory_lock($1)";
            diesel::sql_query(sql).bind::<diesel::sql_types::BigInt, _>(CATALOG_LOCK).execute(conn)?;
            let ran = conn
                .run_pending_migrations(POSTGRESQL_MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(failed);
            diesel::sql_query("SELECT pg_advisory_unlock($1)").bind::<diesel::sql_types::BigInt, _>(CATALOG_LOCK).execute(conn)?;
            ran?
        }
    };
    Ok(versions)
}

pub(crate) fn revert_migrations(conn: &mut AnyConnection) -> Result<Vec<String>> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migrate(error.to_string());
    let versions = match conn {
        AnyConnection::Sqlite(conn) => {
            conn.revert_all_migrations(SQLITE_MIGRATIONS).map_err(failed)?.iter().map(ToString::to_string).collect()
        }
        AnyConnection::Postgresql(conn) => {
            conn.revert_all_migrations(POSTGRESQL_MIGRATIONS).map_err(failed)?.iter().map(ToString::to_string).collect()
        }
    };
    Ok(versions)
}

pub(crate) fn has_pending_migrations(conn: &mut AnyConnection) -> Result<bool> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migrate(error.to_string());
    match conn {
        AnyConnection::Sqlite(conn) => conn.has_pending_migration(SQLITE_MIGRATIONS).map_err(failed),
        AnyConnection::Postgresql(conn) => conn.has_pending_migration(POSTGRESQL_MIGRATIONS).map_err(failed),
    }
}
