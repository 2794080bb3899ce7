//! Decides all limits of a request together, and gives back what it held.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{
    CaughtUp, Counts, Ended, Kind, Over, SharedCounts, Taken, Want,
    windows::{Key, Windows},
};

/// Counts what is asked for. A request is let in by all of its limits or by none, so that no limit is exceeded, and none
/// bites for a request that another one refuses.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    /// Looked at under one short lock.
    windows: Mutex<Windows>,
    shared: RwLock<Option<Arc<dyn SharedCounts>>>,
    /// Without the shared counters nobody is let in.
    fail_closed: AtomicBool,
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A limit is reached.
    Over(Box<Over>),
    /// Nobody can say.
    Unknown,
}

/// What one request holds of its limits. Dropped, its slots are free, and tokens that nobody settled are returned.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    held: Vec<Held>,
    /// Where it was let in by several instances together.
    lease: Option<(Arc<dyn SharedCounts>, u64)>,
}

#[derive(Debug)]
struct Held {
    key: Key,
    /// The window that it counts in, and the same by the shared counters' clock.
    begun: Instant,
    shared: Option<u64>,
    asked: Counts,
}

/// What is left of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) scope: &'static str,
    pub(crate) kind: Kind,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
}

impl Limiter {
    pub(crate) fn new(fail_closed: bool) -> Self {
        Self {
            fail_closed: AtomicBool::new(fail_closed),
            ..Self::default()
        }
    }

    /// Whether nobody is let in while instances cannot count together.
    pub(crate) fn fail_closed(&self, closed: bool) {
        self.fail_closed.store(closed, Ordering::Relaxed);
    }

    /// Counts together with other instances from now on.
    pub(crate) fn share(&self, counts: Option<Arc<dyn SharedCounts>>) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        *shared = counts;
    }

    /// Lets a request in, or says which of its limits refuses it. Nobody is asked where there is no limit.
    pub(crate) async fn take(
        self: &Arc<Self>,
        wants: Vec<Want>,
    ) -> Result<(Permit, Vec<Left>), Refused> {
        let Some(shared) = self.shared().filter(|_| !wants.is_empty()) else {
            return self.take_here(&wants, 1, Instant::now());
        };
        let epoch = shared.epoch();
        let known = self.known(&wants, epoch);
        if known.iter().all(Option::is_none)
            && let Some(taken) = shared.take_at_once(&wants)
        {
            return self.hear(&wants, taken, (shared, epoch), Instant::now());
        }
        let limiter = Arc::clone(self);
        // A caller that hangs up meanwhile must not leave anything held: the task ends, and drops what it got.
        let asked = tokio::spawn(async move {
            let from = (shared, epoch);
            limiter.take_together(from, wants, known).await
        });
        asked.await.unwrap_or(Err(Refused::Unknown))
    }

    /// Gives back what was counted beforehand, and tells others how requests ended.
    pub(crate) async fn close(&self) {
        if let Some(shared) = self.shared() {
            shared.close().await;
        }
    }

    fn shared(&self) -> Option<Arc<dyn SharedCounts>> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        shared.clone()
    }

    /// Lets a request in by what this process counts. `instances` share each limit.
    fn take_here(
        self: &Arc<Self>,
        wants: &[Want],
        instances: u64,
        now: Instant,
    ) -> Result<(Permit, Vec<Left>), Refused> {
        let mut permit = Permit {
            limiter: Arc::clone(self),
            held: Vec::with_capacity(wants.len()),
            lease: None,
        };
        let mut left = Vec::new();
        if wants.is_empty() {
            return Ok((permit, left));
        }
        let mut windows = self.lock();
        windows.tidy(now);
        windows.take(wants, instances, now).map_err(Refused::Over)?;
        for want in wants {
            let window = windows.of(want, now);
            left.extend(Left::all(want, &window.counts));
            permit.held.push(Held {
                key: (want.scope, want.id.clone()),
                begun: window.begun,
                shared: None,
                asked: want.asks,
            });
        }
        Ok((permit, left))
    }

    /// The same by what several instances count.
    async fn take_together(
        self: Arc<Self>,
        (shared, epoch): (Arc<dyn SharedCounts>, u64),
        wants: Vec<Want>,
        known: Vec<Option<CaughtUp>>,
    ) -> Result<(Permit, Vec<Left>), Refused> {
        let taken = shared.take(&wants, &known).await;
        let now = Instant::now();
        let Some(taken) = taken else {
            let mut windows = self.lock();
            for (want, known) in wants.iter().zip(&known) {
                if let Some(known) = known {
                    windows.of(want, now).give_back(known);
                }
            }
            drop(windows);
            return match self.fail_closed.load(Ordering::Relaxed) {
                true => Err(Refused::Unknown),
                false => self.take_here(&wants, shared.instances(), now),
            };
        };
        self.hear(&wants, taken, (shared, epoch), now)
    }

    /// What the shared counters may not know of these windows; they are to be told now.
    fn known(&self, wants: &[Want], epoch: u64) -> Vec<Option<CaughtUp>> {
        let (mut windows, now) = (self.lock(), Instant::now());
        windows.tidy(now);
        let known = wants
            .iter()
            .map(|want| windows.of(want, now).catch_up(epoch, now));
        known.collect()
    }

    /// Notes what the shared counters said.
    fn hear(
        self: &Arc<Self>,
        wants: &[Want],
        taken: Taken,
        (shared, epoch): (Arc<dyn SharedCounts>, u64),
        now: Instant,
    ) -> Result<(Permit, Vec<Left>), Refused> {
        let mut held = Vec::with_capacity(wants.len());
        let mut left = Vec::new();
        let mut windows = self.lock();
        for (at, (want, standing)) in wants.iter().zip(&taken.standings).enumerate() {
            let window = windows.of(want, now);
            let counted = taken.counted.as_ref().and_then(|counted| counted.get(at));
            let gone = match counted {
                Some(counted) => window.take_up(standing, counted, epoch, now),
                None => window.hear(standing, epoch, now),
            };
            match taken.refused {
                Some((refused, kind)) if refused == at => {
                    let over = Over::of(want, kind, &gone, window.ends(), now);
                    return Err(Refused::Over(Box::new(over)));
                }
                Some(_) => continue,
                None => {}
            }
            window.counts[Kind::Parallel as usize] += want.asks[Kind::Parallel as usize];
            left.extend(Left::all(want, &gone));
            held.push(Held {
                key: (want.scope, want.id.clone()),
                begun: window.begun,
                shared: Some(standing.begun),
                // The end is told as the difference from what was counted, whoever asked for that.
                asked: counted.copied().unwrap_or(want.asks),
            });
        }
        drop(windows);
        let permit = Permit {
            limiter: Arc::clone(self),
            held,
            lease: Some((shared, taken.lease)),
        };
        Ok((permit, left))
    }

    /// How much of `want`'s limits is gone, as far as known here: of the kind that is gone most, from 0 to 1.
    pub(crate) fn saturation(&self, want: &Want) -> f64 {
        let (mut windows, now) = (self.lock(), Instant::now());
        let counts = windows.of(want, now).counts;
        let shares = want.limits.iter().zip(counts).filter_map(|(limit, count)| {
            let limit = (*limit)?;
            Some(count as f64 / (limit.max(1)) as f64)
        });
        shares.fold(0.0, f64::max)
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        // Nothing panics under this lock; if something did, the counts are still the best there are.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Left {
    /// What is left of each limit of `want`.
    fn all(want: &Want, used: &Counts) -> impl Iterator<Item = Self> {
        Kind::ALL.into_iter().filter_map(move |kind| {
            let limit = want.limits[kind as usize]?;
            Some(Self {
                scope: want.scope,
                kind,
                limit,
                remaining: limit.saturating_sub(used[kind as usize]),
            })
        })
    }
}

impl Permit {
    /// The request is over and used this.
    pub(crate) fn settle(mut self, used: &Counts) {
        self.end(|asked| {
            let mut counts = *used;
            counts[Kind::Requests as usize] = asked[Kind::Requests as usize];
            counts
        });
    }

    /// The request was refused after all: it counts for nothing.
    pub(crate) fn withdraw(mut self) {
        self.end(|_| Counts::default());
    }

    fn end(&mut self, used: impl Fn(&Counts) -> Counts) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        let mut windows = self.limiter.lock();
        for held in &held {
            let Some(window) = windows.get_mut(&held.key) else {
                continue;
            };
            let under_way = &mut window.counts[Kind::Parallel as usize];
            *under_way = under_way.saturating_sub(held.asked[Kind::Parallel as usize]);
            // A late answer belongs to the window that it was let in by, which may be over.
            if window.begun == held.begun {
                window.correct(&held.asked, &used(&held.asked), held.shared.is_none());
            }
        }
        drop(windows);
        if let Some((shared, lease)) = self.lease.take() {
            let ended = held.into_iter().filter_map(|held| {
                Some(Ended {
                    begun: held.shared?,
                    change: change(&held.asked, &used(&held.asked)),
                    scope: held.key.0,
                    id: held.key.1,
                })
            });
            shared.end(lease, ended.collect());
        }
    }
}

/// From what was asked to what was used.
fn change(asked: &Counts, used: &Counts) -> [i64; Kind::ALL.len()] {
    let mut change = [0; Kind::ALL.len()];
    for (at, change) in change.iter_mut().enumerate() {
        let difference = i128::from(used[at]) - i128::from(asked[at]);
        *change = i64::try_from(difference).unwrap_or(i64::MAX);
    }
    change
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(|asked| {
            let mut counts = Counts::default();
            counts[Kind::Requests as usize] = asked[Kind::Requests as usize];
            counts
        });
    }
}
