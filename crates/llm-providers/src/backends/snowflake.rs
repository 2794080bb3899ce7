use crate::{Credential, Edit, Params, Provider, Setting};

/// Snowflake Cortex: <https://docs.snowflake.com/en/user-guide/snowflake-cortex/open_ai_sdk>
pub(super) const ROW: Provider = Provider {
    name: "snowflake",
    base_url: "https://{account_id}.snowflakecomputing.com/api/v2/cortex/v1",
    base_env: &["SNOWFLAKE_API_BASE"],
    key_env: &["SNOWFLAKE_JWT"],
    settings: &[
        Setting::new("account_id", &["SNOWFLAKE_ACCOUNT_ID"]),
        Setting::new("token_type", &["SNOWFLAKE_TOKEN_TYPE"]),
    ],
    headers: &[("x-snowflake-authorization-token-type", "{token_type}")],
    exchange: Some(|key, _, _| {
        // LiteLLM marks programmatic access tokens so; Snowflake tells them apart by itself.
        Credential::key(key.strip_prefix("pat/").unwrap_or(&key))
    }),
    params: Params::STANDARD.with(&["reasoning_effort"]),
    edits: &[Edit::Rename("max_tokens", "max_completion_tokens")],
    docs: "https://docs.snowflake.com/en/user-guide/snowflake-cortex/open_ai_sdk",
    ..Provider::OPENAI_LIKE
};
