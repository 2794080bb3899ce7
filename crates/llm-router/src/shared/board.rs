//! Where news from other instances is put up.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    Clock, Deployment, Load, Moment, News, Sample, SpeedRules, Spent, affinity::Affinity,
    spending::Spending, state::Live,
};

/// An instance that was not heard of for so long is gone.
const GONE: Duration = Duration::from_secs(5);

/// The deployments of a router by their ids, for those who bring news of them.
#[derive(Debug, Default)]
pub struct Board {
    clock: Clock,
    known: RwLock<Known>,
    heard: Mutex<HashMap<String, Moment>>,
    instances: AtomicU64,
    spending: Arc<Spending>,
    affinity: Arc<Affinity>,
}

#[derive(Debug, Default)]
struct Known {
    deployments: HashMap<String, Arc<Live>>,
    /// How the router keeps latencies, those of other instances too.
    speed: SpeedRules,
}

/// What other instances' deployments carry.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere(Mutex<HashMap<String, (Load, Moment)>>);

impl Board {
    pub(crate) fn over(spending: Arc<Spending>, affinity: Arc<Affinity>) -> Self {
        Self {
            spending,
            affinity,
            ..Self::default()
        }
    }

    /// Puts up what all instances together have spent of budgets.
    pub fn hear_spent(&self, all: &[Spent]) {
        for spent in all {
            self.spending.hear(self.clock.now(), spent);
        }
    }

    /// Puts up what instance `from` says.
    pub fn hear(&self, from: &str, news: &News) {
        let now = self.clock.now();
        match news {
            News::Cooled { deployment, until } => self.tell(deployment, |live, _| {
                live.health.cool(*until);
            }),
            News::Recovered { deployment } => {
                self.tell(deployment, |live, _| live.health.recover());
            }
            News::Answered {
                deployment,
                took,
                tokens,
                first_event,
            } => self.tell(deployment, |live, rules| {
                live.speed
                    .answered(now, rules, *took, *tokens, *first_event);
            }),
            News::Silent { deployment } => self.tell(deployment, |live, rules| {
                live.speed.silent(now, rules);
            }),
            News::Speeds { all } => {
                for (deployment, samples) in all {
                    self.tell(deployment, |live, rules| {
                        for sample in samples {
                            learn(live, rules, now, *sample);
                        }
                    });
                }
            }
            News::Bound {
                bond,
                deployment,
                until,
            } => self.affinity.hear(*bond, *deployment, *until),
            // It is told in sums.
            News::Spent(_) => {}
            News::Loads { loads } => {
                self.note(from, now);
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                let of: HashMap<&str, Load> = loads
                    .iter()
                    .map(|(id, load)| (id.as_str(), *load))
                    .collect();
                for (id, live) in &known.deployments {
                    let load = of.get(id.as_str()).copied().unwrap_or_default();
                    live.elsewhere.set(from, load, now);
                }
            }
        }
    }

    /// What this instance's deployments carry, of those that carry anything.
    pub fn loads(&self) -> Vec<(String, Load)> {
        let now = self.clock.now();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.deployments.iter();
        all.map(|(id, live)| (id.clone(), live.meter.load(now)))
            .filter(|(_, load)| *load != Load::default())
            .collect()
    }

    /// How many samples of a deployment's speed count.
    #[cfg(feature = "redis")]
    pub(crate) fn samples(&self) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.speed.samples.max(1)
    }

    /// How many instances there are, this one included, as far as they were heard of.
    pub fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed).max(1)
    }

    pub(crate) fn put_up<'a>(
        &self,
        deployments: impl Iterator<Item = &'a Arc<Deployment>>,
        speed: SpeedRules,
    ) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let deployments = deployments
            .map(|deployment| (deployment.id.clone(), Arc::clone(&deployment.live)))
            .collect();
        *known = Known { deployments, speed };
    }

    fn tell(&self, deployment: &str, what: impl FnOnce(&Live, &SpeedRules)) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = known.deployments.get(deployment) {
            what(live, &known.speed);
        }
    }

    fn note(&self, from: &str, now: Moment) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert(from.to_owned(), now);
        heard.retain(|_, last| last.until(now) < GONE);
        let others = u64::try_from(heard.len()).unwrap_or(u64::MAX);
        self.instances
            .store(others.saturating_add(1), Ordering::Relaxed);
    }
}

fn learn(live: &Live, rules: &SpeedRules, now: Moment, sample: Sample) {
    match sample {
        Sample::Answered(took, tokens, first_event) => {
            let first_event = first_event.map(Duration::from_nanos);
            let took = Duration::from_nanos(took);
            live.speed.answered(now, rules, took, tokens, first_event);
        }
        Sample::Silent => live.speed.silent(now, rules),
    }
}

impl Elsewhere {
    fn set(&self, from: &str, load: Load, now: Moment) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if load == Load::default() {
            all.remove(from);
        } else {
            all.insert(from.to_owned(), (load, now));
        }
    }

    /// The sum of what others carry.
    pub(crate) fn load(&self, now: Moment) -> Load {
        let mut sum = Load::default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, at)| at.until(now) < GONE);
        for (load, at) in all.values() {
            sum.in_flight = sum.in_flight.saturating_add(load.in_flight);
            if at.minute() == now.minute() {
                sum.requests = sum.requests.saturating_add(load.requests);
                sum.tokens = sum.tokens.saturating_add(load.tokens);
                sum.input = sum.input.saturating_add(load.input);
                sum.output = sum.output.saturating_add(load.output);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use llm_providers::{Credential, Target, lookup};

    use super::*;
    use crate::{Ask, LatencyBased, Router, Settings};

    #[tokio::test(start_paused = true)]
    async fn latencies_of_others_are_kept_like_ones_own() {
        let deployment = |id: &str| {
            let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
            Deployment::new(id, "g", target)
        };
        let speed = SpeedRules {
            samples: 40,
            ..SpeedRules::default()
        };
        let settings = Settings {
            strategy: Arc::new(LatencyBased {
                buffer: 0.0,
                percentile: None,
                speed,
            }),
            ..Settings::default()
        };
        let router = Router::new(vec![deployment("a"), deployment("b")], settings).expect("sound");
        let answered = |seconds| News::Answered {
            deployment: "a".into(),
            took: Duration::from_secs(seconds),
            tokens: 0,
            first_event: None,
        };
        for seconds in [1; 20].into_iter().chain([3; 20]) {
            router.board().hear("another", &answered(seconds));
        }
        let told = router.explain(&Ask::new("g")).expect("it is known");
        let of_a = told.scores.iter().find(|score| score.deployment == "a");
        assert_eq!(of_a.map(|score| score.score), Some(2.0));
    }
}
