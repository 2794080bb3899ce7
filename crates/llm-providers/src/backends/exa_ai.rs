use llm_types::Op;

use crate::{Auth, Params, Provider, protocols::search};

/// Exa: <https://docs.exa.ai/reference/search>
pub(super) const ROW: Provider = Provider {
    name: "exa_ai",
    base_url: "https://api.exa.ai",
    base_env: &["EXA_API_BASE"],
    key_env: &["EXA_API_KEY"],
    auth: Auth::Header("x-api-key"),
    params: Params::STANDARD.with(&["country", "max_tokens_per_page"]),
    quirk: Some(|call| search::at_most(call, 100)),
    ops: &[Op::Search],
    protocol: &search::EXA,
    docs: "https://docs.exa.ai/reference/search",
    ..Provider::OPENAI_LIKE
};
