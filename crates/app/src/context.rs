//! On whose behalf a change is made, and how it came out.

use minato_catalog::Viewer;
use minato_store::AnyConnection;
use minato_store::idempotency::{self, Answer};
use serde::{Serialize, de::DeserializeOwned};

use crate::App;
use crate::error::{Error, Result};

/// On whose behalf, and how, a change is made.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Who asks.
    pub viewer: Viewer,
    /// Say what would happen and change nothing.
    pub dry_run: bool,
    /// The revision the change is based on; `None` takes the current one.
    pub expected: Option<i64>,
    /// Further revisions that will do as well as `expected`.
    pub or_expected: Vec<i64>,
    /// There must be something to change already, whatever its revision.
    pub must_exist: bool,
    /// The request's key, for answering a repetition with the same answer.
    pub idempotency: Option<Idempotency>,
}

/// An `Idempotency-Key` with the hash of the request it came with.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// As sent.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request_hash: String,
}

impl Context {
    /// For a viewer, without conditions.
    pub fn new(viewer: Viewer) -> Self {
        Context { viewer, ..Context::default() }
    }

    /// For the system itself, under a name for the records.
    pub fn system(name: &str) -> Self {
        Context::new(Viewer::system(name))
    }

    /// Whether the change may be made to this revision.
    pub fn check_revision(&self, current: i64) -> Result<()> {
        match self.expected {
            Some(expected) if expected != current && !self.or_expected.contains(&current) => Err(Error::PreconditionFailed { current }),
            _ => Ok(()),
        }
    }

    /// Whether the change may be made where there is nothing yet.
    pub fn check_absent(&self) -> Result<()> {
        if self.must_exist || self.expected.is_some() { Err(Error::PreconditionFailed { current: 0 }) } else { Ok(()) }
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is something new.
    Created,
    /// Something is different.
    Updated,
    /// All was as asked already.
    Unchanged,
}

/// How a change came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Done<T> {
    /// The state after it (in a dry run: as it would be).
    pub value: T,
    /// What it did.
    pub status: Status,
    /// The answer to an earlier request with the same `Idempotency-Key`; nothing was done now.
    pub replayed: bool,
}

/// What the transaction of a change brings forth.
pub(crate) struct Change<T> {
    pub(crate) value: T,
    pub(crate) status: Status,
    /// Positions in the change log; empty when nothing changed.
    pub(crate) seq: Option<i64>,
}

impl<T> Change<T> {
    pub(crate) fn unchanged(value: T) -> Self {
        Change { value, status: Status::Unchanged, seq: None }
    }
}

enum Abort<T> {
    DryRun(Change<T>),
    Replay(Answer),
    Error(Error),
}

impl<T> From<minato_store::Error> for Abort<T> {
    fn from(error: minato_store::Error) -> Self {
        Abort::Error(error.into())
    }
}

impl App {
    /// Runs a change in one transaction, with what its context asks for around it.
    pub(crate) fn change<T: Serialize + DeserializeOwned>(
        &self,
        context: &Context,
        f: impl FnOnce(&mut AnyConnection) -> Result<Change<T>>,
    ) -> Result<Done<T>> {
        let actor = &context.viewer.name;
        let result = self.store().write(|conn| -> std::result::Result<Change<T>, Abort<T>> {
            if let Some(idempotency) = &context.idempotency
                && let Some(answer) = idempotency::find(conn, actor, &idempotency.key)?
            {
                return Err(Abort::Replay(answer));
            }
            let change = f(conn).map_err(Abort::Error)?;
            if context.dry_run {
                return Err(Abort::DryRun(change));
            }
            if let Some(idempotency) = &context.idempotency {
                let status = if change.status == Status::Created { 201 } else { 200 };
                let body = serde_json::to_string(&change.value).map_err(|error| Abort::Error(Error::internal(error)))?;
                let answer = Answer { request_hash: idempotency.request_hash.clone(), status, headers: "{}".to_owned(), body };
                idempotency::keep(conn, actor, &idempotency.key, &answer, self.now())?;
            }
            Ok(change)
        });
        match result {
            Ok(change) => {
                if let Some(seq) = change.seq {
                    self.after_change(seq)?;
                }
                Ok(Done { value: change.value, status: change.status, replayed: false })
            }
            Err(Abort::DryRun(change)) => Ok(Done { value: change.value, status: change.status, replayed: false }),
            Err(Abort::Replay(answer)) => replay(context, &answer),
            Err(Abort::Error(error)) => Err(error),
        }
    }
}

fn replay<T: DeserializeOwned>(context: &Context, answer: &Answer) -> Result<Done<T>> {
    let same = context.idempotency.as_ref().is_some_and(|idempotency| idempotency.request_hash == answer.request_hash);
    if !same {
        return Err(Error::Conflict(minato_catalog::FieldError::new(
            "",
            "idempotency_key_reused",
            "この Idempotency-Key は別の内容のリクエストで使用済みです。新しいキーを使ってください。",
            "this Idempotency-Key was used for a different request; use a new key",
        )));
    }
    let value = serde_json::from_str(&answer.body).map_err(Error::internal)?;
    let status = if answer.status == 201 { Status::Created } else { Status::Updated };
    Ok(Done { value, status, replayed: true })
}
