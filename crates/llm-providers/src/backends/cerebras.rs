use crate::{Edit, Params, Provider};

/// Cerebras: <https://inference-docs.cerebras.ai/api-reference/chat-completions>
pub(super) const ROW: Provider = Provider {
    name: "cerebras",
    base_url: "https://api.cerebras.ai/v1",
    base_env: &["CEREBRAS_API_BASE"],
    key_env: &["CEREBRAS_API_KEY"],
    params: Params::CLASSIC
        .without(&["n", "presence_penalty", "frequency_penalty", "logit_bias"])
        .with(&["reasoning_effort", "service_tier"])
        .with_user(),
    keeps: &["reasoning"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://inference-docs.cerebras.ai/api-reference/chat-completions",
    ..Provider::OPENAI_LIKE
};
