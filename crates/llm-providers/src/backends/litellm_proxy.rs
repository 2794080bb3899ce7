use llm_types::Op;

use crate::{
    Params, Provider,
    protocols::{moderation, ocr, rerank, search},
};

/// Another gateway that speaks LiteLLM's dialect, this one included: <https://docs.litellm.ai/docs/simple_proxy>
pub(super) const ROW: Provider = Provider {
    name: "litellm_proxy",
    base_env: &["LITELLM_PROXY_API_BASE"],
    key_env: &["LITELLM_PROXY_API_KEY"],
    key_default: "no-key",
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
        Op::Moderation,
        Op::Search,
        Op::Ocr,
        Op::Responses,
        Op::ImageEdit,
        Op::ImageVariation,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
    ],
    params: Params::EVERYTHING,
    keeps: &["*"],
    wires: &[
        (Op::Rerank, &rerank::PLAIN),
        (Op::Moderation, &moderation::OpenAis),
        (Op::Search, &search::Perplexity),
        (Op::Ocr, &ocr::Mistral),
    ],
    docs: "https://docs.litellm.ai/docs/simple_proxy",
    ..Provider::OPENAI_LIKE
};
