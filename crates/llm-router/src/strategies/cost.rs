//! Whoever is cheapest.

use super::lowest;
use crate::{Candidate, Dice, Strategy, TokenPrice};

/// The cheapest token, of a prompt and of an answer together; one of several equals at random. Who has no price is the
/// most expensive: LiteLLM takes 5 dollars for a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct CostBased;

impl Strategy for CostBased {
    fn name(&self) -> &'static str {
        "cost-based-routing"
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        let price = candidate.deployment.price.unwrap_or(TokenPrice::UNKNOWN);
        price.input as f64 + price.output as f64
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        lowest(candidates, dice, |candidate| self.score(candidate))
    }
}
