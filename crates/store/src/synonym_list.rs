//! Synonym lists; the key is the id.

use minato_catalog::{Noun, SynonymList};

use crate::record::{from_json, parse_state, record_functions, to_json, utc};

record_functions!(synonym_list, SynonymList, Noun::SynonymList);

impl Record for SynonymList {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.clone(),
            key: self.id.clone(),
            label: self.id.clone(),
            state: self.state.as_str().to_owned(),
            body: to_json(&self.draft)?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        Ok(SynonymList {
            draft: from_json("synonym list", &row.body)?,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
            id: row.id,
        })
    }
}
