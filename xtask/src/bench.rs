//! `cargo xtask bench`: what a request costs, beside the least that a proxy can do.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    postgres::{Server, free_port},
    release,
    run::{cargo, root, run, target},
};

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
    /// How the gateway is built: `guided` is how `cargo xtask release` does it, and takes two builds.
    #[arg(long, default_value = "guided", value_parser = ["guided", "release", "dev"])]
    profile: String,
    /// Measure this executable of the gateway instead of building one.
    #[arg(long, conflicts_with = "wheel")]
    gateway: Option<PathBuf>,
    /// What keeping books costs: a key with a budget and limits, in SQLite, and in PostgreSQL with Redis.
    #[arg(long, conflicts_with = "scenario")]
    books: bool,
    /// The wheel instead of the gateway: importing it, a call, a chunk of a stream.
    #[arg(long, conflicts_with_all = ["scenario", "books"])]
    wheel: bool,
}

/// Builds both programs and runs the comparison. Figures never fail it.
pub(crate) fn main(args: &Args) -> Result<()> {
    let (profile, folder) = match &*args.profile {
        "dev" => ("dev", "debug"),
        _ => ("release", "release"),
    };
    let is_guided = args.profile == "guided";
    let mut build = Command::new(cargo());
    build
        .args(["build", "--locked", "--profile", profile])
        .args(["--package", "gateway-bench"]);
    if !(args.wheel || is_guided || args.gateway.is_some()) {
        build.args(["--package", "llm-proxy"]);
    }
    run(&mut build)?;
    let built = target().join(folder);
    let ending = std::env::consts::EXE_SUFFIX;
    let bench = built.join(format!("gateway-bench{ending}"));
    if args.wheel {
        return wheel(args, profile, &bench);
    }
    let gateway = match &args.gateway {
        Some(gateway) => std::path::absolute(gateway)?,
        None if is_guided => release::guided(None, release::SECONDS)?,
        None => built.join(format!("llm-proxy{ending}")),
    };
    if args.books {
        return books(args, &bench, &gateway);
    }
    let mut compare = Command::new(bench);
    compare
        .arg("compare")
        .arg(gateway)
        .args(["--seconds", &args.seconds.to_string()])
        .args(["--rounds", &args.rounds.to_string()]);
    if let Some(scenario) = &args.scenario {
        compare.args(["--scenario", scenario]);
    }
    run(&mut compare)
}

fn books(args: &Args, bench: &Path, gateway: &Path) -> Result<()> {
    let measure = || {
        let mut command = Command::new(bench);
        command
            .arg("books")
            .arg(gateway)
            .args(["--seconds", &args.seconds.to_string()])
            .args(["--rounds", &args.rounds.to_string()]);
        command
    };
    run(&mut measure())?;
    let postgres = Server::start()?;
    let redis = Redis::start()?;
    run(measure()
        .args(["--postgres", &postgres.address()])
        .args(["--redis", &redis.port.to_string()]))
}

fn wheel(args: &Args, profile: &str, bench: &Path) -> Result<()> {
    let python = crate::test::environment()?;
    crate::test::install_wheel(&python, profile)?;
    run(Command::new(python)
        .arg(root().join("xtask/bench/wheel.py"))
        .arg(bench)
        .args(["--seconds", &args.seconds.to_string()])
        .args(["--rounds", &args.rounds.to_string()]))
}

/// A Redis of the measurement's own; it ends with this value.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start() -> Result<Self> {
        crate::test::redis()?;
        let port = free_port()?;
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .stdout(Stdio::null())
            .spawn()
            .context("starting redis-server")?;
        Ok(Self { child, port })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
