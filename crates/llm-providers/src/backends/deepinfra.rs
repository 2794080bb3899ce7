use llm_types::Op;

use crate::{Edit, Params, Provider, protocols::rerank};

/// DeepInfra: <https://deepinfra.com/docs/openai_api>
pub(super) const ROW: Provider = Provider {
    name: "deepinfra",
    base_url: "https://api.deepinfra.com/v1/openai",
    base_env: &["DEEPINFRA_API_BASE"],
    key_env: &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
    ],
    params: Params::STANDARD.with(&["reasoning_effort"]),
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    wires: &[(Op::Rerank, &rerank::DeepInfra)],
    docs: "https://deepinfra.com/docs/openai_api",
    ..Provider::OPENAI_LIKE
};
