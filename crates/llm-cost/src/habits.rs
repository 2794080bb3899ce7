//! What vendors charge where their lists are silent.

use crate::Dollars;

/// Replicate bills the seconds of a machine; this is its usual one.
const MACHINE_SECOND: &str = "0.0014";

/// A vendor's ways.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Cached input costs half of fresh input.
    pub(crate) half_cached: bool,
    /// It runs on the user's own machine.
    pub(crate) free: bool,
    /// Dollars per second of machine time.
    pub(crate) machine_second: Option<Dollars>,
}

impl Habits {
    pub(crate) fn of(provider: &str) -> Self {
        Self {
            half_cached: provider == "fireworks_ai",
            free: provider == "lemonade",
            machine_second: match provider {
                "replicate" => Dollars::parse(MACHINE_SECOND),
                _ => None,
            },
        }
    }
}
