//! Telling somebody when a run needs a person.

use minato_catalog::{DecisionState, HarvestDecision, HarvestRun, HarvestSource, HarvestStatus};
use minato_store::harvest_decision::{self, DecisionFilter};
use minato_store::job;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::find_source;
use crate::App;
use crate::error::{Error, Result};

pub(super) const KIND: &str = "harvest_mail";
/// A mail that could not be delivered so often is given up.
const ATTEMPTS_MAX: i64 = 5;
/// Decisions named in one mail.
const DECISIONS_MAX: usize = 20;

/// A mail about a run that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarvestMail {
    /// Id, for saying that it was sent.
    #[serde(default)]
    pub id: Uuid,
    /// To whom.
    pub address: String,
    /// The subject.
    pub subject: String,
    /// The text, in Japanese and English.
    pub text: String,
}

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
        let filter = DecisionFilter {
            sources: Some(vec![source.id]),
            state: Some(DecisionState::Open),
            automatic: Some(false),
            limit: 100,
            ..Default::default()
        };
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
        if let Some(address) = notify.email.as_ref().filter(|_| self.settings().sends_mail) {
            let mail = self.write_mail(address, &source, run, &new);
            let text = serde_json::to_string(&mail).map_err(Error::internal)?;
            self.store().write::<_, Error>(|conn| {
                let job = job::enqueue(conn, KIND, &run.id.to_string(), self.now())?;
                Ok(job::note(conn, job.id, &text)?)
            })?;
        }
        if let Some(webhook) = &notify.webhook {
            let client = self.client()?.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
            runtime.block_on(client.post_json(webhook, &report)).map_err(|error| Error::internal(error.to_string()))?;
        }
        Ok(())
    }

    fn write_mail(&self, address: &str, source: &HarvestSource, run: &HarvestRun, decisions: &[&HarvestDecision]) -> HarvestMail {
        let base = self.settings().public_url.trim_end_matches('/');
        let (title, status, counts) = (&source.draft.title, run.status.as_str(), run.counts);
        let mut text = format!(
            "収集元「{title}」の収集に、確認が必要です（結果: {status}）。\n追加 {} 更新 {} 変更なし {} 確認待ち {} 公開終了 {} 失敗 {}\n",
            counts.added, counts.updated, counts.unchanged, counts.suspect, counts.archived, counts.failed
        );
        text.push_str(&format!("The harvest of `{title}` needs a person ({status}).\n"));
        if let Some(message) = &run.message {
            text.push_str(&format!("\n{}\n{}\n", message.ja, message.en));
        }
        for decision in decisions.iter().take(DECISIONS_MAX) {
            text.push_str(&format!("\n- {}\n  {}\n", decision.reason.ja, decision.reason.en));
        }
        if decisions.len() > DECISIONS_MAX {
            text.push_str(&format!("\n… {}\n", decisions.len() - DECISIONS_MAX));
        }
        text.push_str(&format!("\n{base}/staff/harvest\n"));
        let subject: String = format!("[Minato] 収集の確認: {title}").chars().filter(|c| !c.is_control()).collect();
        HarvestMail { id: Uuid::nil(), address: address.to_owned(), subject, text }
    }

    /// Mails about runs that wait to be sent. Each is given once, and again when it was not said to be sent within the lease.
    pub fn claim_harvest_mails(&self) -> Result<Vec<HarvestMail>> {
        let mut mails = Vec::new();
        while let Some(job) = self.claim(KIND, None)? {
            let mail: Option<HarvestMail> = serde_json::from_str(&job.progress).ok();
            match mail {
                Some(mail) if job.attempts <= ATTEMPTS_MAX => mails.push(HarvestMail { id: job.id, ..mail }),
                _ => self.harvest_mail_sent(job.id)?,
            }
        }
        Ok(mails)
    }

    /// Says that a mail was sent.
    pub fn harvest_mail_sent(&self, id: Uuid) -> Result<()> {
        let (node, now) = (self.settings().node.clone(), self.now());
        self.store().write::<_, Error>(|conn| {
            job::finish(conn, id, &node, "{}", None, now)?;
            Ok(())
        })
    }
}
