//! Token counts that vendors write otherwise than OpenAI.

use llm_types::{Map, Usage};
use serde_json::{Value, value::RawValue};

/// xAI counts money in ten-billionths of a dollar.
const TICKS_PER_DOLLAR: f64 = 1e10;

/// A usage in OpenAI's meaning.
pub(super) struct Read {
    pub(super) usage: Usage,
    /// Whether it had to be changed to mean that.
    pub(super) changed: bool,
}

/// Reads a usage. What cannot be read costs no answer.
pub(super) fn read(raw: &RawValue) -> Option<Read> {
    let mut usage: Usage = serde_json::from_str(raw.get()).ok()?;
    let changed = normalise(&mut usage);
    Some(Read { usage, changed })
}

/// Puts a document's usage right, and returns it.
pub(super) fn repair(document: &mut Map) -> Option<Usage> {
    let mut usage: Usage = serde_json::from_value(document.get("usage")?.clone()).ok()?;
    if normalise(&mut usage)
        && let Ok(value) = serde_json::to_value(&usage)
    {
        document.insert("usage".into(), value);
    }
    Some(usage)
}

/// Puts the counts into OpenAI's meaning; whether anything had to be changed for that.
pub(super) fn normalise(usage: &mut Usage) -> bool {
    let mut changed = in_and_out(usage);
    changed |= cached_tokens(usage);
    changed |= reasoning_tokens(usage);
    if let Some(ticks) = usage.extra.get("cost_in_usd_ticks").and_then(Value::as_f64)
        && !usage.extra.contains_key("cost")
    {
        let cost = ticks / TICKS_PER_DOLLAR;
        usage.extra.insert("cost".into(), cost.into());
        changed = true;
    }
    let sum = usage.prompt_tokens.saturating_add(usage.completion_tokens);
    if usage.total_tokens == 0 && sum > 0 {
        usage.total_tokens = sum;
        changed = true;
    }
    changed
}

/// AssemblyAI counts under the names of the Responses API.
fn in_and_out(usage: &mut Usage) -> bool {
    if usage.prompt_tokens > 0 || usage.completion_tokens > 0 {
        return false;
    }
    let own = |name: &str| usage.extra.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (prompt, completion) = (own("input_tokens"), own("output_tokens"));
    (usage.prompt_tokens, usage.completion_tokens) = (prompt, completion);
    prompt > 0 || completion > 0
}

/// Together, Moonshot, Mistral and DeepSeek have names of their own for tokens read from the cache.
fn cached_tokens(usage: &mut Usage) -> bool {
    const NAMES: [&str; 3] = [
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
    ];
    let known = usage
        .prompt_tokens_details
        .as_ref()
        .is_some_and(|details| details.cached_tokens > 0);
    let own = NAMES
        .iter()
        .find_map(|name| usage.extra.get(*name)?.as_u64())
        .filter(|cached| *cached > 0 && !known);
    if let Some(cached) = own {
        usage
            .prompt_tokens_details
            .get_or_insert_default()
            .cached_tokens = cached;
    }
    own.is_some()
}

/// The output includes the thinking; where a total shows that a vendor counts it apart, it is added.
fn reasoning_tokens(usage: &mut Usage) -> bool {
    let mut changed = false;
    if usage.reasoning_tokens() == 0
        && let Some(own) = usage.extra.get("reasoning_tokens").and_then(Value::as_u64)
        && own > 0
    {
        usage
            .completion_tokens_details
            .get_or_insert_default()
            .reasoning_tokens = own;
        changed = true;
    }
    let (reasoning, sum) = (
        usage.reasoning_tokens(),
        usage.prompt_tokens.saturating_add(usage.completion_tokens),
    );
    if reasoning > 0 && usage.total_tokens == sum.saturating_add(reasoning) {
        usage.completion_tokens = usage.completion_tokens.saturating_add(reasoning);
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> (Usage, bool) {
        let raw = RawValue::from_string(text.to_owned()).expect("json");
        let read = read(&raw).expect("usage");
        (read.usage, read.changed)
    }

    #[test]
    fn openai_s_own_is_left_alone() {
        let (_, changed) = usage(
            r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"completion_tokens_details":{"reasoning_tokens":3}}"#,
        );
        assert!(!changed);
    }

    #[test]
    fn thinking_that_is_counted_apart_is_added() {
        let (usage, _) = usage(
            r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":15,"completion_tokens_details":{"reasoning_tokens":3},"cost_in_usd_ticks":5000000000}"#,
        );
        assert_eq!((usage.completion_tokens, usage.total_tokens), (10, 15));
        assert_eq!(usage.extra["cost"], 0.5);
    }

    #[test]
    fn what_goes_in_and_out_is_found_under_other_names() {
        let (own, changed) = usage(r#"{"input_tokens":14,"output_tokens":5,"total_tokens":19}"#);
        assert_eq!(
            (own.prompt_tokens, own.completion_tokens, changed),
            (14, 5, true)
        );
        let (own, changed) = usage(
            r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"input_tokens":0}"#,
        );
        assert_eq!(
            (own.prompt_tokens, own.completion_tokens, changed),
            (5, 7, false)
        );
    }

    #[test]
    fn cached_tokens_are_found_under_other_names() {
        let (usage, _) = usage(
            r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"cached_tokens":4}"#,
        );
        assert_eq!(usage.cached_tokens(), 4);
    }
}
