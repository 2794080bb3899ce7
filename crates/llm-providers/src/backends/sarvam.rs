use crate::{Auth, Edit, Params, Provider};

/// Sarvam: <https://docs.sarvam.ai/api-reference-docs/chat/completions>
pub(super) const ROW: Provider = Provider {
    name: "sarvam",
    base_url: "https://api.sarvam.ai/v1",
    key_env: &["SARVAM_API_KEY"],
    auth: Auth::Header("api-subscription-key"),
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.sarvam.ai/api-reference-docs/chat/completions",
    ..Provider::OPENAI_LIKE
};
