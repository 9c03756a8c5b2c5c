//! A whole application on a temporary directory, and requests to it.

use std::sync::Arc;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{Method, StatusCode, header::HeaderMap};
use actix_web::{test, web};
use minato_app::catalog::{Organization, OrganizationDraft, Role, TokenScope, User, UserDraft};
use minato_app::{App, AppSettings, Context};
use minato_server::config::ServerSettings;
use minato_server::http::State;
use serde_json::{Value, json};

/// An application with two organizations and people who may do different things.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) state: web::Data<State>,
    /// Token of a system administrator.
    pub(crate) admin: String,
    /// Token of a publisher in 府中町.
    pub(crate) publisher: String,
    /// Token of an editor in 府中町.
    pub(crate) editor: String,
    /// Token of a publisher in 呉市.
    pub(crate) other: String,
}

impl Site {
    pub(crate) fn open() -> Site {
        Site::open_with(|_| {})
    }

    pub(crate) fn open_with(change: impl FnOnce(&mut AppSettings)) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = AppSettings::new(dir.path());
        change(&mut settings);
        let app = App::open(settings).unwrap();
        let system = Context::system("test");
        for (slug, name, code) in [("fuchu-cho", "府中町", "343021"), ("kure-shi", "呉市", "342025")] {
            let draft = OrganizationDraft { slug: slug.into(), name: name.into(), code: Some(code.into()), ..Default::default() };
            app.create::<Organization>(&system, None, draft).unwrap();
        }
        let person = |name: &str, admin: bool, place: Option<(&str, Role)>| {
            let draft = UserDraft { name: name.into(), email: Some(format!("{name}@example.jp")), admin, ..Default::default() };
            app.create::<User>(&system, None, draft).unwrap();
            if let Some((organization, role)) = place {
                app.set_member(&system, organization, name, role).unwrap();
            }
            app.create_token(&system, name, "test", TokenScope::default(), None).unwrap().secret
        };
        let admin = person("chief", true, None);
        let publisher = person("publisher", false, Some(("fuchu-cho", Role::Publisher)));
        let editor = person("editor", false, Some(("fuchu-cho", Role::Editor)));
        let other = person("other", false, Some(("kure-shi", Role::Publisher)));
        let settings = ServerSettings { base_url: Some("https://catalog.example.jp".into()), ..Default::default() };
        let state = minato_server::server::state(app, Arc::new(settings));
        Site { dir, state, admin, publisher, editor, other }
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Ask { site: self, request: test::TestRequest::with_uri(path).method(method) }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().await
    }

    /// A published dataset of 府中町.
    pub(crate) async fn dataset(&self, slug: &str, title: &str) -> Value {
        let draft = json!({"organization": "fuchu-cho", "slug": slug, "title": title, "keywords": ["防災"], "themes": ["gr_1400"], "licence": "CC-BY-4.0"});
        self.ask("POST", "/api/v1/datasets").token(&self.publisher).json(&draft).send().await.expect(201)
    }

    /// Counted downloads by a dimension of the breakdown, most first.
    pub(crate) async fn counted(&self, by: &str) -> Vec<(String, i64)> {
        let found = self.get(&format!("/api/v1/statistics/downloads/breakdown?by={by}")).await.expect(200);
        let parts = found["items"].as_array().unwrap().iter();
        parts.map(|part| (part["key"].as_str().unwrap().to_owned(), part["total"].as_i64().unwrap())).collect()
    }

    /// Uploads a file as a new distribution of a dataset; returns its id.
    pub(crate) async fn file(&self, dataset: &str, name: &str, content: &[u8]) -> String {
        let path = format!("/api/v1/datasets/{dataset}/distributions");
        let created = self.ask("POST", &path).token(&self.editor).form(&[("file", name, content)]).send().await.expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    /// Files in the blob store, finished or not.
    pub(crate) fn files_kept(&self) -> usize {
        fn count(dir: &std::path::Path) -> usize {
            let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
            entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.dir.path().join("files")) + count(&self.dir.path().join("dry-run"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.state.app.stop();
    }
}

/// A request in the making.
pub(crate) struct Ask<'a> {
    site: &'a Site,
    request: test::TestRequest,
}

impl Ask<'_> {
    pub(crate) fn token(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.append_header((name, value));
        self
    }

    pub(crate) fn any(self) -> Self {
        self.header("if-match", "*")
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.request = self.request.set_json(body);
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<web::Bytes>) -> Self {
        self.request = self.request.set_payload(body);
        self.header("content-type", content_type)
    }

    /// A form of parts: name, file name (empty for text), content.
    pub(crate) fn form(self, parts: &[(&str, &str, &[u8])]) -> Self {
        let mut body = form_parts(parts);
        body.extend_from_slice(b"--boundary--\r\n");
        self.body("multipart/form-data; boundary=boundary", body)
    }

    pub(crate) async fn send(self) -> Answer {
        let application = actix_web::App::new().app_data(self.site.state.clone()).configure(minato_server::server::routes);
        let service = test::init_service(application).await;
        let response = test::call_service(&service, self.request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let length = match response.response().body().size() {
            BodySize::Sized(length) => Some(length),
            BodySize::None | BodySize::Stream => None,
        };
        let bytes = test::read_body(response).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, body, text: String::from_utf8_lossy(&bytes).into_owned(), bytes, length }
    }
}

/// A form without its end.
pub(crate) fn form_parts(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file = if file_name.is_empty() { String::new() } else { format!("; filename=\"{file_name}\"") };
        body.extend_from_slice(format!("--boundary\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came, for pages.
    pub(crate) text: String,
    /// The same, for files.
    pub(crate) bytes: web::Bytes,
    /// What the connection would say in `Content-Length`, also to HEAD.
    pub(crate) length: Option<u64>,
}

impl Answer {
    /// The body, when the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// Whether it is problem details of this status with a mistake in this field.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, field: &str) {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(!self.body["detail"].as_str().unwrap().is_ascii(), "no Japanese: {:#}", self.body);
        assert!(self.body["detail_en"].is_string());
        if !field.is_empty() {
            let named = self.body["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["field"] == field));
            assert!(named, "{field} is not named: {:#}", self.body);
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
