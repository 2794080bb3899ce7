use crate::{Edit, Params, Provider};

/// Crusoe Managed Inference: <https://docs.crusoecloud.com/managed-inference/overview/>
pub(super) const ROW: Provider = Provider {
    name: "crusoe",
    base_url: "https://managed-inference-api-proxy.crusoecloud.com/v1",
    base_env: &["CRUSOE_API_BASE"],
    key_env: &["CRUSOE_API_KEY"],
    params: Params::TOOLS_IF_KNOWN.with(&["reasoning_effort"]),
    keeps: &["reasoning", "reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    hosts: &["api.inference.crusoecloud.com/v1"],
    docs: "https://docs.crusoecloud.com/managed-inference/overview/",
    ..Provider::OPENAI_LIKE
};
