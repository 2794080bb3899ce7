use llm_types::Op;

use crate::{Params, Provider};

/// Hyperbolic: <https://docs.hyperbolic.xyz/docs/rest-api>
pub(super) const ROW: Provider = Provider {
    name: "hyperbolic",
    base_url: "https://api.hyperbolic.xyz/v1",
    base_env: &["HYPERBOLIC_API_BASE"],
    key_env: &["HYPERBOLIC_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    params: Params::CLASSIC
        .without(&[
            "max_completion_tokens",
            "logit_bias",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
        ])
        .with_user()
        .without_stream_options(),
    docs: "https://docs.hyperbolic.xyz/docs/rest-api",
    ..Provider::OPENAI_LIKE
};
