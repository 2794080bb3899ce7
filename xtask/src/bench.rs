//! `cargo xtask bench`: what a request costs, beside the least that a proxy can do.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::run::{root, run};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each round is, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds of each server; the figure is that in the middle.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only this scenario.
    #[arg(long)]
    scenario: Option<String>,
    /// How the gateway is built.
    #[arg(long, default_value = "release", value_parser = ["release", "dev"])]
    profile: String,
}

/// Builds both programs and runs the comparison. Figures never fail it.
pub(crate) fn main(args: &Args) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    run(Command::new(cargo).args([
        "build",
        "--locked",
        "--profile",
        &args.profile,
        "--package",
        "llm-proxy",
        "--package",
        "gateway-bench",
    ]))?;
    let folder = if args.profile == "dev" {
        "debug"
    } else {
        "release"
    };
    let built = target().join(folder);
    let ending = std::env::consts::EXE_SUFFIX;
    let mut compare = Command::new(built.join(format!("gateway-bench{ending}")));
    compare
        .arg("compare")
        .arg(built.join(format!("llm-proxy{ending}")))
        .args(["--seconds", &args.seconds.to_string()])
        .args(["--rounds", &args.rounds.to_string()]);
    if let Some(scenario) = &args.scenario {
        compare.args(["--scenario", scenario]);
    }
    run(&mut compare)
}

fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}
