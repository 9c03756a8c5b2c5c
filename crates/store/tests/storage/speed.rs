//! How long sums take at a million rows and ten years: `cargo test --release -p minato-store --test storage speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use diesel::RunQueryDsl;
use minato_store::download;
use minato_store::statistics::{self, Grain, SumFilter};
use uuid::Uuid;

use crate::database::{Database, postgresql, sqlite};

const YEARS: u64 = 10;
const DATASETS: i64 = 1_300;
const ROWS_A_DAY: i64 = 275;

#[test]
#[ignore = "measures; a minute"]
fn on_sqlite() {
    measure(&sqlite());
}

#[test]
#[ignore = "measures; a minute"]
fn on_postgresql() {
    if let Some(database) = postgresql() {
        measure(&database);
    }
}

fn measure(database: &Database) {
    let store = &database.store;
    store.migrate().unwrap();
    let last: NaiveDate = "2026-11-22".parse().unwrap();
    let first = last - Days::new(365 * YEARS);
    fill_days(database, first, last);
    let timed = |what: &str, limit: u64, f: &dyn Fn()| {
        let (begin, busy) = (Instant::now(), busy_seconds());
        f();
        let took = begin.elapsed();
        println!("{:?} {what}: {took:.1?} ({:.2} s of processor in this process)", store.backend(), busy_seconds() - busy);
        if !cfg!(debug_assertions) {
            assert!(took < Duration::from_millis(limit), "{what} took {took:?}");
        }
    };
    timed("a million rows of history added up", 10_000, &|| store.count(|conn| statistics::roll_up(conn, last)).unwrap());
    let all = SumFilter { from: first, to: last, ..SumFilter::default() };
    let one = SumFilter { dataset_id: Some(Uuid::from_u128(7)), ..all.clone() };
    let year = SumFilter { from: last - Days::new(364), ..all.clone() };
    let read = |filter: &SumFilter, grain| drop(store.read(|conn| statistics::series(conn, filter, grain)).unwrap());
    timed("ten years by month", 50, &|| read(&all, Grain::Month));
    timed("ten years by day", 50, &|| read(&all, Grain::Day));
    timed("ten years of a dataset by month", 50, &|| read(&one, Grain::Month));
    timed("ten years of a dataset by day", 50, &|| read(&one, Grain::Day));
    timed("ranking of ten years", 50, &|| drop(store.read(|conn| statistics::by_dataset(conn, &all)).unwrap()));
    timed("ranking of a year", 50, &|| drop(store.read(|conn| statistics::by_dataset(conn, &year)).unwrap()));
    timed("organizations of ten years", 50, &|| drop(store.read(|conn| statistics::by_organization(conn, &all)).unwrap()));
    timed("formats of a year", 50, &|| drop(store.read(|conn| statistics::by_format(conn, year.from, year.to)).unwrap()));
    timed("files of a dataset", 50, &|| drop(store.read(|conn| statistics::by_distribution(conn, Uuid::from_u128(7))).unwrap()));
    fill_rows(database, last);
    timed("a million single downloads counted again", 10_000, &|| store.count(|conn| download::rebuild_day(conn, last)).unwrap());
}

/// Processor time of this process so far; what a machine that others use too takes says less.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |place: usize| stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(place)?.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

/// A text that is a UUID of a number, in SQL of both databases.
fn uuid_of(number: &str) -> String {
    let text = format!("CAST({number} AS TEXT)");
    format!("SUBSTR('00000000-0000-0000-0000-000000000000', 1, 36 - LENGTH({text})) || {text}")
}

fn fill_days(database: &Database, first: NaiveDate, last: NaiveDate) {
    let days = first.iter_days().take_while(|day| *day <= last);
    database
        .store
        .count(|conn| {
            for (number, day) in (0_i64..).zip(days) {
                let dataset = format!("(1 + (i * 4 + {number}) % {DATASETS})");
                diesel::sql_query(format!(
                    "INSERT INTO download_day (day, distribution_id, dataset_id, organization_id, class, channel, total, unique_files, unique_datasets, format) \
                     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
                     SELECT '{day}', {}, {}, {}, CASE WHEN i % 4 = 0 THEN 'machine' ELSE 'human' END, 'file', 3, 2, 1, CASE WHEN i % 3 = 0 THEN 'CSV' ELSE 'XLSX' END FROM n",
                    ROWS_A_DAY - 1,
                    uuid_of(&format!("({dataset} + 10000 * (i % 2))")),
                    uuid_of(&dataset),
                    uuid_of(&format!("({dataset} % 24 + 1)")),
                ))
                .execute(conn)?;
            }
            Ok(())
        })
        .unwrap();
}

/// A million single rows of one day.
fn fill_rows(database: &Database, day: NaiveDate) {
    let at = match database.store.backend() {
        minato_store::Backend::Sqlite => format!("'{day} 03:00:00'"),
        minato_store::Backend::Postgresql => format!("TIMESTAMP '{day} 03:00:00'"),
    };
    database
        .store
        .count(|conn| {
            diesel::sql_query(format!(
                "INSERT INTO download (id, at, day, distribution_id, dataset_id, organization_id, class, channel, visitor, click, method_version, first_at) \
                 WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999999) \
                 SELECT {}, {at}, '{day}', {}, {}, {}, 'human', 'file', CAST(i % 50000 AS TEXT), CAST(i % 50000 AS TEXT), 2, {at} FROM n",
                uuid_of("i"),
                uuid_of("(i % 2600)"),
                uuid_of("(i % 1300)"),
                uuid_of("(i % 24)"),
            ))
            .execute(conn)?;
            Ok(())
        })
        .unwrap();
}
