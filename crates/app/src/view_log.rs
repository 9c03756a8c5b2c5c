//! Looks at pages (COUNTER's investigations) and requests that are not counted: gathered in memory, and committed every few seconds. A process
//! that is killed loses as much. The same rules as for downloads say what counts; none is ever called a download.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, Utc};
use minato_catalog::{Channel, Dataset, Download, Viewer, jst_day, new_id};
use minato_counter::{Decision, METHOD_VERSION, Reason};
use minato_store::download::{self, Excluded};
use minato_store::{Store, dataset};
use uuid::Uuid;

use crate::App;
use crate::counting::{FileRequest, RULES, counted_dataset, facts};

/// How often what has gathered is written.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Looks that wait; further ones are left out until the thread has taken these. A wave of them is a robot that hides, or a test.
const WAITING_MAX: usize = 50_000;
/// Most looks in one transaction, which downloads may have to wait for.
const BATCH_MAX: usize = 200;

/// A visitor's looks at a page, by click key, slug and channel; few, as those that are one are one here already.
type Looks = HashMap<(String, String, Channel), Vec<Download>>;

#[derive(Default)]
struct State {
    looks: Looks,
    excluded: Excluded,
    asked: u64,
    served: u64,
    stopped: bool,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where looks gather, and the thread that writes them.
pub(crate) struct ViewLog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ViewLog {
    pub(crate) fn start(store: Store) -> ViewLog {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let spawned = std::thread::Builder::new().name("view-log".to_owned()).spawn(move || write_batches(&store, &Ending(theirs)));
        if let Err(error) = &spawned {
            tracing::error!(%error, "view log thread not started; looks at pages will not be counted");
            shared.lock().ended = true;
        }
        ViewLog { shared, thread: Mutex::new(spawned.ok()) }
    }

    fn add(&self, slug: &str, look: Download) {
        let mut state = self.shared.lock();
        if state.stopped || state.ended {
            return;
        }
        let full = state.looks.len() >= WAITING_MAX;
        let key = (look.click.clone(), slug.to_owned(), look.channel);
        match state.looks.get_mut(&key) {
            Some(known) => minato_counter::settle(known, look),
            None if full => {}
            None => {
                state.looks.insert(key, vec![look]);
            }
        }
    }

    /// Ends the thread after it has written what has gathered.
    pub(crate) fn stop(&self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the view log thread panicked; the last looks at pages are not counted");
        }
    }
}

impl Drop for ViewLog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Says that the thread is gone, however it ended, so that nobody waits for it.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The thread: ends when it is told to.
fn write_batches(store: &Store, shared: &Ending) {
    let shared = &shared.0;
    loop {
        let pressing = |state: &mut State| state.stopped || state.asked > state.served;
        let waiting = shared.changed.wait_timeout_while(shared.lock(), WRITE_EVERY, |state| !pressing(state));
        let mut state = waiting.unwrap_or_else(PoisonError::into_inner).0;
        let (looks, excluded) = (std::mem::take(&mut state.looks), std::mem::take(&mut state.excluded));
        let (asked, stopped) = (state.asked, state.stopped);
        drop(state);
        if let Err(error) = write(store, looks, &excluded) {
            tracing::warn!(%error, "looks at pages could not be counted");
        }
        shared.lock().served = asked;
        shared.changed.notify_all();
        if stopped {
            return;
        }
    }
}

fn write(store: &Store, looks: Looks, excluded: &Excluded) -> minato_store::Result<()> {
    if !excluded.is_empty() {
        store.count(|conn| download::add_excluded(conn, excluded))?;
    }
    if looks.is_empty() {
        return Ok(());
    }
    let found = store.read(|conn| {
        let mut datasets: HashMap<String, Option<Dataset>> = HashMap::new();
        let mut found = Vec::new();
        for ((_, slug, _), looks) in looks {
            if !datasets.contains_key(&slug) {
                datasets.insert(slug.clone(), dataset::find_by_slug(conn, &slug)?.filter(Dataset::is_open));
            }
            let Some(Some(dataset)) = datasets.get(&slug) else { continue };
            let (dataset_id, organization_id) = (counted_dataset(dataset), dataset.content.organization_id);
            found.extend(looks.into_iter().map(|look| Download { distribution_id: dataset_id, dataset_id, organization_id, ..look }));
        }
        Ok(found)
    })?;
    for batch in found.chunks(BATCH_MAX) {
        store.count(|conn| download::count(conn, batch, &RULES))?;
    }
    Ok(())
}

impl App {
    /// Counts a look at the page of a dataset (by its slug) or at a preview of one of its files. Never waits but for the first salt of a day.
    pub fn note_view(&self, viewer: &Viewer, slug: &str, request: &FileRequest<'_>) {
        debug_assert!(!request.channel.is_download(), "a download is counted before its first byte");
        let facts = facts(viewer, request, self.now());
        let (class, agent_rule) = match minato_counter::decide(&facts) {
            Decision::Counted { class, agent_rule } => (class, agent_rule),
            Decision::NotCounted { reason } => return self.note_excluded(facts.at, request.channel, reason),
        };
        // Usually a thread of the server has brought the salt of the day at midnight; else this is the one look of the day that waits for it.
        let missing =
            || self.load_salts(facts.at).inspect_err(|error| tracing::warn!(%error, "no salt; a look at a page is not counted")).ok();
        let Some(visitor) = self.visitor_in_memory(&facts).or_else(|| missing().and_then(|()| self.visitor_in_memory(&facts))) else {
            return;
        };
        let look = Download {
            id: new_id(),
            at: facts.at,
            first_at: facts.at,
            clicks: 1,
            // The thread looks the dataset up.
            distribution_id: Uuid::nil(),
            dataset_id: Uuid::nil(),
            organization_id: Uuid::nil(),
            class,
            channel: request.channel,
            visitor: visitor.session,
            click: visitor.click,
            click_before: visitor.click_before,
            referrer: String::new(),
            format: String::new(),
            agent_rule: agent_rule.to_owned(),
            method_version: METHOD_VERSION,
        };
        self.0.view_log.add(slug, look);
    }

    /// Counts that a request was not counted, and why. Answers that handed nothing over are no usage and not worth a number.
    pub(crate) fn note_excluded(&self, at: DateTime<Utc>, channel: Channel, reason: Reason) {
        if reason != Reason::Status {
            let mut state = self.0.view_log.shared.lock();
            *state.excluded.entry((jst_day(at), download::kind_of(channel), reason.as_str())).or_default() += 1;
        }
    }

    /// Waits until the looks noted so far are in the database; for tools and tests.
    pub fn flush_view_log(&self) {
        let shared = &self.0.view_log.shared;
        let mut state = shared.lock();
        state.asked += 1;
        let ticket = state.asked;
        shared.changed.notify_all();
        let served = shared.changed.wait_while(state, |state| state.served < ticket && !state.ended);
        drop(served.unwrap_or_else(PoisonError::into_inner));
    }
}
