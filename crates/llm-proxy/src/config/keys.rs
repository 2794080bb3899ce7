//! Every key of LiteLLM's configuration, and what becomes of it here. The reference table is made from this.

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does what it does in LiteLLM.
    Built,
    /// It belongs to a feature that is not built yet; a configuration that has it starts with a warning.
    Later(&'static str),
    /// It has nothing to act on here, for this reason; no warning.
    Inert(&'static str),
}

/// One section of the file.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The section's key; empty for the file itself.
    pub name: &'static str,
    /// Its keys by what becomes of them.
    pub keys: &'static [(State, &'static [&'static str])],
}

use State::{Built, Inert, Later};

impl Section {
    /// What becomes of `key`; `None` if nobody knows it.
    pub(crate) fn state(&self, key: &str) -> Option<State> {
        self.keys
            .iter()
            .find(|(_, keys)| keys.contains(&key))
            .map(|(state, _)| *state)
    }

    /// All keys, in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().flat_map(|(_, keys)| keys.iter().copied())
    }
}

/// The sections, in the order of the reference.
pub const SECTIONS: &[Section] = &[ROOT, MODEL, ROUTER, LITELLM, GENERAL];

/// The file itself.
pub(crate) const ROOT: Section = Section {
    name: "",
    keys: &[
        (
            Built,
            &[
                "model_list",
                "litellm_settings",
                "general_settings",
                "router_settings",
                "environment_variables",
                "include",
                "credential_list",
            ],
        ),
        (
            Later("guardrails"),
            &["guardrails", "policies", "policy_attachments"],
        ),
        (Later("prompt management"), &["prompts"]),
        (Later("MCP"), &["mcp_servers", "mcp_tools"]),
        (Later("agents"), &["agents", "agent_list"]),
        (Later("vector stores"), &["vector_store_registry"]),
        (Later("search"), &["search_tools"]),
        (Later("code execution"), &["sandbox_tools"]),
        (Later("files and batches"), &["files_settings"]),
        (Later("fine-tuning"), &["finetune_settings"]),
        (Later("assistants"), &["assistant_settings"]),
        (Later("pass-through"), &["default_vertex_config"]),
        (Later("logging callbacks"), &["callback_settings"]),
        (Later("control planes"), &["worker_registry"]),
    ],
};

/// An entry of `model_list`.
pub(crate) const MODEL: Section = Section {
    name: "model_list[]",
    keys: &[(Built, &["model_name", "litellm_params", "model_info"])],
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

/// `litellm_settings`.
pub(crate) const LITELLM: Section = Section {
    name: "litellm_settings",
    keys: &[
        (
            Built,
            &[
                "drop_params",
                "modify_params",
                "num_retries",
                "request_timeout",
                "fallbacks",
                "context_window_fallbacks",
                "content_policy_fallbacks",
                "default_fallbacks",
                "max_fallbacks",
                "model_alias_map",
                "json_logs",
                "require_auth_for_metrics_endpoint",
                "sse_keepalive_ping_interval_seconds",
                "anthropic_sse_ping_interval_seconds",
                "ssl_verify",
                "user_url_validation",
                "user_url_allowed_hosts",
                "cost_discount_config",
                "cost_margin_config",
                "expose_router_debug_in_errors",
                "callbacks",
                "success_callback",
                "failure_callback",
            ],
        ),
        (
            Later("logging callbacks"),
            &[
                "service_callback",
                "input_callback",
                "audit_log_callbacks",
                "turn_off_message_logging",
                "log_raw_request_response",
                "disable_streaming_logging",
                "standard_logging_payload_excluded_fields",
                "global_disable_no_log_param",
                "datadog_params",
                "datadog_llm_observability_params",
                "s3_callback_params",
                "s3_audit_callback_params",
                "aws_sqs_callback_params",
                "newrelic_params",
                "generic_logger_headers",
                "langfuse_default_tags",
                "store_audit_logs",
            ],
        ),
        (
            Later("response caching"),
            &[
                "cache",
                "cache_params",
                "enable_redis_auth_cache",
                "default_in_memory_ttl",
                "default_redis_ttl",
                "default_redis_batch_cache_expiry",
                "enable_caching_on_provider_specific_optional_params",
                "force_redis_hash_tag_grouping",
            ],
        ),
        (Later("cooldowns"), &["allowed_fails"]),
        (
            Later("budgets"),
            &[
                "max_budget",
                "budget_duration",
                "budget_exceeded_status_code",
                "budget_exceeded_throttle_percentage",
                "budget_rollover",
                "timezone",
                "budget_reset_time",
                "default_soft_budget",
                "max_user_budget",
                "default_max_internal_user_budget",
                "max_internal_user_budget",
                "internal_user_budget_duration",
                "max_ui_session_budget",
                "max_end_user_budget",
                "max_end_user_budget_id",
                "validate_end_user_id_in_db",
                "disable_end_user_cost_tracking",
                "disable_end_user_cost_tracking_prometheus_only",
                "enable_end_user_cost_tracking_prometheus_only",
                "tag_budget_config",
                "block_requests_for_models_without_pricing",
            ],
        ),
        (
            Later("keys, users and teams"),
            &[
                "default_internal_user_params",
                "default_team_params",
                "default_team_settings",
                "default_key_generate_params",
                "upperbound_key_generate_params",
                "key_generation_settings",
                "key_alias_pattern",
                "enable_key_alias_format_validation",
                "default_key_max_budget_alert_emails",
                "enable_post_custom_auth_checks",
                "overwrite_user_with_key_hash",
            ],
        ),
        (
            Later("the hub pages"),
            &[
                "public_model_groups",
                "public_model_groups_links",
                "public_mcp_servers",
                "public_mcp_hub_strict_whitelist",
                "public_agent_groups",
                "public_skills_index",
            ],
        ),
        (
            Later("outbound decoration"),
            &[
                "model_group_settings",
                "add_user_information_to_llm_headers",
                "forward_traceparent_to_llm_provider",
                "forward_llm_provider_auth_headers",
                "extra_spend_tag_headers",
            ],
        ),
        (
            Later("priorities"),
            &["priority_reservation", "priority_reservation_settings"],
        ),
        (
            Later("guardrails"),
            &[
                "guardrails",
                "pre_call_rules",
                "post_call_rules",
                "banned_keywords_list",
                "blocked_user_list",
                "llm_guard_mode",
                "output_parse_pii",
                "presidio_ad_hoc_recognizers",
                "google_moderation_confidence_threshold",
                "openai_moderations_model_name",
                "skip_system_message_in_guardrail",
                "skip_tool_message_in_guardrail",
            ],
        ),
        (
            Later("MCP"),
            &[
                "mcp_aliases",
                "mcp_tool_search",
                "mcp_semantic_tool_filter",
                "agent_search_embedding_model",
                "skill_search_embedding_model",
            ],
        ),
        (
            Later("files and batches"),
            &[
                "require_managed_files",
                "enable_loadbalancing_on_batch_endpoints",
            ],
        ),
        (
            Later("Responses"),
            &[
                "responses",
                "route_all_chat_openai_to_responses",
                "use_chat_completions_url_for_anthropic_messages",
                "reasoning_auto_summary",
            ],
        ),
        (
            Later("configurable metrics"),
            &[
                "prometheus_metrics_config",
                "prometheus_exclude_metrics",
                "prometheus_exclude_labels",
                "prometheus_latency_buckets",
                "prometheus_initialize_budget_metrics",
                "custom_prometheus_metadata_labels",
                "custom_prometheus_tags",
            ],
        ),
        (
            Later("client certificates"),
            &["ssl_certificate", "ssl_security_level", "ssl_ecdh_curve"],
        ),
        (
            Later("prompt management"),
            &[
                "global_prompt_directory",
                "global_bitbucket_config",
                "global_gitlab_config",
            ],
        ),
        (
            Later("secret managers"),
            &[
                "secret_manager_client",
                "credential_list",
                "enable_model_config_credential_overrides",
            ],
        ),
        (
            Later("request shaping"),
            &[
                "enable_anthropic_prompt_caching",
                "anthropic_prompt_caching_ttl",
                "openai_system_messages_first",
                "provider_url_destination_allowed_hosts",
                "include_cost_in_streaming_usage",
            ],
        ),
        (
            Later("vector stores"),
            &["vector_store_search_failure_mode"],
        ),
        (
            Inert(
                "a Python class cannot run inside the gateway; give the model an api_base of your own",
            ),
            &["custom_provider_map"],
        ),
        (
            Inert("RUST_LOG and LITELLM_LOG set the level"),
            &[
                "set_verbose",
                "log_client_error_tracebacks",
                "log_auth_failure_key_identity",
            ],
        ),
        (
            Inert("bodies and keys are never logged"),
            &["redact_messages_in_exceptions", "redact_user_api_key_info"],
        ),
        (
            Inert("every log line has the request's id"),
            &["request_correlation_in_logs"],
        ),
        (
            Inert("upstream headers are always returned"),
            &["return_response_headers"],
        ),
        (
            Inert("no such tags are added"),
            &["disable_add_user_agent_to_request_tags"],
        ),
        (
            Inert("there is one HTTP client, and it heeds the proxy variables"),
            &[
                "aiohttp_trust_env",
                "disable_aiohttp_transport",
                "force_ipv4",
                "http2",
            ],
        ),
        (Inert("nothing is sent to anybody"), &["telemetry"]),
    ],
};

/// `general_settings`.
pub(crate) const GENERAL: Section = Section {
    name: "general_settings",
    keys: &[
        (
            Built,
            &[
                "master_key",
                "completion_model",
                "infer_model_from_keys",
                "litellm_key_header_name",
                "max_request_size_mb",
                "global_max_parallel_requests",
                "always_include_stream_usage",
                "dangerously_permit_weak_or_unset_master_key",
                "allowed_ips",
            ],
        ),
        (
            Later("the database"),
            &[
                "database_url",
                "database_connection_pool_limit",
                "database_connection_timeout",
                "database_connection_pool_timeout",
                "database_connect_timeout",
                "database_socket_timeout",
                "database_statement_timeout",
                "database_lock_timeout",
                "database_idle_in_transaction_session_timeout",
                "database_max_idle_connection_lifetime",
                "database_disable_prepared_statements",
                "database_extra_connection_params",
                "database_type",
                "disable_prisma_schema_update",
                "store_model_in_db",
                "supported_db_objects",
                "proxy_config_reload_interval_seconds",
                "allow_requests_on_db_unavailable",
            ],
        ),
        (
            Later("keys, users and teams"),
            &[
                "custom_auth",
                "custom_auth_run_common_checks",
                "custom_sso",
                "custom_ui_sso_sign_in_handler",
                "custom_key_generate",
                "custom_key_update",
                "custom_key_policy",
                "custom_team_metadata_validate",
                "enable_jwt_auth",
                "litellm_jwtauth",
                "enforce_rbac",
                "role_permissions",
                "enable_oauth2_auth",
                "enable_oauth2_proxy_auth",
                "oauth2_config_mappings",
                "trusted_proxy_ranges",
                "use_x_forwarded_for",
                "allowed_routes",
                "admin_only_routes",
                "public_routes",
                "allow_user_auth",
                "enforced_params",
                "service_account_settings",
                "enforce_user_param",
                "user_header_name",
                "user_header_mappings",
                "user_api_key_cache_ttl",
                "user_api_key_cache_max_size",
                "disable_custom_api_keys",
                "disable_key_generate_for_org_admin",
                "disable_master_key_return",
                "default_team_disabled",
                "disable_auto_add_proxy_admin_to_teams",
                "team_metadata_schema",
                "team_metadata_validation_timeout",
                "team_metadata_validation_error_message",
                "apply_user_budget_to_team_keys",
                "enforce_fallback_model_access",
                "use_team_public_model_name",
            ],
        ),
        (
            Later("the admin UI"),
            &[
                "ui_access_mode",
                "disable_password_login_when_sso_enabled",
                "disable_env_credential_login",
                "auto_redirect_ui_login_to_sso",
                "hide_default_credentials_hint",
                "max_failed_login_attempts_per_source",
                "failed_login_window_seconds",
                "failed_login_block_seconds",
                "control_plane_url",
            ],
        ),
        (
            Later("secret managers"),
            &["key_management_system", "key_management_settings"],
        ),
        (
            Later("limits"),
            &[
                "max_parallel_requests",
                "max_response_size_mb",
                "max_in_flight_requests_per_worker",
                "max_queued_requests_per_worker",
                "admission_queue_timeout_seconds",
                "token_rate_limit_type",
                "fail_closed_rate_limit_enforcement",
            ],
        ),
        (
            Later("budgets"),
            &[
                "fail_closed_budget_enforcement",
                "disable_budget_reservation",
                "disable_reset_budget",
                "spend_report_frequency",
            ],
        ),
        (
            Later("files and batches"),
            &[
                "max_file_size_mb",
                "max_batch_file_size_mb",
                "max_batch_file_records",
                "max_batch_file_uploads_per_day",
                "max_file_downloads_per_minute",
                "allowed_file_extensions",
                "blocked_file_extensions",
                "track_unmanaged_batch_cost",
                "disable_batch_input_file_rate_limiting",
                "skip_batch_input_file_rate_limiting_for_models",
                "skip_batch_input_file_rate_limiting_for_providers",
                "passthrough_managed_object_ids",
            ],
        ),
        (
            Later("client-side credentials"),
            &["allow_client_side_credentials"],
        ),
        (
            Later("outbound decoration"),
            &[
                "forward_client_headers_to_llm_api",
                "forward_llm_provider_auth_headers",
                "forward_openai_org_id",
                "reject_clientside_metadata_tags",
                "missing_session_id",
            ],
        ),
        (
            Later("error extras"),
            &[
                "expose_fallback_errors_to_caller",
                "include_call_id_in_error_body",
            ],
        ),
        (
            Later("pass-through"),
            &["pass_through_endpoints", "pass_through_request_timeout"],
        ),
        (Later("vector stores"), &["vector_store_deny_by_default"]),
        (
            Later("search"),
            &["search_tool_deny_by_default", "search_tools"],
        ),
        (
            Later("Responses"),
            &[
                "responses_websocket_session_limit_seconds",
                "enable_openai_websocket_passthrough",
                "disable_responses_id_security",
                "allow_unmanaged_response_ids",
            ],
        ),
        (
            Later("spend logs"),
            &[
                "store_prompts_in_spend_logs",
                "disable_spend_logs",
                "disable_spend_updates",
                "disable_error_logs",
                "proxy_batch_write_at",
                "use_redis_transaction_buffer",
                "maximum_spend_logs_retention_period",
                "maximum_spend_logs_retention_interval",
                "maximum_spend_logs_cleanup_cron",
                "maximum_spend_logs_cleanup_batch_size",
                "maximum_spend_logs_cleanup_max_batches",
                "maximum_spend_logs_cleanup_run_budget",
                "maximum_spend_logs_cleanup_batch_timeout",
                "use_spend_logs_partitioning",
                "maximum_health_check_retention_period",
                "maximum_daily_tag_spend_retention_period",
                "maximum_autorouter_session_retention_period",
                "spend_logs_metadata_fields",
                "spend_capture_rate_check",
            ],
        ),
        (
            Later("shared state over Redis"),
            &["coordination_redis", "scheduled_job_stagger"],
        ),
        (
            Later("background health checks"),
            &[
                "background_health_checks",
                "health_check_interval",
                "health_check_concurrency",
                "health_check_details",
                "use_shared_health_check",
                "background_health_check_model_groups",
                "health_check_skip_disabled_background_models",
                "model_list_healthy_only",
                "enable_health_check_routing",
                "health_check_staleness_threshold",
                "health_check_ignore_transient_errors",
                "allow_public_health_readiness_details",
                "enable_drain_endpoint",
                "drain_endpoint_token",
            ],
        ),
        (
            Later("alerts"),
            &[
                "alerting",
                "alerting_threshold",
                "alert_types",
                "alert_to_webhook_url",
                "alerting_args",
                "alert_type_config",
            ],
        ),
        (
            Later("MCP"),
            &[
                "mcp_internal_ip_ranges",
                "mcp_trusted_proxy_ranges",
                "mcp_xff_num_trusted_hops",
                "mcp_allowed_clients",
                "mcp_client_id_header",
                "mcp_client_side_auth_header_name",
                "mcp_advertised_versions",
                "mcp_required_fields",
                "user_mcp_management_mode",
                "require_key_mcp_access_defined",
                "require_end_user_mcp_access_defined",
                "mcp_allow_all_keys_respects_mcp_scope",
                "enable_mcp_registry",
                "mcp_session_token_signing",
                "mcp_prefer_client_id_metadata_document",
            ],
        ),
        (Later("tracing"), &["otel", "tracing"]),
        (
            Later("agents"),
            &[
                "enable_claude_code_gateway",
                "claude_code_gateway_managed_settings",
                "plugins",
            ],
        ),
        (Later("audio"), &["transcribe_media_buckets"]),
        (Inert("there is nothing to license"), &["litellm_license"]),
        (
            Inert("a client that hangs up always cancels the upstream call"),
            &["cancel_on_disconnect"],
        ),
    ],
};

/// Keys of `litellm_params` that are ours; whatever else stands there goes to the vendor.
pub(crate) const PARAMS: &[&str] = &[
    "model",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "organization",
    "project",
    "custom_llm_provider",
    "litellm_credential_name",
    "timeout",
    "stream_timeout",
    "max_retries",
    "num_retries",
    "drop_params",
    "modify_params",
    "additional_drop_params",
    "allowed_openai_params",
    "tpm",
    "rpm",
    "weight",
    "order",
    "tags",
    "mock_response",
    "headers",
    "extra_headers",
    "extra_body",
    "extra_query",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "thinking",
    "region_name",
    "azure_ad_token",
    "tenant_id",
    "client_id",
    "client_secret",
    "azure_scope",
    "azure_username",
    "azure_password",
    "vertex_project",
    "vertex_location",
    "vertex_credentials",
    "vertex_ai_project",
    "vertex_ai_location",
    "vertex_ai_credentials",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region_name",
    "aws_session_name",
    "aws_profile_name",
    "aws_role_name",
    "aws_web_identity_token",
    "aws_sts_endpoint",
    "aws_external_id",
    "aws_session_tags",
    "aws_bedrock_runtime_endpoint",
    "input_cost_per_token",
    "output_cost_per_token",
    "input_cost_per_second",
    "output_cost_per_second",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
];

/// Keys of `litellm_params` whose feature is not built yet.
pub(crate) const PARAMS_LATER: &[(&str, &str)] = &[
    ("max_parallel_requests", "limits"),
    ("itpm", "limits"),
    ("otpm", "limits"),
    ("max_budget", "budgets"),
    ("budget_duration", "budgets"),
    ("tag_regex", "tag routing"),
    ("guardrails", "guardrails"),
    (
        "configurable_clientside_auth_params",
        "client-side credentials",
    ),
    ("use_in_pass_through", "pass-through"),
    ("merge_reasoning_content_in_choices", "response shaping"),
    ("cache_control_injection_points", "prompt cache injection"),
    ("timeout_by_service_tier", "timeouts by tier"),
    ("stream_timeout_by_service_tier", "timeouts by tier"),
    ("keepalive_seconds", "keep-alives by deployment"),
    ("default_api_key_tpm_limit", "limits"),
    ("default_api_key_rpm_limit", "limits"),
    ("use_litellm_proxy", "client modes"),
    ("cooldown_time", "cooldowns"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_there_once() {
        for section in SECTIONS {
            let all: Vec<_> = section.names().collect();
            let unique: BTreeSet<_> = all.iter().collect();
            assert_eq!(all.len(), unique.len(), "{}", section.name);
        }
    }
}
