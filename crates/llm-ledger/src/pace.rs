//! How much is worth holding beforehand: little at first, twice as much each time that it was used up soon.

use std::time::{Duration, Instant};

use crate::share::End;

/// Requests come quickly if no more than this passes between two statements.
const QUICK: Duration = Duration::from_millis(20);

/// So many come quickly before anything is held for those to come.
const WARM: usize = 16;

/// The most requests that a share is for.
const MOST: i64 = 256;

/// The part of what is left on an account that a process holds beforehand: one of so many.
const PART: i64 = 64;

/// A share is for so many requests at least, as large as the largest.
const LEAST: i64 = 8;

/// How quickly requests of the same accounts come.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    /// Requests that came quickly.
    streak: usize,
    /// The requests that the last share was for.
    worth: i64,
    /// How it came to its end, if nobody asked since.
    end: Option<End>,
    /// What was left on each of the accounts, as the database said last.
    rooms: Box<[i64]>,
}

/// Requests that one statement holds for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) requests: usize,
    pub(crate) sum: i64,
    /// The largest.
    pub(crate) largest: i64,
}

impl Pace {
    /// Requests ask the database now: answers how much a share may be, where `held(n)` is what this process has in shares of
    /// the `n`th account. Nothing, if none is worth it.
    pub(crate) fn asks(
        &mut self,
        asked: Asked,
        now: Instant,
        held: impl Fn(usize) -> i64,
    ) -> Option<i64> {
        let end = self.end.take();
        let is_quick = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < QUICK);
        let goes_on = is_quick || asked.requests > 1 || end.is_some_and(|end| end != End::Idle);
        self.streak = if goes_on { self.streak } else { 0 }.saturating_add(asked.requests);
        self.worth = match end {
            Some(End::DrainedSoon) => self.worth.saturating_mul(2),
            Some(End::Used) => self.worth,
            _ => 0,
        };
        if self.streak < WARM || asked.sum <= 0 {
            return None;
        }
        let requests = i64::try_from(asked.requests).unwrap_or(MOST);
        self.worth = self.worth.max(requests.saturating_mul(2)).min(MOST);
        let most = (self.rooms.iter().enumerate())
            .map(|(at, room)| (room / PART).saturating_sub(held(at)))
            .min()?;
        let wanted = (asked.sum / requests.max(1)).saturating_mul(self.worth);
        let amount = wanted.min(most);
        let is_enough = self.rooms.iter().all(|room| {
            let smallest = asked.largest.saturating_mul(LEAST);
            smallest <= room / PART
        });
        (is_enough && amount >= asked.largest).then_some(amount)
    }

    /// The database has answered: so much is left on each account.
    pub(crate) fn answered(&mut self, rooms: Box<[i64]>, now: Instant) {
        self.last = Some(now);
        self.rooms = rooms;
    }

    /// The share of these accounts has ended.
    pub(crate) fn ended(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Whether nobody has asked for as long as this.
    pub(crate) fn is_at_rest(&self, now: Instant, longest: Duration) -> bool {
        self.last
            .is_none_or(|last| now.saturating_duration_since(last) > longest)
    }
}

/// Whether a share is no larger than it may be, where so much is left and so much is in shares.
pub(crate) fn is_modest(room: i64, held: i64) -> bool {
    held <= room / PART
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Asked, End, Pace};

    fn of(requests: usize, each: i64) -> Asked {
        Asked {
            requests,
            sum: each * i64::try_from(requests).unwrap(),
            largest: each,
        }
    }

    fn warm(room: i64) -> (Pace, Instant) {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.answered([room].into(), now);
        assert_eq!(pace.asks(of(15, 10), now, |_| 0), None);
        (pace, now)
    }

    #[test]
    fn nothing_is_held_for_those_to_come_before_some_came_quickly() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(pace.asks(of(1, 10), now, |_| 0), None);
            pace.answered([i64::MAX].into(), now);
            now += Duration::from_millis(30);
        }
        for _ in 0..15 {
            now += Duration::from_millis(10);
            let _ = pace.asks(of(1, 10), now, |_| 0);
            pace.answered([i64::MAX].into(), now);
        }
        assert_eq!(pace.asks(of(1, 10), now, |_| 0), Some(20));
    }

    #[test]
    fn a_share_that_is_used_up_soon_is_followed_by_a_larger_one() {
        let (mut pace, now) = warm(i64::MAX);
        let mut sizes = Vec::new();
        for end in [
            End::DrainedSoon,
            End::DrainedSoon,
            End::Used,
            End::DrainedSoon,
            End::Idle,
        ] {
            sizes.extend(pace.asks(of(4, 10), now, |_| 0));
            pace.ended(end);
        }
        assert_eq!(sizes, [80, 160, 320, 320, 640]);
        let later = now + Duration::from_secs(1);
        assert_eq!(pace.asks(of(1, 10), later, |_| 0), None);
        for _ in 0..20 {
            pace.ended(End::DrainedSoon);
            let _ = pace.asks(of(4, 10), now, |_| 0);
        }
        pace.ended(End::DrainedSoon);
        assert_eq!(pace.asks(of(4, 10), now, |_| 0), Some(2560));
    }

    #[test]
    fn it_is_a_small_part_of_what_is_left_with_what_is_in_shares_already() {
        let (mut pace, now) = warm(64 * 80);
        assert_eq!(pace.asks(of(60, 10), now, |_| 0), Some(80));
        assert_eq!(pace.asks(of(60, 10), now, |_| 50), Some(30));
        assert_eq!(pace.asks(of(60, 10), now, |_| 75), None);
        // Eight of these would be more than that.
        assert_eq!(pace.asks(of(60, 11), now, |_| 0), None);
        pace.answered([64 * 80 - 1].into(), now);
        assert_eq!(pace.asks(of(60, 10), now, |_| 0), None);
    }
}
