use crate::{Edit, Provider};

/// Empower: <https://docs.empower.dev/>
pub(super) const ROW: Provider = Provider {
    name: "empower",
    base_url: "https://app.empower.dev/api/v1",
    base_env: &["EMPOWER_API_BASE"],
    key_env: &["EMPOWER_API_KEY"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.empower.dev/",
    ..Provider::OPENAI_LIKE
};
