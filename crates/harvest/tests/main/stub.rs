//! A small HTTP server that answers what a test tells it, faults included.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use minato_catalog::{HarvestItem, HarvestKind, HarvestSourceDraft, HarvestedRecord, RecordFailure, Vocabulary, Withdrawal};
use minato_harvest::{AllowAddress, Client, ClientSettings, Listing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) head: String,
    query: String,
}

impl Asked {
    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// What the server answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Claimed instead of the body's real length.
    pub(crate) claimed_length: Option<usize>,
    /// Waited before the body.
    pub(crate) delay: Duration,
    /// Waited before each byte of the body.
    pub(crate) drip: Duration,
}

pub(crate) fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status: 200, headers: vec![("Content-Type", content_type.to_owned())], body: body.into(), ..Answer::default() }
}

pub(crate) fn json(body: &serde_json::Value) -> Answer {
    ok("application/json;charset=utf-8", body.to_string())
}

pub(crate) fn html() -> Answer {
    ok("text/html; charset=utf-8", "<!DOCTYPE html><html><body>メンテナンス中です</body></html>")
}

pub(crate) fn status(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}

pub(crate) fn redirect(location: &str) -> Answer {
    Answer { status: 302, headers: vec![("Location", location.to_owned())], ..Answer::default() }
}

/// A running server; stops with the test's runtime.
pub(crate) struct Stub {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Stub { port, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Settings that let this server through and do not wait.
    pub(crate) fn settings(&self) -> ClientSettings {
        ClientSettings {
            contact_url: "https://data.example.jp/about".into(),
            allow_addresses: vec![format!("127.0.0.1:{}", self.port).parse::<AllowAddress>().unwrap()],
            attempts_max: 2,
            retry_delay: Duration::from_millis(1),
            retry_delay_max: Duration::from_millis(50),
            pages_max: 50,
            ..ClientSettings::default()
        }
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&Asked) -> Answer>, log: Arc<Mutex<Vec<Asked>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = Asked { path: path.to_owned(), query: query.to_owned(), head: head.clone() };
    log.lock().unwrap().push(asked.clone());
    let answer = answer(&asked);
    let length = answer.claimed_length.unwrap_or(answer.body.len());
    let mut start = format!("HTTP/1.1 {} Stub\r\nContent-Length: {length}\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        start.push_str(&format!("{name}: {value}\r\n"));
    }
    start.push_str("\r\n");
    // The client may hang up at any time: that is what some tests want.
    let _ = stream.write_all(start.as_bytes()).await;
    tokio::time::sleep(answer.delay).await;
    if asked.head.starts_with("HEAD ") {
        // A head has no body.
    } else if answer.drip.is_zero() {
        let _ = stream.write_all(&answer.body).await;
    } else {
        for byte in answer.body {
            tokio::time::sleep(answer.drip).await;
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// What a run brought.
pub(crate) struct Outcome {
    pub(crate) listing: Listing,
    pub(crate) records: Vec<HarvestedRecord>,
    pub(crate) failures: Vec<RecordFailure>,
    pub(crate) withdrawn: Vec<(String, Withdrawal)>,
}

impl Outcome {
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.remote_id.as_str()).collect()
    }

    /// Asserts an incomplete listing and gives its cause.
    pub(crate) fn incomplete(&self) -> &str {
        let Listing::Incomplete { cause } = &self.listing else { panic!("{:?}", self.listing) };
        assert!(!cause.ja.is_empty());
        &cause.en
    }

    /// [`Outcome::incomplete`] with so many records met nevertheless.
    pub(crate) fn incomplete_with(&self, records: usize) -> &str {
        assert_eq!(self.records.len(), records);
        self.incomplete()
    }

    /// Asserts a failed listing without records and gives its cause.
    pub(crate) fn failed(&self) -> &str {
        let Listing::Failed { cause } = &self.listing else { panic!("{:?}", self.listing) };
        assert!(self.records.is_empty() && !cause.ja.is_empty());
        &cause.en
    }
}

pub(crate) fn source(kind: HarvestKind, url: &str) -> HarvestSourceDraft {
    HarvestSourceDraft::new("stub", kind, url, "kure")
}

pub(crate) async fn harvest_with(source: &HarvestSourceDraft, settings: ClientSettings) -> Outcome {
    let client = Client::new(settings).unwrap();
    let (records, mut received) = tokio::sync::mpsc::channel(1);
    let vocabulary = Vocabulary::built_in();
    let reading = minato_harvest::run(source, &client, &vocabulary, records);
    let collecting = async {
        let (mut records, mut failures, mut withdrawn) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(record) = received.recv().await {
            match record {
                HarvestItem::Record(record) => records.push(*record),
                HarvestItem::Failure(failure) => failures.push(failure),
                HarvestItem::Withdrawn { remote_id, cause } => withdrawn.push((remote_id, cause)),
            }
        }
        (records, failures, withdrawn)
    };
    let (listing, (records, failures, withdrawn)) = tokio::join!(reading, collecting);
    Outcome { listing, records, failures, withdrawn }
}

pub(crate) async fn harvest(kind: HarvestKind, stub: &Stub, path: &str) -> Outcome {
    harvest_with(&source(kind, &stub.url(path)), stub.settings()).await
}
