//! What can go wrong in the database.

use minato_catalog::Noun;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL's scheme is not one we speak.
    #[error("database URL `{0}` is neither sqlite:// nor postgres://; write for example sqlite:///var/lib/minato/minato.sqlite")]
    UnknownScheme(String),
    /// The database cannot be reached or opened.
    #[error("cannot open the database: {0}")]
    Connect(String),
    /// No connection became free in time.
    #[error("no database connection became free: {0}")]
    Pool(#[from] r2d2::Error),
    /// A migration failed.
    #[error("migration failed: {0}")]
    Migrate(String),
    /// A unique value is taken: the slug, name or key named here.
    #[error("{noun} `{value}` exists already")]
    Taken {
        /// What kind of record.
        noun: &'static str,
        /// The field that must be unique.
        field: &'static str,
        /// The value that is taken.
        value: String,
    },
    /// The record changed since it was read.
    #[error("{} `{id}` changed since it was read", noun.as_str())]
    Stale {
        /// What kind of record.
        noun: Noun,
        /// Its id.
        id: String,
    },
    /// A stored value does not read back; the database was changed by other hands or versions.
    #[error("stored {what} is damaged: {cause}")]
    Damaged {
        /// What was being read.
        what: String,
        /// Why it does not read.
        cause: String,
    },
    /// Anything else diesel reports.
    #[error("database error: {0}")]
    Query(#[from] diesel::result::Error),
}

impl Error {
    pub(crate) fn damaged(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Error::Damaged { what: what.into(), cause: cause.to_string() }
    }

    /// Whether a unique constraint was violated.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Error::Query(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _)))
    }
}
