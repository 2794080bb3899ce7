use llm_types::Op;

use crate::{
    Params, Provider,
    protocols::{images, replicate},
};

/// Replicate: <https://replicate.com/docs/reference/http>
pub(super) const ROW: Provider = Provider {
    name: "replicate",
    base_url: "https://api.replicate.com/v1",
    base_env: &["REPLICATE_API_BASE"],
    key_env: &["REPLICATE_API_KEY", "REPLICATE_API_TOKEN"],
    ops: &[Op::Chat, Op::ImageGeneration],
    params: Params {
        refuses: &[
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "response_format",
            "tools",
            "tool_choice",
            "functions",
            "function_call",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
            "service_tier",
            "web_search_options",
            "modalities",
            "audio",
            "prediction",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention",
            "store",
        ],
        stream_options: false,
        image: &["n", "size", "quality", "style", "output_format", "url"],
        ..Params::STANDARD
    },
    hosts: &["api.replicate.com"],
    protocol: &replicate::Replicate,
    wires: &[(Op::ImageGeneration, &images::REPLICATE)],
    docs: "https://replicate.com/docs/reference/http",
    ..Provider::OPENAI_LIKE
};
