//! Promises of the index as a whole, on a small invented catalog.

mod catalog;
mod conditions;
mod facets;
mod lifecycle;
mod queries;
mod visibility;
