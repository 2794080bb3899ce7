use llm_types::Op;

use crate::{Params, Provider, protocols::search};

/// Firecrawl: <https://docs.firecrawl.dev/api-reference/endpoint/search>
pub(super) const ROW: Provider = Provider {
    name: "firecrawl",
    base_url: "https://api.firecrawl.dev",
    base_env: &["FIRECRAWL_API_BASE"],
    key_env: &["FIRECRAWL_API_KEY"],
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 100)),
    ops: &[Op::Search],
    protocol: &search::FIRECRAWL,
    docs: "https://docs.firecrawl.dev/api-reference/endpoint/search",
    ..Provider::OPENAI_LIKE
};
