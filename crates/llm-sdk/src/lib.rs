//! Calls models: resolves the name, routes, translates, retries, counts and prices, in one place for the gateway,
//! the Python wheel and Rust programs.
//!
//! This crate knows no HTTP server, no users, no databases and no configuration files.
//! Start reading at [`Engine::call`]: the life of one request.
//!
//! ```
//! use llm_sdk::{Engine, Request, demo};
//! use llm_types::Op;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The demo model answers without a key or a network.
//! let engine = Engine::direct()?;
//! let body = br#"{"model":"demo/demo","messages":[{"role":"user","content":"Hello"}]}"#;
//! let response = engine.call(Request::parse(Op::Chat, body.as_slice().into())?).await.map_err(|failure| failure.error)?;
//! let answer: llm_types::ChatResponse = serde_json::from_slice(&response.into_whole().await?)?;
//! assert_eq!(answer.choices[0].finish_reason.as_deref(), Some("stop"));
//! assert_eq!(demo::PROVIDER, "demo");
//! # Ok(())
//! # }
//! ```

mod answer;
mod answer_id;
mod ask;
mod attached;
mod beside;
mod bound;
mod bytes_answer;
mod checkup;
mod continuation;
pub mod demo;
pub mod deploy;
mod dress;
mod engine;
mod explain;
mod fleet;
mod ids;
mod ledger;
mod live;
mod local;
mod mock;
mod network;
mod owner;
mod passing;
mod price;
mod record;
mod refusal;
mod request;
mod resource;
mod responses;
mod restamp;
pub mod router_settings;
mod settled;
mod sources;
mod stream;
pub mod surroundings;
mod top_level;

pub use answer::{Body, Failure, Meta, Response};
pub use beside::{Beside, BesideEntry};
pub use bound::{Bound, Consumption, Counted, Counting};
pub use bytes_answer::ByteAnswer;
pub use checkup::{Checkup, Health, Round};
pub use continuation::{Continued, Way};
pub use engine::Engine;
pub use explain::{CostRange, Expected, Explained};
pub use fleet::{Fleet, Plan};
pub use ids::{Ids, is_kept_id};
pub use live::{Allowance, Denied, Live, Opening, Paying, Stop};
pub use llm_types::nearest;
pub use local::{
    ANSWERS, BATCHES_STAY, Batch, BatchStore, Clerk, FileStore, FolderBatches, FolderFiles,
    KeptFile, LineAnswer, Listing, LocalBatches, PIECE, Receipt, Tenure, full,
};
pub use owner::Owner;
pub use passing::{Passed, PassedBody, Passing, Relay};
pub use price::{Charge, Prices, facts};
pub use record::{Observer, Outcome, Record};
pub use request::{OwnPlace, Request, RouteOptions};
pub use responses::{FolderStore, MemoryStore, ResponseStore};
pub use stream::{AnswerStream, Event};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
