//! The filters that settings switch on.

mod blocked;
mod budgets;
mod pre_call;
mod tags;

pub(crate) use blocked::Blocked;
pub use budgets::Budgets;
pub use pre_call::PreCallChecks;
pub use tags::{TagPattern, TagRules};
