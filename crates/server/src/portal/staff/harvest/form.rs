//! The form of a source: all settings, with what is wrong beside each of them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{
    FieldError, HarvestKind, HarvestMapping, HarvestNotify, HarvestSourceDraft, PrivateAgain, RecordState, Role, Text, Viewer,
};
use minato_app::{App, Context, Error, PreviewRequest};

use super::super::{Form, Reply, private, read_form, serve};
use super::source::{choices, list_of};
use super::{PATH, below_list, below_source, may_create, path_of};
use crate::http::Shared;
use crate::portal::harvest::kind_name;
use crate::portal::page::{Shell, render_error};
use crate::portal::words::Lang;

/// Largest form, in bytes: a long mapping, with every character written as `%XX`.
const FORM_BYTES_MAX: usize = 2_000_000;
/// The lists of the mapping, in the order of the form.
const LISTS: &[&str] = &["licences", "themes", "formats", "frequencies", "areas"];

#[derive(Template)]
#[template(path = "staff_harvest_form.html")]
struct FormPage {
    s: Shell,
    /// Where it is sent.
    action: String,
    /// The revision that it is based on; `None` for a new source.
    revision: Option<i64>,
    groups: Vec<Group>,
    /// What is wrong: id of the field (empty for the whole), message.
    errors: Vec<(String, String)>,
}

struct Group {
    title: &'static str,
    about: &'static str,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    label: &'static str,
    about: String,
    value: String,
    errors: Vec<String>,
    required: bool,
    input: Input,
}

enum Input {
    Line(&'static str),
    Number(i64, i64),
    Area(usize),
    Check,
    Select(Vec<(String, String)>),
}

/// What was sent and not saved, with the reasons.
struct Refused {
    status: StatusCode,
    values: Values,
    revision: Option<i64>,
    errors: Vec<FieldError>,
}

/// What is in the fields, by their names.
struct Values(Vec<(String, String)>);

impl Values {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    fn of(draft: &HarvestSourceDraft) -> Values {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let flag = |on: bool| if on { "on".to_owned() } else { String::new() };
        let mut values: Vec<(String, String)> = [
            ("slug", draft.slug.clone()),
            ("title", draft.title.clone()),
            ("kind", draft.kind.as_str().to_owned()),
            ("url", draft.url.clone()),
            ("organization", draft.organization.clone()),
            ("remote_organization", optional(&draft.remote_organization)),
            ("link_pattern", optional(&draft.link_pattern)),
            ("default_licence", optional(&draft.default_licence)),
            ("schedule", optional(&draft.schedule)),
            ("paused", flag(draft.paused)),
            ("rank", draft.rank.to_string()),
            ("private_again", if draft.private_again == PrivateAgain::Absent { "absent" } else { "archive" }.to_owned()),
            ("mirror", flag(draft.mirror)),
            ("notify_email", optional(&draft.notify.email)),
            ("notify_webhook", optional(&draft.notify.webhook)),
            ("missing_runs_max", draft.missing_runs_max.to_string()),
            ("grace_days", draft.grace_days.to_string()),
            ("sweep_percent_max", draft.sweep_percent_max.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let mut mapping = draft.mapping.clone();
        for list in LISTS {
            let lines = list_of(&mut mapping, list).into_iter().flatten().map(|(word, id)| format!("{word} = {id}\n"));
            values.push((format!("mapping_{list}"), lines.collect()));
        }
        Values(values)
    }

    fn sent(form: &Form) -> Values {
        Values(form.0.clone())
    }

    /// The draft they mean, with what could not be read.
    fn draft(&self) -> (HarvestSourceDraft, Vec<FieldError>) {
        let mut errors = Vec::new();
        let optional = |name: &str| Some(self.get(name).trim().to_owned()).filter(|text| !text.is_empty());
        let kind = HarvestKind::ALL.iter().copied().find(|kind| kind.as_str() == self.get("kind"));
        if kind.is_none() {
            errors.push(FieldError::required("/kind"));
        }
        let kind = kind.unwrap_or(HarvestKind::Ckan);
        let mut draft = HarvestSourceDraft::new(self.get("slug").trim(), kind, self.get("url").trim(), self.get("organization").trim());
        draft.title = self.get("title").trim().to_owned();
        draft.remote_organization = optional("remote_organization");
        draft.link_pattern = optional("link_pattern");
        draft.default_licence = optional("default_licence");
        draft.schedule = optional("schedule");
        draft.paused = !self.get("paused").is_empty();
        draft.mirror = !self.get("mirror").is_empty();
        draft.private_again = if self.get("private_again") == "absent" { PrivateAgain::Absent } else { PrivateAgain::Archive };
        draft.notify = HarvestNotify { email: optional("notify_email"), webhook: optional("notify_webhook") };
        for (name, place) in [
            ("rank", &mut draft.rank),
            ("missing_runs_max", &mut draft.missing_runs_max),
            ("grace_days", &mut draft.grace_days),
            ("sweep_percent_max", &mut draft.sweep_percent_max),
        ] {
            let text = self.get(name).trim();
            // An empty field is the default.
            match text.parse() {
                Ok(number) => *place = number,
                Err(_) if text.is_empty() => {}
                Err(_) => errors.push(FieldError::new(
                    format!("/{name}"),
                    "invalid_number",
                    format!("/{name} は半角の整数にしてください。"),
                    format!("/{name} must be a whole number"),
                )),
            }
        }
        let mut mapping = HarvestMapping::default();
        for list in LISTS {
            if let Some(words) = list_of(&mut mapping, list) {
                for (number, line) in self.get(&format!("mapping_{list}")).lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                    match line.rsplit_once('=').map(|(word, id)| (word.trim(), id.trim())) {
                        Some((word, id)) if !word.is_empty() && !id.is_empty() => {
                            words.insert(word.to_owned(), id.to_owned());
                        }
                        _ => {
                            let (number, shown) = (number + 1, line.trim().chars().take(50).collect::<String>());
                            errors.push(FieldError::new(
                                format!("/mapping/{list}"),
                                "invalid_line",
                                format!("{number} 行目「{shown}」は「収集元の言葉 = ここの ID」の形にしてください。"),
                                format!("line {number} `{shown}` must be `word of the source = id here`"),
                            ));
                        }
                    }
                }
            }
        }
        draft.mapping = mapping;
        (draft, errors)
    }
}

pub(super) async fn show_new(request: HttpRequest, state: Shared) -> HttpResponse {
    serve(&request, &state, false, |app, shell, viewer| {
        if !may_create(&viewer) {
            return Err(forbidden());
        }
        new_page(app, shell, &viewer, None)
    })
    .await
}

pub(super) async fn create_source(request: HttpRequest, state: Shared, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    serve(&request, &state, true, move |app, shell, viewer| {
        if !may_create(&viewer) {
            return Err(forbidden());
        }
        let values = Values::sent(&form);
        let (draft, mut errors) = values.draft();
        let preview = form.text("action") == "preview";
        // With mistakes in the form itself, the others are gathered without saving anything.
        let context = Context { dry_run: !errors.is_empty(), ..Context::new(viewer.clone()) };
        let saved = if preview {
            app.queue_preview(&context, PreviewRequest::Draft(Box::new(draft))).map(|preview| format!("{PATH}/previews/{}", preview.id))
        } else {
            app.create_source(&context, draft).map(|done| format!("{}?done=created", path_of(&done.value)))
        };
        let status = match saved {
            Ok(to) if errors.is_empty() => return Ok(Reply::See(to)),
            Ok(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Err(error) => add_mistakes(&mut errors, error)?,
        };
        new_page(app, shell, &viewer, Some(Refused { status, values, revision: None, errors }))
    })
    .await
}

pub(super) async fn show_edit(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let key = key.into_inner();
    serve(&request, &state, false, move |app, shell, viewer| edit_page(app, shell, &viewer, &key, None)).await
}

pub(super) async fn save_source(request: HttpRequest, state: Shared, key: web::Path<String>, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    let key = key.into_inner();
    serve(&request, &state, true, move |app, shell, viewer| {
        let values = Values::sent(&form);
        let (draft, mut errors) = values.draft();
        // A revision that is none matches nothing: the form was not ours.
        let revision = form.text("revision").parse().unwrap_or(-1);
        let context = Context { dry_run: !errors.is_empty(), expected: Some(revision), ..Context::new(viewer.clone()) };
        let saved = if form.text("action") == "preview" {
            app.queue_preview(&context, PreviewRequest::Draft(Box::new(draft))).map(|preview| format!("{PATH}/previews/{}", preview.id))
        } else {
            app.replace_source(&context, &key, draft).map(|done| format!("{}?done=saved", path_of(&done.value)))
        };
        let status = match saved {
            Ok(to) if errors.is_empty() => return Ok(Reply::See(to)),
            Ok(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Err(error) => add_mistakes(&mut errors, error)?,
        };
        edit_page(app, shell, &viewer, &key, Some(Refused { status, values, revision: Some(revision), errors }))
    })
    .await
}

/// Takes what can be mended in the form among its mistakes.
fn add_mistakes(errors: &mut Vec<FieldError>, error: Error) -> minato_app::Result<StatusCode> {
    match error {
        Error::Invalid(more) => {
            errors.extend(more);
            Ok(StatusCode::UNPROCESSABLE_ENTITY)
        }
        Error::Conflict(error) => {
            errors.push(error);
            Ok(StatusCode::CONFLICT)
        }
        Error::PreconditionFailed { .. } => {
            errors.push(FieldError::new(
                "",
                "stale",
                "このページを開いたあとで、ほかの人が設定を変更しました。まだ保存していません。別のタブで今の設定を開き、見比べてから、そのページで変更してください。",
                "somebody changed the settings after you opened this page; nothing was saved. Open them in another tab, compare, and make your change there",
            ));
            Ok(StatusCode::PRECONDITION_FAILED)
        }
        other => Err(other),
    }
}

fn forbidden() -> Error {
    Error::Forbidden(Text::new(
        "収集元の登録と設定の変更には、その組織の「組織管理者」の権限が必要です。",
        "registering and changing sources needs the role administrator in the organization",
    ))
}

fn new_page(app: &App, shell: Shell, viewer: &Viewer, refused: Option<Refused>) -> minato_app::Result<Reply> {
    let shell = below_list(shell).named("収集元を登録する", "Register a source", &format!("{PATH}/new"));
    let lang = shell.lang;
    let (status, values, errors) = match refused {
        Some(refused) => (refused.status, refused.values, refused.errors),
        None => {
            let mut draft = HarvestSourceDraft::new("", HarvestKind::Ckan, "", "");
            draft.schedule = Some("@nightly".to_owned());
            (StatusCode::OK, Values::of(&draft), Vec::new())
        }
    };
    form(app, shell, viewer, lang, Refused { status, values, revision: None, errors }, PATH.to_owned())
}

fn edit_page(app: &App, shell: Shell, viewer: &Viewer, key: &str, refused: Option<Refused>) -> minato_app::Result<Reply> {
    let source = app.source(viewer, key)?;
    if viewer.read_only || !viewer.has_role(source.organization_id, Role::Administrator) {
        return Err(forbidden());
    }
    let action = format!("{}/edit", path_of(&source));
    let shell = below_source(shell, &source).named("設定を変更する", "Change the settings", &action);
    let lang = shell.lang;
    let refused = refused.unwrap_or_else(|| {
        let mut draft = source.draft.clone();
        // However it was named at first: the form offers slugs.
        if let Some(organization) = app.directory().organization(source.organization_id) {
            draft.organization.clone_from(&organization.draft.slug);
        }
        Refused { status: StatusCode::OK, values: Values::of(&draft), revision: Some(source.revision), errors: Vec::new() }
    });
    form(app, shell, viewer, lang, refused, action)
}

fn form(app: &App, shell: Shell, viewer: &Viewer, lang: Lang, refused: Refused, action: String) -> minato_app::Result<Reply> {
    let groups = groups(app, viewer, lang, &refused.values, &refused.errors);
    let labels: Vec<(&str, &str)> = groups.iter().flat_map(|group| &group.fields).map(|field| (field.name.as_str(), field.label)).collect();
    let errors = refused.errors.iter().map(|error| {
        let name = input_of(&error.field);
        let label = labels.iter().find(|(known, _)| *known == name).map(|(_, label)| *label);
        let message = message(lang, error, label.unwrap_or_default());
        (if label.is_some() { name } else { String::new() }, message)
    });
    let errors = errors.collect();
    Reply::page_as(refused.status, &FormPage { action, revision: refused.revision, errors, groups, s: shell })
}

/// The name of the input that a field of the API is edited in.
fn input_of(field: &str) -> String {
    let mut parts = field.trim_start_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.next()) {
        (first @ ("mapping" | "notify"), Some(second)) => format!("{first}_{second}"),
        (first, _) => first.to_owned(),
    }
}

/// Messages name the field of the API; here it has a label.
fn message(lang: Lang, error: &FieldError, label: &str) -> String {
    let spelling = error.field.splitn(4, '/').nth(3).filter(|_| error.field.starts_with("/mapping/"));
    let name = spelling.map_or_else(
        || label.to_owned(),
        |spelling| format!("{label}{}{}{}", lang.t("の「", " “"), spelling.replace("~1", "/").replace("~0", "~"), lang.t("」", "”")),
    );
    let said = |text: &str| with_label(text, &error.field, &name);
    lang.sentence(&Text::new(said(&error.message.ja), said(&error.message.en)))
}

/// A message with the label in place of the field. In an address (`GET /api/v1/organizations`) the same letters are no field.
fn with_label(text: &str, field: &str, label: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let (mut said, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(field).filter(|_| !field.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + field.len()..]);
        let alone = !before.ends_with(is_part) && !after.starts_with(is_part);
        said.push_str(before);
        said.push_str(if alone { label } else { field });
        rest = after;
    }
    said + rest
}

fn groups(app: &App, viewer: &Viewer, lang: Lang, values: &Values, errors: &[FieldError]) -> Vec<Group> {
    let field = |name: &str, ja: &'static str, en: &'static str, about_ja: &str, about_en: &str, required: bool, input: Input| {
        let label = lang.t(ja, en);
        Field {
            label,
            about: lang.t(about_ja, about_en).to_owned(),
            value: values.get(name).to_owned(),
            errors: errors.iter().filter(|error| input_of(&error.field) == name).map(|error| message(lang, error, label)).collect(),
            required,
            input,
            name: name.to_owned(),
        }
    };
    let kinds = HarvestKind::ALL.iter().map(|kind| (kind.as_str().to_owned(), kind_name(lang, *kind).to_owned())).collect();
    let directory = app.directory();
    let mut organizations: Vec<(String, String)> = directory
        .organizations()
        .into_iter()
        .filter(|organization| organization.state == RecordState::Active && viewer.has_role(organization.id, Role::Administrator))
        .map(|organization| (organization.draft.slug.clone(), organization.draft.name.clone()))
        .collect();
    organizations.insert(0, (String::new(), lang.t("選んでください", "Choose one").to_owned()));
    let mut licences = choices(app, lang, "licences");
    licences.insert(0, (String::new(), lang.t("指定しない", "none").to_owned()));
    let private_again = vec![
        ("archive".to_owned(), lang.t("その回の収集で取り下げる", "withdraw it in the same run").to_owned()),
        ("absent".to_owned(), lang.t("一覧から消えたものと同じに扱う", "treat it like one that vanished").to_owned()),
    ];
    let ids = |list: &str| choices(app, lang, list).into_iter().map(|(id, _)| id).take(40).collect::<Vec<_>>().join(", ");
    let area = |list: &'static str, ja: &'static str, en: &'static str, about_ja: String, about_en: String| {
        field(&format!("mapping_{list}"), ja, en, &about_ja, &about_en, false, Input::Area(4))
    };
    vec![
        Group {
            title: lang.t("収集元", "The source"),
            about: "",
            fields: vec![
                field("title", "名前", "Name", "読む人に見せる名前です。", "Shown to readers.", true, Input::Line("text")),
                field("slug", "URL での名前", "Name in URLs", "半角の a–z、0–9、- と _ で2～100文字。", "a–z, 0–9, - and _, 2 to 100 characters.", true, Input::Line("text")),
                field("organization", "データの持ち主", "Owner of the datasets", "集めたデータセットは、この組織のものになります。", "The datasets belong to this organization.", true, Input::Select(organizations)),
                field("kind", "方式", "Protocol", "分からないときは、サイトの運営者か業者に確認してください。", "Ask those who run the site when you are not sure.", true, Input::Select(kinds)),
                field("url", "アドレス", "Address", "http:// または https:// で始まる、サイト、一覧ファイル、またはカタログの文書のアドレス。ID やパスワードは含めません。", "Of the site, the inventory file or the catalog document, with http:// or https://, without a password.", true, Input::Line("url")),
                field("remote_organization", "収集元での組織", "Organization there", "収集元に複数の組織のデータがあるとき、その組織の名前（OAI-PMH ではセット）だけを集めます。空欄ならすべて。", "Only its records are taken (of OAI-PMH, of this set). All when empty.", false, Input::Line("text")),
                field("link_pattern", "ファイルへのリンクの形", "Which links are files", "「ファイルへのリンク集」だけで使います。アドレス全体に対する正規表現。空欄なら、知られた形式のファイルすべて。", "For pages of links to files: a regular expression over the whole address. All files of known formats when empty.", false, Input::Line("text")),
                field("schedule", "いつ収集するか", "When to run", "「分 時 日 月 曜日」（例: 30 3 * * * は毎日3時30分）、または @nightly（夜間に自動で分散）。日本時間です。空欄なら、手動のときだけ。", "minute, hour, day, month, weekday (30 3 * * * is 3:30 every day), or @nightly, which spreads sources over the night. Japan's time. On demand only when empty.", false, Input::Line("text")),
                field("paused", "一時停止する", "Paused", "データセットはそのまま残り、予定でも手動でも収集しません。", "Its datasets stay; it is run neither by schedule nor on demand.", false, Input::Check),
            ],
        },
        Group {
            title: lang.t("消えた記録の扱い", "Records that vanish"),
            about: lang.t("収集元の一覧を最後まで読めたときだけ判断します。読めなかったときに取り下げることはありません。", "Judged only when the whole listing was read; a source that cannot be read loses nothing."),
            fields: vec![
                field("missing_runs_max", "取り下げるまでの回数", "Runs until it is withdrawn", "続けてこの回数、一覧になかったら取り下げます。はじめは2回。", "So many complete runs in a row must miss it. 2 by default.", false, Input::Number(0, 1000)),
                field("grace_days", "取り下げるまでの日数", "Days until it is withdrawn", "上の回数に加えて待つ日数です。はじめは0日。", "Days to wait beside the runs. 0 by default.", false, Input::Number(0, 3650)),
                field("sweep_percent_max", "一度に取り下げてよい割合（%）", "Largest share in one run (%)", "これを超える取り下げは、職員の判断を待ちます。はじめは20%。10件未満の収集元では半分まで。", "A run that would withdraw more waits for a decision. 20 by default; sources of fewer than ten records may lose half.", false, Input::Number(0, 100)),
                field("private_again", "収集元が非公開に戻した記録", "Records made private again", "", "", false, Input::Select(private_again)),
            ],
        },
        Group {
            title: lang.t("重複とファイル", "Copies and files"),
            about: "",
            fields: vec![
                field("rank", "順位", "Rank", "同じデータセットが複数の収集元にあるとき、数の小さい方を公開します。はじめは100。", "When two sources have the same dataset, that of the lower rank is shown. 100 by default.", false, Input::Number(0, 10_000)),
                field("mirror", "ファイルの写しをここに置く", "Copy the files here", "収集元がなくなっても、ファイルを配り続けられます。", "They outlive the source.", false, Input::Check),
                field("default_licence", "ライセンスの記載がないとき", "Licence of records that name none", "公開元に確認できたものだけを選んでください。", "Choose only what the publisher has confirmed.", false, Input::Select(licences)),
            ],
        },
        Group {
            title: lang.t("言葉の対応", "What its words mean here"),
            about: lang.t("収集元の言葉を、ここの ID に対応させます。1行に1組、「収集元の言葉 = ここの ID」。何が足りないかは、収集元のページの「対応するものがなかった値」に出ます。", "One a line: `word of the source = id here`. What is missing is listed on the page of the source."),
            fields: vec![
                area("licences", "ライセンス", "Licences", format!("例: CC表示4.0 = CC-BY-4.0。使える ID: {}", ids("licences")), format!("Such as CC表示4.0 = CC-BY-4.0. Ids: {}", ids("licences"))),
                area("themes", "分野", "Themes", format!("例: 防災 = gr_1400。使える ID: {}", ids("themes")), format!("Such as 防災 = gr_1400. Ids: {}", ids("themes"))),
                area("frequencies", "更新頻度", "Update frequencies", format!("例: 年1回 = annual。使える ID: {}", ids("frequencies")), format!("Such as 年1回 = annual. Ids: {}", ids("frequencies"))),
                area("formats", "形式", "Formats", "例: エクセル = XLSX".to_owned(), "Such as エクセル = XLSX".to_owned()),
                area("areas", "地域", "Areas", "例: 呉市 = 342025（6桁の団体コード）".to_owned(), "Such as 呉市 = 342025, a local government code of six digits".to_owned()),
            ],
        },
        Group {
            title: lang.t("知らせる先", "Who is told"),
            about: lang.t("失敗したときや、判断が必要なときに知らせます。両方とも空欄なら、だれにも知らせません。", "When a run fails or needs a decision. Nobody when both are empty."),
            fields: vec![
                field("notify_email", "メールアドレス", "Mail address", "", "", false, Input::Line("email")),
                field("notify_webhook", "Webhook のアドレス", "Webhook", "結果を JSON で POST します。", "The report is sent as JSON by POST.", false, Input::Line("url")),
            ],
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_survives_the_form() {
        let mut draft = HarvestSourceDraft::new("kure", HarvestKind::FileList, "https://example.jp/", "kure-shi");
        draft.mapping.licences.insert("CC=表示".to_owned(), "CC-BY-4.0".to_owned());
        draft.link_pattern = Some("\\.csv$".to_owned());
        draft.private_again = PrivateAgain::Absent;
        (draft.mirror, draft.rank) = (true, 7);
        let (back, errors) = Values::of(&draft).draft();
        assert_eq!((back, errors), (draft, Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        let values = Values(vec![("grace_days".to_owned(), "三".to_owned()), ("mapping_themes".to_owned(), "\n防災\n".to_owned())]);
        let (_, errors) = values.draft();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["/kind", "/grace_days", "/mapping/themes"]);
        assert!(errors[2].message.ja.starts_with("2 行目「防災」"));
    }

    #[test]
    fn messages_name_the_label() {
        let error = FieldError::unknown_value("/mapping/licences/CC~1BY", "mine", "GET /api/v1/licences");
        assert_eq!(input_of(&error.field), "mapping_licences");
        let text = message(Lang::Ja, &error, "ライセンス");
        assert!(text.contains("ライセンスの「CC/BY」") && !text.contains("/mapping"), "{text}");
        let error = FieldError::unknown_value("/organization", "nix", "GET /api/v1/organizations");
        let text = message(Lang::En, &error, "Owner");
        assert!(text.contains("Owner") && text.contains("/api/v1/organizations"), "{text}");
        assert_eq!((input_of("/notify/email"), input_of("/title")), ("notify_email".to_owned(), "title".to_owned()));
    }
}
