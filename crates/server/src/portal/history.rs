//! What became of a dataset: its revisions, and what differs between two.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use minato_app::App;
use minato_app::catalog::{Action, Dataset, Difference, Viewer};

use super::home::organization_link;
use super::page::{self, KEEP_PAGE, Reply, Shell, render_error};
use super::words::{Lang, Said};
use crate::http::{Problem, Shared};

/// Revisions that are listed; the API has all of them.
const REVISIONS_MAX: usize = 200;
/// Longest value shown, in characters.
const VALUE_CHARS_MAX: usize = 4_000;

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    s: Shell,
    title: Said,
    slug: String,
    revisions: Vec<RevisionView>,
    cut: bool,
}

struct RevisionView {
    number: i64,
    at: String,
    action: String,
    /// The difference with the revision before, where both may be seen.
    difference: Option<String>,
    current: bool,
}

#[derive(Template)]
#[template(path = "difference.html")]
struct DifferencePage {
    s: Shell,
    title: Said,
    slug: String,
    from: i64,
    to: i64,
    from_at: String,
    to_at: String,
    changes: Vec<ChangeView>,
}

pub(super) struct ChangeView {
    pub(super) field: String,
    pub(super) pointer: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

pub(super) async fn show_history(request: HttpRequest, state: Shared, slug: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| history(app, shell, &slug)).await
}

fn history(app: &App, shell: Shell, key: &str) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let viewer = Viewer::public();
    let found = app.dataset(&viewer, key)?;
    let dataset = found.dataset;
    if dataset.content.slug != key {
        return Ok(Reply::Moved { to: format!("/datasets/{}/history", dataset.content.slug), permanent: found.moved });
    }
    let all = app.dataset_history(&viewer, key)?;
    let mut revisions = Vec::new();
    for revision in all.iter().take(REVISIONS_MAX) {
        revisions.push(RevisionView {
            number: revision.number,
            at: lang.minute(revision.at),
            action: action(lang, revision.action).to_owned(),
            difference: (revision.number > 1)
                .then(|| format!("/datasets/{}/history/{}/{}", dataset.content.slug, revision.number - 1, revision.number)),
            current: revision.number == dataset.revision,
        });
    }
    let title = Said::new(lang, &dataset.content.title, dataset.content.title_en.as_deref());
    let mut shell = framed(app, shell, &dataset, &title);
    shell.title = match lang {
        Lang::Ja => format!("「{}」の更新の記録", title.text),
        Lang::En => format!("History of {}", title.text),
    };
    shell.canonical = Some(format!("/datasets/{}/history", dataset.content.slug));
    Reply::page(&HistoryPage { title, slug: dataset.content.slug.clone(), revisions, cut: all.len() > REVISIONS_MAX, s: shell })
}

fn framed(app: &App, shell: Shell, dataset: &Dataset, title: &Said) -> Shell {
    let organization = organization_link(shell.lang, &app.directory(), dataset.content.organization_id);
    let mut shell = shell
        .below("/datasets", "データセット", "Datasets")
        .under(&organization.href, organization.said)
        .under(&format!("/datasets/{}", dataset.content.slug), title.clone())
        .section("datasets");
    shell.noindex = true;
    shell
}

fn action(lang: Lang, action: Action) -> &'static str {
    match action {
        Action::Create => lang.t("登録", "created"),
        Action::Update => lang.t("更新", "updated"),
        Action::Archive => lang.t("公開終了", "withdrawn"),
        Action::Restore => lang.t("再公開", "brought back"),
    }
}

pub(super) async fn show_difference(request: HttpRequest, state: Shared, path: web::Path<(String, String, String)>) -> HttpResponse {
    let (slug, from, to) = path.into_inner();
    let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) else {
        return render_error(&Problem::no_page(request.path()), &request);
    };
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| difference(app, shell, &slug, from, to)).await
}

fn difference(app: &App, shell: Shell, key: &str, from: i64, to: i64) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let viewer = Viewer::public();
    let found = app.dataset(&viewer, key)?;
    let dataset = found.dataset;
    let slug = &dataset.content.slug;
    if slug != key {
        return Ok(Reply::Moved { to: format!("/datasets/{slug}/history/{from}/{to}"), permanent: found.moved });
    }
    let before = app.dataset_revision(&viewer, key, from)?;
    let after = app.dataset_revision(&viewer, key, to)?;
    let differences = minato_app::catalog::diff(&before.content, &after.content);
    let names = names(&[&before.content, &after.content]);
    let title = Said::new(lang, &dataset.content.title, dataset.content.title_en.as_deref());
    let mut shell = framed(app, shell, &dataset, &title).below(&format!("/datasets/{slug}/history"), "更新の記録", "History");
    shell.title = match lang {
        Lang::Ja => format!("「{}」の第{from}版と第{to}版の違い", title.text),
        Lang::En => format!("{}: from revision {from} to {to}", title.text),
    };
    Reply::page(&DifferencePage {
        title,
        slug: slug.clone(),
        from,
        to,
        from_at: lang.minute(before.at),
        to_at: lang.minute(after.at),
        changes: differences.iter().map(|difference| change_view(lang, &names, difference)).collect(),
        s: shell,
    })
}

/// Titles of distributions by id, so that differences can name them.
pub(super) fn names(contents: &[&serde_json::Value]) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for distribution in contents.iter().filter_map(|content| content["distributions"].as_array()).flatten() {
        if let (Some(id), Some(title)) = (distribution["id"].as_str(), distribution["title"].as_str()) {
            names.push((id.to_owned(), title.to_owned()));
        }
    }
    names
}

pub(super) fn change_view(lang: Lang, names: &[(String, String)], difference: &Difference) -> ChangeView {
    let mut parts = difference.field.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let field = match (first, rest.as_slice()) {
        ("distributions", [id, rest @ ..]) => {
            let name = names.iter().find(|(known, _)| known == id).map_or(*id, |(_, name)| name);
            let of = rest.iter().map(|part| field_name(lang, part)).collect::<Vec<_>>().join(" / ");
            let file = match lang {
                Lang::Ja => format!("ファイル「{name}」"),
                Lang::En => format!("File “{name}”"),
            };
            if of.is_empty() { file } else { format!("{file} / {of}") }
        }
        (first, rest) => {
            std::iter::once(first).chain(rest.iter().copied()).map(|part| field_name(lang, part)).collect::<Vec<_>>().join(" / ")
        }
    };
    ChangeView {
        field,
        pointer: difference.field.clone(),
        before: difference.before.as_ref().and_then(|value| shown(lang, value)),
        after: difference.after.as_ref().and_then(|value| shown(lang, value)),
    }
}

/// A value for readers; nothing for `null` and what is empty.
pub(super) fn shown(lang: Lang, value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    let text = match value {
        Value::Null => return None,
        // Moments are kept in UTC and shown in Japan's time, as everywhere.
        Value::String(text) => text.parse::<DateTime<Utc>>().map_or_else(|_| text.clone(), |at| lang.minute(at)),
        Value::Array(items) if items.iter().all(Value::is_string) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("、"),
        Value::Object(members) if members.contains_key("title") && members.contains_key("id") => {
            members.get("title").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    if text.is_empty() {
        return None;
    }
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => Some(format!("{}…", &text[..end])),
        None => Some(text),
    }
}

pub(super) fn field_name(lang: Lang, field: &str) -> String {
    let (ja, en) = match field {
        "title" => ("タイトル", "Title"),
        "title_en" => ("英語のタイトル", "English title"),
        "description" => ("説明", "Description"),
        "description_en" => ("英語の説明", "English description"),
        "slug" => ("URL の名前", "Name in URLs"),
        "state" => ("状態", "State"),
        "visibility" => ("公開範囲", "Visibility"),
        "keywords" => ("キーワード", "Keywords"),
        "themes" => ("分野", "Themes"),
        "licence" => ("ライセンス", "Licence"),
        "licence_text" => ("ライセンスの記載", "Licence as written"),
        "landing_page" => ("公開元のページ", "Page at the publisher"),
        "contact_point" => ("連絡先", "Contact"),
        "creator" => ("作成者", "Creator"),
        "accrual_periodicity" => ("更新頻度", "Update frequency"),
        "issued" => ("公開日", "Issued"),
        "modified" => ("更新日時", "Modified"),
        "spatial" => ("対象地域", "Area covered"),
        "temporal" => ("対象期間", "Time covered"),
        "language" => ("言語", "Language"),
        "version" => ("版", "Version"),
        "conforms_to" => ("準拠する規格", "Conforms to"),
        "standard_dataset" => ("標準データセット", "Standard dataset"),
        "organization_id" => ("組織", "Organization"),
        "identifier" => ("識別子", "Identifier"),
        "provenance" => ("収集元", "Harvested from"),
        "harvested" => ("収集日時", "Harvested"),
        "distributions" => ("ファイル", "Files"),
        "download_url" => ("ダウンロード URL", "Download URL"),
        "access_url" => ("案内ページ", "Access page"),
        "format" => ("形式", "Format"),
        "media_type" => ("メディアタイプ", "Media type"),
        "byte_size" => ("サイズ（バイト）", "Size in bytes"),
        "file" => ("ファイルの版", "File version"),
        "file_name" => ("ファイル名", "File name"),
        "name" => ("名称", "Name"),
        "email" => ("メール", "Mail"),
        "telephone" => ("電話", "Telephone"),
        "start" => ("開始", "Start"),
        "end" => ("終了", "End"),
        "label" => ("名称", "Label"),
        "extras" => ("その他の項目", "Other fields"),
        other => return other.replace("~1", "/").replace("~0", "~"),
    };
    lang.t(ja, en).to_owned()
}

/// What a corrected place is called; a file by its title, where it is known.
pub(super) fn corrected_name(lang: Lang, path: &str, content: &serde_json::Value) -> String {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("distributions"), Some(id), rest) => {
            let files = content["distributions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let title = files.iter().find(|file| file["id"] == id).and_then(|file| file["title"].as_str()).unwrap_or(id);
            let file = match lang {
                Lang::Ja => format!("ファイル「{title}」"),
                Lang::En => format!("file “{title}”"),
            };
            rest.map_or_else(|| file.clone(), |field| format!("{file} / {}", field_name(lang, field)))
        }
        (Some(field), ..) => field_name(lang, field),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_for_readers() {
        let before = json!({"title": "a", "keywords": ["x"], "distributions": [{"id": "1", "title": "名簿.csv", "byte_size": 1}]});
        let after = json!({"title": "b", "keywords": ["x", "y"], "distributions": [{"id": "1", "title": "名簿.csv", "byte_size": 2}, {"id": "2", "title": "地図"}]});
        let names = names(&[&before, &after]);
        let changes: Vec<_> = minato_app::catalog::diff(&before, &after).iter().map(|d| change_view(Lang::Ja, &names, d)).collect();
        let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(fields, ["タイトル", "キーワード", "ファイル「名簿.csv」 / サイズ（バイト）", "ファイル「地図」"]);
        assert_eq!(changes[1].after.as_deref(), Some("x、y"));
        assert_eq!(shown(Lang::Ja, &json!("2026-11-20T20:37:25.695137Z")).as_deref(), Some("2026年11月21日 05:37"));
        assert_eq!((changes[3].before.clone(), changes[3].after.as_deref()), (None, Some("地図")));
    }
}
