//! Chores of the repository: `cargo xtask CHORE`. One file per chore.

mod prices;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Chores of the repository")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Generate, check or compare the price list.
    Prices(prices::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Prices(args) => prices::run(&args),
    }
}
