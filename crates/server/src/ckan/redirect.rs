//! From the addresses of CKAN's pages to ours.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use minato_app::catalog::Viewer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::resource::download_path;
use crate::api::only_get;
use crate::http::{Problem, Shared};

pub(super) fn configure(service: &mut web::ServiceConfig) {
    macro_rules! redirects {
        ($($path:literal => $handler:expr),* $(,)?) => {$(
            service.service(
                web::resource($path).route(web::get().to($handler)).route(web::head().to($handler)).default_service(web::to(only_get)),
            );
        )*};
    }
    redirects! {
        "/dataset" => datasets,
        "/dataset/" => datasets,
        "/dataset/{key}" => dataset,
        "/dataset/{key}/resource/{id}" => resource,
        "/dataset/{key}/resource/{id}/download" => download,
        "/dataset/{key}/resource/{id}/download/{file}" => download,
        "/organization" => || async { to("/organizations".to_owned()) },
        "/organization/{key}" => organization,
        "/group" => || async { to("/themes".to_owned()) },
        "/group/{key}" => group,
    }
}

/// Names can be changed, so no redirect is for ever.
fn to(path: String) -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, path)).finish()
}

fn segment(text: &str) -> String {
    // Names are made of these; anything else cannot be one and is escaped whole.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain && !text.starts_with('.') { text.to_owned() } else { utf8_percent_encode(text, NON_ALPHANUMERIC).to_string() }
}

async fn datasets(request: HttpRequest) -> HttpResponse {
    match request.query_string() {
        "" => to("/datasets".to_owned()),
        query => to(format!("/datasets?{query}")),
    }
}

/// The current name of a dataset; an unknown key goes to our page for it, which says what there is to say.
async fn slug(state: &Shared, key: &str) -> String {
    let wanted = key.to_owned();
    let found = state.run(move |app| app.dataset(&Viewer::public(), &wanted)).await;
    match found {
        Ok(found) => found.dataset.content.slug.clone(),
        Err(_) => segment(key),
    }
}

async fn dataset(state: Shared, key: web::Path<String>) -> HttpResponse {
    if key.contains('\0') {
        return to("/datasets".to_owned());
    }
    to(format!("/datasets/{}", slug(&state, &key).await))
}

async fn resource(state: Shared, path: web::Path<(String, String)>) -> HttpResponse {
    let (key, id) = path.into_inner();
    if key.contains('\0') {
        return to("/datasets".to_owned());
    }
    to(format!("/datasets/{}#{}", slug(&state, &key).await, segment(&id)))
}

async fn download(request: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    let id = request.match_info().get("id").unwrap_or_default().to_owned();
    let found = state.run(move |app| app.distribution(&Viewer::public(), &id)).await?;
    Ok(to(download_path(&found.dataset.content.slug, &found.distribution)))
}

async fn organization(state: Shared, key: web::Path<String>) -> HttpResponse {
    let directory = state.app.directory();
    let slug = directory.find_organization(&key).map_or_else(|| segment(&key), |organization| organization.draft.slug.clone());
    to(format!("/organizations/{slug}"))
}

async fn group(state: Shared, key: web::Path<String>) -> HttpResponse {
    let directory = state.app.directory();
    let id = directory.vocabulary.find_theme(&key).map_or_else(|| segment(&key), segment);
    to(format!("/themes/{id}"))
}
