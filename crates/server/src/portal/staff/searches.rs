//! What residents search, by month.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{NaiveDate, Utc};
use minato_app::catalog::{jst_day, parse_month};
use minato_app::store::search_log::SearchKind;
use minato_app::{App, SearchedQuery};

use super::{Reply, serve, titled};
use crate::csv::{BYTE_ORDER_MARK, cell};
use crate::http::Shared;
use crate::portal::page::Shell;
use crate::portal::words::{Lang, Link, Said, number};

/// Queries in each table of the page.
const QUERIES_SHOWN: i64 = 100;
/// Opened datasets shown of each query.
const DATASETS_SHOWN: usize = 5;
/// Queries in the table to take away: all that a month can have.
const QUERIES_IN_FILE: i64 = 100_000;

#[derive(Template)]
#[template(path = "staff_searches.html")]
struct SearchesPage {
    s: Shell,
    month: String,
    /// The months to choose from: value, name, whether it is this one.
    months: Vec<(String, String, bool)>,
    popular: Vec<QueryRow>,
    zero: Vec<QueryRow>,
    file: String,
}

struct QueryRow {
    query: String,
    href: String,
    searches: String,
    /// Empty when it is not known.
    hits: String,
    clicks: String,
    datasets: Vec<(Link, String)>,
}

pub(super) async fn show_searches(request: HttpRequest, state: Shared) -> HttpResponse {
    let month = asked_month(request.query_string());
    serve(&request, &state, false, move |app, shell, viewer| {
        let popular = app.search_statistics(&viewer, Some(month), SearchKind::Popular, QUERIES_SHOWN)?;
        let zero = app.search_statistics(&viewer, Some(month), SearchKind::Zero, QUERIES_SHOWN)?;
        let shell = titled(shell, "検索された言葉", "What residents search", "/staff/searches");
        let lang = shell.lang;
        let rows = |found: &[SearchedQuery]| found.iter().map(|query| row(lang, query)).collect();
        Reply::page(&SearchesPage {
            month: lang.month(month),
            months: choices(lang, month, &popular.months),
            popular: rows(&popular.queries),
            zero: rows(&zero.queries),
            file: format!("/staff/searches.csv?month={}", value(month)),
            s: shell,
        })
    })
    .await
}

pub(super) async fn download_searches(request: HttpRequest, state: Shared) -> HttpResponse {
    let month = asked_month(request.query_string());
    serve(&request, &state, false, move |app: &App, shell, viewer| {
        let found = app.search_statistics(&viewer, Some(month), SearchKind::Popular, QUERIES_IN_FILE)?;
        Ok(Reply::Csv(format!("searches-{}.csv", value(month)), table(shell.lang, month, &found.queries).into_bytes()))
    })
    .await
}

/// The month asked for; what is none is the current one.
fn asked_month(query: &str) -> NaiveDate {
    let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "month");
    given.and_then(|(_, text)| parse_month(&text)).unwrap_or_else(|| first_day(jst_day(Utc::now())))
}

fn first_day(day: NaiveDate) -> NaiveDate {
    chrono::Datelike::with_day(&day, 1).unwrap_or(day)
}

fn value(month: NaiveDate) -> String {
    month.format("%Y-%m").to_string()
}

/// The months that have searches, the current one and the one shown, newest first.
fn choices(lang: Lang, shown: NaiveDate, months: &[NaiveDate]) -> Vec<(String, String, bool)> {
    let mut all: Vec<NaiveDate> = months.to_vec();
    all.extend([shown, first_day(jst_day(Utc::now()))]);
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.dedup();
    all.into_iter().map(|month| (value(month), lang.month(month), month == shown)).collect()
}

fn row(lang: Lang, found: &SearchedQuery) -> QueryRow {
    let datasets = found.datasets.iter().take(DATASETS_SHOWN).map(|(dataset, clicks)| {
        let content = &dataset.content;
        let said = Said::new(lang, &content.title, content.title_en.as_deref());
        (Link { href: format!("/datasets/{}", content.slug), said }, number(*clicks))
    });
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &found.query).finish();
    QueryRow {
        query: found.query.clone(),
        href: format!("/datasets?{query}"),
        searches: number(found.searches),
        hits: found.hits.map(number).unwrap_or_default(),
        clicks: number(found.clicks),
        datasets: datasets.collect(),
    }
}

/// A table that spreadsheets open.
fn table(lang: Lang, month: NaiveDate, queries: &[SearchedQuery]) -> String {
    let mut text = String::from(BYTE_ORDER_MARK);
    text.push_str(lang.t(
        "月,検索された言葉,検索回数,見つかった件数,開かれた回数,開かれたデータセット\r\n",
        "month,query,searches,hits,clicks,datasets opened\r\n",
    ));
    for found in queries {
        let hits = found.hits.map(|hits| hits.to_string()).unwrap_or_default();
        let datasets: Vec<String> =
            found.datasets.iter().map(|(dataset, clicks)| format!("{} ({clicks})", dataset.content.title)).collect();
        let (query, datasets) = (cell(&found.query), cell(&datasets.join(" / ")));
        text.push_str(&format!("{},{query},{},{hits},{},{datasets}\r\n", value(month), found.searches, found.clicks));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_query_string_has_a_month() {
        assert_eq!(value(asked_month("month=2026-04&x")), "2026-04");
        for query in ["", "month=", "month=2026-13", "month=%FF", "month=9999999-01"] {
            assert_eq!(asked_month(query), first_day(jst_day(Utc::now())), "{query}");
        }
    }
}
