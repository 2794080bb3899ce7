//! Asking Redis to count requests.

use std::{sync::Arc, time::Duration};

use llm_governance::limits::{Bounds, CaughtUp, Counts, Kind, Standing, Taken, Want};
use llm_router::RedisLine;

use super::{LEASE, keys, millis, name, script, signed};

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
    take.arg(millis(LEASE)).arg(requests.len());
    for request in requests {
        take.arg(name(line, request.lease));
    }
    for (at, want) in wants.iter().enumerate() {
        let (window, slots) = keys(line, want.scope, &want.id);
        take.key(window).key(slots).arg(millis(want.window));
        for limit in want.limits {
            take.arg(limit.map_or(-1, signed));
        }
        match known.get(at).copied().flatten() {
            None => drop(take.arg(0)),
            Some(known) => {
                take.arg(1).arg(known.begun.map_or(-1, signed));
                take.arg(millis(known.age));
                for count in known.seen.into_iter().chain(known.apart) {
                    take.arg(signed(count));
                }
            }
        }
        for request in requests {
            for asked in request.asks.get(at).copied().unwrap_or_default() {
                take.arg(signed(asked));
            }
        }
    }
    let answer: Vec<i64> = line
        .ask(|mut connection| async move { take.invoke_async(&mut connection).await })
        .await?;
    Some(read(requests, &answer))
}

/// What the script says.
fn read(requests: &[Request], answer: &[i64]) -> Vec<Taken> {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let (heads, rest) = answer
        .split_at_checked(2 * requests.len())
        .unwrap_or((answer, &[]));
    let standings = rest.chunks_exact(2 + Kind::ALL.len()).map(|one| {
        let mut counts = Counts::default();
        for (to, from) in counts.iter_mut().zip(one.iter().skip(2)) {
            *to = count(*from);
        }
        Standing {
            begun: one.first().copied().map_or(0, count),
            ends_in: Duration::from_millis(one.get(1).copied().map_or(0, count)),
            counts,
        }
    });
    let standings: Vec<Standing> = standings.collect();
    let taken = requests.iter().zip(heads.chunks_exact(2));
    let taken = taken.map(|(request, head)| Taken {
        lease: request.lease,
        refused: refused(head),
        standings: standings.clone(),
    });
    taken.collect()
}

/// Which want refuses, from 1, and for what.
fn refused(head: &[i64]) -> Option<(usize, Kind)> {
    let [at, kind] = head else { return None };
    let kind = usize::try_from(*kind).ok();
    let kind = kind.and_then(|kind| Kind::ALL.get(kind).copied());
    let at = usize::try_from(*at).ok();
    at.and_then(|at| at.checked_sub(1)).zip(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_script_are_read() {
        let requests = [7, 8, 9].map(|lease| Request::of(lease, &[]));
        let answer = [0, 0, 2, 1, 1, 99, 100, 60_000, 1, 2, 3, 4, 5, 6];
        let taken = read(&requests, &answer);
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
