//! Datasets.

use actix_web::{HttpRequest, HttpResponse};
use minato_app::catalog::{Dataset, DatasetDraft, DatasetState, Difference, Page, Revision, RevisionSummary, Visibility};
use minato_app::store::dataset::Order;
use minato_app::{App, Context, DatasetListing, Done};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{KEEP, Loaded, json as loaded, kept, read, wrote};
use super::noun::whole;
use super::request::{Act, IfMatch, Query, Write, invalid, key, not_an_object, not_one_of, number_key, parse};
use super::route::{Endpoint, delete, get, one_of, paging, patch, post, put, query, text, whole as whole_number};
use super::view::{self, DatasetView};
use crate::http::{Problem, Shared};

const TAG: &str = "datasets";
const STATES: &[&str] = &["draft", "published", "duplicate", "archived"];
const VISIBILITIES: &[&str] = &["public", "internal"];
const ORDERS: &[&str] = &["updated", "-updated", "slug"];

/// The endpoints of datasets.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let answer = "The dataset; `ETag` is its revision.";
    vec![
        get("/datasets", "list_datasets", list_datasets)
            .says(TAG, "データセットの一覧", "A page of the datasets that the viewer may see. Without `state`, all but archived ones. To search by words, use `/api/v1/search`.")
            .with([
                query("organization", text(), "Only of this organization: id, slug or local government code."),
                query("state", one_of(STATES), "Only in this state."),
                query("visibility", one_of(VISIBILITIES), "Only with this visibility."),
                query("keyword", text(), "Only with this keyword."),
                query("theme", text(), "Only with this theme id."),
                query("identifier", text(), "Only with this publisher's key."),
                query("standard_dataset", text(), "Only this standard dataset; see `/api/v1/standard-datasets`."),
                query("title", text(), "Only titles that contain this text."),
                query("updated_from", json!({"type": "string", "format": "date-time"}), "Only changed here at or after this moment."),
                query("order", one_of(ORDERS), "`-updated` (the default): last changed first; `updated`: oldest change first; `slug`."),
            ])
            .with(paging(1000, 20))
            .answers_page::<DatasetView>("A page of the list."),
        post("/datasets", "create_dataset", create_dataset)
            .says(TAG, "データセットを登録する", "A new dataset. `organization` says whose. Files are added by POST …/distributions.")
            .body::<DatasetDraft>(example())
            .answers::<DatasetView>(&["201"], answer),
        get("/datasets/{key}", "get_dataset", get_dataset)
            .says(TAG, "データセットを取得する", "One dataset by id, slug or former slug (301 to the current one). A copy of another one is 301 to that. A withdrawn one is 410, and `withdrawn` says what is known of it.")
            .answers::<DatasetView>(&["200"], answer)
            .problems(&["410"]),
        put("/datasets/{key}", "replace_dataset", replace_dataset)
            .says(
                TAG,
                "データセットを置き換える",
                "Replaces what the publisher says of a dataset. Fields left out become empty, except `distributions`: absent leaves them as they are, present makes the list exactly this one, matched by `id`; files stay. The answer of a GET may be sent back: id, created, updated, revision, provenance, url, and url and file of distributions are ignored, and the organization object means its id. Other unknown fields are refused by name.",
            )
            .if_match(IfMatch::Required)
            .body::<DatasetDraft>(example())
            .answers::<DatasetView>(&["200"], answer)
            .problems(&["410"]),
        patch("/datasets/{key}", "patch_dataset", patch_dataset)
            .says(TAG, "データセットの一部を変更する", "Changes parts of a dataset by a JSON merge patch on the form that PUT takes.")
            .if_match(IfMatch::Required)
            .merge_patch(json!({"title": "指定緊急避難場所一覧（2026年度）", "keywords": ["防災", "避難所"]}))
            .answers::<DatasetView>(&["200"], answer)
            .problems(&["410"]),
        delete("/datasets/{key}", "delete_dataset", archive_dataset)
            .says(TAG, "データセットの公開を終了する（archive と同じ）", "Withdraws a dataset, as POST …/archive does: history and counts are kept, and it can be restored.")
            .if_match(IfMatch::Optional)
            .answers::<DatasetView>(&["200"], "The dataset, archived.")
            .problems(&["410"]),
        post("/datasets/{key}/archive", "archive_dataset", archive_dataset)
            .says(TAG, "データセットの公開を終了する", "Withdraws a dataset. A tombstone remains; history and counts are kept.")
            .if_match(IfMatch::Optional)
            .answers::<DatasetView>(&["200"], "The dataset, archived.")
            .problems(&["410"]),
        post("/datasets/{key}/restore", "restore_dataset", restore_dataset)
            .says(TAG, "データセットの公開を再開する", "Brings a withdrawn dataset back into the catalog.")
            .if_match(IfMatch::Optional)
            .answers::<DatasetView>(&["200"], "The dataset, published.")
            .problems(&["410"]),
        get("/datasets/{key}/history", "list_dataset_revisions", list_dataset_revisions)
            .says(TAG, "データセットの変更履歴", "The revisions of a dataset, newest first. The public sees when, not who.")
            .answers_page::<RevisionSummary>("All revisions.")
            .problems(&["410"]),
        get("/datasets/{key}/history/{number}", "get_dataset_revision", get_dataset_revision)
            .says(TAG, "データセットのある時点の版", "One revision of a dataset. The public sees only revisions that were public.")
            .answers::<Revision>(&["200"], "The revision with its content.")
            .problems(&["410"]),
        get("/datasets/{key}/diff", "diff_dataset_revisions", diff_dataset_revisions)
            .says(TAG, "版と版の違い", "What differs between two revisions of a dataset, field by field.")
            .with([
                query("from", whole_number(1, i64::MAX, None), "The earlier revision; by default the one before `to`."),
                query("to", whole_number(1, i64::MAX, None), "The later revision; by default the latest."),
            ])
            .answers_page::<Difference>("The differences, in the order of the fields.")
            .problems(&["410"]),
        get("/organizations/{organization}/datasets/{identifier}", "get_dataset_by_identifier", get_dataset_by_identifier)
            .says(TAG, "自団体の管理番号でデータセットを取得する", "The dataset with the publisher's own key.")
            .answers::<DatasetView>(&["200"], answer),
        put("/organizations/{organization}/datasets/{identifier}", "upsert_dataset", upsert_dataset)
            .says(
                TAG,
                "自団体の管理番号でデータセットを登録・更新する",
                "Creates the dataset with the publisher's own key, or replaces it. Sending the same again changes nothing, so a nightly job may send everything.",
            )
            .if_match(IfMatch::Optional)
            .body::<DatasetDraft>(example())
            .answers::<DatasetView>(&["200", "201"], answer),
    ]
}

fn example() -> Value {
    json!({
        "organization": "342025", "identifier": "bousai-001", "title": "指定緊急避難場所一覧", "title_en": "Designated emergency evacuation sites",
        "description": "市内の指定緊急避難場所の名称・所在地・対象とする災害の種別", "keywords": ["防災", "避難所"], "themes": ["gr_1400"],
        "licence": "CC-BY-4.0", "accrual_periodicity": "annual", "contact_point": {"name": "危機管理課", "email": "kiki@example.jp"},
        "spatial": {"label": "広島県呉市", "area_codes": ["342025"]}
    })
}

async fn list_datasets(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if let Some(answer) = kept(&state, &request) {
        return Ok(answer);
    }
    let query = Query::parse(request.query_string())?;
    let organization_id = match query.text("organization") {
        Some(key) => Some(organization_of(&state.app, key)?),
        None => None,
    };
    let order = match query.text("order") {
        None | Some("-updated") => Order::UpdatedFirst,
        Some("updated") => Order::UpdatedLast,
        Some("slug") => Order::Slug,
        Some(_) => return Err(not_one_of("order", ORDERS)),
    };
    let filter = DatasetListing {
        organization_id,
        state: query.choice::<DatasetState>("state", STATES)?,
        visibility: query.choice::<Visibility>("visibility", VISIBILITIES)?,
        keyword: query.string("keyword"),
        theme: query.string("theme"),
        identifier: query.string("identifier"),
        standard_dataset: query.string("standard_dataset"),
        title: query.string("title"),
        updated_from: query.moment("updated_from")?,
        order,
        after: query.string("cursor"),
        limit: query.number("limit", 1..=1000)?.unwrap_or(20),
        ..DatasetListing::default()
    };
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        let page = app.list_datasets(viewer, filter)?;
        let mut items = Vec::with_capacity(page.items.len());
        for dataset in &page.items {
            items.push(view::dataset(app, base, dataset)?);
        }
        loaded(&Page { items, total: page.total, next_cursor: page.next_cursor }, None)
    })
    .await
}

/// The organization that a parameter means.
pub(super) fn organization_of(app: &App, key: &str) -> Result<Uuid, Problem> {
    match app.directory().find_organization(key) {
        Some(organization) => Ok(organization.id),
        None => Err(invalid(
            "organization",
            "登録されている組織の id・slug・団体コードにしてください（GET /api/v1/organizations）",
            "must be id, slug or code of an organization (GET /api/v1/organizations)",
        )),
    }
}

async fn get_dataset(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if let Some(answer) = kept(&state, &request) {
        return Ok(answer);
    }
    let key = key(&request, "key")?;
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        let found = app.dataset(viewer, &key)?;
        let dataset = &found.dataset;
        if found.moved {
            return Ok(Loaded::Moved(format!("/api/v1/datasets/{}", dataset.content.slug)));
        }
        loaded(&view::dataset(app, base, dataset)?, Some(dataset.revision))
    })
    .await
}

async fn create_dataset(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let context = write.context(IfMatch::Optional)?;
    let draft = draft(write.object()?)?;
    change(&state, context, move |app, context| app.create_dataset(context, draft)).await
}

async fn replace_dataset(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (key, context) = (write.key("key")?, write.context(IfMatch::Required)?);
    let draft = draft(write.object()?)?;
    change(&state, context, move |app, context| app.replace_dataset(context, &key, draft)).await
}

async fn patch_dataset(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (key, context) = (write.key("key")?, write.context(IfMatch::Required)?);
    let mut object = write.object()?;
    view::strip_dataset(&mut object);
    expect_objects(&object)?;
    let patch = Value::Object(object);
    change(&state, context, move |app, context| app.patch_dataset(context, &key, &patch)).await
}

async fn upsert_dataset(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (organization, identifier) = (write.key("organization")?, write.key("identifier")?);
    let context = write.context(IfMatch::Optional)?;
    let draft = draft(write.object()?)?;
    change(&state, context, move |app, context| app.upsert_dataset(context, &organization, &identifier, draft)).await
}

async fn get_dataset_by_identifier(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (organization, identifier) = (key(&request, "organization")?, key(&request, "identifier")?);
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        let found = app.dataset_by_identifier(viewer, &organization, &identifier)?;
        let dataset = &found.dataset;
        if found.moved {
            return Ok(Loaded::Moved(format!("/api/v1/datasets/{}", dataset.content.slug)));
        }
        loaded(&view::dataset(app, base, dataset)?, Some(dataset.revision))
    })
    .await
}

async fn archive_dataset(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.archive_dataset(context, &key)).await
}

async fn restore_dataset(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (key, context) = (act.key("key")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.restore_dataset(context, &key)).await
}

async fn list_dataset_revisions(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    read(&state, &request, Some(KEEP), move |app, viewer, _| loaded(&whole(app.dataset_history(viewer, &key)?), None)).await
}

async fn get_dataset_revision(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (key, number) = (key(&request, "key")?, number_key(&request, "number")?);
    read(&state, &request, Some(KEEP), move |app, viewer, _| loaded(&app.dataset_revision(viewer, &key, number)?, Some(number))).await
}

async fn diff_dataset_revisions(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    let (from, to) = (query.number("from", 1..=i64::MAX)?, query.number("to", 1..=i64::MAX)?);
    read(&state, &request, Some(KEEP), move |app, viewer, _| {
        let to = match to {
            Some(to) => to,
            None => app.dataset(viewer, &key)?.dataset.revision,
        };
        let from = from.unwrap_or((to - 1).max(1));
        loaded(&whole(app.dataset_difference(viewer, &key, from, to)?), None)
    })
    .await
}

/// Carries out a change and answers with the dataset after it.
pub(super) async fn change(
    state: &Shared,
    context: Context,
    f: impl FnOnce(&App, &Context) -> minato_app::Result<Done<Dataset>> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let settings = state.settings.clone();
    let (done, revision, context) = state
        .run(move |app| {
            let done = f(app, &context)?;
            let shown = view::dataset(app, &settings.base_url(), &done.value)?;
            Ok((Done { value: shown, status: done.status, replayed: done.replayed }, done.value.revision, context))
        })
        .await?;
    let location = format!("/api/v1/datasets/{}", done.value["id"].as_str().unwrap_or_default());
    Ok(wrote(&context, &done, Some(revision), location))
}

fn draft(mut object: Map<String, Value>) -> Result<DatasetDraft, Problem> {
    view::strip_dataset(&mut object);
    expect_objects(&object)?;
    parse(object)
}

/// A list where an object belongs would be read by position; refuse it.
fn expect_objects(object: &Map<String, Value>) -> Result<(), Problem> {
    for field in ["contact_point", "spatial", "temporal"] {
        if object.get(field).is_some_and(Value::is_array) {
            return Err(not_an_object(&format!("/{field}")));
        }
    }
    let distributions = object.get("distributions").and_then(Value::as_array);
    match distributions.and_then(|list| list.iter().position(|item| !item.is_object())) {
        Some(index) => Err(not_an_object(&format!("/distributions/{index}"))),
        None => Ok(()),
    }
}
