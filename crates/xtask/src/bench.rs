//! Measures a release server over loopback. Server and load generator share the machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use minato_testkit::fixtures::{generate, municipalities};

use crate::http::{Client, escape};
use crate::load::{Load, Outcome, Write};
use crate::prepare::{self, Upload};
use crate::server::{Minato, Server, free_address};
use crate::table::{table, thousands};
use crate::{BenchArguments, cargo};

/// Size of the file that is downloaded.
const FILE_BYTES: usize = 100_000;
/// Files it is kept as.
const FILES: usize = 8;
/// Share of the downloads a second that counting may cost, in percent.
const COUNTING_COST_MAX: f64 = 10.0;
/// Starts that the median is taken over.
const STARTS: usize = 5;

/// What people look for.
const WORDS: [&str; 30] = [
    "避難所",
    "避難場所",
    "aed",
    "トイレ",
    "公園",
    "保育園",
    "人口",
    "ごみ 収集",
    "バス",
    "観光",
    "病院",
    "図書館",
    "学校",
    "予算",
    "防災",
    "ハザードマップ",
    "wifi",
    "文化財",
    "消火栓",
    "投票所",
    "介護",
    "子育て",
    "イベント",
    "gtfs",
    "統計 年齢",
    "道路",
    "給付金",
    "統計",
    "世帯数",
    "公共施設",
];

/// Measures, prints, and fails when an answer was wrong or a download was counted wrong.
pub(crate) async fn run(arguments: &BenchArguments) -> Result<()> {
    ensure!(
        arguments.seconds > 0 && arguments.connections > 0 && arguments.datasets > 0,
        "--seconds, --connections and --datasets must be at least 1"
    );
    if cfg!(debug_assertions) {
        // A load generator without optimisation would take the processor from the server it measures.
        let arguments = std::env::args().skip(1);
        return cargo::run(cargo::cargo().args(["run", "--quiet", "--release", "--package", "xtask", "--"]).args(arguments));
    }
    let binary = cargo::minato(arguments.binary.as_deref(), true)?;
    let data = tempfile::tempdir().context("cannot create a temporary directory")?;
    let mut minato = Minato::new(binary, data.path())?;
    if let Some(url) = &arguments.database_url {
        minato.set("MINATO_DATABASE_URL", url);
    }
    // Measuring writes no log line for each request.
    minato.set("MINATO_LOG", "warn");
    let token = prepare::administrator(&minato, "bench")?;
    let server = minato.serve(free_address()?)?;
    let mut bench = Bench { arguments, token, rows: Vec::new(), problems: Vec::new() };
    let slugs = bench.create_datasets(&server).await?;
    bench.read(&server, &slugs).await?;
    bench.download(&server, &slugs).await?;
    let resident = server.resident_bytes()?;
    server.stop();
    let start = median_start(&minato)?;
    bench.print(slugs.len(), resident, start);
    match bench.problems.as_slice() {
        [] => Ok(()),
        problems => bail!("the figures are not valid:\n  {}", problems.join("\n  ")),
    }
}

struct Bench<'a> {
    arguments: &'a BenchArguments,
    token: String,
    rows: Vec<Vec<String>>,
    problems: Vec<String>,
}

impl Bench<'_> {
    /// The catalog that is measured; making it is the first measurement.
    async fn create_datasets(&mut self, server: &Server) -> Result<Vec<String>> {
        let mut client = Client::new(server.address, &self.token);
        let bodies = municipalities();
        let each = self.arguments.datasets.div_ceil(bodies.len());
        println!("preparing {} datasets ...", each * bodies.len());
        let (mut slugs, mut drafts) = (Vec::new(), Vec::new());
        for municipality in bodies {
            prepare::organization(&mut client, &municipality).await?;
            for fixture in generate(&municipality, each) {
                let mut draft = fixture.draft(&municipality.slug, &format!("{}opendata/", municipality.website));
                draft.slug = Some(fixture.name.clone());
                slugs.push(fixture.name);
                drafts.push(serde_json::to_string(&draft).context("a dataset is not JSON")?);
            }
        }
        let (token, address) = (self.token.clone(), server.address);
        let write = move |number: usize, buffer: &mut Vec<u8>| {
            let Some(body) = drafts.get(number) else { return false };
            let head = format!(
                "POST /api/v1/datasets HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            buffer.extend_from_slice(head.as_bytes());
            buffer.extend_from_slice(body.as_bytes());
            true
        };
        let load = Load { address, connections: self.arguments.connections, time_max: Duration::from_secs(600), status: 201 };
        let outcome = load.run(Arc::new(write)).await?;
        ensure!(outcome.errors == 0, "{} datasets were not created: {}", outcome.errors, outcome.first_error.unwrap_or_default());
        self.report("dataset create", server, &outcome, Some(500))?;
        Ok(slugs)
    }

    async fn read(&mut self, server: &Server, slugs: &[String]) -> Result<()> {
        let of_each = |pattern: &str| -> Vec<String> { slugs.iter().map(|slug| pattern.replace("{}", slug)).collect() };
        let search = |word: &str| format!("/api/v1/search?q={}&facets=organization,theme,format", escape(word));
        let words: Vec<String> = WORDS.iter().map(|word| search(word)).collect();
        self.get("dataset read, native", server, of_each("/api/v1/datasets/{}"), Some(20_000)).await?;
        self.get("dataset read, CKAN", server, of_each("/api/3/action/package_show?id={}"), Some(20_000)).await?;
        self.get("search with three facets", server, words, Some(3_000)).await?;
        self.get_unseen_searches(server).await?;
        self.get("dataset page", server, of_each("/datasets/{}"), Some(3_000)).await?;
        Ok(())
    }

    /// Asks for the paths in turn, round and round.
    async fn get(&mut self, name: &str, server: &Server, paths: Vec<String>, aim: Option<u64>) -> Result<()> {
        let requests: Vec<Vec<u8>> =
            paths.iter().map(|path| get_request(server, path, "Mozilla/5.0 (X11; Linux x86_64) bench").into_bytes()).collect();
        let write = Arc::new(move |number: usize, buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(&requests[number % requests.len()]);
            true
        });
        self.load(server, Duration::from_secs(1)).run(write.clone()).await?;
        let outcome = self.load(server, self.time_max()).run(write).await?;
        self.report(name, server, &outcome, aim)?;
        Ok(())
    }

    /// Searches of which no two are alike, so that no answer can have been kept.
    async fn get_unseen_searches(&mut self, server: &Server) -> Result<()> {
        let address = server.address;
        let names: Vec<String> = municipalities().into_iter().map(|municipality| municipality.name).collect();
        let write = move |number: usize, buffer: &mut Vec<u8>| {
            let (word, rest) = (WORDS[number % WORDS.len()], number / WORDS.len());
            let (name, rest) = (&names[rest % names.len()], rest / names.len());
            let query = escape(&format!("{word} {name}"));
            let path = format!("/api/v1/search?q={query}&facets=organization,theme,format&limit={}&offset={}", 10 + rest % 20, rest / 20);
            buffer.extend_from_slice(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes());
            true
        };
        let outcome = self.load(server, self.time_max()).run(Arc::new(write)).await?;
        self.report("the same, none asked twice", server, &outcome, None)?;
        Ok(())
    }

    /// Downloads, each by a visitor of its own, compares what was counted with what was answered, and says what counting costs.
    async fn download(&mut self, server: &Server, slugs: &[String]) -> Result<()> {
        let mut client = Client::new(server.address, &self.token);
        let bytes = csv(FILE_BYTES);
        let mut paths = Vec::new();
        for slug in slugs.iter().take(FILES) {
            let upload =
                Upload { title: "ベンチマーク用ファイル", file_name: "bench.csv", media_type: "text/csv", bytes: &bytes };
            let distribution = prepare::upload(&mut client, slug, &upload).await?;
            paths.push(prepare::download_path(&distribution).context("an uploaded file has no address")?);
        }
        let before = prepare::downloads_counted(&mut client).await?;
        let visitor = |number| format!("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.{number}");
        let outcome = self.load(server, self.time_max()).run(download_requests(server, &paths, visitor)).await?;
        self.report("download of 100 KB, counted", server, &outcome, Some(10_000))?;
        let counted = prepare::downloads_counted(&mut client).await? - before;
        if counted == outcome.answered {
            println!("{} downloads answered with 200, {} counted", thousands(outcome.answered), thousands(counted));
        } else {
            self.problems.push(format!("{} downloads were answered with 200, but {counted} were counted", outcome.answered));
        }
        // What counting costs: the same requests by somebody who is not counted.
        let crawler = |number| format!("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) {number}");
        let uncounted = self.load(server, self.time_max()).run(download_requests(server, &paths, crawler)).await?;
        self.report("the same by a crawler, not counted", server, &uncounted, None)?;
        let more = prepare::downloads_counted(&mut client).await? - before - counted;
        if more > 0 {
            self.problems.push(format!("{more} downloads of a crawler were counted"));
        }
        let cost = 100.0 * (1.0 - outcome.per_second() / uncounted.per_second());
        println!("counting costs {cost:.1} % of the downloads a second");
        let none = || "-".to_owned();
        let aim = format!("{COUNTING_COST_MAX} %");
        let row =
            ["cost of counting".to_owned(), format!("{cost:.1} %"), none(), none(), none(), none(), aim, met(cost <= COUNTING_COST_MAX)];
        self.rows.push(row.into());
        Ok(())
    }

    fn load(&self, server: &Server, time_max: Duration) -> Load {
        Load { address: server.address, connections: self.arguments.connections, time_max, status: 200 }
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds)
    }

    fn report(&mut self, name: &str, server: &Server, outcome: &Outcome, aim: Option<u64>) -> Result<()> {
        let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let figure = outcome.per_second().round() as u64;
        println!("{name}: {} a second", thousands(figure));
        if outcome.errors > 0 {
            self.problems.push(format!(
                "{name}: {} errors; the first: {}",
                outcome.errors,
                outcome.first_error.as_deref().unwrap_or("none")
            ));
        }
        self.rows.push(vec![
            name.to_owned(),
            format!("{} /s", thousands(figure)),
            milliseconds(outcome.percentile(50)),
            milliseconds(outcome.percentile(99)),
            outcome.errors.to_string(),
            megabytes(server.resident_bytes()?),
            aim.map_or("-".to_owned(), |aim| format!("{} /s", thousands(aim))),
            aim.map_or(String::new(), |aim| met(figure >= aim)),
        ]);
        Ok(())
    }

    fn print(&mut self, datasets: usize, resident: u64, start: Duration) {
        let row = |name: &str, figure: String, aim: &str, met: String| {
            let none = || "-".to_owned();
            vec![name.to_owned(), figure, none(), none(), none(), none(), aim.to_owned(), met]
        };
        self.rows.push(row("resident memory at the end", megabytes(resident), "150 MB", met(resident <= 150_000_000)));
        let start_time = format!("{:.0} ms", start.as_secs_f64() * 1000.0);
        self.rows.push(row("start to first answer", start_time, "1,000 ms", met(start <= Duration::from_secs(1))));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        println!();
        println!(
            "{} datasets, {} connections, {processors} processors shared by server and load generator",
            thousands(datasets as u64),
            self.arguments.connections
        );
        println!();
        print!("{}", table(&["", "measured", "p50", "p99", "errors", "memory", "aim", ""], &self.rows));
    }
}

/// The median time from start to first answer, on the catalog as it is now.
fn median_start(minato: &Minato) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let server = minato.serve(free_address()?)?;
        times.push(server.start_time);
        server.stop();
    }
    times.sort_unstable();
    Ok(times[STARTS / 2])
}

/// Downloads of these files in turn; the agent of each request by its number.
fn download_requests(server: &Server, paths: &[String], agent: impl Fn(usize) -> String + Send + Sync + 'static) -> Arc<Write> {
    let (address, paths) = (server.address, paths.to_vec());
    Arc::new(move |number, buffer| {
        let (path, agent) = (&paths[number % paths.len()], agent(number));
        buffer.extend_from_slice(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: {agent}\r\n\r\n").as_bytes());
        true
    })
}

fn get_request(server: &Server, path: &str, agent: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: {agent}\r\n\r\n", server.address)
}

/// A table of exactly that size.
fn csv(bytes: usize) -> Vec<u8> {
    let mut text = String::from("id,name,value\r\n");
    let mut row = 0;
    while text.len() < bytes {
        row += 1;
        text += &format!("{row},row-{row},{}\r\n", row * 7 % 1000);
    }
    text.truncate(bytes);
    text.into_bytes()
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

fn met(met: bool) -> String {
    if met { "met".to_owned() } else { "MISSED".to_owned() }
}
