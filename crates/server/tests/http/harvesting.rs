//! Harvesting over stub sites: what staff see of it, and what the public does.

use std::sync::atomic::{AtomicBool, Ordering};

use minato_app::Context;
use minato_app::catalog::{HarvestRun, Organization, from_value};
use minato_testkit::sites::{Options, RunningSites, Sites};
use serde_json::{Value, json};

use crate::site::Site;
use crate::staff::SignedIn;

/// The catalog, and sites that it may harvest.
pub(crate) struct Harvesting {
    pub(crate) site: Site,
    pub(crate) sites: RunningSites,
}

impl Harvesting {
    pub(crate) fn start() -> Harvesting {
        let sites = Sites::start(Options::default()).unwrap();
        let site = Site::open_with(|settings| {
            settings.harvest.allow_addresses = sites.addresses().iter().map(|address| address.parse().unwrap()).collect();
            settings.harvest.retry_delay = std::time::Duration::from_millis(1);
        });
        Harvesting { site, sites }
    }

    /// A draft of a source of a municipality's site.
    pub(crate) fn draft(&self, slug: &str, place: &str) -> Value {
        let source = self.sites.source(place).unwrap();
        if !matches!(place, "kure-shi" | "fuchu-cho") {
            let organization = minato_testkit::fixtures::municipality(place).unwrap().organization();
            // Made once; the second source of a place finds it there.
            let _ = self.site.state.app.create::<Organization>(&Context::system("test"), None, organization);
        }
        json!({"slug": slug, "title": format!("{}（{slug}）", source.name), "kind": source.kind.as_str(), "url": source.url, "organization": place, "missing_runs_max": 1})
    }

    pub(crate) fn add(&self, draft: Value) {
        self.site.state.app.create_source(&Context::system("test"), from_value(draft).unwrap()).unwrap();
    }

    /// Harvests now, on a thread that is not a server's.
    pub(crate) fn harvest(&self, slug: &str) -> HarvestRun {
        let app = self.site.state.app.clone();
        let slug = slug.to_owned();
        std::thread::spawn(move || app.harvest(&Context::system("test"), &slug, |_| {}).unwrap()).join().unwrap()
    }

    /// Two sources that have the same datasets; that of the higher rank has the copies.
    pub(crate) async fn twice(&self) -> (Value, Value) {
        for (slug, rank) in [("kure-own", 10), ("kure-again", 20)] {
            let mut draft = self.draft(slug, "kure-shi");
            draft["rank"] = json!(rank);
            self.add(draft);
            self.harvest(slug);
        }
        let copies = self.site.ask("GET", "/api/v1/datasets?state=duplicate&limit=1").token(&self.site.admin).send().await.expect(200);
        let copy = copies["items"][0].clone();
        let shown = self.site.get(&format!("/api/v1/datasets/{}", copy["duplicate_of"].as_str().unwrap())).await.expect(200);
        (copy, shown)
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn slug(value: &Value) -> &str {
    value["slug"].as_str().unwrap()
}

#[actix_web::test]
async fn a_source_is_paused_and_goes_on() {
    let h = Harvesting::start();
    let mut draft = h.draft("kure", "kure-shi");
    draft["schedule"] = json!("30 3 * * *");
    h.add(draft);
    let (site, one) = (&h.site, "/api/v1/harvest-sources/kure");
    let read = site.get(one).await.expect(200);
    assert!(read["next_run"].as_str().unwrap().ends_with("T18:30:00Z"), "half past three in Japan: {read}");
    assert_eq!(site.get("/api/v1/harvest-sources").await.expect(200)["items"][0]["next_run"], read["next_run"]);
    // What was read may be sent back.
    let same = site.ask("PUT", one).token(&site.admin).any().json(&read).send().await.expect(200);
    assert_eq!(same["revision"], 1);
    let pause = format!("{one}/pause");
    site.ask("POST", &pause).send().await.refuses(401, "");
    site.ask("POST", &pause).token(&site.other).send().await.refuses(403, "");
    site.ask("POST", &pause).token(&site.admin).header("if-match", "\"7\"").send().await.refuses(412, "");
    let trial = site.ask("POST", &format!("{pause}?dry_run=true")).token(&site.admin).send().await.expect(200);
    assert_eq!(trial["paused"], true);
    assert_eq!(site.get(one).await.expect(200)["paused"], false);
    let paused = site.ask("POST", &pause).token(&site.admin).send().await.expect(200);
    assert_eq!((&paused["paused"], &paused["next_run"], &paused["revision"]), (&json!(true), &Value::Null, &json!(2)));
    for path in ["runs", "runs?dry_run=true"] {
        site.ask("POST", &format!("{one}/{path}")).token(&site.admin).send().await.refuses(409, "");
    }
    assert_eq!(site.ask("POST", &pause).token(&site.admin).send().await.expect(200)["revision"], 2, "nothing changed");
    let resumed = site.ask("POST", &format!("{one}/resume")).token(&site.admin).send().await.expect(200);
    assert_eq!((&resumed["paused"], &resumed["next_run"]), (&json!(false), &read["next_run"]));
}

#[actix_web::test]
async fn a_trial_registration_names_every_mistake() {
    let site = Site::open();
    let wrong = json!({"slug": "X", "title": " ", "kind": "ckan", "url": "ftp://example.jp/", "organization": "nowhere", "schedule": "daily",
        "default_licence": "mine", "rank": -1, "mapping": {"licences": {"CC": "mine"}, "frequencies": {"毎日": "often"}}, "notify": {"email": "nobody"}});
    let refused = site.ask("POST", "/api/v1/harvest-sources?dry_run=true").token(&site.admin).json(&wrong).send().await;
    for field in [
        "/slug",
        "/title",
        "/url",
        "/organization",
        "/schedule",
        "/default_licence",
        "/rank",
        "/mapping/licences/CC",
        "/mapping/frequencies/毎日",
        "/notify/email",
    ] {
        refused.refuses(422, field);
    }
    let preview = site.ask("POST", "/api/v1/harvest-previews").token(&site.admin).json(&wrong).send().await;
    preview.refuses(422, "/schedule");
}

#[actix_web::test]
async fn a_preview_shows_records_and_writes_nothing() {
    let h = Harvesting::start();
    let site = &h.site;
    let draft = h.draft("kure", "kure-shi");
    site.ask("POST", "/api/v1/harvest-previews").json(&draft).send().await.refuses(401, "");
    site.ask("POST", "/api/v1/harvest-previews").token(&site.editor).json(&draft).send().await.refuses(403, "");
    let trial = site.ask("POST", "/api/v1/harvest-previews?dry_run=true").token(&site.admin).json(&draft).send().await;
    assert_eq!((trial.status.as_u16(), trial.header("location"), trial.header("dry-run")), (202, "", "true"));
    site.ask("GET", &format!("/api/v1/harvest-previews/{}", id(&trial.body))).token(&site.admin).send().await.refuses(404, "");

    let asked = site.ask("POST", "/api/v1/harvest-previews").token(&site.admin).json(&draft).send().await;
    let at = asked.header("location").to_owned();
    assert_eq!((asked.status.as_u16(), &asked.body["done"]), (202, &json!(false)));
    site.get(&at).await.refuses(401, "");
    site.ask("GET", &at).token(&site.editor).send().await.refuses(403, "");
    site.ask("GET", "/api/v1/harvest-previews/none").token(&site.admin).send().await.refuses(404, "");
    let (app, stop) = (site.state.app.clone(), std::sync::Arc::new(AtomicBool::new(false)));
    let worker = std::thread::spawn({
        let stop = stop.clone();
        move || app.work_on_harvests(&stop)
    });
    let mut preview = Value::Null;
    for _ in 0..600 {
        preview = site.ask("GET", &at).token(&site.admin).send().await.expect(200);
        if preview["done"] == true {
            break;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Release);
    worker.join().unwrap();
    let records = preview["records"].as_array().unwrap();
    assert!(!records.is_empty() && records.len() <= 20, "{preview:#}");
    assert!(records[0]["draft"]["title"].is_string() && records[0]["draft"]["distributions"][0]["download_url"].is_string());
    let all = site.ask("GET", "/api/v1/datasets").token(&site.admin).send().await.expect(200);
    assert_eq!((&all["total"], &site.get("/api/v1/harvest-sources").await.expect(200)["total"]), (&json!(0), &json!(0)));

    h.add(draft);
    let path = "/api/v1/harvest-sources/kure/preview";
    site.ask("POST", path).send().await.refuses(401, "");
    site.ask("POST", path).token(&site.editor).send().await.refuses(403, "");
    let asked = site.ask("POST", path).token(&site.other).send().await;
    assert_eq!(asked.status, 202);
    assert!(asked.header("location").starts_with("/api/v1/harvest-previews/"));
}

#[actix_web::test]
async fn a_run_that_waits_is_canceled() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    let site = &h.site;
    let run = site.ask("POST", "/api/v1/harvest-sources/kure/runs").token(&site.other).send().await.expect(202);
    let one = format!("/api/v1/harvest-runs/{}", id(&run));
    let cancel = format!("{one}/cancel");
    site.ask("POST", &cancel).send().await.refuses(401, "");
    site.ask("POST", &cancel).token(&site.editor).send().await.refuses(403, "");
    site.ask("POST", "/api/v1/harvest-runs/none/cancel").token(&site.admin).send().await.refuses(404, "");
    let trial = site.ask("POST", &format!("{cancel}?dry_run=true")).token(&site.other).send().await.expect(200);
    assert_eq!((&trial["status"], &site.get(&one).await.expect(200)["status"]), (&json!("queued"), &json!("queued")));
    let canceled = site.ask("POST", &cancel).token(&site.other).send().await.expect(200);
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(site.ask("POST", &cancel).token(&site.other).send().await.expect(200), canceled);
}

#[actix_web::test]
async fn records_that_failed_are_shown_as_they_came() {
    let h = Harvesting::start();
    h.add(h.draft("mihara", "mihara-shi"));
    let run = h.harvest("mihara");
    assert!(run.counts.failed > 0, "{run:?}");
    let (site, records) = (&h.site, format!("/api/v1/harvest-runs/{}/records", run.id));
    let failed = site.ask("GET", &format!("{records}?outcome=failed")).token(&site.admin).send().await.expect(200);
    let first = &failed["items"][0];
    assert!(first["raw"].as_str().unwrap().contains('{') && first["cause"]["ja"].is_string(), "{first:#}");
    for query in ["format=csv", "format=csv&outcome=failed"] {
        let path = format!("{records}?{query}");
        site.get(&path).await.refuses(401, "");
        site.ask("GET", &path).token(&site.editor).send().await.refuses(403, "");
    }
    site.ask("GET", &format!("{records}?format=xls")).token(&site.admin).send().await.refuses(400, "/format");
    let table = site.ask("GET", &format!("{records}?format=csv")).token(&site.admin).send().await;
    assert!(table.header("content-type").starts_with("text/csv") && table.header("content-disposition").contains("attachment"));
    let lines: Vec<&str> = table.text.strip_prefix('\u{feff}').unwrap().lines().collect();
    assert_eq!(lines[0], "remote_id,outcome,cause,cause_en,dataset_id,raw");
    assert_eq!(i64::try_from(lines.len()).unwrap() - 1, run.counts.added + run.counts.failed);
    assert_eq!(lines.iter().filter(|line| line.contains(",failed,")).count(), usize::try_from(run.counts.failed).unwrap());
}

#[actix_web::test]
async fn values_without_an_equal_are_summed_up() {
    let h = Harvesting::start();
    h.sites
        .edit("kure-shi", |datasets| {
            for dataset in datasets.iter_mut().take(6) {
                dataset.frequency_text = "気が向いたら".to_owned();
            }
        })
        .unwrap();
    h.add(h.draft("kure", "kure-shi"));
    let (site, path) = (&h.site, "/api/v1/harvest-sources/kure/notices");
    site.get(path).await.refuses(401, "");
    site.ask("GET", path).token(&site.editor).send().await.refuses(403, "");
    assert_eq!(site.ask("GET", path).token(&site.other).send().await.expect(200)["total"], 0, "it never ran");
    h.harvest("kure");
    let notices = site.ask("GET", path).token(&site.other).send().await.expect(200);
    let found = notices["items"].as_array().unwrap().iter().find(|notice| notice["mapping"]["spelling"] == "気が向いたら");
    let found = found.unwrap_or_else(|| panic!("{notices:#}"));
    assert_eq!((&found["count"], &found["mapping"]["list"]), (&json!(6), &json!("frequencies")));
    assert_eq!(found["examples"].as_array().unwrap().len(), 5);
}

#[actix_web::test]
async fn the_public_is_led_from_a_copy_to_what_is_shown_in_its_place() {
    let h = Harvesting::start();
    let (copy, shown) = h.twice().await;
    let site = &h.site;
    let to = format!("/api/v1/datasets/{}", slug(&shown));
    for key in [id(&copy), slug(&copy)] {
        let answer = site.get(&format!("/api/v1/datasets/{key}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (301, to.as_str()), "{key}");
        assert_eq!(answer.header("cache-control"), "no-cache", "it may be decided anew");
    }
    // Those who keep it still reach it.
    let kept = site.ask("GET", &format!("/api/v1/datasets/{}", id(&copy))).token(&site.other).send().await.expect(200);
    assert_eq!((&kept["state"], &kept["duplicate_of"]), (&json!("duplicate"), &shown["id"]));
    assert_eq!(site.get("/api/v1/datasets?state=duplicate").await.expect(200)["total"], 0);

    let page = format!("/datasets/{}", slug(&shown));
    for (path, accept, expected) in [
        (format!("/datasets/{}", slug(&copy)), "text/html", page.clone()),
        (format!("/datasets/{}", id(&copy)), "text/html", page.clone()),
        (format!("/datasets/{}", slug(&copy)), "text/turtle", format!("{page}.ttl")),
        (format!("/datasets/{}.jsonld", slug(&copy)), "*/*", format!("{page}.jsonld")),
        (format!("/datasets/{}.rdf", slug(&copy)), "*/*", format!("{page}.rdf")),
    ] {
        let answer = site.ask("GET", &path).header("accept", accept).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (301, expected.as_str()), "{path} {accept}");
    }
    let ckan = site.get(&format!("/api/3/action/package_show?id={}", slug(&copy))).await.expect(200);
    assert_eq!((&ckan["result"]["id"], &ckan["result"]["name"]), (&shown["id"], &shown["slug"]));
    assert_eq!(site.get(&format!("/dataset/{}", slug(&copy))).await.header("location"), page);

    // A file of the copy is a file of what is shown: the same address, counted there.
    let (own, theirs) = (&copy["distributions"][0], &shown["distributions"][0]);
    assert_ne!(own["id"], theirs["id"]);
    for path in [format!("/d/{}", id(own)), format!("/datasets/{}/download/{}/a.csv", slug(&copy), id(own))] {
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let answer = site.ask("GET", &path).header("user-agent", browser).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, theirs["download_url"].as_str().unwrap()), "{path}");
    }
    let counts = site.state.app.downloads_by_distribution(id(&shown).parse().unwrap()).unwrap();
    // The second click within half a minute is the first one again.
    assert_eq!(counts.values().sum::<i64>(), 1);
    assert!(counts.contains_key(&id(theirs).parse().unwrap()), "{counts:?}");
    assert!(site.state.app.downloads_by_distribution(id(&copy).parse().unwrap()).unwrap().is_empty());
}

#[actix_web::test]
async fn whether_two_datasets_are_one_is_decided_by_staff() {
    let h = Harvesting::start();
    let (copy, shown) = h.twice().await;
    let site = &h.site;
    let list = "/api/v1/harvest-decisions";
    site.get(list).await.refuses(401, "");
    site.ask("GET", &format!("{list}?kind=odd")).token(&site.admin).send().await.refuses(400, "/kind");
    site.ask("GET", &format!("{list}?state=odd")).token(&site.admin).send().await.refuses(400, "/state");
    site.ask("GET", &format!("{list}?source=kure-own")).token(&site.editor).send().await.refuses(403, "");
    assert_eq!(site.ask("GET", list).token(&site.editor).send().await.expect(200)["total"], 0, "another organization's");
    let all = site.ask("GET", &format!("{list}?kind=duplicate&state=open&limit=1000")).token(&site.other).send().await.expect(200);
    let about = |decision: &&Value| [&decision["dataset_id"], &decision["other_id"]].contains(&&copy["id"]);
    let decision = all["items"].as_array().unwrap().iter().find(about).unwrap().clone();
    assert_eq!(decision["datasets"].as_array().unwrap().len(), 2);
    assert_eq!(decision["datasets"][0]["organization"]["slug"], "kure-shi");
    let first = site.ask("GET", &format!("{list}?limit=1")).token(&site.admin).send().await.expect(200);
    let next = site
        .ask("GET", &format!("{list}?limit=1&before={}", first["next_cursor"].as_str().unwrap()))
        .token(&site.admin)
        .send()
        .await
        .expect(200);
    assert_ne!(first["items"][0]["id"], next["items"][0]["id"]);

    let one = format!("{list}/{}", id(&decision));
    assert_eq!(site.ask("GET", &one).token(&site.other).send().await.expect(200), decision);
    site.get(&one).await.refuses(401, "");
    site.ask("GET", &format!("{list}/none")).token(&site.admin).send().await.refuses(404, "");
    for answer in ["accept", "reject"] {
        site.ask("POST", &format!("{one}/{answer}")).send().await.refuses(401, "");
        site.ask("POST", &format!("{one}/{answer}")).token(&site.editor).send().await.refuses(403, "");
    }
    let trial = site.ask("POST", &format!("{one}/reject?dry_run=true")).token(&site.other).send().await.expect(200);
    assert_eq!(trial["state"], "rejected");
    assert_eq!(site.ask("GET", &one).token(&site.other).send().await.expect(200)["state"], "open");
    let accepted = site.ask("POST", &format!("{one}/accept")).token(&site.other).send().await.expect(200);
    assert_eq!((&accepted["state"], &accepted["decided_by"]), (&json!("accepted"), &json!("other")));
    assert_eq!(site.get(&format!("/api/v1/datasets/{}", id(&copy))).await.status, 301);
    site.ask("POST", &format!("{one}/reject")).token(&site.other).send().await.expect(200);
    let apart = site.get(&format!("/api/v1/datasets/{}", id(&copy))).await.expect(200);
    assert_eq!(apart["state"], "published");

    // And said anew, from a dataset.
    let same_as = format!("/api/v1/datasets/{}/same-as", slug(&copy));
    let body = json!({"other": slug(&shown), "same": true});
    site.ask("POST", &same_as).json(&body).send().await.refuses(401, "");
    site.ask("POST", &same_as).token(&site.editor).json(&body).send().await.refuses(403, "");
    site.ask("POST", &same_as).token(&site.other).json(&json!({"other": slug(&shown)})).send().await.refuses(422, "/same");
    site.ask("POST", &same_as).token(&site.other).json(&json!({"other": slug(&copy), "same": true})).send().await.refuses(422, "/other");
    site.ask("POST", &same_as).token(&site.other).json(&json!({"other": "nothing", "same": true})).send().await.refuses(404, "");
    for _ in 0..2 {
        let said = site.ask("POST", &same_as).token(&site.other).json(&body).send().await;
        assert_eq!((said.status.as_u16(), &said.body["id"], &said.body["created"]), (200, &decision["id"], &decision["created"]));
        assert_eq!(site.get(&format!("/api/v1/datasets/{}", id(&copy))).await.status, 301);
    }
    // Two that nothing connects: a new decision, once.
    let all = site.get("/api/v1/datasets?limit=10").await.expect(200);
    let others: Vec<&Value> = all["items"].as_array().unwrap().iter().filter(|dataset| dataset["id"] != shown["id"]).collect();
    let path = format!("/api/v1/datasets/{}/same-as", id(others[0]));
    let apart = json!({"other": id(others[1]), "same": false});
    let first = site.ask("POST", &path).token(&site.other).json(&apart).send().await;
    let again = site.ask("POST", &path).token(&site.other).json(&apart).send().await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!((first.header("location"), &first.body), (format!("{list}/{}", id(&first.body)).as_str(), &again.body));
}

#[actix_web::test]
async fn copies_that_were_linked_by_themselves_are_told_from_what_waits() {
    let h = Harvesting::start();
    h.twice().await;
    let site = &h.site;
    let count = async |query: &str| {
        let path = format!("/api/v1/harvest-decisions?limit=1000&{query}");
        site.ask("GET", &path).token(&site.other).send().await.expect(200)["total"].as_u64().unwrap()
    };
    let all = count("state=open").await;
    assert!(all > 0);
    assert_eq!((count("automatic=true").await, count("state=open&automatic=false").await), (all, 0));
    let one = site.ask("GET", "/api/v1/harvest-decisions?limit=1").token(&site.other).send().await.expect(200)["items"][0].clone();
    assert_eq!((&one["state"], &one["automatic"]), (&json!("open"), &json!(true)));
    site.ask("POST", &format!("/api/v1/harvest-decisions/{}/accept", id(&one))).token(&site.other).send().await.expect(200);
    assert_eq!((count("automatic=true").await, count("automatic=false").await), (all - 1, 1));
    site.ask("GET", "/api/v1/harvest-decisions?automatic=odd").token(&site.other).send().await.refuses(400, "/automatic");
}

#[actix_web::test]
async fn nobody_shows_or_hides_what_another_organization_owns() {
    let h = Harvesting::start();
    let (copy, shown) = h.twice().await;
    let site = &h.site;
    let all = site.ask("GET", "/api/v1/harvest-decisions?limit=1000").token(&site.other).send().await.expect(200);
    let about = |decision: &&Value| [&decision["dataset_id"], &decision["other_id"]].contains(&&copy["id"]);
    let decision = format!("/api/v1/harvest-decisions/{}", id(all["items"].as_array().unwrap().iter().find(about).unwrap()));
    // The one that is shown becomes another town's.
    let given = json!({"organization": "fuchu-cho"});
    let path = format!("/api/v1/datasets/{}", id(&shown));
    site.ask("PATCH", &path).token(&site.admin).any().json(&given).send().await.expect(200);

    for answer in ["accept", "reject", "reject?dry_run=true"] {
        let refused = site.ask("POST", &format!("{decision}/{answer}")).token(&site.other).send().await;
        refused.refuses(403, "");
        assert!(refused.body["detail"].as_str().unwrap().contains("「府中町」"), "{:#}", refused.body);
    }
    let same_as = format!("/api/v1/datasets/{}/same-as", id(&copy));
    let body = json!({"other": id(&shown), "same": false});
    for token in [&site.other, &site.publisher] {
        site.ask("POST", &same_as).token(token).json(&body).send().await.refuses(403, "");
    }
    let page = format!("/staff/harvest/decisions/{}", decision.rsplit('/').next().unwrap());
    let seen = site.ask("GET", &page).signed_in(&site.other).send().await;
    assert!(seen.text.contains("/organizations/fuchu-cho\">府中町") && !seen.text.contains("name=\"answer\""), "{}", seen.text);
    assert_eq!(site.ask("GET", &decision).token(&site.other).send().await.expect(200)["state"], "open");

    // Who publishes for both decides.
    site.state.app.set_member(&Context::system("test"), "fuchu-cho", "other", minato_app::catalog::Role::Publisher).unwrap();
    assert_eq!(site.ask("POST", &format!("{decision}/reject")).token(&site.other).send().await.expect(200)["state"], "rejected");
    assert_eq!(site.ask("POST", &format!("{decision}/accept")).token(&site.admin).send().await.expect(200)["state"], "accepted");
}

#[actix_web::test]
async fn a_dataset_that_one_may_not_see_is_not_there() {
    let h = Harvesting::start();
    let (_, shown) = h.twice().await;
    let site = &h.site;
    let draft = json!({"organization": "fuchu-cho", "slug": "secret", "title": "下書き", "state": "draft"});
    let secret = site.ask("POST", "/api/v1/datasets").token(&site.editor).json(&draft).send().await.expect(201);
    let same_as = |key: &str| format!("/api/v1/datasets/{key}/same-as");
    for key in ["secret", id(&secret), "00000000-0000-7000-8000-000000000000", "nothing"] {
        let body = json!({"other": key, "same": true});
        site.ask("POST", &same_as(id(&shown))).token(&site.other).json(&body).send().await.refuses(404, "");
        let body = json!({"other": id(&shown), "same": true});
        site.ask("POST", &same_as(key)).token(&site.other).json(&body).send().await.refuses(404, "");
    }
}

#[actix_web::test]
async fn corrections_are_listed_handed_on_and_dropped() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    h.harvest("kure");
    let site = &h.site;
    let dataset = site.get("/api/v1/datasets?limit=1&order=slug").await.expect(200)["items"][0].clone();
    let one = format!("/api/v1/datasets/{}", slug(&dataset));
    let list = format!("{one}/corrections");
    site.get(&list).await.refuses(401, "");
    site.ask("GET", &list).token(&site.editor).send().await.refuses(403, "");
    assert_eq!(site.ask("GET", &list).token(&site.other).send().await.expect(200)["total"], 0);
    let patch = json!({"title": "=SUM(1)を直した題", "keywords": ["直した"]});
    site.ask("PATCH", &one).token(&site.other).any().json(&patch).send().await.expect(200);
    let corrections = site.ask("GET", &list).token(&site.other).send().await.expect(200);
    let title = corrections["items"].as_array().unwrap().iter().find(|correction| correction["path"] == "/title").unwrap();
    assert_eq!((&title["value"], &title["base"], &title["actor"]), (&patch["title"], &dataset["title"], &json!("other")));

    let of_source = "/api/v1/harvest-sources/kure/corrections";
    for query in ["", "?format=csv"] {
        site.get(&format!("{of_source}{query}")).await.refuses(401, "");
        site.ask("GET", &format!("{of_source}{query}")).token(&site.editor).send().await.refuses(403, "");
    }
    let patch = site.ask("GET", of_source).token(&site.other).send().await.expect(200);
    assert_eq!((&patch["items"][0]["remote_id"], &patch["total"]), (&dataset["provenance"]["remote_id"], &json!(2)));
    let table = site.ask("GET", &format!("{of_source}?format=csv")).token(&site.other).send().await;
    assert!(table.text.starts_with('\u{feff}') && table.text.contains(",'=SUM(1)を直した題,other,"), "{}", table.text);

    // The next run leaves it.
    h.harvest("kure");
    assert_eq!(site.get(&one).await.expect(200)["keywords"], json!(["直した"]));
    site.ask("DELETE", &list).token(&site.other).send().await.refuses(422, "/path");
    site.ask("DELETE", &format!("{list}?path=/licence")).token(&site.other).send().await.refuses(404, "");
    site.ask("DELETE", &format!("{list}?path=/title")).send().await.refuses(401, "");
    site.ask("DELETE", &format!("{list}?path=/title")).token(&site.editor).send().await.refuses(403, "");
    site.ask("DELETE", &format!("{list}?path=/title")).token(&site.other).header("if-match", "\"77\"").send().await.refuses(412, "");
    let trial = site.ask("DELETE", &format!("{list}?path=/title&dry_run=true")).token(&site.other).send().await.expect(200);
    assert_eq!(trial["title"], dataset["title"]);
    let dropped = site.ask("DELETE", &format!("{list}?path=title")).token(&site.other).send().await.expect(200);
    assert_eq!((&dropped["title"], &dropped["keywords"]), (&dataset["title"], &json!(["直した"])));
    assert_eq!(site.ask("GET", &list).token(&site.other).send().await.expect(200)["total"], 1);
}

#[actix_web::test]
async fn machines_learn_what_a_withdrawn_dataset_was() {
    let site = Site::open();
    let dataset = site.dataset("hinanjo", "避難所一覧").await;
    let at = format!("/api/v1/datasets/{}", id(&dataset));
    site.ask("POST", &format!("{at}/archive")).token(&site.publisher).send().await.expect(200);
    // Corrected after it was withdrawn, and still known.
    site.ask("PATCH", &at).token(&site.publisher).any().json(&json!({"title_en": "Shelters"})).send().await.expect(200);
    for path in [at.as_str(), "/api/v1/datasets/hinanjo", "/datasets/hinanjo.ttl", "/datasets/hinanjo.jsonld"] {
        let gone = site.ask("GET", path).header("accept", "*/*").send().await;
        gone.refuses(410, "");
        let known = &gone.body["withdrawn"];
        assert_eq!(
            (&known["id"], &known["slug"], &known["title"], &known["publisher"]),
            (&dataset["id"], &json!("hinanjo"), &json!("避難所一覧"), &json!("府中町")),
            "{path}"
        );
        assert!(known["at"].as_str().unwrap().ends_with('Z'));
    }
    let page = site.ask("GET", "/datasets/hinanjo").header("accept", "text/html").send().await;
    assert_eq!(page.status, 410);
    assert!(page.text.contains("公開を終了しました") && page.text.contains("府中町"));
    let draft = json!({"organization": "fuchu-cho", "slug": "secret", "title": "下書き", "state": "draft"});
    site.ask("POST", "/api/v1/datasets").token(&site.publisher).json(&draft).send().await.expect(201);
    site.ask("POST", "/api/v1/datasets/secret/archive").token(&site.publisher).send().await.expect(200);
    site.get("/api/v1/datasets/secret").await.refuses(404, "");
}
