use crate::{Params, Provider};

/// Nscale: <https://docs.nscale.com/>
pub(super) const ROW: Provider = Provider {
    name: "nscale",
    base_url: "https://inference.api.nscale.com/v1",
    base_env: &["NSCALE_API_BASE"],
    key_env: &["NSCALE_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "max_completion_tokens",
            "seed",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
        ])
        .without_stream_options(),
    docs: "https://docs.nscale.com/",
    ..Provider::OPENAI_LIKE
};
