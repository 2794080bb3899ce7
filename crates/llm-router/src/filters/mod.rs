//! The filters that settings switch on.

mod budgets;
mod pre_call;
mod reserved;
mod tags;

pub use budgets::Budgets;
pub use pre_call::PreCallChecks;
pub use reserved::AccessWindow;
pub(crate) use reserved::{Reserved, reservation};
pub use tags::{TagMatch, TagPattern, TagRules};
