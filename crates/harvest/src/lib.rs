#![doc = include_str!("../README.md")]

mod address;
mod ckan;
mod client;
mod convert;
mod csw;
mod dcat;
mod decode;
mod dublin_core;
mod error;
mod file_list;
mod hash;
mod html;
mod json_ld;
mod label;
mod listing;
mod oai_pmh;
mod open_data_list;
mod page;
mod period;
mod robots;
mod schema_org;
mod xml;

pub use address::AllowAddress;
pub use client::{Client, ClientSettings, Fetched};
pub use error::Error;
pub use hash::content_hash;
pub use listing::Listing;

use minato_catalog::{HarvestItem, HarvestKind, HarvestSourceDraft, Text, Vocabulary};
use tokio::sync::mpsc::Sender;

use crate::listing::Run;

/// Reads a source from beginning to end and sends every record, one by one and as fast as they are taken.
///
/// Ends early, as [`Listing::Incomplete`], when the receiver is closed. Ids are unique within a run: a record met twice is sent once.
pub async fn run(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, records: Sender<HarvestItem>) -> Listing {
    let mut run = Run::new(records);
    let vocabulary = &vocabulary.with_mapping(&source.mapping);
    let outcome = match source.kind {
        HarvestKind::Ckan => ckan::read(source, client, vocabulary, &mut run).await,
        HarvestKind::OpenDataList => open_data_list::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Dcat => dcat::read(source, client, vocabulary, &mut run).await,
        HarvestKind::SchemaOrg => schema_org::read(source, client, vocabulary, &mut run).await,
        HarvestKind::FileList => file_list::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Csw => csw::read(source, client, vocabulary, &mut run).await,
        HarvestKind::OaiPmh => oai_pmh::read(source, client, vocabulary, &mut run).await,
        other => {
            Err(Text::new(format!("{} には対応していません。", other.as_str()), format!("{} is not supported", other.as_str())).into())
        }
    };
    let listing = run.conclude(outcome);
    tracing::info!(source.slug = %source.slug, source.kind = source.kind.as_str(), listing = ?listing, "source read");
    listing
}
