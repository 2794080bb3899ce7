//! A closed loop: each connection sends its next request when it has the whole answer to the last.

use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    say,
    scenario::{KEY, Scenario},
    wire::{self, Head},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to send, where and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who answers.
    address: SocketAddr,
    /// What to ask.
    scenario: String,
    /// How long.
    seconds: f64,
    /// With which key.
    #[arg(default_value = KEY)]
    key: String,
}

/// What came back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Whole answers.
    pub(crate) requests: usize,
    /// Events of streams.
    pub(crate) events: usize,
    /// How long it took until the last answer was there.
    pub(crate) seconds: f64,
}

/// Loads and prints the count as JSON.
pub(crate) fn main(args: &Args) -> Result<()> {
    let scenario = Scenario::named(&args.scenario).context("no such scenario")?;
    let length = Duration::try_from_secs_f64(args.seconds)?;
    let start = Instant::now();
    let loops: Vec<_> = (0..scenario.connections)
        .map(|_| {
            let address = args.address;
            let request = scenario.request(&args.key);
            thread::spawn(move || ask(address, scenario, &request, start + length))
        })
        .collect();
    let mut total = Count::default();
    for each in loops {
        let Ok(count) = each.join() else {
            bail!("a connection's thread panicked");
        };
        let count = count?;
        total.requests += count.requests;
        total.events += count.events;
    }
    total.seconds = start.elapsed().as_secs_f64();
    say(&serde_json::to_string(&total)?)
}

fn ask(address: SocketAddr, scenario: Scenario, request: &[u8], until: Instant) -> Result<Count> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut input = BufReader::with_capacity(64 << 10, &socket);
    let mut output = &socket;
    let mut body = Vec::new();
    let mut count = Count::default();
    // Once at least, however late a thread comes to run.
    loop {
        output.write_all(request)?;
        let head = wire::read_head(&mut input)?.context("the connection ended")?;
        wire::read_body(&mut input, &head, &mut body)?;
        check(scenario, &head, &body, count.requests == 0)?;
        count.requests += 1;
        if scenario.stream {
            count.events += events(&body);
        }
        if Instant::now() >= until {
            return Ok(count);
        }
    }
}

/// Every answer must be a success; the first of each connection is read more closely.
fn check(scenario: Scenario, head: &Head, body: &[u8], closely: bool) -> Result<()> {
    let good = head.first.starts_with("HTTP/1.1 200 ");
    let text = || String::from_utf8_lossy(body);
    if !good || (closely && !text().contains(scenario.expect)) {
        let text: String = text().chars().take(500).collect();
        bail!("{}: {}: {text}", scenario.name, head.first.trim_end());
    }
    if scenario.stream && !body.ends_with(b"data: [DONE]\n\n") {
        bail!("{}: a stream was cut", scenario.name);
    }
    Ok(())
}

/// The events of a stream that carry something.
pub(crate) fn events(body: &[u8]) -> usize {
    body.split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"data: {"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(scenario: &str, first: &str, body: &str) -> bool {
        let head = Head {
            first: format!("{first}\r\n"),
            ..Head::default()
        };
        let scenario = Scenario::named(scenario).unwrap();
        check(scenario, &head, body.as_bytes(), true).is_ok()
    }

    #[test]
    fn only_whole_good_answers_count() {
        assert!(judge("chat", "HTTP/1.1 200 OK", "a lighthouse"));
        assert!(!judge("chat", "HTTP/1.1 200 OK", "nothing"));
        assert!(!judge("chat", "HTTP/1.1 500 Oh", "a lighthouse"));
        let whole = "data: {\"a\": \"lighthouse\"}\n\ndata: [DONE]\n\n";
        assert!(judge("chat-stream-burst", "HTTP/1.1 200 OK", whole));
        let cut = "data: {\"a\": \"lighthouse\"}\n\n";
        assert!(!judge("chat-stream-burst", "HTTP/1.1 200 OK", cut));
    }

    #[test]
    fn events_are_counted_without_comments_and_end_marks() {
        let body = b": ping\n\ndata: {\"a\": 1}\n\nevent: x\ndata: {}\n\ndata: [DONE]\n\n";
        assert_eq!(events(body), 2);
    }
}
