#![doc = include_str!("../README.md")]

mod context;
mod document;
mod graph;
mod json_ld;
mod parse;
mod place;
mod read;
mod schema_org;
mod words;
mod write;

pub use document::Document;
pub use graph::{ParseError, Syntax};
pub use place::bounding_box;
pub use read::{ParsedCatalog, language_code, parse_catalog};
pub use schema_org::schema_org;
pub use write::{PageInfo, SiteInfo, write_datasets};
