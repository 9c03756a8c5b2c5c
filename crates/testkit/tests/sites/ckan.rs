use std::collections::HashSet;

use minato_catalog::HarvestKind;
use minato_testkit::sites::{Options, RunningSites, SiteSource, Sites};
use serde_json::Value;

use crate::client::{get, request};

fn ckan_sources(sites: &RunningSites) -> Vec<SiteSource> {
    sites.sources().into_iter().filter(|source| source.kind == HarvestKind::Ckan).collect()
}

fn search(source: &SiteSource, query: &str) -> Value {
    let response = get(&format!("{}/api/3/action/package_search?{query}", source.url));
    assert_eq!(response.status, 200, "{} {query}: {}", source.slug, response.text());
    let envelope = response.json();
    assert_eq!(envelope["success"], true);
    envelope["result"].clone()
}

#[test]
fn paging_gives_every_package_once() {
    let sites = Sites::start(Options::default()).unwrap();
    let sources = ckan_sources(&sites);
    assert_eq!(sources.len(), 4);
    for source in &sources {
        let mut ids = HashSet::new();
        let mut good = 0;
        let mut start = 0;
        loop {
            let url = format!("{}/api/3/action/package_search?rows=100&start={start}&sort=name+asc", source.url);
            let response = get(&url);
            if response.status == 500 {
                assert_eq!(source.slug, "onomichi-shi");
                assert_eq!(start, 10, "the third page of five");
                break;
            }
            let page = response.json()["result"]["results"].as_array().unwrap().clone();
            if page.is_empty() {
                break;
            }
            start += page.len();
            for package in page {
                assert!(ids.insert(package["id"].as_str().unwrap().to_owned()));
                let whole = package["name"].is_string() && package["title"].is_string() && package["resources"].is_array();
                good += usize::from(whole);
            }
        }
        assert_eq!(good, source.expected_datasets, "{}", source.slug);
        if source.slug != "onomichi-shi" {
            assert_eq!(ids.len(), source.expected_datasets + source.expected_failures, "{}", source.slug);
        }
    }
}

#[test]
fn the_third_page_never_recovers() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("onomichi-shi").unwrap();
    assert_eq!(search(&source, "rows=0")["count"], 18);
    for _ in 0..3 {
        assert_eq!(get(&format!("{}/api/3/action/package_search?start=10&rows=5", source.url)).status, 500);
    }
    assert_eq!(search(&source, "start=5&rows=5")["results"].as_array().unwrap().len(), 5);
}

#[test]
fn filters_choose_by_organization_and_date() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("fukuyama-shi").unwrap();
    let all = search(&source, "rows=0")["count"].as_u64().unwrap();
    let organizations = get(&format!("{}/api/3/action/organization_list", source.url)).json()["result"].clone();
    assert_eq!(organizations, serde_json::json!(["fukuyama-shi", "fukuyama-shi-suido"]));
    let own = search(&source, "fq=organization:fukuyama-shi")["count"].as_u64().unwrap();
    let other = search(&source, "fq=%2Borganization%3A%22fukuyama-shi-suido%22")["count"].as_u64().unwrap();
    assert!(own > other && other > 0);
    assert_eq!(own + other, all);

    let newest = search(&source, "rows=1&sort=metadata_modified+desc")["results"][0]["metadata_modified"].as_str().unwrap().to_owned();
    let since = |from: &str| search(&source, &format!("fq=metadata_modified:[{from}+TO+*]"))["count"].as_u64().unwrap();
    assert_eq!(since("2000-01-01T00:00:00Z"), all);
    assert_eq!(since(&format!("{}Z", &newest[..19])), 1);
    assert_eq!(since("2999-01-01T00:00:00Z"), 0);

    let refused = get(&format!("{}/api/3/action/package_search?fq=nonsense:1", source.url));
    assert_eq!((refused.status, refused.json()["error"]["__type"].clone()), (409, "Search Query Error".into()));
}

#[test]
fn packages_are_shown_by_id_and_name_and_by_post() {
    let sites = Sites::start(Options::default()).unwrap();
    let source = sites.source("kure-shi").unwrap();
    let names = get(&format!("{}/api/3/action/package_list", source.url)).json()["result"].clone();
    assert_eq!(names.as_array().unwrap().len(), source.expected_datasets);
    let name = names[0].as_str().unwrap();
    let shown = get(&format!("{}/api/3/action/package_show?id={name}", source.url)).json()["result"].clone();
    let body = format!("{{\"id\": {}}}", shown["id"]);
    let posted = request("POST", &format!("{}/api/action/package_show", source.url), "Content-Type: application/json\r\n", &body);
    assert_eq!(posted.json()["result"], shown);
    assert_eq!(shown["organization"]["name"], "kure-shi");
    assert!(get(shown["resources"][0]["url"].as_str().unwrap()).status == 200);

    let missing = get(&format!("{}/api/3/action/package_show?id=nowhere", source.url));
    assert_eq!((missing.status, missing.json()["error"]["__type"].clone()), (404, "Not Found Error".into()));
    assert_eq!(get(&format!("{}/api/3/action/no_such", source.url)).status, 400);
    assert_eq!(get(&format!("{}/api/3/action/package_search?rows=many", source.url)).status, 409);
    let status = get(&format!("{}/api/3/action/status_show", source.url)).json();
    assert!(status["result"]["ckan_version"].is_string());
}
