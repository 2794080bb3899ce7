use llm_types::Op;

use super::azure::SETTINGS;
use crate::{Auth, Params, Provider, auth::azure, protocols};

/// Azure OpenAI's legacy text completions: <https://learn.microsoft.com/azure/ai-services/openai/reference#completions>
pub(super) const ROW: Provider = Provider {
    name: "azure_text",
    base_env: &["AZURE_API_BASE"],
    key_env: &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
    auth: Auth::Azure,
    login: Some(azure::login),
    settings: SETTINGS,
    ops: &[Op::Completion],
    params: Params::CLASSIC.with_user(),
    protocol: &protocols::azure::Azure,
    docs: "https://learn.microsoft.com/azure/ai-services/openai/reference#completions",
    ..Provider::OPENAI_LIKE
};
