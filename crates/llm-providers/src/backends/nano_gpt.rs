use llm_types::Op;

use crate::{Edit, Params, Provider};

/// NanoGPT: <https://docs.nano-gpt.com/>
pub(super) const ROW: Provider = Provider {
    name: "nano-gpt",
    aliases: &["nanogpt"],
    base_url: "https://nano-gpt.com/api/v1",
    key_env: &["NANOGPT_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.nano-gpt.com/",
    ..Provider::OPENAI_LIKE
};
