//! How a router behaves, checked once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{Fallbacks, RetryPolicy, SimpleShuffle, Strategy, Timeouts};

/// A router's settings. [`Router::new`](crate::Router::new) checks them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts after the first, in one group.
    pub num_retries: u32,
    /// Retries by class of error, where not [`num_retries`](Self::num_retries).
    pub retry_policy: RetryPolicy,
    /// The same for single groups.
    pub group_retry_policy: BTreeMap<String, RetryPolicy>,
    /// The least wait before a retry.
    pub retry_after: Duration,
    /// Groups tried after the asked one, at most.
    pub max_fallbacks: u32,
    /// Which groups answer for which.
    pub fallbacks: Fallbacks,
    /// Other names of groups.
    pub aliases: BTreeMap<String, String>,
    /// How long attempts may take.
    pub timeouts: Timeouts,
    /// Who of several deployments is asked.
    pub strategy: Arc<dyn Strategy>,
    /// The dice's seed; the same seed and the same requests give the same picks.
    pub seed: u64,
}

/// Settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub String);

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Default for Settings {
    fn default() -> Self {
        Self {
            num_retries: 2,
            retry_policy: RetryPolicy::default(),
            group_retry_policy: BTreeMap::new(),
            retry_after: Duration::ZERO,
            max_fallbacks: 5,
            fallbacks: Fallbacks::default(),
            aliases: BTreeMap::new(),
            timeouts: Timeouts::default(),
            strategy: Arc::new(SimpleShuffle),
            seed: 0,
        }
    }
}
