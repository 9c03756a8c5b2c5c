use minato_catalog::HarvestKind::ArcgisHub;
use minato_catalog::{Withdrawal, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Stub, harvest, harvest_with, html, ok, source, status};

const ITEMS: &str = "/api/search/v1/collections/dataset/items";

fn id(n: usize) -> String {
    format!("{n:032x}")
}

fn feature(n: usize) -> Value {
    json!({
        "id": id(n), "type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[132.0, 34.0], [133.0, 34.0], [133.0, 35.0], [132.0, 35.0], [132.0, 34.0]]]},
        "properties": {"id": id(n), "title": format!("データ{n}"), "name": "trees", "type": "Feature Service", "snippet": "要約", "access": "public",
            "description": "<DIV STYLE=\"text-align:Left;\"><P><SPAN>説明 <B>太字</B> &amp; 注</SPAN></P></DIV>", "tags": ["木"], "categories": ["/Categories/行財政"],
            "license": "CC-BY-4.0", "licenseInfo": "<P>表示</P>", "culture": "ja-jp", "created": 1_648_742_400_000_i64 + n as i64, "modified": 1_711_900_800_000_i64,
            "source": "呉市", "owner": "kure_gis", "url": format!("https://services.example.jp/rest/services/Trees{n}/FeatureServer"), "size": -1, "numViews": 4213, "scoreCompleteness": 78},
        "time": null, "links": [],
    })
}

fn features(count: usize) -> Vec<Value> {
    (1..=count).map(feature).collect()
}

/// The real rules: pages of at most 100 within 10,000 records of a query, whose count stops there.
fn page(asked: &Asked, all: &[Value]) -> Answer {
    let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
    let (limit, start) = (number("limit"), number("startindex"));
    assert_eq!((limit, asked.parameter("sortBy").as_deref()), (100, Some("properties.created")));
    if start + limit > 10_001 {
        return status(500);
    }
    let since = asked.parameter("filter").map(|filter| filter.strip_prefix("created >= ").unwrap().parse::<i64>().unwrap());
    let found: Vec<&Value> =
        all.iter().filter(|it| since.is_none_or(|since| it["properties"]["created"].as_i64().unwrap() >= since)).collect();
    let features: Vec<&&Value> = found.iter().skip(start - 1).take(limit).collect();
    let mut links = vec![json!({"rel": "self", "href": "https://hub.example.jp/self"})];
    if start - 1 + features.len() < found.len().min(10_000) {
        links.push(json!({"rel": "next", "href": "https://hub.example.jp/next"}));
    }
    crate::stub::json(
        &json!({"type": "FeatureCollection", "features": features, "numberMatched": found.len().min(10_000), "numberReturned": features.len(), "links": links}),
    )
}

async fn hub(all: Vec<Value>) -> Stub {
    Stub::start(move |asked| match asked.path.as_str() {
        ITEMS => page(asked, &all),
        "/" => html(),
        _ => status(404),
    })
    .await
}

#[tokio::test]
async fn all_pages_are_read() {
    let stub = hub(features(250)).await;
    let outcome = harvest(ArcgisHub, &stub, "/search?q=a").await;
    assert_eq!((outcome.records.len(), outcome.listing), (250, Listing::Complete { total: 250 }));
    assert_eq!(stub.asked().iter().filter(|asked| asked.path == ITEMS).count(), 3);
}

#[tokio::test]
async fn beyond_the_window_it_goes_on_from_the_last_moment() {
    // Two records a moment, so that the last moment of a query has records on both sides.
    let small = |n: usize| json!({"id": id(n), "properties": {"title": n.to_string(), "type": "CSV", "created": 1_648_742_400_000_i64 + (n / 2) as i64}});
    let stub = hub((0..10_301).map(small).collect()).await;
    let mut settings = stub.settings();
    settings.pages_max = 200;
    let outcome = harvest_with(&source(ArcgisHub, &stub.url("/")), settings.clone()).await;
    assert_eq!((outcome.records.len(), outcome.listing), (10_301, Listing::Complete { total: 10_301 }));

    let stuck = |n: usize| json!({"id": id(n), "properties": {"title": n.to_string(), "type": "CSV", "created": 1_648_742_400_000_i64}});
    let stub = hub((0..10_301).map(stuck).collect()).await;
    settings.allow_addresses = stub.settings().allow_addresses;
    let outcome = harvest_with(&source(ArcgisHub, &stub.url("/")), settings).await;
    assert!(outcome.incomplete().contains("repeats"), "{:?}", outcome.listing);
    assert!(outcome.records.len() < 10_301);
}

#[tokio::test]
async fn a_query_that_ends_early_is_no_end() {
    // The search says that there are 10,000 or more, and its last page names no next one.
    let stub = Stub::start(|asked| match asked.path.as_str() {
        ITEMS => crate::stub::json(&json!({"features": features(100), "numberMatched": 10_000, "links": []})),
        _ => html(),
    })
    .await;
    assert!(harvest(ArcgisHub, &stub, "/").await.incomplete().contains("10,000"));

    let small =
        |n: usize| json!({"id": id(n), "properties": {"title": n.to_string(), "type": "CSV", "created": 1_648_742_400_000_i64 + n as i64}});
    let all: Vec<Value> = (0..10_301).map(small).collect();
    let stub = Stub::start(move |asked| match (asked.path.as_str(), asked.parameter("filter")) {
        (ITEMS, None) => page(asked, &all),
        // The second query counts 301 and gives one page.
        (ITEMS, Some(_)) => crate::stub::json(&json!({"features": all[10_000..10_100], "numberMatched": 301, "links": []})),
        _ => html(),
    })
    .await;
    let mut settings = stub.settings();
    settings.pages_max = 200;
    let outcome = harvest_with(&source(ArcgisHub, &stub.url("/")), settings).await;
    assert!(outcome.incomplete().contains("100 of 301"), "{:?}", outcome.listing);
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let mut all = features(3);
    all[1]["id"] = json!(format!("{}_8", id(2)));
    all[1]["properties"]["slug"] = json!("kure::trees");
    all[1]["properties"]["license"] = json!("custom");
    all[1]["properties"]["licenseInfo"] = json!("<p>独自の<br>規約</p>");
    all[2] = json!({"id": id(3), "geometry": null, "properties": {"title": "   ", "name": "budget.csv", "type": "CSV", "snippet": "予算", "description": null, "tags": [], "categories": [],
        "license": null, "licenseInfo": null, "access": "public", "created": "1648742400000", "modified": null, "url": null, "size": 11744, "extent": [[132.0, 34.0], [133.0, 35.0]]}});
    let stub = hub(all).await;
    let outcome = harvest(ArcgisHub, &stub, "/").await;
    let record = &outcome.records[0];
    assert_eq!((record.remote_id.clone(), record.remote_url.clone()), (id(1), Some(stub.url(&format!("/datasets/{}", id(1))))));
    let draft = &record.draft;
    assert_eq!(
        (draft.description.as_str(), draft.keywords.as_slice(), draft.themes.as_slice()),
        ("説明 太字 & 注", ["木".to_owned()].as_slice(), ["gr_1300".to_owned()].as_slice())
    );
    assert_eq!((draft.licence.as_deref(), draft.language.as_slice()), (Some("CC-BY-4.0"), ["ja".to_owned()].as_slice()));
    assert_eq!(draft.issued.unwrap().to_string(), "2022-04-01", "milliseconds");
    assert_eq!(draft.modified.map(jst_day).unwrap().to_string(), "2024-04-01");
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.0, 34.0, 133.0, 35.0]));
    assert_eq!(draft.extras.keys().collect::<Vec<_>>(), ["publisher_name"]);
    let places = |n: usize| -> Vec<_> {
        outcome.records[n]
            .draft
            .distributions
            .iter()
            .flatten()
            .map(|it| (it.format.clone().unwrap(), it.download_url.clone().or(it.access_url.clone()).unwrap()))
            .collect()
    };
    assert_eq!(places(0)[0], ("CSV".into(), stub.url(&format!("/api/download/v1/items/{}/csv?layers=0", id(1)))));
    assert_eq!(places(0)[4], ("API".into(), "https://services.example.jp/rest/services/Trees1/FeatureServer".into()));
    assert_eq!(places(1)[1], ("GEOJSON".into(), stub.url(&format!("/api/download/v1/items/{}/geojson?layers=8", id(2)))));
    assert_eq!(places(2), [("CSV".into(), format!("https://www.arcgis.com/sharing/rest/content/items/{}/data", id(3)))]);
    assert_eq!(outcome.records[1].draft.landing_page, Some(stub.url("/datasets/kure::trees")));
    assert_eq!(outcome.records[1].draft.licence_text.as_deref(), Some("独自の\n規約"));
    let sparse = &outcome.records[2].draft;
    assert_eq!(
        (sparse.title.as_str(), sparse.description.as_str(), sparse.issued.unwrap().to_string().as_str()),
        ("budget.csv", "予算", "2022-04-01")
    );
    assert_eq!(sparse.spatial.as_ref().unwrap().bbox, Some([132.0, 34.0, 133.0, 35.0]));
}

#[tokio::test]
async fn the_whole_worlds_catalog_is_refused() {
    let site = r#"{"site":{"data":{"catalogV2":{"scopes":{"item":{"filters":[]}}}}}}"#;
    let encoded: String = url::form_urlencoded::byte_serialize(site.as_bytes()).collect();
    let page_of_site = ok("text/html", format!("<!DOCTYPE html><script>window.__SITE=\"{encoded}\";</script>"));
    let stub = Stub::start(move |asked| if asked.path == ITEMS { page(asked, &features(5)) } else { page_of_site.clone() }).await;
    assert!(harvest(ArcgisHub, &stub, "/").await.failed().contains("no scope"));
    let stub = Stub::start(move |asked| if asked.path == ITEMS { page(asked, &features(5)) } else { status(500) }).await;
    assert_eq!(harvest(ArcgisHub, &stub, "/").await.listing, Listing::Complete { total: 5 }, "a page that cannot be read says nothing");
}

#[tokio::test]
async fn without_a_search_the_feed_is_read_and_records_are_the_same() {
    let feed = json!({"dataset": [{"identifier": format!("https://www.arcgis.com/home/item.html?id={}", id(1)), "title": "データ1", "accessLevel": "public", "spatial": "132,34,133,35",
        "description": "<p>説明</p>", "distribution": [
            {"title": "ArcGIS Hub Dataset", "format": "Web Page", "mediaType": "text/html", "accessURL": "https://hub.example.jp/datasets/x"},
            {"title": "ArcGIS GeoService", "format": "ArcGIS GeoServices REST API", "mediaType": "application/json", "accessURL": "https://services.example.jp/0"},
            {"title": "CSV", "format": "CSV", "mediaType": "text/csv", "accessURL": "https://hub.example.jp/x.csv"}]}]});
    for place in ["/api/feed/dcat-us/1.1.json", "/data.json"] {
        let feed = feed.clone();
        let stub = Stub::start(move |asked| if asked.path == place { crate::stub::json(&feed) } else { status(404) }).await;
        let outcome = harvest(ArcgisHub, &stub, "/").await;
        assert_eq!((outcome.ids(), &outcome.listing), (vec![id(1).as_str()], &Listing::Complete { total: 1 }), "{place}");
        let places: Vec<_> = outcome.records[0]
            .draft
            .distributions
            .iter()
            .flatten()
            .map(|it| (it.format.as_deref().unwrap(), it.download_url.is_some()))
            .collect();
        assert_eq!(places, [("HTML", false), ("API", false), ("CSV", true)]);
    }
    for (refusal, word) in [(status(500), "500"), (status(403), "403"), (status(404), "404"), (html(), "HTML")] {
        let stub = Stub::start(move |_| refusal.clone()).await;
        assert!(harvest(ArcgisHub, &stub, "/").await.failed().contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_search_that_is_cut_off_is_not_replaced_by_the_feed() {
    let feed = json!({"dataset": [{"identifier": format!("https://www.arcgis.com/home/item.html?id={}", id(1)), "title": "データ1"}]});
    let all = features(3);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        ITEMS => {
            let mut whole = page(asked, &all);
            whole.body.truncate(whole.body.len() / 2);
            whole
        }
        "/api/feed/dcat-us/1.1.json" => crate::stub::json(&feed),
        _ => html(),
    })
    .await;
    assert!(harvest(ArcgisHub, &stub, "/").await.failed().contains("not whole JSON"));
}

#[tokio::test]
async fn terms_that_are_a_link_to_a_licence_are_that_licence() {
    let with = |n: usize, terms: &str| {
        let mut feature = feature(n);
        feature["properties"]["license"] = json!("custom");
        feature["properties"]["licenseInfo"] = json!(terms);
        feature
    };
    let stub = hub(vec![
        with(0, "<a href=\"https://creativecommons.org/licenses/by/4.0/deed.ja\">利用条件</a>"),
        with(1, "<p><a href='https://www.example.jp/terms' target='_blank'>公共データ利用規約（第1.0版）</a></p>"),
        with(2, "<a href=\"https://www.example.jp/terms\">市の規約</a>"),
        with(3, "一部は<a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY</a>です。"),
    ])
    .await;
    let outcome = harvest(ArcgisHub, &stub, "/").await;
    let licences: Vec<_> =
        outcome.records.iter().map(|record| (record.draft.licence.as_deref(), record.draft.licence_text.as_deref())).collect();
    assert_eq!(
        licences,
        [
            (Some("CC-BY-4.0"), None),
            (Some("PDL-1.0"), None),
            (None, Some("[市の規約](https://www.example.jp/terms)")),
            (None, Some("一部は[CC BY](https://creativecommons.org/licenses/by/4.0/)です。")),
        ]
    );
}

#[tokio::test]
async fn bad_and_private_records_are_told_apart() {
    let mut all = features(5);
    all[0]["properties"]["access"] = json!("org");
    all[1]["properties"]["title"] = json!(null);
    all[1]["properties"]["name"] = json!(null);
    all[2]["properties"] = json!(null);
    all[3]["id"] = json!(null);
    all[3]["properties"]["id"] = json!(null);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        ITEMS => crate::stub::json(&json!({"features": all, "numberMatched": "5", "links": []})),
        _ => status(404),
    })
    .await;
    let outcome = harvest(ArcgisHub, &stub, "/").await;
    assert_eq!(outcome.withdrawn, [(id(1), Withdrawal::Private)]);
    let failed: Vec<_> = outcome.failures.iter().map(|it| (it.remote_id.clone(), it.position.as_str())).collect();
    assert_eq!(failed, [(Some(id(2)), "items #1"), (None, "items #2"), (None, "items #3")]);
    assert_eq!(outcome.ids(), [id(5)]);
    outcome.incomplete();
}

#[tokio::test]
async fn a_fault_between_pages_is_no_end() {
    let second = |features: Vec<Value>, count: usize, has_next: bool| {
        let links = if has_next { json!([{"rel": "next", "href": "x"}]) } else { json!([]) };
        crate::stub::json(&json!({"features": features, "numberMatched": count, "links": links}))
    };
    for (fault, word) in [
        (status(500), "500"),
        (html(), "HTML"),
        (ok("application/geo+json", r#"{"features": [{"id""#), "not whole JSON"),
        (crate::stub::json(&json!({"message": "boom", "statusCode": 500})), "lacks numberMatched"),
        (second(vec![], 250, true), "empty"),
        (second(features(100), 250, true), "repeats"),
        (second(vec![feature(101)], 249, true), "fell"),
        (second(vec![feature(101)], 250, false), "250 records, but 101"),
    ] {
        let all = features(250);
        let stub = Stub::start(move |asked| match (asked.path.as_str(), asked.parameter("startindex").as_deref()) {
            (ITEMS, Some("101")) => fault.clone(),
            (ITEMS, _) => page(asked, &all),
            _ => html(),
        })
        .await;
        let outcome = harvest(ArcgisHub, &stub, "/").await;
        assert!(outcome.incomplete().contains(word), "{word}: {:?}", outcome.listing);
        assert!((100..=101).contains(&outcome.records.len()), "{word}");
    }
}

#[tokio::test]
async fn what_is_counted_changes_nothing_and_silence_takes_the_default() {
    let mut later = features(3);
    for feature in &mut later {
        feature["properties"]["numViews"] = json!(99_999);
        feature["properties"]["scoreCompleteness"] = json!(12);
        feature["properties"]["avgRating"] = json!(4.5);
    }
    let (mut first, mut changed) = (features(3), later.clone());
    for all in [&mut first, &mut later, &mut changed] {
        all[0]["properties"]["license"] = json!("none");
        all[0]["properties"]["licenseInfo"] = json!("<p> </p>");
    }
    later.reverse();
    changed[1]["properties"]["description"] = json!("新しい説明");
    let states = [first, later, changed];
    let so_far = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        ITEMS => page(asked, &states[so_far.fetch_add(1, std::sync::atomic::Ordering::SeqCst)]),
        _ => html(),
    })
    .await;
    let mut with_default = source(ArcgisHub, &stub.url("/"));
    with_default.default_licence = Some("CC-BY-2.1-JP".into());
    let mut hashes = Vec::new();
    for _ in 0..3 {
        let outcome = harvest_with(&with_default, stub.settings()).await;
        let mut run: Vec<_> =
            outcome.records.iter().map(|it| (it.remote_id.clone(), it.draft.licence.clone(), content_hash(&it.draft))).collect();
        run.sort();
        hashes.push(run);
    }
    assert_eq!((hashes[0][0].1.as_deref(), hashes[0][1].1.as_deref()), (Some("CC-BY-2.1-JP"), Some("CC-BY-4.0")));
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[1], hashes[2]);
}

/// A directory as ArcGIS Server has it; `faulty` answers with the fault.
async fn server(faulty: &'static str, fault: Answer) -> Stub {
    Stub::start(move |asked| {
        assert_eq!(asked.parameter("f").as_deref(), Some("pjson"));
        let service = |title: &str| {
            crate::stub::json(&json!({"currentVersion": 10.81, "serviceDescription": "<p>土砂災害</p>", "mapName": "Layers", "copyrightText": "広島県", "capabilities": "Map",
                "documentInfo": {"Title": title, "Author": "砂防課", "Comments": "", "Category": "行財政", "Keywords": "土砂,災害"},
                "layers": [{"id": 0, "name": "群", "subLayerIds": [1]}, {"id": 1, "name": "区域", "subLayerIds": null}], "tables": [],
                "fullExtent": {"xmin": 132.0, "ymin": 34.0, "xmax": 133.0, "ymax": 35.0, "spatialReference": {"wkid": 4326}}}))
        };
        match asked.path.strip_prefix("/arcgis/rest/services").unwrap_or("none") {
            path if path == faulty => fault.clone(),
            "" => crate::stub::json(&json!({"currentVersion": 10.81, "folders": ["Sabo", "Utilities"], "services": [{"name": "Top", "type": "MapServer"}]})),
            "/Sabo" => crate::stub::json(&json!({"folders": [], "services": [{"name": "Sabo/Area_1", "type": "MapServer"}, {"name": "Sabo/Area_1", "type": "FeatureServer"}]})),
            "/Utilities" => crate::stub::json(&json!({"folders": [], "services": [{"name": "Utilities/PrintingTools", "type": "GPServer"}]})),
            "/Top/MapServer" => service("土砂災害警戒区域"),
            "/Sabo/Area_1/MapServer" | "/Sabo/Area_1/FeatureServer" => service(""),
            _ => crate::stub::json(&json!({"error": {"code": 404, "message": "Service not found"}})),
        }
    })
    .await
}

#[tokio::test]
async fn a_directory_of_a_server_is_read() {
    let stub = server("nothing", status(500)).await;
    let outcome = harvest(ArcgisHub, &stub, "/arcgis/rest/services?f=pjson").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 3 });
    assert_eq!(outcome.ids(), ["Top/MapServer", "Sabo/Area_1/MapServer", "Sabo/Area_1/FeatureServer"]);
    let draft = &outcome.records[0].draft;
    assert_eq!(
        (draft.title.as_str(), draft.description.as_str(), draft.creator.as_deref()),
        ("土砂災害警戒区域", "土砂災害", Some("砂防課"))
    );
    assert_eq!((draft.keywords.clone(), draft.themes.clone()), (vec!["土砂".into(), "災害".into()], vec!["gr_1300".into()]));
    assert_eq!(draft.spatial.as_ref().unwrap().bbox, Some([132.0, 34.0, 133.0, 35.0]));
    let places: Vec<_> = draft.distributions.iter().flatten().map(|it| it.access_url.clone().unwrap()).collect();
    assert_eq!(places, [stub.url("/arcgis/rest/services/Top/MapServer"), stub.url("/arcgis/rest/services/Top/MapServer/1")]);
    assert_eq!(outcome.records[1].draft.title, "Area 1", "`Layers` is no title");
    let only = harvest(ArcgisHub, &stub, "/arcgis/rest/services/Sabo").await;
    assert_eq!(only.listing, Listing::Complete { total: 2 });
}

#[tokio::test]
async fn faults_of_a_server_come_with_status_200() {
    let denied = || crate::stub::json(&json!({"error": {"code": 499, "message": "Token Required", "details": []}}));
    let stub = server("/Sabo/Area_1/MapServer", denied()).await;
    let outcome = harvest(ArcgisHub, &stub, "/arcgis/rest/services").await;
    assert_eq!(outcome.failures[0].remote_id.as_deref(), Some("Sabo/Area_1/MapServer"));
    assert!(outcome.failures[0].cause.en.contains("Token Required"));
    assert_eq!(outcome.listing, Listing::Complete { total: 3 });

    let outcome = harvest(ArcgisHub, &server("/Sabo", denied()).await, "/arcgis/rest/services").await;
    assert!(outcome.incomplete().contains("rest/services/Sabo"), "a folder that is not shown may hold anything");
    assert_eq!(outcome.ids(), ["Top/MapServer"]);

    for (fault, word) in
        [(denied(), "Token Required"), (html(), "HTML"), (status(500), "500"), (crate::stub::json(&json!({})), "neither services")]
    {
        assert!(harvest(ArcgisHub, &server("", fault).await, "/arcgis/rest/services").await.failed().contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_link_to_a_file_is_that_file() {
    let mut all = features(2);
    for (feature, url) in all.iter_mut().zip(["https://files.example.jp/gtfs.zip?v=2", "https://www.city.example.jp/page.php"]) {
        feature["properties"]["type"] = json!("Document Link");
        feature["properties"]["url"] = json!(url);
    }
    let outcome = harvest(ArcgisHub, &hub(all).await, "/").await;
    let links: Vec<_> = outcome.records.iter().map(|record| record.draft.distributions.as_ref().unwrap()[0].clone()).collect();
    assert_eq!(
        (links[0].format.as_deref(), links[0].download_url.as_deref()),
        (Some("ZIP"), Some("https://files.example.jp/gtfs.zip?v=2"))
    );
    assert_eq!((links[1].format.as_deref(), links[1].download_url.as_deref()), (Some("API"), None));
}
