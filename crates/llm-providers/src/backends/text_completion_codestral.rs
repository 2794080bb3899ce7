use llm_types::Op;

use crate::{Params, Provider};

/// Codestral's fill-in-the-middle: <https://docs.mistral.ai/api/#tag/fim>
pub(super) const ROW: Provider = Provider {
    name: "text-completion-codestral",
    base_url: "https://codestral.mistral.ai/v1",
    base_env: &["CODESTRAL_API_BASE"],
    key_env: &["CODESTRAL_API_KEY"],
    ops: &[Op::Completion],
    paths: &[(Op::Completion, "/fim/completions")],
    params: Params::CLASSIC.without_stream_options(),
    docs: "https://docs.mistral.ai/api/#tag/fim",
    ..Provider::OPENAI_LIKE
};
