//! OpenAI's first form of tools (`functions`, `function_call`, role `function`) in today's form.

use std::collections::HashMap;

use llm_types::{FunctionDef, JsonObject, Message, Tool, ToolCall};
use serde_json::{Value, json};

use crate::Error;

/// Rewrites the legacy keys of a chat body. Does nothing where there are none.
pub(crate) fn modernise(body: &mut JsonObject) -> Result<(), Error> {
    if let Some(functions) = body.take::<Vec<FunctionDef>>("functions")? {
        let tools: Vec<Tool> = functions.into_iter().map(tool).collect();
        if !body.contains("tools") {
            body.set("tools", &tools);
        }
    }
    if let Some(choice) = body.take::<Value>("function_call")?
        && !body.contains("tool_choice")
    {
        let choice = match choice {
            Value::Object(function) => json!({"type": "function", "function": function}),
            mode => mode,
        };
        body.set("tool_choice", &choice);
    }
    Ok(())
}

/// The messages with legacy calls as tool calls; a call's id is its function's name and how often it was called before.
pub(crate) fn messages(messages: &mut [Message]) {
    let mut made: HashMap<String, usize> = HashMap::new();
    let mut open: HashMap<String, String> = HashMap::new();
    for message in messages {
        if let Some(call) = message.function_call.take()
            && message.tool_calls.is_empty()
        {
            let name = call.name.clone().unwrap_or_default();
            let count = made.entry(name.clone()).or_default();
            let id = format!("call_{name}_{count}");
            *count += 1;
            open.insert(name, id.clone());
            message.tool_calls.push(ToolCall {
                id: Some(id),
                kind: Some("function".into()),
                function: call,
                ..ToolCall::default()
            });
        }
        if message.role == "function" {
            message.role = "tool".into();
            let name = message.name.clone().unwrap_or_default();
            message
                .tool_call_id
                .get_or_insert_with(|| open.remove(&name).unwrap_or(name));
        }
    }
}

fn tool(function: FunctionDef) -> Tool {
    Tool {
        kind: "function".into(),
        function: Some(function),
        ..Tool::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn functions_become_tools() {
        let text = br#"{"functions":[{"name":"f"}],"function_call":{"name":"f"}}"#;
        let mut body = JsonObject::parse(&Bytes::from_static(text)).expect("an object");
        modernise(&mut body).expect("modern");
        assert_eq!(
            body.to_bytes(),
            r#"{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}}"#
        );
    }

    #[test]
    fn answers_find_their_calls() {
        let mut list: Vec<Message> = serde_json::from_value(json!([
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "2"},
        ]))
        .expect("messages");
        messages(&mut list);
        let ids: Vec<_> = list
            .iter()
            .filter_map(|m| m.tool_call_id.as_deref())
            .collect();
        assert_eq!(ids, ["call_f_0", "call_f_1"]);
        assert_eq!(list[2].tool_calls[0].id.as_deref(), Some("call_f_1"));
    }
}
