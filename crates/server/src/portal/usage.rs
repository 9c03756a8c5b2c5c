//! How one dataset, or those of one organization, are used; and how everything is counted.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use minato_app::catalog::{Dataset, DownloadSeries, Viewer, parse_month};
use minato_app::counter::{METHODS, PRINCIPLES, RULES, fingerprint};
use minato_app::{App, RankingRequest, ReportedDownloads, SeriesRequest};

use super::chart::Chart;
use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::words::{Lang, Link, Said, number};
use crate::http::Shared;

/// Datasets shown of an organization, and files of a dataset.
const PARTS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "stats_of.html")]
struct UsagePage {
    s: Shell,
    about: Link,
    total: String,
    unique: String,
    views: String,
    chart: Chart,
    csv: String,
    parts: Vec<(Link, String)>,
    parts_title: String,
    reported: Option<Reported>,
}

/// What a portal that was before reported.
struct Reported {
    total: String,
    months: Vec<(String, String)>,
    files: Vec<(Said, String)>,
}

#[derive(Template)]
#[template(path = "stats_method.html")]
struct MethodPage {
    s: Shell,
    /// Text, clause, and how many requests of the last twelve months it left out.
    rules: Vec<(String, &'static str, String)>,
    principles: Vec<(String, &'static str, String)>,
    versions: Vec<(i64, String, String)>,
    fingerprint: String,
}

pub(super) async fn show_method(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, |app, shell| {
        let lang = shell.lang;
        let used = app.methods_used()?;
        let today = app.today();
        let excluded = app.excluded_requests(today.checked_sub_days(chrono::Days::new(364)).unwrap_or(today), today)?;
        let left_out = |id: &str| excluded.get(id).map(|count| number(*count)).unwrap_or_default();
        let since = |version| used.iter().find(|one| one.version == version).map(|one| lang.day(one.first_day)).unwrap_or_default();
        Reply::page(&MethodPage {
            rules: RULES.iter().map(|rule| (lang.t(rule.ja, rule.en).to_owned(), rule.clause, left_out(rule.reason.as_str()))).collect(),
            principles: PRINCIPLES.iter().map(|rule| (lang.t(rule.ja, rule.en).to_owned(), rule.clause, left_out(rule.id))).collect(),
            versions: METHODS.iter().rev().map(|one| (one.version, lang.t(one.ja, one.en).to_owned(), since(one.version))).collect(),
            fingerprint: fingerprint(),
            s: shell
                .below("/stats", "利用の統計", "Statistics")
                .named("数え方とプライバシー", "How it is counted, and privacy", "/stats/method")
                .section("stats"),
        })
    })
    .await
}

pub(super) async fn show_dataset_usage(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| dataset_page(app, shell, &key)).await
}

pub(super) async fn show_organization_usage(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, move |app, shell| organization_page(app, shell, &key)).await
}

pub(super) async fn download_dataset_usage(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "csv", KEEP_PAGE, move |app, _| {
        let wanted = SeriesRequest { dataset: Some(key.into_inner()), ..SeriesRequest::default() };
        csv(&app.download_series(&Viewer::public(), &wanted)?)
    })
    .await
}

pub(super) async fn download_organization_usage(request: HttpRequest, state: Shared, key: web::Path<String>) -> HttpResponse {
    page::serve(&request, &state, "csv", KEEP_PAGE, move |app, _| {
        let id = organization(app, &key)?.id;
        let wanted = SeriesRequest { organization: Some(id.to_string()), ..SeriesRequest::default() };
        csv(&app.download_series(&Viewer::public(), &wanted)?)
    })
    .await
}

fn organization(app: &App, key: &str) -> minato_app::Result<minato_app::catalog::Organization> {
    let found = app.directory().find_organization(key).map(|organization| organization.as_ref().clone());
    found.ok_or_else(|| minato_app::Error::not_found("organization", key))
}

fn csv(series: &DownloadSeries) -> minato_app::Result<Reply> {
    let mut text = String::from("\u{feff}月,人,プログラム,AIエージェント,合計,利用者数（ファイル別）,利用者数（データセット別）\r\n");
    for point in &series.points {
        text.push_str(&format!(
            "{},{},{},{},{},{},{}\r\n",
            point.period, point.human, point.machine, point.ai_agent, point.total, point.unique_files, point.unique_datasets
        ));
    }
    Ok(Reply::Document { body: text.into_bytes(), content_type: "text/csv; charset=utf-8" })
}

fn dataset_page(app: &App, shell: Shell, key: &str) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let viewer = Viewer::public();
    let found = app.dataset(&viewer, key)?;
    let content = &found.dataset.content;
    let slug = &content.slug;
    if slug != key {
        return Ok(Reply::Moved { to: format!("/datasets/{slug}/stats"), permanent: false });
    }
    let said = Said::new(lang, &content.title, content.title_en.as_deref());
    let wanted = SeriesRequest { dataset: Some(slug.clone()), ..SeriesRequest::default() };
    let counts = app.downloads_by_distribution(found.dataset.id)?;
    let part = |said, count| (Link { href: format!("/datasets/{slug}"), said }, number(count));
    let mut parts: Vec<_> = content
        .distributions
        .iter()
        .take(PARTS_MAX)
        .map(|distribution| {
            let said = Said::new(lang, &distribution.title, distribution.title_en.as_deref());
            part(said, counts.get(&distribution.id).copied().unwrap_or(0))
        })
        .collect();
    // What belongs to the figure of the dataset and to no file of today.
    let words = |ja: &str, en: &str| Said { text: lang.t(ja, en).to_owned(), foreign: false };
    let gone = counts.iter().filter(|(id, _)| **id != found.dataset.id && content.distributions.iter().all(|now| now.id != **id));
    for (said, count) in [
        (words("まとめて（ZIP）", "All files (ZIP)"), counts.get(&found.dataset.id).copied().unwrap_or(0)),
        (words("公開を終えたファイル", "Files that are no longer here"), gone.map(|(_, count)| count).sum()),
    ] {
        if count > 0 {
            parts.push(part(said, count));
        }
    }
    let shell = shell.below("/datasets", "データセット", "Datasets").under(&format!("/datasets/{slug}"), said.clone());
    usage(
        app,
        shell,
        &wanted,
        Link { href: format!("/datasets/{slug}"), said },
        parts,
        lang.t("ファイルごと（これまで）", "By file (all time)"),
        reported(lang, &found.dataset, app.reported_downloads(&viewer, slug)?),
    )
}

fn organization_page(app: &App, shell: Shell, key: &str) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let organization = organization(app, key)?;
    let slug = &organization.draft.slug;
    if slug != key {
        return Ok(Reply::Moved { to: format!("/organizations/{slug}/stats"), permanent: false });
    }
    let said = Said::new(lang, &organization.draft.name, organization.draft.name_en.as_deref());
    let (today, id) = (app.today(), organization.id.to_string());
    let ranking = RankingRequest {
        from: today - chrono::Duration::days(364),
        to: today,
        organization: Some(id.clone()),
        class: None,
        channel: None,
        limit: PARTS_MAX,
    };
    let parts = app.dataset_ranking(&Viewer::public(), &ranking)?.into_iter().map(|ranked| {
        let content = &ranked.item.content;
        let said = Said::new(lang, &content.title, content.title_en.as_deref());
        (Link { href: format!("/datasets/{}/stats", content.slug), said }, number(ranked.downloads))
    });
    let parts = parts.collect();
    let wanted = SeriesRequest { organization: Some(id), ..SeriesRequest::default() };
    let shell = shell.below("/organizations", "組織", "Publishers").under(&format!("/organizations/{slug}"), said.clone());
    usage(
        app,
        shell,
        &wanted,
        Link { href: format!("/organizations/{slug}"), said },
        parts,
        lang.t("データセットごと（1年）", "By dataset (year)"),
        None,
    )
}

/// Newest month first; nothing when nothing was reported.
fn reported(lang: Lang, dataset: &Dataset, found: ReportedDownloads) -> Option<Reported> {
    if found.months.is_empty() {
        return None;
    }
    let months = found.months.iter().rev().map(|(month, total)| {
        let name = parse_month(month).map_or_else(|| month.clone(), |day| lang.month(day));
        (name, number(*total))
    });
    let own = dataset.content.distributions.iter().filter_map(|file| {
        let total = found.files.get(&Some(file.id))?;
        Some((Said::new(lang, &file.title, file.title_en.as_deref()), number(*total)))
    });
    let others = found.files.get(&None).map(|total| {
        let text = lang.t("そのほかのファイル", "other files").to_owned();
        (Said { text, foreign: false }, number(*total))
    });
    Some(Reported { total: number(found.total), months: months.collect(), files: own.chain(others).collect() })
}

fn usage(
    app: &App,
    shell: Shell,
    wanted: &SeriesRequest,
    about: Link,
    parts: Vec<(Link, String)>,
    parts_title: &str,
    reported: Option<Reported>,
) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let viewer = Viewer::public();
    let series = app.download_series(&viewer, wanted)?;
    let views = app.view_series(&viewer, wanted)?;
    let unique = series.points.iter().map(|point| point.unique_files).sum();
    let path = format!("{}/stats", about.href);
    let mut shell = shell.section("stats");
    shell.title = match lang {
        Lang::Ja => format!("{}の利用", about.said.text),
        Lang::En => format!("Use of {}", about.said.text),
    };
    shell.canonical = Some(path.clone());
    Reply::page(&UsagePage {
        total: number(series.total),
        unique: number(unique),
        views: number(views.total),
        chart: Chart::of_months(lang, "usage-chart", &series, None),
        csv: format!("{path}.csv"),
        parts,
        parts_title: parts_title.to_owned(),
        reported,
        about,
        s: shell,
    })
}
