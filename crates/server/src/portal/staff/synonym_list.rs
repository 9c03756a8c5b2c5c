//! The synonyms of the search, in a form.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{Action, RevisionSummary, SYNONYMS_LENGTH_MAX, SynonymListDraft, SynonymsInUse, Text, Viewer};
use minato_app::{App, Context, Error, Status};

use super::{Reply, private, read_form, serve, titled};
use crate::http::Shared;
use crate::portal::page::{Shell, render_error};
use crate::portal::words::{Lang, number};

const PATH: &str = "/staff/synonyms";
/// Largest form, in bytes: the longest list with every character written as three `%XX`, or four where it takes four bytes, and some room.
const FORM_BYTES_MAX: usize = SYNONYMS_LENGTH_MAX * 12 + 10_000;
/// Revisions shown.
const REVISIONS_SHOWN: usize = 10;

#[derive(Template)]
#[template(path = "staff_synonyms.html")]
struct SynonymsPage {
    s: Shell,
    /// What is in the form.
    text: String,
    /// The revision that the form is based on.
    revision: i64,
    built_in: bool,
    concepts: String,
    updated: Option<String>,
    /// Whether the viewer may save.
    editable: bool,
    /// What was done before this page.
    done: Option<String>,
    /// Why nothing was saved.
    errors: Vec<String>,
    /// The list in use, when somebody else changed it meanwhile.
    theirs: Option<String>,
    revisions: Vec<RevisionRow>,
}

struct RevisionRow {
    number: i64,
    action: &'static str,
    actor: String,
    at: String,
}

/// What was sent and not saved, with the reasons.
struct Refused {
    status: StatusCode,
    text: String,
    revision: i64,
    errors: Vec<String>,
    theirs: Option<String>,
}

pub(super) async fn show_synonyms(request: HttpRequest, state: Shared) -> HttpResponse {
    let done = url::form_urlencoded::parse(request.query_string().as_bytes()).find(|(name, _)| name == "done");
    let done = done.map(|(_, value)| value.into_owned());
    serve(&request, &state, false, move |app, shell, viewer| {
        let done = done.as_deref().and_then(|done| done_text(shell.lang, done));
        page(app, shell, &viewer, done, None)
    })
    .await
}

pub(super) async fn save_synonyms(request: HttpRequest, state: Shared, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    // A revision that is none matches nothing: the form was not ours.
    let revision = form.text("revision").parse().unwrap_or(-1);
    let reset = form.text("action") == "reset";
    let text = form.text("text").to_owned();
    serve(&request, &state, true, move |app, shell, viewer| {
        let context = Context { expected: Some(revision), ..Context::new(viewer.clone()) };
        let draft = SynonymListDraft { text: text.clone() };
        let saved = if reset { app.reset_synonyms(&context) } else { app.replace_synonyms(&context, draft) };
        let lang = shell.lang;
        match saved {
            Ok(done) => {
                let what = match done.status {
                    Status::Unchanged => "unchanged",
                    _ if reset => "reset",
                    _ => "saved",
                };
                Ok(Reply::See(format!("{PATH}?done={what}")))
            }
            Err(Error::Invalid(errors)) => {
                let errors = errors.iter().map(|error| lang.sentence(&named(&error.message))).collect();
                let refused = Refused { status: StatusCode::UNPROCESSABLE_ENTITY, text, revision, errors, theirs: None };
                page(app, shell, &viewer, None, Some(refused))
            }
            Err(Error::PreconditionFailed { .. }) => {
                let now = app.synonyms()?;
                let message = lang.t(
                    "このページを開いたあとで、ほかの人が一覧を変更しました。まだ保存していません。下の「今の一覧」と見比べて、必要な行を自分の内容に加えてから、もう一度保存してください。",
                    "Somebody changed the list after you opened this page. Nothing was saved yet. Compare with the list as it is now, take over the lines you need, and save again.",
                );
                // What was typed stays, also where only the reset was refused.
                let text = if reset { now.text.clone() } else { text };
                let (errors, theirs) = (vec![message.to_owned()], Some(now.text));
                let refused = Refused { status: StatusCode::PRECONDITION_FAILED, text, revision: now.revision, errors, theirs };
                page(app, shell, &viewer, None, Some(refused))
            }
            Err(error) => Err(error),
        }
    })
    .await
}

/// Messages begin with the field of the API; on the page there is one field only.
fn named(message: &Text) -> Text {
    let text = |message: &str, name: &str| match message.strip_prefix("/text ") {
        Some(rest) => format!("{name}{rest}"),
        None => message.to_owned(),
    };
    Text::new(text(&message.ja, "一覧"), text(&message.en, "the list "))
}

fn done_text(lang: Lang, done: &str) -> Option<String> {
    let text = match done {
        "saved" => lang.t("保存しました。検索では、もう新しい一覧が使われています。", "Saved. Searches use the new list already."),
        "unchanged" => lang.t("変更はありませんでした。", "There was nothing to change."),
        "reset" => lang.t("はじめの一覧に戻しました。", "The built-in list is in use again."),
        _ => return None,
    };
    Some(text.to_owned())
}

fn page(app: &App, shell: Shell, viewer: &Viewer, done: Option<String>, refused: Option<Refused>) -> minato_app::Result<Reply> {
    let shell = titled(shell, "検索の同義語", "Synonyms of the search", PATH);
    let lang = shell.lang;
    let SynonymsInUse { text, concepts, built_in, revision, updated } = app.synonyms()?;
    let revisions = if viewer.admin { app.synonyms_history(viewer)? } else { Vec::new() };
    let revisions = revisions.iter().take(REVISIONS_SHOWN).map(|revision| revision_row(lang, revision)).collect();
    let status = refused.as_ref().map_or(StatusCode::OK, |refused| refused.status);
    let refused = refused.unwrap_or(Refused { status, text, revision, errors: Vec::new(), theirs: None });
    Reply::page_as(
        status,
        &SynonymsPage {
            text: refused.text,
            revision: refused.revision,
            built_in,
            concepts: number(i64::try_from(concepts).unwrap_or(i64::MAX)),
            updated: updated.map(|at| lang.minute(at)),
            editable: viewer.admin && !viewer.read_only,
            done,
            errors: refused.errors,
            theirs: refused.theirs,
            revisions,
            s: shell,
        },
    )
}

fn revision_row(lang: Lang, revision: &RevisionSummary) -> RevisionRow {
    let action = match revision.action {
        Action::Create | Action::Update => lang.t("変更", "changed"),
        Action::Archive => lang.t("はじめの一覧に戻した", "back to the built-in list"),
        Action::Restore => lang.t("はじめの一覧から変更", "changed from the built-in list"),
    };
    RevisionRow { number: revision.number, action, actor: revision.actor.clone(), at: lang.minute(revision.at) }
}
