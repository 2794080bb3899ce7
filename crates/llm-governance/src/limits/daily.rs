//! Tokens a day, which batches count for (`tpd_limit`).

use std::time::Duration;

use super::{Kind, Want};
use crate::{Caller, Limits};

/// A day from its first batch on.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The limits of a batch that has so many tokens.
pub(crate) fn wants(caller: &Caller, tokens: u64) -> Vec<Want> {
    let mut all = Vec::new();
    each(caller, |scope, id, limits| {
        let Some(limit) = limits.tpd else { return };
        let mut want = Want::of(scope, id(), DAY).at_most(Kind::Tokens, Some(limit));
        want.asks[Kind::Tokens as usize] = tokens;
        all.push(want);
    });
    all
}

/// Whether there is any.
pub(crate) fn has_daily_limit(caller: &Caller) -> bool {
    let mut any = false;
    each(caller, |_, _, limits| any |= limits.tpd.is_some());
    any
}

fn each(caller: &Caller, mut look: impl FnMut(&'static str, &dyn Fn() -> String, &Limits)) {
    if let Some(key) = &caller.key {
        let id = || caller.key_hash().to_owned();
        look("api_key_per_day", &id, &key.terms.limits);
    }
    if let Some(user) = &caller.user {
        let id = || user.row.user_id.clone();
        look("user_per_day", &id, &user.terms.limits);
    }
    if let Some(team) = &caller.team {
        let id = || team.row.team_id.clone();
        look("team_per_day", &id, &team.terms.limits);
    }
    if let Some(member) = &caller.member {
        let id = || format!("{}:{}", member.row.team_id, member.row.user_id);
        look("team_member_per_day", &id, &member.terms.limits);
    }
    if let Some(project) = &caller.project {
        let id = || project.row.project_id.clone();
        look("project_per_day", &id, &project.terms.limits);
    }
    if let Some(one) = &caller.organization {
        let id = || one.row.organization_id.clone();
        look("organization_per_day", &id, &one.terms.limits);
    }
}
