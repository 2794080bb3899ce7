//! Asking Redis for requests with the same bounds together, and for some that will come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use llm_governance::limits::{CaughtUp, Taken, Want};
use llm_router::{Board, RedisLine};

use super::{
    spares::{Set, Spares},
    take::{self, Bound, More, Request},
};

/// What all that ask share.
pub(super) struct Desk {
    pub(super) line: RedisLine,
    pub(super) board: Arc<Board>,
    pub(super) spares: Arc<Spares>,
    next: AtomicU64,
}

/// Whoever asks for requests with the same bounds.
#[derive(Clone)]
pub(super) struct Asker {
    desk: Arc<Desk>,
    wants: Arc<[Want]>,
    bounds: Arc<[Bound]>,
    key: u64,
}

impl Desk {
    pub(super) fn new(line: RedisLine, board: Arc<Board>, spares: Arc<Spares>) -> Self {
        Self {
            line,
            board,
            spares,
            next: AtomicU64::new(0),
        }
    }

    /// Names for so many requests: from this one on.
    pub(super) fn lease(&self, count: u64) -> u64 {
        self.next.fetch_add(count, Ordering::Relaxed)
    }

    /// One that was counted beforehand.
    pub(super) fn spare(&self, wants: &[Want]) -> Option<Taken> {
        if self.spares.is_empty() {
            return None;
        }
        let is_bound = |bounds: &[Bound]| {
            bounds.len() == wants.len()
                && bounds.iter().zip(wants).all(|(bound, want)| bound.is(want))
        };
        let asks = wants.iter().map(|want| &want.asks);
        let (key, epoch) = (self.spares.key(wants), self.line.found());
        self.spares.take(key, is_bound, asks, epoch)
    }
}

impl Asker {
    pub(super) fn of(desk: &Arc<Desk>, wants: &[Want]) -> Self {
        Self {
            desk: Arc::clone(desk),
            wants: wants.into(),
            bounds: wants.iter().map(Bound::of).collect(),
            key: desk.spares.key(wants),
        }
    }

    pub(super) fn bounds(&self) -> Arc<[Bound]> {
        Arc::clone(&self.bounds)
    }

    /// Counts these requests: those that gathered while others were asked for may find that some were counted beforehand.
    pub(super) async fn ask(self, requests: Vec<Request>) -> Vec<Option<Taken>> {
        let epoch = self.desk.line.found();
        let mut answers: Vec<Option<Taken>> = requests
            .iter()
            .map(|request| {
                let is_bound = |bounds: &[Bound]| *bounds == *self.bounds;
                let spares = &self.desk.spares;
                spares.take(self.key, is_bound, request.asks.iter(), epoch)
            })
            .collect();
        let open = requests.into_iter().zip(&answers);
        let open = open.filter_map(|(request, answer)| answer.is_none().then_some(request));
        let open: Vec<Request> = open.collect();
        if !open.is_empty() {
            let taken = self.count(&open, &[]).await;
            let mut taken = taken.into_iter().flatten();
            for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
                *answer = taken.next();
            }
        }
        answers
    }

    /// The same for one, by whom Redis is told what this instance alone knows.
    pub(super) async fn tell(&self, request: Request, known: &[Option<CaughtUp>]) -> Option<Taken> {
        self.count(&[request], known).await?.pop()
    }

    async fn count(&self, requests: &[Request], known: &[Option<CaughtUp>]) -> Option<Vec<Taken>> {
        let Desk { line, spares, .. } = &*self.desk;
        let instances = self.desk.board.instances();
        let more = match known {
            [] => spares.wanted(self.key, &self.bounds, requests, instances),
            _ => None,
        };
        let more = more.map(|(count, asks)| More {
            first: self.desk.lease(count),
            count,
            asks,
        });
        let (epoch, asked) = (line.found(), Instant::now());
        let answer = take::ask(line, &self.wants, known, requests, more.as_ref()).await?;
        let mut standings = answer.standings;
        let set = more.filter(|_| answer.granted > 0).map(|more| Set {
            bounds: Arc::clone(&self.bounds),
            asks: more.asks,
            leases: more.first..more.first + answer.granted.min(more.count),
            standings: standings.clone(),
            epoch,
            asked,
            heard: Instant::now(),
        });
        spares.heard(self.key, &self.bounds, &mut standings, set);
        let taken = requests.iter().zip(answer.refused);
        let taken = taken.map(|(request, refused)| Taken {
            lease: request.lease,
            refused,
            standings: standings.clone(),
            counted: None,
        });
        Some(taken.collect())
    }
}
