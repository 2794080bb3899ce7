//! How much to think: OpenAI's effort and Anthropic's budget to Gemini's `thinkingConfig`.

use llm_types::ChatRequest;
use serde_json::{Value, json};

use super::model::Model;
use crate::{Error, Kind};

/// The `thinkingConfig` that the request asks for, if it asks for any.
pub(crate) fn config(request: &ChatRequest, model: Model<'_>) -> Result<Option<Value>, Error> {
    if let Some(thinking) = &request.thinking {
        return Ok(Some(budget(thinking, model)));
    }
    let Some(effort) = &request.reasoning_effort else {
        return Ok(None);
    };
    let effort = effort.as_str().or_else(|| effort.get("effort")?.as_str());
    let Some(effort) = effort else {
        return Err(Error::bad_request(
            "reasoning_effort",
            "expected a level, or an object with 'effort'",
        ));
    };
    let config = if model.is_3() {
        level(effort, model)
    } else {
        tokens(effort, model)
    };
    match config {
        Some(config) => Ok(Some(config)),
        None => {
            let mut error = Error::new(
                Kind::BadRequest,
                format!(
                    "Gemini has no reasoning_effort '{effort}': use none, minimal, low, medium or high"
                ),
            );
            error.param = Some("reasoning_effort".into());
            Err(error)
        }
    }
}

/// `{type: enabled, budget_tokens}`, `{type: disabled}` or `{type: adaptive}`.
fn budget(thinking: &Value, model: Model<'_>) -> Value {
    let tokens = thinking.get("budget_tokens").and_then(Value::as_i64);
    match thinking.get("type").and_then(Value::as_str) {
        Some("disabled") => off(model),
        // Minus one: as much as the model sees fit.
        Some("adaptive") => json!({"includeThoughts": true, "thinkingBudget": -1}),
        _ => match tokens {
            Some(0) => off(model),
            Some(tokens) => json!({"includeThoughts": true, "thinkingBudget": tokens}),
            None => json!({"includeThoughts": true}),
        },
    }
}

fn off(model: Model<'_>) -> Value {
    if model.is_3() {
        json!({"includeThoughts": false, "thinkingLevel": model.minimal_level()})
    } else {
        json!({"includeThoughts": false, "thinkingBudget": 0})
    }
}

fn tokens(effort: &str, model: Model<'_>) -> Option<Value> {
    let tokens = match effort {
        "none" | "disable" => return Some(off(model)),
        "minimal" => model.minimal_budget(),
        "low" => 1024,
        "medium" => 2048,
        "high" => 4096,
        _ => return None,
    };
    Some(json!({"includeThoughts": true, "thinkingBudget": tokens}))
}

fn level(effort: &str, model: Model<'_>) -> Option<Value> {
    let level = match effort {
        "none" | "disable" => return Some(off(model)),
        "minimal" => model.minimal_level(),
        "low" | "medium" | "high" => effort,
        _ => return None,
    };
    Some(json!({"includeThoughts": true, "thinkingLevel": level}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(effort: &str, model: &str) -> Result<Option<Value>, Error> {
        let request = ChatRequest {
            reasoning_effort: Some(effort.into()),
            ..ChatRequest::default()
        };
        config(&request, Model::new(model))
    }

    #[test]
    fn effort_is_a_budget_or_a_level() {
        let cases = [
            (
                "none",
                "gemini-2.5-flash",
                json!({"includeThoughts": false, "thinkingBudget": 0}),
            ),
            (
                "minimal",
                "gemini-2.5-flash",
                json!({"includeThoughts": true, "thinkingBudget": 1}),
            ),
            (
                "minimal",
                "gemini-2.5-flash-lite",
                json!({"includeThoughts": true, "thinkingBudget": 512}),
            ),
            (
                "minimal",
                "gemini-2.5-pro",
                json!({"includeThoughts": true, "thinkingBudget": 128}),
            ),
            (
                "high",
                "gemini-2.5-pro",
                json!({"includeThoughts": true, "thinkingBudget": 4096}),
            ),
            (
                "none",
                "gemini-3-pro-preview",
                json!({"includeThoughts": false, "thinkingLevel": "low"}),
            ),
            (
                "minimal",
                "gemini-3-flash-preview",
                json!({"includeThoughts": true, "thinkingLevel": "minimal"}),
            ),
            (
                "medium",
                "gemini-3.1-pro-preview",
                json!({"includeThoughts": true, "thinkingLevel": "medium"}),
            ),
        ];
        for (effort, model, expected) in cases {
            assert_eq!(
                ask(effort, model).expect("a config"),
                Some(expected),
                "{effort} {model}"
            );
        }
        let error = ask("xhigh", "gemini-2.5-pro").expect_err("refused");
        assert_eq!(error.param.as_deref(), Some("reasoning_effort"));
    }
}
