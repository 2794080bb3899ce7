//! Whoever has used the fewest tokens of this minute.

use super::lowest;
use crate::{Candidate, Dice, Looks, Strategy};

/// The fewest tokens used this minute; of equals, the fewest requests. What attempts under way will use is not looked
/// at, as in LiteLLM's first version: a burst of long requests may go one way.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageBased;

/// The fewest tokens of this minute, used or expected by attempts under way; one of several equals at random. Whoever
/// has no room for the request is left out before.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageBasedV2;

/// More requests than one deployment can have in a minute: they only decide between equals.
const MANY: f64 = 1e9;

impl Strategy for UsageBased {
    fn name(&self) -> &'static str {
        "usage-based-routing"
    }

    fn looks(&self) -> Looks {
        Looks {
            load: true,
            tokens: true,
            ..Looks::default()
        }
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        let load = candidate.load;
        load.tokens.saturating_sub(load.expected) as f64
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        lowest(candidates, dice, |candidate| {
            self.score(candidate) + candidate.load.requests as f64 / MANY
        })
    }
}

impl Strategy for UsageBasedV2 {
    fn name(&self) -> &'static str {
        "usage-based-routing-v2"
    }

    fn looks(&self) -> Looks {
        Looks {
            load: true,
            tokens: true,
            ..Looks::default()
        }
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        candidate.load.tokens as f64
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        lowest(candidates, dice, |candidate| self.score(candidate))
    }
}
