//! Filters and CKAN's query syntax.

use minato_search::{Filters, SearchRequest, fq};
use proptest::prelude::*;

use crate::catalog::{Catalog, day, found};

fn ask(catalog: &Catalog, expression: &str) -> Vec<u128> {
    let filters = Filters { expr: Some(fq::parse(expression).unwrap()), ..Filters::default() };
    let mut numbers = found(&catalog.ask(&SearchRequest { filters, limit: 1_000, ..SearchRequest::default() }));
    numbers.sort_unstable();
    numbers
}

#[test]
fn ckan_expressions_select() {
    let catalog = Catalog::sample();
    let all: Vec<u128> = (1..=22).collect();
    let without = |numbers: &[u128]| -> Vec<u128> { all.iter().copied().filter(|number| !numbers.contains(number)).collect() };
    for (expression, expected) in [
        ("*:*", all.clone()),
        ("", all.clone()),
        ("organization:yaizu", vec![14, 15]),
        ("organization:焼津市", vec![14, 15]),
        ("-organization:yaizu", without(&[14, 15])),
        ("*:* -organization:yaizu", without(&[14, 15])),
        ("tags:防災 AND organization:kure", vec![1]),
        ("tags:防災 OR title:トイレ", vec![1, 4, 14, 15]),
        ("tags:(防災 OR 避難) -organization:(yaizu OR tokyo)", vec![1]),
        ("res_format:json", vec![1]),
        ("res_format:\"JSON\"", vec![1]),
        ("license_id:cc-by", all.clone()),
        ("license_id:[* TO *]", all.clone()),
        ("license_id:CC0", vec![]),
        ("name:dataset-1*", vec![1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
        ("name:dataset-1?", vec![10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
        ("name:dataset-7", vec![7]),
        ("id:00000000-0000-0000-0000-000000000003", vec![3]),
        ("extras_fiscal:R6", vec![1]),
        ("extras_fiscal:*", vec![1]),
        ("extras_fiscal:r*", vec![1]),
        ("extras_担当課:危機管理課", vec![1]),
        ("extras_none:*", vec![]),
        ("state:active", all.clone()),
        ("state:draft", vec![]),
        ("private:false", all.clone()),
        ("private:true", vec![]),
        ("dataset_type:dataset", all.clone()),
        ("dataset_type:harvest", vec![]),
        ("num_resources:[1 TO *]", vec![1]),
        ("num_resources:0 organization:yaizu", vec![14, 15]),
        ("metadata_modified:[2024-01-21T00:00:00Z TO *]", vec![20, 21, 22]),
        ("metadata_modified:{2024-01-21T00:00:00Z TO *]", vec![21, 22]),
        ("metadata_modified:[2024-01-21T00:00:00Z TO 2024-01-22T00:00:00Z}", vec![20]),
        ("metadata_created:2024-01-21T00:00:00Z", vec![20]),
        ("metadata_modified:[NOW-100YEARS TO NOW]", all.clone()),
        ("metadata_modified:[NOW/DAY TO *]", vec![]),
        ("metadata_modified:*", all.clone()),
        ("title:避難所", vec![1, 15]),
        ("title:\"指定避難所\"", vec![1]),
        ("notes:収容人数", vec![1]),
        ("res_name:避難所", vec![1]),
        ("text:津波 AND NOT title:避難場所", vec![14]),
        ("title:バスケ*", vec![17]),
    ] {
        assert_eq!(ask(&catalog, expression), expected, "{expression}");
    }
}

#[test]
fn texts_of_a_condition_rank_when_nothing_is_typed() {
    let catalog = Catalog::sample();
    let filters = Filters { expr: Some(fq::parse("text:避難所").unwrap()), ..Filters::default() };
    let results = catalog.ask(&SearchRequest { filters, highlight: true, ..SearchRequest::default() });
    assert_eq!(found(&results)[0], 1);
    assert!(results.hits[0].score > 0.0);
    assert!(results.hits[0].title_highlighted.iter().any(|piece| piece.marked));
}

#[test]
fn filters_select() {
    let catalog = Catalog::sample();
    let of = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let none = Filters::default;
    for (filters, expected) in [
        (Filters { organizations: of(&["yaizu", "ishikawa"]), ..none() }, vec![11, 14, 15]),
        (Filters { organizations: vec![crate::catalog::organization_id("yaizu").to_string()], ..none() }, vec![14, 15]),
        (Filters { keywords: of(&["防災"]), organizations: of(&["kure"]), ..none() }, vec![1]),
        (Filters { formats: of(&["ｊｓｏｎ"]), ..none() }, vec![1]),
        (Filters { licences: of(&["none"]), ..none() }, vec![]),
        (Filters { ids: vec![uuid::Uuid::from_u128(4)], ..none() }, vec![4]),
        (Filters { modified_from: Some(day(21)), ..none() }, vec![21, 22]),
        (Filters { modified_to: Some(day(2)), ..none() }, vec![1, 2]),
        (Filters { bbox: Some([132.0, 34.0, 133.0, 35.0]), ..none() }, vec![1]),
        (Filters { bbox: Some([130.0, 34.0, 131.0, 35.0]), ..none() }, vec![]),
        (Filters { bbox: Some([f64::NAN, 34.0, 131.0, 35.0]), ..none() }, vec![]),
        (Filters { area_codes: of(&["342025"]), ..none() }, vec![]),
    ] {
        let mut numbers = found(&catalog.ask(&SearchRequest { filters: filters.clone(), ..SearchRequest::default() }));
        numbers.sort_unstable();
        assert_eq!(numbers, expected, "{filters:?}");
    }
}

#[test]
fn large_conditions_are_answered() {
    let catalog = Catalog::sample();
    let expression = (0..900).map(|number| format!("tags:t{number}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(ask(&catalog, &expression), Vec::<u128>::new());
    let nested = format!("{}tags:防災{}", "(".repeat(20), ")".repeat(20));
    assert_eq!(ask(&catalog, &nested), [1, 14, 15]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_condition_fails(expression in "((title|name|tags|extras_k|modified|private|state|num_resources|text):)?([a-z避*?\".\\[\\] -]|NOW|TO|AND|OR|NOT|[0-9]){0,16}") {
        thread_local!(static CATALOG: Catalog = Catalog::sample());
        if let Ok(expr) = fq::parse(&expression) {
            CATALOG.with(|catalog| {
                let filters = Filters { expr: Some(expr), ..Filters::default() };
                let result = catalog.index.search(&SearchRequest { filters, ..SearchRequest::default() });
                prop_assert!(result.is_ok(), "{:?}", result);
                Ok(())
            })?;
        }
    }
}
