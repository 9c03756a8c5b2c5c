use serde_json::{Value, json};

use crate::site::{Site, form_parts};

const CSV: &[u8] = "名称,緯度,経度\n府中小学校,34.39,132.50\n".as_bytes();

async fn uploaded(site: &Site, name: &str, content: &[u8]) -> Value {
    let path = "/api/v1/datasets/files/distributions";
    site.ask("POST", path).token(&site.editor).form(&[("file", name, content)]).send().await.expect(201)
}

async fn site() -> Site {
    let site = Site::open();
    site.dataset("files", "ファイル").await;
    site
}

#[actix_web::test]
async fn a_part_or_a_compressed_file_is_not_taken_for_the_file() {
    let site = site().await;
    let id = uploaded(&site, "避難所.csv", CSV).await["id"].as_str().unwrap().to_owned();
    let file = format!("/api/v1/distributions/{id}/file?file_name=a.csv");
    let put = || site.ask("PUT", &file).token(&site.editor);
    put().header("content-range", "bytes 0-3/100").body("text/csv", "a,b\n").send().await.refuses(400, "Content-Range");
    let packed = put().header("content-encoding", "gzip").body("text/csv", "a,b\n").send().await;
    packed.refuses(415, "");
    assert!(packed.body["detail_en"].as_str().unwrap().contains("Content-Encoding"));
    for (name, value, status) in [("content-encoding", "br", 415), ("content-range", "bytes 0-3/4", 400)] {
        put().header(name, value).form(&[("file", "a.csv", CSV)]).send().await.refuses(status, "");
    }
    assert_eq!(site.get(&format!("/api/v1/distributions/{id}")).await.expect(200)["file"]["version"], 1);
    put().header("content-encoding", "identity").body("text/csv", "a,b\n").send().await.expect(201);
}

#[actix_web::test]
async fn a_program_is_no_spreadsheet() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions";
    let link = json!({"title": "x", "download_url": "https://example.jp/setup.exe"});
    let link = site.ask("POST", path).token(&site.editor).json(&link).send().await.expect(201);
    assert_eq!(link["format"], "EXE");
    let one = format!("/api/v1/distributions/{}", link["id"].as_str().unwrap());
    let patched = site.ask("PATCH", &one).token(&site.editor).any().json(&json!({"title": "y"})).send().await.expect(200);
    assert_eq!(patched["format"], "EXE");
}

#[actix_web::test]
async fn a_link_lives_through_its_life() {
    let site = site().await;
    let draft = json!({"title": "一覧", "download_url": "https://example.jp/list.csv"});
    let created = site.ask("POST", "/api/v1/datasets/files/distributions").token(&site.editor).json(&draft).send().await;
    assert_eq!(created.header("etag"), "\"2\"", "the revision of the dataset");
    let created = created.expect(201);
    let id = created["id"].as_str().unwrap().to_owned();
    assert_eq!((&created["format"], &created["url"]), (&json!("CSV"), &json!(format!("https://catalog.example.jp/d/{id}"))));
    let one = format!("/api/v1/distributions/{id}");
    assert_eq!(site.get(&one).await.expect(200), created);
    site.ask("PATCH", &one).token(&site.editor).json(&json!({"title": "x"})).send().await.refuses(428, "");
    let patched = site
        .ask("PATCH", &one)
        .token(&site.editor)
        .header("if-match", "\"2\"")
        .json(&json!({"title": "新しい一覧"}))
        .send()
        .await
        .expect(200);
    assert_eq!(patched["title"], "新しい一覧");
    site.ask("PUT", &one).token(&site.editor).header("if-match", "\"2\"").json(&patched).send().await.refuses(412, "");
    let same = site.ask("PUT", &one).token(&site.editor).any().json(&patched).send().await.expect(200);
    assert_eq!(same, patched, "an answer may be sent back");
    site.ask("PUT", &one).token(&site.editor).any().json(&json!({"titel": "x"})).send().await.refuses(422, "/titel");

    let without = site.ask("DELETE", &one).token(&site.editor).send().await.expect(200);
    assert_eq!(without["distributions"], json!([]));
    assert_eq!(site.get(&one).await.status, 404);
    let restored = site.ask("POST", &format!("{one}/restore")).token(&site.editor).send().await.expect(200);
    assert_eq!(restored["title"], "新しい一覧");
    assert_eq!(site.get("/api/v1/datasets/files/distributions").await.expect(200)["total"], 1);
}

#[actix_web::test]
async fn a_file_has_versions_and_comes_back_with_them() {
    let site = site().await;
    let created = uploaded(&site, "避難所.csv", CSV).await;
    assert_eq!((&created["title"], &created["format"], &created["media_type"]), (&json!("避難所.csv"), &json!("CSV"), &json!("text/csv")));
    let id = created["id"].as_str().unwrap();
    let url = created["url"].as_str().unwrap();
    assert_eq!(url, format!("https://catalog.example.jp/datasets/files/download/{id}/%E9%81%BF%E9%9B%A3%E6%89%80.csv"));
    let downloaded = site.get(url.strip_prefix("https://catalog.example.jp").unwrap()).await;
    assert_eq!(downloaded.status, 200);

    let file = format!("/api/v1/distributions/{id}/file");
    let same = site.ask("PUT", &file).token(&site.editor).form(&[("file", "避難所.csv", CSV)]).send().await.expect(200);
    assert_eq!(same["file"]["version"], 1, "the same bytes are no new version");
    let second =
        site.ask("PUT", &format!("{file}?file_name=new.csv")).token(&site.editor).body("text/csv", "a,b\n1,2\n").send().await.expect(201);
    assert_eq!((&second["file"]["version"], &second["file"]["file_name"]), (&json!(2), &json!("new.csv")));
    let disposition = "attachment; filename*=UTF-8''%E4%B8%89.csv";
    let third = site
        .ask("POST", &file)
        .token(&site.editor)
        .header("content-disposition", disposition)
        .body("text/csv", "a\n3\n")
        .send()
        .await
        .expect(201);
    assert_eq!(third["file"]["file_name"], "三.csv");
    site.ask("PUT", &file).token(&site.editor).body("text/csv", "a\n4\n").send().await.refuses(422, "/file_name");

    let versions = site.get(&format!("/api/v1/distributions/{id}/versions")).await.expect(200);
    let numbers: Vec<i64> = versions["items"].as_array().unwrap().iter().map(|version| version["version"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let one = format!("/api/v1/distributions/{id}");
    site.ask("POST", &format!("{one}/archive")).token(&site.editor).send().await.expect(200);
    site.ask("POST", &format!("{one}/restore")).token(&site.editor).send().await.expect(200);
    assert_eq!(site.get(&one).await.expect(200)["file"]["version"], 3);
    assert_eq!(site.get(&format!("{one}/versions")).await.expect(200)["total"], 3);
}

#[actix_web::test]
async fn a_form_may_say_more_than_the_file() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions";
    let draft = r#"{"title": "上書きされる", "description": "市内", "licence": "CC0"}"#.as_bytes();
    let parts: &[(&str, &str, &[u8])] =
        &[("draft", "", draft), ("title", "", "題".as_bytes()), ("language", "", b"ja, en"), ("file", "a.csv", CSV)];
    let created = site.ask("POST", path).token(&site.editor).form(parts).send().await.expect(201);
    assert_eq!((&created["title"], &created["description"], &created["licence"]), (&json!("題"), &json!("市内"), &json!("CC0-1.0")));
    assert_eq!(created["language"], json!(["ja", "en"]));
    for (parts, status, field) in [
        (vec![("title", "", &b"x"[..])], 422, "/file"),
        (vec![("file", "", &b"x"[..])], 422, "/file"),
        (vec![("colour", "", &b"x"[..]), ("file", "a.csv", CSV)], 422, "/colour"),
        (vec![("draft", "", &b"{"[..]), ("file", "a.csv", CSV)], 400, ""),
        (vec![("draft", "", &b"[]"[..]), ("file", "a.csv", CSV)], 422, "/draft"),
        (vec![("draft", "", &br#"{"byte_size": "x"}"#[..]), ("file", "a.csv", CSV)], 422, "/byte_size"),
        (vec![("title", "", &b"\xff\xfe"[..]), ("file", "a.csv", CSV)], 400, "/title"),
        (vec![("file", "a.csv", &b""[..])], 422, "/file"),
        (vec![("accept_mismatch", "", &b"maybe"[..]), ("file", "a.csv", CSV)], 400, "/accept_mismatch"),
    ] {
        site.ask("POST", path).token(&site.editor).form(&parts).send().await.refuses(status, field);
    }
    assert_eq!(site.get(path).await.expect(200)["total"], 1);
}

#[actix_web::test]
async fn name_and_bytes_must_agree_or_be_accepted() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions";
    let pdf: &[(&str, &str, &[u8])] = &[("file", "a.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")];
    site.ask("POST", path).token(&site.editor).form(pdf).send().await.refuses(422, "/file");
    site.ask("POST", &format!("{path}?accept_mismatch=true")).token(&site.editor).form(pdf).send().await.expect(201);
}

#[actix_web::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions";
    let body = form_parts(&[("file", "a.csv", &[b'x'; 600_000])]);
    for end in [body.len() - 2, body.len() / 2, 40, 0] {
        let cut = body[..end].to_vec();
        site.ask("POST", path).token(&site.editor).body("multipart/form-data; boundary=boundary", cut).send().await.refuses(400, "");
    }
    site.ask("POST", path).token(&site.editor).body("multipart/form-data", body).send().await.refuses(400, "");
    assert_eq!(site.files_kept(), 0);
    assert_eq!(site.get(path).await.expect(200)["total"], 0);
}

#[actix_web::test]
async fn a_file_above_the_limit_is_refused_and_leaves_nothing() {
    let site = Site::open_with(|settings| settings.upload_bytes_max = 300_000);
    site.dataset("files", "ファイル").await;
    let path = "/api/v1/datasets/files/distributions";
    let big = vec![b'x'; 300_001];
    site.ask("POST", path).token(&site.editor).form(&[("file", "a.txt", &big)]).send().await.refuses(413, "");
    assert_eq!(site.files_kept(), 0);
    site.ask("POST", path).token(&site.editor).form(&[("file", "a.txt", &big[1..])]).send().await.expect(201);
}

#[actix_web::test]
async fn who_may_not_upload_is_told_before_anything_is_kept() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions";
    let id = uploaded(&site, "a.csv", CSV).await["id"].as_str().unwrap().to_owned();
    let kept = site.files_kept();
    let file = format!("/api/v1/distributions/{id}/file");
    let parts: &[(&str, &str, &[u8])] = &[("file", "b.csv", b"b\n1\n")];
    for path in [path, &file] {
        site.ask("POST", path).form(parts).send().await.refuses(401, "");
        site.ask("POST", path).token(&site.other).form(parts).send().await.refuses(403, "");
    }
    assert_eq!(site.files_kept(), kept);
    assert_eq!(site.ask("POST", "/api/v1/datasets/nowhere/distributions").token(&site.editor).form(parts).send().await.status, 404);
}

#[actix_web::test]
async fn a_dry_run_keeps_no_file() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions?dry_run=true";
    let answer = site.ask("POST", path).token(&site.editor).form(&[("file", "a.csv", CSV)]).send().await;
    assert_eq!(answer.header("dry-run"), "true");
    assert_eq!(answer.expect(201)["format"], "CSV");
    assert_eq!(site.files_kept(), 0);
    assert_eq!(site.get("/api/v1/datasets/files/distributions").await.expect(200)["total"], 0);
}

#[actix_web::test]
async fn a_repeated_upload_with_its_key_is_made_once() {
    let site = site().await;
    let path = "/api/v1/datasets/files/distributions";
    let send = |content: &'static [u8]| {
        site.ask("POST", path).token(&site.editor).header("idempotency-key", "u").form(&[("file", "a.csv", content)]).send()
    };
    let first = send(CSV).await.expect(201);
    let second = send(CSV).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.expect(201)["id"], first["id"]);
    send(b"other\n1\n").await.refuses(409, "");
}
