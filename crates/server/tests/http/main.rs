//! What the native API promises, over HTTP, each noun in its file.

mod dataset;
mod distribution;
mod harvest;
mod member;
mod noun;
mod refusal;
mod search;
mod site;
mod statistics;
mod token;
