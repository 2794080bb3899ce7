use llm_types::Op;

use crate::{Params, Provider, protocols::search};

/// SearchApi: <https://www.searchapi.io/docs/google>
pub(super) const ROW: Provider = Provider {
    name: "searchapi",
    base_url: "https://www.searchapi.io",
    base_env: &["SEARCHAPI_API_BASE"],
    key_env: &["SEARCHAPI_API_KEY"],
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 100)),
    ops: &[Op::Search],
    protocol: &search::SEARCHAPI,
    docs: "https://www.searchapi.io/docs/google",
    ..Provider::OPENAI_LIKE
};
