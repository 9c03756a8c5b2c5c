//! API tokens; the key is the SHA-256 of the secret, which is never stored.

use chrono::{DateTime, Utc};
use minato_catalog::{ApiToken, Noun, TokenScope};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::{from_json, parse_id, parse_state, record_functions, to_json, utc};

/// A token with the hash it is found by.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredToken {
    /// What may be shown.
    pub token: ApiToken,
    /// SHA-256 of the secret, lower-case hexadecimal.
    pub hash: String,
}

record_functions!(api_token, StoredToken, Noun::ApiToken);

#[derive(Serialize, Deserialize)]
struct Body {
    user_id: Uuid,
    label: String,
    scope: TokenScope,
    expires: Option<DateTime<Utc>>,
}

impl Record for StoredToken {
    fn to_row(&self) -> Result<Row> {
        let token = &self.token;
        let body = Body { user_id: token.user_id, label: token.label.clone(), scope: token.scope.clone(), expires: token.expires };
        Ok(Row {
            id: token.id.to_string(),
            key: self.hash.clone(),
            label: token.user_id.to_string(),
            state: token.state.as_str().to_owned(),
            body: to_json(&body)?,
            revision: token.revision,
            created: token.created.naive_utc(),
            updated: token.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        let body: Body = from_json("api token", &row.body)?;
        let token = ApiToken {
            id: parse_id(&row.id)?,
            user_id: body.user_id,
            label: body.label,
            scope: body.scope,
            expires: body.expires,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
        };
        Ok(StoredToken { token, hash: row.key })
    }
}
