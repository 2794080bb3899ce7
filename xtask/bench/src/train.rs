//! The work that a gateway's profile is made of: every scenario, without books and with them.
//!
//! What the compiler learns from is what is measured afterwards. Other requests pass mostly the same code, and gain less where they
//! do not.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{
    books,
    children::{Children, Core},
    compare::load,
    gateway,
    scenario::{self, KEY},
};

/// Whom to train.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's executable. It writes its profile when it ends.
    gateway: PathBuf,
    /// How long each scenario is, in seconds.
    #[arg(long)]
    seconds: f64,
}

/// Runs everything once.
pub(crate) fn main(args: &Args) -> Result<()> {
    let children = Children::new()?;
    let mut command = children.command(Core::Rest, &std::env::current_exe()?);
    command.arg("upstream");
    let upstream = children.serve(command)?.address;
    let configuration = scenario::config(upstream);
    for keeps_books in [false, true] {
        let folder = tempfile::tempdir()?;
        let place = match keeps_books {
            true => folder.path().join("books.db").display().to_string(),
            false => "none".to_owned(),
        };
        let server = gateway::start(
            &children,
            &args.gateway,
            folder.path(),
            &configuration,
            &place,
        )?;
        let key = match keeps_books {
            true => books::make_key(server.address)?,
            false => KEY.to_owned(),
        };
        for scenario in scenario::ALL {
            load(&children, *scenario, server, &key, args.seconds).context(scenario.name)?;
        }
        children.end(server)?;
    }
    Ok(())
}
