//! What vendors charge where their lists are silent.

use crate::Dollars;

/// Replicate bills the seconds of a machine; this is its usual one.
const MACHINE_SECOND: &str = "0.0014";

/// Local servers, and subscriptions that are paid by the month.
const FREE: [&str; 7] = [
    "lemonade",
    "ollama",
    "ollama_chat",
    "lm_studio",
    "llamafile",
    "chatgpt",
    "github_copilot",
];

/// A vendor's ways.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Cached input costs half of fresh input.
    pub(crate) half_cached: bool,
    /// A request costs nothing: it runs on the user's own machine, or under a subscription.
    pub(crate) free: bool,
    /// Dollars per second of machine time.
    pub(crate) machine_second: Option<Dollars>,
}

impl Habits {
    pub(crate) fn of(provider: &str) -> Self {
        Self {
            half_cached: provider == "fireworks_ai",
            free: FREE.contains(&provider),
            machine_second: match provider {
                "replicate" => Dollars::parse(MACHINE_SECOND),
                _ => None,
            },
        }
    }
}
