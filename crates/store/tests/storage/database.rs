//! Fresh databases.

use minato_store::{Store, StoreSettings};

/// A database that goes away with this value.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) url: String,
    _directory: Option<tempfile::TempDir>,
}

pub(crate) fn sqlite() -> Database {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("minato.sqlite").display());
    let store = Store::open(&url, &StoreSettings::default()).unwrap();
    Database { store, url, _directory: Some(directory) }
}

/// `None` when no server is configured; a configured server that cannot be reached fails the test.
pub(crate) fn postgresql() -> Option<Database> {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};
    let server = std::env::var("MINATO_TEST_POSTGRESQL_URL").ok()?;
    let name = format!("minato_test_{}", uuid::Uuid::now_v7().simple());
    let mut conn = PgConnection::establish(&server).unwrap();
    conn.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let url = format!("{base}/{name}");
    let store = Store::open(&url, &StoreSettings::default()).unwrap();
    Some(Database { store, url, _directory: None })
}

impl Drop for Database {
    fn drop(&mut self) {
        use diesel::connection::SimpleConnection;
        use diesel::{Connection, PgConnection};
        if let (Ok(server), Some((_, name))) = (std::env::var("MINATO_TEST_POSTGRESQL_URL"), self.url.rsplit_once('/'))
            && self.url.starts_with("postgres")
            && let Ok(mut conn) = PgConnection::establish(&server)
        {
            // A database left behind is a nuisance, not a failure.
            let _ = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}
