//! Harvest sources (the key is the slug), and what is known of each record.

use chrono::{DateTime, NaiveDateTime, Utc};
use minato_catalog::{HarvestRecordReport, HarvestSource, HarvestSourceDraft, Noun, RecordOutcome};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::{from_json, parse_id, parse_state, record_functions, to_json, utc};
use crate::schema::{harvest_outcome, harvest_record, job};

record_functions!(harvest_source, HarvestSource, Noun::HarvestSource);

#[derive(Serialize, Deserialize)]
struct Body {
    draft: HarvestSourceDraft,
    organization_id: Uuid,
}

impl Record for HarvestSource {
    fn to_row(&self) -> Result<Row> {
        Ok(Row {
            id: self.id.to_string(),
            key: self.draft.slug.clone(),
            label: self.draft.title.clone(),
            state: self.state.as_str().to_owned(),
            body: to_json(&Body { draft: self.draft.clone(), organization_id: self.organization_id })?,
            revision: self.revision,
            created: self.created.naive_utc(),
            updated: self.updated.naive_utc(),
        })
    }

    fn from_row(row: Row) -> Result<Self> {
        let body: Body = from_json("harvest source", &row.body)?;
        Ok(HarvestSource {
            id: parse_id(&row.id)?,
            draft: body.draft,
            organization_id: body.organization_id,
            state: parse_state(&row.state)?,
            revision: row.revision,
            created: utc(row.created),
            updated: utc(row.updated),
        })
    }
}

/// What is known of one record of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct HarvestRecord {
    /// The source.
    pub source_id: Uuid,
    /// The record's id there.
    pub remote_id: String,
    /// Another id that may move between records, such as a row number.
    pub alternate_id: Option<String>,
    /// The dataset it is here; `None` when it never converted.
    pub dataset_id: Option<Uuid>,
    /// Hash of the converted content: equal means unchanged.
    pub content_hash: String,
    /// What was last received, as it came.
    pub raw: String,
    /// The run that last saw it.
    pub last_run_id: Uuid,
    /// Complete runs it was absent from.
    pub missing_runs: i64,
    /// When it was first absent.
    pub missing_since: Option<DateTime<Utc>>,
    /// Whether its dataset was archived because of the absence.
    pub archived: bool,
    /// When this row last changed.
    pub updated: DateTime<Utc>,
    /// The record as converted, before corrections made here; JSON of a draft.
    pub draft: Option<String>,
    /// Equal for a record that changed its id and nothing else.
    pub fingerprint: Option<String>,
}

#[derive(Queryable)]
struct RecordRow {
    source_id: String,
    remote_id: String,
    alternate_id: Option<String>,
    dataset_id: Option<String>,
    content_hash: String,
    raw: String,
    last_run_id: String,
    missing_runs: i64,
    missing_since: Option<NaiveDateTime>,
    archived: bool,
    updated: NaiveDateTime,
    draft: Option<String>,
    fingerprint: Option<String>,
}

impl TryFrom<RecordRow> for HarvestRecord {
    type Error = Error;

    fn try_from(row: RecordRow) -> Result<HarvestRecord> {
        Ok(HarvestRecord {
            source_id: parse_id(&row.source_id)?,
            remote_id: row.remote_id,
            alternate_id: row.alternate_id,
            dataset_id: row.dataset_id.as_deref().map(parse_id).transpose()?,
            content_hash: row.content_hash,
            raw: row.raw,
            last_run_id: parse_id(&row.last_run_id)?,
            missing_runs: row.missing_runs,
            missing_since: row.missing_since.map(utc),
            archived: row.archived,
            updated: utc(row.updated),
            draft: row.draft,
            fingerprint: row.fingerprint,
        })
    }
}

/// The record of a source with this remote id.
pub fn find_record(conn: &mut AnyConnection, source_id: Uuid, remote_id: &str) -> Result<Option<HarvestRecord>> {
    let row: Option<RecordRow> = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::remote_id.eq(remote_id))
        .first(conn)
        .optional()?;
    row.map(HarvestRecord::try_from).transpose()
}

/// The record that a dataset was harvested from.
pub fn find_record_of_dataset(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<Option<HarvestRecord>> {
    let row: Option<RecordRow> =
        harvest_record::table.filter(harvest_record::dataset_id.eq(dataset_id.to_string())).first(conn).optional()?;
    row.map(HarvestRecord::try_from).transpose()
}

/// Writes what is known of a record.
pub fn save_record(conn: &mut AnyConnection, record: &HarvestRecord) -> Result<()> {
    let source_id = record.source_id.to_string();
    let values = (
        harvest_record::alternate_id.eq(&record.alternate_id),
        harvest_record::dataset_id.eq(record.dataset_id.map(|id| id.to_string())),
        harvest_record::content_hash.eq(&record.content_hash),
        harvest_record::raw.eq(&record.raw),
        harvest_record::last_run_id.eq(record.last_run_id.to_string()),
        harvest_record::missing_runs.eq(record.missing_runs),
        harvest_record::missing_since.eq(record.missing_since.map(|at| at.naive_utc())),
        harvest_record::archived.eq(record.archived),
        harvest_record::updated.eq(record.updated.naive_utc()),
        harvest_record::draft.eq(&record.draft),
        harvest_record::fingerprint.eq(&record.fingerprint),
    );
    let row =
        harvest_record::table.filter(harvest_record::source_id.eq(&source_id)).filter(harvest_record::remote_id.eq(&record.remote_id));
    let changed = diesel::update(row).set(values.clone()).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(harvest_record::table)
            .values((harvest_record::source_id.eq(&source_id), harvest_record::remote_id.eq(&record.remote_id), values))
            .execute(conn)?;
    }
    Ok(())
}

/// The record with this other id that `run_id` did not see and that is not archived.
pub fn find_unseen_by_alternate(
    conn: &mut AnyConnection,
    source_id: Uuid,
    alternate_id: &str,
    run_id: Uuid,
) -> Result<Option<HarvestRecord>> {
    let row: Option<RecordRow> = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::alternate_id.eq(alternate_id))
        .filter(harvest_record::last_run_id.ne(run_id.to_string()))
        .filter(harvest_record::archived.eq(false))
        .first(conn)
        .optional()?;
    row.map(HarvestRecord::try_from).transpose()
}

/// The records with this fingerprint that `run_id` did not see and that are not archived; at most two.
pub fn find_unseen_by_fingerprint(
    conn: &mut AnyConnection,
    source_id: Uuid,
    fingerprint: &str,
    run_id: Uuid,
) -> Result<Vec<HarvestRecord>> {
    let rows: Vec<RecordRow> = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::fingerprint.eq(fingerprint))
        .filter(harvest_record::last_run_id.ne(run_id.to_string()))
        .filter(harvest_record::archived.eq(false))
        .limit(2)
        .load(conn)?;
    rows.into_iter().map(HarvestRecord::try_from).collect()
}

/// Records of a run that wait for the end of its listing, as `content_hash` says; at most `limit`.
pub fn pending_records(
    conn: &mut AnyConnection,
    source_id: Uuid,
    run_id: Uuid,
    content_hash: &str,
    limit: i64,
) -> Result<Vec<HarvestRecord>> {
    let rows: Vec<RecordRow> = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::last_run_id.eq(run_id.to_string()))
        .filter(harvest_record::dataset_id.is_null())
        .filter(harvest_record::content_hash.eq(content_hash))
        .order(harvest_record::remote_id)
        .limit(limit)
        .load(conn)?;
    rows.into_iter().map(HarvestRecord::try_from).collect()
}

/// Forgets the records that waited for the end of another run than this, which never came.
pub fn forget_pending(conn: &mut AnyConnection, source_id: Uuid, run_id: Uuid, content_hash: &str) -> Result<usize> {
    let rows = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::dataset_id.is_null())
        .filter(harvest_record::content_hash.eq(content_hash))
        .filter(harvest_record::last_run_id.ne(run_id.to_string()));
    Ok(diesel::delete(rows).execute(conn)?)
}

/// A page of the records of a source in the order of their ids, after one of them.
pub fn list_records(conn: &mut AnyConnection, source_id: Uuid, after: Option<&str>, limit: i64) -> Result<Vec<HarvestRecord>> {
    let mut query = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .order(harvest_record::remote_id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(harvest_record::remote_id.gt(after));
    }
    let rows: Vec<RecordRow> = query.load(conn)?;
    rows.into_iter().map(HarvestRecord::try_from).collect()
}

/// Forgets a record; its dataset stays.
pub fn forget_record(conn: &mut AnyConnection, source_id: Uuid, remote_id: &str) -> Result<()> {
    let row =
        harvest_record::table.filter(harvest_record::source_id.eq(source_id.to_string())).filter(harvest_record::remote_id.eq(remote_id));
    diesel::delete(row).execute(conn)?;
    Ok(())
}

/// The records of a source that were absent from at least `runs` complete runs in a row and are not archived.
pub fn absent_records(conn: &mut AnyConnection, source_id: Uuid, runs: i64) -> Result<Vec<HarvestRecord>> {
    let rows: Vec<RecordRow> = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::missing_runs.ge(runs))
        .filter(harvest_record::archived.eq(false))
        .order(harvest_record::remote_id)
        .load(conn)?;
    rows.into_iter().map(HarvestRecord::try_from).collect()
}

/// Drops what became of records in runs before the latest `keep` of a source, where nothing came of them: unchanged ones without a word.
pub fn prune_outcomes(conn: &mut AnyConnection, source_id: Uuid, keep: i64) -> Result<usize> {
    let runs: Vec<String> = job::table
        .filter(job::kind.eq("harvest"))
        .filter(job::subject_id.eq(source_id.to_string()))
        .order((job::created.desc(), job::id.desc()))
        .offset(keep)
        .limit(5)
        .select(job::id)
        .load(conn)?;
    let rows = harvest_outcome::table
        .filter(harvest_outcome::run_id.eq_any(runs))
        .filter(harvest_outcome::outcome.eq(RecordOutcome::Unchanged.as_str()))
        .filter(harvest_outcome::cause.is_null());
    Ok(diesel::delete(rows).execute(conn)?)
}

/// Gives a record the id it has at the source by now. Its hash is forgotten: what the dataset says of where it came from is to be written anew.
pub fn rename_record(conn: &mut AnyConnection, source_id: Uuid, old: &str, new: &str) -> Result<()> {
    let row = harvest_record::table.filter(harvest_record::source_id.eq(source_id.to_string())).filter(harvest_record::remote_id.eq(old));
    diesel::update(row).set((harvest_record::remote_id.eq(new), harvest_record::content_hash.eq(""))).execute(conn)?;
    Ok(())
}

/// Notes the other id of a record.
pub fn set_alternate(conn: &mut AnyConnection, source_id: Uuid, remote_id: &str, alternate_id: Option<&str>) -> Result<()> {
    let row =
        harvest_record::table.filter(harvest_record::source_id.eq(source_id.to_string())).filter(harvest_record::remote_id.eq(remote_id));
    diesel::update(row).set(harvest_record::alternate_id.eq(alternate_id)).execute(conn)?;
    Ok(())
}

/// Notes that a run saw a record, without touching anything else.
pub fn touch_record(conn: &mut AnyConnection, source_id: Uuid, remote_id: &str, run_id: Uuid, now: DateTime<Utc>) -> Result<()> {
    let row =
        harvest_record::table.filter(harvest_record::source_id.eq(source_id.to_string())).filter(harvest_record::remote_id.eq(remote_id));
    diesel::update(row)
        .set((
            harvest_record::last_run_id.eq(run_id.to_string()),
            harvest_record::missing_runs.eq(0),
            harvest_record::missing_since.eq(None::<NaiveDateTime>),
            harvest_record::updated.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(())
}

/// What has to be known of a record to judge its absence; all of a large source may be absent at once.
#[derive(Debug, Clone, PartialEq)]
pub struct AbsentRecord {
    /// The record's id there.
    pub remote_id: String,
    /// The dataset it is here.
    pub dataset_id: Option<Uuid>,
    /// Complete runs it was absent from before.
    pub missing_runs: i64,
    /// When it was first absent.
    pub missing_since: Option<DateTime<Utc>>,
}

/// The records of a source that `run_id` did not see and that are not archived yet, in the order of their ids.
pub fn unseen_records(conn: &mut AnyConnection, source_id: Uuid, run_id: Uuid) -> Result<Vec<AbsentRecord>> {
    let rows: Vec<(String, Option<String>, i64, Option<NaiveDateTime>)> = harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::last_run_id.ne(run_id.to_string()))
        .filter(harvest_record::archived.eq(false))
        .order(harvest_record::remote_id)
        .select((harvest_record::remote_id, harvest_record::dataset_id, harvest_record::missing_runs, harvest_record::missing_since))
        .load(conn)?;
    rows.into_iter()
        .map(|(remote_id, dataset_id, missing_runs, missing_since)| {
            let dataset_id = dataset_id.as_deref().map(parse_id).transpose()?;
            Ok(AbsentRecord { remote_id, dataset_id, missing_runs, missing_since: missing_since.map(utc) })
        })
        .collect()
}

/// Number of records of a source that are not archived.
pub fn count_records(conn: &mut AnyConnection, source_id: Uuid) -> Result<i64> {
    Ok(harvest_record::table
        .filter(harvest_record::source_id.eq(source_id.to_string()))
        .filter(harvest_record::archived.eq(false))
        .count()
        .get_result(conn)?)
}

/// What became of a record in a run; `None` when the run has not met it.
pub fn find_outcome(conn: &mut AnyConnection, run_id: Uuid, remote_id: &str) -> Result<Option<RecordOutcome>> {
    let text: Option<String> = harvest_outcome::table
        .filter(harvest_outcome::run_id.eq(run_id.to_string()))
        .filter(harvest_outcome::remote_id.eq(remote_id))
        .select(harvest_outcome::outcome)
        .first(conn)
        .optional()?;
    text.map(|text| parse_outcome(&text)).transpose()
}

/// Notes what became of a record in a run; a later note on the same record replaces the earlier.
pub fn save_outcome(conn: &mut AnyConnection, run_id: Uuid, report: &HarvestRecordReport) -> Result<()> {
    let run_id = run_id.to_string();
    let cause = report.cause.as_ref().map(to_json).transpose()?;
    let values = (
        harvest_outcome::outcome.eq(report.outcome.as_str()),
        harvest_outcome::cause.eq(cause),
        harvest_outcome::dataset_id.eq(report.dataset_id.map(|id| id.to_string())),
        harvest_outcome::raw.eq(&report.raw),
    );
    let row = harvest_outcome::table.filter(harvest_outcome::run_id.eq(&run_id)).filter(harvest_outcome::remote_id.eq(&report.remote_id));
    let changed = diesel::update(row).set(values.clone()).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(harvest_outcome::table)
            .values((harvest_outcome::run_id.eq(&run_id), harvest_outcome::remote_id.eq(&report.remote_id), values))
            .execute(conn)?;
    }
    Ok(())
}

/// How many records of a run had each outcome.
pub fn count_outcomes(conn: &mut AnyConnection, run_id: Uuid) -> Result<Vec<(RecordOutcome, i64)>> {
    let rows: Vec<(String, i64)> = harvest_outcome::table
        .filter(harvest_outcome::run_id.eq(run_id.to_string()))
        .group_by(harvest_outcome::outcome)
        .select((harvest_outcome::outcome, diesel::dsl::count_star()))
        .load(conn)?;
    rows.into_iter().map(|(outcome, count)| Ok((parse_outcome(&outcome)?, count))).collect()
}

/// The outcomes of a run in the order of the remote ids, after one of them; only one kind when given.
pub fn list_outcomes(
    conn: &mut AnyConnection,
    run_id: Uuid,
    outcome: Option<RecordOutcome>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<HarvestRecordReport>> {
    let mut query = harvest_outcome::table
        .filter(harvest_outcome::run_id.eq(run_id.to_string()))
        .order(harvest_outcome::remote_id)
        .limit(limit)
        .into_boxed();
    if let Some(outcome) = outcome {
        query = query.filter(harvest_outcome::outcome.eq(outcome.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(harvest_outcome::remote_id.gt(after));
    }
    let rows: Vec<OutcomeRow> = query.load(conn)?;
    rows.into_iter()
        .map(|(_, remote_id, outcome, cause, dataset_id, raw)| {
            Ok(HarvestRecordReport {
                remote_id,
                outcome: parse_outcome(&outcome)?,
                cause: cause.as_deref().map(|text| from_json("harvest outcome", text)).transpose()?,
                dataset_id: dataset_id.as_deref().map(parse_id).transpose()?,
                raw,
            })
        })
        .collect()
}

/// Run, remote id, outcome, cause, dataset id, raw record.
type OutcomeRow = (String, String, String, Option<String>, Option<String>, Option<String>);

fn parse_outcome(text: &str) -> Result<RecordOutcome> {
    use RecordOutcome::*;
    [Added, Updated, Unchanged, Suspect, Archived, Failed]
        .into_iter()
        .find(|outcome| outcome.as_str() == text)
        .ok_or_else(|| Error::damaged("outcome", text))
}
