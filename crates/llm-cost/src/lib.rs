//! What a request costs, what a model can do, and how many tokens a text has.
//!
//! Pure: it knows no network, no clock and no accounts. Prices come with the build, so every node of one version
//! prices alike, and a stored usage can be priced again years later. Start reading at [`PriceTable`] and [`cost`].
//!
//! ```
//! use llm_cost::{CostContext, PriceTable, cost};
//! use llm_types::Usage;
//!
//! let found = PriceTable::embedded().get("openai", "gpt-4o").expect("a known model");
//! let usage: Usage = serde_json::from_str(
//!     r#"{"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600}}"#,
//! )?;
//! let bill = cost(found.row.pricing(), &usage, &CostContext::of("openai"));
//!
//! // 400 fresh tokens at 2.50 $ a million, 600 cached at 1.25 $, 100 of output at 10 $.
//! assert_eq!(bill.total.to_string(), "0.00275");
//! assert!(bill.gaps.is_empty());
//! # Ok::<(), serde_json::Error>(())
//! ```

mod adjust;
mod basis;
mod classes;
mod context;
mod cost;
mod executed;
mod habits;
mod hours;
mod info;
mod keys;
mod measure;
mod money;
mod per_token;
mod pricing;
mod rate;
mod reported;
mod rows;
mod rules;
mod table;
#[cfg(feature = "tokenizer")]
mod tokens;
mod tools;
mod units;
mod vendors;

pub use adjust::{Adjusted, Terms, adjust};
pub use basis::Basis;
pub use context::CostContext;
pub use cost::{Cost, Gap, GapReason, Part, ZeroReason, cost};
pub use executed::Executed;
pub use info::ModelInfo;
pub use measure::Measures;
pub use money::{Dollars, Factor, NanoDollars, Quantity};
pub use per_token::{TokenCounts, cost_per_token};
pub use pricing::Pricing;
pub use rate::{Kind, Rate, Service};
pub use table::{Found, Match, PriceTable, TableError};
#[cfg(feature = "tokenizer")]
pub use tokens::{
    Count, MessageOptions, UncountablePart, Vocabulary, count_messages, count_text, decode, encode,
};
