use serde_json::Value;

use super::Object;
use crate::{Moment, Sealed, record::table};

table! {
    /// Named credentials of a provider.
    Credential in "credentials", key [credential_id], by [credential_name];
    /// Its id.
    credential_id: String,
    /// Its name; no two share one.
    credential_name: String,
    /// What people call it.
    display_name: Option<String>,
    /// The secrets, sealed. Never in JSON.
    #[serde(skip)]
    credential_values: Sealed,
    /// What may be known of it.
    credential_info: Option<Value>,
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
    /// A model that was added while the gateway ran.
    Model in "models", key [model_id], by [model_name, team_id];
    /// Its id.
    model_id: String,
    /// The name that clients ask for.
    model_name: String,
    /// How it is called, keys included, sealed. Never in JSON.
    #[serde(skip)]
    litellm_params: Sealed,
    /// What may be known of it.
    model_info: Object,
    /// The team it belongs to.
    team_id: Option<String>,
    /// Whether it is blocked.
    blocked: bool,
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
    /// One administrative change.
    AuditEntry in "audit_log", key [id], by [changed_by, action, table_name, object_id];
    /// Its id.
    id: String,
    /// When it was made.
    updated_at: Moment,
    /// Who made it.
    changed_by: Option<String>,
    /// The hash of the key it was asked with.
    changed_by_api_key: Option<String>,
    /// `created`, `updated`, `deleted`, `blocked`, ...
    action: String,
    /// What kind of thing was changed.
    table_name: String,
    /// Which one.
    object_id: String,
    /// What it was.
    before_value: Option<Value>,
    /// What it is.
    updated_values: Option<Value>,
}
