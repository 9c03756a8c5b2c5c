//! What a request says: path keys, query parameters, bodies and conditions. Every mistake is a problem that names its place.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, NaiveDate, Utc};
use minato_app::catalog::{self, Document, FieldError, Viewer};
use minato_app::{Context, Error};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::{Asker, JsonBody, Problem, context, if_match_of};

/// Longest path key, in bytes.
const KEY_BYTES_MAX: usize = 2_000;

/// The key in the path, decoded. One that cannot name anything is not found.
pub(super) fn key(request: &HttpRequest, name: &str) -> Result<String, Problem> {
    let raw = request.match_info().get(name).unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8().ok();
    match decoded {
        Some(text) if !text.is_empty() && text.len() <= KEY_BYTES_MAX && !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(Problem::no_route(request.path())),
    }
}

/// The number in the path; anything else is not found.
pub(super) fn number_key(request: &HttpRequest, name: &str) -> Result<i64, Problem> {
    key(request, name)?.parse().map_err(|_| Problem::no_route(request.path()))
}

/// The query parameters of a request. Unknown ones are ignored.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of a query string. Bytes that are not UTF-8 become U+FFFD.
    pub(super) fn parse(text: &str) -> Result<Query, Problem> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, value)| name.contains('\0') || value.contains('\0')) {
            None => Ok(Query(pairs)),
            Some((name, _)) => Err(invalid(&name.replace('\0', ""), "NUL 文字を含めないでください", "must not contain NUL characters")),
        }
    }

    /// The first value; `None` when absent or blank.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The first value as an owned text.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// All values: the parameter may be repeated, and each may hold several between commas.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(given, _)| given == name);
        values.flat_map(|(_, value)| value.split(',')).map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    /// A whole number within a range.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let (low, high) = (range.start(), range.end());
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                Err(invalid(name, &format!("{low}～{high} の整数にしてください"), &format!("must be a whole number from {low} to {high}")))
            }
        }
    }

    /// `true` or `false`; present without a value is true.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let Some((_, value)) = self.0.iter().find(|(given, _)| given == name) else { return Ok(false) };
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(invalid(name, "true か false にしてください", "must be true or false")),
        }
    }

    /// A day.
    pub(super) fn day(&self, name: &str) -> Result<Option<NaiveDate>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match catalog::parse_day(text) {
            Some(day) => Ok(Some(day)),
            None => Err(invalid(name, "2026-04-01 の形の日付にしてください", "must be a day such as 2026-04-01")),
        }
    }

    /// A month, by its first day.
    pub(super) fn month(&self, name: &str) -> Result<Option<NaiveDate>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match catalog::parse_month(text) {
            Some(month) => Ok(Some(month)),
            None => Err(invalid(name, "2026-11 の形の月にしてください", "must be a month such as 2026-11")),
        }
    }

    /// A moment; a day alone is its first moment in Japan.
    pub(super) fn moment(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A literal `+` in a query is a blank.
        match catalog::parse_moment(text).or_else(|| catalog::parse_moment(&text.replace(' ', "+"))) {
            Some(at) => Ok(Some(at)),
            None => Err(invalid(
                name,
                "2026-04-01 または 2026-04-01T09:00:00Z の形にしてください",
                "must be 2026-04-01 or 2026-04-01T09:00:00Z",
            )),
        }
    }

    /// One of a closed list of words.
    pub(super) fn choice<T: DeserializeOwned>(&self, name: &str, known: &[&str]) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match serde_json::from_value(Value::String(text.to_owned())) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(not_one_of(name, known)),
        }
    }

    /// Whether only a trial is asked for.
    pub(super) fn dry_run(&self) -> Result<bool, Problem> {
        self.flag("dry_run")
    }
}

impl FromRequest for Query {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Query::parse(request.query_string()))
    }
}

/// A query parameter is not as it must be (400).
pub(super) fn invalid(name: &str, ja: &str, en: &str) -> Problem {
    let name: String = name.chars().take(100).collect();
    let (ja, en) = (format!("クエリパラメーター {name} は{ja}。"), format!("query parameter `{name}` {en}"));
    Error::invalid(FieldError::new(format!("/{name}"), "invalid_parameter", ja, en)).into()
}

/// A query parameter is not one of the known words (400).
pub(super) fn not_one_of(name: &str, known: &[&str]) -> Problem {
    let known = known.join(", ");
    invalid(name, &format!("次のいずれかにしてください: {known}"), &format!("must be one of {known}"))
}

/// A change that a signed-in viewer asks for; with `BODY`, the JSON that came with it.
///
/// Who may not write at all learns so before anything is said about the body.
pub(super) struct Change<const BODY: bool> {
    request: HttpRequest,
    viewer: Viewer,
    query: Query,
    body: Value,
    hash: String,
}

/// A change with a JSON body.
pub(super) type Write = Change<true>;
/// A change without a body.
pub(super) type Act = Change<false>;

/// Whether a change must say which revision it is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// 428 without.
    Required,
    /// Checked when sent.
    Optional,
}

impl<const BODY: bool> FromRequest for Change<BODY> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let viewer = writer(&request).await?;
            let query = Query::parse(request.query_string())?;
            let (body, hash) = if BODY {
                let JsonBody { value: Document(body), hash } = JsonBody::<Document>::from_request(&request, &mut payload).await?;
                refuse_nul(&body)?;
                (body, hash)
            } else {
                (Value::Null, String::new())
            };
            Ok(Change { request, viewer, query, body, hash })
        })
    }
}

/// The signed-in viewer of a request that writes.
pub(super) async fn writer(request: &HttpRequest) -> Result<Viewer, Problem> {
    let Asker(viewer) = Asker::from_request(request, &mut Payload::None).await?;
    if viewer.is_public() { Err(Error::Unauthenticated.into()) } else { Ok(viewer) }
}

/// The context of a change with whatever conditions the request carries.
pub(super) fn conditions(request: &HttpRequest, viewer: Viewer, query: &Query, hash: &str, if_match: IfMatch) -> Result<Context, Problem> {
    let stated = if_match_of(request.headers())?;
    if stated.is_none() && if_match == IfMatch::Required {
        return Err(Error::PreconditionRequired.into());
    }
    context(viewer, request, hash, query.dry_run()?, stated)
}

impl<const BODY: bool> Change<BODY> {
    /// On whose behalf and under which conditions.
    pub(super) fn context(&self, if_match: IfMatch) -> Result<Context, Problem> {
        conditions(&self.request, self.viewer.clone(), &self.query, &self.hash, if_match)
    }

    /// The key in the path.
    pub(super) fn key(&self, name: &str) -> Result<String, Problem> {
        key(&self.request, name)
    }
}

impl Write {
    /// The body, which must be a JSON object.
    pub(super) fn object(self) -> Result<Map<String, Value>, Problem> {
        match self.body {
            Value::Object(object) => Ok(object),
            _ => Err(not_an_object("")),
        }
    }

    /// The body as a draft, without what answers carry beside it.
    pub(super) fn draft<T: DeserializeOwned>(self, read_only: &[&str]) -> Result<T, Problem> {
        let mut object = self.object()?;
        strip(&mut object, read_only);
        parse(object)
    }
}

/// Takes out the fields that only answers have: sending a whole answer back is usual and harmless.
pub(super) fn strip(object: &mut Map<String, Value>, read_only: &[&str]) {
    for name in read_only {
        object.shift_remove(*name);
    }
}

/// An object as a draft; an unknown field is refused by name.
pub(super) fn parse<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    catalog::from_value(Value::Object(object)).map_err(|error| Error::invalid(error).into())
}

/// A value that must be an object is none.
pub(super) fn not_an_object(field: &str) -> Problem {
    let (at, at_en) = if field.is_empty() { ("本文", "the body") } else { (field, field) };
    Error::invalid(FieldError::new(
        field,
        "invalid_type",
        format!("{at} は JSON オブジェクト {{ … }} にしてください。"),
        format!("{at_en} must be a JSON object"),
    ))
    .into()
}

/// Refuses NUL characters, which one of the databases cannot keep.
fn refuse_nul(value: &Value) -> Result<(), Problem> {
    match find_nul(value, &mut String::new()) {
        None => Ok(()),
        Some(field) => Err(Error::invalid(FieldError::new(
            field.as_str(),
            "invalid_character",
            format!("{field} に使えない文字（NUL）が含まれています。取り除いてください。"),
            format!("{field} contains a NUL character; remove it"),
        ))
        .into()),
    }
}

fn find_nul(value: &Value, at: &mut String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(|| at.clone()),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let length = at.len();
            at.push_str(&format!("/{index}"));
            let found = find_nul(item, at);
            at.truncate(length);
            found
        }),
        Value::Object(fields) => fields.iter().find_map(|(name, item)| {
            let length = at.len();
            at.push_str(&format!("/{}", name.replace('\0', "")));
            let found = if name.contains('\0') { Some(at.clone()) } else { find_nul(item, at) };
            at.truncate(length);
            found
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_wherever_it_hides() {
        let body = serde_json::json!({"title": "x", "extras": {"a": ["b", "c\u{0}"]}});
        assert_eq!(find_nul(&body, &mut String::new()).as_deref(), Some("/extras/a/1"));
        assert_eq!(find_nul(&serde_json::json!({"a": [1, null, "x"]}), &mut String::new()), None);
    }

    #[test]
    fn parameters_may_be_repeated_or_separated_by_commas() {
        let query = Query::parse("theme=a,b&theme=c&theme=&x=%F0%28").unwrap();
        assert_eq!(query.words("theme"), ["a", "b", "c"]);
        assert!(query.text("x").unwrap().contains('\u{fffd}'));
    }

    #[test]
    fn wrong_parameters_are_named() {
        let query = Query::parse("limit=many&dry_run=perhaps&from=someday").unwrap();
        for (name, problem) in [
            ("limit", query.number("limit", 1..=10).map(|_| ()).unwrap_err()),
            ("dry_run", query.flag("dry_run").map(|_| ()).unwrap_err()),
            ("from", query.day("from").map(|_| ()).unwrap_err()),
        ] {
            assert_eq!(problem.status(), 400);
            assert!(problem.details().detail_en.contains(name), "{problem}");
        }
    }
}
