#![doc = include_str!("../README.md")]

mod address;
mod area;
mod dataset;
mod date;
mod distribution;
mod download;
mod error;
mod format;
mod frequency;
mod harvest;
mod indicator;
mod keyword;
mod licence;
mod link_check;
mod organization;
mod page;
mod revision;
mod schedule;
mod searched_query;
mod slug;
mod standard_dataset;
mod synonym_list;
mod theme;
mod tidy;
mod user;
mod vocabulary;

pub use address::*;
pub use area::*;
pub use dataset::*;
pub use date::*;
pub use distribution::*;
pub use download::*;
pub use error::*;
pub use format::*;
pub use frequency::*;
pub use harvest::*;
pub use indicator::*;
pub use keyword::*;
pub use licence::*;
pub use link_check::*;
pub use organization::*;
pub use page::*;
pub use revision::*;
pub use schedule::*;
pub use searched_query::*;
pub use slug::*;
pub use standard_dataset::*;
pub use synonym_list::*;
pub use theme::*;
pub use user::*;
pub use vocabulary::*;

/// A new UUIDv7: sortable by time of creation.
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
