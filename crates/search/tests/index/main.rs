//! Promises of the index as a whole, on a small invented catalog.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod catalog;
mod conditions;
mod facets;
mod lifecycle;
mod paging;
mod queries;
mod scopes;
mod visibility;
