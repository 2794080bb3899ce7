//! Asking Redis to count requests.

use std::{sync::Arc, time::Duration};

use llm_governance::limits::{Bounds, CaughtUp, Counts, Kind, Standing, Taken, Want};
use llm_router::RedisLine;

use super::{LEASE, keys, millis, numbers::Numbers, script, signed};

/// What a want is limited by, whatever it asks for: requests that are limited by the same are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bound {
    scope: &'static str,
    id: Arc<str>,
    window: Duration,
    limits: Bounds,
}

/// A request, and how much it asks for of each want.
#[derive(Debug)]
pub(super) struct Request {
    lease: u64,
    asks: Vec<Counts>,
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
}

impl Request {
    pub(super) fn of(lease: u64, wants: &[Want]) -> Self {
        Self {
            lease,
            asks: wants.iter().map(|want| want.asks).collect(),
        }
    }
}

/// Counts these requests, whose wants are those of `wants` but for what they ask. `known` has, for each want, what this
/// instance alone knows of it. Nothing, if Redis is away.
pub(super) async fn ask(
    line: &RedisLine,
    wants: &[Want],
    known: &[Option<CaughtUp>],
    requests: &[Request],
) -> Option<Vec<Taken>> {
    let mut take = script::TAKE.prepare_invoke();
    for want in wants {
        let (window, slots) = keys(line, want.scope, &want.id);
        take.key(window).key(slots);
    }
    take.arg(line.name()).arg(said(wants, known, requests));
    let answer: String = line
        .ask(|mut connection| async move { take.invoke_async(&mut connection).await })
        .await?;
    Some(read(requests, &answer))
}

/// All numbers that the script wants to know.
fn said(wants: &[Want], known: &[Option<CaughtUp>], requests: &[Request]) -> String {
    let mut numbers = Numbers::default();
    numbers.add(signed(millis(LEASE)));
    numbers.add(signed(requests.len() as u64));
    for request in requests {
        numbers.add(signed(request.lease));
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
    }
    numbers.text()
}

/// What the script says.
fn read(requests: &[Request], answer: &str) -> Vec<Taken> {
    let mut numbers = answer.split(' ').map(|word| word.parse().unwrap_or(0));
    let refused: Vec<Option<(usize, Kind)>> = requests
        .iter()
        .map_while(|_| Some(refused(numbers.next()?, numbers.next()?)))
        .collect();
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
        })
    });
    let standings: Vec<Standing> = standings.collect();
    let taken = requests.iter().zip(refused);
    let taken = taken.map(|(request, refused)| Taken {
        lease: request.lease,
        refused,
        standings: standings.clone(),
    });
    taken.collect()
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
        let requests = [7, 8, 9].map(|lease| Request::of(lease, &[]));
        let answer = "0 0 2 1 1 99 100 60000 1 2 3 4 5 6";
        let taken = read(&requests, answer);
        let refused: Vec<_> = taken.iter().map(|one| (one.lease, one.refused)).collect();
        assert_eq!(
            refused,
            [(7, None), (8, Some((1, Kind::Requests))), (9, None)]
        );
        for one in taken {
            assert_eq!(one.standings.len(), 1);
            assert_eq!(one.standings[0].counts, [1, 2, 3, 4, 5, 6]);
            assert_eq!(one.standings[0].ends_in, Duration::from_secs(60));
        }
    }
}
