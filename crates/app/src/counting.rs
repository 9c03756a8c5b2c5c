//! Counting downloads: a request is in the database before its first byte is sent. One thread commits whatever has gathered.

use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use minato_catalog::{Channel, Download, Viewer, jst_day, new_id};
use minato_counter::{DOUBLE_CLICK_SECONDS, Decision, METHOD_VERSION};
use minato_store::download::{self, NewDownload};
use minato_store::{Store, setting};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::App;
use crate::distribution::FoundDistribution;
use crate::error::{Error, Result};

/// Most downloads in one transaction.
const BATCH_MAX: usize = 2_000;

/// A request for a file, as the server saw it.
#[derive(Debug, Clone)]
pub struct FileRequest<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// How the file is had.
    pub channel: Channel,
    /// `Range` header.
    pub range: Option<&'a str>,
    /// `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// `Sec-Purpose` header or one of its forerunners.
    pub purpose: Option<&'a str>,
    /// Address of the client.
    pub address: IpAddr,
}

type Waiting = (NewDownload, oneshot::Sender<bool>);

pub(crate) struct Counter {
    sender: Mutex<Option<Sender<Waiting>>>,
}

impl Counter {
    pub(crate) fn start(store: Store) -> Counter {
        let (sender, receiver) = mpsc::channel();
        let spawned = std::thread::Builder::new().name("counter".to_owned()).spawn(move || commit_batches(&store, &receiver));
        if let Err(error) = spawned {
            tracing::error!(%error, "counter thread not started; downloads will be refused");
        }
        Counter { sender: Mutex::new(Some(sender)) }
    }

    fn send(&self, waiting: Waiting) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| sender.send(waiting).is_ok())
    }

    pub(crate) fn stop(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Commits what has gathered while the last commit ran; ends when all senders are gone.
fn commit_batches(store: &Store, receiver: &Receiver<Waiting>) {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        batch.extend(receiver.try_iter().take(BATCH_MAX - 1));
        let (downloads, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let result = store.count(|conn| download::count(conn, &downloads, Duration::seconds(DOUBLE_CLICK_SECONDS)));
        if let Err(error) = &result {
            tracing::error!(%error, downloads = downloads.len(), "downloads could not be counted and are refused");
        }
        for sender in senders {
            // The client may have gone away meanwhile; the download is counted all the same.
            let _ = sender.send(result.is_ok());
        }
    }
}

impl App {
    /// Counts a request when it is a download. When the future ends, the count is durable; only then may the first byte be sent.
    pub async fn count_download(&self, viewer: &Viewer, found: &FoundDistribution, request: &FileRequest<'_>) -> Result<()> {
        let at = self.now();
        let facts = minato_counter::Request {
            method: request.method,
            status: request.status,
            channel: request.channel,
            range: request.range,
            user_agent: request.user_agent,
            purpose: request.purpose,
            address: request.address,
            user_id: viewer.user_id,
            cookie: None,
            at,
        };
        let Decision::Counted { class } = minato_counter::decide(&facts) else { return Ok(()) };
        let salt = self.salt(at)?;
        let visitor = minato_counter::visitor(&salt, &facts);
        let download = Download {
            id: new_id(),
            at,
            distribution_id: found.distribution.id,
            dataset_id: found.dataset.id,
            organization_id: found.dataset.content.organization_id,
            class,
            channel: request.channel,
            visitor: visitor.visitor,
            method_version: METHOD_VERSION,
        };
        let (sender, receiver) = oneshot::channel();
        if !self.0.counter.send((NewDownload { download, click: visitor.click_key }, sender)) {
            return Err(Error::Unavailable(minato_catalog::Text::new(
                "停止処理中です。しばらくしてからもう一度お試しください。",
                "the server is stopping; try again in a moment",
            )));
        }
        match receiver.await {
            Ok(true) => Ok(()),
            _ => Err(Error::internal("the download could not be counted")),
        }
    }

    /// The salt of the day in Japan. All servers share it; yesterday's is thrown away, and with it what could tie hashes to addresses.
    fn salt(&self, at: DateTime<Utc>) -> Result<Arc<[u8]>> {
        let day = jst_day(at);
        let mut current = self.0.salt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, salt)) = current.as_ref()
            && *of == day
        {
            return Ok(salt.clone());
        }
        let salt = self.shared_salt(day)?;
        *current = Some((day, salt.clone()));
        Ok(salt)
    }

    fn shared_salt(&self, day: NaiveDate) -> Result<Arc<[u8]>> {
        let key = format!("salt.{day}");
        let text = self.store().write::<_, minato_store::Error>(|conn| {
            setting::remove_others(conn, "salt.", &key)?;
            if let Some(text) = setting::get(conn, &key)? {
                return Ok(text);
            }
            let text: String = Sha256::digest([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            setting::set(conn, &key, &text)?;
            Ok(text)
        })?;
        Ok(Arc::from(text.into_bytes()))
    }
}
