use crate::{Params, Provider};

/// ZenMux: <https://docs.zenmux.ai/>
pub(super) const ROW: Provider = Provider {
    name: "zenmux",
    base_url: "https://zenmux.ai/api/v1",
    base_env: &["ZENMUX_API_BASE"],
    key_env: &["ZENMUX_API_KEY"],
    params: Params::THINKING,
    keeps: &["*"],
    docs: "https://docs.zenmux.ai/",
    ..Provider::OPENAI_LIKE
};
