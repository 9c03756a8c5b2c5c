//! `openapi/minato.json`: what the server says of its interface, kept under version control so that changes to it are seen.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// Writes the file; with `check`, compares it and writes nothing.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut command = cargo::cargo();
    command.args(["run", "--quiet", "--package", "minato-server", "--bin", "minato", "--", "openapi"]);
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo run")?;
    ensure!(output.status.success(), "`minato openapi` failed ({})", output.status);
    let document = String::from_utf8(output.stdout).context("`minato openapi` did not print UTF-8")?;
    serde_json::from_str::<serde_json::Value>(&document).context("`minato openapi` did not print JSON")?;
    let document = format!("{}\n", document.trim_end());

    let path = cargo::root().join("openapi/minato.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == document {
        println!("openapi/minato.json is up to date");
        return Ok(());
    }
    if check {
        bail!(
            "openapi/minato.json is not what the server says: {}; run `cargo xtask openapi` and commit the file",
            first_difference(&kept, &document)
        );
    }
    std::fs::create_dir_all(cargo::root().join("openapi")).context("cannot create openapi/")?;
    std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))?;
    println!("openapi/minato.json written");
    Ok(())
}

fn first_difference(kept: &str, document: &str) -> String {
    let differing = kept.lines().zip(document.lines()).position(|(a, b)| a != b);
    let line = differing.unwrap_or_else(|| kept.lines().count().min(document.lines().count()));
    let of = |text: &str| text.lines().nth(line).map_or("nothing", str::trim).chars().take(100).collect::<String>();
    format!("line {} has `{}`, the server says `{}`", line + 1, of(kept), of(document))
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), "line 2 has `b`, the server says `c`");
        assert_eq!(first_difference("", "{}\n"), "line 1 has `nothing`, the server says `{}`");
    }
}
