#![doc = include_str!("../README.md")]

mod address;
mod ckan;
mod client;
mod convert;
mod dcat;
mod decode;
mod error;
mod hash;
mod lenient;
mod listing;
mod open_data_list;

pub use address::AllowAddress;
pub use client::{Answer, Client, ClientSettings, Downloaded, Fetched, Probe, Request, Spooled};
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
    let vocabulary = &vocabulary.with_mapping(&source.mapping);
    let mut run = Run::new(records).completing(source, vocabulary);
    let outcome = match source.kind {
        HarvestKind::Ckan => ckan::read(source, client, vocabulary, &mut run).await,
        HarvestKind::OpenDataList => open_data_list::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Dcat => dcat::read(source, client, vocabulary, &mut run).await,
        other => {
            Err(Text::new(format!("{} には対応していません。", other.as_str()), format!("{} is not supported", other.as_str())).into())
        }
    };
    let listing = run.conclude(outcome);
    tracing::info!(source.slug = %source.slug, source.kind = source.kind.as_str(), listing = ?listing, "source read");
    listing
}
