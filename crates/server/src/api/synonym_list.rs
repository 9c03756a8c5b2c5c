//! The synonyms of the search, which staff may change.

use actix_web::{HttpRequest, HttpResponse};
use minato_app::catalog::{Revision, RevisionSummary, SynonymListDraft, SynonymsInUse};
use serde_json::json;

use super::answer::{KEEP, json as loaded, read, wrote};
use super::noun::whole;
use super::request::{Act, IfMatch, Write, number_key};
use super::route::{Endpoint, delete, get, put};
use crate::http::{Problem, Shared};

const TAG: &str = "search";
const PATH: &str = "/search/synonyms";
/// Fields of answers that a list sent back may carry; they are ignored.
const READ_ONLY: &[&str] = &["concepts", "built_in", "revision", "updated"];

/// The endpoints of the synonyms.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let example = json!({"text": "避難所,避難場所,shelter|避難経路\nごみ,廃棄物,trash\n"});
    vec![
        get(PATH, "get_synonyms", get_synonyms)
            .says(
                TAG,
                "検索の同義語を取得する",
                "The synonyms that searches use: one concept a line, `equivalent,equivalent|related,related`; `#` begins a comment. Equivalents stand for each other; related words are found by an equivalent, not the other way round.",
            )
            .answers::<SynonymsInUse>(&["200"], "The list in use; `ETag` is its revision, 0 while nobody ever changed it."),
        put(PATH, "replace_synonyms", replace_synonyms)
            .says(
                TAG,
                "検索の同義語を置き換える",
                "Puts another list in place of the one in use; searches use it when this answers. A list with an unusable line is refused whole, and every such line named. For system administrators. The answer of a GET may be sent back: concepts, built_in, revision and updated are ignored.",
            )
            .if_match(IfMatch::Required)
            .body::<SynonymListDraft>(example)
            .answers::<SynonymsInUse>(&["200"], "The list in use now."),
        delete(PATH, "reset_synonyms", reset_synonyms)
            .says(
                TAG,
                "検索の同義語をはじめの一覧に戻す",
                "Goes back to the list that comes with the catalog. The list kept until now stays in the history. For system administrators.",
            )
            .if_match(IfMatch::Optional)
            .answers::<SynonymsInUse>(&["200"], "The list in use now: the built-in one."),
        get("/search/synonyms/history", "list_synonyms_revisions", list_revisions)
            .says(TAG, "検索の同義語の変更履歴", "The revisions of the list, newest first. For system administrators.")
            .signed_in()
            .answers_page::<RevisionSummary>("All revisions."),
        get("/search/synonyms/history/{number}", "get_synonyms_revision", get_revision)
            .says(TAG, "検索の同義語のある時点の版", "One revision of the list. For system administrators.")
            .signed_in()
            .answers::<Revision>(&["200"], "The revision with its content."),
    ]
}

async fn get_synonyms(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, Some(KEEP), |app, _, _| {
        let synonyms = app.synonyms()?;
        loaded(&synonyms, Some(synonyms.revision))
    })
    .await
}

async fn replace_synonyms(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let context = write.context(IfMatch::Required)?;
    let draft: SynonymListDraft = write.draft(READ_ONLY)?;
    let (done, context) = state.run(move |app| Ok((app.replace_synonyms(&context, draft)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision), location()))
}

async fn reset_synonyms(state: Shared, act: Act) -> Result<HttpResponse, Problem> {
    let context = act.context(IfMatch::Optional)?;
    let (done, context) = state.run(move |app| Ok((app.reset_synonyms(&context)?, context))).await?;
    Ok(wrote(&context, &done, Some(done.value.revision), location()))
}

async fn list_revisions(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, viewer, _| loaded(&whole(app.synonyms_history(viewer)?), None)).await
}

async fn get_revision(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let number = number_key(&request, "number")?;
    read(&state, &request, None, move |app, viewer, _| loaded(&app.synonyms_revision(viewer, number)?, Some(number))).await
}

fn location() -> String {
    format!("/api/v1{PATH}")
}
