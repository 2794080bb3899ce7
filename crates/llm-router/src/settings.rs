//! How a router behaves, checked once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    AdaptiveRules, AffinityRules, Budgets, Fallbacks, Filter, HealthRules, HedgeRules,
    PreCallChecks, QueueRules, RedisSettings, RetryPolicy, RetryShare, RoutingGroup, Shared,
    SimpleShuffle, SpeedRules, Strategy, TagRules, Timeouts,
};

/// A router's settings. [`Router::new`](crate::Router::new) checks them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts after the first, in one group.
    pub num_retries: u32,
    /// Retries by class of error, where not [`num_retries`](Self::num_retries).
    pub retry_policy: RetryPolicy,
    /// The same for single groups.
    pub group_retry_policy: BTreeMap<String, RetryPolicy>,
    /// What failed retries may add to the traffic; `None`: no bound but their number.
    pub retry_share: Option<RetryShare>,
    /// The least wait before a retry.
    pub retry_after: Duration,
    /// Deployments of a group that have not failed yet are tried even when the retries are used up.
    pub failover_in_group: bool,
    /// Groups tried after the asked one, at most.
    pub max_fallbacks: u32,
    /// Which groups answer for which.
    pub fallbacks: Fallbacks,
    /// Other names of groups.
    pub aliases: BTreeMap<String, String>,
    /// How long attempts may take.
    pub timeouts: Timeouts,
    /// Rivals for slow attempts; `None`: there are none.
    pub hedge: Option<HedgeRules>,
    /// Limits of parallel attempts that are learned; `None`: only those that are configured hold.
    pub adaptive: Option<AdaptiveRules>,
    /// How requests wait where all deployments are busy.
    pub queue: QueueRules,
    /// How long a request may take with all its attempts and waits.
    pub deadline: Option<Duration>,
    /// When deployments rest.
    pub health: HealthRules,
    /// How latencies are kept.
    pub speed: SpeedRules,
    /// The Redis over which instances share their state; `None`: this one is alone.
    pub redis: Option<RedisSettings>,
    /// What other instances know. Made from [`redis`](Self::redis) where nobody gives it.
    pub shared: Option<Arc<dyn Shared>>,
    /// Who of several deployments is asked.
    pub strategy: Arc<dyn Strategy>,
    /// The same for single groups.
    pub group_strategy: BTreeMap<String, Arc<dyn Strategy>>,
    /// Names that unite several groups, with strategies of their own.
    pub routing_groups: Vec<RoutingGroup>,
    /// What is checked before an attempt.
    pub pre_call_checks: PreCallChecks,
    /// How tags decide.
    pub tags: TagRules,
    /// What providers and tags may cost.
    pub budgets: Budgets,
    /// Who goes back to the deployment it was at.
    pub affinity: AffinityRules,
    /// Attempts at the same time at a deployment that says nothing of it. Where this is set, a deployment's requests a
    /// minute, or its tokens, go before it: LiteLLM's `default_max_parallel_requests`.
    pub default_max_parallel: Option<u64>,
    /// Who may be asked at all, beyond all that; in order.
    pub filters: Vec<Arc<dyn Filter>>,
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
            retry_share: Some(RetryShare::default()),
            retry_after: Duration::ZERO,
            failover_in_group: false,
            max_fallbacks: 5,
            fallbacks: Fallbacks::default(),
            aliases: BTreeMap::new(),
            timeouts: Timeouts::default(),
            hedge: None,
            adaptive: None,
            queue: QueueRules::default(),
            deadline: None,
            health: HealthRules::default(),
            speed: SpeedRules::default(),
            redis: None,
            shared: None,
            strategy: Arc::new(SimpleShuffle),
            group_strategy: BTreeMap::new(),
            routing_groups: Vec::new(),
            pre_call_checks: PreCallChecks::default(),
            tags: TagRules::default(),
            budgets: Budgets::default(),
            affinity: AffinityRules::default(),
            default_max_parallel: None,
            filters: Vec::new(),
            seed: 0,
        }
    }
}

impl Settings {
    /// Goes on with the state that `old` settings share, where it is at the same place; else makes its own.
    pub(crate) fn share(&mut self, old: Option<&Self>) -> Result<(), SettingsError> {
        let Some(redis) = self.redis.as_ref().filter(|_| self.shared.is_none()) else {
            return Ok(());
        };
        self.shared = match old.filter(|old| old.redis.as_ref() == Some(redis)) {
            Some(old) => old.shared.clone(),
            None => Some(connect(redis)?),
        };
        Ok(())
    }
}

#[cfg(feature = "redis")]
fn connect(redis: &RedisSettings) -> Result<Arc<dyn Shared>, SettingsError> {
    Ok(Arc::new(crate::RedisState::new(redis.clone())?))
}

#[cfg(not(feature = "redis"))]
fn connect(_: &RedisSettings) -> Result<Arc<dyn Shared>, SettingsError> {
    Err(SettingsError(
        "state cannot be shared over Redis: this program was built without it".into(),
    ))
}
