//! Pages of harvesting for staff.

use serde_json::{Value, json};

use crate::harvesting::Harvesting;
use crate::site::{Answer, Site};
use crate::staff::{SignedIn, leads_to, post, revision};

const PATH: &str = "/staff/harvest";

async fn see(site: &Site, path: &str, secret: &str) -> Answer {
    site.ask("GET", path).signed_in(secret).send().await
}

/// The fields of a form as a browser sends them.
fn fields<'a>(url: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("slug", "kure"),
        ("title", "呉市の<b>データ</b>"),
        ("organization", "kure-shi"),
        ("kind", "ckan"),
        ("url", url),
        ("schedule", "30 3 * * *"),
        ("missing_runs_max", "1"),
        ("action", "save"),
    ];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    fields
}

#[actix_web::test]
async fn a_source_is_registered_and_changed_in_a_form() {
    let h = Harvesting::start();
    let (site, url) = (&h.site, h.sites.source("kure-shi").unwrap().url);
    for path in [PATH, "/staff/harvest/new", "/staff/harvest/decisions"] {
        leads_to(&site.get(path).await, "/staff");
    }
    assert_eq!(see(site, "/staff/harvest/new", &site.other).await.status, 403, "a publisher registers no source");
    assert_eq!(post(site, PATH, &fields(&url, &[])).signed_in(&site.other).send().await.status, 403);
    let empty = see(site, "/staff/harvest/new", &site.admin).await;
    assert!(empty.text.contains("value=\"@nightly\"") && empty.text.contains("<option value=\"kure-shi\">呉市</option>"), "{}", empty.text);

    // Mistakes stand beside their fields, in the words of the form, and nothing typed is lost.
    let wrong = fields(
        "ftp://example.jp/",
        &[("slug", "K"), ("schedule", "毎日"), ("grace_days", "三"), ("mapping_licences", "CC = mine\nbroken")],
    );
    let refused = post(site, PATH, &wrong).signed_in(&site.admin).send().await;
    assert_eq!(refused.status, 422);
    for words in [
        "id=\"slug-error\"",
        "id=\"url-error\"",
        "id=\"schedule-error\"",
        "id=\"grace_days-error\"",
        "id=\"mapping_licences-error\"",
        "ライセンスの「CC」",
        "2 行目「broken」",
        "value=\"毎日\"",
        "<a href=\"#schedule\">",
        "呉市の&#60;b&#62;データ",
    ] {
        assert!(refused.text.contains(words), "{words}: {}", refused.text);
    }
    assert!(!refused.text.contains("/schedule の") && !refused.text.contains("呉市の<b>"), "{}", refused.text);
    assert_eq!(site.get("/api/v1/harvest-sources").await.expect(200)["total"], 0);

    leads_to(&post(site, PATH, &fields(&url, &[])).signed_in(&site.admin).send().await, "/staff/harvest/kure?done=created");
    let taken = post(site, PATH, &fields(&url, &[])).signed_in(&site.admin).send().await;
    assert!(taken.status == 409 && taken.text.contains("id=\"slug-error\""), "{}", taken.text);
    let source = see(site, "/staff/harvest/kure?done=created", &site.admin).await;
    assert!(
        source.text.contains("登録しました") && source.text.contains("03:30") && source.text.contains("いま収集する"),
        "{}",
        source.text
    );
    assert!(!source.text.contains("呉市の<b>"));

    let edit = see(site, "/staff/harvest/kure/edit", &site.admin).await;
    assert_eq!((edit.status.as_u16(), revision(&edit.text).as_str()), (200, "1"));
    assert_eq!(see(site, "/staff/harvest/kure/edit", &site.other).await.status, 403);
    let change = |revision: &'static str, days: &'static str| {
        let fields = fields(&url, &[("revision", revision), ("grace_days", days), ("mapping_frequencies", "ときどき = irregular")]);
        post(site, "/staff/harvest/kure/edit", &fields).signed_in(&site.admin)
    };
    leads_to(&change("1", "7").send().await, "/staff/harvest/kure?done=saved");
    let stale = change("1", "8").send().await;
    assert!(stale.status == 412 && stale.text.contains("ほかの人が") && stale.text.contains("value=\"8\""), "{}", stale.text);
    let read = site.get("/api/v1/harvest-sources/kure").await.expect(200);
    assert_eq!((&read["grace_days"], &read["mapping"]["frequencies"]["ときどき"]), (&json!(7), &json!("irregular")));

    // Who may not write sees the source and no buttons; who is of another organization does not see it.
    assert!(!see(site, "/staff/harvest/kure", &site.other).await.text.contains("/edit\""));
    assert_eq!(see(site, "/staff/harvest/kure", &site.editor).await.status, 404);
    assert!(!see(site, PATH, &site.editor).await.text.contains("/staff/harvest/kure"));
    assert_eq!(see(site, "/staff/harvest/nowhere", &site.admin).await.status, 404);
}

#[actix_web::test]
async fn a_run_is_started_watched_and_stopped() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    let site = &h.site;
    let press = |action: &'static str, secret: &str| post(site, "/staff/harvest/kure", &[("action", action)]).signed_in(secret);
    assert_eq!(press("pause", &site.other).send().await.status, 403);
    assert_eq!(press("run", &site.editor).send().await.status, 403);
    leads_to(&press("pause", &site.admin).send().await, "/staff/harvest/kure?done=paused");
    let refused = press("run", &site.other).send().await;
    assert!(refused.status == 422 && refused.text.contains("先に再開してください"), "{}", refused.text);
    leads_to(&press("resume", &site.admin).send().await, "/staff/harvest/kure?done=resumed");
    assert_eq!(press("explode", &site.admin).send().await.status, 404);
    let forged = site.ask("POST", "/staff/harvest/kure").header("origin", "https://evil.example").signed_in(&site.admin);
    assert_eq!(forged.body("application/x-www-form-urlencoded", "action=run").send().await.status, 403);

    let started = press("run", &site.other).send().await;
    let run = started.header("location").to_owned();
    assert!(run.starts_with("/staff/harvest/runs/"), "{run}");
    let page = see(site, &run, &site.other).await;
    assert!(page.text.contains("http-equiv=\"refresh\"") && page.text.contains("value=\"cancel\""), "{}", page.text);
    assert_eq!(see(site, &run, &site.editor).await.status, 403);
    leads_to(&post(site, &run, &[("action", "cancel")]).signed_in(&site.other).send().await, &format!("{run}?done=canceled"));
    let page = see(site, &format!("{run}?done=canceled"), &site.other).await;
    assert!(page.text.contains(">中止</span>") && !page.text.contains("http-equiv=\"refresh\""), "{}", page.text);

    leads_to(&press("archive", &site.admin).send().await, "/staff/harvest/kure?done=archived");
    leads_to(&press("restore", &site.admin).send().await, "/staff/harvest/kure?done=restored");
}

#[actix_web::test]
async fn a_preview_is_a_page() {
    let h = Harvesting::start();
    let (site, url) = (&h.site, h.sites.source("kure-shi").unwrap().url);
    let asked = post(site, PATH, &fields(&url, &[("action", "preview")])).signed_in(&site.admin).send().await;
    let at = asked.header("location").to_owned();
    assert!(at.starts_with("/staff/harvest/previews/"), "{} {}", asked.status, asked.text);
    assert!(see(site, &at, &site.admin).await.text.contains("http-equiv=\"refresh\""));
    assert_eq!(see(site, &at, &site.editor).await.status, 403);
    assert_eq!(site.get("/api/v1/harvest-sources").await.expect(200)["total"], 0, "nothing is saved");
    h.sites.edit("kure-shi", |datasets| datasets[0].title = "<script>alert(1)</script>".to_owned()).unwrap();
    let (app, id) = (site.state.app.clone(), at.rsplit('/').next().unwrap().to_owned());
    std::thread::spawn(move || {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (worker, ending) = (app.clone(), stop.clone());
        let thread = std::thread::spawn(move || worker.work_on_harvests(&ending));
        let viewer = minato_app::catalog::Viewer::system("test");
        while !app.harvest_preview(&viewer, &id).unwrap().done {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        stop.store(true, std::sync::atomic::Ordering::Release);
        thread.join().unwrap();
    })
    .join()
    .unwrap();
    let page = see(site, &at, &site.admin).await;
    assert!(page.text.contains("&#60;script&#62;alert(1)") && !page.text.contains("<script>alert"), "{}", page.text);
    assert!(!page.text.contains("http-equiv=\"refresh\"") && page.text.contains("何も保存していません"));
}

#[actix_web::test]
async fn what_failed_is_shown_with_its_record_and_words_get_a_meaning() {
    let h = Harvesting::start();
    h.sites.edit("mihara-shi", |datasets| datasets[0].frequency_text = "気が向いたら<i>".to_owned()).unwrap();
    h.add(h.draft("mihara", "mihara-shi"));
    let run = h.harvest("mihara");
    let site = &h.site;
    let page = see(site, &format!("{PATH}/runs/{}", run.id), &site.admin).await;
    assert!(page.text.contains("<pre class=\"raw\"") && page.text.contains("aria-current=\"true\">失敗"), "{}", page.text);
    let unchanged = see(site, &format!("{PATH}/runs/{}?outcome=added&after=x", run.id), &site.admin).await;
    assert!(unchanged.text.contains("aria-current=\"true\">新規"));
    let file = see(site, &format!("{PATH}/runs/{}/records.csv", run.id), &site.admin).await;
    assert!(file.status == 200 && file.text.starts_with('\u{feff}') && file.header("cache-control") == "no-store");
    leads_to(&site.get(&format!("{PATH}/runs/{}/records.csv", run.id)).await, "/staff");
    assert_eq!(see(site, &format!("{PATH}/runs/{}/records.csv", run.id), &site.editor).await.status, 403);
    assert_eq!(see(site, &format!("{PATH}/runs/none"), &site.admin).await.status, 404);

    let page = see(site, "/staff/harvest/mihara", &site.admin).await;
    assert!(page.text.contains("name=\"spelling\" value=\"気が向いたら&#60;i&#62;\"") && !page.text.contains("たら<i>"), "{}", page.text);
    let map = |id: &'static str| {
        let fields = [("list", "frequencies"), ("spelling", "気が向いたら<i>"), ("id", id)];
        post(site, "/staff/harvest/mihara/mapping", &fields)
    };
    let refused = map("sometimes").signed_in(&site.admin).send().await;
    assert!(refused.status == 422 && refused.text.contains("role=\"alert\""), "{}", refused.text);
    assert_eq!(map("irregular").signed_in(&site.other).send().await.status, 403);
    leads_to(&map("irregular").signed_in(&site.admin).send().await, "/staff/harvest/mihara?done=mapping#notices");
    let read = site.get("/api/v1/harvest-sources/mihara").await.expect(200);
    assert_eq!(read["mapping"]["frequencies"]["気が向いたら<i>"], "irregular");
}

#[actix_web::test]
async fn copies_are_compared_and_decided() {
    let h = Harvesting::start();
    let (copy, shown) = h.twice().await;
    let site = &h.site;
    let public = site.get(&format!("/datasets/{}", shown["slug"].as_str().unwrap())).await;
    assert!(public.text.contains("同じデータがあるところ") && public.text.contains("kure-again"), "{}", public.text);
    // Copies are linked by themselves: nobody has to do anything, and nothing counts them as waiting.
    let list = see(site, &format!("{PATH}/decisions"), &site.other).await;
    assert!(list.text.contains("ありません") && list.text.contains("aria-current=\"true\">判断待ち"), "{}", list.text);
    let start = see(site, PATH, &site.other).await;
    assert!(start.text.contains("<span class=\"count\">0</span>") && !start.text.contains("件を見る"), "{}", start.text);
    assert!(see(site, "/staff/harvest/kure-again", &site.other).await.text.contains("<dd>ありません</dd>"));
    let list = see(site, &format!("{PATH}/decisions?state=automatic"), &site.other).await;
    assert!(list.text.contains(copy["title"].as_str().unwrap()) && list.text.contains("自動でまとめて公開中"), "{}", list.text);
    assert!(see(site, &format!("{PATH}/decisions?state=automatic"), &site.editor).await.text.contains("ありません"));
    let all = site.ask("GET", "/api/v1/harvest-decisions?limit=1000").token(&site.other).send().await.expect(200);
    let about = |decision: &&Value| [&decision["dataset_id"], &decision["other_id"]].contains(&&copy["id"]);
    let decision = all["items"].as_array().unwrap().iter().find(about).unwrap();
    let one = format!("{PATH}/decisions/{}", decision["id"].as_str().unwrap());
    let page = see(site, &one, &site.other).await;
    assert!(
        page.text.contains("この2つは同じデータセットですか") && page.text.matches("<article class=\"card\">").count() == 2,
        "{}",
        page.text
    );
    assert_eq!(see(site, &one, &site.editor).await.status, 403);
    let answer = |word: &'static str, secret: &str| post(site, &one, &[("answer", word)]).signed_in(secret);
    assert_eq!(answer("accept", &site.editor).send().await.status, 403);
    assert_eq!(answer("perhaps", &site.other).send().await.status, 404);
    leads_to(&answer("reject", &site.other).send().await, &format!("{one}?done=rejected"));
    assert_eq!(site.get(&format!("/api/v1/datasets/{}", copy["id"].as_str().unwrap())).await.status, 200);
    leads_to(&answer("accept", &site.other).send().await, &format!("{one}?done=accepted"));
    let said = see(site, &format!("{PATH}/decisions?state=accepted"), &site.other).await;
    assert!(said.text.contains(&one), "{}", said.text);

    // The others, with one answer.
    let open = see(site, &format!("{PATH}/decisions?state=automatic"), &site.other).await;
    let ids: Vec<&str> = open.text.split("name=\"id\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(ids.len() > 1, "{}", open.text);
    let mut fields: Vec<(&str, &str)> = ids.iter().map(|id| ("id", *id)).collect();
    fields.push(("answer", "accept"));
    let all = || post(site, &format!("{PATH}/decisions"), &fields);
    assert_eq!(all().signed_in(&site.editor).send().await.status, 403);
    leads_to(&all().signed_in(&site.other).send().await, &format!("{PATH}/decisions?state=automatic&done=accepted"));
    let left = site.ask("GET", "/api/v1/harvest-decisions?state=open").token(&site.other).send().await.expect(200);
    assert_eq!(left["total"], 0);
}

#[actix_web::test]
async fn many_records_that_vanish_wait_for_an_answer() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    let before = h.harvest("kure").counts.added;
    let titles: Vec<String> = h.sites.datasets("kure-shi").unwrap().iter().map(|dataset| dataset.title.clone()).collect();
    h.sites.edit("kure-shi", |datasets| datasets.truncate(1)).unwrap();
    let run = h.harvest("kure");
    assert_eq!((run.counts.archived, run.counts.suspect), (0, before - 1), "{run:?}");
    let site = &h.site;
    let source = see(site, "/staff/harvest/kure", &site.other).await;
    assert!(source.text.contains("1件を見る"), "{}", source.text);
    let open = site.ask("GET", "/api/v1/harvest-decisions?kind=sweep&state=open").token(&site.other).send().await.expect(200);
    let one = format!("{PATH}/decisions/{}", open["items"][0]["id"].as_str().unwrap());
    let page = see(site, &one, &site.other).await;
    assert!(
        page.text.contains("取り下げますか") && page.text.contains(&titles[1]) && page.text.contains("取り下げずに残す"),
        "{}",
        page.text
    );
    leads_to(&post(site, &one, &[("answer", "accept")]).signed_in(&site.other).send().await, &format!("{one}?done=accepted"));
    assert_eq!(site.get("/api/v1/datasets").await.expect(200)["total"], 1);
    // What went is remembered.
    let page = see(site, &one, &site.other).await;
    assert!(!page.text.contains("name=\"answer\""), "{}", page.text);
}

#[actix_web::test]
async fn corrections_are_seen_by_all_and_dropped_by_editors() {
    let h = Harvesting::start();
    h.add(h.draft("kure", "kure-shi"));
    h.harvest("kure");
    let site = &h.site;
    let dataset = site.get("/api/v1/datasets?limit=1&order=slug").await.expect(200)["items"][0].clone();
    let (id, slug) = (dataset["id"].as_str().unwrap(), dataset["slug"].as_str().unwrap());
    let public = format!("/datasets/{slug}");
    assert!(!site.get(&public).await.text.contains("カタログで修正しています"));
    let patch = json!({"title": "直した<題>"});
    site.ask("PATCH", &format!("/api/v1/datasets/{slug}")).token(&site.other).any().json(&patch).send().await.expect(200);
    assert!(site.get(&public).await.text.contains("カタログで修正しています：タイトル"), "{}", site.get(&public).await.text);
    let one = format!("{PATH}/datasets/{id}");
    let page = see(site, &one, &site.other).await;
    assert!(page.text.contains("直した&#60;題&#62;") && page.text.contains("収集元の値に戻す"), "{}", page.text);
    assert_eq!(see(site, &one, &site.editor).await.status, 403);
    let of_source = see(site, "/staff/harvest/kure/corrections", &site.other).await;
    assert!(of_source.text.contains(&one) && of_source.text.contains("corrections.csv"), "{}", of_source.text);
    let file = see(site, "/staff/harvest/kure/corrections.csv", &site.other).await;
    assert!(file.text.contains("直した<題>") && file.header("content-disposition").contains("corrections-kure.csv"));
    assert_eq!(see(site, "/staff/harvest/kure/corrections", &site.editor).await.status, 403);
    let drop = |secret: &str| post(site, &one, &[("path", "/title")]).signed_in(secret);
    assert_eq!(drop(&site.editor).send().await.status, 403);
    leads_to(&drop(&site.other).send().await, &format!("{one}?done=dropped"));
    assert_eq!(site.get(&format!("/api/v1/datasets/{slug}")).await.expect(200)["title"], dataset["title"]);
    assert_eq!(drop(&site.other).send().await.status, 404);
}

#[actix_web::test]
async fn pages_of_harvesting_have_a_language_one_heading_and_no_scripts_of_their_own() {
    let h = Harvesting::start();
    h.twice().await;
    let site = &h.site;
    let run = site.get("/api/v1/harvest-sources/kure-own/runs").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let open = site.ask("GET", "/api/v1/harvest-decisions?limit=1").token(&site.admin).send().await.expect(200);
    let decision = open["items"][0]["id"].as_str().unwrap();
    for path in [
        PATH.to_owned(),
        format!("{PATH}/new"),
        format!("{PATH}/kure-own"),
        format!("{PATH}/kure-own/edit"),
        format!("{PATH}/kure-own/corrections"),
        format!("{PATH}/runs/{run}"),
        format!("{PATH}/decisions"),
        format!("{PATH}/decisions?state=automatic"),
        format!("{PATH}/decisions/{decision}"),
    ] {
        for lang in ["ja", "en"] {
            let page = see(site, &format!("{path}{}lang={lang}", if path.contains('?') { '&' } else { '?' }), &site.admin).await;
            assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-store"), "{path}");
            assert!(page.text.contains(&format!("<html lang=\"{lang}\">")), "{path}");
            assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
            assert!(page.text.contains("href=\"#main\"") && page.text.contains("<meta name=\"robots\" content=\"noindex"), "{path}");
            assert!(!page.text.contains(" style=") && !page.text.contains(" onclick="), "{path}");
            let ids: Vec<&str> = page.text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            let distinct: std::collections::HashSet<&&str> = ids.iter().collect();
            assert_eq!(ids.len(), distinct.len(), "{path}: {ids:?}");
        }
    }
}
