//! What a source says that has no equal here, and which of its records are about to go: what staff look at before they decide.

use std::collections::HashMap;
use std::sync::Arc;

use minato_catalog::{Dataset, DecisionKind, DecisionState, HarvestStatus, RecordOutcome, Role, Text, Viewer, Visibility};
use minato_store::harvest::{self as store, HarvestRecord};
use minato_store::harvest_decision;
use serde::Serialize;
use uuid::Uuid;

use crate::App;
use crate::dataset::require_role;
use crate::error::{Error, Result};

/// What stands between the notices of one record.
const BETWEEN: &str = " / ";
/// Records named with a notice.
const EXAMPLES_MAX: usize = 5;
/// Outcomes read at once.
const PAGE: i64 = 1000;

/// A notice about values of a source, summed over a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HarvestNotice {
    /// What was noticed.
    pub text: Text,
    /// How many records it is said of.
    pub count: i64,
    /// The first of them, by their ids at the source.
    pub examples: Vec<String>,
    /// What would settle it, where an entry in the source's mapping would.
    pub mapping: Option<MappingGap>,
}

/// A word of a source that its mapping could give a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MappingGap {
    /// The list of the mapping: `licences`, `themes`, `formats`, `frequencies` or `areas`.
    pub list: &'static str,
    /// The word as the source spells it.
    pub spelling: String,
}

/// A record that is absent from its source, or was taken back, for long enough.
#[derive(Debug, Clone, PartialEq)]
pub struct AbsentRecord {
    /// Its id at the source.
    pub remote_id: String,
    /// The dataset it is here, with its title.
    pub dataset: Option<(Uuid, String)>,
}

impl App {
    /// What the latest run of a source noticed, the most frequent first; of a source that never ran, nothing. For members of its organization.
    pub fn harvest_notices(&self, viewer: &Viewer, key: &str) -> Result<Vec<HarvestNotice>> {
        let source = self.source(viewer, key)?;
        if viewer.is_public() {
            return Err(Error::Unauthenticated);
        }
        if !viewer.has_role(source.organization_id, Role::Viewer) {
            require_role(viewer, source.organization_id, Role::Viewer)?;
        }
        let runs = self.harvest_runs(viewer, key, 10)?;
        let Some(run) = runs.iter().find(|run| run.status != HarvestStatus::Queued) else { return Ok(Vec::new()) };
        let mut sums: Vec<HarvestNotice> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for outcome in [RecordOutcome::Added, RecordOutcome::Updated, RecordOutcome::Unchanged] {
            let mut after: Option<String> = None;
            loop {
                let page = self.store().read(|conn| store::list_outcomes(conn, run.id, Some(outcome), after.as_deref(), PAGE))?;
                for record in &page {
                    for text in record.cause.iter().flat_map(split) {
                        let place = *places.entry(text.en.clone()).or_insert_with(|| {
                            let mapping = mapping_of(&text);
                            sums.push(HarvestNotice { text, count: 0, examples: Vec::new(), mapping });
                            sums.len() - 1
                        });
                        let sum = &mut sums[place];
                        sum.count += 1;
                        if sum.examples.len() < EXAMPLES_MAX {
                            sum.examples.push(record.remote_id.clone());
                        }
                    }
                }
                let full = i64::try_from(page.len()).is_ok_and(|count| count == PAGE);
                match page.into_iter().next_back().filter(|_| full) {
                    Some(last) => after = Some(last.remote_id),
                    None => break,
                }
            }
        }
        sums.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.en.cmp(&b.text.en)));
        Ok(sums)
    }

    /// The copies of a dataset that other sources have and that it is shown in place of.
    pub fn copies(&self, dataset: &Dataset) -> Result<Vec<Arc<Dataset>>> {
        let decisions = self.store().read(|conn| harvest_decision::of_dataset(conn, dataset.id))?;
        let ids: Vec<Uuid> = decisions
            .iter()
            .filter(|decision| decision.kind == DecisionKind::Duplicate && decision.state != DecisionState::Rejected)
            .flat_map(|decision| [decision.dataset_id, decision.other_id])
            .flatten()
            .filter(|id| *id != dataset.id)
            .collect();
        let mut copies = self.cached_many(&ids)?;
        copies.retain(|copy| copy.content.duplicate_of == Some(dataset.id) && copy.content.visibility == Visibility::Public);
        Ok(copies)
    }

    /// The records that a sweep is about, as long as it waits for somebody, by their ids at the source; of anything else, nothing.
    pub fn sweep_records(&self, viewer: &Viewer, decision: &str) -> Result<Vec<AbsentRecord>> {
        let decision = self.decision(viewer, decision)?.decision;
        if decision.kind != DecisionKind::Sweep || decision.state != DecisionState::Open {
            return Ok(Vec::new());
        }
        let source = self.source(viewer, &decision.source_id.to_string())?;
        let runs = source.draft.missing_runs_max.max(1);
        let records: Vec<HarvestRecord> = self.store().read(|conn| store::absent_records(conn, source.id, runs))?;
        let ids: Vec<Uuid> = records.iter().filter_map(|record| record.dataset_id).collect();
        let titles: HashMap<Uuid, String> =
            self.cached_many(&ids)?.iter().map(|dataset| (dataset.id, dataset.content.title.clone())).collect();
        let shown = |record: HarvestRecord| {
            let dataset = record.dataset_id.and_then(|id| titles.get(&id).map(|title| (id, title.clone())));
            AbsentRecord { remote_id: record.remote_id, dataset }
        };
        Ok(records.into_iter().map(shown).collect())
    }
}

/// The notices of one record, which were joined.
fn split(cause: &Text) -> Vec<Text> {
    let (ja, en): (Vec<&str>, Vec<&str>) = (cause.ja.split(BETWEEN).collect(), cause.en.split(BETWEEN).collect());
    if ja.len() != en.len() {
        // A value has the mark in it.
        return vec![cause.clone()];
    }
    ja.into_iter().zip(en).map(|(ja, en)| Text::new(ja, en)).collect()
}

/// The word that a notice says has no equal here, and the list it would belong to.
fn mapping_of(notice: &Text) -> Option<MappingGap> {
    let known =
        [("ライセンス「", "licences"), ("分類「", "themes"), ("更新頻度「", "frequencies"), ("形式「", "formats"), ("地域「", "areas")];
    let (rest, list) = known.iter().find_map(|(begin, list)| Some((notice.ja.strip_prefix(begin)?, *list)))?;
    let (spelling, _) = rest.rsplit_once("」は登録されていない")?;
    Some(MappingGap { list, spelling: spelling.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_notices_are_told_apart() {
        let cause = Text::new("分類「道路」は登録されていないため、… / ライセンス「独自」は…", "the theme `道路` … / the licence `独自` …");
        assert_eq!(split(&cause).len(), 2);
        let odd = Text::new("分類「a / b」は登録されていないため、残しました。", "the theme was kept");
        assert_eq!(split(&odd), vec![odd.clone()]);
    }

    #[test]
    fn words_without_a_meaning_name_their_list() {
        for (ja, expected) in [
            ("ライセンス「独自「改」」は登録されていないため、原文のまま残しました。", Some(("licences", "独自「改」"))),
            ("分類「道路」は登録されていないため、キーワードに残しました。", Some(("themes", "道路"))),
            ("更新頻度「気が向いたら」は登録されていないため、その他の項目に残しました。", Some(("frequencies", "気が向いたら"))),
            ("キーワード「長い…」は長すぎるか多すぎるため、使いませんでした。", None),
            ("一覧にありません。", None),
        ] {
            let gap = mapping_of(&Text::new(ja, ""));
            assert_eq!(gap.as_ref().map(|gap| (gap.list, gap.spelling.as_str())), expected, "{ja}");
        }
    }
}
