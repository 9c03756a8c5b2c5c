//! Downloads: what is counted, and the series made of it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who asked, by the look of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
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

/// The way something was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The file itself.
    File,
    /// Sent on to the publisher's site, for harvested links.
    Redirect,
    /// All files of a dataset in one archive: one download of the dataset, whatever the number of files.
    Zip,
    /// A file converted to another format.
    Converted,
    /// Rows of a file that a query chose.
    Query,
    /// The rows of a file by the API.
    Api,
    /// The rows of a file by the Model Context Protocol.
    Mcp,
    /// A look at the first rows of a file; an investigation, no download.
    Preview,
    /// A look at the page of a dataset; an investigation, no download.
    Page,
}

impl Channel {
    /// All of them, downloads first.
    pub const ALL: [Channel; 9] = [
        Channel::File,
        Channel::Redirect,
        Channel::Zip,
        Channel::Converted,
        Channel::Query,
        Channel::Api,
        Channel::Mcp,
        Channel::Preview,
        Channel::Page,
    ];

    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::File => "file",
            Channel::Redirect => "redirect",
            Channel::Zip => "zip",
            Channel::Converted => "converted",
            Channel::Query => "query",
            Channel::Api => "api",
            Channel::Mcp => "mcp",
            Channel::Preview => "preview",
            Channel::Page => "page",
        }
    }

    /// The channel of that name.
    pub fn parse(text: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    /// Whether content is handed over (COUNTER's request). The others are looks at it (COUNTER's investigation), never called downloads.
    pub fn is_download(self) -> bool {
        !matches!(self, Channel::Preview | Channel::Page)
    }
}

/// One counted request for a file: the last click of those that count as one.
///
/// Kept for two days. Nothing in it leads to an address or an agent once the salts of its day are destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Id.
    pub id: Uuid,
    /// When the last click was.
    pub at: DateTime<Utc>,
    /// When the first of the clicks was that count as this one.
    pub first_at: DateTime<Utc>,
    /// How many clicks those are.
    pub clicks: i64,
    /// The file's distribution; the dataset's id for what is a download of the whole dataset ([`Channel::Zip`]).
    pub distribution_id: Uuid,
    /// Its dataset.
    pub dataset_id: Uuid,
    /// The dataset's organization at the time.
    pub organization_id: Uuid,
    /// Who asked.
    pub class: ClientClass,
    /// How.
    pub channel: Channel,
    /// The session: the visitor by the hour, under a salt that is thrown away daily.
    pub visitor: String,
    /// Equal for the clicks of one visitor on one day.
    pub click: String,
    /// The same under the salt of the day before, in the first minute of a day.
    pub click_before: Option<String>,
    /// Domain of the page that led here; empty when unknown.
    pub referrer: String,
    /// Format of the file, for example `CSV`; empty when unknown.
    pub format: String,
    /// Which line of the table of agents said who asked; never the agent itself.
    pub agent_rule: String,
    /// Version of the counting method.
    pub method_version: i64,
}

/// Figures add up in these cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The day in Japan.
    pub day: NaiveDate,
    /// The distribution.
    pub distribution_id: Uuid,
    /// Its dataset.
    pub dataset_id: Uuid,
    /// The dataset's organization at the time.
    pub organization_id: Uuid,
    /// Who asked.
    pub class: ClientClass,
    /// How.
    pub channel: Channel,
}

/// What is counted of a cell. All three may be added up over any cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Sums {
    /// Counted downloads.
    pub total: i64,
    /// Sessions for each file: whoever takes a file again within the hour is one.
    pub unique_files: i64,
    /// Sessions for each dataset: whoever takes several files of a dataset within the hour is one.
    pub unique_datasets: i64,
}

impl Sums {
    /// Whether all is zero.
    pub fn is_zero(self) -> bool {
        self == Sums::default()
    }
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Sums) {
        self.total += other.total;
        self.unique_files += other.unique_files;
        self.unique_datasets += other.unique_datasets;
    }
}

impl std::ops::SubAssign for Sums {
    fn sub_assign(&mut self, other: Sums) {
        self.total -= other.total;
        self.unique_files -= other.unique_files;
        self.unique_datasets -= other.unique_datasets;
    }
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
    /// Sessions of an hour for each file: taking a file again within the hour is one.
    pub unique_files: i64,
    /// Sessions of an hour for each dataset: taking several of its files within the hour is one.
    pub unique_datasets: i64,
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
    /// Version of the counting method in use.
    pub method_version: i64,
    /// The versions that counted here, oldest first.
    pub methods: Vec<MethodPeriod>,
}

/// From when on a version of the counting method counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MethodPeriod {
    /// The version.
    pub version: i64,
    /// Its first day.
    pub first_day: NaiveDate,
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
