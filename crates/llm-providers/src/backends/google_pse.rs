use llm_types::Op;

use crate::{Auth, Params, Provider, Setting, protocols::search};

/// Google's Programmable Search Engine: <https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list>
pub(super) const ROW: Provider = Provider {
    name: "google_pse",
    base_url: "https://www.googleapis.com",
    base_env: &["GOOGLE_PSE_API_BASE"],
    key_env: &["GOOGLE_PSE_API_KEY"],
    auth: Auth::Header("x-goog-api-key"),
    settings: &[Setting::new(
        "google_pse_engine_id",
        &["GOOGLE_PSE_ENGINE_ID"],
    )],
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 10)),
    ops: &[Op::Search],
    protocol: &search::GOOGLE,
    docs: "https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list",
    ..Provider::OPENAI_LIKE
};
