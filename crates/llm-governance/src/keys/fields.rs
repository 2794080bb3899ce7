//! The fields of keys.

use crate::{
    Field,
    form::Kind::{
        Choice, Count, Counts, Dollars, Duration, Flag, Json, List, ModelBudgets, Moment,
        NamesByName, Object, Text, Texts, Windows,
    },
};

/// What kinds of routes a key may be for.
pub(super) const KEY_TYPES: &[&str] = &["llm_api", "management", "read_only", "default"];

/// How a limit is meant.
const LIMIT_TYPES: &[&str] = &["guaranteed_throughput", "best_effort_throughput", "dynamic"];

/// What a key has.
pub(crate) const KEY: &[Field] = &[
    Field::column("key_alias", Text),
    Field::column("user_id", Text),
    Field::column("team_id", Text),
    Field::column("organization_id", Text),
    Field::column("project_id", Text),
    Field::column("agent_id", Text),
    Field::column("budget_id", Text),
    Field::column("models", Texts),
    Field::column("aliases", Object),
    Field::column("config", Object),
    Field::column("permissions", Object),
    Field::column("metadata", Object),
    Field::column("router_settings", Json),
    Field::column("object_permission", Json),
    Field::column("allowed_routes", Texts),
    Field::column("allowed_cache_controls", Texts),
    Field::column("access_group_ids", Texts),
    Field::column("blocked", Flag),
    Field::column("max_budget", Dollars),
    Field::column("soft_budget", Dollars),
    Field::column("budget_duration", Duration),
    Field::column("budget_limits", Windows),
    Field::column("model_max_budget", ModelBudgets),
    Field::column("budget_fallbacks", NamesByName),
    Field::column("tpm_limit", Count),
    Field::column("rpm_limit", Count),
    Field::column("tpd_limit", Count),
    Field::column("max_parallel_requests", Count),
    Field::column("auto_rotate", Flag),
    Field::column("rotation_interval", Duration),
    Field::column("policies", Texts),
    Field::metadata("model_rpm_limit", Counts),
    Field::metadata("model_tpm_limit", Counts),
    Field::metadata("tag_rpm_limit", Counts),
    Field::metadata("mcp_rpm_limit", Counts),
    Field::metadata("rpm_limit_type", Choice(LIMIT_TYPES)),
    Field::metadata("tpm_limit_type", Choice(LIMIT_TYPES)),
    Field::metadata("tags", Texts),
    Field::metadata("guardrails", Texts),
    Field::metadata("prompts", Texts),
    Field::metadata("disable_global_guardrails", Flag),
    Field::metadata("enforced_params", Texts),
    Field::metadata("allowed_ips", Texts),
    Field::metadata("allowed_passthrough_routes", Texts),
    Field::metadata("denied_passthrough_routes", Texts),
    Field::metadata("allowed_vector_store_indexes", List),
    Field::metadata("secret_manager_settings", Object),
    Field::metadata("logging", List),
    Field::metadata("priority", Text),
    Field::metadata("throttle_on_budget_exceeded", Flag),
    Field::metadata("max_iterations", Count),
    Field::metadata("max_budget_per_session", Dollars),
    Field::metadata("default_estimated_output_tokens", Count),
    Field::metadata("default_estimated_output_tokens_per_model", Counts),
    Field::metadata("end_user_budget_id", Text),
    Field::metadata("enable_prompt_caching", Flag),
    Field::apart("key_type", Choice(KEY_TYPES)),
    Field::apart("duration", Duration),
];

pub(crate) const GENERATE: &[&[Field]] = &[KEY, &[Field::apart("key", Text)]];

/// What an update has beside what a key has.
const CHANGES: &[Field] = &[
    Field::apart("key", Text),
    Field::apart("spend", Dollars),
    Field::metadata("temp_budget_increase", Dollars),
    Field::metadata("temp_budget_expiry", Moment),
];

pub(super) const UPDATE: &[&[Field]] = &[KEY, CHANGES];

pub(super) const REGENERATE: &[&[Field]] = &[
    KEY,
    &[
        Field::apart("key", Text),
        Field::apart("new_key", Text),
        Field::apart("grace_period", Duration),
        Field::apart("new_master_key", Text),
    ],
];

pub(super) const RESET: &[&[Field]] = &[&[Field::apart("reset_to", Dollars)]];

/// The keys of a bulk update: each has the fields of an update.
pub(super) const BULK: &[&[Field]] = &[&[Field::apart("keys", List)]];

/// The keys of a team that are changed alike: all of them, or those that are named.
pub(super) const BULK_OF_TEAM: &[&[Field]] = &[&[
    Field::apart("team_id", Text),
    Field::apart("key_ids", Texts),
    Field::apart("all_keys_in_team", Flag),
    Field::apart("update_fields", Object),
]];

pub(super) const DELETE: &[&[Field]] = &[&[
    Field::apart("keys", Texts),
    Field::apart("key_aliases", Texts),
]];

pub(super) const WHICH: &[&[Field]] = &[&[Field::apart("key", Text)]];

pub(super) const MANY: &[&[Field]] = &[&[Field::apart("keys", Texts)]];

pub(super) const INFO: &[&[Field]] = &[&[Field::apart("key", Text)]];

/// What keys are listed by.
pub(super) const SORTS: &[&str] = &[
    "key_alias",
    "key_name",
    "token",
    "user_id",
    "team_id",
    "spend",
    "max_budget",
    "tpm_limit",
    "rpm_limit",
    "expires",
    "last_active",
    "created_at",
    "updated_at",
];

/// Which way a list goes.
pub(crate) const DIRECTIONS: &[&str] = &["asc", "desc"];

/// What becomes of keys.
const STATUSES: &[&str] = &["active", "expired", "revoked", "blocked", "deleted"];

pub(super) const LIST: &[&[Field]] = &[&[
    Field::apart("page", Count),
    Field::apart("size", Count),
    Field::apart("user_id", Text),
    Field::apart("team_id", Text),
    Field::apart("organization_id", Text),
    Field::apart("project_id", Text),
    Field::apart("access_group_id", Text),
    Field::apart("agent_id", Text),
    Field::apart("key_hash", Text),
    Field::apart("key_alias", Text),
    Field::apart("substring_matching", Flag),
    Field::apart("search", Text),
    Field::apart("status", Choice(STATUSES)),
    Field::apart("expires", Moment),
    Field::apart("sort_by", Choice(SORTS)),
    Field::apart("sort_order", Choice(DIRECTIONS)),
    Field::apart("expand", Texts),
    Field::apart("return_full_object", Flag),
    Field::apart("include_team_keys", Flag),
    Field::apart("include_created_by_keys", Flag),
]];

pub(super) const ALIASES: &[&[Field]] = &[&[
    Field::apart("page", Count),
    Field::apart("size", Count),
    Field::apart("search", Text),
    Field::apart("team_id", Text),
]];
