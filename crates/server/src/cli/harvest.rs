//! `minato harvest …`: everything about other portals.

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use minato_app::catalog::{
    DecisionKind, DecisionState, HarvestCounts, HarvestKind, HarvestRun, HarvestSource, HarvestSourceDraft, HarvestStatus, PrivateAgain,
    RecordOutcome, Viewer, jst,
};
use minato_app::{App, Context, DecisionListing, Error, FoundDecision, HarvestPreview, PreviewRequest};
use serde_json::json;

use super::{describe, pick, say, spinner};
use crate::api::TroubledLinkView;

/// Records read at once.
const PAGE: i64 = 500;

#[derive(Subcommand)]
pub(super) enum HarvestCommand {
    /// List the sources: how their latest runs went, when they run next, what waits for a decision.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Register a source.
    Add {
        #[command(flatten)]
        source: Box<NewSource>,
        /// Only say what is wrong with it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show how a source is set up and how it stands.
    Show {
        /// Slug or id of the source.
        source: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a source now and wait for the end.
    Run {
        /// Slug or id of the source.
        source: String,
        /// Print the run as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read the first records of a source as they would stand here; nothing is written.
    Preview {
        #[command(flatten)]
        source: Box<AnySource>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check how a source is set up; nothing is fetched or written.
    Validate {
        #[command(flatten)]
        source: Box<AnySource>,
    },
    /// Keep a source and its datasets, but do not run it.
    Pause {
        /// Slug or id of the source.
        source: String,
    },
    /// Run a paused source again.
    Resume {
        /// Slug or id of the source.
        source: String,
    },
    /// Stop a run that waits or goes on; what it took over stays.
    Cancel {
        /// Id of the run, or slug of the source.
        run: String,
    },
    /// List the latest runs of a source.
    History {
        /// Slug or id of the source.
        source: String,
        /// Most runs.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the records that failed in a run, with the reasons.
    Errors {
        /// Slug of the source, for its latest run, or id of a run.
        run: String,
        /// Also print each record as it came.
        #[arg(long)]
        raw: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the values of the latest run that had no equal here: what to fill the mapping with.
    Notices {
        /// Slug or id of the source.
        source: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List what waits for a decision: records that may have moved, many that vanished at once. Datasets found to be the same are linked
    /// by themselves and wait for nobody: `--kind duplicate` lists them.
    Decisions {
        /// Only of this source.
        #[arg(long)]
        source: Option<String>,
        /// Only of this kind: duplicate, moved or sweep.
        #[arg(long, value_parser = ["duplicate", "moved", "sweep"])]
        kind: Option<String>,
        /// Also those that were decided.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Decide: accept (they are one, it has moved, they may go) or reject.
    Decide {
        /// Id of the decision.
        id: String,
        /// What you say.
        answer: Verdict,
    },
    /// Whether the links of harvested datasets lead to what they say.
    #[command(subcommand)]
    Links(LinksCommand),
    /// List what was corrected here in the datasets of a source: what to mend there.
    Corrections {
        /// Slug or id of the source.
        source: String,
        /// Print a table for spreadsheets.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(super) enum LinksCommand {
    /// Look at all links of a source now, wait for the end, and list those in trouble.
    Check {
        /// Slug or id of the source.
        source: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the links of an organization's datasets that are in trouble, as they were found last.
    List {
        /// Slug, id or local government code of the organization.
        organization: String,
        /// Print a table for spreadsheets.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Verdict {
    /// Yes.
    Accept,
    /// No.
    Reject,
}

/// A source by its name, or one to be.
#[derive(Args)]
pub(super) struct AnySource {
    /// Slug or id of the source; without it, say `--kind`, `--url` and `--organization`.
    #[arg(conflicts_with_all = ["kind", "url", "organization"])]
    source: Option<String>,
    #[command(flatten)]
    setting: OptionalPlace,
    #[command(flatten)]
    more: Setting,
}

#[derive(Args)]
struct OptionalPlace {
    /// The protocol: ckan, dataeye, shirasagi, dcat, data_json, open_data_list, schema_org, file_list, …
    #[arg(long, requires = "url", requires = "organization")]
    kind: Option<String>,
    /// Where it is.
    #[arg(long, requires = "kind")]
    url: Option<String>,
    /// Owner of the datasets: slug, id or local government code.
    #[arg(long, requires = "kind")]
    organization: Option<String>,
}

#[derive(Args)]
pub(super) struct NewSource {
    /// Name in URLs and on the command line: a–z, 0–9, - and _.
    slug: String,
    /// The protocol: ckan, dataeye, shirasagi, dcat, data_json, open_data_list, schema_org, file_list, …
    #[arg(long)]
    kind: String,
    /// Where it is: the CKAN site, the inventory file, the catalog document.
    #[arg(long)]
    url: String,
    /// Owner of the datasets: slug, id or local government code.
    #[arg(long)]
    organization: String,
    /// Name for readers; the slug when left out.
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    more: Setting,
}

/// The settings that have defaults.
#[derive(Args)]
struct Setting {
    /// When to run, in Japan's time: `30 3 * * *` (minute, hour, day, month, weekday) or `@nightly`. On demand when left out.
    #[arg(long)]
    schedule: Option<String>,
    /// Only records of this organization or set there.
    #[arg(long)]
    remote_organization: Option<String>,
    /// Which links of a page are files: a regular expression.
    #[arg(long)]
    link_pattern: Option<String>,
    /// Licence of records that name none.
    #[arg(long, value_name = "LICENCE")]
    default_licence: Option<String>,
    /// What a word of the source means here, for example `licences:CC表示=CC-BY-4.0`; may be repeated. Lists: licences, themes, formats,
    /// frequencies, areas.
    #[arg(long = "map", value_name = "LIST:WORD=ID")]
    map: Vec<String>,
    /// Complete runs a record must be absent from before it is withdrawn.
    #[arg(long, value_name = "N")]
    missing_runs: Option<i64>,
    /// Days a record must be absent before it is withdrawn.
    #[arg(long, value_name = "N")]
    grace_days: Option<i64>,
    /// A run that would withdraw a larger share waits for a decision.
    #[arg(long, value_name = "PERCENT")]
    sweep_percent: Option<i64>,
    /// Which source is believed when two have the same dataset: the lowest rank.
    #[arg(long, value_name = "N")]
    rank: Option<i64>,
    /// What becomes of records that the source made private again: archive or absent.
    #[arg(long, value_parser = ["archive", "absent"])]
    private_again: Option<String>,
    /// Copy the files here, so that they outlive the source.
    #[arg(long)]
    mirror: bool,
    /// Register it paused.
    #[arg(long)]
    paused: bool,
    /// Mail address that is told when a run needs a person.
    #[arg(long, value_name = "MAIL")]
    notify_email: Option<String>,
    /// Address that is told so by POST.
    #[arg(long, value_name = "URL")]
    notify_webhook: Option<String>,
}

/// Carries out a command.
pub(super) fn run(app: &App, command: HarvestCommand) -> anyhow::Result<ExitCode> {
    carry_out(app, command).map_err(|error| match error.downcast_ref::<Error>() {
        Some(known) => match next_step(known) {
            Some(hint) => anyhow::anyhow!("{}\n{hint}", describe(known)),
            None => error,
        },
        None => error,
    })
}

/// What somebody at a terminal can do about it.
fn next_step(error: &Error) -> Option<String> {
    let (ja, en) = match error {
        Error::NotFound { noun: "harvest_source", .. } => {
            ("登録されている収集元は minato harvest list で確認できます。", "`minato harvest list` shows the sources")
        }
        Error::NotFound { noun: "harvest_run", .. } => {
            ("実行の ID は minato harvest history 収集元 で確認できます。", "`minato harvest history SOURCE` shows the runs and their ids")
        }
        Error::NotFound { noun: "harvest_decision", .. } => {
            ("判断の ID は minato harvest decisions で確認できます。", "`minato harvest decisions` shows what waits, with ids")
        }
        Error::Conflict(error) if error.code == "paused" => {
            ("minato harvest resume 収集元 で再開できます。", "`minato harvest resume SOURCE` does so")
        }
        _ => return None,
    };
    Some(say(ja, en))
}

fn carry_out(app: &App, command: HarvestCommand) -> anyhow::Result<ExitCode> {
    let viewer = Viewer::system("cli");
    let context = Context::system("cli");
    match command {
        HarvestCommand::List { json } => list(app, &viewer, json)?,
        HarvestCommand::Add { source, dry_run } => {
            let draft = source.draft()?;
            let made = app.create_source(&Context { dry_run, ..context }, draft)?.value;
            let slug = &made.draft.slug;
            if dry_run {
                println!("{}", say("誤りはありません（登録はしていません）。", "nothing is wrong with it (it was not registered)"));
            } else {
                println!(
                    "{}",
                    say(
                        &format!("収集元「{slug}」を登録しました。minato harvest run {slug} で収集できます。"),
                        &format!("source {slug} registered; `minato harvest run {slug}` harvests it")
                    )
                );
            }
        }
        HarvestCommand::Show { source, json } => show(app, &viewer, &source, json)?,
        HarvestCommand::Run { source, json } => return harvest(app, &context, &source, json),
        HarvestCommand::Preview { source, json } => return preview(app, &context, *source, json),
        HarvestCommand::Validate { source } => {
            match source.request()? {
                PreviewRequest::Draft(draft) => app.create_source(&Context { dry_run: true, ..context }, *draft).map(|_| ())?,
                PreviewRequest::Source(key) => {
                    let draft = app.source(&viewer, &key)?.draft;
                    app.replace_source(&Context { dry_run: true, ..context }, &key, draft).map(|_| ())?;
                }
            }
            println!(
                "{}",
                say(
                    "設定に誤りはありません。中身は minato harvest preview で確かめられます。",
                    "nothing is wrong with the settings; `minato harvest preview` shows what it holds"
                )
            );
        }
        HarvestCommand::Pause { source } => {
            let slug = app.pause_source(&context, &source, true)?.value.draft.slug;
            println!("{}", say(&format!("「{slug}」を一時停止しました。"), &format!("{slug} is paused")));
        }
        HarvestCommand::Resume { source } => {
            let source = app.pause_source(&context, &source, false)?.value;
            let slug = &source.draft.slug;
            let next = app.next_harvest(&source).map(moment);
            let ja = next.as_ref().map_or_else(|| "予定はありません。".to_owned(), |at| format!("次回は {at} です。"));
            let en = next.map_or_else(|| "no schedule".to_owned(), |at| format!("next run {at}"));
            println!("{}", say(&format!("「{slug}」を再開しました。{ja}"), &format!("{slug} goes on; {en}")));
        }
        HarvestCommand::Cancel { run } => {
            let id = find_run(app, &viewer, &run)?.id.to_string();
            let run = app.cancel_harvest(&context, &id)?;
            println!(
                "{}",
                match run.status {
                    HarvestStatus::Running => say("中止を依頼しました。数秒で終わります。", "asked to stop; it ends within seconds"),
                    status => {
                        let name = status_name(status);
                        say(&format!("この実行は「{name}」です。"), &format!("the run is {name}"))
                    }
                }
            );
        }
        HarvestCommand::History { source, limit, json } => {
            let runs = app.harvest_runs(&viewer, &source, limit)?;
            if json {
                println!("{}", serde_json::to_string(&runs)?);
            } else {
                print_runs(&runs);
            }
        }
        HarvestCommand::Errors { run, raw, json } => errors(app, &viewer, &run, raw, json)?,
        HarvestCommand::Notices { source, json } => {
            let notices = app.harvest_notices(&viewer, &source)?;
            if json {
                println!("{}", serde_json::to_string(&notices)?);
            } else if notices.is_empty() {
                println!("{}", say("ありません。", "none"));
            } else {
                let rows = notices
                    .iter()
                    .map(|notice| vec![notice.count.to_string(), pick(&notice.text), notice.examples.first().cloned().unwrap_or_default()]);
                print_table(&[&say("件数", "COUNT"), &say("内容", "NOTICE"), &say("例", "EXAMPLE")], rows);
            }
        }
        HarvestCommand::Decisions { source, kind, all, json } => {
            let listing = DecisionListing {
                source,
                kind: kind.as_deref().and_then(DecisionKind::parse),
                state: (!all).then_some(DecisionState::Open),
                automatic: (!all && kind.is_none()).then_some(false),
                before: None,
                limit: 1000,
            };
            let found = app.decisions(&viewer, &listing)?;
            if json {
                let decisions: Vec<_> = found.iter().map(|found| &found.decision).collect();
                println!("{}", serde_json::to_string(&decisions)?);
            } else {
                print_decisions(app, &viewer, &found)?;
            }
        }
        HarvestCommand::Decide { id, answer } => {
            let accept = matches!(answer, Verdict::Accept);
            let decision = app.decide(&context, &id, accept)?.value;
            let answer = if accept { say("はい", "accepted") } else { say("いいえ", "rejected") };
            println!("{}: {} — {}", decision.id, answer, pick(&decision.reason));
        }
        HarvestCommand::Links(LinksCommand::Check { source, json }) => check_links(app, &context, &source, json)?,
        HarvestCommand::Links(LinksCommand::List { organization, csv, json }) => {
            let organization = app.directory().find_organization(&organization).map_or(organization, |found| found.id.to_string());
            let links = crate::api::troubled_links(app, &viewer, &organization)?;
            if csv {
                print!("{}", crate::api::troubled_links_table(&links));
            } else if json {
                println!("{}", serde_json::to_string(&links)?);
            } else {
                print_links(&links);
            }
        }
        HarvestCommand::Corrections { source, csv, json } => {
            let corrections = crate::api::corrections_of_source(app, &viewer, &source)?;
            if csv {
                print!("{}", crate::api::corrections_table(&corrections));
            } else if json {
                println!("{}", serde_json::to_string(&corrections)?);
            } else if corrections.is_empty() {
                println!("{}", say("カタログで修正した項目はありません。", "nothing was corrected here"));
            } else {
                let rows = corrections.iter().map(|found| {
                    let correction = &found.correction;
                    let shown = |value: &serde_json::Value| cut(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), 40);
                    vec![
                        found.remote_id.clone(),
                        correction.path.clone(),
                        shown(&correction.base),
                        shown(&correction.value),
                        correction.actor.clone(),
                        moment(correction.at),
                    ]
                });
                let heads = [
                    say("収集元の ID", "REMOTE ID"),
                    say("項目", "FIELD"),
                    say("収集元の値", "AT THE SOURCE"),
                    say("ここの値", "HERE"),
                    say("だれが", "WHO"),
                    say("いつ", "WHEN"),
                ];
                print_table(&heads.each_ref().map(String::as_str), rows);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(app: &App, viewer: &Viewer, json: bool) -> anyhow::Result<()> {
    let statuses = app.source_statuses(viewer)?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for status in statuses {
        let source = &status.source;
        let open = count_open(app, viewer, source)?;
        let next = app.next_harvest(source);
        if json {
            objects.push(
                json!({"source": source, "last_run": status.last_run, "records": status.records, "next_run": next, "open_decisions": open}),
            );
            continue;
        }
        let last = status.last_run.as_ref().map_or_else(
            || "-".to_owned(),
            |run| format!("{} {}", status_name(run.status), moment(run.finished.or(run.started).unwrap_or(run.created))),
        );
        rows.push(vec![
            source.draft.slug.clone(),
            source.draft.kind.as_str().to_owned(),
            status.records.to_string(),
            last,
            next_run(source, next),
            open.to_string(),
            source.draft.url.clone(),
        ]);
    }
    if json {
        println!("{}", serde_json::to_string(&objects)?);
    } else if rows.is_empty() {
        println!("{}", say("収集元はありません。minato harvest add で登録できます。", "no sources; `minato harvest add` registers one"));
    } else {
        let heads = [
            say("収集元", "SOURCE"),
            say("種類", "KIND"),
            say("件数", "RECORDS"),
            say("前回", "LAST RUN"),
            say("次回", "NEXT RUN"),
            say("判断待ち", "OPEN"),
            "URL".to_owned(),
        ];
        print_table(&heads.each_ref().map(String::as_str), rows);
    }
    Ok(())
}

fn show(app: &App, viewer: &Viewer, key: &str, json: bool) -> anyhow::Result<()> {
    let source = app.source(viewer, key)?;
    let next = app.next_harvest(&source);
    if json {
        let mut value = serde_json::to_value(&source)?;
        value["next_run"] = json!(next);
        println!("{value:#}");
        return Ok(());
    }
    let runs = app.harvest_runs(viewer, key, 5)?;
    let open = count_open(app, viewer, &source)?;
    println!("{} ({})", source.draft.title, source.id);
    // As it would be sent to the API, without what has no value.
    let draft = serde_json::to_value(&source.draft)?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, value) in draft.as_object().into_iter().flatten() {
        if name != "title" && !value.is_null() && value != &json!({}) {
            rows.push(vec![format!("  {name}"), value.as_str().map_or_else(|| value.to_string(), str::to_owned)]);
        }
    }
    rows.push(vec!["  next_run".to_owned(), next_run(&source, next)]);
    rows.push(vec!["  open_decisions".to_owned(), open.to_string()]);
    print_table(&[], rows);
    if !runs.is_empty() {
        println!();
        print_runs(&runs);
    }
    Ok(())
}

fn harvest(app: &App, context: &Context, source: &str, json: bool) -> anyhow::Result<ExitCode> {
    let bar = spinner();
    let run = app.harvest(context, source, |progress| {
        let c = progress.counts;
        bar.set_message(format!("+{} ~{} ={} !{}", c.added, c.updated, c.unchanged, c.failed));
        bar.tick();
    })?;
    bar.finish_and_clear();
    if json {
        println!("{}", serde_json::to_string(&run)?);
    } else {
        println!("{}: {}", run.status.as_str(), counted(run.counts));
        if let Some(message) = &run.message {
            println!("{}", pick(message));
        }
        if run.counts.failed > 0 {
            println!(
                "{}",
                say(
                    &format!("失敗の原因は minato harvest errors {source} で確認できます。"),
                    &format!("`minato harvest errors {source}` shows what failed and why")
                )
            );
        }
    }
    Ok(if run.status == HarvestStatus::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn check_links(app: &App, context: &Context, source: &str, json: bool) -> anyhow::Result<()> {
    let organization = app.source(&context.viewer, source)?.organization_id;
    let bar = spinner();
    let run = app.check_links(context, source, |progress| {
        bar.set_message(format!("{} !{}", progress.looked, progress.troubled));
        bar.tick();
    })?;
    bar.finish_and_clear();
    let mut links = crate::api::troubled_links(app, &context.viewer, &organization.to_string())?;
    links.retain(|link| link.source_id == Some(run.source_id));
    if json {
        println!("{}", json!({"run": run, "links": links}));
        return Ok(());
    }
    anyhow::ensure!(
        run.status != HarvestStatus::Failed,
        say(
            "リンクの確認が途中で止まりました。時間をおいて、もう一度実行してください。",
            "the look at the links broke off; try again later"
        )
    );
    let (looked, troubled) = (run.looked, run.troubled);
    println!(
        "{}",
        say(
            &format!("リンク {looked} 件を確認しました。問題あり {troubled} 件。"),
            &format!("{looked} links looked at, {troubled} in trouble")
        )
    );
    if !links.is_empty() {
        print_links(&links);
    }
    Ok(())
}

fn print_links(links: &[TroubledLinkView]) {
    if links.is_empty() {
        println!("{}", say("問題のあるリンクは見つかっていません。", "no link is known to be in trouble"));
        return;
    }
    let rows = links.iter().map(|link| {
        vec![
            moment(link.since),
            link.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            cut(&link.title, 40),
            cut(&link.file, 30),
            link.url.clone(),
            link.problems.iter().map(pick).collect::<Vec<_>>().join(" "),
        ]
    });
    let heads = [
        say("いつから", "SINCE"),
        "HTTP".to_owned(),
        say("データセット", "DATASET"),
        say("ファイル", "FILE"),
        "URL".to_owned(),
        say("問題", "PROBLEM"),
    ];
    print_table(&heads.each_ref().map(String::as_str), rows);
}

fn preview(app: &App, context: &Context, source: AnySource, json: bool) -> anyhow::Result<ExitCode> {
    let bar = spinner();
    let found = app.preview_now(context, source.request()?)?;
    bar.finish_and_clear();
    let nothing = found.records.is_empty();
    if json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print_preview(&found);
    }
    Ok(if nothing && !found.problems.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print_preview(preview: &HarvestPreview) {
    for (number, record) in preview.records.iter().enumerate() {
        let draft = &record.draft;
        println!("{:>2}. {} [{}]", number + 1, draft.title, record.remote_id);
        let licence = draft.licence.clone().or_else(|| draft.licence_text.clone()).unwrap_or_else(|| "-".to_owned());
        println!("    {}: {licence}", say("ライセンス", "licence"));
        if !draft.keywords.is_empty() {
            println!("    {}: {}", say("キーワード", "keywords"), draft.keywords.join(", "));
        }
        for file in draft.distributions.iter().flatten() {
            let url = file.download_url.as_deref().or(file.access_url.as_deref()).unwrap_or("-");
            println!("    {} {} {url}", file.format.as_deref().unwrap_or("?"), file.title);
        }
        for notice in &record.notices {
            println!("    ! {}", pick(notice));
        }
    }
    for problem in &preview.problems {
        println!("! {}", pick(problem));
    }
    let count = preview.records.len();
    let more = if preview.whole {
        say("これで全部です", "that is all of it")
    } else {
        say("続きがあるか、途中で止まりました", "there may be more")
    };
    println!("{}", say(&format!("{count} 件。{more}。何も保存していません。"), &format!("{count} records, {more}; nothing was written")));
}

fn errors(app: &App, viewer: &Viewer, key: &str, raw: bool, json: bool) -> anyhow::Result<()> {
    let run = find_run(app, viewer, key)?;
    let mut after: Option<String> = None;
    let mut failed = Vec::new();
    loop {
        let page = app.harvest_outcomes(viewer, &run.id.to_string(), Some(RecordOutcome::Failed), after.as_deref(), PAGE)?;
        let full = i64::try_from(page.len()).is_ok_and(|count| count == PAGE);
        after = page.last().map(|record| record.remote_id.clone());
        failed.extend(page);
        if !full {
            break;
        }
    }
    if json {
        if !raw {
            failed.iter_mut().for_each(|record| record.raw = None);
        }
        println!("{}", serde_json::to_string(&failed)?);
        return Ok(());
    }
    println!("{} {} ({})", say("実行", "run"), run.id, status_name(run.status));
    if let Some(message) = &run.message {
        println!("{}", pick(message));
    }
    for record in &failed {
        println!("{}\t{}", record.remote_id, record.cause.as_ref().map(pick).unwrap_or_default());
        if let Some(text) = record.raw.as_deref().filter(|_| raw) {
            text.lines().for_each(|line| println!("    {line}"));
        }
    }
    if failed.is_empty() {
        println!("{}", say("失敗した記録はありません。", "no record failed"));
    }
    Ok(())
}

/// The run with this id, or the latest one of the source with this name.
fn find_run(app: &App, viewer: &Viewer, key: &str) -> anyhow::Result<HarvestRun> {
    match app.harvest_run(viewer, key) {
        Ok(run) => Ok(run),
        Err(Error::NotFound { .. }) => {
            let runs = app.harvest_runs(viewer, key, 1)?;
            runs.into_iter().next().with_context(|| {
                say(
                    &format!("「{key}」はまだ収集していません。minato harvest run {key} で収集できます。"),
                    &format!("{key} has not been harvested yet; `minato harvest run {key}` does it"),
                )
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Decisions that need somebody.
fn count_open(app: &App, viewer: &Viewer, source: &HarvestSource) -> minato_app::Result<usize> {
    let listing = DecisionListing {
        source: Some(source.id.to_string()),
        state: Some(DecisionState::Open),
        automatic: Some(false),
        limit: 1000,
        ..DecisionListing::default()
    };
    Ok(app.decisions(viewer, &listing)?.len())
}

fn next_run(source: &HarvestSource, next: Option<DateTime<Utc>>) -> String {
    match next {
        Some(at) => moment(at),
        None if source.draft.paused => say("一時停止中", "paused"),
        None => "-".to_owned(),
    }
}

fn print_runs(runs: &[HarvestRun]) {
    let rows = runs.iter().map(|run| {
        let ended = run.finished.map_or_else(|| "-".to_owned(), moment);
        vec![
            run.id.to_string(),
            moment(run.started.unwrap_or(run.created)),
            ended,
            status_name(run.status),
            counted(run.counts),
            run.message.as_ref().map(pick).unwrap_or_default(),
        ]
    });
    let heads =
        [say("実行", "RUN"), say("開始", "STARTED"), say("終了", "ENDED"), say("状態", "STATUS"), say("件数", "RECORDS"), String::new()];
    print_table(&heads.each_ref().map(String::as_str), rows);
}

fn print_decisions(app: &App, viewer: &Viewer, found: &[FoundDecision]) -> anyhow::Result<()> {
    if found.is_empty() {
        println!("{}", say("判断を待つものはありません。", "nothing waits for a decision"));
        return Ok(());
    }
    for FoundDecision { decision, datasets } in found {
        let state = if decision.is_automatic() { "automatic" } else { decision.state.as_str() };
        println!("{}\t{}\t{state}\t{}", decision.id, decision.kind.as_str(), moment(decision.created));
        println!("    {}", pick(&decision.reason));
        for dataset in datasets {
            println!("    - {} /datasets/{} ({})", dataset.content.title, dataset.content.slug, dataset.content.state.as_str());
        }
        for record in app.sweep_records(viewer, &decision.id.to_string())? {
            println!("    - {} [{}]", record.dataset.map(|(_, title)| title).unwrap_or_default(), record.remote_id);
        }
    }
    println!("{}", say("minato harvest decide ID accept|reject で判断します。", "decide with `minato harvest decide ID accept|reject`"));
    Ok(())
}

fn status_name(status: HarvestStatus) -> String {
    let ja = match status {
        HarvestStatus::Queued => "順番待ち",
        HarvestStatus::Running => "実行中",
        HarvestStatus::Complete => "完了",
        HarvestStatus::Incomplete => "一部のみ",
        HarvestStatus::Failed => "失敗",
        HarvestStatus::Canceled => "中止",
    };
    say(ja, status.as_str())
}

fn counted(c: HarvestCounts) -> String {
    say(
        &format!(
            "追加 {} 更新 {} 変更なし {} 保留 {} 取り下げ {} 失敗 {}",
            c.added, c.updated, c.unchanged, c.suspect, c.archived, c.failed
        ),
        &format!(
            "added {} updated {} unchanged {} suspect {} archived {} failed {}",
            c.added, c.updated, c.unchanged, c.suspect, c.archived, c.failed
        ),
    )
}

/// In Japan's time.
fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&jst()).format("%Y-%m-%d %H:%M").to_string()
}

fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Columns under each other; the last one as long as it is.
fn print_table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut lines: Vec<Vec<String>> = Vec::new();
    if !heads.is_empty() {
        lines.push(heads.iter().map(|head| (*head).to_owned()).collect());
    }
    lines.extend(rows);
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| width(cell)).max().unwrap_or(0)).collect();
    for line in &lines {
        let mut text = String::new();
        for (cell, width_max) in line.iter().zip(&widths) {
            text.push_str(&cell.replace(['\n', '\r', '\t'], " "));
            text.extend(std::iter::repeat_n(' ', width_max.saturating_sub(width(cell)) + 2));
        }
        println!("{}", text.trim_end());
    }
}

/// Columns that a text takes on a terminal: Japanese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if ('\u{1100}'..'\u{ff61}').contains(&c) || c >= '\u{ffe0}' { 2 } else { 1 }).sum()
}

impl AnySource {
    fn request(self) -> anyhow::Result<PreviewRequest> {
        if let Some(key) = self.source {
            return Ok(PreviewRequest::Source(key));
        }
        let place = self.setting;
        anyhow::ensure!(
            place.kind.is_some(),
            say(
                "収集元の名前か、--kind --url --organization を指定してください。登録されている収集元は minato harvest list で確認できます。",
                "name a source, or say --kind, --url and --organization; `minato harvest list` shows the sources"
            )
        );
        let (kind, url, organization) =
            (place.kind.unwrap_or_default(), place.url.unwrap_or_default(), place.organization.unwrap_or_default());
        let slug = "preview".to_owned();
        let new = NewSource { slug, kind, url, organization, title: None, more: self.more };
        Ok(PreviewRequest::Draft(Box::new(new.draft()?)))
    }
}

impl NewSource {
    fn draft(self) -> anyhow::Result<HarvestSourceDraft> {
        let kind = HarvestKind::ALL.iter().copied().find(|kind| kind.as_str() == self.kind).with_context(|| {
            let known: Vec<&str> = HarvestKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let (kind, known) = (&self.kind, known.join(", "));
            say(
                &format!("--kind「{kind}」はありません。次のいずれかにしてください: {known}"),
                &format!("--kind `{kind}` is not known; use one of {known}"),
            )
        })?;
        let mut draft = HarvestSourceDraft::new(self.slug, kind, self.url, self.organization);
        draft.title = self.title.unwrap_or(draft.title);
        let more = self.more;
        draft.schedule = more.schedule;
        draft.remote_organization = more.remote_organization;
        draft.link_pattern = more.link_pattern;
        draft.default_licence = more.default_licence;
        draft.missing_runs_max = more.missing_runs.unwrap_or(draft.missing_runs_max);
        draft.grace_days = more.grace_days.unwrap_or(draft.grace_days);
        draft.sweep_percent_max = more.sweep_percent.unwrap_or(draft.sweep_percent_max);
        draft.rank = more.rank.unwrap_or(draft.rank);
        draft.mirror = more.mirror;
        draft.paused = more.paused;
        draft.notify.email = more.notify_email;
        draft.notify.webhook = more.notify_webhook;
        if more.private_again.as_deref() == Some("absent") {
            draft.private_again = PrivateAgain::Absent;
        }
        for entry in &more.map {
            map(&mut draft, entry)?;
        }
        Ok(draft)
    }
}

/// Takes `LIST:WORD=ID` into a source's mapping.
fn map(draft: &mut HarvestSourceDraft, entry: &str) -> anyhow::Result<()> {
    let wrong = || {
        say(
            &format!("--map「{entry}」は読めません。licences:CC表示=CC-BY-4.0 のように書いてください。"),
            &format!("--map `{entry}` is not understood; write it like licences:CC表示=CC-BY-4.0"),
        )
    };
    let (list, rest) = entry.split_once(':').with_context(wrong)?;
    let (word, id) = rest.rsplit_once('=').with_context(wrong)?;
    let mapping = &mut draft.mapping;
    let list = match list {
        "licences" => &mut mapping.licences,
        "themes" => &mut mapping.themes,
        "formats" => &mut mapping.formats,
        "frequencies" => &mut mapping.frequencies,
        "areas" => &mut mapping.areas,
        _ => anyhow::bail!(wrong()),
    };
    list.insert(word.trim().to_owned(), id.trim().to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_mapped_from_the_command_line() {
        let mut draft = HarvestSourceDraft::new("a", HarvestKind::Ckan, "https://example.jp/", "kure-shi");
        map(&mut draft, "licences:CC=表示=CC-BY-4.0").unwrap();
        assert_eq!(draft.mapping.licences["CC=表示"], "CC-BY-4.0");
        for entry in ["licences", "licences:x", "colours:a=b"] {
            assert!(map(&mut draft, entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn japanese_takes_two_columns() {
        assert_eq!((width("abc"), width("呉市"), width("ｱｲ")), (3, 4, 2));
    }
}
