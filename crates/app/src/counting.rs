//! Counting downloads: a request is in the database before its first byte is sent. One thread commits whatever has gathered.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use minato_catalog::{Channel, Dataset, Distribution, Download, Viewer, jst, jst_day, new_id};
use minato_counter::{DOUBLE_CLICK_SECONDS, Decision, METHOD_VERSION};
use minato_store::download::{self, CountingRules};
use minato_store::{Store, setting};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::App;
use crate::distribution::FoundDistribution;
use crate::error::{Error, Result};

/// Most downloads in one transaction.
const BATCH_MAX: usize = 2_000;
/// Beginning of the names of the salts among the settings.
const SALT: &str = "salt.";
/// How long the salt of a day is needed after it: twice the longest double click, for clocks that differ.
const SALT_KEPT_SECONDS: i64 = 2 * DOUBLE_CLICK_SECONDS;

/// Format of a download of a whole dataset.
const ARCHIVE_FORMAT: &str = "ZIP";

/// The rules as the storage takes them.
pub(crate) const RULES: CountingRules =
    CountingRules { window: minato_counter::double_click_window, settle: minato_counter::settle, sums: |rows| minato_counter::sums(rows) };

/// The salts that are needed now, by day.
pub(crate) type Salts = BTreeMap<NaiveDate, Arc<[u8]>>;

/// A request for a file or a page, as the server saw it.
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
    /// Domain of the page that led here (see [`minato_counter::referrer_domain`]); empty when unknown.
    pub referrer: String,
}

type Waiting = (Download, oneshot::Sender<bool>);

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
        let result = store.count(|conn| download::count(conn, &downloads, &RULES));
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
    /// Counts a request for a file when it is a download. When the future ends, the count is durable; only then may the first byte be sent.
    pub async fn count_download(&self, viewer: &Viewer, found: &FoundDistribution, request: &FileRequest<'_>) -> Result<()> {
        self.count(viewer, &found.dataset, Some(&found.distribution), request).await
    }

    /// Counts a request for a whole dataset ([`Channel::Zip`]) when it is a download: one, whatever the number of files.
    pub async fn count_dataset_download(&self, viewer: &Viewer, dataset: &Dataset, request: &FileRequest<'_>) -> Result<()> {
        self.count(viewer, dataset, None, request).await
    }

    async fn count(
        &self,
        viewer: &Viewer,
        dataset: &Dataset,
        distribution: Option<&Distribution>,
        request: &FileRequest<'_>,
    ) -> Result<()> {
        let facts = facts(viewer, request, self.now());
        let (class, agent_rule) = match minato_counter::decide(&facts) {
            Decision::Counted { class, agent_rule } => (class, agent_rule),
            Decision::NotCounted { reason } => {
                self.note_excluded(facts.at, request.channel, reason);
                return Ok(());
            }
        };
        let visitor = match self.visitor_in_memory(&facts) {
            Some(visitor) => visitor,
            None => {
                // Once a day. The salts of the day come from the database, which no handler may wait for.
                let (app, at) = (self.clone(), facts.at);
                let loaded = tokio::task::spawn_blocking(move || app.load_salts(at)).await;
                loaded.map_err(Error::internal)??;
                self.visitor_in_memory(&facts).ok_or_else(|| Error::internal("the salt of the day is missing"))?
            }
        };
        let dataset_id = counted_dataset(dataset);
        let download = Download {
            id: new_id(),
            at: facts.at,
            first_at: facts.at,
            clicks: 1,
            distribution_id: distribution.map_or(dataset_id, |distribution| distribution.id),
            dataset_id,
            organization_id: dataset.content.organization_id,
            class,
            channel: request.channel,
            visitor: visitor.session,
            click: visitor.click,
            click_before: visitor.click_before,
            referrer: request.referrer.clone(),
            format: match distribution {
                Some(distribution) => distribution.format.clone().unwrap_or_default(),
                None => ARCHIVE_FORMAT.to_owned(),
            },
            agent_rule: agent_rule.to_owned(),
            method_version: METHOD_VERSION,
        };
        let (sender, receiver) = oneshot::channel();
        if !self.0.counter.send((download, sender)) {
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

    /// The keys of the one who asks, when the salts they need are in memory.
    pub(crate) fn visitor_in_memory(&self, facts: &minato_counter::Request<'_>) -> Option<VisitorKeys> {
        let day = jst_day(facts.at);
        let salts = self.0.salts.lock().unwrap_or_else(PoisonError::into_inner);
        let today = minato_counter::visitor(salts.get(&day)?, facts);
        let before = day.pred_opt().filter(|_| needs_yesterday(facts.at)).and_then(|before| salts.get(&before));
        let click_before = before.map(|salt| minato_counter::visitor(salt, facts).click_key);
        Some(VisitorKeys { session: today.visitor, click: today.click_key, click_before })
    }

    /// Brings the salts into memory that are needed at a moment, and forgets all others.
    pub(crate) fn load_salts(&self, at: DateTime<Utc>) -> Result<()> {
        let day = jst_day(at);
        let today = self.shared_salt(day)?;
        let before = match day.pred_opt().filter(|_| needs_yesterday(at)) {
            // Nobody counted yesterday when there is none yet; a server whose clock is behind still may, and must take the same.
            Some(before) => Some((before, self.shared_salt(before)?)),
            None => None,
        };
        let mut salts = self.0.salts.lock().unwrap_or_else(PoisonError::into_inner);
        salts.clear();
        salts.insert(day, today);
        salts.extend(before);
        Ok(())
    }

    /// The salt of a day in Japan, which all servers share: the first to ask makes it.
    fn shared_salt(&self, day: NaiveDate) -> Result<Arc<[u8]>> {
        let key = salt_key(day);
        if let Some(text) = self.store().read(|conn| setting::get(conn, &key))? {
            return Ok(Arc::from(text.into_bytes()));
        }
        let text = self.store().count(|conn| {
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

    /// Makes the salt of the day, and destroys those that are no longer needed, here and in the database: with them what could tie what is
    /// stored to addresses.
    pub(crate) fn rotate_salts(&self, at: DateTime<Utc>) -> Result<()> {
        let day = jst_day(at);
        self.load_salts(at)?;
        let mut keep = vec![salt_key(day)];
        keep.extend(day.succ_opt().map(salt_key));
        if needs_yesterday(at) {
            keep.extend(day.pred_opt().map(salt_key));
        }
        let stale = self.store().read(|conn| setting::keys(conn, SALT))?.iter().any(|key| !keep.contains(key));
        if stale {
            self.store().count(|conn| setting::destroy_others(conn, SALT, &keep))?;
        }
        Ok(())
    }

    /// Writes down that this version of the method counts from now on.
    pub(crate) fn note_method(&self) -> Result<()> {
        let today = self.today();
        Ok(self.store().count(|conn| download::note_method(conn, METHOD_VERSION, today, &minato_counter::fingerprint()))?)
    }
}

/// The keys of the one who asks.
#[derive(Debug, Clone)]
pub(crate) struct VisitorKeys {
    pub(crate) session: String,
    pub(crate) click: String,
    pub(crate) click_before: Option<String>,
}

/// What the rules want to know of a request.
pub(crate) fn facts<'a>(viewer: &Viewer, request: &FileRequest<'a>, at: DateTime<Utc>) -> minato_counter::Request<'a> {
    minato_counter::Request {
        method: request.method,
        status: request.status,
        channel: request.channel,
        range: request.range,
        user_agent: request.user_agent,
        purpose: request.purpose,
        address: request.address,
        user_id: viewer.user_id,
        // The portal gives visitors no cookie to be told apart by.
        cookie: None,
        at,
    }
}

/// The dataset that a download counts for. A copy that is known to be one would count for its original: the dataset layer says so here.
pub(crate) fn counted_dataset(dataset: &Dataset) -> Uuid {
    dataset.id
}

fn salt_key(day: NaiveDate) -> String {
    format!("{SALT}{day}")
}

/// Whether it is so early in the day in Japan that a double click may have begun yesterday.
fn needs_yesterday(at: DateTime<Utc>) -> bool {
    at.with_timezone(&jst()).time().signed_duration_since(NaiveTime::MIN) < Duration::seconds(SALT_KEPT_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yesterday_matters_in_the_first_minute_in_japan() {
        for (at, expected) in [
            ("2026-11-20T14:59:59Z", false),
            ("2026-11-20T15:00:00Z", true),
            ("2026-11-20T15:00:59Z", true),
            ("2026-11-20T15:01:00Z", false),
            ("2026-11-20T00:00:00Z", false),
        ] {
            assert_eq!(needs_yesterday(at.parse().unwrap()), expected, "{at}");
        }
    }
}
