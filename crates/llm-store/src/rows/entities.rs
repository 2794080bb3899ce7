use llm_cost::NanoDollars;
use serde_json::Value;

use super::Object;
use crate::{Moment, record::table};

table! {
    /// A user.
    User in "users", key [user_id], by [user_email, user_role, sso_user_id, organization_id],
    spends "user" of "t.user_id";
    /// Its id.
    user_id: String,
    /// Its name.
    user_alias: Option<String>,
    /// Its address; no two users share one.
    user_email: Option<String>,
    /// What it may do.
    user_role: Option<String>,
    /// Its id at the identity provider.
    sso_user_id: Option<String>,
    /// The organization it belongs to.
    organization_id: Option<String>,
    /// The hash of its password. Never in JSON.
    #[serde(skip)]
    password: Option<String>,
    /// Models it may ask; none named is all.
    models: Vec<String>,
    /// Free JSON.
    metadata: Object,
    /// Tools, stores and agents it may use.
    object_permission: Option<Value>,
    /// Cache controls it may send.
    allowed_cache_controls: Vec<String>,
    /// Policies that apply.
    policies: Vec<String>,
    /// The most it may spend in one window.
    #[serde(with = "crate::dollars::optional")]
    max_budget: Option<NanoDollars>,
    /// How long a window of the budget is.
    budget_duration: Option<String>,
    /// Budgets for single models.
    model_max_budget: Object,
    /// Tokens a minute.
    tpm_limit: Option<i64>,
    /// Requests a minute.
    rpm_limit: Option<i64>,
    /// Requests at one time.
    max_parallel_requests: Option<i64>,
    /// When it was made.
    created_at: Moment,
    /// When it was changed last.
    updated_at: Moment,
}

table! {
    /// An invitation: whoever has its id sets the user's password, once.
    Invitation in "invitations", key [id], by [user_id];
    /// Its id, which nobody can guess.
    id: String,
    /// The user who is invited.
    user_id: String,
    /// Whether it was used.
    is_accepted: bool,
    /// When it was used.
    accepted_at: Option<Moment>,
    /// When it ends.
    expires_at: Moment,
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
    /// A claim of tokens that stands for a virtual key.
    KeyMapping in "jwt_key_mappings", key [jwt_claim_name, jwt_claim_value, jwt_issuer], by [id, token];
    /// The claim.
    jwt_claim_name: String,
    /// What it holds.
    jwt_claim_value: String,
    /// The only issuer that it counts of; empty for any.
    jwt_issuer: String,
    /// Its id.
    id: String,
    /// The key's hash. Never in JSON.
    #[serde(skip)]
    token: String,
    /// What it is for.
    description: Option<String>,
    /// Whether it holds; who has a claim that does not hold is refused.
    is_active: bool,
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
    /// A customer: the end user that a request names.
    Customer in "customers", key [user_id], by [alias, budget_id], spends "customer" of "t.user_id";
    /// Its id.
    user_id: String,
    /// Its name.
    alias: Option<String>,
    /// Whether it is blocked.
    blocked: bool,
    /// The region that its requests have to stay in.
    allowed_model_region: Option<String>,
    /// The model it gets, whatever it asks for.
    default_model: Option<String>,
    /// Models it may ask; none named is all.
    models: Vec<String>,
    /// Its budget.
    budget_id: Option<String>,
    /// Tools, stores and agents it may use.
    object_permission: Option<Value>,
}

table! {
    /// A budget that others refer to.
    Budget in "budgets", key [budget_id], by [created_by];
    /// Its id.
    budget_id: String,
    /// The most that may be spent in one window.
    #[serde(with = "crate::dollars::optional")]
    max_budget: Option<NanoDollars>,
    /// An alert is due above this.
    #[serde(with = "crate::dollars::optional")]
    soft_budget: Option<NanoDollars>,
    /// How long a window is.
    budget_duration: Option<String>,
    /// Budgets for single models.
    model_max_budget: Option<Value>,
    /// Models it may be spent on; none named is all.
    allowed_models: Vec<String>,
    /// Tokens a minute.
    tpm_limit: Option<i64>,
    /// Requests a minute.
    rpm_limit: Option<i64>,
    /// Tokens a day, for batches.
    tpd_limit: Option<i64>,
    /// Requests at one time.
    max_parallel_requests: Option<i64>,
    /// Added until `temp_budget_expiry`.
    #[serde(with = "crate::dollars::optional")]
    temp_budget_increase: Option<NanoDollars>,
    /// When the addition ends.
    temp_budget_expiry: Option<Moment>,
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
    /// A tag of requests.
    Tag in "tags", key [tag_name], by [budget_id], spends "tag" of "t.tag_name";
    /// The tag.
    #[serde(rename = "name")]
    tag_name: String,
    /// What it is for.
    description: Option<String>,
    /// Models that requests with it may be routed to; none named is all.
    models: Vec<String>,
    /// Free JSON about those models.
    model_info: Option<Value>,
    /// Its budget.
    budget_id: Option<String>,
    /// When it was made.
    created_at: Moment,
    /// Who made it.
    created_by: Option<String>,
    /// When it was changed last.
    updated_at: Moment,
}

table! {
    /// A named set of models, servers and agents.
    AccessGroup in "access_groups", key [access_group_id], by [access_group_name, budget_id],
    spends "access_group" of "t.access_group_id";
    /// Its id.
    access_group_id: String,
    /// Its name; no two share one.
    access_group_name: String,
    /// What it is for.
    description: Option<String>,
    /// Models in it.
    access_model_names: Vec<String>,
    /// Tool servers in it.
    access_mcp_server_ids: Vec<String>,
    /// Agents in it.
    access_agent_ids: Vec<String>,
    /// Teams that have it.
    assigned_team_ids: Vec<String>,
    /// Keys that have it.
    assigned_key_ids: Vec<String>,
    /// Its budget.
    budget_id: Option<String>,
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
    /// A project of a team.
    Project in "projects", key [project_id], by [project_alias, team_id, budget_id],
    spends "project" of "t.project_id";
    /// Its id.
    project_id: String,
    /// Its name.
    project_alias: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// The team it belongs to.
    team_id: Option<String>,
    /// Its budget.
    budget_id: Option<String>,
    /// Models it may ask; none named is all of the team's.
    models: Vec<String>,
    /// Free JSON.
    metadata: Object,
    /// Requests a minute for single models.
    model_rpm_limit: Object,
    /// Tokens a minute for single models.
    model_tpm_limit: Object,
    /// Whether it is blocked.
    blocked: bool,
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
