//! The catalog as DCAT-AP, page by page.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use minato_app::App;
use minato_app::catalog::{Dataset, DatasetState, Organization, Viewer};
use minato_app::dcat::{PageInfo, SiteInfo, Syntax, write_datasets};
use minato_app::store::dataset::{DatasetFilter, Order};

use super::page::{self, KEEP_PAGE, Reply, Shell, render_error};
use crate::http::{Problem, Shared};

/// Datasets on a page.
const PER_PAGE: i64 = 100;
/// Last page that can be asked for.
const PAGE_MAX: i64 = 1_000;

pub(super) fn syntax_of_extension(extension: &str) -> Option<Syntax> {
    match extension {
        "ttl" => Some(Syntax::Turtle),
        "jsonld" => Some(Syntax::JsonLd),
        "rdf" => Some(Syntax::RdfXml),
        _ => None,
    }
}

pub(super) fn extension(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Turtle => "ttl",
        Syntax::JsonLd => "jsonld",
        Syntax::RdfXml => "rdf",
    }
}

/// What tells kept documents of one address apart.
pub(super) fn accept_key(syntax: Syntax) -> &'static str {
    extension(syntax)
}

/// What documents say of the catalog.
pub(super) fn site_info(shell: &Shell) -> SiteInfo {
    SiteInfo {
        base_url: shell.base_url.clone(),
        title: shell.site.clone(),
        description: shell
            .t("県と市町のオープンデータのカタログ", "Catalog of the open data of a prefecture and its municipalities")
            .to_owned(),
    }
}

/// Datasets as one document.
pub(super) fn document(
    app: &App,
    shell: &Shell,
    datasets: &[Arc<Dataset>],
    page: Option<&PageInfo>,
    syntax: Syntax,
) -> minato_app::Result<Reply> {
    let directory = app.directory();
    let pairs: Vec<(&Dataset, &Organization)> = datasets
        .iter()
        .filter_map(|dataset| Some((dataset.as_ref(), directory.organization(dataset.content.organization_id)?.as_ref())))
        .collect();
    let body = write_datasets(&pairs, &site_info(shell), page, &directory.vocabulary, syntax);
    let content_type = match syntax {
        Syntax::Turtle => "text/turtle; charset=utf-8",
        Syntax::JsonLd => "application/ld+json",
        Syntax::RdfXml => "application/rdf+xml",
    };
    Ok(Reply::Document { body, content_type })
}

pub(super) async fn show_catalog(request: HttpRequest, state: Shared, extension: web::Path<String>) -> HttpResponse {
    let Some(syntax) = syntax_of_extension(&extension) else { return render_error(&Problem::no_page(request.path()), &request) };
    let number = page_number(request.query_string());
    page::serve(&request, &state, accept_key(syntax), KEEP_PAGE, move |app, shell| build(app, &shell, syntax, number)).await
}

fn page_number(query: &str) -> i64 {
    let given = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "page");
    given.and_then(|(_, value)| value.parse().ok()).unwrap_or(1).clamp(1, PAGE_MAX)
}

fn build(app: &App, shell: &Shell, syntax: Syntax, number: i64) -> minato_app::Result<Reply> {
    let filter = DatasetFilter {
        state: Some(DatasetState::Published),
        order: Order::Slug,
        offset: (number - 1) * PER_PAGE,
        limit: PER_PAGE,
        ..DatasetFilter::default()
    };
    let list = app.list_datasets(&Viewer::public(), filter)?;
    let address = |number: i64| format!("{}/catalog.{}?page={number}", shell.base_url, extension(syntax));
    let page = PageInfo {
        url: address(number),
        next: (number < PAGE_MAX && number * PER_PAGE < list.total).then(|| address(number + 1)),
        total: u64::try_from(list.total).unwrap_or(0),
    };
    let datasets: Vec<Arc<Dataset>> = list.items.into_iter().map(Arc::new).collect();
    document(app, shell, &datasets, Some(&page), syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_within_bounds_whatever_is_sent() {
        for (query, expected) in
            [("", 1), ("page=3", 3), ("page=0", 1), ("page=-9", 1), ("page=999999", PAGE_MAX), ("page=x", 1), ("page=%FF", 1)]
        {
            assert_eq!(page_number(query), expected, "{query}");
        }
    }
}
