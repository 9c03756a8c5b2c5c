//! Answers: kept ones for the public, one hop for everything else.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use minato_app::catalog::Viewer;
use minato_app::{App, Context, Done, Error};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::{Answer, Problem, State, changed, etag, hex, if_none_match, secret};

/// How long an answer that only depends on the catalog is kept at most.
pub(super) const KEEP: Duration = Duration::from_secs(60);
/// Longest path and query that an answer is kept for, in bytes.
const KEPT_KEY_BYTES_MAX: usize = 500;
const JSON: &str = "application/json";

/// What was loaded for an answer.
pub(super) enum Loaded {
    /// The body and its entity tag.
    Json {
        /// The body.
        body: Vec<u8>,
        /// With quotes.
        etag: String,
    },
    /// It is at this path now.
    Moved(String),
}

/// A body with the revision as its entity tag, or without one, with the hash of the body.
pub(super) fn json<T: Serialize>(value: &T, revision: Option<i64>) -> minato_app::Result<Loaded> {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    let etag = match revision {
        Some(revision) => etag(revision),
        None => format!("W/\"{}\"", &hex(&Sha256::digest(&body))[..24]),
    };
    Ok(Loaded::Json { body, etag })
}

/// The kept answer to a request of the public.
pub(super) fn kept(state: &State, request: &HttpRequest) -> Option<HttpResponse> {
    let key = public_key(request)?;
    Some(state.answers.get(&state.app, key)?.respond(request))
}

/// Answers a GET: from what is kept, else with what `f` loads on a blocking thread. `keep` is for the public; `None` keeps nothing.
///
/// `f` gets the viewer and the address of the site.
pub(super) async fn read(
    state: &State,
    request: &HttpRequest,
    keep: Option<Duration>,
    f: impl FnOnce(&App, &Viewer, &str) -> minato_app::Result<Loaded> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    if let Some(answer) = keep.and_then(|_| kept(state, request)) {
        return Ok(answer);
    }
    let generation = state.app.generation();
    let token = secret(request.headers()).map(str::to_owned);
    let settings = state.settings.clone();
    let loaded = state
        .run(move |app| {
            let viewer = match token {
                Some(token) => app.authenticate(&token)?,
                None => Viewer::public(),
            };
            f(app, &viewer, &settings.base_url())
        })
        .await?;
    match loaded {
        // Names change, and so does which of two copies is shown: asked for again each time.
        Loaded::Moved(path) => Ok(HttpResponse::MovedPermanently()
            .insert_header((header::LOCATION, path))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .finish()),
        Loaded::Json { body, etag } => match (keep, public_key(request)) {
            (Some(keep), Some(key)) => {
                let answer: Answer = state.answers.put(key.to_owned(), generation, keep, Bytes::from(body), JSON, etag);
                Ok(answer.respond(request))
            }
            _ => Ok(respond(request, body, &etag)),
        },
    }
}

/// Path and query, when the answer is the same for everybody.
fn public_key(request: &HttpRequest) -> Option<&str> {
    let key = request.uri().path_and_query()?.as_str();
    (key.len() <= KEPT_KEY_BYTES_MAX && secret(request.headers()).is_none()).then_some(key)
}

fn respond(request: &HttpRequest, body: Vec<u8>, etag: &str) -> HttpResponse {
    if if_none_match(request.headers(), etag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
    }
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).insert_header((header::ETAG, etag)).body(body)
}

/// The answer to a change. A dry run has neither a revision nor a place to look at.
pub(super) fn wrote<T: Serialize>(context: &Context, done: &Done<T>, revision: Option<i64>, location: String) -> HttpResponse {
    if context.dry_run {
        let mut response = changed(done, None, None);
        response.headers_mut().insert(header::HeaderName::from_static("dry-run"), header::HeaderValue::from_static("true"));
        return response;
    }
    changed(done, revision, Some(location))
}
