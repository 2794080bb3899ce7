use llm_types::Op;

use super::openai;
use crate::{
    Auth, Call, Error, ModelFacts, Params, Provider, Setting, auth::azure, params, protocols,
};

/// Azure OpenAI: <https://learn.microsoft.com/azure/ai-services/openai/reference>
pub(super) const ROW: Provider = Provider {
    name: "azure",
    base_env: &["AZURE_API_BASE"],
    key_env: &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
    auth: Auth::Azure,
    login: Some(azure::login),
    settings: SETTINGS,
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Moderation,
        Op::Responses,
        Op::ImageEdit,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
        Op::File,
        Op::Batch,
        Op::Video,
        Op::FineTuning,
        Op::Realtime,
    ],
    params: Params::REASONING.with_user(),
    model_params: Some(model_params),
    keeps: &["cache_control"],
    quirk: Some(quirk),
    protocol: &protocols::azure::Azure,
    docs: "https://learn.microsoft.com/azure/ai-services/openai/reference",
    ..Provider::OPENAI_LIKE
};

/// The settings of Azure's rows.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("api_version", &["AZURE_API_VERSION"]),
    Setting::new("enable_azure_ad_token_refresh", &[]),
];

/// A deployment may have any name; users mark its series in front of it.
fn model_params(model: &str, facts: &ModelFacts) -> Params {
    openai::model_params(series(model), facts)
}

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let old = |year_month: &str| {
        let version = call.target.setting("api_version").unwrap_or_default();
        version.starts_with("20") && version.get(..7).is_some_and(|v| v <= year_month)
    };
    if call.op == Op::Chat
        && old("2024-05")
        && call.fields().str("tool_choice").as_deref() == Some("required")
    {
        params::refuse(call, &["tool_choice"])?;
    }
    let name = series(&call.target.model);
    openai::quirk_of(call, name)
}

/// A name of OpenAI's that stands for the deployment's series.
fn series(model: &str) -> &str {
    if model.starts_with("o_series/") {
        "o1"
    } else if model.starts_with("gpt5_series/") {
        "gpt-5"
    } else {
        model
    }
}
