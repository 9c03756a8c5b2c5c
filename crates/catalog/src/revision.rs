//! What happened: revisions, the change log, the audit trail.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The nouns that are kept with history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    /// [`crate::Dataset`]
    Dataset,
    /// [`crate::Organization`]
    Organization,
    /// [`crate::Theme`]
    Theme,
    /// [`crate::Licence`]
    Licence,
    /// [`crate::Keyword`]
    Keyword,
    /// [`crate::User`]
    User,
    /// [`crate::Membership`]
    Membership,
    /// [`crate::ApiToken`]
    ApiToken,
    /// [`crate::HarvestSource`]
    HarvestSource,
    /// [`crate::SynonymList`]
    SynonymList,
}

impl Noun {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Noun::Dataset => "dataset",
            Noun::Organization => "organization",
            Noun::Theme => "theme",
            Noun::Licence => "licence",
            Noun::Keyword => "keyword",
            Noun::User => "user",
            Noun::Membership => "membership",
            Noun::ApiToken => "api_token",
            Noun::HarvestSource => "harvest_source",
            Noun::SynonymList => "synonym_list",
        }
    }

    /// The noun of that name.
    pub fn parse(text: &str) -> Option<Noun> {
        use Noun::*;
        [Dataset, Organization, Theme, Licence, Keyword, User, Membership, ApiToken, HarvestSource, SynonymList]
            .into_iter()
            .find(|noun| noun.as_str() == text)
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A new record.
    Create,
    /// New content.
    Update,
    /// Put away.
    Archive,
    /// Brought back.
    Restore,
}

impl Action {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Archive => "archive",
            Action::Restore => "restore",
        }
    }

    /// The action of that name.
    pub fn parse(text: &str) -> Option<Action> {
        [Action::Create, Action::Update, Action::Archive, Action::Restore].into_iter().find(|action| action.as_str() == text)
    }
}

/// One entry of the change log. `seq` rises in commit order without entries appearing behind a reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Position in the log.
    pub seq: i64,
    /// What kind of record changed.
    pub noun: Noun,
    /// Its id.
    pub subject_id: String,
    /// What happened.
    pub action: Action,
    /// The revision it led to.
    pub revision: i64,
    /// When.
    pub at: DateTime<Utc>,
}

/// One kept state of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// 1 for the first.
    pub number: i64,
    /// What led to it.
    pub action: Action,
    /// Who did it, by name; empty for the system before names were kept.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The whole content then.
    #[schema(value_type = Object)]
    pub content: serde_json::Value,
}

/// A revision in a list: everything but the content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RevisionSummary {
    /// 1 for the first.
    pub number: i64,
    /// What led to it.
    pub action: Action,
    /// Who did it, by name.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// One difference between two revisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// JSON pointer of the field.
    pub field: String,
    /// Value before; absent when the field was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// Value after; absent when the field was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
}

/// What differs between two contents, field by field in the order of the fields; arrays of objects with an `id` are matched by it.
pub fn diff(before: &serde_json::Value, after: &serde_json::Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    walk(&mut differences, String::new(), before, after);
    differences
}

fn walk(out: &mut Vec<Difference>, field: String, before: &serde_json::Value, after: &serde_json::Value) {
    use serde_json::Value;
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                let field = format!("{field}/{key}");
                match b.get(key) {
                    Some(other) => walk(out, field, value, other),
                    None => out.push(Difference { field, before: Some(value.clone()), after: None }),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                out.push(Difference { field: format!("{field}/{key}"), before: None, after: Some(value.clone()) });
            }
        }
        (Value::Array(a), Value::Array(b)) if a.iter().chain(b).all(|item| item.get("id").is_some()) => {
            for item in a {
                let field = format!("{field}/{}", item["id"].as_str().unwrap_or_default());
                match b.iter().find(|other| other["id"] == item["id"]) {
                    Some(other) => walk(out, field, item, other),
                    None => out.push(Difference { field, before: Some(item.clone()), after: None }),
                }
            }
            for item in b.iter().filter(|item| !a.iter().any(|other| other["id"] == item["id"])) {
                let field = format!("{field}/{}", item["id"].as_str().unwrap_or_default());
                out.push(Difference { field, before: None, after: Some(item.clone()) });
            }
        }
        _ => out.push(Difference { field, before: Some(before.clone()), after: Some(after.clone()) }),
    }
}

/// One entry of the audit trail: who did what to which record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, by name.
    pub actor: String,
    /// What kind of record.
    pub noun: Noun,
    /// Its id.
    pub subject_id: String,
    /// What happened.
    pub action: Action,
    /// The revision it led to.
    pub revision: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_fields() {
        let before = json!({"title": "a", "x": 1, "distributions": [{"id": "1", "title": "f"}, {"id": "2"}]});
        let after = json!({"title": "b", "distributions": [{"id": "1", "title": "g"}, {"id": "3"}]});
        let fields: Vec<String> = diff(&before, &after).into_iter().map(|d| d.field).collect();
        assert_eq!(fields, ["/title", "/x", "/distributions/1/title", "/distributions/2", "/distributions/3"]);
        assert!(diff(&before, &before).is_empty());
    }
}
