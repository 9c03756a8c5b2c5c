use serde_json::{Value, json};

use crate::site::Site;

const DATASETS: &str = "/api/v1/datasets";

#[actix_web::test]
async fn a_dataset_lives_through_its_life() {
    let site = Site::open();
    let created = site.dataset("shelters", "指定緊急避難場所一覧").await;
    assert_eq!(created["organization"]["name"], "府中町");
    assert_eq!(created["url"], "https://catalog.example.jp/datasets/shelters");
    let one = format!("{DATASETS}/shelters");
    let read = site.get(&one).await;
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(read.expect(200), created);
    assert_eq!(site.get(&format!("{DATASETS}/{}", created["id"].as_str().unwrap())).await.expect(200), created);
    assert_eq!(site.ask("HEAD", &one).send().await.status, 200);
    assert_eq!(site.ask("GET", &one).header("if-none-match", "W/\"1\"").send().await.status, 304);

    let patch = json!({"title": "避難場所", "description": null});
    let patched = site.ask("PATCH", &one).token(&site.editor).header("if-match", "\"1\"").json(&patch).send().await;
    assert_eq!(patched.header("etag"), "\"2\"");
    assert_eq!(patched.expect(200)["title"], "避難場所");
    // The kept answer of the public is forgotten at once.
    assert_eq!(site.get(&one).await.expect(200)["title"], "避難場所");

    let difference = site.get(&format!("{one}/diff")).await.expect(200);
    assert!(difference["items"].as_array().unwrap().iter().any(|item| item["field"] == "/title" && item["after"] == "避難場所"));
    assert_eq!(site.get(&format!("{one}/history")).await.expect(200)["total"], 2);
    assert_eq!(site.get(&format!("{one}/history/1")).await.expect(200)["content"]["title"], "指定緊急避難場所一覧");

    let archived = site.ask("DELETE", &one).token(&site.publisher).send().await.expect(200);
    assert_eq!(archived["state"], "archived");
    site.get(&one).await.refuses(410, "");
    assert_eq!(site.get(DATASETS).await.expect(200)["total"], 0);
    assert_eq!(site.ask("GET", &format!("{DATASETS}?state=archived")).token(&site.publisher).send().await.expect(200)["total"], 1);
    site.ask("POST", &format!("{one}/restore")).token(&site.publisher).send().await.expect(200);
    assert_eq!(site.get(&one).await.expect(200)["state"], "published");
}

#[actix_web::test]
async fn the_answer_of_a_get_may_be_sent_back() {
    let site = Site::open();
    site.dataset("aed", "AED設置箇所一覧").await;
    let one = format!("{DATASETS}/aed");
    let link = json!({"title": "一覧", "download_url": "https://example.jp/aed.csv"});
    site.ask("POST", &format!("{one}/distributions")).token(&site.editor).json(&link).send().await.expect(201);
    let read = site.get(&one).await.expect(200);
    for method in ["PUT", "PATCH"] {
        let answer = site.ask(method, &one).token(&site.editor).any().json(&read).send().await;
        assert_eq!(answer.header("etag"), "\"2\"", "{method} of what is there changes nothing: {:#}", answer.body);
        assert_eq!(answer.expect(200), read);
    }
    let mut more = read.clone();
    more["nonsense"] = json!(1);
    site.ask("PUT", &one).token(&site.editor).any().json(&more).send().await.refuses(422, "/nonsense");
    // Without `distributions`, those there stay.
    let replaced = site.ask("PUT", &one).token(&site.editor).any().json(&json!({"title": "AED"})).send().await.expect(200);
    assert_eq!(replaced["distributions"].as_array().unwrap().len(), 1);
    assert_eq!(replaced["keywords"], json!([]));
}

#[actix_web::test]
async fn a_former_name_leads_to_the_current_one() {
    let site = Site::open();
    site.dataset("old-name", "改名").await;
    let patch = json!({"slug": "new-name"});
    site.ask("PATCH", &format!("{DATASETS}/old-name")).token(&site.editor).any().json(&patch).send().await.expect(200);
    let moved = site.get(&format!("{DATASETS}/old-name")).await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (301, "/api/v1/datasets/new-name"));
}

#[actix_web::test]
async fn changes_say_what_they_are_based_on() {
    let site = Site::open();
    site.dataset("based", "基準").await;
    let one = format!("{DATASETS}/based");
    for method in ["PUT", "PATCH"] {
        let body = json!({"title": "基準その二"});
        site.ask(method, &one).token(&site.editor).json(&body).send().await.refuses(428, "");
        site.ask(method, &one).token(&site.editor).header("if-match", "\"5\"").json(&body).send().await.refuses(412, "");
    }
    site.ask("DELETE", &one).token(&site.publisher).header("if-match", "\"5\"").send().await.refuses(412, "");
    assert_eq!(site.get(&one).await.expect(200)["revision"], 1);
}

#[actix_web::test]
async fn a_publishers_own_key_creates_and_replaces() {
    let site = Site::open();
    let path = "/api/v1/organizations/343021/datasets/bousai%2F001";
    let draft = json!({"title": "避難所", "keywords": ["防災"]});
    assert_eq!(site.get(path).await.status, 404);
    for condition in ["*", "\"1\""] {
        site.ask("PUT", path).token(&site.publisher).header("if-match", condition).json(&draft).send().await.refuses(412, "");
    }
    let elsewhere = json!({"title": "x", "organization": "kure-shi"});
    site.ask("PUT", path).token(&site.publisher).json(&elsewhere).send().await.refuses(422, "/organization");
    let created = site.ask("PUT", path).token(&site.publisher).json(&draft).send().await.expect(201);
    assert_eq!(created["identifier"], "bousai/001");
    let again = site.ask("PUT", path).token(&site.publisher).json(&draft).send().await.expect(200);
    assert_eq!(again, created, "the same again changes nothing");
    let changed = site.ask("PUT", path).token(&site.publisher).json(&json!({"title": "避難所一覧"})).send().await.expect(200);
    assert_eq!((&changed["id"], &changed["revision"]), (&created["id"], &json!(2)));
    assert_eq!(site.get(path).await.expect(200), changed);
    site.ask("PUT", path)
        .token(&site.publisher)
        .json(&json!({"title": "x", "identifier": "else"}))
        .send()
        .await
        .refuses(422, "/identifier");
    site.ask("PUT", path).token(&site.publisher).header("if-match", "\"1\"").json(&draft).send().await.refuses(412, "");
    site.ask("PUT", path).token(&site.other).json(&draft).send().await.refuses(403, "");
    assert_eq!(site.ask("PUT", "/api/v1/organizations/nowhere/datasets/1").token(&site.publisher).json(&draft).send().await.status, 404);
}

#[actix_web::test]
async fn a_repeated_key_is_answered_the_same_again() {
    let site = Site::open();
    let draft = json!({"organization": "fuchu-cho", "title": "一度だけ"});
    let send = |body: Value| site.ask("POST", DATASETS).token(&site.publisher).header("idempotency-key", "k-1").json(&body).send();
    let first = send(draft.clone()).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let first = first.expect(201);
    let second = send(draft).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.expect(201), first);
    assert_eq!(site.get(DATASETS).await.expect(200)["total"], 1);
    send(json!({"organization": "fuchu-cho", "title": "別のもの"})).await.refuses(409, "");
    let long = "x".repeat(300);
    let body = json!({"organization": "fuchu-cho", "title": "長い"});
    site.ask("POST", DATASETS)
        .token(&site.publisher)
        .header("idempotency-key", &long)
        .json(&body)
        .send()
        .await
        .refuses(400, "Idempotency-Key");
}

#[actix_web::test]
async fn a_dry_run_leaves_nothing() {
    let site = Site::open();
    let draft = json!({"organization": "fuchu-cho", "slug": "trial", "title": "試し", "keywords": ["新語"]});
    let answer = site
        .ask("POST", &format!("{DATASETS}?dry_run=true"))
        .token(&site.publisher)
        .header("idempotency-key", "k")
        .json(&draft)
        .send()
        .await;
    assert_eq!((answer.header("dry-run"), answer.header("location"), answer.header("etag")), ("true", "", ""));
    assert_eq!(answer.expect(201)["title"], "試し");
    assert_eq!(site.get(&format!("{DATASETS}/trial")).await.status, 404);
    assert_eq!(site.get("/api/v1/keywords").await.expect(200)["total"], 0);
    assert_eq!(site.get("/api/v1/changes").await.expect(200)["items"], json!([]));
    site.ask("POST", &format!("{DATASETS}?dry_run=true"))
        .token(&site.publisher)
        .json(&json!({"organization": "fuchu-cho"}))
        .send()
        .await
        .refuses(422, "/title");
    let made = site.ask("POST", DATASETS).token(&site.publisher).header("idempotency-key", "k").json(&draft).send().await;
    assert_eq!((made.status.as_u16(), made.header("idempotency-replayed")), (201, ""));
    let one = format!("{DATASETS}/trial?dry_run=true");
    assert_eq!(site.ask("DELETE", &one).token(&site.publisher).send().await.expect(200)["state"], "archived");
    assert_eq!(site.get(&format!("{DATASETS}/trial")).await.expect(200)["state"], "published");
}

#[actix_web::test]
async fn roles_decide_who_may_write() {
    let site = Site::open();
    let draft = |state: &str| json!({"organization": "fuchu-cho", "title": "権限", "state": state});
    site.ask("POST", DATASETS).json(&draft("draft")).send().await.refuses(401, "");
    site.ask("POST", DATASETS).token(&site.other).json(&draft("draft")).send().await.refuses(403, "");
    site.ask("POST", DATASETS).token(&site.editor).json(&draft("published")).send().await.refuses(403, "");
    let hidden = site.ask("POST", DATASETS).token(&site.editor).json(&draft("draft")).send().await.expect(201);
    let one = format!("{DATASETS}/{}", hidden["id"].as_str().unwrap());
    site.get(&one).await.refuses(404, "");
    site.ask("GET", &one).token(&site.other).send().await.refuses(404, "");
    site.ask("PATCH", &one).token(&site.other).any().json(&json!({"title": "x"})).send().await.refuses(404, "");
    assert_eq!(site.ask("GET", &one).token(&site.editor).send().await.expect(200)["state"], "draft");
    assert_eq!(site.get(DATASETS).await.expect(200)["total"], 0);
    site.ask("POST", &format!("{one}/archive")).token(&site.editor).send().await.refuses(403, "");
    let published = json!({"state": "published"});
    site.ask("PATCH", &one).token(&site.editor).any().json(&published).send().await.refuses(403, "");
    site.ask("PATCH", &one).token(&site.publisher).any().json(&published).send().await.expect(200);
    assert_eq!(site.get(&one).await.status, 200);
    site.ask("PATCH", &one).token(&site.other).any().json(&json!({"title": "x"})).send().await.refuses(403, "");
}

#[actix_web::test]
async fn lists_have_filters_and_cursors() {
    let site = Site::open();
    for number in 1..=7 {
        site.dataset(&format!("list-{number}"), &format!("一覧その{number}")).await;
    }
    site.ask("POST", DATASETS)
        .token(&site.other)
        .json(&json!({"organization": "342025", "title": "AED設置箇所一覧", "identifier": "k-9", "visibility": "internal", "keywords": ["救急"]}))
        .send()
        .await
        .expect(201);
    for order in ["updated", "-updated", "slug"] {
        let mut seen = Vec::new();
        let mut path = format!("{DATASETS}?limit=3&order={order}");
        loop {
            let page = site.get(&path).await.expect(200);
            assert_eq!(page["total"], 7);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!(
                "{DATASETS}?limit=3&order={order}&cursor={}",
                percent_encoding::utf8_percent_encode(cursor, percent_encoding::NON_ALPHANUMERIC)
            );
        }
        seen.sort();
        assert_eq!(seen, (1..=7).map(|number| format!("list-{number}")).collect::<Vec<_>>(), "{order}");
    }
    for (query, total) in [
        ("organization=fuchu-cho", 7),
        ("organization=342025", 1),
        ("visibility=internal", 1),
        ("keyword=%E6%95%91%E6%80%A5", 1),
        ("theme=gr_1400", 7),
        ("identifier=k-9", 1),
        ("standard_dataset=aed", 1),
        ("title=%E3%81%9D%E3%81%AE3", 1),
        ("updated_from=2999-01-01", 0),
        ("state=draft", 0),
    ] {
        let page = site.ask("GET", &format!("{DATASETS}?{query}")).token(&site.other).send().await.expect(200);
        assert_eq!(page["total"], total, "{query}");
    }
    assert_eq!(site.get(&format!("{DATASETS}?visibility=internal")).await.expect(200)["total"], 0);
}

#[actix_web::test]
async fn changes_can_be_followed_and_deletions_carry_the_id_only() {
    let site = Site::open();
    let kept = site.dataset("kept", "残る").await;
    let gone = site.dataset("gone", "消える").await;
    let hidden = site.dataset("hidden", "非公開になる").await;
    let secret = json!({"organization": "fuchu-cho", "title": "下書き", "state": "draft"});
    site.ask("POST", DATASETS).token(&site.editor).json(&secret).send().await.expect(201);
    site.ask("DELETE", &format!("{DATASETS}/gone")).token(&site.publisher).send().await.expect(200);
    site.ask("PATCH", &format!("{DATASETS}/hidden"))
        .token(&site.publisher)
        .any()
        .json(&json!({"visibility": "internal"}))
        .send()
        .await
        .expect(200);
    let mut items = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = site.get(&format!("/api/v1/changes?limit=3&cursor={cursor}")).await.expect(200);
        items.extend(page["items"].as_array().unwrap().clone());
        cursor = page["next_cursor"].as_str().unwrap().to_owned();
        if page["more"] == false {
            break;
        }
    }
    let of = |id: &Value| items.iter().filter(|item| item["dataset_id"] == *id).collect::<Vec<_>>();
    assert_eq!(of(&kept["id"]).len(), 1);
    assert_eq!(of(&kept["id"])[0]["slug"], "kept");
    assert!(of(&gone["id"]).iter().all(|item| item["deleted"] == true && item.get("slug").is_none() && item.get("revision").is_none()));
    let hidden = of(&hidden["id"]);
    assert_eq!(hidden.len(), 1, "only the change that hid it: {hidden:#?}");
    assert_eq!((&hidden[0]["deleted"], hidden[0].get("slug")), (&json!(true), None));
    assert_eq!(items.len(), 1 + 2 + 1, "the draft is nobody's business: {items:#?}");
    let next = site.get(&format!("/api/v1/changes?cursor={cursor}")).await.expect(200);
    assert_eq!((&next["items"], next["next_cursor"].as_str().unwrap()), (&json!([]), cursor.as_str()));
    let members = site.ask("GET", "/api/v1/changes").token(&site.editor).send().await.expect(200);
    assert!(members["items"].as_array().unwrap().len() > items.len());
}

#[actix_web::test]
async fn a_licence_that_is_none_of_ours_is_shown_in_the_publishers_words() {
    let site = Site::open();
    let draft = json!({"organization": "fuchu-cho", "slug": "own", "title": "独自の規約のデータ", "licence_text": "府中町<b>利用規約</b>"});
    site.ask("POST", "/api/v1/datasets").token(&site.publisher).json(&draft).send().await.expect(201);
    let page = site.get("/datasets/own").await.text;
    assert!(page.contains("府中町&#60;b&#62;利用規約") && !page.contains("ライセンスの記載がありません"), "{page}");
}
