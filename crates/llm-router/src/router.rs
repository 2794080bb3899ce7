//! The loop: plan, pick, attempt, learn.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use llm_providers::{Error, Kind, Target};
use llm_types::Map;
use tokio::time::Instant;

use crate::{
    Candidate, Deployment, Dice, Fallback, Settings, SettingsError, Timeouts, Trace, retry,
    wildcard,
};

/// Model groups and how requests find their way through them. Immutable: a new configuration is a new router.
#[derive(Debug)]
pub struct Router {
    groups: BTreeMap<String, Vec<Arc<Deployment>>>,
    /// Group names with stars, the more specific first.
    patterns: Vec<String>,
    settings: Settings,
    requests: AtomicU64,
}

/// What is asked of a router.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// A group, an alias, a deployment's id, or a name that a pattern matches.
    pub model: &'a str,
    /// Whether the answer is streamed: other time limits hold.
    pub stream: bool,
    /// Attempts after the first, where the request says so.
    pub num_retries: Option<u32>,
    /// Groups to fall back to, where the request says so.
    pub fallbacks: Option<Vec<Fallback>>,
    /// No fallbacks at all.
    pub disable_fallbacks: bool,
    /// Time limits of the request, over those of the configuration.
    pub timeouts: Timeouts,
}

impl<'a> Ask<'a> {
    /// Asks for `model`, everything else as configured.
    pub fn new(model: &'a str) -> Self {
        Self {
            model,
            ..Self::default()
        }
    }
}

/// One attempt to be made.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// By whom.
    pub deployment: &'a Arc<Deployment>,
    /// Where to: the deployment's own target, with the stars of its model filled in.
    pub target: Cow<'a, Target>,
    /// The group being tried.
    pub group: &'a str,
    /// Parameters that this fallback changes.
    pub overrides: &'a Map,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// Makes attempts: the part of a request that the router leaves to its caller.
pub trait Attempts: Sync {
    /// What an attempt brings.
    type Answer: Send;

    /// Makes one attempt. Dropping the future gives it up.
    fn make(
        &self,
        attempt: Attempt<'_>,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

/// A request that was answered.
#[derive(Debug)]
pub struct Routed<T> {
    /// The answer.
    pub value: T,
    /// The deployment that gave it.
    pub deployment: Arc<Deployment>,
    /// The group it answered for.
    pub group: String,
    /// The way there.
    pub trace: Trace,
}

/// A request that nobody answered.
#[derive(Debug)]
pub struct Failed {
    /// The first group's last failure: the one the caller asked for.
    pub error: Error,
    /// The last fallback's failure, where any was tried.
    pub fallback_error: Option<Error>,
    /// The way there.
    pub trace: Trace,
}

/// One group as a request sees it.
struct Group<'a> {
    deployments: &'a [Arc<Deployment>],
    stars: Vec<String>,
}

impl Router {
    /// A router over `deployments`; refuses settings that cannot work.
    pub fn new(deployments: Vec<Deployment>, settings: Settings) -> Result<Self, SettingsError> {
        settings.fallbacks.check()?;
        let mut groups: BTreeMap<String, Vec<Arc<Deployment>>> = BTreeMap::new();
        let mut ids = HashSet::new();
        for deployment in deployments {
            if !ids.insert(deployment.id.clone()) {
                return Err(SettingsError(format!(
                    "two deployments have the id '{}'",
                    deployment.id
                )));
            }
            groups
                .entry(deployment.group.clone())
                .or_default()
                .push(Arc::new(deployment));
        }
        let mut patterns: Vec<String> = groups
            .keys()
            .filter(|name| name.contains('*'))
            .cloned()
            .collect();
        patterns.sort_by_key(|pattern| wildcard::specificity(pattern));
        Ok(Self {
            groups,
            patterns,
            settings,
            requests: AtomicU64::new(0),
        })
    }

    /// Answers a request: plans the groups, picks deployments, has attempts made, learns, and tries on while that helps.
    pub async fn run<A: Attempts>(
        &self,
        ask: &Ask<'_>,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut dice =
            Dice::seeded(self.settings.seed ^ request.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut trace = Trace::default();
        let mut seen = vec![ask.model.to_owned()];
        let first = Fallback::to(ask.model);
        let error = match self
            .group(ask, &first, &mut dice, &mut trace, attempts)
            .await
        {
            Ok((value, deployment)) => {
                return Ok(Routed {
                    value,
                    deployment,
                    group: first.group,
                    trace,
                });
            }
            Err(error) => error,
        };
        let mut fallback_error = None;
        let mut queue: Vec<Fallback> = self.fallbacks(ask, ask.model, error.kind);
        queue.reverse();
        while let Some(next) = queue.pop() {
            if trace.fallbacks >= self.settings.max_fallbacks || seen.contains(&next.group) {
                continue;
            }
            seen.push(next.group.clone());
            trace.fallbacks += 1;
            match self
                .group(ask, &next, &mut dice, &mut trace, attempts)
                .await
            {
                Ok((value, deployment)) => {
                    return Ok(Routed {
                        value,
                        deployment,
                        group: next.group,
                        trace,
                    });
                }
                Err(e) => {
                    // The fallback's own fallbacks come before the rest of the list.
                    if ask.fallbacks.is_none() {
                        queue.extend(self.fallbacks(ask, &next.group, e.kind).into_iter().rev());
                    }
                    fallback_error = Some(e);
                }
            }
        }
        Err(Box::new(Failed {
            error,
            fallback_error,
            trace,
        }))
    }

    /// The names of all groups, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &[Arc<Deployment>])> {
        self.groups
            .iter()
            .map(|(name, deployments)| (name.as_str(), deployments.as_slice()))
    }

    /// The deployments that would answer for `model`; empty if none would.
    pub fn deployments(&self, model: &str) -> &[Arc<Deployment>] {
        self.find(model)
            .map(|group| group.deployments)
            .unwrap_or_default()
    }

    /// The deployment with this id.
    pub fn deployment(&self, id: &str) -> Option<&Arc<Deployment>> {
        self.groups
            .values()
            .flatten()
            .find(|deployment| deployment.id == id)
    }

    /// How this router behaves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Tries one group: as many attempts as the failures and the settings allow.
    async fn group<A: Attempts>(
        &self,
        ask: &Ask<'_>,
        plan: &Fallback,
        dice: &mut Dice,
        trace: &mut Trace,
        attempts: &A,
    ) -> Result<(A::Answer, Arc<Deployment>), Error> {
        let group = self
            .find(&plan.group)
            .ok_or_else(|| self.unknown(&plan.group))?;
        let mut barred: Vec<&str> = Vec::new();
        let mut tried: Vec<&str> = Vec::new();
        let mut retries = 0;
        loop {
            let Some(deployment) = self.pick(&group, &barred, &tried, dice) else {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("no deployment of '{}' can serve this request", plan.group),
                ));
            };
            let started = Instant::now();
            let guard = deployment.begin();
            let result = attempts
                .make(self.attempt(ask, plan, &group, deployment))
                .await;
            drop(guard);
            trace.record(
                &deployment.id,
                &plan.group,
                started.elapsed(),
                result.as_ref().err(),
            );
            let error = match result {
                Ok(value) => return Ok((value, Arc::clone(deployment))),
                Err(error) => error,
            };
            tried.push(&deployment.id);
            if !retry::may_return(error.kind) {
                barred.push(&deployment.id);
            }
            let others = group
                .deployments
                .iter()
                .any(|d| !barred.contains(&d.id.as_str()));
            let allowed = self.allowed(ask, plan, deployment, error.kind, others);
            trace.max_retries = allowed.unwrap_or(0);
            if !others || allowed.is_none_or(|allowed| retries >= allowed) {
                return Err(error);
            }
            let fresh = group
                .deployments
                .iter()
                .any(|d| !tried.contains(&d.id.as_str()));
            let wait = retry::wait(&error, retries, self.settings.retry_after, fresh, dice);
            if wait > Duration::ZERO {
                tokio::time::sleep(wait).await;
            }
            retries += 1;
        }
    }

    /// How many retries this failure allows; `None` if trying again cannot help.
    fn allowed(
        &self,
        ask: &Ask<'_>,
        plan: &Fallback,
        deployment: &Deployment,
        kind: Kind,
        others: bool,
    ) -> Option<u32> {
        if ask.num_retries == Some(0) {
            return None;
        }
        let own = self
            .settings
            .group_retry_policy
            .get(&plan.group)
            .and_then(|policy| policy.retries(kind));
        if let Some(by_policy) = own.or_else(|| self.settings.retry_policy.retries(kind)) {
            return Some(by_policy);
        }
        let general = ask
            .num_retries
            .or(deployment.num_retries)
            .unwrap_or(self.settings.num_retries);
        retry::can_help(kind, others).then_some(general)
    }

    fn attempt<'a>(
        &self,
        ask: &Ask<'_>,
        plan: &'a Fallback,
        group: &Group<'_>,
        deployment: &'a Arc<Deployment>,
    ) -> Attempt<'a> {
        let target = if group.stars.is_empty() || !deployment.target.model.contains('*') {
            Cow::Borrowed(&deployment.target)
        } else {
            let model = wildcard::fill(&deployment.target.model, &group.stars, &plan.group);
            Cow::Owned(Target {
                model,
                ..deployment.target.clone()
            })
        };
        let mut timeouts = ask
            .timeouts
            .or(deployment.timeouts)
            .or(self.settings.timeouts);
        if ask.stream {
            timeouts = timeouts.of_stream();
        }
        Attempt {
            deployment,
            target,
            group: &plan.group,
            overrides: &plan.overrides,
            timeouts,
        }
    }

    /// Picks among those of the lowest order; one that has not failed for this request comes before one that has.
    fn pick<'a>(
        &self,
        group: &Group<'a>,
        barred: &[&str],
        tried: &[&str],
        dice: &mut Dice,
    ) -> Option<&'a Arc<Deployment>> {
        let open: Vec<&Arc<Deployment>> = group
            .deployments
            .iter()
            .filter(|d| !barred.contains(&d.id.as_str()))
            .collect();
        let fresh: Vec<&Arc<Deployment>> = open
            .iter()
            .copied()
            .filter(|d| !tried.contains(&d.id.as_str()))
            .collect();
        let mut left = if fresh.is_empty() { open } else { fresh };
        let lowest = left.iter().map(|d| d.order.unwrap_or(i64::MAX)).min()?;
        left.retain(|d| d.order.unwrap_or(i64::MAX) == lowest);
        if let [only] = left[..] {
            return Some(only);
        }
        let candidates: Vec<_> = left
            .iter()
            .map(|deployment| Candidate { deployment })
            .collect();
        left.get(self.settings.strategy.pick(&candidates, dice))
            .copied()
    }

    fn fallbacks(&self, ask: &Ask<'_>, group: &str, kind: Kind) -> Vec<Fallback> {
        if ask.disable_fallbacks {
            return Vec::new();
        }
        match &ask.fallbacks {
            Some(own) => own.clone(),
            None => self
                .settings
                .fallbacks
                .after(self.alias(group), kind)
                .to_vec(),
        }
    }

    fn alias<'a>(&'a self, name: &'a str) -> &'a str {
        self.settings.aliases.get(name).map_or(name, String::as_str)
    }

    /// A group by alias, name, pattern, or deployment id.
    fn find(&self, name: &str) -> Option<Group<'_>> {
        let name = self.alias(name);
        if let Some(deployments) = self.groups.get(name) {
            return Some(Group {
                deployments,
                stars: Vec::new(),
            });
        }
        let matched = self
            .patterns
            .iter()
            .find_map(|pattern| Some((pattern, wildcard::stars(pattern, name)?)));
        if let Some((pattern, stars)) = matched {
            let stars = stars.into_iter().map(str::to_owned).collect();
            return Some(Group {
                deployments: self.groups.get(pattern)?,
                stars,
            });
        }
        let all = self.groups.values();
        let by_id = all
            .flat_map(|list| list.iter())
            .find(|deployment| deployment.id == name)?;
        Some(Group {
            deployments: std::slice::from_ref(by_id),
            stars: Vec::new(),
        })
    }

    fn unknown(&self, name: &str) -> Error {
        let mut error = Error::new(
            Kind::BadRequest,
            format!(
                "Invalid model name passed in model={name}. Call `/v1/models` to view available models."
            ),
        );
        error.param = Some("model".into());
        error.code = Some("invalid_model".into());
        error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use llm_providers::{Credential, lookup};

    use super::*;

    fn deployment(id: &str, group: &str) -> Deployment {
        Deployment::new(
            id,
            group,
            Target::new(lookup("openai").expect("a row"), id, Credential::None),
        )
    }

    fn router(deployments: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Router {
        let mut settings = Settings::default();
        change(&mut settings);
        Router::new(
            deployments
                .iter()
                .map(|(id, group)| deployment(id, group))
                .collect(),
            settings,
        )
        .expect("sound")
    }

    fn lists(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<Fallback>> {
        pairs
            .iter()
            .map(|(from, to)| {
                (
                    (*from).to_owned(),
                    to.iter().map(|to| Fallback::to(*to)).collect(),
                )
            })
            .collect()
    }

    /// Deployment id -> the kinds of its failures, the next one last; then it answers with its model.
    struct Script {
        left: Mutex<BTreeMap<String, Vec<Kind>>>,
        asked: Mutex<Vec<String>>,
    }

    impl Attempts for Script {
        type Answer = String;

        async fn make(&self, attempt: Attempt<'_>) -> Result<String, Error> {
            let id = attempt.deployment.id.clone();
            self.asked.lock().unwrap().push(id.clone());
            match self.left.lock().unwrap().get_mut(&id).and_then(Vec::pop) {
                Some(kind) => Err(Error::new(kind, "scripted")),
                None => Ok(attempt.target.model.clone()),
            }
        }
    }

    /// Runs against a script: deployment id -> the kinds of its failures in order, then success.
    async fn run(
        router: &Router,
        ask: &Ask<'_>,
        script: &[(&str, &[Kind])],
    ) -> (Result<String, Kind>, Vec<String>) {
        let left = script
            .iter()
            .map(|(id, kinds)| ((*id).to_owned(), kinds.iter().rev().copied().collect()));
        let script = Script {
            left: Mutex::new(left.collect()),
            asked: Mutex::default(),
        };
        let result = router.run(ask, &script).await;
        (
            result
                .map(|routed| routed.value)
                .map_err(|failed| failed.error.kind),
            script.asked.into_inner().unwrap(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_goes_to_the_other_deployment_first() {
        let router = router(&[("a", "g"), ("b", "g")], |_| {});
        let (result, asked) = run(
            &router,
            &Ask::new("g"),
            &[("a", &[Kind::Upstream]), ("b", &[Kind::Upstream])],
        )
        .await;
        assert!(result.is_ok());
        assert_eq!(asked.len(), 3);
        assert_ne!(asked[0], asked[1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_succeed_is_not_tried_again() {
        let router = router(&[("a", "g"), ("b", "g")], |_| {});
        for kind in [
            Kind::BadRequest,
            Kind::ContextWindow,
            Kind::UnsupportedParams,
            Kind::ContentPolicy,
        ] {
            let (result, asked) =
                run(&router, &Ask::new("g"), &[("a", &[kind]), ("b", &[kind])]).await;
            assert_eq!((result, asked.len()), (Err(kind), 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_key_bars_its_deployment() {
        let router = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 5);
        let forever = [Kind::Auth; 9];
        let (result, asked) =
            run(&router, &Ask::new("g"), &[("a", &forever), ("b", &forever)]).await;
        assert_eq!((result, asked.len()), (Err(Kind::Auth), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end() {
        let router = router(&[("a", "g")], |_| {});
        let (result, asked) = run(&router, &Ask::new("g"), &[("a", &[Kind::Upstream; 9])]).await;
        assert_eq!((result, asked.len()), (Err(Kind::Upstream), 3));
        let ask = Ask {
            num_retries: Some(0),
            ..Ask::new("g")
        };
        assert_eq!(
            run(&router, &ask, &[("a", &[Kind::Upstream])])
                .await
                .1
                .len(),
            1
        );
    }

    #[tokio::test(start_paused = true)]
    async fn fallbacks_follow_the_cause() {
        let router = router(
            &[("a", "g"), ("b", "long"), ("c", "other"), ("d", "last")],
            |s| {
                s.num_retries = 0;
                s.fallbacks.general = lists(&[("g", &["other"]), ("other", &["last", "g"])]);
                s.fallbacks.context_window = lists(&[("g", &["long"])]);
            },
        );
        let ask = Ask::new("g");
        let go = |script| run(&router, &ask, script);
        assert_eq!(go(&[("a", &[Kind::Upstream])]).await.1, ["a", "c"]);
        assert_eq!(go(&[("a", &[Kind::ContextWindow])]).await.1, ["a", "b"]);
        assert_eq!(
            go(&[("a", &[Kind::ContentPolicy])]).await.1,
            ["a"],
            "a refusal goes to the caller"
        );
        assert_eq!(
            go(&[("a", &[Kind::Upstream]), ("c", &[Kind::Upstream])])
                .await
                .1,
            ["a", "c", "d"]
        );
        let failed = go(&[
            ("a", &[Kind::RateLimit]),
            ("c", &[Kind::Upstream]),
            ("d", &[Kind::Upstream]),
        ])
        .await;
        assert_eq!(
            failed.0,
            Err(Kind::RateLimit),
            "the error is the one of the group that was asked for"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn lower_orders_come_first() {
        let mut second = deployment("b", "g");
        second.order = Some(2);
        let mut first = deployment("a", "g");
        first.order = Some(1);
        let router = Router::new(vec![second, first], Settings::default()).expect("sound");
        for _ in 0..20 {
            assert_eq!(run(&router, &Ask::new("g"), &[]).await.1, ["a"]);
        }
        assert_eq!(
            run(&router, &Ask::new("g"), &[("a", &[Kind::Upstream])])
                .await
                .1,
            ["a", "b"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_found_by_alias_pattern_and_id() {
        let star = Deployment::new(
            "w",
            "openai/*",
            Target::new(lookup("openai").expect("a row"), "*", Credential::None),
        );
        let settings = Settings {
            aliases: [("mini".to_owned(), "g".to_owned())].into(),
            ..Settings::default()
        };
        let router = Router::new(vec![deployment("a", "g"), star], settings).expect("sound");
        assert_eq!(run(&router, &Ask::new("mini"), &[]).await.0, Ok("a".into()));
        assert_eq!(
            run(&router, &Ask::new("openai/gpt-x"), &[]).await.0,
            Ok("gpt-x".into())
        );
        assert_eq!(run(&router, &Ask::new("a"), &[]).await.0, Ok("a".into()));
        assert_eq!(
            run(&router, &Ask::new("nobody"), &[]).await,
            (Err(Kind::BadRequest), vec![])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_request_is_no_longer_in_flight() {
        let router = router(&[("a", "g")], |_| {});
        let ask = Ask::new("g");
        struct Hangs;
        impl Attempts for Hangs {
            type Answer = ();
            async fn make(&self, _: Attempt<'_>) -> Result<(), Error> {
                std::future::pending().await
            }
        }
        let hangs = router.run(&ask, &Hangs);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), hangs)
                .await
                .is_err()
        );
        assert_eq!(router.deployments("g")[0].in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_limits_each_wait_of_a_stream_and_not_its_length() {
        struct Asked(Mutex<Option<Timeouts>>);
        impl Attempts for Asked {
            type Answer = ();
            async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
                *self.0.lock().unwrap() = Some(attempt.timeouts);
                Ok(())
            }
        }
        let minute = Duration::from_secs(60);
        let router = router(&[("a", "g")], |s| s.timeouts.total = Some(minute));
        let asked = Asked(Mutex::default());
        let whole = Ask::new("g");
        let stream = Ask {
            stream: true,
            ..Ask::new("g")
        };
        router.run(&whole, &asked).await.expect("an answer");
        assert_eq!(asked.0.lock().unwrap().unwrap().total, Some(minute));
        router.run(&stream, &asked).await.expect("an answer");
        let limits = asked.0.lock().unwrap().unwrap();
        assert_eq!(
            (limits.first_byte, limits.stall, limits.total),
            (Some(minute), Some(minute), None)
        );
    }

    #[test]
    fn unsound_settings_are_refused() {
        let twice = Router::new(
            vec![deployment("a", "g"), deployment("a", "h")],
            Settings::default(),
        );
        assert!(twice.is_err());
        let mut settings = Settings::default();
        settings.fallbacks.general = lists(&[("g", &["g"])]);
        assert!(Router::new(vec![], settings).is_err());
    }
}
