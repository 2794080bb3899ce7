use llm_types::Op;

use crate::{
    Call, Edit, Error, Params, Prefill, Provider,
    protocols::{audio, batch, mistral_batch, moderation, ocr},
};

/// Mistral: <https://docs.mistral.ai/api/>
pub(super) const ROW: Provider = Provider {
    name: "mistral",
    base_url: "https://api.mistral.ai/v1",
    base_path: "/v1",
    base_env: &["MISTRAL_AZURE_API_BASE", "MISTRAL_API_BASE"],
    key_env: &["MISTRAL_AZURE_API_KEY", "MISTRAL_API_KEY"],
    ops: &[
        Op::Chat,
        Op::Embedding,
        Op::Moderation,
        Op::Ocr,
        Op::Transcription,
        Op::File,
        Op::Batch,
    ],
    params: PARAMS,
    edits: &[
        Edit::Rename("max_completion_tokens", "max_tokens"),
        Edit::Rename("seed", "random_seed"),
        Edit::Rename("dimensions", "output_dimension"),
    ],
    prefill: Prefill::PrefixKey { echoes: true },
    quirk: Some(quirk),
    wires: &[
        (Op::Moderation, &moderation::Mistral),
        (Op::Ocr, &ocr::Mistral),
        (Op::Transcription, &audio::VOXTRAL),
        (Op::Batch, &mistral_batch::MistralBatches),
        (Op::File, &batch::Counted),
    ],
    docs: "https://docs.mistral.ai/api/",
    ..Provider::OPENAI_LIKE
};

const PARAMS: Params = Params::CLASSIC
    .without(&["logit_bias", "logprobs", "top_logprobs"])
    .with(&["reasoning_effort", "thinking", "prompt_cache_key"])
    .without_stream_options()
    .embedding(&["encoding_format", "dimensions"]);

/// Also Codestral's.
pub(super) fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let body = call.fields_mut();
    if body.str("tool_choice").as_deref() == Some("required") {
        body.set_str("tool_choice", "any");
    }
    thinking(call)?;
    // Only a tool's result may have a name.
    super::drop_message_names(call, |role| role != "tool")
}

/// Magistral thinks in a mode of its prompt; later models have an effort of `high` or `none`.
fn thinking(call: &mut Call<'_>) -> Result<(), Error> {
    let magistral = call.target.model.contains("magistral");
    let body = call.fields_mut();
    let effort = body.str("reasoning_effort").map(|e| e.into_owned());
    let asked = effort.is_some() || body.raw("thinking").is_some();
    if !asked {
        return Ok(());
    }
    body.remove("thinking");
    if magistral {
        body.remove("reasoning_effort");
        if effort.as_deref() != Some("none") {
            body.set_str("prompt_mode", "reasoning");
        }
        call.notice("reasoning_effort", "sent as prompt_mode");
        return Ok(());
    }
    let level = match effort.as_deref() {
        Some("none" | "minimal") => "none",
        _ => "high",
    };
    if effort.as_deref() != Some(level) {
        body.set_str("reasoning_effort", level);
        call.notice("reasoning_effort", format!("sent as '{level}'"));
    }
    Ok(())
}
