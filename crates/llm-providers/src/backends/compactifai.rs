use crate::Provider;

/// CompactifAI: <https://docs.compactif.ai/>
pub(super) const ROW: Provider = Provider {
    name: "compactifai",
    base_url: "https://api.compactif.ai/v1",
    key_env: &["COMPACTIFAI_API_KEY"],
    docs: "https://docs.compactif.ai/",
    ..Provider::OPENAI_LIKE
};
