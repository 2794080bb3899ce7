use llm_types::Op;

use crate::{Params, Provider, Target, protocols::search};

/// Perplexity: <https://docs.perplexity.ai/api-reference/chat-completions-post>
pub(super) const ROW: Provider = Provider {
    name: "perplexity",
    base_url: "https://api.perplexity.ai",
    base_env: &["PERPLEXITY_API_BASE"],
    key_env: &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"],
    ops: &[Op::Chat, Op::Responses, Op::Search],
    model_speaks: Some(speaks),
    paths: &[(Op::Responses, "/v1/responses")],
    params: Params {
        tools_if_known: true,
        ..Params::CLASSIC
            .without(&[
                "n",
                "stop",
                "logit_bias",
                "seed",
                "logprobs",
                "top_logprobs",
            ])
            .with(&[
                "reasoning_effort",
                "web_search_options",
                "country",
                "max_tokens_per_page",
            ])
            .without_stream_options()
    },
    wires: &[(Op::Search, &search::Perplexity)],
    docs: "https://docs.perplexity.ai/api-reference/chat-completions-post",
    ..Provider::OPENAI_LIKE
};

/// Its agents answer for other vendors' models, which have a slash in their names; its own models chat.
fn speaks(target: &Target, op: Op) -> bool {
    match op {
        Op::Responses => target.model.contains('/'),
        _ => true,
    }
}
