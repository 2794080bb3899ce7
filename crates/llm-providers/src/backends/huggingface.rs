use llm_types::Op;

use crate::{Params, Provider, protocols::huggingface, protocols::rerank};

/// Hugging Face: <https://huggingface.co/docs/inference-providers/index>
pub(super) const ROW: Provider = Provider {
    name: "huggingface",
    base_url: "https://router.huggingface.co/v1",
    base_env: &["HF_API_BASE", "HUGGINGFACE_API_BASE"],
    key_env: &["HF_TOKEN", "HUGGINGFACE_API_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::Rerank],
    params: Params::STANDARD.embedding(&["encoding_format"]),
    keeps: &["cache_control"],
    hosts: &["router.huggingface.co"],
    quirk: Some(huggingface::settle),
    protocol: &huggingface::HuggingFace,
    wires: &[(Op::Rerank, &rerank::TEI)],
    docs: "https://huggingface.co/docs/inference-providers/index",
    ..Provider::OPENAI_LIKE
};
