//! Work that outlives a request: rows under a lease. Who holds the lease runs the job; when the holder dies, the lease ends and
//! another takes over.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use diesel::prelude::*;
use minato_catalog::new_id;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::{Error, Result};
use crate::record::{parse_id, utc};
use crate::schema::job;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waiting for a worker.
    Queued,
    /// Under a lease, which may have ended.
    Running,
    /// Did its work.
    Done,
    /// Gave up.
    Failed,
}

impl JobState {
    fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Result<JobState> {
        [JobState::Queued, JobState::Running, JobState::Done, JobState::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::damaged("job state", text))
    }
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Id.
    pub id: Uuid,
    /// What sort of work, for example `harvest`.
    pub kind: String,
    /// What it works on.
    pub subject_id: String,
    /// Where it is in its life.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: i64,
    /// Who holds the lease.
    pub lease_owner: Option<String>,
    /// When the lease ends unless renewed.
    pub lease_until: Option<DateTime<Utc>>,
    /// How far it is, as JSON of the kind's own shape.
    pub progress: String,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When a worker first began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
    /// Somebody wants it to stop.
    pub cancel_requested: bool,
}

#[derive(Queryable)]
struct Row {
    id: String,
    kind: String,
    subject_id: String,
    state: String,
    attempts: i64,
    lease_owner: Option<String>,
    lease_until: Option<NaiveDateTime>,
    progress: String,
    error: Option<String>,
    created: NaiveDateTime,
    started: Option<NaiveDateTime>,
    finished: Option<NaiveDateTime>,
    cancel_requested: bool,
}

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Job> {
        Ok(Job {
            id: parse_id(&row.id)?,
            kind: row.kind,
            subject_id: row.subject_id,
            state: JobState::parse(&row.state)?,
            attempts: row.attempts,
            lease_owner: row.lease_owner,
            lease_until: row.lease_until.map(utc),
            progress: row.progress,
            error: row.error,
            created: utc(row.created),
            started: row.started.map(utc),
            finished: row.finished.map(utc),
            cancel_requested: row.cancel_requested,
        })
    }
}

/// Queues a job, or returns the one for the same subject that is already queued or running.
pub fn enqueue(conn: &mut AnyConnection, kind: &str, subject_id: &str, now: DateTime<Utc>) -> Result<Job> {
    let open: Option<Row> = job::table
        .filter(job::kind.eq(kind))
        .filter(job::subject_id.eq(subject_id))
        .filter(job::state.eq("queued").or(job::state.eq("running")))
        .first(conn)
        .optional()?;
    if let Some(row) = open {
        return row.try_into();
    }
    let id = new_id();
    diesel::insert_into(job::table)
        .values((
            job::id.eq(id.to_string()),
            job::kind.eq(kind),
            job::subject_id.eq(subject_id),
            job::state.eq("queued"),
            job::attempts.eq(0),
            job::progress.eq("{}"),
            job::created.eq(now.naive_utc()),
            job::cancel_requested.eq(false),
        ))
        .execute(conn)?;
    find(conn, id)?.ok_or_else(|| Error::damaged("job", "lost after insertion"))
}

/// Gives a job that waits what it has to know, as its progress.
pub fn note(conn: &mut AnyConnection, id: Uuid, progress: &str) -> Result<()> {
    diesel::update(job::table.filter(job::id.eq(id.to_string()))).set(job::progress.eq(progress)).execute(conn)?;
    Ok(())
}

/// Takes the oldest job that waits or whose lease has ended; `only` restricts it to one job. Call inside a write transaction.
pub fn claim(
    conn: &mut AnyConnection,
    kind: &str,
    only: Option<Uuid>,
    owner: &str,
    now: DateTime<Utc>,
    lease: Duration,
) -> Result<Option<Job>> {
    let at = now.naive_utc();
    let mut query = job::table
        .filter(job::kind.eq(kind))
        .filter(job::state.eq("queued").or(job::state.eq("running").and(job::lease_until.lt(at))))
        .order((job::created, job::id))
        .into_boxed();
    if let Some(id) = only {
        query = query.filter(job::id.eq(id.to_string()));
    }
    let Some(row) = query.first::<Row>(conn).optional()? else { return Ok(None) };
    diesel::update(job::table.filter(job::id.eq(&row.id)))
        .set((
            job::state.eq("running"),
            job::attempts.eq(row.attempts + 1),
            job::lease_owner.eq(owner),
            job::lease_until.eq(at + lease),
            job::started.eq(row.started.unwrap_or(at)),
        ))
        .execute(conn)?;
    find(conn, parse_id(&row.id)?)
}

/// Ends the leases of owners whose names begin with `prefix`: for a process that knows them to be dead. Returns the number of jobs set free.
pub fn release(conn: &mut AnyConnection, kind: &str, prefix: &str, now: DateTime<Utc>) -> Result<usize> {
    let held = job::table.filter(job::kind.eq(kind)).filter(job::state.eq("running")).filter(job::lease_owner.like(format!("{prefix}%")));
    let ended = now.naive_utc() - Duration::seconds(1);
    Ok(diesel::update(held).set((job::lease_owner.eq(None::<String>), job::lease_until.eq(ended))).execute(conn)?)
}

/// Whether [`claim`] would find a job.
pub fn is_claimable(conn: &mut AnyConnection, kind: &str, only: Option<Uuid>, now: DateTime<Utc>) -> Result<bool> {
    let mut query = job::table
        .filter(job::kind.eq(kind))
        .filter(job::state.eq("queued").or(job::state.eq("running").and(job::lease_until.lt(now.naive_utc()))))
        .into_boxed();
    if let Some(id) = only {
        query = query.filter(job::id.eq(id.to_string()));
    }
    Ok(query.count().get_result::<i64>(conn)? > 0)
}

/// Renews the lease and notes the progress; `false` when the lease is another's by now and the work must stop.
pub fn heartbeat(conn: &mut AnyConnection, id: Uuid, owner: &str, progress: &str, now: DateTime<Utc>, lease: Duration) -> Result<bool> {
    let mine = job::table.filter(job::id.eq(id.to_string())).filter(job::state.eq("running")).filter(job::lease_owner.eq(owner));
    let changed = diesel::update(mine).set((job::progress.eq(progress), job::lease_until.eq(now.naive_utc() + lease))).execute(conn)?;
    Ok(changed == 1)
}

/// Whether `owner` holds the lease.
pub fn is_held(conn: &mut AnyConnection, id: Uuid, owner: &str) -> Result<bool> {
    let mine = job::table.filter(job::id.eq(id.to_string())).filter(job::state.eq("running")).filter(job::lease_owner.eq(owner));
    Ok(mine.count().get_result::<i64>(conn)? == 1)
}

/// Asks whoever runs a job to stop. A job that waits ends at once, with this progress. Returns whether there was anything to stop.
pub fn cancel(conn: &mut AnyConnection, id: Uuid, progress: &str, now: DateTime<Utc>) -> Result<bool> {
    let id = id.to_string();
    let waiting = job::table.filter(job::id.eq(&id)).filter(job::state.eq("queued"));
    let ended = diesel::update(waiting)
        .set((
            job::state.eq(JobState::Done.as_str()),
            job::progress.eq(progress),
            job::finished.eq(now.naive_utc()),
            job::cancel_requested.eq(true),
        ))
        .execute(conn)?;
    let running = job::table.filter(job::id.eq(&id)).filter(job::state.eq("running"));
    let asked = diesel::update(running).set(job::cancel_requested.eq(true)).execute(conn)?;
    Ok(ended + asked > 0)
}

/// Ends a job; `false` when the lease was another's by then.
pub fn finish(conn: &mut AnyConnection, id: Uuid, owner: &str, progress: &str, error: Option<&str>, now: DateTime<Utc>) -> Result<bool> {
    let mine = job::table.filter(job::id.eq(id.to_string())).filter(job::lease_owner.eq(owner)).filter(job::state.eq("running"));
    let state = if error.is_some() { JobState::Failed } else { JobState::Done };
    let changed = diesel::update(mine)
        .set((
            job::state.eq(state.as_str()),
            job::progress.eq(progress),
            job::error.eq(error),
            job::finished.eq(now.naive_utc()),
            job::lease_until.eq(None::<NaiveDateTime>),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Forgets jobs of a kind that ended before a moment. Not for kinds whose outcomes are kept.
pub fn forget_finished(conn: &mut AnyConnection, kind: &str, before: DateTime<Utc>) -> Result<usize> {
    let old = job::table.filter(job::kind.eq(kind)).filter(job::finished.lt(before.naive_utc()));
    Ok(diesel::delete(old).execute(conn)?)
}

/// The job with this id.
pub fn find(conn: &mut AnyConnection, id: Uuid) -> Result<Option<Job>> {
    let row: Option<Row> = job::table.filter(job::id.eq(id.to_string())).first(conn).optional()?;
    row.map(Job::try_from).transpose()
}

/// The latest jobs of a kind, newest first; of one subject when given.
pub fn list(conn: &mut AnyConnection, kind: &str, subject_id: Option<&str>, limit: i64) -> Result<Vec<Job>> {
    let mut query = job::table.filter(job::kind.eq(kind)).order((job::created.desc(), job::id.desc())).limit(limit).into_boxed();
    if let Some(subject_id) = subject_id {
        query = query.filter(job::subject_id.eq(subject_id));
    }
    let rows: Vec<Row> = query.load(conn)?;
    rows.into_iter().map(Job::try_from).collect()
}
