//! What the simple nouns share: one row with a unique key, a label, a state and the content as JSON.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::Queryable;
use minato_catalog::RecordState;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// What to list of a simple noun, ordered by key.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only labels or keys that contain this text.
    pub query: Option<String>,
    /// Also archived ones.
    pub archived: bool,
    /// Only those with this label (exactly).
    pub label: Option<String>,
    /// After this key.
    pub after: Option<String>,
    /// At most this many; 0 is none.
    pub limit: i64,
}

/// What a save did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Position of the change in the log.
    pub seq: i64,
}

/// A row of a simple noun.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) state: String,
    pub(crate) body: String,
    pub(crate) revision: i64,
    pub(crate) created: NaiveDateTime,
    pub(crate) updated: NaiveDateTime,
}

/// A noun that is kept in such a row.
pub(crate) trait Record: Sized {
    fn to_row(&self) -> Result<Row>;
    fn from_row(row: Row) -> Result<Self>;
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::damaged("value", error))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::damaged(what, error))
}

pub(crate) fn parse_id(text: &str) -> Result<uuid::Uuid> {
    text.parse().map_err(|error| Error::damaged(format!("id `{text}`"), error))
}

pub(crate) fn parse_state(text: &str) -> Result<RecordState> {
    match text {
        "active" => Ok(RecordState::Active),
        "archived" => Ok(RecordState::Archived),
        other => Err(Error::damaged("state", other)),
    }
}

pub(crate) fn utc(at: NaiveDateTime) -> DateTime<Utc> {
    at.and_utc()
}

/// The URL without its password, for messages.
pub(crate) fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let user = url[scheme + 3..at].split(':').next().unwrap_or_default();
            format!("{}://{user}:***{}", &url[..scheme], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere.
pub(crate) fn like_pattern(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// The functions of one simple noun over its table.
macro_rules! record_functions {
    ($table:ident, $type:ty, $noun:expr) => {
        use diesel::prelude::*;
        use minato_catalog::{Action, Page};

        use crate::connection::AnyConnection;
        use crate::error::{Error, Result};
        use crate::record::{ListFilter, Record, Row, Saved, like_pattern};
        use crate::schema::$table::dsl;

        /// The record with this id.
        pub fn find(conn: &mut AnyConnection, id: &str) -> Result<Option<$type>> {
            let row: Option<Row> = dsl::$table.filter(dsl::id.eq(id)).first(conn).optional()?;
            row.map(<$type>::from_row).transpose()
        }

        /// The record with this unique key.
        pub fn find_by_key(conn: &mut AnyConnection, key: &str) -> Result<Option<$type>> {
            let row: Option<Row> = dsl::$table.filter(dsl::key.eq(key)).first(conn).optional()?;
            row.map(<$type>::from_row).transpose()
        }

        /// All records, archived ones included, in the order of their keys.
        pub fn all(conn: &mut AnyConnection) -> Result<Vec<$type>> {
            let rows: Vec<Row> = dsl::$table.order(dsl::key).load(conn)?;
            rows.into_iter().map(<$type>::from_row).collect()
        }

        /// A page of records in the order of their keys; the cursor is the last key.
        pub fn list(conn: &mut AnyConnection, filter: &ListFilter) -> Result<Page<$type>> {
            let total: i64 = filtered(filter).count().get_result(conn)?;
            let mut query = filtered(filter).order(dsl::key).limit(filter.limit.saturating_add(1));
            if let Some(after) = &filter.after {
                query = query.filter(dsl::key.gt(after.clone()));
            }
            let mut rows: Vec<Row> = query.load(conn)?;
            let more = i64::try_from(rows.len()).is_ok_and(|count| count > filter.limit);
            rows.truncate(usize::try_from(filter.limit).unwrap_or(0));
            let next_cursor = if more { rows.last().map(|row| row.key.clone()) } else { None };
            let items = rows.into_iter().map(<$type>::from_row).collect::<Result<_>>()?;
            Ok(Page { items, total, next_cursor })
        }

        type Filtered<'a> = crate::schema::$table::BoxedQuery<'a, <AnyConnection as diesel::Connection>::Backend>;

        fn filtered(filter: &ListFilter) -> Filtered<'static> {
            let mut query = dsl::$table.into_boxed();
            if !filter.archived {
                query = query.filter(dsl::state.eq("active"));
            }
            if let Some(label) = &filter.label {
                query = query.filter(dsl::label.eq(label.clone()));
            }
            if let Some(text) = &filter.query {
                let pattern = like_pattern(text);
                query = query.filter(dsl::label.like(pattern.clone()).escape('\\').or(dsl::key.like(pattern).escape('\\')));
            }
            query
        }

        /// Writes the record and its history; `previous` is the revision it replaces, `None` for a new one.
        pub fn save(conn: &mut AnyConnection, record: &$type, previous: Option<i64>, action: Action, actor: &str) -> Result<Saved> {
            let row = record.to_row()?;
            let taken = |error: Error| match error.is_unique_violation() {
                true => Error::Taken { noun: $noun.as_str(), field: "key", value: row.key.clone() },
                false => error,
            };
            match previous {
                None => {
                    diesel::insert_into(dsl::$table)
                        .values((
                            dsl::id.eq(&row.id),
                            dsl::key.eq(&row.key),
                            dsl::label.eq(&row.label),
                            dsl::state.eq(&row.state),
                            dsl::body.eq(&row.body),
                            dsl::revision.eq(row.revision),
                            dsl::created.eq(row.created),
                            dsl::updated.eq(row.updated),
                        ))
                        .execute(conn)
                        .map_err(Error::from)
                        .map_err(taken)?;
                }
                Some(previous) => {
                    let changed = diesel::update(dsl::$table.filter(dsl::id.eq(&row.id)).filter(dsl::revision.eq(previous)))
                        .set((
                            dsl::key.eq(&row.key),
                            dsl::label.eq(&row.label),
                            dsl::state.eq(&row.state),
                            dsl::body.eq(&row.body),
                            dsl::revision.eq(row.revision),
                            dsl::updated.eq(row.updated),
                        ))
                        .execute(conn)
                        .map_err(Error::from)
                        .map_err(taken)?;
                    if changed == 0 {
                        return Err(Error::Stale { noun: $noun, id: row.id });
                    }
                }
            }
            crate::history::record(conn, $noun, &row.id, row.revision, action, actor, row.updated, &row.body)
        }
    };
}
pub(crate) use record_functions;
