//! Whoever has the fewest attempts under way.

use super::lowest;
use crate::{Candidate, Dice, Looks, Strategy};

/// The fewest attempts under way; one of several equals at random.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeastBusy;

impl Strategy for LeastBusy {
    fn name(&self) -> &'static str {
        "least-busy"
    }

    fn looks(&self) -> Looks {
        Looks {
            load: true,
            ..Looks::default()
        }
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        candidate.load.in_flight as f64
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        lowest(candidates, dice, |candidate| self.score(candidate))
    }
}
