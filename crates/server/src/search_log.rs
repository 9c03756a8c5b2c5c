//! Which requests are searches of residents, told to the log of searches. Nothing of the client goes further than this file.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header;
use minato_app::searching::{Filters, SearchRequest, SearchResults};

use crate::http::{purpose, secret};

/// Whether somebody of the public wants the answer to a request: no crawler, nothing fetched ahead of a click, and none of those who come with a
/// token or from the pages of staff: their programs, and staff, who find what residents do not.
pub(crate) fn is_wanted(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    request.method() != Method::HEAD
        && secret(headers).is_none()
        && !text(header::REFERER).is_some_and(is_staff_page)
        && minato_app::counter::is_wanted(text(header::USER_AGENT), purpose(headers))
}

/// `https://example.jp/staff/…`: a query tried out from the list of queries must not rise by it.
fn is_staff_page(address: &str) -> bool {
    address.split(['/', '?']).nth(3) == Some("staff")
}

/// Whether a search has no conditions beside its text, so that its hits are those of the text.
pub(crate) fn is_plain(request: &SearchRequest) -> bool {
    request.filters == Filters::default()
}

/// How many datasets a text found. What was found for another text in its place is not its own.
pub(crate) fn hits(results: &SearchResults) -> usize {
    if results.corrected.is_some() { 0 } else { results.total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_trying_a_query_are_no_residents() {
        for (address, staff) in [
            ("https://example.jp/staff/searches?month=2026-11", true),
            ("http://127.0.0.1:8080/staff", true),
            ("https://example.jp/staff?lang=en", true),
            ("https://example.jp/datasets?q=staff", false),
            ("https://example.jp/staffing", false),
            ("https://staff/", false),
            ("", false),
        ] {
            assert_eq!(is_staff_page(address), staff, "{address}");
        }
    }
}
