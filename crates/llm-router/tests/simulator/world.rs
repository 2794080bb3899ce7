//! Scripted vendors in virtual time, and requests that arrive at them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use fastrand::Rng;
use llm_providers::{Credential, Error, Kind, Target, lookup};
use llm_router::{Ask, Attempt, Attempts, Deployment, Finish, Moment, Router, Settings, Standing};
use tokio::time::{Instant, sleep, timeout};

/// A vendor's script.
#[derive(Debug, Clone)]
pub(crate) struct Vendor {
    pub(crate) id: &'static str,
    /// An answer takes between these many milliseconds.
    pub(crate) latency: (u64, u64),
    /// Answers take longer in proportion when more than so many are under way.
    pub(crate) capacity: Option<u64>,
    /// A share of the answers takes so many times longer.
    pub(crate) slips: (f64, u64),
    /// What an answer costs, in nano-dollars.
    pub(crate) nanos: u64,
    pub(crate) faults: Vec<Fault>,
}

/// From one second to another, a share of the attempts fails in one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) share: f64,
    pub(crate) kind: Kind,
    pub(crate) retry_after: Option<u64>,
}

/// What one vendor saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// Attempts by minute.
    pub(crate) minutes: BTreeMap<u64, u64>,
    pub(crate) asked: u64,
    pub(crate) failed: u64,
    pub(crate) in_flight: u64,
    pub(crate) most_in_flight: u64,
    /// Seconds of answers after the start.
    pub(crate) answers: Vec<f64>,
    /// More than one attempt at a vendor that was being tried again.
    pub(crate) crowded_trials: u64,
    /// Under way, for each that would be with one more at the least busy other vendor; the most that was ever seen.
    pub(crate) crowding: f64,
    /// The latest end of a rest that was ever seen.
    rest: Option<Moment>,
    /// An end of a rest that came nearer while the vendor rested.
    pub(crate) rest_went_back: bool,
}

/// What the callers saw.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    pub(crate) answered: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) slowest: Duration,
    /// Where each conversation was last.
    places: BTreeMap<u64, String>,
    /// Requests that were answered where their conversation was.
    pub(crate) stayed: u64,
    /// Vendors that keep each conversation's prompt.
    kept: BTreeSet<(u64, String)>,
    /// What the prompts of conversations cost.
    pub(crate) paid: u64,
    /// Where each user was answered.
    pub(crate) sides: BTreeMap<String, BTreeSet<String>>,
    /// How long requests took that were answered, by user.
    pub(crate) waits: BTreeMap<String, Vec<Duration>>,
    /// Refusals that did not say when to come again.
    pub(crate) without_advice: u64,
}

impl Callers {
    /// What so many of the answered requests did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut all: Vec<Duration> = self.waits.values().flatten().copied().collect();
        all.sort();
        all[((all.len() - 1) as f64 * share) as usize]
    }
}

pub(crate) struct World {
    vendors: Vec<Vendor>,
    pub(crate) seen: Mutex<BTreeMap<&'static str, Seen>>,
    pub(crate) callers: Mutex<Callers>,
    rng: Mutex<Rng>,
    router: OnceLock<Router>,
    started: OnceLock<Instant>,
}

/// How many requests come, and how many of them a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals {
    pub(crate) count: u64,
    pub(crate) per_second: f64,
}

/// An attempt that may be given up.
struct UnderWay<'w>(Option<(&'w World, &'w Vendor)>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some((world, vendor)) = self.0 {
            let mut all = world.seen.lock().unwrap();
            all.get_mut(vendor.id).unwrap().in_flight -= 1;
        }
    }
}

/// Prints the seed of a simulation that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the simulation's seed is {}: run it alone with SEED={}",
                self.0, self.0
            );
        }
    }
}

/// Runs `scenario` with several seeds, or with the one that the environment names; each in a time of its own.
pub(crate) fn simulate(scenario: impl AsyncFn(u64)) {
    let named = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = named.map_or_else(|| (1..=2).collect(), |seed: u64| vec![seed]);
    for seed in seeds {
        let _seed = Seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(scenario(seed));
    }
}

impl Vendor {
    pub(crate) fn new(id: &'static str, latency: (u64, u64)) -> Self {
        Self {
            id,
            latency,
            capacity: None,
            slips: (0.0, 1),
            nanos: 0,
            faults: Vec::new(),
        }
    }

    pub(crate) fn bearing(mut self, capacity: u64) -> Self {
        self.capacity = Some(capacity);
        self
    }

    pub(crate) fn stumbling(mut self, share: f64, times: u64) -> Self {
        self.slips = (share, times);
        self
    }

    pub(crate) fn costing(mut self, nanos: u64) -> Self {
        self.nanos = nanos;
        self
    }

    pub(crate) fn failing(mut self, from: u64, to: u64, share: f64, kind: Kind) -> Self {
        self.faults.push(Fault {
            from,
            to,
            share,
            kind,
            retry_after: None,
        });
        self
    }

    pub(crate) fn resting(mut self, from: u64, to: u64, retry_after: u64) -> Self {
        self.faults.push(Fault {
            from,
            to,
            share: 1.0,
            kind: Kind::RateLimit,
            retry_after: Some(retry_after),
        });
        self
    }
}

/// The deployment that a vendor's script is for.
pub(crate) fn deployment(id: &str) -> Deployment {
    let target = Target::new(lookup("openai").unwrap(), "m", Credential::None);
    Deployment::new(id, "g", target)
}

impl World {
    /// A world of `vendors`, with a router over a deployment of each, changed by `change`.
    pub(crate) fn new(
        seed: u64,
        vendors: Vec<Vendor>,
        settings: Settings,
        change: impl Fn(&mut Deployment),
    ) -> Arc<Self> {
        let settings = Settings { seed, ..settings };
        let one = |vendor: &Vendor| {
            let mut deployment = deployment(vendor.id);
            change(&mut deployment);
            deployment
        };
        let router = Router::new(vendors.iter().map(one).collect(), settings).unwrap();
        let seen = vendors.iter().map(|v| (v.id, Seen::default())).collect();
        Arc::new(Self {
            vendors,
            seen: Mutex::new(seen),
            callers: Mutex::default(),
            rng: Mutex::new(Rng::with_seed(seed)),
            router: OnceLock::from(router),
            started: OnceLock::new(),
        })
    }

    pub(crate) fn router(&self) -> &Router {
        self.router.get().unwrap()
    }

    pub(crate) fn seen(&self, id: &str) -> Seen {
        self.seen.lock().unwrap()[id].clone()
    }

    /// Attempts at all vendors.
    pub(crate) fn attempts(&self) -> u64 {
        self.seen
            .lock()
            .unwrap()
            .values()
            .map(|seen| seen.asked)
            .sum()
    }

    pub(crate) fn answered(&self) -> u64 {
        self.callers.lock().unwrap().answered
    }

    /// Lets requests arrive at random, and waits until all have ended. Nothing must be left under way.
    pub(crate) async fn run(self: &Arc<Self>, arrivals: Arrivals, ask: impl Fn(u64) -> Ask) {
        if self.started.get().is_none() {
            // The world begins with a minute, so that a seed says everything.
            sleep(self.router().now().to_next_minute()).await;
            self.started.get_or_init(Instant::now);
        }
        let mut tasks = Vec::new();
        for n in 0..arrivals.count {
            let wait = -(1.0 - self.chance()).ln() / arrivals.per_second;
            sleep(Duration::from_secs_f64(wait)).await;
            let (world, ask) = (Arc::clone(self), ask(n));
            tasks.push(tokio::spawn(async move { world.request(&ask).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        for deployment in self.router().deployments("g") {
            let load = self.router().load(deployment);
            assert_eq!(load.in_flight, 0, "{} leaks", deployment.id);
        }
        for (id, seen) in &*self.seen.lock().unwrap() {
            assert_eq!(
                seen.crowded_trials, 0,
                "{id} was tried by several at a time"
            );
            assert!(!seen.rest_went_back, "the rest of {id} became shorter");
        }
    }

    async fn request(&self, ask: &Ask) {
        let began = Instant::now();
        let result = self.router().run(ask, self).await;
        let mut callers = self.callers.lock().unwrap();
        callers.slowest = callers.slowest.max(began.elapsed());
        match result {
            Ok(routed) => {
                callers.answered += 1;
                if let Some(prefix) = ask.prefix {
                    let place = routed.lease.deployment().id.clone();
                    let price = routed.lease.deployment().price.unwrap_or_default();
                    let is_new = callers.kept.insert((prefix, place.clone()));
                    let cached = price.cached.filter(|_| !is_new);
                    callers.paid += cached.unwrap_or(price.input);
                    let last = callers.places.insert(prefix, place.clone());
                    callers.stayed += u64::from(last == Some(place));
                }
                let id = routed.lease.deployment().id.clone();
                let vendor = self.vendors.iter().find(|vendor| vendor.id == id).unwrap();
                if let Some(user) = &ask.user {
                    callers.sides.entry(user.clone()).or_default().insert(id);
                }
                let user = ask.user.clone().unwrap_or_default();
                callers.waits.entry(user).or_default().push(began.elapsed());
                routed.lease.finish(&Finish {
                    tokens: ask.prompt_tokens,
                    completion_tokens: 1,
                    cost: Some(vendor.nanos),
                    ..Finish::default()
                });
            }
            Err(failed) => {
                let kind = format!("{:?}", failed.error.kind);
                let refused = failed.error.kind == Kind::RateLimit;
                callers.without_advice += u64::from(refused && failed.error.retry_after.is_none());
                *callers.failed.entry(kind).or_default() += 1;
            }
        }
    }

    fn age(&self) -> Duration {
        self.started.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    fn chance(&self) -> f64 {
        self.rng.lock().unwrap().f64()
    }

    fn arrive(&self, vendor: &Vendor) {
        let router = self.router();
        let standing = router.standing(router.deployment(vendor.id).unwrap());
        let mut all = self.seen.lock().unwrap();
        let others = all.iter().filter(|(id, _)| **id != vendor.id);
        let least = others.map(|(_, seen)| seen.in_flight).min().unwrap_or(0);
        let seen = all.get_mut(vendor.id).unwrap();
        seen.crowding = f64::max(
            seen.crowding,
            (seen.in_flight + 1) as f64 / (least + 1) as f64,
        );
        *seen.minutes.entry(router.now().minute()).or_default() += 1;
        seen.asked += 1;
        seen.in_flight += 1;
        seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
        let alone = router.deployments("g").len() == 1;
        if standing == Standing::OnTrial && seen.in_flight > 1 && !alone {
            seen.crowded_trials += 1;
        }
    }

    fn leave(&self, vendor: &Vendor, failed: bool) {
        let router = self.router();
        let standing = router.standing(router.deployment(vendor.id).unwrap());
        let mut all = self.seen.lock().unwrap();
        let seen = all.get_mut(vendor.id).unwrap();
        seen.in_flight -= 1;
        match failed {
            true => seen.failed += 1,
            false => seen.answers.push(self.age().as_secs_f64()),
        }
        match (standing, seen.rest) {
            (Standing::Cooling(until), Some(rest)) if until < rest => seen.rest_went_back = true,
            (Standing::Cooling(until), _) => seen.rest = Some(until),
            (Standing::Well, _) => seen.rest = None,
            _ => {}
        }
    }

    /// How many times longer than alone an attempt takes that begins now.
    fn crowd(&self, vendor: &Vendor) -> f64 {
        let under_way = self.seen(vendor.id).in_flight as f64;
        let capacity = vendor.capacity.unwrap_or(u64::MAX) as f64;
        (under_way / capacity).max(1.0)
    }

    fn fault(&self, vendor: &Vendor) -> Option<Error> {
        let second = self.age().as_secs();
        let now = |fault: &&Fault| (fault.from..fault.to).contains(&second);
        let fault = vendor.faults.iter().find(now)?;
        if self.chance() >= fault.share {
            return None;
        }
        let mut error = Error::new(fault.kind, "scripted");
        error.retry_after = fault.retry_after.map(Duration::from_secs);
        Some(error)
    }
}

impl Attempts for World {
    type Answer = ();

    async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
        let id = &attempt.deployment.id;
        let vendor = self.vendors.iter().find(|vendor| vendor.id == id).unwrap();
        self.arrive(vendor);
        let (least, most) = vendor.latency;
        let span = (most - least + 1) as f64;
        let millis = least as f64 + (self.chance() * span).floor();
        let (share, times) = vendor.slips;
        let slip = if share > 0.0 && self.chance() < share {
            times
        } else {
            1
        };
        let millis = millis * self.crowd(vendor) * slip as f64;
        let work = sleep(Duration::from_millis(millis as u64));
        let limit = attempt.timeouts.total.unwrap_or(Duration::from_secs(600));
        let mut under_way = UnderWay(Some((self, vendor)));
        let in_time = timeout(limit, work).await.is_ok();
        under_way.0 = None;
        let error = match in_time {
            false => Some(Error::new(Kind::Timeout, "too slow")),
            true => self.fault(vendor),
        };
        self.leave(vendor, error.is_some());
        error.map_or(Ok(()), Err)
    }
}
