//! LiteLLM's `router_settings`: one reading for configuration files and for the arguments of `Router`.

mod choice;
mod fallbacks;
mod keys;
mod place;
mod read;
mod redis;
mod rules;

use std::{collections::BTreeSet, time::Duration};

use llm_router::Settings;
use llm_types::{JsonObject, Map};

pub use keys::{KEYS, State};
pub use place::{Mention, Place, Remark, Role, Step};

use read::Reader;

/// What `router_settings` say.
#[derive(Debug, Default)]
pub struct RouterSettings {
    /// How a router behaves.
    pub router: Settings,
    /// Aliases that lists of models leave out.
    pub hidden: BTreeSet<String>,
    /// `default_litellm_params`: parameters that every deployment starts from.
    pub default_params: Map,
    /// `search_tools`, as they are given.
    pub search_tools: Vec<Map>,
    /// What is done with the findings of health checks.
    pub checks: CheckSettings,
    /// The models that are mentioned. Whether they exist is known when all deployments are.
    pub mentions: Vec<Mention>,
}

/// What is done with the findings of health checks, as far as it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckSettings {
    /// Whether requests go around who was found ill.
    pub routing: Option<bool>,
    /// For how long a finding counts.
    pub staleness: Option<Duration>,
    /// Whether rate limits, time-outs and faults of the vendor are no findings.
    pub ignore_transient: Option<bool>,
    /// The groups that are checked while nobody asks for others; empty: all of them.
    pub groups: Option<Vec<String>>,
}

impl RouterSettings {
    /// Takes over what `map` says, over what was said before, and takes it out of `map`: what is left there is nothing
    /// that a router goes by. The keys are [`KEYS`], and those of `litellm_settings` with the same meaning.
    ///
    /// ```
    /// use llm_sdk::router_settings::RouterSettings;
    ///
    /// let mut map = serde_json::from_str(r#"{"num_retries": 5, "fallbacks": [{"fast": [7]}]}"#)?;
    /// let mut settings = RouterSettings::default();
    /// let remarks = settings.read(&mut map);
    /// assert_eq!(settings.router.num_retries, 5);
    /// assert_eq!(remarks[0].place.to_string(), "fallbacks[0].fast[0]");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn read(&mut self, map: &mut Map) -> Vec<Remark> {
        let mut reader = Reader::new(map);
        self.limits(&mut reader);
        self.streams(&mut reader);
        self.retries(&mut reader);
        self.rules(&mut reader);
        self.health(&mut reader);
        self.redis(&mut reader);
        self.choice(&mut reader);
        self.fallbacks(&mut reader);
        for key in ["model_group_alias", "model_alias_map"] {
            self.aliases(key, &mut reader);
        }
        if let Some(params) = reader.take("default_litellm_params") {
            self.default_params = params;
        }
        if let Some(tools) = reader.take("search_tools") {
            self.search_tools = tools;
        }
        reader.later();
        reader.remarks
    }

    /// Puts the defaults of all deployments under one deployment's parameters.
    pub fn under(&self, params: &mut JsonObject) {
        for (key, value) in &self.default_params {
            if !params.contains(key) {
                params.set(key.clone(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use llm_router::{Fallback, HedgeRules, RetryShare, StreamFailover};
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (RouterSettings, Vec<String>) {
        let mut settings = RouterSettings::default();
        let Value::Object(mut map) = value else {
            panic!("a map");
        };
        let remarks = settings.read(&mut map);
        assert!(map.is_empty(), "{map:?}");
        let shown = |remark: &Remark| format!("{}: {}", remark.place, remark.message);
        (settings, remarks.iter().map(shown).collect())
    }

    #[test]
    fn every_key_is_there_once_and_is_read() {
        let mut all = BTreeSet::new();
        for key in KEYS.iter().flat_map(|(_, keys)| *keys) {
            assert!(all.insert(key), "{key}");
        }
        let built = |state: &State| matches!(state, State::Built | State::Own(_));
        let nulls = KEYS.iter().filter(|(state, _)| built(state));
        let nulls: Map = nulls
            .flat_map(|(_, keys)| *keys)
            .map(|key| ((*key).to_owned(), Value::Null))
            .collect();
        let (_, remarks) = read(Value::Object(nulls));
        assert_eq!(remarks, [""; 0]);
    }

    #[test]
    fn settings_are_what_litellm_means_by_them() {
        let (settings, remarks) = read(json!({
            "num_retries": 4, "timeout": 60, "stream_timeout": 30.5, "retry_after": 1, "max_fallbacks": 2,
            "first_byte_timeout": 5, "stall_timeout": 2, "deadline": 90,
            "retry_policy": {"RateLimitErrorRetries": 7},
            "model_group_retry_policy": {"fast": {"DefaultRetries": 0}},
            "allowed_fails": 9, "allowed_fails_policy": {"BadGatewayErrorAllowedFails": 1},
            "cooldown_time": 0.5, "disable_cooldowns": true,
            "fallbacks": [{"fast": ["strong", {"model": "slow", "temperature": 0}]}],
            "default_fallbacks": ["last"],
            "model_group_alias": {"a": "fast", "b": {"model": "fast", "hidden": true}},
            "default_litellm_params": {"seed": 1}, "default_max_parallel_requests": 8,
            "enable_weighted_failover": true, "routing_strategy": "simple-shuffle",
            "retry_budget": {"ratio": 0.5}, "default_priority": 3, "queue": {"size": 9, "wait": 2},
            "stream_failover": "before_content", "malformed_events": 0,
            "polling_interval": 0.5, "hedging": true, "adaptive_concurrency": {"most": 50},
        }));
        assert_eq!(remarks, [""; 0]);
        let router = &settings.router;
        let seconds = |n| Some(Duration::from_secs_f64(n));
        let timeouts = router.timeouts;
        assert_eq!(
            (timeouts.total, timeouts.stream, timeouts.first_byte),
            (seconds(60.0), seconds(30.5), seconds(5.0))
        );
        assert_eq!((router.num_retries, router.max_fallbacks), (4, 2));
        assert_eq!(router.deadline, seconds(90.0));
        assert_eq!(router.stream_failover, StreamFailover::BeforeContent);
        assert_eq!(router.malformed_events, 0);
        assert_eq!(router.retry_policy.rate_limit, Some(7));
        assert_eq!(router.group_retry_policy["fast"].default, Some(0));
        assert_eq!(router.health.allowed_fails, Some(9));
        assert_eq!(router.health.allowed_fails_policy.bad_gateway, Some(1));
        assert_eq!(
            (router.health.disabled, Some(router.health.cooldown)),
            (true, seconds(0.5))
        );
        assert_eq!(
            router.fallbacks.general["fast"][1].overrides["temperature"],
            0
        );
        assert_eq!(router.fallbacks.general["*"], [Fallback::to("last")]);
        assert_eq!(router.aliases["b"], "fast");
        assert!(settings.hidden.contains("b") && !settings.hidden.contains("a"));
        assert!(router.failover_in_group);
        let share = RetryShare {
            ratio: 0.5,
            least: 10,
        };
        assert_eq!(router.retry_share, Some(share));
        let queue = router.queue;
        assert_eq!(
            (queue.size, Some(queue.wait), queue.default_priority),
            (9, seconds(2.0), 3)
        );
        assert_eq!(Some(queue.poll), seconds(0.5));
        assert_eq!(router.hedge, Some(HedgeRules::default()));
        assert_eq!(router.adaptive.map(|rules| rules.most), Some(50));
        assert_eq!(router.default_max_parallel, Some(8));
        let mentioned: Vec<_> = settings.mentions.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(
            mentioned,
            ["fast", "fast", "strong", "slow", "last", "fast", "fast"]
        );
    }

    #[test]
    fn who_is_asked_is_settled_as_in_litellm() {
        let (settings, remarks) = read(json!({
            "routing_strategy": "latency-based-routing",
            "routing_strategy_args": {"lowest_latency_buffer": 0.5, "ttl": 60},
            "routing_groups": [{
                "group_name": "ours", "models": ["a", "b"], "routing_strategy": "priority",
                "model_priorities": {"a": 1, "b": 2},
            }],
            "enable_pre_call_checks": true, "enable_tag_filtering": true,
            "tag_filtering_match_any": false, "tag_routing_prefix": "route:",
            "optional_pre_call_checks": ["prompt_caching", "router_budget_limiting"],
            "deployment_affinity_ttl_seconds": 60, "cached_prompt_worth": 4,
            "model_group_affinity_config": {"a": ["session_affinity"]},
            "provider_budget_config": {"openai": {"budget_limit": 1.5, "time_period": "1d"}},
            "tag_budget_config": {"x": {"max_budget": 2, "budget_duration": "30m"}},
        }));
        assert_eq!(remarks, [""; 0]);
        let router = &settings.router;
        assert_eq!(router.strategy.name(), "latency-based-routing");
        let group = &router.routing_groups[0];
        assert_eq!(
            (group.name.as_str(), group.strategy.name()),
            ("ours", "priority")
        );
        assert_eq!(
            (router.pre_call_checks.enabled, router.tags.enabled),
            (true, true)
        );
        assert_eq!(
            (router.tags.match_any, router.tags.prefix.as_str()),
            (false, "route:")
        );
        assert_eq!(router.affinity.prompt_worth, Some(4.0));
        assert!(router.affinity.bonds.prompt && router.affinity.group_bonds["a"].session);
        assert_eq!(router.budgets.providers["openai"].limit, 1_500_000_000);
        assert!(router.budgets.tags.contains_key("x"));
    }

    #[test]
    fn mistakes_are_all_named_with_their_places() {
        let (_, remarks) = read(json!({
            "num_retries": "many", "timeout": -3, "deadline": "soon", "cooldown_time": -1,
            "stream_failover": "sometimes", "cached_prompt_worth": 0.5,
            "routing_strategy": "simple-shufle",
            "retry_policy": {"RateLimitRetries": 1, "TimeoutErrorRetries": -1},
            "allowed_fails_policy": [], "fallbacks": {"a": "b"},
            "context_window_fallbacks": [{"a": [{"temperature": 1}]}],
            "default_fallbacks": "b", "model_group_alias": {"a": 7},
            "retry_budget": {"ratio": -1, "leest": 3},
            "routing_groups": [{"models": []}, {"group_name": "g", "models": [7], "routing_strategy": "x"}],
            "optional_pre_call_checks": ["prompt_cache", "encrypted_content_affinity"],
            "provider_budget_config": {"openai": {"budget_limit": 1}},
        }));
        insta::assert_snapshot!(remarks.join("\n"));
    }

    #[test]
    fn retries_can_be_without_a_bound() {
        for off in [json!(false), json!("off")] {
            let (settings, remarks) = read(json!({"retry_budget": off}));
            assert_eq!((settings.router.retry_share, remarks.len()), (None, 0));
        }
        let (settings, _) = read(json!({"retry_budget": true}));
        assert_eq!(settings.router.retry_share, Some(RetryShare::default()));
    }

    #[test]
    fn redis_is_named_by_its_address_or_in_parts() {
        let url = |value| {
            let (settings, remarks) = read(value);
            (settings.router.redis.map(|redis| redis.url), remarks)
        };
        let parts = json!({
            "redis_host": "cache.example", "redis_port": "6380", "redis_password": "p@ss/word", "redis_db": 2,
            "redis_ssl": true,
        });
        let expected = "rediss://:p%40ss%2Fword@cache.example:6380/2";
        assert_eq!(url(parts), (Some(expected.to_owned()), vec![]));
        let whole = json!({"redis_url": "redis://a:1", "redis_host": "b"});
        assert_eq!(url(whole), (Some("redis://a:1".to_owned()), vec![]));
        let (none, remarks) = url(json!({"redis_port": "many"}));
        assert_eq!((none, remarks.len()), (None, 1));
    }

    #[test]
    fn what_is_not_built_is_named() {
        let (_, remarks) = read(json!({"guardrail_list": [], "debug_level": "INFO"}));
        assert_eq!(
            remarks,
            ["guardrail_list: 'guardrail_list' has no effect yet: guardrails is not built"]
        );
    }
}
