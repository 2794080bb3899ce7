use llm_types::{Map, Op};
use serde_json::{Value, json};

use crate::{Call, Error, Params, Prefill, Provider};

/// DeepSeek: <https://api-docs.deepseek.com/>
pub(super) const ROW: Provider = Provider {
    name: "deepseek",
    base_url: "https://api.deepseek.com/beta",
    base_env: &["DEEPSEEK_API_BASE"],
    key_env: &["DEEPSEEK_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Responses],
    params: Params::THINKING,
    // A turn that called tools must come back with its thinking, or the next one is refused.
    keeps: &["reasoning_content", "reasoning"],
    hosts: &["api.deepseek.com"],
    prefill: Prefill::PrefixKey { echoes: false },
    quirk: Some(quirk),
    docs: "https://api-docs.deepseek.com/",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op == Op::Responses
        && let Some(base) = call.base_url().strip_suffix("/beta")
    {
        // What is new for chat is under another address than what is new besides it.
        call.base_url = Some(base.to_owned());
    }
    if call.op != Op::Chat {
        return Ok(());
    }
    thinking(call)?;
    functions_only(call)
}

/// `thinking` is a switch without a budget; an effort of `none` switches it off, any other on.
fn thinking(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let effort = body.str("reasoning_effort").map(|e| e.into_owned());
    if let Some(mut thinking) = body.get::<Map>("thinking")? {
        if thinking.shift_remove("budget_tokens").is_some() {
            body.set("thinking", &thinking);
            call.notice(
                "thinking",
                "budget_tokens is not sent: DeepSeek has no budget",
            );
        }
    } else if let Some(effort) = &effort {
        let kind = if effort == "none" {
            "disabled"
        } else {
            "enabled"
        };
        body.set("thinking", &json!({ "type": kind }));
    }
    if effort.as_deref() == Some("none") {
        call.fields_mut().remove("reasoning_effort");
    }
    Ok(())
}

/// It knows no tools but functions.
fn functions_only(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    if body.raw("tools").is_none() {
        return Ok(());
    }
    let mut tools: Vec<Value> = body.get("tools")?.unwrap_or_default();
    let before = tools.len();
    tools.retain(|tool| tool.get("function").is_some());
    if tools.len() < before {
        body.set("tools", &tools);
        call.notice("tools", "tools that are no functions are not sent");
    }
    Ok(())
}
