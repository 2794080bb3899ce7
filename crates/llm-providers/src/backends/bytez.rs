use crate::{Params, Provider};

/// Bytez: <https://docs.bytez.com/>
pub(super) const ROW: Provider = Provider {
    name: "bytez",
    base_url: "https://api.bytez.com/models/v2",
    key_env: &["BYTEZ_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "stop",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "response_format",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
            "logprobs",
            "top_logprobs",
        ])
        .with_user(),
    docs: "https://docs.bytez.com/",
    ..Provider::OPENAI_LIKE
};
