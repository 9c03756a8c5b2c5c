//! The only outbound HTTP: one client with an address check, limits, retries and a pace.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LINK, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};
use url::{Host, Url};

pub use self::body::{Answer, Downloaded, Fetched, Probe, Spooled};
use self::body::{Hashing, Nothing, Sink, Spool};
use crate::address::{AllowAddress, may_connect};
use crate::error::Error;
use crate::saved::{Saved, SavedPortal};

mod body;

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
    /// Longest time for one attempt, its body included: a body that drips is cut off. Default: 10 min.
    pub request_timeout: Duration,
    /// Longest time for one request with all its attempts, redirects and waits. Default: 1 h.
    pub total_timeout: Duration,
    /// Attempts for one request, the first included. Default: 4.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled for each further one. Default: 1 s.
    pub retry_delay: Duration,
    /// Longest wait before an attempt. A server that asks for more (`Retry-After`) is not asked again. Default: 60 s.
    pub retry_delay_max: Duration,
    /// Least time between requests to one host; hosts in `allow_addresses` and `localhost` are not paced. Default: 200 ms.
    pub host_interval: Duration,
    /// Requests to one host at the same time; as with the pace, not for hosts in `allow_addresses`. Default: 2.
    pub host_connections_max: usize,
    /// Pages read of one listing. Default: 10,000.
    pub pages_max: usize,
    /// A portal that was saved to a directory. With one, nothing is asked over the network. Default: none.
    pub saved: Option<Arc<SavedPortal>>,
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
            total_timeout: Duration::from_secs(3_600),
            attempts_max: 4,
            retry_delay: Duration::from_secs(1),
            retry_delay_max: Duration::from_secs(60),
            host_interval: Duration::from_millis(200),
            host_connections_max: 2,
            pages_max: 10_000,
            saved: None,
        }
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
    hosts: Mutex<HashMap<String, Turn>>,
}

/// When a host may be asked again, and by how many.
#[derive(Debug)]
struct Turn {
    next: Instant,
    connections: Arc<Semaphore>,
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
        Ok(Client { inner: Arc::new(Inner { settings, by_port, other_ports, hosts: Mutex::default() }) })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ClientSettings {
        &self.inner.settings
    }

    /// Fetches a file into memory. Redirects are followed and transient faults retried; any final status but 2xx is an error.
    pub async fn get(&self, url: &str, accept: &str) -> Result<Fetched, Error> {
        let mut body = Vec::new();
        let head = self.exchange(url, &Ask::get(accept), &mut body).await?;
        Ok(Fetched { url: head.url, content_type: head.content_type, next: head.next, body })
    }

    /// Like [`get`](Client::get), but the body goes to a temporary file: a listing of 200 MB is never in memory.
    pub async fn spool(&self, url: &str, accept: &str) -> Result<Spooled, Error> {
        let mut spool = Spool::new().map_err(|source| Error::Storing { source })?;
        let head = self.exchange(url, &Ask::get(accept), &mut spool).await?;
        spool.finish(head).map_err(|source| Error::Storing { source })
    }

    /// Like [`spool`](Client::spool), unless the file is the one that `request` knows already.
    pub async fn fetch(&self, url: &str, request: &Request<'_>) -> Result<Answer, Error> {
        let mut spool = Spool::new().map_err(|source| Error::Storing { source })?;
        let mut ask = Ask::get(request.accept);
        ask.headers.extend(request.etag.map(|tag| (IF_NONE_MATCH, tag)));
        ask.headers.extend(request.last_modified.map(|date| (IF_MODIFIED_SINCE, date)));
        ask.conditional = request.etag.is_some() || request.last_modified.is_some();
        let head = self.exchange(url, &ask, &mut spool).await?;
        if head.status == StatusCode::NOT_MODIFIED {
            return Ok(Answer::NotModified);
        }
        spool.finish(head).map(|spooled| Answer::Changed(Box::new(spooled))).map_err(|source| Error::Storing { source })
    }

    /// Streams a file of at most `limit` bytes to a writer. After an error the writer may hold a part of it: once bytes were written
    /// there is no further attempt.
    pub async fn download(&self, url: &str, writer: &mut (dyn std::io::Write + Send), limit: u64) -> Result<Downloaded, Error> {
        let mut hashing = Hashing::new(writer);
        let ask = Ask { limit: Some(limit), ..Ask::get("*/*") };
        let head = self.exchange(url, &ask, &mut hashing).await?;
        hashing.finish(head).map_err(|source| Error::Storing { source })
    }

    /// Looks what a link leads to without fetching it: by `HEAD`, and where that is refused by the first byte. A final status such as
    /// 404 is an answer here; one that may pass (429, 5xx) is an error after all attempts.
    pub async fn probe(&self, url: &str) -> Result<Probe, Error> {
        let ask = Ask { method: Method::HEAD, any_status: true, headers: vec![(ACCEPT_ENCODING, "identity")], ..Ask::get("*/*") };
        let refused = match self.exchange(url, &ask, &mut Nothing).await {
            Ok(head) => matches!(head.status.as_u16(), 400 | 403 | 404 | 405 | 406 | 501).then_some(()).ok_or(head),
            // Who asks for fewer requests is not asked another way.
            Err(error) if error.status() == Some(429) => return Err(error),
            Err(Error::Connection { .. } | Error::Timeout { .. } | Error::Status { .. }) => Ok(()),
            Err(error) => return Err(error),
        };
        let head = match refused {
            Err(head) => head,
            Ok(()) => {
                let ask = Ask { method: Method::GET, headers: vec![(ACCEPT_ENCODING, "identity"), (RANGE, "bytes=0-0")], ..ask };
                self.exchange(url, &ask, &mut Nothing).await?
            }
        };
        let status = match head.status.as_u16() {
            206 => 200,
            // Nothing has no first byte.
            416 if head.whole_length == Some(0) => 200,
            status => status,
        };
        Ok(Probe {
            url: head.url,
            status,
            content_type: head.content_type,
            length: head.whole_length,
            etag: head.etag,
            last_modified: head.last_modified,
            foreign_redirects: head.foreign_redirects,
        })
    }

    /// One request with its further attempts.
    async fn exchange(&self, url: &str, ask: &Ask<'_>, sink: &mut dyn Sink) -> Result<Head, Error> {
        let start = Url::parse(url.trim()).map_err(|_| Error::InvalidUrl { url: clip(url) })?;
        let limit = self.inner.settings.total_timeout;
        tokio::time::timeout(limit, self.attempts(&start, ask, sink)).await.unwrap_or_else(|_| Err(Error::Timeout { url: shown(&start) }))
    }

    async fn attempts(&self, start: &Url, ask: &Ask<'_>, sink: &mut dyn Sink) -> Result<Head, Error> {
        let settings = &self.inner.settings;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(start, ask, sink).await {
                Ok(head) => return Ok(head),
                Err(failure) => failure,
            };
            let backoff = settings.retry_delay.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(settings.retry_delay_max);
            let delay = failure.retry_after.unwrap_or(backoff);
            if !is_transient(&failure.error) || attempt >= settings.attempts_max || delay > settings.retry_delay_max {
                return Err(failure.error);
            }
            if !sink.restart().map_err(|source| Error::Storing { source })? {
                return Err(failure.error);
            }
            tracing::debug!(url = %shown(start), attempt, error = %failure.error, "request is retried");
            sleep(delay).await;
            attempt += 1;
        }
    }

    /// Sends JSON to an address that somebody gave for reports. Neither retried nor redirected; any status but 2xx is an error.
    pub async fn post_json(&self, url: &str, body: &serde_json::Value) -> Result<(), Error> {
        let url = Url::parse(url.trim()).map_err(|_| Error::InvalidUrl { url: clip(url) })?;
        self.check_literal_address(&url)?;
        let _connection = self.wait_for_turn(&url).await;
        let port = url.port_or_known_default().unwrap_or(0);
        let client = self.inner.by_port.get(&port).unwrap_or(&self.inner.other_ports);
        let response = client.post(url.clone()).json(body).send().await.map_err(|error| request_error(&url, error))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Error::Status { url: shown(&url), status: status.as_u16() }),
        }
    }

    async fn attempt(&self, start: &Url, ask: &Ask<'_>, sink: &mut dyn Sink) -> Result<Head, Failure> {
        let settings = &self.inner.settings;
        let mut url = start.clone();
        let mut foreign_redirects = 0;
        if let Some(saved) = &settings.saved {
            return from_disk(saved, url, sink);
        }
        for _ in 0..=settings.redirects_max {
            self.check_literal_address(&url)?;
            let _connection = self.wait_for_turn(&url).await;
            let port = url.port_or_known_default().unwrap_or(0);
            let client = self.inner.by_port.get(&port).unwrap_or(&self.inner.other_ports);
            let mut request = client.request(ask.method.clone(), url.clone()).header(ACCEPT, ask.accept);
            for (name, value) in &ask.headers {
                request = request.header(name, *value);
            }
            let response = request.send().await.map_err(|error| request_error(&url, error))?;
            let status = response.status();
            if is_redirect(status) {
                let target = redirect_target(&url, &response)?;
                foreign_redirects += u32::from(target.host() != url.host());
                url = target;
                continue;
            }
            let is_answer = status.is_success()
                || (ask.conditional && status == StatusCode::NOT_MODIFIED)
                || (ask.any_status && !is_transient_status(status.as_u16()));
            if !is_answer {
                let error = Error::Status { url: shown(&url), status: status.as_u16() };
                return Err(Failure { error, retry_after: retry_after(&response) });
            }
            let head = Head::new(url, foreign_redirects, &response);
            if ask.wants_body() && status.is_success() {
                self.read(&head.url, response, ask, sink).await?;
            }
            return Ok(head);
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

    /// Waits until the host may be asked. What is given back holds one of its connections.
    async fn wait_for_turn(&self, url: &Url) -> Option<OwnedSemaphorePermit> {
        let settings = &self.inner.settings;
        let host = match url.host()? {
            Host::Domain("localhost") => return None,
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            // A literal address that came this far and is not public is in the allowed ones.
            Host::Ipv4(address) if !crate::address::is_public(address.into()) => return None,
            Host::Ipv6(address) if !crate::address::is_public(address.into()) => return None,
            address => address.to_string(),
        };
        let connections = {
            let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if hosts.len() >= PACED_HOSTS_MAX {
                hosts.retain(|_, turn| turn.next > now || Arc::strong_count(&turn.connections) > 1);
            }
            let new = || Turn { next: now, connections: Arc::new(Semaphore::new(settings.host_connections_max.max(1))) };
            hosts.entry(host.clone()).or_insert_with(new).connections.clone()
        };
        // It is never closed.
        let connection = connections.acquire_owned().await.ok();
        let next = {
            let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            hosts.get_mut(&host).map_or(now, |turn| {
                let next = turn.next.max(now);
                turn.next = next + settings.host_interval;
                next
            })
        };
        sleep_until(next).await;
        connection
    }

    async fn read(&self, url: &Url, mut response: Response, ask: &Ask<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let limit = ask.limit.unwrap_or(self.inner.settings.body_bytes_max);
        let too_large = || Error::TooLarge { url: shown(url), limit };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large().into());
        }
        let mut length = 0;
        // Pieces come decompressed, and a decompressor makes no more at once than its buffer holds.
        while let Some(piece) = response.chunk().await.map_err(|error| request_error(url, error))? {
            length += piece.len() as u64;
            if length > limit {
                return Err(too_large().into());
            }
            sink.write(&piece).map_err(|source| Error::Storing { source })?;
        }
        Ok(())
    }
}

/// What is known of a file beforehand; see [`Client::fetch`].
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The `Accept` header.
    pub accept: &'a str,
    /// The `ETag` that came with the last answer.
    pub etag: Option<&'a str>,
    /// The `Last-Modified` that came with the last answer.
    pub last_modified: Option<&'a str>,
}

/// A request as it is sent at every hop and attempt.
struct Ask<'a> {
    method: Method,
    accept: &'a str,
    headers: Vec<(HeaderName, &'a str)>,
    /// `304 Not Modified` is an answer.
    conditional: bool,
    /// So is every status that would be the same again; the body is of no interest.
    any_status: bool,
    limit: Option<u64>,
}

impl<'a> Ask<'a> {
    fn get(accept: &'a str) -> Self {
        Ask { method: Method::GET, accept, headers: Vec::new(), conditional: false, any_status: false, limit: None }
    }

    fn wants_body(&self) -> bool {
        !self.any_status
    }
}

/// What an answer says before its body.
struct Head {
    url: Url,
    status: StatusCode,
    content_type: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
    next: Option<Url>,
    foreign_redirects: u32,
    /// Length of the file, also of one of which only a part came.
    whole_length: Option<u64>,
    /// The name that the server gives the file.
    file_name: Option<String>,
}

impl Head {
    fn new(url: Url, foreign_redirects: u32, response: &Response) -> Self {
        let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let whole_length = match header(CONTENT_RANGE) {
            Some(range) => range.rsplit_once('/').and_then(|(_, length)| length.trim().parse().ok()),
            None => header(CONTENT_LENGTH).filter(|_| response.status().is_success()).and_then(|length| length.trim().parse().ok()),
        };
        let links = response.headers().get_all(LINK);
        let next = links.iter().find_map(|value| next_link(&String::from_utf8_lossy(value.as_bytes()))).and_then(|to| url.join(&to).ok());
        Head {
            status: response.status(),
            content_type: header(CONTENT_TYPE),
            etag: header(ETAG),
            last_modified: header(LAST_MODIFIED),
            next,
            foreign_redirects,
            whole_length,
            file_name: response
                .headers()
                .get(CONTENT_DISPOSITION)
                .and_then(|value| disposed_name(&String::from_utf8_lossy(value.as_bytes()))),
            url,
        }
    }
}

/// The file name in a `Content-Disposition` header (RFC 6266); the extended form wins. Never with a directory.
fn disposed_name(header: &str) -> Option<String> {
    let mut plain = None;
    for (name, value) in split_unquoted(header, ';').into_iter().filter_map(|parameter| parameter.split_once('=')) {
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                let (charset, encoded) = value.split_once("''").or_else(|| value.split_once('\''))?;
                let encoded = encoded.rsplit('\'').next().unwrap_or(encoded);
                if charset.eq_ignore_ascii_case("utf-8") {
                    let bytes: Vec<u8> =
                        url::form_urlencoded::parse(format!("n={}", encoded.replace('+', "%2B").replace('&', "%26")).as_bytes())
                            .next()
                            .map(|(_, value)| value.into_owned().into_bytes())?;
                    return last_part(&String::from_utf8_lossy(&bytes));
                }
            }
            "filename" => plain = Some(value.trim_matches('"').replace("\\\"", "\"")),
            _ => {}
        }
    }
    last_part(&plain?)
}

fn last_part(path: &str) -> Option<String> {
    path.rsplit(['/', '\\']).next().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A request answered from a saved portal.
fn from_disk(saved: &SavedPortal, url: Url, sink: &mut dyn Sink) -> Result<Head, Failure> {
    let storing = |source| Failure::from(Error::Storing { source });
    let (content_type, file_name) = match saved.answer(&url) {
        Some(Saved::Json(text)) => {
            sink.write(text.as_bytes()).map_err(storing)?;
            (Some("application/json".to_owned()), None)
        }
        Some(Saved::File(path)) => {
            let mut file = std::fs::File::open(path).map_err(storing)?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let length = std::io::Read::read(&mut file, &mut buffer).map_err(storing)?;
                if length == 0 {
                    break;
                }
                sink.write(&buffer[..length]).map_err(storing)?;
            }
            (None, path.file_name().map(|name| name.to_string_lossy().into_owned()))
        }
        None => return Err(Error::NotSaved { url: shown(&url) }.into()),
    };
    let status = StatusCode::OK;
    Ok(Head { url, status, content_type, etag: None, last_modified: None, next: None, foreign_redirects: 0, whole_length: None, file_name })
}

/// The target of `rel="next"` in a `Link` header (RFC 8288).
fn next_link(header: &str) -> Option<String> {
    for link in split_unquoted(header, ',') {
        let mut parts = split_unquoted(link, ';').into_iter();
        let Some(target) = parts.next().and_then(|target| target.trim().strip_prefix('<')?.strip_suffix('>')) else { continue };
        let is_next = parts.filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
    }
    None
}

/// The parts between separators that stand neither in quotation marks nor in the brackets around an address.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut bracketed) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            c if c == separator && !quoted && !bracketed => {
                parts.push(&text[start..at]);
                start = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
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
        Error::Status { status, .. } => is_transient_status(*status),
        Error::Timeout { .. } | Error::Connection { .. } => true,
        _ => false,
    }
}

/// What may be otherwise a little later; 501 and 505 say what a server never does.
fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(url: &Url, response: &Response) -> Result<Url, Error> {
    let location = response.headers().get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    location.and_then(|location| redirected(url, &location).transpose()).unwrap_or_else(|| Err(Error::BadRedirect { url: shown(url) }))
}

/// Where a `Location` leads; `None` when it is no address.
fn redirected(url: &Url, location: &str) -> Result<Option<Url>, Error> {
    let Ok(mut target) = url.join(location.trim()) else { return Ok(None) };
    // Whoever sits between could have sent this redirect to a page of his own.
    if url.scheme() == "https" && target.scheme() == "http" {
        return Err(Error::Downgrade { url: shown(url), target: shown(&target) });
    }
    if (target.scheme(), target.host(), target.port_or_known_default()) != (url.scheme(), url.host(), url.port_or_known_default()) {
        // Both fail only for addresses that cannot hold a user name.
        let _ = target.set_username("");
        let _ = target.set_password(None);
    }
    Ok(Some(target))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_name_files() {
        for (header, name) in [
            ("attachment; filename=\"a b.csv\"", Some("a b.csv")),
            ("attachment; filename=x.csv; filename*=UTF-8''%E4%B8%80%E8%A6%A7%2B1.csv", Some("一覧+1.csv")),
            ("inline; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment", None),
            ("attachment; filename=\"\"", None),
        ] {
            assert_eq!(disposed_name(header).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn the_next_page_is_found_among_other_links() {
        for (header, next) in [
            ("</a?page=2>; rel=\"next\"", Some("/a?page=2")),
            ("<a>; rel=prev, <b>; title=\"x, y\"; rel=\"last next\"", Some("b")),
            ("<a>; rel=\"prev\", <b>; rel=first", None),
            ("<a>; title=\"<b>; rel=next\"; rel=self", None),
            ("<a?x=1,2;y>; rel=next", Some("a?x=1,2;y")),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(next_link(header).as_deref(), next, "{header}");
        }
    }

    #[test]
    fn redirects_keep_secrets_and_encryption() {
        let from = |url: &str, to: &str| redirected(&Url::parse(url).unwrap(), to).map(|target| target.map(String::from));
        for (url, to, target) in [
            ("http://u:p@e.jp/a", "b", Some("http://u:p@e.jp/b")),
            ("http://u:p@e.jp/a", "//other.jp/b", Some("http://other.jp/b")),
            ("http://u:p@e.jp/a", "https://e.jp/b", Some("https://e.jp/b")),
            ("http://u:p@e.jp/a", "http://x:y@other.jp/", Some("http://other.jp/")),
            ("http://u:p@e.jp/a", "http://e.jp:8080/", Some("http://e.jp:8080/")),
            ("https://e.jp/a", "https://e.jp/ b ", Some("https://e.jp/%20b")),
            ("https://e.jp/a", "https://", None),
        ] {
            assert_eq!(from(url, to).unwrap().as_deref(), target, "{url} {to}");
        }
        let error = from("https://e.jp/a", "http://u:p@e.jp/b").unwrap_err();
        assert!(matches!(&error, Error::Downgrade { target, .. } if target == "http://e.jp/b"), "{error}");
    }

    #[tokio::test]
    async fn a_host_is_asked_by_few_at_once_and_at_a_pace() {
        let client = |host_interval| Client::new(ClientSettings { host_interval, ..ClientSettings::default() }).unwrap();
        let turn = |client: &Client, url: &str| {
            let (client, url) = (client.clone(), Url::parse(url).unwrap());
            async move { tokio::time::timeout(Duration::from_millis(50), client.wait_for_turn(&url)).await.ok() }
        };
        let fast = client(Duration::ZERO);
        let first = turn(&fast, "https://e.jp/a").await.unwrap();
        let _second = turn(&fast, "https://E.jp.:8443/b").await.unwrap();
        assert!(turn(&fast, "https://e.jp/c").await.is_none(), "two are enough");
        assert!(turn(&fast, "https://other.jp/").await.is_some());
        drop(first);
        assert!(turn(&fast, "https://e.jp/c").await.is_some());

        let slow = client(Duration::from_secs(60));
        assert!(turn(&slow, "https://e.jp/a").await.is_some());
        assert!(turn(&slow, "https://e.jp/b").await.is_none(), "too soon");
        for _ in 0..5 {
            assert!(turn(&slow, "http://127.0.0.1/").await.is_some_and(|connection| connection.is_none()));
        }
    }
}
