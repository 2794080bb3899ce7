use crate::{Edit, Params, Provider};

/// MiniMax: <https://platform.minimax.io/docs/api-reference/text-openai-api>
pub(super) const ROW: Provider = Provider {
    name: "minimax",
    base_url: "https://api.minimax.io/v1",
    base_env: &["MINIMAX_API_BASE"],
    key_env: &["MINIMAX_API_KEY"],
    params: Params::REASONING,
    keeps: &["reasoning_content", "reasoning_details"],
    // Thinking comes in a field of its own, not in the answer's text.
    edits: &[Edit::Default("reasoning_split", "true")],
    hosts: &["api.minimaxi.com/v1"],
    docs: "https://platform.minimax.io/docs/api-reference/text-openai-api",
    ..Provider::OPENAI_LIKE
};
