//! What is kept of the portal that was before: the numbers it gave, and downloads it reported.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::parse_id;
use crate::schema::{dataset_alias, reported_download, resource_alias};

/// Downloads of one file in a month, as reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDownload {
    /// The file's id at the portal, or what else names it there.
    pub resource: String,
    /// What the report calls it.
    pub title: String,
    /// The dataset it is here.
    pub dataset_id: Option<Uuid>,
    /// The distribution it is here.
    pub distribution_id: Option<Uuid>,
    /// Downloads.
    pub total: i64,
}

/// Gives a dataset the number it had; whoever had it before loses it. Says whether that is new.
pub fn set_dataset_number(conn: &mut AnyConnection, number: &str, dataset_id: Uuid) -> Result<bool> {
    let row = dataset_alias::table.filter(dataset_alias::alias.eq(number));
    let known: Option<String> = row.select(dataset_alias::dataset_id).first(conn).optional()?;
    if known.as_deref() == Some(dataset_id.to_string().as_str()) {
        return Ok(false);
    }
    diesel::delete(row).execute(conn)?;
    crate::dataset::add_alias(conn, number, dataset_id)?;
    Ok(true)
}

/// Gives a distribution the number its file had; whoever had it before loses it. Says whether that is new.
pub fn set_resource_number(conn: &mut AnyConnection, number: &str, distribution_id: Uuid) -> Result<bool> {
    if find_resource(conn, number)? == Some(distribution_id) {
        return Ok(false);
    }
    diesel::delete(resource_alias::table.filter(resource_alias::alias.eq(number))).execute(conn)?;
    diesel::insert_into(resource_alias::table)
        .values((resource_alias::alias.eq(number), resource_alias::distribution_id.eq(distribution_id.to_string())))
        .execute(conn)?;
    Ok(true)
}

/// The distribution whose file had this number.
pub fn find_resource(conn: &mut AnyConnection, number: &str) -> Result<Option<Uuid>> {
    let row: Option<String> =
        resource_alias::table.filter(resource_alias::alias.eq(number)).select(resource_alias::distribution_id).first(conn).optional()?;
    row.map(|id| parse_id(&id)).transpose()
}

/// Replaces what a portal reported of a month, file by file. Resources are unique within `rows`.
pub fn replace_reported(conn: &mut AnyConnection, month: &str, source: &str, rows: &[ReportedDownload]) -> Result<()> {
    diesel::delete(reported_download::table.filter(reported_download::month.eq(month)).filter(reported_download::source.eq(source)))
        .execute(conn)?;
    for row in rows {
        diesel::insert_into(reported_download::table)
            .values((
                reported_download::month.eq(month),
                reported_download::source.eq(source),
                reported_download::resource.eq(&row.resource),
                reported_download::title.eq(&row.title),
                reported_download::dataset_id.eq(row.dataset_id.map(|id| id.to_string())),
                reported_download::distribution_id.eq(row.distribution_id.map(|id| id.to_string())),
                reported_download::total.eq(row.total),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Reported downloads of datasets: month, distribution (where the file is here), sum. By month, oldest first.
pub fn reported_of_datasets(conn: &mut AnyConnection, dataset_ids: &[Uuid]) -> Result<Vec<(String, Option<Uuid>, i64)>> {
    let ids: Vec<String> = dataset_ids.iter().map(Uuid::to_string).collect();
    let rows: Vec<(String, Option<String>, i64)> = reported_download::table
        .filter(reported_download::dataset_id.eq_any(ids))
        .group_by((reported_download::month, reported_download::distribution_id))
        // Raw: the sum of BIGINT is NUMERIC on PostgreSQL.
        .select((reported_download::month, reported_download::distribution_id, sql::<BigInt>("CAST(SUM(total) AS BIGINT)")))
        .order((reported_download::month, reported_download::distribution_id))
        .load(conn)?;
    rows.into_iter().map(|(month, id, total)| Ok((month, id.as_deref().map(parse_id).transpose()?, total))).collect()
}
