use crate::{Params, Provider};

/// Maritaca AI: <https://docs.maritaca.ai/>
pub(super) const ROW: Provider = Provider {
    name: "maritalk",
    base_url: "https://chat.maritaca.ai/api",
    base_env: &["MARITALK_API_BASE"],
    key_env: &["MARITALK_API_KEY"],
    params: Params::CLASSIC.without(&[
        "max_completion_tokens",
        "logit_bias",
        "seed",
        "response_format",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
    ]),
    docs: "https://docs.maritaca.ai/",
    ..Provider::OPENAI_LIKE
};
