#![doc = include_str!("../README.md")]

mod arrows;
mod bench;
mod cargo;
mod demo;
mod http;
mod load;
mod openapi;
mod prepare;
mod server;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// A whole catalog to try: invented sites harvested, a portal taken over, datasets published and downloaded.
    Demo(DemoArguments),
    /// All tests of the workspace.
    Test {
        /// Passed on to `cargo test`, for example `-p minato-store` or a test's name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Writes openapi/minato.json.
    Openapi {
        /// Write nothing; fail when the file is not what the server says of itself.
        #[arg(long)]
        check: bool,
    },
    /// Measures a release server over loopback, the functions of the crates, or search in large catalogs.
    Bench(BenchArguments),
    /// Measures how good searches are by judged queries; `cargo xtask relevance --help` says what the files hold.
    #[command(disable_help_flag = true)]
    Relevance {
        /// Passed on: --corpus FILE --queries FILE --qrels FILE [--run FILE] [--show QIDS].
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Checks the dependencies between the crates.
    Arrows,
}

#[derive(Args)]
struct DemoArguments {
    /// Port of the portal.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the catalog is kept; `demo` in the target directory by default. What is there is used again.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Start with an empty catalog although there is one.
    #[arg(long)]
    fresh: bool,
    /// Build without optimisation: quicker to build, slower to run.
    #[arg(long)]
    debug: bool,
    /// Build with optimisation; this is the default.
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Use this `minato` instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Set everything up, say how it went, and end.
    #[arg(long)]
    once: bool,
}

#[derive(Args)]
struct BenchArguments {
    /// `server` measures the server; `functions` runs the Criterion benches of the crates; `search` builds large catalogs and searches them.
    #[arg(value_enum, default_value_t = BenchSubject::Server)]
    subject: BenchSubject,
    /// How long each kind of request is sent, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections kept open at once.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Datasets in the catalog.
    #[arg(long, default_value_t = 2_000)]
    datasets: usize,
    /// Measure this `minato` instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Measure on this PostgreSQL database, which must be empty, instead of SQLite.
    #[arg(long)]
    database_url: Option<String>,
    /// For `search`: records to make catalogs of, JSON lines; the invented fixtures without it.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// For `search`: numbers of datasets, with commas.
    #[arg(long, default_value = "10000,100000,1000000")]
    sizes: String,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BenchSubject {
    Server,
    Functions,
    Search,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match arguments.chore {
        Chore::Demo(arguments) => runtime.block_on(demo::run(&arguments)),
        Chore::Test { rest } => cargo::test(&rest),
        Chore::Openapi { check } => openapi::run(check),
        Chore::Bench(BenchArguments { subject: BenchSubject::Functions, .. }) => cargo::bench(),
        Chore::Bench(BenchArguments { subject: BenchSubject::Search, corpus, sizes, .. }) => {
            let mut rest = vec!["--sizes".to_owned(), sizes];
            if let Some(corpus) = corpus {
                rest.extend(["--corpus".to_owned(), corpus.display().to_string()]);
            }
            cargo::search_example("scale", &rest)
        }
        Chore::Relevance { rest } => cargo::search_example("relevance", &rest),
        Chore::Bench(arguments) => runtime.block_on(bench::run(&arguments)),
        Chore::Arrows => arrows::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
