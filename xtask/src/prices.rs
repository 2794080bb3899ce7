//! The price list that `llm-cost` carries, made from LiteLLM's map of models.
//!
//! Nothing is rounded: the chore fails on a price that would not survive, on a name the format cannot hold, and on a
//! field that looks like a price and that the calculator does not understand.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use llm_cost::{Dollars, PriceTable, Rate};
use serde_json::{Map, Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};

/// `cargo xtask prices`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The source: LiteLLM's map of models.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Write nothing; fail if the committed list is not what the source gives, or is damaged.
    #[arg(long)]
    check: bool,
    /// Show what changed from this older source to `--from`.
    #[arg(long, requires = "from")]
    diff: Option<PathBuf>,
    /// The day of the source, YYYY-MM-DD.
    #[arg(long)]
    date: Option<String>,
}

type Models = BTreeMap<String, Map<String, Value>>;

/// Words about the map itself; nobody looks them up.
const DROPPED: [&str; 3] = ["source", "comment", "metadata"];

/// Fields that look like prices and are none that a request is billed by.
const INFORMATIVE: [&str; 3] = [
    "input_dbu_cost_per_token",
    "output_dbu_cost_per_token",
    "guardrail_cost_per_unit",
];

/// What OpenAI asked for a picture by models that it has withdrawn, and that the source forgot with it: others still
/// answer by these names. <https://platform.openai.com/docs/pricing>
const WITHDRAWN: [(&str, f64); 9] = [
    ("256-x-256/dall-e-2", 0.016),
    ("512-x-512/dall-e-2", 0.018),
    ("1024-x-1024/dall-e-2", 0.02),
    ("standard/1024-x-1024/dall-e-3", 0.04),
    ("standard/1024-x-1792/dall-e-3", 0.08),
    ("standard/1792-x-1024/dall-e-3", 0.08),
    ("hd/1024-x-1024/dall-e-3", 0.08),
    ("hd/1024-x-1792/dall-e-3", 0.12),
    ("hd/1792-x-1024/dall-e-3", 0.12),
];

/// Fields that hold prices in a shape of their own.
const STRUCTURED: [&str; 3] = [
    "search_context_cost_per_query",
    "tiered_pricing",
    "off_peak_pricing",
];

pub(crate) fn run(args: &Args) -> Result<()> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/llm-cost/data/prices.json");
    if let (Some(old), Some(new)) = (&args.diff, &args.from) {
        let text = diff(&Source::read(old)?.models, &Source::read(new)?.models);
        return print(&text);
    }
    let committed = fs::read_to_string(&table);
    if args.check {
        let committed = committed.context("no committed list")?;
        verify(&committed)?;
        if let Some(from) = &args.from {
            let date = header(&committed)?["date"]
                .as_str()
                .unwrap_or("")
                .to_owned();
            let fresh = generate(&Source::read(from)?, &date)?;
            ensure!(
                fresh == committed,
                "the committed list is not what the source gives: run `cargo xtask prices --from ...`"
            );
        }
        return Ok(());
    }
    let from = args.from.as_ref().context("--from FILE is needed")?;
    let date = args
        .date
        .as_deref()
        .context("--date YYYY-MM-DD is needed")?;
    let text = generate(&Source::read(from)?, date)?;
    verify(&text)?;
    fs::write(&table, &text)?;
    print(&format!(
        "{} models, {} bytes\n",
        PriceTable::from_json(text.clone())?.names().count(),
        text.len()
    ))
}

/// LiteLLM's map, and what it says of names that are not in it.
struct Source {
    name: String,
    sha256: String,
    models: Models,
    rules: Vec<Value>,
}

impl Source {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let raw: HashMap<String, Box<RawValue>> = serde_json::from_str(&text)?;
        for (name, entry) in raw.iter().filter(|(name, _)| !is_special(name)) {
            exact(entry).with_context(|| name.clone())?;
        }
        let mut map: Map<String, Value> = serde_json::from_str(&text)?;
        let rules = map
            .get_mut("fallback_generalizations")
            .and_then(|entry| entry.get_mut("rules"));
        let rules: Vec<Value> = rules
            .map(|rules| serde_json::from_value(rules.take()))
            .transpose()?
            .unwrap_or_default();
        let mut models = Models::new();
        for (name, entry) in map.into_iter().filter(|(name, _)| !is_special(name)) {
            let Value::Object(mut entry) = entry else {
                bail!("{name} is not an object");
            };
            entry.retain(|field, _| !DROPPED.contains(&field.as_str()));
            models.insert(name, entry);
        }
        for (name, dollars) in WITHDRAWN {
            models
                .entry(name.to_owned())
                .or_insert_with(|| withdrawn(dollars));
        }
        fill(&mut models, &rules)?;
        let name = path.file_name().context("no file name")?;
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            sha256: hex::encode(Sha256::digest(&text)),
            models,
            rules,
        })
    }
}

fn withdrawn(dollars: f64) -> Map<String, Value> {
    let fields = [
        ("litellm_provider", json!("openai")),
        ("mode", json!("image_generation")),
        ("output_cost_per_image", json!(dollars)),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn is_special(name: &str) -> bool {
    matches!(name, "sample_spec" | "fallback_generalizations")
}

/// Fails unless every number in the entry means the same after it went through a double.
fn exact(entry: &RawValue) -> Result<()> {
    let text = entry.get();
    if let Ok(object) = serde_json::from_str::<HashMap<String, Box<RawValue>>>(text) {
        return object
            .iter()
            .try_for_each(|(field, value)| exact(value).with_context(|| field.clone()));
    }
    if let Ok(list) = serde_json::from_str::<Vec<Box<RawValue>>>(text) {
        return list.iter().try_for_each(|value| exact(value));
    }
    let Ok(Value::Number(number)) = serde_json::from_str(text) else {
        return Ok(());
    };
    let written = Dollars::parse(text);
    ensure!(
        written.is_some(),
        "{text} is negative or finer than the calculator"
    );
    ensure!(
        written == Dollars::from_number(&number),
        "{text} would be rounded"
    );
    Ok(())
}

/// Adds what the rules know of families of models to the entries that do not say it.
fn fill(models: &mut Models, rules: &[Value]) -> Result<()> {
    for rule in rules {
        let Some(providers) = rule
            .get("fill_missing_for_providers")
            .and_then(Value::as_array)
        else {
            continue;
        };
        let pattern = rule["pattern"].as_str().context("a rule without pattern")?;
        let pattern = fancy_regex::Regex::new(pattern)?;
        let info = rule["model_info"]
            .as_object()
            .context("a rule without model_info")?;
        for (name, entry) in models.iter_mut() {
            let provider = entry.get("litellm_provider").unwrap_or(&Value::Null);
            if providers.contains(provider) && pattern.is_match(name)? {
                for (field, value) in info {
                    entry.entry(field.as_str()).or_insert_with(|| value.clone());
                }
            }
        }
    }
    Ok(())
}

fn generate(source: &Source, date: &str) -> Result<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, entry) in &source.models {
        understood(name, entry)?;
        for field in entry.keys().filter(|field| is_own(field)) {
            *counts.entry(field).or_default() += 1;
        }
    }
    let mut fields: Vec<&str> = counts.keys().copied().collect();
    fields.sort_by_key(|field| (std::cmp::Reverse(counts[field]), *field));

    let mut traits: Vec<String> = source.models.values().map(shared).collect();
    traits.sort();
    traits.dedup();

    let mut names: Vec<&str> = source.models.keys().map(String::as_str).collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    let mut models = Vec::new();
    for name in names {
        let entry = &source.models[name];
        let own: Vec<String> = fields
            .iter()
            .enumerate()
            .filter_map(|(index, field)| Some(format!("{index},{}", compact(entry.get(*field)?))))
            .collect();
        let number = traits
            .binary_search(&shared(entry))
            .map_err(|_| anyhow::anyhow!("lost traits"))?;
        models.push(format!("[\"{name}\",{number},[{}]]", own.join(",")));
    }
    let rules: Vec<Value> = source.rules.iter().map(rule).collect();
    let mut body = String::new();
    writeln!(body, "\"fields\":{},", serde_json::to_string(&fields)?)?;
    writeln!(body, "\"rules\":{},", serde_json::to_string(&rules)?)?;
    writeln!(body, "\"traits\":[\n{}\n],", traits.join(",\n"))?;
    writeln!(body, "\"models\":[\n{}\n]}}", models.join(",\n"))?;
    let header = json!({
        "format": 1, "source": source.name, "source_sha256": source.sha256,
        "date": date, "digest": hex::encode(Sha256::digest(&body)),
    });
    let header = header.to_string();
    Ok(format!("{},\n{body}", header.trim_end_matches('}')))
}

/// Fails on what would be lost: names that JSON escapes, prices that nobody would bill.
fn understood(name: &str, entry: &Map<String, Value>) -> Result<()> {
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    ensure!(
        name.chars().all(|c| plain(c) || c == ' '),
        "the name {name:?} cannot be held"
    );
    for (field, value) in entry {
        let known = INFORMATIVE.contains(&field.as_str()) || STRUCTURED.contains(&field.as_str());
        let price = field.contains("cost") && value.is_number();
        ensure!(
            known || !price || Rate::parse(field, Dollars::ZERO).is_some(),
            "{name}: the calculator does not understand the price {field}"
        );
        ensure!(
            known || price || !field.contains("_cost_"),
            "{name}: {field} is not a number"
        );
    }
    Ok(())
}

/// Whether a field differs from model to model; the others are shared traits.
fn is_own(field: &str) -> bool {
    field.contains("cost") && field != "search_context_cost_per_query"
        || field.starts_with("max_")
        || field.contains("pricing")
        || matches!(
            field,
            "rpm" | "tpm" | "deprecation_date" | "token_count_model"
        )
}

fn shared(entry: &Map<String, Value>) -> String {
    let sorted: BTreeMap<&String, &Value> =
        entry.iter().filter(|(field, _)| !is_own(field)).collect();
    json!(sorted).to_string()
}

/// JSON with numbers as a whole mantissa and a power of ten where that is shorter.
fn compact(value: &Value) -> String {
    match value {
        Value::Number(number) => short(&number.to_string()),
        Value::Array(list) => format!(
            "[{}]",
            list.iter().map(compact).collect::<Vec<_>>().join(",")
        ),
        Value::Object(object) => {
            let field =
                |(name, value): (&String, &Value)| format!("{}:{}", json!(name), compact(value));
            format!(
                "{{{}}}",
                object.iter().map(field).collect::<Vec<_>>().join(",")
            )
        }
        other => other.to_string(),
    }
}

fn short(number: &str) -> String {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let Ok(exponent) = exponent.parse::<i64>() else {
        return number.to_owned();
    };
    let exponent = exponent - fraction.len() as i64;
    match (digits, exponent) {
        ("", _) => "0".into(),
        (digits, 0) => digits.into(),
        // A whole number stays one: limits are read as integers.
        (digits, 1..) => format!("{digits}{}", "0".repeat(exponent as usize)),
        (digits, exponent) => {
            let scientific = format!("{digits}e{exponent}");
            if scientific.len() < number.len() {
                scientific
            } else {
                number.to_owned()
            }
        }
    }
}

fn rule(rule: &Value) -> Value {
    json!({"pattern": rule["pattern"], "model_info": rule["model_info"]})
}

fn header(text: &str) -> Result<Value> {
    let line = text.lines().next().context("empty list")?;
    Ok(serde_json::from_str(&format!(
        "{}}}",
        line.trim_end_matches(',')
    ))?)
}

/// Fails unless the list is whole: its digest is right and every row can be read.
fn verify(text: &str) -> Result<()> {
    let (_, body) = text.split_once('\n').context("empty list")?;
    let digest = hex::encode(Sha256::digest(body));
    ensure!(
        header(text)?["digest"] == digest.as_str(),
        "the digest is not that of the content"
    );
    serde_json::from_str::<Value>(text).context("the list is not JSON")?;
    let table = PriceTable::from_json(text.to_owned())?;
    for name in table.names() {
        ensure!(
            table.entry(name).is_some(),
            "the row of {name} cannot be read"
        );
    }
    Ok(())
}

/// One line per model that came, went or changed.
fn diff(old: &Models, new: &Models) -> String {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut text = String::new();
    for name in names {
        match (old.get(name), new.get(name)) {
            (None, Some(_)) => text += &format!("+ {name}\n"),
            (Some(_), None) => text += &format!("- {name}\n"),
            (Some(old), Some(new)) => text += &changes(name, old, new),
            (None, None) => {}
        }
    }
    text
}

fn changes(name: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> String {
    let fields: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let side = |entry: &Map<String, Value>, field: &str| {
        entry.get(field).map_or("none".into(), Value::to_string)
    };
    fields
        .into_iter()
        .filter(|field| old.get(*field) != new.get(*field))
        .map(|field| {
            format!(
                "~ {name} {field}: {} -> {}\n",
                side(old, field),
                side(new, field)
            )
        })
        .collect()
}

#[expect(clippy::print_stdout, reason = "the chore's answer")]
fn print(text: &str) -> Result<()> {
    print!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn source(models: &[(&str, Value)]) -> Source {
        let models = models
            .iter()
            .map(|(name, value)| ((*name).to_owned(), entry(value.clone())));
        Source {
            name: "map.json".into(),
            sha256: String::new(),
            models: models.collect(),
            rules: Vec::new(),
        }
    }

    #[test]
    fn the_committed_list_is_whole() {
        let text = include_str!("../../crates/llm-cost/data/prices.json");
        verify(text).unwrap();
        let touched = text.replacen("25e-7", "25e-8", 1);
        assert!(verify(&touched).is_err());
    }

    #[test]
    fn what_is_generated_is_read_back() {
        let models = source(&[
            (
                "b-model",
                json!({"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 2.5e-10, "max_tokens": 128_000}),
            ),
            (
                "A-model",
                json!({"litellm_provider": "acme", "mode": "chat", "tiered_pricing": [{"range": [0, 32000.0], "input_cost_per_token": 1.2e-6}]}),
            ),
        ]);
        let text = generate(&models, "2026-01-31").unwrap();
        verify(&text).unwrap();
        let table = PriceTable::from_json(text).unwrap();
        assert_eq!(table.date(), "2026-01-31");
        assert_eq!(table.names().collect::<Vec<_>>(), ["A-model", "b-model"]);
        for (name, fields) in &models.models {
            let row = table.entry(name).unwrap();
            let same = |(field, value): (&String, &Value)| match value {
                Value::Number(number) => row.get(field).unwrap().as_f64() == number.as_f64(),
                _ => row.get(field).is_some(),
            };
            assert!(fields.iter().all(same), "{name}");
        }
    }

    #[test]
    fn prices_that_nobody_would_bill_are_refused() {
        let refused = |field: &str, value: Value| {
            let models = source(&[("m", json!({field: value}))]);
            generate(&models, "2026-01-31").is_err()
        };
        assert!(refused("input_cost_per_dream", json!(1e-6)));
        assert!(refused("input_cost_per_token", json!("cheap")));
        assert!(!refused("input_cost_per_token", json!(1e-6)));
        assert!(!refused("input_dbu_cost_per_token", json!(1e-6)));
    }

    #[test]
    fn numbers_get_short_and_stay_the_same() {
        for (written, shorter) in [
            ("2.5e-6", "25e-7"),
            ("0.000015", "15e-6"),
            ("0.04", "0.04"),
            ("128000", "128000"),
            ("32000.0", "32000"),
            ("1e3", "1000"),
            ("0.0", "0"),
            ("12", "12"),
            ("0.5", "0.5"),
        ] {
            assert_eq!(short(written), shorter);
            assert_eq!(Dollars::parse(written), Dollars::parse(shorter));
        }
    }

    #[test]
    fn a_price_that_a_double_would_round_is_refused() {
        let check = |text: &str| exact(serde_json::from_str::<&RawValue>(text).unwrap());
        assert!(check(r#"{"a": [{"b": 3.0001999999999996e-07}], "c": "text"}"#).is_ok());
        assert!(check(r#"{"a": 1.23456789012345678901e-6}"#).is_err());
        assert!(check(r#"{"a": -1}"#).is_err());
        assert!(check(r#"{"a": [1e-30]}"#).is_err());
    }

    #[test]
    fn changes_are_listed() {
        let old = source(&[
            ("gone", json!({})),
            ("same", json!({"a": 1})),
            ("new price", json!({"a": 1, "b": 2})),
        ]);
        let new = source(&[
            ("come", json!({})),
            ("same", json!({"a": 1})),
            ("new price", json!({"a": 3})),
        ]);
        assert_eq!(
            diff(&old.models, &new.models),
            "+ come\n- gone\n~ new price a: 1 -> 3\n~ new price b: 2 -> none\n"
        );
    }
}
