//! What an answer costs, in the terms of the layers above.

use llm_cost::{CostContext, Pricing, cost};
use llm_router::Deployment;
use llm_types::Usage;

use crate::surroundings::prices;

/// What a request costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charge {
    /// Nano-dollars; `None` if the model has no known price.
    pub total: Option<i64>,
}

/// Prices `usage` at `deployment`'s rates: its own where it names some, else the price table's.
pub(crate) fn charge(deployment: &Deployment, usage: Option<&Usage>) -> Charge {
    let Some(usage) = usage else {
        return Charge::default();
    };
    let target = &deployment.target;
    let provider = target.provider.name;
    let base = deployment
        .model_info
        .get("base_model")
        .and_then(|model| model.as_str());
    let found = prices().get(provider, base.unwrap_or(&target.model));
    let list = found.as_ref().map(|found| found.row.pricing());
    let own = Pricing::custom(list, &deployment.model_info);
    let total = own
        .as_ref()
        .or(list)
        .filter(|pricing| pricing.is_known())
        .map(|pricing| cost(pricing, usage, &CostContext::of(provider)).total.0);
    Charge { total }
}
