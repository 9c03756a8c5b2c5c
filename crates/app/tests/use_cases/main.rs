//! The use-cases over a real database, index and blob store, and harvests over the stub sites.

// A helper of a test fails the test.
#![allow(clippy::unwrap_used)]

mod counting;
mod dataset;
mod harvest;
mod harvest_policy;
mod indicator;
mod search_log;
mod synonym_list;
mod take_over;
mod visibility;

use std::process::Command;
use std::sync::Arc;

use minato_app::catalog::{DatasetDraft, Organization, OrganizationDraft, from_value, new_id};
use minato_app::{App, AppSettings, Context};

/// An application in a directory that goes away with it.
pub(crate) struct Fresh {
    pub(crate) app: App,
    pub(crate) directory: Arc<tempfile::TempDir>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.app.stop();
    }
}

pub(crate) fn fresh() -> Fresh {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let app = App::open(AppSettings::new(directory.path())).unwrap();
    Fresh { app, directory }
}

/// A database on PostgreSQL that goes away with this value.
pub(crate) struct Postgresql {
    pub(crate) url: String,
    server: String,
    name: String,
}

impl Postgresql {
    /// `None` when no server is configured; a configured server that cannot be reached fails the test.
    pub(crate) fn create() -> Option<Postgresql> {
        let server = std::env::var("MINATO_TEST_POSTGRESQL_URL").ok()?;
        let name = format!("minato_app_{}", new_id().simple());
        assert!(Command::new("psql").args([&server, "-qc", &format!("CREATE DATABASE {name}")]).status().unwrap().success());
        let (base, _) = server.rsplit_once('/').unwrap();
        Some(Postgresql { url: format!("{base}/{name}"), server, name })
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A database left behind is a nuisance, not a failure.
        let _ = Command::new("psql").args([&self.server, "-qc", &drop]).status();
    }
}

pub(crate) fn system() -> Context {
    Context::system("test")
}

pub(crate) fn organization(app: &App, slug: &str) -> Organization {
    let draft = OrganizationDraft { slug: slug.to_owned(), name: format!("{slug}市"), ..Default::default() };
    app.create::<Organization>(&system(), None, draft).unwrap().value
}

pub(crate) fn draft(value: serde_json::Value) -> DatasetDraft {
    from_value(value).unwrap()
}
