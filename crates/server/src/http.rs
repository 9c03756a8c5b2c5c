//! What all faces share: the state, who is asking, bodies, problems, the hop to a blocking thread.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, dev::Payload, web};
use bytes::Bytes;
use futures_util::StreamExt;
use minato_app::catalog::{FieldError, Text, Viewer};
use minato_app::{App, Context, Done, Error, Idempotency, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::config::ServerSettings;

/// What every handler gets.
pub struct State {
    /// The application.
    pub app: App,
    /// How the server is set up.
    pub settings: Arc<ServerSettings>,
    /// Whole answers for the public, kept until something changes.
    pub answers: AnswerCache,
    /// Archives of datasets that were asked for of late.
    pub archives: crate::download::Archives,
    /// Files in other formats that were asked for of late.
    pub conversions: crate::download::Conversions,
}

/// The state as actix hands it to handlers.
pub type Shared = web::Data<State>;

impl State {
    /// Runs `f` on a blocking thread: the one way from a handler to the application.
    pub async fn run<T: Send + 'static>(&self, f: impl FnOnce(&App) -> minato_app::Result<T> + Send + 'static) -> Result<T, Problem> {
        let app = self.app.clone();
        match web::block(move || f(&app)).await {
            Ok(result) => result.map_err(Problem::from),
            Err(error) => Err(Error::internal(error.to_string()).into()),
        }
    }
}

/// Whole answers for the public by a key that holds everything they depend on (path, query, language, accepted type).
///
/// An answer is good while nothing in the catalog changed since before it was made, and no longer than its time.
pub struct AnswerCache {
    answers: moka::sync::Cache<String, Answer>,
}

/// A kept answer.
#[derive(Clone)]
pub struct Answer {
    generation: u64,
    until: Instant,
    /// The body.
    pub body: Bytes,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `ETag`, with quotes; empty for none.
    pub etag: String,
}

impl Default for AnswerCache {
    fn default() -> Self {
        let weight = |key: &String, answer: &Answer| u32::try_from(key.len() + answer.body.len() + 200).unwrap_or(u32::MAX);
        AnswerCache { answers: moka::sync::Cache::builder().weigher(weight).max_capacity(12 * 1024 * 1024).build() }
    }
}

impl AnswerCache {
    /// The kept answer, when it is still good.
    pub fn get(&self, app: &App, key: &str) -> Option<Answer> {
        let answer = self.answers.get(key)?;
        (answer.generation == app.generation() && Instant::now() < answer.until).then_some(answer)
    }

    /// Keeps an answer; `generation` was read before what it was made of.
    pub fn put(&self, key: String, generation: u64, keep: Duration, body: Bytes, content_type: &'static str, etag: String) -> Answer {
        // A body that grew while it was written holds up to twice its length.
        let body = Bytes::copy_from_slice(&body);
        let answer = Answer { generation, until: Instant::now() + keep, body, content_type, etag };
        self.answers.insert(key, answer.clone());
        answer
    }
}

impl Answer {
    /// The response, or 304 when the client has it already.
    pub fn respond(&self, request: &HttpRequest) -> HttpResponse {
        if !self.etag.is_empty() && if_none_match(request.headers(), &self.etag) {
            return HttpResponse::NotModified().insert_header((header::ETAG, self.etag.as_str())).finish();
        }
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CONTENT_TYPE, self.content_type));
        if !self.etag.is_empty() {
            response.insert_header((header::ETAG, self.etag.as_str()));
        }
        response.body(self.body.clone())
    }
}

/// Who is asking: `Authorization: Bearer TOKEN`, or CKAN's bare token there or in `X-CKAN-API-Key`. An invalid token is refused with 401.
pub struct Asker(pub Viewer);

impl FromRequest for Asker {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<Shared>().cloned();
        let secret = secret(request.headers()).map(str::to_owned);
        Box::pin(async move {
            let (Some(state), Some(secret)) = (state, secret) else { return Ok(Asker(Viewer::public())) };
            state.run(move |app| app.authenticate(&secret)).await.map(Asker)
        })
    }
}

/// The secret that a request carries.
pub fn secret(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION).or_else(|| headers.get("x-ckan-api-key"))?.to_str().ok()?.trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
        None => value,
    };
    (!token.is_empty()).then_some(token)
}

/// A JSON body, read whole up to the limit for bodies that are not files. Mistakes name the field.
pub struct JsonBody<T> {
    /// The parsed body.
    pub value: T,
    /// SHA-256 of the bytes, for `Idempotency-Key`.
    pub hash: String,
}

/// Largest JSON body accepted, in bytes.
pub const JSON_BYTES_MAX: usize = 16 * 1024 * 1024;

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let whole = whole_body(request.headers());
        let payload = payload.take();
        Box::pin(async move {
            whole?;
            let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if !(essence.is_empty() || essence == "application/json" || essence.ends_with("+json")) {
                return Err(Problem::unsupported_media_type(&essence, "application/json"));
            }
            let bytes = read_body(payload, JSON_BYTES_MAX).await?;
            let hash = hex(&Sha256::digest(&bytes));
            let value = minato_app::catalog::parse_json(&bytes).map_err(|error| Problem::from(Error::invalid(error)))?;
            Ok(JsonBody { value, hash })
        })
    }
}

/// Kind of problem of a body that ended before its end.
const CUT_OFF: &str = "body_cut_off";

/// Longest wait for the next part of a body.
pub const STALL_MAX: Duration = Duration::from_secs(30);

/// Refuses a body that is compressed, or that its sender calls a part of something: it would be taken for the whole (RFC 9110 §14.4).
pub fn whole_body(headers: &HeaderMap) -> Result<(), Problem> {
    for coding in headers.get_all(header::CONTENT_ENCODING) {
        let coding = String::from_utf8_lossy(coding.as_bytes());
        if !matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity") {
            return Err(Problem::unsupported_encoding(&coding));
        }
    }
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Error::invalid(FieldError::new(
            "Content-Range",
            "invalid_header",
            "Content-Range は使えません。一部ではなく全体を、Content-Range を付けずに送ってください。",
            "Content-Range is not accepted: send the whole body, without Content-Range",
        ))
        .into());
    }
    Ok(())
}

/// Reads a body whole, refusing more than `limit` bytes and one that stalls.
pub async fn read_body(payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    read_within(payload, limit, STALL_MAX).await
}

async fn read_within(mut payload: Payload, limit: usize, stall: Duration) -> Result<Bytes, Problem> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = tokio::time::timeout(stall, payload.next()).await.map_err(|_| Problem::timed_out())? {
        let chunk = chunk.map_err(|error| Problem::cut_off(&error.to_string()))?;
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge { limit: limit as u64 }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Query parameters; mistakes name the parameter.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = serde_urlencoded::from_str(request.query_string()).map(Params).map_err(|error| {
            let detail: String = error.to_string().chars().take(200).collect();
            Problem::from(Error::invalid(FieldError::new(
                "",
                "invalid_parameter",
                format!("クエリパラメーターが正しくありません（{detail}）。API 仕様 /api/docs を確認してください。"),
                format!("a query parameter is not as expected: {detail}; see /api/docs"),
            )))
        });
        std::future::ready(parsed)
    }
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatchHeader {
    /// `*`: whatever is there, but something.
    Existing,
    /// One of these revisions; at least one. A tag that is none of ours is -1, which no revision has.
    OneOf(Vec<i64>),
}

/// The `If-Match` of a request (RFC 9110 §13.1.1): `*` or a list of entity tags.
///
/// Weak tags count as strong ones, as proxies that compress weaken them; a bare revision counts as its tag.
pub fn if_match_of(headers: &HeaderMap) -> Result<Option<IfMatchHeader>, Problem> {
    let mut lines = headers.get_all(header::IF_MATCH).peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or("?").trim()).collect();
    let parsed = if lines == ["*"] { Some(IfMatchHeader::Existing) } else { entity_tags(&lines.join(",")).map(IfMatchHeader::OneOf) };
    match parsed {
        Some(parsed) => Ok(Some(parsed)),
        None => Err(Error::invalid(FieldError::new(
            "If-Match",
            "invalid_header",
            "If-Match ヘッダーが正しくありません。GET で得た ETag（例: \"3\"）か * を指定してください。",
            "If-Match is malformed; send the ETag of a GET (for example \"3\") or *",
        ))
        .into()),
    }
}

/// The revisions of a list of entity tags; `None` when it is malformed or empty.
fn entity_tags(list: &str) -> Option<Vec<i64>> {
    let mut revisions = Vec::new();
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (tag, after) = match rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"') {
            Some(opened) => opened.split_once('"')?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let bare = rest[..end].trim_end();
                bare.bytes().all(|byte| byte.is_ascii_digit()).then_some((bare, &rest[end..]))?
            }
        };
        revisions.push(tag.parse().unwrap_or(-1));
        let after = after.trim_start_matches([' ', '\t']);
        if !(after.is_empty() || after.starts_with(',')) {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    (!revisions.is_empty()).then_some(revisions)
}

/// Whether `If-None-Match` has this entity tag.
pub fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    let Some(value) = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else { return false };
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    value.trim() == "*" || value.split(',').any(|tag| bare(tag) == bare(etag))
}

/// The entity tag of a revision.
pub fn etag(revision: i64) -> String {
    format!("\"{revision}\"")
}

/// The context of a change over HTTP: who, `dry_run`, `If-Match`, `Idempotency-Key`.
pub fn context(
    viewer: Viewer,
    request: &HttpRequest,
    body_hash: &str,
    dry_run: bool,
    if_match: Option<IfMatchHeader>,
) -> Result<Context, Problem> {
    let idempotency = match request.headers().get("idempotency-key") {
        None => None,
        Some(key) => {
            let key = key.to_str().unwrap_or_default().trim();
            if key.is_empty() || key.len() > 255 {
                return Err(Error::invalid(FieldError::new(
                    "Idempotency-Key",
                    "invalid_header",
                    "Idempotency-Key は 1～255 文字の半角文字列にしてください。",
                    "Idempotency-Key must be 1 to 255 ASCII characters",
                ))
                .into());
            }
            let identity = format!("{} {} {body_hash}", request.method(), request.uri());
            Some(Idempotency { key: key.to_owned(), request_hash: hex(&Sha256::digest(identity.as_bytes())) })
        }
    };
    let must_exist = if_match.is_some();
    let mut revisions = match if_match {
        Some(IfMatchHeader::OneOf(revisions)) => revisions.into_iter(),
        Some(IfMatchHeader::Existing) | None => Vec::new().into_iter(),
    };
    let expected = revisions.next();
    Ok(Context { viewer, dry_run, expected, or_expected: revisions.collect(), must_exist, idempotency })
}

/// The answer to a change: 201 for something new, else 200, with `ETag` and, for a repeated key, `Idempotency-Replayed`.
pub fn changed<T: Serialize>(done: &Done<T>, revision: Option<i64>, location: Option<String>) -> HttpResponse {
    let mut response = match done.status {
        Status::Created => HttpResponse::Created(),
        Status::Updated | Status::Unchanged => HttpResponse::Ok(),
    };
    if let Some(revision) = revision {
        response.insert_header((header::ETAG, etag(revision)));
    }
    if let (Status::Created, Some(location)) = (done.status, location) {
        response.insert_header((header::LOCATION, location));
    }
    if done.replayed {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response.json(&done.value)
}

/// Address of the client; that of `X-Forwarded-For` only when the peer is a trusted proxy.
pub fn client_address(request: &HttpRequest, settings: &ServerSettings) -> IpAddr {
    // Where one socket listens for both kinds, addresses of IPv4 come as `::ffff:192.0.2.1`.
    let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip().to_canonical());
    let is_trusted = |address: IpAddr| settings.trusted_proxies.iter().any(|proxy| proxy.to_canonical() == address);
    if !is_trusted(peer) {
        return peer;
    }
    // A proxy may add a header of its own instead of lengthening the one it got.
    let headers: Vec<&str> = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    let mut client = peer;
    for text in headers.iter().rev().flat_map(|header| header.rsplit(',')) {
        // What no proxy writes was sent by the client, and so was all before it.
        let Some(address) = forwarded_address(text.trim()) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`: some proxies write the port, too.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = plain.parse().or_else(|_| text.parse().map(|address: std::net::SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// What a browser says a request is for: `Sec-Purpose` or one of its forerunners.
pub fn purpose(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().find_map(text)
}

/// Domain of the other site whose page led here; empty when unknown.
pub fn referrer(request: &HttpRequest, settings: &ServerSettings) -> String {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let base = settings.base_url();
    let public = base.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    minato_app::counter::referrer_domain(text(header::REFERER), &[text(header::HOST).unwrap_or_default(), public])
}

/// Whether an address is one of this site: of its public address, or of the host that the request was sent to.
pub fn is_own_address(request: &HttpRequest, settings: &ServerSettings, address: &url::Url) -> bool {
    if url::Url::parse(&settings.base_url()).is_ok_and(|own| own.origin() == address.origin()) {
        return true;
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authority = match (address.host_str(), address.port()) {
        (Some(name), Some(port)) => format!("{name}:{port}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => return false,
    };
    matches!(address.scheme(), "http" | "https") && authority.eq_ignore_ascii_case(host)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer that says what went wrong: RFC 9457 problem details in Japanese and English.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    details: Box<ProblemDetails>,
}

/// Problem details (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// Machine-readable kind, for example `invalid`.
    pub kind: String,
    /// Short title in Japanese.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened and what to do, in Japanese.
    pub detail: String,
    /// What happened and what to do, in English.
    pub detail_en: String,
    /// Each mistake with its field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What is known of a withdrawn dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub withdrawn: Option<Withdrawn>,
    /// Where what was asked for can be had instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<ProblemLink>,
}

/// Where something can be had instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemLink {
    /// What it is called.
    pub title: String,
    /// Its address.
    pub url: String,
}

/// What is known of a withdrawn dataset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Withdrawn {
    /// Its id.
    pub id: uuid::Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Name of the organization that published it.
    pub publisher: String,
    /// When it was withdrawn.
    pub at: chrono::DateTime<chrono::Utc>,
}

impl Problem {
    /// A problem of the HTTP layer.
    pub fn new(status: StatusCode, kind: &str, text: Text, errors: Vec<FieldError>) -> Self {
        let details = ProblemDetails {
            type_uri: format!("urn:minato:problem:{kind}"),
            kind: kind.to_owned(),
            title: title(status).to_owned(),
            status: status.as_u16(),
            detail: text.ja,
            detail_en: text.en,
            errors,
            withdrawn: None,
            links: Vec::new(),
        };
        Problem { status, details: Box::new(details) }
    }

    /// The same with the places where what was asked for can be had.
    pub fn with_links(mut self, links: Vec<ProblemLink>) -> Self {
        self.details.links = links;
        self
    }

    /// The body has a type that is not read here.
    pub fn unsupported_media_type(given: &str, wanted: &str) -> Self {
        let given: String = given.chars().take(100).collect();
        let text = Text::new(
            format!("Content-Type「{given}」は受け付けていません。{wanted} で送ってください。"),
            format!("Content-Type `{given}` is not accepted here; send {wanted}"),
        );
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text, Vec::new())
    }

    /// The body is compressed in a way that is not read here.
    pub fn unsupported_encoding(given: &str) -> Self {
        let given: String = given.chars().take(100).collect();
        let text = Text::new(
            format!("Content-Encoding「{given}」は受け付けていません。圧縮せずに送ってください。"),
            format!("Content-Encoding `{given}` is not accepted here; send the body uncompressed"),
        );
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text, Vec::new())
    }

    /// The body ended before its end.
    pub fn cut_off(cause: &str) -> Self {
        tracing::debug!(cause, "body cut off");
        let text = Text::new(
            "送信が途中で切れたか、形式が壊れています。何も保存していません。もう一度送ってください。",
            "the body was cut off or is malformed; nothing was saved, send it again",
        );
        Problem::new(StatusCode::BAD_REQUEST, CUT_OFF, text, Vec::new())
    }

    /// The body did not go on for too long.
    pub fn timed_out() -> Self {
        let text = Text::new(
            "送信が途中で止まったため中断しました。何も保存していません。通信状態を確認して、もう一度送ってください。",
            "the body stopped arriving, so this was given up; nothing was saved, check the connection and send it again",
        );
        Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", text, Vec::new())
    }

    /// The same for one distribution on its own: its fields are named from itself, not from the list of its dataset.
    pub fn of_distribution(mut self) -> Self {
        let details = &mut self.details;
        for error in &mut details.errors {
            let Some(place) = distribution_place(&error.field).map(str::to_owned) else { continue };
            error.field = error.field[place.len()..].to_owned();
            for text in [&mut error.message.ja, &mut error.message.en, &mut details.detail, &mut details.detail_en] {
                *text = text.replace(&format!("{place}/"), "/");
            }
        }
        self
    }

    /// There is no such path.
    pub fn no_route(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let text = Text::new(
            format!("URL「{path}」はありません。API の一覧は /api/docs にあります。"),
            format!("there is nothing at `{path}`; the API is listed at /api/docs"),
        );
        Problem::new(StatusCode::NOT_FOUND, "not_found", text, Vec::new())
    }

    /// Whether the connection ends with it: what is still to come cannot be told from a next request.
    pub fn ends_connection(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT || self.details.kind == CUT_OFF
    }

    /// There is no such page, for people.
    pub fn no_page(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let text = Text::new(
            format!("「{path}」というページはありません。アドレスを確かめるか、下の検索で探してください。"),
            format!("there is no page at `{path}`; check the address, or search below"),
        );
        Problem::new(StatusCode::NOT_FOUND, "not_found", text, Vec::new())
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is sent.
    pub fn details(&self) -> &ProblemDetails {
        &self.details
    }
}

/// `/distributions/3` at the beginning of a field.
fn distribution_place(field: &str) -> Option<&str> {
    let rest = field.strip_prefix("/distributions/")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let end = field.len() - rest.len() + digits;
    (digits > 0 && (end == field.len() || field[end..].starts_with('/'))).then_some(&field[..end])
}

/// The one place where kinds of error get their status.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Gone { .. } => StatusCode::GONE,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::Invalid(errors)
            if errors.iter().any(|error| {
                matches!(error.code.as_str(), "invalid_json" | "invalid_parameter" | "invalid_query" | "invalid_cursor" | "invalid_header")
            }) =>
        {
            StatusCode::BAD_REQUEST
        }
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Error::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "リクエストの形式が正しくありません",
        401 => "認証が必要です",
        403 => "権限がありません",
        404 => "見つかりません",
        405 => "この操作は使えません",
        408 => "時間内に届きませんでした",
        409 => "ほかのデータと競合しています",
        410 => "公開を終了しました",
        412 => "ほかの人が先に更新しました",
        413 => "大きすぎます",
        415 => "形式を受け付けていません",
        416 => "指定された範囲はありません",
        422 => "入力に誤りがあります",
        428 => "If-Match が必要です",
        431 => "ヘッダーが大きすぎます",
        503 => "一時的に利用できません",
        _ => "サーバー内部の問題です",
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Error::Internal(source) = &error {
            // The whole chain, once, where it is handled; the client gets no part of it.
            let mut chain = source.to_string();
            let mut next = source.source();
            while let Some(cause) = next {
                chain.push_str(": ");
                chain.push_str(&cause.to_string());
                next = cause.source();
            }
            tracing::error!(error = %chain, "request failed");
        }
        let (status, kind, text) = (status_of(&error), error.kind(), error.text());
        let mut withdrawn = None;
        let errors = match error {
            Error::Invalid(errors) => errors,
            Error::Conflict(error) => vec![error],
            Error::Gone { id, slug, title, publisher, at } => {
                withdrawn = Some(Withdrawn { id, slug, title, publisher, at });
                Vec::new()
            }
            _ => Vec::new(),
        };
        let mut problem = Problem::new(status, kind, text, errors);
        problem.details.withdrawn = withdrawn;
        problem
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.details.detail_en)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.ends_connection() {
            response.force_close();
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "5"));
        }
        response.body(serde_json::to_string(&*self.details).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn every_status_of_a_problem_has_its_title() {
        for status in (400..=428).chain([431, 503]).filter_map(|status| StatusCode::from_u16(status).ok()) {
            let used = ![402, 406, 407, 411, 414, 417, 418, 421, 423, 424, 426].contains(&status.as_u16());
            if used && status.canonical_reason().is_some_and(|reason| !reason.is_empty()) && status.as_u16() != 425 {
                assert_ne!(title(status), title(StatusCode::INTERNAL_SERVER_ERROR), "{status}");
            }
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let settings = ServerSettings { trusted_proxies: vec![address("192.0.2.1"), address("2001:db8::1")], ..ServerSettings::default() };
        for (peer, headers, expected) in [
            ("192.0.2.1", &["203.0.113.7"][..], "203.0.113.7"),
            ("192.0.2.1", &["198.51.100.9, 203.0.113.7"], "203.0.113.7"),
            ("192.0.2.1", &["198.51.100.9, 203.0.113.7, 192.0.2.1"], "203.0.113.7"),
            ("192.0.2.1", &["198.51.100.9", "203.0.113.7"], "203.0.113.7"),
            ("192.0.2.1", &["198.51.100.9, 203.0.113.7:51234"], "203.0.113.7"),
            ("192.0.2.1", &["198.51.100.9, [2001:db8::7]:51234"], "2001:db8::7"),
            ("192.0.2.1", &["198.51.100.9, ::ffff:203.0.113.7"], "203.0.113.7"),
            // Whoever made the first up, the proxy wrote the last, and it says nothing.
            ("192.0.2.1", &["198.51.100.9, unknown"], "192.0.2.1"),
            ("192.0.2.1", &["evil, 203.0.113.7"], "203.0.113.7"),
            ("192.0.2.1", &[""], "192.0.2.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("2001:db8::1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:192.0.2.1", &["203.0.113.7"], "203.0.113.7"),
            // Whoever is no proxy of ours is the client, whatever it says.
            ("198.51.100.9", &["203.0.113.7"], "198.51.100.9"),
        ] {
            let mut request = TestRequest::default().peer_addr((address(peer), 4711).into());
            for header in headers {
                request = request.append_header(("x-forwarded-for", *header));
            }
            assert_eq!(client_address(&request.to_http_request(), &settings), address(expected), "{peer} {headers:?}");
        }
    }

    #[test]
    fn if_match_is_a_star_or_a_list_of_tags() {
        for (value, expected) in [
            ("*", Some(IfMatchHeader::Existing)),
            ("\"3\"", Some(IfMatchHeader::OneOf(vec![3]))),
            (" W/\"3\" , \"x,y\",, 5", Some(IfMatchHeader::OneOf(vec![3, -1, 5]))),
            ("\"\"", Some(IfMatchHeader::OneOf(vec![-1]))),
            ("", None),
            (",", None),
            ("abc", None),
            ("\"3", None),
            ("\"3\" \"4\"", None),
            ("*, \"3\"", None),
        ] {
            let request = TestRequest::default().insert_header((header::IF_MATCH, value)).to_http_request();
            match (if_match_of(request.headers()), expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, Some(expected), "{value}"),
                (Err(problem), None) => {
                    assert_eq!((problem.status().as_u16(), problem.details().errors[0].field.as_str()), (400, "If-Match"), "{value}");
                }
                (found, _) => panic!("{value}: {found:?}"),
            }
        }
        assert_eq!(if_match_of(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_distribution_alone_is_no_item_of_a_list() {
        let wrong = FieldError::too_long("/distributions/12/title", 500);
        let problem = Problem::from(Error::invalid(wrong)).of_distribution();
        let details = problem.details();
        assert_eq!(details.errors, [FieldError::too_long("/title", 500)]);
        assert_eq!(details.detail_en, details.errors[0].message.en);
        let other = Problem::from(Error::invalid(FieldError::required("/distributions/x"))).of_distribution();
        assert_eq!(other.details().errors[0].field, "/distributions/x");
    }

    #[actix_web::test]
    async fn a_body_that_stalls_is_given_up() {
        let silent: actix_http::BoxedPayloadStream = Box::pin(futures_util::stream::pending());
        let problem = read_within(Payload::Stream { payload: silent }, 10, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.details().kind.as_str()), (408, "timeout"));
    }
}
