//! How long it takes to know whose a key is, among a hundred thousand.
//!
//! `cargo bench -p llm-governance --bench keys [KEYS]`; PostgreSQL is asked if `INTERLINGUA_TEST_POSTGRES` names a server.
//! Prints the mean of many look-ups: from the database, and of keys that were asked before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/kit/mod.rs"]
mod kit;

use std::time::Instant;

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::Governance;
use llm_store::{hash_token, rows::Key};

/// Keys that are looked up.
const ASKED: u64 = 5_000;

#[tokio::main]
async fn main() {
    let keys = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let keys: u64 = keys.unwrap_or(100_000);
    for office in Office::everywhere().await {
        let mut transaction = office.governance.store().begin().await.unwrap();
        for at in 0..keys {
            let key = Key {
                token: hash_token(&name(at)),
                max_budget: Some(NanoDollars(1_000_000_000)),
                ..Key::default()
            };
            transaction.insert(&key).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let first = mean(&office.governance, keys).await;
        let again = mean(&office.governance, keys).await;
        println!(
            "{}: {keys} keys, {first:.1} us from the database, {again:.2} us when known",
            office.on
        );
    }
}

async fn mean(governance: &Governance, keys: u64) -> f64 {
    let began = Instant::now();
    for at in 0..ASKED {
        // Spread over all of them.
        let key = name(at * 7_919 % keys);
        assert!(governance.caller(&key).await.unwrap().is_some());
    }
    began.elapsed().as_secs_f64() * 1e6 / ASKED as f64
}

fn name(at: u64) -> String {
    format!("sk-bench-key-{at:08}")
}
