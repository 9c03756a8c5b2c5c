//! A run in progress: what was sent, and whether what was read may be called the whole listing.

use std::collections::HashSet;

use minato_catalog::{HarvestItem, HarvestedRecord, RecordFailure, Text, Withdrawal};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;

/// How a source's listing was read. Only after [`Listing::Complete`] may an absent record be taken for a withdrawn one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The whole listing was read; a record that was not sent, as itself or as a failure, is not there any more.
    Complete {
        /// Number of different records there, those that failed or are not public included.
        total: u64,
    },
    /// Part of the listing could not be read, or it cannot be told whether it was the whole.
    Incomplete {
        /// Why, and what to do.
        cause: Text,
    },
    /// Nothing could be read.
    Failed {
        /// Why, and what to do.
        cause: Text,
    },
}

/// Why reading stopped before the end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody takes records any more.
    Closed,
    /// The source, or part of it, could not be read.
    Broken(Text),
}

impl From<Text> for Stop {
    fn from(cause: Text) -> Self {
        Stop::Broken(cause)
    }
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Stop::Broken(error.text())
    }
}

/// What a back end says when it has read to the end.
#[derive(Debug)]
pub(crate) struct End {
    /// Number of records by the source's own count, where it gives one.
    pub(crate) reported: Option<u64>,
    /// Why the end is in doubt nevertheless.
    pub(crate) doubt: Option<Text>,
}

/// Longest id kept, in bytes: databases index no longer ones.
const ID_LENGTH_MAX: usize = 500;

/// Shortens an overlong id (some are whole addresses) without making two of them equal.
fn bound_id(id: &mut String) {
    if id.len() <= ID_LENGTH_MAX {
        return;
    }
    let digest: String = Sha256::digest(id.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let end = (0..=ID_LENGTH_MAX - digest.len() - 1).rev().find(|end| id.is_char_boundary(*end)).unwrap_or(0);
    id.truncate(end);
    id.push('#');
    id.push_str(&digest);
}

/// The records of a run on their way out.
pub(crate) struct Run {
    records: Sender<HarvestItem>,
    seen: HashSet<String>,
    /// Failures whose record could not be told; any known record may be meant.
    nameless: u64,
}

impl Run {
    pub(crate) fn new(records: Sender<HarvestItem>) -> Self {
        Run { records, seen: HashSet::new(), nameless: 0 }
    }

    /// Number of different records met so far.
    pub(crate) fn met(&self) -> u64 {
        self.seen.len() as u64 + self.nameless
    }

    /// Says that a record is there but not for the catalog (private, deleted). It counts among those met.
    pub(crate) async fn withdrawn(&mut self, remote_id: &str, cause: Withdrawal) -> Result<(), Stop> {
        let mut remote_id = remote_id.to_owned();
        bound_id(&mut remote_id);
        if !self.seen.insert(remote_id.clone()) {
            return Ok(());
        }
        self.records.send(HarvestItem::Withdrawn { remote_id, cause }).await.map_err(|_| Stop::Closed)
    }

    /// Sends a record or failure, waiting until it is taken. A record with an id met before is not sent again.
    pub(crate) async fn send(&mut self, mut record: Result<HarvestedRecord, RecordFailure>) -> Result<(), Stop> {
        match &mut record {
            Ok(record) => bound_id(&mut record.remote_id),
            Err(failure) => failure.remote_id.iter_mut().for_each(bound_id),
        }
        let id = match &record {
            Ok(record) => Some(&record.remote_id),
            Err(failure) => failure.remote_id.as_ref(),
        };
        match id {
            Some(id) if !self.seen.insert(id.clone()) && record.is_ok() => return Ok(()),
            Some(_) => {}
            None => self.nameless += 1,
        }
        let item = match record {
            Ok(record) => HarvestItem::Record(Box::new(record)),
            Err(failure) => HarvestItem::Failure(failure),
        };
        self.records.send(item).await.map_err(|_| Stop::Closed)
    }

    /// The verdict over the whole run.
    pub(crate) fn conclude(self, outcome: Result<End, Stop>) -> Listing {
        let met = self.met();
        let end = match outcome {
            Ok(end) => end,
            Err(Stop::Closed) => {
                return Listing::Incomplete {
                    cause: Text::new("取り込みが途中で中止されました。", "the run was stopped before its end")
                };
            }
            Err(Stop::Broken(cause)) if met == 0 => return Listing::Failed { cause },
            Err(Stop::Broken(cause)) => return Listing::Incomplete { cause },
        };
        if let Some(cause) = end.doubt {
            return if met == 0 { Listing::Failed { cause } } else { Listing::Incomplete { cause } };
        }
        if self.nameless > 0 {
            return Listing::Incomplete {
                cause: Text::new(
                    format!(
                        "ID の分からないレコードが {} 件あるため、一覧にないデータセットの判定はしません。該当レコードの原因を直してください。",
                        self.nameless
                    ),
                    format!(
                        "{} records have no id that could be read, so nothing is taken for withdrawn; mend their causes",
                        self.nameless
                    ),
                ),
            };
        }
        match end.reported {
            Some(reported) if reported == met => Listing::Complete { total: met },
            Some(reported) => Listing::Incomplete {
                cause: Text::new(
                    format!(
                        "取り込み元は {reported} 件あるとしていますが、実際に読めたのは {met} 件でした。時間をおいて再度実行してください。"
                    ),
                    format!("the source says it has {reported} records, but {met} were read; try again later"),
                ),
            },
            None if met == 0 => Listing::Failed {
                cause: Text::new(
                    "一覧にデータセットが 1 件もありません。URL が正しいか確認してください。",
                    "the listing holds no datasets; check the URL",
                ),
            },
            None => Listing::Complete { total: met },
        }
    }
}
