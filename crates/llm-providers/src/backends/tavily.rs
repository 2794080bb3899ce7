use llm_types::Op;

use crate::{Params, Provider, protocols::search};

/// Tavily: <https://docs.tavily.com/documentation/api-reference/endpoint/search>
pub(super) const ROW: Provider = Provider {
    name: "tavily",
    base_url: "https://api.tavily.com",
    base_env: &["TAVILY_API_BASE"],
    key_env: &["TAVILY_API_KEY"],
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 20)),
    ops: &[Op::Search],
    protocol: &search::TAVILY,
    docs: "https://docs.tavily.com/documentation/api-reference/endpoint/search",
    ..Provider::OPENAI_LIKE
};
