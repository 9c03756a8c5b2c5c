//! Memberships: who may do what in which organization.

use actix_web::{HttpRequest, HttpResponse};
use minato_app::catalog::{Membership, Role};
use minato_app::{App, Context, Done, Error};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{json as loaded, read, wrote};
use super::noun::{organization_key, whole};
use super::request::{Act, IfMatch, Write, key};
use super::route::{Endpoint, delete, get, patch, post, put};
use crate::http::{Problem, Shared};

const TAG: &str = "members";
/// Fields of answers that a membership sent back may carry; they are ignored.
const READ_ONLY: &[&str] = &["id", "organization_id", "user_id", "user", "state", "revision", "created", "updated"];

/// What a member may do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MembershipDraft {
    /// The role.
    role: Role,
}

/// A membership with its user.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    #[serde(flatten)]
    membership: Membership,
    /// The user in few words.
    user: UserRef,
}

/// A user in few words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserRef {
    /// Id.
    pub(super) id: Uuid,
    /// Sign-in name.
    pub(super) name: String,
    /// Name shown to others.
    pub(super) display_name: Option<String>,
}

/// The endpoints of memberships.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let example = || json!({"role": "editor"});
    let gone = "The membership, archived.";
    vec![
        get("/organizations/{organization}/members", "list_members", list_members)
            .says(TAG, "組織の構成員の一覧", "The members of an organization with their roles. For its members.")
            .signed_in()
            .answers_page::<MemberView>("All members."),
        put("/organizations/{organization}/members/{user}", "set_member", set_member)
            .says(TAG, "構成員に権限を与える", "Gives a user a role in the organization, instead of the one held. For its administrators.")
            .if_match(IfMatch::Optional)
            .body::<MembershipDraft>(example())
            .answers::<Membership>(&["200", "201"], "The membership."),
        delete("/organizations/{organization}/members/{user}", "remove_member", remove_member)
            .says(TAG, "構成員を外す", "Takes a user out of the organization. For its administrators.")
            .if_match(IfMatch::Optional)
            .answers::<Membership>(&["200"], gone),
        get("/memberships/{id}", "get_membership", get_membership)
            .says(TAG, "所属を取得する", "One membership. For members of the organization and the user.")
            .signed_in()
            .answers::<Membership>(&["200"], "The membership."),
        put("/memberships/{id}", "replace_membership", replace_membership)
            .says(TAG, "所属の権限を置き換える", "Changes the role.")
            .if_match(IfMatch::Required)
            .body::<MembershipDraft>(example())
            .answers::<Membership>(&["200"], "The membership."),
        patch("/memberships/{id}", "patch_membership", replace_membership)
            .says(TAG, "所属の権限を変更する", "Changes the role, the only field there is.")
            .if_match(IfMatch::Required)
            .merge_patch(example())
            .answers::<Membership>(&["200"], "The membership."),
        delete("/memberships/{id}", "delete_membership", archive_membership)
            .says(TAG, "所属を外す（archive と同じ）", "Takes the user out of the organization.")
            .if_match(IfMatch::Optional)
            .answers::<Membership>(&["200"], gone),
        post("/memberships/{id}/archive", "archive_membership", archive_membership)
            .says(TAG, "所属を外す", "Takes the user out of the organization.")
            .if_match(IfMatch::Optional)
            .answers::<Membership>(&["200"], gone),
        post("/memberships/{id}/restore", "restore_membership", restore_membership)
            .says(TAG, "所属を元に戻す", "Gives the user the role back.")
            .if_match(IfMatch::Optional)
            .answers::<Membership>(&["200"], "The membership, in use."),
    ]
}

async fn list_members(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let organization = organization_key(&state.app, key(&request, "organization")?);
    read(&state, &request, None, move |app, viewer, _| {
        let members = app.list_members(viewer, &organization)?;
        let shown = members.into_iter().map(|(membership, user)| MemberView {
            membership,
            user: UserRef { id: user.id, name: user.draft.name, display_name: user.draft.display_name },
        });
        loaded(&whole(shown.collect()), None)
    })
    .await
}

async fn set_member(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (organization, user) = (organization_key(&state.app, write.key("organization")?), write.key("user")?);
    let context = write.context(IfMatch::Optional)?;
    let draft: MembershipDraft = write.draft(READ_ONLY)?;
    change(&state, context, move |app, context| app.set_member(context, &organization, &user, draft.role)).await
}

async fn remove_member(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (organization, user) = (organization_key(&state.app, act.key("organization")?), act.key("user")?);
    let context = act.context(IfMatch::Optional)?;
    change(&state, context, move |app, context| app.remove_member(context, &organization, &user)).await
}

async fn get_membership(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, None, move |app, viewer, _| {
        if viewer.is_public() {
            return Err(Error::Unauthenticated);
        }
        let membership = app.membership(viewer, &id)?;
        loaded(&membership, Some(membership.revision))
    })
    .await
}

async fn replace_membership(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Required)?);
    let draft: MembershipDraft = write.draft(READ_ONLY)?;
    change(&state, context, move |app, context| {
        let (organization, user, _) = place(app, context, &id)?;
        app.set_member(context, &organization, &user, draft.role)
    })
    .await
}

async fn archive_membership(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| {
        let (organization, user, _) = place(app, context, &id)?;
        app.remove_member(context, &organization, &user)
    })
    .await
}

async fn restore_membership(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| {
        let (organization, user, role) = place(app, context, &id)?;
        app.set_member(context, &organization, &user, role)
    })
    .await
}

/// Organization, user and role of a membership that the viewer may see.
fn place(app: &App, context: &Context, id: &str) -> minato_app::Result<(String, String, Role)> {
    let membership = app.membership(&context.viewer, id)?;
    // set_member compares only when there is something to change; a stale reader must learn it all the same.
    context.check_revision(membership.revision)?;
    Ok((membership.organization_id.to_string(), membership.user_id.to_string(), membership.role))
}

async fn change(
    state: &Shared,
    context: Context,
    f: impl FnOnce(&App, &Context) -> minato_app::Result<Done<Membership>> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let (done, context) = state.run(move |app| Ok((f(app, &context)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision), format!("/api/v1/memberships/{}", done.value.id)))
}
