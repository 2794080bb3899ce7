use crate::{Edit, Params, Provider};

/// Neosantara: <https://docs.neosantara.xyz/>
pub(super) const ROW: Provider = Provider {
    name: "neosantara",
    base_url: "https://api.neosantara.xyz/v1",
    base_env: &["NEOSANTARA_API_BASE"],
    key_env: &["NEOSANTARA_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.neosantara.xyz/",
    ..Provider::OPENAI_LIKE
};
