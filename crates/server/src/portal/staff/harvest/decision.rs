//! What waits for somebody to decide it.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{Dataset, DatasetState, DecisionKind, DecisionState, HarvestDecision, Role, Viewer, Visibility, diff};
use minato_app::{App, Context, DecisionListing, Error, FoundDecision};
use uuid::Uuid;

use super::super::{Reply, SMALL_FORM_BYTES_MAX, parameter, private, read_form, serve};
use super::{PATH, below_list, done_text, may, path_of};
use crate::http::Shared;
use crate::portal::history::{ChangeView, change_view, names};
use crate::portal::home::organization_link;
use crate::portal::page::{Shell, render_error};
use crate::portal::words::{Lang, Link, number};

const DECISIONS_SHOWN: i64 = 100;
/// Records of a sweep listed.
const RECORDS_SHOWN: usize = 500;
/// Fields in which copies always differ and that say nothing about whether they are one.
const OF_EVERY_COPY: &[&str] = &["/slug", "/state", "/duplicate_of", "/provenance", "/modified", "/organization_id"];

#[derive(Template)]
#[template(path = "staff_harvest_decisions.html")]
struct DecisionsPage {
    s: Shell,
    /// The tabs to choose from: address, name, whether it is this one.
    filters: Vec<(String, &'static str, bool)>,
    about: &'static str,
    rows: Vec<DecisionRow>,
    /// Copies on this page that the viewer may decide at once.
    at_once: Vec<Uuid>,
    more: Option<String>,
    done: Option<String>,
}

/// What a list of decisions shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Waiting,
    Automatic,
    Accepted,
    Rejected,
    All,
}

impl Tab {
    const ALL: [Tab; 5] = [Tab::Waiting, Tab::Automatic, Tab::Accepted, Tab::Rejected, Tab::All];

    fn of(word: Option<&str>) -> Tab {
        match word {
            None => Tab::Waiting,
            Some(word) => Tab::ALL.into_iter().find(|tab| tab.word() == word).unwrap_or(Tab::All),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Tab::Waiting => "open",
            Tab::Automatic => "automatic",
            Tab::Accepted => "accepted",
            Tab::Rejected => "rejected",
            Tab::All => "all",
        }
    }

    fn name(self, lang: Lang) -> &'static str {
        match self {
            Tab::Waiting => lang.t("判断待ち", "waiting"),
            Tab::Automatic => lang.t("自動でまとめた重複", "linked by itself"),
            Tab::Accepted => lang.t("「はい」としたもの", "said yes"),
            Tab::Rejected => lang.t("「いいえ」としたもの", "said no"),
            Tab::All => lang.t("すべて", "all"),
        }
    }

    fn about(self, lang: Lang) -> &'static str {
        match self {
            Tab::Automatic => lang.t(
                "同じものと分かったデータセットを自動でまとめ、片方だけを公開しています。対応は不要です。別のデータセットだったときだけ「別のデータセットです」と答えてください。",
                "Datasets found to be the same were linked, and one of each is shown. Nothing needs to be done. Only where two are different, say so.",
            ),
            _ => lang.t(
                "自動では決められないことを、公開者の権限を持つ職員が決めます。",
                "What cannot be decided by itself is decided by staff with the role publisher.",
            ),
        }
    }

    /// The state, and whether what settled itself is wanted.
    fn listing(self) -> (Option<DecisionState>, Option<bool>) {
        match self {
            Tab::Waiting => (Some(DecisionState::Open), Some(false)),
            Tab::Automatic => (None, Some(true)),
            Tab::Accepted => (Some(DecisionState::Accepted), None),
            Tab::Rejected => (Some(DecisionState::Rejected), None),
            Tab::All => (None, None),
        }
    }
}

struct DecisionRow {
    href: String,
    kind: &'static str,
    state: &'static str,
    source: String,
    titles: Vec<String>,
    reason: String,
    at: String,
}

#[derive(Template)]
#[template(path = "staff_harvest_decision.html")]
struct DecisionPage {
    s: Shell,
    path: String,
    state: &'static str,
    open: bool,
    source: (String, String),
    reason: String,
    at: String,
    decided: Option<String>,
    /// What happens until somebody decides.
    meanwhile: &'static str,
    sides: Vec<Side>,
    changes: Vec<ChangeView>,
    records: Vec<(String, Option<(String, String)>)>,
    records_more: Option<String>,
    accept: &'static str,
    reject: &'static str,
    may_decide: bool,
    /// Organizations that would have to agree, too.
    to_agree: Vec<Link>,
    done: Option<String>,
}

struct Side {
    title: String,
    /// Its page, where it has one.
    href: Option<String>,
    organization: String,
    origin: String,
    state: &'static str,
    updated: String,
    files: Vec<(String, String)>,
}

pub(super) async fn show_decisions(request: HttpRequest, state: Shared) -> HttpResponse {
    let (source, wanted) = (parameter(&request, "source"), parameter(&request, "state"));
    let (before, done) = (parameter(&request, "before"), parameter(&request, "done"));
    serve(&request, &state, false, move |app, shell, viewer| {
        let lang = shell.lang;
        let tab = Tab::of(wanted.as_deref());
        let before = before.as_deref().and_then(minato_app::catalog::parse_moment);
        let (state, automatic) = tab.listing();
        let listing = DecisionListing { source: source.clone(), kind: None, state, automatic, before, limit: DECISIONS_SHOWN };
        let found = app.decisions(&viewer, &listing)?;
        let address = |tab: Tab, before: Option<String>| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("state", tab.word());
            query.extend_pairs(source.as_ref().map(|source| ("source", source)));
            query.extend_pairs(before.map(|before| ("before", before)));
            format!("{PATH}/decisions?{}", query.finish())
        };
        let full = i64::try_from(found.len()).is_ok_and(|count| count == DECISIONS_SHOWN);
        let more = found.last().filter(|_| full).map(|last| address(tab, Some(last.decision.created.to_rfc3339())));
        let (mut rows, mut at_once) = (Vec::new(), Vec::new());
        for found in found {
            let source = app.source(&viewer, &found.decision.source_id.to_string())?;
            if found.decision.is_automatic() && may_decide(app, &viewer, &found.decision)? {
                at_once.push(found.decision.id);
            }
            let mut titles: Vec<String> =
                found.datasets.iter().filter(|dataset| is_public(dataset)).map(|dataset| dataset.content.title.clone()).collect();
            titles.dedup();
            rows.push(DecisionRow {
                href: format!("{PATH}/decisions/{}", found.decision.id),
                kind: kind_name(lang, found.decision.kind),
                state: state_name(lang, &found.decision),
                source: source.draft.title,
                titles,
                reason: lang.sentence(&found.decision.reason),
                at: lang.minute(found.decision.created),
            });
        }
        Reply::page(&DecisionsPage {
            filters: Tab::ALL.into_iter().map(|one| (address(one, None), one.name(lang), one == tab)).collect(),
            about: tab.about(lang),
            rows,
            at_once,
            more,
            done: done.as_deref().and_then(|done| done_text(lang, done)),
            s: below_list(shell).named("判断", "Decisions", &format!("{PATH}/decisions")),
        })
    })
    .await
}

/// Decides copies at once: a source that has what another has brings hundreds.
pub(super) async fn decide_many(request: HttpRequest, state: Shared, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let ids: Vec<String> = form.0.iter().filter(|(name, _)| name == "id").map(|(_, value)| value.clone()).collect();
    let answer = form.text("answer").to_owned();
    serve(&request, &state, true, move |app, _, viewer| {
        let (accept, done) = answer_of(&answer)?;
        let context = Context::new(viewer);
        for id in &ids {
            if app.decision(&context.viewer, id)?.decision.kind == DecisionKind::Duplicate {
                app.decide(&context, id, accept)?;
            }
        }
        Ok(Reply::See(format!("{PATH}/decisions?state=automatic&done={done}")))
    })
    .await
}

pub(super) async fn show_decision(request: HttpRequest, state: Shared, id: web::Path<String>) -> HttpResponse {
    let (id, done) = (id.into_inner(), parameter(&request, "done"));
    serve(&request, &state, false, move |app, shell, viewer| {
        let FoundDecision { decision, datasets } = app.decision(&viewer, &id)?;
        let source = app.source(&viewer, &decision.source_id.to_string())?;
        let lang = shell.lang;
        let directory = app.directory();
        let datasets: Vec<_> =
            datasets.into_iter().filter(|dataset| viewer.sees(dataset.content.organization_id, is_public(dataset))).collect();
        let changes = match datasets.as_slice() {
            [one, two] => differences(lang, one, two)?,
            _ => Vec::new(),
        };
        let sides = datasets.iter().map(|dataset| {
            let content = &dataset.content;
            let organization = directory.organization(content.organization_id);
            Side {
                title: content.title.clone(),
                href: dataset.is_open().then(|| format!("/datasets/{}", content.slug)),
                organization: organization.map(|organization| organization.draft.name.clone()).unwrap_or_default(),
                origin: match &content.provenance {
                    Some(provenance) => format!("{}（{}）", provenance.source_title, provenance.remote_id),
                    None => lang.t("このカタログに直接登録", "published here").to_owned(),
                },
                state: dataset_state(lang, content.state),
                updated: lang.minute(dataset.updated),
                files: content.distributions.iter().map(|file| (file.format.clone().unwrap_or_default(), file.title.clone())).collect(),
            }
        });
        let sides: Vec<Side> = sides.collect();
        let absent = app.sweep_records(&viewer, &id)?;
        let records_more = absent.len().checked_sub(RECORDS_SHOWN).filter(|more| *more > 0);
        let records = absent
            .into_iter()
            .take(RECORDS_SHOWN)
            .map(|record| (record.remote_id, record.dataset.map(|(id, title)| (format!("/datasets/{id}"), title))));
        let path = format!("{PATH}/decisions/{}", decision.id);
        let mut shell = below_list(shell).below(&format!("{PATH}/decisions"), "判断", "Decisions");
        shell.title = question(lang, decision.kind).to_owned();
        shell.canonical = Some(path.clone());
        let (accept, reject) = answers(lang, decision.kind);
        let open = decision.state == DecisionState::Open;
        let decidable = !viewer.read_only && (open || decision.kind != DecisionKind::Sweep);
        let others = app.organizations_to_agree(&viewer, &decision)?;
        let may_decide = decidable && others.is_empty();
        // Only who could decide but for the others is told of them.
        let to_agree = if decidable && may(&viewer, source.organization_id, Role::Publisher) { others } else { Vec::new() };
        let to_agree = to_agree.iter().map(|id| organization_link(lang, &directory, *id)).collect();
        Reply::page(&DecisionPage {
            path,
            state: state_name(lang, &decision),
            open: open && !decision.is_automatic(),
            source: (path_of(&source), source.draft.title.clone()),
            reason: lang.sentence(&decision.reason),
            at: lang.minute(decision.created),
            decided: decision.decided.map(|at| match lang {
                Lang::Ja => format!("{} に {} が判断", lang.minute(at), decision.decided_by.as_deref().unwrap_or("?")),
                Lang::En => format!("decided by {}, {}", decision.decided_by.as_deref().unwrap_or("?"), lang.minute(at)),
            }),
            meanwhile: if open { meanwhile(lang, decision.kind) } else { "" },
            sides,
            changes,
            records: records.collect(),
            records_more: records_more.map(|more| number(i64::try_from(more).unwrap_or(i64::MAX))),
            accept,
            reject,
            may_decide,
            to_agree,
            done: done.as_deref().and_then(|done| done_text(lang, done)),
            s: shell,
        })
    })
    .await
}

pub(super) async fn decide(request: HttpRequest, state: Shared, id: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let (id, answer) = (id.into_inner(), form.text("answer").to_owned());
    serve(&request, &state, true, move |app, _, viewer| {
        let (accept, done) = answer_of(&answer)?;
        let decision = app.decide(&Context::new(viewer), &id, accept)?.value;
        Ok(Reply::See(format!("{PATH}/decisions/{}?done={done}", decision.id)))
    })
    .await
}

fn may_decide(app: &App, viewer: &Viewer, decision: &HarvestDecision) -> minato_app::Result<bool> {
    Ok(!viewer.read_only && app.organizations_to_agree(viewer, decision)?.is_empty())
}

/// What a button says, and the word for having said it.
fn answer_of(answer: &str) -> minato_app::Result<(bool, &'static str)> {
    match answer {
        "accept" => Ok((true, "accepted")),
        "reject" => Ok((false, "rejected")),
        other => Err(Error::not_found("harvest_decision", other)),
    }
}

/// In what two datasets differ, apart from what copies always do. Files are shown beside.
fn differences(lang: Lang, one: &Dataset, two: &Dataset) -> minato_app::Result<Vec<ChangeView>> {
    let value = |dataset: &Dataset| {
        let mut value = serde_json::to_value(&dataset.content).map_err(Error::internal)?;
        if let Some(fields) = value.as_object_mut() {
            fields.shift_remove("distributions");
        }
        Ok::<_, Error>(value)
    };
    let (one, two) = (value(one)?, value(two)?);
    let names = names(&[&one, &two]);
    let of_every_copy = |field: &str| OF_EVERY_COPY.iter().any(|known| field == *known || field.starts_with(&format!("{known}/")));
    Ok(diff(&one, &two).iter().filter(|change| !of_every_copy(&change.field)).map(|change| change_view(lang, &names, change)).collect())
}

/// A copy is as public as what is shown in its place.
fn is_public(dataset: &Dataset) -> bool {
    let content = &dataset.content;
    content.visibility == Visibility::Public && matches!(content.state, DatasetState::Published | DatasetState::Duplicate)
}

fn kind_name(lang: Lang, kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Duplicate => lang.t("重複", "duplicate"),
        DecisionKind::Moved => lang.t("ID の変更", "moved"),
        DecisionKind::Sweep => lang.t("一斉の取り下げ", "many vanished"),
    }
}

fn question(lang: Lang, kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Duplicate => lang.t("この2つは同じデータセットですか", "Are these two the same dataset?"),
        DecisionKind::Moved => lang.t("これは ID が変わった同じデータセットですか", "Is this the same dataset under a new id?"),
        DecisionKind::Sweep => lang.t("一覧から消えたデータセットを取り下げますか", "Withdraw the datasets that vanished?"),
    }
}

fn answers(lang: Lang, kind: DecisionKind) -> (&'static str, &'static str) {
    match kind {
        DecisionKind::Duplicate => {
            (lang.t("同じデータセットです", "They are the same"), lang.t("別のデータセットです", "They are different"))
        }
        DecisionKind::Moved => (lang.t("同じデータセットです", "It is the same"), lang.t("別のデータセットです", "It is another one")),
        DecisionKind::Sweep => (lang.t("取り下げる", "Withdraw them"), lang.t("取り下げずに残す", "Keep them")),
    }
}

fn meanwhile(lang: Lang, kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Duplicate => lang.t(
            "自動でまとめ、片方だけを公開しています。このままでよければ、対応は不要です。",
            "They were linked by themselves, and only one of them is shown. If that is right, nothing needs to be done.",
        ),
        DecisionKind::Moved => {
            lang.t("判断されるまでは、新しい方だけを公開しています。", "Until somebody decides, only the new one is shown.")
        }
        DecisionKind::Sweep => {
            lang.t("判断されるまでは、どれも公開したままです。", "Until somebody decides, all of them stay as they are.")
        }
    }
}

fn state_name(lang: Lang, decision: &HarvestDecision) -> &'static str {
    match decision.state {
        DecisionState::Open if decision.is_automatic() => lang.t("自動でまとめて公開中", "linked by itself"),
        DecisionState::Open => lang.t("判断待ち", "waiting"),
        DecisionState::Accepted => lang.t("はい", "yes"),
        DecisionState::Rejected => lang.t("いいえ", "no"),
    }
}

fn dataset_state(lang: Lang, state: DatasetState) -> &'static str {
    match state {
        DatasetState::Draft => lang.t("下書き", "draft"),
        DatasetState::Published => lang.t("公開中", "shown"),
        DatasetState::Duplicate => lang.t("重複のため非表示", "not shown: a copy"),
        DatasetState::Archived => lang.t("公開終了", "withdrawn"),
    }
}
