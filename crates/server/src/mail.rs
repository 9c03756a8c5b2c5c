//! Sends the monthly summaries by SMTP. Off unless a server is configured and an organization asked for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message, SmtpTransport, Transport};
use minato_app::{App, SummaryMail};

use crate::config::{MailSettings, MailTls};

/// How often it is looked whether summaries are due.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// Sends what is due until it is told to stop.
pub(crate) fn work(app: &App, settings: &MailSettings, base_url: &str, stop: &AtomicBool) {
    let mut next = Instant::now();
    while !stop.load(Ordering::Acquire) {
        if Instant::now() >= next {
            next = Instant::now() + EVERY;
            if let Err(error) = send_due(app, settings, base_url) {
                tracing::warn!(%error, "monthly summaries could not be sent; trying again later");
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Sends all summaries that are due; returns how many went out. One that fails is tried again after an hour and holds up no other.
pub fn send_due(app: &App, settings: &MailSettings, base_url: &str) -> anyhow::Result<usize> {
    let transport = transport(settings)?;
    let mut sent = 0;
    for mail in app.claim_summary_mails(base_url)? {
        match message(settings, &mail).and_then(|message| Ok(transport.send(&message)?)) {
            Ok(_) => {
                app.summary_mail_sent(&mail)?;
                sent += 1;
            }
            Err(error) => tracing::warn!(%error, organization.id = %mail.organization_id, month = mail.month, "summary not sent"),
        }
    }
    Ok(sent)
}

fn transport(settings: &MailSettings) -> anyhow::Result<SmtpTransport> {
    let host = settings.smtp.as_deref().context("mail.smtp is not set")?;
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse::<u16>().with_context(|| format!("mail.smtp: `{port}` is no port"))?)),
        None => (host, None),
    };
    let mut builder = match settings.tls {
        MailTls::Tls => SmtpTransport::relay(name)?,
        MailTls::Starttls => SmtpTransport::starttls_relay(name)?,
        MailTls::None => SmtpTransport::builder_dangerous(name),
    };
    if let Some(port) = port {
        builder = builder.port(port);
    }
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.timeout(Some(Duration::from_secs(30))).build())
}

fn message(settings: &MailSettings, mail: &SummaryMail) -> anyhow::Result<Message> {
    let from: Mailbox = settings.from.as_deref().context("mail.from is not set")?.parse().context("mail.from is no address")?;
    Ok(Message::builder()
        .from(from)
        .to(mail.address.parse()?)
        .subject(&mail.subject)
        .header(ContentType::TEXT_PLAIN)
        .body(mail.text.clone())?)
}
