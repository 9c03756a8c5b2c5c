//! Sends the monthly summaries, and reports of harvests that need a person, by SMTP. Off unless a server is configured and somebody asked for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message, SmtpTransport, Transport};
use minato_app::App;

use crate::config::{MailSettings, MailTls};

/// How often it is looked whether summaries are due.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// How often it is looked whether a harvest needs a person.
const REPORTS_EVERY: Duration = Duration::from_secs(10);

/// Sends what is due until it is told to stop.
pub(crate) fn work(app: &App, settings: &MailSettings, base_url: &str, stop: &AtomicBool) {
    let mut next = Instant::now();
    let mut next_reports = Instant::now();
    while !stop.load(Ordering::Acquire) {
        if Instant::now() >= next {
            next = Instant::now() + EVERY;
            if let Err(error) = send_due(app, settings, base_url) {
                tracing::warn!(%error, "monthly summaries could not be sent; trying again later");
            }
        }
        if Instant::now() >= next_reports {
            next_reports = Instant::now() + REPORTS_EVERY;
            if let Err(error) = send_reports(app, settings) {
                tracing::warn!(%error, "reports of harvests could not be sent; trying again later");
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Sends the mails about harvests that need a person; returns how many went out. One that fails is tried again after its lease.
pub fn send_reports(app: &App, settings: &MailSettings) -> anyhow::Result<usize> {
    let mut sent = 0;
    for mail in app.claim_harvest_mails()? {
        let message = message(settings, &mail.address, &mail.subject, &mail.text);
        match message.and_then(|message| Ok(transport(settings)?.send(&message)?)) {
            Ok(_) => {
                app.harvest_mail_sent(mail.id)?;
                sent += 1;
            }
            Err(error) => tracing::warn!(%error, mail.id = %mail.id, "report of a harvest not sent"),
        }
    }
    Ok(sent)
}

/// Sends all summaries that are due; returns how many went out. One that fails is tried again after an hour and holds up no other.
pub fn send_due(app: &App, settings: &MailSettings, base_url: &str) -> anyhow::Result<usize> {
    let transport = transport(settings)?;
    let mut sent = 0;
    for mail in app.claim_summary_mails(base_url)? {
        match message(settings, &mail.address, &mail.subject, &mail.text).and_then(|message| Ok(transport.send(&message)?)) {
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

fn message(settings: &MailSettings, address: &str, subject: &str, text: &str) -> anyhow::Result<Message> {
    let from: Mailbox = settings.from.as_deref().context("mail.from is not set")?.parse().context("mail.from is no address")?;
    Ok(Message::builder().from(from).to(address.parse()?).subject(subject).header(ContentType::TEXT_PLAIN).body(text.to_owned())?)
}
