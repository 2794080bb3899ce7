use llm_types::Op;

use crate::{Edit, Provider};

/// FriendliAI: <https://friendli.ai/docs/openapi/serverless/chat-completions>
pub(super) const ROW: Provider = Provider {
    name: "friendliai",
    base_url: "https://api.friendli.ai/serverless/v1",
    base_env: &["FRIENDLI_API_BASE"],
    key_env: &["FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"],
    ops: &[Op::Chat, Op::Completion],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://friendli.ai/docs/openapi/serverless/chat-completions",
    ..Provider::OPENAI_LIKE
};
