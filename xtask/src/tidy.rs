//! `cargo xtask tidy`: house rules that a compiler cannot check.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::run::root;

/// A file longer than this is listed; longer than twice this without an entry in [`LONG`], refused.
const LINES: usize = 500;

/// Files that may be long, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// Words that say nothing, as names of files.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "manager", "common", "misc",
];

/// Checks the files that git tracks.
pub(crate) fn main() -> Result<()> {
    let files = tracked()?;
    let mut faults = Vec::new();
    for file in &files {
        check(file, &mut faults);
    }
    light(&mut faults)?;
    for (file, _) in LONG {
        if !files.iter().any(|tracked| tracked == file) {
            faults.push(format!(
                "{file}: is on the list of long files and does not exist"
            ));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"))
}

/// Protocols without a client are pure functions: nothing that has sockets or a runtime may come with them.
fn light(faults: &mut Vec<String>) -> Result<()> {
    let arguments =
        "tree --package llm-providers --no-default-features --edges normal --prefix none";
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(arguments.split(' '))
        .args(["--locked", "--format", "{lib}"])
        .current_dir(root())
        .output()
        .context("cargo tree")?;
    let tree = String::from_utf8_lossy(&output.stdout);
    if !tree.contains("llm_providers") {
        bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    }
    for heavy in ["tokio", "reqwest", "hyper", "mio"] {
        if tree.lines().any(|name| name == heavy) {
            faults.push(format!(
                "llm-providers without its features depends on {heavy}"
            ));
        }
    }
    Ok(())
}

fn tracked() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output()
        .context("git ls-files")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn check(file: &str, faults: &mut Vec<String>) {
    let stem = Path::new(file)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    // `interlingua.utils` is part of the interface we are compatible with.
    if EMPTY_NAMES.contains(&stem) && !file.starts_with("crates/llm-py/python/") {
        faults.push(format!("{file}: '{stem}' says nothing about what is in it"));
    }
    if file.ends_with(".snap.new") {
        faults.push(format!("{file}: an unreviewed snapshot"));
    }
    let Ok(text) = std::fs::read_to_string(root().join(file)) else {
        return;
    };
    if file.ends_with(".rs") && !file.starts_with("xtask/") {
        rust(file, &text, faults);
    }
}

fn rust(file: &str, text: &str, faults: &mut Vec<String>) {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = code.lines().count();
    let is_test = file.contains("/tests/");
    if lines > LINES && !is_test {
        eprintln!("{file}: {lines} lines without tests");
    }
    if lines > 2 * LINES && !LONG.iter().any(|(long, _)| *long == file) {
        faults.push(format!("{file}: {lines} lines; split it by stage"));
    }
    if file.ends_with("/src/lib.rs") && !text.starts_with("//! ") {
        faults.push(format!("{file}: does not open with what the crate is"));
    }
    let vendors = file.starts_with("crates/llm-providers/src/backends/")
        || file.starts_with("crates/llm-providers/src/protocols/");
    for (number, line) in code.lines().enumerate() {
        let at = || format!("{file}:{}", number + 1);
        if line.contains("#[allow(") && !is_test {
            faults.push(format!("{}: use #[expect(..., reason = \"...\")]", at()));
        }
        if !vendors && !is_test && line.contains("provider.name == \"") {
            faults.push(format!(
                "{}: a vendor's quirk belongs in its row or its protocol",
                at()
            ));
        }
    }
}
