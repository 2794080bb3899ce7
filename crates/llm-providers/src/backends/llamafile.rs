use llm_types::Op;

use crate::Provider;

/// llamafile, a local server: <https://github.com/Mozilla-Ocho/llamafile>
pub(super) const ROW: Provider = Provider {
    name: "llamafile",
    base_url: "http://127.0.0.1:8080/v1",
    base_env: &["LLAMAFILE_API_BASE"],
    key_env: &["LLAMAFILE_API_KEY"],
    key_default: "fake-api-key",
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    keeps: &["*"],
    docs: "https://github.com/Mozilla-Ocho/llamafile",
    ..Provider::OPENAI_LIKE
};
