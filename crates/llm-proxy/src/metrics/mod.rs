//! Prometheus metrics, by LiteLLM's names.

mod asked;
mod failures;
mod families;
mod handles;
mod label;
mod levels;
mod options;
mod own;
mod purses;

use std::{
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dashmap::{DashMap, DashSet};
use foldhash::quality::RandomState;
use llm_governance::{Caller, Governance, Purse};
use llm_router::{Deployment, Router};
use llm_sdk::{Meta, Outcome, Record};
use llm_types::{Op, Verb};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::error::class;
use families::Families;
use handles::Handles;
use label::Facts;
use levels::Levels;
use purses::Purses;

pub(crate) use asked::{Asked, Who};
pub use families::Described;
pub(crate) use handles::vendor_time;
pub(crate) use label::Label;
pub(crate) use levels::Limited;
pub use options::Options;
pub use own::OwnLabel;
pub(crate) use own::Said;

/// Different model names that get series of their own: names come from clients, memory does not.
const MOST_NAMES: usize = 1000;

/// How long budgets that were looked up are as good as those of now.
const LOOKS: Duration = Duration::from_secs(300);

/// LiteLLM's states of a deployment.
const HEALTHY: f64 = 0.0;
const PARTLY: f64 = 1.0;
const RESTS: f64 = 2.0;

/// Every metric, and the registry that prints them.
pub(crate) struct Metrics {
    registry: Registry,
    families: Families,
    in_flight: Gauge,
    dropped_log_lines: Counter,
    purses: Purses,
    levels: Levels,
    /// When all budgets were looked up.
    looked: Mutex<Option<Instant>>,
    all_budgets: bool,
    /// What an answered request adds to, by what it was: no label is put together twice.
    handles: DashMap<u64, Arc<Handles>, RandomState>,
    names: DashSet<String, RandomState>,
    /// Different requests so far, as labels tell them apart.
    kinds: DashSet<u64, RandomState>,
    most_kinds: usize,
    end_users: bool,
    own: Vec<OwnLabel>,
    hasher: RandomState,
}

impl Metrics {
    pub(crate) fn new(options: &Options) -> Self {
        let mut registry = Registry::default();
        let families = Families::new(&mut registry, options);
        let (in_flight, dropped_log_lines) = (Gauge::default(), Counter::default());
        registry.register(
            "litellm_in_flight_requests",
            "Requests under way",
            in_flight.clone(),
        );
        registry.register(
            "interlingua_dropped_log_lines",
            "Log lines that the log could not take in time",
            dropped_log_lines.clone(),
        );
        Self {
            registry,
            families,
            in_flight,
            dropped_log_lines,
            purses: Purses::new(options.most_series),
            levels: Levels::new(options.most_series),
            looked: Mutex::default(),
            all_budgets: options.all_budgets,
            handles: DashMap::default(),
            names: DashSet::default(),
            kinds: DashSet::default(),
            most_kinds: options.most_series,
            end_users: options.end_users,
            own: options.own.clone(),
            hasher: RandomState::default(),
        }
    }

    /// Every metric that a configuration can choose.
    pub(crate) fn all() -> &'static [Described] {
        Families::ALL
    }

    /// Looks at what changes without a request: limits of deployments, and what everybody has left.
    pub(crate) async fn refresh(&self, router: &Router, governance: Option<&Governance>) {
        self.limits(router);
        self.levels.show(&self.families, router);
        if let Some(governance) = governance {
            self.look_up(governance).await;
            self.purses.show(&self.families, governance).await;
        }
    }

    /// Finds out how many there are and, where that is wanted, who has a budget.
    async fn look_up(&self, governance: &Governance) {
        if let Ok((users, teams)) = governance.census().await {
            let nothing = Facts::default();
            self.families.users.at(&nothing).set(users as f64);
            self.families.teams.at(&nothing).set(teams as f64);
        }
        if !self.all_budgets || !self.is_time() {
            return;
        }
        let most = i64::try_from(self.most_kinds).unwrap_or(i64::MAX);
        match governance.purses(most).await {
            Ok(all) => all.into_iter().for_each(|purse| self.purses.add(purse)),
            Err(refusal) => {
                tracing::debug!(%refusal.message, "budgets are not known for metrics");
            }
        }
    }

    /// Whether budgets were not looked up lately.
    fn is_time(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = looked.is_some_and(|then| then.elapsed() < LOOKS);
        if !lately {
            *looked = Some(Instant::now());
        }
        !lately
    }

    /// Notes what the vendor that answered says it still takes.
    pub(crate) fn vendor(&self, meta: &Meta, caller: &Caller) {
        let deployment = &meta.deployment;
        self.levels
            .vendor(&meta.headers, deployment, &meta.group, caller);
    }

    /// Notes what is left of a caller's limits, and of the budget of whom it asks for.
    pub(crate) fn bounds<'a>(
        &self,
        record: &Record,
        caller: &Caller,
        limits: impl Iterator<Item = Limited<'a>>,
        customer: Option<&Purse>,
    ) {
        let id = record.deployment.as_ref().map(|d| d.id.as_str());
        for limited in limits {
            let id = id.unwrap_or_default();
            self.levels.limit(limited, caller, &record.requested, id);
        }
        if let Some(purse) = customer.filter(|_| self.end_users) {
            self.purses.add(purse.clone());
        }
    }

    /// Counts a batch or a file that was begun.
    fn made(&self, record: &Record, asked: Asked<'_>) {
        let family = match record.op {
            Some(Op::Batch) => &self.families.batches_made,
            Some(Op::File) => &self.families.files_made,
            _ => return,
        };
        let began = record.verb == Verb::Create && record.outcome == Outcome::Answered;
        if let (Some(deployment), true) = (&record.deployment, began) {
            let facts = of_deployment(self.facts(asked), deployment);
            family.at(&self.bounded(facts)).inc();
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, under_way: u64, dropped_lines: u64) -> String {
        self.in_flight
            .set(i64::try_from(under_way).unwrap_or(i64::MAX));
        let seen = self.dropped_log_lines.get();
        self.dropped_log_lines
            .inc_by(dropped_lines.saturating_sub(seen));
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// A request that ended before anyone was asked.
    pub(crate) fn refused(&self, asked: Asked<'_>, status: u16, class: &str) {
        self.with_facts(asked, |facts| {
            let status = status.to_string();
            let facts = facts
                .say(Label::Status, &status)
                .say(Label::ExceptionStatus, &status)
                .say(Label::ExceptionClass, class);
            let facts = self.bounded(facts);
            self.families.total_requests.at(&facts).inc();
            self.families.failed_requests.at(&facts).inc();
        });
    }

    /// A request that the engine took, and `router` led. `well`: whoever answered does not rest. Says whether it did
    /// before.
    pub(crate) fn record(
        &self,
        record: &Record,
        asked: Asked<'_>,
        router: &Router,
        well: bool,
    ) -> bool {
        let known = || !router.deployments(&record.requested).is_empty();
        self.purses.note(asked.who.caller);
        self.made(record, asked);
        if let (Some(deployment), Outcome::Outpaced) = (&record.deployment, &record.outcome) {
            let requested = self.named(&record.requested, known());
            self.handles(record, requested, asked, deployment)
                .pay(record);
            return false;
        }
        if let (Some(deployment), true) = (&record.deployment, at_once(record)) {
            let slot = self.slot(record, &record.requested, asked, deployment);
            if let Some(handles) = self.handles.get(&slot) {
                return handles.add(record, well, asked.queued);
            }
        }
        let requested = self.named(&record.requested, known());
        self.attempts(record, requested, asked, router);
        match (&record.outcome, &record.deployment) {
            (Outcome::Failed { kind, status, .. }, _) => {
                self.failed(record, requested, asked, router, (class(*kind), *status));
            }
            (_, Some(deployment)) => {
                let handles = self.handles(record, requested, asked, deployment);
                return handles.add(record, well, asked.queued);
            }
            // Who hangs up before an answer began has cost nothing and met nobody.
            (_, None) => self.refused(asked, 499, "ClientDisconnected"),
        }
        false
    }

    /// An attempt failed at `deployment`, which rests because of it or does not. Says whether the rest is a new one.
    pub(crate) fn stumbled(&self, deployment: &Deployment, status: u16, rests: bool) -> bool {
        let facts = place(Facts::default(), deployment);
        let state = self.families.deployment_state.at(&facts);
        if !rests {
            if state.get() == HEALTHY {
                state.set(PARTLY);
            }
            return false;
        }
        let status = status.to_string();
        let facts = facts.say(Label::ExceptionStatus, &status);
        self.families.deployment_cooled.at(&facts).inc();
        state.set(RESTS) != RESTS
    }

    /// What deployments take at most; those that are gone are forgotten.
    fn limits(&self, router: &Router) {
        let families = &self.families;
        families.deployment_rpm.clear();
        families.deployment_tpm.clear();
        for deployment in router.all() {
            let facts = place(Facts::default(), deployment).say(Label::Group, &deployment.group);
            for (family, limit) in [
                (&families.deployment_rpm, deployment.quota.rpm),
                (&families.deployment_tpm, deployment.quota.tpm),
            ] {
                if let Some(limit) = limit {
                    family.at(&facts).set(limit as f64);
                }
            }
        }
    }

    fn named<'a>(&self, name: &'a str, known: bool) -> &'a str {
        if !known {
            return label::NONE;
        }
        if self.names.contains(name) {
            return name;
        }
        if self.names.len() >= MOST_NAMES {
            return label::OTHER;
        }
        self.names.insert(name.to_owned());
        name
    }

    /// The same facts while there is room for more series; then those of many, and then of anybody.
    fn bounded<'a>(&self, facts: Facts<'a>) -> Facts<'a> {
        if self.has_room(&facts, self.most_kinds / 2) {
            return facts;
        }
        let fewer = facts.without_loose();
        if self.has_room(&fewer, self.most_kinds) {
            return fewer;
        }
        facts.without_who()
    }

    fn has_room(&self, facts: &Facts<'_>, most: usize) -> bool {
        let kind = self.hasher.hash_one(facts);
        if self.kinds.contains(&kind) {
            return true;
        }
        self.kinds.len() < most && self.kinds.insert(kind)
    }

    /// Everything there is to say of who asked.
    fn with_facts<R>(&self, asked: Asked<'_>, then: impl FnOnce(Facts<'_>) -> R) -> R {
        let address = asked.who.address.map(|address| address.to_string());
        let asked = Asked {
            address: address.as_deref(),
            ..asked
        };
        then(self.facts(asked))
    }

    fn facts<'a>(&self, asked: Asked<'a>) -> Facts<'a> {
        let Who {
            caller,
            end_user,
            agent,
            ..
        } = asked.who;
        let user = caller.user.as_ref();
        let organization = caller.organization.as_ref();
        Facts::default()
            .say(Label::Route, asked.route)
            .say(Label::Key, caller.key_hash())
            .may_say(Label::KeyAlias, caller.key_alias())
            .may_say(Label::Team, caller.team_id())
            .may_say(Label::TeamAlias, caller.team_alias())
            .may_say(Label::User, caller.user_id())
            .may_say(
                Label::UserEmail,
                user.and_then(|user| user.row.user_email.as_deref()),
            )
            .may_say(Label::Org, caller.organization_id())
            .may_say(
                Label::OrgAlias,
                organization.map(|one| one.row.organization_alias.as_str()),
            )
            .may_say(Label::EndUser, end_user.filter(|_| self.end_users))
            .may_say(Label::ClientIp, asked.address)
            .may_say(Label::UserAgent, agent)
            .own(asked.who.own)
    }

    /// What a request of `caller` says for the operator's own labels.
    pub(crate) fn own(&self, caller: &Caller, said: Said<'_>) -> Vec<String> {
        let labels = self.own.iter();
        labels.map(|label| label.value(caller, said)).collect()
    }

    fn handles(
        &self,
        record: &Record,
        requested: &str,
        asked: Asked<'_>,
        deployment: &Deployment,
    ) -> Arc<Handles> {
        let slot = self.slot(record, requested, asked, deployment);
        if let Some(handles) = self.handles.get(&slot) {
            return Arc::clone(&handles);
        }
        let hung_up = record.outcome == Outcome::HungUp;
        self.with_facts(asked, |facts| {
            let full = of_deployment(facts, deployment)
                .say(Label::Requested, requested)
                .say(Label::Status, if hung_up { "499" } else { "200" })
                .may_say(Label::Group, record.group.as_deref());
            let facts = self.bounded(full);
            let bounded = self.hasher.hash_one(facts);
            let is_full = bounded == self.hasher.hash_one(full);
            if !is_full && let Some(handles) = self.handles.get(&bounded) {
                return Arc::clone(&handles);
            }
            let handles = Arc::new(Handles::of(&self.families, &facts));
            // Whoever has no series of its own is looked up by those that it shares.
            let at = if is_full { slot } else { bounded };
            self.handles.insert(at, Arc::clone(&handles));
            handles
        })
    }

    /// Where the handles of requests like this one are.
    fn slot(
        &self,
        record: &Record,
        requested: &str,
        asked: Asked<'_>,
        deployment: &Deployment,
    ) -> u64 {
        let hung_up = record.outcome == Outcome::HungUp;
        // Usually the same name as the one asked for, and then not hashed twice.
        let group = record.group.as_deref().filter(|group| *group != requested);
        let caller = asked.who.caller;
        let who = (
            caller.key_hash(),
            caller.team_id(),
            caller.user_id(),
            asked.who.end_user.filter(|_| self.end_users),
            asked.who.address,
            asked.who.agent,
            asked.who.own,
        );
        self.hasher
            .hash_one((&deployment.id, requested, asked.route, who, hung_up, group))
    }
}

/// Which deployment this is.
fn place<'a>(facts: Facts<'a>, deployment: &'a Deployment) -> Facts<'a> {
    let target = &deployment.target;
    facts
        .say(Label::ModelName, &target.model)
        .say(Label::ModelId, &deployment.id)
        .say(
            Label::ApiBase,
            target.base_url.split('?').next().unwrap_or_default(),
        )
        .say(Label::Provider, target.provider.name)
}

/// The same, and its model.
fn of_deployment<'a>(facts: Facts<'a>, deployment: &'a Deployment) -> Facts<'a> {
    place(facts, deployment).say(Label::Model, &deployment.target.model)
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// Whether the first one asked answered.
fn at_once(record: &Record) -> bool {
    let failed = matches!(record.outcome, Outcome::Failed { .. });
    let trace = &record.trace;
    !failed && trace.fallbacks == 0 && trace.attempts.iter().all(|attempt| attempt.error.is_none())
}

#[cfg(test)]
mod tests;
