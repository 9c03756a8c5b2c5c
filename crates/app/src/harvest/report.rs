//! Telling somebody when a run needs a person.

use minato_catalog::{DecisionState, HarvestRun, HarvestStatus};
use minato_store::harvest_decision::{self, DecisionFilter};
use serde_json::json;

use super::find_source;
use crate::App;
use crate::error::{Error, Result};

impl App {
    /// Reports a run to whom the source names, when it needs a person. What goes wrong here is logged and changes nothing.
    pub(super) fn report_run(&self, run: &HarvestRun) {
        if let Err(error) = self.try_report(run) {
            tracing::warn!(run.id = %run.id, %error, "the report of a harvest could not be delivered");
        }
    }

    fn try_report(&self, run: &HarvestRun) -> Result<()> {
        let Some(source) = self.store().read(|conn| find_source(conn, &run.source_id.to_string()))? else { return Ok(()) };
        let notify = &source.draft.notify;
        if notify.email.is_none() && notify.webhook.is_none() {
            return Ok(());
        }
        let filter = DecisionFilter { sources: Some(vec![source.id]), state: Some(DecisionState::Open), limit: 100, ..Default::default() };
        let open = self.store().read(|conn| harvest_decision::list(conn, &filter))?;
        let new: Vec<_> = open.iter().filter(|decision| run.started.is_none_or(|started| decision.created >= started)).collect();
        let troubled = matches!(run.status, HarvestStatus::Failed | HarvestStatus::Incomplete) || run.counts.failed > 0;
        if !troubled && new.is_empty() {
            return Ok(());
        }
        let base = self.settings().public_url.trim_end_matches('/');
        let report = json!({
            "source": {"id": source.id, "slug": source.draft.slug, "title": source.draft.title},
            "run": run,
            "decisions": new,
            "address": format!("{base}/staff/harvest/{}", source.draft.slug),
        });
        if let Some(webhook) = &notify.webhook {
            let client = self.client()?.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
            runtime.block_on(client.post_json(webhook, &report)).map_err(|error| Error::internal(error.to_string()))?;
        }
        Ok(())
    }
}
