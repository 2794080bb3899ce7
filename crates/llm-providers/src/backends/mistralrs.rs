use llm_types::Op;

use crate::{Params, Provider};

/// mistral.rs, a local server: <https://ericlbuehler.github.io/mistral.rs/>
pub(super) const ROW: Provider = Provider {
    name: "mistralrs",
    base_url: "http://localhost:1234/v1",
    base_env: &["MISTRALRS_API_BASE"],
    key_env: &["MISTRALRS_API_KEY"],
    key_default: "no-key",
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::THINKING,
    keeps: &["*"],
    docs: "https://ericlbuehler.github.io/mistral.rs/",
    ..Provider::OPENAI_LIKE
};
