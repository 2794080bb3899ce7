use llm_types::Op;

use crate::{Auth, Params, Provider};

/// The demo model inside the process: it answers without a key and without a network.
pub(super) const ROW: Provider = Provider {
    name: "demo",
    base_url: "http://demo.invalid/v1",
    auth: Auth::None,
    ops: &[Op::Chat, Op::Embedding],
    params: Params {
        user: true,
        ..Params::STANDARD
    },
    keeps: &["*"],
    docs: "https://github.com/interlingua-ai/interlingua",
    ..Provider::OPENAI_LIKE
};
