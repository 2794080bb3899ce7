use crate::{Edit, Provider};

/// Galadriel: <https://docs.galadriel.com/>
pub(super) const ROW: Provider = Provider {
    name: "galadriel",
    base_url: "https://api.galadriel.com/v1",
    base_env: &["GALADRIEL_API_BASE"],
    key_env: &["GALADRIEL_API_KEY"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.galadriel.com/",
    ..Provider::OPENAI_LIKE
};
