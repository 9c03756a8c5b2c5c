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
