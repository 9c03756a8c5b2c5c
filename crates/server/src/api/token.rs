//! API tokens.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use minato_app::catalog::{ApiToken, FieldError, TokenScope, merge_patch};
use minato_app::{Done, Error, Status};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{json as loaded, read, wrote};
use super::noun::whole;
use super::request::{Act, IfMatch, Write, key, not_an_object, parse};
use super::route::{Endpoint, delete, get, patch, post, put};
use crate::http::{Problem, Shared};

const TAG: &str = "tokens";
/// Fields of answers that a token sent back may carry; they are ignored.
const READ_ONLY: &[&str] = &["id", "user_id", "scope", "state", "revision", "created", "updated"];

/// A new token: what it is for and what it may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    /// What it is for, in the owner's words; at most 200 characters.
    label: String,
    /// Limits on its user's rights; none by default.
    #[serde(default)]
    scope: TokenScope,
    /// When it stops working; never by default.
    #[serde(default, deserialize_with = "moment")]
    expires: Option<DateTime<Utc>>,
}

/// What may be changed of a token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenDraft {
    /// What it is for, in the owner's words; at most 200 characters.
    label: String,
    /// When it stops working; `null` is never.
    #[serde(default, deserialize_with = "moment")]
    expires: Option<DateTime<Utc>>,
}

/// A new token with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
struct NewTokenView {
    /// What is kept of it.
    token: ApiToken,
    /// Send it as `Authorization: Bearer …`. It cannot be shown again.
    secret: String,
}

/// The endpoints of tokens.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/users/{user}/tokens", "list_tokens", list_tokens)
            .says(
                TAG,
                "API トークンの一覧",
                "The tokens of a user, revoked ones included, without their secrets. One's own; for system administrators anybody's.",
            )
            .signed_in()
            .answers_page::<ApiToken>("All tokens."),
        post("/users/{user}/tokens", "create_token", create_token)
            .says(
                TAG,
                "API トークンを作成する",
                "A new token. Its secret is in this answer and nowhere else. In a dry run the secret is empty.",
            )
            .body::<TokenRequest>(json!({"label": "夜間の自動登録", "expires": "2099-03-31", "scope": {"read_only": false}}))
            .answers::<NewTokenView>(&["201"], "The token with its secret."),
        get("/tokens/{id}", "get_token", get_token)
            .says(TAG, "API トークンを取得する", "One token, without its secret.")
            .signed_in()
            .answers::<ApiToken>(&["200"], "The token."),
        put("/tokens/{id}", "replace_token", replace_token)
            .says(TAG, "API トークンの名前と期限を置き換える", "Replaces label and expiry. Scopes cannot be changed; make another token.")
            .if_match(IfMatch::Required)
            .body::<TokenDraft>(json!({"label": "夜間の自動登録", "expires": null}))
            .answers::<ApiToken>(&["200"], "The token."),
        patch("/tokens/{id}", "patch_token", patch_token)
            .says(TAG, "API トークンの名前・期限を変更する", "Changes label or expiry by a JSON merge patch.")
            .if_match(IfMatch::Required)
            .merge_patch(json!({"label": "夜間の自動登録（旧）"}))
            .answers::<ApiToken>(&["200"], "The token."),
        delete("/tokens/{id}", "delete_token", revoke_token)
            .says(TAG, "API トークンを失効させる", "Revokes a token at once. It cannot be brought back.")
            .if_match(IfMatch::Optional)
            .answers::<ApiToken>(&["200"], "The token, revoked."),
        post("/tokens/{id}/archive", "archive_token", revoke_token)
            .says(TAG, "API トークンを失効させる（DELETE と同じ）", "Revokes a token at once. It cannot be brought back.")
            .if_match(IfMatch::Optional)
            .answers::<ApiToken>(&["200"], "The token, revoked."),
    ]
}

async fn list_tokens(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let user = key(&request, "user")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.list_tokens(viewer, &user)?), None)).await
}

async fn create_token(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (user, context) = (write.key("user")?, write.context(IfMatch::Optional)?);
    let object = write.object()?;
    if object.get("scope").is_some_and(|scope| !scope.is_object()) {
        return Err(not_an_object("/scope"));
    }
    let draft: TokenRequest = parse(object)?;
    check(&draft.label, draft.expires)?;
    let (new, context) =
        state.run(move |app| Ok((app.create_token(&context, &user, &draft.label, draft.scope, draft.expires)?, context))).await?;
    let (revision, location) = (new.token.revision, format!("/api/v1/tokens/{}", new.token.id));
    // The secret of a trial opens nothing; showing it would only mislead.
    let secret = if context.dry_run { String::new() } else { new.secret };
    let done = Done { value: NewTokenView { token: new.token, secret }, status: Status::Created, replayed: false };
    let mut response = wrote(&context, &done, Some(revision), location);
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn get_token(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| {
        let token = app.token(viewer, &id)?;
        loaded(&token, Some(token.revision))
    })
    .await
}

async fn replace_token(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Required)?);
    let draft: TokenDraft = write.draft(READ_ONLY)?;
    check(&draft.label, draft.expires)?;
    let (token, context) = state.run(move |app| Ok((app.update_token(&context, &id, &draft.label, draft.expires)?, context))).await?;
    Ok(answer(&context, token))
}

async fn patch_token(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Required)?);
    let patch = Value::Object(write.object()?);
    let (token, context) = state
        .run(move |app| {
            let before = app.token(&context.viewer, &id)?;
            let mut value = json!(TokenDraft { label: before.label, expires: before.expires });
            merge_patch(&mut value, &patch);
            let draft: TokenDraft = minato_app::catalog::from_value(value).map_err(Error::invalid)?;
            check(&draft.label, None)?;
            Ok((app.update_token(&context, &id, &draft.label, draft.expires)?, context))
        })
        .await?;
    Ok(answer(&context, token))
}

async fn revoke_token(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    let (token, context) = state.run(move |app| Ok((app.revoke_token(&context, &id)?, context))).await?;
    Ok(answer(&context, token))
}

fn answer(context: &minato_app::Context, token: ApiToken) -> HttpResponse {
    let (revision, location) = (token.revision, format!("/api/v1/tokens/{}", token.id));
    wrote(context, &Done { value: token, status: Status::Updated, replayed: false }, Some(revision), location)
}

fn check(label: &str, expires: Option<DateTime<Utc>>) -> Result<(), Error> {
    if label.trim().is_empty() {
        return Err(Error::invalid(FieldError::required("/label")));
    }
    if label.chars().count() > 200 {
        return Err(Error::invalid(FieldError::too_long("/label", 200)));
    }
    if expires.is_some_and(|expires| expires <= Utc::now()) {
        return Err(Error::invalid(FieldError::new(
            "/expires",
            "out_of_range",
            "/expires は未来の日時にしてください。すぐに止めるには DELETE を使ってください。",
            "/expires must be in the future; to stop it now, DELETE it",
        )));
    }
    Ok(())
}

/// A date-time in any of the catalog's spellings.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let at = minato_app::catalog::parse_moment(&text);
    at.map(Some).ok_or_else(|| serde::de::Error::custom("not a date; write 2027-03-31 or 2027-03-31T09:00:00+09:00"))
}
