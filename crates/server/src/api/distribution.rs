//! Distributions: the files and links of datasets, and uploads.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use minato_app::catalog::{self, DistributionDraft, Document, FieldError, FileVersion, Role, Text, Viewer};
use minato_app::{App, Context, Done, Error, FileUpload};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::answer::{KEEP, json as loaded, read, wrote};
use super::noun::whole;
use super::request::{Act, IfMatch, Query, Write, conditions, key, parse, writer};
use super::route::{Endpoint, delete, flag, get, patch, post, put, query, text};
use super::view::{self, DatasetView, DistributionView};
use crate::http::{Problem, Shared, hex};
use crate::upload::{self, Form, Received, TEXT_TOTAL_BYTES_MAX};

const TAG: &str = "distributions";
const FORM: Form = Form { file: Some("file"), text_bytes_max: TEXT_TOTAL_BYTES_MAX };
/// Text parts of a form that are fields of the draft. Lists are separated by commas.
const FORM_FIELDS: &[&str] = &[
    "title",
    "title_en",
    "description",
    "format",
    "media_type",
    "licence",
    "access_url",
    "issued",
    "modified",
    "language",
    "conforms_to",
    "identifier",
];
const FORM_LISTS: &[&str] = &["language", "conforms_to"];

/// The endpoints of distributions.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let answer = "The distribution; `ETag` is the revision of its dataset.";
    let form = |reference: Value| {
        let mut properties = Map::new();
        properties.insert("file".to_owned(), json!({"type": "string", "format": "binary", "description": "The file, with its name."}));
        properties.insert("draft".to_owned(), reference);
        for field in FORM_FIELDS {
            properties.insert((*field).to_owned(), json!({"type": "string", "description": "As in the draft; lists separated by commas."}));
        }
        properties.insert(
            "accept_mismatch".to_owned(),
            json!({"type": "string", "enum": ["true", "false"], "description": "Take the file although its name and its bytes disagree."}),
        );
        json!({"type": "object", "required": ["file"], "properties": properties})
    };
    let file_form = |_: Value| {
        json!({"type": "object", "required": ["file"], "properties": {
            "file": {"type": "string", "format": "binary", "description": "The file, with its name."},
            "accept_mismatch": {"type": "string", "enum": ["true", "false"]}
        }})
    };
    let raw = |_: Value| json!({"type": "string", "format": "binary"});
    let mismatch = || query("accept_mismatch", flag(), "Take the file although its name and its bytes disagree.");
    let file_name = || {
        query(
            "file_name",
            text(),
            "Name of the file, for a body that is the file itself; or send `Content-Disposition: attachment; filename=…`.",
        )
    };
    let upload = |endpoint: Endpoint| {
        endpoint
            .with([mismatch(), file_name()])
            .if_match(IfMatch::Optional)
            .body_schema::<DistributionDraft>("multipart/form-data", file_form, None)
            .body_schema::<DistributionDraft>("application/octet-stream", raw, None)
            .answers::<DistributionView>(&["200", "201"], answer)
    };
    vec![
        get("/datasets/{key}/distributions", "list_distributions", list_distributions)
            .says(TAG, "データセットのファイルの一覧", "The files and links of a dataset, in the publisher's order.")
            .answers_page::<DistributionView>("All of them.")
            .problems(&["410"]),
        post("/datasets/{key}/distributions", "create_distribution", create_distribution)
            .says(
                TAG,
                "データセットにファイルまたはリンクを追加する",
                "Adds a link (JSON), or a file (multipart: part `file`, and either a part `draft` with JSON or single fields). Large files are streamed.",
            )
            .with([mismatch()])
            .if_match(IfMatch::Optional)
            .body::<DistributionDraft>(json!({"title": "指定緊急避難場所一覧 CSV", "download_url": "https://www.example.jp/data/shelters.csv", "format": "CSV"}))
            .body_schema::<DistributionDraft>("multipart/form-data", form, None)
            .answers::<DistributionView>(&["201"], answer)
            .problems(&["410"]),
        get("/distributions/{id}", "get_distribution", get_distribution)
            .says(TAG, "ファイルまたはリンクを取得する", "One distribution, without its bytes; those are at its `url`.")
            .answers::<DistributionView>(&["200"], answer)
            .problems(&["410"]),
        put("/distributions/{id}", "replace_distribution", replace_distribution)
            .says(TAG, "ファイルの説明を置き換える", "Replaces what is said of a distribution; its files stay. url, file and dataset_id of an answer sent back are ignored.")
            .if_match(IfMatch::Required)
            .body::<DistributionDraft>(json!({"title": "指定緊急避難場所一覧 CSV", "format": "CSV"}))
            .answers::<DistributionView>(&["200"], answer)
            .problems(&["410"]),
        patch("/distributions/{id}", "patch_distribution", patch_distribution)
            .says(TAG, "ファイルの説明の一部を変更する", "Changes parts of a distribution by a JSON merge patch; its files stay.")
            .if_match(IfMatch::Required)
            .merge_patch(json!({"title": "避難場所一覧（2026年4月）"}))
            .answers::<DistributionView>(&["200"], answer)
            .problems(&["410"]),
        delete("/distributions/{id}", "delete_distribution", archive_distribution)
            .says(TAG, "ファイルを外す（archive と同じ）", "Takes a distribution out of its dataset, as POST …/archive does; files and counts are kept, and it can be restored.")
            .if_match(IfMatch::Optional)
            .answers::<DatasetView>(&["200"], "The dataset without it.")
            .problems(&["410"]),
        post("/distributions/{id}/archive", "archive_distribution", archive_distribution)
            .says(TAG, "ファイルを外す", "Takes a distribution out of its dataset; files and counts are kept.")
            .if_match(IfMatch::Optional)
            .answers::<DatasetView>(&["200"], "The dataset without it.")
            .problems(&["410"]),
        post("/distributions/{id}/restore", "restore_distribution", restore_distribution)
            .says(TAG, "外したファイルを元に戻す", "Brings a distribution back as it last was, at the end of the list.")
            .if_match(IfMatch::Optional)
            .answers::<DistributionView>(&["200"], answer)
            .problems(&["410"]),
        get("/distributions/{id}/versions", "list_file_versions", list_file_versions)
            .says(TAG, "ファイルの版の一覧", "The versions of a distribution's file, newest first. Each is at `/d/{id}/{version}`.")
            .answers_page::<FileVersion>("All versions.")
            .problems(&["410"]),
        upload(put("/distributions/{id}/file", "put_file", put_file).says(
            TAG,
            "ファイルの新しい版を登録する",
            "Makes the sent file the next version. The same bytes under the same name change nothing (200). The body is a form with a part `file`, or the file itself.",
        ))
        .problems(&["410"]),
        upload(post("/distributions/{id}/file", "post_file", put_file).says(TAG, "ファイルの新しい版を登録する（PUT と同じ）", "As PUT, for HTML forms and clients that cannot PUT."))
            .problems(&["410"]),
    ]
}

async fn list_distributions(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = key(&request, "key")?;
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        let dataset = app.dataset(viewer, &key)?.dataset;
        let shown: Result<Vec<Value>, Error> =
            dataset.content.distributions.iter().map(|item| view::distribution(base, &dataset, item)).collect();
        loaded(&whole(shown?), None)
    })
    .await
}

async fn get_distribution(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, Some(KEEP), move |app, viewer, base| {
        let found = app.distribution(viewer, &id)?;
        loaded(&view::distribution(base, &found.dataset, &found.distribution)?, Some(found.dataset.revision))
    })
    .await
}

async fn list_file_versions(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = key(&request, "id")?;
    read(&state, &request, Some(KEEP), move |app, viewer, _| loaded(&whole(app.versions(viewer, &id)?), None)).await
}

async fn replace_distribution(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Required)?);
    let draft = draft(write.object()?)?;
    change(&state, context, move |app, context| app.replace_distribution(context, &id, draft)).await
}

async fn patch_distribution(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Required)?);
    let mut object = write.object()?;
    view::strip_distribution(&mut object);
    let patch = Value::Object(object);
    change(&state, context, move |app, context| app.patch_distribution(context, &id, &patch)).await
}

async fn archive_distribution(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    super::dataset::change(&state, context, move |app, context| app.archive_distribution(context, &id)).await
}

async fn restore_distribution(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let (id, context) = (act.key("id")?, act.context(IfMatch::Optional)?);
    change(&state, context, move |app, context| app.restore_distribution(context, &id)).await
}

async fn create_distribution(state: Shared, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let mut payload = payload.into_inner();
    let dataset = key(&request, "key")?;
    if !upload::is_multipart(request.headers()) {
        let write = Write::from_request(&request, &mut payload).await?;
        let context = write.context(IfMatch::Optional)?;
        let draft = draft(write.object()?)?;
        return change(&state, context, move |app, context| app.create_distribution(context, &dataset, draft)).await;
    }
    let wanted = Wanted::ask(&state, &request, {
        let dataset = dataset.clone();
        move |app, viewer| Ok(app.dataset(viewer, &dataset)?.dataset.content.organization_id)
    })
    .await?;
    let mut received = upload::receive_form(&state, payload, request.headers(), FORM).await?;
    let draft = form_draft(&received)?;
    let (context, file) = wanted.take(&request, &mut received)?;
    change(&state, context, move |app, context| app.create_distribution_with_file(context, &dataset, draft, file)).await
}

async fn put_file(state: Shared, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let payload = payload.into_inner();
    let id = key(&request, "id")?;
    let wanted = Wanted::ask(&state, &request, {
        let id = id.clone();
        move |app, viewer| Ok(app.distribution(viewer, &id)?.dataset.content.organization_id)
    })
    .await?;
    let mut received = receive_file(&state, &request, payload, &wanted).await?;
    let (context, file) = wanted.take(&request, &mut received)?;
    change(&state, context, move |app, context| app.add_file(context, &id, file)).await
}

/// An upload that may be received: who sends it is known and allowed, before the first byte is kept.
struct Wanted {
    viewer: Viewer,
    query: Query,
}

impl Wanted {
    async fn ask(
        state: &Shared,
        request: &HttpRequest,
        owner: impl FnOnce(&App, &Viewer) -> minato_app::Result<uuid::Uuid> + Send + 'static,
    ) -> Result<Wanted, Problem> {
        let viewer = writer(request).await?;
        let query = Query::parse(request.query_string())?;
        query.dry_run()?;
        query.flag("accept_mismatch")?;
        let asking = viewer.clone();
        state
            .run(move |app| {
                let owner = owner(app, &asking)?;
                if asking.read_only || !asking.has_role(owner, Role::Editor) {
                    return Err(Error::Forbidden(Text::new(
                        "ファイルの登録には、その組織の「編集者」以上の権限と、書き込みできる API トークンが必要です。組織の管理者に依頼してください。",
                        "uploading needs the role editor in the organization and a token that may write; ask its administrator",
                    )));
                }
                Ok(())
            })
            .await?;
        Ok(Wanted { viewer, query })
    }

    /// The file and the conditions of the change it makes. What makes two requests the same are their fields and bytes.
    fn take(self, request: &HttpRequest, received: &mut Received) -> Result<(Context, FileUpload), Problem> {
        let Some(mut file) = received.file.take() else { return Err(no_file()) };
        let accepted = match received.field("accept_mismatch").map(str::trim) {
            None => false,
            Some("true" | "1") => true,
            Some("false" | "0" | "") => false,
            Some(_) => return Err(super::request::invalid("accept_mismatch", "true か false にしてください", "must be true or false")),
        };
        file.accept_mismatch = accepted || self.query.flag("accept_mismatch")?;
        let mut hash = Sha256::new();
        for part in [file.upload.sha256().as_str(), file.file_name.as_str()] {
            hash.update(part);
            hash.update([0]);
        }
        for (name, text) in &received.fields {
            hash.update(format!("{name}\0{text}\0"));
        }
        let context = conditions(request, self.viewer, &self.query, &hex(&hash.finalize()), IfMatch::Optional)?;
        Ok((context, file))
    }
}

/// A form with a part `file`, or a body that is the file itself.
async fn receive_file(state: &Shared, request: &HttpRequest, payload: Payload, wanted: &Wanted) -> Result<Received, Problem> {
    let headers = request.headers();
    if upload::is_multipart(headers) {
        return upload::receive_form(state, payload, headers, FORM).await;
    }
    if !is_utf8(request.query_string(), "file_name") {
        return Err(super::request::invalid("file_name", "UTF-8 で送ってください", "must be percent-encoded UTF-8"));
    }
    let name = match wanted.query.string("file_name") {
        Some(name) => Some(name),
        None => upload::file_name_of_request(headers)?,
    };
    let name = name.ok_or_else(|| {
        Problem::from(Error::invalid(FieldError::new(
            "/file_name",
            "required",
            "ファイル名がありません。?file_name=… か Content-Disposition: attachment; filename=\"…\" を付けるか、multipart の file で送ってください。",
            "the file has no name; send ?file_name=…, or Content-Disposition: attachment; filename=\"…\", or a form with a part `file`",
        )))
    })?;
    let file = upload::receive_raw(state, payload, headers, name).await?;
    Ok(Received { fields: Vec::new(), file: Some(file) })
}

/// Whether the values of a query parameter are UTF-8.
fn is_utf8(query: &str, name: &str) -> bool {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(given, _)| *given == name);
    values.all(|(_, value)| percent_encoding::percent_decode_str(value).decode_utf8().is_ok())
}

/// The draft of a form: the JSON of its part `draft`, with single fields over it.
fn form_draft(received: &Received) -> Result<DistributionDraft, Problem> {
    let mut object = match received.field("draft") {
        None => Map::new(),
        Some(text) => match catalog::parse_json::<Document>(text.as_bytes()).map_err(Error::invalid)?.0 {
            Value::Object(object) => object,
            _ => return Err(super::request::not_an_object("/draft")),
        },
    };
    for (name, text) in &received.fields {
        if FORM_LISTS.contains(&name.as_str()) {
            let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
            object.insert(name.clone(), json!(words));
        } else if FORM_FIELDS.contains(&name.as_str()) {
            object.insert(name.clone(), json!(text));
        } else if !matches!(name.as_str(), "draft" | "accept_mismatch") {
            let name: String = name.chars().take(100).collect();
            let known = FORM_FIELDS.join(", ");
            return Err(Error::invalid(FieldError::new(
                format!("/{name}"),
                "unknown_field",
                format!("フォームの項目「{name}」はありません。使える項目: file, draft, accept_mismatch, {known}"),
                format!("the form has an unknown part `{name}`; known parts: file, draft, accept_mismatch, {known}"),
            ))
            .into());
        }
    }
    draft(object)
}

fn draft(mut object: Map<String, Value>) -> Result<DistributionDraft, Problem> {
    view::strip_distribution(&mut object);
    parse(object)
}

/// Carries out a change and answers with the distribution after it and its dataset's revision.
async fn change(
    state: &Shared,
    context: Context,
    f: impl FnOnce(&App, &Context) -> minato_app::Result<Done<catalog::Distribution>> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let settings = state.settings.clone();
    let (done, revision, id, context) = state
        .run(move |app| {
            let done = f(app, &context)?;
            let id = done.value.id;
            let base = settings.base_url();
            // What a dry run would make is nowhere to be read.
            let (shown, revision) = match app.distribution(&context.viewer, &id.to_string()) {
                Ok(found) => (view::distribution(&base, &found.dataset, &done.value)?, Some(found.dataset.revision)),
                Err(_) => (serde_json::to_value(&done.value).map_err(Error::internal)?, None),
            };
            Ok((Done { value: shown, status: done.status, replayed: done.replayed }, revision, id, context))
        })
        .await
        .map_err(Problem::of_distribution)?;
    Ok(wrote(&context, &done, revision, format!("/api/v1/distributions/{id}")))
}

fn no_file() -> Problem {
    Error::invalid(FieldError::new(
        "/file",
        "required",
        "フォームにファイルがありません。項目名 file で、ファイル名を付けて送ってください（例: curl -F file=@data.csv）。",
        "the form has no file; send it as the part `file` with a file name (for example curl -F file=@data.csv)",
    ))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_in_another_encoding_is_noticed() {
        for (query, expected) in [
            ("", true),
            ("file_name", true),
            ("file_name=%E9%81%BF.csv&x=%94", true),
            ("dry_run=true&file_name=%94%F0%93%EF.csv", false),
            ("file_name=a.csv&file_name=%FF", false),
        ] {
            assert_eq!(is_utf8(query, "file_name"), expected, "{query}");
        }
    }
}
