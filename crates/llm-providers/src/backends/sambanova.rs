use llm_types::Op;

use crate::{Edit, Params, Provider};

/// SambaNova: <https://docs.sambanova.ai/cloud/api-reference/endpoints/chat>
pub(super) const ROW: Provider = Provider {
    name: "sambanova",
    base_url: "https://api.sambanova.ai/v1",
    base_env: &["SAMBANOVA_API_BASE"],
    key_env: &["SAMBANOVA_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::CLASSIC
        .without(&[
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
        ])
        .with(&["reasoning_effort"])
        .embedding(&[]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.sambanova.ai/cloud/api-reference/endpoints/chat",
    ..Provider::OPENAI_LIKE
};
