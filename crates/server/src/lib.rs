#![doc = include_str!("../README.md")]

pub mod api;
pub mod ckan;
pub mod cli;
pub mod config;
pub mod download;
mod framing;
pub mod http;
mod listen;
pub mod portal;
pub mod previous_portal;
pub(crate) mod search_log;
pub mod server;
pub(crate) mod upload;
