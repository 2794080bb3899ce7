use llm_types::Op;

use crate::{Auth, Params, Provider, protocols::search};

/// Brave Search: <https://api-dashboard.search.brave.com/app/documentation/web-search/query>
pub(super) const ROW: Provider = Provider {
    name: "brave",
    base_url: "https://api.search.brave.com/res/v1",
    base_env: &["BRAVE_API_BASE"],
    key_env: &["BRAVE_API_KEY"],
    auth: Auth::Header("x-subscription-token"),
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 20)),
    ops: &[Op::Search],
    protocol: &search::BRAVE,
    docs: "https://api-dashboard.search.brave.com/app/documentation/web-search/query",
    ..Provider::OPENAI_LIKE
};
