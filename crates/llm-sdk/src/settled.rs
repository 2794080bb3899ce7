//! What vendors' batches, and responses that are made in the background, cost: told once, when it is first known.
//!
//! A response of the background is charged when it is first shown as over, or when its stream first ends.
//! A batch that says what it consumed is charged when it is first shown as over. Of the others the answers say it: they are
//! charged when the file of answers was first fetched to its end.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use llm_cost::Adjusted;
use llm_providers::plain_batch_id;
use llm_types::Usage;

use crate::{Charge, price::Rates};

/// As many batches are remembered. A row under the same id is the store's to refuse.
const REMEMBERED: usize = 10_000;

/// What was charged already, as far as this process remembers.
#[derive(Debug, Default)]
pub(crate) struct Settled(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

/// What a batch costs.
pub(crate) struct Bill {
    /// Its own: the same one wherever and whenever it is told.
    pub(crate) id: String,
    pub(crate) usage: Usage,
    pub(crate) charge: Charge,
}

impl Settled {
    /// Whether `id` is heard of for the first time.
    fn is_new(&self, id: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.ids.insert(id.to_owned()) {
            return false;
        }
        known.order.push_back(id.to_owned());
        if known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.ids.remove(&oldest);
        }
        true
    }
}

/// The bill of what the vendor keeps under `id`, by what each model consumed; `None`: there is none, or it was told.
pub(crate) fn bill(rates: &Rates, id: &str, consumed: &[(String, Usage)]) -> Option<Bill> {
    if consumed.is_empty() {
        return None;
    }
    let id = once(rates, "batch", id)?;
    let (mut usage, mut charge) = (Usage::default(), None::<Charge>);
    for (model, of_model) in consumed {
        usage.add(of_model);
        let mut rates = rates.clone();
        rates.measures.batch = true;
        if !model.is_empty() {
            rates.model.clone_from(model);
        }
        let next = rates.charge(Some(of_model));
        charge = Some(match charge {
            None => next,
            Some(charge) => together(charge, next),
        });
    }
    Some(Bill {
        id,
        usage,
        charge: charge.unwrap_or_default(),
    })
}

/// The id of the bill of what the vendor keeps under `id`; `None`: it was told.
pub(crate) fn once(rates: &Rates, kind: &str, id: &str) -> Option<String> {
    let (vendor, id) = (rates.deployment.target.provider.name, plain_batch_id(id));
    let hash = digest(&SHA256, format!("{vendor}/{id}").as_bytes());
    let id = format!("{kind}-{}", hex::encode(&hash.as_ref()[..16]));
    rates.prices.settled.is_new(&id).then_some(id)
}

/// Two bills as one.
pub(crate) fn together(one: Charge, other: Charge) -> Charge {
    let cost = match (one.cost, other.cost) {
        (Some(one), Some(other)) => Some(one.plus(other)),
        (one, other) => one.or(other),
    };
    let adjusted = match (one.adjusted, other.adjusted) {
        (Some(one), Some(other)) => Some(sum(one, other)),
        (one, other) => one.or(other),
    };
    // Of several models together nothing can be priced again.
    Charge {
        cost,
        adjusted,
        basis: None,
    }
}

fn sum(one: Adjusted, other: Adjusted) -> Adjusted {
    let total_cost = one.total_cost.plus(other.total_cost);
    Adjusted {
        original_cost: one.original_cost.plus(other.original_cost),
        discount_amount: one.discount_amount.plus(other.discount_amount),
        margin_total_amount: one.margin_total_amount.plus(other.margin_total_amount),
        total_cost,
        total: total_cost.to_nano(),
        ..one
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use llm_cost::Measures;
    use llm_providers::{Credential, Target, lookup};
    use llm_router::Deployment;

    use super::*;
    use crate::price::Prices;

    fn rates() -> Rates {
        let row = lookup("anthropic").expect("a row");
        let target = Target::new(row, "claude-sonnet-4-5", Credential::None);
        Rates {
            prices: Arc::new(Prices::of_process()),
            deployment: Arc::new(Deployment::new("d", "g", target)),
            model: "claude-sonnet-4-5".into(),
            measures: Measures::default(),
            started: Instant::now(),
        }
    }

    #[test]
    fn a_batch_is_charged_once_at_half_the_price() {
        let (rates, million) = (rates(), Usage::new(1_000_000, 0));
        let consumed = [
            ("claude-sonnet-4-5-20250929".to_owned(), million.clone()),
            ("claude-haiku-4-5-20251001".to_owned(), million),
        ];
        assert!(bill(&rates, "msgbatch_1", &[]).is_none());
        let first = bill(&rates, "msgbatch_1", &consumed).expect("a bill");
        assert_eq!(first.usage.prompt_tokens, 2_000_000);
        let total = first.charge.total().expect("a price");
        // 3 and 1 dollars a million tokens.
        assert_eq!(total.to_string(), "2");
        assert!(bill(&rates, "msgbatch_1", &consumed).is_none());
        let other = bill(&rates, "msgbatch_2", &consumed[..1]).expect("another");
        assert_ne!(other.id, first.id);
    }
}
