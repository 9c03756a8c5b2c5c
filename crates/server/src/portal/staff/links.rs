//! Links of harvested files that lead nowhere, or not to what was said: by organization, and file by file.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{HarvestSource, LinkCheck, LinkCheckRun, Organization, Role, Viewer};
use minato_app::{App, Context, Error};

use super::{Reply, SMALL_FORM_BYTES_MAX, parameter, private, read_form, serve, titled};
use crate::api::{TroubledLinkView, troubled_links, troubled_links_table};
use crate::http::Shared;
use crate::portal::get;
use crate::portal::harvest::status_name;
use crate::portal::page::{Shell, render_error};
use crate::portal::words::{Lang, Link, Said, number, web_address};

pub(super) const PATH: &str = "/staff/links";
/// Links on a page; the table to take away has more.
const LINKS_SHOWN: usize = 200;
/// A page asks for itself again while links are looked at.
const REFRESH_SECONDS: u32 = 10;

#[derive(Template)]
#[template(path = "staff_links.html")]
struct OrganizationsPage {
    s: Shell,
    organizations: Vec<(Link, usize)>,
}

#[derive(Template)]
#[template(path = "staff_links_of.html")]
struct OrganizationPage {
    s: Shell,
    path: String,
    links: Vec<LinkRow>,
    count: usize,
    more: Option<String>,
    checks: Vec<CheckView>,
    may_check: bool,
    done: bool,
}

struct LinkRow {
    title: String,
    href: String,
    file: String,
    file_href: String,
    url: String,
    url_href: Option<String>,
    broken: bool,
    problems: Vec<String>,
    since: String,
    looked: String,
}

/// How the latest look at the links of a source came out.
pub(super) struct CheckView {
    pub(super) source: Link,
    pub(super) status: &'static str,
    pub(super) tone: &'static str,
    pub(super) at: String,
    pub(super) counts: String,
    pub(super) ended: bool,
}

#[derive(Template)]
#[template(path = "staff_file_links.html")]
struct FilePage {
    s: Shell,
    dataset: Link,
    url: Option<(String, Option<String>)>,
    findings: Vec<FindingRow>,
}

struct FindingRow {
    /// What it is called: fine, something else, nothing there.
    name: &'static str,
    tone: &'static str,
    status: String,
    from: String,
    until: String,
    url: String,
    problems: Vec<String>,
}

/// Registers the pages.
pub(super) fn configure(service: &mut web::ServiceConfig) {
    service
        .service(get(PATH, show_organizations))
        .service(get("/staff/links/{organization}", show_organization).route(web::post().to(check_now)))
        .service(get("/staff/links/{organization}/links.csv", download_organization))
        .service(get("/staff/files/{id}/links", show_file));
}

async fn show_organizations(request: HttpRequest, state: Shared) -> HttpResponse {
    serve(&request, &state, false, |app, shell, viewer| {
        let shell = titled(shell, "リンクの問題", "Links in trouble", PATH);
        let lang = shell.lang;
        let sources = app.list_sources(&viewer)?;
        let mut organizations = Vec::new();
        for organization in app.directory().organizations() {
            let own = sources.iter().any(|source| source.organization_id == organization.id);
            if !viewer.has_role(organization.id, Role::Viewer) {
                continue;
            }
            let count = app.troubled_links(&viewer, &organization.id.to_string())?.len();
            if own || count > 0 {
                organizations.push((link_to(lang, organization), count));
            }
        }
        if let [(only, _)] = organizations.as_slice() {
            return Ok(Reply::See(only.href.clone()));
        }
        Reply::page(&OrganizationsPage { organizations, s: shell })
    })
    .await
}

async fn show_organization(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let (key, done) = (key.into_inner(), parameter(&request, "done").is_some());
    serve(&request, &state, false, move |app, shell, viewer| {
        let organization = organization(app, &key)?;
        let found = troubled_links(app, &viewer, &organization.id.to_string())?;
        let lang = shell.lang;
        let path = path_of(&organization);
        let mut checks = Vec::new();
        for source in sources_of(app, &viewer, &organization)? {
            let latest = app.link_check_runs(&viewer, &source.id.to_string(), 1)?.into_iter().next();
            checks.push(check_view(lang, &source, latest.as_ref()));
        }
        let said = Said::new(lang, &organization.draft.name, organization.draft.name_en.as_deref());
        let mut shell = shell.below("/staff", "職員用ページ", "For staff").below(PATH, "リンクの問題", "Links in trouble");
        shell.title = match lang {
            Lang::Ja => format!("{}のリンクの問題", said.text),
            Lang::En => format!("Links in trouble: {}", said.text),
        };
        shell.canonical = Some(path.clone());
        shell.refresh = checks.iter().any(|check| !check.ended).then_some(REFRESH_SECONDS);
        Reply::page(&OrganizationPage {
            count: found.len(),
            more: found.len().checked_sub(LINKS_SHOWN).filter(|more| *more > 0).map(|_| number(i64::try_from(LINKS_SHOWN).unwrap_or(0))),
            links: found.into_iter().take(LINKS_SHOWN).map(|link| link_row(lang, link)).collect(),
            may_check: !checks.is_empty() && !viewer.read_only && viewer.has_role(organization.id, Role::Editor),
            checks,
            done,
            path,
            s: shell,
        })
    })
    .await
}

async fn download_organization(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    let key = key.into_inner();
    serve(&request, &state, false, move |app, _, viewer| {
        let organization = organization(app, &key)?;
        let table = troubled_links_table(&troubled_links(app, &viewer, &organization.id.to_string())?);
        Ok(Reply::Csv(format!("links-{}.csv", organization.draft.slug), table.into_bytes()))
    })
    .await
}

/// Asks for the links of all sources of an organization to be looked at.
async fn check_now(request: HttpRequest, state: Shared, key: web::Path<String>, payload: web::Payload) -> HttpResponse {
    if let Err(problem) = read_form(&request, &state.settings, payload, SMALL_FORM_BYTES_MAX).await {
        return private(render_error(&problem, &request));
    }
    let key = key.into_inner();
    serve(&request, &state, true, move |app, _, viewer| {
        let organization = organization(app, &key)?;
        let sources = sources_of(app, &viewer, &organization)?;
        let context = Context::new(viewer);
        for source in sources {
            app.queue_link_check(&context, &source.id.to_string())?;
        }
        Ok(Reply::See(format!("{}?done=links", path_of(&organization))))
    })
    .await
}

async fn show_file(request: HttpRequest, state: Shared, id: web::Path<String>) -> HttpResponse {
    let id = id.into_inner();
    serve(&request, &state, false, move |app, shell, viewer| {
        let found = app.distribution(&viewer, &id)?;
        let checks = app.link_checks(&viewer, &id)?;
        let lang = shell.lang;
        let (content, file) = (&found.dataset.content, &found.distribution);
        let mut shell = shell.below("/staff", "職員用ページ", "For staff");
        if let Some(organization) = app.directory().organization(content.organization_id) {
            shell = shell.below(PATH, "リンクの問題", "Links in trouble");
            let link = link_to(lang, organization);
            shell = shell.under(&link.href, link.said);
        }
        shell.title = if file.title.trim().is_empty() { lang.t("名称なし", "Untitled").to_owned() } else { file.title.clone() };
        shell.title_foreign = lang == Lang::En && !shell.title.is_ascii();
        shell.canonical = Some(format!("/staff/files/{}/links", file.id));
        let url = file.download_url.clone().or_else(|| file.access_url.clone());
        Reply::page(&FilePage {
            dataset: Link {
                href: format!("/datasets/{}", content.slug),
                said: Said::new(lang, &content.title, content.title_en.as_deref()),
            },
            url: url.map(|url| (url.clone(), web_address(&url))),
            findings: checks.iter().map(|check| finding_row(lang, check)).collect(),
            s: shell,
        })
    })
    .await
}

/// Where the links of an organization are.
pub(super) fn path_of(organization: &Organization) -> String {
    format!("{PATH}/{}", organization.draft.slug)
}

/// The latest look at the links of a source.
pub(super) fn check_view(lang: Lang, source: &HarvestSource, run: Option<&LinkCheckRun>) -> CheckView {
    let (status, tone) = match run {
        None => (lang.t("最近の記録なし", "not lately"), "quiet"),
        Some(run) => status_name(lang, Some(run.status)),
    };
    let foreign = lang == Lang::En && !source.draft.title.is_ascii();
    CheckView {
        source: Link { href: super::harvest::path_of(source), said: Said { text: source.draft.title.clone(), foreign } },
        status,
        tone,
        at: run.map(|run| lang.minute(run.finished.or(run.started).unwrap_or(run.created))).unwrap_or_default(),
        counts: run.filter(|run| run.started.is_some()).map(|run| looked(lang, run)).unwrap_or_default(),
        ended: run.is_none_or(|run| run.finished.is_some()),
    }
}

fn looked(lang: Lang, run: &LinkCheckRun) -> String {
    let (looked, troubled) = (number(run.looked), number(run.troubled));
    match lang {
        Lang::Ja => format!("{looked}件を確認、問題あり{troubled}件"),
        Lang::En => format!("{looked} looked at, {troubled} in trouble"),
    }
}

fn organization(app: &App, key: &str) -> minato_app::Result<Organization> {
    let found = app.directory().find_organization(key).map(|organization| organization.as_ref().clone());
    found.ok_or_else(|| Error::not_found("organization", key))
}

fn sources_of(app: &App, viewer: &Viewer, organization: &Organization) -> minato_app::Result<Vec<HarvestSource>> {
    let mut sources = app.list_sources(viewer)?;
    sources.retain(|source| source.organization_id == organization.id);
    Ok(sources)
}

fn link_to(lang: Lang, organization: &Organization) -> Link {
    Link { href: path_of(organization), said: Said::new(lang, &organization.draft.name, organization.draft.name_en.as_deref()) }
}

fn link_row(lang: Lang, link: TroubledLinkView) -> LinkRow {
    LinkRow {
        href: format!("/datasets/{}", link.slug),
        title: link.title,
        file: if link.file.trim().is_empty() { lang.t("名称なし", "Untitled").to_owned() } else { link.file },
        file_href: format!("/staff/files/{}/links", link.distribution_id),
        url_href: web_address(&link.url),
        url: link.url,
        broken: link.broken,
        problems: link.problems.iter().map(|problem| lang.sentence(problem)).collect(),
        since: lang.day_of(link.since),
        looked: lang.minute(link.looked),
    }
}

fn finding_row(lang: Lang, check: &LinkCheck) -> FindingRow {
    let (name, tone) = match (check.ok, check.is_broken()) {
        (true, _) => (lang.t("問題なし", "fine"), "good"),
        (_, true) => (lang.t("開けない", "broken"), "bad"),
        _ => (lang.t("内容が違う", "not what was said"), "warn"),
    };
    FindingRow {
        name,
        tone,
        status: check.finding.status.map_or_else(|| lang.t("応答なし", "no answer").to_owned(), |status| format!("HTTP {status}")),
        from: lang.minute(check.at),
        until: lang.minute(check.until),
        url: check.url.clone(),
        problems: check.finding.problems.iter().map(|problem| lang.sentence(problem)).collect(),
    }
}
