use llm_types::Op;

use crate::{Provider, protocols::search};

/// Linkup: <https://docs.linkup.so/pages/documentation/api-reference/endpoint/post-search>
pub(super) const ROW: Provider = Provider {
    name: "linkup",
    base_url: "https://api.linkup.so",
    base_env: &["LINKUP_API_BASE"],
    key_env: &["LINKUP_API_KEY"],
    ops: &[Op::Search],
    protocol: &search::LINKUP,
    docs: "https://docs.linkup.so/pages/documentation/api-reference/endpoint/post-search",
    ..Provider::OPENAI_LIKE
};
