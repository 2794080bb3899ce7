//! The gateway beside the floor: the same load, in turns, in one run.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};

use crate::{
    children::{Children, Core, Server},
    cpu, gateway,
    load::Count,
    say,
    scenario::{self, KEY, Scenario},
    table::{self, Round, Row},
};

/// Until connections are open and caches are filled.
const WARM_UP: f64 = 0.3;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's executable.
    gateway: PathBuf,
    /// How long each round of each server is.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only this one.
    #[arg(long)]
    scenario: Option<String>,
}

/// Measures and prints the table. Slow is not wrong: only an answer that is missing or bad is an error.
pub(crate) fn main(args: &Args) -> Result<()> {
    let chosen = chosen(args.scenario.as_deref())?;
    let children = Children::new()?;
    let us = std::env::current_exe()?;
    let mut command = children.command(Core::Rest, &us);
    command.arg("upstream");
    let upstream = children.serve(command)?;
    let mut command = children.command(Core::Tested, &us);
    command.args(["floor", &upstream.address.to_string()]);
    let floor = children.serve(command)?;
    let folder = tempfile::tempdir()?;
    let configuration = scenario::config(upstream.address);
    let ours = gateway::start(
        &children,
        &args.gateway,
        folder.path(),
        &configuration,
        "none",
    )?;
    introduce(&children)?;
    say(&table::heading())?;
    for scenario in chosen {
        say(&measure(&children, args, scenario, floor, ours)?.line())?;
    }
    Ok(())
}

fn chosen(name: Option<&str>) -> Result<Vec<Scenario>> {
    let Some(name) = name else {
        return Ok(scenario::ALL.to_vec());
    };
    let names = || scenario::ALL.iter().map(|s| s.name).collect::<Vec<_>>();
    let one = Scenario::named(name)
        .with_context(|| format!("no scenario '{name}'; there are {}", names().join(", ")))?;
    Ok(vec![one])
}

pub(crate) fn introduce(children: &Children) -> Result<()> {
    if !cpu::KNOWN {
        say("Only Linux tells the processor time of another process: rates alone.")?;
    }
    if !children.pinning() {
        say("Without `taskset` and two cores the servers and the load disturb each other.")?;
    }
    Ok(())
}

fn measure(
    children: &Children,
    args: &Args,
    scenario: Scenario,
    floor: Server,
    ours: Server,
) -> Result<Row> {
    for server in [floor, ours] {
        load(children, scenario, server, KEY, WARM_UP)?;
    }
    let mut row = Row {
        name: scenario.name,
        stream: scenario.stream,
        floor: Vec::new(),
        ours: Vec::new(),
    };
    for _ in 0..args.rounds.max(1) {
        row.floor
            .push(round(children, scenario, floor, args.seconds)?);
        row.ours
            .push(round(children, scenario, ours, args.seconds)?);
    }
    Ok(row)
}

fn round(children: &Children, scenario: Scenario, server: Server, seconds: f64) -> Result<Round> {
    if !cpu::KNOWN {
        let count = load(children, scenario, server, KEY, seconds)?;
        return Ok(Round { count, cpu: None });
    }
    let before = cpu::seconds(server.id)?;
    let count = load(children, scenario, server, KEY, seconds)?;
    let cpu = Some(cpu::seconds(server.id)? - before);
    Ok(Round { count, cpu })
}

/// Runs the load in a process of its own, on the other core.
pub(crate) fn load(
    children: &Children,
    scenario: Scenario,
    server: Server,
    key: &str,
    seconds: f64,
) -> Result<Count> {
    let us = std::env::current_exe()?;
    let output = children
        .command(Core::Rest, &us)
        .args([
            "load",
            &server.address.to_string(),
            scenario.name,
            &seconds.to_string(),
            key,
        ])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the load on {} failed", server.address);
    }
    serde_json::from_slice(&output.stdout).context("what the load counted")
}
