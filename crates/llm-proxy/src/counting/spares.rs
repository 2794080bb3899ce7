//! Requests that were counted beforehand: whoever comes next takes one of them, and asks nobody.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use foldhash::{HashMap, fast::RandomState};
use llm_governance::limits::{Counts, Ended, Kind, Standing, Taken, Want};

use super::{
    Slots,
    letters::{Letter, Post},
    pace::{LIFE, Pace},
    take::{Bound, Request},
};

/// Those of a process.
pub(super) struct Spares {
    state: Mutex<State>,
    /// How many there are: nobody waits for the lock to hear that there are none.
    held: AtomicU64,
    hasher: RandomState,
    post: Arc<Post>,
}

#[derive(Default)]
struct State {
    paces: HashMap<u64, Pace>,
    /// How many there may be until it is worth looking for those that are over.
    sweep_at: usize,
    sets: HashMap<u64, Vec<Set>>,
    /// Whether somebody looks after those that nobody needs.
    is_watched: bool,
    is_closed: bool,
}

/// Some that were counted together.
pub(super) struct Set {
    pub(super) bounds: Arc<[Bound]>,
    pub(super) asks: Arc<[Counts]>,
    pub(super) leases: Range<u64>,
    pub(super) standings: Vec<Standing>,
    /// How often Redis had been found when they were asked for.
    pub(super) epoch: u64,
    /// When Redis was asked, and when it answered.
    pub(super) asked: Instant,
    pub(super) heard: Instant,
}

/// Paces in memory; beyond, those that are over are let go.
const MOST: usize = 1_024;

/// How long the one who looks after them waits at least.
const ROUND: Duration = Duration::from_millis(50);

impl Spares {
    pub(super) fn new(post: Arc<Post>) -> Self {
        Self {
            state: Mutex::default(),
            held: AtomicU64::new(0),
            hasher: RandomState::default(),
            post,
        }
    }

    /// What requests with the bounds of `wants` are found by.
    pub(super) fn key(&self, wants: &[Want]) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = self.hasher.build_hasher();
        for want in wants {
            (want.scope, &*want.id, want.window, want.limits).hash(&mut hasher);
        }
        hasher.finish()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.load(Ordering::Acquire) == 0
    }

    /// Takes one that asks for as much as `asks` or more, where there is one.
    pub(super) fn take<'a>(
        &self,
        key: u64,
        is_bound: impl Fn(&[Bound]) -> bool,
        asks: impl Iterator<Item = &'a Counts> + Clone,
        epoch: u64,
    ) -> Option<Taken> {
        if self.is_empty() {
            return None;
        }
        let (mut state, now) = (self.lock(), Instant::now());
        let sets = state.sets.get_mut(&key)?;
        let at = sets.iter().position(|set| {
            set.epoch == epoch
                && now < set.until()
                && is_bound(&set.bounds)
                && set.suits(asks.clone())
        })?;
        let taken = sets.get_mut(at)?.take()?;
        sets.retain(|set| !set.leases.is_empty());
        if sets.is_empty() {
            state.sets.remove(&key);
        }
        if let Some(pace) = state.paces.get_mut(&key) {
            pace.took(asks);
        }
        self.held.fetch_sub(1, Ordering::AcqRel);
        Some(taken)
    }

    /// How many should be counted along with `requests`, and for how much each.
    pub(super) fn wanted(
        &self,
        key: u64,
        bounds: &Arc<[Bound]>,
        requests: &[Request],
        instances: u64,
    ) -> Option<(u64, Arc<[Counts]>)> {
        let (mut state, now) = (self.lock(), Instant::now());
        if state.is_closed {
            return None;
        }
        let State { paces, sets, .. } = &mut *state;
        let pace = paces.get_mut(&key).filter(|pace| pace.bounds == *bounds);
        let Some(pace) = pace else {
            state.note(key, Pace::new(bounds, requests, now), now);
            return None;
        };
        let (count, asks) = pace.next(requests, unused(sets, key), now);
        if count == 0 {
            return None;
        }
        let held: Vec<Counts> = bounds.iter().map(|bound| held(sets, bound)).collect();
        let count = count.min(pace.room(&asks, &held, instances));
        (count > 0).then_some((count, asks))
    }

    /// Redis said how `bounds` stand, and counted `set` beforehand. Notes in `standings` what is spare of them.
    pub(super) fn heard(
        self: &Arc<Self>,
        key: u64,
        bounds: &[Bound],
        standings: &mut [Standing],
        set: Option<Set>,
    ) {
        let mut state = self.lock();
        let mut granted = 0;
        match set {
            None => {}
            Some(set) if state.is_closed => self.end(set),
            Some(set) => {
                granted = set.len();
                self.held.fetch_add(granted, Ordering::AcqRel);
                state.sets.entry(key).or_default().push(set);
            }
        }
        if !state.sets.is_empty() {
            // What was counted in a window before this one is of no use.
            let over = state.draw(|set| set.is_before(bounds, standings));
            self.drop_all(over);
            for (bound, standing) in bounds.iter().zip(&mut *standings) {
                standing.spare = held(&state.sets, bound);
            }
        }
        let unused = unused(&state.sets, key);
        if granted > 0 && unused > 0 {
            let sets = state.sets.get_mut(&key);
            if let Some(set) = sets.and_then(|sets| sets.last_mut()) {
                set.standings = standings.to_vec();
            }
            if !std::mem::replace(&mut state.is_watched, true) {
                tokio::spawn(Arc::clone(self).watch());
            }
        }
        if let Some(pace) = state.paces.get_mut(&key) {
            pace.heard(granted, unused, standings);
        }
    }

    /// Gives back all that count in the same as `want`. Whether there were any.
    pub(super) fn give_back(&self, want: &Want) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut state = self.lock();
        let all = state.draw(|set| set.bounds.iter().any(|bound| bound.is_of(want)));
        let any = !all.is_empty();
        self.drop_all(all);
        any
    }

    /// Gives all back, and counts none any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let all = state.draw(|_| true);
        self.drop_all(all);
    }

    /// Gives back what nobody needs, as long as there is any.
    async fn watch(self: Arc<Self>) {
        loop {
            let next = {
                let (mut state, now) = (self.lock(), Instant::now());
                let over = state.draw(|set| set.until() <= now);
                self.drop_all(over);
                let sets = state.sets.values().flatten();
                let Some(next) = sets.map(Set::until).min() else {
                    state.is_watched = false;
                    return;
                };
                next.max(now + ROUND)
            };
            tokio::time::sleep_until(next.into()).await;
        }
    }

    fn drop_all(&self, sets: Vec<Set>) {
        for set in sets {
            self.held.fetch_sub(set.len(), Ordering::AcqRel);
            self.end(set);
        }
    }

    fn end(&self, set: Set) {
        for lease in set.leases.clone() {
            let ended = set.ended();
            self.post.send(Letter { lease, ended });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, key: u64, pace: Pace, now: Instant) {
        if self.paces.len() >= self.sweep_at.max(MOST) {
            self.paces.retain(|_, pace| !pace.is_over(now));
            self.sweep_at = self.paces.len().saturating_mul(2);
        }
        self.paces.insert(key, pace);
    }

    /// Takes these sets away.
    fn draw(&mut self, which: impl Fn(&Set) -> bool) -> Vec<Set> {
        let mut drawn = Vec::new();
        self.sets.retain(|_, sets| {
            drawn.extend(sets.extract_if(.., |set| which(set)));
            !sets.is_empty()
        });
        drawn
    }
}

impl Set {
    fn len(&self) -> u64 {
        self.leases.end.saturating_sub(self.leases.start)
    }

    /// Until when they may be taken: they count in the windows that Redis knew, which end no sooner than this says.
    fn until(&self) -> Instant {
        let windows = self
            .standings
            .iter()
            .map(|standing| self.asked + standing.ends_in);
        windows.fold(self.heard + LIFE, Instant::min)
    }

    /// Whether each counts for as much as is asked.
    fn suits<'a>(&self, asks: impl Iterator<Item = &'a Counts>) -> bool {
        let mut all = self.asks.iter().zip(asks);
        all.all(|(own, asked)| {
            let mut kinds = Kind::ALL.into_iter().zip(own.iter().zip(asked));
            kinds.all(|(kind, (own, asked))| match kind {
                // These are not corrected when a request ends.
                Kind::Parallel | Kind::Requests => own == asked,
                _ => own >= asked,
            })
        })
    }

    fn take(&mut self) -> Option<Taken> {
        let lease = self.leases.next()?;
        for (standing, asks) in self.standings.iter_mut().zip(&*self.asks) {
            for (spare, asked) in standing.spare.iter_mut().zip(asks) {
                *spare = spare.saturating_sub(*asked);
            }
        }
        Some(Taken {
            lease,
            refused: None,
            standings: self.standings.clone(),
            counted: Some(Arc::clone(&self.asks)),
        })
    }

    /// Whether it counts in a window that was over when others stood so.
    fn is_before(&self, bounds: &[Bound], standings: &[Standing]) -> bool {
        let mut own = self.bounds.iter().zip(&self.standings);
        own.any(|(own, standing)| {
            let mut others = bounds.iter().zip(standings);
            others.any(|(other, now)| own.counts_with(other) && standing.begun < now.begun)
        })
    }

    /// How one that nobody needs ends.
    fn ended(&self) -> Vec<Ended> {
        let all = self.bounds.iter().zip(&self.standings).zip(&*self.asks);
        let ended = all.map(|((bound, standing), asks)| Ended {
            scope: bound.scope,
            id: Arc::clone(&bound.id),
            begun: standing.begun,
            change: asks.map(|asked| i64::try_from(asked).map_or(i64::MIN, i64::wrapping_neg)),
        });
        ended.collect()
    }
}

/// How many of these there are.
fn unused(sets: &HashMap<u64, Vec<Set>>, key: u64) -> u64 {
    let sets = sets.get(&key).into_iter().flatten();
    sets.map(Set::len).sum()
}

/// What all sets hold of one counter.
fn held(sets: &HashMap<u64, Vec<Set>>, bound: &Bound) -> Counts {
    let mut held = Counts::default();
    for set in sets.values().flatten() {
        for (own, asks) in set.bounds.iter().zip(&*set.asks) {
            if own.counts_with(bound) {
                for (held, asked) in held.iter_mut().zip(asks) {
                    *held = held.saturating_add(asked.saturating_mul(set.len()));
                }
            }
        }
    }
    held
}

/// Where requests with these wants have slots.
pub(super) fn slots(wants: &[Want]) -> Option<Slots> {
    let mut limited = wants
        .iter()
        .filter(|want| want.limits[Kind::Parallel as usize].is_some())
        .peekable();
    limited.peek()?;
    let slots = limited.map(|want| (want.scope, Arc::clone(&want.id)));
    Some(slots.collect())
}
