//! Who is asking: API tokens, and memberships that give them rights.

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, ApiToken, FieldError, Membership, Organization, RecordState, Role, TokenScope, User, Viewer, check_token_label, new_id,
};
use minato_store::api_token::{self, StoredToken};
use minato_store::{AnyConnection, ListFilter, membership, user};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::{signed_in, staff_only};

/// A token with its secret, which is shown this once.
#[derive(Debug, Clone, PartialEq)]
pub struct NewToken {
    /// What is kept.
    pub token: ApiToken,
    /// What the client sends; `minato_` and 43 characters.
    pub secret: String,
}

impl App {
    /// The viewer that a secret stands for.
    pub fn authenticate(&self, secret: &str) -> Result<Viewer> {
        let hash = hash(secret);
        let now = self.now();
        let found = self.store().read(|conn| {
            let Some(stored) = api_token::find_by_key(conn, &hash)? else { return Ok(None) };
            let token = stored.token;
            let valid = token.state == RecordState::Active && token.expires.is_none_or(|expires| expires > now);
            if !valid {
                return Ok(None);
            }
            viewer_of(conn, token.user_id, Some(&token.scope))
        })?;
        found.ok_or(Error::Unauthenticated)
    }

    /// The same for pages of staff: who has no role in any organization is refused.
    pub fn authenticate_staff(&self, secret: &str) -> Result<Viewer> {
        let viewer = self.authenticate(secret)?;
        staff_only(&viewer)?;
        Ok(viewer)
    }

    /// The viewer that a user is, with all rights.
    pub fn viewer_of_user(&self, name: &str) -> Result<Viewer> {
        let user: User = self.get(&Viewer::system("system"), name)?;
        self.store().read(|conn| viewer_of(conn, user.id, None))?.ok_or_else(|| Error::not_found("user", name))
    }

    /// A new token for a user: one's own, or anybody's for an administrator.
    pub fn create_token(
        &self,
        context: &Context,
        user: &str,
        label: &str,
        scope: TokenScope,
        expires: Option<DateTime<Utc>>,
    ) -> Result<NewToken> {
        signed_in(&context.viewer)?;
        let owner = self.own_user(&context.viewer, user)?;
        check_label(label)?;
        if expires.is_some_and(|expires| expires <= self.now()) {
            return Err(Error::invalid(FieldError::new(
                "/expires",
                "out_of_range",
                "/expires は未来の日時にしてください。",
                "/expires must be in the future",
            )));
        }
        let secret = new_secret();
        let now = self.now();
        let token = ApiToken {
            id: new_id(),
            user_id: owner.id,
            label: label.trim().to_owned(),
            scope,
            expires,
            state: RecordState::Active,
            revision: 1,
            created: now,
            updated: now,
        };
        let stored = StoredToken { token: token.clone(), hash: hash(&secret) };
        if !context.dry_run {
            self.store().write::<_, Error>(|conn| Ok(api_token::save(conn, &stored, None, Action::Create, &context.viewer.name)?))?;
        }
        Ok(NewToken { token, secret })
    }

    /// The tokens of a user, without their secrets; revoked ones included.
    pub fn list_tokens(&self, viewer: &Viewer, user: &str) -> Result<Vec<ApiToken>> {
        signed_in_to_read(viewer)?;
        let owner = self.own_user(viewer, user)?;
        let filter = ListFilter { label: Some(owner.id.to_string()), archived: true, limit: 1000, ..Default::default() };
        let page = self.store().read(|conn| api_token::list(conn, &filter))?;
        Ok(page.items.into_iter().map(|stored| stored.token).collect())
    }

    /// One token, without its secret.
    pub fn token(&self, viewer: &Viewer, id: &str) -> Result<ApiToken> {
        signed_in_to_read(viewer)?;
        let stored = self.store().read(|conn| api_token::find(conn, id))?;
        match stored {
            Some(stored) if viewer.admin || viewer.user_id == Some(stored.token.user_id) => Ok(stored.token),
            _ => Err(Error::not_found("api_token", id)),
        }
    }

    /// Changes label or expiry of a token.
    pub fn update_token(&self, context: &Context, id: &str, label: &str, expires: Option<DateTime<Utc>>) -> Result<ApiToken> {
        check_label(label)?;
        self.edit_token(context, id, Action::Update, |token| {
            token.label = label.trim().to_owned();
            token.expires = expires;
        })
    }

    /// Revokes a token. It cannot be brought back: a secret that had to be revoked stays so.
    pub fn revoke_token(&self, context: &Context, id: &str) -> Result<ApiToken> {
        self.edit_token(context, id, Action::Archive, |token| token.state = RecordState::Archived)
    }

    fn edit_token(&self, context: &Context, id: &str, action: Action, f: impl FnOnce(&mut ApiToken)) -> Result<ApiToken> {
        signed_in(&context.viewer)?;
        self.token(&context.viewer, id)?;
        self.store().write(|conn| {
            let before = api_token::find(conn, id)?.ok_or_else(|| Error::not_found("api_token", id))?;
            context.check_revision(before.token.revision)?;
            let mut after = before.clone();
            f(&mut after.token);
            if after == before {
                return Ok(before.token);
            }
            after.token.revision += 1;
            after.token.updated = self.now();
            if !context.dry_run {
                api_token::save(conn, &after, Some(before.token.revision), action, &context.viewer.name)?;
            }
            Ok(after.token)
        })
    }

    /// The members of an organization with their roles. For its members.
    pub fn list_members(&self, viewer: &Viewer, organization: &str) -> Result<Vec<(Membership, User)>> {
        let organization: Organization = self.get(viewer, organization)?;
        require_role_to_read(viewer, organization.id)?;
        Ok(self.store().read(|conn| {
            let mut members = Vec::new();
            for member in membership::of_organization(conn, organization.id)? {
                if let Some(user) = user::find(conn, &member.user_id.to_string())? {
                    members.push((member, user));
                }
            }
            Ok(members)
        })?)
    }

    /// One membership. For members of its organization and the user.
    pub fn membership(&self, viewer: &Viewer, id: &str) -> Result<Membership> {
        let found = self.store().read(|conn| membership::find(conn, id))?;
        match found {
            Some(member) if viewer.has_role(member.organization_id, Role::Viewer) || viewer.user_id == Some(member.user_id) => Ok(member),
            _ => Err(Error::not_found("membership", id)),
        }
    }

    /// Gives a user a role in an organization, instead of the one held.
    pub fn set_member(&self, context: &Context, organization: &str, user: &str, role: Role) -> Result<Done<Membership>> {
        let organization: Organization = self.get(&context.viewer, organization)?;
        require_role(&context.viewer, organization.id, Role::Administrator)?;
        let user: User = self.get(&context.viewer, user)?;
        self.change(context, |conn| {
            let now = self.now();
            match membership::find_pair(conn, organization.id, user.id)? {
                Some(before) if before.role == role && before.state == RecordState::Active => Ok(Change::unchanged(before)),
                Some(before) => {
                    context.check_revision(before.revision)?;
                    let action = if before.state == RecordState::Active { Action::Update } else { Action::Restore };
                    let after =
                        Membership { role, state: RecordState::Active, revision: before.revision + 1, updated: now, ..before.clone() };
                    let saved = membership::save(conn, &after, Some(before.revision), action, &context.viewer.name)?;
                    Ok(Change { value: after, status: Status::Updated, seq: Some(saved.seq) })
                }
                None => {
                    context.check_absent()?;
                    let new = Membership {
                        id: new_id(),
                        organization_id: organization.id,
                        user_id: user.id,
                        role,
                        state: RecordState::Active,
                        revision: 1,
                        created: now,
                        updated: now,
                    };
                    let saved = membership::save(conn, &new, None, Action::Create, &context.viewer.name)?;
                    Ok(Change { value: new, status: Status::Created, seq: Some(saved.seq) })
                }
            }
        })
    }

    /// Takes a user out of an organization.
    pub fn remove_member(&self, context: &Context, organization: &str, user: &str) -> Result<Done<Membership>> {
        let organization: Organization = self.get(&context.viewer, organization)?;
        require_role(&context.viewer, organization.id, Role::Administrator)?;
        let user: User = self.get(&context.viewer, user)?;
        self.change(context, |conn| {
            let Some(before) = membership::find_pair(conn, organization.id, user.id)?.filter(|member| member.state == RecordState::Active)
            else {
                return Err(Error::not_found("membership", user.draft.name.clone()));
            };
            let after = Membership { state: RecordState::Archived, revision: before.revision + 1, updated: self.now(), ..before.clone() };
            let saved = membership::save(conn, &after, Some(before.revision), Action::Archive, &context.viewer.name)?;
            Ok(Change { value: after, status: Status::Updated, seq: Some(saved.seq) })
        })
    }

    fn own_user(&self, viewer: &Viewer, key: &str) -> Result<User> {
        let user: User = self.get(&Viewer { admin: true, ..viewer.clone() }, key)?;
        if viewer.admin || viewer.user_id == Some(user.id) {
            return Ok(user);
        }
        Err(Error::Forbidden(minato_catalog::Text::new(
            "ほかの利用者の API トークンは、システム管理者だけが扱えます。",
            "only system administrators may handle another user's API tokens",
        )))
    }
}

fn check_label(label: &str) -> Result<()> {
    match check_token_label(label) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Error::Invalid(errors)),
    }
}

fn signed_in_to_read(viewer: &Viewer) -> Result<()> {
    if viewer.is_public() { Err(Error::Unauthenticated) } else { Ok(()) }
}

fn require_role_to_read(viewer: &Viewer, organization_id: Uuid) -> Result<()> {
    signed_in_to_read(viewer)?;
    match viewer.has_role(organization_id, Role::Viewer) {
        true => Ok(()),
        false => require_role(viewer, organization_id, Role::Viewer),
    }
}

fn viewer_of(conn: &mut AnyConnection, user_id: Uuid, scope: Option<&TokenScope>) -> minato_store::Result<Option<Viewer>> {
    let Some(user) = user::find(conn, &user_id.to_string())?.filter(|user| user.state == RecordState::Active) else { return Ok(None) };
    let mut roles: std::collections::BTreeMap<Uuid, Role> =
        membership::of_user(conn, user_id)?.into_iter().map(|member| (member.organization_id, member.role)).collect();
    let mut admin = user.draft.admin;
    if let Some(only) = scope.and_then(|scope| scope.organization_id) {
        let role = if admin { Some(Role::Administrator) } else { roles.get(&only).copied() };
        roles = role.map(|role| (only, role)).into_iter().collect();
        admin = false;
    }
    let read_only = scope.is_some_and(|scope| scope.read_only);
    Ok(Some(Viewer { user_id: Some(user.id), name: user.draft.name, admin, roles, read_only }))
}

/// 256 random bits; UUIDv4 twice would leave twelve of them fixed, so three are hashed.
fn new_secret() -> String {
    let mut entropy = Sha256::new();
    for _ in 0..3 {
        entropy.update(Uuid::new_v4().as_bytes());
    }
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = entropy.finalize();
    let mut secret = String::from("minato_");
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            secret.push(char::from(ALPHABET[((word >> (18 - 6 * index)) & 63) as usize]));
        }
    }
    secret
}

fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (new_secret(), new_secret());
        assert_ne!(a, b);
        assert_eq!(a.len(), "minato_".len() + 43);
    }
}
