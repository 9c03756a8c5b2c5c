//! Synonym lists: what residents say for what cities publish, in the words of staff.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocabulary::check_length;
use crate::{FieldError, RecordState};

/// Longest text of a list, in characters: ten times the built-in one.
pub const SYNONYMS_LENGTH_MAX: usize = 100_000;

/// A synonym list kept by staff in place of the built-in one. There is one, `default`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SynonymList {
    /// Id; always [`SynonymList::DEFAULT`] for now.
    pub id: String,
    /// The list itself.
    #[serde(flatten)]
    pub draft: SynonymListDraft,
    /// An archived list is not used; the built-in one is.
    pub state: RecordState,
    /// Number of the latest revision.
    pub revision: i64,
    /// When staff first kept a list of their own.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
}

impl SynonymList {
    /// Id and key of the list that searches use.
    pub const DEFAULT: &str = "default";
}

/// The editable part of a [`SynonymList`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SynonymListDraft {
    /// One concept a line: `equivalent,equivalent|related,related`; `#` begins a comment.
    pub text: String,
}

impl SynonymListDraft {
    /// The text as it is kept: line feeds only, no byte order mark, so that a form or an editor that changed nothing else changes nothing.
    pub fn normalized(self) -> SynonymListDraft {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        SynonymListDraft { text: text.replace("\r\n", "\n").replace('\r', "\n") }
    }

    /// What is wrong with it beside its lines, which only the search can judge; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.text.trim().is_empty() {
            errors.push(FieldError::new(
                "/text",
                "required",
                "/text が空です。同義語を 1 行に 1 組ずつ入れてください。はじめの一覧に戻すには、DELETE（画面では「はじめの一覧に戻す」）を使ってください。",
                "/text is empty; write one concept a line, or go back to the built-in list by DELETE",
            ));
        }
        check_length(&mut errors, "/text", &self.text, SYNONYMS_LENGTH_MAX);
        errors
    }
}

/// The synonyms that searches use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SynonymsInUse {
    /// One concept a line: `equivalent,equivalent|related,related`; `#` begins a comment.
    pub text: String,
    /// Number of concepts in it.
    pub concepts: usize,
    /// Whether it is the list that comes with the catalog.
    pub built_in: bool,
    /// Number of the latest revision, the `ETag`; 0 while nobody ever changed the list.
    pub revision: i64,
    /// When staff last changed it; `null` while nobody ever did.
    pub updated: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let draft = SynonymListDraft { text: text.to_owned() }.normalized();
        assert_eq!(draft.check().iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), expected, "{text:.20}");
    }

    #[test]
    fn a_list_has_something_in_it_and_an_end() {
        check("a,b", &[]);
        check("# nothing yet", &[]);
        check("", &["required"]);
        check("\u{feff}\r\n \n", &["required"]);
        check(&"あ".repeat(SYNONYMS_LENGTH_MAX), &[]);
        check(&"あ".repeat(SYNONYMS_LENGTH_MAX + 1), &["too_long"]);
    }

    #[test]
    fn line_ends_become_one() {
        let draft = SynonymListDraft { text: "\u{feff}a,b\r\nc,d\re,f\n".to_owned() };
        assert_eq!(draft.normalized().text, "a,b\nc,d\ne,f\n");
    }
}
