use crate::{Edit, Params, Provider};

/// LibertAI: <https://docs.libertai.io/apis/text/>
pub(super) const ROW: Provider = Provider {
    name: "libertai",
    base_url: "https://api.libertai.io/v1",
    base_env: &["LIBERTAI_API_BASE"],
    key_env: &["LIBERTAI_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.libertai.io/apis/text/",
    ..Provider::OPENAI_LIKE
};
