use serde::{Deserialize, Serialize};

use crate::Measures;

/// What a bill depends on besides prices and usage, so that it can be made again by other prices.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Basis {
    /// The name that the price was found under.
    pub model: String,
    /// What was asked for and delivered besides tokens.
    pub measures: Measures,
}
