//! What of a chat request this model cannot take: refused, or dropped with a notice.

use llm_types::{ChatRequest, Op};

use super::{
    model::{Family, Model},
    tools::sends_strict,
};
use crate::{Call, Error, Kind};

/// The row's quirk: settles what depends on the model.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let target = call.target;
    let model = Model::of(target);
    let request = ChatRequest::from_object(call.json()?)?;
    let sent_anyway = |param: &str| {
        call.options
            .allowed_openai_params
            .iter()
            .any(|p| p == param)
    };
    let mut refused: Vec<(&str, String)> = Vec::new();

    if request
        .tool_choice
        .as_ref()
        .and_then(|choice| choice.mode())
        == Some("none")
    {
        refused.push(("tool_choice", "Converse has no tool_choice 'none'".into()));
    }
    let thinks = matches!(
        model.family,
        Family::Claude(..) | Family::Nova2 | Family::OpenAi
    );
    for (param, given) in [
        ("reasoning_effort", request.reasoning_effort.is_some()),
        ("thinking", request.thinking.is_some()),
    ] {
        if given && !thinks && !sent_anyway(param) {
            refused.push((param, format!("{} takes no {param}", target.model)));
        }
    }
    let nova = matches!(model.family, Family::Nova | Family::Nova2);
    if request.web_search_options.is_some() && !nova {
        refused.push(("web_search_options", "only Nova searches the web".into()));
    }
    if target.facts.supports("sampling_params") == Some(false) {
        let is_one = |n: &serde_json::Number| n.as_f64() == Some(1.0);
        for (param, given) in [
            (
                "temperature",
                request.temperature.as_ref().is_some_and(|n| !is_one(n)),
            ),
            ("top_p", request.top_p.as_ref().is_some_and(|n| !is_one(n))),
            ("top_k", request.extra.contains_key("top_k")),
        ] {
            if given {
                refused.push((param, format!("{} takes no {param}", target.model)));
            }
        }
    }
    for (param, why) in refused {
        refuse(call, param, &why)?;
    }
    report(call, &model, &request)
}

/// Drops `param` if the caller allows that, else refuses the request.
fn refuse(call: &mut Call<'_>, param: &str, why: &str) -> Result<(), Error> {
    if call.options.drop_params {
        call.json_mut()?.remove(param);
        call.notice(param, format!("dropped: {why}"));
        return Ok(());
    }
    let mut error = Error::new(
        Kind::UnsupportedParams,
        format!("{why}. Set drop_params to send the request without it"),
    );
    error.param = Some(param.to_owned());
    Err(error)
}

/// What goes on without a word to the vendor, but not without one to the caller.
fn report(call: &mut Call<'_>, model: &Model<'_>, request: &ChatRequest) -> Result<(), Error> {
    let has_tools = request.tools.is_some() || request.functions.is_some();
    if request.parallel_tool_calls == Some(false) && has_tools && !model.claude_since(4, 5) {
        call.notice(
            "parallel_tool_calls",
            "dropped: this model cannot be held to one call at a time",
        );
    }
    let strict = request.tools.iter().flatten().any(|tool| {
        tool.function
            .as_ref()
            .is_some_and(|f| f.strict == Some(true))
    });
    if strict && !sends_strict(call, model) {
        call.notice(
            "tools[*].function.strict",
            "dropped: this model has no strict tools",
        );
    }
    let kind = request
        .response_format
        .as_ref()
        .and_then(|format| format.get("type")?.as_str());
    if kind == Some("json_object") {
        call.notice(
            "response_format",
            "Bedrock has no JSON mode without a schema: only the prompt asks for JSON",
        );
    }
    for param in [
        "prompt_cache_key",
        "safety_identifier",
        "prompt_cache_retention",
        "verbosity",
    ] {
        if call.json_mut()?.remove(param).is_some() {
            call.notice(param, "dropped: Bedrock has no such parameter");
        }
    }
    Ok(())
}
