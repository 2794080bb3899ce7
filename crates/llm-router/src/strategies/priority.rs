//! In a given order of model groups.

use std::collections::BTreeMap;

use super::{SimpleShuffle, args::Args};
use crate::{Candidate, Deployment, Dice, SettingsError, Strategy};

/// The model group with the lowest number first, as long as one of its deployments can be asked; within it, shuffled.
/// For routing groups, which unite several model groups. Who has no number comes last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Priority {
    /// Model group -> its number.
    pub ranks: BTreeMap<String, i64>,
}

impl Priority {
    pub(super) fn from_args(args: &mut Args<'_>) -> Result<Self, SettingsError> {
        let ranks = args.ranks("model_priorities")?.unwrap_or_default();
        Ok(Self {
            ranks: ranks.into_iter().collect(),
        })
    }

    /// The rank of each; nothing where nobody has one.
    fn ranks_of(&self, candidates: &[Candidate<'_>]) -> Vec<i64> {
        let mut ranks = Vec::new();
        if self.ranks.is_empty() {
            return ranks;
        }
        // Deployments of a group stand together: its rank is looked up once.
        let mut last = ("", i64::MAX);
        for candidate in candidates {
            let group = candidate.deployment.group.as_str();
            if ranks.is_empty() || group != last.0 {
                last = (group, self.rank(candidate.deployment));
            }
            ranks.push(last.1);
        }
        ranks
    }

    fn rank(&self, deployment: &Deployment) -> i64 {
        self.ranks
            .get(&deployment.group)
            .copied()
            .unwrap_or(i64::MAX)
    }
}

impl Strategy for Priority {
    fn name(&self) -> &'static str {
        "priority"
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        self.rank(candidate.deployment) as f64
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        let ranks = self.ranks_of(candidates);
        let first = ranks.iter().min().copied().unwrap_or(i64::MAX);
        if ranks.iter().all(|rank| *rank == first) {
            return SimpleShuffle.pick(candidates, dice);
        }
        let indexes: Vec<usize> = (0..ranks.len()).filter(|i| ranks[*i] == first).collect();
        let those: Vec<Candidate<'_>> = indexes.iter().map(|i| candidates[*i]).collect();
        indexes[SimpleShuffle.pick(&those, dice)]
    }
}
