use llm_types::{Map, Op};
use serde_json::{Value, json};

use crate::{Call, Edit, Error, Params, Provider, params};

/// GigaChat: <https://developers.sber.ru/docs/ru/gigachat/api/overview>
pub(super) const ROW: Provider = Provider {
    name: "gigachat",
    base_url: "https://gigachat.devices.sberbank.ru/api/v1",
    base_env: &["GIGACHAT_API_BASE"],
    key_env: &["GIGACHAT_API_KEY", "GIGACHAT_ACCESS_TOKEN"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::CLASSIC.without(&[
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "seed",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
    ]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    docs: "https://developers.sber.ru/docs/ru/gigachat/api/overview",
    ..Provider::OPENAI_LIKE
};

/// It knows OpenAI's legacy functions, with arguments as objects, and no tools.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let body = call.fields_mut();
    if params::mentions(body, "messages", "\"tool") {
        let mut cut = false;
        params::edit_messages(body, |message| cut |= history(message))?;
        if cut {
            call.notice("messages", "only the first tool call of a turn is sent");
        }
    }
    let body = call.fields_mut();
    let tools: Vec<Value> = body.take("tools")?.unwrap_or_default();
    let functions: Vec<Value> = tools
        .iter()
        .filter_map(|tool| tool.get("function").cloned())
        .collect();
    let choice: Option<Value> = body.take("tool_choice")?;
    if functions.is_empty() {
        return Ok(());
    }
    body.set("functions", &functions);
    if let Some(choice) = choice.and_then(|choice| function_choice(&choice, &functions)) {
        body.set("function_call", &choice);
    }
    call.legacy_functions = true;
    Ok(())
}

/// It cannot be made to call just any function: `required` is kept where there is only one.
fn function_choice(choice: &Value, functions: &[Value]) -> Option<Value> {
    let named = choice.pointer("/function/name");
    match (choice.as_str(), named, functions) {
        (Some(mode @ ("auto" | "none")), ..) => Some(json!(mode)),
        (Some("required"), _, [only]) => Some(json!({"name": only.get("name")})),
        (_, Some(name), _) => Some(json!({ "name": name })),
        _ => None,
    }
}

/// Writes a message anew, and says whether calls are lost: it knows one function call a turn.
fn history(message: &mut Map) -> bool {
    if message.get("role").and_then(Value::as_str) == Some("tool") {
        message.insert("role".into(), "function".into());
        message.shift_remove("tool_call_id");
    }
    let Some(Value::Array(calls)) = message.shift_remove("tool_calls") else {
        return false;
    };
    let Some(mut function) = calls.first().and_then(|call| call.get("function").cloned()) else {
        return false;
    };
    if let Some(arguments) = function.get_mut("arguments") {
        let parsed = arguments
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        *arguments = parsed.unwrap_or_else(|| json!({}));
    }
    message.insert("function_call".into(), function);
    calls.len() > 1
}
