//! Who goes first when everybody is busy.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// How requests wait for a deployment that has as many attempts under way as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueRules {
    /// Requests that wait for one group, at most. One more, and whoever would come last is turned away: the least urgent,
    /// and of those the latest of who has most of them.
    pub size: usize,
    /// The longest wait, where the request has no shorter deadline.
    pub wait: Duration,
    /// How often the first in line asks for slots that other instances may have given back.
    pub poll: Duration,
    /// The priority of requests that do not say; lower goes first.
    pub default_priority: i64,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self {
            size: 1024,
            wait: Duration::from_secs(60),
            poll: Duration::from_millis(30),
            default_priority: 0,
        }
    }
}

/// The requests that wait for one group. Lower priorities go first; within one, users take turns, so that nobody waits
/// for all of somebody else's requests.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    waiting: Vec<Waiter>,
    /// The turn of each user's latest request.
    turns: HashMap<String, u64>,
    /// The turn that was served last.
    now: u64,
    next_id: u64,
}

#[derive(Debug)]
struct Waiter {
    rank: Rank,
    wake: Arc<Notify>,
    turned_away: bool,
}

/// Priority, turn, arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(i64, u64, u64);

/// A place in the line. Dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    id: u64,
    wake: Arc<Notify>,
}

/// What a waiting request is woken for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be room.
    Try,
    /// Somebody more urgent took the last place in the line.
    TurnedAway,
}

impl Queue {
    /// Whether somebody waits who goes before a newcomer of `priority`.
    pub(crate) fn goes_before(&self, priority: i64) -> bool {
        self.with(|line| line.waiting.iter().any(|w| w.rank.0 <= priority))
    }

    /// Takes a place; `None` if the line is full of requests that are at least as urgent.
    pub(crate) fn join(
        self: &Arc<Self>,
        priority: i64,
        user: Option<&str>,
        rules: &QueueRules,
    ) -> Option<Place> {
        let wake = Arc::new(Notify::new());
        let id = self.with(|line| line.join(priority, user.unwrap_or_default(), &wake, rules))?;
        Some(Place {
            queue: Arc::clone(self),
            id,
            wake,
        })
    }

    /// A slot is free: the first in line may try.
    pub(crate) fn wake(&self) {
        self.with(|line| {
            if let Some(first) = line.first() {
                first.wake.notify_one();
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Line) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Line {
    fn join(
        &mut self,
        priority: i64,
        user: &str,
        wake: &Arc<Notify>,
        rules: &QueueRules,
    ) -> Option<u64> {
        let last = self.turns.get(user).copied().unwrap_or_default();
        let turn = last.max(self.now) + 1;
        let id = self.next_id;
        let rank = Rank(priority, turn, id);
        if self.waiting.iter().filter(|w| !w.turned_away).count() >= rules.size {
            let staying = self.waiting.iter_mut().filter(|w| !w.turned_away);
            let least = staying.max_by_key(|waiter| waiter.rank)?;
            if least.rank <= rank {
                return None;
            }
            least.turned_away = true;
            least.wake.notify_one();
        }
        self.next_id += 1;
        self.turns.insert(user.to_owned(), turn);
        self.waiting.push(Waiter {
            rank,
            wake: Arc::clone(wake),
            turned_away: false,
        });
        Some(id)
    }

    fn first(&self) -> Option<&Waiter> {
        let staying = self.waiting.iter().filter(|w| !w.turned_away);
        staying.min_by_key(|waiter| waiter.rank)
    }

    fn leave(&mut self, id: u64) {
        if let Some(at) = self.waiting.iter().position(|w| w.rank.2 == id) {
            let waiter = self.waiting.swap_remove(at);
            if !waiter.turned_away {
                self.now = self.now.max(waiter.rank.1);
            }
        }
        if self.waiting.is_empty() {
            self.turns.clear();
            self.now = 0;
        }
        if let Some(first) = self.first() {
            first.wake.notify_one();
        }
    }
}

impl Place {
    /// Whether it is the first in line.
    pub(crate) fn is_first(&self) -> bool {
        self.queue
            .with(|line| line.first().is_some_and(|first| first.rank.2 == self.id))
    }

    /// Waits until it is this request's turn to try.
    pub(crate) async fn turn(&self) -> Turn {
        loop {
            self.wake.notified().await;
            let away = self.queue.with(|line| {
                let own = line.waiting.iter().find(|w| w.rank.2 == self.id);
                own.is_none_or(|waiter| waiter.turned_away)
            });
            if away {
                return Turn::TurnedAway;
            }
            if self.is_first() {
                return Turn::Try;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.with(|line| line.leave(self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(size: usize) -> QueueRules {
        QueueRules {
            size,
            ..QueueRules::default()
        }
    }

    /// The order in which places are served.
    fn order(mut places: Vec<(&'static str, Place)>) -> Vec<&'static str> {
        let mut served = Vec::new();
        while !places.is_empty() {
            let at = places.iter().position(|(_, place)| place.is_first());
            let (name, _place) = places.swap_remove(at.expect("somebody is first"));
            served.push(name);
        }
        served
    }

    #[test]
    fn the_urgent_go_first_and_users_take_turns() {
        let queue = Arc::new(Queue::default());
        let join = |name, priority, user| {
            let place = queue.join(priority, Some(user), &rules(99)).expect("room");
            (name, place)
        };
        let places = vec![
            join("a1", 0, "a"),
            join("a2", 0, "a"),
            join("a3", 0, "a"),
            join("b1", 0, "b"),
            join("later", 5, "c"),
            join("urgent", -1, "a"),
            join("b2", 0, "b"),
        ];
        assert_eq!(
            order(places),
            ["urgent", "a1", "b1", "a2", "b2", "a3", "later"]
        );
    }

    #[tokio::test]
    async fn the_least_urgent_makes_room() {
        let queue = Arc::new(Queue::default());
        let _first = queue.join(0, None, &rules(2)).expect("room");
        let second = queue.join(7, None, &rules(2)).expect("room");
        assert!(queue.join(7, None, &rules(2)).is_none());
        let third = queue.join(1, None, &rules(2)).expect("room is made");
        assert_eq!(second.turn().await, Turn::TurnedAway);
        assert!(!third.is_first());
    }

    #[tokio::test]
    async fn a_full_line_of_one_user_makes_room_for_another() {
        let queue = Arc::new(Queue::default());
        let join = |user| queue.join(0, Some(user), &rules(3));
        let flood: Vec<_> = (0..3).map(|_| join("a").expect("room")).collect();
        assert!(join("a").is_none());
        let _b1 = join("b").expect("room is made");
        assert_eq!(flood[2].turn().await, Turn::TurnedAway);
        // Each has had a turn more than the other: who came first stays.
        assert!(join("b").is_none());
    }

    #[tokio::test]
    async fn who_leaves_passes_the_turn_on() {
        let queue = Arc::new(Queue::default());
        let first = queue.join(0, None, &rules(9)).expect("room");
        let second = queue.join(0, None, &rules(9)).expect("room");
        queue.wake();
        assert_eq!(first.turn().await, Turn::Try);
        drop(first);
        assert_eq!(second.turn().await, Turn::Try);
    }
}
