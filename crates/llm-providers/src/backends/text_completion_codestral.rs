use llm_types::Op;

use crate::{Call, Edit, Error, Params, Provider, params, protocols::fim};

/// Codestral's fill-in-the-middle: <https://docs.mistral.ai/api/endpoint/fim>
pub(super) const ROW: Provider = Provider {
    name: "text-completion-codestral",
    base_url: "https://codestral.mistral.ai/v1",
    base_env: &["CODESTRAL_API_BASE"],
    key_env: &["CODESTRAL_API_KEY"],
    ops: &[Op::Completion],
    paths: &[(Op::Completion, "/fim/completions")],
    params: Params::CLASSIC.without_stream_options(),
    edits: &[Edit::Rename("seed", "random_seed")],
    quirk: Some(quirk),
    protocol: &fim::Fim,
    docs: "https://docs.mistral.ai/api/endpoint/fim",
    ..Provider::OPENAI_LIKE
};

/// It refuses what it does not know.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    params::refuse(
        call,
        &[
            "n",
            "best_of",
            "echo",
            "logprobs",
            "logit_bias",
            "presence_penalty",
            "frequency_penalty",
        ],
    )
}
