//! The programs together: every scenario is answered through the floor, and nothing outlives who started it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A server that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut child = program(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-bench"));
    command.args(arguments);
    command
}

fn load(address: &str, scenario: &str) -> Value {
    let output = program(&["load", address, scenario, "0"]).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{scenario}: {problem}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_scenario_is_answered_through_the_floor() {
    let upstream = Server::start(&["upstream"]);
    let floor = Server::start(&["floor", &upstream.address]);
    for (scenario, connections, chunks) in [
        ("chat", 16, 0),
        ("chat-stream-paced", 64, 53),
        ("chat-stream-burst", 16, 53),
        ("chat-100kb", 16, 0),
        ("embeddings", 16, 0),
        ("messages-to-anthropic", 16, 0),
        ("chat-to-anthropic", 16, 0),
    ] {
        // No time at all: one request on each connection.
        let count = load(&floor.address, scenario);
        assert_eq!(count["requests"], connections, "{scenario}");
        assert_eq!(count["events"], connections * chunks, "{scenario}");
    }
}

#[test]
fn a_bad_answer_is_an_error() {
    let upstream = Server::start(&["upstream"]);
    let floor = Server::start(&["floor", &upstream.address]);
    drop(upstream);
    let output = program(&["load", &floor.address, "chat", "0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("502"), "{problem}");
}

#[test]
fn servers_end_with_who_started_them() {
    let mut upstream = Server::start(&["upstream"]);
    drop(upstream.child.stdin.take());
    assert!(upstream.child.wait().unwrap().success());
}

#[test]
fn a_gateway_that_does_not_start_ends_the_comparison() {
    let output = program(&["compare", "/nowhere/llm-proxy"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("/nowhere/llm-proxy"), "{problem}");
}

#[test]
fn scenarios_that_are_not_there_are_named() {
    let output = program(&["compare", "x", "--scenario", "chess"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(
        problem.contains("chess") && problem.contains("chat-100kb"),
        "{problem}"
    );
}
