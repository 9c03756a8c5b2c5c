use serde_json::{Value, json};

use crate::site::Site;

const PATH: &str = "/api/v1/search/synonyms";

/// Ids of what a search for a word finds.
async fn found(site: &Site, word: &str) -> Vec<String> {
    let word = percent_encoding::utf8_percent_encode(word, percent_encoding::NON_ALPHANUMERIC);
    let answer = site.get(&format!("/api/v1/search?q={word}")).await.expect(200);
    answer["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_search_finds_by_a_new_synonym_right_after_it_is_saved() {
    let site = Site::open();
    site.dataset("aed", "自動体外式除細動器の一覧").await;
    assert_eq!(found(&site, "びりびり君").await, Vec::<String>::new());
    let list = json!({"text": "# 町の言い方\nびりびり君,除細動器\n"});
    let saved = site.ask("PUT", PATH).token(&site.admin).header("if-match", "\"0\"").json(&list).send().await;
    assert_eq!(saved.header("etag"), "\"1\"");
    let saved = saved.expect(200);
    assert_eq!((&saved["concepts"], &saved["built_in"], &saved["revision"]), (&json!(1), &json!(false), &json!(1)));
    // The answer that was kept a moment ago does not survive.
    assert_eq!(found(&site, "びりびり君").await, ["aed"]);
    assert_eq!(site.get("/datasets?q=%E3%81%B3%E3%82%8A%E3%81%B3%E3%82%8A%E5%90%9B").await.status, 200);

    let reset = site.ask("DELETE", PATH).token(&site.admin).header("if-match", "\"1\"").send().await.expect(200);
    assert_eq!((&reset["built_in"], &reset["revision"]), (&json!(true), &json!(2)));
    assert_eq!(found(&site, "びりびり君").await, Vec::<String>::new());
}

#[actix_web::test]
async fn the_list_is_read_by_everybody_and_kept_with_its_history() {
    let site = Site::open();
    let built_in = site.get(PATH).await;
    assert_eq!(built_in.header("etag"), "\"0\"");
    let built_in = built_in.expect(200);
    assert_eq!((&built_in["built_in"], &built_in["updated"]), (&json!(true), &Value::Null));
    assert!(built_in["concepts"].as_u64().unwrap() > 200 && built_in["text"].as_str().unwrap().contains("避難所"));

    let put = |text: &str| site.ask("PUT", PATH).token(&site.admin).any().json(&json!({"text": text}));
    assert_eq!(put("a,b").send().await.expect(200)["revision"], 1);
    // Another way to end lines is not another list.
    assert_eq!(put("a,b\r\nc,d").send().await.expect(200)["text"], "a,b\nc,d");
    let same = put("a,b\nc,d").send().await.expect(200);
    assert_eq!(same["revision"], 2, "a save that changes nothing changes nothing");
    let mut whole = site.get(PATH).await.expect(200);
    assert_eq!((&whole["text"], &whole["concepts"]), (&json!("a,b\nc,d"), &json!(2)));
    whole["text"] = json!("a,b");
    assert_eq!(site.ask("PUT", PATH).token(&site.admin).header("if-match", "\"2\"").json(&whole).send().await.expect(200)["revision"], 3);
    let trial = site.ask("PUT", &format!("{PATH}?dry_run=true")).token(&site.admin).any().json(&json!({"text": "x,y"})).send().await;
    assert_eq!((trial.header("dry-run"), trial.header("etag")), ("true", ""));
    assert_eq!(trial.expect(200)["text"], "x,y");
    assert_eq!(site.get(PATH).await.expect(200)["text"], "a,b");
    site.ask("DELETE", PATH).token(&site.admin).send().await.expect(200);
    assert_eq!(site.ask("DELETE", PATH).token(&site.admin).send().await.expect(200)["revision"], 4, "it is reset already");
    assert_eq!(site.get(PATH).await.expect(200)["text"], built_in["text"]);
    assert_eq!(put("a,b").send().await.expect(200)["revision"], 5);

    let history = site.ask("GET", &format!("{PATH}/history")).token(&site.admin).send().await.expect(200);
    let actions: Vec<&str> = history["items"].as_array().unwrap().iter().map(|item| item["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["restore", "archive", "update", "update", "create"]);
    let second = site.ask("GET", &format!("{PATH}/history/2")).token(&site.admin).send().await.expect(200);
    assert_eq!((&second["content"]["text"], &second["actor"]), (&json!("a,b\nc,d"), &json!("chief")));
    site.ask("GET", &format!("{PATH}/history/9")).token(&site.admin).send().await.refuses(404, "");
}

#[actix_web::test]
async fn unusable_lines_are_named() {
    let site = Site::open();
    let put = |body: &Value| site.ask("PUT", PATH).token(&site.admin).any().json(body);
    let refused = put(&json!({"text": "a,b\nひとつ\nc,d|e|f\n# 注\n|g"})).send().await;
    refused.refuses(422, "/text");
    let errors = refused.body["errors"].as_array().unwrap();
    let ja: Vec<&str> = errors.iter().map(|error| error["message"]["ja"].as_str().unwrap()).collect();
    assert_eq!(ja.len(), 3);
    assert!(ja[0].starts_with("2 行目「ひとつ」") && ja[1].starts_with("3 行目「c,d|e|f」") && ja[2].starts_with("5 行目「|g」"), "{ja:?}");
    assert!(errors[0]["message"]["en"].as_str().unwrap().starts_with("line 2 `ひとつ`: "));
    assert_eq!(site.get(PATH).await.expect(200)["revision"], 0, "nothing was saved");

    for (body, field) in [
        (json!({}), "/text"),
        (json!({"text": ""}), "/text"),
        (json!({"text": " \r\n "}), "/text"),
        (json!({"text": 5}), "/text"),
        (json!({"text": "a,b\u{0}"}), "/text"),
        (json!({"text": "a,b\u{1}"}), "/text"),
        (json!({"text": "あ,い\n".repeat(25_001)}), "/text"),
        (json!({"text": "a,b", "words": 1}), "/words"),
        (json!([]), ""),
    ] {
        put(&body).send().await.refuses(422, field);
    }
    put(&json!({"text": "あ,い\n".repeat(25_000)})).send().await.expect(200);
}

#[actix_web::test]
async fn only_administrators_change_the_list_and_say_what_they_saw() {
    let site = Site::open();
    let list = json!({"text": "a,b"});
    site.ask("PUT", PATH).any().json(&list).send().await.refuses(401, "");
    site.ask("PUT", PATH).token(&site.publisher).any().json(&list).send().await.refuses(403, "");
    site.ask("DELETE", PATH).send().await.refuses(401, "");
    site.ask("DELETE", PATH).token(&site.publisher).send().await.refuses(403, "");
    site.get(&format!("{PATH}/history")).await.refuses(401, "");
    site.ask("GET", &format!("{PATH}/history")).token(&site.publisher).send().await.refuses(403, "");
    site.ask("GET", &format!("{PATH}/history/1")).token(&site.publisher).send().await.refuses(403, "");

    site.ask("PUT", PATH).token(&site.admin).json(&list).send().await.refuses(428, "");
    for stale in ["\"7\"", "\"nonsense\""] {
        site.ask("PUT", PATH).token(&site.admin).header("if-match", stale).json(&list).send().await.refuses(412, "");
        site.ask("DELETE", PATH).token(&site.admin).header("if-match", stale).send().await.refuses(412, "");
    }
    site.ask("PUT", PATH).token(&site.admin).header("if-match", "nonsense").json(&list).send().await.refuses(400, "If-Match");

    let key = |text: &str| {
        let body = json!({"text": text});
        site.ask("PUT", PATH).token(&site.admin).any().header("idempotency-key", "once").json(&body)
    };
    key("a,b").send().await.expect(200);
    assert_eq!(key("a,b").send().await.header("idempotency-replayed"), "true");
    key("c,d").send().await.refuses(409, "");
}
