//! The public portal: pages rendered here, which work without JavaScript, in Japanese and English; and the catalog as DCAT.
//!
//! Pages show what everybody may see, whoever asks; only those below `/staff` know who is signed in (see `staff`). Text of publishers is escaped by the templates; Markdown goes through
//! `markdown`, addresses through `words::web_address`.

mod about;
mod asset;
mod catalog;
mod chart;
mod dataset;
mod harvest;
mod history;
mod home;
mod markdown;
mod organization;
mod page;
mod preview;
mod report;
mod search;
mod staff;
mod statistics;
mod theme;
mod usage;
mod words;

use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Resource, Responder};

pub use page::{render_error, wants_html};

/// Registers the routes of the portal.
pub fn configure(service: &mut ServiceConfig) {
    service
        .service(get("/", home::show_home))
        .service(get("/search", search::redirect_search))
        .service(get("/datasets", search::list_datasets))
        .service(get("/datasets/{slug}", dataset::show_dataset))
        .service(get("/datasets/{slug}/history", history::show_history))
        .service(get("/datasets/{slug}/history/{from}/{to}", history::show_difference))
        .service(get("/organizations", organization::list_organizations))
        .service(get("/organizations/{slug}", organization::show_organization))
        .service(get("/themes", theme::list_themes))
        .service(get("/themes/{id}", theme::show_theme))
        .service(get("/datasets/{slug}/stats", usage::show_dataset_usage))
        .service(get("/datasets/{slug}/stats.csv", usage::download_dataset_usage))
        .service(get("/organizations/{slug}/stats", usage::show_organization_usage))
        .service(get("/organizations/{slug}/stats.csv", usage::download_organization_usage))
        .service(get("/stats", statistics::show_statistics))
        .service(get("/stats/report", report::show_report))
        .service(get("/stats/method", usage::show_method))
        .service(get("/stats/{name}.{extension}", report::show_file))
        .service(get("/harvest", harvest::list_harvest_sources))
        .service(get("/about", about::show_about))
        .service(get("/accessibility", about::show_accessibility))
        .service(get("/terms", about::show_terms))
        .service(get("/catalog.{extension}", catalog::show_catalog))
        .service(get("/robots.txt", asset::show_robots))
        .service(get("/sitemap.xml", asset::show_sitemap))
        .service(get("/sitemap/{number}.xml", asset::show_sitemap_part))
        .service(get("/favicon.svg", asset::show_favicon))
        .service(get("/favicon.ico", asset::redirect_favicon))
        .service(get("/assets/{name}", asset::show_asset))
        .configure(staff::configure);
}

/// A resource for GET, and for HEAD, which actix answers without the body.
fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler))
}

#[cfg(test)]
mod tests;
