use minato_catalog::HarvestKind::Dcat;
use minato_harvest::Listing;

use crate::stub::{Answer, Stub, harvest, html, ok, redirect, status};

const PREFIXES: &str = "@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> . @prefix hydra: <http://www.w3.org/ns/hydra/core#> .\n";

fn turtle(body: &str) -> Answer {
    ok("text/turtle; charset=utf-8", format!("{PREFIXES}{body}"))
}

fn dataset(n: usize) -> String {
    format!("<https://e.jp/{n}> a dcat:Dataset ; dct:title \"題{n}\" .\n")
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let stub = Stub::start(|asked| match asked.target().as_str() {
        "/catalog" => turtle(&format!("{}{} <#c> hydra:totalItems 3 . <> hydra:next <?page=2> .", dataset(1), dataset(2))),
        "/catalog?page=2" => turtle(&format!("{} <#c> hydra:totalItems 3 .", dataset(3))),
        _ => status(404),
    })
    .await;
    let outcome = harvest(Dcat, &stub, "/catalog").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 3 });
    assert_eq!(outcome.ids(), ["https://e.jp/1", "https://e.jp/2", "https://e.jp/3"]);
    assert!(stub.asked()[0].head.to_lowercase().contains("accept: text/turtle"));
}

#[tokio::test]
async fn the_syntax_is_told_by_type_or_beginning() {
    let json = r#"{"@context": "https://www.w3.org/ns/dcat.jsonld", "@type": "Dataset", "@id": "https://e.jp/1", "title": "題"}"#;
    let xml = r#"<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#" xmlns:dct="http://purl.org/dc/terms/"><dcat:Dataset rdf:about="https://e.jp/1"><dct:title>題</dct:title></dcat:Dataset></rdf:RDF>"#;
    let ttl = format!("{PREFIXES}{}", dataset(1));
    for (content_type, body) in [
        ("application/ld+json", json),
        ("application/json", json),
        ("text/plain", json),
        ("text/html", json),
        ("application/rdf+xml; charset=utf-8", xml),
        ("application/octet-stream", xml),
        ("text/turtle", ttl.as_str()),
        ("application/xml", ttl.as_str()),
        ("", ttl.as_str()),
    ] {
        let (content_type, body) = (content_type.to_owned(), body.to_owned());
        let named = content_type.clone();
        let stub = Stub::start(move |_| ok(&content_type, body.as_str())).await;
        assert_eq!(harvest(Dcat, &stub, "/catalog").await.listing, Listing::Complete { total: 1 }, "{named}");
    }
}

#[tokio::test]
async fn loops_and_repeated_pages_end_in_doubt() {
    let stub = Stub::start(|asked| match asked.target().as_str() {
        "/catalog" => turtle(&format!("{} <> hydra:next <?page=2> .", dataset(1))),
        _ => turtle(&format!("{} <> hydra:next </catalog> .", dataset(2))),
    })
    .await;
    let outcome = harvest(Dcat, &stub, "/catalog").await;
    assert!(outcome.incomplete().contains("leads back"));
    assert_eq!(outcome.records.len(), 2);

    let stub = Stub::start(|asked| {
        let page: usize = asked.parameter("page").map_or(1, |page| page.parse().unwrap());
        turtle(&format!("{} <> hydra:next <?page={}> .", dataset(1), page + 1))
    })
    .await;
    assert!(harvest(Dcat, &stub, "/catalog").await.incomplete().contains("repeats"));

    let stub = Stub::start(|asked| {
        let page: usize = asked.parameter("page").map_or(1, |page| page.parse().unwrap());
        turtle(&format!("{} <> hydra:next <?page={}> .", dataset(page), page + 1))
    })
    .await;
    assert!(harvest(Dcat, &stub, "/catalog").await.incomplete().contains("50 pages"));
}

#[tokio::test]
async fn a_fault_on_a_later_page_is_no_end() {
    for fault in [
        status(500),
        status(404),
        html(),
        turtle("<a> <b> \"cut"),
        redirect("http://127.0.0.1:1/"),
        turtle("<#c> <http://www.w3.org/ns/hydra/core#totalItems> 1 ."),
    ] {
        let described = format!("{fault:?}");
        let stub = Stub::start(move |asked| match asked.target().as_str() {
            "/catalog" => turtle(&format!("{}{} <#c> hydra:totalItems 3 . <> hydra:next <?page=2> .", dataset(1), dataset(2))),
            _ => fault.clone(),
        })
        .await;
        let outcome = harvest(Dcat, &stub, "/catalog").await;
        assert!(matches!(outcome.listing, Listing::Incomplete { .. }), "{described}: {:?}", outcome.listing);
        assert_eq!(outcome.records.len(), 2);
    }
}

#[tokio::test]
async fn a_total_that_is_not_met_is_noticed() {
    let stub = Stub::start(|_| turtle(&format!("{} <#c> hydra:totalItems 2 .", dataset(1)))).await;
    assert!(harvest(Dcat, &stub, "/catalog").await.incomplete().contains("2 records"));
}

#[tokio::test]
async fn empty_catalogs_have_failed_unless_they_say_zero() {
    let stub = Stub::start(|asked| turtle(if asked.path == "/zero" { "<#c> hydra:totalItems 0 ." } else { "<> a dcat:Catalog ." })).await;
    harvest(Dcat, &stub, "/empty").await.failed();
    assert_eq!(harvest(Dcat, &stub, "/zero").await.listing, Listing::Complete { total: 0 });
}

#[tokio::test]
async fn what_is_no_catalog_has_failed() {
    for (answer, word) in [
        (html(), "HTML"),
        (ok("text/plain", "hello"), "format"),
        (ok("application/ld+json", r#"{"@context": "https://unknown.example/c.jsonld", "title": "x"}"#), "unknown.example"),
        (ok("application/ld+json", r#"{"@graph": [{"@id": "https://e.jp/1""#), "line 1"),
    ] {
        let stub = Stub::start(move |_| answer.clone()).await;
        let outcome = harvest(Dcat, &stub, "/catalog").await;
        assert!(outcome.failed().contains(word), "{word}: {:?}", outcome.listing);
    }
}

#[tokio::test]
async fn a_link_header_may_name_the_next_page() {
    let stub = Stub::start(|asked| match asked.target().as_str() {
        "/catalog" => Answer { headers: vec![("Link", "</catalog?page=2>; rel=\"next\"".into())], ..turtle(&dataset(1)) },
        _ => turtle(&dataset(2)),
    })
    .await;
    assert_eq!(harvest(Dcat, &stub, "/catalog").await.listing, Listing::Complete { total: 2 });
}

#[tokio::test]
async fn catalogs_of_a_catalog_are_read_on_the_same_server() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/catalog" => turtle(&format!("{} <#c> a dcat:Catalog ; dcat:catalog </a>, </b>, <https://other.example/c> .", dataset(1))),
        "/a" => turtle(&format!("{} <#c> dcat:catalog </catalog>, </b> .", dataset(2))),
        _ => turtle(&format!("{}{}", dataset(2), dataset(3))),
    })
    .await;
    let outcome = harvest(Dcat, &stub, "/catalog").await;
    assert_eq!((outcome.listing, stub.asked().len()), (Listing::Complete { total: 3 }, 3));
}

#[tokio::test]
async fn a_document_broken_in_the_middle_keeps_what_came_before() {
    let stub = Stub::start(|_| turtle(&format!("{}{}<https://e.jp/3> dct:title \"題\" ; ; oops oops", dataset(1), dataset(2)))).await;
    let outcome = harvest(Dcat, &stub, "/catalog").await;
    assert!(outcome.incomplete().contains("line 4"), "{:?}", outcome.listing);
    assert!(outcome.ids().contains(&"https://e.jp/1"));
}

#[tokio::test]
async fn what_a_catalog_withdraws_is_told() {
    let stub = Stub::start(|_| {
        turtle(&format!(
            "{}<https://e.jp/1> <http://www.w3.org/ns/adms#status> <http://purl.org/adms/status/Withdrawn> .{}",
            dataset(1),
            dataset(2)
        ))
    })
    .await;
    let outcome = harvest(Dcat, &stub, "/catalog").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 2 });
    assert_eq!(outcome.withdrawn, [("https://e.jp/1".to_owned(), minato_catalog::Withdrawal::Deleted)]);
}
