use llm_types::Op;

use crate::Provider;

/// Lemonade, a local server: <https://lemonade-server.ai/docs/server/server_spec/>
pub(super) const ROW: Provider = Provider {
    name: "lemonade",
    base_url: "http://localhost:8000/api/v1",
    base_env: &["LEMONADE_API_BASE"],
    key_env: &["LEMONADE_API_KEY"],
    key_default: "lemonade",
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    keeps: &["*"],
    docs: "https://lemonade-server.ai/docs/server/server_spec/",
    ..Provider::OPENAI_LIKE
};
