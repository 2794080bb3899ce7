use crate::{Params, Provider};

/// Bytez, by its OpenAI-compatible endpoint: <https://docs.bytez.com/http-reference/oaiCompliant/chatCompletions>
pub(super) const ROW: Provider = Provider {
    name: "bytez",
    base_url: "https://api.bytez.com/models/v2/openai/v1",
    key_env: &["BYTEZ_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "stop",
            "logit_bias",
            "seed",
            "response_format",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
        ])
        .with_user(),
    docs: "https://docs.bytez.com/http-reference/oaiCompliant/chatCompletions",
    ..Provider::OPENAI_LIKE
};
