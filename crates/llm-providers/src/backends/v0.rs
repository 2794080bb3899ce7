use llm_types::Op;

use crate::{Params, Provider};

/// Vercel's v0: <https://v0.app/docs/api>
pub(super) const ROW: Provider = Provider {
    name: "v0",
    base_url: "https://api.v0.dev/v1",
    base_env: &["V0_API_BASE"],
    key_env: &["V0_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    params: Params::CLASSIC,
    docs: "https://v0.app/docs/api",
    ..Provider::OPENAI_LIKE
};
