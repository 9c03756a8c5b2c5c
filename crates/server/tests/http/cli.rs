//! The command line, as somebody at a terminal meets it.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harvesting::Harvesting;

/// `minato` beside a catalog that is open already.
fn command(h: &Harvesting, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minato"));
    command
        .args(arguments)
        .args(["--data", h.site.dir.path().to_str().unwrap()])
        .env("LC_ALL", "C.UTF-8")
        .env("MINATO_HARVEST_ALLOW_ADDRESSES", h.sites.addresses().join(","));
    command
}

fn minato(h: &Harvesting, arguments: &[&str]) -> Output {
    command(h, arguments).output().unwrap()
}

#[track_caller]
fn says(h: &Harvesting, arguments: &[&str]) -> String {
    let output = minato(h, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out
}

#[track_caller]
fn refuses(h: &Harvesting, arguments: &[&str], words: &str) {
    let output = minato(h, arguments);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && err.contains(words), "{arguments:?}: {err}");
}

#[actix_web::test]
async fn a_source_is_tried_registered_and_harvested_from_a_terminal() {
    let h = Harvesting::start();
    let source = h.sites.source("kure-shi").unwrap();
    let place = ["--kind", "ckan", "--url", &source.url, "--organization", "kure-shi"];
    let with = |first: &[&'static str]| -> Vec<String> { first.iter().chain(&place).map(|text| (*text).to_owned()).collect() };
    let call = |words: Vec<String>| says(&h, &words.iter().map(String::as_str).collect::<Vec<_>>());

    assert!(says(&h, &["harvest", "list"]).contains("minato harvest add"));
    let preview = call(with(&["harvest", "preview"]));
    assert!(preview.contains(" 1. ") && preview.contains("nothing was written"), "{preview}");
    assert!(call(with(&["harvest", "validate", "--schedule", "@nightly"])).contains("nothing is wrong"));
    refuses(&h, &["harvest", "preview"], "--kind");
    refuses(
        &h,
        &["harvest", "add", "kure", "--kind", "fax", "--url", "https://example.jp", "--organization", "kure-shi"],
        "open_data_list",
    );
    let wrong = ["harvest", "add", "K", "--kind", "ckan", "--url", "ftp://x", "--organization", "nowhere", "--schedule", "daily"];
    refuses(&h, &wrong, "30 3 * * *");
    assert!(call(with(&["harvest", "add", "kure", "--dry-run"])).contains("not registered"));
    assert!(
        call(with(&["harvest", "add", "kure", "--schedule", "30 3 * * *", "--map", "frequencies:ときどき=irregular"])).contains("kure")
    );
    let shown = says(&h, &["harvest", "show", "kure"]);
    assert!(shown.contains("03:30") && shown.contains("ときどき"), "{shown}");

    assert!(says(&h, &["harvest", "run", "kure"]).starts_with("complete: added "));
    let run: Value = serde_json::from_str(&says(&h, &["harvest", "run", "kure", "--json"])).unwrap();
    assert_eq!(run["status"], "complete");
    let listed = says(&h, &["harvest", "list"]);
    assert!(listed.contains("SOURCE") && listed.contains("complete ") && listed.contains("03:30"), "{listed}");
    let listed: Value = serde_json::from_str(&says(&h, &["harvest", "list", "--json"])).unwrap();
    assert_eq!((&listed[0]["source"]["slug"], &listed[0]["open_decisions"]), (&"kure".into(), &0.into()));
    assert_eq!(says(&h, &["harvest", "history", "kure"]).lines().count(), 3);
    assert!(says(&h, &["harvest", "errors", "kure"]).contains("no record failed"));
    says(&h, &["harvest", "notices", "kure"]);

    says(&h, &["harvest", "pause", "kure"]);
    refuses(&h, &["harvest", "run", "kure"], "harvest resume");
    assert!(says(&h, &["harvest", "resume", "kure"]).contains("03:30"));
    assert!(says(&h, &["harvest", "cancel", "kure"]).contains("complete"));
    assert!(says(&h, &["harvest", "corrections", "kure"]).contains("nothing was corrected"));
    assert!(says(&h, &["harvest", "corrections", "kure", "--csv"]).starts_with("\u{feff}remote_id,"));
    refuses(&h, &["harvest", "show", "nowhere"], "harvest list");
    refuses(&h, &["harvest", "errors", "nowhere"], "harvest list");
}

#[actix_web::test]
async fn what_failed_and_what_waits_is_shown_at_a_terminal() {
    let h = Harvesting::start();
    h.add(h.draft("mihara", "mihara-shi"));
    h.harvest("mihara");
    let plain = says(&h, &["harvest", "errors", "mihara"]);
    let raw = says(&h, &["harvest", "errors", "mihara", "--raw"]);
    assert!(raw.len() > plain.len() && raw.contains("    {"), "{raw}");
    let failed: Value = serde_json::from_str(&says(&h, &["harvest", "errors", "mihara", "--raw", "--json"])).unwrap();
    assert!(failed[0]["raw"].is_string());

    assert!(says(&h, &["harvest", "decisions"]).contains("nothing waits"));
    h.twice().await;
    assert!(says(&h, &["harvest", "decisions"]).contains("nothing waits"), "copies are linked by themselves");
    let copies = ["harvest", "decisions", "--kind", "duplicate", "--source", "kure-again"];
    let open: Value = serde_json::from_str(&says(&h, &[&copies[..], &["--json"]].concat())).unwrap();
    let id = open[0]["id"].as_str().unwrap();
    let listed = says(&h, &copies);
    assert!(listed.contains("decide ID") && listed.contains("duplicate\tautomatic"), "{listed}");
    assert!(says(&h, &["harvest", "decide", id, "reject"]).contains("rejected"));
    refuses(&h, &["harvest", "decide", "none", "accept"], "harvest decisions");
    refuses(&h, &["harvest", "decide", id, "perhaps"], "accept");
}

#[actix_web::test]
async fn links_are_looked_at_from_a_terminal() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    h.harvest("kure");
    assert!(says(&h, &["harvest", "links", "list", "kure-shi"]).contains("no link is known"));
    assert!(says(&h, &["harvest", "links", "check", "kure"]).contains(" 0 in trouble"));
    h.sites.edit("kure-shi", |datasets| datasets[0].files[0].name = "elsewhere.csv".to_owned()).unwrap();
    let checked = says(&h, &["harvest", "links", "check", "kure"]);
    assert!(checked.contains(" 1 in trouble") && checked.contains("SINCE") && checked.contains("404"), "{checked}");
    let checked: Value = serde_json::from_str(&says(&h, &["harvest", "links", "check", "kure", "--json"])).unwrap();
    assert_eq!((&checked["run"]["status"], &checked["links"][0]["status"]), (&"complete".into(), &404.into()));
    for key in ["kure-shi", "342025"] {
        let listed: Value = serde_json::from_str(&says(&h, &["harvest", "links", "list", key, "--json"])).unwrap();
        assert_eq!(listed, checked["links"]);
    }
    assert!(says(&h, &["harvest", "links", "list", "kure-shi", "--csv"]).starts_with("\u{feff}title,file,url,"));
    refuses(&h, &["harvest", "links", "check", "nowhere"], "harvest list");
    refuses(&h, &["harvest", "links", "list", "nowhere"], "organization `nowhere`");
}

#[test]
fn proxies_are_a_list_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let migrate = |proxies: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minato"));
        command.args(["--data", directory.path().to_str().unwrap(), "migrate"]).env("MINATO_SERVER_TRUSTED_PROXIES", proxies);
        command.output().unwrap()
    };
    for proxies in ["127.0.0.1", "10.0.0.2, 2001:db8::1", "[\"10.0.0.2\"]", ""] {
        let output = migrate(proxies);
        assert!(output.status.success(), "{proxies}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let refused = migrate("10.0.0.2,proxy.example.jp");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("`proxy.example.jp` is no address"));
}

#[actix_web::test]
async fn a_pipe_that_nobody_reads_is_no_failure() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    for arguments in [&["harvest", "list"][..], &["harvest", "list", "--json"], &["harvest", "run", "kure"], &["openapi"]] {
        let mut child = command(&h, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(says(&h, &["harvest", "history", "kure"]).contains("complete"), "its work was done");
    // Nor is one for what goes wrong.
    let mut child = command(&h, &["harvest", "show", "nowhere"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    // A full disk is one.
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output = command(&h, &["harvest", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"));
}
