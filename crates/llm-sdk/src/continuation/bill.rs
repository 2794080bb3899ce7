//! What all attempts at one answer consumed and cost together.

use llm_cost::{Adjusted, MessageOptions, count_messages, count_text};
use llm_types::{JsonObject, Message, Op, Usage};

use crate::Charge;

/// The attempts so far.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    usage: Option<Usage>,
    charge: Charge,
    /// Something in it was counted here, because an attempt broke before its vendor said.
    pub(crate) estimated: bool,
}

impl Bill {
    /// Adds an attempt that is over.
    pub(crate) fn add(&mut self, usage: Option<Usage>, charge: Charge) {
        self.usage = self.with(usage.as_ref());
        self.charge = std::mem::take(&mut self.charge).plus(charge);
    }

    /// The usage of all attempts, and of one that goes on.
    pub(crate) fn with(&self, usage: Option<&Usage>) -> Option<Usage> {
        match (&self.usage, usage) {
            (None, usage) => usage.cloned(),
            (Some(past), None) => Some(past.clone()),
            (Some(past), Some(usage)) => {
                let mut all = past.clone();
                all.add(usage);
                Some(all)
            }
        }
    }

    /// The usage and the charge of all attempts.
    pub(crate) fn total(&self) -> (Option<Usage>, Charge) {
        (self.usage.clone(), self.charge.clone())
    }
}

impl Charge {
    /// Both together. Where one of them is not known, the bill's gaps say so.
    pub(crate) fn plus(self, other: Self) -> Self {
        let basis = match (&self.cost, &other.cost) {
            (Some(_), Some(_)) => None,
            _ => self.basis.or(other.basis),
        };
        Self {
            basis,
            cost: match (self.cost, other.cost) {
                (Some(a), Some(b)) => Some(a.plus(b)),
                (a, b) => a.or(b),
            },
            adjusted: match (self.adjusted, other.adjusted) {
                (Some(a), Some(b)) => Some(both(a, b)),
                (a, b) => a.or(b),
            },
        }
    }
}

/// Amounts are added; the fractions are those of the last attempt.
fn both(a: Adjusted, b: Adjusted) -> Adjusted {
    let total_cost = a.total_cost.plus(b.total_cost);
    Adjusted {
        original_cost: a.original_cost.plus(b.original_cost),
        discount_amount: a.discount_amount.plus(b.discount_amount),
        margin_fixed_amount: a.margin_fixed_amount.plus(b.margin_fixed_amount),
        margin_total_amount: a.margin_total_amount.plus(b.margin_total_amount),
        total_cost,
        total: total_cost.to_nano(),
        ..b
    }
}

/// What an attempt consumed whose vendor did not say, or not to the end: what it said where that is more. `said`: all of
/// the answer, of which `before` tokens are from attempts before this one, and part of its prompt.
pub(crate) fn estimate(
    model: &str,
    op: Op,
    body: &JsonObject,
    said: &str,
    before: u64,
    reported: Option<Usage>,
) -> Usage {
    let mut usage = reported.unwrap_or_default();
    if usage.prompt_tokens == 0 {
        usage.prompt_tokens = prompt(model, op, body).saturating_add(before);
    }
    let completion = count_text(model, said).tokens.saturating_sub(before);
    usage.completion_tokens = usage.completion_tokens.max(completion);
    usage.total_tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
    usage
}

fn prompt(model: &str, op: Op, body: &JsonObject) -> u64 {
    if op == Op::Chat
        && let Ok(Some(messages)) = body.get::<Vec<Message>>("messages")
    {
        let options = MessageOptions {
            unknown_part: Some(0),
            ..MessageOptions::default()
        };
        let tools: Vec<llm_types::Tool> = body.get("tools").ok().flatten().unwrap_or_default();
        if let Ok(count) = count_messages(model, &messages, &tools, None, &options) {
            return count.tokens;
        }
    }
    let texts = ["system", "prompt", "messages", "input", "contents", "tools"];
    let raws = texts.iter().filter_map(|key| body.raw(key));
    raws.map(|raw| count_text(model, &String::from_utf8_lossy(raw)).tokens)
        .sum()
}
