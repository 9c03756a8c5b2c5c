//! What the storage promises, on whichever database.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use minato_catalog::*;
use minato_store::dataset::{DatasetFilter, Order, Scope};
use minato_store::download::CountingRules;
use minato_store::indicator::{Report, ReportChange};
use minato_store::search_log::{NewClicks, NewSearches, SearchKind};
use minato_store::statistics::{Grain, SumFilter};
use minato_store::{
    Error, ListFilter, Store, StoreSettings, api_token, dataset, distribution, download, harvest, history, idempotency, indicator, job,
    keyword, link_check, membership, organization, previous_portal, search_log, setting, statistics, synonym_list,
};
use uuid::Uuid;

use crate::database::{Database, postgresql, sqlite};

macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $test() { let database = super::sqlite(); database.store.migrate().unwrap(); super::$test(&database); })*
        }
        mod on_postgresql {
            $(#[test] fn $test() {
                let Some(database) = super::postgresql() else { return };
                database.store.migrate().unwrap();
                super::$test(&database);
            })*
        }
    };
}

suite!(
    migrations_go_up_down_and_up,
    whoever_starts_beside_others_finds_the_schema_up_to_date,
    organizations_are_saved_listed_and_kept_unique,
    a_dataset_comes_back_as_it_was_saved,
    a_stale_save_is_refused_and_leaves_nothing,
    every_save_leaves_revision_audit_event_and_change,
    old_slugs_lead_to_the_dataset,
    lists_are_paged_without_gaps,
    scope_hides_what_is_not_open,
    identifiers_are_unique_within_an_organization,
    distributions_survive_removal,
    the_change_log_has_no_gaps_under_concurrent_writers,
    a_job_is_run_by_one_worker_at_a_time,
    a_double_click_counts_once_and_the_last_stays,
    double_clicks_over_midnight_move_to_the_new_day,
    clicks_in_any_order_and_batches_count_the_same,
    settled_days_are_added_up_without_changing_any_answer,
    sums_are_of_one_moment_while_days_are_added_up,
    looks_at_pages_are_no_downloads,
    made_up_referrers_do_not_fill_the_table,
    targets_and_reports_are_kept,
    harvest_records_and_outcomes_are_kept,
    settings_and_idempotent_answers_are_kept,
    members_and_tokens_are_found,
    the_synonym_list_is_kept_with_its_history,
    searches_and_clicks_add_up_by_month,
    made_up_queries_do_not_fill_the_log,
    months_of_searches_are_dropped_whole,
    numbers_and_counts_of_the_previous_portal_are_kept,
    findings_of_links_are_kept_and_troubles_found,
);

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 3, 0, 0).unwrap()
}

fn new_organization(slug: &str) -> Organization {
    let draft = OrganizationDraft { slug: slug.to_owned(), name: format!("{slug}市"), ..Default::default() };
    Organization { id: new_id(), draft, state: RecordState::Active, revision: 1, created: now(), updated: now() }
}

fn save_organization(store: &Store, slug: &str) -> Organization {
    let record = new_organization(slug);
    store.write::<_, Error>(|conn| organization::save(conn, &record, None, Action::Create, "test")).unwrap();
    record
}

fn new_dataset(organization_id: Uuid, slug: &str, value: serde_json::Value) -> Dataset {
    let draft: DatasetDraft = from_value(value).unwrap();
    let id = new_id();
    let content =
        DatasetDraft { slug: Some(slug.to_owned()), ..draft }.apply(id, organization_id, "org", None, &Vocabulary::built_in(), now());
    Dataset { id, content, revision: 1, created: now(), updated: now() }
}

fn save(store: &Store, new: &Dataset, previous: Option<&Dataset>) -> Result<i64, Error> {
    let action = if previous.is_none() { Action::Create } else { Action::Update };
    store.write::<_, Error>(|conn| dataset::save(conn, new, previous, action, "test")).map(|saved| saved.seq)
}

fn migrations_go_up_down_and_up(database: &Database) {
    let store = &database.store;
    assert!(!store.has_pending_migrations().unwrap());
    let reverted = store.revert_migrations().unwrap().len();
    assert!(reverted >= 4);
    assert!(store.read(organization::all).is_err());
    assert_eq!(store.migrate().unwrap().len(), reverted);
    assert_eq!(store.read(organization::all).unwrap(), vec![]);
}

fn whoever_starts_beside_others_finds_the_schema_up_to_date(database: &Database) {
    let all = database.store.revert_migrations().unwrap().len();
    let ran: usize = std::thread::scope(|scope| {
        let start = || Store::open(&database.url, &StoreSettings::default()).unwrap().migrate().unwrap().len();
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(ran, all);
    assert!(!database.store.has_pending_migrations().unwrap());
}

fn organizations_are_saved_listed_and_kept_unique(database: &Database) {
    let store = &database.store;
    let saved = save_organization(store, "kure");
    save_organization(store, "fuchu");
    assert_eq!(store.read(|conn| organization::find_by_key(conn, "kure")).unwrap(), Some(saved.clone()));
    let twin = new_organization("kure");
    let error = store.write::<_, Error>(|conn| organization::save(conn, &twin, None, Action::Create, "test")).unwrap_err();
    assert!(matches!(error, Error::Taken { noun: "organization", .. }), "{error}");
    let filter = ListFilter { limit: 1, ..Default::default() };
    let page = store.read(|conn| organization::list(conn, &filter)).unwrap();
    assert_eq!((page.total, page.items[0].draft.slug.as_str(), page.next_cursor.as_deref()), (2, "fuchu", Some("fuchu")));
    let page = store.read(|conn| organization::list(conn, &ListFilter { after: page.next_cursor, ..filter })).unwrap();
    assert_eq!((page.items[0].draft.slug.as_str(), page.next_cursor), ("kure", None));
    let wild = ListFilter { query: Some("%".to_owned()), limit: 10, ..Default::default() };
    assert_eq!(store.read(|conn| organization::list(conn, &wild)).unwrap().total, 0);
}

fn a_dataset_comes_back_as_it_was_saved(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let new = new_dataset(
        owner.id,
        "hinan",
        serde_json::json!({"title": "避難所一覧", "keywords": ["防災", "避難所"], "themes": ["gr_1400"], "licence": "CC BY 4.0", "extras": {"備考": "𠮷野家"},
            "spatial": {"bbox": [132.0, 34.0, 133.0, 35.0]}, "distributions": [{"download_url": "https://example.jp/a.csv"}]}),
    );
    save(store, &new, None).unwrap();
    assert_eq!(store.read(|conn| dataset::find(conn, new.id)).unwrap().as_ref(), Some(&new));
    assert_eq!(store.read(|conn| dataset::find_by_slug(conn, "hinan")).unwrap().as_ref(), Some(&new));
    assert_eq!(store.read(|conn| dataset::find_many(conn, &[new.id, new_id()])).unwrap(), vec![new.clone()]);
    assert_eq!(store.read(dataset::count_by_keyword).unwrap().len(), 2);
    assert_eq!(store.read(dataset::count_by_theme).unwrap(), vec![("gr_1400".to_owned(), 1)]);
    assert_eq!(store.read(dataset::count_by_organization).unwrap(), vec![(owner.id, 1)]);
    assert_eq!(store.read(|conn| dataset::find(conn, new_id())).unwrap(), None);
}

fn a_stale_save_is_refused_and_leaves_nothing(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let first = new_dataset(owner.id, "one", serde_json::json!({"title": "一"}));
    save(store, &first, None).unwrap();
    let mut second = first.clone();
    second.revision = 2;
    second.content.title = "二".to_owned();
    save(store, &second, Some(&first)).unwrap();
    let mut third = first.clone();
    third.revision = 2;
    third.content.keywords.push("迷子".to_owned());
    let before = store.read(history::last_seq).unwrap();
    let error = save(store, &third, Some(&first)).unwrap_err();
    assert!(matches!(error, Error::Stale { .. }), "{error}");
    assert_eq!(store.read(history::last_seq).unwrap(), before);
    assert!(store.read(dataset::count_by_keyword).unwrap().is_empty());
}

fn every_save_leaves_revision_audit_event_and_change(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let first = new_dataset(owner.id, "one", serde_json::json!({"title": "一"}));
    let seq = save(store, &first, None).unwrap();
    let id = first.id.to_string();
    let changes = store.read(|conn| history::changes_after(conn, 0, 10)).unwrap();
    assert_eq!(changes.iter().map(|change| change.noun).collect::<Vec<_>>(), [Noun::Organization, Noun::Dataset]);
    assert_eq!(changes[1].seq, seq);
    let revision = store.read(|conn| history::find_revision(conn, Noun::Dataset, &id, 1)).unwrap().unwrap();
    assert_eq!((revision.content["title"].as_str(), revision.actor.as_str()), (Some("一"), "test"));
    assert_eq!(store.read(|conn| history::revisions(conn, Noun::Dataset, &id)).unwrap().len(), 1);
    let audit = store.read(|conn| history::audit_events(conn, Noun::Dataset, &id, 10)).unwrap();
    assert_eq!((audit.len(), audit[0].action), (1, Action::Create));
}

fn old_slugs_lead_to_the_dataset(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let first = new_dataset(owner.id, "old-name", serde_json::json!({"title": "一"}));
    save(store, &first, None).unwrap();
    let mut second = first.clone();
    second.revision = 2;
    second.content.slug = "new-name".to_owned();
    save(store, &second, Some(&first)).unwrap();
    assert_eq!(store.read(|conn| dataset::find_by_alias(conn, "old-name")).unwrap().unwrap().id, first.id);
    let other = new_dataset(owner.id, "old-name", serde_json::json!({"title": "二"}));
    assert!(matches!(save(store, &other, None), Err(Error::Taken { field: "slug", .. })));
    let mut back = second.clone();
    back.revision = 3;
    back.content.slug = "old-name".to_owned();
    save(store, &back, Some(&second)).unwrap();
    assert_eq!(store.read(|conn| dataset::find_by_alias(conn, "new-name")).unwrap().unwrap().id, first.id);
}

fn lists_are_paged_without_gaps(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    for number in 0..7 {
        // Two share each moment: the id decides.
        let mut new = new_dataset(owner.id, &format!("ds-{number}"), serde_json::json!({"title": "x"}));
        new.updated = now() + Duration::seconds(number / 2);
        save(store, &new, None).unwrap();
    }
    for order in [Order::UpdatedFirst, Order::UpdatedLast, Order::Slug] {
        let mut filter = DatasetFilter { scope: Scope::Everything, order, limit: 2, ..Default::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.read(|conn| dataset::list(conn, &filter)).unwrap();
            assert_eq!(page.total, 7);
            seen.extend(page.items.into_iter().map(|dataset| dataset.id));
            let Some(cursor) = page.next_cursor else { break };
            assert!(dataset::is_cursor(order, &cursor));
            filter.after = Some(cursor);
        }
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (7, 7), "{order:?}");
    }
}

fn scope_hides_what_is_not_open(database: &Database) {
    let store = &database.store;
    let (ours, theirs) = (save_organization(store, "kure"), save_organization(store, "fuchu"));
    for owner in [&ours, &theirs] {
        for (slug, value) in [
            ("open", serde_json::json!({"title": "x", "keywords": ["共通"]})),
            ("draft", serde_json::json!({"title": "x", "state": "draft", "keywords": ["秘密"]})),
            ("internal", serde_json::json!({"title": "x", "visibility": "internal", "keywords": ["秘密"]})),
        ] {
            save(store, &new_dataset(owner.id, &format!("{}-{slug}", owner.draft.slug), value), None).unwrap();
        }
    }
    let count = |scope| store.read(|conn| dataset::count(conn, &DatasetFilter { scope, ..Default::default() })).unwrap();
    assert_eq!(count(Scope::Public), 2);
    assert_eq!(count(Scope::PublicAnd(vec![ours.id])), 4);
    assert_eq!(count(Scope::PublicAnd(vec![])), 2);
    assert_eq!(count(Scope::Everything), 6);
    let by_keyword = |keyword: &str| DatasetFilter { keyword: Some(keyword.to_owned()), ..Default::default() };
    assert_eq!(store.read(|conn| dataset::count(conn, &by_keyword("秘密"))).unwrap(), 0);
    assert_eq!(store.read(dataset::count_by_keyword).unwrap(), vec![("共通".to_owned(), 2)]);
}

fn identifiers_are_unique_within_an_organization(database: &Database) {
    let store = &database.store;
    let (ours, theirs) = (save_organization(store, "kure"), save_organization(store, "fuchu"));
    let value = || serde_json::json!({"title": "x", "identifier": "K-1"});
    let first = new_dataset(ours.id, "one", value());
    save(store, &first, None).unwrap();
    save(store, &new_dataset(theirs.id, "two", value()), None).unwrap();
    assert!(matches!(save(store, &new_dataset(ours.id, "three", value()), None), Err(Error::Taken { field: "identifier", .. })));
    let found = store.read(|conn| dataset::find_by_identifier(conn, ours.id, "K-1")).unwrap().unwrap();
    assert_eq!(found.id, first.id);
}

fn distributions_survive_removal(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let first = new_dataset(owner.id, "one", serde_json::json!({"title": "x", "distributions": [{"title": "f"}]}));
    save(store, &first, None).unwrap();
    let id = first.content.distributions[0].id;
    assert_eq!(store.read(|conn| distribution::find_dataset(conn, id)).unwrap(), Some((first.id, true)));
    let version = FileVersion {
        version: 1,
        sha256: "ab".repeat(32),
        byte_size: 3,
        file_name: "f.csv".to_owned(),
        media_type: "text/csv".to_owned(),
        created: now(),
        source_url: Some("https://www.example.jp/f.csv".to_owned()),
    };
    store.write::<_, Error>(|conn| distribution::add_version(conn, id, &version)).unwrap();
    let mut second = first.clone();
    second.revision = 2;
    second.content.distributions.clear();
    save(store, &second, Some(&first)).unwrap();
    assert_eq!(store.read(|conn| distribution::find_dataset(conn, id)).unwrap(), Some((first.id, false)));
    assert_eq!(store.read(|conn| distribution::versions(conn, id)).unwrap(), vec![version]);
    assert_eq!(store.read(distribution::all_hashes).unwrap().len(), 1);
    let mut stolen = new_dataset(owner.id, "two", serde_json::json!({"title": "x", "distributions": [{"title": "f"}]}));
    stolen.content.distributions[0].id = id;
    assert!(matches!(save(store, &stolen, None), Err(Error::Taken { noun: "distribution", .. })));
}

fn the_change_log_has_no_gaps_under_concurrent_writers(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let first = store.read(history::last_seq).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut position, mut seen) = (first, 0);
            loop {
                let ended = done.load(std::sync::atomic::Ordering::SeqCst);
                for change in store.read(|conn| history::changes_after(conn, position, 1000)).unwrap() {
                    position = change.seq;
                    seen += 1;
                }
                if ended {
                    break seen;
                }
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let owner_id = owner.id;
                scope.spawn(move || {
                    for number in 0..25 {
                        save(store, &new_dataset(owner_id, &format!("w{writer}-{number}"), serde_json::json!({"title": "x"})), None)
                            .unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        reader.join().unwrap()
    });
    assert_eq!(seen, 100);
}

fn a_job_is_run_by_one_worker_at_a_time(database: &Database) {
    let store = &database.store;
    let lease = Duration::seconds(60);
    let queued = store.write::<_, Error>(|conn| job::enqueue(conn, "harvest", "s", now())).unwrap();
    let again = store.write::<_, Error>(|conn| job::enqueue(conn, "harvest", "s", now())).unwrap();
    assert_eq!(queued.id, again.id);
    let claim = |owner: &'static str, at| store.write::<_, Error>(|conn| job::claim(conn, "harvest", None, owner, at, lease)).unwrap();
    let claimed = claim("a", now()).unwrap();
    assert_eq!((claimed.id, claimed.attempts), (queued.id, 1));
    assert_eq!(claim("b", now() + Duration::seconds(59)), None);
    let late = now() + Duration::seconds(61);
    assert_eq!(claim("b", late).unwrap().attempts, 2);
    assert!(!store.write::<_, Error>(|conn| job::heartbeat(conn, queued.id, "a", "{}", late, lease)).unwrap());
    assert!(store.write::<_, Error>(|conn| job::heartbeat(conn, queued.id, "b", r#"{"n":1}"#, late, lease)).unwrap());
    assert!(store.read(|conn| job::is_held(conn, queued.id, "b")).unwrap());
    let release = |prefix: &'static str| store.write::<_, Error>(|conn| job::release(conn, "harvest", prefix, late)).unwrap();
    assert_eq!((release("a"), release("b")), (0, 1));
    assert!(!store.read(|conn| job::is_held(conn, queued.id, "b")).unwrap());
    assert_eq!(claim("b", late).unwrap().attempts, 3);
    assert!(store.write::<_, Error>(|conn| job::finish(conn, queued.id, "b", "{}", None, late)).unwrap());
    assert_eq!(claim("c", late + Duration::days(1)), None);
    let jobs = store.read(|conn| job::list(conn, "harvest", Some("s"), 10)).unwrap();
    assert_eq!((jobs.len(), jobs[0].state), (1, job::JobState::Done));
}

const RULES: CountingRules =
    CountingRules { window: minato_counter::double_click_window, settle: minato_counter::settle, sums: |rows| minato_counter::sums(rows) };

fn click(at: DateTime<Utc>, visitor: &str, distribution_id: Uuid, dataset_id: Uuid) -> Download {
    Download {
        id: new_id(),
        at,
        first_at: at,
        clicks: 1,
        distribution_id,
        dataset_id,
        organization_id: Uuid::from_u128(1),
        class: ClientClass::Human,
        channel: Channel::File,
        visitor: format!("{visitor} {}", at.timestamp() / 3_600),
        click: visitor.to_owned(),
        click_before: None,
        referrer: String::new(),
        format: "CSV".to_owned(),
        agent_rule: "(browser)".to_owned(),
        method_version: 2,
    }
}

fn count(store: &Store, batch: &[Download]) {
    store.count(|conn| download::count(conn, batch, &RULES)).unwrap();
}

fn all() -> SumFilter {
    SumFilter { from: "2000-01-01".parse().unwrap(), to: "2099-12-31".parse().unwrap(), ..SumFilter::default() }
}

/// Day, downloads, sessions by file and by dataset.
fn totals_of(store: &Store, filter: &SumFilter, grain: Grain) -> Vec<(String, i64, i64, i64)> {
    let mut days = std::collections::BTreeMap::new();
    for sum in store.read(|conn| statistics::series(conn, filter, grain)).unwrap() {
        *days.entry(sum.start.to_string()).or_insert(Sums::default()) += sum.sums;
    }
    days.into_iter().map(|(day, sums)| (day, sums.total, sums.unique_files, sums.unique_datasets)).collect()
}

fn totals(store: &Store) -> Vec<(String, i64)> {
    totals_of(store, &all(), Grain::Day).into_iter().map(|(day, total, ..)| (day, total)).collect()
}

fn a_double_click_counts_once_and_the_last_stays(database: &Database) {
    let store = &database.store;
    let (file, other, dataset_id) = (new_id(), new_id(), new_id());
    let at = |seconds| now() + Duration::seconds(seconds);
    let batch = [
        click(at(0), "a", file, dataset_id),
        click(at(20), "a", file, dataset_id),
        click(at(45), "a", file, dataset_id),
        click(at(76), "a", file, dataset_id),
        click(at(77), "b", file, dataset_id),
        click(at(78), "a", other, dataset_id),
    ];
    for part in batch.chunks(2) {
        count(store, part);
    }
    assert_eq!(totals_of(store, &all(), Grain::Day), [("2026-11-20".to_owned(), 4, 3, 2)]);
    let day = jst_day(now());
    let by_dataset = store.read(|conn| statistics::by_dataset(conn, &all())).unwrap();
    assert_eq!((by_dataset.len(), by_dataset[&dataset_id].total), (1, 4));
    assert_eq!(store.read(|conn| statistics::totals_of_datasets(conn, &[dataset_id], day)).unwrap()[&dataset_id], 4);
    assert_eq!(store.read(|conn| statistics::by_distribution(conn, dataset_id)).unwrap()[&file].total, 3);
    let one = SumFilter { dataset_id: Some(dataset_id), distribution_id: Some(other), ..all() };
    assert_eq!(totals_of(store, &one, Grain::Month), [("2026-11-01".to_owned(), 1, 1, 0)]);
    let excluded = store.read(|conn| download::excluded(conn, "download", day, day)).unwrap();
    assert_eq!(excluded["double_click"], 2);
    assert_eq!(store.count(|conn| download::drop_rows(conn, at(1000))).unwrap(), 4);
    assert_eq!(totals(store), [("2026-11-20".to_owned(), 4)]);
}

fn double_clicks_over_midnight_move_to_the_new_day(database: &Database) {
    let store = &database.store;
    let (file, dataset_id) = (new_id(), new_id());
    let before = Utc.with_ymd_and_hms(2026, 11, 20, 14, 59, 50).unwrap();
    let late = before + Duration::seconds(20);
    count(store, &[click(before, "a", file, dataset_id)]);
    // The salt of the new day gives another key; the first minute also has that of the old day.
    count(
        store,
        &[Download { click_before: Some("a".to_owned()), click: "a of the new day".to_owned(), ..click(late, "a", file, dataset_id) }],
    );
    assert_eq!(totals_of(store, &all(), Grain::Day), [("2026-11-21".to_owned(), 1, 1, 1)]);
    // A server whose clock is behind.
    count(store, &[click(before + Duration::seconds(5), "a", file, dataset_id)]);
    assert_eq!(totals_of(store, &all(), Grain::Day), [("2026-11-21".to_owned(), 1, 1, 1)]);
    count(store, &[click(late + Duration::seconds(31), "b", file, dataset_id)]);
    assert_eq!(totals_of(store, &all(), Grain::Day), [("2026-11-21".to_owned(), 2, 2, 2)]);
}

fn clicks_in_any_order_and_batches_count_the_same(database: &Database) {
    let store = &database.store;
    let dataset_id = Uuid::from_u128(9);
    // Four visitors, three files, a click every 13 seconds for two hours: each visitor comes back to a file after 156 seconds or at once.
    let clicks: Vec<Download> = (0..550_i64)
        .flat_map(|number| {
            let at = now() + Duration::seconds(number * 13);
            let (visitor, file) = (format!("v{}", number % 4), Uuid::from_u128(u128::from((number % 3).unsigned_abs())));
            let again = click(at + Duration::seconds(7), &visitor, file, dataset_id);
            [click(at, &visitor, file, dataset_id), again]
        })
        .collect();
    let mut turned = clicks.clone();
    turned.reverse();
    turned.rotate_left(333);
    for chunk in turned.chunks(37) {
        count(store, chunk);
    }
    let expected = minato_counter::sums(&{
        let mut known = Vec::new();
        clicks.iter().for_each(|click| minato_counter::settle(&mut known, click.clone()));
        known
    });
    let expected = expected.into_values().fold(Sums::default(), |mut sum, one| {
        sum += one;
        sum
    });
    assert_eq!(expected.total, 550);
    let found = totals_of(store, &all(), Grain::Year);
    assert_eq!(found, [("2026-04-01".to_owned(), expected.total, expected.unique_files, expected.unique_datasets)]);
    // Counted again from the rows, it is the same.
    for day in ["2026-11-20", "2026-11-21"] {
        store.count(|conn| download::rebuild_day(conn, day.parse().unwrap())).unwrap();
    }
    assert_eq!(totals_of(store, &all(), Grain::Year), found);
}

fn settled_days_are_added_up_without_changing_any_answer(database: &Database) {
    let store = &database.store;
    let (first, second) = (Uuid::from_u128(11), Uuid::from_u128(12));
    let start = Utc.with_ymd_and_hms(2026, 3, 29, 1, 0, 0).unwrap();
    let clicks: Vec<Download> = (0..40_i64)
        .map(|number| {
            let dataset_id = if number % 3 == 0 { first } else { second };
            let class = if number % 4 == 0 { ClientClass::Machine } else { ClientClass::Human };
            let organization_id = Uuid::from_u128(if number < 20 { 1 } else { 2 });
            let at = start + Duration::hours(number * 30);
            Download { class, organization_id, ..click(at, &number.to_string(), Uuid::from_u128(number.unsigned_abs().into()), dataset_id) }
        })
        .collect();
    count(store, &clicks);
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    let ranges = [("2026-03-01", "2026-05-31"), ("2026-03-30", "2026-04-20"), ("2026-04-01", "2026-04-30"), ("2026-04-02", "2026-04-02")];
    let answers = || {
        let mut answers = Vec::new();
        for (from, to) in ranges {
            let filter = SumFilter { from: day(from), to: day(to), ..SumFilter::default() };
            for filter in [
                filter.clone(),
                SumFilter { dataset_id: Some(first), ..filter.clone() },
                SumFilter { organization_id: Some(Uuid::from_u128(2)), ..filter.clone() },
                SumFilter { class: Some(ClientClass::Machine), channel: Some(Channel::File), ..filter.clone() },
            ] {
                for grain in [Grain::Day, Grain::Month, Grain::Year] {
                    answers.push(format!("{:?}", totals_of(store, &filter, grain)));
                }
            }
            let sorted = |map: std::collections::HashMap<Uuid, Sums>| map.into_iter().collect::<std::collections::BTreeMap<_, _>>();
            answers.push(format!("{:?}", sorted(store.read(|conn| statistics::by_dataset(conn, &filter)).unwrap())));
            answers.push(format!("{:?}", sorted(store.read(|conn| statistics::by_organization(conn, &filter)).unwrap())));
            answers.push(format!("{:?}", store.read(|conn| statistics::by_format(conn, filter.from, filter.to)).unwrap()));
        }
        answers.push(format!("{:?}", store.read(|conn| statistics::by_distribution(conn, first)).unwrap().len()));
        answers
    };
    let expected = answers();
    for through in ["2026-03-30", "2026-03-31", "2026-04-14", "2026-04-14", "2026-06-01"] {
        store.count(|conn| statistics::roll_up(conn, day(through))).unwrap();
        assert_eq!(answers(), expected, "settled through {through}");
    }
    store.count(statistics::forget_rollup).unwrap();
    assert_eq!(answers(), expected);
}

fn sums_are_of_one_moment_while_days_are_added_up(database: &Database) {
    let store = &database.store;
    let start = Utc.with_ymd_and_hms(2026, 3, 29, 1, 0, 0).unwrap();
    let (file, dataset_id) = (new_id(), new_id());
    let clicks: Vec<Download> =
        (0..40_i64).map(|number| click(start + Duration::hours(number * 24), &number.to_string(), file, dataset_id)).collect();
    count(store, &clicks);
    std::thread::scope(|scope| {
        let settling = scope.spawn(|| {
            for round in 0..60 {
                let through = (start + Duration::days(round % 39)).date_naive();
                store
                    .count(|conn| {
                        statistics::forget_rollup(conn)?;
                        statistics::roll_up(conn, through)
                    })
                    .unwrap();
            }
        });
        let mut asked = 0;
        while !settling.is_finished() || asked == 0 {
            asked += 1;
            for grain in [Grain::Day, Grain::Month, Grain::Year] {
                let sums = store.read_at_once(|conn| statistics::series(conn, &all(), grain)).unwrap();
                assert_eq!(sums.iter().map(|sum| sum.sums.total).sum::<i64>(), 40, "{grain:?}");
            }
        }
    });
}

fn looks_at_pages_are_no_downloads(database: &Database) {
    let store = &database.store;
    let dataset_id = new_id();
    let page = |seconds| Download { channel: Channel::Page, ..click(now() + Duration::seconds(seconds), "a", dataset_id, dataset_id) };
    count(store, &[page(0), page(10), page(60), click(now(), "a", new_id(), dataset_id)]);
    assert_eq!(totals_of(store, &all(), Grain::Day), [("2026-11-20".to_owned(), 1, 1, 1)]);
    let looks = store.read(|conn| statistics::investigations(conn, &all())).unwrap();
    assert_eq!((looks.len(), looks[0].sums.total, looks[0].sums.unique_datasets), (1, 2, 1));
    store.count(|conn| download::rebuild_day(conn, jst_day(now()))).unwrap();
    assert_eq!(store.read(|conn| statistics::investigations(conn, &all())).unwrap(), looks);
}

fn made_up_referrers_do_not_fill_the_table(database: &Database) {
    let store = &database.store;
    let from = |number: i64| Download {
        referrer: format!("d{number}.example"),
        ..click(now() + Duration::seconds(number), &number.to_string(), new_id(), new_id())
    };
    count(store, &(0..990).map(from).collect::<Vec<_>>());
    count(store, &(980..1_020).map(from).collect::<Vec<_>>());
    let day = jst_day(now());
    let found = store.read(|conn| statistics::by_referrer(conn, day, day, 2_000)).unwrap();
    assert_eq!((found.len(), &found[0]), (1_001, &("(other)".to_owned(), 20)));
    assert_eq!(found.iter().map(|(_, total)| total).sum::<i64>(), 1_030);
}

fn targets_and_reports_are_kept(database: &Database) {
    let store = &database.store;
    let source =
        ReportSource { id: "dobox".to_owned(), kind: ReportKind::Reported, title: "DoboX".to_owned(), title_en: "DoboX".to_owned() };
    store.write::<_, Error>(|conn| indicator::save_report_source(conn, &source)).unwrap();
    store.write::<_, Error>(|conn| indicator::save_report_source(conn, &source)).unwrap();
    assert!(store.read(indicator::report_sources).unwrap().contains(&source));
    for (total, organization_id) in [(5, None), (7, None), (3, Some(Uuid::from_u128(1)))] {
        let report = Report { month: "2026-11".to_owned(), source: "dobox".to_owned(), organization_id, total, note: String::new() };
        let change = ReportChange { report, before: None, way: "api".to_owned(), actor: "test".to_owned(), at: now() };
        store.write::<_, Error>(|conn| indicator::set_report(conn, &change)).unwrap();
    }
    let reports = store.read(|conn| indicator::reports(conn, "2026-04", "2027-03")).unwrap();
    assert_eq!(reports.iter().map(|report| report.total).collect::<Vec<_>>(), [7, 3]);
    assert_eq!(store.read(|conn| indicator::report_changes(conn, 10)).unwrap().len(), 3);
    store.write::<_, Error>(|conn| indicator::set_value(conn, "training", "2026-11", 12.5, "", "test", now())).unwrap();
    store.write::<_, Error>(|conn| indicator::set_value(conn, "training", "2026-11", 13.5, "", "test", now())).unwrap();
    assert_eq!(store.read(|conn| indicator::values(conn, "training", "2026-01", "2026-12")).unwrap()["2026-11"], 13.5);
    for one in built_in_indicators().iter().chain(&built_in_indicators()) {
        store.write::<_, Error>(|conn| indicator::save_indicator(conn, one)).unwrap();
    }
    assert_eq!(store.read(indicator::indicators).unwrap(), built_in_indicators());
    store.write::<_, Error>(|conn| indicator::set_target(conn, "downloads_per_month", 2024, Some(27_000), 33_000)).unwrap();
    assert_eq!(store.read(|conn| indicator::target(conn, "downloads_per_month", 2026)).unwrap(), Some((Some(27_000), 33_000)));
}

fn harvest_records_and_outcomes_are_kept(database: &Database) {
    let store = &database.store;
    let owner = save_organization(store, "kure");
    let draft: HarvestSourceDraft = from_value(
        serde_json::json!({"slug": "kure-ckan", "title": "呉市", "kind": "ckan", "url": "https://example.jp", "organization": "kure"}),
    )
    .unwrap();
    let source = HarvestSource {
        id: new_id(),
        draft,
        organization_id: owner.id,
        state: RecordState::Active,
        revision: 1,
        created: now(),
        updated: now(),
    };
    store.write::<_, Error>(|conn| harvest::save(conn, &source, None, Action::Create, "test")).unwrap();
    assert_eq!(store.read(|conn| harvest::find_by_key(conn, "kure-ckan")).unwrap(), Some(source.clone()));
    let run = store.write::<_, Error>(|conn| job::enqueue(conn, "harvest", &source.id.to_string(), now())).unwrap();
    let mut record = harvest::HarvestRecord {
        source_id: source.id,
        remote_id: "r1".to_owned(),
        alternate_id: Some("7".to_owned()),
        dataset_id: None,
        content_hash: "h".to_owned(),
        raw: "{}".to_owned(),
        last_run_id: run.id,
        missing_runs: 0,
        missing_since: None,
        archived: false,
        updated: now(),
        draft: None,
        fingerprint: None,
    };
    store.write::<_, Error>(|conn| harvest::save_record(conn, &record)).unwrap();
    let later = new_id();
    let absent = store.read(|conn| harvest::unseen_records(conn, source.id, later)).unwrap();
    assert_eq!(absent.iter().map(|it| (it.remote_id.as_str(), it.dataset_id)).collect::<Vec<_>>(), [("r1", record.dataset_id)]);
    let unseen = |id: &str| store.read(|conn| harvest::find_unseen_by_alternate(conn, source.id, id, later)).unwrap();
    assert_eq!((unseen("7"), unseen("8")), (Some(record.clone()), None));
    store.write::<_, Error>(|conn| harvest::rename_record(conn, source.id, "r1", "r2")).unwrap();
    store.write::<_, Error>(|conn| harvest::rename_record(conn, source.id, "r2", "r1")).unwrap();
    store.write::<_, Error>(|conn| harvest::set_alternate(conn, source.id, "r1", Some("8"))).unwrap();
    record.alternate_id = Some("8".to_owned());
    // Renamed, it is written anew by the next run.
    record.content_hash = String::new();
    store.write::<_, Error>(|conn| harvest::touch_record(conn, source.id, "r1", later, now())).unwrap();
    assert_eq!(store.read(|conn| harvest::unseen_records(conn, source.id, later)).unwrap(), vec![]);
    record.last_run_id = later;
    assert_eq!(store.read(|conn| harvest::find_record(conn, source.id, "r1")).unwrap(), Some(record));
    assert_eq!(store.read(|conn| harvest::count_records(conn, source.id)).unwrap(), 1);
    for outcome in [RecordOutcome::Failed, RecordOutcome::Added] {
        let report =
            HarvestRecordReport { remote_id: "r1".to_owned(), outcome, cause: Some(Text::new("あ", "a")), dataset_id: None, raw: None };
        store.write::<_, Error>(|conn| harvest::save_outcome(conn, run.id, &report)).unwrap();
    }
    assert_eq!(store.read(|conn| harvest::count_outcomes(conn, run.id)).unwrap(), vec![(RecordOutcome::Added, 1)]);
    assert_eq!(store.read(|conn| harvest::list_outcomes(conn, run.id, None, None, 10)).unwrap().len(), 1);
    assert_eq!(store.read(|conn| harvest::find_outcome(conn, run.id, "r1")).unwrap(), Some(RecordOutcome::Added));
}

fn settings_and_idempotent_answers_are_kept(database: &Database) {
    let store = &database.store;
    for value in ["1", "2"] {
        store.write::<_, Error>(|conn| setting::set(conn, "salt.2026-11-20", value)).unwrap();
    }
    store.write::<_, Error>(|conn| setting::set(conn, "salt.2026-11-19", "x")).unwrap();
    store.write::<_, Error>(|conn| setting::remove_others(conn, "salt.", "salt.2026-11-20")).unwrap();
    assert_eq!(store.read(|conn| setting::get(conn, "salt.2026-11-20")).unwrap().as_deref(), Some("2"));
    assert_eq!(store.read(|conn| setting::get(conn, "salt.2026-11-19")).unwrap(), None);
    let answer = idempotency::Answer { request_hash: "h".to_owned(), status: 201, headers: "{}".to_owned(), body: "b".to_owned() };
    store.write::<_, Error>(|conn| idempotency::keep(conn, "u", "k", &answer, now())).unwrap();
    assert_eq!(store.read(|conn| idempotency::find(conn, "u", "k")).unwrap(), Some(answer));
    assert_eq!(store.read(|conn| idempotency::find(conn, "v", "k")).unwrap(), None);
    assert_eq!(store.write::<_, Error>(|conn| idempotency::forget(conn, now() + Duration::days(1))).unwrap(), 1);
    let word = Keyword {
        id: new_id(),
        draft: KeywordDraft { name: "防災".to_owned(), ..Default::default() },
        state: RecordState::Active,
        revision: 1,
        created: now(),
        updated: now(),
    };
    store.write::<_, Error>(|conn| keyword::save(conn, &word, None, Action::Create, "test")).unwrap();
    assert_eq!(store.read(|conn| keyword::find_by_key(conn, "防災")).unwrap(), Some(word));
}

fn members_and_tokens_are_found(database: &Database) {
    let store = &database.store;
    let (organization_id, user_id) = (new_id(), new_id());
    let member = Membership {
        id: new_id(),
        organization_id,
        user_id,
        role: Role::Editor,
        state: RecordState::Active,
        revision: 1,
        created: now(),
        updated: now(),
    };
    store.write::<_, Error>(|conn| membership::save(conn, &member, None, Action::Create, "test")).unwrap();
    assert_eq!(store.read(|conn| membership::of_user(conn, user_id)).unwrap(), vec![member.clone()]);
    assert_eq!(store.read(|conn| membership::of_organization(conn, organization_id)).unwrap(), vec![member]);
    let token = ApiToken {
        id: new_id(),
        user_id,
        label: "l".to_owned(),
        scope: TokenScope::default(),
        expires: None,
        state: RecordState::Active,
        revision: 1,
        created: now(),
        updated: now(),
    };
    let stored = api_token::StoredToken { token, hash: "f".repeat(64) };
    store.write::<_, Error>(|conn| api_token::save(conn, &stored, None, Action::Create, "test")).unwrap();
    assert_eq!(store.read(|conn| api_token::find_by_key(conn, &"f".repeat(64))).unwrap(), Some(stored));
    assert_eq!(store.read(|conn| membership::of_user(conn, new_id())).unwrap(), vec![]);
}

fn the_synonym_list_is_kept_with_its_history(database: &Database) {
    let store = &database.store;
    let id = SynonymList::DEFAULT;
    let first = SynonymList {
        id: id.to_owned(),
        draft: SynonymListDraft { text: "ごみ,廃棄物|リサイクル\n".to_owned() },
        state: RecordState::Active,
        revision: 1,
        created: now(),
        updated: now(),
    };
    assert_eq!(store.read(|conn| synonym_list::find_by_key(conn, id)).unwrap(), None);
    let saved = store.write::<_, Error>(|conn| synonym_list::save(conn, &first, None, Action::Create, "test")).unwrap();
    assert_eq!(store.read(|conn| synonym_list::find_by_key(conn, id)).unwrap(), Some(first.clone()));
    let changes = store.read(|conn| history::changes_after(conn, saved.seq - 1, 10)).unwrap();
    assert_eq!((changes[0].noun, changes[0].subject_id.as_str(), changes[0].revision), (Noun::SynonymList, id, 1));
    let away = SynonymList { state: RecordState::Archived, revision: 2, ..first.clone() };
    store.write::<_, Error>(|conn| synonym_list::save(conn, &away, Some(1), Action::Archive, "test")).unwrap();
    let stale = store.write::<_, Error>(|conn| synonym_list::save(conn, &away, Some(1), Action::Archive, "test")).unwrap_err();
    assert!(matches!(stale, Error::Stale { noun: Noun::SynonymList, .. }), "{stale}");
    let second = store.write::<_, Error>(|conn| synonym_list::save(conn, &first, None, Action::Create, "test")).unwrap_err();
    assert!(matches!(second, Error::Taken { noun: "synonym_list", .. }), "{second}");
    let revision = store.read(|conn| history::find_revision(conn, Noun::SynonymList, id, 1)).unwrap().unwrap();
    assert_eq!(revision.content["text"], "ごみ,廃棄物|リサイクル\n");
    assert_eq!(store.read(|conn| history::revisions(conn, Noun::SynonymList, id)).unwrap().len(), 2);
    assert_eq!(store.read(|conn| history::audit_events(conn, Noun::SynonymList, id, 10)).unwrap().len(), 2);
}

fn searches(query: &str, searches: i64, hits: Option<i64>) -> NewSearches {
    NewSearches { query: query.to_owned(), searches, hits }
}

fn clicks(query: &str, dataset_id: Uuid, clicks: i64) -> NewClicks {
    NewClicks { query: query.to_owned(), dataset_id, clicks }
}

fn add_searches(store: &Store, month: &str, searches: &[NewSearches], clicks: &[NewClicks]) {
    store.tally(|conn| search_log::add(conn, month, searches, clicks, 1_000)).unwrap();
}

fn top(store: &Store, month: &str, kind: SearchKind) -> Vec<(String, i64, Option<i64>)> {
    let found = store.read(|conn| search_log::top_queries(conn, month, kind, 10)).unwrap();
    found.into_iter().map(|query| (query.query, query.searches, query.hits)).collect()
}

fn searches_and_clicks_add_up_by_month(database: &Database) {
    let store = &database.store;
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    add_searches(store, "2026-10", &[searches("避難所", 7, Some(9))], &[]);
    add_searches(store, "2026-11", &[searches("避難所", 1, Some(3)), searches("ごみ", 2, None), searches("空", 1, Some(0))], &[]);
    // Counts rise; hits stay what they were until they become known again.
    add_searches(store, "2026-11", &[searches("避難所", 2, None), searches("ごみ", 1, Some(0))], &[clicks("避難所", one, 1)]);
    add_searches(store, "2026-11", &[searches("避難所", 1, Some(4))], &[clicks("避難所", one, 1), clicks("避難所", other, 3)]);
    let found = |query: &str, count, hits| (query.to_owned(), count, hits);
    assert_eq!(
        top(store, "2026-11", SearchKind::Popular),
        [found("避難所", 4, Some(4)), found("ごみ", 3, Some(0)), found("空", 1, Some(0))]
    );
    assert_eq!(top(store, "2026-11", SearchKind::Zero), [found("ごみ", 3, Some(0)), found("空", 1, Some(0))]);
    assert_eq!(top(store, "2026-10", SearchKind::Popular), [found("避難所", 7, Some(9))]);
    assert_eq!(store.read(search_log::months).unwrap(), ["2026-11", "2026-10"]);
    let queries = ["避難所".to_owned(), "ごみ".to_owned()];
    let clicked = store.read(|conn| search_log::clicks_of(conn, "2026-11", &queries)).unwrap();
    assert_eq!(clicked.into_iter().collect::<Vec<_>>(), [("避難所".to_owned(), vec![(other, 3), (one, 2)])]);
    assert!(store.read(|conn| search_log::clicks_of(conn, "2026-10", &queries)).unwrap().is_empty());
}

fn made_up_queries_do_not_fill_the_log(database: &Database) {
    let store = &database.store;
    let all: Vec<NewSearches> = (0..5).map(|number| searches(&format!("q{number}"), 1, None)).collect();
    store.tally(|conn| search_log::add(conn, "2026-11", &all, &[], 3)).unwrap();
    store.tally(|conn| search_log::add(conn, "2026-11", &all, &[], 3)).unwrap();
    assert_eq!(store.read(|conn| search_log::count_queries(conn, "2026-11")).unwrap(), 3);
    assert_eq!(top(store, "2026-11", SearchKind::Popular)[0], ("q0".to_owned(), 2, None), "those that are there go on rising");
    add_searches(store, "2026-11", &[], &[clicks("never searched", Uuid::from_u128(1), 1)]);
    let queries = ["never searched".to_owned()];
    assert!(store.read(|conn| search_log::clicks_of(conn, "2026-11", &queries)).unwrap().is_empty());
}

fn months_of_searches_are_dropped_whole(database: &Database) {
    let store = &database.store;
    for month in ["2024-09", "2024-10", "2026-11"] {
        add_searches(store, month, &[searches("避難所", 1, None)], &[clicks("避難所", Uuid::from_u128(1), 1)]);
    }
    assert_eq!(store.tally(|conn| search_log::drop_before(conn, "2024-10")).unwrap(), 1);
    assert_eq!(store.read(search_log::months).unwrap(), ["2026-11", "2024-10"]);
    let queries = ["避難所".to_owned()];
    assert!(store.read(|conn| search_log::clicks_of(conn, "2024-09", &queries)).unwrap().is_empty());
    assert_eq!(store.read(|conn| search_log::clicks_of(conn, "2024-10", &queries)).unwrap().len(), 1);
}

fn numbers_and_counts_of_the_previous_portal_are_kept(database: &Database) {
    let store = &database.store;
    let organization = save_organization(store, "kure");
    let new = new_dataset(organization.id, "hinanjo", serde_json::json!({}));
    save(store, &new, None).unwrap();
    let (first, second) = (new_id(), new_id());
    let set = |number: &str, id: Uuid| store.write::<_, Error>(|conn| previous_portal::set_resource_number(conn, number, id)).unwrap();
    assert_eq!([set("120", first), set("120", first), set("120", second)], [true, false, true]);
    assert_eq!(store.read(|conn| previous_portal::find_resource(conn, "120")).unwrap(), Some(second));
    assert_eq!(store.read(|conn| previous_portal::find_resource(conn, "121")).unwrap(), None);
    let number = || store.write::<_, Error>(|conn| previous_portal::set_dataset_number(conn, "12", new.id)).unwrap();
    assert_eq!([number(), number()], [true, false]);
    assert_eq!(store.read(|conn| dataset::find_by_alias(conn, "12")).unwrap().map(|found| found.id), Some(new.id));

    let row = |resource: &str, dataset_id: Option<Uuid>, total: i64| previous_portal::ReportedDownload {
        resource: resource.to_owned(),
        title: "t".to_owned(),
        dataset_id,
        distribution_id: (resource == "120").then_some(second),
        total,
    };
    let report = |rows: &[previous_portal::ReportedDownload]| {
        store.write::<_, Error>(|conn| previous_portal::replace_reported(conn, "2024-01", "portal", rows)).unwrap();
        store.read(|conn| previous_portal::reported_of_datasets(conn, &[new.id, new_id()])).unwrap()
    };
    let january = |id: Option<Uuid>, total: i64| ("2024-01".to_owned(), id, total);
    let mut reported =
        report(&[row("120", Some(new.id), 5), row("121", Some(new.id), 2), row("122", Some(new.id), 1), row("990", None, 9)]);
    reported.sort();
    assert_eq!(reported, [january(None, 3), january(Some(second), 5)]);
    assert_eq!(report(&[row("120", Some(new.id), 6)]), [january(Some(second), 6)]);
}

fn findings_of_links_are_kept_and_troubles_found(database: &Database) {
    let store = &database.store;
    let (owner, other) = (save_organization(store, "kure"), save_organization(store, "fuchu"));
    let new = new_dataset(owner.id, "one", serde_json::json!({"title": "x", "distributions": [{"title": "f"}, {"title": "g"}]}));
    save(store, &new, None).unwrap();
    let [first, second] = [0, 1].map(|number| new.content.distributions[number].id);
    let hour = |hours: i64| now() + Duration::hours(hours);
    let look = |distribution_id: Uuid, hours: i64, status: u16, url: &str| {
        let (at, finding) = (hour(hours), LinkFinding { status: Some(status), ..Default::default() });
        let (url, ok) = (url.to_owned(), status == 200);
        let check = LinkCheck { distribution_id, dataset_id: new.id, url, at, until: at, ok, finding };
        store.write::<_, Error>(|conn| link_check::save(conn, &check)).unwrap();
    };
    let troubled = |id: Uuid| -> Vec<(Uuid, Option<u16>, DateTime<Utc>)> {
        let found = store.read(|conn| link_check::troubled(conn, id)).unwrap();
        found.into_iter().map(|(check, since)| (check.distribution_id, check.finding.status, since)).collect()
    };
    // The same finding again only moves its end; another trouble of the same link goes on with the first.
    for (hours, status) in [(0, 404), (1, 200), (2, 404), (3, 404), (4, 500)] {
        look(first, hours, status, "https://example.jp/f");
    }
    look(second, 2, 404, "https://example.jp/g");
    look(second, 5, 200, "https://example.jp/g");
    assert_eq!(store.read(|conn| link_check::history(conn, first)).unwrap().len(), 4);
    assert_eq!((troubled(owner.id), troubled(other.id)), (vec![(first, Some(500), hour(2))], Vec::new()));
    let latest = store.read(|conn| link_check::latest_of_dataset(conn, new.id)).unwrap();
    let latest: std::collections::BTreeMap<Uuid, Option<u16>> =
        latest.into_iter().map(|check| (check.distribution_id, check.finding.status)).collect();
    assert_eq!(latest, [(first, Some(500)), (second, Some(200))].into());
    // Of another address nothing is known from before.
    look(first, 6, 404, "https://example.jp/h");
    assert_eq!(troubled(owner.id), [(first, Some(404), hour(6))]);
}
