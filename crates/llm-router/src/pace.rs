//! How long a group usually takes until it answers.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Recent waits that are remembered.
const SAMPLES: usize = 200;
/// Below this many, nothing is usual.
const ENOUGH: usize = 20;

/// The recent waits of one group's requests, those of streams (to the first event) apart.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    whole: Mutex<VecDeque<Duration>>,
    streams: Mutex<VecDeque<Duration>>,
}

impl Pace {
    /// An answer, or the first event of a stream, came after `wait`.
    pub(crate) fn answered(&self, stream: bool, wait: Duration) {
        let mut waits = self
            .of(stream)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waits.len() >= SAMPLES {
            waits.pop_front();
        }
        waits.push_back(wait);
    }

    /// The wait that `quantile` of the requests do not exceed; `None` while too little is known.
    pub(crate) fn quantile(&self, stream: bool, quantile: f64) -> Option<Duration> {
        let mut waits: Vec<Duration> = {
            let waits = self
                .of(stream)
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            waits.iter().copied().collect()
        };
        if waits.len() < ENOUGH {
            return None;
        }
        let at = (quantile.clamp(0.0, 1.0) * (waits.len() - 1) as f64).round() as usize;
        let (_, wait, _) = waits.select_nth_unstable(at);
        Some(*wait)
    }

    fn of(&self, stream: bool) -> &Mutex<VecDeque<Duration>> {
        if stream { &self.streams } else { &self.whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_needs_enough_to_go_by() {
        let pace = Pace::default();
        for ms in 1..=19 {
            pace.answered(false, Duration::from_millis(ms));
        }
        assert_eq!(pace.quantile(false, 0.9), None);
        for ms in 20..=101 {
            pace.answered(false, Duration::from_millis(ms));
        }
        assert_eq!(pace.quantile(false, 0.9), Some(Duration::from_millis(91)));
        assert_eq!(pace.quantile(true, 0.9), None);
    }
}
