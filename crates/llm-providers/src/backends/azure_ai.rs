use llm_types::Op;

use super::anthropic;
use crate::{
    Auth, Call, Error, ModelFacts, Params, Provider, Setting,
    auth::azure,
    protocols::{
        anthropic::settle,
        azure::{AzureAi, foundry_speaks, is_claude},
        moderation, ocr, rerank,
    },
};

/// Azure AI Foundry: <https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/endpoints>
pub(super) const ROW: Provider = Provider {
    name: "azure_ai",
    base_env: &["AZURE_AI_API_BASE", "AZURE_DOCUMENT_INTELLIGENCE_ENDPOINT"],
    key_env: &["AZURE_AI_API_KEY", "AZURE_DOCUMENT_INTELLIGENCE_API_KEY"],
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
        Op::ImageGeneration,
        Op::Messages,
        Op::CountTokens,
        Op::Responses,
        Op::Rerank,
        Op::Moderation,
        Op::Ocr,
        Op::ImageEdit,
    ],
    model_speaks: Some(foundry_speaks),
    params: OTHERS,
    model_params: Some(model_params),
    keeps: &["cache_control"],
    quirk: Some(quirk),
    protocol: &AzureAi,
    wires: &[
        (Op::Rerank, &rerank::AZURE),
        (Op::Moderation, &moderation::ContentSafety),
        (Op::Ocr, &ocr::Azure),
    ],
    docs: "https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/endpoints",
    ..Provider::OPENAI_LIKE
};

const OTHERS: Params = Params::STANDARD
    .with(&[
        "reasoning_effort",
        "max_chunks_per_doc",
        "max_tokens_per_doc",
    ])
    .with_user();

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
    match call.op {
        Op::Ocr => ocr::settle(call),
        _ if is_claude(&call.target.model) => settle(call),
        _ => Ok(()),
    }
}
