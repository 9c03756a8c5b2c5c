//! Looks at pages of datasets, told to the log of views. Nothing of the client goes further than the counting.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use minato_app::FileRequest;
use minato_app::catalog::{Channel, Viewer};

use crate::http::{Shared, client_address, purpose};

/// Counts that the page of a dataset was looked at, when it was.
pub(crate) fn note(request: &HttpRequest, state: &Shared, slug: &str, status: StatusCode) {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let facts = FileRequest {
        method: request.method().as_str(),
        status: status.as_u16(),
        channel: Channel::Page,
        range: None,
        user_agent: text("user-agent"),
        purpose: purpose(request.headers()),
        address: client_address(request, &state.settings),
        referrer: String::new(),
    };
    state.app.note_view(&Viewer::public(), slug, &facts);
}
