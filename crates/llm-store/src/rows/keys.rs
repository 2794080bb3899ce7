use llm_cost::NanoDollars;
use serde_json::Value;

use super::Object;
use crate::{Account, Moment, Scope, record::table};

table! {
    /// A virtual key. Of the key itself only the hash is known.
    Key in "keys", key [token],
    by [key_alias, user_id, team_id, organization_id, project_id, agent_id, budget_id, created_by],
    spends "key" of "COALESCE(t.account_id, t.token)";
    /// The key's SHA-256 in hex.
    token: String,
    /// The account that its spending is counted under: the hash it began with, also after it was replaced.
    #[serde(skip)]
    account_id: Option<String>,
    /// What people see of it: its last four characters.
    key_name: Option<String>,
    /// A name of its own; no two keys share one.
    key_alias: Option<String>,
    /// Whose it is.
    user_id: Option<String>,
    /// The team it spends for.
    team_id: Option<String>,
    /// The organization it spends for.
    organization_id: Option<String>,
    /// The project it spends for.
    project_id: Option<String>,
    /// The agent it belongs to.
    agent_id: Option<String>,
    /// A shared budget: its limits apply where the key has none.
    budget_id: Option<String>,
    /// Models it may ask; none named is all.
    models: Vec<String>,
    /// Other names for models.
    aliases: Object,
    /// Free configuration.
    config: Object,
    /// Permissions beyond its role.
    permissions: Object,
    /// Free JSON; tags, guardrails, allowed addresses and limits for each model are kept here, too.
    metadata: Object,
    /// Routing settings of its own.
    router_settings: Option<Value>,
    /// Tools, stores and agents it may use.
    object_permission: Option<Value>,
    /// Routes it may call; none named is what its role may.
    allowed_routes: Vec<String>,
    /// Cache controls it may send.
    allowed_cache_controls: Vec<String>,
    /// Policies that apply.
    policies: Vec<String>,
    /// Access groups it is in.
    access_group_ids: Vec<String>,
    /// What kind of routes it is for.
    key_type: Option<String>,
    /// Whether it is blocked.
    blocked: Option<bool>,
    /// When it stops working.
    expires: Option<Moment>,
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
    /// Where to go when a model's budget is exhausted.
    budget_fallbacks: Object,
    /// Tokens a minute.
    tpm_limit: Option<i64>,
    /// Requests a minute.
    rpm_limit: Option<i64>,
    /// Tokens a day, for batches.
    tpd_limit: Option<i64>,
    /// Requests at one time.
    max_parallel_requests: Option<i64>,
    /// Whether it is replaced from time to time.
    auto_rotate: Option<bool>,
    /// How often it is replaced.
    rotation_interval: Option<String>,
    /// How often it was replaced.
    rotation_count: Option<i64>,
    /// When it was replaced last.
    last_rotation_at: Option<Moment>,
    /// When it will be replaced.
    key_rotation_at: Option<Moment>,
    /// When it was used last.
    last_active: Option<Moment>,
    /// When it was made.
    created_at: Moment,
    /// Who made it.
    created_by: Option<String>,
    /// When it was changed last.
    updated_at: Moment,
    /// Who changed it last.
    updated_by: Option<String>,
}

impl Key {
    /// The account that its spending is counted under.
    pub fn account(&self) -> Account {
        let id = self.account_id.as_ref().unwrap_or(&self.token);
        Account::of(Scope::Key, id)
    }
}

table! {
    /// A key that was replaced and works until its grace ends.
    RetiredKey in "retired_keys", key [token], by [active_token];
    /// The old key's hash.
    token: String,
    /// The hash of the key that replaced it.
    active_token: String,
    /// When the old one stops working.
    revoke_at: Moment,
    /// When it was replaced.
    created_at: Moment,
}

table! {
    /// A key that was deleted, as it was.
    DeletedKey in "deleted_keys", key [id], by [token, key_alias, user_id, team_id, organization_id];
    /// Of this entry.
    id: String,
    /// The key's hash.
    token: String,
    /// The key's alias.
    key_alias: Option<String>,
    /// Whose it was.
    user_id: Option<String>,
    /// The team it spent for.
    team_id: Option<String>,
    /// The organization it spent for.
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
