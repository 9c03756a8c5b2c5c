//! Running cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// `cargo` itself, in the root of the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command whose output the reader sees; an error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

/// What `cargo metadata` says.
pub(crate) fn metadata(more: &[&str]) -> Result<Value> {
    let output = cargo()
        .args(["metadata", "--format-version", "1"])
        .args(more)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed ({})", output.status);
    serde_json::from_slice(&output.stdout).context("cargo metadata did not print JSON")
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    match metadata(&["--no-deps"])?["target_directory"].as_str() {
        Some(path) => Ok(PathBuf::from(path)),
        None => bail!("cargo metadata names no target_directory"),
    }
}

/// Says where the `minato` binary is: the one given, else one that is built now.
pub(crate) fn minato(given: Option<&Path>, release: bool) -> Result<PathBuf> {
    match given {
        Some(path) => path.canonicalize().with_context(|| format!("there is no {}", path.display())),
        None => build_minato(release),
    }
}

fn build_minato(release: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", "minato-server", "--bin", "minato"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)?;
    let path = target_dir()?.join(if release { "release" } else { "debug" }).join("minato");
    ensure!(path.is_file(), "cargo built no {}; is build.target set in a cargo configuration?", path.display());
    Ok(path)
}

/// Runs an example of the search crate, with optimisation, in the directory of the caller.
pub(crate) fn search_example(name: &str, rest: &[String]) -> Result<()> {
    let manifest = root().join("Cargo.toml");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(manifest);
    command.args(["--package", "minato-search", "--example", name, "--"]).args(rest);
    run(&mut command)
}

/// All tests of the workspace, or those that `rest` chooses.
pub(crate) fn test(rest: &[String]) -> Result<()> {
    match std::env::var("MINATO_TEST_POSTGRESQL_URL") {
        Ok(url) if !url.is_empty() => println!("storage tests run on SQLite and on PostgreSQL (MINATO_TEST_POSTGRESQL_URL is set)"),
        _ => {
            println!("storage tests run on SQLite; set MINATO_TEST_POSTGRESQL_URL=postgres://user@host/name to run them on PostgreSQL too")
        }
    }
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]);
    if !rest.iter().any(|argument| argument == "-p" || argument.starts_with("--package")) {
        command.arg("--workspace");
    }
    run(command.args(rest)).context("some tests failed; they are named above")
}

/// The Criterion benches of the crates.
pub(crate) fn bench() -> Result<()> {
    run(cargo().args(["bench", "--workspace", "--benches"]))
}
