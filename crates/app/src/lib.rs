#![doc = include_str!("../README.md")]

mod app;
mod clock;
mod context;
mod counting;
mod dataset;
mod directory;
mod distribution;
mod doctor;
mod error;
mod gatherer;
mod harvest;
mod housekeeping;
mod indexing;
mod indicator;
mod noun;
mod report;
mod sample;
mod search;
mod search_log;
mod statistics;
mod summary_mail;
mod synonym_list;
mod token;
mod transfer;
mod view_log;

pub use app::{App, AppSettings};
pub use clock::Clock;
pub use context::{Context, Done, Idempotency, Status};
pub use counting::FileRequest;
pub use dataset::{DatasetListing, FoundDataset};
pub use directory::Directory;
pub use distribution::{FileUpload, FoundDistribution};
pub use doctor::{Check, CheckState};
pub use error::{Error, Result};
pub use harvest::{
    AbsentRecord, CountsFile, CountsReport, DecisionListing, FoundDecision, HarvestMail, HarvestNotice, HarvestPreview, HarvestProgress,
    HarvestSourceStatus, LeftOut, LinkProgress, MappingGap, PreviewRecord, PreviewRequest, TakeOver, TakeOverPlan, TakeOverProgress,
    TakenOver, TroubledLink, correction_path,
};
pub use noun::SimpleNoun;
pub use report::{ImportedRow, ReportImport, ReportRow, read_report_file};
pub use sample::{Recount, Totals, recount};
pub use search::{FoundDatasets, listing_notice};
pub use search_log::{SearchStatistics, SearchedQuery};
pub use statistics::{Dimension, Part, Ranked, RankingRequest, ReportedDownloads, SeriesRequest, Summary};
pub use summary_mail::SummaryMail;
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
