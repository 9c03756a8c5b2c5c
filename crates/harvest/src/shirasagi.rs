//! SHIRASAGI, a content management system: `api/package_*` with the envelope of CKAN and words of its own.
//!
//! What its source (`app/models/opendata/api`) says and its pages do not: `package_search` without `q` looks for a colon, so an empty `q`
//! must be sent; it has no order, while `package_list` gives the UUIDs of all datasets by age; one file without a licence breaks
//! `package_search` for all datasets of the page; files that are not public are listed, too; the address of a linked file is in
//! `originai_url`. Numbers as ids differ between a site and its copy, UUIDs do not.

use std::collections::BTreeMap;

use minato_catalog::{HarvestSourceDraft, Vocabulary};
use serde_json::{Value, json};
use url::Url;

use crate::ckan::{Dialect, Refusal, Site, is_uuid};
use crate::client::Client;
use crate::json::{Fields, array, object, or, text};
use crate::listing::{End, Run, Stop};

const SHIRASAGI: Dialect = Dialect {
    software: "SHIRASAGI",
    paths: &["api/", "api/1/", ""],
    search: &[("q", "")],
    filters: false,
    naive_is_utc: false,
    lists_whole: false,
    shows_by_path: false,
    keeps_extensions: false,
    listed_id: |entry| is_uuid(entry).then(|| entry.to_owned()),
    in_ckan_words,
    page: |base, id, package| or(text(package, "url"), || format!("{base}api/package_show?id={id}")),
};

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let site = Site::new(&SHIRASAGI, &source.url, source.remote_organization.as_deref(), client)?;
    for path in site.paths() {
        match site.names(path).await {
            Ok(names) => return read_listed(&site, path, names, vocabulary, run).await,
            Err(error) if error.is_elsewhere() => {}
            Err(error) => return Err(error.at("package_list").into()),
        }
    }
    site.read(vocabulary, run).await
}

/// Reads what `package_list` names: by the search, which takes a request for a hundred, then one by one what that did not bring.
async fn read_listed(site: &Site<'_>, path: &str, names: Vec<String>, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    // A search that finds another number searches for something.
    if matches!(site.search_page(path, None, 0, 1).await, Ok((Some(count), _)) if count == names.len() as u64)
        && let Err(Refusal::Stop(Stop::Closed)) = site.pages(path, None, true, vocabulary, run).await
    {
        return Err(Stop::Closed);
    }
    site.show_all(path, &names, vocabulary, run).await?;
    Ok(End { reported: Some(names.len() as u64), doubt: None })
}

fn in_ckan_words(package: &Fields, _base: &Url) -> Option<Fields> {
    let named =
        |key: &str| array(package, key).iter().filter_map(Value::as_object).map(|it| text(it, "name")).filter(|name| !name.is_empty());
    let groups: Vec<Value> = named("categories").chain(named("estat_categories")).map(|name| json!({"title": name})).collect();
    let organizations: Vec<Value> = array(package, "groups")
        .iter()
        .filter_map(Value::as_object)
        .map(|group| json!({"id": text(group, "id"), "name": text(group, "name"), "title": or(text(group, "trailing_name"), || text(group, "name"))}))
        .collect();
    let state = match text(package, "state").as_str() {
        "public" | "" => "active",
        _ => "draft",
    };
    let title = package.get("name").cloned().unwrap_or_default();
    let mut translated = json!({
        "id": or(text(package, "uuid"), || text(package, "id")),
        "title": title,
        "notes": text(package, "text"),
        "url": text(package, "url"),
        "author": text(package, "author"),
        "state": state,
        "metadata_created": or(text(package, "released"), || text(package, "created")),
        "metadata_modified": text(package, "updated"),
        "frequency": text(package, "update_plan"),
        "tags": array(package, "tags"),
        "groups": groups,
        "organization": organizations.first(),
        "organizations": organizations,
        "spatial_labels": named("areas").collect::<Vec<_>>(),
    });
    let resources = match package.get("resources") {
        Some(Value::Array(resources)) => {
            let licences = licences(resources);
            let translated = |resource: &Value| match resource.as_object() {
                Some(resource) => is_open(resource).then(|| resource_in_ckan_words(resource, &licences)),
                None => Some(resource.clone()),
            };
            resources.iter().filter_map(translated).collect()
        }
        Some(other) => other.clone(),
        None => json!([]),
    };
    translated["resources"] = resources;
    translated.as_object().cloned()
}

fn is_open(resource: &Fields) -> bool {
    matches!(text(resource, "state").as_str(), "public" | "")
}

/// Titles of licences by their numbers: linked files give the number alone, which means nothing outside the site.
fn licences(resources: &[Value]) -> BTreeMap<String, String> {
    let licences = resources.iter().filter_map(|resource| object(resource.as_object()?, "license"));
    licences.map(|licence| (text(licence, "id"), text(licence, "name"))).collect()
}

fn resource_in_ckan_words(resource: &Fields, licences: &BTreeMap<String, String>) -> Value {
    let licence = object(resource, "license");
    let title = licence.map(|licence| text(licence, "name")).or_else(|| licences.get(&text(resource, "license_id")).cloned());
    let download = text(resource, "download_url");
    let linked = || or(text(resource, "originai_url"), || text(resource, "original_url"));
    // The page for downloads keeps its address when the file is replaced; of a linked file it only leads to the link.
    let url = if download.ends_with("/source-url") || download.is_empty() { or(text(resource, "url"), linked) } else { download };
    json!({
        "id": or(text(resource, "uuid"), || text(resource, "id")),
        "name": or(text(resource, "name"), || text(resource, "filename")),
        "description": or(text(resource, "text"), || text(resource, "description")),
        "format": text(resource, "format"),
        "url": url,
        "license": title.unwrap_or_default(),
        "license_id": licence.map(|licence| text(licence, "uid")).unwrap_or_default(),
        "created": text(resource, "created"),
        "last_modified": or(text(resource, "updated"), || text(resource, "last_modified")),
    })
}
