//! Who goes back to the deployment it was at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{Ask, Deployment, Field, Moment, News, Reason, Shared, hash};

/// What binds a request to the deployment that answered an earlier one. A bond is a wish: if that deployment cannot be
/// asked, another one is.
#[derive(Debug, Clone, PartialEq)]
pub struct AffinityRules {
    /// For all groups.
    pub bonds: Bonds,
    /// The same for single groups: LiteLLM's `model_group_affinity_config`.
    pub group_bonds: BTreeMap<String, Bonds>,
    /// How long users and sessions are remembered.
    pub ttl: Duration,
    /// How long a vendor is thought to keep a prompt.
    pub prompt_ttl: Duration,
    /// How many times the load of the least loaded deployment one may carry before a conversation leaves its cached
    /// prompt there: cached tokens are cheap, and waiting is not.
    pub load_factor: f64,
}

/// Kinds of bonds, by LiteLLM's names of optional pre-call checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bonds {
    /// `prompt_caching`: the beginning of the prompt was sent there.
    pub prompt: bool,
    /// `session_affinity`: the session is there.
    pub session: bool,
    /// `deployment_affinity`: the caller, or a user where nobody knows the caller, is there.
    pub user: bool,
}

impl Default for AffinityRules {
    fn default() -> Self {
        Self {
            bonds: Bonds::default(),
            group_bonds: BTreeMap::new(),
            ttl: Duration::from_secs(3600),
            prompt_ttl: Duration::from_secs(300),
            load_factor: 2.0,
        }
    }
}

impl AffinityRules {
    /// The bonds in a group.
    pub fn of(&self, group: &str) -> Bonds {
        self.group_bonds.get(group).copied().unwrap_or(self.bonds)
    }
}

/// One thing that binds a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bond {
    key: u64,
    ttl: Duration,
    /// It is worth something, and not everything.
    priced: bool,
}

impl Bonds {
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// What binds `ask` in `group`, the strongest first.
    pub(crate) fn of(self, ask: &Ask, group: &str, rules: &AffinityRules) -> Vec<Bond> {
        let group = hash::of(group.as_bytes());
        let key = |kind: u64, value: u64| hash::both(hash::both(group, kind), value);
        let text = |on: bool, value: &Option<String>| {
            value
                .as_ref()
                .filter(|_| on)
                .map(|value| hash::of(value.as_bytes()))
        };
        let bond = |kind: u64, value: u64| Bond {
            key: key(kind, value),
            ttl: rules.ttl,
            priced: false,
        };
        let mut bonds = Vec::new();
        bonds.extend(text(self.session, &ask.session).map(|session| bond(1, session)));
        let user = if ask.caller.is_some() {
            &ask.caller
        } else {
            &ask.user
        };
        bonds.extend(text(self.user, user).map(|user| bond(2, user)));
        if let Some(prefix) = ask.prefix.filter(|_| self.prompt) {
            bonds.push(Bond {
                key: key(3, prefix),
                ttl: rules.prompt_ttl,
                priced: true,
            });
        }
        bonds
    }
}

/// Who was where. Bounded: what was not used for longest is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Affinity(Mutex<Generations>);

/// Entries of two ages. When the young are too many they become the old, and the old are forgotten.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<u64, Place>,
    old: HashMap<u64, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// The hash of the deployment's id.
    deployment: u64,
    until: Moment,
    /// Until when other instances know of it.
    told: Moment,
}

/// Entries of one age, at most.
const GENERATION: usize = 50_000;

impl Affinity {
    /// Remembers that `bonds` lead to `deployment`.
    pub(crate) fn remember(
        &self,
        now: Moment,
        bonds: &[Bond],
        deployment: &Deployment,
        shared: Option<&Arc<dyn Shared>>,
    ) {
        if bonds.is_empty() {
            return;
        }
        let deployment = hash::of(deployment.id.as_bytes());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bond in bonds {
            let until = now.after(bond.ttl);
            let known = all
                .get(bond.key)
                .filter(|known| known.deployment == deployment);
            // Others know it already, and for long enough: a conversation has many turns.
            let told = known.map(|known| known.told);
            let told = told.filter(|told| *told > now.after(bond.ttl / 2));
            if let (None, Some(shared)) = (told, shared) {
                shared.tell(News::Bound {
                    bond: bond.key,
                    deployment,
                    until,
                });
            }
            let place = Place {
                deployment,
                until,
                told: told.unwrap_or(until),
            };
            all.put(bond.key, place);
        }
    }

    /// Another instance says where somebody is.
    pub(crate) fn hear(&self, bond: u64, deployment: u64, until: Moment) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place {
            deployment,
            until,
            told: until,
        };
        all.put(bond, place);
    }

    /// Leaves only the deployment that the strongest bond leads to, if it can be asked and is worth it.
    pub(crate) fn narrow(&self, field: &mut Field<'_>, bonds: &[Bond], now: Moment, factor: f64) {
        for bond in bonds {
            let Some(place) = self.find(bond.key, now) else {
                continue;
            };
            let is_it =
                |deployment: &Deployment| hash::of(deployment.id.as_bytes()) == place.deployment;
            let Some(there) = field.open().iter().find(|deployment| is_it(deployment)) else {
                continue;
            };
            if bond.priced && is_crowded(there, field, now, factor) {
                continue;
            }
            field.prefer(Reason::Affinity, is_it);
            return;
        }
    }

    fn find(&self, key: u64, now: Moment) -> Option<Place> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|place| place.until > now)
    }
}

impl Generations {
    fn get(&self, key: u64) -> Option<Place> {
        let place = self.young.get(&key).or_else(|| self.old.get(&key));
        place.copied()
    }

    fn put(&mut self, key: u64, place: Place) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, place);
    }
}

/// Whether a deployment carries so much more than the least loaded one that a cached prompt is not worth the wait.
fn is_crowded(there: &Deployment, field: &Field<'_>, now: Moment, factor: f64) -> bool {
    let load = |deployment: &Deployment| deployment.live.meter.load(now).in_flight;
    let least = field.open().iter().map(|deployment| load(deployment)).min();
    // One more than nothing: with hardly any load there is no wait anywhere.
    load(there) as f64 > factor.max(1.0) * (least.unwrap_or(0) + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_are_forgotten_first() {
        let mut all = Generations::default();
        let place = Place {
            deployment: 1,
            until: Moment::from_millis(1),
            told: Moment::from_millis(1),
        };
        for key in 0..3 * GENERATION as u64 {
            all.put(key, place);
            all.put(7, place);
        }
        assert!(all.young.len() <= GENERATION && all.old.len() <= GENERATION);
        assert!(all.young.contains_key(&7));
        assert!(!all.young.contains_key(&8) && !all.old.contains_key(&8));
    }

    #[test]
    fn groups_do_not_share_bonds() {
        let rules = AffinityRules::default();
        let bonds = Bonds {
            session: true,
            ..Bonds::default()
        };
        let mut ask = Ask::new("g");
        ask.session = Some("s".into());
        ask.user = Some("u".into());
        let one = bonds.of(&ask, "g", &rules);
        assert_eq!(one.len(), 1);
        assert_ne!(one, bonds.of(&ask, "h", &rules));
    }
}
