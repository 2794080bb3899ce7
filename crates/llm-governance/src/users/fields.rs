//! The fields of users.

use crate::{
    Field,
    form::Kind::{
        Choice, Count, Counts, Dollars, Duration, Flag, Json, List, ModelBudgets, Moment, Object,
        Text, Texts,
    },
    keys::fields::DIRECTIONS,
};

/// What a user may be.
const ROLES: &[&str] = &[
    "proxy_admin",
    "proxy_admin_viewer",
    "internal_user",
    "internal_user_viewer",
];

/// What a user has.
const USER: &[Field] = &[
    Field::column("user_email", Text),
    Field::column("user_alias", Text),
    Field::column("user_role", Choice(ROLES)),
    Field::column("sso_user_id", Text),
    Field::column("models", Texts),
    Field::column("max_budget", Dollars),
    Field::column("budget_duration", Duration),
    Field::column("tpm_limit", Count),
    Field::column("rpm_limit", Count),
    Field::column("max_parallel_requests", Count),
    Field::column("model_max_budget", ModelBudgets),
    Field::column("metadata", Object),
    Field::column("object_permission", Json),
    Field::column("allowed_cache_controls", Texts),
    Field::column("policies", Texts),
    Field::metadata("model_rpm_limit", Counts),
    Field::metadata("model_tpm_limit", Counts),
    Field::metadata("guardrails", Texts),
    Field::metadata("prompts", Texts),
    Field::apart("user_id", Text),
    Field::apart("password", Json),
];

pub(super) const NEW: &[&[Field]] = &[
    USER,
    &[
        Field::apart("teams", List),
        Field::apart("organizations", Texts),
        Field::apart("auto_create_key", Flag),
        Field::apart("key_alias", Text),
        Field::apart("duration", Duration),
        Field::apart("aliases", Object),
        Field::apart("config", Object),
        Field::apart("permissions", Object),
    ],
];

/// What of a request goes to the key that is made with the user.
pub(super) const OF_KEY: &[&str] = &["key_alias", "duration", "aliases", "config", "permissions"];

pub(super) const UPDATE: &[&[Field]] = &[
    USER,
    &[
        Field::apart("spend", Dollars),
        Field::metadata("temp_budget_increase", Dollars),
        Field::metadata("temp_budget_expiry", Moment),
    ],
];

pub(super) const BULK: &[&[Field]] = &[&[
    Field::apart("users", List),
    Field::apart("all_users", Flag),
    Field::apart("user_updates", Object),
]];

pub(super) const MANY: &[&[Field]] = &[&[Field::apart("user_ids", Texts)]];

pub(super) const WHICH: &[&[Field]] = &[&[Field::apart("user_id", Text)]];

pub(super) const FILTER: &[&[Field]] = &[&[
    Field::apart("user_id", Text),
    Field::apart("user_email", Text),
    Field::apart("page", Count),
    Field::apart("page_size", Count),
]];

/// What users are listed by.
const SORTS: &[&str] = &[
    "user_id",
    "user_email",
    "user_alias",
    "user_role",
    "spend",
    "max_budget",
    "created_at",
    "updated_at",
];

pub(super) const LIST: &[&[Field]] = &[&[
    Field::apart("role", Choice(ROLES)),
    Field::apart("user_ids", Texts),
    Field::apart("sso_user_ids", Texts),
    Field::apart("user_email", Text),
    Field::apart("search", Text),
    Field::apart("team", Text),
    Field::apart("organization_ids", Texts),
    Field::apart("page", Count),
    Field::apart("page_size", Count),
    Field::apart("sort_by", Choice(SORTS)),
    Field::apart("sort_order", Choice(DIRECTIONS)),
]];

pub(super) const PASSWORD: &[&[Field]] = &[&[
    Field::apart("current_password", Text),
    Field::apart("new_password", Text),
]];

pub(super) const LOGIN: &[&[Field]] = &[&[
    Field::apart("username", Text),
    Field::apart("password", Json),
]];

pub(super) const INVITE: &[&[Field]] = &[&[Field::apart("user_id", Text)]];

pub(super) const INVITATION: &[&[Field]] = &[&[Field::apart("invitation_id", Text)]];

pub(super) const INVITATION_UPDATE: &[&[Field]] = &[&[
    Field::apart("invitation_id", Text),
    Field::apart("is_accepted", Flag),
]];

pub(super) const LINK: &[&[Field]] = &[&[Field::apart("invite_link", Text)]];

pub(super) const CLAIM: &[&[Field]] = &[&[
    Field::apart("invitation_link", Text),
    Field::apart("user_id", Text),
    Field::apart("password", Text),
]];
