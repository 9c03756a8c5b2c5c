//! The home page.

use std::collections::{BTreeMap, HashSet};

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{Duration, Months};
use minato_app::catalog::{Dataset, DownloadIndicator, MonthFigures, OrganizationKind, RecordState, Viewer, jst_day};
use minato_app::searching::{SearchRequest, Sort, SortKey};
use minato_app::{App, Directory};
use uuid::Uuid;

use super::chart::Chart;
use super::markdown;
use super::page::{self, KEEP_PAGE, Reply, Shell};
use super::words::{Lang, Link, Said, number};
use crate::http::Shared;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    s: Shell,
    datasets: String,
    coverage: Coverage,
    indicator: IndicatorView,
    chart: Chart,
    themes: Vec<Counted>,
    newest: Vec<Card>,
    popular: Vec<Card>,
    organizations: Vec<Counted>,
}

/// Something with a number of datasets.
pub(super) struct Counted {
    pub(super) link: Link,
    pub(super) count: i64,
}

impl Counted {
    pub(super) fn shown(&self) -> String {
        number(self.count)
    }
}

/// A dataset in a list.
#[derive(Debug, Clone, Default)]
pub(super) struct Card {
    pub(super) link: Link,
    pub(super) organization: Link,
    pub(super) summary: Said,
    pub(super) formats: Vec<String>,
    /// How many files and links it has.
    pub(super) files: String,
    pub(super) modified: String,
    pub(super) modified_iso: String,
    /// Downloads, where the list is about them.
    pub(super) downloads: Option<String>,
}

impl Card {
    pub(super) fn new(lang: Lang, directory: &Directory, dataset: &Dataset) -> Card {
        let content = &dataset.content;
        let mut seen = HashSet::new();
        let formats = content.distributions.iter().filter_map(|distribution| distribution.format.clone());
        let (description, english) =
            (markdown::to_line(&content.description, 110), content.description_en.as_deref().map(|text| markdown::to_line(text, 200)));
        Card {
            link: Link { href: format!("/datasets/{}", content.slug), said: Said::new(lang, &content.title, content.title_en.as_deref()) },
            organization: organization_link(lang, directory, content.organization_id),
            summary: Said::new(lang, &description, english.as_deref()),
            formats: formats.filter(|format| seen.insert(format.clone())).take(6).collect(),
            files: number(i64::try_from(content.distributions.len()).unwrap_or(i64::MAX)),
            modified: lang.day_of(content.modified),
            modified_iso: jst_day(content.modified).to_string(),
            downloads: None,
        }
    }
}

/// The page of an organization, by its name.
pub(super) fn organization_link(lang: Lang, directory: &Directory, id: Uuid) -> Link {
    match directory.organization(id) {
        Some(organization) => Link {
            href: format!("/organizations/{}", organization.draft.slug),
            said: Said::new(lang, &organization.draft.name, organization.draft.name_en.as_deref()),
        },
        None => Link::default(),
    }
}

/// How many of the municipalities publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Coverage {
    pub(super) publishing: usize,
    pub(super) all: usize,
}

impl Coverage {
    /// Of the prefecture's own municipalities; members from outside are guests. Without a prefecture in the list, of all.
    pub(super) fn new(directory: &Directory, counts: &BTreeMap<Uuid, i64>) -> Coverage {
        let organizations = directory.organizations();
        let prefecture = organizations.iter().find(|organization| organization.draft.kind == OrganizationKind::Prefecture);
        let prefix = prefecture.and_then(|organization| organization.draft.code.as_deref()).and_then(|code| code.get(..2));
        let mut coverage = Coverage::default();
        for organization in &organizations {
            let code = organization.draft.code.as_deref();
            let home = prefix.is_none_or(|prefix| code.is_none_or(|code| code.starts_with(prefix)));
            if organization.draft.kind == OrganizationKind::Municipality && home {
                coverage.all += 1;
                coverage.publishing += usize::from(counts.get(&organization.id).is_some_and(|count| *count > 0));
            }
        }
        coverage
    }
}

/// The downloads/month indicator in words.
pub(super) struct IndicatorView {
    pub(super) year: String,
    pub(super) mean: Option<String>,
    pub(super) months: i64,
    pub(super) target: Option<String>,
    pub(super) baseline: Option<String>,
    pub(super) percent: Option<String>,
    pub(super) reached: bool,
    pub(super) current_month: String,
    pub(super) measured: String,
    pub(super) reported: String,
    pub(super) any_reported: bool,
    /// Width of the bar, 0 to 100; the target stands at `target_at`.
    pub(super) bar: String,
    pub(super) target_at: String,
}

impl IndicatorView {
    pub(super) fn new(lang: Lang, indicator: &DownloadIndicator) -> IndicatorView {
        #[allow(clippy::cast_possible_truncation)]
        let mean = indicator.mean_per_month.map(|mean| mean.round() as i64);
        let target = indicator.target_per_month.filter(|target| *target > 0);
        #[allow(clippy::cast_precision_loss)]
        let share = mean.zip(target).map(|(mean, target)| mean as f64 / target as f64 * 100.0);
        // The target stands at four fifths so that being above it can be seen.
        let bar = share.map_or(0.0, |share| (share * 0.8).clamp(0.0, 100.0));
        IndicatorView {
            year: lang.fiscal_year(indicator.fiscal_year),
            mean: mean.map(number),
            months: indicator.months,
            target: target.map(number),
            baseline: indicator.baseline_per_month.map(number),
            percent: share.map(|share| format!("{share:.0}")),
            reached: mean.zip(target).is_some_and(|(mean, target)| mean >= target),
            current_month: number(indicator.current_month),
            measured: number(indicator.measured),
            reported: number(indicator.reported),
            any_reported: indicator.reported > 0,
            bar: format!("{bar:.1}"),
            target_at: "80".to_owned(),
        }
    }
}

pub(super) async fn show_home(request: HttpRequest, state: Shared) -> HttpResponse {
    page::serve(&request, &state, "html", KEEP_PAGE, build).await
}

/// The figures of twelve months, the running one last.
pub(super) fn last_year(app: &App) -> minato_app::Result<Vec<MonthFigures>> {
    let today = app.today();
    app.month_figures(today.checked_sub_months(Months::new(11)).unwrap_or(today), today)
}

fn build(app: &App, shell: Shell) -> minato_app::Result<Reply> {
    let lang = shell.lang;
    let viewer = Viewer::public();
    let directory = app.directory();
    let counts = app.dataset_counts_by_organization()?;
    let by_theme = app.dataset_counts_by_theme()?;
    let newest =
        app.search(&viewer, SearchRequest { sort: Sort { key: SortKey::Modified, descending: true }, limit: 6, ..Default::default() })?;
    let since = app.today() - Duration::days(30);
    let popular = app.top_datasets(&viewer, since, 6)?;
    let indicator = app.download_indicator(None)?;
    let figures = last_year(app)?;
    let themes = directory.themes.values().filter(|theme| theme.state == RecordState::Active);
    let mut organizations: Vec<Counted> = directory
        .organizations()
        .into_iter()
        .map(|organization| Counted {
            link: organization_link(lang, &directory, organization.id),
            count: counts.get(&organization.id).copied().unwrap_or(0),
        })
        .collect();
    organizations.sort_by_key(|counted| counted.count == 0);
    let mut shell = shell;
    shell.canonical = Some("/".to_owned());
    shell.alternates = vec![("text/turtle", "/catalog.ttl".to_owned()), ("application/ld+json", "/catalog.jsonld".to_owned())];
    shell.description = shell
        .t(
            "県と市町のオープンデータを、言葉で探して、見て、そのまま使えるカタログです。",
            "Find the open data of a prefecture and its municipalities, look at it, and take it away.",
        )
        .to_owned();
    Reply::page(&HomePage {
        datasets: number(counts.values().sum()),
        coverage: Coverage::new(&directory, &counts),
        indicator: IndicatorView::new(lang, &indicator),
        chart: Chart::of_figures(lang, "home-chart", &figures, indicator.target_per_month),
        themes: themes
            .map(|theme| Counted {
                link: Link {
                    href: format!("/themes/{}", super::words::segment(&theme.id)),
                    said: Said::new(lang, &theme.draft.title, theme.draft.title_en.as_deref()),
                },
                count: by_theme.get(&theme.id).copied().unwrap_or(0),
            })
            .collect(),
        newest: newest.datasets.iter().map(|dataset| Card::new(lang, &directory, dataset)).collect(),
        popular: popular
            .iter()
            .map(|ranked| Card { downloads: Some(number(ranked.downloads)), ..Card::new(lang, &directory, &ranked.item) })
            .collect(),
        organizations,
        s: shell,
    })
}
