use crate::{
    Auth, Params, Provider,
    protocols::anthropic::{Complete, settle_text},
};

/// <https://docs.anthropic.com/en/api/complete>
pub(super) const ROW: Provider = Provider {
    name: "anthropic_text",
    base_url: "https://api.anthropic.com/v1/complete",
    base_env: &["ANTHROPIC_API_BASE"],
    key_env: &["ANTHROPIC_API_KEY"],
    token_env: &["ANTHROPIC_AUTH_TOKEN"],
    auth: Auth::Anthropic,
    headers: &[("anthropic-version", "2023-06-01")],
    params: Params {
        user: true,
        stream_options: false,
        ..Params::CLASSIC.without(&[
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "logprobs",
            "top_logprobs",
            "response_format",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
        ])
    },
    keeps: &["*"],
    quirk: Some(settle_text),
    protocol: &Complete,
    docs: "https://docs.anthropic.com/en/api/complete",
    ..Provider::OPENAI_LIKE
};
