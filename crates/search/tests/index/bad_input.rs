//! Whatever is sent, the answer comes soon.

use std::time::{Duration, Instant};

use minato_search::{Facet, Filters, Scope, SearchRequest, fq};

use crate::catalog::Catalog;

/// For unoptimised code on a busy machine; a reader waits a hundredth of it.
const SOON: Duration = Duration::from_secs(5);

fn soon<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let shown: String = what.chars().take(60).collect();
    let started = Instant::now();
    let answer = call();
    let taken = started.elapsed();
    assert!(taken < SOON, "{shown:?} took {taken:?}");
    answer
}

#[test]
fn long_and_strange_queries() {
    let catalog = Catalog::sample();
    let many: String = (0..1_000).map(|number| format!("語{number} ")).collect();
    let known: String =
        ["避難所", "ひなんじょ", "図書舘", "hinanjo", "バス停"].iter().cycle().take(1_000).map(|word| format!("{word} ")).collect();
    for query in [
        "避".repeat(3_400),
        "a".repeat(10_000),
        "ひなんじょ".repeat(700),
        "hinanjo".repeat(1_500),
        "\"".repeat(10_000),
        "\"避難所\" ".repeat(700),
        "\u{0}\u{1}\u{7f}\u{85}\u{200b}\u{202e}\u{feff}".repeat(700),
        format!("避難所{}一覧", "\u{0}".repeat(100)),
        "か\u{3099}".repeat(1_600),
        format!("か{}", "\u{3099}".repeat(5_000)),
        "( [ { ".repeat(1_700),
        "。、,".repeat(1_400),
        "\u{fdfa}".repeat(3_000),
        "👨‍👩‍👧‍👦".repeat(400),
        "1".repeat(10_000),
        "を教えて".repeat(800),
        "平成".repeat(1_600),
        "の".repeat(3_400),
        many,
        known,
    ] {
        let request =
            SearchRequest { query: query.clone(), facets: Facet::ALL.to_vec(), highlight: true, explain: true, ..SearchRequest::default() };
        let results = soon(&query, || catalog.ask(&request));
        assert!(results.total <= 22);
        soon(&query, || catalog.index.suggest(&query, &Scope::Public, 10));
        soon(&query, || fq::looks_like_syntax(&query));
    }
}

#[test]
fn long_and_strange_conditions() {
    let catalog = Catalog::sample();
    let conditions = |one: &str| format!("{one} ").repeat((fq::LENGTH_MAX / (one.len() + 1)).min(fq::CONDITIONS_MAX));
    for expression in [
        "(".repeat(10_000),
        format!("{}a{}", "(".repeat(24), ")".repeat(24)),
        format!("{}a{}", "-(".repeat(8_000), ")".repeat(8_000)),
        "NOT ".repeat(4_000),
        "title:".repeat(2_000),
        format!("title:{}", "a".repeat(15_000)),
        format!("title:\"{}\"", "避難所".repeat(1_700)),
        format!("name:{}", "*a".repeat(5_000)),
        format!("id:({})", "x OR ".repeat(900) + "x"),
        "\u{0}\u{1b}\u{85}".repeat(3_000),
        "a:".repeat(8_000),
        conditions("text:避難所"),
        conditions("text:ひなんじょ"),
        conditions("-text:\"指定避難所一覧\""),
        conditions("extras_k:[a TO z]"),
        conditions("modified:[NOW-1YEAR/DAY TO *]"),
    ] {
        let Ok(expr) = soon(&expression, || fq::parse(&expression)) else { continue };
        let filters = Filters { expr: Some(expr), ..Filters::default() };
        soon(&expression, || catalog.ask(&SearchRequest { filters, highlight: true, ..SearchRequest::default() }));
    }
}

#[test]
fn patterns_that_are_hard_to_match() {
    let catalog = Catalog::sample();
    for pattern in ["a*".to_owned(), "*a".repeat(99), "?".repeat(190), "a?".repeat(90) + "*", "*?".repeat(90), "?*あ*".repeat(45)] {
        for field in ["name", "text", "extras_k"] {
            let one = format!("{field}:{pattern}");
            // As many as an expression may hold.
            let count = (fq::LENGTH_MAX / (one.len() + 4)).min(fq::CONDITIONS_MAX);
            let many = format!("{one} OR ").repeat(count - 1) + &one;
            for expression in [one, many] {
                // Too many of them are refused, which is an answer, too.
                let Ok(expr) = fq::parse(&expression) else { continue };
                let filters = Filters { expr: Some(expr), ..Filters::default() };
                soon(&expression, || catalog.ask(&SearchRequest { filters, ..SearchRequest::default() }));
            }
        }
    }
}

#[test]
fn the_last_moments_of_time() {
    let catalog = Catalog::sample();
    for date in [
        "9999-12-31T23:59:59Z+252143YEARS",
        "9999-12-31",
        "9999",
        "0001-01-01T00:00:00Z-262143YEARS",
        "NOW+240000YEARS",
        "NOW-262000YEARS/YEAR",
    ] {
        for expression in [format!("modified:{date}"), format!("modified:[* TO {date}]"), format!("modified:{{{date} TO *]")] {
            if let Ok(expr) = fq::parse(&expression) {
                let filters = Filters { expr: Some(expr), ..Filters::default() };
                catalog.ask(&SearchRequest { filters, ..SearchRequest::default() });
            }
        }
    }
}
