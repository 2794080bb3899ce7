//! Tokens a day, which batches count for (`tpd_limit`).

use std::time::Duration;

use super::{Kind, Want, holders};
use crate::Caller;

/// A day from its first batch on.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The limits of a batch that has so many tokens.
pub(crate) fn wants(caller: &Caller, tokens: u64) -> Vec<Want> {
    let limited = holders::of(caller).filter(|holder| holder.limits.tpd.is_some());
    let wants = limited.map(|holder| {
        let want = Want::of(holder.per_day, holder.id.to_string(), DAY);
        let mut want = want.at_most(Kind::Tokens, holder.limits.tpd);
        want.asks[Kind::Tokens as usize] = tokens;
        want
    });
    wants.collect()
}

/// Whether there is any.
pub(crate) fn has_daily_limit(caller: &Caller) -> bool {
    holders::of(caller).any(|holder| holder.limits.tpd.is_some())
}
