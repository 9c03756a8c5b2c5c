//! `package_search` and its kin.

use minato_app::catalog::{DatasetState, Text, Viewer, Visibility};
use minato_app::searching::fq::{self, Expr, Field};
use minato_app::searching::{Facet, Filters, LIMIT_MAX, OFFSET_MAX, SearchRequest, Sort, SortKey};
use minato_app::{App, DatasetListing, Directory, Error};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::package::package;
use super::params::{Params, embedded, only_texts};
use super::resource::resource;
use super::{Answer, Call};
use crate::search_log;

/// Most values of a facet when the client wants all or does not say.
const FACET_VALUES_MAX: usize = 1_000;
const FACET_VALUES_DEFAULT: usize = 50;

pub(super) fn packages(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let rows = params.natural("rows")?.unwrap_or(10).min(LIMIT_MAX);
    let start = params.natural("start")?.unwrap_or_default();
    let (query, expr) = condition(call)?;
    let sort_text = params.text("sort")?.filter(|sort| sort != "rank").unwrap_or_else(|| "score desc, metadata_modified desc".to_owned());
    let facets: Vec<(String, Option<Facet>)> = match params.switch("facet", true) {
        true => facets(params)?,
        false => Vec::new(),
    };
    let facet_limit = match params.0.get("facet.limit") {
        Some(limit) if limit.as_i64() == Some(-1) || limit.as_str().map(str::trim) == Some("-1") => FACET_VALUES_MAX,
        _ => params.natural("facet.limit")?.unwrap_or(FACET_VALUES_DEFAULT).min(FACET_VALUES_MAX),
    };
    let at_least = params.natural("facet.mincount")?.unwrap_or(1);
    let request = SearchRequest {
        query,
        filters: Filters { expr, ..Filters::default() },
        facets: wanted(&facets),
        facet_limit,
        sort: sort(&sort_text)?,
        // Beyond what can be reached there is nothing to show, but still something to count.
        limit: if start > OFFSET_MAX { 0 } else { rows },
        offset: start.min(OFFSET_MAX),
        // CKAN's clients count hits and page through all of them; only what would find nothing is relaxed for them.
        relaxed_below: 1,
        ..SearchRequest::default()
    };
    let typed = if call.wanted && start == 0 { request.query.clone() } else { String::new() };
    let plain = search_log::is_plain(&request);
    let found = find(call.app, &call.viewer, request)?;
    call.app.note_search(&typed, plain.then(|| search_log::hits(&found.results)));
    let fields = params
        .list("fl")
        .iter()
        .flat_map(|text| text.split([',', ' ']))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let results: Vec<Value> = found
        .datasets
        .iter()
        .map(|dataset| {
            let mut whole = package(dataset, call.site());
            if !fields.is_empty() {
                whole.retain(|key, _| fields.iter().any(|field| field == key));
            }
            Value::Object(whole)
        })
        .collect();

    let (mut counts, mut search_facets) = (Map::new(), Map::new());
    for (name, facet) in &facets {
        let values =
            facet.and_then(|facet| found.results.facets.iter().find(|(other, _)| *other == facet)).map(|(_, values)| values.as_slice());
        let mut own = Map::new();
        let mut items = Vec::new();
        for (value, count) in values.unwrap_or_default().iter().filter(|(_, count)| *count >= at_least.max(1)) {
            let (key, display_name) = facet_value(name, value, &call.directory);
            items.push(json!({"count": count, "display_name": display_name, "name": key}));
            own.insert(key, json!(count));
        }
        search_facets.insert(name.clone(), json!({"title": name, "items": items}));
        counts.insert(name.clone(), Value::Object(own));
    }
    Ok(json!({"count": found.results.total, "facets": counts, "results": results, "sort": sort_text, "search_facets": search_facets}))
}

/// Counts a search that is answered with what was found before.
pub(super) fn note_again(app: &App, fields: Map<String, Value>) {
    let params = Params(fields);
    let first = matches!(params.natural("start"), Ok(None | Some(0)));
    match q(&params) {
        Ok(q) if first && !fq::looks_like_syntax(&q) => app.note_search(&q, None),
        _ => {}
    }
}

/// The `q` of a search; empty when it means everything.
fn q(params: &Params) -> Result<String, Failure> {
    Ok(params.text("q")?.filter(|q| !matches!(q.as_str(), "*" | "*:*" | "\"\"" | "''")).unwrap_or_default())
}

/// Searches; whatever is wrong with the query is CKAN's search error.
fn find(app: &App, viewer: &Viewer, request: SearchRequest) -> Result<minato_app::FoundDatasets, Failure> {
    app.search(viewer, request).map_err(|error| match error {
        Error::Invalid(errors) if errors.iter().any(|error| error.code == "invalid_query") => match errors.into_iter().next() {
            Some(error) => Failure::SearchQuery(error.message),
            None => Failure::Internal,
        },
        other => other.into(),
    })
}

/// The text to search for, and the condition: `fq`, `fq_list`, a `q` that is syntax, and what CKAN shows only on request.
fn condition(call: &Call<'_>) -> Result<(String, Option<Expr>), Failure> {
    let params = &call.params;
    let mut parts = Vec::new();
    let q = q(params)?;
    let mut query = String::new();
    if fq::looks_like_syntax(&q) {
        parts.push(parse(&q)?);
    } else {
        query = q;
    }
    for key in ["fq", "fq_list"] {
        let Some(value) = params.0.get(key) else { continue };
        let texts = only_texts(value).ok_or_else(|| {
            Failure::field(key, Text::new(format!("{key} は文字列か文字列の配列にしてください。"), "Must be a string or a list of strings"))
        })?;
        for text in &texts {
            parts.push(parse(text)?);
        }
    }
    for part in &mut parts {
        let vocabulary = &call.directory.vocabulary;
        part.map_values(&mut |field, value| match field {
            Field::Licence => vocabulary.find_licence(value).map(str::to_owned),
            Field::Theme => vocabulary.find_theme(value).map(str::to_owned),
            _ => None,
        });
    }
    // The public sees only what is published and public anyway.
    if !call.viewer.is_public() {
        let is = |field: &Field, value: &str| Expr::Is(field.clone(), fq::Value::Exact(value.to_owned()));
        let (drafts, deleted) = (params.switch("include_drafts", false), params.switch("include_deleted", false));
        let mut states = vec![is(&Field::State, "active")];
        if drafts {
            states.push(is(&Field::State, "draft"));
        }
        if deleted {
            states.push(is(&Field::State, "deleted"));
        }
        let names_field = |field: &Field| parts.iter().any(|part| names(part, field));
        let (names_private, names_state) = (names_field(&Field::Private), names_field(&Field::State));
        if !params.switch("include_private", false) && !names_private {
            // In the index, what is not published is not public either.
            let mut open = vec![is(&Field::Private, "false")];
            open.extend(states.iter().skip(1).cloned());
            parts.push(Expr::Or(open));
        }
        if !names_state {
            parts.push(Expr::Or(states));
        }
    }
    parts.retain(|part| *part != Expr::All);
    Ok((query, (!parts.is_empty()).then_some(Expr::And(parts))))
}

fn parse(text: &str) -> Result<Expr, Failure> {
    fq::parse(text).map_err(|error| Failure::SearchQuery(error.text()))
}

/// Whether a condition names a field.
fn names(expr: &Expr, field: &Field) -> bool {
    match expr {
        Expr::All => false,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| names(part, field)),
        Expr::Not(inner) => names(inner, field),
        Expr::Is(other, _) => other == field,
    }
}

/// CKAN's sort by its first key; the others only break ties.
fn sort(text: &str) -> Result<Sort, Failure> {
    let first = text.split(',').next().unwrap_or_default().trim();
    let mut words = first.split_whitespace();
    let (name, direction) = (words.next().unwrap_or_default(), words.next());
    let key = match name {
        "score" | "rank" | "relevance" => SortKey::Relevance,
        "metadata_modified" | "modified" => SortKey::Modified,
        "metadata_created" | "created" => SortKey::Created,
        "title_string" | "title" => SortKey::Title,
        "name" => SortKey::Slug,
        "views_recent" | "views_total" | "downloads" | "popularity" => SortKey::Downloads,
        _ => {
            let name: String = name.chars().take(60).collect();
            return Err(Failure::SearchQuery(Text::new(
                format!("sort の「{name}」では並べ替えられません。metadata_modified desc、title_string asc などを使ってください。"),
                format!("Invalid \"sort\" parameter `{name}`; use metadata_modified desc, title_string asc and the like"),
            )));
        }
    };
    let descending = match direction.map(str::to_ascii_lowercase).as_deref() {
        Some("asc") => false,
        Some("desc") => true,
        None => !matches!(key, SortKey::Title | SortKey::Slug),
        Some(_) => {
            return Err(Failure::SearchQuery(Text::new(
                "sort の向きは asc か desc にしてください。",
                "Invalid \"sort\" parameter: the direction must be asc or desc",
            )));
        }
    };
    Ok(Sort { key, descending })
}

/// The facets that `facet.field` asks for: a JSON list, a list, or names between commas.
fn facets(params: &Params) -> Result<Vec<(String, Option<Facet>)>, Failure> {
    let Some(value) = params.0.get("facet.field") else { return Ok(Vec::new()) };
    let broken = matches!(value, Value::String(text) if text.trim_start().starts_with(['[', '{']) && !matches!(embedded(text), Some(Value::Array(_))));
    let names = only_texts(value).filter(|_| !broken).ok_or_else(|| {
        let text = Text::new(
            "[\"organization\", \"tags\"] のような名前のリストにしてください。",
            "Must be a list of names such as [\"organization\", \"tags\"]",
        );
        Failure::field("facet.field", text)
    })?;
    let names = names.iter().flat_map(|text| text.split([',', ' '])).filter(|name| !name.is_empty());
    names.take(50).map(facet_name).collect()
}

/// A facet by CKAN's name; one it may have and we have not counts nothing.
fn facet_name(name: &str) -> Result<(String, Option<Facet>), Failure> {
    let facet = match name {
        "organization" | "owner_org" => Some(Facet::Organization),
        "groups" | "theme" => Some(Facet::Theme),
        "tags" => Some(Facet::Keyword),
        "res_format" => Some(Facet::Format),
        "license_id" => Some(Facet::Licence),
        "standard_dataset" | "extras_standard_dataset" => Some(Facet::StandardDataset),
        name if CKAN_FIELDS.contains(&name) || name.starts_with("vocab_") || name.starts_with("extras_") => None,
        name => {
            let name: String = name.chars().take(100).collect();
            let known = "organization, groups, tags, res_format, license_id";
            return Err(Failure::field(
                "facet.field",
                Text::new(
                    format!("「{name}」では集計できません。使える名前: {known}"),
                    format!("Unknown field: {name}; known fields: {known}"),
                ),
            ));
        }
    };
    Ok((name.chars().take(100).collect(), facet))
}

/// Fields of CKAN's search schema that there is nothing to count of here. Clients ask for some of them as a matter of course.
#[rustfmt::skip]
const CKAN_FIELDS: &[&str] = &[
    "author", "author_email", "capacity", "creator_user_id", "dataset_type", "entity_type", "frequency", "id", "isopen", "license",
    "license_title", "maintainer", "maintainer_email", "metadata_created", "metadata_modified", "name", "notes", "num_resources", "num_tags",
    "organization_title", "permission_labels", "private", "res_description", "res_name", "res_type", "res_url", "site_id", "state", "title", "type",
    "url", "version",
];

fn wanted(facets: &[(String, Option<Facet>)]) -> Vec<Facet> {
    let mut wanted: Vec<Facet> = facets.iter().filter_map(|(_, facet)| *facet).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// A counted value as clients put it into the next `fq`, and as people read it.
fn facet_value(name: &str, value: &str, directory: &Directory) -> (String, String) {
    match name {
        "organization" | "owner_org" => match directory.find_organization(value) {
            Some(organization) if name == "owner_org" => (organization.id.to_string(), organization.draft.name.clone()),
            Some(organization) => (value.to_owned(), organization.draft.name.clone()),
            None => (value.to_owned(), value.to_owned()),
        },
        "groups" | "theme" => (value.to_owned(), directory.vocabulary.theme_title(value).ja),
        "license_id" => match directory.licences.get(value) {
            Some(licence) => (licence.draft.ckan_id.clone().unwrap_or_else(|| value.to_owned()), licence.draft.title.clone()),
            None => (value.to_owned(), value.to_owned()),
        },
        _ => (value.to_owned(), value.to_owned()),
    }
}

/// `current_package_list_with_resources`: what everybody may see, latest modified first.
pub(super) fn current(call: &Call<'_>) -> Answer {
    let limit = call.params.natural("limit")?.unwrap_or(10).min(LIMIT_MAX);
    let offset = match (call.params.natural("offset")?, call.params.natural("page")?) {
        (Some(offset), _) => offset,
        (None, Some(page)) => page.saturating_sub(1).saturating_mul(limit),
        (None, None) => 0,
    };
    let request = SearchRequest {
        sort: Sort { key: SortKey::Modified, descending: true },
        limit: if offset > OFFSET_MAX { 0 } else { limit },
        offset: offset.min(OFFSET_MAX),
        ..SearchRequest::default()
    };
    let found = find(call.app, &Viewer::public(), request)?;
    Ok(found.datasets.iter().map(|dataset| Value::Object(package(dataset, call.site()))).collect())
}

pub(super) fn autocomplete(call: &Call<'_>) -> Answer {
    let q = call.params.required("q")?;
    let limit = call.params.natural("limit")?.unwrap_or(10).min(100);
    let word = q.to_lowercase();
    let mut parts = vec![Expr::Is(Field::Title, fq::Value::Exact(q))];
    if word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        parts.push(Expr::Is(Field::Slug, fq::Value::Pattern(format!("*{word}*"))));
    }
    let filters = Filters { expr: Some(Expr::Or(parts)), ..Filters::default() };
    let found = find(call.app, &call.viewer, SearchRequest { filters, limit, ..SearchRequest::default() })?;
    let matches = found.datasets.iter().map(|dataset| {
        let (name, title) = (&dataset.content.slug, &dataset.content.title);
        let (field, displayed) = if name.contains(&word) { ("name", name.clone()) } else { ("title", format!("{title} ({name})")) };
        json!({"name": name, "title": title, "match_field": field, "match_displayed": displayed})
    });
    Ok(matches.collect())
}

pub(super) fn formats(call: &Call<'_>) -> Answer {
    let q = call.params.required("q")?.to_lowercase();
    let limit = call.params.natural("limit")?.unwrap_or(5).min(FACET_VALUES_MAX);
    let request = SearchRequest { facets: vec![Facet::Format], facet_limit: FACET_VALUES_MAX, limit: 0, ..SearchRequest::default() };
    let found = find(call.app, &call.viewer, request)?;
    let values = found.results.facets.into_iter().flat_map(|(_, values)| values).map(|(value, _)| value.to_lowercase());
    Ok(values.filter(|format| format.contains(&q)).take(limit).map(Value::String).collect())
}

/// Fields of a resource that `resource_search` compares.
const RESOURCE_FIELDS: &[&str] = &[
    "id",
    "package_id",
    "url",
    "url_type",
    "name",
    "description",
    "format",
    "mimetype",
    "hash",
    "size",
    "position",
    "state",
    "created",
    "last_modified",
    "metadata_modified",
    "resource_type",
    "cache_url",
];

pub(super) fn resources(call: &Call<'_>) -> Answer {
    let queries = call.params.list("query");
    if queries.is_empty() {
        return Err(Failure::missing("query"));
    }
    let mut terms = Vec::new();
    for query in &queries {
        let Some((field, term)) = query.split_once(':') else {
            return Err(Failure::field("query", Text::new("「フィールド:値」の形にしてください。", "Must be <field>:<value> pair(s)")));
        };
        if !RESOURCE_FIELDS.contains(&field) {
            let field: String = field.chars().take(60).collect();
            let text = Text::new(
                format!("フィールド「{field}」では探せません。name, format, url, description, hash などを使ってください。"),
                format!("Field \"{field}\" not recognised in resource_search."),
            );
            return Err(Failure::field("query", text));
        }
        terms.push((field.to_owned(), term.to_lowercase()));
    }
    let limit = call.params.natural("limit")?.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let offset = call.params.natural("offset")?.unwrap_or_default();
    let (mut count, mut results) = (0, Vec::new());
    let mut listing = DatasetListing {
        state: Some(DatasetState::Published),
        visibility: Some(Visibility::Public),
        limit: 500,
        ..DatasetListing::default()
    };
    loop {
        let page = call.app.list_datasets(&Viewer::public(), listing.clone())?;
        for dataset in &page.items {
            for index in 0..dataset.content.distributions.len() {
                let shown = resource(dataset, index, call.site());
                if !terms.iter().all(|(field, term)| has_term(&shown, field, term)) {
                    continue;
                }
                count += 1;
                if count > offset && results.len() < limit {
                    results.push(Value::Object(shown));
                }
            }
        }
        match page.next_cursor {
            Some(cursor) => listing.after = Some(cursor),
            None => break,
        }
    }
    Ok(json!({"count": count, "results": results}))
}

fn has_term(shown: &Map<String, Value>, field: &str, term: &str) -> bool {
    match shown.get(field) {
        Some(Value::String(text)) if field == "hash" => text.to_lowercase().starts_with(term),
        Some(Value::String(text)) => text.to_lowercase().contains(term),
        Some(Value::Number(number)) => number.to_string() == term,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_are_ckans() {
        for (text, key, descending) in [
            ("metadata_modified desc", SortKey::Modified, true),
            ("score desc, metadata_modified desc", SortKey::Relevance, true),
            ("title_string asc", SortKey::Title, false),
            ("name asc", SortKey::Slug, false),
            ("metadata_created DESC", SortKey::Created, true),
            ("views_recent desc", SortKey::Downloads, true),
            ("title_string", SortKey::Title, false),
        ] {
            assert_eq!(sort(text).unwrap(), Sort { key, descending }, "{text}");
        }
        for text in ["", "nonsense desc", "name sideways", ","] {
            assert!(matches!(sort(text), Err(Failure::SearchQuery(_))), "{text}");
        }
    }

    #[test]
    fn a_broken_condition_is_a_search_error_that_names_the_place() {
        for (text, expected) in [("titel:x", "titel"), ("title:(a", "never closed"), ("metadata_modified:[x TO *]", "date")] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.status().as_u16(), 400);
            let error = failure.error();
            assert_eq!(error["__type"], "Search Query Error");
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with("Search Query is invalid: ") && message.contains(expected), "{message}");
        }
    }
}
