use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use serde_json::json;
use zip::ZipArchive;

use crate::site::Site;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const CSV: &[u8] = "名称,緯度,経度\n府中小学校,34.39,132.50\n".as_bytes();
const PATH: &str = "/datasets/files/download.zip";

/// A dataset with two files of one name, and a link.
async fn site() -> (Site, [String; 2]) {
    let site = Site::open();
    site.dataset("files", "避難所").await;
    let ids = [site.file("files", "避難所.csv", CSV).await, site.file("files", "避難所.csv", b"a,b\n1,2\n").await];
    let link = json!({"title": "地図", "format": "PDF", "download_url": "https://www.example.jp/map.pdf"});
    site.ask("POST", "/api/v1/datasets/files/distributions").token(&site.editor).json(&link).send().await.expect(201);
    (site, ids)
}

/// The files of an archive by name.
fn files(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert!(files.insert(file.name().unwrap().into_owned(), content).is_none());
    }
    files
}

#[actix_web::test]
async fn an_archive_has_all_files_and_says_what_they_are() {
    let (site, ids) = site().await;
    let answer = site.ask("GET", PATH).header("user-agent", CHROME).send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/zip"));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"files.zip\"");
    assert_eq!((answer.header("accept-ranges"), answer.header("cache-control")), ("bytes", "public, no-cache"));
    assert_eq!(answer.length, Some(answer.bytes.len() as u64));
    let files = files(&answer.bytes);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["README.txt", "避難所 (2).csv", "避難所.csv"]);
    assert_eq!((files["避難所.csv"].as_slice(), files["避難所 (2).csv"].as_slice()), (CSV, &b"a,b\n1,2\n"[..]));
    let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
    for words in [
        "\u{feff}避難所\r\n",
        "公開している組織 / Publisher: 府中町",
        "ライセンス / Licence: ",
        "creativecommons.org/licenses/by/4.0",
        "更新日 / Modified: 2",
        "https://catalog.example.jp/datasets/files\r\n",
        "- 避難所 (2).csv\r\n",
        &format!("https://catalog.example.jp/d/{}", ids[0]),
        "地図 [PDF]\r\n  https://www.example.jp/map.pdf\r\n",
        "not in this ZIP",
    ] {
        assert!(readme.contains(words), "{words} is not in {readme}");
    }
    let id = site.get("/api/v1/datasets/files").await.expect(200)["id"].as_str().unwrap().to_owned();
    let by_id = site.ask("GET", &format!("/datasets/{id}/download.zip")).header("user-agent", GOOGLEBOT).send().await;
    assert!(by_id.bytes == answer.bytes, "the same files are the same bytes");
}

#[actix_web::test]
async fn an_archive_is_one_download_whatever_the_number_of_files() {
    let (site, ids) = site().await;
    let head = site.ask("HEAD", PATH).header("user-agent", CHROME).send().await;
    assert_eq!(head.status, 200);
    assert_eq!(site.counted("channel").await, [], "HEAD is no download");
    let whole = site.ask("GET", PATH).header("user-agent", CHROME).send().await;
    assert_eq!((whole.status.as_u16(), head.length), (200, Some(whole.bytes.len() as u64)));
    assert_eq!(site.counted("channel").await, [("zip".to_owned(), 1)]);
    // The second of a double click, and a crawler.
    for agent in [CHROME, GOOGLEBOT] {
        assert_eq!(site.ask("GET", PATH).header("user-agent", agent).send().await.status, 200);
    }
    assert_eq!(site.counted("channel").await, [("zip".to_owned(), 1)]);
    let etag = head.header("etag").to_owned();
    let same = site.ask("GET", PATH).header("user-agent", FIREFOX).header("if-none-match", &etag).send().await;
    assert_eq!((same.status.as_u16(), same.bytes.len(), same.header("etag")), (304, 0, etag.as_str()));
    // Begun by one, and its rest.
    for (range, from) in [("bytes=0-99", 0), ("bytes=100-", 100)] {
        let part = site.ask("GET", PATH).header("user-agent", SAFARI).header("range", range).header("if-range", &etag).send().await;
        assert_eq!(part.status, 206);
        assert!(whole.bytes[from..].starts_with(&part.bytes) && part.bytes.len() == if from == 0 { 100 } else { whole.bytes.len() - 100 });
    }
    site.ask("GET", PATH).header("user-agent", SAFARI).header("range", "bytes=99999999-").send().await.refuses(416, "Range");
    site.ask("POST", PATH).header("user-agent", SAFARI).send().await.refuses(405, "");
    assert_eq!(site.ask("GET", PATH).header("user-agent", "curl/8.5.0").send().await.status, 200);
    assert_eq!(site.counted("channel").await, [("zip".to_owned(), 4)]);
    assert_eq!(site.counted("format").await, [("ZIP".to_owned(), 4)]);
    assert_eq!(site.counted("class").await, [("human".to_owned(), 3), ("machine".to_owned(), 1)]);
    // A single file is a download of its own.
    assert_eq!(site.ask("GET", &format!("/d/{}", ids[0])).header("user-agent", CHROME).send().await.status, 200);
    assert_eq!(site.counted("channel").await, [("zip".to_owned(), 4), ("file".to_owned(), 1)]);
    for (query, total) in [
        ("?dataset=files".to_owned(), 5),
        ("?organization=fuchu-cho".to_owned(), 5),
        ("?channel=zip".to_owned(), 4),
        ("?dataset=files&channel=zip&period=day".to_owned(), 4),
        (format!("?distribution={}", ids[0]), 1),
        (format!("?distribution={}", ids[1]), 0),
    ] {
        assert_eq!(site.get(&format!("/api/v1/statistics/downloads{query}")).await.expect(200)["total"], total, "{query}");
    }
    let top = site.get("/api/v1/statistics/downloads/top").await.expect(200);
    assert_eq!((&top["items"][0]["dataset"]["slug"], &top["items"][0]["downloads"]), (&json!("files"), &json!(5)));
    let organizations = site.get("/api/v1/statistics/downloads/organizations").await.expect(200);
    assert_eq!(organizations["items"][0]["downloads"], 5);
    for (path, words) in [("/datasets/files/stats", "まとめて（ZIP）"), ("/datasets/files/stats?lang=en", "All files (ZIP)")] {
        let page = site.get(path).await.text;
        let row = &page[page.find(words).unwrap_or_else(|| panic!("{words} is not in {page}"))..];
        assert!(row.split("</tr>").next().unwrap().contains('4'), "{row}");
    }
}

#[actix_web::test]
async fn what_a_viewer_may_not_see_is_in_no_archive() {
    let site = Site::open();
    for (slug, state, visibility) in [("draft", "draft", "public"), ("internal", "published", "internal"), ("gone", "published", "public")]
    {
        let draft = json!({"organization": "fuchu-cho", "slug": slug, "title": slug, "state": state, "visibility": visibility});
        site.ask("POST", "/api/v1/datasets").token(&site.publisher).json(&draft).send().await.expect(201);
        site.file(slug, "a.csv", CSV).await;
        site.file(slug, "b.csv", CSV).await;
    }
    let etag = site.ask("HEAD", "/datasets/gone/download.zip").send().await.header("etag").to_owned();
    site.ask("POST", "/api/v1/datasets/gone/archive").token(&site.publisher).send().await.expect(200);
    for (slug, status) in [("draft", 404), ("internal", 404), ("gone", 410), ("never", 404)] {
        let path = format!("/datasets/{slug}/download.zip");
        for method in ["GET", "HEAD"] {
            let answer = site.ask(method, &path).header("if-none-match", &etag).send().await;
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (status, ""), "{method} {slug}");
            assert!(!answer.text.contains("a.csv"));
        }
        let other = site.ask("GET", &path).token(&site.other).send().await;
        assert_eq!(other.status.as_u16(), status, "{slug} to another organization");
    }
    site.ask("GET", "/datasets/draft/download.zip").token("wrong").send().await.refuses(401, "");
    // Its own people have it, and that is no figure.
    let own = site.ask("GET", "/datasets/draft/download.zip").token(&site.editor).header("user-agent", CHROME).send().await;
    assert_eq!((own.status.as_u16(), own.header("cache-control")), (200, "private, no-cache"));
    assert_eq!(files(&own.bytes).len(), 3);
    assert_eq!(site.counted("channel").await, []);
}

#[actix_web::test]
async fn an_archive_has_what_the_dataset_has_now() {
    let (site, ids) = site().await;
    let first = site.get(PATH).await;
    let file = format!("/api/v1/distributions/{}/file", ids[0]);
    site.ask("PUT", &file).token(&site.editor).form(&[("file", "避難所.csv", b"new\n1\n")]).send().await.expect(201);
    let second = site.ask("GET", PATH).header("if-none-match", first.header("etag")).send().await;
    assert_eq!((second.status.as_u16(), files(&second.bytes)["避難所.csv"].as_slice()), (200, &b"new\n1\n"[..]));
    site.ask("POST", &format!("/api/v1/distributions/{}/archive", ids[0])).token(&site.editor).send().await.expect(200);
    let third = site.get(PATH).await;
    assert_eq!(files(&third.bytes).keys().collect::<Vec<_>>(), ["README.txt", "避難所.csv"]);
    assert!(!String::from_utf8_lossy(&files(&third.bytes)["README.txt"]).contains(&ids[0]), "what was taken out is not even named");
    let tags = [&first, &second, &third].map(|answer| answer.header("etag").to_owned());
    assert!(tags[0] != tags[1] && tags[1] != tags[2], "{tags:?}");
    let changed = json!({"title": "避難所一覧"});
    site.ask("PATCH", "/api/v1/datasets/files").token(&site.editor).any().json(&changed).send().await.expect(200);
    assert_ne!(site.ask("HEAD", PATH).send().await.header("etag"), tags[2], "its text says the new title");
}

#[actix_web::test]
async fn names_in_an_archive_lead_nowhere() {
    let site = Site::open();
    site.dataset("files", "避難所").await;
    for name in ["..%2F..%2Fetc%2Fpasswd", "README.txt", "readme.TXT", "CON"] {
        let path = "/api/v1/datasets/files/distributions";
        site.ask("POST", path).token(&site.editor).form(&[("file", name, name.as_bytes())]).send().await.expect(201);
    }
    let files = files(&site.get(PATH).await.bytes);
    assert_eq!(files.len(), 5);
    for name in files.keys() {
        assert!(!name.contains(['/', '\\', ':']) && !name.starts_with('.'), "{name}");
    }
    assert!(files["README.txt"].starts_with("\u{feff}避難所".as_bytes()));
}

#[actix_web::test]
async fn a_dataset_without_files_says_where_they_are() {
    let site = Site::open();
    site.dataset("links", "リンク").await;
    let none = site.get("/datasets/links/download.zip").await;
    none.refuses(404, "");
    assert_eq!(none.body["kind"], "no_files");
    let link = json!({"title": "一覧", "download_url": "https://www.example.jp/list.csv"});
    let created = site.ask("POST", "/api/v1/datasets/links/distributions").token(&site.editor).json(&link).send().await.expect(201);
    let links = site.get("/datasets/links/download.zip").await;
    links.refuses(404, "");
    assert_eq!(links.body["links"], json!([{"title": "一覧", "url": created["url"]}]));
    assert_eq!(site.counted("channel").await, []);
}

#[actix_web::test]
async fn a_page_offers_an_archive_of_two_files_and_more() {
    let site = Site::open();
    site.dataset("files", "避難所").await;
    let offered = "href=\"/datasets/files/download.zip\"";
    assert!(!site.get("/datasets/files").await.text.contains(offered));
    site.file("files", "a.csv", CSV).await;
    assert!(!site.get("/datasets/files").await.text.contains(offered));
    site.file("files", "b.csv", CSV).await;
    let page = site.get("/datasets/files").await.text;
    assert!(page.contains(offered) && page.contains("まとめてダウンロード") && page.contains("ZIP, 2ファイル, "), "{page}");
    assert!(site.get("/datasets/files?lang=en").await.text.contains("Download all files"));
}
