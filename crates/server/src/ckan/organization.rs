//! `organization_…` and `member_…`: organizations and who belongs to them.

use std::collections::BTreeMap;

use minato_app::catalog::{Organization, OrganizationDraft, OrganizationKind, RecordState, Role, Text, Viewer};
use minato_app::searching::{Filters, LIMIT_MAX, SearchRequest, Sort, SortKey};
use minato_app::{DatasetListing, Error};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::failure::{Failure, Fields};
use super::package::{package, record_state};
use super::params::{boolean, plain, prose, text};
use super::time::naive;
use super::{Answer, Call, theme, user};

pub(super) fn list(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let names: Vec<String> = params
        .list("organizations")
        .iter()
        .chain(&params.list("groups"))
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    let q = params.text("q")?.unwrap_or_default().to_lowercase();
    let all_fields = params.switch("all_fields", false);
    let sort = params.text("sort")?.or(params.text("order_by")?).unwrap_or_else(|| "title asc".to_owned());
    let needs_counts = sort.contains("package") || (all_fields && params.switch("include_dataset_count", true));
    let counts = if needs_counts { call.app.dataset_counts_by_organization()? } else { BTreeMap::new() };
    let count = |organization: &Organization| counts.get(&organization.id).copied().unwrap_or_default();
    let mut found: Vec<&Organization> = call
        .directory
        .organizations()
        .into_iter()
        .map(std::convert::AsRef::as_ref)
        .filter(|organization| names.is_empty() || names.contains(&organization.draft.slug) || names.contains(&organization.id.to_string()))
        .filter(|organization| {
            let draft = &organization.draft;
            q.is_empty() || [&draft.slug, &draft.name, &draft.description].iter().any(|text| text.to_lowercase().contains(&q))
        })
        .collect();
    let mut words = sort.split_whitespace();
    let (key, direction) = (words.next().unwrap_or_default(), words.next());
    match key {
        "name" => found.sort_by(|a, b| a.draft.slug.cmp(&b.draft.slug)),
        "title" => found.sort_by(|a, b| a.draft.name.cmp(&b.draft.name)),
        "packages" | "package_count" => found.sort_by_key(|organization| count(organization)),
        other => return Err(unsortable(other)),
    }
    // CKAN puts the largest first unless told otherwise.
    if direction == Some("desc") || (direction.is_none() && key.starts_with("package")) {
        found.reverse();
    }
    let limit = params.natural("limit")?.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let page = found.into_iter().skip(params.natural("offset")?.unwrap_or_default()).take(limit);
    Ok(page
        .map(|organization| match all_fields {
            true => Value::Object(shown(call, organization, needs_counts.then(|| count(organization)))),
            false => json!(organization.draft.slug),
        })
        .collect())
}

/// CKAN's message for a list that cannot be sorted so.
pub(super) fn unsortable(key: &str) -> Failure {
    let key: String = key.chars().take(60).collect();
    Failure::field("sort", Text::new(format!("sort の「{key}」では並べ替えられません。"), format!("Cannot sort by field `{key}`")))
}

pub(super) fn show(call: &Call<'_>) -> Answer {
    let key = call.params.required("id")?;
    let organization =
        call.directory.find_organization(&key).filter(|organization| organization.state == RecordState::Active || call.viewer.admin);
    let organization = organization.ok_or_else(|| Failure::from(Error::not_found("organization", &key)))?;
    whole(call, organization)
}

fn whole(call: &Call<'_>, organization: &Organization) -> Answer {
    let params = &call.params;
    let mut result = shown(call, organization, None);
    if params.switch("include_datasets", false) {
        let filters = Filters { organizations: vec![organization.draft.slug.clone()], ..Filters::default() };
        datasets(call, &mut result, filters)?;
    } else if params.switch("include_dataset_count", true) {
        let count = call.app.dataset_counts_by_organization()?.get(&organization.id).copied().unwrap_or_default();
        result.insert("package_count".to_owned(), json!(count));
    }
    if params.switch("include_users", false) && call.viewer.has_role(organization.id, Role::Viewer) {
        let members = call.app.list_members(&call.viewer, &organization.id.to_string())?;
        let users: Vec<Value> = members
            .into_iter()
            .filter(|(member, _)| member.state == RecordState::Active)
            .map(|(member, person)| {
                let mut shown = user::shown(&person, &call.viewer);
                shown.insert("capacity".to_owned(), json!(capacity(member.role)));
                Value::Object(shown)
            })
            .collect();
        result.insert("users".to_owned(), Value::Array(users));
    }
    if params.switch("include_extras", true) {
        result.insert("extras".to_owned(), extras(&organization.draft));
    }
    Ok(Value::Object(result))
}

/// Adds the public datasets of an organization or group, newest first.
pub(super) fn datasets(call: &Call<'_>, result: &mut Map<String, Value>, filters: Filters) -> Result<(), Failure> {
    let sort = Sort { key: SortKey::Modified, descending: true };
    let found = call.app.search(&Viewer::public(), SearchRequest { filters, limit: LIMIT_MAX, sort, ..SearchRequest::default() })?;
    result.insert("package_count".to_owned(), json!(found.results.total));
    let packages: Vec<Value> = found.datasets.iter().map(|dataset| Value::Object(package(dataset, call.site()))).collect();
    result.insert("packages".to_owned(), Value::Array(packages));
    Ok(())
}

fn shown(call: &Call<'_>, organization: &Organization, package_count: Option<i64>) -> Map<String, Value> {
    let draft = &organization.draft;
    let image = draft.image_url.as_deref().unwrap_or_default();
    let value = json!({
        "approval_status": "approved",
        "created": naive(organization.created),
        "description": draft.description,
        "display_name": draft.name,
        "id": organization.id,
        "image_display_url": image,
        "image_url": image,
        "is_organization": true,
        "name": draft.slug,
        "num_followers": 0,
        "state": record_state(organization.state),
        "title": draft.name,
        "type": "organization",
        "groups": [],
        "tags": [],
        "users": [],
        "extras": if call.params.switch("include_extras", false) { extras(draft) } else { json!([]) },
    });
    let Value::Object(mut value) = value else { return Map::new() };
    if let Some(count) = package_count {
        value.insert("package_count".to_owned(), json!(count));
    }
    value
}

/// What a CKAN organization has no field for.
fn extras(draft: &OrganizationDraft) -> Value {
    let kind = match draft.kind {
        OrganizationKind::Prefecture => "prefecture",
        OrganizationKind::Municipality => "municipality",
        OrganizationKind::Other => "other",
    };
    let fields = [
        ("code", draft.code.as_deref()),
        ("kind", Some(kind)),
        ("homepage", draft.homepage.as_deref()),
        ("email", draft.email.as_deref()),
        ("name_en", draft.name_en.as_deref()),
    ];
    fields.iter().filter_map(|(key, value)| value.map(|value| json!({"key": key, "value": value}))).collect()
}

pub(super) fn create(call: &Call<'_>) -> Answer {
    call.signed_in("organization_create")?;
    let draft = draft(&call.params.0)?;
    let done = call.app.create::<Organization>(&call.context(), call.params.text("id")?, draft).map_err(of)?;
    refreshed(call, &done.value)
}

pub(super) fn update(call: &Call<'_>) -> Answer {
    call.signed_in("organization_update")?;
    let key = match call.params.text("id")? {
        Some(id) => id,
        None => call.params.required("name")?,
    };
    let before: Organization = call.app.get(&call.viewer, &key)?;
    let mut fields = call.params.0.clone();
    fields.entry("name").or_insert_with(|| json!(before.draft.slug));
    let done = call.app.replace::<Organization>(&call.context(), &before.id.to_string(), draft(&fields)?).map_err(of)?;
    refreshed(call, &restored(call, done.value)?)
}

pub(super) fn patch(call: &Call<'_>) -> Answer {
    call.signed_in("organization_patch")?;
    let before: Organization = call.app.get(&call.viewer, &call.params.required("id")?)?;
    let mut fields = shown(call, &before, None);
    fields.insert("extras".to_owned(), extras(&before.draft));
    fields.extend(call.params.0.clone());
    let done = call.app.replace::<Organization>(&call.context(), &before.id.to_string(), draft(&fields)?).map_err(of)?;
    refreshed(call, &restored(call, done.value)?)
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    call.signed_in("organization_delete")?;
    call.app.archive::<Organization>(&call.context(), &call.params.required("id")?).map_err(of)?;
    Ok(Value::Null)
}

fn of(error: Error) -> Failure {
    Failure::of(error, Fields::Organization)
}

/// `state: active` brings a put-away organization back.
fn restored(call: &Call<'_>, organization: Organization) -> Result<Organization, Failure> {
    let wanted = call.params.0.get("state").and_then(Value::as_str);
    match (organization.state, wanted) {
        (RecordState::Archived, Some("active")) => {
            Ok(call.app.restore::<Organization>(&call.context(), &organization.id.to_string())?.value)
        }
        _ => Ok(organization),
    }
}

fn refreshed(call: &Call<'_>, organization: &Organization) -> Answer {
    whole(call, organization)
}

fn draft(fields: &Map<String, Value>) -> Result<OrganizationDraft, Failure> {
    let get = |key: &str| text(fields, key).map_err(|text| Failure::field(key, text));
    let slug = get("name")?.ok_or_else(|| Failure::missing("name"))?;
    let mut extras = BTreeMap::new();
    for extra in fields.get("extras").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
        let deleted = extra.get("deleted").and_then(boolean).unwrap_or(false);
        if let (Some(key), Some(value), false) = (extra.get("key").and_then(plain), extra.get("value").and_then(plain), deleted) {
            extras.insert(key, value);
        }
    }
    let mut extra = |key: &str| Ok::<_, Failure>(get(key)?.or_else(|| extras.remove(key)));
    let kind = match extra("kind")?.as_deref() {
        Some("prefecture") => OrganizationKind::Prefecture,
        Some("municipality") | None => OrganizationKind::Municipality,
        Some("other") => OrganizationKind::Other,
        Some(_) => {
            let text = Text::new(
                "kind は prefecture、municipality、other のいずれかにしてください。",
                "kind must be prefecture, municipality or other",
            );
            return Err(Failure::field("kind", text));
        }
    };
    Ok(OrganizationDraft {
        name: get("title")?.unwrap_or_else(|| slug.clone()),
        slug,
        description: prose(fields, "description").map_err(|text| Failure::field("description", text))?,
        image_url: get("image_url")?,
        code: extra("code")?,
        homepage: extra("homepage")?,
        email: extra("email")?,
        name_en: extra("name_en")?,
        kind,
    })
}

pub(super) fn list_for_user(call: &Call<'_>) -> Answer {
    let viewer = match call.params.text("id")? {
        Some(id) => {
            let person = user::find(call, &id)?;
            if person.draft.name == call.viewer.name {
                call.viewer.clone()
            } else {
                user::require_admin(call).and_then(|()| Ok(call.app.viewer_of_user(&person.draft.name)?))?
            }
        }
        None => call.viewer.clone(),
    };
    let least = match call.params.text("permission")?.as_deref() {
        None | Some("read" | "manage_group") => Role::Viewer,
        Some("create_dataset" | "update_dataset") => Role::Editor,
        Some("delete_dataset") => Role::Publisher,
        Some(_) => Role::Administrator,
    };
    let counts = match call.params.switch("include_dataset_count", false) {
        true => Some(call.app.dataset_counts_by_organization()?),
        false => None,
    };
    let mut found = Vec::new();
    for organization in call.directory.organizations() {
        if viewer.is_public() || !viewer.has_role(organization.id, least) {
            continue;
        }
        let count = counts.as_ref().map(|counts| counts.get(&organization.id).copied().unwrap_or_default());
        let mut shown = shown(call, organization, count);
        let role = viewer.roles.get(&organization.id).copied().filter(|_| !viewer.admin).unwrap_or(Role::Administrator);
        shown.insert("capacity".to_owned(), json!(capacity(role)));
        found.push(Value::Object(shown));
    }
    Ok(Value::Array(found))
}

pub(super) fn autocomplete(call: &Call<'_>) -> Answer {
    let q = call.params.required("q")?.to_lowercase();
    let limit = call.params.natural("limit")?.unwrap_or(20).min(LIMIT_MAX);
    let organizations = call.directory.organizations();
    let found = organizations
        .iter()
        .filter(|organization| organization.draft.slug.contains(&q) || organization.draft.name.to_lowercase().contains(&q));
    Ok(found
        .take(limit)
        .map(|organization| json!({"id": organization.id, "name": organization.draft.slug, "title": organization.draft.name}))
        .collect())
}

/// A role as CKAN calls it. Publishers are editors there.
fn capacity(role: Role) -> &'static str {
    match role {
        Role::Viewer => "member",
        Role::Editor | Role::Publisher => "editor",
        Role::Administrator => "admin",
    }
}

fn capacity_title(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Member",
        Role::Editor | Role::Publisher => "Editor",
        Role::Administrator => "Admin",
    }
}

pub(super) fn list_members(call: &Call<'_>) -> Answer {
    let key = call.params.required("id")?;
    let object_type = call.params.text("object_type")?;
    let wants = |kind: &str| object_type.as_deref().is_none_or(|wanted| wanted == kind);
    let mut found: Vec<Value> = Vec::new();
    let Some(organization) = call.directory.find_organization(&key).filter(|organization| organization.state == RecordState::Active) else {
        let theme = theme::find(call, &key)?;
        if wants("package") {
            let filter = DatasetListing { theme: Some(theme.id), ..DatasetListing::default() };
            found.extend(dataset_ids(call, filter)?.into_iter().map(|id| json!([id, "package", "Public"])));
        }
        return Ok(Value::Array(found));
    };
    let least = call.params.text("capacity")?;
    let may_see_users = call.viewer.has_role(organization.id, Role::Viewer);
    if wants("user") && (may_see_users || object_type.is_some()) {
        for (member, person) in call.app.list_members(&call.viewer, &key)? {
            let wanted = least.as_deref().is_none_or(|wanted| wanted == capacity(member.role) || wanted == member.role.as_str());
            if member.state == RecordState::Active && wanted {
                found.push(json!([person.id, "user", capacity_title(member.role)]));
            }
        }
    }
    if wants("package") && least.as_deref().is_none_or(|wanted| wanted == "public") {
        let filter = DatasetListing { organization_id: Some(organization.id), ..DatasetListing::default() };
        found.extend(dataset_ids(call, filter)?.into_iter().map(|id| json!([id, "package", "Public"])));
    }
    Ok(Value::Array(found))
}

/// Ids of the public datasets of a list.
fn dataset_ids(call: &Call<'_>, filter: DatasetListing) -> Result<Vec<Uuid>, Failure> {
    let mut listing = DatasetListing { limit: 1_000, state: Some(minato_app::catalog::DatasetState::Published), ..filter };
    let mut ids = Vec::new();
    loop {
        let page = call.app.list_datasets(&Viewer::public(), listing.clone())?;
        ids.extend(page.items.iter().map(|dataset| dataset.id));
        match page.next_cursor {
            Some(cursor) => listing.after = Some(cursor),
            None => return Ok(ids),
        }
    }
}

pub(super) fn create_organization_member(call: &Call<'_>) -> Answer {
    call.signed_in("organization_member_create")?;
    let params = &call.params;
    set_member(call, &params.required("id")?, &params.required("username")?, &params.required("role")?, "role")
}

pub(super) fn delete_organization_member(call: &Call<'_>) -> Answer {
    call.signed_in("organization_member_delete")?;
    let user = match call.params.text("username")? {
        Some(user) => user,
        None => call.params.text("user_id")?.ok_or_else(|| Failure::missing("username"))?,
    };
    call.app.remove_member(&call.context(), &call.params.required("id")?, &user)?;
    Ok(Value::Null)
}

pub(super) fn create_member(call: &Call<'_>) -> Answer {
    call.signed_in("member_create")?;
    let params = &call.params;
    let (id, object, object_type) = (params.required("id")?, params.required("object")?, params.required("object_type")?);
    match object_type.as_str() {
        "user" => set_member(call, &id, &object, &params.required("capacity")?, "capacity"),
        "package" => {
            let theme = theme::find(call, &id)?;
            let dataset = theme::tag_dataset(call, &theme, &object, true)?;
            Ok(
                json!({"id": format!("{}:{}", theme.id, dataset), "group_id": theme.id, "table_id": dataset, "table_name": "package", "capacity": "public", "state": "active"}),
            )
        }
        _ => Err(unknown_type()),
    }
}

pub(super) fn delete_member(call: &Call<'_>) -> Answer {
    call.signed_in("member_delete")?;
    let params = &call.params;
    let (id, object) = (params.required("id")?, params.required("object")?);
    match params.required("object_type")?.as_str() {
        "user" => {
            call.app.remove_member(&call.context(), &id, &object)?;
        }
        "package" => {
            theme::tag_dataset(call, &theme::find(call, &id)?, &object, false)?;
        }
        _ => return Err(unknown_type()),
    }
    Ok(Value::Null)
}

fn unknown_type() -> Failure {
    Failure::field("object_type", Text::new("object_type は user か package にしてください。", "object_type must be user or package"))
}

fn set_member(call: &Call<'_>, organization: &str, user: &str, role: &str, field: &str) -> Answer {
    let Some(role) = Role::parse(role) else {
        let text = Text::new(format!("{field} は member、editor、publisher、admin のいずれかにしてください。"), "role does not exist.");
        return Err(Failure::field(field, text));
    };
    let member = call.app.set_member(&call.context(), organization, user, role)?.value;
    Ok(json!({
        "id": member.id,
        "group_id": member.organization_id,
        "table_id": member.user_id,
        "table_name": "user",
        "capacity": capacity(member.role),
        "state": record_state(member.state),
    }))
}
