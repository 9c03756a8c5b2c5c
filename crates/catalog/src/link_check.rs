//! Whether the links of distributions lead to what they say.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{HarvestStatus, Text};

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

impl LinkCheck {
    /// Whether readers cannot get what the link should lead to: nothing answered, or not with a file. Of a server that only asks for fewer
    /// requests nothing is known.
    pub fn is_broken(&self) -> bool {
        !self.ok && self.finding.status.is_none_or(|status| status >= 400 && status != 429)
    }
}

/// A look at all links of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LinkCheckRun {
    /// Id; also the id of its job.
    pub id: Uuid,
    /// The source.
    pub source_id: Uuid,
    /// How it stands: `queued`, `running`, `complete` or `failed`.
    pub status: HarvestStatus,
    /// Whether somebody asked for it: then all links are looked at, else only those whose last finding is old.
    pub asked: bool,
    /// Links looked at so far.
    pub looked: i64,
    /// Those of them with which something is wrong.
    pub troubled: i64,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When a worker began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_broken_when_nothing_can_be_had() {
        for (ok, status, broken) in [
            (true, Some(200), false),
            (false, Some(200), false),
            (false, Some(404), true),
            (false, Some(503), true),
            (false, None, true),
            (false, Some(429), false),
        ] {
            let finding = LinkFinding { status, ..LinkFinding::default() };
            let (at, url) = (DateTime::UNIX_EPOCH, String::new());
            let check = LinkCheck { distribution_id: Uuid::nil(), dataset_id: Uuid::nil(), url, at, until: at, ok, finding };
            assert_eq!(check.is_broken(), broken, "{ok} {status:?}");
        }
    }
}
