//! The joint portals of DataEye: a part of CKAN's action API, with numbers as ids and a licence for each file.
//!
//! `package_search` takes rows and start and no sort; it is below `ckan_api/` or `api/`, by release. Records, files and organizations have
//! numbers as ids, times are Japan's, sizes are texts.

use minato_catalog::{HarvestSourceDraft, Vocabulary};
use serde_json::{Value, json};
use url::Url;

use crate::ckan::{Dialect, Site};
use crate::client::Client;
use crate::json::{Fields, listed, or, text};
use crate::listing::{End, Run, Stop};

const DATAEYE: Dialect = Dialect {
    software: "DataEye",
    paths: &["ckan_api/", "api/", "api/3/action/"],
    search: &[],
    filters: false,
    naive_is_utc: false,
    lists_whole: false,
    shows_by_path: true,
    keeps_extensions: false,
    listed_id: |entry| entry.bytes().all(|byte| byte.is_ascii_digit()).then(|| entry.to_owned()),
    in_ckan_words,
    page: |base, id, _| format!("{base}datasets/{id}"),
};

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    Site::new(&DATAEYE, &source.url, source.remote_organization.as_deref(), client)?.read(vocabulary, run).await
}

fn in_ckan_words(package: &Fields, base: &Url) -> Option<Fields> {
    let mut translated = package.clone();
    // A name that is a number or the title again is no name.
    let name = text(package, "name");
    if package.contains_key("title") && (name.bytes().all(|byte| byte.is_ascii_digit()) || name == text(package, "title")) {
        translated.remove("name");
    }
    if let Some(resources) = package.get("resources").and_then(listed) {
        let resources = resources.into_iter().map(|resource| match resource.as_object() {
            Some(resource) => Value::Object(resource_in_ckan_words(resource, base)),
            None => resource.clone(),
        });
        translated.insert("resources".to_owned(), resources.collect());
    }
    Some(translated)
}

fn resource_in_ckan_words(resource: &Fields, base: &Url) -> Fields {
    let mut translated = resource.clone();
    let id = text(resource, "id");
    translated.insert("name".to_owned(), json!(or(text(resource, "name"), || text(resource, "title"))));
    if text(resource, "url").is_empty() && !id.is_empty() {
        translated.insert("url".to_owned(), json!(format!("{base}resource_download/{id}")));
    }
    // The title says which version of a licence is meant; `cc-by` alone does not.
    let title = or(text(resource, "license_title"), || text(resource, "license"));
    if !title.is_empty() {
        translated.insert("license".to_owned(), json!(title));
    }
    translated
}
