//! `license_list`.

use minato_app::catalog::RecordState;
use serde_json::{Value, json};

use super::{Answer, Call};

pub(super) fn list(call: &Call<'_>) -> Answer {
    let active = call.directory.licences.values().filter(|licence| licence.state == RecordState::Active);
    let shown = active.map(|licence| {
        let draft = &licence.draft;
        let conformance = match draft.open {
            Some(true) => "approved",
            Some(false) => "rejected",
            None => "not reviewed",
        };
        let is_software = false;
        json!({
            "id": draft.ckan_id.as_deref().unwrap_or(&licence.id),
            "title": draft.title,
            "url": draft.url.as_deref().unwrap_or_default(),
            "status": "active",
            "family": "",
            "maintainer": "",
            "is_okd_compliant": draft.open.unwrap_or(false),
            "is_osi_compliant": is_software,
            "domain_content": true,
            "domain_data": true,
            "domain_software": is_software,
            "is_generic": draft.url.is_none(),
            "od_conformance": conformance,
            "osd_conformance": "not reviewed",
            "spdx_id": licence.id,
        })
    });
    Ok(shown.collect::<Vec<Value>>().into())
}
