use llm_types::Op;

use crate::{Edit, Provider, protocols::rerank};

/// Infinity, a server for embeddings of one's own: <https://michaelfeil.eu/infinity/>
pub(super) const ROW: Provider = Provider {
    name: "infinity",
    base_env: &["INFINITY_API_BASE"],
    key_env: &["INFINITY_API_KEY"],
    key_default: "no-key",
    ops: &[Op::Embedding, Op::Rerank],
    edits: &[Edit::Rename("dimensions", "output_dimension")],
    wires: &[(Op::Rerank, &rerank::TEXTS)],
    docs: "https://michaelfeil.eu/infinity/",
    ..Provider::OPENAI_LIKE
};
