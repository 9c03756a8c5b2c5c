#![doc = include_str!("../README.md")]

mod app;
mod context;
mod counting;
mod dataset;
mod directory;
mod distribution;
mod doctor;
mod error;
mod harvest;
mod indexing;
mod noun;
mod search;
mod search_log;
mod statistics;
mod synonym_list;
mod token;
mod transfer;

pub use app::{App, AppSettings};
pub use context::{Context, Done, Idempotency, Status};
pub use counting::FileRequest;
pub use dataset::{DatasetListing, FoundDataset};
pub use directory::Directory;
pub use distribution::{FileUpload, FoundDistribution};
pub use doctor::{Check, CheckState};
pub use error::{Error, Result};
pub use harvest::{
    CountsFile, CountsReport, DecisionListing, FoundDecision, HarvestPreview, HarvestProgress, HarvestSourceStatus, LeftOut, PreviewRecord,
    PreviewRequest, TakeOver, TakeOverPlan, TakeOverProgress, TakenOver, correction_path,
};
pub use noun::SimpleNoun;
pub use search::{FoundDatasets, listing_notice};
pub use search_log::{SearchStatistics, SearchedQuery};
pub use statistics::{Ranked, SeriesRequest, Summary};
pub use token::NewToken;
pub use transfer::{ImportReport, TransferCounts};

pub use minato_catalog as catalog;
pub use minato_counter as counter;
pub use minato_dcat as dcat;
pub use minato_files as files;
pub use minato_harvest as harvesting;
pub use minato_search as searching;
pub use minato_store as store;
pub use minato_tabular as tabular;
