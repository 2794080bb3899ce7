use llm_types::Op;

use crate::{Params, Provider, protocols::cohere, protocols::rerank};

/// <https://docs.cohere.com/reference/chat>
pub(super) const ROW: Provider = Provider {
    name: "cohere",
    aliases: &["cohere_chat"],
    base_url: "https://api.cohere.com",
    base_env: &["COHERE_API_BASE"],
    key_env: &["COHERE_API_KEY", "CO_API_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::Rerank],
    params: Params {
        refuses: &[
            "logit_bias",
            "top_logprobs",
            "parallel_tool_calls",
            "modalities",
            "audio",
            "prediction",
            "web_search_options",
            "service_tier",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention",
            "store",
        ],
        accepts: &[
            "reasoning_effort",
            "thinking",
            "max_chunks_per_doc",
            "max_tokens_per_doc",
        ],
        stream_options: false,
        ..Params::STANDARD
    },
    hosts: &["api.cohere.com", "api.cohere.ai"],
    most_inputs: Some(|_| 96),
    quirk: Some(cohere::settle),
    protocol: &cohere::Cohere,
    wires: &[(Op::Rerank, &rerank::COHERE)],
    docs: "https://docs.cohere.com/reference/chat",
    ..Provider::OPENAI_LIKE
};
