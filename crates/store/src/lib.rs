#![doc = include_str!("../README.md")]

mod connection;
mod dialect;
mod error;
mod record;
mod schema;

pub mod api_token;
pub mod dataset;
pub mod dataset_key;
pub mod distribution;
pub mod download;
pub mod harvest;
pub mod harvest_decision;
pub mod harvest_overlay;
pub mod history;
pub mod idempotency;
pub mod indicator;
pub mod job;
pub mod keyword;
pub mod licence;
pub mod link_check;
pub mod membership;
pub mod organization;
pub mod previous_portal;
pub mod search_log;
pub mod setting;
pub mod statistics;
pub mod summary_mail;
pub mod synonym_list;
pub mod theme;
pub mod user;

pub use connection::{AnyConnection, Backend, Store, StoreSettings};
pub use dialect::savepoint;
pub use error::{Error, Result};
pub use record::{ListFilter, Saved};
