//! Keywords; the key is the word.

use minato_catalog::{Keyword, Noun};

use crate::record::{from_json, parse_id, parse_state, record_functions, to_json, utc};

record_functions!(keyword, Keyword, Noun::Keyword);

impl Record for Keyword {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.to_string(),
            key: self.draft.name.clone(),
            label: self.draft.name.clone(),
            state: self.state.as_str().to_owned(),
            body: to_json(&self.draft)?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        Ok(Keyword {
            draft: from_json("keyword", &row.body)?,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
            id: parse_id(&row.id)?,
        })
    }
}
