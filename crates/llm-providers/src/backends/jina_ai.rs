use llm_types::Op;

use crate::{Provider, protocols::embedders, protocols::rerank};

/// Jina AI: <https://jina.ai/embeddings/>
pub(super) const ROW: Provider = Provider {
    name: "jina_ai",
    base_url: "https://api.jina.ai/v1",
    base_env: &["JINA_AI_API_BASE"],
    key_env: &["JINA_AI_API_KEY", "JINA_AI_TOKEN"],
    ops: &[Op::Embedding, Op::Rerank],
    hosts: &["api.jina.ai"],
    protocol: &embedders::Jina,
    wires: &[(Op::Rerank, &rerank::PARTS)],
    docs: "https://jina.ai/embeddings/",
    ..Provider::OPENAI_LIKE
};
