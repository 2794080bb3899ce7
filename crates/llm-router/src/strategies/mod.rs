//! The strategies, and finding one by its name in a configuration.

mod args;
mod cost;
mod latency;
mod least_busy;
mod priority;
mod shuffle;
mod sticky;
#[cfg(test)]
mod tests;
mod usage;

use std::{collections::BTreeMap, sync::Arc};

use llm_types::Map;

pub use cost::CostBased;
pub use latency::LatencyBased;
pub use least_busy::LeastBusy;
pub use priority::Priority;
pub use shuffle::SimpleShuffle;
pub use sticky::StickyShuffle;
pub use usage::{UsageBased, UsageBasedV2};

use crate::{Candidate, Dice, SettingsError, Strategy};
use args::Args;

/// The names that [`named`] knows.
pub const NAMES: &[&str] = &[
    "simple-shuffle",
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
    "provider-budget-routing",
    "priority",
    "sticky-shuffle",
];

/// The strategy that a configuration names, with its arguments (LiteLLM's `routing_strategy_args`). Refuses a name, or
/// an argument, that means nothing.
pub fn named(name: &str, args: &Map) -> Result<Arc<dyn Strategy>, SettingsError> {
    let mut args = Args::new(name, args);
    let strategy: Arc<dyn Strategy> = match name {
        // Budgets are a filter: what is left is shuffled.
        "simple-shuffle" | "provider-budget-routing" => Arc::new(SimpleShuffle),
        "least-busy" => Arc::new(LeastBusy),
        "usage-based-routing" => {
            args.passed_over("ttl");
            Arc::new(UsageBased)
        }
        "usage-based-routing-v2" => {
            args.passed_over("ttl");
            Arc::new(UsageBasedV2)
        }
        "latency-based-routing" => Arc::new(LatencyBased::from_args(&mut args)?),
        "cost-based-routing" => {
            args.passed_over("ttl");
            Arc::new(CostBased)
        }
        "priority" => Arc::new(Priority::from_args(&mut args)?),
        "sticky-shuffle" => Arc::new(StickyShuffle),
        unknown => {
            return Err(SettingsError(format!(
                "unknown routing_strategy '{unknown}'{}",
                args::hint(unknown, NAMES)
            )));
        }
    };
    args.finish()?;
    Ok(strategy)
}

/// Every strategy that needs no arguments, by its name.
pub(crate) fn all() -> BTreeMap<&'static str, Arc<dyn Strategy>> {
    let plain = NAMES.iter().filter(|name| **name != "priority");
    let one = |name: &&'static str| Some((*name, named(name, &Map::new()).ok()?));
    plain.filter_map(one).collect()
}

/// One of the candidates with the lowest score, each of equals with the same chance. What is not a number is worth
/// less than everything else.
fn lowest(
    candidates: &[Candidate<'_>],
    dice: &mut Dice,
    score: impl Fn(&Candidate<'_>) -> f64,
) -> usize {
    let mut best = (f64::INFINITY, 0, 0);
    for (i, candidate) in candidates.iter().enumerate() {
        let score = score(candidate);
        let score = if score.is_nan() { f64::INFINITY } else { score };
        let (lowest, equals, _) = best;
        if score < lowest {
            best = (score, 1, i);
        } else if score == lowest {
            best.1 = equals + 1;
            if dice.index(best.1) == 0 {
                best.2 = i;
            }
        }
    }
    best.2
}

/// One of the candidates that `fit`, each with the same chance.
fn any(
    candidates: &[Candidate<'_>],
    dice: &mut Dice,
    fits: impl Fn(&Candidate<'_>) -> bool,
) -> Option<usize> {
    let mut picked = None;
    let mut count = 0;
    for (i, candidate) in candidates.iter().enumerate() {
        if fits(candidate) {
            count += 1;
            if dice.index(count) == 0 {
                picked = Some(i);
            }
        }
    }
    picked
}
