//! People and programs that sign in, what they may do, and who is looking.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::organization::check_slug;
use crate::vocabulary::{TITLE_LENGTH_MAX, check_email, check_length};
use crate::{FieldError, RecordState};

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Id.
    pub id: Uuid,
    /// What is known of the user.
    #[serde(flatten)]
    pub draft: UserDraft,
    /// Archived users cannot sign in; their tokens stop working.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// The editable part of a [`User`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserDraft {
    /// Sign-in name: 2–100 of `a–z 0–9 - _`.
    pub name: String,
    /// Name shown to others.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// System administrators may do everything.
    #[serde(default)]
    pub admin: bool,
}

impl UserDraft {
    /// What is wrong with it; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_slug(&mut errors, "/name", &self.name);
        check_email(&mut errors, "/email", self.email.as_deref());
        check_length(&mut errors, "/display_name", self.display_name.as_deref().unwrap_or_default(), TITLE_LENGTH_MAX);
        errors
    }
}

/// What a member of an organization may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees internal and draft data.
    Viewer,
    /// Creates and edits datasets.
    Editor,
    /// Publishes and archives datasets.
    Publisher,
    /// Manages members, harvest sources and the organization itself.
    Administrator,
}

impl Role {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Editor => "editor",
            Role::Publisher => "publisher",
            Role::Administrator => "administrator",
        }
    }

    /// The role of that name; CKAN's `member` and `admin` are understood.
    pub fn parse(text: &str) -> Option<Role> {
        Some(match text {
            "viewer" | "member" => Role::Viewer,
            "editor" => Role::Editor,
            "publisher" => Role::Publisher,
            "administrator" | "admin" => Role::Administrator,
            _ => return None,
        })
    }
}

/// A user's role in an organization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// Id.
    pub id: Uuid,
    /// The organization.
    pub organization_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// What the user may do there.
    pub role: Role,
    /// Archived memberships give no rights.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// What an API token may do; nothing set means everything its user may.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenScope {
    /// Only this organization's data.
    #[serde(default)]
    pub organization_id: Option<Uuid>,
    /// Only reading.
    #[serde(default)]
    pub read_only: bool,
}

/// An API token; the secret itself is shown once, at creation, and kept only as a hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiToken {
    /// Id.
    pub id: Uuid,
    /// Whose rights it carries.
    pub user_id: Uuid,
    /// What it is for, in the owner's words.
    pub label: String,
    /// Limits on those rights.
    pub scope: TokenScope,
    /// When it stops working; `null` is never.
    pub expires: Option<DateTime<Utc>>,
    /// Archived tokens are revoked.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// Longest label of a token, in characters.
pub const TOKEN_LABEL_LENGTH_MAX: usize = 200;

/// What is wrong with the label of a token; empty when nothing is.
pub fn check_token_label(label: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if label.trim().is_empty() {
        errors.push(FieldError::new(
            "/label",
            "required",
            format!("/label に用途を {TOKEN_LABEL_LENGTH_MAX} 文字以内で入れてください。"),
            format!("/label must say what the token is for, in at most {TOKEN_LABEL_LENGTH_MAX} characters"),
        ));
    }
    check_length(&mut errors, "/label", label.trim(), TOKEN_LABEL_LENGTH_MAX);
    errors
}

/// Who is looking: decides what is visible and allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viewer {
    /// The signed-in user; `None` for the public and for jobs.
    pub user_id: Option<Uuid>,
    /// Name for records of who did what; empty for the public.
    pub name: String,
    /// System administrators (and the system's own jobs) may do everything.
    pub admin: bool,
    /// Roles by organization.
    pub roles: BTreeMap<Uuid, Role>,
    /// A token that may only read.
    pub read_only: bool,
}

impl Viewer {
    /// Anybody, not signed in.
    pub fn public() -> Self {
        Viewer::default()
    }

    /// The system itself: jobs, the command line.
    pub fn system(name: &str) -> Self {
        Viewer { name: name.to_owned(), admin: true, ..Viewer::default() }
    }

    /// Whether nobody is signed in.
    pub fn is_public(&self) -> bool {
        !self.admin && self.user_id.is_none()
    }

    /// Whether the viewer works for the catalog: a system administrator, or somebody with a role in any organization.
    pub fn is_staff(&self) -> bool {
        self.admin || !self.roles.is_empty()
    }

    /// Whether the viewer holds at least `role` in an organization.
    pub fn has_role(&self, organization_id: Uuid, role: Role) -> bool {
        self.admin || self.roles.get(&organization_id).is_some_and(|held| *held >= role)
    }

    /// The visibility predicate: may the viewer see a dataset of this organization, `open` saying that it is published and public?
    pub fn sees(&self, organization_id: Uuid, open: bool) -> bool {
        open || self.has_role(organization_id, Role::Viewer)
    }
}
