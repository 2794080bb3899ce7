use llm_types::Op;

use crate::{
    Edit, Params, Provider,
    protocols::{embedders, rerank},
};

/// NVIDIA NIM: <https://docs.api.nvidia.com/nim/reference/llm-apis>
pub(super) const ROW: Provider = Provider {
    name: "nvidia_nim",
    base_url: "https://integrate.api.nvidia.com/v1",
    base_env: &["NVIDIA_NIM_API_BASE"],
    key_env: &["NVIDIA_NIM_API_KEY", "NVIDIA_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Rerank],
    params: Params::CLASSIC
        .without(&["n", "logit_bias"])
        .with(&["reasoning_effort"]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(embedders::nvidia),
    wires: &[(Op::Rerank, &rerank::Nim)],
    docs: "https://docs.api.nvidia.com/nim/reference/llm-apis",
    ..Provider::OPENAI_LIKE
};
