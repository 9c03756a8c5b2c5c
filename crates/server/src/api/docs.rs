//! The description of the API: as a document, and as a page to try it on.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;

use crate::http::{Problem, hex, if_none_match};

/// The document never changes while the process runs.
static DOCUMENT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let body = super::openapi_json();
    let etag = format!("\"{}\"", &hex(&Sha256::digest(&body))[..24]);
    (Bytes::from(body), etag)
});

/// `/api/v1/openapi.json`.
pub(super) async fn get_openapi(request: HttpRequest) -> HttpResponse {
    let (body, etag) = &*DOCUMENT;
    if if_none_match(request.headers(), etag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, etag.as_str())).finish();
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::ETAG, etag.as_str()))
        .body(body.clone())
}

/// `/api/docs` → `/api/docs/`: the page's files are beside it.
pub(super) async fn to_page() -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/api/docs/")).finish()
}

/// `/api/docs/…`: the interactive page and its files, all from this program.
pub(super) async fn get_page(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let config = Config::from("/api/v1/openapi.json").try_it_out_enabled(false).persist_authorization(true);
    let found = utoipa_swagger_ui::serve(&path.into_inner(), Arc::new(config));
    let Some(file) = found.map_err(|error| minato_app::Error::internal(error.to_string()))? else {
        return Err(Problem::no_route(request.path()));
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, file.content_type));
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(file.bytes.into_owned()))
}
