use crate::{Params, Provider};

/// Cognition: <https://docs.cognition.ai/>
pub(super) const ROW: Provider = Provider {
    name: "cognition",
    base_url: "https://api.cognition.ai/v1",
    base_env: &["COGNITION_API_BASE"],
    key_env: &["COGNITION_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.cognition.ai/",
    ..Provider::OPENAI_LIKE
};
