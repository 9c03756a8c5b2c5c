//! CKAN's query syntax: reading it, and searching with what could be read.

#![no_main]

mod catalog;

use libfuzzer_sys::fuzz_target;
use minato_search::{Filters, SearchRequest, fq};

fuzz_target!(|text: &str| {
    let looks_like_syntax = fq::looks_like_syntax(text);
    match fq::parse(text) {
        Ok(expr) => {
            assert!(!format!("{expr:?}").is_empty());
            let _ = expr.has_text();
            let request =
                SearchRequest { filters: Filters { expr: Some(expr), ..Filters::default() }, highlight: true, ..SearchRequest::default() };
            let results = catalog::index().search(&request).expect("what parses is searched without error");
            assert!(results.total <= catalog::DOCUMENTS);
        }
        Err(error) => {
            assert!(!looks_like_syntax, "taken for syntax, yet {error}");
            assert!(error.position <= text.chars().count());
            assert!(!error.text().ja.is_empty() && !error.text().en.is_empty());
        }
    }
});
