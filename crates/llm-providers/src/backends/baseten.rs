use llm_types::Op;

use crate::{Auth, Call, Edit, Error, Params, Provider};

/// Baseten: <https://docs.baseten.co/reference/inference-api/chat-completions>
pub(super) const ROW: Provider = Provider {
    name: "baseten",
    base_url: "https://inference.baseten.co/v1",
    base_env: &["BASETEN_API_BASE"],
    key_env: &["BASETEN_API_KEY"],
    // Some of its keys are refused as bearers.
    auth: Auth::Scheme("Api-Key"),
    ops: &[Op::Chat, Op::Embedding],
    params: Params::CLASSIC
        .without(&[
            "n",
            "logit_bias",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
        ])
        .with_user(),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    docs: "https://docs.baseten.co/reference/inference-api/chat-completions",
    ..Provider::OPENAI_LIKE
};

/// A dedicated deployment is named by its eight characters and has a host of its own.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let id = &call.target.model;
    let dedicated = id.len() == 8
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if dedicated && call.target.base_url == ROW.base_url {
        call.base_url = Some(format!(
            "https://model-{id}.api.baseten.co/environments/production/sync/v1"
        ));
    }
    Ok(())
}
