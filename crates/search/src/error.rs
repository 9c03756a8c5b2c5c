//! What can go wrong.

use minato_catalog::Text;

use crate::fq::FqError;

/// Why a search or a change of the index failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index engine failed.
    #[error("search index failed")]
    Engine(#[from] tantivy::TantivyError),
    /// The directory could not be read or written.
    #[error("search index directory failed")]
    Io(#[from] std::io::Error),
    /// Another process holds the index.
    #[error("search index `{0}` is in use by another process; give each server its own directory")]
    Locked(String),
    /// The cursor is not one that this index gave for this sort.
    #[error("cursor `{0}` is not valid; start again without a cursor")]
    Cursor(String),
    /// The condition cannot be understood.
    #[error(transparent)]
    Fq(#[from] FqError),
    /// The documents for a rebuild could not be read; the index is as before.
    #[error("reading the documents for the search index failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A rebuild is already under way.
    #[error("the search index is already being rebuilt; wait for it to end")]
    Rebuilding,
}

impl Error {
    /// For users, when they can do something about it.
    pub fn text(&self) -> Option<Text> {
        match self {
            Error::Fq(error) => Some(error.text()),
            Error::Cursor(cursor) => Some(Text::new(
                format!("cursor「{cursor}」は使えません。cursor なしで最初からやり直してください。"),
                format!("cursor `{cursor}` is not valid; start again without a cursor"),
            )),
            Error::Rebuilding => Some(Text::new(
                "検索索引は再構築中です。終わるまでお待ちください。",
                "the search index is already being rebuilt; wait for it to end",
            )),
            _ => None,
        }
    }
}
