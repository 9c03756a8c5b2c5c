//! Fields of harvested datasets that were corrected here.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use minato_catalog::Correction;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::{from_json, parse_id, to_json, utc};
use crate::schema::{harvest_overlay, harvest_record};

/// Dataset, path, value, base, actor, moment.
type Row = (String, String, String, String, String, NaiveDateTime);

fn correction((dataset_id, path, value, base, actor, at): Row) -> Result<Correction> {
    Ok(Correction {
        dataset_id: parse_id(&dataset_id)?,
        path,
        value: from_json("correction", &value)?,
        base: from_json("correction", &base)?,
        actor,
        at: utc(at),
    })
}

/// The corrections of a dataset, by path.
pub fn of_dataset(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<Vec<Correction>> {
    let rows: Vec<Row> =
        harvest_overlay::table.filter(harvest_overlay::dataset_id.eq(dataset_id.to_string())).order(harvest_overlay::path).load(conn)?;
    rows.into_iter().map(correction).collect()
}

/// The corrections of all datasets of a source with the records' ids there, by id and path.
pub fn of_source(conn: &mut AnyConnection, source_id: Uuid) -> Result<Vec<(String, Correction)>> {
    let rows: Vec<(String, Row)> = harvest_overlay::table
        .inner_join(harvest_record::table.on(harvest_record::dataset_id.eq(harvest_overlay::dataset_id.nullable())))
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .order((harvest_record::remote_id, harvest_overlay::path))
        .select((
            harvest_record::remote_id,
            (
                harvest_overlay::dataset_id,
                harvest_overlay::path,
                harvest_overlay::value,
                harvest_overlay::base,
                harvest_overlay::actor,
                harvest_overlay::at,
            ),
        ))
        .load(conn)?;
    rows.into_iter().map(|(remote_id, row)| Ok((remote_id, correction(row)?))).collect()
}

/// Writes a correction in place of an earlier one of the same path.
pub fn save(conn: &mut AnyConnection, correction: &Correction) -> Result<()> {
    let id = correction.dataset_id.to_string();
    let values = (
        harvest_overlay::value.eq(to_json(&correction.value)?),
        harvest_overlay::base.eq(to_json(&correction.base)?),
        harvest_overlay::actor.eq(&correction.actor),
        harvest_overlay::at.eq(correction.at.naive_utc()),
    );
    let row = harvest_overlay::table.filter(harvest_overlay::dataset_id.eq(&id)).filter(harvest_overlay::path.eq(&correction.path));
    let changed = diesel::update(row).set(values.clone()).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(harvest_overlay::table)
            .values((harvest_overlay::dataset_id.eq(&id), harvest_overlay::path.eq(&correction.path), values))
            .execute(conn)?;
    }
    Ok(())
}

/// Drops a correction; `false` when there was none.
pub fn drop_one(conn: &mut AnyConnection, dataset_id: Uuid, path: &str) -> Result<bool> {
    let row = harvest_overlay::table.filter(harvest_overlay::dataset_id.eq(dataset_id.to_string())).filter(harvest_overlay::path.eq(path));
    Ok(diesel::delete(row).execute(conn)? > 0)
}
