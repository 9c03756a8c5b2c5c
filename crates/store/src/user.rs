//! Users; the key is the sign-in name. The table is `user_account`: `user` is reserved in PostgreSQL.

use minato_catalog::{Noun, User};

use crate::record::{from_json, parse_id, parse_state, record_functions, to_json, utc};

record_functions!(user_account, User, Noun::User);

impl Record for User {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.to_string(),
            key: self.draft.name.clone(),
            label: self.draft.display_name.clone().unwrap_or_else(|| self.draft.name.clone()),
            state: self.state.as_str().to_owned(),
            body: to_json(&self.draft)?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        Ok(User {
            draft: from_json("user", &row.body)?,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
            id: parse_id(&row.id)?,
        })
    }
}
