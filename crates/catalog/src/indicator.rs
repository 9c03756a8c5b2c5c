//! Indicators of the plan: what they measure, over which datasets, and what months say of them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Dataset, FieldError, Organization, OrganizationKind};

/// Where the value of an indicator comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndicatorRule {
    /// Downloads of the month: counted here, and reported by other sites.
    DownloadsPerMonth,
    /// Datasets that everybody may see, of the scope.
    DatasetsPublished,
    /// Municipalities with such a dataset.
    MunicipalitiesPublishing,
    /// Of the standard datasets that municipalities are asked for, the share that is published, in percent: a mean over the municipalities.
    StandardDatasetCoverage,
    /// Datasets that are as recent as their own update frequency says, in percent of those that name one.
    Freshness,
    /// Entered by hand.
    Entered,
}

impl IndicatorRule {
    /// Version of the rule, told with every figure.
    pub fn version(self) -> i64 {
        match self {
            IndicatorRule::DownloadsPerMonth => 2,
            _ => 1,
        }
    }
}

/// How the values of the months become that of a fiscal year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum YearValue {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The last one, as at the end of the year.
    Last,
}

/// An indicator of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// Short name: a–z, 0–9 and _.
    pub id: String,
    /// Title in Japanese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Unit in Japanese.
    pub unit: String,
    /// Unit in English.
    pub unit_en: String,
    /// Where its values come from.
    pub rule: IndicatorRule,
    /// What a year is made of.
    pub year_value: YearValue,
    /// Over which datasets; without, over all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// By when the target is to be reached, as the plan says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_by: String,
    /// A target that is no number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_text: String,
    /// For readers of the report.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Indicator {
    /// What is wrong with it.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.id.is_empty() || self.id.len() > 60 || !self.id.bytes().all(plain) {
            errors.push(FieldError::new(
                "/id",
                "invalid_id",
                "/id は半角小文字・数字・_ で 60 文字以内にしてください。",
                "/id must be 1 to 60 of a-z, 0-9 and _",
            ));
        }
        for (field, text, limit) in [
            ("/title", &self.title, 200),
            ("/title_en", &self.title_en, 200),
            ("/unit", &self.unit, 40),
            ("/unit_en", &self.unit_en, 40),
            ("/target_by", &self.target_by, 100),
            ("/target_text", &self.target_text, 200),
            ("/note", &self.note, 500),
        ] {
            if text.chars().count() > limit {
                errors.push(FieldError::too_long(field, limit));
            }
        }
        if self.title.trim().is_empty() {
            errors.push(FieldError::required("/title"));
        }
        errors
    }
}

/// Which datasets an indicator is over: those that meet any of the conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetScope {
    /// Short name: a–z, 0–9 and _.
    pub id: String,
    /// Name in Japanese.
    pub title: String,
    /// Name in English.
    pub title_en: String,
    /// One of these must hold.
    pub any: Vec<ScopeCondition>,
}

/// A condition of a scope: everything that is named must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeCondition {
    /// The organization is of one of these kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organization_kinds: Vec<OrganizationKind>,
    /// The organization is one of these, by slug or local government code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// Harvested from one of these sources, by slug.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Has one of these keywords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
}

impl DatasetScope {
    /// Whether a dataset is of the scope; `source` is the slug of the source it was harvested from.
    pub fn has(&self, dataset: &Dataset, organization: Option<&Organization>, source: Option<&str>) -> bool {
        self.any.iter().any(|condition| condition.holds(dataset, organization, source))
    }
}

impl ScopeCondition {
    fn holds(&self, dataset: &Dataset, organization: Option<&Organization>, source: Option<&str>) -> bool {
        let named = |list: &[String], value: &str| list.iter().any(|one| one == value);
        let draft = organization.map(|organization| &organization.draft);
        (self.organization_kinds.is_empty() || draft.is_some_and(|draft| self.organization_kinds.contains(&draft.kind)))
            && (self.organizations.is_empty()
                || draft.is_some_and(|draft| {
                    named(&self.organizations, &draft.slug) || draft.code.as_deref().is_some_and(|code| named(&self.organizations, code))
                }))
            && (self.sources.is_empty() || source.is_some_and(|source| named(&self.sources, source)))
            && (self.keywords.is_empty()
                || dataset.content.keywords.iter().any(|keyword| self.keywords.iter().any(|wanted| wanted.eq_ignore_ascii_case(keyword))))
    }
}

/// What kind of figures a source hands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Downloads at another site, added to those counted here.
    Reported,
    /// The same downloads counted in an older way: shown beside, never added.
    Legacy,
}

impl ReportKind {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            ReportKind::Reported => "reported",
            ReportKind::Legacy => "legacy",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<ReportKind> {
        [ReportKind::Reported, ReportKind::Legacy].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A site or a way of counting that hands in figures by month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSource {
    /// Short name: a–z, 0–9, - and _.
    pub id: String,
    /// What its figures are.
    pub kind: ReportKind,
    /// Name in Japanese.
    pub title: String,
    /// Name in English.
    pub title_en: String,
}

/// What a source hands in for a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportedFigure {
    /// The source.
    pub source: String,
    /// Downloads.
    pub total: i64,
}

/// All that is known of the downloads of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MonthFigures {
    /// The month in Japan.
    #[schema(example = "2026-11")]
    pub month: String,
    /// Counted here: by people.
    pub human: i64,
    /// Counted here: by programs.
    pub machine: i64,
    /// Counted here: by AI agents.
    pub ai_agent: i64,
    /// All that is counted here.
    pub measured: i64,
    /// Sessions of an hour for each file.
    pub unique_files: i64,
    /// Sessions of an hour for each dataset.
    pub unique_datasets: i64,
    /// Handed in by other sites.
    pub reported: Vec<ReportedFigure>,
    /// Counted here and reported: the figure of the month.
    pub total: i64,
    /// Counted in older ways, for comparison; part of no sum.
    pub legacy: Vec<ReportedFigure>,
    /// Requests of robots and monitors that were left out.
    pub robots: i64,
    /// Version of the counting method in use at the end of the month.
    pub method_version: i64,
    /// When the month was closed and its figures frozen; `null` while they may change.
    pub closed: Option<DateTime<Utc>>,
}

/// A month whose frozen figures were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restatement {
    /// The month.
    pub month: String,
    /// Why.
    pub reason: String,
    /// The figures before.
    pub before: MonthFigures,
    /// The figures after.
    pub after: MonthFigures,
    /// By whom.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// An indicator in a fiscal year.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndicatorYear {
    /// The indicator.
    pub indicator: Indicator,
    /// Fiscal year, named by the year in which it starts.
    pub fiscal_year: i32,
    /// For example `令和8年度`.
    pub fiscal_year_label: String,
    /// The value of the year so far; `null` when nothing is known.
    pub value: Option<f64>,
    /// The months that it is made of.
    pub months: Vec<IndicatorMonth>,
    /// Where the plan began; `null` when none is set.
    pub baseline: Option<i64>,
    /// The target of the year; `null` when none is set.
    pub target: Option<i64>,
    /// How far the target is reached, in percent.
    pub percent: Option<f64>,
    /// `達成`, `未達成`, `継続中`, `（達成済）`, or empty when there is no target.
    pub achievement: String,
    /// The same in English: met, not met, going on, met before.
    pub achievement_en: String,
    /// Version of the rule that gives the value.
    pub rule_version: i64,
}

/// An indicator in a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndicatorMonth {
    /// The month.
    pub month: String,
    /// Its value.
    pub value: f64,
    /// Whether the month is over.
    pub complete: bool,
    /// Whether its figures are frozen.
    pub closed: bool,
}

/// What the downloads of a year come to if they go on as they do, and what changed against the year before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Outlook {
    /// Fiscal year.
    pub fiscal_year: i32,
    /// Mean downloads of the complete months.
    pub mean_so_far: Option<f64>,
    /// Mean of the last three complete months.
    pub recent_mean: Option<f64>,
    /// Mean of the whole year if the months to come are like the last three.
    pub forecast: Option<f64>,
    /// Target of the year.
    pub target: Option<i64>,
    /// What each month to come must have for the mean to reach the target; `null` when the year is over or no target is set.
    pub needed_per_month: Option<f64>,
    /// The change against the year before; `null` when either has no complete month.
    pub change: Option<DownloadChange>,
}

/// A change of mean monthly downloads in parts that add up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DownloadChange {
    /// Mean of the year before.
    pub before: f64,
    /// Mean of this year.
    pub after: f64,
    /// Because more (or fewer) datasets are used.
    pub more_datasets: f64,
    /// Because each is used more (or less).
    pub more_use: f64,
    /// Because the way of counting changed, as far as months were counted in both ways.
    pub method: f64,
    /// Because other sites report more (or less).
    pub reported: f64,
    /// Requests of robots left out a month, this year: no part of the change, for judging it.
    pub robots_left_out: f64,
    /// Datasets with downloads, the year before and this year.
    pub datasets: [f64; 2],
}

/// The indicators of the plan that a new catalog starts with.
pub fn built_in_indicators() -> Vec<Indicator> {
    let indicator = |id: &str, title: &str, title_en: &str, unit: &str, unit_en: &str, rule, year_value| Indicator {
        id: id.to_owned(),
        title: title.to_owned(),
        title_en: title_en.to_owned(),
        unit: unit.to_owned(),
        unit_en: unit_en.to_owned(),
        rule,
        year_value,
        scope: None,
        target_by: String::new(),
        target_text: String::new(),
        note: String::new(),
    };
    use IndicatorRule as Rule;
    vec![
        Indicator {
            target_by: "令和7年度末".to_owned(),
            note: "月平均。ここで数えた分と、ほかのサイトから報告された分の合計".to_owned(),
            ..indicator(
                "downloads_per_month",
                "ダウンロード数/月",
                "Downloads a month",
                "回",
                "downloads",
                Rule::DownloadsPerMonth,
                YearValue::Mean,
            )
        },
        Indicator {
            target_by: "令和7年度末".to_owned(),
            ..indicator(
                "datasets_published",
                "データセット公開数",
                "Datasets published",
                "データ",
                "datasets",
                Rule::DatasetsPublished,
                YearValue::Last,
            )
        },
        Indicator {
            scope: Some("prefecture_held".to_owned()),
            target_text: "ニーズに応じて公開".to_owned(),
            ..indicator(
                "prefecture_data_published",
                "県保有データの公開数",
                "Datasets held by the prefecture",
                "データ",
                "datasets",
                Rule::DatasetsPublished,
                YearValue::Last,
            )
        },
        indicator(
            "municipalities_on_portal",
            "オープンデータサイト公開市町数",
            "Municipalities publishing",
            "市町",
            "municipalities",
            Rule::MunicipalitiesPublishing,
            YearValue::Last,
        ),
        indicator(
            "standard_dataset_coverage",
            "自治体標準オープンデータセットの公開割合",
            "Coverage of the standard datasets",
            "%",
            "%",
            Rule::StandardDatasetCoverage,
            YearValue::Last,
        ),
        indicator(
            "freshness",
            "更新頻度どおりに更新されているデータの割合",
            "Datasets as recent as they promise",
            "%",
            "%",
            Rule::Freshness,
            YearValue::Last,
        ),
        indicator(
            "analysis_training",
            "データ分析を業務に活かすための研修の受講者数",
            "Participants of training in data analysis",
            "人",
            "people",
            Rule::Entered,
            YearValue::Sum,
        ),
        indicator(
            "staff_digital_training",
            "職員の研修受講者数（累計）",
            "Staff trained so far",
            "人（累計）",
            "people in all",
            Rule::Entered,
            YearValue::Last,
        ),
        indicator(
            "data_use_training",
            "データ活用研修の受講者数",
            "Participants of training in data use",
            "人",
            "people",
            Rule::Entered,
            YearValue::Sum,
        ),
    ]
}

/// The scopes that a new catalog starts with.
pub fn built_in_scopes() -> Vec<DatasetScope> {
    vec![DatasetScope {
        id: "prefecture_held".to_owned(),
        title: "県保有データ（DoboX を含む）".to_owned(),
        title_en: "Held by the prefecture, DoboX included".to_owned(),
        any: vec![
            ScopeCondition { organization_kinds: vec![OrganizationKind::Prefecture], ..ScopeCondition::default() },
            ScopeCondition { sources: vec!["dobox".to_owned()], ..ScopeCondition::default() },
            ScopeCondition { keywords: vec!["DoboX".to_owned()], ..ScopeCondition::default() },
        ],
    }]
}

/// Reads a month in the spellings of reports: `2026-11`, `2026/11`, `2026年11月`, `令和8年11月`, `R8.11`, or as its first day.
pub fn parse_report_month(text: &str) -> Option<NaiveDate> {
    let day = crate::parse_day(text)?;
    // A whole date is no month, but for the first of a month: spreadsheets keep months so.
    let parts = text.split(|c: char| !c.is_numeric()).filter(|part| !part.is_empty()).count();
    let first = parts == 3 && chrono::Datelike::day(&day) == 1;
    (first || parts == 2 || text.contains("元年") && parts == 1).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_as_reports_write_them() {
        for (text, expected) in [
            ("2026-11", Some("2026-11-01")),
            ("2026/4", Some("2026-04-01")),
            ("2026年11月", Some("2026-11-01")),
            ("令和8年11月", Some("2026-11-01")),
            ("令和元年5月", Some("2019-05-01")),
            ("R8.11", Some("2026-11-01")),
            ("２０２６年１１月", Some("2026-11-01")),
            ("2026-13", None),
            ("2026-11-01", Some("2026-11-01")),
            ("2026-11-20", None),
            ("2026", None),
            ("11月", None),
            ("", None),
        ] {
            assert_eq!(parse_report_month(text).map(|day| day.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn built_in_indicators_are_sound() {
        let scopes = built_in_scopes();
        for indicator in built_in_indicators() {
            assert!(indicator.check().is_empty(), "{}", indicator.id);
            assert!(indicator.scope.iter().all(|scope| scopes.iter().any(|known| known.id == *scope)));
        }
    }
}
