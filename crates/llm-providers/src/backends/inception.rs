use crate::{Edit, Params, Provider};

/// Inception Labs: <https://docs.inceptionlabs.ai/>
pub(super) const ROW: Provider = Provider {
    name: "inception",
    base_url: "https://api.inceptionlabs.ai/v1",
    base_env: &["INCEPTION_API_BASE"],
    key_env: &["INCEPTION_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "top_p",
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
        ])
        .with(&["reasoning_effort"]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.inceptionlabs.ai/",
    ..Provider::OPENAI_LIKE
};
