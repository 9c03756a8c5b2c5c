//! Invented datasets of real municipalities, the same on every run.

mod columns;
mod dataset;
mod encode;
mod municipality;
mod random;
mod table;
mod topic;

pub use dataset::*;
pub use municipality::*;

pub(crate) use columns::{INVENTORY_15, INVENTORY_45};
pub(crate) use encode::{csv as encode_csv, escape_xml, xlsx as encode_xlsx};
pub(crate) use random::Random;

#[cfg(test)]
mod tests;
