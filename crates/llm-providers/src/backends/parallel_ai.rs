use llm_types::Op;

use crate::{Auth, Params, Provider, protocols::search};

/// Parallel: <https://docs.parallel.ai/api-reference/search/search>
pub(super) const ROW: Provider = Provider {
    name: "parallel_ai",
    base_url: "https://api.parallel.ai",
    base_env: &["PARALLEL_AI_API_BASE", "PARALLEL_API_BASE"],
    key_env: &["PARALLEL_AI_API_KEY", "PARALLEL_API_KEY"],
    auth: Auth::Header("x-api-key"),
    params: Params::STANDARD.with(&["country", "max_tokens_per_page"]),
    quirk: Some(|call| search::at_most(call, 40)),
    ops: &[Op::Search],
    protocol: &search::PARALLEL,
    docs: "https://docs.parallel.ai/api-reference/search/search",
    ..Provider::OPENAI_LIKE
};
