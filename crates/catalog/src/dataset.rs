//! Datasets: what the catalog is about.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::keyword::check_keyword;
use crate::organization::check_slug;
use crate::vocabulary::{
    DESCRIPTION_LENGTH_MAX, LICENCE_TEXT_LENGTH_MAX, LIST_MAX, TITLE_LENGTH_MAX, URL_LENGTH_MAX, check_count, check_email, check_extras,
    check_length, check_text, check_texts, check_title, check_url,
};
use crate::{
    Distribution, DistributionDraft, FieldError, Vocabulary, find_frequency, find_standard_dataset, frequencies, new_id, standard_dataset,
};

/// Most distributions one dataset may have.
pub const DISTRIBUTIONS_MAX: usize = 2_000;
/// Most keywords one dataset may have.
pub const KEYWORDS_MAX: usize = 200;
/// Most local government codes one dataset may have: there are some 1,800.
pub const AREA_CODES_MAX: usize = 2_000;

/// Where a dataset is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatasetState {
    /// Being prepared; members of its organization see it.
    Draft,
    /// In the catalog.
    #[default]
    Published,
    /// Withdrawn; a tombstone remains, history and counts are kept.
    Archived,
    /// The same as another dataset, which is shown and counted in its place (`duplicate_of`).
    Duplicate,
}

impl DatasetState {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            DatasetState::Draft => "draft",
            DatasetState::Published => "published",
            DatasetState::Archived => "archived",
            DatasetState::Duplicate => "duplicate",
        }
    }

    /// Whether the dataset is one of the catalog's for anybody: neither withdrawn nor another's copy.
    pub fn is_listed(self) -> bool {
        matches!(self, DatasetState::Draft | DatasetState::Published)
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<DatasetState> {
        [DatasetState::Draft, DatasetState::Published, DatasetState::Archived, DatasetState::Duplicate]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Whom a published dataset is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    #[default]
    Public,
    /// Members of its organization.
    Internal,
}

impl Visibility {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Visibility::Public => "public",
            Visibility::Internal => "internal",
        }
    }
}

/// Whom to ask about a dataset (`dcat:contactPoint`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactPoint {
    /// Section or person.
    #[serde(default)]
    pub name: Option<String>,
    /// Mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(default)]
    pub telephone: Option<String>,
    /// Form or page.
    #[serde(default)]
    pub url: Option<String>,
}

/// The area a dataset covers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Spatial {
    /// In words, for example `広島県府中町`.
    #[serde(default)]
    pub label: Option<String>,
    /// Local government codes of six digits.
    #[serde(default)]
    pub area_codes: Vec<String>,
    /// West, south, east, north in degrees (WGS 84).
    #[serde(default)]
    pub bbox: Option<[f64; 4]>,
}

/// The time a dataset speaks of (`dct:temporal`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Temporal {
    /// First day.
    #[serde(default, deserialize_with = "crate::date::day_option")]
    pub start: Option<NaiveDate>,
    /// Last day.
    #[serde(default, deserialize_with = "crate::date::day_option")]
    pub end: Option<NaiveDate>,
}

/// Where a harvested dataset came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// The harvest source.
    pub source_id: Uuid,
    /// The source's name for readers.
    pub source_title: String,
    /// Address that was harvested.
    #[serde(deserialize_with = "crate::address::shown")]
    pub source_url: String,
    /// The record's id there.
    #[serde(deserialize_with = "crate::address::shown")]
    pub remote_id: String,
    /// The record's page there, where known.
    #[serde(default, deserialize_with = "crate::address::shown_option")]
    pub remote_url: Option<String>,
    /// When the source last changed the record, as seen here.
    pub harvested: DateTime<Utc>,
}

/// A dataset with its distributions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dataset {
    /// Id.
    pub id: Uuid,
    /// What is published.
    #[serde(flatten)]
    pub content: DatasetContent,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded here.
    pub created: DateTime<Utc>,
    /// When the record last changed here; `modified` is the publisher's word.
    pub updated: DateTime<Utc>,
}

impl Dataset {
    /// Whether everybody may see it.
    pub fn is_open(&self) -> bool {
        self.content.state == DatasetState::Published && self.content.visibility == Visibility::Public
    }

    /// The distribution with this id.
    pub fn distribution(&self, id: Uuid) -> Option<&Distribution> {
        self.content.distributions.iter().find(|distribution| distribution.id == id)
    }
}

/// Everything a publisher says of a dataset; what a revision keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatasetContent {
    /// Name in URLs; old ones go on leading here.
    pub slug: String,
    /// The owner.
    pub organization_id: Uuid,
    /// The publisher's own key, unique within the organization.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Title in Japanese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: Option<String>,
    /// What it is, in Markdown.
    #[serde(default)]
    pub description: String,
    /// Description in English.
    #[serde(default)]
    pub description_en: Option<String>,
    /// Where it is in its life.
    #[serde(default)]
    pub state: DatasetState,
    /// Whom it is for.
    #[serde(default)]
    pub visibility: Visibility,
    /// Keywords, without repetition, in the publisher's order.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Theme ids.
    #[serde(default)]
    pub themes: Vec<String>,
    /// Licence id; `null` when none is stated.
    #[serde(default)]
    pub licence: Option<String>,
    /// The licence in the publisher's own words, when they differ from the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence_text: Option<String>,
    /// Page about the dataset at the publisher.
    #[serde(default, deserialize_with = "crate::address::shown_option")]
    pub landing_page: Option<String>,
    /// Whom to ask.
    #[serde(default)]
    pub contact_point: Option<ContactPoint>,
    /// Who made it, when not the publisher.
    #[serde(default)]
    pub creator: Option<String>,
    /// Update frequency id; see `/api/v1/frequencies`.
    #[serde(default)]
    pub accrual_periodicity: Option<String>,
    /// When first issued.
    #[serde(default)]
    pub issued: Option<NaiveDate>,
    /// When the content last changed: the publisher's word, else the last real change here.
    pub modified: DateTime<Utc>,
    /// Area covered.
    #[serde(default)]
    pub spatial: Option<Spatial>,
    /// Time covered.
    #[serde(default)]
    pub temporal: Option<Temporal>,
    /// Language codes such as `ja`.
    #[serde(default)]
    pub language: Vec<String>,
    /// Version label.
    #[serde(default)]
    pub version: Option<String>,
    /// Standards it follows, by name or URL.
    #[serde(default)]
    pub conforms_to: Vec<String>,
    /// Which standard dataset (自治体標準オープンデータセット) it is.
    #[serde(default)]
    pub standard_dataset: Option<String>,
    /// Whatever has no field here.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extras: BTreeMap<String, String>,
    /// Where it was harvested from; `null` for datasets published here.
    #[serde(default)]
    pub provenance: Option<Provenance>,
    /// The dataset that this one is a copy of, and that is shown in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<Uuid>,
    /// The files and links, in the publisher's order.
    #[serde(default)]
    pub distributions: Vec<Distribution>,
}

/// What a publisher sends to create or replace a dataset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetDraft {
    /// Name in URLs: 2–100 of `a–z 0–9 - _`; made from organization and title when absent.
    #[serde(default)]
    pub slug: Option<String>,
    /// The owner: id, slug or local government code. Required to create.
    #[serde(default)]
    pub organization: Option<String>,
    /// The publisher's own key, unique within the organization.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Title in Japanese. Required.
    #[serde(default)]
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: Option<String>,
    /// What it is, in Markdown.
    #[serde(default)]
    pub description: String,
    /// Description in English.
    #[serde(default)]
    pub description_en: Option<String>,
    /// Where it is in its life; `archived` is reached by archiving.
    #[serde(default)]
    pub state: DatasetState,
    /// Whom it is for.
    #[serde(default)]
    pub visibility: Visibility,
    /// Keywords.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Themes by id or title.
    #[serde(default)]
    pub themes: Vec<String>,
    /// Licence by id, title or URL.
    #[serde(default)]
    pub licence: Option<String>,
    /// The licence in the publisher's own words.
    #[serde(default)]
    pub licence_text: Option<String>,
    /// Page about the dataset at the publisher.
    #[serde(default)]
    pub landing_page: Option<String>,
    /// Whom to ask.
    #[serde(default)]
    pub contact_point: Option<ContactPoint>,
    /// Who made it, when not the publisher.
    #[serde(default)]
    pub creator: Option<String>,
    /// Update frequency: id, EU code or a usual Japanese word.
    #[serde(default)]
    pub accrual_periodicity: Option<String>,
    /// When first issued.
    #[serde(default, deserialize_with = "crate::date::day_option")]
    pub issued: Option<NaiveDate>,
    /// When the content last changed; set here when absent.
    #[serde(default, deserialize_with = "crate::date::moment_option")]
    pub modified: Option<DateTime<Utc>>,
    /// Area covered.
    #[serde(default)]
    pub spatial: Option<Spatial>,
    /// Time covered.
    #[serde(default)]
    pub temporal: Option<Temporal>,
    /// Language codes.
    #[serde(default)]
    pub language: Vec<String>,
    /// Version label.
    #[serde(default)]
    pub version: Option<String>,
    /// Standards it follows.
    #[serde(default)]
    pub conforms_to: Vec<String>,
    /// Which standard dataset it is; recognized from the title when absent.
    #[serde(default)]
    pub standard_dataset: Option<String>,
    /// Whatever has no field here.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extras: BTreeMap<String, String>,
    /// The distributions. Absent: those there stay as they are. Present: the list becomes exactly this one, matched by `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distributions: Option<Vec<DistributionDraft>>,
}

impl DatasetDraft {
    /// What is wrong with it, all at once; empty when nothing is.
    pub fn check(&self, vocabulary: &Vocabulary) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let e = &mut errors;
        if let Some(slug) = &self.slug {
            check_slug(e, "/slug", slug);
            if uuid::Uuid::try_parse(slug).is_ok() {
                e.push(FieldError::new(
                    "/slug",
                    "invalid_slug",
                    "/slug に UUID の形は使えません（ID と区別できません）。",
                    "/slug must not look like a UUID: it could not be told from an id",
                ));
            }
        }
        check_title(e, "/title", &self.title);
        check_length(e, "/description", &self.description, DESCRIPTION_LENGTH_MAX);
        check_length(e, "/description_en", self.description_en.as_deref().unwrap_or_default(), DESCRIPTION_LENGTH_MAX);
        check_text(e, "/title_en", self.title_en.as_deref(), TITLE_LENGTH_MAX);
        check_text(e, "/identifier", self.identifier.as_deref(), TITLE_LENGTH_MAX);
        check_text(e, "/licence_text", self.licence_text.as_deref(), LICENCE_TEXT_LENGTH_MAX);
        check_text(e, "/creator", self.creator.as_deref(), TITLE_LENGTH_MAX);
        check_text(e, "/version", self.version.as_deref(), TITLE_LENGTH_MAX);
        check_texts(e, "/language", &self.language, TITLE_LENGTH_MAX);
        check_texts(e, "/conforms_to", &self.conforms_to, URL_LENGTH_MAX);
        check_extras(e, "/extras", &self.extras);
        check_url(e, "/landing_page", self.landing_page.as_deref());
        if let Some(contact) = &self.contact_point {
            check_text(e, "/contact_point/name", contact.name.as_deref(), TITLE_LENGTH_MAX);
            check_text(e, "/contact_point/telephone", contact.telephone.as_deref(), TITLE_LENGTH_MAX);
            check_email(e, "/contact_point/email", contact.email.as_deref());
            check_url(e, "/contact_point/url", contact.url.as_deref().filter(|url| !url.is_empty()));
        }
        check_licence(e, "/licence", self.licence.as_deref(), vocabulary);
        if self.state == DatasetState::Duplicate {
            e.push(FieldError::new(
                "/state",
                "invalid_state",
                "/state に duplicate は指定できません。同じデータセットかどうかは、収集の「判断」で決めます。",
                "/state cannot be set to duplicate; decide it among the harvest decisions",
            ));
        }
        if self.state == DatasetState::Archived {
            e.push(FieldError::new(
                "/state",
                "invalid_state",
                "/state に archived は指定できません。取り下げは POST /api/v1/datasets/{id}/archive を使ってください。",
                "/state cannot be set to archived; use POST /api/v1/datasets/{id}/archive",
            ));
        }
        check_count(e, "/keywords", self.keywords.len(), KEYWORDS_MAX);
        for (index, keyword) in self.keywords.iter().enumerate().take(KEYWORDS_MAX) {
            check_keyword(e, &format!("/keywords/{index}"), keyword);
        }
        check_count(e, "/themes", self.themes.len(), LIST_MAX);
        for (index, theme) in self.themes.iter().enumerate().take(LIST_MAX) {
            if vocabulary.find_theme(theme).is_none() {
                e.push(FieldError::unknown_value(format!("/themes/{index}"), theme, "GET /api/v1/themes"));
            }
        }
        if let Some(text) = self.accrual_periodicity.as_deref()
            && find_frequency(text).is_none()
        {
            let known: Vec<&str> = frequencies().iter().map(|frequency| frequency.id).collect();
            e.push(FieldError::unknown_value("/accrual_periodicity", text, &known.join(", ")));
        }
        if let Some(id) = self.standard_dataset.as_deref()
            && standard_dataset(id).is_none()
        {
            e.push(FieldError::unknown_value("/standard_dataset", id, "GET /api/v1/standard-datasets"));
        }
        if let Some(spatial) = &self.spatial {
            check_spatial(e, spatial);
        }
        if let Some(Temporal { start: Some(start), end: Some(end) }) = &self.temporal
            && end < start
        {
            e.push(FieldError::new(
                "/temporal/end",
                "out_of_range",
                "/temporal/end は /temporal/start 以降の日付にしてください。",
                "/temporal/end is before /temporal/start; exchange or correct them",
            ));
        }
        let distributions = self.distributions.as_deref().unwrap_or_default();
        check_count(e, "/distributions", distributions.len(), DISTRIBUTIONS_MAX);
        let mut seen = HashSet::new();
        for (index, distribution) in distributions.iter().enumerate().take(DISTRIBUTIONS_MAX) {
            e.extend(distribution.check(vocabulary, &format!("/distributions/{index}")));
            if distribution.id.is_some_and(|id| !seen.insert(id)) {
                e.push(FieldError::new(
                    format!("/distributions/{index}/id"),
                    "duplicate",
                    format!("/distributions/{index}/id が同じリスト内で重複しています。"),
                    format!("/distributions/{index}/id occurs twice in the list; give each distribution once"),
                ));
            }
        }
        errors
    }

    /// The content this draft makes. Call only with a draft whose [`DatasetDraft::check`] is empty.
    ///
    /// `previous` keeps what the draft leaves open: slug, distributions with their files, provenance and, when nothing
    /// else changed, `modified`.
    pub fn apply(
        self,
        id: Uuid,
        organization_id: Uuid,
        organization_slug: &str,
        previous: Option<&DatasetContent>,
        vocabulary: &Vocabulary,
        now: DateTime<Utc>,
    ) -> DatasetContent {
        let slug = self
            .slug
            .or_else(|| previous.map(|content| content.slug.clone()))
            .unwrap_or_else(|| crate::dataset_slug(organization_slug, &self.title, id));
        let old = previous.map(|content| content.distributions.as_slice()).unwrap_or_default();
        let distributions = match self.distributions {
            None => old.to_vec(),
            Some(drafts) => drafts
                .into_iter()
                .map(|draft| {
                    let previous = draft.id.and_then(|id| old.iter().find(|distribution| distribution.id == id));
                    let id = draft.id.unwrap_or_else(new_id);
                    draft.apply(id, previous, vocabulary)
                })
                .collect(),
        };
        let themes: Vec<String> = self.themes.iter().filter_map(|theme| vocabulary.find_theme(theme)).map(str::to_owned).collect();
        let licence = self.licence.filter(|text| !text.trim().is_empty());
        let standard_dataset = self.standard_dataset.or_else(|| find_standard_dataset(&self.title).map(|dataset| dataset.id.to_owned()));
        let mut content = DatasetContent {
            slug,
            organization_id,
            identifier: self.identifier.filter(|text| !text.trim().is_empty()),
            title: self.title.trim().to_owned(),
            title_en: self.title_en,
            description: self.description,
            description_en: self.description_en,
            state: self.state,
            visibility: self.visibility,
            keywords: unique(self.keywords.into_iter().map(|word| word.trim().to_owned())),
            themes: unique(themes),
            licence: licence.map(|text| vocabulary.find_licence(&text).map_or(text.clone(), str::to_owned)),
            licence_text: self.licence_text,
            landing_page: self.landing_page,
            contact_point: self.contact_point,
            creator: self.creator,
            accrual_periodicity: self.accrual_periodicity.as_deref().and_then(find_frequency).map(|frequency| frequency.id.to_owned()),
            issued: self.issued,
            modified: now,
            spatial: self.spatial,
            temporal: self.temporal,
            language: self.language,
            version: self.version,
            conforms_to: self.conforms_to,
            standard_dataset,
            extras: self.extras,
            provenance: previous.and_then(|content| content.provenance.clone()),
            duplicate_of: previous.and_then(|content| content.duplicate_of),
            distributions,
        };
        match (self.modified, previous) {
            (Some(declared), _) => content.modified = declared,
            (None, Some(previous)) => {
                content.modified = previous.modified;
                if content != *previous {
                    content.modified = now;
                }
            }
            (None, None) => {}
        }
        content
    }
}

impl From<DatasetContent> for DatasetDraft {
    /// The draft that changes nothing; base of a merge patch. `modified` is left open so that a patch moves it.
    fn from(content: DatasetContent) -> Self {
        DatasetDraft {
            slug: Some(content.slug),
            organization: Some(content.organization_id.to_string()),
            identifier: content.identifier,
            title: content.title,
            title_en: content.title_en,
            description: content.description,
            description_en: content.description_en,
            state: if content.state.is_listed() { content.state } else { DatasetState::Published },
            visibility: content.visibility,
            keywords: content.keywords,
            themes: content.themes,
            licence: content.licence,
            licence_text: content.licence_text,
            landing_page: content.landing_page,
            contact_point: content.contact_point,
            creator: content.creator,
            accrual_periodicity: content.accrual_periodicity,
            issued: content.issued,
            modified: None,
            spatial: content.spatial,
            temporal: content.temporal,
            language: content.language,
            version: content.version,
            conforms_to: content.conforms_to,
            standard_dataset: content.standard_dataset,
            extras: content.extras,
            distributions: Some(content.distributions.into_iter().map(Into::into).collect()),
        }
    }
}

/// Applies a JSON merge patch (RFC 7396): `null` removes, objects merge, everything else replaces.
pub fn merge_patch(target: &mut serde_json::Value, patch: &serde_json::Value) {
    use serde_json::Value;
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Default::default());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(key);
        } else {
            merge_patch(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

pub(crate) fn check_licence(errors: &mut Vec<FieldError>, field: &str, licence: Option<&str>, vocabulary: &Vocabulary) {
    if let Some(text) = licence
        && !text.trim().is_empty()
        && vocabulary.find_licence(text).is_none()
    {
        let known: Vec<&str> = vocabulary.licences.keys().map(String::as_str).collect();
        errors.push(FieldError::unknown_value(field, text, &known.join(", ")));
    }
}

fn check_spatial(errors: &mut Vec<FieldError>, spatial: &Spatial) {
    check_text(errors, "/spatial/label", spatial.label.as_deref(), TITLE_LENGTH_MAX);
    if let Some([west, south, east, north]) = spatial.bbox {
        let ok = (-180.0..=180.0).contains(&west)
            && (-180.0..=180.0).contains(&east)
            && (-90.0..=90.0).contains(&south)
            && (-90.0..=90.0).contains(&north)
            && west <= east
            && south <= north;
        if !ok {
            errors.push(FieldError::new(
                "/spatial/bbox",
                "out_of_range",
                "/spatial/bbox は [西, 南, 東, 北] の順の経度・緯度（度）にしてください。",
                "/spatial/bbox must be [west, south, east, north] in degrees",
            ));
        }
    }
    check_count(errors, "/spatial/area_codes", spatial.area_codes.len(), AREA_CODES_MAX);
    for (index, code) in spatial.area_codes.iter().enumerate().take(AREA_CODES_MAX) {
        if !crate::is_local_government_code(code) {
            errors.push(FieldError::new(
                format!("/spatial/area_codes/{index}"),
                "invalid_code",
                format!("/spatial/area_codes/{index} は 6 桁の全国地方公共団体コードにしてください。"),
                format!("/spatial/area_codes/{index} must be a six-digit local government code"),
            ));
        }
    }
}

fn unique(items: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn draft(value: serde_json::Value) -> DatasetDraft {
        crate::from_value(value).unwrap()
    }

    fn apply(draft: DatasetDraft, previous: Option<&DatasetContent>, now: i64) -> DatasetContent {
        let vocabulary = Vocabulary::built_in();
        assert_eq!(draft.check(&vocabulary), vec![]);
        draft.apply(Uuid::from_u128(7), Uuid::from_u128(1), "fuchu", previous, &vocabulary, DateTime::from_timestamp(now, 0).unwrap())
    }

    #[test]
    fn a_save_that_changes_nothing_keeps_modified() {
        let first = apply(draft(json!({"title": "避難所", "keywords": ["防災", "防災"]})), None, 100);
        assert_eq!(first.keywords, ["防災"]);
        let again = apply(DatasetDraft::from(first.clone()), Some(&first), 200);
        assert_eq!(again, first);
        let changed = apply(draft(json!({"title": "避難場所"})), Some(&first), 300);
        assert_eq!(changed.modified.timestamp(), 300);
    }

    #[test]
    fn absent_distributions_stay_and_an_empty_list_clears() {
        let first = apply(draft(json!({"title": "a", "distributions": [{"download_url": "https://example.jp/a%E3%81%82.csv"}]})), None, 1);
        assert_eq!((first.distributions[0].format.as_deref(), first.distributions[0].title.as_str()), (Some("CSV"), "aあ.csv"));
        assert_eq!(apply(draft(json!({"title": "b"})), Some(&first), 2).distributions, first.distributions);
        assert!(apply(draft(json!({"title": "b", "distributions": []})), Some(&first), 2).distributions.is_empty());
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = draft(json!({"title": " ", "slug": "あ", "licence": "free", "themes": ["x"], "landing_page": "javascript:alert(1)",
            "spatial": {"bbox": [133, 34, 132, 35]}, "distributions": [{"byte_size": -1}]}));
        let fields: Vec<String> = wrong.check(&Vocabulary::built_in()).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["/slug", "/title", "/landing_page", "/licence", "/themes/0", "/spatial/bbox", "/distributions/0/byte_size"]);
    }

    #[test]
    fn every_text_and_list_has_a_limit() {
        let (long, control) = ("x".repeat(20_001), "a\u{7}b");
        let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
        let extras: BTreeMap<String, String> = many.iter().map(|n| (n.clone(), String::new())).collect();
        let key = "k".repeat(201);
        for (field, value, at) in [
            ("title_en", json!(long), "/title_en"),
            ("title_en", json!(control), "/title_en"),
            ("creator", json!(long), "/creator"),
            ("version", json!(control), "/version"),
            ("licence_text", json!(long), "/licence_text"),
            ("language", json!([long]), "/language/0"),
            ("language", json!(many), "/language"),
            ("conforms_to", json!(["a", control]), "/conforms_to/1"),
            ("themes", json!(many), "/themes"),
            ("contact_point", json!({"name": long}), "/contact_point/name"),
            ("spatial", json!({"label": long}), "/spatial/label"),
            ("extras", json!(extras), "/extras"),
            ("extras", json!({"a/b": long}), "/extras/a~1b"),
            ("extras", json!({"a": control}), "/extras/a"),
            ("extras", json!({key: "x"}), "/extras"),
            ("distributions", json!([{"title_en": long}]), "/distributions/0/title_en"),
            ("distributions", json!([{"format": control}]), "/distributions/0/format"),
            ("distributions", json!([{"identifier": long}]), "/distributions/0/identifier"),
            ("distributions", json!([{"extras": {"a": long}}]), "/distributions/0/extras/a"),
            ("landing_page", json!("https://user:pass@example.jp/"), "/landing_page"),
            ("distributions", json!([{"download_url": "https://user@example.jp/a.csv"}]), "/distributions/0/download_url"),
        ] {
            let errors = draft(json!({"title": "題", field: value})).check(&Vocabulary::built_in());
            assert!(errors.iter().any(|error| error.field == at), "{field}: {errors:?}");
        }
        let line = "あ".repeat(500);
        let fine = json!({"title": "題", "title_en": line, "creator": line, "language": ["ja"], "extras": {"a": "x".repeat(20_000)}});
        assert_eq!(draft(fine).check(&Vocabulary::built_in()), vec![]);
    }

    #[test]
    fn unknown_fields_are_named() {
        let error = crate::from_value::<DatasetDraft>(json!({"title": "a", "titel_en": "b"})).unwrap_err();
        assert_eq!((error.field.as_str(), error.code.as_str()), ("/titel_en", "unknown_field"));
    }

    #[test]
    fn merge_patch_follows_the_rfc() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge_patch(&mut target, &json!({"a": {"b": null, "x": 3}, "d": [2]}));
        assert_eq!(target, json!({"a": {"c": 2, "x": 3}, "d": [2]}));
    }
}
