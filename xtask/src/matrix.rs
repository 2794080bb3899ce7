//! The table of providers and operations, with what proves each cell.
//!
//! A proof is read from the repository: a golden snapshot is named after its operation and its provider,
//! `fixtures/vendors` has the examples of vendors that one test holds us to, `recorded.json` lists what replays of recorded
//! traffic prove (the replays themselves hold it to be true), and `named.json` names tests whose names do not say it. A cell that
//! shares its wire with a proven one is marked so, and is no proof of its own: `unproven.json` says why it has none.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use llm_providers::{Credential, Provider, Target, backends, bridges};
use llm_types::Op;

use crate::run::root;

/// Where proofs are listed.
const PROOFS: &str = "fixtures/proofs";
/// Where tests with snapshots are.
const TESTS: &str = "crates/llm-providers/tests";
/// Where the vendors' documented examples are.
const VENDORS: &str = "fixtures/vendors";

/// The first word of a snapshot's name, and the operation that it stands for.
const WORDS: [(&str, Op); 24] = [
    ("answer", Op::Chat),
    ("batch", Op::Batch),
    ("chat", Op::Chat),
    ("completion", Op::Completion),
    ("count", Op::CountTokens),
    ("draw", Op::ImageGeneration),
    ("edit", Op::ImageEdit),
    ("embedding", Op::Embedding),
    ("file", Op::File),
    ("film", Op::Video),
    ("heard", Op::Transcription),
    ("image", Op::ImageGeneration),
    ("listen", Op::Transcription),
    ("moderation", Op::Moderation),
    ("ocr", Op::Ocr),
    ("order", Op::Video),
    ("rerank", Op::Rerank),
    ("response", Op::Responses),
    ("search", Op::Search),
    ("speak", Op::Speech),
    ("stream", Op::Chat),
    ("translate", Op::Translation),
    ("tuning", Op::FineTuning),
    ("video", Op::Video),
];

type Cell = (&'static str, Op);

/// What proves cells.
struct Proofs {
    recorded: BTreeMap<Cell, String>,
    documented: BTreeMap<Cell, String>,
}

/// A file of `fixtures/vendors`, as far as it matters here.
#[derive(serde::Deserialize)]
struct Vendor {
    provider: String,
    cells: Vec<VendorCell>,
}

#[derive(serde::Deserialize)]
struct VendorCell {
    op: String,
}

/// Why cells are proven by their wires only.
#[derive(serde::Deserialize)]
struct Unproven {
    /// The day on which documentation was last looked for.
    looked: String,
    cells: BTreeMap<String, BTreeMap<String, String>>,
}

/// How much is known of a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    Recorded(String),
    Documented(String),
    /// Another row with this name proves the wire.
    Wire(&'static str),
    Untested,
}

/// The page.
pub(crate) fn page() -> Result<String> {
    let proofs = Proofs::read()?;
    let rows = rows();
    let mut text = String::from("# What proves what\n\n");
    text.push_str(INTRODUCTION);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut untested = Vec::new();
    let names: Vec<&str> = Op::all().map(Op::name).collect();
    let _ = writeln!(text, "| provider | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    for row in &rows {
        let mut line = format!("| {} |", row.name);
        for op in Op::all() {
            let _ = write!(line, " {} |", cell(row, op, &proofs, &mut counts));
            if row.speaks(op) && proofs.of(row, op, &rows) == Proof::Untested {
                untested.push(format!("{} {}", row.name, op.name()));
            }
        }
        let _ = writeln!(text, "{line}");
    }
    let of = |mark: &str| counts.get(mark).copied().unwrap_or_default();
    let _ = writeln!(
        text,
        "\n{} cells by recorded traffic, {} by documented examples, {} by their wires, {} untested.",
        of("R"),
        of("E"),
        of("w"),
        of("?")
    );
    if !untested.is_empty() {
        let _ = writeln!(text, "\nUntested: {}.", untested.join(", "));
    }
    text.push_str(&unproven(&proofs, &rows)?);
    Ok(text)
}

/// Each cell that its wire alone proves, with the reason: there is one for each of them, and none for another.
fn unproven(proofs: &Proofs, rows: &[&'static Provider]) -> Result<String> {
    let file = format!("{PROOFS}/unproven.json");
    let Unproven { looked, mut cells } = json(&file)?;
    let mut text = format!(
        "\n## By their wires only\n\nWhy there is no documented example, as of {looked}:\n\n| provider | operation | reason |\n|---|---|---|\n"
    );
    let all = rows.iter().flat_map(|row| Op::all().map(|op| (*row, op)));
    for (row, op) in all.filter(|(row, op)| row.speaks(*op)) {
        let reason = cells
            .get_mut(row.name)
            .and_then(|ops| ops.remove(op.name()));
        let named = format!("{file}: {} {}", row.name, op.name());
        match (proofs.of(row, op, rows), reason) {
            (Proof::Wire(_), Some(reason)) => {
                let _ = writeln!(text, "| {} | {} | {reason} |", row.name, op.name());
            }
            (Proof::Wire(_), None) => bail!("{named} has no reason"),
            (_, Some(_)) => bail!("{named} needs no reason"),
            (_, None) => {}
        }
    }
    cells.retain(|_, ops| !ops.is_empty());
    ensure!(cells.is_empty(), "{file}: no such cells: {cells:?}");
    Ok(text)
}

const INTRODUCTION: &str = "\
<!-- Made by `cargo xtask docs`. Do not edit. -->

What a provider speaks itself, and what proves that we speak it:

| mark | meaning |
|---|---|
| R | recorded traffic: real answers are read, and real requests come out of our encoder with the same meaning |
| E | a documented example: a request as the vendor documents it, and its answer (or OpenAI's, where the vendor says that it answers so), as a golden test |
| w | its wire is proven at another provider; its own address, key and parameters are held by the laws over all rows; [why](#by-their-wires-only) |
| ? | untested, beyond these laws |
| chat | over chat, where it is proven apart |

";

fn cell(
    row: &'static Provider,
    op: Op,
    proofs: &Proofs,
    counts: &mut BTreeMap<&'static str, usize>,
) -> String {
    if !row.speaks(op) {
        let target = Target::new(row, "model", Credential::None);
        let bridged = matches!(bridges::between(op, &target), Ok(Some(_)));
        return if bridged { "chat" } else { "" }.to_owned();
    }
    let (mark, proof) = match proofs.of(row, op, &rows()) {
        Proof::Recorded(file) => ("R", Some(file)),
        Proof::Documented(file) => ("E", Some(file)),
        Proof::Wire(_) => ("w", None),
        Proof::Untested => ("?", None),
    };
    *counts.entry(mark).or_default() += 1;
    match proof {
        Some(file) => format!("[{mark}](../../{file})"),
        None => mark.to_owned(),
    }
}

fn rows() -> Vec<&'static Provider> {
    let mut rows = backends::ALL.to_vec();
    rows.sort_by_key(|row| row.name);
    rows
}

impl Proofs {
    fn read() -> Result<Self> {
        let mut proofs = Self {
            recorded: BTreeMap::new(),
            documented: BTreeMap::new(),
        };
        let recorded = format!("{PROOFS}/recorded.json");
        let listed: BTreeMap<String, Vec<String>> = json(&recorded)?;
        for (provider, ops) in listed {
            for op in ops {
                let cell = named(&provider, &op).context(recorded.clone())?;
                proofs.recorded.insert(cell, recorded.clone());
            }
        }
        for file in files(&root().join(TESTS), "snap")? {
            if let Some(cell) = of_snapshot(&file) {
                proofs.documented.entry(cell).or_insert(file);
            }
        }
        for file in files(&root().join(VENDORS), "json")? {
            let vendor: Vendor = json(&file)?;
            for cell in vendor.cells {
                let cell = named(&vendor.provider, &cell.op).context(file.clone())?;
                proofs.documented.insert(cell, file.clone());
            }
        }
        let list = format!("{PROOFS}/named.json");
        let listed: BTreeMap<String, BTreeMap<String, String>> = json(&list)?;
        for (provider, ops) in listed {
            for (op, proof) in ops {
                let cell = named(&provider, &op).context(list.clone())?;
                let file = there(&proof).with_context(|| format!("{list}: {provider} {op}"))?;
                proofs.documented.entry(cell).or_insert(file);
            }
        }
        Ok(proofs)
    }

    fn of(&self, row: &'static Provider, op: Op, rows: &[&'static Provider]) -> Proof {
        let cell = (row.name, op);
        if let Some(file) = self.recorded.get(&cell) {
            return Proof::Recorded(file.clone());
        }
        if let Some(file) = self.documented.get(&cell) {
            return Proof::Documented(file.clone());
        }
        let proven = |other: &&&Provider| {
            let cell = (other.name, op);
            self.recorded.contains_key(&cell) || self.documented.contains_key(&cell)
        };
        let same = |other: &&&Provider| other.speaks(op) && row.shares_wire(other, op);
        match rows.iter().filter(same).find(proven) {
            Some(other) => Proof::Wire(other.name),
            None => Proof::Untested,
        }
    }
}

/// A cell by its names, which must be those of a provider and of an operation that it speaks.
fn named(provider: &str, op: &str) -> Result<Cell> {
    let row = backends::ALL.iter().find(|row| row.name == provider);
    let row = row.with_context(|| format!("there is no provider '{provider}'"))?;
    let found = Op::all().find(|known| known.name() == op);
    let found = found.with_context(|| format!("there is no operation '{op}'"))?;
    ensure!(row.speaks(found), "{provider} does not speak {op}");
    Ok((row.name, found))
}

/// The file of `path` or `path::function`, if both are there.
fn there(proof: &str) -> Result<String> {
    let (path, function) = match proof.split_once("::") {
        Some((path, function)) => (path, Some(function)),
        None => (proof, None),
    };
    let text = std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())?;
    if let Some(function) = function {
        let heads = ["fn ", "def "].map(|word| format!("{word}{function}("));
        if !heads.iter().any(|head| text.contains(head)) {
            bail!("{path} has no test '{function}'");
        }
    }
    Ok(path.to_owned())
}

/// `..._search__search_brave.snap`: the operation's word, perhaps a number, the provider, and what else there is.
fn of_snapshot(file: &str) -> Option<Cell> {
    let name = file.rsplit('/').next()?.strip_suffix(".snap")?;
    let (word, rest) = name.rsplit("__").next()?.split_once('_')?;
    let (_, op) = WORDS.iter().find(|(known, _)| *known == word)?;
    let rest = rest
        .split_once('_')
        .filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()))
        .map_or(rest, |(_, rest)| rest);
    let is_named = |row: &&&Provider| {
        let rest = rest.strip_prefix(row.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let rows = backends::ALL.iter().filter(is_named);
    // `azure_text` is a provider as well as a text at `azure`.
    let able = rows.filter(|row| row.speaks(*op));
    let row = able.max_by_key(|row| row.name.len())?;
    Some((row.name, *op))
}

/// Every file below `folder` whose name ends so, by its place in the repository, in order.
fn files(folder: &Path, ending: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == ending) {
                let place = path.strip_prefix(root())?;
                found.push(place.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn json<T: serde::de::DeserializeOwned>(path: &str) -> Result<T> {
    let text = std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())?;
    serde_json::from_str(&text).with_context(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_name_their_cells() {
        for (file, cell) in [
            (
                "a/x__search__search_brave.snap",
                Some(("brave", Op::Search)),
            ),
            (
                "x__rerank__rerank_jina_ai_jina-v2.snap",
                Some(("jina_ai", Op::Rerank)),
            ),
            (
                "golden_vendors__embedding_03_cohere.snap",
                Some(("cohere", Op::Embedding)),
            ),
            (
                "x__audio__listen_azure.snap",
                Some(("azure", Op::Transcription)),
            ),
            (
                "x__moderation__moderation_azure_text.snap",
                Some(("azure", Op::Moderation)),
            ),
            ("x__images__image_steps.snap", None),
            ("x__rerank__rerank_brave.snap", None),
        ] {
            assert_eq!(of_snapshot(file), cell, "{file}");
        }
    }

    #[test]
    fn a_proof_that_is_not_there_is_no_proof() {
        assert!(there("xtask/src/matrix.rs::page").is_ok());
        assert!(there("xtask/src/matrix.rs::nobody_wrote_this").is_err());
        assert!(there("no/such/file.rs").is_err());
        assert!(named("brave", "completion").is_err());
        assert!(named("nobody", "search").is_err());
    }

    #[test]
    fn every_listed_proof_is_there() {
        let proofs = Proofs::read().expect("proofs");
        assert!(proofs.recorded.len() > 20 && proofs.documented.len() > 100);
    }
}
