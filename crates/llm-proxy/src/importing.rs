//! `llm-proxy import`: taking over another product's database, from the command line.

use std::process::ExitCode;

use anyhow::{Context, Result};
use llm_governance::import::{self, Salt};
use llm_providers::resolve::Surroundings;
use llm_sdk::surroundings::Process;
use llm_store::{Keyring, Store};

use crate::{cli::Import, settings::Settings};

/// Imports into the database that the gateway would keep its books in; answers what became of it.
pub(crate) fn run(import: &Import, settings: &Settings) -> Result<(String, ExitCode)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(carry_out(import, settings))?;
    let code = match report.is_equal() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    Ok((report.to_string(), code))
}

async fn carry_out(import: &Import, settings: &Settings) -> Result<import::Report> {
    let (to, _) = settings.database.address().context(
        "there is no database to import into: name one with --db, or set a master key to have one beside the process",
    )?;
    let salts = settings.salts();
    if salts.is_empty() {
        let message = "secrets cannot be sealed here: set LITELLM_SALT_KEY or a master key";
        return Err(anyhow::Error::msg(message));
    }
    let store = Store::open(&to)
        .await
        .context("opening the database to import into")?;
    let keyring = Keyring::new(salts.iter().map(String::as_str));
    let report = import::Import {
        from: &import.from_litellm_db,
        salt: salt(import).as_deref().map(Salt::new),
        store: &store,
        keyring: &keyring,
        dry_run: import.dry_run,
        overwrite: import.overwrite,
    }
    .run()
    .await
    .context("importing")?;
    store.close().await;
    Ok(report)
}

/// What the secrets of the database to read are encrypted with.
fn salt(import: &Import) -> Option<String> {
    let of = |name: &str| Process.var(name).filter(|value| !value.is_empty());
    let named = import.from_salt_key.clone();
    named
        .or_else(|| of("LITELLM_SALT_KEY"))
        .or_else(|| of("LITELLM_MASTER_KEY"))
}
