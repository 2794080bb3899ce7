//! What `cargo xtask bench` runs: a vendor, a proxy to compare with, the load, and the comparison itself.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    process::exit,
    thread,
};

use anyhow::Result;
use clap::Parser;

mod books;
mod children;
mod compare;
mod cpu;
mod floor;
mod gateway;
mod load;
mod scenario;
mod table;
mod train;
mod upstream;
mod wire;

#[derive(Parser)]
#[command(name = "gateway-bench", about = "Measures the gateway on this machine")]
enum Command {
    /// Measures a gateway beside the floor and prints a table.
    Compare(compare::Args),
    /// Measures what keeping books costs a gateway.
    Books(books::Args),
    /// Lets a gateway do everything that is measured, for as long as its profile needs.
    Train(train::Args),
    /// Answers as OpenAI and Anthropic do, from memory.
    Upstream,
    /// The least that a proxy can do.
    Floor {
        /// Where the vendor answers.
        upstream: SocketAddr,
    },
    /// Sends requests as fast as they are answered, and prints what it counted.
    Load(load::Args),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Compare(args) => compare::main(&args),
        Command::Books(args) => books::main(&args),
        Command::Train(args) => train::main(&args),
        Command::Upstream => {
            end_with_the_parent();
            upstream::main()
        }
        Command::Floor { upstream } => {
            end_with_the_parent();
            floor::main(upstream)
        }
        Command::Load(args) => load::main(&args),
    }
}

/// A parent that was killed cannot kill its children, but its end of the pipe closes.
fn end_with_the_parent() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        exit(0);
    });
}

/// Writes a line that another program reads, or a person.
fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
