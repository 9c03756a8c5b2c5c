//! Datasets: what is written, seen and refused.

use minato_app::catalog::{DatasetState, DistributionDraft, Organization, User, UserDraft, Viewer};
use minato_app::searching::SearchRequest;
use minato_app::{App, AppSettings, Context, Error, FileUpload, Idempotency, Status};
use serde_json::json;

use crate::{draft, fresh, organization, system};

fn found(app: &App, viewer: &Viewer, query: &str) -> usize {
    app.search(viewer, SearchRequest { query: query.to_owned(), ..Default::default() }).unwrap().results.total
}

#[test]
fn a_writer_finds_its_own_write() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    let public = Viewer::public();
    let made = app.create_dataset(&system(), draft(json!({"title": "指定避難所一覧", "organization": "kure"}))).unwrap().value;
    for query in ["避難所", "ひなんじょ", "避難"] {
        assert_eq!(found(app, &public, query), 1, "{query}");
    }
    app.patch_dataset(&system(), &made.content.slug, &json!({"title": "ＡＥＤ設置箇所"})).unwrap();
    assert_eq!((found(app, &public, "AED"), found(app, &public, "避難所")), (1, 0));
    app.archive_dataset(&system(), &made.id.to_string()).unwrap();
    assert_eq!(found(app, &public, "AED"), 0);
    assert!(matches!(app.dataset(&public, &made.content.slug), Err(Error::Gone { .. })));
    app.restore_dataset(&system(), &made.id.to_string()).unwrap();
    assert_eq!(found(app, &public, "AED"), 1);
}

#[test]
fn a_save_that_changes_nothing_leaves_no_trace() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    let body = json!({"title": "人口", "organization": "kure", "identifier": "K1", "distributions": [{"title": "a", "download_url": "https://example.jp/a.csv"}]});
    let first = app.upsert_dataset(&system(), "kure", "K1", draft(body)).unwrap();
    assert_eq!(first.status, Status::Created);
    let same = draft(json!({"title": "人口", "organization": "kure"}));
    let again = app.upsert_dataset(&system(), "kure", "K1", same).unwrap();
    assert_eq!((again.status, &again.value), (Status::Unchanged, &first.value));
    assert_eq!(app.dataset_history(&Viewer::public(), &first.value.content.slug).unwrap().len(), 1);
}

#[test]
fn stale_and_dry_and_repeated_changes() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    let key = Idempotency { key: "k".to_owned(), request_hash: "h".to_owned() };
    let context = Context { idempotency: Some(key.clone()), ..system() };
    let body = || draft(json!({"title": "一", "organization": "kure"}));
    let first = app.create_dataset(&context, body()).unwrap();
    let again = app.create_dataset(&context, body()).unwrap();
    assert_eq!((again.replayed, again.status, again.value.id), (true, Status::Created, first.value.id));
    let other = Context { idempotency: Some(Idempotency { request_hash: "other".to_owned(), ..key }), ..system() };
    assert!(matches!(app.create_dataset(&other, body()), Err(Error::Conflict(error)) if error.code == "idempotency_key_reused"));

    let slug = &first.value.content.slug;
    let stale = Context { expected: Some(7), ..system() };
    assert!(matches!(app.patch_dataset(&stale, slug, &json!({"title": "二"})), Err(Error::PreconditionFailed { current: 1 })));

    let dry = Context { dry_run: true, ..system() };
    assert_eq!(app.patch_dataset(&dry, slug, &json!({"title": "三"})).unwrap().value.content.title, "三");
    assert_eq!(app.dataset(&Viewer::public(), slug).unwrap().dataset.content.title, "一");
    assert_eq!(app.create_dataset(&dry, body()).unwrap().status, Status::Created);
    assert_eq!(app.dataset_slugs(&Viewer::public(), -1, 0).unwrap().len(), 1);
}

#[test]
fn only_those_who_may_write_do() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    organization(app, "fuchu");
    app.create::<User>(&system(), None, UserDraft { name: "hanako".to_owned(), ..Default::default() }).unwrap();
    app.set_member(&system(), "kure", "hanako", minato_app::catalog::Role::Editor).unwrap();
    let hanako = Context::new(app.viewer_of_user("hanako").unwrap());
    let body = |organization: &str, state: &str| draft(json!({"title": "x", "organization": organization, "state": state}));
    assert!(matches!(app.create_dataset(&Context::default(), body("kure", "draft")), Err(Error::Unauthenticated)));
    assert!(matches!(app.create_dataset(&hanako, body("fuchu", "draft")), Err(Error::Forbidden(_))));
    assert!(matches!(app.create_dataset(&hanako, body("kure", "published")), Err(Error::Forbidden(_))));
    let made = app.create_dataset(&hanako, body("kure", "draft")).unwrap().value;
    let key = made.id.to_string();
    assert!(matches!(app.dataset(&Viewer::public(), &key), Err(Error::NotFound { .. })));
    assert_eq!(app.dataset(&hanako.viewer, &key).unwrap().dataset.content.state, DatasetState::Draft);
    assert!(matches!(app.archive_dataset(&hanako, &key), Err(Error::Forbidden(_))));
    assert!(matches!(app.patch_dataset(&hanako, &key, &json!({"organization": "fuchu"})), Err(Error::Forbidden(_))));
    assert!(matches!(app.archive::<Organization>(&system(), "kure"), Err(Error::Conflict(error)) if error.code == "in_use"));
    let read_only = Context::new(Viewer { read_only: true, ..hanako.viewer });
    assert!(matches!(app.patch_dataset(&read_only, &key, &json!({"title": "y"})), Err(Error::Forbidden(_))));
}

#[test]
fn tokens_open_and_revoked_ones_do_not() {
    let fresh = fresh();
    let app = &fresh.app;
    app.create::<User>(&system(), None, UserDraft { name: "taro".to_owned(), admin: true, ..Default::default() }).unwrap();
    let new = app.create_token(&system(), "taro", "test", Default::default(), None).unwrap();
    assert!(app.authenticate(&new.secret).unwrap().admin);
    assert!(matches!(app.authenticate("minato_wrong"), Err(Error::Unauthenticated)));
    app.revoke_token(&system(), &new.token.id.to_string()).unwrap();
    assert!(matches!(app.authenticate(&new.secret), Err(Error::Unauthenticated)));
}

fn upload(app: &App, name: &str, bytes: &[u8]) -> FileUpload {
    let mut upload = app.blobs().begin(1_000_000).unwrap();
    upload.write(bytes).unwrap();
    let detected = minato_app::files::detect_media_type(name, upload.head());
    FileUpload { upload, file_name: name.to_owned(), detected, accept_mismatch: false }
}

#[test]
fn files_have_versions_and_survive_edits_and_removal() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    let made = app.create_dataset(&system(), draft(json!({"title": "x", "organization": "kure"}))).unwrap().value;
    let slug = made.content.slug;
    let first = app
        .create_distribution_with_file(&system(), &slug, DistributionDraft::default(), upload(app, "../../a.csv", b"a,b\n1,2\n"))
        .unwrap()
        .value;
    assert_eq!((first.title.as_str(), first.format.as_deref(), first.byte_size), ("a.csv", Some("CSV"), Some(8)));
    let id = first.id.to_string();
    let same = app.add_file(&system(), &id, upload(app, "a.csv", b"a,b\n1,2\n")).unwrap();
    assert_eq!(same.status, Status::Unchanged);
    let second = app.add_file(&system(), &id, upload(app, "a.csv", b"a,b\n3,4\n")).unwrap().value;
    assert_eq!(second.file.as_ref().map(|file| file.version), Some(2));
    app.patch_dataset(&system(), &slug, &json!({"title": "y", "distributions": [{"id": id, "title": "改名"}]})).unwrap();
    let kept = app.distribution(&Viewer::public(), &id).unwrap().distribution;
    assert_eq!((kept.title.as_str(), kept.file), ("改名", second.file));
    app.archive_distribution(&system(), &id).unwrap();
    assert!(matches!(app.distribution(&Viewer::public(), &id), Err(Error::NotFound { .. })));
    assert_eq!(app.restore_distribution(&system(), &id).unwrap().value.title, "改名");
    assert_eq!(app.versions(&Viewer::public(), &id).unwrap().len(), 2);
    let html = app.add_file(&system(), &id, upload(app, "a.csv", b"<!DOCTYPE html><html><body>404</body></html>"));
    assert!(matches!(html, Err(Error::Invalid(errors)) if errors[0].code == "media_type_mismatch"));
}

#[test]
fn only_files_of_changes_that_were_made_are_kept() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    let slug = app.create_dataset(&system(), draft(json!({"title": "x", "organization": "kure"}))).unwrap().value.content.slug;
    let new = |context: &Context, bytes: &[u8]| {
        let upload = upload(app, "a.csv", bytes);
        let sha256 = upload.upload.sha256();
        (app.create_distribution_with_file(context, &slug, DistributionDraft::default(), upload), sha256)
    };
    let kept = |sha256: &str| app.blobs().contains(sha256).unwrap();
    let (made, sha256) = new(&Context { dry_run: true, ..system() }, b"a,b\n1,2\n");
    assert!(made.is_ok() && !kept(&sha256));
    let (made, sha256) = new(&Context { expected: Some(99), ..system() }, b"a,b\n1,2\n");
    assert!(matches!(made, Err(Error::PreconditionFailed { .. })) && !kept(&sha256));
    let (made, sha256) = new(&Context::new(Viewer::public()), b"a,b\n1,2\n");
    assert!(made.is_err() && !kept(&sha256));
    let (made, sha256) = new(&system(), b"a,b\n1,2\n");
    let id = made.unwrap().value.id.to_string();
    assert!(kept(&sha256));
    let stale = Context { expected: Some(1), ..system() };
    let second = upload(app, "a.csv", b"a,b\n3,4\n");
    let sha256 = second.upload.sha256();
    assert!(matches!(app.add_file(&stale, &id, second), Err(Error::PreconditionFailed { .. })) && !kept(&sha256));
    let incoming = std::fs::read_dir(app.settings().data_dir.join("files/incoming")).unwrap().count();
    assert_eq!(incoming, 0, "refused uploads are gone");
}

#[test]
fn a_lost_index_is_built_again_and_a_late_one_catches_up() {
    let mut fresh = fresh();
    organization(&fresh.app, "kure");
    for number in 0..3 {
        fresh.app.create_dataset(&system(), draft(json!({"title": format!("避難所{number}"), "organization": "kure"}))).unwrap();
    }
    // Another process writes without the index, as the command line does.
    let beside = App::open(AppSettings { index: false, ..AppSettings::new(fresh.directory.path()) }).unwrap();
    beside.create_dataset(&system(), draft(json!({"title": "避難所3", "organization": "kure"}))).unwrap();
    drop(beside);
    fresh.app.wait_for_index().unwrap();
    assert_eq!(found(&fresh.app, &Viewer::public(), "避難所"), 4);
    assert!(matches!(App::open(AppSettings::new(fresh.directory.path())), Err(Error::Conflict(error)) if error.code == "index_locked"));
    assert_eq!(fresh.app.rebuild_index(|_| {}).unwrap(), 4);
    assert_eq!(found(&fresh.app, &Viewer::public(), "避難所"), 4);

    let settings = fresh.app.settings().clone();
    fresh.app.stop();
    let empty = crate::fresh();
    let old = std::mem::replace(&mut fresh.app, empty.app.clone());
    drop(old);
    let search = settings.data_dir.join("search");
    // The indexer lets go of the directory when its thread ends.
    for _ in 0..100 {
        if std::fs::remove_dir_all(&search).is_ok()
            && App::open(settings.clone()).is_ok_and(|app| {
                app.wait_for_index().unwrap();
                let total = found(&app, &Viewer::public(), "避難所");
                app.stop();
                total == 4
            })
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the index was not built again");
}

#[test]
fn files_that_nobody_has_are_found_and_the_old_ones_removed() {
    let fresh = fresh();
    let app = &fresh.app;
    organization(app, "kure");
    let made = app.create_dataset(&system(), draft(json!({"title": "避難所", "organization": "kure"}))).unwrap().value;
    let leftovers = || app.examine(false).unwrap().pop().unwrap();
    // As after a kill between keeping the bytes and keeping the change, two days ago and now.
    let leave = |content: &[u8], days: u64| {
        let mut upload = app.blobs().begin(1_000).unwrap();
        upload.write(content).unwrap();
        let path = app.blobs().path(&upload.finish().unwrap().sha256).unwrap();
        let at = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    };
    leave(b"old", 2);
    let found = leftovers();
    assert!(found.state == minato_app::CheckState::Warning && found.detail.en.contains("knows none"), "{found:?}");
    assert_eq!(app.remove_leftovers().unwrap(), (0, 0), "a database that knows no file is probably the wrong one");

    app.create_distribution_with_file(&system(), &made.content.slug, DistributionDraft::default(), upload(app, "a.csv", b"a\n1\n"))
        .unwrap();
    leave(b"new", 0);
    let found = leftovers();
    assert!(found.state == minato_app::CheckState::Warning && found.detail.en.starts_with("1 files (3 bytes)"), "{found:?}");
    assert_eq!(app.remove_leftovers().unwrap(), (1, 3));
    let found = leftovers();
    assert!(found.state == minato_app::CheckState::Good && found.detail.en.starts_with("1, "), "{found:?}");
    assert!(app.examine(true).unwrap().iter().all(|check| check.state == minato_app::CheckState::Good));
}

#[cfg(unix)]
#[test]
fn only_its_own_user_looks_into_a_new_data_directory() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let app = App::open(AppSettings::new(&data)).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
    }
    app.stop();
}

#[test]
fn an_export_comes_back_whole() {
    let (from, to) = (fresh(), fresh());
    organization(&from.app, "kure");
    let made =
        from.app.create_dataset(&system(), draft(json!({"title": "避難所", "organization": "kure", "keywords": ["防災"]}))).unwrap().value;
    from.app
        .create_distribution_with_file(&system(), &made.content.slug, DistributionDraft::default(), upload(&from.app, "a.csv", b"a\n1\n"))
        .unwrap();
    let directory = from.directory.path().join("export");
    let counts = from.app.export(&directory, |_| {}).unwrap();
    assert_eq!((counts.datasets, counts.files), (1, 1));
    let report = to.app.import(&directory, "test", |_| {}).unwrap();
    assert_eq!((report.taken.datasets, report.taken.files, report.failures), (1, 1, vec![]));
    let key = made.id.to_string();
    let (a, b) = (from.app.dataset(&Viewer::public(), &key).unwrap().dataset, to.app.dataset(&Viewer::public(), &key).unwrap().dataset);
    assert_eq!(a.content, b.content);
    let again = to.app.import(&directory, "test", |_| {}).unwrap();
    assert_eq!((again.taken.datasets, again.taken.files), (0, 0));
    assert!(to.app.examine(true).unwrap().iter().all(|check| check.state == minato_app::CheckState::Good));
}
