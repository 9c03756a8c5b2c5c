//! The page of a dataset; the same address as DCAT.

use std::collections::BTreeMap;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::Datelike;
use minato_app::catalog::{
    Dataset, Distribution, FileVersion, Organization, Spatial, Temporal, Viewer, frequency, jst_day, standard_dataset,
};
use minato_app::dcat::{Syntax, schema_org};
use minato_app::tabular::TargetFormat;
use minato_app::{App, Directory, Error};
use uuid::Uuid;

use super::catalog;
use super::history::corrected_name;
use super::home::{Card, organization_link};
use super::markdown;
use super::page::{self, KEEP_PAGE, Reply, Shell, render};
use super::preview;
use super::search::{choice_address, keyword_address, query_before};
use super::words::{Lang, Link, Said, host, mail_address, number, segment, size, web_address};
use crate::download::{archive, conversion};
use crate::http::Shared;

/// Other municipalities shown with the same standard dataset.
const SIMILAR_MAX: usize = 6;
/// Earlier versions listed of one file.
const VERSIONS_MAX: usize = 20;
/// Files of a dataset whose earlier versions are looked up for the page.
const VERSIONED_FILES_MAX: usize = 20;

#[derive(Template)]
#[template(path = "dataset.html")]
struct DatasetPage {
    s: Shell,
    title: Said,
    slug: String,
    organization: Link,
    description: String,
    description_foreign: bool,
    files: Vec<FileView>,
    archive: Option<ArchiveView>,
    /// Whether any of the files is a copy.
    has_copies: bool,
    preview: Option<PreviewView>,
    rows: Vec<Row>,
    themes: Vec<Link>,
    keywords: Vec<(String, String)>,
    licence: Option<LicenceView>,
    credit: String,
    credit_edited: String,
    citation: String,
    contact: Vec<ContactLine>,
    provenance: Option<ProvenanceView>,
    /// The same from other sources.
    copies: Vec<CopyView>,
    downloads: String,
    modified: String,
    modified_iso: String,
    url: String,
    standard: Option<(String, String)>,
    similar: Vec<Card>,
    revision: i64,
}

struct FileView {
    /// Id of the distribution: the anchor that links to one file point at.
    id: Uuid,
    title: Said,
    description: String,
    format: String,
    size: String,
    /// Size, day and the like, in words.
    facts: Vec<String>,
    /// Where the button leads; `None` when the publisher gave no usable address.
    href: Option<String>,
    /// The file lies at the publisher's; the host.
    elsewhere: Option<String>,
    /// A page rather than a file.
    is_page: bool,
    downloads: String,
    licence: Option<Said>,
    versions: Vec<VersionView>,
    /// The same in other formats: address and name.
    conversions: Vec<(String, &'static str)>,
    /// Of a copy: when it was taken, and the address of the original.
    copy: Option<(String, String)>,
    /// When its link was last found to lead nowhere.
    broken: Option<String>,
}

/// All files that are kept here, in one.
struct ArchiveView {
    count: usize,
    size: String,
    /// Some files are at the publisher's and not in it.
    partial: bool,
}

struct VersionView {
    number: i64,
    href: String,
    day: String,
    size: String,
    file_name: String,
}

struct PreviewView {
    id: Uuid,
    file: Said,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    total: Option<String>,
    truncated: bool,
    notes: Vec<String>,
    /// Why there is no table.
    error: Option<String>,
}

/// A line of the table of facts.
struct Row {
    label: String,
    value: Said,
    href: Option<String>,
}

struct LicenceView {
    said: Said,
    href: Option<String>,
    open: bool,
    words: Option<String>,
}

struct ContactLine {
    label: String,
    text: String,
    href: Option<String>,
}

struct ProvenanceView {
    source: String,
    source_href: Option<String>,
    remote_href: Option<String>,
    remote_id: String,
    harvested: String,
    /// Names of the fields that were corrected here.
    corrected: Vec<String>,
}

/// A copy that another source has.
struct CopyView {
    source: String,
    href: Option<String>,
}

#[derive(Template)]
#[template(path = "tombstone.html")]
struct TombstonePage {
    s: Shell,
    title: Said,
    organization: Link,
    withdrawn: String,
    description: String,
    files: Vec<LastFile>,
    /// Where it had been harvested from.
    source: Option<(String, Option<String>)>,
    downloads: String,
    id: String,
}

/// A file that a withdrawn dataset had.
struct LastFile {
    title: String,
    format: String,
    facts: Vec<String>,
}

pub(super) async fn show_dataset(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let key = key.into_inner();
    let named = key.rsplit_once('.').and_then(|(slug, extension)| Some((slug.to_owned(), catalog::syntax_of_extension(extension)?)));
    if let Some((slug, syntax)) = named {
        return page::serve(&request, &state, catalog::accept_key(syntax), KEEP_PAGE, move |app, shell| {
            document(app, &shell, &slug, syntax)
        })
        .await;
    }
    if let Some(syntax) = wanted_syntax(&request) {
        return page::serve(&request, &state, catalog::accept_key(syntax), KEEP_PAGE, move |app, shell| {
            document(app, &shell, &key, syntax)
        })
        .await;
    }
    let slug = key.clone();
    let clicked = query_before(&request, &state.settings).map(|query| (query, key.clone()));
    let response = page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| build(app, shell, &key)).await;
    if let Some((query, slug)) = clicked
        && (response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED)
    {
        state.app.note_search_click(&query, &slug);
    }
    crate::view_log::note(&request, &state, &slug, response.status());
    response
}

/// The RDF syntax a client asks for by `Accept`; `None` for everybody who would take a page.
fn wanted_syntax(request: &HttpRequest) -> Option<Syntax> {
    let accept = request.headers().get(header::ACCEPT)?.to_str().ok()?;
    preferred_syntax(accept)
}

fn preferred_syntax(accept: &str) -> Option<Syntax> {
    let mut best: (f32, Option<Syntax>) = (0.0, None);
    for part in accept.split(',').take(50) {
        let mut pieces = part.split(';').map(str::trim);
        let range = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let quality = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let syntax = match range.as_str() {
            "text/turtle" => Some(Syntax::Turtle),
            "application/ld+json" => Some(Syntax::JsonLd),
            "application/rdf+xml" => Some(Syntax::RdfXml),
            "text/html" | "application/xhtml+xml" | "*/*" | "text/*" => None,
            _ => continue,
        };
        if quality > best.0 {
            best = (quality, syntax);
        }
    }
    best.1
}

/// The dataset as an RDF document.
fn document(app: &App, shell: &Shell, key: &str, syntax: Syntax) -> minato_app::Result<Reply> {
    let found = app.dataset(&Viewer::public(), key)?;
    if found.moved {
        let to = format!("/datasets/{}.{}", found.dataset.content.slug, catalog::extension(syntax));
        return Ok(Reply::Moved { to, permanent: true });
    }
    catalog::document(app, shell, &[found.dataset], None, syntax)
}

fn build(app: &App, shell: Shell, key: &str) -> minato_app::Result<Reply> {
    match app.dataset(&Viewer::public(), key) {
        Ok(found) if found.moved => Ok(Reply::Moved { to: format!("/datasets/{}", found.dataset.content.slug), permanent: true }),
        Ok(found) if found.dataset.content.slug != key => {
            Ok(Reply::Moved { to: format!("/datasets/{}", found.dataset.content.slug), permanent: false })
        }
        Ok(found) => {
            let view = view(app, shell, &found.dataset)?;
            Reply::page(&view)
        }
        Err(Error::Gone { .. }) => Ok(Reply::Gone(render(&tombstone(app, shell, key)?)?)),
        Err(error) => Err(error),
    }
}

fn view(app: &App, shell: Shell, dataset: &Dataset) -> minato_app::Result<DatasetPage> {
    let lang = shell.lang;
    let content = &dataset.content;
    let directory = app.directory();
    let title = Said::new(lang, &content.title, content.title_en.as_deref());
    let organization = organization_link(lang, &directory, content.organization_id);
    let counts = app.downloads_by_distribution(dataset.id)?;
    let mut versions = BTreeMap::new();
    for distribution in content
        .distributions
        .iter()
        .filter(|distribution| distribution.file.as_ref().is_some_and(|file| file.version > 1))
        .take(VERSIONED_FILES_MAX)
    {
        versions.insert(distribution.id, app.versions(&Viewer::public(), &distribution.id.to_string())?);
    }
    let preview = preview_view(app, lang, dataset);
    // What the page has found to be no table is not offered as one.
    let unreadable = preview.as_ref().filter(|preview| preview.error.is_some()).map(|preview| preview.id);
    // Only links of harvested datasets are looked at.
    let findings = if content.provenance.is_some() { app.link_findings(dataset)? } else { BTreeMap::new() };
    let files = content.distributions.iter().map(|distribution| {
        let earlier = versions.get(&distribution.id).map(Vec::as_slice).unwrap_or_default();
        let count = counts.get(&distribution.id).copied().unwrap_or(0);
        let mut view = file_view(lang, &directory, content.slug.as_str(), distribution, earlier, count);
        if unreadable == Some(distribution.id) {
            view.conversions.clear();
        }
        view.broken = findings.get(&distribution.id).filter(|check| check.is_broken()).map(|check| lang.day_of(check.until));
        view
    });
    let files: Vec<FileView> = files.collect();
    let similar = similar(app, lang, &directory, dataset)?;
    let corrected = corrected(app, lang, dataset)?;
    let copies = app.copies(dataset)?;
    let copies = copies.iter().filter_map(|copy| copy.content.provenance.as_ref()).map(|provenance| CopyView {
        source: provenance.source_title.clone(),
        href: provenance.remote_url.as_deref().or(Some(&provenance.source_url)).and_then(web_address),
    });
    let copies = copies.collect();
    let english = content.description_en.as_deref().filter(|text| lang == Lang::En && !text.trim().is_empty());
    let url = format!("{}/datasets/{}", shell.base_url, content.slug);
    let publisher = directory.organization(content.organization_id).map(|organization| organization.draft.name.clone()).unwrap_or_default();
    let credit = format!("{publisher}「{}」（{url}）", content.title);
    let mut shell =
        shell.below("/datasets", "データセット", "Datasets").under(&organization.href, organization.said.clone()).section("datasets");
    shell.title = title.text.clone();
    shell.title_foreign = title.foreign;
    shell.canonical = Some(format!("/datasets/{}", content.slug));
    shell.description = markdown::to_line(english.unwrap_or(&content.description), 160);
    shell.alternates = [Syntax::Turtle, Syntax::JsonLd, Syntax::RdfXml]
        .map(|syntax| (syntax.media_type(), format!("/datasets/{}.{}", content.slug, catalog::extension(syntax))))
        .into();
    if let Some(organization) = directory.organization(content.organization_id) {
        shell.json_ld = Some(json_ld(dataset, organization, &catalog::site_info(&shell), &directory));
    }
    Ok(DatasetPage {
        title,
        slug: content.slug.clone(),
        organization,
        description: markdown::to_html(english.unwrap_or(&content.description)),
        description_foreign: lang == Lang::En && english.is_none(),
        has_copies: files.iter().any(|file| file.copy.is_some()),
        files,
        archive: archive_view(dataset),
        preview,
        rows: rows(lang, dataset),
        themes: content.themes.iter().map(|id| theme_link(lang, &directory, id)).collect(),
        keywords: content.keywords.iter().map(|word| (keyword_address(word), word.clone())).collect(),
        licence: licence_of(lang, &directory, content.licence.as_deref(), content.licence_text.as_deref()),
        credit: format!("出典：{credit}"),
        credit_edited: format!("出典：{credit}を加工して作成"),
        citation: format!("{publisher} ({}): {}. {}. {url}", jst_day(content.modified).year(), content.title, shell.site),
        contact: contact(lang, dataset, directory.organization(content.organization_id).map(AsRef::as_ref)),
        provenance: content.provenance.as_ref().map(|provenance| ProvenanceView {
            source: provenance.source_title.clone(),
            source_href: web_address(&provenance.source_url),
            remote_href: provenance.remote_url.as_deref().and_then(web_address),
            remote_id: provenance.remote_id.clone(),
            harvested: lang.minute(provenance.harvested),
            corrected,
        }),
        copies,
        downloads: number(counts.values().sum()),
        modified: lang.day_of(content.modified),
        modified_iso: jst_day(content.modified).to_string(),
        url,
        standard: content.standard_dataset.as_deref().map(|id| {
            let name = standard_dataset(id).map_or(id, |standard| lang.t(standard.title, standard.title_en));
            (choice_address("standard_dataset", id), name.to_owned())
        }),
        similar,
        revision: dataset.revision,
        s: shell,
    })
}

/// The fields of a harvested dataset that were corrected here, each named once.
fn corrected(app: &App, lang: Lang, dataset: &Dataset) -> minato_app::Result<Vec<String>> {
    let paths = app.corrected_paths(dataset)?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let content = serde_json::to_value(&dataset.content).map_err(Error::internal)?;
    Ok(paths.iter().map(|path| corrected_name(lang, path, &content)).collect())
}

/// schema.org for a script element: no `<`, so that no text can end the element or begin a comment.
fn json_ld(dataset: &Dataset, organization: &Organization, site: &minato_app::dcat::SiteInfo, directory: &Directory) -> String {
    script_safe(&schema_org(dataset, organization, site, &directory.vocabulary).to_string())
}

fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn file_view(lang: Lang, directory: &Directory, slug: &str, distribution: &Distribution, versions: &[FileVersion], count: i64) -> FileView {
    let file = distribution.file.as_ref();
    let link = distribution.download_url.as_deref().and_then(web_address);
    let access = distribution.access_url.as_deref().and_then(web_address);
    let (href, elsewhere, is_page) = match (file, link, access) {
        (Some(file), ..) => (Some(format!("/datasets/{slug}/download/{}/{}", distribution.id, segment(&file.file_name))), None, false),
        (None, Some(link), _) => (Some(format!("/d/{}", distribution.id)), Some(host(&link)), false),
        (None, None, Some(access)) => (Some(access.clone()), Some(host(&access)), true),
        (None, None, None) => (None, None, false),
    };
    let size = distribution.byte_size.filter(|bytes| *bytes > 0).map(size).unwrap_or_default();
    let mut facts = Vec::new();
    if let Some(modified) = distribution.modified {
        facts.push(match lang {
            Lang::Ja => format!("{}更新", lang.day_of(modified)),
            Lang::En => format!("Updated {}", lang.day_of(modified)),
        });
    }
    if let Some(file) = file.filter(|file| file.version > 1) {
        facts.push(match lang {
            Lang::Ja => format!("第{}版", file.version),
            Lang::En => format!("version {}", file.version),
        });
    }
    let title = if distribution.title.trim().is_empty() { lang.t("名称なし", "Untitled") } else { &distribution.title };
    FileView {
        id: distribution.id,
        title: Said::new(lang, title, distribution.title_en.as_deref()),
        description: markdown::to_line(&distribution.description, 300),
        format: distribution.format.clone().unwrap_or_default(),
        size,
        facts,
        href,
        elsewhere,
        is_page,
        downloads: number(count),
        licence: distribution.licence.as_deref().map(|id| licence_view(lang, directory, id, None).said),
        copy: file.and_then(|file| Some((lang.day_of(file.created), file.source_url.as_deref().and_then(web_address)?))),
        broken: None,
        versions: versions
            .iter()
            .skip(1)
            .take(VERSIONS_MAX)
            .map(|version| VersionView {
                number: version.version,
                href: format!("/d/{}/{}", distribution.id, version.version),
                day: lang.day_of(version.created),
                size: super::words::size(version.byte_size),
                file_name: version.file_name.clone(),
            })
            .collect(),
        conversions: conversion::offered(distribution)
            .iter()
            .map(|target| (format!("/d/{}/as/{}", distribution.id, target.as_str()), conversion_name(*target)))
            .collect(),
    }
}

fn conversion_name(target: TargetFormat) -> &'static str {
    match target {
        TargetFormat::Csv => "UTF-8 CSV",
        TargetFormat::Tsv => "UTF-8 TSV",
        TargetFormat::Json => "JSON",
    }
}

/// Offered when it saves a click.
fn archive_view(dataset: &Dataset) -> Option<ArchiveView> {
    let (count, bytes) = archive::held_size(dataset);
    (count >= 2).then(|| ArchiveView { count, size: size(bytes), partial: count < dataset.content.distributions.len() })
}

fn preview_view(app: &App, lang: Lang, dataset: &Dataset) -> Option<PreviewView> {
    let (distribution, found) = preview::of_dataset(app, dataset)?;
    let file = Said::new(lang, &distribution.title, distribution.title_en.as_deref());
    Some(match found.as_ref() {
        Ok(table) => PreviewView {
            id: distribution.id,
            file,
            columns: table.columns.clone(),
            rows: table.rows.clone(),
            total: table.total_rows.map(|rows| number(i64::try_from(rows).unwrap_or(i64::MAX))),
            truncated: table.truncated,
            notes: table.notes.iter().map(|note| lang.sentence(note)).collect(),
            error: None,
        },
        Err(text) => PreviewView {
            id: distribution.id,
            file,
            columns: Vec::new(),
            rows: Vec::new(),
            total: None,
            truncated: false,
            notes: Vec::new(),
            error: Some(lang.sentence(text)),
        },
    })
}

fn rows(lang: Lang, dataset: &Dataset) -> Vec<Row> {
    let content = &dataset.content;
    let mut rows = Vec::new();
    let mut add = |ja: &str, en: &str, value: Option<String>, href: Option<String>| {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            rows.push(Row { label: lang.t(ja, en).to_owned(), value: Said::new(lang, &value, None), href });
        }
    };
    add("公開日", "Issued", content.issued.map(|day| lang.day(day)), None);
    let frequency = content.accrual_periodicity.as_deref();
    let frequency = frequency.map(|id| match frequency_title(id) {
        Some(title) if lang == Lang::Ja => title.to_owned(),
        _ => id.replace(['_', '-'], " "),
    });
    add("更新頻度", "Update frequency", frequency, None);
    add("対象地域", "Area covered", content.spatial.as_ref().and_then(area), None);
    add("対象期間", "Time covered", content.temporal.as_ref().and_then(|temporal| period(lang, temporal)), None);
    add("作成者", "Creator", content.creator.clone(), None);
    let landing = content.landing_page.as_deref().and_then(web_address);
    add("公開元のページ", "Page at the publisher", landing.clone(), landing);
    add("言語", "Language", Some(content.language.iter().map(|code| language_name(lang, code)).collect::<Vec<_>>().join("、")), None);
    add("版", "Version", content.version.clone(), None);
    for standard in &content.conforms_to {
        add("準拠する規格", "Conforms to", Some(standard.clone()), web_address(standard));
    }
    add("公開元での識別子", "Publisher's identifier", content.identifier.clone(), None);
    for (key, value) in content.extras.iter().take(50) {
        let (ja, en) = extra_name(key).unwrap_or((key, key));
        add(ja, en, Some(value.chars().take(500).collect()), web_address(value));
    }
    add("ID", "ID", Some(dataset.id.to_string()), None);
    rows
}

/// What the extras are called that harvesting makes of other portals' fields.
fn extra_name(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "publisher_name" => ("公開者（収集元の記載）", "Publisher as stated by the source"),
        "accrual_periodicity" => ("更新頻度（収集元の記載）", "Update frequency as stated by the source"),
        "temporal" => ("対象期間（収集元の記載）", "Time covered as stated by the source"),
        "temporal_start" => ("対象期間の始まり（収集元の記載）", "Start of the time covered as stated by the source"),
        "temporal_end" => ("対象期間の終わり（収集元の記載）", "End of the time covered as stated by the source"),
        "language" => ("言語（収集元の記載）", "Language as stated by the source"),
        "landing_page" => ("公開元のページ（収集元の記載）", "Page at the publisher as stated by the source"),
        "subtitle" => ("サブタイトル", "Subtitle"),
        "universal_menu" => ("ユニバーサルメニュー", "Universal menu"),
        "documentation" => ("関連文書", "Documentation"),
        "provenance" => ("来歴情報", "Provenance"),
        "contact_remarks" => ("連絡先の備考", "Remarks on the contact"),
        "remarks" => ("備考", "Remarks"),
        _ => return None,
    })
}

fn frequency_title(id: &str) -> Option<&'static str> {
    frequency(id).map(|frequency| frequency.title)
}

fn language_name(lang: Lang, code: &str) -> String {
    match code {
        "ja" => lang.t("日本語", "Japanese").to_owned(),
        "en" => lang.t("英語", "English").to_owned(),
        "zh" => lang.t("中国語", "Chinese").to_owned(),
        "ko" => lang.t("韓国・朝鮮語", "Korean").to_owned(),
        other => other.to_owned(),
    }
}

fn area(spatial: &Spatial) -> Option<String> {
    let parts: Vec<String> =
        spatial.label.iter().cloned().chain((!spatial.area_codes.is_empty()).then(|| spatial.area_codes.join(", "))).collect();
    let degrees = spatial.bbox.map(|[west, south, east, north]| format!("{west:.4}, {south:.4} – {east:.4}, {north:.4}"));
    match parts.as_slice() {
        [] => degrees,
        [label, codes] => Some(format!("{label}（{codes}）")),
        [only, ..] => Some(only.clone()),
    }
}

fn period(lang: Lang, temporal: &Temporal) -> Option<String> {
    let until = lang.t("～", " to ");
    match (temporal.start, temporal.end) {
        (None, None) => None,
        (Some(start), Some(end)) if start == end => Some(lang.day(start)),
        (start, end) => {
            let day = |day: Option<chrono::NaiveDate>| day.map(|day| lang.day(day)).unwrap_or_default();
            Some(format!("{}{until}{}", day(start), day(end)).trim().to_owned())
        }
    }
}

fn theme_link(lang: Lang, directory: &Directory, id: &str) -> Link {
    let said = match directory.themes.get(id) {
        Some(theme) => Said::new(lang, &theme.draft.title, theme.draft.title_en.as_deref()),
        None => Said::new(lang, id, None),
    };
    Link { href: format!("/themes/{}", segment(id)), said }
}

/// The licence, or what the publisher says of it when it is none of ours.
fn licence_of(lang: Lang, directory: &Directory, id: Option<&str>, words: Option<&str>) -> Option<LicenceView> {
    if let Some(id) = id {
        return Some(licence_view(lang, directory, id, words));
    }
    let words = words.map(str::trim).filter(|words| !words.is_empty())?;
    Some(LicenceView { said: Said::new(lang, words, None), href: None, open: false, words: None })
}

fn licence_view(lang: Lang, directory: &Directory, id: &str, words: Option<&str>) -> LicenceView {
    let known = directory.licences.get(id);
    let said_already = |words: &str| words == id || known.is_some_and(|licence| licence.draft.title == words);
    let words = words.map(str::trim).filter(|words| !words.is_empty() && !said_already(words)).map(str::to_owned);
    match known {
        Some(licence) => LicenceView {
            said: Said::new(lang, &licence.draft.title, licence.draft.title_en.as_deref()),
            href: licence.draft.url.as_deref().and_then(web_address),
            open: licence.draft.open == Some(true),
            words,
        },
        None => LicenceView { said: Said::new(lang, id, None), href: None, open: false, words },
    }
}

/// The dataset's contact, else the organization's.
fn contact(lang: Lang, dataset: &Dataset, organization: Option<&Organization>) -> Vec<ContactLine> {
    let mut lines = Vec::new();
    let mut add = |ja: &str, en: &str, text: Option<&str>, href: Option<String>| {
        if let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) {
            lines.push(ContactLine { label: lang.t(ja, en).to_owned(), text: text.to_owned(), href });
        }
    };
    if let Some(contact) = &dataset.content.contact_point {
        add("担当", "Section", contact.name.as_deref(), None);
        add("電話", "Telephone", contact.telephone.as_deref(), contact.telephone.as_deref().and_then(telephone));
        let email = contact.email.as_deref();
        add("メール", "Mail", email, email.and_then(mail_address).map(|address| format!("mailto:{address}")));
        let url = contact.url.as_deref().and_then(web_address);
        add("問い合わせページ", "Contact page", url.as_deref(), url.clone());
    }
    if let Some(organization) = organization.filter(|_| lines.is_empty()) {
        let mut add = |ja: &str, en: &str, text: &str, href: Option<String>| {
            lines.push(ContactLine { label: lang.t(ja, en).to_owned(), text: text.to_owned(), href });
        };
        add("組織", "Organization", &organization.draft.name, None);
        if let Some(email) = &organization.draft.email {
            add("メール", "Mail", email, mail_address(email).map(|address| format!("mailto:{address}")));
        }
        if let Some(url) = organization.draft.homepage.as_deref().and_then(web_address) {
            add("ウェブサイト", "Website", &url, Some(url.clone()));
        }
    }
    lines
}

fn telephone(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c));
    (plain && digits.len() >= 5).then(|| format!("tel:{digits}"))
}

/// The same standard dataset of other municipalities; where there is no standard, what is like this one.
fn similar(app: &App, lang: Lang, directory: &Directory, dataset: &Dataset) -> minato_app::Result<Vec<Card>> {
    let found = match &dataset.content.standard_dataset {
        Some(standard) => {
            let newest = app.same_standard(standard)?;
            newest
                .iter()
                .filter(|other| other.content.organization_id != dataset.content.organization_id)
                .take(SIMILAR_MAX)
                .cloned()
                .collect()
        }
        None => app.similar_datasets(&Viewer::public(), &dataset.id.to_string(), false, SIMILAR_MAX)?.0,
    };
    Ok(found.iter().map(|other| Card::new(lang, directory, other)).collect())
}

fn tombstone(app: &App, shell: Shell, key: &str) -> minato_app::Result<TombstonePage> {
    let dataset = app.tombstone(key)?;
    let lang = shell.lang;
    let content = &dataset.content;
    let directory = app.directory();
    let title = Said::new(lang, &content.title, content.title_en.as_deref());
    let organization = organization_link(lang, &directory, content.organization_id);
    let mut shell =
        shell.below("/datasets", "データセット", "Datasets").under(&organization.href, organization.said.clone()).section("datasets");
    shell.title = title.text.clone();
    shell.title_foreign = title.foreign;
    shell.noindex = true;
    Ok(TombstonePage {
        title,
        organization,
        withdrawn: lang.day_of(dataset.updated),
        description: markdown::to_html(&content.description),
        files: content.distributions.iter().map(|file| last_file(lang, file)).collect(),
        source: content.provenance.as_ref().map(|provenance| (provenance.source_title.clone(), web_address(&provenance.source_url))),
        downloads: number(app.downloads_by_distribution(dataset.id)?.values().sum()),
        id: dataset.id.to_string(),
        s: shell,
    })
}

fn last_file(lang: Lang, distribution: &Distribution) -> LastFile {
    let file = distribution.file.as_ref();
    let mut facts: Vec<String> = file.map(|file| file.file_name.clone()).into_iter().collect();
    let bytes = file.map(|file| file.byte_size).or(distribution.byte_size);
    facts.extend(bytes.filter(|bytes| *bytes > 0).map(size));
    facts.extend(file.map(|file| file.created).or(distribution.modified).map(|at| lang.day_of(at)));
    LastFile { title: distribution.title.clone(), format: distribution.format.clone().unwrap_or_default(), facts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_get_rdf_and_people_a_page() {
        for (accept, expected) in [
            ("text/turtle", Some(Syntax::Turtle)),
            ("application/ld+json, application/json;q=0.9", Some(Syntax::JsonLd)),
            ("application/rdf+xml;q=0.9, text/turtle;q=0.8", Some(Syntax::RdfXml)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", None),
            ("text/turtle;q=0.5, text/html", None),
            ("*/*", None),
            ("", None),
            (";;q=,,q=abc", None),
        ] {
            assert_eq!(preferred_syntax(accept), expected, "{accept}");
        }
    }

    #[test]
    fn no_text_ends_the_script_element() {
        let json = script_safe(r#"{"name":"</script><script>alert(1)</script><!-- & "}"#);
        assert!(!json.contains(['<', '>', '&']), "{json}");
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["name"], "</script><script>alert(1)</script><!-- & ");
    }

    #[test]
    fn telephones_are_linked_when_they_are_numbers() {
        assert_eq!(telephone("082-513-0000").as_deref(), Some("tel:0825130000"));
        assert_eq!(telephone("内線 1234"), None);
    }
}
