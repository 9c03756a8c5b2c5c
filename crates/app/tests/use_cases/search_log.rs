use minato_app::catalog::Viewer;
use minato_app::store::search_log::SearchKind;
use minato_app::{App, AppSettings, Error};

use crate::{fresh, system};

fn counted(app: &App) -> Vec<(String, i64)> {
    let found = app.search_statistics(&system().viewer, None, SearchKind::Popular, 10).unwrap();
    found.queries.into_iter().map(|query| (query.query, query.searches)).collect()
}

#[test]
fn the_last_searches_are_written_at_the_stop() {
    let site = fresh();
    for _ in 0..1_200 {
        site.app.note_search("避難所", Some(3));
    }
    site.app.stop();
    // Noted too late: not counted, and nothing waits for it.
    site.app.note_search("避難所", None);
    site.app.flush_search_log();
    assert_eq!(counted(&site.app), [("避難所".to_owned(), 1_200)]);
}

#[test]
fn a_log_that_cannot_write_lets_searches_go_on() {
    let site = fresh();
    // The log waits for this transaction; nobody waits for the log.
    site.app
        .store()
        .write::<_, minato_app::store::Error>(|_| {
            for number in 0..20_000 {
                site.app.note_search(&format!("q{number}"), None);
            }
            Ok(())
        })
        .unwrap();
    site.app.flush_search_log();
    let found = site.app.search_statistics(&system().viewer, None, SearchKind::Popular, 100_000).unwrap();
    assert!((4_096..20_000).contains(&found.queries.len()), "{}", found.queries.len());
}

#[test]
fn who_does_not_work_here_sees_no_searches() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::open(AppSettings::new(directory.path())).unwrap();
    let ask = |viewer: &Viewer| app.search_statistics(viewer, None, SearchKind::Popular, 10).map(|_| ());
    assert!(matches!(ask(&Viewer::public()), Err(Error::Unauthenticated)));
    let guest = Viewer { user_id: Some(uuid::Uuid::from_u128(1)), name: "guest".to_owned(), ..Viewer::default() };
    assert!(matches!(ask(&guest), Err(Error::Forbidden(_))));
    app.stop();
}
