use crate::{Params, Provider};

/// Xiaomi MiMo: <https://platform.xiaomimimo.com/docs>
pub(super) const ROW: Provider = Provider {
    name: "xiaomi_mimo",
    base_url: "https://api.xiaomimimo.com/v1",
    key_env: &["XIAOMI_MIMO_API_KEY", "MIMO_API_KEY"],
    params: Params::TOOLS_IF_KNOWN.with(&["thinking"]),
    keeps: &["reasoning_content"],
    docs: "https://platform.xiaomimimo.com/docs",
    ..Provider::OPENAI_LIKE
};
