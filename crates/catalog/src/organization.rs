//! Organizations: who publishes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::vocabulary::{DESCRIPTION_LENGTH_MAX, TITLE_LENGTH_MAX, check_email, check_length, check_text, check_title, check_url};
use crate::{FieldError, is_slug};

/// Whether a record is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// In use.
    #[default]
    Active,
    /// Put away: not shown, restorable.
    Archived,
}

impl RecordState {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordState::Active => "active",
            RecordState::Archived => "archived",
        }
    }
}

/// What sort of body an organization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationKind {
    /// A prefecture.
    Prefecture,
    /// A city, town, village or ward.
    #[default]
    Municipality,
    /// Anything else that publishes.
    Other,
}

/// A body that owns datasets; DCAT writes it as the publisher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// Id.
    pub id: Uuid,
    /// What the organization says of itself.
    #[serde(flatten)]
    pub draft: OrganizationDraft,
    /// Archived organizations are hidden with their datasets kept.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// The editable part of an [`Organization`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationDraft {
    /// Name in URLs: 2–100 of `a–z 0–9 - _`.
    pub slug: String,
    /// Name in Japanese, for example `府中町`.
    pub name: String,
    /// Name in English.
    #[serde(default)]
    pub name_en: Option<String>,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Local government code (全国地方公共団体コード), six digits with check digit.
    #[serde(default)]
    pub code: Option<String>,
    /// What sort of body it is.
    #[serde(default)]
    pub kind: OrganizationKind,
    /// Website.
    #[serde(default)]
    pub homepage: Option<String>,
    /// Mail address for questions about its data.
    #[serde(default)]
    pub email: Option<String>,
    /// Emblem or picture.
    #[serde(default)]
    pub image_url: Option<String>,
}

impl OrganizationDraft {
    /// What is wrong with it; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_slug(&mut errors, "/slug", &self.slug);
        check_title(&mut errors, "/name", &self.name);
        check_text(&mut errors, "/name_en", self.name_en.as_deref(), TITLE_LENGTH_MAX);
        check_length(&mut errors, "/description", &self.description, DESCRIPTION_LENGTH_MAX);
        check_url(&mut errors, "/homepage", self.homepage.as_deref());
        check_url(&mut errors, "/image_url", self.image_url.as_deref());
        check_email(&mut errors, "/email", self.email.as_deref());
        if is_local_government_code(&self.slug) && self.code.as_deref() != Some(self.slug.as_str()) {
            errors.push(FieldError::new(
                "/slug",
                "invalid_slug",
                "/slug に別の団体のコードは使えません。英字の名前にしてください。",
                "/slug must not be the code of another body; use a name in letters",
            ));
        }
        if let Some(code) = &self.code
            && !is_local_government_code(code)
        {
            errors.push(FieldError::new(
                "/code",
                "invalid_code",
                "/code は検査数字を含む 6 桁の全国地方公共団体コードにしてください（例: 342025）。",
                "/code must be the six-digit local government code with its check digit, for example 342025",
            ));
        }
        errors
    }
}

/// Whether `code` is six digits whose last is the right check digit.
pub fn is_local_government_code(code: &str) -> bool {
    let digits: Vec<u32> = code.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 6 || code.len() != 6 {
        return false;
    }
    let sum: u32 = digits[..5].iter().zip([6, 5, 4, 3, 2]).map(|(digit, weight)| digit * weight).sum();
    let check = if sum < 11 { 11 - sum } else { (11 - sum % 11) % 10 };
    check % 10 == digits[5]
}

pub(crate) fn check_slug(errors: &mut Vec<FieldError>, field: &str, slug: &str) {
    if !is_slug(slug) {
        errors.push(FieldError::new(
            field,
            "invalid_slug",
            format!("{field} は半角の英小文字・数字・ハイフン・アンダースコアで 2～100 文字にしてください。"),
            format!("{field} must be 2 to 100 characters of a-z, 0-9, hyphen and underscore"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_checked_by_their_digit() {
        for code in ["340006", "341002", "342025", "343021", "342149", "011002"] {
            assert!(is_local_government_code(code), "{code}");
        }
        for code in ["340007", "34202", "34２025", "abcdef", ""] {
            assert!(!is_local_government_code(code), "{code}");
        }
    }
}
