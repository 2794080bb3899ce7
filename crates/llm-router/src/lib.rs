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
//! let attempts = &routed.journey.trace().attempts;
//! assert_eq!(attempts.len(), 2);
//! assert_ne!(routed.value, attempts[0].deployment);
//! # }
//! ```

mod adaptive;
mod affinity;
mod again;
mod ask;
mod attempt;
mod check;
mod clock;
mod continuation;
mod deployment;
mod explain;
mod filter;
mod filters;
mod group;
mod hash;
mod health;
mod hedge;
mod journey;
mod learn;
mod lease;
mod limits;
mod open;
mod pace;
mod pick;
mod plan;
mod queue;
mod retry;
mod retry_budget;
mod room;
mod router;
mod settings;
mod shared;
mod speed;
mod spending;
mod state;
mod strategies;
pub mod strategy;
mod trace;
mod travel;
mod wait;
mod wildcard;

pub use adaptive::AdaptiveRules;
pub use affinity::{AffinityRules, Bonds};
pub use ask::Ask;
pub use attempt::{Attempt, Attempts};
pub use check::HealthChecks;
pub use clock::{Clock, Moment};
pub use continuation::{Differs, DocumentSeam, Seam, StreamFailover};
pub use deployment::{Deployment, Timeouts, TokenPrice};
pub use explain::{Explanation, Member, Plan};
pub use filter::{Field, Filter, Reason, Skipped, View};
pub use filters::{AccessWindow, Budgets, PreCallChecks, TagMatch, TagPattern, TagRules};
pub use group::RoutingGroup;
pub use health::{HealthRules, Standing};
pub use hedge::HedgeRules;
pub use journey::Journey;
pub use lease::{Finish, Lease};
pub use limits::{Load, Quota, Used};
pub use open::OpenParams;
pub use plan::{Fallback, Fallbacks};
pub use queue::QueueRules;
pub use retry::RetryPolicy;
pub use retry_budget::RetryShare;
pub use room::{Room, Share};
pub use router::Router;
pub use settings::{Settings, SettingsError};
pub use shared::{Admitted, Board, BoxFuture, Claim, News, RedisSettings, Sample, Shared};
#[cfg(feature = "redis")]
pub use shared::{RedisLine, RedisState};
pub use speed::SpeedRules;
pub use spending::{Budget, Period, Scope, Spent};
pub use strategies::{
    CostBased, LatencyBased, LeastBusy, Priority, SimpleShuffle, StickyShuffle, UsageBased,
    UsageBasedV2,
};
pub use strategy::{Candidate, Dice, Looks, Strategy};
pub use trace::{AttemptRecord, Decision, Score, Trace};
pub use travel::{Failed, Routed};

use state::State;
