use crate::{Provider, backends::hosted_vllm};

/// A vLLM server under LiteLLM's other name for it: <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>
pub(super) const ROW: Provider = Provider {
    name: "vllm",
    base_url: "http://localhost:8000/v1",
    base_env: &["VLLM_API_BASE"],
    key_env: &["VLLM_API_KEY"],
    ..hosted_vllm::ROW
};
