//! What the use-cases cost without HTTP, over SQLite in a temporary directory with 2,000 invented datasets.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use minato_app::catalog::{Channel, ClientClass, Download, Organization, OrganizationDraft, Viewer, new_id};
use minato_app::counter;
use minato_app::searching::{Facet, SearchRequest};
use minato_app::store::download::{self, CountingRules};
use minato_app::{App, AppSettings, Context};
use minato_testkit::fixtures;

fn use_cases(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let app = App::open(AppSettings::new(directory.path())).unwrap();
    let (context, public) = (Context::system("bench"), Viewer::public());
    let municipality = fixtures::municipality("hiroshima-shi").unwrap();
    let owner = OrganizationDraft { slug: municipality.slug.clone(), name: municipality.name.clone(), ..Default::default() };
    app.create::<Organization>(&context, None, owner).unwrap();
    let datasets = fixtures::generate(&municipality, 2_000);
    let drafts: Vec<_> = datasets.iter().map(|dataset| dataset.draft(&municipality.slug, "https://www.example.jp/files")).collect();
    // Written beside the index, which then takes them in groups.
    let beside = App::open(AppSettings { index: false, ..AppSettings::new(directory.path()) }).unwrap();
    let slugs: Vec<String> =
        drafts.iter().map(|draft| beside.create_dataset(&context, draft.clone()).unwrap().value.content.slug).collect();
    app.wait_for_index().unwrap();

    let mut group = criterion.benchmark_group("use case");
    group.sample_size(20);
    let mut next = slugs.iter().cycle();
    group.bench_function("read a dataset by slug", |bencher| bencher.iter(|| app.dataset(&public, next.next().unwrap()).unwrap()));
    let id = app.dataset(&public, &slugs[0]).unwrap().dataset.id.to_string();
    group.bench_function("read a dataset from memory", |bencher| bencher.iter(|| app.dataset(&public, &id).unwrap()));
    let facets = vec![Facet::Organization, Facet::Theme, Facet::Format];
    group.bench_function("search with three facets", |bencher| {
        bencher.iter(|| {
            app.search(&public, SearchRequest { query: "避難所".to_owned(), facets: facets.clone(), ..Default::default() }).unwrap()
        })
    });
    group.bench_function("create a dataset, durable", |bencher| {
        let mut drafts = drafts.iter().cycle();
        let fresh = || {
            let mut draft = drafts.next().unwrap().clone();
            (draft.slug, draft.identifier) = (None, None);
            draft
        };
        bencher.iter_batched(fresh, |draft| beside.create_dataset(&context, draft).unwrap(), BatchSize::SmallInput)
    });
    group.bench_function("count 100 downloads in one commit", |bencher| {
        let rules = CountingRules { window: counter::double_click_window, settle: counter::settle, sums: |rows| counter::sums(rows) };
        let batch = || (0..100).map(|_| new_download()).collect::<Vec<_>>();
        let count = |batch: Vec<Download>| beside.store().count(|conn| download::count(conn, &batch, &rules)).unwrap();
        bencher.iter_batched(batch, count, BatchSize::SmallInput)
    });
    group.finish();
    app.stop();
}

fn new_download() -> Download {
    let id = new_id();
    let at = chrono::Utc::now();
    Download {
        id,
        at,
        first_at: at,
        clicks: 1,
        distribution_id: uuid::Uuid::from_u128(1),
        dataset_id: uuid::Uuid::from_u128(2),
        organization_id: uuid::Uuid::from_u128(3),
        class: ClientClass::Human,
        channel: Channel::File,
        visitor: id.to_string(),
        click: id.to_string(),
        click_before: None,
        referrer: String::new(),
        format: "CSV".to_owned(),
        agent_rule: "(browser)".to_owned(),
        method_version: 2,
    }
}

criterion_group!(benches, use_cases);
criterion_main!(benches);
