//! What the native API promises, over HTTP, each noun in its file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod archive;
mod cli;
mod conversion;
mod dataset;
mod distribution;
mod harvest;
mod harvesting;
mod killed;
mod links;
mod member;
mod noun;
mod previous_portal;
mod refusal;
mod search;
mod search_log;
mod site;
mod staff;
mod staff_figures;
mod staff_harvest;
mod statistics;
mod summary_mail;
mod synonym_list;
mod token;
