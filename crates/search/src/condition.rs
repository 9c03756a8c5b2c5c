//! From typed conditions to tantivy queries.

use std::ops::Bound;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, Utc};
use minato_catalog::{Vocabulary as Lists, jst_midnight, normalize_format};
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, ExistsQuery, InvertedIndexRangeQuery, Occur, Query, RangeQuery, RegexQuery,
    TermSetQuery,
};
use tantivy::schema::Field as Handle;
use uuid::Uuid;

use crate::fq::{End, Expr, Field, Value, period};
use crate::normalize::{fold, normalize};
use crate::plan::{Planner, QueryTerm, dismax, raw};
use crate::schema::TextKind;
use crate::{Facet, Filters, Scope};

const PATTERN_CHARS_MAX: usize = 200;

/// What the viewer may see, as a condition that does not score.
pub(crate) fn scope_query(planner: &Planner<'_>, scope: &Scope) -> Option<Box<dyn Query>> {
    let open = || {
        Box::new(tantivy::query::TermQuery::new(
            Term::from_field_bool(planner.fields.open, true),
            tantivy::schema::IndexRecordOption::Basic,
        ))
    };
    match scope {
        Scope::Everything => None,
        Scope::Public => Some(unscored(open())),
        Scope::PublicAnd(organizations) => {
            let owned = organizations.iter().map(|id| Term::from_field_text(planner.fields.organization_id, &id.to_string()));
            Some(unscored(any(vec![open(), Box::new(TermSetQuery::new(owned))])))
        }
    }
}

/// All filters but those of facets that the collector applies.
pub(crate) fn filter_queries(
    planner: &Planner<'_>,
    filters: &Filters,
    in_collector: &[Facet],
    now: DateTime<Utc>,
    scored_expr: bool,
) -> Vec<Box<dyn Query>> {
    let fields = planner.fields;
    let mut queries: Vec<Box<dyn Query>> = Vec::new();
    for facet in Facet::ALL {
        let values = filters.of_facet(facet);
        if values.is_empty() || in_collector.contains(&facet) {
            continue;
        }
        let mut terms: Vec<Term> =
            values.iter().map(|value| Term::from_field_text(fields.facet(facet), &facet_value(facet, value))).collect();
        if facet == Facet::Organization {
            terms.extend(
                values
                    .iter()
                    .filter_map(|value| Uuid::parse_str(value).ok())
                    .map(|id| Term::from_field_text(fields.organization_id, &id.to_string())),
            );
        }
        queries.push(Box::new(TermSetQuery::new(terms)));
    }
    if !filters.area_codes.is_empty() {
        queries.push(Box::new(TermSetQuery::new(filters.area_codes.iter().map(|code| Term::from_field_text(fields.area_code, code)))));
    }
    if !filters.ids.is_empty() {
        queries.push(Box::new(TermSetQuery::new(filters.ids.iter().map(|id| Term::from_field_text(fields.id, &id.to_string())))));
    }
    if filters.modified_from.is_some() || filters.modified_to.is_some() {
        let bound = |at: Option<DateTime<Utc>>| at.map_or(Bound::Unbounded, |at| Bound::Included(at.timestamp()));
        queries.push(range(fields.modified, bound(filters.modified_from), bound(filters.modified_to)));
    }
    if let Some((first, last)) = filters.period {
        let day = |day: NaiveDate| jst_midnight(day).timestamp();
        let (starts, ends) = (("temporal_start", fields.temporal_start), ("temporal_end", fields.temporal_end));
        if let Some(last) = last {
            queries.push(within_or_open(range(starts.1, Bound::Unbounded, Bound::Included(day(last))), starts.0, ends.0));
        }
        if let Some(first) = first {
            queries.push(within_or_open(range(ends.1, Bound::Included(day(first)), Bound::Unbounded), ends.0, starts.0));
        }
    }
    if !filters.other_than.is_empty() {
        let those = filters.other_than.iter().map(|id| Term::from_field_text(fields.organization_id, &id.to_string()));
        queries.push(all_but(Vec::new(), vec![Box::new(TermSetQuery::new(those))]));
    }
    if let Some([west, south, east, north]) = filters.bbox {
        let [box_west, box_south, box_east, box_north] = fields.bbox;
        let at_most = |field, degrees| {
            Box::new(RangeQuery::new(Bound::Unbounded, Bound::Included(Term::from_field_f64(field, degrees)))) as Box<dyn Query>
        };
        let at_least = |field, degrees| {
            Box::new(RangeQuery::new(Bound::Included(Term::from_field_f64(field, degrees)), Bound::Unbounded)) as Box<dyn Query>
        };
        if [west, south, east, north].iter().all(|degrees| degrees.is_finite()) {
            let latitudes = [at_most(box_south, north), at_least(box_north, south)];
            // A box over the date line is two boxes.
            let longitudes = if west <= east {
                all(vec![at_most(box_west, east), at_least(box_east, west)])
            } else {
                any(vec![at_most(box_west, east), at_least(box_east, west)])
            };
            queries.extend(latitudes);
            queries.push(longitudes);
        } else {
            queries.push(Box::new(EmptyQuery));
        }
    }
    let mut queries: Vec<Box<dyn Query>> = queries.into_iter().map(unscored).collect();
    if let Some(expr) = &filters.expr {
        let query = expr_query(planner, expr, now);
        queries.push(if scored_expr { query } else { unscored(query) });
    }
    queries
}

/// A period on one side: within, or open there while the other side is known.
fn within_or_open(within: Box<dyn Query>, side: &str, other_side: &str) -> Box<dyn Query> {
    let open = all_but(vec![exists(other_side)], vec![exists(side)]);
    any(vec![within, open])
}

/// How a filter value is written in the index.
pub(crate) fn facet_value(facet: Facet, value: &str) -> String {
    match facet {
        Facet::Format => normalize_format(value).unwrap_or_default(),
        _ => value.to_owned(),
    }
}

/// An expression as a query; its depth is bounded by the parser.
pub(crate) fn expr_query(planner: &Planner<'_>, expr: &Expr, now: DateTime<Utc>) -> Box<dyn Query> {
    match expr {
        Expr::All => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
        Expr::Or(parts) => any(parts.iter().map(|part| expr_query(planner, part, now)).collect()),
        Expr::Not(inner) => all_but(Vec::new(), vec![expr_query(planner, inner, now)]),
        Expr::And(parts) => {
            let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
            for part in parts {
                match part {
                    Expr::Not(inner) => unwanted.push(expr_query(planner, inner, now)),
                    part => wanted.push(expr_query(planner, part, now)),
                }
            }
            all_but(wanted, unwanted)
        }
        Expr::Is(field, value) => is_query(planner, field, value, now),
    }
}

fn is_query(planner: &Planner<'_>, field: &Field, value: &Value, now: DateTime<Utc>) -> Box<dyn Query> {
    let fields = planner.fields;
    match field {
        Field::Text => text_query(
            planner,
            &[TextKind::Title, TextKind::Keyword, TextKind::Organization, TextKind::Description, TextKind::Distribution, TextKind::Other],
            value,
        ),
        Field::Title => text_query(planner, &[TextKind::Title], value),
        Field::Description => text_query(planner, &[TextKind::Description], value),
        Field::Distribution => text_query(planner, &[TextKind::Distribution], value),
        Field::Id => raw_query(fields.id, value, |value| vec![value.to_ascii_lowercase()]),
        Field::Slug => raw_query(fields.slug, value, |value| vec![value.to_owned()]),
        Field::Keyword => raw_query(fields.facet(Facet::Keyword), value, |value| vec![value.to_owned()]),
        Field::Organization | Field::OrganizationId => {
            let by_slug = raw_query(fields.facet(Facet::Organization), value, |value| {
                let named = planner.vocabulary.organization(&fold(value)).map(str::to_owned);
                [Some(value.to_owned()), named].into_iter().flatten().collect()
            });
            any(vec![by_slug, raw_query(fields.organization_id, value, |value| vec![value.to_ascii_lowercase()])])
        }
        Field::Theme => raw_query(fields.facet(Facet::Theme), value, |value| either(value, LISTS.find_theme(value))),
        Field::Format => raw_query(fields.facet(Facet::Format), value, |value| normalize_format(value).into_iter().collect()),
        Field::Licence => raw_query(fields.facet(Facet::Licence), value, |value| either(value, LISTS.find_licence(value))),
        Field::StandardDataset => raw_query(fields.facet(Facet::StandardDataset), value, |value| vec![value.to_owned()]),
        Field::AreaCode => raw_query(fields.area_code, value, |value| vec![value.to_owned()]),
        Field::State => raw_query(fields.state, value, |value| {
            vec![match value {
                "active" => "published".to_owned(),
                "deleted" => "archived".to_owned(),
                other => other.to_owned(),
            }]
        }),
        Field::Private => match value {
            Value::Exact(text) | Value::Phrase(text) => {
                let open = matches!(text.to_ascii_lowercase().as_str(), "false" | "public" | "0");
                Box::new(ConstScoreQuery::new(
                    Box::new(tantivy::query::TermQuery::new(
                        Term::from_field_bool(fields.open, open),
                        tantivy::schema::IndexRecordOption::Basic,
                    )),
                    0.0,
                ))
            }
            _ => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
        },
        Field::Modified => date_query(fields.modified, "modified", value, now),
        Field::Created => date_query(fields.created, "created", value, now),
        Field::TemporalStart => date_query(fields.temporal_start, "temporal_start", value, now),
        Field::TemporalEnd => date_query(fields.temporal_end, "temporal_end", value, now),
        Field::Downloads => number_query(fields.downloads, "downloads", value),
        Field::DistributionCount => number_query(fields.distribution_count, "distribution_count", value),
        Field::DatasetType => match value {
            Value::Exact(kind) | Value::Phrase(kind)
                if matches!(kind.as_str(), "harvest" | "showcase" | "group" | "organization" | "resource") =>
            {
                Box::new(EmptyQuery)
            }
            _ => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
        },
        Field::Extra(key) => match value {
            Value::Any => raw(fields.extra, key),
            Value::Exact(text) | Value::Phrase(text) => raw(fields.extra, &format!("{key}\u{1}{}", normalize(text))),
            Value::Pattern(pattern) => regex(fields.extra, &format!("{}\u{1}{}", escape(key), pattern_to_regex(&normalize(pattern)))),
            Value::Range(from, to) => {
                let bound = |end: &End| match end {
                    End::Open => None,
                    End::Inclusive(text) => Some(Bound::Included(format!("{key}\u{1}{}", normalize(text)))),
                    End::Exclusive(text) => Some(Bound::Excluded(format!("{key}\u{1}{}", normalize(text)))),
                };
                let from = bound(from).unwrap_or_else(|| Bound::Included(format!("{key}\u{1}")));
                let to = bound(to).unwrap_or_else(|| Bound::Excluded(format!("{key}\u{2}")));
                text_range(fields.extra, from, to)
            }
        },
    }
}

static LISTS: LazyLock<Lists> = LazyLock::new(Lists::built_in);

fn either(value: &str, known: Option<&str>) -> Vec<String> {
    let mut values = vec![value.to_owned()];
    values.extend(known.filter(|known| *known != value).map(str::to_owned));
    values
}

fn text_query(planner: &Planner<'_>, kinds: &[TextKind], value: &Value) -> Box<dyn Query> {
    match value {
        Value::Any => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
        Value::Exact(text) => planner.term_on(&QueryTerm::new(&normalize(text)), kinds),
        Value::Phrase(text) => planner.term_on(&QueryTerm { exact: true, ..QueryTerm::new(&normalize(text)) }, kinds),
        Value::Pattern(pattern) => {
            let pattern = pattern_to_regex(&fold(pattern));
            dismax(kinds.iter().map(|kind| regex(planner.fields.text(*kind).words, &pattern)).collect(), 0.0)
        }
        Value::Range(from, to) => any(kinds
            .iter()
            .map(|kind| text_range(planner.fields.text(*kind).words, text_bound(from, fold), text_bound(to, fold)))
            .collect()),
    }
}

fn raw_query(field: Handle, value: &Value, spellings: impl Fn(&str) -> Vec<String>) -> Box<dyn Query> {
    match value {
        Value::Exact(text) | Value::Phrase(text) => {
            let terms = spellings(text).into_iter().map(|text| Term::from_field_text(field, &text));
            Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 0.0))
        }
        Value::Any => text_range(field, Bound::Included(String::new()), Bound::Unbounded),
        Value::Pattern(pattern) => regex(field, &pattern_to_regex(pattern)),
        Value::Range(from, to) => text_range(field, text_bound(from, str::to_owned), text_bound(to, str::to_owned)),
    }
}

fn text_bound(end: &End, write: impl Fn(&str) -> String) -> Bound<String> {
    match end {
        End::Open => Bound::Unbounded,
        End::Inclusive(text) => Bound::Included(write(text)),
        End::Exclusive(text) => Bound::Excluded(write(text)),
    }
}

fn text_range(field: Handle, from: Bound<String>, to: Bound<String>) -> Box<dyn Query> {
    // A range needs one end to know its field.
    let from = if matches!((&from, &to), (Bound::Unbounded, Bound::Unbounded)) { Bound::Included(String::new()) } else { from };
    let term = |text: String| Term::from_field_text(field, &text);
    Box::new(ConstScoreQuery::new(Box::new(InvertedIndexRangeQuery::new(from.map(term), to.map(term))), 0.0))
}

fn date_query(field: Handle, name: &str, value: &Value, now: DateTime<Utc>) -> Box<dyn Query> {
    let seconds = |text: &str| period(text, now).map(|(start, end)| (start.timestamp(), end.timestamp()));
    match value {
        Value::Any | Value::Pattern(_) => exists(name),
        Value::Exact(text) | Value::Phrase(text) => match seconds(text) {
            Some((start, end)) => range(field, Bound::Included(start), Bound::Excluded(end)),
            None => Box::new(EmptyQuery),
        },
        Value::Range(End::Open, End::Open) => exists(name),
        Value::Range(from, to) => {
            let lower = match from {
                End::Open => Some(Bound::Unbounded),
                End::Inclusive(text) => seconds(text).map(|(start, _)| Bound::Included(start)),
                End::Exclusive(text) => seconds(text).map(|(_, end)| Bound::Included(end)),
            };
            let upper = match to {
                End::Open => Some(Bound::Unbounded),
                End::Inclusive(text) => seconds(text).map(|(_, end)| Bound::Excluded(end)),
                End::Exclusive(text) => seconds(text).map(|(start, _)| Bound::Excluded(start)),
            };
            match (lower, upper) {
                (Some(lower), Some(upper)) => range(field, lower, upper),
                _ => Box::new(EmptyQuery),
            }
        }
    }
}

fn number_query(field: Handle, name: &str, value: &Value) -> Box<dyn Query> {
    let bound = |end: &End| match end {
        End::Open => Some(Bound::Unbounded),
        End::Inclusive(text) => text.parse().ok().map(Bound::Included),
        End::Exclusive(text) => text.parse().ok().map(Bound::Excluded),
    };
    match value {
        Value::Any | Value::Pattern(_) | Value::Range(End::Open, End::Open) => exists(name),
        Value::Exact(text) | Value::Phrase(text) => match text.parse() {
            Ok(number) => range(field, Bound::Included(number), Bound::Included(number)),
            Err(_) => Box::new(EmptyQuery),
        },
        Value::Range(from, to) => match (bound(from), bound(to)) {
            (Some(from), Some(to)) => range(field, from, to),
            _ => Box::new(EmptyQuery),
        },
    }
}

fn range(field: Handle, from: Bound<i64>, to: Bound<i64>) -> Box<dyn Query> {
    let term = |number| Term::from_field_i64(field, number);
    Box::new(ConstScoreQuery::new(Box::new(RangeQuery::new(from.map(term), to.map(term))), 0.0))
}

fn exists(name: &str) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(Box::new(ExistsQuery::new(name.to_owned(), false)), 0.0))
}

fn regex(field: Handle, pattern: &str) -> Box<dyn Query> {
    if pattern.chars().count() > PATTERN_CHARS_MAX {
        return Box::new(EmptyQuery);
    }
    match RegexQuery::from_pattern(pattern, field) {
        Ok(query) => Box::new(ConstScoreQuery::new(Box::new(query), 0.0)),
        Err(_) => Box::new(EmptyQuery),
    }
}

/// `*` is any text, `?` one character; everything else stands for itself.
fn pattern_to_regex(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut star = false;
    for c in pattern.chars() {
        match c {
            '*' if star => continue,
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c => out.push_str(&escape(c.encode_utf8(&mut [0; 4]))),
        }
        star = c == '*';
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

pub(crate) fn unscored(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

fn any(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if queries.len() == 1 { queries.remove(0) } else { Box::new(BooleanQuery::union(queries)) }
}

fn all(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    all_but(queries, Vec::new())
}

pub(crate) fn all_but(mut wanted: Vec<Box<dyn Query>>, unwanted: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if wanted.is_empty() {
        wanted.push(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)));
    }
    if wanted.len() == 1 && unwanted.is_empty() {
        return wanted.remove(0);
    }
    let wanted = wanted.into_iter().map(|query| (Occur::Must, query));
    Box::new(BooleanQuery::new(wanted.chain(unwanted.into_iter().map(|query| (Occur::MustNot, query))).collect()))
}
