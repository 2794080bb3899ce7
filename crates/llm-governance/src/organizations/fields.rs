//! The fields of organizations.

use crate::{
    Field,
    budget::BUDGET,
    form::Kind::{Choice, Counts, Dollars, Duration, Json, List, Object, Text, Texts},
    own_budget::Names,
};

/// What a user may be in an organization.
pub(super) const ROLES: &[&str] = &["org_admin", "internal_user", "internal_user_viewer"];

/// What an organization has.
const ORGANIZATION: &[Field] = &[
    Field::column("organization_alias", Text),
    Field::column("budget_id", Text),
    Field::column("models", Texts),
    Field::column("metadata", Object),
    Field::column("object_permission", Json),
    Field::metadata("model_rpm_limit", Counts),
    Field::metadata("model_tpm_limit", Counts),
    Field::metadata("tags", Texts),
    Field::apart("organization_id", Text),
];

/// What of a request goes into a member's budget.
pub(super) const MEMBER_BUDGET: Names = &[
    ("max_budget_in_organization", "max_budget"),
    ("budget_duration", "budget_duration"),
];

/// What the organization's own admins change of it; the rest bounds it.
pub(super) const OF_ITS_ADMINS: &[&str] = &["organization_id", "organization_alias", "metadata"];

pub(super) const NEW: &[&[Field]] = &[ORGANIZATION, BUDGET];

pub(super) const UPDATE: &[&[Field]] = &[ORGANIZATION, BUDGET, &[Field::apart("spend", Dollars)]];

pub(super) const MANY: &[&[Field]] = &[&[Field::apart("organization_ids", Texts)]];

pub(super) const WHICH: &[&[Field]] = &[&[Field::apart("organization_id", Text)]];

pub(super) const SEVERAL: &[&[Field]] = &[&[Field::apart("organizations", Texts)]];

pub(super) const LIST: &[&[Field]] = &[&[
    Field::apart("org_id", Text),
    Field::apart("org_alias", Text),
]];

pub(super) const MEMBER_ADD: &[&[Field]] = &[&[
    Field::apart("organization_id", Text),
    Field::apart("member", Json),
    Field::apart("members", List),
    Field::apart("max_budget_in_organization", Dollars),
    Field::apart("budget_duration", Duration),
]];

/// A user who is put into an organization.
pub(super) const JOINING: &[&[Field]] = &[&[
    Field::apart("user_id", Text),
    Field::apart("user_email", Text),
    Field::apart("role", Choice(ROLES)),
    Field::apart("user_role", Choice(ROLES)),
    Field::apart("max_budget_in_organization", Dollars),
    Field::apart("budget_duration", Duration),
]];

pub(super) const MEMBER: &[&[Field]] = &[&[
    Field::apart("organization_id", Text),
    Field::apart("user_id", Text),
    Field::apart("user_email", Text),
]];

pub(super) const MEMBER_UPDATE: &[&[Field]] = &[&[
    Field::apart("organization_id", Text),
    Field::apart("user_id", Text),
    Field::apart("user_email", Text),
    Field::apart("role", Choice(ROLES)),
    Field::apart("user_role", Choice(ROLES)),
    Field::apart("max_budget_in_organization", Dollars),
    Field::apart("budget_duration", Duration),
]];
