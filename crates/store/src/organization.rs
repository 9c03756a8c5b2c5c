//! Organizations; the key is the slug.

use minato_catalog::{Noun, Organization};

use crate::record::{from_json, parse_id, parse_state, record_functions, to_json, utc};

record_functions!(organization, Organization, Noun::Organization);

impl Record for Organization {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.to_string(),
            key: self.draft.slug.clone(),
            label: self.draft.name.clone(),
            state: self.state.as_str().to_owned(),
            body: to_json(&self.draft)?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        Ok(Organization {
            draft: from_json("organization", &row.body)?,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
            id: parse_id(&row.id)?,
        })
    }
}
