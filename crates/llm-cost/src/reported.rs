//! Vendors that put their own bill into the answer.

use llm_types::Usage;
use serde_json::Value;

use crate::{CostContext, Dollars};

/// xAI counts in ten-thousand-millionths of a dollar.
const TICKS_PER_DOLLAR_DIGITS: i32 = 10;

/// The vendor's own figure, where it is known to be the bill.
pub(crate) fn amount(usage: &Usage, ask: &CostContext<'_>) -> Option<Dollars> {
    if let Some(text) = ask.reported {
        return Dollars::parse(text);
    }
    let cost = usage.extra.get("cost");
    match ask.provider {
        "openrouter" => Dollars::from_json(cost?),
        "perplexity" => Dollars::from_json(cost?.get("total_cost")?),
        "xai" => {
            let ticks = usage.extra.get("cost_in_usd_ticks").and_then(Value::as_u64);
            match ticks {
                Some(ticks) => Dollars::parse(&format!("{ticks}e-{TICKS_PER_DOLLAR_DIGITS}")),
                None => None,
            }
        }
        _ => None,
    }
}
