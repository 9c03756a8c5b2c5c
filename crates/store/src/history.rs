//! Revisions, the audit trail and the change log.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use minato_catalog::{Action, AuditEvent, Change, Noun, Revision, RevisionSummary, new_id};

use crate::connection::AnyConnection;
use crate::error::{Error, Result};
use crate::record::{Saved, from_json, parse_id, utc};
use crate::schema::{audit_event, change, revision};

/// Writes what happened to a record: revision, audit event and change. Returns the change's position.
#[allow(clippy::too_many_arguments)]
pub(crate) fn record(
    conn: &mut AnyConnection,
    noun: Noun,
    subject_id: &str,
    number: i64,
    action: Action,
    actor: &str,
    at: NaiveDateTime,
    content: &str,
) -> Result<Saved> {
    diesel::insert_into(revision::table)
        .values((
            revision::noun.eq(noun.as_str()),
            revision::subject_id.eq(subject_id),
            revision::number.eq(number),
            revision::action.eq(action.as_str()),
            revision::actor.eq(actor),
            revision::at.eq(at),
            revision::content.eq(content),
        ))
        .execute(conn)?;
    diesel::insert_into(audit_event::table)
        .values((
            audit_event::id.eq(new_id().to_string()),
            audit_event::at.eq(at),
            audit_event::actor.eq(actor),
            audit_event::noun.eq(noun.as_str()),
            audit_event::subject_id.eq(subject_id),
            audit_event::action.eq(action.as_str()),
            audit_event::revision.eq(number),
        ))
        .execute(conn)?;
    let seq: i64 = diesel::insert_into(change::table)
        .values((
            change::noun.eq(noun.as_str()),
            change::subject_id.eq(subject_id),
            change::action.eq(action.as_str()),
            change::revision.eq(number),
            change::at.eq(at),
        ))
        .returning(change::seq)
        .get_result(conn)?;
    Ok(Saved { seq })
}

/// Position of the last change; 0 when there is none.
pub fn last_seq(conn: &mut AnyConnection) -> Result<i64> {
    Ok(change::table.select(change::seq).order(change::seq.desc()).first(conn).optional()?.unwrap_or(0))
}

/// The changes after `seq`, oldest first, at most `limit`.
pub fn changes_after(conn: &mut AnyConnection, seq: i64, limit: i64) -> Result<Vec<Change>> {
    let rows: Vec<(i64, String, String, String, i64, NaiveDateTime)> =
        change::table.filter(change::seq.gt(seq)).order(change::seq).limit(limit).load(conn)?;
    rows.into_iter()
        .map(|(seq, noun, subject_id, action, revision, at)| {
            Ok(Change { seq, noun: parse_noun(&noun)?, subject_id, action: parse_action(&action)?, revision, at: utc(at) })
        })
        .collect()
}

/// The revisions of a record without their contents, newest first.
pub fn revisions(conn: &mut AnyConnection, noun: Noun, subject_id: &str) -> Result<Vec<RevisionSummary>> {
    let rows: Vec<(i64, String, String, NaiveDateTime)> = revision::table
        .filter(revision::noun.eq(noun.as_str()))
        .filter(revision::subject_id.eq(subject_id))
        .order(revision::number.desc())
        .select((revision::number, revision::action, revision::actor, revision::at))
        .load(conn)?;
    rows.into_iter()
        .map(|(number, action, actor, at)| Ok(RevisionSummary { number, action: parse_action(&action)?, actor, at: utc(at) }))
        .collect()
}

/// One revision of a record.
pub fn find_revision(conn: &mut AnyConnection, noun: Noun, subject_id: &str, number: i64) -> Result<Option<Revision>> {
    let row: Option<(String, String, NaiveDateTime, String)> = revision::table
        .filter(revision::noun.eq(noun.as_str()))
        .filter(revision::subject_id.eq(subject_id))
        .filter(revision::number.eq(number))
        .select((revision::action, revision::actor, revision::at, revision::content))
        .first(conn)
        .optional()?;
    row.map(|(action, actor, at, content)| {
        let mut content = from_json("revision", &content)?;
        // Addresses from before credentials in them were refused.
        minato_catalog::hide_credentials(&mut content);
        Ok(Revision { number, action: parse_action(&action)?, actor, at: utc(at), content })
    })
    .transpose()
}

/// The audit events of a record, newest first, at most `limit`.
pub fn audit_events(conn: &mut AnyConnection, noun: Noun, subject_id: &str, limit: i64) -> Result<Vec<AuditEvent>> {
    let rows: Vec<(String, NaiveDateTime, String, String, String, String, i64)> = audit_event::table
        .filter(audit_event::noun.eq(noun.as_str()))
        .filter(audit_event::subject_id.eq(subject_id))
        .order((audit_event::at.desc(), audit_event::id.desc()))
        .limit(limit)
        .load(conn)?;
    rows.into_iter()
        .map(|(id, at, actor, noun, subject_id, action, revision)| {
            Ok(AuditEvent {
                id: parse_id(&id)?,
                at: utc(at),
                actor,
                noun: parse_noun(&noun)?,
                subject_id,
                action: parse_action(&action)?,
                revision,
            })
        })
        .collect()
}

fn parse_noun(text: &str) -> Result<Noun> {
    Noun::parse(text).ok_or_else(|| Error::damaged("noun", text))
}

fn parse_action(text: &str) -> Result<Action> {
    Action::parse(text).ok_or_else(|| Error::damaged("action", text))
}
