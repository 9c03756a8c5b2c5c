//! CKAN's query syntax (a part of Solr's), as types.
//!
//! `field:value`, `field:"…"`, `field:(a OR b)`, `+`, `-`, `!`, `NOT`, `AND`, `OR`, `&&`, `||`, parentheses, `[a TO b]`, `{a TO b}`,
//! `field:*`, `name:abc*`, `extras_key:value`, `*:*` and date arithmetic such as `NOW-1YEAR/DAY`. Words side by side must all match.

mod date;
mod parser;

use minato_catalog::Text;

pub(crate) use date::period;
pub use parser::parse;

/// Longest expression, in bytes.
pub const LENGTH_MAX: usize = 16_000;
/// Deepest nesting of parentheses and negations.
pub const DEPTH_MAX: usize = 24;
/// Most conditions in one expression.
pub const CONDITIONS_MAX: usize = 1_000;
/// Most `*` and `?` in the values of one expression: each makes the search compile and walk more.
pub const WILDCARDS_MAX: usize = 50;

/// A condition on datasets.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Every dataset: `*:*`.
    All,
    /// All of these hold.
    And(Vec<Expr>),
    /// One of these holds.
    Or(Vec<Expr>),
    /// This does not hold.
    Not(Box<Expr>),
    /// A field has a value.
    Is(Field, Value),
}

/// A field that conditions may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// `text` and words without a field: all texts.
    Text,
    /// `title`.
    Title,
    /// `notes`, `description`.
    Description,
    /// `res_name`, `res_description`.
    Distribution,
    /// `id`.
    Id,
    /// `name`, `slug`.
    Slug,
    /// `tags`, `keywords`.
    Keyword,
    /// `organization`: the slug.
    Organization,
    /// `owner_org`: the id.
    OrganizationId,
    /// `groups`, `theme`.
    Theme,
    /// `res_format`, `format`.
    Format,
    /// `license_id`, `licence`.
    Licence,
    /// `standard_dataset`.
    StandardDataset,
    /// `area_code`.
    AreaCode,
    /// `state`.
    State,
    /// `private`, `capacity`.
    Private,
    /// `metadata_modified`, `modified`.
    Modified,
    /// `metadata_created`, `created`.
    Created,
    /// `temporal_start`.
    TemporalStart,
    /// `temporal_end`.
    TemporalEnd,
    /// `downloads`.
    Downloads,
    /// `num_resources`.
    DistributionCount,
    /// `dataset_type`, `entity_type`, `site_id`: the same for every dataset.
    DatasetType,
    /// `extras_…`.
    Extra(String),
}

impl Field {
    /// The field that a query calls so.
    pub fn parse(name: &str) -> Option<Field> {
        if let Some(key) = name.strip_prefix("extras_").or_else(|| name.strip_prefix("extra_")) {
            return (!key.is_empty()).then(|| Field::Extra(key.to_owned()));
        }
        if name.starts_with("vocab_") {
            return Some(Field::Keyword);
        }
        Some(match name {
            "text" => Field::Text,
            "title" | "title_string" | "title_ngram" | "name_ngram" => Field::Title,
            "notes" | "description" => Field::Description,
            "res_name" | "res_description" => Field::Distribution,
            "id" => Field::Id,
            "name" | "slug" => Field::Slug,
            "tags" | "keywords" | "keyword" => Field::Keyword,
            "organization" => Field::Organization,
            "owner_org" => Field::OrganizationId,
            "groups" | "themes" | "theme" => Field::Theme,
            "res_format" | "format" | "formats" => Field::Format,
            "license_id" | "licence" | "license" => Field::Licence,
            "standard_dataset" => Field::StandardDataset,
            "area_code" | "area_codes" => Field::AreaCode,
            "state" => Field::State,
            "private" | "capacity" => Field::Private,
            "metadata_modified" | "modified" => Field::Modified,
            "metadata_created" | "created" => Field::Created,
            "temporal_start" => Field::TemporalStart,
            "temporal_end" => Field::TemporalEnd,
            "downloads" => Field::Downloads,
            "num_resources" => Field::DistributionCount,
            "dataset_type" | "type" | "entity_type" | "site_id" => Field::DatasetType,
            _ => return None,
        })
    }

    pub(crate) fn is_date(&self) -> bool {
        matches!(self, Field::Modified | Field::Created | Field::TemporalStart | Field::TemporalEnd)
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Field::Downloads | Field::DistributionCount)
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Field::Text | Field::Title | Field::Description | Field::Distribution)
    }
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The value itself; in texts, its words and their likes.
    Exact(String),
    /// In quotes: in texts, these words in this order.
    Phrase(String),
    /// `*` stands for any characters, `?` for one.
    Pattern(String),
    /// Any value: `field:*`.
    Any,
    /// Between two ends.
    Range(End, End),
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// `*`.
    Open,
    /// `[` or `]`.
    Inclusive(String),
    /// `{` or `}`.
    Exclusive(String),
}

impl Expr {
    /// Replaces values, for example licence ids of another portal by ours. Patterns, ranges and texts stay.
    pub fn map_values(&mut self, map: &mut impl FnMut(&Field, &str) -> Option<String>) {
        match self {
            Expr::All => {}
            Expr::And(parts) | Expr::Or(parts) => parts.iter_mut().for_each(|part| part.map_values(map)),
            Expr::Not(inner) => inner.map_values(map),
            Expr::Is(field, Value::Exact(value) | Value::Phrase(value)) if !field.is_text() => {
                if let Some(other) = map(field, value) {
                    *value = other;
                }
            }
            Expr::Is(..) => {}
        }
    }

    /// Whether it has a condition on texts, by which hits can be ranked.
    pub fn has_text(&self) -> bool {
        match self {
            Expr::All | Expr::Not(_) => false,
            Expr::And(parts) | Expr::Or(parts) => parts.iter().any(Expr::has_text),
            Expr::Is(field, value) => field.is_text() && matches!(value, Value::Exact(_) | Value::Phrase(_)),
        }
    }
}

/// Why an expression cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text().en)]
pub struct FqError {
    /// Characters before the mistake.
    pub position: usize,
    /// The mistake.
    pub kind: FqErrorKind,
}

/// The mistake in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FqErrorKind {
    /// No field is called so.
    UnknownField(String),
    /// A character or word that cannot stand there.
    Unexpected(String),
    /// An opening bracket or quote without its end.
    Unclosed(char),
    /// A field without a value.
    NoValue(String),
    /// Not a date.
    Date(String),
    /// Not a number.
    Number(String),
    /// Longer than [`LENGTH_MAX`], deeper than [`DEPTH_MAX`] or more conditions than [`CONDITIONS_MAX`],
    /// more wildcards than [`WILDCARDS_MAX`].
    TooLarge(Part, usize),
}

/// Of what there is too much in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The text itself.
    Bytes,
    /// Brackets in brackets.
    Brackets,
    /// Conditions.
    Conditions,
    /// `*` and `?` in values.
    Wildcards,
}

impl FqError {
    /// For users.
    pub fn text(&self) -> Text {
        let at = self.position + 1;
        match &self.kind {
            FqErrorKind::UnknownField(name) => Text::new(
                format!(
                    "検索式の {at} 文字目: フィールド「{name}」はありません。title, tags, organization, res_format などを使ってください。"
                ),
                format!("unknown field `{name}` at character {at} of the query; use title, tags, organization, res_format and the like"),
            ),
            FqErrorKind::Unexpected(found) => Text::new(
                format!("検索式の {at} 文字目: 「{found}」はここに置けません。文字として探すときは \"…\" で囲んでください。"),
                format!("unexpected `{found}` at character {at} of the query; put it in double quotes to search for it"),
            ),
            FqErrorKind::Unclosed(open) => Text::new(
                format!("検索式の {at} 文字目の「{open}」が閉じられていません。"),
                format!("`{open}` at character {at} of the query is never closed"),
            ),
            FqErrorKind::NoValue(name) => Text::new(
                format!("検索式の {at} 文字目: フィールド「{name}」に値がありません。"),
                format!("field `{name}` has no value at character {at} of the query"),
            ),
            FqErrorKind::Date(value) => Text::new(
                format!(
                    "検索式の {at} 文字目: 「{value}」は日時ではありません。2024-04-01T00:00:00Z や NOW-1YEAR/DAY の形で書いてください。"
                ),
                format!("`{value}` at character {at} of the query is not a date; write 2024-04-01T00:00:00Z or NOW-1YEAR/DAY"),
            ),
            FqErrorKind::Number(value) => Text::new(
                format!("検索式の {at} 文字目: 「{value}」は整数ではありません。"),
                format!("`{value}` at character {at} of the query is not a whole number"),
            ),
            FqErrorKind::TooLarge(part, limit) => {
                let (ja, en) = match part {
                    Part::Bytes => ("バイト数", "bytes"),
                    Part::Brackets => ("括弧の深さ", "levels of brackets"),
                    Part::Conditions => ("条件の数", "conditions"),
                    Part::Wildcards => ("「*」と「?」の数", "wildcards (`*` and `?`)"),
                };
                Text::new(
                    format!("検索式が大きすぎます（{ja}は {limit} まで）。条件を減らしてください。"),
                    format!("the query is too large: at most {limit} {en}; use fewer conditions"),
                )
            }
        }
    }
}

/// Whether a query text is meant as syntax: it parses, and names a field, `*:*` or an operator. Everything else is plain text, so that
/// a stray bracket or colon in it is never an error.
pub fn looks_like_syntax(query: &str) -> bool {
    query.len() <= LENGTH_MAX && has_syntax(query) && parse(query).is_ok()
}

fn has_syntax(query: &str) -> bool {
    let operator = query.split_whitespace().any(|word| matches!(word, "AND" | "OR" | "NOT" | "&&" | "||"));
    let field = query.match_indices(':').any(|(at, _)| {
        let before = &query[..at];
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        Field::parse(before[start..].trim_start_matches('-')).is_some() || before.ends_with('*')
    });
    operator || field
}
