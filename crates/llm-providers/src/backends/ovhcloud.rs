use llm_types::Op;

use crate::Provider;

/// OVHcloud AI Endpoints: <https://help.ovhcloud.com/csm/en-public-cloud-ai-endpoints-getting-started>
pub(super) const ROW: Provider = Provider {
    name: "ovhcloud",
    base_url: "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
    base_env: &["OVHCLOUD_API_BASE"],
    key_env: &["OVHCLOUD_API_KEY", "OVH_AI_ENDPOINTS_ACCESS_TOKEN"],
    ops: &[Op::Chat, Op::Embedding],
    docs: "https://help.ovhcloud.com/csm/en-public-cloud-ai-endpoints-getting-started",
    ..Provider::OPENAI_LIKE
};
