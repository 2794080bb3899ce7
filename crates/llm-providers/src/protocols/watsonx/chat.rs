//! `/ml/v1/text/chat`: OpenAI's body but for tools and tool choice.

use http::Request;
use llm_types::{JsonObject, Op, Tool};
use serde_json::Value;

use super::{endpoint, place};
use crate::{
    Call, Error, Outgoing,
    protocols::{legacy, openai},
};

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    for key in ["stream", "stream_options", "user"] {
        body.remove(key);
    }
    legacy::modernise(&mut body)?;
    place(call, &mut body);
    tools(&mut body)?;
    if let Some(Value::String(one)) = body.get("stop")? {
        body.set("stop", &[one]);
    }
    if let Some(Value::String(mode)) = body.get("tool_choice")? {
        body.remove("tool_choice");
        body.set_str("tool_choice_option", &mode);
    }
    let name = if call.stream { "chat_stream" } else { "chat" };
    openai::request(&endpoint(call, name)?, body.to_bytes())
}

/// Says what is left out. Part of settling a call's parameters.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let tools: Vec<Tool> = call.fields().get("tools")?.unwrap_or_default();
    let functions = || tools.iter().filter_map(|tool| tool.function.as_ref());
    if functions().any(|function| function.strict.is_some()) {
        call.notice("tools[*].function.strict", "dropped: watsonx.ai refuses it");
    }
    let open = |schema: &Value| schema.to_string().contains("\"additionalProperties\"");
    if functions().any(|function| function.parameters.as_ref().is_some_and(open)) {
        call.notice(
            "tools[*].function.parameters",
            "sent without additionalProperties: watsonx.ai refuses it",
        );
    }
    Ok(())
}

/// watsonx.ai refuses `strict`, and `additionalProperties` in a schema.
fn tools(body: &mut JsonObject) -> Result<(), Error> {
    let Some(mut tools) = body.get::<Vec<Tool>>("tools")? else {
        return Ok(());
    };
    for function in tools.iter_mut().filter_map(|tool| tool.function.as_mut()) {
        function.strict = None;
        if let Some(schema) = &mut function.parameters {
            close(schema);
        }
    }
    body.set("tools", &tools);
    Ok(())
}

/// Takes the keyword out, not properties that happen to have its name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.shift_remove("additionalProperties");
            for (key, value) in map.iter_mut() {
                match (key.as_str(), value) {
                    ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                        named.values_mut().for_each(close);
                    }
                    ("enum" | "const" | "default" | "examples", _) => {}
                    (_, value) => close(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_keyword_goes() {
        let mut schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {"additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}}},
            "anyOf": [{"additionalProperties": true}],
            "default": {"additionalProperties": 1},
        });
        close(&mut schema);
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {"additionalProperties": {"type": "object"}},
                "anyOf": [{}],
                "default": {"additionalProperties": 1},
            })
        );
    }
}
