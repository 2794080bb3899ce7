//! Finding the group that a name means.

use std::sync::Arc;

use llm_providers::{Error, Kind};

use crate::{Deployment, Router, pace::Pace, queue::Queue, retry_budget::RetryBudget, wildcard};

/// One group as a request sees it.
pub(crate) struct Group<'a> {
    pub(crate) deployments: &'a [Arc<Deployment>],
    pub(crate) stars: Vec<String>,
    /// `None` where a deployment was named by its id.
    pub(crate) common: Option<&'a Arc<Common>>,
}

/// One group as the router keeps it.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) deployments: Vec<Arc<Deployment>>,
    pub(crate) common: Arc<Common>,
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
    fn as_group(&self, stars: Vec<String>) -> Group<'_> {
        Group {
            deployments: &self.deployments,
            stars,
            common: Some(&self.common),
        }
    }
}

impl Router {
    /// A group by alias, name, pattern, or deployment id.
    pub(crate) fn find(&self, name: &str) -> Option<Group<'_>> {
        let name = self.alias(name);
        if let Some(members) = self.groups.get(name) {
            return Some(members.as_group(Vec::new()));
        }
        let matched = self
            .patterns
            .iter()
            .find_map(|pattern| Some((pattern, wildcard::stars(pattern, name)?)));
        if let Some((pattern, stars)) = matched {
            let stars = stars.into_iter().map(str::to_owned).collect();
            return Some(self.groups.get(pattern)?.as_group(stars));
        }
        let all = self.groups.values();
        let by_id = all
            .flat_map(|members| &members.deployments)
            .find(|deployment| deployment.id == name)?;
        Some(Group {
            deployments: std::slice::from_ref(by_id),
            stars: Vec::new(),
            common: None,
        })
    }

    pub(crate) fn alias<'a>(&'a self, name: &'a str) -> &'a str {
        self.settings.aliases.get(name).map_or(name, String::as_str)
    }
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
