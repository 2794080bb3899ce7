//! Who of several candidates is asked: pure pickers over what is known of each.

pub(crate) use crate::strategies::all;
use crate::{Deployment, Load, SpeedRules};

pub use crate::strategies::{NAMES, named};

/// What a strategy sees of one deployment.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// What it carries, where the strategy [looks](Strategy::looks) at it.
    pub load: Load,
    /// Its recent latency in seconds, where the strategy looks at it and there is any.
    pub latency: Option<f64>,
    /// A number above 0 and below 1 that belongs to the asker and this deployment together: always the same for the
    /// same two. Where the strategy looks at it and somebody is known to ask.
    pub lot: Option<f64>,
    /// The share that the request itself gives it, before all that is configured.
    pub weight: Option<f64>,
}

/// What a strategy looks at: only that is gathered before a pick.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Looks {
    /// At loads.
    pub load: bool,
    /// At latencies.
    pub latency: bool,
    /// At this percentile of the first events of streams, and not at their mean.
    pub percentile: Option<f64>,
    /// At latencies kept in this way, and not as the settings say.
    pub speed: Option<SpeedRules>,
    /// At loads in tokens: a request's tokens are to be estimated before it is routed.
    pub tokens: bool,
    /// At who asks.
    pub asker: bool,
}

/// Picks one of several candidates. Pure: the same candidates and dice give the same pick.
pub trait Strategy: Send + Sync + std::fmt::Debug {
    /// Its name in configurations.
    fn name(&self) -> &'static str;

    /// What it looks at.
    fn looks(&self) -> Looks {
        Looks::default()
    }

    /// What a candidate is worth to it, for people who ask why: what is compared or weighed.
    fn score(&self, candidate: &Candidate<'_>) -> f64;

    /// The index of the one to ask. There is at least one candidate.
    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize;
}

/// Chance, from a seed.
#[derive(Debug)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// Dice that always fall the same way.
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// At least 0, less than 1.
    pub fn unit(&mut self) -> f64 {
        self.0.f64()
    }

    /// An index below `n`, which is not 0.
    pub fn index(&mut self, n: usize) -> usize {
        self.0.usize(..n.max(1))
    }
}
