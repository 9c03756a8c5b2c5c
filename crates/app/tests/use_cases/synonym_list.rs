use std::time::{Duration, Instant};

use minato_app::catalog::{SynonymListDraft, Viewer};
use minato_app::searching::SearchRequest;
use minato_app::{App, AppSettings};
use serde_json::json;

use crate::{draft, fresh, organization, system};

fn list(text: &str) -> SynonymListDraft {
    SynonymListDraft { text: text.to_owned() }
}

fn finds(app: &App, query: &str) -> usize {
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    app.search(&Viewer::public(), request).unwrap().results.total
}

#[test]
fn synonyms_reach_the_other_servers_and_outlive_a_restart() {
    let here = fresh();
    organization(&here.app, "kure");
    here.app.create_dataset(&system(), draft(json!({"organization": "kure", "title": "除細動器の一覧"}))).unwrap();
    // Another server has an index of its own over the same database.
    let directory = tempfile::tempdir().unwrap();
    let open_there = || {
        let database = here.directory.path().join("minato.sqlite");
        let settings = AppSettings::new(directory.path());
        App::open(AppSettings { database_url: Some(format!("sqlite://{}", database.display())), ..settings }).unwrap()
    };
    let there = open_there();
    there.wait_for_index().unwrap();
    assert_eq!((finds(&here.app, "びりびり君"), finds(&there, "びりびり君")), (0, 0));

    let generation = there.generation();
    here.app.replace_synonyms(&system(), list("びりびり君,除細動器")).unwrap();
    assert_eq!(finds(&here.app, "びりびり君"), 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while finds(&there, "びりびり君") == 0 {
        assert!(Instant::now() < deadline, "the change did not arrive");
        std::thread::sleep(Duration::from_millis(20));
    }
    there.wait_for_index().unwrap();
    assert!(there.generation() > generation, "answers kept before are not given again");
    there.stop();
    drop(there);

    let there = open_there();
    assert_eq!(finds(&there, "びりびり君"), 1, "the stored list is in use from the start");
    there.rebuild_index(|_| {}).unwrap();
    assert_eq!(finds(&there, "びりびり君"), 1);
    here.app.reset_synonyms(&system()).unwrap();
    there.rebuild_index(|_| {}).unwrap();
    assert_eq!(finds(&there, "びりびり君"), 0);
    there.stop();
}
