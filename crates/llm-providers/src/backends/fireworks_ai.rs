use llm_types::Op;

use crate::{Call, Edit, Error, Params, Provider, params, protocols::rerank};

/// Fireworks: <https://docs.fireworks.ai/api-reference/post-chatcompletions>
pub(super) const ROW: Provider = Provider {
    name: "fireworks_ai",
    aliases: &["fireworks"],
    base_url: "https://api.fireworks.ai/inference/v1",
    base_env: &["FIREWORKS_API_BASE"],
    key_env: &[
        "FIREWORKS_API_KEY",
        "FIREWORKS_AI_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
    ],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::Rerank,
        Op::Responses,
    ],
    params: Params::STANDARD
        .without(&["web_search_options", "modalities", "audio", "store"])
        .with(&["reasoning_effort", "thinking"])
        .with_user(),
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    wires: &[(Op::Rerank, &rerank::TEXTS)],
    docs: "https://docs.fireworks.ai/api-reference/post-chatcompletions",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let model = &call.target.model;
    // A bare name is one of the serverless models.
    if !matches!(call.op, Op::Embedding | Op::Rerank) && !model.contains('/') {
        call.model = Some(format!("accounts/fireworks/models/{model}"));
    }
    if call.op != Op::Chat {
        return Ok(());
    }
    let body = call.fields_mut();
    if body.raw("thinking").is_some() && body.raw("reasoning_effort").is_some() {
        return Err(Error::bad_request(
            "thinking",
            "Fireworks takes 'thinking' or 'reasoning_effort', not both",
        ));
    }
    if body.str("tool_choice").as_deref() == Some("required") {
        body.set_str("tool_choice", "any");
    }
    parts(call)
}

/// Files never go; images only to models that see.
fn parts(call: &Call<'_>) -> Result<(), Error> {
    let body = call.fields();
    let has = |word| params::mentions(body, "messages", word);
    if has("\"file\":") || has("\"file_data\"") {
        return Err(Error::bad_request(
            "messages",
            "Fireworks takes no files in messages",
        ));
    }
    if has("\"image_url\"") && call.target.facts.supports("vision") == Some(false) {
        return Err(Error::bad_request(
            "messages",
            format!("{} does not see images", call.target.model),
        ));
    }
    Ok(())
}
