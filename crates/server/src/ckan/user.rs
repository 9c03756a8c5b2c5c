//! `user_…` and `api_token_…`.

use chrono::{DateTime, Utc};
use minato_app::Error;
use minato_app::catalog::{ApiToken, RecordState, Text, TokenScope, User, Viewer};
use minato_app::store::{ListFilter, api_token};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::failure::{Failure, Fields};
use super::package::record_state;
use super::time::naive;
use super::{Answer, Call};

/// Longest time a token may be made for; one without an end is made by leaving it out.
const EXPIRY_SECONDS_MAX: i64 = 100 * 366 * 86_400;

pub(super) fn show(call: &Call<'_>) -> Answer {
    let key = match call.params.text("id")? {
        Some(id) => id,
        None if call.viewer.is_public() => return Err(Failure::NotAuthorized(Error::Unauthenticated.text())),
        None => call.viewer.name.clone(),
    };
    Ok(Value::Object(shown(&find(call, &key)?, &call.viewer)))
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let mut filter = ListFilter { query: call.params.text("q")?, limit: 1_000, ..ListFilter::default() };
    let all_fields = call.params.switch("all_fields", true);
    let mut found = Vec::new();
    loop {
        let page = call.app.list::<User>(&call.viewer, filter.clone())?;
        found.extend(
            page.items.iter().map(|user| if all_fields { Value::Object(shown(user, &call.viewer)) } else { json!(user.draft.name) }),
        );
        match page.next_cursor {
            Some(cursor) => filter.after = Some(cursor),
            None => return Ok(Value::Array(found)),
        }
    }
}

/// A user by id or name, for those who are signed in.
pub(super) fn find(call: &Call<'_>, key: &str) -> Result<User, Failure> {
    Ok(call.app.get::<User>(&call.viewer, key)?)
}

pub(super) fn require_admin(call: &Call<'_>) -> Result<(), Failure> {
    match call.viewer.admin {
        true => Ok(()),
        false => {
            Err(Failure::NotAuthorized(Text::new("この操作はシステム管理者だけができます。", "only system administrators may do this")))
        }
    }
}

pub(super) fn shown(user: &User, viewer: &Viewer) -> Map<String, Value> {
    let draft = &user.draft;
    let value = json!({
        "about": null,
        "activity_streams_email_notifications": false,
        "created": naive(user.created),
        "display_name": draft.display_name.as_deref().unwrap_or(&draft.name),
        "fullname": draft.display_name,
        "id": user.id,
        "image_display_url": null,
        "image_url": null,
        "name": draft.name,
        "number_created_packages": 0,
        "state": record_state(user.state),
        "sysadmin": draft.admin,
    });
    let Value::Object(mut value) = value else { return Map::new() };
    if viewer.admin || viewer.user_id == Some(user.id) {
        value.insert("email".to_owned(), json!(draft.email));
    }
    value
}

pub(super) fn create_token(call: &Call<'_>) -> Answer {
    call.signed_in("api_token_create")?;
    let user = owner(call, "user")?;
    let label = call.params.required("name")?;
    let expires = match call.params.natural("expires_in")? {
        None => None,
        Some(number) => {
            // As ckanext-expire_api_token counts: so many units, a unit in seconds.
            let unit = call.params.natural("unit")?.unwrap_or(1);
            let seconds = number.checked_mul(unit).and_then(|seconds| i64::try_from(seconds).ok());
            let Some(seconds) = seconds.filter(|seconds| (1..=EXPIRY_SECONDS_MAX).contains(seconds)) else {
                let text = Text::new("1 秒以上、100 年以内にしてください。", "Must be at least one second and at most 100 years");
                return Err(Failure::field("expires_in", text));
            };
            Utc::now().checked_add_signed(chrono::Duration::seconds(seconds))
        }
    };
    let new = call.app.create_token(&call.context(), &user, &label, TokenScope::default(), expires);
    let new = new.map_err(|error| Failure::of(error, Fields::Token))?;
    Ok(json!({"token": new.secret}))
}

pub(super) fn list_tokens(call: &Call<'_>) -> Answer {
    call.signed_in("api_token_list")?;
    let tokens = call.app.list_tokens(&call.viewer, &owner(call, "user_id")?)?;
    let mut active: Vec<ApiToken> = tokens.into_iter().filter(|token| token.state == RecordState::Active).collect();
    active.sort_by_key(|token| token.created);
    let shown = active.iter().map(|token| {
        json!({
            "id": token.id,
            "name": token.label,
            "user_id": token.user_id,
            "created_at": naive(token.created),
            "expires_at": token.expires.map(|at: DateTime<Utc>| naive(at)),
            "last_access": null,
        })
    });
    Ok(shown.collect())
}

pub(super) fn revoke_token(call: &Call<'_>) -> Answer {
    call.signed_in("api_token_revoke")?;
    let id = match (call.params.text("jti")?, call.params.text("token")?) {
        (Some(id), _) => id,
        (None, Some(secret)) => {
            let hash = crate::http::hex(&Sha256::digest(secret.as_bytes()));
            let found = call.app.store().read(|conn| api_token::find_by_key(conn, &hash)).map_err(Error::from)?;
            found.ok_or_else(|| Failure::from(Error::not_found("api_token", "")))?.token.id.to_string()
        }
        (None, None) => return Err(Failure::missing("jti")),
    };
    call.app.revoke_token(&call.context(), &id)?;
    Ok(Value::Null)
}

/// Whose tokens: CKAN takes `user` and `user_id` for each other.
fn owner(call: &Call<'_>, first: &str) -> Result<String, Failure> {
    match call.params.text("user_id")?.or(call.params.text("user")?) {
        Some(user) => Ok(user),
        None => Err(Failure::missing(first)),
    }
}
