//! Small values that servers share, by key.

use diesel::prelude::*;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::schema::setting::dsl;

/// The value of a key.
pub fn get(conn: &mut AnyConnection, key: &str) -> Result<Option<String>> {
    Ok(dsl::setting.filter(dsl::key.eq(key)).select(dsl::value).first(conn).optional()?)
}

/// Sets the value of a key. Call inside a write transaction.
pub fn set(conn: &mut AnyConnection, key: &str, value: &str) -> Result<()> {
    let changed = diesel::update(dsl::setting.filter(dsl::key.eq(key))).set(dsl::value.eq(value)).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(dsl::setting).values((dsl::key.eq(key), dsl::value.eq(value))).execute(conn)?;
    }
    Ok(())
}

/// Removes the keys that start with `prefix`, except `keep`.
pub fn remove_others(conn: &mut AnyConnection, prefix: &str, keep: &str) -> Result<()> {
    diesel::delete(dsl::setting.filter(dsl::key.like(format!("{prefix}%"))).filter(dsl::key.ne(keep))).execute(conn)?;
    Ok(())
}

/// Destroys the values of the keys that start with `prefix`, except those of `keep`: each is overwritten before it is removed, so that what
/// is left of it in the file of the database says nothing. Call inside a write transaction.
pub fn destroy_others(conn: &mut AnyConnection, prefix: &str, keep: &[String]) -> Result<usize> {
    let others = || dsl::setting.filter(dsl::key.like(format!("{prefix}%"))).filter(dsl::key.ne_all(keep.to_vec()));
    let found: Vec<(String, String)> = others().select((dsl::key, dsl::value)).load(conn)?;
    for (key, value) in &found {
        diesel::update(dsl::setting.filter(dsl::key.eq(key))).set(dsl::value.eq("0".repeat(value.len()))).execute(conn)?;
    }
    Ok(diesel::delete(others()).execute(conn)?)
}

/// The keys that start with `prefix`.
pub fn keys(conn: &mut AnyConnection, prefix: &str) -> Result<Vec<String>> {
    Ok(dsl::setting.filter(dsl::key.like(format!("{prefix}%"))).order(dsl::key).select(dsl::key).load(conn)?)
}
