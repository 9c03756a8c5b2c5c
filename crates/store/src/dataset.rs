//! Datasets with their keywords, themes, names and distributions.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use minato_catalog::{Action, Dataset, DatasetContent, DatasetState, Noun, Page, Visibility};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::{Error, Result};
use crate::history;
use crate::record::{Saved, from_json, like_pattern, parse_id, to_json, utc};
use crate::schema::{dataset, dataset_alias, dataset_keyword, dataset_theme, distribution};

/// Which datasets a viewer may see; the SQL form of the visibility predicate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// Published and public ones.
    #[default]
    Public,
    /// Also everything of these organizations.
    PublicAnd(Vec<Uuid>),
    /// Everything.
    Everything,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Last changed here first.
    #[default]
    UpdatedFirst,
    /// Oldest change first: for following changes.
    UpdatedLast,
    /// By slug.
    Slug,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct DatasetFilter {
    /// What the viewer may see.
    pub scope: Scope,
    /// Only of this organization.
    pub organization_id: Option<Uuid>,
    /// Only in this state; `None` is drafts and published ones.
    pub state: Option<DatasetState>,
    /// Only with this visibility.
    pub visibility: Option<Visibility>,
    /// Only with this keyword.
    pub keyword: Option<String>,
    /// Only with this theme.
    pub theme: Option<String>,
    /// Only this publisher's key.
    pub identifier: Option<String>,
    /// Only this standard dataset.
    pub standard_dataset: Option<String>,
    /// Only titles that contain this text.
    pub title: Option<String>,
    /// Only changed here at or after this moment.
    pub updated_from: Option<DateTime<Utc>>,
    /// Order.
    pub order: Order,
    /// After this cursor.
    pub after: Option<String>,
    /// Skip this many; with `after` unset.
    pub offset: i64,
    /// At most this many.
    pub limit: i64,
}

type Backend = <AnyConnection as diesel::Connection>::Backend;

type Row = (String, String, i64, NaiveDateTime, NaiveDateTime);

const COLUMNS: (dataset::id, dataset::body, dataset::revision, dataset::created, dataset::updated) =
    (dataset::id, dataset::body, dataset::revision, dataset::created, dataset::updated);

/// The dataset with this id.
pub fn find(conn: &mut AnyConnection, id: Uuid) -> Result<Option<Dataset>> {
    let row: Option<Row> = dataset::table.filter(dataset::id.eq(id.to_string())).select(COLUMNS).first(conn).optional()?;
    row.map(from_row).transpose()
}

/// The dataset with this slug.
pub fn find_by_slug(conn: &mut AnyConnection, slug: &str) -> Result<Option<Dataset>> {
    let row: Option<Row> = dataset::table.filter(dataset::slug.eq(slug)).select(COLUMNS).first(conn).optional()?;
    row.map(from_row).transpose()
}

/// The dataset that had this name before.
pub fn find_by_alias(conn: &mut AnyConnection, alias: &str) -> Result<Option<Dataset>> {
    let row: Option<Row> = dataset::table
        .inner_join(dataset_alias::table.on(dataset_alias::dataset_id.eq(dataset::id)))
        .filter(dataset_alias::alias.eq(alias))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(from_row).transpose()
}

/// The dataset with this publisher's key.
pub fn find_by_identifier(conn: &mut AnyConnection, organization_id: Uuid, identifier: &str) -> Result<Option<Dataset>> {
    let row: Option<Row> = dataset::table
        .filter(dataset::organization_id.eq(organization_id.to_string()))
        .filter(dataset::identifier.eq(identifier))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(from_row).transpose()
}

/// The datasets with these ids, in no order; missing ones are left out.
pub fn find_many(conn: &mut AnyConnection, ids: &[Uuid]) -> Result<Vec<Dataset>> {
    let mut datasets = Vec::with_capacity(ids.len());
    // Both databases limit the number of bound values.
    for chunk in ids.chunks(500) {
        let chunk: Vec<String> = chunk.iter().map(Uuid::to_string).collect();
        let rows: Vec<Row> = dataset::table.filter(dataset::id.eq_any(chunk)).select(COLUMNS).load(conn)?;
        for row in rows {
            datasets.push(from_row(row)?);
        }
    }
    Ok(datasets)
}

/// A page of datasets.
pub fn list(conn: &mut AnyConnection, filter: &DatasetFilter) -> Result<Page<Dataset>> {
    let total: i64 = filtered(filter).count().get_result(conn)?;
    let mut query = filtered(filter).select(COLUMNS).limit(filter.limit.saturating_add(1)).offset(filter.offset.max(0));
    query = match filter.order {
        Order::UpdatedFirst => query.order((dataset::updated.desc(), dataset::id.desc())),
        Order::UpdatedLast => query.order((dataset::updated.asc(), dataset::id.asc())),
        Order::Slug => query.order(dataset::slug.asc()),
    };
    if let Some(after) = &filter.after {
        query = match (filter.order, parse_cursor(after)) {
            (Order::Slug, _) => query.filter(dataset::slug.gt(after.clone())),
            (Order::UpdatedFirst, Some((at, id))) => {
                query.filter(dataset::updated.lt(at).or(dataset::updated.eq(at).and(dataset::id.lt(id))))
            }
            (Order::UpdatedLast, Some((at, id))) => {
                query.filter(dataset::updated.gt(at).or(dataset::updated.eq(at).and(dataset::id.gt(id))))
            }
            (_, None) => query,
        };
    }
    let rows: Vec<Row> = query.load(conn)?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > filter.limit);
    let limit = usize::try_from(filter.limit).unwrap_or(0);
    let items = rows.into_iter().take(limit).map(from_row).collect::<Result<Vec<_>>>()?;
    let next_cursor = match items.last() {
        Some(last) if more => Some(cursor(filter.order, last)),
        _ => None,
    };
    Ok(Page { items, total, next_cursor })
}

/// Slugs in order; with no limit below 0.
pub fn slugs(conn: &mut AnyConnection, filter: &DatasetFilter) -> Result<Vec<String>> {
    // SQLite knows no OFFSET without a LIMIT.
    let limit = if filter.limit < 0 { i64::MAX } else { filter.limit };
    Ok(filtered(filter).select(dataset::slug).order(dataset::slug.asc()).limit(limit).offset(filter.offset.max(0)).load(conn)?)
}

/// Number of datasets.
pub fn count(conn: &mut AnyConnection, filter: &DatasetFilter) -> Result<i64> {
    Ok(filtered(filter).count().get_result(conn)?)
}

/// Number of published, public datasets of each organization.
pub fn count_by_organization(conn: &mut AnyConnection) -> Result<Vec<(Uuid, i64)>> {
    let rows: Vec<(String, i64)> = dataset::table
        .filter(dataset::state.eq("published"))
        .filter(dataset::visibility.eq("public"))
        .group_by(dataset::organization_id)
        .select((dataset::organization_id, diesel::dsl::count_star()))
        .load(conn)?;
    rows.into_iter().map(|(id, count)| Ok((parse_id(&id)?, count))).collect()
}

/// Number of published, public datasets of each theme.
pub fn count_by_theme(conn: &mut AnyConnection) -> Result<Vec<(String, i64)>> {
    Ok(dataset::table
        .inner_join(dataset_theme::table.on(dataset_theme::dataset_id.eq(dataset::id)))
        .filter(dataset::state.eq("published"))
        .filter(dataset::visibility.eq("public"))
        .group_by(dataset_theme::theme)
        .select((dataset_theme::theme, diesel::dsl::count_star()))
        .load(conn)?)
}

/// The themes of every dataset that has any, withdrawn ones included.
pub fn themes_of_all(conn: &mut AnyConnection) -> Result<std::collections::HashMap<Uuid, Vec<String>>> {
    let rows: Vec<(String, String)> =
        dataset_theme::table.order(dataset_theme::theme).select((dataset_theme::dataset_id, dataset_theme::theme)).load(conn)?;
    let mut themes: std::collections::HashMap<Uuid, Vec<String>> = std::collections::HashMap::new();
    for (id, theme) in rows {
        themes.entry(crate::record::parse_id(&id)?).or_default().push(theme);
    }
    Ok(themes)
}

/// Keywords on published, public datasets with the number of datasets, in the order of the words.
pub fn count_by_keyword(conn: &mut AnyConnection) -> Result<Vec<(String, i64)>> {
    Ok(dataset::table
        .inner_join(dataset_keyword::table.on(dataset_keyword::dataset_id.eq(dataset::id)))
        .filter(dataset::state.eq("published"))
        .filter(dataset::visibility.eq("public"))
        .group_by(dataset_keyword::keyword)
        .order(dataset_keyword::keyword)
        .select((dataset_keyword::keyword, diesel::dsl::count_star()))
        .load(conn)?)
}

/// Whether a slug or former slug belongs to another dataset than `id`.
pub fn slug_is_taken(conn: &mut AnyConnection, slug: &str, id: Uuid) -> Result<bool> {
    let id = id.to_string();
    let current: i64 = dataset::table.filter(dataset::slug.eq(slug)).filter(dataset::id.ne(&id)).count().get_result(conn)?;
    let former: i64 =
        dataset_alias::table.filter(dataset_alias::alias.eq(slug)).filter(dataset_alias::dataset_id.ne(&id)).count().get_result(conn)?;
    Ok(current + former > 0)
}

/// Writes the dataset and its history; `previous` is the state it replaces, `None` for a new one.
pub fn save(conn: &mut AnyConnection, new: &Dataset, previous: Option<&Dataset>, action: Action, actor: &str) -> Result<Saved> {
    let id = new.id.to_string();
    let content = &new.content;
    let body = to_json(content)?;
    if slug_is_taken(conn, &content.slug, new.id)? {
        return Err(Error::Taken { noun: "dataset", field: "slug", value: content.slug.clone() });
    }
    let taken = |error: diesel::result::Error| {
        let error = Error::from(error);
        match (error.is_unique_violation(), &content.identifier) {
            (true, Some(identifier)) => Error::Taken { noun: "dataset", field: "identifier", value: identifier.clone() },
            _ => error,
        }
    };
    match previous {
        None => {
            diesel::insert_into(dataset::table)
                .values((
                    dataset::id.eq(&id),
                    dataset::slug.eq(&content.slug),
                    dataset::organization_id.eq(content.organization_id.to_string()),
                    dataset::identifier.eq(&content.identifier),
                    dataset::state.eq(content.state.as_str()),
                    dataset::visibility.eq(content.visibility.as_str()),
                    dataset::title.eq(&content.title),
                    dataset::standard_dataset.eq(&content.standard_dataset),
                    dataset::body.eq(&body),
                    dataset::revision.eq(new.revision),
                    dataset::created.eq(new.created.naive_utc()),
                    dataset::updated.eq(new.updated.naive_utc()),
                ))
                .execute(conn)
                .map_err(taken)?;
        }
        Some(previous) => {
            let changed = diesel::update(dataset::table.filter(dataset::id.eq(&id)).filter(dataset::revision.eq(previous.revision)))
                .set((
                    dataset::slug.eq(&content.slug),
                    dataset::organization_id.eq(content.organization_id.to_string()),
                    dataset::identifier.eq(&content.identifier),
                    dataset::state.eq(content.state.as_str()),
                    dataset::visibility.eq(content.visibility.as_str()),
                    dataset::title.eq(&content.title),
                    dataset::standard_dataset.eq(&content.standard_dataset),
                    dataset::body.eq(&body),
                    dataset::revision.eq(new.revision),
                    dataset::updated.eq(new.updated.naive_utc()),
                ))
                .execute(conn)
                .map_err(taken)?;
            if changed == 0 {
                return Err(Error::Stale { noun: Noun::Dataset, id });
            }
            if previous.content.slug != content.slug {
                keep_alias(conn, &previous.content.slug, &content.slug, &id)?;
            }
        }
    }
    let before = previous.map(|dataset| &dataset.content);
    save_keywords(conn, &id, content, before)?;
    save_themes(conn, &id, content, before)?;
    save_distributions(conn, &id, content, before)?;
    history::record(conn, Noun::Dataset, &id, new.revision, action, actor, new.updated.naive_utc(), &body)
}

/// Gives the dataset another name it can be found by.
pub fn add_alias(conn: &mut AnyConnection, alias: &str, id: Uuid) -> Result<()> {
    diesel::insert_into(dataset_alias::table)
        .values((dataset_alias::alias.eq(alias), dataset_alias::dataset_id.eq(id.to_string())))
        .execute(conn)?;
    Ok(())
}

fn keep_alias(conn: &mut AnyConnection, old: &str, new: &str, id: &str) -> Result<()> {
    diesel::delete(dataset_alias::table.filter(dataset_alias::alias.eq(new))).execute(conn)?;
    diesel::insert_into(dataset_alias::table).values((dataset_alias::alias.eq(old), dataset_alias::dataset_id.eq(id))).execute(conn)?;
    Ok(())
}

fn save_keywords(conn: &mut AnyConnection, id: &str, content: &DatasetContent, before: Option<&DatasetContent>) -> Result<()> {
    let old = before.map(|content| content.keywords.as_slice()).unwrap_or_default();
    for word in old.iter().filter(|word| !content.keywords.contains(word)) {
        let gone = dataset_keyword::table.filter(dataset_keyword::dataset_id.eq(id)).filter(dataset_keyword::keyword.eq(word));
        diesel::delete(gone).execute(conn)?;
    }
    for word in content.keywords.iter().filter(|word| !old.contains(word)) {
        diesel::insert_into(dataset_keyword::table)
            .values((dataset_keyword::dataset_id.eq(id), dataset_keyword::keyword.eq(word)))
            .execute(conn)?;
    }
    Ok(())
}

fn save_themes(conn: &mut AnyConnection, id: &str, content: &DatasetContent, before: Option<&DatasetContent>) -> Result<()> {
    let old = before.map(|content| content.themes.as_slice()).unwrap_or_default();
    for theme in old.iter().filter(|theme| !content.themes.contains(theme)) {
        let gone = dataset_theme::table.filter(dataset_theme::dataset_id.eq(id)).filter(dataset_theme::theme.eq(theme));
        diesel::delete(gone).execute(conn)?;
    }
    for theme in content.themes.iter().filter(|theme| !old.contains(theme)) {
        diesel::insert_into(dataset_theme::table)
            .values((dataset_theme::dataset_id.eq(id), dataset_theme::theme.eq(theme)))
            .execute(conn)?;
    }
    Ok(())
}

fn save_distributions(conn: &mut AnyConnection, id: &str, content: &DatasetContent, before: Option<&DatasetContent>) -> Result<()> {
    let old = before.map(|content| content.distributions.as_slice()).unwrap_or_default();
    for gone in old.iter().filter(|old| !content.distributions.iter().any(|new| new.id == old.id)) {
        let row = distribution::table.filter(distribution::id.eq(gone.id.to_string()));
        diesel::update(row).set(distribution::active.eq(false)).execute(conn)?;
    }
    for new in content.distributions.iter().filter(|new| !old.iter().any(|old| old.id == new.id)) {
        let distribution_id = new.id.to_string();
        let row = distribution::table.filter(distribution::id.eq(&distribution_id)).filter(distribution::dataset_id.eq(id));
        let returned = diesel::update(row).set(distribution::active.eq(true)).execute(conn)?;
        if returned == 0 {
            diesel::insert_into(distribution::table)
                .values((distribution::id.eq(&distribution_id), distribution::dataset_id.eq(id), distribution::active.eq(true)))
                .execute(conn)
                .map_err(|error| {
                    let error = Error::from(error);
                    match error.is_unique_violation() {
                        true => Error::Taken { noun: "distribution", field: "id", value: distribution_id.clone() },
                        false => error,
                    }
                })?;
        }
    }
    Ok(())
}

fn filtered(filter: &DatasetFilter) -> dataset::BoxedQuery<'static, Backend> {
    let mut query = dataset::table.into_boxed();
    match &filter.scope {
        Scope::Everything => {}
        Scope::Public => query = query.filter(dataset::state.eq("published").and(dataset::visibility.eq("public"))),
        Scope::PublicAnd(organizations) => {
            let organizations: Vec<String> = organizations.iter().map(Uuid::to_string).collect();
            let open = dataset::state.eq("published").and(dataset::visibility.eq("public"));
            query = query.filter(open.or(dataset::organization_id.eq_any(organizations)));
        }
    }
    query = match filter.state {
        Some(state) => query.filter(dataset::state.eq(state.as_str())),
        None => query.filter(dataset::state.eq_any(["draft", "published"])),
    };
    if let Some(visibility) = filter.visibility {
        query = query.filter(dataset::visibility.eq(visibility.as_str()));
    }
    if let Some(id) = filter.organization_id {
        query = query.filter(dataset::organization_id.eq(id.to_string()));
    }
    if let Some(identifier) = &filter.identifier {
        query = query.filter(dataset::identifier.eq(identifier.clone()));
    }
    if let Some(id) = &filter.standard_dataset {
        query = query.filter(dataset::standard_dataset.eq(id.clone()));
    }
    if let Some(title) = &filter.title {
        query = query.filter(dataset::title.like(like_pattern(title)).escape('\\'));
    }
    if let Some(from) = filter.updated_from {
        query = query.filter(dataset::updated.ge(from.naive_utc()));
    }
    if let Some(keyword) = &filter.keyword {
        let ids = dataset_keyword::table.filter(dataset_keyword::keyword.eq(keyword.clone())).select(dataset_keyword::dataset_id);
        query = query.filter(dataset::id.eq_any(ids));
    }
    if let Some(theme) = &filter.theme {
        let ids = dataset_theme::table.filter(dataset_theme::theme.eq(theme.clone())).select(dataset_theme::dataset_id);
        query = query.filter(dataset::id.eq_any(ids));
    }
    query
}

fn from_row((id, body, revision, created, updated): Row) -> Result<Dataset> {
    Ok(Dataset { content: from_json("dataset", &body)?, id: parse_id(&id)?, revision, created: utc(created), updated: utc(updated) })
}

fn cursor(order: Order, last: &Dataset) -> String {
    match order {
        Order::Slug => last.content.slug.clone(),
        Order::UpdatedFirst | Order::UpdatedLast => format!("{}_{}", last.updated.timestamp_micros(), last.id.simple()),
    }
}

fn parse_cursor(cursor: &str) -> Option<(NaiveDateTime, String)> {
    let (at, id) = cursor.split_once('_')?;
    let at = DateTime::from_timestamp_micros(at.parse().ok()?)?.naive_utc();
    Some((at, Uuid::try_parse(id).ok()?.to_string()))
}

/// Whether a cursor is one that [`list`] gave.
pub fn is_cursor(order: Order, cursor: &str) -> bool {
    match order {
        Order::Slug => minato_catalog::is_slug(cursor),
        Order::UpdatedFirst | Order::UpdatedLast => parse_cursor(cursor).is_some(),
    }
}
