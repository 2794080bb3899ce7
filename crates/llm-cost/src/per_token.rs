//! Prices plain counts: what a caller knows who has no usage object.

use llm_types::Usage;

use crate::{Cost, CostContext, Dollars, Pricing, cost};

/// Token counts of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// All input tokens, cached ones included.
    pub prompt: u64,
    /// All output tokens.
    pub completion: u64,
    /// Of the input, read from the vendor's cache.
    pub cache_read: u64,
    /// Of the input, written to the vendor's cache.
    pub cache_write: u64,
}

/// Dollars for the prompt and dollars for the answer, without the vendor's tools.
pub fn cost_per_token(
    pricing: &Pricing,
    counts: &TokenCounts,
    ask: &CostContext<'_>,
) -> (Dollars, Dollars) {
    let bill: Cost = cost(pricing, &counts.to_usage(), ask);
    (bill.prompt(), bill.completion())
}

impl TokenCounts {
    /// The counts as a usage.
    pub fn to_usage(&self) -> Usage {
        let mut usage = Usage::new(self.prompt, self.completion);
        if self.cache_read > 0 || self.cache_write > 0 {
            let details = usage.prompt_tokens_details.get_or_insert_default();
            details.cached_tokens = self.cache_read;
            details.cache_creation_tokens = self.cache_write;
        }
        usage
    }
}
