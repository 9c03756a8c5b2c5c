//! The CKAN-compatible API: what `ckanapi`, `ckanr`, QGIS and CKAN's own harvester call, spoken as CKAN 2.11 speaks it.
//!
//! A package is a Dataset, a resource a Distribution, a group a Theme, a tag a keyword. Differences from CKAN, all on purpose:
//! - `package_update` without `resources` keeps the resources, and without `private`, `state` or `owner_org` keeps those.
//! - Lists without a limit are cut at 1,000 where CKAN cuts at 25 or 10.
//! - What the viewer may not see does not exist (404), where CKAN answers 403.
//! - A file whose content contradicts its name is refused with 409 unless `accept_mismatch=true` is sent.

mod dataset;
mod distribution;
mod failure;
mod keyword;
mod licence;
mod organization;
mod package;
mod params;
mod redirect;
mod request;
mod resource;
mod search;
mod site;
mod theme;
mod time;
mod user;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use minato_app::catalog::{Role, Text, Viewer};
use minato_app::{App, Context, Directory, Error, FileUpload};
use serde_json::{Map, Value, json};

use crate::api::only_get;
use crate::config::ServerSettings;
use crate::http::{JSON_BYTES_MAX, Problem, Shared, read_body, secret, whole_body};
use crate::search_log;
use crate::upload::{self, Form, TEXT_TOTAL_BYTES_MAX};
use failure::Failure;
use params::Params;

/// How long a public answer is kept when nothing changes; download counts move without a change.
const KEEP: Duration = Duration::from_secs(60);
/// Longest request whose answer is kept, in bytes.
const KEY_BYTES_MAX: usize = 4_096;
/// Largest body of an action that only reads, in bytes.
const READ_BYTES_MAX: usize = 256 * 1024;
/// The action whose queries are counted.
const SEARCH: &str = "package_search";
/// Actions that take a file, in the part `upload`.
const TAKES_FILE: &[&str] = &["resource_create", "resource_update", "resource_patch"];
const JSON: &str = "application/json;charset=utf-8";
const JAVASCRIPT: &str = "application/javascript;charset=utf-8";

/// Registers the routes of the CKAN-compatible API and redirects from CKAN's page addresses.
pub fn configure(service: &mut web::ServiceConfig) {
    for path in ["/api/3/action/{name}", "/api/action/{name}"] {
        service.service(
            web::resource(path).route(web::get().to(get_action)).route(web::head().to(get_action)).route(web::post().to(post_action)),
        );
    }
    for path in ["/api/3", "/api/3/"] {
        service
            .service(web::resource(path).route(web::get().to(version)).route(web::head().to(version)).default_service(web::to(only_get)));
    }
    redirect::configure(service);
}

async fn version() -> HttpResponse {
    HttpResponse::Ok().content_type(JSON).body("{\"version\": 3}")
}

/// Call a reading action of CKAN's action API with query parameters
#[utoipa::path(
    get,
    path = "/api/3/action/{name}",
    operation_id = "get_ckan_action",
    tag = "CKAN",
    params(("name" = String, Path, description = "Name of the action, for example `package_search`; `help_show?name=…` describes each. Parameters go into the query, as CKAN's API guide says.")),
    responses(
        (status = 200, description = "`{help, success: true, result}`", body = Object, content_type = "application/json"),
        (status = 400, description = "Unknown action (a JSON string), or a query that cannot be understood", body = inline(BadRequest), content_type = "application/json"),
        (status = 403, description = "`{help, success: false, error: {__type: \"Authorization Error\", message}}`", body = Object, content_type = "application/json"),
        (status = 404, description = "`{help, success: false, error: {__type: \"Not Found Error\", message}}`", body = Object, content_type = "application/json"),
        (status = 409, description = "`{help, success: false, error: {__type: \"Validation Error\", <field>: [message, …]}}`", body = Object, content_type = "application/json"),
    )
)]
pub async fn get_action(request: HttpRequest, state: Shared, name: web::Path<String>) -> HttpResponse {
    let name = name.into_inner();
    let Some(action) = find_action(&name) else { return unknown_action(&name) };
    if action.writes {
        return bad_request(&format!(
            "JSON Error: Invalid request. Please use POST method for your request / {} は変更を行うため、GET ではなく POST で送ってください。",
            action.name
        ));
    }
    let key = (request.query_string().len() <= KEY_BYTES_MAX).then(|| format!("ckan get {name}\0{}", request.query_string()));
    if let Some(response) = kept(&request, &state, key.as_deref()) {
        if action.name == SEARCH && search_log::is_wanted(&request) {
            search::note_again(&state.app, request::from_query(request.query_string()).unwrap_or_default());
        }
        return response;
    }
    match request::from_query(request.query_string()) {
        Ok(fields) => run(&request, &state, action, fields, None, key).await,
        Err(message) => bad_request(&message),
    }
}

/// Call an action of CKAN's action API with a JSON or form body
#[utoipa::path(
    post,
    path = "/api/3/action/{name}",
    operation_id = "post_ckan_action",
    tag = "CKAN",
    params(("name" = String, Path, description = "Name of the action, for example `package_create`; `help_show?name=…` describes each.")),
    request_body(content = Object, description = "A JSON object; `application/x-www-form-urlencoded` and `multipart/form-data` (with the file in `upload`) are read too.", content_type = "application/json"),
    responses(
        (status = 200, description = "`{help, success: true, result}`", body = Object, content_type = "application/json"),
        (status = 400, description = "Unknown action or a body that is not a JSON object (a JSON string), or a query that cannot be understood", body = inline(BadRequest), content_type = "application/json"),
        (status = 403, description = "`{help, success: false, error: {__type: \"Authorization Error\", message}}`", body = Object, content_type = "application/json"),
        (status = 404, description = "`{help, success: false, error: {__type: \"Not Found Error\", message}}`", body = Object, content_type = "application/json"),
        (status = 408, description = "The body stopped arriving (a JSON string)", body = String, content_type = "application/json"),
        (status = 409, description = "`{help, success: false, error: {__type: \"Validation Error\", <field>: [message, …]}}`", body = Object, content_type = "application/json"),
        (status = 415, description = "The body is compressed (a JSON string)", body = String, content_type = "application/json"),
    )
)]
pub async fn post_action(request: HttpRequest, state: Shared, name: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let name = name.into_inner();
    let Some(action) = find_action(&name) else { return unknown_action(&name) };
    let payload = payload.into_inner();
    if upload::is_multipart(request.headers()) {
        let file = TAKES_FILE.contains(&action.name).then_some("upload");
        if action.writes {
            let allowed = viewer(&request, &state).await.and_then(|viewer| may_send(&viewer, action.name, file.is_some()));
            if let Err(failure) = allowed {
                return failed(&state, action, &failure);
            }
        }
        let text_bytes_max = if action.writes { TEXT_TOTAL_BYTES_MAX } else { READ_BYTES_MAX };
        let received = match upload::receive_form(&state, payload, request.headers(), Form { file, text_bytes_max }).await {
            Ok(received) => received,
            Err(problem) => return received_badly(&state, action, &problem, file.unwrap_or("message")),
        };
        return match request::from_form(received.fields) {
            Ok(fields) => run(&request, &state, action, fields, received.file, None).await,
            Err(message) => bad_request(&message),
        };
    }
    if let Err(problem) = whole_body(request.headers()) {
        return received_badly(&state, action, &problem, "message");
    }
    let body = match read_body(payload, if action.writes { JSON_BYTES_MAX } else { READ_BYTES_MAX }).await {
        Ok(body) => body,
        Err(problem) => return received_badly(&state, action, &problem, "message"),
    };
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = match std::str::from_utf8(&body) {
        Ok(text) if text.len() + request.query_string().len() <= KEY_BYTES_MAX && !action.writes => {
            Some(format!("ckan post {name}\0{content_type}\0{}\0{text}", request.query_string()))
        }
        _ => None,
    };
    let fields = || {
        request::from_body(content_type, &body).and_then(|fields| match action.writes || request.query_string().is_empty() {
            true => Ok(fields),
            false => request::from_query(request.query_string()).map(|mut all| {
                all.extend(fields);
                all
            }),
        })
    };
    if let Some(response) = kept(&request, &state, key.as_deref()) {
        if action.name == SEARCH && search_log::is_wanted(&request) {
            search::note_again(&state.app, fields().unwrap_or_default());
        }
        return response;
    }
    match fields() {
        Ok(fields) => run(&request, &state, action, fields, None, key).await,
        Err(message) => bad_request(&message),
    }
}

/// The kept answer to the same question of the public.
fn kept(request: &HttpRequest, state: &Shared, key: Option<&str>) -> Option<HttpResponse> {
    if secret(request.headers()).is_some() {
        return None;
    }
    state.answers.get(&state.app, key?).map(|answer| answer.respond(request))
}

/// Runs an action on a blocking thread and answers.
async fn run(
    request: &HttpRequest,
    state: &Shared,
    action: &'static Action,
    mut fields: Map<String, Value>,
    upload: Option<FileUpload>,
    key: Option<String>,
) -> HttpResponse {
    // JSONP answers are for anybody who embeds the script, so they are made for nobody in particular.
    let callback = if request.method() == actix_web::http::Method::POST { None } else { fields.remove("callback") };
    let callback = callback.as_ref().and_then(Value::as_str).filter(|name| is_callback(name)).map(str::to_owned);
    let token = if callback.is_some() { None } else { secret(request.headers()).map(str::to_owned) };
    let public = token.is_none();
    let wanted = search_log::is_wanted(request);
    let generation = state.app.generation();
    let settings = state.settings.clone();
    let answer = state
        .run(move |app| {
            let help = help_url(&settings, action.name);
            let result = match token.map(|token| authenticate(app, &token)).transpose() {
                Ok(viewer) => {
                    let call = Call {
                        app,
                        directory: app.directory(),
                        base_url: settings.base_url(),
                        settings,
                        viewer: viewer.unwrap_or_default(),
                        params: Params(fields),
                        upload: RefCell::new(upload),
                        wanted,
                    };
                    (action.run)(&call)
                }
                Err(failure) => Err(failure),
            };
            Ok(match result {
                Ok(result) => Ok(json!({"help": help, "success": true, "result": result}).to_string()),
                Err(failure) => Err(failure),
            })
        })
        .await;
    match answer {
        Ok(Ok(body)) => match callback {
            Some(callback) => HttpResponse::Ok().content_type(JAVASCRIPT).body(format!("/**/{callback}({body});")),
            None => {
                let body = Bytes::from(body);
                if let (Some(key), true) = (key, public) {
                    state.answers.put(key, generation, KEEP, body.clone(), JSON, String::new());
                }
                HttpResponse::Ok().content_type(JSON).body(body)
            }
        },
        Ok(Err(failure)) => failed(state, action, &failure),
        Err(problem) => {
            tracing::error!(action = action.name, error = %problem, "action did not finish");
            failed(state, action, &Failure::Internal)
        }
    }
}

/// The name of a JavaScript function, and nothing else.
fn is_callback(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$'))
}

/// Who asks. As in CKAN, an invalid token makes nobody: reads go on, writes are refused with 403.
async fn viewer(request: &HttpRequest, state: &Shared) -> Result<Viewer, Failure> {
    let Some(token) = secret(request.headers()).map(str::to_owned) else { return Ok(Viewer::public()) };
    state.run(move |app| Ok(authenticate(app, &token))).await.unwrap_or(Err(Failure::Internal))
}

fn authenticate(app: &App, token: &str) -> Result<Viewer, Failure> {
    match app.authenticate(token) {
        Ok(viewer) => Ok(viewer),
        Err(Error::Unauthenticated) => Ok(Viewer::public()),
        Err(error) => Err(error.into()),
    }
}

fn help_url(settings: &ServerSettings, name: &str) -> String {
    format!("{}/api/3/action/help_show?name={name}", settings.base_url())
}

fn needs_token(action: &str) -> Failure {
    Failure::NotAuthorized(Text::new(
        format!("{action} には有効な API トークンが必要です。Authorization ヘッダーに付けてください。"),
        format!("Action {action} requires an authenticated user; send a valid API token in the Authorization header"),
    ))
}

/// Whether a form is read at all, so that nobody fills the disk with what could never be kept.
fn may_send(viewer: &Viewer, action: &str, file: bool) -> Result<(), Failure> {
    if viewer.is_public() {
        return Err(needs_token(action));
    }
    let edits = viewer.admin || viewer.roles.values().any(|role| *role >= Role::Editor);
    if file && (viewer.read_only || !edits) {
        return Err(Failure::NotAuthorized(Text::new(
            "ファイルの登録には、組織の「編集者」以上の権限と、書き込みできる API トークンが必要です。組織の管理者に依頼してください。",
            "uploading needs the role editor in an organization and a token that may write; ask its administrator",
        )));
    }
    Ok(())
}

fn failed(state: &Shared, action: &Action, failure: &Failure) -> HttpResponse {
    let body = json!({"help": help_url(&state.settings, action.name), "error": failure.error(), "success": false});
    let mut response = HttpResponse::build(failure.status());
    if matches!(failure, Failure::Unavailable(_)) {
        response.insert_header((header::RETRY_AFTER, "5"));
    }
    response.content_type(JSON).body(body.to_string())
}

/// A body that could not be read whole; `whole` is the field that one which is too large is told under.
fn received_badly(state: &Shared, action: &Action, problem: &Problem, whole: &str) -> HttpResponse {
    let details = problem.details();
    match problem.status() {
        StatusCode::PAYLOAD_TOO_LARGE if whole == "upload" => {
            let text = Text::new(&details.detail, format!("File upload too large: {}", details.detail_en));
            failed(state, action, &Failure::field(whole, text))
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let limit = if action.writes { JSON_BYTES_MAX } else { READ_BYTES_MAX } / 1024;
            let text = Text::new(
                format!("リクエストの本文は {limit} KB 以内にしてください。"),
                format!("The request body is larger than {limit} kB; shorten it"),
            );
            failed(state, action, &Failure::field(whole, text))
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            let fields = details.errors.iter().map(|error| {
                let name = error.field.trim_start_matches('/');
                let name = if name.is_empty() { "message" } else { name };
                (name.to_owned(), failure::messages(error.message.clone()))
            });
            failed(state, action, &Failure::Validation(fields.collect()))
        }
        status if problem.ends_connection() || status == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let mut response = HttpResponse::build(status);
            if problem.ends_connection() {
                response.force_close();
            }
            response.content_type(JSON).body(json!(format!("{} / {}", details.detail_en, details.detail)).to_string())
        }
        status if status.is_server_error() => failed(state, action, &Failure::Internal),
        _ => bad_request(&format!("{} / {}", details.detail_en, details.detail)),
    }
}

fn unknown_action(name: &str) -> HttpResponse {
    let name: String = name.chars().take(100).collect();
    bad_request(&format!("Action name not known: {name} / そのようなアクションはありません。名前の綴りを確認してください。"))
}

/// What is answered with 400: a message, or the envelope of an action.
struct BadRequest;

impl utoipa::PartialSchema for BadRequest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{Object, OneOf, Schema, Type};
        let mut either = OneOf::new();
        either.items = [Type::String, Type::Object].map(|kind| Schema::Object(Object::with_type(kind)).into()).to_vec();
        Schema::OneOf(either).into()
    }
}

impl utoipa::ToSchema for BadRequest {}

/// CKAN answers requests that never reach an action with a bare JSON string.
fn bad_request(message: &str) -> HttpResponse {
    HttpResponse::BadRequest().content_type(JSON).body(json!(format!("Bad request: {message}")).to_string())
}

/// One call of an action.
struct Call<'a> {
    app: &'a App,
    settings: Arc<ServerSettings>,
    directory: Arc<Directory>,
    base_url: String,
    viewer: Viewer,
    params: Params,
    /// Taken out by the action that keeps it.
    upload: RefCell<Option<FileUpload>>,
    /// Whether a search of this call is one of residents, to be counted.
    wanted: bool,
}

impl Call<'_> {
    fn context(&self) -> Context {
        Context::new(self.viewer.clone())
    }

    fn site(&self) -> package::Site<'_> {
        package::Site { base_url: &self.base_url, directory: &self.directory }
    }

    /// Refuses the public before it learns what is wrong with its input.
    fn signed_in(&self, action: &str) -> Result<(), Failure> {
        if self.viewer.is_public() { Err(needs_token(action)) } else { Ok(()) }
    }
}

type Answer = Result<Value, Failure>;

/// An action by its name.
struct Action {
    name: &'static str,
    /// Whether it changes something; then GET is refused.
    writes: bool,
    run: fn(&Call<'_>) -> Answer,
    help: &'static str,
}

fn find_action(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

const fn read(name: &'static str, run: fn(&Call<'_>) -> Answer, help: &'static str) -> Action {
    Action { name, writes: false, run, help }
}

const fn write(name: &'static str, run: fn(&Call<'_>) -> Answer, help: &'static str) -> Action {
    Action { name, writes: true, run, help }
}

/// Every action. The most used first: the list is searched in order.
#[rustfmt::skip]
static ACTIONS: &[Action] = &[
    read("package_show", dataset::show, "データセットを返します。Return a dataset.\n\n:param id: the id or name of the dataset"),
    read("package_search", search::packages, "データセットを検索します。Search datasets.\n\n:param q: text or CKAN query syntax\n:param fq: condition in CKAN query syntax\n:param fq_list: further conditions\n:param rows: at most 1000, default 10\n:param start: offset\n:param sort: for example `metadata_modified desc`, `title_string asc`, `views_recent desc`\n:param facet.field: JSON list of organization, groups, tags, res_format, license_id\n:param facet.limit: default 50\n:param include_private: also internal datasets of your organizations\n:param include_drafts: also drafts of your organizations\n:param fl: JSON list of fields to return"),
    read("package_list", dataset::list, "公開データセットの名前の一覧。Names of the public datasets.\n\n:param limit: at most so many\n:param offset: skip so many"),
    read("resource_show", distribution::show, "リソースを返します。Return a resource.\n\n:param id: the id of the resource"),
    read("organization_list", organization::list, "組織の一覧。Organizations.\n\n:param all_fields: return dictionaries rather than names\n:param organizations: only these names\n:param q: only those whose name or title contains this\n:param sort: `title asc`, `name asc`, `package_count desc`\n:param limit:\n:param offset:\n:param include_dataset_count: default true with all_fields"),
    read("organization_show", organization::show, "組織を返します。Return an organization.\n\n:param id: id or name\n:param include_datasets: default false\n:param include_users: default false"),
    read("group_list", theme::list, "分野（グループ）の一覧。Groups: the themes of the catalog.\n\n:param all_fields: return dictionaries rather than names"),
    read("group_show", theme::show, "分野（グループ）を返します。Return a group.\n\n:param id: id or title\n:param include_datasets: default false"),
    read("tag_list", keyword::list, "キーワードの一覧。Tags in use.\n\n:param query: only those that contain this\n:param all_fields: return dictionaries rather than names"),
    read("tag_show", keyword::show, "キーワードを返します。Return a tag.\n\n:param id: the tag\n:param include_datasets: default false"),
    read("tag_search", keyword::search, "キーワードを探します。Find tags.\n\n:param query: text or list of texts\n:param limit:\n:param offset:"),
    read("tag_autocomplete", keyword::autocomplete, "キーワードの候補。Tags that contain a text.\n\n:param query: the text\n:param limit: default 10"),
    read("license_list", licence::list, "ライセンスの一覧。Licences."),
    read("format_autocomplete", search::formats, "形式の候補。Formats that contain a text.\n\n:param q: the text\n:param limit: default 5"),
    read("package_autocomplete", search::autocomplete, "データセットの候補。Datasets whose name or title contains a text.\n\n:param q: the text\n:param limit: default 10"),
    read("current_package_list_with_resources", search::current, "データセットを新しい順に返します。Datasets, latest modified first.\n\n:param limit: at most 1000, default 10\n:param offset:"),
    read("resource_search", search::resources, "リソースを探します。Find resources of public datasets.\n\n:param query: `field:term` or a list of them\n:param limit:\n:param offset:"),
    read("status_show", site::status, "サイトの状態。About this site."),
    read("site_read", site::read, "true を返します。Always true."),
    read("help_show", site::help, "アクションの説明。What an action does.\n\n:param name: the action"),
    read("package_relationships_list", site::empty_list, "関連の一覧（常に空）。Always empty."),
    read("vocabulary_list", site::empty_list, "語彙の一覧（常に空）。Always empty."),
    read("resource_view_list", site::empty_list, "ビューの一覧（常に空）。Always empty."),
    read("organization_list_for_user", organization::list_for_user, "自分が権限を持つ組織。Organizations in which you hold a permission.\n\n:param permission: read, create_dataset, update_dataset, delete_dataset, admin"),
    read("organization_autocomplete", organization::autocomplete, "組織の候補。Organizations whose name or title contains a text.\n\n:param q: the text\n:param limit: default 20"),
    read("member_list", organization::list_members, "組織の所属者とデータセット。Members of an organization, or datasets of an organization or group.\n\n:param id: id or name\n:param object_type: user or package\n:param capacity: admin, editor, member"),
    read("user_show", user::show, "利用者を返します。Return a user.\n\n:param id: id or name; default yourself"),
    read("user_list", user::list, "利用者の一覧。Users.\n\n:param q: only those whose name contains this\n:param all_fields: default true"),
    read("api_token_list", user::list_tokens, "API トークンの一覧。API tokens of a user.\n\n:param user_id: id or name"),
    write("package_create", dataset::create, "データセットを作ります。Create a dataset.\n\n:param name: name in URLs, required\n:param owner_org: id or name of the organization, required\n:param title: :param notes: :param tags: :param extras: :param groups: :param resources: and the other fields of a package"),
    write("package_update", dataset::update, "データセットを置き換えます。Replace a dataset. Without `resources` the resources stay as they are.\n\n:param id: id or name, and the fields of package_create"),
    write("package_patch", dataset::patch, "データセットの一部を変更します。Change the fields given.\n\n:param id: id or name, and the fields to change"),
    write("package_delete", dataset::delete, "データセットを取り下げます。Withdraw a dataset.\n\n:param id: id or name"),
    write("package_resource_reorder", dataset::reorder, "リソースを並べ替えます。Order the resources of a dataset.\n\n:param id: id or name\n:param order: ids of resources; others follow"),
    write("resource_create", distribution::create, "リソースを追加します。Add a resource.\n\n:param package_id: id or name of the dataset\n:param url: address of the file, or\n:param upload: the file (multipart/form-data)\n:param accept_mismatch: true to take a file although name and content disagree"),
    write("resource_update", distribution::update, "リソースを置き換えます。Replace a resource; a file stays until a new one is uploaded.\n\n:param id: id, and the fields of resource_create"),
    write("resource_patch", distribution::patch, "リソースの一部を変更します。Change the fields given.\n\n:param id: id, and the fields to change"),
    write("resource_delete", distribution::delete, "リソースを取り下げます。Withdraw a resource.\n\n:param id: id"),
    write("organization_create", organization::create, "組織を作ります。Create an organization.\n\n:param name: required\n:param title: :param description: :param image_url: :param extras: code, kind, homepage, email, name_en"),
    write("organization_update", organization::update, "組織を置き換えます。Replace an organization.\n\n:param id: id or name, and the fields of organization_create"),
    write("organization_patch", organization::patch, "組織の一部を変更します。Change the fields given.\n\n:param id: id or name, and the fields to change"),
    write("organization_delete", organization::delete, "組織をしまいます。Put an organization without datasets away.\n\n:param id: id or name"),
    write("organization_member_create", organization::create_organization_member, "利用者を組織に加えます。Give a user a role in an organization.\n\n:param id: id or name of the organization\n:param username: id or name of the user\n:param role: member, editor, publisher, admin"),
    write("organization_member_delete", organization::delete_organization_member, "利用者を組織から外します。Take a user out of an organization.\n\n:param id: id or name of the organization\n:param username: id or name of the user"),
    write("member_create", organization::create_member, "利用者を組織に、またはデータセットを分野に加えます。Add a user to an organization, or a dataset to a group.\n\n:param id: :param object: :param object_type: user or package :param capacity: member, editor, publisher, admin"),
    write("member_delete", organization::delete_member, "member_create の逆です。Undo member_create.\n\n:param id: :param object: :param object_type:"),
    write("group_create", theme::create, "分野（グループ）を作ります。Create a group.\n\n:param name: its id, required\n:param title: required\n:param description:"),
    write("group_update", theme::update, "分野（グループ）を置き換えます。Replace a group.\n\n:param id: id"),
    write("group_patch", theme::patch, "分野（グループ）の一部を変更します。Change the fields given.\n\n:param id: id"),
    write("group_delete", theme::delete, "分野（グループ）をしまいます。Put a group away.\n\n:param id: id"),
    write("api_token_create", user::create_token, "API トークンを作ります。Create an API token; its secret is shown this once.\n\n:param user: id or name\n:param name: what it is for"),
    write("api_token_revoke", user::revoke_token, "API トークンを無効にします。Revoke an API token.\n\n:param jti: id of the token, or\n:param token: the token itself"),
];

#[cfg(test)]
mod tests;
