//! Answers kept for requests that carry an `Idempotency-Key`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::schema::idempotency::dsl;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SHA-256 of method, path and body: the same key with another request is a mistake.
    pub request_hash: String,
    /// HTTP status.
    pub status: u16,
    /// Headers worth repeating, as a JSON object.
    pub headers: String,
    /// Body.
    pub body: String,
}

/// The answer kept for a key of an actor.
pub fn find(conn: &mut AnyConnection, actor: &str, key: &str) -> Result<Option<Answer>> {
    let row: Option<(String, i64, String, String)> = dsl::idempotency
        .filter(dsl::actor.eq(actor))
        .filter(dsl::key.eq(key))
        .select((dsl::request_hash, dsl::status, dsl::headers, dsl::body))
        .first(conn)
        .optional()?;
    Ok(row.map(|(request_hash, status, headers, body)| Answer {
        request_hash,
        status: u16::try_from(status).unwrap_or(200),
        headers,
        body,
    }))
}

/// Keeps an answer; call in the transaction that did the work.
pub fn keep(conn: &mut AnyConnection, actor: &str, key: &str, answer: &Answer, now: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(dsl::idempotency)
        .values((
            dsl::actor.eq(actor),
            dsl::key.eq(key),
            dsl::request_hash.eq(&answer.request_hash),
            dsl::status.eq(i64::from(answer.status)),
            dsl::headers.eq(&answer.headers),
            dsl::body.eq(&answer.body),
            dsl::created.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Forgets answers given before `before`.
pub fn forget(conn: &mut AnyConnection, before: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::delete(dsl::idempotency.filter(dsl::created.lt(before.naive_utc()))).execute(conn)?)
}
