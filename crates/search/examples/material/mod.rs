//! The corpus that examples read: one catalogue record a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use minato_search::SearchDocument;
use serde::Deserialize;
use uuid::Uuid;

/// A record of the corpus; fields that are not searched are left unread.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) notes: Option<String>,
    #[serde(default)]
    pub(crate) org: String,
    #[serde(default)]
    pub(crate) maintainer: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default)]
    pub(crate) formats: Vec<String>,
    #[serde(default)]
    pub(crate) license: Option<String>,
    #[serde(default)]
    pub(crate) modified: Option<String>,
    #[serde(default)]
    pub(crate) resources: Vec<Resource>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resource {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

impl Record {
    /// As a server would index it, under a number for an id.
    pub(crate) fn document(&self, number: u128) -> SearchDocument {
        let modified = self.modified.as_deref().and_then(moment).unwrap_or_default();
        let organization_id = Uuid::from_u128(name_number(&self.org));
        SearchDocument {
            id: Uuid::from_u128(number),
            slug: self.id.to_lowercase(),
            title: self.title.clone(),
            title_en: None,
            description: self.notes.clone().unwrap_or_default(),
            keywords: self.tags.clone(),
            themes: self.groups.clone(),
            theme_titles: self.groups.clone(),
            organization_id,
            organization_slug: self.org.clone(),
            organization_name: self.org.clone(),
            organization_name_en: None,
            organization_code: None,
            distributions: self
                .resources
                .iter()
                .map(|resource| (resource.name.clone().unwrap_or_default(), resource.description.clone().unwrap_or_default()))
                .collect(),
            formats: self.formats.clone(),
            licence: self.license.clone(),
            standard_dataset: None,
            area_codes: Vec::new(),
            open: true,
            state: minato_catalog::DatasetState::Published,
            created: modified,
            modified,
            downloads_90d: 0,
            column_names: Vec::new(),
            extras: self.maintainer.iter().filter(|name| !name.is_empty()).map(|name| ("maintainer".to_owned(), name.clone())).collect(),
            bbox: None,
            temporal: None,
        }
    }

    /// Bytes of all that is searched.
    #[allow(dead_code, reason = "only one of the examples measures sizes")]
    pub(crate) fn text_bytes(&self) -> usize {
        let texts = [self.title.as_str(), self.org.as_str(), self.notes.as_deref().unwrap_or_default()];
        let lists = self.tags.iter().chain(&self.groups).map(String::len).sum::<usize>();
        let files = self.resources.iter().flat_map(|resource| [&resource.name, &resource.description]).flatten().map(String::len);
        texts.iter().map(|text| text.len()).sum::<usize>() + lists + files.sum::<usize>()
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let day = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

/// A number for a name: FNV-1a, so that it is the same in every run.
fn name_number(name: &str) -> u128 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    u128::from(hash)
}

/// Reads JSON lines, packed with gzip or not.
pub(crate) fn read_corpus(path: &Path) -> Result<Vec<Record>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut records = Vec::new();
    for (index, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {} after line {index}", path.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        let record = serde_json::from_str(&line).with_context(|| format!("{}, line {}: not a record", path.display(), index + 1))?;
        records.push(record);
    }
    Ok(records)
}

/// The invented datasets that the tests use, as records.
#[allow(dead_code, reason = "only one of the examples makes do without a corpus")]
pub(crate) fn invented() -> Vec<Record> {
    let mut records = Vec::new();
    for municipality in minato_testkit::fixtures::municipalities() {
        for fixture in minato_testkit::fixtures::generate(&municipality, 60) {
            let draft = fixture.draft(&municipality.slug, "https://www.example.jp/");
            records.push(Record {
                id: fixture.name.clone(),
                title: draft.title,
                notes: Some(draft.description),
                org: municipality.name.clone(),
                maintainer: None,
                tags: draft.keywords,
                groups: draft.themes,
                formats: draft.distributions.iter().flatten().filter_map(|distribution| distribution.format.clone()).collect(),
                license: draft.licence,
                modified: None,
                resources: draft
                    .distributions
                    .into_iter()
                    .flatten()
                    .map(|distribution| Resource { name: Some(distribution.title), description: Some(distribution.description) })
                    .collect(),
            });
        }
    }
    records
}
