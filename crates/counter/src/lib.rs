#![doc = include_str!("../README.md")]

mod agent;
mod rule;
mod visitor;

pub use agent::classify_agent;
pub use rule::{Decision, RULES, Reason, Request, Rule, decide, is_wanted};
pub use visitor::{DOUBLE_CLICK_SECONDS, Visitor, is_double_click, visitor};

/// Version of the counting method, kept with every download.
pub const METHOD_VERSION: i64 = 1;
