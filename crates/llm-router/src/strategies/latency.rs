//! Whoever has been fastest.

use std::time::Duration;

use super::{any, args::Args};
use crate::{Candidate, Dice, Looks, SettingsError, SpeedRules, Strategy};

/// The fastest: by seconds for a token, or for a stream by the time to its first event where there are any.
///
/// Who is unknown is asked first, one request at a time: until the first answer nobody knows whether it is fast.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LatencyBased {
    /// How much slower than the fastest still counts as fast: 0.1 is a tenth.
    pub buffer: f64,
    /// This percentile of the times to first events, and not their mean; from 0 to 1.
    pub percentile: Option<f64>,
    /// How latencies are kept.
    pub speed: SpeedRules,
}

impl LatencyBased {
    /// Reads LiteLLM's arguments.
    pub(super) fn from_args(args: &mut Args<'_>) -> Result<Self, SettingsError> {
        let usual = SpeedRules::default();
        // A century is for ever.
        let ttl = args.number("ttl", 0.001..=3.2e9)?;
        Ok(Self {
            buffer: args
                .number("lowest_latency_buffer", 0.0..=1e9)?
                .unwrap_or(0.0),
            percentile: args
                .number("ttft_percentile", 0.0..=100.0)?
                // 95 and 0.95 mean the same; nobody wants the first percentile as 1.
                .map(|p| if p > 1.0 { p / 100.0 } else { p }),
            speed: SpeedRules {
                samples: args
                    .count("max_latency_list_size")?
                    .unwrap_or(usual.samples),
                ttl: ttl.map_or(usual.ttl, Duration::from_secs_f64),
            },
        })
    }

    /// Seconds; what is unknown and being found out comes last.
    fn worth(&self, candidate: &Candidate<'_>) -> f64 {
        match candidate.latency {
            Some(seconds) if seconds.is_finite() => seconds.max(0.0),
            None if candidate.load.in_flight == 0 => 0.0,
            _ => f64::MAX,
        }
    }
}

impl Strategy for LatencyBased {
    fn name(&self) -> &'static str {
        "latency-based-routing"
    }

    fn looks(&self) -> Looks {
        Looks {
            load: true,
            latency: true,
            percentile: self.percentile,
            speed: Some(self.speed),
            ..Looks::default()
        }
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        candidate.latency.unwrap_or(0.0)
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        let fastest = candidates
            .iter()
            .map(|candidate| self.worth(candidate))
            .fold(f64::MAX, f64::min);
        let limit = fastest * (1.0 + self.buffer.max(0.0));
        any(candidates, dice, |candidate| self.worth(candidate) <= limit).unwrap_or(0)
    }
}
