use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Tensormesh: <https://docs.tensormesh.ai/>
pub(super) const ROW: Provider = Provider {
    name: "tensormesh",
    base_url: "https://serverless.tensormesh.ai/v1",
    base_env: &["TENSORMESH_SERVERLESS_BASE_URL"],
    key_env: &["TENSORMESH_INFERENCE_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.tensormesh.ai/",
    ..Provider::OPENAI_LIKE
};
