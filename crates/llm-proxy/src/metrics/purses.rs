//! What those who ask have left to spend.

use std::hash::BuildHasher;

use dashmap::DashMap;
use foldhash::quality::RandomState;
use llm_cost::NanoDollars;
use llm_governance::{Caller, Governance, Purse, Terms};
use llm_store::{Account, Moment, Scope};

use super::{
    families::Families,
    label::{Facts, Label},
};

/// Everybody with a budget who asked for something, as far as there is room.
pub(super) struct Purses {
    all: DashMap<u64, Purse, RandomState>,
    most: usize,
    hasher: RandomState,
}

const MILLISECONDS_IN_AN_HOUR: f64 = 3_600_000.0;

impl Purses {
    pub(super) fn new(most: usize) -> Self {
        Self {
            all: DashMap::default(),
            most,
            hasher: RandomState::default(),
        }
    }

    /// Notes the budgets that somebody spends from.
    pub(super) fn note(&self, caller: &Caller) {
        if let Some(key) = &caller.key {
            self.put(Scope::Key, &key.row.token, caller.key_alias(), &key.terms);
        }
        if let Some(team) = &caller.team {
            self.put(
                Scope::Team,
                &team.row.team_id,
                caller.team_alias(),
                &team.terms,
            );
        }
        if let Some(user) = &caller.user {
            self.put(Scope::User, &user.row.user_id, None, &user.terms);
        }
        if let Some(one) = &caller.organization {
            let alias = Some(one.row.organization_alias.as_str());
            self.put(
                Scope::Organization,
                &one.row.organization_id,
                alias,
                &one.terms,
            );
        }
    }

    fn put(&self, scope: Scope, id: &str, alias: Option<&str>, terms: &Terms) {
        let at = self.place(scope, id);
        let spender = terms.spenders.first();
        let Some((spender, max)) = spender.and_then(|spender| Some((spender, spender.max?))) else {
            if !self.all.is_empty() {
                self.all.remove(&at);
            }
            return;
        };
        let known = self
            .all
            .get(&at)
            .map(|known| known.max == max && known.alias.as_deref() == alias);
        if known != Some(true) {
            self.add(Purse {
                account: spender.account.clone(),
                id: id.to_owned(),
                alias: alias.map(str::to_owned),
                max,
            });
        }
    }

    /// Notes a budget, if there is room for it.
    pub(super) fn add(&self, purse: Purse) {
        let at = self.place(purse.account.scope, &purse.id);
        if self.all.len() < self.most || self.all.contains_key(&at) {
            self.all.insert(at, purse);
        }
    }

    fn place(&self, scope: Scope, id: &str) -> u64 {
        self.hasher.hash_one((scope.name(), id))
    }

    /// Sets the gauges to what everybody has now.
    pub(super) async fn show(&self, families: &Families, governance: &Governance) {
        let purses: Vec<Purse> = self.all.iter().map(|purse| purse.clone()).collect();
        let accounts: Vec<Account> = purses
            .iter()
            .map(|purse| Account::clone(&purse.account))
            .collect();
        let balances = match governance.ledger().balances(&accounts).await {
            Ok(balances) => balances,
            Err(error) => {
                tracing::debug!(%error, "budgets are not known for metrics");
                return;
            }
        };
        for scope in [
            Scope::Key,
            Scope::Team,
            Scope::User,
            Scope::Organization,
            Scope::Customer,
        ] {
            if let Some(gauges) = gauges(families, scope) {
                gauges.iter().for_each(|gauge| gauge.clear());
            }
        }
        let now = Moment::now();
        for (purse, balance) in purses.iter().zip(balances) {
            let Some([max, left, hours]) = gauges(families, purse.account.scope) else {
                continue;
            };
            let facts = facts(purse);
            let ends = balance.resets_at.filter(|end| *end > now);
            // A window that is over has not begun anew before somebody spends in it.
            let spent = match (balance.resets_at, ends) {
                (Some(_), None) => NanoDollars(0),
                _ => balance.spent,
            };
            max.at(&facts).set(purse.max.to_f64());
            let rest = NanoDollars(purse.max.0.saturating_sub(spent.0));
            left.at(&facts).set(rest.to_f64());
            if let Some(end) = ends {
                let wait = end.0.saturating_sub(now.0) as f64;
                hours.at(&facts).set(wait / MILLISECONDS_IN_AN_HOUR);
            }
        }
    }
}

fn gauges(
    families: &Families,
    scope: Scope,
) -> Option<[&super::families::Of<super::families::Level>; 3]> {
    Some(match scope {
        Scope::Key => [&families.key_max, &families.key_left, &families.key_hours],
        Scope::Team => [
            &families.team_max,
            &families.team_left,
            &families.team_hours,
        ],
        Scope::User => [
            &families.user_max,
            &families.user_left,
            &families.user_hours,
        ],
        Scope::Organization => [&families.org_max, &families.org_left, &families.org_hours],
        Scope::Customer => [
            &families.customer_max,
            &families.customer_left,
            &families.customer_hours,
        ],
        _ => return None,
    })
}

fn facts(purse: &Purse) -> Facts<'_> {
    let (id, alias) = match purse.account.scope {
        Scope::Team => (Label::Team, Label::TeamAlias),
        Scope::User => (Label::User, Label::UserEmail),
        Scope::Organization => (Label::Org, Label::OrgAlias),
        Scope::Customer => (Label::EndUser, Label::UserEmail),
        _ => (Label::Key, Label::KeyAlias),
    };
    Facts::default()
        .say(id, &purse.id)
        .may_say(alias, purse.alias.as_deref())
}
