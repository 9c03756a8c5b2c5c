//! The native REST API below `/api/v1`, and its description.
//!
//! Handlers read the request, hop once to a blocking thread, and answer. What may be done is `minato_app`'s to say;
//! what an endpoint is and how it is described stand side by side, in the module of its noun.

mod answer;
mod change;
mod dataset;
mod distribution;
mod docs;
mod document;
mod harvest;
mod indicator;
mod member;
mod noun;
mod request;
mod route;
mod search;
mod statistics;
mod synonym_list;
mod token;
mod view;
mod vocabulary;

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

pub use document::{openapi, openapi_json};
pub(crate) use harvest::{
    TroubledLinkView, corrections_of_source, corrections_table, export_records, troubled_links, troubled_links_table,
};
pub(crate) use view::file_url;

use crate::http::Problem;

/// Routes of the native API.
pub fn configure(service: &mut web::ServiceConfig) {
    let mut scope = web::scope("/api/v1");
    for resource in route::resources(endpoints()) {
        scope = scope.service(resource);
    }
    let document = web::resource("/openapi.json")
        .route(web::get().to(docs::get_openapi))
        .route(web::head().to(docs::get_openapi))
        .default_service(web::to(only_get));
    service
        .service(scope.service(document).default_service(web::to(no_route)))
        .service(
            web::resource("/api/docs")
                .route(web::get().to(docs::to_page))
                .route(web::head().to(docs::to_page))
                .default_service(web::to(only_get)),
        )
        .service(
            web::resource("/api/docs/{path:.*}")
                .route(web::get().to(docs::get_page))
                .route(web::head().to(docs::get_page))
                .default_service(web::to(only_get)),
        );
}

/// All endpoints: what is registered and what is described.
fn endpoints() -> Vec<route::Endpoint> {
    [
        dataset::endpoints(),
        distribution::endpoints(),
        search::endpoints(),
        synonym_list::endpoints(),
        change::endpoints(),
        noun::endpoints(),
        member::endpoints(),
        token::endpoints(),
        harvest::endpoints(),
        statistics::endpoints(),
        indicator::endpoints(),
        vocabulary::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn no_route(request: HttpRequest) -> HttpResponse {
    Problem::no_route(request.path()).error_response()
}

/// Answers every method but GET and HEAD: 405.
pub(crate) async fn only_get(request: HttpRequest) -> HttpResponse {
    route::method_not_allowed(&request, "GET, HEAD")
}
