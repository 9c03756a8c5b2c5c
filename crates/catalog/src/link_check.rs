//! Whether the links of distributions lead to what they say.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Text;

/// How a link was found, from one moment to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkCheck {
    /// The distribution.
    pub distribution_id: Uuid,
    /// Its dataset.
    pub dataset_id: Uuid,
    /// The link.
    pub url: String,
    /// When it was first found so.
    pub at: DateTime<Utc>,
    /// When it was last found so.
    pub until: DateTime<Utc>,
    /// Whether it leads to a file.
    pub ok: bool,
    /// What was found.
    #[serde(flatten)]
    pub finding: LinkFinding,
}

/// What a link led to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct LinkFinding {
    /// HTTP status; `null` when nothing answered.
    #[serde(default)]
    pub status: Option<u16>,
    /// Media type as served.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Size in bytes as served, where it was said.
    #[serde(default)]
    pub byte_size: Option<i64>,
    /// SHA-256 of the bytes, where they were fetched.
    #[serde(default)]
    pub sha256: Option<String>,
    /// `ETag` as served.
    #[serde(default)]
    pub etag: Option<String>,
    /// `Last-Modified` as served.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// What is wrong, and what its publisher can do.
    #[serde(default)]
    pub problems: Vec<Text>,
}
