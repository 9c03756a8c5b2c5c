//! Distributions: the files and links of a dataset.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::vocabulary::{
    DESCRIPTION_LENGTH_MAX, TITLE_LENGTH_MAX, URL_LENGTH_MAX, check_extras, check_length, check_text, check_texts, check_url,
};
use crate::{FieldError, Vocabulary, format_of_file_name, media_type_of_format, normalize_format};

/// One form in which a dataset can be had: an uploaded file with its versions, or a link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Distribution {
    /// Id, stable over renames and new versions.
    pub id: Uuid,
    /// Title; the file name when the publisher gave none.
    pub title: String,
    /// Title in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_en: Option<String>,
    /// What is in it.
    #[serde(default)]
    pub description: String,
    /// Short format name such as `CSV`; see [`normalize_format`].
    #[serde(default)]
    pub format: Option<String>,
    /// Media type such as `text/csv`.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Licence id when it differs from the dataset's.
    #[serde(default)]
    pub licence: Option<String>,
    /// Page that leads to the file.
    #[serde(default, deserialize_with = "crate::address::shown_option")]
    pub access_url: Option<String>,
    /// The file at the publisher; `null` when the file is kept here.
    #[serde(default, deserialize_with = "crate::address::shown_option")]
    pub download_url: Option<String>,
    /// The latest file kept here; earlier ones are listed at `/api/v1/distributions/{id}/versions`.
    #[serde(default)]
    pub file: Option<FileVersion>,
    /// Size in bytes as the publisher states it; of a file kept here, its real size.
    #[serde(default)]
    pub byte_size: Option<i64>,
    /// When it was first issued, as the publisher states it.
    #[serde(default)]
    pub issued: Option<NaiveDate>,
    /// When its content last changed.
    #[serde(default)]
    pub modified: Option<DateTime<Utc>>,
    /// Language codes such as `ja`.
    #[serde(default)]
    pub language: Vec<String>,
    /// Standards it follows, by name or URL.
    #[serde(default)]
    pub conforms_to: Vec<String>,
    /// The source's own id for it, on harvested datasets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Whatever has no field here.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extras: BTreeMap<String, String>,
}

/// One uploaded file of a distribution. Immutable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FileVersion {
    /// 1 for the first.
    pub version: i64,
    /// SHA-256 of the bytes, lower-case hexadecimal; also where they are kept.
    pub sha256: String,
    /// Size in bytes.
    pub byte_size: i64,
    /// Name the publisher gave it, without any path.
    pub file_name: String,
    /// From its bytes and name.
    pub media_type: String,
    /// When it was uploaded, or when the copy was taken.
    pub created: DateTime<Utc>,
    /// Of a copy of a file that its publisher keeps elsewhere, the address it was taken from; absent for files that were uploaded here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
}

/// The editable part of a [`Distribution`]. Files are uploaded separately and survive edits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DistributionDraft {
    /// Id of an existing distribution of the dataset; absent for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Title.
    #[serde(default)]
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: Option<String>,
    /// What is in it.
    #[serde(default)]
    pub description: String,
    /// Format in any usual spelling; taken from the URL's extension when absent.
    #[serde(default)]
    pub format: Option<String>,
    /// Media type.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Licence when it differs from the dataset's: id, title or URL.
    #[serde(default)]
    pub licence: Option<String>,
    /// Page that leads to the file.
    #[serde(default)]
    pub access_url: Option<String>,
    /// The file at the publisher.
    #[serde(default)]
    pub download_url: Option<String>,
    /// Size in bytes.
    #[serde(default)]
    pub byte_size: Option<i64>,
    /// When first issued.
    #[serde(default, deserialize_with = "crate::date::day_option")]
    pub issued: Option<NaiveDate>,
    /// When its content last changed.
    #[serde(default, deserialize_with = "crate::date::moment_option")]
    pub modified: Option<DateTime<Utc>>,
    /// Language codes.
    #[serde(default)]
    pub language: Vec<String>,
    /// Standards it follows.
    #[serde(default)]
    pub conforms_to: Vec<String>,
    /// The source's own id for it.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Whatever has no field here.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extras: BTreeMap<String, String>,
}

impl DistributionDraft {
    /// What is wrong with it; `at` is the JSON pointer of the draft itself.
    pub fn check(&self, vocabulary: &Vocabulary, at: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_length(&mut errors, &format!("{at}/title"), &self.title, TITLE_LENGTH_MAX);
        check_length(&mut errors, &format!("{at}/description"), &self.description, DESCRIPTION_LENGTH_MAX);
        for (name, text) in [("title_en", &self.title_en), ("format", &self.format), ("identifier", &self.identifier)] {
            check_text(&mut errors, &format!("{at}/{name}"), text.as_deref(), TITLE_LENGTH_MAX);
        }
        check_texts(&mut errors, &format!("{at}/language"), &self.language, TITLE_LENGTH_MAX);
        check_texts(&mut errors, &format!("{at}/conforms_to"), &self.conforms_to, URL_LENGTH_MAX);
        check_extras(&mut errors, &format!("{at}/extras"), &self.extras);
        check_url(&mut errors, &format!("{at}/access_url"), self.access_url.as_deref());
        check_url(&mut errors, &format!("{at}/download_url"), self.download_url.as_deref());
        check_media_type(&mut errors, &format!("{at}/media_type"), self.media_type.as_deref());
        crate::dataset::check_licence(&mut errors, &format!("{at}/licence"), self.licence.as_deref(), vocabulary);
        if self.byte_size.is_some_and(|size| size < 0) {
            errors.push(FieldError::new(
                format!("{at}/byte_size"),
                "out_of_range",
                format!("{at}/byte_size は 0 以上のバイト数にしてください。"),
                format!("{at}/byte_size must be a number of bytes, 0 or more"),
            ));
        }
        errors
    }

    /// The distribution this draft makes of `previous` (its files stay), or a new one with `id`.
    pub fn apply(self, id: Uuid, previous: Option<&Distribution>, vocabulary: &Vocabulary) -> Distribution {
        let file = previous.and_then(|distribution| distribution.file.clone());
        let url = self.download_url.as_deref();
        let format = self
            .format
            .as_deref()
            .and_then(normalize_format)
            .or_else(|| file.as_ref().and_then(|file| format_of_file_name(&file.file_name)))
            .or_else(|| url.and_then(format_of_file_name));
        let media_type = self
            .media_type
            .filter(|text| !text.trim().is_empty())
            .or_else(|| file.as_ref().map(|file| file.media_type.clone()))
            .or_else(|| format.as_deref().and_then(media_type_of_format).map(str::to_owned));
        let title = match self.title.trim() {
            "" => file.as_ref().map(|file| file.file_name.clone()).or_else(|| url.map(last_segment)).unwrap_or_default(),
            title => title.to_owned(),
        };
        let byte_size = file.as_ref().map(|file| file.byte_size).or(self.byte_size);
        Distribution {
            id,
            title,
            title_en: self.title_en,
            description: self.description,
            format,
            media_type,
            licence: self
                .licence
                .filter(|text| !text.trim().is_empty())
                .map(|text| vocabulary.find_licence(&text).map_or(text.clone(), str::to_owned)),
            access_url: self.access_url,
            download_url: self.download_url,
            file,
            byte_size,
            issued: self.issued,
            modified: self.modified.or(previous.and_then(|distribution| distribution.modified)),
            language: self.language,
            conforms_to: self.conforms_to,
            identifier: self.identifier,
            extras: self.extras,
        }
    }
}

impl From<Distribution> for DistributionDraft {
    fn from(distribution: Distribution) -> Self {
        DistributionDraft {
            id: Some(distribution.id),
            title: distribution.title,
            title_en: distribution.title_en,
            description: distribution.description,
            format: distribution.format,
            media_type: distribution.media_type,
            licence: distribution.licence,
            access_url: distribution.access_url,
            download_url: distribution.download_url,
            byte_size: distribution.byte_size,
            issued: distribution.issued,
            modified: distribution.modified,
            language: distribution.language,
            conforms_to: distribution.conforms_to,
            identifier: distribution.identifier,
            extras: distribution.extras,
        }
    }
}

pub(crate) fn check_media_type(errors: &mut Vec<FieldError>, field: &str, media_type: Option<&str>) {
    if media_type.is_some_and(|text| !is_media_type(text)) {
        errors.push(FieldError::new(
            field,
            "invalid_media_type",
            format!("{field} は text/csv のような形式にしてください。"),
            format!("{field} must look like text/csv"),
        ));
    }
}

/// `type/subtype` of RFC 6838, with parameters or without; an empty text is none at all.
fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let name =
        |part: &str| !part.is_empty() && part.len() <= 127 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.trim().is_empty()
        || (text.len() <= TITLE_LENGTH_MAX
            && text.bytes().all(|b| (b' '..=b'~').contains(&b))
            && essence.split_once('/').is_some_and(|(kind, sub)| name(kind) && name(sub)))
}

/// The last part of a URL's path, percent-decoded.
fn last_segment(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let segment = path.rsplit('/').next().unwrap_or_default();
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().chars().take(TITLE_LENGTH_MAX).collect()
}
