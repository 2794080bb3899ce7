//! Model groups, and what may be asked about them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use llm_providers::Kind;

use crate::{
    Ask, Board, Deployment, Load, Moment, Settings, SettingsError, Spent, Standing, State,
    Strategy,
    group::{self, Group, Members},
    hash, strategy, wildcard,
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

impl Router {
    /// A router over `deployments`; refuses settings that cannot work. Where there are deployments, fallbacks and aliases
    /// must lead to some of them.
    pub fn new(
        deployments: Vec<Deployment>,
        mut settings: Settings,
    ) -> Result<Self, SettingsError> {
        settings.share(None)?;
        let router = Self::over(deployments, settings, Arc::default())?;
        match router.leads_nowhere() {
            Some((what, name)) => Err(SettingsError(format!(
                "{what}: no deployment answers for '{name}'"
            ))),
            None => Ok(router),
        }
    }

    /// The router with another configuration, which goes on with what this one has learned: counts, rests, latencies.
    /// Deployments may be gone to which fallbacks and aliases still lead.
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

    /// A router of other deployments that spends the same budgets of providers and tags.
    pub fn beside(
        &self,
        deployments: Vec<Deployment>,
        mut settings: Settings,
    ) -> Result<Self, SettingsError> {
        settings.budgets = self.settings.budgets.clone();
        let state = State {
            spending: Arc::clone(&self.state.spending),
            budgets_shared: self.settings.shared.clone(),
            ..State::default()
        };
        Self::over(deployments, settings, Arc::new(state))
    }

    /// A setting that leads to a name that nobody answers for, and the name.
    fn leads_nowhere(&self) -> Option<(String, &str)> {
        if self.groups.is_empty() {
            return None;
        }
        let unknown = |name: &str| self.find(name).is_none();
        let aliases = self.settings.aliases.iter();
        let mut aliases = aliases.filter(|(_, group)| unknown(group));
        if let Some((alias, group)) = aliases.next() {
            return Some((format!("the alias '{alias}'"), group));
        }
        self.settings.fallbacks.find(unknown)
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
            deployment.lot = hash::of(deployment.id.as_bytes());
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
        groups.values_mut().for_each(Members::close);
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
        state.board.put_up(all, settings.speed);
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

    /// Whether `deployment` rests, or failed in this minute.
    pub fn failed_lately(&self, deployment: &Deployment) -> bool {
        let now = self.state.clock.now();
        let health = &deployment.live.health;
        health.standing(now) != Standing::Well || health.failures(now) > 0
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
                || deployment.quota.itpm.is_some()
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

    /// Goes to meet the other instances now, not with the first request; only the first call counts.
    pub fn attend(&self) {
        if let Some(shared) = &self.settings.shared {
            shared.attend(&self.state.board);
        }
    }

    /// What is heard of other instances.
    pub fn board(&self) -> &Arc<Board> {
        &self.state.board
    }

    /// How this router behaves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every deployment.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.groups
            .values()
            .flat_map(|members| &members.deployments)
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
