use llm_cost::NanoDollars;
use serde_json::Value;

use super::Object;
use crate::{Moment, record::table};

table! {
    /// A team.
    Team in "teams", key [team_id], by [team_alias, organization_id], spends "team" of "t.team_id";
    /// Its id.
    team_id: String,
    /// Its name.
    team_alias: Option<String>,
    /// The organization it belongs to.
    organization_id: Option<String>,
    /// Models it may ask; none named is all.
    models: Vec<String>,
    /// Other names for models.
    model_aliases: Object,
    /// Free JSON.
    metadata: Object,
    /// Routing settings of its own.
    router_settings: Option<Value>,
    /// Tools, stores and agents it may use.
    object_permission: Option<Value>,
    /// What its members may do about keys.
    team_member_permissions: Vec<String>,
    /// Models that a new member may ask.
    default_team_member_models: Vec<String>,
    /// Access groups it is in.
    access_group_ids: Vec<String>,
    /// Policies that apply.
    policies: Vec<String>,
    /// Whether it is blocked.
    blocked: bool,
    /// Whether its members may configure guardrails.
    allow_team_guardrail_config: bool,
    /// The most it may spend in one window.
    #[serde(with = "crate::dollars::optional")]
    max_budget: Option<NanoDollars>,
    /// An alert is due above this.
    #[serde(with = "crate::dollars::optional")]
    soft_budget: Option<NanoDollars>,
    /// How long a window of the budget is.
    budget_duration: Option<String>,
    /// Further windows with limits of their own.
    budget_limits: Option<Value>,
    /// Budgets for single models.
    model_max_budget: Object,
    /// Tokens a minute.
    tpm_limit: Option<i64>,
    /// Requests a minute.
    rpm_limit: Option<i64>,
    /// Tokens a day, for batches.
    tpd_limit: Option<i64>,
    /// Requests at one time.
    max_parallel_requests: Option<i64>,
    /// When it was made.
    created_at: Moment,
    /// When it was changed last.
    updated_at: Moment,
}

table! {
    /// A team that was deleted, as it was.
    DeletedTeam in "deleted_teams", key [id], by [team_id, team_alias, organization_id];
    /// Of this entry.
    id: String,
    /// The team's id.
    team_id: String,
    /// The team's name.
    team_alias: Option<String>,
    /// The organization it belonged to.
    organization_id: Option<String>,
    /// The whole row, with what it had spent.
    row_value: Value,
    /// When it was deleted.
    deleted_at: Moment,
    /// Who deleted it.
    deleted_by: Option<String>,
    /// The hash of the key that the deletion was asked with.
    deleted_by_api_key: Option<String>,
    /// The actor that the request named.
    changed_by: Option<String>,
}

table! {
    /// A user's place in a team.
    TeamMember in "team_members", key [team_id, user_id], by [team_id, user_id, budget_id],
    spends "member" of "t.team_id || '\u{1f}' || t.user_id";
    /// The team.
    team_id: String,
    /// The user.
    user_id: String,
    /// The user's address, if the team was given it.
    user_email: Option<String>,
    /// `admin` or `user`.
    role: String,
    /// What the user may spend in this team.
    budget_id: Option<String>,
    /// Models the user may ask in this team; none named is all of the team's.
    allowed_models: Vec<String>,
    /// Added to the budget until `temp_budget_expiry`.
    #[serde(with = "crate::dollars::optional")]
    temp_budget_increase: Option<NanoDollars>,
    /// When the addition ends.
    temp_budget_expiry: Option<Moment>,
    /// When the user joined.
    created_at: Moment,
    /// When this was changed last.
    updated_at: Moment,
}

table! {
    /// An organization: teams with one budget.
    Organization in "organizations", key [organization_id], by [organization_alias, budget_id],
    spends "organization" of "t.organization_id";
    /// Its id.
    organization_id: String,
    /// Its name.
    organization_alias: String,
    /// Its budget.
    budget_id: Option<String>,
    /// Models that its teams may ask; none named is all.
    models: Vec<String>,
    /// Free JSON.
    metadata: Object,
    /// Tools, stores and agents it may use.
    object_permission: Option<Value>,
    /// When it was made.
    created_at: Moment,
    /// Who made it.
    created_by: Option<String>,
    /// When it was changed last.
    updated_at: Moment,
    /// Who changed it last.
    updated_by: Option<String>,
}

table! {
    /// A user's place in an organization.
    OrganizationMember in "organization_members", key [organization_id, user_id],
    by [organization_id, user_id, budget_id];
    /// The organization.
    organization_id: String,
    /// The user.
    user_id: String,
    /// The user's role in it.
    user_role: Option<String>,
    /// What the user may spend in it.
    budget_id: Option<String>,
    /// When the user joined.
    created_at: Moment,
    /// When this was changed last.
    updated_at: Moment,
}
