use crate::{Params, Provider};

/// Nadir: <https://getnadir.com/docs>
pub(super) const ROW: Provider = Provider {
    name: "nadir",
    base_url: "https://api.getnadir.com/v1",
    base_env: &["NADIR_API_BASE"],
    key_env: &["NADIR_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "n",
            "stop",
            "max_completion_tokens",
            "logit_bias",
            "seed",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
            "logprobs",
            "top_logprobs",
        ])
        .without_stream_options(),
    docs: "https://getnadir.com/docs",
    ..Provider::OPENAI_LIKE
};
