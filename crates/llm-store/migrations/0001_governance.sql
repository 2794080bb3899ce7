-- One text for SQLite and PostgreSQL: TEXT and BIGINT only. Times are milliseconds since 1970 UTC, money is
-- nano-dollars, flags are 0 or 1, lists and free JSON are text.

CREATE TABLE keys (
    token TEXT NOT NULL PRIMARY KEY,
    account_id TEXT,
    key_name TEXT,
    key_alias TEXT UNIQUE,
    user_id TEXT,
    team_id TEXT,
    organization_id TEXT,
    project_id TEXT,
    agent_id TEXT,
    budget_id TEXT,
    models TEXT NOT NULL,
    aliases TEXT NOT NULL,
    config TEXT NOT NULL,
    permissions TEXT NOT NULL,
    metadata TEXT NOT NULL,
    router_settings TEXT,
    object_permission TEXT,
    allowed_routes TEXT NOT NULL,
    allowed_cache_controls TEXT NOT NULL,
    policies TEXT NOT NULL,
    access_group_ids TEXT NOT NULL,
    key_type TEXT,
    blocked BIGINT,
    expires BIGINT,
    max_budget BIGINT,
    soft_budget BIGINT,
    budget_duration TEXT,
    budget_limits TEXT,
    model_max_budget TEXT NOT NULL,
    budget_fallbacks TEXT NOT NULL,
    tpm_limit BIGINT,
    rpm_limit BIGINT,
    tpd_limit BIGINT,
    max_parallel_requests BIGINT,
    auto_rotate BIGINT,
    rotation_interval TEXT,
    rotation_count BIGINT,
    last_rotation_at BIGINT,
    key_rotation_at BIGINT,
    last_active BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);
CREATE INDEX keys_by_user ON keys (user_id);
CREATE INDEX keys_by_team ON keys (team_id);

-- Keys that were replaced and still work until their grace ends.
CREATE TABLE retired_keys (
    token TEXT NOT NULL PRIMARY KEY,
    active_token TEXT NOT NULL,
    revoke_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE deleted_keys (
    id TEXT NOT NULL PRIMARY KEY,
    token TEXT NOT NULL,
    key_alias TEXT,
    user_id TEXT,
    team_id TEXT,
    organization_id TEXT,
    row_value TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT,
    deleted_by_api_key TEXT,
    changed_by TEXT
);
CREATE INDEX deleted_keys_by_token ON deleted_keys (token);

CREATE TABLE teams (
    team_id TEXT NOT NULL PRIMARY KEY,
    team_alias TEXT,
    organization_id TEXT,
    models TEXT NOT NULL,
    model_aliases TEXT NOT NULL,
    metadata TEXT NOT NULL,
    router_settings TEXT,
    object_permission TEXT,
    team_member_permissions TEXT NOT NULL,
    default_team_member_models TEXT NOT NULL,
    access_group_ids TEXT NOT NULL,
    policies TEXT NOT NULL,
    blocked BIGINT NOT NULL,
    allow_team_guardrail_config BIGINT NOT NULL,
    max_budget BIGINT,
    soft_budget BIGINT,
    budget_duration TEXT,
    budget_limits TEXT,
    model_max_budget TEXT NOT NULL,
    tpm_limit BIGINT,
    rpm_limit BIGINT,
    tpd_limit BIGINT,
    max_parallel_requests BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX teams_by_organization ON teams (organization_id);

CREATE TABLE deleted_teams (
    id TEXT NOT NULL PRIMARY KEY,
    team_id TEXT NOT NULL,
    team_alias TEXT,
    organization_id TEXT,
    row_value TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT,
    deleted_by_api_key TEXT,
    changed_by TEXT
);

CREATE TABLE team_members (
    team_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_email TEXT,
    role TEXT NOT NULL,
    budget_id TEXT,
    allowed_models TEXT NOT NULL,
    temp_budget_increase BIGINT,
    temp_budget_expiry BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_by_user ON team_members (user_id);

CREATE TABLE users (
    user_id TEXT NOT NULL PRIMARY KEY,
    user_alias TEXT,
    user_email TEXT UNIQUE,
    user_role TEXT,
    sso_user_id TEXT UNIQUE,
    organization_id TEXT,
    password TEXT,
    models TEXT NOT NULL,
    metadata TEXT NOT NULL,
    object_permission TEXT,
    allowed_cache_controls TEXT NOT NULL,
    policies TEXT NOT NULL,
    max_budget BIGINT,
    budget_duration TEXT,
    model_max_budget TEXT NOT NULL,
    tpm_limit BIGINT,
    rpm_limit BIGINT,
    max_parallel_requests BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE organizations (
    organization_id TEXT NOT NULL PRIMARY KEY,
    organization_alias TEXT NOT NULL,
    budget_id TEXT,
    models TEXT NOT NULL,
    metadata TEXT NOT NULL,
    object_permission TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);

CREATE TABLE organization_members (
    organization_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_role TEXT,
    budget_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_members_by_user ON organization_members (user_id);

CREATE TABLE customers (
    user_id TEXT NOT NULL PRIMARY KEY,
    alias TEXT,
    blocked BIGINT NOT NULL,
    allowed_model_region TEXT,
    default_model TEXT,
    models TEXT NOT NULL,
    budget_id TEXT,
    object_permission TEXT
);

CREATE TABLE budgets (
    budget_id TEXT NOT NULL PRIMARY KEY,
    max_budget BIGINT,
    soft_budget BIGINT,
    budget_duration TEXT,
    model_max_budget TEXT,
    allowed_models TEXT NOT NULL,
    tpm_limit BIGINT,
    rpm_limit BIGINT,
    tpd_limit BIGINT,
    max_parallel_requests BIGINT,
    temp_budget_increase BIGINT,
    temp_budget_expiry BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);

CREATE TABLE tags (
    tag_name TEXT NOT NULL PRIMARY KEY,
    description TEXT,
    models TEXT NOT NULL,
    model_info TEXT,
    budget_id TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE access_groups (
    access_group_id TEXT NOT NULL PRIMARY KEY,
    access_group_name TEXT NOT NULL UNIQUE,
    description TEXT,
    access_model_names TEXT NOT NULL,
    access_mcp_server_ids TEXT NOT NULL,
    access_agent_ids TEXT NOT NULL,
    assigned_team_ids TEXT NOT NULL,
    assigned_key_ids TEXT NOT NULL,
    budget_id TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);

CREATE TABLE projects (
    project_id TEXT NOT NULL PRIMARY KEY,
    project_alias TEXT,
    description TEXT,
    team_id TEXT,
    budget_id TEXT,
    models TEXT NOT NULL,
    metadata TEXT NOT NULL,
    model_rpm_limit TEXT NOT NULL,
    model_tpm_limit TEXT NOT NULL,
    blocked BIGINT NOT NULL,
    object_permission TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);
CREATE INDEX projects_by_team ON projects (team_id);

-- `credential_values` and `litellm_params` are sealed: ciphertext, bound to their table, column and row.
CREATE TABLE credentials (
    credential_id TEXT NOT NULL PRIMARY KEY,
    credential_name TEXT NOT NULL UNIQUE,
    display_name TEXT,
    credential_values TEXT NOT NULL,
    credential_info TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);

CREATE TABLE models (
    model_id TEXT NOT NULL PRIMARY KEY,
    model_name TEXT NOT NULL,
    litellm_params TEXT NOT NULL,
    model_info TEXT NOT NULL,
    team_id TEXT,
    blocked BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);
CREATE INDEX models_by_name ON models (model_name);

CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    updated_at BIGINT NOT NULL,
    changed_by TEXT,
    changed_by_api_key TEXT,
    action TEXT NOT NULL,
    table_name TEXT NOT NULL,
    object_id TEXT NOT NULL,
    before_value TEXT,
    updated_values TEXT
);
CREATE INDEX audit_log_by_object ON audit_log (table_name, object_id);
CREATE INDEX audit_log_by_time ON audit_log (updated_at);

-- One row per request that reached a provider. `id` is ours: providers reuse theirs.
CREATE TABLE spend (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT,
    call_id TEXT,
    session_id TEXT,
    call_type TEXT NOT NULL,
    status TEXT NOT NULL,
    api_key TEXT NOT NULL,
    user_id TEXT,
    team_id TEXT,
    organization_id TEXT,
    project_id TEXT,
    end_user TEXT,
    agent_id TEXT,
    request_tags TEXT NOT NULL,
    model TEXT NOT NULL,
    model_id TEXT,
    model_group TEXT,
    provider TEXT NOT NULL,
    api_base TEXT,
    spend BIGINT NOT NULL,
    price_digest TEXT,
    price_gap TEXT,
    usage_value TEXT,
    total_tokens BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cache_read_input_tokens BIGINT NOT NULL,
    cache_creation_input_tokens BIGINT NOT NULL,
    start_time BIGINT NOT NULL,
    end_time BIGINT NOT NULL,
    completion_start_time BIGINT,
    cache_hit BIGINT NOT NULL,
    cache_key TEXT,
    requester_ip_address TEXT,
    metadata TEXT NOT NULL,
    accounts TEXT NOT NULL
);
CREATE INDEX spend_by_time ON spend (start_time);
CREATE INDEX spend_by_key ON spend (api_key, start_time);
CREATE INDEX spend_by_user ON spend (user_id, start_time);
CREATE INDEX spend_by_team ON spend (team_id, start_time);
CREATE INDEX spend_by_request ON spend (request_id);
CREATE INDEX spend_by_session ON spend (session_id);

-- Sums of `spend` by day, kept in the transaction that adds the row. Every row counts once under the dimension `user`.
CREATE TABLE spend_days (
    day TEXT NOT NULL,
    dimension TEXT NOT NULL,
    entity TEXT NOT NULL,
    api_key TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    spend BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cache_read_input_tokens BIGINT NOT NULL,
    cache_creation_input_tokens BIGINT NOT NULL,
    api_requests BIGINT NOT NULL,
    successful_requests BIGINT NOT NULL,
    failed_requests BIGINT NOT NULL,
    total_response_time_ms BIGINT NOT NULL,
    timed_requests BIGINT NOT NULL,
    PRIMARY KEY (dimension, day, entity, api_key, model, model_group, provider, endpoint)
);

-- What each account has spent in its window (from `began_at` to `resets_at`) and ever, and what is held for requests
-- under way.
CREATE TABLE balances (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    meter TEXT NOT NULL,
    spent BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    total BIGINT NOT NULL,
    began_at BIGINT,
    resets_at BIGINT,
    charged_at BIGINT NOT NULL,
    PRIMARY KEY (scope, id, meter)
);
CREATE INDEX balances_by_reset ON balances (resets_at);

CREATE TABLE reservations (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    deadline BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    accounts TEXT NOT NULL
);
CREATE INDEX reservations_by_owner ON reservations (owner);
CREATE INDEX reservations_by_deadline ON reservations (deadline);

-- Requests that were sent and are not known to have ended: as they are charged if nobody ever says how.
CREATE TABLE under_way (
    id TEXT NOT NULL PRIMARY KEY,
    journal TEXT NOT NULL,
    charged TEXT NOT NULL
);
CREATE INDEX under_way_by_journal ON under_way (journal);

-- Processes that hold reservations; one that stops renewing its lease is dead, and what it held is returned.
CREATE TABLE instances (
    owner TEXT NOT NULL PRIMARY KEY,
    lease_until BIGINT NOT NULL
);

CREATE TABLE journal_positions (
    journal TEXT NOT NULL PRIMARY KEY,
    segment BIGINT NOT NULL,
    position BIGINT NOT NULL
);
