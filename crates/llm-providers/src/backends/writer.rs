use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Writer: <https://dev.writer.com/api-reference/completion-api/chat-completion>
pub(super) const ROW: Provider = Provider {
    name: "writer",
    base_url: "https://api.writer.com/v1",
    base_env: &["WRITER_API_BASE"],
    key_env: &["WRITER_API_KEY"],
    paths: &[(Op::Chat, "/chat")],
    params: Params::CLASSIC.without(&[
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "parallel_tool_calls",
    ]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://dev.writer.com/api-reference/completion-api/chat-completion",
    ..Provider::OPENAI_LIKE
};
