//! Searching, as the viewer may see.

use std::sync::Arc;

use minato_catalog::{Dataset, DatasetState, Text, Viewer};
use minato_search::{Filters, Hit, Scope, SearchRequest, SearchResults, Suggestion};
use uuid::Uuid;

use crate::App;
use crate::dataset::DatasetListing;
use crate::error::{Error, Result};

/// What was found, with the datasets of the hits in their order.
#[derive(Debug, Clone)]
pub struct FoundDatasets {
    /// Hits, counts, corrections.
    pub results: SearchResults,
    /// The datasets of the hits; one that vanished in between is absent.
    pub datasets: Vec<Arc<Dataset>>,
    /// The index is being built: these are from the database, by title and without facets.
    pub listing: bool,
}

/// What to tell those who search while the index is being built.
pub fn listing_notice() -> Text {
    Text::new(
        "検索の索引を作成しています。それまでは題名に含まれる言葉だけで探し、絞り込みの件数は表示しません。しばらくしてからもう一度お試しください。",
        "the search index is being built; until then only words in titles are found, and there are no counts to narrow by; try again in a moment",
    )
}

impl App {
    /// Searches; the request's scope is set here.
    pub fn search(&self, viewer: &Viewer, mut request: SearchRequest) -> Result<FoundDatasets> {
        request.scope = search_scope(viewer);
        if self.0.indexer.as_ref().is_some_and(crate::indexing::Indexer::is_being_built) {
            return self.search_by_title(viewer, &request);
        }
        let results = self.index()?.search(&request)?;
        let ids: Vec<_> = results.hits.iter().map(|hit| hit.id).collect();
        let mut datasets = self.cached_many(&ids)?;
        // The index may be a moment behind the database; what the viewer may no longer see must not slip through.
        datasets.retain(|dataset| viewer.sees(dataset.content.organization_id, dataset.is_open()));
        Ok(FoundDatasets { results, datasets, listing: false })
    }

    /// What the database alone can find, while there is no index.
    fn search_by_title(&self, viewer: &Viewer, request: &SearchRequest) -> Result<FoundDatasets> {
        let filters = &request.filters;
        let mut listing = DatasetListing {
            state: Some(DatasetState::Published),
            title: Some(request.query.trim().to_owned()).filter(|query| !query.is_empty()),
            keyword: filters.keywords.first().cloned(),
            theme: filters.themes.first().cloned(),
            standard_dataset: filters.standard_datasets.first().cloned(),
            offset: i64::try_from(request.offset).unwrap_or(0),
            limit: i64::try_from(request.limit).unwrap_or(0),
            ..DatasetListing::default()
        };
        if let Some(key) = filters.organizations.first() {
            match self.organization_id(key) {
                Ok(id) => listing.organization_id = Some(id),
                Err(_) => return Ok(FoundDatasets { results: SearchResults::default(), datasets: Vec::new(), listing: true }),
            }
        }
        let page = self.list_datasets(viewer, listing)?;
        let total = usize::try_from(page.total).unwrap_or(0);
        let hits = page.items.iter().map(|dataset| Hit {
            id: dataset.id,
            slug: dataset.content.slug.clone(),
            score: 0.0,
            title_highlighted: Vec::new(),
            snippet: Vec::new(),
        });
        let results = SearchResults { total, total_exact: total, hits: hits.collect(), tier: 1, ..SearchResults::default() };
        Ok(FoundDatasets { results, datasets: page.items.into_iter().map(Arc::new).collect(), listing: true })
    }

    /// Datasets like this one, and whether they are the same standard dataset. `elsewhere` leaves out those of its own organization: what
    /// other municipalities publish of the kind.
    pub fn similar_datasets(&self, viewer: &Viewer, key: &str, elsewhere: bool, limit: usize) -> Result<(Vec<Arc<Dataset>>, bool)> {
        let dataset = self.dataset(viewer, key)?.dataset;
        let owner = dataset.content.organization_id;
        if elsewhere && let Some(standard) = &dataset.content.standard_dataset {
            let newest = self.same_standard(standard)?;
            let others: Vec<_> = newest.iter().filter(|other| other.content.organization_id != owner).take(limit).cloned().collect();
            if !others.is_empty() {
                return Ok((others, true));
            }
        }
        let ids = self.similar_ids(viewer, &dataset, elsewhere, limit)?;
        let mut datasets = self.cached_many(&ids)?;
        datasets.retain(|dataset| viewer.sees(dataset.content.organization_id, dataset.is_open()));
        Ok((datasets, false))
    }

    /// From memory for the public: every dataset page asks.
    fn similar_ids(&self, viewer: &Viewer, dataset: &Dataset, elsewhere: bool, limit: usize) -> Result<Arc<[Uuid]>> {
        let (generation, key) = (self.generation(), (dataset.id, elsewhere, limit));
        if viewer.is_public()
            && let Some((at, ids)) = self.0.similar.get(&key)
            && at == generation
        {
            return Ok(ids);
        }
        let other_than = if elsewhere { vec![dataset.content.organization_id] } else { Vec::new() };
        let filters = Filters { other_than, ..Filters::default() };
        let ids: Arc<[Uuid]> = self.index()?.similar(dataset.id, &filters, &search_scope(viewer), limit)?.into();
        if viewer.is_public() {
            self.0.similar.insert(key, (generation, ids.clone()));
        }
        Ok(ids)
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
