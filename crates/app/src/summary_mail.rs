//! Monthly summaries by mail for organizations that asked for them.

use chrono::{Datelike, Months};
use minato_catalog::{FieldError, Organization, Role, Viewer};
use minato_store::summary_mail;
use uuid::Uuid;

use crate::App;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::report::month_text;
use crate::statistics::{RankingRequest, SeriesRequest};

/// From this day of a month on the summary of the month before is sent: its figures are settled then.
const FIRST_DAY: u32 = 4;
/// Datasets named in a summary.
const DATASETS_MAX: usize = 10;

/// A summary to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryMail {
    /// Whose.
    pub organization_id: Uuid,
    /// Of which month, as `2026-10`.
    pub month: String,
    /// To whom.
    pub address: String,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

impl App {
    /// The address that gets the summaries of an organization. For its administrators.
    pub fn summary_address(&self, viewer: &Viewer, key: &str) -> Result<Option<String>> {
        let organization = self.administered(viewer, key)?;
        Ok(self.store().read(|conn| summary_mail::address(conn, organization.id))?)
    }

    /// Sets the address that gets the summaries of an organization, or with none ends them. For its administrators.
    pub fn set_summary_address(&self, context: &Context, key: &str, address: Option<&str>) -> Result<()> {
        crate::noun::signed_in(&context.viewer)?;
        let organization = self.administered(&context.viewer, key)?;
        if address.is_some_and(|address| !is_mail_address(address)) {
            return Err(Error::invalid(FieldError::new(
                "/address",
                "invalid_email",
                "/address はメールアドレスにしてください（例: opendata@city.example.jp）。",
                "/address must be a mail address such as opendata@city.example.jp",
            )));
        }
        if !context.dry_run {
            let (actor, now) = (&context.viewer.name, self.now());
            self.store().write::<_, Error>(|conn| Ok(summary_mail::set(conn, organization.id, address, actor, now)?))?;
        }
        Ok(())
    }

    fn administered(&self, viewer: &Viewer, key: &str) -> Result<Organization> {
        if viewer.is_public() {
            return Err(Error::Unauthenticated);
        }
        let organization = self.get::<Organization>(viewer, key)?;
        if viewer.has_role(organization.id, Role::Administrator) {
            return Ok(organization);
        }
        Err(Error::Forbidden(minato_catalog::Text::new(
            "この操作には、その組織の「管理者」の権限が必要です。",
            "this needs the role administrator in the organization",
        )))
    }

    /// The summaries that are due and that nobody sends yet; whoever gets them must send them.
    pub fn claim_summary_mails(&self, base_url: &str) -> Result<Vec<SummaryMail>> {
        let today = self.today();
        if today.day() < FIRST_DAY {
            return Ok(Vec::new());
        }
        let Some(last_month) = today.with_day(1).and_then(|day| day.checked_sub_months(Months::new(1))) else { return Ok(Vec::new()) };
        let (month, now) = (month_text(last_month), self.now());
        let mut mails = Vec::new();
        for (organization_id, address) in self.store().read(summary_mail::all)? {
            let mail = self.summary_mail(organization_id, last_month, address, base_url)?;
            if self.store().write::<_, Error>(|conn| Ok(summary_mail::claim(conn, organization_id, &month, now)?))? {
                mails.extend(mail);
            }
        }
        Ok(mails)
    }

    /// Says that a claimed summary was sent.
    pub fn summary_mail_sent(&self, mail: &SummaryMail) -> Result<()> {
        Ok(self.store().write::<_, minato_store::Error>(|conn| summary_mail::sent(conn, mail.organization_id, &mail.month))?)
    }

    fn summary_mail(
        &self,
        organization_id: Uuid,
        month: chrono::NaiveDate,
        address: String,
        base_url: &str,
    ) -> Result<Option<SummaryMail>> {
        let directory = self.directory();
        let Some(organization) = directory.organization(organization_id) else { return Ok(None) };
        let (name, slug) = (&organization.draft.name, &organization.draft.slug);
        let last = month.checked_add_months(Months::new(1)).and_then(|day| day.pred_opt()).unwrap_or(month);
        let viewer = Viewer::public();
        let key = Some(organization_id.to_string());
        let wanted = SeriesRequest { organization: key.clone(), to: Some(last), ..SeriesRequest::default() };
        let series = self.download_series(&viewer, &wanted)?;
        let views = self.view_series(&viewer, &wanted)?;
        let points = &series.points;
        let this = points.last().cloned();
        let (total, human, machine, ai) = this.map_or((0, 0, 0, 0), |point| (point.total, point.human, point.machine, point.ai_agent));
        let before = points.len().checked_sub(2).and_then(|index| points.get(index)).map_or(0, |point| point.total);
        let difference = total - before;
        let sign = if difference < 0 { format!("▲{}", -difference) } else { format!("+{difference}") };
        let ranking = RankingRequest { from: month, to: last, organization: key, class: None, channel: None, limit: DATASETS_MAX };
        let mut text = format!(
            "{name} 様\n\n{}年{}月の利用状況をお知らせします。\n\nダウンロード: {total} 回（前の月との差 {sign}）\n  人 {human}、プログラム {machine}、AI エージェント {ai}\nページの閲覧: {} 回（ダウンロードではありません）\n",
            month.year(),
            month.month(),
            views.points.last().map_or(0, |point| point.total)
        );
        let ranked = self.dataset_ranking(&viewer, &ranking)?;
        if !ranked.is_empty() {
            text.push_str("\nよく使われたデータセット:\n");
        }
        for one in ranked {
            text.push_str(&format!("  {} 回  {}\n", one.downloads, one.item.content.title.replace(['\r', '\n'], " ")));
        }
        text.push_str(&format!(
            "\nくわしくは: {base_url}/organizations/{slug}/stats\n数え方: {base_url}/stats/method\n\nこのメールは、組織の管理者が受け取りを設定したため送っています。止めるには、API の DELETE /api/v1/organizations/{slug}/summary-mail を使うか、システム管理者にお知らせください。\n"
        ));
        let subject = format!("【みなと】{name} {}年{}月のダウンロード数", month.year(), month.month());
        Ok(Some(SummaryMail { organization_id, month: month_text(month), address, subject, text }))
    }
}

fn is_mail_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    text.len() <= 254
        && !name.is_empty()
        && name.chars().all(plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && domain.contains('.')
        && domain.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_get_mail() {
        for (text, good) in [
            ("opendata@city.example.jp", true),
            ("a.b+c@example.jp", true),
            ("a@b", false),
            ("a b@example.jp", false),
            ("a@example.jp\r\nBcc: x@example.jp", false),
            ("@example.jp", false),
            ("a@.jp", false),
            ("", false),
        ] {
            assert_eq!(is_mail_address(text), good, "{text}");
        }
    }
}
