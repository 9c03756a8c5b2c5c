//! Sources that behave well and badly, over HTTP on loopback.

#![allow(clippy::unwrap_used)]

mod arcgis_hub;
mod ckan;
mod client;
mod data_json;
mod dataeye;
mod dcat;
mod open_data_list;
mod opendatasoft;
mod shirasagi;
mod socrata;
mod stub;
mod udata;
mod workbook;
