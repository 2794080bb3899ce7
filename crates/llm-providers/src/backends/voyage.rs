use llm_types::Op;

use crate::{Edit, Provider, protocols::embedders, protocols::rerank};

/// Voyage AI: <https://docs.voyageai.com/reference/embeddings-api>
pub(super) const ROW: Provider = Provider {
    name: "voyage",
    base_url: "https://api.voyageai.com/v1",
    base_env: &["VOYAGE_API_BASE"],
    key_env: &["VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"],
    ops: &[Op::Embedding, Op::Rerank],
    edits: &[Edit::Rename("dimensions", "output_dimension")],
    hosts: &["api.voyageai.com"],
    most_inputs: Some(|_| 1000),
    protocol: &embedders::Voyage,
    wires: &[(Op::Rerank, &rerank::VOYAGE)],
    docs: "https://docs.voyageai.com/reference/embeddings-api",
    ..Provider::OPENAI_LIKE
};
