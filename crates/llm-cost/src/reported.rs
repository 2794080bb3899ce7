//! Vendors that put their own bill into the answer.

use llm_types::Usage;
use serde_json::Value;

use crate::{CostContext, Dollars};

/// xAI counts in ten-thousand-millionths of a dollar.
const TICK_DIGITS: u32 = 10;

/// The vendor's own figure, where it is known to be the bill.
pub(crate) fn amount(usage: &Usage, ask: &CostContext<'_>) -> Option<Dollars> {
    if let Some(text) = ask.reported {
        return Dollars::parse_nearest(text);
    }
    let cost = usage.extra.get("cost");
    match ask.provider {
        "openrouter" => Dollars::from_json(cost?).map(|cost| cost.plus(own_key(usage))),
        "deepinfra" | "exa_ai" | "dataforseo" => Dollars::from_json(cost?),
        "perplexity" => Dollars::from_json(cost?.get("total_cost")?),
        "xai" => {
            let ticks = usage.extra.get("cost_in_usd_ticks")?.as_u64()?;
            Dollars::parse(&format!("{ticks}e-{TICK_DIGITS}"))
        }
        _ => None,
    }
}

/// With the user's own key OpenRouter's figure is its fee alone; the vendor behind it bills the user apart.
fn own_key(usage: &Usage) -> Dollars {
    let own_key = usage.extra.get("is_byok").and_then(Value::as_bool);
    let upstream = usage
        .extra
        .get("cost_details")
        .and_then(|details| details.get("upstream_inference_cost"));
    match own_key {
        Some(true) => upstream.and_then(Dollars::from_json).unwrap_or_default(),
        _ => Dollars::ZERO,
    }
}
