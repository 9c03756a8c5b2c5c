#![doc = include_str!("../README.md")]

mod address;
mod arcgis_hub;
mod arcgis_server;
mod ckan;
mod client;
mod convert;
mod csw;
mod data_json;
mod dataeye;
mod dcat;
mod decode;
mod dublin_core;
mod error;
mod file_list;
mod hash;
mod json;
mod json_ld;
mod label;
mod listing;
mod oai_pmh;
mod open_data_list;
mod opendatasoft;
mod page;
mod period;
mod plain_text;
mod robots;
mod sameness;
mod saved;
mod schema_org;
mod shirasagi;
mod socrata;
mod udata;
mod xml;

pub use address::AllowAddress;
pub use client::{Answer, Client, ClientSettings, Downloaded, Fetched, Probe, Request, Spooled};
pub use error::Error;
pub use hash::content_hash;
pub use listing::Listing;
pub use sameness::{dataset_keys, fingerprint};
pub use saved::SavedPortal;

use minato_catalog::{HarvestItem, HarvestKind, HarvestSourceDraft, Text, Vocabulary};
use tokio::sync::mpsc::Sender;

use crate::listing::Run;

/// Whether a pattern of links can be used; if not, why, and how to write one.
pub fn check_link_pattern(pattern: &str) -> Result<(), Text> {
    link_pattern(pattern).map(|_| ())
}

/// A pattern of links, of bounded size.
pub(crate) fn link_pattern(pattern: &str) -> Result<regex::Regex, Text> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
        let detail: String = error.to_string().lines().last().unwrap_or_default().trim().chars().take(200).collect();
        Text::new(
            format!("/link_pattern が正規表現として読めません（{detail}）。例: \\.(csv|xlsx)$"),
            format!("/link_pattern is not a regular expression ({detail}); for example: \\.(csv|xlsx)$"),
        )
    })
}

/// Reads a source from beginning to end and sends every record, one by one and as fast as they are taken.
///
/// Ends early, as [`Listing::Incomplete`], when the receiver is closed. Ids are unique within a run: a record met twice is sent once.
pub async fn run(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, records: Sender<HarvestItem>) -> Listing {
    let vocabulary = &vocabulary.with_mapping(&source.mapping);
    if source.default_licence.as_deref().is_some_and(|id| vocabulary.find_licence(id).is_none()) {
        tracing::warn!(source.slug = %source.slug, "default licence is not in the list and not used");
    }
    let mut run = Run::new(records).completing(source, vocabulary);
    let outcome = match source.kind {
        HarvestKind::Ckan => ckan::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Dataeye => dataeye::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Shirasagi => shirasagi::read(source, client, vocabulary, &mut run).await,
        HarvestKind::DataJson => data_json::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Udata => udata::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Opendatasoft => opendatasoft::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Socrata => socrata::read(source, client, vocabulary, &mut run).await,
        HarvestKind::ArcgisHub => arcgis_hub::read(source, client, vocabulary, &mut run).await,
        HarvestKind::OpenDataList => open_data_list::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Dcat => dcat::read(source, client, vocabulary, &mut run).await,
        HarvestKind::SchemaOrg => schema_org::read(source, client, vocabulary, &mut run).await,
        HarvestKind::FileList => file_list::read(source, client, vocabulary, &mut run).await,
        HarvestKind::Csw => csw::read(source, client, vocabulary, &mut run).await,
        HarvestKind::OaiPmh => oai_pmh::read(source, client, vocabulary, &mut run).await,
    };
    let listing = run.conclude(outcome);
    tracing::info!(source.slug = %source.slug, source.kind = source.kind.as_str(), listing = ?listing, "source read");
    listing
}

/// What a source says of a record when it is asked for it by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It shows it.
    Shown,
    /// It refuses to show it: the record is there, private or deleted and kept.
    Withheld,
    /// It knows no such record.
    Unknown,
}

/// Asks a source for one record, as somebody who is not signed in. `None` when it does not say, or speaks a protocol that cannot be asked so.
///
/// CKAN's listings leave out what is private without a word, so there this tells a record that somebody took back from one that is gone.
pub async fn standing(source: &HarvestSourceDraft, client: &Client, remote_id: &str) -> Option<Standing> {
    match source.kind {
        HarvestKind::Ckan => ckan::standing(source, client, remote_id).await,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Workers move a run to a thread of their choice: every back end must allow it.
    #[test]
    fn a_run_may_move_between_threads() {
        fn is_send(_: &impl Send) {}
        let source = HarvestSourceDraft::new("kure", HarvestKind::Ckan, "https://example.jp/", "kure");
        let client = Client::new(ClientSettings::default()).unwrap();
        let vocabulary = Vocabulary::built_in();
        is_send(&run(&source, &client, &vocabulary, tokio::sync::mpsc::channel(1).0));
    }
}
