#![doc = include_str!("../README.md")]

mod analysis;
mod collect;
mod condition;
mod directory;
mod document;
mod error;
pub mod fq;
mod highlight;
mod index;
mod level;
mod normalize;
mod plan;
mod postings;
mod readings;
mod request;
mod schema;
mod search;
mod synonyms;
mod vocabulary;

pub use document::*;
pub use error::Error;
pub use index::{Index, Opened, RebuildReason, Settings};
pub use plan::{QUERY_CHARS_MAX, QUERY_TERMS_MAX};
pub use request::*;
pub use synonyms::{SynonymError, Synonyms};

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    //! Inner functions for the fuzz targets; absent from every other build.

    use std::ops::Range;

    use crate::analysis::{self, Piece};

    /// The normalizer of index and query.
    pub fn normalize(text: &str) -> String {
        crate::normalize::normalize(text)
    }

    /// Words of a normalized text and where they are in it.
    pub fn words(normalized: &str) -> Vec<(String, Range<usize>)> {
        tokens(analysis::words(normalized))
    }

    /// Character pairs of a normalized text and where they are in it.
    pub fn pairs(normalized: &str) -> Vec<(String, Range<usize>)> {
        tokens(analysis::pairs(normalized))
    }

    fn tokens(pieces: Vec<Piece>) -> Vec<(String, Range<usize>)> {
        pieces.into_iter().map(|piece| (piece.text, piece.start..piece.end)).collect()
    }
}
