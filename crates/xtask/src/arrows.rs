//! Checks which crate depends on which: the arrows of ARCHITECTURE.md, and no others.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::cargo;

/// Each crate of the workspace and those it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("minato-catalog", &[]),
    ("minato-counter", &["minato-catalog"]),
    ("minato-dcat", &["minato-catalog"]),
    ("minato-files", &["minato-catalog"]),
    ("minato-search", &["minato-catalog"]),
    ("minato-store", &["minato-catalog"]),
    ("minato-tabular", &["minato-catalog"]),
    ("minato-harvest", &["minato-catalog", "minato-dcat"]),
    (
        "minato-app",
        &[
            "minato-catalog",
            "minato-counter",
            "minato-dcat",
            "minato-files",
            "minato-harvest",
            "minato-search",
            "minato-store",
            "minato-tabular",
        ],
    ),
    ("minato-server", &["minato-app"]),
    ("minato-testkit", &["minato-catalog"]),
    ("xtask", &["minato-catalog", "minato-testkit"]),
];

/// Libraries that belong to one crate: the only SQL, the only index, the only outbound HTTP.
const OWNED: &[(&str, &str)] = &[
    ("diesel", "minato-store"),
    ("diesel_migrations", "minato-store"),
    ("libsqlite3-sys", "minato-store"),
    ("pq-sys", "minato-store"),
    ("rusqlite", "minato-store"),
    ("tantivy", "minato-search"),
    ("reqwest", "minato-harvest"),
];

/// Checks the workspace.
pub(crate) fn run() -> Result<()> {
    let edges = edges(&cargo::metadata(&["--no-deps"])?);
    let wrong = check(&edges);
    if !wrong.is_empty() {
        bail!("{} of the dependencies are not allowed:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    let arrows = edges.iter().filter(|(_, to)| is_member(to)).count();
    println!("{} crates, {arrows} arrows between them, all allowed", ARROWS.len());
    Ok(())
}

/// Who depends on whom, development and build dependencies left out.
fn edges(metadata: &Value) -> Vec<(String, String)> {
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let from = package["name"].as_str().unwrap_or_default();
        // A crate without dependencies is checked for being known, too.
        edges.push((from.to_owned(), from.to_owned()));
        for dependency in package["dependencies"].as_array().into_iter().flatten().filter(|dependency| dependency["kind"].is_null()) {
            edges.push((from.to_owned(), dependency["name"].as_str().unwrap_or_default().to_owned()));
        }
    }
    edges.retain(|(from, to)| from != to || !is_member(from));
    edges
}

/// One line for each edge that is not allowed.
fn check(edges: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, to) in edges {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == from) else {
            wrong.push(format!(
                "{from} is not in the list of crates; add it, with its arrows, to crates/xtask/src/arrows.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        if is_member(to) && !allowed.contains(&to.as_str()) {
            wrong.push(format!("{from} -> {to}: no such arrow in ARCHITECTURE.md"));
        }
        if let Some((_, owner)) = OWNED.iter().find(|(library, _)| library == to)
            && owner != from
        {
            wrong.push(format!("{from} -> {to}: only {owner} may depend on {to}"));
        }
    }
    wrong.dedup();
    wrong
}

fn is_member(name: &str) -> bool {
    ARROWS.iter().any(|(member, _)| *member == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn offending_edges_are_named() {
        let metadata = json!({"packages": [
            {"name": "minato-catalog", "dependencies": [{"name": "serde", "kind": null}]},
            {"name": "minato-store", "dependencies": [{"name": "diesel", "kind": null}, {"name": "minato-search", "kind": null}]},
            {"name": "minato-server", "dependencies": [{"name": "minato-app", "kind": null}, {"name": "reqwest", "kind": null}]},
            {"name": "minato-new", "dependencies": []},
        ]});
        let wrong = check(&edges(&metadata));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].starts_with("minato-store -> minato-search: "));
        assert_eq!(wrong[1], "minato-server -> reqwest: only minato-harvest may depend on reqwest");
        assert!(wrong[2].starts_with("minato-new is not in the list"));
    }

    #[test]
    fn development_dependencies_are_free() {
        let metadata = json!({"packages": [{"name": "minato-counter", "dependencies": [{"name": "minato-testkit", "kind": "dev"}]}]});
        assert_eq!(check(&edges(&metadata)), Vec::<String>::new());
    }
}
