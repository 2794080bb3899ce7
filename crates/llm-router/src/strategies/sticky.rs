//! By weight, and the same asker always to the same deployment.

use super::{SimpleShuffle, shuffle::Shares};
use crate::{Candidate, Dice, Looks, Strategy};

/// Shares the traffic by the weights of [`SimpleShuffle`], and gives the same asker the same deployment each time: for
/// comparing two models on users who do not change sides. When a side is added or its weight grows, only those move who
/// move to it. A request of nobody in particular is shuffled.
#[derive(Debug, Clone, Copy, Default)]
pub struct StickyShuffle;

impl Strategy for StickyShuffle {
    fn name(&self) -> &'static str {
        "sticky-shuffle"
    }

    fn looks(&self) -> Looks {
        Looks {
            asker: true,
            ..Looks::default()
        }
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        SimpleShuffle.score(candidate)
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        let shares = Shares::of(candidates);
        // Weighted rendezvous: the time of each candidate's first event, if events come at the rate of its weight. The
        // earliest wins, and how early one is does not depend on the others.
        let mut earliest = (f64::INFINITY, None);
        for (i, candidate) in candidates.iter().enumerate() {
            let Some(lot) = candidate.lot else { continue };
            let share = shares.map_or(1.0, |shares| shares.of_one(candidate));
            // -ln(x) is at least 1 - x, which is enough to leave nearly all of a thousand out.
            if (1.0 - lot) / share > earliest.0 {
                continue;
            }
            let time = -lot.ln() / share;
            if time < earliest.0 {
                earliest = (time, Some(i));
            }
        }
        match earliest.1 {
            Some(i) => i,
            None => SimpleShuffle.pick(candidates, dice),
        }
    }
}
