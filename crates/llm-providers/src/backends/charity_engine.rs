use crate::{Edit, Params, Provider};

/// Charity Engine: <https://www.charityengine.com/>
pub(super) const ROW: Provider = Provider {
    name: "charity_engine",
    base_url: "https://api.charityengine.services/remotejobs/v2/inference",
    key_env: &["CHARITY_ENGINE_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://www.charityengine.com/",
    ..Provider::OPENAI_LIKE
};
