//! A catalog of a prefecture: 2,000 datasets, searches with three facets, changes and suggestions.
//!
//! Aims: 3,000 searches a second on one core, a change in about 10 ms, a suggestion in some 10 µs.

use std::hint::black_box;

use chrono::{Duration, TimeZone, Utc};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use minato_search::{Facet, Filters, Index, Scope, SearchDocument, SearchRequest, Settings};
use uuid::Uuid;

const DATASETS: u128 = 2_000;
const CITIES: [&str; 12] =
    ["呉市", "広島市", "福山市", "尾道市", "三原市", "竹原市", "三次市", "庄原市", "大竹市", "廿日市市", "府中町", "海田町"];
const SUBJECTS: [&str; 24] = [
    "指定避難所",
    "AED設置箇所",
    "公衆トイレ",
    "ごみ収集カレンダー",
    "保育園",
    "人口統計",
    "年齢別人口",
    "橋梁点検",
    "公園",
    "文化財",
    "観光施設",
    "バス停留所",
    "医療機関",
    "介護サービス事業所",
    "学校給食献立",
    "通学区域",
    "消防水利",
    "投票所",
    "津波浸水想定",
    "水道事業",
    "予算",
    "決算",
    "図書館",
    "地価調査",
];
const KINDS: [&str; 7] = ["一覧", "の推移", "の状況", "データ", "マップ", "（令和6年度）", "（2023年）"];
const QUERIES: [&str; 24] = [
    "避難所",
    "AED",
    "ごみ",
    "トイレ",
    "保育園",
    "人口 年齢別",
    "橋 点検",
    "呉市 公園",
    "バス",
    "ひなんじょ",
    "お手洗い",
    "shelter",
    "観光",
    "病院",
    "2024年度 予算",
    "広島市 避難所 一覧",
    "介護",
    "給食",
    "津波",
    "図書館",
    "地価公示",
    "文化財 マップ",
    "投票所",
    "水道",
];
const FACETS: [Facet; 3] = [Facet::Organization, Facet::Theme, Facet::Format];

fn document(number: u128) -> SearchDocument {
    let pick = |list: &[&str], salt: u128| list[((number * 2_654_435_761 + salt * 40_503) >> 7) as usize % list.len()].to_owned();
    let (city, subject, kind) = (pick(&CITIES, 1), pick(&SUBJECTS, 2), pick(&KINDS, 3));
    let organization = CITIES.iter().position(|name| *name == city).unwrap_or(0) as u128;
    let modified = Utc.with_ymd_and_hms(2025, 1, 1, 0, 0, 0).single().unwrap_or_default() - Duration::hours(number as i64 * 7);
    SearchDocument {
        id: Uuid::from_u128(number + 1),
        slug: format!("dataset-{number}"),
        title: format!("{city}{subject}{kind}"),
        title_en: None,
        description: format!(
            "{city}が公開している{subject}に関するデータです。名称、所在地、緯度、経度などの項目を含みます。毎年度更新しています。"
        )
        .repeat(3),
        keywords: vec![subject.clone(), pick(&SUBJECTS, 5), format!("分類{}", number % 300)],
        themes: vec![format!("gr_{:02}00", number % 17)],
        theme_titles: vec!["司法・安全・環境".to_owned()],
        organization_id: Uuid::from_u128(organization + 1_000_000),
        organization_slug: format!("org-{organization}"),
        organization_name: city,
        organization_name_en: None,
        organization_code: None,
        distributions: (0..3).map(|file| (format!("{subject}{file}.csv"), String::new())).collect(),
        formats: vec!["CSV".to_owned(), pick(&["PDF", "XLSX", "JSON", "SHP"], 4)],
        licence: Some("CC-BY-4.0".to_owned()),
        standard_dataset: None,
        area_codes: Vec::new(),
        open: !number.is_multiple_of(20),
        state: minato_catalog::DatasetState::Published,
        created: modified,
        modified,
        downloads_90d: (number * 37 % 900) as u64,
        column_names: vec!["名称".to_owned(), "住所".to_owned(), "緯度".to_owned(), "経度".to_owned()],
        extras: Vec::new(),
        bbox: None,
        temporal: None,
    }
}

fn search(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let index = Index::open(directory.path(), Settings::default()).expect("an empty directory opens").index;
    let batch = (0..DATASETS).map(document).collect();
    index.rebuild([Ok::<_, std::io::Error>(batch)], 1).expect("the documents are sound");
    index.refresh_vocabulary().expect("the index is readable");
    let request = |query: &str| SearchRequest { query: query.to_owned(), facets: FACETS.to_vec(), ..SearchRequest::default() };

    let mut group = c.benchmark_group("search");
    group.throughput(Throughput::Elements(QUERIES.len() as u64));
    let run = |requests: &[SearchRequest]| {
        for request in requests {
            black_box(index.search(request).expect("the request is sound"));
        }
    };
    let plain: Vec<SearchRequest> = QUERIES.iter().map(|query| request(query)).collect();
    group.bench_function("three facets", |b| b.iter(|| run(&plain)));
    let marked: Vec<SearchRequest> = plain.iter().cloned().map(|request| SearchRequest { highlight: true, ..request }).collect();
    group.bench_function("three facets, marked", |b| b.iter(|| run(&marked)));
    let filtered: Vec<SearchRequest> = plain
        .iter()
        .cloned()
        .map(|request| SearchRequest { filters: Filters { organizations: vec!["org-1".to_owned()], ..Filters::default() }, ..request })
        .collect();
    group.bench_function("three facets, filtered", |b| b.iter(|| run(&filtered)));
    group.throughput(Throughput::Elements(1));
    let empty = [request("")];
    group.bench_function("everything", |b| b.iter(|| run(&empty)));
    let typo = [request("保険所"), request("公図館"), request("焼津市の避難場所を知りたい")];
    group.throughput(Throughput::Elements(3));
    group.bench_function("relaxed and corrected", |b| b.iter(|| run(&typo)));
    group.finish();

    c.bench_function("suggest", |b| b.iter(|| black_box(index.suggest("ひな", &Scope::Public, 8))));
    let mut position = 2;
    c.bench_function("change and first search", |b| {
        b.iter(|| {
            position += 1;
            index.apply(vec![document(7)], Vec::new(), position).expect("the disk is writable");
            black_box(index.search(&plain[0]).expect("the request is sound"));
        });
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(30); targets = search }
criterion_main!(benches);
