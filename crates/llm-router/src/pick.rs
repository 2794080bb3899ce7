//! One pick: who may be asked, who is, and the hold on it.

use std::sync::{Arc, atomic::Ordering};

use llm_providers::{Error, Kind};

use crate::{
    Ask, Candidate, Claim, Decision, Deployment, Dice, Field, Filter, Lease, Load, Moment, Quota,
    Reason, Router, Skipped, Standing, Strategy, TagMatch, View,
    affinity::Bond,
    filters::{Reserved, reservation},
    group::Group,
    hash,
    journey::Journey,
    state::Live,
    trace::Score,
};

/// Who is asked.
pub(crate) struct Picked {
    pub(crate) lease: Lease,
    pub(crate) decision: Decision,
}

impl Router {
    /// Picks a deployment of `group` and takes a hold on it; or says why there is none.
    pub(crate) fn pick(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        journey: &mut Journey,
        refused: &[Skipped],
    ) -> Result<Picked, Vec<Skipped>> {
        let now = self.state.clock.now();
        let strategy = self.strategy(ask, group.name);
        let (mut field, bonds) = self.field(ask, group, journey, refused, now);
        let mut scores = Vec::new();
        while !field.open().is_empty() {
            let candidates = self.candidates(&field, strategy, ask, group.name, now);
            let index = chosen(ask, &field, strategy, &candidates, &mut journey.dice);
            if ask.explain && scores.is_empty() {
                scores = scored(strategy, &candidates);
            }
            let among = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
            drop(candidates);
            let index = index.min(field.open().len() - 1);
            let deployment = Arc::clone(field.open()[index]);
            match self.hold(ask, group, &deployment, now) {
                Ok(lease) => {
                    let lease = lease.bound(bonds, self.budgeted(ask));
                    let decision = Decision {
                        strategy: strategy.name(),
                        among,
                        skipped: field.into_skipped(),
                        scores,
                        tags: self.tag_match(&deployment, ask, group, now),
                    };
                    return Ok(Picked { lease, decision });
                }
                Err(reason) => field.skip_one(index, reason),
            }
        }
        Err(field.into_skipped())
    }

    /// What picks in `group`, which is named as it is configured.
    pub(crate) fn strategy(&self, ask: &Ask, group: &str) -> &dyn Strategy {
        let asked = ask.strategy.as_deref();
        let asked = asked.and_then(|name| self.strategies.get(name));
        let own = asked.or_else(|| self.group_strategies.get(group));
        own.unwrap_or(&self.settings.strategy).as_ref()
    }

    pub(crate) fn bonds(&self, ask: &Ask, group: &str) -> Vec<Bond> {
        let rules = &self.settings.affinity;
        let bonds = rules.of(group);
        if bonds.is_empty() {
            return Vec::new();
        }
        bonds.of(ask, group, rules)
    }

    /// Those of the request's tags that have a budget.
    fn budgeted(&self, ask: &Ask) -> Vec<String> {
        let budgets = &self.settings.budgets.tags;
        if budgets.is_empty() {
            return Vec::new();
        }
        let tags = ask.tags.iter();
        tags.filter(|tag| budgets.contains_key(*tag))
            .cloned()
            .collect()
    }

    /// Who may be asked, and what will lead back to whoever is.
    pub(crate) fn field<'g>(
        &self,
        ask: &Ask,
        group: &Group<'g>,
        journey: &Journey,
        refused: &[Skipped],
        now: Moment,
    ) -> (Field<'g>, Vec<Bond>) {
        let mut field = Field::new(group.deployments);
        if !refused.is_empty() {
            field.skip(|deployment| {
                let refusal = refused.iter().find(|r| r.deployment == deployment.id);
                refusal.map(|refusal| refusal.reason)
            });
        }
        self.narrow(&mut field, ask, group, journey, now);
        let bonds = self.bonds(ask, group.name);
        if !bonds.is_empty() && field.open().len() > 1 {
            let (affinity, rules) = (&self.state.affinity, &self.settings.affinity);
            let load = |one: &Deployment| self.whole_load(&one.live, now).in_flight;
            affinity.narrow(&mut field, &bonds, now, rules, load);
        }
        (field, bonds)
    }

    /// What of the request led to `deployment` by tags.
    pub(crate) fn tag_match(
        &self,
        deployment: &Deployment,
        ask: &Ask,
        group: &Group<'_>,
        now: Moment,
    ) -> Option<TagMatch> {
        let rules = &self.settings.tags;
        rules.matched(deployment, &self.view(ask, group, now))
    }

    fn view<'v>(&'v self, ask: &'v Ask, group: &Group<'v>, now: Moment) -> View<'v> {
        View {
            ask,
            group: group.name,
            deployments: group.deployments,
            now,
            spending: &self.state.spending,
            traits: group.traits,
        }
    }

    /// Leaves out whoever should not be asked.
    fn narrow(
        &self,
        field: &mut Field<'_>,
        ask: &Ask,
        group: &Group<'_>,
        journey: &Journey,
        now: Moment,
    ) {
        let alone = group.deployments.len() == 1;
        let tokens = expected(ask);
        let view = self.view(ask, group, now);
        if group.traits.windows {
            Reserved.apply(field, &view);
        }
        if !journey.barred.is_empty() {
            field.skip(|deployment| journey.is_barred(deployment).then_some(Reason::Barred));
        }
        field.skip(|deployment| {
            if deployment.blocked {
                return Some(Reason::Blocked);
            }
            let live = &deployment.live;
            match live.health.standing(now) {
                Standing::Cooling(until) => {
                    return Some(Reason::Cooling {
                        millis: now.until(until).as_millis().try_into().unwrap_or(u64::MAX),
                    });
                }
                Standing::OnTrial if !alone && live.health.is_on_trial(now) => {
                    return Some(Reason::OnTrial);
                }
                _ => {}
            }
            let quota = self.quota(deployment);
            if !quota.is_limited() {
                return None;
            }
            let own = quota.refuses(&live.meter.load(now), tokens);
            own.or_else(|| {
                // Without the others, what they last said still counts.
                let apart = self.settings.shared.as_ref().is_some_and(|s| !s.is_up());
                apart
                    .then(|| {
                        deployment
                            .quota
                            .refuses(&self.whole_load(live, now), tokens)
                    })
                    .flatten()
            })
        });
        let settings = &self.settings;
        settings.pre_call_checks.apply(field, &view);
        for filter in &settings.filters {
            filter.apply(field, &view);
        }
        settings.tags.apply(field, &view);
        settings.budgets.apply(field, &view);
        if !journey.tried.is_empty() {
            field.prefer(Reason::Tried, |deployment| !journey.was_tried(deployment));
        }
        if group.traits.orders && field.open().len() > 1 && wished(ask, field).is_none() {
            let order = |deployment: &Deployment| deployment.order.unwrap_or(i64::MAX);
            let all = || field.open().iter().map(|d| order(d));
            let (lowest, highest) = (all().min(), all().max());
            if lowest != highest {
                field.prefer(Reason::Order, |d| Some(order(d)) == lowest);
            }
        }
    }

    /// What the strategy looks at of each.
    pub(crate) fn candidates<'a>(
        &self,
        field: &Field<'a>,
        strategy: &dyn Strategy,
        ask: &Ask,
        group: &str,
        now: Moment,
    ) -> Vec<Candidate<'a>> {
        let weights = ask.weights.get(group);
        let looks = strategy.looks();
        let rules = looks.speed.as_ref().unwrap_or(&self.settings.speed);
        let asker = [&ask.user, &ask.session, &ask.caller];
        let asker = asker.into_iter().flatten().next();
        let asker = asker
            .filter(|_| looks.asker)
            .map(|asker| hash::of(asker.as_bytes()));
        let candidate = |deployment: &&'a Arc<Deployment>| {
            let live = &deployment.live;
            Candidate {
                deployment,
                load: if looks.load {
                    self.whole_load(live, now)
                } else {
                    Load::default()
                },
                latency: looks
                    .latency
                    .then(|| live.speed.latency(now, rules, ask.stream, looks.percentile))
                    .flatten(),
                lot: asker.map(|asker| hash::unit(hash::both(asker, deployment.lot))),
                weight: weights.map(|all| all.get(&deployment.id).copied().unwrap_or(0.0)),
            }
        };
        field.open().iter().map(candidate).collect()
    }

    /// Takes a hold on `deployment`, which may have been taken by others since it was looked at.
    fn hold(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        deployment: &Arc<Deployment>,
        now: Moment,
    ) -> Result<Lease, Reason> {
        let alone = group.deployments.len() == 1;
        let live = &deployment.live;
        let resting = live.health.standing(now) == Standing::OnTrial;
        let trial = resting && live.health.begin_trial();
        if resting && !trial && !alone {
            return Err(Reason::OnTrial);
        }
        match live
            .meter
            .admit(now, &self.quota(deployment), expected(ask))
        {
            Ok(claim) => Ok(Lease::new(
                Arc::clone(deployment),
                Arc::clone(&self.settings),
                Arc::clone(&self.state),
                claim,
                trial,
                !alone,
                group.common.map(|common| Arc::clone(&common.queue)),
            )),
            Err(reason) => {
                if trial {
                    live.health.end_trial();
                }
                Err(reason)
            }
        }
    }

    /// What `deployment` may take, as configured and as learned.
    fn quota(&self, deployment: &Deployment) -> Quota {
        let mut quota = deployment.quota;
        if let Some(rules) = &self.settings.adaptive {
            let learned = deployment.live.adaptive.limit(rules);
            quota.max_parallel = Some(quota.max_parallel.map_or(learned, |own| own.min(learned)));
        }
        match &self.settings.shared {
            // Nobody can say what the others use: each takes its part.
            Some(shared) if !shared.is_up() => quota.part(self.state.board.instances()),
            _ => quota,
        }
    }

    /// What a deployment carries here and at other instances.
    pub(crate) fn whole_load(&self, live: &Live, now: Moment) -> Load {
        let mut load = live.meter.load(now);
        if self.settings.shared.is_some() {
            let more = live.elsewhere.load(now);
            load.in_flight = load.in_flight.saturating_add(more.in_flight);
            load.requests = load.requests.saturating_add(more.requests);
            load.tokens = load.tokens.saturating_add(more.tokens);
            load.input = load.input.saturating_add(more.input);
            load.output = load.output.saturating_add(more.output);
        }
        load
    }

    /// Asks all instances whether the picked attempt is within its limits, where it has any, and whether it is the only one
    /// that tries a rested deployment.
    pub(crate) async fn confirm(&self, ask: &Ask, lease: &mut Lease) -> Result<(), Reason> {
        let deployment = Arc::clone(lease.deployment());
        let Some(shared) = self.settings.shared.as_ref() else {
            return Ok(());
        };
        let trial = lease.is_trial();
        if !trial && !deployment.quota.is_limited() {
            return Ok(());
        }
        let claim = Claim {
            deployment: &deployment.id,
            quota: deployment.quota,
            tokens: expected(ask),
            trial,
        };
        match shared.admit(&claim).await {
            Some(Ok(admitted)) => {
                lease.admitted(admitted);
                Ok(())
            }
            Some(Err(reason)) => {
                if reason == Reason::OnTrial {
                    let now = self.state.clock.now();
                    deployment.live.health.is_tried_elsewhere(now);
                }
                Err(reason)
            }
            None => Ok(()),
        }
    }

    /// A seed for the next request's dice.
    pub(crate) fn next_seed(&self) -> u64 {
        self.seed(self.state.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// What [`next_seed`](Self::next_seed) would be.
    pub(crate) fn coming_seed(&self) -> u64 {
        self.seed(self.state.requests.load(Ordering::Relaxed))
    }

    fn seed(&self, request: u64) -> u64 {
        self.settings.seed ^ request.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Which of the candidates is asked.
pub(crate) fn chosen(
    ask: &Ask,
    field: &Field<'_>,
    strategy: &dyn Strategy,
    candidates: &[Candidate<'_>],
    dice: &mut Dice,
) -> usize {
    match (candidates.len(), wished(ask, field)) {
        (1, _) => 0,
        (_, Some(wished)) => wished,
        _ => strategy.pick(candidates, dice),
    }
}

/// Where the deployment stands that the request itself wishes for, if it can be asked.
fn wished(ask: &Ask, field: &Field<'_>) -> Option<usize> {
    let id = ask.prefer.as_deref()?;
    field.open().iter().position(|open| open.id == id)
}

/// Tokens that a request will use, about.
fn expected(ask: &Ask) -> u64 {
    ask.prompt_tokens
}

pub(crate) fn scored(strategy: &dyn Strategy, candidates: &[Candidate<'_>]) -> Vec<Score> {
    let score = |candidate: &Candidate<'_>| Score {
        deployment: candidate.deployment.id.clone(),
        score: strategy.score(candidate),
    };
    candidates.iter().map(score).collect()
}

/// Why none of the `deployments` of `group` can be asked, as an error for the caller.
pub(crate) fn nobody(
    group: &str,
    deployments: &[Arc<Deployment>],
    ask: &Ask,
    skipped: &[Skipped],
    now: Moment,
) -> Error {
    let every = |fits: fn(&Reason) -> bool| {
        !skipped.is_empty() && skipped.iter().all(|skipped| fits(&skipped.reason))
    };
    if every(|reason| matches!(reason, Reason::ContextWindow)) {
        return Error::new(
            Kind::ContextWindow,
            format!(
                "the prompt is longer than the context window of every deployment of '{group}'"
            ),
        );
    }
    if every(|reason| matches!(reason, Reason::Tags)) {
        return Error::bad_request(
            "tags",
            format!("no deployment of '{group}' fits the request's tags"),
        );
    }
    if every(|reason| matches!(reason, Reason::Reserved { .. })) {
        let team = ask.team.as_deref();
        let mut windows = deployments.iter().filter_map(|d| reservation(d, team, now));
        let until = windows.next().map(|(window, _)| format!(" until {window}"));
        let until = until.unwrap_or_default();
        let message = format!("Deployment {group} is reserved for another team{until}");
        return Error::bad_request("model", message);
    }
    if every(|reason| matches!(reason, Reason::Region)) {
        return Error::bad_request(
            "allowed_model_region",
            format!("no deployment of '{group}' is known to be in the region that is asked for"),
        );
    }
    if every(|reason| matches!(reason, Reason::Parameter)) {
        return Error::new(
            Kind::UnsupportedParams,
            format!("no deployment of '{group}' knows every parameter of the request"),
        );
    }
    let wait = skipped
        .iter()
        .filter_map(|skipped| skipped.reason.wait(now))
        .min();
    let Some(wait) = wait else {
        return Error::new(
            Kind::NotFound,
            format!("no deployment of '{group}' can serve this request"),
        );
    };
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let cause = if every(|reason| matches!(reason, Reason::Cooling { .. } | Reason::OnTrial)) {
        "All its deployments are in cooldown."
    } else if every(|reason| matches!(reason, Reason::Budget { .. })) {
        "Its deployments crossed budget: what they, their providers or the request's tags may cost is spent."
    } else {
        "Its deployments that could serve the request are at their limits."
    };
    let mut error = Error::new(
        Kind::RateLimit,
        format!(
            "No deployments available for selected model, Try again in {seconds} seconds. {cause} \
             Passed model={group}."
        ),
    );
    error.code = Some("no_deployments_available".into());
    error.retry_after = Some(wait);
    error
}
