//! Routes and their description in one place: what is registered is what `openapi/minato.json` says.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError, Route, web};
use minato_app::catalog::Text;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::Problem;

/// Schemas by name, as they gather.
type Schemas = Vec<(String, RefOr<Schema>)>;

/// One method of one path: how it is answered and how it is described.
pub(super) struct Endpoint {
    method: Method,
    path: String,
    route: Route,
    operation: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
    schemas: Schemas,
}

/// `GET` (and `HEAD`) of a path below `/api/v1`; `name` is the name of the handler and the operation's id.
pub(super) fn get<F, Args>(path: impl Into<String>, name: impl Into<String>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::GET, path, name, web::route().to(handler))
        .header("ETag", "Entity tag; send it back as `If-None-Match` to be told 304.")
        .answer("304", "Not changed since the `If-None-Match` entity tag.", None)
}

/// `POST` of a path below `/api/v1`.
pub(super) fn post<F, Args>(path: impl Into<String>, name: impl Into<String>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::POST, path, name, web::post().to(handler)).writes()
}

/// `PUT` of a path below `/api/v1`.
pub(super) fn put<F, Args>(path: impl Into<String>, name: impl Into<String>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::PUT, path, name, web::put().to(handler)).writes()
}

/// `PATCH` of a path below `/api/v1`.
pub(super) fn patch<F, Args>(path: impl Into<String>, name: impl Into<String>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::PATCH, path, name, web::patch().to(handler)).writes()
}

/// `DELETE` of a path below `/api/v1`.
pub(super) fn delete<F, Args>(path: impl Into<String>, name: impl Into<String>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::DELETE, path, name, web::delete().to(handler)).writes()
}

/// A query parameter with its schema.
pub(super) fn query(name: &str, schema: Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
}

/// The schema of a text parameter.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// The schema of a true-or-false parameter.
pub(super) fn flag() -> Value {
    json!({"type": "boolean", "default": false})
}

/// The schema of a whole number.
pub(super) fn whole(low: i64, high: i64, default: Option<i64>) -> Value {
    let mut schema = json!({"type": "integer", "format": "int64", "minimum": low, "maximum": high});
    if let Some(default) = default {
        schema["default"] = json!(default);
    }
    schema
}

/// The schema of a closed list of words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// The schema of a day.
pub(super) fn day() -> Value {
    json!({"type": "string", "format": "date"})
}

/// `limit` and `cursor` of a list.
pub(super) fn paging(limit_max: i64, default: i64) -> [Value; 2] {
    [
        query("limit", whole(1, limit_max, Some(default)), "Most items in one page."),
        query("cursor", text(), "`next_cursor` of the page before, as it was given."),
    ]
}

impl Endpoint {
    fn new(method: Method, path: impl Into<String>, name: impl Into<String>, route: Route) -> Endpoint {
        let path = path.into();
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), json!(name.into()));
        let parameters = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "description": path_key(name), "schema": path_schema(name)}))
            .collect();
        let endpoint = Endpoint { method, path, route, operation, parameters, responses: Map::new(), schemas: Vec::new() };
        endpoint.problems(&["400", "401", "404", "405", "500", "503"])
    }

    /// Group, Japanese summary and English description.
    pub(super) fn says(mut self, tag: &str, ja: &str, en: &str) -> Endpoint {
        self.operation.insert("tags".to_owned(), json!([tag]));
        self.operation.insert("summary".to_owned(), json!(ja));
        self.operation.insert("description".to_owned(), json!(en));
        self
    }

    /// Query parameters.
    pub(super) fn with(mut self, parameters: impl IntoIterator<Item = Value>) -> Endpoint {
        self.parameters.extend(parameters);
        self
    }

    /// A JSON body of this type, with an example.
    pub(super) fn body<T: ToSchema>(mut self, example: Value) -> Endpoint {
        let schema = self.schema::<T>();
        self.set_body("application/json", json!({"schema": schema, "example": example}));
        self.problems(&["408", "413", "415", "422"])
    }

    /// A JSON body with a schema written by hand, for the types `types` that it refers to.
    pub(super) fn body_schema<T: ToSchema>(
        mut self,
        media_type: &str,
        schema: impl FnOnce(Value) -> Value,
        example: Option<Value>,
    ) -> Endpoint {
        let reference = self.schema::<T>();
        let mut content = json!({"schema": schema(reference)});
        if let Some(example) = example {
            content["example"] = example;
        }
        self.set_body(media_type, content);
        self.problems(&["408", "413", "415", "422"])
    }

    /// A JSON merge patch of this type.
    pub(super) fn merge_patch(mut self, example: Value) -> Endpoint {
        let content = json!({"schema": {"type": "object", "description": "JSON merge patch (RFC 7396): `null` removes, objects merge, everything else replaces; lists are replaced whole."}, "example": example});
        self.set_body("application/merge-patch+json", content.clone());
        self.set_body("application/json", content);
        self.problems(&["408", "413", "415", "422"])
    }

    /// Answers with this type.
    pub(super) fn answers<T: ToSchema>(mut self, statuses: &[&str], description: &str) -> Endpoint {
        let schema = self.schema::<T>();
        for status in statuses {
            self = self.answer(status, description, Some(schema.clone()));
        }
        self
    }

    /// Answers with a page of this type.
    pub(super) fn answers_page<T: ToSchema>(mut self, description: &str) -> Endpoint {
        let item = self.schema::<T>();
        let page = json!({
            "type": "object",
            "required": ["items", "total"],
            "properties": {
                "items": {"type": "array", "items": item, "description": "The items, in the order of the list."},
                "total": {"type": "integer", "format": "int64", "description": "Number of items in the whole list, over all pages."},
                "next_cursor": {"type": "string", "description": "Pass as `cursor` to get the next page; absent on the last one."}
            }
        });
        self.answer("200", description, Some(page))
    }

    /// Needs (or, with [`super::request::IfMatch::Optional`], checks) an `If-Match` header.
    pub(super) fn if_match(mut self, need: super::request::IfMatch) -> Endpoint {
        let required = need == super::request::IfMatch::Required;
        self.parameters.push(json!({
            "name": "If-Match", "in": "header", "required": required, "schema": {"type": "string", "default": "*"},
            "description": "`ETag` of the state that the change is based on, several of which one must match, or `*` for whatever is there."
        }));
        if required { self.problems(&["412", "428"]) } else { self.problems(&["412"]) }
    }

    /// May also answer these problems.
    pub(super) fn problems(mut self, statuses: &[&str]) -> Endpoint {
        for status in statuses {
            let response = json!({"$ref": format!("#/components/responses/Problem{status}")});
            self.responses.entry((*status).to_owned()).or_insert(response);
        }
        self
    }

    /// Needs a token even to read.
    pub(super) fn signed_in(mut self) -> Endpoint {
        self.operation.insert("security".to_owned(), json!([{"bearer": []}]));
        self.problems(&["401", "403"])
    }

    fn writes(mut self) -> Endpoint {
        self.parameters.push(query("dry_run", flag(), "Say what would happen and change nothing."));
        self.parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "description": "A key of the client's own: the same request with the same key is carried out once and answered the same again."
        }));
        self.signed_in().problems(&["409", "422"])
    }

    fn header(mut self, name: &str, description: &str) -> Endpoint {
        self.operation.insert("x-answer-header".to_owned(), json!({name: {"description": description, "schema": {"type": "string"}}}));
        self
    }

    fn answer(mut self, status: &str, description: &str, schema: Option<Value>) -> Endpoint {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            response["content"] = json!({"application/json": {"schema": schema}});
        }
        self.responses.insert(status.to_owned(), response);
        self
    }

    fn set_body(&mut self, media_type: &str, content: Value) {
        let body = self.operation.entry("requestBody").or_insert_with(|| json!({"required": true, "content": {}}));
        body["content"][media_type] = content;
    }

    fn schema<T: ToSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        self.schemas.push((name, <T as PartialSchema>::schema()));
        T::schemas(&mut self.schemas);
        reference
    }
}

/// Registers endpoints below `/api/v1`: one resource for each path, which answers other methods with 405.
pub(super) fn resources(endpoints: Vec<Endpoint>) -> Vec<impl HttpServiceFactory + use<>> {
    let mut paths: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for endpoint in endpoints {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, list)) => list.push(endpoint),
            None => paths.push((endpoint.path.clone(), vec![endpoint])),
        }
    }
    paths.into_iter().map(|(path, list)| resource(&path, list)).collect()
}

fn resource(path: &str, endpoints: Vec<Endpoint>) -> Resource {
    let mut allow = Vec::new();
    // A publisher's own key may contain slashes.
    let mut resource = web::resource(path.replace("{identifier}", "{identifier:.+}"));
    for endpoint in endpoints {
        allow.push(endpoint.method.to_string());
        let route = if endpoint.method == Method::GET {
            allow.push("HEAD".to_owned());
            endpoint.route.guard(actix_web::guard::Any(actix_web::guard::Get()).or(actix_web::guard::Head()))
        } else {
            endpoint.route
        };
        resource = resource.route(route);
    }
    let allow = allow.join(", ");
    resource.default_service(web::to(move |request: HttpRequest| {
        let answer = method_not_allowed(&request, &allow);
        async move { answer }
    }))
}

/// 405 that says what is allowed.
pub(super) fn method_not_allowed(request: &HttpRequest, allow: &str) -> HttpResponse {
    let method = request.method();
    let text = Text::new(
        format!("この URL で {method} は使えません。使えるメソッド: {allow}"),
        format!("{method} is not allowed here; allowed: {allow}"),
    );
    let problem = Problem::new(actix_web::http::StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text, Vec::new());
    let mut response = problem.error_response();
    if let Ok(value) = header::HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Paths and schemas of endpoints as parts of an OpenAPI document.
pub(super) fn describe(endpoints: Vec<Endpoint>) -> (Map<String, Value>, Schemas) {
    let mut paths = Map::new();
    let mut schemas = Vec::new();
    for mut endpoint in endpoints {
        let answer_header = endpoint.operation.remove("x-answer-header");
        if let (Some(headers), Some(ok)) = (answer_header, endpoint.responses.get_mut("200")) {
            ok["headers"] = headers;
        }
        let mut operation = endpoint.operation;
        operation.insert("parameters".to_owned(), json!(endpoint.parameters));
        operation.insert("responses".to_owned(), sorted(endpoint.responses));
        let item = paths.entry(format!("/api/v1{}", endpoint.path)).or_insert_with(|| json!({}));
        item[endpoint.method.as_str().to_ascii_lowercase()] = Value::Object(operation);
        schemas.extend(endpoint.schemas);
    }
    (paths, schemas)
}

fn sorted(map: Map<String, Value>) -> Value {
    let sorted: std::collections::BTreeMap<String, Value> = map.into_iter().collect();
    json!(sorted)
}

fn path_key(name: &str) -> &'static str {
    match name {
        "key" => "Id or name in URLs.",
        "organization" => "Id, slug or local government code of the organization.",
        "identifier" => "The publisher's own key. May contain anything; percent-encode it.",
        "user" => "Id or sign-in name of the user.",
        "number" => "Number of the revision; 1 is the first.",
        _ => "Id.",
    }
}

fn path_schema(name: &str) -> Value {
    match name {
        "number" => json!({"type": "integer", "format": "int64", "minimum": 1}),
        _ => json!({"type": "string", "minLength": 1}),
    }
}

/// The answers that are problems, for `components/responses`.
pub(super) fn problems() -> Map<String, Value> {
    let statuses = ["400", "401", "403", "404", "405", "408", "409", "410", "412", "413", "415", "422", "428", "500", "503"];
    let mut responses = Map::new();
    for status in statuses {
        let response = json!({
            "description": problem(status),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
        });
        responses.insert(format!("Problem{status}"), response);
    }
    responses
}

fn problem(status: &str) -> &'static str {
    match status {
        "400" => "The request is malformed: a parameter, a header or the JSON itself.",
        "401" => "No valid token.",
        "403" => "The token's user may not do this.",
        "404" => "There is no such thing, or it is not visible.",
        "405" => "The method is not allowed here; `Allow` says which are.",
        "408" => "The body stopped arriving.",
        "409" => "It collides with what is there.",
        "410" => "It was public and has been withdrawn.",
        "412" => "`If-Match` names another revision than the current one.",
        "413" => "The body is too large.",
        "415" => "The body has a type or an encoding that is not read here.",
        "422" => "The body has mistakes; `errors` names each field.",
        "428" => "`If-Match` is required.",
        "503" => "Busy; try again after `Retry-After` seconds.",
        _ => "A fault of the server.",
    }
}
