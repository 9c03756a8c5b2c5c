//! What a dataset has in common with its copies in other sources.

use std::collections::BTreeSet;

use diesel::prelude::*;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::parse_id;
use crate::schema::dataset_key;

/// Makes these the keys of a dataset: kind and value. Writes only what differs.
pub fn replace(conn: &mut AnyConnection, dataset_id: Uuid, keys: &BTreeSet<(&'static str, String)>) -> Result<()> {
    let id = dataset_id.to_string();
    let before: Vec<(String, String)> =
        dataset_key::table.filter(dataset_key::dataset_id.eq(&id)).select((dataset_key::kind, dataset_key::value)).load(conn)?;
    for (kind, value) in before.iter().filter(|(kind, value)| !keys.iter().any(|key| key.0 == kind && key.1 == *value)) {
        let gone = dataset_key::table
            .filter(dataset_key::dataset_id.eq(&id))
            .filter(dataset_key::kind.eq(kind))
            .filter(dataset_key::value.eq(value));
        diesel::delete(gone).execute(conn)?;
    }
    for (kind, value) in keys.iter().filter(|(kind, value)| !before.iter().any(|key| key.0 == *kind && key.1 == *value)) {
        diesel::insert_into(dataset_key::table)
            .values((dataset_key::dataset_id.eq(&id), dataset_key::kind.eq(*kind), dataset_key::value.eq(value)))
            .execute(conn)?;
    }
    Ok(())
}

/// The keys of a dataset.
pub fn of_dataset(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<BTreeSet<(String, String)>> {
    Ok(dataset_key::table
        .filter(dataset_key::dataset_id.eq(dataset_id.to_string()))
        .select((dataset_key::kind, dataset_key::value))
        .load(conn)?
        .into_iter()
        .collect())
}

/// The other datasets that have a key of this kind and value, at most `limit`.
pub fn find_others(conn: &mut AnyConnection, dataset_id: Uuid, kind: &str, value: &str, limit: i64) -> Result<Vec<Uuid>> {
    let ids: Vec<String> = dataset_key::table
        .filter(dataset_key::kind.eq(kind))
        .filter(dataset_key::value.eq(value))
        .filter(dataset_key::dataset_id.ne(dataset_id.to_string()))
        .order(dataset_key::dataset_id)
        .limit(limit)
        .select(dataset_key::dataset_id)
        .load(conn)?;
    ids.iter().map(|id| parse_id(id)).collect()
}

/// Whether no dataset has keys yet: the catalog is older than they are.
pub fn is_empty(conn: &mut AnyConnection) -> Result<bool> {
    Ok(dataset_key::table.select(dataset_key::dataset_id).first::<String>(conn).optional()?.is_none())
}
