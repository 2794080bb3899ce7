use crate::{Params, Provider};

/// Reka: <https://docs.reka.ai/>
pub(super) const ROW: Provider = Provider {
    name: "reka",
    base_url: "https://api.reka.ai/v1",
    base_env: &["REKA_API_BASE"],
    key_env: &["REKA_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.reka.ai/",
    ..Provider::OPENAI_LIKE
};
