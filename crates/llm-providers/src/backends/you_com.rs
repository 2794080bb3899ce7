use llm_types::Op;

use crate::{Auth, Params, Provider, protocols::search};

/// You.com: <https://documentation.you.com/api-reference/search>
pub(super) const ROW: Provider = Provider {
    name: "you_com",
    base_url: "https://ydc-index.io",
    base_env: &["YOUCOM_API_BASE"],
    key_env: &["YOUCOM_API_KEY", "YDC_API_KEY"],
    auth: Auth::Header("x-api-key"),
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 100)),
    ops: &[Op::Search],
    protocol: &search::YOU,
    docs: "https://documentation.you.com/api-reference/search",
    ..Provider::OPENAI_LIKE
};
