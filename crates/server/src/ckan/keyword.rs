//! `tag_…`: the keywords in use.

use minato_app::Error;
use minato_app::searching::{Filters, LIMIT_MAX};
use serde_json::{Value, json};

use super::failure::Failure;
use super::package::tag;
use super::{Answer, Call, organization};

pub(super) fn list(call: &Call<'_>) -> Answer {
    let found = find(call, false)?;
    let page = found.into_iter().skip(call.params.natural("offset")?.unwrap_or_default());
    let limit = call.params.natural("limit")?.unwrap_or(usize::MAX);
    let all_fields = call.params.switch("all_fields", false);
    Ok(page.take(limit).map(|word| if all_fields { tag(&word) } else { Value::String(word) }).collect())
}

pub(super) fn show(call: &Call<'_>) -> Answer {
    let word = call.params.required("id")?;
    let is_used = call.app.dataset_counts_by_keyword()?.iter().any(|(other, _)| *other == word);
    if !is_used {
        return Err(Error::not_found("keyword", word).into());
    }
    let mut shown = match tag(&word) {
        Value::Object(shown) => shown,
        _ => return Err(Failure::Internal),
    };
    if call.params.switch("include_datasets", false) {
        organization::datasets(call, &mut shown, Filters { keywords: vec![word], ..Filters::default() })?;
        shown.remove("package_count");
    }
    Ok(Value::Object(shown))
}

pub(super) fn search(call: &Call<'_>) -> Answer {
    let found = find(call, true)?;
    let offset = call.params.natural("offset")?.unwrap_or_default();
    let limit = call.params.natural("limit")?.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let results: Vec<Value> =
        found.iter().skip(offset).take(limit).map(|word| json!({"id": word, "name": word, "vocabulary_id": null})).collect();
    Ok(json!({"count": found.len(), "results": results}))
}

pub(super) fn autocomplete(call: &Call<'_>) -> Answer {
    let limit = call.params.natural("limit")?.unwrap_or(10).min(LIMIT_MAX);
    let offset = call.params.natural("offset")?.unwrap_or_default();
    Ok(find(call, true)?.into_iter().skip(offset).take(limit).map(Value::String).collect())
}

/// Words in use that contain every text asked for, in their order. Without a text: all, or none where CKAN needs one.
fn find(call: &Call<'_>, needs_text: bool) -> Result<Vec<String>, Failure> {
    let texts: Vec<String> = call.params.list("query").iter().chain(&call.params.list("q")).map(|text| text.to_lowercase()).collect();
    // There are no vocabularies of tags here.
    let has_vocabulary = call.params.text("vocabulary_id")?.is_some();
    if has_vocabulary || (needs_text && texts.is_empty()) {
        return Ok(Vec::new());
    }
    let words = call.app.dataset_counts_by_keyword()?.into_iter().map(|(word, _)| word);
    Ok(words.filter(|word| texts.iter().all(|text| word.to_lowercase().contains(text))).collect())
}
