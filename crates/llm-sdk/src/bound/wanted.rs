//! How much of an answer a request asks for.

use llm_router::Deployment;
use llm_types::{CompletionDetails, JsonObject, Map, Op, Usage};
use serde_json::Value;

/// The most answers that are counted.
const MOST: u64 = 4_096;

/// How long the request lets its answer get: as long as the most generous of its words, as vendors obey different ones.
pub(super) fn longest(deployment: &Deployment, body: &JsonObject) -> Option<u64> {
    let number = |key: &str| {
        let own = body.get::<u64>(key).ok().flatten();
        own.or_else(|| deployment.defaults.get(key).ok().flatten())
    };
    let own = ["max_completion_tokens", "max_tokens", "max_output_tokens"]
        .into_iter()
        .filter_map(number)
        .max();
    // Google's clients say it one level below.
    own.or_else(|| config(body)?.get("maxOutputTokens")?.as_u64())
}

/// How many answers it is.
pub(super) fn answers(op: Op, body: &JsonObject) -> u64 {
    let number = |key: &str| body.get::<u64>(key).ok().flatten();
    let below = || config(body)?.get("candidateCount")?.as_u64();
    // Of the best of several, all are paid for.
    let each = number("n").max(number("best_of")).or_else(below);
    let prompts = match op {
        Op::Completion => prompts(body),
        _ => 1,
    };
    each.unwrap_or(1)
        .max(1)
        .saturating_mul(prompts)
        .clamp(1, MOST)
}

/// The same usage with an answer of everything that the request asks for: speech and pictures have prices of their own.
pub(super) fn spoken(body: &JsonObject, usage: &Usage) -> Vec<Usage> {
    let mut kinds: Vec<String> = body.get("modalities").ok().flatten().unwrap_or_default();
    if let Some(Value::Array(named)) =
        config(body).and_then(|mut all| all.remove("responseModalities"))
    {
        kinds.extend(
            named
                .iter()
                .filter_map(|kind| Some(kind.as_str()?.to_lowercase())),
        );
    }
    let tokens = usage.completion_tokens;
    let with = |details| Usage {
        completion_tokens_details: Some(details),
        ..usage.clone()
    };
    let mut all = Vec::new();
    if kinds.iter().any(|kind| kind == "audio") {
        all.push(with(CompletionDetails {
            audio_tokens: tokens,
            ..CompletionDetails::default()
        }));
    }
    if kinds.iter().any(|kind| kind == "image") {
        all.push(with(CompletionDetails {
            image_tokens: tokens,
            ..CompletionDetails::default()
        }));
    }
    all
}

/// Several prompts have an answer each; one may be a list of tokens.
fn prompts(body: &JsonObject) -> u64 {
    match body.get::<Value>("prompt") {
        Ok(Some(Value::Array(all))) if !all.first().is_some_and(Value::is_number) => {
            all.len() as u64
        }
        _ => 1,
    }
}

fn config(body: &JsonObject) -> Option<Map> {
    body.get("generationConfig").ok().flatten()
}
