use llm_types::Op;

use crate::{Provider, protocols::search};

/// SearXNG, a search engine of one's own: <https://docs.searxng.org/dev/search_api.html>
pub(super) const ROW: Provider = Provider {
    name: "searxng",
    base_env: &["SEARXNG_API_BASE"],
    key_env: &["SEARXNG_API_KEY"],
    key_default: "no-key",
    ops: &[Op::Search],
    protocol: &search::SEARXNG,
    docs: "https://docs.searxng.org/dev/search_api.html",
    ..Provider::OPENAI_LIKE
};
