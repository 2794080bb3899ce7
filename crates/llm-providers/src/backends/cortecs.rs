use crate::{Params, Provider};

/// Cortecs: <https://docs.cortecs.ai/>
pub(super) const ROW: Provider = Provider {
    name: "cortecs",
    base_url: "https://api.cortecs.ai/v1",
    base_env: &["CORTECS_API_BASE"],
    key_env: &["CORTECS_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.cortecs.ai/",
    ..Provider::OPENAI_LIKE
};
