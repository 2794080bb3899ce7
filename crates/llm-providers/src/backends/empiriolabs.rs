use crate::{Edit, Params, Provider};

/// EmpirioLabs: <https://docs.empiriolabs.ai/>
pub(super) const ROW: Provider = Provider {
    name: "empiriolabs",
    base_url: "https://api.empiriolabs.ai/v1",
    base_env: &["EMPIRIOLABS_API_BASE"],
    key_env: &["EMPIRIOLABS_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.empiriolabs.ai/",
    ..Provider::OPENAI_LIKE
};
