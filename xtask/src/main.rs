//! The project's own commands: `cargo xtask COMMAND`. One file per command.

use anyhow::Result;
use clap::Parser;

mod bench;
mod docs;
mod matrix;
mod postgres;
mod prices;
mod release;
mod run;
mod test;
mod tidy;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Interlingua's own commands")]
enum Command {
    /// Runs every test; finds or installs what they need.
    Test(test::Args),
    /// Measures the gateway's speed on this machine.
    Bench(bench::Args),
    /// Builds the gateway as it is released: optimized by a profile of its own work.
    Release(release::Args),
    /// Generates, checks or compares the price table.
    Prices(prices::Args),
    /// Generates or checks the reference tables.
    Docs(docs::Args),
    /// Checks house rules that a compiler cannot.
    Tidy,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Test(args) => test::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Release(args) => release::main(&args),
        Command::Prices(args) => prices::run(&args),
        Command::Docs(args) => docs::main(&args),
        Command::Tidy => tidy::main(),
    }
}
