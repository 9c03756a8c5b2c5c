//! How good searches are, by queries with judgments: `cargo xtask relevance --corpus FILE --queries FILE --qrels FILE`.
//!
//! The corpus goes into a fresh index and the queries through [`minato_search::Index::search`], as in the server.

mod material;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use minato_search::{Index, SearchRequest, Settings};

use material::read_corpus;

/// Hits looked at for each query.
const DEPTH: usize = 50;
/// Rank that the gain is summed to.
const CUT: usize = 10;

/// Searches a corpus with judged queries and prints how good the answers are.
///
/// nDCG@10 with gain 2^grade − 1 and discount log2(rank + 1), unjudged counted as 0; recall@50 of the records with grade 1 or more
/// (of at most 50), and of those with grade 2 or more; MRR of the first hit with grade 1 or more; queries without any hit; hits among the first ten that nobody judged.
#[derive(Parser)]
#[command(name = "cargo xtask relevance")]
struct Arguments {
    /// Records, one JSON object a line: id, title, notes, org, tags, groups, formats, modified, resources; `.gz` is unpacked.
    #[arg(long)]
    corpus: PathBuf,
    /// TSV with the header `qid split category query need`.
    #[arg(long)]
    queries: PathBuf,
    /// TSV with the header `qid docid grade`, grades 0 to 3.
    #[arg(long)]
    qrels: Option<PathBuf>,
    /// Writes what was found: `qid docid rank score`, best first, at most 50 a query.
    #[arg(long)]
    run: Option<PathBuf>,
    /// Only queries of this split.
    #[arg(long)]
    split: Option<String>,
    /// Uses this synonym list instead of the built-in one.
    #[arg(long)]
    synonyms: Option<PathBuf>,
    /// Prints the first hits of these queries (`all`, or qids with commas), how they were understood, and the best that was missed.
    #[arg(long, value_delimiter = ',')]
    show: Vec<String>,
}

struct Query {
    qid: String,
    category: String,
    text: String,
    need: String,
}

/// Grade by docid.
type Grades = HashMap<String, u8>;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let queries = read_queries(&arguments.queries, arguments.split.as_deref())?;
    ensure!(
        !queries.is_empty(),
        "{} holds no query{}",
        arguments.queries.display(),
        if arguments.split.is_some() { " of that split" } else { "" }
    );
    let records = read_corpus(&arguments.corpus)?;
    let titles: HashMap<&str, &str> = records.iter().map(|record| (record.id.as_str(), record.title.as_str())).collect();
    let qrels = match &arguments.qrels {
        Some(path) => read_qrels(path)?,
        None => HashMap::new(),
    };
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut settings = Settings::default();
    if let Some(path) = &arguments.synonyms {
        settings.synonyms = Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    let index = Index::open(directory.path(), settings)?.index;
    let documents = records.iter().enumerate().map(|(number, record)| record.document(number as u128 + 1)).collect::<Vec<_>>();
    index.rebuild([Ok::<_, std::io::Error>(documents)], 1)?;
    index.refresh_vocabulary()?;

    let mut run = String::from("qid\tdocid\trank\tscore\n");
    let mut figures: BTreeMap<String, Vec<Figures>> = BTreeMap::new();
    for query in &queries {
        let request = SearchRequest { query: query.text.clone(), limit: DEPTH, explain: true, ..SearchRequest::default() };
        let results = index.search(&request)?;
        let hits: Vec<(&str, f32)> = results
            .hits
            .iter()
            .filter_map(|hit| {
                records.get(usize::try_from(hit.id.as_u128()).ok()?.checked_sub(1)?).map(|record| (record.id.as_str(), hit.score))
            })
            .collect();
        for (rank, (docid, score)) in hits.iter().enumerate() {
            writeln!(run, "{}\t{docid}\t{}\t{score:.6}", query.qid, rank + 1)?;
        }
        let Some(grades) = qrels.get(&query.qid) else { continue };
        let found = Figures::of(&hits, grades);
        if arguments.show.iter().any(|wanted| wanted == "all" || *wanted == query.qid) {
            show(query, &results, &hits, grades, &titles, &found);
        }
        figures.entry(query.category.clone()).or_default().push(found);
    }
    if let Some(path) = &arguments.run {
        std::fs::write(path, run).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{} queries, what they found is in {}", queries.len(), path.display());
    }
    if arguments.qrels.is_some() {
        ensure!(!figures.is_empty(), "no query of {} is judged: do the qids agree?", arguments.queries.display());
        print_table(&figures);
    }
    Ok(())
}

/// What is measured of one query.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    ndcg: f64,
    recall: f64,
    /// The same of records with grade 2 or more.
    useful_recall: f64,
    reciprocal_rank: f64,
    empty: bool,
    unjudged: usize,
}

impl Figures {
    fn of(hits: &[(&str, f32)], grades: &Grades) -> Figures {
        let grade = |docid: &str| grades.get(docid).copied().unwrap_or(0);
        let gain = |grade: u8, rank: usize| (2f64.powi(i32::from(grade)) - 1.0) / ((rank + 2) as f64).log2();
        let mut ideal: Vec<u8> = grades.values().copied().collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        let best: f64 = ideal.iter().take(CUT).enumerate().map(|(rank, grade)| gain(*grade, rank)).sum();
        let got: f64 = hits.iter().take(CUT).enumerate().map(|(rank, (docid, _))| gain(grade(docid), rank)).sum();
        let recall = |least: u8| {
            let relevant = grades.values().filter(|grade| **grade >= least).count();
            let found = hits.iter().take(DEPTH).filter(|(docid, _)| grade(docid) >= least).count();
            if relevant > 0 { found as f64 / relevant.min(DEPTH) as f64 } else { 0.0 }
        };
        let first = hits.iter().position(|(docid, _)| grade(docid) > 0);
        Figures {
            ndcg: if best > 0.0 { got / best } else { 0.0 },
            recall: recall(1),
            useful_recall: recall(2),
            reciprocal_rank: first.map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
            empty: hits.is_empty(),
            unjudged: hits.iter().take(CUT).filter(|(docid, _)| !grades.contains_key(*docid)).count(),
        }
    }
}

fn print_table(figures: &BTreeMap<String, Vec<Figures>>) {
    let all: Vec<Figures> = figures.values().flatten().copied().collect();
    println!(
        "{:<12} {:>7} {:>8} {:>10} {:>10} {:>6} {:>12} {:>12}",
        "category", "queries", "nDCG@10", "recall@50", "(grade 2)", "MRR", "without hits", "unjudged@10"
    );
    for (name, list) in figures.iter().map(|(name, list)| (name.as_str(), list)).chain([("all", &all)]) {
        let count = list.len() as f64;
        let mean = |of: &dyn Fn(&Figures) -> f64| list.iter().map(of).sum::<f64>() / count;
        println!(
            "{name:<12} {:>7} {:>8.3} {:>10.3} {:>10.3} {:>6.3} {:>10.1} % {:>12.2}",
            list.len(),
            mean(&|figures| figures.ndcg),
            mean(&|figures| figures.recall),
            mean(&|figures| figures.useful_recall),
            mean(&|figures| figures.reciprocal_rank),
            100.0 * mean(&|figures| f64::from(u8::from(figures.empty))),
            mean(&|figures| figures.unjudged as f64),
        );
    }
}

fn show(
    query: &Query,
    results: &minato_search::SearchResults,
    hits: &[(&str, f32)],
    grades: &Grades,
    titles: &HashMap<&str, &str>,
    figures: &Figures,
) {
    println!(
        "{} [{}] {} ({}): nDCG {:.3}, recall {:.3}, {} hits",
        query.qid, query.category, query.text, query.need, figures.ndcg, figures.recall, results.total
    );
    println!(
        "    {}{}",
        results.corrected.as_deref().map(|text| format!("corrected to {text}; ")).unwrap_or_default(),
        results.explanation.as_ref().map(|explanation| format!("tier {}; {explanation}", results.tier)).unwrap_or_default()
    );
    for (rank, (docid, score)) in hits.iter().take(CUT).enumerate() {
        let grade = grades.get(*docid).map_or("-".to_owned(), u8::to_string);
        println!("    {:>2} {grade} {score:>9.3} {} [{docid}]", rank + 1, titles.get(docid).copied().unwrap_or_default());
    }
    let mut missed: Vec<(&str, u8)> =
        grades.iter().filter(|(_, grade)| **grade >= 2).map(|(docid, grade)| (docid.as_str(), *grade)).collect();
    missed.retain(|(docid, _)| !hits.iter().take(CUT).any(|(found, _)| found == docid));
    missed.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (docid, grade) in missed.iter().take(8) {
        let rank = hits.iter().position(|(found, _)| found == docid).map_or("not found".to_owned(), |rank| format!("rank {}", rank + 1));
        println!("       missed {grade}: {} ({rank}) [{docid}]", titles.get(docid).copied().unwrap_or_default());
    }
}

fn read_queries(path: &Path, split: Option<&str>) -> Result<Vec<Query>> {
    let rows = read_table(path, &["qid", "split", "category", "query", "need"])?;
    let queries = rows.into_iter().filter(|row| split.is_none_or(|split| row[1] == split));
    Ok(queries
        .map(|mut row| Query {
            need: row.pop().unwrap_or_default(),
            text: row.pop().unwrap_or_default(),
            category: row.pop().unwrap_or_default(),
            qid: row.swap_remove(0),
        })
        .collect())
}

fn read_qrels(path: &Path) -> Result<HashMap<String, Grades>> {
    let mut qrels: HashMap<String, Grades> = HashMap::new();
    for (index, row) in read_table(path, &["qid", "docid", "grade"])?.into_iter().enumerate() {
        let grade = row[2].trim().parse().ok().filter(|grade| *grade <= 3);
        let grade = grade.with_context(|| format!("{}, line {}: the grade `{}` is not 0, 1, 2 or 3", path.display(), index + 2, row[2]))?;
        qrels.entry(row[0].clone()).or_default().insert(row[1].clone(), grade);
    }
    Ok(qrels)
}

/// Rows of a TSV, in the order of `columns`, whatever the order in the file; other columns are left out.
fn read_table(path: &Path, columns: &[&str]) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').map(str::trim).collect();
    let mut places = Vec::new();
    for column in columns {
        match header.iter().position(|name| name == column) {
            Some(place) => places.push(place),
            None => bail!("{}: no column `{column}`; the first line must name {}", path.display(), columns.join(", ")),
        }
    }
    let mut rows = Vec::new();
    for (index, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split('\t').collect();
        ensure!(
            places.iter().all(|place| *place < cells.len()),
            "{}, line {}: {} cells, {} wanted",
            path.display(),
            index + 2,
            cells.len(),
            header.len()
        );
        rows.push(places.iter().map(|place| cells[*place].to_owned()).collect());
    }
    Ok(rows)
}
