//! The public portal: pages rendered here, which work without JavaScript, in Japanese and English; and the catalog as DCAT.
//!
//! Pages show what everybody may see, whoever asks. Text of publishers is escaped by the templates; Markdown goes through
//! [`markdown`], addresses through [`words::web_address`].

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
mod search;
mod statistics;
mod theme;
mod words;

use actix_web::web::{self, ServiceConfig};

pub use page::{render_error, wants_html};

/// Registers the routes of the portal.
pub fn configure(service: &mut ServiceConfig) {
    service
        .service(resource("/").to_get(home::show_home))
        .service(resource("/search").to_get(search::redirect_search))
        .service(resource("/datasets").to_get(search::list_datasets))
        .service(resource("/datasets/{slug}").to_get(dataset::show_dataset))
        .service(resource("/datasets/{slug}/history").to_get(history::show_history))
        .service(resource("/datasets/{slug}/history/{from}/{to}").to_get(history::show_difference))
        .service(resource("/organizations").to_get(organization::list_organizations))
        .service(resource("/organizations/{slug}").to_get(organization::show_organization))
        .service(resource("/themes").to_get(theme::list_themes))
        .service(resource("/themes/{id}").to_get(theme::show_theme))
        .service(resource("/stats").to_get(statistics::show_statistics))
        .service(resource("/harvest").to_get(harvest::list_harvest_sources))
        .service(resource("/about").to_get(about::show_about))
        .service(resource("/accessibility").to_get(about::show_accessibility))
        .service(resource("/terms").to_get(about::show_terms))
        .service(resource("/catalog.{extension}").to_get(catalog::show_catalog))
        .service(resource("/robots.txt").to_get(asset::show_robots))
        .service(resource("/sitemap.xml").to_get(asset::show_sitemap))
        .service(resource("/sitemap/{number}.xml").to_get(asset::show_sitemap_part))
        .service(resource("/favicon.svg").to_get(asset::show_favicon))
        .service(resource("/favicon.ico").to_get(asset::redirect_favicon))
        .service(resource("/assets/{name}").to_get(asset::show_asset));
}

struct Get(actix_web::Resource);

fn resource(path: &str) -> Get {
    Get(web::resource(path))
}

impl Get {
    /// GET and HEAD, which actix answers without the body.
    fn to_get<F, Args>(self, handler: F) -> actix_web::Resource
    where
        F: actix_web::Handler<Args> + Clone,
        Args: actix_web::FromRequest + 'static,
        F::Output: actix_web::Responder + 'static,
    {
        self.0.route(web::get().to(handler.clone())).route(web::head().to(handler))
    }
}

#[cfg(test)]
mod tests;
