use crate::{Params, Provider};

/// Helicone AI Gateway: <https://docs.helicone.ai/gateway/overview>
pub(super) const ROW: Provider = Provider {
    name: "helicone",
    base_url: "https://ai-gateway.helicone.ai",
    key_env: &["HELICONE_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    keeps: &["*"],
    docs: "https://docs.helicone.ai/gateway/overview",
    ..Provider::OPENAI_LIKE
};
