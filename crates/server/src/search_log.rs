//! Which requests are searches of residents, told to the log of searches. Nothing of the client goes further than this file.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header;
use minato_app::searching::{Filters, SearchRequest, SearchResults};

use crate::http::{purpose, secret};

/// Whether somebody of the public wants the answer to a request: no crawler, nothing fetched ahead of a click, and none of those who come with a
/// token: their programs, and staff, who find what residents do not.
pub(crate) fn is_wanted(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    request.method() != Method::HEAD && secret(headers).is_none() && minato_app::counter::is_wanted(user_agent, purpose(headers))
}

/// Whether a search has no conditions beside its text, so that its hits are those of the text.
pub(crate) fn is_plain(request: &SearchRequest) -> bool {
    request.filters == Filters::default()
}

/// How many datasets a text found. What was found for another text in its place is not its own.
pub(crate) fn hits(results: &SearchResults) -> usize {
    if results.corrected.is_some() { 0 } else { results.total }
}
