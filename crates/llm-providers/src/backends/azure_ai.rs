use llm_types::Op;

use super::anthropic;
use crate::{
    Auth, Call, Error, ModelFacts, Params, Provider, Setting,
    auth::azure,
    protocols::{
        anthropic::settle,
        azure::{AzureAi, foundry_speaks, is_claude},
    },
};

/// Azure AI Foundry: <https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/endpoints>
pub(super) const ROW: Provider = Provider {
    name: "azure_ai",
    base_env: &["AZURE_AI_API_BASE"],
    key_env: &["AZURE_AI_API_KEY"],
    auth: Auth::Azure,
    login: Some(azure::login_to_foundry),
    settings: &[
        Setting::new("api_version", &["AZURE_AI_API_VERSION"]),
        Setting::new("enable_azure_ad_token_refresh", &[]),
    ],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::Messages,
        Op::CountTokens,
        Op::Responses,
    ],
    model_speaks: Some(foundry_speaks),
    params: OTHERS,
    model_params: Some(model_params),
    keeps: &["cache_control"],
    quirk: Some(quirk),
    protocol: &AzureAi,
    docs: "https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/endpoints",
    ..Provider::OPENAI_LIKE
};

const OTHERS: Params = Params::REASONING.with_user();

const CLAUDE: Params = Params {
    refuses: anthropic::REFUSES,
    accepts: &["reasoning_effort", "thinking"],
    user: true,
    stream_options: false,
    ..Params::STANDARD
};

fn model_params(model: &str, _: &ModelFacts) -> Params {
    if is_claude(model) { CLAUDE } else { OTHERS }
}

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if is_claude(&call.target.model) {
        return settle(call);
    }
    Ok(())
}
