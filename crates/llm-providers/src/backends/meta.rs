use crate::{Params, Provider};

/// Meta AI: <https://api.meta.ai/>
pub(super) const ROW: Provider = Provider {
    name: "meta",
    base_url: "https://api.meta.ai/v1",
    base_env: &["META_API_BASE"],
    key_env: &["META_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://api.meta.ai/",
    ..Provider::OPENAI_LIKE
};
