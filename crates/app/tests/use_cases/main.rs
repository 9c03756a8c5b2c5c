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

use std::sync::Arc;

use minato_app::catalog::{DatasetDraft, Organization, OrganizationDraft, from_value};
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
