use crate::{Edit, Params, Provider};

/// Amazon Nova's own API: <https://nova.amazon.com/dev/documentation>
pub(super) const ROW: Provider = Provider {
    name: "amazon_nova",
    base_url: "https://api.nova.amazon.com/v1",
    base_env: &["AMAZON_NOVA_API_BASE"],
    key_env: &["AMAZON_NOVA_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "response_format",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
        ])
        .with(&["reasoning_effort"]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://nova.amazon.com/dev/documentation",
    ..Provider::OPENAI_LIKE
};
