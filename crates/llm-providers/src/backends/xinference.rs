use llm_types::Op;

use crate::{Params, Provider, protocols::rerank};

/// Xinference, a local server: <https://inference.readthedocs.io/en/latest/>
pub(super) const ROW: Provider = Provider {
    name: "xinference",
    base_url: "http://127.0.0.1:9997/v1",
    base_env: &["XINFERENCE_API_BASE"],
    key_env: &["XINFERENCE_API_KEY"],
    key_default: "stub",
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
        Op::ImageEdit,
        Op::ImageVariation,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
    ],
    params: Params::STANDARD.with(&["max_chunks_per_doc"]),
    keeps: &["*"],
    wires: &[(Op::Rerank, &rerank::TEXTS)],
    docs: "https://inference.readthedocs.io/en/latest/",
    ..Provider::OPENAI_LIKE
};
