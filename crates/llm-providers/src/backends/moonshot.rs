use llm_types::Op;
use serde_json::{Value, json};

use crate::{Call, Edit, Error, Params, Provider};

/// Moonshot (Kimi): <https://platform.moonshot.ai/docs/api/chat>
pub(super) const ROW: Provider = Provider {
    name: "moonshot",
    base_url: "https://api.moonshot.ai/v1",
    base_env: &["MOONSHOT_API_BASE"],
    key_env: &["MOONSHOT_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    params: Params::STANDARD
        .without(&["functions", "function_call"])
        .with(&["thinking"]),
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    hosts: &["api.moonshot.cn/v1"],
    quirk: Some(quirk),
    docs: "https://platform.moonshot.ai/docs/api/chat",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    temperature(call)?;
    required_tool(call)
}

/// It takes 0 to 1, and several answers only from 0.3 on.
fn temperature(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let Some(asked) = body.get::<f64>("temperature")? else {
        return Ok(());
    };
    let several = body.get::<u64>("n")?.is_some_and(|n| n > 1);
    let sent = asked.clamp(if several { 0.3 } else { 0.0 }, 1.0);
    if sent != asked {
        body.set("temperature", &sent);
        call.notice(
            "temperature",
            format!("sent as {sent}: Moonshot takes no other"),
        );
    }
    Ok(())
}

/// It has no `required`; a last word of the user says the same.
fn required_tool(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    if body.str("tool_choice").as_deref() != Some("required") {
        return Ok(());
    }
    body.remove("tool_choice");
    let mut messages: Vec<Value> = body.get("messages")?.unwrap_or_default();
    messages.push(json!({"role": "user", "content": "Answer by calling one of the tools."}));
    body.set("messages", &messages);
    call.notice(
        "tool_choice",
        "'required' is sent as a message that asks for a tool call",
    );
    Ok(())
}
