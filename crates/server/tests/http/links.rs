//! Links of harvested files: what staff see of them over REST and on pages, and what readers are told.

use minato_app::Context;
use minato_app::catalog::LinkCheckRun;
use serde_json::{Value, json};

use crate::harvesting::Harvesting;
use crate::staff::{SignedIn, leads_to, post};

/// Looks at all links of a source now, on a thread that is not a server's.
fn check_links(h: &Harvesting, slug: &str) -> LinkCheckRun {
    let app = h.site.state.app.clone();
    let slug = slug.to_owned();
    std::thread::spawn(move || app.check_links(&Context::system("test"), &slug, |_| {}).unwrap()).join().unwrap()
}

/// The first dataset of the site of 呉市, harvested, and the name of its first file there.
async fn harvested(h: &Harvesting, more: Value) -> (Value, String) {
    let mut draft = h.draft("kure", "kure-shi");
    draft.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    h.add(draft);
    h.harvest("kure");
    let first = h.sites.datasets("kure-shi").unwrap()[0].clone();
    let all = h.site.get("/api/v1/datasets?limit=100").await.expect(200);
    let dataset = all["items"].as_array().unwrap().iter().find(|dataset| dataset["title"] == first.title.as_str()).unwrap();
    (dataset.clone(), first.files[0].name.clone())
}

fn rename_file(h: &Harvesting, name: &str) {
    h.sites.edit("kure-shi", |datasets| datasets[0].files[0].name = name.to_owned()).unwrap();
}

#[actix_web::test]
async fn troubled_links_are_listed_for_members() {
    let h = Harvesting::start();
    let (dataset, _) = harvested(&h, json!({})).await;
    let (site, list) = (&h.site, "/api/v1/organizations/kure-shi/troubled-links");
    let file = dataset["distributions"][0].clone();
    let history = format!("/api/v1/distributions/{}/link-checks", file["id"].as_str().unwrap());
    assert_eq!(site.get(&history).await.expect(200)["total"], 0, "nobody has looked");
    check_links(&h, "kure");
    rename_file(&h, "elsewhere.csv");
    check_links(&h, "kure");
    for query in ["", "?format=csv"] {
        site.get(&format!("{list}{query}")).await.refuses(401, "");
        site.ask("GET", &format!("{list}{query}")).token(&site.editor).send().await.refuses(403, "");
    }
    site.ask("GET", "/api/v1/organizations/nowhere/troubled-links").token(&site.admin).send().await.refuses(404, "");
    site.ask("GET", &format!("{list}?format=xls")).token(&site.admin).send().await.refuses(400, "/format");
    let links = site.ask("GET", list).token(&site.other).send().await.expect(200);
    assert_eq!(links["total"], 1, "{links:#}");
    let link = &links["items"][0];
    assert_eq!(
        (&link["dataset_id"], &link["title"], &link["file"], &link["url"], &link["status"], &link["broken"]),
        (&dataset["id"], &dataset["title"], &file["title"], &file["download_url"], &json!(404), &json!(true))
    );
    assert!(link["problems"][0]["ja"].as_str().unwrap().contains("リンク先がありません") && link["since"] == link["looked"]);
    let table = site.ask("GET", &format!("{list}?format=csv")).token(&site.other).send().await;
    assert!(table.header("content-type").starts_with("text/csv") && table.header("cache-control") == "no-store");
    let lines: Vec<&str> = table.text.strip_prefix('\u{feff}').unwrap().lines().collect();
    assert!(lines.len() == 2 && lines[1].contains(file["download_url"].as_str().unwrap()) && lines[1].contains(",404,"), "{lines:?}");

    let found = site.get(&history).await.expect(200);
    let oks: Vec<&Value> = found["items"].as_array().unwrap().iter().map(|finding| &finding["ok"]).collect();
    assert_eq!(oks, [&json!(false), &json!(true)], "newest first");
    site.get("/api/v1/distributions/none/link-checks").await.refuses(404, "");
}

#[actix_web::test]
async fn a_look_at_the_links_is_asked_for_and_watched() {
    let h = Harvesting::start();
    harvested(&h, json!({})).await;
    let (site, runs) = (&h.site, "/api/v1/harvest-sources/kure/link-checks");
    site.ask("POST", runs).send().await.refuses(401, "");
    site.ask("POST", runs).token(&site.editor).send().await.refuses(403, "");
    site.ask("POST", "/api/v1/harvest-sources/nowhere/link-checks").token(&site.admin).send().await.refuses(404, "");
    let asked = async || site.get(runs).await.expect(200)["items"].as_array().unwrap().iter().filter(|run| run["asked"] == true).count();
    let trial = site.ask("POST", &format!("{runs}?dry_run=true")).token(&site.other).send().await;
    assert_eq!((trial.status.as_u16(), trial.header("location"), asked().await), (202, "", 0));
    let queued = site.ask("POST", runs).token(&site.other).send().await;
    let location = queued.header("location").to_owned();
    let queued = queued.expect(202);
    assert_eq!(
        (&queued["status"], location.as_str()),
        (&json!("queued"), &*format!("/api/v1/link-checks/{}", queued["id"].as_str().unwrap()))
    );
    let again = site.ask("POST", runs).token(&site.other).send().await.expect(202);
    assert_eq!((&again["id"], asked().await), (&queued["id"], 1), "it waits already");
    let run = check_links(&h, "kure");
    assert_eq!(run.id.to_string(), queued["id"].as_str().unwrap());
    let ended = site.get(&location).await.expect(200);
    assert_eq!((&ended["status"], &ended["looked"], &ended["troubled"]), (&json!("complete"), &json!(run.looked), &json!(0)));
    assert!(run.looked > 0 && ended["finished"].is_string());
    site.get("/api/v1/link-checks/none").await.refuses(404, "");
    site.get(&format!("{runs}?limit=0")).await.refuses(400, "/limit");
}

#[actix_web::test]
async fn readers_are_told_that_a_link_may_be_broken() {
    let h = Harvesting::start();
    let (dataset, name) = harvested(&h, json!({})).await;
    let (site, page) = (&h.site, format!("/datasets/{}", dataset["slug"].as_str().unwrap()));
    check_links(&h, "kure");
    assert!(!site.get(&page).await.text.contains("リンク切れ"));
    rename_file(&h, "elsewhere.csv");
    check_links(&h, "kure");
    let today = minato_app::catalog::jst_day(chrono::Utc::now());
    let (ja, en) = (today.format("%Y年%-m月%-d日").to_string(), today.format("%-d %B %Y").to_string());
    // Under another address, as pages are kept for some seconds.
    let told = site.get(&format!("{page}?lang=ja")).await;
    let words = format!("{ja}に確認したときは、リンク先を開けませんでした。");
    assert!(told.text.matches("リンク切れの可能性があります").count() == 1 && told.text.contains(&words), "{}", told.text);
    let link = format!("href=\"/d/{}\"", dataset["distributions"][0]["id"].as_str().unwrap());
    assert!(told.text.contains(&link), "the link is not hidden");
    let told = site.get(&format!("{page}?lang=en")).await;
    assert!(told.text.contains("This link may be broken.") && told.text.contains(&en), "{}", told.text);
    rename_file(&h, &name);
    check_links(&h, "kure");
    assert!(!site.get(&format!("{page}?again")).await.text.contains("リンク切れ"));
}

#[actix_web::test]
async fn a_copy_says_that_it_is_one_and_where_the_original_is() {
    let h = Harvesting::start();
    let (dataset, _) = harvested(&h, json!({"mirror": true})).await;
    let (site, page) = (&h.site, format!("/datasets/{}", dataset["slug"].as_str().unwrap()));
    let original = dataset["distributions"][0]["download_url"].as_str().unwrap();
    assert!(!site.get(&page).await.text.contains("写し"));
    check_links(&h, "kure");
    let id = dataset["distributions"][0]["id"].as_str().unwrap();
    let file = site.get(&format!("/api/v1/distributions/{id}")).await.expect(200);
    assert_eq!((&file["file"]["source_url"], &file["download_url"]), (&json!(original), &json!(original)));
    let versions = site.get(&format!("/api/v1/distributions/{id}/versions")).await.expect(200);
    assert_eq!(versions["items"][0], file["file"]);
    let shown = site.get(&format!("{page}?lang=ja")).await;
    let day = minato_app::catalog::jst_day(chrono::Utc::now()).format("%Y年%-m月%-d日").to_string();
    for words in ["（kure）</span>」のファイルの写しを置いています", &format!("写しを取った日：{day}"), &format!("href=\"{original}\"")]
    {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    assert!(site.get(&format!("{page}?lang=en")).await.text.contains("This catalog keeps copies"));
    // The original goes; readers get the copy, and are told.
    rename_file(&h, "elsewhere.csv");
    check_links(&h, "kure");
    let shown = site.get(&format!("{page}?again")).await;
    assert!(shown.text.contains("に確認したときは開けませんでした）") && !shown.text.contains("リンク切れ"), "{}", shown.text);
    // A file that staff upload is no copy.
    let parts: &[(&str, &str, &[u8])] = &[("file", "own.csv", b"a\n1\n")];
    let path = format!("/api/v1/distributions/{id}/file");
    let own = site.ask("POST", &path).token(&site.other).form(parts).send().await.expect(201);
    assert!(own["file"].get("source_url").is_none(), "{own:#}");
}

#[actix_web::test]
async fn staff_see_troubled_links_and_have_them_looked_at() {
    let h = Harvesting::start();
    let (dataset, _) = harvested(&h, json!({})).await;
    rename_file(&h, "<b>.csv");
    check_links(&h, "kure");
    let site = &h.site;
    let see = async |path: &str, secret: &str| site.ask("GET", path).signed_in(secret).send().await;
    let of = "/staff/links/kure-shi";
    let file = format!("/staff/files/{}/links", dataset["distributions"][0]["id"].as_str().unwrap());
    for path in ["/staff/links", of, "/staff/links/kure-shi/links.csv", &file] {
        leads_to(&site.get(path).await, "/staff");
    }
    assert!(see("/staff", &site.other).await.text.contains("href=\"/staff/links\""));
    leads_to(&see("/staff/links", &site.other).await, of);
    assert!(see("/staff/links", &site.editor).await.text.contains("収集したデータセットがありません"));
    assert_eq!(see(of, &site.editor).await.status, 403);
    assert_eq!(see("/staff/links/nowhere", &site.admin).await.status, 404);
    let page = see(of, &site.other).await;
    for words in
        ["<span class=\"count\">1</span>", "リンク先がありません", dataset["title"].as_str().unwrap(), &file, "links.csv", "いま確認する"]
    {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(!page.text.contains("http-equiv=\"refresh\""));
    let table = see("/staff/links/kure-shi/links.csv", &site.other).await;
    assert!(table.header("content-disposition").contains("links-kure-shi.csv") && table.text.contains(",404,"), "{}", table.text);
    let history = see(&file, &site.other).await;
    assert!(history.text.contains("HTTP 404") && history.text.contains("開けない"), "{}", history.text);
    assert_eq!(see("/staff/files/none/links", &site.other).await.status, 404);
    let source = see("/staff/harvest/kure", &site.other).await;
    assert!(source.text.contains("href=\"/staff/links/kure-shi\"") && source.text.contains("1件を見る"), "{}", source.text);

    let forged = site.ask("POST", of).header("origin", "https://evil.example").signed_in(&site.other);
    assert_eq!(forged.body("application/x-www-form-urlencoded", "").send().await.status, 403);
    assert_eq!(post(site, of, &[]).signed_in(&site.editor).send().await.status, 403);
    leads_to(&post(site, of, &[]).signed_in(&site.other).send().await, "/staff/links/kure-shi?done=links");
    let page = see("/staff/links/kure-shi?done=links", &site.other).await;
    assert!(page.text.contains("順番待ち") && page.text.contains("http-equiv=\"refresh\""), "{}", page.text);
    h.sites
        .edit("kure-shi", |datasets| {
            datasets[0].files[0].name = dataset["distributions"][0]["download_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        })
        .unwrap();
    check_links(&h, "kure");
    assert!(see(of, &site.other).await.text.contains("問題のあるリンクは見つかっていません"));
    let press = post(site, "/staff/harvest/kure", &[("action", "links")]);
    leads_to(&press.signed_in(&site.other).send().await, "/staff/harvest/kure?done=links");

    for path in ["/staff/links", of, &file] {
        for lang in ["ja", "en"] {
            let page = see(&format!("{path}?lang={lang}"), &site.admin).await;
            if page.status == 303 {
                continue;
            }
            assert!(page.status == 200 && page.header("cache-control") == "no-store", "{path}");
            assert!(page.text.contains(&format!("<html lang=\"{lang}\">")) && page.text.matches("<h1").count() == 1, "{path}");
        }
    }
}
