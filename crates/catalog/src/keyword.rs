//! Keywords (`dcat:keyword`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::vocabulary::{DESCRIPTION_LENGTH_MAX, TITLE_LENGTH_MAX, check_text};
use crate::{FieldError, RecordState};

/// A word that datasets are tagged with. Using a new one on a dataset records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Keyword {
    /// Id.
    pub id: Uuid,
    /// The word and its labels.
    #[serde(flatten)]
    pub draft: KeywordDraft,
    /// Archived keywords are offered no more.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// The editable part of a [`Keyword`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeywordDraft {
    /// The word itself, unique in the catalog.
    pub name: String,
    /// English label.
    #[serde(default)]
    pub name_en: Option<String>,
    /// When to use it.
    #[serde(default)]
    pub description: Option<String>,
}

impl KeywordDraft {
    /// What is wrong with it; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_keyword(&mut errors, "/name", &self.name);
        check_text(&mut errors, "/name_en", self.name_en.as_deref(), TITLE_LENGTH_MAX);
        check_text(&mut errors, "/description", self.description.as_deref(), DESCRIPTION_LENGTH_MAX);
        errors
    }
}

pub(crate) fn check_keyword(errors: &mut Vec<FieldError>, field: &str, word: &str) {
    if word.trim().is_empty() {
        errors.push(FieldError::required(field));
    }
    crate::vocabulary::check_length(errors, field, word, 100);
}
