use llm_types::Op;

use crate::{Params, Provider};

/// Eden AI: <https://docs.edenai.co/>
pub(super) const ROW: Provider = Provider {
    name: "edenai",
    base_url: "https://api.edenai.run/v3",
    base_env: &["EDENAI_API_BASE"],
    key_env: &["EDENAI_API_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::Responses],
    params: Params::STANDARD.with_user(),
    docs: "https://docs.edenai.co/",
    ..Provider::OPENAI_LIKE
};
