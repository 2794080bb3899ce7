use crate::{Params, Provider};

/// DigitalOcean Gradient: <https://docs.digitalocean.com/products/gradient-ai-platform/>
pub(super) const ROW: Provider = Provider {
    name: "gradient_ai",
    base_url: "https://inference.do-ai.run",
    base_path: "/v1",
    base_env: &["GRADIENT_AI_AGENT_ENDPOINT"],
    key_env: &["GRADIENT_AI_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "n",
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
    docs: "https://docs.digitalocean.com/products/gradient-ai-platform/",
    ..Provider::OPENAI_LIKE
};
