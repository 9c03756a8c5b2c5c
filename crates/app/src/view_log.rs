//! Looks at pages (COUNTER's investigations) and requests that are not counted: gathered in memory, and committed every few seconds. A process
//! that is killed loses as much. The same rules as for downloads say what counts; none is ever called a download.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use minato_catalog::{Channel, Dataset, Download, Viewer, jst_day, new_id};
use minato_counter::{Decision, METHOD_VERSION, Reason};
use minato_store::download::{self, Excluded};
use minato_store::{Store, dataset};
use uuid::Uuid;

use crate::App;
use crate::counting::{FileRequest, RULES, counted_dataset, facts};
use crate::gatherer::Gatherer;

/// How often what has gathered is written.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Looks that wait; further ones are left out until the thread has taken these. A wave of them is a robot that hides, or a test.
const WAITING_MAX: usize = 50_000;
/// Most looks in one transaction, which downloads may have to wait for.
const BATCH_MAX: usize = 200;

/// A visitor's looks at a page, by click key, slug and channel; few, as those that are one are one here already.
type Looks = HashMap<(String, String, Channel), Vec<Download>>;

/// What has gathered since the last batch.
#[derive(Default)]
pub(crate) struct Gathered {
    looks: Looks,
    excluded: Excluded,
}

impl Gathered {
    fn add(&mut self, slug: &str, look: Download) {
        let full = self.looks.len() >= WAITING_MAX;
        let key = (look.click.clone(), slug.to_owned(), look.channel);
        match self.looks.get_mut(&key) {
            Some(known) => minato_counter::settle(known, look),
            None if full => {}
            None => {
                self.looks.insert(key, vec![look]);
            }
        }
    }
}

/// Where looks gather.
pub(crate) type ViewLog = Gatherer<Gathered>;

/// Begins to count looks.
pub(crate) fn start(store: Store) -> ViewLog {
    Gatherer::start(
        "view-log",
        WRITE_EVERY,
        |_: &Gathered| false,
        move |gathered| {
            if let Err(error) = write(&store, gathered.looks, &gathered.excluded) {
                tracing::warn!(%error, "looks at pages could not be counted");
            }
        },
    )
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
        self.0.view_log.add(|gathered| gathered.add(slug, look));
    }

    /// Counts that a request was not counted, and why. Answers that handed nothing over are no usage and not worth a number.
    pub(crate) fn note_excluded(&self, at: DateTime<Utc>, channel: Channel, reason: Reason) {
        if reason != Reason::Status {
            let key = (jst_day(at), download::kind_of(channel), reason.as_str());
            self.0.view_log.add(|gathered| *gathered.excluded.entry(key).or_default() += 1);
        }
    }

    /// Waits until the looks noted so far are in the database; for tools and tests.
    pub fn flush_view_log(&self) {
        self.0.view_log.flush();
    }
}
