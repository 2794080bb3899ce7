//! The windows that this process knows: all there is where it is alone, else what it falls back on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::HashMap;

use super::{Bounds, CaughtUp, Counts, Kind, Over, Standing, Want};

/// Windows in memory; beyond, those at rest are let go.
const MOST: usize = 200_000;

/// Which window.
pub(super) type Key = (&'static str, Arc<str>);

/// All windows of a process.
#[derive(Debug, Default)]
pub(super) struct Windows {
    all: HashMap<Key, Window>,
    /// How many there may be until it is worth looking for those at rest again.
    sweep_at: usize,
}

/// One window.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    pub(super) begun: Instant,
    /// What is gone of it, as far as known here. Of those under way: this process's own.
    pub(super) counts: Counts,
    /// What the shared counters said last.
    heard: Option<Heard>,
    /// Counted without them since.
    apart: Counts,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    begun: u64,
    epoch: u64,
    counts: Counts,
}

impl Windows {
    /// Forgets windows that are over, where there are many.
    pub(super) fn tidy(&mut self, now: Instant) {
        if self.all.len() <= self.sweep_at.max(MOST) {
            return;
        }
        self.all
            .retain(|_, window| window.counts[Kind::Parallel as usize] > 0 || window.ends() > now);
        // Where all of them are alive, each request would look at each.
        self.sweep_at = self.all.len().saturating_mul(2);
    }

    /// The window of `want`, begun anew if it is over.
    pub(super) fn of(&mut self, want: &Want, now: Instant) -> &mut Window {
        let key = (want.scope, want.id.clone());
        let window = self.all.entry(key).or_insert_with(|| Window::new(now));
        window.length = want.window;
        window.roll(now);
        window
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Window> {
        self.all.get_mut(key)
    }

    /// Takes all of `wants`, or says which of them has no room. `instances` share what is left of each limit.
    pub(super) fn take(
        &mut self,
        wants: &[Want],
        instances: u64,
        now: Instant,
    ) -> Result<(), Box<Over>> {
        for want in wants {
            let window = self.of(want, now);
            let limits = window.part(&want.limits, instances);
            if let Some(kind) = want.refuses(&limits, &window.counts) {
                let over = Over::of(want, kind, &window.counts, window.ends(), now);
                return Err(Box::new(over));
            }
        }
        for want in wants {
            let window = self.of(want, now);
            add(&mut window.counts, &want.asks);
            add(&mut window.apart, &want.asks);
        }
        Ok(())
    }
}

impl Window {
    fn new(now: Instant) -> Self {
        Self {
            length: Duration::ZERO,
            begun: now,
            counts: Counts::default(),
            heard: None,
            apart: Counts::default(),
        }
    }

    pub(super) fn ends(&self) -> Instant {
        self.begun + self.length
    }

    fn roll(&mut self, now: Instant) {
        if now >= self.ends() {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Instant) {
        let under_way = self.counts[Kind::Parallel as usize];
        *self = Self {
            length: self.length,
            ..Self::new(now)
        };
        self.counts[Kind::Parallel as usize] = under_way;
    }

    /// What this process may use of limits that `instances` share and cannot count together: its part of what was left
    /// when they could.
    fn part(&self, limits: &Bounds, instances: u64) -> Bounds {
        if instances <= 1 {
            return *limits;
        }
        let mut part = *limits;
        for (at, limit) in part.iter_mut().enumerate() {
            let gone = match self.heard {
                Some(heard) if at != Kind::Parallel as usize => heard.counts[at],
                _ => 0,
            };
            *limit = limit.map(|limit| {
                let left = limit.saturating_sub(gone);
                gone.saturating_add((left / instances).max(1.min(left)))
            });
        }
        part
    }

    /// What the shared counters may not know of this window. Whoever asks has to tell them, or to give it
    /// [back](Self::give_back).
    pub(super) fn catch_up(&mut self, epoch: u64, now: Instant) -> Option<CaughtUp> {
        let is_known = self.heard.is_some_and(|heard| heard.epoch == epoch);
        self.apart[Kind::Parallel as usize] = 0;
        let apart = std::mem::take(&mut self.apart);
        if self.heard.is_none() && apart == Counts::default() {
            return None;
        }
        (!is_known || apart != Counts::default()).then(|| CaughtUp {
            begun: self.heard.map(|heard| heard.begun),
            age: now.saturating_duration_since(self.begun),
            seen: match self.heard {
                Some(heard) if !is_known => heard.counts,
                _ => Counts::default(),
            },
            apart,
        })
    }

    /// The shared counters were not told after all.
    pub(super) fn give_back(&mut self, known: &CaughtUp) {
        add(&mut self.apart, &known.apart);
    }

    /// Notes what the shared counters say, and says what is gone. Of requests that is never less than was known before: what
    /// others had counted beforehand may be given back, and whoever heard that so much is left must not hear of more.
    pub(super) fn hear(&mut self, standing: &Standing, epoch: u64, now: Instant) -> Counts {
        if self.heard.is_none_or(|heard| heard.begun != standing.begun) {
            let length = self.length;
            self.begin(now);
            let gone = length.saturating_sub(standing.ends_in);
            self.begun = now.checked_sub(gone).unwrap_or(now);
        }
        let mut gone = standing.taken();
        let requests = &mut gone[Kind::Requests as usize];
        *requests = self.counts[Kind::Requests as usize].max(*requests);
        let under_way = self.counts[Kind::Parallel as usize];
        self.counts = gone;
        self.counts[Kind::Parallel as usize] = under_way;
        // All of it, as it is what the counters must hear if they forget: what is spare is given back to them.
        self.heard = Some(Heard {
            begun: standing.begun,
            epoch,
            counts: standing.counts,
        });
        gone
    }

    /// Notes a request that the shared counters had counted beforehand, so much of it, and says what is gone now. They say
    /// nothing new of a window that was heard of: more may have been said since, and requests ended.
    pub(super) fn take_up(
        &mut self,
        standing: &Standing,
        counted: &Counts,
        epoch: u64,
        now: Instant,
    ) -> Counts {
        if self.heard.is_none_or(|heard| heard.begun != standing.begun) {
            return self.hear(standing, epoch, now);
        }
        let under_way = self.counts[Kind::Parallel as usize];
        add(&mut self.counts, counted);
        self.counts[Kind::Parallel as usize] = under_way;
        let mut taken = standing.taken();
        for (taken, known) in taken.iter_mut().zip(self.counts).skip(1) {
            *taken = known.max(*taken);
        }
        taken
    }

    /// A request that was let in here ended: `asked` was counted for it and `used` is what it was.
    pub(super) fn correct(&mut self, asked: &Counts, used: &Counts, apart: bool) {
        for kind in Kind::ALL {
            let at = kind as usize;
            let corrected = |count: u64| match used[at].checked_sub(asked[at]) {
                Some(more) => count.saturating_add(more),
                None => count.saturating_sub(asked[at] - used[at]),
            };
            if kind != Kind::Parallel {
                self.counts[at] = corrected(self.counts[at]);
                if apart {
                    self.apart[at] = corrected(self.apart[at]);
                }
            }
        }
    }
}

fn add(counts: &mut Counts, more: &Counts) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count = count.saturating_add(*more);
    }
}
