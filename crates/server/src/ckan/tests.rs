use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::test as web_test;
use minato_app::AppSettings;
use minato_app::catalog::{
    ContactPoint, Dataset, DatasetContent, DatasetState, Distribution, FieldError, FileVersion, Licence, OrganizationDraft, RecordState,
    Spatial, Temporal, UserDraft, Visibility, Vocabulary, built_in_licences, new_id, parse_day,
};
use minato_app::catalog::{Organization, User, parse_moment};
use proptest::prelude::*;
use serde_json::json;

use super::failure::Fields;
use super::package::{Site, dataset_draft, package};
use super::*;

fn directory() -> Directory {
    let mut directory = Directory::default();
    directory.vocabulary = Arc::new(Vocabulary::built_in());
    let now = chrono::Utc::now();
    directory.licences = built_in_licences()
        .into_iter()
        .map(|(id, draft)| (id.clone(), Licence { id, draft, state: RecordState::Active, revision: 1, created: now, updated: now }))
        .collect();
    directory
}

fn rich() -> Dataset {
    let at = parse_moment("2026-11-20T03:00:00.123456Z").unwrap();
    let day = |text: &str| parse_day(text);
    let text = |text: &str| Some(text.to_owned());
    let file = FileVersion {
        version: 2,
        sha256: "ab".repeat(32),
        byte_size: 123,
        file_name: "避難所 一覧.csv".to_owned(),
        media_type: "text/csv".to_owned(),
        created: at,
        source_url: None,
    };
    let distribution = Distribution {
        id: new_id(),
        title: "一覧".to_owned(),
        title_en: text("List"),
        description: " 説明 ".to_owned(),
        format: text("CSV"),
        media_type: text("text/csv"),
        licence: text("CC0-1.0"),
        access_url: text("https://example.jp/page"),
        download_url: None,
        file: Some(file),
        byte_size: Some(123),
        issued: day("2024-04-01"),
        modified: Some(at),
        language: vec!["ja".to_owned(), "en".to_owned()],
        conforms_to: vec!["https://example.jp/standard".to_owned()],
        identifier: text("f-1"),
        extras: BTreeMap::from([("encoding".to_owned(), "Shift_JIS".to_owned())]),
    };
    let link = Distribution {
        id: new_id(),
        title: "PDF".to_owned(),
        format: text("PDF"),
        media_type: text("application/pdf"),
        access_url: None,
        download_url: text("https://example.jp/a.pdf"),
        file: None,
        byte_size: Some(5),
        extras: BTreeMap::from([("hash".to_owned(), "md5:1".to_owned())]),
        licence: None,
        ..distribution.clone()
    };
    let page =
        Distribution { id: new_id(), access_url: text("https://example.jp/map"), download_url: None, format: text("HTML"), ..link.clone() };
    let content = DatasetContent {
        slug: "hinanjo".to_owned(),
        organization_id: new_id(),
        identifier: text("34-1"),
        title: "避難所一覧".to_owned(),
        title_en: text("Shelters"),
        description: "説明\n\n* 一\n".to_owned(),
        description_en: text("Text"),
        state: DatasetState::Published,
        visibility: Visibility::Internal,
        keywords: vec!["防災".to_owned(), "a,b".to_owned()],
        themes: vec!["gr_1400".to_owned()],
        licence: text("CC-BY-4.0"),
        licence_text: text("ＣＣ　ＢＹ"),
        landing_page: text("https://example.jp/"),
        contact_point: Some(ContactPoint {
            name: text("危機管理課"),
            email: text("a@example.jp"),
            telephone: text("082-000-0000"),
            url: text("https://example.jp/form"),
        }),
        creator: text("作成者"),
        accrual_periodicity: text("annual"),
        issued: day("2024-04-01"),
        modified: at,
        spatial: Some(Spatial {
            label: text("府中町"), area_codes: vec!["343021".to_owned()], bbox: Some([132.5, 34.25, 132.625, 34.5])
        }),
        temporal: Some(Temporal { start: day("2024-04-01"), end: None }),
        language: vec!["ja".to_owned()],
        version: text("1.0"),
        conforms_to: vec!["A".to_owned(), "B".to_owned()],
        standard_dataset: None,
        extras: BTreeMap::from([("備考".to_owned(), "なし".to_owned()), ("author_email".to_owned(), "b@example.jp".to_owned())]),
        provenance: None,
        duplicate_of: None,
        distributions: vec![distribution, link, page],
    };
    Dataset { id: new_id(), content, revision: 3, created: at, updated: at }
}

/// Shows a dataset, reads it back as an update, and applies that.
fn round_trip(dataset: &Dataset) -> DatasetContent {
    let directory = directory();
    let site = Site { base_url: "https://data.example.jp", directory: &directory };
    let shown = package(dataset, site);
    let draft = dataset_draft(&Params(shown), Some(dataset), site).unwrap();
    assert_eq!(draft.check(&directory.vocabulary), Vec::<FieldError>::new());
    let owner = dataset.content.organization_id;
    draft.apply(dataset.id, owner, "org", Some(&dataset.content), &directory.vocabulary, chrono::Utc::now())
}

fn extra<'a>(shown: &'a Map<String, Value>, key: &str) -> Vec<&'a str> {
    let list = shown["extras"].as_array().unwrap();
    list.iter().filter(|extra| extra["key"] == key).filter_map(|extra| extra["value"].as_str()).collect()
}

fn draft_of(sent: Value, previous: Option<&Dataset>) -> Result<minato_app::catalog::DatasetDraft, Failure> {
    let directory = directory();
    let Value::Object(fields) = sent else { panic!("not an object") };
    dataset_draft(&Params(fields), previous, Site { base_url: "https://data.example.jp", directory: &directory })
}

#[test]
fn what_is_shown_reads_back_the_same() {
    let mut dataset = rich();
    // The standard dataset is recognized from the title.
    dataset.content.standard_dataset = minato_app::catalog::find_standard_dataset(&dataset.content.title).map(|found| found.id.to_owned());
    assert_eq!(round_trip(&dataset), dataset.content);

    let mut bare = dataset.clone();
    bare.content = DatasetContent {
        licence: None,
        licence_text: Some("町の規約".to_owned()),
        visibility: Visibility::Public,
        temporal: Some(Temporal { start: parse_day("2020-01-01"), end: parse_day("2020-12-31") }),
        spatial: Some(Spatial { label: Some("府中町".to_owned()), ..Spatial::default() }),
        contact_point: None,
        extras: BTreeMap::from([("frequency".to_owned(), "気が向いたら".to_owned())]),
        accrual_periodicity: None,
        conforms_to: vec!["[1".to_owned()],
        language: Vec::new(),
        ..dataset.content.clone()
    };
    assert_eq!(round_trip(&bare), bare.content);
}

#[test]
fn a_package_looks_as_in_ckan() {
    let dataset = rich();
    let directory = directory();
    let shown = package(&dataset, Site { base_url: "https://data.example.jp", directory: &directory });
    for (key, value) in [
        ("name", json!("hinanjo")),
        ("author", json!("作成者")),
        ("author_email", json!("b@example.jp")),
        ("maintainer", json!("危機管理課")),
        ("license_id", json!("cc-by")),
        ("isopen", json!(true)),
        ("private", json!(true)),
        ("state", json!("active")),
        ("type", json!("dataset")),
        ("metadata_modified", json!("2026-11-20T03:00:00.123456")),
        ("num_resources", json!(3)),
        ("num_tags", json!(2)),
        ("relationships_as_object", json!([])),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert_eq!(shown["groups"][0]["name"], "gr_1400");
    assert_eq!(shown["tags"][0]["display_name"], "防災");
    let (kept, link) = (&shown["resources"][0], &shown["resources"][1]);
    let id = dataset.content.distributions[0].id;
    assert_eq!(
        kept["url"],
        format!("https://data.example.jp/datasets/hinanjo/download/{id}/%E9%81%BF%E9%9B%A3%E6%89%80%20%E4%B8%80%E8%A6%A7.csv")
    );
    assert_eq!((&kept["url_type"], &kept["hash"]), (&json!("upload"), &json!("ab".repeat(32))));
    assert_eq!((&link["url"], &link["url_type"], &link["position"]), (&json!("https://example.jp/a.pdf"), &Value::Null, &json!(1)));
    for key in ["identifier", "frequency", "spatial", "temporal", "language", "conforms_to", "備考"] {
        assert_eq!(extra(&shown, key).len(), 1, "{key}");
    }
    assert_eq!(extra(&shown, "temporal"), ["2024-04-01/.."]);
}

#[test]
fn extras_become_the_fields_they_mean_and_what_nobody_understands_stays() {
    let draft = draft_of(
        json!({"name": "a-b", "owner_org": "x", "custom": 5, "tag_string": "防災, 避難", "license_id": "ccby", "url": "example.jp/x", "extras": [
            {"key": "frequency", "value": "年１回"}, {"key": "temporal", "value": "2024年4月1日/2025-03-31"}, {"key": "spatial", "value": "広島県"},
            {"key": "language", "value": "日本語"}, {"key": "issued", "value": "いつか"}, {"key": "x", "value": {"y": 1}}]}),
        None,
    )
    .unwrap();
    assert_eq!(draft.title, "a-b");
    assert_eq!(draft.accrual_periodicity.as_deref(), Some("annual"));
    assert_eq!(draft.temporal, Some(Temporal { start: parse_day("2024-04-01"), end: parse_day("2025-03-31") }));
    assert_eq!(draft.spatial.unwrap().label.as_deref(), Some("広島県"));
    assert_eq!(draft.language, ["ja"]);
    assert_eq!(draft.keywords, ["防災", "避難"]);
    assert_eq!((draft.licence.as_deref(), draft.licence_text.as_deref()), (Some("CC-BY-4.0"), Some("ccby")));
    assert_eq!(draft.landing_page.as_deref(), Some("http://example.jp/x"));
    let kept = [("custom", "5"), ("issued", "いつか"), ("x", "{\"y\":1}")];
    assert_eq!(draft.extras, kept.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
}

#[test]
fn an_update_without_resources_keeps_them_and_ids_survive_renames() {
    let dataset = rich();
    let there = &dataset.content.distributions;
    let draft = draft_of(json!({"id": dataset.id, "title": "新"}), Some(&dataset)).unwrap();
    assert_eq!(draft.distributions, None);
    assert_eq!((draft.slug.as_deref(), draft.visibility), (Some("hinanjo"), Visibility::Internal));

    let ids = |sent: Value| -> Vec<Option<uuid::Uuid>> {
        let draft = draft_of(json!({"id": dataset.id, "resources": sent}), Some(&dataset)).unwrap();
        draft.distributions.unwrap().into_iter().map(|distribution| distribution.id).collect()
    };
    assert_eq!(ids(json!([{"id": there[1].id, "name": "改名", "url": "https://example.jp/b.pdf"}])), [Some(there[1].id)]);
    assert_eq!(
        ids(json!([{"url": "https://example.jp/a.pdf", "name": "改名"}, {"url": "https://example.jp/new.csv"}])),
        [Some(there[1].id), None]
    );
    assert_eq!(ids(json!([{"name": "一覧"}])), [Some(there[0].id)]);
    // Two of the same address: the one with the same name keeps the id.
    let twice = json!([{"url": "https://example.jp/a.pdf", "name": "x"}, {"url": "https://example.jp/a.pdf", "name": "PDF"}]);
    assert_eq!(ids(twice), [None, Some(there[1].id)]);
    assert_eq!(ids(json!("[]")), []);
}

#[test]
fn of_two_notations_of_a_period_the_changed_one_counts() {
    let dataset = rich();
    let pair = |start: &str, interval: &str| {
        let sent = json!({"id": "x", "extras": [{"key": "temporal_start", "value": start}, {"key": "temporal", "value": interval}]});
        draft_of(sent, Some(&dataset)).unwrap().temporal.unwrap()
    };
    assert_eq!(pair("2024-04-01", "2023-04-01/..").start, parse_day("2023-04-01"));
    assert_eq!(pair("2022-04-01", "2024-04-01/..").start, parse_day("2022-04-01"));
}

#[test]
fn a_shape_finer_than_its_box_is_kept() {
    let shape = json!({"type": "Point", "coordinates": [132.5, 34.5]}).to_string();
    let draft = draft_of(json!({"name": "ab", "extras": [{"key": "spatial", "value": shape}]}), None).unwrap();
    assert_eq!(draft.spatial.unwrap().bbox, Some([132.5, 34.5, 132.5, 34.5]));
    assert_eq!(draft.extras["spatial"], shape);
}

#[test]
fn mistakes_name_ckans_fields() {
    let errors = |sent: Value| draft_of(sent, None).unwrap_err().error();
    assert_eq!(errors(json!({"name": "a", "title": {}}))["title"][0], "Must be a Unicode string value");
    assert_eq!(
        errors(json!({"extras": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}))["extras_validation"][0],
        "Duplicate key \"a\""
    );
    let resources = errors(json!({"resources": [{"url": "https://example.jp"}, {"id": "nonsense"}]}));
    assert_eq!(resources["resources"][0], json!({}));
    assert_eq!(resources["resources"][1]["id"][0], "Invalid id provided");
    assert_eq!(resources["__type"], "Validation Error");

    let field = |field: &str, code: &str| FieldError::new(field, code, format!("{field} は変です"), format!("{field} is odd"));
    let list = vec![field("/slug", "taken"), field("/distributions/1/download_url", "invalid_url"), field("/keywords/2", "too_long")];
    let error = Failure::of(Error::Invalid(list), Fields::Dataset).error();
    assert_eq!(error["name"][0], "That URL is already in use.");
    assert_eq!(error["resources"], json!([{}, {"url": ["url is odd", "url は変です"]}]));
    assert_eq!(error["tags"][2]["name"][0], "name is odd");
    // Resource actions answer the resource's own part.
    let failure = Failure::of(Error::invalid(field("/distributions/1/title", "too_long")), Fields::Distribution).of_resource(1);
    assert_eq!(failure.error(), json!({"name": ["name is odd", "name は変です"], "__type": "Validation Error"}));
}

#[test]
fn every_action_has_one_name_and_help() {
    for (index, action) in ACTIONS.iter().enumerate() {
        assert!(ACTIONS[index + 1..].iter().all(|other| other.name != action.name), "{}", action.name);
        assert!(action.help.contains('。') && !action.help.is_ascii(), "{}", action.name);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(\\PC{0,12}|\\[\\]|\\{\\}|\\[\"a\"\\]|2024-04-01|2024-04-01/..|https://example.jp/a.csv)".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let keys = "(key|value|name|id|url|size|title|state|spatial|temporal|language|coordinates|[a-z]{0,3})";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((keys, inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_package_panics(values in proptest::collection::vec((0_usize..40, any_json()), 0..8)) {
        const KEYS: &[&str] = &["name", "title", "notes", "tags", "tag_string", "groups", "extras", "resources", "private", "state", "license_id", "url",
            "maintainer", "owner_org", "version", "author", "custom"];
        let fields: Map<String, Value> = values.into_iter().map(|(key, value)| (KEYS[key % KEYS.len()].to_owned(), value)).collect();
        let dataset = rich();
        let directory = directory();
        let site = Site { base_url: "https://data.example.jp", directory: &directory };
        for previous in [None, Some(&dataset)] {
            if let Ok(draft) = dataset_draft(&Params(fields.clone()), previous, site) {
                let _ = draft.check(&directory.vocabulary);
            }
        }
    }
}

/// A server with an organization `kure`, an administrator's token and an editor-less token.
struct Server {
    state: Shared,
    token: String,
    _dir: tempfile::TempDir,
}

fn server() -> Server {
    let dir = tempfile::tempdir().unwrap();
    let app = App::open(AppSettings::new(dir.path())).unwrap();
    let system = Context::system("test");
    app.create::<Organization>(&system, None, OrganizationDraft { slug: "kure".to_owned(), name: "呉市".to_owned(), ..Default::default() })
        .unwrap();
    app.create::<User>(&system, None, UserDraft { name: "admin".to_owned(), admin: true, ..Default::default() }).unwrap();
    let token = app.create_token(&system, "admin", "test", Default::default(), None).unwrap().secret;
    Server { state: crate::server::state(app, Arc::new(ServerSettings::default())), token, _dir: dir }
}

impl Server {
    async fn send(&self, request: web_test::TestRequest) -> (StatusCode, Value) {
        let service = web_test::init_service(actix_web::App::new().app_data(self.state.clone()).configure(configure)).await;
        let response = web_test::call_service(&service, request.to_request()).await;
        let status = response.status();
        let body = web_test::read_body(response).await;
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
    }

    async fn post(&self, action: &str, body: Value) -> (StatusCode, Value) {
        let request =
            web_test::TestRequest::post().uri(&format!("/api/3/action/{action}")).insert_header(("authorization", self.token.as_str()));
        self.send(request.set_json(body)).await
    }
}

#[actix_web::test]
async fn writes_need_a_token_and_post_and_answers_have_ckans_envelope() {
    let server = server();
    let sent = json!({"name": "a-b", "title": "題", "owner_org": "kure"});
    let anonymous = web_test::TestRequest::post().uri("/api/action/package_create").set_json(&sent);
    let (status, body) = server.send(anonymous).await;
    assert_eq!((status, &body["error"]["__type"], &body["success"]), (StatusCode::FORBIDDEN, &json!("Authorization Error"), &json!(false)));
    let wrong = web_test::TestRequest::post().uri("/api/action/package_create").insert_header(("x-ckan-api-key", "wrong")).set_json(&sent);
    assert_eq!(server.send(wrong).await.0, StatusCode::FORBIDDEN);
    let get =
        web_test::TestRequest::get().uri("/api/3/action/package_create?name=x").insert_header(("authorization", server.token.as_str()));
    let (status, body) = server.send(get).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.as_str().unwrap().starts_with("Bad request: JSON Error"));

    let (status, body) = server.post("package_create", sent).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["result"]["organization"]["title"], "呉市");
    assert_eq!(body["help"], "http://127.0.0.1:8080/api/3/action/help_show?name=package_create");
    let (status, body) =
        server.send(web_test::TestRequest::get().uri("/api/3/action/package_show?id=a-b").insert_header(("authorization", "wrong"))).await;
    assert_eq!((status, &body["result"]["title"]), (StatusCode::OK, &json!("題")));
    let (_, body) = server.post("package_create", json!({"name": "a-b", "title": "題", "owner_org": "kure"})).await;
    assert_eq!(body["error"]["name"][0], "That URL is already in use.");
    let (_, body) = server.post("package_create", json!({})).await;
    assert_eq!(
        (&body["error"]["name"][0], &body["error"]["owner_org"][0]),
        (&json!("Missing value"), &json!("An organization must be provided"))
    );
    let (status, body) = server.post("no_such_action", json!({})).await;
    assert_eq!(
        (status, body),
        (
            StatusCode::BAD_REQUEST,
            json!("Bad request: Action name not known: no_such_action / そのようなアクションはありません。名前の綴りを確認してください。")
        )
    );
}

#[actix_web::test]
async fn a_kept_answer_is_forgotten_when_something_changes() {
    let server = server();
    server.post("package_create", json!({"name": "a-b", "title": "一", "owner_org": "kure"})).await;
    let title = async || {
        let (_, body) = server.send(web_test::TestRequest::get().uri("/api/3/action/package_show?id=a-b")).await;
        body["result"]["title"].clone()
    };
    assert_eq!((title().await, title().await), (json!("一"), json!("一")));
    server.post("package_patch", json!({"id": "a-b", "title": "二"})).await;
    assert_eq!(title().await, "二");
    server.post("package_delete", json!({"id": "a-b"})).await;
    assert_eq!(title().await, Value::Null);
    let (status, body) = server.post("package_show", json!({"id": "a-b"})).await;
    assert_eq!((status, &body["result"]["state"]), (StatusCode::OK, &json!("deleted")));
}

fn multipart(parts: &[(&str, Option<&str>, &str)], end: bool) -> String {
    let mut body = String::new();
    for (name, file, text) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body.push_str(&format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n"));
    }
    if end {
        body.push_str("--xx--\r\n");
    }
    body
}

#[actix_web::test]
async fn a_file_comes_in_whole_or_not_at_all() {
    let server = server();
    server.post("package_create", json!({"name": "a-b", "title": "一", "owner_org": "kure"})).await;
    let upload = async |file: &str, text: &str, more: &[(&str, Option<&str>, &str)], end: bool| {
        let mut parts = vec![("package_id", None, "a-b"), ("name", None, "表"), ("upload", Some(file), text)];
        parts.extend(more);
        let request = web_test::TestRequest::post()
            .uri("/api/3/action/resource_create")
            .insert_header(("authorization", server.token.as_str()))
            .insert_header(("content-type", "multipart/form-data; boundary=xx"));
        server.send(request.set_payload(multipart(&parts, end))).await
    };
    let (status, body) = upload("a.csv", "a,b\n1,2\n", &[], true).await;
    assert_eq!(
        (status, &body["result"]["format"], &body["result"]["url_type"]),
        (StatusCode::OK, &json!("CSV"), &json!("upload")),
        "{body}"
    );
    let (status, body) = upload("b.csv", "a,b\n1,2\n", &[], false).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let html = "<!DOCTYPE html><html><body>見つかりません</body></html>";
    let (status, body) = upload("c.csv", html, &[], true).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["error"]["upload"][0].as_str().unwrap().contains("accept_mismatch"), "{body}");
    let (status, _) = upload("c.csv", html, &[("accept_mismatch", None, "true")], true).await;
    assert_eq!(status, StatusCode::OK);
    let (_, body) = server.post("package_show", json!({"id": "a-b"})).await;
    assert_eq!(body["result"]["num_resources"], 2);
}

/// Sends a form; `token` may be empty.
async fn send_form(server: &Server, action: &str, token: &str, parts: &[(&str, Option<&str>, &str)]) -> (StatusCode, Value) {
    let mut request = web_test::TestRequest::post()
        .uri(&format!("/api/3/action/{action}"))
        .insert_header(("content-type", "multipart/form-data; boundary=xx"));
    if !token.is_empty() {
        request = request.insert_header(("authorization", token));
    }
    server.send(request.set_payload(multipart(parts, true))).await
}

fn files_kept(server: &Server) -> usize {
    fn count(path: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&server._dir.path().join("files"))
}

#[actix_web::test]
async fn compressed_bodies_and_parts_are_refused() {
    let server = server();
    for content_type in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
        for (name, value, status) in [("content-encoding", "gzip", 415), ("content-range", "bytes 0-1/9", 400)] {
            let request = web_test::TestRequest::post()
                .uri("/api/3/action/resource_create")
                .insert_header(("authorization", server.token.as_str()))
                .insert_header(("content-type", content_type))
                .insert_header((name, value))
                .set_payload("{}");
            let (found, body) = server.send(request).await;
            assert_eq!(found, status, "{content_type} {body}");
            let words = body.to_string();
            assert!(words.to_lowercase().contains(name) && !words.is_ascii(), "{words}");
        }
    }
}

#[actix_web::test]
async fn what_cannot_be_counted_is_refused_by_name() {
    let server = server();
    for wrong in [json!("["), json!("[\"nope\"]"), json!(["nope"]), json!("nope"), json!("{\"a\": 1}"), json!([["tags"]])] {
        let (status, body) = server.post("package_search", json!({"facet.field": wrong})).await;
        assert_eq!((status, &body["error"]["__type"]), (StatusCode::CONFLICT, &json!("Validation Error")), "{wrong} {body}");
        assert!(body["error"]["facet.field"].is_array(), "{wrong} {body}");
    }
    for fine in [
        json!(["organization", "groups", "tags", "res_format", "license_id"]),
        json!("[\"organization\", \"groups\"]"),
        json!("['tags']"),
        json!("organization,tags"),
        json!(["vocab_subject", "extras_area", "author"]),
        json!([]),
        json!(""),
        Value::Null,
    ] {
        let (status, body) = server.post("package_search", json!({"facet.field": fine})).await;
        assert_eq!(status, StatusCode::OK, "{fine} {body}");
    }
}

#[actix_web::test]
async fn mistakes_in_tokens_and_names_go_by_ckans_words() {
    let server = server();
    for (more, field, words) in [
        (json!({"name": "x".repeat(300)}), "name", "longer than 200"),
        (json!({"name": "a\u{7}"}), "name", "control character"),
        (json!({"name": "x", "expires_in": 0}), "expires_in", "at least one second"),
        (json!({"name": "x", "expires_in": 1_000_000_000_000_i64, "unit": 86_400}), "expires_in", "100 years"),
    ] {
        let mut sent = json!({"user": "admin"});
        sent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, body) = server.post("api_token_create", sent).await;
        let said = body["error"][field][0].as_str().unwrap_or_default();
        assert!(status == StatusCode::CONFLICT && said.contains(words), "{body}");
    }
    let (status, body) = server.post("help_show", json!({"name": "nope"})).await;
    assert!(status == StatusCode::NOT_FOUND && body["error"]["message"].as_str().unwrap().contains("アクション「nope」"), "{body}");
    let get = web_test::TestRequest::get().uri("/api/3/action/package_create");
    let (_, body) = server.send(get).await;
    assert!(body.as_str().unwrap().contains("Please use POST") && body.as_str().unwrap().contains("POST で"), "{body}");
    let (_, body) = server.post(&"x".repeat(5_000), json!({})).await;
    assert!(body.as_str().unwrap().len() < 300 && !body.as_str().unwrap().is_ascii(), "{body}");
}

#[actix_web::test]
async fn nobody_fills_the_disk_with_what_could_never_be_kept() {
    let server = server();
    let system = Context::system("test");
    let app = &server.state.app;
    server.post("package_create", json!({"name": "a-b", "title": "一", "owner_org": "kure"})).await;
    app.create::<User>(&system, None, UserDraft { name: "guest".to_owned(), ..Default::default() }).unwrap();
    let guest = app.create_token(&system, "guest", "test", Default::default(), None).unwrap().secret;
    let admin = server.token.clone();
    let file = ("upload", Some("a.csv"), "a,b\n1,2\n");
    let to = ("package_id", None, "a-b");
    for (action, token, parts, status, field) in [
        ("package_search", "", vec![file], StatusCode::CONFLICT, "upload"),
        ("package_search", &admin, vec![file], StatusCode::CONFLICT, "upload"),
        ("package_patch", &admin, vec![file], StatusCode::CONFLICT, "upload"),
        ("resource_create", "", vec![to, file], StatusCode::FORBIDDEN, "message"),
        ("resource_create", "wrong", vec![to, file], StatusCode::FORBIDDEN, "message"),
        ("resource_create", &guest, vec![to, file], StatusCode::FORBIDDEN, "message"),
        ("resource_create", &admin, vec![to, ("data", Some("a.csv"), "a")], StatusCode::CONFLICT, "data"),
        ("resource_create", &admin, vec![to, file, file], StatusCode::CONFLICT, "upload"),
        ("resource_create", &admin, vec![("package_id", None, "nowhere"), file], StatusCode::NOT_FOUND, "message"),
        ("resource_create", &admin, vec![to, ("upload", Some("a.csv"), "%PDF-1.7 ")], StatusCode::CONFLICT, "upload"),
        ("resource_create", &admin, vec![to, ("upload", None, "a,b\n1,2\n")], StatusCode::CONFLICT, "upload"),
    ] {
        let (found, body) = send_form(&server, action, token, &parts).await;
        assert_eq!(found, status, "{action} {parts:?} {body}");
        assert!(body["error"].get(field).is_some(), "{action} {parts:?} {body}");
        assert_eq!(files_kept(&server), 0, "{action} {parts:?}");
    }
    let (status, body) = server.post("resource_create", json!({"package_id": "a-b", "upload": {"a": 1}})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert!(body["error"]["upload"][0].as_str().unwrap().starts_with("send it as a file part with a file name"), "{body}");
    let (status, body) = send_form(&server, "package_search", "", &[("q", None, "一")]).await;
    assert_eq!((status, &body["result"]["count"]), (StatusCode::OK, &json!(1)));
    assert_eq!(send_form(&server, "resource_create", &admin, &[to, file]).await.0, StatusCode::OK);
    assert_eq!(files_kept(&server), 1);
}

#[actix_web::test]
async fn questions_are_short_and_their_conditions_are_not_lost() {
    let server = server();
    let long = "x".repeat(READ_BYTES_MAX);
    let (status, body) = server.post("package_search", json!({"q": long})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["error"]["message"][0].as_str().unwrap().contains("256 kB"), "{body}");
    let (status, body) = send_form(&server, "package_search", "", &[("q", None, &long), ("fq", None, "x")]).await;
    assert_eq!((status, body["error"].get("fq").is_some()), (StatusCode::CONFLICT, true), "{body}");
    for (name, wrong) in [
        ("fq", json!({"organization": "kure"})),
        ("fq", json!(true)),
        ("fq", json!([["organization:kure"]])),
        ("fq_list", json!(["organization:kure", {"a": 1}])),
        ("fq_list", json!("[[\"organization:kure\"]]")),
    ] {
        let (status, body) = server.post("package_search", json!({name: wrong})).await;
        assert_eq!((status, body["error"].get(name).is_some()), (StatusCode::CONFLICT, true), "{wrong} {body}");
    }
    let (status, body) = server.post("package_search", json!({"fq": null, "fq_list": ["organization:kure", "+state:active"]})).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[test]
fn a_message_keeps_the_addresses_in_it() {
    let message = Text::new("/organization が見つかりません。/api/v1/organizations を確認してください。", "see /api/v1/organizations");
    let error = FieldError { field: "/organization".to_owned(), code: "x".to_owned(), message };
    let failure = Failure::of(minato_app::Error::Invalid(vec![error]), Fields::Dataset);
    let expected = json!(["see /api/v1/organizations", "owner_org が見つかりません。/api/v1/organizations を確認してください。"]);
    assert_eq!(failure.error()["owner_org"], expected);
}

#[actix_web::test]
async fn old_addresses_answer_head_and_refuse_other_methods() {
    let server = server();
    for (path, status) in [("/api/3", 200), ("/api/3/", 200), ("/dataset", 302), ("/dataset/a-b", 302), ("/organization/kure", 302)] {
        for (method, status) in [(Method::GET, status), (Method::HEAD, status), (Method::POST, 405), (Method::DELETE, 405)] {
            let (found, _) = server.send(web_test::TestRequest::default().method(method.clone()).uri(path)).await;
            assert_eq!(found.as_u16(), status, "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn old_addresses_lead_to_ours() {
    let server = server();
    let (_, body) = server
        .post(
            "package_create",
            json!({"name": "a-b", "title": "一", "owner_org": "kure", "resources": [{"url": "https://example.jp/a.csv"}]}),
        )
        .await;
    let (id, resource) = (body["result"]["id"].as_str().unwrap(), body["result"]["resources"][0]["id"].as_str().unwrap());
    let service = web_test::init_service(actix_web::App::new().app_data(server.state.clone()).configure(configure)).await;
    for (from, to) in [
        ("/dataset".to_owned(), "/datasets".to_owned()),
        ("/dataset?q=a".to_owned(), "/datasets?q=a".to_owned()),
        ("/dataset/a-b".to_owned(), "/datasets/a-b".to_owned()),
        (format!("/dataset/{id}"), "/datasets/a-b".to_owned()),
        ("/dataset/%2F%2Fevil.example".to_owned(), "/datasets/%2F%2Fevil%2Eexample".to_owned()),
        (format!("/dataset/a-b/resource/{resource}"), format!("/datasets/a-b#{resource}")),
        (format!("/dataset/a-b/resource/{resource}/download/a.csv"), format!("/d/{resource}")),
        ("/organization/kure".to_owned(), "/organizations/kure".to_owned()),
        ("/group/gr_1400".to_owned(), "/themes/gr_1400".to_owned()),
    ] {
        let response = web_test::call_service(&service, web_test::TestRequest::get().uri(&from).to_request()).await;
        assert_eq!(response.status(), StatusCode::FOUND, "{from}");
        assert_eq!(response.headers().get("location").unwrap().to_str().unwrap(), to, "{from}");
    }
}

#[test]
fn no_request_is_our_fault() {
    let runtime = actix_web::rt::System::new();
    let server = server();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 400, ..ProptestConfig::default() });
    let types = prop_oneof![
        Just("application/json".to_owned()),
        Just("application/x-www-form-urlencoded".to_owned()),
        Just("multipart/form-data; boundary=xx".to_owned()),
        Just("multipart/form-data".to_owned()),
        "[ -~]{0,20}",
    ];
    let bodies = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..120),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        proptest::collection::vec(("(id|q|fq|sort|rows|start|name|query|limit|extras|resources|facet.field)", any_json()), 0..5)
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect()).to_string().into_bytes()),
        ("[a-z]{0,6}", "\\PC{0,20}", any::<bool>()).prop_map(|(name, text, end)| multipart(
            &[(&name, None, &text), ("upload", Some("a.csv"), &text)],
            end
        )
        .into_bytes()),
    ];
    let queries = "(|q=%[0-9a-f]{2}|fq=[a-z:(\\[\"]{0,12}|rows=-?[0-9]{1,30}|[a-z=&%]{0,20})";
    let outcome = runner.run(
        &(0..ACTIONS.len(), types, bodies, queries, any::<bool>(), any::<bool>()),
        |(action, content_type, body, query, post, signed)| {
            let action = &ACTIONS[action];
            let mut request = if post { web_test::TestRequest::post() } else { web_test::TestRequest::get() };
            request = request.uri(&format!("/api/3/action/{}?{}", action.name, query.replace(['[', '"'], "%22")));
            if signed {
                request = request.insert_header(("authorization", server.token.as_str()));
            }
            if actix_web::http::header::HeaderValue::from_str(&content_type).is_ok() {
                request = request.insert_header(("content-type", content_type.as_str()));
            }
            let (status, answer) = runtime.block_on(server.send(request.set_payload(body)));
            prop_assert!(!status.is_server_error(), "{} {status} {answer}", action.name);
            Ok(())
        },
    );
    outcome.unwrap();
}
