//! Tokens a day, which batches count for (`tpd_limit`).

use std::time::Duration;

use super::{Kind, Want, holders};
use crate::{Caller, Limits, budgets::Beside};

/// A day from its first batch on.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The limits of a batch that has so many tokens; `customer` is whom it is for.
pub(crate) fn wants(caller: &Caller, customer: &str, beside: &Beside, tokens: u64) -> Vec<Want> {
    let of_caller = holders::of(caller).filter_map(|holder| {
        let id = || holder.id.to_string();
        want(holder.per_day, id, holder.limits, tokens)
    });
    let id = || customer.to_owned();
    let of_customer = beside.customer_terms.iter();
    let of_customer =
        of_customer.filter_map(|terms| want("end_user_per_day", id, &terms.limits, tokens));
    let of_tags = beside.tags.iter().filter_map(|tag| {
        let id = || tag.row.tag_name.clone();
        want("tag_per_day", id, &tag.terms.limits, tokens)
    });
    of_caller.chain(of_customer).chain(of_tags).collect()
}

fn want(
    scope: &'static str,
    id: impl Fn() -> String,
    limits: &Limits,
    tokens: u64,
) -> Option<Want> {
    limits.tpd?;
    let mut want = Want::of(scope, id(), DAY).at_most(Kind::Tokens, limits.tpd);
    want.asks[Kind::Tokens as usize] = tokens;
    Some(want)
}

/// Whether there is any.
pub(crate) fn has_daily_limit(caller: &Caller, beside: &Beside) -> bool {
    let own = holders::of(caller).any(|holder| holder.limits.tpd.is_some());
    let mut of_tags = beside.tags.iter().map(|tag| &tag.terms);
    own || beside.customer_terms.as_ref().is_some_and(is_limited) || of_tags.any(is_limited)
}

fn is_limited(terms: &crate::terms::Terms) -> bool {
    terms.limits.tpd.is_some()
}
