//! Downloads: what is counted, and the series made of it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who asked, by the look of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientClass {
    /// A browser.
    Human,
    /// A program such as curl or python-requests; counted and shown apart.
    Machine,
    /// An AI agent acting for somebody; counted and shown apart.
    AiAgent,
    /// A crawler; not counted.
    Robot,
}

impl ClientClass {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            ClientClass::Human => "human",
            ClientClass::Machine => "machine",
            ClientClass::AiAgent => "ai_agent",
            ClientClass::Robot => "robot",
        }
    }

    /// The class of that name.
    pub fn parse(text: &str) -> Option<ClientClass> {
        [ClientClass::Human, ClientClass::Machine, ClientClass::AiAgent, ClientClass::Robot]
            .into_iter()
            .find(|class| class.as_str() == text)
    }
}

/// The way a file was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The file itself.
    File,
    /// Sent on to the publisher's site, for harvested links.
    Redirect,
}

impl Channel {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::File => "file",
            Channel::Redirect => "redirect",
        }
    }
}

/// One request for a file that may count.
#[derive(Debug, Clone, PartialEq)]
pub struct Download {
    /// Id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// The file's distribution.
    pub distribution_id: Uuid,
    /// Its dataset.
    pub dataset_id: Uuid,
    /// The dataset's organization at the time.
    pub organization_id: Uuid,
    /// Who asked.
    pub class: ClientClass,
    /// How.
    pub channel: Channel,
    /// The visitor under a salt that is thrown away daily.
    pub visitor: String,
    /// Version of the counting method.
    pub method_version: i64,
}

/// Length of the periods of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodKind {
    /// A day in Japan.
    Day,
    /// A calendar month.
    #[default]
    Month,
    /// A Japanese fiscal year, April to March.
    FiscalYear,
}

/// Downloads in one period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DownloadPoint {
    /// `2026-11-20`, `2026-11` or `2026` (fiscal year).
    pub period: String,
    /// First day of the period.
    pub start: NaiveDate,
    /// Counted downloads by people.
    pub human: i64,
    /// Counted downloads by programs.
    pub machine: i64,
    /// Counted downloads by AI agents.
    pub ai_agent: i64,
    /// All counted downloads.
    pub total: i64,
}

/// A series of downloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DownloadSeries {
    /// Length of the periods.
    pub period: PeriodKind,
    /// Oldest first; periods without downloads are included.
    pub points: Vec<DownloadPoint>,
    /// Sum over the points.
    pub total: i64,
    /// Version of the counting method.
    pub method_version: i64,
}

/// The downloads/month indicator of a fiscal year against its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DownloadIndicator {
    /// Fiscal year, named by the year in which it starts.
    pub fiscal_year: i32,
    /// For example `令和8年度`.
    pub fiscal_year_label: String,
    /// Counted downloads in the fiscal year so far, measured here.
    pub measured: i64,
    /// Downloads in the fiscal year reported by other sites.
    pub reported: i64,
    /// Complete months of the fiscal year that the mean is taken over.
    pub months: i64,
    /// Mean downloads per complete month; `null` before the first month is complete.
    pub mean_per_month: Option<f64>,
    /// Downloads in the current month so far.
    pub current_month: i64,
    /// Target per month; `null` when none is set.
    pub target_per_month: Option<i64>,
    /// Where the count began (plan baseline per month); `null` when none is set.
    pub baseline_per_month: Option<i64>,
}
