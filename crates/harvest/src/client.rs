//! The only outbound HTTP: one client with an address check, limits, retries and a pace.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, sleep, sleep_until};
use url::{Host, Url};

use crate::address::{AllowAddress, may_connect};
use crate::error::Error;

/// How the client behaves; read once, when it is made.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Page about this installation, sent in the `User-Agent` so that a server's owner can reach ours.
    pub contact_url: String,
    /// Addresses outside the public internet that may be connected to. Default: none.
    pub allow_addresses: Vec<AllowAddress>,
    /// Largest body in bytes, as sent and after decompression. Default: 200 MB.
    pub body_bytes_max: u64,
    /// Redirects followed for one request. Default: 5.
    pub redirects_max: usize,
    /// Time to connect. Default: 10 s.
    pub connect_timeout: Duration,
    /// Longest silence while reading. Default: 30 s.
    pub read_timeout: Duration,
    /// Longest time for one attempt. Default: 10 min.
    pub request_timeout: Duration,
    /// Attempts for one request, the first included. Default: 4.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled for each further one. Default: 1 s.
    pub retry_delay: Duration,
    /// Longest wait before an attempt. A server that asks for more (`Retry-After`) is not asked again. Default: 60 s.
    pub retry_delay_max: Duration,
    /// Least time between requests to one host; hosts in `allow_addresses` and `localhost` are not paced. Default: 200 ms.
    pub host_interval: Duration,
    /// Pages read of one listing. Default: 10,000.
    pub pages_max: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            contact_url: String::new(),
            allow_addresses: Vec::new(),
            body_bytes_max: 200_000_000,
            redirects_max: 5,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(600),
            attempts_max: 4,
            retry_delay: Duration::from_secs(1),
            retry_delay_max: Duration::from_secs(60),
            host_interval: Duration::from_millis(200),
            pages_max: 10_000,
        }
    }
}

/// A fetched file.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it was found, after redirects.
    pub url: Url,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The bytes, decompressed.
    pub body: Vec<u8>,
}

impl Fetched {
    /// Whether it is a web page, by its type or its beginning; error pages and logins come in place of data.
    pub fn is_html(&self) -> bool {
        let media_type = self.content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let start = &self.body[..self.body.len().min(512)];
        let start = String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
        let begins_so = start.starts_with("<!doctype html") || start.starts_with("<html");
        // A type alone is no proof: servers send CSV and JSON as text/html.
        begins_so
            || (matches!(media_type.as_str(), "text/html" | "application/xhtml+xml")
                && start.starts_with('<')
                && !start.starts_with("<?xml"))
    }
}

/// Fetches files; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: ClientSettings,
    /// A connection's resolver is not told the port, so each port with an exception of its own has its own client.
    by_port: HashMap<u16, reqwest::Client>,
    other_ports: reqwest::Client,
    next_request: Mutex<HashMap<String, Instant>>,
}

/// Hosts whose pace is remembered; forgotten ones start anew.
const PACED_HOSTS_MAX: usize = 1_000;

impl Client {
    /// Sets the client up. Fails only when the system has no usable root certificates.
    pub fn new(settings: ClientSettings) -> Result<Client, Error> {
        // An error means that another part of the program was first, with the provider it wants.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut by_port = HashMap::new();
        for port in settings.allow_addresses.iter().filter_map(AllowAddress::port) {
            if let std::collections::hash_map::Entry::Vacant(entry) = by_port.entry(port) {
                entry.insert(build(&settings, Some(port))?);
            }
        }
        let other_ports = build(&settings, None)?;
        Ok(Client { inner: Arc::new(Inner { settings, by_port, other_ports, next_request: Mutex::default() }) })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ClientSettings {
        &self.inner.settings
    }

    /// Fetches a file. Redirects are followed and transient faults retried; any final status but 2xx is an error.
    pub async fn get(&self, url: &str, accept: &str) -> Result<Fetched, Error> {
        let start = Url::parse(url.trim()).map_err(|_| Error::InvalidUrl { url: clip(url) })?;
        let settings = &self.inner.settings;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(&start, accept).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failure,
            };
            let backoff = settings.retry_delay.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(settings.retry_delay_max);
            let delay = failure.retry_after.unwrap_or(backoff);
            if !is_transient(&failure.error) || attempt >= settings.attempts_max || delay > settings.retry_delay_max {
                return Err(failure.error);
            }
            tracing::debug!(url = %shown(&start), attempt, error = %failure.error, "request is retried");
            sleep(delay).await;
            attempt += 1;
        }
    }

    /// Sends JSON to an address that somebody gave for reports. Neither retried nor redirected; any status but 2xx is an error.
    pub async fn post_json(&self, url: &str, body: &serde_json::Value) -> Result<(), Error> {
        let url = Url::parse(url.trim()).map_err(|_| Error::InvalidUrl { url: clip(url) })?;
        self.check_literal_address(&url)?;
        self.wait_for_turn(&url).await;
        let port = url.port_or_known_default().unwrap_or(0);
        let client = self.inner.by_port.get(&port).unwrap_or(&self.inner.other_ports);
        let response = client.post(url.clone()).json(body).send().await.map_err(|error| request_error(&url, error))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Error::Status { url: shown(&url), status: status.as_u16() }),
        }
    }

    async fn attempt(&self, start: &Url, accept: &str) -> Result<Fetched, Failure> {
        let settings = &self.inner.settings;
        let mut url = start.clone();
        for _ in 0..=settings.redirects_max {
            self.check_literal_address(&url)?;
            self.wait_for_turn(&url).await;
            let port = url.port_or_known_default().unwrap_or(0);
            let client = self.inner.by_port.get(&port).unwrap_or(&self.inner.other_ports);
            let response = client.get(url.clone()).header(ACCEPT, accept).send().await.map_err(|error| request_error(&url, error))?;
            let status = response.status();
            if is_redirect(status) {
                url = redirect_target(&url, &response)?;
                continue;
            }
            if !status.is_success() {
                let error = Error::Status { url: shown(&url), status: status.as_u16() };
                return Err(Failure { error, retry_after: retry_after(&response) });
            }
            return self.read(url, response).await;
        }
        Err(Error::TooManyRedirects { url: shown(start), limit: settings.redirects_max }.into())
    }

    /// Names are checked where they are resolved; addresses written in the URL never get there.
    fn check_literal_address(&self, url: &Url) -> Result<(), Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::InvalidUrl { url: shown(url) });
        }
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Error::InvalidUrl { url: shown(url) }),
        };
        if may_connect(address, url.port_or_known_default().unwrap_or(0), &self.inner.settings.allow_addresses) {
            return Ok(());
        }
        Err(Error::RefusedAddress { host: url.host_str().unwrap_or_default().to_owned(), address })
    }

    async fn wait_for_turn(&self, url: &Url) {
        let interval = self.inner.settings.host_interval;
        // A literal address that came this far and is not public is in the allowed ones.
        let unpaced = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => !crate::address::is_public(address.into()),
            Some(Host::Ipv6(address)) => !crate::address::is_public(address.into()),
            None => true,
        };
        if unpaced || interval.is_zero() {
            return;
        }
        let turn = {
            let mut next_request = self.inner.next_request.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if next_request.len() >= PACED_HOSTS_MAX {
                next_request.retain(|_, next| *next > now);
            }
            let next = next_request.entry(url.host_str().unwrap_or_default().to_owned()).or_insert(now);
            let turn = (*next).max(now);
            *next = turn + interval;
            turn
        };
        sleep_until(turn).await;
    }

    async fn read(&self, url: Url, mut response: Response) -> Result<Fetched, Failure> {
        let limit = self.inner.settings.body_bytes_max;
        let too_large = || Error::TooLarge { url: shown(&url), limit };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large().into());
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| request_error(&url, error))? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(too_large().into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { url, content_type, body })
    }
}

/// One failed attempt.
struct Failure {
    error: Error,
    /// How long the server asks to be left alone.
    retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, retry_after: None }
    }
}

fn build(settings: &ClientSettings, port: Option<u16>) -> Result<reqwest::Client, Error> {
    let allowed = settings.allow_addresses.iter().filter(|allow| allow.port().is_none() || allow.port() == port).copied().collect();
    reqwest::Client::builder()
        .user_agent(user_agent(&settings.contact_url))
        .dns_resolver(Arc::new(CheckedResolver { allowed, port: port.unwrap_or(0) }))
        // A proxy would resolve names itself, behind the check.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .timeout(settings.request_timeout)
        .build()
        .map_err(Error::Setup)
}

fn user_agent(contact_url: &str) -> String {
    let contact: String = contact_url.chars().filter(char::is_ascii_graphic).collect();
    if contact.is_empty() {
        concat!("Minato/", env!("CARGO_PKG_VERSION")).to_owned()
    } else {
        format!("Minato/{} (+{contact})", env!("CARGO_PKG_VERSION"))
    }
}

/// Resolves names to those of their addresses that may be connected to: what is checked is what is connected to.
struct CheckedResolver {
    allowed: Vec<AllowAddress>,
    port: u16,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, port) = (self.allowed.clone(), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<SocketAddr> = found.iter().filter(|address| may_connect(address.ip(), port, &allowed)).copied().collect();
            if let (true, Some(refused)) = (permitted.is_empty(), found.first()) {
                return Err(Refused { host: name.as_str().to_owned(), address: refused.ip() }.into());
            }
            let addresses: Addrs = Box::new(permitted.into_iter());
            Ok(addresses)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{host}` leads to {address}, which may not be connected to")]
struct Refused {
    host: String,
    address: IpAddr,
}

fn request_error(url: &Url, error: reqwest::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return Error::RefusedAddress { host: refused.host.clone(), address: refused.address };
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return Error::Timeout { url: shown(url) };
    }
    // Its own text would repeat the address, with any password in it.
    Error::Connection { url: shown(url), source: error.without_url() }
}

fn is_transient(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => *status == 429 || *status >= 500,
        Error::Timeout { .. } | Error::Connection { .. } => true,
        _ => false,
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(url: &Url, response: &Response) -> Result<Url, Error> {
    let location = response.headers().get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    location.and_then(|location| url.join(&location).ok()).ok_or_else(|| Error::BadRedirect { url: shown(url) })
}

/// Seconds, or a date.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - Utc::now()).to_std().unwrap_or_default())
}

/// An address as it may be shown and logged: without user name, password and excess length.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses that cannot hold a user name.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    clip(url.as_str())
}

fn clip(text: &str) -> String {
    text.chars().take(500).collect()
}
