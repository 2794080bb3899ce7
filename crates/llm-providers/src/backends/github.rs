use llm_types::Op;

use crate::{Edit, Provider};

/// GitHub Models: <https://docs.github.com/en/rest/models/inference>
pub(super) const ROW: Provider = Provider {
    name: "github",
    aliases: &["github_models"],
    base_url: "https://models.github.ai/inference",
    base_env: &["GITHUB_API_BASE"],
    key_env: &["GITHUB_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    hosts: &["models.inference.ai.azure.com"],
    docs: "https://docs.github.com/en/rest/models/inference",
    ..Provider::OPENAI_LIKE
};
