use crate::{Auth, Params, Provider};

/// AssemblyAI's LLM Gateway: <https://www.assemblyai.com/docs/llm-gateway/overview>
pub(super) const ROW: Provider = Provider {
    name: "assemblyai",
    base_url: "https://llm-gateway.assemblyai.com/v1",
    key_env: &["ASSEMBLYAI_API_KEY"],
    auth: Auth::Header("authorization"),
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://www.assemblyai.com/docs/llm-gateway/overview",
    ..Provider::OPENAI_LIKE
};
