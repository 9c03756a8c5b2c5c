//! Organizations: the list, and the page of each.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::Duration;
use minato_app::catalog::{OrganizationKind, RecordState, Viewer};
use minato_app::searching::{Filters, SearchRequest, Sort, SortKey};
use minato_app::{App, Error, SeriesRequest};

use super::chart::Chart;
use super::home::{Card, Coverage};
use super::markdown;
use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::search::choice_address;
use super::words::{Lang, Said, host, mail_address, number, web_address};
use crate::http::Shared;

/// Newest datasets on the page of an organization.
const NEWEST_MAX: usize = 12;

#[derive(Template)]
#[template(path = "organizations.html")]
struct OrganizationsPage {
    s: Shell,
    coverage: Coverage,
    groups: Vec<Group>,
}

struct Group {
    title: String,
    organizations: Vec<OrganizationRow>,
}

struct OrganizationRow {
    href: String,
    said: Said,
    datasets: String,
    publishing: bool,
    downloads: String,
}

#[derive(Template)]
#[template(path = "organization.html")]
struct OrganizationPage {
    s: Shell,
    said: Said,
    kind: String,
    code: Option<String>,
    description: String,
    homepage: Option<(String, String)>,
    email: Option<(String, Option<String>)>,
    datasets: String,
    any: bool,
    downloads: String,
    any_downloads: bool,
    newest: Vec<Card>,
    all: String,
    chart: Chart,
    usage: String,
}

pub(super) async fn list_organizations(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, list).await
}

fn list(app: &App, shell: Shell) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let directory = app.directory();
    let counts = app.dataset_counts_by_organization()?;
    let downloads: std::collections::HashMap<_, _> =
        app.top_organizations(year_ago(app))?.into_iter().map(|ranked| (ranked.item.id, ranked.downloads)).collect();
    let mut groups = Vec::new();
    for kind in [OrganizationKind::Prefecture, OrganizationKind::Municipality, OrganizationKind::Other] {
        let organizations = directory.organizations().into_iter().filter(|organization| organization.draft.kind == kind);
        let organizations: Vec<OrganizationRow> = organizations
            .map(|organization| {
                let count = counts.get(&organization.id).copied().unwrap_or(0);
                OrganizationRow {
                    href: format!("/organizations/{}", organization.draft.slug),
                    said: Said::new(lang, &organization.draft.name, organization.draft.name_en.as_deref()),
                    datasets: number(count),
                    publishing: count > 0,
                    downloads: number(downloads.get(&organization.id).copied().unwrap_or(0)),
                }
            })
            .collect();
        if !organizations.is_empty() {
            groups.push(Group { title: kind_name(lang, kind).to_owned(), organizations });
        }
    }
    let coverage = Coverage::new(&directory, &counts);
    let shell = shell.named("公開している組織", "Publishers", "/organizations").section("organizations");
    Reply::page(&OrganizationsPage { coverage, groups, s: shell })
}

pub(super) async fn show_organization(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| build(app, shell, &key)).await
}

fn build(app: &App, shell: Shell, key: &str) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let directory = app.directory();
    let found = directory.find_organization(key).filter(|organization| organization.state == RecordState::Active);
    let Some(organization) = found else { return Err(Error::not_found("organization", key)) };
    let slug = &organization.draft.slug;
    if slug != key {
        return Ok(Reply::Moved { to: format!("/organizations/{slug}"), permanent: false });
    }
    let newest = app.search(
        &Viewer::public(),
        SearchRequest {
            filters: Filters { organizations: vec![slug.clone()], ..Filters::default() },
            sort: Sort { key: SortKey::Modified, descending: true },
            limit: NEWEST_MAX,
            ..SearchRequest::default()
        },
    )?;
    let series =
        app.download_series(&Viewer::public(), &SeriesRequest { organization: Some(organization.id.to_string()), ..Default::default() })?;
    let draft = &organization.draft;
    let said = Said::new(lang, &draft.name, draft.name_en.as_deref());
    let mut shell = shell.below("/organizations", "組織", "Publishers").section("organizations");
    shell.title = match lang {
        Lang::Ja => format!("{}のオープンデータ", said.text),
        Lang::En => format!("Open data of {}", said.text),
    };
    shell.canonical = Some(format!("/organizations/{slug}"));
    shell.description = markdown::to_line(&draft.description, 160);
    let count = app.dataset_counts_by_organization()?.get(&organization.id).copied().unwrap_or(0);
    Reply::page(&OrganizationPage {
        kind: body_name(lang, draft.kind).to_owned(),
        code: draft.code.clone(),
        description: markdown::to_html(&draft.description),
        homepage: draft.homepage.as_deref().and_then(web_address).map(|address| (host(&address), address)),
        email: draft.email.clone().map(|email| {
            let address = mail_address(&email);
            (email, address)
        }),
        datasets: number(count),
        any: count > 0,
        downloads: number(series.total),
        any_downloads: series.total > 0,
        newest: newest.datasets.iter().map(|dataset| Card::new(lang, &directory, dataset)).collect(),
        all: choice_address("organization", slug),
        usage: format!("/organizations/{slug}/stats"),
        chart: Chart::of_months(lang, "organization-chart", &series, None),
        said,
        s: shell,
    })
}

fn kind_name(lang: Lang, kind: OrganizationKind) -> &'static str {
    match kind {
        OrganizationKind::Prefecture => lang.t("都道府県", "Prefecture"),
        OrganizationKind::Municipality => lang.t("市区町村", "Municipalities"),
        OrganizationKind::Other => lang.t("その他の組織", "Other bodies"),
    }
}

/// What one of them is called.
fn body_name(lang: Lang, kind: OrganizationKind) -> &'static str {
    match (lang, kind) {
        (Lang::En, OrganizationKind::Municipality) => "Municipality",
        (Lang::En, OrganizationKind::Other) => "Other body",
        _ => kind_name(lang, kind),
    }
}

fn year_ago(app: &App) -> chrono::NaiveDate {
    app.today() - Duration::days(365)
}
