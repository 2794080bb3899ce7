//! Databricks model serving: OpenAI's wire under `/serving-endpoints`; Claude takes Anthropic's `thinking`.

use llm_types::{Op, Tool};
use serde_json::{Value, json};

use super::effort;
use crate::{Call, Error};

/// A workspace's bare address means its serving endpoints.
fn with_path(base: &str) -> Option<String> {
    let (_, rest) = base.split_once("://")?;
    let bare = !rest.trim_end_matches('/').contains('/');
    bare.then(|| format!("{}/serving-endpoints", base.trim_end_matches('/')))
}

/// Claude behind Databricks takes Anthropic's `thinking`, and no `strict` tools. Part of settling a call's parameters.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    call.base_url = with_path(call.base_url());
    if call.op != Op::Chat || !call.model().contains("claude") {
        return Ok(());
    }
    if let Some(mut tools) = call.json()?.get::<Vec<Tool>>("tools")? {
        let strict = tools
            .iter_mut()
            .filter_map(|tool| tool.function.as_mut()?.strict.take())
            .count();
        if strict > 0 {
            call.json_mut()?.set("tools", &tools);
            call.notice(
                "tools[*].function.strict",
                "dropped: Databricks refuses it with Claude",
            );
        }
    }
    let body = call.json_mut()?;
    let effort: Option<Value> = body.take("reasoning_effort")?;
    let level = effort.as_ref().and_then(effort::level);
    if let Some(level) = level.filter(|_| !body.contains("thinking")) {
        match effort::budget(level) {
            Some(0) => {}
            // Anthropic's floor.
            Some(budget) => body.set(
                "thinking",
                &json!({"type": "enabled", "budget_tokens": budget.max(1024)}),
            ),
            None => {
                return Err(Error::bad_request(
                    "reasoning_effort",
                    format!("'{level}' is not a level of effort"),
                ));
            }
        }
    }
    let thinking: Option<Value> = body.get("thinking")?;
    if let Some(budget) = thinking.and_then(|thinking| thinking["budget_tokens"].as_u64())
        && !body.contains("max_tokens")
    {
        body.set("max_tokens", &(budget + 4096));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::with_path;

    #[test]
    fn only_a_bare_workspace_gets_the_path() {
        assert_eq!(
            with_path("https://adb-1.azuredatabricks.net/").as_deref(),
            Some("https://adb-1.azuredatabricks.net/serving-endpoints")
        );
        assert_eq!(with_path("https://x/serving-endpoints"), None);
    }
}
