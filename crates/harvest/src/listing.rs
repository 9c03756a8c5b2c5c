//! A run in progress: what was sent, and whether what was read may be called the whole listing.

use std::collections::HashSet;

use minato_catalog::{DatasetDraft, HarvestItem, HarvestSourceDraft, HarvestedRecord, RecordFailure, Text, Vocabulary, Withdrawal};
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

/// The records of a run on their way out.
pub(crate) struct Run {
    records: Sender<HarvestItem>,
    seen: HashSet<String>,
    /// Failures whose record could not be told; any known record may be meant.
    nameless: u64,
    completion: Completion,
}

/// What every record is given on its way out, whatever protocol it came by.
#[derive(Default)]
struct Completion {
    vocabulary: Vocabulary,
    /// The licence of records that name none.
    default_licence: Option<String>,
}

impl Completion {
    fn complete(&self, draft: &mut DatasetDraft) {
        if let Some(licence) = self.default_licence.as_ref().filter(|_| names_no_licence(draft)) {
            draft.licence = Some(licence.clone());
        }
        if let Some(spatial) = &mut draft.spatial {
            let label = spatial.label.clone().unwrap_or_default();
            // The whole label first: a source's own word for an area may hold any character.
            let whole = self.vocabulary.find_area(&label);
            let parts = label.split(['、', ',', '，', ';', '；', '・', '/', '／', '\n']).filter_map(|part| self.vocabulary.find_area(part));
            for code in whole.into_iter().chain(parts.filter(|_| whole.is_none())) {
                if !spatial.area_codes.iter().any(|known| known == code) {
                    spatial.area_codes.push(code.to_owned());
                }
            }
        }
    }
}

/// Whether neither the dataset nor any of its files says under which terms it may be used. `記載なし` and the like say nothing either.
fn names_no_licence(draft: &DatasetDraft) -> bool {
    let says_nothing = |licence: &Option<String>| licence.as_deref().is_none_or(|id| id == "NOT-SPECIFIED");
    says_nothing(&draft.licence)
        && draft.licence_text.is_none()
        && draft
            .distributions
            .iter()
            .flatten()
            .all(|distribution| says_nothing(&distribution.licence) && !distribution.extras.contains_key("licence_text"))
}

impl Run {
    pub(crate) fn new(records: Sender<HarvestItem>) -> Self {
        Run { records, seen: HashSet::new(), nameless: 0, completion: Completion::default() }
    }

    /// The same, with what this source's records lack: its licence where they name none, and codes of the areas they name.
    pub(crate) fn completing(mut self, source: &HarvestSourceDraft, vocabulary: &Vocabulary) -> Self {
        let default_licence = source.default_licence.as_deref().and_then(|text| vocabulary.find_licence(text)).map(str::to_owned);
        self.completion = Completion { vocabulary: vocabulary.clone(), default_licence };
        self
    }

    /// Number of different records met so far.
    pub(crate) fn met(&self) -> u64 {
        self.seen.len() as u64 + self.nameless
    }

    /// Says that a record is there but not for the catalog (private, deleted). It counts among those met.
    pub(crate) async fn withdrawn(&mut self, remote_id: &str, cause: Withdrawal) -> Result<(), Stop> {
        if !self.seen.insert(remote_id.to_owned()) {
            return Ok(());
        }
        self.records.send(HarvestItem::Withdrawn { remote_id: remote_id.to_owned(), cause }).await.map_err(|_| Stop::Closed)
    }

    /// Sends a record or failure, waiting until it is taken. A record with an id met before is not sent again.
    pub(crate) async fn send(&mut self, record: Result<HarvestedRecord, RecordFailure>) -> Result<(), Stop> {
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
            Ok(mut record) => {
                self.completion.complete(&mut record.draft);
                HarvestItem::Record(Box::new(record))
            }
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

#[cfg(test)]
mod tests {
    use minato_catalog::{DistributionDraft, HarvestKind, Spatial};

    use super::*;

    fn complete(draft: DatasetDraft) -> DatasetDraft {
        let mut source = HarvestSourceDraft::new("s", HarvestKind::Ckan, "https://e.jp", "kure");
        source.default_licence = Some("CC BY 4.0".to_owned());
        source.mapping.areas.insert("本市・隣町".to_owned(), "342025".to_owned());
        let vocabulary = Vocabulary::built_in().with_mapping(&source.mapping);
        let run = Run::new(tokio::sync::mpsc::channel(1).0).completing(&source, &vocabulary);
        let mut draft = draft;
        run.completion.complete(&mut draft);
        draft
    }

    #[test]
    fn the_sources_licence_is_that_of_records_without() {
        let file = |licence: Option<&str>, words: Option<&str>| DatasetDraft {
            distributions: Some(vec![DistributionDraft {
                licence: licence.map(str::to_owned),
                extras: words.map(|words| ("licence_text".to_owned(), words.to_owned())).into_iter().collect(),
                ..DistributionDraft::default()
            }]),
            ..DatasetDraft::default()
        };
        let named = |licence: &str| DatasetDraft { licence: Some(licence.to_owned()), ..DatasetDraft::default() };
        for (draft, licence) in [
            (DatasetDraft::default(), Some("CC-BY-4.0")),
            (file(None, None), Some("CC-BY-4.0")),
            (named("NOT-SPECIFIED"), Some("CC-BY-4.0")),
            (named("CC0-1.0"), Some("CC0-1.0")),
            (DatasetDraft { licence_text: Some("ご自由に".to_owned()), ..DatasetDraft::default() }, None),
            (file(Some("CC0-1.0"), None), None),
            (file(None, Some("ご自由に")), None),
        ] {
            assert_eq!(complete(draft.clone()).licence.as_deref(), licence, "{draft:?}");
        }
    }

    #[test]
    fn areas_in_words_get_their_codes() {
        for (label, codes) in [
            ("広島県呉市", &["342025"][..]),
            ("呉市、三原市；安芸郡府中町", &["342025", "342041", "343021"]),
            ("本市・隣町", &["342025"]),
            ("世界", &[]),
            ("", &[]),
        ] {
            let draft =
                DatasetDraft { spatial: Some(Spatial { label: Some(label.to_owned()), ..Spatial::default() }), ..DatasetDraft::default() };
            let spatial = complete(draft).spatial.unwrap();
            assert_eq!(
                (spatial.area_codes, spatial.label.as_deref()),
                (codes.iter().map(|code| (*code).to_owned()).collect(), Some(label))
            );
        }
        assert_eq!(complete(DatasetDraft::default()).spatial, None);
    }
}
