//! Asking Redis to count requests.

use std::{sync::Arc, time::Duration};

use llm_governance::limits::{Bounds, CaughtUp, Counts, Kind, Standing, Want};
use llm_router::RedisLine;

use super::{LEASE, keys, millis, numbers::Numbers, script, signed};

/// What a want is limited by, whatever it asks for: requests that are limited by the same are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bound {
    pub(super) scope: &'static str,
    pub(super) id: Arc<str>,
    pub(super) window: Duration,
    pub(super) limits: Bounds,
}

/// A request, and how much it asks for of each want.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) lease: u64,
    pub(super) asks: Vec<Counts>,
}

/// Requests that are to be counted behind those that somebody waits for, as far as there is room.
#[derive(Debug)]
pub(super) struct More {
    pub(super) count: u64,
    /// The name of the first.
    pub(super) first: u64,
    /// How much each asks for of each want.
    pub(super) asks: Arc<[Counts]>,
}

/// What Redis says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// For each request which want refuses it, and for what.
    pub(super) refused: Vec<Option<(usize, Kind)>>,
    /// How many more were counted.
    pub(super) granted: u64,
    /// How each of the wants stands now.
    pub(super) standings: Vec<Standing>,
}

impl Bound {
    pub(super) fn of(want: &Want) -> Self {
        Self {
            scope: want.scope,
            id: want.id.clone(),
            window: want.window,
            limits: want.limits,
        }
    }

    /// Whether it is that of `want`.
    pub(super) fn is(&self, want: &Want) -> bool {
        self.is_of(want) && (self.window, self.limits) == (want.window, want.limits)
    }

    /// Whether it is of the same counter.
    pub(super) fn is_of(&self, want: &Want) -> bool {
        (self.scope, &*self.id) == (want.scope, &*want.id)
    }

    /// The same.
    pub(super) fn counts_with(&self, other: &Self) -> bool {
        (self.scope, &*self.id) == (other.scope, &*other.id)
    }
}

impl Request {
    pub(super) fn of(lease: u64, wants: &[Want]) -> Self {
        Self {
            lease,
            asks: wants.iter().map(|want| want.asks).collect(),
        }
    }
}

/// Counts these requests, whose wants are those of `wants` but for what they ask, and `more`. `known` has, for each want, what
/// this instance alone knows of it. Nothing, if Redis is away.
pub(super) async fn ask(
    line: &RedisLine,
    wants: &[Want],
    known: &[Option<CaughtUp>],
    requests: &[Request],
    more: Option<&More>,
) -> Option<Answer> {
    let mut take = script::TAKE.prepare_invoke();
    for want in wants {
        let (window, slots) = keys(line, want.scope, &want.id);
        take.key(window).key(slots);
    }
    take.arg(line.name())
        .arg(said(wants, known, requests, more));
    let answer: String = line
        .ask(|mut connection| async move { take.invoke_async(&mut connection).await })
        .await?;
    Some(read(requests.len(), &answer))
}

/// All numbers that the script wants to know.
fn said(
    wants: &[Want],
    known: &[Option<CaughtUp>],
    requests: &[Request],
    more: Option<&More>,
) -> String {
    let mut numbers = Numbers::default();
    numbers.add(signed(millis(LEASE)));
    numbers.add(signed(requests.len() as u64));
    for request in requests {
        numbers.add(signed(request.lease));
    }
    numbers.add(more.map_or(0, |more| signed(more.count)));
    if let Some(more) = more {
        numbers.add(signed(more.first));
    }
    for (at, want) in wants.iter().enumerate() {
        numbers.add(signed(millis(want.window)));
        for limit in want.limits {
            numbers.add(limit.map_or(-1, signed));
        }
        match known.get(at).copied().flatten() {
            None => drop(numbers.add(0)),
            Some(known) => {
                numbers.add(1).add(known.begun.map_or(-1, signed));
                numbers.add(signed(millis(known.age)));
                for count in known.seen.into_iter().chain(known.apart) {
                    numbers.add(signed(count));
                }
            }
        }
        for request in requests {
            for asked in request.asks.get(at).copied().unwrap_or_default() {
                numbers.add(signed(asked));
            }
        }
        if let Some(more) = more {
            for asked in more.asks.get(at).copied().unwrap_or_default() {
                numbers.add(signed(asked));
            }
        }
    }
    numbers.text()
}

/// What the script says.
fn read(requests: usize, answer: &str) -> Answer {
    let mut numbers = answer.split(' ').map(|word| word.parse().unwrap_or(0));
    let refused: Vec<Option<(usize, Kind)>> = (0..requests)
        .map_while(|_| Some(refused(numbers.next()?, numbers.next()?)))
        .collect();
    let granted = numbers.next().unwrap_or_default();
    let standings = std::iter::from_fn(|| {
        let (begun, ends_in) = (numbers.next()?, numbers.next()?);
        let mut counts = Counts::default();
        for count in &mut counts {
            *count = numbers.next()?;
        }
        Some(Standing {
            begun,
            ends_in: Duration::from_millis(ends_in),
            counts,
            spare: Counts::default(),
        })
    });
    let standings: Vec<Standing> = standings.collect();
    Answer {
        refused,
        granted,
        standings,
    }
}

/// Which want refuses, from 1, and for what.
fn refused(at: u64, kind: u64) -> Option<(usize, Kind)> {
    let number = |number| usize::try_from(number).ok();
    let kind = number(kind).and_then(|kind| Kind::ALL.get(kind).copied());
    number(at).and_then(|at| at.checked_sub(1)).zip(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_script_are_read() {
        let answer = read(3, "0 0 2 1 1 99 4 100 60000 1 2 3 4 5 6");
        assert_eq!(answer.refused, [None, Some((1, Kind::Requests)), None]);
        assert_eq!(answer.granted, 4);
        assert_eq!(answer.standings.len(), 1);
        assert_eq!(answer.standings[0].counts, [1, 2, 3, 4, 5, 6]);
        assert_eq!(answer.standings[0].ends_in, Duration::from_secs(60));
    }
}
