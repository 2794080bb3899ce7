use crate::{Params, Provider};

/// GMI Cloud: <https://docs.gmicloud.ai/>
pub(super) const ROW: Provider = Provider {
    name: "gmi",
    base_url: "https://api.gmi-serving.com/v1",
    key_env: &["GMI_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.gmicloud.ai/",
    ..Provider::OPENAI_LIKE
};
