//! `cargo xtask docs`: the reference tables, made from the code's own tables.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context, Result, bail};
use llm_providers::{
    Credential, ModelFacts, Provider, Target, backends, bridges, supported_params,
};
use llm_proxy::config::keys::{PARAMS, PARAMS_LATER, SECTIONS, State};
use llm_types::Op;

use crate::{matrix, run::root};

/// Makes the tables.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Changes nothing; fails if a table is not what the code says.
    #[arg(long)]
    check: bool,
}

/// Writes or checks every table.
pub(crate) fn main(args: &Args) -> Result<()> {
    let mut stale = Vec::new();
    for (name, text) in [
        ("backends.md", backends_table()),
        ("operations.md", operations_table()),
        ("parameters.md", parameters_table()),
        ("configuration.md", configuration_table()),
        ("proofs.md", matrix::page()?),
        ("authorization.md", authorization_table()),
        ("metrics.md", metrics_table()),
    ] {
        let path: PathBuf = root().join("docs/reference").join(name);
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        if there == text {
            continue;
        }
        if args.check {
            stale.push(format!("docs/reference/{name}"));
        } else {
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "not what the code says, run `cargo xtask docs`: {}",
        stale.join(", ")
    )
}

fn metrics_table() -> String {
    let mut text = format!(
        "# Metrics\n\n{MADE}\
         `GET /metrics` is Prometheus text, by LiteLLM's names. Counters end in `_total` there, and money is in US dollars. A label \
         about which nothing is known says `None`.\n\n\
         How many series there are is bounded: when half of `prometheus_metrics_max_series_per_metric` (10,000) different requests \
         were seen, end users, addresses and programs of further ones are `other`; when all of it was, so is everything that says who \
         asked. End users are told apart only with `enable_end_user_cost_tracking_prometheus_only`. \
         `prometheus_metrics_config`, `prometheus_exclude_metrics` and `prometheus_exclude_labels` choose what there is, and \
         `prometheus_latency_buckets` how finely times are counted.\n\n\
         All that counts requests and has `hashed_api_key` also has labels of one's own: `custom_prometheus_metadata_labels: [metadata.run]` \
         is `metadata_run`, by what the request says in its metadata, or else its key or its team; `custom_prometheus_tags: [prod, \"eu-*\"]` \
         is `tag_prod`, `true` where the request has that tag. There may be twenty, and they are bounded like end users.\n\n\
         | metric | kind | labels | what it counts |\n|---|---|---|---|\n"
    );
    for metric in llm_proxy::metrics() {
        let labels: Vec<String> = metric.labels().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind,
            labels.join(", "),
            metric.about
        );
    }
    text.push_str(
        "\nWithout labels: `litellm_in_flight_requests` (gauge) and `interlingua_dropped_log_lines` (counter). Gauges of budgets tell \
         what keys, teams, users, organizations and customers that asked for something since the start have left at the moment they \
         are read; with `prometheus_initialize_budget_metrics` also those that have not, as of five minutes ago. Customers are told \
         where end users are. Gauges of limits tell what was left with the last request.\n",
    );
    text
}

const MADE: &str = "<!-- Made by `cargo xtask docs`. Do not edit. -->\n\n";

fn rows() -> Vec<&'static Provider> {
    let mut rows = backends::ALL.to_vec();
    rows.sort_by_key(|row| row.name);
    rows
}

/// Any model of a backend: where models differ, the table shows what most can do.
fn target(row: &'static Provider) -> Target {
    Target::new(row, "model", Credential::None)
}

/// How `row` answers `op`: natively, over chat, or not.
fn mark(row: &'static Provider, op: Op) -> &'static str {
    match bridges::between(op, &target(row)) {
        Ok(None) => "native",
        Ok(Some(_)) => "bridged",
        Err(_) => "",
    }
}

fn backends_table() -> String {
    let built: Vec<Op> = Op::all()
        .filter(|op| rows().iter().any(|row| row.speaks(*op)))
        .collect();
    let mut text = format!("# Backends\n\n{MADE}");
    let _ = writeln!(
        text,
        "{} backends. *native*: the service speaks the operation itself, and in its own dialect requests pass through \
         untouched. *bridged*: over chat.\n",
        rows().len()
    );
    let heads: Vec<&str> = built.iter().map(|op| op.name()).collect();
    let _ = writeln!(text, "| prefix | {} | key | address |", heads.join(" | "));
    let _ = writeln!(text, "|---|{}---|---|", "---|".repeat(heads.len()));
    for row in rows() {
        let marks: Vec<&str> = built.iter().map(|op| mark(row, *op)).collect();
        let names: Vec<&str> = std::iter::once(row.name)
            .chain(row.aliases.iter().copied())
            .collect();
        let name = if row.docs.is_empty() {
            names.join(", ")
        } else {
            format!("[{}]({})", names.join(", "), row.docs)
        };
        let keys: Vec<String> = row
            .key_env
            .iter()
            .chain(row.token_env)
            .map(|key| format!("`{key}`"))
            .collect();
        let base = if row.base_url.is_empty() {
            "`api_base`".to_owned()
        } else {
            format!("`{}`", row.base_url)
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {base} |",
            marks.join(" | "),
            keys.join(", ")
        );
    }
    text
}

fn authorization_table() -> String {
    let mut text = format!(
        "# Who may call what\n\n{MADE}*yes*: everything; *reads*: where nothing changes. What a caller sees and changes within a \
         route is its own, its team's or its organization's, as far as it is their admin; whether something else exists is not \
         told. Operations, sessions and what is passed through are *model*.\n\n{}",
        llm_governance::reference::authorization()
    );
    text.push_str("\nThe gateway's own pages:\n\n| method | path | access |\n|---|---|---|\n");
    for page in llm_proxy::pages() {
        let (method, access) = (page.method.method(), page.access.name());
        let _ = writeln!(text, "| {method} | `{}` | {access} |", page.path);
    }
    text
}

fn operations_table() -> String {
    let mut text = format!(
        "# Operations\n\n{MADE}| operation | path | body | answer | backends |\n|---|---|---|---|---|\n"
    );
    for op in Op::all() {
        let native = rows().iter().filter(|row| row.speaks(op)).count();
        let bridged = rows()
            .iter()
            .filter(|row| matches!(bridges::between(op, &target(row)), Ok(Some(_))))
            .count();
        let by = match (native, bridged) {
            (0, 0) => "not built yet".to_owned(),
            (native, 0) => native.to_string(),
            (native, bridged) => format!("{native}, and {bridged} over chat"),
        };
        let _ = writeln!(
            text,
            "| {} | `{}` | {:?} | {:?} | {by} |",
            op.name(),
            op.path(),
            op.body(),
            op.reply()
        );
    }
    text
}

fn parameters_table() -> String {
    let all = supported_params(
        backends::lookup("litellm_proxy").unwrap_or(rows()[0]),
        "",
        &ModelFacts::default(),
        Op::Chat,
    );
    let mut text = format!("# Parameters\n\n{MADE}");
    text.push_str(
        "Which of OpenAI's chat parameters each backend takes, for a model that nothing is known of. A parameter that is \
         not taken is a 400 that names it, or is dropped with a notice under `drop_params`.\n\n| backend | does not take |\n|---|---|\n",
    );
    for row in rows().into_iter().filter(|row| row.speaks(Op::Chat)) {
        let taken = supported_params(row, "", &ModelFacts::default(), Op::Chat);
        let missing: Vec<&str> = all
            .iter()
            .copied()
            .filter(|param| !taken.contains(param))
            .collect();
        let missing = if missing.is_empty() {
            "(takes all)".to_owned()
        } else {
            missing.join(", ")
        };
        let _ = writeln!(text, "| {} | {missing} |", row.name);
    }
    text
}

fn configuration_table() -> String {
    let mut text = format!("# Configuration keys\n\n{MADE}");
    text.push_str(
        "Every key of LiteLLM's `config.yaml`. *built*: it does what it does in LiteLLM. *later*: its feature is not built \
         yet, and a configuration that has it starts with a warning. *inert*: it has nothing to act on here. *ours*: \
         LiteLLM has nothing like it.\n",
    );
    for section in SECTIONS {
        let title = if section.name.is_empty() {
            "The file"
        } else {
            section.name
        };
        let _ = writeln!(text, "\n## {title}\n\n| keys | state |\n|---|---|");
        for (state, keys) in section.keys {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let state = match state {
                State::Built => "built".to_owned(),
                State::Own(what) => format!("ours: {what}"),
                State::Later(feature) => format!("later: {feature}"),
                State::Inert(reason) => format!("inert: {reason}"),
            };
            let _ = writeln!(text, "| {} | {state} |", keys.join(", "));
        }
    }
    deployment_keys(&mut text);
    text
}

fn deployment_keys(text: &mut String) {
    text.push_str(
        "\n## model_list[].litellm_params\n\nWhatever is not here goes to the vendor as it is. `first_byte_timeout` and \
         `stall_timeout` are ours, as in `router_settings`; requests may have them too, in their body or as \
         `x-litellm-first-byte-timeout` and `x-litellm-stall-timeout`, and likewise `stream_failover`.\n\n| keys | state |\n|---|---|\n",
    );
    let built: Vec<String> = PARAMS.iter().map(|key| format!("`{key}`")).collect();
    let _ = writeln!(text, "| {} | built |", built.join(", "));
    for (key, feature) in PARAMS_LATER {
        let _ = writeln!(text, "| `{key}` | later: {feature} |");
    }
}
