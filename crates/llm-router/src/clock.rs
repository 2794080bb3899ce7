//! Time that several instances can compare, and tests can turn by hand.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A point in time: milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    #[cfg(test)]
    pub(crate) const ZERO: Self = Self(0);

    /// `millis` milliseconds after the start of 1970.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// Which minute of UTC it is in.
    pub fn minute(self) -> u64 {
        self.0 / 60_000
    }

    /// How long until the next minute begins.
    pub fn to_next_minute(self) -> Duration {
        Duration::from_millis(60_000 - self.0 % 60_000)
    }

    /// `later`, from here.
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(millis(later)))
    }

    /// How long it is from here to `later`; nothing if that is over.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// Reads the time. Follows the runtime's clock, so that paused time in a test is the only time there is.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    epoch: Moment,
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Moment {
        self.epoch.after(self.started.elapsed())
    }
}

impl Default for Clock {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            started: Instant::now(),
            epoch: Moment(millis(since.unwrap_or_default())),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
