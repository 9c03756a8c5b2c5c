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
