//! Dublin Core records, as CSW and OAI-PMH carry them.

use std::collections::BTreeMap;

use minato_catalog::{DistributionDraft, Spatial, jst_day};
use minato_dcat::{bounding_box, language_code};

use crate::convert::{Record, usable_url};
use crate::period::interval;
use crate::plain_text::plain_text;
use crate::xml::Element;

/// Formats whose addresses lead to files; others lead to pages.
const PAGES: &[&str] = &["HTML", "API", "WEB", "LINK", "URL"];

/// Fills a record from elements of Dublin Core, whatever their prefixes. `own_id` is the record's id, which is no news about it.
pub(crate) fn fill(record: &mut Record<'_>, fields: &Element, own_id: &str) {
    let texts = |names: &[&str]| -> Vec<String> {
        fields
            .children
            .iter()
            .filter(|child| names.contains(&child.name.as_str()))
            .map(Element::full_text)
            .filter(|text| !text.is_empty())
            .collect()
    };
    titles(record, fields);
    let descriptions: Vec<String> = texts(&["abstract", "description"]).iter().map(|text| plain_text(text)).collect();
    record.draft.description = unique(descriptions).join("\n\n");
    for subject in texts(&["subject"]) {
        subject_of(record, &subject);
    }
    rights(record, &texts(&["license", "rights", "accessRights"]));
    record.draft.creator = joined(texts(&["creator"]));
    record.extra("publisher_name", &texts(&["publisher"]).join("、"));
    record.extra("contributor", &unique(texts(&["contributor"])).join("、"));
    record.extra("type", &unique(texts(&["type"])).join(", "));
    dates(record, fields);
    coverage(record, fields, &texts(&["coverage", "spatial", "temporal"]));
    for word in texts(&["language"]) {
        match language_code(&word) {
            Some(code) if !record.draft.language.contains(&code) => record.draft.language.push(code),
            Some(_) => {}
            None => record.extra("language", &word),
        }
    }
    for relation in ["source", "relation", "isPartOf"] {
        record.extra(relation, &unique(texts(&[relation])).join(" "));
    }
    addresses(record, fields, own_id);
    formats(record, &texts(&["format"]));
}

fn titles(record: &mut Record<'_>, fields: &Element) {
    let titles: Vec<(&Element, String)> = fields
        .children
        .iter()
        .filter(|child| matches!(child.name.as_str(), "title" | "alternative"))
        .map(|title| (title, title.full_text()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let is_english = |title: &Element, text: &str| title.attribute("lang").map_or(text.is_ascii(), |lang| lang.starts_with("en"));
    let chosen = titles
        .iter()
        .position(|(title, _)| title.attribute("lang").is_some_and(|lang| lang.starts_with("ja")))
        .or_else(|| titles.iter().position(|(title, _)| title.name == "title"))
        .unwrap_or(0);
    for (index, (title, text)) in titles.iter().enumerate() {
        let text = plain_text(text);
        if index == chosen {
            record.draft.title = text;
        } else if record.draft.title_en.is_none() && is_english(title, &text) {
            record.draft.title_en = Some(text);
        } else {
            record.extra("alternative", &text);
        }
    }
}

/// A theme where it is the name of one, else keywords.
pub(crate) fn subject_of(record: &mut Record<'_>, subject: &str) {
    if record.vocabulary.find_theme(subject).is_some() {
        record.theme(&[subject]);
        return;
    }
    for word in subject.split(['、', '；', ';']) {
        record.keyword(&plain_text(word));
    }
}

/// What may be done with it. Statements about access alone are no licence.
pub(crate) fn rights(record: &mut Record<'_>, statements: &[String]) {
    let (access, licences): (Vec<&String>, Vec<&String>) =
        statements.iter().partition(|text| text.contains("info:eu-repo/semantics/") || text.contains("purl.org/coar/access_right"));
    record.extra("access_rights", &access.into_iter().cloned().collect::<Vec<_>>().join(" "));
    let mut spellings: Vec<&str> = licences.iter().map(|text| text.as_str()).collect();
    // "Licensed under https://…": the address within is the surer word.
    spellings.extend(
        licences
            .iter()
            .flat_map(|text| text.split_whitespace())
            .filter(|word| word.contains("://"))
            .map(|word| word.trim_matches(['(', ')', '<', '>', '.', '。', ','])),
    );
    let (id, words) = record.licence(&spellings);
    record.draft.licence = id;
    record.draft.licence_text = words.map(|_| licences.iter().map(|text| plain_text(text)).collect::<Vec<_>>().join("\n"));
}

fn dates(record: &mut Record<'_>, fields: &Element) {
    let mut undated: Vec<String> = Vec::new();
    for date in &fields.children {
        let text = date.full_text();
        match date.name.as_str() {
            "issued" | "available" | "created" => {
                let day = record.moment("issued", &text).map(jst_day);
                record.draft.issued = record.draft.issued.or(day);
            }
            "modified" => record.draft.modified = record.moment("modified", &text).or(record.draft.modified),
            "date" => undated.push(text),
            _ => {}
        }
    }
    // Which event a date speaks of is not said: of several, the first issued and the last changed.
    let mut moments: Vec<_> = undated
        .iter()
        .filter_map(|text| {
            crate::period::first_day(text)
                .map(|day| (day, minato_catalog::parse_moment(text).unwrap_or_else(|| minato_catalog::jst_midnight(day))))
        })
        .collect();
    for text in undated.iter().filter(|text| crate::period::first_day(text).is_none()) {
        record.moment("date", text);
    }
    moments.sort();
    if let (Some(first), Some(last)) = (moments.first(), moments.last()) {
        record.draft.issued = record.draft.issued.or(Some(first.0));
        if first.0 < last.0 {
            record.draft.modified = record.draft.modified.or(Some(last.1));
        }
    }
}

fn coverage(record: &mut Record<'_>, fields: &Element, texts: &[String]) {
    let mut labels: Vec<String> = Vec::new();
    let mut bbox = None;
    for text in texts {
        if let Some(found) = dcmi_box(text).or_else(|| bounding_box(text)) {
            bbox = bbox.or(Some(found));
        } else if text.starts_with(|c: char| c.is_ascii_digit()) || text.contains("start=") {
            match interval(text) {
                Some(temporal) => {
                    record.draft.temporal.get_or_insert(temporal);
                }
                None => labels.push(text.clone()),
            }
        } else if let Some(temporal) = interval(text).filter(|_| crate::period::part(text).rest.is_empty()) {
            record.draft.temporal.get_or_insert(temporal);
        } else {
            labels.push(text.clone());
        }
    }
    // OWS boxes; with a URN for the system latitude is first.
    for corners in ["BoundingBox", "WGS84BoundingBox"].iter().flat_map(|name| fields.all(name)) {
        let corner = |name: &str| -> Option<(f64, f64)> {
            let text = corners.child(name)?.own_text().to_owned();
            let mut numbers = text.split_whitespace().map(str::parse::<f64>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        };
        let (Some(low), Some(high)) = (corner("LowerCorner"), corner("UpperCorner")) else { continue };
        let system = corners.attribute("crs").unwrap_or_default();
        let latitude_first = corners.name == "BoundingBox" && (system.contains("urn:") && system.contains("4326")) || low.1.abs() > 90.0;
        let found = if latitude_first { [low.1, low.0, high.1, high.0] } else { [low.0, low.1, high.0, high.1] };
        bbox = bbox.or_else(|| on_globe(found));
    }
    let area_codes: Vec<String> = labels.iter().filter_map(|label| record.vocabulary.find_area(label)).map(str::to_owned).collect();
    let spatial = Spatial { label: joined(unique(labels)), area_codes, bbox };
    record.draft.spatial = Some(spatial).filter(|spatial| *spatial != Spatial::default());
}

/// `northlimit=35; southlimit=34; eastlimit=133; westlimit=132`.
fn dcmi_box(text: &str) -> Option<[f64; 4]> {
    let limit = |name: &str| -> Option<f64> {
        let (_, rest) = text.split_once(name)?;
        rest.trim_start().strip_prefix('=')?.split(';').next()?.trim().parse().ok()
    };
    on_globe([limit("westlimit")?, limit("southlimit")?, limit("eastlimit")?, limit("northlimit")?])
}

/// West, south, east, north, if they are.
pub(crate) fn on_globe(bbox: [f64; 4]) -> Option<[f64; 4]> {
    let [west, south, east, north] = bbox;
    let fits = bbox.iter().all(|number| number.is_finite())
        && [west, east].iter().all(|x| x.abs() <= 180.0)
        && [south, north].iter().all(|y| y.abs() <= 90.0)
        && south <= north;
    fits.then_some(bbox)
}

/// Addresses among the identifiers, and CSW's references.
fn addresses(record: &mut Record<'_>, fields: &Element, own_id: &str) {
    let mut distributions: Vec<DistributionDraft> = Vec::new();
    for field in &fields.children {
        let text = field.full_text();
        let scheme = field.attribute("scheme").or_else(|| field.attribute("protocol")).unwrap_or_default();
        match field.name.as_str() {
            "identifier" | "bibliographicCitation" => {
                let address = usable_url(&text, None).or_else(|| doi(&text));
                match address {
                    Some(address) if is_file(&address) => distributions.push(file(record, &address, "", &field_name(field))),
                    Some(address) => {
                        record.draft.landing_page.get_or_insert(address);
                    }
                    None if text == own_id || text.is_empty() => {}
                    None if record.draft.identifier.is_none() && text.chars().count() <= 500 && !text.starts_with("urn:") => {
                        record.draft.identifier = Some(text);
                    }
                    None => record.extra("identifier", &text),
                }
            }
            "references" | "URI" => {
                let mut extras = BTreeMap::new();
                let Some(address) = record.address("references", &text, None, Some(&mut extras)) else { continue };
                if is_picture(scheme)
                    || distributions.iter().any(|known| known.download_url.as_ref().or(known.access_url.as_ref()) == Some(&address))
                {
                    continue;
                }
                distributions.push(file(record, &address, scheme, &field_name(field)));
            }
            _ => {}
        }
    }
    record.draft.distributions = Some(distributions);
}

fn field_name(field: &Element) -> String {
    field.attribute("name").or_else(|| field.attribute("description")).unwrap_or_default().to_owned()
}

fn is_picture(scheme: &str) -> bool {
    scheme.contains("image/png") || scheme.contains("image/gif") || scheme.contains("image/jpeg") || scheme.contains("thumbnail")
}

/// A DOI as an address.
fn doi(text: &str) -> Option<String> {
    let bare = text.trim();
    let bare =
        bare.strip_prefix("doi:").or_else(|| bare.strip_prefix("DOI:")).or_else(|| bare.strip_prefix("info:doi/")).unwrap_or(bare).trim();
    (bare.starts_with("10.") && bare.contains('/') && !bare.contains(char::is_whitespace)).then(|| format!("https://doi.org/{bare}"))
}

/// Whether an address leads to a file: by a known extension.
pub(crate) fn is_file(address: &str) -> bool {
    minato_catalog::format_of_file_name(address).is_some_and(|format| {
        !PAGES.contains(&format.as_str())
            && (minato_catalog::media_type_of_format(&format).is_some()
                || ["SHP", "GTFS", "LAS", "CITYGML", "JTD"].contains(&format.as_str()))
    })
}

/// The format of a link by its protocol (`OGC:WMS`), else by its address.
pub(crate) fn format_of_link(record: &Record<'_>, address: &str, protocol: &str) -> Option<String> {
    let upper = protocol.to_ascii_uppercase();
    let service =
        ["WMTS", "WMS", "WFS", "WCS", "CSW", "SOS"].iter().find(|service| upper.contains(&format!("OGC:{service}")) || upper == **service);
    if let Some(service) = service {
        return Some((*service).to_owned());
    }
    if protocol.contains('/') && !protocol.contains(':') {
        return crate::convert::format(record.vocabulary, protocol);
    }
    minato_catalog::format_of_file_name(address).filter(|_| is_file(address))
}

/// A distribution behind an address, to be downloaded or looked at.
pub(crate) fn file(record: &Record<'_>, address: &str, protocol: &str, title: &str) -> DistributionDraft {
    let is_download = is_file(address) || protocol.to_ascii_uppercase().contains("DOWNLOAD");
    DistributionDraft {
        title: title.chars().take(minato_catalog::TITLE_LENGTH_MAX).collect(),
        format: format_of_link(record, address, protocol),
        access_url: (!is_download).then(|| address.to_owned()),
        download_url: is_download.then(|| address.to_owned()),
        ..DistributionDraft::default()
    }
}

/// One format belongs to the one file; which of several belongs to which file is not said.
fn formats(record: &mut Record<'_>, formats: &[String]) {
    let vocabulary = record.vocabulary;
    match (formats, record.draft.distributions.as_deref_mut()) {
        ([format], Some([distribution])) if distribution.format.is_none() => {
            distribution.format = crate::convert::format(vocabulary, format)
        }
        ([_], Some([_])) => {}
        _ => record.extra("format", &formats.join(", ")),
    }
}

/// The same without repetition, in order.
pub(crate) fn unique(texts: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if !text.trim().is_empty() && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

fn joined(texts: Vec<String>) -> Option<String> {
    Some(unique(texts).join("、")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dois_and_boxes_are_told_from_words() {
        assert_eq!(doi("doi:10.1234/abc").as_deref(), Some("https://doi.org/10.1234/abc"));
        assert_eq!(doi("10.5"), None);
        assert_eq!(dcmi_box("northlimit=35; southlimit=34; westlimit=132; eastlimit=133"), Some([132.0, 34.0, 133.0, 35.0]));
        assert_eq!(dcmi_box("広島県"), None);
        assert_eq!(on_globe([132.0, 35.0, 133.0, 34.0]), None);
    }

    #[test]
    fn files_are_told_from_pages() {
        for (address, expected) in [
            ("https://e.jp/a.csv", true),
            ("https://e.jp/a.zip?x=1", true),
            ("https://e.jp/a.html", false),
            ("https://e.jp/list.php", false),
            ("https://doi.org/10.1234/v1.2", false),
            ("https://e.jp/", false),
        ] {
            assert_eq!(is_file(address), expected, "{address}");
        }
    }
}
