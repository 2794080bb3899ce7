//! What several instances know together.

mod board;
#[cfg(feature = "redis")]
mod redis;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use board::Board;
pub(crate) use board::Elsewhere;
#[cfg(feature = "redis")]
pub use redis::{RedisLine, RedisState};

use crate::{Load, Moment, Quota, Reason, Spent, Used};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// State that instances share. Everything works without it on one instance, and goes on with local state when it cannot
/// be reached: no method fails, and only [`admit`](Self::admit) waits, for a bounded time.
pub trait Shared: Send + Sync + fmt::Debug {
    /// Begins to tell `board` what other instances say. Called before each request; only the first call counts.
    fn attend(&self, board: &Arc<Board>);

    /// Admits an attempt at a limited deployment, or at one on trial, over all instances. `None`: nobody can say; what is
    /// known here decides.
    fn admit<'a>(&'a self, claim: &'a Claim<'a>)
    -> BoxFuture<'a, Option<Result<Admitted, Reason>>>;

    /// An admitted attempt is over and used this.
    fn end(&self, admitted: Admitted, used: Used);

    /// Tells the other instances. Never waits; what cannot be kept is dropped, since none of it is worth a request.
    fn tell(&self, news: News);

    /// Whether the other instances can be reached.
    fn is_up(&self) -> bool;

    /// The connection to Redis, for what else is counted together; nothing, where it is shared otherwise.
    #[cfg(feature = "redis")]
    fn line(&self) -> Option<RedisLine>;
}

/// An attempt that wants to be admitted.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// At which deployment.
    pub deployment: &'a str,
    /// Under which limits.
    pub quota: Quota,
    /// How many tokens it will use, about.
    pub tokens: u64,
    /// Whether it finds out if a rested deployment is well: one at a time may.
    pub trial: bool,
}

/// An admitted attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admitted {
    /// At which deployment.
    pub deployment: String,
    /// Its name in the shared state.
    pub lease: String,
    /// The minute it counts for.
    pub minute: u64,
    /// The tokens it was admitted with.
    pub tokens: u64,
    /// Whether it finds out if the deployment is well.
    pub trial: bool,
}

/// What instances tell each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "news")]
pub enum News {
    /// A deployment rests at least until then.
    Cooled {
        /// Its id.
        deployment: String,
        /// When the rest ends.
        until: Moment,
    },
    /// A deployment is well again.
    Recovered {
        /// Its id.
        deployment: String,
    },
    /// A deployment answered.
    Answered {
        /// Its id.
        deployment: String,
        /// How long the answer took.
        took: Duration,
        /// Its tokens.
        tokens: u64,
        /// Until the first event of a stream.
        first_event: Option<Duration>,
    },
    /// A deployment was silent until the time was up.
    Silent {
        /// Its id.
        deployment: String,
    },
    /// How fast deployments were, one after the other.
    Speeds {
        /// By id.
        all: Vec<(String, Vec<Sample>)>,
    },
    /// A conversation, a session or a user is at a deployment.
    Bound {
        /// What binds it, as a number.
        bond: u64,
        /// The deployment's id, as a number.
        deployment: u64,
        /// Until when.
        until: Moment,
    },
    /// An answer cost this much of a budget, which, if it begins with that, ends then.
    Spent(Spent),
    /// What an instance's deployments carry, of those that carry anything.
    Loads {
        /// By id.
        loads: Vec<(String, Load)>,
    },
}

/// How fast a deployment was once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// It answered: nanoseconds that this took, its tokens, and nanoseconds until the first event of a stream.
    Answered(u64, u64, Option<u64>),
    /// It was silent until the time was up.
    Silent,
}

/// Where Redis is and how long it is waited for.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/db]`, or `rediss://` with TLS.
    pub url: String,
    /// What all keys begin with.
    pub namespace: String,
    /// How long a request waits for an answer at most.
    pub patience: Duration,
}

impl RedisSettings {
    /// Redis at `url`, everything else as usual.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: "interlingua".into(),
            patience: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("RedisSettings")
            .field("namespace", &self.namespace)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
