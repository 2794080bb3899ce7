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
    /// How many times as much a prompt is worth where a vendor keeps it as elsewhere. `None`: as many times as it costs
    /// less there, where prices are known, and else twice.
    pub prompt_worth: Option<f64>,
}

/// What a kept prompt is worth where no price says it: it is read faster in any case.
const WORTH: f64 = 2.0;
/// What it is worth at most: however cheap, a vendor that is asked so much more often than others is slow.
const WORTH_MOST: f64 = 20.0;

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
            prompt_worth: None,
        }
    }
}

impl AffinityRules {
    /// The bonds in a group.
    pub fn of(&self, group: &str) -> Bonds {
        self.group_bonds.get(group).copied().unwrap_or(self.bonds)
    }

    /// Whether a prompt that is kept `there` is rather asked there than at `other`: its price, times the attempts that would
    /// be under way with it, is not higher there.
    fn stays(&self, there: &Deployment, here: u64, other: &Deployment, load: u64) -> bool {
        let (kept, anew) = self.prices(there, other);
        kept * (here as f64 + 1.0) <= anew * (load as f64 + 1.0)
    }

    /// What the prompt costs where it is kept, and what elsewhere.
    fn prices(&self, there: &Deployment, other: &Deployment) -> (f64, f64) {
        let prices = there.price.and_then(|price| price.cached).zip(other.price);
        match (self.prompt_worth, prices) {
            (None, Some((kept, other))) if other.input > 0 => {
                let anew = other.input as f64;
                ((kept as f64).max(anew / WORTH_MOST), anew)
            }
            (worth, _) => (1.0, worth.unwrap_or(WORTH).max(1.0)),
        }
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

    /// Leaves only the deployment that the strongest bond leads to, if it can be asked and is worth it; `load` says how many
    /// attempts one has under way.
    pub(crate) fn narrow(
        &self,
        field: &mut Field<'_>,
        bonds: &[Bond],
        now: Moment,
        rules: &AffinityRules,
        load: impl Fn(&Deployment) -> u64,
    ) {
        for bond in bonds {
            let Some(place) = self.find(bond.key, now) else {
                continue;
            };
            let is_it =
                |deployment: &Deployment| hash::of(deployment.id.as_bytes()) == place.deployment;
            let Some(there) = field.open().iter().find(|deployment| is_it(deployment)) else {
                continue;
            };
            if bond.priced {
                let here = load(there);
                let others = field.open().iter().filter(|other| !is_it(other));
                let mut others = others.map(|other| rules.stays(there, here, other, load(other)));
                if others.any(|stays| !stays) {
                    continue;
                }
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
