#![doc = include_str!("../README.md")]

pub mod api;
pub mod ckan;
pub mod cli;
pub mod config;
mod csv;
pub mod download;
mod framing;
pub mod http;
mod listen;
pub mod mail;
pub mod portal;
pub mod previous_portal;
pub(crate) mod search_log;
pub mod server;
pub(crate) mod upload;
pub(crate) mod view_log;
