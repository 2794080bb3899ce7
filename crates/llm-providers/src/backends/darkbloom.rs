use crate::{Edit, Params, Provider};

/// Darkbloom: <https://darkbloom.dev/docs>
pub(super) const ROW: Provider = Provider {
    name: "darkbloom",
    base_url: "https://api.darkbloom.dev/v1",
    base_env: &["DARKBLOOM_API_BASE"],
    key_env: &["DARKBLOOM_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://darkbloom.dev/docs",
    ..Provider::OPENAI_LIKE
};
