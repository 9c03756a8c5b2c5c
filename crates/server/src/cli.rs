//! The command line. Messages are Japanese where `LANG` or `LC_ALL` says so, else English; what other programs read (tokens, JSON) is plain.

/// Says something as the standard library's macro does, which panics when nobody reads any more ([`put`]).
macro_rules! print {
    ($($text:tt)*) => { $crate::cli::put(format_args!($($text)*)) };
}

/// [`print!`] with the end of the line.
macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}

/// The same to standard error, where nothing more could be said of a failure.
macro_rules! eprintln {
    ($($text:tt)*) => { { let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*))); } };
}

mod harvest;
mod import;

use std::io::{ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use minato_app::catalog::{RecordState, Role, Text, TokenScope, User, UserDraft, parse_moment};
use minato_app::{App, AppSettings, CheckState, Context, Error, TransferCounts};

use crate::config::Config;

/// The shared open-data catalog of a prefecture and its cities.
///
/// `minato serve` is all it takes: what is missing (directory, database, index) is created.
#[derive(Parser)]
#[command(name = "minato", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// Configuration file (TOML); without it `minato.toml` in the current directory, when there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory for database, index and files [env: MINATO_DATA] [default: minato-data].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Database, for example postgres://user@host/minato [env: MINATO_DATABASE_URL] [default: SQLite in the data directory].
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the portal and its APIs; creates what is missing.
    Serve {
        /// Address and port [env: MINATO_SERVER_LISTEN] [default: 127.0.0.1:8080].
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        /// Address under which the public reaches the site, for links that leave it.
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
    },
    /// Bring the database schema up to date.
    Migrate,
    /// Build the search index anew from the database, also while a server is serving.
    Reindex,
    /// Harvest other portals.
    #[command(subcommand)]
    Harvest(harvest::HarvestCommand),
    /// Manage users.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage API tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Take in a catalog that `minato export` wrote, or take over the portal that was before.
    Import(import::Import),
    /// Write the catalog and its files to a directory.
    Export {
        /// A new or empty directory.
        directory: PathBuf,
    },
    /// Statistics: count again, add up anew, close months, import reports.
    #[command(subcommand)]
    Statistics(StatisticsCommand),
    /// Count a sample that `minato statistics export-sample` wrote again, by the rules of this program.
    Recount {
        /// The sample.
        file: PathBuf,
    },
    /// Check database, index and files.
    Doctor {
        /// Also read every file and compare its hash.
        #[arg(long)]
        thorough: bool,
        /// Also remove files that belong to no distribution and are older than a day.
        #[arg(long)]
        fix: bool,
    },
    /// Print the OpenAPI description.
    #[command(hide = true)]
    Openapi,
}

#[derive(Subcommand)]
enum StatisticsCommand {
    /// Count days again from their single downloads, which are kept for 48 hours; without days, add all settled days up anew.
    Rebuild {
        /// First day, for example 2026-11-24.
        #[arg(long, requires = "to")]
        from: Option<chrono::NaiveDate>,
        /// Last day.
        #[arg(long, requires = "from")]
        to: Option<chrono::NaiveDate>,
    },
    /// Print the single downloads of a day, anonymous, for counting them again.
    ExportSample {
        /// The day: today or yesterday.
        #[arg(long)]
        day: chrono::NaiveDate,
    },
    /// Freeze the figures of a month that is over.
    Close {
        /// The month, for example 2026-10.
        month: String,
    },
    /// Take in what other sites report: CSV or XLSX with the columns 月 and 件数, and 報告元, 組織, 備考.
    ImportReports {
        /// The file.
        file: PathBuf,
        /// The source of rows that name none.
        #[arg(long)]
        source: Option<String>,
        /// Replace figures that differ.
        #[arg(long)]
        replace: bool,
        /// Why closed months are restated.
        #[arg(long)]
        reason: Option<String>,
        /// Say what would happen and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create a user.
    Create {
        /// Sign-in name: a–z, 0–9, - and _.
        name: String,
        /// Mail address.
        #[arg(long)]
        email: Option<String>,
        /// May do everything.
        #[arg(long)]
        admin: bool,
    },
    /// List the users.
    List,
    /// Give a user a role in an organization.
    Join {
        /// The user.
        name: String,
        /// Slug, id or code of the organization.
        #[arg(long)]
        organization: String,
        /// viewer, editor, publisher or administrator.
        #[arg(long, default_value = "publisher")]
        role: String,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Create an API token and print it; it is shown this once.
    Create {
        /// Whose rights it carries.
        #[arg(long)]
        user: String,
        /// What it is for.
        #[arg(long)]
        label: String,
        /// May only read.
        #[arg(long)]
        read_only: bool,
        /// When it stops working, for example 2027-03-31.
        #[arg(long)]
        expires: Option<String>,
    },
    /// List a user's tokens, without their secrets.
    List {
        /// The user.
        #[arg(long)]
        user: String,
    },
    /// Revoke a token.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let text = match error.downcast_ref::<Error>() {
                Some(Error::Internal(_)) | None => format!("{error:#}"),
                Some(known) => describe(known),
            };
            eprintln!("{} {text}", say("エラー:", "error:"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output. Behind `| head` nobody may read it any more: what the command is for is done all the same. That the disk is full,
/// for instance, is an error, and what follows would have a hole in it.
fn put(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().write_fmt(text)
        && error.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("{} {error}", say("エラー: 出力を書き込めません:", "error: the output could not be written:"));
        std::process::exit(1);
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Openapi = cli.command {
        println!("{}", crate::api::openapi_json());
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = Config::load(cli.common.config.as_deref())?;
    config.data = cli.common.data.or(config.data);
    config.database_url = cli.common.database_url.or(config.database_url);
    let serving = matches!(cli.command, Command::Serve { .. });
    log_to_stderr(if serving { "info" } else { "warn" });
    if let Command::Serve { listen, base_url } = cli.command {
        config.server.listen = listen.unwrap_or(config.server.listen);
        config.server.base_url = base_url.or(config.server.base_url);
        return serve(config).map(|()| ExitCode::SUCCESS);
    }
    let settings = config.app()?;
    match cli.command {
        Command::Serve { .. } | Command::Openapi => {}
        Command::Migrate => migrate(settings)?,
        Command::Reindex => reindex(settings)?,
        Command::Harvest(command) => return harvest::run(&beside(settings)?, command),
        Command::User(command) => user(&beside(settings)?, command)?,
        Command::Token(command) => token(&beside(settings)?, command)?,
        Command::Import(arguments) => return import::run(settings, arguments),
        Command::Export { directory } => export(&beside(settings)?, &directory)?,
        Command::Statistics(command) => statistics(&beside(settings)?, command)?,
        Command::Recount { file } => return recount(&file),
        Command::Doctor { thorough, fix } => return doctor(settings, thorough, fix),
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the application without the index: a server may be keeping it, and follows the change log by itself.
fn beside(settings: AppSettings) -> anyhow::Result<App> {
    Ok(App::open(AppSettings { index: false, ..settings })?)
}

fn serve(config: Config) -> anyhow::Result<()> {
    let settings = config.app()?;
    let data = settings.data_dir.clone();
    let app = App::open(settings).map_err(|error| anyhow::anyhow!("{}", full(&error)))?;
    let (worker, mail) = (config.harvest.worker, config.mail);
    let mut server = config.server;
    actix_web::rt::System::new().block_on(async move {
        let requested = server.base_url.clone();
        if server.base_url.is_none() && server.listen.port() != 0 {
            server.base_url = Some(server.base_url());
        }
        crate::server::serve(app, server, worker, mail, |address| {
            let url = requested.unwrap_or_else(|| format!("http://{address}"));
            tracing::info!(%url, data = %data.display(), "serving");
            eprintln!("{} {url}", say("みなとを公開しました:", "Minato is serving at"));
        })
        .await
    })
}

fn migrate(settings: AppSettings) -> anyhow::Result<()> {
    let app = beside(settings)?;
    let backend = format!("{:?}", app.store().backend());
    println!("{}", say(&format!("データベース（{backend}）は最新です。"), &format!("the database ({backend}) is up to date")));
    Ok(())
}

fn reindex(settings: AppSettings) -> anyhow::Result<()> {
    let bar = spinner();
    let done = match App::open(AppSettings { index: true, index_lock_wait: Duration::ZERO, ..settings.clone() }) {
        Ok(app) => {
            let count = app.rebuild_index(|count| bar.set_message(say(&format!("{count} 件"), &format!("{count} datasets"))))?;
            app.stop();
            count
        }
        Err(Error::Conflict(error)) if error.code == "index_locked" => {
            bar.set_message(say("サーバーに再構築を依頼しました", "asked the server to rebuild"));
            beside(settings)?.request_reindex(Duration::from_secs(3600), || bar.tick())?
        }
        Err(error) => return Err(error.into()),
    };
    bar.finish_and_clear();
    println!("{}", say(&format!("検索索引を再構築しました（{done} 件）。"), &format!("search index rebuilt with {done} datasets")));
    Ok(())
}

fn statistics(app: &App, command: StatisticsCommand) -> anyhow::Result<()> {
    let context = Context::system("cli");
    match command {
        StatisticsCommand::Rebuild { from: Some(from), to: Some(to) } => {
            app.rebuild_statistics(from, to)?;
            println!("{}", say(&format!("{from} から {to} までを数え直しました。"), &format!("counted {from} to {to} again")));
        }
        StatisticsCommand::Rebuild { .. } => {
            app.rebuild_rollup()?;
            println!("{}", say("月と年度の数を集計し直しました。", "months and fiscal years added up anew"));
        }
        StatisticsCommand::ExportSample { day } => print!("{}", app.export_sample(day)?),
        StatisticsCommand::Close { month } => {
            let figures = app.close_month(&context, &month)?;
            let total = figures.total;
            println!("{}", say(&format!("{month} を {total} 件で確定しました。"), &format!("{month} closed with {total} downloads")));
        }
        StatisticsCommand::ImportReports { file, source, replace, reason, dry_run } => {
            let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let rows = minato_app::read_report_file(&bytes, &name)?;
            let import = minato_app::ReportImport { rows, source, replace, reason, way: "cli" };
            for row in app.import_reports(&Context { dry_run, ..context }, &import)? {
                println!("{}\t{}\t{}\t{}\t{}", row.number, row.month, row.source, row.total, row.outcome());
            }
        }
    }
    app.stop();
    Ok(())
}

fn recount(file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let found = minato_app::recount(&text)?;
    let [counted, now] = found.versions;
    println!("{} {}", say("日付", "day"), found.day);
    println!("{} {counted}, {} {now}", say("数え方の版", "method"), say("このプログラム", "this program"));
    let line = |ja: &str, en: &str, published: i64, recounted: i64| {
        let mark = if published == recounted { "OK" } else { "NG" };
        println!("{mark} {}\t{published}\t{recounted}", say(ja, en));
    };
    let (a, b) = (found.published, found.recounted);
    println!("   {}", say("項目\t公表値\t再計算", "figure\tpublished\trecounted"));
    line("人", "people", a.human, b.human);
    line("プログラム", "programs", a.machine, b.machine);
    line("AI エージェント", "AI agents", a.ai_agent, b.ai_agent);
    line("合計", "total", a.total, b.total);
    line("利用者数（ファイル別）", "unique by file", a.unique_files, b.unique_files);
    line("利用者数（データセット別）", "unique by dataset", a.unique_datasets, b.unique_datasets);
    line("二重クリック", "double clicks", a.double_clicks, b.double_clicks);
    line("閲覧", "views", a.views, b.views);
    for (rule, count) in &found.reclassified {
        println!(
            "{}",
            say(
                &format!("規則「{rule}」の {count} 件は、このプログラムでは別の区分です。"),
                &format!("{count} by rule `{rule}` are of another class in this program")
            )
        );
    }
    Ok(if a == b { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn user(app: &App, command: UserCommand) -> anyhow::Result<()> {
    let context = Context::system("cli");
    match command {
        UserCommand::Create { name, email, admin } => {
            let draft = UserDraft { name, display_name: None, email, admin };
            let user = app.create::<User>(&context, None, draft)?.value;
            println!(
                "{}",
                say(
                    &format!("利用者「{}」を作成しました（{}）。", user.draft.name, user.id),
                    &format!("user {} created ({})", user.draft.name, user.id)
                )
            );
        }
        UserCommand::List => {
            let page =
                app.list::<User>(&context.viewer, minato_app::store::ListFilter { archived: true, limit: 1000, ..Default::default() })?;
            for user in page.items {
                let flags = [(user.draft.admin, "admin"), (user.state == RecordState::Archived, "archived")];
                let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
                println!("{}\t{}\t{}", user.draft.name, user.draft.email.unwrap_or_default(), flags.join(","));
            }
        }
        UserCommand::Join { name, organization, role } => {
            let role = Role::parse(&role).context("role must be viewer, editor, publisher or administrator")?;
            app.set_member(&context, &organization, &name, role)?;
            println!(
                "{}",
                say(
                    &format!("{name} を {organization} の {} にしました。", role.as_str()),
                    &format!("{name} is {} of {organization}", role.as_str())
                )
            );
        }
    }
    Ok(())
}

fn token(app: &App, command: TokenCommand) -> anyhow::Result<()> {
    let context = Context::system("cli");
    match command {
        TokenCommand::Create { user, label, read_only, expires } => {
            let expires = match expires {
                None => None,
                Some(text) => Some(parse_moment(&text).with_context(|| format!("--expires: `{text}` is not a date such as 2027-03-31"))?),
            };
            let scope = TokenScope { read_only, ..Default::default() };
            println!("{}", app.create_token(&context, &user, &label, scope, expires)?.secret);
        }
        TokenCommand::List { user } => {
            for token in app.list_tokens(&context.viewer, &user)? {
                let expires = token.expires.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d").to_string());
                println!("{}\t{}\t{}\t{expires}", token.id, token.label, token.state.as_str());
            }
        }
        TokenCommand::Revoke { id } => {
            let token = app.revoke_token(&context, &id)?;
            println!("{}", say(&format!("トークン「{}」を無効にしました。", token.label), &format!("token `{}` revoked", token.label)));
        }
    }
    Ok(())
}

fn export(app: &App, directory: &std::path::Path) -> anyhow::Result<()> {
    let bar = spinner();
    let counts = app.export(directory, |counts| bar.set_message(counted(counts)))?;
    bar.finish_and_clear();
    println!("{}: {}", directory.display(), counted(counts));
    Ok(())
}

fn doctor(settings: AppSettings, thorough: bool, fix: bool) -> anyhow::Result<ExitCode> {
    let app = match App::open(AppSettings { index: true, index_lock_wait: Duration::ZERO, ..settings.clone() }) {
        Err(Error::Conflict(error)) if error.code == "index_locked" => {
            eprintln!("{}", say("サーバーが動作中のため、検索索引は調べません。", "a server is running; its search index is not examined"));
            beside(settings)?
        }
        other => other?,
    };
    if fix {
        let (count, bytes) = app.remove_leftovers()?;
        let said = say(
            &format!("使われていないファイルを {count} 個（{bytes} バイト）削除しました。"),
            &format!("removed {count} unused files ({bytes} bytes)"),
        );
        println!("{said}");
    }
    let checks = app.examine(thorough)?;
    let mut good = true;
    for check in &checks {
        let mark = match check.state {
            CheckState::Good => "OK ",
            CheckState::Warning => "注意",
            CheckState::Bad => "NG ",
        };
        good &= check.state != CheckState::Bad;
        println!("{mark} {}: {}", pick(&check.name), pick(&check.detail));
    }
    app.stop();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn counted(counts: TransferCounts) -> String {
    say(
        &format!("データセット {} 件、ファイル {} 個、語彙 {} 件", counts.datasets, counts.files, counts.words),
        &format!("{} datasets, {} files, {} other records", counts.datasets, counts.files, counts.words),
    )
}

/// Shown on a terminal only; silent in scripts.
fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn log_to_stderr(default: &str) {
    use tracing_subscriber::EnvFilter;
    // The HTTP parser calls each malformed request an error of its own; the client is told, the log need not be.
    let quiet = |filter: &str| EnvFilter::try_new(format!("actix_http=off,{filter}")).ok();
    let wanted = std::env::var("MINATO_LOG").ok().filter(|filter| !filter.trim().is_empty());
    let filter = wanted.and_then(|filter| quiet(&filter)).or_else(|| quiet(default)).unwrap_or_default();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // Set already only in tests that call the command line twice.
    let _ = subscriber.try_init();
}

fn is_japanese() -> bool {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| value.starts_with("ja"))
}

fn say(ja: &str, en: &str) -> String {
    if is_japanese() { ja.to_owned() } else { en.to_owned() }
}

fn pick(text: &Text) -> String {
    say(&text.ja, &text.en)
}

fn describe(error: &Error) -> String {
    let text = pick(&error.text());
    match error {
        Error::Invalid(errors) if errors.len() > 1 => {
            let lines: Vec<String> = errors.iter().map(|error| format!("\n  - {}", pick(&error.message))).collect();
            format!("{text}{}", lines.concat())
        }
        _ => text,
    }
}

/// An error with its causes: on the command line nothing is withheld.
fn full(error: &Error) -> String {
    match error {
        Error::Internal(source) => {
            let mut text = source.to_string();
            let mut next = source.source();
            while let Some(cause) = next {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                next = cause.source();
            }
            text
        }
        other => describe(other),
    }
}
