//! Themes; the key is the id.

use minato_catalog::{Noun, Theme};

use crate::record::{from_json, parse_state, record_functions, to_json, utc};

record_functions!(theme, Theme, Noun::Theme);

impl Record for Theme {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.clone(),
            key: self.id.clone(),
            label: self.draft.title.clone(),
            state: self.state.as_str().to_owned(),
            body: to_json(&self.draft)?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        Ok(Theme {
            draft: from_json("theme", &row.body)?,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
            id: row.id,
        })
    }
}
