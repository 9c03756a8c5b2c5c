//! The index schema and how a dataset becomes a document of it.

use std::collections::BTreeSet;

use minato_catalog::normalize_format;
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};

use crate::analysis::{PAIRS, WORDS};
use crate::normalize::normalize;
use crate::{Facet, SearchDocument};

/// A text, indexed as words and as pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextField {
    pub(crate) words: Field,
    pub(crate) pairs: Field,
    pub(crate) boost: f32,
}

/// The texts, in the order of their boosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Title,
    Keyword,
    Organization,
    Description,
    Distribution,
    Other,
}

const TEXTS: [(&str, f32); 6] =
    [("title", 3.0), ("keyword", 2.0), ("organization", 2.0), ("description", 1.0), ("distribution", 1.3), ("other", 0.4)];

/// Column of each facet, in the order of [`Facet::ALL`].
pub(crate) const FACET_COLUMNS: [&str; 6] =
    ["organization_slug", "keyword_theme", "keyword_value", "format", "licence", "standard_dataset"];

/// Names of distributions indexed per dataset.
const DISTRIBUTIONS_INDEXED: usize = 200;
/// Names of files kept for the vocabulary per dataset.
const FILES_STORED: usize = 20;
const COLUMNS_INDEXED: usize = 200;
const TEXT_BYTES_MAX: usize = 200_000;
const DESCRIPTION_BYTES_STORED: usize = 6_000;

/// Handles of all fields.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    pub(crate) texts: [TextField; 6],
    pub(crate) id: Field,
    pub(crate) slug: Field,
    pub(crate) organization_id: Field,
    pub(crate) facets: [Field; 6],
    pub(crate) area_code: Field,
    pub(crate) state: Field,
    pub(crate) open: Field,
    pub(crate) extra: Field,
    pub(crate) id_high: Field,
    pub(crate) id_low: Field,
    pub(crate) modified: Field,
    pub(crate) created: Field,
    pub(crate) downloads: Field,
    pub(crate) distribution_count: Field,
    pub(crate) temporal_start: Field,
    pub(crate) temporal_end: Field,
    pub(crate) bbox: [Field; 4],
    pub(crate) title_sort: Field,
    pub(crate) stored_title: Field,
    pub(crate) stored_description: Field,
    pub(crate) stored_organization: Field,
    pub(crate) stored_files: Field,
}

impl Fields {
    pub(crate) fn new() -> Fields {
        let mut builder = Schema::builder();
        let texts = TEXTS.map(|(name, boost)| TextField {
            words: text(&mut builder, &format!("{name}_words"), WORDS),
            pairs: text(&mut builder, &format!("{name}_pairs"), PAIRS),
            boost,
        });
        let fast_seconds = || NumericOptions::default().set_fast();
        Fields {
            texts,
            id: builder.add_text_field("id", STRING),
            slug: builder.add_text_field("slug", STRING | FAST),
            organization_id: builder.add_text_field("organization_id", STRING | FAST),
            facets: FACET_COLUMNS.map(|name| builder.add_text_field(name, STRING | FAST)),
            area_code: builder.add_text_field("area_code", STRING),
            state: builder.add_text_field("state", STRING),
            open: builder.add_bool_field("open", INDEXED | FAST),
            extra: builder.add_text_field("extra", STRING),
            id_high: builder.add_u64_field("id_high", FAST),
            id_low: builder.add_u64_field("id_low", FAST),
            modified: builder.add_i64_field("modified", fast_seconds()),
            created: builder.add_i64_field("created", fast_seconds()),
            downloads: builder.add_i64_field("downloads", FAST),
            distribution_count: builder.add_i64_field("distribution_count", FAST),
            temporal_start: builder.add_i64_field("temporal_start", fast_seconds()),
            temporal_end: builder.add_i64_field("temporal_end", fast_seconds()),
            bbox: ["west", "south", "east", "north"].map(|name| builder.add_f64_field(name, FAST)),
            title_sort: builder.add_text_field("title_sort", FAST),
            stored_title: builder.add_text_field("stored_title", STORED),
            stored_description: builder.add_text_field("stored_description", STORED),
            stored_organization: builder.add_text_field("stored_organization", STORED),
            stored_files: builder.add_text_field("stored_files", STORED),
            schema: builder.build(),
        }
    }

    pub(crate) fn text(&self, kind: TextKind) -> TextField {
        self.texts[kind as usize]
    }

    pub(crate) fn facet(&self, facet: Facet) -> Field {
        self.facets[facet.index()]
    }

    /// The tantivy document of a dataset.
    pub(crate) fn document(&self, source: &SearchDocument) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        let d = &mut document;
        self.add_text(d, TextKind::Title, &source.title);
        self.add_text(d, TextKind::Title, source.title_en.as_deref().unwrap_or_default());
        for keyword in source.keywords.iter().chain(&source.theme_titles) {
            self.add_text(d, TextKind::Keyword, keyword);
        }
        self.add_text(d, TextKind::Organization, &source.organization_name);
        self.add_text(d, TextKind::Organization, source.organization_name_en.as_deref().unwrap_or_default());
        self.add_text(d, TextKind::Organization, source.organization_code.as_deref().unwrap_or_default());
        self.add_text(d, TextKind::Description, &source.description);
        for (name, description) in source.distributions.iter().take(DISTRIBUTIONS_INDEXED) {
            self.add_text(d, TextKind::Distribution, name);
            self.add_text(d, TextKind::Distribution, description);
        }
        for name in source.column_names.iter().take(COLUMNS_INDEXED) {
            self.add_text(d, TextKind::Other, name);
        }
        for (key, value) in &source.extras {
            self.add_text(d, TextKind::Other, value);
            d.add_text(self.extra, key);
            d.add_text(self.extra, clip(&format!("{key}\u{1}{}", normalize(value)), 1_000));
        }

        d.add_text(self.id, source.id.to_string());
        let (high, low) = source.id.as_u64_pair();
        d.add_u64(self.id_high, high);
        d.add_u64(self.id_low, low);
        d.add_text(self.slug, &source.slug);
        d.add_text(self.organization_id, source.organization_id.to_string());
        d.add_text(self.facet(Facet::Organization), &source.organization_slug);
        for (facet, values) in [(Facet::Theme, &source.themes), (Facet::Keyword, &source.keywords)] {
            for value in values.iter().collect::<BTreeSet<_>>() {
                d.add_text(self.facet(facet), clip(value, 1_000));
            }
        }
        for format in source.formats.iter().filter_map(|format| normalize_format(format)).collect::<BTreeSet<_>>() {
            d.add_text(self.facet(Facet::Format), format);
        }
        for (facet, value) in [(Facet::Licence, &source.licence), (Facet::StandardDataset, &source.standard_dataset)] {
            if let Some(value) = value {
                d.add_text(self.facet(facet), clip(value, 1_000));
            }
        }
        for code in &source.area_codes {
            d.add_text(self.area_code, code);
        }
        d.add_text(self.state, source.state.as_str());
        d.add_bool(self.open, source.open);
        d.add_i64(self.modified, source.modified.timestamp());
        d.add_i64(self.created, source.created.timestamp());
        d.add_i64(self.downloads, i64::try_from(source.downloads_90d).unwrap_or(i64::MAX));
        d.add_i64(self.distribution_count, i64::try_from(source.distributions.len()).unwrap_or(i64::MAX));
        if let Some((start, end)) = source.temporal {
            for (field, day) in [(self.temporal_start, start), (self.temporal_end, end)] {
                if let Some(day) = day {
                    d.add_i64(field, minato_catalog::jst_midnight(day).timestamp());
                }
            }
        }
        if let Some(bbox) = source.bbox.filter(|bbox| bbox.iter().all(|degrees| degrees.is_finite())) {
            for (field, degrees) in self.bbox.iter().zip(bbox) {
                d.add_f64(*field, degrees);
            }
        }
        d.add_text(self.title_sort, clip(&normalize(&source.title), 150));

        d.add_text(self.stored_title, &source.title);
        d.add_text(self.stored_description, clip(&source.description, DESCRIPTION_BYTES_STORED));
        d.add_text(self.stored_organization, &source.organization_name);
        let files: Vec<&str> = source.distributions.iter().take(FILES_STORED).map(|(name, _)| clip(name, 300)).collect();
        d.add_text(self.stored_files, files.join("\n"));
        document
    }

    fn add_text(&self, document: &mut TantivyDocument, kind: TextKind, text: &str) {
        if text.is_empty() {
            return;
        }
        let field = self.text(kind);
        let text = clip(text, TEXT_BYTES_MAX);
        document.add_text(field.words, text);
        document.add_text(field.pairs, text);
    }
}

fn text(builder: &mut SchemaBuilder, name: &str, tokenizer: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(tokenizer)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions)
        .set_fieldnorms(true);
    builder.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}

/// The first `bytes` bytes, or a little less: cut at a character border.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}
