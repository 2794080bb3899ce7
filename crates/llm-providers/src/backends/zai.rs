use crate::{Edit, Params, Provider};

/// Z.AI: <https://docs.z.ai/api-reference/llm/chat-completion>
pub(super) const ROW: Provider = Provider {
    name: "zai",
    base_url: "https://api.z.ai/api/paas/v4",
    base_env: &["ZAI_API_BASE"],
    key_env: &["ZAI_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "top_logprobs",
        ])
        .with(&["thinking", "reasoning_effort"]),
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    hosts: &["api.z.ai/api/coding/paas/v4"],
    docs: "https://docs.z.ai/api-reference/llm/chat-completion",
    ..Provider::OPENAI_LIKE
};
