//! About the site itself.

use minato_app::catalog::Text;
use serde_json::{Value, json};

use super::failure::Failure;
use super::{Answer, Call, find_action};

/// The version of CKAN whose API is spoken here; clients choose their ways by it.
const CKAN_VERSION: &str = "2.11.3";

pub(super) fn status(call: &Call<'_>) -> Answer {
    Ok(json!({
        "ckan_version": CKAN_VERSION,
        "site_url": call.base_url,
        "site_title": call.settings.title,
        "site_description": call.settings.title_en,
        "error_emails_to": null,
        "locale_default": "ja",
        "extensions": [],
        "minato_version": env!("CARGO_PKG_VERSION"),
    }))
}

pub(super) fn read(_: &Call<'_>) -> Answer {
    Ok(Value::Bool(true))
}

pub(super) fn help(call: &Call<'_>) -> Answer {
    let name = call.params.required("name")?;
    match find_action(&name) {
        Some(action) => Ok(json!(action.help)),
        None => {
            let name: String = name.chars().take(100).collect();
            Err(Failure::NotFound(Text::new(
                format!("アクション「{name}」はありません。名前の綴りを確認してください。"),
                format!("there is no action `{name}`; check its spelling"),
            )))
        }
    }
}

/// What this catalog has none of.
pub(super) fn empty_list(_: &Call<'_>) -> Answer {
    Ok(json!([]))
}
