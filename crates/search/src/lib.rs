#![doc = include_str!("../README.md")]

mod analysis;
mod collect;
mod condition;
mod document;
mod error;
pub mod fq;
mod highlight;
mod level;
mod normalize;
mod plan;
mod readings;
mod request;
mod schema;
mod synonyms;
mod vocabulary;

pub use document::*;
pub use error::Error;
pub use plan::{QUERY_CHARS_MAX, QUERY_TERMS_MAX};
pub use request::*;
pub use synonyms::{SynonymError, Synonyms};
