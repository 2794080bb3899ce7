use crate::Provider;

/// Morph: <https://docs.morphllm.com/>
pub(super) const ROW: Provider = Provider {
    name: "morph",
    base_url: "https://api.morphllm.com/v1",
    base_env: &["MORPH_API_BASE"],
    key_env: &["MORPH_API_KEY"],
    docs: "https://docs.morphllm.com/",
    ..Provider::OPENAI_LIKE
};
