//! Carrying a broken answer on: how two attempts become one text.
//!
//! Pure, like the pickers: what was sent and what comes next go in, what the client may be sent comes out. Nothing here
//! knows a dialect or a vendor.

mod document;
mod seam;

pub use document::{Differs, DocumentSeam};
pub use seam::Seam;

use std::str::FromStr;

/// What happens to a stream that breaks after its first event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamFailover {
    /// It ends with an error.
    Off,
    /// Somebody else answers, as long as nothing of the answer went to the client.
    BeforeContent,
    /// The same, and an answer that has begun is carried on where its two parts can be joined.
    #[default]
    Continue,
}

impl StreamFailover {
    /// Every value, by its name in configurations and requests.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("off", Self::Off),
        ("before_content", Self::BeforeContent),
        ("continue", Self::Continue),
    ];
}

impl FromStr for StreamFailover {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("'{name}' is none of 'off', 'before_content' and 'continue'"))
    }
}
