//! A run in progress: what was sent, and whether what was read may be called the whole listing.

use std::collections::HashSet;

use minato_catalog::{DatasetDraft, HarvestItem, HarvestSourceDraft, HarvestedRecord, RecordFailure, Text, Vocabulary, Withdrawal};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;

/// What became of a record of a listing.
pub(crate) enum Converted {
    /// It was converted, or could not be.
    Record(Box<Result<HarvestedRecord, RecordFailure>>),
    /// It is there and not for the public.
    Withdrawn(String, Withdrawal),
    /// It is somebody else's, or no dataset; with its id.
    Other(String),
}

impl Converted {
    /// The record's id, as far as it can be told.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Converted::Record(record) => match record.as_ref() {
                Ok(record) => Some(&record.remote_id),
                Err(failure) => failure.remote_id.as_deref(),
            },
            Converted::Withdrawn(id, _) | Converted::Other(id) => Some(id),
        }
    }

    /// A failure that names the record as far as it can be told.
    pub(crate) fn failure(id: Option<&str>, position: &str, raw: &Value, ja: &str, en: &str) -> Converted {
        Converted::Record(Box::new(Err(RecordFailure {
            remote_id: id.map(str::to_owned),
            position: position.to_owned(),
            cause: Text::new(format!("{position}: {ja}"), format!("{position}: {en}")),
            raw: Some(raw.to_string()),
        })))
    }
}

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
    /// Records of the listing that are not asked for.
    others: HashSet<String>,
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
        Run { records, seen: HashSet::new(), others: HashSet::new(), nameless: 0, completion: Completion::default() }
    }

    /// The same, with what this source's records lack: its licence where they name none, and codes of the areas they name.
    pub(crate) fn completing(mut self, source: &HarvestSourceDraft, vocabulary: &Vocabulary) -> Self {
        let default_licence = source.default_licence.as_deref().and_then(|text| vocabulary.find_licence(text)).map(str::to_owned);
        self.completion = Completion { vocabulary: vocabulary.clone(), default_licence };
        self
    }

    /// Whether the listing was seen to hold a record with this id, asked for or not.
    pub(crate) fn has_passed(&self, remote_id: &str) -> bool {
        self.seen.contains(remote_id) || self.others.contains(remote_id)
    }

    /// Whether something was met of which it cannot be told which record it is.
    pub(crate) fn has_nameless(&self) -> bool {
        self.nameless > 0
    }

    /// Number of different records met so far.
    pub(crate) fn met(&self) -> u64 {
        self.seen.len() as u64 + self.nameless
    }

    /// Number of different records seen in the listing so far, those that are not asked for included.
    pub(crate) fn passed(&self) -> u64 {
        self.met() + self.others.len() as u64
    }

    /// Says that the listing holds a record that is not asked for: another organization's, or no dataset. The source counts it, we do not.
    pub(crate) fn other(&mut self, remote_id: &str) {
        self.others.insert(remote_id.to_owned());
    }

    /// Sends what a record became.
    pub(crate) async fn take(&mut self, converted: Converted) -> Result<(), Stop> {
        match converted {
            Converted::Record(record) => self.send(*record).await,
            Converted::Withdrawn(remote_id, cause) => self.withdrawn(&remote_id, cause).await,
            Converted::Other(remote_id) => {
                self.other(&remote_id);
                Ok(())
            }
        }
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
            Ok(mut record) => {
                self.completion.complete(&mut record.draft);
                if record.raw.contains('\u{fffd}') {
                    record.notices.push(lost_characters());
                }
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
        let others = self.others.len() as u64;
        if met == 0 && others > 0 {
            return Listing::Failed {
                cause: Text::new(
                    format!(
                        "一覧の {others} 件の中に、取り込みの対象となるデータセットがありません。URL と対象組織の指定を確認してください。"
                    ),
                    format!(
                        "none of the {others} records of the listing is a dataset that is asked for; check the URL and the organization"
                    ),
                ),
            };
        }
        match end.reported.map(|reported| reported.saturating_sub(others)) {
            Some(reported) if reported == met => Listing::Complete { total: met },
            Some(reported) => Listing::Incomplete { cause: not_all(reported, met) },
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

/// The source counts other records than were read.
pub(crate) fn not_all(reported: u64, read: u64) -> Text {
    Text::new(
        format!("取り込み元は {reported} 件あるとしていますが、実際に読めたのは {read} 件でした。時間をおいて再度実行してください。"),
        format!("the source says it has {reported} records, but {read} were read; try again later"),
    )
}

/// What a record with U+FFFD is told: characters of it were lost here or, before that, at the source.
fn lost_characters() -> Text {
    Text::new(
        "読めない文字が「\u{fffd}」になっています。取り込み元の文字を直してください（文字コードは UTF-8）。",
        "characters that could not be read are `\u{fffd}`; mend them at the source (in UTF-8)",
    )
}

/// What must hold from page to page of a listing, whatever the protocol.
pub(crate) struct Pages {
    reported: Option<u64>,
    read: usize,
    max: usize,
    met: u64,
}

impl Pages {
    /// Of a listing with at most `max` pages.
    pub(crate) fn new(max: usize) -> Self {
        Pages { reported: None, read: 0, max, met: 0 }
    }

    /// Number of records by the source's own count, as the last page gave it.
    pub(crate) fn reported(&self) -> Option<u64> {
        self.reported
    }

    /// Takes the count that a page gives. A smaller one than before is a doubt: records may have moved to pages that were read.
    pub(crate) fn count(&mut self, count: Option<u64>) -> Option<Text> {
        match (self.reported, count) {
            (Some(before), Some(now)) if now < before => Some(Text::new(
                format!("読み取り中に全体の件数が {before} から {now} に減りました。時間をおいて再度実行してください。"),
                format!("the number of records fell from {before} to {now} while reading; try again later"),
            )),
            (_, Some(now)) => {
                self.reported = Some(now);
                None
            }
            (_, None) => None,
        }
    }

    /// Takes note of a page before another one that must follow. `records` is what the page held, `met` how many different records the run
    /// has met by now; `place` names the page.
    pub(crate) fn turn(&mut self, place: &str, records: usize, met: u64) -> Option<Text> {
        self.read += 1;
        let met_before = std::mem::replace(&mut self.met, met);
        if records == 0 {
            return Some(Text::new(
                format!("{place} のページが空でしたが、まだ続きがあるはずです。時間をおいて再度実行してください。"),
                format!("the page at {place} is empty although more must follow; try again later"),
            ));
        }
        if met == met_before {
            return Some(Text::new(
                format!("{place} のページが前のページと同じ内容です。取り込み元のページ送りを確認してください。"),
                format!("the page at {place} repeats earlier ones; check the source's paging"),
            ));
        }
        (self.read >= self.max).then(|| {
            Text::new(
                format!("ページ数が上限（{}）を超えたため、途中で止めました。", self.max),
                format!("there are more than {} pages; reading stopped there", self.max),
            )
        })
    }
}

impl End {
    /// The end was not reached, or cannot be told.
    pub(crate) fn doubtful(cause: Text) -> End {
        End { reported: None, doubt: Some(cause) }
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
