//! How large and how fast: `cargo xtask bench search`.
//!
//! Makes catalogs of many municipalities from a corpus (or, without one, from the invented fixtures) and measures the index: time to
//! build, size, memory, latencies, and how soon a change is seen. Each size runs in a process of its own, so that memory is its own.

mod material;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use minato_search::{Facet, Filters, Index, Scope, SearchDocument, SearchRequest, Settings};

use material::{Record, read_corpus};

/// Builds large catalogs and measures searching them.
#[derive(Parser)]
#[command(name = "cargo xtask bench search")]
struct Arguments {
    /// Numbers of datasets.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000")]
    sizes: Vec<usize>,
    /// Records to make datasets of, one JSON object a line, `.gz` is unpacked; the invented fixtures without it.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Where the index is built, or taken from when it has so many datasets; a temporary directory without it.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Rounds of each kind of query.
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Also print the median of each query.
    #[arg(long)]
    each: bool,
    /// Measure this size in this process.
    #[arg(long, hide = true)]
    one: Option<usize>,
}

// As in the server, so that memory is what it would have.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const FACETS: [Facet; 4] = [Facet::Organization, Facet::Theme, Facet::Format, Facet::Licence];
const BATCH: usize = 2_000;
/// Changes that are timed.
const CHANGES: usize = 20;

/// What people type, with many hits each.
const PLAIN: [&str; 24] = [
    "避難所",
    "AED",
    "トイレ",
    "人口 世帯",
    "ごみ 収集",
    "保育園",
    "公園",
    "予算",
    "観光",
    "統計",
    "図書館",
    "選挙",
    "病院",
    "バス",
    "道路",
    "文化財",
    "防災",
    "地価",
    "学校",
    "介護",
    "水質",
    "決算",
    "国勢調査",
    "計画",
];
/// What has no dataset with every word, is misspelt, or is asked as a question.
const RELAXED: [&str; 8] = [
    "津波避難ビル 図書館 選挙",
    "保険所 予算 夜間",
    "火災や救急の件数を教えてください",
    "水素 エネルギー 報告書 給食",
    "駅ごとの乗降客数を知りたい",
    "子どもが生まれた数の推移",
    "コミニティバス 停留所 病院",
    "市場 取扱量 公園 橋",
];
const PREFIXES: [&str; 12] = ["ひ", "ひな", "避", "避難", "hi", "hinan", "じんこ", "人", "ごみ", "a", "とう", "保育"];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(size) = arguments.one {
        return measure(size, &arguments);
    }
    for size in &arguments.sizes {
        let this = std::env::current_exe().context("the program does not know where it is")?;
        let status = Command::new(this).args(std::env::args().skip(1)).args(["--one", &size.to_string()]).status();
        ensure!(status.context("cannot measure in a process of its own")?.success(), "measuring {size} datasets failed");
    }
    Ok(())
}

fn measure(size: usize, arguments: &Arguments) -> Result<()> {
    let records = match &arguments.corpus {
        Some(path) => read_corpus(path)?,
        None => material::invented(),
    };
    ensure!(!records.is_empty(), "there is no record to make datasets of");
    let temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
    let directory = arguments.directory.as_deref().unwrap_or(temporary.path());
    let places = places();
    println!("{} datasets of {} records and {} municipalities", thousands(size), thousands(records.len()), thousands(places.len()));

    let index = Index::open(directory, Settings { rebuild_threads: cores(), ..Settings::default() })?.index;
    let mut text_bytes = 0;
    let mut made = Duration::ZERO;
    let begin = Instant::now();
    let batches = (0..size).step_by(BATCH).map(|first| {
        let started = Instant::now();
        let documents: Vec<SearchDocument> = (first..(first + BATCH).min(size))
            .map(|number| {
                let record = relocated(&records[number % records.len()], &places, number / records.len());
                text_bytes += record.text_bytes();
                record.document(number as u128 + 1)
            })
            .collect();
        made += started.elapsed();
        Ok::<_, std::io::Error>(documents)
    });
    // An index that is there already is measured as it is.
    if index.count() != size {
        index.rebuild(batches, 1)?;
    } else {
        drop(batches);
    }
    let built = begin.elapsed();
    let peak = memory("VmHWM");
    let count = records.len();
    let records: Vec<Record> = records.into_iter().take(CHANGES).collect();
    let begin = Instant::now();
    index.refresh_vocabulary()?;
    let words = begin.elapsed();
    println!(
        "  built in {:.1} s (of that {:.1} s to make the datasets), words for suggestions in {:.1} s more",
        built.as_secs_f64(),
        made.as_secs_f64(),
        words.as_secs_f64()
    );
    let bytes = sizes(directory)?;
    let total: u64 = bytes.iter().map(|(_, bytes)| bytes).sum();
    println!("  index {} = {:.2} × the text of {}", megabytes(total), total as f64 / text_bytes as f64, megabytes(text_bytes as u64));
    for (kind, bytes) in bytes {
        println!("    {kind:<12} {}", megabytes(bytes));
    }

    let request = |query: &str, facets: &[Facet]| SearchRequest {
        query: query.to_owned(),
        facets: facets.to_vec(),
        highlight: true,
        ..SearchRequest::default()
    };
    let place = |number: usize| &places[(number * 7) % places.len().min(size.div_ceil(count).max(1))];
    let search = |request: &SearchRequest| index.search(request).map(|results| results.total);
    println!("  {:<52} {:>9} {:>9} {:>9} {:>9} {:>12}", "milliseconds", "p50", "p95", "p99", "busy", "hits");
    type Make<'a> = Box<dyn Fn(usize) -> SearchRequest + 'a>;
    let kinds: [(&str, Make<'_>); 6] = [
        ("plain", Box::new(|n| request(PLAIN[n % PLAIN.len()], &[]))),
        ("plain with four facets", Box::new(|n| request(PLAIN[n % PLAIN.len()], &FACETS))),
        ("with a municipality and four facets", Box::new(|n| request(&format!("{} {}", place(n), PLAIN[n % PLAIN.len()]), &FACETS))),
        (
            "four facets, one of them chosen",
            Box::new(|n| SearchRequest {
                filters: Filters { formats: vec!["CSV".to_owned()], ..Filters::default() },
                ..request(PLAIN[n % PLAIN.len()], &FACETS)
            }),
        ),
        ("relaxed or corrected, four facets", Box::new(|n| request(RELAXED[n % RELAXED.len()], &FACETS))),
        ("everything, four facets", Box::new(|_| request("", &FACETS))),
    ];
    for (name, make) in &kinds {
        let mut hits = 0;
        // The first time, a term is evaluated and pages of the index are read that the system does not have in memory yet.
        let times = timed(PLAIN.len(), |number| search(&make(number)).map(drop))?;
        row(&format!("{name}, the first time"), &times, 0);
        let times = timed(arguments.rounds, |number| {
            hits += search(&make(number))?;
            Ok(())
        })?;
        row(name, &times, hits / arguments.rounds);
        if arguments.each {
            print_each(&times.each, |number| make(number).query);
        }
    }
    let mut offered = 0;
    let times = timed(arguments.rounds * 10, |number| {
        offered += index.suggest(PREFIXES[number % PREFIXES.len()], &Scope::Public, 8).len();
        Ok(())
    })?;
    row("suggestions", &times, offered / times.each.len());

    let (mut each, before) = (Vec::new(), busy());
    for (number, record) in records.iter().enumerate() {
        let mut document = relocated(record, &places, number).document(number as u128 + 1);
        let word = format!("みえるか{number}");
        document.title = format!("{} {word}", document.title);
        let begin = Instant::now();
        index.apply(vec![document], Vec::new(), number as i64 + 2)?;
        let found = search(&request(&word, &[]))?;
        each.push(begin.elapsed());
        ensure!(found > 0, "a change was not seen");
    }
    let times = Times { busy: (busy() - before) / u32::try_from(each.len().max(1))?, each };
    row("from a change to seeing it", &times, 1);
    println!(
        "  memory {}, of which {} are files the system may drop; at most {} while building",
        megabytes(memory("VmRSS")),
        megabytes(memory("RssFile") + memory("RssShmem")),
        megabytes(peak)
    );
    Ok(())
}

/// The record as another municipality would publish it.
fn relocated(record: &Record, places: &[String], round: usize) -> Record {
    let mut record = record.clone();
    if round == 0 {
        return record;
    }
    let place = &places[round % places.len()];
    let (old, new) = (record.org.clone(), place.clone());
    record.title = renamed(&record.title, &old, &new);
    if !record.title.contains(stem(&new)) {
        record.title = format!("{new} {}", record.title);
    }
    record.notes = record.notes.as_deref().map(|notes| renamed(notes, &old, &new));
    record.org = new.clone();
    record.id = format!("{}-{round}", record.id);
    record
}

fn renamed(text: &str, old: &str, new: &str) -> String {
    if old.is_empty() { text.to_owned() } else { text.replace(old, new).replace(stem(old), stem(new)) }
}

fn stem(name: &str) -> &str {
    name.trim_end_matches(['市', '区', '町', '村'])
}

/// Names of municipalities: invented of two kanji each, so that there are enough.
fn places() -> Vec<String> {
    const FIRST: [&str; 40] = [
        "青", "赤", "朝", "旭", "荒", "飯", "池", "石", "泉", "稲", "岩", "上", "海", "江", "大", "岡", "奥", "笠", "柏", "勝", "金", "上",
        "亀", "川", "北", "木", "倉", "黒", "小", "佐", "清", "高", "竹", "田", "津", "富", "中", "長", "西", "野",
    ];
    const SECOND: [&str; 35] = [
        "山", "川", "田", "島", "崎", "野", "原", "浜", "沢", "谷", "井", "江", "浦", "岡", "尾", "木", "口", "倉", "坂", "瀬", "津", "戸",
        "根", "橋", "畑", "部", "松", "宮", "村", "本", "森", "屋", "里", "水", "見",
    ];
    let mut names = vec!["呉市".to_owned(), "福山市".to_owned(), "尾道市".to_owned()];
    for second in SECOND {
        for (number, first) in FIRST.iter().enumerate() {
            names.push(format!("{first}{second}{}", ["市", "町", "市", "村"][number % 4]));
        }
    }
    names
}

/// How long each round took, and how long the processors were busy with one on average.
struct Times {
    each: Vec<Duration>,
    busy: Duration,
}

fn timed(rounds: usize, mut run: impl FnMut(usize) -> Result<(), minato_search::Error>) -> Result<Times> {
    let mut each = Vec::with_capacity(rounds);
    let before = busy();
    for number in 0..rounds {
        let begin = Instant::now();
        run(number)?;
        each.push(begin.elapsed());
    }
    Ok(Times { each, busy: (busy() - before) / u32::try_from(rounds.max(1))? })
}

/// Processor time of this process so far, in steps of 10 ms: what a machine that others use too takes says less.
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn row(name: &str, times: &Times, hits: usize) {
    let mut each = times.each.clone();
    each.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let at = |percent: usize| milliseconds(each[(each.len() * percent).div_ceil(100).saturating_sub(1)]);
    let hits = if hits == 0 { String::new() } else { thousands(hits) };
    println!("  {name:<52} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {hits:>12}", at(50), at(95), at(99), milliseconds(times.busy));
}

/// The median of each query, the slowest first.
fn print_each(times: &[Duration], query: impl Fn(usize) -> String) {
    let mut by_query: std::collections::BTreeMap<String, Vec<Duration>> = std::collections::BTreeMap::new();
    for (number, time) in times.iter().enumerate() {
        by_query.entry(query(number)).or_default().push(*time);
    }
    let mut medians: Vec<(Duration, String)> = by_query
        .into_iter()
        .map(|(query, mut times)| {
            times.sort_unstable();
            (times[times.len() / 2], query)
        })
        .collect();
    medians.sort_unstable_by(|a, b| b.cmp(a));
    for (median, query) in medians.iter().take(30) {
        println!("    {:>9.3}  {query}", median.as_secs_f64() * 1e3);
    }
}

/// Bytes by kind of file, the largest first.
fn sizes(directory: &Path) -> Result<Vec<(String, u64)>> {
    let mut sizes: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                let kind = entry.path().extension().map_or("other".to_owned(), |extension| extension.to_string_lossy().into_owned());
                *sizes.entry(kind).or_default() += metadata.len();
            }
        }
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Ok(sizes)
}

/// A line of what the system says of this process, in bytes; 0 where it does not say.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
