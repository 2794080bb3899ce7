use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Apertis: <https://docs.stima.tech/>
pub(super) const ROW: Provider = Provider {
    name: "apertis",
    base_url: "https://api.stima.tech/v1",
    key_env: &["STIMA_API_KEY", "APERTIS_API_KEY"],
    hosts: &["api.apertis.ai/v1"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.stima.tech/",
    ..Provider::OPENAI_LIKE
};
