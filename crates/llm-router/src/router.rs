//! The loop: plan, pick, attempt, learn.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use llm_providers::{Error, Kind, Target};
use llm_types::Map;

use crate::{
    Ask, Decision, Deployment, Fallback, Journey, Lease, Load, Moment, Settings, SettingsError,
    Spent, Standing, State, Strategy, Timeouts, Trace,
    group::{self, Group, Members, unknown},
    journey::too_late,
    retry, strategy,
    trace::AttemptRecord,
    wildcard,
};

/// Model groups and how requests find their way through them.
///
/// Immutable: a new configuration is a new router, which [succeeds](Self::succeeded_by) the old one and takes over what
/// that has learned. Requests under way end with the router they began with.
#[derive(Debug)]
pub struct Router {
    pub(crate) groups: BTreeMap<String, Members>,
    /// Routing groups: several groups under one name.
    pub(crate) unions: BTreeMap<String, Members>,
    /// Strategies of groups, routing groups among them.
    pub(crate) group_strategies: BTreeMap<String, Arc<dyn Strategy>>,
    /// Strategies that single requests may ask for.
    pub(crate) strategies: BTreeMap<&'static str, Arc<dyn Strategy>>,
    /// Group names with stars, the more specific first.
    pub(crate) patterns: Vec<String>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) state: Arc<State>,
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
    /// Whether an answer that the vendor's filter stopped counts as a failure, because somebody else may answer.
    pub refusal_fails: bool,
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

/// A request that was answered, or whose answer has begun.
#[derive(Debug)]
pub struct Routed<T> {
    /// The answer.
    pub value: T,
    /// The hold on the deployment that gives it: to be kept until the answer's end, and told how that was.
    pub lease: Lease,
    /// The way there, and from there on if the answer breaks.
    pub journey: Journey,
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

/// An attempt that brought nothing.
pub(crate) enum Missed {
    /// Nobody could be asked.
    Nobody(Error),
    /// A deployment failed.
    Failed(Arc<Deployment>, Error),
}

impl Router {
    /// A router over `deployments`; refuses settings that cannot work.
    pub fn new(
        deployments: Vec<Deployment>,
        mut settings: Settings,
    ) -> Result<Self, SettingsError> {
        settings.share(None)?;
        Self::over(deployments, settings, Arc::default())
    }

    /// The router with another configuration, which goes on with what this one has learned: counts, rests, latencies.
    pub fn succeeded_by(
        &self,
        mut deployments: Vec<Deployment>,
        mut settings: Settings,
    ) -> Result<Self, SettingsError> {
        settings.share(Some(&self.settings))?;
        let known: HashMap<&str, &Arc<Deployment>> = self
            .all()
            .map(|deployment| (deployment.id.as_str(), deployment))
            .collect();
        for deployment in &mut deployments {
            if let Some(old) = known.get(deployment.id.as_str()) {
                deployment.live = Arc::clone(&old.live);
            }
        }
        let mut next = Self::over(deployments, settings, Arc::clone(&self.state))?;
        let pairs = [
            (&mut next.groups, &self.groups),
            (&mut next.unions, &self.unions),
        ];
        for (new, old) in pairs {
            for (name, members) in new {
                if let Some(old) = old.get(name) {
                    members.common = Arc::clone(&old.common);
                }
            }
        }
        Ok(next)
    }

    fn over(
        deployments: Vec<Deployment>,
        mut settings: Settings,
        state: Arc<State>,
    ) -> Result<Self, SettingsError> {
        settings.fallbacks.check()?;
        let mut groups: BTreeMap<String, Members> = BTreeMap::new();
        let mut ids = HashSet::new();
        for mut deployment in deployments {
            check(&deployment)?;
            if let Some(usual) = settings.default_max_parallel {
                deployment.quota.max_parallel = Some(deployment.quota.parallel_or(usual));
            }
            if !ids.insert(deployment.id.clone()) {
                return Err(SettingsError(format!(
                    "two deployments have the id '{}'",
                    deployment.id
                )));
            }
            let members = groups.entry(deployment.group.clone()).or_default();
            members.deployments.push(Arc::new(deployment));
        }
        let mut patterns: Vec<String> = groups
            .keys()
            .filter(|name| name.contains('*'))
            .cloned()
            .collect();
        patterns.sort_by_key(|pattern| wildcard::specificity(pattern));
        let unions = group::unions(&settings, &groups)?;
        let group_strategies = group_strategies(&settings);
        let strategies = strategy::all();
        for strategy in group_strategies.values().chain([&settings.strategy]) {
            if let Some(needed) = strategy.looks().speed {
                settings.speed = settings.speed.covering(needed);
            }
        }
        let all = groups.values().flat_map(|members| &members.deployments);
        state.board.put_up(all);
        Ok(Self {
            groups,
            unions,
            group_strategies,
            strategies,
            patterns,
            settings: Arc::new(settings),
            state,
        })
    }

    /// Answers a request: plans the groups, picks deployments, has attempts made, learns, and tries on while that helps.
    pub async fn run<A: Attempts>(
        &self,
        ask: &Ask,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        if let Some(shared) = &self.settings.shared {
            shared.attend(&self.state.board);
        }
        let deadline = ask.deadline.or(self.settings.deadline);
        let journey = Journey::new(ask, self.next_seed(), deadline);
        self.count_request(&journey);
        self.travel(ask, journey, None, attempts).await
    }

    /// Goes on with a request whose answer broke after it had begun: as if the attempt had failed before.
    pub async fn resume<A: Attempts>(
        &self,
        ask: &Ask,
        mut journey: Journey,
        lease: Lease,
        error: Error,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        let deployment = Arc::clone(lease.deployment());
        let at = journey.trace.last_of(&deployment.id);
        self.learn(&mut journey, at, lease, &error, true);
        self.travel(ask, journey, Some((deployment, error)), attempts)
            .await
    }

    /// The names of all groups, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &[Arc<Deployment>])> {
        self.groups
            .iter()
            .map(|(name, members)| (name.as_str(), members.deployments.as_slice()))
    }

    /// The deployments that would answer for `model`; empty if none would.
    pub fn deployments(&self, model: &str) -> &[Arc<Deployment>] {
        self.find(model)
            .map(|group| group.deployments)
            .unwrap_or_default()
    }

    /// The deployment with this id.
    pub fn deployment(&self, id: &str) -> Option<&Arc<Deployment>> {
        self.all().find(|deployment| deployment.id == id)
    }

    /// What `deployment` carries now.
    pub fn load(&self, deployment: &Deployment) -> Load {
        deployment.live.meter.load(self.state.clock.now())
    }

    /// Whether `deployment` can be asked now.
    pub fn standing(&self, deployment: &Deployment) -> Standing {
        deployment.live.health.standing(self.state.clock.now())
    }

    /// How long `deployment` still rests; nothing if it does not.
    pub fn rests_for(&self, deployment: &Deployment) -> Duration {
        let now = self.state.clock.now();
        deployment.live.health.cools_for(now).unwrap_or_default()
    }

    /// The time, as this router counts it.
    pub fn now(&self) -> Moment {
        self.state.clock.now()
    }

    /// What was spent of all budgets that are running.
    pub fn spent(&self) -> Vec<Spent> {
        self.state.spending.all(self.state.clock.now())
    }

    /// Routing groups, in the order of their names, with the deployments of all their groups.
    pub fn routing_groups(&self) -> impl Iterator<Item = (&str, &[Arc<Deployment>])> {
        self.unions
            .iter()
            .map(|(name, members)| (name.as_str(), members.deployments.as_slice()))
    }

    /// Whether routing `ask` depends on how long its prompt is: only then is that worth counting.
    pub fn wants_tokens(&self, ask: &Ask) -> bool {
        let checks = self.settings.pre_call_checks.enabled;
        let limited = |deployment: &Arc<Deployment>| {
            deployment.quota.tpm.is_some()
                || (checks && deployment.target.facts.max_input_tokens.is_some())
        };
        self.within_reach(ask, |group| {
            self.strategy(ask, group.name).looks().tokens || group.deployments.iter().any(limited)
        })
    }

    /// Whether routing `ask` depends on what its conversation begins with.
    pub fn wants_prefix(&self, ask: &Ask) -> bool {
        let rules = &self.settings.affinity;
        self.within_reach(ask, |group| {
            rules.of(group.name).prompt && group.deployments.len() > 1
        })
    }

    /// Whether `is` true of the asked group or of one that it falls back to.
    fn within_reach(&self, ask: &Ask, is: impl Fn(&Group<'_>) -> bool) -> bool {
        let holds = |name: &str| self.find(name).is_some_and(|group| is(&group));
        holds(&ask.model)
            || [Kind::Upstream, Kind::ContextWindow]
                .into_iter()
                .flat_map(|kind| self.fallbacks(ask, &ask.model, kind))
                .any(|fallback| holds(&fallback.group))
    }

    /// How this router behaves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.groups
            .values()
            .flat_map(|members| &members.deployments)
    }

    /// Attempt after attempt and group after group, until one answers or nothing is left to try.
    async fn travel<A: Attempts>(
        &self,
        ask: &Ask,
        mut journey: Journey,
        mut failed: Option<(Arc<Deployment>, Error)>,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        loop {
            let error = match failed.take() {
                None => match self.attempt(ask, &mut journey, attempts).await {
                    Ok((value, lease)) => {
                        return Ok(Routed {
                            value,
                            lease,
                            journey,
                        });
                    }
                    Err(Missed::Failed(deployment, error)) => {
                        failed = Some((deployment, error));
                        continue;
                    }
                    Err(Missed::Nobody(error)) => {
                        if let Some(wait) = self.worth_waiting(ask, &journey, &error) {
                            tokio::time::sleep(wait).await;
                            continue;
                        }
                        journey.last_error.take().unwrap_or(error)
                    }
                },
                Some((deployment, error)) => {
                    match self.again(ask, &mut journey, &deployment, &error) {
                        Some(wait) => {
                            journey.last_error = Some(error);
                            tokio::time::sleep(wait).await;
                            continue;
                        }
                        None => error,
                    }
                }
            };
            self.leave(ask, &mut journey, error)?;
        }
    }

    /// One attempt at one deployment of the journey's group.
    async fn attempt<A: Attempts>(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        attempts: &A,
    ) -> Result<(A::Answer, Lease), Missed> {
        if journey.out_of_time() {
            return Err(Missed::Nobody(too_late()));
        }
        if let Some(kind) = ask.rehearse.filter(|_| journey.trace.fallbacks == 0) {
            return Err(Missed::Nobody(Error::new(kind, "a rehearsed failure")));
        }
        let group = self
            .find(&journey.plan.group)
            .ok_or_else(|| Missed::Nobody(unknown(&journey.plan.group)))?;
        let picked = self.pick_or_wait(ask, &group, journey).await?;
        let lease = picked.lease;
        begin(journey, &lease, picked.decision);
        let made = match self.patience_with_first(ask, &group) {
            Some(patience) => {
                self.race(ask, journey, &group, lease, patience, attempts)
                    .await
            }
            None => self.alone(ask, journey, &group, lease, attempts).await,
        };
        let (value, lease) = made?;
        if let Some(common) = group.common {
            if self.settings.hedge.is_some() {
                common.pace.answered(ask.stream, lease.held());
            }
            if std::mem::take(&mut journey.owes) {
                common.retries.give_back(self.state.clock.now());
            }
        }
        Ok((value, lease))
    }

    /// One attempt, however long it takes.
    async fn alone<A: Attempts>(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        group: &Group<'_>,
        lease: Lease,
        attempts: &A,
    ) -> Result<(A::Answer, Lease), Missed> {
        let plan = Arc::clone(&journey.plan);
        let refusal_fails = self.has_fallback(ask, journey, Kind::ContentPolicy);
        let deployment = Arc::clone(lease.deployment());
        let left = journey.left();
        let attempt = self.prepare(ask, &plan, left, refusal_fails, group, &deployment);
        let result = attempts.make(attempt).await;
        let at = journey.trace.attempts.len().saturating_sub(1);
        self.settle(journey, at, lease, result)
    }

    /// Takes note of an attempt's end.
    pub(crate) fn settle<T>(
        &self,
        journey: &mut Journey,
        at: usize,
        lease: Lease,
        result: Result<T, Error>,
    ) -> Result<(T, Lease), Missed> {
        match result {
            Ok(value) => {
                journey.note_answer(at, lease.held());
                Ok((value, lease))
            }
            Err(error) => {
                let deployment = Arc::clone(lease.deployment());
                self.learn(journey, at, lease, &error, false);
                Err(Missed::Failed(deployment, error))
            }
        }
    }

    /// Takes note of a failure.
    pub(crate) fn learn(
        &self,
        journey: &mut Journey,
        at: usize,
        lease: Lease,
        error: &Error,
        in_stream: bool,
    ) {
        let deployment = Arc::clone(lease.deployment());
        journey.trace.failed(at, lease.held(), error, in_stream);
        let now = self.state.clock.now();
        let until = lease.fail(error);
        if let (Some(until), Some(record)) = (until, journey.trace.attempts.get_mut(at)) {
            record.cooled = Some(now.until(until).as_millis().try_into().unwrap_or(u64::MAX));
        }
        // Who asks for retries of time-outs by name gets them.
        let by_policy = self.policy(journey, error.kind).is_some();
        journey.note_failure(&deployment, !retry::may_return(error) && !by_policy);
    }

    /// Whether the same group is tried again after a failure, and after which wait.
    fn again(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        deployment: &Deployment,
        error: &Error,
    ) -> Option<Duration> {
        let group = self.find(&journey.plan.group)?;
        let now = self.state.clock.now();
        let open = |d: &Deployment| !journey.is_barred(d) && !d.live.health.is_cooling(now);
        let others = group.deployments.iter().any(|d| open(d));
        let fresh = group
            .deployments
            .iter()
            .any(|d| open(d) && !journey.was_tried(d));
        let allowed = self.allowed(ask, journey, deployment, error.kind, others);
        journey.trace.max_retries = allowed.unwrap_or(0);
        if allowed.is_none_or(|allowed| journey.retries >= allowed) {
            let next_order = fresh && self.goes_through_orders(&group, error.kind);
            journey.owes = false;
            return next_order.then_some(Duration::ZERO);
        }
        let wait = if fresh {
            Duration::ZERO
        } else if others {
            retry::wait(
                error,
                journey.retries,
                self.settings.retry_after,
                &mut journey.dice,
            )
        } else {
            self.wait_for_rest(ask, journey, &group, error)?
        };
        if journey.left().is_some_and(|left| left <= wait) {
            return None;
        }
        journey.owes = false;
        if let (Some(share), Some(common)) = (&self.settings.retry_share, group.common) {
            if !common.retries.take(now, share) {
                journey.trace.retry_denied = true;
                return None;
            }
            journey.owes = true;
        }
        journey.retries += 1;
        Some(wait)
    }

    /// Everybody rests: waits for the first to come back, if nobody else could answer and there is time.
    fn wait_for_rest(
        &self,
        ask: &Ask,
        journey: &Journey,
        group: &Group<'_>,
        error: &Error,
    ) -> Option<Duration> {
        if self.has_fallback(ask, journey, error.kind) {
            return None;
        }
        let now = self.state.clock.now();
        let rest = group
            .deployments
            .iter()
            .filter(|deployment| !journey.is_barred(deployment))
            .filter_map(|deployment| deployment.live.health.cools_for(now))
            .min()?;
        (self.patience(ask, journey)? > rest).then_some(rest)
    }

    /// How long to wait for somebody to be there at all.
    fn worth_waiting(&self, ask: &Ask, journey: &Journey, error: &Error) -> Option<Duration> {
        let wait = error
            .retry_after
            .filter(|_| error.kind == Kind::RateLimit)?;
        if self.has_fallback(ask, journey, error.kind) {
            return None;
        }
        (self.patience(ask, journey)? > wait).then_some(wait.max(Duration::from_millis(1)))
    }

    /// How long the caller is known to be ready to wait; `None` where it did not say, or wants no second try.
    pub(crate) fn patience(&self, ask: &Ask, journey: &Journey) -> Option<Duration> {
        if ask.num_retries == Some(0) {
            return None;
        }
        journey.left().or_else(|| {
            let limit = ask.timeouts.or(self.settings.timeouts);
            let limit = limit.stream.filter(|_| ask.stream).or(limit.total)?;
            Some(limit.saturating_sub(journey.started.elapsed()))
        })
    }

    /// How many retries this failure allows; `None` if trying again cannot help.
    fn allowed(
        &self,
        ask: &Ask,
        journey: &Journey,
        deployment: &Deployment,
        kind: Kind,
        others: bool,
    ) -> Option<u32> {
        if ask.num_retries == Some(0) {
            return None;
        }
        if let Some(by_policy) = self.policy(journey, kind) {
            return Some(by_policy);
        }
        let general = ask
            .num_retries
            .or(deployment.num_retries)
            .unwrap_or(self.settings.num_retries);
        retry::can_help(kind, others).then_some(general)
    }

    /// How many retries the policies give a failure of `kind`.
    fn policy(&self, journey: &Journey, kind: Kind) -> Option<u32> {
        let own = self.settings.group_retry_policy.get(&journey.plan.group);
        own.and_then(|policy| policy.retries(kind))
            .or_else(|| self.settings.retry_policy.retries(kind))
    }

    /// Whether the group's other deployments are tried beyond the retries: lower orders stand in for higher ones, and
    /// everybody for everybody where the settings say so.
    fn goes_through_orders(&self, group: &Group<'_>, kind: Kind) -> bool {
        let mut orders = group.deployments.iter().map(|deployment| deployment.order);
        let first = orders.next();
        let several = orders.any(|order| Some(order) != first);
        (several || self.settings.failover_in_group) && retry::can_help(kind, true)
    }

    /// Leaves the group for the next one; an error if there is none.
    fn leave(&self, ask: &Ask, journey: &mut Journey, error: Error) -> Result<(), Box<Failed>> {
        let own = journey.trace.fallbacks == 0;
        // The fallback's own fallbacks come before the rest of the list; a list of the request is all there is.
        if own || ask.fallbacks.is_none() {
            let more = self.fallbacks(ask, &journey.plan.group, error.kind);
            journey.queue.extend(more.into_iter().rev());
        }
        while let Some(next) = journey.queue.pop() {
            if journey.trace.fallbacks >= self.settings.max_fallbacks {
                break;
            }
            if journey.seen.contains(&next.group) || journey.out_of_time() {
                continue;
            }
            if own {
                journey.first_error = Some(error);
            }
            journey.enter(next);
            self.count_request(journey);
            return Ok(());
        }
        let trace = std::mem::take(&mut journey.trace);
        Err(Box::new(match journey.first_error.take() {
            None => Failed {
                error,
                fallback_error: None,
                trace,
            },
            Some(first) => Failed {
                error: first,
                fallback_error: Some(error),
                trace,
            },
        }))
    }

    pub(crate) fn has_fallback(&self, ask: &Ask, journey: &Journey, kind: Kind) -> bool {
        let unseen = |fallback: &Fallback| !journey.seen.contains(&fallback.group);
        journey.trace.fallbacks < self.settings.max_fallbacks
            && (journey.queue.iter().any(unseen)
                || self
                    .fallbacks(ask, &journey.plan.group, kind)
                    .iter()
                    .any(unseen))
    }

    fn count_request(&self, journey: &Journey) {
        let group = self.find(&journey.plan.group);
        if let Some(common) = group.and_then(|group| group.common) {
            let now = self.state.clock.now();
            common.retries.request(now);
            common.rivals.request(now);
        }
    }

    pub(crate) fn prepare<'a>(
        &self,
        ask: &Ask,
        plan: &'a Fallback,
        left: Option<Duration>,
        refusal_fails: bool,
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
        if let Some(left) = left {
            timeouts.total = Some(timeouts.total.map_or(left, |total| total.min(left)));
        }
        Attempt {
            deployment,
            target,
            group: &plan.group,
            overrides: &plan.overrides,
            timeouts,
            refusal_fails,
        }
    }

    pub(crate) fn fallbacks(&self, ask: &Ask, group: &str, kind: Kind) -> Vec<Fallback> {
        if ask.disable_fallbacks {
            return Vec::new();
        }
        let own = match kind {
            Kind::ContextWindow => ask
                .context_window_fallbacks
                .as_ref()
                .or(ask.fallbacks.as_ref()),
            Kind::ContentPolicy => ask.content_policy_fallbacks.as_ref(),
            _ => ask.fallbacks.as_ref(),
        };
        match own {
            Some(own) => own.clone(),
            None => self
                .settings
                .fallbacks
                .after(self.alias(group), kind)
                .to_vec(),
        }
    }
}

/// The strategies of single groups, and those that routing groups give theirs.
fn group_strategies(settings: &Settings) -> BTreeMap<String, Arc<dyn Strategy>> {
    let mut strategies = settings.group_strategy.clone();
    for group in &settings.routing_groups {
        for name in group.models.iter().chain([&group.name]) {
            let strategy = || Arc::clone(&group.strategy);
            strategies.entry(name.clone()).or_insert_with(strategy);
        }
    }
    strategies
}

/// Opens the attempt's record.
pub(crate) fn begin(journey: &mut Journey, lease: &Lease, decision: Decision) {
    journey.trace.attempts.push(AttemptRecord {
        deployment: lease.deployment().id.clone(),
        group: journey.plan.group.clone(),
        decision,
        began: journey.started.elapsed(),
        took: Duration::ZERO,
        error: None,
        status: None,
        message: None,
        cooled: None,
        in_stream: false,
        lost: false,
    });
}

fn check(deployment: &Deployment) -> Result<(), SettingsError> {
    let refuse = |what: &str| {
        Err(SettingsError(format!(
            "deployment '{}' of '{}' {what}",
            deployment.id, deployment.group
        )))
    };
    match deployment.weight {
        Some(weight) if !weight.is_finite() || weight < 0.0 => {
            return refuse("has a weight that is not a number of at least 0");
        }
        _ => {}
    }
    if deployment.target.model.is_empty() {
        return refuse("has no model");
    }
    Ok(())
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
        ask: &Ask,
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
                s.fallbacks.general = lists(&[("g", &["other"]), ("other", &["last"])]);
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
        assert_eq!(router.load(&router.deployments("g")[0]).in_flight, 0);
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

    #[tokio::test(start_paused = true)]
    async fn a_silent_deployment_is_left() {
        let router = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 9);
        let forever = [Kind::Timeout; 9];
        let script: [(&str, &[Kind]); 2] = [("a", &forever), ("b", &forever)];
        let (result, asked) = run(&router, &Ask::new("g"), &script).await;
        assert_eq!((result, asked.len()), (Err(Kind::Timeout), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_rate_limited_rests_and_nobody_is_asked_while_all_do() {
        let router = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 0);
        let limited = [Kind::RateLimit; 9];
        let script: [(&str, &[Kind]); 2] = [("a", &limited), ("b", &limited)];
        let ask = Ask::new("g");
        assert_eq!(run(&router, &ask, &script).await.1.len(), 1);
        assert_eq!(run(&router, &ask, &script).await.1.len(), 1);
        let (result, asked) = run(&router, &ask, &script).await;
        assert_eq!((result, asked.len()), (Err(Kind::RateLimit), 0));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(run(&router, &ask, &[]).await.0.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_time_waits_for_the_first_to_come_back() {
        let router = router(&[("a", "g"), ("b", "g")], |_| {});
        let script: [(&str, &[Kind]); 2] = [("a", &[Kind::RateLimit]), ("b", &[Kind::RateLimit])];
        let ask = Ask {
            deadline: Some(Duration::from_secs(60)),
            ..Ask::new("g")
        };
        let began = tokio::time::Instant::now();
        let (result, asked) = run(&router, &ask, &script).await;
        assert_eq!((result.is_ok(), asked.len()), (true, 3));
        assert!(began.elapsed() >= Duration::from_secs(5));
        let ask = Ask {
            deadline: Some(Duration::from_secs(2)),
            ..Ask::new("g")
        };
        let began = tokio::time::Instant::now();
        assert!(run(&router, &ask, &script).await.0.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_not_made_worse() {
        let router = router(&[("a", "g")], |s| {
            s.num_retries = 3;
            s.health.disabled = true;
        });
        let mut asked = 0;
        for _ in 0..1000 {
            let forever = [Kind::Overloaded; 9];
            asked += run(&router, &Ask::new("g"), &[("a", &forever)])
                .await
                .1
                .len();
        }
        // A tenth, and the few that are always granted while the clock goes on.
        assert!((1000..=1110).contains(&asked), "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_successor_knows_what_its_predecessor_learned() {
        let first = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 0);
        let limited: (&str, &[Kind]) = ("a", &[Kind::RateLimit; 9]);
        let only_a = Ask::new("a");
        assert!(run(&first, &only_a, &[limited]).await.0.is_err());
        let next = first
            .succeeded_by(
                vec![deployment("a", "g"), deployment("c", "g")],
                Settings::default(),
            )
            .expect("sound");
        let a = next.deployment("a").expect("it is there");
        assert_eq!(next.load(a).requests, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_answer_goes_on_elsewhere() {
        let router = router(&[("a", "g"), ("b", "g")], |_| {});
        let script = Script {
            left: Mutex::default(),
            asked: Mutex::default(),
        };
        let ask = Ask::new("g");
        let first = router.run(&ask, &script).await.expect("an answer");
        let broken = Error::new(Kind::Connection, "cut");
        let second = router
            .resume(&ask, first.journey, first.lease, broken, &script)
            .await
            .expect("another answer");
        assert_ne!(first.value, second.value);
        let attempts = &second.journey.trace().attempts;
        assert_eq!((attempts.len(), attempts[0].in_stream), (2, true));
        drop(second.lease);
        for deployment in router.deployments("g") {
            assert_eq!(router.load(deployment).in_flight, 0);
        }
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
