//! What the index needs to know of a dataset.

use chrono::{DateTime, Utc};
use minato_catalog::DatasetState;
use uuid::Uuid;

use crate::Period;

/// One dataset as it is indexed: the caller flattens names and titles into it.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchDocument {
    /// The dataset's id; a later document with the same id replaces this one.
    pub id: Uuid,
    /// Name in URLs.
    pub slug: String,
    /// Title in Japanese.
    pub title: String,
    /// Title in English.
    pub title_en: Option<String>,
    /// Description, as Markdown or text; both languages may be joined.
    pub description: String,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Theme ids.
    pub themes: Vec<String>,
    /// Titles of the themes, searched like keywords.
    pub theme_titles: Vec<String>,
    /// The owner.
    pub organization_id: Uuid,
    /// The owner's name in URLs; the value of the organization facet.
    pub organization_slug: String,
    /// The owner's name.
    pub organization_name: String,
    /// The owner's name in English.
    pub organization_name_en: Option<String>,
    /// Local government code.
    pub organization_code: Option<String>,
    /// Name and description of each distribution.
    pub distributions: Vec<(String, String)>,
    /// Formats of the distributions, for example `CSV`.
    pub formats: Vec<String>,
    /// Licence id.
    pub licence: Option<String>,
    /// Standard dataset id.
    pub standard_dataset: Option<String>,
    /// Local government codes of the area covered.
    pub area_codes: Vec<String>,
    /// Published and public: everybody may see it.
    pub open: bool,
    /// Where it is in its life.
    pub state: DatasetState,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the content last changed.
    pub modified: DateTime<Utc>,
    /// Downloads of the last 90 days.
    pub downloads_90d: u64,
    /// Column names found in the files.
    pub column_names: Vec<String>,
    /// Whatever has no field: key and value.
    pub extras: Vec<(String, String)>,
    /// West, south, east, north in degrees.
    pub bbox: Option<[f64; 4]>,
    /// First and last day covered.
    pub temporal: Option<Period>,
}
