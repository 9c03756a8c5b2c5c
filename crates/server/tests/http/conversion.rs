use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use crate::site::Site;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
/// `コード,名称` and a row, in Shift_JIS.
const SHIFT_JIS: &[u8] = b"\x83R\x81[\x83h,\x96\xBC\x8F\xCC\r\n034100,\x92\x86\x89\x9B\x8C\xF6\x96\xAF\x8A\xD9\r\n";
const UTF8: &str = "コード,名称\r\n034100,中央公民館\r\n";

async fn site() -> (Site, String) {
    let site = Site::open();
    site.dataset("files", "ファイル").await;
    let id = site.file("files", "避難所.csv", SHIFT_JIS).await;
    (site, id)
}

#[actix_web::test]
async fn a_table_is_had_in_other_formats() {
    let (site, id) = site().await;
    for (format, content_type, file_name, expected) in [
        ("csv", "text/csv; charset=utf-8", "%E9%81%BF%E9%9B%A3%E6%89%80_utf8.csv", UTF8.to_owned()),
        ("csv?bom=true", "text/csv; charset=utf-8", "%E9%81%BF%E9%9B%A3%E6%89%80_utf8.csv", format!("\u{feff}{UTF8}")),
        ("tsv", "text/tab-separated-values; charset=utf-8", "%E9%81%BF%E9%9B%A3%E6%89%80.tsv", UTF8.replace(',', "\t")),
        (
            "json",
            "application/json",
            "%E9%81%BF%E9%9B%A3%E6%89%80.json",
            "[\n{\"コード\":\"034100\",\"名称\":\"中央公民館\"}\n]\n".to_owned(),
        ),
    ] {
        let answer = site.get(&format!("/d/{id}/as/{format}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, content_type), "{format}");
        assert!(answer.header("content-disposition").ends_with(&format!("UTF-8''{file_name}")), "{}", answer.header("content-disposition"));
        assert_eq!(answer.length, Some(answer.bytes.len() as u64));
        assert_eq!(answer.text, expected, "{format}");
    }
}

#[actix_web::test]
async fn a_large_table_is_read_from_the_disk_by_several_at_once() {
    let site = Site::open();
    site.dataset("files", "ファイル").await;
    let text: String = std::iter::once("番号,名称\n".to_owned()).chain((0..60_000).map(|row| format!("{row:06},公民館\n"))).collect();
    let expected = text.replace('\n', "\r\n");
    let id = site.file("files", "a.csv", text.as_bytes()).await;
    let kept = site.files_kept();
    let path = format!("/d/{id}/as/csv");
    let asks = (0..4).map(|number| site.ask("GET", &path).header("user-agent", &format!("curl/8.{number}")).send());
    for answer in futures_util::future::join_all(asks).await {
        assert!(answer.status == 200 && answer.text == expected);
    }
    let part = site.ask("GET", &path).header("range", "bytes=700000-700099").send().await;
    assert_eq!((part.status.as_u16(), part.bytes.as_ref()), (206, &expected.as_bytes()[700_000..700_100]));
    assert_eq!(site.files_kept(), kept, "what is derived has no name");
    assert_eq!(site.counted("channel").await, [("converted".to_owned(), 4)]);
}

#[actix_web::test]
async fn a_workbook_keeps_its_numbers_and_texts() {
    let site = Site::open();
    site.dataset("files", "ファイル").await;
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write(1, 1, "コード").unwrap();
    sheet.write(1, 2, "人口").unwrap();
    sheet.write(2, 1, "034100").unwrap();
    sheet.write(2, 2, 1_234.0).unwrap();
    sheet.write(4, 1, "034101").unwrap();
    let id = site.file("files", "人口.xlsx", &workbook.save_to_buffer().unwrap()).await;
    assert_eq!(site.get(&format!("/d/{id}/as/csv")).await.text, "コード,人口\r\n034100,1234\r\n034101,\r\n");
    let rows = site.get(&format!("/d/{id}/as/json")).await.expect(200);
    assert_eq!(rows, json!([{"コード": "034100", "人口": 1234}, {"コード": "034101", "人口": null}]));
}

#[actix_web::test]
async fn a_conversion_is_counted_as_one() {
    let (site, id) = site().await;
    let path = format!("/d/{id}/as/csv");
    let head = site.ask("HEAD", &path).header("user-agent", CHROME).send().await;
    assert_eq!((head.status.as_u16(), head.length), (200, Some(UTF8.len() as u64)));
    assert_eq!(site.counted("channel").await, []);
    for agent in [CHROME, CHROME, GOOGLEBOT] {
        assert_eq!(site.ask("GET", &path).header("user-agent", agent).send().await.status, 200);
    }
    assert_eq!(site.counted("channel").await, [("converted".to_owned(), 1)]);
    let etag = head.header("etag").to_owned();
    let same = site.ask("GET", &path).header("user-agent", FIREFOX).header("if-none-match", &etag).send().await;
    assert_eq!((same.status.as_u16(), same.bytes.len()), (304, 0));
    let other = site.ask("GET", &format!("{path}?bom=true")).header("user-agent", "curl/8.5.0").header("if-none-match", &etag).send().await;
    assert_eq!(other.status, 200, "another tag: other bytes");
    let part = site.ask("GET", &path).header("user-agent", "Wget/1.21").header("range", "bytes=3-8").send().await;
    assert_eq!((part.status.as_u16(), part.bytes.as_ref()), (206, &UTF8.as_bytes()[3..9]));
    assert_eq!(site.counted("channel").await, [("converted".to_owned(), 3)]);
    assert_eq!(site.counted("format").await, [("CSV".to_owned(), 3)]);
    // The file itself is another way to have it.
    assert_eq!(site.ask("GET", &format!("/d/{id}")).header("user-agent", CHROME).send().await.status, 200);
    assert_eq!(site.counted("channel").await, [("converted".to_owned(), 3), ("file".to_owned(), 1)]);
    assert_eq!(site.get(&format!("/api/v1/statistics/downloads?distribution={id}")).await.expect(200)["total"], 4);
    let page = site.get("/stats").await.text;
    assert!(page.contains("形式を変えて"), "{page}");
}

#[actix_web::test]
async fn what_cannot_be_converted_is_told_and_not_counted() {
    let (site, id) = site().await;
    let pdf = site.file("files", "a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n").await;
    let broken = site.file("files", "b.csv", format!("a,b\n1,2\n\"3,4\n{}", "5,6\n".repeat(300)).as_bytes()).await;
    let draft = json!({"title": "x", "download_url": "https://www.example.jp/list.csv"});
    let link = site.ask("POST", "/api/v1/datasets/files/distributions").token(&site.editor).json(&draft).send().await.expect(201);
    let link = link["id"].as_str().unwrap().to_owned();
    for (path, status, kind, words) in [
        (format!("/d/{id}/as/parquet"), 404, "unsupported_format", "csv, tsv, json"),
        (format!("/d/{id}/as/csv?bom=maybe"), 400, "invalid", ""),
        (format!("/d/{id}/as/csv?encoding=sjis"), 400, "invalid", "encoding"),
        (format!("/d/{id}/as/json?bom=true"), 400, "invalid", "csv and tsv"),
        (format!("/d/{pdf}/as/csv"), 422, "not_convertible", "XLSX"),
        (format!("/d/{broken}/as/json"), 422, "not_convertible", "record 3"),
        (format!("/d/{link}/as/csv"), 404, "no_file", "links"),
        ("/d/none/as/csv".to_owned(), 404, "not_found", ""),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(site.ask(method, &path).header("user-agent", CHROME).send().await.status, status, "{method} {path}");
        }
        // Nor does anybody have it already.
        for condition in [("if-none-match", "*"), ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")] {
            let asked = site.ask("GET", &path).header("user-agent", CHROME).header(condition.0, condition.1);
            assert_eq!(asked.send().await.status, status, "{condition:?} {path}");
        }
        let answer = site.ask("GET", &path).header("user-agent", CHROME).send().await;
        answer.refuses(status, "");
        assert_eq!(answer.body["kind"], kind, "{path}");
        assert!(answer.body["detail_en"].as_str().unwrap().contains(words), "{:#}", answer.body);
        if matches!(kind, "not_convertible" | "no_file") {
            assert!(answer.body["links"][0]["url"].as_str().unwrap().starts_with("https://catalog.example.jp/"), "{:#}", answer.body);
        }
    }
    assert_eq!(site.counted("channel").await, []);
}

#[actix_web::test]
async fn files_that_are_hidden_are_converted_for_nobody_else() {
    let (site, id) = site().await;
    let path = format!("/d/{id}/as/csv");
    let etag = site.ask("HEAD", &path).send().await.header("etag").to_owned();
    let hidden = json!({"visibility": "internal"});
    site.ask("PATCH", "/api/v1/datasets/files").token(&site.publisher).any().json(&hidden).send().await.expect(200);
    for (token, status) in [("", 404), (site.other.as_str(), 404), (site.editor.as_str(), 200)] {
        let ask = site.ask("GET", &path).header("user-agent", CHROME);
        let answer = if token.is_empty() { ask.header("if-none-match", &etag) } else { ask.token(token) }.send().await;
        assert_eq!(answer.status.as_u16(), status);
    }
    assert_eq!(site.counted("channel").await, []);
}

#[actix_web::test]
async fn a_page_offers_conversions_of_tables_only() {
    let (site, id) = site().await;
    let pdf = site.file("files", "a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n").await;
    let page = site.get("/datasets/files").await.text;
    for format in ["csv", "json"] {
        assert!(page.contains(&format!("href=\"/d/{id}/as/{format}\"")), "{page}");
        assert!(!page.contains(&format!("/d/{pdf}/as/{format}")), "{page}");
    }
    assert!(page.contains("UTF-8 CSV"));
}

#[actix_web::test]
async fn both_ways_are_described() {
    let document: Value = serde_json::from_str(&minato_server::api::openapi_json()).unwrap();
    for path in ["/datasets/{dataset}/download.zip", "/d/{id}/as/{format}"] {
        assert_eq!(document["paths"][path]["get"]["tags"], json!(["downloads"]), "{path}");
    }
}
