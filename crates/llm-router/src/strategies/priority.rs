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
        let ranks: Vec<i64> = candidates.iter().map(|c| self.rank(c.deployment)).collect();
        let first = ranks.iter().min().copied().unwrap_or(i64::MAX);
        let indexes: Vec<usize> = (0..ranks.len()).filter(|i| ranks[*i] == first).collect();
        let those: Vec<Candidate<'_>> = indexes.iter().map(|i| candidates[*i]).collect();
        indexes[SimpleShuffle.pick(&those, dice)]
    }
}
