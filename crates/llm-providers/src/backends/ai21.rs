use crate::{Edit, Params, Provider};

/// AI21 Studio: <https://docs.ai21.com/reference/jamba-1-6-api-ref>
pub(super) const ROW: Provider = Provider {
    name: "ai21",
    aliases: &["ai21_chat"],
    base_url: "https://api.ai21.com/studio/v1",
    base_env: &["AI21_API_BASE"],
    key_env: &["AI21_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
        ])
        .without_stream_options(),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.ai21.com/reference/jamba-1-6-api-ref",
    ..Provider::OPENAI_LIKE
};
