//! Replaying a count: a day of single downloads, made anonymous once more, and the sums that must come out of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use minato_catalog::{Channel, ClientClass, Download, FieldError, Sums, jst_day, jst_midnight};
use minato_counter::{METHOD_VERSION, class_of_rule, fingerprint};
use minato_store::{download, statistics};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::App;
use crate::error::{Error, Result};

/// The first line of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// What this is.
    kind: String,
    day: NaiveDate,
    method_version: i64,
    fingerprint: String,
    /// What is published of the day.
    published: Totals,
}

/// What a sample adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Downloads by people.
    pub human: i64,
    /// Downloads by programs.
    pub machine: i64,
    /// Downloads by AI agents.
    pub ai_agent: i64,
    /// All downloads.
    pub total: i64,
    /// Sessions for each file.
    pub unique_files: i64,
    /// Sessions for each dataset.
    pub unique_datasets: i64,
    /// Clicks that are one with another.
    pub double_clicks: i64,
    /// Looks at pages, no downloads.
    pub views: i64,
}

/// One line of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    first_at: DateTime<Utc>,
    at: DateTime<Utc>,
    clicks: i64,
    session: String,
    click: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    click_before: Option<String>,
    distribution: Uuid,
    dataset: Uuid,
    organization: Uuid,
    class: ClientClass,
    channel: Channel,
    agent_rule: String,
    method_version: i64,
}

/// How a recount came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recount {
    /// The day.
    pub day: NaiveDate,
    /// Version of the method that the sample was counted under, and that of this program.
    pub versions: [i64; 2],
    /// Whether rules and table of agents are the same.
    pub same_rules: bool,
    /// What the sample says is published.
    pub published: Totals,
    /// What comes out now.
    pub recounted: Totals,
    /// Lines whose class this program would say otherwise, by rule.
    pub reclassified: BTreeMap<String, i64>,
}

impl App {
    /// The single downloads of a day, as lines of JSON after a head with what is published of it. Visitors are numbered anew with a salt that
    /// is thrown away, so that two samples cannot be joined; of agents only the rule that knew them is there.
    pub fn export_sample(&self, day: NaiveDate) -> Result<String> {
        let oldest = self.now() - chrono::Duration::hours(crate::housekeeping::ROWS_KEPT_HOURS);
        if jst_midnight(day) < oldest || day > self.today() {
            return Err(Error::invalid(FieldError::new(
                "/day",
                "out_of_range",
                format!("{day} の 1 回ごとの記録はありません（48 時間で消します）。きのうか今日の日付にしてください。"),
                format!("there are no single downloads of {day}, they are kept for 48 hours; ask for yesterday or today"),
            )));
        }
        let (rows, published) = self.store().count(|conn| {
            let rows = download::rows_of_day(conn, day)?;
            let filter = statistics::SumFilter { from: day, to: day, ..statistics::SumFilter::default() };
            let mut published = Totals::default();
            for sum in statistics::series(conn, &filter, statistics::Grain::Day)? {
                published.add(sum.class, sum.sums);
            }
            published.double_clicks = download::excluded(conn, "download", day, day)?.get("double_click").copied().unwrap_or(0);
            published.views = statistics::investigations(conn, &filter)?.iter().map(|sum| sum.sums.total).sum();
            Ok((rows, published))
        })?;
        let salt = Uuid::new_v4().into_bytes();
        let mut names = Names { salt, known: HashMap::new() };
        let head = Head { kind: "minato-sample-1".to_owned(), day, method_version: METHOD_VERSION, fingerprint: fingerprint(), published };
        let mut text = serde_json::to_string(&head).map_err(Error::internal)?;
        text.push('\n');
        for row in rows {
            let line = Line {
                first_at: row.first_at,
                at: row.at,
                clicks: row.clicks,
                session: names.of(&row.visitor),
                click: names.of(&row.click),
                click_before: row.click_before.as_deref().map(|key| names.of(key)),
                distribution: row.distribution_id,
                dataset: row.dataset_id,
                organization: row.organization_id,
                class: row.class,
                channel: row.channel,
                agent_rule: row.agent_rule,
                method_version: row.method_version,
            };
            let line = serde_json::to_string(&line).map_err(Error::internal)?;
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{line}");
        }
        Ok(text)
    }
}

/// Names that stand for keys within one sample.
struct Names {
    salt: [u8; 16],
    known: HashMap<String, String>,
}

impl Names {
    fn of(&mut self, key: &str) -> String {
        let salt = self.salt;
        let make = || Sha256::digest([&salt, key.as_bytes()].concat())[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        self.known.entry(key.to_owned()).or_insert_with(make).clone()
    }
}

impl Totals {
    fn add(&mut self, class: ClientClass, sums: Sums) {
        match class {
            ClientClass::Human => self.human += sums.total,
            ClientClass::Machine => self.machine += sums.total,
            ClientClass::AiAgent => self.ai_agent += sums.total,
            ClientClass::Robot => return,
        }
        self.total += sums.total;
        self.unique_files += sums.unique_files;
        self.unique_datasets += sums.unique_datasets;
    }
}

/// Counts a sample again by the rules of this program. Needs no database.
pub fn recount(text: &str) -> Result<Recount> {
    let bad = |number: usize, error: &dyn std::fmt::Display| {
        Error::invalid(FieldError::new(
            format!("/{number}"),
            "invalid_line",
            format!(
                "{number} 行目が標本として読めません（{error}）。`minato statistics export-sample` が書いたままのファイルを渡してください。"
            ),
            format!("line {number} is none of a sample: {error}; give the file as `minato statistics export-sample` wrote it"),
        ))
    };
    let mut lines = text.lines();
    let head: Head = serde_json::from_str(lines.next().unwrap_or_default()).map_err(|error| bad(1, &error))?;
    if head.kind != "minato-sample-1" {
        return Err(bad(1, &"kind"));
    }
    let mut rows: Vec<Download> = Vec::new();
    let mut by_key: HashMap<String, Vec<Download>> = HashMap::new();
    let mut reclassified = BTreeMap::new();
    for (index, line) in lines.enumerate() {
        let line: Line = serde_json::from_str(line).map_err(|error| bad(index + 2, &error))?;
        if jst_day(line.at) != head.day || line.clicks < 1 || line.first_at > line.at {
            return Err(bad(index + 2, &"at, first_at, clicks"));
        }
        // Rows from before the rule was kept stay what they were.
        let class = if line.agent_rule.is_empty() { Some(line.class) } else { class_of_rule(&line.agent_rule) };
        if class != Some(line.class) {
            *reclassified.entry(line.agent_rule.clone()).or_default() += 1;
        }
        let row = Download {
            id: Uuid::from_u128(index as u128),
            at: line.at,
            first_at: line.first_at,
            clicks: line.clicks,
            distribution_id: line.distribution,
            dataset_id: line.dataset,
            organization_id: line.organization,
            class: class.unwrap_or(line.class),
            channel: line.channel,
            visitor: line.session,
            click: line.click.clone(),
            click_before: line.click_before,
            referrer: String::new(),
            format: String::new(),
            agent_rule: line.agent_rule,
            method_version: line.method_version,
        };
        if row.class != ClientClass::Robot {
            by_key.entry(format!("{} {} {}", line.click, line.distribution, line.channel.as_str())).or_default().push(row);
        }
    }
    for clicks in by_key.into_values() {
        let mut known = Vec::new();
        for click in clicks {
            minato_counter::settle(&mut known, click);
        }
        rows.append(&mut known);
    }
    let mut recounted = Totals::default();
    for (cell, sums) in minato_counter::sums(&rows) {
        if cell.channel.is_download() {
            recounted.add(cell.class, sums);
        } else {
            recounted.views += sums.total;
        }
    }
    recounted.double_clicks = rows.iter().filter(|row| row.channel.is_download()).map(|row| row.clicks - 1).sum();
    Ok(Recount {
        day: head.day,
        versions: [head.method_version, METHOD_VERSION],
        same_rules: head.fingerprint == fingerprint(),
        published: head.published,
        recounted,
        reclassified,
    })
}
