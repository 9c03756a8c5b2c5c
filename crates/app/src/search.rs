//! Searching, as the viewer may see.

use std::sync::Arc;

use minato_catalog::{Dataset, Text, Viewer};
use minato_search::{Scope, SearchRequest, SearchResults, Suggestion};

use crate::App;
use crate::error::{Error, Result};

/// What was found, with the datasets of the hits in their order.
#[derive(Debug, Clone)]
pub struct FoundDatasets {
    /// Hits, counts, corrections.
    pub results: SearchResults,
    /// The datasets of the hits; one that vanished in between is absent.
    pub datasets: Vec<Arc<Dataset>>,
}

impl App {
    /// Searches; the request's scope is set here.
    pub fn search(&self, viewer: &Viewer, mut request: SearchRequest) -> Result<FoundDatasets> {
        request.scope = search_scope(viewer);
        let results = self.index()?.search(&request)?;
        let ids: Vec<_> = results.hits.iter().map(|hit| hit.id).collect();
        let mut datasets = self.cached_many(&ids)?;
        // The index may be a moment behind the database; what the viewer may no longer see must not slip through.
        datasets.retain(|dataset| viewer.sees(dataset.content.organization_id, dataset.is_open()));
        Ok(FoundDatasets { results, datasets })
    }

    /// What one may be about to type.
    pub fn suggest(&self, viewer: &Viewer, prefix: &str, limit: usize) -> Result<Vec<Suggestion>> {
        Ok(self.index()?.suggest(prefix, &search_scope(viewer), limit))
    }

    pub(crate) fn index(&self) -> Result<&minato_search::Index> {
        match &self.0.indexer {
            Some(indexer) => Ok(&indexer.index),
            None => Err(Error::Unavailable(Text::new("このプロセスは検索索引を持っていません。", "this process keeps no search index"))),
        }
    }
}

fn search_scope(viewer: &Viewer) -> Scope {
    if viewer.admin {
        Scope::Everything
    } else if viewer.roles.is_empty() {
        Scope::Public
    } else {
        Scope::PublicAnd(viewer.roles.keys().copied().collect())
    }
}
