//! Themes: the 17 groups of the national portal a new catalog starts with.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocabulary::{DESCRIPTION_LENGTH_MAX, TITLE_LENGTH_MAX, URL_LENGTH_MAX, check_text, check_texts, check_title};
use crate::{FieldError, RecordState};

/// A subject area of datasets (`dcat:theme`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Theme {
    /// Id, for example `gr_1400`.
    pub id: String,
    /// What the theme is called.
    #[serde(flatten)]
    pub draft: ThemeDraft,
    /// Archived themes stay on datasets that have them and are offered no more.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// The editable part of a [`Theme`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThemeDraft {
    /// Title in Japanese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: Option<String>,
    /// What belongs to it.
    #[serde(default)]
    pub description: Option<String>,
    /// The same subject in other lists, for example EU data themes.
    #[serde(default)]
    pub exact_match: Vec<String>,
}

impl ThemeDraft {
    /// What is wrong with it; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_title(&mut errors, "/title", &self.title);
        check_text(&mut errors, "/title_en", self.title_en.as_deref(), TITLE_LENGTH_MAX);
        check_text(&mut errors, "/description", self.description.as_deref(), DESCRIPTION_LENGTH_MAX);
        check_texts(&mut errors, "/exact_match", &self.exact_match, URL_LENGTH_MAX);
        errors
    }
}

/// The themes a new catalog starts with: id and content.
pub fn built_in_themes() -> Vec<(String, ThemeDraft)> {
    BUILT_IN
        .iter()
        .map(|&(id, title, title_en, eu)| {
            let draft = ThemeDraft {
                title: title.to_owned(),
                title_en: Some(title_en.to_owned()),
                description: None,
                exact_match: eu.iter().map(|code| format!("http://publications.europa.eu/resource/authority/data-theme/{code}")).collect(),
            };
            (id.to_owned(), draft)
        })
        .collect()
}

type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// id, title, English title, EU data themes.
#[rustfmt::skip]
const BUILT_IN: &[Row] = &[
    ("gr_0100", "国土・気象", "Land and weather", &["ENVI", "REGI"]),
    ("gr_0200", "人口・世帯", "Population and households", &["SOCI"]),
    ("gr_0300", "労働・賃金", "Labour and wages", &["ECON", "SOCI"]),
    ("gr_0400", "農林水産業", "Agriculture, forestry, fisheries", &["AGRI"]),
    ("gr_0500", "鉱工業", "Mining and manufacturing", &["ECON"]),
    ("gr_0600", "商業・サービス業", "Commerce and services", &["ECON"]),
    ("gr_0700", "企業・家計・経済", "Business, household, economy", &["ECON"]),
    ("gr_0800", "住宅・土地・建設", "Housing, land, construction", &["REGI"]),
    ("gr_0900", "エネルギー・水", "Energy and water", &["ENER", "ENVI"]),
    ("gr_1000", "運輸・観光", "Transport and tourism", &["TRAN"]),
    ("gr_1100", "情報通信・科学技術", "Information, communication, science", &["TECH"]),
    ("gr_1200", "教育・文化・スポーツ・生活", "Education, culture, sport, living", &["EDUC"]),
    ("gr_1300", "行財政", "Administration and finance", &["GOVE"]),
    ("gr_1400", "司法・安全・環境", "Justice, safety, environment", &["JUST", "ENVI"]),
    ("gr_1500", "社会保障・衛生", "Social security and health", &["HEAL", "SOCI"]),
    ("gr_1600", "国際", "International", &["INTR"]),
    ("gr_9900", "その他", "Other", &[]),
];
