//! What it costs to keep books: the same load on a gateway that keeps none, and on one whose key has a budget and limits.

use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    children::{Children, Core, Server},
    compare::{introduce, load},
    cpu, gateway, say,
    scenario::{self, KEY, Scenario},
    table::{Round, median},
    wire,
};

/// Until connections are open and caches are filled.
const WARM_UP: f64 = 0.5;

/// How long a gateway must have done nothing before its work counts as done.
const CALM: Duration = Duration::from_millis(300);

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's executable.
    gateway: PathBuf,
    /// How long each round of each gateway is.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often each gateway has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Keep the books in this PostgreSQL database; in a new SQLite file otherwise.
    #[arg(long)]
    postgres: Option<String>,
    /// Count limits in the Redis of this port.
    #[arg(long)]
    redis: Option<u16>,
}

/// Measures and prints both, and the difference.
pub(crate) fn main(args: &Args) -> Result<()> {
    let scenario = Scenario::named("chat").context("no scenario")?;
    let children = Children::new()?;
    let us = std::env::current_exe()?;
    let mut command = children.command(Core::Rest, &us);
    command.arg("upstream");
    let upstream = children.serve(command)?.address;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let file = folders[1].path().join("books.db");
    let place = args.postgres.clone();
    let place = place.unwrap_or_else(|| file.display().to_string());
    let start = |folder: &Path, place: &str| {
        let text = match args.redis {
            Some(port) => {
                format!("router_settings: {{redis_host: 127.0.0.1, redis_port: {port}}}\n")
            }
            None => String::new(),
        };
        gateway::start(
            &children,
            &args.gateway,
            folder,
            &(scenario::config(upstream) + &text),
            place,
        )
    };
    let without = start(folders[0].path(), "none")?;
    let with = start(folders[1].path(), &place)?;
    let key = make_key(with.address)?;
    introduce(&children)?;
    let servers = [(without, KEY), (with, &*key)];
    for (server, key) in servers {
        load(&children, scenario, server, key, WARM_UP)?;
    }
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds.max(1) {
        for ((server, key), rounds) in servers.into_iter().zip(&mut rounds) {
            rounds.push(round(&children, scenario, server, key, args.seconds)?);
        }
    }
    let cost = |rounds: &[Round]| median(rounds.iter().map(|round| round.cost(false)));
    let rate = |rounds: &[Round]| median(rounds.iter().map(Round::rate));
    let what = match (&args.postgres, args.redis) {
        (None, _) => "SQLite",
        (Some(_), None) => "PostgreSQL",
        (Some(_), Some(_)) => "PostgreSQL and Redis",
    };
    let [none, kept] = &rounds;
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let more = cost(none).zip(cost(kept)).map(|(none, kept)| kept - none);
    say(&format!(
        "{what}: {} us a request without books, {} us with; {} us more. {} and {} requests a second.",
        figure(cost(none)),
        figure(cost(kept)),
        figure(more),
        figure(rate(none)),
        figure(rate(kept)),
    ))
}

/// A key whose every request is counted, and none refused.
pub(crate) fn make_key(gateway: SocketAddr) -> Result<String> {
    let fields = json!({
        "max_budget": 1_000_000, "rpm_limit": 1_000_000_000, "tpm_limit": 1_000_000_000_000_u64,
        "max_parallel_requests": 1_000_000,
    });
    let body = fields.to_string();
    let socket = TcpStream::connect(gateway)?;
    write!(
        &socket,
        "POST /key/generate HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut input = BufReader::new(&socket);
    let head = wire::read_head(&mut input)?.context("the connection ended")?;
    let mut answer = Vec::new();
    wire::read_body(&mut input, &head, &mut answer)?;
    let answer: Value = serde_json::from_slice(&answer)?;
    match answer["key"].as_str() {
        Some(key) => Ok(key.to_owned()),
        None => bail!("no key was made: {answer}"),
    }
}

/// The load, and what is done for it afterwards: rows are brought to the database in the background.
fn round(
    children: &Children,
    scenario: Scenario,
    server: Server,
    key: &str,
    seconds: f64,
) -> Result<Round> {
    if !cpu::KNOWN {
        let count = load(children, scenario, server, key, seconds)?;
        return Ok(Round { count, cpu: None });
    }
    let before = cpu::seconds(server.id)?;
    let count = load(children, scenario, server, key, seconds)?;
    let mut after = cpu::seconds(server.id)?;
    loop {
        std::thread::sleep(CALM);
        let now = cpu::seconds(server.id)?;
        if now - after < 0.011 {
            break;
        }
        after = now;
    }
    let cpu = Some(after - before);
    Ok(Round { count, cpu })
}
