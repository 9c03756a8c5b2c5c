//! The protocols that one site each speaks, and the sites of the prefecture.

use std::collections::HashSet;

use minato_catalog::HarvestKind;
use minato_testkit::sites::{Options, Sites};
use serde_json::Value;

use crate::client::get;

#[test]
fn numbers_are_told_apart_on_every_site_that_counts() {
    let sites = Sites::start(Options::default()).unwrap();
    let portal = sites.previous_portal().unwrap();
    let (mut packages, mut files, mut start) = (HashSet::new(), HashSet::new(), 0);
    loop {
        let page = get(&format!("{}ckan_api/package_search?rows=7&start={start}", portal.url)).json();
        let results = page["result"]["results"].as_array().unwrap().clone();
        assert_eq!(page["result"]["count"], portal.expected_datasets);
        if results.is_empty() {
            break;
        }
        start += results.len();
        for package in &results {
            assert!(packages.insert(package["id"].as_u64().unwrap()));
            for file in package["resources"].as_array().unwrap() {
                let id = file["id"].as_u64().unwrap();
                assert!(files.insert(id));
                let served = get(file["url"].as_str().unwrap());
                assert_eq!(served.status, 200);
                assert_eq!(file["size"].as_str().unwrap().replace(',', ""), served.body.len().to_string());
                let name = served.header("content-disposition").unwrap().to_owned();
                assert!(name.contains(file["filename"].as_str().unwrap()), "{name}");
            }
        }
    }
    assert_eq!(packages.len(), portal.expected_datasets);
    let one = packages.iter().next().unwrap();
    assert_eq!(get(&format!("{}api/package_show/{one}", portal.url)).json()["result"]["id"], *one);
    assert_eq!(get(&format!("{}datasets/{one}", portal.url)).status, 200);
    assert_eq!(get(&format!("{}api/package_show/1", portal.url)).status, 404);
}

#[test]
fn the_sites_of_the_prefecture_hold_copies() {
    let sites = Sites::start(Options::default()).unwrap();
    let portal = sites.previous_portal().unwrap();
    assert_eq!((portal.kind, portal.organization.as_str()), (HarvestKind::Dataeye, "hiroshima-ken"));
    let publishers: HashSet<String> = sites.datasets(&portal.slug).unwrap().iter().map(|dataset| dataset.area_code.clone()).collect();
    assert_eq!(publishers.len(), 4);

    let civil = sites.civil_site().unwrap();
    let page = |start: usize| get(&format!("{}/api/3/action/package_search?rows=100&start={start}", civil.url)).json();
    let packages: Vec<Value> = [0, 10].into_iter().flat_map(|start| page(start)["result"]["results"].as_array().unwrap().clone()).collect();
    assert_eq!(packages.len(), civil.expected_datasets);
    let kure = sites.source("kure-shi").unwrap();
    let linked = |package: &Value| {
        package["resources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|file| file["url"].as_str().unwrap().starts_with(&format!("{}/files/", kure.url)))
    };
    let linked: Vec<&Value> = packages.iter().filter(|package| linked(package)).collect();
    assert!(!linked.is_empty(), "files of another publisher stay where they are");
    assert_eq!(get(linked[0]["resources"][0]["url"].as_str().unwrap()).status, 200);
}

#[test]
fn shirasagi_wants_an_empty_query() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("fuchu-shi").unwrap();
    assert_eq!(source.kind, HarvestKind::Shirasagi);
    assert_eq!(get(&format!("{}api/package_search?rows=100", source.url)).json()["result"]["count"], 0);
    let found = get(&format!("{}api/package_search?rows=100&q=", source.url)).json();
    let packages = found["result"]["results"].as_array().unwrap();
    assert_eq!(packages.len(), source.expected_datasets);
    let list = get(&format!("{}api/package_list", source.url)).json();
    assert_eq!(list["result"][0], packages[0]["uuid"]);
    for file in packages.iter().flat_map(|package| package["resources"].as_array().unwrap()) {
        assert_eq!(get(file["download_url"].as_str().unwrap()).body, get(file["url"].as_str().unwrap()).body);
    }
    assert_eq!(get(packages[0]["url"].as_str().unwrap()).status, 200);
    let none = get(&format!("{}api/package_show?id=none", source.url));
    assert_eq!((none.status, none.json()["success"].clone()), (404, Value::Bool(false)));
}

#[test]
fn data_json_names_its_schema_and_its_datasets() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("hatsukaichi-shi").unwrap();
    let document = get(&source.url).json();
    assert_eq!(document["conformsTo"], "https://project-open-data.cio.gov/v1.1/schema");
    let datasets = document["dataset"].as_array().unwrap();
    assert_eq!(datasets.len(), source.expected_datasets);
    for dataset in datasets {
        for required in ["title", "description", "keyword", "modified", "publisher", "contactPoint", "identifier", "accessLevel"] {
            assert!(!dataset[required].is_null(), "{required}");
        }
        assert_eq!(get(dataset["landingPage"].as_str().unwrap()).status, 200);
        assert_eq!(get(dataset["distribution"][0]["downloadURL"].as_str().unwrap()).status, 200);
    }
}

#[test]
fn the_hub_gives_pages_and_files() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("hiroshima-shi").unwrap();
    let page = get(&format!("{}api/search/v1/collections/dataset/items?limit=3&startindex=1", source.url)).json();
    assert_eq!((page["numberMatched"].as_u64(), page["numberReturned"].as_u64()), (Some(source.expected_datasets as u64), Some(3)));
    let next = page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    assert_eq!(get(next["href"].as_str().unwrap()).json()["features"].as_array().unwrap().len(), 3);
    for feature in page["features"].as_array().unwrap() {
        let (id, kind) = (feature["id"].as_str().unwrap(), feature["properties"]["type"].as_str().unwrap());
        assert_eq!(id.len(), 32);
        let csv = get(&format!("{}api/download/v1/items/{id}/csv?layers=0", source.url));
        assert_eq!(csv.status == 200, kind != "Document Link", "{kind}");
    }
}

#[test]
fn a_sitemap_leads_to_json_ld() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("akiota-cho").unwrap();
    assert!(get(&format!("{}robots.txt", source.url)).text().contains(&format!("Sitemap: {}sitemap.xml", source.url)));
    assert!(get(&format!("{}sitemap.xml", source.url)).text().contains("/sitemap-data.xml"));
    let map = get(&format!("{}sitemap-data.xml", source.url)).text();
    let pages: Vec<&str> = map.split("<loc>").skip(1).map(|rest| rest.split("</loc>").next().unwrap()).collect();
    assert_eq!(pages.len(), source.expected_datasets);
    for page in pages {
        let text = get(page).text();
        let script = text.split("<script type=\"application/ld+json\">").nth(1).unwrap().split("</script>").next().unwrap();
        let graph: Value = serde_json::from_str(script).unwrap();
        let dataset = graph["@graph"].as_array().unwrap().iter().find(|node| node["@type"] == "Dataset").unwrap();
        assert_eq!(dataset["url"], page);
    }
}

#[test]
fn a_page_in_cp932_links_to_every_file() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("otake-shi").unwrap();
    let response = get(&source.url);
    assert_eq!(response.header("content-type"), Some("text/html"), "the encoding is in the page alone");
    let text = encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(&response.body).unwrap();
    assert!(text.contains("charset=Shift_JIS") && text.contains("令和") && text.ends_with("</html>\n"));
    for file in sites.datasets("otake-shi").unwrap().iter().flat_map(|dataset| &dataset.files) {
        assert!(text.contains(&format!("/files/{}\"", file.name)), "{}", file.name);
    }
}

#[test]
fn csw_counts_from_one_and_says_what_comes_next() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("kaita-cho").unwrap();
    let records = |start: usize| {
        let url =
            format!("{}?SERVICE=CSW&version=2.0.2&request=GetRecords&resultType=results&startPosition={start}&maxRecords=100", source.url);
        get(&url).text()
    };
    let (mut start, mut ids) = (1, HashSet::new());
    while start > 0 {
        let page = records(start);
        assert!(page.contains(&format!("numberOfRecordsMatched=\"{}\"", source.expected_datasets)));
        let found = page.split("<gmd:fileIdentifier><gco:CharacterString>").skip(1);
        found.for_each(|rest| assert!(ids.insert(rest.split('<').next().unwrap().to_owned())));
        start = page.split("nextRecord=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    }
    assert_eq!(ids.len(), source.expected_datasets);
    let refused = get(&format!("{}?service=CSW&request=Harvest", source.url));
    assert_eq!((refused.status, refused.text().contains("OperationNotSupported")), (400, true));
}

#[test]
fn a_repository_remembers_what_was_deleted() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("higashihiroshima-shi").unwrap();
    sites.edit(&source.slug, |datasets| drop(datasets.pop())).unwrap();
    let (mut token, mut records, mut deleted) = ("&metadataPrefix=oai_dc".to_owned(), 0, 0);
    loop {
        let part = get(&format!("{}?verb=ListRecords{token}", source.url)).text();
        records += part.matches("<record>").count();
        deleted += part.matches("status=\"deleted\"").count();
        assert!(part.contains(&format!("completeListSize=\"{}\"", source.expected_datasets + 1)));
        match part.split("</resumptionToken>").next().unwrap().rsplit('>').next().unwrap() {
            "" => break,
            next => token = format!("&resumptionToken={next}"),
        }
    }
    assert_eq!((records, deleted), (source.expected_datasets + 1, 2));
    let both = get(&format!("{}?verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=oai_dc-4", source.url)).text();
    assert!(both.contains("badArgument"));
}
