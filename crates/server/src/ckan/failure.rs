//! What went wrong, as CKAN says it.

use actix_web::http::StatusCode;
use minato_app::Error;
use minato_app::catalog::{FieldError, Text};
use serde_json::{Map, Value, json};

/// Why an action was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// 404.
    NotFound(Text),
    /// 403, also for those who are not signed in.
    NotAuthorized(Text),
    /// 409: messages by field.
    Validation(Map<String, Value>),
    /// 400: a query that cannot be understood.
    SearchQuery(Text),
    /// 503.
    Unavailable(Text),
    /// 500; the cause is in the log.
    Internal,
}

/// Whose fields an error names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    Dataset,
    Distribution,
    Organization,
    Theme,
    Token,
}

impl Failure {
    /// One field is wrong: English first, as CKAN's clients expect, then Japanese.
    pub(super) fn field(field: &str, text: Text) -> Self {
        Failure::Validation(Map::from_iter([(field.to_owned(), messages(text))]))
    }

    /// A required parameter is missing.
    pub(super) fn missing(field: &str) -> Self {
        Failure::field(field, missing_value())
    }

    /// The error of the application, naming fields as CKAN does.
    pub(super) fn of(error: Error, fields: Fields) -> Self {
        match error {
            Error::NotFound { .. } | Error::Gone { .. } => Failure::NotFound(error.text()),
            Error::Unauthenticated | Error::Forbidden(_) => Failure::NotAuthorized(error.text()),
            Error::Invalid(errors) => Failure::Validation(error_dictionary(&errors, fields)),
            Error::Conflict(error) => Failure::Validation(error_dictionary(&[error], fields)),
            Error::PreconditionRequired | Error::PreconditionFailed { .. } => Failure::field("message", error.text()),
            Error::TooLarge { .. } => {
                let text = error.text();
                Failure::field("upload", Text::new(text.ja, format!("File upload too large: {}", text.en)))
            }
            Error::Unavailable(text) => Failure::Unavailable(text),
            Error::Internal(source) => {
                let mut chain = source.to_string();
                let mut next = source.source();
                while let Some(cause) = next {
                    chain.push_str(": ");
                    chain.push_str(&cause.to_string());
                    next = cause.source();
                }
                tracing::error!(error = %chain, "action failed");
                Failure::Internal
            }
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Failure::NotFound(_) => StatusCode::NOT_FOUND,
            Failure::NotAuthorized(_) => StatusCode::FORBIDDEN,
            Failure::Validation(_) => StatusCode::CONFLICT,
            Failure::SearchQuery(_) => StatusCode::BAD_REQUEST,
            Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The value of `error` in the envelope.
    pub(super) fn error(&self) -> Value {
        let of = |kind: &str, message: String| json!({"__type": kind, "message": message});
        match self {
            Failure::NotFound(text) => of("Not Found Error", format!("Not found: {}", both(text))),
            Failure::NotAuthorized(text) => of("Authorization Error", format!("Access denied: {}", both(text))),
            Failure::SearchQuery(text) => of("Search Query Error", format!("Search Query is invalid: {}", both(text))),
            Failure::Unavailable(text) => of("Service Unavailable", both(text)),
            Failure::Internal => of("Internal Server Error", "Internal Server Error".to_owned()),
            Failure::Validation(fields) => {
                let mut error = fields.clone();
                error.insert("__type".to_owned(), json!("Validation Error"));
                Value::Object(error)
            }
        }
    }

    /// Of an error in a dataset's list of resources, the part about one of them: what resource actions answer.
    pub(super) fn of_resource(self, index: usize) -> Self {
        match self {
            Failure::Validation(mut fields) => match fields.get_mut("resources").and_then(Value::as_array_mut) {
                Some(list) => match list.get_mut(index).map(Value::take) {
                    Some(Value::Object(own)) if !own.is_empty() => Failure::Validation(own),
                    _ => Failure::Validation(fields),
                },
                None => Failure::Validation(fields),
            },
            other => other,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::of(error, Fields::Dataset)
    }
}

pub(super) fn missing_value() -> Text {
    Text::new("値がありません。", "Missing value")
}

/// English, then Japanese.
pub(super) fn messages(text: Text) -> Value {
    json!([text.en, text.ja])
}

fn both(text: &Text) -> String {
    format!("{} / {}", text.en, text.ja)
}

/// `/distributions/1/title` → `{"resources": [{}, {"name": […]}]}`.
fn error_dictionary(errors: &[FieldError], fields: Fields) -> Map<String, Value> {
    let mut dictionary = Map::new();
    for error in errors {
        let parts: Vec<&str> = error.field.split('/').skip(1).collect();
        let item = match (fields, parts.as_slice()) {
            (Fields::Dataset | Fields::Distribution, ["distributions", index, rest @ ..]) => {
                Some(("resources", *index, ckan_name(Fields::Distribution, rest)))
            }
            (Fields::Dataset, ["keywords", index, ..]) => Some(("tags", *index, "name".to_owned())),
            (Fields::Dataset, ["themes", index, ..]) => Some(("groups", *index, "name".to_owned())),
            _ => None,
        };
        match item.and_then(|(list, index, name)| Some((list, index.parse::<usize>().ok()?, name))) {
            Some((list, index, name)) if index < 10_000 => {
                let list = dictionary.entry(list).or_insert_with(|| json!([]));
                // Another error may have put plain messages there: about the list as a whole.
                let Some(list) = list.as_array_mut().filter(|list| list.iter().all(Value::is_object)) else { continue };
                while list.len() <= index {
                    list.push(json!({}));
                }
                if let Some(Value::Object(item)) = list.get_mut(index) {
                    add(item, &name, text_of(error, &name, fields));
                }
            }
            _ => {
                let name = ckan_name(fields, &parts);
                let text = text_of(error, &name, fields);
                add(&mut dictionary, &name, text);
            }
        }
    }
    dictionary
}

fn add(dictionary: &mut Map<String, Value>, name: &str, text: Text) {
    let Value::Array(new) = messages(text) else { return };
    match dictionary.get_mut(name) {
        Some(Value::Array(list)) => list.extend(new),
        _ => {
            dictionary.insert(name.to_owned(), Value::Array(new));
        }
    }
}

/// CKAN's name for a field of ours.
fn ckan_name(fields: Fields, parts: &[&str]) -> String {
    let first = parts.first().copied().unwrap_or_default();
    let name = match (fields, first) {
        (_, "") => "message",
        (_, "file") => "upload",
        (Fields::Dataset | Fields::Organization, "slug") => "name",
        (Fields::Dataset, "organization") => "owner_org",
        (Fields::Dataset, "description") => "notes",
        (Fields::Dataset, "description_en") => "notes_en",
        (Fields::Dataset, "landing_page") => "url",
        (Fields::Dataset, "licence") => "license_id",
        (Fields::Dataset, "keywords") => "tags",
        (Fields::Dataset, "themes") => "groups",
        (Fields::Dataset, "distributions") => "resources",
        (Fields::Dataset, "accrual_periodicity") => "frequency",
        (Fields::Dataset, "creator") => "author",
        (Fields::Dataset, "visibility") => "private",
        (Fields::Dataset, "contact_point") => match parts.get(1) {
            Some(&"email") => "maintainer_email",
            _ => "maintainer",
        },
        (Fields::Distribution, "title") => "name",
        (Fields::Distribution, "download_url" | "access_url") => "url",
        (Fields::Distribution, "licence") => "license",
        (Fields::Distribution, "byte_size") => "size",
        (Fields::Distribution, "media_type") => "mimetype",
        (Fields::Distribution, "modified") => "last_modified",
        (Fields::Organization, "name") => "title",
        (Fields::Theme, "id") => "name",
        (Fields::Token, "label") => "name",
        (Fields::Token, "expires") => "expires_in",
        (_, other) => other,
    };
    name.to_owned()
}

/// CKAN's own words where it has them, else ours with its name for the field.
fn text_of(error: &FieldError, name: &str, fields: Fields) -> Text {
    let mut text = error.message.clone();
    if !error.field.is_empty() {
        // Only where the message begins with it: later on the same letters can be part of an address.
        let named = |text: String| match text.strip_prefix(&error.field) {
            Some(rest) if !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-')) => format!("{name}{rest}"),
            _ => text,
        };
        text = Text::new(named(text.ja), named(text.en));
    }
    let known = match (error.code.as_str(), fields, name) {
        ("required", _, "owner_org") => "An organization must be provided",
        ("required", ..) => "Missing value",
        ("taken", Fields::Dataset, "name") => "That URL is already in use.",
        ("taken", Fields::Dataset, "id") => "Dataset id already exists",
        ("taken", Fields::Distribution, "id") => "Resource id already exists.",
        ("taken", Fields::Organization | Fields::Theme, "name") => "Group name already exists in database",
        ("invalid_slug", ..) => "Must be purely lowercase alphanumeric (ascii) characters and these symbols: -_",
        ("unknown_value", _, "owner_org") => "Organization does not exist",
        ("unknown_value", Fields::Dataset, "name") if error.field.starts_with("/themes") => "That group name or ID does not exist.",
        _ => return text,
    };
    Text::new(text.ja, known)
}
