//! Chooses who answers a request, tries again where that can help, and falls back where it cannot.
//!
//! This crate does no network I/O and does not know prices, HTTP routes, keys or users: the caller hands in a function
//! that makes one attempt.
//! Start reading at [`Router::run`]: the one loop of plan, pick, attempt, learn.
//!
//! ```
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! use llm_providers::{Credential, Error, Kind, Target, lookup};
//! use llm_router::{Ask, Attempt, Attempts, Deployment, Router, Settings};
//!
//! /// Fails once, then answers with the deployment's id.
//! #[derive(Default)]
//! struct Shaky(AtomicBool);
//!
//! impl Attempts for Shaky {
//!     type Answer = String;
//!
//!     async fn make(&self, attempt: Attempt<'_>) -> Result<String, Error> {
//!         match self.0.swap(true, Ordering::Relaxed) {
//!             false => Err(Error::new(Kind::Overloaded, "busy")),
//!             true => Ok(attempt.deployment.id.clone()),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let openai = lookup("openai").expect("a known provider");
//! let deployment = |id: &str| Deployment::new(id, "gpt-4o", Target::new(openai, "gpt-4o", Credential::None));
//! let router = Router::new(vec![deployment("a"), deployment("b")], Settings::default()).expect("a sound configuration");
//!
//! // The first attempt fails, the second goes to the other deployment.
//! let routed = router.run(&Ask::new("gpt-4o"), &Shaky::default()).await.expect("an answer");
//! assert_eq!(routed.trace.attempts.len(), 2);
//! assert_ne!(routed.value, routed.trace.attempts[0].deployment);
//! # }
//! ```

mod deployment;
mod plan;
mod retry;
mod router;
mod settings;
mod strategy;
mod trace;
mod wildcard;

pub use deployment::{Deployment, Timeouts};
pub use plan::{Fallback, Fallbacks};
pub use retry::RetryPolicy;
pub use router::{Ask, Attempt, Attempts, Failed, Routed, Router};
pub use settings::{Settings, SettingsError};
pub use strategy::{Candidate, Dice, SimpleShuffle, Strategy};
pub use trace::{AttemptRecord, Trace};
