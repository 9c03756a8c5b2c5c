//! Addresses of the portal that was before: `/resources/{number}` and `/resource_download/{number}` lead to where things are now.
//! `/datasets/{number}` needs nothing of its own: a number is a former name of the dataset.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use minato_app::FoundDistribution;
use minato_app::catalog::Viewer;

use crate::api::only_get;
use crate::http::{Asker, Problem, ProblemDetails, Shared};

/// Routes of former addresses.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .service(
            web::resource("/resources/{number}")
                .route(web::get().to(show_former_resource))
                .route(web::head().to(show_former_resource))
                .default_service(web::to(only_get)),
        )
        .service(
            web::resource("/resource_download/{number}")
                .route(web::get().to(download_former_resource))
                .route(web::head().to(download_former_resource))
                .default_service(web::to(only_get)),
        );
}

/// Where a file of the portal that was before is shown now.
#[utoipa::path(get, path = "/resources/{number}", tag = "downloads", operation_id = "show_former_resource",
    params(("number" = String, Path, description = "Number of the file at the former portal")),
    responses(
        (status = 301, description = "The dataset's page, at the file"),
        (status = 404, description = "No file had this number", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 410, description = "Withdrawn", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn show_former_resource(path: web::Path<String>, asker: Asker, state: Shared) -> Result<HttpResponse, Problem> {
    let found = find(&state, asker.0, path.into_inner()).await?;
    Ok(moved(format!("/datasets/{}#{}", found.dataset.content.slug, found.distribution.id)))
}

/// Where a file of the portal that was before is had now. It is counted there, so once.
#[utoipa::path(get, path = "/resource_download/{number}", tag = "downloads", operation_id = "download_former_resource",
    params(("number" = String, Path, description = "Number of the file at the former portal")),
    responses(
        (status = 301, description = "The file's address"),
        (status = 404, description = "No file had this number", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 410, description = "Withdrawn", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn download_former_resource(path: web::Path<String>, asker: Asker, state: Shared) -> Result<HttpResponse, Problem> {
    let found = find(&state, asker.0, path.into_inner()).await?;
    Ok(moved(format!("/d/{}", found.distribution.id)))
}

/// Where everybody is led to; what is not for everybody is found by those who may see it.
async fn find(state: &Shared, viewer: Viewer, number: String) -> Result<FoundDistribution, Problem> {
    state.run(move |app| app.resource_by_number(&Viewer::public(), &number).or_else(|_| app.resource_by_number(&viewer, &number))).await
}

fn moved(to: String) -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, to)).finish()
}
