//! Limits over one process, and over shared counters that come and go.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn want(scope: &'static str, rpm: u64, tpm: u64, parallel: u64, tokens: u64) -> Want {
    let mut want = Want::of(scope, "one", MINUTE)
        .at_most(Kind::Requests, Some(rpm))
        .at_most(Kind::Tokens, Some(tpm))
        .at_most(Kind::Parallel, Some(parallel));
    want.asks[Kind::Parallel as usize] = 1;
    want.asks[Kind::Requests as usize] = 1;
    want.asks[Kind::Tokens as usize] = tokens;
    want
}

fn tokens(count: u64) -> Counts {
    let mut counts = Counts::default();
    counts[Kind::Tokens as usize] = count;
    counts
}

fn over(refused: Refused) -> (&'static str, Kind) {
    match refused {
        Refused::Over(over) => (over.want.scope, over.kind),
        Refused::Unknown => panic!("somebody can say"),
    }
}

#[tokio::test]
async fn a_request_is_let_in_by_all_limits_or_counts_for_none() {
    let limiter: Arc<Limiter> = Arc::default();
    let both = || {
        vec![
            want("api_key", 10, 1000, 10, 10),
            want("team", 1, 1000, 10, 10),
        ]
    };
    let (first, left) = limiter.take(both()).await.unwrap();
    let of = |kind| left.iter().find(|left| left.kind == kind).unwrap();
    assert_eq!(of(Kind::Requests).remaining, 9);
    assert_eq!(
        over(limiter.take(both()).await.unwrap_err()),
        ("team", Kind::Requests)
    );
    // The key has room for nine more, not eight.
    for _ in 0..9 {
        let alone = vec![want("api_key", 10, 1000, 10, 10)];
        limiter.take(alone).await.unwrap();
    }
    drop(first);
}

#[tokio::test]
async fn slots_come_back_and_tokens_are_what_they_were() {
    let limiter: Arc<Limiter> = Arc::default();
    let one = |tokens| vec![want("api_key", 100, 100, 1, tokens)];
    let (permit, _) = limiter.take(one(90)).await.unwrap();
    let refused = limiter.take(one(1)).await.unwrap_err();
    assert_eq!(over(refused).1, Kind::Parallel);
    permit.settle(&tokens(20));
    let (permit, left) = limiter.take(one(80)).await.unwrap();
    let of_tokens = left.iter().find(|left| left.kind == Kind::Tokens);
    assert_eq!(of_tokens.unwrap().remaining, 0);
    // It was never sent: its tokens are free again.
    drop(permit);
    limiter.take(one(80)).await.unwrap();
}

#[test]
fn a_window_begins_anew_and_an_answer_of_the_old_one_does_not_count_in_it() {
    let mut windows = windows::Windows::default();
    let now = Instant::now();
    let one = |tokens| [want("api_key", 1, 100, 9, tokens)];
    windows.take(&one(50), 1, now).unwrap();
    let over = windows.take(&one(1), 1, now).unwrap_err();
    assert_eq!((over.kind, over.resets), (Kind::Requests, now + MINUTE));
    windows.take(&one(100), 1, now + MINUTE).unwrap();
    let begun = windows.of(&one(0)[0], now + MINUTE).begun;
    assert_eq!(begun, now + MINUTE);
    // Who was let in before is still under way.
    let under_way = windows.of(&one(0)[0], now + MINUTE).counts[Kind::Parallel as usize];
    assert_eq!(under_way, 2);
}

#[test]
fn what_is_left_is_shared_out_while_instances_count_apart() {
    let mut windows = windows::Windows::default();
    let now = Instant::now();
    let one = want("api_key", 100, 1_000_000, 9, 1);
    let mut counts = Counts::default();
    counts[Kind::Requests as usize] = 40;
    let standing = Standing {
        begun: 1,
        ends_in: MINUTE,
        counts,
        spare: Counts::default(),
    };
    windows.of(&one, now).hear(&standing, 1, now);
    let alone = std::slice::from_ref(&one);
    let mut served = 0;
    while windows.take(alone, 3, now).is_ok() {
        served += 1;
        let window = windows.of(&one, now);
        window.counts[Kind::Parallel as usize] = 0;
    }
    assert_eq!(served, 20, "a third of the sixty that were left");
    let told = windows.of(&one, now).catch_up(2, now).unwrap();
    assert_eq!((told.begun, told.seen[1], told.apart[1]), (Some(1), 40, 20));
    // It is told once.
    let again = windows.of(&one, now).catch_up(2, now).unwrap();
    assert_eq!(again.apart, Counts::default());
}

proptest! {
    #[test]
    fn no_limit_is_exceeded_and_none_bites_early(
        rpm in 1u64..20, tpm in 1u64..200, parallel in 1u64..5,
        asks in prop::collection::vec((1u64..40, 0u64..60, any::<bool>()), 1..60),
        together in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let limiters: [Arc<Limiter>; 2] = Default::default();
            let counters = Arc::new(Counters::default());
            if together {
                for limiter in &limiters {
                    limiter.share(Some(counters.clone()));
                }
            }
            let (mut requests, mut used, mut open) = (0, 0, Vec::new());
            for (at, (about, real, ends)) in asks.into_iter().enumerate() {
                let fits = requests < rpm && used + about <= tpm && (open.len() as u64) < parallel;
                let limiter = &limiters[if together { at % 2 } else { 0 }];
                match limiter.take(vec![want("api_key", rpm, tpm, parallel, about)]).await {
                    Ok((permit, _)) => {
                        assert!(fits);
                        requests += 1;
                        used += about;
                        open.push((permit, about));
                    }
                    Err(_) => assert!(!fits),
                }
                if ends && let Some((permit, about)) = open.pop() {
                    permit.settle(&tokens(real));
                    used = used - about + real;
                }
            }
        });
    }
}

/// Shared counters in memory.
#[derive(Debug, Default)]
struct Counters {
    counts: Mutex<HashMap<(&'static str, Arc<str>), Counts>>,
    gone: AtomicBool,
    asked: AtomicU64,
    epoch: AtomicU64,
    /// Requests that are counted beforehand: what each counts for, and how many there are.
    beforehand: Mutex<Option<(Counts, u64)>>,
    closed: AtomicBool,
}

impl Counters {
    /// They are away from here on.
    fn leave(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// They are back, and have forgotten all or nothing.
    fn come_back(&self, forgotten: bool) {
        if forgotten {
            self.counts.lock().unwrap().clear();
        }
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.gone.store(false, Ordering::SeqCst);
    }

    /// Counts requests with these asks beforehand.
    fn count_beforehand(&self, one: &Want, requests: u64) {
        let mut all = self.counts.lock().unwrap();
        let counts = all.entry((one.scope, one.id.clone())).or_default();
        for (count, asked) in counts.iter_mut().zip(one.asks) {
            *count += asked * requests;
        }
        *self.beforehand.lock().unwrap() = Some((one.asks, requests));
    }

    fn spare(&self) -> Counts {
        let beforehand = self.beforehand.lock().unwrap();
        let (asks, requests) = beforehand.unwrap_or_default();
        asks.map(|asked| asked * requests)
    }
}

impl SharedCounts for Counters {
    fn take<'a>(
        &'a self,
        wants: &'a [Want],
        known: &'a [Option<CaughtUp>],
    ) -> BoxFuture<'a, Option<Taken>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.gone.load(Ordering::SeqCst) {
                return None;
            }
            let mut all = self.counts.lock().unwrap();
            for (want, known) in wants.iter().zip(known) {
                let counts = all.entry((want.scope, want.id.clone())).or_default();
                if let Some(known) = known {
                    let known = known.seen.into_iter().zip(known.apart);
                    // Those under way are nobody's to tell.
                    for (count, (seen, apart)) in counts.iter_mut().zip(known).skip(1) {
                        *count = (*count).max(seen) + apart;
                    }
                }
            }
            let of = |want: &Want| all[&(want.scope, want.id.clone())];
            let refuses = |want: &Want| want.refuses(&want.limits, &of(want));
            let refused = wants
                .iter()
                .enumerate()
                .find_map(|(at, want)| Some((at, refuses(want)?)));
            if refused.is_none() {
                for want in wants {
                    let counts = all.get_mut(&(want.scope, want.id.clone())).unwrap();
                    for (count, asked) in counts.iter_mut().zip(want.asks) {
                        *count += asked;
                    }
                }
            }
            let standings = wants.iter().map(|want| Standing {
                begun: 1,
                ends_in: MINUTE,
                counts: all[&(want.scope, want.id.clone())],
                spare: self.spare(),
            });
            Some(Taken {
                lease: 1,
                refused,
                standings: standings.collect(),
                counted: None,
            })
        })
    }

    fn take_at_once(&self, wants: &[Want]) -> Option<Taken> {
        let counted = {
            let mut beforehand = self.beforehand.lock().unwrap();
            let (asks, requests) = beforehand.as_mut().filter(|(_, requests)| *requests > 0)?;
            *requests -= 1;
            *asks
        };
        let all = self.counts.lock().unwrap();
        let standing = Standing {
            begun: 1,
            ends_in: MINUTE,
            counts: all[&(wants[0].scope, wants[0].id.clone())],
            spare: self.spare(),
        };
        Some(Taken {
            lease: 2,
            refused: None,
            standings: vec![standing],
            counted: Some(Arc::from([counted])),
        })
    }

    fn end(&self, _: u64, ended: Vec<Ended>) {
        let mut all = self.counts.lock().unwrap();
        for ended in ended {
            if let Some(counts) = all.get_mut(&(ended.scope, ended.id)) {
                for (count, change) in counts.iter_mut().zip(ended.change) {
                    *count = count.saturating_add_signed(change);
                }
            }
        }
    }

    fn instances(&self) -> u64 {
        2
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.closed.store(true, Ordering::SeqCst) })
    }
}

#[tokio::test]
async fn nothing_is_asked_of_others_where_nothing_is_limited() {
    let counters = Arc::new(Counters::default());
    let limiter: Arc<Limiter> = Arc::default();
    limiter.share(Some(counters.clone()));
    limiter.take(Vec::new()).await.unwrap();
    assert_eq!(counters.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn counters_that_were_away_are_told_what_they_missed() {
    for forgotten in [false, true] {
        let counters = Arc::new(Counters::default());
        let limiters: [Arc<Limiter>; 2] = Default::default();
        for limiter in &limiters {
            limiter.share(Some(counters.clone()));
        }
        let one = || vec![want("api_key", 10, 1000, 100, 1)];
        for at in 0..4 {
            let (permit, _) = limiters[at % 2].take(one()).await.unwrap();
            permit.settle(&tokens(1));
        }
        counters.leave();
        // Each has its half of what it knows to be left: three of six, and three of seven.
        for limiter in &limiters {
            let mut served = 0;
            while limiter.take(one()).await.is_ok() {
                served += 1;
            }
            assert_eq!(served, 3);
        }
        counters.come_back(forgotten);
        // Each tells what it counted alone when it asks for the first time.
        let _ = limiters[0].take(one()).await;
        for limiter in limiters.iter().rev() {
            let refused = limiter.take(one()).await.unwrap_err();
            assert_eq!(over(refused).1, Kind::Requests, "forgotten: {forgotten}");
        }
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_them_where_that_is_wanted() {
    let counters = Arc::new(Counters::default());
    let limiter = Arc::new(Limiter::new(true));
    limiter.share(Some(counters.clone()));
    counters.leave();
    let one = || vec![want("api_key", 10, 1000, 100, 1)];
    assert_eq!(limiter.take(one()).await.unwrap_err(), Refused::Unknown);
    // What has no limit needs nobody.
    limiter.take(Vec::new()).await.unwrap();
    counters.come_back(false);
    limiter.take(one()).await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_counted_beforehand_asks_nobody_and_counts_as_any_other() {
    let counters = Arc::new(Counters::default());
    let limiter: Arc<Limiter> = Arc::default();
    limiter.share(Some(counters.clone()));
    let one = |tokens| want("api_key", 10, 1000, 100, tokens);
    let left = |left: &[Left], kind| {
        let mut of_kind = left.iter().filter(|left| left.kind == kind);
        of_kind.next().unwrap().remaining
    };
    let (first, _) = limiter.take(vec![one(100)]).await.unwrap();
    counters.count_beforehand(&one(100), 3);
    let (second, said) = limiter.take(vec![one(40)]).await.unwrap();
    assert_eq!(counters.asked.load(Ordering::SeqCst), 1, "nobody is asked");
    assert_eq!(left(&said, Kind::Requests), 8);
    let (third, said) = limiter.take(vec![one(100)]).await.unwrap();
    assert_eq!(left(&said, Kind::Requests), 7);
    let (fourth, _) = limiter.take(vec![one(10)]).await.unwrap();
    // Another rule refused it.
    fourth.withdraw();
    // What each of them used is what is counted, however much was counted beforehand.
    for (permit, used) in [(first, 7), (second, 30), (third, 120)] {
        permit.settle(&tokens(used));
    }
    let counts = counters.counts.lock().unwrap()[&("api_key", Arc::from("one"))];
    assert_eq!(counts[Kind::Tokens as usize], 7 + 30 + 120);
    assert_eq!(counts[Kind::Requests as usize], 3);
    // While the counters are away, it is known how many there were.
    counters.leave();
    *counters.beforehand.lock().unwrap() = None;
    let mut served = 0;
    while limiter.take(vec![one(1)]).await.is_ok() {
        served += 1;
    }
    assert_eq!(
        served, 2,
        "two of the four that are its half of what was left at first are gone"
    );
}

#[tokio::test]
async fn what_is_counted_beforehand_is_not_taken_before_the_counters_heard_what_they_missed() {
    let counters = Arc::new(Counters::default());
    let limiter: Arc<Limiter> = Arc::default();
    limiter.share(Some(counters.clone()));
    let one = || vec![want("api_key", 10, 1000, 100, 1)];
    limiter.take(one()).await.unwrap();
    counters.leave();
    limiter.take(one()).await.unwrap();
    counters.come_back(true);
    counters.count_beforehand(&one()[0], 1);
    let asked = counters.asked.load(Ordering::SeqCst);
    limiter.take(one()).await.unwrap();
    assert_eq!(counters.asked.load(Ordering::SeqCst), asked + 1);
    limiter.take(one()).await.unwrap();
    assert_eq!(counters.asked.load(Ordering::SeqCst), asked + 1);
    limiter.close().await;
    assert!(counters.closed.load(Ordering::SeqCst));
}

#[test]
fn who_heard_that_so_many_requests_are_left_does_not_hear_of_more() {
    let mut windows = windows::Windows::default();
    let now = Instant::now();
    let one = want("api_key", 100, 1_000_000, 9, 1);
    let mut hear = |begun, requests, tokens| {
        let mut counts = Counts::default();
        counts[Kind::Requests as usize] = requests;
        counts[Kind::Tokens as usize] = tokens;
        let standing = Standing {
            begun,
            ends_in: MINUTE,
            counts,
            spare: Counts::default(),
        };
        let gone = windows.of(&one, now).hear(&standing, 1, now);
        (gone[Kind::Requests as usize], gone[Kind::Tokens as usize])
    };
    assert_eq!(hear(1, 40, 400), (40, 400));
    // Another instance gave back what it had counted beforehand, and requests used less than they asked for.
    assert_eq!(hear(1, 30, 300), (40, 300));
    assert_eq!(hear(1, 41, 300), (41, 300));
    assert_eq!(hear(2, 1, 10), (1, 10), "a window begins anew");
}
