use std::collections::HashSet;
use std::time::{Duration, Instant};

use minato_catalog::HarvestKind;
use minato_testkit::fixtures::{generate, municipality};
use minato_testkit::sites::{Fault, Options, RunningSites, Sites, SitesError};

use crate::client::{get, request};

/// What a harvester asks first.
fn entry(sites: &RunningSites, slug: &str) -> String {
    let source = sites.source(slug).unwrap();
    match source.kind {
        HarvestKind::Ckan => format!("{}/api/3/action/package_search?rows=100", source.url),
        HarvestKind::Dataeye => format!("{}ckan_api/package_search?rows=100&start=0", source.url),
        HarvestKind::ArcgisHub => format!("{}api/search/v1/collections/dataset/items?limit=100", source.url),
        HarvestKind::SchemaOrg => format!("{}sitemap-data.xml", source.url),
        HarvestKind::Csw => {
            format!("{}?service=CSW&version=2.0.2&request=GetRecords&resultType=results&typeNames=gmd:MD_Metadata", source.url)
        }
        HarvestKind::OaiPmh => format!("{}?verb=ListRecords&metadataPrefix=oai_dc", source.url),
        HarvestKind::Shirasagi => format!("{}api/package_search?q=&rows=100", source.url),
        _ => source.url,
    }
}

const ONE_OF_EACH: [&str; 11] = [
    "kure-shi",
    "takehara-shi",
    "sera-cho",
    "fuchu-shi",
    "hatsukaichi-shi",
    "previous-portal",
    "hiroshima-shi",
    "higashihiroshima-shi",
    "otake-shi",
    "kaita-cho",
    "akiota-cho",
];

#[test]
fn there_are_23_sites_and_five_are_faulty() {
    let sites = Sites::start(Options::default()).unwrap();
    let sources = sites.sources();
    assert_eq!(sources.len(), 23);
    let faulty: Vec<&str> = sources.iter().filter(|source| source.faulty.is_some()).map(|source| source.slug.as_str()).collect();
    assert_eq!(faulty, ["mihara-shi", "onomichi-shi", "etajima-shi", "kumano-cho", "jinsekikogen-cho"]);
    for source in &sources {
        assert!(sites.addresses().iter().any(|address| source.url.starts_with(&format!("http://{address}"))));
        let usual = (8..=20).contains(&source.expected_datasets);
        assert!(usual || source.slug == "kumano-cho", "{} {}", source.slug, source.expected_datasets);
        let home = get(&format!("http://{}/", source.url.split('/').nth(2).unwrap()));
        assert!(home.text().contains("架空のサイト") && home.text().contains(&source.name));
    }
}

#[test]
fn every_file_is_served_as_generated() {
    let sites = Sites::start(Options::default()).unwrap();
    for (source, address) in sites.sources().iter().zip(sites.addresses()) {
        let datasets = sites.datasets(&source.slug).unwrap();
        assert_eq!(datasets, generate(&municipality(&source.slug).unwrap(), datasets.len()));
        for file in datasets.iter().flat_map(|dataset| &dataset.files) {
            let response = get(&format!("http://{address}/files/{}", file.name));
            assert_eq!((response.status, response.body == file.bytes), (200, true), "{}", file.name);
            assert_eq!(response.header("content-type"), Some(file.media_type.as_str()));
        }
        assert_eq!(get(&format!("http://{address}/files/none.csv")).status, 404);
    }
}

#[test]
fn faults_come_and_go() {
    let sites = Sites::start(Options::default()).unwrap();
    for slug in ONE_OF_EACH {
        let url = entry(&sites, slug);
        let right = get(&url).body;

        sites.set_fault(slug, Fault::Status(503)).unwrap();
        let refused = get(&url);
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));

        sites.set_fault(slug, Fault::HtmlInstead).unwrap();
        let page = get(&url);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));

        sites.set_fault(slug, Fault::Truncate).unwrap();
        let half = get(&url);
        assert_eq!(half.header("content-length").unwrap().parse::<usize>().unwrap(), right.len());
        assert_eq!(half.body, right[..right.len() / 2]);

        sites.set_fault(slug, Fault::Slow(Duration::from_millis(300))).unwrap();
        let asked = Instant::now();
        assert_eq!(get(&url).body, right);
        assert!(asked.elapsed() >= Duration::from_millis(300));

        sites.set_fault(slug, Fault::Empty).unwrap();
        let empty = get(&url);
        assert_eq!(empty.status, 200);
        assert!(empty.body.len() < right.len() / 3);

        sites.set_fault(slug, Fault::None).unwrap();
        assert_eq!(get(&url).body, right);
    }
    assert!(matches!(sites.set_fault("edo", Fault::None), Err(SitesError::UnknownSite(_))));
}

#[test]
fn edits_show_at_once_and_change_what_is_expected() {
    let sites = Sites::start(Options::default()).unwrap();
    for slug in ONE_OF_EACH {
        let before = sites.source(slug).unwrap().expected_datasets;
        sites
            .edit(slug, |datasets| {
                datasets[0].title = "題名を改めた一覧".to_owned();
                datasets.truncate(datasets.len() - 1);
            })
            .unwrap();
        // The rest shows it elsewhere than on its first page, or in another encoding.
        if !matches!(slug, "akiota-cho" | "otake-shi" | "higashihiroshima-shi" | "kaita-cho") {
            assert!(get(&entry(&sites, slug)).text().contains("題名を改めた一覧"), "{slug}");
        }
        assert_eq!(sites.source(slug).unwrap().expected_datasets, before - 1);
    }
}

#[test]
fn what_the_client_has_already_is_not_sent_again() {
    let sites = Sites::start(Options::default()).unwrap();
    let url = entry(&sites, "takehara-shi");
    let first = get(&url);
    let tag = first.header("etag").unwrap();
    let again = request("GET", &url, &format!("If-None-Match: {tag}\r\n"), "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    sites.edit("takehara-shi", |datasets| datasets[0].title.push('改')).unwrap();
    assert_eq!(request("GET", &url, &format!("If-None-Match: {tag}\r\n"), "").status, 200);
    let requests = sites.requests("takehara-shi").unwrap();
    assert_eq!(requests, vec!["GET /opendata/342033_open_data_list.csv"; 3]);
}

#[test]
fn ports_follow_the_base_port_and_are_free_after_stopping() {
    let sites = Sites::start(Options::default()).unwrap();
    let ports: HashSet<String> = sites.addresses().into_iter().collect();
    assert_eq!(ports.len(), 25);
    let taken: u16 = sites.addresses()[0].split(':').nth(1).unwrap().parse().unwrap();
    assert!(matches!(Sites::start(Options { base_port: Some(taken) }), Err(SitesError::Bind { .. })));
    assert!(matches!(Sites::start(Options { base_port: Some(65_530) }), Err(SitesError::BasePort(_) | SitesError::Bind { .. })));
    let address = sites.addresses()[0].clone();
    sites.stop();
    assert!(std::net::TcpStream::connect(address).is_err());

    // Another test's site may hold a port of the first ranges.
    let base = (0..40).map(|n| 21_000 + 100 * n).find_map(|base| Some((base, Sites::start(Options { base_port: Some(base) }).ok()?)));
    let (base, sites) = base.unwrap();
    let expected: Vec<String> = (base..base + 25).map(|port| format!("127.0.0.1:{port}")).collect();
    assert_eq!(sites.addresses(), expected);
}
