//! Each stub site answers its protocol, counts what it says it counts, and fails as told.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod ckan;
mod client;
mod dcat;
mod fault;
mod inventory;
mod other;
