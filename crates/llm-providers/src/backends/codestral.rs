use crate::{Edit, Params, Prefill, Provider};

/// Mistral's coding models: <https://docs.mistral.ai/capabilities/code_generation/>
pub(super) const ROW: Provider = Provider {
    name: "codestral",
    base_url: "https://codestral.mistral.ai/v1",
    base_env: &["CODESTRAL_API_BASE"],
    key_env: &["CODESTRAL_API_KEY"],
    params: Params::CLASSIC
        .without(&[
            "n",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "top_logprobs",
        ])
        .without_stream_options(),
    edits: &[
        Edit::Rename("max_completion_tokens", "max_tokens"),
        Edit::Rename("seed", "random_seed"),
    ],
    prefill: Prefill::PrefixKey { echoes: true },
    quirk: Some(super::mistral::quirk),
    docs: "https://docs.mistral.ai/capabilities/code_generation/",
    ..Provider::OPENAI_LIKE
};
