//! Several processes on one PostgreSQL.

#![allow(clippy::unwrap_used, clippy::panic)]

mod instances;
#[path = "../../../llm-store/tests/kit/mod.rs"]
mod kit;
mod shares;

use kit::Database;
use llm_cost::NanoDollars;
use llm_ledger::{Ask, Estimate, Ledger, Settings, Spender};
use llm_store::{Account, Scope, Store, rows::SpendRow};

/// What each request costs.
const PRICE: i64 = 7_000_001;

fn team() -> Account {
    Account::of(Scope::Team, "t")
}

fn ask(max: i64) -> Ask {
    let team = Spender::of(team()).at_most(NanoDollars(max));
    let user = Spender::of(Account::of(Scope::User, "u")).at_most(NanoDollars(i64::MAX));
    Ask::new(vec![team, user], Estimate::AtMost(NanoDollars(PRICE)))
}

fn row() -> SpendRow {
    SpendRow {
        status: "success".into(),
        spend: NanoDollars(PRICE),
        ..SpendRow::default()
    }
}

async fn instance(store: &Store, database: &Database, name: &str) -> Ledger {
    let settings = Settings::new(database.folder().join(name));
    Ledger::open(store.clone(), settings).await.unwrap()
}
