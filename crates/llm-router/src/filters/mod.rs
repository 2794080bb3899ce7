//! The filters that settings switch on.

mod budgets;
mod pre_call;
mod tags;

pub use budgets::Budgets;
pub use pre_call::PreCallChecks;
pub use tags::{TagPattern, TagRules};
