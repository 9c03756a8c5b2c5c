//! Memberships; the key is the pair of organization and user.

use minato_catalog::{Membership, Noun, Role};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::{from_json, parse_id, parse_state, record_functions, to_json, utc};

record_functions!(membership, Membership, Noun::Membership);

#[derive(Serialize, Deserialize)]
struct Body {
    organization_id: Uuid,
    user_id: Uuid,
    role: Role,
}

impl Record for Membership {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.to_string(),
            key: key(self.organization_id, self.user_id),
            label: self.user_id.to_string(),
            state: self.state.as_str().to_owned(),
            body: to_json(&Body { organization_id: self.organization_id, user_id: self.user_id, role: self.role })?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        let body: Body = from_json("membership", &row.body)?;
        Ok(Membership {
            id: parse_id(&row.id)?,
            organization_id: body.organization_id,
            user_id: body.user_id,
            role: body.role,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
        })
    }
}

/// The membership of a user in an organization, archived or not.
pub fn find_pair(conn: &mut AnyConnection, organization_id: Uuid, user_id: Uuid) -> Result<Option<Membership>> {
    find_by_key(conn, &key(organization_id, user_id))
}

/// The active memberships of a user.
pub fn of_user(conn: &mut AnyConnection, user_id: Uuid) -> Result<Vec<Membership>> {
    let rows: Vec<Row> =
        dsl::membership.filter(dsl::label.eq(user_id.to_string())).filter(dsl::state.eq("active")).order(dsl::key).load(conn)?;
    rows.into_iter().map(Membership::from_row).collect()
}

/// The active memberships in an organization.
pub fn of_organization(conn: &mut AnyConnection, organization_id: Uuid) -> Result<Vec<Membership>> {
    let starts = format!("{organization_id}/%");
    let rows: Vec<Row> = dsl::membership.filter(dsl::key.like(starts)).filter(dsl::state.eq("active")).order(dsl::key).load(conn)?;
    rows.into_iter().map(Membership::from_row).collect()
}

fn key(organization_id: Uuid, user_id: Uuid) -> String {
    format!("{organization_id}/{user_id}")
}
