//! How many requests are counted beforehand: none for those that come now and then, more for those that come one after the
//! other, and never more than a small part of what is left.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use llm_governance::limits::{Counts, Kind, Standing};

use super::take::{Bound, Request};

/// How long nobody may need what was counted beforehand.
pub(super) const LIFE: Duration = Duration::from_millis(250);

/// Whoever asks again so soon comes quickly.
const QUICK: Duration = Duration::from_millis(20);

/// The most at a time.
const MOST: u64 = 64;

/// What part of what is left of a limit an instance counts beforehand, at most: one in so many.
const PART: u64 = 128;

/// How fast requests with the same bounds come, and what they ask for.
pub(super) struct Pace {
    pub(super) bounds: Arc<[Bound]>,
    /// When Redis was asked last.
    asked: Instant,
    /// How many were counted beforehand then, and how many of them somebody needed.
    granted: u64,
    used: u64,
    /// The most that a request asked for since.
    largest: Vec<Counts>,
    /// What Redis said last.
    standings: Vec<Standing>,
}

impl Pace {
    pub(super) fn new(bounds: &Arc<[Bound]>, requests: &[Request], now: Instant) -> Self {
        Self {
            bounds: Arc::clone(bounds),
            asked: now,
            granted: 0,
            used: 0,
            largest: largest(bounds.len(), requests),
            standings: Vec::new(),
        }
    }

    /// Whether nobody has asked for long.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked) > 2 * LIFE
    }

    /// Redis is asked for these requests: how many more should be counted, as far as there is room, where there are `unused`
    /// ones; and how much each should ask for.
    pub(super) fn next(
        &mut self,
        requests: &[Request],
        unused: u64,
        now: Instant,
    ) -> (u64, Arc<[Counts]>) {
        let since = now.saturating_duration_since(self.asked);
        let together = requests.len() as u64;
        let used_up = self.granted > 0 && self.used >= self.granted;
        let count = match () {
            () if used_up && since <= LIFE / 2 => (2 * self.granted).max(2 * together),
            // More would not be used before they are given back.
            () if used_up && since <= LIFE => self.granted.max(2 * together),
            () if together > 1 || since <= QUICK => 2 * together,
            // They come as fast as these were used before the others were given back.
            () if since <= 2 * LIFE => self.used,
            () => 0,
        };
        for request in requests {
            self.saw(&request.asks);
        }
        let asks = self.largest.iter().map(generous).collect();
        self.largest = largest(self.bounds.len(), requests);
        self.asked = now;
        (count.min(MOST).saturating_sub(unused), asks)
    }

    /// How many that ask for so much there is room for, where this instance has counted `held` of each bound beforehand already.
    pub(super) fn room(&self, asks: &[Counts], held: &[Counts], instances: u64) -> u64 {
        // However many instances there are: a twentieth of a limit in all of them together.
        let part = PART.max(instances.saturating_mul(20));
        if self.standings.len() != self.bounds.len() {
            return 0;
        }
        let bounds = self.bounds.iter().zip(&self.standings);
        let rooms = bounds.zip(asks.iter().zip(held)).flat_map(|(said, mine)| {
            let ((bound, standing), (asks, held)) = (said, mine);
            (0..Kind::ALL.len()).filter_map(move |at| {
                let left = bound.limits[at]?.saturating_sub(standing.counts[at]);
                (left / part).saturating_sub(held[at]).checked_div(asks[at])
            })
        });
        rooms.min().unwrap_or(MOST)
    }

    /// Redis has answered, and counted so many beforehand; `unused` are there in all.
    pub(super) fn heard(&mut self, granted: u64, unused: u64, standings: &[Standing]) {
        if granted > 0 || unused == 0 {
            (self.granted, self.used) = (unused, 0);
        }
        self.standings.clear();
        self.standings.extend_from_slice(standings);
    }

    /// Somebody who asked for this needed one that was counted beforehand.
    pub(super) fn took<'a>(&mut self, asks: impl IntoIterator<Item = &'a Counts>) {
        self.used += 1;
        self.saw(asks);
    }

    fn saw<'a>(&mut self, asks: impl IntoIterator<Item = &'a Counts>) {
        for (largest, asks) in self.largest.iter_mut().zip(asks) {
            for (largest, asked) in largest.iter_mut().zip(asks) {
                *largest = (*largest).max(*asked);
            }
        }
    }
}

fn largest(bounds: usize, requests: &[Request]) -> Vec<Counts> {
    let mut largest = vec![Counts::default(); bounds];
    for request in requests {
        for (largest, asks) in largest.iter_mut().zip(&request.asks) {
            for (largest, asked) in largest.iter_mut().zip(asks) {
                *largest = (*largest).max(*asked);
            }
        }
    }
    largest
}

/// A little more, as prompts differ; a request is one.
fn generous(asks: &Counts) -> Counts {
    let mut asks = *asks;
    for kind in [Kind::Tokens, Kind::Input, Kind::Output] {
        let tokens = &mut asks[kind as usize];
        *tokens = tokens.saturating_add(*tokens / 8);
    }
    asks
}

#[cfg(test)]
mod tests {
    use llm_governance::limits::Bounds;

    use super::*;

    fn request(tokens: u64) -> Request {
        Request {
            lease: 0,
            asks: vec![[1, 1, tokens, 0, 0, 0]],
        }
    }

    fn pace(limits: Bounds, now: Instant) -> Pace {
        let bound = Bound {
            scope: "api_key",
            id: Arc::from("one"),
            window: Duration::from_secs(60),
            limits,
        };
        Pace::new(&Arc::from([bound]), &[request(80)], now)
    }

    fn standing(counts: Counts) -> Standing {
        Standing {
            begun: 1,
            ends_in: Duration::from_secs(60),
            counts,
            spare: Counts::default(),
        }
    }

    #[test]
    fn those_that_come_quickly_are_expected_and_the_others_are_not() {
        let mut now = Instant::now();
        let mut pace = pace(Bounds::default(), now);
        let mut ask = |pace: &mut Pace, after, requests| {
            now += Duration::from_millis(after);
            let requests: Vec<_> = (0..requests).map(|_| request(80)).collect();
            pace.next(&requests, 0, now).0
        };
        assert_eq!(ask(&mut pace, 21, 1), 0);
        assert_eq!(ask(&mut pace, 20, 1), 2);
        assert_eq!(ask(&mut pace, 100, 3), 6);
        for expected in [12, 24, 48, 64, 64] {
            let granted = expected / 2;
            pace.heard(granted, granted, &[]);
            (0..granted).for_each(|_| pace.took([]));
            assert_eq!(ask(&mut pace, 125, 1), expected.min(64));
        }
        pace.heard(10, 10, &[]);
        (0..10).for_each(|_| pace.took([]));
        assert_eq!(ask(&mut pace, 250, 1), 10);
        // Five of many were used until the others were given back.
        pace.heard(64, 64, &[]);
        (0..5).for_each(|_| pace.took([]));
        assert_eq!(ask(&mut pace, 300, 1), 5);
        assert_eq!(ask(&mut pace, 600, 1), 0);
    }

    #[test]
    fn they_ask_for_a_little_more_than_the_largest_of_late() {
        let now = Instant::now();
        let mut pace = pace(Bounds::default(), now);
        pace.took(&[[1, 1, 160, 0, 0, 0]]);
        assert_eq!(pace.next(&[request(10)], 0, now).1[0][..3], [1, 1, 180]);
        assert_eq!(pace.next(&[request(10)], 0, now).1[0][..3], [1, 1, 11]);
    }

    #[test]
    fn they_are_a_small_part_of_what_is_left_of_every_limit() {
        let now = Instant::now();
        let limits = [Some(1_280), Some(12_800), Some(1_280_000), None, None, None];
        let mut pace = pace(limits, now);
        let asks = [[1, 1, 1_000, 5, 5, 5]];
        let none = [Counts::default()];
        assert_eq!(pace.room(&asks, &none, 1), 0, "nothing is known yet");
        let mut room = |counts, held, instances| {
            pace.heard(0, 0, &[standing(counts)]);
            pace.room(&asks, &[held], instances)
        };
        let nothing = Counts::default();
        assert_eq!(room(nothing, nothing, 1), 10);
        assert_eq!(room([1_153, 0, 0, 0, 0, 0], nothing, 1), 0);
        assert_eq!(room([0, 12_000, 0, 0, 0, 0], nothing, 1), 6);
        assert_eq!(room([0, 0, 1_000_000, 0, 0, 0], nothing, 1), 2);
        assert_eq!(room(nothing, [0, 0, 6_000, 0, 0, 0], 1), 4);
        assert_eq!(room(nothing, nothing, 64), 1);
    }
}
