use crate::{Edit, Params, Provider};

/// Xiaomi MiMo: <https://platform.xiaomimimo.com/docs>
pub(super) const ROW: Provider = Provider {
    name: "xiaomi_mimo",
    base_url: "https://api.xiaomimimo.com/v1",
    key_env: &["XIAOMI_MIMO_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://platform.xiaomimimo.com/docs",
    ..Provider::OPENAI_LIKE
};
