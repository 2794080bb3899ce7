use crate::{Params, Provider};

/// Prism: <https://docs.prisminference.com/>
pub(super) const ROW: Provider = Provider {
    name: "prism",
    base_url: "https://api.prisminference.com/v1",
    base_env: &["PRISM_API_BASE"],
    key_env: &["PRISM_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.prisminference.com/",
    ..Provider::OPENAI_LIKE
};
