//! The simple nouns: organizations, themes, licences, keywords, users.

use actix_web::{HttpRequest, HttpResponse};
use minato_app::catalog::{Keyword, Licence, Organization, Page, Revision, RevisionSummary, Theme, User};
use minato_app::store::ListFilter;
use minato_app::{App, SimpleNoun};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{KEEP, json as loaded, read, wrote};
use super::request::{Act, IfMatch, Query, Write, key, number_key, parse, strip};
use super::route::{Endpoint, delete, flag, get, paging, patch, post, put, query, text};
use crate::http::{Problem, Shared};

/// Fields of answers that a record sent back may carry; they are ignored.
const READ_ONLY: &[&str] = &["id", "state", "revision", "created", "updated"];
/// The same for a merge patch: a state in it is meant, and refused with the fields it may have.
const READ_ONLY_IN_PATCH: &[&str] = &["id", "revision", "created", "updated"];

/// How a simple noun is called in the API.
pub(super) trait Named: SimpleNoun + ToSchema {
    /// In paths and in names of operations on many.
    const PLURAL: &'static str;
    /// In names of operations on one.
    const SINGULAR: &'static str;
    /// In Japanese.
    const JA: &'static str;
    /// Whether ids are words that the creator chooses.
    const CHOSEN_ID: bool = false;
    /// Whether the public may see it, and answers are kept.
    const PUBLIC: bool = true;
    /// A field that may be changed, for the documentation.
    const OPTIONAL: &'static str;
    /// A draft for the documentation.
    fn example() -> Value;
    /// The id of the record that a key means, where keys have more forms than the application knows.
    fn resolve(_app: &App, key: String) -> String {
        key
    }
}

/// Id of the organization with this id, slug or local government code; the key itself when there is none.
pub(super) fn organization_key(app: &App, key: String) -> String {
    app.directory().find_organization(&key).map_or(key, |organization| organization.id.to_string())
}

impl Named for Organization {
    const PLURAL: &'static str = "organizations";
    const SINGULAR: &'static str = "organization";
    const JA: &'static str = "組織";
    const OPTIONAL: &'static str = "name_en";
    fn resolve(app: &App, key: String) -> String {
        organization_key(app, key)
    }
    fn example() -> Value {
        json!({"slug": "fuchu-cho", "name": "府中町", "name_en": "Fuchu Town", "code": "343021", "kind": "municipality", "homepage": "https://www.town.fuchu.hiroshima.jp/"})
    }
}

impl Named for Theme {
    const PLURAL: &'static str = "themes";
    const SINGULAR: &'static str = "theme";
    const JA: &'static str = "分野";
    const OPTIONAL: &'static str = "title_en";
    const CHOSEN_ID: bool = true;
    fn example() -> Value {
        json!({"title": "防災", "title_en": "Disaster prevention"})
    }
}

impl Named for Licence {
    const PLURAL: &'static str = "licences";
    const SINGULAR: &'static str = "licence";
    const JA: &'static str = "ライセンス";
    const OPTIONAL: &'static str = "title_en";
    const CHOSEN_ID: bool = true;
    fn example() -> Value {
        json!({"title": "クリエイティブ・コモンズ 表示 4.0 国際", "url": "https://creativecommons.org/licenses/by/4.0/", "open": true})
    }
}

impl Named for Keyword {
    const PLURAL: &'static str = "keywords";
    const SINGULAR: &'static str = "keyword";
    const JA: &'static str = "キーワード";
    const OPTIONAL: &'static str = "name_en";
    fn example() -> Value {
        json!({"name": "避難所", "name_en": "evacuation shelter"})
    }
}

impl Named for User {
    const PLURAL: &'static str = "users";
    const SINGULAR: &'static str = "user";
    const JA: &'static str = "利用者";
    const OPTIONAL: &'static str = "display_name";
    const PUBLIC: bool = false;
    fn example() -> Value {
        json!({"name": "fuchu-editor", "display_name": "府中町 企画課", "email": "kikaku@example.jp"})
    }
}

/// The endpoints of all simple nouns.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints_of::<Organization>();
    all.extend(endpoints_of::<Theme>());
    all.extend(endpoints_of::<Licence>());
    all.extend(endpoints_of::<Keyword>());
    all.extend(endpoints_of::<User>());
    all
}

fn endpoints_of<T: Named>() -> Vec<Endpoint>
where
    T::Draft: ToSchema + Send + 'static,
{
    let (plural, one, ja) = (T::PLURAL, T::SINGULAR, T::JA);
    let at = |rest: &str| format!("/{plural}{rest}");
    let create =
        post(at(""), format!("create_{one}"), create::<T>).says(plural, &format!("{ja}を登録する"), &format!("Records a new {one}."));
    let create = if T::CHOSEN_ID {
        let with_id = |draft: Value| {
            let id = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "pattern": "^(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,100}$"}}});
            json!({"allOf": [draft, id]})
        };
        let mut example = T::example();
        example["id"] = json!(if one == "theme" { "disaster" } else { "CC-BY-4.0" });
        create.body_schema::<T::Draft>("application/json", with_id, Some(example))
    } else {
        create.body::<T::Draft>(T::example())
    };
    let mut list = vec![
        get(at(""), format!("list_{plural}"), list::<T>)
            .says(plural, &format!("{ja}の一覧"), &format!("A page of {plural}, in the order of their keys."))
            .with([
                query("q", text(), "Only those whose names contain this text."),
                query("archived", flag(), "Also archived ones; for system administrators."),
            ])
            .with(paging(1000, 100))
            .answers_page::<T>("A page of the list."),
        create.answers::<T>(&["201"], "What is recorded now."),
        get(at("/{key}"), format!("get_{one}"), read_one::<T>)
            .says(plural, &format!("{ja}を取得する"), &format!("One {one} by id or key."))
            .answers::<T>(&["200"], "The record; `ETag` is its revision."),
        put(at("/{key}"), format!("replace_{one}"), replace::<T>)
            .says(
                plural,
                &format!("{ja}を置き換える"),
                &format!("Replaces the editable part of the {one}. The answer of a GET may be sent back: id, state, revision, created and updated are ignored."),
            )
            .if_match(IfMatch::Required)
            .body::<T::Draft>(T::example())
            .answers::<T>(&["200"], "What is recorded now."),
        patch(at("/{key}"), format!("patch_{one}"), patch_one::<T>)
            .says(plural, &format!("{ja}の一部を変更する"), &format!("Changes parts of the {one} by a JSON merge patch."))
            .if_match(IfMatch::Required)
            .merge_patch(json!({T::OPTIONAL: "New name"}))
            .answers::<T>(&["200"], "What is recorded now."),
        delete(at("/{key}"), format!("delete_{one}"), archive::<T>)
            .says(plural, &format!("{ja}を保管扱いにする（archive と同じ）"), &format!("Puts the {one} away, as POST …/archive does. It can be restored."))
            .if_match(IfMatch::Optional)
            .answers::<T>(&["200"], "The record, archived."),
        post(at("/{key}/archive"), format!("archive_{one}"), archive::<T>)
            .says(plural, &format!("{ja}を保管扱いにする"), &format!("Puts the {one} away: not shown, restorable."))
            .if_match(IfMatch::Optional)
            .answers::<T>(&["200"], "The record, archived."),
        post(at("/{key}/restore"), format!("restore_{one}"), restore::<T>)
            .says(plural, &format!("{ja}を元に戻す"), &format!("Brings the {one} back."))
            .if_match(IfMatch::Optional)
            .answers::<T>(&["200"], "The record, in use."),
        get(at("/{key}/history"), format!("list_{one}_revisions"), history::<T>)
            .says(plural, &format!("{ja}の変更履歴"), &format!("The revisions of the {one}, newest first. For those who may change it."))
            .signed_in()
            .answers_page::<RevisionSummary>("All revisions."),
        get(at("/{key}/history/{number}"), format!("get_{one}_revision"), revision::<T>)
            .says(plural, &format!("{ja}のある時点の版"), &format!("One revision of the {one}. For those who may change it."))
            .signed_in()
            .answers::<Revision>(&["200"], "The revision with its content."),
    ];
    if !T::PUBLIC {
        list = list.into_iter().map(Endpoint::signed_in).collect();
    }
    list
}

async fn list<T: Named>(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let filter = ListFilter {
        query: query.string("q"),
        archived: query.flag("archived")?,
        label: None,
        after: query.string("cursor"),
        limit: query.number("limit", 1..=1000)?.unwrap_or(100),
    };
    read(&state, &request, T::PUBLIC.then_some(KEEP), move |app, viewer, _| loaded(&app.list::<T>(viewer, filter)?, None)).await
}

async fn read_one<T: Named>(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = T::resolve(&state.app, key(&request, "key")?);
    read(&state, &request, T::PUBLIC.then_some(KEEP), move |app, viewer, _| {
        let record = app.get::<T>(viewer, &key)?;
        loaded(&record, Some(record.revision()))
    })
    .await
}

async fn create<T: Named>(state: Shared, write: Write) -> Result<HttpResponse, Problem>
where
    T::Draft: Send + 'static,
{
    let context = write.context(IfMatch::Optional)?;
    let mut object = write.object()?;
    let id = match object.get("id") {
        Some(Value::String(id)) if T::CHOSEN_ID => Some(id.clone()),
        _ => None,
    };
    strip(&mut object, READ_ONLY);
    let draft = parse::<T::Draft>(object)?;
    let (done, context) = state.run(move |app| Ok((app.create::<T>(&context, id, draft)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision()), location::<T>(&done.value)))
}

async fn replace<T: Named>(state: Shared, write: Write) -> Result<HttpResponse, Problem>
where
    T::Draft: Send + 'static,
{
    let (key, context) = (T::resolve(&state.app, write.key("key")?), write.context(IfMatch::Required)?);
    let draft: T::Draft = write.draft(READ_ONLY)?;
    let (done, context) = state.run(move |app| Ok((app.replace::<T>(&context, &key, draft)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision()), location::<T>(&done.value)))
}

async fn patch_one<T: Named>(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (key, context) = (T::resolve(&state.app, write.key("key")?), write.context(IfMatch::Required)?);
    let mut object = write.object()?;
    strip(&mut object, READ_ONLY_IN_PATCH);
    let change = Value::Object(object);
    let (done, context) = state.run(move |app| Ok((app.patch::<T>(&context, &key, &change)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision()), location::<T>(&done.value)))
}

async fn archive<T: Named>(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (T::resolve(&state.app, act.key("key")?), act.context(IfMatch::Optional)?);
    let (done, context) = state.run(move |app| Ok((app.archive::<T>(&context, &key)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision()), location::<T>(&done.value)))
}

async fn restore<T: Named>(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (T::resolve(&state.app, act.key("key")?), act.context(IfMatch::Optional)?);
    let (done, context) = state.run(move |app| Ok((app.restore::<T>(&context, &key)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision()), location::<T>(&done.value)))
}

async fn history<T: Named>(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = T::resolve(&state.app, key(&request, "key")?);
    read(&state, &request, None, move |app, viewer, _| loaded(&whole(app.history::<T>(viewer, &key)?), None)).await
}

async fn revision<T: Named>(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (key, number) = (T::resolve(&state.app, key(&request, "key")?), number_key(&request, "number")?);
    read(&state, &request, None, move |app, viewer, _| loaded(&app.revision::<T>(viewer, &key, number)?, Some(number))).await
}

fn location<T: Named>(record: &T) -> String {
    format!("/api/v1/{}/{}", T::PLURAL, record.id())
}

/// A list that is always answered whole.
pub(super) fn whole<T>(items: Vec<T>) -> Page<T> {
    Page { total: i64::try_from(items.len()).unwrap_or(i64::MAX), items, next_cursor: None }
}
