//! The balances against a model that keeps every event and adds up from the start.

use std::sync::Arc;

use llm_cost::NanoDollars;
use llm_store::{Account, Balance, Moment, Scope};
use proptest::prelude::*;

use super::Balances;
use crate::{Ask, Calendar, Estimate, Spender, Window};

/// Two limited accounts (one by the minute), and one without a limit.
fn spenders() -> Vec<Spender> {
    let minute = Window {
        period: "1m".parse().unwrap(),
        calendar: Arc::new(Calendar::utc()),
    };
    vec![
        Spender::of(Account::of(Scope::Key, "k")).at_most(NanoDollars(1000)),
        Spender::of(Account::of(Scope::Team, "t"))
            .at_most(NanoDollars(300))
            .within(minute),
        Spender::of(Account::of(Scope::User, "u")),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    /// Ask on a subset of the accounts.
    Reserve { of: u8, estimate: Estimate },
    /// End the nth open one: with a cost of so many percent of what is held, or without.
    End { which: usize, percent: Option<i64> },
    /// Time goes on.
    Wait(i64),
    /// What is held too long is returned.
    Expire,
    /// Accounts at rest are let go, once the database has everything.
    Rest,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let estimate = prop_oneof![
        Just(Estimate::Free),
        (1i64..200).prop_map(|nano| Estimate::AtMost(NanoDollars(nano))),
        (1i64..400).prop_map(|nano| Estimate::About(NanoDollars(nano))),
        Just(Estimate::Unpriced),
    ];
    let step = prop_oneof![
        4 => (1u8..8, estimate).prop_map(|(of, estimate)| Step::Reserve { of, estimate }),
        4 => (any::<usize>(), prop::option::of(0i64..=100)).prop_map(|(which, percent)| Step::End { which, percent }),
        1 => (1i64..50_000).prop_map(Step::Wait),
        1 => Just(Step::Expire),
        1 => Just(Step::Rest),
    ];
    prop::collection::vec(step, 1..80)
}

/// What was charged, and what is open.
#[derive(Default)]
struct Model {
    charges: Vec<(Account, i64, Moment)>,
    open: Vec<Open>,
    /// Whether a hold that had expired was charged after all: that alone may overrun.
    overran: bool,
}

struct Open {
    id: String,
    spenders: Vec<Spender>,
    held: i64,
    deadline: Moment,
    expired: bool,
}

impl Model {
    /// What an account has spent in the window of `now`.
    fn spent(&self, spender: &Spender, now: Moment) -> i64 {
        let same = |at: Moment| spender.until(at) == spender.until(now);
        let charges = self.charges.iter();
        charges
            .filter(|(account, _, at)| *account == *spender.account && same(*at))
            .map(|(_, cost, _)| cost)
            .sum()
    }

    fn reserved(&self, account: &Account) -> i64 {
        let holds = |open: &&Open| {
            !open.expired
                && open
                    .spenders
                    .iter()
                    .any(|spender| *spender.account == *account)
        };
        self.open.iter().filter(holds).map(|open| open.held).sum()
    }

    /// What the ledger has to answer: how much is held, or whose budget has not enough left.
    fn expected(&self, ask: &Ask, now: Moment) -> Result<i64, Account> {
        let (wanted, least) = match ask.estimate {
            Estimate::Free => return Ok(0),
            Estimate::AtMost(NanoDollars(nano)) => (nano, nano),
            Estimate::About(NanoDollars(nano)) => (nano, 0),
            Estimate::Unpriced => (0, 0),
        };
        let mut held = wanted;
        for spender in &*ask.spenders {
            let Some(max) = spender.max else { continue };
            let room = max.0 - self.spent(spender, now) - self.reserved(&spender.account);
            if room <= 0 || room < least {
                return Err(Account::clone(&spender.account));
            }
            held = held.min(room);
        }
        Ok(held)
    }
}

proptest! {
    #[test]
    fn balances_are_what_the_events_add_up_to(steps in steps()) {
        let all = spenders();
        let mut balances = Balances::default();
        let mut model = Model::default();
        let mut now = Moment(1_795_271_225_000);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Reserve { of, estimate } => {
                    let some = all.iter().enumerate().filter(|(at, _)| of & (1 << at) != 0);
                    let ask = Ask::new(some.map(|(_, spender)| spender.clone()).collect(), estimate);
                    load(&mut balances, &model, &ask, now);
                    let (id, deadline) = (number.to_string(), now.plus(60_000));
                    let answer = balances.hold(&id, &ask, now, deadline);
                    let expected = model.expected(&ask, now);
                    prop_assert_eq!(answer.as_ref().map_err(|refusal| &refusal.account).copied(), expected.as_ref().copied());
                    if let Ok(held) = expected {
                        model.open.push(Open { id, spenders: ask.spenders.to_vec(), held, deadline, expired: false });
                    }
                }
                Step::End { which, percent } => {
                    if model.open.is_empty() {
                        continue;
                    }
                    let open = model.open.swap_remove(which % model.open.len());
                    let cost = percent.map(|percent| open.held * percent / 100);
                    model.overran |= open.expired && cost.is_some();
                    let charges = balances.end(&open.id, &open.spenders, cost.map(NanoDollars), now);
                    prop_assert_eq!(charges.len(), cost.map_or(0, |_| open.spenders.len()));
                    for charge in charges {
                        model.charges.push((charge.account, cost.unwrap_or(0), now));
                    }
                }
                Step::Wait(milliseconds) => now = now.plus(milliseconds),
                Step::Expire => {
                    balances.expire(now);
                    for open in &mut model.open {
                        open.expired |= open.deadline <= now;
                    }
                }
                Step::Rest => {
                    for entry in balances.entries.values_mut() {
                        entry.unshipped = 0;
                    }
                    balances.shrink(0);
                }
            }
            for spender in &all {
                let Some(balance) = balances.get(&spender.account) else { continue };
                prop_assert_eq!(balance.reserved.0, model.reserved(&spender.account));
                if let Some(max) = spender.max {
                    prop_assert!(model.overran || balance.spent.0 + balance.reserved.0 <= max.0);
                }
            }
        }
        for open in std::mem::take(&mut model.open) {
            balances.end(&open.id, &open.spenders, None, now);
        }
        prop_assert_eq!(balances.all_held(), NanoDollars(0));
    }
}

/// Accounts come from the database, which has what was charged.
fn load(balances: &mut Balances, model: &Model, ask: &Ask, now: Moment) {
    for account in balances.missing(&ask.spenders) {
        let spender = ask
            .spenders
            .iter()
            .find(|spender| spender.account == account)
            .unwrap();
        let balance = Balance {
            spent: NanoDollars(model.spent(spender, now)),
            resets_at: spender.until(now),
            ..Balance::default()
        };
        balances.load(account, balance);
    }
    balances.loaded();
}
