//! Names of models: the well-known ones, and those that are near a name that nobody has.

use std::sync::Arc;

use llm_cost::{MessageOptions, PriceTable, count_messages, count_text};
use llm_providers::{Provider, lookup};
use llm_router::{Deployment, Router};
use llm_sdk::Beside;
use llm_types::{Map, Message, Tool, nearest::distance};
use serde_json::Value;

/// OpenAI's parameters of a chat request.
const STANDARD: &[&str] = &[
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "max_tokens",
    "max_completion_tokens",
    "modalities",
    "prediction",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "function_call",
    "functions",
    "parallel_tool_calls",
    "audio",
    "response_format",
    "user",
    "extra_headers",
];

/// Names that are suggested, at most.
const MOST: usize = 5;

/// The name to route by, for a well-known name without a vendor: `gpt-4o` is `openai/gpt-4o` where that is answered for.
pub(crate) fn with_vendor(model: &str, router: &Router) -> Option<String> {
    if !router.deployments(model).is_empty() {
        return None;
    }
    let vendor = PriceTable::embedded().provider_of(model)?;
    let whole = format!("{vendor}/{model}");
    (!router.deployments(&whole).is_empty()).then_some(whole)
}

/// What to do about a well-known name of a vendor that this gateway has no key for.
pub(crate) fn missing_key(model: &str) -> Option<String> {
    let vendor = match model.split_once('/') {
        Some((vendor, _)) => vendor,
        None => PriceTable::embedded().provider_of(model)?,
    };
    let key = lookup(vendor)?.key_env.first()?;
    Some(format!(" It is a model of {vendor}: set {key} to use it."))
}

/// The parameters that a provider takes, in OpenAI's words.
pub(crate) fn params(provider: &Provider) -> Vec<&'static str> {
    let params = &provider.params;
    let mut all: Vec<&str> = STANDARD
        .iter()
        .copied()
        .filter(|name| !params.refuses.contains(name))
        .filter(|name| *name != "user" || params.user)
        .filter(|name| *name != "stream_options" || params.stream_options)
        .collect();
    all.extend(params.accepts);
    all
}

/// How many tokens a request of any dialect has, as far as that can be known here.
pub(crate) fn count_tokens(model: &str, body: &Map) -> Result<u64, String> {
    let field = |key: &str| body.get(key).cloned().unwrap_or_default();
    if let Some(Value::String(prompt)) = body.get("prompt") {
        return Ok(count_text(model, prompt).tokens);
    }
    let mut messages: Vec<Message> = match field("messages") {
        Value::Null => Vec::new(),
        messages => serde_json::from_value(messages).map_err(|e| format!("'messages': {e}"))?,
    };
    let system = match field("system") {
        Value::String(text) => text,
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    };
    if !system.is_empty() {
        messages.insert(
            0,
            Message {
                role: "system".into(),
                content: Some(system.as_str().into()),
                ..Message::default()
            },
        );
    }
    // Tools of Anthropic's shape count as their text.
    let tools = field("tools");
    let typed: Option<Vec<Tool>> = serde_json::from_value(tools.clone())
        .ok()
        .filter(|tools: &Vec<Tool>| tools.iter().all(|tool| tool.function.is_some()));
    let beside = match (&typed, &tools) {
        (None, Value::Array(_)) => count_text(model, &tools.to_string()).tokens,
        _ => 0,
    };
    let counted = count_messages(
        model,
        &messages,
        typed.as_deref().unwrap_or_default(),
        None,
        &MessageOptions {
            unknown_part: Some(0),
            ..MessageOptions::default()
        },
    )
    .map_err(|part| part.to_string())?;
    Ok(counted.tokens + beside)
}

/// The groups of models: all but search tools and accounts.
pub(crate) fn models(router: &Router) -> impl Iterator<Item = (&str, &[Arc<Deployment>])> {
    router
        .groups()
        .filter(|(name, _)| Beside::of(name).is_none())
}

/// The names a router answers for, patterns included, without the catch-all.
pub(crate) fn names(router: &Router) -> impl Iterator<Item = &str> {
    let groups = models(router).map(|(name, _)| name);
    let aliases = router.settings().aliases.keys().map(String::as_str);
    groups.chain(aliases).filter(|name| *name != "*")
}

/// The names most like `wanted`.
pub(crate) fn near<'a>(wanted: &str, router: &'a Router) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    // Longer names than anyone has are not worth comparing.
    if wanted.len() > 100 {
        return Vec::new();
    }
    let tail = wanted.rsplit('/').next().unwrap_or(&wanted);
    let mut scored: Vec<(usize, &str)> = names(router)
        .map(|name| {
            let lower = name.to_lowercase();
            let last = lower.rsplit('/').next().unwrap_or(&lower);
            (distance(&wanted, &lower).min(distance(tail, last)), name)
        })
        .filter(|(distance, _)| *distance * 2 <= wanted.len().max(4))
        .collect();
    scored.sort_unstable();
    if scored.is_empty() {
        return names(router).take(MOST).collect();
    }
    scored
        .into_iter()
        .take(MOST)
        .map(|(_, name)| name)
        .collect()
}
