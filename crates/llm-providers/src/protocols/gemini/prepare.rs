//! What a Gemini model cannot take, said before anything is sent.

use llm_types::Tool;
use memchr::memmem;

use super::{model::Model, tools::Tools};
use crate::{Call, Error, params};

/// OpenAI's parameters that mean nothing to Gemini and change no answer.
const WITHOUT_EFFECT: &[&str] = &[
    "store",
    "metadata",
    "prediction",
    "verbosity",
    "safety_identifier",
    "prompt_cache_key",
];

/// Drops or refuses what the model cannot take. The quirk of Gemini's rows.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != llm_types::Op::Chat {
        return Ok(());
    }
    for param in WITHOUT_EFFECT {
        if call.fields().raw(param).is_some() {
            call.fields_mut().remove(param);
            call.notice(param, "Gemini has no such parameter; it was dropped");
        }
    }
    thoughtless(call)?;
    parallel(call)?;
    search_or_functions(call)?;
    let marked = |raw: &bytes::Bytes| memmem::find(raw, b"\"cache_control\"").is_some();
    if call.fields().raw("messages").is_some_and(marked) {
        call.notice(
            "cache_control",
            "Gemini caches prefixes by itself; no explicit cache was made",
        );
    }
    Ok(())
}

/// Models that do not think take no measure of thinking.
fn thoughtless(call: &mut Call<'_>) -> Result<(), Error> {
    let known = call.target.facts.supports("reasoning");
    let thinks = known.or_else(|| Model::new(call.model()).thinks());
    if thinks != Some(false) {
        return Ok(());
    }
    params::refuse(call, &["reasoning_effort", "thinking"])
}

/// Gemini cannot be kept from calling several functions at once.
fn parallel(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields();
    if body
        .raw("parallel_tool_calls")
        .is_none_or(|raw| &raw[..] != b"false")
    {
        return Ok(());
    }
    let tools: Vec<Tool> = body.get("tools")?.unwrap_or_default();
    if tools.len() > 1 {
        params::refuse(call, &["parallel_tool_calls"])?;
    }
    Ok(())
}

/// Before Gemini 3 a request has functions or a search, never both: the functions stay.
fn search_or_functions(call: &mut Call<'_>) -> Result<(), Error> {
    let version = Model::new(call.model()).version();
    if version.is_none_or(|version| version >= (3, 0)) {
        return Ok(());
    }
    let body = call.fields();
    if body.raw("tools").is_none() && body.raw("functions").is_none() {
        return Ok(());
    }
    let request = llm_types::ChatRequest::from_object(body)?;
    let tools = Tools::read(&request)?;
    if tools.functions.is_empty() || !tools.searches() {
        return Ok(());
    }
    let kept = request.tools.into_iter().flatten().filter(|tool| {
        let alone = llm_types::ChatRequest {
            tools: Some(vec![(*tool).clone()]),
            ..llm_types::ChatRequest::default()
        };
        !Tools::read(&alone).is_ok_and(|tools| tools.searches())
    });
    let kept: Vec<Tool> = kept.collect();
    let body = call.fields_mut();
    body.set("tools", &kept);
    body.remove("web_search_options");
    call.notice(
        "tools",
        "this model cannot search the web while it has functions; the search was dropped",
    );
    Ok(())
}
