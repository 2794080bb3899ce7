use llm_types::Op;

use crate::{Auth, Params, Provider, protocols::search};

/// Serper, Google's results: <https://serper.dev/>
pub(super) const ROW: Provider = Provider {
    name: "serper",
    base_url: "https://google.serper.dev",
    base_env: &["SERPER_API_BASE"],
    key_env: &["SERPER_API_KEY"],
    auth: Auth::Header("x-api-key"),
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 100)),
    ops: &[Op::Search],
    protocol: &search::SERPER,
    docs: "https://serper.dev/",
    ..Provider::OPENAI_LIKE
};
