//! Who is resting after failures, and who may be tried again.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use llm_providers::{Error, Kind};

use crate::Moment;

/// Failures of a minute from which on their share decides.
const ENOUGH: u32 = 5;
/// The share of failures in a minute above which a deployment rests.
const TOO_MANY: f64 = 0.5;
/// The latest results whose share of failures decides likewise, in whatever minute they came: after many good answers, an
/// outage would otherwise have to bring as many bad ones.
const LATEST: u32 = 20;
/// How long an instance does not ask again after another one was found to be at the trial.
const ELSEWHERE: Duration = Duration::from_secs(1);
/// Requests in a minute, all of them failed, after which even the only deployment of a group rests.
const HOPELESS: u32 = 1000;

/// When a deployment rests after failures, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthRules {
    /// Nobody ever rests.
    pub disabled: bool,
    /// How long, where neither the deployment nor the vendor says otherwise.
    pub cooldown: Duration,
    /// Failures within [`cooldown`](Self::cooldown) that are still tolerated; `None`: the share of failures decides.
    pub allowed_fails: Option<u32>,
    /// The same by class of error.
    pub allowed_fails_policy: crate::RetryPolicy,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self {
            disabled: false,
            cooldown: Duration::from_secs(5),
            allowed_fails: None,
            allowed_fails_policy: crate::RetryPolicy::default(),
        }
    }
}

/// Whether a deployment can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Well,
    /// It rested; one request may find out whether it is well again.
    OnTrial,
    /// It rests.
    Cooling(Moment),
}

/// One deployment's health.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// When the rest ends; 0: it is well. Moves forward only, until a trial succeeds.
    cools_until: AtomicU64,
    /// Somebody is finding out.
    on_trial: AtomicBool,
    /// Until then somebody at another instance is thought to be.
    tried_elsewhere: AtomicU64,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    minute: u64,
    successes: u32,
    failures: u32,
    /// Of the latest results, one bit each: whether it was a failure. And how many there are.
    latest: (u32, u32),
    /// Failures of all classes since the window for `allowed_fails` began, and by class.
    counted: Vec<(Option<Kind>, Moment, u32)>,
}

/// What health needs to know of the failed deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patient<'a> {
    pub(crate) rules: &'a HealthRules,
    /// Its own rest.
    pub(crate) cooldown: Option<Duration>,
    /// Its own tolerance.
    pub(crate) allowed_fails: Option<u32>,
    /// Whether its group has others.
    pub(crate) others: bool,
}

impl Health {
    pub(crate) fn standing(&self, now: Moment) -> Standing {
        match self.cools_until.load(Ordering::Acquire) {
            0 => Standing::Well,
            until if until > now.millis() => Standing::Cooling(Moment::from_millis(until)),
            _ => Standing::OnTrial,
        }
    }

    pub(crate) fn is_cooling(&self, now: Moment) -> bool {
        matches!(self.standing(now), Standing::Cooling(_))
    }

    /// How often it failed in this minute.
    pub(crate) fn failures(&self, now: Moment) -> u32 {
        self.tally(now, |tally| tally.failures)
    }

    /// How long it still rests, if it does.
    pub(crate) fn cools_for(&self, now: Moment) -> Option<Duration> {
        match self.standing(now) {
            Standing::Cooling(until) => Some(now.until(until)),
            _ => None,
        }
    }

    /// Takes the one trial that a rested deployment has. `false`: somebody else is at it.
    pub(crate) fn begin_trial(&self) -> bool {
        !self.on_trial.swap(true, Ordering::AcqRel)
    }

    /// Whether somebody is finding out.
    pub(crate) fn is_on_trial(&self, now: Moment) -> bool {
        self.on_trial.load(Ordering::Acquire)
            || self.tried_elsewhere.load(Ordering::Acquire) > now.millis()
    }

    /// Another instance is at the trial.
    pub(crate) fn is_tried_elsewhere(&self, now: Moment) {
        let until = now.after(ELSEWHERE).millis();
        self.tried_elsewhere.store(until, Ordering::Release);
    }

    /// The trial ended without a verdict.
    pub(crate) fn end_trial(&self) {
        self.on_trial.store(false, Ordering::Release);
    }

    /// An attempt succeeded. That alone proves nothing: it may have begun before the deployment fell ill.
    pub(crate) fn succeeded(&self, now: Moment) {
        self.tally(now, |tally| {
            tally.successes = tally.successes.saturating_add(1);
            tally.note(false);
        });
    }

    /// A trial has shown that it is well again. `false`: a rest that began since holds.
    pub(crate) fn passed(&self, now: Moment) -> bool {
        let over = |until: u64| (until <= now.millis()).then_some(0);
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let passed = self.cools_until.fetch_update(order.0, order.1, over);
        match passed {
            Ok(_) => self.recover(),
            Err(_) => self.end_trial(),
        }
        passed.is_ok()
    }

    /// It is well again, whatever was before.
    pub(crate) fn recover(&self) {
        self.cools_until.store(0, Ordering::Release);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.latest = (0, 0);
        drop(tally);
        self.tried_elsewhere.store(0, Ordering::Release);
        self.end_trial();
    }

    /// It rests at least until then.
    pub(crate) fn cool(&self, until: Moment) {
        self.cools_until.fetch_max(until.millis(), Ordering::AcqRel);
    }

    /// An attempt failed; says until when the deployment rests, if it does.
    pub(crate) fn failed(
        &self,
        now: Moment,
        error: &Error,
        trial: bool,
        patient: &Patient<'_>,
    ) -> Option<Moment> {
        let rest = patient
            .cooldown
            .or(error.retry_after)
            .unwrap_or(patient.rules.cooldown);
        let counts = !patient.rules.disabled && rest > Duration::ZERO && says_something(error);
        let ill = counts && (self.too_many(now, error, patient) || trial);
        let until = ill.then(|| now.after(rest));
        if let Some(until) = until {
            self.cool(until);
        }
        until
    }

    fn too_many(&self, now: Moment, error: &Error, patient: &Patient<'_>) -> bool {
        let rules = patient.rules;
        let by_class = rules.allowed_fails_policy.retries(error.kind);
        let allowed = by_class.or(patient.allowed_fails).or(rules.allowed_fails);
        self.tally(now, |tally| {
            tally.failures = tally.failures.saturating_add(1);
            tally.note(true);
            if let Some(allowed) = allowed {
                let class = by_class.map(|_| error.kind);
                return tally.count(class, now, rules.cooldown) > allowed;
            }
            tally.verdict(error, patient.others)
        })
    }

    fn tally<T>(&self, now: Moment, work: impl FnOnce(&mut Tally) -> T) -> T {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        if now.minute() > tally.minute {
            if now.minute() > tally.minute + 1 {
                tally.latest = (0, 0);
            }
            tally.minute = now.minute();
            tally.successes = 0;
            tally.failures = 0;
        }
        work(&mut tally)
    }
}

impl Tally {
    /// LiteLLM's rules where no number of failures is configured.
    fn verdict(&self, error: &Error, others: bool) -> bool {
        let all = self.successes.saturating_add(self.failures);
        let share = f64::from(self.failures) / f64::from(all.max(1));
        match error.kind {
            Kind::RateLimit if others => true,
            Kind::Auth | Kind::Denied | Kind::NotFound => true,
            Kind::PaymentRequired => others,
            _ if others => {
                (all >= ENOUGH && share > TOO_MANY) || self.turned_ill() || self.hopeless(all)
            }
            _ => self.hopeless(all),
        }
    }

    fn note(&mut self, failed: bool) {
        let (results, count) = self.latest;
        let results = (results << 1 | u32::from(failed)) & ((1 << LATEST) - 1);
        self.latest = (results, LATEST.min(count + 1));
    }

    fn turned_ill(&self) -> bool {
        let (results, count) = self.latest;
        let share = f64::from(results.count_ones()) / f64::from(LATEST);
        count == LATEST && share > TOO_MANY
    }

    fn hopeless(&self, all: u32) -> bool {
        self.successes == 0 && all >= HOPELESS
    }

    /// Failures of a class within the window, this one included.
    fn count(&mut self, class: Option<Kind>, now: Moment, window: Duration) -> u32 {
        self.counted.retain(|(_, until, _)| *until > now);
        if let Some((_, _, n)) = self.counted.iter_mut().find(|(c, _, _)| *c == class) {
            *n = n.saturating_add(1);
            return *n;
        }
        self.counted.push((class, now.after(window), 1));
        1
    }
}

/// Whether a failure says something about the deployment, and not about the request.
fn says_something(error: &Error) -> bool {
    // A key that is not there yet: nobody was asked, and it may be there for the next request.
    let keyless = error.kind == Kind::Auth && error.status.is_none();
    !keyless
        && !matches!(
            error.kind,
            Kind::BadRequest
                | Kind::UnsupportedParams
                | Kind::ContextWindow
                | Kind::ContentPolicy
                | Kind::Unprocessable
                | Kind::Unsupported
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: bool = true;

    fn patient(rules: &HealthRules, others: bool) -> Patient<'_> {
        Patient {
            rules,
            cooldown: None,
            allowed_fails: None,
            others,
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(600_000 + seconds * 1000)
    }

    #[test]
    fn a_rate_limit_cools_for_as_long_as_the_vendor_says() {
        let (health, rules) = (Health::default(), HealthRules::default());
        let mut error = Error::new(Kind::RateLimit, "");
        error.retry_after = Some(Duration::from_secs(30));
        assert_eq!(
            health.failed(at(0), &error, false, &patient(&rules, MANY)),
            Some(at(30))
        );
        // A later and shorter one does not bring the end nearer.
        error.retry_after = Some(Duration::from_secs(1));
        health.failed(at(1), &error, false, &patient(&rules, MANY));
        assert_eq!(health.standing(at(2)), Standing::Cooling(at(30)));
        assert_eq!(health.standing(at(30)), Standing::OnTrial);
    }

    #[test]
    fn one_blip_cools_nobody_and_most_of_a_minute_does() {
        let (health, rules) = (Health::default(), HealthRules::default());
        let error = Error::new(Kind::Upstream, "");
        for n in 1..=4 {
            let got = health.failed(at(n), &error, false, &patient(&rules, MANY));
            assert_eq!(got, None, "{n}");
        }
        assert!(
            health
                .failed(at(5), &error, false, &patient(&rules, MANY))
                .is_some()
        );
    }

    #[test]
    fn the_only_deployment_goes_on_through_a_bad_minute() {
        let (health, rules) = (Health::default(), HealthRules::default());
        for kind in [Kind::RateLimit, Kind::Upstream, Kind::PaymentRequired] {
            for _ in 0..100 {
                health.failed(at(0), &Error::new(kind, ""), false, &patient(&rules, false));
            }
            assert_eq!(health.standing(at(0)), Standing::Well, "{kind:?}");
        }
        let mut wrong_key = Error::new(Kind::Auth, "no key");
        health.failed(at(0), &wrong_key, false, &patient(&rules, false));
        assert_eq!(health.standing(at(0)), Standing::Well);
        wrong_key.status = Some(http::StatusCode::UNAUTHORIZED);
        health.failed(at(0), &wrong_key, false, &patient(&rules, false));
        assert_eq!(health.standing(at(0)), Standing::Cooling(at(5)));
    }

    #[test]
    fn one_trial_decides() {
        let (health, rules) = (Health::default(), HealthRules::default());
        health.cool(at(5));
        assert_eq!(health.standing(at(6)), Standing::OnTrial);
        assert!(health.begin_trial());
        assert!(!health.begin_trial(), "one at a time");
        let error = Error::new(Kind::Upstream, "");
        let again = health.failed(at(6), &error, true, &patient(&rules, MANY));
        assert_eq!(again, Some(at(11)), "a failed trial is enough");
        health.end_trial();
        assert!(health.begin_trial());
        assert!(health.passed(at(12)));
        assert_eq!(health.standing(at(12)), Standing::Well);
        assert!(!health.is_on_trial(at(12)));
    }

    #[test]
    fn a_trial_elsewhere_counts_for_a_moment() {
        let health = Health::default();
        health.is_tried_elsewhere(at(5));
        assert!(health.is_on_trial(at(5)) && !health.is_on_trial(at(6)));
        health.is_tried_elsewhere(at(7));
        health.recover();
        assert!(!health.is_on_trial(at(7)));
    }

    #[test]
    fn a_trial_does_not_end_a_rest_that_came_after_it_began() {
        let health = Health::default();
        health.cool(at(5));
        assert!(health.begin_trial());
        health.cool(at(60));
        assert!(!health.passed(at(12)));
        assert_eq!(health.standing(at(12)), Standing::Cooling(at(60)));
    }

    #[test]
    fn an_old_success_does_not_end_a_rest() {
        let health = Health::default();
        health.cool(at(5));
        health.succeeded(at(1));
        assert_eq!(health.standing(at(1)), Standing::Cooling(at(5)));
    }

    #[test]
    fn allowed_fails_count_by_class_where_the_policy_says_so() {
        let rules = HealthRules {
            allowed_fails: Some(2),
            allowed_fails_policy: crate::RetryPolicy {
                timeout: Some(0),
                ..crate::RetryPolicy::default()
            },
            ..HealthRules::default()
        };
        let health = Health::default();
        let fail = |kind| {
            health
                .failed(at(0), &Error::new(kind, ""), false, &patient(&rules, MANY))
                .is_some()
        };
        assert!(!fail(Kind::Upstream));
        assert!(!fail(Kind::Upstream));
        assert!(fail(Kind::Timeout));
        assert!(fail(Kind::Upstream));
    }

    #[test]
    fn what_the_request_did_wrong_does_not_count() {
        let rules = HealthRules {
            allowed_fails: Some(0),
            ..HealthRules::default()
        };
        let health = Health::default();
        for kind in [Kind::BadRequest, Kind::ContextWindow, Kind::ContentPolicy] {
            let error = Error::new(kind, "");
            assert_eq!(
                health.failed(at(0), &error, false, &patient(&rules, MANY)),
                None
            );
        }
    }

    #[test]
    fn an_outage_after_a_good_minute_is_noticed_soon() {
        let health = Health::default();
        let rules = HealthRules::default();
        for second in 0..50 {
            for _ in 0..20 {
                health.succeeded(at(second));
            }
        }
        let bad = Error::new(Kind::Overloaded, "");
        let fail = || health.failed(at(51), &bad, false, &patient(&rules, MANY));
        let failures = (1..).find(|_| fail().is_some());
        assert_eq!(failures, Some(11));
        // Every third one failing is no reason, however long it goes on.
        let shaky = Health::default();
        for n in 0..1000 {
            let now = at(n / 20);
            shaky.succeeded(now);
            shaky.succeeded(now);
            let rests = shaky.failed(now, &bad, false, &patient(&rules, MANY));
            assert_eq!(rests, None);
        }
    }
}
