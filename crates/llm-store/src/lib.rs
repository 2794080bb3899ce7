//! The governance store: keys, teams, users, budgets, models, spend and balances, in SQLite or PostgreSQL.
//!
//! Knows SQL and rows. It does not know HTTP, who may do what, or when a request is charged: the rules are its callers'.
//! Start reading at [`Store`]; rows are in [`rows`], every statement in [`statements`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use llm_store::{Settings, Store, rows::Team};
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("gateway.db");
//! let store = Store::open(&Settings::sqlite(&file)).await?;
//! let team = Team { team_id: "research".into(), ..Team::default() };
//! store.insert(&team).await?;
//! assert_eq!(store.get::<Team>(&["research"]).await?, Some(team));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod audit;
mod balances;
mod cell;
mod changes;
mod days;
mod dollars;
mod error;
mod find;
mod foreign;
mod governance;
mod holds;
mod jobs;
mod json;
pub mod kept;
mod leases;
mod moment;
mod open;
mod record;
mod reports;
mod repricing;
pub mod rows;
mod schema;
mod seal;
mod shipping;
mod sized;
pub mod statements;
mod token;
mod transaction;

pub use account::{Account, Scope};
pub use audit::AuditFilter;
pub use balances::{Balance, Limit};
pub use cell::{Cell, Column, Lent};
pub use changes::Change;
pub use error::Error;
pub use find::{Finder, Order, Searched, any_of, containing};
pub use foreign::Foreign;
pub use governance::Deletion;
pub use holds::{Held, Hold};
pub use jobs::AccountBalance;
pub use json::Json;
pub use moment::Moment;
pub use open::{Dialect, Settings, Store};
pub use record::{Crud, Page, Record};
pub use reports::{DaySum, Days, Failures, Find, Grouping, KeyName, Named, Narrow, Requests, Sort};
pub use repricing::Repriced;
pub use seal::{Keyring, Sealed};
pub use shipping::{Charge, Charged, Position, Unpacked};
pub use sqlx::{AnyConnection, any::AnyRow};
pub use token::hash_token;
pub use transaction::Transaction;
