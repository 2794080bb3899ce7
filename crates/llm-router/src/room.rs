//! How much a group may still take this minute.

use crate::{Deployment, Load, Router};

/// What the deployments of a group may take in a minute, together, and what is left of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Requests; `None` where no deployment has a limit of them.
    pub requests: Option<Share>,
    /// Tokens, likewise.
    pub tokens: Option<Share>,
}

/// A limit, and what is left of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// What a minute has.
    pub limit: u64,
    /// What this one has left.
    pub remaining: u64,
}

impl Router {
    /// How much `group` may still take this minute; `None` if nothing of it is limited.
    pub fn room(&self, group: &str) -> Option<Room> {
        let limited = |d: &Deployment| d.quota.rpm.is_some() || d.quota.tpm.is_some();
        let deployments = self.find(group)?.deployments;
        let now = self.now();
        let mut room = None;
        for deployment in deployments.iter().filter(|d| limited(d)) {
            let load = self.whole_load(&deployment.live, now);
            let room = room.get_or_insert_with(Room::default);
            let (rpm, tpm) = (deployment.quota.rpm, deployment.quota.tpm);
            add(&mut room.requests, rpm, &load, |load| load.requests);
            add(&mut room.tokens, tpm, &load, |load| load.tokens);
        }
        room
    }
}

fn add(share: &mut Option<Share>, limit: Option<u64>, load: &Load, used: fn(&Load) -> u64) {
    let Some(limit) = limit else { return };
    let share = share.get_or_insert_with(Share::default);
    share.limit = share.limit.saturating_add(limit);
    let left = limit.saturating_sub(used(load));
    share.remaining = share.remaining.saturating_add(left);
}
