//! Directories of ArcGIS Server: `…/rest/services`, its folders, and one dataset for each map, feature or image service.
//!
//! Faults come with status 200 and an `error` member. The directory gives names only, so each service is asked for what it is.

use std::collections::HashSet;
use std::f64::consts::PI;

use minato_catalog::{DistributionDraft, HarvestSourceDraft, RecordFailure, Text, Vocabulary};
use serde_json::Value;
use url::Url;

use crate::Error;
use crate::client::Client;
use crate::convert::{Record, usable_url};
use crate::json::{self, Fields, JsonError, array, object, or, some, text};
use crate::listing::{Converted, End, Run, Stop};
use crate::plain_text::plain_text;

const SOFTWARE: &str = "ArcGIS Server";
/// Services that cannot be read one after the other before a server is left alone.
const REFUSALS_MAX: usize = 20;

/// Titles that the software gives to maps without one.
const DEFAULT_TITLES: [&str; 4] = ["Layers", "Map", "レイヤー", "マップ"];

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let (root, folder) = directory(&source.url)?;
    let server = Server { root, client };
    let start = server.get(&folder).await.map_err(|error| error.at("rest/services"))?;
    let mut services = names_of_services(&start);
    let mut doubt = None;
    for folder in array(&start, "folders").iter().map(json::plain).filter(|folder| !folder.is_empty()) {
        match server.get(&folder).await {
            Ok(inner) => services.extend(names_of_services(&inner)),
            Err(error) => doubt = doubt.or(Some(error.at(&format!("rest/services/{folder}")))),
        }
    }
    if !start.contains_key("services") && !start.contains_key("folders") {
        return Err(Text::new(
            "応答に services も folders もありません。ArcGIS Server の rest/services の URL か確認してください。",
            "the answer has neither services nor folders; check that the URL is rest/services of an ArcGIS Server",
        )
        .into());
    }
    let mut seen = HashSet::new();
    services.retain(|service| seen.insert(service.clone()));
    let mut refusals = 0;
    for service in services {
        match server.get(&service).await {
            Ok(fields) => {
                refusals = 0;
                run.take(server.convert(&service, &fields, vocabulary)).await?;
            }
            Err(error) => {
                refusals += 1;
                let cause = error.at(&service);
                if refusals >= REFUSALS_MAX {
                    return Err(Stop::Broken(cause));
                }
                run.send(Err(RecordFailure { remote_id: Some(service.clone()), position: service, cause, raw: None })).await?;
            }
        }
    }
    Ok(End { reported: None, doubt })
}

/// The directory an address leads to or into, and the folder it names.
fn directory(address: &str) -> Result<(Url, String), Error> {
    let invalid = || Error::InvalidUrl { url: address.chars().take(500).collect() };
    let mut url = Url::parse(address.trim()).map_err(|_| invalid())?;
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    let end = path.to_lowercase().find("/rest/services").ok_or_else(invalid)? + "/rest/services".len();
    let folder = path[end..].trim_matches('/').to_owned();
    url.set_path(&format!("{}/", &path[..end]));
    Ok((url, folder))
}

/// `Folder/Name/MapServer` of each service that holds data.
fn names_of_services(directory: &Fields) -> Vec<String> {
    let services = array(directory, "services").iter().filter_map(Value::as_object);
    services
        .map(|service| (text(service, "name"), text(service, "type")))
        .filter(|(name, kind)| !name.is_empty() && matches!(kind.as_str(), "MapServer" | "FeatureServer" | "ImageServer"))
        .map(|(name, kind)| format!("{name}/{kind}"))
        .collect()
}

struct Server<'a> {
    root: Url,
    client: &'a Client,
}

impl Server<'_> {
    fn address(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty()));
        }
        url
    }

    async fn get(&self, path: &str) -> Result<Fields, JsonError> {
        let mut url = self.address(path);
        url.query_pairs_mut().append_pair("f", "pjson");
        let answer = json::get(self.client, url.as_str(), SOFTWARE).await?;
        let Value::Object(fields) = answer else {
            return Err(JsonError::Answer(Text::new("応答が JSON オブジェクトではありません。", "the answer is not a JSON object")));
        };
        match object(&fields, "error") {
            Some(error) => {
                let message = format!("{} {}", text(error, "code"), text(error, "message"));
                Err(JsonError::Answer(Text::new(
                    format!("{SOFTWARE} がエラーを返しました（{message}）。公開設定を確認してください。"),
                    format!("{SOFTWARE} answered with an error ({message}); check that it is public"),
                )))
            }
            None => Ok(fields),
        }
    }

    fn convert(&self, service: &str, fields: &Fields, vocabulary: &Vocabulary) -> Converted {
        let mut record = Record::new(vocabulary);
        let information = object(fields, "documentInfo").cloned().unwrap_or_default();
        let given = |title: String| Some(plain_text(&title)).filter(|title| !title.is_empty() && !DEFAULT_TITLES.contains(&title.as_str()));
        let name = service.rsplit('/').nth(1).unwrap_or(service).replace('_', " ");
        record.draft.title = given(text(&information, "Title"))
            .or_else(|| given(text(fields, "mapName")))
            .or_else(|| given(text(fields, "name")))
            .unwrap_or(name);
        let descriptions = [text(fields, "serviceDescription"), text(fields, "description"), text(&information, "Comments")];
        record.draft.description = descriptions.iter().map(|text| plain_text(text)).find(|text| !text.is_empty()).unwrap_or_default();
        for word in text(&information, "Keywords").split([',', ';', '、']) {
            record.keyword(word);
        }
        if let Some(category) = some(text(&information, "Category")) {
            record.theme(&[&category]);
        }
        record.draft.creator = some(text(&information, "Author"));
        record.extra("copyrightText", &plain_text(&text(fields, "copyrightText")));
        let extent = ["fullExtent", "extent", "initialExtent"].iter().find_map(|key| object(fields, key)).and_then(degrees);
        if let Some(bounds) = extent {
            record.spatial(&Value::from(bounds.to_vec()).to_string(), &[]);
        }
        let address = self.address(service).to_string();
        let form = |key: &str, title: String, address: &str| DistributionDraft {
            title,
            identifier: Some(key.to_owned()),
            format: Some("API".to_owned()),
            access_url: usable_url(address, None),
            ..DistributionDraft::default()
        };
        let kind = service.rsplit('/').next().unwrap_or_default();
        let mut distributions = vec![form("service", kind.to_owned(), &address)];
        for layer in array(fields, "layers").iter().chain(array(fields, "tables")).filter_map(Value::as_object) {
            let id = text(layer, "id");
            let is_group = layer.get("subLayerIds").is_some_and(Value::is_array);
            if !id.is_empty() && !is_group {
                distributions.push(form(&id, or(text(layer, "name"), || id.clone()), &format!("{address}/{id}")));
            }
        }
        distributions.truncate(minato_catalog::DISTRIBUTIONS_MAX);
        record.draft.distributions = Some(distributions);
        record.draft.landing_page = usable_url(&address, None);
        let raw = Value::Object(fields.clone()).to_string();
        Converted::Record(Box::new(record.finish(service.to_owned(), usable_url(&address, None), service, raw)))
    }
}

/// An extent as west, south, east, north in degrees, where its coordinate system is one that can be told: degrees or the web's Mercator.
fn degrees(extent: &Fields) -> Option<[f64; 4]> {
    let number = |key: &str| {
        extent.get(key).and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())).filter(|n: &f64| n.is_finite())
    };
    let bounds = [number("xmin")?, number("ymin")?, number("xmax")?, number("ymax")?];
    let system = object(extent, "spatialReference")?;
    let codes = [text(system, "latestWkid"), text(system, "wkid")];
    let has = |known: &[&str]| codes.iter().any(|code| known.contains(&code.as_str()));
    if has(&["4326", "6668", "4612"]) {
        return Some(bounds);
    }
    has(&["3857", "102100", "102113"]).then(|| {
        const HALF: f64 = 20_037_508.342_789_244;
        let longitude = |x: f64| x / HALF * 180.0;
        let latitude = |y: f64| (2.0 * (y / HALF * PI).exp().atan() - PI / 2.0).to_degrees();
        // Rounded, so that the last digits of the platform's arithmetic change nothing.
        let rounded = |degrees: f64| (degrees * 1e6).round() / 1e6;
        [rounded(longitude(bounds[0])), rounded(latitude(bounds[1])), rounded(longitude(bounds[2])), rounded(latitude(bounds[3]))]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_may_lead_into_the_directory() {
        for (address, root, folder) in [
            ("https://gis.example.jp/arcgis/rest/services", "https://gis.example.jp/arcgis/rest/services/", ""),
            ("https://gis.example.jp/arcgis/rest/services?f=pjson", "https://gis.example.jp/arcgis/rest/services/", ""),
            ("https://gis.example.jp/arcgis/rest/services/Sabo/", "https://gis.example.jp/arcgis/rest/services/", "Sabo"),
        ] {
            let (found, inner) = directory(address).unwrap();
            assert_eq!((found.as_str(), inner.as_str()), (root, folder), "{address}");
        }
    }

    #[test]
    fn extents_become_degrees_where_they_can() {
        let extent = |wkid: i64| {
            let extent = json!({"xmin": 14_695_000.0, "ymin": 4_053_000.0, "xmax": "14862000.0", "ymax": 4_190_000.0, "spatialReference": {"wkid": 102_100, "latestWkid": wkid}});
            degrees(extent.as_object().unwrap())
        };
        let [west, south, east, north] = extent(3857).unwrap();
        assert!(
            (131.9..132.1).contains(&west)
                && (34.1..34.3).contains(&south)
                && (133.4..133.6).contains(&east)
                && (35.1..35.3).contains(&north)
        );
        let flat = json!({"xmin": 1.0, "ymin": 2.0, "xmax": 3.0, "ymax": 4.0, "spatialReference": {"wkid": 2445}});
        assert_eq!(degrees(flat.as_object().unwrap()), None);
        let nan = json!({"xmin": "NaN", "ymin": 2.0, "xmax": 3.0, "ymax": 4.0, "spatialReference": {"wkid": 4326}});
        assert_eq!(degrees(nan.as_object().unwrap()), None);
    }
}
