//! A whole catalog to try: 23 invented municipal sites and one of the prefecture harvested over their own protocols, datasets of the
//! prefecture published over REST, the portal that was before taken over, and a few real downloads. Everything goes through the interfaces
//! that everybody uses.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use minato_testkit::fixtures::{generate, municipalities, municipality};
use minato_testkit::sites::{Options, RunningSites, SiteSource, Sites, SitesError};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::http::{Client, escape};
use crate::prepare::{self, Upload};
use crate::server::{Minato, Server};
use crate::table::table;
use crate::{DemoArguments, cargo};

/// Port of the first site when it is free.
const SITES_PORT: u16 = 18901;
/// Datasets that the prefecture publishes itself.
const PREFECTURE_DATASETS: usize = 6;
/// How long one harvest may take.
const HARVEST_MAX: Duration = Duration::from_secs(300);

/// Sets everything up, serves until interrupted, and stops everything.
pub(crate) async fn run(arguments: &DemoArguments) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    if let Err(error) = TcpListener::bind(address) {
        bail!("cannot listen on {address}: {error}; choose another port with --port");
    }
    let binary = cargo::minato(arguments.binary.as_deref(), !arguments.debug)?;
    let data = match &arguments.data {
        Some(data) => data.clone(),
        None => cargo::target_dir()?.join("demo"),
    };
    if arguments.fresh && data.exists() {
        // A mistyped --data must not cost anybody a directory that is none of ours.
        ensure!(data.join("minato.sqlite").is_file(), "{} is not a catalog of the demonstration; remove it yourself", data.display());
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    let sites = start_sites()?;
    let mut minato = Minato::new(binary, &data)?;
    minato.set("MINATO_HARVEST_ALLOW_ADDRESSES", sites.addresses().join(","));
    let token = prepare::administrator(&minato, "demo")?;
    let mut server = minato.serve(address)?;
    let begin = Instant::now();
    tokio::select! {
        result = fill(&minato, &server, &token, &sites) => result?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    }
    println!("ready after {:.0} s; the catalog is in {}", begin.elapsed().as_secs_f64(), data.display());
    print_welcome(address, &token);
    if !arguments.once {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    ensure!(server.is_running(), "the server ended; its log is {}", data.join("server.log").display());
                }
            }
        }
    }
    println!("stopping");
    server.stop();
    sites.stop();
    Ok(())
}

/// On fixed ports, so that a catalog that is used again finds its sources; on any when those are taken.
fn start_sites() -> Result<RunningSites> {
    match Sites::start(Options { base_port: Some(SITES_PORT) }) {
        Err(SitesError::Bind { .. }) => Sites::start(Options::default()).context("the invented sites do not start"),
        other => other.context("the invented sites do not start"),
    }
}

async fn fill(minato: &Minato, server: &Server, token: &str, sites: &RunningSites) -> Result<()> {
    let mut client = Client::new(server.address, token);
    let mut sources = sites.sources();
    sources.push(sites.civil_site()?);
    for municipality in municipalities() {
        prepare::organization(&mut client, &municipality).await?;
    }
    // First what the prefecture itself has: its names in addresses are not left to copies.
    publish(&mut client).await?;
    for source in &sources {
        set_source(&mut client, source).await?;
    }
    let runs = harvest(&mut client, &sources).await?;
    print_harvests(&sources, &runs)?;
    let protocols: BTreeSet<&str> = sources.iter().map(|source| source.kind.as_str()).collect();
    println!("{} sites harvested over {} protocols, each as expected", runs.len(), protocols.len());
    take_over(minato, &mut client, sites).await?;
    count_copies(&mut client, sites, &sources).await?;
    download(server, &mut client).await
}

/// Takes the previous portal over on the command line, with its past counts, and follows its addresses.
async fn take_over(minato: &Minato, client: &mut Client, sites: &RunningSites) -> Result<()> {
    let portal = sites.previous_portal()?;
    let counts = minato.data().join("past-counts.csv");
    std::fs::write(&counts, sites.past_counts()?).with_context(|| format!("cannot write {}", counts.display()))?;
    let counts = counts.to_str().context("the directory of the catalog has a name that is no text")?;
    let organization = portal.organization.as_str();
    let said = minato.call(&["import", "dataeye", &portal.url, "--organization", organization, "--counts", counts])?;
    println!("\n{} taken over with `minato import dataeye`:\n  {}", portal.name, said.replace('\n', "\n  "));
    for path in sites.former_paths()? {
        let answer = client.send("GET", &path, &[], &[]).await?;
        ensure!(answer.status == 301, "GET {path} answered {}, but the portal's addresses should lead on", answer.status);
        println!("  {path} leads to {}", answer.header("location").unwrap_or_default());
    }
    Ok(())
}

/// Says how many of all records are copies of others: each dataset is shown once.
async fn count_copies(client: &mut Client, sites: &RunningSites, sources: &[SiteSource]) -> Result<()> {
    let records = sources.iter().map(|source| source.expected_datasets).sum::<usize>()
        + sites.previous_portal()?.expected_datasets
        + PREFECTURE_DATASETS;
    let answer = client.get("/api/3/action/package_search?rows=0").await?;
    let shown = answer["result"]["count"].as_u64().context("package_search gives no count")?;
    let copies = (records as u64).saturating_sub(shown);
    ensure!(copies > 0, "copies of datasets were not found: all {records} records are shown");
    println!("{records} records came; {copies} are copies of others, so {shown} datasets are shown");
    Ok(())
}

/// Creates a harvest source, or leads the one there to where the site is now.
async fn set_source(client: &mut Client, source: &SiteSource) -> Result<()> {
    let draft = json!({
        "slug": source.slug,
        "title": format!("{}（架空のサイト）", source.name),
        "kind": source.kind,
        "url": source.url,
        "organization": source.organization,
    });
    let path = format!("/api/v1/harvest-sources/{}", source.slug);
    let there = client.send("GET", &path, &[], &[]).await?;
    if there.status != 200 {
        client.send_json("POST", "/api/v1/harvest-sources", &[], &draft, &[201]).await?;
    } else if there.json()["url"] != draft["url"] {
        let patch = json!({"url": source.url});
        client.send_json("PATCH", &path, &[("if-match", "*")], &patch, &[200]).await?;
    }
    Ok(())
}

/// Harvests all sources and returns their runs, in the same order.
async fn harvest(client: &mut Client, sources: &[SiteSource]) -> Result<Vec<Value>> {
    let bar = ProgressBar::new(sources.len() as u64);
    let style = "harvesting {wide_bar} {pos}/{len} sites, {elapsed} {msg}";
    bar.set_style(ProgressStyle::with_template(style).context("the progress bar has no style")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut queued = Vec::new();
    for source in sources {
        let path = format!("/api/v1/harvest-sources/{}/runs", source.slug);
        let answer = client.send_json("POST", &path, &[], &json!({}), &[200, 201, 202]).await?;
        let id = answer.json()["id"].as_str().with_context(|| format!("POST {path} answered without an id"))?.to_owned();
        queued.push((source, path, id));
    }
    let mut runs = Vec::new();
    for (source, path, id) in queued {
        bar.set_message(source.name.clone());
        let deadline = Instant::now() + HARVEST_MAX;
        loop {
            let list = client.get(&path).await?;
            let items = list["items"].as_array().or(list.as_array()).cloned().unwrap_or_default();
            let run = items.into_iter().find(|run| run["id"] == *id).with_context(|| format!("GET {path} does not list run {id}"))?;
            if !matches!(run["status"].as_str(), Some("queued" | "running")) {
                runs.push(run);
                break;
            }
            ensure!(Instant::now() < deadline, "the harvest of {} did not end within {HARVEST_MAX:?}", source.name);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(runs)
}

/// The table of sites; an error when a harvest did not give what the site is known to have.
fn print_harvests(sources: &[SiteSource], runs: &[Value]) -> Result<()> {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (source, run) in sources.iter().zip(runs) {
        let count = |outcomes: &[&str]| outcomes.iter().filter_map(|outcome| run["counts"][outcome].as_u64()).sum::<u64>();
        let (datasets, failures) = (count(&["added", "updated", "unchanged"]), count(&["failed"]));
        if (datasets, failures) != (source.expected_datasets as u64, source.expected_failures as u64) {
            wrong.push(format!(
                "{}: {} datasets and {} failures were expected, {datasets} and {failures} came: {}",
                source.name, source.expected_datasets, source.expected_failures, run["message"]["en"]
            ));
        }
        rows.push(vec![
            source.name.clone(),
            source.kind.as_str().to_owned(),
            datasets.to_string(),
            failures.to_string(),
            run["status"].as_str().unwrap_or_default().to_owned(),
            source.faulty.map_or(String::new(), |fault| format!("on purpose: {fault}")),
        ]);
    }
    println!("\n{}", table(&["site", "protocol", "datasets", "failures", "run", "what is wrong with the site"], &rows));
    ensure!(wrong.is_empty(), "some harvests did not give what the sites have:\n  {}", wrong.join("\n  "));
    Ok(())
}

/// Datasets that the prefecture publishes here, with their files.
async fn publish(client: &mut Client) -> Result<()> {
    let prefecture = municipality("hiroshima-ken").context("the fixtures have no prefecture")?;
    let mut files = 0;
    for fixture in generate(&prefecture, PREFECTURE_DATASETS) {
        let mut draft = fixture.draft(&prefecture.slug, &prefecture.website);
        draft.slug = Some(fixture.name.clone());
        draft.distributions = None;
        if !prepare::dataset(client, &prefecture.slug, &fixture.identifier, &draft).await? {
            continue;
        }
        for file in &fixture.files {
            let upload = Upload { title: &file.title, file_name: &file.name, media_type: &file.media_type, bytes: &file.bytes };
            prepare::upload(client, &fixture.name, &upload).await?;
            files += 1;
        }
    }
    if files > 0 {
        println!("{PREFECTURE_DATASETS} datasets of {} published with {files} files", prefecture.name);
    }
    Ok(())
}

/// Agents of people, programs, an assistant and a crawler; downloads of the last are not counted.
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "curl/8.5.0",
    "python-requests/2.32.3",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

/// Real downloads, so that the statistics have something to show.
async fn download(server: &Server, client: &mut Client) -> Result<()> {
    let before = prepare::downloads_counted(client).await?;
    let mut paths = Vec::new();
    let kept = client.get("/api/v1/datasets?organization=hiroshima-ken&limit=100").await?;
    let linked = client.get("/api/v1/datasets?organization=kure-shi&limit=5").await?;
    for dataset in kept["items"].as_array().into_iter().chain(linked["items"].as_array()).flatten() {
        paths.extend(dataset["distributions"].as_array().into_iter().flatten().filter_map(prepare::download_path));
    }
    let mut anonymous = Client::new(server.address, "");
    let mut sent = 0;
    for (index, path) in paths.iter().enumerate() {
        // Not everything is equally popular.
        for agent in AGENTS.iter().skip(index % 3) {
            let answer = anonymous.send("GET", path, &[("user-agent", agent)], &[]).await?;
            ensure!(matches!(answer.status, 200 | 302 | 303 | 307), "GET {path} answered {}", answer.status);
            sent += 1;
        }
    }
    let counted = prepare::downloads_counted(client).await? - before;
    println!("{sent} files downloaded, {counted} of them counted (a crawler's are not)");
    Ok(())
}

fn print_welcome(address: SocketAddr, token: &str) {
    let url = format!("http://{address}");
    let word = escape("避難所");
    println!(
        "
  portal      {url}/
  statistics  {url}/stats
  API         {url}/api/docs
  token       {token}

  curl '{url}/api/v1/search?q={word}&facets=organization,theme,format'
  curl '{url}/api/3/action/package_search?q={word}&rows=3'
  curl '{url}/catalog.ttl'
  curl -H 'Authorization: Bearer {token}' '{url}/api/v1/harvest-sources'

Ctrl-C stops everything; the next `cargo xtask demo` goes on with the same catalog, with --fresh it begins anew.
"
    );
}
