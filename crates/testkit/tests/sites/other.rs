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
