#![doc = include_str!("../README.md")]

pub mod api;
pub mod ckan;
pub mod cli;
pub mod config;
pub mod download;
pub mod http;
pub mod portal;
pub mod server;
