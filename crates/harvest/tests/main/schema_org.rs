use std::io::Write;

use minato_catalog::HarvestKind::SchemaOrg;
use minato_catalog::{Vocabulary, jst_day};
use minato_harvest::{Listing, content_hash};
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Outcome, Stub, harvest, ok, redirect, status};

fn page(body: &str) -> Answer {
    ok("text/html; charset=utf-8", format!("<!DOCTYPE html><html lang=\"ja\"><head>{body}</head><body><p>本文</p></body></html>"))
}

fn script(value: &Value) -> String {
    format!("<script type=\"application/ld+json\">{}</script>", value.to_string().replace("</", "<\\/"))
}

fn dataset(n: usize) -> Value {
    json!({"@context": "https://schema.org/", "@type": "Dataset", "@id": format!("https://id.example.jp/{n}"), "name": format!("データ{n}"),
        "distribution": [{"@type": "DataDownload", "contentUrl": format!("/files/{n}.csv")}]})
}

fn sitemap(asked: &Asked, paths: &[&str]) -> Answer {
    let base = base(asked);
    let urls: String = paths.iter().map(|path| format!("<url><loc>{base}{path}</loc><lastmod>2024-04-01</lastmod></url>")).collect();
    ok("application/xml", format!("<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{urls}</urlset>"))
}

fn index(asked: &Asked, paths: &[&str]) -> Answer {
    let base = base(asked);
    let maps: String = paths.iter().map(|path| format!("<sitemap><loc>{base}{path}</loc></sitemap>")).collect();
    ok("application/xml", format!("<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{maps}</sitemapindex>"))
}

/// The server as the client calls it.
fn base(asked: &Asked) -> String {
    let host = asked.head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned)).unwrap();
    format!("http://{host}")
}

fn paths(stub: &Stub) -> Vec<String> {
    stub.asked().iter().map(Asked::target).collect()
}

async fn titles(outcome: &Outcome) -> Vec<&str> {
    outcome.records.iter().map(|record| record.draft.title.as_str()).collect()
}

#[tokio::test]
async fn sitemaps_within_sitemaps_lead_to_pages() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/robots.txt" => ok("text/plain", format!("User-agent: *\nDisallow:\nSitemap: {}/index.xml", base(asked))),
        // The index leads back to itself.
        "/index.xml" => index(asked, &["/a.xml", "/b.xml.gz", "/index.xml"]),
        "/a.xml" => sitemap(asked, &["/2", "/1", "/plain", "/gone", "/picture.png"]),
        "/b.xml.gz" => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&sitemap(asked, &["/3", "/1"]).body).unwrap();
            ok("application/gzip", packed.finish().unwrap())
        }
        "/" | "/plain" => page(""),
        "/gone" => status(410),
        path => page(&script(&dataset(path[1..].parse().unwrap()))),
    })
    .await;
    let outcome = harvest(SchemaOrg, &stub, "/").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 3 }, "{:?}", outcome.failures);
    assert_eq!(titles(&outcome).await, ["データ1", "データ2", "データ3"]);
    assert_eq!(paths(&stub).iter().filter(|path| *path == "/robots.txt" || *path == "/index.xml").count(), 2, "each once");
    assert_eq!(outcome.records[0].remote_id, "https://id.example.jp/1");
    assert_eq!(outcome.records[0].draft.distributions.as_ref().unwrap()[0].download_url, Some(stub.url("/files/1.csv")));
    assert_eq!(outcome.records[0].remote_url, Some(stub.url("/1")));
}

#[tokio::test]
async fn a_section_keeps_to_itself_and_other_sites_are_left_alone() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/robots.txt" => status(404),
        "/sitemap.xml" => status(404),
        "/sitemap_index.xml" => sitemap(asked, &["/data/1", "/news/2", "/data/3"]),
        "/data/" => page(""),
        path => page(&script(&dataset(path.rsplit('/').next().unwrap().parse().unwrap()))),
    })
    .await;
    let outcome = harvest(SchemaOrg, &stub, "/data/").await;
    assert_eq!(titles(&outcome).await, ["データ1", "データ3"]);
    assert_eq!(outcome.listing, Listing::Complete { total: 2 });

    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/robots.txt" => status(404),
        _ => ok(
            "application/xml",
            format!("<urlset><url><loc>{}</loc></url></urlset>", base(asked).replace("127.0.0.1", "localhost") + "/1"),
        ),
    })
    .await;
    assert!(harvest(SchemaOrg, &stub, "/sitemap.xml").await.failed().contains("another site"));
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let value = json!({"@context": "http://schema.org", "@graph": [
        {"@type": "GovernmentOrganization", "@id": "#org", "name": "呉市", "contactPoint": {"@type": "ContactPoint", "name": "情報課", "email": "mailto:joho@example.jp", "telephone": "0823-00-0000"}},
        {"@type": ["Dataset"], "@id": "/d/1", "name": [{"@value": "Shelters", "@language": "en"}, {"@value": "避難所一覧", "@language": "ja"}],
         "description": "<p>市内の&amp;避難所</p>", "keywords": "防災, 避難、施設", "about": {"@type": "Thing", "name": "司法・安全・環境"},
         "license": {"@type": "CreativeWork", "name": "表示 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
         "publisher": {"@id": "#org"}, "creator": {"@type": "Organization", "name": "危機管理課"}, "datePublished": "2022-04-01", "dateModified": "2024-04-01T00:00:00+09:00",
         "temporalCoverage": "2020-04-01/2021-03", "spatialCoverage": {"@type": "Place", "name": "呉市", "geo": {"@type": "GeoShape", "box": "34.1 132.4 34.3 132.7"}},
         "identifier": [{"@type": "PropertyValue", "propertyID": "local", "value": "KURE-1"}], "url": "/d/1", "inLanguage": ["ja", "en-US"], "isAccessibleForFree": true,
         "variableMeasured": ["人数", {"@type": "PropertyValue", "name": "面積"}], "version": 2, "sameAs": "https://example.jp/old",
         "distribution": [
            {"@type": "DataDownload", "name": "一覧", "contentUrl": "/f/a.csv", "encodingFormat": "text/csv", "contentSize": "12.5 KB", "sha256": "ab", "dateModified": "2024-03-31"},
            {"@type": "DataDownload", "url": "https://example.jp/api", "encodingFormat": "JSON", "contentSize": "いろいろ"}]}]});
    let stub = Stub::start(move |asked| if asked.path == "/d/1" { page(&script(&value)) } else { status(404) }).await;
    let outcome = harvest(SchemaOrg, &stub, "/d/1").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 1 }, "{:?}", outcome.failures);
    let record = &outcome.records[0];
    assert_eq!(record.remote_id, stub.url("/d/1"));
    let draft = &record.draft;
    assert_eq!(
        (draft.title.as_str(), draft.title_en.as_deref(), draft.description.as_str()),
        ("避難所一覧", Some("Shelters"), "市内の&避難所")
    );
    assert_eq!(draft.keywords, ["防災", "避難", "施設"]);
    assert_eq!(
        (draft.themes.as_slice(), draft.licence.as_deref(), draft.licence_text.as_deref()),
        (["gr_1400".to_owned()].as_slice(), Some("CC-BY-4.0"), None)
    );
    assert_eq!((draft.creator.as_deref(), draft.extras["publisher_name"].as_str()), (Some("危機管理課"), "呉市"));
    let contact = draft.contact_point.as_ref().unwrap();
    assert_eq!(
        (contact.name.as_deref(), contact.email.as_deref(), contact.telephone.as_deref()),
        (Some("情報課"), Some("joho@example.jp"), Some("0823-00-0000"))
    );
    assert_eq!(
        (draft.issued.unwrap().to_string(), draft.modified.map(jst_day).unwrap().to_string()),
        ("2022-04-01".to_owned(), "2024-04-01".to_owned())
    );
    assert_eq!(draft.temporal.as_ref().unwrap().end.unwrap().to_string(), "2021-03-31");
    let spatial = draft.spatial.as_ref().unwrap();
    assert_eq!((spatial.label.as_deref(), spatial.bbox), (Some("呉市"), Some([132.4, 34.1, 132.7, 34.3])));
    assert_eq!(
        (draft.identifier.as_deref(), draft.landing_page.clone(), draft.version.as_deref()),
        (Some("KURE-1"), Some(stub.url("/d/1")), Some("2"))
    );
    assert_eq!(draft.language, ["ja", "en"]);
    assert_eq!((draft.extras["variable_measured"].as_str(), draft.extras["is_accessible_for_free"].as_str()), ("人数、面積", "true"));
    let [file, api] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(
        (file.download_url.clone(), file.format.as_deref(), file.media_type.as_deref(), file.byte_size),
        (Some(stub.url("/f/a.csv")), Some("CSV"), Some("text/csv"), Some(12_500))
    );
    assert_eq!((file.title.as_str(), file.extras["hash"].as_str()), ("一覧", "ab"));
    assert_eq!(
        (api.access_url.as_deref(), api.download_url.as_deref(), api.format.as_deref(), api.extras["content_size"].as_str()),
        (Some("https://example.jp/api"), None, Some("JSON"), "いろいろ")
    );
    assert_eq!(draft.check(&Vocabulary::built_in()), []);
    let second = harvest(SchemaOrg, &stub, "/d/1").await;
    assert_eq!(content_hash(draft), content_hash(&second.records[0].draft));
}

#[tokio::test]
async fn what_this_catalog_writes_is_read_back() {
    // The shape of our own pages, ckanext-dcat's with its prefix, and a bare page without any id.
    for (value, title) in [
        (
            json!({"@context": "https://schema.org/", "@type": "Dataset", "@id": "https://e.jp/a", "name": "甲", "spatialCoverage": {"@type": "Place", "geo": {"@type": "GeoShape", "box": "34 132 35 133"}}}),
            "甲",
        ),
        (
            json!({"@context": {"schema": "http://schema.org/"}, "@graph": [{"@id": "https://e.jp/b", "@type": "schema:Dataset", "schema:name": "乙",
            "schema:spatialCoverage": {"@type": "schema:Place", "schema:geo": {"@type": "schema:GeoShape", "schema:polygon": "{\"type\":\"Polygon\",\"coordinates\":[[[132,34],[133,34],[133,35],[132,34]]]}"}}}]}),
            "乙",
        ),
        (
            json!({"@type": "Dataset", "name": "丙", "spatialCoverage": {"@type": "Place", "geo": [{"@type": "GeoCoordinates", "latitude": 34, "longitude": 132}, {}]}}),
            "丙",
        ),
    ] {
        let stub = Stub::start(move |asked| if asked.path == "/p" { page(&script(&value)) } else { status(404) }).await;
        let outcome = harvest(SchemaOrg, &stub, "/p").await;
        assert_eq!(titles(&outcome).await, [title]);
        assert_eq!(outcome.records[0].draft.spatial.as_ref().unwrap().bbox.unwrap()[..2], [132.0, 34.0], "{title}");
        if title == "丙" {
            assert_eq!(outcome.records[0].remote_id, stub.url("/p"));
        }
    }
}

#[tokio::test]
async fn list_and_own_page_are_one_record_with_the_fuller_words() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/list" => page(&script(&json!({"@type": "DataCatalog", "name": "一覧", "dataset": [
            {"@type": "Dataset", "name": "データ1", "url": "/d/1"},
            {"@type": "Dataset", "name": "頁なし", "url": "/d/9"},
            {"@id": format!("{}/d/2", base(asked))}]}))),
        "/d/1" | "/d/2" => page(&script(
            &json!({"@type": "Dataset", "@id": "#dataset", "name": asked.path, "description": "詳しい説明", "url": asked.path}),
        )),
        "/d/9" => page(""),
        _ => status(404),
    })
    .await;
    let outcome = harvest(SchemaOrg, &stub, "/list").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 3 }, "{:?}", outcome.failures);
    assert_eq!(titles(&outcome).await, ["/d/1", "/d/2", "頁なし"]);
    assert_eq!(outcome.ids(), [stub.url("/d/1#dataset"), stub.url("/d/2#dataset"), stub.url("/d/9")]);
    assert_eq!(outcome.records[0].draft.description, "詳しい説明");
}

#[tokio::test]
async fn language_versions_are_one_record_in_japanese() {
    let version = |language: &str, name: &str, head: &str| {
        let body = script(
            &json!({"@type": "Dataset", "@id": format!("/{language}/1"), "identifier": "K-1", "inLanguage": language, "name": name}),
        );
        ok("text/html", format!("<!DOCTYPE html><html lang=\"{language}\"><head>{head}{body}</head></html>"))
    };
    let with_links = Stub::start(move |asked| match asked.path.as_str() {
        "/s.xml" => sitemap(asked, &["/en/1", "/ja/1"]),
        "/en/1" => version(
            "en",
            "Shelters",
            "<link rel=\"alternate\" hreflang=\"ja\" href=\"/ja/1\"><link rel=\"alternate\" hreflang=\"en\" href=\"/en/1\">",
        ),
        "/ja/1" => version("ja", "避難所", "<link rel=\"alternate\" hreflang=\"ja\" href=\"/ja/1\">"),
        _ => status(404),
    })
    .await;
    let without_links = Stub::start(move |asked| match asked.path.as_str() {
        "/s.xml" => sitemap(asked, &["/en/1", "/ja/1"]),
        "/en/1" => version("en", "Shelters", ""),
        "/ja/1" => version("ja", "避難所", ""),
        _ => status(404),
    })
    .await;
    for stub in [with_links, without_links] {
        let outcome = harvest(SchemaOrg, &stub, "/s.xml").await;
        assert_eq!(
            (titles(&outcome).await, outcome.listing.clone()),
            (vec!["避難所"], Listing::Complete { total: 1 }),
            "{:?}",
            outcome.failures
        );
    }
    // The Japanese version is empty: the other is better than nothing.
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/s.xml" => sitemap(asked, &["/en/1"]),
        "/en/1" => version("en", "Shelters", "<link rel=\"alternate\" hreflang=\"ja\" href=\"/ja/1\">"),
        "/ja/1" => page(""),
        _ => status(404),
    })
    .await;
    assert_eq!(titles(&harvest(SchemaOrg, &stub, "/s.xml").await).await, ["Shelters"]);
}

#[tokio::test]
async fn datasets_that_share_an_id_or_have_none_are_failures() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/p" => page(&script(&json!([
            {"@type": "Dataset", "identifier": "x", "name": "甲", "distribution": {"contentUrl": "a.csv"}},
            {"@type": "Dataset", "identifier": "x", "name": "乙", "distribution": {"contentUrl": "b.csv"}},
            {"@type": "Dataset", "name": "丙", "distribution": {"contentUrl": "c.csv"}},
            {"@type": "Dataset", "identifier": "y", "distribution": {"contentUrl": "d.csv"}}]))),
        _ => status(404),
    })
    .await;
    let outcome = harvest(SchemaOrg, &stub, "/p").await;
    assert_eq!(titles(&outcome).await, ["甲"]);
    let failed: Vec<_> = outcome.failures.iter().map(|failure| failure.remote_id.as_deref()).collect();
    assert_eq!(failed, [Some("x"), None, Some("y")]);
    assert!(outcome.failures[0].cause.en.contains("also that of") && outcome.failures[2].cause.en.contains("no name"));
    assert!(outcome.incomplete().contains("no id"));
}

/// Two good pages and `/bad`.
async fn site_with(bad: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Outcome {
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/robots.txt" => ok("text/plain", "User-agent: Minato\nDisallow: /secret\n"),
        "/s.xml" => sitemap(asked, &["/1", "/bad", "/2"]),
        "/bad" => bad(asked),
        path => page(&script(&dataset(path[1..].parse().unwrap()))),
    })
    .await;
    let outcome = harvest(SchemaOrg, &stub, "/s.xml").await;
    assert_eq!(outcome.records.len(), 2);
    outcome
}

#[tokio::test]
async fn a_page_that_fails_is_named_and_nothing_is_taken_for_withdrawn() {
    for bad in [
        status(500),
        status(403),
        redirect("http://localhost:1/login"),
        page("<script type=\"application/ld+json\">{\"@type\": \"Dataset\", \"name\": </script>"),
        ok("text/html", "<html><script type=\"application/ld+json\">{\"@type\": \"Dataset\", \"name\": \"途"),
    ] {
        let shown = format!("{} {:?}", bad.status, String::from_utf8_lossy(&bad.body));
        let outcome = site_with(move |_| bad.clone()).await;
        assert!(outcome.incomplete().contains("no id"), "{shown}");
        assert!(outcome.failures[0].position.ends_with("/bad") && outcome.failures[0].cause.en.contains("/bad"), "{shown}");
    }
    for harmless in [status(404), status(410), page(""), page("<script type=\"application/ld+json\">{broken breadcrumb</script>")] {
        assert_eq!(site_with(move |_| harmless.clone()).await.listing, Listing::Complete { total: 2 });
    }
}

#[tokio::test]
async fn a_site_that_goes_down_is_not_asked_for_every_page() {
    let asked_of = |fault: Answer| async move {
        let all: Vec<String> = (1..=100).map(|n| format!("/{n}")).collect();
        let stub = Stub::start(move |asked| match asked.path.as_str() {
            "/robots.txt" => status(404),
            "/s.xml" => sitemap(asked, &all.iter().map(String::as_str).collect::<Vec<_>>()),
            "/1" => page(&script(&dataset(1))),
            _ => fault.clone(),
        })
        .await;
        let outcome = harvest(SchemaOrg, &stub, "/s.xml").await;
        assert_eq!(outcome.records.len(), 1);
        let different: std::collections::BTreeSet<String> = paths(&stub).into_iter().collect();
        (outcome.incomplete().to_owned(), different.len())
    };
    let (cause, pages) = asked_of(status(503)).await;
    assert!(cause.contains("503") && pages == 23, "{cause} {pages}");
    let busy = Answer { headers: vec![("Retry-After", "3600".to_owned())], ..status(429) };
    let (cause, pages) = asked_of(busy).await;
    assert!(cause.contains("429") && pages == 4, "{cause} {pages}");
}

#[tokio::test]
async fn robots_txt_is_obeyed() {
    let site = |robots: Answer| {
        Stub::start(move |asked| match asked.path.as_str() {
            "/robots.txt" => robots.clone(),
            "/s.xml" => sitemap(asked, &["/1", "/2"]),
            "/" => page(""),
            path => page(&script(&dataset(path[1..].parse().unwrap()))),
        })
    };
    let stub = site(ok("text/plain", "User-agent: *\nDisallow: /\nUser-agent: minato\nDisallow: /2\nCrawl-delay: 30\n")).await;
    let outcome = harvest(SchemaOrg, &stub, "/s.xml").await;
    assert_eq!(titles(&outcome).await, ["データ1"]);
    assert!(outcome.incomplete().contains("robots.txt forbids 1 pages"));
    assert!(!paths(&stub).contains(&"/2".to_owned()), "{:?}", paths(&stub));

    let stub = site(ok("text/plain", "User-agent: *\nDisallow: /\n")).await;
    assert!(harvest(SchemaOrg, &stub, "/").await.failed().contains("does not allow"));
    assert_eq!(paths(&stub), ["/robots.txt"]);

    let stub = site(status(503)).await;
    assert!(harvest(SchemaOrg, &stub, "/").await.failed().contains("robots.txt cannot be read"));
    assert!(paths(&stub).iter().all(|path| path == "/robots.txt"));

    for open in [status(404), status(401), ok("text/html", "<!doctype html><html>Disallow: /</html>")] {
        let stub = site(open).await;
        assert_eq!(harvest(SchemaOrg, &stub, "/s.xml").await.listing, Listing::Complete { total: 2 });
    }
}

#[tokio::test]
async fn sitemaps_in_doubt_leave_the_listing_incomplete() {
    for (second, words) in [
        (status(404), "a sitemap cannot be read"),
        (status(500), "a sitemap cannot be read"),
        (ok("application/xml", "<urlset><url><loc>"), "no whole XML"),
        (ok("application/gzip", [0x1f, 0x8b, 8, 0, 0].to_vec()), "unpacked"),
        (ok("text/plain", "hello"), "no sitemap"),
    ] {
        let stub = Stub::start(move |asked| match asked.path.as_str() {
            "/robots.txt" => status(404),
            "/index.xml" => index(asked, &["/a.xml", "/b.xml"]),
            "/a.xml" => sitemap(asked, &["/1"]),
            "/b.xml" => second.clone(),
            path => page(&script(&dataset(path[1..].parse().unwrap()))),
        })
        .await;
        let outcome = harvest(SchemaOrg, &stub, "/index.xml").await;
        assert_eq!(outcome.records.len(), 1);
        assert!(outcome.incomplete().contains(words), "{words}: {}", outcome.incomplete());
    }
    let stub = Stub::start(|asked| if asked.path == "/" { page(&script(&dataset(1))) } else { status(404) }).await;
    assert!(harvest(SchemaOrg, &stub, "/").await.incomplete_with(1).contains("no sitemap was found"));
    let stub = Stub::start(|asked| if asked.path == "/p" { page("") } else { status(404) }).await;
    assert!(harvest(SchemaOrg, &stub, "/p").await.failed().contains("no Dataset"));
}

#[tokio::test]
async fn endless_sites_stop_at_the_limit() {
    // Every page leads to the next.
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/robots.txt" => status(404),
        path => {
            let n: usize = path[1..].parse().unwrap();
            page(&script(&json!([dataset(n), {"@type": "Dataset", "url": format!("/{}", n + 1)}])))
        }
    })
    .await;
    assert!(harvest(SchemaOrg, &stub, "/1").await.incomplete_with(51).contains("more than 50 pages"));
    // Every sitemap leads to a new one.
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/robots.txt" => status(404),
        path => {
            let n: usize = path.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            index(asked, &[&format!("/s{}.xml", n + 1)])
        }
    })
    .await;
    assert!(harvest(SchemaOrg, &stub, "/s1.xml").await.failed().contains("levels of them"));
}

#[tokio::test]
async fn pages_are_read_by_their_bytes() {
    for (meta, encoding) in [("utf-8", encoding_rs::SHIFT_JIS), ("Shift_JIS", encoding_rs::UTF_8), ("", encoding_rs::EUC_JP)] {
        let html = format!(
            "<html lang=ja><head><meta charset=\"{meta}\"><title>避難所の一覧</title>{}</head><body>避難所の一覧です</body></html>",
            script(&json!({"@type": "Dataset", "name": "避難所の一覧"}))
        );
        let body = encoding.encode(&html).0.into_owned();
        let stub =
            Stub::start(move |asked| if asked.path == "/p" { ok("text/html; charset=utf-8", body.clone()) } else { status(404) }).await;
        assert_eq!(titles(&harvest(SchemaOrg, &stub, "/p").await).await, ["避難所の一覧"], "{meta}");
    }
}
