use crate::{Params, Provider};

/// Abliteration: <https://docs.abliteration.ai/>
pub(super) const ROW: Provider = Provider {
    name: "abliteration",
    base_url: "https://api.abliteration.ai/v1",
    key_env: &["ABLITERATION_API_KEY", "ABLIT_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.abliteration.ai/",
    ..Provider::OPENAI_LIKE
};
