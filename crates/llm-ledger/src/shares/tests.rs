//! Whatever happens to shares: what the database holds is never less than what requests may still cost, and at the end it
//! holds nothing.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use llm_cost::NanoDollars;
use llm_store::{Account, Charged, Limit, Moment, Scope, rows::SpendRow};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Asked, Shares, Terms};
use crate::shared::Holding;

fn limits(max: i64) -> Arc<[Limit]> {
    let limit = |scope| Limit {
        account: Account::of(scope, "a"),
        max: NanoDollars(max),
        until: None,
    };
    [limit(Scope::Key), limit(Scope::Team)].into()
}

fn terms(number: i64, limits: &Arc<[Limit]>, amount: i64, now: i64) -> Terms {
    Terms {
        id: number.to_string(),
        limits: Arc::clone(limits),
        windows: Arc::default(),
        found: Some(5),
        amount,
        expires: Moment(now + 1000),
        deadline: Moment(now + 100_000),
    }
}

fn charged(id: Uuid, under_way: bool) -> Arc<Charged> {
    let row = SpendRow {
        id: id.to_string(),
        ..SpendRow::default()
    };
    Arc::new(Charged {
        row,
        under_way,
        ..Charged::default()
    })
}

/// The database, and requests that took from shares.
#[derive(Debug, Default)]
struct World {
    shares: Shares,
    rows: HashMap<String, i64>,
    made: i64,
    now: i64,
    under_way: Vec<Holding>,
    settled: Vec<(Uuid, i64)>,
}

impl World {
    fn step(&mut self, what: u8, amount: i64) {
        let limits = limits(1_000_000 + i64::from(what % 2));
        match what {
            0..=1 => {
                self.made += 1;
                let terms = terms(self.made, &limits, amount * 8, self.now);
                self.rows.insert(terms.id.clone(), terms.amount);
                self.shares.open(terms, &[1_000_000, 1_000_000]);
            }
            2..=9 => {
                let taken = self.shares.take(&limits, amount, Moment(self.now));
                self.under_way.extend(taken);
            }
            10..=11 => {
                if let Some(one) = self.under_way.pop() {
                    let (share, amount) = (one.share.unwrap(), one.amount.unwrap());
                    self.shares.release(share, amount);
                }
            }
            12..=14 if !self.under_way.is_empty() => {
                let at = usize::try_from(amount).unwrap() % self.under_way.len();
                let one = self.under_way.swap_remove(at);
                let (share, amount) = (one.share.unwrap(), one.amount.unwrap());
                let id = Uuid::now_v7();
                self.shares.settle(share, &id.to_string(), amount, 1);
                self.settled.push((id, amount));
            }
            15 => {
                let sent = self.settled.iter().map(|(id, _)| charged(*id, true));
                self.shares.shipped(&sent.collect::<Vec<_>>());
            }
            16 => {
                let ended = self.settled.drain(..).map(|(id, _)| charged(id, false));
                self.shares.shipped(&ended.collect::<Vec<_>>());
            }
            17 => {
                self.now += amount;
                self.shares.tick(Moment(self.now), Instant::now());
            }
            _ => self.shares.recall(&limits[0].account),
        }
        self.look();
    }

    fn look(&mut self) {
        for back in self.shares.back() {
            let row = self.rows.get_mut(&back.id).unwrap();
            assert!(back.keep < *row, "{back:?} of {row}");
            *row = back.keep;
        }
        self.rows.retain(|_, row| *row > 0);
        let held: i64 = self.rows.values().sum();
        assert_eq!(self.shares.held(&limits(0)[0].account), held);
        let under_way = self.under_way.iter().filter_map(|one| one.amount);
        let settled = self.settled.iter().map(|(_, amount)| *amount);
        let needed: i64 = under_way.chain(settled).sum();
        assert!(held >= needed, "{held} for {needed}");
    }
}

proptest! {
    #[test]
    fn what_is_held_is_never_less_than_requests_need(steps in prop::collection::vec((0u8..20, 1i64..200), 1..300)) {
        let mut world = World::default();
        for (what, amount) in steps {
            world.step(what, amount);
        }
        world.shares.close();
        while !world.under_way.is_empty() {
            world.step(12, 1);
            world.step(10, 1);
        }
        world.step(16, 1);
        assert!(world.rows.is_empty(), "{:?}", world.rows);
        assert!(world.shares.unshipped.is_empty() && world.shares.shares.is_empty());
    }
}

#[test]
fn an_old_share_and_that_of_another_limit_are_not_taken_from() {
    let mut shares = Shares::default();
    shares.open(terms(1, &limits(1_000_000), 100, 0), &[1_000_000; 2]);
    let mut take = |max, now| shares.take(&limits(max), 10, Moment(now)).is_some();
    assert!(take(1_000_000, 999));
    assert!(!take(999_999, 999));
    assert!(!take(1_000_000, 1000));
    // It has ended, whatever the clock says next.
    assert!(!take(1_000_000, 0));
    let back = shares.back();
    assert_eq!((back.len(), back[0].keep), (1, 10));
}

#[test]
fn nothing_is_taken_once_a_window_is_over() {
    let mut shares = Shares::default();
    let windows = [(limits(0)[1].account.clone(), Moment(500))].into();
    let terms = Terms {
        windows,
        ..terms(1, &limits(1_000_000), 100, 0)
    };
    shares.open(terms, &[1_000_000; 2]);
    let mut take = |now| shares.take(&limits(1_000_000), 10, Moment(now)).is_some();
    assert!(take(499));
    assert!(!take(500));
}

#[test]
fn a_share_that_others_left_no_room_for_goes_back_at_once() {
    let mut shares = Shares::default();
    shares.open(terms(1, &limits(1_000_000), 100, 0), &[1_000_000, 6399]);
    assert!(shares.take(&limits(1_000_000), 10, Moment(1)).is_none());
    let back = shares.back();
    assert_eq!((back.len(), back[0].keep), (1, 0));
}

#[test]
fn who_sends_no_more_is_forgotten_and_a_share_at_rest_goes_back() {
    let (mut shares, now) = (Shares::default(), Instant::now());
    let key = limits(1_000_000);
    let asked = Asked {
        requests: 1,
        sum: 10,
        largest: 10,
    };
    shares.asks(&key, asked, now);
    shares.answered(&key, [1, 1].into(), now);
    shares.open(terms(1, &key, 100, 0), &[1_000_000; 2]);
    assert!(shares.tick(Moment(125), now + Duration::from_millis(125)));
    assert!(shares.back().is_empty());
    assert!(shares.tick(Moment(250), now + Duration::from_millis(250)));
    assert_eq!(shares.back().len(), 1);
    assert!(!shares.tick(Moment(375), now + Duration::from_millis(375)));
    assert!(shares.keys.is_empty() && shares.held.is_empty());
}

#[test]
fn what_the_database_never_takes_keeps_a_share_no_longer_than_any_request() {
    let mut shares = Shares::default();
    let key = limits(1_000_000);
    shares.open(terms(1, &key, 100, 0), &[1_000_000; 2]);
    let taken = shares.take(&key, 10, Moment(1)).unwrap();
    shares.settle(taken.share.unwrap(), &Uuid::now_v7().to_string(), 10, 1);
    shares.expire(Moment(99_999));
    assert_eq!(shares.shares.len(), 1);
    shares.expire(Moment(100_000));
    assert!(shares.shares.is_empty() && shares.unshipped.is_empty() && shares.held.is_empty());
}
