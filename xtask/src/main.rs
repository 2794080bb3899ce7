//! The project's own commands: `cargo xtask COMMAND`.

use anyhow::Result;
use clap::Parser;

mod run;
mod test;
mod tidy;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Interlingua's own commands")]
enum Command {
    /// Runs every test; finds or installs what they need.
    Test(test::Args),
    /// Checks house rules that a compiler cannot.
    Tidy,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Test(args) => test::main(&args),
        Command::Tidy => tidy::main(),
    }
}
