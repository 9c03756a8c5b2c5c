//! `minato import`: what `minato export` wrote, or the portal that was before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use minato_app::catalog::{Text, parse_month};
use minato_app::harvesting::SavedPortal;
use minato_app::{App, AppSettings, Context, CountsFile, CountsReport, LeftOut, TakeOver};

use super::{beside, counted, pick, say, spinner};

/// Bad rows and things left out that are named one by one.
const NAMED_MAX: usize = 200;

#[derive(Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(super) struct Import {
    /// The directory to read.
    #[arg(required = true)]
    directory: Option<PathBuf>,
    #[command(subcommand)]
    from: Option<From>,
}

#[derive(Subcommand)]
enum From {
    /// Take over a portal of DataEye: datasets, files, numbers in addresses, past counts. Again, it fetches what is missing or changed.
    Dataeye(Dataeye),
}

#[derive(Args)]
struct Dataeye {
    /// The portal's address, or a directory saved from its API: answers of package_search as JSON, files named by the ids of their resources.
    place: String,
    /// Owner of the datasets whose publisher is not here: slug, id or local government code.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: String,
    /// Slug of the harvest source that is used, and created when missing.
    #[arg(long, default_value = "previous-portal")]
    source: String,
    /// Where the portal was; only with a directory that does not tell.
    #[arg(long, value_name = "URL")]
    portal_url: Option<String>,
    /// Past monthly counts, CSV or XLSX; may be given several times.
    #[arg(long, value_name = "FILE")]
    counts: Vec<PathBuf>,
    /// The month of counts that do not say it, for example 2024-01.
    #[arg(long, value_name = "MONTH")]
    counts_month: Option<String>,
    /// Why figures of closed months are restated; without a reason they are refused.
    #[arg(long)]
    reason: Option<String>,
    /// Leave out rows of counts that cannot be used; without it nothing of their file is taken in.
    #[arg(long)]
    skip_bad_rows: bool,
    /// Say what would happen and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(settings: AppSettings, import: Import) -> anyhow::Result<ExitCode> {
    match (import.from, import.directory) {
        (Some(From::Dataeye(arguments)), _) => dataeye(settings, &arguments),
        (None, Some(directory)) => catalog(&beside(settings)?, &directory),
        (None, None) => anyhow::bail!(say("読み込むディレクトリを指定してください。", "name the directory to read")),
    }
}

fn catalog(app: &App, directory: &Path) -> anyhow::Result<ExitCode> {
    let bar = spinner();
    let report = app.import(directory, "import", |counts| bar.set_message(counted(counts)))?;
    bar.finish_and_clear();
    println!(
        "{} {}",
        counted(report.taken),
        say(&format!("（変更なし {} 件）", report.unchanged), &format!("({} unchanged)", report.unchanged))
    );
    for (line, cause) in &report.failures {
        eprintln!("{}", say(&format!("{line} 行目: {cause}"), &format!("line {line}: {cause}")));
    }
    Ok(code(report.failures.is_empty()))
}

fn dataeye(mut settings: AppSettings, arguments: &Dataeye) -> anyhow::Result<ExitCode> {
    let counts_month = match arguments.counts_month.as_deref() {
        None => None,
        Some(text) => Some(parse_month(text).with_context(|| {
            say(
                &format!("--counts-month の「{text}」を年月として読めません。2024-01 の形で指定してください。"),
                &format!("--counts-month: `{text}` is not a month such as 2024-01"),
            )
        })?),
    };
    // A file that cannot be read is better known before hours of fetching.
    let counts = arguments.counts.iter().map(|path| Ok((path, read(path)?))).collect::<anyhow::Result<Vec<_>>>()?;
    let mut url = arguments.place.clone();
    if !is_address(&url) {
        let portal = SavedPortal::open(Path::new(&url), arguments.portal_url.as_deref()).map_err(|cause| anyhow::anyhow!(pick(&cause)))?;
        url = portal.address().to_owned();
        settings.harvest.saved = Some(Arc::new(portal));
    }
    let app = beside(settings)?;
    let request = TakeOver { source: arguments.source.clone(), organization: arguments.organization.clone(), url };
    let mut whole = if arguments.dry_run { plan(&app, &request)? } else { take_over(&app, &request)? };
    for (path, bytes) in counts {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let request = CountsFile {
            name,
            source: arguments.source.clone(),
            month: counts_month,
            skip_bad_rows: arguments.skip_bad_rows,
            reason: arguments.reason.clone(),
            dry_run: arguments.dry_run,
        };
        let report = app.import_counts(&Context::system("import"), &request, &bytes)?;
        print_counts(&request, &report);
        whole &= report.bad_rows.is_empty();
    }
    Ok(code(whole))
}

fn is_address(place: &str) -> bool {
    let start = place.to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| {
        say(&format!("--counts の {} を読めません。", path.display()), &format!("--counts: {} cannot be read", path.display()))
    })
}

/// Says what would be taken over; `true` when nothing would be left out.
fn plan(app: &App, request: &TakeOver) -> anyhow::Result<bool> {
    let plan = app.plan_take_over(request)?;
    println!(
        "{}",
        say(
            &format!(
                "試行: データセット {} 件、ファイル {} 個（約 {}）を移行します。何も書き込んでいません。",
                plan.datasets,
                plan.files,
                megabytes(plan.bytes)
            ),
            &format!(
                "dry run: {} datasets with {} files (about {}) would be taken over; nothing was written",
                plan.datasets,
                plan.files,
                megabytes(plan.bytes)
            ),
        )
    );
    print_owners(&plan.owners);
    print_left_out(&plan.left_out);
    Ok(plan.left_out.is_empty())
}

/// Takes over and says what came of it; `true` when nothing was left out.
fn take_over(app: &App, request: &TakeOver) -> anyhow::Result<bool> {
    let bar = spinner();
    let taken = app.take_over(&Context::system("import"), request, |progress| {
        bar.set_message(say(
            &format!("記録 {} 件、データセット {} 件、取得したファイル {} 個", progress.records, progress.datasets, progress.files),
            &format!("{} records, {} datasets, {} files fetched", progress.records, progress.datasets, progress.files),
        ));
    })?;
    bar.finish_and_clear();
    let counts = taken.run.counts;
    println!(
        "{}",
        say(
            &format!("データセット {} 件（追加 {}、更新 {}、変更なし {}）", taken.datasets, counts.added, counts.updated, counts.unchanged),
            &format!("{} datasets (added {}, updated {}, unchanged {})", taken.datasets, counts.added, counts.updated, counts.unchanged),
        )
    );
    print_owners(&taken.owners);
    println!(
        "{}",
        say(
            &format!("ファイル: 取得 {} 個、取得済み {} 個", taken.files_fetched, taken.files_kept),
            &format!("files: {} fetched, {} here already", taken.files_fetched, taken.files_kept),
        )
    );
    if taken.copies > 0 {
        println!(
            "{}",
            say(
                &format!("{} 件は、ほかにもあるデータセットの写しです。1 件だけを表示します。", taken.copies),
                &format!("{} are copies of datasets that are here from elsewhere; one of each is shown", taken.copies),
            )
        );
    }
    print_left_out(&taken.left_out);
    println!(
        "{}",
        say(
            &format!("収集元「{}」は一時停止しました。もう一度実行すると、足りないものと変わったものだけを取得します。", request.source),
            &format!("the source `{}` is paused; run this again to fetch what is missing or changed", request.source),
        )
    );
    Ok(taken.left_out.is_empty())
}

fn print_owners(owners: &BTreeMap<String, usize>) {
    for (name, count) in owners {
        println!("  {name}: {count}");
    }
}

fn print_left_out(left_out: &[LeftOut]) {
    if left_out.is_empty() {
        return;
    }
    eprintln!("{}", say(&format!("移行できなかったもの {} 件:", left_out.len()), &format!("{} left out:", left_out.len())));
    for one in left_out.iter().take(NAMED_MAX) {
        let place: Vec<&str> = [Some(one.dataset.as_str()), one.file.as_deref(), one.address.as_deref()].into_iter().flatten().collect();
        eprintln!("  {}: {}", place.join(" / "), pick(&one.cause));
    }
    print_rest(left_out.len());
}

fn print_counts(file: &CountsFile, report: &CountsReport) {
    let total: i64 = report.months.values().sum();
    let (months, name) = (report.months.len(), &file.name);
    let what = say(&format!("{months} か月、{total} 回"), &format!("{months} months, {total} downloads"));
    let verdict = match (report.written, file.dry_run) {
        (true, _) => say("取り込みました（報告値）", "taken in as reported"),
        (false, true) => say("試行のため書き込んでいません", "nothing was written in a dry run"),
        (false, false) => say("何も書き込んでいません", "nothing was written"),
    };
    println!("{name}: {what}: {verdict}");
    if report.unmatched > 0 {
        println!(
            "  {}",
            say(
                &format!("{} 行のファイルはここにありません。合計には含まれます。", report.unmatched),
                &format!("the files of {} rows are not here; they belong to the sum all the same", report.unmatched),
            )
        );
    }
    for (row, cause) in report.bad_rows.iter().take(NAMED_MAX) {
        let Text { ja, en, .. } = cause;
        eprintln!("{}", say(&format!("{name}: {row} 行目: {ja}"), &format!("{name}: row {row}: {en}")));
    }
    print_rest(report.bad_rows.len());
    if !report.bad_rows.is_empty() && !report.written && !file.dry_run {
        eprintln!(
            "{}",
            say(
                "使えない行を直すか、--skip-bad-rows を付けて使える行だけを取り込んでください。",
                "mend these rows, or take in the others alone with --skip-bad-rows",
            )
        );
    }
}

fn print_rest(count: usize) {
    if count > NAMED_MAX {
        let more = count - NAMED_MAX;
        eprintln!("{}", say(&format!("  ほか {more} 件"), &format!("  and {more} more")));
    }
}

fn megabytes(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn code(whole: bool) -> ExitCode {
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
