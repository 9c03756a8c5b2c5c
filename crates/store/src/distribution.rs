//! Where a distribution belongs, and the versions of its file.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use minato_catalog::FileVersion;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::{parse_id, utc};
use crate::schema::{distribution, file_version};

/// Version, hash, size, name, media type, created, where it was copied from.
type VersionRow = (i64, String, i64, String, String, NaiveDateTime, Option<String>);

/// The dataset a distribution belongs or belonged to, and whether it still does.
pub fn find_dataset(conn: &mut AnyConnection, id: Uuid) -> Result<Option<(Uuid, bool)>> {
    let row: Option<(String, bool)> = distribution::table
        .filter(distribution::id.eq(id.to_string()))
        .select((distribution::dataset_id, distribution::active))
        .first(conn)
        .optional()?;
    row.map(|(dataset_id, active)| Ok((parse_id(&dataset_id)?, active))).transpose()
}

/// The distributions of a dataset that left it.
pub fn removed_of_dataset(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<Vec<Uuid>> {
    let ids: Vec<String> = distribution::table
        .filter(distribution::dataset_id.eq(dataset_id.to_string()))
        .filter(distribution::active.eq(false))
        .select(distribution::id)
        .load(conn)?;
    ids.iter().map(|id| parse_id(id)).collect()
}

/// The versions of a distribution's file, newest first.
pub fn versions(conn: &mut AnyConnection, id: Uuid) -> Result<Vec<FileVersion>> {
    let rows: Vec<VersionRow> = file_version::table
        .filter(file_version::distribution_id.eq(id.to_string()))
        .order(file_version::version.desc())
        .select((
            file_version::version,
            file_version::sha256,
            file_version::byte_size,
            file_version::file_name,
            file_version::media_type,
            file_version::created,
            file_version::source_url,
        ))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(version, sha256, byte_size, file_name, media_type, created, source_url)| FileVersion {
            version,
            sha256,
            byte_size,
            file_name,
            media_type,
            created: utc(created),
            source_url,
        })
        .collect())
}

/// Adds a version to a distribution that is already saved with its dataset.
pub fn add_version(conn: &mut AnyConnection, id: Uuid, version: &FileVersion) -> Result<()> {
    diesel::insert_into(file_version::table)
        .values((
            file_version::distribution_id.eq(id.to_string()),
            file_version::version.eq(version.version),
            file_version::sha256.eq(&version.sha256),
            file_version::byte_size.eq(version.byte_size),
            file_version::file_name.eq(&version.file_name),
            file_version::media_type.eq(&version.media_type),
            file_version::created.eq(version.created.naive_utc()),
            file_version::source_url.eq(&version.source_url),
        ))
        .execute(conn)?;
    Ok(())
}

/// The hashes of all files that any version refers to, without repetition.
pub fn all_hashes(conn: &mut AnyConnection) -> Result<Vec<String>> {
    Ok(file_version::table.select(file_version::sha256).distinct().load(conn)?)
}
