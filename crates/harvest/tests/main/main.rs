//! Sources that behave well and badly, over HTTP on loopback.

#![allow(clippy::unwrap_used)]

mod arcgis_hub;
mod ckan;
mod client;
mod csw;
mod data_json;
mod dataeye;
mod dcat;
mod file_list;
mod oai_pmh;
mod open_data_list;
mod opendatasoft;
mod schema_org;
mod shirasagi;
mod socrata;
mod stub;
mod udata;
mod workbook;
