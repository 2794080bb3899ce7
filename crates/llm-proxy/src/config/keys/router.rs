//! What becomes of `router_settings`.

use super::{
    Section,
    State::{Built, Inert, Later, Own},
};

/// `router_settings`.
pub(crate) const ROUTER: Section = Section {
    name: "router_settings",
    keys: &[
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
                "fallbacks",
                "context_window_fallbacks",
                "content_policy_fallbacks",
                "default_fallbacks",
                "max_fallbacks",
                "model_group_alias",
                "default_litellm_params",
            ],
        ),
        (
            Own("seconds until the first byte of an answer, and of a stream its first event"),
            &["first_byte_timeout"],
        ),
        (
            Own("seconds between two pieces of a stream"),
            &["stall_timeout"],
        ),
        (
            Later("routing strategies"),
            &[
                "routing_strategy_args",
                "routing_groups",
                "plugins",
                "enable_weighted_failover",
            ],
        ),
        (
            Later("cooldowns"),
            &[
                "allowed_fails",
                "allowed_fails_policy",
                "cooldown_time",
                "disable_cooldowns",
            ],
        ),
        (
            Later("pre-call checks"),
            &["enable_pre_call_checks", "optional_pre_call_checks"],
        ),
        (
            Later("tag routing"),
            &[
                "enable_tag_filtering",
                "tag_filtering_match_any",
                "tag_routing_prefix",
            ],
        ),
        (
            Later("shared state over Redis"),
            &[
                "redis_url",
                "redis_host",
                "redis_port",
                "redis_password",
                "redis_db",
            ],
        ),
        (
            Later("response caching"),
            &["cache_responses", "cache_kwargs", "caching_groups"],
        ),
        (Later("limits"), &["default_max_parallel_requests"]),
        (
            Later("priority queueing"),
            &["default_priority", "polling_interval"],
        ),
        (Later("provider budgets"), &["provider_budget_config"]),
        (
            Later("affinity"),
            &[
                "model_group_affinity_config",
                "deployment_affinity_ttl_seconds",
            ],
        ),
        (Later("guardrails"), &["guardrail_list"]),
        (Later("alerts"), &["alerting_config"]),
        (Later("assistants"), &["assistants_config"]),
        (Later("search"), &["search_tools"]),
        (
            Inert("connections are pooled by address, not by client object"),
            &["client_ttl"],
        ),
        (
            Inert("RUST_LOG and LITELLM_LOG set the level"),
            &["set_verbose", "debug_level"],
        ),
    ],
};

/// Keys of `allowed_fails_policy`.
pub(super) const ALLOWED_FAILS: &[&str] = &[
    "BadRequestErrorAllowedFails",
    "AuthenticationErrorAllowedFails",
    "TimeoutErrorAllowedFails",
    "RateLimitErrorAllowedFails",
    "ContentPolicyViolationErrorAllowedFails",
    "InternalServerErrorAllowedFails",
];
