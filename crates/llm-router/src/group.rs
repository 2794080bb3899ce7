//! Finding the group that a name means.

use std::{collections::BTreeMap, sync::Arc};

use llm_providers::{Error, Kind};

use crate::{
    Deployment, Router, SettingsError, Strategy, pace::Pace, queue::Queue,
    retry_budget::RetryBudget, settings::Settings, wildcard,
};

/// A name for several groups together, and the strategy of them all: LiteLLM's `routing_groups`.
#[derive(Debug, Clone)]
pub struct RoutingGroup {
    /// The name, which requests may ask for like a group's.
    pub name: String,
    /// The groups. A group belongs to one routing group at most.
    pub models: Vec<String>,
    /// Who of their deployments is asked; the same where one of the groups is asked for alone.
    pub strategy: Arc<dyn Strategy>,
}

/// One group as a request sees it.
pub(crate) struct Group<'a> {
    /// As it is configured: a request may have named it otherwise.
    pub(crate) name: &'a str,
    pub(crate) deployments: &'a [Arc<Deployment>],
    pub(crate) stars: Vec<String>,
    /// `None` where a deployment was named by its id.
    pub(crate) common: Option<&'a Arc<Common>>,
    pub(crate) traits: Traits,
}

/// What any of a group's deployments has: what none has need not be looked for in a thousand of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traits {
    pub(crate) windows: bool,
    pub(crate) budgets: bool,
    pub(crate) orders: bool,
    /// `enable_tag_filtering` of the first `model_info` that says it.
    pub(crate) tag_filtering: Option<bool>,
}

impl Traits {
    fn of(deployments: &[Arc<Deployment>]) -> Self {
        let any = |is: fn(&Deployment) -> bool| deployments.iter().any(|d| is(d));
        let flag = |d: &Arc<Deployment>| d.model_info.get("enable_tag_filtering")?.as_bool();
        Self {
            windows: any(|d| !d.access_windows.is_empty()),
            budgets: any(|d| d.budget.is_some()),
            orders: any(|d| d.order.is_some()),
            tag_filtering: deployments.iter().find_map(flag),
        }
    }
}

/// One group as the router keeps it.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) deployments: Vec<Arc<Deployment>>,
    pub(crate) common: Arc<Common>,
    traits: Traits,
}

/// What is known of a group as a whole. Kept by its name when the configuration changes.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub(crate) retries: RetryBudget,
    /// Rivals of slow attempts.
    pub(crate) rivals: RetryBudget,
    pub(crate) pace: Pace,
    pub(crate) queue: Arc<Queue>,
}

impl Members {
    /// All deployments are there.
    pub(crate) fn close(&mut self) {
        self.traits = Traits::of(&self.deployments);
    }

    fn as_group<'a>(&'a self, name: &'a str, stars: Vec<String>) -> Group<'a> {
        Group {
            name,
            deployments: &self.deployments,
            stars,
            common: Some(&self.common),
            traits: self.traits,
        }
    }
}

impl Router {
    /// A group by alias, name, pattern, or deployment id.
    pub(crate) fn find(&self, name: &str) -> Option<Group<'_>> {
        let name = self.alias(name);
        let exactly = self.unions.get_key_value(name);
        if let Some((name, members)) = exactly.or_else(|| self.groups.get_key_value(name)) {
            return Some(members.as_group(name, Vec::new()));
        }
        let matched = self
            .patterns
            .iter()
            .find_map(|pattern| Some((pattern, wildcard::stars(pattern, name)?)));
        if let Some((pattern, stars)) = matched {
            let stars = stars.into_iter().map(str::to_owned).collect();
            return Some(self.groups.get(pattern)?.as_group(pattern, stars));
        }
        let all = self.groups.values();
        let by_id = all
            .flat_map(|members| &members.deployments)
            .find(|deployment| deployment.id == name)?;
        let deployments = std::slice::from_ref(by_id);
        Some(Group {
            name: &by_id.group,
            deployments,
            stars: Vec::new(),
            common: None,
            traits: Traits::of(deployments),
        })
    }

    pub(crate) fn alias<'a>(&'a self, name: &'a str) -> &'a str {
        self.settings.aliases.get(name).map_or(name, String::as_str)
    }
}

/// The routing groups' members; refuses those that cannot be.
pub(crate) fn unions(
    settings: &Settings,
    groups: &BTreeMap<String, Members>,
) -> Result<BTreeMap<String, Members>, SettingsError> {
    let mut unions = BTreeMap::new();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for group in &settings.routing_groups {
        let name = &group.name;
        let refuse = |what: String| Err(SettingsError(format!("routing_groups: '{name}' {what}")));
        if groups.contains_key(name) {
            return refuse("is the name of a model group too".into());
        }
        let mut all = Members::default();
        for model in &group.models {
            let Some(members) = groups.get(model) else {
                return refuse(format!(
                    "names the model group '{model}', which does not exist"
                ));
            };
            if let Some(other) = owners.insert(model, name) {
                return refuse(format!("names '{model}', which is in '{other}' already"));
            }
            all.deployments.extend(members.deployments.iter().cloned());
        }
        if all.deployments.is_empty() {
            return refuse("has no models".into());
        }
        all.close();
        if unions.insert(name.clone(), all).is_some() {
            return refuse("is there twice".into());
        }
    }
    Ok(unions)
}

/// The error for a name that nothing answers to.
pub(crate) fn unknown(name: &str) -> Error {
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
