//! What harvesting leaves to staff, and what they decided.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use minato_catalog::{DecisionKind, DecisionState, HarvestDecision};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::{Error, Result};
use crate::record::{from_json, parse_id, to_json, utc};
use crate::schema::harvest_decision;

#[derive(Queryable)]
struct Row {
    id: String,
    kind: String,
    source_id: String,
    subject: String,
    dataset_id: Option<String>,
    other_id: Option<String>,
    state: String,
    body: String,
    created: NaiveDateTime,
    decided: Option<NaiveDateTime>,
    decided_by: Option<String>,
}

impl TryFrom<Row> for HarvestDecision {
    type Error = Error;

    fn try_from(row: Row) -> Result<HarvestDecision> {
        Ok(HarvestDecision {
            id: parse_id(&row.id)?,
            kind: DecisionKind::parse(&row.kind).ok_or_else(|| Error::damaged("kind of decision", &row.kind))?,
            source_id: parse_id(&row.source_id)?,
            subject: row.subject,
            dataset_id: row.dataset_id.as_deref().map(parse_id).transpose()?,
            other_id: row.other_id.as_deref().map(parse_id).transpose()?,
            state: DecisionState::parse(&row.state).ok_or_else(|| Error::damaged("state of a decision", &row.state))?,
            reason: from_json("harvest decision", &row.body)?,
            created: utc(row.created),
            decided: row.decided.map(utc),
            decided_by: row.decided_by,
        })
    }
}

/// The decision with this id.
pub fn find(conn: &mut AnyConnection, id: Uuid) -> Result<Option<HarvestDecision>> {
    let row: Option<Row> = harvest_decision::table.filter(harvest_decision::id.eq(id.to_string())).first(conn).optional()?;
    row.map(HarvestDecision::try_from).transpose()
}

/// The decision of a kind about this subject.
pub fn find_by_subject(conn: &mut AnyConnection, kind: DecisionKind, subject: &str) -> Result<Option<HarvestDecision>> {
    let row: Option<Row> = harvest_decision::table
        .filter(harvest_decision::kind.eq(kind.as_str()))
        .filter(harvest_decision::subject.eq(subject))
        .first(conn)
        .optional()?;
    row.map(HarvestDecision::try_from).transpose()
}

/// Writes a decision; one of the same kind and subject is replaced.
pub fn save(conn: &mut AnyConnection, decision: &HarvestDecision) -> Result<()> {
    let values = (
        harvest_decision::source_id.eq(decision.source_id.to_string()),
        harvest_decision::dataset_id.eq(decision.dataset_id.map(|id| id.to_string())),
        harvest_decision::other_id.eq(decision.other_id.map(|id| id.to_string())),
        harvest_decision::state.eq(decision.state.as_str()),
        harvest_decision::body.eq(to_json(&decision.reason)?),
        harvest_decision::created.eq(decision.created.naive_utc()),
        harvest_decision::decided.eq(decision.decided.map(|at| at.naive_utc())),
        harvest_decision::decided_by.eq(&decision.decided_by),
    );
    let row = harvest_decision::table
        .filter(harvest_decision::kind.eq(decision.kind.as_str()))
        .filter(harvest_decision::subject.eq(&decision.subject));
    let changed = diesel::update(row).set(values.clone()).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(harvest_decision::table)
            .values((
                harvest_decision::id.eq(decision.id.to_string()),
                harvest_decision::kind.eq(decision.kind.as_str()),
                harvest_decision::subject.eq(&decision.subject),
                values,
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Forgets a decision that nobody made and that has lost its cause.
pub fn forget(conn: &mut AnyConnection, id: Uuid) -> Result<()> {
    diesel::delete(harvest_decision::table.filter(harvest_decision::id.eq(id.to_string()))).execute(conn)?;
    Ok(())
}

/// The decisions that say, or said, of a dataset that it is another one.
pub fn of_dataset(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<Vec<HarvestDecision>> {
    let id = dataset_id.to_string();
    let rows: Vec<Row> = harvest_decision::table
        .filter(harvest_decision::dataset_id.eq(&id).or(harvest_decision::other_id.eq(&id)))
        .order(harvest_decision::id)
        .load(conn)?;
    rows.into_iter().map(HarvestDecision::try_from).collect()
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct DecisionFilter {
    /// Only of these sources; of all when absent.
    pub sources: Option<Vec<Uuid>>,
    /// Only of this kind.
    pub kind: Option<DecisionKind>,
    /// Only in this state.
    pub state: Option<DecisionState>,
    /// Only those that are automatic ([`HarvestDecision::is_automatic`]), or only the others.
    pub automatic: Option<bool>,
    /// Only those before this moment.
    pub before: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: i64,
}

/// Decisions, newest first.
pub fn list(conn: &mut AnyConnection, filter: &DecisionFilter) -> Result<Vec<HarvestDecision>> {
    let mut query =
        harvest_decision::table.order((harvest_decision::created.desc(), harvest_decision::id.desc())).limit(filter.limit).into_boxed();
    if let Some(sources) = &filter.sources {
        query = query.filter(harvest_decision::source_id.eq_any(sources.iter().map(Uuid::to_string).collect::<Vec<_>>()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(harvest_decision::kind.eq(kind.as_str()));
    }
    if let Some(state) = filter.state {
        query = query.filter(harvest_decision::state.eq(state.as_str()));
    }
    let (kind, state) = HarvestDecision::AUTOMATIC;
    let (kind, state) = (kind.as_str(), state.as_str());
    match filter.automatic {
        Some(true) => query = query.filter(harvest_decision::kind.eq(kind).and(harvest_decision::state.eq(state))),
        Some(false) => query = query.filter(harvest_decision::kind.ne(kind).or(harvest_decision::state.ne(state))),
        None => {}
    }
    if let Some(before) = filter.before {
        query = query.filter(harvest_decision::created.lt(before.naive_utc()));
    }
    let rows: Vec<Row> = query.load(conn)?;
    rows.into_iter().map(HarvestDecision::try_from).collect()
}
