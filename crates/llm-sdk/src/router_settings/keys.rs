//! What becomes of each key.

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does what it does in LiteLLM.
    Built,
    /// It is ours, LiteLLM has nothing like it: what it does.
    Own(&'static str),
    /// It belongs to a feature that is not built yet; settings that have it are taken with a warning.
    Later(&'static str),
    /// It has nothing to act on here, for this reason; no warning.
    Inert(&'static str),
}

use State::{Built, Inert, Later, Own};

/// Every key of LiteLLM's `router_settings` and of its `Router`, and our own.
pub const KEYS: &[(State, &[&str])] = &[
    (
        Built,
        &[
            "routing_strategy",
            "num_retries",
            "timeout",
            "stream_timeout",
            "retry_after",
            "retry_policy",
            "model_group_retry_policy",
            "allowed_fails",
            "allowed_fails_policy",
            "cooldown_time",
            "disable_cooldowns",
            "fallbacks",
            "context_window_fallbacks",
            "content_policy_fallbacks",
            "default_fallbacks",
            "max_fallbacks",
            "model_group_alias",
            "default_litellm_params",
            "default_max_parallel_requests",
            "enable_weighted_failover",
            "default_priority",
            "polling_interval",
            "routing_strategy_args",
            "routing_groups",
            "enable_pre_call_checks",
            "optional_pre_call_checks",
            "enable_tag_filtering",
            "tag_filtering_match_any",
            "tag_routing_prefix",
            "search_tools",
            "provider_budget_config",
            "model_group_affinity_config",
            "deployment_affinity_ttl_seconds",
            "enable_health_check_routing",
            "health_check_staleness_threshold",
            "health_check_ignore_transient_errors",
            "background_health_check_model_groups",
            "redis_url",
            "redis_host",
            "redis_port",
            "redis_username",
            "redis_password",
            "redis_db",
            "redis_ssl",
        ],
    ),
    (
        Own(
            "seconds until the first byte of an answer, and of a stream until its first text, thinking or call",
        ),
        &["first_byte_timeout"],
    ),
    (
        Own("seconds between two pieces of a stream"),
        &["stall_timeout"],
    ),
    (
        Own(
            "what happens to a stream that breaks after its first event: `off`, `before_content`, or `continue` (the default)",
        ),
        &["stream_failover"],
    ),
    (
        Own("how many events in a row of a stream may be unreadable before it counts as broken; 3"),
        &["malformed_events"],
    ),
    (
        Own("seconds that a request may take with all its attempts, waits and fallbacks"),
        &["deadline"],
    ),
    (
        Own(
            "what failed retries may add to a group's traffic: `{ratio: 0.1, least: 10}`, or `false` for no bound",
        ),
        &["retry_budget"],
    ),
    (
        Own(
            "a second attempt beside one that is slower than most: `true`, or `{quantile: 0.95, least: 0.1, share: 0.05, price_ratio: 2}`",
        ),
        &["hedging"],
    ),
    (
        Own(
            "limits of parallel requests that are learned from latencies: `true`, or `{start: 20, least: 1, most: 1000, tolerance: 1.5}`",
        ),
        &["adaptive_concurrency"],
    ),
    (
        Own(
            "how requests wait in line where all deployments are busy: `{size: 1024, wait: 60}`, or `false` for no waiting",
        ),
        &["queue"],
    ),
    (
        Own(
            "how many times as busy as another deployment the one that keeps a conversation's prompt may be; without it, as many times as the prompt is cheaper there",
        ),
        &["cached_prompt_worth"],
    ),
    (Later("routing plugins"), &["plugins"]),
    (
        Later("response caching"),
        &["cache_responses", "cache_kwargs", "caching_groups"],
    ),
    (Later("guardrails"), &["guardrail_list"]),
    (Later("alerts"), &["alerting_config"]),
    (Later("assistants"), &["assistants_config"]),
    (
        Inert("connections are pooled by address, not by client object"),
        &["client_ttl"],
    ),
    (
        Inert("RUST_LOG and LITELLM_LOG set the level"),
        &["set_verbose", "debug_level"],
    ),
];

/// Keys of `retry_policy`: one for each exception class of LiteLLM.
pub(super) const RETRIES: &[&str] = &[
    "BadRequestErrorRetries",
    "AuthenticationErrorRetries",
    "TimeoutErrorRetries",
    "RateLimitErrorRetries",
    "ContentPolicyViolationErrorRetries",
    "InternalServerErrorRetries",
    "ServiceUnavailableErrorRetries",
    "NotFoundErrorRetries",
    "DefaultRetries",
];

/// Keys of `allowed_fails_policy`.
pub(super) const ALLOWED_FAILS: &[&str] = &[
    "BadRequestErrorAllowedFails",
    "AuthenticationErrorAllowedFails",
    "TimeoutErrorAllowedFails",
    "RateLimitErrorAllowedFails",
    "ContentPolicyViolationErrorAllowedFails",
    "InternalServerErrorAllowedFails",
    "ServiceUnavailableErrorAllowedFails",
    "BadGatewayErrorAllowedFails",
    "NotFoundErrorAllowedFails",
];
