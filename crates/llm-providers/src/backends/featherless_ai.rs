use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Featherless: <https://featherless.ai/docs/completions>
pub(super) const ROW: Provider = Provider {
    name: "featherless_ai",
    aliases: &["featherless-ai"],
    base_url: "https://api.featherless.ai/v1",
    base_env: &["FEATHERLESS_API_BASE", "FEATHERLESS_AI_API_BASE"],
    key_env: &["FEATHERLESS_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    params: Params::CLASSIC
        .without(&["logprobs", "top_logprobs"])
        .without_stream_options(),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://featherless.ai/docs/completions",
    ..Provider::OPENAI_LIKE
};
