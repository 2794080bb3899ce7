//! The fields of teams.

use crate::{
    Field,
    form::Kind::{
        Choice, Count, Counts, Dollars, Duration, Flag, Json, List, ModelBudgets, Moment, Object,
        Text, Texts, Windows,
    },
    keys::fields::DIRECTIONS,
    own_budget::Names,
};

/// How a limit is meant.
const LIMIT_TYPES: &[&str] = &["guaranteed_throughput", "best_effort_throughput", "dynamic"];

/// What a user may be in a team.
const ROLES: &[&str] = &["admin", "user"];

/// Which requests a callback is told of.
const CALLBACK_TYPES: &[&str] = &["success", "failure", "success_and_failure"];

/// What a team has.
pub(super) const TEAM: &[Field] = &[
    Field::column("team_alias", Text),
    Field::column("organization_id", Text),
    Field::column("team_member_permissions", Texts),
    Field::column("metadata", Object),
    Field::column("models", Texts),
    Field::column("model_aliases", Object),
    Field::column("max_budget", Dollars),
    Field::column("soft_budget", Dollars),
    Field::column("budget_duration", Duration),
    Field::column("budget_limits", Windows),
    Field::column("model_max_budget", ModelBudgets),
    Field::column("tpm_limit", Count),
    Field::column("rpm_limit", Count),
    Field::column("tpd_limit", Count),
    Field::column("max_parallel_requests", Count),
    Field::column("default_team_member_models", Texts),
    Field::column("policies", Texts),
    Field::column("blocked", Flag),
    Field::column("object_permission", Json),
    Field::column("access_group_ids", Texts),
    Field::column("router_settings", Json),
    Field::column("allow_team_guardrail_config", Flag),
    Field::metadata("model_rpm_limit", Counts),
    Field::metadata("model_tpm_limit", Counts),
    Field::metadata("rpm_limit_type", Choice(LIMIT_TYPES)),
    Field::metadata("tpm_limit_type", Choice(LIMIT_TYPES)),
    Field::metadata("mcp_rpm_limit", Counts),
    Field::metadata("team_member_key_duration", Duration),
    Field::metadata("tags", Texts),
    Field::metadata("guardrails", Texts),
    Field::metadata("prompts", Texts),
    Field::metadata("disable_global_guardrails", Flag),
    Field::metadata("enforced_params", Texts),
    Field::metadata("allowed_passthrough_routes", Texts),
    Field::metadata("denied_passthrough_routes", Texts),
    Field::metadata("allowed_vector_store_indexes", List),
    Field::metadata("secret_manager_settings", Object),
    Field::metadata("enforced_batch_output_expires_after", Object),
    Field::metadata("enforced_file_expires_after", Object),
    Field::apart("team_member_budget", Dollars),
    Field::apart("team_member_budget_duration", Duration),
    Field::apart("team_member_rpm_limit", Count),
    Field::apart("team_member_tpm_limit", Count),
];

/// What of a request goes into the budget of the team's members.
pub(super) const MEMBER_BUDGET: Names = &[
    ("team_member_budget", "max_budget"),
    ("team_member_budget_duration", "budget_duration"),
    ("team_member_rpm_limit", "rpm_limit"),
    ("team_member_tpm_limit", "tpm_limit"),
];

/// What of a request goes into a member's own budget.
pub(super) const OWN_BUDGET: Names = &[
    ("max_budget_in_team", "max_budget"),
    ("budget_duration", "budget_duration"),
    ("rpm_limit", "rpm_limit"),
    ("tpm_limit", "tpm_limit"),
];

/// What the team's own admins change of it; the rest bounds it.
pub(super) const OF_TEAM_ADMINS: &[&str] = &[
    "team_id",
    "team_alias",
    "metadata",
    "team_member_permissions",
    "default_team_member_models",
    "tags",
    "prompts",
    "team_member_budget",
    "team_member_budget_duration",
    "team_member_rpm_limit",
    "team_member_tpm_limit",
    "team_member_key_duration",
];

pub(super) const NEW: &[&[Field]] = &[
    TEAM,
    &[
        Field::apart("team_id", Text),
        Field::apart("members_with_roles", List),
    ],
];

pub(super) const UPDATE: &[&[Field]] = &[
    TEAM,
    &[
        Field::apart("team_id", Text),
        Field::apart("spend", Dollars),
        Field::metadata("temp_budget_increase", Dollars),
        Field::metadata("temp_budget_expiry", Moment),
    ],
];

pub(super) const WHICH: &[&[Field]] = &[&[Field::apart("team_id", Text)]];

pub(super) const MANY: &[&[Field]] = &[&[Field::apart("team_ids", Texts)]];

pub(super) const MODELS: &[&[Field]] =
    &[&[Field::apart("team_id", Text), Field::apart("models", Texts)]];

/// What a member has.
const TERMS: &[Field] = &[
    Field::apart("max_budget_in_team", Dollars),
    Field::apart("budget_duration", Duration),
    Field::apart("tpm_limit", Count),
    Field::apart("rpm_limit", Count),
    Field::apart("allowed_models", Texts),
];

pub(super) const MEMBER_ADD: &[&[Field]] = &[
    TERMS,
    &[
        Field::apart("team_id", Text),
        Field::apart("member", Json),
        Field::apart("members", List),
    ],
];

pub(super) const MEMBER: &[&[Field]] = &[&[
    Field::apart("team_id", Text),
    Field::apart("user_id", Text),
    Field::apart("user_email", Text),
]];

pub(super) const MEMBER_UPDATE: &[&[Field]] = &[
    TERMS,
    &[
        Field::apart("team_id", Text),
        Field::apart("user_id", Text),
        Field::apart("user_email", Text),
        Field::apart("role", Choice(ROLES)),
        Field::apart("temp_budget_increase", Dollars),
        Field::apart("temp_budget_expiry", Moment),
    ],
];

/// A user who is put into a team.
pub(super) const JOINING: &[&[Field]] = &[
    TERMS,
    &[
        Field::apart("user_id", Text),
        Field::apart("user_email", Text),
        Field::apart("role", Choice(ROLES)),
        Field::apart("user_role", Choice(ROLES)),
        Field::apart("team_id", Text),
    ],
];

pub(super) const PERMISSIONS: &[&[Field]] = &[&[
    Field::apart("team_id", Text),
    Field::apart("team_member_permissions", Texts),
]];

/// Permissions that are added to those of several teams.
pub(super) const PERMISSIONS_OF_MANY: &[&[Field]] = &[&[
    Field::apart("permissions", Texts),
    Field::apart("team_ids", Texts),
    Field::apart("apply_to_all_teams", Flag),
]];

pub(super) const RESET: &[&[Field]] = &[&[Field::apart("reset_to", Dollars)]];

pub(super) const LIST: &[&[Field]] = &[&[
    Field::apart("user_id", Text),
    Field::apart("organization_id", Text),
]];

/// What teams are listed by.
const SORTS: &[&str] = &[
    "team_id",
    "team_alias",
    "spend",
    "max_budget",
    "created_at",
    "updated_at",
];

pub(super) const PAGES: &[&[Field]] = &[&[
    Field::apart("user_id", Text),
    Field::apart("organization_id", Text),
    Field::apart("team_id", Text),
    Field::apart("team_alias", Text),
    Field::apart("search", Text),
    Field::apart("page", Count),
    Field::apart("page_size", Count),
    Field::apart("sort_by", Choice(SORTS)),
    Field::apart("sort_order", Choice(DIRECTIONS)),
]];

pub(super) const CALLBACK: &[&[Field]] = &[&[
    Field::apart("callback_name", Text),
    Field::apart("callback_type", Choice(CALLBACK_TYPES)),
    Field::apart("callback_vars", Object),
]];
