//! The closed lists, and who is asking.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse};
use minato_app::catalog::{Frequency, Role, StandardDataset, Viewer, frequencies, media_type_of_format, standard_datasets};
use minato_app::searching::{Facet, SearchRequest};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{KEEP, json as loaded, read};
use super::noun::whole;
use super::route::{Endpoint, get};
use super::view::{self, OrganizationRef};
use crate::http::{Problem, Shared};

const TAG: &str = "vocabulary";

/// A format with the number of datasets that come in it.
#[derive(Debug, Serialize, ToSchema)]
struct FormatView {
    /// Short name, for example `CSV`.
    id: String,
    /// Its media type, where there is one.
    media_type: Option<String>,
    /// Datasets with it that the viewer may see.
    datasets: usize,
}

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
struct Whoami {
    /// Whether a valid token came with the request.
    authenticated: bool,
    /// The token's user.
    user_id: Option<Uuid>,
    /// The user's sign-in name; `null` for the public.
    name: Option<String>,
    /// System administrators may do everything.
    admin: bool,
    /// The token may only read.
    read_only: bool,
    /// What the token may do in which organization.
    roles: Vec<HeldRole>,
}

/// A role that is held.
#[derive(Debug, Serialize, ToSchema)]
struct HeldRole {
    /// The organization in few words.
    organization: OrganizationRef,
    /// The role.
    role: Role,
}

/// The endpoints of closed lists.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/frequencies", "list_frequencies", list_frequencies)
            .says(TAG, "更新頻度の一覧", "The update frequencies, most frequent first.")
            .answers_page::<Frequency>("All frequencies."),
        get("/standard-datasets", "list_standard_datasets", list_standard_datasets)
            .says(TAG, "自治体標準オープンデータセットの一覧", "The standard datasets of municipalities, in the order of the standard.")
            .answers_page::<StandardDataset>("All standard datasets."),
        get("/formats", "list_formats", list_formats)
            .says(TAG, "使われているファイル形式の一覧", "The formats in use, most datasets first.")
            .answers_page::<FormatView>("All formats in use."),
        get("/whoami", "whoami", whoami)
            .says("users", "自分の権限を確認する", "Who is asking, and what the token may do. Without a token, the public.")
            .answers::<Whoami>(&["200"], "The viewer."),
    ]
}

async fn list_frequencies(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, Some(KEEP), |_, _, _| loaded(&whole(frequencies().iter().collect()), None)).await
}

async fn list_standard_datasets(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, Some(KEEP), |_, _, _| loaded(&whole(standard_datasets().iter().collect()), None)).await
}

async fn list_formats(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, Some(KEEP), |app, viewer, _| {
        let counting = SearchRequest { facets: vec![Facet::Format], facet_limit: 1000, limit: 0, ..SearchRequest::default() };
        let found = app.search(viewer, counting)?;
        let values = found.results.facets.into_iter().flat_map(|(_, values)| values);
        let formats = values.map(|(id, datasets)| FormatView { media_type: media_type_of_format(&id).map(str::to_owned), id, datasets });
        loaded(&whole(formats.collect()), None)
    })
    .await
}

async fn whoami(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, viewer, _| {
        let Viewer { user_id, name, admin, roles, read_only } = viewer.clone();
        let roles: BTreeMap<Uuid, Role> = roles;
        let shown = Whoami {
            authenticated: !viewer.is_public(),
            user_id,
            name: Some(name).filter(|name| !name.is_empty()),
            admin,
            read_only,
            roles: roles.into_iter().map(|(id, role)| HeldRole { organization: view::organization(app, id), role }).collect(),
        };
        loaded(&shown, None)
    })
    .await
}
