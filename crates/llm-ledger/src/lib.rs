//! The ledger: who may still spend, what is held for requests under way, and what every request cost, exactly.
//!
//! Three verbs: [`Ledger::reserve`] an upper bound on every account of a request, or on none; [`Reservation::settle`]
//! what it really cost; [`Reservation::release`] if it never reached a provider. It does not know HTTP, prices, or whose
//! account a request belongs to: it is told. Start reading at [`Ledger`]; rows and SQL are in `llm-store`.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use llm_cost::NanoDollars;
//! use llm_ledger::{Ask, Estimate, Ledger, Settings, Spender};
//! use llm_store::{Account, Scope, Store, rows::SpendRow};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let store = Store::open(&llm_store::Settings::sqlite(&folder.join("gateway.db"))).await?;
//! let ledger = Ledger::open(store.clone(), Settings::new(folder.join("journal"))).await?;
//!
//! let team = Spender::of(Account::of(Scope::Team, "research")).at_most(NanoDollars(5_000_000_000));
//! let ask = Ask::new(vec![team], Estimate::AtMost(NanoDollars(20_000_000)));
//! let reservation = ledger.reserve(ask).await?;
//! // ... the request is sent, and answered ...
//! let row = SpendRow { spend: NanoDollars(12_500_000), status: "success".into(), ..SpendRow::default() };
//! reservation.settle(row).await?;
//!
//! ledger.close().await;
//! assert_eq!(store.balance(&Account::of(Scope::Team, "research")).await?.spent, NanoDollars(12_500_000));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ask;
mod balances;
mod calendar;
mod error;
mod gather;
mod journal;
mod lease;
mod ledger;
mod local;
mod pace;
mod period;
mod reservation;
mod returns;
mod settings;
mod share;
mod shared;
mod shares;
mod shipper;
mod together;

pub use ask::{Ask, Estimate, Spender};
pub use calendar::{Calendar, Window};
pub use error::{Error, Refusal};
pub use gather::Gather;
pub use ledger::{Ledger, Status};
pub use period::{Period, PeriodError};
pub use reservation::{Pending, Reservation, Settled};
pub use settings::{Overflow, Settings, Unpriced};
